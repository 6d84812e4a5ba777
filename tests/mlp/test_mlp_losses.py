"""The estimators under every kind of loss: what they learn, refuse, publish and survive."""

import pickle
import warnings
from contextlib import nullcontext
from functools import cache

import numpy as np
import pytest
import sklearn
from scipy import sparse
from scipy.special import xlogy
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import (
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    make_scorer,
    max_error,
    mean_absolute_error,
    mean_pinball_loss,
    mean_poisson_deviance,
    median_absolute_error,
)
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.fixes import parse_version

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# the folds of tests/mlp/test_folds.py would take most of the time
SMALL = {"hidden_layer_sizes": (10,), "max_iter": 60, "batch_size": 50, "early_stopping": False, "random_state": 0}
PERTURBATIONS = pytest.mark.parametrize("perturbation", ["node", "weight"])


def brier_rows(y_true, y_pred):
    return ((y_true[:, None] == np.arange(y_pred.shape[1])) - y_pred) ** 2 @ np.ones(y_pred.shape[1])


def brier_all(y_true, y_pred):
    return brier_rows(y_true, y_pred).mean()


def absolute_rows(y_true, y_pred):
    return np.abs(y_true - y_pred).reshape(len(y_true), -1).sum(axis=1)


def median_all(y_true, y_pred):
    return median_absolute_error(y_true, y_pred)


def f1_of(estimator, X, y):
    return f1_score(y, estimator.predict(X))


F1_SCORER = make_scorer(f1_score)


def named(value):
    return getattr(value, "__name__", None) or str(value)


def imbalanced(n=300, seed=0, share=0.15):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    score = X @ [1.0, -1.0, 0.5, 0.0] + rng.normal(size=n)
    return X, (score > np.quantile(score, 1 - share)).astype(int)


def classify(**params):
    few = {"max_iter": 20, "batch_size": 200} if params.get("loss") in (f1_of, F1_SCORER) else {}  # a call a member
    return DopamineMLPClassifier(**{**SMALL, **few, **params})


def regress(**params):
    few = {"batch_size": 200} if params.get("loss") is median_all else {}  # likewise
    return DopamineMLPRegressor(**{**SMALL, **few, **params})


def finite_attributes(model):
    """Every fitted attribute that holds numbers; there must be no other than finite ones."""
    names = [name for name in dir(model) if name.endswith("_") and not name.startswith("_")]
    assert {"coefs_", "intercepts_", "loss_", "loss_curve_", "learning_rate_", "n_evaluations_"} <= set(names)
    for name in names:
        value = getattr(model, name)
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, (int, float, np.ndarray)) and np.asarray(part).dtype.kind in "biuf":
                assert np.isfinite(part).all(), name


# ---- learning ----


@PERTURBATIONS
@pytest.mark.parametrize(
    "loss",
    ["log_loss", "hinge", "zero_one", "f1", "accuracy", "roc_auc", brier_rows, brier_all],
    ids=named,
)
def test_classifier_learns_under_each_loss(make_task, loss, perturbation):
    _, X, y = make_task("binary", n=200)
    model = classify(loss=loss, perturbation=perturbation).fit(X, y)
    assert model.score(X, y) > DummyClassifier().fit(X, y).score(X, y) + 0.2
    finite_attributes(model)


@pytest.mark.slow
def test_a_scorer_that_is_a_function_is_learnt(make_task):
    _, X, y = make_task("binary", n=100)
    model = classify(loss=f1_of, n_perturbations=8).fit(X, y)
    assert model.score(X, y) > DummyClassifier().fit(X, y).score(X, y) + 0.2


@pytest.mark.parametrize("loss", ["hinge", "zero_one", "f1_macro", "accuracy", "roc_auc_ovr", brier_rows], ids=named)
def test_classifier_learns_several_classes(make_task, loss):
    _, X, y = make_task("multiclass", n=200)
    model = classify(loss=loss).fit(X, y)
    assert model.score(X, y) > 0.7
    finite_attributes(model)


@pytest.mark.parametrize("loss", ["hinge", "zero_one", "f1_samples", "f1_macro", "jaccard_micro"])
def test_classifier_learns_label_sets(make_task, loss):
    _, X, y = make_task("multilabel", n=200)
    model = classify(loss=loss).fit(X, y)
    assert f1_score(y, model.predict(X), average="macro") > 0.75
    finite_attributes(model)


@pytest.mark.slow
@PERTURBATIONS
@pytest.mark.parametrize(
    ("loss", "metric"),
    [
        ("absolute_error", mean_absolute_error),
        ("huber", mean_absolute_error),
        ("pinball", mean_absolute_error),
        ("poisson", mean_poisson_deviance),
        ("neg_mean_absolute_error", mean_absolute_error),
        ("neg_median_absolute_error", median_absolute_error),
        (absolute_rows, mean_absolute_error),
        (median_all, median_absolute_error),
    ],
    ids=named,
)
def test_regressor_learns_under_each_loss(make_task, loss, metric, perturbation):
    _, X, y = make_task("regression", n=200)
    y = np.exp(y)
    model = regress(loss=loss, perturbation=perturbation).fit(X, y)
    constant = {mean_poisson_deviance: "mean"}.get(metric, "median")
    dummy = metric(y, DummyRegressor(strategy=constant).fit(X, y).predict(X))
    assert metric(y, model.predict(X)) < 0.7 * dummy
    finite_attributes(model)


def test_regressor_learns_several_outputs(make_task):
    _, X, y = make_task("multioutput", n=200)
    for loss in ("absolute_error", "neg_median_absolute_error", absolute_rows):
        prediction = regress(loss=loss).fit(X, y).predict(X)
        assert prediction.shape == y.shape
        assert (np.abs(y - prediction).mean(axis=0) < 0.5 * np.abs(y).mean(axis=0)).all()


@pytest.mark.parametrize(
    ("loss", "metric"), [("f1", f1_score), ("balanced_accuracy", balanced_accuracy_score)], ids=named
)
def test_a_metric_is_higher_where_it_is_what_is_learnt(loss, metric):
    gains = []
    for seed in range(3):
        X, y = imbalanced(600, seed, 0.1)  # a linear model, which cannot learn rows by heart
        params = {"hidden_layer_sizes": (), "batch_size": "auto", "max_iter": 60}
        own, other = (metric(y, classify(loss=name, **params).fit(X, y).predict(X)) for name in (loss, "log_loss"))
        gains.append(own - other)
    assert min(gains) > 0
    assert np.mean(gains) > 0.02


def test_zero_one_and_hinge_do_not_fall_behind_log_loss():
    X, y = imbalanced(share=0.4)
    accuracy = {loss: classify(loss=loss).fit(X, y).score(X, y) for loss in ("log_loss", "hinge", "zero_one")}
    assert accuracy["zero_one"] > accuracy["log_loss"] - 0.03
    assert accuracy["hinge"] > accuracy["log_loss"] - 0.03


@pytest.mark.parametrize("loss", ["absolute_error", "huber"])
def test_gross_outliers_are_not_followed(make_task, loss):
    _, X, clean = make_task("regression", n=200)
    y = clean.copy()
    y[::10] += 300 * np.where(X[::10, 1] > 0, 1.0, 0.5)
    robust, square = (
        np.abs(regress(loss=name).fit(X, y).predict(X) - clean).mean() for name in (loss, "squared_error")
    )
    assert robust < 0.5
    assert square > 5


@pytest.mark.parametrize("quantile", [0.1, 0.9])
def test_pinball_covers_the_share_that_it_is_asked_for(make_task, quantile):
    _, X, y = make_task("regression", n=600)
    y = y + np.random.default_rng(0).exponential(2.0, len(y))
    prediction = regress(loss="pinball", quantile=quantile, hidden_layer_sizes=()).fit(X, y).predict(X)
    assert np.mean(y <= prediction) == pytest.approx(quantile, abs=0.05)
    constant = np.full(len(y), np.quantile(y, quantile))
    assert mean_pinball_loss(y, prediction, alpha=quantile) < mean_pinball_loss(y, constant, alpha=quantile)


def test_pinball_of_one_half_is_the_absolute_error(make_task, assert_same_model):
    _, X, y = make_task("regression")
    half, whole = (regress(loss=loss).fit(X, y) for loss in ("pinball", "absolute_error"))
    np.testing.assert_allclose(half.predict(X), whole.predict(X), atol=0.02)
    assert half.loss_ == pytest.approx(whole.loss_ / 2, rel=0.05)


def test_poisson_predicts_positive_values():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = rng.poisson(np.exp(X[:, 0] - 1))
    model = regress(loss="poisson").fit(X, y)
    assert (y == 0).any()
    assert model.predict(X).min() > 0
    assert model.predict(100 * X).min() >= 0
    assert model.out_activation_ == "exp"
    assert model.predict(X).mean() == pytest.approx(y.mean(), rel=0.1)
    tenfold = regress(loss="poisson").fit(X, 1024 * y)  # a power of two changes the unit alone
    np.testing.assert_allclose(tenfold.predict(X), 1024 * model.predict(X), rtol=1e-9)
    with pytest.raises(ValueError, match="y must not be negative for loss='poisson', got a minimum of -1"):
        regress(loss="poisson").fit(X, y - 1.0)


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "pinball", "neg_median_absolute_error", absolute_rows])
def test_units_of_the_target_do_not_matter(make_task, loss):
    _, X, y = make_task("regression")
    model = regress(loss=loss, max_iter=15).fit(X, y)
    moved = regress(loss=loss, max_iter=15).fit(X, 2.0**20 * y + 2.0**22)
    np.testing.assert_allclose((moved.predict(X) - 2.0**22) / 2.0**20, model.predict(X), rtol=0, atol=1e-3)
    assert moved.loss_ == pytest.approx(2.0**20 * model.loss_, rel=1e-4) or loss == "huber"


def _several_outputs(loss):
    """Positive targets of three sizes, and a network of scikit-learn to start from."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4))
    y = np.exp(0.3 * X[:, :3]) * [1.0, 2.0, 3.0]
    theirs = MLPRegressor(
        "poisson" if loss == "poisson" else "squared_error",
        hidden_layer_sizes=(5,),
        **{"max_iter": 30, "alpha": 0.0, "warm_start": True, "random_state": 0, "batch_size": 60},
    )
    return X, y, theirs.fit(X, y)


OF_OUTPUTS = {  # loss -> of each target and prediction
    "squared_error": lambda t, p: (p - t) ** 2 / 2,
    "absolute_error": lambda t, p: abs(p - t),
    "pinball": lambda t, p: np.maximum(0.2 * (t - p), 0.8 * (p - t)),
    "poisson": lambda t, p: xlogy(t, t / p) - t + p,
}


@PERTURBATIONS
@pytest.mark.parametrize("loss", OF_OUTPUTS)
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_are_summed_over_outputs(loss, weighted, perturbation):
    X, y, theirs = _several_outputs(loss)
    weight = np.arange(len(X)) % 3.0 if weighted else None
    params = {"loss": loss, "hidden_layer_sizes": (5,), "alpha": 0.0, "batch_size": 60, "init": theirs}
    params["quantile"] = 0.2 if loss == "pinball" else 0.5
    model = regress(**params, perturbation=perturbation, max_iter=2).fit(X, y, sample_weight=weight)
    stream = regress(**params, perturbation=perturbation).partial_fit(X, y, sample_weight=weight)
    of_rows = OF_OUTPUTS[loss](y, theirs.predict(X)).sum(axis=1)
    expected = pytest.approx(np.average(of_rows, weights=weight), rel=1e-7)
    assert (model.loss_curve_[0], stream.loss_) == (expected, expected)  # at the start, before any update


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_losses_count_outputs_as_scikit_learn_does(loss):
    X, y, theirs = _several_outputs(loss)
    params = {"loss": loss, "hidden_layer_sizes": (5,), "alpha": 0.0, "batch_size": 60, "max_iter": 2}
    ours = regress(**params, init=pickle.loads(pickle.dumps(theirs))).fit(X, y).loss_curve_[0]
    n = len(theirs.loss_curve_)
    expected = theirs.fit(X, y).loss_curve_[n]  # the same network, before the first update of a warm start
    if loss == "squared_error" and parse_version(sklearn.__version__) < parse_version("1.10.dev0"):
        expected *= 3  # a mean over outputs up to 1.9, from 1.10 on a sum as well
    assert ours == pytest.approx(expected, rel=1e-7)


def test_the_score_of_early_stopping_is_summed_over_outputs():
    X, y, theirs = _several_outputs("squared_error")
    X, y = np.repeat(X[:1], 20, axis=0), np.repeat(y[:1], 20, axis=0)  # whichever rows are held back
    params = {"hidden_layer_sizes": (5,), "init": theirs, "early_stopping": True, "max_iter": 1}
    model = regress(**params).fit(X, y)
    expected = -((model.predict(X[:1]) - y[:1]) ** 2).sum() / 2
    assert model.best_validation_score_ == pytest.approx(expected, rel=1e-7)


# ---- class weights ----


WEIGHTS = {0: 0.5, 1: 3.0}


@pytest.mark.parametrize("loss", ["log_loss", "f1", "hinge"])
@pytest.mark.parametrize("given", [None, "sample_weight"])
@pytest.mark.parametrize("class_weight", ["balanced", WEIGHTS])
def test_class_weights_are_sample_weights(class_weight, given, loss, assert_same_model):
    X, y = imbalanced(100)
    weight = None if given is None else np.random.default_rng(0).integers(1, 4, 100).astype(float)
    if class_weight == "balanced":
        total = np.bincount(y, weight)
        of_class = total.sum() / (2 * total)
    else:
        of_class = np.array([WEIGHTS[0], WEIGHTS[1]])
    expected = of_class[y] * (1 if weight is None else weight)
    own = classify(loss=loss, class_weight=class_weight, max_iter=10).fit(X, y, sample_weight=weight)
    assert_same_model(own, classify(loss=loss, max_iter=10).fit(X, y, sample_weight=expected), rtol=1e-7)
    plain = classify(loss=loss, max_iter=10).fit(X, y, sample_weight=weight)
    assert np.abs(plain.predict_proba(X) - own.predict_proba(X)).max() > 1e-3


def test_class_weights_in_a_stream(assert_same_model):
    X, y = imbalanced(100)
    names = np.array(["no", "yes"])[y]
    weighted = classify(class_weight={"no": 0.5, "yes": 3.0}).partial_fit(X, names, classes=["no", "yes"])
    assert_same_model(weighted, classify().partial_fit(X, y, [0, 1], np.array([0.5, 3.0])[y]), rtol=1e-7)
    with pytest.raises(ValueError, match=r"class_weight='balanced' .*partial_fit"):
        classify(class_weight="balanced").partial_fit(X, y, classes=[0, 1])
    weights = compute_class_weight("balanced", classes=np.array([0, 1]), y=y)
    by_hand = classify(class_weight=dict(enumerate(weights))).fit(X, y)
    assert_same_model(by_hand, classify(class_weight="balanced").fit(X, y), rtol=1e-7)


def test_class_weights_raise_the_recall_of_a_rare_class():
    X, y = imbalanced()
    plain, balanced = (classify(class_weight=given).fit(X, y).predict(X) for given in (None, "balanced"))
    assert balanced[y == 1].mean() > plain[y == 1].mean() + 0.1


@pytest.mark.parametrize("bad", ["heavy", 3, [1, 2]])
def test_bad_class_weight(bad):
    X, y = imbalanced(50)
    with pytest.raises(ValueError, match="class_weight"):
        classify(class_weight=bad).fit(X, y)


# ---- the positive class ----


OF_POSITIVES = ["f1", "precision", "recall", "jaccard", "average_precision"]
OF_BOTH = ["roc_auc", "balanced_accuracy", "matthews_corrcoef", "neg_brier_score", "f1_macro", "accuracy", "log_loss"]
NOTHING_SAID = [[0, 1], [-1, 1], [False, True], [0.0, 1.0]]


def begun(method, labels, **params):
    X, y = imbalanced(100, share=0.3)
    model = classify(**{"max_iter": 3, "batch_size": 50, "n_perturbations": 2, **params})
    known = {"classes": labels} if method == "partial_fit" else {}
    return getattr(model, method)(X, np.array(labels)[y], **known)


@cache
def begun_with_the_label_one(method, loss, perturbation="node"):
    return begun(method, [0, 1], loss=loss, perturbation=perturbation)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("labels", NOTHING_SAID)
@pytest.mark.parametrize("loss", OF_POSITIVES)
def test_the_label_one_is_the_positive_class(assert_same_model, loss, labels, method):
    assert_same_model(begun(method, labels, loss=loss, perturbation="node"), begun_with_the_label_one(method, loss))


@PERTURBATIONS
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("labels", [["no", "yes"], [2, 3], [0, 2], ["0", "1"]])
@pytest.mark.parametrize("loss", OF_POSITIVES)
def test_without_the_label_one_the_second_class_is_positive_and_that_is_said(
    assert_same_model, loss, labels, method, perturbation
):
    message = rf"loss='{loss}' takes {labels[1]!r} for the positive class, the second of .* pos_label=\.\.\."
    with pytest.warns(UserWarning, match=message) as record:
        model = begun(method, labels, loss=loss, perturbation=perturbation)
    assert [warning.filename for warning in record if issubclass(warning.category, UserWarning)][-1] == __file__
    assert_same_model(model, begun_with_the_label_one(method, loss, perturbation))


def test_a_stream_says_once_which_class_is_positive():
    X, y = imbalanced(100)
    with pytest.warns(UserWarning, match="positive class"):
        model = classify(loss="f1").partial_fit(X, y + 2, classes=[2, 3])
    model.partial_fit(X, y + 2)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("loss", OF_BOTH)
def test_a_metric_without_a_positive_class_takes_any_labels(assert_same_model, loss, method):
    one = begun(method, [0, 1], loss=loss)
    for labels in (["no", "yes"], [1, 2]):
        assert_same_model(begun(method, labels, loss=loss), one)


@PERTURBATIONS
@pytest.mark.usefixtures("few_thresholds")
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_scorer_says_which_class_is_the_positive_one(assert_same_model, method, perturbation):
    names, params = ["no", "yes"], {"perturbation": perturbation, "max_iter": 9}
    chosen = {name: begun(method, names, loss=make_scorer(f1_score, pos_label=name), **params) for name in names}
    assert_same_model(chosen["yes"], begun(method, [0, 1], loss="f1", **params))
    assert_same_model(chosen["no"], begun(method, [1, 2], loss="f1", **params))  # 1 is the first class
    assert any((a != b).any() for a, b in zip(chosen["no"].coefs_, chosen["yes"].coefs_, strict=True))
    for loss in (make_scorer(f1_score, pos_label="maybe"), F1_SCORER):  # what it says is passed on
        with pytest.raises(ValueError, match=r"pos_label=.* is not a valid label"):
            begun(method, names, loss=loss, **params)


def test_the_class_that_is_chosen_is_the_one_that_is_learnt():
    X, y = imbalanced(400, share=0.1)
    names = np.where(y == 1, "fault", "sound")
    losses = ["log_loss", *(make_scorer(f1_score, pos_label=name) for name in ("fault", "sound"))]
    params = {"hidden_layer_sizes": (), "batch_size": "auto", "max_iter": 30, "n_perturbations": 2}
    models = [classify(loss=loss, **params).fit(X, names) for loss in losses]
    plain, fault, sound = (f1_score(names, model.predict(X), pos_label="fault") for model in models)
    assert fault > max(plain, sound) + 0.1


# ---- parameters set in vain ----


@pytest.mark.parametrize("early_stopping", [False, True])
def test_scoring_without_early_stopping_is_told(early_stopping):
    X, y = imbalanced(60)
    model = classify(scoring="f1", early_stopping=early_stopping, max_iter=2)
    with nullcontext() if early_stopping else pytest.warns(UserWarning) as record:
        model.fit(X, y)
    if not early_stopping:
        told = [warning for warning in record if not issubclass(warning.category, ConvergenceWarning)]
        assert [str(warning.message) for warning in told] == ["scoring='f1' has no effect without early_stopping=True."]
        assert told[0].filename == __file__


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", absolute_rows])
def test_a_quantile_without_pinball_is_told(make_task, loss):
    _, X, y = make_task("regression", n=60)
    with pytest.warns(UserWarning, match=r"^quantile=0.9 has no effect without loss='pinball'\.$"):
        regress(loss=loss, quantile=0.9, max_iter=2).fit(X, y)
    regress(loss="pinball", quantile=0.9, max_iter=2).fit(X, y)


# ---- refusals ----


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"loss": "no_such_loss"}, r"loss must be one of .*got 'no_such_loss'"),
        ({"loss": "log_loss"}, r"loss must be one of .*got 'log_loss'"),
        ({"loss": 3}, r"'loss' parameter.*Got 3"),
        ({"loss": "pinball", "quantile": 0.0}, r"'quantile' parameter.*Got 0.0"),
        ({"loss": "pinball", "quantile": 1.0}, r"'quantile' parameter.*Got 1.0"),
        ({"loss": "pinball", "quantile": "median"}, r"'quantile' parameter.*Got 'median'"),
        ({"loss": "roc_auc"}, r"loss='roc_auc' cannot be computed for this y"),
        ({"loss": "neg_mean_poisson_deviance"}, r"y must not be negative for loss='neg_mean_poisson_deviance'"),
        ({"loss": "neg_mean_gamma_deviance"}, r"loss='neg_mean_gamma_deviance'"),
        ({"loss": "neg_mean_squared_log_error"}, r"loss='neg_mean_squared_log_error'"),
        ({"loss": lambda y_true, y_pred: np.zeros((2, 2))}, r"one for each of 100 rows.*\(2, 2\)"),
    ],
)
def test_regressor_refuses(make_task, params, message):
    _, X, y = make_task("regression")
    model = regress(**params)
    with pytest.raises(ValueError, match=message):
        model.fit(X, 3 * y)
    assert not hasattr(model, "coefs_")


@pytest.mark.parametrize(
    ("kind", "loss", "message"),
    [
        ("binary", "squared_error", r"loss must be one of .*got 'squared_error'"),
        ("multiclass", "f1", r"Only binary classification is supported.*multiclass.*loss='f1'.*: use 'f1_macro' or"),
        ("multiclass", "roc_auc", r"multiclass.*loss='roc_auc' does not support: use 'roc_auc_ovo' or"),
        ("multilabel", "f1", r"Only binary classification is supported.*multilabel-indicator.*loss='f1'"),
        ("multiclass", "f1_samples", r"multiclass.*loss='f1_samples'"),
        ("multilabel", "balanced_accuracy", r"multilabel-indicator.*loss='balanced_accuracy' does not support\.$"),
        ("strings", "r2", r"loss='r2' cannot be computed"),
        ("binary", lambda y_true, y_pred: y_pred, r"one for each of 100 rows.*\(100, 2\)"),
    ],
)
def test_classifier_refuses(make_task, kind, loss, message):
    make, X, y = make_task(kind)
    model = make().fit(X, y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match=message):
        model.set_params(loss=loss).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), before)


# ---- company ----


@pytest.mark.parametrize("loss", ["f1", "hinge", "zero_one", brier_all], ids=named)
def test_probabilities_are_probabilities_and_can_be_calibrated(loss):
    X, y = imbalanced(300)
    params = {"loss": loss, "max_iter": 25, "batch_size": 100}
    model = classify(**params).fit(X, y)
    p = model.predict_proba(X)
    assert ((p >= 0) & (p <= 1)).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_array_equal(model.predict(X), p[:, 1] > 0.5)
    calibrated = CalibratedClassifierCV(classify(**params), cv=3).fit(X, y)
    share = y.mean()
    assert brier_score_loss(y, calibrated.predict_proba(X)[:, 1]) < 0.9 * share * (1 - share)


def test_grid_search_over_losses():
    X, y = imbalanced(150)
    grid = {"loss": ["log_loss", "f1", "hinge", brier_rows], "class_weight": [None, "balanced"]}
    search = GridSearchCV(classify(max_iter=10), grid, scoring="f1", cv=2, error_score="raise").fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(set(search.cv_results_["mean_test_score"])) > 4


@pytest.mark.usefixtures("few_thresholds")
@pytest.mark.parametrize("loss", ["f1", brier_rows, F1_SCORER], ids=named)
def test_clone_pickle_and_repr(loss, assert_same_model):
    X, y = imbalanced(100)
    model = classify(loss=loss, max_iter=3, n_perturbations=2)
    copied = clone(model)
    assert repr(copied) == repr(model)
    assert "loss=" in repr(model)
    assert copied.loss is model.loss or copied.loss == model.loss or repr(copied.loss) == repr(model.loss)
    fitted = model.fit(X, y)
    assert_same_model(copied.fit(X, y), fitted)
    restored = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(restored.predict_proba(X), fitted.predict_proba(X))
    assert_same_model(restored.partial_fit(X, y), fitted.partial_fit(X, y))


# ---- training ----


@pytest.mark.parametrize("loss", ["f1", "hinge", brier_rows, brier_all], ids=named)
def test_warm_start_and_stream_go_on(loss):
    X, y = imbalanced(100, share=0.3)
    model = classify(loss=loss, max_iter=12, warm_start=True).fit(X, y)
    seen, before = model.t_, [coef.copy() for coef in model.coefs_]
    warm_up = 12 // 3 if loss in ("f1", brier_all) else 0
    assert model.t_ == 100 * (model.n_iter_ + warm_up)
    model.fit(X, y)
    assert model.t_ > seen
    assert not np.array_equal(model.coefs_[0], before[0])
    seen = model.t_
    model.partial_fit(X, y)
    assert model.t_ == seen + 100
    stream = classify(loss=loss)
    for _ in range(60):
        stream.partial_fit(X, y, classes=[0, 1])
    assert stream.n_iter_ == 60
    assert balanced_accuracy_score(y, stream.predict(X)) > 0.6
    finite_attributes(stream)


class Interrupting:
    """A loss that is interrupted at one of its calls."""

    def __init__(self, loss, at):
        self.loss = loss
        self.at = at
        self.n_calls = 0

    def __call__(self, y_true, y_pred):
        self.n_calls += 1
        if self.n_calls == self.at:
            raise KeyboardInterrupt
        return self.loss(y_true, y_pred)


def test_interruption_keeps_the_best_model():
    X, y = imbalanced(100)
    loss = Interrupting(brier_all, at=10**9)
    classify(loss=loss, max_iter=9).fit(X, y)
    with pytest.warns(UserWarning, match="interrupted"):
        model = classify(loss=Interrupting(brier_all, at=loss.n_calls - 5), max_iter=9).fit(X, y)
    assert model.score(X, y) > 0.8
    assert len(model.loss_curve_) >= 1
    finite_attributes(model)


def test_interruption_of_the_warm_up_keeps_the_best_model(monkeypatch):
    from skdopamine._objectives.base import LogisticLoss

    X, y = imbalanced(100)
    calls, credit = [], LogisticLoss.credit

    def interrupted(*args):
        calls.append(0)
        if len(calls) == 9:  # in the fifth epoch of two batches
            raise KeyboardInterrupt
        return credit(*args)

    monkeypatch.setattr(LogisticLoss, "credit", interrupted)
    model = classify(loss="f1")
    with pytest.warns(UserWarning, match=r"interrupt"):
        model.fit(X, y)
    assert len(calls) == 9
    assert model.n_iter_ == 0
    assert model.t_ == 400
    assert f1_score(y, model.predict(X)) > 0.4
    assert model.loss_curve_ == []
    assert np.isfinite(model.predict_proba(X)).all()


@PERTURBATIONS
@pytest.mark.parametrize("loss", ["f1", brier_all, "zero_one"], ids=named)
def test_the_same_seed_gives_the_same_bits(loss, perturbation, assert_same_model):
    X, y = imbalanced(100)
    one, again, other = (
        classify(loss=loss, max_iter=12, perturbation=perturbation, random_state=seed).fit(X, y) for seed in (0, 0, 1)
    )
    assert_same_model(one, again)
    assert one.loss_curve_ == again.loss_curve_
    assert not np.array_equal(one.coefs_[0], other.coefs_[0])


@pytest.mark.parametrize("scoring", [None, "f1"])
def test_early_stopping(scoring):
    X, y = imbalanced(300)
    model = classify(loss="f1", early_stopping=True, scoring=scoring, n_iter_no_change=5, max_iter=200).fit(X, y)
    assert len(model.validation_scores_) == len(model.loss_curve_) == model.n_iter_ < 100
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert 0 < model.best_validation_score_ <= 1
    assert model.best_loss_ is None
    assert f1_score(y, model.predict(X)) > 0.5
    finite_attributes(model)


@pytest.mark.parametrize("max_iter", [1, 2, 3, 4])
@pytest.mark.parametrize("learning_rate", ["dopamine", "constant"])
def test_few_epochs(max_iter, learning_rate):
    X, y = imbalanced(100)
    with pytest.warns(ConvergenceWarning, match=rf"max_iter={max_iter}\b"):
        model = classify(loss="f1", max_iter=max_iter, learning_rate=learning_rate).fit(X, y)
    assert model.n_iter_ == max_iter - max_iter // 3  # the others were on the natural loss
    assert model.t_ == 100 * max_iter
    assert len(model.loss_curve_) == max_iter - max_iter // 3  # a third is spent on the log-loss
    finite_attributes(model)


@PERTURBATIONS
@pytest.mark.parametrize("loss", ["f1", brier_all, brier_rows, "hinge", "zero_one"], ids=named)
def test_float32(loss, perturbation):
    X, y = imbalanced(200)
    model = classify(loss=loss, perturbation=perturbation, max_iter=20).fit(X.astype(np.float32), y)
    assert {a.dtype for a in [*model.coefs_, *model.intercepts_]} == {np.dtype(np.float32)}
    assert model.predict_proba(X.astype(np.float32)).dtype == np.float32
    finite_attributes(model)


@PERTURBATIONS
@pytest.mark.parametrize("loss", ["absolute_error", "neg_median_absolute_error", absolute_rows, "poisson"], ids=named)
def test_float32_of_the_regressor(make_task, loss, perturbation):
    _, X, y = make_task("regression", dtype=np.float32)
    model = regress(loss=loss, perturbation=perturbation, max_iter=10).fit(X, np.exp(y))
    assert {a.dtype for a in [*model.coefs_, *model.intercepts_]} == {np.dtype(np.float32)}
    assert model.predict(X).dtype == np.float32


@PERTURBATIONS
@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_array])
def test_sparse_equals_dense(container, perturbation):
    X, y = imbalanced(100)
    X = np.where(np.abs(X) < 0.5, 0.0, X)
    dense, thin = (
        classify(loss="f1", perturbation=perturbation, max_iter=8).fit(data, y) for data in (X, container(X))
    )
    np.testing.assert_allclose(thin.predict_proba(X), dense.predict_proba(container(X)), rtol=1e-6, atol=1e-9)


@PERTURBATIONS
def test_weights_count_rows(perturbation, assert_same_model):
    X, y = imbalanced(60, share=0.4)
    weight = np.random.default_rng(0).integers(0, 4, 60)
    rows = np.repeat(np.arange(60), weight)
    params = {"loss": "f1", "perturbation": perturbation, "batch_size": 200, "max_iter": 9}
    weighted = classify(**params).fit(X, y, sample_weight=weight)
    assert_same_model(weighted, classify(**params).fit(X[rows], y[rows]), rtol=1e-6)
    assert np.abs(classify(**params).fit(X, y).predict_proba(X) - weighted.predict_proba(X)).max() > 1e-3


@PERTURBATIONS
@pytest.mark.parametrize(
    "loss", ["f1", "roc_auc", "balanced_accuracy", "hinge", "zero_one", brier_all, brier_rows], ids=named
)
def test_two_rows(loss, perturbation):
    X = np.array([[0.0, 1.0], [1.0, 0.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = classify(loss=loss, perturbation=perturbation).fit(X, [0, 1])
    assert perturbation == "weight" or model.predict(X).tolist() == [0, 1]
    finite_attributes(model)


def test_batches_of_one_class_do_no_harm():
    X, y = imbalanced(300, share=0.02)
    for loss in ("roc_auc", "average_precision", "neg_log_loss", "f1"):
        model = classify(loss=loss, batch_size=20, max_iter=10).fit(X, y)
        finite_attributes(model)
        assert model.predict_proba(X)[y == 1, 1].mean() > model.predict_proba(X)[y == 0, 1].mean()


def test_an_interesting_metric_of_the_regressor(make_task):
    _, X, y = make_task("regression", n=200)
    y = y + 0.5 * np.random.default_rng(0).normal(size=200)
    least, square = (regress(loss=loss).fit(X, y).predict(X) for loss in ("neg_max_error", "squared_error"))
    assert max_error(y, least) < max_error(y, square)


# ---- a loss that is changed, missing or not defined ----


def test_predictions_do_not_depend_on_a_loss_set_after_the_fit(make_task):
    _, X, y = make_task("regression", n=100)
    model = regress(max_iter=5).fit(X, y)
    before = model.predict(X)
    np.testing.assert_array_equal(model.set_params(loss="poisson").predict(X), before)
    with pytest.raises(ValueError, match=r"loss='poisson' needs a different output function"):
        model.partial_fit(X, np.abs(y))
    np.testing.assert_array_equal(model.predict(X), before)


def test_a_warm_start_goes_on_with_the_loss_of_now(make_task):
    _, X, y = make_task("regression", n=200)
    y = 1024 * y
    model = regress(loss="pinball", quantile=0.1, warm_start=True).fit(X, y)
    low = model.predict(X)
    model.set_params(quantile=0.9).fit(X, y)
    assert (low > y).mean() < 0.35 < 0.65 < (model.predict(X) > y).mean()
    model.set_params(loss="squared_error", quantile=0.5).fit(X, y)
    assert model.loss_ == pytest.approx(((model.predict(X) - y) ** 2).mean() / 2, rel=0.3)  # in units of y squared


@pytest.mark.parametrize("weights", [{0: 0.0, 1: 1.0}, {0: 1.0, 1: -1.0}])
def test_class_weights_are_above_zero(weights):
    X, y = imbalanced(60)
    with pytest.raises(ValueError, match=r"class_weight must be above zero for each class, got \{0: "):
        classify(class_weight=weights).fit(X, y)


@pytest.mark.parametrize("loss", ["roc_auc", "average_precision", "f1", F1_SCORER], ids=named)
def test_a_stream_may_begin_with_one_class(loss):
    X, y = imbalanced(200)
    model = classify(loss=loss)
    silent = pytest.warns(UserWarning, match=f"loss='{loss}' is not defined on this batch")
    with nullcontext() if loss is F1_SCORER else silent:  # an F1 score without positives is 0
        model.partial_fit(X[y == 0], y[y == 0], classes=[0, 1])
    if loss is F1_SCORER:
        finite_attributes(model)
    else:
        assert (model.loss_curve_, model.n_iter_, model.t_, model.loss_) == ([], 0, 0, np.inf)
    assert np.isfinite(model.predict_proba(X)).all()
    start = [coef.copy() for coef in model.coefs_]
    model.partial_fit(X, y)
    assert any((one != other).any() for one, other in zip(start, model.coefs_, strict=True))


@pytest.mark.parametrize("seed", [0, 1])
def test_outputs_that_a_metric_is_not_defined_for_are_no_success(seed):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 5))
    y = np.maximum(0, 2 * X[:, 0] + 1)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model = DopamineMLPRegressor((20,), loss="neg_mean_squared_log_error", random_state=seed, max_iter=60).fit(X, y)
    assert model.predict(X).min() < -1  # where the logarithm ends
    assert model.best_loss_ == np.inf
    far = regress(loss="neg_mean_squared_log_error", random_state=seed).fit(X, y + 10)
    assert 0 < far.best_loss_ < 0.005
