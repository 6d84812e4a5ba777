"""Activation functions of the hidden units, by name.

A perturbed unit is described by its *response*, the central difference ``(f(z + s) - f(z - s)) / (2 s)`` for the
perturbation size ``s`` that is really used. It is a property of the function's values alone, so that step and sign
units, which have no useful derivative, have one too. The piecewise linear functions give theirs in closed form, all
others by two evaluations.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit

Array = npt.NDArray[Any]

LEAKY_SLOPE = 0.01


class Activation(NamedTuple):
    """One activation function.

    ``function`` maps pre-activations to activations elementwise; ``response(z, scale)`` is its central difference and
    ``audible(response, out)`` is one where that is not zero, zero elsewhere, or None if it never vanishes. ``gain`` is
    the factor of the initial weights' range (Glorot and Bengio, 2010: 6, and 2 for the logistic function; 2 for sign
    units is measured) and ``scale`` the perturbation size that suits it.
    """

    function: Callable[[Array], Array]
    response: Callable[[Array, float], Array]
    audible: Callable[[Array, Array], Array] | None = None
    gain: float = 6.0
    scale: float = 1e-2


def central_difference(function: Callable[[Array], Array]) -> Callable[[Array, float], Array]:
    """The response of any elementwise function, by two evaluations."""

    def response(z: Array, scale: float) -> Array:
        difference = function(z + scale)
        difference -= function(z - scale)
        difference /= 2 * scale
        return difference

    return response


def _identity(z: Array) -> Array:
    return z


def _relu(z: Array) -> Array:
    return np.maximum(z, 0)


def _relu_response(z: Array, scale: float) -> Array:
    # max(z + s, 0) - max(z - s, 0) = clip(z + s, 0, 2 s)
    moved = z + scale
    moved *= 0.5 / scale
    np.maximum(moved, 0, out=moved)
    return np.minimum(moved, 1, out=moved)


def _nonzero(response: Array, out: Array) -> Array:
    return np.not_equal(response, 0, out=out)


def _leaky_relu(z: Array) -> Array:
    return np.maximum(z, LEAKY_SLOPE * z)


def _leaky_relu_response(z: Array, scale: float) -> Array:
    moved = _relu_response(z, scale)
    moved *= 1 - LEAKY_SLOPE
    moved += LEAKY_SLOPE
    return moved


def _step(z: Array) -> Array:
    return (z > 0).astype(z.dtype)


def _sign(z: Array) -> Array:
    return 2 * (z > 0).astype(z.dtype) - 1


ACTIVATIONS = {
    "identity": Activation(_identity, lambda z, scale: np.ones_like(z)),
    "logistic": Activation(expit, central_difference(expit), gain=2.0),
    "tanh": Activation(np.tanh, central_difference(np.tanh)),
    "relu": Activation(_relu, _relu_response, np.ceil),
    "leaky_relu": Activation(_leaky_relu, _leaky_relu_response),
    "step": Activation(_step, central_difference(_step), _nonzero, scale=0.5),
    "sign": Activation(_sign, central_difference(_sign), _nonzero, gain=2.0, scale=0.5),
}
