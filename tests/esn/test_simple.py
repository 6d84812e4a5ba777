"""Differences, and the rows that they add up to."""

import numpy as np
import pytest

from skdopamine._esn.simple import Simple

ROWS = np.random.default_rng(0).standard_normal((31, 2))


@pytest.mark.parametrize("lag", [0, 1, 2, 7, 30])
def test_differences_add_up_to_the_rows(lag):
    base = Simple(lag)
    left = base.left(ROWS)
    assert len(left) == len(ROWS) - lag
    np.testing.assert_allclose(base.added(left, ROWS[:lag]), ROWS[lag:], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_the_errors_of_differences_add_up_to_those_of_rows(lag):
    base, wrong = Simple(lag), np.random.default_rng(1).standard_normal((4, 10, 2))
    truth, path = base.added(0 * wrong), base.added(wrong)
    np.testing.assert_array_equal(truth, 0)
    for t in range(10):
        before = path[:, t - lag] if 0 < lag <= t else 0.0
        np.testing.assert_allclose(path[:, t], wrong[:, t] + before, rtol=1e-12)


@pytest.mark.parametrize("lag", [0, 1, 3])
@pytest.mark.parametrize("given", [True, False], ids=["given", "next rows"])
def test_targets_are_the_next_differences(lag, given):
    base = Simple(lag)
    rows, target = (ROWS[:-1], np.column_stack([ROWS[1:], ROWS[1:, :1]])) if given else (ROWS, ROWS[1:])
    found = base.left_of_targets(rows, target)
    expected = base.left(ROWS)[1:]
    np.testing.assert_allclose(found[:, :2], expected, rtol=1e-12)
    np.testing.assert_array_equal(found[:, 2:], target[lag:, 2:])  # no rows of the series: as they are
    np.testing.assert_array_equal(target[:, :2], ROWS[1:])


def test_each_has_a_name():
    assert [Simple(0, last).name() for last in (False, True)] == ["mean", "last value"]
    assert Simple(1).name() == "drift"
    assert [Simple(12, last).name() for last in (False, True)] == ["seasonal naive", "seasonal naive and last change"]
