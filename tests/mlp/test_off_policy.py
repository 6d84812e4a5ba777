"""What a policy would bring, from the rewards of another: exact identities, then means over many logs."""

import numpy as np
import pytest

from skdopamine._mlp.off_policy import SWITCH, WORTHS, snips, value

RNG = np.random.default_rng(0)
FULL = RNG.normal(1.0, 0.3, size=(200, 3))
CHANCES = RNG.dirichlet(np.ones(3), 200)  # of the policy that is judged
LOGGED = 0.9 * RNG.dirichlet(np.ones(3), 200) + 0.1 / 3
MODEL = FULL + RNG.normal(0, 0.2, size=FULL.shape) + 0.3  # biased


def log(rng):
    action = (LOGGED.cumsum(axis=1) < rng.random((200, 1))).sum(axis=1).clip(0, 2)
    reward = np.where(np.arange(3) == action[:, None], FULL, np.nan)
    return reward, 1 / LOGGED[np.arange(200), action]


TRUE = (CHANCES * FULL).sum(axis=1).mean()


@pytest.mark.parametrize("name", ["ips", "dr"])
def test_worths_are_unbiased(name):
    rng = np.random.default_rng(1)
    values = [(CHANCES * WORTHS[name](*log(rng), MODEL)).sum(axis=1).mean() for _ in range(400)]
    assert abs(np.mean(values) - TRUE) < 4 * np.std(values) / 20
    assert abs(MODEL.mean() - FULL.mean()) > 0.2  # which the model alone is not


def test_the_self_normalised_estimates_are_close():
    rng = np.random.default_rng(2)
    logs = [log(rng) for _ in range(200)]
    assert abs(np.mean([snips(CHANCES, *entry) for entry in logs]) - TRUE) < 0.02
    assert abs(np.mean([value(CHANCES, *entry, MODEL, np.full(200, 1 / 200)) for entry in logs]) - TRUE) < 0.02


def test_where_all_chances_are_certain_and_agree_the_value_is_the_mean_reward():
    reward = np.array([[1.0, np.nan], [np.nan, 3.0]])
    agree = np.array([[1.0, 0.0], [0.0, 1.0]])
    model = np.full((2, 2), 7.0)
    assert value(agree, reward, np.ones(2), model, np.full(2, 0.5)) == pytest.approx(2.0)
    assert snips(agree, reward, np.ones(2)) == pytest.approx(2.0)
    assert value(agree, reward, np.ones(2), model, np.array([0.25, 0.75])) == pytest.approx(2.5)
    assert value(1 - agree, reward, np.ones(2), model, np.full(2, 0.5)) == 7.0  # no row tells: the model's word stands
    assert snips(1 - agree, reward, np.ones(2)) == 0.0


def test_errors_of_the_model_count_by_one_over_the_propensity():
    reward, model = np.array([[1.0, np.nan], [4.0, np.nan]]), np.array([[0.5, 0.0], [1.0, 0.0]])
    first = np.array([[1.0, 0.0], [1.0, 0.0]])
    half = np.full(2, 0.5)
    assert value(first, reward, np.array([1.0, 3.0]), model, half) == pytest.approx(0.75 + (0.5 + 3 * 3.0) / 4)
    assert snips(first, reward, np.array([1.0, 3.0])) == pytest.approx((1 + 3 * 4) / 4)


def test_worths_by_hand():
    reward, weight = np.array([[np.nan, 2.0]]), np.array([4.0])
    expected = np.array([[1.0, 1.5]])
    np.testing.assert_array_equal(WORTHS["ips"](reward, weight, expected), [[0.0, 8.0]])
    np.testing.assert_array_equal(WORTHS["dr"](reward, weight, expected), [[1.0, 1.5 + 4 * 0.5]])
    np.testing.assert_array_equal(WORTHS["switch_dr"](reward, weight, expected), [[1.0, 3.5]])
    far = np.array([2 * SWITCH + 0.1])
    np.testing.assert_array_equal(WORTHS["switch_dr"](reward, far, expected), expected)
    np.testing.assert_array_equal(WORTHS["policy"](reward, weight, expected), [[0.0, 0.5]])
    pair = WORTHS["policy"](np.array([[2.0], [2.0]]), np.array([1.0, 3.0]), np.ones((2, 1)))
    np.testing.assert_array_equal(pair, [[0.5], [1.5]])  # the rare action counts for more
