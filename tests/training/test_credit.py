"""Credit estimators, by exact identities first; none of them needs a network."""

import numpy as np
import pytest
from draws import IDS, directions, output_directions

from skdopamine._esn import gains_problem as _gains_problem
from skdopamine._training import credit as _credit
from skdopamine._training import noise as _noise

RNG = np.random.default_rng(0)
UNITS, OUTPUTS = 12, 3


def linear_layer(n: int, critic: np.ndarray, groups: int, patterns: np.ndarray | None = None):
    """Node credit where the loss of a sample is e . (h @ W): its exact credit is a * (e @ W.T)."""
    rng = np.random.default_rng(1)
    response = rng.uniform(-1, 1, (1, UNITS)).repeat(n, axis=0)
    W, e = rng.normal(size=(UNITS, OUTPUTS)), rng.normal(size=(1, OUTPUTS)).repeat(n, axis=0)
    membership = _credit.group_membership(UNITS, groups, np.float64)
    table = _noise.sign_table(UNITS, seed=0, dtype=np.float64)
    direction = table[np.arange(n) % _noise.N_PATTERNS if patterns is None else patterns]
    regret = (response * direction * (e @ W.T)) @ membership
    expected = response * (e @ critic)
    surprise = _credit.node_surprise(direction, expected, regret, membership)
    return expected - surprise, response * (e @ W.T), W


@pytest.mark.parametrize(
    "critic", [np.zeros((OUTPUTS, UNITS)), RNG.normal(size=(OUTPUTS, UNITS))], ids=["none", "random"]
)
@pytest.mark.parametrize("groups", [1, 3, 5, UNITS])
def test_node_credit_averages_to_the_exact_credit_over_all_patterns(groups, critic):
    credit, exact, _ = linear_layer(_noise.N_PATTERNS, critic, groups)
    np.testing.assert_allclose(credit.mean(axis=0), exact.mean(axis=0), atol=1e-12)


def test_node_credit_of_single_units_is_exact_for_every_draw():
    credit, exact, _ = linear_layer(7, np.zeros((OUTPUTS, UNITS)), UNITS)
    np.testing.assert_allclose(credit, exact, atol=1e-12)


def test_a_perfect_critic_leaves_no_variance():
    _, _, W = linear_layer(1, np.zeros((OUTPUTS, UNITS)), 1)
    credit, exact, _ = linear_layer(50, W.T, 1)
    np.testing.assert_allclose(credit, exact, atol=1e-12)


def test_silent_units_get_no_credit_from_the_noise_of_others():
    direction, out = np.array([[1.0, 0.0]]), np.empty((1, 2))  # the second unit cannot respond
    surprise = _credit.node_surprise(direction, np.zeros((1, 2)), np.array([[3.0]]), np.ones((2, 1)), out=out)
    np.testing.assert_array_equal(surprise, [[-3.0, 0.0]])
    assert surprise is out


def test_group_membership_covers_each_unit_once():
    for units in (1, 7, 97, 100):
        membership = _credit.group_membership(units, 16, np.float64)
        np.testing.assert_array_equal(membership.sum(axis=1), 1)
        assert (membership.sum(axis=0) >= 1).all()
        assert membership.shape[1] <= 16
    assert _credit.group_membership(100, 16, np.float64).shape[1] == 10  # equal groups where possible


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


# ---- an objective of a set of rows ----


def linear_set(n_pairs: int, seed: int, slope: np.ndarray, share: np.ndarray, ids: np.ndarray = IDS) -> np.ndarray:
    """Credit of an objective sum(share * slope * output): per share, it is the slope."""
    xi = output_directions(n_pairs, seed, ids)
    regret = np.einsum("pnk,nk->p", xi, share * slope)
    return _credit.set_credit(xi, regret, ids, share)


def test_set_credit_of_one_pair_by_hand():
    xi, share = output_directions(1, 0), np.full((8, 1), 1 / 8)
    count = np.array([2, 2, 2, 1, 2, 1, 1, 1])[:, None]  # equal rows share what they have earned together
    np.testing.assert_allclose(_credit.set_credit(xi, np.array([0.3]), IDS, share), 0.3 * 8 * xi[0] / count)


@pytest.mark.parametrize("weighted", [False, True])
def test_set_credit_has_slope_one_on_a_linear_objective(weighted):
    share = RNG.uniform(0.5, 2, len(IDS)) if weighted else np.ones(len(IDS))
    share[[4, 2]] = share[[0, 1]]
    share = (share / share.sum())[:, None]
    slope = RNG.normal(size=(len(IDS), OUTPUTS))
    slope[[4, 2]] = slope[[0, 1]]
    estimates = np.array([linear_set(16, seed, slope, share) for seed in range(2000)])
    # in the metric of the shares, as the credit of a parameter adds up
    slopes = np.einsum("snk,nk->s", estimates, share * slope) / np.sum(share * slope**2)
    assert abs(slopes.mean() - 1) < 4 * slopes.std() / np.sqrt(2000)
    error = estimates.mean(axis=0) - slope
    assert np.abs(error / (estimates.std(axis=0) / np.sqrt(2000))).max() < 4.5


def test_set_credit_becomes_exact_with_many_pairs():
    share, slope = np.full((6, 1), 1 / 6), RNG.normal(size=(6, OUTPUTS))
    ids = np.arange(6, dtype=np.uint16)
    few, many = (np.mean((linear_set(n, 0, slope, share, ids) - slope) ** 2) for n in (64, 64 * 256))
    assert many < 0.02 * few  # 1 / 256 on average


def test_a_row_of_weight_two_has_the_set_credit_of_two_rows():
    ids = np.array([5, 8, 13], dtype=np.uint16)
    regret = RNG.normal(size=32)
    share = np.array([[0.5], [0.25], [0.25]])
    one = _credit.set_credit(output_directions(32, 0, ids), regret, ids, share)
    rows = [0, 1, 2, 0]
    other = _credit.set_credit(output_directions(32, 0, ids[rows]), regret, ids[rows], np.full((4, 1), 0.25))
    np.testing.assert_allclose(other, one[rows], rtol=1e-12)
    added = np.zeros((3, OUTPUTS))
    np.add.at(added, rows, 0.25 * other)
    np.testing.assert_allclose(added, share * one, rtol=1e-12)


def test_set_credit_does_not_depend_on_the_order_of_the_rows():
    order, regret = RNG.permutation(len(IDS)), RNG.normal(size=20)
    share = (np.arange(1, 9) / 36)[:, None]
    straight = _credit.set_credit(output_directions(20, 0), regret, IDS, share)
    turned = _credit.set_credit(output_directions(20, 0, IDS[order]), regret, IDS[order], share[order])
    np.testing.assert_allclose(turned, straight[order], rtol=1e-12)


# ---- selection ----


def test_selection_credit_leads_to_the_chosen_where_there_is_one():
    params, best = RNG.normal(size=6), RNG.normal(size=6)
    credit = _gains_problem.selection_credit(params, best[None])
    np.testing.assert_allclose(params - credit, best, rtol=1e-12)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_selection_credit_leads_to_a_mean_of_the_best_with_weights_that_fall(n):
    params, chosen = RNG.normal(size=6), RNG.normal(size=(n, 6))
    weights = np.array([np.log(n + 0.5) - np.log(rank) for rank in range(1, n + 1)])
    expected = sum(w * member for w, member in zip(weights, chosen, strict=True)) / sum(weights)
    np.testing.assert_allclose(params - _gains_problem.selection_credit(params, chosen), expected, rtol=1e-12)
    np.testing.assert_allclose(_gains_problem.selection_credit(params, np.tile(params, (n, 1))), 0, atol=1e-15)
    shares = [(params - _gains_problem.selection_credit(params, one))[0] for one in np.eye(n)[:, :, None] * np.ones(6)]
    assert (np.diff(shares) < 0).all()
    assert min(shares) > 0
    assert sum(shares) == pytest.approx(1)


def test_selection_credit_moves_with_the_origin():
    params, chosen, shift = RNG.normal(size=6), RNG.normal(size=(3, 6)), RNG.normal(size=6)
    moved = _gains_problem.selection_credit(params + shift, chosen + shift)
    np.testing.assert_allclose(moved, _gains_problem.selection_credit(params, chosen), rtol=1e-9)
