"""Random signs: orthogonal or unbiased, and functions of seeds and of the content of rows alone."""

import numpy as np
import pytest
from draws import IDS, OUTPUTS, directions, output_directions
from scipy import sparse

from skdopamine._training import noise as _noise

RNG = np.random.default_rng(0)


def test_mixing_tells_numbers_and_their_order_apart():
    mixed = {_noise.mix(*numbers) for numbers in [(0,), (1,), (0, 0), (0, 1), (1, 0), (2**63,), (-1,)]}
    assert len(mixed) == 7
    assert all(0 <= number < 2**64 for number in mixed)
    assert _noise.mix(0) == 0xE220A8397B1DCDAF  # first number of SplitMix64 with seed 0


def test_sign_table_columns_are_orthogonal():
    table = _noise.sign_table(100, seed=3, dtype=np.float64)
    np.testing.assert_array_equal(table.T @ table, _noise.N_PATTERNS * np.eye(100))
    assert set(np.unique(_noise.sign_table(300, seed=3, dtype=np.float32))) == {-1.0, 1.0}


def test_patterns_are_uniform_over_seeds():
    ids = _noise.row_ids(RNG.normal(size=(500, 4)))
    counts = sum(np.bincount(_noise.row_patterns(ids, seed), minlength=_noise.N_PATTERNS) for seed in range(200))
    expected = 500 * 200 / _noise.N_PATTERNS
    assert ((counts - expected) ** 2 / expected).sum() < 128 + 5 * np.sqrt(2 * 128)


def test_row_ids_depend_on_content_alone():
    X = RNG.normal(size=(50, 6)) * (RNG.random((50, 6)) < 0.5)
    order = RNG.permutation(50)
    ids = _noise.row_ids(X)
    np.testing.assert_array_equal(_noise.row_ids(X[order]), ids[order])
    np.testing.assert_array_equal(_noise.row_ids(sparse.csr_array(X)), ids)
    np.testing.assert_array_equal(_noise.row_ids(-np.zeros((2, 6))), _noise.row_ids(np.zeros((2, 6))))
    assert len(np.unique(ids)) >= 49  # 16 bits: few rows share theirs
    assert len(np.unique(_noise.row_ids(np.eye(8)))) >= 7


def test_row_hashes_tell_all_rows_apart():
    X = np.random.default_rng(1).integers(0, 3, (20_000, 30)).astype(float)
    hashes = _noise.row_hashes(X)
    assert len(np.unique(hashes)) == len(np.unique(X, axis=0))
    np.testing.assert_array_equal(_noise.row_hashes(sparse.csr_array(X)), hashes)
    np.testing.assert_array_equal(_noise.row_ids(X), hashes >> np.uint64(48))


def test_directions_are_unbiased_signs():
    xi = directions(4000, 65, 3)
    assert set(np.unique(xi)) == {-1.0, 1.0}
    assert np.abs(xi.mean(axis=0)).max() < 5 / np.sqrt(4000)
    np.testing.assert_array_equal(directions(4000, 65, 3), xi)
    assert not np.array_equal(directions(4000, 65, 4), xi)


def test_output_directions_are_unbiased_signs():
    xi = np.concatenate([output_directions(100, seed) for seed in range(100)]).reshape(10_000, -1)
    assert set(np.unique(xi)) == {-1, 1}
    assert np.abs(xi.mean(axis=0)).max() < 5 / 100
    _, first = np.unique(IDS, return_index=True)
    kept = xi.reshape(10_000, len(IDS), OUTPUTS)[:, first].reshape(10_000, -1).astype(float)
    correlation = kept.T @ kept / 10_000 - np.eye(kept.shape[1])
    assert np.abs(correlation).max() < 5 / 100  # of rows, of outputs, and of both


@pytest.mark.parametrize("n_pairs", [1, 63, 64, 65, 200])
def test_output_directions_are_a_function_of_row_content_and_seed(n_pairs):
    xi = output_directions(n_pairs, 0)
    assert xi.shape == (n_pairs, len(IDS), OUTPUTS)
    np.testing.assert_array_equal(output_directions(n_pairs, 0), xi)
    assert not np.array_equal(output_directions(n_pairs, 1), xi)
    order = RNG.permutation(len(IDS))
    np.testing.assert_array_equal(output_directions(n_pairs, 0, IDS[order]), xi[:, order])
    np.testing.assert_array_equal(xi[:, [0, 1]], xi[:, [4, 2]])
    assert not np.array_equal(xi[:, 0], xi[:, 1])


def test_pairs_differ():
    xi = output_directions(128, 0)
    assert len(np.unique(xi.reshape(128, -1), axis=0)) > 120  # of 2 ** 18


@pytest.mark.parametrize("n_parameters", [1, 64, 65, 130])
def test_unpacked_directions_are_the_bits_in_order(n_parameters):
    bits = _noise.member_directions(3, n_parameters, 0)
    xi = _noise.unpack_directions(bits, n_parameters, np.float32)
    assert (xi.shape, xi.dtype) == ((3, n_parameters), np.float32)
    expected = [[2.0 * (member[k // 8] >> (7 - k % 8) & 1) - 1 for k in range(n_parameters)] for member in bits]
    np.testing.assert_array_equal(xi, expected)


@pytest.mark.parametrize("n_parameters", [1, 64, 65, 200])
@pytest.mark.parametrize(("first", "last"), [(0, 5), (1, 2), (3, 5)])
def test_directions_of_some_members_are_those_of_all(first, last, n_parameters):
    everybody = _noise.member_directions(5, n_parameters, 7)
    some = _noise.member_directions(last - first, n_parameters, 7, first=first)
    np.testing.assert_array_equal(some, everybody[first:last])
