"""Credit estimators: what a perturbation and its regret say about each synapse.

Estimators of dL/d(params), none of which uses a derivative of the loss or of the activation:

* `weight_credit` (weight perturbation; Jabri and Flower, 1992; the dopamine paper, arXiv:2510.22178): one direction
  over all parameters per population member, antithetic, credited with the member's regret.
* `node_surprise` (node perturbation; Werfel, Xie and Seung, 2005): noise on the units, drawn per sample and judged per
  sample, by groups of units, which corrects the credit that a critic expects (`critic`).
* `set_credit` (an objective of the whole batch): weight perturbation with the outputs as parameters, which are far
  fewer than the weights; its credit then goes down by node perturbation.

All are functions of arrays; they know no network.
"""

import numpy as np
import numpy.typing as npt

from skdopamine._typing import Array


def group_membership(units: int, most: int, dtype: npt.DTypeLike) -> Array:
    """Indicator (units, groups) of at most `most` groups of units, equal ones where possible."""
    divisors = [n for n in range(1, min(units, most) + 1) if units % n == 0]
    n_groups = divisors[-1] if 2 * divisors[-1] >= min(units, most) else min(units, most)
    size = -(-units // n_groups)
    n_groups = -(-units // size)
    return np.asarray((np.arange(units)[:, None] // size == np.arange(n_groups)).astype(dtype))


def node_surprise(
    direction: Array, expected: Array, regret: Array, membership: Array, *, out: Array | None = None
) -> Array:
    """What the noise of one layer has shown beyond what was expected: (n, units), to be taken from the expected credit.

    Node perturbation, group-wise, with what was expected as control variate: ``delta xi``, where ``delta = sum_group
    expected xi - r`` is the reward prediction error of the unit's group. Its mean over the noise is the expected minus
    the true credit, so ``expected - delta xi`` is unbiased whatever was expected. Arrays of several networks, of which
    only the membership is one, are (networks, ...).

    Parameters
    ----------
    direction : ndarray of shape (n, units)
        The noise xi: signs, and 0 where a unit cannot respond, which carries no noise.
    expected : ndarray of shape (n, units)
        Credit that was expected of each unit.
    regret : ndarray of shape (n, groups)
        Regret r of each group.
    membership : ndarray of shape (units, groups)
        Which unit belongs to which group, whose units lie side by side.
    out : ndarray of shape (n, units), optional
        Where to put the result: arrays of this size are what a fit needs memory for.
    """
    spare = np.multiply(expected, direction, out=out)
    prediction_error = spare @ membership
    prediction_error -= regret
    of_units = np.repeat(prediction_error, np.count_nonzero(membership, axis=0), axis=-1)
    return np.asarray(np.multiply(of_units, direction, out=spare))


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
