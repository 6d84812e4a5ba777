"""Scorers, metrics and callables as objectives: the number that scikit-learn would give, for every member."""

import warnings

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, fbeta_score, get_scorer, get_scorer_names, make_scorer

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor
from skdopamine._mlp import network as _network
from skdopamine._mlp.activations import ACTIVATIONS
from skdopamine._mlp.network import Network
from skdopamine._objectives.base import SetObjective
from skdopamine._objectives.losses import wrong_class, wrong_labels
from skdopamine._objectives.metrics import find_metric
from skdopamine._objectives.registry import CLASSIFICATION, TASKS, LossOptions, check_loss, find_loss, losses, serves
from skdopamine._objectives.scorers import (
    FunctionObjective,
    MetricObjective,
    RowFunction,
    ScorerObjective,
    is_scorer,
    make_objective,
)
from skdopamine._objectives.thresholds import best_shift

N = 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 3))
SCORES = X @ np.linalg.qr(RNG.normal(size=(3, 3)))[0] + 0.3 * RNG.normal(size=(N, 3))
WEIGHT = RNG.uniform(0.5, 2.0, N)
TARGETS = {
    "binary": (SCORES[:, 0] > 0.5).astype(int),
    "reversed": 2 - (SCORES[:, 0] > 0.5),  # 1 and 2: to scikit-learn's scorers 1 is the positive class
    "strings": np.array(["no", "yes"])[(SCORES[:, 0] > 0.5).astype(int)],
    "multiclass": SCORES.argmax(axis=1),
    "named": np.array(["a", "b", "c"])[SCORES.argmax(axis=1)],
    "multilabel": (SCORES > 0.3).astype(int),
    "regression": np.exp(0.3 * SCORES[:, 0]),
    "several": np.exp(0.3 * SCORES[:, :2]),
}
LABELLED = [kind for kind in TARGETS if kind not in ("regression", "several")]
CASES = [(kind, name) for kind in TARGETS for name in get_scorer_names()]
each = pytest.mark.parametrize(("kind", "name"), CASES, ids=[f"{kind}-{name}" for kind, name in CASES])


class Case:
    """A fitted estimator, and its targets and outputs as training sees them."""

    def __init__(self, kind):
        cls = DopamineMLPClassifier if kind in LABELLED else DopamineMLPRegressor
        self.y = TARGETS[kind]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.model = cls((4,), max_iter=10, batch_size=10, random_state=0).fit(X, self.y)
        self.view = self.model._view(self.model._training.units)
        network = Network(self.model._training.layers, (ACTIVATIONS["relu"],))
        self.output = _network.forward(network, self.model._training.state.params, X)
        target = self.model._encode(self.y, fresh=False).astype(float)
        if self.view.task == "regression":
            target = self.model._training.units.scaled(target)
        self.target = target

    def objective(self, loss, *, weighted=False):
        return make_objective(loss, self.view, weighted=weighted, whole=True, output=self.output, target=self.target)


@pytest.fixture(scope="module")
def case():
    """Kind of target -> its case."""
    return {kind: Case(kind) for kind in TARGETS}


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
def test_the_value_is_that_of_the_scorer(case, kind, name):
    numbers = {"strings": "binary", "named": "multiclass"}.get(kind)
    if numbers and find_metric(name, numbers) and scored(get_scorer(name), case[kind]) is None:
        # the scorer asks for numbers; of two classes the one that sorts last is then the positive one
        value = case[kind].objective(name).value(case[kind].output, case[kind].target, None)
        assert value == pytest.approx(-scored(get_scorer(name), case[numbers]), rel=1e-12)
    else:
        check_against_scikit_learn(case[kind], name, None)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "regression", "several"])
def test_the_weighted_value_is_that_of_the_scorer(case, kind):
    for name in get_scorer_names():
        check_against_scikit_learn(case[kind], name, WEIGHT)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "regression"])
def test_members_are_told_apart(case, kind):
    name = {"binary": "f1", "regression": "neg_max_error"}.get(kind, "f1_macro")
    for loss in (name, get_scorer(name)):
        values = (
            case[kind]
            .objective(loss)
            .value(np.stack([case[kind].output, case[kind].output[::-1]]), case[kind].target, None)
        )
        assert values[0] < values[1]  # the model is better than its answers in reverse


@pytest.mark.parametrize("kind", ["binary", "strings", "multiclass", "named", "multilabel", "regression"])
def test_a_scorer_of_ones_own_is_the_same_as_its_name(case, kind):
    name = {"binary": "f1_macro", "regression": "neg_median_absolute_error"}.get(kind, "f1_macro")
    case, scorer = case[kind], get_scorer(name)
    assert isinstance(case.objective(name), MetricObjective)
    for loss in (scorer, lambda estimator, X, y: scorer(estimator, X, y)):
        objective = case.objective(loss)
        assert isinstance(objective, ScorerObjective)
        members = np.stack([case.output, -case.output])
        expected = case.objective(name).value(members, case.target, None)
        np.testing.assert_allclose(objective.value(members, case.target, None), expected, rtol=1e-12)


def test_a_scorer_with_parameters(case):
    objective = case["strings"].objective(make_scorer(fbeta_score, beta=2, pos_label="no"))
    expected = fbeta_score(case["strings"].y, case["strings"].model.predict(X), beta=2, pos_label="no")
    assert objective.value(case["strings"].output, case["strings"].target, None) == pytest.approx(-expected)


def test_a_scorer_sees_an_estimator_that_predicts_the_same(case):
    seen = []

    def scorer(estimator, X, y):
        seen.append((estimator.predict(X), getattr(estimator, "predict_proba", estimator.predict)(X), y))
        return 1.0

    for one in case.values():
        one.objective(scorer).value(one.output, one.target, None)
        labels, probabilities, y = seen[-1]
        predict = getattr(one.model, "predict_proba", one.model.predict)
        np.testing.assert_allclose(probabilities, predict(X), rtol=1e-12)
        if hasattr(one.model, "classes_"):
            np.testing.assert_array_equal(labels, one.model.predict(X))
            np.testing.assert_array_equal(y, one.y)
        else:
            np.testing.assert_allclose(y, one.y, rtol=1e-12)


def test_a_scorer_must_not_leave_rows_out(case):
    with pytest.raises(ValueError, match=r"(?s)loss=.*all rows that it is given, 60, got 30"):
        case["binary"].objective(lambda estimator, X, y: estimator.predict(X[::2]).mean())


# ---- the user's own functions ----


@pytest.mark.parametrize("kind", TARGETS)
def test_a_function_sees_targets_and_predictions_in_the_users_units(case, kind):
    case, seen = case[kind], []
    case.objective(lambda y_true, y_pred: seen.append((y_true, y_pred)) or 0.0)
    y_true, y_pred = seen[0]
    np.testing.assert_allclose(y_pred, getattr(case.model, "predict_proba", case.model.predict)(X), rtol=1e-12)
    if case.view.task == "regression":
        np.testing.assert_allclose(y_true, case.y, rtol=1e-12)
    else:
        np.testing.assert_array_equal(y_true, case.y)


def absolute(y_true, y_pred):
    return np.abs(y_true - y_pred)


def largest(y_true, y_pred):
    return absolute(y_true, y_pred).max()


def test_a_function_of_rows_is_a_loss_of_each_row(case):
    case = case["regression"]
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


def test_a_function_of_all_rows_is_a_number(case):
    case = case["regression"]
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
        (lambda y_true, y_pred: None, "cannot be computed"),
        (lambda y_true, y_pred: "low", "cannot be computed.*low"),
        (lambda y_true: 0.0, "cannot be computed.*argument"),
        (raising, "loss=<function raising.*out of order"),
        (lambda estimator, X, y: np.nan, "must be finite for this y, got nan"),
        (lambda estimator, X, y: estimator.coefs_, "cannot be computed.*coefs_"),
    ],
)
@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_a_callable_that_will_not_do_is_refused(case, kind, loss, message):
    with pytest.raises(ValueError, match=rf"(?s)loss=.*{message}|{message}"):
        case[kind].objective(loss)


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


def test_scorers_that_are_best_where_a_loss_is_least(case):
    def loss(kind, name):
        one = case[kind]
        view = one.view
        return find_loss(name, view.task).make(LossOptions()).values(one.output, one.target).mean()

    for kind in LABELLED:
        assert 1 - loss(kind, "accuracy") == pytest.approx(scored(get_scorer("accuracy"), case[kind]))
    for kind in ("binary", "multiclass", "strings", "named"):
        assert -loss(kind, "neg_log_loss") == pytest.approx(scored(get_scorer("neg_log_loss"), case[kind]))
    one = case["regression"]
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


@pytest.mark.parametrize("task", TASKS)
def test_names_are_checked(task):
    names = [entry.name for entry in losses(task)]
    for name in [*names, *get_scorer_names(), absolute, get_scorer("f1")]:
        check_loss(name, task)
        if not isinstance(name, str):
            assert find_loss(name, task) is None
    wrong = "hinge" if task == "regression" else "huber"
    for name in ("no_such_loss", wrong):
        with pytest.raises(ValueError, match=rf"loss must be one of .*{names[0]}.*got '{name}'"):
            check_loss(name, task)


@pytest.mark.parametrize(
    ("loss", "tasks"),
    [
        ("log_loss", {"binary", "multiclass", "multilabel"}),
        ("hinge", {"binary", "multiclass", "multilabel"}),
        ("f1", {"binary"}),
        ("f1_samples", {"multilabel"}),
        ("f1_macro", {"binary", "multiclass", "multilabel"}),
        ("balanced_accuracy", {"binary", "multiclass"}),
        ("roc_auc", {"binary", "multilabel"}),
        ("roc_auc_ovo", {"binary", "multiclass", "multilabel"}),
        ("rand_score", {"binary", "multiclass", "multilabel"}),  # unknown: scikit-learn has to say
        (absolute, {"binary", "multiclass", "multilabel"}),
    ],
)
def test_serves(loss, tasks):
    assert {task for task in CLASSIFICATION if serves(loss, task)} == tasks


# ---- thresholds ----


def exhaustive(name, y, output):
    """Best score over all thresholds."""
    hits = np.append(0, np.cumsum(y[np.argsort(-output)]))  # above each threshold
    false = np.arange(len(y) + 1) - hits
    if name == "f1":
        return np.max(2 * hits / (hits + false + y.sum()))
    return np.max((hits / y.sum() + 1 - false / (~y).sum()) / 2)


@pytest.mark.parametrize("n", [30, 1000])
@pytest.mark.parametrize("offset", [-3.0, 0.0, 2.0])
@pytest.mark.parametrize(("name", "score"), [("f1", f1_score), ("balanced_accuracy", balanced_accuracy_score)])
def test_best_shift_finds_the_best_threshold(case, name, score, offset, n):
    rng = np.random.default_rng(1)
    y = rng.random(n) < 0.15
    output = (rng.normal(size=n) + 1.5 * y + offset)[:, None]
    objective, target = case["binary"].objective(name), y[:, None].astype(float)
    shift = best_shift(objective, output, target, None)
    assert shift.shape == (1,)
    found = score(y, output[:, 0] > shift[0])
    assert exhaustive(name, y, output[:, 0]) - 0.01 < found < exhaustive(name, y, output[:, 0]) + 1e-12
    assert found >= score(y, output[:, 0] > 0)


def test_best_shift_suits_each_label_and_the_weights(case):
    y = RNG.random((300, 3)) < [0.1, 0.3, 0.6]
    output = RNG.normal(size=(300, 3)) + 1.5 * y + [-2, 0, 3]
    objective, target = case["multilabel"].objective("f1_macro"), y.astype(float)
    shift = best_shift(objective, output, target, None)
    for k in range(3):
        assert f1_score(y[:, k], output[:, k] > shift[k]) > exhaustive("f1", y[:, k], output[:, k]) - 0.01
    weight = RNG.choice([0.1, 3.0], 300)
    assert objective.value(output - best_shift(objective, output, target, weight), target, weight) <= objective.value(
        output - shift, target, weight
    )


class Flat(SetObjective):
    def value(self, output, target, weight):
        return np.zeros(output.shape[:-2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_best_shift_leaves_outputs_alone_where_nothing_is_gained(case, dtype):
    output = RNG.normal(size=(40, 1)).astype(dtype)
    for objective, target in [(Flat(), output), (case["binary"].objective("f1"), output > 0)]:
        shift = best_shift(objective, output, target.astype(dtype), None)
        assert shift.dtype == dtype
        np.testing.assert_array_equal(shift, 0)


def test_zero_one_wrongs_agree_with_the_views_labels(case):
    for kind, wrong in [("binary", wrong_labels), ("multiclass", wrong_class)]:
        one = case[kind]
        np.testing.assert_array_equal(
            wrong(one.output, one.target), one.view.labels(one.output) != one.view.numbers(one.target)
        )
