"""Which rows early stopping holds back: of each class its share, and always something to train on."""

from collections import Counter

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from skdopamine import DopamineMLPClassifier
from skdopamine._mlp.held_back import hold_back

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SINGLE = np.repeat(["a", "b", "c"], [30, 19, 1])  # one class has one row
MANY = np.tile(np.arange(100), 5)  # more classes than rows to hold back
BOTH = np.append(np.repeat(np.arange(20), 4), [20, 21])


def _assert_split(training, held, n_rows, n_held):
    assert len(held) == n_held
    np.testing.assert_array_equal(np.sort(np.append(training, held)), np.arange(n_rows))


@pytest.mark.parametrize("labels", [None, np.arange(50) % 3 > 0, np.repeat(["x", "y"], [46, 4])])
@pytest.mark.parametrize("fraction", [0.1, 0.33])
def test_is_the_split_of_scikit_learn_where_that_can_be_had(labels, fraction):
    ours = hold_back(labels, 50, fraction, seed=3)
    theirs = train_test_split(np.arange(50), test_size=fraction, random_state=3, stratify=labels)
    for our, their in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(our, their)


@pytest.mark.parametrize("seed", range(5))
def test_the_only_row_of_a_class_is_trained_on_and_the_others_are_shared_out(seed):
    training, held = hold_back(SINGLE, 50, 0.2, seed)
    _assert_split(training, held, 50, 10)
    assert Counter(SINGLE[held]) == {"a": 6, "b": 4}  # in proportion of 30 : 19
    assert 49 in training


@pytest.mark.parametrize("labels", [MANY, BOTH])
def test_each_of_too_many_classes_has_a_row_to_train_on(labels):
    n, held_rows = len(labels), set()
    for seed in range(20):
        training, held = hold_back(labels, n, 0.1, seed)
        _assert_split(training, held, n, -(-n // 10))
        assert set(labels[training]) == set(labels)
        held_rows |= set(held)
    assert len(held_rows) > 0.8 * n - 2  # any row of a class with more than one may be held back
    again = hold_back(labels, n, 0.1, seed=0)
    for one, other in zip(again, hold_back(labels, n, 0.1, seed=0), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("labels", "n_rows", "fraction", "message"),
    [
        (None, 10, 0.1, "The validation set is too small, of 1 row"),
        (np.arange(10) % 2, 10, 0.1, "The validation set is too small, of 1 row"),
        (np.arange(20), 20, 0.1, "18 rows are left to train on, which are fewer than the 20 classes"),
        (np.arange(20) % 2, 20, 0.999, "0 rows are left to train on, which are fewer than the 2 classes"),
        (None, 20, 0.999, "train set will be empty|test_size=20"),
    ],
)
def test_what_cannot_be_split(labels, n_rows, fraction, message):
    with pytest.raises(ValueError, match=message):
        hold_back(labels, n_rows, fraction, seed=0)


@pytest.mark.parametrize("perturbation", ["node", "weight"])
@pytest.mark.parametrize("loss", ["log_loss", "hinge", "f1_macro", lambda y_true, y_pred: 1 - y_pred.max(axis=1)])
@pytest.mark.parametrize("labels", [SINGLE, MANY, BOTH])
def test_early_stopping_takes_classes_of_few_rows(labels, loss, perturbation):
    names, classes = np.unique(labels, return_inverse=True)
    X = np.random.default_rng(0).standard_normal((len(names), 4))[classes]
    params = {"loss": loss, "perturbation": perturbation, "n_perturbations": 2, "max_iter": 3, "random_state": 0}
    model = DopamineMLPClassifier((8,), early_stopping=True, **params).fit(X, labels)
    np.testing.assert_array_equal(model.classes_, names)
    assert np.isfinite(model.validation_scores_).all()
    assert model.t_ == len(model.loss_curve_) * (len(X) - -(-len(X) // 10)) or loss == "f1_macro"


@pytest.mark.slow
def test_as_accurate_as_without_on_many_classes():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 20))[MANY] + 0.1 * rng.standard_normal((500, 20))
    plain, stopping = (
        DopamineMLPClassifier(random_state=0, early_stopping=stop).fit(X, MANY).score(X, MANY) for stop in (False, True)
    )
    assert plain > 0.95
    assert stopping > plain - 0.05


@pytest.mark.parametrize("cls", ["classifier", "regressor"])
def test_the_validation_set_has_two_rows(make_task, cls):
    make, X, y = make_task("binary" if cls == "classifier" else "regression")
    rows = np.argsort(y)[[0, 1, 2, -3, -2, -1]]
    with pytest.raises(ValueError, match=r"validation_fraction=0\.1 of 6 rows .*The validation set is too small"):
        make(early_stopping=True).fit(X[rows], y[rows])
    assert make(early_stopping=True, validation_fraction=0.3).fit(X[rows], y[rows]).validation_scores_
