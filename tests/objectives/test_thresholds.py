"""Decision thresholds: the best of all, for each label, and none where nothing is gained."""

import numpy as np
import pytest
from fitted_cases import fitted_case
from sklearn.metrics import balanced_accuracy_score, f1_score

from skdopamine._objectives.base import SetObjective
from skdopamine._objectives.thresholds import best_shift

RNG = np.random.default_rng(0)


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
def test_best_shift_finds_the_best_threshold(name, score, offset, n):
    rng = np.random.default_rng(1)
    y = rng.random(n) < 0.15
    output = (rng.normal(size=n) + 1.5 * y + offset)[:, None]
    objective, target = fitted_case("binary").objective(name), y[:, None].astype(float)
    shift = best_shift(objective, output, target, None)
    assert shift.shape == (1,)
    found = score(y, output[:, 0] > shift[0])
    assert exhaustive(name, y, output[:, 0]) - 0.01 < found < exhaustive(name, y, output[:, 0]) + 1e-12
    assert found >= score(y, output[:, 0] > 0)


def test_best_shift_suits_each_label_and_the_weights():
    y = RNG.random((300, 3)) < [0.1, 0.3, 0.6]
    output = RNG.normal(size=(300, 3)) + 1.5 * y + [-2, 0, 3]
    objective, target = fitted_case("multilabel").objective("f1_macro"), y.astype(float)
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
def test_best_shift_leaves_outputs_alone_where_nothing_is_gained(dtype):
    output = RNG.normal(size=(40, 1)).astype(dtype)
    for objective, target in [(Flat(), output), (fitted_case("binary").objective("f1"), output > 0)]:
        shift = best_shift(objective, output, target.astype(dtype), None)
        assert shift.dtype == dtype
        np.testing.assert_array_equal(shift, 0)


def test_a_row_of_weight_two_is_two_rows_to_the_threshold():
    y = RNG.random(80) < 0.3
    output, weight = (RNG.normal(size=80) + y)[:, None], RNG.integers(1, 4, 80)
    shifts = [
        best_shift(fitted_case("binary").objective("f1"), output[rows], y[rows, None].astype(float), weights)
        for rows, weights in [(np.arange(80), weight.astype(float)), (np.repeat(np.arange(80), weight), None)]
    ]
    np.testing.assert_array_equal(*shifts)
