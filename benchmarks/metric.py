"""Training on the metric itself, on sets with few positives, beside MLPClassifier with and without a tuned threshold.

F1, balanced accuracy and average precision on the test folds, in points, of DopamineMLPClassifier trained on that
metric and on log-loss, of MLPClassifier, and of TunedThresholdClassifierCV(MLPClassifier()) tuned on that metric (by
average precision, which no threshold moves, it is MLPClassifier). All at their defaults. Two stratified folds,
repeated; each repetition has its own folds and its own random_state. The preprocessing is fitted in the training fold,
outside the timed region, and all get the same arrays.

    python benchmarks/metric.py            # writes results/metric.md
    python benchmarks/metric.py --quick    # one repetition of small sets, prints only
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Self

import _harness
import numpy as np
from _data import Table, load, preprocessor
from sklearn.base import BaseEstimator
from sklearn.datasets import make_classification
from sklearn.metrics import get_scorer
from sklearn.model_selection import StratifiedKFold, TunedThresholdClassifierCV, train_test_split
from sklearn.neural_network import MLPClassifier

from skdopamine import DopamineMLPClassifier

TABLES = ("credit_data", "attrition", "wa_churn", "lending_club")
GENERATED = {"10 %": (0.10, 2000), "5 %": (0.05, 4000), "2 %": (0.02, 6000), "1 %": (0.01, 8000)}  # positives, rows
SETS = (*TABLES, *GENERATED)
QUICK = ("attrition", "10 %")
METRICS = {"f1": "F1", "balanced_accuracy": "balanced accuracy", "average_precision": "average precision"}
OF_LABELS = ("f1", "balanced_accuracy")  # what a threshold moves
MOST_ROWS = {"wa_churn": 4000, "lending_club": 4000}
N_FOLDS = 2
GAIN = 5.0  # points over MLPClassifier
TIME = 5.0  # MLPClassifier's fits
COLUMNS = (
    *("set", "rows", "positives (%)", "metric", "MLP", "tuned threshold", "ours, log-loss", "ours, metric"),
    *("ours, metric - MLP", "- tuned threshold", "- ours, log-loss", "MLP (s)", "ours / MLP", "tuned / MLP"),
)


class Repeated(MLPClassifier):
    """MLPClassifier, but a fit that has been done is not done again: both thresholds are tuned on the same five nets.

    A fit of the same parameters to the same rows gives the same net, so that nothing but time is spared.
    """

    known: dict[tuple[Any, ...], tuple[dict[str, Any], float]] = {}  # noqa: RUF012, shared with the clones
    spared = 0.0  # seconds

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        key = (self.random_state, X.tobytes(), y.tobytes())
        if key not in Repeated.known:
            (timed,) = _harness.alternate({"fit": lambda: super(Repeated, self).fit(X, y)})["fit"]
            Repeated.known[key] = (dict(self.__dict__), timed.seconds)
        else:
            fitted, seconds = Repeated.known[key]
            self.__dict__.update(fitted)
            Repeated.spared += seconds
        return self


class Line(NamedTuple):
    """One metric on one set: values of each fold, (folds,)."""

    name: str
    rows: int
    positives: float  # share
    metric: str
    score: dict[str, np.ndarray]  # of "mlp", "tuned", "log_loss" and "metric"
    seconds: dict[str, np.ndarray]

    def difference(self, rival: str) -> float:
        return float((self.score["metric"] - self.score[rival]).mean())

    def error(self, rival: str) -> float:
        """Standard error of the mean paired difference, as if the folds were independent."""
        paired = self.score["metric"] - self.score[rival]
        return float(paired.std(ddof=1) / np.sqrt(len(paired)))

    def ratio(self, side: str) -> float:
        return float(self.seconds[side].sum() / self.seconds["mlp"].sum())

    def cells(self) -> list[object]:
        rivals = ("mlp", "tuned", "log_loss")
        tuned = self.metric in OF_LABELS  # else the same nets, in the same order
        scores = [f"{self.score[side].mean():.1f}" for side in (*rivals, "metric")]
        paired = [f"{self.difference(rival):+.1f} ± {self.error(rival):.1f}" for rival in rivals]
        times = [f"{self.seconds['mlp'].mean():.2f}", *(f"{self.ratio(side):.2f}" for side in ("metric", "tuned"))]
        if not tuned:
            scores[1] = paired[1] = times[2] = "-"
        return [self.name, self.rows, f"{100 * self.positives:.1f}", METRICS[self.metric], *scores, *paired, *times]


def imbalanced(name: str) -> tuple[Table, np.ndarray]:
    """X and y, 1 for the rarer class."""
    if name in GENERATED:
        share, rows = GENERATED[name]
        return make_classification(
            rows,
            n_features=20,
            n_informative=8,
            n_clusters_per_class=3,
            weights=[1 - share],
            flip_y=0.01,
            random_state=0,
        )
    X, y, _ = load(name)
    y = (y == np.bincount(y).argmin()).astype(int)
    if name in MOST_ROWS:
        chosen, _ = train_test_split(np.arange(len(y)), train_size=MOST_ROWS[name], stratify=y, random_state=0)
        X, y = X.iloc[chosen], y[chosen]
    return X, y


def folds(X: Table, y: np.ndarray, seed: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield X_train, y_train, X_test, y_test of each fold, preprocessed."""
    for train, test in StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed).split(X, y):
        rows = (lambda index: X[index]) if isinstance(X, np.ndarray) else (lambda index: X.iloc[index])
        transform = preprocessor(X).fit(rows(train))
        yield transform.transform(rows(train)), y[train], transform.transform(rows(test)), y[test]


def fitted(X: np.ndarray, y: np.ndarray, seed: int, start: int) -> dict[str, tuple[BaseEstimator, float]]:
    """Fitted models and the seconds that it took: "mlp", each loss of ours, and "tuned " with a metric."""
    Repeated.known.clear()
    models: dict[str, BaseEstimator] = {
        "mlp": Repeated(random_state=seed),
        **{loss: DopamineMLPClassifier(loss=loss, random_state=seed) for loss in ("log_loss", *METRICS)},
    }
    fits: dict[str, Callable[[], Any]] = {side: (lambda m=m: m.fit(X, y)) for side, m in models.items()}
    result = {side: (timed.result, timed.seconds) for side, (timed,) in _harness.alternate(fits, start=start).items()}
    for metric in OF_LABELS:
        Repeated.spared = 0.0
        model = TunedThresholdClassifierCV(Repeated(random_state=seed), scoring=metric)
        (timed,) = _harness.alternate({"fit": lambda m=model: m.fit(X, y)})["fit"]
        result[f"tuned {metric}"] = (timed.result, timed.seconds + Repeated.spared)
    return result


def run_set(name: str, n_seeds: int) -> list[Line]:
    X, y = imbalanced(name)
    sides = {
        metric: {
            "mlp": "mlp",
            "tuned": f"tuned {metric}" if metric in OF_LABELS else "mlp",
            "log_loss": "log_loss",
            "metric": metric,
        }
        for metric in METRICS
    }
    score = {metric: {side: np.empty(n_seeds * N_FOLDS) for side in sides[metric]} for metric in METRICS}
    seconds = {metric: {side: np.empty(n_seeds * N_FOLDS) for side in sides[metric]} for metric in METRICS}
    for seed in range(n_seeds):
        for fold, (X_train, y_train, X_test, y_test) in enumerate(folds(X, y, seed), seed * N_FOLDS):
            models = fitted(X_train, y_train, seed, start=fold)
            for metric in METRICS:
                for side, key in sides[metric].items():
                    model, seconds[metric][side][fold] = models[key]
                    score[metric][side][fold] = 100 * get_scorer(metric)(model, X_test, y_test)
    return [Line(name, len(y), float(y.mean()), metric, score[metric], seconds[metric]) for metric in METRICS]


def summary(lines: list[Line]) -> list[str]:
    """Set the means over all sets beside their targets."""

    def mean(metric: str, rival: str) -> float:
        return float(np.mean([line.difference(rival) for line in lines if line.metric == metric]))

    def error(metric: str, rival: str) -> float:
        errors = [line.error(rival) for line in lines if line.metric == metric]
        return float(np.sqrt(np.sum(np.square(errors))) / len(errors))

    def label(metric: str, rival: str, over: str) -> str:
        return f"Mean {METRICS[metric]} over {over} (standard error {error(metric, rival):.2f})"

    points = {"form": "+.2f", "unit": " points"}
    notes = []
    for rival, over, least in (("mlp", "MLPClassifier", GAIN), ("tuned", "the tuned threshold", 0.0)):
        notes += [
            _harness.verdict(label(metric, rival, over), mean(metric, rival), at_least=least, **points)
            for metric in OF_LABELS
        ]
    ratio = _harness.geometric_mean([line.ratio("metric") for line in lines])
    notes.append(_harness.verdict("Geometric mean of ours / MLP in time", ratio, at_most=TIME))
    tuned = _harness.geometric_mean([line.ratio("tuned") for line in lines if line.metric in OF_LABELS])
    notes += [
        f"Geometric mean of tuned / MLP in time: {tuned:.2f}",
        f"{label('average_precision', 'mlp', 'MLPClassifier')}: {mean('average_precision', 'mlp'):+.2f} points",
        *(f"{label(m, 'log_loss', 'ours on log-loss')}: {mean(m, 'log_loss'):+.2f} points" for m in METRICS),
        "Differences are paired: mean ± standard error over the folds. Repeated folds share rows and are not "
        "independent, so that the true standard errors are larger.",
        "Positives are the rarer class. Sets named by a share are make_classification(n_features=20, n_informative=8, "
        "n_clusters_per_class=3, flip_y=0.01).",
        *(f"{name} is a stratified sample of {rows:,} rows." for name, rows in MOST_ROWS.items()),
        "Time is that of fit; the tuned threshold's is that of six fits of MLPClassifier (five folds and all rows).",
    ]
    return notes


def main() -> None:
    args = _harness.parse(_harness.parser(__doc__, seeds=5, sets=SETS))
    names = QUICK if args.quick and args.sets == list(SETS) else args.sets
    lines: list[Line] = []
    for name in names:
        lines += run_set(name, args.seeds)
        for line in lines[-len(METRICS) :]:
            _harness.progress(" | ".join(map(str, line.cells())))
    title = (
        f"Training on the metric, few positives: points on the test rows, {N_FOLDS} folds, repetitions: {args.seeds}"
    )
    _harness.write_table("metric", title, COLUMNS, [line.cells() for line in lines], summary(lines), save=args.save)


if __name__ == "__main__":
    main()
