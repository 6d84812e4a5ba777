"""What the estimators learn and publish: targets, inputs, weights, settings, fitted attributes."""

from itertools import pairwise

import numpy as np
import pytest
from conftest import finest_output
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.metrics import get_scorer
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor
from skdopamine._mlp.activations import ACTIVATIONS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

KINDS = ["binary", "multiclass", "multilabel", "strings", "regression", "multioutput"]
CLASSIFIERS = KINDS[:4]
PERTURBATIONS = pytest.mark.parametrize("perturbation", ["node", "weight"])


@PERTURBATIONS
@pytest.mark.parametrize("kind", KINDS)
def test_learns_each_kind_of_target(make_task, kind, perturbation):
    make, X, y = make_task(kind, n=200)
    model = make(max_iter=60, batch_size=20, perturbation=perturbation).fit(X, y)
    prediction = model.predict(X)
    assert prediction.shape == y.shape
    assert prediction.dtype.kind == y.dtype.kind
    assert model.score(X, y) > 0.75


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_probabilities(make_task, kind):
    make, X, y = make_task(kind)
    model = make().fit(X, y)
    proba = model.predict_proba(X)
    assert proba.shape == (len(X), {"binary": 2, "strings": 2}.get(kind, 3))
    assert proba.min() >= 0
    assert proba.max() <= 1
    if kind == "multilabel":
        np.testing.assert_array_equal(model.predict(X), proba > 0.5)
    else:
        np.testing.assert_allclose(proba.sum(axis=1), 1.0)
        np.testing.assert_array_equal(model.predict(X), model.classes_[proba.argmax(axis=1)])
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(proba))


@pytest.mark.parametrize(
    ("cls", "load", "least"),
    [(DopamineMLPClassifier, load_breast_cancer, 0.955), (DopamineMLPRegressor, load_diabetes, 0.4)],
)
def test_defaults_are_accurate_on_real_data(cls, load, least):
    X, y = load(return_X_y=True)
    scores = cross_val_score(make_pipeline(StandardScaler(), cls(random_state=0)), X, y, cv=3)
    assert scores.mean() > least


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_trains(task, activation):
    model = task.make(activation=activation, max_iter=100).fit(task.X, task.y)
    assert model.score(task.X, task.y) > (0.8 if hasattr(model, "classes_") else 0.6)


@pytest.mark.parametrize("activation", ["tanh", "relu", "step"])
def test_hidden_layer_does_what_a_linear_model_cannot(activation):
    X = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    y = X[:, 0] * X[:, 1] > 0
    params = {"early_stopping": False, "random_state": 0}
    linear, hidden = (DopamineMLPClassifier(sizes, activation, **params).fit(X, y).score(X, y) for sizes in ((), (30,)))
    assert linear < 0.7
    assert hidden > 0.85


@pytest.mark.parametrize("hidden", [(30,), (30, 30)])
@pytest.mark.parametrize("activation", ["step", "sign"])
def test_hard_units_learn_in_every_layer(activation, hidden):
    X, X_test, y, y_test = train_test_split(*load_digits(return_X_y=True), random_state=0)
    params = {"max_iter": 30, "early_stopping": False, "random_state": 0}
    model = DopamineMLPClassifier(hidden, activation, **params).fit(X / 16, y)
    assert model.score(X_test / 16, y_test) > 0.9


@pytest.mark.parametrize(("sizes", "widths"), [((), []), (8, [8]), ((8,), [8]), ([8, 4], [8, 4]), (np.array([3]), [3])])
def test_hidden_layer_sizes(task, sizes, widths):
    model = task.make(hidden_layer_sizes=sizes, max_iter=60, batch_size=20).fit(task.X, task.y)
    units = [5, *widths, 1]
    assert [coef.shape for coef in model.coefs_] == list(pairwise(units))
    assert [intercept.shape for intercept in model.intercepts_] == [(n,) for n in units[1:]]
    assert model.n_layers_ == len(units)
    assert model.score(task.X, task.y) > 0.5


@pytest.mark.parametrize(
    ("kind", "outputs", "activation"),
    [
        ("binary", 1, "logistic"),
        ("multiclass", 3, "softmax"),
        ("multilabel", 3, "logistic"),
        ("regression", 1, "identity"),
        ("multioutput", 2, "identity"),
    ],
)
@PERTURBATIONS
def test_fitted_attributes(make_task, kind, outputs, activation, perturbation):
    make, X, y = make_task(kind)
    model = make(perturbation=perturbation, max_iter=7).fit(X, y)
    assert (model.n_outputs_, model.out_activation_, model.n_features_in_) == (outputs, activation, 5)
    assert [coef.shape for coef in model.coefs_] == [(5, 8), (8, outputs)]
    assert model.n_iter_ == 7
    assert model.t_ == 7 * len(X)
    for curve in (model.loss_curve_, model.learning_rate_curve_, model.reward_prediction_error_curve_):
        assert len(curve) == model.n_iter_
        assert np.isfinite(curve).all()
    assert model.best_loss_ == min(model.loss_curve_)
    assert np.isfinite(model.loss_)
    assert model.learning_rate_ > 0
    assert min(model.learning_rate_curve_) > 0
    assert np.any(model.reward_prediction_error_curve_)
    assert isinstance(model.n_evaluations_, int)
    assert model.n_evaluations_ >= 2 * 7 * len(X)  # at least one antithetic pair a row and epoch
    assert model.validation_scores_ is None
    assert model.best_validation_score_ is None
    assert hasattr(model, "classes_") == (kind in CLASSIFIERS)
    assert not hasattr(model, "feature_names_in_")


def test_pandas_names_are_kept_and_checked(task):
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(task.X, columns=list("abcde"))
    model = task.make().fit(X, task.y)
    assert list(model.feature_names_in_) == list("abcde")
    np.testing.assert_array_equal(finest_output(model, X), finest_output(task.make().fit(task.X, task.y), task.X))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(X[list("edcba")])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_array, sparse.csr_matrix, sparse.csc_matrix])
@PERTURBATIONS
def test_sparse_equals_dense(make_task, noisy, kind, container, perturbation):
    make, X, y = make_task(kind)
    X = np.where(np.abs(X) < 0.3, 0.0, X)
    dense, from_sparse = (
        make(**noisy, perturbation=perturbation, max_iter=5).fit(data, y) for data in (X, container(X))
    )
    np.testing.assert_allclose(finest_output(dense, container(X)), finest_output(dense, X), rtol=1e-7)
    np.testing.assert_allclose(finest_output(from_sparse, X), finest_output(dense, X), rtol=1e-6, atol=1e-9)


SPARSE = [sparse.csr_array, sparse.csc_array, sparse.coo_array, sparse.csr_matrix, sparse.lil_matrix]


@PERTURBATIONS
@pytest.mark.parametrize("container", SPARSE)
@pytest.mark.parametrize("early_stopping", [None, "loss", "f1_macro"])
def test_sparse_labels_are_trained_as_dense_ones(make_task, assert_same_model, container, early_stopping, perturbation):
    make, X, y = make_task("multilabel")
    weight = np.arange(len(X)) % 3.0
    params = {"early_stopping": early_stopping is not None, "perturbation": perturbation, "max_iter": 5}
    params["scoring"] = early_stopping if early_stopping == "f1_macro" else None
    dense, from_sparse = (make(**params).fit(X, labels, sample_weight=weight) for labels in (y, container(y)))
    assert_same_model(from_sparse, dense)
    _assert_sparse_labels(from_sparse, dense, X, container(y))
    dense, from_sparse = make(**params), make(**params)
    for rows in (slice(0, 60), slice(60, 100)):
        dense.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
        from_sparse.partial_fit(X[rows], container(y[rows]), classes=[0, 1, 2])
    assert_same_model(from_sparse, dense)
    _assert_sparse_labels(from_sparse, dense, X, container(y))


def _assert_sparse_labels(from_sparse, dense, X, y):
    """Check what scikit-learn's network gives: a sparse matrix, and a score for sparse labels."""
    predicted = from_sparse.predict(X)
    theirs = MLPClassifier((3,), max_iter=1).fit(X, y).predict(X)
    assert type(predicted) is type(theirs)
    assert (predicted.dtype, predicted.shape) == (theirs.dtype, theirs.shape)
    np.testing.assert_array_equal(predicted.toarray(), dense.predict(X))
    np.testing.assert_array_equal(from_sparse.predict_proba(X), dense.predict_proba(X))
    assert from_sparse.score(X, y) == dense.score(X, y.toarray()) > 0
    np.testing.assert_array_equal(from_sparse.to_sklearn().predict(X).toarray(), predicted.toarray())


@pytest.mark.usefixtures("few_thresholds")
@pytest.mark.parametrize("loss", ["f1_macro", "hinge", get_scorer("jaccard_micro")], ids=["name", "loss", "scorer"])
def test_sparse_labels_with_other_losses_and_weights_of_labels(make_task, assert_same_model, loss):
    make, X, y = make_task("multilabel")
    params = {"loss": loss, "class_weight": [{1: 2.0}, {}, {0: 3.0}], "max_iter": 3, "n_perturbations": 2}
    dense, from_sparse = (make(**params).fit(X, labels) for labels in (y, sparse.csr_array(y.astype(bool))))
    assert_same_model(from_sparse, dense)


@pytest.mark.parametrize(
    ("container", "values"), [(np.asarray, [0, 2]), (np.asarray, [-1, 1]), (sparse.csr_array, [0, 2])]
)
def test_labels_are_zero_and_one(make_task, container, values):
    make, X, y = make_task("multilabel")
    with pytest.raises(ValueError, match=rf"y of several labels must be .* 0 and 1, got \[{values[0]}, {values[1]}\]"):
        make().fit(X, container(np.array(values)[y]))


@pytest.mark.parametrize("kind", ["multioutput", "regression", "binary"])
def test_other_targets_must_be_dense(make_task, kind):
    make, X, y = make_task(kind)
    with pytest.raises(TypeError, match=r"Sparse data was passed for y, but dense data is required.*\.toarray\(\)"):
        make().fit(X, sparse.csr_array(y.reshape(len(y), -1)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["multiclass", "multilabel", "multioutput"])
@PERTURBATIONS
def test_dtype_is_kept(make_task, kind, dtype, perturbation):
    make, X, y = make_task(kind, dtype=dtype)
    model = make(perturbation=perturbation).fit(X, y)
    assert {a.dtype for a in [*model.coefs_, *model.intercepts_]} == {np.dtype(dtype)}
    assert finest_output(model, X).dtype == dtype
    stream = make(perturbation=perturbation)
    stream.partial_fit(X, y, **({} if kind == "multioutput" else {"classes": np.arange(3)}))
    assert stream.coefs_[0].dtype == dtype


@pytest.mark.parametrize("kind", KINDS)
def test_prediction_of_a_row_does_not_depend_on_its_company(make_task, kind):
    make, X, y = make_task(kind)
    model = make().fit(X, y)
    whole = finest_output(model, X)
    for rows in (slice(0, 1), slice(3, 50), [7, 2, 2]):
        np.testing.assert_allclose(finest_output(model, X[rows]), whole[rows], rtol=1e-7)


@PERTURBATIONS
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "regression", "multioutput"])
def test_weights_count_rows(make_task, noisy, assert_same_model, kind, perturbation):
    make, X, y = make_task(kind, n=60)
    weight = np.random.default_rng(0).integers(0, 4, len(X))  # zeros and repetitions; every batch is the full one
    rows = np.repeat(np.arange(len(X)), weight)
    params = noisy | {"perturbation": perturbation}
    weighted = make(**params).fit(X, y, sample_weight=weight)
    repeated = make(**params).fit(X[rows], y[rows])
    assert_same_model(weighted, repeated, rtol=1e-7)
    assert np.abs(finest_output(make(**params).fit(X, y), X) - finest_output(weighted, X)).max() > 1e-3


def test_unit_weights_are_no_weights(task, assert_same_model):
    plain = task.make().fit(task.X, task.y)
    assert_same_model(task.make().fit(task.X, task.y, sample_weight=np.ones(len(task.X))), plain, rtol=1e-7)


def test_constant_target_is_predicted(make_task):
    make, X, _ = make_task("regression")
    model = make(hidden_layer_sizes=(100,), max_iter=200, batch_size=20).fit(X, np.full(len(X), 3.5))
    np.testing.assert_allclose(model.predict(X), 3.5, atol=0.2)


@PERTURBATIONS
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("loss", ["log_loss", "hinge", "zero_one", "accuracy"])
@pytest.mark.parametrize("label", [1, "blue"])
def test_one_class_is_predicted_for_certain(make_task, label, loss, early_stopping, perturbation):
    make, X, y = make_task("binary")
    y = np.full(len(y), label)
    model = make(loss=loss, early_stopping=early_stopping, perturbation=perturbation).fit(X, y)
    stream = make(loss=loss, perturbation=perturbation).partial_fit(X, y, classes=[label])
    for fitted in (model, stream, model.to_sklearn()):
        np.testing.assert_array_equal(fitted.predict(X), y)
        np.testing.assert_array_equal(fitted.classes_, [label])
    for fitted in (model, stream):
        np.testing.assert_array_equal(fitted.predict_proba(X), np.ones((len(X), 1)))
        np.testing.assert_array_equal(fitted.predict_log_proba(X), np.zeros((len(X), 1)))
    assert model.loss_curve_[-1] <= model.loss_curve_[0]
    with pytest.raises(ValueError, match="other"):
        stream.partial_fit(X, np.full(len(X), "other"))


def test_input_is_left_alone(task):
    X, y = task.X.copy(), task.y.copy()
    X.flags.writeable = y.flags.writeable = False
    task.make(early_stopping=True).fit(X, y)
    np.testing.assert_array_equal(X, task.X)


@pytest.mark.parametrize(("perturbation", "depth"), [("node", 3), ("node", 5), ("feedback", 5)])
def test_lower_layers_of_deep_nets_learn(perturbation, depth):
    X, y = load_digits(return_X_y=True)
    model = DopamineMLPClassifier((32,) * depth, perturbation=perturbation, batch_size=50, max_iter=15, random_state=0)
    assert model.fit(X[:600] / 16, y[:600]).score(X[600:] / 16, y[600:]) > 0.83
