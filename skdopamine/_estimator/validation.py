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
    "ESN_CONSTRAINTS",
    "check_hidden_layer_sizes",
    "check_sample_weight",
    "fit_context",
    "one_of",
    "restored_on_error",
    "share",
]


def _positive() -> Interval:
    return Interval(Real, 0, None, closed="neither")


def _count() -> Interval:
    return Interval(Integral, 1, None, closed="left")


COMMON_CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", _count()],
    "perturbation_scale": [StrOptions({"auto"}), Interval(Real, 1e-8, 100, closed="both")],
    "n_perturbations": [StrOptions({"auto"}), _count()],
    "learning_rate": [StrOptions({"dopamine", "constant", "invscaling"})],
    "learning_rate_init": [_positive()],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "momentum": [Interval(Real, 0, 1, closed="left")],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), _count()],
    "max_iter": [_count()],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [_count(), Options(Real, {np.inf})],
    "scoring": [str, callable, None],
    "init": [HasMethods(["fit", "predict"]), None],
    "n_jobs": [Interval(Integral, 1, None, closed="left"), Interval(Integral, None, -1, closed="right"), None],
}


ESN_CONSTRAINTS: dict[str, list[Any]] = {
    **{
        name: COMMON_CONSTRAINTS[name]
        for name in (
            "perturbation_scale",
            "n_perturbations",
            "learning_rate",
            "power_t",
            "momentum",
            "max_iter",
            "tol",
            "n_iter_no_change",
            "validation_fraction",
            "random_state",
            "verbose",
        )
    },
    "n_units": [_count()],
    "n_channels": [_count()],
    "stateful": ["boolean"],
    "horizon": [StrOptions({"auto"}), _count()],
    "spectral_radius": [Interval(Real, 0, None, closed="left")],
    "leak_rate": [Interval(Real, 0, 1, closed="right")],
    "input_scaling": [Interval(Real, 0, None, closed="left")],
    "bias_scaling": [Interval(Real, 0, None, closed="left")],
    "ridge": [_positive()],
    "lag_ridge": [_positive()],
    "readout_lags": [StrOptions({"auto"}), _count()],
    "reservoir_connectivity": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="right")],
    "state_noise": [Interval(Real, 0, None, closed="left")],
    "washout": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
    "trainable": [str, list, tuple],
    "loss": [str, callable],
    "quantile": [Interval(Real, 0, 1, closed="neither")],
    "learning_rate_init": [StrOptions({"auto"}), _positive()],
}


def share() -> Interval:
    """Constraint: a number between 0 and 1."""
    return Interval(Real, 0, 1, closed="neither")


def one_of(*values: str) -> StrOptions:
    """Constraint: one of these strings."""
    return StrOptions(set(values))


def fit_context(method: Callable[..., Any]) -> Callable[..., Any]:
    """Validate constructor parameters first, as every scikit-learn estimator does."""
    decorated: Callable[..., Any] = _fit_context(prefer_skip_nested_validation=True)(method)
    return decorated


def check_hidden_layer_sizes(value: Any) -> tuple[int, ...]:
    """Hidden layer sizes as a tuple of positive integers; an int means one layer."""
    sizes = [value] if isinstance(value, Integral) else list(value)
    if not all(isinstance(size, int | np.integer) and type(size) is not bool and size > 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be a positive integer or a sequence of them, got {value!r}.")
    return tuple(int(size) for size in sizes)


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
