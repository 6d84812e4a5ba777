"""Small learnable problems and the one comparison of fitted models that the tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from threadpoolctl import threadpool_limits

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor
from skdopamine._estimator import crew as _crew
from skdopamine._mlp import weight as _weight
from skdopamine._objectives import thresholds

# Without folds, which take most of the time of a fit: tests/mlp/test_folds.py is about them.
SMALL: dict[str, Any] = {"hidden_layer_sizes": (8,), "max_iter": 15, "early_stopping": False, "random_state": 0}
# For tests about noise: units that share one loss difference, or an antithetic pair's sign would not matter.
NOISY: dict[str, Any] = {"hidden_layer_sizes": (8, 8)}

# The same examples on every run, so that a failure in CI is a failure here.
REPEATABLE = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
)

# kind -> targets from three independent linear functions of X, each of unit variance
TARGETS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "binary": lambda z: (z[:, 0] > 0).astype(int),
    "multiclass": lambda z: z.argmax(axis=1),
    "multilabel": lambda z: (z > 0).astype(int),
    "strings": lambda z: np.array(["no", "yes"])[(z[:, 0] > 0).astype(int)],
    "regression": lambda z: z[:, 0],
    "multioutput": lambda z: z[:, :2],
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark scikit-learn's checks of the default forecaster as slow; a small one has to pass all of them too."""
    for item in items:
        if item.nodeid.startswith("tests/test_common.py") and "DopamineESNForecaster()-" in item.nodeid:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS: matrices are so small here that its threads would only wait for each other."""
    with threadpool_limits(1, "blas"):
        yield


class Task(NamedTuple):
    make: Callable[..., Any]  # parameters -> a small unfitted estimator
    X: np.ndarray  # (n, 5)
    y: np.ndarray  # (n,) or (n, outputs)


def _make_task(kind: str, n: int = 100, dtype: Any = np.float64) -> Task:
    rng = np.random.default_rng(7)
    X = rng.standard_normal((n, 5))
    z = X @ np.linalg.qr(rng.standard_normal((5, 3)))[0]  # (n, 5) @ (5, 3) -> (n, 3)
    y = TARGETS[kind](z)
    if kind in ("regression", "multioutput"):
        y = y.astype(dtype)
        estimator = DopamineMLPRegressor
    else:
        estimator = DopamineMLPClassifier
    return Task(lambda **params: estimator(**{**SMALL, **params}), X.astype(dtype), y)


@pytest.fixture(scope="session")
def make_task() -> Callable[..., Task]:
    return _make_task


@pytest.fixture(scope="session")
def noisy() -> dict[str, Any]:
    return NOISY


@pytest.fixture
def few_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let fits on a metric try few decision thresholds: each is a call of a scorer, which takes milliseconds."""
    monkeypatch.setattr(thresholds, "N_THRESHOLDS", 5)


@pytest.fixture(params=["binary", "regression"])
def task(request: pytest.FixtureRequest) -> Task:
    """Give one classifier and one regressor to a test that is about both."""
    return _make_task(request.param)


def _assert_same_model(actual: Any, expected: Any, rtol: float = 0.0) -> None:
    compare = np.testing.assert_array_equal if rtol == 0 else partial(np.testing.assert_allclose, rtol=rtol, atol=rtol)
    for a, b in zip(
        [*actual.coefs_, *actual.intercepts_], [*expected.coefs_, *expected.intercepts_], strict=True
    ):  # bits if rtol is 0
        compare(a, b)


@pytest.fixture(scope="session")
def assert_same_model() -> Callable[..., None]:
    return _assert_same_model


def finest_output(model: Any, X: Any) -> np.ndarray:
    """Return the most detailed prediction that a model gives."""
    return model.predict_proba(X) if hasattr(model, "predict_proba") else model.predict(X)


def with_value(array: Any, value: float) -> np.ndarray:
    """Return a copy of an array whose fourth element has this value."""
    changed = np.array(array, dtype=float)
    changed.flat[3] = value
    return changed


def absolute(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    """Loss of a user's own, a value for each row."""
    return np.abs(y_true - y_pred)


def log_uniform(low: float, high: float) -> st.SearchStrategy[float]:
    """Draw powers of ten with exponents between low and high."""
    return st.floats(low, high).map(lambda exponent: 10.0**exponent)


@pytest.fixture
def small_updates_are_shared(monkeypatch):
    """Let threads and workers evaluate updates that this thread would be quicker with, in several parts."""
    for kind in _crew.BORDERS:
        monkeypatch.setitem(_crew.BORDERS, kind, 0.0)
    monkeypatch.setattr(_weight, "CHUNK_BYTES", 2**13)
