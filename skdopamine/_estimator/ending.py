"""How an estimator reports a training that has not ended as it should."""

import warnings
from collections.abc import Sequence

from sklearn.exceptions import ConvergenceWarning

from skdopamine._training.trainer import Ending


def warn(
    endings: Sequence[Ending],
    *,
    n_epochs: int,
    max_iter: int,
    learning_rate_init: float | str,
    cut_short: bool,
    stacklevel: int,
    trained: bool = True,
    cause: str = "",
) -> None:
    """Warn once, of the gravest of the endings of a fit's runs.

    `cut_short` says that `max_iter` allowed a run fewer epochs than its schedule has, and `trained` that the model has
    seen an epoch before; `cause` is that of a divergence. `stacklevel` counts from the caller, as that of
    ``warnings.warn``.
    """
    kept = "the best model so far" if trained else "the model as it was before"
    category: type[Warning] = ConvergenceWarning
    if Ending.INTERRUPTED in endings:
        message, category = f"Training was interrupted after {n_epochs} epochs; {kept} is kept.", UserWarning
    elif Ending.DIVERGED in endings:
        message = (
            f"The loss diverged after {n_epochs} epochs with learning_rate_init={learning_rate_init!r}"
            f"{cause and ': '}{cause}; the best model so far is kept."
        )
    elif Ending.EXHAUSTED in endings and cut_short:
        message = f"Maximum iterations (max_iter={max_iter}) reached and the training hasn't converged yet."
    else:
        return
    warnings.warn(message, category, stacklevel=stacklevel + 1)
