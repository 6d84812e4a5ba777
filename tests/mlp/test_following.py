"""Units of a regressor that follow the targets of a stream and of warm starts."""

import numpy as np
import pytest
from sklearn.metrics import r2_score

from skdopamine import DopamineMLPRegressor
from skdopamine._mlp import training

pytestmark = pytest.mark.filterwarnings("ignore:Maximum iterations")
WEIGHTS = np.array([1.0, -0.5, 0.5, 0.0, 0.0])
STILL = {"learning_rate": "constant", "learning_rate_init": 1e-300}
POSITIVE = "poisson"
FIRST = {  # what is odd about the first batch
    "an outlier of 1e3": lambda y: np.append(y[:-1], 1e3),
    "an outlier of 1e6": lambda y: np.append(y[:-1], 1e6),
    "zeros": lambda y: 0 * y,
    "one value": lambda y: 0 * y + 7,
    "one row": lambda y: y[:1],
    "a thousand times the size": lambda y: 1e3 * y,
    "a thousandth of the size": lambda y: 1e-3 * y,
    "far away": lambda y: y + 1e4,
}


@pytest.fixture(autouse=True)
def a_short_memory(monkeypatch):
    """Streams of a few batches are to be long ones."""
    monkeypatch.setattr(training, "RECENT", 100)


def batches(n, *, size=50, positive=False, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(n):
        X = rng.standard_normal((size, 5))
        z = X @ WEIGHTS
        yield X, np.exp(z) if positive else z


def make(**params):
    return DopamineMLPRegressor(**{"hidden_layer_sizes": (20,), "early_stopping": False, "random_state": 0, **params})


def accuracy(model, *, positive=False):
    X, y = next(batches(1, size=500, positive=positive, seed=1))
    return r2_score(y, model.predict(X))


def streamed(model, first, *, n=50, **kind):
    for i, (X, y) in enumerate(batches(n, **kind)):
        if i == 0:
            y = first(y)
            X = X[: len(y)]
        model.partial_fit(X, y)
    return accuracy(model, **kind)


@pytest.mark.parametrize("first", FIRST)
def test_a_first_batch_unlike_all_others_is_forgotten(first):
    assert streamed(make(), FIRST[first]) > 0.8


@pytest.mark.parametrize("loss", ["absolute_error", "huber", "pinball", "poisson", "neg_median_absolute_error"])
@pytest.mark.parametrize("first", ["an outlier of 1e3", "zeros", "a thousandth of the size"])
def test_so_it_is_with_every_loss(first, loss):
    kind = {"positive": loss == POSITIVE}
    assert streamed(make(loss=loss), FIRST[first], **kind) > 0.7


def test_outputs_have_units_of_their_own():
    model, sizes = make(), np.array([1.0, 1000.0])
    for i, (X, y) in enumerate(batches(60)):
        model.partial_fit(X, np.column_stack([y, y]) * (sizes[::-1] if i == 0 else sizes))
    X, y = next(batches(1, size=500, seed=1))
    scores = r2_score(np.column_stack([y, y]) * sizes, model.predict(X), multioutput="raw_values")
    assert scores.min() > 0.8


def test_a_stream_of_single_rows_learns():
    model, kind = make(), {"size": 1}
    for X, y in batches(200, **kind):
        model.partial_fit(X, y)
    assert accuracy(model) > 0.4


def scales(model):
    return model._training.units.scale.copy(), model._training.units.offset.copy()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("perturbation", ["node", "weight"])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "poisson"])
def test_another_unit_is_the_same_function(loss, perturbation, dtype):
    kind, learns = {"positive": loss == POSITIVE}, {"hidden_layer_sizes": (), "loss": loss}
    model = make(**learns, perturbation=perturbation)
    for X, y in batches(60, **kind):
        model.partial_fit(X.astype(dtype), y)
    model.set_params(**STILL)
    before = scales(model)
    rows = next(batches(1, seed=3))[0].astype(dtype)
    expected = model.predict(rows)
    for X, _ in batches(15, seed=2):
        far = (X + 3 if loss == POSITIVE else 30 * X).astype(dtype)
        model.partial_fit(far, model.predict(far))
    assert (scales(model)[0] > 4 * before[0]).all()
    np.testing.assert_allclose(model.predict(rows), expected, rtol=1e-3 if dtype == np.float32 else 1e-11)


def test_units_that_suit_stay_and_late_outliers_move_none():
    model = make(hidden_layer_sizes=(4,))
    for i, (X, y) in enumerate(batches(20)):
        if i == 15:
            y[3] = 1e4
        model.partial_fit(X, y)
        if i == 0:
            first = scales(model)
    np.testing.assert_array_equal(scales(model), first)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "pinball", "poisson"])
def test_a_stream_in_another_unit_is_the_same(loss):
    kind = {"positive": loss == POSITIVE}
    models, size = [make(loss=loss, hidden_layer_sizes=(4,)) for _ in range(2)], np.array([2.0**12, 2.0**-9])
    for i, (X, y) in enumerate(batches(25, **kind)):
        y = np.column_stack([y, y[::-1]]) * [1.0, 5.0]
        if i == 0:
            y[3] = 1e3
        for model, factor in zip(models, (1.0, size), strict=True):
            model.partial_fit(X, y * factor)
    np.testing.assert_allclose(models[1].predict(X), models[0].predict(X) * size, rtol=1e-9)


@pytest.mark.parametrize("perturbation", ["node", "weight"])
def test_a_warm_start_takes_the_units_of_other_targets(perturbation):
    X, y = next(batches(1, size=300))
    params = {"perturbation": perturbation, "max_iter": 60, "warm_start": True}
    model, fresh = make(**params).fit(X, y), make(**params).fit(X, 1000 * y + 1e5)
    model.fit(X, 1000 * y + 1e5)
    assert model.score(X, 1000 * y + 1e5) > fresh.score(X, 1000 * y + 1e5) - 0.02


def test_a_warm_start_on_the_same_targets_has_the_same_units():
    X, y = next(batches(1, size=300))
    model = make(max_iter=2, warm_start=True).fit(X, y)
    before = scales(model)
    np.testing.assert_array_equal(scales(model.fit(X, y)), before)
    model.partial_fit(X[:1], y[:1])
    np.testing.assert_array_equal(scales(model), before)


def test_init_is_what_a_stream_starts_from_whatever_its_first_batch():
    X, y = next(batches(1, size=300))
    init = make(hidden_layer_sizes=(8,)).fit(X, y)
    for first in FIRST.values():
        few = first(y[:50])
        model = make(hidden_layer_sizes=(8,), init=init, **STILL).partial_fit(X[: len(few)], few)
        np.testing.assert_allclose(model.predict(X), init.predict(X), rtol=1e-6, atol=1e-6)


def test_weights_of_rows_count_in_units():
    weighted, repeated = make(), make()
    for X, y in batches(2):
        weighted.partial_fit(X, y, sample_weight=np.where(np.arange(50) < 10, 3.0, 0.0))
        repeated.partial_fit(X[:10], y[:10])
    np.testing.assert_allclose(scales(weighted), scales(repeated), rtol=1e-12)


@pytest.mark.parametrize("size", [1, 70, 1200])
def test_no_more_than_the_latest_targets_are_kept(size):
    model, seen = make(hidden_layer_sizes=(2,)), []
    for X, y in batches(10 if size > 1 else 110, size=size):
        model.partial_fit(X, y)
        seen.extend(y)
    recent = model._training.recent
    assert len(recent.target) == len(recent.weight) <= 100
    assert np.isin(recent.target[:, 0], seen[-max(100, size) :]).all()
    assert make(hidden_layer_sizes=(2,), max_iter=1).fit(X, y)._training.recent.target.base is None


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_a_stream_of_mostly_equal_targets_that_grow_is_learnt(loss):
    model, rng = make(loss=loss), np.random.default_rng(0)
    for i in range(60):
        X = rng.standard_normal((50, 5))
        y = np.where(X[:, 0] > 0.8, X[:, 1] + 2, 0.0)  # a fifth of the rows
        model.partial_fit(X, y if i < 10 else 1000 * y)
        if i == 9:
            before = scales(model)[0]
    assert 500 * before <= scales(model)[0] <= 2000 * before
    assert r2_score(1000 * y, model.predict(X)) > 0.5
