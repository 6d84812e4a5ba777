"""Generated data: exclusive or, and chaotic series that are integrated to a tight tolerance."""

from collections.abc import Callable
from itertools import pairwise
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.integrate import solve_ivp
from sklearn.utils import check_random_state

__all__ = ["make_lorenz", "make_mackey_glass", "make_rossler", "make_xor"]

Array = npt.NDArray[np.float64]

TOLERANCE = 1e-10  # relative and absolute, of the integration
HUGE = float(np.finfo(np.float64).max)
LARGEST = 1e4  # no attractor of these systems is nearly as wide


class _Unbounded(Exception):
    """A solution runs away."""


def make_xor(
    n_samples: int = 200, *, noise: float = 0.0, random_state: Any = None
) -> tuple[Array, npt.NDArray[np.intp]]:
    """Make points at the corners of a square; their label is the exclusive or of the coordinates.

    Parameters
    ----------
    n_samples : int, default=200
        Number of points. The four corners get equally many, up to one.
    noise : float, default=0.0
        Standard deviation of Gaussian noise on the coordinates.
    random_state : int, RandomState instance or None, default=None
        Seed of the noise and the order of the points.

    Returns
    -------
    X : ndarray of shape (n_samples, 2)
        Coordinates, 0 or 1 plus the noise.
    y : ndarray of shape (n_samples,)
        Labels, 0 or 1.

    Raises
    ------
    ValueError
        If `n_samples` is not a positive integer, or `noise` is negative or not finite.

    References
    ----------
    .. [1] Minsky and Papert (1969). Perceptrons. MIT Press.

    Examples
    --------
    >>> from skdopamine.datasets import make_xor
    >>> X, y = make_xor(4, random_state=0)
    >>> bool(((X[:, 0] != X[:, 1]) == y).all())
    True
    """
    _check_count("n_samples", n_samples)
    _check_number("noise", noise, least=0.0)
    rng = check_random_state(random_state)
    corner = rng.permutation(np.arange(n_samples) % 4)
    bits = np.stack([corner // 2, corner % 2], axis=1)
    return bits + noise * rng.standard_normal(bits.shape), bits[:, 0] ^ bits[:, 1]


def make_lorenz(
    n_samples: int = 5000,
    *,
    dt: float = 0.02,
    sigma: float = 10.0,
    rho: float = 28.0,
    beta: float = 8 / 3,
    transient: float = 40.0,
    random_state: Any = None,
) -> Array:
    """Integrate the Lorenz system, a chaotic system of three equations, from a random start.

    At the default parameters the largest Lyapunov exponent is about .906 per unit of time. Two nearby starts separate
    by a factor of e in about 1.1 units.

    Parameters
    ----------
    n_samples : int, default=5000
        Number of rows.
    dt : float, default=0.02
        Time between two rows.
    sigma, rho, beta : float, default=10.0, 28.0, 8 / 3
        Parameters of the equations.
    transient : float, default=40.0
        Time before the first row, in which the start is forgotten.
    random_state : int, RandomState instance or None, default=None
        Seed of the start.

    Returns
    -------
    series : ndarray of shape (n_samples, 3)
        The coordinates x, y, z.

    Raises
    ------
    ValueError
        If a number is not valid, or the parameters give no bounded solution.

    References
    ----------
    .. [1] Lorenz (1963). Deterministic nonperiodic flow.
       https://doi.org/10.1175/1520-0469%281963%29020%3C0130:DNF%3E2.0.CO;2

    Examples
    --------
    >>> from skdopamine.datasets import make_lorenz
    >>> make_lorenz(100, random_state=0).shape
    (100, 3)
    """
    for name, value in (("sigma", sigma), ("rho", rho), ("beta", beta)):
        _check_number(name, value)

    def derivative(t: float, s: Array) -> list[float]:
        return [sigma * (s[1] - s[0]), s[0] * (rho - s[2]) - s[1], s[0] * s[1] - beta * s[2]]

    return _integrate(derivative, 1.0, n_samples, dt, transient, random_state)


def make_rossler(
    n_samples: int = 5000,
    *,
    dt: float = 0.1,
    a: float = 0.2,
    b: float = 0.2,
    c: float = 5.7,
    transient: float = 200.0,
    random_state: Any = None,
) -> Array:
    """Integrate the Rössler system, a chaotic system of three equations, from a random start.

    At the default parameters the largest Lyapunov exponent is about .0714 per unit of time. Two nearby starts separate
    by a factor of e in about 14 units.

    Parameters
    ----------
    n_samples : int, default=5000
        Number of rows.
    dt : float, default=0.1
        Time between two rows.
    a, b, c : float, default=0.2, 0.2, 5.7
        Parameters of the equations.
    transient : float, default=200.0
        Time before the first row, in which the start is forgotten.
    random_state : int, RandomState instance or None, default=None
        Seed of the start.

    Returns
    -------
    series : ndarray of shape (n_samples, 3)
        The coordinates x, y, z.

    Raises
    ------
    ValueError
        If a number is not valid, or the parameters give no bounded solution.

    References
    ----------
    .. [1] Rössler (1976). An equation for continuous chaos. https://doi.org/10.1016/0375-9601(76)90101-8

    Examples
    --------
    >>> from skdopamine.datasets import make_rossler
    >>> make_rossler(100, random_state=0).shape
    (100, 3)
    """
    for name, value in (("a", a), ("b", b), ("c", c)):
        _check_number(name, value)

    def derivative(t: float, s: Array) -> list[float]:
        return [-s[1] - s[2], s[0] + a * s[1], b + s[2] * (s[0] - c)]

    return _integrate(derivative, 1.0, n_samples, dt, transient, random_state)


def make_mackey_glass(
    n_samples: int = 5000,
    *,
    tau: float = 17.0,
    dt: float = 1.0,
    beta: float = 0.2,
    gamma: float = 0.1,
    n: float = 10.0,
    transient: float = 500.0,
    random_state: Any = None,
) -> Array:
    """Integrate the Mackey-Glass delay equation from a random constant history.

    ``ds(t)/dt = beta s(t - tau) / (1 + s(t - tau) ** n) - gamma s(t)``, solved interval by interval of length tau.

    Parameters
    ----------
    n_samples : int, default=5000
        Number of rows.
    tau : float, default=17.0
        Delay. From about 16.8 on the series is chaotic.
    dt : float, default=1.0
        Time between two rows.
    beta, gamma, n : float, default=0.2, 0.1, 10.0
        Parameters of the equation.
    transient : float, default=500.0
        Time before the first row, in which the start is forgotten.
    random_state : int, RandomState instance or None, default=None
        Seed of the history, a constant between 1.1 and 1.3.

    Returns
    -------
    series : ndarray of shape (n_samples, 1)
        The values.

    Raises
    ------
    ValueError
        If a number is not valid, or the parameters give no bounded solution.

    References
    ----------
    .. [1] Mackey and Glass (1977). Oscillation and chaos in physiological control systems.
       https://doi.org/10.1126/science.267326

    Examples
    --------
    >>> from skdopamine.datasets import make_mackey_glass
    >>> make_mackey_glass(100, random_state=0).shape
    (100, 1)
    """
    for name, value in (("beta", beta), ("gamma", gamma), ("n", n)):
        _check_number(name, value)
    _check_number("tau", tau, above=0.0)
    times = _times(n_samples, dt, transient)
    start = check_random_state(random_state).uniform(1.1, 1.3)
    past: Callable[[float], Any] = np.polynomial.Polynomial([start])  # then the solution of each interval
    level, series = np.array([start]), np.empty(n_samples)
    edges = np.arange(0, times[-1] + tau, tau)
    for begin, end in pairwise([*edges, edges[-1] + tau]):

        def derivative(t: float, s: Array, past: Callable[[float], Any] = past) -> Any:
            delayed = past(t - tau)
            return beta * delayed / (1 + delayed**n) - gamma * s

        solution = _solve(derivative, (begin, end), level, dense_output=True)
        inside = (times >= begin) & (times < end)
        if inside.any():
            series[inside] = solution.sol(times[inside])[0]
        past, level = solution.sol, solution.y[:, -1]
    return series[:, None]


def _integrate(
    derivative: Callable[[float, Array], list[float]],
    spread: float,
    n_samples: int,
    dt: float,
    transient: float,
    random_state: Any,
) -> Array:
    """Rows of a system of three equations, from a start around (1, 1, 1)."""
    times = _times(n_samples, dt, transient)
    start = 1.0 + spread * check_random_state(random_state).uniform(-0.5, 0.5, 3)
    if times[-1] == 0:
        return np.asarray(start[None], dtype=np.float64)
    solution = _solve(derivative, (0.0, times[-1]), start, t_eval=times)
    return np.ascontiguousarray(solution.y.T)


def _solve(derivative: Callable[..., Any], span: tuple[float, float], start: Array, **options: Any) -> Any:

    def bounded(t: float, s: Array) -> Any:
        if not np.abs(s).max() < LARGEST:
            raise _Unbounded
        return derivative(t, s)

    with np.errstate(all="ignore"):  # a solution that runs away is refused below
        try:
            solution = solve_ivp(bounded, span, start, method="DOP853", rtol=TOLERANCE, atol=TOLERANCE, **options)
        except (OverflowError, _Unbounded) as error:
            raise ValueError("The parameters give no bounded solution.") from error
    if not solution.success or not np.isfinite(solution.y).all():
        raise ValueError(f"The parameters give no bounded solution: {solution.message}")
    return solution


def _times(n_samples: int, dt: float, transient: float) -> Array:
    _check_count("n_samples", n_samples)
    _check_number("dt", dt, above=0.0)
    _check_number("transient", transient, least=0.0)
    return np.asarray(transient + dt * np.arange(n_samples), dtype=np.float64)


def _check_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be a positive integer, got {_plain(value)!r}.")


def _check_number(name: str, value: Any, *, least: float = -np.inf, above: float = -np.inf) -> None:
    number: Any = value if isinstance(value, Real) else np.nan
    if not -HUGE < number < HUGE or number < least or number <= above:
        bound = f" above {above}" if above > -np.inf else f" of at least {least}" if least > -np.inf else ""
        raise ValueError(f"{name} must be a finite number{bound}, got {_plain(value)!r}.")


def _plain(value: Any) -> Any:
    """The value without the types of numpy."""
    return value.tolist() if isinstance(value, np.generic) else value
