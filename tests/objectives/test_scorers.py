"""Scorers, metrics and callables as objectives: the number that scikit-learn would give, for every member."""

import warnings

import numpy as np
import pytest
from conftest import absolute
from fitted_cases import LABELLED, TARGETS, WEIGHT, N, X, fitted_case
from sklearn.metrics import f1_score, fbeta_score, get_scorer, get_scorer_names, make_scorer

from skdopamine._objectives.metrics import find_metric
from skdopamine._objectives.registry import LossOptions, find_loss
from skdopamine._objectives.scorers import FunctionObjective, MetricObjective, RowFunction, ScorerObjective, is_scorer

RNG = np.random.default_rng(1)
CASES = [(kind, name) for kind in TARGETS for name in get_scorer_names()]
each = pytest.mark.parametrize(("kind", "name"), CASES, ids=[f"{kind}-{name}" for kind, name in CASES])


def scored(scorer, case, weight=None):
    """What the scorer says of the model, None where it raises or has no finite number."""
    weighted = {} if weight is None else {"sample_weight": weight}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = float(scorer(case.model, X, case.y, **weighted))
    except Exception:
        return None
    return value if np.isfinite(value) else None


def check_against_scikit_learn(case, name, weight):
    expected = scored(get_scorer(name), case, weight)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if expected is None:
            with pytest.raises(ValueError, match=f"loss='{name}'"):
                case.objective(name, weighted=weight is not None)
            return
        objective = case.objective(name, weighted=weight is not None)
        members = np.stack([case.output, case.output[::-1], 0.5 * case.output, 0.01 + 0.9 * case.output])
        values = objective.value(members.reshape(2, 2, *case.output.shape), case.target, weight).ravel()
        alone = [objective.value(member, case.target, weight) for member in members]
    assert values[0] == pytest.approx(-expected, rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(values, alone, rtol=1e-12, atol=1e-12)


@each
def test_the_value_is_that_of_the_scorer(kind, name):
    numbers = {"strings": "binary", "named": "multiclass"}.get(kind)
    if numbers and find_metric(name, numbers) and scored(get_scorer(name), fitted_case(kind)) is None:
        # the scorer asks for numbers; of two classes the one that sorts last is then the positive one
        value = fitted_case(kind).objective(name).value(fitted_case(kind).output, fitted_case(kind).target, None)
        assert value == pytest.approx(-scored(get_scorer(name), fitted_case(numbers)), rel=1e-12)
    else:
        check_against_scikit_learn(fitted_case(kind), name, None)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "regression", "several"])
def test_the_weighted_value_is_that_of_the_scorer(kind):
    for name in get_scorer_names():
        check_against_scikit_learn(fitted_case(kind), name, WEIGHT)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "regression"])
def test_members_are_told_apart(kind):
    name = {"binary": "f1", "regression": "neg_max_error"}.get(kind, "f1_macro")
    for loss in (name, get_scorer(name)):
        values = (
            fitted_case(kind)
            .objective(loss)
            .value(np.stack([fitted_case(kind).output, fitted_case(kind).output[::-1]]), fitted_case(kind).target, None)
        )
        assert values[0] < values[1]  # the model is better than its answers in reverse


@pytest.mark.parametrize("kind", ["binary", "strings", "multiclass", "named", "multilabel", "regression"])
def test_a_scorer_of_ones_own_is_the_same_as_its_name(kind):
    name = {"binary": "f1_macro", "regression": "neg_median_absolute_error"}.get(kind, "f1_macro")
    case, scorer = fitted_case(kind), get_scorer(name)
    assert isinstance(case.objective(name), MetricObjective)
    for loss in (scorer, lambda estimator, X, y: scorer(estimator, X, y)):
        objective = case.objective(loss)
        assert isinstance(objective, ScorerObjective)
        members = np.stack([case.output, -case.output])
        expected = case.objective(name).value(members, case.target, None)
        np.testing.assert_allclose(objective.value(members, case.target, None), expected, rtol=1e-12)


def test_a_scorer_with_parameters():
    case = fitted_case("strings")
    objective = case.objective(make_scorer(fbeta_score, beta=2, pos_label="no"))
    expected = fbeta_score(case.y, case.model.predict(X), beta=2, pos_label="no")
    assert objective.value(case.output, case.target, None) == pytest.approx(-expected)


def test_a_scorer_sees_an_estimator_that_predicts_the_same():
    seen = []

    def scorer(estimator, X, y):
        seen.append((estimator.predict(X), getattr(estimator, "predict_proba", estimator.predict)(X), y))
        return 1.0

    for one in map(fitted_case, TARGETS):
        one.objective(scorer).value(one.output, one.target, None)
        labels, probabilities, y = seen[-1]
        predict = getattr(one.model, "predict_proba", one.model.predict)
        np.testing.assert_allclose(probabilities, predict(X), rtol=1e-12)
        if hasattr(one.model, "classes_"):
            np.testing.assert_array_equal(labels, one.model.predict(X))
            np.testing.assert_array_equal(y, one.y)
        else:
            np.testing.assert_allclose(y, one.y, rtol=1e-12)


def test_a_scorer_must_not_leave_rows_out():
    with pytest.raises(ValueError, match=r"loss .*all rows that it is given, 60, got 30"):
        fitted_case("binary").objective(lambda estimator, X, y: estimator.predict(X[::2]).mean())


# ---- the user's own functions ----


@pytest.mark.parametrize("kind", TARGETS)
def test_a_function_sees_targets_and_predictions_in_the_users_units(kind):
    case, seen = fitted_case(kind), []
    case.objective(lambda y_true, y_pred: seen.append((y_true, y_pred)) or 0.0)
    y_true, y_pred = seen[0]
    np.testing.assert_allclose(y_pred, getattr(case.model, "predict_proba", case.model.predict)(X), rtol=1e-12)
    if case.view.task == "regression":
        np.testing.assert_allclose(y_true, case.y, rtol=1e-12)
    else:
        np.testing.assert_array_equal(y_true, case.y)


def largest(y_true, y_pred):
    return absolute(y_true, y_pred).max()


def test_a_function_of_rows_is_a_loss_of_each_row():
    case = fitted_case("regression")
    objective = case.objective(absolute)
    assert isinstance(objective, RowFunction)
    members = RNG.normal(size=(2, 3, N, 1))
    expected = np.abs(members - case.target)[..., 0] * case.model._training.units.scale
    np.testing.assert_allclose(objective.values(members, case.target), expected, rtol=1e-10, atol=1e-12)
    rows = slice(3, 9)
    np.testing.assert_allclose(
        objective.values(members[:, :, rows], case.target[rows]), expected[:, :, rows], rtol=1e-10, atol=1e-12
    )
    exact = find_loss("absolute_error", "regression").make(LossOptions())
    credit, unit = objective.credit(case.output, case.target, 0.2), case.model._training.units.scale
    np.testing.assert_allclose(credit, exact.credit(case.output, case.target, 0.2) * unit, rtol=0, atol=1e-12)


def test_a_function_of_all_rows_is_a_number():
    case = fitted_case("regression")
    objective = case.objective(largest)
    assert isinstance(objective, FunctionObjective)
    members = RNG.normal(size=(2, 3, N, 1))
    expected = np.abs(members - case.target).max(axis=(-1, -2)) * case.model._training.units.scale
    np.testing.assert_allclose(objective.value(members, case.target, None), expected, rtol=1e-12)


def raising(y_true, y_pred):
    raise RuntimeError("out of order")


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda y_true, y_pred: np.zeros(7), r"one for each of 60 rows.*\(7,\)"),
        (lambda y_true, y_pred: np.zeros((60, 2)), r"one for each of 60 rows.*\(60, 2\)"),
        (lambda y_true, y_pred: np.nan, "must be finite for this y, got nan"),
        (lambda y_true, y_pred: np.inf, "must be finite for this y, got inf"),
        (lambda y_true, y_pred: np.where(np.arange(60) == 7, np.nan, 1.0), "must be finite for this y, got nan"),
        (lambda y_true, y_pred: None, "must return one number or one for each of 60 rows, got None"),
        (lambda y_true, y_pred: "low", "must return one number or one for each of 60 rows, got 'low'"),
        (lambda estimator, X, y: np.nan, "must be finite for this y, got nan"),
        (lambda estimator, X, y: None, "must return one number, got None"),
        (lambda estimator, X, y: np.ones(60), r"must return one number, got an array of shape \(60,\)"),
    ],
)
@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_a_callable_that_will_not_do_is_refused(kind, loss, message):
    with pytest.raises(ValueError, match=rf"(?s)loss=.*{message}"):
        fitted_case(kind).objective(loss)


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        (raising, RuntimeError, "^out of order$"),
        (lambda y_true: 0.0, TypeError, "argument"),
        (lambda estimator, X, y: estimator.coefs_, AttributeError, "coefs_"),
    ],
)
@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_what_a_users_function_raises_is_passed_on(kind, loss, error, message):
    with pytest.raises(error, match=message):
        fitted_case(kind).objective(loss)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (lambda y_true, y_pred: 0.0, False),
        (lambda y_true, y_pred, power=2: 0.0, False),
        (lambda estimator, X, y: 0.0, True),
        (lambda estimator, X, y, sample_weight=None: 0.0, True),
        (lambda *args: 0.0, False),
        (get_scorer("f1"), True),
        (make_scorer(f1_score), True),
        (f1_score, False),
        (np.hypot, False),
    ],
)
def test_scorers_are_told_from_losses_by_their_arguments(loss, expected):
    assert is_scorer(loss) is expected


# ---- names ----


def test_scorers_that_are_best_where_a_loss_is_least():
    def loss(kind, name):
        one = fitted_case(kind)
        view = one.view
        return find_loss(name, view.task).make(LossOptions()).values(one.output, one.target).mean()

    for kind in LABELLED:
        assert 1 - loss(kind, "accuracy") == pytest.approx(scored(get_scorer("accuracy"), fitted_case(kind)))
    for kind in ("binary", "multiclass", "strings", "named"):
        assert -loss(kind, "neg_log_loss") == pytest.approx(scored(get_scorer("neg_log_loss"), fitted_case(kind)))
    one = fitted_case("regression")
    unit, variance = one.model._training.units.scale, one.y.var()
    squares = 2 * loss("regression", "neg_mean_squared_error") * unit**2
    for name, value in {
        "neg_mean_absolute_error": -loss("regression", "neg_mean_absolute_error") * unit,
        "neg_mean_squared_error": -squares,
        "neg_root_mean_squared_error": -np.sqrt(squares),
        "r2": 1 - squares / variance,
    }.items():
        assert value == pytest.approx(scored(get_scorer(name), one), rel=1e-12), name
    assert find_loss("neg_mean_poisson_deviance", "regression").name == "poisson"
