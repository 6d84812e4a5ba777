"""Rows as a user gives them, checked: one series or many, arrays or frames, with gaps and covariates."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, check_consistent_length, validate_data

from skdopamine._esn.bounds import limits_of
from skdopamine._esn.content import check_content, check_list
from skdopamine._esn.exog import Wanted, check_shapes, names_of, parts_of
from skdopamine._esn.fitted import FittedESN
from skdopamine._esn.frames import Frame, as_rows, completed, continued, library_of
from skdopamine._esn.gaps import bridged, held, missing
from skdopamine._esn.model import Form, Model
from skdopamine._esn.panel import Panel, divided, is_panel, side_by_side
from skdopamine._esn.rows import Rows, Taken
from skdopamine._esn.stream import Stream
from skdopamine._esn.wild import tamed_data
from skdopamine._estimator.callbacks import CallbackSupportMixin
from skdopamine._estimator.validation import check_in_memory, check_numbers
from skdopamine._typing import Array


class Reading(CallbackSupportMixin, FittedESN):
    """What a forecaster makes of what it is given."""

    stateful: bool
    n_channels: int
    bounds: Any

    # ---- rows to learn from ------------------------------------------------------------------------------------------

    def _given(self, X: Any, y: Any, exog: Any, *, first: bool) -> Rows:
        """Checked rows to learn from, the first ones or further ones; what is missing has a value all the same."""
        check_in_memory(X=X, y=y, exog=exog)
        is_series = bool(self.stateful) if first else self._model.form.is_series
        if y is None and not is_series:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is None: without y, "
                "the rows of X are one series only with stateful=True."
            )
        read = self._series_given if is_series else self._windows_given
        rows = read(X, y, exog, first=first)
        if not first:
            self._check_further(rows, alone=y is None)
        elif y is not None:
            form, target = rows.form, rows.targets
            latest = rows.inputs if is_series else rows.inputs[:, -1]
            fits = target.shape[1] >= form.n_channels and len(target) > 1
            closed = fits and form.follows(latest, target)
            rows = rows._replace(form=form._replace(closed=closed, feeds=closed or (fits and not is_series)))
        limits_of(self.bounds, rows.form.n_channels)
        return self._with_values(self._tamed(rows) if first else rows, first=first)

    def _windows_given(self, X: Any, y: Any, exog: Any, *, first: bool) -> Rows:
        check_content(X, "X")
        check_numbers(y)
        fewest = 2 if first else 1
        options: dict[str, Any] = {"dtype": np.float64, "order": "C", "reset": first, "ensure_min_samples": fewest}
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, **options)
        flat, target = np.ndim(y) == 1, np.asarray(y, dtype=np.float64).reshape(len(y), -1)
        form = Form(False, False, False, flat, int(self.n_channels)) if first else self._model.form
        inputs = form.shaped(X)
        known = self._exog(exog, windows_taken(len(X)), 0, first=first)
        if first and known is not None:
            form = form._replace(n_covariates=known.shape[1])
        return Rows(inputs, target, inputs, form, known, names=names_of(exog))

    def _series_given(self, X: Any, y: Any, exog: Any, *, first: bool) -> Rows:
        taken = self._taken(X, first=first, follows=not first, ensure_min_samples=2 if first else 1)
        values, n_series, alone = taken.values, len(taken.lengths), y is None
        n_channels = values.shape[1] // n_series
        form = Form(True, alone, alone, alone and n_channels == 1, n_channels, n_series)
        target = None
        if not alone:
            if n_series > 1 or isinstance(taken.frame, Panel):
                raise ValueError("y must be None for many series, whose targets are their next rows.")
            if exog is not None:
                raise ValueError("y must be None with exog and stateful=True: covariates are those of the next rows.")
            target = _targets(y, taken.had[0], len(values))
            form = form._replace(flat=np.ndim(y) == 1)
        if not first:
            form = self._model.form
            self._check_same_series(taken)
        known = self._exog(exog, taken, 0, first=first)
        if first and known is not None:
            form = form._replace(n_covariates=known.shape[1] // n_series)
        return Rows(values, target, values, form, known, taken.frame, taken, names=names_of(exog))

    def _windows(self, X: Any) -> Array:
        """Checked windows (n, n_lags, channels)."""
        check_in_memory(X=X)
        check_content(X, "X")
        return self._model.form.shaped(validate_data(self, X, dtype=np.float64, reset=False))

    def _taken(self, X: Any, *, first: bool, follows: bool = False, **options: Any) -> Taken:
        """Checked series; what their indexes leave out is missing, also between the rows before and these."""
        check_in_memory(X=X)
        before = None if first else self._stream.frame
        if isinstance(X, list | tuple):
            check_list(X, first=first)
        panel, parts = divided(X) if is_panel(X) else (None, [X])
        known: Sequence[Frame | None] = before.frames if isinstance(before, Panel) else (before,)
        none = [key for key, part in zip(panel.keys if panel else (), parts, strict=False) if part is None]
        if none:
            raise ValueError(f"X must hold rows of each series, got None for {none[0]!r}.")
        for part, key in zip(parts, panel.keys if panel else ("",), strict=True):
            check_in_memory(X=part)
            check_content(part, "X", "" if panel is None else f" in the series {key!r}")
        if len(known) != len(parts):
            known = (None,) * len(parts)
        whole = [(continued if follows else completed)(part, own) for part, own in zip(parts, known, strict=True)]
        parts, had = [part for part, _ in whole], tuple(kept for _, kept in whole)
        frame: Frame | Panel
        if panel is None:
            frame = Frame.of(parts[0], before if isinstance(before, Frame) else None)
        else:
            frame = panel.with_frames(parts, before if isinstance(before, Panel) else None)
        indexes = tuple(part.index if library_of(part) == "pandas" else None for part in parts)
        parts = [as_rows(part) for part in parts]
        options |= {"dtype": np.float64, "order": "C", "ensure_all_finite": "allow-nan"}
        values = validate_data(self, _together(parts), reset=first, **options)
        lengths = tuple(len(part) for part in parts)
        split = np.split(values, np.cumsum(lengths)[:-1])
        return Taken(side_by_side(split), frame, lengths, had, indexes)

    def _tamed(self, rows: Rows) -> Rows:
        """Rows without values that would set the units alone."""
        empty = np.isnan(rows.inputs.reshape(-1, rows.inputs.shape[-1])).all(axis=0)
        if empty.any():
            raise ValueError(
                f"X must have a value in each column, got nan alone in {_column(rows, int(empty.argmax()))}."
            )
        inputs, target, told = tamed_data(rows.inputs, rows.targets)
        if told is None:
            return rows
        return rows._replace(inputs=inputs, given=inputs, target=None if rows.target is None else target, told=told)

    def _with_values(self, rows: Rows, *, first: bool) -> Rows:
        """With a value for what is missing: what the rows around say, or what the model forecasts."""
        form = rows.form
        if not form.is_series or not np.isnan(rows.inputs).any():
            return rows
        absent = missing(rows.inputs, form.n_series, begun=form.n_series == 1)
        if first:
            if not absent.any():
                return rows
            inputs = held(rows.inputs, absent)
        else:
            inputs = self._bridged(self._model, self._stream, rows.inputs, rows.exog, begun=True)
        return rows._replace(inputs=inputs, has_gaps=True)

    def _bridged(self, model: Model, stream: Stream, given: Array, exog: Array | None, *, begun: bool = False) -> Array:
        """Rows that follow those of the stream, with forecasts in place of what is missing."""
        absent = missing(given, model.form.n_series, begun=begun)
        if not absent.any():
            return given
        filled = held(given, absent, stream.last_row(model) if stream.has_rows else None)
        return bridged(model, stream, filled, absent, exog) if model.form.closed else filled

    def _check_same_series(self, taken: Taken) -> None:
        """Refuse rows of other series than those of `fit`."""
        frame, known, n_series = taken.frame, self._stream.frame, self._model.form.n_series
        if len(taken.lengths) != n_series or isinstance(frame, Panel) != isinstance(known, Panel):
            raise ValueError(f"X must hold the {n_series} series of fit, got {len(taken.lengths)}.")
        if isinstance(frame, Panel) and isinstance(known, Panel) and frame.keys != known.keys:
            raise ValueError(f"X must hold the series of fit, in that order, {known.keys}, got {frame.keys}.")
        fewest, most = min(taken.lengths), max(taken.lengths)
        if fewest < most:
            raise ValueError(f"X must have equally many rows of each series, got {fewest} to {most}.")

    def _check_further(self, rows: Rows, *, alone: bool) -> None:
        """Whether these rows can follow those of `fit`; `alone`: without targets of their own."""
        form, n_outputs = self._model.form, self._model.readout.shape[1]
        if alone and not (form.closed and n_outputs == form.n_channels):
            raise ValueError("y must be given, as in fit: the targets were not the next rows of X, got None.")
        if alone:
            return
        if rows.targets.shape[1] != n_outputs:
            raise ValueError(f"y must have {n_outputs} columns, as in fit, got {rows.targets.shape[1]}.")
        if form.is_series and form.closed and not form.follows(rows.inputs, rows.targets):
            raise ValueError("y must hold the rows after those of X, as in fit, got others.")

    # ---- covariates --------------------------------------------------------------------------------------------------

    def _exog(self, exog: Any, taken: Taken, n_more: int, *, first: bool) -> Array | None:
        """Covariates (rows, series x k) of the rows of each series and of `n_more` after them."""
        n_known = 0 if first else self._model.form.n_covariates
        n_rows = [length + n_more for length in taken.lengths]
        if exog is None:
            if n_known:
                got = f"{n_known} covariates of {max(n_rows)} rows, got None"
                raise ValueError(f"exog must be given, as in fit: {got}.")
            return None
        if not first and not n_known:
            raise ValueError("exog must not be given, as fit had no covariates.")
        longest = -1 if is_panel(exog) else max(n_rows)
        parts = parts_of(exog, taken.frame, len(n_rows))
        for part in parts:
            check_in_memory(exog=part)
        arrays = [each.rows(part, longest=longest) for each, part in zip(_wanted(taken, n_more), parts, strict=True)]
        check_shapes(arrays, n_rows, n_known)
        names, known = names_of(exog), () if first or self._model.covariates is None else self._model.covariates.names
        if names and known and names != known:
            raise ValueError(f"exog must have the columns of fit, {known}, got {names}.")
        return side_by_side(arrays)


def _wanted(taken: Taken, n_more: int) -> list[Wanted]:
    """The rows of each series that covariates are wanted of, with so many ahead."""
    frames = taken.frame.frames if isinstance(taken.frame, Panel) else (taken.frame,)
    values = np.split(taken.values, len(taken.lengths), axis=1)
    parts = zip(frames, taken.indexes, values, taken.lengths, taken.had, strict=True)
    return [Wanted.of(frame, index, own[len(own) - length :], had, n_more) for frame, index, own, length, had in parts]


def windows_taken(n_rows: int) -> Taken:
    """So many windows, as if they were a series."""
    return Taken(np.empty((n_rows, 0)), Frame(), (n_rows,), (None,), (None,))


def none_taken(frame: Frame | Panel) -> Taken:
    """No rows of series."""
    n_series = len(frame.frames) if isinstance(frame, Panel) else 1
    return Taken(np.empty((0, 0)), frame, (0,) * n_series, (None,) * n_series, (None,) * n_series)


def _column(rows: Rows, column: int) -> str:
    """What a column of the rows is called in messages."""
    if isinstance(rows.frame, Panel):
        return f"the series {rows.frame.keys[column // rows.form.n_channels]!r}"
    return f"column {column}"


def _together(parts: Sequence[Any]) -> Any:
    """Rows of all series one after the other, a frame where all are frames, whose columns have to be the same."""
    if len(parts) == 1:
        return parts[0]
    if all(hasattr(part, "columns") for part in parts):
        columns = [list(frame.columns) for frame in parts]
        same = all(own == columns[0] for own in columns)
        if same and all(library_of(part) == "pandas" for part in parts):
            import pandas as pd

            return pd.concat(parts, ignore_index=True)
        if not same and len(columns[0]) > 1:
            raise ValueError(f"X must have the same columns in each series, got {sorted(map(str, columns))}.")
    arrays = [np.asarray(part, dtype=np.float64) for part in parts]
    if len({array.shape[1:] for array in arrays}) > 1:
        raise ValueError(
            f"X must have equally many columns in each series, got {sorted({a.shape[1] for a in arrays})}."
        )
    return np.concatenate(arrays)


def _targets(y: Any, had: Array | None, n_rows: int) -> Array:
    """Targets (n, targets) of a series, nan where they are not known and in rows that its index had left out."""
    check_numbers(y)
    target = np.asarray(
        check_array(y, ensure_2d=False, dtype=np.float64, ensure_all_finite="allow-nan", input_name="y")
    )
    target = target.reshape(len(target), -1)
    if had is None:
        check_consistent_length(np.empty(n_rows), target)
        return target
    check_consistent_length(np.empty(int(had.sum())), target)
    whole = np.full((n_rows, target.shape[1]), np.nan)
    whole[had] = target
    return whole
