"""The losses by name, and which scorers they stand for."""

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

# scorers that are best where the mean of a loss is least
SUMS = {
    "binary": {"accuracy": "zero_one", "neg_log_loss": "log_loss"},
    "multiclass": {"accuracy": "zero_one", "neg_log_loss": "log_loss"},
    "multilabel": {"accuracy": "zero_one"},
    "regression": {
        "neg_mean_absolute_error": "absolute_error",
        "neg_mean_squared_error": "squared_error",
        "neg_root_mean_squared_error": "squared_error",
        "r2": "squared_error",
        "neg_mean_poisson_deviance": "poisson",
    },
}


def serves(loss: Any, task: str) -> bool:
    """Whether a loss is known to be for this kind of classification, or not known at all."""
    known = isinstance(loss, str)
    tasks = [t for t in ("binary", "multiclass", "multilabel") if known and (loss in LOSSES[t] or find_metric(loss, t))]
    return not tasks or task in tasks


class Shape(NamedTuple):
    """What a loss is told besides its name."""

    knee: float = HUBER_KNEE
    quantile: float = 0.5


LOSSES: dict[str, dict[str, Callable[[Shape], Objective]]] = {
    "binary": {
        "log_loss": lambda shape: LogisticLoss(),
        "hinge": lambda shape: Hinge(),
        "zero_one": lambda shape: ZeroOne(wrong_labels),
    },
    "multiclass": {
        "log_loss": lambda shape: SoftmaxLoss(),
        "hinge": lambda shape: MultiHinge(),
        "zero_one": lambda shape: ZeroOne(wrong_class),
    },
    "regression": {
        "squared_error": lambda shape: SquaredError(),
        "absolute_error": lambda shape: AbsoluteError(),
        "huber": lambda shape: Huber(shape.knee),
        "pinball": lambda shape: Pinball(shape.quantile),
        "poisson": lambda shape: Poisson(),
    },
}
LOSSES["multilabel"] = LOSSES["binary"]
NATURAL = {"binary": "log_loss", "multiclass": "log_loss", "multilabel": "log_loss", "regression": "squared_error"}


def loss_name(loss: Any, task: str) -> Any:
    """The loss, or for a scorer that is best where a loss is least, that loss's name."""
    return SUMS[task].get(loss, loss) if isinstance(loss, str) else loss


def check_loss(loss: Any, task: str) -> None:
    """Refuse a name that is neither a loss of the task nor a scorer."""
    if isinstance(loss, str) and loss_name(loss, task) not in LOSSES[task] and loss not in get_scorer_names():
        raise ValueError(
            f"loss must be one of {sorted(LOSSES[task])}, the name of a scikit-learn scorer, a scorer or a callable "
            f"loss(y_true, y_pred), got {loss!r}."
        )
