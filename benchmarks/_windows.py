"""All weights of a reservoir by weight perturbation, one direction for a whole window: what the ablation is of.

A row of the trainer's batch is a window of the series.
"""

from typing import Any, NamedTuple

import numpy as np

from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.forecast import ONE_STEP_SHARE, Assignment, Windows, level, path_values
from skdopamine._esn.reservoir import Gains, Population, Weights
from skdopamine._training import credit as _credit
from skdopamine._training import noise as _noise
from skdopamine._training.problem import Estimate
from skdopamine._typing import Array

LEAST_UNIT = 1e-20  # of the loss
MEMBER_BYTES = 2**24  # states of the members that are simulated at once


class Tunable(NamedTuple):
    """What weights a `ReservoirWeightsProblem` starts from, and in which units it counts them."""

    weights: Weights
    gains: Gains  # of one member
    readout: Array  # (features, targets)
    spread: Array  # (features, features): directions of the readout in which unit steps move predictions alike


class ReservoirWeightsProblem:
    """The readout, and with `recurrent` all other weights too, perturbed at once, one direction for a whole window.

    A window is read from the zero state for twice the washout, the second half being judged one step ahead, and the
    closed loop goes on from there. Nothing of the past is kept: neither time nor memory grows with the series.
    """

    def __init__(
        self,
        start: Tunable,
        task: Assignment,
        *,
        recurrent: bool,
        n_windows: int,
        n_pairs: int,
        scale: float,
        seed: int,
    ) -> None:
        self.start = start
        self.task = task
        self.recurrent = recurrent
        self.n_pairs = n_pairs
        self.scale = scale
        self.seed = seed
        self.reach = task.reader.reach(task.washout)
        steps = task.horizon if task.closed else 1
        last = max(0, task.split - steps)
        first = min(self.reach.n_before, last)
        self.origins = np.unique(np.linspace(first, last, n_windows).astype(np.intp))
        self.held_back = np.unique(
            np.linspace(task.split, len(task.target) - steps, max(1, n_windows // 3)).astype(np.intp)
        )
        self.sizes = [start.readout.size]
        units = [np.ones(start.readout.size)]
        if recurrent:
            w = start.weights
            for group in (w.recurrent.data, w.inputs, w.bias):
                self.sizes.append(group.size)
                units.append(np.full(group.size, np.sqrt(np.mean(group**2))))
        self.units = np.concatenate(units)
        self.unit = 1.0  # of the loss
        self.unit = max(float(self.member_losses(self.init_params()[None], self.origins).mean()), LEAST_UNIT)

    def n_rows(self) -> int:
        return len(self.origins)

    def batch(self, rows: Any) -> Any:
        numbers = np.arange(len(self.origins))[rows]
        return Windows(numbers, np.full((len(numbers), 1), 1 / len(numbers)), float(len(numbers)))

    def init_memory(self) -> tuple[Array, ...]:
        return ()

    def init_params(self) -> Array:
        """Where training starts: no change."""
        return np.zeros(len(self.units))

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

    def model(self, params: Array) -> tuple[Weights, Array]:
        """Weights and readout of parameters."""
        moved = params * self.units
        start, n = self.start, self.start.readout.size
        readout = start.readout + start.spread @ moved[:n].reshape(start.readout.shape)
        if not self.recurrent:
            return start.weights, readout
        _, links, inputs, bias = np.split(moved, np.cumsum(self.sizes)[:-1])
        old = start.weights
        recurrent = old.recurrent._replace(data=old.recurrent.data + links)
        return Weights(recurrent, old.inputs + inputs.reshape(old.inputs.shape), old.bias + bias), readout

    def member_losses(self, members: Array, origins: Array) -> Array:
        """Loss (members, windows), the mean of the errors one step ahead and on the closed loop."""
        models = [self.model(member) for member in members]
        gains = Gains(*(np.repeat(gain, len(members)) for gain in self.start.gains))
        population = _reservoir.populate([weights for weights, _ in models], gains)
        readout = np.stack([readout for _, readout in models])
        return self.window_losses(population, readout, origins)

    def score(self, params: Array) -> float:
        """Minus the level of the error on the rows held back, as gains are judged.

        In the mean, the errors of loops that have lost the series would hide all that is lost one step ahead.
        """
        weights, readout = self.model(params)
        parts = self.window_parts(_reservoir.populate(weights, self.start.gains), readout[None], self.held_back)
        levels = [float(level(part.mean(), self.task.objective)) for part in parts]
        return -(ONE_STEP_SHARE * levels[0] + (1 - ONE_STEP_SHARE) * levels[-1])

    def window_losses(self, population: Population, readout: Array, origins: Array) -> Array:
        """Loss (members, windows) of given reservoirs and readouts, in units of the loss at the start."""
        one_step, *ahead = self.window_parts(population, readout, origins)
        total, steps = self.reach.n_judged * one_step, self.reach.n_judged
        for path in ahead:
            total += (self.task.horizon - 1) * path
            steps += self.task.horizon - 1
        return np.asarray(total / (steps * self.unit))

    def window_parts(self, population: Population, readout: Array, origins: Array) -> list[Array]:
        """Mean loss one step ahead and, where it can be closed, on the loop after that; (members, windows) each."""
        task, reader = self.task, self.task.reader
        # unless reservoirs differ, one of them reads for all
        reading = population if self.recurrent else _reservoir.populate(self.start.weights, self.start.gains)
        members, units = reading.n_members, reading.n_units
        state, total = _reservoir.init_state(reading, len(origins)), np.zeros((len(readout), len(origins)))
        for t, (rows, inputs) in enumerate(reader.steps_before(origins, self.reach.n_read), 1 - self.reach.n_read):
            state = _reservoir.reservoir_step(reading, state, _reservoir.drive_of(reading, inputs.T[None]))
            if t <= -self.reach.n_judged:
                continue
            states = state.reshape(members, units, -1).transpose(2, 0, 1).reshape(len(origins), -1)
            seen, target = _reservoir.features(reading, states, reader.past(rows)), task.target[rows]
            known = ~np.isnan(target).any(axis=1)  # a target that is not known is no loss
            total += np.where(known, task.objective.values(np.matmul(seen, readout), target), 0.0)
        parts = [total / self.reach.n_judged]
        if task.closed and task.horizon > 1:
            state = np.tile(state, (len(readout) // members, 1))
            values, weight = path_values(task, population, readout, state, origins)
            parts.append((values * weight)[..., 1:].mean(axis=-1))
        return parts
