"""Yearly to half-hourly series, whole and cut to three to five years, beside naive, statistical and lagged forecasts.

Each case is a series up to an origin: whole series have three origins, a horizon apart, and monthly ones are cut to 36,
48 and 60 rows in several places. Everybody forecasts the rows that follow, at the defaults; rivals are told the season
(AutoETS and AutoARIMA up to 24 rows), ours finds it. Errors are MASE: mean absolute errors over the horizon, in units
of the mean change of a season in the rows before. The second table has their means by kind, at the first step, too.
Widths are those of intervals of 90 % beside AutoARIMA's, of the cases whose season it is told.

The third table has the coverage of intervals of 90 % from many origins: ours learns the rows before the last quarter
and then, by `partial_fit`, those up to each origin. Phases are those of the season of the row that is forecast: months,
quarters, days, pieces of four weeks and, of half hours, the hours of the day.

    python benchmarks/everyday.py            # writes results/everyday.md, everyday_kinds.md, everyday_intervals.md
    python benchmarks/everyday.py --quick    # some cuts and origins of AirPassengers, prints only
"""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import _harness
import numpy as np
from _data import EVERYDAY, everyday
from _forecasts import ARIMA, COVERAGE, ETS, FLAIR, LONGEST, NAIVE, RIVALS, Forecast, rivals

from skdopamine import DopamineESNForecaster

Array = np.ndarray
CUTS = (36, 48, 60)
N_AHEAD = 12  # of a cut
N_ORIGINS = 3
MOST_ORIGINS = 60  # of the third table
PHASES = {336: (48, 2), 52: (52, 4)}  # rows a cycle, and rows a phase; else the season, and one
KINDS = {0: "yearly", 4: "quarterly", 7: "daily", 12: "monthly", 52: "weekly", 336: "half-hourly"}
OURS = "ours"
MEAN = (("at_least", 87.0), ("at_most", 93.0))  # percent of the rows
WITHIN = (80.0, 97.0)  # percent in each part
PERCENT: dict[str, Any] = {"form": ".1f", "unit": " %"}
MOST_OF_CO2 = 0.52


class Case(NamedTuple):
    name: str
    kind: str
    rows: Array
    truth: Array
    season: int  # 0 for none

    @property
    def cut(self) -> bool:
        return "cut" in self.kind

    @property
    def unit(self) -> float:
        lag = max(1, self.season)
        return float(np.abs(self.rows[lag:] - self.rows[:-lag]).mean())


class Line(NamedTuple):
    """One case: absolute errors of each step and side in units of MASE, averaged over the seeds for ours."""

    case: Case
    base: str
    errors: dict[str, Array]
    covered: dict[str, Array]  # share of the seeds, at each step
    widths: dict[str, float]
    seconds: float

    def mase(self, side: str) -> float:
        return float(self.errors[side].mean())

    @property
    def width(self) -> float:
        """Ours beside AutoARIMA's; nan where there is none to compare with."""
        fair = ARIMA in self.widths and self.case.season <= LONGEST
        return self.widths[OURS] / self.widths[ARIMA] if fair else np.nan

    def cells(self) -> list[object]:
        case = self.case
        errors = [f"{self.mase(side):.3f}" if side in self.errors else "-" for side in (OURS, *RIVALS)]
        sizes = [case.name, len(case.rows), case.season or "-", len(case.truth)]
        shares = [f"{100 * self.covered[side].mean():.0f}" if side in self.covered else "-" for side in (OURS, ARIMA)]
        width = "-" if np.isnan(self.width) else f"{self.width:.2f}"
        return [*sizes, self.base, *errors, *shares, width, f"{self.seconds:.2f}"]


COLUMNS = (
    *("series", "rows", "season", "horizon", "base", OURS, *RIVALS),
    *("covered (%)", f"{ARIMA} covers (%)", f"width, {ARIMA} 1", "fit (s)"),
)


def cases(name: str, quick: bool) -> Iterator[Case]:
    rows, season, horizon = everyday(name)
    if season == 12:
        for n in CUTS[:1] if quick else CUTS:
            last = len(rows) - n - N_AHEAD
            for first in sorted({0, last // 2, last}):
                end = first + n
                kind = f"{KINDS[season]}, cut to {n}"
                yield Case(f"{name}, cut at {end}", kind, rows[first:end], rows[end : end + N_AHEAD], season)
    for k in range(0 if quick else N_ORIGINS):
        end = len(rows) - (k + 1) * horizon
        yield Case(f"{name}, to {end}", KINDS[season], rows[:end], rows[end : end + horizon], season)


def inside(low: Array, truth: Array, high: Array) -> Array:
    return (low <= truth) & (truth <= high)


def of_ours(case: Case, seed: int) -> tuple[DopamineESNForecaster, Forecast, float]:
    begin = time.perf_counter()
    model = DopamineESNForecaster(stateful=True, random_state=seed).fit(case.rows[:, None])
    seconds, n_steps = time.perf_counter() - begin, len(case.truth)
    ends = (end.ravel() for end in model.forecast_interval(n_steps, COVERAGE))
    return model, Forecast(model.forecast(n_steps).ravel(), *ends), seconds


def run(case: Case, n_seeds: int, sides: dict[str, Callable[[Array, int, int], Forecast]]) -> Line:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few loops held back, and what rivals warn of
        models, paths, seconds = zip(*(of_ours(case, seed) for seed in range(n_seeds)), strict=True)
        found = {side: [forecast(case.rows, case.season, len(case.truth))] for side, forecast in sides.items()}
    errors, covered, widths = {}, {}, {}
    for side, own in {OURS: paths, **found}.items():
        errors[side] = np.mean([np.abs(f.path - case.truth) for f in own], axis=0) / case.unit
        if own[0].low is not None:
            covered[side] = np.mean([inside(f.low, case.truth, f.high) for f in own], axis=0)
            widths[side] = float(np.mean([(f.high - f.low).mean() for f in own]))
    return Line(case, models[0].base_, errors, covered, widths, float(np.median(seconds)))


class Rolling(NamedTuple):
    """One series: share of the seeds (origins, steps) whose interval holds the row, and the row's phase."""

    name: str
    kind: str
    covered: Array
    phases: Array | None
    n_cycles: float  # of the phases, in the rows that are forecast

    def thirds(self) -> list[float]:
        return [float(part.mean()) for part in np.array_split(self.covered, 3, axis=1)]

    def cells(self) -> list[object]:
        of_phases = shares_of([self])
        ends = [f"{100 * share:.0f}" for share in (min(of_phases), max(of_phases))] if of_phases else ["-", "-"]
        shares = (self.covered.mean(), *self.thirds())
        return [self.name, *self.covered.shape, *(f"{100 * s:.0f}" for s in shares), len(of_phases) or "-", *ends]


ROLLING_COLUMNS = (
    *("series", "origins", "steps", "all (%)", "first third (%)", "second third (%)", "last third (%)"),
    *("phases", "lowest phase (%)", "highest phase (%)"),
)


def shares_of(lines: Sequence[Rolling]) -> list[float]:
    """Coverage of each phase, over all series that have phases."""
    own = [line for line in lines if line.phases is not None]
    if not own:
        return []
    covered = np.concatenate([line.covered.ravel() for line in own])
    phases = np.concatenate([line.phases.ravel() for line in own])
    return [float(covered[phases == phase].mean()) for phase in np.unique(phases)]


def roll(name: str, n_seeds: int, most: int) -> Rolling:
    rows, season, horizon = everyday(name)
    first = len(rows) - max(len(rows) // 4, 2 * horizon)
    every = max(1, -(-(len(rows) - first - horizon + 1) // most))
    origins = np.arange(first, len(rows) - horizon + 1, every)
    targets = origins[:, None] + np.arange(horizon)
    covered = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few loops held back, a path at its bounds
        for seed in range(n_seeds):
            model, known = DopamineESNForecaster(stateful=True, random_state=seed).fit(rows[:first, None]), first
            for origin, target in zip(origins, targets, strict=True):
                if origin > known:
                    model.partial_fit(rows[known:origin, None])
                known = origin
                low, high = (end.ravel() for end in model.forecast_interval(horizon, COVERAGE))
                covered.append(inside(low, rows[target], high))
    shares = np.reshape(covered, (n_seeds, *targets.shape)).mean(axis=0)
    cycle, of_phase = PHASES.get(season, (season, 1))
    phases = targets % cycle // of_phase if season else None
    return Rolling(name, KINDS[season], shares, phases, (len(rows) - first) / max(1, cycle))


def ratio(lines: list[Line], side: str) -> float:
    return _harness.geometric_mean([line.mase(OURS) / line.mase(side) for line in lines])


def summary(lines: list[Line]) -> list[str]:
    notes = []
    for kind, own in (("cut", [x for x in lines if x.case.cut]), ("whole", [x for x in lines if not x.case.cut])):
        if not own:
            continue
        ratios = {side: ratio(own, side) for side in own[0].errors if side != OURS}
        for side, value in ratios.items():
            label = f"{kind}, {len(own)} cases: error over that of {side}"
            most = {ETS: 1.05 if kind == "cut" else 0.95}.get(side)
            notes.append(_harness.verdict(label, value, at_most=most) if most else f"{label}: {value:.2f}")
        if {ETS, FLAIR} <= set(ratios):
            label = f"{kind}: error over that of the better of {ETS} and {FLAIR}"
            notes.append(_harness.verdict(label, max(ratios[ETS], ratios[FLAIR]), at_most=1.0))
            best = [x.mase(OURS) / min(x.mase(ETS), x.mase(FLAIR)) for x in own]
            notes.append(f"{label} in each case: {_harness.geometric_mean(best):.2f}")
        worst = max(own, key=lambda x: x.mase(OURS) / x.mase(NAIVE))
        label = f"{kind}: worst beside the {NAIVE}, {worst.case.name}"
        notes.append(_harness.verdict(label, worst.mase(OURS) / worst.mase(NAIVE), at_most=1.1))
        widths = [x.width for x in own if not np.isnan(x.width)]
        if widths:
            label = f"{kind}, {len(widths)} cases: width of the intervals over {ARIMA}'s, geometric mean"
            notes.append(_harness.verdict(label, _harness.geometric_mean(widths), at_most=1.0))
        for side in own[0].covered:
            shares = [100 * np.mean([x.covered[side].mean() for x in own])]
            shares += [100 * np.mean([np.array_split(x.covered[side], 3)[k].mean() for x in own]) for k in range(3)]
            text = ", ".join(f"{share:.0f}" for share in shares)
            notes.append(f"{kind}: coverage of {side}, of all steps and of each third of the horizon: {text} %")
        notes.append(f"{kind}: median time of a fit: {np.median([x.seconds for x in own]):.2f} s")
    co2 = [line.mase(OURS) for line in lines if line.case.name.startswith("co2, to")]
    if co2:
        notes.append(_harness.verdict("co2, whole: MASE", float(np.mean(co2)), at_most=MOST_OF_CO2))
    return notes


def by_kind(lines: list[Line]) -> list[list[object]]:
    """Mean MASE at the first step and over the horizon, of each side."""
    cells: list[list[object]] = []
    for kind in sorted({x.case.kind for x in lines}):
        own = [x for x in lines if x.case.kind == kind]
        for part, steps in (("first step", slice(0, 1)), ("horizon", slice(None))):
            means = [
                f"{np.mean([x.errors[side][steps].mean() for x in own]):.3f}" if side in own[0].errors else "-"
                for side in (OURS, *RIVALS)
            ]
            cells.append([kind, len(own), part, *means])
    return cells


def rolling_summary(lines: list[Rolling]) -> list[str]:
    """Set the coverage over all, and in the parts of each kind, beside the targets."""
    mean = 100 * float(np.mean([line.covered.mean() for line in lines]))
    notes = [_harness.verdict("coverage, mean of the series", mean, **{side: end}, **PERCENT) for side, end in MEAN]
    for kind in dict.fromkeys(line.kind for line in lines):
        own = [line for line in lines if line.kind == kind]
        thirds = list(np.mean([line.thirds() for line in own], axis=0))
        for part, shares in (("third of the horizon", thirds), ("phase of the season", shares_of(own))):
            if shares:
                label = f"{kind}, {len(own)} series, {{}} {part}"
                low, high = 100 * min(shares), 100 * max(shares)
                notes.append(_harness.verdict(label.format("lowest"), low, at_least=WITHIN[0], **PERCENT))
                notes.append(_harness.verdict(label.format("highest"), high, at_most=WITHIN[1], **PERCENT))
        if own[0].phases is not None:
            n_cycles, n_phases = round(sum(line.n_cycles for line in own)), len(shares_of(own))
            drawn = 100 * np.random.default_rng(0).binomial(n_cycles, COVERAGE, (1000, n_phases)) / n_cycles
            low, high = drawn.min(axis=1).mean(), drawn.max(axis=1).mean()
            label = f"{kind}: exact intervals, one row in each phase of {n_cycles} cycles, would have"
            notes.append(f"{label} {low:.0f} and {high:.0f} % in the lowest and highest of {n_phases} phases")
    return notes


def write(lines: list[Line], rolling: list[Rolling], args: Any, save: bool) -> None:
    seeds = f"seeds: {args.seeds}"
    title = f"Everyday series: MASE over the horizon, means over the seeds, {seeds}"
    _harness.write_table("everyday", title, COLUMNS, [x.cells() for x in lines], summary(lines), save=save)
    title = f"Everyday series: mean MASE by kind, at the first step and over the horizon, {seeds}"
    columns = ("kind", "cases", "steps", OURS, *RIVALS)
    _harness.write_table("everyday_kinds", title, columns, by_kind(lines), save=save)
    title = f"Everyday series: coverage of intervals of {100 * COVERAGE:.0f} % from rolling origins, {seeds}"
    cells, notes = [x.cells() for x in rolling], rolling_summary(rolling)
    _harness.write_table("everyday_intervals", title, ROLLING_COLUMNS, cells, notes, save=save)


def main() -> None:
    args = _harness.parse(_harness.parser(__doc__, seeds=3, sets=tuple(EVERYDAY)))
    names = ["AirPassengers"] if args.quick and args.sets == list(EVERYDAY) else args.sets
    sides, missing = rivals()
    for package in sorted(missing):
        _harness.progress(f"{package} is not installed and is left out")
    lines, rolling = [], []
    for name in names:
        for case in cases(name, args.quick):
            lines.append(run(case, args.seeds, sides))
            _harness.progress(" | ".join(map(str, lines[-1].cells())))
        rolling.append(roll(name, args.seeds, 5 if args.quick else MOST_ORIGINS))
        _harness.progress(" | ".join(map(str, rolling[-1].cells())))
    write(lines, rolling, args, args.save and not missing)


if __name__ == "__main__":
    main()
