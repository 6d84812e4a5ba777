"""Checks of input that do not need an estimator, and what an error leaves behind."""

import numpy as np
import pytest

from skdopamine import DopamineESNForecaster, DopamineMLPClassifier, DopamineMLPRegressor
from skdopamine._estimator.validation import (
    COMMON_CONSTRAINTS,
    check_sample_weight,
    one_of,
    restored_on_error,
    share,
)


def test_weights_are_numbers_one_for_each_row():
    assert check_sample_weight(None, 3) is None
    for given, expected in [(2, [2, 2, 2]), ([1, 0, 3], [1, 0, 3]), (np.float32([0.5, 1, 2]), [0.5, 1, 2])]:
        found = check_sample_weight(given, 3)
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("balanced", "numbers, got 'balanced'"),
        ([[1], [1], [1]], r"1D array or scalar, got an array of shape \(3, 1\)"),
        ([1, 1], r"shape \(3,\) is expected, got \(2,\)"),
        ([1, -2, 1], "not be negative, got a minimum of -2"),
        ([0, 0, 0], "at least one entry above zero"),
        ([1e308, 1e308, 1e308], "finite sum, got a maximum of 1e"),
        ([1, np.nan, 1], "NaN"),
        ([1, np.inf, 1], "infinity"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_bad_weights_are_named(given, message):
    with pytest.raises(ValueError, match=f"sample_weight.*{message}"):
        check_sample_weight(given, 3)


class Plain:
    """An object with attributes, as estimators are."""


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_attributes_as_they_were(error):
    estimator, kept = Plain(), [1]
    estimator.a, estimator.b = kept, 2
    with pytest.raises(error), restored_on_error(estimator):
        estimator.a, estimator.c = [3], 4
        del estimator.b
        raise error
    assert vars(estimator) == {"a": [1], "b": 2}
    assert estimator.a is kept
    with restored_on_error(estimator):
        estimator.c = 4
    assert vars(estimator) == {"a": [1], "b": 2, "c": 4}


def test_constraints_hold_what_they_say():
    names = one_of("node", "weight")
    assert [names.is_satisfied_by(value) for value in ("node", "auto", 1)] == [True, False, False]
    assert [share().is_satisfied_by(value) for value in (0.0, 0.5, 1.0)] == [False, True, False]


@pytest.mark.parametrize("cls", [DopamineMLPClassifier, DopamineMLPRegressor, DopamineESNForecaster])
def test_every_parameter_is_checked_in_the_same_way_in_both_families(cls):
    constraints = cls._parameter_constraints
    assert set(constraints) == set(cls().get_params())
    assert all(constraints[name] is COMMON_CONSTRAINTS[name] for name in COMMON_CONSTRAINTS)
