"""Objectives that are a number for a whole set of rows: metrics, scorers, and the user's own functions.

A scorer sees what it would see in `cross_val_score`: labels, probabilities or values, in the user's units, and it is
maximised. The common metrics are computed for all members of a population at once, the others by one call for each.
"""

from abc import abstractmethod
from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import get_scorer

from skdopamine._objectives.base import Objective, SetObjective
from skdopamine._objectives.losses import Evaluated
from skdopamine._objectives.metrics import Metric, find_metric
from skdopamine._objectives.muted import muted
from skdopamine._objectives.tasks import View
from skdopamine._typing import Array


class MetricObjective(SetObjective):
    """Minus a metric that is computed for the whole population at once."""

    def __init__(self, metric: Metric, view: View) -> None:
        self.metric = metric
        self.view = view
        self.of_values = view.task == "regression"
        self.of_labels = metric.response == "labels"

    def value(self, output: Array, target: Array, weight: Array | None) -> Array:
        predicted = self.view.response(self.metric.response, output)
        return -self.metric.function(self.view.numbers(target), predicted, weight)


class _OneByOne(SetObjective):
    """A function that knows no population: it is called for one member after the other."""

    n_pairs = 16

    def __init__(self, function: Callable[..., Any], view: View) -> None:
        self.function = function
        self.view = view
        self.of_values = view.task == "regression"

    @abstractmethod
    def single(self, output: Array, target: Array, weight: Array | None) -> float:
        """Objective of one member's outputs (n, outputs); what the function raises is passed on."""

    def value(self, output: Array, target: Array, weight: Array | None) -> Array:
        members = output.reshape(-1, *output.shape[-2:])
        try:
            values = muted(lambda: [self.single(member, target, weight) for member in members])
        except ValueError:  # a minibatch may be without some class
            values = [np.nan] * len(members)
        return np.array(values).reshape(output.shape[:-2])


class ScorerObjective(_OneByOne):
    """Minus any scorer."""

    def single(self, output: Array, target: Array, weight: Array | None) -> float:
        truth = self.view.truth(target)
        weighted = {} if weight is None else {"sample_weight": weight}
        return -float(self.function(_answering(self.view, output), np.arange(len(truth))[:, None], truth, **weighted))


class FunctionObjective(_OneByOne):
    """The user's ``loss(y_true, y_pred)`` of a set of rows."""

    def single(self, output: Array, target: Array, weight: Array | None) -> float:
        return float(self.function(self.view.truth(target), _look(self.view)(output)))


class RowFunction(Evaluated):
    """The user's ``loss(y_true, y_pred)``, a value for each row; members are stacked into one call."""

    degree = 0  # it sees the user's units

    def __init__(self, function: Callable[[Array, Array], Any], view: View) -> None:
        self.function = function
        self.view = view

    def values(self, output: Array, target: Array) -> Array:
        shape, n = output.shape[:-1], len(target)
        truth = self.view.truth(target)
        stacked = np.concatenate([truth] * (int(np.prod(shape)) // n)) if n else truth
        losses = self.function(stacked, _look(self.view)(output.reshape(-1, output.shape[-1])))
        return np.array(losses, dtype=np.float64).reshape(shape)


class FunctionLoss:
    """A user's ``loss(y_true, y_pred)``, per-sample values or one number."""

    degree = 0

    def __init__(self, function: Callable[..., Any], restore: Callable[[Array], Array]) -> None:
        self.function = function
        self.restore = restore  # to the user's units

    def values(self, output: Array, target: Array) -> Array:
        """Loss of each row, (..., n) of outputs (..., n, targets); a number counts for all of them."""
        target = np.broadcast_to(target, output.shape)
        values = np.empty(output.shape[:-1])
        for member in np.ndindex(values.shape[:-1]):
            true, predicted = self.restore(target[member]), self.restore(output[member])
            loss = np.asarray(self.function(_flat(true), _flat(predicted)))
            if loss.dtype.kind not in "fiub":
                raise TypeError(f"loss must return one number or one per row, got {loss!r}.")
            if loss.shape not in ((), values.shape[-1:]):
                raise ValueError(f"loss must return one number or one per row, got an array of shape {loss.shape}.")
            values[member] = loss
        return values


def _flat(values: Array) -> Array:
    return values[:, 0] if values.shape[1] == 1 else values


def _look(view: View) -> Callable[[Array], Array]:
    return view.values if view.task == "regression" else view.probabilities


def _answering(view: View, output: Array) -> Any:
    """An estimator whose predictions are known."""
    if view.task == "regression":
        return _Regressor(view.values(output))
    labels = view.labels(output)
    assert view.classes is not None
    predicted = labels if view.task == "multilabel" else view.classes[labels]
    return _Classifier(predicted, view.probabilities(output), view.classes)


class _Known(BaseEstimator):
    """Answers for the rows that it was made for."""

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def _check(self, X: Any, answers: Array) -> Array:
        if len(X) != len(answers):
            raise ValueError(f"a scorer must predict all rows that it is given, {len(answers)}, got {len(X)}.")
        return answers


class _Regressor(RegressorMixin, _Known):
    def __init__(self, values: Array) -> None:
        self._values = values

    def predict(self, X: Any) -> Array:
        return self._check(X, self._values)


class _Classifier(ClassifierMixin, _Known):
    def __init__(self, labels: Array, probabilities: Array, classes: Array) -> None:
        self._labels = labels
        self._probabilities = probabilities
        self.classes_ = classes

    def predict(self, X: Any) -> Array:
        return self._check(X, self._labels)

    def predict_proba(self, X: Any) -> Array:
        return self._check(X, self._probabilities)


def make_objective(
    loss: Any, view: View, *, weighted: bool, whole: bool, output: Array, target: Array
) -> Objective | SetObjective:
    """The objective of a scorer or callable, tried out on these outputs and targets.

    A part of a stream (not `whole`) may lack what the objective needs, such as a second class.
    """
    objective: SetObjective
    metric = find_metric(loss, view.task) if isinstance(loss, str) else None
    if metric is not None and (metric.weighted or not weighted) and not _reversed(view):
        objective = MetricObjective(metric, view)
    elif isinstance(loss, str) or is_scorer(loss):
        objective = ScorerObjective(get_scorer(loss), view)
    else:
        tried = np.asarray(_tried(loss, lambda: loss(view.truth(target), _look(view)(output))))
        if tried.shape == (len(target),):
            return RowFunction(loss, view)
        if tried.shape != ():
            raise ValueError(
                f"loss={loss!r} must return one number or one for each of {len(target)} rows, got an array of shape "
                f"{tried.shape}."
            )
        objective = FunctionObjective(loss, view)
    if not whole:
        return objective
    weight = np.ones(len(target)) if weighted else None
    once = objective.single if isinstance(objective, _OneByOne) else objective.value
    # the first outputs of a regressor may lie where the objective is not defined, its targets may not
    probe = target if view.task == "regression" else output
    value = float(_tried(loss, lambda: once(probe, target, weight)))
    if not np.isfinite(value):
        raise ValueError(f"loss={loss!r} must be finite for this y, got {value}.")
    return objective


def _reversed(view: View) -> bool:
    """Whether the first of two classes is labelled 1, so that scorers take it for the positive one."""
    return view.task == "binary" and view.classes is not None and bool(view.classes[0] == 1)


def _tried(loss: Any, call: Callable[[], Any]) -> Any:
    try:
        return muted(call)
    except Exception as error:
        raise ValueError(f"loss={loss!r} cannot be computed for this y: {error}") from error


def is_scorer(loss: Any) -> bool:
    """Whether a callable is ``scorer(estimator, X, y)`` and not ``loss(y_true, y_pred)``."""
    try:
        parameters = signature(loss).parameters.values()
    except (TypeError, ValueError):
        return False
    return sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters) == 3
