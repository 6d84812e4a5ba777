"""Rows as a user gives them, checked: one series or many, arrays or frames, with gaps and covariates."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, check_consistent_length, validate_data

from skdopamine._esn.bounds import limits_of
from skdopamine._esn.frames import Frame, as_rows, completed, library_of
from skdopamine._esn.gaps import bridged, held, interpolated, missing
from skdopamine._esn.model import Form, Model
from skdopamine._esn.panel import Panel, divided, is_panel, side_by_side
from skdopamine._esn.rows import Rows
from skdopamine._esn.stream import Stream
from skdopamine._esn.wild import tamed_data
from skdopamine._estimator.base import DopamineEstimator
from skdopamine._estimator.callbacks import CallbackSupportMixin
from skdopamine._estimator.validation import check_numbers
from skdopamine._typing import Array


class Reading(CallbackSupportMixin, DopamineEstimator):
    """What a forecaster makes of what it is given."""

    stateful: bool
    n_channels: int
    bounds: Any
    _model: Model
    _stream: Stream

    # ---- rows to learn from ------------------------------------------------------------------------------------------

    def _given(self, X: Any, y: Any, exog: Any, *, first: bool) -> Rows:
        """Checked rows to learn from, the first ones or further ones; what is missing has a value all the same."""
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
        check_numbers(y)
        fewest = 2 if first else 1
        options: dict[str, Any] = {"dtype": np.float64, "order": "C", "reset": first, "ensure_min_samples": fewest}
        X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, **options)
        flat, target = np.ndim(y) == 1, np.asarray(y, dtype=np.float64).reshape(len(y), -1)
        form = Form(False, False, False, flat, int(self.n_channels)) if first else self._model.form
        inputs = form.shaped(X)
        known = self._exog(exog, [len(X)], 0, first=first)
        if first and known is not None:
            form = form._replace(n_covariates=known.shape[1])
        return Rows(inputs, target, inputs, form, known, names=_names(exog))

    def _series_given(self, X: Any, y: Any, exog: Any, *, first: bool) -> Rows:
        values, frame, lengths, had, index = self._series(X, first=first, ensure_min_samples=2 if first else 1)
        n_series, alone = len(lengths), y is None
        n_channels = values.shape[1] // n_series
        form = Form(True, alone, alone, alone and n_channels == 1, n_channels, n_series)
        target = None
        if not alone:
            if n_series > 1 or isinstance(frame, Panel):
                raise ValueError("y must be None for many series, whose targets are their next rows.")
            if exog is not None:
                raise ValueError("y must be None with exog and stateful=True: covariates are those of the next rows.")
            target = _targets(y, had, len(values))
            form = form._replace(flat=np.ndim(y) == 1)
        if not first:
            form = self._model.form
            self._check_same_series(frame, n_series, lengths)
        known = self._exog(exog, lengths, 0, first=first)
        if first and known is not None:
            form = form._replace(n_covariates=known.shape[1] // n_series)
        return Rows(values, target, values, form, known, frame, index, names=_names(exog))

    def _windows(self, X: Any) -> Array:
        """Checked windows (n, n_lags, channels)."""
        return self._model.form.shaped(validate_data(self, X, dtype=np.float64, reset=False))

    def _series(
        self, X: Any, *, first: bool, **options: Any
    ) -> tuple[Array, Frame | Panel, list[int], Array | None, Any]:
        """Values (n, series x channels) side by side, what they came in, and how many rows each series has.

        Values are nan where they are missing or a series has not begun. Also return which rows a series had before its
        index was completed, and that index.
        """
        panel, had = None, None
        if is_panel(X):
            panel, parts = divided(X)
            parts = [completed(part)[0] for part in parts]
            panel = panel._replace(frames=tuple(Frame.of(part) for part in parts))
        else:
            X, had = completed(X)
            parts = [X]
        before = None if first else self._stream.frame
        frame = Frame.of(X, before if isinstance(before, Frame) else None) if panel is None else panel
        parts = [as_rows(part) for part in parts]
        options |= {"dtype": np.float64, "order": "C", "ensure_all_finite": "allow-nan"}
        values = validate_data(self, _together(parts), reset=first, **options)
        lengths = [len(part) for part in parts]
        parts = np.split(values, np.cumsum(lengths)[:-1])
        index = getattr(X, "index", None) if panel is None else None
        return side_by_side(parts), frame, lengths, had, index

    def _tamed(self, rows: Rows) -> Rows:
        """Rows without values that would set the units alone."""
        empty = np.isnan(rows.inputs.reshape(-1, rows.inputs.shape[-1])).all(axis=0)
        if empty.any():
            raise ValueError(f"X must have a value in each column, got nan alone in column {int(empty.argmax())}.")
        inputs, target, told = tamed_data(rows.inputs, rows.targets)
        if told is None:
            return rows
        return rows._replace(inputs=inputs, given=inputs, target=None if rows.target is None else target, told=told)

    def _with_values(self, rows: Rows, *, first: bool) -> Rows:
        """With a value for what is missing: what the rows around say, or what the model forecasts."""
        form = rows.form
        if not form.is_series or not np.isnan(rows.inputs).any():
            return rows
        absent = missing(rows.inputs, form.n_series)
        if first:
            if not absent.any():
                return rows
            inputs = interpolated(rows.inputs, absent) if form.closed else held(rows.inputs)
        else:
            inputs = self._bridged(self._model, self._stream, rows.inputs, rows.exog)
        return rows._replace(inputs=inputs, has_gaps=True)

    def _bridged(self, model: Model, stream: Stream, given: Array, exog: Array | None) -> Array:
        """Rows that follow those of the stream, with forecasts in place of what is missing."""
        absent = missing(given, model.form.n_series)
        if not absent.any():
            return given
        filled = held(given, stream.last_row(model) if stream.has_rows else None)
        return bridged(model, stream, filled, absent, exog) if model.form.closed else filled

    def _check_same_series(self, frame: Frame | Panel, n_series: int, lengths: Sequence[int]) -> None:
        """Refuse rows of other series than those of `fit`."""
        known = self._stream.frame
        if n_series != self._model.form.n_series or isinstance(frame, Panel) != isinstance(known, Panel):
            raise ValueError(f"X must hold the {self._model.form.n_series} series of fit, got {n_series}.")
        if isinstance(frame, Panel) and isinstance(known, Panel) and frame.keys != known.keys:
            raise ValueError(f"X must hold the series of fit, in that order, {known.keys}, got {frame.keys}.")
        if min(lengths) < max(lengths):
            raise ValueError(f"X must have as many rows of each series, got {min(lengths)} to {max(lengths)}.")

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

    def _exog(self, exog: Any, lengths: Sequence[int], n_more: int, *, first: bool) -> Array | None:
        """Covariates (rows, series x k) of so many rows of each series and `n_more` after them."""
        n_known = 0 if first else self._model.form.n_covariates
        n_rows = [length + n_more for length in lengths]
        if exog is None:
            if n_known:
                raise ValueError(
                    f"exog must be given, as in fit: {n_known} covariates of {max(n_rows)} rows, got None."
                )
            return None
        if not first and not n_known:
            raise ValueError("exog must not be given, as fit had no covariates.")
        if is_panel(exog):
            parts = [_covariates(part) for part in divided(exog)[1]]
        else:  # those of the longest series serve all
            whole = _covariates(exog)
            parts = [whole[len(whole) - n :] if len(whole) == max(n_rows) else whole for n in n_rows]
        if len(parts) != len(lengths):
            raise ValueError(f"exog must hold the covariates of {len(lengths)} series, got {len(parts)}.")
        for part, n in zip(parts, n_rows, strict=True):
            if len(part) != n or part.shape[1] != (n_known or parts[0].shape[1]):
                raise ValueError(
                    f"exog must have {n} rows{f' and {n_known} columns' if n_known else ''}, one row for each of X and "
                    f"each ahead, got an array of shape {part.shape}."
                )
        names = _names(exog)
        if (
            not first
            and names
            and self._model.covariates is not None
            and self._model.covariates.names not in ((), names)
        ):
            raise ValueError(f"exog must have the columns of fit, {self._model.covariates.names}, got {names}.")
        return side_by_side(parts)


def _covariates(exog: Any) -> Array:
    """Checked covariates (n, k)."""
    return np.asarray(check_array(as_rows(exog), dtype=np.float64, input_name="exog", ensure_min_samples=0))


def _names(exog: Any) -> tuple[str, ...]:
    """Names of covariates, where they came in a frame or in several with the same ones."""
    parts = divided(exog)[1] if is_panel(exog) else [exog]
    names = {
        tuple(map(str, part.columns)) if library_of(part) != "numpy" and hasattr(part, "columns") else ()
        for part in parts
    }
    return names.pop() if len(names) == 1 else ()


def _together(parts: Sequence[Any]) -> Any:
    """Rows of all series one after the other, a frame where all are frames with the same columns."""
    if len(parts) == 1:
        return parts[0]
    if all(library_of(part) == "pandas" and list(part.columns) == list(parts[0].columns) for part in parts):
        import pandas as pd

        return pd.concat(list(parts), ignore_index=True)
    arrays = [np.asarray(part, dtype=np.float64) for part in parts]
    if len({array.shape[1:] for array in arrays}) > 1:
        raise ValueError(f"X must have as many columns in each series, got {sorted({a.shape[1] for a in arrays})}.")
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
