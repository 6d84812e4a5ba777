"""Warnings of undefined metrics are muted in one thread, and the filters of the process end as they were."""

import threading
import warnings

import pytest
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import precision_score

from skdopamine._objectives.muted import FILTER, muted


def undefined():
    return precision_score([0, 1], [0, 0])


def test_only_the_one_warning_is_muted():
    with pytest.raises(UndefinedMetricWarning):
        undefined()
    assert muted(undefined) == 0
    assert muted(lambda: muted(undefined) + undefined()) == 0
    with pytest.raises(UserWarning, match="another"):
        muted(lambda: warnings.warn("another", UserWarning, stacklevel=1))
    with pytest.raises(UndefinedMetricWarning):
        undefined()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_filters_are_as_they_were_after_an_error(error):
    def fail():
        raise error

    filters, before = warnings.filters, list(warnings.filters)
    with pytest.raises(error):
        muted(fail)
    assert warnings.filters is filters
    assert filters == before


def test_another_thread_is_not_muted():
    caught = []

    def elsewhere():
        try:
            undefined()
        except UndefinedMetricWarning as warning:
            caught.append(warning)

    def run():
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

    muted(run)
    assert len(caught) == 1


@pytest.mark.parametrize("inner", ["muted", "catch_warnings"])
def test_threads_may_leave_in_any_order(inner):
    """A thread enters before, and leaves before, another one: the nesting that `catch_warnings` cannot bear."""
    filters, before = warnings.filters, list(warnings.filters)
    entered, left = threading.Event(), threading.Event()

    def first():
        entered.set()
        assert left.wait(10)

    thread = threading.Thread(target=muted, args=(first,))
    thread.start()
    assert entered.wait(10)

    def second():
        left.set()
        thread.join()
        return undefined()

    if inner == "muted":
        assert muted(second) == 0
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            second()
    assert warnings.filters is filters
    assert filters == before


def test_filters_that_were_emptied_meanwhile_stay_so():
    with warnings.catch_warnings():
        muted(warnings.resetwarnings)
        assert warnings.filters == []
        warnings.simplefilter("error")
        muted(lambda: None)
        assert FILTER not in warnings.filters
