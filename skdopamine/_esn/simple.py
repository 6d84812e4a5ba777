"""The simple forecast that a readout adds to, and shrinks to."""

from typing import NamedTuple

import numpy as np

from skdopamine._typing import Array


class Simple(NamedTuple):
    """A forecast without a network: of the rows, or of their differences to rows before, the mean or the last one."""

    lag: int = 0  # rows between which differences are taken; 0: the rows as they are
    last: bool = False  # whether what is left is expected to stay as it is, and not to be at its mean

    def name(self) -> str:
        """What it is called."""
        bases = {(0, False): "mean", (0, True): "last value", (1, False): "drift"}
        return bases.get(self, "seasonal naive" + (" and last change" if self.last else ""))

    def left(self, rows: Array) -> Array:
        """What rows (n, channels) differ by from those `lag` before, (n - lag, channels)."""
        return rows[self.lag :] - rows[: len(rows) - self.lag] if self.lag else rows

    def levels(self, rows: Array) -> Array:
        """The last rows (lag, columns), which what follows is added to; before the first of a series, its mean."""
        last = rows[len(rows) - self.lag :]
        if not self.lag or not np.isnan(last).any():
            return last.copy()
        return np.where(np.isnan(last), np.nanmean(rows, axis=0), last)

    def left_of_targets(self, rows: Array, target: Array) -> Array:
        """Targets (n, targets) of rows (n, channels), or of all but the last, without those of the first `lag` rows.

        The first targets are the rows that follow: what these differ by from those before.
        """
        if not self.lag:
            return target
        target = target[self.lag :].copy()
        target[:, : rows.shape[1]] -= rows[1 : 1 + len(target)]
        return target

    def added(self, left: Array, before: Array | None = None) -> Array:
        """Rows (..., n, channels) of which `left` is left, the last `lag` rows `before` them being known, or zero."""
        if not self.lag:
            return left
        *others, n, channels = left.shape
        n_seasons = -(-n // self.lag)
        padded = np.zeros((*others, n_seasons * self.lag, channels))
        padded[..., :n, :] = left
        seasons = padded.reshape(*others, n_seasons, self.lag, channels)
        total = seasons.cumsum(axis=-3)
        if before is not None:
            total += before
        return np.asarray(total.reshape(padded.shape)[..., :n, :])
