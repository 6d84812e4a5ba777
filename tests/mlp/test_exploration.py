"""How often each action is taken."""

import numpy as np
import pytest

from skdopamine._mlp.exploration import RULES, WIDTH, draw, inverse_gap

RNG = np.random.default_rng(0)
REWARD, WIDTHS = RNG.normal(size=(50, 4)), RNG.uniform(0.1, 1, (50, 4))


@pytest.mark.parametrize("rule", RULES)
def test_chances_sum_to_one_and_the_best_action_has_most(rule):
    for rate in (1e-3, 1.0, 1e3):
        chances = RULES[rule](REWARD, np.ones((50, 4)), rate, 100)
        np.testing.assert_allclose(chances.sum(axis=1), 1)
        assert (chances >= 0).all()
        assert (chances.max(axis=1) == chances[np.arange(50), REWARD.argmax(axis=1)]).all()


@pytest.mark.parametrize("rule", ["inverse_gap", "softmax"])
def test_less_is_explored_at_a_lower_rate_and_with_more_rows(rule):
    def best(rate, n_rows):
        return RULES[rule](REWARD, WIDTHS, rate, n_rows).max(axis=1)

    assert (best(0.1, 100) > best(1.0, 100)).all()
    assert (best(1.0, 1000) > best(1.0, 100)).all()


def test_inverse_gap_by_hand():
    chances = inverse_gap(np.array([[1.0, 0.5]]), np.empty((1, 2)), 2.0, 49)
    other = 1 / (2 + np.sqrt(2 * 50) / 2 * 0.5)
    np.testing.assert_allclose(chances, [[1 - other, other]])


def test_optimism_takes_the_highest_upper_bound():
    chances = RULES["optimism"](np.array([[1.0, 0.8, 0.0]]), np.array([[0.1, 0.6, 1.0]]), 1.0, 5)
    assert WIDTH * 0.5 > 0.2
    np.testing.assert_array_equal(chances, [[0.0, 1.0, 0.0]])
    tame = RULES["optimism"](np.array([[1.0, 0.8, 0.0]]), np.array([[0.1, 0.6, 1.0]]), 1e-3, 5)
    np.testing.assert_array_equal(tame, [[1.0, 0.0, 0.0]])


def test_actions_are_drawn_as_often_as_their_chances_say():
    chances = np.tile([0.0, 0.2, 0.5, 0.3, 0.0], (20_000, 1))
    shares = np.bincount(draw(chances, RNG), minlength=5) / 20_000
    assert shares[0] == shares[4] == 0
    np.testing.assert_allclose(shares, chances[0], atol=4 * np.sqrt(0.25 / 20_000))


def test_a_sum_that_rounding_has_left_below_the_number_drawn_takes_an_action_with_a_chance():
    class Highest:
        def random(self, n):
            return np.full(n, np.nextafter(1, 0))

    assert draw(np.array([[0.5, 0.5 - 1e-9, 0.0]]), Highest()).tolist() == [1]
