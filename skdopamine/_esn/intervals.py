"""How far off forecasts are on rows that a readout has not learnt from, and hence how wide the intervals are."""

from collections.abc import Callable
from functools import partial
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy import stats

from skdopamine._esn import simple as _simple
from skdopamine._esn.loop import Loop
from skdopamine._esn.reader import Reader
from skdopamine._esn.record import Judge as Judge  # older pickles look for it here
from skdopamine._esn.record import Record
from skdopamine._esn.reservoir import by_member
from skdopamine._esn.simple import Simple
from skdopamine._esn.spread import SPREAD_ROWS, Seasonal, spread, spreads
from skdopamine._estimator.validation import plain
from skdopamine._typing import Array

ORIGINS = 200  # closed loops that estimate the spread of their errors
MOST_SHARED = 4  # of many series each has this part of them at least
LATEST = 250  # errors that estimate the width of intervals along a series
ROWS_AT_ONCE = 2000
FEWEST_WHOLE = 9  # loops without a gap that paths are drawn from
MOST_POOLED, MOST_LENDERS = 400, 100  # loops, and series that they are of, that serve one that is none of them
MOST_COLUMNS = 20_000  # closed loops, of all series, that are run at once
FEW_LOOPS, FEW_INDEPENDENT = 100, 40  # in fewer, errors above and below are taken to be alike
LOOP_WORTH, LEAST_WORTH = 1.0, 2.0  # degrees of freedom that a loop adds to a spread, and that few have
NEARBY, MOST_NEARBY = 3.0, 9  # steps within this factor count together, so many of them
MIDDLE = 0.5  # the share of a median
NOTHING = Simple()


class Loops(NamedTuple):
    """Errors of closed loops over rows held back, as far ahead as there are enough loops."""

    errors: Array  # (origins, steps, columns), in the unit of the row that was forecast; nan where it is not known
    n_rows: Any  # held back, that loops end in: of all columns, or of each
    adds_up: bool = True  # whether errors add up over steps that were bridged, as those of differences do
    seasonal: Seasonal | None = None  # that unit, with a season

    @property
    def n_known(self) -> int:
        """Errors that are known of each step and column, at least."""
        return n_known(self.errors)

    def of_columns(self, columns: Array) -> "Loops":
        """Those of some columns, which are all held back alike."""
        seasonal = None if self.seasonal is None else self.seasonal.of_columns(columns)
        return self._replace(errors=self.errors[:, :, columns], seasonal=seasonal)

    def pooled(self, n_channels: int) -> "Loops":
        """Those of all series, for each channel of one that is none of them."""
        n_origins, n_steps, _ = self.errors.shape
        apart = self.errors.reshape(n_origins, n_steps, -1, n_channels)
        together = apart.transpose(0, 2, 1, 3).reshape(-1, n_steps, n_channels)
        return self._replace(errors=together[:: -(-len(together) // max(MOST_POOLED, n_origins))])

    def lent(self, needed: int, n_channels: int) -> "Loops":
        """Loops of which series that have fewer than `needed` get those that they lack from series that have all.

        Each of these loops is another series' in turn, as a whole, so that steps still go together.
        """
        n_origins, n_steps, _ = self.errors.shape
        apart = self.errors.reshape(n_origins, n_steps, -1, n_channels)
        known = (~np.isnan(apart)).sum(axis=0).min(axis=(0, 2))
        lenders, short = np.flatnonzero(known == n_origins), np.flatnonzero(known < needed)
        if not len(lenders) or not len(short):
            return self
        turn = (np.arange(n_origins)[:, None] + np.arange(len(short))) % len(lenders)
        others = apart.transpose(0, 2, 1, 3)[np.arange(n_origins)[:, None], lenders[turn]].transpose(0, 2, 1, 3)
        lacks = np.isnan(apart[:, :, short]).any(axis=(1, 3), keepdims=True)
        apart = apart.copy()
        apart[:, :, short] = np.where(lacks, others, apart[:, :, short])
        return self._replace(errors=apart.reshape(n_origins, n_steps, -1))

    @property
    def alike(self) -> Array:
        """Whether loops of each column are so few that errors above and below are taken to be alike."""
        n_columns = self.errors.shape[2]
        known = (~np.isnan(self.errors)).sum(axis=0).min(axis=0) if len(self.errors) else np.zeros(n_columns)
        few = np.broadcast_to(self.n_rows, n_columns) / self.errors.shape[1] < FEW_INDEPENDENT
        return np.asarray((known < FEW_LOOPS) | few)

    def quantiles(self, shares: Array, steps: Array) -> Array:
        """Errors (n, columns, k) that a new one is below with each of these probabilities, so many steps ahead.

        `steps` is (n, columns). Overlapping loops are worth little more than those that do not overlap: as with a
        standard deviation that so few values estimate, a quantile is stretched by that of Student's distribution over
        that of the normal one.
        """
        last, growth, worth = self._ahead(steps)
        values, alike = np.empty((*last.shape, len(shares))), self.alike
        for k, share in enumerate(shares):
            tail = max(share, 1 - share)
            above = share >= MIDDLE
            if not alike.all():
                error = _quantile(self.errors if above else -self.errors, tail)
            if alike.any():
                own = pooled_half_width(self.errors, 2 * tail - 1) if tail > MIDDLE else np.zeros(self.errors.shape[1:])
                error = own if alike.all() else np.where(alike, own, error)
            if tail > MIDDLE:
                stretch = _by_value(partial(stats.t.ppf, tail), worth) / stats.norm.ppf(tail)
            else:
                stretch = np.ones(last.shape)
            values[..., k] = (1 if above else -1) * np.take_along_axis(error, last, axis=0) * stretch * growth
        order = np.argsort(shares)
        values[..., order] = np.sort(values, axis=-1)
        return values

    def paths(self, steps: Array, n_paths: int, seed: int) -> Array:
        """Errors (n_paths, n, columns) of whole loops so many `steps` (n, columns) ahead, stretched as quantiles are.

        Loops are drawn at random, the same ones for all columns, whatever the others are.
        """
        rng = np.random.Generator(np.random.PCG64(seed))
        drawn, tails = rng.random(n_paths), rng.random((n_paths, 1))
        signs = rng.choice([-1.0, 1.0], size=(n_paths, 1, 1))
        other, columns = rng.choice([-1.0, 1.0], size=self.errors.shape[:2]), []
        for own in np.moveaxis(self.errors, -1, 0):
            whole = own[~np.isnan(own).any(axis=1)]
            if len(whole) < FEWEST_WHOLE:  # what is not known is taken to be as at other times
                sizes = np.nanmean(np.abs(own), axis=0) * other
                whole = np.where(np.isnan(own), sizes, own)
            columns.append(whole[(drawn * len(whole)).astype(np.intp)])
        errors = np.stack(columns, axis=-1)
        errors = np.where(self.alike, errors * signs, errors)
        last, growth, worth = self._ahead(steps)
        # Student's distribution is the normal one over the root of a mean of squares, here one for a whole path
        stretch = _by_value(lambda worth: np.sqrt(worth / stats.chi2.ppf(tails, worth)), worth)
        return np.asarray(np.take_along_axis(errors, last[None], axis=1) * stretch * growth)

    def _ahead(self, steps: Array) -> tuple[npt.NDArray[np.intp], Array, Array]:
        """Of steps (n, columns): which one's errors are known, how much larger its are, and what loops are worth.

        Beyond the longest loops errors are taken to grow with the root of the steps. Where they do not add up, steps
        that were bridged do not count for that, nor for what loops are worth: far ahead a forecast is off by what rows
        are.
        """
        known = self.errors.shape[1]
        steps = np.broadcast_to(steps, (len(steps), self.errors.shape[2]))
        apart = steps if self.adds_up else 1 + np.arange(len(steps))[:, None]
        worth = np.broadcast_to(
            np.maximum(LOOP_WORTH * self.n_rows / np.minimum(apart, known), LEAST_WORTH), steps.shape
        )
        growth = np.broadcast_to(np.sqrt(np.maximum(apart / known, 1)), steps.shape)
        return np.minimum(steps, known) - 1, growth, worth


def _by_value(function: Callable[[Array], Array], values: Array) -> Array:
    """A function (..., k) of few different values (k,), of values of any shape: (..., *shape)."""
    different, which = np.unique(values, return_inverse=True)
    return np.asarray(function(different)[..., which.reshape(values.shape)])


def _quantile(errors: Array, share: float) -> Array:
    """Value that a new error is below with this probability, of errors (n, ...); those that are nan do not count."""
    known = (~np.isnan(errors)).sum(axis=0)
    rank = np.clip(np.ceil((known + 1) * share - 1e-9).astype(np.intp), 1, np.maximum(known, 1))
    return np.asarray(np.take_along_axis(np.sort(errors, axis=0), rank[None] - 1, axis=0)[0])


def loops(
    known: Record,
    loop: Loop,
    n_steps: int,
    least: int = 1,
    base: Simple = NOTHING,
    seasonal: Seasonal | None = None,
    *,
    n_unknown: int = 0,
    n_shared: int = 1,
) -> Loops:
    """Errors of closed loops of at most so many steps, at least so many loops, before the last `n_unknown` rows.

    Errors of differences add up to those of rows, as the `base` says. They are counted in units of the spread of the
    rows before or, with a season, of errors at the time of the season that is forecast.
    """
    first, n_rows = known.judges[0].first, len(known.target) - n_unknown
    n_series, n_all = known.reader.n_series, known.target.shape[1]
    if n_rows <= first:
        return Loops(np.empty((0, 1, n_all)), 0)
    n_steps = max(1, min(n_steps, n_rows - first - least + 1, max(1, (n_rows - first) // 2)))
    n_origins = min(max(ORIGINS // n_shared, least), n_rows - n_steps - first + 1)
    origins = np.unique(np.linspace(first, n_rows - n_steps, n_origins).astype(np.intp))
    errors, state = [], known.state
    for readout, start, end in known.spans():
        inside = origins[(origins >= start) & (origins < end)]
        for own in np.array_split(inside, -(-len(inside) * n_series // MOST_COLUMNS)) if len(inside) else ():
            judge = loop._replace(readout=by_member(readout, loop.population.n_members))
            path = known.reader.paths(judge, state, start, own, n_steps)
            rows = own[:, None] + np.arange(n_steps)
            error = base.added(known.target[rows, : n_series * loop.n_fed] - path)
            before = known.reader.known(own, SPREAD_ROWS)
            unit = seasonal.at(own, n_steps) if seasonal else spread(before)[:, None]
            errors.append(error / unit)
        state = known.reader.state_after(loop.population, state, start, end)
    found = np.concatenate(errors)
    if seasonal is not None:
        factor = seasonal.factor(found, origins, n_rows - first)
        seasonal = seasonal._replace(phases=seasonal.phases * factor)
        found /= factor[seasonal.times(origins, n_steps)]
    return Loops(found, n_rows - first, base.lag > 0, seasonal)


def given_shares(name: str, given: Any) -> tuple[list[float], bool]:
    """Shares in (0, 1) that the argument `name` gives, and whether it may give several."""
    several = isinstance(given, list | tuple | np.ndarray)
    shares = list(given) if several and np.ndim(given) else [given]
    if not shares:
        raise ValueError(f"{name} must hold at least one number, got {plain(given)!r}.")
    for share in shares:
        if not isinstance(share, int | float | np.integer | np.floating) or not 0 < share < 1:
            raise ValueError(f"{name} must be between 0 and 1, got {plain(share)!r}.")
    return [float(share) for share in shares], several and np.ndim(given) > 0


def n_needed(coverage: float) -> int:
    """Errors that an interval of this coverage needs at least."""
    return max(1, ceil(coverage / (1 - coverage) - 1e-9))


def check_enough(name: str, given: Any, coverage: float, n_errors: int) -> None:
    """Refuse what an interval of this coverage would be read from, where errors are too few for it."""
    if n_errors < n_needed(coverage):
        raise ValueError(
            f"{name}={plain(given)} needs at least {n_needed(coverage)} errors of rows held back, got {n_errors}."
        )


def growth(given: Array, before: Array, coverage: float, half: Array, *, bounded: bool) -> Array:
    """By how much wider intervals (rows, channels) of the next row are after rows of which the last were missing.

    `before` (lag or 1, channels) are the ages of the rows just before these, as of `Simple.ages`. Errors grow with the
    root of the steps; `bounded`, up to those of normal rows around their mean. Where differences are taken over a
    season, what was not measured a season before adds up.
    """
    run, seasons, lag = np.zeros(half.shape), np.zeros(half.shape), len(before)
    ages = before
    for t, row in enumerate(np.isnan(given)):
        ages = _simple.aged(ages, row)
        run[t], seasons[t] = _simple.since(ages), ages[0] // lag if lag > 1 else 0
    wider = np.sqrt(1 + run)
    if bounded:
        most = stats.norm.ppf((1 + coverage) / 2)
        wider = np.where(run > 0, np.maximum(np.minimum(wider, most / np.maximum(half, 1e-300)), 1.0), 1.0)
    return np.asarray(wider * np.sqrt(1 + seasons))


def n_known(errors: Array) -> int:
    """How many of errors (n, ...) are known of each column, at least."""
    return int((~np.isnan(errors)).sum(axis=0).min(initial=len(errors)))


def half_width(error: Array, coverage: float) -> Array:
    """Size that a new error stays below with probability `coverage`, of errors (n, ...)."""
    check_enough("coverage", coverage, coverage, n_known(error))
    return _quantile(np.abs(error), coverage)


def pooled_half_width(error: Array, coverage: float) -> Array:
    """Such sizes (steps, channels) of errors of loops (n, steps, channels), of which there are few.

    Errors in units of the root mean square of their step are pooled with those of steps nearby, and sizes lie between
    two of these.
    """
    check_enough("coverage", coverage, coverage, n_known(error))
    is_known, n_steps = ~np.isnan(error), error.shape[1]
    size = np.sqrt((np.where(is_known, error, 0.0) ** 2).sum(axis=0) / np.maximum(is_known.sum(axis=0), 1))
    relative, half = np.abs(error) / np.where(size > 0, size, 1.0), np.empty(size.shape)
    for step in range(n_steps):
        nearby = np.geomspace((step + 1) / NEARBY, (step + 1) * NEARBY, MOST_NEARBY)
        steps = np.unique(np.clip(np.round(nearby), 1, n_steps).astype(np.intp)) - 1
        ordered = np.sort(relative[:, steps].reshape(-1, error.shape[2]), axis=0)
        last = (~np.isnan(ordered)).sum(axis=0) - 1
        at = np.clip((last + 2) * coverage - 1, 0, last)
        below = np.floor(at).astype(np.intp)
        low, high = (
            np.take_along_axis(ordered, rank[None], axis=0)[0] for rank in (below, np.minimum(below + 1, last))
        )
        half[step] = low + (at - below) * (high - low)
    return np.asarray(half * size)


def series_half_width(known: Record, error: Array, reader: Reader, seen: Array, coverage: float) -> Array:
    """Such sizes (rows, channels) for the last rows of a series, `seen` being the errors of all of them but the last.

    They are those of the latest errors or, while there are too few of these to follow a series that changes, of errors
    in units of the spread before each.
    """
    n_rows = len(seen) + 1
    before, unit = np.ones(error.shape), np.ones((n_rows, error.shape[1]))
    if len(error) < LATEST:
        before, unit = spreads(known.reader, len(error)), spreads(reader, n_rows)
    latest = max(LATEST, ceil(1 / (1 - coverage)))
    columns = zip((error / before).T, (seen / unit[:-1]).T, strict=True)
    return np.stack([_latest_half_width(*each, latest, coverage) for each in columns], axis=1) * unit


def _latest_half_width(error: Array, seen: Array, latest: int, coverage: float) -> Array:
    """The size of one channel for each of the rows of which `seen` are the errors, and for one more.

    It is that of the latest errors before that are known.
    """
    error = error[~np.isnan(error)][-latest:]
    check_enough("coverage", coverage, coverage, len(error))
    there = ~np.isnan(seen)
    windows = sliding_window_view(np.concatenate([error, seen[there]]), len(error))
    pieces = np.array_split(windows, 1 + len(windows) // ROWS_AT_ONCE)
    found = np.concatenate([half_width(piece.T, coverage) for piece in pieces])
    return np.asarray(found[np.concatenate([[0], np.cumsum(there)])])


def lent_errors(error: Array, needed: int, n_channels: int) -> Array:
    """Errors (n, series x channels); a column that has fewer than needed gets those of the columns of other series."""
    known = (~np.isnan(error)).sum(axis=0)
    if (known >= needed).all() or not (known >= needed).any():
        return error
    lent = error.copy()
    for column in np.flatnonzero(known < needed):
        others = error[:, column % n_channels :: n_channels]
        others = others[:, (~np.isnan(others)).sum(axis=0) >= needed]
        if others.size:
            turn = np.arange(len(error)) % others.shape[1]
            lent[:, column] = np.where(np.isnan(lent[:, column]), others[np.arange(len(error)), turn], lent[:, column])
    return lent
