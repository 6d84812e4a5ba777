"""How long to train, chosen out of fold: which rows a fold has, when the folds stop, and what a fit makes of it."""

import copy
import tracemalloc
import warnings

import numpy as np
import pytest
from conftest import absolute
from scipy import sparse
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor
from skdopamine._mlp import folds as _folds
from skdopamine._mlp import network as _network
from skdopamine._mlp.activations import layer_activations
from skdopamine._mlp.folds import (
    ENOUGH,
    FEWEST_ROWS,
    MOST_ROWS,
    N_FOLDS,
    PATIENCE,
    PATIENT,
    FoldsProblem,
    Judge,
    divide,
    settled,
    smoothed,
)
from skdopamine._mlp.network import Network
from skdopamine._mlp.node import NodeProblem
from skdopamine._mlp.parameters import make_learning_rate, make_settings
from skdopamine._mlp.problem import make_data
from skdopamine._mlp.units import Units
from skdopamine._objectives.base import LogisticLoss, SoftmaxLoss, SquaredError
from skdopamine._objectives.losses import AbsoluteError, Hinge, Huber, MultiHinge, Pinball, Poisson
from skdopamine._objectives.scorers import RowFunction
from skdopamine._objectives.tasks import View
from skdopamine._training import trainer as _trainer

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((100, 4))
NOISY = X[:, 0] + 2 * RNG.standard_normal(100)  # soon overfitted
NETWORK = Network((4, 5, 1), layer_activations("relu", 1)[:-1])
EPOCH = _trainer.Epoch(loss=1.0, reward_prediction_error=0.0, learning_rate=0.003)


def problem_of(rows, weight=None, target=None):
    target = rows[:, :1] if target is None else target
    return NodeProblem(
        NETWORK,
        SquaredError(),
        make_data(rows, target, weight),
        alpha=0.0,
        scale=0.1,
        n_perturbations=1,
        seed=3,
    )


# ---- which rows a fold has ----


def test_folds_are_of_one_size_and_stratified():
    labels = np.repeat([0, 1, 2], [70, 25, 5])
    fold = divide(problem_of(X), labels, seed=1)
    for label, count in enumerate([70, 25, 5]):
        per_fold = np.bincount(fold[labels == label], minlength=N_FOLDS)
        assert per_fold.max() - per_fold.min() <= 1
        assert per_fold.sum() == count
    assert np.bincount(fold).tolist() == [20] * N_FOLDS


def test_the_only_row_of_a_class_is_learnt_from_in_all_folds():
    labels = np.append(np.zeros(99, dtype=int), 1)
    fold = divide(problem_of(X), labels, seed=1)
    assert fold[-1] == -1
    assert (fold[:-1] >= 0).all()


def test_of_equal_rows_with_several_labels_none_is_held_out_where_one_label_has_no_other():
    rows, labels = np.append(X, X[:2], axis=0), np.append(np.arange(100) % 2, [2, 1])
    for seed in range(5):
        fold = divide(problem_of(rows), labels, seed=seed)
        assert np.flatnonzero(fold == -1).tolist() == [0, 100]  # the only row of class 2 is equal to row 0
        assert fold[101] == fold[1]


def test_of_equal_rows_with_several_labels_the_order_does_not_matter():
    rng = np.random.default_rng(0)
    rows, labels = X.repeat(3, axis=0), rng.integers(0, 4, 300)
    fold = divide(problem_of(rows), labels, seed=1)
    for _ in range(3):
        order = rng.permutation(300)
        np.testing.assert_array_equal(divide(problem_of(rows[order]), labels[order], seed=1), fold[order])


def test_rows_that_share_their_noise_are_not_taken_for_equal():
    rows = np.random.default_rng(0).standard_normal((2000, 4))
    ids = problem_of(rows).data.ids
    _, first, counts = np.unique(ids, return_index=True, return_counts=True)
    one = first[counts > 1][0]
    other = np.flatnonzero(ids == ids[one])[1]
    pair = np.append(rows[[one, other]], X[:98], axis=0)
    fold = divide(problem_of(pair), np.eye(100, dtype=int)[0], seed=1)
    assert np.flatnonzero(fold == -1).tolist() == [0]  # the only row of its class
    for seed in range(60):
        hundred = np.random.default_rng(seed).standard_normal((FEWEST_ROWS, 4))
        assert divide(problem_of(hundred), None, seed=1) is not None


def test_equal_rows_are_in_one_fold_and_the_order_of_rows_does_not_matter():
    fold = divide(problem_of(X), None, seed=1)
    counts = RNG.integers(1, 4, 100)
    np.testing.assert_array_equal(divide(problem_of(X.repeat(counts, axis=0)), None, seed=1), fold.repeat(counts))
    order = RNG.permutation(100)
    np.testing.assert_array_equal(divide(problem_of(X[order]), None, seed=1), fold[order])
    assert (divide(problem_of(X), None, seed=2) != fold).any()
    in_sparse = problem_of(sparse.csr_array(X), target=X[:, :1])
    assert set(divide(in_sparse, None, seed=1)) == set(range(N_FOLDS))


@pytest.mark.parametrize("n_rows", [FEWEST_ROWS - 1, MOST_ROWS + 1])
def test_too_few_or_too_many_rows_have_no_folds(n_rows):
    assert divide(problem_of(RNG.standard_normal((n_rows, 4))), None, seed=1) is None


def test_distinct_rows_are_counted():
    for n, times in ((FEWEST_ROWS - 1, 2), (MOST_ROWS + 1, 2)):
        rows = np.random.default_rng(0).standard_normal((n, 4))
        assert divide(problem_of(rows.repeat(times, axis=0)), None, seed=1) is None
    for n in (300, 700, 1100):  # 5, 2 and 1 folds
        rows = np.random.default_rng(0).standard_normal((n, 4))
        fold = divide(problem_of(rows), None, seed=1)
        np.testing.assert_array_equal(divide(problem_of(rows.repeat(7, axis=0)), None, seed=1), fold.repeat(7))


@pytest.mark.parametrize(("n_rows", "n_folds"), [(400, 5), (500, 4), (900, 2), (1500, 1)])
def test_of_many_rows_fewer_folds_are_made(n_rows, n_folds):
    rows = np.random.default_rng(0).uniform(size=(n_rows, 4))
    fold = divide(problem_of(rows), None, seed=1)
    assert set(fold) - {-1} == set(range(n_folds))
    assert (fold == 0).sum() == pytest.approx(n_rows / N_FOLDS, rel=0.05)


# ---- the networks of all folds as one problem ----


def test_each_network_has_the_credit_of_the_rows_outside_its_fold():
    weight = RNG.uniform(0.5, 2, 100)
    problem = problem_of(X, weight)
    fold = divide(problem, None, seed=1)
    folds = FoldsProblem(problem, fold)
    own = [_network.init_params(NETWORK, 2.0, np.random.default_rng(k), np.float64) for k in range(N_FOLDS)]
    params, batch = np.concatenate(own), folds.batch(slice(20, 80))
    memory = folds.init_memory()
    estimate, losses = folds.credit(params, memory, batch, 4), folds.losses(params, batch)
    assert batch.share.sum() == pytest.approx(1)
    mean = 0.0
    for k, alone in enumerate(own):
        rows = np.arange(20, 80)[fold[20:80] != k]
        part = problem.batch(rows)
        expected = problem.credit(alone, problem.init_memory(), part, 4)
        np.testing.assert_allclose(np.split(estimate.credit, N_FOLDS)[k], expected.credit, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(estimate.memory[0][k], expected.memory[0], rtol=1e-10, atol=1e-13)
        mean += float(expected.losses @ part.share[:, 0]) / N_FOLDS
    assert float(estimate.losses @ batch.share[:, 0]) == pytest.approx(mean)
    np.testing.assert_array_equal(estimate.losses, losses)


LOSSES = {
    "squares": SquaredError(),
    "huber": Huber(np.array([0.5, 1.0, 2.0])),
    "absolute": AbsoluteError(),
    "pinball": Pinball(0.3),
    "poisson": Poisson(),
    "logistic": LogisticLoss(),
    "softmax": SoftmaxLoss(),
    "hinge": Hinge(),
    "hinge of classes": MultiHinge(),
}


def problem_of_several(objective, hidden=(17,), weight=None, **kwargs):
    """Three outputs, with targets that suit every loss: one-hot."""
    network = Network((4, *hidden, 3), layer_activations(["tanh", "relu", "step"][: len(hidden)], len(hidden))[:-1])
    target = np.eye(3)[np.random.default_rng(8).integers(0, 3, 100)]
    options = {"alpha": 0.5, "scale": 0.1, "n_perturbations": 1, "seed": 3, **kwargs}
    return NodeProblem(network, objective, make_data(X, target, weight), **options)


def passed(monkeypatch, problem, rows, stack_bytes, update=0):
    """Batch, estimate and losses of networks that have one pass if `stack_bytes` allows it."""
    monkeypatch.setattr(_folds, "STACK_BYTES", stack_bytes)
    folds = FoldsProblem(problem, np.arange(100) % N_FOLDS)
    rng = np.random.default_rng(9)
    params = np.concatenate([_network.init_params(problem.network, 6.0, rng, np.float64) for _ in range(N_FOLDS)])
    memory = tuple(0.1 * rng.standard_normal(array.shape) for array in folds.init_memory())
    batch = folds.batch(rows)
    with np.errstate(all="ignore"):
        return batch, folds.credit(params, memory, batch, update), folds.losses(params, batch)


def assert_same_pass(one, other):
    for a, b in zip(one[1], other[1], strict=True):  # credit, losses, memory, evaluations
        for x, y in zip(a, b, strict=True) if isinstance(a, tuple) else [(a, b)]:
            if x is not None:
                np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(one[2], other[2], rtol=1e-10)
    np.testing.assert_allclose(one[0].share, other[0].share, rtol=1e-12)
    assert one[0].total == pytest.approx(other[0].total)


UNEVEN = np.r_[0:100:5, 1:60:3, 2:7]  # of some folds more rows than of others


@pytest.mark.parametrize("judged", [True, False])
@pytest.mark.parametrize("weight", [None, np.random.default_rng(10).uniform(0.5, 2, 100)])
@pytest.mark.parametrize("hidden", [(), (17,), (9, 17), (6, 5, 4)])
@pytest.mark.parametrize("loss", LOSSES)
def test_networks_that_have_one_pass_learn_what_they_do_one_by_one(monkeypatch, loss, hidden, weight, judged):
    problem = problem_of_several(LOSSES[loss], hidden, weight, judged=judged)
    for rows, update in ((slice(None), 0), (UNEVEN, 1), (UNEVEN, 61)):  # at 61 the critics do not learn
        one_by_one = passed(monkeypatch, problem, rows, 0, update)
        for stack_bytes, n_parts in ((2**30, 1), (2 * len(np.arange(100)[rows]) * max((*hidden, 3)) * 8, 3)):
            together = passed(monkeypatch, problem, rows, stack_bytes, update)
            assert len(together[0].parts) == n_parts
            assert_same_pass(together, one_by_one)
        assert len(one_by_one[0].parts) == N_FOLDS


def test_outputs_in_units_of_their_own_are_told_by_all_passes(monkeypatch):
    data = make_data(X, np.stack([NOISY, 100 * NOISY], axis=1), None)
    data = data._replace(units=Units.of(data.target, None))
    network = Network((4, 5, 2), NETWORK.activations)
    problem = NodeProblem(network, SquaredError(), data, alpha=0.0, scale=0.1, n_perturbations=1, seed=3)
    params = np.random.default_rng(7).standard_normal(N_FOLDS * _network.n_parameters(network))
    error = np.empty((100, 2))
    for k, own in enumerate(np.split(params, N_FOLDS)):
        error[k::N_FOLDS] = _network.forward(network, own, X[k::N_FOLDS]) - data.targets(slice(k, None, N_FOLDS))
    for stack_bytes in (0, 2**30):
        monkeypatch.setattr(_folds, "STACK_BYTES", stack_bytes)
        judge = Judge(FoldsProblem(problem, np.arange(100) % N_FOLDS), 200)
        judge.end_epoch(EPOCH, lambda: params)
        assert judge.losses[0] == pytest.approx(0.5 * (error**2).sum(axis=1).mean())
        assert judge.told[0] == pytest.approx(0.5 * ((error * data.units.scale) ** 2).sum(axis=1).mean())


def test_rows_that_fill_up_change_nothing(monkeypatch):
    rows = np.r_[0:100:5, 1:100:25]  # the first network has 4 rows, the others 20 and more
    assert_same_pass(*(passed(monkeypatch, problem_of_several(SquaredError()), rows, size) for size in (2**30, 0)))
    wild = problem_of_several(SquaredError())
    wild.data.target[0] = np.inf  # a row of the first fold, which all other networks learn from
    batch, estimate, losses = passed(monkeypatch, wild, rows, 2**30)
    (part,) = batch.parts
    assert part.real.sum(axis=1).tolist() == [4, 20, 24, 24, 24]
    assert (part.batch.share[~part.real] == 0).all()
    finite = [bool(np.isfinite(credit).all()) for credit in np.split(estimate.credit, N_FOLDS)]
    assert finite == [True, False, False, False, False]
    assert np.isfinite(losses).sum() == 4 + 19 + 3 * 23


def test_sparse_rows_and_losses_that_may_not_be_defined_have_a_pass_for_each_network():
    of_sparse = problem_of(sparse.csr_array(X), target=X[:, :1])
    row_function = NodeProblem(
        NETWORK,
        RowFunction(absolute, View("regression", None, lambda values: values)),
        problem_of(X).data,
        alpha=0.0,
        scale=0.1,
        n_perturbations=1,
        seed=3,
    )
    for problem in (of_sparse, row_function):
        batch = FoldsProblem(problem, np.arange(100) % N_FOLDS).batch(slice(None))
        assert [part.networks for part in batch.parts] == list(range(N_FOLDS))


def test_a_batch_in_the_one_fold_alone_teaches_nothing():
    folds = FoldsProblem(problem_of(X), np.where(np.arange(100) < 20, 0, -1))
    params = np.ones(_network.n_parameters(NETWORK))
    batch = folds.batch(np.array([3, 5]))
    estimate = folds.credit(params, folds.init_memory(), batch, 0)
    assert not estimate.defined
    assert not estimate.credit.any()
    assert estimate.n_evaluations == len(folds.losses(params, batch)) == 0
    rows = np.random.default_rng(0).standard_normal((1201, 4))
    for seed in range(2):  # a batch of one row is left
        model = DopamineMLPRegressor((5,), max_iter=20, batch_size=20, random_state=seed).fit(rows, rows[:, 0])
        assert model.validation_loss_curve_ is not None


def test_the_order_of_rows_in_a_batch_of_all_does_not_matter():
    folds = FoldsProblem(problem_of(X), np.arange(100) % N_FOLDS)
    batch = folds.batch(RNG.permutation(100))
    assert folds.batch(slice(0, 100)) is batch
    np.testing.assert_array_equal(batch.parts[0].batch.X[0], X[np.arange(100) % N_FOLDS != 0])


@pytest.mark.parametrize("left_out", [1, 40])
def test_a_batch_of_nearly_all_rows_has_those_alone(left_out):
    folds = FoldsProblem(problem_of(X), np.arange(100) % N_FOLDS)
    rows = np.arange(100)[:-left_out]
    for _ in range(2):  # before the batch of all rows is known, and after
        for batch in (folds.batch(rows), folds.batch(slice(0, 100 - left_out))):
            (part,) = batch.parts
            for k in range(N_FOLDS):
                np.testing.assert_array_equal(part.batch.X[k][part.real[k]], X[rows[rows % N_FOLDS != k]])
        folds.batch(slice(None))


def test_folds_of_a_wide_network_take_little_more_memory_than_one_after_the_other(monkeypatch):
    peaks = []
    for stack_bytes in (0, _folds.STACK_BYTES):
        monkeypatch.setattr(_folds, "STACK_BYTES", stack_bytes)
        model = DopamineMLPRegressor((3000,), max_iter=20, random_state=0)
        tracemalloc.start()
        model.fit(X, NOISY)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize("batch_size", [50, 100])
def test_folds_are_judged_without_further_evaluations_of_their_rows(monkeypatch, batch_size):
    model, calls, looked_at = fitted(), [], _trainer.looked_at
    monkeypatch.setattr(_trainer, "looked_at", lambda *args: calls.append(args) or looked_at(*args))
    found, *_ = _folds.find_length(
        problem_of(X, target=NOISY[:, None]),
        np.arange(100) % N_FOLDS,
        _network.init_params(NETWORK, 2.0, np.random.default_rng(0), np.float64),
        make_learning_rate(model, problem_of(X)),
        make_settings(model, problem_of(X), n_past=0, first_epoch=0)._replace(batch_size=batch_size),
        right=None,
        score=None,
        verbose=False,
    )
    assert found.n_epochs < 150
    assert calls == []


def test_a_batch_of_one_row_moves_the_networks_that_may_learn_from_it():
    problem = problem_of(X)
    fold = divide(problem, None, seed=1)
    folds = FoldsProblem(problem, fold)
    params = np.tile(_network.init_params(NETWORK, 2.0, np.random.default_rng(0), np.float64), N_FOLDS)
    batch = folds.batch(np.array([7]))
    assert batch.share.sum() == pytest.approx(1)
    estimate = folds.credit(params, folds.init_memory(), batch, 0)
    moved = [bool(credit.any()) for credit in np.split(estimate.credit, N_FOLDS)]
    assert moved == [k != fold[7] for k in range(N_FOLDS)]
    assert len(estimate.losses) == N_FOLDS - 1


# ---- when the folds stop ----


def valley(best, n):
    return [abs(epoch - best) / best for epoch in range(1, n + 1)]


def test_a_loss_that_has_long_risen_settles_the_length():
    last = int(PATIENCE * 10 + 10)
    assert settled(valley(10, last), None, 150) is None
    assert settled(valley(10, last + 1), None, 150) == 16


def test_the_length_lies_between_the_best_epochs_of_loss_and_score():
    n = int(PATIENCE * 40 + max(10, PATIENT * 300)) + 1
    scores = [-value for value in valley(40, n)]
    assert settled(valley(10, n), scores, 300) == round(1.6 * np.sqrt(10 * 40))


def test_folds_wait_for_the_later_of_the_best_epochs_of_loss_and_score():
    for losses, scores in ((valley(10, 40), valley(35, 40)), (valley(35, 40), valley(10, 40))):
        assert settled(losses, [-value for value in scores], 300) is None
    assert settled(valley(10, 40), None, 300) == 16


def test_three_epochs_are_trained_at_least():
    for best, length in ((1, 3), (2, 3), (3, 5)):
        assert settled(valley(best, int(PATIENCE * best + 10) + 1), None, 150) == length


def test_what_still_improves_wants_the_whole_schedule():
    n = int(np.ceil(ENOUGH * 150))
    assert settled(valley(1000, n - 1), None, 150) is None
    assert settled(valley(1000, n), None, 150) == 150


def test_a_length_next_to_the_whole_schedule_is_the_whole():
    assert settled(valley(60, 63), None, 100) == 100
    assert settled(valley(60, 80), None, 100) == 100  # 96 otherwise
    assert settled(valley(50, 63), None, 100) == 80


def test_of_epochs_with_one_score_the_first_is_the_best():
    n = int(PATIENCE * 5 + 10) + 1
    scores = np.where(np.arange(n) < 2, 0.0, 0.7) + 1e-16 * np.arange(n)  # but for rounding
    assert settled(valley(5, n), scores, 150) == round(1.6 * 5)


def test_scores_are_smoothed():
    np.testing.assert_allclose(smoothed([0, 0, 5, 0, 0]), [1, 1, 1, 1, 1])
    np.testing.assert_allclose(smoothed([1.0]), [1.0])


# ---- what a fit makes of it ----


def fitted(make=DopamineMLPRegressor, target=NOISY, rows=X, fit=None, **params):
    return make((20,), **{"random_state": 0, "max_iter": 150, **params}).fit(rows, target, **(fit or {}))


def test_a_noisy_set_is_trained_for_less():
    model, whole = fitted(), fitted(early_stopping=False)
    assert model.n_iter_ < 0.5 * whole.n_iter_
    assert len(model.loss_curve_) == model.n_iter_
    test = np.random.default_rng(1).standard_normal((1000, 4))
    error, worse = (np.mean((one.predict(test) - test[:, 0]) ** 2) for one in (model, whole))
    assert error < 0.9 * worse
    assert model.validation_scores_ is None
    assert min(model.validation_loss_curve_) < 0.5 * np.var(NOISY)  # halves of squares
    assert model.learning_rate_curve_[-1] < 0.3 * max(model.learning_rate_curve_)  # annealed within
    assert model.n_evaluations_ > model.n_iter_ * 100


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "pinball", "poisson", absolute, "log_loss", "hinge"])
def test_folds_are_judged_by_each_loss(loss):
    if loss in ("log_loss", "hinge"):
        model = fitted(DopamineMLPClassifier, (NOISY > 0).astype(int), loss=loss, max_iter=30)
    else:
        model = fitted(target=np.exp(X[:, 0]), loss=loss, max_iter=30)
    assert np.isfinite(model.validation_loss_curve_).all()
    assert min(model.validation_loss_curve_) < 0.99 * model.validation_loss_curve_[0]
    assert model.loss_curve_[-1] < model.loss_curve_[0]


def test_a_wild_row_does_not_end_the_training():
    rows = np.random.default_rng(1).standard_normal((200, 4))
    target = rows @ [1.0, 2, 3, 4]
    target[0] = 1e4
    params = {"loss": "absolute_error", "hidden_layer_sizes": (20,), "random_state": 0}
    model = DopamineMLPRegressor(**params, max_iter=150).fit(rows, target)
    assert model.score(rows[1:], target[1:]) > 0.95


def test_what_is_not_overfitted_is_trained_as_ever():
    model, whole = (fitted(target=X @ [1.0, 2, 3, 4], early_stopping=e) for e in ("auto", False))
    np.testing.assert_array_equal(model.coefs_[0], whole.coefs_[0])
    assert model.validation_loss_curve_ is not None
    assert whole.validation_loss_curve_ is None
    assert model.n_evaluations_ > whole.n_evaluations_  # those of the folds count


def test_a_classifier_is_judged_by_loss_and_accuracy():
    rows, labels = make_classification(120, 8, flip_y=0.3, n_classes=3, n_informative=4, random_state=0)
    model = fitted(DopamineMLPClassifier, labels, rows)
    assert len(model.validation_scores_) == len(model.validation_loss_curve_)
    assert 1 / 3 < model.best_validation_score_ < 1
    assert model.best_validation_score_ == max(model.validation_scores_)
    named = fitted(DopamineMLPClassifier, labels, rows, scoring="balanced_accuracy")
    assert named.validation_scores_ != model.validation_scores_
    assert named.validation_loss_curve_[:5] == model.validation_loss_curve_[:5]


@pytest.mark.parametrize("make", [DopamineMLPClassifier, DopamineMLPRegressor])
def test_a_row_of_weight_two_is_two_rows(make):
    rows = np.random.default_rng(2).standard_normal((160, 4))
    target = rows[:, 0] + np.random.default_rng(3).standard_normal(160)
    target = target if make is DopamineMLPRegressor else (target > 0).astype(int)
    counts = np.random.default_rng(4).integers(0, 3, 160)
    weighted = fitted(make, target, rows, fit={"sample_weight": counts}, batch_size=300)
    repeated = fitted(make, target.repeat(counts), rows.repeat(counts, axis=0), batch_size=300)
    assert weighted.n_iter_ == repeated.n_iter_
    np.testing.assert_allclose(weighted.coefs_[0], repeated.coefs_[0], rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(weighted.validation_loss_curve_, repeated.validation_loss_curve_, rtol=1e-7)


@pytest.mark.parametrize("seed", [0, 5, 6])
def test_a_row_of_weight_five_is_five_rows_among_wild_ones(seed):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((120, 4))
    noise = rng.standard_t(1.5, 120)
    counts = np.where(np.abs(noise) < 0.3, 5, 1)  # the median loss depends on them, and what a wild row counts for
    target = rows[:, 0] + noise
    weighted = fitted(target=target, rows=rows, fit={"sample_weight": counts}, batch_size=1000)
    repeated = fitted(target=target.repeat(counts), rows=rows.repeat(counts, axis=0), batch_size=1000)
    assert weighted.n_iter_ == repeated.n_iter_
    np.testing.assert_allclose(weighted.coefs_[0], repeated.coefs_[0], rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("target", [np.stack([NOISY, -NOISY], axis=1), np.stack([NOISY, 1000 * NOISY], axis=1)])
def test_several_outputs_report_the_loss_in_their_units(target):
    model = fitted(target=target)
    at_best = int(np.argmin(model.validation_loss_curve_))
    assert model.validation_loss_curve_[at_best] == pytest.approx(0.5 * np.var(target, axis=0).sum(), rel=0.3)


LABELS = {
    "two classes": (NOISY > 0).astype(int),
    "three classes": np.digitize(NOISY, [-1, 1]),
    "labels": np.stack([NOISY > 0, X[:, 1] > 0.5], axis=1).astype(int),
}


def share_of_right(model, rows, labels):
    return np.mean(model.predict(rows) == labels)


@pytest.mark.parametrize("labels", LABELS)
def test_the_score_out_of_fold_is_the_share_of_rows_or_labels_that_are_right(labels):
    counts = np.random.default_rng(1).integers(1, 5, 100)  # folds of unequal size
    rows, target = X.repeat(counts, axis=0), LABELS[labels].repeat(counts, axis=0)
    model, other = (fitted(DopamineMLPClassifier, target, rows, scoring=by) for by in (None, share_of_right))
    np.testing.assert_allclose(model.validation_scores_, other.validation_scores_, rtol=1e-12)
    assert model.n_iter_ == other.n_iter_ < 100
    assert 0.5 < model.best_validation_score_ < 1


@pytest.mark.parametrize("activation", ["step", "relu"])
@pytest.mark.parametrize("perturbation", ["node", "feedback"])
def test_every_credit_rule_and_sparse_rows(perturbation, activation):
    params = {"perturbation": perturbation, "activation": activation, "max_iter": 40}
    dense, of_sparse = (fitted(rows=rows, **params) for rows in (X, sparse.csr_array(X)))
    assert dense.n_iter_ == of_sparse.n_iter_
    assert dense.validation_loss_curve_ is not None


@pytest.mark.parametrize(
    "params",
    [
        {"learning_rate": "constant"},
        {"max_iter": 10},
        {"loss": "neg_mean_absolute_percentage_error", "max_iter": 30},
        {"init": DopamineMLPRegressor((20,))},
        {"early_stopping": False},
        {"perturbation": "weight"},
        {"n_iter_no_change": np.inf},
    ],
)
def test_nothing_is_chosen_where_there_is_nothing_to_choose(params):
    if "init" in params:
        params["init"].set_params(max_iter=2).fit(X, NOISY)
    model = fitted(**params)
    assert model.validation_loss_curve_ is None
    assert model.validation_scores_ is None


def test_streams_and_warm_starts_are_as_ever():
    stream = DopamineMLPRegressor((20,), random_state=0).partial_fit(X, NOISY)
    assert stream.validation_loss_curve_ is None
    model, other = (fitted(warm_start=True, early_stopping=e) for e in ("auto", False))
    other = copy.copy(model).set_params(early_stopping=False)
    for one in (model, other):
        one.fit(X, NOISY)
    np.testing.assert_array_equal(model.coefs_[0], other.coefs_[0])
    assert model.validation_loss_curve_ is None


def test_the_console_and_to_sklearn_tell_of_it(capsys):
    rows, labels = make_classification(120, 8, flip_y=0.3, random_state=0)
    model = fitted(DopamineMLPClassifier, labels, rows, verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("Out of fold: iteration") for line in lines) == len(model.validation_loss_curve_)
    assert sum(line.startswith("Iteration") for line in lines) == model.n_iter_
    theirs = model.to_sklearn()
    assert isinstance(theirs, MLPClassifier)
    assert theirs.early_stopping is False
    theirs.fit(rows, labels)


def test_tol_and_n_iter_no_change_stop_the_final_training_alone():
    model, soon = fitted(), fitted(tol=0.5, n_iter_no_change=3)
    assert soon.validation_loss_curve_ == model.validation_loss_curve_
    assert soon.n_iter_ < model.n_iter_


def test_a_shorter_length_is_not_a_fit_that_was_cut_short(monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        shortened = fitted(max_iter=100)
    assert shortened.n_iter_ < 100
    monkeypatch.setattr(_folds, "settled", lambda losses, scores, n_epochs: n_epochs)
    with pytest.warns(ConvergenceWarning, match="max_iter=100"):  # where the whole of a longer schedule is wanted
        assert fitted(max_iter=100).n_iter_ == 100


@pytest.mark.parametrize("number", [1, 5])
def test_an_interruption_while_folds_are_trained_ends_the_fit(monkeypatch, number):
    model, judged, calls = fitted(max_iter=30), Judge.end_epoch, []
    before = model.coefs_

    def interrupted(self, *args):
        calls.append(1)
        if len(calls) == number:
            raise KeyboardInterrupt
        return judged(self, *args)

    monkeypatch.setattr(Judge, "end_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fitted()
    calls.clear()
    with pytest.warns(UserWarning, match="interrupted before its first epoch had ended; the model as it was before"):
        model.fit(X, -NOISY)
    assert model.coefs_ is before


class Watcher:
    """Keeps the curves that callbacks see at the end of each epoch."""

    def __init__(self):
        self.curves = []

    def setup(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.parent is not None:
            self.curves.append(list(fitted_estimator.validation_loss_curve_))

    def teardown(self, estimator, context): ...


def test_callbacks_see_the_curve_on_rows_that_are_not_learnt_from():
    pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")
    watcher = Watcher()
    model = DopamineMLPRegressor((20,), max_iter=40, random_state=0).set_callbacks(watcher).fit(X, NOISY)
    assert watcher.curves == [model.validation_loss_curve_] * model.n_iter_  # that of the folds is whole by then
    watcher = Watcher()
    model.set_params(scoring="r2").set_callbacks(watcher).fit(X, NOISY, X_val=OTHER, y_val=OTHER[:, 0])
    curve = model.validation_loss_curve_
    assert watcher.curves == [curve[:n] for n in range(1, model.n_iter_ + 1)]


# ---- the user's own validation set ----

OTHER = np.random.default_rng(5).standard_normal((60, 4))


@pytest.mark.parametrize("early_stopping", ["auto", True])
def test_an_own_validation_set_stops_the_training(early_stopping):
    own = {"X_val": OTHER, "y_val": OTHER[:, 0]}
    model = fitted(fit=own, early_stopping=early_stopping)
    assert model.n_iter_ < fitted(early_stopping=False).n_iter_
    assert model.best_loss_ is None
    best = max(model.validation_scores_)
    assert best == pytest.approx(-0.5 * np.mean((model.predict(OTHER) - OTHER[:, 0]) ** 2), rel=1e-6)
    assert model.validation_loss_curve_ == [-score for score in model.validation_scores_]
    scored = fitted(fit=own, early_stopping=early_stopping, scoring="r2")
    assert scored.best_validation_score_ == pytest.approx(scored.score(OTHER, OTHER[:, 0]))
    assert scored.validation_loss_curve_[0] == pytest.approx(model.validation_loss_curve_[0])


def test_weights_of_the_own_validation_set_count():
    weight = np.repeat([0.0, 1.0], 30)
    half = fitted(fit={"X_val": OTHER[30:], "y_val": OTHER[30:, 0]})
    weighted = fitted(fit={"X_val": OTHER, "y_val": OTHER[:, 0], "sample_weight_val": weight})
    np.testing.assert_allclose(half.validation_scores_, weighted.validation_scores_, rtol=1e-10)


def test_a_validation_row_of_weight_three_is_three_rows():
    counts = np.random.default_rng(1).choice([1, 3], 60)
    weighted = fitted(fit={"X_val": OTHER, "y_val": OTHER[:, 0], "sample_weight_val": counts})
    rows = OTHER.repeat(counts, axis=0)
    repeated = fitted(fit={"X_val": rows, "y_val": rows[:, 0]})
    np.testing.assert_allclose(weighted.validation_scores_, repeated.validation_scores_, rtol=1e-10)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"X_val": X}, "X_val must come with y_val, got y_val=None"),
        ({"y_val": NOISY}, "y_val must come with X_val, got X_val=None"),
        ({"sample_weight_val": NOISY}, "sample_weight_val must come with X_val"),
        ({"X_val": X[:, :2], "y_val": NOISY}, "X_val has 2 features"),
        ({"X_val": X, "y_val": NOISY[:3]}, "inconsistent"),
        ({"X_val": np.full_like(X, np.nan), "y_val": NOISY}, "NaN"),
        ({"X_val": X, "y_val": np.stack([NOISY, NOISY], axis=1)}, "y_val must have as many outputs as y, 1, got 2"),
        ({"X_val": X, "y_val": NOISY, "sample_weight_val": -np.ones(100)}, "sample_weight_val must not be negative"),
    ],
)
def test_a_bad_validation_set_is_named(own, message):
    model = fitted(max_iter=2)
    before = model.coefs_
    with pytest.raises(ValueError, match=message):
        model.fit(X, NOISY, **own)
    assert model.coefs_ is before


@pytest.mark.parametrize("of_fit", [True, False])
def test_a_warning_of_feature_names_names_the_validation_set(of_fit):
    frame = pytest.importorskip("pandas").DataFrame(X, columns=list("abcd"))
    rows, own = (frame, X) if of_fit else (X, frame)
    told = "does not have valid" if of_fit else "has"
    fitted_with = "with" if of_fit else "without"
    message = f"^X_val {told} feature names, but DopamineMLPRegressor was fitted {fitted_with} feature names$"
    with pytest.warns(UserWarning, match=message) as caught:
        model = fitted(rows=rows, fit={"X_val": own, "y_val": NOISY}, max_iter=2)
    assert sum("feature names" in str(warning.message) for warning in caught) == 1
    assert caught[0].filename == __file__
    assert hasattr(model, "feature_names_in_") == of_fit
    plain = fitted(fit={"X_val": X, "y_val": NOISY}, max_iter=2)
    np.testing.assert_array_equal(plain.coefs_[0], model.coefs_[0])


def test_a_validation_set_without_early_stopping_is_refused():
    with pytest.raises(ValueError, match="X_val must not be given with early_stopping=False"):
        fitted(early_stopping=False, fit={"X_val": X, "y_val": NOISY})
    labels = (NOISY > 0).astype(int)
    with pytest.raises(ValueError, match=r"y_val has classes \[2\]"):
        fitted(DopamineMLPClassifier, labels, fit={"X_val": X, "y_val": labels + 1})


@pytest.mark.parametrize("kind", [bool, np.bool_])
def test_a_truth_value_of_numpy_is_one(kind):
    assert fitted(early_stopping=kind(True), max_iter=5).best_loss_ is None
    with pytest.raises(ValueError, match="X_val must not be given with early_stopping=False"):
        fitted(early_stopping=kind(False), fit={"X_val": X, "y_val": NOISY})
    with pytest.warns(UserWarning, match="scoring='r2' has no effect"):
        fitted(early_stopping=kind(False), scoring="r2", max_iter=5)


@pytest.mark.parametrize("n_pairs", [0, 1])
def test_classes_of_one_row_say_nothing(n_pairs):
    rows = np.random.default_rng(6).standard_normal((110, 4))
    labels = np.arange(110) // (1 + (np.arange(110) < 2 * n_pairs))
    assert divide(problem_of(rows), labels, seed=1) is None
    model = DopamineMLPClassifier((5,), max_iter=20, random_state=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        assert model.fit(rows, labels).validation_loss_curve_ is None


def test_to_sklearn_goes_on_after_an_own_validation_set():
    theirs = fitted(fit={"X_val": OTHER, "y_val": OTHER[:, 0]}, max_iter=5).to_sklearn()
    assert theirs.best_loss_ == min(theirs.loss_curve_)
    theirs.partial_fit(X, NOISY)


def judge_of_halves():
    params = np.random.default_rng(7).standard_normal(2 * _network.n_parameters(NETWORK))
    return Judge(FoldsProblem(problem_of(X), np.arange(100) // 50), 200), params


def test_a_wild_row_does_not_decide():
    judge, params = judge_of_halves()
    for epoch in range(5):
        losses = np.full((2, 50), 5.0 - epoch)
        losses[0, 0] = 1e6 * (1 + epoch)
        judge.problem.values = lambda output, batch, losses=losses: losses
        judge.end_epoch(EPOCH, lambda: params)
    assert (np.diff(judge.losses) < 0).all()
    assert (np.diff(judge.told) > 0).all()  # what is reported is the mean as it is


def test_an_epoch_without_a_loss_is_not_the_best_one():
    judge, params = judge_of_halves()
    judge.problem.values = lambda output, batch: np.full(output.shape[:-1], np.nan)
    judge.end_epoch(EPOCH, lambda: params)
    del judge.problem.values
    judge.end_epoch(EPOCH, lambda: params)
    assert judge.losses[1] < judge.losses[0]


def test_scoring_that_judges_nothing_is_told():
    with pytest.warns(UserWarning, match="scoring='r2' has no effect without early_stopping=True"):
        fitted(scoring="r2", max_iter=10)  # too short for folds
    with pytest.warns(UserWarning, match="scoring='r2' has no effect without early_stopping=True"):
        DopamineMLPRegressor((5,), scoring="r2").partial_fit(X, NOISY)


@pytest.mark.parametrize("scoring", ["roc_auc", "roc_auc_ovr"])
@pytest.mark.parametrize("several_labels", [False, True])
def test_a_metric_is_not_asked_of_folds_that_lack_a_class(scoring, several_labels):
    labels = (np.arange(100) < 3).astype(int) + (scoring == "roc_auc_ovr") * (NOISY > 0)
    if several_labels:
        labels = np.stack([NOISY > 0, np.arange(100) < 3], axis=1).astype(int)
    with pytest.warns(UserWarning, match=f"scoring='{scoring}' has no effect"):
        model = fitted(DopamineMLPClassifier, labels, scoring=scoring, max_iter=20)
    assert model.validation_loss_curve_ is None


@pytest.mark.parametrize("n_classes", [2, 3])
def test_labels_of_another_kind_are_named(n_classes):
    classes, labels = np.arange(100) % n_classes, np.stack([NOISY > 0, NOISY < 0], axis=1).astype(int)
    model = fitted(DopamineMLPClassifier, classes, max_iter=2)
    with pytest.raises(ValueError, match=r"y_val must be one class for each row, .* got an indicator"):
        model.fit(X, classes, X_val=X, y_val=labels)
    with pytest.raises(ValueError, match=r"y must be one class for each row, .* got an indicator"):
        model.partial_fit(X, labels)
    with pytest.raises(ValueError, match=r"y_val must be an indicator of several labels, .* got one class"):
        model.fit(X, labels, X_val=X, y_val=classes % 2)
