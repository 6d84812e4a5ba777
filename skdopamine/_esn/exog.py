"""Covariates as users give them: which series they are of, and of which rows."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array

from skdopamine._esn.calendar import kind_of
from skdopamine._esn.frames import Frame, as_rows, library_of
from skdopamine._esn.panel import Panel, divided, is_panel
from skdopamine._typing import Array


def parts_of(exog: Any, frame: Frame | Panel, n_series: int) -> list[Any]:
    """The covariates of each series; one table serves all, and those that have names go by their names."""
    if not is_panel(exog):
        return [exog] * n_series
    panel, parts = divided(exog)
    named = isinstance(frame, Panel) and "list" not in (frame.kind, panel.kind)
    if named and isinstance(frame, Panel):
        known = dict(zip(panel.keys, parts, strict=True))
        if set(known) != set(frame.keys):
            raise ValueError(f"exog must hold the covariates of the series {frame.keys}, got those of {panel.keys}.")
        return [known[key] for key in frame.keys]
    if len(parts) != n_series:
        raise ValueError(f"exog must hold the covariates of {n_series} series, got {len(parts)}.")
    return list(parts)


def labels_ahead(frame: Frame, index: Any, n_more: int) -> Any:
    """Times of rows with this index, if any, and of the rows that follow; None where they are not known."""
    labels = frame.labels
    if labels is None:  # nothing tells how the times go on, but those of X are known
        return index if not n_more and kind_of(index) in ("times", "periods") else None
    if labels.kind == "numbers":
        return None
    ahead = labels.following(n_more) if n_more else None
    if index is None:
        return ahead
    return index if ahead is None else index.append(ahead)


def dtype_of(index: Any) -> str:
    """The dtype of an index, whatever the unit of its times."""
    return re.sub(r"^datetime64\[\w+", "datetime64[ns", str(index.dtype))


def rows_of(exog: Any, n_rows: int, wanted: Any, *, longest: int) -> Array:
    """Checked covariates (n, k) of so many rows, by their times where both are known.

    Of a table that serves the `longest` series, a shorter one has the last rows.
    """
    if wanted is not None and library_of(exog) == "pandas" and kind_of(exog.index) != "numbers":
        if dtype_of(exog.index) != dtype_of(wanted):
            raise ValueError(f"exog must have an index of {dtype_of(wanted)}, as X, got one of {dtype_of(exog.index)}.")
        missing = wanted[~wanted.isin(exog.index)]
        if len(missing) or not exog.index.is_unique:
            told = f"none for {missing[0]}" if len(missing) else "some twice"
            raise ValueError(f"exog must have one row for each of {wanted[0]} to {wanted[-1]}, got {told}.")
        exog = exog.loc[wanted]
    try:
        array = np.asarray(check_array(as_rows(exog), dtype=np.float64, input_name="exog", ensure_min_samples=0))
    except ValueError as error:
        if "exog" in str(error):
            raise
        raise ValueError(f"exog must be a table of numbers: {error}") from error
    return array[len(array) - n_rows :] if len(array) == longest else array


def names_of(exog: Any) -> tuple[str, ...]:
    """Names of covariates, where they came in a frame or in several with the same ones."""
    if exog is None:
        return ()
    parts = divided(exog)[1] if is_panel(exog) else [exog]
    names = {tuple(map(str, part.columns)) if _is_frame(part) else () for part in parts}
    return names.pop() if len(names) == 1 else ()


def _is_frame(part: Any) -> bool:
    return library_of(part) != "numpy" and hasattr(part, "columns")


def check_shapes(arrays: Sequence[Array], n_rows: Sequence[int], n_known: int) -> None:
    """Refuse covariates of another number of rows, or of columns than in fit (0: in this call)."""
    for array, n in zip(arrays, n_rows, strict=True):
        if len(array) != n or array.shape[1] != (n_known or arrays[0].shape[1]):
            raise ValueError(
                f"exog must have {n} rows{f' and {n_known} columns' if n_known else ''}, one row for each of X and "
                f"each ahead, got an array of shape {array.shape}."
            )
