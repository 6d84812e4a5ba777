"""How fast the perturbed forward pass is, against its limit, and how the time of an update grows.

The limit: the plain matrix products of the same shapes, one per layer and perturbed network, by a batched `np.matmul`
on the same BLAS, into buffers that are there already. Ours draws and unpacks the directions, perturbs both layers, adds
the biases and applies the activation (`forward_pairs`); `regrets` adds the losses, `credit` the whole estimate. Members
are perturbed networks, two per antithetic pair. Then the time of one update, in both modes, over doublings of rows,
width, depth and members, with the slope of log time on log size. Short rounds alternate; --seeds is their number.

--updates measures something else: the processor time of one update of node perturbation in float32, for a small, a
usual and a large network. The guide's page on arrays compares it with what a graphics processor would need.

    python benchmarks/throughput.py [--quick] [--seeds N]
    python benchmarks/throughput.py --updates    # writes results/throughput_updates.md
"""

import resource
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import _harness as harness
import numpy as np
import numpy.typing as npt

from skdopamine._mlp import network as _network
from skdopamine._mlp import weight as _weight
from skdopamine._mlp.activations import ACTIVATIONS
from skdopamine._mlp.network import Network
from skdopamine._mlp.node import NodeProblem
from skdopamine._mlp.problem import make_data
from skdopamine._mlp.weight import WeightProblem
from skdopamine._objectives.base import SoftmaxLoss
from skdopamine._training import noise as _noise
from skdopamine._training import update as _update
from skdopamine._training.learning_rate import Dopamine
from skdopamine._training.problem import Problem

ROWS, FEATURES, WIDTH, OUTPUTS, SCALE = 200, 64, 100, 10, 0.01
MEMBERS = (2, 4, 16, 64, 256)
STAGES = ("forward_pairs", "regrets", "credit")
TARGET, TARGET_FROM = 0.5, 16  # members
SLOPE = 1.05
SERIES = {
    "rows": (200, 400, 800, 1600, 3200),
    "width": (100, 200, 400, 800),
    "depth": (1, 2, 4, 8),
    "members": (16, 32, 64, 128, 256),
}


class Case(NamedTuple):
    """A problem to update."""

    rows: int = ROWS
    width: int = WIDTH
    depth: int = 1
    members: int = 2
    features: int = FEATURES
    outputs: int = OUTPUTS

    @property
    def layers(self) -> tuple[int, ...]:
        return (self.features, *(self.width,) * self.depth, self.outputs)


UPDATES = (
    Case(width=8, features=4, outputs=3),
    Case(width=100, features=784),
    Case(rows=1000, width=2000, depth=2, features=2000),
)


def make_problem(mode: str, case: Case, dtype: npt.DTypeLike) -> tuple[Problem, np.ndarray]:
    """A problem on random rows, and initial parameters."""
    rng = np.random.default_rng(0)
    activation = ACTIVATIONS["relu"]
    network = Network(case.layers, (activation,) * case.depth)
    X = rng.standard_normal((case.rows, case.features)).astype(dtype)
    target = np.eye(case.outputs, dtype=dtype)[rng.integers(0, case.outputs, case.rows)]
    kind = {"node": NodeProblem, "weight": WeightProblem}[mode]
    problem = kind(
        network,
        SoftmaxLoss(),
        make_data(X, target, None),
        alpha=1e-4,
        scale=SCALE,
        n_perturbations=case.members // 2,
        seed=0,
    )
    return problem, _network.init_params(network, activation.gain, rng, dtype)


def products(members: int, dtype: npt.DTypeLike) -> Callable[[], None]:
    """The plain matrix products."""
    rng = np.random.default_rng(0)
    X, first, second = (
        rng.standard_normal(shape).astype(dtype)
        for shape in ((ROWS, FEATURES), (members, FEATURES, WIDTH), (members, WIDTH, OUTPUTS))
    )
    hidden = np.empty((members, ROWS, WIDTH), dtype=dtype)
    output = np.empty((members, ROWS, OUTPUTS), dtype=dtype)

    def run() -> None:
        np.matmul(X, first, out=hidden)
        np.matmul(hidden, second, out=output)

    return run


def passes(members: int, dtype: npt.DTypeLike) -> dict[str, Callable[[], Any]]:
    """The limit, and ours in three stages, each with the directions drawn anew."""
    problem, params = make_problem("weight", Case(members=members), dtype)
    assert isinstance(problem, WeightProblem)
    batch = problem.batch(slice(None))
    pairs = members // 2

    def in_chunks(simulate: Callable[[np.ndarray], Any]) -> None:
        bits = _noise.member_directions(pairs, len(params), 0)
        for chunk in _weight.chunks(range(0, pairs, problem.n_at_once(ROWS))):
            simulate(_noise.unpack_directions(bits[chunk], len(params), params.dtype))

    def forward(directions: np.ndarray) -> np.ndarray:
        return _network.forward_pairs(problem.network, params, directions, SCALE, batch.X)

    return {
        "matmul": products(members, dtype),
        "forward_pairs": partial(in_chunks, forward),
        "regrets": partial(in_chunks, lambda directions: problem.regrets(params, directions, batch)),
        "credit": lambda: problem.credit(params, (), batch, 0),
    }


def seconds_per_call(functions: dict[str, Callable[[], Any]], repetitions: int, least: float) -> dict[str, float]:
    """Median over repetitions that each take at least `least` seconds; the functions alternate."""

    def repeated(function: Callable[[], Any], calls: int) -> None:
        for _ in range(calls):
            function()

    for function in functions.values():
        function()  # warm-up
    first = harness.alternate(functions)
    calls = {name: max(1, round(least / timed[0].seconds)) for name, timed in first.items()}
    rounds = {name: partial(repeated, function, calls[name]) for name, function in functions.items()}
    times = harness.alternate(rounds, repetitions)
    return {name: float(np.median([run.seconds for run in timed])) / calls[name] for name, timed in times.items()}


def faults(function: Callable[[], Any]) -> int:
    """Page faults of one call: large temporaries that the allocator hands back to the system cost one a page."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    function()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def forward_rows(members: tuple[int, ...], repetitions: int, least: float) -> tuple[list[Any], list[str]]:
    """Rows x members per second, and the verdicts."""
    rows, lines = [], []
    for dtype, count in product((np.float64, np.float32), members):
        name = f"{np.dtype(dtype).name}, {count} members"
        harness.progress(name)
        functions = passes(count, dtype)
        seconds = seconds_per_call(functions, repetitions, least)
        rates = {stage: f"{ROWS * count / value / 1e6:.2f}" for stage, value in seconds.items()}
        ratio = seconds["matmul"] / seconds["forward_pairs"]
        ratios = (f"{ratio:.2f}", f"{seconds['matmul'] / seconds['credit']:.2f}")
        rows.append((name, *rates.values(), *ratios, faults(functions["forward_pairs"])))
        if count >= TARGET_FROM:
            lines.append(harness.verdict(f"Forward pass relative to its products, {name}", ratio, at_least=TARGET))
    return rows, lines


def update(mode: str, case: Case, dtype: npt.DTypeLike = np.float64) -> Callable[[], Any]:
    """One update of the trainer, judged."""
    problem, params = make_problem(mode, case, dtype)
    rule, batch = Dopamine(0.003, ceiling=0.03), problem.batch(slice(None))
    settings = _update.Settings(1, 0, 0, case.rows, case.rows, False, 0.9, 1e-4, 10, 0)
    state = _update.init_state(params, problem, rule)
    state = _update.update_step(problem, rule, state, batch, settings, 0.0)[0]
    return lambda: _update.update_step(problem, rule, state, batch, settings, 0.0)


def growth_rows(longest: int | None, repetitions: int, least: float) -> tuple[list[Any], list[str]]:
    """Milliseconds of one update along each series, with the slope; and the verdicts."""
    rows, lines = [], []
    for (quantity, sizes), mode in product(SERIES.items(), ("node", "weight")):
        harness.progress(f"{mode}, {quantity}")
        base = Case(members=2 if mode == "node" else 32)
        sizes = sizes[:longest]
        cases = {str(size): update(mode, base._replace(**{quantity: size})) for size in sizes}
        seconds = list(seconds_per_call(cases, repetitions, least).values())
        slope = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
        told = ", ".join(f"{size}: {1e3 * value:.2f}" for size, value in zip(sizes, seconds, strict=True))
        rows.append((f"{mode}, {quantity}", told, f"{slope:.2f}"))
        lines.append(harness.verdict(f"Growth of an update, {mode}, {quantity}", slope, at_most=SLOPE))
    return rows, lines


def processor_milliseconds(function: Callable[[], Any], repetitions: int, least: float) -> float:
    """Median over rounds that each take at least `least` seconds of processor time."""

    def spent(calls: int) -> float:
        begin = time.process_time()
        for _ in range(calls):
            function()
        return (time.process_time() - begin) / calls

    function()  # warm-up
    calls = max(1, round(least / spent(1)))
    return 1e3 * float(np.median([spent(calls) for _ in range(repetitions)]))


def updates(repetitions: int, least: float, *, save: bool) -> None:
    """The table of single updates."""
    rows = []
    for case in UPDATES:
        layers = ", ".join(f"{size:,}" for size in case.layers)
        harness.progress(layers)
        spent = processor_milliseconds(update("node", case, np.float32), repetitions, least)
        rows.append((layers, f"{case.rows:,}", f"{spent:,.2f}"))
    columns = ("layers", "rows of the minibatch", "milliseconds of processor time")
    notes = [f"Medians of {repetitions} rounds; one pair of perturbed networks, relu, log-loss, judged."]
    title = "One update of node perturbation, float32"
    harness.write_table("throughput_updates", title, columns, rows, notes, save=save)


def main() -> None:
    parser = harness.parser(__doc__, seeds=31)
    parser.add_argument("--updates", action="store_true", help="only the time of one update of three networks")
    args = harness.parse(parser)
    least, repetitions = (0.01, 5) if args.quick else (0.03, args.seeds)
    if args.updates:
        updates(repetitions, least, save=args.save)
        return
    shape = f"{ROWS} x {FEATURES} -> {WIDTH} -> {OUTPUTS}"
    rows, lines = forward_rows(MEMBERS[:3] if args.quick else MEMBERS, repetitions, least)
    columns = ("case", "matmul", *STAGES, "forward_pairs / matmul", "credit / matmul", "page faults")
    notes = [
        *lines,
        f"Millions of rows x members per second, medians of {repetitions} rounds; faults of a forward_pairs.",
    ]
    harness.write_table("throughput", f"Perturbed forward pass, {shape}", columns, rows, notes, save=args.save)
    rows, lines = growth_rows(3 if args.quick else None, repetitions, least)
    notes = [
        *lines,
        f"Elsewhere {ROWS} rows, width {WIDTH}, depth 1, 2 (node) or 32 (weight) members; float64, judged.",
    ]
    columns = ("update", "size: milliseconds", "log-log slope")
    harness.write_table("throughput_growth", "Time of one update", columns, rows, notes, save=args.save)


if __name__ == "__main__":
    main()
