"""What skl2onnx makes of networks, as onnxruntime computes it, beside what they predict."""

import re
import subprocess
import sys

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingRegressor, StackingRegressor, VotingClassifier, VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skdopamine import DopamineMLPClassifier, DopamineMLPPolicy, DopamineMLPRegressor

skl2onnx = pytest.importorskip("skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from skl2onnx._parse import sklearn_parsers_map  # noqa: E402
from skl2onnx._supported_operators import sklearn_operator_name_map  # noqa: E402

from skdopamine.onnx import register_converters  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
KINDS = ["binary", "strings", "multiclass", "multilabel", "regression", "multioutput"]


@pytest.fixture(params=["the first export", "a later one"], autouse=True)
def known(request):
    """The types as they are before and after skl2onnx has met them."""
    for estimator in (DopamineMLPClassifier, DopamineMLPRegressor):
        sklearn_operator_name_map.pop(estimator, None)
        sklearn_parsers_map.pop(estimator, None)
    if request.param == "a later one":
        register_converters()


def run(graph, X):
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    return session.run(None, {session.get_inputs()[0].name: X})


def exported(model, X):
    """What onnxruntime computes of X, as `compare` takes it."""
    options = {id(model): {"zipmap": False}} if hasattr(model, "classes_") else None
    return run(skl2onnx.to_onnx(model, X[:1], options=options), X)


def compare(model, X, tolerance=1e-5):
    results = exported(model, X)
    predicted = np.asarray(model.predict(X))
    if not hasattr(model, "classes_"):
        predicted = predicted.reshape(len(X), -1)
        assert results[0].shape == predicted.shape
        np.testing.assert_allclose(results[0], predicted, rtol=tolerance, atol=tolerance)
        return
    chances = model.predict_proba(X)
    assert results[1].shape == chances.shape
    np.testing.assert_allclose(results[1], chances, atol=tolerance)
    assert results[0].shape == predicted.shape
    sure = np.abs(chances - 0.5).min(axis=1) > 1e-4  # single precision may decide a draw in another way
    assert sure.mean() > 0.9
    np.testing.assert_array_equal(results[0][sure], predicted[sure])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_predictions_are_the_same(make_task, kind, dtype):
    task = make_task(kind, dtype=dtype)
    model = task.make(hidden_layer_sizes=(8, 4)).fit(task.X, task.y)
    compare(model, task.X, 1e-5 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_are_declared_as_they_are(make_task, kind):
    task = make_task(kind, dtype=np.float32)
    model = task.make().fit(task.X, task.y)
    options = {"zipmap": False} if hasattr(model, "classes_") else None
    graph = skl2onnx.to_onnx(model, task.X, options=options)
    shapes = [output.type.tensor_type.shape.dim[1:] for output in graph.graph.output]
    declared = [[dimension.dim_value for dimension in shape] for shape in shapes]
    assert declared == [list(result.shape[1:]) for result in run(graph, task.X)]


ACTIVATIONS = ["identity", "logistic", "tanh", "relu", "leaky_relu", "step", "sign", np.tanh, ["step", "tanh"]]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_activation(make_task, activation, dtype):
    task = make_task("multioutput", dtype=dtype)
    model = task.make(hidden_layer_sizes=(8, 4), activation=activation).fit(task.X, task.y)
    X = np.concatenate([task.X, np.zeros_like(task.X[:1])])
    compare(model, X)


def test_units_at_zero_are_as_those_of_the_network(make_task):
    task = make_task("regression", dtype=np.float32)
    for activation in ("step", "sign"):
        model = task.make(activation=activation).fit(task.X, task.y)
        model.intercepts_[0][:] = 0
        compare(model, np.zeros((1, 5), np.float32))


def test_functions_that_onnx_has_not_are_named(make_task):
    task = make_task("binary")
    for activation in (np.sin, ["relu", np.sin]):
        model = task.make(hidden_layer_sizes=(4, 4), activation=activation).fit(task.X, task.y)
        with pytest.raises(ValueError, match=rf"activation={re.escape(repr(np.sin))} .*to_sklearn.*'leaky_relu'"):
            skl2onnx.to_onnx(model, task.X)


def test_no_hidden_layer_one_class_and_counts(make_task):
    task = make_task("multiclass", dtype=np.float32)
    compare(task.make(hidden_layer_sizes=()).fit(task.X, task.y), task.X)
    compare(task.make().fit(task.X, np.full(len(task.X), "only")), task.X)
    task = make_task("regression", dtype=np.float32)
    compare(task.make(loss="poisson").fit(task.X, np.exp(task.y)), task.X)


def test_whole_numbers_as_features(make_task):
    task = make_task("binary")
    X = np.rint(10 * task.X).astype(np.int64)
    compare(task.make().fit(X, task.y), X)


@pytest.mark.parametrize(
    ("classes", "seen"), [([False, True], np.int64), ([0.0, 1.0], np.int64), ([3, 7], np.int64), (["a", "b"], object)]
)
def test_labels_are_strings_or_whole_numbers(make_task, classes, seen):
    task = make_task("binary", dtype=np.float32)
    model = task.make().fit(task.X, np.array(classes)[task.y])
    compare(model, task.X)
    assert exported(model, task.X)[0].dtype == seen


def test_labels_that_onnx_has_not_are_refused(make_task):
    task = make_task("binary", dtype=np.float32)
    model = task.make().fit(task.X, task.y + 0.0)
    model.classes_ = np.array([0.5, 1.5])
    with pytest.raises(ValueError, match=r"\[0.5, 1.5\]"):
        exported(model, task.X)


def test_a_pipeline_as_a_user_writes_it(make_task):
    task = make_task("strings", dtype=np.float32)
    model = make_pipeline(StandardScaler(), task.make()).fit(task.X, task.y)
    labels, chances = run(skl2onnx.to_onnx(model, task.X[:1]), task.X)  # with zipmap, as of scikit-learn's networks
    np.testing.assert_array_equal(labels, model.predict(task.X))
    assert list(chances[0]) == ["no", "yes"]
    np.testing.assert_allclose([row["yes"] for row in chances], model.predict_proba(task.X)[:, 1], atol=1e-5)


def test_columns_that_are_treated_apart(make_task):
    task = make_task("regression", dtype=np.float32)
    X = np.hstack([task.X, np.arange(len(task.X))[:, None] % 3]).astype(np.float32)
    columns = ColumnTransformer([("scale", StandardScaler(), [0, 1, 2, 3, 4]), ("code", OneHotEncoder(), [5])])
    compare(make_pipeline(columns, task.make()).fit(X, task.y), X)


def test_options_of_the_converter_of_scikit_learns_networks(make_task):
    task = make_task("strings", dtype=np.float32)
    model = task.make().fit(task.X, task.y)
    options = {"zipmap": False, "output_class_labels": True}
    results = run(skl2onnx.to_onnx(model, task.X, options=options), task.X)
    np.testing.assert_array_equal(results[2], ["no", "yes"])
    results = run(skl2onnx.to_onnx(model, task.X, options={"zipmap": "columns"}), task.X)
    np.testing.assert_allclose(results[2], model.predict_proba(task.X)[:, 1], atol=1e-5)
    results = run(skl2onnx.to_onnx(model, task.X, options={"zipmap": False, "nocl": True}), task.X)
    np.testing.assert_array_equal(results[0], model.predict(task.X) == "yes")


def test_searches(make_task):
    for kind in ("strings", "regression"):
        task = make_task(kind, dtype=np.float32)
        search = GridSearchCV(task.make(), {"alpha": [0.0, 0.1]}, cv=2).fit(task.X, task.y)
        compare(search.best_estimator_, task.X)
        compare(search, task.X)


WRAPPED = {
    "voting": lambda model: VotingClassifier(
        [("a", model), ("b", LogisticRegression())], voting="soft", flatten_transform=False
    ),
    "calibrated": lambda model: CalibratedClassifierCV(model, cv=2),
    "one against the rest": lambda model: OneVsRestClassifier(model),
    "voting of regressors": lambda model: VotingRegressor([("a", model), ("b", Ridge())]),
    "stacking": lambda model: StackingRegressor([("a", model), ("b", Ridge())], cv=2),
    "bagging": lambda model: BaggingRegressor(model, n_estimators=2, random_state=0),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_what_wraps_other_estimators_after_registration(make_task, name):
    register_converters()
    kind = "multiclass" if name in ("voting", "calibrated", "one against the rest") else "regression"
    task = make_task(kind, dtype=np.float32)
    compare(WRAPPED[name](task.make()).fit(task.X, task.y), task.X)


def test_a_class_of_the_users_own(make_task):
    class Own(DopamineMLPClassifier):
        pass

    task = make_task("binary", dtype=np.float32)
    compare(Own(max_iter=3).fit(task.X, task.y), task.X)


def test_what_is_refused():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(NotFittedError):
        skl2onnx.to_onnx(DopamineMLPClassifier(), X)
    with pytest.raises(ValueError, match="DopamineMLPPolicy"):
        skl2onnx.to_onnx(DopamineMLPPolicy(max_iter=1).fit(X, y), X)


def test_the_package_alone_imports_no_exporter():
    code = "import sys, skdopamine, skdopamine.inspection; sys.exit('onnx' in sys.modules or 'skl2onnx' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
