"""Normal equations by their root: exact where penalties are so small that rounding would hide them in a square.

All rows of features and targets are kept as the triangle of their QR decomposition, which further rows are added to.
"""

from typing import NamedTuple, Protocol, Self

import numpy as np

from skdopamine._esn.reservoir import LEAST_RELATIVE, Gains, Normal, floor, penalties
from skdopamine._typing import Array


class Equations(Protocol):
    """What is known of rows that readouts are learnt from."""

    @property
    def n_rows(self) -> int:
        """Rows so far."""

    def add(self, seen: Array, target: Array) -> Self:
        """With further rows: features (members, n, features), target (n, targets)."""

    def solve(self, gains: Gains, n_units: int, expected: Array | None = None) -> Array:
        """Ridge readouts (members, features, targets), nan where there is none."""

    @property
    def gram(self) -> Array:
        """Products of the features, (members, features, features)."""

    def copied(self) -> Self:
        """A copy that rows may be added to."""


class Root(NamedTuple):
    """Those of one reservoir."""

    triangle: Array  # (at most features + targets, features + targets)
    n_rows: int
    n_features: int

    @property
    def seen(self) -> Array:
        """Rows (n, features) that stand for all features."""
        return self.triangle[:, : self.n_features]

    @property
    def target(self) -> Array:
        """Rows (n, targets) that stand for all targets."""
        return self.triangle[:, self.n_features :]

    @property
    def normal(self) -> Normal:
        """The normal equations."""
        seen, target = self.seen, self.target
        return Normal((seen.T @ seen)[None], (seen.T @ target)[None], float((target**2).sum()), self.n_rows)

    @property
    def gram(self) -> Array:
        return self.normal.gram

    def add(self, seen: Array, target: Array) -> "Root":
        """With further rows: features (1, n, features), target (n, targets)."""
        rows = np.concatenate([self.triangle, np.concatenate([seen[0], target], axis=1)])
        return self._replace(triangle=np.asarray(np.linalg.qr(rows, mode="r")), n_rows=self.n_rows + len(target))

    def copied(self) -> "Root":
        """Itself, as rows are added out of place."""
        return self

    def without(self, first: int, last: int) -> "Root":
        """The features from `first` up to `last` left out."""
        if first == last:
            return self
        kept = np.delete(self.triangle, np.s_[first:last], axis=1)
        return Root(np.asarray(np.linalg.qr(kept, mode="r")), self.n_rows, self.n_features - (last - first))

    def error(self, readout: Array) -> float:
        """Sum of squared errors of a readout (features, targets)."""
        return float(((self.seen @ readout - self.target) ** 2).sum())

    def is_noisy(self, readout: Array) -> bool:
        """Whether the error of a readout is so large that normal equations can tell it."""
        return self.error(readout) > LEAST_RELATIVE * float((self.target**2).sum())

    def solve(self, gains: Gains, n_units: int, expected: Array | None = None) -> Array:
        """Readouts (members, features, targets) of gains, with the penalties that normal equations have, but exact."""
        seen, target = self.seen, self.target
        if expected is not None and expected.any():
            left = Root(np.concatenate([seen, target - seen @ expected], axis=1), self.n_rows, self.n_features)
            return np.asarray(expected + left.solve(gains, n_units))
        readout, spectrum = np.full((len(gains.ridge), self.n_features, target.shape[1]), np.nan), None
        try:
            for m, penalty in enumerate(penalties(gains, n_units, self.n_features)):
                scale = np.sqrt(penalty / penalty.min())
                if spectrum is None or not np.allclose(scale, spectrum.scale, rtol=1e-9):
                    spectrum = self._spectrum(scale)
                readout[m] = spectrum.ridge(self.n_rows * penalty.min())
                if self.is_noisy(readout[m]):
                    least = floor(self.error(readout[m]) / target.shape[1], self.n_rows)
                    if least > penalty.min():
                        penalty = np.maximum(penalty, least)
                        own = self._spectrum(np.sqrt(penalty / penalty.min()))
                        readout[m] = own.ridge(self.n_rows * penalty.min())
        except np.linalg.LinAlgError:  # not finite
            readout[:] = np.nan
        return readout

    def _spectrum(self, scale: Array) -> "Spectrum":
        left, values, right = np.linalg.svd(self.seen / scale, full_matrices=False)
        return Spectrum(scale, values[:, None], right.T, left.T @ self.target)


class Spectrum(NamedTuple):
    """Singular values of features whose penalties are made alike; all penalties times a factor are solved at once."""

    scale: Array  # (features,): roots of the penalties, the least being 1
    values: Array  # (values, 1)
    right: Array  # (features, values)
    target: Array  # (values, targets)

    def ridge(self, penalty: float) -> Array:
        """Weights (features, targets) of the least penalty: w = V s / (s^2 + penalty) U'y, in units of `scale`."""
        filtered = self.values / (self.values**2 + penalty) * self.target
        return np.asarray((self.right @ filtered) / self.scale[:, None])


def init_root(n_features: int, n_targets: int) -> Root:
    """No rows yet."""
    return Root(np.empty((0, n_features + n_targets)), 0, n_features)
