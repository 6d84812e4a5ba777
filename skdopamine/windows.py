"""Windows of a series, as rows for any scikit-learn estimator."""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from skdopamine._typing import Array

__all__ = ["make_windows"]


def make_windows(series: Any, n_lags: int, horizon: int = 1) -> tuple[Array, Array]:
    """Cut a series into windows of past rows, each with the rows that follow it.

    Nothing is copied: both results are read-only views of the series. If the series is not contiguous in memory, they
    are views of a copy.

    Parameters
    ----------
    series : array-like of shape (n,) or (n, n_channels)
        Values in time order.
    n_lags : int
        Number of rows in a window.
    horizon : int, default=1
        Number of rows to predict after each window.

    Returns
    -------
    X : ndarray of shape (n - n_lags - horizon + 1, n_lags * n_channels)
        One window per row, the oldest value first. The channels of one time stand side by side.
    y : ndarray of shape (n_windows,) or (n_windows, horizon * n_channels)
        The values after each window, in the same order. One-dimensional for one channel and one step.

    Raises
    ------
    ValueError
        If the series is too short, or has no dimension or more than two. If a count is not a positive integer.

    Examples
    --------
    >>> from skdopamine import make_windows
    >>> X, y = make_windows([0, 1, 2, 3, 4], n_lags=2)
    >>> X.tolist(), y.tolist()
    ([[0, 1], [1, 2], [2, 3]], [2, 3, 4])
    """
    values = np.asarray(series)
    for name, count in (("n_lags", n_lags), ("horizon", horizon)):
        if type(count) is bool or not isinstance(count, int | np.integer) or count < 1:
            got = count.tolist() if isinstance(count, np.generic) else count
            raise ValueError(f"{name} must be a positive integer, got {got!r}.")
    if values.ndim not in (1, 2):
        raise ValueError(f"series must have one or two dimensions, got an array of shape {values.shape}.")
    channels = 1 if values.ndim == 1 else values.shape[1]
    if channels == 0 or len(values) < n_lags + horizon:
        raise ValueError(
            f"series must have a column and at least n_lags + horizon = {n_lags + horizon} rows, got an array of shape "
            f"{values.shape}."
        )
    flat = np.ascontiguousarray(values).reshape(-1)  # a view, unless the series is not contiguous
    X = sliding_window_view(flat, n_lags * channels)[::channels][: len(values) - n_lags - horizon + 1]
    y = sliding_window_view(flat[n_lags * channels :], horizon * channels)[::channels]
    return X, y[:, 0] if y.shape[1] == 1 else y
