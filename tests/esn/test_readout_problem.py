"""The readout of a reservoir as a problem of the trainer."""

import numpy as np
import pytest
from reservoirs import gains_of_one

from skdopamine._esn import readout_problem as _readout_problem
from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.forecast import Assignment
from skdopamine._esn.reader import SeriesReader, WindowReader, predicted
from skdopamine._esn.readout_problem import ReadoutProblem, Tunable
from skdopamine._objectives.base import SquaredError

ROWS = np.sin(0.3 * np.arange(200))[:, None] + 0.1 * np.random.default_rng(0).standard_normal((200, 1))
LAGS = np.arange(2)
WIDE = (np.array([-9.0]), np.array([9.0]))
SQUARES = SquaredError()
GAINS = gains_of_one(radius=0.5, leak=0.9, inputs=0.3, bias=0.5)
N_UNITS, N_FEATURES = 8, 11


def readout_problem(series=True, spread=None):
    weights = _reservoir.init_weights(N_UNITS, 1, 0.6, np.random.default_rng(0))
    readout = 0.1 * np.random.default_rng(1).standard_normal((N_FEATURES, 1))
    windows = np.lib.stride_tricks.sliding_window_view(ROWS[:-1], 6, axis=0).transpose(0, 2, 1)
    reader = SeriesReader(ROWS[:-1], LAGS) if series else WindowReader(windows, LAGS)
    target = ROWS[1:] if series else ROWS[6:]
    task = Assignment(reader, target, series, 10 * series, 150, 5 if series else 1, WIDE, SQUARES)
    start = Tunable(weights, GAINS, readout, np.eye(N_FEATURES) if spread is None else spread)
    return ReadoutProblem(start, task, n_windows=12, n_pairs=4, scale=0.01, seed=0)


@pytest.mark.parametrize("series", [True, False])
def test_no_change_is_the_start_and_costs_one(series):
    own = readout_problem(series)
    np.testing.assert_array_equal(own.readout(own.init_params()), own.start.readout)
    assert own.losses(own.init_params(), own.batch(slice(None))).mean() == pytest.approx(1)
    assert own.n_rows() == 12


def test_units_of_the_readout_are_the_spread():
    spread = np.diag(np.arange(1.0, 1 + N_FEATURES))
    own = readout_problem(spread=spread)
    readout = own.readout(np.ones(own.init_params().size))
    np.testing.assert_allclose((readout - own.start.readout)[:, 0], np.arange(1.0, 1 + N_FEATURES))


def test_windows_are_judged_by_the_mean_error_of_their_predictions():
    own = readout_problem(series=False)
    found = own.member_losses(own.init_params()[None], own.origins)[0] * own.unit
    population = _reservoir.populate(own.start.weights, GAINS)
    ahead = predicted(own.task.reader, population, own.start.readout, np.zeros((N_UNITS, 1)), 0, 194)
    np.testing.assert_allclose(found, 0.5 * ((ahead - ROWS[6:]) ** 2)[own.origins, 0])


def test_a_series_is_judged_one_step_ahead_and_on_the_closed_loop_by_hand():
    own = readout_problem()
    found = own.member_losses(own.init_params()[None], own.origins)[0] * own.unit
    population, readout = _reservoir.populate(own.start.weights, GAINS), own.start.readout
    for window in (0, 5, 11):
        origin = own.origins[window]
        rows = ROWS[origin - 19 : origin + 1]  # read from the zero state for twice the washout
        reader = SeriesReader(np.concatenate([ROWS[origin - 20 : origin - 19], rows]), LAGS)
        ahead = predicted(reader, population, readout, np.zeros((N_UNITS, 1)), 1, 21)[10:]
        errors = [0.5 * (ROWS[origin - 8 : origin + 2] - ahead) ** 2]
        path = reader.paths(own.task.loop(population, readout[None]), np.zeros((N_UNITS, 1)), 1, np.array([20]), 5)[0]
        errors.append(0.5 * (ROWS[origin + 2 : origin + 6] - path[1:]) ** 2)
        assert found[window] == pytest.approx(np.concatenate(errors).mean())


@pytest.mark.slow
def test_the_credit_is_the_gradient_in_the_mean():
    """Of a thousand updates, by central differences."""
    own = readout_problem(series=False)
    start, batch, h = own.init_params(), own.batch(slice(None)), 1e-5
    steps = h * np.eye(len(start))
    up, down = (own.member_losses(start + sign * steps, own.origins).mean(axis=1) for sign in (1, -1))
    gradient = (up - down) / (2 * h)
    credit = np.mean([own.credit(start, (), batch, update).credit for update in range(1000)], axis=0)
    assert np.corrcoef(credit, gradient)[0, 1] > 0.97
    assert np.linalg.norm(credit) == pytest.approx(np.linalg.norm(gradient), rel=0.15)


def test_members_in_several_runs_are_those_of_one(monkeypatch):
    own = readout_problem()
    whole = own.credit(own.init_params(), (), own.batch(slice(None)), 3)
    monkeypatch.setattr(_readout_problem, "MEMBER_BYTES", 1)
    parts = own.credit(own.init_params(), (), own.batch(slice(None)), 3)
    np.testing.assert_allclose(parts.credit, whole.credit, rtol=1e-9)
    assert parts.n_evaluations == whole.n_evaluations == 9 * 12


def test_rows_held_back_tell_the_score():
    own = readout_problem()
    worse = own.init_params() + 1.0
    assert own.score(worse) < own.score(own.init_params())
    one_step, ahead = (part.mean() for part in own.window_parts(own.readout(worse)[None], own.held_back))
    assert own.score(worse) == pytest.approx(-0.5 * (0.3 * np.log(one_step) + 0.7 * np.log(ahead)))
    assert own.held_back.min() >= own.task.split
