"""How closely a readout follows the rows, whether it sees products of channels, and what rows weigh.

Closed loops held back decide about the first two.

Ridge penalties of noise-free series are far below what normal equations can tell from rounding, and gains are tuned
with those. So the readout is solved again, exactly, with all penalties scaled.
"""

from typing import NamedTuple, Self

import numpy as np

from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.forecast import Assignment
from skdopamine._esn.loop import Loop, Start
from skdopamine._esn.model import Model
from skdopamine._esn.products import n_products
from skdopamine._esn.reader import Reader, SeriesReader, predicted
from skdopamine._esn.reservoir import Gains
from skdopamine._esn.robust import Robust, reweighted
from skdopamine._esn.root import Root, init_root
from skdopamine._typing import Array

MOST_ROWS = 6000  # that weights of rows are learnt from
FEWEST_ROWS = 400  # in fewer, loops can hardly tell
AS_IT_IS = np.array([0.0])
FACTORS = np.array([-8.0, -6.0, -4.0, -2.0, 1.0])  # of all penalties, powers of ten
NEARBY = np.array([-1.0, 0.0, 1.0])  # beside the best of these, with products
DEGREES = (2, 3)  # of products
MOST_PRODUCTS = 100
N_ORIGINS = 16  # loops that judge, every second of them what others have chosen
N_FINAL = 2  # factors, of which the readout of all rows is judged too
STRETCH = 2  # loops are so many horizons long, if there is room
N_LENGTHS = 8  # of loops that count alike
FLOOR = 1e-24  # of a mean squared error, in units of the variance


class Candidate(NamedTuple):
    """A model, and log errors of its loops, by a readout of the rows before and by that of all rows."""

    model: Model
    power: float  # of ten, which its penalties are scaled by
    held: Array  # (loops,)
    own: Array  # (loops,)

    def merit(self) -> float:
        """Log error on every second loop; that of all rows shows whether the final readout itself is stable."""
        return float(max(self.held[::2].mean(), self.own[::2].mean()))

    def is_better(self, than: "Candidate", n_independent: float) -> bool:
        """Whether the other loops say so, those held back by more than chance."""
        gain, own = (than.held - self.held)[1::2], (than.own - self.own)[1::2]
        if not (np.isfinite(gain).all() and np.isfinite(own).all()):
            return bool(max(self.held.max(), self.own.max()) < max(than.held.max(), than.own.max()))
        return bool(gain.mean() > gain.std() / np.sqrt(n_independent) and own.mean() > 0)


def polished(model: Model, task: Assignment, *, seasonal: bool = True) -> Model:
    """The model, with other penalties and with products where closed loops over rows held back say so.

    Its readout is then to be learnt again. Unless lags may be `seasonal`, it sees no rows a season back: a series
    without noise needs none, and large weights for them make loops unstable. Where even products leave an error that is
    more than rounding, there is noise, and the model is left as it is.
    """
    n_rows = len(task.target)
    if not may_be_exact(task):
        return model
    near = model if seasonal else model.without_seasons()
    roots = _roots(near, task)
    widest, (before, _) = max(roots.items())
    expected = near._replace(degree=widest).emptied().expected
    if before.is_noisy(before.solve(model.gains, model.n_units, expected)[0]):
        return model
    n_steps = max(1, min(STRETCH * task.horizon, (n_rows - task.split) // 2))
    court = Court.of(model, task, n_steps)
    as_it_is = roots if near is model else _roots(model, task, degrees=())
    (best,) = court.candidates(model, as_it_is[1], AS_IT_IS)
    for degree, of_degree in roots.items():
        powers = FACTORS if degree == 1 else best.power + NEARBY
        candidates = court.candidates(near._replace(degree=degree), of_degree, powers, below=best.merit())
        chosen = min(candidates, key=Candidate.merit, default=best)
        if chosen.merit() < best.merit() and chosen.is_better(best, court.n_independent):
            best = chosen
    if best.power == 0 and best.model.degree == model.degree and len(best.model.lags) == len(model.lags):
        return model
    return best.model._replace(exact=True).emptied()


def may_be_exact(task: Assignment) -> bool:
    """Whether loops over rows held back can tell how closely to follow them: measured series have noise anyway."""
    is_measured = task.reader.n_series > 1 or bool(np.isnan(task.target).any())
    return isinstance(task.reader, SeriesReader) and task.closed and len(task.target) >= FEWEST_ROWS and not is_measured


def weighed(model: Model, reader: Reader, target: Array, washout: int, kind: str) -> tuple[Array, Robust, Array]:
    """Weights of rows by the errors of a readout that least squares of the last rows give, again and again.

    Also what the weights of later rows come from, and that readout.
    """
    model = model.with_others(())
    n_rows, population, n_series = len(target), model.population, reader.n_series
    first = max(min(washout, n_rows - 1), n_rows - max(1, MOST_ROWS // n_series))
    state = reader.state_after(population, model.zero_state, 0, first)
    pieces = reader.read(population, first, n_rows, state)
    seen = np.concatenate([_reservoir.features(population, states, past)[0] for _, states, past in pieces])
    goal = target.reshape(n_rows * n_series, -1)
    known, expected = np.asarray(~np.isnan(goal).any(axis=1)), model.emptied().expected
    latest = known[first * n_series :]
    robust, readout = reweighted(
        seen[latest], goal[first * n_series :][latest], model.gains, model.n_units, expected, kind
    )
    before = predicted(reader, population, readout, model.zero_state, 0, first)
    before = before.reshape(first * n_series, readout.shape[1])
    weights = np.ones(len(goal))
    weights[known] = robust.weights((goal - np.concatenate([before, seen @ readout]))[known])
    return weights, robust, readout


def _roots(model: Model, task: Assignment, degrees: tuple[int, ...] = DEGREES) -> dict[int, tuple[Root, Root]]:
    """For each degree, what there is to learn from the rows before the split, and from all."""
    n_channels, n_before = model.form.n_channels, len(model._replace(degree=1).emptied().readout) - 1
    kept = [1, *(degree for degree in degrees if n_products(n_channels, degree) <= MOST_PRODUCTS)]
    most = kept[-1]
    wide = task._replace(reader=model._replace(degree=most).reader(task.reader.inputs, task.reader.covariates))
    before, state = init_root(n_before + 1 + n_products(n_channels, most), task.target.shape[1]), model.zero_state
    before, state = wide.learned(model.population, before, state, (0, task.split), model.seed)
    whole, _ = wide.learned(model.population, before, state, (task.split, len(task.target)), model.seed)
    left_out = {
        degree: (n_before + n_products(n_channels, degree), n_before + n_products(n_channels, most)) for degree in kept
    }
    return {degree: (before.without(*ends), whole.without(*ends)) for degree, ends in left_out.items()}


class Court(NamedTuple):
    """What closed loops say of readouts."""

    task: Assignment
    n_steps: int
    n_independent: float  # loops over rows held back that do not overlap
    held: Start  # of loops over rows held back
    own: Start  # of loops over all rows
    truth: tuple[Array, Array]  # of both

    @classmethod
    def of(cls, model: Model, task: Assignment, n_steps: int) -> Self:
        """Of models with this reservoir."""
        last, reader, n_fed = len(task.target) - n_steps, task.reader, model.form.n_channels
        assert isinstance(reader, SeriesReader)
        starts, truth = [], []
        origins_of = [
            np.unique(np.linspace(first, last, N_ORIGINS).astype(np.intp))
            for first in (task.split, min(task.washout, last))
        ]
        everywhere = np.unique(np.concatenate(origins_of))
        states = reader.starts(model.population, model.zero_state, 0, everywhere)
        for origins in origins_of:
            starts.append(reader.start(states[:, np.searchsorted(everywhere, origins)], origins, n_steps))
            truth.append(task.target[origins[:, None] + np.arange(n_steps), :n_fed])
        n_independent = max(1.0, (last + n_steps - task.split) / n_steps)
        return cls(task, n_steps, n_independent, starts[0], starts[1], (truth[0], truth[1]))

    def candidates(
        self, model: Model, roots: tuple[Root, Root], powers: Array, below: float = np.inf
    ) -> list[Candidate]:
        """The best candidates of factors of the penalties, by what the rows before the split and all rows teach.

        Where that of the rows before is not `below` so much, all rows are not asked.
        """
        models = _scaled(model, powers)
        held = self.levels(models, roots[0], self.held, self.truth[0])
        merits = held[:, ::2].mean(axis=1)
        best = np.argsort(merits, kind="stable")[:N_FINAL]
        best = best[(merits[best] < below) | np.isinf(below)]
        if not len(best):
            return []
        models = [models[m] for m in best]
        own = self.levels(models, roots[1], self.own, self.truth[1])
        return [Candidate(*each) for each in zip(models, powers[best], held[best], own, strict=True)]

    def levels(self, models: list[Model], root: Root, start: Start, truth: Array) -> Array:
        """Log error (models, loops) of closed loops, the mean over some lengths.

        Models differ in their penalties. Lengths are as many steps apart: what runs away late must show.
        """
        first = models[0]
        gains = Gains(*(np.concatenate(of_all) for of_all in zip(*(model.gains for model in models), strict=True)))
        readout = root.solve(gains, first.n_units, first.expected)
        loop = Loop(first.population, readout, first.lags, self.task.bounds, first.form.n_channels, first.degree)
        with np.errstate(all="ignore"):  # a loop that fails is the worst
            path = loop.run(start, self.n_steps)
            errors = self.task.base.added(truth - path.transpose(1, 2, 0, 3))
            squares = np.cumsum(np.mean(errors**2, axis=-1), axis=-1)
            lengths = np.unique(np.linspace(0, self.n_steps, N_LENGTHS + 1)[1:].astype(int))
            levels = 0.5 * np.log(squares[..., lengths - 1] / lengths + FLOOR).mean(axis=-1)
        return np.where(np.isnan(levels), np.inf, levels)


def _scaled(model: Model, powers: Array) -> list[Model]:
    """Models with all penalties times these powers of ten, and room for what their readouts see."""
    factors = 10.0**powers
    gains = [
        model.gains._replace(ridge=model.gains.ridge * factor, lag_ridge=model.gains.lag_ridge * factor)
        for factor in factors
    ]
    return [model._replace(gains=own).emptied() for own in gains]
