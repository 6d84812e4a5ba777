"""One model of many series: one reservoir and one readout, states and units apart."""

import pickle

import numpy as np
import pandas as pd
import pytest
from forecasters import SERIES, STIFF, TWO, small, stream

from skdopamine._esn import base as _base
from skdopamine._esn import planning as _planning

MODELS = {
    "rows": {},
    "differences": {"difference": 1, "season": 12},
    "changes": {"difference": 1, "season": None},
    "robust": {"loss": "huber"},
    "noise": {"state_noise": 0.01},
}
MONTHS = np.arange(140)


def sales(n, k):
    """Monthly sales of a shop, of a size of its own."""
    months = np.arange(n)
    wave = np.sin(2 * np.pi * (months + 3 * k) / 12)
    return (1 + k) * (50 + 0.1 * months + 8 * wave + np.random.default_rng(k).standard_normal(n))


SHOPS = [sales(140 - 10 * k, k) for k in range(4)]


@pytest.fixture(params=MODELS)
def params(request):
    return MODELS[request.param]


# ---- identities ----


@pytest.mark.parametrize("series", [SERIES[:, 0], TWO], ids=["one channel", "two channels"])
def test_copies_of_one_series_are_that_series(series, params):
    if "state_noise" in params:
        pytest.skip("the noise is of the rows of all series")
    options = {**STIFF, "ridge": 1.0, "lag_ridge": 1.0, **params}  # penalties that noise does not ask for more than
    alone, copies = stream(**options).fit(series), stream(**options).fit([series] * 3)
    np.testing.assert_allclose(copies.readout_, alone.readout_, rtol=1e-5, atol=1e-7 * np.abs(alone.readout_).max())
    for path in copies.forecast(8):
        np.testing.assert_allclose(path, alone.forecast(8), rtol=1e-6, atol=1e-8)
    for ends in copies.forecast_interval(8):
        np.testing.assert_allclose(ends, alone.forecast_interval(8), atol=0.3)


@pytest.mark.parametrize("trainable", [(), ("gains",)])
def test_a_dict_of_one_is_one_series(trainable):
    options = {"n_units": 20, "max_iter": 4, "horizon": 10, "n_perturbations": 2, "tol": 0, "trainable": trainable}
    alone, one = (small(stateful=True, **options) for _ in range(2))
    with pytest.warns(UserWarning) if trainable else does_nothing():
        alone.fit(SERIES)
    with pytest.warns(UserWarning) if trainable else does_nothing():
        one.fit({"a": SERIES})
    np.testing.assert_array_equal(one.forecast(5)["a"], alone.forecast(5))
    np.testing.assert_array_equal(one.forecast_interval(5)["a"], alone.forecast_interval(5))
    assert one.base_ == alone.base_


class does_nothing:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


def test_a_series_is_forecast_as_if_it_were_alone(params):
    model = stream(**params).fit(SHOPS)
    together = model.forecast(6, [shop[:100] for shop in SHOPS] + [SHOPS[0][40:90]])
    for path, rows in zip(together, [shop[:100] for shop in SHOPS] + [SHOPS[0][40:90]], strict=True):
        np.testing.assert_allclose(model.forecast(6, [rows])[0], path, rtol=1e-7)
        np.testing.assert_allclose(model.forecast(6, rows), path, rtol=1e-7)


def test_a_known_name_is_counted_in_its_units():
    named = dict(zip("abcd", SHOPS, strict=True))
    model = stream(difference=0).fit(named)
    ahead = model.forecast(6)
    again = model.forecast(6, named)
    other = model.forecast(6, {"b": SHOPS[1], "x": SHOPS[1] * 1000})
    for name in named:
        np.testing.assert_allclose(again[name], ahead[name], rtol=1e-3)
    np.testing.assert_allclose(other["b"], again["b"], rtol=1e-7)
    np.testing.assert_allclose(other["x"] / 1000, again["b"], rtol=0.05)


def test_the_unit_of_a_series_does_not_matter(params):
    plain, scaled = stream(**params).fit(SHOPS), stream(**params).fit([1000 * SHOPS[0] + 7, *SHOPS[1:]])
    np.testing.assert_allclose(scaled.forecast(5)[0], 1000 * plain.forecast(5)[0] + 7, rtol=1e-5)
    np.testing.assert_allclose(scaled.forecast(5)[2], plain.forecast(5)[2], rtol=1e-5)


def test_parts_are_the_whole(params):
    whole, parts = (stream(**params).fit([shop[:90] for shop in SHOPS]) for _ in range(2))
    later = [sales(140, k)[90:120] for k in range(4)]
    whole.partial_fit(later)
    for first in range(0, 30, 10):
        parts.partial_fit([rows[first : first + 10] for rows in later])
    if "loss" not in params and "state_noise" not in params:  # these depend on how rows came
        scale = np.abs(whole.readout_).max()
        np.testing.assert_allclose(parts.readout_, whole.readout_, rtol=1e-5, atol=1e-7 * scale)
    for path, expected in zip(parts.forecast(5), whole.forecast(5), strict=True):
        np.testing.assert_allclose(path, expected, rtol=1e-2 if "loss" in params or "state_noise" in params else 1e-6)
    assert all(np.isfinite(ends).all() for ends in parts.forecast_interval(5))


def test_one_step_of_a_loop_is_the_prediction(params):
    model = stream(**params).fit(SHOPS)
    path = model.forecast(6)
    ahead = model.predict([rows[:5] for rows in path])
    for predicted, rows in zip(ahead, path, strict=True):
        np.testing.assert_allclose(predicted, rows[1:], rtol=1e-7)
    assert model.score([rows[:5] for rows in path]) > 0.999


# ---- what it is good for ----


def test_short_series_learn_from_the_others():
    names = dict(enumerate(SHOPS))
    model = small(stateful=True, n_units=50, horizon="auto", max_iter=16, n_perturbations=2, tol=0)
    model.fit({name: shop[:-12] for name, shop in names.items()})
    error = np.mean([np.abs(model.forecast(12)[k] - SHOPS[k][-12:]).mean() / (1 + k) for k in names])
    assert error < 1.5
    inside = [
        ((low <= SHOPS[k][-12:]) & (SHOPS[k][-12:] <= high)).mean()
        for k, (low, high) in model.forecast_interval(12).items()
    ]
    assert np.mean(inside) > 0.75
    new = model.forecast(12, sales(60, 7)[:48])
    assert np.abs(new - sales(60, 7)[48:]).mean() / 8 < 4


def test_many_series_are_tuned_on_some(monkeypatch):
    for room in (_base, _planning):
        monkeypatch.setattr(room, "TUNING_ROWS", 300)
    seen = []
    judge = _planning.Trial.of
    monkeypatch.setattr(_planning.Trial, "of", lambda rows, *args: seen.append(rows.shape) or judge(rows, *args))
    model = small(stateful=True, max_iter=16, tol=0, horizon="auto").fit(SHOPS)
    assert seen == [(140, 2)]
    assert [len(path) for path in model.forecast(3)] == [3] * 4
    assert np.isfinite(model.forecast(3)).all()


def test_gaps_of_each_series_are_its_own(params):
    holed = [shop.copy() for shop in SHOPS]
    holed[1][[50, 51, 52, 90]] = holed[3][:4] = np.nan
    model, whole = stream(**params).fit(holed), stream(**params).fit(SHOPS)
    for k, (path, expected) in enumerate(zip(model.forecast(6), whole.forecast(6), strict=True)):
        np.testing.assert_allclose(path / (1 + k), expected / (1 + k), atol=6)
    never = model.predict([np.full(4, np.nan)] * 4)
    for path, expected in zip(never, model.forecast(5), strict=True):
        np.testing.assert_allclose(path, expected[1:], rtol=1e-7)


def test_each_series_has_its_covariates_or_all_the_same():
    rng = np.random.default_rng(0)
    holidays = [(rng.random(140 - 10 * k) < 0.1).astype(float) for k in range(4)]
    busy = [shop + 30 * (1 + k) * days for k, (shop, days) in enumerate(zip(SHOPS, holidays, strict=True))]
    model = stream(n_units=40).fit([rows[:-6] for rows in busy], exog=[days[:-6] for days in holidays])
    path = model.forecast(6, exog=[days[-6:] for days in holidays])
    blind = stream(n_units=40).fit([rows[:-6] for rows in busy]).forecast(6)
    sizes = 1 + np.arange(4)
    errors = [
        np.mean([np.abs(own - rows[-6:]).mean() / k for own, rows, k in zip(each, busy, sizes, strict=True)])
        for each in (path, blind)
    ]
    assert errors[0] < 0.7 * errors[1]
    read = model.forecast(6, [rows[:-6] for rows in busy], exog=holidays)
    for own, expected in zip(read, path, strict=True):
        np.testing.assert_allclose(own, expected, rtol=0.05)
    shared = stream().fit([rows[-90:] for rows in SHOPS], exog=holidays[0][-90:])
    apart = stream().fit([rows[-90:] for rows in SHOPS], exog=[holidays[0][-90:]] * 4)
    ahead = np.array([1.0, 0.0])
    np.testing.assert_array_equal(shared.forecast(2, exog=ahead), apart.forecast(2, exog=[ahead] * 4))


def test_a_short_series_has_intervals_and_paths_of_the_errors_of_others(params):
    long = [sales(200, k) for k in range(3)]
    model = stream(**params).fit([*long, sales(36, 3)])
    widths = [(high - low).mean() / (1 + k) for k, (low, high) in enumerate(model.forecast_interval(12))]
    assert 0.2 < widths[3] / np.mean(widths[:3]) < 5
    paths = model.sample_paths(12, 20)[3]
    assert paths.shape == (20, 12) and np.isfinite(paths).all()


# ---- containers ----

DATES = pd.date_range("2010-01-31", periods=140, freq="ME", name="month")
NAMED = {f"s{k}": pd.Series(shop, DATES[10 * k :], name="sales") for k, shop in enumerate(SHOPS)}


def test_the_same_container_comes_back():
    model = stream().fit(NAMED)
    path, arrays = model.forecast(3), stream().fit(SHOPS).forecast(3)
    assert list(path) == list(NAMED)
    for k, own in enumerate(path.values()):
        assert own.name == "sales"
        assert list(own.index) == list(pd.date_range(DATES[-1], periods=4, freq="ME")[1:])
        np.testing.assert_allclose(own, arrays[k])
    indexed = pd.concat(NAMED, names=["shop", "month"]).to_frame()
    of_frame = stream().fit(indexed)
    ahead = of_frame.forecast(3)
    assert ahead.index.names == ["shop", "month"]
    assert list(ahead.columns) == ["sales"]
    np.testing.assert_allclose(ahead.loc["s2", "sales"], arrays[2])
    ends = of_frame.forecast_interval(3, [0.5, 0.9])
    assert list(ends.columns) == ["lower_50", "lower_90", "upper_50", "upper_90"]
    assert ends.index.equals(ahead.index)
    long = indexed.reset_index().set_axis(["unique_id", "ds", "y"], axis=1)
    of_long = stream().fit(long).forecast(3)
    assert list(of_long.columns) == ["unique_id", "ds", "y"]
    np.testing.assert_allclose(of_long.y, ahead.sales)
    quantiles = stream().fit(long).forecast_quantiles(3, [0.1, 0.9])
    assert list(quantiles.columns) == ["unique_id", "ds", "q0.1", "q0.9"]
    assert set(stream().fit(long).sample_paths(3, 2).columns) == {"unique_id", "ds", "path_0", "path_1"}
    predicted = model.predict({name: own[:2] for name, own in path.items()})
    assert list(predicted) == list(NAMED)
    low, high = stream().fit(SHOPS).predict_interval([own[:2] for own in arrays])[1]
    assert ((low < arrays[1][1:3]) & (arrays[1][1:3] < high)).all()


def test_a_model_of_one_series_forecasts_from_several_origins_at_once():
    for series, season in ((SHOPS[0], "auto"), (TWO, None)):
        model = stream(season=season).fit(series[:100])
        origins = [60, 75, 100, 130]
        at_once = model.forecast(5, [series[:origin] for origin in origins])
        ends = model.forecast_interval(5, 0.8, [series[:origin] for origin in origins])
        for origin, path, end in zip(origins, at_once, ends, strict=True):
            np.testing.assert_allclose(path, model.forecast(5, series[:origin]), rtol=1e-7)
            np.testing.assert_allclose(end, model.forecast_interval(5, 0.8, series[:origin]), rtol=1e-6)


def test_a_model_of_many_series_is_pickled():
    model = stream().fit(NAMED)
    again = pickle.loads(pickle.dumps(model))
    for name, path in again.forecast(3).items():
        pd.testing.assert_series_equal(path, model.forecast(3)[name])


# ---- bad input ----


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stream().fit(SHOPS, SHOPS[0]), "y must be None for many series"),
        (lambda: stream().fit({}), "X must hold at least one series, got an empty dict"),
        (lambda: stream().fit([SERIES, TWO]), r"X must have equally many columns in each series, got \[1, 2\]"),
        (
            lambda: stream(trainable="readout").fit(SHOPS),
            "trainable must be 'gains' or () for many series, got 'readout'",
        ),
        (lambda: stream().fit([SHOPS[0], np.full(50, np.nan)]), "X must have a value in each column, .* the series 1"),
        (lambda: stream().fit([SHOPS[0], np.full(50, np.inf)]), "X contains infinity"),
        (lambda: stream().fit(SHOPS).predict(SHOPS[:2]), "X must hold the 4 series of fit, got 2"),
        (lambda: stream().fit(SHOPS).predict(SHOPS[0]), "X must hold the 4 series of fit, got 1"),
        (
            lambda: stream().fit(SHOPS).partial_fit(SHOPS),
            "X must have equally many rows of each series, got 110 to 140",
        ),
        (lambda: stream().fit(NAMED).predict({name[::-1]: own for name, own in NAMED.items()}), "the series of fit"),
        (lambda: stream().fit(SHOPS).forecast(3, [SHOPS[0], TWO]), "X must have equally many columns in each series"),
        (lambda: stream().fit(SHOPS, exog=[SHOPS[0]]), "exog must hold the covariates of 4 series, got 1"),
        (lambda: stream().fit(SHOPS, exog=SHOPS[0][:-1]), "exog must have 140 rows"),
    ],
)
def test_series_that_do_not_fit_are_refused(call, message):
    with pytest.raises(ValueError, match=message.replace("()", r"\(\)")):
        call()
