"""Costs that must not grow: of a pickle with refreshes, of a stream with its past, of a prediction with its rows."""

import copy
import gc
import pickle
import sys
import tracemalloc
import weakref
from contextlib import contextmanager

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV

from skdopamine import DopamineMLPRegressor
from skdopamine._mlp import base as _base
from skdopamine._training.trainer import Epoch

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@contextmanager
def shallow_stack(depth):
    """Let the interpreter's stack bear only so many calls more."""
    before, frame = sys.getrecursionlimit(), sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    sys.setrecursionlimit(depth)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


@pytest.mark.slow
@pytest.mark.parametrize("wrap", [lambda model: model, FrozenEstimator], ids=["as it is", "frozen"])
def test_a_pickle_does_not_grow_with_the_number_of_refreshes(task, wrap):
    model, sizes = task.make(max_iter=1).fit(task.X, task.y), []
    for _ in range(100):
        model = task.make(max_iter=1, init=wrap(model)).fit(task.X[:20], task.y[:20])
        with shallow_stack(100):  # which would not bear all of them
            sizes.append(len(pickle.dumps(model)))
    assert max(sizes) < 1.2 * sizes[1]
    restored = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(restored.predict(task.X), model.predict(task.X))
    restored.fit(task.X, task.y)  # what it starts from is still there


def test_a_model_of_many_refreshes_is_used_like_any_other(task):
    model = start = task.make(max_iter=1).fit(task.X, task.y)
    for _ in range(400):
        model = copy.copy(start).set_params(init=model)
    model.fit(task.X, task.y)
    assert clone(model).init is model.init
    assert model.get_params().keys() == model.get_params(deep=False).keys()
    assert repr(model).count("init=") < 8
    assert copy.deepcopy(model).init.init is None
    search = GridSearchCV(model, {"alpha": [1e-4, 1e-3]}, cv=2).fit(task.X, task.y)
    assert search.best_estimator_.init is model.init


def test_starts_that_are_let_go_leave_memory(task):
    model = task.make(max_iter=1).fit(task.X, task.y)
    first = weakref.ref(model)
    for _ in range(2):
        model = task.make(max_iter=1, init=model.set_params(init=None)).fit(task.X, task.y)
    gc.collect()
    assert first() is None


def test_what_a_model_started_from_is_left_as_it_was(task):
    first = task.make(max_iter=1).fit(task.X, task.y)
    second = task.make(max_iter=1, init=first).fit(task.X, task.y)
    third = task.make(max_iter=1, init=second).fit(task.X, task.y)
    pickle.dumps(third)
    assert third.init is second
    assert second.init is first


def test_a_stream_does_not_copy_its_past(task):
    model = task.make(max_iter=1).fit(task.X, task.y)
    past = model._training.history.extended([Epoch(1.0, 0.1, 0.1)] * 300_000)
    model._training = model._training._replace(history=past)
    tracemalloc.start()
    for _ in range(5):
        model.partial_fit(task.X[:20], task.y[:20])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(model.loss_curve_) == 10_004  # the first call has cut it
    assert model.n_iter_ == 300_006
    assert peak < 0.5 * 8 * 300_000  # of one curve


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_predictions_in_chunks_are_those_at_once(task, rows, monkeypatch):
    model = task.make().fit(task.X, task.y)
    whole = model.predict(task.X)
    monkeypatch.setattr(_base, "PREDICT_ROWS", rows)
    np.testing.assert_allclose(model.predict(task.X), whole, rtol=1e-12)


def test_memory_of_a_prediction_is_far_below_that_of_a_hidden_layer(task):
    model = task.make(hidden_layer_sizes=(100,)).fit(task.X, task.y)
    X = np.tile(task.X, (1000, 1))
    tracemalloc.start()
    model.predict(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.25 * 8 * len(X) * 100  # a hidden layer in float64


def functions_called(model, X, y):
    """Return how many functions one more call of `partial_fit` calls."""
    calls = 0

    def count(frame, event, arg):
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        model.partial_fit(X, y)
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize("perturbation", ["node", "weight"])
def test_a_call_of_a_stream_takes_no_more_work_after_many(task, perturbation):
    model = task.make(perturbation=perturbation)
    model.partial_fit(task.X, task.y, **({} if isinstance(model, DopamineMLPRegressor) else {"classes": [0, 1]}))
    for _ in range(30):
        model.partial_fit(task.X, task.y)
    early = np.median([functions_called(model, task.X, task.y) for _ in range(5)])
    past = model._training.history.extended([Epoch(1.0, 0.1, 0.1)] * 100_000)  # as if there had been so many calls
    model._training = model._training._replace(history=past)
    late = np.median([functions_called(model, task.X, task.y) for _ in range(5)])
    assert model.n_iter_ == 100_041
    assert late < 1.1 * early
