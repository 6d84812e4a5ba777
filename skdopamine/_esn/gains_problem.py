"""What the trainer asks of a reservoir's gains: credit from whole populations of reservoirs.

A row of the trainer's batch is a window of the series: its loss is how well the series goes on from there.
"""

from itertools import pairwise
from typing import Any

import numpy as np
from scipy.stats import qmc

from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.forecast import ONE_STEP_SHARE, Assignment, Windows, evaluate_rest, level, path_levels
from skdopamine._esn.reservoir import LEAST_RELATIVE, Gains, Normal, Weights, total
from skdopamine._estimator.crew import Crew
from skdopamine._estimator.workers import Task
from skdopamine._objectives.base import SquaredError
from skdopamine._training.problem import Estimate
from skdopamine._typing import Array

# The space of the gains is that of their logarithms, of the leak rate's logit. A unit step is one of SPREADS.
TRAINED = ("spectral_radius", "leak_rate", "input_scaling", "bias_scaling", "ridge", "lag_ridge")
SPREADS = np.array([0.5, 1.0, 0.7, 0.7, 2.0, 2.0])
LEAST = np.array([np.log(0.2), -1.0, np.log(0.03), np.log(0.3), np.log(1e-10), np.log(1e-8)])
MOST = np.array([np.log(1.2), 6.0, np.log(1.5), np.log(2.0), np.log(1e1), np.log(1e-1)])
PENALTIES = np.array([0, 0, 0, 0, 1, 1])
LEAK_LIMIT = 8.0  # of the logit
N_DESIGN = 16  # members of the first update, spread over that range
N_BEST = 3  # members whose mean gives the next gains
SHRINKING = 0.9  # of the perturbation, from one update to the next
N_FOLDS = 4  # of the rows, the last being those held back
WORST = 5.0  # log of the error at most
FEW_STATES = 256  # of a member, in all series: from so many on, members are evaluated in groups
GROUP_STATES = 1800  # of a group, or those of one member


def encode(gains: Gains) -> Array:
    """Coordinates (members, 6) of gains."""
    leak = np.clip(gains.leak_rate, 1e-12, 1 - 1e-12)
    logit = np.clip(np.log(leak) - np.log1p(-leak), -LEAK_LIMIT, LEAK_LIMIT)
    with np.errstate(divide="ignore"):
        columns = [logit if name == "leak_rate" else np.log(getattr(gains, name)) for name in TRAINED]
    return np.asarray(np.maximum(np.stack(columns, axis=1), -30.0))


def decode(coordinates: Array, state_noise: float) -> Gains:
    """Gains of coordinates (members, 6)."""
    values = dict(zip(TRAINED, np.exp(np.clip(coordinates, -30, 30)).T, strict=True))
    values["leak_rate"] = values["leak_rate"] / (1 + values["leak_rate"])
    return Gains(**values, state_noise=np.full(len(coordinates), state_noise))


def selection_credit(params: Array, chosen: Array) -> Array:
    """Credit by rank: from the mean of the best members, the best first, back to the parameters.

    Only the order of the losses counts, so that one that diverges does no harm. The weights are those of Hansen and
    Ostermeier (2001).
    """
    weights = np.log(len(chosen) + 0.5) - np.log(np.arange(1, len(chosen) + 1))
    return np.asarray(params - weights @ chosen / weights.sum())


class GainsProblem:
    """The gains of a reservoir; the readout is the ridge solution on the rows before the split."""

    def __init__(
        self,
        weights: Weights,
        task: Assignment,
        start: Gains,
        *,
        n_windows: int,
        n_pairs: int,
        scale: float,
        seed: int,
        first: int = 0,
    ) -> None:
        self.weights = weights
        self.task = task
        self.state_noise = float(start.state_noise[0])
        self.n_pairs = n_pairs
        self.scale = scale
        self.seed = seed
        self.first = first  # updates that came before, of another reservoir: it is not looked everywhere again
        n_tail = len(task.target) - task.split
        room = n_tail - task.horizon if task.closed else n_tail
        self.n_windows = max(1, min(n_windows, room))
        self.origins = task.split + np.linspace(0, room - 1, self.n_windows).astype(np.intp)
        self.crew = Crew(threads=False)
        # the last two unperturbed gains, and their losses; checkpoints hold them, too
        self.known: list[tuple[Array, Array]] = []

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("crew", "known")}

    def n_rows(self) -> int:
        return self.n_windows

    def batch(self, rows: Any) -> Any:
        numbers = np.arange(self.n_windows)[rows]
        return Windows(numbers, np.full((len(numbers), 1), 1 / len(numbers)), float(len(numbers)))

    def init_memory(self) -> tuple[Array, ...]:
        """The best members so far, (0 .. N_BEST, 6), and their losses."""
        return np.empty((0, len(TRAINED))), np.empty(0)

    def losses(self, params: Array, batch: Any) -> Array:
        for known, losses in self.known:
            if np.array_equal(known, params):
                return np.asarray(losses[batch.numbers])
        self.known = [*self.known[-1:], (params, self.member_losses(params[None])[0])]
        return np.asarray(self.known[-1][1][batch.numbers])

    def credit(self, params: Array, memory: tuple[Array, ...], batch: Any, update: int) -> Estimate:
        update = update + self.first if update or not self.first else 1
        if update == 0:  # look everywhere once
            design = qmc.Sobol(len(TRAINED), seed=np.random.default_rng(0)).random(N_DESIGN)
            members = LEAST + (MOST - LEAST) * design
        elif update == 1:  # penalties span more decades than any other gain
            members = params + np.arange(-7, 3)[:, None] * np.log(10) * PENALTIES
        else:
            rng = np.random.Generator(np.random.PCG64([self.seed, update]))
            steps = self.scale * SHRINKING**update * rng.standard_normal((self.n_pairs, len(TRAINED))) * SPREADS
            members = np.concatenate([params + steps, params - steps])
        members = np.concatenate([params[None], members])
        losses = self.member_losses(members)
        self.known = [*self.known[-1:], (params, losses[0])]
        everybody = np.concatenate([memory[0], members])
        merit = np.concatenate([memory[1], losses.mean(axis=1)])
        order = np.argsort(merit, kind="stable")[:N_BEST]
        chosen = order[:1] if update < 2 else order
        credit = selection_credit(params, everybody[chosen])
        return Estimate(
            credit, losses[0][batch.numbers], (everybody[order[:1]], merit[order[:1]]), len(members) * self.n_windows
        )

    def member_losses(self, members: Array) -> Array:
        """Loss (members, windows) of gains in coordinates; those of large reservoirs are evaluated in groups."""
        # they differ in penalties only: one reservoir serves all
        alike = not np.ptp(members[:, PENALTIES == 0], axis=0).any()
        size = len(members) if alike else self.group_size(len(members))
        groups = [(first, min(first + size, len(members))) for first in range(0, len(members), size)]

        def evaluated(part: tuple[int, int]) -> list[Array]:
            return [self.group_losses(members[slice(*group)], alike) for group in groups[slice(*part)]]

        def split(n: int) -> list[tuple[int, int]]:
            edges = np.linspace(0, len(groups), min(n, len(groups)) + 1).astype(int)
            return [(int(first), int(last)) for first, last in pairwise(edges)]

        common = None if len(groups) == 1 else (members, groups)
        task = Task(split, evaluated, evaluated_elsewhere, common, float(len(members)))
        return np.concatenate([losses for part in self.crew.numbers(self, task) for losses in part])

    def group_size(self, n_members: int) -> int:
        """Members that are evaluated at once; the last bits depend on it, so it is a function of sizes alone."""
        n_states = self.weights.bias.size * getattr(self.task.reader, "n_series", 1)
        return n_members if n_states < FEW_STATES else max(1, GROUP_STATES // n_states)

    def group_losses(self, members: Array, alike: bool) -> Array:
        """Loss (members, windows) of some members; of all if they are alike."""
        task, gains = self.task, decode(members, self.state_noise)
        run = members[:1] if alike else members
        with np.errstate(all="ignore"):  # a member that fails is the worst
            population = _reservoir.populate(self.weights, decode(run, self.state_noise))
            state, folds = _reservoir.init_state(population, task.reader.n_series), []
            edges = np.linspace(0, task.split, N_FOLDS).astype(int)
            for first, last in pairwise(edges):
                normal, state = task.learned(population, self._no_rows(run), state, (first, last), self.seed)
                folds.append(normal.shared_by(len(members)))
            readout = total(folds).solve(gains, population.n_units)
            values, starts, normal = evaluate_rest(task, population, readout, self._no_rows(run), state, self.origins)
            last_fold = normal.shared_by(len(members))
            values = values[:, ~np.isnan(task.target[task.split :]).all(axis=1)]  # of rows of which something is known
            pieces = np.array_split(values, len(self.origins), axis=1)
            one_step = level(np.stack([_mean(piece) for piece in pieces], axis=1), task.objective)
            if isinstance(task.objective, SquaredError):
                one_step = self._with_folds(one_step, [*folds, last_fold], gains)
            levels = one_step
            if task.closed and task.horizon > 1:
                ahead = path_levels(task, population, readout, starts, self.origins)
                levels = ONE_STEP_SHARE * one_step + (1 - ONE_STEP_SHARE) * ahead
        worst = WORST if task.objective.degree else np.inf  # a user's loss may be of any size
        return np.minimum(np.where(np.isnan(levels), worst, levels), worst)

    def _no_rows(self, members: Array) -> Normal:
        n_features = self.weights.bias.size + self.task.n_features
        return _reservoir.init_normal(len(members), n_features, self.task.n_targets)

    def _with_folds(self, one_step: Array, folds: list[Normal], gains: Gains) -> Array:
        """The error one step ahead by cross-validation over the folds, where it is not lost to rounding.

        The held-back rows alone may be easier than later ones.
        """
        everything, units = total(folds), self.weights.bias.size
        errors = np.zeros(len(one_step))
        for fold in folds:
            errors += fold.errors(everything.without(fold).solve(gains, units))
        relative = errors / everything.power
        crossed = level(0.5 * errors / everything.n_rows, self.task.objective)[:, None]
        return np.where(relative[:, None] > LEAST_RELATIVE, crossed, one_step)


def evaluated_elsewhere(problem: GainsProblem, common: tuple[Array, list[tuple[int, int]]], part: Any) -> list[Array]:
    """What a worker gives back."""
    members, groups = common
    return [problem.group_losses(members[slice(*group)], False) for group in groups[slice(*part)]]


def _mean(losses: Array) -> Array:
    """Mean (members,) of losses (members, rows); of no row nothing."""
    return np.asarray(losses.mean(axis=1) if losses.shape[1] else np.ones(len(losses)))
