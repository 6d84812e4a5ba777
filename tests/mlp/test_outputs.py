"""Outputs of a regressor: of different size, each in a unit of its own, and of one value."""

import numpy as np
import pytest
from sklearn.datasets import make_regression
from sklearn.metrics import r2_score
from sklearn.neural_network import MLPRegressor

from skdopamine import DopamineMLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore:Maximum iterations")
LOSSES = ["squared_error", "absolute_error", "huber", "pinball", "poisson"]
PERTURBATIONS = pytest.mark.parametrize("perturbation", ["node", "weight"])
RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 5))
Z = np.column_stack([X[:, 0] + np.sin(2 * X[:, 1]), X[:, 2] - X[:, 3] * X[:, 4]])


def make(**params):
    return DopamineMLPRegressor(**{"hidden_layer_sizes": (8,), "random_state": 0, "max_iter": 8, **params})


def targets(loss, size=1.0):
    return (np.exp(Z / 2) if loss == "poisson" else Z) * size


@pytest.mark.parametrize("ratio", [10.0, 100.0, 1e6])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_small_output_is_learnt_beside_a_large_one(loss, ratio):
    X = np.random.default_rng(1).standard_normal((500, 5))
    y = np.column_stack([X[:, 0] + X[:, 1], X[:, 2] - X[:, 3]]) / 2
    y = (np.exp(y) if loss == "poisson" else y) * [1.0, ratio]
    model = make(loss=loss, max_iter=40, early_stopping=False).fit(X, y)
    scores = r2_score(y, model.predict(X), multioutput="raw_values")
    assert scores.min() > 0.9


def test_as_the_standardised_outputs_of_scikit_learn():
    X, y = make_regression(400, 6, n_targets=2, noise=5.0, random_state=0)
    y /= y.std(axis=0)
    theirs = MLPRegressor(random_state=0, max_iter=200).fit(X[:300], y[:300]).predict(X[300:])
    expected = r2_score(y[300:], theirs, multioutput="raw_values")
    scaled = y * [1.0, 100.0]
    ours = make(hidden_layer_sizes=(100,), max_iter=200).fit(X[:300], scaled[:300]).predict(X[300:])
    assert (r2_score(scaled[300:], ours, multioutput="raw_values") > expected - 0.02).all()


@PERTURBATIONS
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("loss", [*LOSSES, "r2"])
def test_the_size_of_each_output_does_not_matter(loss, early_stopping, perturbation):
    params = {"loss": loss, "early_stopping": early_stopping, "perturbation": perturbation}
    size, y = np.array([2.0**-30, 2.0**20]), targets(loss)
    one, other = make(**params).fit(X, y), make(**params).fit(X, y * size)
    np.testing.assert_allclose(other.coefs_[0], one.coefs_[0], rtol=1e-10)
    np.testing.assert_allclose(other.predict(X), one.predict(X) * size, rtol=1e-10)


@pytest.mark.parametrize("loss", LOSSES[:-1])
def test_where_each_output_lies_does_not_matter(loss):
    shift = np.array([2.0**12, -(2.0**8)])
    one, other = (make(loss=loss).fit(X, Z + moved) for moved in (0.0, shift))
    np.testing.assert_allclose(other.predict(X) - shift, one.predict(X), rtol=0, atol=1e-8)


def of_rows(true, predicted):
    return (np.abs(true - predicted) ** 1.5).reshape(len(true), -1).sum(axis=1)


OF_OUTPUTS = {  # loss -> of each error
    "squared_error": lambda e, knee: e**2 / 2,
    "absolute_error": lambda e, knee: abs(e),
    "pinball": lambda e, knee: abs(e) / 2,
    "huber": lambda e, knee: np.where(abs(e) < knee, e**2 / 2, knee * (abs(e) - knee / 2)),
}


@PERTURBATIONS
@pytest.mark.parametrize("loss", OF_OUTPUTS)
def test_the_loss_is_that_of_the_users_units(loss, perturbation):
    y = Z * [1.0, 300.0] + [5.0, 1e4]
    params = {"loss": loss, "perturbation": perturbation, "alpha": 0.0, "batch_size": 200, "max_iter": 2}
    init = make(max_iter=1).fit(X, y)
    model = make(**params, init=init).fit(X, y)
    knee = 1.35 * 1.4826 * np.median(np.abs(y - np.sort(y, axis=0)[99]), axis=0)
    expected = OF_OUTPUTS[loss](init.predict(X) - y, knee).sum(axis=1).mean()
    assert model.loss_curve_[0] == pytest.approx(expected, rel=5e-3 if loss == "huber" else 1e-7)


@pytest.mark.parametrize("value", [0.0, 0.1, -3.0, 1e9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@PERTURBATIONS
@pytest.mark.parametrize("loss", [*LOSSES, "r2", of_rows])
def test_a_target_of_one_value_is_predicted_exactly(loss, perturbation, dtype, value):
    value = abs(value) if loss == "poisson" else value
    rows, y = X.astype(dtype), np.full(200, value, dtype=dtype)
    tolerance = {"rtol": 0.0, "atol": 0.0}
    if loss == "poisson":  # the exponential of a logarithm
        tolerance = {"rtol": 100 * np.finfo(dtype).eps, "atol": 1e-18}
    params = {"loss": loss, "perturbation": perturbation, "max_iter": 2, "hidden_layer_sizes": (3,)}
    alone = make(**params).fit(rows, y)
    np.testing.assert_allclose(alone.predict(rows), y, **tolerance)
    among = make(**params).fit(rows, np.column_stack([y, targets(loss, 1e-3 if value < 1 else 1.0)]))
    predicted = among.predict(rows)
    np.testing.assert_allclose(predicted[:, 0], y, **tolerance)
    assert (np.ptp(predicted[:, 1:], axis=0) > 0).all()


@pytest.mark.parametrize("scoring", [None, "neg_mean_squared_error"])
def test_one_value_and_early_stopping(scoring):
    y = np.column_stack([np.full(200, 0.3), Z])
    model = make(early_stopping=True, scoring=scoring).fit(X, y)
    np.testing.assert_array_equal(model.predict(X)[:, 0], 0.3)
    assert np.isfinite(model.best_validation_score_)
