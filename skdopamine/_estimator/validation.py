"""Checks of user input, and the one place that touches what scikit-learn keeps private."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions
from sklearn.utils.validation import check_array

from skdopamine._typing import Array

__all__ = [
    "COMMON_CONSTRAINTS",
    "check_sample_weight",
    "count",
    "fit_context",
    "has_methods",
    "number",
    "one_of",
    "positive",
    "restored_on_error",
    "share",
]


def number(low: float | None = None, high: float | None = None, *, closed: str, of: type = Real) -> Interval:
    """Constraint: a number of an interval, with those of its ends that `closed` names."""
    return Interval(of, low, high, closed=closed)


def positive() -> Interval:
    """Constraint: a number above zero."""
    return number(0, closed="neither")


def share() -> Interval:
    """Constraint: a number between 0 and 1."""
    return number(0, 1, closed="neither")


def count() -> Interval:
    """Constraint: a positive integer."""
    return number(1, closed="left", of=Integral)


def one_of(*values: str) -> StrOptions:
    """Constraint: one of these strings."""
    return StrOptions(set(values))


def has_methods(*names: str) -> HasMethods:
    """Constraint: an object with these methods."""
    return HasMethods(list(names))


COMMON_CONSTRAINTS: dict[str, list[Any]] = {  # of the parameters that both families have
    "perturbation_scale": [one_of("auto"), number(1e-8, 100, closed="both")],
    "n_perturbations": [one_of("auto"), count()],
    "learning_rate": [one_of("dopamine", "constant", "invscaling")],
    "power_t": [number(0, closed="left")],
    "momentum": [number(0, 1, closed="left")],
    "max_iter": [count()],
    "validation_fraction": [share()],
    "tol": [number(0, closed="left")],
    "n_iter_no_change": [count(), Options(Real, {np.inf})],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


def fit_context(method: Callable[..., Any]) -> Callable[..., Any]:
    """Validate constructor parameters first, as every scikit-learn estimator does."""
    decorated: Callable[..., Any] = _fit_context(prefer_skip_nested_validation=True)(method)
    return decorated


def check_sample_weight(sample_weight: Any, n_rows: int) -> Array | None:
    """Weights (n_rows,), non-negative, finite and not all zero; None stays None."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, str):
        raise ValueError(f"sample_weight must be numbers, got {sample_weight!r}.")
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n_rows, sample_weight)
    weight = np.asarray(
        check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"), dtype=np.float64
    )
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
    if not np.isfinite(weight.sum()):
        raise ValueError(f"sample_weight must have a finite sum, got a maximum of {weight.max()}.")
    return weight


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
