"""Bad input: an error that names the parameter and the value got. Extreme input: a finite model or a clear error."""

import re

import numpy as np
import pytest
from conftest import with_value
from scipy import sparse

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

BAD_PARAMETERS = {
    "hidden_layer_sizes": [0, -1, (5, 0), (5, 2.5), "a"],
    "activation": ["softsign_", 3],
    "loss": ["no_such_loss", 3],
    "perturbation": ["synapse", None],
    "perturbation_scale": [0, 0.0, -1, "big", np.nan, np.inf],
    "n_perturbations": [0, -1, 1.5, "many"],
    "learning_rate": ["adaptive_", 0.1],
    "learning_rate_init": [0, 0.0, -0.1, np.nan, "fast"],
    "power_t": [-0.5],
    "momentum": [1.5, -0.1],
    "alpha": [-1, "a", np.nan],
    "batch_size": [0, -5, 2.5, "all"],
    "max_iter": [0, -1, 1.5],
    "tol": [-1, "tight"],
    "n_iter_no_change": [0, -np.inf, np.nan, 2.5],
    "validation_fraction": [0, 0.0, 1, 1.0, 2],
    "scoring": ["no_such_scorer", 3],
    "init": ["fitted", 3],
    "random_state": ["seed"],
}


def _names(parameter, value):
    """Match a message that names the parameter and, after "got" where it may be a bound, the value."""
    got = value[-1] if isinstance(value, tuple) else value
    before = "" if isinstance(value, str) else r"\bgot\b.*"
    return rf"(?is)(?=.*\b{parameter}\b)(?=.*{before}{re.escape(repr(got))})"


@pytest.mark.parametrize(("name", "value"), [(name, v) for name, values in BAD_PARAMETERS.items() for v in values])
def test_bad_parameter(task, name, value):
    model = task.make(**{"early_stopping": True, name: value})  # early stopping reads the most parameters
    with pytest.raises((ValueError, TypeError), match=_names(name, value)):
        model.fit(task.X, task.y)
    assert not hasattr(model, "coefs_")


@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
def test_missing_and_infinite_values(task, value, word):
    with pytest.raises(ValueError, match=f"X contains {word}"):
        task.make().fit(with_value(task.X, value), task.y)
    with pytest.raises(ValueError, match=f"X contains {word}"):
        task.make().fit(sparse.csr_array(with_value(task.X, value)), task.y)
    with pytest.raises(ValueError, match=f"y contains {word}"):
        task.make().fit(task.X, with_value(task.y, value))
    with pytest.raises(ValueError, match=f"sample_weight contains {word}"):
        task.make().fit(task.X, task.y, sample_weight=with_value(np.ones(len(task.X)), value))
    with pytest.raises(ValueError, match=f"X contains {word}"):
        task.make().fit(task.X, task.y).predict(with_value(task.X, value))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X[:, 0], y), "Expected 2D array, got 1D array"),
        (lambda X, y: (X[:, :, None], y), "Found array with dim 3"),
        (lambda X, y: (X[:-1], y), r"inconsistent numbers of samples: \[99, 100\]"),
        (lambda X, y: (X[:0], y[:0]), r"0 sample\(s\)"),
        (lambda X, y: (X[:, :0], y), r"0 feature\(s\)"),
        (lambda X, y: (X, np.stack([[y, y]] * 2).T), r"(?i)dim 3|\by\b.*shape|3d"),
        (lambda X, y: (np.full(X.shape, "blue"), y), "(?i)string.*blue"),
        (lambda X, y: (np.full(X.shape, "blue", dtype=object), y), "(?i)string.*blue"),
        (lambda X, y: (X + 1j, y), "(?i)complex"),
        (lambda X, y: (X, None), r"requires y|y cannot be None"),
    ],
)
def test_wrong_shapes_and_types(task, change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        task.make().fit(*change(task.X, task.y))


def test_regressor_refuses_strings_in_y(make_task):
    make, X, y = make_task("regression")
    with pytest.raises((ValueError, TypeError), match=r"(?is)\by\b.*blue|string.*blue"):
        make().fit(X, np.full(len(y), "blue"))


def test_width_of_later_calls(task):
    model = task.make().fit(task.X, task.y)
    for method in (model.predict, lambda X: model.partial_fit(X, task.y)):
        with pytest.raises(ValueError, match=r"X has 3 features, but .* is expecting 5 features"):
            method(task.X[:, :3])


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (lambda n: np.r_[-1.0, np.ones(n - 1)], r"(?is)negative.*sample_weight|sample_weight.*(negative|-1)"),
        (np.zeros, r"(?is)weight.*zero|zero.*weight"),
        (lambda n: np.ones(3), r"(?s)sample_weight(?=.*\b3\b)(?=.*\b100\b)"),
        (lambda n: np.ones((n, 2)), r"(?i)sample.?weights?.*(1D|2D|shape)"),
        (lambda n: ["heavy"] * n, "(?i)string.*heavy|sample_weight.*heavy"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_bad_sample_weight(task, weight, message, method):
    model = task.make()
    first_call = {"classes": [0, 1]} if method == "partial_fit" and hasattr(model, "predict_proba") else {}
    with pytest.raises((ValueError, TypeError), match=message):
        getattr(model, method)(task.X, task.y, sample_weight=weight(len(task.X)), **first_call)


@pytest.mark.parametrize("label", [1, "blue"])
@pytest.mark.parametrize("loss", ["f1", "roc_auc", "balanced_accuracy", lambda y_true, y_pred: 1 - y_pred[:, 0]])
def test_a_metric_needs_two_classes(make_task, label, loss):
    make, X, y = make_task("binary")
    with pytest.raises(ValueError, match=rf"(?s)loss=.*two classes.*got one class only: \['?{label}'?\]"):
        make(loss=loss).fit(X, np.full(len(y), label))


def test_classifier_refuses_continuous_targets(make_task):
    make, X, _ = make_task("binary")
    with pytest.raises(ValueError, match="Unknown label type"):
        make().fit(X, X[:, 0])


def test_classes_in_partial_fit(make_task):
    make, X, y = make_task("multiclass")
    with pytest.raises(ValueError, match="classes"):
        make().partial_fit(X, y)
    model = make().partial_fit(X, y, classes=[0, 1, 2])
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match=r"(?is)class.*7"):
        model.partial_fit(X, np.where(y == 2, 7, y))
    with pytest.raises(ValueError, match=r"(?is)class.*9"):
        model.partial_fit(X, y, classes=[0, 1, 9])
    np.testing.assert_array_equal(model.predict_proba(X), before)
    with pytest.raises(ValueError, match=r"(?is)class.*7"):
        make().partial_fit(X, np.where(y == 2, 7, y), classes=[0, 1, 2])


@pytest.mark.parametrize("perturbation", ["node", "weight"])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize(("classes", "shown"), [([1, 2, 3], "[1 2 3]"), ([0, 1, 1], "[0 1]"), ([0, 0, 2], "[0 2]")])
def test_warm_start_refuses_other_classes(make_task, classes, shown, early_stopping, perturbation):
    make, X, y = make_task("multiclass")
    model = make(warm_start=True, early_stopping=early_stopping, perturbation=perturbation).fit(X, y)
    before = model.predict_proba(X)
    message = f"same classes as in the previous call to fit. Previously got [0 1 2], `y` has {shown}"
    with pytest.raises(ValueError, match=re.escape(message)):
        model.fit(X, np.array(classes)[y])
    np.testing.assert_array_equal(model.predict_proba(X), before)
    model.partial_fit(X[y < 2], y[y < 2])  # a batch of a stream may lack a class


def test_warm_start_goes_on_with_the_same_labels_and_label_sets(make_task):
    for kind in ("strings", "multilabel"):
        make, X, y = make_task(kind)
        model = make(warm_start=True).fit(X, y)
        assert len(model.fit(X, y).loss_curve_) == 30
        if kind == "multilabel":
            assert len(model.fit(X, np.zeros_like(y)).loss_curve_) > 30


def test_too_few_rows_to_hold_some_back(task):
    model = task.make(early_stopping=True)
    rows = [task.y.argmin(), task.y.argmax()] if hasattr(model, "predict_proba") else [0]
    with pytest.raises(ValueError, match=r"validation_fraction.*0\.1"):
        model.fit(task.X[rows], task.y[rows])


def _wider(X):
    return np.column_stack([X, X])


FAILING_FITS = {
    "X": lambda model, X, y: model.fit(with_value(X, np.nan), y),
    "max_iter": lambda model, X, y: model.set_params(max_iter=0).fit(X, y),
    "hidden_layer_sizes": lambda model, X, y: model.set_params(hidden_layer_sizes=(4, 0)).fit(X, y),
    "scoring": lambda model, X, y: model.set_params(scoring="no_such", early_stopping=True).fit(X, y),
    "sample_weight": lambda model, X, y: model.fit(_wider(X), y, sample_weight=-np.ones(len(y))),
    "weight": lambda model, X, y: model.fit(_wider(X), y, sample_weight=np.zeros(len(y))),
    "inconsistent": lambda model, X, y: model.fit(_wider(X), y[:-1]),
    "validation_fraction": lambda model, X, y: model.set_params(early_stopping=True, validation_fraction=0.999).fit(
        _wider(X)[:20], y[:20]
    ),
}


@pytest.mark.parametrize("message", FAILING_FITS)
def test_failed_fit_leaves_the_fitted_model_as_it_was(task, message):
    model = task.make().fit(task.X, task.y)
    before = model.predict(task.X)
    with pytest.raises((ValueError, TypeError), match=message):
        FAILING_FITS[message](model, task.X, task.y)
    np.testing.assert_array_equal(model.predict(task.X), before)


def test_failed_fit_on_one_class_leaves_the_fitted_model_as_it_was(make_task):
    make, X, y = make_task("strings")
    model = make().fit(X, y)
    before = model.predict_proba(X)
    model.set_params(loss="f1")
    with pytest.raises(ValueError, match="class"):
        model.fit(_wider(X), np.full(len(y), "other"))
    np.testing.assert_array_equal(model.predict_proba(X), before)
    np.testing.assert_array_equal(model.classes_, ["no", "yes"])


def _columns(n, d=4):
    return np.random.default_rng(2).standard_normal((n, d))


def _scaled(n, column, scale):
    X = _columns(n)
    X[:, column] *= scale
    return X


EXTREME = {  # name -> X, and whether a ValueError about X is as good as a model
    "constant_column": (np.column_stack([_columns(30), np.full(30, 5.0)]), False),
    "all_constant": (np.ones((30, 3)), False),
    "duplicate_columns": (_wider(_columns(30)), False),
    "duplicate_rows": (np.repeat(_columns(3), 10, axis=0), False),
    "one_column": (_columns(30, 1), False),
    "10000_columns": (_columns(20, 10_000), False),
    "two_rows": (_columns(2), False),
    "column_at_1e-150": (_scaled(30, 1, 1e-150), False),
    "all_at_1e-150": (_columns(30) * 1e-150, False),
    "subnormal": (_columns(30) * 1e-310, False),
    "column_at_1e6": (_scaled(30, 1, 1e6), False),
    "column_at_1e150": (_scaled(30, 1, 1e150), True),
    "all_at_1e150": (_columns(30) * 1e150, True),
    "all_at_1e300": (_columns(30) * 1e300, True),
    "1e150_beside_1e-150": (_columns(30) * [1e150, 1e-150, 1.0, 0.0], True),
}


def _assert_finite(model, X):
    assert all(np.isfinite(a).all() for a in [*model.coefs_, *model.intercepts_])
    if isinstance(model, DopamineMLPClassifier):
        assert np.isfinite(model.predict_proba(X)).all()
        assert set(model.predict(X)) <= set(model.classes_)
    else:
        assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("perturbation", ["node", "weight"])
@pytest.mark.parametrize("cls", [DopamineMLPClassifier, DopamineMLPRegressor])
@pytest.mark.parametrize("name", EXTREME)
def test_extreme_columns_give_a_finite_model_or_a_clear_error(name, cls, perturbation):
    X, may_refuse = EXTREME[name]
    y = np.arange(len(X)) % 2
    model = cls((8,), max_iter=10, random_state=0, perturbation=perturbation)
    try:
        model.fit(X, y)
    except ValueError as error:
        if not may_refuse:
            raise
        assert re.search(r"(?i)\bX\b|large|scale", str(error))
    else:
        _assert_finite(model, X)


@pytest.mark.parametrize("scale", [1e-150, 1e-6, 1e6, 1e150])
def test_targets_at_extreme_scales(make_task, scale):
    make, X, y = make_task("regression")
    try:
        model = make().fit(X, y * scale)
    except ValueError as error:
        if scale < 1e100:
            raise
        assert re.search(r"(?i)\by\b|large|scale", str(error))
    else:
        _assert_finite(model, X)


def test_one_row():
    X = np.ones((1, 3))
    model = DopamineMLPRegressor((4,), max_iter=5, random_state=0)
    try:
        model.fit(X, [2.0])
    except ValueError as error:
        assert re.search("1 sample", str(error))
    else:
        _assert_finite(model, X)
    assert DopamineMLPClassifier((4,), max_iter=5).fit(X, [1]).predict(X) == [1]
