"""Series of pandas and polars: what comes in comes out, and the index goes on."""

import numpy as np
import pytest
from forecasters import SERIES, TWO, stream

from skdopamine._esn.frames import Frame, as_rows, completed

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

N = 80
FLAT = SERIES[:N, 0]
DAYS = pd.date_range("2020-03-01", periods=N, freq="D", tz="Europe/Berlin")  # over a change of the clocks
INDEXES = {
    "months": pd.date_range("2020-01-31", periods=N, freq="ME", name="month"),
    "months without a frequency": pd.DatetimeIndex(list(pd.date_range("2020-01-01", periods=N, freq="MS"))),
    "days with a zone": DAYS,
    "days with a zone, without a frequency": pd.DatetimeIndex(list(DAYS)),
    "hours over a change of the clocks": pd.date_range("2020-10-24", periods=N, freq="h", tz="Europe/Berlin"),
    "hours in a fixed zone": pd.date_range("2020-10-24", periods=N, freq="h", tz="+01:00"),
    "37 minutes, in seconds": pd.date_range("2020", periods=N, freq="37min").as_unit("s"),
    "business days": pd.bdate_range("2020", periods=N),
    "weeks": pd.date_range("2020", periods=N, freq="W-WED"),
    "periods": pd.period_range("2020-01", periods=N, freq="M", name="month"),
    "quarters": pd.period_range("2020Q1", periods=N, freq="Q"),
    "integers": pd.RangeIndex(5, 5 + 3 * N, 3, name="t"),
    "numbers": pd.Index(np.arange(N) / 4),
}


@pytest.mark.parametrize("name", INDEXES)
def test_an_index_goes_on(name):
    index = INDEXES[name]
    series = pd.Series(FLAT, index, name="sales")
    model = stream().fit(series.iloc[:-3])
    path = model.forecast(3)
    assert (type(path), path.name) == (pd.Series, "sales")
    pd.testing.assert_index_equal(path.index, index[-3:], exact="equiv")
    np.testing.assert_array_equal(path, stream().fit(FLAT[:-3]).forecast(3))
    pd.testing.assert_index_equal(model.forecast_interval(3).index, index[-3:], exact="equiv")
    from_rows = model.forecast(3, series.iloc[:-10])
    pd.testing.assert_index_equal(from_rows.index, index[-10:-7], exact="equiv")


@pytest.mark.parametrize("name", INDEXES)
@pytest.mark.parametrize("n", [1, 2, 20])
def test_an_index_goes_on_after_rows_that_came_later(name, n):
    series = pd.Series(FLAT, INDEXES[name])
    model = stream().fit(series.iloc[:50]).partial_fit(series.iloc[50 : 50 + n])
    pd.testing.assert_index_equal(model.forecast(2).index, INDEXES[name][50 + n : 52 + n], exact="equiv")


@pytest.mark.parametrize(
    "index",
    [
        pd.Index([f"a{i:04d}" for i in range(N)]),
        pd.Index(np.arange(N) ** 2),
        pd.DatetimeIndex(np.datetime64("2020") + np.arange(N) ** 2),
    ],
)
@pytest.mark.filterwarnings("ignore:X is read as rows that follow each other")
def test_an_index_without_a_step_counts_the_steps_ahead(index):
    assert list(stream().fit(pd.Series(FLAT, index)).forecast(3).index) == [1, 2, 3]


def test_two_times_tell_no_frequency():
    labels = Frame.of(pd.Series([1.0, 2.0], pd.date_range("2020", periods=2, freq="D")._with_freq(None))).labels
    assert labels is None


def test_frames_keep_their_columns():
    frame = pd.DataFrame(TWO[:N], INDEXES["months"], columns=["a", "b"])
    model, arrays = stream().fit(frame), stream().fit(TWO[:N])
    path = model.forecast(2)
    assert list(path.columns) == ["a", "b"]
    np.testing.assert_array_equal(path, arrays.forecast(2))
    low, high = arrays.forecast_interval(2, [0.5, 0.8])
    ends = model.forecast_interval(2, [0.5, 0.8])
    for k, percent in enumerate([50, 80]):
        for j, name in enumerate("ab"):
            np.testing.assert_array_equal(ends[f"{name}_lower_{percent}"], low[:, j, k])
            np.testing.assert_array_equal(ends[f"{name}_upper_{percent}"], high[:, j, k])
    assert ends.shape == (2, 8)
    quantiles = model.forecast_quantiles(2, [0.2, 0.5])
    assert list(quantiles.columns) == ["a_q0.2", "a_q0.5", "b_q0.2", "b_q0.5"]
    np.testing.assert_array_equal(quantiles["b_q0.2"], arrays.forecast_quantiles(2, 0.2)[:, 1])
    paths = model.sample_paths(2, 3)
    assert list(paths.columns) == [f"{name}_path_{i}" for name in "ab" for i in range(3)]
    np.testing.assert_array_equal(paths["b_path_2"], arrays.sample_paths(2, 3)[2, :, 1])


def test_a_frame_of_one_column_stays_a_frame():
    path = stream().fit(pd.DataFrame({"a": FLAT})).forecast(2)
    assert (type(path), list(path.columns), list(path.index)) == (pd.DataFrame, ["a"], [N, N + 1])


def test_polars_comes_out_as_polars():
    series, frame = pl.Series("z", FLAT), pl.DataFrame(TWO[:N], schema=["a", "b"])
    model = stream().fit(series)
    path = model.forecast(2)
    assert (type(path), path.name) == (pl.Series, "z")
    np.testing.assert_array_equal(path, stream().fit(FLAT).forecast(2))
    assert model.forecast_interval(2).columns == ["lower_90", "upper_90"]
    assert model.forecast_quantiles(2, 0.5).columns == ["q0.5"]
    np.testing.assert_array_equal(model.predict(series), model.predict(series.to_frame()))
    path = stream().fit(frame).forecast(2)
    assert (type(path), path.columns) == (pl.DataFrame, ["a", "b"])


@pytest.mark.parametrize("series", [FLAT, FLAT.tolist(), pd.Series(FLAT), pl.Series(FLAT)])
def test_a_series_of_one_axis_is_a_series_of_one_channel(series):
    model, column = stream().fit(series[:60]), stream().fit(FLAT[:60, None])
    for call in (
        lambda model, X: model.predict(X),
        lambda model, X: model.score(X),
        lambda model, X: np.concatenate(model.predict_interval(X)),
        lambda model, X: np.asarray(model.forecast(3, X)),
        lambda model, X: np.asarray(model.partial_fit(X).forecast(3)),
    ):
        np.testing.assert_array_equal(call(model, series[60:]), call(column, FLAT[60:, None]))


def test_arrays_come_out_as_arrays_whatever_was_fitted():
    series = pd.Series(FLAT)
    model = stream().fit(series[:60])
    assert type(model.forecast(2, FLAT)) is np.ndarray
    assert type(model.predict(series[60:])) is np.ndarray


def test_a_series_of_one_axis_does_not_suit_two_channels():
    with pytest.raises(ValueError, match="2 features"):
        stream().fit(TWO).predict(FLAT)


def test_rows_of_different_lengths_are_left_to_the_check_of_rows():
    ragged = [[1.0], [2.0, 3.0]]
    assert as_rows(ragged) is ragged


@pytest.mark.parametrize("name", [name for name in INDEXES if name != "numbers"])
def test_rows_that_an_index_leaves_out_are_completed(name):
    series = pd.Series(FLAT, INDEXES[name], name="sales")
    left = series.drop(series.index[[3, 10, 11, 40]])
    whole, had = completed(left)
    pd.testing.assert_index_equal(whole.index, series.index, exact="equiv")
    assert np.flatnonzero(~had).tolist() == [3, 10, 11, 40]
    np.testing.assert_array_equal(whole[had], left)
    assert whole[~had].isna().all()


@pytest.mark.parametrize("name", INDEXES)
def test_a_series_without_gaps_is_left_as_it_is(name):
    series = pd.Series(FLAT, INDEXES[name])
    assert completed(series)[0] is series
    assert completed(series)[1] is None


@pytest.mark.parametrize(
    "index",
    [
        pd.Index([f"a{i:04d}" for i in range(N)]),
        pd.Index(np.arange(N) ** 2),
        pd.DatetimeIndex(np.datetime64("2020") + np.arange(N) ** 2),
        pd.DatetimeIndex([*pd.date_range("2020", periods=N - 1, freq="s"), pd.Timestamp("2030")]),
    ],
)
def test_an_index_that_has_no_step_or_is_all_gaps_is_left_alone(index):
    series = pd.Series(FLAT, index)
    assert completed(series)[0] is series


def on(days, freq="D", n=200, **options):
    """Times of some weekdays, without a frequency."""
    index = pd.date_range("2024-01-01", periods=n, freq=freq, **options)
    return pd.DatetimeIndex(list(index[np.isin(index.day_of_week, days)]))


OPEN = {
    "Monday to Saturday": on([0, 1, 2, 3, 4, 5]),
    "with a zone": on([0, 1, 2, 3, 4, 5], tz="Europe/Berlin"),
    "Tuesday to Sunday": on([1, 2, 3, 4, 5, 6]),
    "Monday, Wednesday, Friday": on([0, 2, 4], n=300),
    "hours of working days": on([0, 1, 2, 3, 4], "h", 1500),
}


@pytest.mark.parametrize("name", OPEN)
@pytest.mark.filterwarnings("error")
def test_weekdays_that_never_occur_are_not_missing(name):
    index = OPEN[name]
    rows = pd.Series(
        np.sin(np.arange(len(index)) / 3) + 0.1 * np.random.default_rng(0).standard_normal(len(index)), index
    )
    assert completed(rows)[0] is rows
    left = rows.drop(index[[10, 30, 31, 40]])
    whole, had = completed(left)
    pd.testing.assert_index_equal(whole.index, index)
    assert np.flatnonzero(~had).tolist() == [10, 30, 31, 40]
    model = stream(season=None).fit(left[:-20])
    assert list(model.forecast(9).index) == list(index[-20:-11])
    assert list(model.forecast_interval(9, X=rows[:-30]).index) == list(index[-30:-21])
    holed = rows[-20:-10].copy()
    holed[:6] = np.nan
    np.testing.assert_array_equal(model.predict(rows[-14:-10]), model.predict(holed)[6:])
    for first, last in ((-14, -12), (-12, -11), (-11, -9)):  # few labels, which tell nothing by themselves
        model.partial_fit(rows[first:last])
        assert list(model.forecast(9).index) == list(index[last:])[:9]
    assert list(model.partial_fit(model.forecast(2)).forecast(7).index) == list(index[-7:])


@pytest.mark.parametrize("days", [[0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6]])
def test_two_weeks_do_not_show_which_days_never_occur(days):
    rows = pd.Series(FLAT[:12], on(days, n=14))
    assert len(completed(rows)[0]) > 12
