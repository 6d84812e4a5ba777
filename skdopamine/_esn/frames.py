"""Series as users keep them: arrays, or Series and frames of pandas and polars, which forecasts are given back in."""

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from skdopamine._esn.calendar import check_index
from skdopamine._typing import Array

FEWEST_LABELS = 3  # that pandas tells a frequency from


class Labels(NamedTuple):
    """The last label of an index and how it goes on, in plain types that can be stored."""

    kind: str  # "times", "periods" or "numbers"
    last: Array  # (1,): a time in universal time, the number of a period, a number
    step: Any  # a frequency of pandas, or what two numbers are apart
    zone: str | None
    name: Any

    @classmethod
    def of(cls, index: Any, before: Self | None) -> Self | None:
        """Of the last row with this index; None if it does not tell how it goes on, and the rows before did not."""
        if not len(index) or index.nlevels > 1:
            return None
        dtype, kinds = str(index.dtype), {"datetime64": "times", "period": "periods", "int": "numbers"}
        kind = next((kind for start, kind in kinds.items() if dtype.startswith(start)), "numbers")
        step = before.step if before is not None and before.kind == kind else None
        if kind == "periods":
            return cls(kind, np.array([index[-1].ordinal]), index.freqstr, None, index.name)
        if kind == "times":
            told = index.freqstr or (_frequency(index) if len(index) >= FEWEST_LABELS else step)
            last = index[-1:] if index.tz is None else index[-1:].tz_convert(None)
            zone = None if index.tz is None else str(index.tz)
            return None if told is None else cls(kind, np.asarray(last), told, zone, index.name)
        if not dtype.startswith(("int", "uint", "float")):
            return None
        steps = np.diff(np.asarray(index))
        if len(steps):
            step = steps[0].item() if np.allclose(steps, steps[0]) else None
        elif step is None:
            step = 1
        return None if step is None else cls(kind, np.asarray(index[-1:]), step, None, index.name)

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
        ahead = pd.date_range(last[0], periods=n + 1, freq=self.step, name=self.name).as_unit(last.unit)
        return ahead[ahead > last[0]][:n]


class Frame(NamedTuple):
    """What a series came in."""

    library: str = "numpy"
    flat: bool = False  # whether it had no axis for channels
    names: tuple[Any, ...] = ()  # of the channels
    labels: Labels | None = None  # None: nothing tells how they go on

    @classmethod
    def of(cls, series: Any, before: "Frame | None" = None) -> "Frame":
        """Of a series; `before` is what the rows before came in."""
        library = _library(series)
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
    if _library(series) == "numpy":
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


def _library(series: Any) -> str:
    """Where a series comes from, without importing what its user has not imported."""
    for name in ("pandas", "polars"):
        library = sys.modules.get(name)
        if library is not None and isinstance(series, library.Series | library.DataFrame):
            return name
    return "numpy"


def _frequency(index: Any) -> str | None:
    import pandas as pd

    frequency: str | None = pd.infer_freq(index)
    return frequency
