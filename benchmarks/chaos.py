"""Closed-loop forecasts of chaotic systems, beside echo-state networks of reservoirpy.

Each model learns 4,100 rows, the first 100 of them a washout. Then, from each of several starts, it reads 200 rows from
the zero state and runs on its own predictions. For Lorenz and Rössler the figure is the valid prediction time: the
Lyapunov times until the error exceeds 0.4 of the series' standard deviation. For Mackey-Glass it is the root mean
square of the error at step 84, in standard deviations. Each seed has its own series, and its own reservoir.

Ours has its defaults everywhere. The rivals have a bias and dense input weights, and inputs that are standardised; the
tuned ones have the gains that are known to suit the system.

The second table is about the time to a tuned model: ours fits, the rival is searched at random over the same gains,
with as many models as ours has tried, each by the closed loop of 200 steps on the last quarter of the training rows.

    python benchmarks/chaos.py            # writes results/chaos.md and results/chaos_tuning.md
    python benchmarks/chaos.py --quick    # one seed of Lorenz with few rows, prints only
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Self

import _harness
import numpy as np
from _solver import distrust
from reservoirpy.nodes import Reservoir, Ridge

from skdopamine import DopamineESNForecaster
from skdopamine.datasets import make_lorenz, make_mackey_glass, make_rossler

Array = np.ndarray

N_TRAIN = 4100
WASHOUT = 100
N_READ = 200  # rows before each start
THRESHOLD = 0.4
N_TIMES = 20  # Lyapunov times that a closed loop is followed
STEP = 84  # of Mackey-Glass
N_WINDOWS = 30  # that a model is judged by when it is tuned; ours has as many
WINDOW = 200
N_TIMINGS = 7
MOST_SECONDS = 10.0
LEAST_RATIO = 5.0
OURS = "ours"
RIVAL = "reservoirpy 300"


class System(NamedTuple):
    make: Callable[..., Array]
    exponent: float | None  # largest Lyapunov exponent per row; None: the error at step 84 instead
    n_starts: int
    gap: int  # rows between two starts
    tuned: dict[str, float]  # gains of the tuned rival
    target: float

    @property
    def measure(self) -> str:
        return f"NRMSE{STEP}" if self.exponent is None else "valid time"

    @property
    def n_steps(self) -> int:
        return STEP if self.exponent is None else int(N_TIMES / self.exponent)

    @property
    def form(self) -> str:
        return ".1e" if self.exponent is None else ".2f"


SYSTEMS = {
    "lorenz": System(
        partial(make_lorenz, dt=0.02), 0.9056 * 0.02, 10, 300, {"spectral_radius": 0.4, "input_scaling": 0.3}, 9.5
    ),
    "rossler": System(
        partial(make_rossler, dt=0.1), 0.0714 * 0.1, 10, 300, {"spectral_radius": 0.4, "input_scaling": 0.3}, 7.5
    ),
    "mackey_glass": System(
        partial(make_mackey_glass, tau=17), None, 30, 60, {"leak_rate": 0.6, "input_scaling": 0.3, "ridge": 1e-9}, 3e-3
    ),
}
# Ranges of the random search: uniform for the leak rate, else log-uniform.
RANGES = {
    "spectral_radius": (0.2, 1.2),
    "leak_rate": (0.3, 1.0),
    "input_scaling": (0.03, 1.5),
    "bias_scaling": (0.3, 2.0),
    "ridge": (1e-10, 1e-2),
}


class EchoState:
    """reservoirpy's reservoir, with a bias and dense input weights, and its ridge readout."""

    def __init__(
        self,
        seed: int,
        *,
        n_units: int = 300,
        spectral_radius: float = 0.9,
        leak_rate: float = 1.0,
        input_scaling: float = 0.1,
        bias_scaling: float = 1.0,
        ridge: float = 1e-8,
    ) -> None:
        self.seed = seed
        self.n_units = n_units
        self.gains = {"sr": spectral_radius, "lr": leak_rate}
        self.input_scaling = input_scaling
        self.bias_scaling = bias_scaling
        self.ridge = ridge

    def fit(self, rows: Array) -> Self:
        return self.learn(rows, rows)

    def learn(self, rows: Array, scale: Array) -> Self:
        """Fit to rows, standardised as the rows of `scale` are."""
        self.centre, self.unit = scale.mean(axis=0), scale.std(axis=0)
        rng = np.random.default_rng([self.seed, 1])
        inputs = self.input_scaling * rng.uniform(-1, 1, (self.n_units, rows.shape[1]))
        bias = self.bias_scaling * rng.uniform(-1, 1, self.n_units)
        self.reservoir = Reservoir(self.n_units, Win=inputs, bias=bias, seed=self.seed, **self.gains)
        self.model = self.reservoir >> Ridge(ridge=self.ridge)
        scaled = self.scaled(rows)
        self.model.fit(scaled[:-1], scaled[1:], warmup=min(WASHOUT, len(rows) // 10))
        return self

    def scaled(self, rows: Array) -> Array:
        return (rows - self.centre) / self.unit

    def predict(self, rows: Array) -> Array:
        """The row after each of rows, which are read from the zero state."""
        self.model.reset()
        return self.model.run(self.scaled(rows)) * self.unit + self.centre

    def forecast(self, n_steps: int, rows: Array) -> Array:
        """Closed loop after rows, which are read from the zero state."""
        self.model.reset()
        return self.loop(self.model.run(self.scaled(rows))[-1], n_steps)

    def loop(self, first: Array, n_steps: int) -> Array:
        """Closed loop from the reservoir's present state; `first` is the prediction that it gives."""
        path = np.empty((n_steps, len(first)))
        path[0] = first
        for t in range(1, n_steps):
            path[t] = self.model.step(path[t - 1])
        return path * self.unit + self.centre

    def loops(self, rows: Array, origins: Sequence[int], n_steps: int) -> Array:
        """Closed loops (origins, n_steps, channels), each after the row of that number, rows being read once."""
        self.model.reset()
        scaled, paths, begin = self.scaled(rows), [], 0
        for origin in origins:
            first = self.model.run(scaled[begin : origin + 1])[-1]
            state, begin = self.reservoir.state, origin + 1
            paths.append(self.loop(first, n_steps))
            self.reservoir.state = state
        return np.array(paths)


class Line(NamedTuple):
    """One system and model: a figure for each start, (seeds, starts), and the seconds of each fit."""

    system: str
    model: str
    figures: Array
    seconds: list[float]

    def of_seeds(self) -> Array:
        """The figure of each seed: mean valid time, or root mean square error."""
        if SYSTEMS[self.system].exponent is None:
            return np.sqrt((self.figures**2).mean(axis=1))
        return self.figures.mean(axis=1)

    @property
    def mean(self) -> float:
        return float(self.of_seeds().mean())

    @property
    def fit(self) -> float:
        return float(np.median(self.seconds))

    def cells(self) -> list[object]:
        system = SYSTEMS[self.system]
        worst = self.figures.max() if system.exponent is None else self.figures.min()
        values = (self.mean, np.median(self.figures), worst, self.of_seeds().std())
        return [self.system, system.measure, self.model, *(f"{v:{system.form}}" for v in values), f"{self.fit:.2f}"]


COLUMNS = ("system", "measure", "model", "mean", "median", "worst start", "spread over seeds", "fit (s)")


def ours(seed: int, **params: Any) -> DopamineESNForecaster:
    return DopamineESNForecaster(stateful=True, random_state=seed, **params)


def lorenz(t: float, s: Array) -> list[float]:
    return [10 * (s[1] - s[0]), s[0] * (28 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]]


def rossler(t: float, s: Array) -> list[float]:
    return [-s[1] - s[2], s[0] + 0.2 * s[1], 0.2 + s[2] * (s[0] - 5.7)]


DERIVATIVES = {"lorenz": (lorenz, 0.02), "rossler": (rossler, 0.1)}  # and the time between two rows


def trusted(name: str, n_train: int) -> str:
    """Tell for how long the series' solver is valid against stricter ones, from the starts of the first seed."""
    system, (derivative, dt) = SYSTEMS[name], DERIVATIVES[name]
    rows = series(system, 0, n_train)
    times = dt * np.arange(1, 2 * system.n_steps + 1)
    starts = n_train + N_READ - 1 + system.gap * np.arange(system.n_starts)
    apart = [distrust(derivative, rows[start], times, rows.std(axis=0)) for start in starts]
    figures = (system.exponent or 0.0) * valid_steps(np.array(apart))
    return (
        f"{name}, the solver of the series (DOP853 at 1e-10) is itself valid, beside DOP853 and LSODA at 1e-13, for "
        f"{figures.mean():.1f} Lyapunov times, {figures.min():.1f} from the worst start"
    )


def models(system: System, seed: int) -> dict[str, Any]:
    """Make one model per side."""
    tuned = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in system.tuned.items())
    return {
        OURS: ours(seed),
        f"{OURS}, not tuned": ours(seed, trainable=()),
        RIVAL: EchoState(seed),
        "reservoirpy 500": EchoState(seed, n_units=500),
        f"{RIVAL}, {tuned}": EchoState(seed, **system.tuned),
    }


def series(system: System, seed: int, n_train: int) -> Array:
    n_rows = n_train + N_READ + (system.n_starts - 1) * system.gap + system.n_steps
    return system.make(n_rows, random_state=seed)


def errors(
    model: Any, rows: Array, n_train: int, starts: Array, n_steps: int, *, truth: Array, n_read: int = N_READ
) -> Array:
    """Distances (starts, n_steps) of closed loops to the truth, in the spread of the series.

    Each loop goes on after the `n_read` rows before its start.
    """
    unit = rows[:n_train].std(axis=0)
    scaled = rows / unit
    size = np.sqrt(((scaled - scaled.mean(axis=0)) ** 2).sum(axis=1).mean())
    apart = []
    for start in starts:
        with np.errstate(all="ignore"):  # a rival's loop may run away
            path = model.forecast(n_steps, rows[start - n_read : start]).reshape(n_steps, -1)
            apart.append(np.linalg.norm((path - truth[start : start + n_steps]) / unit, axis=1) / size)
    return np.array(apart)


def valid_steps(error: Array) -> Array:
    """Steps until the error first exceeds the threshold, all where it never does; nan exceeds it."""
    wrong = ~(error <= THRESHOLD)
    return np.where(wrong.any(axis=-1), wrong.argmax(axis=-1), error.shape[-1])


def judge(model: Any, system: System, rows: Array, n_train: int) -> Array:
    """Figure of each start: valid time in Lyapunov times, or the absolute error at step 84."""
    starts = n_train + N_READ + system.gap * np.arange(system.n_starts)
    error = errors(model, rows, n_train, starts, system.n_steps, truth=rows)
    return error[:, -1] if system.exponent is None else system.exponent * valid_steps(error)


def run(name: str, n_seeds: int, n_train: int) -> list[Line]:
    """One line per model."""
    system = SYSTEMS[name]
    figures: dict[str, list[Array]] = {}
    seconds: dict[str, list[float]] = {}
    for seed in range(n_seeds):
        rows = series(system, seed, n_train)
        fits = {side: (lambda m=m, X=rows[:n_train]: m.fit(X)) for side, m in models(system, seed).items()}
        for side, (timed,) in _harness.alternate(fits, start=seed).items():
            figures.setdefault(side, []).append(judge(timed.result, system, rows, n_train))
            seconds.setdefault(side, []).append(timed.seconds)
    return [Line(name, side, np.array(figures[side]), seconds[side]) for side in figures]


def ridge_times(name: str, n_train: int) -> dict[str, float]:
    """Median seconds of the fit without tuning, and of the rival's."""
    rows = series(SYSTEMS[name], 0, n_train)[:n_train]
    fits = {OURS: lambda: ours(0, trainable=()).fit(rows), RIVAL: lambda: EchoState(0).fit(rows)}
    times = _harness.alternate(fits, N_TIMINGS)
    return {side: float(np.median([timed.seconds for timed in of_side])) for side, of_side in times.items()}


class Tuned(NamedTuple):
    """One system and seed: ours beside a random search."""

    system: str
    seed: int
    n_models: int
    seconds: dict[str, float]
    mean: dict[str, float]
    gains: dict[str, float]  # that the search has found

    @property
    def ratio(self) -> float:
        return self.seconds[RIVAL] / self.seconds[OURS]

    def cells(self) -> list[object]:
        times = [f"{self.seconds[side]:.1f}" for side in (OURS, RIVAL)]
        means = [f"{self.mean[side]:.2f}" for side in (OURS, RIVAL)]
        gains = ", ".join(f"{name.replace('_', ' ')} {value:.2g}" for name, value in self.gains.items())
        return [self.system, self.seed, self.n_models, *times, f"{self.ratio:.1f}", *means, gains]


TUNING_COLUMNS = (
    "system",
    "seed",
    "models tried",
    "time ours (s)",
    "time search (s)",
    "ratio",
    "valid time ours",
    "valid time search",
    "gains of the search",
)


def draw(rng: np.random.Generator) -> dict[str, float]:
    gains = {name: float(np.exp(rng.uniform(*np.log(ends)))) for name, ends in RANGES.items()}
    return gains | {"leak_rate": rng.uniform(*RANGES["leak_rate"])}


def search(rows: Array, seed: int, n_models: int) -> tuple[EchoState, dict[str, float]]:
    """The rival with the best of randomly drawn gains, fitted to all rows."""
    rng = np.random.default_rng([seed, 2])
    split = len(rows) - len(rows) // 4
    origins = np.linspace(split - 1, len(rows) - 1 - WINDOW, N_WINDOWS).astype(int)
    truth = np.stack([rows[origin + 1 : origin + 1 + WINDOW] for origin in origins])
    best, least = draw(rng), np.inf
    for number in range(n_models):
        gains = best if number == 0 else draw(rng)
        model = EchoState(seed, **gains).learn(rows[:split], rows)
        with np.errstate(all="ignore"):
            error = (model.loops(rows, origins, WINDOW) - truth) / model.unit
            loss = float(np.log(np.sqrt((error**2).mean(axis=(1, 2)))).mean())
        if loss < least:  # nan is none
            best, least = gains, loss
    return EchoState(seed, **best).fit(rows), best


def tune(name: str, seed: int, n_train: int, most: int | None) -> Tuned:
    system = SYSTEMS[name]
    rows = series(system, seed, n_train)
    (mine,) = _harness.alternate({OURS: lambda: ours(seed).fit(rows[:n_train])})[OURS]
    n_models = mine.result.n_evaluations_ // N_WINDOWS
    tried = min(n_models, most or n_models)
    (theirs,) = _harness.alternate({RIVAL: lambda: search(rows[:n_train], seed, tried)})[RIVAL]
    model, gains = theirs.result
    mean = {side: float(judge(m, system, rows, n_train).mean()) for side, m in ((OURS, mine.result), (RIVAL, model))}
    return Tuned(name, seed, tried, {OURS: mine.seconds, RIVAL: theirs.seconds}, mean, gains)


def summary(lines: list[Line]) -> list[str]:
    """Set the figures of ours beside their targets and beside the best rival."""
    notes = []
    for line in lines:
        if line.model != OURS:
            continue
        system = SYSTEMS[line.system]
        sign = "at_most" if system.exponent is None else "at_least"
        label = f"{line.system}, mean {system.measure}"
        notes.append(_harness.verdict(label, line.mean, **{sign: system.target}, form=system.form))
        notes.append(
            _harness.verdict(f"{line.system}, median time of a fit", line.fit, at_most=MOST_SECONDS, unit=" s")
        )
        rivals = [other for other in lines if other.system == line.system and not other.model.startswith(OURS)]
        best = (min if system.exponent is None else max)(rivals, key=lambda other: other.mean)
        notes.append(
            f"{line.system}, best rival: {best.model}, {best.mean:{system.form}} against {line.mean:{system.form}}"
        )
    return notes


def tuning_summary(tuned: list[Tuned]) -> list[str]:
    ratio = _harness.geometric_mean([line.ratio for line in tuned])
    notes = [_harness.verdict("Geometric mean of the time ratios, search over ours", ratio, at_least=LEAST_RATIO)]
    for name in dict.fromkeys(line.system for line in tuned):
        gains = [line.mean[OURS] - line.mean[RIVAL] for line in tuned if line.system == name]
        label = f"{name}, valid time of ours beyond that of the search"
        notes.append(_harness.verdict(label, float(np.mean(gains)), at_least=0.0, form="+.2f"))
    ranges = ", ".join(f"{name.replace('_', ' ')} {low:g} .. {high:g}" for name, (low, high) in RANGES.items())
    return [*notes, f"Ranges of the search: {ranges}; uniform for the leak rate, else log-uniform."]


def main() -> None:
    parser = _harness.parser(__doc__, seeds=3, sets=tuple(SYSTEMS))
    parser.add_argument(
        "--tuning-seeds", type=int, default=3, help="seeds of the second table (default 3; 0: no table)"
    )
    args = _harness.parse(parser)
    names = ["lorenz"] if args.quick and args.sets == list(SYSTEMS) else args.sets
    n_train, most = (1000, 5) if args.quick else (N_TRAIN, None)
    lines: list[Line] = []
    for name in names:
        lines += run(name, args.seeds, n_train)
        for line in [line for line in lines if line.system == name]:
            _harness.progress(" | ".join(map(str, line.cells())))
    times = ridge_times(names[0], n_train)
    label = f"{names[0]}, time of a fit without tuning, {times[OURS]:.3f} s, beside {RIVAL}, {times[RIVAL]:.3f} s"
    notes = [*summary(lines), _harness.verdict(label, times[OURS] / times[RIVAL], at_most=1.0)]
    notes += [trusted(name, n_train) for name in names if name in DERIVATIVES]
    title = (
        f"Chaotic systems: valid time in Lyapunov times and error at step {STEP}, {n_train} rows, seeds: {args.seeds}"
    )
    _harness.write_table("chaos", title, COLUMNS, [line.cells() for line in lines], notes, save=args.save)

    tuned: list[Tuned] = []
    for name in [name for name in names if SYSTEMS[name].exponent is not None]:
        for seed in range(1 if args.quick else args.tuning_seeds):
            tuned.append(tune(name, seed, n_train, most))
            _harness.progress(" | ".join(map(str, tuned[-1].cells())))
    if tuned:
        title = f"Time to a tuned model, beside a random search with reservoirpy 300, {n_train} rows"
        rows = [line.cells() for line in tuned]
        _harness.write_table("chaos_tuning", title, TUNING_COLUMNS, rows, tuning_summary(tuned), save=args.save)


if __name__ == "__main__":
    main()
