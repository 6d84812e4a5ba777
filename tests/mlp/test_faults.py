"""Faults found in use: what is said is true, and nothing that was known is lost."""

import numpy as np
import pytest
from conftest import absolute
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import RobustScaler

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore:Maximum iterations")


def make_waves(seed, n=500):
    """Rows (n, 5), and y = x0 + sin(2 x1)."""
    X = np.random.default_rng(seed).normal(size=(n, 5))
    return X, X[:, 0] + np.sin(2 * X[:, 1])


# ---- absurd rows ----

TEST = make_waves(1000)


@pytest.mark.parametrize(
    "params",
    [
        {"loss": "absolute_error"},
        {"loss": "huber"},
        {"loss": "pinball"},
        {"loss": "absolute_error", "batch_size": 50},
        {"loss": "absolute_error", "batch_size": 500},
        {"loss": "absolute_error", "learning_rate": "constant"},
        {"loss": "absolute_error", "learning_rate": "invscaling", "learning_rate_init": 0.05},
        {"loss": "absolute_error", "perturbation": "weight", "hidden_layer_sizes": (), "max_iter": 80},
    ],
    ids=lambda params: "-".join(map(str, params.values())),
)
@pytest.mark.parametrize(("seed", "n_absurd"), [(0, 3), (9, 1)])
def test_an_absurd_target_is_not_taken_for_divergence(seed, params, n_absurd):
    X, y = make_waves(seed)
    model = DopamineMLPRegressor(random_state=seed, **{"hidden_layer_sizes": (20,), "max_iter": 40, **params})
    known = model.fit(X, y).score(*TEST)
    y[[seed * 37 % 500, 250, 130][:n_absurd]] = 99999
    model.fit(X, y)
    assert model.n_iter_ > 10
    assert model.score(*TEST) > known - 0.06
    assert model.best_loss_ > 100  # the rows are not left out


@pytest.mark.slow
def test_an_absurd_target_costs_next_to_nothing():
    for seed in range(3):
        X, y = make_waves(seed)
        known = DopamineMLPRegressor(loss="absolute_error", random_state=seed).fit(X, y).score(*TEST)
        y[seed * 37 % 500] = 99999
        assert DopamineMLPRegressor(loss="absolute_error", random_state=seed).fit(X, y).score(*TEST) > known - 0.02


@pytest.mark.parametrize(("loss", "seed"), [("absolute_error", 0), ("huber", 9), (absolute, 0)])
def test_an_absurd_feature_is_not_taken_for_divergence(loss, seed):
    X, y = make_waves(seed)
    X[seed * 37 % 500, 2] = 1e5
    assert DopamineMLPRegressor(loss=loss, random_state=seed).fit(X, y).score(*TEST) > 0.9


@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
def test_an_absurd_feature_behind_a_robust_scaler(loss):
    for seed in range(4):
        X, y = make_waves(seed)
        X[seed * 37 % 500, 2] = 1e6
        scaler = RobustScaler().fit(X)
        model = DopamineMLPClassifier((20,), loss=loss, max_iter=30, random_state=seed).fit(scaler.transform(X), y > 0)
        assert model.score(scaler.transform(TEST[0]), TEST[1] > 0) > 0.75


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "squared_error"])
@pytest.mark.parametrize("batch_size", [10, "auto"])
def test_a_stream_goes_on_after_an_absurd_row(loss, batch_size):
    X, y = make_waves(0, 3000)
    y[1500] = 1000 if loss == "squared_error" else 99999
    model = DopamineMLPRegressor((20,), loss=loss, batch_size=batch_size, random_state=0)
    for start in range(0, 3000, 50):
        model.partial_fit(X[start : start + 50], y[start : start + 50])
    assert len(model.loss_curve_) == 60
    assert model.score(*TEST) > 0.6


def test_a_warm_start_on_an_absurd_row():
    changes = []
    for seed in range(3):
        X, y = make_waves(0)
        model = DopamineMLPRegressor((20,), loss="absolute_error", max_iter=40, warm_start=True, random_state=seed)
        known = model.fit(X, y).score(*TEST)
        y[7] = 99999
        changes.append(model.fit(X, y).score(*TEST) - known)
        assert model.n_iter_ > 5
        assert changes[-1] > -0.05
    assert np.mean(changes) > -0.03


def test_a_metric_that_absurd_rows_make_is_no_divergence():
    X, y = make_waves(0)
    y[7] = 99999
    model = DopamineMLPRegressor((8,), loss="neg_max_error", batch_size=50, max_iter=10, random_state=0).fit(X, y)
    assert model.n_iter_ > 3


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize(
    ("cls", "params"),
    [
        (DopamineMLPRegressor, {"loss": "absolute_error"}),
        (DopamineMLPRegressor, {"loss": "squared_error"}),
        (DopamineMLPClassifier, {"loss": "hinge"}),
    ],
)
@pytest.mark.parametrize("perturbation", ["node", "weight"])
@pytest.mark.parametrize("absurd", [False, True])
def test_a_divergence_is_still_caught_and_its_cause_named(cls, params, perturbation, early_stopping, absurd):
    X, y = make_waves(0)
    if absurd and cls is DopamineMLPRegressor:
        y[7] = 99999 if params["loss"] == "absolute_error" else 100
    y = y if cls is DopamineMLPRegressor else y > 0
    model = cls(
        (8,),
        learning_rate="constant",
        learning_rate_init=100.0,
        perturbation=perturbation,
        early_stopping=early_stopping,
        random_state=0,
        **params,
    )
    with pytest.warns(ConvergenceWarning, match=r"learning_rate_init=100.0: the loss (of most rows|is no longer)"):
        model.fit(X, y)
    assert model.n_iter_ <= 2
    assert np.isfinite(model.coefs_[0]).all()
