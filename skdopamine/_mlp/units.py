"""The units in which training counts the targets, and the way from them to the user's and back."""

from typing import NamedTuple, Self

import numpy as np

from skdopamine._objectives.losses import HUBER_KNEE
from skdopamine._typing import Array

NORMAL_MAD = 1.4826  # standard deviation of a normal law in units of its median absolute deviation
LEAST_SPREAD = 1e-10  # of the largest target; below, targets are constant up to rounding
LEAST_MEAN = 2.0**-64  # what exp(output) is where all targets are 0
MOST_EXPONENT = 1000  # of a power of two
NEAR = 4.0  # times a spread that a unit, or the distance of an offset, may be before another is chosen


class Units(NamedTuple):
    """What training subtracts from targets and divides them by. The default leaves them as they are."""

    scale: Array = np.ones(1)  # (outputs,), powers of two
    offset: Array | None = None  # (outputs,); None: targets are not in any unit, as in classification
    link: str = "identity"  # function of the outputs: "identity" or "exp"
    knee: Array = np.full(1, HUBER_KNEE)  # (outputs,): where the Huber loss becomes linear
    varies: Array = np.ones(1, dtype=bool)  # (outputs,): whether there is more than one value to be learnt

    @classmethod
    def of(cls, target: Array, weight: Array | None, *, link: str = "identity", level: float | None = None) -> Self:
        """Units that suit targets (n, outputs), one for each output.

        `level` is the quantile of the targets that is the best constant, None where that is their mean. Where it is a
        quantile, outliers do not set the unit.
        """
        top, relative = _relative(target)
        centre = np.average(relative, axis=0, weights=weight)
        deviation = _deviation(relative, weight)
        varies, spread = deviation >= LEAST_SPREAD, deviation
        if link == "exp":
            spread = centre  # targets are counted in units of their mean
        if level is not None:
            centre = _weighted_quantile(relative, level, weight)
            robust, rare = _robust_spreads(relative, weight)
            spread = np.select([robust > LEAST_SPREAD, rare > LEAST_SPREAD], [robust, rare], spread)
        spread = np.where(spread < LEAST_SPREAD, 1.0, spread)
        exponent = np.clip(np.round(np.log2(spread) + np.log2(top)), -MOST_EXPONENT, MOST_EXPONENT)
        scale = np.ldexp(1.0, exponent.astype(int))
        offset = np.where(varies, centre * top, target[0])
        if link == "exp":
            scale, offset = np.where(varies, scale, np.maximum(target[0], LEAST_MEAN)), np.zeros_like(offset)
        return cls(scale, offset, link, HUBER_KNEE * spread * (top / scale), varies)

    def following(self, target: Array, weight: Array | None, *, level: float | None) -> tuple[Self, Array]:
        """The units where the latest targets are these (n, outputs), and which of them (outputs,) are new.

        A unit is kept while it is near the standard deviation, or near the median absolute deviation, or in between: a
        few outliers do not move it. The median absolute deviation says nothing where the unit is far above it, as of
        targets most of which are equal; then the spread of the rare ones counts.
        """
        new = type(self).of(target, weight, link=self.link, level=level)
        top, relative = _relative(target)
        if self.link == "exp":
            widest = narrowest = new.scale
        else:
            widest = _deviation(relative, weight) * top
            robust, rare = _robust_spreads(relative, weight) * top
            narrowest = np.minimum(widest, np.where(NEAR * robust < self.scale, np.maximum(robust, rare), robust))
        assert self.offset is not None
        assert new.offset is not None
        near = (self.scale <= NEAR * widest) & (NEAR * self.scale >= narrowest)
        near &= np.abs(self.offset - new.offset) <= NEAR * widest
        changed = np.where(self.varies, new.varies & ~near, True)
        fields = {name: np.where(changed, getattr(new, name), getattr(self, name)) for name in PER_OUTPUT}
        return self._replace(**fields), changed

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
        scale = self.scale.astype(bias.dtype)
        return weight * scale, bias * scale + self.offset.astype(bias.dtype)

    def from_user(self, weight: Array, bias: Array) -> tuple[Array, Array]:
        """Undo `to_user`."""
        if self.offset is None:
            return weight, bias
        if self.link == "exp":
            return weight, bias - np.log(self.scale)
        return weight / self.scale, (bias - self.offset) / self.scale

    def of_loss(self, degree: int) -> float:
        """What a loss of 1 in training is in the user's units, in the mean of the outputs.

        `degree` is the power of the units that the loss grows with.
        """
        with np.errstate(over="ignore", under="ignore"):
            return float((self.scale**degree).mean())

    def shares(self, degree: int) -> Array | None:
        """What each output's loss (outputs,) counts for in the user's units, 1 in the mean; None if all count alike."""
        if not degree or (self.scale == self.scale[0]).all():
            return None
        share = (self.scale / self.scale.max()) ** degree
        return np.asarray(share / share.mean())

    def publish(self, output: Array) -> Array:
        """Predictions of outputs that are in the user's units."""
        return np.exp(output) if self.link == "exp" else output


PER_OUTPUT = ("scale", "offset", "knee", "varies")


def _relative(target: Array) -> tuple[Array, Array]:
    """Size (outputs,) of the largest target of each output, and the targets in units of it."""
    size = np.abs(target).max(axis=0)
    top = np.where(size > 0, size, 1.0)
    return top, target / top


def _deviation(values: Array, weight: Array | None) -> Array:
    """Standard deviation of each column."""
    square = (values - np.average(values, axis=0, weights=weight)) ** 2
    columns = np.ascontiguousarray(square.T)
    return np.sqrt([np.average(column, weights=weight) for column in columns])


def _robust_spreads(values: Array, weight: Array | None) -> Array:
    """Spread (2, outputs) of a normal law, by the median absolute deviation, and of rare values far from the median.

    The second is the standard deviation if all rare values were as far away as their median.
    """
    distance = np.abs(values - _weighted_quantile(values, 0.5, weight))
    robust = NORMAL_MAD * _weighted_quantile(distance, 0.5, weight)
    weight = np.ones(len(values)) if weight is None else weight
    share, rare = weight / weight.sum(), np.zeros_like(robust)
    for output, column in enumerate(distance.T):
        far = column > max(NEAR * robust[output], LEAST_SPREAD)
        if (share[far] > 0).any():
            typical = _weighted_quantile(column[far][:, None], 0.5, share[far])[0]
            rare[output] = typical * np.sqrt(share[far].sum())
    return np.stack([robust, rare])


def _weighted_quantile(values: Array, level: float, weight: Array | None) -> Array:
    """Quantile of each column, of rows of these weights."""
    if weight is None:
        weight = np.ones(len(values))
    order = np.argsort(values, axis=0)
    below = np.cumsum(weight[order], axis=0)
    first = (below >= level * below[-1]).argmax(axis=0)
    return np.asarray(np.take_along_axis(values, order, axis=0)[first, np.arange(values.shape[1])])
