"""How an estimator reports a training that has not ended as it should."""

import warnings
from collections.abc import Sequence

from sklearn.exceptions import ConvergenceWarning

from skdopamine._estimator.caller import users_level
from skdopamine._training.trainer import Ending, Result


def without_effect(name: str, value: object, needed: str) -> str:
    """What to say of a parameter that is set in vain."""
    return f"{name}={value!r} has no effect without {needed}."


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
