"""All weights of a recurrent network trained by perturbation, beside backpropagation through time (BPTT).

A net of 32 tanh units, whose readout sees the state and the last row, learns to predict the next row of Lorenz and
Roessler. From the same random weights and a zero readout, on the same windows: the dopamine rate, the constant rate
with the trainer's step, standard weight perturbation (constant rate, the credit itself as step), and Adam with BPTT in
torch, the last three at the best rate of a grid. Below them the least-squares prediction from the last row alone, which
needs no recurrence, and DopamineESNForecaster, which begins with the ridge readout.
A second table has the peak memory and the seconds of one update for sequences of 100 to 100,000 rows; each figure
comes from a fresh process, in which the data exist and a short sequence has already been learnt from.

    python benchmarks/recurrent.py            # writes results/recurrent.md and results/recurrent_memory.md
    python benchmarks/recurrent.py --quick    # few updates and short sequences, prints only
"""

import json
import math
import resource
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import _harness as harness
import numpy as np
import torch
from xor import Mark, watch

from skdopamine import DopamineESNForecaster
from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.forecast import Assignment, SeriesReader
from skdopamine._esn.loop import Start
from skdopamine._esn.reservoir import LINKS
from skdopamine._esn.reservoir_weights_problem import ReservoirWeightsProblem, Tunable
from skdopamine._esn.training import WEIGHT_CEILING, WEIGHT_PAIRS, WEIGHT_RATE, WEIGHT_SCALE
from skdopamine._objectives.base import SquaredError
from skdopamine._training import trainer as _trainer
from skdopamine._training.learning_rate import Constant, Dopamine, LearningRate
from skdopamine.datasets import make_lorenz, make_rossler

torch.set_num_threads(1)

SYSTEMS: dict[str, Callable[..., Any]] = {
    "lorenz": partial(make_lorenz, dt=0.02),
    "rossler": partial(make_rossler, dt=0.1),
}
UNITS = 32
TRAIN, TEST = 3000, 1000
LENGTH = 40  # rows of a training sequence
N_WINDOWS, BATCH = 200, 5
UPDATES = (80, 200, 600)
ESTIMATOR_EPOCHS = 15  # of 10 updates
WASHOUT = 100  # rows read before a test
STEPS, ORIGINS = 50, 20  # of the closed loop
RATES = (0.003, 0.01, 0.03, 0.1)
PLAIN_RATES = (0.01, 0.03, 0.1, 0.3)
OURS, FLAT = "dopamine rate", "dopamine rate, not annealed"
CONSTANT, PLAIN, BPTT = "constant rate", "standard weight perturbation", "Adam, BPTT"
LINEAR = "least squares, last row"
RIDGE, TRAINED = "estimator, ridge only", "estimator, ridge and recurrent, dopamine"
LENGTHS = (100, 1_000, 10_000, 100_000)
SHORT = 10  # sequence learnt from before memory is measured
MEGABYTE = 2**20


class Run(NamedTuple):
    """One training run: errors after each number of updates, on the rows held back."""

    one_step: np.ndarray  # (updates,), inf where the run was lost
    closed: float  # at the end
    seconds: float
    early: float  # one-step error within the seconds given


def standardised(name: str, seed: int) -> np.ndarray:
    rows = SYSTEMS[name](TRAIN + TEST, random_state=seed)
    return (rows - rows[:TRAIN].mean(axis=0)) / rows[:TRAIN].std(axis=0)


def make_problem(rows: np.ndarray, split: int, length: int, n_windows: int, seed: int) -> ReservoirWeightsProblem:
    """Next row one step ahead, from random weights with the estimator's default gains, and a readout of zeros."""
    channels = rows.shape[1]
    weights = _reservoir.init_weights(UNITS, channels, LINKS / UNITS, np.random.default_rng(seed))
    readout = np.zeros((UNITS + channels + 1, channels))
    start = Tunable(weights, DopamineESNForecaster()._start_gains(), readout, np.eye(len(readout)))
    bounds = (rows.min(axis=0) - 2, rows.max(axis=0) + 2)
    reader = SeriesReader(rows, np.arange(1))
    task = Assignment(reader, rows[1:], False, length // 2, split, 1, bounds, SquaredError())
    return ReservoirWeightsProblem(
        start, task, recurrent=True, n_windows=n_windows, n_pairs=WEIGHT_PAIRS, scale=WEIGHT_SCALE, seed=seed
    )


def settings(n_updates: int, seed: int, **changed: Any) -> _trainer.Settings:
    """How to train: to the end, whatever the loss does."""
    n_epochs = math.ceil(n_updates / (N_WINDOWS // BATCH))
    told = {"schedule": 0, "first_epoch": 0, "batch_size": BATCH, "nominal_batch": N_WINDOWS, "shuffle": True}
    stopping = {"momentum": 0.9, "tol": 0.0, "n_iter_no_change": 10**9}
    return _trainer.Settings(n_epochs=n_epochs, seed=seed, **{**told, **stopping, **changed})


def perturbed(
    problem: ReservoirWeightsProblem,
    n_updates: int,
    seed: int,
    *,
    rule: LearningRate,
    annealed: bool = False,
    adam: bool = True,
) -> list[Mark]:
    plan = settings(n_updates, seed, normalised=adam)
    plan = plan._replace(schedule=plan.n_epochs if annealed else 0)
    with watch() as marks, np.errstate(all="ignore"):
        _trainer.train(problem, rule, _trainer.init_state(problem.init_params(), problem, rule), plan)
    return marks


def constant(
    problem: ReservoirWeightsProblem, n_updates: int, seed: int, *, rate: float, adam: bool = True
) -> list[Mark]:
    return perturbed(problem, n_updates, seed, rule=Constant(rate), adam=adam)


def torch_loss(problem: ReservoirWeightsProblem, params: torch.Tensor, origins: np.ndarray) -> torch.Tensor:
    """`ReservoirWeightsProblem.losses` in torch, the mean over the windows, with all that its derivative needs."""
    start, rows, target = problem.start, torch.from_numpy(problem.task.reader.inputs), problem.task.target
    gains = [float(gain[0]) for gain in start.gains]
    radius, leak, input_scale, bias_scale = gains[:4]
    old = start.weights
    readout, links, inputs, bias = torch.split(params * torch.from_numpy(problem.units), problem.sizes)
    readout = torch.from_numpy(start.readout) + readout.reshape(start.readout.shape)
    matrix = old.recurrent.matrix.tocoo()
    places = torch.from_numpy(np.stack([matrix.row, matrix.col]).astype(np.int64))
    recurrent = torch.zeros(matrix.shape, dtype=params.dtype)
    recurrent = recurrent.index_put(tuple(places), radius * (torch.from_numpy(matrix.data) + links)).T
    inputs = input_scale * (torch.from_numpy(old.inputs) + inputs.reshape(old.inputs.shape)).T
    bias = bias_scale * (torch.from_numpy(old.bias) + bias)
    state = torch.zeros((len(origins), UNITS), dtype=params.dtype)
    total = torch.zeros((), dtype=params.dtype)
    for t in range(1 - problem.reach, 1):
        row = rows[np.maximum(origins + t, 0)]
        state = (1 - leak) * state + leak * torch.tanh(state @ recurrent + row @ inputs + bias)
        if t > -problem.judged:
            output = state @ readout[:UNITS] + row @ readout[UNITS:-1] + readout[-1]
            error = output - torch.from_numpy(target[np.maximum(origins + t, 0)])
            total = total + 0.5 * (error * error).sum()
    return total / (len(origins) * problem.judged)


def backpropagated(problem: ReservoirWeightsProblem, n_updates: int, seed: int, *, rate: float) -> list[Mark]:
    params = torch.zeros(len(problem.units), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([params], lr=rate)
    plan, marks, begin = settings(n_updates, seed), [], time.perf_counter()
    for epoch in range(plan.n_epochs):
        for rows in _trainer.epoch_batches(problem.n_rows(), plan, epoch):
            optimizer.zero_grad()
            torch_loss(problem, params, problem.origins[rows]).backward()
            optimizer.step()
        marks.append(Mark(time.perf_counter() - begin, 0, params.detach().numpy().copy()))
    return marks


def errors(problem: ReservoirWeightsProblem, params: np.ndarray) -> tuple[float, float]:
    """NRMSE one step ahead, and of the closed loop, on the rows from the split on."""
    task = problem.task
    weights, readout = problem.model(params)
    population = _reservoir.populate(weights, problem.start.gains)
    reader, first = task.reader, task.split - WASHOUT
    pieces = list(reader.read(population, first, len(task.target), _reservoir.init_state(population)))
    states = np.concatenate([states for _, states, _ in pieces])[WASHOUT:]
    past = np.concatenate([past for _, _, past in pieces])[WASHOUT:]
    predicted = (_reservoir.features(population, states, past) @ readout)[0]
    origins = np.linspace(0, len(states) - STEPS, ORIGINS).astype(int)
    history = past[origins][:, None]
    path = task.loop(population, readout[None]).run(Start(states[origins].T.copy(), history), STEPS)[:, 0]
    test = task.target[task.split :]
    truth = test[origins + np.arange(STEPS)[:, None]]
    return nrmse(predicted, test, test), nrmse(path, truth, test)


def nrmse(predicted: np.ndarray, truth: np.ndarray, test: np.ndarray) -> float:
    """Root of the mean squared error over the channels, each in units of its deviation."""
    return float(np.sqrt(np.mean(((predicted - truth) / test.std(axis=0)) ** 2)))


def judged(problem: ReservoirWeightsProblem, marks: list[Mark], updates: tuple[int, ...], seconds: float) -> Run:
    """Errors of the parameters at the end of the epochs in which these updates fell."""
    epoch = N_WINDOWS // BATCH
    at = [math.ceil(update / epoch) - 1 for update in updates]
    found = [errors(problem, marks[k].params) if k < len(marks) else (np.inf, np.inf) for k in at]
    within = [k for k, mark in enumerate(marks) if mark.seconds <= seconds]
    early = errors(problem, marks[within[-1]].params)[0] if within else np.inf
    return Run(np.array([one for one, _ in found]), found[-1][1], marks[-1].seconds if marks else 0.0, early)


def estimator(rows: np.ndarray, seed: int, **params: Any) -> tuple[float, float, float, int]:
    """Errors, seconds and updates of the shipped fit, which ends with its own stopping rule."""
    limits = {"readout_lags": 1, "horizon": STEPS, "washout": LENGTH // 2, "max_iter": ESTIMATOR_EPOCHS}
    model = DopamineESNForecaster(UNITS, stateful=True, random_state=seed, **limits, **params)
    begin = time.perf_counter()
    model.fit(rows[:TRAIN])
    seconds = time.perf_counter() - begin
    test = rows[TRAIN:]
    starts = np.linspace(TRAIN, len(rows) - STEPS, ORIGINS).astype(int)
    paths = np.stack([model._restored(model._path(STEPS, rows[s - WASHOUT : s])) for s in starts])
    truth = rows[starts[:, None] + np.arange(STEPS)]
    return nrmse(model.predict(test)[:-1], test[1:], test), nrmse(paths, truth, test), seconds, 10 * model.n_iter_


def from_last_row(rows: np.ndarray) -> tuple[float, float, float, int]:
    """Errors of the linear prediction from the last row by least squares; no closed loop."""
    past = np.column_stack([rows, np.ones(len(rows))])
    readout = np.linalg.lstsq(past[: TRAIN - 1], rows[1:TRAIN], rcond=None)[0]
    test = rows[TRAIN + 1 :]
    return nrmse(past[TRAIN:-1] @ readout, test, test), np.nan, 0.0, 0


def best_rate(
    name: str,
    method: Callable[..., list[Mark]],
    rates: tuple[float, ...],
    problem: ReservoirWeightsProblem,
    n_updates: int,
) -> tuple[float, str]:
    """The rate with the lowest one-step error held back, on the first seed."""
    scores = {}
    for rate in rates:
        marks = method(problem, n_updates, 0, rate=rate)
        scores[rate] = judged(problem, marks, (n_updates,), 0.0).one_step[-1]
    scores = {rate: score if np.isfinite(score) else np.inf for rate, score in scores.items()}
    best = min(scores, key=lambda rate: scores[rate])
    return best, f"{name}: " + ", ".join(f"{rate:g}: {score:.4f}" for rate, score in scores.items())


def compare(name: str, updates: tuple[int, ...], n_seeds: int) -> tuple[list[list[str]], list[str], dict[str, float]]:
    """Rows, notes and final one-step errors of one system."""
    problems = [make_problem(standardised(name, seed), TRAIN, LENGTH, N_WINDOWS, seed) for seed in range(n_seeds)]
    rule, last, notes = Dopamine(WEIGHT_RATE, WEIGHT_CEILING), updates[-1], []
    methods: dict[str, Callable[..., list[Mark]]] = {
        OURS: partial(perturbed, rule=rule, annealed=True),
        FLAT: partial(perturbed, rule=rule),
    }
    labels = {OURS: OURS, FLAT: FLAT}
    for kind, method, rates in (
        (CONSTANT, constant, RATES),
        (PLAIN, partial(constant, adam=False), PLAIN_RATES),
        (BPTT, backpropagated, RATES),
    ):
        rate, told = best_rate(f"{name}, {kind}", method, rates, problems[0], last)
        methods[kind], labels[kind] = partial(method, rate=rate), f"{kind}, {rate:g}"
        notes.append(told)
        harness.progress(told)
    marks: dict[str, list[list[Mark]]] = {kind: [] for kind in methods}
    for seed, problem in enumerate(problems):
        functions = {kind: partial(method, problem, last, seed) for kind, method in methods.items()}
        for kind, timed in harness.alternate(functions, start=seed).items():
            marks[kind].append(timed[0].result)
        harness.progress(f"{name}, seed {seed}")
    least = min(np.median([several[-1].seconds for several in found]) for found in marks.values())
    rows, final = [], {}
    for kind, found in marks.items():
        runs = [judged(problem, several, updates, least) for problem, several in zip(problems, found, strict=True)]
        curve = np.median([run.one_step for run in runs], axis=0)
        closed, seconds, early = np.median([(run.closed, run.seconds, run.early) for run in runs], axis=0)
        rows.append([name, labels[kind], *(f"{value:.4f}" for value in curve), f"{early:.4f}"])
        rows[-1] += [f"{closed:.3f}", f"{seconds:.1f}", str(last)]
        final[kind] = float(curve[-1])
    notes.append(f"{name}: same seconds are the {least:.1f} of the fastest")
    others = {
        LINEAR: lambda rows, seed: from_last_row(rows),
        RIDGE: partial(estimator, trainable=()),
        TRAINED: partial(estimator, trainable="recurrent"),
        "estimator, ridge and recurrent, constant": partial(estimator, trainable="recurrent", learning_rate="constant"),
    }
    for kind, other in others.items():
        told = [other(standardised(name, seed), seed) for seed in range(n_seeds)]
        one, closed, seconds, n_updates = np.median(told, axis=0)
        rows.append([name, kind, *["-"] * (len(updates) - 1), f"{one:.4f}", "-", f"{closed:.3f}", f"{seconds:.1f}"])
        rows[-1].append(f"{n_updates:.0f}")
        final[kind] = float(one)
    return rows, notes, final


def verdicts(name: str, final: dict[str, float]) -> list[str]:
    lines = []
    for other in (CONSTANT, PLAIN, BPTT):
        label = f"{name}, one-step error, {OURS} relative to {other}"
        lines.append(harness.verdict(label, final[OURS] / final[other], at_most=1.0))
    label = f"{name}, one-step error, {OURS} relative to {LINEAR}"
    lines.append(harness.verdict(label, final[OURS] / final[LINEAR], at_most=1.0))
    label = f"{name}, one-step error, estimator with recurrent training relative to ridge only"
    lines.append(harness.verdict(label, final[TRAINED] / final[RIDGE], at_most=1.0))
    return lines


def resident_peak() -> float:
    """Highest resident size of this process in megabytes."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss also counts what the process was forked from
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MEGABYTE


def one_update(method: str, measure: str, length: int) -> tuple[float, float]:
    """Megabytes and seconds of the credit of one sequence, in this process."""
    rows = np.random.default_rng(0).standard_normal((length + 2, 3))
    problems = [make_problem(rows, size + 1, size, 1, 0) for size in (SHORT, length)]

    def update(problem: ReservoirWeightsProblem) -> None:
        params = problem.init_params()
        if method == "perturbation":
            problem.credit(params, (), problem.batch(slice(None)), 0)
        else:
            torch_loss(problem, torch.from_numpy(params).requires_grad_(), problem.origins).backward()

    update(problems[0])
    if measure == "traced":
        tracemalloc.start()
    before, begin = resident_peak(), time.perf_counter()
    update(problems[1])
    seconds = time.perf_counter() - begin
    if measure == "traced":
        return tracemalloc.get_traced_memory()[1] / MEGABYTE, seconds
    return resident_peak() - before, seconds


def in_fresh_process(*case: object) -> tuple[float, float]:
    """Run `one_update` with these arguments in a new interpreter."""
    command = [sys.executable, __file__, "--case", json.dumps(case)]
    return tuple(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))


def measure_memory(lengths: tuple[int, ...], save: bool) -> None:
    rows, traced, resident, clock = [], {}, {}, {}
    for length in lengths:
        resident[length], clock[length] = in_fresh_process("perturbation", "resident", length)
        traced[length], _ = in_fresh_process("perturbation", "traced", length)
        rival, rival_seconds = in_fresh_process("BPTT", "resident", length)
        cells = (f"{traced[length]:.2f}", f"{resident[length]:.1f}", f"{rival:.1f}")
        rows.append([f"{length:,}", *cells, f"{clock[length]:.2f}", f"{rival_seconds:.2f}"])
        harness.progress(" | ".join(rows[-1]))
    first, last = lengths[0], lengths[-1]
    label = f"traced peak of perturbation, {last:,} rows relative to {first:,}"
    notes = [harness.verdict(label, traced[last] / traced[first], at_most=1.2)]
    label = f"growth of the resident peak at {last:,} rows, BPTT relative to perturbation (at least 1 MB)"
    notes.append(harness.verdict(label, rival / max(1.0, resident[last]), at_least=1.0, form=".1f"))
    label = f"seconds at {last:,} rows, perturbation relative to BPTT"
    notes.append(harness.verdict(label, clock[last] / rival_seconds, at_most=1.0))
    pairs = f"{WEIGHT_PAIRS} pairs, {2 * WEIGHT_PAIRS + 1} forward passes"
    notes.append(f"One sequence, float64, {UNITS} units; perturbation: {pairs}; BPTT: one forward, one backward pass.")
    notes.append("Beyond the data, which both have. Traced: numpy's allocations; torch's are not seen there.")
    title = "Recurrent: peak memory and seconds of one update against the length of the sequence"
    columns = ("rows", "perturbation, traced (MB)", "perturbation, resident (MB)", "BPTT, resident (MB)")
    columns += ("perturbation, seconds", "BPTT, seconds")
    harness.write_table("recurrent_memory", title, columns, rows, notes, save=save)


def main() -> None:
    parser = harness.parser(__doc__, seeds=3, sets=list(SYSTEMS))
    parser.add_argument("--case", type=json.loads, help="measure one case in this process (what the script calls)")
    args = harness.parse(parser)
    if args.case:
        print(json.dumps(one_update(*args.case)))
        return
    measure_memory(LENGTHS[:2] if args.quick else LENGTHS, args.save)
    updates = (40, 80) if args.quick else UPDATES
    rows, lines, told = [], [], []
    for name in args.sets:
        found, notes, final = compare(name, updates, args.seeds)
        rows, told = rows + found, told + notes
        lines += verdicts(name, final)
    lines += [
        f"Medians of {args.seeds} seeds. {TRAIN} rows to train, {TEST} held back; sequences of {LENGTH} rows, whose "
        f"second half counts, {BATCH} an update, all methods in the same order. Closed loop: {STEPS} steps from "
        f"{ORIGINS} starts.",
        f"Perturbation: {WEIGHT_PAIRS} antithetic pairs, scale {WEIGHT_SCALE}; dopamine starts at {WEIGHT_RATE}, at "
        f"most {WEIGHT_CEILING}, and is annealed as in the estimator, which the others are not.",
        "Rates are chosen by the error held back, on the first seed, which favours the methods that have a grid.",
        f"One-step errors held back after {updates[-1]} updates, by rate: {'; '.join(told)}.",
    ]
    title = "Recurrent: NRMSE held back of nets whose weights are all trained, from random weights"
    columns = ("system", "method", *(f"one step, {n} updates" for n in updates), "one step, same seconds")
    columns += (f"closed loop, {STEPS} steps", "seconds", "updates")
    harness.write_table("recurrent", title, columns, rows, lines, save=args.save)


if __name__ == "__main__":
    main()
