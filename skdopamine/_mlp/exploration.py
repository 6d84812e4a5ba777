"""How often each action is taken, from what it is expected to bring: functions of arrays.

Rewards are counted in units of their spread. `rate` is how much is explored, `n_rows` how many rewards are known.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import softmax

from skdopamine._typing import Array

GAP = 1.0  # of "inverse_gap", see `inverse_gap`
WIDTH = 0.5  # of "optimism": standard deviations that an action gets the benefit of
COOLING = 1.0  # of "softmax"


def inverse_gap(reward: Array, width: Array, rate: float, n_rows: int) -> Array:
    """Chances that fall with the distance to the best action (Abe and Long, 1999; Foster and Rakhlin, 2020).

    An action that is worse by g has the chance ``1 / (K + g sqrt(K n) / rate)``; the best one has the rest.
    """
    n_actions = reward.shape[1]
    gap = reward.max(axis=1, keepdims=True) - reward
    chance = 1 / (n_actions + GAP * np.sqrt(n_actions * (1 + n_rows)) / rate * gap)
    rows, best = np.arange(len(reward)), reward.argmax(axis=1)
    chance[rows, best] = 0.0
    chance[rows, best] = 1 - chance.sum(axis=1)
    return np.asarray(chance)


def by_softmax(reward: Array, width: Array, rate: float, n_rows: int) -> Array:
    """Boltzmann's law, with a temperature that falls as the rows of each action become more."""
    temperature = rate / (COOLING * np.sqrt(1 + n_rows / reward.shape[1]))
    return np.asarray(softmax(reward / temperature, axis=1))


def optimism(reward: Array, width: Array, rate: float, n_rows: int) -> Array:
    """All for the action that is best where each is as good as it may well be: its upper bound (LinUCB)."""
    best = (reward + rate * WIDTH * width).argmax(axis=1)
    return np.asarray(best[:, None] == np.arange(reward.shape[1]), dtype=np.float64)


RULES: dict[str, Callable[[Array, Array, float, int], Array]] = {
    "inverse_gap": inverse_gap,
    "softmax": by_softmax,
    "optimism": optimism,
}


def draw(chances: Array, rng: np.random.Generator) -> Array:
    """Number (n,) of an action of each row, with these chances (n, actions)."""
    reached = rng.random(len(chances))[:, None] < chances.cumsum(axis=1)
    # where rounding leaves the sum below the number drawn, the last action that has a chance
    last = chances.shape[1] - 1 - (chances[:, ::-1] > 0).argmax(axis=1)
    return np.asarray(np.where(reached.any(axis=1), reached.argmax(axis=1), last))
