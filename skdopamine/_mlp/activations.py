"""Activation functions of the hidden units: by name, or any elementwise function of the user's.

A perturbed unit is described by its *response*, the central difference ``(f(z + s) - f(z - s)) / (2 s)`` for the
perturbation size ``s`` that is really used. It is a property of the function's values alone, so that step and sign
units, which have no useful derivative, have one too. The piecewise linear functions give theirs in closed form, all
others by two evaluations.

The activations of a network, as the estimators' parameter gives them, are one specification for all hidden layers or a
list with one per hidden layer; a specification is a name or a callable.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

from skdopamine._typing import Array

LEAKY_SLOPE = 0.01
FINE, COARSE = 1e-2, 0.5  # perturbation sizes: of functions with a slope, and of steps, which small ones do not move
ROUNDING = 1e-12  # of a value: a function that falls by less need not fall
FLAT = 0.9  # with no slope at more than this share of the probes, a function consists of steps
# Pre-activations on which functions are tried and compared: both tails, zero, and dense about it; in no order, so that
# sorting shows.
ONE = (1,) * 5  # shape of a probe alone
RISING = np.sinh(np.linspace(-5, 5, 2001))  # where functions that must not fall are tried, in order
PROBES = np.sinh(np.arange(-31, 32) / 10)[np.arange(63) * 37 % 63].reshape(9, 7)


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
    scale: float = FINE


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
    "step": Activation(_step, central_difference(_step), _nonzero, scale=COARSE),
    "sign": Activation(_sign, central_difference(_sign), _nonzero, gain=2.0, scale=COARSE),
}


def layer_activations(specification: Any, n_hidden: int) -> tuple[Activation, ...]:
    """Activations of the hidden layers, and last the one whose gain and scale serve the output layer.

    That is the one of the highest hidden layer, so that one activation for all layers is one for all parameters.
    """
    if not isinstance(specification, list | tuple):
        return (_activation(specification),) * (n_hidden + 1)
    if len(specification) != n_hidden:
        raise ValueError(
            f"activation must have one entry per hidden layer, of which there are {n_hidden}, got {specification!r}."
        )
    layers = [_activation(entry) for entry in specification]
    return (*layers, layers[-1] if layers else ACTIVATIONS["identity"])


def check_activation(specification: Any, n_hidden: int) -> None:
    """Refuse what no network of n_hidden layers can be built of, before anything is computed."""
    for entry in specification if isinstance(specification, list | tuple) else [specification]:
        if callable(entry):
            for dtype in (np.float64, np.float32):  # a float32 model may be asked about float64 rows
                _check_function(entry, PROBES.astype(dtype))
    layer_activations(specification, n_hidden)


def check_rising(specification: Any) -> None:
    """Refuse functions of the user's that fall somewhere, with which no network is monotone."""
    for entry in specification if isinstance(specification, list | tuple) else [specification]:
        if not callable(entry):
            continue
        values = np.asarray(entry(RISING.copy()), dtype=np.float64)
        falls = np.flatnonzero(np.diff(values) < -ROUNDING * np.abs(values[1:]))
        if len(falls):
            i = falls[0]
            raise ValueError(
                f"activation must not fall where monotonic_cst is given, got {entry!r}, which is {values[i]:.6g} at "
                f"{RISING[i]:.3g} and {values[i + 1]:.6g} at {RISING[i + 1]:.3g}."
            )


def same_activations(one: Any, other: Any, n_hidden: int) -> bool:
    """Whether two specifications give the same functions of the hidden layers.

    They are compared by their values: a callable that has been copied or unpickled need not be equal to itself.
    """
    pairs = zip(layer_activations(one, n_hidden)[:-1], layer_activations(other, n_hidden)[:-1], strict=True)
    return all(np.allclose(a.function(PROBES), b.function(PROBES), rtol=1e-9, atol=1e-9) for a, b in pairs)


def _activation(entry: Any) -> Activation:
    if isinstance(entry, str) and entry in ACTIVATIONS:
        return ACTIVATIONS[entry]
    if not callable(entry):
        raise ValueError(
            f"activation must be one of {sorted(ACTIVATIONS)}, a callable, or a list with one of them per hidden "
            f"layer, got {entry!r}."
        )

    def function(z: Array) -> Array:
        return np.require(entry(z), z.dtype, ["W", "E"])

    response = central_difference(function)
    stepped = np.ptp(function(PROBES)) > 0 and np.mean(response(PROBES, FINE) == 0) > FLAT
    return Activation(function, response, _nonzero, scale=COARSE if stepped else FINE)


def _check_function(function: Callable[[Array], Any], z: Array) -> None:
    """The function must map z to finite numbers, one by one, and leave z as it is."""

    def refuse(fault: str) -> ValueError:
        return ValueError(f"activation must be an elementwise function of arrays, got {function!r}, which {fault}.")

    given = z.copy()
    try:
        with np.errstate(all="ignore"):
            values = np.asarray(function(given))
            # hidden units come with up to five axes
            singly = [np.asarray(function(entry.copy())) for entry in z.reshape(-1, *ONE)]
    except Exception as error:
        raise refuse(f"fails on an array of shape {z.shape} and dtype {z.dtype}: {error!r}") from error
    if not np.array_equal(given, z):
        raise refuse("changes its input in place")
    if values.shape != z.shape:
        raise refuse(f"turns shape {z.shape} into {values.shape}")
    if {value.shape for value in singly} != {ONE}:
        raise refuse(f"turns shape {ONE} into {singly[0].shape}")
    if values.dtype.kind not in "buif":
        raise refuse(f"returns {values.dtype} instead of floats")
    if not np.isfinite(values).all():
        raise refuse(f"is {values[~np.isfinite(values)][0]} at {z[~np.isfinite(values)][0]:.3g}")
    rounding = float(np.sqrt(np.finfo(z.dtype).eps))
    if not np.allclose(values, np.reshape(singly, z.shape), rtol=rounding, atol=rounding):
        raise refuse("gives an element another value beside others than alone")
