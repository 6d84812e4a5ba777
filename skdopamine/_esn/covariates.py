"""Covariates: what is known of the rows to come, such as holidays and prices, and what the readout sees of it."""

from typing import NamedTuple, Self

import numpy as np

from skdopamine._esn.simple import Simple
from skdopamine._esn.standard import Standard
from skdopamine._typing import Array


class Covariates(NamedTuple):
    """What the readout sees of the covariates of a row, beside them: those of rows so far before it.

    The rows before are seen because what a holiday has done to them is no sign of what comes.
    """

    standard: Standard  # of (series x k) columns
    before: tuple[int, ...]  # 0 for the row itself
    base: Simple  # covariates are seen as differences where rows are
    n_series: int
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: Array, base: Simple, season: int, n_series: int, *, is_series: bool) -> Self:
        """Of covariates (n, series x k), as the user counts; of windows the rows before are not known."""
        standard = Standard.of(base.left(given))
        if not standard.is_finite:
            raise ValueError(f"exog must have a finite variance, got values up to {np.nanmax(np.abs(given))}.")
        before = (0,) if not is_series else (0, 1) if season < 2 else (0, 1, season)
        return cls(standard, before, base, n_series)

    @property
    def n_seen(self) -> int:
        """Of each series."""
        return len(self.before) * len(self.standard.centre) // self.n_series

    @property
    def n_history(self) -> int:
        """Rows before a row that have to be known."""
        return self.base.lag + max(self.before)

    def seen(self, given: Array) -> Array:
        """What is seen of each of the rows `given` (n, series x k): (n, series x n_seen), zero before they begin."""
        rows = np.zeros(given.shape)
        rows[self.base.lag :] = self.standard.scaled(self.base.left(given))
        rows[np.isnan(rows)] = 0.0
        parts = []
        for before in self.before:
            part = np.zeros(rows.shape)
            part[before:] = rows[: max(0, len(rows) - before)]
            parts.append(part.reshape(len(rows), self.n_series, -1))
        return np.concatenate(parts, axis=2).reshape(len(rows), -1)
