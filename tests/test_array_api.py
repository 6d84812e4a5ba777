"""Arrays of other libraries, with scikit-learn's dispatch: the same kind comes out, and inside all is as with numpy."""

import inspect
import os
import runpy
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import scipy
import sklearn
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.metrics import get_scorer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.fixes import parse_version

from skdopamine import DopamineESNForecaster, DopamineMLPClassifier, DopamineMLPPolicy, DopamineMLPRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),  # fits are short here
    pytest.mark.skipif("SCIPY_ARRAY_API" not in os.environ, reason="scipy has to be told before it is imported"),
    pytest.mark.skipif(
        parse_version(scipy.__version__) < parse_version("1.14"), reason="scikit-learn's dispatch needs scipy 1.14"
    ),
]
SKLEARN_1_9 = parse_version(sklearn.__version__) >= parse_version("1.9")
X, Y = load_iris(return_X_y=True)
X, Y = X[::3], Y[::3]
LENGTH, REWARD = X[:, 0] + 100, (Y == 1) * 1.0
SERIES = np.sin(0.3 * np.arange(150))[:, None] + 0.1 * np.random.default_rng(0).standard_normal((150, 1))
SMALL = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}
CLASSES = [DopamineMLPClassifier, DopamineMLPRegressor, DopamineMLPPolicy, DopamineESNForecaster]


def windows():
    return DopamineESNForecaster(10, trainable=(), random_state=0)


def series():
    return DopamineESNForecaster(10, stateful=True, trainable=(), random_state=0)


class Kind:
    """A library, and a device of it."""

    def __init__(self, name, device=None):
        self.library, self.device = pytest.importorskip(name), device
        if name == "array_api_strict":
            self.device = self.library.Device(device or "CPU_DEVICE")

    def array(self, value):
        return self.library.asarray(np.asarray(value), device=self.device)

    def is_kind_of(self, value):
        own = self.array([1.0])
        return type(value) is type(own) and value.device == own.device

    def numpy(self, value):
        if self.library.__name__ == "array_api_strict":
            value = self.library.asarray(value, device=self.library.Device("CPU_DEVICE"))
        return np.asarray(value)


KINDS = pytest.mark.parametrize(
    "kind",
    [("array_api_strict",), ("array_api_strict", "device1"), ("torch",)],
    ids=lambda kind: " ".join(kind),
    indirect=True,
)


@pytest.fixture
def kind(request):
    return Kind(*request.param)


CALLS = {  # estimator, arguments of fit, and of methods
    "classifier": (
        lambda: DopamineMLPClassifier(**SMALL),
        (X, Y),
        {
            "predict": (X,),
            "predict_proba": (X,),
            "predict_log_proba": (X,),
        },
    ),
    "labels": (
        lambda: DopamineMLPClassifier(**SMALL),
        (X, np.column_stack([Y == 0, Y > 0]).astype(int)),
        {"predict": (X,)},
    ),
    "regressor": (lambda: DopamineMLPRegressor(**SMALL), (X, LENGTH), {"predict": (X,)}),
    "outputs": (lambda: DopamineMLPRegressor(**SMALL), (X, X[:, :2]), {"predict": (X,)}),
    "policy": (
        lambda: DopamineMLPPolicy(**SMALL),
        (X, Y, REWARD, np.full(len(Y), 0.3)),
        {"predict": (X,), "predict_proba": (X,), "predict_reward": (X,), "sample": (X,)},
    ),
    "windows": (windows, (X, LENGTH), {"predict": (X,), "predict_interval": (X, 0.5)}),
    "series": (
        series,
        (SERIES,),
        {
            "predict": (SERIES,),
            "forecast": (5, SERIES),
            "forecast_interval": (5, 0.5, SERIES),
            "forecast_quantiles": (5, [0.2, 0.8], SERIES),
            "sample_paths": (5, 3, SERIES),
        },
    ),
}


@cache
def fitted(name):
    make, given, _ = CALLS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make().fit(*given)


def parts(result):
    return result if isinstance(result, tuple) else (result,)


def in_kind(kind, arguments):
    return [kind.array(value) if isinstance(value, np.ndarray) else value for value in arguments]


@KINDS
@pytest.mark.parametrize("name", CALLS)
def test_what_comes_out_is_what_went_in(name, kind):
    make, given, calls = CALLS[name]
    expected = fitted(name)
    with config_context(array_api_dispatch=True):
        model = make()
        assert model.fit(*in_kind(kind, given)) is model
        for method, arguments in calls.items():
            found = getattr(model, method)(*in_kind(kind, arguments))
            wanted = getattr(clone(expected).fit(*given) if method == "sample" else expected, method)(*arguments)
            assert len(parts(found)) == len(parts(wanted))
            for own, known in zip(parts(found), parts(wanted), strict=True):
                assert kind.is_kind_of(own), method
                assert kind.numpy(own).dtype == known.dtype
                np.testing.assert_array_equal(kind.numpy(own), known)
        assert not hasattr(model, "classes_") or type(model.classes_) is np.ndarray


@KINDS
@pytest.mark.parametrize("name", ["classifier", "regressor", "policy", "windows"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_keep_their_type_and_a_score_is_a_number(name, kind, dtype):
    make, (rows, *others), _ = CALLS[name]
    known = make().fit(rows.astype(dtype), *others)
    with config_context(array_api_dispatch=True):
        model = make().fit(*in_kind(kind, (rows.astype(dtype), *others)))
        score = model.score(*in_kind(kind, (rows.astype(dtype), *others)))
        assert type(score) is float
        method = "predict_reward" if name == "policy" else "predict_proba" if name == "classifier" else "predict"
        found = kind.numpy(getattr(model, method)(kind.array(rows.astype(dtype))))
    assert found.dtype == getattr(known, method)(rows.astype(dtype)).dtype
    assert score == pytest.approx(known.score(rows.astype(dtype), *others), rel=1e-6)
    if hasattr(model, "coefs_"):
        assert {type(coef) for coef in model.coefs_} == {np.ndarray}
        assert {coef.dtype for coef in model.coefs_} == {np.dtype(dtype)}


@KINDS
def test_streams_learn_from_arrays(kind):
    for name, more in {"classifier": {"classes": kind.array([0, 1, 2])}, "regressor": {}, "policy": {}}.items():
        make, given, _ = CALLS[name]
        more = {"classes": kind.array([0, 1, 2])} if name == "policy" else more
        with config_context(array_api_dispatch=True):
            model = make().partial_fit(*in_kind(kind, given), **more)
        known = make().partial_fit(*given, **({"classes": [0, 1, 2]} if more else {}))
        np.testing.assert_array_equal(model.coefs_[0], known.coefs_[0])
    with config_context(array_api_dispatch=True):
        model = series().fit(kind.array(SERIES[:100])).partial_fit(kind.array(SERIES[100:]))
    np.testing.assert_array_equal(model.forecast(5), series().fit(SERIES[:100]).partial_fit(SERIES[100:]).forecast(5))


@KINDS
def test_labels_that_are_no_numbers_stay_in_numpy(kind):
    names = np.array(["setosa", "versicolor", "virginica"])[Y]
    model = DopamineMLPClassifier(**SMALL)
    with config_context(array_api_dispatch=True):
        found = model.fit(kind.array(X), names).predict(kind.array(X))
        assert kind.is_kind_of(model.predict_proba(kind.array(X)))
    np.testing.assert_array_equal(found, DopamineMLPClassifier(**SMALL).fit(X, names).predict(X))


@KINDS
def test_many_series_and_covariates_of_arrays(kind):
    model, many = series().fit([SERIES, SERIES[::-1]], exog=[SERIES**2, SERIES]), [SERIES[:60], SERIES[60:120]]
    known = [SERIES[:65] ** 2, SERIES[60:125]]
    expected = model.forecast(5, many, exog=known)
    with config_context(array_api_dispatch=True):
        found = model.forecast(5, in_kind(kind, many), exog=in_kind(kind, known))
        told = model.forecast(5, exog=in_kind(kind, [SERIES[:5], SERIES[:5]]))
    assert type(found) is list
    for own, wanted in zip(found, expected, strict=True):
        assert kind.is_kind_of(own)
        np.testing.assert_array_equal(kind.numpy(own), wanted)
    assert all(map(kind.is_kind_of, told))


@KINDS
def test_series_of_several_kinds_stand_side_by_side(kind):
    model, many = series().fit([SERIES, SERIES[::-1]]), [SERIES[:60], SERIES[60:120]]
    with config_context(array_api_dispatch=True):
        found = model.forecast(5, [many[0], kind.array(many[1])])
    for own, wanted in zip(found, model.forecast(5, many), strict=True):
        assert kind.is_kind_of(own)
        np.testing.assert_array_equal(kind.numpy(own), wanted)


@KINDS
@pytest.mark.parametrize("dtype", [np.float16, ">i4", ">f8", np.longdouble, np.int8, bool])
@pytest.mark.parametrize("cls", [DopamineMLPClassifier, DopamineMLPPolicy])
def test_labels_come_out_in_numbers_that_the_library_has(kind, cls, dtype):
    model = cls(**SMALL).fit(X, (Y > 0).astype(dtype), *([REWARD] if cls is DopamineMLPPolicy else []))
    with config_context(array_api_dispatch=True):
        found = model.predict(kind.array(X))
    assert kind.is_kind_of(found)
    np.testing.assert_array_equal(kind.numpy(found), model.predict(X))


@pytest.mark.parametrize("dispatch", [False, True])
def test_columns_of_pyarrow_are_targets(dispatch):
    pyarrow = pytest.importorskip("pyarrow")
    with config_context(array_api_dispatch=dispatch):
        found = DopamineMLPRegressor(**SMALL).fit(X, pyarrow.array(LENGTH)).predict(X)
    np.testing.assert_array_equal(found, fitted("regressor").predict(X))


@KINDS
def test_a_model_of_one_kind_predicts_rows_of_another(kind):
    with config_context(array_api_dispatch=True):
        model = DopamineMLPRegressor(**SMALL).fit(kind.array(X), kind.array(LENGTH))
        assert type(model.predict(X)) is np.ndarray
        assert kind.is_kind_of(fitted("regressor").predict(kind.array(X)))


@KINDS
def test_errors_are_those_of_numpy(kind):
    with config_context(array_api_dispatch=True):
        with pytest.raises(ValueError, match="X contains NaN"):
            DopamineMLPRegressor(**SMALL).fit(kind.array(np.where(X > 7, np.nan, X)), kind.array(LENGTH))
        with pytest.raises(ValueError, match="4 features"):
            fitted("regressor").predict(kind.array(X[:, :2]))
        with pytest.raises(TypeError, match="unexpected"):
            fitted("regressor").predict(kind.array(X), strange=1)


@pytest.mark.parametrize("name", CALLS)
def test_with_dispatch_and_without_other_arrays_all_is_as_ever(name):
    make, given, calls = CALLS[name]
    with config_context(array_api_dispatch=True):
        model = make().fit(*given)
        for method, arguments in calls.items():
            found = getattr(model, method)(*arguments)
            wanted = getattr(clone(model).fit(*given) if method == "sample" else fitted(name), method)(*arguments)
            for own, known in zip(parts(found), parts(wanted), strict=True):
                assert type(own) is type(known)
                np.testing.assert_array_equal(own, known)


def test_lists_frames_and_sparse_rows_are_taken_with_dispatch():
    pandas, model = pytest.importorskip("pandas"), fitted("regressor")
    with config_context(array_api_dispatch=True):
        for rows in (X.tolist(), sparse.csr_array(X)):
            np.testing.assert_allclose(model.predict(rows), model.predict(X))
        path = series().fit(pandas.Series(SERIES[:, 0])).forecast(3)
    assert type(path) is pandas.Series


def test_without_dispatch_tensors_are_rows_of_numpy():
    torch = pytest.importorskip("torch")
    for name in ("classifier", "regressor", "policy", "windows"):
        make, given, _ = CALLS[name]
        found = make().fit(*map(torch.asarray, given)).predict(torch.asarray(X))
        assert type(found) is np.ndarray
        np.testing.assert_array_equal(found, fitted(name).predict(X))


def test_tensors_that_ask_for_a_gradient_are_taken():
    torch = pytest.importorskip("torch")
    with config_context(array_api_dispatch=True):
        found = fitted("regressor").predict(torch.asarray(X).requires_grad_())
    assert type(found) is torch.Tensor
    assert not found.requires_grad


@pytest.mark.skipif(not SKLEARN_1_9, reason="scikit-learn 1.7 scales no tensors of this torch")
def test_scikit_learn_scores_and_splits_tensors():
    torch = pytest.importorskip("torch")
    rows, target = torch.asarray(X), torch.asarray(Y)
    with config_context(array_api_dispatch=True):
        pipe = make_pipeline(StandardScaler(), DopamineMLPClassifier(**SMALL)).fit(rows, target)
        assert type(pipe.predict(rows)) is torch.Tensor
        assert get_scorer("accuracy")(pipe, rows, target) == pytest.approx(pipe.score(rows, target))
        scores = cross_val_score(DopamineMLPClassifier(**SMALL), rows, target, cv=3)
    np.testing.assert_allclose(scores, cross_val_score(DopamineMLPClassifier(**SMALL), X, Y, cv=3), rtol=1e-6)


def test_the_example_of_the_guide():
    torch = pytest.importorskip("torch")
    path = Path(__file__).parents[1] / "doc" / "adapters" / "tensors.py"
    names = runpy.run_path(str(path))
    found = names["probabilities"](torch.asarray(X), torch.asarray(Y), torch.asarray(X[:5]))
    assert found.shape == (5, 3)
    assert type(found) is torch.Tensor


# ---- scikit-learn's own checks ----

CHECKED = [DopamineMLPRegressor(**SMALL), windows()]
# before 1.9 the check wants `classes_` in the kind of X; later it may be in numpy, as here
# scikit-learn's accuracy of tensors is in single precision: the classifier makes no mistakes, and 1 is 1 in any
FAULTLESS = DopamineMLPClassifier((20,), max_iter=200, early_stopping=False, random_state=0)
CHECKED += [FAULTLESS, DopamineMLPPolicy(**SMALL)] if SKLEARN_1_9 else []


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("library", ["array_api_strict", "torch"])
@pytest.mark.parametrize("estimator", CHECKED, ids=lambda estimator: type(estimator).__name__)
def test_scikit_learns_check_of_inputs_and_values(estimator, library, dtype):
    pytest.importorskip(library)
    estimator_checks.check_array_api_input_and_values(type(estimator).__name__, estimator, library, None, dtype)


@pytest.mark.skipif(not SKLEARN_1_9, reason="the check came with scikit-learn 1.9")
@pytest.mark.parametrize(
    ("of_rows", "of_others"),
    [
        (("array_api_strict", "device1"), ("numpy", None)),
        (("numpy", None), ("array_api_strict", "device1")),
        (("torch", "cpu"), ("array_api_strict", "device1")),
    ],
)
@pytest.mark.parametrize("estimator", CHECKED, ids=lambda estimator: type(estimator).__name__)
def test_scikit_learns_check_of_mixed_inputs(estimator, of_rows, of_others):
    from sklearn.utils._array_api import NamespaceAndDevice

    for library, _ in (of_rows, of_others):
        pytest.importorskip(library)
    estimator_checks.check_array_api_mixed_inputs(
        type(estimator).__name__,
        estimator,
        NamespaceAndDevice(*of_rows),
        NamespaceAndDevice(*of_others),
        check_values=True,
    )


@pytest.mark.parametrize("cls", CLASSES)
def test_no_public_method_that_takes_rows_is_forgotten(cls):
    methods = inspect.getmembers(cls, inspect.isfunction)
    own = [(name, method) for name, method in methods if method.__module__.startswith("skdopamine") and name[0] != "_"]
    takes = {name for name, method in own if {"X", "exog"} & set(inspect.signature(method).parameters)}
    assert takes >= {"fit", "partial_fit", "predict"}
    assert {name for name, method in own if "takes_arrays" in method.__code__.co_qualname} == takes


@pytest.mark.parametrize("cls", CLASSES)
def test_the_tag_says_no(cls):
    """With it, scikit-learn demands that a model fitted on one kind refuses rows of another."""
    assert not get_tags(cls()).array_api_support
