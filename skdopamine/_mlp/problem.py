"""What the trainer asks of a network: a credit estimate on a batch, and the losses of given parameters.

Here network, objective and credit estimator meet. Each credit rule is a subclass; the trainer does not know which it
has.
"""

from abc import ABC, abstractmethod
from copy import copy
from math import isfinite
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from skdopamine._mlp import network as _network
from skdopamine._mlp.network import Network
from skdopamine._mlp.units import Units
from skdopamine._objectives.base import Objective, SetObjective
from skdopamine._training import noise as _noise
from skdopamine._training.problem import Estimate
from skdopamine._typing import Array

CHUNK_ROWS = 2000
CHECKED_ROWS = 200  # at once


class Picked:
    """Some rows of a dense array, read from it when they are asked for: nothing of it is copied before."""

    def __init__(self, X: Array, numbers: Array) -> None:
        self.X, self.numbers = X, numbers
        self.shape, self.dtype = (len(numbers), *X.shape[1:]), X.dtype

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: Any) -> Array:
        return self.take(rows, axis=0)

    def take(self, rows: Any, axis: int) -> Array:
        """As that of the array of these rows."""
        return np.asarray(self.X.take(self.numbers[rows], axis=axis))

    def astype(self, dtype: npt.DTypeLike, copy: bool = False) -> Any:
        """The rows themselves where the type is theirs, else a copy."""
        return self if self.dtype == dtype and not copy else self[:].astype(dtype)


class Sample(NamedTuple):
    """Checked rows as the user gave them, and their encoded targets."""

    X: Any
    y: Any
    target: Array  # (n, outputs)
    weight: Array | None

    def at(self, rows: Any) -> Self:
        """Some of the rows."""
        weight = None if self.weight is None else self.weight[rows]
        return type(self)(self.X[rows], self.y[rows], self.target[rows], weight)

    def picked(self, rows: Array) -> Self:
        """Some of the rows, of which those of a dense X stay where they are."""
        if sparse.issparse(self.X):
            return self.at(rows)
        rest = self._replace(X=np.empty((self.X.shape[0], 0))).at(rows)
        return rest._replace(X=Picked(self.X, rows))

    def parts(self) -> tuple[Any, ...]:
        """All numbers, which tell these rows from others."""
        return self.X, self.target, self.weight


class Data(NamedTuple):
    """Rows to learn from."""

    X: Any  # (n, features), dense or CSR
    target: Array  # (n, outputs), as the user counts
    weight: Array | None  # (n,) positive, or None for ones
    ids: npt.NDArray[np.uint16]  # (n,) hash of the row's content
    units: Units  # in which training counts the targets

    def at(self, rows: Any) -> Self:
        """Some of the rows."""
        weight = None if self.weight is None else self.weight[rows]
        return self._replace(X=self.X[rows], target=self.target[rows], weight=weight, ids=self.ids[rows])

    def targets(self, rows: Any) -> Array:
        """Targets of some rows as training sees them."""
        return np.asarray(self.units.scaled(self.target[rows]), dtype=self.X.dtype)


def outputs(network: Network, params: Array, data: Data, rows: slice) -> Array:
    """Outputs of some rows, a chunk at a time."""
    numbers = np.arange(data.X.shape[0])[rows]
    chunks = [numbers[start : start + CHUNK_ROWS] for start in range(0, len(numbers), CHUNK_ROWS)]
    return np.concatenate([_network.forward(network, params, data.X[chunk]) for chunk in chunks])


class Batch(NamedTuple):
    """Some of the rows; of several networks, each with rows of its own, all arrays are (networks, ...)."""

    X: Any
    target: Array
    ids: npt.NDArray[np.uint16]
    share: Array  # (n, 1), sums to one
    total: Any  # sum of weights: a number, or one for each network, (networks, 1)
    origin: Any = None  # which rows these are, in few bytes, as the trainer tells


def make_data(X: Any, target: Array, weight: Array | None, units: Units | None = None) -> Data:
    """Rows with their content hashes; nothing of the data is copied."""
    return Data(X, target, weight, _noise.row_ids(X), Units() if units is None else units)


class NetworkProblem(ABC):
    """What all credit rules share: batches, losses, the penalty."""

    promises = False  # whether an estimate says by how much a step should lower the loss
    n_updates_of_all = 1  # updates until all directions have been tried, which is when no progress says something

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

    @abstractmethod
    def init_memory(self) -> tuple[Array, ...]:
        """What the rule remembers from one update to the next, before the first."""

    @abstractmethod
    def credit(self, params: Array, memory: tuple[Array, ...], batch: Batch, update: int) -> Estimate:
        """Estimate the credit of all parameters on a batch."""

    @property
    def loss_unit(self) -> float:
        """What a loss of 1 in training is in the user's units."""
        return self.data.units.of_loss(self.objective.degree)

    def check_start(self, params: Array) -> None:
        """Refuse data whose loss is not finite before anything is trained."""
        for start in range(0, self.n_rows(), CHECKED_ROWS):
            with np.errstate(all="ignore"):
                batch = self.batch(slice(start, start + CHECKED_ROWS))
                if not np.isfinite(self.penalty(params, batch)).all():
                    raise ValueError(
                        f"alpha must be small beside the sum of the sample weights of {len(batch.ids)} rows, which is "
                        f"{batch.total:.3g}, got {self.alpha}: the penalty is not finite."
                    )
                if self.objective.partial:  # it may be defined later
                    finite = bool(np.isfinite(_network.forward(self.network, params, batch.X)).all())
                else:
                    finite = isfinite(float(self.losses(params, batch).sum()))
            if not finite:
                raise ValueError(
                    "X or y contains values too large for the loss to be finite: scale them first, for example by "
                    "StandardScaler."
                )

    def on(self, data: Data) -> Self:
        """The same of other rows."""
        other = copy(self)
        other.data = data
        return other

    def n_rows(self) -> int:
        return int(self.data.X.shape[0])

    def batch(self, rows: Any, real: Array | None = None) -> Batch:
        """The rows of these numbers (n,) or, of several networks, (networks, n); those that are not `real` fill up."""
        X, weight, ids = self.data.X, self.data.weight, self.data.ids
        if isinstance(rows, slice) or sparse.issparse(X):
            X = X[rows]
        else:
            X = X.take(rows, axis=0)
        target, ids = self.data.targets(rows), ids[rows]
        if real is not None:
            weight = real.astype(np.float64) if weight is None else weight[rows] * real
            totals = np.sum(weight, axis=-1, keepdims=True)
            return Batch(X, target, ids, np.asarray(weight / totals, dtype=self.dtype)[..., None], totals)
        if weight is None:
            return Batch(X, target, ids, np.full((len(ids), 1), 1 / len(ids), dtype=self.dtype), float(len(ids)))
        weight = weight[rows]
        total = float(weight.sum())
        return Batch(X, target, ids, (weight / total).astype(self.dtype)[:, None], total)

    def losses(self, params: Array, batch: Batch) -> Array:
        values = self.values(_network.forward(self.network, params, batch.X), batch)
        return np.asarray(values + self.penalty(params, batch).astype(values.dtype))

    def values(self, output: Array, batch: Batch) -> Array:
        """Loss (..., n) of each row; an objective of the whole batch is the loss of each of its rows.

        It is nan for all rows where the objective is not defined on the batch, whatever the outputs.
        """
        values = self._raw_values(output, batch)
        if self.objective.partial and np.isnan(values).any():
            # outputs that an objective is not defined for are no good; a batch without some class says nothing
            defined = self.objective.of_values and np.isfinite(self._raw_values(batch.target, batch)).all()
            if defined or not np.isfinite(output).all():
                return np.where(np.isnan(values), np.inf, values)
            return np.full(values.shape, np.nan)
        return values

    def _raw_values(self, output: Array, batch: Batch) -> Array:
        """Loss (..., n) of each row, nan where the objective has none."""
        if isinstance(self.objective, SetObjective):
            return np.broadcast_to(self.set_values(output, batch)[..., None], output.shape[:-1])
        return self.objective.values(output, batch.target)

    def set_values(self, output: Array, batch: Batch) -> Array:
        """Objective (...,) of a whole batch, nan where it is not defined."""
        assert isinstance(self.objective, SetObjective)
        weight = None if self.data.weight is None else batch.share[:, 0].astype(np.float64)
        if weight is not None and not self.objective.takes_shares:
            weight *= batch.total
        return self.objective.value(output, batch.target, weight)

    def penalty(self, params: Array, batch: Batch) -> Array:
        """Return alpha |W|^2 / 2 / sum of weights (..., 1), a part of every row's loss."""
        if not self.alpha:
            return np.zeros(1)
        weights = params[..., None, : self.n_weights]
        square = (weights @ weights.swapaxes(-1, -2))[..., 0].astype(np.float64)
        return np.asarray(square * (self.alpha / 2 / batch.total))

    def estimate(
        self, credit: Array, output: Array, params: Array, batch: Batch, memory: tuple[Array, ...], n_evaluations: int
    ) -> Estimate:
        """The estimate of a credit of the loss, which came of n_evaluations, with the outputs of the clean pass.

        Here the penalty comes in, which needs no perturbation. Outputs that do not vary have nothing to learn.
        """
        if self.alpha:
            pull = np.asarray(self.alpha / batch.total, dtype=credit.dtype)
            credit[..., : self.n_weights] += pull * params[..., : self.n_weights]
        varies = self.data.units.varies
        if not varies.all():
            for part in _network.unpack(self.network, credit):
                part[-1][..., ~varies] = 0.0
        penalty, told = self.penalty(params, batch), self.told(output, batch)
        values, told = self.values(output, batch), None if told is None else told + penalty
        defined = not (self.objective.partial and np.isnan(values).any())
        return Estimate(credit, values + penalty.astype(values.dtype), memory, n_evaluations, defined, told)

    def assessed(self, output: Array, batch: Batch) -> tuple[Array, Array]:
        """Loss (..., n) of each row as training counts it, and as it is told, without the penalty."""
        values, told = self.values(output, batch), self.told(output, batch)
        return values, values if told is None else told

    def told(self, output: Array, batch: Batch) -> Array | None:
        """Loss (..., n) of each row, outputs counted as in the user's units; None if that is their sum."""
        shares = self.data.units.shares(self.objective.degree)
        if shares is None:
            return None
        assert isinstance(self.objective, Objective)
        return np.asarray(self.objective.by_output(output, batch.target) @ shares)
