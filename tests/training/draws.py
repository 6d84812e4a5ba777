"""Draws of the noise that tests of it and of the credit share."""

import numpy as np

from skdopamine._training import noise as _noise

OUTPUTS = 3
IDS = np.array([3, 9, 9, 250, 3, 41, 60000, 7], dtype=np.uint16)  # rows 0 and 4 are equal, and so are 1 and 2


def directions(members: int, n_parameters: int, seed: int) -> np.ndarray:
    bits = _noise.member_directions(members, n_parameters, seed)
    return _noise.unpack_directions(bits, n_parameters, np.float64)


def output_directions(n_pairs: int, seed: int, ids: np.ndarray = IDS) -> np.ndarray:
    return _noise.output_directions(ids, OUTPUTS, n_pairs, seed)
