"""Robust readouts: least squares again and again, in which rows with large errors weigh less."""

from typing import NamedTuple, Self

import numpy as np
from scipy.linalg import solve

from skdopamine._esn.reservoir import Gains, penalties
from skdopamine._typing import Array

NORMAL = 0.6745  # median of the absolute errors, in deviations of normal ones
KNEE = 1.345  # error, in such deviations, up to which "huber" counts squares (Huber, 1964)
LEAST = 0.1  # error below which "absolute_error" counts squares
ROUNDS = 20
SETTLED = 0.01  # change of the weights
STABLE = 1e-8  # penalty at least
SHRINKING = 0.01  # the same while rows are too few to tell errors from what a readout can learn by heart
KINDS = ("absolute_error", "huber")


class Robust(NamedTuple):
    """Weights of rows by their errors."""

    kind: str
    deviation: Array  # of errors, (targets,), whatever a few of them are
    unit: float  # of the weights, so that the mean of those learnt from is 1

    @classmethod
    def of(cls, errors: Array, kind: str) -> Self:
        """By these errors (n, targets)."""
        size = np.abs(errors)
        deviation = np.median(size, axis=0) / NORMAL
        mean = size.mean(axis=0)
        deviation = np.where(deviation > 0, deviation, np.where(mean > 0, mean, 1.0))
        return cls(kind, deviation, 1 / float(cls(kind, deviation, 1.0).weights(errors).mean()))

    def weights(self, errors: Array) -> Array:
        """Weights (n,) of rows with errors (n, targets)."""
        size = np.sqrt(np.mean((errors / self.deviation) ** 2, axis=1))
        if self.kind == "huber":
            return np.asarray(self.unit * KNEE / np.maximum(size, KNEE))
        return np.asarray(self.unit / np.maximum(size, LEAST))

    def trust(self, weights: Array) -> Array:
        """Of rows with these weights: what an error is to be scaled by, so that no row counts without bound."""
        share = weights / self.unit
        return np.asarray(np.minimum(1.0, share if self.kind == "huber" else KNEE * share))


def reweighted(
    seen: Array, target: Array, gains: Gains, n_units: int, expected: Array, kind: str
) -> tuple[Robust, Array]:
    """The weights and the readout (features, targets) of features (n, features) and targets (n, targets).

    Penalties are as given, or a little higher. What noise asks for is left out, as outliers would ask for much.
    """
    least = STABLE if len(seen) >= 2 * seen.shape[1] else SHRINKING
    penalty = np.diag(len(seen) * np.maximum(penalties(gains, n_units, seen.shape[1])[0], least))
    weights, left = np.ones(len(seen)), target - seen @ expected
    for _ in range(ROUNDS):
        weighted = seen.T * weights
        readout = solve(weighted @ seen + penalty, weighted @ left, assume_a="pos")
        before, robust = weights, Robust.of(left - seen @ readout, kind)
        weights = robust.weights(left - seen @ readout)
        if np.abs(weights - before).max() <= SETTLED * weights.max():
            break
    return robust, np.asarray(expected + readout)
