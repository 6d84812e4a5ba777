"""The unit that errors of forecasts are counted in: the spread of rows, or of errors at a time of the season."""

from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from skdopamine._esn.reader import Reader
from skdopamine._esn.record import Record, one_step_errors
from skdopamine._esn.reservoir import Population
from skdopamine._typing import Array

SPREAD_ROWS = 24  # rows before a closed loop; their spread is the unit of its errors
SHARE_OF_ALL = 0.01  # share of all rows in the square of that unit, which is then never zero
PRIOR_SEASONS = 6.0  # of errors as they are at all times
PRIOR_LATELY = 6.0  # errors as they are at all times
PRIOR_CYCLES = 12.0  # of loops as long
FEW_PHASES, LEAST_PERIOD = 24, 4  # a longer season may be one of a part of it, of at least so many rows
PHASES_APART = (24, 12, 8)  # of such a season, times within one of so many parts may count together
MOST_FOLDS = 8


class Seasonal(NamedTuple):
    """Unit of errors at a time of the season, after a row: the error one step ahead at that time, and lately."""

    phases: Array  # (rows of the season or of a part of it, channels), that of target 0 being the first
    lately: Array  # (targets from the first judged one on + 1, channels): the factor of forecasts that begin with each
    first: int  # target that is judged first
    around: int  # times of the season before and after one that count with it

    @classmethod
    def of(cls, known: Record, population: Population, season: int) -> Self:
        """Of the errors one step ahead, root mean squares.

        A time of a long season counts with those around, and both means with some errors of all times.
        """
        first = known.judges[0].first
        squares = one_step_errors(known, population)[:, : known.reader.inputs.shape[-1]] ** 2
        is_known = ~np.isnan(squares)
        squares = np.where(is_known, squares, 0.0)
        n_known = is_known.sum(axis=0)
        mean = squares.sum(axis=0) / np.maximum(n_known, 1)
        if (n_known > 0).any():  # of a series without an error it is that of the others
            mean = np.where(n_known > 0, mean, mean[n_known > 0].mean())
        mean = np.maximum(mean, np.finfo(float).tiny)
        period, around = _period((squares / mean).sum(axis=1), is_known.sum(axis=1), first, season)
        phase = np.arange(first, first + len(squares)) % period
        total, count = (_around(_by_phase(values, phase, period), around) for values in (squares, is_known))
        phases = (total + PRIOR_SEASONS * mean) / (count + PRIOR_SEASONS)
        n = max(SPREAD_ROWS, 2 * season)
        sums, counts = (
            np.concatenate([np.zeros((1, squares.shape[1])), np.cumsum(values, axis=0)])
            for values in (squares / phases[phase], is_known)
        )
        ends = np.arange(len(sums))
        begins = np.maximum(ends - n, 0)
        lately = (sums[ends] - sums[begins] + PRIOR_LATELY) / (counts[ends] - counts[begins] + PRIOR_LATELY)
        return cls(np.sqrt(phases), np.sqrt(lately), first, around)

    def of_columns(self, columns: npt.NDArray[np.intp]) -> Self:
        """Of some of the columns."""
        return self._replace(phases=self.phases[:, columns], lately=self.lately[:, columns])

    def at(self, begins: Array, n_steps: int) -> Array:
        """Units (forecasts, n_steps, channels) of forecasts whose first target has this number."""
        lately = self.lately[np.clip(begins - self.first, 0, len(self.lately) - 1)]
        return np.asarray(self.phases[self.times(begins, n_steps)] * lately[:, None])

    def times(self, begins: Array, n_steps: int) -> Array:
        """Times of the season (forecasts, n_steps) of such forecasts."""
        return np.asarray((begins[:, None] + np.arange(n_steps)) % len(self.phases))

    def factor(self, errors: Array, begins: Array, n_rows: int) -> Array:
        """By how much errors of loops over so many rows differ at each time of the season, (rows of it, channels).

        Those of each step (forecasts, n_steps, channels) are compared with each other, and count with some cycles of
        loops without a difference.
        """
        is_known, period = ~np.isnan(errors), len(self.phases)
        squares = np.where(is_known, errors, 0.0) ** 2
        size = squares.sum(axis=0) / np.maximum(is_known.sum(axis=0), 1)
        squares = squares / np.where(size > 0, size, 1.0)
        phase = self.times(begins, errors.shape[1]).ravel()
        flat = (values.reshape(len(phase), -1) for values in (squares, is_known))
        total, count = (_around(_by_phase(values, phase, period), self.around) for values in flat)
        worth = n_rows / period * np.minimum(1.0, count / np.maximum(count.mean(axis=0), 1.0))
        share = total / np.maximum(count, 1)
        return np.asarray(np.sqrt((share * worth + PRIOR_CYCLES) / (worth + PRIOR_CYCLES)))


def _period(squares: Array, count: Array, first: int, season: int) -> tuple[int, int]:
    """Rows of the season of errors, and how many times before and after one count with it.

    A week may have the pattern of a day. The one is taken that tells errors of other seasons best: `squares` (rows,)
    are sums of so many, in units of their mean, the first being that of target `first`.
    """
    if season <= FEW_PHASES:
        return season, 0
    rows, best = np.arange(len(squares)), (np.inf, season, 0)
    n_folds = max(2, min(MOST_FOLDS, len(rows) // season))
    fold = rows // season % n_folds
    for period in (n for n in range(LEAST_PERIOD, season + 1) if season % n == 0):
        phase = (first + rows) % period
        cell = fold * period + phase
        of_fold = [
            np.bincount(cell, values, n_folds * period).reshape(n_folds, period).T for values in (squares, count)
        ]
        for around in sorted({0, *(period // part for part in PHASES_APART)}):
            total, known = (_around(values, around) for values in of_fold)
            others = [values.sum(axis=1, keepdims=True) - values for values in (total, known)]
            mean = ((others[0] + PRIOR_SEASONS) / (others[1] + PRIOR_SEASONS))[phase, fold]
            best = min(best, (float((count * np.log(mean) + squares / mean).sum()), period, around))
    return best[1:]


def _by_phase(values: Array, phase: Array, period: int) -> Array:
    """Sums of values (n, columns) at each of the times (n,) of a season, (period, columns)."""
    return np.stack([np.bincount(phase, column, period) for column in values.T], axis=1)


def _around(values: Array, n: int) -> Array:
    """Sums of values (season, columns) over the n times of the season before each, itself, and the n after."""
    turned = np.concatenate([values[len(values) - n :], values, values[:n]])
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(turned, axis=0)])
    return np.asarray(sums[2 * n + 1 :] - sums[: len(values)])


def spread(rows: Array) -> Array:
    """Unit of the errors of closed loops, (..., channels), after rows (..., n, channels) in training units.

    Shorter windows than `SPREAD_ROWS` count for less, and so do those in which rows are missing (nan).
    """
    is_known = ~np.isnan(rows)
    if is_known.all():
        weight = (1 - SHARE_OF_ALL) * min(1.0, rows.shape[-2] / SPREAD_ROWS)
        return np.asarray(np.sqrt(weight * rows.var(axis=-2) + 1 - weight))
    count = is_known.sum(axis=-2)
    mean = np.where(is_known, rows, 0.0).sum(axis=-2) / np.maximum(count, 1)
    squares = np.where(is_known, (rows - mean[..., None, :]) ** 2, 0.0).sum(axis=-2)
    weights = (1 - SHARE_OF_ALL) * np.minimum(1.0, count / SPREAD_ROWS)
    return np.asarray(np.sqrt(weights * squares / np.maximum(count, 1) + 1 - weights))


def spreads(reader: Reader, n_rows: int) -> Array:
    """Those units (rows, channels) after each of the last rows of a reader."""
    n = len(reader.inputs)
    return spread(reader.known(np.arange(n - n_rows, n), SPREAD_ROWS))
