"""Units of a forecaster: there and back, constants, and the first columns counted as others."""

import numpy as np
import pytest

from skdopamine._esn.standard import Standard

VALUES = np.random.default_rng(0).normal(3.0, [0.1, 20.0, 1.0], (50, 3))


def test_scaled_columns_have_mean_zero_and_deviation_one():
    scaled = Standard.of(VALUES).scaled(VALUES)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-12)


@pytest.mark.parametrize("shape", [(50, 3), (5, 10, 3)])
def test_restored_is_the_inverse_of_scaled(shape):
    own, values = Standard.of(VALUES), VALUES.reshape(shape)
    np.testing.assert_allclose(own.restored(own.scaled(values)), values, rtol=1e-12)
    np.testing.assert_array_equal(own.restored(values[..., :2]), own.restored(values)[..., :2])


@pytest.mark.parametrize("value", [0.0, 5.0, -1e9, 0.1])
def test_the_unit_of_a_constant_is_one(value):
    """Whatever rounding makes of the deviation of equal numbers."""
    own = Standard.of(np.full((7, 1), value))
    np.testing.assert_array_equal(own.unit, 1.0)
    np.testing.assert_allclose(own.centre, value, rtol=1e-12)


def test_a_small_spread_about_a_large_mean_is_no_constant():
    own = Standard.of(1e6 + np.array([[0.0], [1e-3]]))
    np.testing.assert_allclose(own.unit, 5e-4, rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_units_that_cannot_be_used_are_known(value):
    own = Standard.of(VALUES)
    assert own.is_finite
    assert not own._replace(centre=np.array([1.0, value, 0.0])).is_finite
    assert not own._replace(unit=np.array([1.0, 1.0, value])).is_finite


def test_the_first_columns_are_counted_as_others():
    own, other = Standard.of(VALUES), Standard.of(10 * VALUES[:, :2] + 1)
    mixed = own.starting_as(other)
    np.testing.assert_array_equal(mixed.scaled(VALUES)[:, :2], other.scaled(VALUES[:, :2]))
    np.testing.assert_array_equal(mixed.scaled(VALUES)[:, 2:], own.scaled(VALUES)[:, 2:])
