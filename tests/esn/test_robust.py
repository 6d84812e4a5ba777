"""Robust readouts: rows whose errors are large weigh less."""

import warnings

import numpy as np
import pytest
from forecasters import SERIES, TWO, plain, small, stream
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from skdopamine import make_windows
from skdopamine._esn.choice import Trial
from skdopamine._esn.forecast import evaluate_rest
from skdopamine._esn.reservoir import Gains
from skdopamine._esn.robust import KINDS, KNEE, LEAST, Robust, reweighted
from skdopamine._esn.rows import Rows

RNG = np.random.default_rng(0)
SEEN = np.column_stack([RNG.normal(size=(400, 4)), np.ones(400)])
TRUE = RNG.normal(size=(5, 1))
OUTLIERS = RNG.choice(400, 40, replace=False)
STIFF = {"ridge": 0.01, "lag_ridge": 0.01, "readout_lags": 3, "difference": 0}


def gains(penalty=1e-9):
    values = {name: np.ones(1) for name in Gains._fields}
    return Gains(**{**values, "ridge": np.array([penalty]), "lag_ridge": np.array([penalty])})


def targets():
    target = SEEN @ TRUE + 0.1 * RNG.normal(size=(400, 1))
    target[OUTLIERS] += 20
    return target


@pytest.mark.parametrize("kind", KINDS)
def test_weights_by_hand(kind):
    robust = Robust(kind, np.array([2.0, 2.0]), 1.0)
    errors = np.array([[0.0, 0.0], [2.0, 2.0], [-20.0, 20.0]])
    expected = {"huber": [1, 1, KNEE / 10], "absolute_error": [1 / LEAST, 1, 0.1]}[kind]
    np.testing.assert_allclose(robust.weights(errors), expected)
    np.testing.assert_allclose(robust._replace(unit=3.0).trust(3 * np.array(expected)), [1, 1, KNEE / 10])


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_one_in_the_mean(kind):
    errors = RNG.standard_t(2, size=(300, 2)) * [1.0, 100.0]
    robust = Robust.of(errors, kind)
    assert robust.weights(errors).mean() == pytest.approx(1)
    np.testing.assert_allclose(robust.deviation, np.median(np.abs(errors), axis=0) / 0.6745)


@pytest.mark.parametrize("errors", [np.zeros((9, 1)), np.array([[0.0]] * 8 + [[5.0]])])
def test_errors_that_are_mostly_zero_have_a_unit(errors):
    for kind in KINDS:
        weights = Robust.of(errors, kind).weights(errors)
        assert np.isfinite(weights).all()
        assert weights[-1] <= weights[0]


@pytest.mark.parametrize(("kind", "most"), [("huber", 0.2), ("absolute_error", 0.05)])
def test_outliers_hardly_move_the_readout(kind, most):
    target = targets()
    squares = np.linalg.lstsq(SEEN, target, rcond=None)[0]
    _, readout = reweighted(SEEN, target, gains(), 2, np.zeros((5, 1)), kind)
    assert np.abs(squares - TRUE).max() > 1
    assert np.abs(readout - TRUE).max() < most


def test_absolute_errors_are_nearly_the_least():
    target = targets()

    def loss(readout):
        return np.abs(target[:, 0] - SEEN @ readout).mean()

    _, readout = reweighted(SEEN, target, gains(), 2, np.zeros((5, 1)), "absolute_error")
    best = minimize(loss, readout[:, 0], method="Nelder-Mead", options={"maxiter": 5000, "xatol": 1e-6, "fatol": 1e-9})
    assert loss(readout[:, 0]) < best.fun * 1.001


def with_outliers(rows, seed=0, share=0.01, size=15.0):
    rng, rows = np.random.default_rng(seed), rows.copy()
    wrong = rng.choice(len(rows) - 60, int(share * len(rows)), replace=False) + 20
    rows[wrong] += size * rng.choice([-1, 1], (len(wrong), 1))
    return rows


def one_step_error(model, rows):
    ahead = model.predict(rows).reshape(rows.shape)
    return np.abs(ahead[30:-1] - rows[31:]).mean()


@pytest.mark.parametrize("rows", [SERIES, TWO], ids=["one channel", "two"])
@pytest.mark.parametrize("loss", KINDS)
@pytest.mark.parametrize("how", ["fit", "partial_fit", "chunks"])
def test_a_series_with_outliers_is_learnt(loss, rows, how):
    def learnt(loss):
        model = stream(**STIFF, loss=loss)
        if how == "fit":
            return model.fit(dirty)
        if how == "partial_fit":
            return model.partial_fit(dirty)
        for first in range(0, len(rows), 75):
            model.partial_fit(dirty[first : first + 75])
        return model

    dirty = with_outliers(rows)
    squares, robust = (one_step_error(learnt(name), rows) for name in ("squared_error", loss))
    assert robust < 0.65 * squares


@pytest.mark.parametrize("loss", KINDS)
def test_windows_with_outliers_are_learnt(loss):
    X, y = make_windows(SERIES[:, 0], 8)
    wrong = y.copy()
    wrong[::20] += 15
    squares, robust = (
        np.abs(plain(ridge=0.01, lag_ridge=0.01, loss=name).fit(X, wrong).predict(X) - y).mean()
        for name in ("squared_error", loss)
    )
    assert robust < 0.5 * squares


def test_rows_that_come_later_weigh_as_much():
    """Chunks of rows without outliers are the whole of them, as far as the first ones tell the deviation."""
    whole = stream(**STIFF, loss="huber").fit(SERIES)
    parts = stream(**STIFF, loss="huber", washout=10).fit(SERIES[:200]).partial_fit(SERIES[200:])
    assert np.abs(whole.readout_ - parts.readout_).max() < 0.05
    later = parts._stream.normal.gram[0, -1, -1]
    assert later == pytest.approx(parts._stream.normal.n_rows, rel=0.05)


def test_squares_weigh_all_rows_alike():
    model = stream().fit(SERIES)
    assert model._model.robust is None
    task = model._assignment(model._model, Rows(SERIES, None, SERIES, model._model.form))
    assert task.weights is None
    np.testing.assert_array_equal(task.trust, 1)


def test_gains_are_tuned_with_these_weights_and_outliers_do_not_decide():
    rows = with_outliers(np.concatenate([SERIES, SERIES[::-1]]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = small(stateful=True, loss="huber", difference=0, readout_lags=3).fit(rows)
        squares = small(stateful=True, difference=0, readout_lags=3).fit(rows)
    assert model._model.robust.kind == "huber"
    assert one_step_error(model, SERIES) < 0.9 * one_step_error(squares, SERIES)
    task = model._assignment(model._model, Rows(rows, None, rows, model._model.form))
    wrong = np.abs(rows[1:, 0]) > 5
    assert task.trust[wrong].max() < 0.5 < np.median(task.trust[~wrong])
    latest = task.latest(100, 0.25)
    np.testing.assert_array_equal(latest.weights, task.weights[-100:])
    trial = Trial.of(rows, 20, 10).trusting(task)
    np.testing.assert_array_equal(trial.trust[1:], task.trust)
    assert trial.trust[0] == 1


def test_the_row_that_waits_for_its_target_weighs_by_its_error():
    """The last of the features is one, so that its sum of squares is that of the weights."""
    for row, most in (([[0.0]], 2.0), ([[50.0]], 0.1)):
        model = stream(**STIFF, loss="huber").fit(SERIES)
        before = model._stream.normal.gram[0, -1, -1]
        model.partial_fit(np.array(row))
        gained = model._stream.normal.gram[0, -1, -1] - before
        assert 0 < gained < most


def test_rows_held_back_weigh_in_the_error_of_the_folds():
    model = stream(**STIFF, loss="huber").fit(SERIES)._model
    task = stream(**STIFF, loss="huber")._assignment(model, Rows(SERIES, None, SERIES, model.form))
    weights = np.linspace(0, 1, len(task.target))
    _, _, normal = evaluate_rest(
        task._replace(weights=weights),
        model.population,
        model.readout[None],
        model.no_rows,
        model.zero_state,
        np.array([task.split]),
    )
    assert normal.gram[0, -1, -1] == pytest.approx(weights[task.split :].sum())
