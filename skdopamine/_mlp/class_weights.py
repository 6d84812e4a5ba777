"""What `class_weight` makes of the weight of each row."""

from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from skdopamine._estimator.validation import plain
from skdopamine._typing import Array


def row_factors(class_weight: Any, numbers: Array, classes: Array, weight: Array | None) -> Array:
    """Factor (n,) of the weight of each row, of class numbers (n,) or of an indicator of labels (n, labels)."""
    if numbers.ndim == 1:
        if class_weight == "balanced":  # classes without a row have no part in it
            present, compact = np.unique(numbers, return_inverse=True)
            return np.asarray(
                compute_class_weight("balanced", classes=present, y=numbers, sample_weight=weight)[compact]
            )
        if not isinstance(class_weight, dict):
            raise ValueError(f"class_weight must be a dict or 'balanced' for this y, got {plain(class_weight)!r}.")
        return _of_classes(class_weight, classes)[numbers]
    if class_weight == "balanced":
        return np.asarray(compute_sample_weight("balanced", numbers))
    n_labels = numbers.shape[1]
    is_list = isinstance(class_weight, list) and all(isinstance(entry, dict) for entry in class_weight)
    if not is_list or len(class_weight) != n_labels:
        raise ValueError(
            f"class_weight must be a list of {n_labels} dicts, one for each label of y, or 'balanced', got "
            f"{plain(class_weight)!r}."
        )
    factors = np.ones(len(numbers))
    for given, column in zip(class_weight, numbers.T, strict=True):
        factors *= _of_classes(given, np.arange(2))[column]
    return factors


def _of_classes(given: dict[Any, Any], classes: Array) -> Array:
    """Weight of each class, 1 for those that are not named."""
    names = classes.tolist()
    strange = [name for name in given if name not in names]
    if strange and not all(name in given for name in names):
        raise ValueError(f"class_weight has classes {plain(strange)} that are not among those of y, {names}.")
    weights = [float(value) if isinstance(value, Real) else np.nan for value in given.values()]
    if not all(value > 0 for value in weights):
        raise ValueError(f"class_weight must be above zero for each class, got {plain(given)!r}.")
    if not np.isfinite(weights).all():
        raise ValueError(f"class_weight must be finite for each class, got {plain(given)!r}.")
    return np.array([float(given.get(name, 1.0)) for name in names])
