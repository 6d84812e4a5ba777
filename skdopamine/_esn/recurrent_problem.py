"""What the trainer asks of all weights of a reservoir, whose readout is solved anew for each batch.

Variable projection (Golub and Pereyra, 1973): the loss of weights is what the best readout for them leaves over. Each
judged row credits outputs by small moves of each, units through that readout, and the weights of a unit by its response
to its own drive. Credit does not go back in time, and nothing of the past is kept: neither time nor memory of an update
grows with the series. A row of the trainer's batch is a window of the series.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.forecast import Assignment
from skdopamine._esn.reservoir import Gains, Population, Weights
from skdopamine._esn.root import Equations
from skdopamine._esn.window_errors import LEAST_UNIT, WindowProblem, held_back_score, window_parts
from skdopamine._objectives.base import SquaredError
from skdopamine._training.problem import Estimate
from skdopamine._typing import Array

OUTPUT_SCALE = 1e-3  # by which outputs are moved
SQUARES = SquaredError()  # whatever the loss: it is by squares that the ridge readout is the best one


class Projected(NamedTuple):
    """What weights a `RecurrentProblem` starts from, and how their readout is solved."""

    weights: Weights
    gains: Gains  # of one member
    no_rows: Equations
    expected: Array  # (features, targets): what a readout shrinks to


class Judged(NamedTuple):
    """A step of all windows that is judged."""

    before: Array  # (units, windows): states
    inputs: Array  # (windows, channels)
    response: Array  # (units, windows): of states to the drive of their units
    seen: Array  # (windows, features)
    target: Array  # (windows, targets), nan where not known
    known: npt.NDArray[np.bool_]  # (windows,)


class RecurrentProblem(WindowProblem):
    """The links, input weights and biases of a reservoir, in units of their root mean squares.

    A window is read from the zero state for twice the washout, the second half being judged one step ahead.
    """

    def __init__(self, start: Projected, task: Assignment, *, n_windows: int) -> None:
        super().__init__(task, n_windows)
        self.start = start
        w = start.weights
        groups = (w.recurrent.data, w.inputs, w.bias)
        self.sizes = [group.size for group in groups]
        self.units = np.concatenate([np.full(group.size, np.sqrt(np.mean(group**2))) for group in groups])
        self.unit = 1.0  # of the loss
        self.unit = max(float(self.losses(self.init_params(), self.batch(slice(None))).mean()), LEAST_UNIT)

    def init_params(self) -> Array:
        """Where training starts: no change."""
        return np.zeros(len(self.units))

    def weights(self, params: Array) -> Weights:
        """Weights of parameters."""
        links, inputs, bias = np.split(params * self.units, np.cumsum(self.sizes)[:-1])
        old = self.start.weights
        recurrent = old.recurrent._replace(data=old.recurrent.data + links)
        return Weights(recurrent, old.inputs + inputs.reshape(old.inputs.shape), old.bias + bias)

    def population(self, params: Array) -> Population:
        return _reservoir.populate(self.weights(params), self.start.gains)

    def judged(self, population: Population, origins: Array) -> Iterator[Judged]:
        """Read windows forwards, and yield the steps that are judged."""
        reader, leak = self.task.reader, population.leak
        state = _reservoir.init_state(population, len(origins))
        for t, (rows, inputs) in enumerate(reader.steps_before(origins, self.reach.n_read), 1 - self.reach.n_read):
            before = state
            state = _reservoir.reservoir_step(population, before, _reservoir.drive_of(population, inputs.T[None]))
            if t <= -self.reach.n_judged:
                continue
            active = (state - (1 - leak) * before) / leak  # tanh(z), whose slope is 1 - tanh(z)^2
            seen, target = _reservoir.features(population, state.T, reader.past(rows))[0], self.task.target[rows]
            known = np.asarray(~np.isnan(target).any(axis=1))  # a target that is not known is no loss
            yield Judged(before, inputs, leak * (1 - active**2), seen, target, known)

    def readout(self, population: Population, origins: Array) -> Array:
        """The ridge readout (features, targets) of these windows."""
        rows = self.start.no_rows.copied()
        for step in self.judged(population, origins):
            rows = rows.add(step.seen[None, step.known], step.target[step.known])
        solved: Array = rows.solve(self.start.gains, population.n_units, self.start.expected)[0]
        return solved

    def losses(self, params: Array, batch: Any) -> Array:
        origins, population = self.origins[batch.numbers], self.population(params)
        readout, total = self.readout(population, origins), np.zeros(len(origins))
        for step in self.judged(population, origins):
            total += np.where(step.known, SQUARES.values(step.seen @ readout, step.target), 0.0)
        return np.asarray(total / (self.reach.n_judged * self.unit))

    def credit(self, params: Array, memory: tuple[Array, ...], batch: Any, update: int) -> Estimate:
        """Credit of the log of the loss: however far that falls, its slope does not."""
        origins, population = self.origins[batch.numbers], self.population(params)
        readout, n_units = self.readout(population, origins), population.n_units
        total, of_links = np.zeros(len(origins)), np.zeros((n_units, n_units))
        of_inputs, of_bias = np.zeros(self.start.weights.inputs.shape), np.zeros(n_units)
        for step in self.judged(population, origins):
            output = step.seen @ readout
            total += np.where(step.known, SQUARES.values(output, step.target), 0.0)
            of_outputs = self.output_credit(output, np.where(step.known[:, None], step.target, output))
            drive = step.response * (readout[:n_units] @ of_outputs.T)  # (units, windows)
            of_links += drive @ step.before.T
            of_inputs += drive @ step.inputs
            of_bias += drive.sum(axis=1)
        links = self.start.weights.recurrent.matrix.tocoo()
        gains = self.start.gains
        parts = (
            gains.spectral_radius * of_links[links.row, links.col],
            gains.input_scaling * of_inputs.ravel(),
            gains.bias_scaling * of_bias,
        )
        credit = np.concatenate(parts) * self.units / max(float(total.sum()), LEAST_UNIT * self.unit)
        return Estimate(credit, total / (self.reach.n_judged * self.unit), (), 2 * len(origins))

    def output_credit(self, output: Array, target: Array) -> Array:
        """Credit (windows, targets) of each output, by moving it up and down."""
        values, credit = SQUARES.values, np.empty(output.shape)
        for k, move in enumerate(OUTPUT_SCALE * np.eye(output.shape[1])):
            credit[:, k] = (values(output + move, target) - values(output - move, target)) / (2 * OUTPUT_SCALE)
        return credit

    def score(self, params: Array) -> float:
        """Minus the level of the error on the rows held back, as gains are judged, by the readout of all windows."""
        population = self.population(params)
        readout = self.readout(population, self.origins)
        parts = window_parts(self.task, population, population, readout[None], self.held_back)
        return held_back_score(parts, self.task.objective)
