"""How far off forecasts are on rows that a readout has not learnt from, and hence how wide the intervals are."""

from collections.abc import Callable, Sequence
from functools import partial
from math import ceil
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy import stats

from skdopamine._esn import simple as _simple
from skdopamine._esn.forecast import Reader, predicted
from skdopamine._esn.loop import Loop
from skdopamine._esn.reservoir import Population, by_member
from skdopamine._esn.simple import Simple
from skdopamine._estimator.validation import plain
from skdopamine._typing import Array

MOST_ROWS = 4000  # kept at most
STRETCH = 500  # rows of a stream for which one readout judges the closed loops
ORIGINS = 200  # closed loops that estimate the spread of their errors
MOST_SHARED = 4  # of many series each has this part of them at least
LATEST = 250  # errors that estimate the width of intervals along a series
SPREAD_ROWS = 24  # rows before a closed loop; their spread is the unit of its errors
SHARE_OF_ALL = 0.01  # share of all rows in the square of that unit, which is then never zero
ROWS_AT_ONCE = 2000
FEWEST_WHOLE = 9  # loops without a gap that paths are drawn from
MOST_POOLED, MOST_LENDERS = 400, 100  # loops, and series that they are of, that serve one that is none of them
MOST_COLUMNS = 20_000  # closed loops, of all series, that are run at once
FEW_LOOPS, FEW_INDEPENDENT = 100, 40  # in fewer, errors above and below are taken to be alike
LOOP_WORTH, LEAST_WORTH = 1.0, 2.0  # degrees of freedom that a loop adds to a spread, and that few have
NEARBY, MOST_NEARBY = 3.0, 9  # steps within this factor count together, so many of them
PRIOR_SEASONS = 6.0  # of errors as they are at all times
PRIOR_LATELY = 6.0  # errors as they are at all times
PRIOR_CYCLES = 12.0  # of loops as long
MIDDLE = 0.5  # the share of a median
FEW_PHASES, LEAST_PERIOD = 24, 4  # a longer season may be one of a part of it, of at least so many rows
PHASES_APART = (24, 12, 8)  # of such a season, times within one of so many parts may count together
MOST_FOLDS = 8
NOTHING = Simple()


class Judge(NamedTuple):
    """A readout that has not learnt from the rows from `first` up to those of the next judge."""

    first: int
    readout: Array


class Record(NamedTuple):
    """Rows whose errors are known, in training units; those before the first judge's are history."""

    reader: Reader
    target: Array  # (rows of the reader, targets)
    state: Array  # before the first judge's first row
    judges: tuple[Judge, ...]
    counts_from: int  # errors one step ahead count from this row on
    errors: Array | None  # one step ahead, (rows from the first judge's on, targets), by the readout of their time

    def spans(self) -> list[tuple[Array, int, int]]:
        """Readout, first row and row after the last of each judge."""
        ends = [*(judge.first for judge in self.judges[1:]), len(self.target)]
        return [(judge.readout, judge.first, end) for judge, end in zip(self.judges, ends, strict=True)]

    def of_series(self, chosen: npt.NDArray[np.intp]) -> Self:
        """Of some of several series that stand side by side, of which errors one step ahead are not asked for."""
        if len(chosen) == self.reader.n_series:
            return self
        target = self.target.reshape(len(self.target), self.reader.n_series, -1)[:, chosen]
        return self._replace(
            reader=self.reader.of_series(chosen),
            target=target.reshape(len(target), -1),
            state=self.state[:, chosen],
            errors=None,
        )


def record(
    reader: Reader, target: Array, state: Array, judges: Sequence[Judge], counts_from: int, history: int
) -> Record:
    """Record of the rows from the first judge's on, with copies of these and of the `history` before.

    Its errors wait until they are asked for.
    """
    first = max(0, judges[0].first - history)
    rows = reader.part(first, len(target))
    moved = tuple(judge._replace(first=judge.first - first) for judge in judges)
    return Record(rows, target[first:].copy(), state, moved, counts_from - first, None)


def extended(
    known: Record, further: Reader, target: Array, errors: Array, readout: Array, population: Population
) -> Record:
    """Append the rows that follow and their errors by `readout`, which has not learnt from them; drop the oldest.

    A readout judges closed loops for a stretch of rows, even if it has been replaced meanwhile.
    """
    judges, reader = known.judges, known.reader.joined(further)
    if len(known.target) - judges[-1].first >= STRETCH:
        judges = (*judges, Judge(len(known.target), readout))
    target, first = np.concatenate([known.target, target]), judges[0].first
    excess = max(0, len(target) - first - MOST_ROWS)
    state = reader.state_after(population, known.state, first, first + excess)
    rows = reader.part(excess, len(reader.inputs))
    moved = [judge._replace(first=max(first, judge.first - excess)) for judge in judges]
    last = max(i for i, judge in enumerate(moved) if judge.first == first)
    errors = np.concatenate([one_step_errors(known, population), errors])[-MOST_ROWS:]
    return Record(
        rows, target[excess:].copy(), state, tuple(moved[last:]), max(first, known.counts_from - excess), errors
    )


def one_step_errors(known: Record, population: Population) -> Array:
    """Errors (rows, targets) one step ahead, by the judges where they are not known yet."""
    if known.errors is not None:
        return known.errors
    state, errors = known.state, []
    for readout, first, end in known.spans():
        errors.append(known.target[first:end] - predicted(known.reader, population, readout, state, first, end))
        state = known.reader.state_after(population, state, first, end)
    return np.concatenate(errors)


def held_errors(known: Record, population: Population) -> Array:
    """Errors one step ahead of the rows that count, nan where the target is not known."""
    return one_step_errors(known, population)[known.counts_from - known.judges[0].first :]


class Loops(NamedTuple):
    """Errors of closed loops over rows held back, as far ahead as there are enough loops."""

    errors: Array  # (origins, steps, columns), in the unit of the row that was forecast; nan where it is not known
    n_rows: Any  # held back, that loops end in: of all columns, or of each
    adds_up: bool = True  # whether errors add up over steps that were bridged, as those of differences do
    seasonal: "Seasonal | None" = None  # that unit, with a season

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
    seasonal: "Seasonal | None" = None,
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


class Seasonal(NamedTuple):
    """Unit of errors at a time of the season, after a row: the error one step ahead at that time, and lately."""

    phases: Array  # (rows of the season or of a part of it, channels), that of target 0 being the first
    lately: Array  # (targets from the first judged one on + 1, channels): the factor of forecasts that begin with each
    first: int  # target that is judged first
    around: int  # times of the season before and after one that count with it

    @classmethod
    def of(cls, known: Record, population: Population, season: int) -> Self:
        """Of the errors one step ahead, root mean squares.

        A time of a long season counts with those around, and both means with some errors of all times.
        """
        first = known.judges[0].first
        squares = one_step_errors(known, population)[:, : known.reader.inputs.shape[-1]] ** 2
        is_known = ~np.isnan(squares)
        squares = np.where(is_known, squares, 0.0)
        n_known = is_known.sum(axis=0)
        mean = squares.sum(axis=0) / np.maximum(n_known, 1)
        if (n_known > 0).any():  # of a series without an error it is that of the others
            mean = np.where(n_known > 0, mean, mean[n_known > 0].mean())
        mean = np.maximum(mean, np.finfo(float).tiny)
        period, around = _period((squares / mean).sum(axis=1), is_known.sum(axis=1), first, season)
        phase = np.arange(first, first + len(squares)) % period
        total, count = (_around(_by_phase(values, phase, period), around) for values in (squares, is_known))
        phases = (total + PRIOR_SEASONS * mean) / (count + PRIOR_SEASONS)
        n = max(SPREAD_ROWS, 2 * season)
        sums, counts = (
            np.concatenate([np.zeros((1, squares.shape[1])), np.cumsum(values, axis=0)])
            for values in (squares / phases[phase], is_known)
        )
        ends = np.arange(len(sums))
        begins = np.maximum(ends - n, 0)
        lately = (sums[ends] - sums[begins] + PRIOR_LATELY) / (counts[ends] - counts[begins] + PRIOR_LATELY)
        return cls(np.sqrt(phases), np.sqrt(lately), first, around)

    def of_columns(self, columns: npt.NDArray[np.intp]) -> Self:
        """Of some of the columns."""
        return self._replace(phases=self.phases[:, columns], lately=self.lately[:, columns])

    def at(self, begins: Array, n_steps: int) -> Array:
        """Units (forecasts, n_steps, channels) of forecasts whose first target has this number."""
        lately = self.lately[np.clip(begins - self.first, 0, len(self.lately) - 1)]
        return np.asarray(self.phases[self.times(begins, n_steps)] * lately[:, None])

    def times(self, begins: Array, n_steps: int) -> Array:
        """Times of the season (forecasts, n_steps) of such forecasts."""
        return np.asarray((begins[:, None] + np.arange(n_steps)) % len(self.phases))

    def factor(self, errors: Array, begins: Array, n_rows: int) -> Array:
        """By how much errors of loops over so many rows differ at each time of the season, (rows of it, channels).

        Those of each step (forecasts, n_steps, channels) are compared with each other, and count with some cycles of
        loops without a difference.
        """
        is_known, period = ~np.isnan(errors), len(self.phases)
        squares = np.where(is_known, errors, 0.0) ** 2
        size = squares.sum(axis=0) / np.maximum(is_known.sum(axis=0), 1)
        squares = squares / np.where(size > 0, size, 1.0)
        phase = self.times(begins, errors.shape[1]).ravel()
        flat = (values.reshape(len(phase), -1) for values in (squares, is_known))
        total, count = (_around(_by_phase(values, phase, period), self.around) for values in flat)
        worth = n_rows / period * np.minimum(1.0, count / np.maximum(count.mean(axis=0), 1.0))
        share = total / np.maximum(count, 1)
        return np.asarray(np.sqrt((share * worth + PRIOR_CYCLES) / (worth + PRIOR_CYCLES)))


def _period(squares: Array, count: Array, first: int, season: int) -> tuple[int, int]:
    """Rows of the season of errors, and how many times before and after one count with it.

    A week may have the pattern of a day. The one is taken that tells errors of other seasons best: `squares` (rows,)
    are sums of so many, in units of their mean, the first being that of target `first`.
    """
    if season <= FEW_PHASES:
        return season, 0
    rows, best = np.arange(len(squares)), (np.inf, season, 0)
    n_folds = max(2, min(MOST_FOLDS, len(rows) // season))
    fold = rows // season % n_folds
    for period in (n for n in range(LEAST_PERIOD, season + 1) if season % n == 0):
        phase = (first + rows) % period
        cell = fold * period + phase
        of_fold = [
            np.bincount(cell, values, n_folds * period).reshape(n_folds, period).T for values in (squares, count)
        ]
        for around in sorted({0, *(period // part for part in PHASES_APART)}):
            total, known = (_around(values, around) for values in of_fold)
            others = [values.sum(axis=1, keepdims=True) - values for values in (total, known)]
            mean = ((others[0] + PRIOR_SEASONS) / (others[1] + PRIOR_SEASONS))[phase, fold]
            best = min(best, (float((count * np.log(mean) + squares / mean).sum()), period, around))
    return best[1:]


def _by_phase(values: Array, phase: Array, period: int) -> Array:
    """Sums of values (n, columns) at each of the times (n,) of a season, (period, columns)."""
    return np.stack([np.bincount(phase, column, period) for column in values.T], axis=1)


def _around(values: Array, n: int) -> Array:
    """Sums of values (season, columns) over the n times of the season before each, itself, and the n after."""
    turned = np.concatenate([values[len(values) - n :], values, values[:n]])
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(turned, axis=0)])
    return np.asarray(sums[2 * n + 1 :] - sums[: len(values)])


def spread(rows: Array) -> Array:
    """Unit of the errors of closed loops, (..., channels), after rows (..., n, channels) in training units.

    Shorter windows than `SPREAD_ROWS` count for less, and so do those in which rows are missing (nan).
    """
    is_known = ~np.isnan(rows)
    if is_known.all():
        weight = (1 - SHARE_OF_ALL) * min(1.0, rows.shape[-2] / SPREAD_ROWS)
        return np.asarray(np.sqrt(weight * rows.var(axis=-2) + 1 - weight))
    count = is_known.sum(axis=-2)
    mean = np.where(is_known, rows, 0.0).sum(axis=-2) / np.maximum(count, 1)
    squares = np.where(is_known, (rows - mean[..., None, :]) ** 2, 0.0).sum(axis=-2)
    weights = (1 - SHARE_OF_ALL) * np.minimum(1.0, count / SPREAD_ROWS)
    return np.asarray(np.sqrt(weights * squares / np.maximum(count, 1) + 1 - weights))


def spreads(reader: Reader, n_rows: int) -> Array:
    """Those units (rows, channels) after each of the last rows of a reader."""
    n = len(reader.inputs)
    return spread(reader.known(np.arange(n - n_rows, n), SPREAD_ROWS))


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
