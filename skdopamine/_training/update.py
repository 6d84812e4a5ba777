"""One update of a training run: what it carries along, how a past step is judged, and the next step.

A step is Adam's (Kingma and Ba, 2015) with the credit estimate in place of the gradient. Every few updates the
parameters of an earlier update are evaluated once more, on the minibatch at hand, which that update has not seen. The
difference is the reward prediction error that moves the learning rate; where the loss has jumped, the update is undone.
"""

from math import isfinite, sqrt
from typing import NamedTuple

import numpy as np

from skdopamine._training.learning_rate import Judgement, LearningRate, RateState
from skdopamine._training.problem import Estimate, Problem, Rows
from skdopamine._typing import Array

SECOND_DECAY = 0.999
EPSILON = 1e-8
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


def init_state(params: Array, problem: Problem, rule: LearningRate) -> TrainState:
    """Fresh state for given parameters."""
    return TrainState(params, np.zeros_like(params), np.zeros_like(params), problem.init_memory(), rule.init())


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
    below = share[order].astype(np.float64, copy=False)
    np.cumsum(below, out=below)
    half = below[-1] * (0.5 + EVEN * np.array([-1, 1]))
    low, high = values[order[np.searchsorted(below, half)]]
    return float(low if low == high else (low + high) / 2)


def typical(losses: Array, share: Array) -> float:
    """Mean loss that few wild rows cannot move: none counts for more than WILD times the median one."""
    if np.isnan(losses).any():
        losses = np.where(np.isnan(losses), np.inf, losses)
    most = WILD * median(np.abs(losses), share)
    return bounded(losses, share, most) if most > 0 else float(losses @ share)


def begun(state: TrainState, start: float) -> TrainState:
    """The state of a run whose typical loss is `start` before anything is learnt."""
    reference = start if state.reference is None else state.reference
    return state._replace(reference=reference, far=FAR * max(abs(start), abs(reference)) + 1)


def jump(level: float, state: TrainState, n_rows: int) -> float:
    """The loss from which one that was `level` on these rows has jumped; few rows tell only what is far off."""
    if n_rows * FEW < 1:
        return max(level, state.far)
    return level + JUMP * max(abs(level), LEAST_JUMP * abs(state.reference or 0.0))


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
