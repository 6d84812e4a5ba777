"""Parameters of every size and type: what is refused names itself, what is taken trains."""

import re
import warnings
from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval

from skdopamine import (
    DopamineESNForecaster,
    DopamineMLPClassifier,
    DopamineMLPPolicy,
    DopamineMLPRegressor,
    make_windows,
)
from skdopamine._estimator.validation import plain

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 3))
SERIES = np.sin(0.3 * np.arange(40))[:, None]
VALUES = [
    *(1e308, 1e100, 5e-324, -1.0, 0.0, np.inf, np.nan, np.float32(0.5), np.float32(np.inf), np.float64(-1)),
    *(10**400, -(10**400), 10**18, 2**63, 0, 1, True, np.int64(2), Fraction(1, 2)),
    *(None, "auto", "1", b"a", [], {}, np.array(3), np.array([1.0]), object(), 1j),
]
ESTIMATORS = {
    "classifier": (DopamineMLPClassifier, {"hidden_layer_sizes": (3,), "max_iter": 1}, X, (X[:, 0] > 0).astype(int)),
    "regressor": (DopamineMLPRegressor, {"hidden_layer_sizes": (3,), "max_iter": 1}, X, X[:, 0]),
    "policy": (DopamineMLPPolicy, {"hidden_layer_sizes": (3,), "max_iter": 1}, X, (X[:, 0] > 0).astype(int)),
    "forecaster": (
        DopamineESNForecaster,
        {"n_units": 3, "max_iter": 1, "n_perturbations": 1, "stateful": True},
        SERIES,
        None,
    ),
}
COSTLY = {"max_iter": 10**18}  # allowed, and as long as it takes
OF_DATA = {"horizon", "washout", "stateful", "readout_lags"}  # X has too few rows for most values
PARAMETERS = [(kind, name) for kind, (cls, *_) in ESTIMATORS.items() for name in cls().get_params()]


@pytest.mark.parametrize(("kind", "name"), PARAMETERS)
def test_a_parameter_is_taken_or_named(kind, name):
    cls, params, rows, y = ESTIMATORS[kind]
    for value in VALUES:
        if COSTLY.get(name) == value:
            continue
        model = cls(**{**params, "random_state": 0, name: value})
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.filterwarnings("ignore", f"{name}=.* has no effect without")
            try:
                model.fit(rows, y)
            except (ValueError, TypeError) as error:
                assert re.search(rf"\b{name}\b", str(error)), (name, value, error)
                assert name in OF_DATA or re.search(r"\bmust\b|gives|cannot|valid|needs|too small", str(error))
            else:
                assert np.isfinite(model.predict(rows)).all(), (name, value)


def test_intervals_of_numbers_have_an_end():
    for cls in (DopamineMLPClassifier, DopamineMLPRegressor, DopamineESNForecaster):
        for name, constraints in cls._parameter_constraints.items():
            for interval in (entry for entry in constraints if isinstance(entry, Interval)):
                assert not interval.is_satisfied_by(10**400) or name in {"washout", "n_jobs"}, name


@pytest.mark.parametrize("learning_rate", ["dopamine", "constant", "invscaling"])
@pytest.mark.parametrize("power_t", [1000, 1e100])
def test_a_large_exponent_ends_learning_without_an_overflow(learning_rate, power_t):
    model = DopamineMLPRegressor((3,), learning_rate=learning_rate, power_t=power_t, max_iter=4, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, X[:, 0])
    assert np.isfinite(model.learning_rate_curve_).all()
    assert (model.learning_rate_ == 0) == (learning_rate == "invscaling")


@pytest.mark.parametrize("perturbation", ["node", "weight"])
@pytest.mark.parametrize(
    "params",
    [
        {"n_perturbations": 10**9},
        {"hidden_layer_sizes": [1] * 10**5},
        {"hidden_layer_sizes": (10**9,)},
        {"hidden_layer_sizes": (10**5, 10**5)},
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_what_memory_cannot_hold_is_refused(params, perturbation, method):
    model = DopamineMLPRegressor(**params, perturbation=perturbation)
    with pytest.raises(ValueError, match=next(iter(params))):
        getattr(model, method)(X, X[:, 0])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_more_jobs_than_work_change_nothing():
    one, many = (
        DopamineMLPRegressor((3,), perturbation="weight", max_iter=2, n_jobs=n_jobs, random_state=0).fit(X, X[:, 0])
        for n_jobs in (1, 10**18)
    )
    np.testing.assert_array_equal(one.coefs_[0], many.coefs_[0])


def test_a_penalty_that_is_not_finite_names_alpha():
    with pytest.raises(ValueError, match=r"alpha must .*got 1e\+100"):
        DopamineMLPRegressor(alpha=1e100).fit(X.astype(np.float32), X[:, 0], sample_weight=np.full(40, 1e-300))
    with pytest.raises(ValueError, match=r"alpha must .*sample weights"):
        DopamineMLPRegressor().fit(X, X[:, 0], sample_weight=np.full(40, 5e-324))


@pytest.mark.parametrize(
    "to_strings",
    [
        lambda y: y.astype(str),
        lambda y: y.astype("S8"),
        lambda y: y.astype(str).astype(object),
        lambda y: y.astype(str).tolist(),
        lambda y: [*y[:-1], "1.5"],
        lambda y: y.astype("datetime64[s]"),
    ],
)
def test_targets_of_regression_are_numbers(to_strings):
    series, windows = make_windows(SERIES[:, 0], 3)
    for model, rows, y in (
        (DopamineMLPRegressor(), X, X[:, 0]),
        (DopamineESNForecaster(), series, windows),
        (DopamineESNForecaster(stateful=True), SERIES, SERIES[:, 0]),
    ):
        for method in (model.fit, model.partial_fit):
            with pytest.raises(ValueError, match=r"y must be numbers, got [^n]"):
                method(rows, to_strings(y))
            with pytest.raises(TypeError, match="Sparse data was passed for y"):
                method(rows, sparse.csr_array(y[:, None]))


@pytest.mark.parametrize("weight", [10**400, np.array([10**400] * 40, dtype=object), np.full(40, 1e308)])
def test_weights_that_no_float_holds(weight):
    with pytest.raises(ValueError, match=r"sample_weight must .*finite"):
        DopamineMLPRegressor().fit(X, X[:, 0], sample_weight=weight)


@pytest.mark.parametrize("classes", [{0, 1}, frozenset([1, 0]), range(2), (1, 0, 1), np.array([0, 1])])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_classes_may_come_as_any_collection(classes):
    y = (X[:, 0] > 0).astype(int)
    model = DopamineMLPClassifier().partial_fit(X, y, classes=classes)
    assert model.partial_fit(X, y, classes=classes).classes_.tolist() == [0, 1]


@pytest.mark.parametrize(
    "classes", [{0: 1}, "ab", 3, [], set(), [[0, 1]], [[0], [1, 2]], [0, None], True, iter([0, 1])]
)
def test_classes_are_labels(classes):
    y = (X[:, 0] > 0).astype(int)
    with pytest.raises(ValueError, match="classes must be labels"):
        DopamineMLPClassifier().partial_fit(X, y, classes=classes)
    with pytest.raises(ValueError, match="classes must be labels"):
        DopamineMLPClassifier().partial_fit(X, y, classes=[0, 1]).partial_fit(X, y, classes=classes)


def test_messages_show_plain_values():
    assert repr(plain({np.int64(0): [np.float64(1.5), (np.float32(0.5),)]})) == "{0: [1.5, (0.5,)]}"
    y = (X[:, 0] > 0).astype(int)
    forecaster = DopamineESNForecaster(5, max_iter=1, stateful=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        forecaster.fit(SERIES)
    for call in (
        lambda: DopamineMLPClassifier([np.float64(2.5)]).fit(X, y),
        lambda: DopamineMLPClassifier(class_weight={0: np.float64(-1), 1: np.float64(1)}).fit(X, y),
        lambda: DopamineMLPClassifier(class_weight={np.int64(7): np.float64(1)}).fit(X, y),
        lambda: DopamineMLPClassifier().partial_fit(X, y, classes=[0, 1]).partial_fit(X, y, classes=[np.int64(3)]),
        lambda: forecaster.forecast(np.float64(2)),
        lambda: forecaster.forecast(10**400),
        lambda: forecaster.forecast_interval(2, coverage=np.float64(2)),
        lambda: forecaster.predict_interval(SERIES, coverage=10**400),
        lambda: make_windows(SERIES, np.float64(2)),
    ):
        with pytest.raises(ValueError, match=r"\bgot \S|that are not among") as caught:
            call()
        assert "np." not in str(caught.value)
