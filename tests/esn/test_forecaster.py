"""The forecaster: windows, series, closed loops, streams, intervals, and what training them brings."""

import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from forecasters import SERIES, STIFF, TWO, plain, small, stream
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdopamine import DopamineESNForecaster, make_windows
from skdopamine._esn import base as _base
from skdopamine._esn import gains_problem as _gains_problem
from skdopamine._esn import intervals as _intervals
from skdopamine._esn import record as _record
from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.ahead import ForecastingESN
from skdopamine._esn.forecast import learn
from skdopamine._esn.gains_problem import GainsProblem
from skdopamine._esn.reader import SeriesReader
from skdopamine._esn.readout_problem import ReadoutProblem
from skdopamine._esn.recurrent_problem import RecurrentProblem
from skdopamine._training import trainer as _trainer
from skdopamine.datasets import make_lorenz, make_mackey_glass

quietly = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
TRAINABLES = [(), "gains", ("gains",), ("readout",), ("recurrent",), ("recurrent", "readout"), ("gains", "readout")]


def autoregressive(n: int, seed: int = 0, phi: float = 0.7) -> np.ndarray:
    noise, x = np.random.default_rng(seed).standard_normal(n + 100), np.zeros(n + 100)
    for t in range(1, n + 100):
        x[t] = phi * x[t - 1] + noise[t]
    return x[100:, None]


# ---- a series ----


@pytest.mark.parametrize("series", [SERIES, TWO], ids=["one channel", "two"])
def test_targets_that_are_the_next_rows_give_the_forecasts_of_none(series):
    without = stream(readout_lags=3, washout=20).fit(series)
    given = stream(readout_lags=3, washout=20).fit(series[:-1], series[1:])
    state = given.predict(series[-1:])  # reads the last row, which `without` has read in fit
    np.testing.assert_allclose(np.ravel(state), np.ravel(without.forecast(1)), atol=0.02)
    last_row_of_any_target = stream(readout_lags=3, washout=20).fit(series, np.vstack([series[1:], series[:1]]))
    assert np.isfinite(last_row_of_any_target.forecast(3)).all()  # its next row is not known: the loop is closed


def test_the_readout_is_the_ridge_of_what_it_has_read_by_hand():
    model = stream(readout_lags=2, washout=7, ridge=0.1, lag_ridge=0.3, spectral_radius=0.8).fit(TWO)
    z = (TWO - TWO.mean(axis=0)) / TWO.std(axis=0)
    population, state, rows = model._model.population, np.zeros(20), []
    for t, u in enumerate(z[:-1]):
        drive = population.recurrent @ state + population.inputs[0] @ u + population.bias[:, 0]
        state = (1 - 0.99) * state + 0.99 * np.tanh(drive)
        rows.append(np.concatenate([state, u, z[t - 1] if t else np.zeros(2), [1.0]]))
    F, Y = np.array(rows)[7:], z[1:][7:]
    penalty = np.r_[np.full(20, 0.1), np.full(4, 0.3), 0.1]
    W = np.linalg.solve(F.T @ F + np.diag(penalty) * len(F), F.T @ Y)
    np.testing.assert_allclose(model.readout_, W, rtol=1e-6, atol=1e-9)


@quietly
@pytest.mark.parametrize("trainable", TRAINABLES)
@pytest.mark.parametrize("series", [SERIES, TWO], ids=["one channel", "two"])
def test_a_series_is_forecast_whatever_is_trained(trainable, series):
    model = small(stateful=True, trainable=trainable).fit(series[:-20])
    path = model.forecast(20)
    assert path.shape == ((20,) if series.shape[1] == 1 else (20, 2))
    assert np.abs(path.reshape(20, -1) - series[-20:]).mean() < 0.35  # of noise .1, and of twice .6 untrained
    assert model.predict(series[-20:]).shape == path.shape
    assert model.score(series[-20:]) > 0.8
    assert model.n_iter_ == max(1, len(model.loss_curve_))
    curves = (model.loss_curve_, model.learning_rate_curve_, model.reward_prediction_error_curve_)
    assert len({len(curve) for curve in curves}) == 1
    assert np.isfinite(model.readout_).all()


def test_a_forecast_is_predictions_fed_back_by_hand():
    for series in (SERIES, TWO):
        model = stream().fit(series)
        path = model.forecast(8).reshape(8, -1)
        for k in range(1, 8):  # what is fed back, read as if it were data, predicts the next
            ahead = model.predict(path[:k])
            np.testing.assert_allclose(np.reshape(ahead, (k, -1)), path[1 : k + 1], rtol=1e-9, atol=1e-10)
        np.testing.assert_array_equal(np.reshape(model.forecast(3), (3, -1)), path[:3])


def test_a_forecast_from_rows_reads_them_from_the_zero_state():
    model = stream().fit(SERIES)
    path = model.forecast(6, SERIES[:100])
    np.testing.assert_allclose(path, model.forecast(6, SERIES[:100].tolist()))
    longer = model.forecast(5, np.vstack([SERIES[:100], path[:1, None]]))
    np.testing.assert_allclose(longer, path[1:], rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(model.forecast(6, SERIES), model.forecast(6), rtol=1e-8, atol=1e-9)
    with pytest.warns(UserWarning, match="fewer than"):
        assert np.isfinite(model.forecast(3, SERIES[:1])).all()


@pytest.mark.parametrize("k", [1, 2, 7, 99])
def test_predictions_do_not_depend_on_the_rows_that_follow(k):
    model = stream().fit(TWO[:200])
    np.testing.assert_allclose(model.predict(TWO[200:])[:k], model.predict(TWO[200 : 200 + k]), rtol=1e-12, atol=1e-13)


CALLS = {  # of everything public that changes nothing
    "predict": lambda model, X, y: model.predict(X),
    "forecast": lambda model, X, y: model.forecast(5),
    "forecast of rows": lambda model, X, y: model.forecast(5, X if model.stateful else X[:1]),
    "predict_interval": lambda model, X, y: model.predict_interval(X, 0.8),
    "forecast_interval": lambda model, X, y: model.forecast_interval(5, 0.8),
    "forecast_interval of rows": lambda model, X, y: model.forecast_interval(5, 0.8, X if model.stateful else X[:1]),
    "forecast_quantiles": lambda model, X, y: model.forecast_quantiles(5, [0.3, 0.6]),
    "sample_paths": lambda model, X, y: model.sample_paths(5, 3),
    "score": lambda model, X, y: model.score(X, y),
}


def test_every_method_is_called():
    defined = {**vars(ForecastingESN), **vars(DopamineESNForecaster)}
    methods = {name for name in defined if not name.startswith(("_", "set_"))}
    assert {call.split()[0] for call in CALLS} == methods - {"fit", "partial_fit"}


@pytest.mark.parametrize("call", CALLS)
def test_nothing_is_answered_before_fit(call):
    with pytest.raises(NotFittedError):
        CALLS[call](plain(), SERIES, SERIES[:, 0])


@quietly
@pytest.mark.parametrize("stateful", [False, True])
def test_prediction_changes_nothing(stateful):
    X, y = (TWO, None) if stateful else make_windows(SERIES[:, 0], 8)
    model = small(stateful=stateful).fit(X, y)
    before = joblib.hash(vars(model))
    first = [call(model, X, y) for call in CALLS.values()]
    for call, value in zip(reversed(CALLS.values()), reversed(first), strict=True):
        np.testing.assert_array_equal(call(model, X, y), value)
    assert joblib.hash(vars(model)) == before


@quietly
def test_data_and_parameters_are_left_as_they_were():
    series, params = TWO.copy(), small(stateful=True).get_params()
    model = small(stateful=True, trainable=("gains", "recurrent", "readout")).fit(series)
    model.predict(series)
    np.testing.assert_array_equal(series, TWO)
    assert model.get_params() == params | {"trainable": ("gains", "recurrent", "readout")}


def test_a_season_beyond_the_last_rows_is_seen_by_the_readout():
    pattern = np.random.default_rng(1).standard_normal((60, 1))
    series = np.resize(pattern, (1000, 1))
    model = stream().fit(series)
    assert model.lags_[-3:].tolist() == [59, 60, 61]
    np.testing.assert_allclose(model.forecast(60), np.resize(pattern, (1060, 1))[1000:, 0], atol=0.05)


def test_score_is_r2_of_the_next_rows():
    model = stream().fit(TWO[:200])
    predicted = model.predict(TWO[200:])
    assert model.score(TWO[200:]) == pytest.approx(r2_score(TWO[201:], predicted[:-1]))
    assert model.score(TWO[200:-1], TWO[201:]) == pytest.approx(model.score(TWO[200:]))


def test_score_of_a_series_takes_weights_of_its_rows():
    model, weight = stream().fit(TWO[:200]), np.r_[np.ones(60), np.zeros(40)]
    assert model.score(TWO[200:], sample_weight=np.ones(100)) == pytest.approx(model.score(TWO[200:]))
    assert np.isfinite(model.score(TWO[200:], sample_weight=weight))


# ---- windows ----


@quietly
@pytest.mark.parametrize("trainable", TRAINABLES)
def test_windows_are_learnt_whatever_is_trained(trainable):
    X, y = make_windows(SERIES[:, 0], 10)
    model = small(trainable=trainable).fit(X[:-40], y[:-40])
    assert model.score(X[-40:], y[-40:]) > 0.9
    assert model.predict(X).shape == y.shape
    assert model.n_iter_ == max(1, len(model.loss_curve_))


def test_the_order_of_windows_does_not_matter_to_predictions():
    X, y = make_windows(SERIES[:, 0], 10)
    model, order = plain().fit(X, y), np.random.default_rng(0).permutation(len(X))
    np.testing.assert_allclose(model.predict(X[order]), model.predict(X)[order], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(model.predict(X[5:6]), model.predict(X)[5:6], rtol=1e-12, atol=1e-13)


def test_a_forecast_slides_the_window():
    for series, n_channels in ((SERIES[:, 0], 1), (TWO, 2)):
        X, y = make_windows(series, 6)
        model = plain(n_channels=n_channels).fit(X, y)
        path = model.forecast(5).reshape(5, -1)
        window = X[-1].copy()
        np.testing.assert_array_equal(model.forecast(5), model.forecast(5, window[None]))
        for row in path:
            ahead = np.ravel(model.predict(window[None]))
            np.testing.assert_allclose(ahead, row, rtol=1e-9, atol=1e-10)
            window = np.concatenate([window[n_channels:], ahead])


def test_direct_targets_of_several_steps():
    X, y = make_windows(SERIES[:, 0], 10, horizon=5)
    model = plain().fit(X[:-40], y[:-40])
    predicted = model.predict(X[-40:])
    assert predicted.shape == (40, 5)
    assert (r2_score(y[-40:], predicted, multioutput="raw_values") > 0.9).all()
    assert model.forecast(7).shape == (7, 1)
    for k in range(5):  # each target is as it is alone
        alone = plain(ridge=1.0, lag_ridge=1.0).fit(X, y[:, k]).predict(X)
        np.testing.assert_allclose(plain(ridge=1.0, lag_ridge=1.0).fit(X, y).predict(X)[:, k], alone, rtol=1e-6)


def test_windows_of_two_channels():
    X, y = make_windows(TWO, 8)
    model = plain(n_channels=2).fit(X[:-40], y[:-40])
    assert (model.n_features_in_, model.n_outputs_) == (16, 2)
    assert model.score(X[-40:], y[-40:]) > 0.9
    assert model.forecast(9).shape == (9, 2)
    other = plain(n_channels=2).fit(make_windows(TWO[:, ::-1], 8)[0], y)  # channels, not columns, are what is scaled
    np.testing.assert_allclose(other._model.inputs.centre, TWO[:-1, ::-1].mean(axis=0), atol=0.05)


def test_a_column_of_targets_stays_a_column():
    X, y = make_windows(SERIES[:, 0], 10)
    flat, column = plain().fit(X, y), plain().fit(X, y[:, None])
    assert column.predict(X).shape == (len(X), 1)
    np.testing.assert_array_equal(column.predict(X)[:, 0], flat.predict(X))
    assert column.forecast(3).shape == (3, 1)
    for low_high in (column.predict_interval(X), column.forecast_interval(3)):
        assert all(end.shape[1:] == (1,) for end in low_high)


# ---- inside scikit-learn ----


@quietly
def test_pipelines_searches_and_cross_validation():
    X, y = make_windows(SERIES[:, 0], 8)
    split = TimeSeriesSplit(3, gap=2)
    pipe = make_pipeline(StandardScaler(), small())
    assert pipe.fit(X, y).score(X, y) > 0.9
    search = GridSearchCV(plain(), {"spectral_radius": [0.1, 0.9]}, cv=split, error_score="raise").fit(X, y)
    assert search.best_params_["spectral_radius"] in (0.1, 0.9)
    assert search.best_score_ > 0.9
    X, Y = make_windows(SERIES[:, 0], 8, horizon=4)
    scores = cross_val_score(plain(), X, Y, cv=TimeSeriesSplit(3, gap=4 - 1), error_score="raise")
    assert scores.shape == (3,)
    assert (scores > 0.8).all()


def test_a_stateful_series_in_cross_validation_goes_on_where_training_ended():
    scores = cross_val_score(stream(), SERIES[:-1], SERIES[1:, 0], cv=TimeSeriesSplit(3), error_score="raise")
    assert (scores > 0.9).all()


def test_transformed_targets():
    X, y = make_windows(np.exp(SERIES[:, 0]), 8)
    model = TransformedTargetRegressor(plain(), func=np.log, inverse_func=np.exp).fit(X, y)
    assert model.score(X, y) > 0.8


def test_frames_give_their_names_and_the_same_bits():
    times = pd.date_range("2020-01-01", periods=300, freq="h")
    frame = pd.DataFrame(TWO, columns=["a", "b"], index=times)
    model = stream().fit(frame)
    assert model.feature_names_in_.tolist() == ["a", "b"]
    np.testing.assert_array_equal(model.forecast(5), stream().fit(TWO).forecast(5))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["b", "a"]])
    np.testing.assert_array_equal(stream().fit(SERIES, pd.Series(SERIES[:, 0])).predict(SERIES).shape, (300,))


@quietly
@pytest.mark.parametrize("trainable", [("gains",), ("recurrent", "readout")])
@pytest.mark.parametrize("stateful", [False, True])
def test_seeds_clones_and_pickles(stateful, trainable):
    X, y = (SERIES, None) if stateful else make_windows(SERIES[:, 0], 8)
    model = small(stateful=stateful, trainable=trainable).fit(X, y)
    path = model.forecast(10)
    again = clone(model)
    assert not hasattr(again, "readout_")
    np.testing.assert_array_equal(again.fit(X, y).forecast(10), path)
    np.testing.assert_array_equal(model.fit(X, y).forecast(10), path)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.forecast(10), path)
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))
    other = small(stateful=stateful, trainable=trainable, random_state=1).fit(X, y)
    assert not np.array_equal(other.forecast(10), path)


@quietly
def test_single_precision_is_taken():
    double = small(stateful=True).fit(SERIES.astype(np.float32).astype(np.float64)).forecast(5)
    np.testing.assert_array_equal(small(stateful=True).fit(SERIES.astype(np.float32)).forecast(5), double)


# ---- parameters ----


def test_parameters_that_are_set_after_fit_wait_for_the_next():
    for stateful in (True, False):
        X, y = make_windows(SERIES[:, 0], 8)
        model = plain(stateful=stateful).fit(X, y)
        expected = model.predict(X)
        model.set_params(stateful=not stateful, n_channels=2, n_units=7)
        np.testing.assert_array_equal(model.predict(X), expected)


# ---- intervals ----


@pytest.mark.parametrize("stateful", [False, True])
@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_prediction_intervals_hold_as_many_targets_as_asked_for(stateful, coverage):
    held = []
    for seed in range(8):
        series = autoregressive(3000, seed)
        X, y = (series[:-1], series[1:, 0]) if stateful else make_windows(series[:, 0], 5)
        lower, upper = plain(stateful=stateful).fit(X[:1500], y[:1500]).predict_interval(X[1500:], coverage)
        held.append(np.mean((y[1500:] >= lower) & (y[1500:] <= upper)))
    assert np.mean(held) == pytest.approx(coverage, abs=0.035)  # some four standard errors


@pytest.mark.parametrize("stateful", [False, True])
def test_forecast_intervals_hold_as_many_rows_as_asked_for(stateful):
    held, steps = [], 10
    for seed in range(60):
        series = autoregressive(420, seed)
        X, y = (series[:400], None) if stateful else make_windows(series[:400, 0], 5)
        lower, upper = plain(stateful=stateful, readout_lags=2, n_units=10).fit(X, y).forecast_interval(steps, 0.8)
        truth = series[400 : 400 + steps, 0]
        held.append((truth >= lower) & (truth <= upper))
    assert np.mean(held) == pytest.approx(0.8, abs=0.08)


@quietly
@pytest.mark.parametrize("trainable", [(), ("gains",), ("readout",)])
@pytest.mark.parametrize("series", [SERIES, TWO], ids=["one channel", "two"])
def test_intervals_lie_around_predictions_and_widen_with_coverage(series, trainable):
    model = small(stateful=True, trainable=trainable).fit(series)
    for center, interval in (
        (model.predict(series), lambda c: model.predict_interval(series, c)),
        (model.forecast(20), lambda c: model.forecast_interval(20, c)),
    ):
        narrow, wide = interval(0.5), interval(0.9)
        assert all(end.shape == center.shape for end in (*narrow, *wide))
        assert (narrow[0] <= narrow[1]).all()
        assert (wide[0] <= narrow[0]).all()
        assert (narrow[1] <= wide[1]).all()
        assert (wide[0] <= center).mean() > 0.8  # errors may lean to one side
        assert (wide[1] >= center).mean() > 0.8


def test_forecast_intervals_widen_with_the_steps_of_a_random_walk():
    walk = autoregressive(2000, phi=0.99)
    lower, upper = stream(readout_lags=2).fit(walk).forecast_interval(30)
    width = upper - lower
    assert width[-1] > 2 * width[0]


def test_intervals_do_not_depend_on_the_rows_that_follow():
    model = stream().fit(TWO[:200])
    whole = model.predict_interval(TWO[200:], 0.8)
    for k in (1, 2, 30):
        for end, of_whole in zip(model.predict_interval(TWO[200 : 200 + k], 0.8), whole, strict=True):
            np.testing.assert_allclose(end, of_whole[:k], rtol=1e-9, atol=1e-11)


def test_intervals_of_a_series_widen_where_it_becomes_noisier_and_those_of_windows_do_not():
    series = autoregressive(2500)
    series[1500:] *= 4
    widths = []
    for stateful in (True, False):
        X, y = (series[:-1], series[1:, 0]) if stateful else make_windows(series[:, 0], 5)
        low, high = plain(stateful=stateful, readout_lags=2).fit(X[:1400], y[:1400]).predict_interval(X[1400:], 0.8)
        widths.append(high - low)
    assert widths[0][-1] > 2.5 * widths[0][0]
    np.testing.assert_allclose(widths[1], widths[1][0])


@pytest.mark.parametrize("stateful", [False, True])
def test_intervals_of_closed_loops_learn_from_a_stream(stateful):
    series = autoregressive(3000)
    series[1500:] *= 4
    X, y = (series[:-1], series[1:, 0]) if stateful else make_windows(series[:, 0], 5)
    model = plain(stateful=stateful, readout_lags=2).fit(X[:1400], y[:1400])
    before, calm = np.ptp(model.forecast_interval(5), axis=0), np.ptp(model.predict_interval(X[1400:1500]), axis=0)
    for first in range(1500, 2900, 100):
        model.partial_fit(X[first : first + 100], y[first : first + 100])
    assert np.ptp(model.forecast_interval(5), axis=0).mean() > 2 * before.mean()
    assert np.ptp(model.predict_interval(X[2900:]), axis=0).mean() > 2 * calm.mean()


@pytest.mark.parametrize("stateful", [False, True])
def test_a_stream_has_intervals_from_its_second_rows_on(stateful):
    series = autoregressive(1000)
    X, y = (series[:-1], series[1:, 0]) if stateful else make_windows(series[:, 0], 5)
    model = plain(stateful=stateful, readout_lags=2)
    for first in range(0, 900, 100):
        model.partial_fit(X[first : first + 100], y[first : first + 100])
    low, high = model.predict_interval(X[900:], 0.8)
    assert np.mean((low <= y[900:]) & (y[900:] <= high)) == pytest.approx(0.8, abs=0.13)
    assert np.isfinite(model.forecast_interval(20)).all()


@pytest.mark.parametrize("kept", [4000, 70])
def test_rows_of_a_stream_are_judged_by_the_readout_that_had_not_learnt_from_them(monkeypatch, kept):
    monkeypatch.setattr(_record, "MOST_ROWS", kept)
    monkeypatch.setattr(_base, "FEW_ROWS", 0)
    model, expected = stream().fit(TWO[:150]), []
    for first in range(150, 300, 50):
        ahead = np.concatenate([model.forecast(1), model.predict(TWO[first : first + 49])])
        expected.append((TWO[first : first + 50] - ahead) / model._model.inputs.unit)
        model.partial_fit(TWO[first : first + 50])
    found = _record.held_errors(model._stream.record, model._model.population)
    expected = np.concatenate(expected)[-kept:]
    np.testing.assert_allclose(found[-len(expected) :], expected, atol=1e-9)
    assert len(found) == min(kept, 150 + 37)


@pytest.mark.parametrize("trainable", [(), ("gains",)])
def test_a_short_series_has_intervals_of_many_steps(trainable):
    """As many rows as a monthly series of nine years."""
    t = np.arange(108)
    series = (100 + t) * (1 + 0.2 * np.sin(2 * np.pi * t / 12)) + np.random.default_rng(0).standard_normal(108)
    model = DopamineESNForecaster(n_units=50, stateful=True, trainable=trainable, random_state=0).fit(series[:84, None])
    with pytest.warns(UserWarning, match="24 steps ahead rests on 35 rows"):
        low, high = model.forecast_interval(24)
    assert np.mean((low <= series[84:]) & (series[84:] <= high)) > 0.7
    assert (high - low).mean() < np.ptp(series)


def test_few_errors_are_counted_in_units_of_the_spread_before():
    series = autoregressive(330)
    series[300:] *= 5  # the width follows before the errors do
    model = stream(readout_lags=2).fit(series[:260])
    low, high = model.predict_interval(series[260:])
    width = high - low
    assert width[60:].mean() > 3 * width[:40].mean()
    error = _record.held_errors(model._stream.record, model._model.population)
    rows = model._stream.record.reader.inputs
    before = [np.sqrt(0.99 * rows[k - 23 : k + 1].var() + 0.01) for k in range(len(rows) - len(error), len(rows))]
    now = np.sqrt(0.99 * model._model.inputs.scaled(series[237:261]).var() + 0.01)
    expected = now * _intervals.half_width(error[:, 0] / before, 0.9)
    assert width[0] == pytest.approx(2 * model._model.inputs.unit[0] * expected)


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_intervals_are_told_by_readouts_that_have_not_learnt_from_their_rows(noise):
    """Each is the ridge of the rows before, by hand."""
    model = stream(state_noise=noise, **STIFF).fit(TWO)
    record, population = model._stream.record, model._model.population
    assert len(record.judges) == 4
    if noise:
        return
    first = record.judges[0].first
    z = model._model.inputs.scaled(TWO)
    pieces = SeriesReader(z, model.lags_).read(population, 0, len(z) - 1, np.zeros((20, 1)))
    seen = np.concatenate([_reservoir.features(population, states, past)[0] for _, states, past in pieces])
    n_before = len(seen) - len(record.target)
    assert n_before + first == pytest.approx(len(seen) / 2, abs=10)
    for readout, start, _ in record.spans():
        F, Y = seen[10 : n_before + start], z[1:][10 : n_before + start]
        penalty = np.full(F.shape[1], model.lag_ridge)
        penalty[:20], penalty[-1] = model.ridge, min(model.ridge, model.lag_ridge)
        expected = np.linalg.solve(F.T @ F + len(F) * np.diag(penalty), F.T @ Y)
        np.testing.assert_allclose(readout, expected, rtol=1e-4, atol=1e-6)


def test_intervals_of_a_long_series_are_told_by_the_rows_held_back():
    series = autoregressive(1000)
    model = stream(**STIFF).fit(series)
    (judge,) = model._stream.record.judges
    assert len(model._stream.record.target) - judge.first == 249
    scaled = model._model.inputs.scaled(series[:751])
    rows = SeriesReader(scaled, model.lags_)
    zero, empty = np.zeros((20, 1)), _reservoir.init_normal(1, *model.readout_.shape)
    normal, _ = learn(rows, scaled[1:], model._model.population, empty, zero, (0, 750), washout=10, seed=0)
    np.testing.assert_allclose(judge.readout, normal.solve(model._model.gains, 20)[0], rtol=1e-4, atol=1e-6)
    assert not np.allclose(judge.readout, model.readout_, rtol=1e-6)


def test_as_many_closed_loops_are_run_as_a_coverage_needs():
    model = stream(readout_lags=2).fit(autoregressive(2500))
    low, high = model.forecast_interval(3, 0.995)
    assert (low < high).all()
    for coverage, needed in ((0.999, "999"), (1 - 1e-13, r"\d+")):  # and no more loops than there are rows
        with pytest.raises(ValueError, match=rf"needs at least {needed} errors .* got 62\d"):
            model.forecast_interval(3, coverage)


# ---- losses ----


def skewed(n=600):
    x = np.random.default_rng(0).uniform(-1, 1, (n, 4))
    return x, x @ [1.0, -1.0, 0.5, 0.0] + np.random.default_rng(1).exponential(1.0, n)


def tail_loss(model, X, y, quantile):
    error = y - model.predict(X)
    return np.mean(np.maximum(quantile * error, (quantile - 1) * error))


@pytest.mark.parametrize(
    ("loss", "quantile", "share"), [("absolute_error", 0.5, 0.99), ("pinball", 0.9, 0.8), ("pinball", 0.1, 0.6)]
)
@quietly
def test_training_the_readout_lowers_the_loss_asked_for(loss, quantile, share):
    X, y = skewed(1200)
    squares = plain(readout_lags=4, n_units=5).fit(X[:800], y[:800])
    model = small(trainable="readout", loss=loss, quantile=quantile, readout_lags=4, n_units=5, max_iter=200)
    model.fit(X[:800], y[:800])
    assert tail_loss(model, X[800:], y[800:], quantile) < share * tail_loss(squares, X[800:], y[800:], quantile)
    assert np.mean(y[800:] <= model.predict(X[800:])) == pytest.approx(quantile, abs=0.1)


@quietly
@pytest.mark.parametrize("trainable", [("gains",), ("readout",)])
def test_a_callable_loss_may_give_one_number_or_one_per_row(trainable):
    def per_row(y_true, y_pred):
        assert y_true.shape == y_pred.shape
        assert y_true.ndim == 1
        return (y_true - y_pred) ** 2

    models = [
        small(stateful=True, trainable=trainable, loss=loss, n_perturbations=2).fit(100 + 10 * SERIES)
        for loss in (per_row, lambda y_true, y_pred: np.mean(per_row(y_true, y_pred)))
    ]
    for model in models:
        assert np.abs(model.forecast(10) - 100 - 10 * np.sin(0.3 * np.arange(300, 310))).max() < 5
        assert 0 < model.best_loss_ < 60  # in the user's units: noise of standard deviation 1, squared


@quietly
def test_a_callable_loss_of_two_channels_sees_them_side_by_side():
    shapes = set()

    def loss(y_true, y_pred):
        shapes.add(y_true.shape[1:])
        return ((y_true - y_pred) ** 2).sum(axis=1)

    small(stateful=True, loss=loss).fit(TWO)
    assert shapes == {(2,)}


# ---- training ----


@quietly
@pytest.mark.parametrize("trainable", ["readout", "recurrent"])
def test_weights_that_training_has_not_improved_are_left(monkeypatch, trainable):
    train = _trainer.train

    def worse(*args, **kwargs):
        result = train(*args, **kwargs)
        return result._replace(best_params=result.best_params + 1.0)

    monkeypatch.setattr(_trainer, "train", worse)
    # of so little noise and so few rows, other weights may be better by chance
    monkeypatch.setattr(RecurrentProblem, "score", lambda self, params: -float(np.abs(params).sum()))
    model = small(stateful=True, trainable=trainable, washout="auto").fit(SERIES)
    np.testing.assert_array_equal(model.readout_, stream().fit(SERIES).readout_)
    model.partial_fit(SERIES)  # they are still a ridge solution


@quietly
def test_gains_are_tuned_on_the_last_rows_of_a_long_series(monkeypatch):
    seen = []
    losses = GainsProblem.member_losses

    def spy(problem, members):
        seen.append((len(problem.task.target), problem.task.split))
        return losses(problem, members)

    monkeypatch.setattr(GainsProblem, "member_losses", spy)
    small(stateful=True, n_units=5, readout_lags=1).fit(autoregressive(20_000))
    assert set(seen) == {(6000, 4500)}


@quietly
def test_gains_that_were_found_are_parameters_of_the_next_fit():
    rows = make_lorenz(900, random_state=0)
    tuned = small(stateful=True, max_iter=16, tol=0, horizon="auto").fit(rows[:600])
    again, never = (clone(tuned).set_params(**gains, trainable=()).fit(rows[:600]) for gains in (tuned.gains_, {}))
    assert again.gains_ == tuned.gains_ != never.gains_
    errors = [np.abs(model.forecast(100, rows[:800]) - rows[800:]).mean() for model in (again, never)]
    assert errors[0] < 0.5 * errors[1]


@pytest.mark.slow
@quietly
def test_gains_are_tuned_on_the_closed_loop():
    """With all of the error one step ahead, tuning ends elsewhere, and the loop is worse for it."""
    series = make_mackey_glass(2100, random_state=0)  # in fewer rows a small reservoir may have the last word

    def error(share):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_gains_problem, "ONE_STEP_SHARE", share)
            model = small(stateful=True, n_units=40, max_iter=16).fit(series[:1600])
        paths = [model.forecast(80, series[first - 200 : first]) for first in range(1600, 2000, 40)]
        truth = [series[first : first + 80, 0] for first in range(1600, 2000, 40)]
        return np.log(np.abs(np.subtract(paths, truth)).mean())

    assert error(_gains_problem.ONE_STEP_SHARE) < error(1.0) - 0.1


def test_tuning_gains_lowers_the_loss_and_counts_its_cost():
    model = DopamineESNForecaster(n_units=30, stateful=True, random_state=0, max_iter=10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(make_lorenz(600, random_state=0))
    assert model.best_loss_ == min(model.loss_curve_) < model.loss_curve_[0] - 0.1
    assert model.loss_ == model.loss_curve_[-1]
    assert model.learning_rate_ == model.learning_rate_curve_[-1]
    assert model.n_iter_ <= 10
    assert model.n_evaluations_ >= 30 * 11 * model.n_iter_
    untuned = model.get_params()
    assert set(model.gains_) == {n for n in untuned if n in model.gains_}
    assert any(model.gains_[name] != untuned[name] for name in model.gains_)


def test_without_training_gains_are_the_parameters():
    model = stream(spectral_radius=0.7, ridge=1e-3).fit(SERIES)
    assert model.gains_ == {name: getattr(model, name) for name in model.gains_}
    assert model.loss_curve_ == []


@pytest.mark.parametrize("trainable", ["gains", "readout", ("gains", "recurrent")])
def test_too_few_epochs_are_told(trainable):
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        small(stateful=True, trainable=trainable).fit(SERIES)


@pytest.mark.parametrize(
    ("trainable", "n_epochs", "kept"),
    [("gains", 1, "best model so far"), ("readout", 0, "model as it was before training")],
)
def test_a_divergence_is_told_with_its_cause(trainable, n_epochs, kept, monkeypatch):
    causes = iter([*[""] * n_epochs, "the loss is no longer finite"])
    monkeypatch.setattr(_trainer, "why_lost", lambda *args: next(causes))
    model = small(stateful=True, trainable=trainable)
    told = rf"after {n_epochs} epochs .*: the loss is no longer finite; the {kept} is kept"
    with pytest.warns(ConvergenceWarning, match=told):
        model.fit(SERIES)
    assert model.score(SERIES) > 0.8


@quietly
@pytest.mark.parametrize("trainable", ["gains", "readout", ("gains", "readout")])
def test_verbose_prints_one_line_an_epoch(capsys, trainable):
    model = small(stateful=True, trainable=trainable, verbose=True, max_iter=3).fit(SERIES)
    lines = capsys.readouterr().out.splitlines()
    chosen = [line for line in lines if line.startswith("Loops held back chose: base 'mean', gains ")]
    assert len(chosen) == ("gains" in np.atleast_1d(trainable))
    epochs = [line for line in lines if line not in chosen]
    assert len(epochs) == model.n_iter_
    for number, (line, loss) in enumerate(zip(epochs, model.loss_curve_, strict=True), start=1):
        stage = "Gains of 20 units, update" if "gains" in np.atleast_1d(trainable) and number <= 3 else "Readout, epoch"
        assert line.startswith(f"{stage} {number}, loss = {loss:.8f}, learning rate =")
    small(stateful=True, trainable=trainable).fit(SERIES)
    assert capsys.readouterr().out == ""


@quietly
@pytest.mark.parametrize(("trainable", "problem"), [("gains", GainsProblem), ("readout", ReadoutProblem)])
def test_private_state_is_two_values_and_training_changes_no_attribute(monkeypatch, trainable, problem):
    model, seen = small(stateful=True, trainable=trainable).fit(TWO), []
    assert {name for name in vars(model) if name.startswith("_")} == {"_model", "_stream"}
    credit = problem.credit

    def watched(self, *args):
        passing = ("callback", "_journal")  # for the time of a fit
        seen.append({name: value for name, value in vars(model).items() if not any(part in name for part in passing)})
        return credit(self, *args)

    monkeypatch.setattr(problem, "credit", watched)
    before = dict(vars(model))
    model.fit(TWO[:200])
    assert len(seen) > 1
    assert all(seen_then.keys() == before.keys() for seen_then in seen)
    assert all(seen_then[name] is before[name] for seen_then in seen for name in before if name != "n_features_in_")


@quietly
def test_a_stream_leaves_the_curves_of_fit():
    model = small(stateful=True).fit(SERIES[:200])
    held, before = model.loss_curve_, list(model.loss_curve_)
    model.partial_fit(SERIES[200:])
    assert model.loss_curve_ == held == before
    assert model.n_iter_ == len(before) > 0


def failing_at(monkeypatch, problem, number, error):
    credit, calls = problem.credit, []

    def failing(self, *args):
        calls.append(1)
        if len(calls) == number:
            raise error
        return credit(self, *args)

    monkeypatch.setattr(problem, "credit", failing)


@pytest.mark.parametrize("number", [1, 2, 5])
@pytest.mark.parametrize(("trainable", "problem"), [(("gains", "readout"), GainsProblem), ("readout", ReadoutProblem)])
@pytest.mark.parametrize("stateful", [False, True])
def test_an_interruption_keeps_a_fitted_model(monkeypatch, stateful, trainable, problem, number):
    X, y = (SERIES, None) if stateful else make_windows(SERIES[:, 0], 8)
    failing_at(monkeypatch, problem, number, KeyboardInterrupt)
    with pytest.warns(UserWarning, match="interrupted"):
        model = small(stateful=stateful, trainable=trainable, max_iter=9).fit(X, y)
    assert model.n_iter_ == max(1, len(model.loss_curve_)) < 9
    assert model.score(X, y) > 0.8
    assert np.isfinite(model.forecast(5)).all()
    assert all(np.isfinite(end).all() for end in model.forecast_interval(5))


@quietly
@pytest.mark.parametrize(("trainable", "problem"), [("gains", GainsProblem), ("readout", ReadoutProblem)])
def test_an_error_in_training_leaves_the_estimator_as_it_was(monkeypatch, trainable, problem):
    fitted = small(stateful=True, trainable=trainable).fit(SERIES)
    path = fitted.forecast(5)
    failing_at(monkeypatch, problem, 2, MemoryError)
    with pytest.raises(MemoryError):
        fitted.fit(2 * TWO)
    np.testing.assert_array_equal(fitted.forecast(5), path)


def test_a_loop_that_runs_away_is_held_and_told():
    series = np.exp(0.02 * np.arange(200))[:, None]
    model = stream(spectral_radius=0.4, readout_lags=2).fit(series)
    with pytest.warns(UserWarning, match=r"left the range .* in \d+ of 500 steps"):
        path = model.forecast(500)
    assert np.isfinite(path).all()
    assert path.max() == pytest.approx(series.max() + 0.5 * np.ptp(series))


def test_an_interval_around_a_loop_that_runs_away_is_told():
    model = stream(readout_lags=2).fit(np.exp(0.02 * np.arange(200))[:, None])
    for call in (lambda: model.forecast(45), lambda: model.forecast_interval(45, 0.5)):
        with pytest.warns(UserWarning, match="The forecast left the range") as told:
            call()
        assert told[0].filename == __file__


@pytest.mark.filterwarnings("error")
def test_a_loop_that_stays_is_not_told():
    path = stream().fit(SERIES).forecast(500)
    assert np.abs(path).max() < np.abs(SERIES).max() + 0.5 * np.ptp(SERIES)


@quietly
def test_a_loss_of_any_size_tunes_the_gains():
    """Targets in thousands: what is lost is far above any logarithm of an error."""

    def absolute(y_true, y_pred):
        return np.abs(y_true - y_pred)

    model = small(stateful=True, loss=absolute, max_iter=6).fit(1e4 * SERIES)
    assert model.best_loss_ > 5
    assert model.best_loss_ < model.loss_curve_[0]


# ---- skill ----


@pytest.mark.slow
@quietly
def test_mackey_glass_is_forecast_and_tuned_gains_do_it_for_longer():
    series = make_mackey_glass(1100, random_state=0)
    errors = []
    for trainable in ((), ("gains",)):
        params = {"stateful": True, "trainable": trainable, "max_iter": 10, "random_state": 0}
        model = DopamineESNForecaster(100, **params).fit(series[:1000])
        errors.append(np.abs(model.forecast(100) - series[1000:, 0]))
    plain, tuned = errors
    assert plain[0] < 1e-3
    assert tuned[:30].max() < 0.01 < plain[:30].max()
    assert tuned.max() < 0.1


@pytest.mark.slow
def test_tuned_gains_forecast_lorenz_for_longer():
    errors = {(): [], ("gains",): []}
    for seed in range(3):
        series = make_lorenz(900, random_state=seed)
        for trainable, found in errors.items():
            params = {"stateful": True, "trainable": trainable, "max_iter": 12, "random_state": seed}
            model = DopamineESNForecaster(50, **params)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                path = model.fit(series[:800]).forecast(100)
            found.append(np.log(np.mean((path - series[800:]) ** 2)))
    assert np.mean(errors["gains",]) < np.mean(errors[()]) - 0.5
