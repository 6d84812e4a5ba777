"""Learning-rate rules by hand, with every constant written down, so that a new default changes nothing here."""

from math import exp, inf, nan

import pytest

from skdopamine._training.learning_rate import (
    JUDGE_EVERY,
    Constant,
    Dopamine,
    InvScaling,
    Judgement,
    Promised,
    RateState,
    make_rule,
)

RULE = Dopamine(
    initial=0.001,
    ceiling=0.01,
    floor=0.2,
    gain=0.1,
    probing_gain=0.35,
    n_probing=30,
    jump=0.5,
    last=0.03,
)
PROBING, SETTLED = 30, 31  # last update that is probed for, first that is not
RULES = [RULE, Constant(0.001), InvScaling(0.001, 0.5), Promised(0.001)]
FIXED = RULES[1:3]


def told(error: float) -> Judgement:
    """A judgement of which the standardised error alone counts."""
    return Judgement(0.0, error, 0.0)


def after(error: float, *, rate: float = 0.001, peak: float = 0.001, update: int = SETTLED) -> RateState:
    return RULE.update(RateState(rate, peak, update), told(error))


def by_name(rule) -> str:
    return type(rule).__name__


@pytest.mark.parametrize("rule", RULES, ids=by_name)
def test_rules_start_at_the_initial_rate(rule):
    assert rule.init() == RateState(0.001, 0.001, 0)


@pytest.mark.parametrize("rule", RULES, ids=by_name)
def test_an_update_made_is_counted_and_one_judged_is_not(rule):
    assert rule.advance(rule.init()).update == 1
    assert rule.update(rule.init(), told(0.3)).update == 0
    assert rule.reject(rule.init()).update == 0


# ---- dopamine ----


def test_dopamine_starts_below_the_ceiling():
    assert RULE._replace(initial=1.0).init() == RateState(0.01, 0.01, 0)


@pytest.mark.parametrize(
    ("update", "error", "rate"),
    [
        # tanh(0.5) = 0.462117157260, exp(0.35 * 0.462117157260) = 1.175555738880
        (0, 0.5, 0.001175555738880),
        (PROBING, 0.5, 0.001175555738880),
        (PROBING, -0.5, 0.000850661493051),
        # exp(0.1 * 0.462117157260) = 1.047296116545
        (SETTLED, 0.5, 0.001047296116545),
        (SETTLED, -0.5, 0.001 / 1.047296116545),
    ],
)
def test_dopamine_by_hand(update, error, rate):
    assert after(error, update=update).rate == pytest.approx(rate, rel=1e-10)


def test_dopamine_rises_with_the_error_and_stays_where_there_is_none():
    rates = [after(error).rate for error in (-2.0, -0.5, 0.0, 0.5, 2.0)]
    assert rates == sorted(set(rates))
    assert rates[2] == pytest.approx(0.001, rel=1e-12)


@pytest.mark.parametrize(("update", "gain"), [(PROBING, 0.35), (SETTLED, 0.1)])
def test_an_infinite_error_moves_the_rate_by_the_whole_gain(update, gain):
    assert after(inf, update=update).rate == pytest.approx(0.001 * exp(gain), rel=1e-12)
    assert after(-inf, update=update).rate == pytest.approx(0.001 * exp(-gain), rel=1e-12)


def test_dopamine_stays_below_the_ceiling():
    state = after(inf, rate=0.0099, peak=0.0099)
    assert (state.rate, state.peak) == (0.01, 0.01)


def test_a_rate_that_could_not_rise_again_is_not_fallen_to():
    assert RULE._replace(initial=0.0).init() == RateState(1e-12, 1e-12, 0)
    assert after(-inf, rate=1e-12, peak=1e-12, update=PROBING).rate == 1e-12
    assert RULE.reject(RateState(3e-12, 1.0, 5)) == RateState(1e-12, 1e-12, 5)


def test_dopamine_remembers_its_peak():
    risen = after(1.0, rate=0.002, peak=0.002)
    fallen = after(-1.0, rate=risen.rate, peak=risen.peak)
    assert risen.peak == risen.rate > 0.002
    assert fallen.rate < fallen.peak == risen.peak


def test_the_floor_is_a_share_of_the_peak_and_holds_after_probing():
    assert after(-inf, rate=0.0021, peak=0.01, update=SETTLED).rate == pytest.approx(0.002, rel=1e-12)
    assert after(-inf, rate=0.0021, peak=0.01, update=PROBING).rate == pytest.approx(0.0021 * exp(-0.35), rel=1e-12)


def test_rejection_quarters_the_rate_and_forgets_the_peak():
    assert RULE.reject(RateState(0.008, 0.01, 40)) == RateState(0.002, 0.002, 40)


def test_probing_judges_every_update_and_every_fourth_after_it():
    state, judged = RULE.init(), []
    for update in range(45):
        if RULE.judges(state):
            judged.append(update)
        state = RULE.advance(state)
    assert judged == [*range(30), 32, 36, 40, 44]


@pytest.mark.parametrize(
    ("before", "reference", "limit"),
    [(1.0, 0.0, 0.5), (1.0, 2.0, 0.5), (0.01, 1.0, 0.1), (0.0, 1.0, 0.1)],  # half the loss, or a tenth of the first
)
def test_dopamine_tolerates_no_jump(before, reference, limit):
    assert RULE.tolerates(before, before - 1.0, reference)
    assert RULE.tolerates(before, before + 0.99 * limit, reference)
    assert not RULE.tolerates(before, before + 1.01 * limit, reference)


@pytest.mark.parametrize("loss", [inf, nan])
def test_dopamine_tolerates_no_loss_that_is_not_finite(loss):
    assert not RULE.tolerates(1.0, loss, 1.0)


def test_the_envelope_falls_from_the_rate_to_its_last_share():
    state = RateState(0.004, 0.01, 50)
    rates = [RULE.step_rate(state, progress) for progress in (0.0, 0.25, 0.5, 1.0)]
    # 1 - 0.97 * progress
    assert rates == pytest.approx([0.004, 0.00303, 0.00206, 0.00012], rel=1e-12)


# ---- constant and invscaling ----


def test_constant_is_constant():
    rule = Constant(0.02)
    state = rule.init()
    for update in range(10):
        assert rule.step_rate(state, update / 10) == 0.02
        state = rule.advance(rule.update(state, told(inf)))


@pytest.mark.parametrize(
    ("power", "rates"),
    [
        (0.5, [0.06, 0.06 / 2**0.5, 0.06 / 3**0.5, 0.03]),
        (1.0, [0.06, 0.03, 0.02, 0.015]),
        (0.0, [0.06, 0.06, 0.06, 0.06]),
    ],
)
def test_invscaling_divides_by_a_power_of_the_update(power, rates):
    rule = InvScaling(0.06, power)
    state, actual = rule.init(), []
    for _ in rates:
        actual.append(rule.step_rate(state, 0.7))  # no envelope
        state = rule.advance(rule.update(state, told(-inf)))
    assert actual == pytest.approx(rates, rel=1e-12)


@pytest.mark.parametrize("rule", FIXED, ids=by_name)
def test_fixed_rules_only_watch(rule):
    state, judged = rule.init(), []
    for update in range(13):
        if rule.judges(state):
            judged.append(update)
        state = rule.advance(state)
    assert JUDGE_EVERY == 4
    assert judged == [0, 4, 8, 12]
    assert rule.tolerates(1.0, inf, 1.0)
    assert rule.reject(state) == state


def test_rules_by_name():
    assert make_rule("dopamine", 0.1, 0.5, 2.0) == Dopamine(0.1, 0.5)
    assert make_rule("constant", 0.1, 0.5, 2.0) == Constant(0.1)
    assert make_rule("invscaling", 0.1, 0.5, 2.0) == InvScaling(0.1, 2.0)


def test_the_rate_of_a_promise_rises_with_the_share_that_is_kept():
    rule = Promised(1.0, target=0.1, speed=0.4, memory=0.8)

    def rate(*gains: float) -> float:
        state = rule.init()
        for gain in gains:
            state = rule.update(state, Judgement(gain, nan, 2.0))  # 2 is promised
        return state.rate

    assert rate(2.0) == pytest.approx(exp(0.4))  # all of it: a step far too short
    assert rate(1.0) == pytest.approx(exp(0.4 * 0.8))  # half of it
    assert rate(0.2) == pytest.approx(1)  # the target's share
    assert rate(0.0) == pytest.approx(exp(-0.4 * 0.2))
    assert rate(-9.0) == pytest.approx(exp(-0.4))  # no step falls further
    # the last updates count together: (.8 * .2 + 1) / (.8 * 2 + 2) of what they had promised
    assert rate(0.2, 1.0) == pytest.approx(exp(0.4 * (1.16 / 3.6 - 0.1) / 0.5))


def test_a_promise_that_is_broken_by_a_jump_is_forgotten_and_the_rate_falls():
    rule = Promised(1.0)
    state = rule.update(rule.init(), Judgement(1.0, nan, 2.0))
    rejected = rule.reject(state)
    assert rejected == RateState(0.3 * state.rate, 0.3 * state.rate, 0)
    assert rule.tolerates(1.0, 1.29, 1.0)
    assert not rule.tolerates(1.0, 1.31, 1.0)
    assert rule.judges(state)
    assert rule.step_rate(state, 0.5) == state.rate
    assert rule.update(rule.init(), Judgement(0.0, nan, 0.0)).rate < 1  # nothing is promised: no credit


def test_a_promised_rate_has_no_ceiling_but_stays_a_number():
    rule = Promised(1e3)
    state = rule.init()
    for _ in range(200):
        state = rule.update(state, Judgement(1.0, nan, 1.0))
    assert state.rate == 1e9
    for _ in range(200):  # rounding would swallow all steps, and the rate could never rise
        state = rule.update(state, Judgement(0.0, nan, 1.0))
    assert state.rate == 1e9 * 1e-4
    for _ in range(200):
        state = rule.reject(state)
    assert state.rate == 1e-12
