"""What the trainer asks of a network: a credit estimate on a batch, and the losses of given parameters.

Here network, objective and credit estimator meet. The two classes are the two perturbation modes; the trainer does not
know which it has.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed, effective_n_jobs
from scipy import sparse

from skdopamine import _credit, _network
from skdopamine._network import Network
from skdopamine._objectives import Objective, SetObjective

Array = npt.NDArray[Any]

TABLE_LIFE = 64  # updates for which one table of signs serves
MAX_GROUPS = 16
GROUP_OUTPUTS = 160  # groups x outputs whose losses are worth their time, per row
UNIT_COST = 8  # of a unit's activation on both sides of a pair, in multiplications
PASS_SHARE = 2  # a layer's own product costs at least this many times what one group's pass does
CHUNK_ROWS = 2000
SET_BYTES = 2**22  # outputs of the members that are judged at once
CHUNK_BYTES = 2**18  # one array of the members that are simulated at once: what a processor's cache holds


class Data(NamedTuple):
    """Rows to learn from."""

    X: Any  # (n, features), dense or CSR
    target: Array  # (n, outputs), as the user counts; training sees (target - offset) / unit
    weight: Array | None  # (n,) positive, or None for ones
    ids: npt.NDArray[np.uint16]  # (n,) hash of the row's content
    offset: Array | float
    unit: float


def targets(data: Data, rows: Any) -> Array:
    """Targets of some rows as training sees them."""
    target = data.target[rows]
    if data.unit != 1.0 or np.any(data.offset):
        target = (target - data.offset) / data.unit
    return np.asarray(target, dtype=data.X.dtype)


def outputs(network: Network, params: Array, data: Data, rows: slice) -> Array:
    """Outputs of some rows, a chunk at a time."""
    numbers = np.arange(data.X.shape[0])[rows]
    chunks = [numbers[start : start + CHUNK_ROWS] for start in range(0, len(numbers), CHUNK_ROWS)]
    return np.concatenate([_network.forward(network, params, data.X[chunk]) for chunk in chunks])


class Batch(NamedTuple):
    """Some of the rows."""

    X: Any
    target: Array
    ids: npt.NDArray[np.uint16]
    share: Array  # (n, 1), sums to one
    total: float  # sum of weights


class Estimate(NamedTuple):
    """Credit of all parameters on a batch."""

    credit: Array  # (n_parameters,): estimate of d(mean loss + penalty) / d(params)
    losses: Array  # (n,): baseline loss of each row, penalty included
    critics: tuple[Array, ...]
    n_evaluations: int  # loss evaluations, rows x members


class Problem(Protocol):
    """What the trainer needs."""

    def n_rows(self) -> int: ...

    def batch(self, rows: Any) -> Batch: ...

    def init_critics(self) -> tuple[Array, ...]: ...

    def credit(self, params: Array, critics: tuple[Array, ...], batch: Batch, update: int) -> Estimate: ...

    def losses(self, params: Array, batch: Batch) -> Array: ...


def make_data(X: Any, target: Array, weight: Array | None, offset: Array | float = 0.0, unit: float = 1.0) -> Data:
    """Rows with their content hashes; nothing of the data is copied."""
    return Data(X, target, weight, _credit.row_ids(X), offset, unit)


def most_groups(units: tuple[int, ...], layer: int) -> int:
    """Into how many groups a hidden layer may be split: the more, the less noise and the more work."""
    most = max(1, min(MAX_GROUPS, GROUP_OUTPUTS // units[-1]))
    above = units[layer + 2 :]
    if len(above) == 1:
        return most
    # each group of a lower layer costs a pass through the layers above, which the layer's own product has to outweigh
    passed = sum(a * b for a, b in pairwise(units[layer + 2 :])) + UNIT_COST * sum(above)
    return max(1, min(most, units[layer] * units[layer + 1] // (PASS_SHARE * passed)))


class _NetworkProblem:
    """What both modes share: batches, losses, the penalty."""

    def __init__(
        self,
        network: Network,
        objective: Objective | SetObjective,
        data: Data,
        *,
        alpha: float,
        scale: float,
        n_perturbations: int,
        seed: int,
    ) -> None:
        self.network = network
        self.objective = objective
        self.data = data
        self.alpha = alpha
        self.scale = scale
        self.n_perturbations = n_perturbations
        self.seed = seed
        self.dtype = np.dtype(data.X.dtype)  # of all that is computed
        self.n_weights = sum(a * b for a, b in zip(network.units, network.units[1:], strict=False))

    def n_rows(self) -> int:
        return int(self.data.X.shape[0])

    def batch(self, rows: Any) -> Batch:
        X, weight, ids = self.data.X, self.data.weight, self.data.ids
        if isinstance(rows, slice) or sparse.issparse(X):
            X = X[rows]
        else:
            X = X.take(rows, axis=0)
        target, ids = targets(self.data, rows), ids[rows]
        if weight is None:
            return Batch(X, target, ids, np.full((len(ids), 1), 1 / len(ids), dtype=self.dtype), float(len(ids)))
        weight = weight[rows]
        total = float(weight.sum())
        return Batch(X, target, ids, (weight / total).astype(self.dtype)[:, None], total)

    def losses(self, params: Array, batch: Batch) -> Array:
        return self.values(_network.forward(self.network, params, batch.X), batch) + self.penalty(params, batch)

    def values(self, output: Array, batch: Batch) -> Array:
        """Loss (..., n) of each row; an objective of the whole batch is the loss of each of its rows."""
        if isinstance(self.objective, SetObjective):
            value = self.set_values(output, batch)
            if np.isnan(value).any():
                # a batch without some class says nothing; outputs that an objective is not defined for are no good
                defined = self.objective.of_values and np.isfinite(self.set_values(batch.target, batch))
                value = np.where(np.isnan(value), np.inf if defined else 0.0, value)
            return np.broadcast_to(value[..., None], output.shape[:-1])
        return self.objective.values(output, batch.target)

    def set_values(self, output: Array, batch: Batch) -> Array:
        """Objective (...,) of a whole batch, nan where it is not defined."""
        assert isinstance(self.objective, SetObjective)
        weight = None if self.data.weight is None else batch.share[:, 0].astype(np.float64)
        return self.objective.value(output, batch.target, weight)

    def penalty(self, params: Array, batch: Batch) -> float:
        """Return alpha |W|^2 / 2 / sum of weights, a part of every row's loss."""
        weights = params[: self.n_weights]
        return float(weights @ weights) * (self.alpha / 2 / batch.total) if self.alpha else 0.0

    def penalised(self, credit: Array, params: Array, batch: Batch) -> Array:
        """Add d(alpha |W|^2 / 2 / sum of weights) / dW, which needs no perturbation."""
        if self.alpha:
            credit[: self.n_weights] += (self.alpha / batch.total) * params[: self.n_weights]
        return credit


class NodeProblem(_NetworkProblem):
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

    def init_critics(self) -> tuple[Array, ...]:
        units, dtype = self.network.units, self.dtype
        return tuple(np.zeros((units[-1], h), dtype=dtype) for h in units[1:-1])

    def directions(self, layer: int, update: int, draw: int, ids: npt.NDArray[np.uint16]) -> Array:
        """Signs (n, units): a function of seed, update, layer and row content."""
        block = update // TABLE_LIFE
        if self.tables[0] != block:
            hidden, dtype = self.network.units[1:-1], self.dtype
            seeds = [_credit.mix(self.seed, block, i) for i in range(len(hidden))]
            self.tables = (block, [_credit.sign_table(h, s, dtype) for h, s in zip(hidden, seeds, strict=True)])
        patterns = _credit.row_patterns(ids, _credit.mix(self.seed, update, layer, draw))
        return np.asarray(self.tables[1][layer][patterns])

    def credit(self, params: Array, critics: tuple[Array, ...], batch: Batch, update: int) -> Estimate:
        network, objective = self.network, self.objective
        passed = _network.trace(network, params, batch.X)
        if isinstance(objective, SetObjective):
            prediction = passed.output
            output_credit = self._set_credit(passed.output, batch, update)
        else:
            prediction = objective.predict(passed.output)
            output_credit = objective.credit(prediction, batch.target, self.scale)
        total = np.empty_like(params)
        weights, biases = _network.unpack(network, total)
        self._store(weights[-1], biases[-1], passed.inputs.pop(), output_credit * batch.share)
        learned = list(critics)
        for layer in range(len(self.membership)):
            unit_credit, learned[layer] = self._layer_credit(
                params, passed, prediction, layer, output_credit, critics[layer], batch, update
            )
            self._store(weights[layer], biases[layer], passed.inputs[layer], unit_credit)
        return Estimate(
            self.penalised(total, params, batch),
            self.values(passed.output, batch) + self.penalty(params, batch),
            tuple(learned),
            self.members() * len(batch.ids),
        )

    def members(self) -> int:
        """Loss evaluations of a row in one update."""
        if isinstance(self.objective, SetObjective):
            return 1 + 2 * self.n_perturbations
        groups = 0 if self.objective.linear else sum(m.shape[1] for m in self.membership)
        return 1 + 2 * self.network.units[-1] + 2 * self.n_perturbations * groups

    def _set_credit(self, output: Array, batch: Batch, update: int) -> Array:
        """Credit of the outputs, which are perturbed in chunks so that memory does not grow with the population."""
        assert isinstance(self.objective, SetObjective)
        seed, size = _credit.mix(self.seed, update, len(self.membership)), max(1, SET_BYTES // (8 * output.size))
        directions = _credit.output_directions(batch.ids, output.shape[1], self.n_perturbations, seed)
        regret = np.empty(self.n_perturbations)
        for start in range(0, self.n_perturbations, size):
            moved = self.scale * directions[start : start + size]
            values = self.set_values(_network.both_sides(output, moved.astype(self.dtype)), batch)
            regret[start : start + size] = (values[0] - values[1]) / (2 * self.scale)
        regret[np.isnan(regret)] = 0.0
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
        passed: _network.Trace,
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
                up, down = _network.moved_outputs(self.network, params, passed, layer + 1, change)
                change = (up - down) / 2
            if objective.linear or isinstance(objective, SetObjective):
                # too small a change to be seen in the objective is judged by what the outputs have learnt of it
                moved = 2 * np.einsum("nk,...nk->...n", output_credit, change)
            else:
                middle = prediction if top else objective.predict((up + down) / 2)
                moved = objective.difference(middle, change, batch.target)
            return np.asarray(moved.T / (2 * scale))

        activation = self.network.activations[layer]
        response = activation.response(passed.preactivations[layer], scale)
        passed.preactivations[layer] = response[:0]  # layers below have been served: its memory is wanted
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


class WeightProblem(_NetworkProblem):
    """Weight perturbation: a population of directions over all parameters, judged by the loss of the whole batch."""

    def __init__(self, *args: Any, n_jobs: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.n_jobs = n_jobs

    def init_critics(self) -> tuple[Array, ...]:
        return ()

    def chunks(self, n_rows: int) -> Iterator[slice]:
        """Members that are simulated at once, so that memory does not grow with the population."""
        most = max(n_rows * max(self.network.units[1:]), _network.n_parameters(self.network))
        size = max(1, CHUNK_BYTES // (most * self.dtype.itemsize))
        for start in range(0, self.n_perturbations, size):
            yield slice(start, min(start + size, self.n_perturbations))

    def regrets(self, params: Array, directions: Array, batch: Batch) -> Array:
        """Antithetic regret (L(+) - L(-)) / (2 scale) of each member."""
        outputs = _network.forward_pairs(self.network, params, directions, self.scale, batch.X)
        if isinstance(self.objective, SetObjective):
            values = self.set_values(outputs, batch)
            return np.asarray(np.nan_to_num((values[0] - values[1]) / (2 * self.scale)), dtype=self.dtype)
        losses = self.objective.values(outputs, batch.target)  # (2, members, n)
        regret = ((losses[0] - losses[1]) * batch.share[:, 0]).sum(axis=-1) / (2 * self.scale)
        return np.asarray(regret, dtype=self.dtype)

    def credit(self, params: Array, critics: tuple[Array, ...], batch: Batch, update: int) -> Estimate:
        bits = _credit.member_directions(self.n_perturbations, len(params), _credit.mix(self.seed, update))

        def simulate(members: slice) -> tuple[slice, Array]:
            directions = _credit.unpack_directions(bits[members], len(params), params.dtype)
            return members, self.regrets(params, directions, batch)

        total = np.zeros_like(params)
        chunks = self.chunks(len(batch.ids))
        if effective_n_jobs(self.n_jobs) == 1:
            simulated = map(simulate, chunks)
        else:
            simulated = Parallel(n_jobs=self.n_jobs, prefer="threads", return_as="generator")(
                delayed(simulate)(members) for members in chunks
            )
        for members, regret in simulated:
            directions = _credit.unpack_directions(bits[members], len(params), params.dtype)
            total = _credit.weight_credit(directions, regret, total)
        total /= self.n_perturbations
        n_evaluations = (1 + 2 * self.n_perturbations) * len(batch.ids)
        return Estimate(self.penalised(total, params, batch), self.losses(params, batch), (), n_evaluations)
