"""Searches, single fits and collections of Dask on a cluster of two workers of this machine; dask-ml around them."""

import logging
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, TimeSeriesSplit
from sklearn.preprocessing import scale
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_info, threadpool_limits
from watched import Watched

from skdopamine import DopamineESNForecaster, DopamineMLPClassifier, DopamineMLPPolicy, DopamineMLPRegressor
from skdopamine.checkpoint import EarlyStopping

distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),  # fits are short here
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(dask|distributed|dask_ml).*"),
]

IRIS, SPECIES = load_iris(return_X_y=True)
DIABETES, PROGRESSION = load_diabetes(return_X_y=True)
DIABETES = scale(DIABETES)
SERIES = np.sin(0.3 * np.arange(200))[:, None] + 0.1 * np.random.default_rng(0).standard_normal((200, 1))
GRID = {"perturbation_scale": [0.03, 0.1, 0.3]}


def classifier(**params):
    return DopamineMLPClassifier(**{"hidden_layer_sizes": (8,), "max_iter": 10, "random_state": 0, **params})


def regressor(**params):
    return DopamineMLPRegressor(**{"hidden_layer_sizes": (8,), "max_iter": 10, "random_state": 0, **params})


def policy(**params):
    return DopamineMLPPolicy(**{"hidden_layer_sizes": (8,), "max_iter": 10, "random_state": 0, **params})


def forecaster(**params):
    return DopamineESNForecaster(**{"n_units": 15, "stateful": True, "trainable": (), "random_state": 0, **params})


@pytest.fixture(scope="module")
def client():
    """A cluster of two processes, for the tests of this file."""
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
    )
    with cluster, distributed.Client(cluster) as own:
        yield own


def assert_same_search(search, X, y, **options):
    """The same bits on the cluster as here."""
    with threadpool_limits(1):  # as in the workers of Dask: more add up in another order
        own = search(n_jobs=None).fit(X, y, **options)
        with parallel_config("dask"):
            far = search(n_jobs=2).fit(X, y, **options)
    assert far.best_params_ == own.best_params_
    for name, values in own.cv_results_.items():
        if name.endswith("_test_score"):
            np.testing.assert_array_equal(far.cv_results_[name], values)
    return own, far


# ---- searches --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("params", [{}, {"early_stopping": True}, {"perturbation": "weight", "n_perturbations": 8}])
def test_a_search_on_a_cluster_gives_the_same_bits(params):
    own, far = assert_same_search(
        lambda n_jobs: GridSearchCV(classifier(**params), GRID, cv=3, n_jobs=n_jobs, error_score="raise"), IRIS, SPECIES
    )
    np.testing.assert_array_equal(far.best_estimator_.coefs_[0], own.best_estimator_.coefs_[0])


def other_threads(model, X, y):
    """How many threads but this one have computed the loss, plus 10 for each further one of BLAS."""
    blas = max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=1)
    return len(model.loss.threads - {threading.get_ident()}) + 10 * (blas - 1)


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("n_jobs", [None, 1, 2])
def test_a_fit_in_a_worker_uses_one_thread_unless_n_jobs_says_so(n_jobs):
    population = {"perturbation": "weight", "n_perturbations": 64, "batch_size": 100, "max_iter": 2, "n_jobs": n_jobs}
    search = GridSearchCV(
        classifier(hidden_layer_sizes=(60,), loss=Watched(), **population),
        {"perturbation_scale": [0.1, 0.2]},
        scoring=other_threads,
        cv=2,
        n_jobs=2,
        refit=False,
        error_score="raise",
    )
    with parallel_config("dask"):
        others = search.fit(np.tile(IRIS, (4, 1)), np.tile(SPECIES, 4)).cv_results_["mean_test_score"]
    assert (others > 0).all() == (n_jobs == 2)
    assert (others < 10).all()


@pytest.mark.usefixtures("client")
def test_a_search_over_ridge_on_splits_of_time():
    own, _ = assert_same_search(
        lambda n_jobs: GridSearchCV(
            forecaster(), {"ridge": [1e-6, 1e-2, 1e2]}, cv=TimeSeriesSplit(3), n_jobs=n_jobs, error_score="raise"
        ),
        SERIES,
        None,
    )
    assert own.best_score_ > 0.9


HALVED = {
    "classifier": (classifier, (IRIS, SPECIES), {}),
    "regressor": (regressor, (DIABETES, PROGRESSION), {}),
    "policy": (policy, (IRIS, SPECIES), {"reward": np.linspace(0, 1, len(IRIS))}),
}


def halving(make, n_jobs=None, **params):
    resources = {"resource": "max_iter", "min_resources": 4, "max_resources": 12, "factor": 3}
    return HalvingGridSearchCV(make(**params), GRID, **resources, cv=2, n_jobs=n_jobs, error_score="raise")


@pytest.mark.parametrize("name", HALVED)
def test_halving_gives_the_better_ones_more_epochs(name):
    make, data, options = HALVED[name]
    search = halving(make).fit(*data, **options)
    assert search.n_resources_ == [4, 12]
    assert search.n_candidates_ == [3, 1]
    assert search.best_estimator_.n_iter_ == search.best_estimator_.max_iter == 12
    first, last = search.cv_results_["mean_test_score"][[0, -1]]
    assert np.isfinite([first, last]).all()


@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
def test_rounds_of_halving_say_which_limit_they_have_reached():
    with pytest.warns(Warning) as caught:
        halving(classifier).fit(IRIS, SPECIES)
    told = {str(warning.message) for warning in caught}
    assert told == {
        f"Maximum iterations (max_iter={n}) reached and the training hasn't converged yet." for n in (4, 12)
    }


@pytest.mark.usefixtures("client")
def test_halving_on_a_cluster_gives_the_same_bits():
    assert_same_search(lambda n_jobs: halving(classifier, n_jobs, early_stopping=True), IRIS, SPECIES)


# ---- fits that end early ---------------------------------------------------------------------------------------------


def fit_with(model, callbacks):
    return model.set_callbacks(*callbacks).fit(IRIS, SPECIES)


def test_early_stopping_in_a_worker_stops_there_as_here(client):
    model, stopping = classifier(early_stopping=False, max_iter=200), EarlyStopping(patience=2, min_delta=10.0)
    far = client.submit(fit_with, model, [stopping]).result(60)
    assert far.n_iter_ == 3
    with pytest.raises(NotFittedError):
        check_is_fitted(model)  # what was sent is a copy
    np.testing.assert_array_equal(far.coefs_[0], fit_with(model, [stopping]).coefs_[0])


def slow_fit(model):
    return model.fit(np.tile(IRIS, (20, 1)), np.tile(SPECIES, 20))


def test_a_cancelled_fit_leaves_the_estimator_and_the_cluster_as_they_were(client):
    model = classifier(early_stopping=False, max_iter=100, tol=0.0, n_iter_no_change=np.inf)
    (worker, *_) = client.scheduler_info()["workers"]
    future = client.submit(slow_fit, model, workers=[worker], pure=False)
    time.sleep(0.1)
    future.cancel()
    assert future.cancelled()
    assert client.submit(abs, -1, workers=[worker], pure=False).result(60) == 1  # the worker is free again
    with pytest.raises(NotFittedError):
        check_is_fitted(model)


INTERRUPTED = """
import distributed, logging, numpy as np
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV
from skdopamine import DopamineMLPClassifier

if __name__ == "__main__":
    X = np.random.default_rng(0).standard_normal((500, 5))
    long = DopamineMLPClassifier((16,), max_iter=10**6, early_stopping=False, tol=0, n_iter_no_change=np.inf)
    search = GridSearchCV(long, {"perturbation_scale": [0.1, 0.2]}, cv=2, n_jobs=2)
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
    )
    with cluster, distributed.Client(cluster) as client, parallel_config("dask"):
        print("begun", flush=True)
        try:
            search.fit(X, X[:, 0] > 0)
        except KeyboardInterrupt:
            print("interrupted", hasattr(search, "best_score_"), flush=True)
    print("closed", flush=True)
"""


@pytest.mark.slow
def test_ctrl_c_ends_a_search_on_a_cluster(tmp_path):
    (tmp_path / "search.py").write_text(INTERRUPTED)
    command = [sys.executable, "search.py"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # ignored in the background
    ) as process:
        assert process.stdout.readline() == "begun\n"
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        try:
            printed, _ = process.communicate(timeout=120)
        finally:
            process.kill()
    assert printed.splitlines() == ["interrupted False", "closed"]
    assert process.returncode == 0


# ---- collections -----------------------------------------------------------------------------------------------------

BLOCKS, LABELS = da.from_array(IRIS, chunks=(50, 4)), da.from_array(SPECIES, chunks=50)
ACTIONS = SPECIES % 2
CALLS = {
    "fit": ("X", lambda: classifier().fit(BLOCKS, SPECIES)),
    "fit y": ("y", lambda: classifier().fit(IRIS, LABELS)),
    "fit weights": ("sample_weight", lambda: regressor().fit(IRIS, SPECIES, LABELS + 1)),
    "partial_fit": ("X", lambda: regressor().partial_fit(BLOCKS, SPECIES)),
    "predict": ("X", lambda: regressor().fit(IRIS, SPECIES).predict(BLOCKS)),
    "predict_proba": ("X", lambda: classifier().fit(IRIS, SPECIES).predict_proba(BLOCKS)),
    "policy": ("X", lambda: policy().fit(BLOCKS, ACTIONS, ACTIONS * 1.0)),
    "policy predicts": ("X", lambda: policy().fit(IRIS, ACTIONS, ACTIONS * 1.0).predict(BLOCKS)),
    "reward": ("reward", lambda: policy().fit(IRIS, ACTIONS, da.from_array(ACTIONS * 1.0))),
    "propensity": (
        "propensity",
        lambda: policy().partial_fit(IRIS, ACTIONS, ACTIONS * 1.0, da.full(len(IRIS), 0.5), classes=[0, 1]),
    ),
    "forecaster": ("X", lambda: forecaster().fit(da.from_array(SERIES))),
    "several series": ("X", lambda: forecaster().fit({"a": SERIES, "b": da.from_array(SERIES)})),
    "covariates of a forecast": (
        "exog",
        lambda: forecaster().fit(SERIES, exog=SERIES).forecast(3, exog=da.from_array(SERIES[:3])),
    ),
    "covariates of several series": (
        "exog",
        lambda: forecaster().fit({"a": SERIES}, exog={"a": da.from_array(SERIES)}),
    ),
    "forecaster y": ("y", lambda: forecaster().fit(SERIES, da.from_array(SERIES))),
    "stream of a forecaster": ("X", lambda: forecaster().fit(SERIES).partial_fit(da.from_array(SERIES))),
    "forecaster predicts": ("X", lambda: forecaster().fit(SERIES).predict(da.from_array(SERIES))),
    "windows": ("X", lambda: forecaster(stateful=False).fit(IRIS, SPECIES).predict(BLOCKS)),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_collection_is_not_read_as_a_whole_without_a_word(call):
    name, run = CALLS[call]
    with pytest.raises(TypeError, match=rf"^{name} must be held in memory, got a Dask Array.*partial_fit"):
        run()


def test_a_frame_of_dask_is_refused_as_well():
    pandas, dd = pytest.importorskip("pandas"), pytest.importorskip("dask.dataframe")
    frame = dd.from_pandas(pandas.DataFrame(IRIS, columns=list("abcd")), npartitions=2)
    for run in (lambda: classifier().fit(frame, SPECIES), lambda: forecaster().fit(frame)):
        with pytest.raises(TypeError, match="got a Dask DataFrame"):
            run()
    with pytest.raises(TypeError, match="got a Dask Series"):
        classifier().fit(IRIS, frame["a"])


@pytest.mark.usefixtures("client")
def test_blocks_are_learnt_and_predicted_one_by_one():
    model, plain = classifier(), classifier()
    for X, y in zip(BLOCKS.partitions, LABELS.partitions, strict=True):
        model.partial_fit(X.compute(), y.compute(), classes=[0, 1, 2])
    for start in (0, 50, 100):
        plain.partial_fit(IRIS[start : start + 50], SPECIES[start : start + 50], classes=[0, 1, 2])
    np.testing.assert_array_equal(model.coefs_[0], plain.coefs_[0])
    predicted = BLOCKS.map_blocks(model.predict, drop_axis=1, dtype=int)
    assert predicted.numblocks == (3,)
    np.testing.assert_array_equal(predicted.compute(), plain.predict(IRIS))


# ---- dask-ml ---------------------------------------------------------------------------------------------------------

ROWS, VALUES = da.from_array(DIABETES, chunks=(150, 10)), da.from_array(PROGRESSION, chunks=150)
OLD = "2025.1.0"  # of dask-ml, in which some of it does not work with newer versions of Dask


def r2(y_true, y_pred, compute=True):
    """What dask-ml takes as a callable `scoring`: a metric of two collections."""
    return r2_score(np.asarray(y_true), np.asarray(y_pred))


@pytest.fixture
def wrappers():
    return pytest.importorskip("dask_ml.wrappers")


def test_incremental_trains_a_classifier_block_by_block(client, wrappers):
    wrapped = wrappers.Incremental(classifier(), shuffle_blocks=False).fit(BLOCKS, LABELS, classes=[0, 1, 2])
    own = classifier()
    for start in (0, 50, 100):
        own.partial_fit(IRIS[start : start + 50], SPECIES[start : start + 50], classes=[0, 1, 2])
    with threadpool_limits(1):
        np.testing.assert_array_equal(wrapped.estimator_.coefs_[0], own.coefs_[0])
        assert wrapped.score(BLOCKS, LABELS) == own.score(IRIS, SPECIES)
        np.testing.assert_array_equal(wrapped.predict(BLOCKS).compute(), own.predict(IRIS))


def test_incremental_trains_a_regressor_whose_r2_takes_a_scorer(client, wrappers):
    wrapped = wrappers.Incremental(regressor(), scoring=r2).fit(ROWS, VALUES)
    own = r2_score(PROGRESSION, wrapped.estimator_.predict(DIABETES))
    assert wrapped.score(ROWS, VALUES) == pytest.approx(own)
    wrapped.set_params(scoring="neg_mean_squared_error")
    assert wrapped.score(ROWS, VALUES) == pytest.approx((own - 1) * PROGRESSION.var())


def test_r2_of_dask_ml_fails_for_every_regressor(client, wrappers):
    import dask_ml
    from sklearn.linear_model import SGDRegressor

    for model in (SGDRegressor(random_state=0), regressor()):
        wrapped = wrappers.Incremental(model).fit(ROWS, VALUES)
        if dask_ml.__version__ == OLD:
            with pytest.raises(ValueError, match="cannot broadcast shape"):
                wrapped.score(ROWS, VALUES)
        else:
            assert wrapped.score(ROWS, VALUES) == pytest.approx(r2(VALUES, wrapped.predict(ROWS)))


def test_a_fitted_model_predicts_blocks_in_parallel(client, wrappers):
    model = classifier().fit(IRIS, SPECIES)
    wrapped = wrappers.ParallelPostFit(model)
    with threadpool_limits(1):
        np.testing.assert_array_equal(wrapped.predict_proba(BLOCKS).compute(), model.predict_proba(IRIS))
    assert wrapped.score(BLOCKS, LABELS) == model.score(IRIS, SPECIES)


def test_searches_of_dask_ml(client, wrappers):
    import dask_ml
    from dask_ml.model_selection import GridSearchCV as DaskGridSearchCV
    from dask_ml.model_selection import IncrementalSearchCV

    with threadpool_limits(1):
        own = GridSearchCV(classifier(), GRID, cv=3).fit(IRIS, SPECIES)
    far = DaskGridSearchCV(classifier(), GRID, cv=3, scheduler=client).fit(IRIS, SPECIES)
    np.testing.assert_array_equal(far.cv_results_["mean_test_score"], own.cv_results_["mean_test_score"])

    search = IncrementalSearchCV(classifier(), GRID, n_initial_parameters="grid", max_iter=3, decay_rate=None)
    if dask_ml.__version__ == OLD:
        with pytest.raises(RuntimeError, match="asynchronous Client"):
            search.fit(BLOCKS, LABELS, classes=[0, 1, 2])
    else:
        assert search.fit(BLOCKS, LABELS, classes=[0, 1, 2]).best_estimator_.n_iter_ == 3
