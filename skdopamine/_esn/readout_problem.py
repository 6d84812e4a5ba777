"""What the trainer asks of a readout: credit by weight perturbation.

A row of the trainer's batch is a window of the series.
"""

from typing import Any, NamedTuple

import numpy as np

from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.forecast import Assignment
from skdopamine._esn.reservoir import Gains, Weights
from skdopamine._esn.window_errors import LEAST_UNIT, WindowProblem, held_back_score, window_parts
from skdopamine._training import credit as _credit
from skdopamine._training import noise as _noise
from skdopamine._training.problem import Estimate
from skdopamine._typing import Array

MEMBER_BYTES = 2**24  # states of the members that are simulated at once


class Tunable(NamedTuple):
    """What weights a `ReadoutProblem` starts from, and in which units it counts them."""

    weights: Weights
    gains: Gains  # of one member
    readout: Array  # (features, targets)
    spread: Array  # (features, features): directions of the readout in which unit steps move predictions alike


class ReadoutProblem(WindowProblem):
    """The readout perturbed, one direction for a whole window.

    A window is read from the zero state for twice the washout, the second half being judged one step ahead, and the
    closed loop goes on from there. Nothing of the past is kept: neither time nor memory grows with the series.
    """

    def __init__(
        self,
        start: Tunable,
        task: Assignment,
        *,
        n_windows: int,
        n_pairs: int,
        scale: float,
        seed: int,
    ) -> None:
        super().__init__(task, n_windows)
        self.start = start
        self.n_pairs = n_pairs
        self.scale = scale
        self.seed = seed
        self.population = _reservoir.populate(start.weights, start.gains)
        self.unit = 1.0  # of the loss
        self.unit = max(float(self.member_losses(self.init_params()[None], self.origins).mean()), LEAST_UNIT)

    def init_params(self) -> Array:
        """Where training starts: no change."""
        return np.zeros(self.start.readout.size)

    def losses(self, params: Array, batch: Any) -> Array:
        return np.asarray(self.member_losses(params[None], self.origins[batch.numbers])[0])

    def credit(self, params: Array, memory: tuple[Array, ...], batch: Any, update: int) -> Estimate:
        origins = self.origins[batch.numbers]
        baseline = self.losses(params, batch)
        total = np.zeros_like(params)
        bits = _noise.member_directions(self.n_pairs, len(params), _noise.mix(self.seed, update))
        width = max(1, MEMBER_BYTES // (16 * len(origins) * self.start.weights.bias.size))
        for first in range(0, self.n_pairs, width):
            directions = _noise.unpack_directions(bits[first : first + width], len(params), params.dtype)
            moved = self.scale * directions
            up = self.member_losses(params + moved, origins)
            down = self.member_losses(params - moved, origins)
            # r = (L(w + s xi) - L(w - s xi)) / (2 s), the mean over the windows
            total = _credit.weight_credit(directions, (up - down).mean(axis=1) / (2 * self.scale), total)
        n_evaluations = (2 * self.n_pairs + 1) * len(origins)
        return Estimate(total / self.n_pairs, baseline, (), n_evaluations)

    def readout(self, params: Array) -> Array:
        """The readout of parameters."""
        start = self.start
        return np.asarray(start.readout + start.spread @ params.reshape(start.readout.shape))

    def member_losses(self, members: Array, origins: Array) -> Array:
        """Loss (members, windows), the mean of the errors one step ahead and on the closed loop, in units of the start.

        One reservoir reads for all.
        """
        return self.in_units(self.window_parts(np.stack([self.readout(member) for member in members]), origins))

    def in_units(self, parts: list[Array]) -> Array:
        """The mean over all judged steps of losses one step ahead and on the closed loop, in units of the start."""
        one_step, *ahead = parts
        total, steps = self.reach.n_judged * one_step, self.reach.n_judged
        for path in ahead:
            total += (self.task.horizon - 1) * path
            steps += self.task.horizon - 1
        return np.asarray(total / (steps * self.unit))

    def window_parts(self, readout: Array, origins: Array) -> list[Array]:
        """Mean loss of readouts one step ahead and, where it can be closed, on the loop after that."""
        alike = Gains(*(np.repeat(gain, len(readout)) for gain in self.start.gains))
        members = _reservoir.populate(self.start.weights, alike)
        return window_parts(self.task, self.population, members, readout, origins)

    def score(self, params: Array) -> float:
        """Minus the level of the error on the rows held back, as gains are judged."""
        return held_back_score(self.window_parts(self.readout(params)[None], self.held_back), self.task.objective)
