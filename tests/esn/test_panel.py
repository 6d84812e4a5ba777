"""Many series: what they come in, and what comes back."""

import numpy as np
import pytest
from forecasters import SERIES, TWO, stream

from skdopamine._esn.panel import divided, is_panel, side_by_side

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

MONTHS = pd.date_range("2020-01-31", periods=60, freq="ME", name="month")
A, B = pd.Series(SERIES[:60, 0], MONTHS, name="sales"), pd.Series(SERIES[60:110, 0], MONTHS[10:], name="sales")
LONG = pd.concat({"a": A, "b": B}, names=["unique_id", "ds"]).reset_index()
CONTAINERS = {
    "list": [A, B],
    "tuple of arrays": (A.to_numpy(), B.to_numpy()),
    "dict": {"a": A, "b": B},
    "dict of lists": {"a": A.tolist(), "b": B.tolist()},
    "index": pd.concat({"a": A.to_frame(), "b": B.to_frame()}, names=["shop", "month"]),
    "series with an index": pd.concat({"b": A, "a": B}, names=["shop", "month"]),
    "long": LONG,
    "polars": {"a": pl.Series("sales", A.to_numpy()), "b": pl.Series("sales", B.to_numpy())},
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_many_series_are_taken_apart_and_put_together(name):
    given = CONTAINERS[name]
    assert is_panel(given)
    panel, parts = divided(given)
    assert len(panel.keys) == len(panel.frames) == len(parts) == 2
    for part, expected in zip(parts, (A, B), strict=True):
        np.testing.assert_array_equal(np.ravel(part), expected)
    back = panel.given_back(parts)
    if isinstance(given, pd.DataFrame | pd.Series):
        assert back.equals(given)
    else:
        assert list(back) == list(given)


@pytest.mark.parametrize(
    "series",
    [
        SERIES,
        SERIES.tolist(),
        SERIES[:, 0].tolist(),
        A,
        A.to_frame(),
        pl.DataFrame(TWO),
        pl.Series(SERIES[:, 0]),
        [],
        1.0,
    ],
)
def test_one_series_is_no_panel(series):
    assert not is_panel(series)


def test_an_empty_dict_is_named():
    with pytest.raises(ValueError, match="X must hold at least one series, got an empty dict"):
        divided({})


def test_series_end_together():
    wide = side_by_side([TWO[:5], TWO[:3] + 7])
    assert wide.shape == (5, 4)
    np.testing.assert_array_equal(wide[:, :2], TWO[:5])
    np.testing.assert_array_equal(wide[2:, 2:], TWO[:3] + 7)
    assert np.isnan(wide[:2, 2:]).all()


TIMES = {
    "dates": pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 2, 29), eager=True),
    "times": pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2020, 2, 29), "1d", eager=True, time_unit="ms"),
    "times of a zone": pl.datetime_range(
        pl.datetime(2020, 3, 1, time_zone="Europe/Berlin"),
        pl.datetime(2020, 4, 29, time_zone="Europe/Berlin"),
        "1d",
        eager=True,
    ),
    "integers": pl.Series(range(60), dtype=pl.Int32),
}


@pytest.mark.parametrize("name", TIMES)
def test_long_frames_of_polars_are_those_of_pandas(name):
    times = TIMES[name]
    n = len(times)
    long = pl.DataFrame(
        {"unique_id": ["a"] * n + ["b"] * (n - 12), "ds": pl.concat([times, times[12:]]), "y": SERIES[: 2 * n - 12, 0]}
    )
    arrays = stream(n_units=10).fit([SERIES[:n, 0], SERIES[n : 2 * n - 12, 0]])
    cut = long.group_by("unique_id", maintain_order=True).agg(pl.all().head(n - 15)).explode("ds", "y")
    model = stream(n_units=10).fit(long)
    path = model.forecast(3)
    assert (type(path), path.columns) == (pl.DataFrame, ["unique_id", "ds", "y"])
    assert path.schema == long.schema
    np.testing.assert_array_equal(path["y"], np.concatenate(arrays.forecast(3)))
    step = times[-1] - times[-2]
    assert path["ds"][:3].to_list() == [times[-1] + k * step for k in (1, 2, 3)]
    ends = model.forecast_interval(3, [0.5, 0.9])
    assert ends.columns == ["unique_id", "ds", "lower_50", "lower_90", "upper_50", "upper_90"]
    assert model.forecast(2, cut).schema == long.schema
    assert list(model.predict(path)) == ["a", "b"]
    gone = long.filter(pl.col("ds") != times[30])
    np.testing.assert_allclose(stream(n_units=10).fit(gone).forecast(3)["y"], path["y"], atol=0.5)
    table = long.with_columns(k=pl.col("y").shift(1, fill_value=0.0)).drop("y")
    ahead = path.with_columns(k=pl.lit(1.0)).drop("y")
    found = stream(n_units=10).fit(long, exog=table).forecast(3, exog=ahead)
    assert found.schema == long.schema


def test_times_of_polars_that_do_not_go_on_are_steps():
    days = TIMES["dates"].gather(np.sort(np.random.default_rng(0).permutation(60)[:25]))
    long = pl.DataFrame({"unique_id": [7] * 25, "ds": days, "y": SERIES[:25, 0]})
    with pytest.warns(UserWarning, match="gaps"):
        path = stream(n_units=10, horizon="auto").fit(long).forecast(2)
    assert path["ds"].to_list() == [1, 2]
    assert path["unique_id"].to_list() == [7, 7]
