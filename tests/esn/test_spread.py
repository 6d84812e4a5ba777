"""Units that errors of forecasts are counted in."""

import numpy as np
import pytest
from records import RNG, ROWS, closed_loop, series_record
from reservoirs import one_reservoir

from skdopamine._esn import intervals as _intervals
from skdopamine._esn import spread as _spread


def test_the_spread_is_never_zero_and_about_one_for_standardised_rows():
    assert _spread.spread(np.ones((24, 1))) == pytest.approx(0.1)
    assert _spread.spread(RNG.standard_normal((5000, 1))) == pytest.approx(1, abs=0.05)


def test_an_error_is_counted_in_units_of_its_time_of_the_season():
    reservoir, season = one_reservoir(7), 4
    known = series_record()
    loud = np.where(np.arange(10, 59) % season == 1, 10.0, 0.1)[:, None] * np.ones(2)
    known = known._replace(errors=loud)
    seasonal = _spread.Seasonal.of(known, reservoir, season)
    units = seasonal.at(np.array([59, 60]), 8)
    assert units.shape == (2, 8, 2)
    times = np.array([59, 60])[:, None] + np.arange(8)
    assert units[times % season == 1].min() > 1.5 * units[times % season != 1].max()
    plain = _intervals.loops(known, closed_loop(reservoir), 3).errors
    counted = _intervals.loops(known, closed_loop(reservoir), 3, seasonal=seasonal)
    before = np.array([_spread.spread(ROWS[None, max(0, row - 23) : row + 1])[0] for row in range(23, 57)])
    assert counted.seasonal is not None
    own = counted.seasonal.at(np.arange(23, 57), 3)
    np.testing.assert_allclose(counted.errors[13:] * own, plain[13:] * before[:, None], rtol=1e-9)


def test_lately_larger_errors_widen_what_comes():
    known = series_record()
    rising = np.concatenate([np.full((25, 2), 0.1), np.full((24, 2), 1.0)])
    seasonal = _spread.Seasonal.of(known._replace(errors=rising), one_reservoir(7), 4)
    assert (seasonal.lately[-1] > 1.1).all()
    assert (seasonal.lately[20] < 0.9).all()


def test_loops_that_are_worse_at_a_time_of_the_season_widen_it_by_degrees():
    errors = np.ones((40, 6, 2))
    begins = np.arange(20, 60)
    times = (begins[:, None] + np.arange(6)) % 4
    errors[times == 1, 0] = 3.0
    errors[::2] *= -1
    errors[0, :, 1] = np.nan
    alike = _spread.Seasonal(np.ones((4, 2)), np.ones((50, 2)), 10, 0)
    few, many = alike.factor(errors, begins, 20), alike.factor(errors, begins, 20_000)
    np.testing.assert_allclose(many[1, 0] / many[[0, 2, 3], 0], 3.0, rtol=0.02)
    assert 1.05 < few[1, 0] < 0.8 * many[1, 0]
    np.testing.assert_allclose(few[:, 1], 1.0, rtol=1e-12)
    np.testing.assert_array_equal(alike.factor(0 * errors, begins, 20)[:, 0] < 1, True)


@pytest.mark.parametrize(("season", "period"), [(336, 48), (30, 30), (12, 12)])
def test_a_long_season_whose_errors_are_those_of_a_part_of_it_is_counted_by_this(season, period):
    rng, n_rows = np.random.default_rng(0), 3 * 336
    size = np.where((np.arange(n_rows) + 7) % period < period // 4, 3.0, 0.3)
    squares = (size * rng.standard_normal(n_rows)) ** 2
    found, around = _spread._period(squares / squares.mean(), np.ones(n_rows), 7, season)
    assert found == period
    assert around <= period // 8


@pytest.mark.parametrize("season", [2, 30, 50])
def test_times_around_count_together(season):
    values = np.random.default_rng(0).standard_normal((season, 2))
    n = season // 24
    found = _spread._around(values, n)
    for k in range(season):
        expected = values[[(k + d) % season for d in range(-n, n + 1)]].sum(axis=0)
        np.testing.assert_allclose(found[k], expected, atol=1e-12)
