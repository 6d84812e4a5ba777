"""Derivative-free networks on breast cancer, 16 hidden units: time to their final accuracy, theirs and ours.

`mlrose-hiive` and `metaperceptron` need libraries of their own and run in a child process, by the interpreters given;
only their fit is timed, on the same standardised folds. `cma` (CMA-ES on the same loss) runs here if it is installed.

    python benchmarks/rivals.py [--quick] [--seeds N] [--mlrose PYTHON] [--metaperceptron PYTHON]
"""

import json
import shutil
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import _harness as harness
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from xor import Mark, watch

from skdopamine import DopamineMLPClassifier
from skdopamine._mlp import network as _network
from skdopamine._mlp.activations import ACTIVATIONS
from skdopamine._mlp.network import Network
from skdopamine._objectives.base import LogisticLoss

try:
    import cma
except ImportError:
    cma = None

HIDDEN, FOLDS, FACTOR, CMA_START, CMA_ITERATIONS = 16, 3, 20, 0.1, 100
NETWORK = Network((30, HIDDEN, 1), (ACTIVATIONS["relu"],))
CHILDREN = {
    "mlrose-hiive, random_hill_climb": {"algorithm": "random_hill_climb", "max_iters": 1000, "learning_rate": 0.1},
    "mlrose-hiive, genetic_alg": {"algorithm": "genetic_alg", "max_iters": 20, "pop_size": 200},
    "metaperceptron, BaseGA": {"optim": "BaseGA", "optim_params": {"epoch": 100, "pop_size": 20}},
    "metaperceptron, OriginalPSO": {"optim": "OriginalPSO", "optim_params": {"epoch": 100, "pop_size": 20}},
}
CHILD = """
import json, sys, time, warnings, numpy as np
warnings.simplefilter("ignore")
package, hidden, settings, *files = sys.argv[1:]
settings, hidden, scores, seconds = json.loads(settings), int(hidden), [], []
for seed, file in enumerate(files):
    data = np.load(file)
    if package == "mlrose-hiive":
        from mlrose_hiive import NeuralNetwork
        model = NeuralNetwork(hidden_nodes=[hidden], activation="relu", random_state=seed, **settings)
    else:
        from metaperceptron import MhaMlpClassifier
        model = MhaMlpClassifier(hidden_layers=(hidden,), seed=seed, verbose=False, **settings)
    begin = time.perf_counter()
    model.fit(data["X"], data["y"])
    seconds.append(time.perf_counter() - begin)
    scores.append(float(np.mean(np.ravel(model.predict(data["X_test"])) == data["y_test"])))
print(json.dumps([scores, seconds]))
"""
NOTES = (
    "Accuracy in points, mean over seeds x folds. To its accuracy: seconds until the mean test accuracy was first that "
    "of the fitted model, for the methods that can be watched (ours, cma), else the whole fit. Factor: the quotient of "
    "the two; 0 where ours does not get there. Whole fits: the quotient of the whole fits' seconds. cma runs for "
    f"{CMA_ITERATIONS} iterations, since more overfit.",
)


class Fold(NamedTuple):
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


class Outcome(NamedTuple):
    """One method: on each fold its accuracy, its seconds and, if it can be watched, both after each of its epochs."""

    scores: list[float]
    seconds: list[float]
    curves: list[np.ndarray]  # each (2, epochs)


def folds(n_seeds: int) -> list[Fold]:
    (X, y), result = load_breast_cancer(return_X_y=True), []
    for seed in range(n_seeds):
        for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(X, y):
            scaler = StandardScaler().fit(X[train])
            result.append(Fold(scaler.transform(X[train]), y[train], scaler.transform(X[test]), y[test]))
    return result


def accuracy(params: np.ndarray, fold: Fold) -> float:
    return float(np.mean((_network.forward(NETWORK, params, fold.X_test)[:, 0] > 0) == fold.y_test))


def fitted(fold: Fold, seed: int, *, kind: Any) -> tuple[float, list[Mark]]:
    """Fit as shipped; our parameters after each epoch are kept, to be scored when the clock has stopped."""
    with watch() as marks:
        model = kind((HIDDEN,), random_state=seed).fit(fold.X, fold.y)
    return model.score(fold.X_test, fold.y_test), marks


def evolution(fold: Fold, seed: int, *, diagonal: bool, iterations: int) -> tuple[float, list[Mark]]:
    """CMA-ES, or its separable variant, on the log-loss of all training rows."""
    marks, begin = [], time.perf_counter()
    start = _network.init_params(NETWORK, ACTIVATIONS["relu"].gain, np.random.default_rng(seed), np.float64)
    options = {"seed": seed + 1, "verbose": -9, "maxiter": iterations, "CMA_diagonal": diagonal}
    search = cma.CMAEvolutionStrategy(start, CMA_START, options)
    objective, target = LogisticLoss(), fold.y[:, None].astype(float)
    while not search.stop():
        population = search.ask()
        weights, biases = _network.unpack(NETWORK, np.array(population))
        outputs = _network.forward_layers(NETWORK.activations, weights, biases, fold.X)
        search.tell(population, objective.values(outputs, target).mean(axis=1).tolist())
        marks.append(Mark(time.perf_counter() - begin, search.countevals, search.best.x))
    return accuracy(search.best.x, fold), marks


def run_here(data: list[Fold], iterations: int) -> dict[str, Outcome | str]:
    kinds = {"ours": DopamineMLPClassifier, "MLPClassifier": MLPClassifier}
    methods = {name: partial(fitted, kind=kind) for name, kind in kinds.items()}
    for name in ("full", "diagonal"):
        methods[f"cma, {name}"] = partial(evolution, diagonal=name == "diagonal", iterations=iterations)
    missing = {} if cma else {name: "not run: not installed" for name in methods if "cma" in name}
    outcomes = {name: Outcome([], [], []) for name in methods if name not in missing}
    for seed, fold in enumerate(data):
        functions = {name: partial(methods[name], fold, seed) for name in outcomes}
        for name, (run,) in harness.alternate(functions, start=seed).items():
            score, marks = run.result
            outcomes[name].scores.append(score)
            outcomes[name].seconds.append(run.seconds)
            if marks:
                outcomes[name].curves.append(np.array([(accuracy(m.params, fold), m.seconds) for m in marks]).T)
        harness.progress(f"fold {seed}")
    return {**outcomes, **missing}


def run_child(python: str, name: str, data: list[Fold]) -> Outcome | str:
    """A package in another environment, or why it has not run."""
    child = str(Path(shutil.which(python) or python).absolute())
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / f"{i}.npz") for i in range(len(data))]
        for file, fold in zip(files, data, strict=True):
            np.savez(file, **fold._asdict())
        command = [child, "-c", CHILD, name.partition(",")[0], str(HIDDEN), json.dumps(CHILDREN[name]), *files]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        return f"failed: {done.stderr.strip().splitlines()[-1]}"
    harness.progress(name)
    return Outcome(*json.loads(done.stdout.splitlines()[-1]), [])


def time_to(level: float, curves: list[np.ndarray]) -> float:
    """Mean seconds at the first epoch at which the accuracy, averaged over the folds, is at the level."""
    longest = max(one.shape[1] for one in curves)
    padded = [np.pad(one, ((0, 0), (0, longest - one.shape[1])), mode="edge") for one in curves]
    mean_accuracy, mean_seconds = np.mean(padded, axis=0)
    reached = np.flatnonzero(mean_accuracy >= level)
    return float(mean_seconds[reached[0]]) if len(reached) else np.inf


def table(outcomes: dict[str, Outcome | str]) -> tuple[list[tuple[str, ...]], list[str]]:
    rows, lines, reference = [], [], outcomes["ours"]
    assert isinstance(reference, Outcome)
    for name, outcome in outcomes.items():
        if isinstance(outcome, str):
            rows.append((name, outcome, *[""] * 5))
            continue
        score, seconds = np.mean(outcome.scores), np.mean(outcome.seconds)
        theirs = min(seconds, time_to(score, outcome.curves)) if outcome.curves else seconds
        own = time_to(score, reference.curves)
        cells = [f"{value:.3f}" for value in (seconds, theirs, own)]
        factors = (f"{theirs / own:.1f}", f"{seconds / np.mean(reference.seconds):.1f}")
        rows.append((name, f"{100 * score:.2f}", *cells, *factors))
        if name not in ("ours", "MLPClassifier"):
            lines.append(harness.verdict(f"Factor over {name}", theirs / own, at_least=FACTOR, form=".1f", unit=" x"))
    return rows, [*lines, *NOTES]


def main() -> None:
    script = harness.parser(__doc__, seeds=5)
    script.add_argument("--mlrose", metavar="PYTHON", help="interpreter that has mlrose-hiive")
    script.add_argument("--metaperceptron", metavar="PYTHON", help="interpreter that has metaperceptron")
    args = harness.parse(script)
    data = folds(args.seeds)[: 1 if args.quick else None]
    outcomes = run_here(data, 20 if args.quick else CMA_ITERATIONS)
    for name in CHILDREN:
        python = args.mlrose if name.startswith("mlrose") else args.metaperceptron
        outcomes[name] = run_child(python, name, data) if python else "not run: no interpreter given"
    rows, notes = table(outcomes)
    save = args.save and not any(isinstance(outcome, str) for outcome in outcomes.values())
    columns = ("method", "accuracy", "fit seconds", "to its accuracy", "ours, to that accuracy", "factor", "whole fits")
    harness.write_table("rivals", "Breast cancer, 16 hidden units", columns, rows, notes, save=save)


if __name__ == "__main__":
    main()
