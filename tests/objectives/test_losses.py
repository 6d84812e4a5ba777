"""Every loss of the table: its differences and credit; those known by their values against scikit-learn or scipy."""

import numpy as np
import pytest
from scipy.special import huber
from sklearn.metrics import hinge_loss, mean_absolute_error, mean_pinball_loss, mean_poisson_deviance, zero_one_loss

from skdopamine._objectives.losses import (
    RAMP,
    ROUNDING,
    AbsoluteError,
    Evaluated,
    Hinge,
    Huber,
    MultiHinge,
    Pinball,
    Poisson,
    ZeroOne,
    wrong_class,
    wrong_labels,
)
from skdopamine._objectives.registry import TABLE, LossOptions

RNG = np.random.default_rng(0)
N, OUTPUTS = 40, 3
VALUES = RNG.normal(size=(N, OUTPUTS))
LABELS = RNG.integers(0, 2, (N, OUTPUTS)).astype(float)
CLASSES = np.arange(N) % OUTPUTS
ONE_HOT = np.eye(OUTPUTS)[CLASSES]
OUTPUT = 2 * RNG.normal(size=(N, OUTPUTS))

COUNTS = RNG.poisson(1.0, (N, OUTPUTS)).astype(float)
TARGETS = {"binary": LABELS, "multilabel": LABELS, "multiclass": ONE_HOT, "regression": VALUES}
LEAST = {"absolute_error": ROUNDING, "pinball": ROUNDING, "zero_one": RAMP}  # size of the perturbation behind a credit


@pytest.fixture(params=TABLE, ids=lambda entry: f"{entry.name}-{entry.tasks[-1]}")
def entry(request):
    return request.param


@pytest.fixture
def loss_target_and_least(entry):
    """A loss, its targets, the least size of the perturbation that its credit comes from."""
    target = COUNTS if entry.link == "exp" else TARGETS[entry.tasks[-1]]
    return entry.make(LossOptions(knee=0.7, quantile=0.8)), target, LEAST.get(entry.name, 0.0)


def mean(loss, target, columns=slice(None)):
    return loss.values(OUTPUT[:, columns], target[:, columns]).mean()


def test_hinge_is_that_of_scikit_learn():
    expected = [hinge_loss(LABELS[:, k], OUTPUT[:, k]) for k in range(OUTPUTS)]
    for k in range(OUTPUTS):
        assert mean(Hinge(), LABELS, [k]) == pytest.approx(expected[k], rel=1e-12)
    assert mean(Hinge(), LABELS) == pytest.approx(sum(expected), rel=1e-12)


def test_hinge_of_several_classes_is_that_of_scikit_learn():
    expected = hinge_loss(CLASSES, OUTPUT, labels=range(OUTPUTS))
    assert mean(MultiHinge(), ONE_HOT) == pytest.approx(expected, rel=1e-12)


def test_absolute_error_is_that_of_scikit_learn():
    assert mean(AbsoluteError(), VALUES) == pytest.approx(OUTPUTS * mean_absolute_error(VALUES, OUTPUT), rel=1e-12)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_pinball_is_that_of_scikit_learn(quantile):
    expected = OUTPUTS * mean_pinball_loss(VALUES, OUTPUT, alpha=quantile)
    assert mean(Pinball(quantile), VALUES) == pytest.approx(expected, rel=1e-12)


def test_poisson_is_half_the_deviance():
    assert (COUNTS == 0).any()
    expected = [mean_poisson_deviance(COUNTS[:, k], np.exp(OUTPUT[:, k])) / 2 for k in range(OUTPUTS)]
    assert mean(Poisson(), COUNTS) == pytest.approx(sum(expected), rel=1e-12)


@pytest.mark.parametrize("knee", [0.1, 1.35, 100.0])
def test_huber_is_that_of_scipy(knee):
    expected = huber(knee, OUTPUT - VALUES).sum(axis=1)
    np.testing.assert_allclose(Huber(knee).values(OUTPUT, VALUES), expected, rtol=1e-12)


def test_zero_one_is_that_of_scikit_learn():
    assert mean(ZeroOne(wrong_class), ONE_HOT) == pytest.approx(zero_one_loss(CLASSES, OUTPUT.argmax(axis=1)))
    assert mean(ZeroOne(wrong_labels), LABELS) == pytest.approx(zero_one_loss(LABELS, OUTPUT > 0))
    assert mean(ZeroOne(wrong_labels), LABELS, [0]) == pytest.approx(zero_one_loss(LABELS[:, 0], OUTPUT[:, 0] > 0))


def test_losses_are_those_of_their_samples(loss_target_and_least):
    loss, target, _ = loss_target_and_least
    members = np.stack([OUTPUT, -OUTPUT, 0.1 * OUTPUT])
    whole = loss.values(members, target)
    assert whole.shape == (3, N)
    for i, member in enumerate(members):
        for row in (slice(0, 1), slice(7, 9)):
            np.testing.assert_array_equal(loss.values(member[row], target[row]), whole[i, row])


def test_difference_is_that_of_two_evaluations(loss_target_and_least):
    loss, target, _ = loss_target_and_least
    moved = 0.5 * RNG.normal(size=(5, N, OUTPUTS))
    expected = loss.values(OUTPUT + moved, target) - loss.values(OUTPUT - moved, target)
    np.testing.assert_allclose(loss.difference(loss.predict(OUTPUT), moved, target), expected, rtol=0, atol=1e-12)
    assert np.abs(expected).max() > 0.1


@pytest.mark.parametrize("scale", [1e-2, 0.3, 2.0])
def test_credit_moves_one_output_at_a_time(loss_target_and_least, scale):
    loss, target, least = loss_target_and_least
    size = max(scale, least)
    step = size * np.eye(OUTPUTS)[:, None, :]
    expected = (loss.values(OUTPUT + step, target) - loss.values(OUTPUT - step, target)).T / (2 * size)
    credit = loss.credit(loss.predict(OUTPUT), target, scale)
    assert credit.shape == (N, OUTPUTS)
    rounding = np.finfo(float).eps * loss.values(OUTPUT, target).max() / size
    np.testing.assert_allclose(credit, expected, rtol=0, atol=max(1e-12, rounding))
    assert np.abs(expected).max() > 0.1


def test_credit_of_kinked_losses_fades_towards_the_target():
    error = np.linspace(-2, 2, 41)[:, None] * ROUNDING
    credit = AbsoluteError().credit(error, np.zeros((41, 1)), 1e-6)
    np.testing.assert_allclose(credit, np.clip(error / ROUNDING, -1, 1), rtol=0, atol=1e-12)


def test_credit_of_poisson_is_that_of_its_mean():
    np.testing.assert_allclose(Poisson().credit(OUTPUT, COUNTS, 1e-5), np.exp(OUTPUT) - COUNTS, rtol=1e-5, atol=1e-5)


def test_nothing_is_lost_where_the_prediction_is_right(entry, loss_target_and_least):
    loss, target, _ = loss_target_and_least
    size = 1e3 if entry.name == "log_loss" else 1.0  # of an output that is sure enough
    right = {"binary": 2 * target - 1, "multilabel": 2 * target - 1, "multiclass": target, "regression": target}
    if entry.link == "exp":
        target = 1 + target
        np.testing.assert_allclose(loss.values(np.log(target), target), 0, atol=1e-12)
    else:
        np.testing.assert_array_equal(loss.values(size * right[entry.tasks[-1]], target), 0)


def test_float32_stays_float32(loss_target_and_least):
    loss, target, _ = loss_target_and_least
    output, target = OUTPUT.astype(np.float32), target.astype(np.float32)
    moved = np.full((2, N, OUTPUTS), 0.01, dtype=np.float32)
    prediction = loss.predict(output)
    results = [
        prediction,
        loss.values(output, target),
        loss.difference(prediction, moved, target),
        loss.credit(prediction, target, 0.01),
    ]
    assert [array.dtype for array in results] == [np.dtype(np.float32)] * 4


def test_differences_in_float32_do_not_cancel(loss_target_and_least):
    loss, target, _ = loss_target_and_least
    output, target = OUTPUT.astype(np.float32), target.astype(np.float32)
    moved = (1e-5 * RNG.normal(size=(2, N, OUTPUTS))).astype(np.float32)
    prediction = loss.predict(output)
    expected = loss.difference(*(array.astype(np.float64) for array in (prediction, moved, target)))
    summed = 0 if isinstance(loss, Evaluated) else 1e-7 * np.abs(expected).max()  # a closed form adds outputs up
    difference = loss.difference(prediction, moved, target)
    np.testing.assert_allclose(difference, expected, rtol=1e-6, atol=1e-14 + summed)


@pytest.mark.parametrize("size", [1e3, 1e100])
def test_extreme_outputs_stay_finite(entry, loss_target_and_least, size):
    loss, target, _ = loss_target_and_least
    size = min(size, 1e200 ** (1 / max(loss.degree, 2)))
    output = (-1 if entry.link == "exp" else 1) * np.abs(OUTPUT) * size
    with np.errstate(over="raise", invalid="raise"):
        assert np.isfinite(loss.values(output, target)).all()
        assert np.isfinite(loss.credit(loss.predict(output), target, 1e-2)).all()
