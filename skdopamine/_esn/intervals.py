"""How far off forecasts are on rows that a readout has not learnt from, and hence how wide the intervals are."""

from collections.abc import Sequence
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from skdopamine._esn.forecast import Reader, predicted
from skdopamine._esn.loop import Loop
from skdopamine._esn.reservoir import Population
from skdopamine._esn.simple import Simple
from skdopamine._estimator.validation import plain
from skdopamine._typing import Array

MOST_ROWS = 4000  # kept at most
STRETCH = 500  # rows of a stream for which one readout judges the closed loops
ORIGINS = 200  # closed loops that estimate the spread of their errors
LATEST = 250  # errors that estimate the width of intervals along a series
SPREAD_ROWS = 24  # rows before a closed loop; their spread is the unit of its errors
SHARE_OF_ALL = 0.01  # share of all rows in the square of that unit, which is then never zero
ROWS_AT_ONCE = 2000
NOTHING = Simple()


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


def record(
    reader: Reader, target: Array, state: Array, judges: Sequence[Judge], counts_from: int, history: int
) -> Record:
    """Record of the rows from the first judge's on, with copies of these and of the `history` before.

    Its errors wait until they are asked for.
    """
    first = max(0, judges[0].first - history)
    rows = reader._replace(inputs=reader.inputs[first : len(target)].copy())
    moved = tuple(judge._replace(first=judge.first - first) for judge in judges)
    return Record(rows, target[first:].copy(), state, moved, counts_from - first, None)


def extended(
    known: Record, inputs: Array, target: Array, errors: Array, readout: Array, population: Population
) -> Record:
    """Append the rows that follow and their errors by `readout`, which has not learnt from them; drop the oldest.

    A readout judges closed loops for a stretch of rows, even if it has been replaced meanwhile.
    """
    judges, reader = known.judges, known.reader._replace(inputs=np.concatenate([known.reader.inputs, inputs]))
    if len(known.target) - judges[-1].first >= STRETCH:
        judges = (*judges, Judge(len(known.target), readout))
    target, first = np.concatenate([known.target, target]), judges[0].first
    excess = max(0, len(target) - first - MOST_ROWS)
    state = reader.state_after(population, known.state, first, first + excess)
    rows = reader._replace(inputs=reader.inputs[excess:].copy())
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
    """Errors one step ahead of the rows that count."""
    return one_step_errors(known, population)[known.counts_from - known.judges[0].first :]


def loop_errors(known: Record, loop: Loop, n_steps: int, least: int = 1, base: Simple = NOTHING) -> Array:
    """Errors (origins, n_steps, channels) of closed loops, at least so many, in units of the spread before each.

    Errors of differences add up to those of rows, as the `base` says.
    """
    first, last = known.judges[0].first, len(known.target) - n_steps
    if last < first:
        raise ValueError(f"n_steps must be at most the {len(known.target) - first} rows held back, got {n_steps}.")
    n_origins = min(max(ORIGINS, least), last - first + 1)
    origins = np.unique(np.linspace(first, last, n_origins).astype(np.intp))
    errors, state = [], known.state
    for readout, start, end in known.spans():
        own = origins[(origins >= start) & (origins < end)]
        if len(own):
            path = known.reader.paths(loop._replace(readout=readout[None]), state, start, own, n_steps)
            truth = known.target[own[:, None] + np.arange(n_steps), : loop.n_fed]
            errors.append(base.added(truth - path) / spread(known.reader.recent(own, SPREAD_ROWS))[:, None])
        state = known.reader.state_after(loop.population, state, start, end)
    return np.concatenate(errors)


def spread(rows: Array) -> Array:
    """Unit of the errors of closed loops, (..., channels), after rows (..., n, channels) in training units.

    Shorter windows than `SPREAD_ROWS` count for less.
    """
    weight = (1 - SHARE_OF_ALL) * min(1.0, rows.shape[-2] / SPREAD_ROWS)
    return np.asarray(np.sqrt(weight * rows.var(axis=-2) + 1 - weight))


def spreads(reader: Reader, n_rows: int) -> Array:
    """Those units (rows, channels) after each of the last rows of a reader."""
    n = len(reader.inputs)
    return spread(reader.recent(np.arange(n - n_rows, n), SPREAD_ROWS))


def n_needed(coverage: Any) -> int:
    """Errors that an interval of this coverage needs at least."""
    if not isinstance(coverage, int | float | np.floating) or not 0 < coverage < 1:
        raise ValueError(f"coverage must be between 0 and 1, got {plain(coverage)!r}.")
    return ceil(float(coverage) / (1 - float(coverage)) - 1e-9)


def half_width(error: Array, coverage: Any) -> Array:
    """Size that a new error stays below with probability `coverage`, of errors (n, ...)."""
    n, needed = len(error), n_needed(coverage)
    if n < needed:
        raise ValueError(f"coverage={coverage} needs at least {needed} errors of rows held back, got {n}.")
    rank = ceil((n + 1) * float(coverage) - 1e-9)
    return np.asarray(np.partition(np.abs(error), rank - 1, axis=0)[rank - 1])


def series_half_width(known: Record, error: Array, reader: Reader, seen: Array, coverage: float) -> Array:
    """Such sizes (rows, channels) for the last rows of a series, `seen` being the errors of all of them but the last.

    They are those of the latest errors or, while there are too few of these to follow a series that changes, of errors
    in units of the spread before each.
    """
    n_rows = len(seen) + 1
    before, unit = np.ones((len(error), 1)), np.ones((n_rows, 1))
    if len(error) < LATEST:
        before, unit = spreads(known.reader, len(error)), spreads(reader, n_rows)
    error, seen = error / before, seen / unit[:-1]
    latest = max(LATEST, ceil(1 / (1 - coverage)))
    windows = sliding_window_view(np.concatenate([error[-latest:], seen]), min(latest, len(error)), axis=0)
    pieces = np.array_split(windows[-n_rows:], 1 + n_rows // ROWS_AT_ONCE)
    return np.concatenate([half_width(np.moveaxis(piece, 2, 0), coverage) for piece in pieces]) * unit
