"""Whether values that were loaded are such as a fit makes: types as annotated, finite numbers, shapes that agree.

A pickle or a skops file may hold anything. What is looked at here is looked at once, when it is loaded.
"""

from collections.abc import Callable, Collection, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Any, NoReturn, Union, get_args, get_origin, get_type_hints

import numpy as np

from skdopamine._estimator.validation import plain

PACKAGE = __name__.partition(".")[0]
ARRAYS = (np.ndarray, np.memmap)  # joblib maps large ones


def refuse(name: str, wanted: str, got: Any) -> NoReturn:
    """Raise the error of a value that is not what it must be."""
    raise ValueError(f"{name} must be {wanted}, got {got}. The model was changed by hand, or its file is damaged.")


def described(value: Any) -> str:
    """What messages show of a value."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    return repr(plain(value))[:100]


def check_array(
    name: str, value: Any, shape: Sequence[int | None] | None = None, *, kinds: str = "f", finite: bool = True
) -> None:
    """Refuse what is not an array of these kinds of numbers and of this shape, None for any length.

    Numbers of half precision are of the kind "e".
    """
    if type(value) not in ARRAYS or ("e" if value.dtype == np.float16 else value.dtype.kind) not in kinds:
        refuse(name, "an array of numbers", described(value))
    if shape is not None:
        fits = value.ndim == len(shape) and all(n in (None, own) for n, own in zip(shape, value.shape, strict=True))
        if not fits:
            wanted = ", ".join("n" if n is None else str(n) for n in shape)
            refuse(name, f"of shape ({wanted})", value.shape)
    if finite and value.dtype.kind == "f" and not np.isfinite(value).all():
        refuse(name, "finite", plain(value[~np.isfinite(value)][0]))


def check_that(name: str, value: Any, wanted: str, fits: Callable[[Any], Any]) -> None:
    """Refuse a value, or an array with values, that does not fit."""
    if not np.all(fits(value)):
        wrong = np.asarray(value)[~np.asarray(fits(value))] if np.ndim(value) else np.array([value])
        refuse(name, wanted, described(wrong[0]) if len(wrong) else described(value))


def check_typed(name: str, value: Any, kind: Any, loose: Collection[str] = ()) -> None:
    """Refuse values that are not of an annotated type, field by field, numbers that are not finite, negative counts.

    Fields in `loose`, named as ``Class.field``, may be infinite or nan, or negative if they are counts.
    """
    _check(name, value, kind, loose, False)


def _check(name: str, value: Any, kind: Any, loose: Collection[str], free: bool) -> None:
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return
    if origin in (Union, UnionType):
        if value is None and NoneType in parts:
            return
        kinds = [part for part in parts if part is not NoneType]
        _check(name, value, next((part for part in kinds if type(value) is part), kinds[0]), loose, free)
    elif origin is np.ndarray:
        check_array(name, value, kinds="fiubM" if free else "fiub", finite=not free)
    elif origin in (tuple, list):
        _check_entries(name, value, origin, parts, loose, free)
    elif kind in (bool, int, float, str):
        _check_number(name, value, kind, free)
    elif isinstance(kind, type) and issubclass(kind, tuple):
        if type(value) is not kind:
            refuse(name, f"a {kind.__name__}", described(value))
        _check_fields(name, value, loose)
    elif getattr(kind, "_is_protocol", False):
        if not (isinstance(value, tuple) and type(value).__module__.partition(".")[0] == PACKAGE):
            refuse(name, f"a {kind.__name__}", described(value))
        _check_fields(name, value, loose)


def _check_fields(name: str, value: Any, loose: Collection[str]) -> None:
    own: Any = type(value)
    for field, kind in _fields(own).items():
        _check(f"{name}.{field}", getattr(value, field), kind, loose, f"{type(value).__name__}.{field}" in loose)


@cache
def _fields(kind: Any) -> dict[str, Any]:
    """Names and types of the fields of a named tuple."""
    return get_type_hints(kind)


def _check_entries(
    name: str, value: Any, origin: Any, parts: tuple[Any, ...], loose: Collection[str], free: bool
) -> None:
    if type(value) is not origin:
        refuse(name, f"a {origin.__name__}", described(value))
    if parts == (float, ...) or parts == (float,):  # may be long
        numbers = np.asarray(value) if len(value) else np.zeros(0)
        if numbers.ndim != 1 or numbers.dtype.kind not in "fiu":
            refuse(name, "numbers", described(value))
        check_array(name, numbers, kinds="fiu", finite=not free)
        return
    kinds = [parts[0]] * len(value) if origin is list or parts[-1] is ... else list(parts)
    if len(kinds) != len(value):
        refuse(name, f"{len(kinds)} values", len(value))
    for number, (entry, kind) in enumerate(zip(value, kinds, strict=True)):
        _check(f"{name}[{number}]", entry, kind, loose, free)


def _check_number(name: str, value: Any, kind: type, free: bool) -> None:
    """A number or a string of its type; a whole number is a float, too, and truth is no number."""
    truth = isinstance(value, bool | np.bool_)
    if kind is bool or kind is str:
        if not (truth if kind is bool else isinstance(value, str)):
            refuse(name, f"a {kind.__name__}", described(value))
        return
    whole = isinstance(value, int | np.integer)
    if truth or not (whole or (kind is float and isinstance(value, float | np.floating))):
        refuse(name, "a whole number" if kind is int else "a number", described(value))
    if not free and not np.isfinite(value):
        refuse(name, "finite", described(value))
    if not free and kind is int and value < 0:
        refuse(name, "zero or more", described(value))
