"""Streams: chunks of rows are the whole of them, however they are cut."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from forecasters import SERIES, STIFF, TWO, plain, stream

from skdopamine import make_windows
from skdopamine._esn.bounds import Range
from skdopamine._esn.reader import SeriesReader
from skdopamine._esn.stream import Stream


@pytest.mark.parametrize("stateful", [True, False])
def test_before_the_first_row_nothing_is_known(stateful):
    X, y = (TWO, None) if stateful else make_windows(SERIES[:, 0], 8)
    model = plain(stateful=stateful).fit(X, y)._model
    rows = model.inputs.scaled(model.form.shaped(X))
    start = Stream.before(model, rows)
    assert not start.state.any()
    assert not start.history.any()
    assert len(start.history) == (model.n_history if stateful else 0)
    assert (start.normal.n_rows, start.record, start.waiting, start.calendars[0].labels) == (0, None, False, None)
    np.testing.assert_array_equal(start.span, Range.of(rows))


def test_a_path_goes_on_from_the_rows_read_and_changes_nothing():
    fitted = stream().fit(TWO)
    model, own = fitted._model, fitted._stream
    rows = model.inputs.scaled(TWO)
    path = own.path(model, 5)
    np.testing.assert_allclose(own.path_after(model, rows, 5), path, rtol=1e-8, atol=1e-9)
    np.testing.assert_array_equal(own.path(model, 5), path)
    np.testing.assert_allclose(own.predicted(model, path)[:-1, :2], path[1:], rtol=1e-9, atol=1e-10)


def by_all_rows(model, series, first=0):
    """The ridge of rows that were read one after the other, from what the model has for scales and weights."""
    z = model._model.inputs.scaled(series)
    population, state, rows = model._model.population, np.zeros(model.n_units), []
    for t, u in enumerate(z[:-1]):
        drive = population.recurrent @ state + population.inputs[0] @ u + population.bias[:, 0]
        state = state + model.leak_rate * (np.tanh(drive) - state)
        past = [z[t - lag] if t >= lag else np.zeros(z.shape[1]) for lag in model.lags_]
        rows.append(np.concatenate([state, *past, [1.0]]))
    F, Y = np.array(rows)[first:], z[1:][first:]
    units = model.n_units
    penalty = np.r_[np.full(units, model.ridge), np.full(F.shape[1] - units - 1, model.lag_ridge), 0]
    penalty[-1] = min(model.ridge, model.lag_ridge)
    return np.linalg.solve(F.T @ F + np.diag(penalty) * len(F), F.T @ Y)


@pytest.mark.parametrize("series", [SERIES, TWO], ids=["one channel", "two"])
def test_partial_fit_after_fit_gives_the_ridge_of_all_rows(series):
    model = stream(**STIFF).fit(series[:150]).partial_fit(series[150:220]).partial_fit(series[220:])
    np.testing.assert_allclose(model.readout_, by_all_rows(model, series, 10), rtol=1e-7, atol=1e-9)
    assert model._stream.normal.n_rows == 299 - 10


def test_partial_fit_alone_gives_the_ridge_of_all_rows():
    model = stream(**STIFF)
    for first in range(0, 300, 60):
        model.partial_fit(SERIES[first : first + 60])
    np.testing.assert_allclose(model.readout_, by_all_rows(model, SERIES), rtol=1e-7, atol=1e-9)


def pieces(with_targets, *cuts):
    """Pieces of a stream, of the series alone or with its next rows as targets."""
    X, y = (SERIES[:-1], SERIES[1:, 0]) if with_targets else (SERIES, None)
    for first, last in pairwise([*cuts, len(X)]):
        yield (X[first:last], y[first:last]) if with_targets else (X[first:last],)


@pytest.mark.parametrize("with_targets", [False, True])
@pytest.mark.parametrize("cuts", [[250], [102], [110, 112, 250], list(range(103, 297, 4))])
def test_chunks_of_a_stream_are_one_stream(cuts, with_targets):
    models = [stream(**STIFF) for _ in range(2)]
    for model, ends in zip(models, ([], cuts), strict=True):
        head, *rest = pieces(with_targets, 0, 100, *ends)
        model.fit(*head)
        for part in rest:
            model.partial_fit(*part)
    np.testing.assert_allclose(models[1].readout_, models[0].readout_, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(models[1].forecast(5), models[0].forecast(5), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("with_targets", [False, True])
def test_one_row_a_time_is_a_stream_too(with_targets):
    model, whole = stream(**STIFF), stream(**STIFF)
    head, *rows = pieces(with_targets, *[0, *range(250, 299 if with_targets else 300)])
    for one in (model, whole):
        one.fit(*head)
    for row in rows:
        model.partial_fit(*row)
    whole.partial_fit(*(np.concatenate(part) for part in zip(*rows, strict=True)))
    np.testing.assert_allclose(model.readout_, whole.readout_, rtol=1e-8, atol=1e-10)


def test_the_last_row_of_a_fit_with_targets_is_not_learnt_twice():
    given = stream(**STIFF).fit(SERIES[:150], SERIES[1:151]).partial_fit(SERIES[150:])
    assert given._stream.normal.n_rows == 299 - 10
    np.testing.assert_allclose(given.readout_, by_all_rows(given, SERIES, 10), rtol=1e-7, atol=1e-9)


def test_a_stream_of_windows_is_that_of_all_windows():
    X, y = make_windows(SERIES[:, 0], 8)
    parts, whole = plain(**STIFF).fit(X[:100], y[:100]), plain(**STIFF).fit(X[:100], y[:100])
    for first in range(100, len(X), 64):
        parts.partial_fit(X[first : first + 64], y[first : first + 64])
    whole.partial_fit(X[100:], y[100:])
    np.testing.assert_allclose(parts.readout_, whole.readout_, rtol=1e-8, atol=1e-10)
    assert parts._stream.normal.n_rows == len(X)
    np.testing.assert_allclose(parts.forecast(4), whole.forecast(4), rtol=1e-8, atol=1e-9)
    near = plain(**STIFF).fit(X, y)  # but for the scales of other rows
    np.testing.assert_allclose(parts.predict(X), near.predict(X), atol=0.02)


def test_noise_on_the_units_is_new_in_every_chunk():
    """A chunk that is read again with the same noise would be no new example."""
    seen = []
    model = stream(state_noise=0.5, **STIFF).fit(SERIES[:100])
    for _ in range(2):
        before = model._stream.normal.gram.copy()
        stream_ = model._stream
        model._stream = stream_._replace(state=0 * stream_.state, history=0 * stream_.history)
        model.partial_fit(SERIES[:50], SERIES[1:51])
        seen.append(model._stream.normal.gram - before)
    assert not np.allclose(*seen)


def test_noise_on_the_units_ends_with_learning():
    """Forecasts begin from the state that the rows lead to, not from that of a noisy run."""
    model = stream(state_noise=0.5, leak_rate=0.3, **STIFF).fit(SERIES)
    reader = SeriesReader(model._model.inputs.scaled(SERIES), model.lags_)
    clean = reader.state_after(model._model.population, np.zeros((20, 1)), 0, 300)
    np.testing.assert_allclose(model._stream.state, clean, atol=1e-3)


def test_a_stream_widens_the_range_that_forecasts_may_have():
    n = np.arange(1000)
    series = (0.01 * n + np.sin(0.3 * n))[:, None]
    model = stream().fit(series[:200])
    for first in range(200, 900, 100):
        model.partial_fit(series[first : first + 100])
    np.testing.assert_allclose(model.forecast(5), series[900:905, 0], atol=0.05)


def test_a_channel_that_began_constant_is_not_frozen():
    n = np.arange(900)
    series = np.column_stack([np.sin(0.3 * n), np.where(n < 150, 2.0, np.cos(0.3 * n))])
    model = stream()
    for first in range(0, 900, 100):
        model.partial_fit(series[first : first + 100])
    np.testing.assert_allclose(model.forecast(4)[:, 1], np.cos(0.3 * np.arange(900, 904)), atol=0.2)


def test_targets_of_a_stream_go_on_being_the_next_rows():
    model = stream().fit(SERIES[:150])
    with pytest.raises(ValueError, match="y must hold the rows after those of X"):
        model.partial_fit(SERIES[150:200], -SERIES[151:201])
    model.partial_fit(SERIES[150:200], SERIES[151:201])


def test_partial_fit_reads_on_so_that_later_chunks_are_predicted_as_in_one():
    model = stream(readout_lags=4).fit(SERIES[:200])
    whole = model.predict(SERIES[200:])
    model.partial_fit(SERIES[200:250])
    parts = model.predict(SERIES[250:])  # by a readout of more rows, but the same state
    model._model = stream(readout_lags=4).fit(SERIES[:200])._model
    assert np.abs(parts - whole[50:]).max() < 0.1
    np.testing.assert_allclose(model.predict(SERIES[250:]), whole[50:], rtol=1e-9, atol=1e-10)


def test_a_pickled_stream_goes_on_bit_for_bit():
    model = stream().fit(SERIES[:200])
    copy = pickle.loads(pickle.dumps(model))
    for one in (model, copy):
        one.partial_fit(SERIES[200:])
    np.testing.assert_array_equal(copy.forecast(5), model.forecast(5))


@pytest.mark.parametrize("params", [{}, {"difference": 1, "season": None}, {"difference": 1, "season": 21}])
def test_the_last_row_is_that_which_was_read(params):
    fitted = stream(**params).fit(TWO[:250])
    np.testing.assert_allclose(fitted._stream.last_row(fitted._model), TWO[249], rtol=1e-12)
    fitted.partial_fit(TWO[250:252])
    np.testing.assert_allclose(fitted._stream.last_row(fitted._model), TWO[251], rtol=1e-12)
