"""Searches on a cluster: what GridSearchCV on two workers of Dask costs, beside one process and beside MLPClassifier.

Four values of `perturbation_scale` (of `alpha` for MLPClassifier), three folds, a fixed number of epochs. Searches of
one data set are made in turn, after one that is not counted. What is spent is the processor time of this process and of
the workers, relative to that of the same search in one process; seconds on the clock are given beside. What counts is
whether the cluster costs more for our estimator than for scikit-learn's.

    python benchmarks/searches.py            # writes results/searches.md; takes distributed (extra `dask`)
    python benchmarks/searches.py --quick    # one repetition, prints only
"""

import logging
import statistics
import time
from collections.abc import Callable

import _harness as harness
import numpy as np
from distributed import Client, LocalCluster
from joblib import parallel_config
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import scale

from skdopamine import DopamineMLPClassifier

SETS = {"breast cancer": load_breast_cancer, "digits": load_digits}
MODELS = ("DopamineMLPClassifier", "MLPClassifier")
REPETITIONS, EPOCHS, LAYERS = 3, 40, (64,)
DEARER = 1.1  # at most, relative to what the cluster makes of MLPClassifier


def searched(name: str) -> GridSearchCV:
    """A search of twelve fits that run all epochs."""
    fixed = {"max_iter": EPOCHS, "tol": 0.0, "early_stopping": False, "random_state": 0}
    if name == "MLPClassifier":
        model, grid = MLPClassifier(LAYERS, n_iter_no_change=EPOCHS, **fixed), {"alpha": [1e-5, 1e-4, 1e-3, 1e-2]}
    else:
        model = DopamineMLPClassifier(LAYERS, n_iter_no_change=np.inf, **fixed)
        grid = {"perturbation_scale": [0.03, 0.1, 0.3, 1.0]}
    return GridSearchCV(model, grid, cv=3, refit=False)


def spent(client: Client) -> float:
    """Processor seconds of this process and of the workers so far."""
    return time.process_time() + sum(client.run(time.process_time).values())


def measure(
    client: Client, name: str, repetitions: int
) -> dict[tuple[str, bool], list[tuple[float, float, np.ndarray]]]:
    """(estimator, on the cluster) -> processor seconds, seconds and scores of each search."""
    X, y = SETS[name](return_X_y=True)
    X = scale(X)

    def run(model: str, remote: bool) -> Callable[[], tuple[float, np.ndarray]]:
        def timed() -> tuple[float, np.ndarray]:
            begin, search = spent(client), searched(model)
            if remote:
                with parallel_config("dask"):
                    search.set_params(n_jobs=2).fit(X, y)
            else:
                search.fit(X, y)
            return spent(client) - begin, search.cv_results_["mean_test_score"]

        return timed

    runs = {(model, remote): run(model, remote) for model in MODELS for remote in (False, True)}
    harness.alternate({key: function for key, function in runs.items() if key[1]})  # workers have imported all
    times = harness.alternate(runs, repetitions)
    return {key: [(run.result[0], run.seconds, run.result[1]) for run in timed] for key, timed in times.items()}


def main() -> None:
    parser = harness.parser(__doc__, seeds=1, sets=list(SETS))
    args = harness.parse(parser)
    rows, notes, repetitions = [], [], 1 if args.quick else REPETITIONS
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL)
    with cluster, Client(cluster) as client:
        for name in args.sets:
            found, ratios = measure(client, name, repetitions), {}
            for model in MODELS:
                pairs = list(zip(found[model, True], found[model, False], strict=True))
                ratios[model], clock = (statistics.median(far[k] / own[k] for far, own in pairs) for k in (0, 1))
                same = all(np.array_equal(far[2], own[2]) for far, own in pairs)
                rows.append([name, model, f"{ratios[model]:.2f}", f"{clock:.2f}", "yes" if same else "no"])
                harness.progress(str(rows[-1]))
            ratio = ratios["DopamineMLPClassifier"] / ratios["MLPClassifier"]
            label = f"{name}: cost on the cluster, relative to that of MLPClassifier times the ratio of fit times"
            notes.append(harness.verdict(label, ratio, at_most=DEARER))
    notes += [
        f"Twelve fits of {EPOCHS} epochs, layers of {LAYERS}; medians of {repetitions} searches of each kind.",
        "The machine has two logical CPUs, which others used as well: the clock says little here.",
    ]
    columns = ["data", "estimator", "processor time, Dask / one process", "clock, Dask / one process", "same scores"]
    harness.write_table("searches", "Searches on two workers of Dask", columns, rows, notes, save=args.save)


if __name__ == "__main__":
    main()
