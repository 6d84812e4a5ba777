"""Many series: what they come in, and what comes back."""

import numpy as np
import pytest
from forecasters import SERIES, TWO

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
