"""Arrays of other libraries, where scikit-learn's dispatch is on: numpy inside, and the same kind outside.

Each public method is a border. What comes in is turned to numpy on the CPU; what goes out is turned to the library and
to the device of X. Nothing between knows of it.
"""

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, NamedTuple

import numpy as np
from sklearn import config_context, get_config

from skdopamine._estimator.validation import namespace_of, on_cpu


class Kind(NamedTuple):
    """Library and device of an array."""

    library: Any  # a namespace of the array API
    device: Any

    def made_of(self, value: Any) -> Any:
        """The same value, or values, in arrays of this kind; labels that are no numbers stay as they are."""
        if isinstance(value, list | dict) and type(value) in (list, dict):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            made = {key: self.made_of(entry) for key, entry in items}
            return made if isinstance(value, dict) else list(made.values())
        if type(value) is tuple:
            return tuple(self.made_of(entry) for entry in value)
        if type(value) is not np.ndarray or value.dtype.kind not in "fiub":
            return value
        if not hasattr(self.library, value.dtype.name):  # such as labels in half precision
            value = value.astype(np.float64)
        if value.dtype == np.float64 and not self.has_float64():
            value = value.astype(np.float32)
        value = value.astype(value.dtype.newbyteorder("="), copy=False)
        return self.library.asarray(np.ascontiguousarray(value), device=self.device)

    def has_float64(self) -> bool:
        """Whether the device has numbers of this type; some graphics processors have not."""
        try:
            self.library.zeros(1, dtype=self.library.float64, device=self.device)
        except (TypeError, ValueError, RuntimeError):
            return False
        return True


def kind_of(value: Any) -> Kind | None:
    """The kind of an array of another library, or of the arrays in a list or dict; None for all else."""
    if type(value) in (list, tuple, dict):
        entries = value.values() if isinstance(value, dict) else value
        first = next(iter(entries), None)
        if type(first) in (list, tuple, dict):  # rows of numbers are not looked through, one by one
            return kind_of(first)
        return next((kind for entry in entries if (kind := kind_of(entry)) is not None), None)
    library = namespace_of(value)
    return None if library is None else Kind(library, value.device)


def as_numpy(value: Any) -> Any:
    """The same value in arrays of numpy."""
    kind = kind_of(value)
    if kind is None:
        return value
    if type(value) is dict:
        return {key: as_numpy(entry) for key, entry in value.items()}
    if type(value) in (list, tuple):
        return type(value)(as_numpy(entry) for entry in value)
    return on_cpu(value, kind.library)


def takes_arrays(method: Callable[..., Any]) -> Callable[..., Any]:
    """Let a public method take arrays of other libraries, and give back arrays of the kind that X is."""
    names = signature(method)

    @wraps(method)
    def bordered(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not get_config()["array_api_dispatch"]:
            return method(self, *args, **kwargs)
        given = names.bind(self, *args, **kwargs).arguments
        own = given.pop("self")
        X = given.get("X")
        kind = kind_of(given.get("exog") if X is None else X)
        inside = {name: as_numpy(value) for name, value in given.items()}
        with config_context(array_api_dispatch=False):
            result = method(own, **inside)
        return result if kind is None or result is self else kind.made_of(result)

    return bordered
