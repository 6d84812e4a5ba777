"""Score and fit time of our estimators beside MLPClassifier / MLPRegressor, at the defaults of both, on 42 tables.

Each seed has its own 3 folds and its own random_state. The preprocessing is fitted in the training fold, outside the
timed region, and both sides get the same arrays. Scores are 100 * accuracy or 100 * R2. In differences an R2 below 0
counts as 0, which is what predicting the mean gets: a rival that is lost on one table would else decide the average.

    python benchmarks/tabular.py                    # writes results/tabular.md
    python benchmarks/tabular.py --hidden 100,50    # both with these layers: results/tabular_100_50.md
    python benchmarks/tabular.py --anchors          # beside models of other kinds, too: results/tabular_anchors*.md
    python benchmarks/tabular.py --quick            # one seed of small sets, prints only

A run on three seeds and more writes its file. With --hidden and --anchors, so does one on fewer seeds, or on tables
below a number of rows, which the file then tells. --anchors takes the tables below 2,000 rows unless told otherwise by
--below, and needs the extra `anchors` for RealMLP-TD-S, without which no file is written.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import _anchors
import _harness
import numpy as np
from _data import NAMES, NOISY, Table, load, preprocessor
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor

Loaded = tuple[Table, np.ndarray, str]

QUICK = ("iris", "wine", "diabetes", "concrete")
SIDES = {
    "classification": {"ours": DopamineMLPClassifier, "mlp": MLPClassifier},
    "regression": {"ours": DopamineMLPRegressor, "mlp": MLPRegressor},
}
METRICS = {"classification": accuracy_score, "regression": r2_score}
N_FOLDS = 3
LEAST_SEEDS = 3  # that a table at the defaults is made of
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
MEAN_OVER_REALMLP, TIME_OF_REALMLP, WORST_OVER_LINEAR = -0.1, 0.1, -2.0


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
                score[side][seed, fold] = 100 * METRICS[task](y_test, timed.result.predict(X_test))
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


def anchor_cells(lines: list[Line], rival: str) -> list[str]:
    """Ours beside one rival, over all sets and over the small noisy ones."""
    cells = []
    for some in (lines, [line for line in lines if line.name in NOISY]):
        if not some:
            cells += ["-"] * 3
            continue
        worst = min(some, key=lambda line: line.over(rival))
        of_some = [line.over(rival) for line in some]
        cells += [f"{value:+.2f}" for value in (np.mean(of_some), np.median(of_some))]
        cells += [f"{worst.over(rival):+.2f} ({worst.name})"]
    return [*cells, f"{_harness.geometric_mean([line.ratios[rival] for line in lines]):.2f}"]


def anchor_notes(lines: list[Line], titles: dict[str, str]) -> list[str]:
    """Set ours beside the network with torch and, on small noisy sets, the linear models."""
    notes = []
    if (realmlp := _anchors.REALMLP) in titles:
        mean = float(np.mean([line.over(realmlp) for line in lines]))
        ratio = _harness.geometric_mean([line.ratios[realmlp] for line in lines])
        notes = [
            _harness.verdict(f"Mean difference to {realmlp}", mean, at_least=MEAN_OVER_REALMLP, **POINTS),
            _harness.verdict(f"Our time over that of {realmlp}, geometric mean", ratio, at_most=TIME_OF_REALMLP),
        ]
    noisy = [line for line in lines if line.name in NOISY]
    if noisy:
        worst = min(noisy, key=lambda line: line.over(_anchors.LINEAR))
        behind = [line.name for line in noisy if line.over(_anchors.LINEAR) < WORST_OVER_LINEAR]
        label = f"Worst small noisy set beside the linear model, {worst.name}"
        verdict = _harness.verdict(label, worst.over(_anchors.LINEAR), at_least=WORST_OVER_LINEAR, **POINTS)
        notes.append(f"{verdict}; sets below: {', '.join(behind) or 'none'}")
    return [*notes, *lost(lines, titles)]


def beside_anchors(names: list[str], below: int, n_seeds: int, save: bool) -> None:
    """Print ours beside each anchor, and the scores of all on each set."""
    if not _anchors.HAS_REALMLP:
        _harness.progress(f"{_anchors.REALMLP} is left out and no file is written: pytabkit is not installed")
    _anchors.warm_up()

    def make(task: str, seed: int) -> dict[str, Any]:
        return {**estimators(task, random_state=seed), **_anchors.make(task, seed)}

    lines = run_sets(names, below, n_seeds, make)
    titles = {side: "MLP" if side == "mlp" else side for side in lines[0].score}
    rivals = [side for side in titles if side != "ours"]
    runs = f"sets below {below:,} rows: {len(lines)}; medians over the seeds, seeds: {n_seeds}"
    notes = [
        *anchor_notes(lines, titles),
        "linear: logistic regression or ridge, the penalty by cross-validation; all get the same numbers, categories "
        f"one-hot; anchors: {_anchors.versions()}",
    ]
    over = [[titles[rival], *anchor_cells(lines, rival)] for rival in rivals]
    columns = ("beside", "mean", "median", "worst", "noisy: mean", "noisy: median", "noisy: worst", "our time over its")
    save = save and _anchors.HAS_REALMLP
    title = f"Ours at the defaults beside models of other kinds, points by which ours is better; {runs}"
    _harness.write_table("tabular_anchors", title, columns, over, notes, save=save)
    cells = [
        [line.name, line.rows, line.features, line.classes or "-"]
        + [f"{line.score[side]:.2f}" for side in titles]
        + [f"{line.seconds[side]:.2f}" for side in titles]
        for line in lines
    ]
    columns = ("set", "rows", "features", "classes", *titles.values(), *(f"{side} (s)" for side in titles.values()))
    title = f"Scores in points and time of {N_FOLDS} fits beside models of other kinds; {runs}"
    _harness.write_table("tabular_anchors_sets", title, columns, cells, save=save)


def main() -> None:
    parser = _harness.parser(__doc__, seeds=5, sets=NAMES)
    parser.add_argument("--hidden", help="hidden layer sizes of both sides, as 100,50 (default: their defaults)")
    parser.add_argument("--below", type=int, metavar="ROWS", help="only sets with fewer rows (default: all)")
    parser.add_argument("--anchors", action="store_true", help="beside RealMLP-TD-S, trees and linear models, too")
    args = _harness.parse(parser)
    if args.anchors and args.hidden:
        parser.error("--anchors is at the defaults, without --hidden")
    params: dict[str, Any] = {}
    if args.hidden:
        params["hidden_layer_sizes"] = tuple(int(units) for units in args.hidden.split(","))
    names = list(QUICK) if args.quick and args.sets == NAMES else args.sets
    if args.anchors:
        beside_anchors(names, args.below or SMALL, args.seeds, args.whole)
        return
    lines = run_sets(names, args.below, args.seeds, lambda task, seed: estimators(task, random_state=seed, **params))
    hidden = params.get("hidden_layer_sizes", ())
    setting = f"hidden layers {hidden}" if params else "defaults of both"
    some = f"only sets below {args.below:,} rows; " if args.below else ""
    medians = f"medians over the seeds, seeds: {args.seeds}"
    title = f"Tables: scores in points, time of {N_FOLDS} fits, {setting}; {some}{medians}"
    # one seed, or the smaller sets, of other layers is a table of its own
    save = args.whole and bool(params or (args.seeds >= LEAST_SEEDS and not args.below))
    table = "_".join(["tabular", *map(str, hidden)])
    notes = summary(lines, OTHER_LAYERS if params else DEFAULTS)
    _harness.write_table(table, title, COLUMNS, [line.cells() for line in lines], notes, save=save)


if __name__ == "__main__":
    main()
