"""Which sign each weight must have: networks that are monotone in some features, and networks under Dale's law.

Both are the same: a type, +1 or -1, for every unit, from which the sign of each synapse follows.

* Monotone (Kaneko, 1999; Runje and Shankaranarayana, 2023): the weight from i to j has the sign of ``t_i t_j``. An
  input has the type of its constraint, the output has +1. The sign of a path is the product of those of its weights, in
  which every hidden unit counts twice: what is left is the type of the input. If no activation falls, the output is
  monotone in the feature, over the whole real line, for every size of the weights. Inputs without a constraint feed the
  first hidden layer with weights of any sign.
* Dale's law: all weights from hidden unit i have the sign of ``t_i``; inputs feed the network with weights of any sign.

In the first hidden layer both agree. Above it, with both, all units have type +1.

The trainer sets what has the wrong sign after a step to zero, the nearest point where all signs are right, so that
every vector of parameters that it ever holds has them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from skdopamine._mlp import network as _network
from skdopamine._mlp.network import Network
from skdopamine._typing import Array

KEPT, FEWEST = 1 / 8, 8  # share of the weights between hidden layers that start above zero, and their number for a unit
ALIKE = 0.75  # square of the mean of uniform weights of one sign, over the mean of their squares
Signs = npt.NDArray[np.int8]


def make_signs(units: tuple[int, ...], features: Array | None, *, dale: bool) -> Signs | None:
    """Signs (n_parameters,) that parameters must have, 0 for any; None where all are free.

    units are those of all layers, features (n_features,) the constraints -1, 0 and 1 of the inputs, None for none.
    """
    if features is not None and not features.any():
        features = None
    if features is None and not (dale and len(units) > 2):
        return None
    network = Network(units, ())
    kinds = [_types(units, layer, mixed=layer < 2 or not dale or features is None) for layer in range(len(units))]
    kinds[0] = np.zeros_like(kinds[0]) if features is None else np.asarray(features, dtype=np.int8)
    signs = np.zeros(_network.n_parameters(network), dtype=np.int8)
    for layer, weight in enumerate(_network.unpack(network, signs)[0]):
        reach = np.ones_like(kinds[layer + 1]) if dale and layer else kinds[layer + 1]
        weight[...] = np.outer(kinds[layer], reach)
    return signs


def _types(units: tuple[int, ...], layer: int, *, mixed: bool) -> Signs:
    """Types of the units of a layer, in turns +1 and -1 in a hidden one if `mixed`."""
    kinds = np.ones(units[layer], dtype=np.int8)
    if mixed and layer < len(units) - 1:
        kinds[1::2] = -1
    return kinds


def start(network: Network, params: Array) -> Array:
    """Initial parameters with the signs of the network; each unit has as much inhibition as excitation.

    Weights of given signs have a mean, which all units of a layer share. Between hidden layers few weights are large
    and the others zero, so that units differ. In a monotone network, moreover, the paths of a constrained feature add
    up instead of cancelling. Weights above the first layer are smaller by what makes the outputs about as wide as
    without signs: ``1 + n a q`` is the ratio of variances for n units that share q of theirs, with a the square of the
    mean weight over the mean square.
    """
    if network.signs is None:
        return params
    params = np.where(network.signs == 0, params, np.abs(params) * network.signs)
    weights, signs = (_network.unpack(network, array)[0] for array in (params, network.signs))
    shared, top = ALIKE * float(signs[0].any(axis=1).mean()), len(weights) - 1
    for layer, (weight, sign) in enumerate(zip(weights[1:], signs[1:], strict=True), start=1):
        kept = min(1.0, max(KEPT, FEWEST / len(weight))) if layer < top else 1.0
        thin_out(weight, kept)
        excites, inhibits = (np.where(sign == kind, np.abs(weight), 0).sum(axis=0) for kind in (1, -1))
        both = (excites > 0) & (inhibits > 0)
        factor = np.sqrt(np.where(both, inhibits, 1) / np.where(both, excites, 1)).astype(weight.dtype)
        weight *= np.where(sign > 0, factor, 1 / factor)
        together = ALIKE * kept * len(weight) * shared
        weight /= np.sqrt(1 + together)
        shared = together / (1 + together)
    return params


def thin_out(weight: Array, kept: float) -> None:
    """Keep this share of uniform weights, the largest; they are uniform again, and of the same mean square as all."""
    size = np.abs(weight)
    bound = size.max()
    weight[...] = np.sign(weight) * np.maximum(size - (1 - kept) * bound, 0) / kept**1.5


def check_signs(network: Network, params: Array, names: str) -> None:
    """Refuse parameters to start from whose signs the parameters of these `names` exclude."""
    if network.signs is None or not (params * network.signs < 0).any():
        return
    pairs = zip(*(_network.unpack(network, array)[0] for array in (params, network.signs)), strict=True)
    layer, i, j = next((k, *np.argwhere(w * s < 0)[0]) for k, (w, s) in enumerate(pairs) if (w * s < 0).any())
    weight = _network.unpack(network, params)[0][layer][i, j]
    raise ValueError(
        f"{names} excludes the weights to start from: those of init, or of the model being continued, must have the "
        f"signs that it asks for, got {weight:.3g} in coefs_[{layer}][{i}, {j}]."
    )


def mean_input(inputs: Any, share: Array) -> Array:
    """Mean (..., units below) of the inputs (..., n, units below) of a layer, sparse or dense."""
    transposed = inputs.T if sparse.issparse(inputs) else inputs.swapaxes(-1, -2)
    return np.asarray((transposed @ share)[..., 0])


def settled(network: Network, means: Sequence[Array], before: Array, after: Array) -> Array:
    """The parameters after a step whose weights leave the mean of each pre-activation where it is.

    ``b <- b - mean h (W' - W)``: of weights that can only grow or shrink together, each step would move all units up or
    down, until they are silent. The biases alone learn where the mean should be.
    """
    params = after.copy()
    moved, biases = _network.unpack(network, after - before)[0], _network.unpack(network, params)[1]
    for mean, weight, bias in zip(means, moved, biases, strict=True):
        bias -= (mean[..., None, :] @ weight)[..., 0, :]
    return params
