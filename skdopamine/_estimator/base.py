"""What every estimator of the package is."""

from abc import ABC, abstractmethod
from typing import Any, Self

from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skdopamine._estimator.history import Curve, History, unrolled
from skdopamine._estimator.journal import PENDING, UNFINISHED, Journal, check_snapshot, made


class DopamineEstimator(BaseEstimator, ABC):
    """An estimator whose parameters are explained in notebooks."""

    # scikit-learn shows what a parameter means only where there is a link to more; this one stays on the page
    _doc_link_module = "skdopamine"
    _doc_link_template = "#{estimator_name}"

    _journal: Journal  # for the time of a fit

    @abstractmethod
    def fit(self, X: Any, y: Any) -> Self:
        """Fit the estimator."""

    @property
    @abstractmethod
    def _history(self) -> History:
        """What the epochs have shown."""

    @abstractmethod
    def _check_loaded(self) -> None:
        """Refuse what was learnt if it is not what a fit leaves: its attributes may come from a file."""

    def _check_untouched(self, before: Any) -> None:
        """Refuse what users have set of what was learnt so far: the fit that this one continues would not see it."""

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if "_journal" not in state:
            return dict(state)
        return {name: value for name, value in state.items() if name != "_journal"} | {UNFINISHED: True}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if UNFINISHED not in state:
            self._check_loaded()
        if PENDING in state:
            check_snapshot(state[PENDING])

    def __copy__(self) -> Self:
        """Share all that the estimator has, which nothing has changed on the way."""
        copied: Self = made(type(self), self.__getstate__())
        return copied

    # The curves are lists of their own whenever they are read, so that a stream neither copies its past in each call
    # nor changes a list that somebody holds. The docstrings of the estimators describe them.

    @property
    def loss_curve_(self) -> list[float]:
        return self._curve("losses")

    @property
    def learning_rate_curve_(self) -> list[float]:
        return self._curve("rates")

    @property
    def reward_prediction_error_curve_(self) -> list[float]:
        return self._curve("errors")

    def _curve(self, name: str) -> list[float]:
        check_is_fitted(self)
        curve: Curve = getattr(self._history, name)
        return unrolled(curve)
