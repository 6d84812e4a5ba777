"""Losses against their definitions, and their differences against two evaluations."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from skdopamine._objectives.base import LogisticLoss, SoftmaxLoss, SquaredError

RNG = np.random.default_rng(0)
N, OUTPUTS = 9, 4
TARGETS = {
    SquaredError: RNG.normal(size=(N, OUTPUTS)),
    LogisticLoss: RNG.integers(0, 2, (N, OUTPUTS)).astype(float),
    SoftmaxLoss: np.eye(OUTPUTS)[RNG.integers(0, OUTPUTS, N)],
}
OUTPUT = RNG.normal(size=(N, OUTPUTS)) * 3


@pytest.fixture(params=list(TARGETS), ids=lambda kind: kind.__name__)
def loss_and_target(request):
    return request.param(), TARGETS[request.param]


def test_difference_is_that_of_two_evaluations(loss_and_target):
    objective, target = loss_and_target
    moved = RNG.normal(size=(5, N, OUTPUTS)) * 0.5
    expected = objective.values(OUTPUT + moved, target) - objective.values(OUTPUT - moved, target)
    np.testing.assert_allclose(objective.difference(objective.predict(OUTPUT), moved, target), expected, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-2, 0.7])
def test_credit_moves_one_output_at_a_time(loss_and_target, scale):
    objective, target = loss_and_target
    step = scale * np.eye(OUTPUTS)[:, None, :]
    expected = (objective.values(OUTPUT + step, target) - objective.values(OUTPUT - step, target)).T / (2 * scale)
    np.testing.assert_allclose(objective.credit(objective.predict(OUTPUT), target, scale), expected, atol=1e-11)


def test_log_losses_are_those_of_scikit_learn():
    y = TARGETS[SoftmaxLoss]
    values = SoftmaxLoss().values(OUTPUT, y)
    assert values.mean() == pytest.approx(log_loss(y, SoftmaxLoss().predict(OUTPUT)), rel=1e-12)
    y = TARGETS[LogisticLoss][:, :1]
    values = LogisticLoss().values(OUTPUT[:, :1], y)
    assert values.mean() == pytest.approx(log_loss(y[:, 0], LogisticLoss().predict(OUTPUT[:, 0])), rel=1e-12)


def test_squared_error_by_hand():
    np.testing.assert_allclose(SquaredError().values(np.array([[3.0, 1.0]]), np.array([[1.0, 0.0]])), [2.5])


def test_extreme_outputs_stay_finite(loss_and_target):
    objective, target = loss_and_target
    for size in (1e3, 1e100):
        output = np.sign(OUTPUT) * size
        assert np.isfinite(objective.values(output, target)).all()
        assert np.isfinite(objective.credit(objective.predict(output), target, 1e-2)).all()
        assert np.isfinite(
            objective.difference(objective.predict(output), 0.1 * np.ones((1, N, OUTPUTS)), target)
        ).all()
