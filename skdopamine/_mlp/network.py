"""A multi-layer perceptron as pure functions of one flat parameter vector.

Parameters lie in one vector, first all weight matrices, then all biases, so that a step, a perturbation or a snapshot
is one array operation; `unpack` gives views. A population of parameter vectors has the members as leading axis. So
have networks that are passed together, each with rows of its own, or all with the same ones: their arrays are
(networks, ...) in all that follows.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from skdopamine._mlp.activations import Activation
from skdopamine._typing import Array

UNIT_BOUND = 0.2  # of Glorot's range for 100 inputs and 50 units


class Network(NamedTuple):
    """Sizes and hidden activations; everything else is a function of it."""

    units: tuple[int, ...]  # inputs, hidden layers, outputs
    activations: tuple[Activation, ...]  # one per hidden layer
    signs: npt.NDArray[np.int8] | None = None  # (n_parameters,) that parameters must have, 0: any; None: all are free


class Trace(NamedTuple):
    """One clean forward pass."""

    inputs: list[Any]  # per layer: (n, units below); the first may be sparse
    preactivations: list[Array]  # per hidden layer: (n, units)
    output: Array  # (n, outputs)


def n_parameters(network: Network) -> int:
    """Length of the parameter vector."""
    return sum((below + 1) * above for below, above in pairwise(network.units))


def unpack(network: Network, params: Array) -> tuple[list[Array], list[Array]]:
    """Views of weights, each (..., below, above), and biases, each (..., above), of params (..., n_parameters)."""
    weights, biases, start = [], [], 0
    for below, above in pairwise(network.units):
        stop = start + below * above
        weights.append(params[..., start:stop].reshape(*params.shape[:-1], below, above))
        start = stop
    for above in network.units[1:]:
        biases.append(params[..., start : start + above])
        start += above
    return weights, biases


def pack(weights: Sequence[Array], biases: Sequence[Array]) -> Array:
    """The parameter vector of weights and biases, a copy."""
    return np.concatenate([part.ravel() for part in (*weights, *biases)])


def init_bounds(network: Network, output_gain: float) -> list[float]:
    """Half-width of the uniform law of each layer's initial parameters (Glorot and Bengio, 2010)."""
    gains = [activation.gain for activation in network.activations] + [output_gain]
    return [
        float(np.sqrt(gain / (below + above)))
        for gain, (below, above) in zip(gains, pairwise(network.units), strict=True)
    ]


def step_scale(network: Network, output_gain: float, dtype: npt.DTypeLike) -> Array:
    """Size of a unit step in each parameter (n_parameters,): its layer's initial range, in units of UNIT_BOUND.

    Weights of narrow layers are large and must go far, those of wide layers are small and must not; a learning rate
    then means the same in both.
    """
    scale = np.empty(n_parameters(network), dtype=dtype)
    weights, biases = unpack(network, scale)
    for bound, weight, bias in zip(init_bounds(network, output_gain), weights, biases, strict=True):
        weight[...] = bias[...] = bound / UNIT_BOUND
    return scale


def init_params(network: Network, output_gain: float, rng: np.random.Generator, dtype: npt.DTypeLike) -> Array:
    """Initial parameters, ~ U(-bound, bound) layer by layer."""
    params = np.empty(n_parameters(network), dtype=dtype)
    weights, biases = unpack(network, params)
    for bound, weight, bias in zip(init_bounds(network, output_gain), weights, biases, strict=True):
        weight[...] = rng.uniform(-bound, bound, weight.shape)
        bias[...] = rng.uniform(-bound, bound, bias.shape)
    return params


def trace(network: Network, params: Array, X: Any) -> Trace:
    """Forward pass that keeps what a perturbation of a hidden layer needs."""
    weights, biases = unpack(network, params)
    inputs, preactivations = [X], []
    for activation, weight, bias in zip(network.activations, weights[:-1], biases[:-1], strict=True):
        z = inputs[-1] @ weight
        z += bias[..., None, :]
        preactivations.append(z)
        inputs.append(activation.function(z))
    output = inputs[-1] @ weights[-1]
    output += biases[-1][..., None, :]
    return Trace(inputs, preactivations, output)


def forward(network: Network, params: Array, X: Any) -> Array:
    """Output (n, outputs) of one network."""
    return forward_layers(network.activations, *unpack(network, params), X)


def forward_layers(
    activations: Sequence[Activation], weights: Sequence[Array], biases: Sequence[Array], X: Any
) -> Array:
    """Output (n, outputs) of the layers given one by one."""
    hidden = X
    for activation, weight, bias in zip(activations, weights[:-1], biases[:-1], strict=True):
        hidden = hidden @ weight
        hidden += bias[..., None, :]
        hidden = activation.function(hidden)
    output = hidden @ weights[-1]
    output += biases[-1][..., None, :]
    return np.asarray(output)


def forward_pairs(
    network: Network, params: Array, directions: Array, scale: float, X: Any, *, one_sided: bool = False
) -> Array:
    """Outputs (2, members, n, outputs) of ``params +- scale * direction`` for directions (members, n_parameters).

    The first layer is linear in its parameters, so both members of a pair share its product: ``X @ W +- scale * X @
    direction``. With `one_sided`, of the plus alone, (1, members, n, outputs).
    """
    weights, biases = unpack(network, params)
    moved_weights, moved_biases = unpack(network, scale * directions)
    members = len(directions)
    clean = X @ weights[0] + biases[0]  # (n, units)
    if sparse.issparse(X):
        below, above = network.units[:2]
        flat = X @ moved_weights[0].transpose(1, 0, 2).reshape(below, members * above)
        moved = np.ascontiguousarray(flat.reshape(-1, members, above).transpose(1, 0, 2))
    else:
        moved = np.matmul(X, moved_weights[0])  # (members, n, units)
    moved += moved_biases[0][:, None, :]
    z = (clean + moved)[None] if one_sided else both_sides(clean, moved)  # (sides, members, n, units)
    sign = np.array([1, -1], dtype=params.dtype).reshape(2, 1, 1, 1)[: len(z)]
    for layer, activation in enumerate(network.activations, start=1):
        hidden = activation.function(z)
        z = np.matmul(hidden, weights[layer] + sign * moved_weights[layer])
        z += biases[layer] + sign * moved_biases[layer][:, None, :]
    return z


def both_sides(clean: Array, moved: Array) -> Array:
    """``clean + moved`` and ``clean - moved`` as (2, ...)."""
    sides = np.empty((2, *moved.shape), dtype=moved.dtype)
    np.add(clean, moved, out=sides[0])
    np.subtract(clean, moved, out=sides[1])
    return sides


def grouped_product(moved: Array, weight: Array, n_groups: int) -> Array:
    """What each group of moved (n, units) contributes through weight (units, above): (groups, n, above).

    Of several networks: (groups, networks, n, above).

    All groups together cost one product. Units that do not fill the last group are padded with silent ones.
    """
    *networks, n, units = moved.shape
    size, above = -(-units // n_groups), weight.shape[-1]
    missing = size * n_groups - units
    if missing:
        moved = np.concatenate([moved, np.zeros((*networks, n, missing), dtype=moved.dtype)], axis=-1)
        weight = np.concatenate([weight, np.zeros((*networks, missing, above), dtype=weight.dtype)], axis=-2)
    k = len(networks)  # axes before the others; a transpose is faster than moveaxis
    moved = moved.reshape(*networks, n, n_groups, size).transpose(k + 1, *range(k + 1), k + 2)
    weight = weight.reshape(*networks, n_groups, size, above).transpose(k, *range(k), k + 1, k + 2)
    return np.asarray(np.matmul(moved, weight))


def moved_outputs(
    network: Network, weights: Sequence[Array], biases: Sequence[Array], passed: Trace, layer: int, change: Array
) -> Array:
    """Outputs (2, groups, n, outputs) when pre-activations of `layer` move by ``+-change`` (groups, n, units)."""
    z = both_sides(passed.preactivations[layer], change)
    for above in range(layer, len(network.activations)):
        z = network.activations[above].function(z) @ weights[above + 1]
        z += biases[above + 1][..., None, :]
    return z
