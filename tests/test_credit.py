"""Credit estimators, by exact identities first; none of them needs a network."""

import numpy as np
import pytest
from scipy import sparse

from skdopamine import _credit

RNG = np.random.default_rng(0)
UNITS, OUTPUTS = 12, 3


def linear_layer(n: int, critic: np.ndarray, groups: int, patterns: np.ndarray | None = None):
    """Node credit where the loss of a sample is e . (h @ W): its exact credit is a * (e @ W.T)."""
    rng = np.random.default_rng(1)
    response = rng.uniform(-1, 1, (1, UNITS)).repeat(n, axis=0)
    W, e = rng.normal(size=(UNITS, OUTPUTS)), rng.normal(size=(1, OUTPUTS)).repeat(n, axis=0)
    membership = _credit.group_membership(UNITS, groups, np.float64)
    table = _credit.sign_table(UNITS, seed=0, dtype=np.float64)
    share = np.full((n, 1), 1 / n)
    credit = _credit.node_credit(
        direction=table[np.arange(n) % _credit.N_PATTERNS if patterns is None else patterns],
        response=response,
        audible=None,
        regret=lambda noise: (noise * (e @ W.T)) @ membership,
        output_credit=e,
        critic=critic,
        membership=membership,
        share=share,
    )
    return credit, share * response * (e @ W.T), W


@pytest.mark.parametrize(
    "critic", [np.zeros((OUTPUTS, UNITS)), RNG.normal(size=(OUTPUTS, UNITS))], ids=["none", "random"]
)
@pytest.mark.parametrize("groups", [1, 3, 5, UNITS])
def test_node_credit_averages_to_the_exact_credit_over_all_patterns(groups, critic):
    credit, exact, _ = linear_layer(_credit.N_PATTERNS, critic, groups)
    np.testing.assert_allclose(credit.credit.sum(axis=0), exact.sum(axis=0), atol=1e-12)


def test_node_credit_of_single_units_is_exact_for_every_draw():
    credit, exact, _ = linear_layer(7, np.zeros((OUTPUTS, UNITS)), UNITS)
    np.testing.assert_allclose(credit.credit, exact, atol=1e-12)


def test_a_perfect_critic_leaves_no_variance_and_stays():
    _, _, W = linear_layer(1, np.zeros((OUTPUTS, UNITS)), 1)
    credit, exact, _ = linear_layer(50, W.T, 1)
    np.testing.assert_allclose(credit.credit, exact, atol=1e-12)
    np.testing.assert_allclose(credit.critic, W.T, atol=1e-12)


def test_the_critic_learns_to_predict_the_regret():
    rng, critic, error = np.random.default_rng(0), np.zeros((OUTPUTS, UNITS)), []
    for _ in range(200):
        credit, exact, _ = linear_layer(64, critic, 1, rng.integers(0, _credit.N_PATTERNS, 64))
        error.append(((credit.credit - exact) ** 2).mean())
        critic = credit.critic
    assert np.mean(error[-10:]) < 0.05 * error[0]


def test_silent_units_get_no_credit_from_the_noise_of_others():
    response = np.array([[1.0, 0.0]])
    credit = _credit.node_credit(
        direction=np.array([[1.0, -1.0]]),
        response=response,
        audible=np.ceil,
        regret=lambda noise: noise.sum(axis=1, keepdims=True) * 3.0,
        output_credit=np.ones((1, 1)),
        critic=np.zeros((1, 2)),
        membership=np.ones((2, 1)),
        share=np.ones((1, 1)),
    )
    np.testing.assert_array_equal(credit.credit, [[3.0, 0.0]])


def test_sign_table_columns_are_orthogonal():
    table = _credit.sign_table(100, seed=3, dtype=np.float64)
    np.testing.assert_array_equal(table.T @ table, _credit.N_PATTERNS * np.eye(100))
    assert set(np.unique(_credit.sign_table(300, seed=3, dtype=np.float32))) == {-1.0, 1.0}


def test_patterns_are_uniform_over_seeds():
    ids = _credit.row_ids(RNG.normal(size=(500, 4)))
    counts = sum(np.bincount(_credit.row_patterns(ids, seed), minlength=_credit.N_PATTERNS) for seed in range(200))
    expected = 500 * 200 / _credit.N_PATTERNS
    assert ((counts - expected) ** 2 / expected).sum() < 128 + 5 * np.sqrt(2 * 128)


def test_row_ids_depend_on_content_alone():
    X = RNG.normal(size=(50, 6)) * (RNG.random((50, 6)) < 0.5)
    order = RNG.permutation(50)
    ids = _credit.row_ids(X)
    np.testing.assert_array_equal(_credit.row_ids(X[order]), ids[order])
    np.testing.assert_array_equal(_credit.row_ids(sparse.csr_array(X)), ids)
    np.testing.assert_array_equal(_credit.row_ids(-np.zeros((2, 6))), _credit.row_ids(np.zeros((2, 6))))
    assert len(np.unique(ids)) >= 49  # 16 bits: few rows share theirs
    assert len(np.unique(_credit.row_ids(np.eye(8)))) >= 7


def test_group_membership_covers_each_unit_once():
    for units in (1, 7, 97, 100):
        membership = _credit.group_membership(units, 16, np.float64)
        np.testing.assert_array_equal(membership.sum(axis=1), 1)
        assert (membership.sum(axis=0) >= 1).all()
        assert membership.shape[1] <= 16
    assert _credit.group_membership(100, 16, np.float64).shape[1] == 10  # equal groups where possible


def directions(members: int, n_parameters: int, seed: int) -> np.ndarray:
    bits = _credit.member_directions(members, n_parameters, seed)
    return _credit.unpack_directions(bits, n_parameters, np.float64)


def test_weight_credit_on_a_linear_loss_is_exact():
    g, xi = RNG.normal(size=57), directions(1, 57, 0)
    credit = _credit.weight_credit(xi, xi @ g, np.zeros(57))
    np.testing.assert_allclose(credit, (xi @ g)[0] * xi[0], rtol=1e-12)


def test_weight_credit_has_slope_one_on_the_true_gradient():
    g, xi = RNG.normal(size=57), directions(2000, 57, 1)
    estimates = (xi @ g)[:, None] * xi
    slope, error = (estimates @ g).mean() / (g @ g), (estimates @ g).std() / np.sqrt(2000) / (g @ g)
    assert abs(slope - 1) < 4 * error


def test_weight_credit_does_not_depend_on_the_chunks():
    xi, regret = directions(10, 57, 2), RNG.normal(size=10)
    whole = _credit.weight_credit(xi, regret, np.zeros(57))
    for cut in range(1, 10):
        part = _credit.weight_credit(xi[:cut], regret[:cut], np.zeros(57))
        np.testing.assert_array_equal(_credit.weight_credit(xi[cut:], regret[cut:], part), whole)


def test_directions_are_unbiased_signs():
    xi = directions(4000, 65, 3)
    assert set(np.unique(xi)) == {-1.0, 1.0}
    assert np.abs(xi.mean(axis=0)).max() < 5 / np.sqrt(4000)
    np.testing.assert_array_equal(directions(4000, 65, 3), xi)
    assert not np.array_equal(directions(4000, 65, 4), xi)
