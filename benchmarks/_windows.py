"""All weights of a reservoir by weight perturbation, one direction for a whole window: what the ablation is of.

A row of the trainer's batch is a window of the series.
"""

from typing import Any

import numpy as np

from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.forecast import Assignment
from skdopamine._esn.readout_problem import ReadoutProblem, Tunable
from skdopamine._esn.reservoir import Gains, Weights
from skdopamine._esn.window_errors import held_back_score, window_parts
from skdopamine._typing import Array


class ReservoirWeightsProblem(ReadoutProblem):
    """The readout and all other weights, perturbed at once, one direction for a whole window.

    Nothing of the past is kept: neither time nor memory grows with the series.
    """

    def __init__(self, start: Tunable, task: Assignment, **options: Any) -> None:
        w = start.weights
        groups = (w.recurrent.data, w.inputs, w.bias)
        self.sizes = [start.readout.size, *(group.size for group in groups)]
        roots = (np.full(group.size, np.sqrt(np.mean(group**2))) for group in groups)
        self.units = np.concatenate([np.ones(start.readout.size), *roots])
        super().__init__(start, task, **options)

    def init_params(self) -> Array:
        return np.zeros(len(self.units))

    def model(self, params: Array) -> tuple[Weights, Array]:
        """Weights and readout of parameters."""
        of_readout, links, inputs, bias = np.split(params * self.units, np.cumsum(self.sizes)[:-1])
        old = self.start.weights
        recurrent = old.recurrent._replace(data=old.recurrent.data + links)
        weights = Weights(recurrent, old.inputs + inputs.reshape(old.inputs.shape), old.bias + bias)
        return weights, self.readout(of_readout)

    def member_losses(self, members: Array, origins: Array) -> Array:
        """Loss (members, windows) in units of the start; each member reads by a reservoir of its own."""
        return self.in_units(self.parts_of([self.model(member) for member in members], origins))

    def parts_of(self, models: list[tuple[Weights, Array]], origins: Array) -> list[Array]:
        """Mean loss one step ahead and, where it can be closed, on the loop after that."""
        gains = Gains(*(np.repeat(gain, len(models)) for gain in self.start.gains))
        population = _reservoir.populate([weights for weights, _ in models], gains)
        return window_parts(self.task, population, population, np.stack([own for _, own in models]), origins)

    def score(self, params: Array) -> float:
        return held_back_score(self.parts_of([self.model(params)], self.held_back), self.task.objective)
