"""Rows that are missing: what a forecaster reads in their place."""

import numpy as np

from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.model import Model
from skdopamine._esn.rows import begins
from skdopamine._esn.stream import Stream
from skdopamine._typing import Array


def missing(rows: Array, n_series: int, *, begun: bool = False) -> Array:
    """Which values of rows (n, series x channels) are missing; none is before a series has `begun`."""
    absent: Array = np.isnan(rows)
    if not begun:
        first = np.repeat(begins(rows, n_series), rows.shape[1] // n_series)
        absent = absent & (np.arange(len(rows))[:, None] >= first)
    return absent


def held(rows: Array, absent: Array, last: Array | None = None) -> Array:
    """Rows in which the value before stands for each missing one; before the first, `last` or else the mean."""
    filled = rows.copy()
    start = np.nanmean(rows, axis=0) if last is None else last
    for t in np.flatnonzero(absent.any(axis=1)).tolist():
        filled[t] = np.where(absent[t], start if t == 0 else filled[t - 1], filled[t])
    return filled


def bridged(model: Model, stream: Stream, rows: Array, absent: Array, exog: Array | None) -> Array:
    """Rows, after those of the stream, in which what is missing is forecast from the rows before.

    `rows` have other values for what is missing; these stay where there is nothing to forecast from: differences need
    the rows of one season before.
    """
    lag, n_before = model.base.lag, len(stream.levels)
    known = stream.after(rows.copy())
    seen = None if model.covariates is None or exog is None else model.covariates.seen(stream.with_exog(exog))
    n_known = 0 if stream.exog is None else len(stream.exog)
    population, fed, bounds = model.population, model.fed, model.bounds(stream.span)
    state, history = stream.state, stream.history
    at = lag - n_before  # rows that were read, from `rows`
    for t in np.flatnonzero(absent.any(axis=1)).tolist():
        if t < at:
            continue
        part = known[n_before + at : n_before + t]
        if lag:
            part = part - known[n_before + at - lag : n_before + t - lag]
        whole, last = np.concatenate([history, model.inputs.scaled(part)]), len(history) + t - at - 1
        covariates = None if seen is None else np.zeros((len(whole), seen.shape[1]))
        if covariates is not None and seen is not None:
            covariates[last] = seen[n_known + t]
        reader = model.reader(whole, covariates)
        state, history, at = reader.state_after(population, state, len(history), len(whole)), whole[-len(history) :], t
        ahead = _reservoir.said(_reservoir.features(population, state.T, reader.past(np.array([last]))), fed)
        value = model.inputs.restored(np.clip(ahead.reshape(1, -1), *bounds))[0]
        if lag:
            value = value + known[n_before + t - lag]
        value = np.where(np.isnan(value), known[n_before + t], np.clip(value, *model.limits))
        known[n_before + t] = np.where(absent[t], value, known[n_before + t])
    return known[n_before:]
