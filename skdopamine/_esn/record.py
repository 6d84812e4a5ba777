"""Rows held back, and how far off the readouts that have not learnt from them are one step ahead."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from skdopamine._esn.reader import Reader, predicted
from skdopamine._esn.reservoir import Population
from skdopamine._typing import Array

MOST_ROWS = 4000  # kept at most
STRETCH = 500  # rows of a stream for which one readout judges the closed loops


class Judge(NamedTuple):
    """A readout that has not learnt from the rows from `first` up to those of the next judge."""

    first: int
    readout: Array


class Record(NamedTuple):
    """Rows whose errors are known, in training units; those before the first judge's are history."""

    reader: Reader
    target: Array  # (rows of the reader, targets)
    state: Array  # before the first judge's first row
    judges: tuple[Judge, ...]
    counts_from: int  # errors one step ahead count from this row on
    errors: Array | None  # one step ahead, (rows from the first judge's on, targets), by the readout of their time

    def spans(self) -> list[tuple[Array, int, int]]:
        """Readout, first row and row after the last of each judge."""
        ends = [*(judge.first for judge in self.judges[1:]), len(self.target)]
        return [(judge.readout, judge.first, end) for judge, end in zip(self.judges, ends, strict=True)]

    def of_series(self, chosen: npt.NDArray[np.intp]) -> Self:
        """Of some of several series that stand side by side, of which errors one step ahead are not asked for."""
        if len(chosen) == self.reader.n_series:
            return self
        target = self.target.reshape(len(self.target), self.reader.n_series, -1)[:, chosen]
        return self._replace(
            reader=self.reader.of_series(chosen),
            target=target.reshape(len(target), -1),
            state=self.state[:, chosen],
            errors=None,
        )


def record(
    reader: Reader, target: Array, state: Array, judges: Sequence[Judge], counts_from: int, history: int
) -> Record:
    """Record of the rows from the first judge's on, with copies of these and of the `history` before.

    Its errors wait until they are asked for.
    """
    first = max(0, judges[0].first - history)
    rows = reader.part(first, len(target))
    moved = tuple(judge._replace(first=judge.first - first) for judge in judges)
    return Record(rows, target[first:].copy(), state, moved, counts_from - first, None)


def extended(
    known: Record, further: Reader, target: Array, errors: Array, readout: Array, population: Population
) -> Record:
    """Append the rows that follow and their errors by `readout`, which has not learnt from them; drop the oldest.

    A readout judges closed loops for a stretch of rows, even if it has been replaced meanwhile.
    """
    judges, reader = known.judges, known.reader.joined(further)
    if len(known.target) - judges[-1].first >= STRETCH:
        judges = (*judges, Judge(len(known.target), readout))
    target, first = np.concatenate([known.target, target]), judges[0].first
    excess = max(0, len(target) - first - MOST_ROWS)
    state = reader.state_after(population, known.state, first, first + excess)
    rows = reader.part(excess, len(reader.inputs))
    moved = [judge._replace(first=max(first, judge.first - excess)) for judge in judges]
    last = max(i for i, judge in enumerate(moved) if judge.first == first)
    errors = np.concatenate([one_step_errors(known, population), errors])[-MOST_ROWS:]
    return Record(
        rows, target[excess:].copy(), state, tuple(moved[last:]), max(first, known.counts_from - excess), errors
    )


def one_step_errors(known: Record, population: Population) -> Array:
    """Errors (rows, targets) one step ahead, by the judges where they are not known yet."""
    if known.errors is not None:
        return known.errors
    state, errors = known.state, []
    for readout, first, end in known.spans():
        errors.append(known.target[first:end] - predicted(known.reader, population, readout, state, first, end))
        state = known.reader.state_after(population, state, first, end)
    return np.concatenate(errors)


def held_errors(known: Record, population: Population) -> Array:
    """Errors one step ahead of the rows that count, nan where the target is not known."""
    return one_step_errors(known, population)[known.counts_from - known.judges[0].first :]
