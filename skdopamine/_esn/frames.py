"""Series as users keep them: arrays, or Series and frames of pandas and polars, which forecasts are given back in."""

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from skdopamine._esn.calendar import WEEK, check_index, kind_of, open_days
from skdopamine._typing import Array

FEWEST_LABELS = 3  # that pandas tells a frequency from
MOST_TRIED = 100  # places where an index with gaps may show its frequency
MOST_BETWEEN = 10_000  # rows that may be missing after those before, where these tell the step
MOST_MISSING = 2  # times the labels that an index has may be those that it should have


class Labels(NamedTuple):
    """The last label of an index and how it goes on, in plain types that can be stored."""

    kind: str  # "times", "periods" or "numbers"
    last: Array  # (1,): a time in universal time, the number of a period, a number
    step: Any  # a frequency of pandas, or what two numbers are apart
    zone: Any  # its name, or what it is where it has none that can be read back
    name: Any
    days: tuple[int, ...] = ()  # weekdays that times are of, where they leave out others; () for all

    @classmethod
    def of(cls, index: Any, before: Self | None) -> Self | None:
        """Of the last row with this index; None if it does not tell how it goes on, and the rows before did not."""
        if not len(index) or index.nlevels > 1:
            return None
        kind = kind_of(index)
        step = before.step if before is not None and before.kind == kind else None
        if kind == "periods":
            return cls(kind, np.array([index[-1].ordinal]), index.freqstr, None, index.name)
        if kind == "times":
            step, days = _of_times(index, before)
            last = index[-1:] if index.tz is None else index[-1:].tz_convert(None)
            return None if step is None else cls(kind, np.asarray(last), step, _zone(index), index.name, days)
        if kind is None:
            return None
        steps = np.diff(np.asarray(index))
        if len(steps):
            step = steps[0].item() if np.allclose(steps, steps[0]) else None
        elif step is None:
            step = 1
        return None if step is None else cls(kind, np.asarray(index[-1:]), step, None, index.name)

    def whole(self, index: Any) -> Any:
        """The index from the first to the last of these times at the step of the rows before; None if it is another."""
        if not self.kind == kind_of(index) == "times" or _zone(index) != self.zone:
            return None
        if not index.is_monotonic_increasing or not index.is_unique:
            return None
        return _likely(_range(index, self.step, self.days), index)

    def up_to(self, index: Any) -> Any:
        """The index from the row on that follows to the last of this one; None if it is not a part of that."""
        if index.nlevels > 1 or not index.is_monotonic_increasing or not index.is_unique:
            return None
        if self.kind == "times" and _zone(index) != self.zone:
            return None
        first = self._in_unit_of(index, self.following(3))
        steps = np.diff(_clock(first))
        n = (_clock(index[-1:])[0] - _clock(first)[0]) / np.min(steps)  # no more than these
        if n > 7 * (len(index) + MOST_BETWEEN) or index[0] < first[0]:
            return None
        whole = self._in_unit_of(index, self.following(int(n) + FEWEST_LABELS))
        last = whole.get_indexer(index[-1:])[0]
        whole = whole[: last + 1]
        fits = last >= 0 and len(whole) <= len(index) + MOST_BETWEEN and index.isin(whole).all()
        return whole if fits else None

    def _in_unit_of(self, index: Any, found: Any) -> Any:
        return found.as_unit(index.unit) if self.kind == "times" else found

    def following(self, n: int) -> Any:
        """The index of the n rows that follow."""
        import pandas as pd

        if self.kind == "numbers":
            return pd.Index(self.last[0] + self.step * np.arange(1, n + 1), name=self.name)
        if self.kind == "periods":
            first = pd.Period(ordinal=int(self.last[0]) + 1, freq=self.step)
            return pd.period_range(first, periods=n, freq=self.step, name=self.name)
        last = pd.DatetimeIndex(self.last)
        if self.zone is not None:
            last = last.tz_localize("UTC").tz_convert(self.zone)
        tried = n
        while True:
            ahead = pd.date_range(last[0], periods=tried + 1, freq=self.step, name=self.name).as_unit(last.unit)
            ahead = _on_days(ahead[ahead > last[0]], self.days)
            if len(ahead) >= n:
                return ahead[:n]
            tried = 2 * tried + 2


class Frame(NamedTuple):
    """What a series came in."""

    library: str = "numpy"
    flat: bool = False  # whether it had no axis for channels
    names: tuple[Any, ...] = ()  # of the channels
    labels: Labels | None = None  # None: nothing tells how they go on

    @classmethod
    def of(cls, series: Any, before: "Frame | None" = None) -> "Frame":
        """Of a series; `before` is what the rows before came in."""
        library = library_of(series)
        if library == "numpy":
            return cls()
        flat = series.ndim == 1 if library == "pandas" else not hasattr(series, "columns")
        names = (series.name,) if flat else tuple(series.columns)
        if library == "polars":
            return cls(library, flat, names)
        return cls(library, flat, names, Labels.of(series.index, before.labels if before else None))

    def path(self, values: Array) -> Any:
        """Rows (n, channels) that follow."""
        if self.library == "numpy":
            return values
        if not self.flat:
            return self._table(values, list(self.names))
        if self.library == "polars":
            import polars as pl

            return pl.Series(self.names[0], values[:, 0])
        import pandas as pd

        return pd.Series(values[:, 0], index=self._index(len(values)), name=self.names[0])

    def table(self, values: Array, kinds: Sequence[str]) -> Any:
        """Several values of each of the rows that follow, (n, channels, kinds), a column each.

        Of several channels the name of a column begins with that of the channel.
        """
        if self.library == "numpy":
            return values
        alone = len(self.names) == 1
        columns = [kind if alone else f"{name}_{kind}" for name in self.names for kind in kinds]
        return self._table(values.reshape(len(values), -1), columns)

    def _table(self, values: Array, columns: list[Any]) -> Any:
        if self.library == "polars":
            import polars as pl

            return pl.DataFrame(values, schema=columns, orient="row")
        import pandas as pd

        return pd.DataFrame(values, index=self._index(len(values)), columns=columns)

    def _index(self, n: int) -> Any:
        """Labels of the n rows that follow: how many steps ahead, where those before do not tell."""
        return np.arange(1, n + 1) if self.labels is None else self.labels.following(n)


def as_rows(series: Any) -> Any:
    """Rows of a series in time order; one without an axis for channels has rows of one channel."""
    check_index(getattr(series, "index", None))
    if library_of(series) == "numpy":
        flat = isinstance(series, list | tuple | np.ndarray) and _n_axes(series) == 1
        return np.asarray(series)[:, None] if flat else series
    if hasattr(series, "columns"):
        return series
    # without a name it is a column of an array
    return series.to_numpy()[:, None] if series.name in (None, "") else series.to_frame()


def _n_axes(values: Any) -> int:
    try:
        return int(np.ndim(values))
    except ValueError:  # lists of different lengths: whoever reads them says so
        return 2


def library_of(series: Any) -> str:
    """Where a series comes from, without importing what its user has not imported."""
    for name in ("pandas", "polars"):
        library = sys.modules.get(name)
        if library is not None and isinstance(series, library.Series | library.DataFrame):
            return name
    return "numpy"


def completed(series: Any, before: Frame | None = None) -> tuple[Any, Array | None]:
    """A series of pandas with all rows that its index leaves out, nan; and which rows it had, None if that is all.

    An index leaves rows out where its labels are some of those that one frequency, or one step, makes; where it has too
    few labels to tell, the frequency is that of the rows before.
    """
    if library_of(series) != "pandas" or not len(series):
        return series, None
    whole = _whole_index(series.index)
    if whole is None and before is not None and before.labels is not None:
        whole = before.labels.whole(series.index)
    if whole is None or len(whole) == len(series):
        return series, None
    had = np.zeros(len(whole), dtype=bool)
    had[whole.get_indexer(series.index)] = True
    return series.reindex(whole), had


def continued(series: Any, before: Frame | None) -> tuple[Any, Array | None]:
    """As `completed`, but from the row on that follows those before: the rows left out between are nan, too."""
    labels = None if before is None else before.labels
    if library_of(series) != "pandas" or labels is None or not len(series) or labels.kind != kind_of(series.index):
        return completed(series, before)
    whole = labels.up_to(series.index)
    if whole is None:
        return completed(series, before)
    if len(whole) == len(series):
        return series, None
    had = np.zeros(len(whole), dtype=bool)
    had[whole.get_indexer(series.index)] = True
    return series.reindex(whole), had


def _whole_index(index: Any) -> Any:
    """The regular index that has all labels of this one; None where there is none, or none that is likely."""
    import pandas as pd

    if index.nlevels > 1 or not index.is_monotonic_increasing or not index.is_unique or len(index) < FEWEST_LABELS:
        return None
    kind, dtype = kind_of(index), str(index.dtype)
    if kind == "periods":
        return _likely(pd.period_range(index[0], index[-1], freq=index.freq, name=index.name), index)
    if dtype.startswith(("int", "uint")):
        step = int(np.diff(np.asarray(index)).min())
        return _likely(pd.RangeIndex(index[0], index[-1] + 1, step, name=index.name), index)
    if kind != "times" or index.freq is not None:
        return None
    step, days = _told_by(index)
    return None if step is None else _range(index, step, days)


def _of_times(index: Any, before: Labels | None) -> tuple[Any, tuple[int, ...]]:
    """Frequency of times, and their weekdays; those of the rows before where these fit, as few labels tell little."""
    step, whole = _step(index), None if before is None else before.whole(index)
    if before is not None and whole is not None and (step is None or len(whole) == len(index)):
        return before.step, before.days
    return (step, ()) if step is not None else _told_by(index)


def _told_by(index: Any) -> tuple[Any, tuple[int, ...]]:
    """Frequency of an index that may leave some of its labels out, and the weekdays that these are of, () for all.

    The frequency is None if there is none that is likely. Weekdays that never occur are none of the index.
    """
    if len(index) < FEWEST_LABELS or not index.is_monotonic_increasing or not index.is_unique:
        return None, ()
    whole = _frequency(index)
    if whole is not None:
        return whole, ()
    steps = np.diff(index.asi8)
    if steps.sum() / steps.min() > 2 * MOST_MISSING * WEEK * len(index):  # a range that long is not made
        return None, ()
    starts = range(min(MOST_TRIED, len(index) - FEWEST_LABELS + 1))
    found = {_frequency(index[start : start + FEWEST_LABELS]) for start in starts}
    some = open_days(index)
    frequencies = sorted((frequency for frequency in found if frequency is not None), key=str)
    tried = [(frequency, days) for days in dict.fromkeys([some, ()]) for frequency in frequencies]
    tried += [("D", some)] if some else []  # of days that are never neighbours
    ranges = [(_range(index, *one), one) for one in tried]
    likely = [(len(whole), one) for whole, one in ranges if _likely(whole, index) is not None]
    return min(likely, key=lambda each: (each[0], len(each[1][1])), default=(0, (None, ())))[1]


def _range(index: Any, step: Any, days: tuple[int, ...]) -> Any:
    """From the first to the last label of an index of times."""
    import pandas as pd

    whole = pd.date_range(index[0], index[-1], freq=step, name=index.name).as_unit(index.unit)
    return _on_days(whole, days)


def _on_days(index: Any, days: tuple[int, ...]) -> Any:
    """The labels of an index that are of these weekdays, () for all."""
    if not days:
        return index
    index = index[np.isin(index.day_of_week, days)]
    index.freq = None  # that of all days would be kept by a few labels
    return index


def _clock(index: Any) -> Array:
    """Labels as numbers."""
    return np.asarray(index if kind_of(index) == "numbers" else index.asi8)


def _likely(whole: Any, index: Any) -> Any:
    """The whole index if this one is a part of it, and has most of its labels."""
    fits = len(index) <= len(whole) < MOST_MISSING * len(index) and index.isin(whole).all()
    return whole if fits else None


def _step(index: Any) -> Any:
    """The frequency of an index, as its name where that is all that there is to it."""
    from pandas.tseries.frequencies import to_offset

    if index.freq is None:
        return None
    try:
        return index.freqstr if to_offset(index.freqstr) == index.freq else index.freq
    except ValueError:  # an offset without a name
        return index.freq


def _zone(index: Any) -> Any:
    """The zone of times, as its name where it has one that can be read back."""
    name = str(index.tz)
    return index.tz if index.tz is None or name.startswith("tz") else name


def _frequency(index: Any) -> Any:
    """The frequency that the labels of an index show, as its name where it has one; None if they show none."""
    import pandas as pd

    found = _step(pd.DatetimeIndex(index, freq="infer"))
    if found is None and len(index) >= FEWEST_LABELS and index.tz is None:  # one day of each month
        months = np.diff(np.asarray(index, dtype="datetime64[M]").astype(int))
        if (months == months[0]).all() and months[0] > 0 and (index.day == index.day[0]).all():
            return pd.DateOffset(months=int(months[0]))
    return found
