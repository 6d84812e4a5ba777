"""What a forecaster is to learn, how rows are read through a reservoir, and how far off its forecasts are."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.reservoir import Normal, Population
from skdopamine._typing import Array

ROW_CHUNK = 256  # windows that are read at once
N_HORIZONS = 8  # lengths of the closed loop that count alike, from one step to all
ONE_STEP_SHARE = 0.3  # of the error one step ahead in the level of a model, the rest being that of the closed loop
FLOOR = 1e-12  # of a mean loss


class Windows(NamedTuple):
    """Rows of a batch: numbers of windows, with nothing but their share of the loss."""

    numbers: npt.NDArray[np.intp]
    share: Array  # (n, 1)
    total: float


class FunctionLoss:
    """A user's ``loss(y_true, y_pred)``, per-sample values or one number."""

    degree = 0

    def __init__(self, function: Callable[..., Any], restore: Callable[[Array], Array]) -> None:
        self.function = function
        self.restore = restore  # to the user's units

    def values(self, output: Array, target: Array) -> Array:
        """Loss of each row, (..., n) of outputs (..., n, targets); a number counts for all of them."""
        target = np.broadcast_to(target, output.shape)
        values = np.empty(output.shape[:-1])
        for member in np.ndindex(values.shape[:-1]):
            true, predicted = self.restore(target[member]), self.restore(output[member])
            loss = np.asarray(self.function(_flat(true), _flat(predicted)))
            if loss.dtype.kind not in "fiub":
                raise TypeError(f"loss must return one number or one per row, got {loss!r}.")
            if loss.shape not in ((), values.shape[-1:]):
                raise ValueError(f"loss must return one number or one per row, got an array of shape {loss.shape}.")
            values[member] = loss
        return values


def _flat(values: Array) -> Array:
    return values[:, 0] if values.shape[1] == 1 else values


class Reader(Protocol):
    """How rows of the data are read through a reservoir."""

    def read(
        self, population: Population, first: int, last: int, state: Array, noise: np.random.Generator | None = None
    ) -> Iterator[tuple[int, Array, Array]]:
        """Yield pieces: number of the first row, states (n, members x units), past rows (n, lags x channels)."""

    def paths(
        self,
        population: Population,
        readout: Array,
        state: Array,
        first: int,
        origins: npt.NDArray[np.intp],
        n_steps: int,
        bounds: tuple[Array, Array],
    ) -> Array:
        """Closed loops (origins, n_steps, channels) after those rows, of one reservoir; `state` is before `first`."""

    def recent(self, rows: npt.NDArray[np.intp], n: int) -> Array:
        """Values (rows, n, channels) at the last n times before each of the rows, which counts too."""


class SeriesReader(NamedTuple):
    """Rows of one series, the state carried from one to the next."""

    inputs: Array  # (n, channels)
    lags: npt.NDArray[np.intp]

    def read(
        self, population: Population, first: int, last: int, state: Array, noise: np.random.Generator | None = None
    ) -> Iterator[tuple[int, Array, Array]]:
        for start, states in _reservoir.run(population, self.inputs[first:last], state, noise):
            row = first + start
            past = _reservoir.lagged(self.inputs, self.lags, np.arange(row, row + len(states)))
            yield row, states, past.reshape(len(states), -1)

    def paths(
        self,
        population: Population,
        readout: Array,
        state: Array,
        first: int,
        origins: npt.NDArray[np.intp],
        n_steps: int,
        bounds: tuple[Array, Array],
    ) -> Array:
        starts = np.empty((len(state), len(origins)))
        for row, states, _ in self.read(population, first, int(origins[-1]) + 1, state):
            inside = (origins >= row) & (origins < row + len(states))
            starts[:, inside] = states[origins[inside] - row].T
        history = self.recent(origins, int(self.lags.max()) + 1)
        path = _reservoir.closed_loop(population, readout[None], starts, history, self.lags, n_steps, bounds)
        return np.asarray(path[:, 0].transpose(1, 0, 2))

    def recent(self, rows: npt.NDArray[np.intp], n: int) -> Array:
        return _reservoir.lagged(self.inputs, np.arange(n - 1, -1, -1), rows)


class WindowReader(NamedTuple):
    """Rows that are windows, each read from the zero state."""

    inputs: Array  # (n, n_lags, channels)
    lags: npt.NDArray[np.intp]

    def read(
        self, population: Population, first: int, last: int, state: Array, noise: np.random.Generator | None = None
    ) -> Iterator[tuple[int, Array, Array]]:
        for row in range(first, last, ROW_CHUNK):
            windows = self.inputs[row : min(row + ROW_CHUNK, last)]
            states = _reservoir.read_windows(population, windows, noise).T
            yield row, states, windows[:, -1 - self.lags].reshape(len(windows), -1)

    def paths(
        self,
        population: Population,
        readout: Array,
        state: Array,
        first: int,
        origins: npt.NDArray[np.intp],
        n_steps: int,
        bounds: tuple[Array, Array],
    ) -> Array:
        windows = self.inputs[origins]
        path = np.empty((len(windows), n_steps, windows.shape[2]))
        for step in range(n_steps):
            slid = WindowReader(windows, self.lags)
            ahead = predicted(slid, population, readout, state, 0, len(windows))[:, : windows.shape[2]]
            np.clip(ahead, *bounds, out=path[:, step])
            windows = np.concatenate([windows[:, 1:], path[:, step, None]], axis=1)
        return path

    def recent(self, rows: npt.NDArray[np.intp], n: int) -> Array:
        return np.asarray(self.inputs[rows, -n:])


class Task(NamedTuple):
    """What a forecaster is to learn, in training units."""

    reader: Any  # SeriesReader or WindowReader
    target: Array  # (n, targets)
    closed: bool  # whether the first targets are the next row, so that predictions can be fed back
    washout: int
    split: int  # the rows from here on judge
    horizon: int  # steps of the closed loop
    bounds: tuple[Array, Array]
    objective: Any  # Objective or FunctionLoss

    @property
    def n_features(self) -> int:
        """Of the readout, without the units."""
        return len(self.reader.lags) * int(self.reader.inputs.shape[-1]) + 1


def read_over(reader: Reader, population: Population, state: Array, first: int, last: int) -> Array:
    """State after rows that are but read."""
    if isinstance(reader, WindowReader):
        return state
    for _, states, _ in reader.read(population, first, last, state):
        state = states[-1][:, None].copy()
    return state


def predicted(reader: Reader, population: Population, readout: Array, state: Array, first: int, last: int) -> Array:
    """Predictions (rows, targets) of one reservoir in training units; `state` is that before the first row."""
    ahead = [np.empty((0, readout.shape[1]))]
    for _, states, past in reader.read(population, first, last, state):
        ahead.append(_reservoir.features(population, states, past)[0] @ readout)
    return np.concatenate(ahead)


def learn(
    task: Task, population: Population, normal: Normal, state: Array, rows: tuple[int, int], seed: int
) -> tuple[Normal, Array]:
    """Normal equations with rows from .. to added, those of the washout but read, and the state after them."""
    noise = np.random.Generator(np.random.PCG64([seed, normal.n_rows, rows[0]])) if population.noise.any() else None
    for row, states, past in task.reader.read(population, *rows, state, noise):
        skipped = max(0, task.washout - row)
        if skipped < len(states):
            seen = _reservoir.features(population, states[skipped:], past[skipped:])
            normal = normal.add(seen, task.target[row + skipped : row + len(states)])
        state = states[-1][:, None].copy()
    return normal, state


def read_on(
    task: Task, population: Population, readout: Array, normal: Normal, state: Array, origins: Array
) -> tuple[Array, Array, Normal]:
    """Read the rows from the split on, which the readouts have not learnt from.

    Returns the loss one step ahead (readouts, rows), the states after the rows `origins`, (members x units, windows),
    and the normal equations with these rows added. Several readouts may share one reservoir.
    """
    values = np.empty((len(readout), len(task.target) - task.split))
    starts = np.empty((len(state), len(origins)))
    for row, states, past in task.reader.read(population, task.split, len(task.target), state):
        seen, target = _reservoir.features(population, states, past), task.target[row : row + len(states)]
        normal = normal.add(seen, target)
        at = row - task.split
        values[:, at : at + len(states)] = task.objective.values(np.matmul(seen, readout), target)
        inside = (origins >= row) & (origins < row + len(states))
        starts[:, inside] = states[origins[inside] - row].T
    return values, starts, normal


def path_levels(task: Task, population: Population, readout: Array, starts: Array, origins: Array) -> Array:
    """Loss (members, windows) of the closed loop: the mean over `N_HORIZONS` lengths of the log error so far."""
    errors = path_values(task, population, readout, starts, origins)
    lengths = np.unique(np.round(np.geomspace(1, task.horizon, N_HORIZONS)).astype(int))[1:]
    cumulated = np.cumsum(errors, axis=-1)[..., lengths - 1] / lengths
    return np.asarray(level(cumulated, task.objective).mean(axis=-1))


def level(mean: Array, objective: Any) -> Array:
    """Log of a mean loss in units of the error; a user's own loss is left as it is."""
    if objective.degree == 0:
        return mean
    logarithm: Array = np.log(np.maximum(mean, FLOOR)) / objective.degree
    return logarithm


def path_values(task: Task, population: Population, readout: Array, starts: Array, origins: Array) -> Array:
    """Loss (members, windows, horizon) of each step of the closed loop after the rows `origins`.

    `starts` (members x units, windows) are the states after those rows; the first prediction is made from them.
    """
    channels = task.reader.inputs.shape[1]
    history = task.reader.recent(origins, int(task.reader.lags.max()) + 1)
    path = _reservoir.closed_loop(
        population, readout, starts, history, task.reader.lags, task.horizon, task.bounds
    )  # (steps, members, windows, channels)
    truth = task.target[origins[:, None] + np.arange(task.horizon), :channels]
    return np.asarray(task.objective.values(path.transpose(1, 2, 0, 3), truth))
