"""Whether a network, what its training has left, and what a policy remembers are such as a fit makes.

The weights that are published count: predictions, copies and further training go by `coefs_` and `intercepts_`. So
they are looked at alone where they are used, and with all the rest where an estimator is loaded.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.preprocessing import LabelBinarizer

from skdopamine._estimator.sound import check_array, check_that, check_typed, described, refuse
from skdopamine._estimator.validation import plain
from skdopamine._mlp import network as _network
from skdopamine._mlp.experience import BOUNDS, Experience
from skdopamine._mlp.network import Network
from skdopamine._mlp.readout import n_features
from skdopamine._mlp.training import Training
from skdopamine._mlp.units import Units
from skdopamine._typing import Array

PUBLISHED = ("coefs_", "intercepts_", "n_layers_", "n_outputs_", "out_activation_")
FUNCTION_OF = {"binary": "logistic", "multiclass": "softmax", "multilabel-indicator": "logistic"}
# what may be infinite or nan in a fit that has gone wild or counts in huge units, and tells nothing of predictions:
WILD = {
    *("History.losses", "History.rates", "History.errors", "History.scores", "History.best_loss"),
    *("TrainState.credit_mean", "TrainState.credit_square", "TrainState.reference", "TrainState.far"),
    *("TrainState.last_error", "Anchor.loss", "Anchor.promised", "RateState.gained", "RateState.expected"),
    *("TrainState.memory", "Anchor.memory"),  # such critics begin anew in the next training
}
NUMBERED = {"Anchor.update"}  # from -1 on
ROUNDED = 1e-9  # what subtractions may leave of an inverse that was 1 before the first row, where inputs are huge
UNKNOWN = {"Sample.target"}  # rewards of the actions that were not taken


def check_layers(estimator: Any) -> None:
    """Refuse weights that do not fit each other and what else is known of the network; their values are not read."""
    coefs, biases = estimator.coefs_, estimator.intercepts_
    try:
        shapes, lengths = [coef.shape for coef in coefs], [bias.shape for bias in biases]
        layers = [shapes[0][0], *(length[0] for length in lengths)]
    except (AttributeError, IndexError, TypeError):
        refuse("coefs_ and intercepts_", "lists of arrays", f"{described(coefs)} and {described(biases)}")
    layers[0] = getattr(estimator, "n_features_in_", layers[0])
    if shapes != list(pairwise(layers)):
        wanted = f"of shapes {list(pairwise(layers))}, as n_features_in_ and intercepts_ ask for"
        refuse("coefs_", wanted, shapes)
    if lengths != [(n,) for n in layers[1:]]:
        refuse("intercepts_", "of one axis each", lengths)
    if (estimator.n_layers_, estimator.n_outputs_) != (len(layers), layers[-1]):
        got = estimator.n_layers_, estimator.n_outputs_
        refuse("n_layers_ and n_outputs_", f"{len(layers)} and {layers[-1]}, as coefs_ say", got)


def layers_of(estimator: Any) -> tuple[int, ...]:
    """Inputs, units of each hidden layer and outputs of the published weights."""
    return (len(estimator.coefs_[0]), *map(len, estimator.intercepts_))


def check_weights(estimator: Any) -> None:
    """Refuse weights and biases that are not finite numbers; users may have rounded them, or made them small."""
    for name in ("coefs_", "intercepts_"):
        for layer, array in enumerate(getattr(estimator, name)):
            check_array(f"{name}[{layer}]", array, kinds="fiue")


def check_network(estimator: Any, functions: Sequence[str]) -> bool:
    """Refuse a network that cannot predict, or whose outputs have another function; False if there is none."""
    trained = "_training" in vars(estimator)  # where it is not, the model was built by hand
    wanted = (*PUBLISHED, "n_features_in_") if trained else PUBLISHED
    missing = [name for name in wanted if name not in vars(estimator)]
    if len(missing) == len(PUBLISHED) and not trained:
        return False
    if missing:
        refuse(" and ".join(missing), "there in a fitted model", "nothing")
    for name in ("coefs_", "intercepts_"):
        if type(getattr(estimator, name)) not in (list, tuple) or not getattr(estimator, name):
            refuse(name, "a list of arrays", described(getattr(estimator, name)))
    for name in ("n_layers_", "n_outputs_", "n_features_in_"):
        check_typed(name, getattr(estimator, name, 1), int)
    check_weights(estimator)
    check_layers(estimator)
    if estimator.out_activation_ not in functions:
        refuse("out_activation_", f"one of {list(functions)}", described(estimator.out_activation_))
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        check_array("feature_names_in_", names, (estimator.n_features_in_,), kinds="OUT")
        check_that("feature_names_in_", names, "strings", lambda all_: [isinstance(name, str) for name in all_])
    return True


def check_classes(classes: Any, n_classes: int) -> None:
    """Refuse classes that are not so many different labels in their order."""
    if not isinstance(classes, np.ndarray) or classes.shape != (n_classes,):
        refuse("classes_", f"an array of {n_classes} labels, as n_outputs_ asks for", described(classes))
    if classes.dtype.kind in "cfmM":
        check_array("classes_", classes, kinds="femM", finite=classes.dtype.kind == "f")
    if n_classes > 1 and not (classes[:-1] < classes[1:]).all():
        refuse("classes_", "different labels in their order", plain(classes))


def check_binarizer(attributes: Mapping[str, Any], function: str, n_outputs: int) -> None:
    """Refuse what turns labels into targets of a classifier if it is not for its classes and its outputs."""
    binarizer: Any = attributes.get("_label_binarizer")
    classes: Any = attributes.get("classes_")
    kind = getattr(binarizer, "y_type_", None)
    if not isinstance(binarizer, LabelBinarizer) or not isinstance(kind, str) or FUNCTION_OF.get(kind) != function:
        refuse("_label_binarizer", f"of targets that {function!r} is for", repr(kind))
    labels = binarizer.neg_label, binarizer.pos_label, binarizer.sparse_output
    if labels != (0, 1, False) or type(getattr(binarizer, "sparse_input_", None)) is not bool:
        refuse("_label_binarizer", "one of zeros and ones", repr(binarizer))
    n_classes = n_outputs
    if kind == "binary":  # one output may be for one class alone
        n_classes = 1 if np.shape(classes) == (1,) else 2
    check_classes(classes, n_classes)
    if not np.array_equal(np.asarray(classes), getattr(binarizer, "classes_", ())):
        refuse("classes_", "those of _label_binarizer", plain(classes))


def check_training(training: Any, estimator: Any) -> None:
    """Refuse a state of training that does not belong to the published weights."""
    if type(training) is not Training:
        refuse("_training", "a Training", described(training))
    check_typed("_training", training, Training, WILD | NUMBERED)
    if training.is_hollow:
        return
    layers = training.layers  # others than those of the weights where units were cut or added since
    state, n = training.state, _network.n_parameters(Network(layers, ()))
    check_array("_training.state.params", state.params, (n,))
    for name in ("credit_mean", "credit_square"):
        check_array(f"_training.state.{name}", getattr(state, name), (n,), finite=False)
    check_that("_training.state.credit_square", state.credit_square, "zero or more", lambda value: ~(value < 0))
    check_that("_training.state.rate.rate", state.rate.rate, "above zero", lambda value: value > 0)
    critics = [(above, units) for units, above in pairwise(layers[1:])]
    for name, memory in (
        ("state", state.memory),
        ("state.anchor", () if state.anchor is None else state.anchor.memory),
    ):
        shapes = [critic.shape for critic in memory]
        if memory and shapes != critics:
            refuse(f"_training.{name}.memory", f"critics of shapes {critics}", shapes)
        if {array.dtype for array in memory} - {state.params.dtype}:
            refuse(f"_training.{name}.memory", f"of {state.params.dtype}", [str(array.dtype) for array in memory])
    if state.anchor is not None:
        check_array("_training.state.anchor.params", state.anchor.params, (n,))
        check_that("_training.state.anchor.update", state.anchor.update, "-1 or more", lambda value: value >= -1)
    check_units("_training.units", training.units, layers[-1])
    if training.recent is not None:
        check_array("_training.recent.target", training.recent.target, (None, layers[-1]))
        check_array("_training.recent.weight", training.recent.weight, (len(training.recent.target),))
        check_that("_training.recent.weight", training.recent.weight, "zero or more", lambda value: value >= 0)
    if training.signs is not None:
        check_array("_training.signs", training.signs, (n,), kinds="i")
    if training.signs is not None and layers == layers_of(estimator):
        params = _network.pack(estimator.coefs_, estimator.intercepts_)
        if (params * training.signs < 0).any():
            at = int(np.flatnonzero(params * training.signs < 0)[0])
            refuse("coefs_", "of the signs that monotonic_cst and dale asked for", f"{params[at]:.3g} in place {at}")


def check_units(name: str, units: Units, n_outputs: int) -> None:
    """Refuse units that nothing can be counted in."""
    n = n_outputs if units.offset is not None else 1
    for field in ("scale", "knee"):
        value = getattr(units, field)
        check_array(f"{name}.{field}", value, (n,))
        check_that(f"{name}.{field}", value, "above zero" if field == "scale" else "zero or more", _at_least(field))
    if units.offset is not None:
        check_array(f"{name}.offset", units.offset, (n,))
    check_array(f"{name}.varies", units.varies, (n,), kinds="b")
    if units.link not in ("identity", "exp"):
        refuse(f"{name}.link", "'identity' or 'exp'", described(units.link))


def _at_least(field: str) -> Any:
    return (lambda value: value > 0) if field == "scale" else (lambda value: value >= 0)


def check_experience(experience: Any, n_inputs: int, n_hidden: int, n_actions: int) -> None:
    """Refuse what no policy of so many inputs, hidden units and actions has lived through."""
    if type(experience) is not Experience or experience.units.offset is None:
        refuse("_experience", "an Experience", described(experience))
    check_typed("_experience", experience, Experience, UNKNOWN)
    check_units("_experience.units", experience.units, 1)
    check_array("_experience.recent.target", experience.recent.target, (None, 1))
    check_array("_experience.recent.weight", experience.recent.weight, (len(experience.recent.target),))
    check_that("_experience.recent.weight", experience.recent.weight, "zero or more", lambda value: value >= 0)
    counts, readout, d = experience.counts, experience.readout, n_features(n_inputs, n_hidden)
    check_array("_experience.counts", counts, (n_actions,))
    check_that("_experience.counts", counts, "counts", lambda value: (value >= 0) & (value == np.floor(value)))
    check_array("_experience.readout.inverse", readout.inverse, (n_actions, d, d))
    for name in ("moment", "total"):
        check_array(f"_experience.readout.{name}", getattr(readout, name), (n_actions, d))
    diagonal = _diagonal(readout.inverse)
    check_that("_experience.readout.inverse", diagonal, "positive definite", lambda value: value >= -ROUNDED)
    check_that("_experience.readout.inverse", diagonal.max(axis=1), "positive definite", lambda value: value > 0)
    if not np.allclose(readout.inverse, readout.inverse.swapaxes(1, 2), rtol=1e-3, atol=1e-6):
        refuse("_experience.readout.inverse", "symmetric", "another matrix")
    least, most = BOUNDS
    check_that("_experience.curiosity", experience.curiosity, f"in {BOUNDS}", lambda value: least <= value <= most)
    check_that("_experience.hidden_size", experience.hidden_size, "in (0, 1]", lambda value: 0 < value <= 1)
    for where, samples in (("memory.pieces", experience.memory.pieces), ("unread", experience.unread)):
        for number, sample in enumerate(samples):
            _check_sample(f"_experience.{where}[{number}]", sample, n_inputs, n_actions)


def _diagonal(matrices: Array) -> Array:
    return np.diagonal(matrices, axis1=1, axis2=2)


def _check_sample(name: str, sample: Any, n_inputs: int, n_actions: int) -> None:
    check_array(f"{name}.X", sample.X, (None, n_inputs))
    n = len(sample.X)
    check_array(f"{name}.y", sample.y, (n,), kinds="iu")
    check_that(f"{name}.y", sample.y, f"numbers of {n_actions} actions", lambda y: (y >= 0) & (y < n_actions))
    check_array(f"{name}.target", sample.target, (n, n_actions), finite=False)
    check_that(f"{name}.target", sample.target, "finite or nan", lambda value: ~np.isinf(value))
    if n and np.isnan(sample.target[np.arange(n), sample.y]).any():
        refuse(f"{name}.target", "known of the action that was taken", "nan")
    check_array(f"{name}.weight", sample.weight, (n,))
    check_that(f"{name}.weight", sample.weight, "above zero", lambda value: value > 0)
