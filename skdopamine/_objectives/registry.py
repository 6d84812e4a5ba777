"""The table of losses by name: what each is for, and which scorers it stands for."""

from collections.abc import Callable
from typing import Any, NamedTuple

from sklearn.metrics import get_scorer_names

from skdopamine._objectives.base import LogisticLoss, Objective, SoftmaxLoss, SquaredError
from skdopamine._objectives.losses import (
    HUBER_KNEE,
    AbsoluteError,
    Hinge,
    Huber,
    MultiHinge,
    Pinball,
    Poisson,
    ZeroOne,
    wrong_class,
    wrong_labels,
)
from skdopamine._objectives.metrics import find_metric
from skdopamine._typing import Array

CLASSIFICATION = ("binary", "multiclass", "multilabel")
TASKS = (*CLASSIFICATION, "regression")


class LossOptions(NamedTuple):
    """Options of the losses that have any."""

    knee: float | Array = HUBER_KNEE  # of all outputs, or of each
    quantile: float = 0.5


class Entry(NamedTuple):
    """One loss under its name, for the tasks that it serves."""

    name: str
    tasks: tuple[str, ...]
    make: Callable[[LossOptions], Objective]
    scorers: tuple[str, ...] = ()  # those that are best where the mean of the loss is least
    level: Callable[[LossOptions], float] | None = None  # quantile of y that is the best constant; None: its mean
    link: str = "identity"  # function of the outputs: "identity" or "exp", for which y must not be negative
    closed_loop: bool = False  # whether the forecaster has it too


def _median(options: LossOptions) -> float:
    return 0.5


# The first loss of each task is its natural one: a fit starts on it where another stands still.
TABLE = (
    Entry("log_loss", ("binary",), lambda options: LogisticLoss(), scorers=("neg_log_loss",)),
    Entry("log_loss", ("multilabel",), lambda options: LogisticLoss()),  # of a set of labels, the scorer has no value
    Entry("log_loss", ("multiclass",), lambda options: SoftmaxLoss(), scorers=("neg_log_loss",)),
    Entry("hinge", ("binary", "multilabel"), lambda options: Hinge()),
    Entry("hinge", ("multiclass",), lambda options: MultiHinge()),
    Entry("zero_one", ("binary", "multilabel"), lambda options: ZeroOne(wrong_labels), scorers=("accuracy",)),
    Entry("zero_one", ("multiclass",), lambda options: ZeroOne(wrong_class), scorers=("accuracy",)),
    Entry(
        "squared_error",
        ("regression",),
        lambda options: SquaredError(),
        scorers=("neg_mean_squared_error", "neg_root_mean_squared_error", "r2"),
        closed_loop=True,
    ),
    Entry(
        "absolute_error",
        ("regression",),
        lambda options: AbsoluteError(),
        scorers=("neg_mean_absolute_error",),
        level=_median,
        closed_loop=True,
    ),
    Entry("huber", ("regression",), lambda options: Huber(options.knee), level=_median, closed_loop=True),
    Entry(
        "pinball",
        ("regression",),
        lambda options: Pinball(options.quantile),
        level=lambda options: options.quantile,
        closed_loop=True,
    ),
    Entry("poisson", ("regression",), lambda options: Poisson(), scorers=("neg_mean_poisson_deviance",), link="exp"),
)


def losses(task: str) -> list[Entry]:
    """The losses of a task."""
    return [entry for entry in TABLE if task in entry.tasks]


def find_loss(loss: Any, task: str) -> Entry | None:
    """The loss with this name, or the one that this scorer's name stands for; None if there is neither."""
    return next((e for e in losses(task) if isinstance(loss, str) and loss in (e.name, *e.scorers)), None)


def serves(loss: Any, task: str) -> bool:
    """Whether a loss supports this kind of classification; true for losses that are not in the table."""
    known = [t for t in CLASSIFICATION if isinstance(loss, str) and (find_loss(loss, t) or find_metric(loss, t))]
    return not known or task in known


def relatives(loss: Any, task: str) -> list[str]:
    """Scorers like this one, averaged over classes, that are for a kind of classification."""
    return [name for name in get_scorer_names() if name.startswith(f"{loss}_") and find_metric(name, task)]


def takes_positives(loss: Any) -> bool:
    """Whether a loss is the name of a scorer for which one of two classes is the positive one."""
    metric = find_metric(loss, "binary") if isinstance(loss, str) else None
    return metric is not None and metric.of_positives


def check_loss(loss: Any, task: str) -> None:
    """Refuse a name that is neither a loss of the task nor a scorer."""
    if isinstance(loss, str) and find_loss(loss, task) is None and loss not in get_scorer_names():
        names = sorted(entry.name for entry in losses(task))
        raise ValueError(
            f"loss must be one of {names}, the name of a scikit-learn scorer, a scorer or a callable "
            f"loss(y_true, y_pred), got {loss!r}."
        )
