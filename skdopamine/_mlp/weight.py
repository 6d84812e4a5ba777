"""Weight perturbation of a network: a population of directions, judged by the loss of the whole batch."""

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np

from skdopamine._estimator.crew import Crew
from skdopamine._estimator.workers import Task
from skdopamine._mlp import network as _network
from skdopamine._mlp.problem import Batch, Data, NetworkProblem
from skdopamine._objectives.base import SetObjective
from skdopamine._training import credit as _credit
from skdopamine._training import noise as _noise
from skdopamine._training.problem import Estimate
from skdopamine._typing import Array

CHUNK_BYTES = 2**18  # one array of the members that are simulated at once fits a processor's cache
KEPT_BYTES = 2**17  # of the signs of all directions: so many are drawn once in an update, more whenever they are needed


class Update(NamedTuple):
    """What tells the regrets of all members, besides the rows: few bytes but for the parameters."""

    params: Array
    origin: Any  # which rows the batch has
    seed: int  # of all directions
    loss: float  # of the parameters, where regrets are slopes


class WeightProblem(NetworkProblem):
    """Weight perturbation: a population of directions over all parameters, judged by the loss of the whole batch.

    Each direction is tried on both sides or, where the credit `promises` a gain, on one side of the unperturbed
    network, whose loss also tells what the last step has brought.
    """

    def __init__(self, *args: Any, n_jobs: int | None = None, promises: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.promises = promises
        if promises:
            self.n_updates_of_all = max(1, _network.n_parameters(self.network) // self.n_perturbations)
        self.crew = Crew(n_jobs)
        self.orders: dict[tuple[int, int], Array] = {}  # of rows, on a worker, for as long as it holds them

    def __getstate__(self) -> dict[str, Any]:
        return {**{name: value for name, value in vars(self).items() if name != "crew"}, "orders": {}}

    def on(self, data: Data) -> Self:
        other = super().on(data)
        other.crew = Crew(self.crew.n_jobs)
        return other

    def init_memory(self) -> tuple[Array, ...]:
        return ()

    def n_at_once(self, n_rows: int) -> int:
        """Members that are simulated at once, so that memory does not grow with the population."""
        most = max(n_rows * max(self.network.units[1:]), _network.n_parameters(self.network))
        return max(1, CHUNK_BYTES // (most * int(self.dtype.itemsize)))

    def regrets(self, params: Array, directions: Array, batch: Batch) -> Array:
        """Antithetic regret (L(+) - L(-)) / (2 scale) of each member."""
        outputs = _network.forward_pairs(self.network, params, directions, self.scale, batch.X)
        if isinstance(self.objective, SetObjective):
            values = self.set_values(outputs, batch)
            regret = (values[0] - values[1]) / (2 * self.scale)
            return np.asarray(np.where(np.isfinite(regret), regret, 0.0), dtype=self.dtype)
        losses = self.objective.values(outputs, batch.target)  # (2, members, n)
        regret = ((losses[0] - losses[1]) * batch.share[:, 0]).sum(axis=-1) / (2 * self.scale)
        return np.asarray(regret, dtype=self.dtype)

    def slopes(self, params: Array, directions: Array, batch: Batch, loss: float) -> Array:
        """Regret (L(+) - L) / scale of each member, against the loss of the unperturbed network."""
        (outputs,) = _network.forward_pairs(self.network, params, directions, self.scale, batch.X, one_sided=True)
        losses = (self.values(outputs, batch) * batch.share[:, 0]).sum(axis=-1)
        regret = (losses - loss) / self.scale
        return np.asarray(np.where(np.isfinite(regret), regret, 0.0), dtype=self.dtype)

    def simulated(self, update: Update, batch: Batch, members: range, *, signs: Array | None = None) -> Array:
        """Regrets of some members; the step of the range is how many of them are simulated at once.

        `signs` are those of all directions, packed, where they are known.
        """
        params, regrets = update.params, np.empty(members.stop - members.start, dtype=self.dtype)
        for some in chunks(members):
            mine, directions = slice(some.start - members.start, None), self.directions(some, update, signs)
            if self.promises:
                regrets[mine][: len(directions)] = self.slopes(params, directions, batch, update.loss)
            else:
                regrets[mine][: len(directions)] = self.regrets(params, directions, batch)
        return regrets

    def directions(self, members: slice, update: Update, signs: Array | None) -> Array:
        """Directions of some members."""
        n = len(update.params)
        if signs is None:
            own = _noise.member_directions(members.stop - members.start, n, update.seed, first=members.start)
        else:
            own = signs[members]
        return _noise.unpack_directions(own, n, update.params.dtype)

    def signs(self, update: Update) -> Array | None:
        """The signs of all directions, packed; None where they are too many to keep."""
        n = len(update.params)
        few = self.n_perturbations * n <= 8 * KEPT_BYTES
        return _noise.member_directions(self.n_perturbations, n, update.seed) if few else None

    def credit(self, params: Array, memory: tuple[Array, ...], batch: Batch, update: int) -> Estimate:
        output = _network.forward(self.network, params, batch.X)
        loss = float(self.values(output, batch) @ batch.share[:, 0]) if self.promises else 0.0
        now = Update(params, batch.origin, _noise.mix(self.seed, update), loss)
        signs = self.signs(now)
        everybody = range(0, self.n_perturbations, self.n_at_once(len(batch.ids)))
        task = Task(
            split=partial(divided, everybody),
            here=partial(self.simulated, now, batch, signs=signs),
            there=simulated_elsewhere,
            common=None if batch.origin is None else now,
            size=float(len(batch.ids)),
        )
        regrets = np.concatenate(self.crew.numbers(self, task))
        total = np.zeros_like(params)
        for members in chunks(everybody):
            total = _credit.weight_credit(self.directions(members, now, signs), regrets[members], total)
        total /= self.n_perturbations
        promised = float((regrets.astype(np.float64) ** 2).sum())
        promised = self._promised(promised / self.n_perturbations, total, params, batch)
        n_evaluations = (1 + (1 if self.promises else 2) * self.n_perturbations) * len(batch.ids)
        return self.estimate(total, output, params, batch, (), n_evaluations)._replace(promised=promised)

    def _promised(self, mean_square: float, credit: Array, params: Array, batch: Batch) -> float:
        """By how much a step of unit rate along the credit should lower the loss: ``mean_p r_p^2``, see `Promised`.

        A regret is the slope along its direction, so that ``g . dL = mean_p r_p (xi_p . dL)``. With the penalty, whose
        slope p is known, the step goes along ``g + p``, and ``(g + p) . (dL + p)`` is expected.
        """
        pull = params[: self.n_weights].astype(np.float64) * (self.alpha / batch.total)
        return mean_square + float(pull @ (2 * credit[: self.n_weights] + pull))


def chunks(members: range) -> Iterator[slice]:
    """Members that are simulated at once, which are a function of sizes alone."""
    return (slice(first, min(first + members.step, members.stop)) for first in members)


def divided(members: range, n: int) -> list[range]:
    """Members in so many parts, or fewer, none of which divides a chunk."""
    n = min(n, len(members))
    edges = [k * len(members) // n * members.step for k in range(n + 1)]
    return [range(first, min(last, members.stop), members.step) for first, last in pairwise(edges)]


def simulated_elsewhere(problem: WeightProblem, update: Update, members: range) -> Array:
    """What a worker gives back."""
    return problem.simulated(update, problem.batch(update.origin.rows(problem.n_rows(), problem.orders)), members)
