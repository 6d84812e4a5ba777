"""Values that are so far from all others that they alone would set the units: slips of the pen, broken sensors."""

import numpy as np

from skdopamine._typing import Array

FEWEST = 10  # values that say what is wild
SHARE = 50  # at most one of so many values
DEVIATIONS = 30.0  # that of all, in units of that of the others, from which on it is theirs alone
RANGES = 3.0  # of the others, that they lie away from these


def tamed(values: Array) -> tuple[Array, int]:
    """Values (..., columns) with the wild ones of each column moved to the nearest of the others; and how many.

    A column has wild values if its deviation is more than thirty times that of the values without the fiftieth part
    that is farthest from the median.
    """
    flat = values.reshape(-1, values.shape[-1])
    if len(flat) < FEWEST:
        return values, 0
    n_wild = len(flat) // SHARE or 1
    limits = np.array([_limits(column, n_wild) for column in flat.T]).T
    wild = (flat < limits[0]) | (flat > limits[1])
    if not wild.any():
        return values, 0
    others = np.where(wild, np.nan, flat)
    moved = np.clip(flat, np.nanmin(others, axis=0), np.nanmax(others, axis=0))
    return moved.reshape(values.shape), int(wild.sum())


def _limits(column: Array, n_wild: int) -> tuple[float, float]:
    """Beyond which a value is wild; infinite where none is."""
    column = column[~np.isnan(column)]
    if len(column) < FEWEST:
        return -np.inf, np.inf
    n_wild = min(n_wild, len(column) // SHARE or 1)
    with np.errstate(over="ignore", invalid="ignore"):
        far = np.abs(column - np.median(column))
        rest = column[np.argpartition(far, len(column) - n_wild)[: len(column) - n_wild]]
        own, all_values = rest.std(), column.std()
        size = rest.max() - rest.min()
        if not own > 1e-12 * np.abs(rest).max() or all_values <= DEVIATIONS * own:  # the others are one number
            return -np.inf, np.inf
        return float(rest.min() - RANGES * size), float(rest.max() + RANGES * size)


def tamed_data(inputs: Array, target: Array) -> tuple[Array, Array, str | None]:
    """Inputs and targets, these being all but the first input or given one by one; and what there is to say of it."""
    alone = len(target) < len(inputs)
    inputs, n_inputs = tamed(inputs)
    target, n_target = (inputs[1:], 0) if alone else tamed(target)
    told = [
        f"{name} has {n} value{'s' * (n > 1)} so far from all others that the units would be theirs: "
        "read as the nearest of the others."
        for name, n in (("X", n_inputs), ("y", n_target))
        if n
    ]
    return inputs, target, " ".join(told) or None
