"""What a longer series costs DopamineESNForecaster: memory of `fit`, an update of the gains, and `partial_fit`.

One channel of 1,000 to 1,000,000 rows, 100 units. Memory is the peak of the traced allocations during `fit` (to which
numpy reports) beyond the series itself and one standardised copy of it, in a fresh process in which a small fit has
already run. Seconds are measured in another one, without tracing.

    python benchmarks/streams.py            # writes results/streams.md
    python benchmarks/streams.py --quick    # up to 10,000 rows, prints only
"""

import json
import statistics
import subprocess
import sys
import time
import tracemalloc
from itertools import pairwise

import _harness as harness
import numpy as np
from xor import watch

from skdopamine import DopamineESNForecaster

ROWS = (1_000, 10_000, 100_000, 1_000_000)
UNITS = 100
UPDATES = 3  # of the gains
NEW, PIECES = 1_000, 9  # rows of a call of partial_fit, calls
FLAT = 1.2
MEGABYTE = 2**20


def make_series(n_rows: int, seed: int) -> np.ndarray:
    """Two waves and noise."""
    time_ = np.arange(n_rows)
    series = np.sin(time_ / 5) + np.sin(time_ / 17 + 1)
    series += 0.1 * np.random.default_rng(seed).standard_normal(n_rows)
    return series[:, None]


def memory_of_fit(trainable: tuple[str, ...], n_rows: int, seed: int) -> list[float]:
    """Megabytes beyond the series and a copy."""
    series = make_series(n_rows, seed)
    model = make_model(trainable, seed)
    model.fit(series[:500])
    tracemalloc.start()
    model.fit(series)
    return [(tracemalloc.get_traced_memory()[1] - series.nbytes) / MEGABYTE]


def make_model(trainable: tuple[str, ...], seed: int) -> DopamineESNForecaster:
    return DopamineESNForecaster(UNITS, stateful=True, trainable=trainable, max_iter=UPDATES, random_state=seed)


def seconds_of(n_rows: int, seed: int) -> list[float]:
    """Seconds of a plain fit, of the last updates of the gains (median), and of partial_fit (median)."""
    series = make_series(n_rows + PIECES * NEW, seed)
    history, new = series[:n_rows], series[n_rows:]
    begin = time.perf_counter()
    make_model((), seed).fit(history)
    plain = time.perf_counter() - begin
    model = make_model(("gains",), seed)
    with watch() as marks:
        model.fit(history)
    updates = [after.seconds - before.seconds for before, after in pairwise(marks)]  # the first has more members
    pieces = []
    for piece in np.split(new, PIECES):
        begin = time.perf_counter()
        model.partial_fit(piece)
        pieces.append(time.perf_counter() - begin)
    return [plain, statistics.median(updates), statistics.median(pieces)]


def in_fresh_process(what: str, *case: object) -> list[float]:
    """Run `memory_of_fit` or `seconds_of` with these arguments in a new interpreter."""
    command = [sys.executable, __file__, "--case", json.dumps([what, *case])]
    return list(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout))


def median_of(n_seeds: int, what: str, *case: object) -> np.ndarray:
    return np.asarray(np.median([in_fresh_process(what, *case, seed) for seed in range(n_seeds)], axis=0))


def main() -> None:
    parser = harness.parser(__doc__, seeds=1)
    parser.add_argument("--case", type=json.loads, help="measure one case in this process (what the script calls)")
    args = harness.parse(parser)
    if args.case:
        what, *case = args.case
        print(json.dumps({"memory": memory_of_fit, "seconds": seconds_of}[what](*case)))
        return
    sizes = ROWS[:2] if args.quick else ROWS
    rows, figures = [], {}
    for n_rows in sizes:
        (plain,), (tuned,) = (median_of(args.seeds, "memory", kind, n_rows) for kind in ((), ("gains",)))
        fit, update, piece = median_of(args.seeds, "seconds", n_rows)
        figures[n_rows] = {"plain": plain, "tuned": tuned, "update": update, "piece": piece}
        cells = (f"{plain:.1f}", f"{tuned:.1f}", f"{fit:.2f}", f"{update:.2f}", f"{1000 * piece:.0f}")
        rows.append([f"{n_rows:,}", *cells])
        harness.progress(" | ".join(rows[-1]))
    before, last = figures[sizes[-2]], figures[sizes[-1]]
    span = f"{sizes[-1]:,} rows relative to {sizes[-2]:,}"
    notes = [
        harness.verdict(f"{label}, {span}", last[key] / before[key], at_most=FLAT)
        for key, label in (
            ("plain", "memory of fit, trainable=()"),
            ("tuned", "memory of fit, default"),
            ("update", "seconds of an update of the gains"),
            ("piece", f"seconds of partial_fit of {NEW:,} rows"),
        )
    ]
    notes.append(f"{UNITS} units, one channel, {UPDATES} updates of the gains, which look at the last 6,000 rows.")
    notes.append("Buffers have reached their size at 100,000 rows; below, the series is shorter than they are.")
    title = "Streams: what a longer series costs the forecaster, in memory and in seconds"
    columns = ("rows", "fit, trainable=(), beyond series and copy (MB)", "fit, default, beyond series and copy (MB)")
    columns += ("fit, trainable=(), seconds", "update of the gains, seconds", f"partial_fit of {NEW:,} rows, ms")
    harness.write_table("streams", title, columns, rows, notes, save=args.save)


if __name__ == "__main__":
    main()
