"""Whether the index of rows says that they are consecutive, and that they follow those read before."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from skdopamine._typing import Array

N_LATEST = 3  # labels that are kept: the fewest that show a step twice
WEEK, WORKING = 7, (0, 1, 2, 3, 4)  # days, and those of most businesses
SURE_WEEKS = 3  # in which a weekday that never occurs is none that is missing


class Calendar(NamedTuple):
    """The last labels of the rows read so far."""

    labels: Array | None = None  # (n, clocks), as of `labels_of`; None: the rows had no index that could be read
    days: tuple[int, ...] = ()  # weekdays that they are of, where they leave out others

    def extended(self, index: Any) -> "Calendar":
        """With the labels of further rows."""
        labels = labels_of(index)
        if labels is None:
            return Calendar()
        known = labels if not self._fits(labels) else np.concatenate([self.labels, labels])
        return Calendar(known[-N_LATEST:], open_days(index) or self.days)

    def fault(self, index: Any) -> str | None:
        """What keeps rows with this index from following those read before without a gap, None if nothing is known."""
        labels = labels_of(index)
        if labels is None:
            return None
        days = open_days(index) or self.days or WORKING
        if not _is_regular(labels, days):
            return "its index has gaps"
        if not self._fits(labels) or _is_regular(np.concatenate([self.labels, labels[:N_LATEST]]), days):
            return None
        assert self.labels is not None
        first, last = labels[0, -1], self.labels[-1, -1]
        relation = "overlap" if first <= last else "leave a gap after"
        return f"its rows begin at {first} and {relation} those read before, which end at {last}"

    def _fits(self, labels: Array) -> bool:
        """Whether both are labels of one kind."""
        known = self.labels
        return known is not None and (known.dtype.kind, known.shape[1]) == (labels.dtype.kind, labels.shape[1])


def extended(calendars: Sequence[Calendar], indexes: Sequence[Any]) -> tuple[Calendar, ...]:
    """Calendars of series with the labels of further rows of each."""
    return tuple(calendar.extended(index) for calendar, index in zip(calendars, indexes, strict=True))


def check_index(index: Any) -> None:
    """Refuse an index of several series, of repeated times, or out of order in time; text has no order in time."""
    if getattr(index, "nlevels", 1) > 1:
        raise ValueError(f"X must be one series with stateful=True, got an index of {index.nlevels} levels.")
    if getattr(index, "inferred_type", "") == "string":
        return
    if not getattr(index, "is_monotonic_increasing", True):
        raise ValueError("X must be in time order with stateful=True, got an index that is not increasing.")
    if not getattr(index, "is_unique", True):
        raise ValueError("X must have one row for each time with stateful=True, got an index with repeated labels.")


def kind_of(index: Any) -> str | None:
    """What the labels of an index are: "times", "periods" or "numbers"; None if they are anything else."""
    dtype = str(getattr(index, "dtype", ""))
    kinds = {"datetime64": "times", "period": "periods", "int": "numbers", "uint": "numbers", "float": "numbers"}
    return next((kind for start, kind in kinds.items() if dtype.startswith(start)), None)


def labels_of(index: Any) -> Array | None:
    """Labels (n, clocks) of an index of times or numbers; None where there is none.

    Times with a zone are read on two clocks: hours are regular in universal time, days in local time.
    """
    kind = kind_of(index)
    if kind == "periods":  # consecutive numbers
        return np.asarray(index.asi8)[:, None]
    if kind == "times":
        zoned = getattr(index, "tz", None) is not None
        clocks = [index.tz_convert(None), index.tz_localize(None)] if zoned else [index]
        return np.stack([np.asarray(clock, dtype="datetime64[ns]") for clock in clocks], axis=1)
    return np.asarray(index)[:, None] if kind == "numbers" else None


def open_days(index: Any) -> tuple[int, ...]:
    """Weekdays that times are of, Monday being 0, where weeks show that there are none of the others; () for all."""
    if kind_of(index) != "times" or len(index) < N_LATEST:
        return ()
    local = index if index.tz is None else index.tz_localize(None)
    days = tuple(np.unique(local.day_of_week).tolist())
    is_sure = (local[-1] - local[0]).days >= SURE_WEEKS * WEEK
    return days if is_sure and 1 < len(days) < WEEK else ()


def _is_regular(labels: Array, days: tuple[int, ...]) -> bool:
    """Whether labels are equally far apart on one of the clocks."""
    return len(labels) < 3 or any(_has_one_step(clock, days) for clock in labels.T)


def _has_one_step(labels: Array, weekdays: tuple[int, ...]) -> bool:
    """Whether labels are equally far apart: in their own unit, in months, or in time on some weekdays."""
    steps = np.diff(labels)
    if (steps == steps[0]).all():
        return True
    if labels.dtype.kind != "M":
        return bool(np.allclose(steps, steps[0], rtol=1e-6))
    days, months = labels.astype("datetime64[D]"), labels.astype("datetime64[M]")
    steps = np.diff(months).astype(int)
    if steps[0] > 0 and (steps == steps[0]).all():
        day = days - months.astype("datetime64[D]")
        month_ends = (months + 1).astype("datetime64[D]") - 1
        return bool((day == day[0]).all() or (days == month_ends).all())
    week = [day in weekdays for day in range(WEEK)]
    if not np.is_busday(days, weekmask=week).all():
        return False
    time = np.busday_count(days[0], days, weekmask=week) * np.timedelta64(1, "D") + (labels - days)
    steps = np.diff(time)
    return bool((steps == steps[0]).all())
