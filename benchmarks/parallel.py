"""Who evaluates a population fastest, what an update sends, and how its time grows: weight perturbation on workers.

One update (`credit`) of a network of 20 inputs, 20 hidden units and 3 outputs, in one thread, in two threads, by two
processes (loky) and by a Dask cluster of two workers on this machine. Whoever helps holds the rows beforehand, as after
the first updates of a fit. The rounds alternate, and the fastest of each counts, as other programs may be running;
--seeds is the number of rounds. Then the bytes that an update sends to two workers, and the growth of its time in one
thread with rows, width, depth, members and outputs.

    python benchmarks/parallel.py [--quick] [--seeds N]
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import _harness as harness
import distributed
import numpy as np

from skdopamine._estimator.cluster import ClusterWorkers
from skdopamine._estimator.crew import BORDERS, Crew
from skdopamine._estimator.processes import Processes
from skdopamine._estimator.workers import Task, Threads, Workers, packed
from skdopamine._mlp import network as _network
from skdopamine._mlp.activations import ACTIVATIONS
from skdopamine._mlp.network import Network
from skdopamine._mlp.problem import make_data
from skdopamine._mlp.weight import WeightProblem
from skdopamine._objectives.base import SoftmaxLoss
from skdopamine._training.trainer import Origin

GRID = (  # rows, members, and rounds at most
    (1_000, 16, 99),
    (1_000, 256, 5),
    (1_000, 4096, 2),
    (10_000, 16, 99),
    (10_000, 256, 2),
    (100_000, 16, 3),
    (1_000_000, 16, 1),
)
SERIES = {
    "rows": (500, 1000, 2000, 4000),
    "width": (20, 40, 80, 160),
    "depth": (1, 2, 4, 8),
    "members": (16, 32, 64, 128),
    "outputs": (3, 6, 12, 24),
}
SLOPE = 1.05
BYTES = ((16, 50), (256, 50), (4096, 50), (16, 5000))  # members, width


class Case(NamedTuple):
    """A problem to update."""

    rows: int = 1000
    members: int = 16
    width: int = 20
    depth: int = 1
    outputs: int = 3


class Only(Crew):
    """These workers and nobody else."""

    def __init__(self, workers: Workers | None) -> None:
        super().__init__(1)
        self.workers = workers
        self.sent: list[tuple[int, int]] = []

    def numbers(self, problem: Any, task: Task) -> list[Any]:
        if self.workers is None:
            return super().numbers(problem, task)
        found = self.workers.numbers(problem, task)
        parts = task.split(2)
        there = len(packed(task.common)) * len(parts) + sum(len(packed(part)) for part in parts)
        self.sent.append((there, sum(len(packed((True, numbers))) for numbers in found)))
        return found


def make_problem(case: Case) -> tuple[WeightProblem, np.ndarray]:
    """A problem on random rows, and initial parameters."""
    rng, activation = np.random.default_rng(0), ACTIVATIONS["tanh"]
    network = Network((20, *(case.width,) * case.depth, case.outputs), (activation,) * case.depth)
    X = rng.standard_normal((case.rows, 20))
    target = np.eye(case.outputs)[rng.integers(0, case.outputs, case.rows)]
    data = make_data(X, target, None)
    problem = WeightProblem(network, SoftmaxLoss(), data, alpha=0.0, scale=0.01, n_perturbations=case.members, seed=0)
    return problem, _network.init_params(network, activation.gain, rng, np.float64)


@contextmanager
def updates(case: Case, client: Any) -> Iterator[tuple[dict[str, Callable[[], Any]], dict[str, Only]]]:
    """One update by each kind of hands, which hold the rows."""
    problem, params = make_problem(case)
    batch = problem.batch(slice(None))._replace(origin=Origin(0, case.rows, None))
    kinds = {"one thread": None, "threads": Threads(2), "loky": Processes(2), "dask": ClusterWorkers(client, -1, {})}
    crews = {name: Only(workers) for name, workers in kinds.items()}

    def update(crew: Only) -> np.ndarray:
        problem.crew = crew
        return problem.credit(params, (), batch, 0).credit

    functions = {name: partial(update, crew) for name, crew in crews.items()}
    try:
        first = {name: function() for name, function in functions.items()}  # they are given the rows
        assert all((credit == first["one thread"]).all() for credit in first.values())
        yield functions, crews
    finally:
        for crew in crews.values():
            crew.dismiss()


def speed_rows(client: Any, grid: Any, repetitions: int) -> list[Any]:
    """Seconds of an update in one thread, and how many times faster the others are."""
    rows = []
    for n, members, most in grid:
        harness.progress(f"{n} rows, {members} members")
        with updates(Case(n, members), client) as (functions, _):
            times = harness.alternate(functions, min(repetitions, most))
        best = {name: min(run.seconds for run in timed) for name, timed in times.items()}
        alone = best.pop("one thread")
        rows.append((f"{n:,}", f"{members:,}", f"{alone:.4f}", *(f"{alone / value:.2f}" for value in best.values())))
    return rows


def nothing(*_: Any) -> int:
    return 0


def overheads(client: Any, repetitions: int) -> dict[str, float]:
    """Seconds of an update that has nothing to evaluate."""
    hands = {"threads": Threads(2), "loky": Processes(2), "dask": ClusterWorkers(client, -1, {})}
    task = Task(range, nothing, nothing, 0, 1.0)
    functions = {name: partial(workers.numbers, None, task) for name, workers in hands.items()}
    times = harness.alternate(functions, repetitions)
    for workers in hands.values():
        workers.close()
    return {name: min(run.seconds for run in timed) for name, timed in times.items()}


def byte_rows(client: Any) -> list[Any]:
    """Bytes of an update, to two workers and back, beside the size of the parameters."""
    rows = []
    for members, width in BYTES:
        case = Case(200, members, width)
        with updates(case, client) as (_, crews):
            there, back = crews["dask"].sent[-1]
        size = 8 * _network.n_parameters(make_problem(case)[0].network)
        bound = 4 * size + 100 * members
        rows.append((f"{members:,}", f"{size:,}", f"{there:,}", f"{back:,}", f"{(there + back) / bound:.2f}"))
    return rows


def growth_rows(longest: int | None, repetitions: int) -> tuple[list[Any], list[str]]:
    """Milliseconds of one update in one thread along each series, with the slope of the logarithms."""
    rows, lines = [], []
    for quantity, sizes in SERIES.items():
        harness.progress(quantity)
        sizes, functions = sizes[:longest], {}
        for size in sizes:
            case = Case()._replace(**{quantity: size})
            problem, params = make_problem(case)
            functions[str(size)] = partial(problem.credit, params, (), problem.batch(slice(None)), 0)
        times = harness.alternate(functions, repetitions)
        best = [min(run.seconds for run in times[str(size)]) for size in sizes]
        slope = float(np.polyfit(np.log(sizes), np.log(best), 1)[0])
        told = ", ".join(f"{size}: {1e3 * value:.1f}" for size, value in zip(sizes, best, strict=True))
        rows.append((quantity, told, f"{slope:.2f}"))
        lines.append(harness.verdict(f"Growth of an update with {quantity}", slope, at_most=SLOPE))
    return rows, lines


def main() -> None:
    args = harness.parse(harness.parser(__doc__, seeds=7))
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        rows = speed_rows(client, GRID[:2] if args.quick else GRID, args.seeds)
        bytes_sent, spent = byte_rows(client), overheads(client, 5 * args.seeds)
    borders = ", ".join(f"{kind} {seconds:g}" for kind, seconds in BORDERS.items())
    told = ", ".join(f"{kind} {1e3 * seconds:.1f}" for kind, seconds in spent.items())
    notes = [
        f"Milliseconds of an update that has nothing to evaluate: {told}.",
        f"Network 20 -> 20 -> 3, float64; the fastest of up to {args.seeds} rounds. All bits are equal.",
        f"In a fit, others are asked where an update in one thread takes more seconds than: {borders}.",
    ]
    columns = ("rows", "members", "seconds in one thread", "2 threads, times as fast", "2 processes", "Dask, 2 workers")
    harness.write_table("parallel", "Weight perturbation on workers", columns, rows, notes, save=args.save)
    columns = ("members", "bytes of the parameters", "bytes to two workers", "bytes back", "share of the bound")
    notes = [
        "The bound: 4 times the parameters, and 100 bytes for each member. Counted is what we pack; what Dask or loky "
        "add to each message is a few kB a task, whatever its size."
    ]
    harness.write_table("parallel_bytes", "Bytes of one update", columns, bytes_sent, notes, save=args.save)
    rows, lines = growth_rows(2 if args.quick else None, args.seeds)
    columns = ("what grows", "size: milliseconds", "log-log slope")
    notes = [*lines, "Elsewhere 1000 rows, width 20, depth 1, 16 members, 3 outputs; one thread."]
    harness.write_table("parallel_growth", "Time of one update in one thread", columns, rows, notes, save=args.save)


if __name__ == "__main__":
    main()
