"""How long to train, chosen out of fold: networks that learn from the rows outside their fold are judged inside.

The networks of all folds are trained at once, as one vector of parameters with one learning rate. They stop as soon as
the answer is known: the loss or the score has long been worse than at its best, or it has improved for so long that the
whole schedule is wanted.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from skdopamine._mlp.held_back import HeldRows
from skdopamine._mlp.problem import Batch, NetworkProblem
from skdopamine._training import trainer as _trainer
from skdopamine._training.learning_rate import LearningRate
from skdopamine._training.problem import Estimate
from skdopamine._typing import Array

N_FOLDS = 5
ENOUGH_ROWS = 2000  # in all networks together: of more rows, fewer folds say enough
FEWEST_ROWS, MOST_ROWS = 100, 2000  # between which rows are few enough, and enough, for a length to be chosen on them
FEWEST_JUDGED = 50  # rows, with others of their label, that the folds are made of
FEWEST_EPOCHS = 20  # a schedule that is as short as that is what the user wants
STRETCH = 1.6  # of the best epoch of the folds: to the end of a schedule that is annealed within
PATIENCE, PATIENT = 1.5, 0.05  # folds stop after PATIENCE times the best epoch, plus PATIENT times the schedule
ENOUGH = 0.3  # of the schedule: where the folds still improve then, the whole schedule is wanted
STILL = 0.9  # of the epochs run: a best epoch beyond is taken for improvement to the end
SMOOTHED = 5  # epochs that a score is averaged over, as few rows decide on it


Score = Callable[[HeldRows, Array, Array], float]  # of the rows of a fold, parameters and the outputs of these


class Found(NamedTuple):
    """What the folds have shown."""

    n_epochs: int  # to train for
    losses: list[float]  # of each epoch, on rows that were not learnt from
    scores: list[float]


class FoldBatch(NamedTuple):
    """The rows of a batch that each network learns from; None where there are none."""

    parts: list[Batch | None]
    share: Array  # (rows of all parts, 1), sums to one
    total: float


class FoldsProblem:
    """What the trainer asks of the networks of all folds; the mean of their losses is minimised."""

    def __init__(self, problem: NetworkProblem, fold: npt.NDArray[np.intp]) -> None:
        self.problem = problem
        self.fold = fold  # (n,) of each row; -1: every network learns from it
        self.n_folds = int(fold.max()) + 1

    def n_rows(self) -> int:
        return self.problem.n_rows()

    def init_memory(self) -> tuple[Array, ...]:
        return self.problem.init_memory() * self.n_folds

    def batch(self, rows: Any) -> FoldBatch:
        numbers = np.arange(self.n_rows())[rows] if isinstance(rows, slice) else rows
        learnt = [numbers[self.fold[numbers] != k] for k in range(self.n_folds)]
        parts = [self.problem.batch(own) if len(own) else None for own in learnt]
        some = [part for part in parts if part is not None]
        share = np.concatenate([part.share for part in some]) / len(some)
        return FoldBatch(parts, share, sum(part.total for part in some) / self.n_folds)

    def credit(self, params: Array, memory: tuple[Array, ...], batch: FoldBatch, update: int) -> Estimate:
        size, estimates = len(memory) // self.n_folds, []
        for k, (own, part) in enumerate(zip(np.split(params, self.n_folds), batch.parts, strict=True)):
            known = memory[k * size : (k + 1) * size]
            estimates.append(
                Estimate(np.zeros_like(own), np.empty(0, dtype=own.dtype), known, 0)
                if part is None
                else self.problem.credit(own, known, part, update)
            )
        return Estimate(
            np.concatenate([estimate.credit for estimate in estimates]),
            np.concatenate([estimate.losses for estimate in estimates]),
            tuple(array for estimate in estimates for array in estimate.memory),
            sum(estimate.n_evaluations for estimate in estimates),
            all(estimate.defined for estimate in estimates),
        )

    def losses(self, params: Array, batch: FoldBatch) -> Array:
        parts = zip(np.split(params, self.n_folds), batch.parts, strict=True)
        return np.concatenate([self.problem.losses(own, part) for own, part in parts if part is not None])


class Judge:
    """Judges the networks after each epoch by the rows of their folds, and stops them once the length is known."""

    def __init__(self, held: Sequence[HeldRows], n_epochs: int, score: Score | None, verbose: bool | int) -> None:
        self.held = held
        self.totals = np.array([rows.batch.total for rows in held])
        self.share = np.concatenate([rows.batch.share[:, 0] * rows.batch.total for rows in held]) / self.totals.sum()
        self.most = np.inf  # that a row counts for
        self.n_epochs = n_epochs
        self.score = score
        self.verbose = verbose
        self.length: int | None = None
        self.losses: list[float] = []  # as training counts them
        self.told: list[float] = []  # in the user's units
        self.scores: list[float] = []

    def begin_epoch(self) -> None:
        """Nothing is to be done."""

    def end_epoch(self, epoch: _trainer.Epoch, params: Callable[[], Array]) -> bool:
        """Judge the parameters; true once the length is known."""
        losses, told, scores = [], [], []
        for rows, own in zip(self.held, np.split(params(), len(self.held)), strict=True):
            output = rows.output(own)
            losses.append(rows.losses(output))
            told.append(rows.mean(rows.losses(output, told=True)))
            scores.append(np.nan if self.score is None else self.score(rows, own, output))
        loss = np.concatenate(losses)
        loss = np.where(np.isnan(loss), np.inf, loss)  # where a loss is not defined, it is no best one
        if not self.losses:  # few wild rows do not decide
            self.most = _trainer.WILD * float(np.median(np.abs(loss))) or np.inf
        self.losses.append(_trainer.bounded(loss, self.share, self.most))
        self.told.append(float(np.average(told, weights=self.totals)) * self.held[0].problem.loss_unit)
        self.scores.append(float(np.average(scores, weights=self.totals)))
        if self.verbose:
            shown = "" if self.score is None else f", score = {self.scores[-1]:.6f}"
            print(f"Out of fold: iteration {len(self.losses)}, loss = {self.told[-1]:.8f}{shown}")
        self.length = settled(self.losses, None if self.score is None else self.scores, self.n_epochs)
        return self.length is not None


def divide(problem: NetworkProblem, labels: Array | None, seed: int) -> npt.NDArray[np.intp] | None:
    """Fold (n,) of each row, -1 for rows in none; None where rows are too few or too many for that.

    Equal rows are in one fold, and which one depends on their content alone, so that a row of weight two is as two
    rows. Of each label (n,) there are as many in each fold, and the one row of a label is learnt from in all. Of many
    rows fewer folds are made, each still of a fifth of the rows.
    """
    _, first, group = np.unique(problem.data.ids, return_index=True, return_inverse=True)
    label = np.zeros(len(first), dtype=np.intp)
    if labels is not None and labels.ndim == 1:  # of equal rows with several labels the least
        label = np.full(len(first), labels.max(), dtype=np.intp)
        np.minimum.at(label, group, labels)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(first))
    order = order[np.argsort(label[order], kind="stable")]
    single = np.bincount(label)[label] == 1
    order = order[~single[order]]
    if len(first) < FEWEST_ROWS or len(group) > MOST_ROWS or len(order) < FEWEST_JUDGED:
        return None
    fold = np.full(len(first), -1, dtype=np.intp)
    fold[order] = np.arange(len(order)) % N_FOLDS
    fold[fold >= max(1, min(N_FOLDS, ENOUGH_ROWS // len(first)))] = -1
    return fold[group]


def lacks_class(numbers: Array | None, fold: npt.NDArray[np.intp]) -> bool:
    """Whether a fold lacks a class, of numbers (n,), or a value of a label, (n, labels)."""
    if numbers is None:
        return False
    columns = numbers.reshape(len(numbers), -1).T
    parts = [fold == k for k in range(int(fold.max()) + 1)]
    return any(len(np.unique(column[part])) < len(np.unique(column)) for column in columns for part in parts)


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
    padded = np.pad(np.asarray(scores), SMOOTHED // 2, mode="edge")
    return np.convolve(padded, np.full(SMOOTHED, 1 / SMOOTHED), "valid")


def find_length(
    problem: NetworkProblem,
    fold: npt.NDArray[np.intp],
    held: Sequence[HeldRows],
    params: Array,
    rule: LearningRate,
    settings: _trainer.Settings,
    *,
    score: Score | None,
    verbose: bool | int,
) -> tuple[Found | None, _trainer.Result]:
    """Train the folds, whose rows are `held`; None if that has told nothing."""
    folds, judge = FoldsProblem(problem, fold), Judge(held, settings.n_epochs, score, verbose)
    settings = settings._replace(
        n_iter_no_change=np.inf, step_scale=np.broadcast_to(settings.step_scale, (len(held), len(params))).ravel()
    )
    state = _trainer.init_state(np.tile(params, len(held)), folds, rule)
    with np.errstate(all="ignore"):
        result = _trainer.train(folds, rule, state, settings, observer=judge)
    if judge.length is None:
        return None, result
    return Found(judge.length, judge.told, [] if score is None else judge.scores), result
