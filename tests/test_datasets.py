"""Generated series against other integrators, from the same start."""

import signal
from contextlib import contextmanager

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from sklearn.utils import check_random_state

from skdopamine.datasets import make_lorenz, make_mackey_glass, make_rossler, make_xor

SERIES = {"lorenz": make_lorenz, "rossler": make_rossler, "mackey_glass": make_mackey_glass}
MAKERS = pytest.mark.parametrize("make", SERIES.values(), ids=SERIES)


def lorenz(t, s, sigma=10.0, rho=28.0, beta=8 / 3):
    x, y, z = s
    return np.array([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])


def rossler(t, s, a=0.2, b=0.2, c=5.7):
    x, y, z = s
    return np.array([-y - z, x + a * y, b + z * (x - c)])


@pytest.mark.parametrize("method", ["LSODA", "Radau"])
@pytest.mark.parametrize(
    ("make", "derivative", "params", "dt"),
    [
        (make_lorenz, lorenz, {}, 0.02),
        (make_lorenz, lorenz, {"sigma": 16.0, "rho": 45.0, "beta": 4.0}, 0.01),
        (make_rossler, rossler, {}, 0.1),
        (make_rossler, rossler, {"a": 0.1, "b": 0.1, "c": 14.0}, 0.05),
    ],
)
def test_a_flow_is_that_of_another_method(make, derivative, params, dt, method):
    series = make(101, dt=dt, transient=0.5, random_state=3, **params)
    start = 1 + check_random_state(3).uniform(-0.5, 0.5, 3)
    times = 0.5 + dt * np.arange(101)
    other = solve_ivp(
        lambda t, s: derivative(t, s, **params),
        (0, times[-1]),
        start,
        t_eval=times,
        method=method,
        rtol=1e-9,
        atol=1e-11,
    )
    np.testing.assert_allclose(series, other.y.T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("make", "derivative"), [(make_lorenz, lorenz), (make_rossler, rossler)])
def test_a_row_follows_from_the_row_before_by_small_steps(make, derivative):
    dt, n_steps = 0.02, 200
    series = make(50, dt=dt, random_state=0)
    state, h = series[:-1].T, dt / n_steps
    for _ in range(n_steps):  # the classical method of Runge and Kutta
        k1 = derivative(0, state)
        k2 = derivative(0, state + h / 2 * k1)
        k3 = derivative(0, state + h / 2 * k2)
        k4 = derivative(0, state + h * k3)
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    np.testing.assert_allclose(series[1:], state.T, rtol=1e-7, atol=1e-7)


def mackey_glass_by_fixed_steps(start, n_times, tau, beta, gamma, n, per_unit):
    """The classical method of Runge and Kutta; between two steps the past is a cubic of four values."""
    h, lag = 1 / per_unit, tau * per_unit  # lag in steps, an integer
    values = np.full(lag + 2 + n_times * per_unit, start)
    origin = lag + 1

    def slope(delayed, s):
        return beta * delayed / (1 + delayed**n) - gamma * s

    for i in range(origin, len(values) - 1):
        j = i - lag
        ends, s = (values[j], values[j + 1]), values[i]
        # the midpoint by a cubic through j - 1 .. j + 2, which are known as the lag is longer than two steps
        middle = (-values[j - 1] + 9 * values[j] + 9 * values[j + 1] - values[j + 2]) / 16
        if j in (origin - 2, origin - 1, origin):  # the constant history has a kink at the origin
            middle = start if j < origin else (3 * values[j] + 6 * values[j + 1] - values[j + 2]) / 8
        k1 = slope(ends[0], s)
        k2 = slope(middle, s + h / 2 * k1)
        k3 = slope(middle, s + h / 2 * k2)
        k4 = slope(ends[1], s + h * k3)
        values[i + 1] = s + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return values[origin::per_unit]


@pytest.mark.parametrize(("tau", "n"), [(17, 10.0), (30, 10.0), (8, 6.0)])
def test_mackey_glass_is_that_of_fixed_steps_with_interpolated_history(tau, n):
    series = make_mackey_glass(201, tau=tau, n=n, transient=0, random_state=5)
    start = check_random_state(5).uniform(1.1, 1.3)
    other = mackey_glass_by_fixed_steps(start, 200, tau, 0.2, 0.1, n, per_unit=100)
    np.testing.assert_allclose(series[:, 0], other[:201], atol=2e-6)


def test_mackey_glass_without_feedback_decays():
    series = make_mackey_glass(50, beta=0.0, transient=0, random_state=0)[:, 0]
    np.testing.assert_allclose(series, series[0] * np.exp(-0.1 * np.arange(50)), rtol=1e-8)


def test_a_constant_mackey_glass_history_of_the_fixed_point_stays():
    # beta / (1 + s^n) = gamma at s = 1: the solution moves to it with a mild exponent
    series = make_mackey_glass(100, n=1.0, transient=2000, random_state=0)
    np.testing.assert_allclose(series, 1.0, atol=1e-8)


@MAKERS
def test_rows_do_not_depend_on_how_many_and_how_dense_they_are(make):
    long = make(60, dt=0.5, transient=3, random_state=0)
    np.testing.assert_allclose(make(20, dt=0.5, transient=3, random_state=0), long[:20], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(make(20, dt=0.5, transient=8, random_state=0), long[10:30], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(make(10, dt=1.0, transient=3, random_state=0), long[:20:2], rtol=1e-5, atol=1e-5)


@MAKERS
def test_series_are_double_precision_of_one_row_a_time_and_finite(make):
    series = make(37, transient=20, random_state=0)
    assert series.shape == (37, 1 if make is make_mackey_glass else 3)
    assert series.dtype == np.float64
    assert series.flags.c_contiguous
    assert np.isfinite(series).all()
    assert make(1, random_state=0).shape[0] == 1


@MAKERS
def test_random_state_determines_a_series(make):
    short = {"n_samples": 20, "transient": 5}
    one = make(**short, random_state=1)
    np.testing.assert_array_equal(make(**short, random_state=1), one)
    np.testing.assert_array_equal(make(**short, random_state=np.random.RandomState(1)), one)
    assert not np.allclose(make(**short, random_state=2), one)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "scale"), [(make_lorenz, 40.0), (make_rossler, 30.0), (make_mackey_glass, 2.0)], ids=SERIES
)
def test_chaotic_series_stay_on_their_attractor_and_forget_their_start_slowly(make, scale):
    one, other = (make(600, random_state=seed) for seed in (0, 1))
    assert np.abs(one).max() < scale + 20 * (make is make_lorenz)
    assert (one.std(axis=0) > 0.1).all()
    np.testing.assert_allclose(one.std(axis=0), other.std(axis=0), rtol=0.35)


@pytest.mark.slow
def test_lorenz_neighbours_part_at_the_known_rate():
    rng, rates = np.random.default_rng(0), []
    for start in make_lorenz(12, dt=1.0, random_state=0):
        shifted = start + 1e-7 * rng.standard_normal(3)
        exact = {"method": "DOP853", "rtol": 1e-10, "atol": 1e-12}
        ends = [solve_ivp(lorenz, (0, 8), s, t_eval=[2, 8], **exact).y.T for s in (start, shifted)]
        early, late = np.linalg.norm(ends[0] - ends[1], axis=1)
        rates.append(np.log(late / early) / 6)
    assert np.mean(rates) == pytest.approx(0.906, abs=0.25)


@pytest.mark.parametrize("n_samples", [1, 4, 7, 200])
def test_xor_labels_are_the_exclusive_or_of_balanced_corners(n_samples):
    X, y = make_xor(n_samples, random_state=0)
    assert X.shape == (n_samples, 2)
    assert y.shape == (n_samples,)
    assert X.dtype == np.float64
    assert y.dtype.kind == "i"
    np.testing.assert_array_equal((X[:, 0] == 1) != (X[:, 1] == 1), y)
    _, counts = np.unique(X, axis=0, return_counts=True)
    assert set(np.unique(X)) <= {0, 1}
    assert counts.max() - (counts.min() if n_samples >= 4 else 0) <= 1


def test_xor_noise_moves_points_and_no_labels():
    X, y = make_xor(2000, noise=0.1, random_state=0)
    np.testing.assert_array_equal((X[:, 0] > 0.5) != (X[:, 1] > 0.5), y)
    assert (X - np.round(X)).std() == pytest.approx(0.1, rel=0.05)
    again, _ = make_xor(2000, noise=0.1, random_state=0)
    np.testing.assert_array_equal(again, X)
    assert not np.array_equal(make_xor(2000, noise=0.1, random_state=1)[0], X)


# ---- bad input ----

NUMBERS = {
    make_xor: (),
    make_lorenz: ("sigma", "rho", "beta"),
    make_rossler: ("a", "b", "c"),
    make_mackey_glass: ("beta", "gamma", "n"),
}
BAD = [
    *[(make, "n_samples", v) for make in NUMBERS for v in (0, -1, 2.0, "ten", None, True)],
    *[(make_xor, "noise", v) for v in (-0.1, np.nan, np.inf, "loud", None)],
    *[(make, name, v) for make in SERIES.values() for name in ("dt",) for v in (0, 0.0, -1.0, np.nan, np.inf, "1")],
    *[(make, "transient", v) for make in SERIES.values() for v in (-1, -0.1, np.nan, np.inf, "1")],
    *[(make, name, v) for make, names in NUMBERS.items() for name in names for v in (np.nan, np.inf, "1", None, 1j)],
    *[(make_mackey_glass, "tau", v) for v in (0, -17.0, np.nan, np.inf, "17")],
    *[(make, "random_state", "seed") for make in NUMBERS],
]


@pytest.mark.parametrize(("make", "name", "value"), BAD)
def test_a_bad_parameter_is_named_with_its_value(make, name, value):
    expected = "seed" if name == "random_state" else rf"^{name} must be"
    with pytest.raises(ValueError, match=expected) as caught:
        make(**{"n_samples": 5, name: value})
    assert repr(value) in str(caught.value)


@contextmanager
def at_most(seconds):
    """An integration that does not end is an error too."""

    def stop(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize(
    ("make", "params"),
    [
        (make_rossler, {"a": 5.0}),
        (make_lorenz, {"sigma": -10.0}),
        (make_mackey_glass, {"gamma": -5.0}),
        (make_mackey_glass, {"n": 1e5}),
        (make_mackey_glass, {"beta": 1e308}),
    ],
)
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs an alarm")
def test_parameters_without_a_bounded_solution_give_finite_values_or_say_so(make, params):
    try:
        with at_most(10):
            series = make(20, **params, random_state=0)
    except ValueError as error:
        assert "bounded" in str(error)
    else:
        assert np.isfinite(series).all()


@pytest.mark.parametrize("make", [make_lorenz, make_rossler])
def test_one_row_without_a_transient_is_the_start(make):
    np.testing.assert_array_equal(make(1, transient=0, random_state=0), make(5, transient=0, random_state=0)[:1])
