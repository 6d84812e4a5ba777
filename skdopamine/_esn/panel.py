"""Many series as users keep them: a list, a dict, or one frame of pandas; and the same container back."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from skdopamine._esn.content import LONG
from skdopamine._esn.frames import Frame, library_of
from skdopamine._typing import Array


class Panel(NamedTuple):
    """What many series came in."""

    kind: str  # "list", "dict", "index" (a frame whose index is of series and time), "long", or "polars" for a long one
    keys: tuple[Any, ...]
    frames: tuple[Frame, ...]
    names: tuple[Any, ...] = ()  # of the levels of an index
    types: tuple[Any, ...] = ()  # of these, in polars

    def with_frames(self, parts: Sequence[Any], before: "Panel | None") -> "Panel":
        """With what each series is; an index that does not tell its step has that of the rows before, or of another."""
        known = before.frames if before is not None and before.keys == self.keys else (None,) * len(parts)
        frames = [Frame.of(part, own) for part, own in zip(parts, known, strict=True)]
        telling = next((frame for frame in frames if frame.labels is not None), None)
        frames = [
            Frame.of(part, telling) if frame.labels is None else frame
            for frame, part in zip(frames, parts, strict=True)
        ]
        return self._replace(frames=tuple(frames))

    def given_back(self, results: Iterable[Any]) -> Any:
        """What has been computed of each series, in the container that the series came in."""
        results = list(results)
        if self.kind == "list":
            return results
        if self.kind == "dict":
            return dict(zip(self.keys, results, strict=True))
        import pandas as pd

        whole = pd.concat(results, keys=list(self.keys), names=list(self.names))
        if self.kind == "polars":
            return _in_polars(whole.reset_index(), dict(zip(self.names, self.types, strict=True)))
        return whole.reset_index() if self.kind == "long" else whole

    def arrays_back(self, results: Iterable[Any]) -> Any:
        """Arrays that have been computed of each series: a list, or a dict where series have names."""
        return list(results) if self.kind == "list" else dict(zip(self.keys, results, strict=True))


def is_panel(series: Any) -> bool:
    """Whether these are many series, and not one."""
    if isinstance(series, list | tuple):
        return bool(series) and all(_is_series(entry) for entry in series)
    library = library_of(series)
    if library == "polars":
        return set(LONG) <= set(getattr(series, "columns", ()))
    if library != "pandas":
        return isinstance(series, Mapping)
    return series.index.nlevels == 2 or (series.ndim == 2 and set(LONG) <= set(series.columns))


def divided(series: Any) -> tuple[Panel, list[Any]]:
    """The container of many series, and each of them."""
    if library_of(series) == "polars":
        panel, parts = divided(_in_pandas(series))
        return panel._replace(kind="polars", types=tuple(series.schema[name] for name in LONG)), parts
    if library_of(series) == "pandas":
        kind = "index"
        if series.index.nlevels != 2:
            kind, series = "long", series.set_index(list(LONG))
        if series.index.get_level_values(0).isna().any():
            raise ValueError("X must name the series of each row, got rows whose name is missing.")
        if series.ndim == 2 and not series.shape[1]:
            raise ValueError("X must have a column of values beside the names and times of its rows, got none.")
        groups = list(series.groupby(level=0, sort=False, observed=True))
        keys, parts = tuple(key for key, _ in groups), [group.droplevel(0) for _, group in groups]
        names = tuple(series.index.names)
    else:
        kind, names = ("dict", ()) if isinstance(series, Mapping) else ("list", ())
        keys, parts = (
            (tuple(series), list(series.values())) if kind == "dict" else (tuple(range(len(series))), list(series))
        )
    if not parts:
        raise ValueError(f"X must hold at least one series, got an empty {type(series).__name__}.")
    return Panel(kind, keys, tuple(Frame.of(part) for part in parts), names), parts


def _in_pandas(long: Any) -> Any:
    """A long frame of polars as one of pandas, which has indexes for its times."""
    try:
        import pandas as pd
    except ImportError as error:
        message = f"X must be a frame of pandas to hold series in long columns, {LONG}, where pandas is not installed"
        raise ValueError(f"{message}, got one of polars.") from error

    columns = {name: long.get_column(name).to_numpy() for name in long.columns}
    columns[LONG[0]] = long.get_column(LONG[0]).to_list()
    zone = getattr(long.schema[LONG[1]], "time_zone", None)
    if zone is not None:
        columns[LONG[1]] = pd.DatetimeIndex(columns[LONG[1]], tz="UTC").tz_convert(zone)
    return pd.DataFrame(columns)


def _in_polars(whole: Any, types: dict[Any, Any]) -> Any:
    """A frame of pandas as one of polars, names of series and times in their types if these were told."""
    import polars as pl

    columns = []
    for name in whole.columns:
        values, dtype = whole[name], cast(Any, types.get(name))
        zone = getattr(values.dtype, "tz", None)
        array = (values if zone is None else values.dt.tz_convert(None)).to_numpy()
        if array.dtype.kind == "M":
            array = array.astype("datetime64[ns]")  # polars knows no seconds
        own = pl.Series(str(name), array.tolist() if array.dtype == object else array)
        if zone is not None:
            own = own.dt.replace_time_zone("UTC")
        if dtype is not None and dtype.is_temporal() == own.dtype.is_temporal():
            own = own.cast(dtype)
        columns.append(own)
    return pl.DataFrame(columns)


def side_by_side(parts: list[Array]) -> Array:
    """Series (n, channels) of any lengths as one array (longest, series x channels), nan before a series begins."""
    longest, n_channels = max(len(part) for part in parts), parts[0].shape[1]
    wide = np.full((longest, len(parts), n_channels), np.nan)
    for k, part in enumerate(parts):
        wide[longest - len(part) :, k] = part
    return wide.reshape(longest, -1)


def _is_series(entry: Any) -> bool:
    return library_of(entry) != "numpy" or (isinstance(entry, np.ndarray) and entry.ndim in (1, 2))
