"""What a forecaster is to learn, and how far off its forecasts are."""

from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.loop import Loop
from skdopamine._esn.reader import Reader, SeriesReader, by_series, keep_starts, last_state
from skdopamine._esn.reader import WindowReader as WindowReader  # older pickles look for it here
from skdopamine._esn.reservoir import Normal, Population
from skdopamine._esn.robust import Robust
from skdopamine._esn.root import Equations
from skdopamine._esn.simple import Simple
from skdopamine._objectives.base import Objective
from skdopamine._objectives.scorers import FunctionLoss
from skdopamine._typing import Array

N_HORIZONS = 8  # lengths of the closed loop that count alike, from one step to all
ONE_STEP_SHARE = 0.3  # of the error one step ahead in the level of a model, the rest being that of the closed loop
FLOOR = 1e-12  # of a mean loss


Learnt = TypeVar("Learnt", bound=Equations)


class Windows(NamedTuple):
    """Rows of a batch: numbers of windows, with nothing but their share of the loss."""

    numbers: npt.NDArray[np.intp]
    share: Array  # (n, 1)
    total: float


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
        return int(self.reader.past(np.zeros(1, dtype=np.intp)).shape[1]) + 1

    @property
    def n_targets(self) -> int:
        """Of each series."""
        return int(self.target.shape[1]) // self.reader.n_series

    @property
    def trust(self) -> Array:
        """By how much an error in each row (n, series x channels) counts: 1, or less where a robust loss doubts it."""
        if self.weights is None or self.robust is None:
            return np.ones((len(self.target), 1))
        trust = self.robust.trust(self.weights).reshape(len(self.target), -1)
        return np.repeat(trust, self.reader.inputs.shape[-1] // self.reader.n_series, axis=1)

    def latest(self, n_rows: int, share: float) -> "Assignment":
        """The last rows alone, of which this share judges, and no fewer than two loops need."""
        n = len(self.target)
        if n <= n_rows:
            return self
        n_tail = min(n - self.split, max(1, int(n_rows * share), 2 * self.horizon))
        reader = self.reader.part(n - n_rows, n)
        weights = None if self.weights is None else self.weights[(n - n_rows) * reader.n_series :]
        return self._replace(reader=reader, target=self.target[n - n_rows :], split=n_rows - n_tail, weights=weights)

    def loop(self, population: Population, readout: Array) -> Loop:
        """Closed loops of reservoirs with readouts (members, features, targets)."""
        n_channels = int(self.reader.inputs.shape[-1]) // self.reader.n_series
        return Loop(population, readout, self.reader.lags, self.bounds, n_channels, self.reader.degree)

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


def weighted(seen: Array, target: Array, weights: Array | None) -> tuple[Array, Array]:
    """Features (members, n, features) and targets (n, targets), so that squares count as the weights (n,) say.

    Rows whose targets are not known are left out.
    """
    known = ~np.isnan(target).any(axis=1)
    if not known.all():
        seen, target, weights = seen[:, known], target[known], None if weights is None else weights[known]
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
    """Add the rows of a range to the normal equations, skipping the washout; also return the state after them.

    A row whose target is not known is not learnt from.
    """
    noise = np.random.Generator(np.random.PCG64([seed, normal.n_rows, rows[0]])) if population.noise.any() else None
    n_series = reader.n_series
    for row, states, past in reader.read(population, *rows, state, noise):
        n_rows, skipped = len(states) // n_series, max(0, washout - row)
        if skipped < n_rows:
            seen = _reservoir.features(population, states[skipped * n_series :], past[skipped * n_series :])
            goal = target[row + skipped : row + n_rows].reshape(seen.shape[1], -1)
            own = None if weights is None else weights[(row + skipped) * n_series : (row + n_rows) * n_series]
            normal = normal.add(*weighted(seen, goal, own))
        state = last_state(states, n_series)
    return normal, state


def evaluate_rest(
    task: Assignment, population: Population, readout: Array, normal: Normal, state: Array, origins: Array
) -> tuple[Array, Array, Normal]:
    """Read the rows from the split on, which the readouts have not learnt from.

    Returns the loss one step ahead (readouts, rows), the mean over the series whose targets are known and nan where
    there is none, the states after the rows `origins`, (members x units, windows), and the normal equations with these
    rows added. Several readouts may share one reservoir.
    """
    n_series = task.reader.n_series
    values = np.empty((len(readout), len(task.target) - task.split))
    starts = np.empty((len(state), len(origins), n_series))
    for row, states, past in task.reader.read(population, task.split, len(task.target), state):
        n_rows = len(states) // n_series
        seen, target = _reservoir.features(population, states, past), task.target[row : row + n_rows]
        goal = target.reshape(len(states), -1)
        own = None if task.weights is None else task.weights[row * n_series : (row + n_rows) * n_series]
        normal = normal.add(*weighted(seen, goal, own))
        losses = task.objective.values(np.matmul(seen, readout), goal)
        at = row - task.split
        values[:, at : at + n_rows] = mean_of_known(losses.reshape(len(readout), n_rows, n_series), goal, axis=-1)
        keep_starts(starts, states, origins, row)
    return values, starts.reshape(len(state), -1), normal


def mean_of_known(losses: Array, target: Array, axis: int) -> Array:
    """Mean of losses (readouts, rows, series) over an axis, without those whose targets (rows x series, k) are unknown.

    It is nan where none is known; a loss that is nan for another reason stays so.
    """
    unknown = np.isnan(target).any(axis=1).reshape(losses.shape[1:])
    if not unknown.any():
        return np.asarray(losses[..., 0] if losses.shape[2] == 1 and axis == -1 else losses.mean(axis=axis))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(unknown, 0.0, losses).sum(axis=axis) / (~unknown).sum(axis=axis))


def path_levels(task: Assignment, population: Population, readout: Array, starts: Array, origins: Array) -> Array:
    """Loss (members, windows) of the closed loop: the mean over `N_HORIZONS` lengths of the log error so far."""
    errors, weight = path_values(task, population, readout, starts, origins)
    lengths = np.unique(np.round(np.geomspace(1, task.horizon, N_HORIZONS)).astype(int))[1:]
    count = np.maximum(np.cumsum(weight, axis=-1), 1.0)[..., lengths - 1]
    cumulated = np.cumsum(errors * weight, axis=-1)[..., lengths - 1] / count
    return np.asarray(level(cumulated, task.objective).mean(axis=-1))


def level(mean: Array, objective: Objective | FunctionLoss) -> Array:
    """Log of a mean loss in units of the error; a user's own loss is left as it is."""
    if objective.degree == 0:
        return mean
    logarithm: Array = np.log(np.maximum(mean, FLOOR)) / objective.degree
    return logarithm


def path_values(
    task: Assignment, population: Population, readout: Array, starts: Array, origins: Array
) -> tuple[Array, Array]:
    """Loss (members, windows, horizon) of each step of the closed loop after the rows `origins`.

    `starts` (members x units, windows) are the states after those rows; the first prediction is made from them. Also
    return the share (windows, horizon) of the series whose truth is known; the loss is the mean of these.
    """
    reader, loop = task.reader, task.loop(population, readout)
    assert isinstance(reader, SeriesReader)
    start = reader.start(starts, origins, task.horizon)
    path = loop.run(start, task.horizon)
    truth = task.target[origins[:, None] + np.arange(task.horizon)]
    truth = by_series(truth, reader.n_series)[..., : loop.n_fed]
    # differences are judged by the rows that they add up to
    path, truth = task.base.added(path.transpose(1, 2, 0, 3)), task.base.added(truth)
    known = np.asarray(~np.isnan(truth).any(axis=-1))
    values = task.objective.values(path, np.where(known[..., None], truth, 0.0))
    if reader.n_series == 1 and known.all():
        return np.asarray(values), np.ones(known.shape)
    apart = (len(origins), reader.n_series, task.horizon)
    known = known.reshape(apart)
    count = known.sum(axis=1)
    total = np.where(known, values.reshape(len(values), *apart), 0.0).sum(axis=2)
    return total / np.maximum(count, 1), count / reader.n_series
