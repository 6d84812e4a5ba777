"""What an index says: whether rows are consecutive, and whether they follow those read before."""

import numpy as np
import pandas as pd
import pytest
from forecasters import SERIES, stream
from sklearn.model_selection import TimeSeriesSplit, cross_val_score, cross_validate

from skdopamine._esn import frames as _frames
from skdopamine._esn.calendar import N_LATEST, Calendar, check_index, labels_of

VALUES = SERIES[:200, 0]
INDEXES = {
    "range": lambda n: pd.RangeIndex(n),
    "numbers": lambda n: pd.Index(10 * np.arange(n)),
    "hours": lambda n: pd.date_range("2020-03-01", periods=n, freq="h", tz="Europe/Berlin"),
    "days": lambda n: pd.date_range("2020-03-01", periods=n, freq="D", tz="Europe/Berlin"),
    "working days": lambda n: pd.bdate_range("2020-01-01", periods=n),
    "months": lambda n: pd.date_range("2000-01-01", periods=n, freq="MS"),
    "month ends": lambda n: pd.date_range("2000-01-31", periods=n, freq="ME"),
    "periods": lambda n: pd.period_range("2000-01", periods=n, freq="M"),
    "strings": lambda n: pd.Index([f"row {k:03}" for k in range(n)]),
}


@pytest.mark.parametrize("index", sorted(set(INDEXES) - {"strings"}))
def test_a_calendar_knows_what_follows(index):
    labels = INDEXES[index](60)
    calendar = Calendar().extended(labels[:20]).extended(labels[20:30])
    assert len(calendar.labels) == N_LATEST
    for n in (1, 2, 20):  # one label alone says whether it follows
        assert calendar.fault(labels[30 : 30 + n]) is None
        assert "leave a gap after" in calendar.fault(labels[33 : 33 + n])
        assert "overlap" in calendar.fault(labels[27 : 27 + n])
    assert calendar.fault(labels[30:60].delete(7)) == "its index has gaps"


@pytest.mark.parametrize("index", INDEXES)
def test_a_calendar_that_knows_nothing_finds_no_fault(index):
    labels = INDEXES[index](60)
    assert Calendar().fault(labels) is None
    other = "numbers" if isinstance(labels, pd.DatetimeIndex) else "months"
    assert Calendar().extended(INDEXES[other](60)).fault(labels) is None  # labels of another kind
    for unread in (None, INDEXES["strings"](9)):
        assert Calendar().extended(labels).extended(unread).labels is None


def test_times_with_a_zone_are_read_on_two_clocks():
    for index, steps in [("hours", (1, 2)), ("days", (2, 1))]:  # the clocks change once in 60 days
        labels = labels_of(INDEXES[index](60 * (24 if index == "hours" else 1)))
        assert tuple(len(np.unique(np.diff(clock))) for clock in labels.T) == steps


def test_an_index_is_that_of_one_series():
    names = pd.Index(["Jan", "Feb", "Mar", "Jan", "row 9", "row 10"])  # in no order of the alphabet
    for index in [None, names, names.astype("string"), *(make(3) for make in INDEXES.values())]:
        check_index(index)
    for index, message in [
        (pd.MultiIndex.from_product([["a", "b"], [1, 2]]), "got an index of 2 levels"),
        (pd.Index([1, 3, 2]), "not increasing"),
        (pd.Index([1, 2, 2]), "repeated labels"),
    ]:
        with pytest.raises(ValueError, match=message):
            check_index(index)


# ---- of a forecaster ----


def framed(index):
    return pd.DataFrame({"value": VALUES}, index=INDEXES[index](200))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("index", INDEXES)
def test_rows_that_follow_at_once_are_read_without_a_word(index):
    frame = framed(index)
    model = stream().fit(frame[:100])
    model.predict(frame[100:]), model.score(frame[100:]), model.score(frame[100:-1], VALUES[101:])
    model.forecast(2, frame[50:150])
    model.partial_fit(frame[100:150]).partial_fit(frame[150:])
    model.predict(frame.set_axis(INDEXES[index](400)[200:], axis=0))


@pytest.mark.parametrize("index", sorted(set(INDEXES) - {"strings"}))
@pytest.mark.parametrize("method", ["predict", "score", "partial_fit"])
def test_rows_that_overlap_are_named(index, method):
    frame = framed(index)
    model = stream().fit(frame[:100])
    with pytest.warns(UserWarning, match="overlap those read before"):
        getattr(model, method)(frame[:100])


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("index", sorted(set(INDEXES) - {"strings"}))
def test_a_gap_after_the_rows_before_is_bridged(index, many):
    """In a closed loop, as any other gap."""
    frame, given = framed(index), (lambda rows: {"a": rows, "b": rows + 1}) if many else (lambda rows: rows)
    holed = frame[100:].copy()
    holed[:5] = np.nan
    apart, whole = (stream().fit(given(frame[:100])) for _ in range(2))

    def of(found):
        return found["a"] if many else found

    np.testing.assert_array_equal(of(apart.predict(given(frame[105:]))), of(whole.predict(given(holed)))[5:])
    np.testing.assert_array_equal(
        np.array(of(apart.predict_interval(given(frame[105:])))),
        np.array(of(whole.predict_interval(given(holed))))[:, 5:],
    )
    assert apart.score(given(frame[105:])) == pytest.approx(whole.score(given(holed)))
    apart.partial_fit(given(frame[105:])), whole.partial_fit(given(holed))
    np.testing.assert_array_equal(apart.readout_, whole.readout_)
    assert of(apart.forecast(3)).equals(of(whole.forecast(3)))


def test_members_of_a_panel_have_gaps_of_their_own_after_the_rows_before():
    frame = framed("days")
    model = stream().fit({"a": frame[:100], "b": frame[:100] + 1})
    model.partial_fit({"a": frame[103:110], "b": frame[100:110] + 1})
    assert model._stream.frame.frames[0].labels == model._stream.frame.frames[1].labels


def test_rows_too_far_from_those_before_are_named(monkeypatch):
    monkeypatch.setattr(_frames, "MOST_BETWEEN", 4)
    frame = framed("days")
    with pytest.warns(UserWarning, match="leave a gap after those read before"):
        stream().fit(frame[:100]).partial_fit(frame[105:])


def test_gaps_inside_the_rows_are_named():
    frame = framed("days")
    frame = frame.set_axis(frame.index + pd.to_timedelta(np.arange(len(frame)) ** 2, "h"))  # they are not all missing
    with pytest.warns(UserWarning, match="its index has gaps"):
        model = stream().fit(frame)
    with pytest.warns(UserWarning, match="its index has gaps"):
        model.forecast(2, frame)


def test_gaps_of_cross_validation_are_bridged_and_overlaps_named():
    frame = framed("days")
    assert cross_val_score(stream(), frame[:-1], VALUES[1:], cv=TimeSeriesSplit(2, gap=5)).min() > 0
    with pytest.warns(UserWarning, match="overlap"):
        cross_validate(stream(), frame[:-1], VALUES[1:], cv=TimeSeriesSplit(2), return_train_score=True)


@pytest.mark.parametrize("method", ["fit", "partial_fit", "predict"])
def test_an_index_of_no_single_series_is_refused(method):
    frame = framed("days")
    model = stream().fit(frame)
    with pytest.raises(ValueError, match=r"one row for each time.*repeated"):
        getattr(model, method)(frame.iloc[[0, 1, 1, 2]])
    several = frame.set_axis(pd.MultiIndex.from_product([["a", "b"], range(10), range(10)]), axis=0)
    with pytest.raises(ValueError, match=r"one series.*3 levels"):
        getattr(model, method)(several)
