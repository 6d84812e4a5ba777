"""Data that do not fit in memory: memory maps, batches of Parquet files, collections of Dask, streams without end."""

import gc
import pickle
import tracemalloc
import weakref

import numpy as np
import pytest

from skdopamine import DopamineESNForecaster, DopamineMLPClassifier, DopamineMLPPolicy, DopamineMLPRegressor
from skdopamine._estimator import history as _history

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # fits are short here

N_ROWS, N_FEATURES = 4_000, 250  # wide, so that what is held of each row besides its features is small beside them
SHORT = {"hidden_layer_sizes": (4,), "max_iter": 1, "random_state": 0}
MAKE = {
    "classifier": DopamineMLPClassifier,
    "regressor": DopamineMLPRegressor,
    "policy": DopamineMLPPolicy,
}


def targets(name, X):
    """All that `fit` takes besides X."""
    value = np.asarray(X[:, 0])
    if name == "policy":
        return (value > 0).astype(int), np.asarray(X[:, 1])
    return ((value > 0).astype(int) if name == "classifier" else value,)


@pytest.fixture(params=["float32", "float64"])
def memory_map(request, tmp_path):
    """A file of rows, opened for reading."""
    rows = np.random.default_rng(0).standard_normal((N_ROWS, N_FEATURES)).astype(request.param)
    rows.tofile(tmp_path / "rows.dat")
    return np.memmap(tmp_path / "rows.dat", dtype=request.param, mode="r", shape=rows.shape)


def peak(call):
    """Bytes that are traced at most while something runs, beyond those before."""
    gc.collect()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


WAYS = {
    "fit": ("fit", {"early_stopping": False}),
    "folds": ("fit", {"early_stopping": "auto"}),
    "early stopping": ("fit", {"early_stopping": True}),
    "in order": ("fit", {"early_stopping": False, "shuffle": False}),
    "partial_fit": ("partial_fit", {}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["classifier", "regressor"])
def test_no_copy_of_a_memory_map_is_held(name, way, memory_map):
    method, params = WAYS[way]
    more = {"classes": [0, 1]} if (name, method) == ("classifier", "partial_fit") else {}
    target, model = targets(name, memory_map), MAKE[name](**SHORT, **params)
    assert peak(lambda: getattr(model, method)(memory_map, *target, **more)) < 0.5 * memory_map.nbytes
    assert peak(lambda: model.predict(memory_map)) < 0.5 * memory_map.nbytes
    again = MAKE[name](**SHORT, **params)
    getattr(again, method)(np.array(memory_map), *target, **more)
    np.testing.assert_array_equal(model.coefs_[0], again.coefs_[0])


# ---- chunks ----------------------------------------------------------------------------------------------------------


def test_partial_fit_shuffles_the_rows_of_a_chunk():
    X = np.random.default_rng(0).standard_normal((400, 3))
    order = np.argsort(X[:, 0])  # all of a class, then all of the other
    X, y = X[order], (X[order, 0] > 0).astype(int)
    shuffled, in_order = (
        DopamineMLPClassifier((4,), batch_size=20, shuffle=shuffle, random_state=0).partial_fit(X, y, classes=[0, 1])
        for shuffle in (True, False)
    )
    assert (shuffled.coefs_[0] != in_order.coefs_[0]).any()
    assert shuffled.score(X, y) > in_order.score(X, y)


def test_rows_that_a_policy_remembers_are_its_own():
    def learn(buffer):
        rng, model = np.random.default_rng(0), DopamineMLPPolicy((4,), random_state=0)
        for _ in range(6):
            new = rng.standard_normal((50, 3))
            X = new if buffer is None else buffer
            X[...] = new  # what was there is gone
            model.partial_fit(X, (new[:, 0] > 0).astype(int), new[:, 1].copy(), classes=[0, 1])
        return model.coefs_[0]

    np.testing.assert_array_equal(learn(np.empty((50, 3))), learn(None))


def test_batches_of_a_parquet_file_keep_their_names(tmp_path):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pytest.importorskip("pandas")
    X = np.random.default_rng(0).standard_normal((3000, 3))
    names = ["a", "b", "c"]
    columns = {name: X[:, k] for k, name in enumerate(names)} | {"y": X[:, 0] * X[:, 1]}
    parquet.write_table(pa.table(columns), tmp_path / "rows.parquet", row_group_size=500)

    model, plain = (DopamineMLPRegressor((8,), random_state=0) for _ in range(2))
    file, n_rows = parquet.ParquetFile(tmp_path / "rows.parquet"), 0
    for batch in file.iter_batches(batch_size=500):
        frame = batch.to_pandas()
        model.partial_fit(frame[names], frame["y"])
        plain.partial_fit(X[n_rows : n_rows + len(frame)], columns["y"][n_rows : n_rows + len(frame)])
        n_rows += len(frame)
    assert n_rows == 3000
    assert model.feature_names_in_.tolist() == names
    np.testing.assert_array_equal(model.coefs_[0], plain.coefs_[0])
    with pytest.raises(ValueError, match="feature names"):
        model.partial_fit(frame[names[::-1]], frame["y"])


# ---- streams without end ---------------------------------------------------------------------------------------------


def waves(n_rows):
    return np.sin(np.arange(n_rows) / 3)[:, None] + 0.1 * np.random.default_rng(0).standard_normal((n_rows, 1))


ROWS, SERIES = np.random.default_rng(0).standard_normal((800, 3)), waves(800)


def begun(name):
    if name == "forecaster":
        return DopamineESNForecaster(5, stateful=True, trainable=(), random_state=0).fit(SERIES[:300])
    more = {"memory_size": 200} if name == "policy" else {}
    return MAKE[name]((2,), random_state=0, **more)


def learn(model, name, X, series):
    """One call of `partial_fit`."""
    if name == "forecaster":
        return model.partial_fit(series)
    more = {} if name == "regressor" else {"classes": [0, 1]}
    return model.partial_fit(X, *targets(name, X), **more)


STREAMS = [*MAKE, "forecaster"]


@pytest.mark.parametrize("name", STREAMS)
def test_a_model_does_not_grow_in_a_stream(name, monkeypatch):
    monkeypatch.setattr(_history.latest, "__defaults__", (100, 10))
    model, sizes = begun(name), []
    for number in range(601):
        rows = slice(40 * number % 800, 40 * number % 800 + 40)
        learn(model, name, ROWS[rows][::10], SERIES[rows])  # a forecaster remembers thousands of rows
        if number in (200, 400, 600):
            sizes.append(len(pickle.dumps(model)))
    assert max(sizes) - min(sizes) < 1200 + 0.01 * min(sizes)  # ten values of three curves, and the digits of counts
    if name != "forecaster":
        assert model.n_iter_ == 601
        assert 100 <= len(model.loss_curve_) <= 110


@pytest.mark.parametrize("name", STREAMS)
def test_a_chunk_is_let_go_of_when_it_is_learnt(name):
    model = learn(begun(name), name, ROWS[:50], SERIES[300:350])
    gc.collect()
    gc.disable()  # it looks at what is old but seldom
    try:
        X, series = ROWS[50:100].copy(), SERIES[350:400].copy()
        seen = [weakref.ref(X), weakref.ref(series)]
        learn(model, name, X, series)
        del X, series
        assert [ref() for ref in seen] == [None, None]
    finally:
        gc.enable()


def test_a_fit_lets_go_of_its_rows():
    model, X = DopamineMLPClassifier(**SHORT, early_stopping=True), ROWS.copy()
    seen = weakref.ref(X)
    gc.collect()
    gc.disable()
    try:
        model.fit(X, X[:, 0] > 0)
        del X
        assert seen() is None
    finally:
        gc.enable()
