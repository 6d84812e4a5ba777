"""Per-sample losses: their values, their difference between two antithetic outputs, and the credit of each output.

All are sums over the samples, so a perturbation of one sample's network is judged by that sample's loss. Outputs have
shape (..., n, outputs), targets (n, outputs). No derivative is used anywhere: `credit` moves one output at a time by
``+-scale`` and takes the difference of the losses, in the algebraic form that needs one exponential per output.
"""

from abc import ABC, abstractmethod
from functools import reduce
from math import expm1

import numpy as np
from scipy.special import expit

from skdopamine._typing import Array

FEW_OUTPUTS = 6


class Objective(ABC):
    """A loss that is a sum over samples.

    A clean pass is assessed once; `difference` and `credit` then start from its predictions.
    """

    linear = False  # whether hidden units are judged by the credit of the outputs, and not by the loss itself
    flat = False  # whether the loss stands still under small perturbations, so that another has to come before it
    partial = False  # whether it may not be defined on some batches, where its value is nan
    of_values = False  # whether the targets themselves are perfect outputs; asked of a partial loss

    @property
    @abstractmethod
    def degree(self) -> int:
        """Power of the targets' unit that the loss grows with; 0 for classification."""

    @abstractmethod
    def predict(self, output: Array) -> Array:
        """What the model publishes for an output: probabilities or the value itself."""

    @abstractmethod
    def values(self, output: Array, target: Array) -> Array:
        """Loss of each sample, shape (..., n)."""

    def by_output(self, output: Array, target: Array) -> Array:
        """Loss of each output alone, shape (..., n, outputs), for a loss that is their sum."""
        columns = (slice(k, k + 1) for k in range(target.shape[-1]))
        return np.stack([self.values(output[..., column], target[..., column]) for column in columns], axis=-1)

    @abstractmethod
    def difference(self, prediction: Array, moved: Array, target: Array) -> Array:
        """Loss at output + moved minus loss at output - moved, shape (..., n), for moved of shape (..., n, outputs)."""

    @abstractmethod
    def credit(self, prediction: Array, target: Array, scale: float) -> Array:
        """Central difference of the loss in each output alone, shape (n, outputs)."""


class SetObjective(ABC):
    """A number for a whole set of rows. Only its value is known."""

    degree = 0
    linear = flat = partial = True
    of_labels = True  # whether the decision threshold may matter
    of_values = False  # whether the targets themselves are perfect outputs, as in regression
    takes_shares = True  # whether weights come as shares of the batch, which sum to one
    n_pairs = 64  # antithetic perturbations of the outputs that one update averages over

    @abstractmethod
    def value(self, output: Array, target: Array, weight: Array | None) -> Array:
        """Objective (...,) of outputs (..., n, outputs), to be minimised; nan where it is not defined."""


class SquaredError(Objective):
    """Half the squared error, summed over outputs."""

    degree = 2

    def predict(self, output: Array) -> Array:
        return output

    def values(self, output: Array, target: Array) -> Array:
        error = output - target
        return np.asarray(0.5 * np.einsum("...k,...k->...", error, error))

    def difference(self, prediction: Array, moved: Array, target: Array) -> Array:
        # |e + m|^2 / 2 - |e - m|^2 / 2 = 2 e.m, exactly
        return np.asarray(2 * np.einsum("...nk,...nk->...n", prediction - target, moved))

    def credit(self, prediction: Array, target: Array, scale: float) -> Array:
        # ((e + s)^2 - (e - s)^2) / (4 s) = e for every s
        return prediction - target


class LogisticLoss(Objective):
    """Log-loss of independent logistic outputs, summed over outputs: binary and multi-label."""

    degree = 0

    def predict(self, output: Array) -> Array:
        return np.asarray(expit(output))

    def values(self, output: Array, target: Array) -> Array:
        # log(1 + exp(o)) - y o, from the side that cannot overflow
        loss = np.log1p(np.exp(-np.abs(output)))
        loss += np.maximum(output, 0)
        loss -= target * output
        return np.asarray(loss.sum(axis=-1) if loss.shape[-1] > 1 else loss[..., 0])

    def difference(self, prediction: Array, moved: Array, target: Array) -> Array:
        # 1 + exp(o + m) = (1 + exp(o)) (q + p exp(m)) with p = expit(o) = 1 - q
        p, wide = _widened(prediction, moved)
        q = 1 - p
        factor = np.exp(wide)
        ratio = p / factor
        ratio += q
        factor *= p
        factor += q
        factor /= ratio
        np.log(factor, out=factor)
        factor -= 2 * target * wide
        summed = factor.sum(axis=-1) if factor.shape[-1] > 1 else factor[..., 0]
        return np.asarray(summed, dtype=moved.dtype)

    def credit(self, prediction: Array, target: Array, scale: float) -> Array:
        return _moved_by_scale(prediction, scale) - target


class SoftmaxLoss(Objective):
    """Log-loss of a softmax over the outputs, for targets that are one-hot: multi-class."""

    degree = 0

    def predict(self, output: Array) -> Array:
        prediction = np.exp(output - _largest(output))
        prediction /= prediction.sum(axis=-1, keepdims=True)
        return np.asarray(prediction)

    def values(self, output: Array, target: Array) -> Array:
        shifted = output - _largest(output)
        chosen = np.einsum("...k,...k->...", shifted, target)
        return np.asarray(np.log(np.exp(shifted, out=shifted).sum(axis=-1)) - chosen)

    def difference(self, prediction: Array, moved: Array, target: Array) -> Array:
        # sum_k exp(o_k + m_k) = S sum_k p_k exp(m_k)
        p, wide = _widened(prediction, moved)
        factor = np.exp(wide)
        ratio = np.einsum("...nk,...nk->...n", factor, p)
        np.reciprocal(factor, out=factor)
        ratio /= np.einsum("...nk,...nk->...n", factor, p)
        np.log(ratio, out=ratio)
        ratio -= 2 * np.einsum("...nk,...nk->...n", wide, target)
        return np.asarray(ratio, dtype=moved.dtype)

    def credit(self, prediction: Array, target: Array, scale: float) -> Array:
        # with o_k + s: S + exp(o_k) (exp(s) - 1), so no new exponential per class
        return _moved_by_scale(prediction, scale) - target


def _largest(output: Array) -> Array:
    """Largest output (..., n, 1) of each row; of few outputs column by column, which takes a fraction of the time."""
    if output.shape[-1] > FEW_OUTPUTS:
        return np.asarray(output.max(axis=-1, keepdims=True))
    return reduce(np.maximum, (output[..., k : k + 1] for k in range(output.shape[-1])))


def _widened(*arrays: Array) -> list[Array]:
    """Float64 of the arrays: the difference of two losses that are nearly equal leaves little of a float32."""
    return [array.astype(np.float64, copy=False) for array in arrays]


def _moved_by_scale(p: Array, scale: float) -> Array:
    """``(log(1 + p (exp(s) - 1)) - log(1 + p (exp(-s) - 1))) / (2 s)``, without cancellation for small s."""
    up = np.log1p(p * expm1(scale))
    up -= np.log1p(p * expm1(-scale))
    up /= 2 * scale
    return np.asarray(up)
