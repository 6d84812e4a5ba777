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
        self.of_first = metric.of_positives and view.positive == 0
        self.of_values = view.task == "regression"
        self.of_labels = metric.response == "labels"

    def value(self, output: Array, target: Array, weight: Array | None) -> Array:
        numbers, predicted = self.view.numbers(target), self.view.response(self.metric.response, output)
        if self.of_first:
            numbers, predicted = 1 - numbers, 1 - predicted if self.metric.response == "labels" else -predicted
        if self.metric.of_positives and not numbers.any():
            return np.full(output.shape[:-2], np.nan)
        return -self.metric.function(numbers, predicted, weight)


class _OneByOne(SetObjective):
    """A function that knows no population: it is called for one member after the other."""

    n_pairs = 16

    def __init__(self, loss: Any, view: View) -> None:
        self.loss = loss
        self.view = view
        self.of_values = view.task == "regression"

    @abstractmethod
    def single(self, output: Array, target: Array, weight: Array | None) -> float:
        """Objective of one member's outputs (n, outputs); what the function raises is passed on."""

    def value(self, output: Array, target: Array, weight: Array | None) -> Array:
        members = output.reshape(-1, *output.shape[-2:])
        try:
            values = muted(lambda: [self.single(member, target, weight) for member in members])
        except ValueError:
            if not isinstance(self.loss, str):
                raise
            values = [np.nan] * len(members)  # so scikit-learn says that a minibatch is without some class
        return np.array(values).reshape(output.shape[:-2])


class ScorerObjective(_OneByOne):
    """Minus any scorer."""

    def __init__(self, loss: Any, view: View) -> None:
        super().__init__(loss, view)
        self.scorer = get_scorer(loss)

    def single(self, output: Array, target: Array, weight: Array | None) -> float:
        truth = self.view.truth(target)
        weighted = {} if weight is None else {"sample_weight": weight}
        value = self.scorer(_answering(self.view, output), np.arange(len(truth))[:, None], truth, **weighted)
        return -_one_number(self.loss, value)


class FunctionObjective(_OneByOne):
    """The user's ``loss(y_true, y_pred)`` of a set of rows."""

    def single(self, output: Array, target: Array, weight: Array | None) -> float:
        return _one_number(self.loss, self.loss(self.view.truth(target), _look(self.view)(output)))


class RowFunction(Evaluated):
    """The user's ``loss(y_true, y_pred)``, a value for each row; members are stacked into one call."""

    degree = 0  # it sees the user's units
    partial = True

    def __init__(self, loss: Callable[[Array, Array], Any], view: View) -> None:
        self.loss = loss
        self.view = view
        self.of_values = view.task == "regression"

    def values(self, output: Array, target: Array) -> Array:
        shape, n = output.shape[:-1], len(target)
        truth = self.view.truth(target)
        stacked = np.concatenate([truth] * (int(np.prod(shape)) // n)) if n else truth
        losses = self.loss(stacked, _look(self.view)(output.reshape(-1, output.shape[-1])))
        return _numbers(self.loss, losses, ((len(stacked),),)).reshape(shape)


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
            loss = self.function(_flat(true), _flat(predicted))
            values[member] = _numbers(self.function, loss, ((), values.shape[-1:]))
        return values


def _numbers(loss: Any, value: Any, shapes: tuple[tuple[int, ...], ...]) -> Array:
    """What a user's function has returned, of one of these shapes."""
    numbers = np.asarray(value)
    if numbers.dtype.kind in "fiub" and numbers.shape in shapes:
        return numbers.astype(np.float64)
    wanted = " or ".join("one number" if shape == () else f"one for each of {shape[0]} rows" for shape in shapes)
    got = f"an array of shape {numbers.shape}" if numbers.shape else repr(value)
    raise ValueError(f"loss={loss!r} must return {wanted}, got {got}.")


def _one_number(loss: Any, value: Any) -> float:
    return float(_numbers(loss, value, ((),)))


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
            raise ValueError(f"loss as a scorer must predict all rows that it is given, {len(answers)}, got {len(X)}.")
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
    objective: MetricObjective | _OneByOne
    metric = find_metric(loss, view.task) if isinstance(loss, str) else None
    if metric is not None and (metric.weighted or not weighted):
        objective = MetricObjective(metric, view)
    elif isinstance(loss, str) or is_scorer(loss):
        objective = ScorerObjective(loss, view)
    else:
        value = muted(lambda: loss(view.truth(target), _look(view)(output)))
        values = _numbers(loss, value, ((), (len(target),)))
        if values.shape:
            if whole and np.isfinite(output).all():
                _check_finite(loss, values)
            return RowFunction(loss, view)
        objective = FunctionObjective(loss, view)
    if whole:
        _try_out(objective, loss, output, target, np.ones(len(target)) if weighted else None)
    return objective


def _try_out(
    objective: MetricObjective | _OneByOne, loss: Any, output: Array, target: Array, weight: Array | None
) -> None:
    """Refuse an objective that has no value for these outputs and targets."""
    once = objective.single if isinstance(objective, _OneByOne) else objective.value
    # the first outputs of a regressor may lie where the objective is not defined, its targets may not
    probe = target if objective.of_values else output
    try:
        value = muted(lambda: once(probe, target, weight))
    except Exception as error:
        if not isinstance(loss, str):
            raise
        raise ValueError(f"loss={loss!r} cannot be computed for this y: {error}") from error
    _check_finite(loss, np.asarray(value))


def _check_finite(loss: Any, values: Array) -> None:
    bad = values[~np.isfinite(values)]
    if bad.size:
        raise ValueError(f"loss={loss!r} must be finite for this y, got {float(bad[0])}.")


def is_scorer(loss: Any) -> bool:
    """Whether a callable is ``scorer(estimator, X, y)`` and not ``loss(y_true, y_pred)``."""
    try:
        parameters = signature(loss).parameters.values()
    except (TypeError, ValueError):
        return False
    return sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters) == 3
