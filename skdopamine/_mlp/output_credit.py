"""Credit of the outputs of a network, and how a change of the outputs is judged.

There are few outputs, so they are perturbed one at a time, or together where only their joint value is known. What
hidden layers are credited with starts here.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from skdopamine._mlp import network as _network
from skdopamine._mlp.problem import Batch
from skdopamine._objectives.base import Objective
from skdopamine._training import credit as _credit
from skdopamine._training import noise as _noise
from skdopamine._typing import Array

SET_BYTES = 2**22  # outputs of the members that are judged at once


class Assessed(NamedTuple):
    """Outputs of a clean pass, and their credit."""

    prediction: Array  # (n, outputs)
    credit: Array  # (n, outputs), per unit of share


class OutputCredit(Protocol):
    """What node perturbation asks of a loss."""

    @property
    def n_draws(self) -> int:
        """Draws of noise that each hidden layer averages over."""

    def assess(self, output: Array, batch: Batch, update: int) -> Assessed:
        """Outputs (n, outputs) of a clean pass, and their credit."""

    def judge(self, assessed: Assessed, change: Array, batch: Batch, middle: Array | None = None) -> Array:
        """Loss (groups, n) at middle + change minus loss at middle - change; the middle is that of the clean pass."""

    def n_members(self, n_outputs: int, n_groups: int) -> int:
        """Loss evaluations of a row, where n_groups groups of hidden units are judged."""


class SampleCredit(NamedTuple):
    """A loss that is a sum over samples: each output is moved in turn."""

    objective: Objective
    scale: float
    n_draws: int

    def assess(self, output: Array, batch: Batch, update: int) -> Assessed:
        prediction = self.objective.predict(output)
        return Assessed(prediction, self.objective.credit(prediction, batch.target, self.scale))

    def judge(self, assessed: Assessed, change: Array, batch: Batch, middle: Array | None = None) -> Array:
        if self.objective.linear:
            return judge_by_credit(assessed, change)
        prediction = assessed.prediction if middle is None else self.objective.predict(middle)
        return self.objective.difference(prediction, change, batch.target)

    def n_members(self, n_outputs: int, n_groups: int) -> int:
        return 1 + 2 * n_outputs + (0 if self.objective.linear else 2 * self.n_draws * n_groups)


class SetCredit(NamedTuple):
    """An objective of the whole batch: the outputs of all rows are moved together, by a population of directions."""

    values: Callable[[Array, Batch], Array]  # objective (...,) of outputs (..., n, outputs)
    scale: float
    n_pairs: int
    seed: int
    n_draws: int = 1

    def assess(self, output: Array, batch: Batch, update: int) -> Assessed:
        """Members come in chunks, so that memory does not grow with the population."""
        directions = self.directions(batch.ids, output.shape[1], update)
        size = max(1, SET_BYTES // (8 * output.size))
        regret = np.empty(self.n_pairs)
        for start in range(0, self.n_pairs, size):
            moved = self.scale * directions[start : start + size]
            values = self.values(_network.both_sides(output, moved.astype(output.dtype)), batch)
            regret[start : start + size] = (values[0] - values[1]) / (2 * self.scale)
        regret[~np.isfinite(regret)] = 0.0
        return Assessed(output, _credit.set_credit(directions, regret, batch.ids, batch.share).astype(output.dtype))

    def directions(self, ids: npt.NDArray[np.uint16], n_outputs: int, update: int) -> Array:
        """Signs (pairs, n, outputs)."""
        return _noise.output_directions(ids, n_outputs, self.n_pairs, _noise.mix(self.seed, update))

    def judge(self, assessed: Assessed, change: Array, batch: Batch, middle: Array | None = None) -> Array:
        return judge_by_credit(assessed, change)

    def n_members(self, n_outputs: int, n_groups: int) -> int:
        return 1 + 2 * self.n_pairs


def judge_by_credit(assessed: Assessed, change: Array) -> Array:
    """A change too small to show in the objective is judged by the credit of the outputs."""
    return np.asarray(2 * np.einsum("...nk,...nk->...n", assessed.credit, change))
