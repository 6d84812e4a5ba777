"""scikit-learn's callbacks (1.9 and later), and nothing where they do not exist."""

from collections.abc import Callable
from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn < 1.9
    AVAILABLE = False

    class CallbackSupportMixin:  # type: ignore[no-redef]  # the first definition is scikit-learn's, where it exists
        """Stands in where scikit-learn has no callbacks."""

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Stands in where scikit-learn has no callbacks."""
        return method

else:
    AVAILABLE = True

__all__ = ["CallbackSupportMixin", "EpochCallbacks", "with_callbacks"]


class EpochCallbacks:
    """Calls the estimator's callbacks when the fit and each of its epochs begin and end."""

    def __init__(self, estimator: Any, n_epochs: int, X: Any, y: Any, sample_weight: Any) -> None:
        self.estimator = estimator
        self.known = {"X": X, "y": y, "metadata": None if sample_weight is None else {"sample_weight": sample_weight}}
        self.context: Any = None
        self.epoch: Any = None
        if AVAILABLE:
            self.context = estimator._init_callback_context(max_subtasks=n_epochs)
            self.context.call_on_fit_task_begin(estimator=estimator, **self.known)

    def begin_epoch(self) -> None:
        """Report the beginning of an epoch."""
        if self.context is not None:
            self.epoch = self.context.subcontext(task_name="epoch")
            self.epoch.call_on_fit_task_begin(estimator=self.estimator, **self.known)

    def end_epoch(self, fitted: Callable[[], dict[str, Any]]) -> bool:
        """Report the end of an epoch, with the attributes it would leave; true if a callback asks to stop."""
        if self.context is None:
            return False
        return bool(
            self.epoch.call_on_fit_task_end(estimator=self.estimator, reconstruction_attributes=fitted, **self.known)
        )

    def end(self) -> None:
        """Report the end of the fit; the estimator holds its fitted attributes."""
        if self.context is not None:
            self.context.call_on_fit_task_end(estimator=self.estimator, reconstruction_attributes=dict, **self.known)
