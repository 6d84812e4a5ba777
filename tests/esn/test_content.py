"""What is no number is refused by name, before anything is read."""

import re
from datetime import date

import numpy as np
import pandas as pd
import pytest
from forecasters import SERIES, TWO, plain, stream

pl = pytest.importorskip("polars")

N = 60
FLAT, DAYS = SERIES[:N, 0], pd.date_range("2020", periods=N)
CURE = r"make dates the index, and leave the rest out; columns \('unique_id', 'ds'\) tell"
WRONG = {
    "dates in a column": (pd.DataFrame({"ds": DAYS, "y": FLAT}), rf"got dates in \['ds'\]: {CURE}"),
    "dates as objects": (
        pd.DataFrame({"ds": [d.date() for d in DAYS], "y": FLAT}),
        r"got datetime.date\(2020, 1, 1\) in",
    ),
    "dates as text": (pd.DataFrame({"y": FLAT, "ds": DAYS.astype(str)}), rf"got '2020-01-01' in \['ds'\]: {CURE}"),
    "periods": (pd.DataFrame({"ds": DAYS.to_period("D"), "y": FLAT}), r"got period\[D\] in \['ds'\]"),
    "time": (pd.DataFrame({"ds": DAYS - DAYS[0], "y": FLAT}), r"got timedelta64\[ns\] in \['ds'\]"),
    "categories": (pd.DataFrame({"s": pd.Categorical(["a"] * N), "y": FLAT}), r"got category in \['s'\]"),
    "several": (pd.DataFrame({"s": "a", "d": DAYS, "y": FLAT}), r"got 'a' and dates in \['s', 'd'\]"),
    "columns of one name": (pd.DataFrame([["a", 1.0]] * N, columns=["y", "y"]), r"got 'a' in \['y'\]"),
    "a series of dates": (pd.Series(DAYS), "got dates"),
    "an index": (DAYS, "got dates"),
    "an array of dates": (DAYS.to_numpy(), "got dates"),
    "an array of text": (np.array(["a"] * N), "got 'a'"),
    "an array of objects": (np.array([1.0, "a"] * 30, dtype=object), "got 'a'"),
    "a list of text": (["a"] * N, "got 'a'"),
    "numbers as text": (["1"] * N, "got '1'"),
    "rows with text": ([[1.0, "a"]] * N, "got '1.0'|got 'a'"),
    "a list of dates": ([date(2020, 1, 1)] * N, r"got datetime.date\(2020, 1, 1\)"),
    "timestamps": (list(DAYS), "got Timestamp"),
    "dates in polars": (
        pl.DataFrame({"ds": DAYS.to_list(), "y": FLAT}),
        r"dates in \['ds'\]: leave these out, as frames of pol",
    ),
    "text in polars": (pl.DataFrame({"s": ["a"] * N, "y": FLAT}), r"got String in \['s'\]: leave these out"),
    "a series of text in polars": (pl.Series("s", ["a"] * N), "got String"),
}
NUMBERS = {
    "bool": pd.DataFrame({"b": FLAT > 0, "y": FLAT}),
    "nullable": pd.DataFrame({"i": pd.array([1, 2, None] * 20, dtype="Int64"), "y": FLAT}),
    "objects": np.array([1, 2.5, None] * 20, dtype=object),
    "list": [1, 2.5, None] * 20,
    "polars": pl.DataFrame({"i": [1, 2, None] * 20, "y": FLAT}),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_number_is_named(name):
    wrong, message = WRONG[name]
    model = stream(n_units=10).fit(FLAT)
    with pytest.raises(ValueError, match=rf"^X must be numbers, .*({message})"):
        stream(n_units=10).fit(wrong)
    for call in (model.forecast_interval, model.forecast):
        with pytest.raises(ValueError, match=rf"^X must be numbers, .*({message})"):
            call(3, X=wrong)
    for call in (model.predict, model.partial_fit, model.score):
        with pytest.raises(ValueError, match=rf"^X must be numbers, .*({message})"):
            call(wrong)
    with pytest.raises(ValueError, match=rf"^exog must be numbers, .*({message})"):
        stream(n_units=10).fit(FLAT, exog=wrong)
    with pytest.raises(ValueError, match=rf"^X must be numbers, .*({message}).*"):
        plain().fit(wrong, FLAT)
    with pytest.raises(ValueError, match=r"^X must be numbers, got .* in the series 'b'"):
        stream(n_units=10).fit({"a": FLAT, "b": wrong})


@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_a_number_is_read(name):
    assert np.isfinite(stream(n_units=10, season=None).fit(NUMBERS[name]).readout_).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "X must be rows of numbers, got None"),
        ("abc", "X must be rows of numbers, got 'abc'"),
        ({"a": 1.0}, "X must be rows of numbers, got 1.0 in the series 'a'"),
        ([[1.0, 2.0], [1.0]] * 20, "X must be rows of one length, got others: many series are a list of arrays"),
        ([FLAT.tolist(), FLAT[:9].tolist()], "X must be rows of one length, got others: many series are a list"),
        ([pd.Series(FLAT), FLAT.tolist()], r"X must be one array or many series, got a list of ['Series', 'list']"),
        (
            list(TWO),
            "X holds 300 series of at most 2 rows, too few to learn from: a list of arrays is many series, and np",
        ),
    ],
)
def test_a_list_that_is_neither_one_array_nor_many_series_is_named(given, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        stream(n_units=10).fit(given)


def test_nested_lists_are_one_array_and_lists_of_arrays_many_series():
    one, many = stream(n_units=10).fit(TWO.tolist()), stream(n_units=10).fit([*TWO.T])
    assert (one.n_channels_, many.n_channels_) == (2, 1)
    np.testing.assert_array_equal(one.forecast(3), stream(n_units=10).fit(TWO).forecast(3))
    assert [path.shape for path in many.forecast(3)] == [(3,)] * 2


def test_targets_that_are_dates_are_named():
    with pytest.raises(ValueError, match="y must be numbers, got 2020-01-01"):
        stream(n_units=10).fit(SERIES[:N], DAYS)
