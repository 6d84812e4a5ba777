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
    np.testing.assert_array_equal(units.scale, [4.0, 4.0])  # the powers of two next to the spreads, about 2.9 and 5
    np.testing.assert_allclose(units.knee, HUBER_KNEE * TARGET.std(axis=0) / units.scale, rtol=1e-12)
    np.testing.assert_allclose(units_of("median").offset, np.sort(TARGET, axis=0)[99], rtol=1e-15)
    np.testing.assert_allclose(units_of("quantile").offset, np.sort(TARGET, axis=0)[179], rtol=1e-15)
    poisson = units_of("exp")
    np.testing.assert_array_equal(poisson.offset, [0.0, 0.0])
    np.testing.assert_array_equal(poisson.scale, [128.0, 16.0])  # next to the means, about 100 and 20


@each
def test_weights_count_rows(kind):
    repeated = units_of(kind, np.repeat(TARGET, WEIGHT, axis=0))
    weighted = units_of(kind, weight=WEIGHT)
    assert weighted.link == repeated.link
    np.testing.assert_array_equal(weighted.scale, repeated.scale)
    np.testing.assert_allclose(weighted.offset, repeated.offset, rtol=1e-12)
    np.testing.assert_allclose(weighted.knee, repeated.knee, rtol=1e-12)


def test_outliers_set_the_unit_of_the_mean_alone():
    wild = np.append(TARGET, [[1e6, 1e6]], axis=0)
    assert (units_of("mean", wild).scale > 1000 * units_of("mean").scale).all()
    np.testing.assert_array_equal(units_of("median", wild).scale, units_of("median").scale)


@pytest.mark.parametrize(("target", "scale"), [(np.zeros((5, 2)), 1.0), (np.full((5, 2), 3.0), 4.0)])
def test_constant_targets(target, scale):
    units = Units.of(target, None)
    np.testing.assert_array_equal(units.scale, [scale, scale])
    np.testing.assert_array_equal(units.scaled(target), np.zeros((5, 2)))
    assert (units.knee > 0).all()
    assert not units.varies.any()


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
    assert [Units(scale=np.array([8.0])).of_loss(degree) for degree in (0, 1, 2)] == [1.0, 8.0, 64.0]
    assert Units(scale=np.array([2.0**1000])).of_loss(2) == np.inf


def test_each_loss_has_its_share_in_the_units_of_the_user():
    units = Units(scale=np.array([1.0, 4.0]))
    for degree in (1, 2):
        np.testing.assert_array_equal(units.of_loss(degree) * units.shares(degree), units.scale**degree)
    assert units.shares(0) is None
    assert Units(scale=np.array([4.0, 4.0])).shares(2) is None
    huge = Units(scale=np.array([2.0**900, 2.0**1000]))
    np.testing.assert_allclose(huge.shares(2), [2.0**-199, 2.0], rtol=1e-12)


def test_an_output_of_one_value_is_found_among_others():
    target = np.column_stack([TARGET, np.full(200, 0.1), np.zeros(200)])
    units, poisson = Units.of(target, None), Units.of(np.abs(target), None, link="exp")
    np.testing.assert_array_equal(units.varies, [True, True, False, False])
    np.testing.assert_array_equal(units.offset[2:], [0.1, 0.0])
    np.testing.assert_array_equal(poisson.scale[2], 0.1)  # an output of 0 is the value
    assert 0 < poisson.scale[3] < 1e-19


# ---- units that follow a stream ----

BEFORE = Units.of(TARGET, None)


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_units_that_are_near_stay(factor):
    units, changed = BEFORE.following(factor * (TARGET - BEFORE.offset) + BEFORE.offset, None, level=None)
    assert not changed.any()
    for name in ("scale", "offset", "knee", "varies"):
        np.testing.assert_array_equal(getattr(units, name), getattr(BEFORE, name))


@pytest.mark.parametrize(("factor", "shift"), [(0.1, 0.0), (10.0, 0.0), (1.0, 1e4)])
def test_an_output_whose_targets_are_others_has_another_unit(factor, shift):
    target = TARGET.copy()
    target[:, 0] = factor * (target[:, 0] - 100) + 100 + shift
    units, changed = BEFORE.following(target, None, level=None)
    np.testing.assert_array_equal(changed, [True, False])
    expected = Units.of(target, None)
    np.testing.assert_array_equal([units.scale[0], units.offset[0]], [expected.scale[0], expected.offset[0]])
    np.testing.assert_array_equal([units.scale[1], units.offset[1]], [BEFORE.scale[1], BEFORE.offset[1]])


@pytest.mark.parametrize("level", [None, 0.5])
def test_a_few_outliers_move_no_unit(level):
    wild = np.append(TARGET, [[1e6, 1e6]], axis=0)
    assert not Units.of(TARGET, None, level=level).following(wild, None, level=level)[1].any()


def test_outputs_of_one_value_become_others_once_they_vary_and_never_again():
    constant = Units.of(np.full((5, 2), 3.0), None)
    still, changed = constant.following(np.full((5, 2), 7.0), None, level=None)
    assert changed.all()
    assert not still.varies.any()
    np.testing.assert_array_equal(still.offset, [7.0, 7.0])
    varied, changed = constant.following(TARGET, None, level=None)
    assert changed.all()
    np.testing.assert_array_equal(varied.scale, BEFORE.scale)
    assert not varied.following(np.full((5, 2), 3.0), None, level=None)[1].any()


# ---- targets most of which are equal ----

CLICKS = np.where(np.random.default_rng(1).random((500, 1)) < 0.02, 1.0, 0.0)
HUM = 1e-6 * np.random.default_rng(2).normal(size=(500, 1))
MOSTLY = {
    "rare": CLICKS,
    "two in five": np.where(np.arange(500)[:, None] % 5 < 2, 1.0, 0.0),
    "rare beside a hum": CLICKS + HUM,
    "rare and far from zero": CLICKS - 50,
}
LEVELS = {"mean": None, "median": 0.5}


@pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)
@pytest.mark.parametrize("factor", [1e-3, 1e3])
@pytest.mark.parametrize("target", MOSTLY.values(), ids=MOSTLY)
def test_a_unit_follows_targets_most_of_which_are_equal(target, factor, level):
    units, changed = Units.of(target, None, level=level).following(factor * target, None, level=level)
    assert changed.all()
    ratio = units.scale / Units.of(target, None, level=level).scale
    assert factor / 2 <= ratio[0] <= factor * 2
    assert not units.following(factor * target, None, level=level)[1].any()


@pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)
@pytest.mark.parametrize("target", MOSTLY.values(), ids=MOSTLY)
def test_outliers_among_them_move_no_unit(target, level):
    wild = np.append(target, [[1e6]], axis=0)
    assert not Units.of(target, None, level=level).following(wild, None, level=level)[1].any()


def test_an_outlier_sets_no_unit_of_a_quantile_where_most_targets_are_equal():
    wild = np.append(CLICKS, [[1e6]], axis=0)
    np.testing.assert_array_equal(Units.of(wild, None, level=0.5).scale, Units.of(CLICKS, None, level=0.5).scale)


def test_rows_of_no_weight_are_no_rare_targets():
    weight = np.where(CLICKS[:, 0] > 0, 0.0, 1.0)
    weight[np.flatnonzero(CLICKS)[:3]] = 1.0
    wild = np.append(CLICKS, np.full((50, 1), 1e6), axis=0)
    units = Units.of(CLICKS, weight, level=0.5)
    assert not units.following(wild, np.append(weight, np.zeros(50)), level=0.5)[1].any()
