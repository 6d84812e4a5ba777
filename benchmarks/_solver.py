"""The solver of the chaotic systems, and how far it can be trusted."""

from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp

Array = np.ndarray
TOLERANCE = 1e-10
STRICTER = (("DOP853", 1e-13), ("LSODA", 1e-13))


def integrate(
    derivative: Callable[[float, Array], object],
    state: Array,
    times: Array,
    method: str = "DOP853",
    tolerance: float = TOLERANCE,
    *,
    begin: float = 0.0,
) -> Array:
    """States (times, channels) from a state at the time `begin` on."""
    span = (begin, times[-1])
    solution = solve_ivp(derivative, span, state, method=method, t_eval=times, rtol=tolerance, atol=tolerance)
    assert solution.success, solution.message
    return np.asarray(solution.y.T)


def distrust(
    derivative: Callable[[float, Array], object],
    state: Array,
    times: Array,
    unit: Array,
    *,
    begin: float = 0.0,
    seen: Callable[[Array], Array] = np.asarray,
) -> Array:
    """Distance at each time to what the stricter solvers give, the larger one, in the spread `unit` of what is seen."""
    path, *others = (
        seen(integrate(derivative, state, times, *solver, begin=begin)) for solver in (("DOP853", TOLERANCE), *STRICTER)
    )
    size = np.sqrt(len(unit))
    return np.max([np.linalg.norm((other - path) / unit, axis=1) / size for other in others], axis=0)
