"""A ridge regression per action in closed form: the reward that features predict, and how sure that is.

The features are a constant, the inputs and the last hidden layer, which together hold what the network knows and what
it has not learnt yet. The width of a prediction is that of LinUCB (Li et al., 2010), on features of which some are
learnt (Riquelme, Tucker and Snoek, 2018; Xu et al., 2020).
"""

from typing import NamedTuple, Self

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from skdopamine._typing import Array

PENALTY = 1.0  # of the squared weights, which are in units of the rewards' spread
MOST_FEATURES = 1024  # more are mixed into as many, or the squares of a wide layer would fill the memory
FEW = 0.5  # rows of an action, relative to the features, up to which its inverse is updated and not made anew


class Readout(NamedTuple):
    """What the rows seen so far say of each action. Replaced, never changed."""

    inverse: Array  # (actions, d, d), of the sum of phi phi^T and the penalty
    moment: Array  # (actions, d), sum of phi times reward, in the user's units
    total: Array  # (actions, d), sum of phi

    @classmethod
    def empty(cls, n_actions: int, n_features: int) -> Self:
        """No row yet."""
        inverse = np.tile(np.eye(n_features) / PENALTY, (n_actions, 1, 1))
        nothing = np.zeros((n_actions, n_features))
        return cls(inverse, nothing, nothing)

    def learned(self, features: Array, reward: Array) -> Self:
        """After rows of features (n, d) and rewards (n, actions), nan where not known."""
        inverse, moment, total = (part.copy() for part in self)
        for action, column in enumerate(reward.T):
            known = ~np.isnan(column)
            if known.any():
                phi = features[known]
                try:
                    inverse[action] = _updated(inverse[action], phi)
                except np.linalg.LinAlgError:
                    raise ValueError(
                        "X must be scaled for the ridge regressions of a policy, for example by StandardScaler: "
                        f"its features reach {np.abs(phi).max():.3g}, and rounding hides all the others."
                    ) from None
                moment[action] += column[known] @ phi
                total[action] += phi.sum(axis=0)
        return type(self)(inverse, moment, total)

    def weights(self, centre: float) -> Array:
        """Weights (d, actions) of the reward beyond `centre`, which is what is expected where nothing is known."""
        return np.asarray(np.einsum("kde,ke->dk", self.inverse, self.moment - centre * self.total))

    def rewards(self, features: Array, centre: float) -> Array:
        """Predicted rewards (n, actions)."""
        return np.asarray(centre + features @ self.weights(centre))

    def widths(self, features: Array) -> Array:
        """Standard deviation (n, actions) of each prediction, in units of the rewards' noise: sqrt(phi^T A^-1 phi)."""
        moved = np.matmul(features, self.inverse)  # (actions, n, d)
        return np.asarray(np.sqrt(np.maximum(np.einsum("knd,nd->nk", moved, features), 0.0)))


def _updated(inverse: Array, phi: Array) -> Array:
    """Inverse of A + phi^T phi from that of A, by Woodbury's identity where rows are few."""
    if len(phi) > FEW * len(inverse):
        return _inverted(np.linalg.inv(inverse) + phi.T @ phi)
    moved = phi @ inverse  # (n, d)
    inner = moved @ phi.T
    inner.flat[:: len(inner) + 1] += 1.0
    return np.asarray(inverse - moved.T @ cho_solve(cho_factor(inner), moved))


def _inverted(gram: Array) -> Array:
    return np.asarray(cho_solve(cho_factor(gram), np.eye(len(gram))))


def features_of(X: Array, hidden: Array | None, seed: int, size: float = 1.0) -> Array:
    """A constant, the inputs and the last hidden layer (n, d); fixed mixtures of them where they are too many.

    `size` is that of a hidden unit beside an input: the smaller, the more its weights are penalised.
    """
    parts = [np.ones((len(X), 1)), X] if hidden is None else [np.ones((len(X), 1)), X, size * hidden]
    features = np.concatenate(parts, axis=1, dtype=np.float64)
    if features.shape[1] <= MOST_FEATURES:
        return features
    rng = np.random.Generator(np.random.PCG64(seed))
    signs = rng.integers(0, 2, (features.shape[1] - 1, MOST_FEATURES - 1), dtype=np.int8) * 2.0 - 1
    return np.hstack([features[:, :1], features[:, 1:] @ signs / np.sqrt(MOST_FEATURES)])


def n_features(n_inputs: int, n_hidden: int) -> int:
    """Columns of `features_of`."""
    return min(1 + n_inputs + n_hidden, MOST_FEATURES)
