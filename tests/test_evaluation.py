"""Backtests, rolling origins and the scorer of forecasts."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import mean_pinball_loss, mean_squared_error
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdopamine import DopamineESNForecaster, DopamineMLPRegressor
from skdopamine.evaluation import RollingOrigin, backtest, make_forecast_scorer

RNG = np.random.default_rng(0)
SERIES = 10 + np.sin(2 * np.pi * np.arange(150) / 12) + 0.1 * RNG.standard_normal(150)
TWO = np.column_stack([SERIES, SERIES[::-1]])


def forecaster(**params):
    return DopamineESNForecaster(**{"n_units": 15, "stateful": True, "trainable": (), "random_state": 0, **params})


class Last(BaseEstimator):
    """Repeats the last row; it has no intervals, and forecasts from given rows only if it `reads`."""

    def fit(self, X):
        self.last_ = np.asarray(X)[-1]
        return self

    def forecast(self, n_steps):
        return np.repeat(self.last_[None], n_steps, axis=0)


class LastOf(Last):
    def forecast(self, n_steps, X=None):
        last = self.last_ if X is None else np.asarray(X)[-1]
        return np.repeat(last[None], n_steps, axis=0)


# ---- rolling origins ----


@pytest.mark.parametrize("step", [None, 1, 3, 20])
@pytest.mark.parametrize("most", [None, 7])
def test_the_test_rows_follow_the_training_rows_and_end_with_the_last(step, most):
    splits = list(RollingOrigin(4, 3, step=step, max_train_size=most).split(np.zeros((50, 2))))
    assert len(splits) == RollingOrigin(4, 3).get_n_splits() == 3
    for train, test in splits:
        np.testing.assert_array_equal(np.diff(np.concatenate([train, test])), 1)
        assert len(test) == 4
        assert train[0] == (0 if most is None else max(0, test[0] - 7))
    assert splits[-1][1][-1] == 49
    assert {b[1][0] - a[1][0] for a, b in pairwise(splits)} == {step or 4}


def test_the_shortest_series_has_one_row_before():
    assert RollingOrigin(2, 3).origins(7).tolist() == [1, 3, 5]
    with pytest.raises(ValueError, match="The series has 6 rows, too few for n_origins=3 forecasts of n_steps=2 rows"):
        RollingOrigin(2, 3).origins(6)


@pytest.mark.parametrize("value", [0, -1, 1.5, "2", True])
@pytest.mark.parametrize("name", ["n_steps", "n_origins", "step", "max_train_size"])
def test_counts_are_positive_integers(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a positive integer, got {value!r}"):
        list(RollingOrigin(**{"n_steps": 2, name: value}).split(SERIES))


def test_a_cross_validator_shows_its_parameters():
    assert repr(RollingOrigin(3, step=2)) == "RollingOrigin(n_steps=3, n_origins=5, step=2)"


# ---- the scorer ----


def test_the_score_is_that_of_the_closed_loop():
    cv, scorer = RollingOrigin(6, 3), make_forecast_scorer()
    scores = cross_val_score(forecaster(), SERIES[:, None], cv=cv, scoring=scorer)
    for score, (train, test) in zip(scores, cv.split(SERIES), strict=True):
        ahead = forecaster().fit(SERIES[train]).forecast(6)
        assert score == pytest.approx(-np.abs(ahead - SERIES[test]).mean(), rel=1e-12)


def test_a_score_may_be_of_any_function():
    fitted = forecaster().fit(TWO[:140])
    expected = mean_squared_error(TWO[140:], fitted.forecast(10))
    assert make_forecast_scorer(mean_squared_error)(fitted, TWO[140:]) == pytest.approx(-expected)
    assert make_forecast_scorer(mean_squared_error, greater_is_better=True)(fitted, TWO[140:]) == pytest.approx(
        expected
    )
    weighted = make_forecast_scorer(mean_squared_error, multioutput=[1, 0])(fitted, TWO[140:])
    assert weighted == pytest.approx(-mean_squared_error(TWO[140:, 0], fitted.forecast(10)[:, 0]))
    assert repr(make_forecast_scorer()) == "make_forecast_scorer(mean_absolute_error, greater_is_better=False)"


def test_a_search_chooses_by_the_closed_loop():
    search = GridSearchCV(
        forecaster(), {"readout_lags": [1, 24]}, scoring=make_forecast_scorer(), cv=RollingOrigin(12, 3)
    ).fit(SERIES[:, None])
    assert search.best_params_ == {"readout_lags": 24}
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_several_scorers_at_once():
    scoring = {"mae": make_forecast_scorer(), "mse": make_forecast_scorer(mean_squared_error)}
    found = cross_validate(forecaster(), SERIES[:, None], cv=RollingOrigin(6, 2), scoring=scoring)
    assert (found["test_mae"] < 0).all()
    assert (found["test_mse"] < 0).all()


def test_what_cannot_forecast_has_no_score():
    with pytest.raises(TypeError, match="estimator must have a method forecast, got DopamineMLPRegressor"):
        make_forecast_scorer()(DopamineMLPRegressor(), SERIES)
    with pytest.raises(TypeError, match="score_func must be callable, got 'mae'"):
        make_forecast_scorer("mae")


# ---- backtests ----


@pytest.mark.parametrize("series", [SERIES, TWO], ids=["flat", "two channels"])
@pytest.mark.parametrize("refit", [False, True])
def test_a_backtest_forecasts_from_each_origin(series, refit):
    found = backtest(forecaster(), series, 6, 3, refit=refit, season=12, coverages=[0.5, 0.8])
    assert found.origins.tolist() == [132, 138, 144]
    fitted = forecaster().fit(series[:132])
    for k, origin in enumerate(found.origins):
        model, rows = (forecaster().fit(series[:origin]), None) if refit else (fitted, series[:origin])
        path = model.forecast(6, rows)
        np.testing.assert_allclose(found.forecast[k], path.reshape(6, -1), rtol=1e-9)
        low, high = model.forecast_interval(6, [0.5, 0.8], rows)
        np.testing.assert_allclose(found.lower[k], low.reshape(6, -1, 2), rtol=1e-7)
        np.testing.assert_allclose(found.upper[k], high.reshape(6, -1, 2), rtol=1e-7)
        np.testing.assert_array_equal(found.truth[k], series[origin : origin + 6].reshape(6, -1))
        np.testing.assert_array_equal(found.naive[k], series[origin - 12 : origin - 6].reshape(6, -1))


def test_a_naive_forecast_repeats_the_last_season():
    found = backtest(LastOf(), SERIES, 7, 2, season=3)
    for k, origin in enumerate(found.origins):
        np.testing.assert_array_equal(found.naive[k, :, 0], np.tile(SERIES[origin - 3 : origin], 3)[:7])
    plain = backtest(LastOf(), SERIES, 7, 2)
    np.testing.assert_array_equal(plain.naive, plain.forecast)
    np.testing.assert_array_equal(plain.mase, plain.naive_mase)


def test_errors_are_those_of_their_definitions():
    found = backtest(forecaster(), TWO, 4, 5, season=12, coverages=(0.6, 0.9))
    before = TWO[12:130] - TWO[:118]
    error = found.forecast - found.truth
    for j in range(4):
        scaled = np.abs(error[:, j]) / np.abs(before).mean(axis=0)
        assert found.mase[j] == pytest.approx(scaled.mean())
        ratio = np.sqrt((error[:, j] ** 2).mean(axis=0)) / np.sqrt((before**2).mean(axis=0))
        assert found.rmsse[j] == pytest.approx(ratio.mean())
        ends = [(found.lower, 0.2, 0), (found.lower, 0.05, 1), (found.upper, 0.8, 0), (found.upper, 0.95, 1)]
        losses = [
            mean_pinball_loss(found.truth[:, j, c], end[:, j, c, k], alpha=share) / np.abs(before[:, c]).mean()
            for end, share, k in ends
            for c in range(2)
        ]
        assert found.pinball[j] == pytest.approx(np.mean(losses))
        inside = (found.lower[:, j] <= found.truth[:, j, :, None]) & (found.truth[:, j, :, None] <= found.upper[:, j])
        np.testing.assert_allclose(found.coverage[j], inside.mean(axis=(0, 1)))
    summary = found.summary()
    assert set(summary) == {
        "mase", "naive_mase", "rmsse", "naive_rmsse", "pinball", "coverage_60", "coverage_90"
    }  # fmt: skip
    assert summary["mase"] == pytest.approx(found.mase.mean())
    assert summary["coverage_90"] == pytest.approx(found.coverage[:, 1].mean())


def test_an_estimator_without_intervals_has_errors_alone():
    found = backtest(Last(), SERIES, 3, 4, refit=True)
    assert found.lower is None
    assert found.upper is None
    assert set(found.summary()) == {"mase", "naive_mase", "rmsse", "naive_rmsse"}
    for attribute in ("coverage", "pinball"):
        with pytest.raises(ValueError, match="The estimator gave no intervals"):
            getattr(found, attribute)
    assert backtest(forecaster(), SERIES, 3, 2, coverages=()).lower is None


def test_frames_and_lists_are_backtested_as_arrays():
    index = pd.date_range("2020", periods=150, freq="MS")
    expected = backtest(forecaster(), TWO, 3, 3)
    for series in (pd.DataFrame(TWO, index, columns=["a", "b"]), TWO.tolist()):
        found = backtest(forecaster(), series, 3, 3)
        for name in ("forecast", "truth", "naive", "lower", "upper"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("left_out", [False, True])
def test_rows_that_are_missing_count_in_no_error(left_out):
    index = pd.date_range("2020", periods=150, freq="D")
    sine = pd.Series(10 + np.sin(2 * np.pi * np.arange(150) / 12), index)
    holed = sine.copy()
    holed.iloc[[30, 31, 90, 141, 146]] = np.nan
    found = backtest(forecaster(), holed.dropna() if left_out else holed, 6, 3, season=12, coverages=0.8)
    assert found.origins.tolist() == [132, 138, 144]
    assert np.isnan(found.truth).sum() == 2
    assert found.mase.shape == (6,)
    assert np.isfinite([*found.mase, *found.rmsse, *found.pinball, *found.coverage[:, 0], *found.scale]).all()
    np.testing.assert_allclose(found.forecast[:, :, 0], [sine[o : o + 6] for o in found.origins], atol=0.1)
    scorer, model = make_forecast_scorer(), forecaster().fit(sine[:140])
    rest = sine[140:].drop(sine.index[[142, 145]])
    assert scorer(model, rest) == pytest.approx(-np.abs(model.forecast(10)[rest.index] - rest).mean())


def test_processes_change_nothing():
    alone, several = (backtest(forecaster(), SERIES, 3, 3, refit=True, n_jobs=n) for n in (None, 2))
    np.testing.assert_array_equal(alone.forecast, several.forecast)


def test_the_estimator_is_left_as_it_was():
    estimator = forecaster()
    backtest(estimator, SERIES, 3, 2)
    assert vars(estimator) == vars(clone(estimator))


def test_a_constant_series_has_no_errors_to_scale():
    found = backtest(LastOf(), np.ones(20), 3, 2)
    assert found.mase.max() == 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"season": 0}, ValueError, "season must be a positive integer, got 0"),
        ({"season": 149}, ValueError, r"The first origin must lie after season=149 rows, got 135"),
        ({"n_steps": 0}, ValueError, "n_steps must be a positive integer, got 0"),
        ({"n_origins": 60}, ValueError, "too few for n_origins=60"),
        ({"exog": SERIES[:7]}, ValueError, "exog must have the 150 rows of the series, got 7"),
        ({"estimator": DopamineMLPRegressor()}, TypeError, "must have a method forecast, got DopamineMLPRegressor"),
        ({"estimator": Last()}, TypeError, "must forecast from given rows, X, unless refit=True, got Last"),
        ({"coverages": [1.0]}, ValueError, r"coverages must be between 0 and 1, got \[1.0\]"),
        ({"coverages": "most"}, ValueError, "coverages must be between 0 and 1, got 'most'"),
        ({"series": [SERIES, SERIES]}, ValueError, "series must be one series, got list of many"),
        ({"series": np.full(150, np.nan)}, ValueError, "series must have two rows season=1 apart"),
    ],
)
def test_a_backtest_that_cannot_be_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        backtest(**{"estimator": forecaster(), "series": SERIES, "n_steps": 3, **options})


@pytest.mark.parametrize(
    ("n_steps", "gone"), [(12, [287]), (12, [288]), (2, [298]), (3, [298]), (3, [297]), (4, [296, 298])]
)
def test_a_score_knows_where_a_forecast_began_though_rows_are_left_out(n_steps, gone):
    index = pd.date_range("2020-01-01", periods=300)
    wave = pd.DataFrame({"s": 10 + np.sin(2 * np.pi * np.arange(300) / 12)}, index=index).drop(index[gone])
    cv, scorer = RollingOrigin(n_steps, 1), make_forecast_scorer()
    (score,) = cross_val_score(forecaster(), wave, cv=cv, scoring=scorer)
    assert -1e-5 < score <= 0


class Wrapped(BaseEstimator):
    """A forecaster of logarithms, as users write one: nothing but what it gives back tells where it begins."""

    def __init__(self, inner=None):
        self.inner = inner

    def fit(self, X, y=None):
        self.fitted_ = clone(self.inner).fit(np.log(X))
        return self

    def forecast(self, n_steps):
        return np.exp(self.fitted_.forecast(n_steps))


@pytest.mark.parametrize(("n_steps", "gone"), [(3, [297]), (2, [298]), (1, []), (3, [297, 298]), (9, [291, 292, 295])])
def test_a_score_of_any_forecaster_goes_by_the_dates_of_its_forecast(n_steps, gone):
    index = pd.date_range("2020-01-01", periods=300)
    wave = pd.DataFrame({"s": 10 + np.sin(2 * np.pi * np.arange(300) / 12)}, index=index)
    train, test = wave[: 300 - n_steps], wave[300 - n_steps :].drop(index[gone])
    for model in (forecaster(), Wrapped(forecaster())):
        assert -1e-4 < make_forecast_scorer()(model.fit(train), test) <= 0
    (score,) = cross_val_score(
        Wrapped(forecaster()),
        pd.concat([train, test]),
        cv=[(np.arange(len(train)), np.arange(len(train), len(train) + len(test)))],
        scoring=make_forecast_scorer(),
    )
    assert -1e-4 < score <= 0


def test_a_pipeline_has_no_forecast_to_score():
    with pytest.raises(TypeError, match="estimator must have a method forecast, got Pipeline"):
        make_forecast_scorer()(make_pipeline(StandardScaler(), forecaster()).fit(TWO), TWO)
