"""How rows are read through a reservoir: those of a series one after the other, windows each by itself."""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
import numpy.typing as npt

from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.loop import Loop, Start
from skdopamine._esn.products import with_products
from skdopamine._esn.reservoir import Population
from skdopamine._typing import Array

ROW_CHUNK = 256  # windows that are read at once


class Reach(NamedTuple):
    """How far back a prediction is read from, in rows."""

    n_read: int  # rows to read for one window
    n_judged: int  # last ones of them whose predictions count
    n_before: int  # rows that must lie before the first window


class Reader(Protocol):
    """How rows of the data are read through a reservoir."""

    @property
    def inputs(self) -> Array:
        """Rows (n, channels), or windows (n, n_lags, channels)."""

    @property
    def lags(self) -> npt.NDArray[np.intp]:
        """Which of the past rows the readout sees, 0 being the last."""

    @property
    def degree(self) -> int:
        """Most factors of the products of channels of the last row that the readout sees; one: no product."""

    @property
    def covariates(self) -> Array | None:
        """What is known of the row after each, (n, series x k)."""

    @property
    def absent(self) -> Array | None:
        """Which values were missing, (n, series x channels); None for none."""

    @property
    def n_series(self) -> int:
        """Series that stand side by side in a row and are read alike, each by itself."""

    def read(
        self, population: Population, first: int, last: int, state: Array, noise: np.random.Generator | None = None
    ) -> Iterator[tuple[int, Array, Array]]:
        """Yield pieces: number of the first row, states (n x series, members x units), what else is seen, likewise."""

    def state_after(self, population: Population, state: Array, first: int, last: int) -> Array:
        """State after reading rows without learning from them."""

    def paths(self, loop: Loop, state: Array, first: int, origins: npt.NDArray[np.intp], n_steps: int) -> Array:
        """Closed loops (origins, n_steps, channels) after those rows, each reservoir's own; their mean.

        `state` is that before `first`.
        """

    def recent(self, rows: npt.NDArray[np.intp], n: int) -> Array:
        """Values (rows, n, channels) at the last n times before each of the rows, which counts too."""

    def known(self, rows: npt.NDArray[np.intp], n: int) -> Array:
        """The same, with nan for what was missing."""

    def past(self, rows: npt.NDArray[np.intp]) -> Array:
        """What the readout sees at each of the rows beside the states: past rows, covariates, (rows x series, k)."""

    def part(self, first: int, last: int) -> Self:
        """A reader of some of the rows, copied."""

    def of_series(self, chosen: npt.NDArray[np.intp]) -> Self:
        """A reader of some of the series."""

    def joined(self, further: Any) -> Self:
        """A reader of these rows and those of a further reader."""

    def reach(self, washout: int) -> Reach:
        """How far back a prediction is read from, if the state needs `washout` rows to settle."""

    def steps_before(self, origins: npt.NDArray[np.intp], n: int) -> Iterator[tuple[npt.NDArray[np.intp], Array]]:
        """Yield the last n rows before each of the origins, which counts too: their numbers and values."""


class SeriesReader(NamedTuple):
    """Rows of series, the state carried from one to the next. Several stand side by side, nan before they begin."""

    inputs: Array  # (n, series x channels)
    lags: npt.NDArray[np.intp]
    degree: int = 1
    n_series: int = 1
    covariates: Array | None = None  # (n, series x k): what is known of the row after each
    absent: Array | None = None  # (n, series x channels): which inputs were missing, None for none

    def read(
        self, population: Population, first: int, last: int, state: Array, noise: np.random.Generator | None = None
    ) -> Iterator[tuple[int, Array, Array]]:
        rows = self.inputs[first:last]
        if self.n_series == 1 and not np.isnan(rows[:1]).any():
            pieces = _reservoir.run(population, rows, state, noise)
        else:
            apart = rows.reshape(len(rows), self.n_series, rows.shape[1] // self.n_series)
            pieces = _reservoir.run_many(population, apart, state, noise)
        for start, states in pieces:
            row = first + start
            yield row, states, self.past(np.arange(row, row + len(states) // self.n_series))

    def state_after(self, population: Population, state: Array, first: int, last: int) -> Array:
        for _, states, _ in self.read(population, first, last, state):
            state = last_state(states, self.n_series)
        return state

    def starts(self, population: Population, state: Array, first: int, origins: npt.NDArray[np.intp]) -> Array:
        """States (members x units, origins x series) after those rows."""
        starts = np.empty((len(state), len(origins), self.n_series))
        for row, states, _ in self.read(population, first, int(origins[-1]) + 1, state):
            keep_starts(starts, states, origins, row)
        return starts.reshape(len(state), -1)

    def paths(self, loop: Loop, state: Array, first: int, origins: npt.NDArray[np.intp], n_steps: int) -> Array:
        starts = self.starts(loop.population, state, first, origins)
        return np.asarray(self.closed(loop, starts, origins, n_steps).mean(axis=0))

    def start(self, state: Array, origins: npt.NDArray[np.intp], n_steps: int) -> Start:
        """Where closed loops of so many steps after those rows begin; `state` (members x units, origins x series)."""
        recent = self.recent(origins, int(self.lags.max()) + 1)
        history = by_series(recent, self.n_series)
        if self.covariates is None:
            return Start(state, history)
        ahead = self.covariates[origins[:, None] + np.arange(n_steps)]
        return Start(state, history, by_series(ahead, self.n_series))

    def closed(self, loop: Loop, state: Array, origins: npt.NDArray[np.intp], n_steps: int) -> Array:
        """Closed loops (members, origins, n_steps, series x channels)."""
        return side_by_side(loop.run(self.start(state, origins, n_steps), n_steps), self.n_series)

    def recent(self, rows: npt.NDArray[np.intp], n: int) -> Array:
        return _reservoir.lagged(self.inputs, np.arange(n - 1, -1, -1), rows)

    def known(self, rows: npt.NDArray[np.intp], n: int) -> Array:
        recent = self.recent(rows, n)
        if self.absent is not None:
            before = rows[:, None] - np.arange(n - 1, -1, -1)
            recent[self.absent[np.maximum(before, 0)] & (before >= 0)[..., None]] = np.nan
        return recent

    def past(self, rows: npt.NDArray[np.intp]) -> Array:
        past = by_series(_reservoir.lagged(self.inputs, self.lags, rows), self.n_series).reshape(
            len(rows) * self.n_series, -1
        )
        if self.covariates is not None:
            past = np.concatenate([past, self.covariates[rows].reshape(len(past), -1)], axis=1)
        return with_products(past, self.inputs[rows].reshape(len(past), -1), self.degree)

    def part(self, first: int, last: int) -> Self:
        covariates, absent = (
            None if kept is None else kept[first:last].copy() for kept in (self.covariates, self.absent)
        )
        return self._replace(inputs=self.inputs[first:last].copy(), covariates=covariates, absent=absent)

    def of_series(self, chosen: npt.NDArray[np.intp]) -> Self:
        n = len(self.inputs)
        inputs, covariates, absent = (
            None if kept is None else kept.reshape(n, self.n_series, -1)[:, chosen].reshape(n, -1)
            for kept in (self.inputs, self.covariates, self.absent)
        )
        assert inputs is not None
        return self._replace(inputs=inputs, covariates=covariates, absent=absent, n_series=len(chosen))

    def joined(self, further: Any) -> Self:
        absent = None
        if self.absent is not None or further.absent is not None:
            nothing = [np.zeros(each.inputs.shape, dtype=bool) for each in (self, further)]
            pairs = zip((self.absent, further.absent), nothing, strict=True)
            absent = np.concatenate([none if kept is None else kept for kept, none in pairs])
        return self._replace(
            inputs=np.concatenate([self.inputs, further.inputs]),
            covariates=None if self.covariates is None else np.concatenate([self.covariates, further.covariates]),
            absent=absent,
        )

    def reach(self, washout: int) -> Reach:
        n_judged = max(1, washout)
        return Reach(2 * n_judged, n_judged, 2 * n_judged)

    def steps_before(self, origins: npt.NDArray[np.intp], n: int) -> Iterator[tuple[npt.NDArray[np.intp], Array]]:
        for t in range(1 - n, 1):
            rows = np.maximum(origins + t, 0)
            yield rows, self.inputs[rows]


def by_series(values: Array, n_series: int) -> Array:
    """Values (origins, n, series x k) of series side by side as (origins x series, n, k)."""
    if n_series == 1:
        return values
    origins, n, _ = values.shape
    return values.reshape(origins, n, n_series, -1).transpose(0, 2, 1, 3).reshape(origins * n_series, n, -1)


def side_by_side(path: Array, n_series: int) -> Array:
    """Paths (n_steps, members, origins x series, channels) as (members, origins, n_steps, series x channels)."""
    n_steps, members, columns, _ = path.shape
    apart = path.reshape(n_steps, members, columns // n_series, n_series, -1).transpose(1, 2, 0, 3, 4)
    return apart.reshape(members, columns // n_series, n_steps, -1)


def last_state(states: Array, n_series: int) -> Array:
    """State (members x units, series) of the last row of states (n x series, members x units)."""
    return states[len(states) - n_series :].T.copy()


def keep_starts(starts: Array, states: Array, origins: npt.NDArray[np.intp], row: int) -> None:
    """Put the states of those of the origins that a piece has, which begins with `row`, into `starts`."""
    apart = states.reshape(-1, starts.shape[2], len(starts))
    inside = (origins >= row) & (origins < row + len(apart))
    starts[:, inside] = apart[origins[inside] - row].transpose(2, 0, 1)


class WindowReader(NamedTuple):
    """Rows that are windows, each read from the zero state."""

    inputs: Array  # (n, n_lags, channels)
    lags: npt.NDArray[np.intp]
    covariates: Array | None = None  # (n, k): what is known of the target
    degree: int = 1  # windows have no products
    n_series: int = 1
    absent: Array | None = None  # no window has gaps

    def read(
        self, population: Population, first: int, last: int, state: Array, noise: np.random.Generator | None = None
    ) -> Iterator[tuple[int, Array, Array]]:
        for row in range(first, last, ROW_CHUNK):
            rows = np.arange(row, min(row + ROW_CHUNK, last))
            states = _reservoir.read_windows(population, self.inputs[rows[0] : rows[-1] + 1], noise).T
            yield row, states, self.past(rows)

    def state_after(self, population: Population, state: Array, first: int, last: int) -> Array:
        return state

    def paths(self, loop: Loop, state: Array, first: int, origins: npt.NDArray[np.intp], n_steps: int) -> Array:
        windows = self.inputs[origins]
        path = np.empty((len(windows), n_steps, loop.n_fed))
        for step in range(n_steps):
            slid = WindowReader(
                windows, self.lags, None if self.covariates is None else self.covariates[origins + step]
            )
            ahead = predicted(slid, loop.population, loop.readout[0], state, 0, len(windows))[:, : loop.n_fed]
            np.clip(ahead, *loop.bounds, out=path[:, step])
            windows = np.concatenate([windows[:, 1:], path[:, step, None]], axis=1)
        return path

    def recent(self, rows: npt.NDArray[np.intp], n: int) -> Array:
        return np.asarray(self.inputs[rows, -n:])

    def known(self, rows: npt.NDArray[np.intp], n: int) -> Array:
        return self.recent(rows, n)

    def past(self, rows: npt.NDArray[np.intp]) -> Array:
        past = self.inputs[rows[:, None], -1 - self.lags].reshape(len(rows), -1)
        return past if self.covariates is None else np.concatenate([past, self.covariates[rows]], axis=1)

    def part(self, first: int, last: int) -> Self:
        covariates = None if self.covariates is None else self.covariates[first:last].copy()
        return self._replace(inputs=self.inputs[first:last].copy(), covariates=covariates)

    def of_series(self, chosen: npt.NDArray[np.intp]) -> Self:
        return self

    def joined(self, further: Any) -> Self:
        return self._replace(
            inputs=np.concatenate([self.inputs, further.inputs]),
            covariates=None if self.covariates is None else np.concatenate([self.covariates, further.covariates]),
        )

    def reach(self, washout: int) -> Reach:
        return Reach(self.inputs.shape[1], 1, 0)

    def steps_before(self, origins: npt.NDArray[np.intp], n: int) -> Iterator[tuple[npt.NDArray[np.intp], Array]]:
        for t in range(-n, 0):
            yield origins, self.inputs[origins, t]


def predicted(reader: Reader, population: Population, readout: Array, state: Array, first: int, last: int) -> Array:
    """Predictions (rows, targets) of the reservoirs in training units; `state` is that before the first row."""
    ahead = [np.empty((0, readout.shape[1]))]
    for _, states, past in reader.read(population, first, last, state):
        ahead.append(_reservoir.said(_reservoir.features(population, states, past), readout))
    return np.concatenate(ahead).reshape(last - first, readout.shape[1] * reader.n_series)
