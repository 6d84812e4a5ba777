"""Losses that are not defined on some batches, and losses and scorers that fail at one of their calls."""

import re
import warnings
from copy import copy

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

PERTURBATIONS = pytest.mark.parametrize("perturbation", ["node", "weight"])
FEW = {"hidden_layer_sizes": (5,), "n_perturbations": 2, "batch_size": 50, "random_state": 0}


def gap(y_true, y_pred):
    return np.nan if np.ptp(y_true) == 0 else y_pred[y_true == 0, 1].mean() - y_pred[y_true == 1, 1].mean()


def gap_scorer(estimator, X, y):
    return -gap(y, estimator.predict_proba(X))


def spread_rows(y_true, y_pred):
    """Squared errors in units of a spread that a batch of one class has not."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return (y_true - y_pred[:, 1]) ** 2 * (np.ptp(y_true) / np.ptp(y_true))


UNDEFINED = pytest.mark.parametrize("loss", ["roc_auc", "f1", "average_precision", gap, gap_scorer, spread_rows])


def make_classes(n=200, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, 4))
    return X, (X[:, 0] + 0.5 * X[:, 1] > 0.3).astype(int)


def state_of(model):
    return {name: value for name, value in vars(model).items() if name.endswith("_")}


def assert_unchanged(model, before):
    after = state_of(model)
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)


# ---- a batch without a loss counts for nothing ----


@PERTURBATIONS
@UNDEFINED
@pytest.mark.parametrize("n_calls", [1, 5])
def test_a_stream_goes_on_as_if_a_batch_without_a_loss_had_not_come(loss, perturbation, n_calls, assert_same_model):
    X, y = make_classes()
    silent = np.flatnonzero(y == 0)[:50]
    rows = np.concatenate([np.arange(100), silent, np.arange(100, 200)])
    models = []
    for chosen in (np.arange(200), rows):
        model = DopamineMLPClassifier(loss=loss, perturbation=perturbation, shuffle=False, **FEW)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "loss=.*is not defined on this batch", UserWarning)
            for part in np.split(chosen, len(chosen) // 50) if n_calls > 1 else [chosen]:
                model.partial_fit(X[part], y[part], classes=[0, 1])
        models.append(model)
    one, other = models
    assert_same_model(other, one)
    for name in ("loss_curve_", "learning_rate_curve_", "reward_prediction_error_curve_", "best_loss_", "n_iter_"):
        assert getattr(other, name) == getattr(one, name), name


@PERTURBATIONS
def test_the_loss_of_a_rare_class_is_that_of_the_batches_that_have_it(perturbation):
    X = np.random.default_rng(0).normal(size=(600, 4))
    y = np.r_[np.zeros(301), np.ones(297), 2, 2].astype(int)
    X[:, 0] += 0.5 * y
    model = DopamineMLPClassifier(loss="neg_brier_score", perturbation=perturbation, max_iter=20, **FEW).fit(X, y)
    true = brier_score_loss(np.eye(3)[y].ravel(), model.predict_proba(X).ravel()) * 3
    assert model.best_loss_ == pytest.approx(true, rel=0.25)
    assert model.loss_curve_ == pytest.approx(np.full(model.n_iter_, true), rel=0.4)
    model.set_params(warm_start=True).fit(X, y)
    assert model.best_loss_ == pytest.approx(true, rel=0.25)
    model.partial_fit(X, y)
    assert model.loss_ == pytest.approx(true, rel=0.4)


def test_an_f1_score_counts_the_batches_that_have_positives():
    X, y = make_classes(400)
    y[20:] = 0  # all positives are in the first of eight batches
    model = DopamineMLPClassifier(loss="f1", shuffle=False, max_iter=9, **FEW).fit(X, y)
    assert -1 <= min(model.loss_curve_) <= max(model.loss_curve_) < -0.1  # a mean over all would be above -1 / 8


@PERTURBATIONS
@pytest.mark.parametrize("loss", ["roc_auc", gap, gap_scorer, spread_rows])
@pytest.mark.parametrize("warm_start", [False, True])
def test_a_loss_that_no_batch_of_an_epoch_has_is_refused(loss, perturbation, warm_start):
    X, y = make_classes(150)[0], np.arange(150) // 100  # two batches of one class, and one of the other
    model = DopamineMLPClassifier(loss=loss, perturbation=perturbation, max_iter=3, shuffle=False, **FEW)
    model.set_params(warm_start=warm_start, batch_size=150).fit(X, y)
    before = state_of(model)
    with pytest.raises(ValueError, match=r"loss=.* must be defined on one minibatch of each epoch .* in epoch 1: "):
        model.set_params(batch_size=50).fit(X, y)
    assert_unchanged(model, before)


@UNDEFINED
def test_a_stream_says_that_nothing_is_learnt(loss):
    X, y = make_classes()
    model = DopamineMLPClassifier(loss=loss, **FEW).partial_fit(X, y, classes=[0, 1])
    coefs, curve, n_rows = model.coefs_[0].copy(), list(model.loss_curve_), model.t_
    with pytest.warns(UserWarning, match="loss=.* is not defined on this batch, and nothing is learnt") as record:
        model.partial_fit(X[y == 0], y[y == 0])
    assert [warning.filename for warning in record] == [__file__]
    np.testing.assert_array_equal(model.coefs_[0], coefs)
    assert (model.loss_curve_, model.t_) == (curve, n_rows)


@pytest.mark.parametrize("loss", ["roc_auc", gap, gap_scorer])
def test_rows_held_back_without_a_loss_are_not_blamed_on_scoring(loss):
    X, y = make_classes(60)
    y[:] = 0
    y[7] = 1  # the only row of a class is trained on
    model = DopamineMLPClassifier(loss=loss, early_stopping=True, max_iter=9, **FEW)
    with pytest.raises(ValueError, match=r"^loss=.* must be finite on the rows held back, got nan"):
        model.fit(X, y)
    assert len(model.set_params(scoring="accuracy").fit(X, y).validation_scores_) >= 1


@PERTURBATIONS
def test_early_stopping_counts_the_batches_that_have_a_loss(perturbation):
    X, y = make_classes(300)
    y[50:] = np.where(np.arange(250) % 10, 0, y[50:])
    params = {**FEW, "batch_size": 20, "max_iter": 12, "early_stopping": True}
    model = DopamineMLPClassifier(loss="roc_auc", perturbation=perturbation, **params).fit(X, y)
    assert np.isfinite(model.loss_curve_).all()
    assert max(model.loss_curve_) < -0.5


# ---- what a user's function raises or returns at one of its calls ----


class At:
    """A function that does something else at one of its calls."""

    def __init__(self, function, k, fault):
        self.function, self.k, self.fault, self.n_calls = function, k, fault, 0

    def called(self, *args):
        self.n_calls += 1
        if self.n_calls != self.k:
            return self.function(*args)
        if isinstance(self.fault, Exception):
            raise self.fault
        return self.fault


class LossAt(At):
    def __call__(self, y_true, y_pred):
        return self.called(y_true, y_pred)


class ScorerAt(At):
    def __call__(self, estimator, X, y):
        return self.called(estimator, X, y)


def absolute(y_true, y_pred):
    return np.abs(y_true - (y_pred[:, 1] if y_pred.ndim == 2 else y_pred))


def greatest(y_true, y_pred):
    return absolute(y_true, y_pred).max()


def exact(estimator, X, y):
    return -greatest(y, estimator.predict(X))


FUNCTIONS = pytest.mark.parametrize(("kind", "function"), [(LossAt, absolute), (LossAt, greatest), (ScorerAt, exact)])
ESTIMATORS = pytest.mark.parametrize("cls", [DopamineMLPClassifier, DopamineMLPRegressor])


def n_calls_of(method, make):
    counted = make(0, None)
    method(counted)
    return counted.n_calls


@PERTURBATIONS
@FUNCTIONS
@ESTIMATORS
@pytest.mark.parametrize("method", ["fit", "early", "warm", "stream"])
def test_an_exception_at_any_call_of_a_loss_passes_through(cls, kind, function, perturbation, method):
    X, y = make_classes(60)
    few = {**FEW, "batch_size": 30, "max_iter": 3, "n_perturbations": 1, "perturbation": perturbation}

    fitted = cls(**few).fit(X, y)
    before = state_of(fitted)

    def train(loss):
        model = copy(fitted)
        model.set_params(loss=loss, warm_start=method == "warm", early_stopping=method == "early")
        try:
            (model.partial_fit if method == "stream" else model.fit)(X, y)
        except Exception:
            assert_unchanged(model, before)
            raise

    n_calls = n_calls_of(train, lambda k, fault: kind(function, k, fault))
    for k, error in [(1, RuntimeError), (2, ValueError), (n_calls // 2, ValueError), (n_calls, ZeroDivisionError)]:
        fault = error("out of order")
        with pytest.raises(error, match=r"^out of order$") as caught:
            train(kind(function, k, fault))
        assert caught.value is fault


@pytest.mark.parametrize("k", [1, 2, 3])
@ESTIMATORS
def test_an_exception_at_any_call_of_scoring_passes_through(cls, k):
    X, y = make_classes(60)
    model = cls(**FEW, max_iter=3).fit(X, y)
    before, fault = state_of(model), ValueError("out of order")
    with pytest.raises(ValueError, match=r"^out of order$") as caught:
        model.set_params(early_stopping=True, scoring=ScorerAt(exact, k, fault)).fit(X, y)
    assert caught.value is fault
    assert_unchanged(model, before)


@pytest.mark.parametrize("value", [np.nan, np.inf, "high", None, [1.0, 2.0]])
@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_scoring_that_gives_no_finite_number_is_named(make_task, kind, value):
    make, X, y = make_task(kind)
    with pytest.raises(ValueError, match=f"scoring=.* must give finite numbers, got {re.escape(repr(value))}"):
        make(early_stopping=True, scoring=lambda estimator, X, y: value).fit(X, y)


@PERTURBATIONS
@FUNCTIONS
@pytest.mark.parametrize("value", [np.zeros((2, 2)), None, "low"])
def test_a_value_of_another_shape_at_any_call_is_named(kind, function, value, perturbation):
    X, y = make_classes(60)

    def train(loss):
        few = {**FEW, "batch_size": 30, "max_iter": 3, "n_perturbations": 1, "perturbation": perturbation}
        DopamineMLPRegressor(loss=loss, **few).fit(X, y)

    n_calls = n_calls_of(train, lambda k, fault: kind(function, k, fault))
    for k in {1, 2, n_calls // 2, n_calls}:
        with pytest.raises(ValueError, match=r"loss=<.* must return one .*, got (an array of shape|None|'low')"):
            train(kind(function, k, value))


@PERTURBATIONS
@ESTIMATORS
def test_a_nan_now_and_then_does_no_harm(cls, perturbation):
    X, y = make_classes(200)

    class NowAndThen(LossAt):
        def __call__(self, y_true, y_pred):
            self.k = self.n_calls + 1 if self.n_calls and self.n_calls % 7 == 0 else 0
            return super().__call__(y_true, y_pred)

    few = {**FEW, "n_perturbations": 8, "max_iter": 30, "perturbation": perturbation}
    model = cls(loss=NowAndThen(lambda *args: absolute(*args).mean(), 0, np.nan), **few).fit(X, y)
    assert all(np.isfinite(coef).all() for coef in model.coefs_)
    assert model.score(X, y) > (0.7 if cls is DopamineMLPClassifier else 0.2)


@ESTIMATORS
def test_a_loss_of_rows_that_is_nan_is_named(cls):
    X, y = make_classes(60)

    def loss(y_true, y_pred):
        return np.where(np.arange(len(y_true)) == 7, np.nan, absolute(y_true, y_pred))

    with pytest.raises(ValueError, match=r"^loss=<function .* must be finite for this y, got nan"):
        cls(loss=loss, **FEW).fit(X, y)
    with pytest.warns(UserWarning, match="loss=<function .* is not defined on this batch"):
        cls(loss=loss, **FEW).partial_fit(X, y, **({"classes": [0, 1]} if cls is DopamineMLPClassifier else {}))
