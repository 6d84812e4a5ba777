"""scikit-learn's callbacks (1.9 and later), and before only those of this package."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Self


class Callback:
    """What scikit-learn asks of every callback; those of this package need no more of a task than its name."""

    def setup(self, estimator: Any, context: Any) -> None:
        """Refuse estimators of other packages. scikit-learn calls this before a fit.

        Parameters
        ----------
        estimator : object
            The estimator that is fitted.
        context : object
            The task: the fit.

        Raises
        ------
        TypeError
            If the estimator is not one of this package.
        """
        if not hasattr(estimator, "_journal"):
            own, other = type(self).__name__, type(estimator).__name__
            raise TypeError(f"{own} must be set on an estimator of skdopamine itself, got {other}.")

    def teardown(self, estimator: Any, context: Any) -> None:
        """Do nothing. scikit-learn calls this after a fit.

        Parameters
        ----------
        estimator : object
            The estimator that is fitted.
        context : object
            The task: the fit.
        """

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing. scikit-learn calls this when a fit or an epoch begins.

        Parameters
        ----------
        estimator : object
            The estimator that is fitted.
        context : object
            The task that begins: the fit or an epoch.
        """

    def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
        """Do not ask for a stop. scikit-learn calls this when a fit or an epoch has ended.

        Parameters
        ----------
        estimator : object
            The estimator that is fitted.
        context : object
            The task that has ended: the fit or an epoch.

        Returns
        -------
        stop : bool
            False.
        """
        return False


try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn < 1.9
    AVAILABLE = False

    class CallbackSupportMixin:  # type: ignore[no-redef]  # the first definition is scikit-learn's, where it exists
        """Stands in where scikit-learn has no callbacks."""

        def set_callbacks(self, *callbacks: Any) -> Self:
            """Set callbacks for the estimator.

            Parameters
            ----------
            *callbacks : callback instances
                Those of `skdopamine.checkpoint`; others need scikit-learn 1.9.

            Returns
            -------
            self : object
                The estimator itself.
            """
            if not all(isinstance(callback, Callback) for callback in callbacks):
                raise TypeError(
                    f"callbacks must be those of skdopamine.checkpoint before scikit-learn 1.9, got {callbacks!r}."
                )
            self._skl_callbacks = list(callbacks)
            return self

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Stands in where scikit-learn has no callbacks."""
        return method

else:
    AVAILABLE = True

__all__ = ["ATTRIBUTES", "Callback", "CallbackSupportMixin", "EpochCallbacks", "callbacks_of", "with_callbacks"]
# where scikit-learn keeps callbacks and what belongs to them:
ATTRIBUTES = ("_skl_callbacks", "_skl_callbacks_to_teardown", "_callback_fit_ctx", "_parent_callback_ctx")
EPOCH = SimpleNamespace(task_name="epoch")  # all that callbacks are told of a task where scikit-learn has none


def callbacks_of(estimator: Any) -> list[Any]:
    """Callbacks that were set on an estimator."""
    return list(getattr(estimator, "_skl_callbacks", ()))


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
            return any([callback.on_fit_task_end(self.estimator, EPOCH) for callback in callbacks_of(self.estimator)])
        return bool(
            self.epoch.call_on_fit_task_end(estimator=self.estimator, reconstruction_attributes=fitted, **self.known)
        )

    def end(self) -> None:
        """Report the end of the fit; the estimator holds its fitted attributes."""
        if self.context is not None:
            self.context.call_on_fit_task_end(estimator=self.estimator, reconstruction_attributes=dict, **self.known)
