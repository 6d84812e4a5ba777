"""All that a prediction needs: what rows look like, what is fed back, and the readout of given rows."""

import numpy as np
import pytest
from forecasters import SERIES, TWO, plain, stream

from skdopamine import make_windows
from skdopamine._esn.model import Form
from skdopamine._esn.spread import SPREAD_ROWS

WINDOWS, NEXT = make_windows(SERIES[:, 0], 8)
BOUNDS = (np.full(2, -9.0), np.full(2, 9.0))
FORM = Form(is_series=False, closed=True, feeds=True, flat=False, n_channels=2)


def test_rows_are_cut_into_their_times():
    np.testing.assert_array_equal(FORM.shaped(np.arange(12.0).reshape(2, 6))[1], [[6, 7], [8, 9], [10, 11]])
    np.testing.assert_array_equal(FORM._replace(is_series=True).shaped(TWO), TWO)
    with pytest.raises(ValueError, match=r"multiple of n_channels=2 .* got 5"):
        FORM.shaped(np.ones((2, 5)))


def test_targets_follow_where_the_first_of_them_are_the_next_rows():
    assert FORM.follows(TWO[:-1], TWO[1:])
    assert FORM.follows(TWO[:-1], TWO[1:].astype(np.float32))
    assert FORM.follows(TWO[:-1], np.column_stack([TWO[1:], TWO[:-1]]))
    assert FORM.follows(TWO[:-1], np.vstack([TWO[1:-1], [[9, 9]]]))  # the row after the last is not known
    assert not FORM.follows(TWO[:-2], TWO[2:])
    assert not FORM.follows(TWO[:-1], TWO[1:, ::-1])


def test_as_many_rows_are_kept_as_loops_begin_from():
    assert stream(readout_lags=3).fit(SERIES)._model.n_history == SPREAD_ROWS
    assert stream(readout_lags=40).fit(SERIES)._model.n_history == 40
    assert plain().fit(WINDOWS, NEXT)._model.n_history == 1


def test_the_readout_is_the_ridge_of_all_rows_read():
    fitted = stream(ridge=0.1, lag_ridge=0.1).fit(TWO)
    model, normal = fitted._model, fitted._stream.normal
    np.testing.assert_array_equal(model.solved(normal).readout, fitted.readout_)
    left = (normal.gram[0] + 0.1 * normal.n_rows * np.eye(len(fitted.readout_))) @ fitted.readout_
    np.testing.assert_allclose(left, normal.cross[0], rtol=1e-8, atol=1e-8)
    broken = normal._replace(gram=np.full_like(normal.gram, np.nan))
    with pytest.raises(ValueError, match=rf"ridge=0.1 and lag_ridge=0.1 are too small for these {normal.n_rows} rows"):
        model.solved(broken)
    assert model.no_rows.n_rows == 0


def test_what_is_restored_is_in_the_units_of_the_rows():
    model = plain().fit(WINDOWS, NEXT)._model
    np.testing.assert_allclose(model.restored(model.targets.scaled(NEXT[:, None]), NEXT)[:, 0], NEXT, rtol=1e-12)
    np.testing.assert_allclose(model.restored_path(model.inputs.scaled(SERIES), SERIES[:0]), SERIES, rtol=1e-12)


@pytest.mark.parametrize("n_targets", [2, 3])
def test_what_is_fed_back_is_in_units_of_the_inputs(n_targets):
    """Of windows in any order, targets have units of their own."""
    X, y = make_windows(TWO, 6)
    y = np.column_stack([y, y[:, 0] - y[:, 1]])[:, :n_targets]
    model = plain(n_channels=2).fit(X[::2], y[::2])._model
    assert not model.form.closed
    seen = np.random.default_rng(0).standard_normal((5, len(model.readout)))
    seen[:, -1] = 1.0
    fed = model.inputs.restored(seen @ model.loop(BOUNDS).readout[0])
    np.testing.assert_allclose(fed, model.targets.restored(seen @ model.readout)[:, :2], rtol=1e-9, atol=1e-9)


def test_of_a_series_the_readout_itself_is_fed_back():
    model = stream().fit(TWO)._model
    np.testing.assert_array_equal(model.loop(BOUNDS).readout[0], model.readout)


def test_targets_in_another_unit_are_fed_back_in_that_of_the_rows():
    X, y = WINDOWS[::2], NEXT[::2]
    model = plain().fit(X, y)
    assert model.forecast(1, X[:1])[0] == pytest.approx(model.predict(X[:1])[0])
    longer = np.append(X[0, 1:], model.forecast(1, X[:1]))
    assert model.forecast(2, X[:1])[1] == pytest.approx(model.predict(longer[None])[0])
