"""What is no number, refused by name before anything is read: text, dates, entries of different lengths."""

from datetime import date, time, timedelta
from typing import Any

import numpy as np

from skdopamine._esn.frames import library_of
from skdopamine._estimator.validation import plain

STRANGE = (str, bytes, date, time, timedelta, np.datetime64, np.timedelta64)  # what numpy may read as a number
MANY = "many series are a list of arrays, Series or frames alone, or a dict"
LONG = ("unique_id", "ds")  # columns of a long frame: which series, and when
FEWEST_ROWS = 4  # that a series of a list has, as rows of one array have as many channels


def check_content(series: Any, name: str, of: str = "") -> None:
    """Refuse a series, or a table, of the argument `name` that holds anything but numbers; `of` says where it is."""
    library = library_of(series)
    if library != "numpy" and hasattr(series, "columns"):
        _check_columns(series, name, of, library)
        return
    if series is None or isinstance(series, str | bytes):
        raise ValueError(f"{name} must be rows of numbers, got {series!r}{of}.")
    if of and not hasattr(series, "__len__"):
        raise ValueError(f"{name} must be rows of numbers, got {plain(series)!r}{of}.")
    strange = (
        _strange_dtype(series, library) if hasattr(series, "dtype") else _first_strange(_as_array(series, name, of))
    )
    if strange is not None:
        raise ValueError(f"{name} must be numbers, got {strange}{of}.")


def check_list(series: Any, *, first: bool) -> None:
    """Refuse a list that is neither one array nor many series, or that of the `first` rows, rows of one array."""
    arrays = [isinstance(entry, np.ndarray) or library_of(entry) != "numpy" for entry in series]
    if any(arrays) and not all(arrays) and any(isinstance(entry, list | tuple) for entry in series):
        kinds = sorted({type(entry).__name__ for entry in series})
        raise ValueError(f"X must be one array or many series, got a list of {kinds}: {MANY}.")
    rows = [len(entry) for entry in series if isinstance(entry, np.ndarray) and entry.ndim == 1]
    if first and len(rows) == len(series) > max(rows, default=0) and max(rows, default=0) < FEWEST_ROWS:
        raise ValueError(
            f"X holds {len(rows)} series of at most {max(rows)} rows, too few to learn from: a list of arrays is many "
            "series, and np.array(X) one array of these rows."
        )


def _check_columns(table: Any, name: str, of: str, library: str) -> None:
    parts = table.iter_columns() if library == "polars" else (table.iloc[:, k] for k in range(table.shape[1]))
    found = [(column, _strange_dtype(part, library)) for column, part in zip(table.columns, parts, strict=True)]
    wrong = [(column, kind) for column, kind in found if kind is not None]
    if not wrong:
        return
    columns, kinds = [column for column, _ in wrong], sorted({kind for _, kind in wrong})
    cure = f"make dates the index, and leave the rest out; columns {LONG} tell of many series"
    if library == "polars":
        cure = "leave these out, as frames of polars have no index"
    raise ValueError(f"{name} must be numbers, got {' and '.join(kinds)} in {columns}{of}: {cure}.")


def _strange_dtype(part: Any, library: str) -> str | None:
    """What a column holds that is no number, None for numbers."""
    if library == "polars":
        dtype = part.dtype
        if dtype.is_temporal():
            return "dates"
        return None if dtype.is_numeric() or str(dtype) in ("Boolean", "Null") else str(dtype)
    if library == "numpy" and not isinstance(part.dtype, np.dtype):  # an array of another library, such as torch
        part = np.asarray(part)
    kind, told = getattr(part.dtype, "kind", "O"), str(part.dtype)
    if kind in "biufc":
        return None
    if kind == "M":
        return "dates"
    return _first_strange(np.asarray(part)) if told == "object" or kind in "US" else told


def _first_strange(values: Any) -> str | None:
    """The first of the values that is no number, as text."""
    if values.dtype.kind in "biufc":
        return None
    for value in values.ravel().tolist() if values.dtype.kind == "O" else values.ravel()[:1]:
        if isinstance(value, STRANGE) or type(value).__name__ in ("Period", "NaTType"):
            return repr(plain(value))
    return None


def _as_array(series: Any, name: str, of: str) -> Any:
    try:
        return np.asarray(series)
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        raise ValueError(f"{name} must be rows of one length, got others{of}: {MANY}.") from error
