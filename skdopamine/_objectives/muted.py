"""Calls without scikit-learn's warning that a metric is not defined, in one thread and no other.

`warnings.catch_warnings` replaces the filters of the whole process, and threads that end in another order than they
began leave them changed. Here every call adds one filter to the list, in place, and takes one off again, so that the
order does not matter; the filter matches in threads that are inside such a call alone.
"""

import threading
import warnings
from collections.abc import Callable
from typing import Any

from sklearn.exceptions import UndefinedMetricWarning


class _Here(threading.local):
    muted = False


_here = _Here()


class _OfMutedThreads(type):
    def __subclasscheck__(cls, category: type) -> bool:
        return _here.muted and issubclass(category, UndefinedMetricWarning)


class UndefinedHere(Warning, metaclass=_OfMutedThreads):
    """What a filter takes for a base of the warning, in threads that are muted."""


FILTER: tuple[Any, ...] = ("ignore", None, UndefinedHere, None, 0)  # as `warnings.simplefilter` writes it


def muted(call: Callable[[], Any]) -> Any:
    """The result of a call, without warnings of metrics that are not defined."""
    filters: Any = warnings.filters  # this list, even if another thread replaces it
    before = _here.muted
    try:
        _here.muted = True
        filters.insert(0, FILTER)
        return call()
    finally:
        _here.muted = before
        try:  # noqa: SIM105 (no call before the next one, where an interrupt could come between)
            filters.remove(FILTER)
        except ValueError:  # somebody has emptied the list
            pass
