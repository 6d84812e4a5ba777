"""Small reservoirs, for the tests of what runs them."""

import numpy as np

from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.reservoir import Gains, Population, Weights

UNITS = 12
CHANNELS = 2
VALUES = {
    "spectral_radius": [0.9, 0.4, 1.2],
    "leak_rate": [0.3, 0.99, 1.0],
    "input_scaling": [0.5, 1.5, 0.1],
    "bias_scaling": [0.2, 1.0, 0.0],
    "ridge": [1e-6, 1e-3, 1.0],
    "lag_ridge": [1e-5, 1e-2, 0.1],
    "state_noise": [0.0, 0.1, 0.3],
}


def gains_of_one(
    radius: float = 0.8,
    leak: float = 0.5,
    inputs: float = 0.7,
    bias: float = 0.3,
    ridge: float = 1e-6,
    lag_ridge: float = 1e-6,
    noise: float = 0.0,
) -> Gains:
    """Gains of one member."""
    return Gains(*(np.array([value]) for value in (radius, leak, inputs, bias, ridge, lag_ridge, noise)))


def gains_of(*members: int) -> Gains:
    """Gains of some of three members that differ in all of them."""
    return Gains(**{name: np.array([values[m] for m in members]) for name, values in VALUES.items()})


def weights(seed: int = 0, n_units: int = UNITS, connectivity: float = 0.5) -> Weights:
    return _reservoir.init_weights(n_units, CHANNELS, connectivity, np.random.default_rng(seed))


def normals(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def one_reservoir(n_units: int, noise: float = 0.0) -> Population:
    """A population of one, of two channels."""
    return _reservoir.populate(weights(0, n_units), gains_of_one(noise=noise))


def written_out(w: Weights, member: int, state: np.ndarray, u: np.ndarray) -> np.ndarray:
    """One step, unit by unit."""
    g = {name: values[member] for name, values in VALUES.items()}
    W, after = w.recurrent.matrix.toarray(), np.empty_like(state)
    for i in range(len(state)):
        drive = g["bias_scaling"] * w.bias[i]
        for j in range(len(state)):
            drive += g["spectral_radius"] * W[i, j] * state[j]
        for c in range(len(u)):
            drive += g["input_scaling"] * w.inputs[i, c] * u[c]
        after[i] = (1 - g["leak_rate"]) * state[i] + g["leak_rate"] * np.tanh(drive)
    return after
