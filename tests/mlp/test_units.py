"""The units of the targets: there and back."""

import numpy as np
import pytest

from skdopamine._mlp.units import Units
from skdopamine._objectives.losses import HUBER_KNEE

RNG = np.random.default_rng(0)
TARGET = RNG.normal(size=(200, 2)) * [3.0, 5.0] + [100.0, -20.0]
WEIGHT = RNG.integers(1, 4, size=200)
KINDS = {"mean": {}, "median": {"level": 0.5}, "quantile": {"level": 0.9}, "exp": {"link": "exp"}}
each = pytest.mark.parametrize("kind", KINDS)


def units_of(kind, target=TARGET, weight=None):
    return Units.of(np.abs(target) if kind == "exp" else target, weight, **KINDS[kind])


def test_the_default_leaves_targets_and_parameters_as_they_are():
    weight, bias = np.ones((3, 2)), np.ones(2)
    for way in (Units().to_user, Units().from_user):
        assert all(one is other for one, other in zip(way(weight, bias), (weight, bias), strict=True))
    for way in (Units().scaled, Units().restored, Units().publish):
        assert way(TARGET) is TARGET
    assert Units().of_loss(2) == 1.0


def test_unit_and_offset_are_those_of_the_targets():
    units = units_of("mean")
    np.testing.assert_allclose(units.offset, TARGET.mean(axis=0), rtol=1e-12)
    assert units.scale == 4.0  # the power of two next to the spread, the root of (9 + 25) / 2
    assert units.knee == pytest.approx(HUBER_KNEE * np.sqrt(TARGET.var(axis=0).mean()) / 4, rel=1e-12)
    np.testing.assert_array_equal(units_of("median").offset, np.sort(TARGET, axis=0)[99])
    np.testing.assert_array_equal(units_of("quantile").offset, np.sort(TARGET, axis=0)[179])
    poisson = units_of("exp")
    np.testing.assert_array_equal(poisson.offset, [0.0, 0.0])
    assert poisson.scale == 64.0  # next to the mean, about 60


@each
def test_weights_count_rows(kind):
    repeated = units_of(kind, np.repeat(TARGET, WEIGHT, axis=0))
    weighted = units_of(kind, weight=WEIGHT)
    assert (weighted.scale, weighted.link) == (repeated.scale, repeated.link)
    np.testing.assert_allclose(weighted.offset, repeated.offset, rtol=1e-12)
    assert weighted.knee == pytest.approx(repeated.knee, rel=1e-12)


def test_outliers_set_the_unit_of_the_mean_alone():
    wild = np.append(TARGET, [[1e6, 1e6]], axis=0)
    assert units_of("mean", wild).scale > 1000 * units_of("mean").scale
    assert units_of("median", wild).scale == units_of("median").scale


@pytest.mark.parametrize(("target", "scale"), [(np.zeros((5, 2)), 1.0), (np.full((5, 2), 3.0), 4.0)])
def test_constant_targets(target, scale):
    units = Units.of(target, None)
    assert units.scale == scale
    np.testing.assert_array_equal(units.scaled(target), np.zeros((5, 2)))
    assert units.knee > 0


@each
def test_targets_are_restored(kind):
    units = units_of(kind)
    np.testing.assert_allclose(units.restored(units.scaled(TARGET)), TARGET, rtol=1e-12)
    np.testing.assert_array_equal(units.scaled(TARGET), (TARGET - units.offset) / units.scale)


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parameters_of_the_output_layer_are_there_and_back(kind, dtype):
    units = units_of(kind)
    inputs, weight = RNG.normal(size=(7, 3)).astype(dtype), RNG.normal(size=(3, 2)).astype(dtype)
    bias = RNG.normal(size=2).astype(dtype)
    before = weight.copy(), bias.copy()
    own = units.to_user(weight, bias)
    assert [array.dtype for array in own] == [dtype, dtype]
    output = inputs @ weight + bias
    expected = np.exp(output) * units.scale if kind == "exp" else units.restored(output)
    tolerance = 1e-4 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(units.publish(inputs @ own[0] + own[1]), expected, rtol=tolerance)
    back = units.from_user(*(array.astype(float) for array in own))
    np.testing.assert_allclose(back[0], weight, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(back[1], bias, rtol=tolerance, atol=tolerance)
    for array, kept in zip((weight, bias), before, strict=True):
        np.testing.assert_array_equal(array, kept)


def test_a_loss_grows_with_its_degree():
    assert [Units(scale=8.0).of_loss(degree) for degree in (0, 1, 2)] == [1.0, 8.0, 64.0]
    assert Units(scale=2.0**1000).of_loss(2) == np.inf
