"""Many monthly series: one model for all, one model each, and AutoETS; errors, coverage, time and memory.

500 series are generated, of 36 to 200 months and twelve more to forecast: a level, a trend, a season and noise of
different sizes, and half of them grow in proportion. A model at the defaults learns from the list of all. On a sample
of them one model each does so, too. AutoETS (statsforecast, extra `everyday`) is told the season and gets each series
by itself. The measured series are the monthly ones of `everyday.py`, 200 months at most before each of three origins.

Errors are MASE: mean absolute errors over the twelve months, in units of the mean change of a season in the rows
before. Covered are rows by intervals of 90 %. Seconds are those of the processor, of fit, forecast and intervals, for
each series. Time and memory of one fit of 1,000 series of 200 rows are measured in fresh processes; memory is the peak
of the traced allocations during `fit` beyond the series.

    python benchmarks/panel.py            # writes results/panel.md
    python benchmarks/panel.py --quick    # 20 series, prints only
"""

import json
import subprocess
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

import _harness
import numpy as np
from _data import EVERYDAY, everyday
from _forecasts import COVERAGE, ETS, NAIVE, Forecast, _auto, naive

from skdopamine import DopamineESNForecaster

Array = np.ndarray
SEASON = 12
N_STEPS = 12
N_SERIES = 500
SAMPLE = 40  # of them, with a model each
LENGTHS = (36, 200)
CLASSES = ((36, 60), (61, 120), (121, 200))  # of lengths
N_ORIGINS = 3  # of measured series
LARGE = (1000, 200)  # series and rows of the panel whose fit is measured
ALL, EACH = "one for all", "one each"
SIDES = (ALL, EACH, ETS, NAIVE)
PERCENT: dict[str, Any] = {"form": ".1f", "unit": " %"}
MEGABYTE = 2**20


class Case(NamedTuple):
    """A series and what came."""

    rows: Array
    truth: Array

    @property
    def unit(self) -> float:
        return float(np.abs(self.rows[SEASON:] - self.rows[:-SEASON]).mean())


class Result(NamedTuple):
    """What one side did with some cases, means over the seeds."""

    mase: Array  # (cases,)
    covered: Array | None  # (cases,)
    width: Array | None  # (cases,), in units of MASE
    seconds: float  # a series


def generated(n_series: int, lengths: tuple[int, int], seed: int) -> list[Case]:
    """Monthly series: each has a level, a trend, a season of two waves, a slow walk, and noise."""
    rng, cases = np.random.default_rng(seed), []
    for k in range(n_series):
        n = int(rng.integers(lengths[0], lengths[1] + 1)) + N_STEPS
        months = np.arange(n)
        trend = rng.uniform(-0.05, 0.15) * months / SEASON
        phase = 2 * np.pi * (months + rng.integers(SEASON)) / SEASON
        season = rng.uniform(0, 0.3) * np.sin(phase) + rng.uniform(0, 0.15) * np.sin(2 * phase)
        walk = np.cumsum(rng.uniform(0, 0.02) * rng.standard_normal(n))
        noise = rng.uniform(0.01, 0.15) * rng.standard_normal(n)
        change = trend + season + walk + noise
        rows = 10 ** rng.uniform(1, 4) * (np.exp(change) if k % 2 else 1 + change)
        cases.append(Case(rows[:-N_STEPS], rows[-N_STEPS:]))
    return cases


def measured() -> list[list[Case]]:
    """For each origin the monthly series up to it."""
    series = [everyday(name)[0] for name, (_, season, _) in EVERYDAY.items() if season == SEASON]
    ends = [-(k + 1) * N_STEPS for k in range(N_ORIGINS)]
    return [[Case(rows[:end][-LENGTHS[1] :], rows[len(rows) + end :][:N_STEPS]) for rows in series] for end in ends]


def one_for_all(cases: Sequence[Case], seed: int) -> list[Forecast]:
    model = DopamineESNForecaster(stateful=True, random_state=seed).fit([case.rows for case in cases])
    paths, ends = model.forecast(N_STEPS), model.forecast_interval(N_STEPS, COVERAGE)
    return [Forecast(path, *own) for path, own in zip(paths, ends, strict=True)]


def one_each(cases: Sequence[Case], seed: int) -> list[Forecast]:
    return [_of_one(case.rows, seed) for case in cases]


def _of_one(rows: Array, seed: int) -> Forecast:
    model = DopamineESNForecaster(stateful=True, random_state=seed).fit(rows)
    return Forecast(model.forecast(N_STEPS), *model.forecast_interval(N_STEPS, COVERAGE))


def ets(cases: Sequence[Case], seed: int) -> list[Forecast]:
    from statsforecast.models import AutoETS

    model = AutoETS(season_length=SEASON)
    return [_auto(model, case.rows, N_STEPS, [round(100 * COVERAGE)]) for case in cases]


def naives(cases: Sequence[Case], seed: int) -> list[Forecast]:
    return [naive(case.rows, SEASON, N_STEPS) for case in cases]


def judged(forecast: Callable[[Sequence[Case], int], list[Forecast]], panels: list[list[Case]], n: int) -> Result:
    """Errors of one side on some panels, each by itself, with n seeds."""
    cases, mase, covered, width = [case for panel in panels for case in panel], [], [], []
    begin = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few loops held back, a path at its bounds, and what rivals warn of
        found = [[f for panel in panels for f in forecast(panel, seed)] for seed in range(n)]
    seconds = (time.process_time() - begin) / (n * len(cases))
    for own in found:
        mase.append([np.abs(f.path - case.truth).mean() / case.unit for f, case in zip(own, cases, strict=True)])
        if own[0].low is not None:
            pairs = list(zip(own, cases, strict=True))
            covered.append([np.mean((f.low <= case.truth) & (case.truth <= f.high)) for f, case in pairs])
            width.append([(f.high - f.low).mean() / case.unit for f, case in pairs])
    has_ends = bool(covered)
    ends = (np.mean(covered, axis=0), np.mean(width, axis=0)) if has_ends else (None, None)
    return Result(np.mean(mase, axis=0), *ends, seconds)


class Line(NamedTuple):
    """Some of the series, and what the sides did with them."""

    name: str
    results: dict[str, Result]

    def of(self, name: str, which: Array) -> "Line":
        """Some of these series."""
        parts = {}
        for side, result in self.results.items():
            own = (None if values is None else values[which] for values in result[:3])
            parts[side] = Result(*own, result.seconds)
        return Line(name, parts)

    def ratio(self, side: str, other: str) -> float:
        """Geometric mean of the ratios of errors."""
        return _harness.geometric_mean(list(self.results[side].mase / self.results[other].mase))

    def coverage(self, side: str) -> float:
        covered = self.results[side].covered
        return np.nan if covered is None else 100 * float(covered.mean())

    def cells(self) -> list[list[object]]:
        cells: list[list[object]] = []
        for side in SIDES:
            if side not in self.results:
                continue
            result = self.results[side]
            shares = ["-", "-"]
            if result.covered is not None and result.width is not None:
                shares = [f"{self.coverage(side):.1f}", f"{np.median(result.width):.2f}"]
            beside = f"{self.ratio(side, ETS):.2f}" if ETS in self.results else "-"
            sizes = [self.name, len(result.mase), side, f"{result.mase.mean():.3f}", f"{np.median(result.mase):.3f}"]
            cells.append([*sizes, beside, *shares, f"{result.seconds:.3f}"])
        return cells


COLUMNS = (
    *("series", "number", "model", "mean MASE", "median MASE", f"error, {ETS} 1", "covered (%)"),
    *("median width", "seconds a series"),
)


def of_large(what: str, n_series: int, n_rows: int) -> float:
    """Seconds of the processor of one fit, or megabytes."""
    series = [case.rows for case in generated(n_series, (n_rows, n_rows), 1)]
    model = DopamineESNForecaster(stateful=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(series[:3])  # all that is loaded at the first fit
        if what == "memory":
            tracemalloc.start()
        begin = time.process_time()
        model.fit(series)
        seconds = time.process_time() - begin
    return tracemalloc.get_traced_memory()[1] / MEGABYTE if what == "memory" else seconds


def in_fresh_process(what: str, n_series: int, n_rows: int) -> float:
    command = [sys.executable, __file__, "--case", json.dumps([what, n_series, n_rows])]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def compared(name: str, panels: list[list[Case]], sides: dict[str, Any], n_seeds: int) -> Line:
    results = {}
    for side, forecast in sides.items():
        results[side] = judged(forecast, panels, n_seeds if side in (ALL, EACH) else 1)
        _harness.progress(f"{name}: {side}, mean MASE {results[side].mase.mean():.3f}, {results[side].seconds:.3f} s")
    return Line(name, results)


def summary(whole: Line, sample: Line, own: Line) -> list[str]:
    """Figures beside targets."""
    notes = []
    for line in (whole, own):
        if ETS in line.results:
            label = f"{line.name}: error of {ALL} over that of {ETS}"
            notes.append(_harness.verdict(label, line.ratio(ALL, ETS), at_most=1.05))
            label = f"{line.name}: seconds of {ALL} over those of {ETS}"
            ratio = line.results[ALL].seconds / line.results[ETS].seconds
            notes.append(_harness.verdict(label, ratio, at_most=1.0))
    for line in (sample, own):
        label = f"{line.name}: error of {ALL} over that of {EACH}"
        notes.append(_harness.verdict(label, line.ratio(ALL, EACH), at_most=1.0))
        ratio = line.results[EACH].seconds / line.results[ALL].seconds
        notes.append(f"{line.name}: seconds of {EACH} over those of {ALL}: {ratio:.0f}")
    for line in (whole, own):
        label, value = f"{line.name}: coverage of {ALL}", line.coverage(ALL)
        notes.append(_harness.verdict(label, value, at_least=87.0, **PERCENT))
        notes.append(_harness.verdict(label, value, at_most=93.0, **PERCENT))
    return notes


def main() -> None:
    parser = _harness.parser(__doc__, seeds=3)
    parser.add_argument("--case", type=json.loads, help="measure one fit in this process (what the script calls)")
    args = _harness.parse(parser)
    if args.case:
        print(of_large(*args.case))
        return
    n_series, n_sample, large = (20, 2, (20, 60)) if args.quick else (N_SERIES, SAMPLE, LARGE)
    sides: dict[str, Any] = {ALL: one_for_all, ETS: ets, NAIVE: naives}
    if find_spec("statsforecast") is None:
        _harness.progress("statsforecast is not installed and is left out")
        del sides[ETS]
    else:
        ets(generated(2, LENGTHS, 2), 0)  # what is compiled at the first call
    cases = generated(n_series, LENGTHS, 0)
    whole = compared("generated", [cases], sides, args.seeds)
    chosen = np.linspace(0, n_series - 1, n_sample).astype(int)
    alone = judged(one_each, [[cases[k] for k in chosen]], args.seeds)
    part = whole.of("generated, a sample", chosen)
    sample = part._replace(results=part.results | {EACH: alone})
    _harness.progress(f"one each of the sample: mean MASE {alone.mase.mean():.3f}, {alone.seconds:.3f} s")
    panels = measured()[: 1 if args.quick else N_ORIGINS]
    own = compared("measured", panels, sides | {EACH: one_each}, args.seeds)
    lengths = np.array([len(case.rows) for case in cases])
    parts = [
        whole.of(f"generated, {low} to {high} rows", np.flatnonzero((lengths >= low) & (lengths <= high)))
        for low, high in CLASSES
    ]
    notes = summary(whole, sample, own)
    seconds, memory = (in_fresh_process(what, *large) for what in ("seconds", "memory"))
    notes.append(
        f"one fit of {large[0]:,} series of {large[1]} rows: {seconds:.1f} s of the processor, {memory:.0f} MB beyond "
        f"the series, which are {8 * large[0] * large[1] / MEGABYTE:.1f} MB"
    )
    rows = [cells for line in (*parts, whole, sample, own) for cells in line.cells()]
    title = f"Many monthly series: one model for all, one each, and {ETS}, means over the seeds, seeds: {args.seeds}"
    _harness.write_table("panel", title, COLUMNS, rows, notes, save=args.save and ETS in sides)


if __name__ == "__main__":
    main()
