"""XOR by a 2-8-1 tanh network: how many of 200 starts are solved, at how many loss evaluations, in what time.

Solved: all four rows right and log-loss below .05, both of the fitted model. Ours is the shipped `fit`, watched epoch
by epoch; against it stand plain weight perturbation at a constant rate (numpy, below), our estimator at a constant
rate, and MLPClassifier, all at their best rate on a grid. Inputs are 0 and 1 for all.

    python benchmarks/xor.py [--quick] [--seeds N]
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import product
from typing import Any, NamedTuple
from unittest import mock

import _harness as harness
import numpy as np
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

from skdopamine import DopamineMLPClassifier
from skdopamine._mlp import network as _network
from skdopamine._mlp.activations import ACTIVATIONS
from skdopamine._mlp.network import Network
from skdopamine._training import trainer as _trainer

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([0, 1, 1, 0])
HIDDEN = 8
NETWORK = Network((2, HIDDEN, 1), (ACTIVATIONS["tanh"],))
SOLVED = 0.05
EPOCHS = 2000
BUDGET = 200_000  # rows x members that plain weight perturbation may spend on one start
SCALE = 0.01
PLAIN_RATES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
PLAIN_PAIRS = (1, 4, 16)
RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
GRID_SEEDS = 40
PLAIN = "plain weight perturbation"
NOTES = (
    "Evaluations: rows x perturbed or unperturbed networks until the log-loss was first below .05, median over all "
    "starts, unsolved ones counted as infinite. A pass of MLPClassifier counts once a row, its backward pass not; "
    "plain weight perturbation is not charged for the look at its loss. Seconds: the fit's time up to that epoch.",
    f"Plain weight perturbation may spend {BUDGET:,} evaluations on a start, the others {EPOCHS} epochs. Best rate: "
    "lowest median of evaluations. All else is at the defaults, stopping rules too (MLPClassifier: alpha=0).",
    "Tried to spend fewer evaluations by node perturbation: ceilings of the rate of .01, .015, .02 and .03 (67, 48, 40 "
    "and 31 epochs) and the constant rates below; higher ceilings cost accuracy on the tables.",
)


class Run(NamedTuple):
    """One start."""

    evaluations: float  # until the log-loss was below SOLVED; inf if the model does not solve it
    share: float  # of the run's time, until then


class Mark(NamedTuple):
    """Where a fit stood after an epoch."""

    seconds: float
    evaluations: int
    params: np.ndarray


UNSOLVED = Run(np.inf, np.inf)


@contextmanager
def watch() -> Iterator[list[Mark]]:
    """Mark each epoch of our fits within the block, which are otherwise as shipped."""
    marks: list[Mark] = []
    run_epoch, begin = _trainer.run_epoch, time.perf_counter()

    def marked(*args: Any, **kwargs: Any) -> Any:
        result = run_epoch(*args, **kwargs)
        marks.append(Mark(time.perf_counter() - begin, result[0].n_evaluations, result[0].params))
        return result

    with mock.patch.object(_trainer, "run_epoch", marked):
        yield marks


def plain(seed: int, *, rate: float, pairs: int) -> Run:
    """The textbook rule, ``theta -= rate * mean(regret * direction)``, from initial parameters of the law of all."""
    rng = np.random.default_rng(seed)
    params = _network.init_params(NETWORK, ACTIVATIONS["tanh"].gain, rng, np.float64)
    for update in range(BUDGET // (2 * pairs * len(X))):
        xi = 2.0 * rng.integers(0, 2, (pairs, len(params))) - 1
        moved = SCALE * xi
        population = np.concatenate([params[None], params + moved, params - moved])
        (first, second), (below, above) = _network.unpack(NETWORK, population)
        hidden = np.tanh(X @ first + below[:, None])  # (members, 4, units)
        output = (hidden @ second + above[:, None])[..., 0]
        losses = np.logaddexp(0, (1 - 2 * Y) * output).mean(axis=1)  # (members,)
        if losses[0] < SOLVED:
            return Run(update * 2 * pairs * len(X), 1.0)
        regret = (losses[1 : pairs + 1] - losses[pairs + 1 :]) / (2 * SCALE)
        params = params - rate * (regret @ xi) / pairs
    return UNSOLVED


def ours(seed: int, *, rate: float | None = None, **params: Any) -> Run:
    """The shipped fit; a look at the state after each epoch tells the evaluations spent."""
    if rate is not None:
        params |= {"learning_rate": "constant", "learning_rate_init": rate}
    model = DopamineMLPClassifier((HIDDEN,), "tanh", random_state=seed, **params)
    with watch() as marks:
        model.fit(X, Y)
    return judged(model, [mark.evaluations for mark in marks])


def rival(seed: int, *, rate: float, solver: str) -> Run:
    model = MLPClassifier((HIDDEN,), "tanh", solver=solver, learning_rate_init=rate, random_state=seed)
    # alpha=0: its loss_curve_ is then the log-loss and nothing else
    model.set_params(alpha=0, max_iter=EPOCHS).fit(X, Y)
    return judged(model, [len(X) * (i + 1) for i in range(model.n_iter_)])


def judged(model: Any, spent: Sequence[int]) -> Run:
    if not ((model.predict(X) == Y).all() and log_loss(Y, model.predict_proba(X)) < SOLVED):
        return UNSOLVED
    below = np.flatnonzero(np.asarray(model.loss_curve_) < SOLVED)
    epoch = below[0] if len(below) else len(spent) - 1
    return Run(spent[epoch], (epoch + 1) / len(spent))


def median(values: Sequence[float]) -> float:
    """Median, the lower of the middle two, so that it is defined where some are infinite."""
    return float(np.quantile(values, 0.5, method="lower"))


def shown(value: float, form: str = ",.0f") -> str:
    return format(value, form) if np.isfinite(value) else "-"


def best_rate(name: str, method: Callable[..., Run], rates: Sequence[float], n_seeds: int) -> tuple[float, str]:
    """The rate with the lowest median of evaluations, unsolved starts counted as infinite; and a note on all rates."""
    scores, told = {}, []
    for rate in rates:
        evaluations = [method(seed, rate=rate).evaluations for seed in range(n_seeds)]
        scores[rate] = median(evaluations)
        told.append(f"{rate:g}: {np.isfinite(evaluations).sum()} solved, {shown(scores[rate])}")
    note = f"Rates of {name}, on {n_seeds} seeds (solved, median evaluations): {'; '.join(told)}"
    harness.progress(note)
    return min(scores, key=lambda rate: scores[rate]), note


def candidates(n_grid: int) -> tuple[dict[str, Callable[[int], Run]], list[str]]:
    """All methods, ours at the defaults and the others at their best rates; and notes on the rates."""
    methods: dict[str, Callable[[int], Run]] = {}
    for mode, epochs in product(("node", "weight"), (EPOCHS, 200)):
        methods[f"ours, {mode}, max_iter={epochs}"] = partial(ours, perturbation=mode, max_iter=epochs)
    rated: dict[str, tuple[Callable[..., Run], Sequence[float]]] = {}
    for pairs in PLAIN_PAIRS:
        rated[f"{PLAIN}, pairs={pairs}"] = (partial(plain, pairs=pairs), PLAIN_RATES)
    for mode in ("node", "weight"):
        rated[f"ours, {mode}, constant rate"] = (partial(ours, perturbation=mode, max_iter=EPOCHS), RATES)
    for solver in ("adam", "sgd"):
        rated[f"MLPClassifier, {solver}"] = (partial(rival, solver=solver), RATES)
    notes = []
    for name, (method, rates) in rated.items():
        rate, note = best_rate(name, method, rates, n_grid)
        methods[f"{name}, rate {rate:g}"] = partial(method, rate=rate)
        notes.append(note)
    return methods, notes


def verdicts(medians: dict[str, float], solved: dict[str, int], n_seeds: int) -> list[str]:
    lines = []
    baseline = min(value for name, value in medians.items() if name.startswith(PLAIN))
    for mode in ("node", "weight"):
        name, unit = f"ours, {mode}, max_iter={EPOCHS}", f" of {n_seeds}"
        share = medians[name] / baseline
        lines.append(harness.verdict(f"{name}, solved", solved[name], at_least=n_seeds, form=".0f", unit=unit))
        lines.append(harness.verdict(f"{name}, evaluations relative to {PLAIN}", share, at_most=1 / 3))
    return lines


def main() -> None:
    args = harness.parse(harness.parser(__doc__, seeds=200))
    n_seeds, n_grid = (5, 2) if args.quick else (args.seeds, min(args.seeds, GRID_SEEDS))
    methods, notes = candidates(n_grid)
    runs: dict[str, list[harness.Timed]] = {name: [] for name in methods}
    for seed in range(n_seeds):
        functions = {name: partial(method, seed) for name, method in methods.items()}
        for name, timed in harness.alternate(functions, start=seed).items():
            runs[name] += timed
    rows, medians, solved = [], {}, {}
    for name, timed in runs.items():
        evaluations = [run.result.evaluations for run in timed]
        seconds = median([run.seconds * run.result.share for run in timed])
        solved[name], medians[name] = int(np.isfinite(evaluations).sum()), median(evaluations)
        rows.append((name, solved[name], shown(medians[name]), shown(seconds, ".3f")))
    columns = ("method", f"solved of {n_seeds}", "evaluations to solve", "seconds to solve")
    notes = [*verdicts(medians, solved, n_seeds), *NOTES, *notes]
    harness.write_table("xor", "XOR, 2-8-1 tanh", columns, rows, notes, save=args.save)


if __name__ == "__main__":
    main()
