"""All weights of a reservoir, whose readout is solved, as a problem of the trainer."""

import tracemalloc
import warnings

import numpy as np
import pytest
from reservoirs import gains_of_one
from sklearn.exceptions import ConvergenceWarning

from skdopamine import DopamineESNForecaster
from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.forecast import Assignment
from skdopamine._esn.reader import SeriesReader, WindowReader, predicted
from skdopamine._esn.recurrent_problem import Projected, RecurrentProblem
from skdopamine._objectives.base import SquaredError
from skdopamine._objectives.losses import Pinball
from skdopamine.datasets import make_lorenz

N_UNITS, LAGS = 8, np.arange(1)
WIDE = (np.full(2, -9.0), np.full(2, 9.0))


def rows_of(n):
    phase = 0.3 * np.arange(n)
    noise = 0.1 * np.random.default_rng(0).standard_normal((n, 2))
    return np.column_stack([np.sin(phase) ** 3, np.cos(1.7 * phase)]) + noise


def problem_of(rows=None, series=True, radius=0.5, gap=None):
    rows = rows_of(200) if rows is None else rows
    weights = _reservoir.init_weights(N_UNITS, 2, 0.6, np.random.default_rng(0))
    windows = np.lib.stride_tricks.sliding_window_view(rows[:-1], 6, axis=0).transpose(0, 2, 1)
    reader = SeriesReader(rows[:-1], LAGS) if series else WindowReader(windows, LAGS)
    target = (rows[1:] if series else rows[6:]).copy()
    if gap is not None:
        target[gap] = np.nan
    task = Assignment(reader, target, series, 10 * series, 150, 5 if series else 1, WIDE, SquaredError())
    n_features = N_UNITS + 2 + 1
    gains = gains_of_one(radius=radius, leak=0.9, inputs=1.5, bias=0.5, ridge=1e-9, lag_ridge=1e-9)
    start = Projected(weights, gains, _reservoir.init_normal(1, n_features, 2), np.zeros((n_features, 2)))
    return RecurrentProblem(start, task, n_windows=12 if series else 150)


@pytest.fixture
def unpenalised(monkeypatch):
    """Readouts without the penalty that noise asks for."""
    monkeypatch.setattr(_reservoir, "PRIOR", 1e12)


def moved(problem, size=0.1):
    return size * np.random.default_rng(3).standard_normal(len(problem.units))


@pytest.mark.parametrize("series", [True, False])
def test_no_change_is_the_start_and_costs_one(series):
    own = problem_of(series=series)
    weights = own.weights(own.init_params())
    np.testing.assert_array_equal(weights.recurrent.matrix.toarray(), own.start.weights.recurrent.matrix.toarray())
    assert own.losses(own.init_params(), own.batch(slice(None))).mean() == pytest.approx(1)


def test_units_of_weights_are_their_root_mean_squares():
    own = problem_of()
    weights, before = own.weights(np.ones(len(own.units))), own.start.weights
    for new, old in (
        (weights.inputs, before.inputs),
        (weights.bias, before.bias),
        (weights.recurrent.data, before.recurrent.data),
    ):
        np.testing.assert_allclose(new - old, np.sqrt(np.mean(old**2)))


def test_losses_are_what_the_best_readout_leaves_over(unpenalised):
    """By least squares on the same rows."""
    own = problem_of(series=False)
    params = moved(own)
    population = own.population(params)
    reader, ones = own.task.reader, np.eye(N_UNITS + 3)
    seen = predicted(reader, population, ones, np.zeros((N_UNITS, 1)), 0, len(own.task.target))[own.origins]
    target = own.task.target[own.origins]
    readout = np.linalg.lstsq(seen, target, rcond=None)[0]
    by_hand = 0.5 * ((seen @ readout - target) ** 2).sum(axis=1)
    found = own.losses(params, own.batch(slice(None))) * own.unit
    np.testing.assert_allclose(found, by_hand, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("gap", [None, np.arange(0, 190, 7)])
@pytest.mark.parametrize("series", [True, False])
def test_without_links_the_credit_is_the_slope_of_the_log_of_the_loss(series, gap, unpenalised):
    """Then no row acts on a later one but through the leak, and credit of the present step is all there is."""
    own = problem_of(series=series, radius=1e-9, gap=gap)
    own.start = own.start._replace(gains=own.start.gains._replace(leak_rate=np.ones(1)))
    params, batch, h = moved(own), own.batch(slice(None)), 1e-4
    credit = own.credit(params, (), batch, 0).credit
    links = own.sizes[0]
    slopes = [
        (np.log(own.losses(params + step, batch).mean()) - np.log(own.losses(params - step, batch).mean())) / (2 * h)
        for step in h * np.eye(len(params))
    ]
    np.testing.assert_allclose(credit[links:], slopes[links:], rtol=0.02, atol=2e-3 * np.abs(slopes).max())


def test_with_links_the_credit_points_downhill():
    own = problem_of()
    params, batch = own.init_params(), own.batch(slice(None))
    estimate = own.credit(params, (), batch, 0)
    for part in (np.s_[:], np.s_[: own.sizes[0]]):  # all weights, and the links alone
        step = np.zeros(len(params))
        step[part] = 0.03 * estimate.credit[part] / np.linalg.norm(estimate.credit[part])
        down, up = (own.losses(params + sign * step, batch).mean() for sign in (-1, 1))
        assert down < estimate.losses.mean() < up
    np.testing.assert_allclose(estimate.losses, own.losses(params, batch))


def test_memory_does_not_grow_with_the_series_or_the_length_of_windows():
    def peak(n, washout):
        own = problem_of(rows_of(n))
        own.task = own.task._replace(washout=washout)
        own.reach = own.task.reader.reach(washout)
        own.origins = np.linspace(own.reach.n_before, n - 60, 12).astype(int)
        batch = own.batch(slice(None))
        tracemalloc.start()
        own.credit(own.init_params(), (), batch, 0)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(5000, 500) < 1.2 * peak(500, 10)


def test_rows_held_back_tell_the_score():
    own = problem_of()
    assert own.held_back.min() >= own.task.split
    assert np.isfinite(own.score(own.init_params()))
    before = own.score(own.init_params())
    target = own.task.target.copy()
    target[own.task.split :] += 1.0
    own.task = own.task._replace(target=target)
    assert own.score(own.init_params()) < before - 0.1


def test_training_halves_the_error_of_a_chaotic_series_and_the_stream_goes_on():
    rows = make_lorenz(1500, dt=0.02, random_state=0)
    plain, trained = (
        DopamineESNForecaster(
            20, stateful=True, trainable=names, max_iter=20, washout=30, horizon=30, readout_lags=1, random_state=0
        )
        for names in ((), ("recurrent",))
    )
    found = []
    for model in (plain, trained):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # few epochs are enough
            model.fit(rows[:1000])
        found.append(np.sqrt(np.mean((model.predict(rows[1000:])[:-1] - rows[1001:]) ** 2)))
    assert found[1] < 0.5 * found[0]
    forecast = trained.partial_fit(rows[1000:1200]).forecast(5)
    np.testing.assert_allclose(forecast, rows[1200:1205], atol=0.1)


def test_credit_is_of_squares_whatever_the_loss():
    """By squares the ridge readout is the best one, which is what the credit of weights rests on."""
    squares, other = problem_of(), problem_of()
    other.task = other.task._replace(objective=Pinball(0.9))
    batch, params = squares.batch(slice(None)), moved(squares)
    np.testing.assert_array_equal(other.losses(params, batch), squares.losses(params, batch))
    credits = [problem.credit(params, (), batch, 0).credit for problem in (squares, other)]
    np.testing.assert_array_equal(*credits)
