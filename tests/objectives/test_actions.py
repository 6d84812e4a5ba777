"""Losses of networks that act."""

import numpy as np
import pytest
from scipy.special import softmax

from skdopamine._objectives.actions import (
    LEAST_CHANCE,
    ExpectedWorth,
    LogChance,
    PolicyValue,
    TakenReward,
    TakenWorth,
)
from skdopamine._objectives.base import SquaredError

RNG = np.random.default_rng(0)
OUTPUT, FULL = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 3))
TAKEN = np.where(np.arange(3) == RNG.integers(0, 3, 6)[:, None], FULL, np.nan)
SUMS = {
    "reward": (TakenReward(), TAKEN),
    "log": (LogChance(0.3), np.nan_to_num(TAKEN)),
    "worth": (ExpectedWorth(0.3), FULL),
    "taken": (TakenWorth(0.2, 0.5, 0.3), TAKEN),
}


def test_the_known_rewards_alone_count():
    values = TakenReward().values(np.array([[1.0, 5.0], [2.0, 3.0]]), np.array([[3.0, np.nan], [np.nan, 3.0]]))
    np.testing.assert_array_equal(values, [2.0, 0.0])
    credit = TakenReward().credit(np.array([[1.0, 5.0]]), np.array([[3.0, np.nan]]), 0.1)
    np.testing.assert_array_equal(credit, [[-2.0, 0.0]])


def test_where_all_rewards_are_known_it_is_the_squared_error():
    moved = RNG.normal(size=(4, 6, 3))
    for name in ("values", "credit", "difference"):
        args = {"values": (OUTPUT, FULL), "credit": (OUTPUT, FULL, 0.1), "difference": (OUTPUT, moved, FULL)}[name]
        np.testing.assert_allclose(getattr(TakenReward(), name)(*args), getattr(SquaredError(), name)(*args))


@pytest.mark.parametrize("name", SUMS)
def test_differences_and_credit_are_those_of_the_values(name):
    objective, target = SUMS[name]
    moved = 0.1 * RNG.normal(size=(4, 6, 3))
    difference = objective.difference(objective.predict(OUTPUT), moved, target)
    expected = objective.values(OUTPUT + moved, target) - objective.values(OUTPUT - moved, target)
    np.testing.assert_allclose(difference, expected, atol=1e-12)
    credit = objective.credit(objective.predict(OUTPUT), target, 1e-3)
    for k, step in enumerate(1e-3 * np.eye(3)):
        slope = (objective.values(OUTPUT + step, target) - objective.values(OUTPUT - step, target)) / 2e-3
        np.testing.assert_allclose(credit[:, k], slope, atol=1e-9)


@pytest.mark.parametrize("name", ["log", "worth", "taken"])
def test_a_policy_has_no_negative_loss_however_certain(name):
    objective, target = SUMS[name]
    for size in (0, 1, 100):
        assert (objective.values(size * RNG.normal(size=(6, 3)), target) >= -1e-12).all()


def test_the_credit_of_a_reward_prediction_error_is_that_of_the_log_probability():
    """The gradient of -t log(p + c) is -t p / (p + c) (onehot - p)."""
    target = np.array([[0.0, -0.7, 0.0]])
    p = softmax(OUTPUT[:1], axis=1)
    credit = LogChance(0.0).credit(OUTPUT[:1], target, 1e-4)
    expected = 0.7 * p[0, 1] / (p[0, 1] + LEAST_CHANCE) * (np.array([[0.0, 1.0, 0.0]]) - p)
    np.testing.assert_allclose(credit, expected, atol=1e-8)


@pytest.mark.parametrize("objective", [LogChance, ExpectedWorth])
def test_entropy_alone_is_best_where_all_actions_are_equally_likely(objective):
    nothing = np.zeros((1, 3))
    even, odd = objective(1.0).values(np.zeros((1, 3)), nothing), objective(1.0).values(OUTPUT[:1], nothing)
    assert even[0] < odd[0]
    np.testing.assert_array_equal(objective(0.0).values(OUTPUT[:1], nothing), [0.0])


def test_worth_by_hand():
    output, target = np.log([[0.25, 0.75]]), np.array([[4.0, 0.0]])
    np.testing.assert_allclose(ExpectedWorth().values(output, target), [0.75 * 4])  # 4 at best, and 1 is expected
    np.testing.assert_allclose(TakenWorth(1.0, 2.0, 0.0).values(output, np.array([[5.0, np.nan]])), [2 * 0.75])
    np.testing.assert_allclose(TakenWorth(1.0, 2.0, 0.0).values(output, np.array([[-3.0, np.nan]])), [2 * 0.25])


def test_the_value_of_a_batch_is_the_estimate_of_each_member():
    seen = []

    def estimate(chances, target, weight):
        seen.append((chances, weight))
        return float(chances[:, 0] @ weight)

    members = np.stack([OUTPUT, 2 * OUTPUT])
    weight = np.arange(6.0)
    values = PolicyValue(estimate, 4).value(members, TAKEN, weight)
    np.testing.assert_allclose(values, [-softmax(m, axis=1)[:, 0] @ weight for m in members])
    assert PolicyValue(estimate, 4).value(OUTPUT, TAKEN, None).shape == ()
    np.testing.assert_array_equal(seen[-1][1], np.ones(6))
