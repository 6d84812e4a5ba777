"""Problems without a network: a quadratic whose credit is exact, and quadratics that misbehave."""

from typing import Any

import numpy as np

from skdopamine._mlp.problem import Batch
from skdopamine._training import update as _update
from skdopamine._training.learning_rate import Dopamine
from skdopamine._training.problem import Estimate

ROWS = np.random.default_rng(0).normal(size=(10, 3)) + np.array([1.0, -2.0, 0.5])


START = np.array([3.0, 3.0, 3.0])


DOPAMINE = Dopamine(initial=0.01, ceiling=0.5, floor=0.2, last=0.03)


SETTINGS = _update.Settings(
    n_epochs=5,
    schedule=0,
    first_epoch=0,
    batch_size=5,
    nominal_batch=5,
    shuffle=True,
    momentum=0.9,
    tol=0.0,
    n_iter_no_change=1000,
    seed=1,
)


class Quadratic:
    """Loss of a row x: |params - x|^2 / 2. One critic counts the updates."""

    evaluations = 3  # that one credit claims to cost, per row

    def n_rows(self) -> int:
        return len(ROWS)

    def batch(self, rows: Any) -> Batch:
        X = ROWS[rows]
        return Batch(X, X, np.zeros(len(X), dtype=np.uint64), np.full((len(X), 1), 1 / len(X)), float(len(X)))

    def init_memory(self) -> tuple[np.ndarray, ...]:
        return (np.zeros(1),)

    def losses(self, params: np.ndarray, batch: Batch) -> np.ndarray:
        return 0.5 * ((params - batch.X) ** 2).sum(axis=1)

    def credit(self, params: np.ndarray, memory: Any, batch: Batch, update: int) -> Estimate:
        credit = ((params - batch.X) * batch.share).sum(axis=0)
        return Estimate(credit, self.losses(params, batch), (memory[0] + 1,), self.evaluations * len(batch.X))


class Frozen(Quadratic):
    """Nothing to learn."""

    def credit(self, params, memory, batch, update):
        estimate = super().credit(params, memory, batch, update)
        return estimate._replace(credit=np.zeros_like(params))


class Broken(Quadratic):
    """Not finite from an update on."""

    def __init__(self, since: int, value: float = np.nan) -> None:
        self.since, self.value = since, value

    def credit(self, params, memory, batch, update):
        estimate = super().credit(params, memory, batch, update)
        if update < self.since:
            return estimate
        return estimate._replace(credit=estimate.credit * self.value, losses=estimate.losses * self.value)


class Interrupted(Quadratic):
    """The user presses a key, or worse, at an update."""

    def __init__(self, at: int, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.at, self.error = at, error

    def credit(self, params, memory, batch, update):
        if update == self.at:
            raise self.error
        return super().credit(params, memory, batch, update)


def start(rule=DOPAMINE) -> _update.TrainState:
    return _update.init_state(START.copy(), Quadratic(), rule)


def steps(problem, rule, state, n: int, settings=SETTINGS, progress: float = 0.0):
    """States, losses and errors of n updates on all rows."""
    batch, history = problem.batch(slice(None)), []
    for _ in range(n):
        state, estimate, error = _update.update_step(problem, rule, state, batch, settings, progress)
        history.append((state, float(estimate.losses @ batch.share[:, 0]), error))
    return history


def mean_loss(params: np.ndarray) -> float:
    return float(Quadratic().losses(params, Quadratic().batch(slice(None))).mean())


def leap(size: float):
    """One update kept and one that leaps: the last good state, the leaping rule, the state after it."""
    ((good, _, _),) = steps(Quadratic(), DOPAMINE, start(), 1)
    ((bad, _, _),) = steps(Quadratic(), DOPAMINE, good, 1, SETTINGS._replace(step_scale=size))
    return good, bad


class Partial(Quadratic):
    """Without a loss on batches that begin with one of some rows."""

    def __init__(self, *silent: int) -> None:
        self.silent = ROWS[list(silent), 0]

    def losses(self, params, batch):
        losses = super().losses(params, batch)
        return losses * np.nan if batch.X[0, 0] in self.silent else losses

    def credit(self, params, memory, batch, update):
        estimate = super().credit(params, memory, batch, update)
        return estimate._replace(defined=not np.isnan(estimate.losses).any())


PAIRS = SETTINGS._replace(batch_size=2, nominal_batch=2, shuffle=False)


class Many(Quadratic):
    """Two hundred rows, of which the first `n_wild` have losses that are far off, and others at each look."""

    def __init__(self, n_wild: int, since: int = 0) -> None:
        self.n_wild, self.since, self.rng = n_wild, since, np.random.default_rng(0)

    def n_rows(self) -> int:
        return 200

    def batch(self, rows: Any) -> Batch:
        numbers = np.arange(200)[rows]
        batch = super().batch(numbers % 10)
        return batch._replace(ids=numbers)

    def losses(self, params: np.ndarray, batch: Batch) -> np.ndarray:
        far_off = 1e6 * (1 + self.rng.random()) if self.since <= 0 else 0.0
        return super().losses(params, batch) + far_off * (batch.ids < self.n_wild)

    def credit(self, params, memory, batch, update):
        self.since -= 1
        return super().credit(params, memory, batch, update)
