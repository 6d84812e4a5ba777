"""What is learnt from rows, and errors along a closed loop."""

import numpy as np
import pytest
from reservoirs import one_reservoir

from skdopamine._esn import forecast as _forecast
from skdopamine._esn import reader as _reader
from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.forecast import Assignment
from skdopamine._esn.reader import SeriesReader
from skdopamine._objectives.base import SquaredError
from skdopamine._objectives.scorers import FunctionLoss

ROWS = np.random.default_rng(0).standard_normal((80, 2))
LAGS = np.array([0, 2])
WIDE = (np.full(2, -9.0), np.full(2, 9.0))
SQUARES = SquaredError()
READOUT = 0.1 * np.random.default_rng(1).standard_normal((6 + 4 + 1, 2))


def assignment(objective=SQUARES, washout=0, horizon=4):
    return Assignment(SeriesReader(ROWS[:-1], LAGS), ROWS[1:], True, washout, 50, horizon, WIDE, objective)


@pytest.mark.parametrize("washout", [0, 13, 60])
def test_rows_of_the_washout_are_read_but_not_learnt_from(washout):
    own, empty = one_reservoir(6), _reservoir.init_normal(1, 11, 2)
    normal, state = assignment(washout=washout).learned(own, empty, np.zeros((6, 1)), (0, 50), 0)
    assert normal.n_rows == max(0, 50 - washout)
    np.testing.assert_allclose(state, assignment().reader.state_after(own, np.zeros((6, 1)), 0, 50), atol=1e-13)


def test_rows_after_the_split_are_judged_and_added():
    own, empty, zero = one_reservoir(6), _reservoir.init_normal(1, 11, 2), np.zeros((6, 1))
    state = assignment().reader.state_after(own, zero, 0, 50)
    origins = np.array([50, 60])
    two = np.stack([READOUT, 2 * READOUT])
    values, starts, normal = _forecast.evaluate_rest(assignment(), own, two, empty, state, origins)
    assert values.shape == (2, 29)
    error = ROWS[51:] - _reader.predicted(assignment().reader, own, READOUT, state, 50, 79)
    np.testing.assert_allclose(values[0], 0.5 * (error**2).sum(axis=1))
    assert normal.n_rows == 29
    for column, origin in zip(starts.T, origins, strict=True):
        np.testing.assert_allclose(
            column[:, None], assignment().reader.state_after(own, state, 50, origin + 1), atol=1e-13
        )


def test_the_loss_of_a_path_is_that_of_each_step():
    own, origins = one_reservoir(6), np.array([50, 60])
    starts = np.column_stack(
        [assignment().reader.state_after(own, np.zeros((6, 1)), 0, origin + 1)[:, 0] for origin in origins]
    )
    values, weight = _forecast.path_values(assignment(), own, READOUT[None], starts, origins)
    assert (weight == 1).all()
    path = assignment().reader.paths(assignment().loop(own, READOUT[None]), np.zeros((6, 1)), 0, origins, 4)
    truth = ROWS[1:][origins[:, None] + np.arange(4)]
    np.testing.assert_allclose(values[0], 0.5 * ((path - truth) ** 2).sum(axis=2))


def test_a_level_is_a_log_error_and_a_users_loss_is_its_own():
    squares = 0.5 * np.array([1e-4, 1.0])
    np.testing.assert_allclose(np.diff(_forecast.level(squares, SQUARES)), np.log(100))
    own = FunctionLoss(lambda y_true, y_pred: 0.0, lambda values: values)
    np.testing.assert_array_equal(_forecast.level(squares, own), squares)


def test_a_users_loss_sees_the_users_units_and_may_be_one_number():
    seen = []

    def loss(y_true, y_pred):
        seen.append((y_true, y_pred))
        return np.abs(y_true - y_pred).mean()

    own = FunctionLoss(loss, lambda values: 10 * values + 1)
    values = own.values(np.ones((2, 3, 1)), np.zeros((3, 1)))
    np.testing.assert_array_equal(values, np.full((2, 3), 10.0))
    np.testing.assert_array_equal(seen[0][1], np.full(3, 11.0))
    bad = FunctionLoss(lambda y_true, y_pred: np.zeros(5), lambda values: values)
    with pytest.raises(ValueError, match=r"loss=.* one number or one for each of 3 rows, got an array of shape \(5,\)"):
        bad.values(np.ones((3, 1)), np.zeros((3, 1)))
