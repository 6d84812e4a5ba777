"""What is said of one series does not depend on which others there are, nor on what these lack."""

import numpy as np
import pytest
from forecasters import stream

N = 260
CALLS = {
    "forecast": lambda model, X: model.forecast(5, X),
    "interval": lambda model, X: model.forecast_interval(5, [0.5, 0.9], X),
    "quantiles": lambda model, X: model.forecast_quantiles(5, [0.1, 0.5, 0.8], X),
    "paths": lambda model, X: model.sample_paths(5, 30, X, random_state=0),
}
MODELS = {
    "rows": {"season": None},
    "season": {"season": 12},
    "changes": {"difference": 1, "season": None},
    "seasonal differences": {"difference": 1, "season": 12},
}


def series(seed, n=N):
    rng = np.random.default_rng(seed)
    return 10 + np.sin(2 * np.pi * np.arange(n) / 12) + 0.2 * rng.standard_normal(n).cumsum()


def holed(seed, rows):
    found = series(seed)
    found[rows] = np.nan
    return found


COMPANIONS = {
    "whole": series(1),
    "ends with a gap": holed(2, slice(-40, None)),
    "ends with a short gap": holed(3, slice(-3, None)),
    "begins later": holed(4, slice(0, 30)),
    "is half missing": holed(5, slice(None, None, 2)),
    "shorter than a season": series(6, 10),
    "other": 1000 * series(7),
}
ASKED = {
    "known": series(0),
    "new": series(9),
    "known with a gap": holed(0, slice(-8, None)),
    "begins later": holed(0, slice(0, 200)),
    "shorter than a season": series(0, 7),
}


@pytest.mark.parametrize("fitted", ["one", "many", "many with gaps"])
@pytest.mark.parametrize("options", MODELS.values(), ids=MODELS)
@pytest.mark.filterwarnings("ignore:X has:UserWarning", "ignore:An interval:UserWarning", "ignore:The forecast left")
def test_a_series_is_forecast_alike_whatever_is_beside_it(options, fitted):
    panel = {"known": series(0), "second": series(11), "third": series(12)}
    if fitted == "many with gaps":
        panel |= {"third": holed(12, slice(-20, None)), "short": series(13, 40)}
    model = stream(n_units=15, **options).fit(panel["known"] if fitted == "one" else panel)
    for asked in ASKED.values():
        for key in ("known", "new"):
            for name, call in CALLS.items():
                alone = call(model, {key: asked})[key]
                if fitted == "one":
                    np.testing.assert_allclose(call(model, asked), alone, rtol=1e-6, err_msg=f"{name} of an array")
                beside = call(model, {**COMPANIONS, key: asked})[key]
                np.testing.assert_allclose(beside, alone, rtol=1e-6, err_msg=name)


def test_a_series_beside_one_that_stops_has_the_width_that_it_has_alone():
    panel = {"a": series(0), "b": series(1)}
    model = stream(n_units=15, season=None).fit(panel)
    width = np.subtract(*model.forecast_interval(5)["a"])
    rows = {"a": np.array([10.0]), "b": np.array([np.nan])}
    for _ in range(30):
        model.partial_fit(rows)
    assert model._stream.ages.tolist() == [[0, 30]]
    low, high = model.forecast_interval(5)["a"]
    assert np.isfinite(low).all() and (high - low).max() < 2 * np.abs(width).max()
