"""Readouts by the root of the normal equations: those of all rows, and exact."""

import numpy as np
import pytest

from skdopamine._esn.reservoir import Gains, init_normal
from skdopamine._esn.root import init_root

RNG = np.random.default_rng(0)
UNITS = 5
SEEN = np.column_stack([RNG.normal(size=(60, UNITS + 3)), np.ones(60)])
TARGET = SEEN @ RNG.normal(size=(UNITS + 4, 2)) + RNG.normal(size=(60, 2))
EXPECTED = np.zeros((UNITS + 4, 2))
EXPECTED[UNITS : UNITS + 2] = np.eye(2)


def gains(ridge, lag_ridge):
    values = {name: np.ones(np.size(ridge)) for name in Gains._fields}
    return Gains(**{**values, "ridge": np.atleast_1d(ridge), "lag_ridge": np.atleast_1d(lag_ridge)})


def filled(start, seen=SEEN, target=TARGET, n_parts=3):
    for rows, goals in zip(np.array_split(seen, n_parts), np.array_split(target, n_parts), strict=True):
        start = start.add(rows[None], goals)
    return start


def both(seen=SEEN, target=TARGET, **parts):
    size = seen.shape[1], target.shape[1]
    return filled(init_root(*size), seen, target, **parts), filled(init_normal(1, *size), seen, target, **parts)


@pytest.mark.parametrize("expected", [None, EXPECTED])
@pytest.mark.parametrize(("ridge", "lag_ridge"), [(0.1, 0.1), (0.1, 3.0), ([0.1, 0.2, 7.0], [0.3, 0.6, 0.1])])
def test_noisy_rows_have_the_readouts_of_normal_equations(ridge, lag_ridge, expected):
    root, normal = both()
    own = gains(ridge, lag_ridge)
    members = len(own.ridge)
    np.testing.assert_allclose(
        root.solve(own, UNITS, expected), normal.shared_by(members).solve(own, UNITS, expected), rtol=1e-9, atol=1e-12
    )
    assert root.is_noisy(root.solve(own, UNITS)[0])


def test_the_floor_of_the_penalty_holds_where_there_is_noise():
    root, normal = both()
    own = gains(1e-30, 1e-30)
    np.testing.assert_allclose(root.solve(own, UNITS), normal.solve(own, UNITS), rtol=1e-7)


@pytest.mark.parametrize("factor", [1.0, 100.0])
def test_small_penalties_are_exact_where_squares_lose_them(factor):
    """Two features that differ by a billionth: their square is singular."""
    rows = RNG.normal(size=(200, 3))
    seen = np.column_stack([rows[:, 0], rows[:, 0] + 1e-9 * rows[:, 1], np.ones(200)])
    target = rows[:, 1:2]
    root, normal = both(seen, target, n_parts=4)
    own = gains(factor * 1e-26, 1e-26)
    readout = root.solve(own, 2)[0]
    np.testing.assert_allclose(seen @ readout, target, atol=1e-4)
    assert not root.is_noisy(readout)
    squares = normal.solve(own, 2)[0]
    assert not np.allclose(seen @ squares, target, atol=1e-2)


def test_the_penalties_weigh_as_they_should():
    """By least squares on the rows and one more row for each weight."""
    seen = SEEN[:, :6] * np.logspace(0, -3, 6)
    target = seen @ RNG.normal(size=(6, 1))
    root, _ = both(seen, target)
    own = gains([1e-12, 1e-11, 1e-12], [1e-10, 1e-9, 1e-14])
    for m, (ridge, lag_ridge) in enumerate(zip(own.ridge, own.lag_ridge, strict=True)):
        penalty = np.array([ridge] * 3 + [lag_ridge] * 2 + [min(ridge, lag_ridge)]) * len(seen)
        expected = np.linalg.lstsq(
            np.concatenate([seen, np.diag(np.sqrt(penalty))]), np.concatenate([target, np.zeros((6, 1))]), rcond=None
        )[0]
        np.testing.assert_allclose(root.solve(own, 3)[m], expected, rtol=1e-6)


def test_blocks_are_the_whole_and_size_does_not_grow():
    whole, normal = both(n_parts=1)
    for n_parts in (2, 60):
        root, _ = both(n_parts=n_parts)
        np.testing.assert_allclose(root.normal.gram, normal.gram, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(root.normal.cross, normal.cross, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(np.abs(root.triangle), np.abs(whole.triangle), rtol=1e-8, atol=1e-10)
        assert root.triangle.shape == (SEEN.shape[1] + 2, SEEN.shape[1] + 2)
        assert (root.n_rows, root.normal.power) == (60, pytest.approx(normal.power))
    np.testing.assert_array_equal(whole.gram, whole.normal.gram)


def test_features_may_be_left_out():
    root, _ = both()
    alone, _ = both(np.delete(SEEN, [2, 3], axis=1))
    own, left = gains(0.1, 0.2), root.without(2, 4)
    np.testing.assert_allclose(left.solve(own, 3), alone.solve(own, 3), rtol=1e-9)
    assert (left.n_features, left.n_rows) == (SEEN.shape[1] - 2, 60)


def test_adding_to_a_copy_changes_nothing():
    root, normal = both()
    for known in (root, normal):
        before = known.solve(gains(0.1, 0.1), UNITS)
        known.copied().add(SEEN[None], TARGET)
        np.testing.assert_array_equal(known.solve(gains(0.1, 0.1), UNITS), before)


def test_what_is_not_finite_has_no_readout():
    seen = SEEN.copy()
    seen[3, 2] = np.inf
    with np.errstate(invalid="ignore"):
        root = filled(init_root(seen.shape[1], 2), seen)
    assert np.isnan(root.solve(gains(0.1, 0.1), UNITS)).all()
