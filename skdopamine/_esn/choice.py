"""Which simple forecast a readout adds to, how far it shrinks to it, and whether tuned gains are worth keeping.

All is decided by closed loops that are held back: readouts of the rows before several splits forecast the rows after.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from skdopamine._esn.forecast import N_HORIZONS, Assignment
from skdopamine._esn.loop import Loop
from skdopamine._esn.model import Model
from skdopamine._esn.reader import SeriesReader
from skdopamine._esn.reservoir import Gains, Normal, drawn
from skdopamine._esn.simple import Simple
from skdopamine._esn.standard import Standard
from skdopamine._typing import Array

FEWEST_ROWS = 24  # that say anything
FEW_ROWS = 200  # of fewer rows the second half judges, of more the last quarter
MANY_ROWS = 1500  # on which gains are tuned further even where they are no better at once
EXACT = 1e-10  # relative squared error that rounding in normal equations makes: tuning cannot tell less
FEWEST_LEARNT = 8  # rows of the first readout
SHARE_OF_STEPS, MOST_STEPS = 5, 200  # loops are as long as one in so many rows
SHRINKING = 0.01  # penalty that pulls a readout to the simple forecast
N_SPLITS, N_ORIGINS = 6, 4  # readouts, and loops of each
N_RESERVOIRS = 5  # whose paths are averaged, if any are
LEAST_LEVEL = float(np.log(0.01))  # of the error, below which there is no noise to speak of
LEAST_GAIN = 0.03  # of the log error that so many reservoirs are worth; less is no difference
HALF = float(np.log(2.0))  # lower log error that counts even where loops can hardly tell
FLOOR = 1e-24  # of a mean squared error, in units of the variance


class Plan(NamedTuple):
    """What a model begins with."""

    base: Simple
    seasons: tuple[int, ...]
    seed: int


class Trial(NamedTuple):
    """Where closed loops begin, counted in rows that are known then, and how long they are."""

    splits: npt.NDArray[np.intp]  # readouts learn from so many rows
    origins: tuple[npt.NDArray[np.intp], ...]  # of the loops of each readout
    n_steps: int
    n_independent: float  # loops that do not overlap
    unit: Array  # of errors, (channels,)
    trust: Array  # (rows, channels or 1): what an error in each is to be scaled by

    @classmethod
    def of(cls, rows: Array, n_before: int, n_steps: int) -> Self:
        """Of rows (n, channels), of which the first `n_before` are not learnt from; of so many steps at most."""
        n_rows = len(rows)
        n_steps = max(1, min(MOST_STEPS, n_steps, n_rows // SHARE_OF_STEPS, (n_rows - n_before) // 2))
        last = n_rows - n_steps
        first = min(last, max(n_before + FEWEST_LEARNT, n_rows // 2 if n_rows < FEW_ROWS else 3 * n_rows // 4))
        splits = np.unique(np.linspace(first, last, N_SPLITS).astype(np.intp))
        ends = [*(splits[1:] - 1), last]
        origins = [np.unique(np.linspace(*span, N_ORIGINS).astype(np.intp)) for span in zip(splits, ends, strict=True)]
        n_independent, unit = max(1.0, (n_rows - first) / n_steps), Standard.of(rows).unit
        return cls(splits, tuple(origins), n_steps, n_independent, unit, np.ones((n_rows, 1)))

    def trusting(self, task: Assignment) -> "Trial":
        """With the trust in rows that the weights of a task give: outliers are the same for all models."""
        own, first = task.trust, 1 + task.base.lag  # the row of the first target
        trust = np.ones((len(self.trust), own.shape[1]))
        trust[first:] = own[: len(trust) - first]
        return self._replace(trust=trust)

    def opinions(self, task: Assignment, models: list[Model], *, each: bool = False) -> "list[Opinion]":
        """What loops say of models that differ in what their readout shrinks to, and how far.

        They have the same reservoirs and read the same differences. An error is the root mean square of the rows so
        far, over all channels, in units of the rows' deviation; its logarithm is the mean over `N_HORIZONS` lengths of
        the loop. With `each`, the models are followed by each of their reservoirs by itself.
        """
        first, reader = models[0], task.reader
        assert isinstance(reader, SeriesReader)
        population, lag = first.population, first.base.lag
        state, normal, found, known = first.zero_state, first.no_rows, [], []
        rows = [0, *(int(split) - 1 - lag for split in self.splits)]
        for (start, end), own in zip(pairwise(rows), self.origins, strict=True):
            normal, state = task.learned(population, normal, state, (start, end), first.seed)
            last_rows = own - 1 - lag
            starts = reader.starts(population, state, end, last_rows)
            ahead = last_rows[:, None] + np.arange(self.n_steps)
            truth, trust = task.target[ahead, : first.form.n_columns], self.trust[ahead + 1 + lag]
            known.append(~np.isnan(first.base.added(truth)))
            n_members = first.n_reservoirs, len(models)
            solved = [normal.solve(model.shared_gains, model.n_units, model.expected) for model in models]
            readouts = np.stack(solved, axis=1)  # (reservoirs, models, features, targets)
            members = readouts.reshape(-1, *readouts.shape[2:])
            loop = Loop(population, members, first.lags, task.bounds, first.form.n_channels)
            apart = reader.closed(loop, starts, last_rows, self.n_steps)
            apart = apart.reshape(*n_members, *apart.shape[1:])
            paths = np.concatenate([apart.mean(axis=0), *(apart if each else ())])
            found.append(trust * first.base.added(truth - paths) * (first.inputs.unit / self.unit))
        squares, weight = np.concatenate(found, axis=1) ** 2, np.concatenate(known)
        squares = np.where(weight, squares, 0.0).sum(axis=-1)
        lengths = np.unique(np.round(np.geomspace(1, self.n_steps, N_HORIZONS)).astype(int))
        count = np.cumsum(weight.sum(axis=-1), axis=-1)[..., lengths - 1]
        means = np.cumsum(squares, axis=-1)[..., lengths - 1] / np.maximum(count, 1)
        levels = 0.5 * np.log(means + FLOOR).mean(axis=-1)
        levels = np.where(np.isnan(levels), np.inf, levels)
        assert isinstance(normal, Normal)  # no readout is exact before it is judged
        left = [float(normal.errors(own)[0]) / max(normal.power, FLOOR) for own in solved]
        left += left * first.n_reservoirs if each else []
        return [Opinion(*found) for found in zip(levels, left, strict=True)]

    def is_better(self, levels: Array, than: Array, by: float = 0.0) -> bool:
        """Whether the mean of levels (loops,) is lower, `by` so much and more than its standard error.

        That error is one of the independent loops alone.
        """
        gain = than - levels
        if not np.isfinite(gain).all():
            return bool(levels.max() < than.max())
        return bool(gain.mean() - by > gain.std() / np.sqrt(self.n_independent))

    def held(self, views: Sequence[tuple[Model, Assignment]], *, can_tell: bool) -> "Court":
        """The court with the best of the models that have one of these views of the rows; the first is that to tune.

        Where loops can hardly tell, as rows are few, it is that of the last view which expects what is left to stay,
        and shrinks to that, unless another is better by half of the error.
        """
        trial = self.trusting(views[0][1])
        found: list[tuple[Model, Array]] = []
        for model, task in views:
            shrinking = model._replace(gains=_shrinking(model.gains))
            variants = [model, shrinking]
            if model.base.lag != 1 and model.lags[0] == 0:  # the last change of a row is no forecast
                variants.append(shrinking._replace(base=model.base._replace(last=True)))
            found += zip(variants, (own.levels for own in trial.opinions(task, variants)), strict=True)
        by, candidates = 0.0, found
        if not can_tell:
            by, usual = HALF, found[-1][1]
            candidates = [pair for pair in found if self.is_better(pair[1], usual, by)] or found[-1:]
        model, levels = min(candidates, key=lambda pair: float(pair[1].mean()))
        return Court(trial, views[0][1], by, model, levels)


class Court(NamedTuple):
    """What a model with tuned gains has to beat."""

    trial: Trial
    task: Assignment  # of the model that is tuned
    by: float  # how much lower the log error must be, beyond chance
    model: Model
    levels: Array  # of its loops

    def opinion(self, model: Model) -> "Opinion":
        """What the loops held back say of a model with tuned gains."""
        return self.trial.opinions(self.task, [model])[0]

    def is_worth(self, opinion: "Opinion", *, may_be_exact: bool) -> bool:
        """Whether to tune a model further: rows are many, or it does better on the loops held back.

        Many rows are excused where it does so by more than chance, leaves no more than rounding, and its readout
        `may_be_exact` in the end.
        """
        if self.by == 0 and len(self.task.target) >= MANY_ROWS:
            return not (may_be_exact and opinion.left <= EXACT and self.is_beaten_by(opinion))
        return bool(opinion.levels.mean() < self.levels.mean())

    def is_beaten_by(self, opinion: "Opinion") -> bool:
        """Whether a model does better on the loops held back, by more than chance."""
        return self.trial.is_better(opinion.levels, self.levels, self.by)

    def is_tuned(self, model: Model) -> bool:
        """Whether a model has other gains than the best that was not tuned."""
        return model.gains is not self.model.gains

    def averaged(self, model: Model, connectivity: float | str) -> Model:
        """The model with further reservoirs of the same gains, where the mean of their paths does better than a path.

        Paths of reservoirs that are far from linear, as tuned gains make them, differ by what was drawn; those of gains
        as they are hardly do, so that there is nothing to average. All reservoirs count as what one path is worth, as
        the gains were chosen for the first, on these very rows. But they may be worth little to others: the mean must
        not be worse than the first either, and where its errors are close to rounding, the first stays alone.
        """
        seeds = range(model.seed + 1, model.seed + N_RESERVOIRS)
        others = tuple(drawn(model.n_units, model.form.n_channels, connectivity, seed) for seed in seeds)
        several = model.with_others(others)
        mean, *alone = (opinion.levels for opinion in self.trial.opinions(self.task, [several], each=True))
        one = np.mean(alone, axis=0)
        most = min(one.mean() - LEAST_GAIN, alone[0].mean() + LEAST_GAIN)
        pays = self.trial.is_better(mean, one) and alone[0].mean() > LEAST_LEVEL and mean.mean() < most
        return several if pays else model


class Opinion(NamedTuple):
    """What loops held back say of a model."""

    levels: Array  # (loops,): log errors
    left: float  # relative squared error one step ahead, on the rows that the last of the readouts has learnt from


def _shrinking(gains: Gains) -> Gains:
    ridge, lag_ridge = (np.maximum(penalty, SHRINKING) for penalty in (gains.ridge, gains.lag_ridge))
    return gains._replace(ridge=ridge, lag_ridge=lag_ridge)
