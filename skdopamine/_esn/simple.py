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

    def ages(self, absent: Array, before: Array | None = None) -> Array:
        """Rows from each of the last `lag` ones, or the last one, back to one that was measured: (lag or 1, columns).

        Where differences are taken over a season, to one at the same time of it. Of the rows `absent` (n, columns) was
        missing; those before them have the ages `before`.
        """
        n = max(1, self.lag)
        found = np.zeros((n, absent.shape[1]), dtype=np.intp) if before is None else before
        known = np.concatenate([[0], np.cumsum(~absent.any(axis=1))])
        whole = np.flatnonzero(known[n:] - known[:-n] == n)  # where so many rows begin that were all measured
        for row in absent[int(whole[-1]) if len(whole) else 0 :]:
            found = aged(found, row)
        return found


def aged(ages: Array, absent: Array) -> Array:
    """The ages of the last rows with one more, (columns,) of which were missing."""
    return np.concatenate([ages[1:], np.where(absent, ages[:1] + len(ages), 0)])


def since(ages: Array) -> Array:
    """Rows since anything was measured, (columns,)."""
    return np.asarray((ages + np.arange(len(ages))[::-1, None]).min(axis=0))


def steps_ahead(ages: Array, n_steps: int) -> Array:
    """How many steps after what was measured the next rows are, (n_steps, columns).

    What a season's row was not measured for, the next season's lacks too.
    """
    steps = np.arange(n_steps)
    return 1 + steps[:, None] + np.maximum(since(ages), ages[steps % len(ages)])
