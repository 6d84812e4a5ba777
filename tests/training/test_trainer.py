"""The training loop on problems without a network."""

import copy
import pickle
from collections.abc import Callable

import numpy as np
import pytest
import quadratics
from quadratics import (
    DOPAMINE,
    PAIRS,
    ROWS,
    SETTINGS,
    START,
    Broken,
    Frozen,
    Interrupted,
    Many,
    Partial,
    Quadratic,
    mean_loss,
    start,
    steps,
)

from skdopamine._training import trainer as _trainer
from skdopamine._training import update as _update
from skdopamine._training.learning_rate import Constant


class Watcher:
    """An observer that asks to stop after some epochs."""

    def __init__(self, stop_after: int = 1000) -> None:
        self.stop_after, self.begun = stop_after, 0
        self.ended: list[tuple[_trainer.Epoch, np.ndarray]] = []

    def begin_epoch(self) -> None:
        self.begun += 1

    def end_epoch(self, epoch: _trainer.Epoch, params: Callable[[], np.ndarray]) -> bool:
        self.ended.append((epoch, params()))
        return len(self.ended) == self.stop_after


def train(problem=None, rule=DOPAMINE, settings=SETTINGS, **kwargs) -> _trainer.Result:
    return _trainer.train(problem or Quadratic(), rule, start(rule), settings, **kwargs)


def test_nothing_that_is_passed_in_is_changed():
    state = steps(Quadratic(), DOPAMINE, start(), 2)[-1][0]
    before, rows = copy.deepcopy(state), ROWS.copy()
    steps(Quadratic(), DOPAMINE, state, 1)
    steps(Broken(0), DOPAMINE, state, 1)
    result = _trainer.train(Quadratic(), DOPAMINE, state, SETTINGS)
    assert not np.array_equal(result.state.params, state.params)
    np.testing.assert_array_equal(ROWS, rows)
    for name, value in before._asdict().items():
        if name == "anchor":
            np.testing.assert_array_equal(state.anchor.params, before.anchor.params)
        else:
            np.testing.assert_array_equal(getattr(state, name), value)


@pytest.mark.parametrize("rule", [DOPAMINE, Constant(0.1)], ids=["dopamine", "constant"])
def test_a_batch_without_a_loss_changes_nothing_but_the_count(rule):
    problem, state, history = Partial(2, 6), start(rule), []
    for rows in _trainer.epoch_batches(10, PAIRS, 0):
        batch, before = problem.batch(rows), state
        state, estimate, error = _update.update_step(problem, rule, state, batch, PAIRS, 0.0)
        history.append(error)
        if rows.start in (2, 6):
            assert np.isnan(estimate.losses).all()
            assert state._replace(n_evaluations=before.n_evaluations) == before
            assert state.n_evaluations == before.n_evaluations + 3 * 2
    assert [error is None for error in history[:4]] == [True, True, False, True]


def test_an_epoch_is_that_of_the_batches_that_have_a_loss(monkeypatch):
    result = train(Partial(2, 6), settings=PAIRS)
    kept = ROWS[[0, 1, 4, 5, 8, 9]]
    monkeypatch.setattr(quadratics, "ROWS", kept)
    expected = train(Quadratic(), settings=PAIRS)
    np.testing.assert_array_equal(result.best_params, expected.best_params)
    for one, other in zip(result.epochs, expected.epochs, strict=True):
        assert one[:3] == pytest.approx(other[:3], rel=1e-12)


@pytest.mark.parametrize("score", [None, lambda params: 1.0])
def test_an_epoch_without_any_loss_ends_the_run(score):
    result = train(Partial(*range(10)), score=score)
    assert (result.reason, result.epochs) == (_trainer.Ending.UNDEFINED, [])
    np.testing.assert_array_equal(result.best_params, START)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(("n_rows", "sizes"), [(10, [4, 4, 2]), (8, [4, 4]), (3, [3])])
def test_batches_cover_each_row_once(n_rows, sizes, shuffle):
    settings = SETTINGS._replace(batch_size=4, shuffle=shuffle)
    batches = [np.arange(n_rows)[rows] for rows in _trainer.epoch_batches(n_rows, settings, 0)]
    assert [len(rows) for rows in batches] == sizes
    order = np.concatenate(batches)
    np.testing.assert_array_equal(np.sort(order) if shuffle else order, np.arange(n_rows))


def test_the_order_is_a_function_of_seed_and_epoch():
    def order(epoch: int, **settings):
        return np.concatenate(list(_trainer.epoch_batches(50, SETTINGS._replace(**settings), epoch))).tolist()

    assert order(2) == order(2)
    assert order(2) == order(0, first_epoch=2)  # of all epochs, those of earlier runs included
    different = [order(0), order(1), order(0, seed=2), order(1, seed=2), list(range(50))]
    assert len({tuple(rows) for rows in different}) == 5


def test_an_epochs_loss_counts_each_row_once():
    result = train(Frozen(), settings=SETTINGS._replace(batch_size=4, n_epochs=1))
    assert result.epochs[0].loss == pytest.approx(mean_loss(START), rel=1e-12)


def test_an_epochs_error_is_the_mean_of_those_judged():
    problem = Quadratic()
    settings = SETTINGS._replace(n_epochs=1, batch_size=2)
    state, errors = start(), []
    for rows in _trainer.epoch_batches(10, settings, 0):
        state, _, error = _update.update_step(problem, DOPAMINE, state, problem.batch(rows), settings, 0.0)
        errors.append(error)
    result = train(settings=settings)
    assert errors[0] is None
    assert result.epochs[0].reward_prediction_error == pytest.approx(np.mean(errors[1:]), rel=1e-12)
    np.testing.assert_array_equal(result.state.params, state.params)


def test_an_epoch_without_a_judgement_shows_the_last_error():
    rule, settings = Constant(0.1), SETTINGS._replace(batch_size=10, n_epochs=4)  # update 0 is judged, then update 4
    first = train(rule=rule, settings=settings)
    rest = _trainer.train(Quadratic(), rule, first.state, settings._replace(first_epoch=4))
    errors = [epoch.reward_prediction_error for epoch in first.epochs + rest.epochs]
    losses = [epoch.loss for epoch in first.epochs + rest.epochs]
    early, late = losses[0] - losses[1], losses[4] - losses[5]
    assert errors == pytest.approx([0.0, *[early] * 4, *[late] * 3], rel=1e-9)


@pytest.mark.parametrize(
    ("horizon", "batch_size", "progress"),
    [
        (5, 10, [0, 0, 1 / 4, 2 / 4, 3 / 4]),
        (5, 5, [0, 1 / 8, 3 / 8, 5 / 8, 7 / 8]),  # of the second of two batches
        (1, 10, [0]),
        (0, 10, [0, 0, 0, 0, 0]),
    ],
)
def test_the_rate_is_annealed_over_the_horizon(horizon, batch_size, progress):
    settings = SETTINGS._replace(schedule=horizon, n_epochs=len(progress), batch_size=batch_size)
    rates = [epoch.learning_rate for epoch in train(Frozen(), settings=settings).epochs]
    assert rates == pytest.approx([0.01 * (1 - 0.97 * p) for p in progress], rel=1e-12)


def test_a_run_goes_on_where_the_last_one_ended():
    whole = train(settings=SETTINGS._replace(n_epochs=5))
    part = train(settings=SETTINGS._replace(n_epochs=2))
    rest = _trainer.train(Quadratic(), DOPAMINE, part.state, SETTINGS._replace(n_epochs=3, first_epoch=2))
    np.testing.assert_array_equal(rest.state.params, whole.state.params)
    assert part.epochs + rest.epochs == whole.epochs


def test_training_ends_with_its_schedule_and_keeps_the_best():
    result = train(settings=SETTINGS._replace(n_epochs=300))
    assert (result.reason, len(result.epochs), result.state.update) == ("exhausted", 300, 600)
    best = int(np.argmin([epoch.loss for epoch in result.epochs]))
    prefix = train(settings=SETTINGS._replace(n_epochs=best + 1))
    np.testing.assert_array_equal(result.best_params, prefix.state.params)
    assert not np.array_equal(result.best_params, result.state.params)


def test_epochs_of_one_batch_keep_the_best_that_was_seen():
    settings = SETTINGS._replace(batch_size=10, n_epochs=30)
    result = train(rule=Constant(0.7), settings=settings)  # swings
    losses = [epoch.loss for epoch in result.epochs]
    best = int(np.argmin(losses))
    assert losses[best] < min(losses[-1], mean_loss(result.state.params))
    assert mean_loss(result.best_params) == pytest.approx(losses[best], rel=1e-12)
    before = train(rule=Constant(0.7), settings=settings._replace(n_epochs=best))
    np.testing.assert_array_equal(result.best_params, before.state.params)


def test_epochs_of_one_batch_look_at_the_end_too():
    for n_epochs in (1, 5):
        result = train(rule=Constant(0.1), settings=SETTINGS._replace(batch_size=10, n_epochs=n_epochs))
        np.testing.assert_array_equal(result.best_params, result.state.params)
    judged = 10 + 10  # updates 0 and 4 are, but 4 is the last
    assert result.state.n_evaluations == 5 * 3 * 10 + judged


def test_no_improvement_means_converged():
    result = train(Frozen(), settings=SETTINGS._replace(n_epochs=50, n_iter_no_change=7))
    assert (result.reason, len(result.epochs)) == ("converged", 1 + 7 + 1)


@pytest.mark.parametrize(
    ("share", "learnt", "reason"),
    [(0.95, 0.9, "exhausted"), (0.85, 0.9, "converged"), (1.5, np.inf, "converged")],
)
def test_a_standstill_counts_once_something_is_learnt(share, learnt, reason):
    state = start()._replace(reference=mean_loss(START) / share, update=1)  # so the loss stands still at this share
    settings = SETTINGS._replace(n_epochs=30, n_iter_no_change=7, plateau_above=learnt)
    assert _trainer.train(Frozen(), DOPAMINE, state, settings).reason == reason


def test_a_standstill_of_the_score_counts_always():
    settings = SETTINGS._replace(n_epochs=30, n_iter_no_change=7, plateau_above=0.9)
    result = train(Frozen(), settings=settings, score=lambda params: 0.5)
    assert (result.reason, len(result.epochs)) == ("converged", 1 + 7 + 1)


@pytest.mark.parametrize(("tol", "reason"), [(0.2, "converged"), (0.05, "exhausted")])
def test_improvement_below_tol_does_not_count(tol, reason):
    scores = iter(np.arange(100) * 0.1)
    settings = SETTINGS._replace(n_epochs=20, tol=tol, n_iter_no_change=7)
    result = train(settings=settings, score=lambda params: next(scores))
    assert result.reason == reason
    np.testing.assert_array_equal(result.best_params, result.state.params)  # but it is kept


def test_the_best_score_decides_not_the_loss():
    scores = [0.1, 0.3, 0.9, 0.9, 0.2]
    left, seen = iter(scores), []

    def score(params):
        seen.append(params)
        return next(left)

    result = train(score=score)
    assert [epoch.score for epoch in result.epochs] == scores
    assert result.epochs[-1].loss < result.epochs[2].loss
    np.testing.assert_array_equal(result.best_params, seen[2])
    assert not np.array_equal(seen[2], seen[3])
    np.testing.assert_array_equal(seen[-1], result.state.params)


@pytest.mark.parametrize("rule", [DOPAMINE, Constant(0.1)], ids=["dopamine", "constant"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_diverging_problem_leaves_finite_parameters(rule, value):
    with np.errstate(invalid="ignore"):
        result = train(Broken(5, value), rule, SETTINGS._replace(n_epochs=20))
    assert (result.reason, len(result.epochs), result.cause) == ("diverged", 2, "the loss is no longer finite")
    np.testing.assert_array_equal(
        result.best_params, train(rule=rule, settings=SETTINGS._replace(n_epochs=2)).best_params
    )
    assert np.isfinite(result.best_params).all()


def test_a_problem_that_is_broken_from_the_start_leaves_the_start():
    result = train(Broken(0))
    assert (result.reason, result.epochs) == ("diverged", [])
    np.testing.assert_array_equal(result.best_params, START)


def test_a_finite_loss_far_above_the_first_means_diverged():
    result = train(rule=Constant(30.0))  # from 5 to 30 a step too far, in a loss of about 20
    assert (result.reason, result.epochs) == ("diverged", [])
    assert result.cause == "the loss of most rows is more than 10 times what it was at the start"
    assert np.isfinite(result.state.params).all()
    np.testing.assert_array_equal(result.best_params, START)


class Lifted(Frozen):
    """Every loss is `add` higher from an update on, that of one row by `extra` more."""

    def __init__(self, since: int, add: float = 0.0, extra: float = 0.0) -> None:
        self.since, self.add, self.extra = since, add, extra

    def credit(self, params, memory, batch, update):
        estimate = super().credit(params, memory, batch, update)
        if update < self.since:
            return estimate
        wild = (ROWS[0] == batch.X).all(axis=1)
        return estimate._replace(losses=estimate.losses + self.add + self.extra * wild)


@pytest.mark.parametrize("batch_size", [5, 10])
@pytest.mark.parametrize(("margin", "reason"), [(1.01, "diverged"), (0.99, "exhausted")])
def test_far_above_is_ten_times_and_one(margin, reason, batch_size):
    first = mean_loss(START)
    result = train(
        Lifted(2, margin * (10 * first + 1) - first), Constant(0.1), SETTINGS._replace(batch_size=batch_size)
    )
    assert result.reason == reason
    assert ("10 times" in result.cause) == (reason == "diverged")


def test_a_run_is_as_far_as_from_where_learning_began_or_from_its_own_start():
    lifted = Lifted(3, 15 * mean_loss(START))  # an update that the run does not come to before its second epoch
    state = start(Constant(0.1))._replace(update=1)
    for reference, reason in [(0.1, "diverged"), (2 * mean_loss(START), "exhausted")]:
        result = _trainer.train(lifted, Constant(0.1), state._replace(reference=reference), SETTINGS)
        assert (result.reason, len(result.epochs)) == (reason, 1 if reason == "diverged" else 5)
        assert result.state.reference == reference  # of the first run


@pytest.mark.parametrize("batch_size", [2, 5, 10])
@pytest.mark.parametrize("since", [0, 5, 6])
def test_a_wild_row_is_no_divergence_and_chooses_no_epoch(since, batch_size):
    settings = SETTINGS._replace(batch_size=batch_size, n_epochs=12)
    result = train(Lifted(since, extra=1e6), Constant(0.1), settings)
    assert (result.reason, len(result.epochs)) == ("exhausted", 12)
    assert result.epochs[-1].loss == pytest.approx(mean_loss(START) + 1e5, rel=1e-12)  # the loss is what it is
    assert result.state.reference == pytest.approx(mean_loss(START), rel=0.05) or since == 0


@pytest.mark.parametrize("rule", [DOPAMINE, Constant(0.1)], ids=["dopamine", "constant"])
@pytest.mark.parametrize("batch_size", [50, 200])
@pytest.mark.parametrize("since", [0, 100])
def test_a_wild_row_stops_nothing(rule, batch_size, since):
    settings = SETTINGS._replace(batch_size=batch_size, n_epochs=300, n_iter_no_change=20, tol=1e-4, plateau_above=0.5)
    wild, tame = (train(Many(n_wild, since), rule, settings) for n_wild in (1, 0))
    assert (wild.state.undone, wild.reason == "diverged") == (0, False)
    # the error of one row is all that moves the rate of dopamine, which then does not rise
    most = mean_loss(START) / 4 if rule == DOPAMINE else mean_loss(tame.best_params) + 0.05
    assert mean_loss(wild.best_params) < most


@pytest.mark.parametrize("batch_size", [3, 5, 10])
def test_the_reference_is_the_loss_of_all_rows_where_learning_begins(batch_size):
    result = train(settings=SETTINGS._replace(batch_size=batch_size, n_epochs=2))
    assert result.state.reference == pytest.approx(mean_loss(START), rel=1e-12)
    seen = 2 * 3 * 10 + (10 if batch_size < 10 else 0)  # rows, and judgements beside
    assert result.state.n_evaluations >= seen


def test_a_loss_far_above_the_first_is_no_divergence_while_it_is_undone():
    result = train(settings=SETTINGS._replace(step_scale=3e3, n_epochs=20))
    assert result.reason == "exhausted"
    assert result.state.undone > 0
    assert max(epoch.loss for epoch in result.epochs) > 10 * mean_loss(START) + 1


class Unsteady(Quadratic):
    """Seems worse at every second look, so that every update that is judged is undone."""

    def credit(self, params, memory, batch, update):
        estimate = super().credit(params, memory, batch, update)
        return estimate._replace(losses=3 * estimate.losses)


def test_too_many_undone_updates_mean_diverged(monkeypatch):
    monkeypatch.setattr(_trainer, "MAX_UNDONE", 6)
    result = train(Unsteady(), settings=SETTINGS._replace(n_epochs=20))
    assert (result.reason, result.state.undone) == ("diverged", 7)
    assert result.cause == "more than 6 updates made it jump and were undone"
    assert len(result.epochs) == 6  # of two updates each: one kept, one undone
    assert np.isfinite(result.best_params).all()


def test_updates_that_an_earlier_run_has_undone_do_not_count():
    state = start()._replace(undone=_trainer.MAX_UNDONE + 1)
    result = _trainer.train(Quadratic(), DOPAMINE, state, SETTINGS)
    assert (result.reason, result.state.undone) == ("exhausted", 0)


@pytest.mark.parametrize(("at", "epochs"), [(7, 3), (6, 3), (0, 0), (1, 0)])
def test_an_interruption_keeps_the_best(at, epochs):
    result = train(Interrupted(at))
    assert (result.reason, len(result.epochs)) == ("interrupted", epochs)
    expected = train(settings=SETTINGS._replace(n_epochs=epochs))
    np.testing.assert_array_equal(result.best_params, expected.best_params)


def test_other_errors_are_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        train(Interrupted(3, ZeroDivisionError))


def test_an_observer_sees_every_epoch_and_may_stop():
    watcher = Watcher(stop_after=3)
    result = train(observer=watcher)
    assert (result.reason, len(result.epochs), watcher.begun) == ("stopped", 3, 3)
    assert [epoch for epoch, _ in watcher.ended] == result.epochs
    np.testing.assert_array_equal(watcher.ended[-1][1], result.state.params)
    np.testing.assert_array_equal(result.best_params, result.state.params)  # the last epoch counts


def test_an_observer_that_does_not_stop_changes_nothing():
    watcher = Watcher()
    result = train(observer=watcher)
    assert (result.reason, watcher.begun, len(watcher.ended)) == ("exhausted", 5, 5)
    np.testing.assert_array_equal(result.state.params, train().state.params)


def same(one, other):
    """Whether all of two results or runs is the same, bit for bit."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.tobytes() == other.tobytes()
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other or one is other


RUNS = {
    "one batch": ({}, {}),
    "minibatches": ({"batch_size": 4, "shuffle": True, "n_epochs": 9}, {}),
    "held back": ({"batch_size": 4, "n_epochs": 9}, {"score": lambda params: -float(params @ params)}),
    "convergence": ({"n_epochs": 300, "tol": 1e-3}, {}),
    "plain steps": ({"normalised": False, "step_scale": 0.05}, {}),
    "a jump": ({"n_epochs": 1, "step_scale": 3e3}, {}),
    "a jump, held back": (
        {"n_epochs": 1, "step_scale": 3e3, "batch_size": 10},
        {"score": lambda params: -float(params @ params)},
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_goes_on_from_each_epoch(name):
    changes, scores = RUNS[name]
    settings, seen = SETTINGS._replace(**changes), []
    whole = train(settings=settings, **scores)
    watched = train(settings=settings, watch=lambda run: seen.append(pickle.dumps(run)), **scores)
    assert same(watched, whole)
    assert same(whole.best_params, START) == ("a jump" in name)
    assert len(seen) == len(whole.epochs)
    for dump in seen[:: -(-len(seen) // 10)] + seen[-1:]:
        assert same(train(settings=settings, run=pickle.loads(dump), **scores), whole)


def test_a_run_that_was_stopped_does_not_go_on():
    seen = []
    whole = train(observer=Watcher(stop_after=3), watch=seen.append)
    assert [run.reason for run in seen] == ["exhausted", "exhausted", "stopped"]
    assert same(train(run=seen[-1]), whole)


@pytest.mark.parametrize("batch_size", [5, 10])
@pytest.mark.parametrize("in_stream", [False, True])
@pytest.mark.parametrize("size", [3.0, 100.0, 1e200, np.inf])
def test_an_epoch_that_makes_it_worse_leaves_the_start(batch_size, in_stream, size):
    settings = SETTINGS._replace(n_epochs=1, batch_size=batch_size, in_stream=in_stream, step_scale=size * 10)
    with np.errstate(all="ignore"):
        result = train(rule=Constant(1.0), settings=settings)
    np.testing.assert_array_equal(result.best_params, START)
    assert result.reason == "diverged" or not in_stream
    assert np.isfinite(result.state.params).all() or result.reason == "diverged"


def test_a_leap_of_the_last_update_is_not_published():
    class Leaping(Quadratic):
        def credit(self, params, memory, batch, update):
            estimate = super().credit(params, memory, batch, update)
            return estimate._replace(credit=estimate.credit - 1e6 * (update == 5))

    settings = SETTINGS._replace(n_epochs=3, momentum=0.0, normalised=False)
    result, known = (train(problem, Constant(0.1), settings) for problem in (Leaping(), Quadratic()))
    assert mean_loss(result.best_params) < mean_loss(START) / 2
    assert mean_loss(result.best_params) < 1.3 * mean_loss(known.best_params)


def test_the_last_look_counts_as_evaluations():
    one, two = (train(settings=SETTINGS._replace(n_epochs=n)).state.n_evaluations for n in (1, 2))
    assert one == 10 + 2 * 3 * 5 + 5 + 5  # the start, two updates, one of them judged, the look
    assert two - one == 2 * 3 * 5 + 2 * 5 + 5


def test_a_stream_keeps_what_is_worse_by_less_than_a_jump():
    class Uphill(Quadratic):
        def credit(self, params, memory, batch, update):
            estimate = super().credit(params, memory, batch, update)
            return estimate._replace(credit=-estimate.credit)

    settings = SETTINGS._replace(n_epochs=1, batch_size=10, normalised=False)
    fit, stream = (
        train(Uphill(), Constant(0.01), settings._replace(in_stream=in_stream)) for in_stream in (False, True)
    )
    np.testing.assert_array_equal(fit.best_params, START)
    assert mean_loss(stream.best_params) > mean_loss(START)
    assert stream.reason == "exhausted"


@pytest.mark.parametrize("shuffle", [True, False])
def test_origins_of_batches_tell_their_rows(shuffle):
    settings = SETTINGS._replace(shuffle=shuffle, batch_size=20)
    for epoch in (0, 3, 1):
        batches = list(_trainer.epoch_batches(50, settings, epoch))
        origins, orders = list(_trainer.epoch_origins(50, settings, epoch)), {}
        assert len(batches) == len(origins) == 3
        for rows, origin in zip(batches, origins, strict=True):
            np.testing.assert_array_equal(np.arange(50)[origin.rows(50, orders)], np.arange(50)[rows])
            assert len(pickle.dumps(origin)) < 150
        assert len(orders) == shuffle
