"""All weights of a recurrent network trained by perturbation, beside backpropagation through time (BPTT) with Adam.

A net of 32 tanh units, whose readout sees the state and the last row, learns to predict the next row of Lorenz and of
Roessler, and to recall a value after 10, 30 and 100 rows of distractors. All methods start from the same random
weights, see windows of the same kind, have the same processor time, Adam's steps under a rate that falls linearly, and
the better of two rates, which the first seed chooses and the other seeds are measured with. Once the readout is trained
like all else, from zero, once it is solved by ridge on each batch (_recurrent.py has the rules). Beside them ridge
alone. BPTT is numpy too, and at this size faster than that of torch.

A second table has the peak memory of one credit for windows of 100 to 10,000 rows. A third one (--forecaster, nothing
else then) has the forecaster as it is shipped, with and without trained weights.

    python benchmarks/recurrent.py [--quick] [--seeds N]    # writes recurrent.md and recurrent_memory.md
    python benchmarks/recurrent.py --forecaster --seeds 1   # writes recurrent_forecaster.md
"""

import time
import tracemalloc
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import _harness as harness
import _recurrent as rules
import numpy as np
from _recurrent import Credit, Net, Windows

from skdopamine import DopamineESNForecaster
from skdopamine._training.critic import Critic
from skdopamine._training.learning_rate import Judgement, Promised
from skdopamine.datasets import make_lorenz, make_rossler

SYSTEMS: dict[str, Callable[..., Any]] = {
    "lorenz": partial(make_lorenz, dt=0.02),
    "rossler": partial(make_rossler, dt=0.1),
}
DELAYS = {f"delay of {k}": k for k in (10, 30, 100)}
UNITS = 32
TRAIN, TEST, WASHOUT = 3000, 1000, 100
LENGTH, N_WINDOWS = 40, 200  # of a chaotic series; the second half of a window is judged
RECALLED, N_DELAYED, N_TEST = 5, 400, 1000  # rows that are judged; windows
BATCH = {"chaos": 20, "delay": 40}
BUDGET = {"lorenz": 0.7, "rossler": 0.7, "delay of 10": 1.0, "delay of 30": 1.5, "delay of 100": 2.5}  # seconds
RATES = (0.01, 0.03)
LAST = 0.03  # what is left of the rate at the end
DECAY_FIRST, DECAY_SECOND = 0.9, 0.99
DECORRELATE_EVERY, FORGET, FLOOR = 20, 0.02, 1e-3
PROMISED_WINDOWS, PROMISED_DIRECTIONS = 60, 8
EPOCHS, STEPS, ORIGINS, NOISE = 30, 1000, 6, 0.05  # of the forecaster
LYAPUNOV = {"lorenz": 0.02 * 0.9056, "rossler": 0.1 * 0.0714}  # times of a step
LENGTHS = (100, 1_000, 10_000)
TITLE = "Recurrent: NRMSE on rows held back of nets whose weights are all trained, in equal time"


class Task(NamedTuple):
    windows: Windows  # to learn from
    test: Windows
    spread: np.ndarray  # of the targets of the test
    leak: float
    gains: tuple[float, float, float]  # spectral radius, inputs, bias
    batch: int
    seconds: float


class Method(NamedTuple):
    """How weights are credited, and whether the readout is solved and inputs are decorrelated."""

    credit: Callable[..., Credit]
    projected: bool = True
    whitened: bool = False
    promised: bool = False
    learns_feedback: bool = False
    keeps_past: bool = False


class Run(NamedTuple):
    halfway: float
    error: float
    n_updates: int


BPTT, BPTT_SOLVED = "Adam, BPTT", "Adam, BPTT, readout solved"
BEFORE, RIDGE = "weight perturbation, 16 pairs", "ridge alone"
METHODS = {
    BPTT: Method(rules.backpropagated, projected=False, keeps_past=True),
    BPTT_SOLVED: Method(rules.backpropagated, keeps_past=True),
    BEFORE: Method(partial(rules.weight_perturbed, n_pairs=16), projected=False),
    "weight perturbation, 16 pairs, solved": Method(partial(rules.weight_perturbed, n_pairs=16)),
    "weight perturbation, 4 pairs, solved": Method(partial(rules.weight_perturbed, n_pairs=4)),
    "weight perturbation, 4 pairs, decorrelated, solved": Method(
        partial(rules.weight_perturbed, n_pairs=4), whitened=True
    ),
    "weight perturbation, one side, promised gain, solved": Method(
        partial(rules.one_sided, n_directions=PROMISED_DIRECTIONS), promised=True
    ),
    "weight perturbation, one side, promised gain, decorrelated, solved": Method(
        partial(rules.one_sided, n_directions=PROMISED_DIRECTIONS), promised=True, whitened=True
    ),
    "node perturbation, traces": Method(partial(rules.carried, trace=rules.Noise), projected=False),
    "node perturbation, traces, solved": Method(partial(rules.carried, trace=rules.Noise)),
    "node perturbation, lasting traces, solved": Method(partial(rules.carried, trace=rules.LongNoise)),
    "noise of each unit carried, solved": Method(partial(rules.carried, trace=rules.UnitNoise)),
    "present step alone, solved": Method(partial(rules.carried, trace=rules.Present)),
    "eligibility traces, solved": Method(partial(rules.carried, trace=rules.Eligibility)),
    "eligibility traces, learnt feedback, solved": Method(
        partial(rules.carried, trace=rules.Eligibility), learns_feedback=True
    ),
    "eligibility traces, decorrelated, solved": Method(partial(rules.carried, trace=rules.Eligibility), whitened=True),
    "eligibility traces and surprise of 4 pairs, solved": Method(
        partial(rules.weight_perturbed, n_pairs=4, expecting=rules.Eligibility)
    ),
}


def chaos_task(name: str, seed: int, seconds: float) -> Task:
    """The next row, read from the zero state on windows, and from a washout on the rows held back."""
    rows = SYSTEMS[name](TRAIN + TEST, random_state=seed)
    rows = (rows - rows[:TRAIN].mean(axis=0)) / rows[:TRAIN].std(axis=0)
    origins = np.linspace(0, TRAIN - LENGTH - 1, N_WINDOWS).astype(int)
    at = origins + np.arange(LENGTH)[:, None]
    held = rows[TRAIN - WASHOUT :, None]
    test = Windows(held[:-1], held[1:], WASHOUT)
    windows = Windows(rows[at], rows[at + 1], LENGTH // 2)
    return Task(windows, test, rows[TRAIN:].std(axis=0), 0.99, (0.4, 0.1, 1.0), BATCH["chaos"], seconds)


def delay_task(delay: int, seed: int, seconds: float) -> Task:
    """Recall the first value, which a cue marks, after so many rows of other values from the same channel."""
    rng, length = np.random.default_rng(seed), delay + RECALLED

    def drawn(n: int) -> Windows:
        inputs = np.zeros((length, n, 2))
        inputs[:, :, 0], inputs[0, :, 1] = rng.uniform(-1, 1, (length, n)), 1
        return Windows(inputs, np.broadcast_to(inputs[0, :, :1], (length, n, 1)), delay)

    windows, test = drawn(N_DELAYED), drawn(N_TEST)
    return Task(windows, test, test.targets[0].std(axis=0), 0.5, (1.0, 0.5, 0.1), BATCH["delay"], seconds)


def make_task(name: str, seed: int, share: float) -> Task:
    seconds = share * BUDGET[name]
    return chaos_task(name, seed, seconds) if name in SYSTEMS else delay_task(DELAYS[name], seed, seconds)


def init_net(task: Task, seed: int) -> Net:
    """Random weights as in the forecaster, and a readout of zeros."""
    rng, n_channels = np.random.default_rng(seed + 100), task.windows.inputs.shape[2]
    recurrent = rng.uniform(-1, 1, (UNITS, UNITS))
    recurrent /= np.abs(np.linalg.eigvals(recurrent)).max()
    groups = [recurrent, rng.uniform(-1, 1, (UNITS, n_channels)), rng.uniform(-1, 1, (UNITS, 1))]
    weights = [gain * group for gain, group in zip(task.gains, groups, strict=True)]
    unit = np.hstack([np.full_like(group, group.std()) for group in weights])
    readout = np.zeros((UNITS + n_channels + 1, task.windows.targets.shape[2]))
    return Net(np.hstack(weights), readout, task.leak, unit)


def error_of(net: Net, task: Task, *, projected: bool) -> float:
    """NRMSE of the test, the readout being solved on all windows if that is how the method ends."""
    net, test = rules.with_ridge(net, task.windows) if projected else net, task.test
    state, total = np.zeros((test.inputs.shape[1], UNITS)), 0.0
    for t, inputs in enumerate(test.inputs):
        _, _, state = rules.step(net, state, inputs)
        if t >= test.first:
            wrong = (rules.features(state, inputs) @ net.readout - test.targets[t]) / task.spread
            total += float((wrong**2).sum())
    return float(np.sqrt(total / (test.n_judged() * test.targets.shape[2])))


def drawn_batch(task: Task, rng: np.random.Generator) -> Windows:
    inputs, targets, first = task.windows
    rows = rng.integers(0, inputs.shape[1], task.batch)
    return Windows(inputs[:, rows], targets[:, rows], first)


def whitener_of(moment: np.ndarray) -> np.ndarray:
    """R, so that R x has as good as the unit matrix for its second moments."""
    values, vectors = np.linalg.eigh(moment)
    return np.asarray((vectors / np.sqrt(values + FLOOR * values[-1])).T)


def begun(net: Net, method: Method) -> Net:
    """The net before moments are known."""
    if not method.whitened:
        return net
    return net._replace(whitener=np.eye(net.weights.shape[1]) / rules.SPREAD * net.unit.mean())


class Adam:
    """Adam's step of unit rate."""

    def __init__(self) -> None:
        self.first, self.second, self.steps = 0.0, 0.0, 0

    def step(self, credit: np.ndarray) -> np.ndarray:
        self.steps += 1
        self.first = DECAY_FIRST * self.first + (1 - DECAY_FIRST) * credit
        self.second = DECAY_SECOND * self.second + (1 - DECAY_SECOND) * credit * credit
        root = np.sqrt(self.second / (1 - DECAY_SECOND**self.steps)) + 1e-12
        return np.asarray(self.first / (1 - DECAY_FIRST**self.steps) / root)


def trained(task: Task, method: Method, rate: float, seed: int) -> Run:
    """The errors of a run for the seconds of the task, in which evaluations do not count."""
    rng, net = np.random.default_rng(seed), init_net(task, seed)
    n_outputs = task.windows.targets.shape[2]
    options: dict[str, Any] = {"projected": method.projected}
    if method.learns_feedback:
        options["critic"] = [Critic(np.zeros((n_outputs, UNITS)))]
    of_weights, of_readout, moment, halfway, k = Adam(), Adam(), np.asarray(0.0), np.nan, 0
    net = begun(net, method)
    begin, used = time.process_time(), 0.0
    while used < task.seconds:
        found = method.credit(net, drawn_batch(task, rng), rng, **options)
        move = rate * (1 - (1 - LAST) * used / task.seconds) * of_weights.step(found.weights)
        net = net._replace(weights=net.weights - rules.moved_by(net, move))
        if not method.projected:
            move = rate * (1 - (1 - LAST) * used / task.seconds) * of_readout.step(found.readout)
            net = net._replace(readout=net.readout - move)
        if method.whitened:
            moment = found.moment if k == 0 else (1 - FORGET) * moment + FORGET * found.moment
            if k % DECORRELATE_EVERY == 0:
                net = net._replace(whitener=whitener_of(moment))
        k, used = k + 1, time.process_time() - begin
        if np.isnan(halfway) and used >= task.seconds / 2:
            stopped = time.process_time()
            halfway = error_of(net, task, projected=method.projected)
            begin += time.process_time() - stopped
    return Run(halfway, error_of(net, task, projected=method.projected), k)


def promised(task: Task, method: Method, rate: float, seed: int) -> Run:
    """Plain steps on the same windows in every update, at the rate of the reward prediction error (decision 0018)."""
    rng, net, rule = np.random.default_rng(seed), init_net(task, seed), Promised(rate)
    windows, state, halfway, k = drawn_batch(task._replace(batch=PROMISED_WINDOWS), rng), rule.init(), np.nan, 0
    net, before = begun(net, method), None  # net, its loss, and what its step was to gain
    begin, used = time.process_time(), 0.0
    while used < task.seconds:
        found = method.credit(net, windows, rng)
        if before is not None:
            old, loss, expected = before
            if not found.loss < loss + 0.3:  # the log of the loss
                net, state, before = old, rule.reject(state), None
                k, used = k + 1, time.process_time() - begin
                continue
            state = rule.update(state, Judgement(loss - found.loss, 0.0, expected))
        before = (net, found.loss, state.rate * found.promised)
        net = net._replace(weights=net.weights - rules.moved_by(net, state.rate * found.weights))
        state = rule.advance(state)
        if method.whitened and k % DECORRELATE_EVERY == 0:
            net = net._replace(whitener=whitener_of(found.moment))
        k, used = k + 1, time.process_time() - begin
        if np.isnan(halfway) and used >= task.seconds / 2:
            stopped = time.process_time()
            halfway = error_of(net, task, projected=True)
            begin += time.process_time() - stopped
    return Run(halfway, error_of(net, task, projected=True), k)


def ran(task: Task, method: Method, rate: float, seed: int) -> Run:
    with np.errstate(all="ignore"):
        try:
            run = (promised if method.promised else trained)(task, method, rate, seed)
        except np.linalg.LinAlgError:  # nothing finite is left
            return Run(np.inf, np.inf, 0)
    return run if np.isfinite(run.error) else run._replace(error=np.inf)


def forecaster(name: str, seed: int, trainable: tuple[str, ...]) -> tuple[float, float, float, int]:
    """Error one step ahead, valid time in Lyapunov times, seconds and epochs of the shipped forecaster."""
    kind, _, noisy = name.partition(", ")
    rows = SYSTEMS[kind](TRAIN + 2 * STEPS, random_state=seed)
    rows = (rows - rows[:TRAIN].mean(axis=0)) / rows[:TRAIN].std(axis=0)
    seen = rows + NOISE * np.random.default_rng(seed).standard_normal(rows.shape) if noisy else rows
    model = DopamineESNForecaster(100, stateful=True, trainable=trainable, max_iter=EPOCHS, random_state=seed)
    begin = time.process_time()
    model.fit(seen[:TRAIN])
    seconds = time.process_time() - begin
    wrong = model.predict(seen[TRAIN:])[:-1] - rows[TRAIN + 1 :]
    valid = []
    for start in np.linspace(TRAIN + 200, TRAIN + STEPS, ORIGINS).astype(int):
        path = model.forecast(STEPS, seen[start - 200 : start])
        lost = np.sqrt(np.mean((path - rows[start : start + STEPS]) ** 2, axis=1)) > 0.4
        valid.append((np.argmax(lost) if lost.any() else STEPS) * LYAPUNOV[kind])
    return float(np.sqrt(np.mean(wrong**2))), float(np.mean(valid)), seconds, model.n_iter_


def measure_forecaster(n_seeds: int, save: bool) -> None:
    """What training the reservoir adds to ridge, and to tuned gains."""
    warnings.simplefilter("ignore", UserWarning)  # of few epochs, and of forecasts that are clipped
    rows = []
    for name in ("lorenz", "rossler", "lorenz, noise"):
        for trainable in ((), ("recurrent",), ("gains",), ("gains", "recurrent")):
            found = [forecaster(name, seed, trainable) for seed in range(n_seeds)]
            error, valid, seconds, epochs = np.median(found, axis=0)
            told = " and ".join(trainable) or "-"
            rows.append([name, told, f"{error:.2e}", f"{valid:.2f}", f"{seconds:.1f}", f"{epochs:.0f}"])
            harness.progress(" | ".join(rows[-1]))
    notes = [
        f"100 units, {TRAIN} rows, max_iter={EPOCHS}, {n_seeds} seed(s); valid time from {ORIGINS} starts, of at most "
        f"{STEPS} steps. Noise has {NOISE} of the series' deviation; errors are those against the clean series.",
    ]
    columns = ("series", "trainable", "one step, NRMSE", "valid, Lyapunov times", "seconds", "epochs")
    title = "Recurrent: the forecaster, all weights of whose reservoir are trained"
    harness.write_table("recurrent_forecaster", title, columns, rows, notes, save=save)


def compare(name: str, n_seeds: int, share: float) -> tuple[list[list[str]], list[str], dict[str, float]]:
    """Rows, notes and errors of one task; the first seed chooses rates, the others are reported."""
    tasks = [make_task(name, seed, share) for seed in range(n_seeds)]
    reported = list(range(1, n_seeds)) or [0]
    alone = [error_of(init_net(tasks[seed], seed), tasks[seed], projected=True) for seed in reported]
    rows, notes, final = [[name, RIDGE, "-", "-", f"{np.median(alone):.5f}", "-", "-", "0", "no"]], [], {}
    final[RIDGE] = float(np.median(alone))
    for kind, method in METHODS.items():
        tried = {rate: ran(tasks[0], method, rate, 0) for rate in RATES}
        best = min(tried, key=lambda rate: tried[rate].error)
        runs = [ran(tasks[seed], method, best, seed) for seed in reported] if n_seeds > 1 else [tried[best]]
        halfway, error, n_updates = np.median(runs, axis=0)
        final[kind] = float(error)
        ratios = [f"{error / final[rival]:.3g}" if rival in final else "-" for rival in (BPTT, BPTT_SOLVED)]
        rows.append([name, kind, f"{best:g}", f"{halfway:.5f}", f"{error:.5f}", *ratios, f"{n_updates:.0f}"])
        rows[-1].append("yes" if method.keeps_past else "no")
        notes.append(f"{kind} " + ", ".join(f"{rate:g}: {run.error:.5f}" for rate, run in tried.items()))
        harness.progress(" | ".join(rows[-1]))
    return rows, [f"Errors on the first seed by rate, {name}: {'; '.join(notes)}."], final


def verdicts(name: str, final: dict[str, float]) -> list[str]:
    """The best that keeps nothing of the past, against both ways of BPTT."""
    mine = {kind: final[kind] for kind, method in METHODS.items() if not method.keeps_past}
    best = min(mine, key=lambda kind: mine[kind])
    return [
        harness.verdict(f"{name}, {best}, relative to {rival}", mine[best] / final[rival], at_most=1.5)
        for rival in (BPTT, BPTT_SOLVED)
    ]


def measure_memory(lengths: tuple[int, ...], save: bool) -> None:
    """Peak of numpy's allocations beyond the data in one credit of ten windows."""
    kinds = {
        "weight perturbation, 4 pairs": METHODS["weight perturbation, 4 pairs, solved"],
        "eligibility traces": METHODS["eligibility traces, solved"],
        "noise of each unit carried": METHODS["noise of each unit carried, solved"],
        "BPTT": METHODS[BPTT_SOLVED],
    }
    rng, net, rows = np.random.default_rng(0), init_net(chaos_task("lorenz", 0, 0.0), 0), []
    peaks: dict[str, list[float]] = {kind: [] for kind in kinds}
    for length in lengths:
        windows = Windows(*rng.standard_normal((2, length, 10, 3)), length // 2)
        for kind, method in kinds.items():
            tracemalloc.start()
            method.credit(net, windows, rng, projected=True)
            peaks[kind].append(tracemalloc.get_traced_memory()[1] / 2**20)
            tracemalloc.stop()
        rows.append([f"{length:,}", *(f"{found[-1]:.2f}" for found in peaks.values())])
    label = f"{lengths[-1]:,} rows relative to {lengths[0]:,}"
    notes = [
        harness.verdict(f"{kind}, {label}", found[-1] / found[0], at_most=1.2)
        for kind, found in peaks.items()
        if kind != "BPTT"
    ]
    notes.append(f"BPTT, {label}: {peaks['BPTT'][-1] / peaks['BPTT'][0]:.1f}")
    notes.append(f"Ten windows, {UNITS} units, float64, readout solved. Megabytes beyond the data, which all have.")
    title = "Recurrent: peak memory of one credit against the length of the windows"
    harness.write_table("recurrent_memory", title, ("rows", *kinds), rows, notes, save=save)


def main() -> None:
    parser = harness.parser(__doc__, seeds=2, sets=list(BUDGET))
    parser.add_argument("--forecaster", action="store_true", help="only the table of the forecaster")
    args = harness.parse(parser)
    if args.forecaster:
        measure_forecaster(args.seeds, args.whole)
        return
    measure_memory(LENGTHS[:2] if args.quick else LENGTHS, args.save)
    rows, lines, told = [], [], []
    for name in args.sets:
        found, notes, final = compare(name, args.seeds, 0.1 if args.quick else 1.0)
        rows, told, lines = rows + found, told + notes, lines + verdicts(name, final)
    lines += [
        f"Median of {args.seeds - 1} seeds that had no part in the choice of rates; {UNITS} units, all weights dense.",
        f"Processor seconds of each run, evaluations not counted: {BUDGET}. Batches of {BATCH} windows; of {LENGTH} "
        f"rows, the second half judged, or of the delay and {RECALLED} rows, which are judged.",
        "Solved: the readout is that of ridge on the windows of each batch, at the end on all windows.",
        *told,
    ]
    columns = ("task", "method", "rate", "at half the time", "at the end", f"relative to {BPTT}")
    columns += ("to the same, readout solved", "updates", "keeps the past")
    harness.write_table("recurrent", TITLE, columns, rows, lines, save=args.save)


if __name__ == "__main__":
    main()
