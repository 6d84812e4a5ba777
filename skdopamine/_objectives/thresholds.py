"""The decision thresholds that suit an objective best."""

import numpy as np

from skdopamine._objectives.base import SetObjective
from skdopamine._typing import Array

N_THRESHOLDS = 65


def best_shift(objective: SetObjective, output: Array, target: Array, weight: Array | None) -> Array:
    """What to subtract from each output (outputs,) so that the decisions suit the objective best."""
    shift = np.zeros(output.shape[1], dtype=output.dtype)
    for k in range(output.shape[1]):
        grid = np.linspace(0, 1, N_THRESHOLDS)
        for _ in range(2):  # coarse, then fine
            # of distinct outputs, so that a row of weight two counts as two equal rows
            candidates = np.append(np.quantile(np.unique(output[:, k]), grid, method="hazen"), 0.0)
            values = []
            for candidate in candidates:
                moved = output - shift
                moved[:, k] = output[:, k] - candidate
                values.append(float(objective.value(moved, target, weight)))
            best = len(values) - 1 - int(np.argmin(np.nan_to_num(values[::-1], nan=np.inf)))  # none, if that is as good
            centre = grid[min(best, len(grid) - 1)]
            grid = np.linspace(max(0.0, centre - grid[1]), min(1.0, centre + grid[1]), N_THRESHOLDS)
        shift[k] = candidates[best]
    return shift
