"""The season of a series, and the past rows that say most about the next one."""

import numpy as np
import numpy.typing as npt

from skdopamine._typing import Array

N_RECENT = 50  # values of the last rows
N_SEASONAL = 3  # rows around the season
LEAST_CORRELATION = 0.4  # of rows one season apart
FIRST_PEAK = 0.95  # share of the highest peak at which an earlier one is taken


def season(series: Array) -> int:
    """Lag of the highest peak of the autocorrelation of (n, channels) without its trend, 0 if none is high."""
    n = len(series)
    time = np.arange(n) - (n - 1) / 2
    level = series - series.mean(axis=0)
    level = level - np.outer(time, time @ level / max(float(time @ time), 1.0))
    spectrum = np.abs(np.fft.rfft(level, 2 * n, axis=0)) ** 2
    correlation = np.fft.irfft(spectrum.sum(axis=1), 2 * n)[: n // 4]
    if len(correlation) < 3 or correlation[0] <= 0:
        return 0
    correlation = correlation / correlation[0] * n / (n - np.arange(len(correlation)))
    inner = correlation[1:-1]
    peak = (inner >= correlation[:-2]) & (inner >= correlation[2:])
    if not peak.any():
        return 0
    lag = 1 + int(np.argmax(peak & (inner >= FIRST_PEAK * inner[peak].max())))  # not a multiple of the season
    return lag if lag > 1 and correlation[lag] > LEAST_CORRELATION else 0


def recent_lags(n_rows: int, n_channels: int) -> npt.NDArray[np.intp]:
    """Lags of the last rows, as many as `N_RECENT` values, and no more than there are rows for."""
    return np.arange(max(1, min(N_RECENT // n_channels, n_rows // 8)))


def seasonal_lags(series: Array) -> npt.NDArray[np.intp]:
    """Lags of the last rows, and of those one season before the next row."""
    recent, lag = recent_lags(*series.shape), season(series)
    around = np.arange(lag - 1, lag - 1 + N_SEASONAL)
    usable = lag > 0 and lag + N_SEASONAL < len(series) // 4
    return np.concatenate([recent, around[around >= len(recent)]]) if usable else recent
