"""What epochs have shown, and the fitted attributes that hold it."""

import numpy as np
import pytest

from skdopamine._estimator.history import History
from skdopamine._training.trainer import Epoch

FIRST = [Epoch(3.0, 0.5, 0.1), Epoch(1.0, 0.25, 0.2)]
SECOND = [Epoch(2.0, -0.5, 0.3, 0.7)]


def test_runs_are_appended_in_the_users_units():
    once = History.empty().extended(FIRST, 4.0, n_evaluations=10, n_rows=5)
    assert once == ([12.0, 4.0], [0.1, 0.2], [2.0, 1.0], [], 4.0, 10, 10)
    twice = once.extended(SECOND, 0.5, score_unit=10.0, n_evaluations=1, n_rows=3)
    assert twice == ([12.0, 4.0, 1.0], [0.1, 0.2, 0.3], [2.0, 1.0, -0.25], [7.0], 1.0, 11, 13)
    assert twice.extended(FIRST).scores == []  # those of another run are on other rows
    assert twice.extended([], n_rows=3).best_loss == 1.0


@pytest.mark.parametrize("in_place", [False, True])
def test_a_history_is_left_alone_unless_it_is_taken_over(in_place):
    past = History.empty().extended(FIRST)
    curves = past[:3]
    new = past.extended(SECOND, in_place=in_place)
    assert [len(curve) for curve in curves] == [3 if in_place else 2] * 3
    assert [one is other for one, other in zip(new[:3], curves, strict=True)] == [in_place] * 3
    assert new == History.empty().extended(FIRST).extended(SECOND)


def test_attributes():
    told = History.empty().extended(FIRST, n_evaluations=10).attributes(nothing=np.inf, learning_rate_init=0.5)
    assert told == {
        "loss_curve_": [3.0, 1.0],
        "learning_rate_curve_": [0.1, 0.2],
        "reward_prediction_error_curve_": [0.5, 0.25],
        "loss_": 1.0,
        "best_loss_": 1.0,
        "learning_rate_": 0.2,
        "n_evaluations_": 10,
    }


def test_attributes_before_the_first_epoch():
    told = History.empty().attributes(nothing=np.inf, learning_rate_init=0.5)
    assert (told["loss_"], told["best_loss_"], told["learning_rate_"]) == (np.inf, np.inf, 0.5)
    assert told["loss_curve_"] == told["learning_rate_curve_"] == told["reward_prediction_error_curve_"] == []
