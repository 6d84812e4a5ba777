"""Backends of joblib around the estimators: a search sends its fits, and no fit inside it sends anything.

What a fit sends that has the workers to itself is tested in `estimator/test_crew.py`.
"""

import threading

import numpy as np
import pytest
from joblib import parallel_config, register_parallel_backend
from joblib.parallel import ThreadingBackend
from sklearn.model_selection import cross_val_score
from watched import Watched

from skdopamine import DopamineMLPClassifier

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("small_updates_are_shared"),
]

X = np.random.default_rng(0).standard_normal((60, 4))
Y = (X[:, 0] > X[:, 1]).astype(int)


class Remote(ThreadingBackend):
    """A backend that looks like a cluster's from outside, and counts the tasks that it is sent."""

    supports_sharedmem = False
    uses_threads = False
    default_n_jobs = -1
    sent = 0

    def submit(self, func, callback=None):
        Remote.sent += 1
        return super().submit(func, callback)

    def apply_async(self, func, callback=None):  # before joblib 1.5
        Remote.sent += 1
        return super().apply_async(func, callback)

    def effective_n_jobs(self, n_jobs):
        return 2

    def get_nested_backend(self):
        return Remote(nesting_level=self.nesting_level + 1), -1  # as that of dask: tasks may send tasks


register_parallel_backend("remote", Remote)


def score_and_count(model, X, y):
    """Return the score, plus 10 for each other thread in which the loss of the model was computed."""
    others = model.loss.threads - {threading.get_ident()}
    return model.score(X, y) + 10 * len(others)


def make(loss="log_loss", **params):
    params = {"max_iter": 2, "batch_size": 30, "n_perturbations": 8, "random_state": 0, **params}
    return DopamineMLPClassifier((8,), loss=loss, perturbation="weight", **params)


@pytest.mark.parametrize("loss", ["log_loss", "f1"])
@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1])
def test_an_update_sends_nothing_to_a_backend_that_cannot_hold_the_rows(n_jobs, loss, assert_same_model):
    expected = make(loss).fit(X, Y)
    Remote.sent = 0
    with parallel_config("remote", n_jobs=2):
        model = make(loss, n_jobs=n_jobs).fit(X, Y)
    assert Remote.sent == 0
    assert_same_model(model, expected)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_search_sends_its_own_tasks_and_no_updates(n_jobs):
    expected = cross_val_score(make(), X, Y, cv=3)
    Remote.sent = 0
    with parallel_config("remote", n_jobs=2):
        scores = cross_val_score(make(n_jobs=n_jobs), X, Y, cv=3, n_jobs=2)
    assert 1 <= Remote.sent <= 3
    np.testing.assert_array_equal(scores, expected)


def test_a_preference_for_processes_is_overruled(assert_same_model):
    with parallel_config(prefer="processes", n_jobs=2):
        assert_same_model(make(n_jobs=2).fit(X, Y), make().fit(X, Y))


@pytest.mark.parametrize("backend", ["remote", "loky"])
def test_a_worker_uses_one_thread_unless_told_otherwise(backend):
    with parallel_config(backend, n_jobs=2):
        scores = cross_val_score(make(Watched()), X, Y, cv=2, n_jobs=2, scoring=score_and_count, error_score="raise")
        more = cross_val_score(make(Watched(), n_jobs=2), X, Y, cv=2, n_jobs=2, scoring=score_and_count)
    assert (scores <= 1).all()
    assert (more > 10).all() == (backend == "remote")  # other processes do not know that small updates are shared


def test_threads_of_a_backend_around_are_used(assert_same_model):
    loss = Watched()
    with parallel_config("threading", n_jobs=2):
        model = make(loss).fit(X, Y)
    assert len(loss.threads) > 1
    assert_same_model(model, make(Watched()).fit(X, Y))


def test_scores_of_processes_are_those_of_one_after_the_other():
    for params in ({}, {"loss": "f1"}, {"n_jobs": 2}):
        expected = cross_val_score(make(**params), X, Y, cv=2, scoring="neg_log_loss")
        with parallel_config("loky"):
            scores = cross_val_score(make(**params), X, Y, cv=2, n_jobs=2, scoring="neg_log_loss")
        np.testing.assert_allclose(scores, expected, rtol=1e-7)
