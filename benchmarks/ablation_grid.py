"""The whole grid of rate rule, perturbation, depth and width; sequence length; and how the cost of an update grows.

All fits of the grid make the same updates on the same rows of digits. `ablation.py` varies one part alone, with the
stopping rules as shipped. Losses are those of the fitted model on its training rows, scores are accuracies on rows that
it has not seen. Time is that of the process, of the median update.

    python benchmarks/ablation_grid.py [--quick] [--seeds N] [--parts P ...]    # writes results/ablation_grid_*.md
"""

import time
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any, NamedTuple
from unittest import mock

import _harness as harness
import numpy as np
from _windows import ReservoirWeightsProblem, Tunable
from ablation import Run, Split, fit
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skdopamine import DopamineMLPClassifier
from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.forecast import Assignment
from skdopamine._esn.reader import SeriesReader
from skdopamine._esn.reservoir import LINKS, Gains
from skdopamine._esn.training import WEIGHT_CEILING, WEIGHT_PAIRS, WEIGHT_RATE, WEIGHT_SCALE
from skdopamine._objectives.base import SquaredError
from skdopamine._training import trainer as _trainer
from skdopamine._training import update as _update
from skdopamine._training.learning_rate import Constant, Dopamine, InvScaling, LearningRate
from skdopamine.datasets import make_lorenz

RATES = (0.001, 0.01, 0.03, 0.1)
INVSCALING, POWER = 0.03, 0.5
RULES: dict[str, dict[str, Any]] = {
    "dopamine": {},
    **{f"constant, {rate:g}": {"learning_rate": "constant", "learning_rate_init": rate} for rate in RATES},
    f"invscaling, {INVSCALING:g}": {
        "learning_rate": "invscaling",
        "learning_rate_init": INVSCALING,
        "power_t": POWER,
    },
}
PERTURBATIONS = ("node", "feedback", "weight")
DEPTHS, WIDTHS = (1, 2, 3, 5), (16, 64, 256)
DEFAULT = ("dopamine", "node", 1, 64)
ROWS, EPOCHS = 1000, 30
FEW, FEW_EPOCHS, FEW_WIDTHS, FEW_SEEDS = 200, 300, (16, 64), 3  # where a batch has all rows
GROWTH_UPDATES = 12
WIDE = "weight, dopamine"  # one side, and directions that grow with the parameters
FACTORS: dict[str, tuple[int, ...]] = {
    "depth": (1, 2, 4, 8),
    "width": (32, 64, 128, 256, 512),
    "rows": (50, 100, 200, 400, 800),
}
NET = {"depth": 2, "width": 64, "rows": 200}  # what growth starts from
LENGTHS = (10, 20, 40, 80, 160)
UNITS, WINDOWS, BATCH, SEQUENCE_EPOCHS = 32, 100, 5, 10
SERIES_ROWS, SPLIT, SEQUENCE_SEEDS = 2000, 1500, 2
GAINS = {"spectral_radius": 0.9, "leak_rate": 1.0, "input_scaling": 0.5, "bias_scaling": 0.1}
GAINS |= {"ridge": 0.0, "lag_ridge": 0.0, "state_noise": 0.0}  # not used here
SEQUENCE_RULES: dict[str, LearningRate] = {
    "dopamine": Dopamine(WEIGHT_RATE, WEIGHT_CEILING),
    **{f"constant, {rate:g}": Constant(rate) for rate in RATES},
    f"invscaling, {INVSCALING:g}": InvScaling(INVSCALING, POWER),
}
MEGABYTE = 2**20
PARTS = ("recurrent", "growth", "few", "grid")


class Update(NamedTuple):
    """What one update has cost."""

    seconds: float  # of the process
    evaluations: int


class Cell(NamedTuple):
    """One fit, or the medians of several."""

    loss: float
    score: float  # points
    evaluations: float  # millions, of the whole fit
    milliseconds: float  # of an update


Grid = dict[tuple[str, str, int, int], Cell]


@contextmanager
def timed_updates() -> Iterator[list[Update]]:
    """The cost of each update within the block."""
    updates: list[Update] = []
    update_step = _update.update_step

    def timed(problem: Any, rule: Any, state: Any, *args: Any, **kwargs: Any) -> Any:
        begin = time.process_time()
        result = update_step(problem, rule, state, *args, **kwargs)
        seconds = time.process_time() - begin
        updates.append(Update(seconds, result[0].n_evaluations - state.n_evaluations))
        return result

    with mock.patch.object(_trainer, "update_step", timed):
        yield updates


def typical(updates: list[Update]) -> Update:
    """Of the updates after the first, which also fills caches."""
    return Update(*np.median(updates[1:] or updates, axis=0))


def digits() -> Split:
    """The same rows for all, as 32-bit numbers."""
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, train_size=ROWS, random_state=0, stratify=y)
    scaler = StandardScaler().fit(X)
    X, X_test = (scaler.transform(part).astype(np.float32) for part in (X, X_test))
    return Split(X, y, X_test, y_test, DopamineMLPClassifier)


def measure(
    split: Split, rule: str, perturbation: str, layers: tuple[int, ...], n_epochs: int, n_seeds: int
) -> tuple[Cell, list[Run]]:
    """One cell of the grid, and its fits."""
    # none may end sooner than the others
    to_the_end = {"max_iter": n_epochs, "n_iter_no_change": np.inf, "tol": 0.0, "early_stopping": False}
    cells, runs = [], []
    for seed in range(n_seeds):
        with timed_updates() as updates, np.errstate(all="ignore"):
            run = fit(split, seed, hidden_layer_sizes=layers, perturbation=perturbation, **to_the_end, **RULES[rule])
        runs.append(run)
        cells.append((run.loss, 100 * run.score, run.evaluations[-1] / 1e6, 1000 * typical(updates).seconds))
    return Cell(*np.median(cells, axis=0)), runs


def whole_grid(split: Split, depths: Sequence[int], widths: Sequence[int], n_epochs: int, n_seeds: int) -> Grid:
    grid: Grid = {}
    for depth, width in product(depths, widths):
        for rule, perturbation in product(RULES, PERTURBATIONS):
            cell, _ = measure(split, rule, perturbation, (width,) * depth, n_epochs, n_seeds)
            grid[rule, perturbation, depth, width] = cell
        harness.progress(f"{depth} x {width}")
    return grid


def of(n_seeds: int) -> str:
    return "One seed" if n_seeds == 1 else f"Medians of {n_seeds} seeds"


def told(cell: Cell) -> list[str]:
    return [f"{cell.loss:.2g}", f"{cell.score:.1f}", f"{cell.evaluations:.2f}", f"{cell.milliseconds:.2f}"]


COSTS = ("train loss", "test score", "evaluations (M)", "ms an update")


def write_factors(grid: Grid, notes: Sequence[str], save: bool) -> None:
    """Each factor alone, all others at their defaults."""
    rows = []
    for place, name in enumerate(("rate rule", "perturbation", "depth", "width")):
        for value in dict.fromkeys(key[place] for key in grid):
            key = (*DEFAULT[:place], value, *DEFAULT[place + 1 :])
            rows.append([name, value, *told(grid[key])])
    title = "Ablation of the grid: one factor at a time"
    default = "{}, {}, {} hidden layer of {}".format(*DEFAULT)
    notes = (f"All other factors at their defaults: {default}.", *notes)
    harness.write_table("ablation_grid_factors", title, ("factor", "value", *COSTS), rows, notes, save=save)


def write_interaction(grid: Grid, notes: Sequence[str], save: bool) -> None:
    """Rate rule and perturbation, over all networks."""
    nets = list(dict.fromkeys(key[2:] for key in grid))
    rows = []
    for perturbation, rule in product(PERTURBATIONS, RULES):
        cells = [grid[rule, perturbation, *net] for net in nets]
        rivals = [[grid[other, perturbation, *net] for other in RULES] for net in nets]
        behind = [max(r.score for r in several) - c.score for several, c in zip(rivals, cells, strict=True)]
        best = sum(min(r.loss for r in several) == c.loss for several, c in zip(rivals, cells, strict=True))
        losses, scores = [cell.loss for cell in cells], [cell.score for cell in cells]
        figures = [f"{harness.geometric_mean(losses):.2g}", f"{max(losses):.2g}", f"{np.mean(scores):.1f}"]
        figures += [f"{min(scores):.1f}", f"{np.mean(behind):.1f}", f"{max(behind):.1f}"]
        rows.append([perturbation, rule, *figures, f"{best} of {len(nets)}"])
    columns = ("perturbation", "rate rule", "train loss, geometric mean", "highest train loss", "test score, mean")
    columns += ("lowest test score", "points behind the best rule, mean", "the same, worst net", "lowest loss in")
    title = "Ablation of the grid: rate rule and perturbation"
    best = "Best rule: the one with the highest score on the same network and perturbation."
    notes = (f"Over {len(nets)} networks, all depths with all widths. {best}", *notes)
    harness.write_table("ablation_grid_interaction", title, columns, rows, notes, save=save)


def write_winners(grid: Grid, notes: Sequence[str], save: bool) -> None:
    """The best rule of each network and perturbation, beside dopamine."""
    rows = []
    for net in dict.fromkeys(key[2:] for key in grid):
        row: list[object] = list(net)
        for perturbation in PERTURBATIONS:
            cells = {rule: grid[rule, perturbation, *net] for rule in RULES}
            lowest = min(RULES, key=lambda rule: cells[rule].loss)
            highest = max(RULES, key=lambda rule: cells[rule].score)
            row += [f"{cells[lowest].loss:.2g} ({lowest})", f"{cells[highest].score:.1f} ({highest})"]
            row.append(f"{cells['dopamine'].loss:.2g}, {cells['dopamine'].score:.1f}")
        rows.append(row)
    columns = ["depth", "width"]
    for name in PERTURBATIONS:
        columns += [f"{name}: lowest train loss", f"{name}: highest test score", f"{name}: both of dopamine"]
    title = "Ablation of the grid: the best rule of each network"
    harness.write_table("ablation_grid_winners", title, columns, rows, notes, save=save)


def write_grid(split: Split, grid: Grid, n_epochs: int, n_seeds: int, save: bool) -> None:
    notes = (
        f"{ROWS} rows of digits in 32-bit numbers, {n_epochs} epochs of {ROWS // 200} updates. {of(n_seeds)}. "
        f"Score: accuracy on the other {len(split.y_test)} rows, in points.",
        "Minibatches: all perturbations take Adam's steps; weight perturbation has 16 antithetic pairs.",
    )
    for write in (write_factors, write_interaction, write_winners):
        write(grid, notes, save)


def write_few(split: Split, widths: Sequence[int], n_epochs: int, n_seeds: int, save: bool) -> None:
    """All rows in one batch, where weight perturbation has a rate of its own."""
    few = split._replace(X=split.X[:FEW], y=split.y[:FEW])
    rows = []
    for width, perturbation in product(widths, PERTURBATIONS):
        found = {rule: measure(few, rule, perturbation, (width,), n_epochs, n_seeds) for rule in RULES}
        budget = min(run.evaluations[-1] for _, runs in found.values() for run in runs)
        for rule, (cell, runs) in found.items():
            within = np.median([run.loss_at(budget, run.evaluations) for run in runs])
            rows.append([width, perturbation, rule, *told(cell), f"{within:.2g}"])
        harness.progress(f"all rows in one batch: {width}, {perturbation}")
    notes = (
        f"{FEW} rows of digits, one hidden layer, {n_epochs} updates on all rows. {of(n_seeds)}.",
        "Weight perturbation with dopamine: directions on one side, plain steps, a rate that follows what steps gain "
        "of what was promised. All else: Adam's steps; weight perturbation with 16 antithetic pairs.",
        "Equal evaluations: those of the rule that spent fewest, within one width and perturbation; penalty included.",
    )
    columns = ("width", "perturbation", "rate rule", *COSTS, "lowest loss at equal evaluations")
    title = "Ablation of the grid: all rows in one batch"
    harness.write_table("ablation_grid_few", title, columns, rows, notes, save=save)


def cost_of_update(split: Split, kind: str, depth: int, width: int, rows: int, n_updates: int) -> Update:
    """Of a batch of so many rows, which are all."""
    perturbation = kind.split(",")[0]
    rule = {} if kind == WIDE else {"learning_rate": "constant"}
    model = DopamineMLPClassifier(
        (width,) * depth, perturbation=perturbation, batch_size=rows, early_stopping=False, random_state=0, **rule
    )
    with timed_updates() as updates:
        model.set_params(max_iter=n_updates, n_iter_no_change=np.inf).fit(split.X[:rows], split.y[:rows])
    return typical(updates)


def exponents(values: Sequence[float], costs: Sequence[float]) -> list[str]:
    """Slope of the logarithms, over all values and between the last two."""
    x, y = np.log(values), np.log(costs)
    return [f"{np.polyfit(x, y, 1)[0]:.2f}", f"{(y[-1] - y[-2]) / (x[-1] - x[-2]):.2f}"]


def write_growth(split: Split, factors: dict[str, tuple[int, ...]], lengths: Sequence[int], save: bool) -> None:
    rows = []
    for kind in (*PERTURBATIONS, WIDE):  # the first large arrays of a process are dearer than those after them
        cost_of_update(split, kind, n_updates=2, **{**NET, "width": factors["width"][-1]})
    for factor, values in factors.items():
        for kind in (*PERTURBATIONS, WIDE):
            nets = [{**NET, factor: value} for value in values]
            costs = [cost_of_update(split, kind, n_updates=GROWTH_UPDATES, **net) for net in nets]
            milliseconds = [1000 * cost.seconds for cost in costs]
            evaluations = [cost.evaluations for cost in costs]
            rows.append([factor, kind, ", ".join(map(str, values)), ", ".join(f"{m:.1f}" for m in milliseconds)])
            rows[-1] += [*exponents(values, milliseconds), ", ".join(f"{n / 1000:g}" for n in evaluations)]
            rows[-1] += exponents(values, evaluations)[:1]
        harness.progress(f"growth with {factor}")
    problems = [recurrent("lorenz", length, 0) for length in lengths]
    clock = [trained(problem, SEQUENCE_RULES["dopamine"], 1, 0)[1] for problem in problems]
    megabytes = [peak_of_update(problem) for problem in problems]
    passes = [(2 * WEIGHT_PAIRS + 1) * BATCH * length for length in lengths]
    row = ["sequence length", "weight, recurrent", ", ".join(map(str, lengths))]
    row += [", ".join(f"{m:.1f}" for m in clock), *exponents(lengths, clock)]
    rows.append([*row, ", ".join(f"{n / 1000:g}" for n in passes), *exponents(lengths, passes)[:1]])
    start = f"{NET['depth']} hidden layers of {NET['width']}, a batch of {NET['rows']} rows"
    notes = (
        f"All but the factor: {start}; all rows are in that batch. Medians of {GROWTH_UPDATES - 1} updates, so that "
        "the second look of a judged update, every fourth, is not in them. "
        f"{WIDE}: up to 64 directions on one side; all others at a constant rate.",
        "The same case may take twice as long elsewhere in the table: where its arrays come to lie decides. "
        "Exponent: cost grows with this power of the factor; slope of the logarithms, of all values by least squares.",
        "Evaluations are rows times networks, of the recurrent network steps times networks. Its peak of traced "
        f"memory in an update grows with the power {exponents(lengths, megabytes)[0]} of the length.",
    )
    columns = ("factor", "perturbation", "values", "ms an update", "exponent of time", "the same, last two values")
    columns += ("evaluations an update (thousands)", "exponent of evaluations")
    title = "Ablation of the grid: how the cost of an update grows"
    harness.write_table("ablation_grid_growth", title, columns, rows, notes, save=save)


def series(task: str, length: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and what is to be told after each of them: the next row of Lorenz, or noise of a quarter length ago."""
    if task == "lorenz":
        rows = make_lorenz(SERIES_ROWS + 1, dt=0.02, random_state=seed)
        rows = (rows - rows[:SPLIT].mean(axis=0)) / rows[:SPLIT].std(axis=0)
        return rows[:-1], rows[1:]
    rows = np.random.default_rng(seed).uniform(-np.sqrt(3), np.sqrt(3), (SERIES_ROWS, 1))
    return rows, np.roll(rows, length // 4, axis=0)


def recurrent(task: str, length: int, seed: int) -> ReservoirWeightsProblem:
    """All weights of a recurrent network from a random start, readout zero."""
    rows, target = series(task, length, seed)
    channels = rows.shape[1]
    weights = _reservoir.init_weights(UNITS, channels, LINKS / UNITS, np.random.default_rng(seed))
    readout = np.zeros((UNITS + channels + 1, channels))
    start = Tunable(
        weights, Gains(**{name: np.array([gain]) for name, gain in GAINS.items()}), readout, np.eye(len(readout))
    )
    bounds = (rows.min(axis=0) - 2, rows.max(axis=0) + 2)
    reader = SeriesReader(rows, np.arange(1))
    assignment = Assignment(reader, target, False, length // 2, SPLIT, 1, bounds, SquaredError())
    return ReservoirWeightsProblem(
        start, assignment, n_windows=WINDOWS, n_pairs=WEIGHT_PAIRS, scale=WEIGHT_SCALE, seed=seed
    )


def trained(problem: ReservoirWeightsProblem, rule: LearningRate, n_epochs: int, seed: int) -> tuple[float, float]:
    """Error on windows held back, in standard deviations, and milliseconds of an update."""
    settings = _update.Settings(
        n_epochs=n_epochs,
        schedule=n_epochs if isinstance(rule, Dopamine) else 0,
        first_epoch=0,
        batch_size=BATCH,
        nominal_batch=WINDOWS,
        shuffle=True,
        momentum=0.9,
        tol=0.0,
        n_iter_no_change=np.inf,
        seed=seed,
    )
    state = _update.init_state(problem.init_params(), problem, rule)
    with timed_updates() as updates, np.errstate(all="ignore"):
        result = _trainer.train(problem, rule, state, settings)
    loss = problem.unit * problem.member_losses(result.best_params[None], problem.held_back).mean()
    error = np.sqrt(2 * loss / problem.start.readout.shape[1])  # the loss is half the square, summed over channels
    return float(error), 1000 * typical(updates).seconds


def peak_of_update(problem: ReservoirWeightsProblem) -> float:
    """Megabytes."""
    tracemalloc.start()
    problem.credit(problem.init_params(), (), problem.batch(slice(0, BATCH)), 0)
    peak = tracemalloc.get_traced_memory()[1] / MEGABYTE
    tracemalloc.stop()
    return peak


def write_sequence(lengths: Sequence[int], n_epochs: int, n_seeds: int, save: bool) -> None:
    rows = []
    for task, length in product(("lorenz", "delay"), lengths):
        problems = [recurrent(task, length, seed) for seed in range(n_seeds)]
        errors, clock = [], []
        for rule in SEQUENCE_RULES.values():
            told = [trained(problem, rule, n_epochs, seed) for seed, problem in enumerate(problems)]
            error, spent = np.median(told, axis=0)
            errors.append(f"{error:.3f}")
            clock.append(spent)
        untrained = problems[0].init_params()[None]
        before = np.sqrt(2 * problems[0].unit * problems[0].member_losses(untrained, problems[0].held_back).mean())
        before /= np.sqrt(problems[0].start.readout.shape[1])
        rows.append([task, length, f"{before:.3f}", *errors, f"{np.median(clock):.1f}"])
        rows[-1].append(f"{peak_of_update(problems[0]):.2f}")
        harness.progress(" | ".join(map(str, rows[-1])))
    n_updates = n_epochs * WINDOWS // BATCH
    notes = (
        f"{UNITS} tanh units, all weights trained from a random start, {n_updates} updates of {BATCH} sequences, "
        f"{WEIGHT_PAIRS} antithetic pairs, Adam's steps; the second half of a sequence is judged. {of(n_seeds)}. "
        "Errors on sequences held back, root mean square in standard deviations; before: readout of zeros.",
        "lorenz: the next row. delay: noise that was read a quarter of the length ago.",
        "Peak: numpy's allocations in one update, the data not included.",
    )
    columns = ("task", "length", "before", *SEQUENCE_RULES, "ms an update", "peak of an update (MB)")
    title = "Ablation of the grid: sequence length and rate rule of a recurrent network"
    harness.write_table("ablation_grid_sequence", title, columns, rows, notes, save=save)


def main() -> None:
    parser = harness.parser(__doc__, seeds=1)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="only these")
    args = harness.parse(parser)
    quick, split = args.quick, digits()
    lengths, n_epochs = (LENGTHS[:2], 1) if quick else (LENGTHS, SEQUENCE_EPOCHS)
    if "recurrent" in args.parts:
        write_sequence(lengths, n_epochs, args.seeds * SEQUENCE_SEEDS, args.save)
    if "growth" in args.parts:
        factors = {name: values[:2] for name, values in FACTORS.items()} if quick else FACTORS
        write_growth(split, factors, lengths, args.save)
    if "few" in args.parts:
        widths, n_epochs = (FEW_WIDTHS[:1], 10) if quick else (FEW_WIDTHS, FEW_EPOCHS)
        write_few(split, widths, n_epochs, args.seeds * FEW_SEEDS, args.save)
    if "grid" in args.parts:
        depths, widths, n_epochs = (DEPTHS[:2], WIDTHS[:2], 2) if quick else (DEPTHS, WIDTHS, EPOCHS)
        write_grid(split, whole_grid(split, depths, widths, n_epochs, args.seeds), n_epochs, args.seeds, args.save)
    harness.progress(f"{time.process_time():.0f} s of process time")


if __name__ == "__main__":
    main()
