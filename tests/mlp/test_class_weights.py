"""Weights of classes and labels, in full fits and in streams; classes whose rows all weigh nothing."""

import re

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from skdopamine import DopamineMLPClassifier
from skdopamine._mlp.class_weights import row_factors

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

PERTURBATIONS = pytest.mark.parametrize("perturbation", ["node", "weight"])
SOME = {2: 3.0}  # names one class of three
LABEL_WEIGHTS = [{0: 1.0, 1: 4.0}, {1: 0.5}, {}]


@pytest.mark.parametrize(
    ("given", "y"),
    [
        ({"b": 2.0}, np.array(list("abcab"))),
        ({0: 2.0, 1: 0.5, 2: 3}, np.array([2, 0, 1, 1])),
        ({True: 2.0}, np.array([False, True, True])),
        ({-1.0: 2.0}, np.array([1.0, -1.0])),
        ("balanced", np.array(list("abcabb"))),
        ([{0: 1.0, 1: 4.0}, {1: 0.5}], np.array([[1, 0], [0, 1], [1, 1]])),
        ("balanced", np.array([[1, 0], [0, 1], [1, 1]])),
    ],
)
def test_factors_are_those_of_scikit_learn_where_all_classes_are_there(given, y):
    classes, numbers = np.unique(y, return_inverse=True) if y.ndim == 1 else (np.arange(2), y)
    np.testing.assert_allclose(row_factors(given, numbers, classes, None), compute_sample_weight(given, y), rtol=1e-12)


def test_factors_do_not_depend_on_which_classes_a_batch_has():
    np.testing.assert_array_equal(row_factors(SOME, np.array([0, 1, 0]), np.arange(3), None), [1, 1, 1])
    np.testing.assert_array_equal(row_factors(SOME, np.array([2, 2]), np.arange(3), None), [3, 3])
    np.testing.assert_array_equal(row_factors({"1": 5.0}, np.array([0, 1]), np.array(["0", "1"]), None), [1, 5])
    labels = np.array([[1, 0, 0], [1, 0, 1]])  # two columns have one value only
    np.testing.assert_array_equal(row_factors(LABEL_WEIGHTS, labels, np.arange(3), None), [4, 4])


@PERTURBATIONS
@pytest.mark.parametrize("loss", ["log_loss", "f1_macro"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_dict_that_names_some_classes(make_task, assert_same_model, loss, early_stopping, perturbation):
    make, X, y = make_task("multiclass")
    params = {"loss": loss, "early_stopping": early_stopping, "perturbation": perturbation, "max_iter": 5}
    weighted = make(class_weight=SOME, **params).fit(X, y)
    by_hand = make(**params).fit(X, y, sample_weight=np.where(y == 2, 3.0, 1.0))
    assert_same_model(weighted, by_hand)


@PERTURBATIONS
@pytest.mark.parametrize("kind", ["multiclass", "strings"])
def test_a_stream_whose_batches_lack_the_class_that_is_named(make_task, assert_same_model, kind, perturbation):
    make, X, y = make_task(kind)
    classes = np.unique(y)
    weighted, by_hand = (
        make(class_weight={classes[-1]: 3.0}, perturbation=perturbation),
        make(perturbation=perturbation),
    )
    for rows in (y != classes[-1], y == classes[-1], y != classes[0]):
        weighted.partial_fit(X[rows], y[rows], classes=classes)
        by_hand.partial_fit(X[rows], y[rows], classes, np.where(y[rows] == classes[-1], 3.0, 1.0))
    assert_same_model(weighted, by_hand)


@PERTURBATIONS
@pytest.mark.parametrize("early_stopping", [False, True])
def test_labels_have_a_list_of_dicts(make_task, assert_same_model, early_stopping, perturbation):
    make, X, y = make_task("multilabel")
    expected = np.where(y[:, 0] == 1, 4.0, 1.0) * np.where(y[:, 1] == 1, 0.5, 1.0)
    given = np.random.default_rng(0).integers(0, 3, len(X)).astype(float)
    params = {"early_stopping": early_stopping, "perturbation": perturbation, "max_iter": 5}
    weighted = make(class_weight=LABEL_WEIGHTS, **params).fit(X, y, sample_weight=given)
    assert_same_model(weighted, make(**params).fit(X, y, sample_weight=given * expected))
    weighted, by_hand = make(class_weight=LABEL_WEIGHTS, **params), make(**params)
    for rows in (y[:, 0] == 0, y[:, 1] == 1):  # no row has the first label; all have the second
        weighted.partial_fit(X[rows], y[rows])
        by_hand.partial_fit(X[rows], y[rows], sample_weight=expected[rows])
    assert_same_model(weighted, by_hand)


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (
            "multilabel",
            {1: 2.0},
            "class_weight must be a list of 3 dicts, one for each label of y, or 'balanced', got {1",
        ),
        (
            "multilabel",
            [{1: 2.0}],
            "class_weight must be a list of 3 dicts, one for each label of y, or 'balanced', got [",
        ),
        ("multilabel", [{1: 2.0}, "balanced", {}], "class_weight must be a list of 3 dicts"),
        ("multilabel", [{1: 2.0}, {2: 1.0}, {}], "class_weight has classes [2] that are not among those of y, [0, 1]"),
        ("multiclass", [{0: 1.0}] * 3, "class_weight must be a dict or 'balanced' for this y, got [{0"),
        ("multiclass", {0: 1.0, 7: 2.0}, "class_weight has classes [7] that are not among those of y, [0, 1, 2]"),
        ("multiclass", {0: 0}, "class_weight must be above zero for each class, got {0: 0}"),
        ("multiclass", {0: -1.0}, "class_weight must be above zero for each class, got {0: -1.0}"),
        ("multiclass", {0: np.nan}, "class_weight must be above zero for each class, got {0: nan}"),
        ("multiclass", {0: "heavy"}, "class_weight must be above zero for each class, got {0: 'heavy'}"),
        ("multiclass", {0: np.inf}, "class_weight must be finite for each class, got {0: inf}"),
        ("multilabel", [{}, {1: 0.0}, {}], "class_weight must be above zero for each class, got {1: 0.0}"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_bad_weights(make_task, kind, given, message, method):
    make, X, y = make_task(kind)
    with pytest.raises(ValueError, match=re.escape(message)):
        getattr(make(class_weight=given), method)(
            X, y, **({"classes": np.arange(3)} if method == "partial_fit" else {})
        )


def test_a_dict_may_name_classes_that_are_not_in_y(make_task, assert_same_model):
    make, X, y = make_task("binary")  # as in a fold that lacks a class
    assert_same_model(make(class_weight={0: 1, 1: 2, 2: 9}).fit(X, y), make(class_weight={1: 2}).fit(X, y))


@PERTURBATIONS
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 2.0}])
@pytest.mark.parametrize("kept", [[0, 1], [1, 2], [2]])
def test_a_class_whose_rows_weigh_nothing_stays(make_task, kept, class_weight, early_stopping, perturbation):
    make, X, y = make_task("multiclass")
    params = {"class_weight": class_weight, "early_stopping": early_stopping, "perturbation": perturbation}
    weight = np.isin(y, kept).astype(float)
    model = make(**params, max_iter=60, batch_size=20).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    proba = model.predict_proba(X)
    assert proba.shape == (len(X), 3)
    rows = weight > 0
    assert proba[np.ix_(rows, np.setdiff1d([0, 1, 2], kept))].mean() < proba[np.ix_(rows, kept)].mean()
    assert model.score(X[rows], y[rows]) > 0.7


def test_a_class_that_weighs_nothing_counts_in_a_warm_start_and_for_a_metric():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 3)), np.arange(60) % 3
    weight = (y < 2).astype(float)
    model = DopamineMLPClassifier((4,), warm_start=True, max_iter=3, random_state=0).fit(X, y)
    assert len(model.fit(X, y, sample_weight=weight).loss_curve_) == 6
    with pytest.raises(ValueError, match="loss='roc_auc_ovr' must be finite for this y"):
        DopamineMLPClassifier((4,), loss="roc_auc_ovr").fit(X, y, sample_weight=weight)
    assert DopamineMLPClassifier((4,), loss="f1_macro").fit(X, y, sample_weight=weight).classes_.tolist() == [0, 1, 2]
