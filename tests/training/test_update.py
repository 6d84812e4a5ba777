"""One update on problems without a network: how a step is judged, made, undone."""

import numpy as np
import pytest
from quadratics import DOPAMINE, ROWS, SETTINGS, START, Broken, Many, Quadratic, leap, mean_loss, start, steps
from scipy.stats import ttest_rel

from skdopamine._training import update as _update
from skdopamine._training.learning_rate import Constant, InvScaling, Judgement, RateState


@pytest.mark.parametrize(
    ("gains", "share", "nominal_batch", "mean", "standardised"),
    [
        ([1.0, 3.0], [0.5, 0.5], 4, 2.0, 4.0),  # variance 1, standard error 1 / sqrt(4)
        ([-1.0, -3.0], [0.5, 0.5], 4, -2.0, -4.0),
        ([0.0, 4.0], [0.75, 0.25], 12, 1.0, 2.0),  # variance 16 / 4 - 1 = 3, standard error sqrt(3 / 12)
        ([2.0, 2.0], [0.5, 0.5], 4, 2.0, np.inf),
        ([-2.0, -2.0], [0.5, 0.5], 4, -2.0, -np.inf),
        ([0.0, 0.0], [0.5, 0.5], 4, 0.0, 0.0),
        ([-1.0, 1.0], [0.5, 0.5], 4, 0.0, 0.0),
        ([0.5], [1.0], 200, 0.5, np.inf),
    ],
)
def test_judge_by_hand(gains, share, nominal_batch, mean, standardised):
    after = np.full(len(gains), 7.0)
    assert _update.judge(after + gains, after, np.array(share), nominal_batch) == (mean, standardised)


def test_judge_is_the_paired_t_statistic():
    rng = np.random.default_rng(0)
    before, after = rng.normal(size=(2, 20))
    mean, standardised = _update.judge(before, after, np.full(20, 1 / 20), 20 - 1)
    assert mean == pytest.approx((before - after).mean(), rel=1e-12)
    assert standardised == pytest.approx(ttest_rel(before, after).statistic, rel=1e-12)


def test_adam_by_hand():
    state = start()
    first, second, step = _update.adam_step(state, np.array([1.0, -2.0, 1e-8]), 0.9)
    np.testing.assert_allclose(first, [0.1, -0.2, 1e-9], rtol=1e-12)
    np.testing.assert_allclose(second, [0.001, 0.004, 1e-19], rtol=1e-12)
    # m_hat / (sqrt(v_hat) + 1e-8): the credit over its size, and 1e-8 / (1e-8 + 1e-8)
    np.testing.assert_allclose(step, [1.0, -1.0, 0.5], rtol=2e-8)
    state = state._replace(credit_mean=first, credit_square=second, steps=1)
    first, second, step = _update.adam_step(state, np.array([-1.0, -2.0, 1e-8]), 0.9)
    np.testing.assert_allclose(first, [-0.01, -0.38, 1.9e-9], rtol=1e-12)
    np.testing.assert_allclose(second, [0.001999, 0.007996, 1.999e-19], rtol=1e-12)
    np.testing.assert_allclose(step, [-0.01 / 0.19, -1.0, 0.5], rtol=2e-8)  # v_hat is again that of the first step


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_adam_is_the_textbooks(momentum):
    rng = np.random.default_rng(0)
    state, m, v = start(), np.zeros(3), np.zeros(3)
    for t in range(1, 30):
        g = rng.normal(size=3) * [1.0, 1e-3, 1e-8]
        m = momentum * m + (1 - momentum) * g
        v = 0.999 * v + 0.001 * g**2
        expected = m / (1 - momentum**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        first, second, step = _update.adam_step(state, g, momentum)
        np.testing.assert_allclose(step, expected, rtol=1e-10)
        state = state._replace(credit_mean=first, credit_square=second, steps=t)


def test_the_first_step_is_the_rate_against_the_sign_of_the_credit():
    scale = np.array([1.0, 2.0, 0.5])
    ((state, loss, error),) = steps(
        Quadratic(), Constant(0.1), start(Constant(0.1)), 1, SETTINGS._replace(step_scale=scale)
    )
    np.testing.assert_allclose(state.params, START - 0.1 * scale, rtol=1e-7)  # the rows lie below the start
    assert loss == pytest.approx(mean_loss(START), rel=1e-12)
    assert error is None


def test_the_envelope_shrinks_the_step():
    ((state, _, _),) = steps(Quadratic(), DOPAMINE, start(), 1, progress=1.0)
    np.testing.assert_allclose(state.params, START - 0.03 * 0.01, rtol=1e-9)


@pytest.mark.parametrize("rule", [DOPAMINE, Constant(0.1), InvScaling(0.5, 0.3)], ids=lambda rule: type(rule).__name__)
def test_updates_converge(rule):
    state, loss, _ = steps(Quadratic(), rule, start(rule), 600)[-1]
    assert loss - mean_loss(ROWS.mean(axis=0)) < 1e-3 < mean_loss(START) - loss
    np.testing.assert_allclose(state.params, ROWS.mean(axis=0), atol=0.03)


def test_an_update_keeps_the_books():
    (first, loss, _), (second, _, _) = steps(Quadratic(), DOPAMINE, start(), 2)
    assert (first.update, first.steps, first.undone) == (1, 1, 0)
    assert (second.update, second.steps, second.undone) == (2, 2, 0)
    assert first.reference == second.reference == loss
    assert first.n_evaluations == 3 * 10
    assert second.n_evaluations == 2 * 3 * 10 + 10  # and those of the state that was judged
    assert second.memory[0] == 2
    np.testing.assert_array_equal(first.anchor.params, START)
    np.testing.assert_array_equal(second.anchor.params, first.params)


@pytest.mark.parametrize("normalised", [True, False])
def test_the_error_is_the_fall_of_the_loss_and_moves_the_rate(normalised):
    settings = SETTINGS._replace(normalised=normalised)
    (first, before, _), (second, after, error) = steps(Quadratic(), DOPAMINE, start(), 2, settings)
    assert error == pytest.approx(before - after, rel=1e-9)
    batch = Quadratic().batch(slice(None))
    losses = [Quadratic().losses(params, batch) for params in (START, first.params)]
    standardised = _update.judge(*losses, batch.share[:, 0], SETTINGS.nominal_batch)[1]
    expected = DOPAMINE.update(first.rate, Judgement(error, standardised, 0.0))
    assert second.rate == DOPAMINE.advance(expected)
    assert second.rate.rate > first.rate.rate


def test_only_the_updates_that_the_rule_asks_for_are_judged():
    history = steps(Quadratic(), Constant(0.1), start(Constant(0.1)), 10)
    assert [error is not None for _, _, error in history] == [update in (1, 5, 9) for update in range(10)]
    assert history[-1][0].n_evaluations == 10 * 3 * 10 + 3 * 10


@pytest.mark.parametrize(("n_rows", "judged"), [(2, False), (3, True)])
def test_a_last_batch_of_few_rows_judges_nothing(n_rows, judged):
    settings = SETTINGS._replace(batch_size=10)  # of which a quarter are few
    ((first, _, _),) = steps(Quadratic(), DOPAMINE, start(), 1)
    batch = Quadratic().batch(slice(0, n_rows))
    second, _, error = _update.update_step(Quadratic(), DOPAMINE, first, batch, settings, 0.0)
    assert (error is not None) == judged == (second.rate.rate != first.rate.rate)
    assert second.n_evaluations == 3 * 10 + 3 * n_rows + judged * n_rows
    undone, _, _ = _update.update_step(Broken(0), DOPAMINE, first, batch, settings, 0.0)
    assert undone.undone == 1


@pytest.mark.parametrize("rule", [DOPAMINE, Constant(0.1)], ids=["dopamine", "constant"])
def test_a_step_that_is_not_normalised_is_the_rate_times_the_credit(rule):
    settings = SETTINGS._replace(normalised=False)
    state = start(rule)
    for _ in range(4):
        credit = state.params - ROWS.mean(axis=0)
        ((after, _, _),) = steps(Quadratic(), rule, state, 1, settings)
        rate = rule.step_rate(after.rate if after.rate.rate != state.rate.rate else state.rate, 0.0)
        np.testing.assert_allclose(after.params, state.params - rate * credit, rtol=1e-9)
        assert not after.credit_mean.any()
        assert not after.credit_square.any()
        state = after


def test_a_full_step_of_credit_to_the_best_arrives_there():
    settings = SETTINGS._replace(normalised=False)
    ((after, _, _),) = steps(Quadratic(), Constant(1.0), start(Constant(1.0)), 1, settings)
    np.testing.assert_allclose(after.params, ROWS.mean(axis=0), rtol=1e-12)
    ((half, _, _),) = steps(Quadratic(), Constant(1.0), start(Constant(1.0)), 1, settings._replace(step_scale=0.5))
    np.testing.assert_allclose(half.params, (START + ROWS.mean(axis=0)) / 2, rtol=1e-12)


def test_a_step_that_is_not_normalised_leaves_the_credit_as_it_was():
    credits = []

    class Watched(Quadratic):
        def credit(self, params, memory, batch, update):
            estimate = super().credit(params, memory, batch, update)
            credits.append((estimate.credit, estimate.credit.copy()))
            return estimate

    steps(Watched(), DOPAMINE, start(), 2, SETTINGS._replace(normalised=False))
    for credit, before in credits:
        np.testing.assert_array_equal(credit, before)


def test_a_jump_of_the_loss_is_undone():
    good, bad = leap(-1e4)
    assert mean_loss(bad.params) > 2 * mean_loss(good.params)
    ((undone, loss, error),) = steps(Quadratic(), DOPAMINE, bad, 1)
    for name in ("params", "memory"):
        np.testing.assert_array_equal(getattr(undone, name), getattr(good, name))
    assert not undone.credit_mean.any()  # the running means that led there begin anew
    assert not undone.credit_square.any()
    assert undone.rate == DOPAMINE.reject(bad.rate)
    assert undone.rate.rate == pytest.approx(bad.rate.rate / 4)
    assert (undone.update, undone.steps, undone.undone) == (3, 0, 1)
    assert undone.n_evaluations == bad.n_evaluations + 3 * 10 + 10
    assert loss == pytest.approx(mean_loss(bad.params))
    assert error == pytest.approx(mean_loss(good.params) - mean_loss(bad.params))
    # and training goes on from there
    ((after, _, error),) = steps(Quadratic(), DOPAMINE, undone, 1)
    assert error is None
    assert (after.update, after.steps, after.undone) == (4, 1, 1)
    assert mean_loss(after.params) < mean_loss(good.params)


def test_a_jump_stands_where_the_rule_tolerates_it():
    ((good, _, _),) = steps(Quadratic(), Constant(0.1), start(Constant(0.1)), 1)
    bad = good._replace(params=good.params + 1e3)
    ((state, _, error),) = steps(Quadratic(), Constant(0.1), bad, 1)
    assert error < -1e3
    assert (state.undone, state.steps) == (0, 2)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("rule", [DOPAMINE, Constant(0.1)], ids=["dopamine", "constant"])
def test_a_loss_that_is_not_finite_is_undone_again_and_again(rule, value):
    kept = steps(Quadratic(), rule, start(rule), 3)[-1][0]
    anchor = kept.anchor
    with np.errstate(invalid="ignore"):
        history = [state for state, _, _ in steps(Broken(0, value), rule, kept, 3)]
    for n, state in enumerate(history, start=1):
        np.testing.assert_array_equal(state.params, anchor.params)
        assert not state.credit_mean.any()
        assert not state.credit_square.any()
        assert (state.undone, state.update, state.steps) == (n, 3 + n, 0)


def test_an_update_is_not_judged_by_a_loss_that_was_not_finite():
    before = np.array([np.inf, 1.0])
    assert _update.judge(before, np.ones(2), np.full(2, 0.5), 2) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("gains", "few"),
    [
        ([-1e6, *[0.0] * 99], True),
        ([-1e6, -1e6, *[0.0] * 98], True),
        ([*[-1e6] * 3, *[0.0] * 97], False),  # a fortieth of 100 rows is between two and three
        ([-1.0] * 100, False),
        ([1e6, *[0.0] * 99], False),  # better
        ([-1e6, *[0.0] * 9], False),  # one of ten
    ],
)
@pytest.mark.parametrize("nominal_batch", [20, 200])
def test_a_fortieth_of_the_rows_cannot_make_a_jump(gains, few, nominal_batch):
    share = np.full(len(gains), 1 / len(gains))
    errors = _update.judge(np.array(gains), np.zeros(len(gains)), share, nominal_batch)
    assert _update.few_rows_alone(*errors, nominal_batch) is few


class Jump(Many):
    """Far off is only what an update has come to."""

    def losses(self, params, batch):
        return Quadratic.losses(self, params, batch)

    def credit(self, params, memory, batch, update):
        estimate = super().credit(params, memory, batch, update)
        return estimate._replace(losses=estimate.losses + 1e6 * (batch.ids < self.n_wild))


def test_a_jump_that_few_rows_make_stands():
    ((good, _, _),) = steps(Quadratic(), DOPAMINE, start(), 1)
    for n_wild, undone in [(1, 0), (4, 0), (6, 1), (200, 1)]:
        ((after, _, error),) = steps(Jump(n_wild), DOPAMINE, good, 1)
        assert error == pytest.approx(-1e6 * n_wild / 200, rel=0.01)
        assert after.undone == undone, n_wild


@pytest.mark.parametrize(
    ("losses", "typical"),
    [
        ([1.0, 2.0, 3.0], 2.0),
        ([1.0, 1.0, 99.0], 101 / 3),
        ([1.0, 1.0, 1e9], 34.0),  # as 100 times the median
        ([-1.0, -1.0, -1e9], -34.0),
        ([0.0, 0.0, 1.0], 1 / 3),
        ([1.0, 1.0, np.inf], 34.0),
        ([1.0, 1.0, np.nan], 34.0),
    ],
)
def test_the_typical_loss_is_the_mean_but_for_wild_rows(losses, typical):
    assert _update.typical(np.array(losses), np.full(3, 1 / 3)) == pytest.approx(typical, rel=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 101, 1000])
def test_the_median_of_equal_shares_is_that_of_numpy(n):
    values = np.random.default_rng(n).standard_normal(n)
    for dtype in (np.float32, np.float64):
        assert _update.median(values, np.full(n, 1 / n, dtype=dtype)) == np.median(values)


@pytest.mark.parametrize("seed", range(5))
def test_a_share_of_three_is_as_three_values_in_the_median(seed):
    rng = np.random.default_rng(seed)
    values, counts = rng.standard_normal(21), rng.integers(1, 5, 21)
    values[0] = np.inf
    for n in (20, 21):  # an even and an odd number of values
        expected = np.median(values[:n].repeat(counts[:n]))
        assert _update.median(values[:n], 0.1 * counts[:n]) == pytest.approx(expected, rel=1e-15)
    assert _update.typical(np.array([1.0, 1.0, 1e9, 5.0]), np.array([0.1, 0.1, 0.2, 0.6])) == pytest.approx(103.2)
    assert _update.median(np.array([1.0, np.inf]), np.array([0.5, 0.5])) == np.inf
    assert _update.median(np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.3])) == 2.5  # 0.1 + 0.2 > 0.3 in floats


def test_the_initial_state_is_blank():
    state = start(Constant(0.1))
    np.testing.assert_array_equal(state.params, START)
    assert not (state.credit_mean.any() or state.credit_square.any() or state.memory[0].any())
    assert state.rate == RateState(0.1, 0.1, 0)
    assert (state.update, state.steps, state.undone, state.n_evaluations, state.anchor) == (0, 0, 0, 0, None)


def test_what_a_step_would_give_the_wrong_sign_becomes_zero():
    params, signs = np.array([-1.0, 2.0, -3.0, 4.0, -0.0]), np.array([1, 1, -1, -1, 0], dtype=np.int8)
    np.testing.assert_array_equal(_update.within(params, signs), [0, 2, -3, 0, 0])
    np.testing.assert_array_equal(params, [-1, 2, -3, 4, 0])
    assert _update.within(params.astype(np.float32), signs).dtype == np.float32
    assert _update.within(params, None) is params


def test_a_step_ends_within_the_signs_and_then_where_the_estimate_settles_it():
    class Settling(Quadratic):
        def credit(self, params, memory, batch, update):
            return super().credit(params, memory, batch, update)._replace(settled=lambda a, b: b + 100 * (b == a))

    problem, rule, settings = Settling(), Constant(10.0), SETTINGS._replace(signs=np.array([1, 0, 1], dtype=np.int8))
    state = _update.init_state(np.array([0.0, 3.0, 3.0]), Quadratic(), rule)
    free, *_ = _update.update_step(Quadratic(), rule, state, problem.batch(slice(None)), SETTINGS, 0.0)
    state, *_ = _update.update_step(problem, rule, state, problem.batch(slice(None)), settings, 0.0)
    assert free.params[0] > 0 > free.params[2]
    np.testing.assert_array_equal(state.params, [free.params[0], free.params[1], 0.0])
