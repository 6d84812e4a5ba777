"""Credit estimators: what a perturbation and its regret say about each synapse.

Estimators of dL/d(params), none of which uses a derivative of the loss or of the activation:

* `weight_credit` (weight perturbation; Jabri and Flower, 1992; the dopamine paper, arXiv:2510.22178): one direction
  over all parameters per population member, antithetic, credited with the member's regret.
* `node_credit` (node perturbation; Werfel, Xie and Seung, 2005; with a learned baseline: Lansdell, Prakash and Kording,
  2020, arXiv:1906.00889): noise on the units, drawn per sample and judged per sample, by groups of units, with a critic
  that predicts the regret.

* `selection_credit` (few parameters, each loss dear): the mean of the best members of the population.
* `set_credit` (an objective of the whole batch): weight perturbation with the outputs as parameters, which are far
  fewer than the weights; its credit then goes down by node perturbation.

All are functions of arrays and callables; they know no network. Noise is a function of (seed, update, row content),
never of a row's position, so that a row of weight two counts as two equal rows and the order of the rows does not
matter.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.linalg import hadamard

Array = npt.NDArray[Any]

N_PATTERNS = 128  # rows of a sign table; a power of two
CRITIC_RATE = 0.2
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
    """A hash of each row's content, equal for dense and sparse rows with the same values."""
    odd = np.random.Generator(np.random.PCG64(0)).integers(0, _WORD, X.shape[1], dtype=np.uint64) | np.uint64(1)
    if sparse.issparse(X):
        X = X.tocsr()
        bits = _bits(X.data) * odd[X.indices]
        ids = np.zeros(X.shape[0], dtype=np.uint64)
        np.add.at(ids, np.repeat(np.arange(X.shape[0]), np.diff(X.indptr)), bits)
    else:
        ids = np.zeros(len(X), dtype=np.uint64)
        chunk = max(1, 2**13 // max(1, X.shape[1]))
        for start in range(0, len(X), chunk):
            ids[start : start + chunk] = (_bits(X[start : start + chunk]) * odd).sum(axis=1, dtype=np.uint64)
    ids ^= ids >> np.uint64(32)
    ids *= np.uint64(0x9E3779B97F4A7C15)
    return (ids >> np.uint64(48)).astype(np.uint16)  # two rows that share an id only share their noise


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


def group_membership(units: int, most: int, dtype: npt.DTypeLike) -> Array:
    """Indicator (units, groups) of at most `most` groups of units, equal ones where possible."""
    divisors = [n for n in range(1, min(units, most) + 1) if units % n == 0]
    n_groups = divisors[-1] if 2 * divisors[-1] >= min(units, most) else min(units, most)
    size = -(-units // n_groups)
    n_groups = -(-units // size)
    return np.asarray((np.arange(units)[:, None] // size == np.arange(n_groups)).astype(dtype))


class NodeCredit(NamedTuple):
    """Credit of one layer's pre-activations, and the critic that has learned from it."""

    credit: Array  # (n, units): estimate of w_n dL_n / dz_nk
    critic: Array  # (outputs, units)


def node_credit(
    *,
    direction: Array,
    response: Array,
    audible: Callable[[Array, Array], Array] | None,
    regret: Callable[[Array], Array],
    output_credit: Array,
    critic: Array,
    membership: Array,
    share: Array,
) -> NodeCredit:
    """Node perturbation of one layer, group-wise, with the critic as control variate.

    Parameters
    ----------
    direction : ndarray of shape (n, units)
        The noise xi, signs. Overwritten.
    response : ndarray of shape (n, units)
        a = (f(z + s) - f(z - s)) / (2 s): how much each unit's output follows its own noise.
    audible : callable or None
        ``audible(response, out)`` is 1 where the response is not zero, else 0; None if it never is zero.
    regret : callable
        Maps a * xi (n, units) to each group's regret r (n, groups).
    output_credit : ndarray of shape (n, outputs)
        Credit e of the network's outputs.
    critic : ndarray of shape (outputs, units)
        B, which predicts a unit's credit from e; starts at 0.
    membership : ndarray of shape (units, groups)
        Which unit belongs to which group.
    share : ndarray of shape (n, 1)
        Weight w of each row; sums to one.
    """
    noise = response * direction
    actual = regret(noise)
    actual *= share
    power = float(np.einsum("nu,nu->n", noise, noise) @ share[:, 0]) / membership.shape[1]
    power *= float(np.einsum("nk,nk->n", output_credit, output_credit) @ share[:, 0])
    expected = (output_credit * share) @ critic
    expected *= response  # w a (e B): expected credit
    # delta = expected minus actual regret, by group; credit = a (e B) - delta xi, unbiased whatever B is
    spare = np.multiply(expected, direction, out=noise)  # arrays of this size are what a fit needs memory for
    prediction_error = spare @ membership
    prediction_error -= actual
    surprise = np.take(prediction_error, membership.argmax(axis=1), axis=1, out=spare, mode="clip")
    surprise *= direction
    if audible is not None:
        surprise *= audible(response, direction)  # a unit that cannot respond carries no noise
    expected -= surprise
    # normalised least mean squares: B <- B + rate e^T (a surprise) / (|a|^2 |e|^2)
    if power > 0:
        surprise *= response
        critic = critic - (CRITIC_RATE / power) * (output_credit.T @ surprise)
    return NodeCredit(expected, critic)


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


def set_credit(directions: Array, regret: Array, ids: npt.NDArray[np.uint16], share: Array) -> Array:
    """Credit (n, outputs) of each output, per share: ``mean_p r_p xi_p``, which equal rows, having equal noise, divide.

    directions (pairs, n, outputs), regret (pairs,), share (n, 1).
    """
    joint = np.tensordot(regret, directions, axes=1) / len(regret)
    _, row, count = np.unique(ids, return_inverse=True, return_counts=True)
    together = np.bincount(row, share[:, 0], len(count))[row]
    return np.asarray(joint / together[:, None])


def selection_credit(params: Array, chosen: Array) -> Array:
    """Credit by rank: from the mean of the best members, the best first, back to the parameters.

    Only the order of the losses counts, so that one that diverges does no harm. The weights are those of Hansen and
    Ostermeier (2001).
    """
    weights = np.log(len(chosen) + 0.5) - np.log(np.arange(1, len(chosen) + 1))
    return np.asarray(params - weights @ chosen / weights.sum())


def member_directions(n_members: int, n_parameters: int, seed: int) -> npt.NDArray[np.uint8]:
    """Random bits (members, bytes), the packed signs of each member's direction, ~ U{-1, 1} per parameter."""
    words = -(-n_parameters // 64)
    rng = np.random.Generator(np.random.PCG64(seed))
    return rng.integers(0, _WORD, (n_members, words), dtype=np.uint64, endpoint=True).view(np.uint8)


def unpack_directions(bits: npt.NDArray[np.uint8], n_parameters: int, dtype: npt.DTypeLike) -> Array:
    """Directions xi (members, n_parameters) of +-1."""
    signs = np.unpackbits(bits, axis=1, count=n_parameters).astype(dtype)
    signs *= 2
    signs -= 1
    return signs


def weight_credit(directions: Array, regret: Array, total: Array) -> Array:
    """``total + sum_p r_p xi_p``, added member by member, so that chunks of members change no bit."""
    return np.asarray(np.add.reduce(np.vstack([total[None], regret[:, None] * directions]), axis=0))
