"""Node perturbation of a network: every sample judges its own noise.

Layers are walked top down. The credit of a layer is what its critic expects from the credit of the layer above, and
what the layer's own noise has shown beyond that.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from skdopamine._mlp import network as _network
from skdopamine._mlp.output_credit import Assessed, OutputCredit, SampleCredit, SetCredit
from skdopamine._mlp.problem import Batch, NetworkProblem
from skdopamine._mlp.signs import mean_input, settled
from skdopamine._objectives.base import SetObjective
from skdopamine._training import credit as _credit
from skdopamine._training import noise as _noise
from skdopamine._training.critic import Critic
from skdopamine._training.problem import Estimate
from skdopamine._typing import Array

TABLE_LIFE = 64  # updates for which one table of signs serves
MAX_GROUPS = 16
GROUP_OUTPUTS = 160  # groups x outputs whose losses are worth their time, per row
ALWAYS, SOMETIMES = 50, 4  # critics learn in each of the first updates, then in every fourth: the weights move slowly
UNIT_COST = 8  # cost of a unit's activation on both sides of a pair, in multiplications
PASS_SHARE = 2  # a layer's own product costs at least this many times what one group's pass does


def most_groups(units: tuple[int, ...], layer: int) -> int:
    """Into how many groups a hidden layer may be split: the more, the less noise and the more work."""
    most = max(1, min(MAX_GROUPS, GROUP_OUTPUTS // units[-1]))
    above = units[layer + 2 :]
    if len(above) == 1:
        return most
    # each group of a lower layer costs a pass through the layers above, which the layer's own product has to outweigh
    passed = sum(a * b for a, b in pairwise(units[layer + 2 :])) + UNIT_COST * sum(above)
    return max(1, min(most, units[layer] * units[layer + 1] // (PASS_SHARE * passed)))


class Pass(NamedTuple):
    """A clean pass of a batch, and what its outputs are credited with."""

    weights: list[Array]
    biases: list[Array]
    trace: _network.Trace
    assessed: Assessed
    batch: Batch
    update: int


class NodeProblem(NetworkProblem):
    """Node perturbation: every sample judges its own noise.

    `scale` perturbs the outputs, and the hidden layers unless `hidden_scales` has a size for each of them. Unless
    `judged`, the critics learn, but no loss judges the noise of hidden units: the expected credit is all of the credit.
    """

    def __init__(
        self, *args: Any, hidden_scales: Sequence[float] | None = None, judged: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        units = self.network.units
        hidden, dtype = units[1:-1], self.dtype
        self.hidden_scales = [self.scale] * len(hidden) if hidden_scales is None else list(hidden_scales)
        self.judged = judged
        self.membership = [_credit.group_membership(h, most_groups(units, i), dtype) for i, h in enumerate(hidden)]
        self.tables: tuple[int, list[Array]] = (-1, [])

    def init_memory(self) -> tuple[Array, ...]:
        return tuple(np.zeros((above, units), dtype=self.dtype) for units, above in pairwise(self.network.units[1:]))

    def directions(self, layer: int, update: int, draw: int, ids: npt.NDArray[np.uint16]) -> Array:
        """Signs (n, units): a function of seed, update, layer and row content."""
        block = update // TABLE_LIFE
        if self.tables[0] != block:
            hidden, dtype = self.network.units[1:-1], self.dtype
            seeds = [_noise.mix(self.seed, block, i) for i in range(len(hidden))]
            self.tables = (block, [_noise.sign_table(h, s, dtype) for h, s in zip(hidden, seeds, strict=True)])
        patterns = _noise.row_patterns(ids, _noise.mix(self.seed, update, layer, draw))
        return np.asarray(self.tables[1][layer][patterns])

    def output_credit(self) -> OutputCredit:
        """How outputs are credited and judged."""
        if isinstance(self.objective, SetObjective):
            return SetCredit(self.set_values, self.scale, self.n_perturbations, self.seed)
        return SampleCredit(self.objective, self.scale, self.n_perturbations)

    def members(self) -> int:
        """Loss evaluations of a row in one update."""
        n_groups = sum(m.shape[1] for m in self.membership) if self.judged else 0
        return self.output_credit().n_members(self.network.units[-1], n_groups)

    def credit(self, params: Array, memory: tuple[Array, ...], batch: Batch, update: int) -> Estimate:
        trace = _network.trace(self.network, params, batch.X)
        assessed = self.output_credit().assess(trace.output, batch, update)
        clean = Pass(*_network.unpack(self.network, params), trace, assessed, batch, update)
        total = np.empty_like(params)
        weights, biases = _network.unpack(self.network, total)
        # rows that are all alike differ in nothing from their mean
        settles = self.network.signs is not None and bool((batch.ids != batch.ids[..., :1]).any())
        means = [self._store(weights[-1], biases[-1], trace.inputs.pop(), assessed.credit, batch.share, settles)]
        learned, above = list(memory), assessed.credit
        for layer in reversed(range(len(self.membership))):
            critic = Critic(memory[layer])
            response = self.network.activations[layer].response(trace.preactivations[layer], self.hidden_scales[layer])
            del trace.preactivations[layer + 2 :]  # the layers below no longer need it: free its memory
            if layer == 0:
                trace.preactivations[0] = response[:0]
            above = critic.expected(above, response)
            credit, critic = self._layer_credit(clean, layer, response, above, critic)
            learned[layer] = critic.feedback
            means.insert(
                0, self._store(weights[layer], biases[layer], trace.inputs.pop(), credit, batch.share, settles)
            )
        n_evaluations = self.members() * batch.ids.size
        estimate = self.estimate(total, trace.output, params, batch, tuple(learned), n_evaluations)
        return estimate._replace(settled=partial(settled, self.network, means)) if settles else estimate

    @staticmethod
    def _store(weight: Array, bias: Array, inputs: Any, credit: Array, share: Array, settles: bool) -> Array:
        """Credit of a layer's parameters: each is its input times the credit of its unit; return the mean input.

        Where the layer `settles`, inputs count from their mean.
        """
        weighted = credit * share
        np.sum(weighted, axis=-2, out=bias)
        if settles:  # (h - mean h)^T c = h^T (c - mean c)
            weighted -= share * bias[..., None, :]
        if sparse.issparse(inputs):
            weight[...] = inputs.T @ weighted
        else:
            np.matmul(inputs.swapaxes(-1, -2), weighted, out=weight)
        return mean_input(inputs, share) if settles else bias[:0]

    def _layer_credit(
        self, clean: Pass, layer: int, response: Array, expected: Array, critic: Critic
    ) -> tuple[Array, Critic]:
        """Credit (n, units) of a hidden layer, averaged over the draws, and its critic, which has learnt from each."""
        output_credit, membership, scale = self.output_credit(), self.membership[layer], self.hidden_scales[layer]
        audible, n_groups = self.network.activations[layer].audible, membership.shape[1] if self.judged else 1
        credit, learns = expected, clean.update < ALWAYS or clean.update % SOMETIMES == 0
        for draw in range(output_credit.n_draws if learns or self.judged else 0):
            direction, noise = self.directions(layer, clean.update, draw, clean.batch.ids), np.empty_like(response)
            if audible is not None:
                direction *= audible(response, noise)  # a unit that cannot respond carries no noise
            np.multiply(response, direction, out=noise)
            change = _network.grouped_product(noise, clean.weights[layer + 1], n_groups)
            if learns:
                critic = critic.learned(noise, change.sum(axis=0), clean.batch.share)
            if self.judged:
                change *= scale
                regret = self._judged(clean, layer, change)
                regret = regret.transpose(*range(1, regret.ndim), 0) / (2 * scale)
                surprise = _credit.node_surprise(direction, expected, regret, membership, out=noise)
                surprise /= output_credit.n_draws
                credit = np.subtract(credit, surprise, out=noise if draw == 0 else credit)
        return credit, critic

    def _judged(self, clean: Pass, layer: int, change: Array) -> Array:
        """Difference (groups, n) that it makes to the loss if the inputs above `layer` move by +-change."""
        output_credit, assessed, batch = self.output_credit(), clean.assessed, clean.batch
        if layer == len(self.membership) - 1:
            return output_credit.judge(assessed, change, batch)
        up, down = _network.moved_outputs(self.network, clean.weights, clean.biases, clean.trace, layer + 1, change)
        # the two outputs are their middle plus and minus half their distance
        return output_credit.judge(assessed, (up - down) / 2, batch, (up + down) / 2)
