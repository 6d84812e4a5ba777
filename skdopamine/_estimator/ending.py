"""How an estimator reports a training that has not ended as it should."""

import warnings
from collections.abc import Sequence
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from skdopamine._estimator.caller import users_level
from skdopamine._estimator.validation import plain
from skdopamine._training.trainer import Ending, Result


def without_effect(name: str, value: object, needed: str) -> str:
    """What to say of a parameter that is set in vain."""
    return f"{name}={plain(value)!r} has no effect without {needed}."


def raise_if_early(result: Result, n_past: int = 0) -> None:
    """Pass an interruption on where neither the run nor the `n_past` epochs of the fit before it have got anywhere."""
    if result.reason is Ending.INTERRUPTED and not (n_past or result.epochs):
        raise KeyboardInterrupt


class interruptible:  # a context manager; contextlib's would hide the user's line
    """Turn an interruption that leaves a fitted estimator as it was into a warning.

    One that is not fitted cannot be used, so there the interruption goes on to the caller.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator
        self.before = dict(vars(estimator))

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> bool:
        now = vars(self.estimator)
        unchanged = now.keys() == self.before.keys() and all(now[name] is value for name, value in self.before.items())
        ends_here = kind is KeyboardInterrupt and unchanged and hasattr(self.estimator, "n_iter_")
        if ends_here:
            told = "Training was interrupted before its first epoch had ended; the model as it was before is kept."
            warnings.warn(told, UserWarning, stacklevel=users_level())
        return ends_here


def warn(
    results: Sequence[Result],
    *,
    max_iter: int,
    learning_rate_init: float | str,
    cut_short: bool,
    n_past: int = 0,
) -> None:
    """Warn once, of the gravest of the endings of a fit's runs.

    `cut_short` says that `max_iter` allowed a run fewer epochs than its schedule has, and `n_past` how many epochs the
    model had seen before.
    """
    causes = {result.reason: result.cause for result in results}
    n_epochs = sum(len(result.epochs) for result in results)
    kept = f"the {'best model so far' if n_past + n_epochs else 'model as it was before training'} is kept"
    category: type[Warning] = ConvergenceWarning
    if Ending.INTERRUPTED in causes:
        message, category = f"Training was interrupted after {n_epochs} epochs; {kept}.", UserWarning
    elif Ending.DIVERGED in causes:
        cause = causes[Ending.DIVERGED]
        message = (
            f"The loss diverged after {n_epochs} epochs with learning_rate_init={learning_rate_init!r}"
            f"{cause and ': '}{cause}; {kept}."
        )
    elif Ending.EXHAUSTED in causes and cut_short:
        message = f"Maximum iterations (max_iter={max_iter}) reached and the training hasn't converged yet."
    else:
        return
    warnings.warn(message, category, stacklevel=users_level())
