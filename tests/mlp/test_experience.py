"""What a policy has lived through."""

import numpy as np
import pytest

from skdopamine._mlp.experience import BOUNDS, LEARNT, UNLEARNT, Experience, Memory, known_rewards, taken_rewards
from skdopamine._mlp.problem import Sample

RNG = np.random.default_rng(0)


def rows(start, stop, reward=1.0, n_actions=2):
    number = np.arange(start, stop)
    action = number % n_actions
    target = np.where(np.arange(n_actions) == action[:, None], reward, np.nan)
    return Sample(number[:, None] * 1.0, action, target, np.ones(len(number)))


def numbers(memory):
    return np.concatenate([piece.X[:, 0] for piece in memory.pieces]).astype(int).tolist()


@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_a_memory_holds_the_latest_rows_in_few_pieces(size):
    memory = Memory()
    for start in range(0, 200, size):
        memory = memory.after(rows(start, start + size), 30)
        assert numbers(memory) == list(range(max(0, start + size - 30), start + size))
        assert len(memory.pieces) <= 7
    assert memory.n_rows == 30
    assert Memory().after(rows(0, 5), 0).n_rows == 0


def test_rows_are_drawn_from_all_of_the_memory_and_each_once():
    memory = Memory()
    for start in range(0, 40, 3):
        memory = memory.after(rows(start, start + 3), 100)
    for n in (1, 5, 42, 99):
        drawn = memory.drawn(n, np.random.default_rng(n))
        kept = drawn.X[:, 0].astype(int).tolist()
        assert len(set(kept)) == len(kept) == min(n, 42)
        assert drawn.y.tolist() == [number % 2 for number in kept]
    often = {int(memory.drawn(1, np.random.default_rng(seed)).X[0, 0]) for seed in range(400)}
    assert often == set(range(42))


def test_rewards_known_and_taken():
    sample = Sample(np.zeros((2, 1)), np.array([1, 0]), np.array([[np.nan, 3.0], [5.0, 0.0]]), np.ones(2))
    np.testing.assert_array_equal(known_rewards(sample), [[3.0], [5.0], [0.0]])
    np.testing.assert_array_equal(taken_rewards(sample), [3.0, 5.0])


def test_the_mean_reward_is_slow_and_forgets():
    experience = Experience.begun(rows(0, 10), 0).after(rows(0, 10), np.zeros(10), 100)
    assert experience.mean_reward == 1.0
    once = experience.after(rows(0, 10, reward=3.0), np.zeros(10), 100)
    assert once.mean_reward == 2.0
    for _ in range(800):
        once = once.after(rows(0, 10, reward=3.0), np.zeros(10), 100)
    assert once.mean_reward == pytest.approx(3.0, abs=1e-3)
    for _ in range(100):
        once = once.after(rows(0, 10, reward=0.0), np.zeros(10), 100)
    assert 0.8 < once.mean_reward < 1.3  # 3 / e after as many rows as it remembers


def test_curiosity_rises_where_rewards_disappoint():
    begun = Experience.begun(rows(0, 10, reward=1.0), 0)
    assert begun.after(rows(0, 10), np.full(10, 2.0), 9).curiosity > 1
    assert begun.after(rows(0, 10), np.full(10, 0.0), 9).curiosity < 1
    assert begun.after(rows(0, 10), np.full(10, 1.0), 9).curiosity == 1
    for _ in range(50):
        begun = begun.after(rows(0, 10), np.full(10, 9.0), 9)
    assert begun.curiosity == BOUNDS[1]


def test_the_readout_is_made_anew_on_the_features_of_now():
    experience = Experience.begun(rows(0, 8), 0)
    stretch = 1.0

    def features(X, size):
        return np.hstack([np.ones_like(X), stretch * X])

    for start in range(0, 64, 8):
        stretch += 1
        experience = experience.after(rows(start, start + 8), np.zeros(8), 1000).read(features)
        assert experience.unread == ()
    fresh = Experience.begun(rows(0, 8), 0).readout.learned(features(rows(0, 64).X, 1.0), rows(0, 64).target)
    np.testing.assert_allclose(experience.readout.inverse, fresh.inverse, rtol=1e-6)


def test_without_a_memory_the_readout_keeps_all_that_it_has_learnt():
    experience = Experience.begun(rows(0, 8), 0)
    for start in range(0, 64, 8):
        experience = experience.after(rows(start, start + 8), np.zeros(8), 0)
        experience = experience.read(lambda X, size: np.hstack([np.ones_like(X), X]))
    assert experience.readout.total[:, 0].tolist() == [32, 32]
    assert experience.memory.n_rows == 0


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_the_unit_follows_rare_clicks_that_grow_or_shrink(factor):
    first = rows(0, 50, reward=0.0)
    clicked = first._replace(target=first.target + (np.arange(50)[:, None] % 25 == 0))
    later = clicked._replace(target=factor * clicked.target)
    before = Experience.begun(clicked, 0)
    experience = before
    for _ in range(10):
        experience = experience.followed(clicked)
    assert experience.scale == before.scale
    for _ in range(20):
        experience = experience.followed(later)
    assert factor / 2 <= experience.scale / before.scale <= 2 * factor


def test_hidden_units_grow_in_the_readout_as_they_learn_and_only_where_it_is_made_anew():
    experience, sizes = Experience.begun(rows(0, 100), 1), []

    def features(X, size):
        sizes.append(size)
        return np.hstack([np.ones_like(X), X / 1e4, size * X / 1e4])

    for start in range(0, 2 * LEARNT, 100):
        before = experience.hidden_size
        experience = experience.after(rows(start, start + 100), np.zeros(100), 10_000).read(features)
        assert sizes[-1] == experience.hidden_size
        assert experience.hidden_size == before or experience.n_since == 0
        if start + 100 < UNLEARNT * LEARNT:
            assert experience.hidden_size == UNLEARNT
    assert experience.hidden_size == 1.0
