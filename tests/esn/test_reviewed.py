"""Faults that users of series with gaps, covariates and many series would meet; one test for each."""

import numpy as np
import pandas as pd
import pytest
from forecasters import stream

RNG = np.random.default_rng(1)
DAYS = pd.date_range("2020-01-01", periods=120, freq="D")


def season(n, *, period=12, seed=0, level=10.0):
    rng = np.random.default_rng(seed)
    return level + np.sin(2 * np.pi * np.arange(n) / period) + 0.1 * rng.standard_normal(n)


def coverage(make, n_runs=30):
    return np.mean([make(np.random.default_rng(seed)) for seed in range(n_runs)])


# ---- intervals after gaps ----


def inside(ends, truth):
    low, high = ends
    return np.mean((low <= truth) & (truth <= high))


def test_intervals_of_noise_hold_after_a_gap():
    def once(rng, method="forecast_interval"):
        noise = rng.standard_normal(200)
        holed = noise[:192].copy()
        holed[165:] = np.nan
        model = stream(n_units=15, season=None).fit(holed)
        if method == "forecast_interval":
            return inside(model.forecast_interval(8), noise[192:])
        return inside(np.quantile(model.sample_paths(8, 300), [0.05, 0.95], axis=0), noise[192:])

    assert coverage(once) > 0.8
    assert coverage(lambda rng: once(rng, "paths")) > 0.8


def test_intervals_of_a_walk_count_the_rows_that_were_bridged():
    def once(rng):
        walk = rng.standard_normal(250).cumsum()
        holed = walk[:240].copy()
        holed[-20:] = np.nan
        model = stream(n_units=15, season=None, difference=1).fit(walk[:200])
        return inside(model.forecast_interval(3, X=holed), walk[240:243])

    assert coverage(once) > 0.7


@pytest.mark.parametrize("method", ["forecast_interval", "sample_paths"])
@pytest.mark.parametrize("gap", [29, 60])
@pytest.mark.parametrize("where", ["fit", "X", "partial_fit"])
@pytest.mark.filterwarnings("ignore:An interval:UserWarning", "ignore:The forecast left:UserWarning")
def test_intervals_of_walks_count_the_rows_since_the_last_value(where, gap, method):
    def once(rng):
        walk = rng.standard_normal(244).cumsum()
        holed = walk[:240].copy()
        holed[-gap:] = np.nan
        model = stream(n_units=15, season=None, difference=1)
        if where == "fit":
            model.fit(holed)
        elif where == "X":
            model.fit(walk[:200])
        else:
            model.fit(walk[: 240 - gap]).partial_fit(holed[240 - gap :])
        options = {"X": holed} if where == "X" else {}
        if method == "forecast_interval":
            return inside(model.forecast_interval(4, **options), walk[240:])
        paths = model.sample_paths(4, 300, **options)
        return inside(np.quantile(paths, [0.05, 0.95], axis=0), walk[240:])

    assert coverage(once, 40) > 0.84


@pytest.mark.parametrize("where", ["fit", "X", "predict_interval"])
def test_what_was_not_measured_a_season_ago_is_less_certain(where):
    """Of differences over a season the rows of the last one are what is added to."""
    walks = np.random.default_rng(0).standard_normal((26, 12)).cumsum(axis=0).reshape(-1)
    holed = walks.copy()
    holed[-9:-6] = np.nan  # three times of the season
    model = stream(n_units=15, season=12, difference=1).fit(holed if where == "fit" else walks[:240])
    if where == "predict_interval":
        low, high = (end[-12:] for end in model.predict_interval(np.concatenate([holed[240:], np.full(11, np.nan)])))
    else:
        low, high = model.forecast_interval(12, X=holed if where == "X" else None)
    width = high - low
    assert width[3:6].min() > 1.2 * np.median(width[[0, 1, 2]])


def test_one_step_intervals_are_no_narrower_within_a_gap():
    noise = np.random.default_rng(0).standard_normal(400)
    model = stream(n_units=15, season=None).fit(noise[:300])
    holed = noise[300:].copy()
    holed[30:60] = np.nan
    low, high = model.predict_interval(holed)
    width = high - low
    assert width[30:60].min() > 0.7 * np.median(width[:30])
    assert width[62:].max() < 3 * np.median(width[:30])


def test_a_sensor_that_is_down_has_an_interval_as_wide_as_the_others():
    widths = []
    for draw in range(4):
        panel = [np.random.default_rng(3 * draw + number).standard_normal(200) for number in range(3)]
        panel[1][-30:] = np.nan
        ends = stream(season=None).fit(panel).forecast_interval(5)
        widths.append([np.mean(high - low) for low, high in ends])
    always, down, _ = np.mean(widths, axis=0)
    assert down > 0.7 * always


# ---- covariates ----

HOLIDAYS = {name: RNG.integers(0, 2, (125, 1)) * 1.0 for name in "ab"}
SALES = {"a": season(120) + 3 * HOLIDAYS["a"][:120, 0], "b": season(120, seed=5, level=50) + 3 * HOLIDAYS["b"][:120, 0]}


def test_covariates_go_by_the_names_of_series():
    model = stream().fit(SALES, exog={name: rows[:120] for name, rows in HOLIDAYS.items()})
    ahead = {name: rows[120:] for name, rows in HOLIDAYS.items()}
    turned = dict(reversed(ahead.items()))
    for name, path in model.forecast(5, exog=ahead).items():
        np.testing.assert_array_equal(model.forecast(5, exog=turned)[name], path)
    with pytest.raises(ValueError, match=r"exog must hold the covariates of the series \('a', 'b'\), got .*'x', 'y'"):
        model.forecast(5, exog=dict(zip("xy", ahead.values(), strict=True)))


def test_one_table_of_covariates_goes_by_dates():
    holiday = RNG.integers(0, 2, 120) * 1.0
    ended = {
        "a": pd.Series(season(120) + 4 * holiday, DAYS),
        "b": pd.Series(season(110) + 4 * holiday[:110], DAYS[:110]),
    }
    table = pd.DataFrame({"holiday": holiday}, DAYS)
    one, each = (stream().fit(ended, exog=exog) for exog in (table, {"a": table, "b": table[:110]}))
    for name in ended:
        np.testing.assert_array_equal(one.fitted_values_[name], each.fitted_values_[name])


def test_covariates_of_other_dates_are_refused_and_those_of_more_are_cut():
    table = pd.DataFrame({"holiday": RNG.integers(0, 2, 130) * 1.0}, pd.date_range(DAYS[0], periods=130))
    series = pd.Series(season(120), DAYS)
    model = stream().fit(series, exog=table)
    np.testing.assert_array_equal(model.forecast(5, exog=table), model.forecast(5, exog=table[120:125]))
    with pytest.raises(ValueError, match="exog must have one row for each of 2020-04-30"):
        model.forecast(5, exog=table[:5])
    with pytest.raises(ValueError, match="exog must have one row for each of 2020-01-01"):
        stream().fit(series, exog=table[5:125])
    left = series.drop(DAYS[[50, 51, 70]])
    np.testing.assert_allclose(
        stream().fit(left, exog=table).forecast(5, exog=table), model.forecast(5, exog=table), atol=0.3
    )


def test_a_season_longer_than_the_rows_given_is_no_error():
    exog = RNG.integers(0, 2, (305, 1)) * 1.0
    series = season(300, period=52) + 2 * exog[:300, 0]
    model = stream(season=52).fit(series, exog=exog[:300])
    with pytest.warns(UserWarning, match="fewer than"):
        assert np.isfinite(model.forecast(5, X=series[-30:], exog=exog[270:])).all()
    assert np.isfinite(stream(season=150).fit(series[:100], exog=exog[:100]).forecast(5, exog=exog[:5])).all()


def test_covariates_out_of_all_bounds_are_refused():
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="exog must have a finite variance"):
        stream().fit(season(120), exog=np.arange(120.0)[:, None] * 1e200)
    with pytest.raises(ValueError, match="exog must be numbers, got 'a'"):
        stream().fit(season(120), exog=[["a"]] * 120)


def test_a_short_series_does_not_hide_the_season_of_the_others():
    holidays = [RNG.integers(0, 2, (n, 1)) * 1.0 for n in (120, 120, 120, 3)]
    panel = [season(len(rows), seed=k) + rows[:, 0] for k, rows in enumerate(holidays)]
    assert stream().fit(panel, exog=holidays)._model.seasons == (12,)


# ---- gaps ----


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_nothing_of_the_future_fills_a_gap(method):
    """White noise with every second row missing is no better to predict than by its mean."""
    errors = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        holed = rng.standard_normal(600)
        holed[::2] = np.nan
        later = rng.standard_normal(300)
        model = getattr(stream(season=None, readout_lags=3), method)(holed)
        errors.append(np.std(later[1:] - model.predict(later)[:-1]))
    assert np.mean(errors) < 1.15


def test_what_is_said_of_rows_has_the_length_of_these_rows():
    series = pd.Series(season(120), DAYS).drop(DAYS[[40, 41, 100]])
    model = stream().fit(series[:90])
    assert len(model.fitted_values_) == 90
    assert len(model.predict(series[90:])) == len(series) - 90
    low, high = model.predict_interval(series[90:])
    assert low.shape == high.shape == (len(series) - 90,)
    weights = np.ones(len(series) - 90)
    assert model.score(series[90:], sample_weight=weights) == pytest.approx(model.score(series[90:]))
    begins_later = season(80)
    begins_later[:10] = np.nan
    fitted = stream().fit({"a": season(80), "b": begins_later}).fitted_values_
    assert [len(values) for values in fitted.values()] == [80, 80]


def test_series_that_are_known_in_turn_have_a_score():
    one, other = season(100), season(100, seed=1)
    one[::2], other[1::2] = np.nan, np.nan
    model = stream().fit([season(100), season(100, seed=1)])
    assert np.isfinite(model.score([one, other]))


def test_rows_that_are_all_in_the_washout_are_named():
    series = season(200)
    series[20:190] = np.nan
    with pytest.raises(ValueError, match="X has 20 rows, too few for washout=50"):
        stream(washout=50, readout_lags=2, season=None).fit(series[:150])


# ---- many series ----


def test_columns_in_another_order_are_refused():
    one = pd.DataFrame({"a": season(100), "b": season(100, seed=1)})
    with pytest.raises(ValueError, match="X must have the same columns in each series"):
        stream().fit({"x": one, "y": one[["b", "a"]]})


def test_a_series_too_short_for_differences_or_intervals_takes_what_the_others_show():
    panel = {"a": season(200), "b": season(200, seed=1), "short": season(10, seed=3)}
    for params in ({}, {"difference": 1}):
        model = stream(**params).fit(panel)
        assert np.isfinite(model.forecast(3)["short"]).all()
        low, high = model.forecast_interval(3)["short"]
        assert (low < high).all()
        own = model.forecast_interval(3)["a"]
        np.testing.assert_allclose(own, stream(**params).fit(panel).forecast_interval(3)["a"])


def test_an_interval_does_not_depend_on_who_else_is_asked_for():
    model = stream().fit({"quiet": season(200), "loud": 10 * season(200, seed=1)})
    rows = season(150)
    alone = model.forecast_interval(3, X={"quiet": rows})["quiet"]
    beside = model.forecast_interval(3, X={"quiet": rows, "new": season(150, seed=2)})["quiet"]
    np.testing.assert_allclose(beside, alone)


def test_names_that_are_missing_or_never_used():
    frame = pd.DataFrame({"unique_id": list("aabb"), "ds": [*DAYS[:2]] * 2, "y": 1.0})
    frame.loc[1, "unique_id"] = None
    with pytest.raises(ValueError, match="X must name the series of each row"):
        stream().fit(frame)
    long = pd.DataFrame({"unique_id": ["a"] * 60 + ["b"] * 60, "ds": [*DAYS[:60]] * 2, "y": season(120)})
    long["unique_id"] = pd.Categorical(long["unique_id"], categories=["a", "b", "c"])
    assert list(stream().fit(long).forecast(2)["unique_id"]) == ["a", "a", "b", "b"]


def test_dates_of_a_short_member_go_on_as_those_of_the_others():
    long = pd.DataFrame({"unique_id": ["a"] * 60 + ["b"] * 2, "ds": [*DAYS[:60], *DAYS[58:60]], "y": season(62)})
    model = stream().fit(long)
    assert list(model.forecast(2)["ds"]) == [*DAYS[60:62]] * 2
    later = pd.DataFrame({"unique_id": ["a", "b"], "ds": [DAYS[60]] * 2, "y": 10.0})
    assert list(model.partial_fit(later).forecast(2)["ds"]) == [*DAYS[61:63]] * 2


# ---- indexes ----


@pytest.mark.parametrize(
    "index",
    [
        pd.date_range("2012-01-15", periods=100, freq=pd.DateOffset(months=1)),
        pd.DatetimeIndex(list(pd.date_range("2012-01-15", periods=100, freq=pd.DateOffset(months=1)))),
        pd.date_range("2020", periods=100, freq=pd.offsets.CustomBusinessDay(holidays=["2020-05-18", "2020-05-19"])),
    ],
    ids=["an offset", "one day of each month", "business days of one's own"],
)
def test_an_index_of_an_offset_goes_on(index):
    path = stream().fit(pd.Series(season(97), index[:97])).forecast(3)
    assert list(path.index) == list(index[97:])


# ---- what was seen when all of this was checked once more ----


@pytest.mark.parametrize("options", [{}, {"season": None}, {"difference": 1}], ids=str)
def test_a_batch_that_begins_with_a_gap_in_one_series_is_bridged(options):
    model = stream(n_units=15, **options).fit([season(200), season(200, seed=3)])
    hole = [np.array([np.nan, 10.0]), np.array([10.0, 10.0])]
    assert np.abs(model.predict(hole)[0] - 10).max() < 2
    model.partial_fit(hole)
    assert np.isfinite(model.forecast(3)[0]).all()
    assert np.isfinite(model.partial_fit([season(40), season(40)]).forecast_interval(3)[0]).all()


@pytest.mark.parametrize(("first", "fault"), [(125, None), (110, "overlap"), (120, None)])
@pytest.mark.parametrize("method", ["predict", "partial_fit"])
def test_rows_of_many_series_that_do_not_follow_are_warned_of(recwarn, method, first, fault):
    days = pd.date_range("2020-01-01", periods=150)
    series = {name: pd.Series(season(150, seed=k), index=days) for k, name in enumerate("ab")}
    model = stream(n_units=15).fit({name: own[:120] for name, own in series.items()})
    getattr(model, method)({name: own[first : first + 15] for name, own in series.items()})
    told = [str(each.message) for each in recwarn]
    assert len(told) == (fault is not None)
    assert all(fault in text for text in told)


def test_times_of_another_unit_are_the_same_times():
    known = pd.DataFrame({"k": RNG.standard_normal(120)}, index=DAYS)
    series = pd.Series(season(120) + known["k"].to_numpy(), index=DAYS.as_unit("s"))
    model = stream(n_units=15).fit(series, exog=known)
    by_place = stream(n_units=15).fit(series, exog=known.to_numpy())
    ahead = np.zeros((3, 1))
    np.testing.assert_array_equal(model.forecast(3, exog=ahead), by_place.forecast(3, exog=ahead))
    with pytest.raises(ValueError, match="got none for 2020-04-30"):
        model.forecast(5, exog=known[:5])
    with pytest.raises(ValueError, match="got none for 2020-01-01"):
        stream(n_units=15).fit(series, exog=known.set_index(DAYS + pd.Timedelta(10, "D")))


@pytest.mark.parametrize(
    "index", [DAYS.tz_localize("UTC"), DAYS.to_period("D"), DAYS.strftime("%Y-%m-%d")], ids=["zone", "periods", "text"]
)
def test_covariates_with_times_of_another_kind_are_refused(index):
    known = pd.DataFrame({"k": RNG.standard_normal(120)}, index=index)
    with pytest.raises(ValueError, match="exog must have an index of datetime64"):
        stream(n_units=15).fit(pd.Series(season(120), index=DAYS), exog=known)


def test_covariates_of_irregular_times_go_by_the_times():
    kept = np.sort(RNG.permutation(120)[:54])
    known = pd.DataFrame({"k": RNG.standard_normal(120)}, index=DAYS)
    series = pd.Series(season(54), index=DAYS[kept])
    with pytest.warns(UserWarning, match="gaps"):
        by_time = stream(n_units=15).fit(series, exog=known)
    with pytest.warns(UserWarning, match="gaps"):
        by_place = stream(n_units=15).fit(series, exog=known.to_numpy()[kept])
    ahead = np.zeros((3, 1))
    np.testing.assert_array_equal(by_time.forecast(3, exog=ahead), by_place.forecast(3, exog=ahead))


def test_a_score_of_no_whole_target_is_told():
    rows = np.stack([season(200), season(200, seed=1)], axis=1)
    model = stream(n_units=15).fit(rows)
    later = rows[:20].copy()
    later[::2, 0] = np.nan
    later[1::2, 1] = np.nan
    with pytest.warns(UserWarning, match="R2 is nan"):
        assert np.isnan(model.score(later))


def test_columns_of_polars_frames_in_another_order_are_refused():
    polars = pytest.importorskip("polars")
    one = polars.DataFrame({"a": season(80), "b": season(80, seed=1)})
    with pytest.raises(ValueError, match="the same columns"):
        stream(n_units=15).fit({"x": one, "y": one.select("b", "a")})


@pytest.mark.parametrize("kept", [[0, 1, 3, 4], [0, 2]], ids=str)
@pytest.mark.parametrize("many", [False, True])
def test_a_gap_in_a_short_batch_is_seen_by_the_frequency_of_fit(kept, many):
    series = pd.Series(season(130), index=pd.date_range("2020-01-01", periods=130))
    given = (lambda rows: {"one": rows, "two": rows + 1}) if many else (lambda rows: rows)
    model = stream(n_units=15).fit(given(series[:120]))
    batch = series[120:].iloc[kept]
    holed = batch.reindex(pd.date_range(batch.index[0], batch.index[-1]))
    by_index, by_nan = model.predict(given(batch)), model.predict(given(holed))
    by_index, by_nan = (found["one"] if many else found for found in (by_index, by_nan))
    np.testing.assert_array_equal(by_index, by_nan[holed.notna()])
    ahead = model.partial_fit(given(batch)).forecast(2)
    assert (ahead["one"] if many else ahead).index[0] == batch.index[-1] + pd.Timedelta(1, "D")


def test_zones_of_dateutil_go_on():
    zone = pytest.importorskip("dateutil.tz").tzoffset("Berlin", 3600)
    hours = pd.date_range("2020-01-01", periods=130, freq="h", tz=zone)
    model = stream(n_units=15).fit(pd.Series(season(120), index=hours[:120]))
    assert list(model.forecast(10).index) == list(hours[120:])


def test_what_is_no_series_is_refused_by_name():
    with pytest.raises(ValueError, match="got None for 'b'"):
        stream(n_units=15).fit({"a": season(50), "b": None})
    with pytest.raises(ValueError, match="a column of values"):
        stream(n_units=15).fit(pd.DataFrame({"unique_id": ["a"] * 50, "ds": DAYS[:50]}))


def test_a_new_series_has_the_interval_that_it_has_alone():
    model = stream(n_units=15).fit({"a": season(200), "b": season(200, seed=1)})
    new, widths = season(10, seed=2), []
    for given in ({"new": new}, {"long": season(100, seed=3), "new": new}):
        with pytest.warns(UserWarning, match="fewer than the"):
            low, high = model.forecast_interval(3, X=given)["new"]
        widths.append(high - low)
    np.testing.assert_allclose(*widths)


def walk(seed):
    return np.random.default_rng(seed).standard_normal(340).cumsum()


def test_intervals_of_walks_hold_inside_a_gap_of_one_of_many_series():
    def once(rng):
        one, other = (walk(int(rng.integers(1000))) for _ in range(2))
        model = stream(n_units=15, difference=1, season=None).fit([one[:300], other[:300]])
        holed = one[300:339].copy()
        holed[5:25] = np.nan
        ends = model.predict_interval([holed, other[300:339]])[0]
        return inside([end[5:25] for end in ends], one[306:326])

    assert coverage(once) > 0.8


def test_intervals_of_walks_hold_inside_a_gap_that_is_read_row_by_row():
    def once(rng):
        one, nothing, hits = walk(int(rng.integers(1000))), np.array([np.nan]), []
        model = stream(n_units=15, difference=1, season=None).fit(one[:300])
        for row in range(300, 320):
            hits.append(inside(model.predict_interval(nothing), one[row + 1]))
            model.partial_fit(nothing)
        return np.mean(hits)

    assert coverage(once, 15) > 0.8


@pytest.mark.parametrize("gap", [False, True])
def test_weights_of_another_length_are_refused(gap):
    rows = pd.Series(season(40), index=pd.date_range("2020-04-30", periods=40))
    rows = rows.drop(rows.index[10]) if gap else rows
    model = stream(n_units=15).fit(pd.Series(season(120), index=DAYS))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.score(rows, sample_weight=np.ones(3))
