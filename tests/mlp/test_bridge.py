"""From scikit-learn's networks and back to them: `init` and `to_sklearn`."""

import pickle
import re

import numpy as np
import pytest
import sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

KINDS = ["binary", "strings", "multiclass", "multilabel", "regression", "multioutput"]
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
STILL = {"learning_rate": "constant", "learning_rate_init": 1e-300, "max_iter": 1}  # a fit that moves nothing


def sklearns(task, **settings):
    """scikit-learn's network of the same kind, fitted."""
    theirs = MLPClassifier if hasattr(task.make(), "predict_proba") else MLPRegressor
    settings = {"hidden_layer_sizes": (8,), "max_iter": 15, "random_state": 1, "learning_rate_init": 0.01, **settings}
    return theirs(**settings).fit(task.X, task.y)


def assert_same_predictions(one, other, X, tolerance, atol=None):
    for method in ("predict_proba", "predict"):
        if hasattr(one, method):
            a, b = getattr(one, method)(X), getattr(other, method)(X)
            assert a.shape == b.shape
            assert a.dtype == b.dtype
            if a.dtype.kind == "f":
                np.testing.assert_allclose(a, b, rtol=tolerance, atol=atol or tolerance)
            else:
                np.testing.assert_array_equal(a, b)


# ---- init ----


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("source", ["theirs", "ours", "frozen"])
@DTYPES
def test_training_starts_from_the_weights_of_init(make_task, kind, source, dtype):
    task = make_task(kind, dtype=dtype)
    if kind in ("regression", "multioutput"):
        task = task._replace(y=1000 + 37 * task.y)
    init = task.make().fit(task.X, task.y) if source == "ours" else sklearns(task)
    given = FrozenEstimator(init) if source == "frozen" else init
    before = pickle.dumps(init)
    model = task.make(init=given, **STILL).fit(task.X, task.y)
    assert_same_predictions(
        model, init, task.X, *((1e-10,) if dtype == np.float64 else (1e-5, 1e-3))
    )  # y is about 1000
    task.make(init=given).fit(task.X, task.y)
    assert pickle.dumps(init) == before


@pytest.mark.parametrize("perturbation", ["node", "weight"])
def test_training_goes_on_from_there(task, perturbation):
    init = sklearns(task)
    settings = {"max_iter": 60, "perturbation": perturbation, "batch_size": 20}
    model = task.make(init=init, **settings).fit(task.X, task.y)
    assert model.loss_ < 0.7 * task.make(init=init, **STILL).fit(task.X, task.y).loss_
    fewer = task.make(init=init, **{**settings, "max_iter": 3}).fit(task.X, task.y)
    assert fewer.loss_ < 0.7 * task.make(**{**settings, "max_iter": 3}).fit(task.X, task.y).loss_


def test_partial_fit_starts_from_init_and_then_goes_on(task, assert_same_model):
    init = sklearns(task)
    first_call = {"classes": [0, 1]} if hasattr(init, "classes_") else {}
    settings = {**STILL, "init": init}
    model = task.make(**settings).partial_fit(task.X, task.y, **first_call)
    assert_same_model(model, init, rtol=1e-10)
    model.set_params(learning_rate_init=0.01).partial_fit(task.X, task.y)
    at_half = [coef.copy() for coef in model.coefs_]
    model.set_params(learning_rate_init=1e-300).partial_fit(task.X, task.y)
    np.testing.assert_allclose(model.coefs_[0], at_half[0], rtol=1e-10)
    assert not np.allclose(model.coefs_[0], init.coefs_[0])


def test_warm_start_goes_on_from_the_last_fit_and_not_from_init(task, assert_same_model):
    model = task.make(init=sklearns(task), warm_start=True).fit(task.X, task.y)
    at_half = pickle.loads(pickle.dumps(model))
    assert_same_model(model.set_params(**STILL).fit(task.X, task.y), at_half, rtol=1e-10)


def test_callables_and_activations_by_layer_start_from_their_like(task, assert_same_model):
    layers = {"hidden_layer_sizes": (6, 5)}
    init = task.make(activation=["step", np.tanh], **layers).fit(task.X, task.y)
    model = task.make(activation=("step", "tanh"), init=init, **layers, **STILL).fit(task.X, task.y)
    assert_same_model(model, init, rtol=1e-10)
    theirs = sklearns(task, activation="tanh", **layers)
    assert_same_model(
        task.make(activation=[np.tanh] * 2, init=theirs, **layers, **STILL).fit(task.X, task.y), theirs, 1e-10
    )


def test_no_hidden_layer(task, assert_same_model):
    init = sklearns(task, hidden_layer_sizes=())
    assert_same_model(task.make(hidden_layer_sizes=(), init=init, **STILL).fit(task.X, task.y), init, 1e-10)


BAD_INITS = {
    "not fitted": (lambda task: type(sklearns(task))(), "must be fitted"),
    "frozen before its fit": (lambda task: FrozenEstimator(task.make()), "must be fitted"),
    "another kind of model": (lambda task: LogisticRegression(), r"MLP.*LogisticRegression\(\)"),
    "a pipeline": (lambda task: make_pipeline(sklearns(task)), r"MLP.*Pipeline\("),
    "a class": (lambda task: MLPClassifier, "MLP.*<class"),
    "a number": (lambda task: 3, r"\b3\b"),
    "other width": (lambda task: sklearns(task, hidden_layer_sizes=(7,)), r"\(5, 8, 1\).*got \(5, 7, 1\)"),
    "other depth": (lambda task: sklearns(task, hidden_layer_sizes=(8, 8)), r"\(5, 8, 1\).*got \(5, 8, 8, 1\)"),
    "other columns": (lambda task: sklearns(task._replace(X=task.X[:, :3])), r"\(5, 8, 1\).*got \(3, 8, 1\)"),
    "other activation": (lambda task: sklearns(task, activation="tanh"), "'relu'.*got 'tanh'"),
    "other list": (lambda task: task.make(activation=["step"]).fit(task.X, task.y), r"'relu'.*got \['step'\]"),
}


@pytest.mark.parametrize("case", BAD_INITS)
def test_bad_init(task, case):
    make_init, message = BAD_INITS[case]
    model = task.make(init=make_init(task))
    with pytest.raises(ValueError, match=rf"(?s)\binit\b.*{message}"):
        model.fit(task.X, task.y)
    assert not hasattr(model, "coefs_")


@pytest.mark.parametrize("ours", [True, False])
def test_bad_task_of_init(make_task, ours):
    def fitted(kind, change=lambda y: y):
        task = make_task(kind)
        task = task._replace(y=change(task.y))
        return task.make().fit(task.X, task.y) if ours else sklearns(task)

    for kind, init, message in [
        ("binary", fitted("regression"), "MLPClassifier or DopamineMLPClassifier, got .*Regressor"),
        ("regression", fitted("binary"), "MLPRegressor or DopamineMLPRegressor, got .*Classifier"),
        ("binary", fitted("strings"), r"classes.*\[0, 1\].*got .*'no', 'yes'"),
        ("binary", fitted("binary", lambda y: y + 1), r"classes.*\[0, 1\].*got .*\[1, 2\]"),
        ("multiclass", fitted("binary"), r"classes.*\[0, 1, 2\].*got .*\[0, 1\]"),
        ("multiclass", fitted("multilabel"), "output function.*'softmax'.*got 'logistic'"),
        ("regression", fitted("multioutput"), r"\(5, 8, 1\).*got \(5, 8, 2\)"),
    ]:
        task = make_task(kind)
        with pytest.raises(ValueError, match=rf"(?s)^init .*{message}"):
            task.make(init=init).fit(task.X, task.y)


def test_init_with_an_exponential_output(make_task):
    task = make_task("regression")
    init = sklearns(task._replace(y=np.exp(task.y)), loss="poisson")
    with pytest.raises(ValueError, match=r"init .*output function.*'identity'.*got 'exp'"):
        task.make(init=init).fit(task.X, task.y)


def test_failed_fit_with_init_leaves_the_fitted_model_as_it_was(task):
    model = task.make().fit(task.X, task.y)
    before = model.predict(task.X)
    with pytest.raises(ValueError, match="init"):
        model.set_params(init=sklearns(task, hidden_layer_sizes=(3,))).fit(task.X, task.y)
    np.testing.assert_array_equal(model.predict(task.X), before)


def test_clone_keeps_init_fitted_and_all_else_that_a_clone_keeps(task):
    init = sklearns(task)
    with sklearn.config_context(enable_metadata_routing=True):
        model = task.make(init=init).set_fit_request(sample_weight=True)
        model.fit(task.X, task.y)
        cloned = clone(model)
        assert cloned.get_metadata_routing().fit.requests["sample_weight"] is True
    assert cloned is not model
    assert cloned.init is init
    assert not hasattr(cloned, "coefs_")
    assert cloned.get_params() == model.get_params()
    assert "init=" in repr(cloned)
    assert type(init).__name__ in estimator_html_repr(cloned)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(task.X), model.predict(task.X))
    np.testing.assert_array_equal(clone(copy).fit(task.X, task.y).coefs_[0], model.coefs_[0])


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_grid_search_with_init(task, n_jobs):
    init = sklearns(task, max_iter=200)
    pipe = make_pipeline(StandardScaler(with_mean=False, with_std=False), task.make(init=init))
    name = pipe.steps[-1][0]
    grid = {f"{name}__learning_rate_init": [1e-300, 0.01], f"{name}__learning_rate": ["constant"]}
    search = GridSearchCV(pipe, grid, cv=2, n_jobs=n_jobs, error_score="raise").fit(task.X, task.y)
    # the candidate that learns nothing scores what init does
    folds = [search.cv_results_[f"split{i}_test_score"][0] for i in range(2)]
    assert np.mean(folds) == pytest.approx(init.score(task.X, task.y), abs=0.05)
    assert search.best_estimator_[-1].init is init


def test_init_as_a_value_of_a_grid_has_to_be_frozen(task):
    init = sklearns(task)
    with pytest.raises(ValueError, match="FrozenEstimator"):
        GridSearchCV(task.make(), {"init": [init]}, cv=2, error_score="raise").fit(task.X, task.y)
    grid = {"init": [None, FrozenEstimator(init)]}
    search = GridSearchCV(task.make(**STILL), grid, cv=2, error_score="raise").fit(task.X, task.y)
    assert search.best_params_["init"] is not None


@pytest.mark.slow
def test_fine_tuning_loses_nothing():
    X, y = load_breast_cancer(return_X_y=True)
    for seed in range(3):
        X_train, X_test, y_train, y_test = train_test_split(StandardScaler().fit_transform(X), y, random_state=seed)
        init = MLPClassifier(random_state=seed).fit(X_train, y_train)
        for settings in ({}, {"max_iter": 5}, {"max_iter": 5, "learning_rate_init": 1e-4}):
            model = DopamineMLPClassifier(init=init, random_state=seed, **settings).fit(X_train, y_train)
            assert model.loss_ < model.loss_curve_[0]
            assert model.score(X_train, y_train) > init.score(X_train, y_train) - 0.005
            assert model.score(X_test, y_test) > init.score(X_test, y_test) - 0.015  # two rows


# ---- to_sklearn ----


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("early_stopping", [False, True])
@DTYPES
def test_predictions_and_attributes_are_the_same(make_task, kind, early_stopping, dtype):
    task = make_task(kind, dtype=dtype)
    ours = task.make(hidden_layer_sizes=(8, 4), early_stopping=early_stopping).fit(task.X, task.y)
    theirs = ours.to_sklearn()
    assert type(theirs) is type(sklearns(task))
    for X in (task.X, sparse.csr_array(task.X), task.X[:1]):
        assert_same_predictions(theirs, ours, X, 1e-12 if dtype == np.float64 else 1e-6)
    assert theirs.score(task.X, task.y) == pytest.approx(ours.score(task.X, task.y), rel=1e-6)
    fitted = clone(theirs).set_params(early_stopping=False).fit(task.X, task.y)
    public = {name for name in vars(fitted) if name.endswith("_")}
    assert {name for name in vars(theirs) if name.endswith("_")} == public
    for name in public:
        np.testing.assert_equal(getattr(theirs, name), getattr(ours, name))
    assert {array.dtype for array in (*theirs.coefs_, *theirs.intercepts_)} == {np.dtype(dtype)}


def test_copies_share_nothing(task):
    ours = task.make().fit(task.X, task.y)
    theirs, before = ours.to_sklearn(), ours.predict(task.X)
    for array in (*theirs.coefs_, *theirs.intercepts_):
        array[...] = 0
    theirs.loss_curve_.clear()
    np.testing.assert_array_equal(ours.predict(task.X), before)
    assert ours.loss_curve_


def test_parameters_agree(task):
    changed = {"activation": "tanh", "alpha": 0.5, "batch_size": 17, "tol": 1e-3, "hidden_layer_sizes": [3, 4]}
    changed["early_stopping"] = False
    ours = task.make(learning_rate="invscaling", shuffle=False, momentum=0.5, **changed).fit(task.X, task.y)
    theirs = ours.to_sklearn()
    own, got = ours.get_params(), theirs.get_params()
    assert {name: got[name] for name in own.keys() & got.keys()} == {
        name: own[name] for name in own.keys() & got.keys()
    }
    assert got["hidden_layer_sizes"] == [3, 4]
    assert task.make().fit(task.X, task.y).to_sklearn().learning_rate == "constant"
    assert repr(theirs).startswith(type(theirs).__name__)


@pytest.mark.parametrize(
    ("activation", "hidden", "name"),
    [
        *[("relu", (4,), "relu"), (["tanh"], (4,), "tanh"), (("logistic", "logistic"), (4, 3), "logistic")],
        *[("identity", (4,), "identity"), ("tanh", (), "tanh"), ("step", (), "identity"), ([], (), "identity")],
        (np.sin, (), "identity"),
    ],
)
def test_activations_that_scikit_learn_has(task, activation, hidden, name):
    ours = task.make(hidden_layer_sizes=hidden, activation=activation).fit(task.X, task.y)
    theirs = ours.to_sklearn()
    assert theirs.activation == name
    assert_same_predictions(theirs, ours, task.X, 1e-12)


@pytest.mark.parametrize(
    "activation", ["step", "sign", "leaky_relu", np.tanh, ["step"] * 2, ["relu", "tanh"], ["relu", np.tanh]]
)
def test_activations_that_scikit_learn_lacks(task, activation):
    model = task.make(hidden_layer_sizes=(4, 4), activation=activation).fit(task.X, task.y)
    with pytest.raises(ValueError, match=rf"activation={re.escape(repr(activation))}"):
        model.to_sklearn()


@pytest.mark.parametrize("cls", [DopamineMLPClassifier, DopamineMLPRegressor])
def test_before_the_fit(cls):
    with pytest.raises(NotFittedError):
        cls(activation="step").to_sklearn()


def test_output_functions_that_scikit_learn_has_or_lacks(make_task):
    make, X, y = make_task("regression")
    model = make().fit(X, y)
    output = model.predict(X)
    model.out_activation_ = "exp"  # of a poisson loss
    theirs = model.to_sklearn()
    assert theirs.loss == "poisson"
    np.testing.assert_allclose(theirs.predict(X), np.exp(output), rtol=1e-12)
    np.testing.assert_allclose(model.predict(X), np.exp(output), rtol=1e-12)
    model.out_activation_ = "softplus"
    with pytest.raises(ValueError, match=r"loss='squared_error'.*MLPRegressor.*'softplus'"):
        model.to_sklearn()
    make, X, y = make_task("binary")
    model = make().fit(X, y)
    model.out_activation_ = "identity"  # of a hinge loss
    with pytest.raises(ValueError, match=r"loss='log_loss'.*MLPClassifier.*'identity'"):
        model.to_sklearn()


def test_there_and_back(task, assert_same_model):
    ours = task.make().fit(task.X, task.y)
    assert_same_model(task.make(init=ours.to_sklearn(), **STILL).fit(task.X, task.y), ours, rtol=1e-10)


def test_it_is_a_model_of_scikit_learn_in_all_else(task):
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(task.X, columns=list("abcde"))
    theirs = task.make().fit(X, task.y).to_sklearn()
    np.testing.assert_array_equal(theirs.feature_names_in_, list("abcde"))
    with pytest.raises(ValueError, match=r"(?s)feature names.*order"):
        theirs.predict(X[list("edcba")])
    copy = pickle.loads(pickle.dumps(theirs))
    np.testing.assert_array_equal(copy.predict(X), theirs.predict(X))
    assert permutation_importance(theirs, X, task.y, n_repeats=1).importances_mean.shape == (5,)
    assert clone(theirs).get_params() == theirs.get_params()
    estimator_html_repr(theirs)
    before = theirs.score(X, task.y)
    copy.set_params(tol=1e9).partial_fit(X, task.y)  # the first epoch is no improvement
    for _ in range(20):
        theirs.partial_fit(X, task.y)
    assert theirs.score(X, task.y) > before
    assert theirs.set_params(warm_start=True).fit(X, task.y).score(X, task.y) > before


@pytest.mark.parametrize("kind", KINDS)
def test_onnx_export_predicts_the_same(make_task, kind):
    skl2onnx = pytest.importorskip("skl2onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    task = make_task(kind, dtype=np.float32)
    ours = task.make(hidden_layer_sizes=(8, 4)).fit(task.X, task.y)
    options = {"zipmap": False} if hasattr(ours, "classes_") else None
    graph = skl2onnx.to_onnx(ours.to_sklearn(), task.X, options=options)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    outputs = session.run(None, {session.get_inputs()[0].name: task.X})
    if hasattr(ours, "classes_"):
        np.testing.assert_array_equal(outputs[0], ours.predict(task.X))
        np.testing.assert_allclose(outputs[1], ours.predict_proba(task.X), atol=1e-5)
    else:
        # the converter lays the outputs of any MLPRegressor out in one column
        np.testing.assert_allclose(np.ravel(outputs[0]), np.ravel(ours.predict(task.X)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda model: model.intercepts_.__setitem__(0, np.zeros(1)), "shapes of biases"),  # would be broadcast
        (lambda model: model.intercepts_.__setitem__(0, np.zeros((8, 1))), "shapes of biases"),
        (lambda model: model.intercepts_.pop(), "shapes of biases"),
        (lambda model: model.coefs_.__setitem__(1, np.zeros((7, 1))), "shapes of weights"),
        (lambda model: model.coefs_[0].__setitem__(0, np.nan), "finite weights"),
        (lambda model: model.intercepts_[1].__setitem__(0, np.inf), "finite weights"),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_weights_that_do_not_fit_each_other_are_refused(task, change, name):
    start = task.make().fit(task.X, task.y)
    change(start)
    for method in ("fit", "partial_fit"):
        first_call = {"classes": [0, 1]} if method == "partial_fit" and hasattr(start, "predict_proba") else {}
        with pytest.raises(ValueError, match=f"init must have .*{name}"):
            getattr(task.make(init=start), method)(task.X, task.y, **first_call)
