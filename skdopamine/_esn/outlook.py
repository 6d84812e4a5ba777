"""Where forecasts begin, how far off they may be, and in what they are given back."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from skdopamine._esn import intervals as _intervals
from skdopamine._esn import simple as _simple
from skdopamine._esn import spread as _spread
from skdopamine._esn.base import DopamineESN
from skdopamine._esn.bounds import Range, limits_of
from skdopamine._esn.calendar import Calendar
from skdopamine._esn.frames import Frame
from skdopamine._esn.held import Held
from skdopamine._esn.intervals import Loops
from skdopamine._esn.model import Model
from skdopamine._esn.panel import Panel
from skdopamine._esn.reading import none_taken, windows_taken
from skdopamine._esn.record import Record
from skdopamine._esn.standard import Standard
from skdopamine._esn.stream import Stream
from skdopamine._estimator.caller import users_level
from skdopamine._typing import Array

FEWEST_LOOPS = 2  # side by side, that an interval of a forecast may rest on without a warning


class Origin(NamedTuple):
    """Where a forecast begins, and what it is."""

    model: Model
    centre: Array  # (n_steps, series x channels)
    frame: Frame | Panel  # that it is given back in
    last: Array  # the last rows before, in training units
    which: Array | None  # series of fit (series,), -1 for another; None: as in fit
    absent: Array | None  # which of the last rows' values were missing; None for none
    ages: Array  # of the last rows, as of `Simple.ages`

    @property
    def steps(self) -> Array:
        """How many steps after what was measured each of its values is, as its centre."""
        return _simple.steps_ahead(self.ages, len(self.centre))

    def given_back(self, values: Array, kinds: Sequence[str] | None, arrays: Callable[[Array], Any]) -> Any:
        """Values (n_steps, series x channels, k) in what the series came in.

        In frames each of the k has a column; without `kinds` there is one, the channel itself. `arrays` makes what is
        given back of arrays from those of one series, without an axis for channels if it had none.
        """
        n_series, flat = self.model.form.n_series, self.model.form.flat
        frames = self.frame.frames if isinstance(self.frame, Panel) else (self.frame,)
        told = []
        for frame, part in zip(frames, np.split(values, n_series, axis=1), strict=True):
            if frame.library == "numpy":
                told.append(arrays(part[:, 0] if flat else part))
            else:
                told.append(frame.path(part[..., 0]) if kinds is None else frame.table(part, kinds))
        return self.frame.given_back(told) if isinstance(self.frame, Panel) else told[0]


class Outlook(NamedTuple):
    """A forecast, and how far off such forecasts are."""

    origin: Origin
    unit: Array  # (n_steps or 1, series x channels), of errors
    parts: list[tuple[npt.NDArray[np.intp], Loops]]  # columns, and errors in that unit

    def quantiles(self, shares: Array) -> Array:
        """Quantiles (n_steps, series x channels, k) of the forecast."""
        centre, (low, high), steps = self.origin.centre, self.origin.model.limits, self.origin.steps
        errors = np.empty((*centre.shape, len(shares)))
        for columns, loops in self.parts:
            errors[:, columns] = loops.quantiles(shares, steps[:, columns])
        values = centre[..., None] + errors * self.unit[..., None]
        return np.asarray(np.clip(values, low[..., None], high[..., None]))

    def paths(self, n_paths: int, seed: int) -> Array:
        """Paths (n_steps, series x channels, n_paths) that the rows may take."""
        centre, steps = self.origin.centre, self.origin.steps
        errors = np.empty((n_paths, *centre.shape))
        for columns, loops in self.parts:
            errors[..., columns] = loops.paths(steps[:, columns], n_paths, seed)
        return np.moveaxis(np.clip(centre + errors * self.unit, *self.origin.model.limits), 0, -1)


class OutlookESN(DopamineESN):
    """What forecasts, intervals and paths have in common."""

    def _outlook(self, n_steps: int, X: Any, exog: Any, name: str, given: Any, coverages: Sequence[float]) -> Outlook:
        """The forecast, and errors for intervals of these coverages, which the argument `name` asks for."""
        if not self._model.form.closed:
            raise ValueError("Intervals of forecasts need windows in the order of time, each one row after the last.")
        known, model, stream = self._known(), self._model, self._stream
        coverage, season = max(coverages), max(model.seasons, default=0)
        # where rows to read first stand in the season is not known
        seasonal = _spread.Seasonal.of(known, model.population, season) if season and X is None else None
        needed, loop = _intervals.n_needed(coverage), model.loop(model.bounds(stream.span))
        origin = self._origin(n_steps, X, exog)
        which = np.arange(model.form.n_series) if origin.which is None else origin.which
        parts = Held(known, loop, needed, model.base, seasonal).parts(which, origin.steps)
        for columns, loops in parts:
            _intervals.check_enough(name, given, coverage, loops.n_known)
            self._warn_of_few(int(origin.steps[:, columns].max()) if model.base.lag else n_steps, loops)
        if seasonal is not None:
            begin, unit = np.array([len(known.target) - (not stream.waiting)]), np.empty(origin.centre.shape)
            for columns, loops in parts:
                assert loops.seasonal is not None
                unit[:, columns] = loops.seasonal.at(begin, n_steps)[0]
        else:
            unit = _spread.spreads(origin.model.reader(origin.last, absent=origin.absent), 1)
        return Outlook(origin, unit * origin.model.inputs.unit, parts)

    def _origin(self, n_steps: int, X: Any, exog: Any) -> Origin:
        """The forecast and where it begins; warns where it had to be held."""
        model, stream = self._model, self._stream
        if X is None:
            known = self._exog(exog, none_taken(stream.frame), n_steps, first=False)
            path = stream.path(model, n_steps, known)
            centre = model.restored_path(path, stream.levels)
            origin = Origin(model, centre, stream.frame, stream.history, None, stream.absent, stream.ages)
        elif model.form.is_series:
            stream, path, origin = self._origin_after(n_steps, X, exog)
        else:
            rows, known = self._windows(X), self._exog(exog, windows_taken(0), n_steps, first=False)
            if len(rows) != 1:
                raise ValueError(f"X must be one window, got {len(rows)} rows.")
            scaled = model.scaled(rows)
            path = stream.path_after(model, scaled, n_steps, known)
            centre = model.restored_path(path, stream.levels)
            origin = Origin(model, centre, Frame(), scaled, None, None, stream.ages)
        self._warn_if_clipped(path, origin.model, stream)
        return origin

    def _origin_after(self, n_steps: int, X: Any, exog: Any) -> tuple[Stream, Array, Origin]:
        """A closed loop after the rows of X, the stream whose range it is held in, and the forecast."""
        taken = self._taken(X, first=False)
        known, lag, values = self._exog(exog, taken, n_steps, first=False), self._model.base.lag, taken.values
        n_lags, fewest = 1 + int(self._model.lags.max()) + lag, min(taken.lengths)
        if np.isnan(values).all(axis=0).any():
            raise ValueError("X must have a value in each column, got nan alone.")
        if fewest < n_lags:
            self._warn(
                f"X has {fewest} rows, fewer than the {n_lags} that the readout sees (lags_): the missing ones are "
                "taken to be the mean."
            )
        self._warn_of_gaps((Calendar(),) * len(taken.indexes), taken.indexes)
        lacks = max(0, lag + 1 - len(values))  # rows that differences are taken over; a series begins after them
        values, known = _after_nothing(values, lacks), None if known is None else _after_nothing(known, lacks)
        model, stream, which = self._view_of(values, taken.frame, len(taken.lengths), known)
        before = Stream.before(model, model.scaled(values))._replace(span=stream.span)
        rows = self._bridged(model, before, values, None if known is None else known[: len(values)])
        scaled = model.scaled(rows)
        path = stream.path_after(model, scaled, n_steps, known)
        centre = model.restored_path(path, model.base.levels(rows))
        begun = np.where(np.isnan(rows), 0.0, values)  # rows before a series begins are none that it lacks
        ages = model.base.ages(np.isnan(begun))
        return stream, path, Origin(model, centre, taken.frame, scaled, which, model.absent(begun), ages)

    def _view_of(
        self, values: Array, frame: Frame | Panel, n_series: int, exog: Array | None
    ) -> tuple[Model, Stream, Array | None]:
        """Model and stream for series that need not be those of `fit`, and which of those they are, -1 for none."""
        model, stream, fitted = self._model, self._stream, self._stream.frame
        if not isinstance(frame, Panel) and not isinstance(fitted, Panel):
            return model, stream, None
        if not isinstance(fitted, Panel):
            which = np.zeros(n_series, dtype=np.intp)  # all are as the one of fit
        elif isinstance(frame, Panel) and "list" not in (frame.kind, fitted.kind):
            number = {key: k for k, key in enumerate(fitted.keys)}
            which = np.array([number.get(key, -1) for key in frame.keys], dtype=np.intp)
        else:
            which = np.full(n_series, -1, dtype=np.intp)
        inputs = model.inputs.of_series(which, Standard.of_left(model.base.left(values), values))
        covariates = model.covariates
        if covariates is not None and exog is not None:
            own = Standard.of(model.base.left(exog))
            covariates = covariates._replace(standard=covariates.standard.of_series(which, own), n_series=n_series)
        low, high = limits_of(self.bounds, model.form.n_channels)
        view = model._replace(
            inputs=inputs,
            targets=inputs,
            form=model.form._replace(n_series=n_series, flat=model.form.n_channels == 1),
            limits=(np.tile(low, n_series), np.tile(high, n_series)),
            covariates=covariates,
        )
        span = stream.span.of_series(which, Range.of(view.scaled(values)))
        return view, stream._replace(span=span), which

    # ---- warnings ----------------------------------------------------------------------------------------------------

    def _warn_if_clipped(self, path: Array, model: Model, stream: Stream) -> None:
        low, high = model.bounds(stream.span)
        has_room = low < high
        if not model.base.lag:  # what the user gives is meant to hold
            least, most = model.limits
            low, high = np.where(np.isfinite(least), -np.inf, low), np.where(np.isfinite(most), np.inf, high)
        held = int((((path <= low) | (path >= high)) & has_room).any(axis=1).sum())
        if held:
            changes = "' changes" if model.base.lag else ""
            self._warn(
                f"The forecast left the range of the training rows{changes} too far, and was clipped in {held} of "
                f"{len(path)} steps: the limit is about twice as far as later training rows left that of earlier rows."
            )

    def _warn_of_few(self, n_steps: int, loops: Loops) -> None:
        n_rows = int(np.min(loops.n_rows))
        if n_rows < FEWEST_LOOPS * n_steps:
            self._warn(
                f"An interval {n_steps} steps ahead rests on {n_rows} rows held back, in which fewer than "
                f"{FEWEST_LOOPS} forecasts of this length fit side by side: it may be too narrow or too wide."
            )

    def _warn(self, message: str | None) -> None:
        if message is not None:
            warnings.warn(message, UserWarning, stacklevel=users_level())

    def _warn_of_gaps(self, calendars: Sequence[Calendar], indexes: Sequence[Any]) -> None:
        """Warn of rows that do not follow each other, or those before; once of what several series share."""
        if not self._model.form.is_series:
            return
        faults = [calendar.fault(index) for calendar, index in zip(calendars, indexes, strict=True)]
        for fault in dict.fromkeys(fault for fault in faults if fault is not None):
            self._warn(f"X is read as rows that follow each other and the rows of fit without a gap, but {fault}.")

    def _known(self) -> Record:
        if self._stream.record is None:
            raise ValueError("Intervals need rows that were not learnt from: there are none after one partial_fit.")
        return self._stream.record


def _after_nothing(rows: Array, n: int) -> Array:
    """Rows after so many in which a series has not begun."""
    return np.concatenate([np.full((n, rows.shape[1]), np.nan), rows]) if n else rows
