"""Closed-loop forecasts of a third party's chaotic systems, beside reservoirs, polynomial maps and analogues.

The systems are every 12th of those of dysts that are continuous and have no delay. They are integrated here, by DOP853
with tolerances of 1e-10, and sampled at 100 and at 33 points a period. Each model learns 3,000 rows; from each of ten
starts it reads 200 rows and runs on its own predictions. The figure is the valid prediction time: the Lyapunov times
until the error exceeds 0.4 of the series' standard deviation, followed for 20 Lyapunov times or 1,200 rows at most
(column "most": a slow system has few Lyapunov times in them). Each seed has its own series, and its own reservoir.

Four of the systems are also forecast in harder settings: from rows with noise of 3 % of each channel's spread (the
truth has none), from 500 rows, and from the first channel alone. Models of the present row then get the last four rows,
a twelfth of a period apart, where there is one channel.

Ours has its defaults everywhere. A polynomial map is least squares of the change to the next row, with a slight ridge;
NVAR is reservoirpy's, of two rows and their products, and learns the change, too. The nearest neighbour follows the
training rows from the one that is closest.

The column "solver" says how far the truth itself can be trusted: the valid time of DOP853 at 1e-10 against DOP853 at
1e-13 and against LSODA at 1e-13, the shorter of the two, from the first starts, followed for twice as long as the
loops are.

    python benchmarks/chaos_dysts.py            # writes results/chaos_dysts.md
    python benchmarks/chaos_dysts.py --quick    # one system with few rows, prints only
"""

import warnings
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple, Self

import _harness
import numpy as np
from _solver import distrust, integrate
from chaos import N_READ, OURS, RIVAL, EchoState, errors, ours, valid_steps
from dysts import flows
from dysts.systems import get_attractor_list
from reservoirpy.nodes import NVAR, Ridge
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import PolynomialFeatures

Array = np.ndarray

SYSTEMS = tuple(get_attractor_list("continuous_no_delay")[::12])
HARDER = ("Colpitts", "ItikBanksTumor", "QiChen", "SprottC")
TARGETS = {100: 7.0, 33: 6.5}  # points a period, mean valid time
N_TRAIN = 3000
N_FEW = 500
N_STARTS = 10
GAP = 200  # rows between two starts
N_TIMES = 20  # Lyapunov times that a closed loop is followed
MOST_STEPS = 1200
NOISE = 0.03
N_DELAYS = 4  # rows of a model of the present row, where there is one channel
N_TRUSTED = 3  # starts
FAR = 10.0  # standard deviations that a map's state is held within; it is wrong long before
UNTUNED = f"{OURS}, not tuned"
NAIVE = "nearest neighbour"
HIGHEST = "polynomial 6"
PLAIN = "all channels"
NOISY = f"noise {100 * NOISE:.0f} %"
FEW = f"{N_FEW} rows"
ONE = "one channel"
BEYOND: dict[str, Any] = {"at_least": 0.0, "form": "+.2f"}  # a rival


class Setting(NamedTuple):
    """One system, sampled; `noise` and `n_channels` (None: all) are of what the models see."""

    kind: str
    system: str
    rate: int  # rows a period
    n_train: int
    noise: float = 0.0
    n_channels: int | None = None

    @property
    def exponent(self) -> float:
        """Largest Lyapunov exponent per row."""
        flow = getattr(flows, self.system)()
        return float(flow.maximum_lyapunov_estimated * flow.period / self.rate)

    @property
    def n_steps(self) -> int:
        return min(MOST_STEPS, int(N_TIMES / self.exponent))

    @property
    def starts(self) -> Array:
        return self.n_train + N_READ + GAP * np.arange(N_STARTS)


def derivative(system: str) -> Callable[[float, Array], Array]:
    rhs = getattr(flows, system)().rhs
    return lambda t, x: np.asarray(rhs(x, t), dtype=np.float64)


def observed(system: str, states: Array) -> Array:
    """States with the sine and cosine of those that grow without bound, the phase of a drive."""
    unbounded = getattr(flows, system)().unbounded_indices
    columns = [(np.sin(x), np.cos(x)) if i in unbounded else (x,) for i, x in enumerate(states.T)]
    return np.column_stack([column for of_state in columns for column in of_state])


def times_of(setting: Setting, seed: int, n_rows: int) -> Array:
    """Times of rows, which begin 10 to 60 periods after the system's own start."""
    period = getattr(flows, setting.system)().period
    first = np.random.default_rng([seed, 3]).uniform(10, 60)
    return np.asarray(period * (first + np.arange(n_rows) / setting.rate))


@cache
def states_of(setting: Setting, seed: int) -> tuple[Array, Array]:
    """Return times and states that a setting needs."""
    times = times_of(setting, seed, setting.starts[-1] + setting.n_steps)
    start = np.asarray(getattr(flows, setting.system)().ic, dtype=np.float64)
    return times, integrate(derivative(setting.system), start, times)


def trusted(setting: Setting, seed: int) -> Array:
    """Valid time, in Lyapunov times, of the solver against stricter ones from some starts."""
    n_steps = 2 * setting.n_steps
    times, states = states_of(setting, seed)
    seen = partial(observed, setting.system)
    unit = seen(states).std(axis=0)
    figures = []
    for start in setting.starts[:N_TRUSTED]:
        ahead = times[start] + np.arange(1, n_steps + 1) * (times[1] - times[0])
        apart = distrust(derivative(setting.system), states[start], ahead, unit, begin=times[start], seen=seen)
        figures.append(setting.exponent * valid_steps(apart))
    return np.array(figures)


class Map:
    """A model of the last rows, `stride` apart; it learns the change to the next row."""

    def __init__(self, n_delays: int = 1, stride: int = 1) -> None:
        self.lags = stride * np.arange(n_delays)

    def fit(self, rows: Array) -> Self:
        self.centre, self.unit = rows.mean(axis=0), rows.std(axis=0)
        scaled = (rows - self.centre) / self.unit
        now = np.arange(self.lags[-1], len(rows) - 1)
        self.learn(self.inputs(scaled, now), scaled[now + 1] - scaled[now])
        return self

    def inputs(self, scaled: Array, now: Array) -> Array:
        return scaled[now[:, None] - self.lags].reshape(len(now), -1)

    def learn(self, inputs: Array, changes: Array) -> None:
        raise NotImplementedError

    def change(self, inputs: Array) -> Array:
        raise NotImplementedError

    def forecast(self, n_steps: int, rows: Array) -> Array:
        known = np.concatenate([(rows - self.centre) / self.unit, np.empty((n_steps, rows.shape[1]))])
        for t in range(len(rows), len(known)):
            step = self.change(self.inputs(known, np.array([t - 1])))[0]
            known[t] = np.clip(known[t - 1] + step, -FAR, FAR)
        return known[len(rows) :] * self.unit + self.centre


class Polynomial(Map):
    """Least squares on all monomials up to an order."""

    def __init__(self, order: int, n_delays: int, stride: int, ridge: float = 1e-9) -> None:
        super().__init__(n_delays, stride)
        self.order = order
        self.ridge = ridge

    def learn(self, inputs: Array, changes: Array) -> None:
        self.powers = PolynomialFeatures(self.order).fit(inputs).powers_
        features = self.features(inputs)
        size = np.sqrt((features**2).mean(axis=0))
        left, values, right = np.linalg.svd(features / size, full_matrices=False)
        shrunk = values / (values**2 + self.ridge * len(inputs))
        self.weights = (right.T * shrunk) @ (left.T @ changes) / size[:, None]

    def features(self, inputs: Array) -> Array:
        columns = np.arange(inputs.shape[1])
        table = inputs[..., None] ** np.arange(self.order + 1)
        return np.asarray(table[:, columns, self.powers].prod(axis=-1))

    def change(self, inputs: Array) -> Array:
        return self.features(inputs) @ self.weights


class Neighbour(Map):
    """The training rows from the closest one on, and from the one closest to the last of them where they end."""

    def learn(self, inputs: Array, changes: Array) -> None:
        self.known, self.changes = inputs, changes
        self.finder = NearestNeighbors(n_neighbors=1).fit(inputs[:-1])

    def forecast(self, n_steps: int, rows: Array) -> Array:
        channels = rows.shape[1]
        inputs = self.inputs((rows - self.centre) / self.unit, np.array([len(rows) - 1]))
        path = np.empty((n_steps, channels))
        nearest = int(self.finder.kneighbors(inputs, return_distance=False)[0, 0])
        for t in range(n_steps):
            path[t] = self.known[nearest, :channels] + self.changes[nearest]
            nearest += 1
            if nearest == len(self.known):
                nearest = int(self.finder.kneighbors(self.known[-1:], return_distance=False)[0, 0]) + 1
        return path * self.unit + self.centre


class Nvar(Map):
    """reservoirpy's: two rows and their products, a ridge readout."""

    def __init__(self, n_delays: int, stride: int, ridge: float = 1e-3) -> None:
        super().__init__()
        self.model = NVAR(delay=n_delays, order=2, strides=stride) >> Ridge(ridge=ridge)
        self.n_skipped = n_delays * stride

    def learn(self, inputs: Array, changes: Array) -> None:
        self.model.fit(inputs, changes, warmup=self.n_skipped)

    def forecast(self, n_steps: int, rows: Array) -> Array:
        scaled = (rows - self.centre) / self.unit
        for row in scaled[-1 - self.n_skipped : -1]:
            self.model.step(row)
        path = np.concatenate([scaled[-1:], np.empty((n_steps, rows.shape[1]))])
        for t in range(n_steps):
            path[t + 1] = np.clip(path[t] + self.model.step(path[t]), -FAR, FAR)
        return path[1:] * self.unit + self.centre


def models(setting: Setting, seed: int) -> dict[str, Any]:
    """Make one model per side."""
    delays = (1, 1) if setting.n_channels is None else (N_DELAYS, max(1, setting.rate // 12))
    return {
        OURS: ours(seed),
        UNTUNED: ours(seed, trainable=()),
        RIVAL: EchoState(seed),
        "NVAR": Nvar(2, 1) if setting.n_channels is None else Nvar(*delays),
        "polynomial 4": Polynomial(4, *delays),
        HIGHEST: Polynomial(6, *delays),
        NAIVE: Neighbour(*delays),
    }


class Line(NamedTuple):
    """One setting: the valid times (seeds, starts) of each model, the seconds of each fit, and what ours looks back."""

    setting: Setting
    solver: Array  # valid times
    figures: dict[str, Array]
    seconds: dict[str, list[float]]
    longest: int  # lag of ours

    def mean(self, model: str) -> float:
        return float(self.figures[model].mean())

    @property
    def most(self) -> float:
        return self.setting.exponent * self.setting.n_steps

    def cells(self) -> list[object]:
        means = [f"{self.mean(model):.2f}" for model in self.figures]
        solver = f"{self.solver.mean():.1f}" if len(self.solver) else "-"
        worst, seconds = self.figures[OURS].min(), np.median(self.seconds[OURS])
        return [
            *(self.setting.kind, self.setting.system, self.setting.rate, f"{self.most:.1f}", solver),
            *(*means, f"{worst:.2f}", f"{seconds:.2f}"),
        ]


def seen(setting: Setting, truth: Array, seed: int) -> Array:
    """Rows that the models see."""
    noise = setting.noise * truth.std(axis=0) * np.random.default_rng([seed, 4]).standard_normal(truth.shape)
    return truth + noise


def valid_times(model: Any, setting: Setting, rows: Array, truth: Array, n_read: int) -> Array:
    """Figures of the starts; a model that refuses so few rows, as its base is a longer season, reads twice as many."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # lags beyond the rows read, which the notes count
            apart = errors(model, rows, setting.n_train, setting.starts, setting.n_steps, truth=truth, n_read=n_read)
    except ValueError as refusal:
        if 2 * n_read > setting.n_train:
            raise
        _harness.progress(f"{setting}: {refusal} It reads {2 * n_read} rows.")
        return valid_times(model, setting, rows, truth, 2 * n_read)
    return setting.exponent * valid_steps(apart)


def run(setting: Setting, n_seeds: int, n_read: int) -> Line:
    figures: dict[str, list[Array]] = {}
    seconds: dict[str, list[float]] = {}
    longest = 0
    for seed in range(n_seeds):
        truth = observed(setting.system, states_of(setting, seed)[1])[:, : setting.n_channels]
        rows = seen(setting, truth, seed)
        fits: dict[str, Callable[[], Any]] = {
            side: (lambda m=m, X=rows[: setting.n_train]: m.fit(X)) for side, m in models(setting, seed).items()
        }
        for side, (timed,) in _harness.alternate(fits, start=seed).items():
            figures.setdefault(side, []).append(valid_times(timed.result, setting, rows, truth, n_read))
            seconds.setdefault(side, []).append(timed.seconds)
            longest = max(longest, int(timed.result.lags_.max()) if side == OURS else 0)
    solver = trusted(setting, 0) if setting.kind == PLAIN else np.array([])
    of_sides = {side: np.array(figures[side]) for side in models(setting, 0)}
    return Line(setting, solver, of_sides, seconds, longest)


def settings(quick: bool) -> list[Setting]:
    if quick:
        return [Setting(PLAIN, "SprottC", 33, 600), Setting(NOISY, "SprottC", 33, 600, NOISE)]
    plain = [Setting(PLAIN, system, rate, N_TRAIN) for rate in TARGETS for system in SYSTEMS]
    harder = [
        setting
        for rate in TARGETS
        for system in HARDER
        for setting in (
            Setting(NOISY, system, rate, N_TRAIN, NOISE),
            Setting(FEW, system, rate, N_FEW),
            Setting(ONE, system, rate, N_TRAIN, n_channels=1),
        )
    ]
    return plain + sorted(harder, key=lambda setting: -[ONE, FEW, NOISY].index(setting.kind))


def summary(lines: list[Line], n_read: int) -> list[str]:
    """Means over the systems beside their targets and beside the rivals."""
    notes = []
    for kind in dict.fromkeys(line.setting.kind for line in lines):
        for rate in TARGETS:
            own = [line for line in lines if (line.setting.kind, line.setting.rate) == (kind, rate)]
            if not own:
                continue
            means = {side: float(np.mean([line.mean(side) for line in own])) for side in own[0].figures}
            label = f"{kind}, {rate} points a period, {len(own)} systems"
            notes.append(f"{label}, mean valid times: {', '.join(f'{side} {m:.2f}' for side, m in means.items())}")
            if kind == PLAIN:
                notes.append(_harness.verdict(f"{label}: ours", means[OURS], at_least=TARGETS[rate]))
                gain = means[OURS] - means[HIGHEST]
                notes.append(_harness.verdict(f"{label}: ours beyond {HIGHEST}", gain, **BEYOND))
            elif kind == NOISY:
                plain = max((UNTUNED, RIVAL), key=means.__getitem__)
                notes.append(_harness.verdict(f"{label}: ours beyond {plain}", means[OURS] - means[plain], **BEYOND))
    far = [
        f"{x.setting.system} at {x.setting.rate}, {x.setting.kind} ({x.longest})" for x in lines if x.longest >= n_read
    ]
    notes.append(f"Ours looks farther back than the {n_read} rows that it reads, so that it misses some: {join(far)}")
    return notes + solver_summary([line for line in lines if len(line.solver)])


def join(names: list[str]) -> str:
    return ", ".join(names) or "nowhere"


def solver_summary(lines: list[Line]) -> list[str]:
    beyond = [line for line in lines if line.solver.min() < line.most]
    short = [f"{x.setting.system} at {x.setting.rate} ({x.solver.min():.1f} of {x.most:.1f})" for x in beyond]
    reached = [f"{x.setting.system} at {x.setting.rate}" for x in lines if x.figures[OURS].max() > x.solver.min()]
    return [
        f"The solver is valid for a shorter time than loops are followed, least of {N_TRUSTED} starts: {join(short)}",
        f"A loop of ours is valid for longer than the solver is against itself: {join(reached)}",
    ]


def main() -> None:
    parser = _harness.parser(__doc__, seeds=3, sets=SYSTEMS)
    parser.add_argument("--read", type=int, default=N_READ, help=f"rows before each start (default {N_READ}); no file")
    args = _harness.parse(parser)
    lines = []
    for setting in settings(args.quick):
        if args.quick or setting.system in args.sets:
            lines.append(run(setting, args.seeds, args.read))
            _harness.progress(" | ".join(map(str, lines[-1].cells())))
    columns = (
        *("setting", "system", "points a period", "most", "solver"),
        *(*lines[0].figures, "worst start, ours", "fit (s)"),
    )
    title = f"Systems of dysts: valid time in Lyapunov times, means over starts and seeds, seeds: {args.seeds}"
    cells, notes = [line.cells() for line in lines], summary(lines, args.read)
    _harness.write_table("chaos_dysts", title, columns, cells, notes, save=args.save and args.read == N_READ)


if __name__ == "__main__":
    main()
