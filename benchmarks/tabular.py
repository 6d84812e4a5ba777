"""Score and fit time of our estimators beside MLPClassifier / MLPRegressor, at the defaults of both, on 42 tables.

Each seed has its own 3 folds and its own random_state. The preprocessing is fitted in the training fold, outside the
timed region, and both sides get the same arrays. Scores are 100 * accuracy or 100 * R2. In differences an R2 below 0
counts as 0, which is what predicting the mean gets: a rival that is lost on one table would else decide the average.

    python benchmarks/tabular.py                    # writes results/tabular.md
    python benchmarks/tabular.py --hidden 100,50    # both with these layers: results/tabular_100_50.md
    python benchmarks/tabular.py --quick            # one seed of small sets, prints only

With --hidden, a run on fewer seeds or on tables below a number of rows also writes its file, which tells so.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import _harness
import numpy as np
from _data import NAMES, NOISY, Table, load, preprocessor
from sklearn.base import BaseEstimator
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor

Loaded = tuple[Table, np.ndarray, str]

QUICK = ("iris", "wine", "diabetes", "concrete")
SIDES = {
    "classification": {"ours": DopamineMLPClassifier, "mlp": MLPClassifier},
    "regression": {"ours": DopamineMLPRegressor, "mlp": MLPRegressor},
}
N_FOLDS = 3
SMALL = 2000  # rows; below it, folds choose how long ours trains
MANY_CLASSES = 10
SCORES = ("set", "rows", "features", "classes", "ours", "MLP", "difference")
COLUMNS = (*SCORES, "time ours (s)", "time MLP (s)", "ratio", "epochs ours", "epochs MLP")
POINTS = {"form": "+.2f", "unit": " points"}


class Targets(NamedTuple):
    """What the figures over all sets are to reach: points, and our time over the rival's."""

    mean: float
    worst: float
    median: float | None = None
    time: float | None = None
    time_small: float | None = None  # of the sets below SMALL rows
    time_large: float | None = None


DEFAULTS = Targets(mean=0.8, worst=-1.0, time_small=1.2, time_large=0.45)
OTHER_LAYERS = Targets(mean=1.0, median=0.3, worst=-1.5, time=0.7)


class Line(NamedTuple):
    """One set: medians over the seeds."""

    name: str
    rows: int
    features: int  # after the preprocessing
    classes: int  # 0 for regression
    score: dict[str, float]
    counted: dict[str, float]  # the same with each fold's score below 0 as 0
    seconds: dict[str, float]
    ratios: dict[str, float]  # our time over that of each rival
    epochs: dict[str, float]

    def over(self, rival: str) -> float:
        """Points that ours is better by."""
        return self.counted["ours"] - self.counted[rival]

    @property
    def difference(self) -> float:
        return self.over("mlp")

    @property
    def ratio(self) -> float:
        return self.ratios["mlp"]

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


def run_set(name: str, n_seeds: int, make: Callable[[str, int], dict[str, Any]], table: Loaded | None = None) -> Line:
    """Fit and score on each fold of each seed what `make` gives for the task and the seed, in alternating order."""
    X, y, task = table or load(name)
    sides = list(make(task, 0))
    score, seconds, epochs = ({side: np.empty((n_seeds, N_FOLDS)) for side in sides} for _ in range(3))
    for seed in range(n_seeds):
        for fold, (X_train, y_train, X_test, y_test) in enumerate(folds(X, y, task, seed)):
            models = make(task, seed)
            fits = {side: (lambda m=m, X=X_train, y=y_train: m.fit(X, y)) for side, m in models.items()}
            for side, (timed,) in _harness.alternate(fits, start=seed * N_FOLDS + fold).items():
                score[side][seed, fold] = 100 * timed.result.score(X_test, y_test)
                seconds[side][seed, fold] = timed.seconds
                epochs[side][seed, fold] = np.max(getattr(timed.result, "n_iter_", np.nan))
    total = {side: value.sum(axis=1) for side, value in seconds.items()}
    return Line(
        name=name,
        rows=len(y),
        features=X_train.shape[1],
        classes=len(np.unique(y)) if task == "classification" else 0,
        score={side: float(np.median(value.mean(axis=1))) for side, value in score.items()},
        counted={side: float(np.median(value.clip(0).mean(axis=1))) for side, value in score.items()},
        seconds={side: float(np.median(value)) for side, value in total.items()},
        ratios={side: float(np.median(total["ours"] / value)) for side, value in total.items() if side != "ours"},
        epochs={side: float(np.median(value)) for side, value in epochs.items()},
    )


def run_sets(
    names: list[str], below: int | None, n_seeds: int, make: Callable[[str, int], dict[str, Any]]
) -> list[Line]:
    """One line for each of these sets that has fewer rows than `below`."""
    lines = []
    for number, name in enumerate(names, 1):
        table = load(name)
        if below is None or len(table[1]) < below:
            lines.append(run_set(name, n_seeds, make, table))
            _harness.progress(f"{number}/{len(names)} " + " | ".join(map(str, lines[-1].cells())))
    return lines


def lost(lines: list[Line], titles: dict[str, str]) -> list[str]:
    """Tell which scores count as more than they are."""
    which = [
        f"{titles[side]} on {line.name} ({line.score[side]:.2f})"
        for line in lines
        for side in titles
        if line.counted[side] > line.score[side]
    ]
    return [f"Folds with an R2 below 0 count as 0 in the differences: {', '.join(which) or 'none'}"]


def time_notes(lines: list[Line], targets: Targets) -> list[str]:
    """Set the time ratios beside their targets: of all sets, and of the small and the large ones."""
    small = [line.ratio for line in lines if line.rows < SMALL]
    large = [line.ratio for line in lines if line.rows >= SMALL]
    notes = []
    for label, ratios, target in (
        ("of all sets", small + large, targets.time),
        (f"of the {len(small)} sets below {SMALL} rows", small, targets.time_small),
        (f"of the {len(large)} sets of {SMALL} rows and more", large, targets.time_large),
    ):
        if ratios:
            mean, text = _harness.geometric_mean(ratios), f"Geometric mean of the time ratios {label}"
            told = f"{text}: {mean:.2f}" if target is None else _harness.verdict(text, mean, at_most=target)
            notes.append(told)
    many = [line.ratio for line in lines if line.classes >= MANY_CLASSES]
    if 0 < len(many) < len(lines):
        others = _harness.geometric_mean([line.ratio for line in lines if line.classes < MANY_CLASSES])
        label = f"Geometric mean of the sets of {MANY_CLASSES} classes and more, beside all others"
        notes.append(_harness.verdict(label, _harness.geometric_mean(many), at_most=others))
    return notes


def summary(lines: list[Line], targets: Targets) -> list[str]:
    """Set the figures over all sets beside their targets."""
    differences = [line.difference for line in lines]
    worst = min(lines, key=lambda line: line.difference)
    below = [line.name for line in lines if not line.difference >= targets.worst]
    mean, median = float(np.mean(differences)), float(np.median(differences))
    better = sum(difference > 0 for difference in differences)
    middle = f"Median difference: {median:+.2f} points"
    if targets.median is not None:
        middle = _harness.verdict("Median difference", median, at_least=targets.median, **POINTS)
    notes = [
        _harness.verdict("Mean difference", mean, at_least=targets.mean, **POINTS),
        f"{middle}; better on {better} of {len(lines)} sets",
        _harness.verdict(f"Worst set, {worst.name}", worst.difference, at_least=targets.worst, **POINTS),
        _harness.verdict(
            f"Sets below {targets.worst} ({', '.join(below) or 'none'})", len(below), at_most=0, form=".0f"
        ),
    ]
    for label, noisy in (("Small noisy sets", True), ("All other sets", False)):
        some = [line for line in lines if (line.name in NOISY) == noisy]
        if some:
            least = min(some, key=lambda line: line.difference)
            of_some = [line.difference for line in some]
            notes.append(
                f"{label} ({len(some)}): mean {np.mean(of_some):+.2f}, median {np.median(of_some):+.2f}, "
                f"worst {least.difference:+.2f} points ({least.name})"
            )
    return [*notes, *time_notes(lines, targets), *lost(lines, {"ours": "ours", "mlp": "MLP"})]


def main() -> None:
    parser = _harness.parser(__doc__, seeds=5, sets=NAMES)
    parser.add_argument("--hidden", help="hidden layer sizes of both sides, as 100,50 (default: their defaults)")
    parser.add_argument("--below", type=int, metavar="ROWS", help="only sets with fewer rows (default: all)")
    args = _harness.parse(parser)
    params: dict[str, Any] = {}
    if args.hidden:
        params["hidden_layer_sizes"] = tuple(int(units) for units in args.hidden.split(","))
    names = list(QUICK) if args.quick and args.sets == NAMES else args.sets
    lines = run_sets(names, args.below, args.seeds, lambda task, seed: estimators(task, random_state=seed, **params))
    hidden = params.get("hidden_layer_sizes", ())
    setting = f"hidden layers {hidden}" if params else "defaults of both"
    some = f"only sets below {args.below:,} rows; " if args.below else ""
    medians = f"medians over the seeds, seeds: {args.seeds}"
    title = f"Tables: scores in points, time of {N_FOLDS} fits, {setting}; {some}{medians}"
    # one seed, or the smaller sets, of other layers is a table of its own
    save = args.whole if params else args.save and not args.below
    table = "_".join(["tabular", *map(str, hidden)])
    notes = summary(lines, OTHER_LAYERS if params else DEFAULTS)
    _harness.write_table(table, title, COLUMNS, [line.cells() for line in lines], notes, save=save)


if __name__ == "__main__":
    main()
