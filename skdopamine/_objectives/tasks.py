"""How a user sees the targets and outputs of a task."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from skdopamine._typing import Array


class View(NamedTuple):
    """How a user sees targets and outputs."""

    task: str  # "binary", "multiclass", "multilabel" or "regression"
    classes: Array | None
    # outputs (..., n, outputs), and targets of regression, to probabilities or values in the user's units
    publish: Callable[[Array], Array]

    @property
    def positive(self) -> int:
        """Number of the positive one of two classes: of the label 1, as for scikit-learn's scorers, or else 1."""
        return 0 if self.classes is not None and self.classes[0] == 1 else 1

    def labels(self, output: Array) -> Array:
        """Predicted class numbers (..., n), or an indicator of labels (..., n, labels)."""
        if self.task == "multiclass":
            return np.asarray(output.argmax(axis=-1))
        chosen = (output > 0).astype(np.intp)
        return chosen[..., 0] if self.task == "binary" else chosen

    def probabilities(self, output: Array) -> Array:
        """Class probabilities (..., n, classes)."""
        p = self.publish(output.astype(np.float64, copy=False))
        return np.concatenate([1 - p, p], axis=-1) if self.task == "binary" else p

    def values(self, output: Array) -> Array:
        """Predicted values (..., n) or (..., n, outputs)."""
        value = self.publish(output.astype(np.float64, copy=False))
        return value[..., 0] if value.shape[-1] == 1 else value

    def response(self, kind: str, output: Array) -> Array:
        """What a metric of this kind is computed from."""
        if kind == "score":
            return output[..., 0] if self.task == "binary" else output
        return {"labels": self.labels, "probability": self.probabilities, "value": self.values}[kind](output)

    def numbers(self, target: Array) -> Array:
        """Targets as metrics take them: class numbers, indicators or values."""
        if self.task == "multiclass":
            return np.asarray(target.argmax(axis=-1))
        if self.task == "regression":
            target = self.publish(target.astype(np.float64))
            return target[..., 0] if target.shape[-1] == 1 else target
        return np.asarray(target[..., 0] if self.task == "binary" else target).astype(np.intp)

    def right(self, output: Array, target: Array) -> Array:
        """Whether each row (..., n) has its class, or which share of its labels."""
        same = self.labels(output) == self.numbers(target)
        return np.asarray(same.mean(axis=-1) if self.task == "multilabel" else same, dtype=np.float64)

    def truth(self, target: Array) -> Array:
        """Targets as the user gave them."""
        numbers = self.numbers(target)
        return numbers if self.classes is None or self.task == "multilabel" else self.classes[numbers]
