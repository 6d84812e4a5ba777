"""The only training loop: batches, epochs, stopping, best parameters, history."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial
from math import isfinite
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from skdopamine._training.learning_rate import LearningRate
from skdopamine._training.problem import Problem
from skdopamine._training.update import (
    FAR,
    Anchor,
    Settings,
    TrainState,
    begun,
    bounded,
    gone_back,
    is_short,
    jump,
    typical,
    update_step,
)
from skdopamine._typing import Array

MAX_UNDONE, UNDONE = 50, 0.2  # updates that a run may undo, or this share of all


class Origin(NamedTuple):
    """Which rows a batch has, in few bytes, for those who have the same rows."""

    first: int
    last: int
    order: tuple[int, int] | None  # seed and epoch of the order that these are places in; None: that of the rows

    def rows(self, n_rows: int, orders: dict[tuple[int, int], Array]) -> Any:
        """The numbers of the rows; `orders` keeps the latest order, as one batch of an epoch follows the other."""
        if self.order is None:
            return slice(self.first, self.last)
        order = orders.get(self.order)
        if order is None:
            order = epoch_order(n_rows, *self.order)
            orders.clear()
            orders[self.order] = order
        return order[self.first : self.last]


class Seen(NamedTuple):
    """The last batch of an epoch, but for a short one, and what was known before its update."""

    params: Array
    rows: Any
    level: float  # their loss, in which few rows count for little
    limit: float  # from which it has jumped
    mean_level: float = 0.0  # of all batches of the epoch


class Kept(NamedTuple):
    """The best parameters so far."""

    params: Array
    merit: float = -np.inf
    record: float = -np.inf  # merit of the best epoch, whatever that of the start was
    stale: int = 0  # epochs since one was better by the tolerance

    def after(self, merit: float, params: Array, tol: float) -> Self:
        """After an epoch."""
        stale = 0 if merit > self.record + tol else self.stale + 1
        known = self._replace(params=params, merit=merit) if merit > self.merit else self
        return known._replace(record=max(self.record, merit), stale=stale)


class Epoch(NamedTuple):
    """What one epoch has shown."""

    loss: float
    reward_prediction_error: float
    learning_rate: float
    score: float | None = None  # on held-back data


class Ending(StrEnum):
    """How a run has ended."""

    EXHAUSTED = "exhausted"  # all epochs were run
    CONVERGED = "converged"  # nothing improved any more
    INTERRUPTED = "interrupted"  # by the keyboard
    DIVERGED = "diverged"
    STOPPED = "stopped"  # by the observer
    UNDEFINED = "undefined"  # no batch of an epoch had a loss


class NoLossError(Exception):
    """No batch of an epoch has a loss."""


class Result(NamedTuple):
    """End of a run."""

    state: TrainState
    best_params: Array
    epochs: list[Epoch]
    reason: Ending
    cause: str = ""  # of a divergence


class Run(NamedTuple):
    """Where a run stands at the end of an epoch: all that it takes to go on with the same problem and settings."""

    state: TrainState
    start: Anchor  # the parameters that it began with
    kept: Kept
    epochs: list[Epoch]
    limit: float = np.inf  # the loss that is a jump
    last: Seen | None = None  # of the last epoch
    after: float = np.inf  # the loss at its end, as far as it is known
    reason: Ending = Ending.EXHAUSTED  # any other says that no epoch follows


class Observer(Protocol):
    """Reports each epoch."""

    def begin_epoch(self) -> None: ...

    def end_epoch(self, epoch: Epoch, params: Callable[[], Array]) -> bool:
        """True asks to stop. `params` gives the parameters at the end, which may cost an evaluation."""


def epoch_batches(n_rows: int, settings: Settings, epoch: int) -> Iterator[Any]:
    """Index arrays or slices of one epoch; the order is a function of seed and epoch."""
    orders: dict[tuple[int, int], Array] = {}
    return (origin.rows(n_rows, orders) for origin in epoch_origins(n_rows, settings, epoch))


def epoch_origins(n_rows: int, settings: Settings, epoch: int) -> Iterator[Origin]:
    """Which rows the batches of one epoch have."""
    size = settings.batch_size
    shuffle = settings.shuffle and not settings.promises
    order = (settings.seed, settings.first_epoch + epoch) if shuffle else None
    return (Origin(first, min(first + size, n_rows), order) for first in range(0, n_rows, size))


def epoch_order(n_rows: int, seed: int, epoch: int) -> Array:
    """The order of an epoch."""
    rng = np.random.Generator(np.random.PCG64([seed, epoch]))
    return rng.permutation(np.arange(n_rows, dtype=np.min_scalar_type(n_rows)))


def with_origin(batch: Any, origin: Origin) -> Any:
    """The batch, which knows its origin if it has a place for it."""
    return batch._replace(origin=origin) if hasattr(batch, "origin") else batch


def renewed(state: TrainState) -> TrainState:
    """The state before a run, whose rows may be others."""
    anchor = None if state.anchor is None else state.anchor._replace(loss=None)
    return state._replace(undone=0, n_evaluations=0, far=0.0, anchor=anchor)


def begun_on_all(problem: Problem, state: TrainState, settings: Settings) -> tuple[TrainState, float, float]:
    """The state of a run before its first update; the merit that an epoch has to exceed, and the loss that is a jump.

    The loss is that of all batches of the first epoch that have one.
    """
    losses, weights = [], []
    for rows in epoch_batches(problem.n_rows(), settings, 0):
        batch = problem.batch(rows)
        of_batch = problem.losses(state.params, batch)
        if not np.isnan(of_batch).all():
            losses.append(of_batch)
            weights.append(batch.share[:, 0] * batch.total)
    state = state._replace(n_evaluations=state.n_evaluations + problem.n_rows())
    if not losses:
        return state, -np.inf, np.inf
    loss, weight = np.concatenate(losses), np.concatenate(weights)
    del losses, weights  # of many rows, what is in memory here is the most of a fit
    weight /= weight.sum()
    state = begun(state, typical(loss, weight))
    level = bounded(loss, weight, 2 * state.far)
    limit = jump(level, state, problem.n_rows())
    return state, -limit if settings.in_stream else -level, limit


def reason_to_tell(rule: LearningRate, settings: Settings, reason: Ending, limit: float) -> tuple[Ending, str]:
    """How a run has ended in which the loss jumped beyond a limit, so that the start is kept; and why.

    It has diverged if nothing else is said of it and the rule lets any jump stand, so that it will not slow down.
    """
    silent = reason is Ending.CONVERGED or settings.in_stream
    if silent and rule.tolerates(-abs(limit), abs(limit), 0.0):
        return Ending.DIVERGED, "it jumped, and no epoch was better than the start"
    return reason, ""


def run_epoch(
    problem: Problem, rule: LearningRate, state: TrainState, settings: Settings, epoch: int
) -> tuple[TrainState, Epoch, Seen, str]:
    """One pass over all batches; also return what was seen of the last one, and why the run is lost, if it is."""
    n_rows, undone = problem.n_rows(), state.undone
    total = level = weight = 0.0
    errors = []
    n_batches = -(-n_rows // settings.batch_size)
    batches = zip(epoch_batches(n_rows, settings, epoch), epoch_origins(n_rows, settings, epoch), strict=True)
    for i, (rows, origin) in enumerate(batches):
        batch, before = with_origin(problem.batch(rows), origin), state.params
        progress = 0.0
        if settings.schedule:  # the first epoch is at the full rate, so that it equals a pass of partial_fit
            progress = max(0.0, (epoch - 1 + i / n_batches) / max(1, settings.schedule - 1))
        state, estimate, error = update_step(problem, rule, state, batch, settings, progress)
        if not estimate.defined:
            continue
        losses, share, size = estimate.losses, batch.share[:, 0], batch.total
        total += float((losses if estimate.told is None else estimate.told) @ share) * size
        mean = bounded(losses, share, 2 * state.far)
        level += mean * size
        if not weight or not is_short(share, settings):
            last = Seen(before, rows, mean, jump(mean, state, len(share)))
        weight += size
        del batch, estimate  # before the next ones are made
        if error is not None:
            errors.append(error)
    if not weight:
        raise NoLossError
    rate = rule.step_rate(state.rate, progress)
    error = float(np.mean(errors)) if errors else state.last_error
    last = last._replace(mean_level=level / weight)
    cause = why_lost(total / weight, last.mean_level, state.undone - undone, state)
    return state._replace(last_error=error), Epoch(total / weight, error, rate), last, cause


def looked_at(problem: Problem, state: TrainState, last: Seen) -> tuple[TrainState, float]:
    """Evaluate the parameters at the end of an epoch on its last batch: their loss, infinite if nothing finite is."""
    batch = problem.batch(last.rows)
    losses, share = problem.losses(state.params, batch), batch.share[:, 0]
    state = state._replace(n_evaluations=state.n_evaluations + len(losses))
    finite = isfinite(float(losses @ share)) and np.isfinite(state.params).all()
    return state, bounded(losses, share, 2 * state.far) if finite else np.inf


def shown(problem: Problem, state: TrainState, last: Seen, params: Array) -> Array:
    """The parameters at the end of an epoch, or `params` before the last update where that is unseen and a jump."""
    stands = params is last.params and looked_at(problem, state, last)[1] <= last.limit
    return state.params if stands else params


def why_lost(loss: float, level: float, n_undone: int, state: TrainState) -> str:
    """Why a run is lost after an epoch with `n_undone` updates undone; empty if it is not."""
    if not (isfinite(loss) and np.isfinite(state.params).all()):
        return "the loss is no longer finite"
    if n_undone == 0 and level > state.far:
        return f"the loss of most rows is more than {FAR:g} times what it was at the start"
    lost = state.undone > max(MAX_UNDONE, UNDONE * state.update)
    return f"more than {MAX_UNDONE} updates made it jump and were undone" if lost else ""


def run_begun(problem: Problem, state: TrainState, settings: Settings, *, scored: bool) -> Run:
    """A run before its first epoch; `scored` says that parameters are not judged by the training loss."""
    start, kept, limit = Anchor(state.params, state.memory, -1), Kept(state.params), np.inf
    if problem.n_rows() > settings.batch_size:
        state, merit, limit = begun_on_all(problem, state, settings)
        kept = kept._replace(merit=-np.inf if scored else merit)
    return Run(state, start, kept, [], limit)


def run_ended(problem: Problem, rule: LearningRate, run: Run, settings: Settings, *, at_start: bool) -> Result:
    """The result of a run that has not diverged; with `at_start` an epoch has the loss of the parameters before it."""
    state, start, kept, epochs, limit, last, after, reason = run
    cause = ""
    if last is not None:
        if at_start:
            state, after = looked_at(problem, state, last)
            kept = kept.after(-after, state.params, settings.tol)
        if kept.params is start.params and max(last.mean_level, after) > limit:
            state = gone_back(state, start, rule.reject(state.rate))
            reason, cause = reason_to_tell(rule, settings, reason, limit)
    return Result(state, kept.params, epochs, reason, cause)


def train(
    problem: Problem,
    rule: LearningRate,
    state: TrainState,
    settings: Settings,
    *,
    score: Callable[[Array], float] | None = None,
    told_score: Callable[[Array], float] | None = None,
    observer: Observer | None = None,
    run: Run | None = None,
    watch: Callable[[Run], None] | None = None,
) -> Result:
    """Epochs until the schedule ends, nothing improves, or somebody says stop; the best parameters are kept throughout.

    Better means a lower training loss or, with `score`, a higher score of the parameters on held-back data. An update
    that has made the loss of its batch jump is not taken for the end of an epoch, and where no epoch is better than the
    start, the start is kept. With `told_score`, that is reported instead.

    `watch` sees where the run stands after each epoch; with such a `run`, training goes on there.
    """
    kept, reason, cause, epochs = Kept(state.params), Ending.EXHAUSTED, "", list[Epoch]()
    state = renewed(state)
    # the loss of an epoch of one batch is that of the parameters at its start; those at the end are evaluated last
    one_batch = problem.n_rows() <= settings.batch_size
    at_start = score is None and one_batch and not (settings.in_stream or settings.nothing_kept)
    try:
        run = run or run_begun(problem, state, settings, scored=score is not None)
        (state, start, kept, epochs, limit, last, after, reason), run = run, None  # only the latest state is in memory
        while len(epochs) < settings.n_epochs and reason is Ending.EXHAUSTED:
            if observer is not None:
                observer.begin_epoch()
            state, summary, last, cause = run_epoch(problem, rule, state, settings, len(epochs))
            level = last.mean_level
            if cause:
                return Result(state, kept.params, epochs, Ending.DIVERGED, cause)
            limit = jump(level, state, problem.n_rows()) if one_batch and not epochs else limit
            state, after = (state, last.level) if at_start or settings.nothing_kept else looked_at(problem, state, last)
            params, merit = last.params if at_start or after > last.limit else state.params, -level
            if score is not None:
                if not epochs and max(level, after) > limit:  # the start may be better
                    kept = kept._replace(merit=score(start.params))
                merit = score(params)
                summary = summary._replace(score=merit if told_score is None else told_score(params))
            epochs.append(summary)
            unlearnt = score is None and settings.tol < settings.plateau_above * (state.reference or 0.0) < level
            kept = kept.after(merit, params, -np.inf if unlearnt else settings.tol)
            stop = observer is not None and observer.end_epoch(summary, partial(shown, problem, state, last, params))
            if stop or kept.stale > settings.n_iter_no_change:
                reason = Ending.STOPPED if stop else Ending.CONVERGED
            if watch is not None:
                watch(Run(state, start, kept, epochs, limit, last, after, reason))
        run = Run(state, start, kept, epochs, limit, last, after, reason)
        return run_ended(problem, rule, run, settings, at_start=at_start)
    except KeyboardInterrupt:
        reason = Ending.INTERRUPTED
    except NoLossError:
        reason = Ending.UNDEFINED
    return Result(state, kept.params, epochs, reason, cause)
