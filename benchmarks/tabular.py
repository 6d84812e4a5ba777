"""Score and fit time of our estimators beside MLPClassifier / MLPRegressor, at the defaults of both, on 27 tables.

Each seed has its own 3 folds and its own random_state. The preprocessing is fitted in the training fold, outside the
timed region, and both sides get the same arrays. Scores are 100 * accuracy or 100 * R2.

    python benchmarks/tabular.py                    # writes results/tabular.md
    python benchmarks/tabular.py --hidden 100,50    # both with these layers: results/tabular_100_50.md
    python benchmarks/tabular.py --quick            # one seed of small sets, prints only
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import _harness
import numpy as np
from _data import NAMES, load, preprocessor
from sklearn.base import BaseEstimator
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor

QUICK = ("iris", "wine", "diabetes", "concrete")
SIDES = {
    "classification": {"ours": DopamineMLPClassifier, "mlp": MLPClassifier},
    "regression": {"ours": DopamineMLPRegressor, "mlp": MLPRegressor},
}
N_FOLDS = 3
TOLERATED = -1.5  # points that a set may be worse by
MANY_CLASSES = 10
SCORES = ("set", "rows", "features", "classes", "ours", "MLP", "difference")
COLUMNS = (*SCORES, "time ours (s)", "time MLP (s)", "ratio", "epochs ours", "epochs MLP")


class Line(NamedTuple):
    """One set: medians over the seeds."""

    name: str
    rows: int
    features: int  # after the preprocessing
    classes: int  # 0 for regression
    score: dict[str, float]
    seconds: dict[str, float]
    ratio: float
    epochs: dict[str, float]

    @property
    def difference(self) -> float:
        return self.score["ours"] - self.score["mlp"]

    def cells(self) -> list[object]:
        both = [*(f"{self.score[side]:.2f}" for side in ("ours", "mlp")), f"{self.difference:+.2f}"]
        times = [*(f"{self.seconds[side]:.2f}" for side in ("ours", "mlp")), f"{self.ratio:.2f}"]
        epochs = [f"{self.epochs[side]:.0f}" for side in ("ours", "mlp")]
        return [self.name, self.rows, self.features, self.classes or "-", *both, *times, *epochs]


def folds(X: Any, y: np.ndarray, task: str, seed: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield X_train, y_train, X_test, y_test of each fold, preprocessed."""
    splitter = StratifiedKFold if task == "classification" else KFold
    for train, test in splitter(N_FOLDS, shuffle=True, random_state=seed).split(X, y):
        rows = (lambda index: X[index]) if isinstance(X, np.ndarray) else (lambda index: X.iloc[index])
        transform = preprocessor(X).fit(rows(train))
        yield transform.transform(rows(train)), y[train], transform.transform(rows(test)), y[test]


def estimators(task: str, **params: Any) -> dict[str, BaseEstimator]:
    """Make one estimator per side, with these parameters beyond the defaults."""
    return {side: make(**params) for side, make in SIDES[task].items()}


def run_set(name: str, n_seeds: int, params: dict[str, Any]) -> Line:
    X, y, task = load(name)
    shape = (n_seeds, N_FOLDS)
    score, seconds, epochs = ({side: np.empty(shape) for side in SIDES[task]} for _ in range(3))
    for seed in range(n_seeds):
        for fold, (X_train, y_train, X_test, y_test) in enumerate(folds(X, y, task, seed)):
            models = estimators(task, random_state=seed, **params)
            fits = {side: (lambda m=m, X=X_train, y=y_train: m.fit(X, y)) for side, m in models.items()}
            for side, (timed,) in _harness.alternate(fits, start=seed * N_FOLDS + fold).items():
                score[side][seed, fold] = 100 * timed.result.score(X_test, y_test)
                seconds[side][seed, fold] = timed.seconds
                epochs[side][seed, fold] = timed.result.n_iter_
    total = {side: value.sum(axis=1) for side, value in seconds.items()}
    return Line(
        name=name,
        rows=len(y),
        features=X_train.shape[1],
        classes=len(np.unique(y)) if task == "classification" else 0,
        score={side: float(np.median(value.mean(axis=1))) for side, value in score.items()},
        seconds={side: float(np.median(value)) for side, value in total.items()},
        ratio=float(np.median(total["ours"] / total["mlp"])),
        epochs={side: float(np.median(value)) for side, value in epochs.items()},
    )


def summary(lines: list[Line], time_target: float) -> list[str]:
    """Set the figures over all sets beside their targets."""
    worst = min(lines, key=lambda line: line.difference)
    below = [line.name for line in lines if not line.difference >= TOLERATED]
    mean = float(np.mean([line.difference for line in lines]))
    ratio = _harness.geometric_mean([line.ratio for line in lines])
    points = {"form": "+.2f", "unit": " points"}
    notes = [
        _harness.verdict("Mean difference", mean, at_least=0.0, **points),
        _harness.verdict(f"Worst set, {worst.name}", worst.difference, at_least=TOLERATED, **points),
        _harness.verdict(f"Sets below {TOLERATED} ({', '.join(below) or 'none'})", len(below), at_most=0, form=".0f"),
        _harness.verdict("Geometric mean of the time ratios", ratio, at_most=time_target),
    ]
    many = [line.ratio for line in lines if line.classes >= MANY_CLASSES]
    if 0 < len(many) < len(lines):
        others = _harness.geometric_mean([line.ratio for line in lines if line.classes < MANY_CLASSES])
        label = f"Geometric mean of the sets of {MANY_CLASSES} classes and more, beside all others"
        notes.append(_harness.verdict(label, _harness.geometric_mean(many), at_most=others))
    return notes


def main() -> None:
    parser = _harness.parser(__doc__, seeds=5, sets=NAMES)
    parser.add_argument("--hidden", help="hidden layer sizes of both sides, as 100,50 (default: their defaults)")
    args = _harness.parse(parser)
    params: dict[str, Any] = {}
    if args.hidden:
        params["hidden_layer_sizes"] = tuple(int(units) for units in args.hidden.split(","))
    names = QUICK if args.quick and args.sets == NAMES else args.sets
    lines = []
    for number, name in enumerate(names, 1):
        lines.append(run_set(name, args.seeds, params))
        _harness.progress(f"{number}/{len(names)} " + " | ".join(map(str, lines[-1].cells())))
    hidden = params.get("hidden_layer_sizes", ())
    setting = f"hidden layers {hidden}" if params else "defaults of both"
    title = f"Tables: scores in points, time of {N_FOLDS} fits, {setting}; medians over the seeds, seeds: {args.seeds}"
    notes = summary(lines, time_target=1.2 if params else 0.8)
    save = args.whole if params else args.save  # one seed of other layers is a table of its own
    table = "_".join(["tabular", *map(str, hidden)])
    _harness.write_table(table, title, COLUMNS, [line.cells() for line in lines], notes, save=save)


if __name__ == "__main__":
    main()
