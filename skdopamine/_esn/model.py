"""A forecaster as it is once it is fitted: reservoir, readout, the units it counts in, and what training has shown."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.bounds import Limits, Range
from skdopamine._esn.covariates import Covariates
from skdopamine._esn.loop import Loop
from skdopamine._esn.products import n_products as _n_products
from skdopamine._esn.reader import Reader, SeriesReader, WindowReader
from skdopamine._esn.reservoir import Gains, Population, Weights
from skdopamine._esn.robust import Robust
from skdopamine._esn.root import Equations, init_root
from skdopamine._esn.simple import Simple
from skdopamine._esn.spread import SPREAD_ROWS
from skdopamine._esn.standard import Standard
from skdopamine._estimator.history import History
from skdopamine._typing import Array

ROUNDING = 1e-6  # of float32


class Form(NamedTuple):
    """What rows and targets look like."""

    is_series: bool  # whether rows are consecutive times of one series, and not windows
    closed: bool  # whether the first targets are known to be the next rows, which follow each other
    feeds: bool  # whether predictions may be fed back; with windows in any order, the user decides
    flat: bool  # whether the targets came without an axis for columns
    n_channels: int
    n_series: int = 1  # that stand side by side in a row
    n_covariates: int = 0  # of each series

    @property
    def n_columns(self) -> int:
        """Values of a row, of all series."""
        return self.n_series * self.n_channels

    def follows(self, rows: Array, target: Array) -> bool:
        """Whether the first targets are the rows that follow, as far as these are known."""
        rows, target = rows[1:], target[: len(rows) - 1, : self.n_channels]
        unknown = np.isnan(rows) | np.isnan(target)
        return bool((unknown | np.isclose(rows, target, rtol=ROUNDING, atol=0.0)).all())

    def shaped(self, X: Array) -> Array:
        """Rows as they are, or cut into their times."""
        if self.is_series:
            return X
        if X.shape[1] % self.n_channels:
            raise ValueError(
                f"X must have a multiple of n_channels={self.n_channels} columns with stateful=False, got {X.shape[1]}."
            )
        return X.reshape(len(X), -1, self.n_channels)


class Model(NamedTuple):
    """All that a prediction needs besides the rows, and what training has shown."""

    weights: Weights
    gains: Gains  # of one member
    readout: Array  # (features, targets); of several reservoirs one below the other
    lags: npt.NDArray[np.intp]  # which of the past rows the readout sees, 0 being the last
    inputs: Standard
    targets: Standard
    form: Form
    seed: int
    training: History  # of all its stages
    seasons: tuple[int, ...] = ()
    base: Simple = Simple()  # what the readout adds to; its differences are what is read and predicted
    limits: Limits = (np.array(-np.inf), np.array(np.inf))  # of the rows, as the user counts
    degree: int = 1  # of the products of the last row that the readout sees
    robust: Robust | None = None  # what rows weigh; None: all the same
    exact: bool = False  # whether the readout is learnt by a root, as penalties are below what squares can tell
    covariates: Covariates | None = None
    others: tuple[Weights, ...] = ()  # further reservoirs: what is predicted is the mean of all

    @property
    def n_units(self) -> int:
        """Units of one reservoir."""
        return int(self.weights.bias.size)

    @property
    def n_reservoirs(self) -> int:
        return 1 + len(self.others)

    @property
    def n_features(self) -> int:
        """What the readout of one reservoir sees."""
        return len(self.readout) // self.n_reservoirs

    @property
    def shared_gains(self) -> Gains:
        """The gains, once for each reservoir."""
        return Gains(*(np.repeat(gain, self.n_reservoirs) for gain in self.gains))

    @property
    def n_history(self) -> int:
        """Number of last rows that closed loops begin from."""
        return max(1 + int(self.lags.max()), SPREAD_ROWS) if self.form.is_series else 1

    @property
    def population(self) -> Population:
        """The reservoirs, ready to be simulated."""
        if not self.others:
            return _reservoir.populate(self.weights, self.gains)
        return _reservoir.populate((self.weights, *self.others), self.shared_gains)

    @property
    def zero_state(self) -> Array:
        return np.zeros((self.n_reservoirs * self.n_units, self.form.n_series))

    @property
    def no_ages(self) -> Array:
        """The ages of rows none of which was missing."""
        return self.base.ages(np.zeros((0, self.form.n_columns), dtype=bool))

    @property
    def no_rows(self) -> Equations:
        """What is learnt before the first row."""
        shape = self.n_features, self.readout.shape[1]
        return init_root(*shape) if self.exact else _reservoir.init_normal(self.n_reservoirs, *shape)

    def emptied(self) -> "Model":
        """With nothing learnt, and room for what the readout sees."""
        n_past, n_products = len(self.lags) * self.form.n_channels, _n_products(self.form.n_channels, self.degree)
        n_known = 0 if self.covariates is None else self.covariates.n_seen
        n_features = self.n_units + n_past + n_known + n_products + 1
        return self._replace(readout=np.zeros((self.n_reservoirs * n_features, self.readout.shape[1])))

    def with_others(self, others: tuple[Weights, ...]) -> "Model":
        """With further reservoirs, or none, and nothing learnt."""
        return self._replace(others=others).emptied()

    def with_weights(self, weights: Weights) -> "Model":
        """With another reservoir, and nothing learnt."""
        return self._replace(weights=weights).emptied()

    def without_seasons(self) -> "Model":
        """With nothing learnt, and a readout that sees of the past rows the last ones alone, up to the first gap."""
        return self._replace(lags=self.lags[self.lags == np.arange(len(self.lags))]).emptied()

    @property
    def expected(self) -> Array:
        """The readout (features, targets) that is the simple forecast, to which each ridge readout shrinks."""
        expected = np.zeros((self.n_features, self.readout.shape[1]))
        if self.base.last:  # the first of the past rows is the last one
            channels = np.arange(self.form.n_channels)
            expected[self.n_units + channels, channels] = 1.0
        return expected

    def scaled(self, rows: Array) -> Array:
        """What is read of rows as the user counts, in training units; without the first ones if it is differences."""
        return self.inputs.scaled(self.base.left(rows))

    def absent(self, given: Array) -> Array | None:
        """Which of the rows that are read, or of their differences, were missing; None for none."""
        left: Array = np.isnan(self.base.left(given))
        return left if self.form.is_series and left.any() else None

    def goals(self, rows: Array, target: Array) -> Array:
        """What is to be predicted of the targets of these rows, in training units."""
        return self.targets.scaled(self.base.left_of_targets(rows, target))

    def reader(self, rows: Array, known: Array | None = None, absent: Array | None = None) -> Reader:
        """Reader of rows in training units, of what is known of the row after each, and which values were missing."""
        if self.form.is_series:
            return SeriesReader(rows, self.lags, self.degree, self.form.n_series, known, absent)
        return WindowReader(rows, self.lags, known)

    def known_after(self, exog: Array | None) -> Array | None:
        """What is seen of the covariates (n, k) of rows, for the row before each; of the row after the last nothing.

        Windows have the covariates of their targets.
        """
        if self.covariates is None or exog is None:
            return None
        seen = self.covariates.seen(exog)
        if not self.form.is_series:
            return seen
        return np.concatenate([seen[1 + self.base.lag :], np.zeros((1, seen.shape[1]))])

    def bounds(self, span: Range) -> tuple[Array, Array]:
        """Bounds of what is fed back, in training units: the user's, else those that rows so far give.

        Where differences are fed back, the user's are those of the rows that come of them.
        """
        low, high = span.bounds(wide=self.covariates is not None)
        if self.base.lag:
            return low, high
        least, most = (self.inputs.scaled(limit) for limit in self.limits)
        given = np.isfinite(least), np.isfinite(most)
        low = np.where(given[0], least, np.minimum(low, most))
        return low, np.where(given[1], most, np.maximum(high, low))

    def loop(self, bounds: tuple[Array, Array]) -> Loop:
        """The closed loop, held between bounds."""
        fed = _reservoir.by_member(self.fed, self.n_reservoirs)
        return Loop(self.population, fed, self.lags, bounds, self.form.n_channels, self.degree)

    @property
    def fed(self) -> Array:
        """The readout (features, channels) of what is fed back, in units of the inputs."""
        n = self.form.n_channels
        if self.form.closed:
            return self.readout[:, :n]
        ratio = self.targets.unit[:n] / self.inputs.unit
        fed = self.readout[:, :n] * ratio
        fed[-1] += (self.targets.centre[:n] - self.inputs.centre) / self.inputs.unit
        return fed

    def solved(self, normal: Equations) -> "Model":
        """With the ridge readout of these rows."""
        readout = np.concatenate(normal.solve(self.shared_gains, self.n_units, self.expected))
        if np.isfinite(readout).all():
            return self._replace(readout=readout)
        if not normal.n_rows:
            raise ValueError("X must have a row after the washout whose next row, or target, is known, got none.")
        raise ValueError(
            f"ridge={float(self.gains.ridge[0]):.3g} and lag_ridge={float(self.gains.lag_ridge[0]):.3g} are too small "
            f"for these {normal.n_rows} rows: the readout has no solution."
        )

    def restored(self, values: Array, rows: Array) -> Array:
        """Predictions (n, targets) in the user's units, those of the last n of `rows`, which the user counts."""
        restored = self.targets.restored(values)
        if self.base.lag:
            restored[:, : self.form.n_columns] += rows[len(rows) - len(values) + 1 - self.base.lag :][: len(values)]
        return self.within(restored)

    def within(self, values: Array) -> Array:
        """Values (..., targets), the next rows among them held within the user's limits."""
        if self.form.feeds:
            n = self.form.n_columns
            values[..., :n] = np.clip(values[..., :n], *self.limits)
        return values

    def restored_path(self, values: Array, levels: Array) -> Array:
        """Rows (n, channels) of a closed loop, likewise; `levels` are as many rows before as the base's lag."""
        return np.clip(self.base.added(self.inputs.restored(values), levels), *self.limits)
