"""What users put around the estimators: frames, metadata routing, skops, forecasting packages, other processes."""

import importlib.util
import pickle
import subprocess
import sys
from functools import cache
from pathlib import Path

import joblib
import numpy as np
import pytest
from joblib import parallel_config
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdopamine import DopamineESNForecaster, DopamineMLPClassifier, DopamineMLPPolicy, DopamineMLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # fits are short here

IRIS, SPECIES = load_iris(return_X_y=True)
DIABETES, PROGRESSION = load_diabetes(return_X_y=True)
SERIES = np.sin(0.3 * np.arange(300))[:, None] + 0.1 * np.random.default_rng(0).standard_normal((300, 1))


def classifier(**params):
    short = {"hidden_layer_sizes": (8,), "max_iter": 40, "tol": 0.1, "early_stopping": False, "random_state": 0}
    return DopamineMLPClassifier(**short | params)


def regressor():
    return DopamineMLPRegressor(hidden_layer_sizes=(8,), max_iter=40, tol=0.1, random_state=0)


def policy(**params):
    return DopamineMLPPolicy(**{"hidden_layer_sizes": (8,), "max_iter": 10, "random_state": 0, **params})


LOGGED = np.random.default_rng(0).integers(0, 3, 150)
REWARDS = (LOGGED == SPECIES) * 1.0


def forecaster(**params):
    return DopamineESNForecaster(**{"n_units": 15, "stateful": True, "max_iter": 16, "random_state": 0, **params})


TRAINED = {"trainable": "readout", "loss": "pinball", "quantile": 0.9, "horizon": 10, "washout": 10, "max_iter": 4}
FITTED = {
    "classifier": lambda: (classifier().fit(IRIS, SPECIES), "predict_proba", IRIS),
    "folds": lambda: (classifier(early_stopping="auto").fit(IRIS, SPECIES), "predict_proba", IRIS),
    "early stopping": lambda: (classifier(early_stopping=True).fit(IRIS, SPECIES), "predict_proba", IRIS),
    "metric": lambda: (classifier(loss="balanced_accuracy").fit(IRIS, SPECIES), "predict_proba", IRIS),
    "stream": lambda: (classifier().partial_fit(IRIS, SPECIES, classes=[0, 1, 2]), "predict_proba", IRIS),
    "regressor": lambda: (regressor().fit(DIABETES, PROGRESSION), "predict", DIABETES),
    "policy": lambda: (policy().fit(IRIS, LOGGED, REWARDS), "predict_reward", IRIS),
    "policy of propensities": lambda: (
        policy(objective="snips").fit(IRIS, LOGGED, REWARDS, 0.3),
        "predict_proba",
        IRIS,
    ),
    "policy's stream": lambda: (policy().partial_fit(IRIS, LOGGED, REWARDS, classes=range(4)), "predict_reward", IRIS),
    "forecaster": lambda: (forecaster().fit(SERIES), "predict", SERIES),
    "trained readout": lambda: (forecaster(**TRAINED).fit(SERIES), "predict", SERIES),
    "windows": lambda: (forecaster(stateful=False).fit(IRIS, IRIS[:, 0]), "predict", IRIS),
}


@cache
def fitted(name):
    """A model, its method and its rows, which no test changes."""
    return FITTED[name]()


@pytest.mark.parametrize("name", FITTED)
def test_skops_keeps_a_model_and_asks_for_trust_in_our_own_types_alone(name):
    io = pytest.importorskip("skops.io")
    model, method, X = fitted(name)
    data = io.dumps(model)
    untrusted = io.get_untrusted_types(data=data)
    assert [path for path in untrusted if not path.startswith("skdopamine.")] == []
    loaded = io.loads(data, trusted=untrusted)
    np.testing.assert_array_equal(getattr(loaded, method)(X), getattr(model, method)(X))


KEPT = [
    (name, dump) for name in ("classifier", "regressor", "policy", "forecaster") for dump in (pickle.dump, joblib.dump)
]
PREDICT = """
import joblib, numpy as np
from pathlib import Path
from threadpoolctl import threadpool_limits

for folder in Path().iterdir():
    X, model, method = np.load(folder / "X.npy"), joblib.load(folder / "model"), (folder / "method").read_text()
    with threadpool_limits(1, "blas"):  # as here: more threads add up in another order
        np.save(folder / "y.npy", getattr(model, method)(X))
"""


def test_models_that_were_kept_predict_the_same_in_another_process(tmp_path):
    for k, (name, dump) in enumerate(KEPT):
        model, method, X = fitted(name)
        folder = tmp_path / str(k)
        folder.mkdir()
        with open(folder / "model", "wb") as file:
            dump(model, file)
        np.save(folder / "X.npy", X)
        (folder / "method").write_text(method)
    subprocess.run([sys.executable, "-c", PREDICT], cwd=tmp_path, check=True)
    for k, (name, _) in enumerate(KEPT):
        model, method, X = fitted(name)
        np.testing.assert_array_equal(np.load(tmp_path / str(k) / "y.npy"), getattr(model, method)(X))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_are_taken_and_their_names_remembered(library):
    frames = pytest.importorskip(library)
    names = [f"column {k}" for k in range(4)]
    frame = frames.DataFrame({name: IRIS[:, k] for k, name in enumerate(names)})
    fitted = classifier().fit(frame, frames.Series(SPECIES))
    assert fitted.feature_names_in_.tolist() == names
    np.testing.assert_array_equal(fitted.predict_proba(frame), classifier().fit(IRIS, SPECIES).predict_proba(IRIS))
    species = np.array(["setosa", "versicolor", "virginica"])[SPECIES]
    assert classifier().fit(frame, frames.Series(species)).predict(frame).dtype.kind in "OUT"
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(frame[names[::-1]])

    series = frames.DataFrame({"value": SERIES[:, 0]})
    path = forecaster().fit(series).forecast(5)
    assert list(path.columns) == ["value"]
    np.testing.assert_array_equal(np.ravel(path), forecaster().fit(SERIES).forecast(5))
    with config_context(transform_output=library):
        pipe = make_pipeline(StandardScaler(), classifier()).fit(frame, SPECIES)
    assert pipe[-1].feature_names_in_.tolist() == names


def test_weights_of_rows_are_routed_to_the_networks():
    weight = np.where(SPECIES == 0, 0.0, 1.0)  # as if the first species were not there
    with config_context(enable_metadata_routing=True):
        own = (
            classifier(max_iter=100, tol=1e-4).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        )
        pipe = make_pipeline(StandardScaler().set_fit_request(sample_weight=True), own)
        fitted = pipe.fit(IRIS, SPECIES, sample_weight=weight)
        assert not (fitted.predict(IRIS) == 0).any()
        scorer = get_scorer("accuracy").set_score_request(sample_weight=True)
        scores = cross_validate(pipe, IRIS, SPECIES, params={"sample_weight": weight}, scoring=scorer)["test_score"]
        assert scores.mean() > 0.8
        grid = {"dopaminemlpclassifier__perturbation_scale": [0.1, 1.0]}
        search = GridSearchCV(pipe, grid, scoring=scorer, cv=3)
        assert search.fit(IRIS, SPECIES, sample_weight=weight).best_score_ > 0.8
        with pytest.raises(TypeError, match="not routed"):
            make_pipeline(classifier()).fit(IRIS, SPECIES, unknown=weight)


def test_a_forecasting_package_drives_the_regressor():
    recursive = pytest.importorskip("skforecast.recursive")
    pandas = pytest.importorskip("pandas")
    index = pandas.date_range("2020-01-01", periods=300, freq="h")
    series = pandas.Series(SERIES[:, 0], index=index, name="value")
    model = make_pipeline(StandardScaler(), DopamineMLPRegressor(max_iter=100, tol=0.01, random_state=0))
    ahead = recursive.ForecasterRecursive(model, lags=20)
    ahead.fit(series[:280])
    predicted = ahead.predict(20)
    assert predicted.index.equals(index[280:])
    assert np.sqrt(np.mean((predicted - np.sin(0.3 * np.arange(280, 300))) ** 2)) < 0.3


def adapter(name):
    """The module of an adapter that the user guide shows."""
    path = Path(__file__).parents[1] / "doc" / "adapters" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def monthly():
    """Eleven years of a shop, of which the last one is to be forecast, and covariates."""
    pandas = pytest.importorskip("pandas")
    months, rng = np.arange(132), np.random.default_rng(0)
    index = pandas.date_range("2015-01-01", periods=132, freq="MS")
    sales = 100 + months + 10 * np.sin(2 * np.pi * months / 12) + rng.standard_normal(132)
    campaigns = pandas.DataFrame({"campaign": (rng.random(132) < 0.2).astype(float)}, index)
    return pandas.Series(sales, index, name="sales"), campaigns


PLAIN = {"n_units": 30, "trainable": (), "random_state": 0}


@pytest.mark.filterwarnings("ignore:.*remember_data:FutureWarning")
def test_sktime_drives_the_forecaster():
    pytest.importorskip("sktime")
    sales, campaigns = monthly()
    esn = DopamineESNForecaster(stateful=True, **PLAIN)
    model = adapter("sktime_esn").SktimeESN(esn).fit(sales[:120])
    own = clone(esn).fit(sales[:120])
    predicted = model.predict(fh=[1, 2, 12])
    assert list(predicted.index) == list(sales.index[[120, 121, 131]])
    np.testing.assert_allclose(predicted, own.forecast(12).iloc[[0, 1, 11]])
    ends, expected = model.predict_interval(fh=[1, 12], coverage=[0.5, 0.9]), own.forecast_interval(12, [0.5, 0.9])
    for coverage in (0.5, 0.9):
        for side in ("lower", "upper"):
            np.testing.assert_allclose(
                ends["sales", coverage, side], expected[f"{side}_{100 * coverage:g}"].iloc[[0, 11]]
            )

    quantiles = model.predict_quantiles(fh=[2], alpha=[0.9, 0.1])["sales"]
    for share in (0.9, 0.1):
        np.testing.assert_allclose(quantiles[share], own.forecast_quantiles(2, share).iloc[[1]].squeeze(axis=1))

    busy = sales + 30 * campaigns["campaign"]
    known = model.clone().fit(busy[:120], X=campaigns[:120]).predict(fh=range(1, 13), X=campaigns[120:])
    assert np.abs(known - busy[120:]).mean() < 4
    with pytest.raises(ValueError, match="exog"):
        model.clone().fit(busy[:120], X=campaigns[:120]).predict(fh=[1])


def test_skforecast_drives_the_forecaster_of_windows():
    pytest.importorskip("skforecast.recursive")
    sales, _ = monthly()
    ahead = adapter("skforecast_esn").skforecast_esn(24, **PLAIN)
    ahead.fit(y=sales[:120])
    predicted = ahead.predict(12)
    assert predicted.index.equals(sales.index[120:])
    assert np.abs(predicted - sales[120:]).mean() < 2
    X, y = ahead.create_train_X_y(sales[:120])
    assert list(X.columns) == [f"lag_{k}" for k in range(1, 25)]  # the last row first: to be turned round
    windows = DopamineESNForecaster(**PLAIN).fit(X.to_numpy()[:, ::-1], y)
    np.testing.assert_allclose(predicted.iloc[0], windows.predict(sales.to_numpy()[None, 96:120])[0], rtol=1e-6)


def test_mlforecast_drives_the_forecaster_of_windows_and_its_frames_are_taken():
    pytest.importorskip("mlforecast")
    import pandas as pd

    sales, _ = monthly()
    long = pd.concat(
        [pd.DataFrame({"unique_id": f"s{k}", "ds": sales.index, "y": sales.to_numpy() + 7 * k}) for k in range(3)],
        ignore_index=True,
    )
    past, future = long[long["ds"] < "2025-01-01"], long[long["ds"] >= "2025-01-01"]
    ahead = adapter("mlforecast_esn").mlforecast_esn(24, "MS", **PLAIN).fit(past)
    assert ahead.ts.features_order_ == [f"lag{k}" for k in range(24, 0, -1)]  # in the order of time
    predicted = ahead.predict(12)
    own = DopamineESNForecaster(stateful=True, **PLAIN).fit(past).forecast(12)
    for found in (predicted.rename(columns={"esn": "y"}), own):
        assert list(found.columns) == ["unique_id", "ds", "y"]
        assert found["ds"].tolist() == future["ds"].tolist()
        assert np.abs(found["y"].to_numpy() - future["y"].to_numpy()).mean() < 2


def test_a_cluster_is_sent_the_tasks_of_a_search_and_no_updates(monkeypatch):
    distributed = pytest.importorskip("distributed")
    sent, submit = [], distributed.Client.submit
    monkeypatch.setattr(
        distributed.Client, "submit", lambda *args, **options: sent.append(args) or submit(*args, **options)
    )

    def make(**params):
        return classifier(perturbation="weight", max_iter=2, n_perturbations=8, **params)

    scores = cross_val_score(make(), IRIS, SPECIES, cv=3, scoring="neg_log_loss")
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None, silence_logs=False
    )
    with cluster, distributed.Client(cluster), parallel_config("dask"):
        for n_jobs in (None, 2):
            model = make(n_jobs=n_jobs).fit(IRIS, SPECIES)
            np.testing.assert_array_equal(model.coefs_[0], make().fit(IRIS, SPECIES).coefs_[0])
            assert sent == []
        remote = cross_val_score(make(), IRIS, SPECIES, cv=3, n_jobs=2, scoring="neg_log_loss")
    assert 1 <= len(sent) <= 3
    np.testing.assert_allclose(remote, scores, rtol=1e-7)
