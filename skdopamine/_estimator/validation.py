"""Checks of user input, and the one place that touches what scikit-learn keeps private."""

import copy
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import _fit_context
from sklearn.utils._array_api import _convert_to_numpy, get_namespace
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions
from sklearn.utils.validation import _check_monotonic_cst, _get_feature_names, check_array

from skdopamine._estimator.caller import users_level
from skdopamine._typing import Array

__all__ = [
    "COMMON_CONSTRAINTS",
    "check_in_memory",
    "check_labels",
    "check_monotonic_cst",
    "check_numbers",
    "check_sample_weight",
    "check_vector",
    "count",
    "fit_context",
    "has_methods",
    "integer",
    "namespace_of",
    "non_negative",
    "number",
    "on_cpu",
    "one_of",
    "plain",
    "positive",
    "restored_on_error",
    "share",
    "with_names_of",
]


MOST = 1e100  # of any number: its square is a number still, in float64
MOST_COUNT = 2**63 - 1
MOST_PERTURBATIONS = 10**5


class _Numbers(Interval):
    """An interval of numbers that are compared as floats: float32 has no 1e100, and a float no 10**400."""

    def __contains__(self, value: Any) -> bool:
        try:
            return bool(super().__contains__(float(value)))
        except OverflowError:
            return False


def number(low: float, high: float, *, closed: str) -> Interval:
    """Constraint: a number of an interval, with those of its ends that `closed` names."""
    return _Numbers(Real, low, high, closed=closed)


def integer(low: int | None = None, high: int | None = None) -> Interval:
    """Constraint: an integer, from `low` to `high`."""
    return Interval(Integral, low, high, closed="right" if low is None else "left" if high is None else "both")


def non_negative() -> Interval:
    """Constraint: a number of zero or more."""
    return number(0, MOST, closed="both")


def positive() -> Interval:
    """Constraint: a number above zero."""
    return number(0, MOST, closed="right")


def share() -> Interval:
    """Constraint: a number between 0 and 1."""
    return number(0, 1, closed="neither")


def count(most: int = MOST_COUNT) -> Interval:
    """Constraint: a positive integer; `most` where each one costs time or memory."""
    return integer(1, most)


def one_of(*values: str) -> StrOptions:
    """Constraint: one of these strings."""
    return StrOptions(set(values))


def has_methods(*names: str) -> HasMethods:
    """Constraint: an object with these methods."""
    return HasMethods(list(names))


COMMON_CONSTRAINTS: dict[str, list[Any]] = {  # of the parameters that both families have
    "perturbation_scale": [one_of("auto"), number(1e-8, 100, closed="both")],
    "n_perturbations": [one_of("auto"), count(MOST_PERTURBATIONS)],
    "learning_rate": [one_of("dopamine", "constant", "invscaling")],
    "power_t": [non_negative()],
    "momentum": [number(0, 1, closed="left")],
    "max_iter": [count()],
    "validation_fraction": [share()],
    "tol": [non_negative()],
    "n_iter_no_change": [count(), Options(Real, {np.inf})],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


def fit_context(method: Callable[..., Any]) -> Callable[..., Any]:
    """Validate constructor parameters first, as every scikit-learn estimator does."""
    decorated: Callable[..., Any] = _fit_context(prefer_skip_nested_validation=True)(method)
    return decorated


def check_in_memory(**arguments: Any) -> None:
    """Refuse collections of Dask, each of which scikit-learn would read as a whole without a word."""
    for name, values in arguments.items():
        graph = getattr(values, "__dask_graph__", None)
        if callable(graph) and graph() is not None:
            raise TypeError(
                f"{name} must be held in memory, got a Dask {type(values).__name__}, which would be read as a whole. "
                f"Pass {name}.compute() if it fits. Else let partial_fit take one partition at a time, and map_blocks "
                "or map_partitions predict: see 'Data that do not fit in memory' in the user guide."
            )


def check_numbers(y: Any) -> None:
    """Refuse targets of regression that are no numbers, such as strings, which would be read as what they spell."""
    if sparse.issparse(y):
        raise TypeError("Sparse data was passed for y, but dense data is required: pass y.toarray().")
    values = np.asarray(y, dtype=None if hasattr(y, "__array__") else object).ravel()
    strange: Any = values if values.dtype.kind not in "biufcO" else []
    if values.dtype.kind == "O":
        strange = [value for value in values if isinstance(value, str | bytes)]
    if len(strange):
        got = str(strange[0]) if values.dtype.kind in "mM" else repr(plain(strange[0]))
        raise ValueError(f"y must be numbers, got {got}.")


def check_labels(classes: Any) -> Array:
    """The classes that partial_fit is given, as an array; they may come as a set."""
    try:
        labels = np.asarray(list(classes) if isinstance(classes, set | frozenset) else classes)
        one_kind = labels.ndim == 1 and len(np.unique(labels)) > 0
    except (TypeError, ValueError):  # labels that cannot be sorted, rows of different length
        one_kind = False
    if not one_kind:
        raise ValueError(f"classes must be labels of one kind, one or more, got {plain(classes)!r}.")
    return labels


def check_monotonic_cst(estimator: Any, constraints: Any) -> npt.NDArray[np.int8] | None:
    """Constraints -1, 0 or 1 (n_features,) of the features that the estimator has seen; None where all are free."""
    if constraints is None:
        return None
    try:
        signs = np.asarray(_check_monotonic_cst(estimator, constraints))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"monotonic_cst must be -1, 0 or 1 for each feature, got {plain(constraints)!r}: {error}"
        ) from error
    return signs.astype(np.int8) if signs.any() else None


def namespace_of(value: Any) -> Any:
    """The library of an array that is none of numpy, where scikit-learn's dispatch is on; None for all else."""
    if isinstance(value, np.ndarray) or not hasattr(type(value), "__dlpack__") or not hasattr(value, "device"):
        return None  # a column of pyarrow has no device
    return get_namespace(value)[0]


def on_cpu(array: Any, library: Any) -> Array:
    """An array of this library as one of numpy."""
    detached = array.detach() if hasattr(array, "detach") else array  # torch keeps how some were computed
    return np.asarray(_convert_to_numpy(detached, library))


def check_vector(values: Any, name: str, n_rows: int) -> Array:
    """Finite numbers (n_rows,) under the name that they have as an argument."""
    if np.asarray(values).dtype.kind in "USc" or isinstance(values, str):
        raise ValueError(f"{name} must be numbers, got {plain(np.asarray(values).ravel()[:1])}.")
    if np.ndim(values) == 0:
        raise ValueError(f"{name} must have one entry per row of X: shape ({n_rows},), got {plain(values)!r}.")
    try:
        vector = np.asarray(check_array(values, ensure_2d=False, dtype=np.float64, input_name=name), dtype=np.float64)
    except OverflowError as error:  # a whole number without end
        raise ValueError(f"{name} must be finite, got a number too large for float64.") from error
    if vector.shape != (n_rows,):
        raise ValueError(f"{name} must have one entry per row of X: shape ({n_rows},), got {vector.shape}.")
    return vector


def plain(value: Any) -> Any:
    """The value without the types of numpy, as messages show it."""
    value = getattr(value, "tolist", lambda: value)()
    if type(value) is dict:
        return {plain(key): plain(entry) for key, entry in value.items()}
    return type(value)(map(plain, value)) if type(value) in (list, tuple) else value


def check_sample_weight(sample_weight: Any, n_rows: int) -> Array | None:
    """Weights (n_rows,), non-negative, finite and not all zero; None stays None."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, str):
        raise ValueError(f"sample_weight must be numbers, got {sample_weight!r}.")
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n_rows, sample_weight)
    try:
        weight = np.asarray(
            check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"), dtype=np.float64
        )
    except OverflowError as error:  # a whole number without end
        raise ValueError("sample_weight must be finite, got a number too large for float64.") from error
    if weight.ndim != 1:
        raise ValueError(f"sample_weight must be a 1D array or scalar, got an array of shape {weight.shape}.")
    if len(weight) != n_rows:
        raise ValueError(
            f"sample_weight must have one entry per row of X: shape ({n_rows},) is expected, got {weight.shape}."
        )
    if (weight < 0).any():
        raise ValueError(f"sample_weight must not be negative, got a minimum of {weight.min()}.")
    if not (weight > 0).any():
        raise ValueError("sample_weight must have at least one entry above zero, got weights that are all zero.")
    with np.errstate(over="ignore"):
        total = weight.sum()
    if not np.isfinite(total):
        raise ValueError(f"sample_weight must have a finite sum, got a maximum of {weight.max()}.")
    return weight


@contextmanager
def named(**names: str) -> Iterator[None]:
    """Let errors about these arguments name the ones that the user has given."""
    try:
        yield
    except (ValueError, TypeError) as error:
        pattern = rf"\b({'|'.join(names)})\b"
        raise type(error)(re.sub(pattern, lambda found: names[found[0]], str(error))) from error


def with_names_of(estimator: Any, X: Any, argument: str) -> Any:
    """An estimator that takes X with or without feature names; warn of this argument where those of `fit` differ."""
    names, known = _get_feature_names(X), getattr(estimator, "feature_names_in_", None)
    if (names is None) == (known is None):
        return estimator
    told = "does not have valid feature names" if names is None else "has feature names"
    fitted = f"{type(estimator).__name__} was fitted {'with' if names is None else 'without'} feature names"
    warnings.warn(f"{argument} {told}, but {fitted}", UserWarning, stacklevel=users_level())
    candidate = copy.copy(estimator)
    candidate.__dict__.pop("feature_names_in_", None)
    if names is not None:
        candidate.feature_names_in_ = names
    return candidate


@contextmanager
def restored_on_error(estimator: Any) -> Iterator[None]:
    """Leave the estimator as it was when the block raises."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
