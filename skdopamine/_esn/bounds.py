"""Between which values predictions are fed back: the user's, or what the rows of a series say."""

from typing import Any, NamedTuple, Self

import numpy as np

from skdopamine._esn.standard import picked
from skdopamine._estimator.validation import plain
from skdopamine._typing import Array

LEAST, MOST = 0.02, 0.5  # share of the range by which what is fed back may leave it
WORTH = 2.0  # times that rows have left the range of those before
SHARE_BEFORE = 4  # these are the first of so many parts

UNKNOWN = np.array([[-3.0], [3.0]])  # rows, in training units, that stand for a series of which nothing is known

Limits = tuple[Array, Array]  # (channels,) each, as the user counts; infinite where there is none


class Range(NamedTuple):
    """What each channel has been seen to do, (channels,) each."""

    least: Array
    most: Array
    share: Array  # of the range, by which predictions may leave it

    @classmethod
    def of(cls, rows: Array) -> Self:
        """Of rows (..., channels) in the order of time.

        They may leave the range of all by twice what the later ones have left that of the first quarter by.
        """
        flat = rows.reshape(-1, rows.shape[-1])
        if np.isnan(flat).any():  # series that begin later
            parts = [cls.of(known if len(known) else UNKNOWN) for known in (c[~np.isnan(c), None] for c in flat.T)]
            return cls(*(np.concatenate(ends) for ends in zip(*parts, strict=True)))
        before = flat[: max(1, len(flat) // SHARE_BEFORE)]
        nothing = np.zeros(flat.shape[1])
        return cls(before.min(axis=0), before.max(axis=0), nothing).extended(flat)

    def extended(self, rows: Array) -> Self:
        """With further rows (..., channels)."""
        flat = rows.reshape(-1, rows.shape[-1])
        least, most = flat.min(axis=0), flat.max(axis=0)
        left = np.maximum(np.maximum(self.least - least, most - self.most), 0.0)
        size = self.most - self.least
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(size > 0, np.minimum(MOST, LEAST + WORTH * left / size), MOST)
        return self._replace(
            least=np.minimum(self.least, least), most=np.maximum(self.most, most), share=np.maximum(self.share, share)
        )

    def of_series(self, which: Array, own: "Range") -> "Range":
        """Those of series (n,) by their number among these, -1 for one that has its `own`."""
        return Range(*(picked(known, which, part) for known, part in zip(self, own, strict=True)))

    def bounds(self, *, wide: bool) -> tuple[Array, Array]:
        """Bounds (channels,) of what is fed back; wide ones where the rows before do not show what may come."""
        room = (MOST if wide else self.share) * (self.most - self.least)
        return self.least - room, self.most + room


def limits_of(bounds: Any, n_channels: int) -> Limits:
    """Limits that the user gives, each a number, one for each channel, or None."""
    if bounds is None:
        bounds = (None, None)
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        raise ValueError(f"bounds must be None or a pair (low, high), got {plain(bounds)!r}.")
    low, high = (
        _limit(given, bounds, n_channels, nothing) for given, nothing in zip(bounds, (-np.inf, np.inf), strict=True)
    )
    if not (low < high).all():
        raise ValueError(f"bounds must be a pair (low, high) with low < high, got {plain(bounds)!r}.")
    return low, high


def _limit(given: Any, bounds: Any, n_channels: int, nothing: float) -> Array:
    if given is None:
        return np.full(n_channels, nothing)
    try:
        limit = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        limit = np.empty((0, 0))
    if limit.shape not in ((), (1,), (n_channels,)) or not np.isfinite(limit).all():
        raise ValueError(
            "bounds must have a finite number, one for each channel, or None as each of its ends, with "
            f"{n_channels} channels, got {plain(bounds)!r}."
        )
    return np.broadcast_to(limit, (n_channels,)).copy()
