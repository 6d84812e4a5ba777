"""Forecasts of measured series, one and up to 24 steps ahead, beside naive, linear, reservoir and lag-window models.

Every model learns the rows before the test rows, and ours, at its defaults, gets them as they are: the others get them
standardised. One step ahead, each test row is predicted from the rows before it. 24 steps ahead, the predictions are
fed back, from origins all over the test rows; echo states read the last 600 rows before an origin from the zero state.
Errors are root mean squares, over all steps and origins, in standard deviations of the test rows; means over the seeds.

The second table has the coverage of the intervals of ours on the test rows: one step ahead those of `predict_interval`,
24 steps ahead those of `forecast_interval` at every 6th row, `partial_fit` having read the rows before it.

    python benchmarks/series.py            # writes results/series.md and results/series_intervals.md
    python benchmarks/series.py --quick    # one seed of AirPassengers, prints only
"""

import warnings
from typing import Any, NamedTuple, Protocol, Self

import _harness
import numpy as np
from _data import SERIES, Series, load_series
from chaos import EchoState
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor

from skdopamine import DopamineESNForecaster

Array = np.ndarray

N_STEPS = 24
N_READ = 600  # rows that an echo state reads before an origin; seasons are shorter
FEW = 500  # test rows; where there are more, every 5th is an origin
EVERY = 5
BETWEEN = 6  # rows between the origins of intervals
N_LAGS = 50
N_LAGS_FEW = 24  # of nets and trees, where there are few rows
COVERAGE = 0.9
OFF = 0.03  # tolerated in the coverage
NEAR = 1.05  # times the best error
LEAST_NEAR = 3  # series
OURS = "ours"
LINEAR = f"AR({N_LAGS})"
SEASONAL = "seasonal naive"


class Model(Protocol):
    def fit(self, rows: Array) -> Self:
        """Learn rows (n, 1)."""

    def one_step(self, rows: Array, first: int) -> Array:
        """Predictions of rows[first:], each from the rows before it."""

    def paths(self, rows: Array, origins: Array) -> Array:
        """Closed loops (origins, N_STEPS), the first step being the row of the origin's number."""


class Ours:
    def __init__(self, seed: int) -> None:
        self.model = DopamineESNForecaster(stateful=True, random_state=seed)

    def fit(self, rows: Array) -> Self:
        self.model.fit(rows)
        return self

    def one_step(self, rows: Array, first: int) -> Array:
        return np.concatenate([self.model.forecast(1), self.model.predict(rows[first:])[:-1]], axis=None)

    def paths(self, rows: Array, origins: Array) -> Array:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a path held at its bounds counts as it is
            return np.array([self.model.forecast(N_STEPS, rows[max(0, o - N_READ) : o]).ravel() for o in origins])


class Reservoir:
    """reservoirpy's, with gains that suit measured series."""

    def __init__(self, seed: int) -> None:
        self.model = EchoState(seed, leak_rate=0.5, input_scaling=0.5, ridge=1e-3)

    def fit(self, rows: Array) -> Self:
        self.model.fit(rows)
        return self

    def one_step(self, rows: Array, first: int) -> Array:
        return self.model.predict(rows[:-1])[first - 1 :].ravel()

    def paths(self, rows: Array, origins: Array) -> Array:
        return np.array([self.model.forecast(N_STEPS, rows[max(0, o - N_READ) : o]).ravel() for o in origins])


class Lagged:
    """A regressor of the next row on the last ones, standardised."""

    def __init__(self, model: Any, n_lags: int) -> None:
        self.model = model
        self.n_lags = n_lags

    def fit(self, rows: Array) -> Self:
        self.centre, self.unit = rows.mean(), rows.std()
        scaled = (rows[:, 0] - self.centre) / self.unit
        self.model.fit(self.windows(scaled)[:-1], scaled[self.n_lags :])
        return self

    def windows(self, scaled: Array) -> Array:
        return np.lib.stride_tricks.sliding_window_view(scaled, self.n_lags)

    def one_step(self, rows: Array, first: int) -> Array:
        scaled = (rows[first - self.n_lags : -1, 0] - self.centre) / self.unit
        return np.asarray(self.model.predict(self.windows(scaled))) * self.unit + self.centre

    def paths(self, rows: Array, origins: Array) -> Array:
        known = (rows[origins[:, None] + np.arange(-self.n_lags, 0), 0] - self.centre) / self.unit
        for _ in range(N_STEPS):
            known = np.column_stack([known, self.model.predict(known[:, -self.n_lags :])])
        return known[:, self.n_lags :] * self.unit + self.centre


class Naive:
    """The row one period before."""

    def __init__(self, period: int) -> None:
        self.period = period

    def fit(self, rows: Array) -> Self:
        return self

    def one_step(self, rows: Array, first: int) -> Array:
        return rows[first - self.period : -self.period, 0]

    def paths(self, rows: Array, origins: Array) -> Array:
        return rows[origins[:, None] - self.period + np.arange(N_STEPS) % self.period, 0]


def models(series: Series, seed: int) -> dict[str, Model]:
    """Make one model per side."""
    n_lags = N_LAGS_FEW if len(series.rows) < FEW else N_LAGS
    seasonal = {SEASONAL: Naive(series.period)} if series.period else {}
    return {
        OURS: Ours(seed),
        "persistence": Naive(1),
        **seasonal,
        LINEAR: Lagged(Ridge(alpha=1e-6), N_LAGS),
        "reservoirpy 300": Reservoir(seed),
        "MLPRegressor": Lagged(MLPRegressor(random_state=seed), n_lags),
        "HistGradientBoosting": Lagged(HistGradientBoostingRegressor(random_state=seed), n_lags),
    }


class Line(NamedTuple):
    """One series and model: means over the seeds, seconds the median."""

    name: str
    model: str
    errors: tuple[float, float]  # one step ahead, and over the closed loop
    seconds: float

    def cells(self) -> list[object]:
        return [self.name, self.model, *(f"{error:.4f}" for error in self.errors), f"{self.seconds:.2f}"]


class Intervals(NamedTuple):
    """One series: means over the seeds of shares of the test rows in the intervals of ours."""

    name: str
    one_step: float
    steps: Array  # of the closed loop

    def cells(self) -> list[object]:
        shares = (self.one_step, self.steps.mean(), self.steps[0], self.steps[-1])
        return [self.name, *(f"{100 * share:.1f}" for share in shares)]


COLUMNS = ("series", "model", "NRMSE, one step", f"NRMSE, {N_STEPS} steps", "fit (s)")
SHARES = ("series", "one step (%)", f"{N_STEPS} steps (%)", "step 1 (%)", f"step {N_STEPS} (%)")


def run(name: str, n_seeds: int) -> tuple[list[Line], Intervals]:
    """Errors of all models, and the coverage of ours."""
    series = load_series(name)
    rows, first = series.rows, len(series.rows) - series.n_test
    origins = np.arange(first, len(rows) - N_STEPS + 1, EVERY if series.n_test > FEW else 1)
    truth, unit = rows[origins[:, None] + np.arange(N_STEPS), 0], rows[first:].std()
    errors: dict[str, list[tuple[float, float]]] = {}
    seconds: dict[str, list[float]] = {}
    shares: list[Array] = []
    for seed in range(n_seeds):
        fits = {side: (lambda m=m: m.fit(rows[:first])) for side, m in models(series, seed).items()}
        for side, (timed,) in _harness.alternate(fits, start=seed).items():
            paths = timed.result.paths(rows, origins)
            apart = (timed.result.one_step(rows, first) - rows[first:, 0], paths - truth)
            errors.setdefault(side, []).append(tuple(float(np.sqrt((a**2).mean())) / unit for a in apart))
            seconds.setdefault(side, []).append(timed.seconds)
            if side == OURS:
                shares.append(covered(timed.result.model, rows[first:]))
    lines = [Line(name, side, tuple(np.mean(errors[side], axis=0)), float(np.median(seconds[side]))) for side in errors]
    one_step, *steps = np.mean(shares, axis=0)
    return lines, Intervals(name, one_step, np.array(steps))


def covered(model: DopamineESNForecaster, rows: Array) -> Array:
    """Share of the test rows in the intervals, one step ahead and at each step of the closed loop."""
    low, high = (end.ravel()[:-1] for end in model.predict_interval(rows, COVERAGE))
    one_step, inside, known = ((low <= rows[1:, 0]) & (rows[1:, 0] <= high)).mean(), [], 0
    for origin in range(0, len(rows) - N_STEPS + 1, BETWEEN):
        if origin:
            model.partial_fit(rows[known:origin])
        known, truth = origin, rows[origin : origin + N_STEPS, 0]
        low, high = (end.ravel() for end in model.forecast_interval(N_STEPS, COVERAGE))
        inside.append((low <= truth) & (truth <= high))
    return np.array([one_step, *np.mean(inside, axis=0)])


def summary(lines: list[Line]) -> list[str]:
    """Count the series where ours is best or nearly so, and name those where a simple model is better."""
    by_name: dict[str, dict[str, Line]] = {}
    for line in lines:
        by_name.setdefault(line.name, {})[line.model] = line
    notes = []
    for number, horizon in enumerate(("one step", f"{N_STEPS} steps")):
        near, behind, worse = [], [], []
        for name, of_model in by_name.items():
            error = {model: line.errors[number] for model, line in of_model.items()}
            best = min((model for model in error if model != OURS), key=error.__getitem__)
            ratio = error[OURS] / error[best]
            (near if ratio <= NEAR else behind).append(f"{name} ({100 * (ratio - 1):+.0f} % to {best})")
            simple = [model for model in (LINEAR, SEASONAL) if not error[OURS] <= error.get(model, np.inf)]
            worse += [f"{name} ({model}, {100 * (error[OURS] / error[model] - 1):+.0f} %)" for model in simple]
        label = f"{horizon}: series where ours is best or within {100 * (NEAR - 1):.0f} %: {', '.join(near) or 'none'}"
        notes.append(_harness.verdict(label, len(near), at_least=min(LEAST_NEAR, len(by_name)), form=".0f"))
        notes.append(f"{horizon}: behind by more: {', '.join(behind) or 'none'}")
        label = f"{horizon}: worse than {LINEAR} or {SEASONAL}: {', '.join(worse) or 'none'}"
        notes.append(_harness.verdict(label, len(worse), at_most=0, form=".0f"))
    return notes


def interval_summary(intervals: list[Intervals]) -> list[str]:
    notes = []
    for horizon, of_series in (
        ("one step", {line.name: line.one_step for line in intervals}),
        (f"{N_STEPS} steps, mean of all", {line.name: float(line.steps.mean()) for line in intervals}),
    ):
        off = {name: share - COVERAGE for name, share in of_series.items()}
        name = max(off, key=lambda name: abs(off[name]))
        label = f"{horizon}, farthest from {100 * COVERAGE:.0f} %: {name}, by points"
        notes.append(_harness.verdict(label, 100 * abs(off[name]), at_most=100 * OFF, form=".1f"))
    return notes


def main() -> None:
    args = _harness.parse(_harness.parser(__doc__, seeds=3, sets=tuple(SERIES)))
    names = ["air_passengers"] if args.quick and args.sets == list(SERIES) else args.sets
    lines: list[Line] = []
    intervals: list[Intervals] = []
    for name in names:
        of_series, shares = run(name, args.seeds)
        lines += of_series
        intervals.append(shares)
        for line in (*of_series, shares):
            _harness.progress(" | ".join(map(str, line.cells())))
    title = f"Measured series: errors one step and {N_STEPS} steps ahead, means over the seeds, seeds: {args.seeds}"
    _harness.write_table("series", title, COLUMNS, [line.cells() for line in lines], summary(lines), save=args.save)
    title = (
        f"Measured series: coverage of intervals of {100 * COVERAGE:.0f} %, means over the seeds, seeds: {args.seeds}"
    )
    rows = [line.cells() for line in intervals]
    _harness.write_table("series_intervals", title, SHARES, rows, interval_summary(intervals), save=args.save)


if __name__ == "__main__":
    main()
