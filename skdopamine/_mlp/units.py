"""The units in which training counts the targets, and the way from them to the user's and back."""

from typing import NamedTuple, Self

import numpy as np

from skdopamine._objectives.losses import HUBER_KNEE
from skdopamine._typing import Array

NORMAL_MAD = 1.4826  # standard deviation of a normal law in units of its median absolute deviation
LEAST_SPREAD = 1e-10  # of the largest target; below, targets are constant up to rounding
MOST_EXPONENT = 1000  # of a power of two


class Units(NamedTuple):
    """What training subtracts from targets and divides them by. The default leaves them as they are."""

    scale: float = 1.0  # a power of two
    offset: Array | None = None  # (outputs,); None: targets are not in any unit, as in classification
    link: str = "identity"  # function of the outputs: "identity" or "exp"
    knee: float = HUBER_KNEE  # where the Huber loss becomes linear

    @classmethod
    def of(cls, target: Array, weight: Array | None, *, link: str = "identity", level: float | None = None) -> Self:
        """Units that suit targets (n, outputs).

        `level` is the quantile of the targets that is the best constant, None where that is their mean. Where it is a
        quantile, outliers do not set the unit.
        """
        top = float(np.abs(target).max())
        if top == 0:
            return cls(offset=np.zeros(target.shape[1]), link=link)
        relative = target / top
        centre = np.average(relative, axis=0, weights=weight)
        if link == "exp":
            spread = float(centre.mean())  # targets are counted in units of their mean
        else:
            spread = float(np.sqrt(np.average(((relative - centre) ** 2).mean(axis=1), weights=weight)))
        if level is not None:
            centre = _weighted_quantile(relative, level, weight)
            robust = _robust_spread(relative, weight)
            spread = robust if robust > LEAST_SPREAD else spread
        if spread < LEAST_SPREAD:
            spread = 1.0
        exponent = np.clip(np.round(np.log2(spread) + np.log2(top)), -MOST_EXPONENT, MOST_EXPONENT)
        scale = float(2.0**exponent)
        offset = np.zeros(target.shape[1]) if link == "exp" else centre * top
        return cls(scale, offset, link, HUBER_KNEE * spread * (top / scale))

    def scaled(self, target: Array) -> Array:
        """Targets (..., outputs) as training counts them."""
        return target if self.offset is None else np.asarray((target - self.offset) / self.scale)

    def restored(self, target: Array) -> Array:
        """Targets (..., outputs), or outputs without a link, as the user counts them."""
        return target if self.offset is None else np.asarray(target * self.scale + self.offset)

    def to_user(self, weight: Array, bias: Array) -> tuple[Array, Array]:
        """Parameters of the output layer whose outputs are in the user's units."""
        if self.offset is None:
            return weight, bias
        if self.link == "exp":  # exp(o) unit = exp(o + log unit)
            return weight, (bias + np.log(self.scale)).astype(bias.dtype)
        return weight * self.scale, bias * self.scale + self.offset.astype(bias.dtype)

    def from_user(self, weight: Array, bias: Array) -> tuple[Array, Array]:
        """Undo `to_user`."""
        if self.offset is None:
            return weight, bias
        if self.link == "exp":
            return weight, bias - np.log(self.scale)
        return weight / self.scale, (bias - self.offset) / self.scale

    def of_loss(self, degree: int) -> float:
        """What a loss of 1 in training is in the user's units; `degree` is the power of them that it grows with."""
        with np.errstate(over="ignore", under="ignore"):
            return float(np.float64(self.scale) ** degree)

    def publish(self, output: Array) -> Array:
        """Predictions of outputs that are in the user's units."""
        return np.exp(output) if self.link == "exp" else output


def _robust_spread(values: Array, weight: Array | None) -> float:
    """Spread of rows (n, outputs) of a normal law, by their median absolute deviation."""
    distance = np.abs(values - _weighted_quantile(values, 0.5, weight)).mean(axis=1, keepdims=True)
    return NORMAL_MAD * float(_weighted_quantile(distance, 0.5, weight)[0])


def _weighted_quantile(values: Array, level: float, weight: Array | None) -> Array:
    """Quantile of each column, of rows of these weights."""
    if weight is None:
        weight = np.ones(len(values))
    order = np.argsort(values, axis=0)
    below = np.cumsum(weight[order], axis=0)
    first = (below >= level * below[-1]).argmax(axis=0)
    return np.asarray(np.take_along_axis(values, order, axis=0)[first, np.arange(values.shape[1])])
