"""Peak memory of `fit` beyond the data, 50,000 x 100 float64, ours beside MLPClassifier / MLPRegressor.

Each figure comes from a fresh process in which the data exist and a small fit has already run (so that imports do not
count). Two measures, each in a process of its own: the peak of the traced allocations during `fit` (tracemalloc, to
which numpy reports; the target is set on it), and the growth of the peak resident size (ru_maxrss), which also holds
BLAS buffers and what the allocator keeps.

    python benchmarks/memory.py            # writes results/memory.md
    python benchmarks/memory.py --quick    # 2,000 rows, prints only
"""

import json
import resource
import statistics
import subprocess
import sys
import tracemalloc
from typing import Any

import _harness
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor

ROWS, FEATURES = 50_000, 100
MEGABYTE = 2**20
RSS_UNIT = 1 if sys.platform == "darwin" else 1024
VARIANTS: dict[str, tuple[dict[str, type[BaseEstimator]], dict[str, Any]]] = {
    "ours": ({"classification": DopamineMLPClassifier, "regression": DopamineMLPRegressor}, {}),
    'ours, perturbation="weight"': (
        {"classification": DopamineMLPClassifier, "regression": DopamineMLPRegressor},
        {"perturbation": "weight"},
    ),
    "MLP": ({"classification": MLPClassifier, "regression": MLPRegressor}, {}),
}
TASKS = ("classification", "regression")
MEASURES = ("traced", "resident")


def make_data(task: str, n_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Make data without temporary arrays that would raise the peak before the fit."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_rows, FEATURES))
    y = X @ rng.standard_normal(FEATURES) / np.sqrt(FEATURES)
    return X, (y > 0).astype(int) if task == "classification" else y


def peak_of_fit(variant: str, task: str, measure: str, n_rows: int, seed: int) -> float:
    """Measure one fit in this process, in megabytes."""
    X, y = make_data(task, n_rows, seed)
    classes, params = VARIANTS[variant]
    model = classes[task](hidden_layer_sizes=(100,), max_iter=3, random_state=seed, **params)
    model.fit(X[:20], y[:20])  # too small to leave buffers behind
    if measure == "traced":
        tracemalloc.start()
        model.fit(X, y)
        return tracemalloc.get_traced_memory()[1] / MEGABYTE
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model.fit(X, y)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * RSS_UNIT / MEGABYTE


def in_fresh_process(*case: object) -> float:
    """Run `peak_of_fit` with these arguments in a new interpreter."""
    command = [sys.executable, __file__, "--case", json.dumps(case)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main() -> None:
    parser = _harness.parser(__doc__, seeds=1)
    parser.add_argument("--case", type=json.loads, help="measure one case in this process (what the script calls)")
    args = _harness.parse(parser)
    if args.case:
        print(peak_of_fit(*args.case))
        return
    n_rows = 2_000 if args.quick else ROWS
    rows, notes = [], []
    for task in TASKS:
        traced: dict[str, float] = {}
        for variant in VARIANTS:
            figures = [
                statistics.median(in_fresh_process(variant, task, measure, n_rows, seed) for seed in range(args.seeds))
                for measure in MEASURES
            ]
            traced[variant] = figures[0]
            rows.append([task, variant, *(f"{figure:.1f}" for figure in figures)])
            _harness.progress(" | ".join(rows[-1]))
        for variant in list(VARIANTS)[:-1]:
            label = f"{task}, {variant}, traced, beside MLP"
            notes.append(_harness.verdict(label, traced[variant], at_most=traced["MLP"], form=".1f", unit=" MB"))
    size = n_rows * FEATURES * 8 / MEGABYTE
    title = f"Memory: peak of `fit` beyond the data, {n_rows:,} x {FEATURES} float64 (itself {size:.1f} MB), 3 epochs"
    columns = ("task", "estimator", "traced peak (MB)", "growth of resident peak (MB)")
    _harness.write_table("memory", title, columns, rows, notes, save=args.save)


if __name__ == "__main__":
    main()
