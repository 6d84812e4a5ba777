"""How long to train, chosen out of fold: networks that learn from the rows outside their fold are judged inside.

The networks of all folds are trained at once, as one vector of parameters with one learning rate. Where they can, they
have one pass through their layers, as on small tables the calls take as long as the arithmetic. They stop as soon as
the answer is known: the loss or the score has long been worse than at its best, or it has improved for so long that the
whole schedule is wanted.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from skdopamine._estimator.report import Reporter
from skdopamine._mlp import network as _network
from skdopamine._mlp.problem import Batch, NetworkProblem
from skdopamine._training import noise as _noise
from skdopamine._training import trainer as _trainer
from skdopamine._training import update as _update
from skdopamine._training.learning_rate import LearningRate
from skdopamine._training.problem import Estimate
from skdopamine._training.trainer import Ending
from skdopamine._typing import Array

N_FOLDS = 5
ENOUGH_ROWS = 2000  # distinct, in all networks together: of more rows, fewer folds say enough
STACK_BYTES = 2**20  # of the activations of a layer above the inputs, in all networks that have one pass
KEPT_BYTES = 4 * STACK_BYTES  # of all arrays of an update
FEWEST_ROWS, MOST_ROWS = 100, 2000  # distinct: of fewer or more, no length is chosen
FEWEST_JUDGED = 50  # rows, with others of their label, that the folds are made of
FEWEST_EPOCHS = 20  # a schedule that is as short as that is what the user wants
STRETCH = 1.6  # of the best epoch of the folds: to the end of a schedule that is annealed within
PATIENCE, PATIENT = 1.5, 0.05  # folds stop after PATIENCE times the best epoch, plus PATIENT times the schedule
ENOUGH = 0.3  # of the schedule: where the folds still improve then, the whole schedule is wanted
STILL = 0.9  # of the epochs run: a best epoch beyond is taken for improvement to the end
SMOOTHED = 5  # epochs that a score is averaged over, as few rows decide on it


Right = Callable[[Array, Array], Array]  # whether rows are right (..., n), by outputs and targets (..., n, outputs)
Score = Callable[[Array], float]  # of the parameters (networks, n_parameters), on the rows of their folds


class Found(NamedTuple):
    """What the folds have shown."""

    n_epochs: int  # to train for
    losses: list[float]  # of each epoch, on rows that were not learnt from
    scores: list[float]


class Part(NamedTuple):
    """What some of the networks learn from, or are judged by, in one pass."""

    networks: Any  # the number of one network, or a slice of several
    batch: Batch  # (n, ...) rows, or (networks, n, ...)
    real: Array  # (n,) or (networks, n): false where a row fills up what others have more of, with a share of 0


class FoldBatch(NamedTuple):
    """The rows of a batch that each network learns from; none where all of them are in its fold."""

    parts: list[Part]
    share: Array  # (rows of all parts, 1), sums to one
    total: float


class FoldsProblem:
    """What the trainer asks of the networks of all folds; the mean of their losses is minimised."""

    def __init__(self, problem: NetworkProblem, fold: npt.NDArray[np.intp]) -> None:
        self.problem = problem
        self.inside = inside(fold)
        self.n_folds = len(self.inside)
        self.whole: FoldBatch | None = None  # the batch of all rows, once it is known

    def n_rows(self) -> int:
        return self.problem.n_rows()

    def init_memory(self) -> tuple[Array, ...]:
        return tuple(np.stack([array] * self.n_folds) for array in self.problem.init_memory())

    def batch(self, rows: Any) -> FoldBatch:
        numbers = np.arange(self.n_rows())[rows] if isinstance(rows, slice) else rows
        if len(numbers) < self.n_rows():
            return self.batch_of(numbers)
        if self.whole is None:  # their order does not matter
            self.whole = self.batch_of(np.arange(self.n_rows()))
        return self.whole

    def batch_of(self, numbers: Array) -> FoldBatch:
        """The rows of these numbers (n,)."""
        parts = divided(self.problem, numbers, ~self.inside[:, numbers])
        share = of_rows([part.batch.share[..., 0] for part in parts], parts)[:, None]
        total = sum(float(np.sum(part.batch.total)) for part in parts)
        return FoldBatch(parts, share / share.sum(), total / self.n_folds)

    def credit(self, params: Array, memory: tuple[Array, ...], batch: FoldBatch, update: int) -> Estimate:
        own = params.reshape(self.n_folds, -1)
        credit, learned, losses = np.zeros_like(own), tuple(array.copy() for array in memory), []
        n_evaluations, defined, settles = 0, bool(batch.parts), []
        for networks, rows, real in batch.parts:
            estimate = self.problem.credit(own[networks], tuple(array[networks] for array in memory), rows, update)
            if estimate.settled is not None:
                settles.append((networks, estimate.settled))
            credit[networks] = estimate.credit
            for array, new in zip(learned, estimate.memory, strict=True):
                array[networks] = new
            losses.append(estimate.losses)
            n_evaluations += estimate.n_evaluations // real.size * int(real.sum())
            defined = defined and estimate.defined

        def together(before: Array, after: Array) -> Array:
            start, end = before.reshape(self.n_folds, -1), after.reshape(self.n_folds, -1).copy()
            for networks, settle in settles:
                end[networks] = settle(start[networks], end[networks])
            return end.ravel()

        estimate = Estimate(credit.ravel(), of_rows(losses, batch.parts), learned, n_evaluations, defined)
        return estimate._replace(settled=together) if settles else estimate

    def losses(self, params: Array, batch: FoldBatch) -> Array:
        own = params.reshape(self.n_folds, -1)
        return of_rows([self.problem.losses(own[part.networks], part.batch) for part in batch.parts], batch.parts)


def inside(fold: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Whether each row, whose fold (n,) is -1 where it is in none, is in each fold (folds, n)."""
    return np.equal(fold, np.arange(fold.max() + 1)[:, None])


def of_rows(values: Sequence[Array], parts: Sequence[Part]) -> Array:
    """Values (rows,) of all rows, given for each part."""
    real = [value[part.real] for value, part in zip(values, parts, strict=True)]
    return np.concatenate(real) if real else np.empty(0)


def stacks(problem: NetworkProblem) -> bool:
    """Whether several networks, each with rows of its own, can have one pass, as arrays (networks, ...)."""
    return not (sparse.issparse(problem.data.X) or problem.objective.partial)


def divided(problem: NetworkProblem, numbers: Array, mine: Array) -> list[Part]:
    """What each network has of the rows of these numbers (n,): those that are its own, (networks, n).

    Networks have one pass where they can. A network without a row has no part.
    """
    counts = mine.sum(axis=1)
    size = STACK_BYTES // (mine.shape[1] * max(problem.network.units[1:]) * problem.dtype.itemsize)
    if not stacks(problem) or not counts.all() or min(size, len(mine)) < 2:
        return [alone(problem, numbers[own], k) for k, own in enumerate(mine) if own.any()]
    parts = []
    for first in range(0, len(mine), size):
        networks = slice(first, min(first + size, len(mine)))
        count = counts[networks, None]
        order = np.argsort(~mine[networks], axis=1, kind="stable")[:, : count.max()]
        real = np.arange(order.shape[1]) < count
        # rows that fill up are a network's own: what others learn from, finite or not, does not come in
        order = np.where(real, order, order[:, :1])
        parts.append(Part(networks, problem.batch(numbers[order], real), real))
    return parts


def alone(problem: NetworkProblem, numbers: Array, network: int) -> Part:
    """A network that has a pass of its own."""
    return Part(network, problem.batch(numbers), np.ones(len(numbers), dtype=bool))


class Judge:
    """Judges the networks after each epoch by the rows of their folds, and stops them once the length is known.

    Beside the loss, they are judged by `score` or by `right`, the share of rows that are right.
    """

    def __init__(
        self,
        folds: FoldsProblem,
        n_epochs: int,
        *,
        right: Right | None = None,
        score: Score | None = None,
        verbose: bool | int = False,
    ) -> None:
        self.problem, self.n_folds = folds.problem, folds.n_folds
        self.parts = divided(self.problem, np.arange(folds.n_rows()), folds.inside)
        rows, weight = np.nonzero(folds.inside)[1], self.problem.data.weight
        self.share = np.ones(len(rows)) if weight is None else weight[rows]
        self.share = self.share / self.share.sum()
        self.most = np.inf  # that a row counts for
        self.n_epochs = n_epochs
        self.right = right
        self.score = score
        self.reporter = Reporter(verbose=verbose, n_past=0, label="Out of fold: iteration")
        self.length: int | None = None
        self.losses: list[float] = []  # as training counts them
        self.told: list[float] = []  # in the user's units
        self.scores: list[float] = []

    def begin_epoch(self) -> None:
        """Nothing is to be done."""

    def end_epoch(self, epoch: _trainer.Epoch, params: Callable[[], Array]) -> bool:
        """Judge the parameters; true once the length is known."""
        own = params().reshape(self.n_folds, -1)
        outputs = [_network.forward(self.problem.network, own[part.networks], part.batch.X) for part in self.parts]
        batches = [part.batch for part in self.parts]
        values, told = zip(*map(self.problem.assessed, outputs, batches), strict=True)
        loss = of_rows(values, self.parts)
        self.told.append(float(of_rows(told, self.parts) @ self.share) * self.problem.loss_unit)
        loss = np.where(np.isnan(loss), np.inf, loss)  # where a loss is not defined, it is no best one
        if not self.losses:  # few wild rows do not decide
            self.most = _update.WILD * _update.median(np.abs(loss), self.share) or np.inf
        self.losses.append(_update.bounded(loss, self.share, self.most))
        if self.score is not None:
            self.scores.append(self.score(own))
        elif self.right is not None:
            right = [self.right(output, batch.target) for output, batch in zip(outputs, batches, strict=True)]
            self.scores.append(float(self.share @ of_rows(right, self.parts)))
        shown = epoch._replace(loss=self.told[-1], score=self.scores[-1] if self.scores else None)
        self.reporter.end_epoch(shown, params)
        self.length = settled(self.losses, self.scores or None, self.n_epochs)
        return self.length is not None


def divide(problem: NetworkProblem, labels: Array | None, seed: int) -> npt.NDArray[np.intp] | None:
    """Fold (n,) of each row, -1 for rows in none; None where distinct rows are too few or too many for that.

    Equal rows are in one fold, and which one depends on their content alone, so that a row of weight two is as two
    rows. Of each label (n,) there are as many in each fold, and the one row of a label is learnt from in all. Of many
    rows fewer folds are made, each still of a fifth of the rows.
    """
    hashes, group = np.unique(_noise.row_hashes(problem.data.X), return_inverse=True)
    n = len(hashes)  # distinct rows
    if not FEWEST_ROWS <= n <= MOST_ROWS:
        return None
    if labels is None or labels.ndim > 1:
        labels = np.zeros(len(group), dtype=np.intp)
    of, known = np.unique(np.stack([group, labels], axis=1), axis=0).T  # distinct rows, and the labels of each
    lone = of[np.bincount(known)[known] == 1]
    label = known[np.searchsorted(of, np.arange(n))]  # the least, where there are several
    order = np.random.Generator(np.random.PCG64(seed)).permutation(n)
    order = order[np.argsort(label[order], kind="stable")]
    order = order[~np.isin(order, lone)]
    if len(order) < FEWEST_JUDGED:
        return None
    fold = np.full(n, -1, dtype=np.intp)
    fold[order] = np.arange(len(order)) % N_FOLDS
    fold[fold >= max(1, min(N_FOLDS, ENOUGH_ROWS // n))] = -1
    return fold[group]


def lacks_class(numbers: Array | None, fold: npt.NDArray[np.intp]) -> bool:
    """Whether a fold lacks a class, of numbers (n,), or a value of a label, (n, labels)."""
    if numbers is None:
        return False
    columns = numbers.reshape(len(numbers), -1).T
    return any(len(np.unique(column[rows])) < len(np.unique(column)) for column in columns for rows in inside(fold))


def settled(losses: Sequence[float], scores: Sequence[float] | None, n_epochs: int) -> int | None:
    """How long to train, of `n_epochs` at most, if the losses and scores of these epochs can tell."""
    n = len(losses)
    by_loss = by_score = int(np.argmin(losses)) + 1
    if scores is not None:
        by_score = int(np.round(smoothed(scores), 9).argmax()) + 1  # equal but for rounding is equal
    best = np.sqrt(by_loss * by_score)
    if n >= ENOUGH * n_epochs and best >= STILL * n:
        return n_epochs
    if n > PATIENCE * max(by_loss, by_score) + max(10, PATIENT * n_epochs) or STRETCH * n >= n_epochs:
        length = max(3, round(STRETCH * best))
        return length if length < 0.95 * n_epochs else n_epochs
    return None


def smoothed(scores: Sequence[float]) -> Array:
    """Means over SMOOTHED epochs around each one."""
    edge = SMOOTHED // 2
    padded = [*[scores[0]] * edge, *scores, *[scores[-1]] * edge]
    return np.convolve(padded, np.full(SMOOTHED, 1 / SMOOTHED), "valid")


def settle_allocator() -> None:
    """Let the C library keep the memory of one update for the next.

    Unless it has freed a larger block before, that of GNU gives the arrays of each update back to the system, and
    asking for them again takes up to half of the time. Nothing is written to the block, so that it takes no memory.
    """
    np.empty(KEPT_BYTES, dtype=np.uint8)


def find_length(
    problem: NetworkProblem,
    fold: npt.NDArray[np.intp],
    params: Array,
    rule: LearningRate,
    settings: _update.Settings,
    *,
    right: Right | None,
    score: Score | None,
    verbose: bool | int,
) -> tuple[Found | None, int, bool]:
    """Train the folds; None if that has told nothing. Also the loss evaluations, and whether it was interrupted."""
    folds = FoldsProblem(problem, fold)
    if stacks(problem) and folds.n_folds > 1:
        settle_allocator()
    judge = Judge(folds, settings.n_epochs, right=right, score=score, verbose=verbose)
    settings = settings._replace(
        n_iter_no_change=np.inf,
        step_scale=np.broadcast_to(settings.step_scale, (folds.n_folds, len(params))).ravel(),
        nothing_kept=True,
        signs=None if settings.signs is None else np.tile(settings.signs, folds.n_folds),
    )
    state = _update.init_state(np.tile(params, folds.n_folds), folds, rule)
    with np.errstate(all="ignore"):
        result = _trainer.train(folds, rule, state, settings, observer=judge)
    found = None if judge.length is None else Found(judge.length, judge.told, judge.scores)
    return found, result.state.n_evaluations, result.reason is Ending.INTERRUPTED
