"""What a policy would bring, from rewards that another policy has earned: functions of arrays.

Rewards have shape (n, actions) and are nan where they are not known; weights (n,) are one over the chance that the
known action had.
"""

from collections.abc import Callable

import numpy as np

from skdopamine._typing import Array

SWITCH = 3.0  # times the number of actions: rows that weigh more are left to the model ("switch_dr")
MOST_WEIGHT = 3.0  # times the mean: of a row in "policy"


def known_part(of_actions: Array, reward: Array) -> Array:
    """What (n,) of values (n, actions) belongs to the known rewards, summed over actions."""
    return np.asarray(np.where(np.isnan(reward), 0.0, of_actions).sum(axis=1))


def ips(reward: Array, weight: Array, expected: Array) -> Array:
    """Worth (n, actions) of each action by inverse propensity; `expected` (n, actions) is used for nothing."""
    return np.where(np.isnan(reward), 0.0, reward) * weight[:, None]


def doubly_robust(reward: Array, weight: Array, expected: Array) -> Array:
    """What a model expects, and what it was wrong by where that is known (Dudik, Langford and Li, 2011)."""
    return expected + ips(reward - expected, weight, expected)


def switch_dr(reward: Array, weight: Array, expected: Array) -> Array:
    """The model alone where the weight is large (Wang, Agarwal and Dudik, 2017)."""
    return doubly_robust(reward, np.where(weight <= SWITCH * reward.shape[1], weight, 0.0), expected)


def advantage(reward: Array, weight: Array, expected: Array) -> Array:
    """Reward prediction error of the known actions; those that were taken rarely count for more."""
    return ips(reward - expected, np.minimum(weight / weight.mean(), MOST_WEIGHT), expected)


WORTHS: dict[str, Callable[[Array, Array, Array], Array]] = {
    "policy": advantage,
    "ips": ips,
    "dr": doubly_robust,
    "switch_dr": switch_dr,
}


def snips(chances: Array, reward: Array, weight: Array) -> float:
    """Value of a policy with these chances (n, actions): inverse propensity, self-normalised."""
    taken = weight * known_part(chances, reward)
    total = taken.sum()
    return float(taken @ known_part(reward, reward) / total) if total > 0 else 0.0


def value(chances: Array, reward: Array, weight: Array, expected: Array, share: Array) -> float:
    """Value of a policy: doubly robust, with weights that are normalised by their own sum.

    The rows count for their share (n,), which sums to one.
    """
    taken = share * weight * known_part(chances, reward)
    total = taken.sum()
    correction = taken @ known_part(reward - expected, reward) / total if total > 0 else 0.0
    return float(share @ (chances * expected).sum(axis=1) + correction)
