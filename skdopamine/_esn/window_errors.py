"""Errors of a forecaster on windows of its series, which weights are trained by."""

from typing import Any

import numpy as np
import numpy.typing as npt

from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.forecast import ONE_STEP_SHARE, Assignment, Windows, level, path_values
from skdopamine._esn.reservoir import Population
from skdopamine._objectives.base import Objective
from skdopamine._objectives.scorers import FunctionLoss
from skdopamine._typing import Array

LEAST_UNIT = 1e-20  # of the loss


class WindowProblem:
    """What problems share whose rows are windows of a series: which windows, and no memory."""

    def __init__(self, task: Assignment, n_windows: int) -> None:
        self.task = task
        self.reach = task.reader.reach(task.washout)
        self.origins, self.held_back = window_origins(task, n_windows)

    def n_rows(self) -> int:
        return len(self.origins)

    def batch(self, rows: Any) -> Any:
        numbers = np.arange(len(self.origins))[rows]
        return Windows(numbers, np.full((len(numbers), 1), 1 / len(numbers)), float(len(numbers)))

    def init_memory(self) -> tuple[Array, ...]:
        return ()


def window_origins(task: Assignment, n_windows: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Last rows of windows to learn from, and of those held back."""
    steps = task.horizon if task.closed else 1
    last = max(0, task.split - steps)
    first = min(task.reader.reach(task.washout).n_before, last)
    origins = np.unique(np.linspace(first, last, n_windows).astype(np.intp))
    held_back = np.linspace(task.split, len(task.target) - steps, max(1, n_windows // 3))
    return origins, np.unique(held_back.astype(np.intp))


def window_parts(
    task: Assignment, reading: Population, population: Population, readout: Array, origins: Array
) -> list[Array]:
    """Mean loss one step ahead and, where it can be closed, on the loop after that; (members, windows) each.

    A window is read from the zero state by `reading`, one reservoir for all or the population itself.
    """
    reader, reach = task.reader, task.reader.reach(task.washout)
    members, units = reading.n_members, reading.n_units
    state, total = _reservoir.init_state(reading, len(origins)), np.zeros((len(readout), len(origins)))
    for t, (rows, inputs) in enumerate(reader.steps_before(origins, reach.n_read), 1 - reach.n_read):
        state = _reservoir.reservoir_step(reading, state, _reservoir.drive_of(reading, inputs.T[None]))
        if t <= -reach.n_judged:
            continue
        states = state.reshape(members, units, -1).transpose(2, 0, 1).reshape(len(origins), -1)
        seen, target = _reservoir.features(reading, states, reader.past(rows)), task.target[rows]
        known = ~np.isnan(target).any(axis=1)  # a target that is not known is no loss
        total += np.where(known, task.objective.values(np.matmul(seen, readout), target), 0.0)
    parts = [total / reach.n_judged]
    if task.closed and task.horizon > 1:
        state = np.tile(state, (len(readout) // members, 1))
        values, weight = path_values(task, population, readout, state, origins)
        parts.append((values * weight)[..., 1:].mean(axis=-1))
    return parts


def held_back_score(parts: list[Array], objective: Objective | FunctionLoss) -> float:
    """Minus the level of the error, as gains are judged.

    In the mean, the errors of loops that have lost the series would hide all that is lost one step ahead.
    """
    levels = [float(level(part.mean(), objective)) for part in parts]
    return -(ONE_STEP_SHARE * levels[0] + (1 - ONE_STEP_SHARE) * levels[-1])
