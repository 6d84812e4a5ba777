"""Targets and outputs as a user sees them."""

from functools import partial

import numpy as np
import pytest
from fitted_cases import TARGETS, X, fitted_case
from scipy.special import expit, softmax

from skdopamine._objectives.losses import wrong_class, wrong_labels
from skdopamine._objectives.tasks import View

OUTPUT = np.random.default_rng(0).normal(size=(2, 7, 3))  # (members, n, outputs)
NAMES = np.array(["a", "b", "c"])
BINARY = View("binary", NAMES[:2], expit)
MULTICLASS = View("multiclass", NAMES, partial(softmax, axis=-1))
MULTILABEL = View("multilabel", np.arange(3), expit)
REGRESSION = View("regression", None, lambda output: 10 * output + 1)


def test_labels_are_those_of_the_largest_probability():
    for view, output in [(BINARY, OUTPUT[..., :1]), (MULTICLASS, OUTPUT)]:
        np.testing.assert_array_equal(view.labels(output), view.probabilities(output).argmax(axis=-1))
    np.testing.assert_array_equal(MULTILABEL.labels(OUTPUT), MULTILABEL.probabilities(OUTPUT) > 0.5)


def test_probabilities_of_classes_sum_to_one():
    for view, output in [(BINARY, OUTPUT[..., :1]), (MULTICLASS, OUTPUT)]:
        probability = view.probabilities(output.astype(np.float32))
        assert probability.shape == (2, 7, len(view.classes))
        assert probability.dtype == np.float64
        np.testing.assert_allclose(probability.sum(axis=-1), 1, rtol=1e-12)
    np.testing.assert_allclose(BINARY.probabilities(OUTPUT[..., :1])[..., 1], expit(OUTPUT[..., 0]))


def test_values_are_in_the_users_units_and_one_column_has_no_axis():
    np.testing.assert_allclose(REGRESSION.values(OUTPUT), 10 * OUTPUT + 1)
    np.testing.assert_allclose(REGRESSION.values(OUTPUT[..., :1]), 10 * OUTPUT[..., 0] + 1)
    np.testing.assert_allclose(REGRESSION.numbers(OUTPUT[0]), 10 * OUTPUT[0] + 1)
    np.testing.assert_allclose(REGRESSION.truth(OUTPUT[0, :, :1]), 10 * OUTPUT[0, :, 0] + 1)


@pytest.mark.parametrize("view", [BINARY, MULTICLASS, MULTILABEL], ids=lambda view: view.task)
def test_a_metric_sees_the_response_of_its_kind(view):
    output = OUTPUT[..., :1] if view is BINARY else OUTPUT
    for kind, expected in [("labels", view.labels(output)), ("probability", view.probabilities(output))]:
        np.testing.assert_array_equal(view.response(kind, output), expected)
    np.testing.assert_array_equal(view.response("score", output), output[..., 0] if view is BINARY else output)


def test_perfect_outputs_have_the_labels_of_their_targets():
    target = np.eye(3)[[2, 0, 1, 1]]
    for view, one in [(BINARY, target[:, :1]), (MULTICLASS, target), (MULTILABEL, target)]:
        np.testing.assert_array_equal(view.labels(2 * one - 1), view.numbers(one))
    assert MULTICLASS.truth(target).tolist() == ["c", "a", "b", "b"]
    assert BINARY.truth(target[:, :1]).tolist() == ["a", "b", "a", "a"]
    np.testing.assert_array_equal(MULTILABEL.truth(target), target)


@pytest.mark.parametrize("kind", TARGETS)
def test_the_view_of_an_estimator_is_what_it_predicts_and_was_given(kind):
    case = fitted_case(kind)
    if case.view.task == "regression":
        np.testing.assert_allclose(case.view.values(case.output), case.model.predict(X), rtol=1e-12)
        np.testing.assert_allclose(case.view.truth(case.target), case.y, rtol=1e-12)
    else:
        np.testing.assert_allclose(case.view.probabilities(case.output), case.model.predict_proba(X), rtol=1e-12)
        np.testing.assert_array_equal(case.view.truth(case.target), case.y)


def test_zero_one_wrongs_agree_with_the_views_labels():
    for kind, wrong in [("binary", wrong_labels), ("multiclass", wrong_class)]:
        one = fitted_case(kind)
        np.testing.assert_array_equal(
            wrong(one.output, one.target), one.view.labels(one.output) != one.view.numbers(one.target)
        )


def test_rows_are_right_by_their_class_or_by_a_share_of_their_labels():
    output = np.array([[[1.0, -1.0], [-1.0, -2.0]]])  # of one network
    target = np.array([[[1.0, 1.0], [1.0, 0.0]]])
    views = [View(task, np.arange(2), lambda values: values) for task in ("multilabel", "multiclass", "binary")]
    np.testing.assert_array_equal(views[0].right(output, target), [[0.5, 0.5]])
    np.testing.assert_array_equal(views[1].right(output, np.eye(2)[[[0, 1]]]), [[1, 0]])
    np.testing.assert_array_equal(views[2].right(output[..., :1], target[..., :1]), [[1, 0]])
