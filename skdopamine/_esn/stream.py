"""Where a forecaster stands in its series, and what it has seen of that series."""

from typing import Any, NamedTuple

import numpy as np

from skdopamine._esn import intervals as _intervals
from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.bounds import Range
from skdopamine._esn.calendar import Calendar
from skdopamine._esn.forecast import Reader, learn, predicted, weighted
from skdopamine._esn.intervals import Judge, Record
from skdopamine._esn.loop import Start
from skdopamine._esn.model import Model
from skdopamine._esn.products import with_products
from skdopamine._esn.reservoir import Population
from skdopamine._esn.root import Equations
from skdopamine._typing import Array


class Stream(NamedTuple):
    """What has been read so far, in training units."""

    state: Array  # (units, 1) after the last row
    history: Array  # the last rows
    span: Range  # of each channel
    normal: Equations | None  # of all rows learnt from; None: the readout is not a ridge solution
    record: Record | None  # rows that were not learnt from; None: there are none
    waiting: bool  # whether the last row still waits for its target
    calendar: Calendar  # labels of the last rows
    levels: Array  # the last rows that differences are taken to, as the user counts: (lag, channels)

    @classmethod
    def before(cls, model: Model, rows: Array) -> "Stream":
        """No row has been read; the first ones will be `rows`, in training units."""
        history = np.zeros((model.n_history if model.form.is_series else 0, *rows.shape[1:]))
        levels = np.empty((0, model.form.n_channels))
        return cls(model.zero_state, history, Range.of(rows), model.no_rows, None, False, Calendar(), levels)

    def last_row(self, model: Model) -> Array:
        """The last row (channels,) that was read, as the user counts."""
        if len(self.levels):
            return np.asarray(self.levels[-1])
        return model.inputs.restored(self.history.reshape(-1, model.form.n_channels)[-1])

    def after(self, rows: Array) -> Array:
        """The user's rows after the last ones that differences are taken to."""
        return np.concatenate([self.levels, rows]) if len(self.levels) else rows

    def learned(self, model: Model, inputs: Array, targets: Array, *, waiting: bool, index: Any) -> "Stream":
        """With further rows and their targets, as the user counts.

        If the last row before waits for its target, the first of these rows is that. The record is extended by the
        errors of the model's readout, which has not learnt from these rows.
        """
        assert self.normal is not None
        known = self.after(inputs)
        rows, target = model.scaled(known), model.goals(known, _padded(targets, len(self.levels)))
        normal, population, joined = self.normal, model.population, self.waiting
        before = self.history if model.form.is_series else rows[:0]
        reader = model.reader(np.concatenate([before, rows]))
        padded = np.concatenate([np.zeros((len(before), target.shape[1])), target])
        first, last = len(before), len(padded)
        record = self._extended(model, population, reader, padded, first) if normal.n_rows else self.record
        normal, weights = normal.copied(), None
        if joined:
            normal = normal.add(*self._waiting_row(model, population, rows[:1]))
        if model.robust is not None:
            ahead = predicted(reader, population, model.readout, self.state, first, last)
            weights = np.concatenate([np.ones(first), model.robust.weights(padded[first:] - ahead)])
        normal, state = learn(
            reader, padded, population, normal, self.state, (first, last), seed=model.seed, weights=weights
        )
        if population.noise.any():  # the state to go on from is that without noise
            state, last = self.state, first
        return Stream(
            reader.state_after(population, state, last, len(reader.inputs)),
            reader.inputs[-model.n_history :].copy(),
            self.span.extended(rows),
            normal,
            record,
            waiting,
            self.calendar.extended(index),
            known[len(known) - model.base.lag :].copy(),
        )

    def _extended(self, model: Model, population: Population, reader: Reader, target: Array, first: int) -> Record:
        """Extend the record by the rows from `first` on, and by the row before if it waits for its target."""
        joined, last = self.waiting, len(target)
        ahead = predicted(reader, population, model.readout, self.state, first, last)
        goals, known = target[first:], self.record
        if known is None:
            before = reader._replace(inputs=reader.inputs[:first])
            judge, nothing = Judge(first, model.readout), np.empty((0, target.shape[1]))
            known, joined = Record(before, target[:first], self.state, (judge,), first, nothing), False
        if joined:
            ahead = np.concatenate([self._joint(model, population)[0] @ model.readout, ahead])
            goals = np.concatenate([reader.inputs[first : first + 1], goals])
        rows = reader.inputs[first - joined : last]
        return _intervals.extended(known, rows, goals, goals - ahead, model.readout, population)

    def _waiting_row(self, model: Model, population: Population, target: Array) -> tuple[Array, Array]:
        """What the readout sees after the last row, and its target (1, targets), weighted."""
        seen = self._joint(model, population)
        if model.robust is None:
            return seen, target
        return weighted(seen, target, model.robust.weights(target - seen[0] @ model.readout))

    def _joint(self, model: Model, population: Population) -> Array:
        """What the readout sees after the last row, (1, 1, features)."""
        past = with_products(self.history[::-1][model.lags].reshape(1, -1), self.history[-1:], model.degree)
        return _reservoir.features(population, self.state.T, past)

    def predicted(self, model: Model, rows: Array) -> Array:
        """Predictions (n, targets) of rows in training units, which follow the last row if they are a series."""
        before = self.history if model.form.is_series else rows[:0]
        reader = model.reader(np.concatenate([before, rows]))
        return predicted(reader, model.population, model.readout, self.state, len(before), len(before) + len(rows))

    def path(self, model: Model, n_steps: int) -> Array:
        """Closed loop (n_steps, channels) from the last row on, in training units."""
        if not model.form.is_series:
            return self.path_after(model, self.history, n_steps)
        return model.loop(model.bounds(self.span)).run(Start(self.state, self.history[None]), n_steps)[:, 0, 0]

    def path_after(self, model: Model, rows: Array, n_steps: int) -> Array:
        """Closed loop (n_steps, channels) after these rows alone, read from the zero state."""
        last = np.array([len(rows) - 1])
        loop = model.loop(model.bounds(self.span))
        return np.asarray(model.reader(rows).paths(loop, model.zero_state, 0, last, n_steps)[0])


def _padded(target: Array, n: int) -> Array:
    """Targets after so many rows whose targets do not matter."""
    return np.concatenate([np.zeros((n, target.shape[1])), target])
