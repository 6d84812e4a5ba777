"""Credit estimators: what a perturbation and its regret say about each synapse.

Estimators of dL/d(params), none of which uses a derivative of the loss or of the activation:

* `weight_credit` (weight perturbation; Jabri and Flower, 1992; the dopamine paper, arXiv:2510.22178): one direction
  over all parameters per population member, antithetic, credited with the member's regret.
* `node_credit` (node perturbation; Werfel, Xie and Seung, 2005; with a learned baseline: Lansdell, Prakash and Kording,
  2020, arXiv:1906.00889): noise on the units, drawn per sample and judged per sample, by groups of units, with a critic
  that predicts the regret.
* `set_credit` (an objective of the whole batch): weight perturbation with the outputs as parameters, which are far
  fewer than the weights; its credit then goes down by node perturbation.

All are functions of arrays and callables; they know no network.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from skdopamine._typing import Array

CRITIC_RATE = 0.2


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


def set_credit(directions: Array, regret: Array, ids: npt.NDArray[np.uint16], share: Array) -> Array:
    """Credit (n, outputs) of each output, per unit of share: ``mean_p r_p xi_p``.

    Identical rows have identical noise, so they divide the credit between them.

    directions (pairs, n, outputs), regret (pairs,), share (n, 1).
    """
    joint = np.tensordot(regret, directions, axes=1) / len(regret)
    _, row, count = np.unique(ids, return_inverse=True, return_counts=True)
    together = np.bincount(row, share[:, 0], len(count))[row]
    return np.asarray(joint / together[:, None])


def weight_credit(directions: Array, regret: Array, total: Array) -> Array:
    """``total + sum_p r_p xi_p``, added member by member, so that chunks of members change no bit."""
    return np.asarray(np.add.reduce(np.vstack([total[None], regret[:, None] * directions]), axis=0))
