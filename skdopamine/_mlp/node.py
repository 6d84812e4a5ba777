"""Node perturbation of a network: every sample judges its own noise."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from skdopamine._mlp import network as _network
from skdopamine._mlp.problem import Batch, NetworkProblem
from skdopamine._objectives.base import SetObjective
from skdopamine._training import credit as _credit
from skdopamine._training import noise as _noise
from skdopamine._training.problem import Estimate
from skdopamine._typing import Array

TABLE_LIFE = 64  # updates for which one table of signs serves
MAX_GROUPS = 16
GROUP_OUTPUTS = 160  # groups x outputs whose losses are worth their time, per row
UNIT_COST = 8  # cost of a unit's activation on both sides of a pair, in multiplications
PASS_SHARE = 2  # a layer's own product costs at least this many times what one group's pass does
SET_BYTES = 2**22  # outputs of the members that are judged at once


def most_groups(units: tuple[int, ...], layer: int) -> int:
    """Into how many groups a hidden layer may be split: the more, the less noise and the more work."""
    most = max(1, min(MAX_GROUPS, GROUP_OUTPUTS // units[-1]))
    above = units[layer + 2 :]
    if len(above) == 1:
        return most
    # each group of a lower layer costs a pass through the layers above, which the layer's own product has to outweigh
    passed = sum(a * b for a, b in pairwise(units[layer + 2 :])) + UNIT_COST * sum(above)
    return max(1, min(most, units[layer] * units[layer + 1] // (PASS_SHARE * passed)))


class NodeProblem(NetworkProblem):
    """Node perturbation: every sample judges its own noise.

    `scale` perturbs the outputs, and the hidden layers unless `hidden_scales` has a size for each of them.
    """

    def __init__(self, *args: Any, hidden_scales: Sequence[float] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        units = self.network.units
        hidden, dtype = units[1:-1], self.dtype
        self.hidden_scales = [self.scale] * len(hidden) if hidden_scales is None else list(hidden_scales)
        self.membership = [_credit.group_membership(h, most_groups(units, i), dtype) for i, h in enumerate(hidden)]
        self.tables: tuple[int, list[Array]] = (-1, [])

    def init_memory(self) -> tuple[Array, ...]:
        units, dtype = self.network.units, self.dtype
        return tuple(np.zeros((units[-1], h), dtype=dtype) for h in units[1:-1])

    def directions(self, layer: int, update: int, draw: int, ids: npt.NDArray[np.uint16]) -> Array:
        """Signs (n, units): a function of seed, update, layer and row content."""
        block = update // TABLE_LIFE
        if self.tables[0] != block:
            hidden, dtype = self.network.units[1:-1], self.dtype
            seeds = [_noise.mix(self.seed, block, i) for i in range(len(hidden))]
            self.tables = (block, [_noise.sign_table(h, s, dtype) for h, s in zip(hidden, seeds, strict=True)])
        patterns = _noise.row_patterns(ids, _noise.mix(self.seed, update, layer, draw))
        return np.asarray(self.tables[1][layer][patterns])

    def credit(self, params: Array, memory: tuple[Array, ...], batch: Batch, update: int) -> Estimate:
        network, objective = self.network, self.objective
        trace = _network.trace(network, params, batch.X)
        if isinstance(objective, SetObjective):
            prediction = trace.output
            output_credit = self._set_credit(trace.output, batch, update)
        else:
            prediction = objective.predict(trace.output)
            output_credit = objective.credit(prediction, batch.target, self.scale)
        total = np.empty_like(params)
        weights, biases = _network.unpack(network, total)
        self._store(weights[-1], biases[-1], trace.inputs.pop(), output_credit * batch.share)
        learned = list(memory)
        for layer in range(len(self.membership)):
            unit_credit, learned[layer] = self._layer_credit(
                params, trace, prediction, layer, output_credit, memory[layer], batch, update
            )
            self._store(weights[layer], biases[layer], trace.inputs[layer], unit_credit)
        return self.estimate(total, trace.output, params, batch, tuple(learned), self.members() * len(batch.ids))

    def members(self) -> int:
        """Loss evaluations of a row in one update."""
        if isinstance(self.objective, SetObjective):
            return 1 + 2 * self.n_perturbations
        groups = 0 if self.objective.linear else sum(m.shape[1] for m in self.membership)
        return 1 + 2 * self.network.units[-1] + 2 * self.n_perturbations * groups

    def _set_credit(self, output: Array, batch: Batch, update: int) -> Array:
        """Credit of the outputs, which are perturbed in chunks so that memory does not grow with the population."""
        assert isinstance(self.objective, SetObjective)
        seed, size = _noise.mix(self.seed, update, len(self.membership)), max(1, SET_BYTES // (8 * output.size))
        directions = _noise.output_directions(batch.ids, output.shape[1], self.n_perturbations, seed)
        regret = np.empty(self.n_perturbations)
        for start in range(0, self.n_perturbations, size):
            moved = self.scale * directions[start : start + size]
            values = self.set_values(_network.both_sides(output, moved.astype(self.dtype)), batch)
            regret[start : start + size] = (values[0] - values[1]) / (2 * self.scale)
        regret[~np.isfinite(regret)] = 0.0
        return _credit.set_credit(directions, regret, batch.ids, batch.share).astype(self.dtype)

    @staticmethod
    def _store(weight: Array, bias: Array, inputs: Any, credit: Array) -> None:
        """Credit of a layer's parameters: each is its input times the credit of its unit."""
        if sparse.issparse(inputs):
            weight[...] = inputs.T @ credit
        else:
            np.matmul(inputs.T, credit, out=weight)
        np.sum(credit, axis=0, out=bias)

    def _layer_credit(
        self,
        params: Array,
        trace: _network.Trace,
        prediction: Array,
        layer: int,
        output_credit: Array,
        critic: Array,
        batch: Batch,
        update: int,
    ) -> tuple[Array, Array]:
        """Credit (n, units) of a hidden layer, averaged over n_perturbations draws, and its critic."""
        membership, scale = self.membership[layer], self.hidden_scales[layer]
        weight = _network.unpack(self.network, params)[0][layer + 1]
        top = layer == len(self.network.activations) - 1
        objective = self.objective

        def regret(noise: Array) -> Array:
            change = _network.grouped_product(noise, weight * scale, membership.shape[1])
            if not top:
                # the two outputs are their middle plus and minus half their distance
                up, down = _network.moved_outputs(self.network, params, trace, layer + 1, change)
                change = (up - down) / 2
            if objective.linear or isinstance(objective, SetObjective):
                # a change too small to show in the objective is judged by the credit of the outputs
                moved = 2 * np.einsum("nk,...nk->...n", output_credit, change)
            else:
                middle = prediction if top else objective.predict((up + down) / 2)
                moved = objective.difference(middle, change, batch.target)
            return np.asarray(moved.T / (2 * scale))

        activation = self.network.activations[layer]
        response = activation.response(trace.preactivations[layer], scale)
        trace.preactivations[layer] = response[:0]  # the layers below no longer need it: free its memory
        total: Array | None = None
        n_draws = 1 if isinstance(objective, SetObjective) else self.n_perturbations
        for draw in range(n_draws):
            credit, critic = _credit.node_credit(
                direction=self.directions(layer, update, draw, batch.ids),
                response=response,
                audible=activation.audible,
                regret=regret,
                output_credit=output_credit,
                critic=critic,
                membership=membership,
                share=batch.share,
            )
            total = credit if total is None else total + credit
        assert total is not None
        return (total / n_draws if n_draws > 1 else total), critic
