"""Errors of closed loops, and the widths that follow."""

import numpy as np
import pytest
from records import LAGS, RNG, ROWS, closed_loop, loop_by_hand, readout, series_record, states_by_hand
from reservoirs import one_reservoir
from scipy import stats

from skdopamine._esn import intervals as _intervals
from skdopamine._esn import record as _record
from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.intervals import Loops
from skdopamine._esn.reader import WindowReader
from skdopamine._esn.record import Judge, Record


def test_errors_of_closed_loops_are_in_units_of_the_spread_before_them():
    reservoir, known = one_reservoir(7), series_record()
    found = _intervals.loops(known, closed_loop(reservoir), 6).errors
    assert found.shape == (59 - 6 - 10 + 1, 6, 2)
    for row in (10, 29, 30, 53):
        weights = known.judges[row >= 30].readout
        path = loop_by_hand(reservoir, states_by_hand(reservoir, known, row), row, weights, 6)
        before = np.zeros((24, 2))
        before[max(0, 23 - row) :] = ROWS[max(0, row - 23) : row + 1]
        unit = np.sqrt(0.99 * before.var(axis=0) + 0.01)
        np.testing.assert_allclose(found[row - 10], (ROWS[row + 1 : row + 7] - path) / unit, atol=1e-12)


def test_a_closed_loop_of_windows_slides_them():
    windows = np.lib.stride_tricks.sliding_window_view(ROWS[:-1], 5, axis=0).transpose(0, 2, 1)
    known = Record(
        WindowReader(windows, LAGS), ROWS[5:], np.zeros((7, 1)), (Judge(0, readout(0)),), 0, np.empty((0, 2))
    )
    reservoir = one_reservoir(7)
    found = _intervals.loops(known, closed_loop(reservoir), 3).errors
    window, expected = windows[4], []
    for _ in range(3):
        state = _reservoir.read_windows(reservoir, window[None])
        expected.append(np.concatenate([state[:, 0], window[-1], window[-4], [1.0]]) @ readout(0))
        window = np.concatenate([window[1:], expected[-1][None]])
    unit = np.sqrt(0.99 * 5 / 24 * windows[4].var(axis=0) + 1 - 0.99 * 5 / 24)
    np.testing.assert_allclose(found[4], (ROWS[9:12] - expected) / unit, atol=1e-12)


@pytest.mark.parametrize(("coverage", "rank"), [(0.5, 5), (0.8, 8), (0.9, 9)])
def test_the_width_is_the_quantile_of_a_new_error(coverage, rank):
    error = np.array([3.0, -1, 9, -4, 2, 8, -5, 7, 6])
    assert _intervals.half_width(error[:, None], coverage) == [rank]


def test_few_errors_tell_nothing_of_rare_ones():
    with pytest.raises(ValueError, match=r"coverage=0.95 needs at least 19 errors .* got 9"):
        _intervals.half_width(np.ones(9), 0.95)


def test_widths_along_a_series_are_those_of_the_latest_errors(monkeypatch):
    monkeypatch.setattr(_intervals, "LATEST", 9)
    monkeypatch.setattr(_intervals, "ROWS_AT_ONCE", 3)
    known, seen = series_record((39,), 39), RNG.standard_normal((10, 2))
    error = _record.held_errors(known, one_reservoir(7))
    found, every = _intervals.series_half_width(known, error, known.reader, seen, 0.8), np.concatenate([error, seen])
    assert len(error) == 20
    for row in range(11):
        np.testing.assert_array_equal(found[row], _intervals.half_width(every[11 + row : 20 + row], 0.8))


ENDS = np.array([0.05, 0.95])  # of an interval of 90 %


def ahead(n_steps):
    """So many steps that follow what was measured."""
    return np.arange(1, n_steps + 1)[:, None]


def test_overlapping_loops_are_worth_little_more_than_those_that_do_not_overlap():
    error = np.random.default_rng(0).standard_normal((200, 10, 1))
    low, few = np.moveaxis(Loops(error, 30).quantiles(ENDS, ahead(10)), -1, 0)
    np.testing.assert_array_equal(low, -few)  # of so few loops side by side
    plain, normal = _intervals.pooled_half_width(error, 0.9), stats.norm.ppf(0.95)
    np.testing.assert_allclose(few[0] / plain[0], stats.t.ppf(0.95, 30) / normal, rtol=1e-9)
    np.testing.assert_allclose(few[9] / plain[9], stats.t.ppf(0.95, 3) / normal, rtol=1e-9)
    beyond = Loops(error, 30).quantiles(ENDS, ahead(40))[..., 1]
    np.testing.assert_allclose(beyond[:10], few)
    np.testing.assert_allclose(beyond[39], 2 * few[9])  # with the root of the steps


def test_few_loops_pool_the_errors_of_steps_nearby():
    error = np.random.default_rng(0).standard_normal((12, 6, 2)) * np.arange(1.0, 7.0)[:, None]
    error[:4, 3:, 1] = np.nan
    found = _intervals.pooled_half_width(error, 0.8)
    size = np.sqrt(np.nanmean(error**2, axis=0))
    for step, nearby in ((0, [0, 1, 2]), (1, [0, 1, 2, 4, 5]), (5, [1, 2, 4, 5])):
        for channel in range(2):
            pooled = np.abs(error[:, nearby, channel] / size[nearby, channel]).ravel()
            expected = np.quantile(pooled[~np.isnan(pooled)], 0.8, method="weibull") * size[step, channel]
            assert found[step, channel] == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ValueError, match=r"coverage=0.95 needs at least 19 errors of rows held back, got 8."):
        _intervals.pooled_half_width(error, 0.95)


def test_few_loops_are_as_wide_as_one_step_needs():
    """Of one step, between the same two errors as a new one is: none is wider than the widest."""
    error = np.arange(1.0, 10.0)[:, None, None]
    assert _intervals.pooled_half_width(error, 0.9)[0, 0] == pytest.approx(9.0)
    assert _intervals.pooled_half_width(error, 0.75)[0, 0] == pytest.approx(7.5)
    assert _intervals.pooled_half_width(0 * error, 0.9)[0, 0] == 0.0


def test_many_loops_tell_errors_above_from_those_below():
    error = np.random.default_rng(0).exponential(1.0, (4000, 5, 1))
    low, high = np.moveaxis(Loops(error, 4000).quantiles(ENDS, ahead(5)), -1, 0)
    np.testing.assert_allclose(low, -np.log(0.95) * np.ones((5, 1)), rtol=0.2)
    np.testing.assert_allclose(high, -np.log(0.05) * np.ones((5, 1)), rtol=0.1)


@pytest.mark.parametrize("n_rows", [30, 4000])
def test_quantiles_do_not_cross_and_come_in_the_order_asked_for(n_rows):
    error = np.random.default_rng(0).exponential(1.0, (400, 5, 2)) + 0.2
    shares = np.array([0.9, 0.05, 0.5, 0.45, 0.55])
    found = Loops(error, n_rows).quantiles(shares, ahead(8))
    assert (np.diff(found[..., np.argsort(shares)], axis=-1) >= 0).all()
    for k, share in enumerate(shares):
        np.testing.assert_array_equal(
            found[..., k : k + 1], Loops(error, n_rows).quantiles(np.array([share]), ahead(8))
        )


@pytest.mark.parametrize("n_rows", [30, 4000])
def test_paths_have_the_quantiles_of_each_step(n_rows):
    error = np.random.default_rng(0).standard_normal((400, 5, 1)).cumsum(axis=1)
    loops = Loops(error, n_rows)
    paths = loops.paths(ahead(8), 40_000, 0)
    assert paths.shape == (40_000, 8, 1)
    expected = loops.quantiles(ENDS, ahead(8))
    np.testing.assert_allclose(np.quantile(paths, ENDS, axis=0).transpose(1, 2, 0), expected, rtol=0.2)


def test_paths_are_whole_loops():
    """Steps of one path go together as those of a loop do."""
    error = np.arange(1.0, 401)[:, None, None] * np.array([1.0, 2.0, 3.0])[:, None]
    paths = Loops(error, 10**7).paths(ahead(3), 50, 0)
    np.testing.assert_allclose(paths[:, 2, 0], 3 * paths[:, 0, 0], rtol=1e-3)


def test_series_with_too_few_loops_are_lent_those_of_others():
    errors = np.arange(6 * 2 * 4, dtype=float).reshape(6, 2, 4)  # four series of one channel
    errors[:4, :, 1] = errors[5, 1, 3] = np.nan
    lent = Loops(errors, 20).lent(3, 1).errors
    assert not np.isnan(lent[:, :, 1]).any()
    np.testing.assert_array_equal(lent[4:, :, 1], errors[4:, :, 1])  # its own are kept
    whole = [k for k in range(4) if (lent[k, :, 1] == errors[k, :, 0]).all()]
    assert whole == [0, 2]  # each whole, in turn with the other series that lacks none
    assert all((lent[k, :, 1] == errors[k, :, 2]).all() for k in (1, 3))
    np.testing.assert_array_equal(lent[..., [0, 2, 3]], errors[..., [0, 2, 3]])


def test_nothing_is_lent_where_all_have_enough_or_none_has_all():
    errors = np.ones((6, 2, 2))
    errors[0, :, 1] = np.nan
    assert Loops(errors, 20).lent(5, 1).n_known == 5
    errors[0] = np.nan
    assert Loops(errors, 20).lent(6, 1).n_known == 5
