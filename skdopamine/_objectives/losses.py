"""Further losses that are sums over samples, known by their values alone.

Two evaluations give the difference between antithetic outputs, so that a loss is one function. Outputs have shape
(..., n, outputs), targets (n, outputs).
"""

from abc import abstractmethod
from collections.abc import Callable

import numpy as np
from scipy.special import xlogy

from skdopamine._objectives.base import Objective
from skdopamine._typing import Array

HUBER_KNEE = 1.35  # in standard deviations: 95 % as efficient as squares on normal errors (Huber, 1981)
ROUNDING = 0.1  # in units of the targets' spread
RAMP = 1.0  # half the width over which the zero-one loss is smoothed, in units of the outputs


class Evaluated(Objective):
    """A loss that is evaluated on both sides of each perturbation."""

    def predict(self, output: Array) -> Array:
        return output

    def difference(self, prediction: Array, moved: Array, target: Array) -> Array:
        wide = prediction.astype(np.float64, copy=False)  # the losses may be nearly equal
        difference = self.values(wide + moved, target)
        difference -= self.values(wide - moved, target)
        return difference.astype(prediction.dtype, copy=False)

    def credit(self, prediction: Array, target: Array, scale: float) -> Array:
        # one output at a time, all outputs in one call
        n_outputs = prediction.shape[-1]
        moved = scale * np.eye(n_outputs, dtype=prediction.dtype)
        moved = moved.reshape(n_outputs, *[1] * (prediction.ndim - 1), n_outputs)
        return np.asarray(np.moveaxis(self.difference(prediction, moved, target), 0, -1) / (2 * scale))


class _OfError(Evaluated):
    """A function of the error, summed over outputs."""

    @abstractmethod
    def element(self, error: Array) -> Array:
        """Loss of each error, output minus target."""

    def values(self, output: Array, target: Array) -> Array:
        return np.asarray(self.by_output(output, target).sum(axis=-1))

    def by_output(self, output: Array, target: Array) -> Array:
        return self.element(output - target)

    def credit(self, prediction: Array, target: Array, scale: float) -> Array:
        error = prediction.astype(np.float64, copy=False) - target
        difference = (self.element(error + scale) - self.element(error - scale)) / (2 * scale)
        return np.asarray(difference, dtype=prediction.dtype)


class _Kinked(_OfError):
    """One whose kink lies where fits end: a perturbation of some size rounds it off, or they would never settle."""

    degree = 1
    linear = True

    def credit(self, prediction: Array, target: Array, scale: float) -> Array:
        return super().credit(prediction, target, max(scale, ROUNDING))


class AbsoluteError(_Kinked):
    """Absolute error."""

    def element(self, error: Array) -> Array:
        return np.abs(error)


class Huber(_OfError):
    """Half the squared error up to `knee`, of all outputs or of each, linear beyond it (Huber, 1964)."""

    degree = 2

    def __init__(self, knee: float | Array) -> None:
        self.knee = knee

    def element(self, error: Array) -> Array:
        size = np.abs(error)
        inner = np.minimum(size, np.asarray(self.knee, dtype=size.dtype))
        return np.asarray(inner * (size - 0.5 * inner))


class Pinball(_Kinked):
    """Pinball loss of a quantile (Koenker and Bassett, 1978)."""

    def __init__(self, quantile: float) -> None:
        self.quantile = quantile

    def element(self, error: Array) -> Array:
        return np.maximum(-self.quantile * error, (1 - self.quantile) * error)


class Poisson(Evaluated):
    """Half the Poisson deviance of exp(output)."""

    degree = 1

    def values(self, output: Array, target: Array) -> Array:
        loss = np.exp(output)
        loss -= target * output
        loss += xlogy(target, target) - target
        return np.asarray(loss.sum(axis=-1))


class Hinge(Evaluated):
    """Hinge loss of one output, 1 - margin where that is positive; of several labels, their sum."""

    degree = 0

    def values(self, output: Array, target: Array) -> Array:
        return np.asarray(np.maximum(1 - (2 * target - 1) * output, 0).sum(axis=-1))


class MultiHinge(Evaluated):
    """Hinge loss of several classes: the distance to the best of the others (Crammer and Singer, 2001)."""

    degree = 0

    def values(self, output: Array, target: Array) -> Array:
        chosen = np.einsum("...k,...k->...", output, target)
        others = np.where(target > 0, -np.inf, output).max(axis=-1)
        return np.asarray(np.maximum(1 - chosen + others, 0))


class ZeroOne(Evaluated):
    """Share of wrong samples; the outputs are moved far enough to change a decision."""

    degree = 0
    linear = flat = True

    def __init__(self, wrong: Callable[[Array, Array], Array]) -> None:
        self.wrong = wrong

    def values(self, output: Array, target: Array) -> Array:
        return self.wrong(output, target).astype(output.dtype)

    def credit(self, prediction: Array, target: Array, scale: float) -> Array:
        return super().credit(prediction, target, max(scale, RAMP))


def wrong_labels(output: Array, target: Array) -> Array:
    """Whether any label is wrong: binary and multi-label."""
    return np.asarray(((output > 0) != (target > 0)).any(axis=-1))


def wrong_class(output: Array, target: Array) -> Array:
    """Whether the largest output is not that of the class."""
    return np.asarray(output.argmax(axis=-1) != target.argmax(axis=-1))
