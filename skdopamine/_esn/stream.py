"""Where a forecaster stands in its series, and what it has seen of that series."""

from typing import NamedTuple

import numpy as np

from skdopamine._esn import record as _record
from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.bounds import Range
from skdopamine._esn.calendar import Calendar, extended
from skdopamine._esn.forecast import learn, weighted
from skdopamine._esn.frames import Frame
from skdopamine._esn.model import Model
from skdopamine._esn.panel import Panel
from skdopamine._esn.reader import Reader, SeriesReader, predicted
from skdopamine._esn.record import Judge, Record
from skdopamine._esn.reservoir import Population
from skdopamine._esn.root import Equations
from skdopamine._esn.rows import Rows
from skdopamine._typing import Array


class Stream(NamedTuple):
    """What has been read so far, in training units."""

    state: Array  # (units, 1) after the last row
    history: Array  # the last rows
    span: Range  # of each channel
    normal: Equations | None  # of all rows learnt from; None: the readout is not a ridge solution
    record: Record | None  # rows that were not learnt from; None: there are none
    waiting: bool  # whether the last row still waits for its target
    calendars: tuple[Calendar, ...]  # labels of the last rows of each series
    levels: Array  # the last rows that differences are taken to, as the user counts: (lag, channels)
    ages: Array  # of the last rows, as of `Simple.ages`
    frame: Frame | Panel = Frame()  # what the last rows came in
    exog: Array | None = None  # covariates of the last rows, as the user counts
    absent: Array | None = None  # which of the last rows' values were missing; None for none

    @classmethod
    def before(cls, model: Model, rows: Array) -> "Stream":
        """No row has been read; the first ones will be `rows`, in training units."""
        history = np.zeros((model.n_history if model.form.is_series else 0, *rows.shape[1:]))
        levels = np.empty((0, model.form.n_columns))
        return cls(
            model.zero_state,
            history,
            Range.of(rows),
            model.no_rows,
            None,
            False,
            (Calendar(),) * model.form.n_series,
            levels,
            model.no_ages,
        )

    @property
    def has_rows(self) -> bool:
        """Whether rows have been read."""
        return self.normal is None or self.normal.n_rows > 0 or self.waiting

    def last_row(self, model: Model) -> Array:
        """The last row (channels,) that was read, as the user counts."""
        if len(self.levels):
            return np.asarray(self.levels[-1])
        return model.inputs.restored(self.history.reshape(-1, model.form.n_columns)[-1])

    def after(self, rows: Array) -> Array:
        """The user's rows after the last ones that differences are taken to."""
        return np.concatenate([self.levels, rows]) if len(self.levels) else rows

    def learned(self, model: Model, further: Rows, *, waiting: bool) -> "Stream":
        """With further rows and their targets.

        If the last row before waits for its target, the first of these rows is that. The record is extended by the
        errors of the model's readout, which has not learnt from these rows.
        """
        assert self.normal is not None
        known, exog = self.after(further.inputs), further.exog
        rows, target = model.scaled(known), model.goals(known, _padded(further.targets, len(self.levels)))
        normal, population, joined = self.normal, model.population, self.waiting
        next_row = model.scaled(self.after(further.given))[:1]
        before = self.history if model.form.is_series else rows[:0]
        reader = self._reader(model, before, rows, exog, model.absent(self.after(further.given)))
        padded = np.concatenate([np.zeros((len(before), target.shape[1])), target])
        first, last = len(before), len(padded)
        record = self.record
        if normal.n_rows:
            record = self._extended(model, population, reader, padded, first, next_row)
        normal, weights = normal.copied(), None
        if joined:
            normal = normal.add(*self._waiting_row(model, population, reader, first, next_row))
        if model.robust is not None:
            ahead = predicted(reader, population, model.readout, self.state, first, last)
            own = model.robust.weights(by_row(model, padded[first:] - ahead))
            weights = np.concatenate([np.ones(first * model.form.n_series), own])
        span = (first, last)
        normal, state = learn(reader, padded, population, normal, self.state, span, seed=model.seed, weights=weights)
        if population.noise.any():  # the state to go on from is that without noise
            state, last = self.state, first
        return Stream(
            reader.state_after(population, state, last, len(reader.inputs)),
            reader.inputs[-model.n_history :].copy(),
            self.span.extended(rows),
            normal,
            record,
            waiting,
            extended(self.calendars, further.indexes),
            model.base.levels(known),
            model.base.ages(np.isnan(further.given), self.ages) if model.form.is_series else self.ages,
            further.frame,
            None if exog is None else kept(model, self.with_exog(exog)),
            None if reader.absent is None else reader.absent[-model.n_history :].copy(),
        )

    def _extended(
        self, model: Model, population: Population, reader: Reader, target: Array, first: int, next_row: Array
    ) -> Record:
        """Extend the record by the rows from `first` on, and by the row before if it waits for its target."""
        joined, last = self.waiting, len(target)
        ahead = predicted(reader, population, model.readout, self.state, first, last)
        goals, known = target[first:], self.record
        if known is None:
            judge, nothing = Judge(first, model.readout), np.empty((0, target.shape[1]))
            known, joined = Record(reader.part(0, first), target[:first], self.state, (judge,), first, nothing), False
        if joined:
            joint = _reservoir.said(self._joint(population, reader, first), model.readout)
            ahead = np.concatenate([joint.reshape(1, -1), ahead])
            goals = np.concatenate([next_row, goals])
        rows = reader.part(first - joined, last)
        return _record.extended(known, rows, goals, goals - ahead, model.readout, population)

    def _waiting_row(
        self, model: Model, population: Population, reader: Reader, first: int, next_row: Array
    ) -> tuple[Array, Array]:
        """What the readout sees after the last row before, and its targets, weighted."""
        seen, target = self._joint(population, reader, first), by_row(model, next_row)
        weights = None if model.robust is None else model.robust.weights(target - _reservoir.said(seen, model.readout))
        return weighted(seen, target, weights)

    def _joint(self, population: Population, reader: Reader, first: int) -> Array:
        """What readouts see after the last row before, the row before `first`: (members, series, features)."""
        return _reservoir.features(population, self.state.T, reader.past(np.array([first - 1])))

    def absent_with(self, model: Model, given: Array) -> Array | None:
        """Which values of the last rows and of further ones, as the user counts, were missing; None for none."""
        own = model.absent(given)
        if self.absent is None and own is None:
            return None
        n_new = len(given) - model.base.lag
        parts = zip((self.absent, own), (len(self.history), n_new), strict=True)
        return np.concatenate(
            [np.zeros((n, given.shape[1]), dtype=bool) if part is None else part for part, n in parts]
        )

    def with_exog(self, exog: Array) -> Array:
        """Covariates of further rows after those of the last ones."""
        return exog if self.exog is None else np.concatenate([self.exog, exog])

    def _reader(
        self, model: Model, before: Array, rows: Array, exog: Array | None, absent: Array | None = None
    ) -> Reader:
        """Reader of the last rows and further ones, with their covariates; of one row more, predictions need them."""
        known, all_rows = None, np.concatenate([before, rows])
        if model.covariates is not None and exog is not None:
            seen = model.covariates.seen(self.with_exog(exog))
            if model.form.is_series:  # what is known of the first of these rows belongs to the row before it
                seen = seen[0 if self.exog is None else len(self.exog) :]
                known = np.zeros((len(all_rows), seen.shape[1]))
                n = min(len(seen), len(rows) + 1)
                known[len(before) - 1 :][:n] = seen[:n]
            else:
                known = seen
        if model.form.is_series and (self.absent is not None or absent is not None):
            parts = zip((self.absent, absent), (before, rows), strict=True)
            absent = np.concatenate([np.zeros(n.shape, dtype=bool) if own is None else own for own, n in parts])
        return model.reader(all_rows, known, absent)

    def predicted(self, model: Model, rows: Array, exog: Array | None = None) -> Array:
        """Predictions (n, targets) of rows in training units, which follow the last row if they are a series."""
        before = self.history if model.form.is_series else rows[:0]
        reader = self._reader(model, before, rows, exog)
        return predicted(reader, model.population, model.readout, self.state, len(before), len(before) + len(rows))

    def path(self, model: Model, n_steps: int, exog: Array | None = None) -> Array:
        """Closed loop (n_steps, channels) from the last row on, in training units."""
        if not model.form.is_series:
            return self.path_after(model, self.history, n_steps, exog)
        nothing = np.zeros((n_steps - 1, self.history.shape[1]))
        reader = self._reader(model, self.history, nothing, exog)
        assert isinstance(reader, SeriesReader)
        last = np.array([len(self.history) - 1])
        paths = reader.closed(model.loop(model.bounds(self.span)), self.state, last, n_steps)
        return np.asarray(paths.mean(axis=0)[0])

    def path_after(self, model: Model, rows: Array, n_steps: int, exog: Array | None = None) -> Array:
        """Closed loop (n_steps, channels) after these rows alone, read from the zero state.

        Covariates are those of these rows and of those ahead, of windows those ahead.
        """
        last = np.array([len(rows) - 1])
        loop, reader = model.loop(model.bounds(self.span)), model.reader(rows, model.known_after(exog))
        return np.asarray(reader.paths(loop, model.zero_state, 0, last, n_steps)[0])


def kept(model: Model, exog: Array) -> Array | None:
    """The last of covariates (n, k), as many as those of later rows have to be seen with."""
    if model.covariates is None or not model.form.is_series:
        return None
    return exog[max(0, len(exog) - model.covariates.n_history) :].copy()


def by_row(model: Model, rows: Array) -> Array:
    """Rows (n, series x channels) of series side by side as (n x series, channels)."""
    return rows.reshape(len(rows) * model.form.n_series, rows.shape[1] // model.form.n_series)


def _padded(target: Array, n: int) -> Array:
    """Targets after so many rows whose targets do not matter."""
    return np.concatenate([np.zeros((n, target.shape[1])), target])
