"""Losses of networks that act: what a row shows is the reward of the action that was taken.

Targets have shape (n, actions). Those of `TakenReward` are rewards, those of the others what each action is worth more
than expected, in units of the rewards' spread; outputs are the logits of a softmax policy there.
"""

from abc import abstractmethod
from collections.abc import Callable
from math import log

import numpy as np
from scipy.special import softmax

from skdopamine._objectives.base import Objective, SetObjective
from skdopamine._objectives.losses import Evaluated
from skdopamine._typing import Array

LEAST_CHANCE = 0.01  # below, an action can hardly become rarer: a policy that is certain of itself learns no more


class TakenReward(Objective):
    """Half the squared error of the known rewards; of the others, whose target is nan, nothing is asked."""

    degree = 2

    def predict(self, output: Array) -> Array:
        return output

    def values(self, output: Array, target: Array) -> Array:
        error = _known_error(output, target)
        return np.asarray(0.5 * np.einsum("...k,...k->...", error, error))

    def difference(self, prediction: Array, moved: Array, target: Array) -> Array:
        # (e + m)^2 / 2 - (e - m)^2 / 2 = 2 e m, exactly
        return np.asarray(2 * np.einsum("...nk,...nk->...n", _known_error(prediction, target), moved))

    def credit(self, prediction: Array, target: Array, scale: float) -> Array:
        return _known_error(prediction, target)


def _known_error(output: Array, target: Array) -> Array:
    error = output - target
    return np.where(np.isnan(error), np.zeros((), error.dtype), error)


class _Softmax(Evaluated):
    """Minus what a softmax policy is worth, minus an entropy bonus; from the best that could be, so never negative."""

    degree = 0

    def __init__(self, entropy: float = 0.0) -> None:
        self.entropy = entropy

    def values(self, output: Array, target: Array) -> Array:
        chance = softmax(output, axis=-1)
        log_chance = np.log(chance + LEAST_CHANCE)
        loss = self.lacking(chance, log_chance, target)
        if self.entropy:
            loss += self.entropy * (log(output.shape[-1]) + np.einsum("...k,...k->...", chance, log_chance))
        return loss.astype(output.dtype, copy=False)

    @abstractmethod
    def lacking(self, chance: Array, log_chance: Array, target: Array) -> Array:
        """How much less (..., n) than the best that could be a policy gets."""


class LogChance(_Softmax):
    """Minus reward prediction error times log-probability of the taken action.

    Probabilities count as no less than LEAST_CHANCE in the logarithm: minus infinity would be the best.
    """

    def lacking(self, chance: Array, log_chance: Array, target: Array) -> Array:
        best = np.maximum(target, 0).sum(axis=-1) * log(1 + LEAST_CHANCE)
        best += np.minimum(target, 0).sum(axis=-1) * log(LEAST_CHANCE)
        return np.asarray(best - np.einsum("...k,...k->...", log_chance, target))


class ExpectedWorth(_Softmax):
    """Minus the expected worth of the policy's action, where the worth of every action is estimated."""

    def lacking(self, chance: Array, log_chance: Array, target: Array) -> Array:
        return np.asarray(np.einsum("...k,...k->...", chance, target.max(axis=-1, keepdims=True) - target))


class TakenWorth(_Softmax):
    """Minus the worth of the taken action times its probability, where targets are rewards, nan where not known.

    With rows that weigh one over their propensity this is the value by inverse propensity: a policy's natural loss.
    """

    def __init__(self, centre: float, scale: float, entropy: float) -> None:
        super().__init__(entropy)
        self.centre = centre
        self.scale = scale

    def lacking(self, chance: Array, log_chance: Array, target: Array) -> Array:
        worth = (target - self.centre) / self.scale
        worth = np.where(np.isnan(worth), 0.0, worth)
        lacking = np.maximum(worth.max(axis=-1, keepdims=True), 0) - worth
        return np.asarray(np.einsum("...k,...k->...", chance, lacking))


class PolicyValue(SetObjective):
    """Minus an estimate of a softmax policy's value that is known for a whole batch only.

    ``estimate(probabilities, target, weight)`` takes probabilities (n, actions) of each action, the rewards (n,
    actions), nan but for the action taken, and the weights (n,) of the rows, one over their propensity.
    """

    of_labels = takes_shares = False

    def __init__(self, estimate: Callable[[Array, Array, Array], float], n_pairs: int) -> None:
        self.estimate = estimate
        self.n_pairs = n_pairs

    def value(self, output: Array, target: Array, weight: Array | None) -> Array:
        weight = np.ones(len(target)) if weight is None else weight
        chances = softmax(output.astype(np.float64, copy=False), axis=-1)
        members = chances.reshape(-1, *chances.shape[-2:])
        values = [-self.estimate(member, target, weight) for member in members]
        return np.asarray(values, dtype=np.float64).reshape(output.shape[:-2])
