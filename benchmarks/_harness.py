"""What the benchmarks share: one BLAS thread, arguments, alternating timing, and the result tables.

Import it before numpy, so that the thread limits are in place when the libraries load. A script builds its parser by
`parser`, reads it by `parse`, times by `alternate`, and hands its rows to `write_table`.
"""

import argparse
import gc
import os
import platform
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import numpy as np
import scipy
import sklearn
import threadpoolctl
from sklearn.exceptions import ConvergenceWarning

import skdopamine

threadpoolctl.threadpool_limits(1)
warnings.simplefilter("ignore", ConvergenceWarning)  # both sides run at limits that they may not converge in

RESULTS = Path(__file__).parent / "results"


class Timed(NamedTuple):
    """One call of `alternate`."""

    seconds: float
    result: Any


def parser(doc: str | None, *, seeds: int, sets: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return a parser with --seeds and --quick, and with --sets where there are sets to choose from."""
    result = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--seeds", type=int, default=seeds, help=f"number of seeds, 0 .. seeds - 1 (default {seeds})")
    result.add_argument("--quick", action="store_true", help="one seed and small sizes, to try the script out; no file")
    if sets:
        result.add_argument(
            "--sets", nargs="+", choices=sets, default=list(sets), metavar="SET", help="only these sets; no file"
        )
    return result


def parse(script: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the command line; `save` says whether the run is a full one, whose table goes to a file.

    One on fewer seeds is not, as it would replace a table with a lesser one.
    """
    args = script.parse_args()
    if args.seeds < 1:
        script.error(f"--seeds must be at least 1, got {args.seeds}")
    if args.quick:
        args.seeds = 1
    args.whole = not args.quick and getattr(args, "sets", None) == script.get_default("sets")
    args.save = args.whole and args.seeds >= script.get_default("seeds")
    return args


def alternate(functions: dict[str, Callable[[], Any]], repetitions: int = 1, start: int = 0) -> dict[str, list[Timed]]:
    """Time each function once per repetition; the order of the functions is reversed in every other repetition.

    A caller whose functions change from one call to the next (a fold each, say) counts on with `start` instead.
    """
    times: dict[str, list[Timed]] = {name: [] for name in functions}
    for repetition in range(start, start + repetitions):
        for name in list(functions)[:: -1 if repetition % 2 else 1]:
            gc.collect()  # nobody pays for the other's garbage
            begin = time.perf_counter()
            result = functions[name]()
            times[name].append(Timed(time.perf_counter() - begin, result))
    return times


def progress(message: str) -> None:
    """Tell on stderr how far the run is."""
    print(message, file=sys.stderr, flush=True)


def geometric_mean(values: Sequence[float]) -> float:
    return float(np.exp(np.mean(np.log(values))))


def verdict(
    label: str,
    value: float,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    form: str = ".2f",
    unit: str = "",
) -> str:
    """Return one line with a figure, its target, and "met" or by how much it is missed."""
    sign, target = (">=", at_least) if at_least is not None else ("<=", at_most)
    assert target is not None
    gap = target - value if sign == ">=" else value - target
    judgement = "met" if gap <= 0 else f"missed by {gap:{form.lstrip('+')}}"  # nan is a miss
    return f"{label}: {value:{form}}{unit} (target {sign} {target:{form}}{unit}: **{judgement}**)"


def cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def provenance() -> list[str]:
    """Return date, versions, machine and command of this run."""
    modules = (np, scipy, sklearn, skdopamine)
    versions = [f"Python {platform.python_version()}", *(f"{m.__name__} {m.__version__}" for m in modules)]
    threads = max((pool["num_threads"] for pool in threadpoolctl.threadpool_info()), default=1)
    script = Path(sys.argv[0]).name
    return [
        f"Date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"Versions: {', '.join(versions)}",
        f"Machine: {cpu_model()}, {os.cpu_count()} logical CPUs; BLAS and OpenMP threads: {threads}; "
        f"processes at work in the last 15 minutes, this one included: {os.getloadavg()[2]:.1f}",
        f"Command: `{shlex.join(['python', f'benchmarks/{script}', *sys.argv[1:]])}`",
    ]


def write_table(
    name: str,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    notes: Sequence[str] = (),
    *,
    save: bool = True,
) -> None:
    """Print a markdown table with its notes and origin; with save, also write it to results/<name>.md."""
    table = [columns, ["---"] * len(columns), *rows]
    lines = [f"# {title}", "", *("| " + " | ".join(str(cell) for cell in row) + " |" for row in table), ""]
    for part in (notes, provenance()):
        lines += [*(f"- {line}" for line in part), ""] if part else []
    text = "\n".join(lines[:-1])
    print(text)
    if save:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.md").write_text(text + "\n", encoding="utf-8")
