"""Covariates that are known ahead: holidays, prices."""

import numpy as np
import pandas as pd
import pytest
from forecasters import SERIES, plain, small, stream
from sklearn.model_selection import GridSearchCV

from skdopamine import make_windows
from skdopamine._esn.covariates import Covariates
from skdopamine._esn.simple import Simple
from skdopamine.evaluation import RollingOrigin, backtest, make_forecast_scorer

RNG = np.random.default_rng(0)
DAYS = np.arange(330)
HOLIDAYS = (RNG.random(330) < 0.1).astype(float)
PRICES = np.column_stack([HOLIDAYS, RNG.uniform(1, 2, 330)])
DEMAND = 20 + 3 * np.sin(2 * np.pi * DAYS / 7) + 15 * HOLIDAYS - 4 * PRICES[:, 1] + 0.3 * RNG.standard_normal(330)
MODELS = {
    "rows": {},
    "differences": {"difference": 1, "season": 7},
    "changes": {"difference": 1, "season": None},
    "two": {"season": [7, 30]},
}


@pytest.fixture(params=MODELS)
def params(request):
    return MODELS[request.param]


def test_what_is_seen_of_a_row_is_of_it_and_of_rows_before():
    given = RNG.standard_normal((20, 6))  # of two series
    covariates = Covariates.of(given, Simple(), 5, 2, is_series=True)
    seen, scaled = covariates.seen(given), (given - given.mean(axis=0)) / given.std(axis=0)
    assert (covariates.n_seen, covariates.n_history, seen.shape) == (9, 5, (20, 18))
    for row in (0, 3, 17):
        for series in range(2):
            own = scaled[:, 3 * series : 3 * series + 3]
            expected = [own[row - before] if row >= before else np.zeros(3) for before in (0, 1, 5)]
            np.testing.assert_allclose(seen[row, 9 * series : 9 * series + 9], np.concatenate(expected))
    of_windows = Covariates.of(given[:, :3], Simple(), 5, 1, is_series=False)
    np.testing.assert_allclose(of_windows.seen(given[:, :3]), scaled[:, :3])
    changes = Covariates.of(given[:, :3], Simple(4), 0, 1, is_series=True)
    left = given[4:, :3] - given[:-4, :3]
    np.testing.assert_allclose(changes.seen(given[:, :3])[10, :3], (left[6] - left.mean(axis=0)) / left.std(axis=0))
    assert not changes.seen(given[:, :3])[:4, :3].any()


def test_holidays_to_come_are_forecast(params):
    blind = stream(n_units=60, **params).fit(DEMAND[:300]).forecast(30)
    model = stream(n_units=60, **params).fit(DEMAND[:300], exog=PRICES[:300])
    path = model.forecast(30, exog=PRICES[300:])
    assert np.abs(path - DEMAND[300:]).mean() < 0.6 * np.abs(blind - DEMAND[300:]).mean()
    low, high = model.forecast_interval(30, exog=PRICES[300:])
    assert ((low <= DEMAND[300:]) & (DEMAND[300:] <= high)).mean() > 0.6  # of one draw of 30 rows
    np.testing.assert_allclose(np.mean([low, high], axis=0), path, atol=3)
    quantile = model.forecast_quantiles(30, 0.5, exog=PRICES[300:])
    assert np.abs(quantile - path).max() < 3
    assert model.sample_paths(30, 5, exog=PRICES[300:]).shape == (5, 30)


def test_tuned_gains_know_of_covariates():
    model = small(stateful=True, n_units=30, max_iter=16, tol=0, washout="auto").fit(DEMAND[:300], exog=PRICES[:300])
    assert np.abs(model.forecast(30, exog=PRICES[300:]) - DEMAND[300:]).mean() < 2


def test_covariates_that_never_change_change_nothing(params):
    without, constant = stream(**params).fit(DEMAND), stream(**params).fit(DEMAND, exog=np.full((330, 2), 7.0))
    np.testing.assert_allclose(constant.forecast(5, exog=np.full((5, 2), 7.0)), without.forecast(5), rtol=1e-6)
    np.testing.assert_allclose(
        constant.forecast_interval(5, exog=np.full((5, 2), 7.0)), without.forecast_interval(5), rtol=1e-5
    )


def test_a_forecast_from_rows_reads_their_covariates_too(params):
    model = stream(**params).fit(DEMAND[:300], exog=PRICES[:300])
    ahead = model.forecast(10, exog=PRICES[300:310])
    np.testing.assert_allclose(model.forecast(10, DEMAND[:300], exog=PRICES[:310]), ahead, rtol=1e-7)


def test_one_step_of_a_loop_is_the_prediction(params):
    model = stream(**params).fit(DEMAND[:300], exog=PRICES[:300])
    path = model.forecast(8, exog=PRICES[300:308])
    ahead = model.predict(path[:7], exog=PRICES[300:308])
    np.testing.assert_allclose(ahead, path[1:], rtol=1e-8)
    np.testing.assert_allclose(model.predict(path[:3], exog=PRICES[300:304]), path[1:4], rtol=1e-8)
    assert model.score(DEMAND[300:], exog=PRICES[300:]) > 0.8


def test_a_stream_in_parts_is_one(params):
    whole, parts = (stream(**params).fit(DEMAND[:250], exog=PRICES[:250]) for _ in range(2))
    whole.partial_fit(DEMAND[250:320], exog=PRICES[250:320])
    for first in range(250, 320, 10):
        parts.partial_fit(DEMAND[first : first + 10], exog=PRICES[first : first + 10])
    np.testing.assert_allclose(parts.readout_, whole.readout_, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(parts.forecast(10, exog=PRICES[320:]), whole.forecast(10, exog=PRICES[320:]), rtol=1e-6)
    assert np.isfinite(parts.forecast_interval(10, exog=PRICES[320:])).all()
    fresh = stream(**params)
    for first in range(0, 320, 80):
        fresh.partial_fit(DEMAND[first : first + 80], exog=PRICES[first : first + 80])
    assert np.abs(fresh.forecast(10, exog=PRICES[320:]) - DEMAND[320:]).mean() < 3


def test_gaps_are_bridged_with_covariates(params):
    model = stream(**params).fit(DEMAND[:300], exog=PRICES[:300])
    path = model.forecast(9, exog=PRICES[300:309])
    np.testing.assert_allclose(model.predict(np.full(8, np.nan), exog=PRICES[300:309]), path[1:], rtol=1e-8)
    holed = DEMAND[:300].copy()
    holed[[50, 51, 120, 200, 280]] = np.nan
    with_gaps = stream(**params).fit(holed, exog=PRICES[:300]).forecast(30, exog=PRICES[300:])
    assert np.abs(with_gaps - DEMAND[300:]).mean() < 3


def test_windows_have_the_covariates_of_their_targets():
    X, y = make_windows(DEMAND, 14)
    exog = PRICES[14:]
    model = plain(n_units=40).fit(X[:280], y[:280], exog=exog[:280])
    blind = plain(n_units=40).fit(X[:280], y[:280])
    ahead = model.predict(X[280:], exog=exog[280:])
    assert np.abs(ahead - y[280:]).mean() < 0.5 * np.abs(blind.predict(X[280:]) - y[280:]).mean()
    path = model.forecast(10, X[280:281], exog=exog[280:290])
    assert path[0] == pytest.approx(ahead[0], rel=1e-9)
    assert np.abs(path - y[280:290]).mean() < 2
    assert model.score(X[280:], y[280:], exog=exog[280:]) > 0.8
    model.partial_fit(X[280:300], y[280:300], exog=exog[280:300])
    assert np.isfinite(model.forecast_interval(3, exog=exog[300:303])).all()


def test_columns_of_frames_have_to_be_those_of_fit():
    frame = pd.DataFrame(PRICES, columns=["holiday", "price"])
    model = stream().fit(DEMAND[:300], exog=frame[:300])
    expected = stream().fit(DEMAND[:300], exog=PRICES[:300]).forecast(5, exog=PRICES[300:305])
    np.testing.assert_array_equal(model.forecast(5, exog=frame[300:305]), expected)
    np.testing.assert_array_equal(model.forecast(5, exog=PRICES[300:305]), expected)
    with pytest.raises(ValueError, match=r"exog must have the columns of fit, \('holiday', 'price'\), got \('price', "):
        model.forecast(5, exog=frame[["price", "holiday"]][300:305])


def test_one_covariate_needs_no_axis():
    model = stream().fit(DEMAND[:300], exog=HOLIDAYS[:300])
    column = stream().fit(DEMAND[:300], exog=HOLIDAYS[:300, None])
    rows = [[holiday] for holiday in HOLIDAYS[300:305]]
    np.testing.assert_array_equal(model.forecast(5, exog=HOLIDAYS[300:305]), column.forecast(5, exog=rows))


def test_searches_and_backtests_pass_them_on():
    found = backtest(stream(), DEMAND, 7, 4, exog=PRICES, season=7)
    blind = backtest(stream(), DEMAND, 7, 4, season=7)
    assert found.mase.mean() < 0.6 * blind.mase.mean()
    refitted = backtest(stream(), DEMAND, 7, 2, exog=PRICES, season=7, refit=True)
    assert refitted.mase.mean() < 1


def test_a_search_routes_them():
    from sklearn import config_context

    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            stream().set_fit_request(exog=True),
            {"readout_lags": [2, 14]},
            cv=RollingOrigin(14, 2),
            scoring=make_forecast_scorer(),
        ).fit(DEMAND[:, None], exog=PRICES)
    assert search.best_params_ == {"readout_lags": 14}
    assert search.best_score_ > -2


BAD = {
    "must be given": (None, r"exog must be given, as in fit: 2 covariates of 5 rows, got None"),
    "too few": (PRICES[:4], r"exog must have 5 rows and 2 columns, .*got an array of shape \(4, 2\)"),
    "too many": (PRICES[:6], r"exog must have 5 rows and 2 columns, .*got an array of shape \(6, 2\)"),
    "columns": (PRICES[:5, :1], r"exog must have 5 rows and 2 columns, .*got an array of shape \(5, 1\)"),
    "missing": (np.full((5, 2), np.nan), "exog contains NaN"),
    "text": ([["a", "b"]] * 5, "(?i)could not convert|numeric"),
    "none": (PRICES[:0], r"exog must have 5 rows and 2 columns, .*got an array of shape \(0, 2\)"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("method", ["forecast", "forecast_interval", "forecast_quantiles", "sample_paths"])
def test_covariates_that_do_not_fit_are_refused(method, name):
    model = stream().fit(DEMAND[:300], exog=PRICES[:300])
    exog, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(5, exog=exog)


def test_covariates_that_fit_has_not_seen_are_refused():
    with pytest.raises(ValueError, match="exog must not be given, as fit had no covariates"):
        stream().fit(SERIES).forecast(3, exog=np.zeros((3, 1)))
    with pytest.raises(ValueError, match="exog must have 300 rows"):
        stream().fit(DEMAND[:300], exog=PRICES[:299])
    with pytest.raises(ValueError, match="y must be None with exog and stateful=True"):
        stream().fit(SERIES[:-1], SERIES[1:], exog=np.zeros((299, 1)))
    model = stream().fit(DEMAND[:300], exog=PRICES[:300])
    forecast = model.forecast(3, exog=PRICES[300:303])
    with pytest.raises(ValueError, match="exog must be given"):
        model.partial_fit(DEMAND[300:])
    with pytest.raises(ValueError, match="exog must have 31 rows"):
        model.predict(DEMAND[300:], exog=PRICES[300:])
    np.testing.assert_array_equal(model.forecast(3, exog=PRICES[300:303]), forecast)
