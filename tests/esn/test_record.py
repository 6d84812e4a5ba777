"""Errors one step ahead on rows that were not learnt from."""

import numpy as np
import pytest
from records import LAGS, RNG, ROWS, closed_loop, loop_by_hand, readout, series_record, states_by_hand
from reservoirs import one_reservoir

from skdopamine._esn import intervals as _intervals
from skdopamine._esn import record as _record
from skdopamine._esn.reader import SeriesReader
from skdopamine._esn.record import Judge


def test_each_row_is_judged_by_its_readout():
    reservoir, known = one_reservoir(7), series_record()
    found = _record.one_step_errors(known, reservoir)
    for row in (10, 29, 30, 58):
        weights = known.judges[row >= 30].readout
        expected = ROWS[row + 1] - loop_by_hand(reservoir, states_by_hand(reservoir, known, row), row, weights, 1)[0]
        np.testing.assert_allclose(found[row - 10], expected, atol=1e-12)
    assert len(found) == 59 - 10
    np.testing.assert_array_equal(_record.held_errors(known._replace(counts_from=40), reservoir), found[30:])


@pytest.mark.parametrize("most", [1000, 30, 12])
@pytest.mark.parametrize("stretch", [1000, 6, 1])
def test_a_record_that_is_extended_judges_as_one_that_was_made_at_once(monkeypatch, most, stretch):
    monkeypatch.setattr(_record, "MOST_ROWS", most)
    monkeypatch.setattr(_record, "STRETCH", stretch)
    reservoir, whole = one_reservoir(7), series_record((24,), 24)  # the history is whole
    known = whole._replace(reader=SeriesReader(ROWS[:30], LAGS), target=ROWS[1:31], errors=whole.errors[:6])
    judges, given = [*whole.judges], [known.errors]
    for first in range(30, 59, 10):
        last = min(59, first + 10)
        rows, goals, errors = (
            SeriesReader(ROWS[first:last], LAGS),
            ROWS[first + 1 : last + 1],
            RNG.standard_normal((last - first, 2)),
        )
        known = _record.extended(known, rows, goals, errors, readout(first), reservoir)
        given.append(errors)
        if stretch < 1000:
            judges.append(Judge(first, readout(first)))
    whole = whole._replace(judges=tuple(judges))
    expected, found = (_record.one_step_errors(each._replace(errors=None), reservoir) for each in (whole, known))
    np.testing.assert_allclose(found, expected[-most:], atol=1e-12)
    assert len(known.target) <= 24 + most
    np.testing.assert_array_equal(_record.held_errors(known, reservoir), np.concatenate(given)[-most:])
    paths = _intervals.loops(known, closed_loop(reservoir), 4).errors
    np.testing.assert_allclose(
        paths, _intervals.loops(whole, closed_loop(reservoir), 4).errors[-len(paths) :], atol=1e-12
    )
