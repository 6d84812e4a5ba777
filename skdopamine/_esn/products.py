"""Products of the channels of one row, which a readout may see beside them."""

from functools import cache
from itertools import combinations_with_replacement
from math import comb

import numpy as np
import numpy.typing as npt

from skdopamine._typing import Array


def n_products(n_channels: int, degree: int) -> int:
    """Number of products of two to `degree` channels."""
    return comb(n_channels + degree, degree) - n_channels - 1


def with_products(past: Array, last: Array, degree: int) -> Array:
    """Past rows (..., features), and behind them the products of the channels of the last one (..., channels)."""
    if degree == 1:
        return past
    products = [last[..., factors].prod(axis=-1) for factors in _factors(last.shape[-1], degree)]
    return np.concatenate([past, *products], axis=-1)


@cache
def _factors(n_channels: int, degree: int) -> list[npt.NDArray[np.intp]]:
    """Numbers of the channels (products, factors) of each number of factors."""
    orders = range(2, degree + 1)
    return [np.array(list(combinations_with_replacement(range(n_channels), order))) for order in orders]
