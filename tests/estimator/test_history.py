"""What epochs have shown, and the fitted attributes that hold it."""

from itertools import pairwise

import numpy as np
import pytest

from skdopamine._estimator.history import MORE, STREAM, History, appended, latest, unrolled
from skdopamine._training.trainer import Epoch

FIRST = [Epoch(3.0, 0.5, 0.1), Epoch(1.0, 0.25, 0.2)]
SECOND = [Epoch(2.0, -0.5, 0.3, 0.7)]


def curves(history):
    return [unrolled(curve) for curve in history[:3]]


def test_runs_are_appended_in_the_users_units():
    once = History().extended(FIRST, 4.0, n_evaluations=10, n_rows=5)
    assert curves(once) == [[12.0, 4.0], [0.1, 0.2], [2.0, 1.0]]
    assert once[3:] == ((), 4.0, 10, 10, 0)
    twice = once.extended(SECOND, 0.5, score_unit=10.0, n_evaluations=1, n_rows=3)
    assert curves(twice) == [[12.0, 4.0, 1.0], [0.1, 0.2, 0.3], [2.0, 1.0, -0.25]]
    assert twice[3:] == ((7.0,), 1.0, 11, 13, 0)
    assert [history.n_epochs for history in (History(), once, twice)] == [0, 2, 3]
    assert twice.extended(FIRST).scores == ()  # those of another run are on other rows
    assert twice.extended([], n_rows=3) == twice._replace(scores=())


def test_a_history_is_never_changed():
    past = History().extended(FIRST)
    before = curves(past)
    past.extended(SECOND)
    past.extended(FIRST).extended(SECOND)
    assert curves(past) == before
    hash(past)  # nothing in it can be changed


@pytest.mark.parametrize("sizes", [[1] * 4096, [0, 3, 1, 500, 0, 499, 1, 1, 0, 1] * 50], ids=["stream", "any sizes"])
def test_a_value_that_is_appended_seldom_copies_those_before(sizes):
    curve, values, n_copied = (), [], 0
    for size in sizes:
        new = [float(len(values) + i) for i in range(size)]
        values += new
        longer = appended(curve, new)
        n_copied += sum(len(piece) for piece in longer if not any(piece is old for old in curve))
        curve = longer
        assert all(len(piece) >= 2 * len(after) > 0 for piece, after in pairwise(curve))
    assert unrolled(curve) == values
    assert n_copied <= len(values) * (1 + np.log2(len(values)))


@pytest.mark.parametrize("most", [1, 2, 5, 7, 8])
def test_the_latest_values_of_a_curve(most):
    curve = ((1.0, 2.0, 3.0, 4.0), (5.0, 6.0), (7.0,))
    kept = latest(curve, most, more=0)
    assert unrolled(kept) == unrolled(curve)[-most:]
    assert all(kept)


def test_a_stream_forgets_old_values_and_counts_on():
    long = History().extended([Epoch(float(k), 0.5, 0.1) for k in range(STREAM)])
    assert len(unrolled(long.extended(FIRST).losses)) == STREAM + 2
    stream = long.extended(FIRST, in_stream=True)
    assert [len(values) for values in curves(stream)] == [STREAM + 2] * 3
    stream = stream.extended(MORE * FIRST, in_stream=True)
    assert [len(values) for values in curves(stream)] == [STREAM] * 3
    assert curves(stream)[0] == [*map(float, range(2 * MORE + 2, STREAM)), *(3.0, 1.0) * (MORE + 1)]
    assert (stream.n_epochs, stream.best_loss) == (STREAM + 2 + 2 * MORE, 0.0)
    assert stream.n_forgotten == 2 + 2 * MORE
    fit = stream.extended(FIRST)  # a fit that goes on cuts nothing
    assert (fit.n_forgotten, len(unrolled(fit.losses))) == (2 + 2 * MORE, STREAM + 2)
    assert fit.n_epochs == STREAM + 4 + 2 * MORE


def test_a_history_from_before_curves_had_an_end_counts_its_curves():
    old = History(*History().extended(FIRST, n_rows=3)[:7])
    assert old.n_epochs == 2
    assert old.extended(SECOND, in_stream=True).n_epochs == 3


def test_attributes():
    assert History().extended(FIRST, n_evaluations=10).attributes(nothing=np.inf, learning_rate_init=0.5) == {
        "loss_": 1.0,
        "best_loss_": 1.0,
        "learning_rate_": 0.2,
        "n_evaluations_": 10,
    }


def test_attributes_before_the_first_epoch():
    told = History().attributes(nothing=np.inf, learning_rate_init=0.5)
    assert (told["loss_"], told["best_loss_"], told["learning_rate_"]) == (np.inf, np.inf, 0.5)
