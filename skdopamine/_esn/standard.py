"""The units in which a forecaster counts its inputs and its targets."""

from typing import NamedTuple, Self

import numpy as np

from skdopamine._typing import Array


class Standard(NamedTuple):
    """Centre and unit of each column."""

    centre: Array  # (columns,)
    unit: Array  # (columns,)

    @classmethod
    def of(cls, values: Array) -> Self:
        """Mean and standard deviation of the columns of values (n, columns); the unit of a constant one is 1.

        Values that are nan do not count; of a column of these alone the unit is 1, and 0 the centre.
        """
        if len(values) == 0:
            return cls(np.zeros(values.shape[1]), np.ones(values.shape[1]))
        if np.isnan(values).any():
            columns = [cls.of(column[~np.isnan(column), None]) for column in values.T]
            return cls(*(np.concatenate(parts) for parts in zip(*columns, strict=True)))
        deviation = values.std(axis=0)
        constant = deviation <= 1e-12 * np.abs(values).max(axis=0)
        return cls(values.mean(axis=0), np.where(constant, 1.0, deviation))

    @classmethod
    def of_left(cls, left: Array, rows: Array) -> Self:
        """Units of what is left of rows (n, columns): of columns of which nothing is left, those of the rows."""
        own, nothing = cls.of(left), np.isnan(left).all(axis=0)
        return cls(own.centre, np.where(nothing, cls.of(rows).unit, own.unit))

    @property
    def is_finite(self) -> bool:
        """Whether these units can be used."""
        return bool(np.isfinite(self.centre).all() and np.isfinite(self.unit).all())

    def scaled(self, values: Array) -> Array:
        """Values (..., columns) in these units."""
        return np.asarray((values - self.centre) / self.unit)

    def restored(self, values: Array) -> Array:
        """Values of the first columns, (..., k), as the user counts."""
        k = values.shape[-1]
        return np.asarray(values * self.unit[:k] + self.centre[:k])

    def starting_as(self, other: "Standard") -> "Standard":
        """These units, the first columns counted as those of `other`."""
        n = len(other.centre)
        return Standard(np.concatenate([other.centre, self.centre[n:]]), np.concatenate([other.unit, self.unit[n:]]))

    def of_series(self, which: Array, own: "Standard") -> "Standard":
        """Those of series (n,) by their number among these, -1 for one that has its `own`."""
        return Standard(picked(self.centre, which, own.centre), picked(self.unit, which, own.unit))


def picked(known: Array, which: Array, own: Array) -> Array:
    """Values (n x k,) of series by their number (n,) among those `known` (m x k,), or for -1 their `own` (n x k,)."""
    apart = own.reshape(len(which), -1)
    return np.where(which[:, None] < 0, apart, known.reshape(-1, apart.shape[1])[np.maximum(which, 0)]).reshape(-1)
