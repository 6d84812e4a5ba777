"""Learning-rate rules. They see numbers only, never parameters or data.

A rule is ``init() -> RateState`` and ``update(state, judgement) -> RateState``; `Dopamine.step_rate` applies the
annealing envelope. A judgement compares the loss of the earlier model with that of the present one on rows that the
update has not seen or, where each batch has all rows, on all rows.
"""

from math import exp, log, tanh
from typing import NamedTuple, Protocol

LEAST = 1e-12  # a rate that has fallen this far can still rise
JUDGE_EVERY = 4  # updates between two judgements
MOST = 1e9  # a rate that is not held below a ceiling
WIDTH = 0.5  # of the shares of a promised gain among which the rate moves in proportion


class RateState(NamedTuple):
    """State of a learning-rate rule."""

    rate: float  # tonic level: the rate before the envelope
    peak: float  # highest rate so far
    update: int  # updates seen
    gained: float = 0.0  # sum of the gains of the last updates, which fades
    expected: float = 0.0  # and of those that were expected


class Judgement(NamedTuple):
    """What an update has brought."""

    gain: float  # mean loss of the earlier model minus that of the present one
    standardised: float  # the same in units of its standard error
    expected: float  # the gain that the credit had promised


class LearningRate(Protocol):
    """What the trainer asks of a rule."""

    def init(self) -> RateState: ...

    def advance(self, state: RateState) -> RateState:
        """One update has been made."""

    def update(self, state: RateState, judgement: Judgement) -> RateState:
        """An update has been judged."""

    def judges(self, state: RateState) -> bool:
        """Whether the update about to be made is to be judged on the next minibatch."""

    def tolerates(self, before: float, after: float, reference: float) -> bool:
        """Whether an update that moved the loss from before to after may stand; reference is the loss at the start."""

    def reject(self, state: RateState) -> RateState:
        """An update has been undone."""

    def step_rate(self, state: RateState, progress: float) -> float:
        """Rate of the next step; progress runs from 0 to 1 over the schedule."""


class Dopamine(NamedTuple):
    """Better than expected: the rate rises; worse: it falls (our formalisation of arXiv:2510.22178).

    ``log rate += gain * tanh(reward_prediction_error)``, bounded by `ceiling` and by `floor` times the highest rate so
    far. During the first `n_probing` updates the gain is `probing_gain` and there is no floor, so that a start that is
    decades off is found out quickly.
    """

    initial: float
    ceiling: float
    floor: float = 0.2
    gain: float = 0.1
    probing_gain: float = 0.35
    n_probing: int = 30
    jump: float = 0.5  # an update that raises the loss by this share is undone
    last: float = 0.03  # what the envelope leaves of the rate at the end

    def init(self) -> RateState:
        rate = min(max(self.initial, LEAST), self.ceiling)
        return RateState(rate, rate, 0)

    def advance(self, state: RateState) -> RateState:
        return state._replace(update=state.update + 1)

    def update(self, state: RateState, judgement: Judgement) -> RateState:
        probing = state.update <= self.n_probing
        gain = self.probing_gain if probing else self.gain
        rate = exp(log(state.rate) + gain * tanh(judgement.standardised))
        rate = min(max(rate, LEAST), self.ceiling)
        peak = max(state.peak, rate)
        if not probing:
            rate = max(rate, self.floor * peak)
        return state._replace(rate=rate, peak=peak)

    def judges(self, state: RateState) -> bool:
        return state.update < self.n_probing or state.update % JUDGE_EVERY == 0

    def tolerates(self, before: float, after: float, reference: float) -> bool:
        return after - before < self.jump * max(abs(before), 0.2 * abs(reference))  # a metric's loss may be negative

    def reject(self, state: RateState) -> RateState:
        rate = max(state.rate / 4, LEAST)
        return state._replace(rate=rate, peak=rate)

    def step_rate(self, state: RateState, progress: float) -> float:
        return state.rate * (1 - (1 - self.last) * progress)


class Promised(NamedTuple):
    """Less than the promised gain: the rate falls; a fair share of it: the rate rises, whatever its start.

    The credit along the directions that were tried promises a gain of the loss, in proportion to the rate. A step far
    too short gains all of it, the best step along a direction half of it, and a step twice as long nothing (our
    formalisation of arXiv:2510.22178 for weight perturbation). ``log rate += speed * clip((rho - target) / WIDTH, -1,
    1)``, where rho is the gain over the promised gain of the last updates.
    """

    initial: float
    target: float = 0.1
    speed: float = 0.4
    memory: float = 0.8
    jump: float = 0.3  # an update that raises the loss by this share is undone
    floor: float = 1e-4  # of the highest rate since an update was undone: a rate that rounding swallows cannot rise

    def init(self) -> RateState:
        return RateState(self.initial, self.initial, 0)

    def advance(self, state: RateState) -> RateState:
        return state._replace(update=state.update + 1)

    def update(self, state: RateState, judgement: Judgement) -> RateState:
        gained = self.memory * state.gained + judgement.gain
        expected = self.memory * state.expected + judgement.expected
        share = gained / expected if expected > 0 else 0.0
        rate = state.rate * exp(self.speed * min(max((share - self.target) / WIDTH, -1.0), 1.0))
        rate = min(max(rate, self.floor * state.peak, LEAST), MOST)
        return state._replace(rate=rate, peak=max(state.peak, rate), gained=gained, expected=expected)

    def judges(self, state: RateState) -> bool:
        return True

    def tolerates(self, before: float, after: float, reference: float) -> bool:
        return after - before < self.jump * max(abs(before), 0.2 * abs(reference))

    def reject(self, state: RateState) -> RateState:
        rate = max(0.3 * state.rate, LEAST)
        return RateState(rate, rate, state.update)

    def step_rate(self, state: RateState, progress: float) -> float:
        return state.rate


class Constant(NamedTuple):
    """Always the initial rate: the ablation, standard perturbation learning."""

    initial: float

    def init(self) -> RateState:
        return RateState(self.initial, self.initial, 0)

    def advance(self, state: RateState) -> RateState:
        return state._replace(update=state.update + 1)

    def update(self, state: RateState, judgement: Judgement) -> RateState:
        return state

    def judges(self, state: RateState) -> bool:
        return state.update % JUDGE_EVERY == 0

    def tolerates(self, before: float, after: float, reference: float) -> bool:
        return True

    def reject(self, state: RateState) -> RateState:
        return state

    def step_rate(self, state: RateState, progress: float) -> float:
        return state.rate


class InvScaling(NamedTuple):
    """``initial / update ** power``, in a form that does not overflow."""

    initial: float
    power: float

    def init(self) -> RateState:
        return RateState(self.initial, self.initial, 0)

    def advance(self, state: RateState) -> RateState:
        update = state.update + 1
        return RateState(self.initial * (update + 1) ** -self.power, state.peak, update)

    def update(self, state: RateState, judgement: Judgement) -> RateState:
        return state

    def judges(self, state: RateState) -> bool:
        return state.update % JUDGE_EVERY == 0

    def tolerates(self, before: float, after: float, reference: float) -> bool:
        return True

    def reject(self, state: RateState) -> RateState:
        return state

    def step_rate(self, state: RateState, progress: float) -> float:
        return state.rate


def make_rule(name: str, initial: float, ceiling: float, power: float) -> LearningRate:
    """The rule of this name; each uses the parameters that concern it."""
    if name == "dopamine":
        return Dopamine(initial, ceiling)
    return Constant(initial) if name == "constant" else InvScaling(initial, power)
