"""Which rows early stopping holds back, and how they judge parameters."""

from collections.abc import Callable
from math import ceil, isfinite
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from skdopamine._estimator import validation as _validation
from skdopamine._mlp import network as _network
from skdopamine._mlp.problem import NetworkProblem, Sample, make_data
from skdopamine._typing import Array


def hold_back(labels: Array | None, n_rows: int, fraction: float, seed: int) -> tuple[Array, Array]:
    """Numbers of the rows to train on, and of those to hold back.

    With labels (n,), each class has its share of the rows held back. The one row of a class is trained on, and where
    there are more classes than rows to hold back, so is one row of each.
    """
    try:
        return _divide(labels, n_rows, fraction, seed)
    except ValueError as error:
        raise ValueError(f"validation_fraction={fraction} of {n_rows} rows cannot be held back: {error}") from error


def _divide(labels: Array | None, n_rows: int, fraction: float, seed: int) -> tuple[Array, Array]:
    rows, n_held = np.arange(n_rows), ceil(fraction * n_rows)
    if n_held < 2:
        raise ValueError(f"The validation set is too small, of {n_held} row, and at least 2 are needed.")
    if labels is None:
        return _split(rows, n_held, seed)
    _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if n_rows - n_held < len(counts):
        raise ValueError(
            f"{n_rows - n_held} rows are left to train on, which are fewer than the {len(counts)} classes."
        )
    if (counts > 1).sum() <= n_held:
        single = counts[classes] == 1
        training, held = _split(rows[~single], n_held, seed, stratify=classes[~single])
        return np.append(training, rows[single]), held
    order = np.random.Generator(np.random.PCG64(seed)).permutation(rows)
    _, first = np.unique(classes[order], return_index=True)  # one row of each class is there to train on
    held = np.delete(order, first)[:n_held]
    return np.setdiff1d(rows, held), held


def _split(rows: Array, n_held: int, seed: int, stratify: Array | None = None) -> tuple[Array, Array]:
    training, held = train_test_split(rows, test_size=n_held, random_state=seed, stratify=stratify)
    return training, held


class HeldRows:
    """Rows that are not learnt from; `metric`, of parameters, X and y, judges instead of the loss."""

    def __init__(
        self,
        problem: NetworkProblem,
        sample: Sample,
        metric: Callable[[Array, Any, Any], Any] | None,
        *,
        loss: Any,
        scoring: Any,
    ) -> None:
        X = sample.X.astype(problem.dtype, copy=False)
        self.problem = problem.on(make_data(X, sample.target, sample.weight, problem.data.units))
        self.batch = self.problem.batch(slice(None))
        self.y = sample.y
        self.metric = metric
        self.names = loss, scoring

    def means(self, params: Array) -> tuple[float, float]:
        """Mean loss of the rows as training counts it, and with outputs as in the user's units."""
        output, share = _network.forward(self.problem.network, params, self.batch.X), self.batch.share[:, 0]
        losses, told = self.problem.assessed(output, self.batch)
        return float(losses @ share), float(told @ share)

    def score(self, params: Array) -> float:
        """The metric, or minus the loss as training counts it."""
        loss, scoring = self.names
        if self.metric is not None:
            given = _validation.plain(self.metric(params, self.batch.X, self.y))
            if not (isinstance(given, int | float) and isfinite(given)):
                raise ValueError(f"scoring={scoring!r} must give finite numbers, got {given!r}.")
            return float(given)
        value = self.means(params)[0]
        if not isfinite(value):
            raise ValueError(f"loss={loss!r} must be finite on the rows held back, got {value}.")
        return -value

    def told_score(self, params: Array) -> float:
        """Minus the loss in which outputs count as in the user's units."""
        return -self.means(params)[1]

    def told_loss(self, params: Array) -> float:
        """The loss in the user's units."""
        return -self.told_score(params) * self.problem.loss_unit
