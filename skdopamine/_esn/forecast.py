"""What a forecaster is to learn, how rows are read through a reservoir, and how far off its forecasts are."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.loop import Loop, Start
from skdopamine._esn.products import with_products
from skdopamine._esn.reservoir import Normal, Population
from skdopamine._esn.robust import Robust
from skdopamine._esn.root import Equations
from skdopamine._esn.simple import Simple
from skdopamine._objectives.base import Objective
from skdopamine._objectives.scorers import FunctionLoss
from skdopamine._typing import Array

ROW_CHUNK = 256  # windows that are read at once
N_HORIZONS = 8  # lengths of the closed loop that count alike, from one step to all
ONE_STEP_SHARE = 0.3  # of the error one step ahead in the level of a model, the rest being that of the closed loop
FLOOR = 1e-12  # of a mean loss
Learnt = TypeVar("Learnt", bound=Equations)


class Windows(NamedTuple):
    """Rows of a batch: numbers of windows, with nothing but their share of the loss."""

    numbers: npt.NDArray[np.intp]
    share: Array  # (n, 1)
    total: float


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

    def read(
        self, population: Population, first: int, last: int, state: Array, noise: np.random.Generator | None = None
    ) -> Iterator[tuple[int, Array, Array]]:
        """Yield pieces: number of the first row, states (n, members x units), past rows (n, lags x channels)."""

    def state_after(self, population: Population, state: Array, first: int, last: int) -> Array:
        """State after reading rows without learning from them."""

    def paths(self, loop: Loop, state: Array, first: int, origins: npt.NDArray[np.intp], n_steps: int) -> Array:
        """Closed loops (origins, n_steps, channels) after those rows, of one reservoir; `state` is before `first`."""

    def recent(self, rows: npt.NDArray[np.intp], n: int) -> Array:
        """Values (rows, n, channels) at the last n times before each of the rows, which counts too."""

    def past(self, rows: npt.NDArray[np.intp]) -> Array:
        """Values (rows, lags x channels) of the past rows that the readout sees at each of the rows."""

    def reach(self, washout: int) -> Reach:
        """How far back a prediction is read from, if the state needs `washout` rows to settle."""

    def steps_before(self, origins: npt.NDArray[np.intp], n: int) -> Iterator[tuple[npt.NDArray[np.intp], Array]]:
        """Yield the last n rows before each of the origins, which counts too: their numbers and values."""

    def _replace(self, *, inputs: Array) -> Self:
        """A reader of other rows."""


class SeriesReader(NamedTuple):
    """Rows of one series, the state carried from one to the next."""

    inputs: Array  # (n, channels)
    lags: npt.NDArray[np.intp]
    degree: int = 1

    def read(
        self, population: Population, first: int, last: int, state: Array, noise: np.random.Generator | None = None
    ) -> Iterator[tuple[int, Array, Array]]:
        for start, states in _reservoir.run(population, self.inputs[first:last], state, noise):
            row = first + start
            yield row, states, self.past(np.arange(row, row + len(states)))

    def state_after(self, population: Population, state: Array, first: int, last: int) -> Array:
        for _, states, _ in self.read(population, first, last, state):
            state = states[-1][:, None].copy()
        return state

    def starts(self, population: Population, state: Array, first: int, origins: npt.NDArray[np.intp]) -> Array:
        starts = np.empty((len(state), len(origins)))
        for row, states, _ in self.read(population, first, int(origins[-1]) + 1, state):
            inside = (origins >= row) & (origins < row + len(states))
            starts[:, inside] = states[origins[inside] - row].T
        return starts

    def paths(self, loop: Loop, state: Array, first: int, origins: npt.NDArray[np.intp], n_steps: int) -> Array:
        starts = self.starts(loop.population, state, first, origins)
        path = loop.run(Start(starts, self.recent(origins, int(self.lags.max()) + 1)), n_steps)
        return np.asarray(path[:, 0].transpose(1, 0, 2))

    def recent(self, rows: npt.NDArray[np.intp], n: int) -> Array:
        return _reservoir.lagged(self.inputs, np.arange(n - 1, -1, -1), rows)

    def past(self, rows: npt.NDArray[np.intp]) -> Array:
        past = _reservoir.lagged(self.inputs, self.lags, rows).reshape(len(rows), -1)
        return with_products(past, self.inputs[rows], self.degree)

    def reach(self, washout: int) -> Reach:
        n_judged = max(1, washout)
        return Reach(2 * n_judged, n_judged, 2 * n_judged)

    def steps_before(self, origins: npt.NDArray[np.intp], n: int) -> Iterator[tuple[npt.NDArray[np.intp], Array]]:
        for t in range(1 - n, 1):
            rows = np.maximum(origins + t, 0)
            yield rows, self.inputs[rows]


class WindowReader(NamedTuple):
    """Rows that are windows, each read from the zero state."""

    inputs: Array  # (n, n_lags, channels)
    lags: npt.NDArray[np.intp]
    degree: int = 1  # windows have no products

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
            slid = WindowReader(windows, self.lags)
            ahead = predicted(slid, loop.population, loop.readout[0], state, 0, len(windows))[:, : loop.n_fed]
            np.clip(ahead, *loop.bounds, out=path[:, step])
            windows = np.concatenate([windows[:, 1:], path[:, step, None]], axis=1)
        return path

    def recent(self, rows: npt.NDArray[np.intp], n: int) -> Array:
        return np.asarray(self.inputs[rows, -n:])

    def past(self, rows: npt.NDArray[np.intp]) -> Array:
        return self.inputs[rows[:, None], -1 - self.lags].reshape(len(rows), -1)

    def reach(self, washout: int) -> Reach:
        return Reach(self.inputs.shape[1], 1, 0)

    def steps_before(self, origins: npt.NDArray[np.intp], n: int) -> Iterator[tuple[npt.NDArray[np.intp], Array]]:
        for t in range(-n, 0):
            yield origins, self.inputs[origins, t]


class Assignment(NamedTuple):
    """What a forecaster is to learn, in training units."""

    reader: Reader
    target: Array  # (n, targets)
    closed: bool  # whether loops can be run over the rows: the first targets are the next row
    washout: int
    split: int  # the rows from here on judge
    horizon: int  # steps of the closed loop
    bounds: tuple[Array, Array]
    objective: Objective | FunctionLoss
    base: Simple = Simple()
    weights: Array | None = None  # (n,) of the rows that are learnt from
    robust: Robust | None = None  # what these come from

    @property
    def n_features(self) -> int:
        """Of the readout, without the units."""
        return len(self.reader.lags) * int(self.reader.inputs.shape[-1]) + 1

    @property
    def trust(self) -> Array:
        """By how much an error in each row (n,) counts: 1, or less where a robust loss holds the row for an outlier."""
        if self.weights is None or self.robust is None:
            return np.ones(len(self.target))
        return self.robust.trust(self.weights)

    def latest(self, n_rows: int, share: float) -> "Assignment":
        """The last rows alone, of which this share judges, and no fewer than two loops need."""
        n = len(self.target)
        if n <= n_rows:
            return self
        n_tail = min(n - self.split, max(1, int(n_rows * share), 2 * self.horizon))
        reader = self.reader._replace(inputs=self.reader.inputs[n - n_rows : n])
        weights = None if self.weights is None else self.weights[n - n_rows :]
        return self._replace(reader=reader, target=self.target[n - n_rows :], split=n_rows - n_tail, weights=weights)

    def loop(self, population: Population, readout: Array) -> Loop:
        """Closed loops of reservoirs with readouts (members, features, targets)."""
        return Loop(
            population, readout, self.reader.lags, self.bounds, int(self.reader.inputs.shape[-1]), self.reader.degree
        )

    def learned(
        self, population: Population, normal: Learnt, state: Array, rows: tuple[int, int], seed: int
    ) -> tuple[Learnt, Array]:
        """The normal equations with the rows of a range, and the state after them."""
        return learn(
            self.reader,
            self.target,
            population,
            normal,
            state,
            rows,
            washout=self.washout,
            seed=seed,
            weights=self.weights,
        )


def predicted(reader: Reader, population: Population, readout: Array, state: Array, first: int, last: int) -> Array:
    """Predictions (rows, targets) of one reservoir in training units; `state` is that before the first row."""
    ahead = [np.empty((0, readout.shape[1]))]
    for _, states, past in reader.read(population, first, last, state):
        ahead.append(_reservoir.features(population, states, past)[0] @ readout)
    return np.concatenate(ahead)


def weighted(seen: Array, target: Array, weights: Array | None) -> tuple[Array, Array]:
    """Features (members, n, features) and targets (n, targets), so that squares count as the weights (n,) say."""
    if weights is None:
        return seen, target
    root = np.sqrt(weights)[:, None]
    return seen * root, target * root


def learn(
    reader: Reader,
    target: Array,
    population: Population,
    normal: Learnt,
    state: Array,
    rows: tuple[int, int],
    *,
    washout: int = 0,
    seed: int,
    weights: Array | None = None,
) -> tuple[Learnt, Array]:
    """Add the rows of a range to the normal equations, skipping the washout; also return the state after them."""
    noise = np.random.Generator(np.random.PCG64([seed, normal.n_rows, rows[0]])) if population.noise.any() else None
    for row, states, past in reader.read(population, *rows, state, noise):
        skipped = max(0, washout - row)
        if skipped < len(states):
            seen = _reservoir.features(population, states[skipped:], past[skipped:])
            span = slice(row + skipped, row + len(states))
            normal = normal.add(*weighted(seen, target[span], None if weights is None else weights[span]))
        state = states[-1][:, None].copy()
    return normal, state


def evaluate_rest(
    task: Assignment, population: Population, readout: Array, normal: Normal, state: Array, origins: Array
) -> tuple[Array, Array, Normal]:
    """Read the rows from the split on, which the readouts have not learnt from.

    Returns the loss one step ahead (readouts, rows), the states after the rows `origins`, (members x units, windows),
    and the normal equations with these rows added. Several readouts may share one reservoir.
    """
    values = np.empty((len(readout), len(task.target) - task.split))
    starts = np.empty((len(state), len(origins)))
    for row, states, past in task.reader.read(population, task.split, len(task.target), state):
        seen, target = _reservoir.features(population, states, past), task.target[row : row + len(states)]
        own = None if task.weights is None else task.weights[row : row + len(states)]
        normal = normal.add(*weighted(seen, target, own))
        at = row - task.split
        values[:, at : at + len(states)] = task.objective.values(np.matmul(seen, readout), target)
        inside = (origins >= row) & (origins < row + len(states))
        starts[:, inside] = states[origins[inside] - row].T
    return values, starts, normal


def path_levels(task: Assignment, population: Population, readout: Array, starts: Array, origins: Array) -> Array:
    """Loss (members, windows) of the closed loop: the mean over `N_HORIZONS` lengths of the log error so far."""
    errors = path_values(task, population, readout, starts, origins)
    lengths = np.unique(np.round(np.geomspace(1, task.horizon, N_HORIZONS)).astype(int))[1:]
    cumulated = np.cumsum(errors, axis=-1)[..., lengths - 1] / lengths
    return np.asarray(level(cumulated, task.objective).mean(axis=-1))


def level(mean: Array, objective: Objective | FunctionLoss) -> Array:
    """Log of a mean loss in units of the error; a user's own loss is left as it is."""
    if objective.degree == 0:
        return mean
    logarithm: Array = np.log(np.maximum(mean, FLOOR)) / objective.degree
    return logarithm


def path_values(task: Assignment, population: Population, readout: Array, starts: Array, origins: Array) -> Array:
    """Loss (members, windows, horizon) of each step of the closed loop after the rows `origins`.

    `starts` (members x units, windows) are the states after those rows; the first prediction is made from them.
    """
    loop = task.loop(population, readout)
    path = loop.run(Start(starts, task.reader.recent(origins, int(loop.lags.max()) + 1)), task.horizon)
    truth = task.target[origins[:, None] + np.arange(task.horizon), : loop.n_fed]
    # differences are judged by the rows that they add up to
    return np.asarray(task.objective.values(task.base.added(path.transpose(1, 2, 0, 3)), task.base.added(truth)))
