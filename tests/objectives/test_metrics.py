"""Every population metric against scikit-learn's function, member by member."""

import warnings

import numpy as np
import pytest
import sklearn
from scipy.special import softmax
from sklearn.metrics import d2_pinball_score, get_scorer, get_scorer_names

from skdopamine._objectives.metrics import _METRICS, d2_pinball_metric, find_metric

N, MEMBERS = 50, (2, 2)
RNG = np.random.default_rng(0)
CASES = [pytest.param(task, name, id=f"{task}-{name}") for task, name in _METRICS]
WEIGHTS = {
    "none": None,
    "random": RNG.random(N),
    "integers": RNG.integers(0, 3, N) * (np.arange(N) < N // 2),  # in sorted targets, 0 for whole classes
}


def classes(target, n_classes):
    """Predicted classes: all the first one, all the last one, half right, all right."""
    half = np.where(RNG.random(N) < 0.5, target, RNG.integers(0, n_classes, N))
    members = [np.zeros(N, int), np.full(N, n_classes - 1), half, target]
    return np.reshape(members, (*MEMBERS, N))


def scores(target):
    """Scores: all equal, perfect, with ties, all different."""
    noise = RNG.normal(size=target.shape)
    different = RNG.permutation(target.size).reshape(target.shape)
    members = [np.full(target.shape, 0.5), target, np.round(target + noise, 1), different / 2]
    return np.reshape(members, (*MEMBERS, *target.shape))


def probabilities(n_classes):
    """Probabilities with ties, some of them 0 and 1; of the first member all equal."""
    counts = RNG.integers(0, 4, (*MEMBERS, N, n_classes)).astype(float)
    counts[..., 0] += counts.sum(axis=-1) == 0
    counts[0, 0] = 1
    return counts / counts.sum(axis=-1, keepdims=True)


def values(target):
    """Predicted values: constant, perfect, positive with ties, of either sign."""
    noise = RNG.normal(size=target.shape)
    either = target - noise
    either.flat[0] = -1  # where log1p is not finite
    members = [np.full(target.shape, 0.3), target, np.round(np.abs(target + noise), 1) + 0.1, either]
    return np.reshape(members, (*MEMBERS, *target.shape))


def classification(target, n_classes):
    """Targets of one kind with a prediction for each response."""
    return target, {
        "labels": classes(target, n_classes),
        "score": scores(target),
        "probability": probabilities(n_classes),
    }


def multilabel(target):
    """Labels: none, all, most right, all right; and scores."""
    most = np.where(RNG.random(target.shape) < 0.7, target, 1 - target)
    labels = np.reshape([np.zeros_like(target), np.ones_like(target), most, target], (*MEMBERS, *target.shape))
    return target, {"labels": labels, "score": scores(target)}


def regression(target):
    return target, {"value": values(target)}


def indices(*shares):
    """Class indices in these shares, in random order."""
    return RNG.permutation(np.repeat(np.arange(len(shares)), np.rint(np.array(shares) * N).astype(int)))


LABELS = (RNG.random((N, 3)) < [0.5, 0.2, 0.4]).astype(int)
DATA = {  # weights are tried on the first two of each
    "binary": [
        classification(indices(0.8, 0.2), 2),
        classification(np.sort(indices(0.5, 0.5)), 2),
        classification(np.zeros(N, int), 2),
        classification(np.ones(N, int), 2),
    ],
    "multiclass": [
        classification(np.sort(indices(0.6, 0.3, 0.1)), 3),
        classification(indices(0.6, 0, 0.4, 0), 4),  # a class that only predictions have, or nothing has
        classification(indices(0.6, 0.2, 0.1, 0.1), 4),
    ],
    "multilabel": [multilabel(LABELS), multilabel(LABELS * [1, 0, 1]), multilabel(np.zeros((N, 3), int))],
    "regression": [
        regression(RNG.poisson(2.0, N) + 0.5),
        regression(np.column_stack([np.full(N, 0.1), RNG.random(N)])),
        regression(RNG.normal(size=(N, 3))),
        regression(RNG.poisson(1.0, N).astype(float)),
        regression(np.r_[-1.0, RNG.random(N - 1)]),
        regression(np.full(N, 0.1)),
    ],
}


def reference(function, target, predicted, weight, **kwargs):
    """Scikit-learn's value without its warnings, nan where it raises."""
    if weight is not None:
        kwargs["sample_weight"] = weight
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function(target, predicted, **kwargs)
        except (ValueError, IndexError):
            return np.nan


def references(name, task, response, target, predicted, weight):
    """The scorer's value of each member."""
    scorer = get_scorer(name)
    if task == "binary" and response == "probability":
        predicted = predicted[..., 1]  # as a scorer hands it over
    flat = predicted.reshape(-1, *predicted.shape[len(MEMBERS) :])
    found = [scorer._sign * reference(scorer._score_func, target, one, weight, **scorer._kwargs) for one in flat]
    return np.reshape(found, MEMBERS)


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize(("task", "name"), CASES)
def test_each_member_has_the_value_of_scikit_learn(task, name, kind):
    metric, weight = find_metric(name, task), WEIGHTS[kind]
    if weight is not None and not metric.weighted:
        pytest.skip("takes no weights")
    for target, responses in DATA[task] if weight is None else DATA[task][:2]:
        predicted = responses[metric.response]
        expected = references(name, task, metric.response, target, predicted, weight)
        actual = metric.function(target, predicted, weight)
        assert actual.shape == MEMBERS and actual.dtype == np.float64
        np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("task", "name"), CASES)
def test_a_member_does_not_depend_on_the_others(task, name):
    metric = find_metric(name, task)
    target, responses = DATA[task][0]
    predicted = responses[metric.response]
    together = metric.function(target, predicted, None)
    np.testing.assert_allclose(metric.function(target, predicted[1], None), together[1], rtol=1e-14)
    alone = metric.function(target, predicted[1, 0], None)
    assert np.shape(alone) == ()
    np.testing.assert_allclose(alone, together[1, 0], rtol=1e-14)


@pytest.mark.parametrize(("task", "name"), CASES)
def test_inputs_stay_as_they_are(task, name):
    metric = find_metric(name, task)
    for target, responses in DATA[task]:
        arrays = [target, responses[metric.response], WEIGHTS["random"] if metric.weighted else None]
        copies = [None if array is None else array.copy() for array in arrays]
        metric.function(*arrays)
        for array, copy in zip(arrays, copies, strict=True):
            np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(("task", "name"), CASES)
def test_predictions_that_are_not_finite_give_nan(task, name):
    metric = find_metric(name, task)
    target, responses = DATA[task][0]
    if metric.response == "labels":
        pytest.skip("integers")
    predicted = responses[metric.response].copy()
    expected = metric.function(target, predicted, None)
    bad = [np.nan, np.inf] if metric.response in ("score", "value") else [np.nan]
    for value in bad:
        predicted[1, 1, 7] = value
        expected[1, 1] = np.nan
        np.testing.assert_array_equal(metric.function(target, predicted, None), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_log_loss_clips_as_scikit_learn_does(task, dtype):
    n_classes = {"binary": 2, "multiclass": 3}[task]
    target = np.arange(N) % n_classes
    predicted = softmax(20 * RNG.normal(size=(*MEMBERS, N, n_classes)), axis=-1).astype(dtype)
    expected = references("neg_log_loss", task, "probability", target, predicted, None)
    actual = find_metric("neg_log_loss", task).function(target, predicted, None)
    np.testing.assert_allclose(actual, expected, rtol=1e-5 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.73])
def test_d2_pinball(alpha, kind):
    weight = WEIGHTS[kind]
    if alpha != 0.5 and weight is None and sklearn.__version__ < "1.9":
        pytest.skip("this scikit-learn interpolates the target's quantile")
    for target, responses in DATA["regression"]:
        predicted = responses["value"]
        flat = predicted.reshape(-1, *target.shape)
        expected = [reference(d2_pinball_score, target, one, weight, alpha=alpha) for one in flat]
        actual = d2_pinball_metric(alpha).function(target, predicted, weight)
        np.testing.assert_allclose(actual, np.reshape(expected, MEMBERS), rtol=1e-12, atol=1e-12)


def test_a_single_row():
    for task in DATA:
        target, responses = DATA[task][0]
        for name in (name for other, name in _METRICS if other == task):
            metric = find_metric(name, task)
            predicted = responses[metric.response][:, :, :1]
            expected = references(name, task, metric.response, target[:1], predicted, None)
            actual = metric.function(target[:1], predicted, None)
            np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12, err_msg=f"{task} {name}")


def test_names():
    assert {name for _, name in _METRICS} <= set(get_scorer_names())
    for name, task in [("f1", "multiclass"), ("f1", "multilabel"), ("r2", "binary"), ("rand_score", "binary")]:
        assert find_metric(name, task) is None
    assert find_metric("roc_auc", "multiclass") is None  # scikit-learn raises
