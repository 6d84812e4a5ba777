"""The only training loop: batches, steps, the judgement of past steps, stopping, best parameters, history.

A step is Adam's (Kingma and Ba, 2015) with the credit estimate in place of the gradient. Every few updates the
parameters of an earlier update are evaluated once more, on the minibatch at hand, which that update has not seen. The
difference is the reward prediction error that moves the learning rate; where the loss has jumped, the update is undone.
"""

from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import lru_cache, partial
from math import isfinite, sqrt
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from skdopamine._training.learning_rate import Judgement, LearningRate, RateState
from skdopamine._training.problem import Estimate, Problem, Rows
from skdopamine._typing import Array

SECOND_DECAY = 0.999
EPSILON = 1e-8
MAX_UNDONE, UNDONE = 50, 0.2  # updates that a run may undo, or this share of all
WILD = 100.0  # a row counts for at most this many times the median loss where a run begins
FAR = 10.0  # a run is lost beyond this many times its loss at the start
# the loss may rise by no more than these shares of itself, and of that at the start, at the end of an epoch:
JUMP, LEAST_JUMP = 0.5, 0.2
FEW = 1 / 40  # this share of the rows of a batch cannot make its loss jump
EVEN = 1e-9  # of the total: halves that differ by less are equal but for rounding


class Anchor(NamedTuple):
    """An earlier update, to be judged, or to go back to."""

    params: Array
    memory: tuple[Array, ...]
    update: int  # -1: training went back to it, and does not judge it again
    loss: float | None = None  # of its batch, where each batch has all rows
    promised: float = 0.0  # gain of the loss that its step was to bring


class Origin(NamedTuple):
    """Which rows a batch has, in few bytes, for those who have the same rows."""

    first: int
    last: int
    order: tuple[int, int] | None  # seed and epoch of the order that these are places in; None: that of the rows

    def rows(self, n_rows: int) -> Any:
        """The numbers of the rows."""
        return slice(*self[:2]) if self.order is None else _kept_order(n_rows, *self.order)[self.first : self.last]


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


class TrainState(NamedTuple):
    """All that a training run carries from one update to the next. Replaced, never mutated."""

    params: Array  # (n_parameters,)
    credit_mean: Array  # (n_parameters,) running mean of the credit
    credit_square: Array  # (n_parameters,) running mean of its square
    memory: tuple[Array, ...]  # what the credit rule carries along: critics, or the best members
    rate: RateState
    update: int = 0  # updates tried
    steps: int = 0  # updates that the running means have seen
    undone: int = 0
    reference: float | None = None  # typical loss where learning began
    n_evaluations: int = 0  # of the present run
    last_error: float = 0.0  # mean reward prediction error of the last epoch that had one
    anchor: Anchor | None = None
    far: float = 0.0  # loss beyond which this run is lost; 0 before its first batch


class Settings(NamedTuple):
    """How to train."""

    n_epochs: int
    schedule: int  # epochs over which the rate is annealed; 0 = never
    first_epoch: int  # epochs that earlier runs have made
    batch_size: int
    nominal_batch: int  # rows that the standard error of a judgement is scaled to
    shuffle: bool
    momentum: float
    tol: float
    n_iter_no_change: float  # a count, or infinity
    seed: int
    plateau_above: float = np.inf  # while the loss exceeds this fraction of the first one, a plateau is not convergence
    step_scale: Array | float = 1.0  # size of a unit step, per parameter
    normalised: bool = True  # whether a step is Adam's; otherwise it is the credit itself
    promises: bool = False  # whether each batch has all rows, and a step is judged by what its credit has promised
    nothing_kept: bool = False  # whether all that counts is what the observer sees, the last updates as they are
    in_stream: bool = False  # whether the last parameters are kept, unless they have made the loss jump
    signs: Array | None = None  # (n_parameters,) that parameters must have, 0: any


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


def init_state(params: Array, problem: Problem, rule: LearningRate) -> TrainState:
    """Fresh state for given parameters."""
    return TrainState(params, np.zeros_like(params), np.zeros_like(params), problem.init_memory(), rule.init())


def epoch_batches(n_rows: int, settings: Settings, epoch: int) -> Iterator[Any]:
    """Index arrays or slices of one epoch; the order is a function of seed and epoch."""
    origins = epoch_origins(n_rows, settings, epoch)
    if origins[0].order is None:
        yield from (origin.rows(n_rows) for origin in origins)
    else:
        order = epoch_order(n_rows, *origins[0].order)
        yield from (order[origin.first : origin.last] for origin in origins)


def epoch_origins(n_rows: int, settings: Settings, epoch: int) -> list[Origin]:
    """Which rows the batches of one epoch have."""
    size = settings.batch_size
    shuffle = settings.shuffle and not settings.promises
    order = (settings.seed, settings.first_epoch + epoch) if shuffle else None
    return [Origin(first, min(first + size, n_rows), order) for first in range(0, n_rows, size)]


def epoch_order(n_rows: int, seed: int, epoch: int) -> Array:
    """The order of an epoch."""
    rng = np.random.Generator(np.random.PCG64([seed, epoch]))
    return rng.permutation(np.arange(n_rows, dtype=np.min_scalar_type(n_rows)))


_kept_order = lru_cache(maxsize=1)(epoch_order)  # where one batch of an epoch is asked for after the other


def with_origin(batch: Any, origin: Origin) -> Any:
    """The batch, which knows its origin if it has a place for it."""
    return batch._replace(origin=origin) if hasattr(batch, "origin") else batch


def judge(before: Array, after: Array, share: Array, nominal_batch: int) -> tuple[float, float]:
    """Reward prediction error of an update: in units of the loss, and of its standard error on `nominal_batch` rows.

    There is none where the loss before was not finite.
    """
    if not np.isfinite(before).all():
        return 0.0, 0.0
    gain = before - after
    mean = float(gain @ share)  # expected minus actual
    variance = max(float((gain * gain) @ share) - mean * mean, 0.0)
    if variance == 0.0:
        return mean, 0.0 if mean == 0.0 else float(np.copysign(np.inf, mean))
    return mean, mean / sqrt(variance / nominal_batch)


def bounded(losses: Array, share: Array, most: float) -> float:
    """Mean loss in which no row counts for more than `most`."""
    return float(np.clip(losses, -most, most) @ share)


def median(values: Array, share: Array) -> float:
    """Median of values that count by their share, so that one of share two is as two equal ones."""
    order = np.argsort(values)
    below = np.cumsum(share[order], dtype=np.float64)
    half = below[-1] * (0.5 + EVEN * np.array([-1, 1]))
    low, high = values[order[np.searchsorted(below, half)]]
    return float(low if low == high else (low + high) / 2)


def typical(losses: Array, share: Array) -> float:
    """Mean loss that few wild rows cannot move: none counts for more than WILD times the median one."""
    losses = np.where(np.isnan(losses), np.inf, losses)
    most = WILD * median(np.abs(losses), share)
    return bounded(losses, share, most) if most > 0 else float(losses @ share)


def renewed(state: TrainState) -> TrainState:
    """The state before a run, whose rows may be others."""
    anchor = None if state.anchor is None else state.anchor._replace(loss=None)
    return state._replace(undone=0, n_evaluations=0, far=0.0, anchor=anchor)


def begun(state: TrainState, start: float) -> TrainState:
    """The state of a run whose typical loss is `start` before anything is learnt."""
    reference = start if state.reference is None else state.reference
    return state._replace(reference=reference, far=FAR * max(abs(start), abs(reference)) + 1)


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
    weight /= weight.sum()
    state = begun(state, typical(loss, weight))
    level = bounded(loss, weight, 2 * state.far)
    limit = jump(level, state, problem.n_rows())
    return state, -limit if settings.in_stream else -level, limit


def jump(level: float, state: TrainState, n_rows: int) -> float:
    """The loss from which one that was `level` on these rows has jumped; few rows tell only what is far off."""
    if n_rows * FEW < 1:
        return max(level, state.far)
    return level + JUMP * max(abs(level), LEAST_JUMP * abs(state.reference or 0.0))


def reason_to_tell(rule: LearningRate, settings: Settings, reason: Ending, limit: float) -> tuple[Ending, str]:
    """How a run has ended in which the loss jumped beyond a limit, so that the start is kept; and why.

    It has diverged if nothing else is said of it and the rule lets any jump stand, so that it will not slow down.
    """
    silent = reason is Ending.CONVERGED or settings.in_stream
    if silent and rule.tolerates(-abs(limit), abs(limit), 0.0):
        return Ending.DIVERGED, "it jumped, and no epoch was better than the start"
    return reason, ""


def is_short(share: Array, settings: Settings) -> bool:
    """Whether a last batch has so few rows that it says too little."""
    return 4 * len(share) < settings.batch_size


def few_rows_alone(mean: float, standardised: float, nominal_batch: int) -> bool:
    """Whether FEW of the rows can have made an error: k of n rows, alike, have mean^2 / variance = k / (n - k)."""
    return mean < 0 and standardised * standardised < FEW * nominal_batch


def update_step(
    problem: Problem, rule: LearningRate, state: TrainState, batch: Rows, settings: Settings, progress: float
) -> tuple[TrainState, Estimate, float | None]:
    """One update: new state, its estimate, and the reward prediction error of the last update if it was judged."""
    estimate = problem.credit(state.params, state.memory, batch, state.update)
    if not estimate.defined:  # no update: the next batch that has a loss judges the last one
        return state._replace(n_evaluations=state.n_evaluations + estimate.n_evaluations), estimate, None
    share = batch.share[:, 0]
    if not state.far:  # the first batch of a run of one batch
        state = begun(state, typical(estimate.losses, share))
    loss, rate, error, anchor = float(estimate.losses @ share), state.rate, None, state.anchor
    n_evaluations = state.n_evaluations + estimate.n_evaluations
    jumped = not isfinite(loss)
    if anchor is not None and anchor.update == state.update - 1 and not is_short(share, settings):
        judgement, few_alone, spent = judged(problem, anchor, estimate.losses, batch, settings)
        n_evaluations += spent
        error = judgement.gain
        jumped = jumped or not (few_alone or rule.tolerates(loss + error, loss, state.reference or 0.0))
        if not jumped:
            rate = rule.update(rate, judgement)
    if jumped and anchor is not None:
        undone = gone_back(state, anchor, rule.reject(rate))
        return undone._replace(n_evaluations=n_evaluations), estimate, error
    step_rate = rule.step_rate(rate, progress)
    if rule.judges(rate):
        known = loss if settings.promises else None
        anchor = Anchor(state.params, state.memory, state.update, known, step_rate * estimate.promised)
    if settings.normalised:
        first, second, step = adam_step(state, estimate.credit, settings.momentum)
    else:
        first, second, step = state.credit_mean, state.credit_square, estimate.credit.copy()
    step *= step_rate * settings.step_scale
    advanced = TrainState(
        params=landed(state.params, step, estimate, settings.signs),
        credit_mean=first,
        credit_square=second,
        memory=estimate.memory,
        rate=rule.advance(rate),
        update=state.update + 1,
        steps=state.steps + settings.normalised,
        undone=state.undone,
        reference=state.reference,
        far=state.far,
        n_evaluations=n_evaluations,
        last_error=state.last_error,
        anchor=anchor,
    )
    return advanced, estimate, error


def judged(
    problem: Problem, anchor: Anchor, losses: Array, batch: Rows, settings: Settings
) -> tuple[Judgement, bool, int]:
    """What the update since the anchor has brought, whether few rows alone may have made it, and evaluations spent.

    Where each batch has all rows, the loss at the anchor is known.
    """
    share = batch.share[:, 0]
    if anchor.loss is not None:
        gain = anchor.loss - float(losses @ share)
        return Judgement(gain, 0.0, anchor.promised), False, 0
    before = problem.losses(anchor.params, batch)
    if settings.promises:  # the same bits as where the loss is known
        return Judgement(float(before @ share) - float(losses @ share), 0.0, anchor.promised), False, len(before)
    gain, standardised = judge(before, losses, share, settings.nominal_batch)
    few_alone = few_rows_alone(gain, standardised, settings.nominal_batch)
    return Judgement(gain, standardised, anchor.promised), few_alone, len(before)


def landed(params: Array, step: Array, estimate: Estimate, signs: Array | None) -> Array:
    """Where a step ends."""
    end = within(params - step, signs)
    return end if estimate.settled is None else estimate.settled(params, end)


def within(params: Array, signs: Array | None) -> Array:
    """The nearest parameters none of which has the opposite of the sign that it must have."""
    return params if signs is None else np.where(params * signs < 0, params.dtype.type(0), params)


def gone_back(state: TrainState, anchor: Anchor, rate: RateState) -> TrainState:
    """The state without the updates since an earlier one."""
    nothing = np.zeros_like(anchor.params)  # the running means pointed the wrong way, so reset them
    return state._replace(
        params=anchor.params,
        memory=anchor.memory,
        credit_mean=nothing,
        credit_square=nothing,
        rate=rate,
        update=state.update + 1,
        steps=0,
        undone=state.undone + 1,
        anchor=anchor._replace(update=-1),
    )


def adam_step(state: TrainState, credit: Array, momentum: float) -> tuple[Array, Array, Array]:
    """New moments, and the step of unit rate: m_hat / (sqrt(v_hat) + eps)."""
    t = state.steps + 1
    first = state.credit_mean * momentum
    first += (1 - momentum) * credit
    second = state.credit_square * SECOND_DECAY
    step = credit * credit
    step *= 1 - SECOND_DECAY
    second += step
    # m_hat / (sqrt(v_hat) + eps) = m / (sqrt(v) + eps') * sqrt(1 - b2^t) / (1 - b1^t)
    correction = sqrt(1 - SECOND_DECAY**t)
    np.sqrt(second, out=step)
    step += EPSILON * correction
    np.divide(first, step, out=step)
    step *= correction / (1 - momentum**t)
    return first, second, step


def run_epoch(
    problem: Problem, rule: LearningRate, state: TrainState, settings: Settings, epoch: int
) -> tuple[TrainState, Epoch, Seen, str]:
    """One pass over all batches; also return what was seen of the last one, and why the run is lost, if it is."""
    n_rows, undone = problem.n_rows(), state.undone
    total = level = weight = 0.0
    errors = []
    n_batches = -(-n_rows // settings.batch_size)
    origins = epoch_origins(n_rows, settings, epoch)
    for i, rows in enumerate(epoch_batches(n_rows, settings, epoch)):
        batch, before = with_origin(problem.batch(rows), origins[i]), state.params
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
