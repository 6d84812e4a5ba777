"""Random signs that are a function of seeds, and for rows of their content, never of their position.

A row of weight two therefore counts as two equal rows, and the order of the rows does not matter. A direction over the
parameters (`member_directions`) is one for all rows, and a function of its seed alone.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.linalg import hadamard

from skdopamine._typing import Array

N_PATTERNS = 128  # rows of a sign table; a power of two
_WORD = (1 << 64) - 1


def mix(*numbers: int) -> int:
    """A 64-bit hash of integers (the finaliser of SplitMix64; Steele, Lea and Flood, 2014)."""
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & _WORD
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _WORD
        state ^= state >> 31
    return state


def row_ids(X: Any) -> npt.NDArray[np.uint16]:
    """A short hash of each row's content; two rows that share it only share their noise."""
    return (row_hashes(X) >> np.uint64(48)).astype(np.uint16)


def row_hashes(X: Any) -> npt.NDArray[np.uint64]:
    """A hash of each row's content, equal for dense and sparse rows with the same values, else unlike."""
    odd = np.random.Generator(np.random.PCG64(0)).integers(0, _WORD, X.shape[1], dtype=np.uint64) | np.uint64(1)
    if sparse.issparse(X):
        X = X.tocsr()
        bits = _bits(X.data) * odd[X.indices]
        hashes = np.zeros(X.shape[0], dtype=np.uint64)
        np.add.at(hashes, np.repeat(np.arange(X.shape[0]), np.diff(X.indptr)), bits)
    else:
        hashes = np.zeros(len(X), dtype=np.uint64)
        chunk = max(1, 2**13 // max(1, X.shape[1]))
        for start in range(0, len(X), chunk):
            hashes[start : start + chunk] = (_bits(X[start : start + chunk]) * odd).sum(axis=1, dtype=np.uint64)
    hashes ^= hashes >> np.uint64(32)
    hashes *= np.uint64(0x9E3779B97F4A7C15)
    return hashes


def _bits(values: Array) -> npt.NDArray[np.uint64]:
    """The bits of each value as float64; adding 0 makes -0 and 0 one."""
    bits = np.add(values, 0.0, dtype=np.float64).view(np.uint64)
    return np.asarray(bits ^ (bits >> np.uint64(31)))


def sign_table(units: int, seed: int, dtype: npt.DTypeLike) -> Array:
    """Signs (N_PATTERNS, units) with orthogonal columns.

    Uncorrelated over the patterns, no unit is credited for another. Beyond N_PATTERNS units the columns repeat with the
    patterns in another random order and of other sign.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    signs = hadamard(N_PATTERNS, dtype=dtype)
    flips = np.array([-1, 1], dtype=dtype)
    tiles = [
        signs[rng.permutation(N_PATTERNS)] * flips[rng.integers(0, 2, (N_PATTERNS, 1))]
        for _ in range(-(-units // N_PATTERNS))
    ]
    return np.ascontiguousarray(np.hstack(tiles)[:, :units])


def row_patterns(ids: npt.NDArray[np.uint16], seed: int) -> npt.NDArray[np.intp]:
    """Pattern number of each row: multiply-shift hashing, ~ U{0 .. N_PATTERNS - 1} over seeds."""
    hashed = ids.astype(np.uint64) * np.uint64(mix(seed, 1) | 1)
    hashed += np.uint64(mix(seed, 2))
    return (hashed >> np.uint64(64 - N_PATTERNS.bit_length() + 1)).astype(np.intp)


def output_directions(ids: npt.NDArray[np.uint16], n_outputs: int, n_pairs: int, seed: int) -> Array:
    """Directions xi (pairs, n, outputs) of +-1, a function of row content, ~ U{-1, 1} over seeds."""
    words = -(-n_pairs // 64)
    rng = np.random.Generator(np.random.PCG64(seed))
    odd = rng.integers(0, _WORD, (n_outputs, words), dtype=np.uint64) | np.uint64(1)
    bits = (ids.astype(np.uint64)[:, None, None] + rng.integers(0, _WORD, odd.shape, dtype=np.uint64)) * odd
    bits ^= bits >> np.uint64(31)
    bits *= np.uint64(0x94D049BB133111EB)
    bits ^= bits >> np.uint64(29)
    signs = np.unpackbits(bits.view(np.uint8), axis=-1, count=n_pairs).astype(np.int8)
    signs *= 2
    signs -= 1
    return np.ascontiguousarray(signs.transpose(2, 0, 1))


def member_directions(n_members: int, n_parameters: int, seed: int, *, first: int = 0) -> npt.NDArray[np.uint8]:
    """Random bits (members, bytes), the packed signs of each member's direction, ~ U{-1, 1} per parameter.

    With `first`, those of so many members from that one on, without the ones before.
    """
    words = -(-n_parameters // 64)
    rng = np.random.Generator(np.random.PCG64(seed).advance(first * words))  # each word is one step
    return rng.integers(0, _WORD, (n_members, words), dtype=np.uint64, endpoint=True).view(np.uint8)


def unpack_directions(bits: npt.NDArray[np.uint8], n_parameters: int, dtype: npt.DTypeLike) -> Array:
    """Directions xi (members, n_parameters) of +-1."""
    signs = np.unpackbits(bits, axis=1, count=n_parameters).astype(dtype)
    signs *= 2
    signs -= 1
    return signs
