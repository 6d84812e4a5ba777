"""The converter for skl2onnx: a fitted network as nodes of ONNX. Only an export imports this file.

skl2onnx looks estimators up in a table of types. It asks one that is not there for its `onnx_parser`, and that is when
the type goes into the table. What wraps other estimators looks them up without asking, hence the public `register`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx import update_registered_converter
from skl2onnx._parse import _parse_sklearn
from skl2onnx._supported_operators import sklearn_operator_name_map
from skl2onnx.algebra import onnx_ops
from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)
from skl2onnx.common.utils_classifier import get_label_classes
from sklearn.base import ClassifierMixin

from skdopamine._mlp.activations import ACTIVATIONS, LEAKY_SLOPE, same_activations
from skdopamine._typing import Array

# of MLPClassifier's converter, too
OPTIONS = {"zipmap": [True, False, "columns"], "output_class_labels": [False, True], "nocl": [True, False]}
NODES = {"identity": "Identity", "logistic": "Sigmoid", "tanh": "Tanh", "relu": "Relu"}  # activations that ONNX has


def register(estimator: type) -> None:
    """Put a class of networks into the table of skl2onnx."""
    classifies = issubclass(estimator, ClassifierMixin)
    update_registered_converter(
        estimator,
        f"{estimator.__module__}.{estimator.__qualname__}",
        _classifier_shapes if classifies else _regressor_shapes,
        _convert_classifier if classifies else _convert_regressor,
        options=OPTIONS if classifies else None,
    )


def parser(model: Any) -> Callable[..., Any] | None:
    """How skl2onnx is to begin with a model; None where it knows its type, and so how to begin."""
    if type(model) in sklearn_operator_name_map:
        return None

    def parse(scope: Any, inputs: Any) -> Any:
        register(type(model))
        name, unknown = list(scope.operators.items())[-1]  # skl2onnx has just begun it as one of an unknown type
        del scope.operators[name]
        list.extend(unknown.outputs, _parse_sklearn(scope, model, inputs))  # variables that have an operator already
        return []  # no more outputs

    return parse


# ---- shapes of what comes out ----------------------------------------------------------------------------------------


def _classifier_shapes(operator: Any) -> None:
    calculate_linear_classifier_output_shapes(operator)
    if _several(operator.raw_operator):
        n_rows = operator.inputs[0].get_first_dimension()
        operator.outputs[0].set_type(Int64TensorType([n_rows, operator.raw_operator.n_outputs_]))


def _regressor_shapes(operator: Any) -> None:
    calculate_linear_regressor_output_shapes(operator)
    operator.outputs[0].type.shape = [operator.inputs[0].get_first_dimension(), operator.raw_operator.n_outputs_]


def _several(model: Any) -> bool:
    """Whether a row can have several labels at once."""
    return bool(model._label_binarizer.y_type_.startswith("multilabel"))


# ---- nodes -----------------------------------------------------------------------------------------------------------


class _Graph:
    """Where the nodes of one network are written: ``graph.Add(a, b)`` is one, ``graph.write`` the last of them."""

    def __init__(self, scope: Any, operator: Any, container: Any) -> None:
        self.scope, self.container, self.version = scope, container, container.target_opset
        self.double = isinstance(operator.inputs[0].type, DoubleTensorType)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        make = getattr(onnx_ops, f"Onnx{name}")
        return lambda *inputs, **attributes: make(*inputs, op_version=self.version, **attributes)

    def real(self, values: Any) -> Array:
        return np.atleast_1d(values).astype(np.float64 if self.double else np.float32)

    def as_real(self, node: Any) -> Any:
        return self.Cast(node, to=TensorProto.DOUBLE if self.double else TensorProto.FLOAT)

    def write(self, node: Any, output: Any) -> None:
        self.Identity(node, output_names=[output]).add_to(self.scope, self.container)


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    model, graph = operator.raw_operator, _Graph(scope, operator, container)
    output = _outputs(graph, model, operator.inputs[0])
    if model.out_activation_ == "softmax" or len(model.classes_) == 1:  # an only class has the probability one
        chances = graph.Softmax(output, axis=1)
    else:
        chances = graph.Sigmoid(output)
    if _several(model):
        labels = graph.Cast(graph.Greater(chances, graph.real(0.5)), to=TensorProto.INT64)
    else:
        if len(model.classes_) == 2:
            chances = graph.Concat(graph.Sub(graph.real(1), chances), chances, axis=1)
        labels = graph.Gather(_classes(scope, model), graph.ArgMax(chances, axis=1, keepdims=0))
    for node, result in zip((labels, chances), operator.outputs, strict=True):
        graph.write(node, result)


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    model, graph = operator.raw_operator, _Graph(scope, operator, container)
    output = _outputs(graph, model, operator.inputs[0])
    graph.write(graph.Exp(output) if model.out_activation_ == "exp" else output, operator.outputs[0])


def _classes(scope: Any, model: Any) -> Array:
    """Labels as ONNX has them: strings, or integers."""
    classes = np.asarray(get_label_classes(scope, model))
    if classes.dtype.kind not in "biuf":
        return classes.astype(str)
    labels = classes.astype(np.int64)
    if not np.array_equal(labels, classes):
        raise ValueError(f"ONNX has no labels but strings and integers, got classes {classes.tolist()}.")
    return labels


def _outputs(graph: _Graph, model: Any, rows: Any) -> Any:
    """Outputs (n, outputs) of the network, before their function."""
    names = [*_names(model.activation, model.n_layers_ - 2), "identity"]
    signal = graph.as_real(rows)
    for name, coef, intercept in zip(names, model.coefs_, model.intercepts_, strict=True):
        z = graph.Add(graph.MatMul(signal, graph.real(coef)), graph.real(intercept))
        signal = _activated(graph, name, z)
    return signal


def _activated(graph: _Graph, name: str, z: Any) -> Any:
    if name in NODES:
        return getattr(graph, NODES[name])(z)
    if name == "leaky_relu":
        return graph.Max(z, graph.Mul(z, graph.real(LEAKY_SLOPE)))
    step = graph.as_real(graph.Greater(z, graph.real(0)))
    return step if name == "step" else graph.Sub(graph.Add(step, step), graph.real(1))


def _names(specification: Any, n_hidden: int) -> list[str]:
    """Names of the activations of the hidden layers; a callable has the name of the one with the same values."""
    entries = specification if isinstance(specification, list | tuple) else [specification] * n_hidden
    names = []
    for entry in entries:
        name = next((name for name in ACTIVATIONS if same_activations(entry, name, 1)), None)
        if name is None:
            raise ValueError(
                f"activation={entry!r} cannot be converted to ONNX, nor by to_sklearn: only {sorted(ACTIVATIONS)} can, "
                "and callables with the values of one of them."
            )
        names.append(name)
    return names
