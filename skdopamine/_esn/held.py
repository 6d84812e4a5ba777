"""Errors of closed loops over the rows held back, of all series side by side, apart where they are held back alike."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from skdopamine._esn.intervals import MOST_LENDERS, MOST_SHARED, Loops, loops
from skdopamine._esn.loop import Loop
from skdopamine._esn.record import Record
from skdopamine._esn.simple import Simple
from skdopamine._esn.spread import Seasonal
from skdopamine._typing import Array


class Held(NamedTuple):
    """What closed loops over the rows held back are run with, of all series side by side."""

    known: Record
    loop: Loop
    needed: int  # loops, at least
    base: Simple
    seasonal: Seasonal | None

    def parts(self, which: npt.NDArray[np.intp], steps: Array) -> list[tuple[npt.NDArray[np.intp], Loops]]:
        """The loops of columns of series, by their number among those held back, -1 for another one.

        `steps` (n, series x channels) are how many ahead is asked for. Columns that are held back alike, and asked for
        as far ahead, are together, so that those of a series do not depend on which others there are.
        """
        n_channels, first = self.loop.n_fed, self.known.judges[0].first
        column = (which[:, None] * n_channels + np.arange(n_channels)).reshape(-1)
        is_known = ~np.isnan(self.known.target[first:])
        n_unknown = np.where(is_known.any(axis=0), is_known[::-1].argmax(axis=0), len(is_known))
        keys = np.stack([steps.max(axis=0), np.where(column < 0, -1, n_unknown[column])])
        parts = []
        for longest, unknown in np.unique(keys, axis=1).T.tolist():
            columns = np.flatnonzero((keys == [[longest], [unknown]]).all(axis=0))
            parts += self._alike(column, columns, longest, unknown)
        return parts

    def _alike(
        self, column: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], longest: int, unknown: int
    ) -> list[tuple[npt.NDArray[np.intp], Loops]]:
        """Those of columns that are held back alike; of others, and of those that have too few, of all series."""
        n_channels, short = self.loop.n_fed, np.ones(len(columns), dtype=bool)
        parts = []
        if unknown >= 0:
            chosen, place = np.unique(column[columns] // n_channels, return_inverse=True)
            own = self._of(chosen, longest, unknown).of_columns(place * n_channels + column[columns] % n_channels)
            short = (~np.isnan(own.errors)).sum(axis=0).min(axis=0) < self.needed
            if self.known.reader.n_series == 1:
                short[:] = False
            if not short.all():
                parts.append((columns[~short], own.of_columns(~short)))
        if not short.any():
            return parts
        everyone = np.arange(self.known.reader.n_series)
        if unknown >= 0:
            others = self._of(everyone, longest, 0).lent(self.needed, n_channels)
            return [*parts, (columns[short], others.of_columns(column[columns[short]]))]
        some = everyone[:: -(-len(everyone) // MOST_LENDERS)]
        return [(columns, self._of(some, longest, 0).pooled(n_channels).of_columns(columns % n_channels))]

    def _of(self, chosen: npt.NDArray[np.intp], longest: int, n_unknown: int) -> Loops:
        """Loops of some of the series."""
        known, n_channels = self.known.of_series(chosen), self.loop.n_fed
        columns = (chosen[:, None] * n_channels + np.arange(n_channels)).reshape(-1)
        seasonal = None if self.seasonal is None else self.seasonal.of_columns(columns)
        loop = self.loop
        if known is not self.known:
            loop = loop._replace(bounds=(loop.bounds[0][columns], loop.bounds[1][columns]))
        n_shared = min(self.known.reader.n_series, MOST_SHARED)
        return loops(known, loop, longest, self.needed, self.base, seasonal, n_unknown=n_unknown, n_shared=n_shared)
