"""Covariates as users give them: which series they are of, and of which rows."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.utils.validation import check_array

from skdopamine._esn.calendar import kind_of
from skdopamine._esn.content import check_content
from skdopamine._esn.frames import Frame, as_rows, library_of
from skdopamine._esn.panel import Panel, divided, is_panel
from skdopamine._typing import Array

BY_POSITION = "give it the index of X, or an array, which goes by position"
NEAR = 1e-6  # that two labels that are numbers may differ by


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


class Wanted(NamedTuple):
    """The rows of one series that covariates are wanted of: its own ones, and those ahead."""

    missing: Array  # (n,) of its rows, which hold no value: their covariates may be missing, too
    had: Array | None  # (n,) which of its rows its index had; None for all
    n_ahead: int
    labels: Any  # of the rows that it had, or of all, and of those ahead; None where these are not known
    index: Any  # of its rows

    @classmethod
    def of(cls, frame: Frame, index: Any, values: Array, had: Array | None, n_ahead: int) -> Self:
        """Of rows with these values (n, channels), and of so many ahead."""
        missing: Any = np.isnan(values).all(axis=1)
        if not values.shape[1]:  # windows
            missing = np.zeros(len(values), dtype=bool)
        ahead = frame.labels.following(n_ahead) if frame.labels is not None and n_ahead else None
        told = frame.labels is not None or not n_ahead
        labels = ahead if index is None else index if ahead is None else index.append(ahead)
        return cls(missing, had, n_ahead, labels if told and kind_of(labels) is not None else None, index)

    @property
    def n_rows(self) -> int:
        return len(self.missing) + self.n_ahead

    def rows(self, exog: Any, *, longest: int) -> Array:
        """Checked covariates (n, k), nan where they are missing as X is.

        Two indexes of pandas go by their labels, all else by position. Of a table that serves the `longest` series, a
        shorter one then has the last rows.
        """
        by_label = library_of(exog) == "pandas" and (self.labels is not None or self._goes_on_irregularly(exog))
        array = _numbers(exog)
        if library_of(exog) == "pandas" and self._is_reordered(exog.index):
            raise ValueError(f"exog must be in the order of X where labels are text, got others: {BY_POSITION}.")
        if by_label:
            array = self._by_label(exog, array)
        elif self.had is not None and len(array) == self.had.sum() + self.n_ahead:  # those of the rows that came
            whole = np.full((self.n_rows, array.shape[1]), np.nan)
            whole[np.concatenate([self.had, np.ones(self.n_ahead, dtype=bool)])] = array
            array = whole
        elif len(array) == longest:
            array = array[len(array) - self.n_rows :]
        lacking: Any = np.isnan(array).any(axis=1)
        lacking[: len(self.missing)] &= ~self.missing[: len(lacking)]
        if len(array) == self.n_rows and lacking.any():
            row = int(lacking.argmax())
            place = f"row {row}" if self.labels is None else f"{self.labels[row]}"
            raise ValueError(f"exog must be known wherever X is, and of the rows ahead, got nan for {place}.")
        return array

    def _is_reordered(self, index: Any) -> bool:
        """Whether an index has the labels of the rows in another order, which labels of text do not tell."""
        if self.index is None or kind_of(self.index) is not None or len(index) < len(self.index):
            return False
        first = index[: len(self.index)]
        return bool(first.isin(self.index).all() and not first.equals(self.index))

    def _goes_on_irregularly(self, exog: Any) -> bool:
        """Whether rows ahead are those that follow in exog, as nothing else tells."""
        return self.index is not None and kind_of(self.index) is not None and kind_of(exog.index) is not None

    def _by_label(self, exog: Any, array: Array) -> Array:
        """Covariates of the wanted labels."""
        labels = self.labels
        if labels is None:
            later = exog.index[exog.index > self.index[-1]].sort_values()
            labels = self.index.append(later[: self.n_ahead])
        own, given = dtype_of(labels), dtype_of(exog.index)
        if own != given:
            raise ValueError(f"exog must have an index of {own}, as X, got one of {given}: {BY_POSITION}.")
        if not exog.index.is_unique:
            raise ValueError(f"exog must have one row for each of {labels[0]} to {labels[-1]}, got some twice.")
        near = {"method": "nearest", "tolerance": NEAR} if own == "numbers" and len(exog) else {}
        order = np.argsort(np.asarray(exog.index))
        place = exog.index[order].get_indexer(labels, **near)
        lacking = (place < 0) | (np.arange(len(place)) >= self.n_rows)
        needed = lacking.copy()
        needed[: len(self.missing)] &= ~self.missing
        if needed.any() or len(labels) < self.n_rows:
            row = labels[int(needed.argmax())] if needed.any() else f"those after {labels[-1]}"
            told = f"got none for {row}: {BY_POSITION}"
            raise ValueError(f"exog must have one row for each of {labels[0]} to {labels[-1]}, {told}.")
        found = np.full((self.n_rows, array.shape[1]), np.nan)
        found[~lacking] = array[order][place[~lacking]]
        return found


def dtype_of(index: Any) -> str:
    """What labels have to have in common: the dtype of times, whatever their unit, and of periods, or "numbers"."""
    kind = kind_of(index)
    return "numbers" if kind == "numbers" else re.sub(r"^datetime64\[\w+", "datetime64[ns", str(index.dtype))


def _numbers(exog: Any) -> Array:
    """Checked values (n, k), nan where they are missing."""
    check_content(exog, "exog")
    options: dict[str, Any] = {"dtype": np.float64, "ensure_all_finite": "allow-nan", "ensure_min_samples": 0}
    try:
        return np.asarray(check_array(_in_any_order(exog), input_name="exog", **options))
    except (TypeError, ValueError) as error:
        if "exog" in str(error):
            raise
        raise ValueError(f"exog must be a table of numbers: {error}") from error


def _in_any_order(exog: Any) -> Any:
    """A table with an axis for columns, whatever the order of its index."""
    return as_rows(exog.reset_index(drop=True) if library_of(exog) == "pandas" else exog)


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
