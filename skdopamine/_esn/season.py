"""The season of a series, and the past rows that say most about the next one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from skdopamine._esn.standard import Standard
from skdopamine._typing import Array

N_RECENT = 50  # values of the last rows
N_SEASONAL = 3  # rows around the season
LEAST_CORRELATION = 0.4  # of rows one season apart
FEWEST_SEASONS = 2.5  # in which one can be seen
SURE_SEASONS = 4  # in which chance does not look like one
ROUNDING = 1e-20  # share of the squares that is left of a line
BEYOND_CHANCE = 2.5  # standard errors of the correlation of changes
FIRST_PEAK = 0.9  # share of the highest peak at which an earlier one is taken


def season(series: Array) -> int:
    """Lag of the highest peak of the autocorrelation of (n, channels) without its trend, 0 if none is high.

    Of fewer than four seasons the changes from row to row must be alike as well: a slow wave is no season.
    """
    n = len(series)
    correlation = _autocorrelation(series)[: int(n / FEWEST_SEASONS) + 2]
    if len(correlation) < 3:
        return 0
    inner = correlation[1:-1]
    peak = (inner >= correlation[:-2]) & (inner >= correlation[2:])
    if not peak.any():
        return 0
    lag = 1 + int(np.argmax(peak & (inner >= FIRST_PEAK * inner[peak].max())))  # not a multiple of the season
    if lag < 2 or correlation[lag] <= LEAST_CORRELATION:
        return 0
    if lag < n // SURE_SEASONS:
        return lag
    changes = _autocorrelation(np.diff(series, axis=0))
    near = changes[max(2, lag - 1) : lag + 2]
    return lag if changes[lag] >= near.max() and changes[lag] > BEYOND_CHANCE / np.sqrt(n - lag) else 0


def seasons(given: Any, rows: Array | None) -> tuple[int, ...]:
    """The seasons that a user gives, or that are found in rows (n, channels); none if there are no such rows."""
    if given is not None and not isinstance(given, str):
        for one in given if isinstance(given, list | tuple) else [given]:
            if not _is_integer(one, least=2):
                raise ValueError(f"season must be 'auto', None, or integers of at least 2, got {given!r}.")
    if rows is None or given is None:
        return ()
    if isinstance(given, str):
        with np.errstate(over="ignore", invalid="ignore"):
            unit = Standard.of(rows)
        found = season(_without_nan(unit.scaled(rows))) if unit.is_finite else 0
        return (found,) if found else ()
    return tuple(sorted({int(one) for one in (given if isinstance(given, list | tuple) else [given])}))


def _without_nan(rows: Array) -> Array:
    """Rows in which what is nan, before a series begins, is the mean."""
    return np.where(np.isnan(rows), 0.0, rows)


def _autocorrelation(series: Array) -> Array:
    """Autocorrelation (n,) of all channels of (n, channels) without their trend; empty for constants and lines."""
    n = len(series)
    time = np.arange(n) - (n - 1) / 2
    centred = series - series.mean(axis=0)
    level = centred - np.outer(time, time @ centred / max(float(time @ time), 1.0))
    if (level**2).sum() <= ROUNDING * (centred**2).sum():
        return np.empty(0)
    spectrum = np.abs(np.fft.rfft(level, 2 * n, axis=0)) ** 2
    correlation = np.fft.irfft(spectrum.sum(axis=1), 2 * n)[:n]
    return np.asarray(correlation / correlation[0] * n / (n - np.arange(n)))


def recent_lags(n_rows: int, n_channels: int) -> npt.NDArray[np.intp]:
    """Lags of the last rows, as many as `N_RECENT` values, and no more than there are rows for."""
    return np.arange(max(1, min(N_RECENT // n_channels, n_rows // 8)))


def _is_integer(value: Any, least: int) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= least


def given_lags(lags: Any, n_rows: int) -> npt.NDArray[np.intp]:
    """Lags that a user gives, as the number of last rows or one by one, of so many rows."""
    if not isinstance(lags, list | tuple):
        if int(lags) > n_rows:
            raise ValueError(f"readout_lags must be at most the {n_rows} rows there are, got {lags}.")
        return np.arange(int(lags))
    if not lags or not all(_is_integer(lag, least=0) for lag in lags):
        raise ValueError(f"readout_lags must be 'auto', a number of rows, or integers of at least 0, got {lags!r}.")
    if max(lags) >= n_rows:
        raise ValueError(f"readout_lags must lie within the {n_rows} rows there are, got {lags!r}.")
    return np.array(sorted({int(lag) for lag in lags}), dtype=np.intp)


def seasonal_lags(n_rows: int, n_channels: int, seasons: Sequence[int]) -> npt.NDArray[np.intp]:
    """Lags of the last rows, and of those one of the seasons before the next row."""
    lags = {int(lag) for lag in recent_lags(n_rows, n_channels)}
    for season in seasons:
        if FEWEST_SEASONS * season <= n_rows:
            lags |= set(range(season - 1, season - 1 + N_SEASONAL))
    return np.array(sorted(lags), dtype=np.intp)
