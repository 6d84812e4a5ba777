"""Learning-rate rules. They see numbers only, never parameters or data.

A rule is ``init() -> RateState`` and ``update(state, *, reward_prediction_error) -> RateState``; `Dopamine.step_rate`
applies the annealing envelope. The reward prediction error handed in is standardised: the mean over a minibatch of
(loss of the earlier model - loss of the present one), the expected minus the actual loss, in units of its standard
error. The minibatch is one that the update has not seen.
"""

from math import exp, log, tanh
from typing import NamedTuple, Protocol

LEAST = 1e-12  # a rate that has fallen this far can still rise
JUDGE_EVERY = 4  # updates between two judgements


class RateState(NamedTuple):
    """State of a learning-rate rule."""

    rate: float  # tonic level: the rate before the envelope
    peak: float  # highest rate so far
    update: int  # updates seen


class LearningRate(Protocol):
    """What the trainer asks of a rule."""

    def init(self) -> RateState: ...

    def advance(self, state: RateState) -> RateState:
        """One update has been made."""

    def update(self, state: RateState, *, reward_prediction_error: float) -> RateState:
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

    def update(self, state: RateState, *, reward_prediction_error: float) -> RateState:
        probing = state.update <= self.n_probing
        gain = self.probing_gain if probing else self.gain
        rate = exp(log(state.rate) + gain * tanh(reward_prediction_error))
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


class Constant(NamedTuple):
    """Always the initial rate: the ablation, standard perturbation learning."""

    initial: float

    def init(self) -> RateState:
        return RateState(self.initial, self.initial, 0)

    def advance(self, state: RateState) -> RateState:
        return state._replace(update=state.update + 1)

    def update(self, state: RateState, *, reward_prediction_error: float) -> RateState:
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

    def update(self, state: RateState, *, reward_prediction_error: float) -> RateState:
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
