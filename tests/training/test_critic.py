"""The critic: what it expects, and that it learns it without ever getting worse."""

import numpy as np
import pytest

from skdopamine._training import critic as _critic
from skdopamine._training.critic import RATE, Critic

RNG = np.random.default_rng(0)
ABOVE, UNITS, N = 4, 7, 30
W = RNG.normal(size=(UNITS, ABOVE))
UNLEARNT = Critic(np.zeros((ABOVE, UNITS)))


def share(n: int) -> np.ndarray:
    return np.full((n, 1), 1 / n)


def taught(critic: Critic, noise: np.ndarray, weight: np.ndarray | None = None) -> Critic:
    return critic.learned(noise.copy(), noise @ W, share(len(noise)) if weight is None else weight)


def test_expected_credit_by_hand():
    critic = Critic(np.array([[1.0, 2.0], [0.0, 3.0]]))
    expected = critic.expected(np.array([[1.0, -1.0]]), np.array([[0.5, 2.0]]))
    np.testing.assert_array_equal(expected, [[0.5 * 1.0, 2.0 * -1.0]])
    np.testing.assert_array_equal(UNLEARNT.expected(np.ones((3, ABOVE)), np.ones((3, UNITS))), 0)


def test_one_unit_is_learnt_at_the_rate():
    noise = np.array([[2.0], [0.0]])
    critic = Critic(np.zeros((1, 1))).learned(noise.copy(), noise * 3.0, share(2))
    np.testing.assert_allclose(critic.feedback, [[RATE * 3.0]])


def test_feedback_becomes_the_transpose_of_the_weights_that_it_never_sees():
    critic = UNLEARNT
    for _ in range(200):
        critic = taught(critic, RNG.choice([-1.0, 1.0], (N, UNITS)) * RNG.uniform(0, 1, (N, UNITS)))
    np.testing.assert_allclose(critic.feedback, W.T, atol=1e-6)


@pytest.mark.parametrize("n", [1, 3, 200])
@pytest.mark.parametrize("kind", ["signs", "correlated", "sparse", "uneven"])
def test_no_batch_makes_the_error_larger(kind, n):
    rng = np.random.default_rng(1)
    for _ in range(50):
        noise = rng.choice([-1.0, 1.0], (n, UNITS))
        if kind == "correlated":
            noise = noise[:, :1] + 1e-3 * noise
        elif kind == "sparse":
            noise *= rng.random((n, UNITS)) < 0.2
        elif kind == "uneven":
            noise *= 10.0 ** rng.integers(-4, 5, (1, UNITS))
        before = Critic(rng.normal(size=(ABOVE, UNITS)))
        weight = rng.uniform(0.01, 1, (n, 1))
        after = taught(before, noise, weight / weight.sum())
        assert np.linalg.norm(W.T - after.feedback) <= np.linalg.norm(W.T - before.feedback) * (1 + 1e-12)


def test_a_perfect_critic_stays():
    noise = RNG.choice([-1.0, 1.0], (N, UNITS))
    np.testing.assert_allclose(taught(Critic(W.T), noise).feedback, W.T, atol=1e-14)


def test_a_row_of_weight_two_teaches_as_two_rows_do():
    noise, counts = RNG.choice([-1.0, 1.0], (5, UNITS)), np.array([1, 2, 3, 1, 2])
    weighted = taught(UNLEARNT, noise, (counts / counts.sum())[:, None])
    repeated = taught(UNLEARNT, noise.repeat(counts, axis=0))
    np.testing.assert_allclose(weighted.feedback, repeated.feedback, rtol=0, atol=1e-14)


@pytest.mark.parametrize("noise", [np.zeros((N, UNITS)), np.full((N, UNITS), np.nan), np.full((N, UNITS), 1e200)])
def test_without_noise_to_learn_from_nothing_is_learnt(noise):
    with np.errstate(all="ignore"):
        critic = UNLEARNT.learned(noise, np.ones((N, ABOVE)), share(N))
    np.testing.assert_array_equal(critic.feedback, 0)


def test_critics_of_several_networks_learn_each_as_if_alone():
    noise = RNG.choice([-1.0, 1.0], (4, N, UNITS))
    noise[1], noise[2] = 0, np.nan  # nothing to learn from
    feedback, change = RNG.normal(size=(4, ABOVE, UNITS)), RNG.normal(size=(4, N, ABOVE))
    weight = np.broadcast_to(share(N), (4, N, 1))
    with np.errstate(all="ignore"):
        together = Critic(feedback).learned(noise.copy(), change, weight).feedback
        alone = [Critic(feedback[k]).learned(noise[k].copy(), change[k], share(N)).feedback for k in range(4)]
    np.testing.assert_allclose(together, alone, rtol=1e-12)
    np.testing.assert_array_equal(together[1:3], feedback[1:3])


def test_the_critic_of_before_is_left_as_it_is():
    before = Critic(RNG.normal(size=(ABOVE, UNITS)))
    copy = before.feedback.copy()
    taught(before, RNG.choice([-1.0, 1.0], (N, UNITS)))
    np.testing.assert_array_equal(before.feedback, copy)


def test_wide_layers_learn_in_chunks_as_others_do(monkeypatch):
    noise = RNG.choice([-1.0, 1.0], (N, UNITS))
    whole = taught(UNLEARNT, noise)
    monkeypatch.setattr(_critic, "CHUNK_UNITS", 3)
    np.testing.assert_allclose(taught(UNLEARNT, noise).feedback, whole.feedback, rtol=1e-13)
