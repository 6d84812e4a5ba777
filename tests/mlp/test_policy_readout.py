"""A ridge regression per action, in closed form."""

import numpy as np
import pytest

from skdopamine._mlp.readout import MOST_FEATURES, PENALTY, Readout, features_of, n_features

RNG = np.random.default_rng(0)
PHI = RNG.normal(size=(40, 5))
ACTION = RNG.integers(0, 3, 40)
REWARD = PHI @ RNG.normal(size=(5, 3)) + 0.1 * RNG.normal(size=(40, 3))
TAKEN = np.where(np.arange(3) == ACTION[:, None], REWARD, np.nan)


def by_hand(action, centre=0.0):
    phi, reward = PHI[action == ACTION], REWARD[action == ACTION, action]
    gram = phi.T @ phi + PENALTY * np.eye(5)
    return np.linalg.solve(gram, phi.T @ (reward - centre)), np.linalg.inv(gram)


@pytest.mark.parametrize("size", [1, 3, 40])
def test_predictions_and_widths_are_those_of_ridge_regression_however_rows_come(size):
    readout = Readout.empty(3, 5)
    for start in range(0, 40, size):
        readout = readout.learned(PHI[start : start + size], TAKEN[start : start + size])
    x = RNG.normal(size=(4, 5))
    for action in range(3):
        weight, inverse = by_hand(action)
        np.testing.assert_allclose(readout.rewards(x, 0.0)[:, action], x @ weight, atol=1e-10)
        np.testing.assert_allclose(readout.widths(x)[:, action] ** 2, np.einsum("nd,de,ne->n", x, inverse, x))
        np.testing.assert_allclose(readout.rewards(x, 2.0)[:, action], 2 + x @ by_hand(action, 2.0)[0], atol=1e-10)


def test_an_action_without_rewards_is_expected_to_bring_the_centre_and_is_wide():
    readout = Readout.empty(4, 5).learned(PHI, np.column_stack([TAKEN, np.full(40, np.nan)]))
    np.testing.assert_array_equal(readout.rewards(PHI, 0.7)[:, 3], np.full(40, 0.7))
    widths = readout.widths(PHI)
    assert (widths[:, 3] > widths[:, :3].max(axis=1)).all()


def test_learning_leaves_the_readout_before_as_it_was():
    readout = Readout.empty(3, 5).learned(PHI[:9], TAKEN[:9])
    before = [part.copy() for part in readout]
    readout.learned(PHI[9:], TAKEN[9:])
    for part, copied in zip(readout, before, strict=True):
        np.testing.assert_array_equal(part, copied)


def test_features_begin_with_a_constant_and_hidden_units_may_be_smaller():
    hidden = RNG.normal(size=(40, 2))
    np.testing.assert_array_equal(features_of(PHI, hidden, 0), np.column_stack([np.ones(40), PHI, hidden]))
    np.testing.assert_array_equal(features_of(PHI, hidden, 0, 0.5), np.column_stack([np.ones(40), PHI, hidden / 2]))
    np.testing.assert_array_equal(features_of(PHI, None, 0), np.column_stack([np.ones(40), PHI]))
    assert n_features(5, 2) == 8


def test_too_many_features_are_mixed_in_the_same_way_each_time():
    wide = RNG.normal(size=(6, 1500))
    mixed = features_of(wide, wide[:, :10], 1)
    assert mixed.shape == (6, MOST_FEATURES) == (6, n_features(1500, 10))
    np.testing.assert_array_equal(mixed[:, 0], np.ones(6))
    np.testing.assert_allclose(features_of(wide[2:3], wide[2:3, :10], 1), mixed[2:3], rtol=1e-12, atol=1e-13)
    assert not np.array_equal(features_of(wide, wide[:, :10], 2), mixed)
    lengths = np.linalg.norm(mixed, axis=1) / np.linalg.norm(np.hstack([wide, wide[:, :10]]), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=0.15)
