"""Everyday series, whole and cut to three to five years, beside naive forecasts, AutoETS and FLAIR.

Each case is a series up to an origin: whole series have three origins, a horizon apart, and monthly ones are cut to 36,
48 and 60 rows in several places. Everybody forecasts the rows that follow, at the defaults; rivals are told the season
(AutoETS up to 24 rows), ours finds it. Errors are MASE: mean absolute errors over the horizon, in units of the mean
change of a season in the rows before. Means are geometric means of ratios. Coverage is that of intervals of 90 %.

    python benchmarks/everyday.py            # writes results/everyday.md
    python benchmarks/everyday.py --quick    # cuts of two series, prints only

AutoETS is that of statsforecast, FLAIR of flaircast, both of the extra `everyday`; who is missing is left out.
"""

import time
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import NamedTuple

import _harness
import numpy as np
from _data import everyday

from skdopamine import DopamineESNForecaster

Array = np.ndarray
CUTS = (36, 48, 60)
N_AHEAD = 12  # of a cut
N_ORIGINS = 3
COVERAGE = 0.9
FREQUENCIES = {0: "YS", 4: "QS", 7: "D", 12: "MS", 52: "W"}
COLUMNS = (
    "series",
    "rows",
    "season",
    "horizon",
    "base",
    "ours",
    "seasonal naive",
    "AutoETS",
    "FLAIR",
    "covered",
    "fit (s)",
)


class Case(NamedTuple):
    name: str
    cut: bool
    rows: Array
    truth: Array
    season: int  # 0 for none


class Line(NamedTuple):
    """One case: MASE of each side, averaged over the seeds for ours."""

    case: Case
    base: str
    error: dict[str, float]
    covered: Array  # (seeds, steps)
    seconds: float

    def cells(self) -> list[object]:
        case = self.case
        errors = [
            f"{self.error[side]:.3f}" if side in self.error else "-" for side in ("ours", "naive", "ets", "flair")
        ]
        sizes = [case.name, len(case.rows), case.season or "-", len(case.truth)]
        return [*sizes, self.base, *errors, f"{100 * self.covered.mean():.0f}", f"{self.seconds:.2f}"]


def cases(quick: bool) -> Iterator[Case]:
    for name, (rows, season, horizon) in everyday().items():
        if season == 12:
            for n in CUTS:
                last = len(rows) - n - N_AHEAD
                for first in sorted({0, last // 2, last}):
                    end = first + n
                    yield Case(f"{name}, cut at {end}", True, rows[first:end], rows[end : end + N_AHEAD], season)
        for k in range(0 if quick else N_ORIGINS):
            end = len(rows) - (k + 1) * horizon
            yield Case(f"{name}, to {end}", False, rows[:end], rows[end : end + horizon], season)


def naive(case: Case) -> Array:
    return np.resize(case.rows[-max(1, case.season) :], len(case.truth))


def ets(case: Case) -> Array:
    from statsforecast.models import AutoETS

    season = case.season if case.season <= 24 else 1  # as its authors advise
    return np.asarray(AutoETS(season_length=max(1, season)).forecast(y=case.rows.copy(), h=len(case.truth))["mean"])


def flair(case: Case) -> Array:
    from flaircast import flair_forecast

    samples = flair_forecast(case.rows.copy(), len(case.truth), FREQUENCIES[case.season], seed=0)
    return np.asarray(np.median(samples, axis=0))


def rivals() -> dict[str, Callable[[Case], Array]]:
    found: dict[str, Callable[[Case], Array]] = {"naive": naive}
    for side, package, forecast in (("ets", "statsforecast", ets), ("flair", "flaircast", flair)):
        if find_spec(package) is None:
            _harness.progress(f"{package} is not installed and is left out")
        else:
            found[side] = forecast
    return found


def run(case: Case, n_seeds: int, sides: dict[str, Callable[[Case], Array]]) -> Line:
    lag = max(1, case.season)
    unit = np.abs(case.rows[lag:] - case.rows[:-lag]).mean()
    errors, covered, seconds = [], [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few loops held back, and what rivals warn of
        for seed in range(n_seeds):
            begin = time.perf_counter()
            model = DopamineESNForecaster(stateful=True, random_state=seed).fit(case.rows[:, None])
            seconds.append(time.perf_counter() - begin)
            errors.append(np.abs(model.forecast(len(case.truth)).ravel() - case.truth).mean() / unit)
            low, high = (end.ravel() for end in model.forecast_interval(len(case.truth), COVERAGE))
            covered.append((low <= case.truth) & (case.truth <= high))
        error = {side: float(np.abs(forecast(case) - case.truth).mean() / unit) for side, forecast in sides.items()}
    error["ours"] = float(np.mean(errors))
    return Line(case, model.base_, error, np.array(covered), float(np.median(seconds)))


def summary(lines: list[Line]) -> list[str]:
    notes = []
    for kind, own in (("cut", [x for x in lines if x.case.cut]), ("whole", [x for x in lines if not x.case.cut])):
        if not own:
            continue
        for side, name, most in (("naive", "seasonal naive", None), ("ets", "AutoETS", 1.05), ("flair", "FLAIR", None)):
            if side in own[0].error:
                ratio = _harness.geometric_mean([x.error["ours"] / x.error[side] for x in own])
                label = f"{kind}, {len(own)} cases: error over that of {name}"
                target = most if kind == "cut" or most is None else 0.95
                notes.append(_harness.verdict(label, ratio, at_most=target) if target else f"{label}: {ratio:.2f}")
        if {"ets", "flair"} <= set(own[0].error):
            best = [x.error["ours"] / min(x.error["ets"], x.error["flair"]) for x in own]
            label = f"{kind}: error over that of the better of AutoETS and FLAIR in each case"
            notes.append(f"{label}: {_harness.geometric_mean(best):.2f}")
        worst = max(own, key=lambda x: x.error["ours"] / x.error["naive"])
        label = f"{kind}: worst beside the seasonal naive, {worst.case.name}"
        notes.append(_harness.verdict(label, worst.error["ours"] / worst.error["naive"], at_most=1.1))
        thirds = [np.array_split(x.covered.mean(axis=0), 3) for x in own]
        shares = [np.mean([third.mean() for third in of_part]) for of_part in zip(*thirds, strict=True)]
        label = f"{kind}: coverage in each third of the horizon"
        notes.append(f"{label}: {', '.join(f'{100 * share:.0f}' for share in shares)} % (wanted 90 %)")
        notes.append(f"{kind}: median time of a fit: {np.median([x.seconds for x in own]):.2f} s")
    return notes


def main() -> None:
    args = _harness.parse(_harness.parser(__doc__, seeds=3))
    sides, lines = rivals(), []
    for case in cases(args.quick):
        lines.append(run(case, args.seeds, sides))
        _harness.progress(" | ".join(map(str, lines[-1].cells())))
    title = f"Everyday series: MASE over the horizon, means over the seeds, seeds: {args.seeds}"
    _harness.write_table(
        "everyday", title, COLUMNS, [x.cells() for x in lines], summary(lines), save=args.save and len(sides) == 3
    )


if __name__ == "__main__":
    main()
