"""The way from and to scikit-learn's multi-layer perceptrons: same layers, same weights, another trainer.

`start_weights` reads the weights of a fitted network to start from; `to_sklearn` builds the fitted MLPClassifier or
MLPRegressor of a fitted estimator. Nothing is trained here.
"""

from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise
from operator import eq
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils.validation import check_is_fitted

from skdopamine._estimator.validation import plain
from skdopamine._mlp.activations import same_activations
from skdopamine._typing import Array

SHARED_ACTIVATIONS = ("identity", "logistic", "tanh", "relu")  # scikit-learn's networks have these
THEIR_LOSSES = {"identity": "squared_error", "exp": "poisson"}  # of MLPRegressor, by the function of its outputs
OUTPUTS = ("logistic", "softmax")  # of MLPClassifier
COPIED = (
    *("n_layers_", "n_outputs_", "out_activation_", "n_features_in_", "feature_names_in_", "classes_", "n_iter_", "t_"),
    *("loss_", "best_loss_", "loss_curve_", "validation_scores_", "best_validation_score_", "_label_binarizer"),
)


def start_weights(
    init: Any, estimator: Any, ours: type, units: tuple[int, ...], out_activation: str
) -> tuple[list[Array], list[Array]]:
    """Weights and biases of `init`, if it is a fitted network with the layers and outputs of the estimator.

    It is the estimator's `init` or the estimator itself. units and out_activation are those of the network that is to
    start from them, ours is the class that the estimators of this package have in common. The arrays are those of
    `init`, to be copied.
    """
    name = "the model being continued" if init is estimator else "init"
    init = init.estimator if isinstance(init, FrozenEstimator) else init
    theirs = MLPClassifier if is_classifier(estimator) else MLPRegressor
    same_kind = isinstance(init, ours) and is_classifier(init) == is_classifier(estimator)
    if not (same_kind or isinstance(init, theirs)):
        raise ValueError(f"init must be a fitted {theirs.__name__} or {type(estimator).__name__}, got {init!r}.")
    try:
        check_is_fitted(init)
    except NotFittedError as error:
        raise ValueError(
            f"init must be fitted, got {init!r} without a fit; in a parameter grid, which is cloned, it has to be "
            "wrapped in sklearn.frozen.FrozenEstimator."
        ) from error
    n_hidden = len(units) - 2
    compared: dict[str, tuple[Any, Any, Callable[[Any, Any], bool]]] = {
        "classes": (getattr(init, "classes_", None), getattr(estimator, "classes_", None), np.array_equal),
        "output function": (init.out_activation_, out_activation, eq),
        "layer sizes": (_units(init), units, eq),
        "shapes of weights": ([np.shape(coef) for coef in init.coefs_], list(pairwise(units)), eq),
        "shapes of biases": ([np.shape(bias) for bias in init.intercepts_], [(unit,) for unit in units[1:]], eq),
        "activation": (init.activation, estimator.activation, lambda a, b: same_activations(a, b, n_hidden)),
    }
    for what, (got, expected, same) in compared.items():
        if not same(got, expected):
            raise ValueError(
                f"{name} must have the same {what} as this estimator, {plain(expected)!r}, got {plain(got)!r} in "
                f"{init!r}."
            )
    if not all(np.isfinite(array).all() for array in (*init.coefs_, *init.intercepts_)):
        raise ValueError(f"init must have finite weights and biases, got others in {init!r}.")
    return init.coefs_, init.intercepts_


def without_ancestors(init: Any) -> Any:
    """A copy of `init` without the model that `init` was started from in turn."""
    if isinstance(init, FrozenEstimator):
        return FrozenEstimator(without_ancestors(init.estimator))
    return init if getattr(init, "init", None) is None else started_from(init, None)


def started_from(estimator: Any, init: Any) -> Any:
    """The estimator with another `init`; it shares everything else."""
    other = object.__new__(type(estimator))
    other.__dict__.update(vars(estimator), init=init)
    return other


def _units(fitted: Any) -> tuple[int, ...]:
    return (fitted.coefs_[0].shape[0], *(coef.shape[1] for coef in fitted.coefs_))


def to_sklearn(estimator: Any) -> Any:
    """The MLPClassifier or MLPRegressor that predicts what the fitted estimator does."""
    theirs = MLPClassifier if is_classifier(estimator) else MLPRegressor
    function = estimator.out_activation_
    if function not in (OUTPUTS if is_classifier(estimator) else THEIR_LOSSES):
        raise ValueError(
            f"loss={estimator.loss!r} has an output function that {theirs.__name__} does not offer: {function!r}."
        )
    shared = theirs().get_params().keys() & estimator.get_params(deep=False).keys()
    parameters = {name: getattr(estimator, name) for name in shared - {"loss"}}
    parameters["activation"] = _activation(estimator.activation, estimator.n_layers_ - 2)
    if parameters["learning_rate"] == "dopamine":
        parameters["learning_rate"] = "constant"
    if parameters["early_stopping"] == "auto":
        parameters["early_stopping"] = False
    if theirs is MLPRegressor:
        parameters["loss"] = THEIR_LOSSES[function]
    model = theirs(**parameters)
    vars(model).update({name: deepcopy(getattr(estimator, name)) for name in COPIED if hasattr(estimator, name)})
    for name in ("coefs_", "intercepts_"):
        setattr(model, name, [array.copy() for array in getattr(estimator, name)])
    if not model.early_stopping and getattr(model, "best_loss_", None) is None:  # rows of the user's own were held back
        model.best_loss_ = min(getattr(model, "loss_curve_", []), default=np.inf)  # partial_fit compares with it
    model._no_improvement_count = 0  # partial_fit counts on from it
    return model


def _activation(activation: Any, n_hidden: int) -> str:
    """The one name of the activation of all hidden layers."""
    if not n_hidden:
        return activation if activation in SHARED_ACTIVATIONS else "identity"
    entries = list(activation) if isinstance(activation, list | tuple) else [activation]
    for entry in entries:
        if not isinstance(entry, str) or entry not in SHARED_ACTIVATIONS:
            raise ValueError(
                f"activation={activation!r} does not exist in scikit-learn, which offers {SHARED_ACTIVATIONS}."
            )
    if len(set(entries)) > 1:
        raise ValueError(f"activation={activation!r} differs by layer; in scikit-learn all layers have the same.")
    return str(entries[0])
