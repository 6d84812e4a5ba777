"""What a stream costs: time and memory of a call of `partial_fit`, from the first to the last of a million.

Each estimator in a fresh process takes batches of 8 rows of 8 features (the forecaster: of one series). Time is that of
the process, memory what the system holds for it; both of each tenth of the calls. The example of ten million rows is
run in a fresh process, too.

    python benchmarks/endless.py                    # writes results/endless.md
    python benchmarks/endless.py --calls 30000      # fewer calls; below 30,000 prints only
    python benchmarks/endless.py --quick            # 2,000 calls, prints only
"""

import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import _harness as harness
import numpy as np

from skdopamine import DopamineESNForecaster, DopamineMLPClassifier, DopamineMLPPolicy, DopamineMLPRegressor

CALLS = 1_000_000
BATCH, FEATURES, POOL = 8, 8, 4_000
FEWEST = 30_000  # calls that a table is made of: curves are full after 10,000
FLAT_TIME, FLAT_MEMORY = 1.1, 5.0  # last tenth relative to the second; MB from the second tenth on
EXAMPLE = Path(__file__).parents[1] / "examples" / "plot_ten_million_rows.py"


def streams() -> dict[str, tuple[Callable[[], object], Callable]]:
    """Estimator -> what makes it, and what one call does with rows of the pool."""
    short = {"hidden_layer_sizes": (8,), "random_state": 0}

    def forecaster() -> DopamineESNForecaster:
        pool = waves()
        return DopamineESNForecaster(20, stateful=True, trainable=(), random_state=0).fit(pool[:300])

    return {
        "DopamineMLPClassifier": (
            lambda: DopamineMLPClassifier(**short),
            lambda model, X, _: model.partial_fit(X, X[:, 0] > X[:, 1], classes=[False, True]),
        ),
        "DopamineMLPRegressor": (
            lambda: DopamineMLPRegressor(**short),
            lambda model, X, _: model.partial_fit(X, X[:, 0] * X[:, 1]),
        ),
        "DopamineMLPPolicy": (
            lambda: DopamineMLPPolicy(**short),
            lambda model, X, _: model.partial_fit(
                X, (X[:, 1] > 0).astype(int), X[:, 0] * (X[:, 1] > 0), classes=[0, 1]
            ),
        ),
        "DopamineESNForecaster": (forecaster, lambda model, _, rows: model.partial_fit(rows)),
    }


def waves() -> np.ndarray:
    time_ = np.arange(POOL)
    noise = np.random.default_rng(1).standard_normal(POOL)
    return (np.sin(2 * np.pi * time_ / 40) + 0.1 * noise)[:, None]


def resident() -> float:
    """Megabytes that the system holds for this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def run(name: str, n_calls: int) -> list[list[float]]:
    """Milliseconds per call, resident megabytes and bytes of the pickled model after each tenth of the calls."""
    make, call = streams()[name]
    pool, series, model = np.random.default_rng(0).standard_normal((POOL, FEATURES)), waves(), make()
    tenths = []
    for tenth in range(10):
        begin = time.process_time()
        for number in range(tenth * n_calls // 10, (tenth + 1) * n_calls // 10):
            start = number * BATCH % (POOL - BATCH + 1)
            call(model, pool[start : start + BATCH], series[start : start + BATCH])
        seconds = time.process_time() - begin
        tenths.append([1e3 * seconds / (n_calls // 10), resident(), float(len(pickle.dumps(model)))])
        harness.progress(f"{name}: tenth {tenth + 1}, {tenths[-1]}")
    return tenths


def in_fresh_process(name: str, n_calls: int) -> np.ndarray:
    command = [sys.executable, __file__, "--case", json.dumps([name, n_calls])]
    return np.array(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))


def example() -> list[str]:
    """The lines that the example prints."""
    command, settings = [sys.executable, str(EXAMPLE)], {**os.environ, "MPLBACKEND": "agg"}
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=settings).stdout
    return [" ".join(line.split()) for line in printed.splitlines()]


def main() -> None:
    parser = harness.parser(__doc__, seeds=1)
    parser.add_argument("--calls", type=int, help=f"calls of each estimator (default {CALLS})")
    parser.add_argument("--case", type=json.loads, help="measure one case in this process (what the script calls)")
    args = harness.parse(parser)
    if args.case:
        print(json.dumps(run(*args.case)))
        return
    n_calls = 2_000 if args.quick else args.calls or CALLS
    rows, notes = [], []
    for name in streams():
        tenths = in_fresh_process(name, n_calls)
        (_, early, early_size), (slow, late, late_size) = tenths[1], tenths[-1]
        ratio = slow / tenths[1, 0]
        rows.append(
            [
                name,
                f"{n_calls:,}",
                f"{ratio:.2f}",
                f"{early:.1f}",
                f"{late:.1f}",
                f"{early_size:,.0f}",
                f"{late_size:,.0f}",
            ]
        )
        notes += [
            harness.verdict(f"{name}, time of a call, last tenth relative to the second", ratio, at_most=FLAT_TIME),
            harness.verdict(
                f"{name}, growth of memory from the second tenth", late - early, at_most=FLAT_MEMORY, unit=" MB"
            ),
        ]
    notes += [
        f"Batches of {BATCH} rows of {FEATURES} features, one hidden layer of 8; forecaster: 20 units.",
        "Curves are full after 10,000 calls, and a policy remembers its latest 10,000 rows.",
        "Times of one process at different times differ by up to a third where others use the machine. The tests "
        "count the functions that an early and a late call run.",
    ]
    notes += [f"examples/{EXAMPLE.name}: {line}" for line in ([] if args.quick else example())]
    columns = ["estimator", "calls", "time of a call, last / second tenth", "MB, second tenth", "MB, last tenth"]
    columns += ["bytes pickled, second tenth", "bytes pickled, last tenth"]
    title = "Streams without end: time and memory of partial_fit, and ten million rows"
    harness.write_table("endless", title, columns, rows, notes, save=args.save and n_calls >= FEWEST)


if __name__ == "__main__":
    main()
