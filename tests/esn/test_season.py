"""The season of made-up series whose season is known."""

import numpy as np
import pytest

from skdopamine._esn import season as _season


def noise(n: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, channels))


def sine(n: int, period: float) -> np.ndarray:
    return np.sin(2 * np.pi * np.arange(n) / period)[:, None]


@pytest.mark.parametrize("n", [200, 401, 1000])
@pytest.mark.parametrize("period", [3, 4, 7, 12, 24, 40])
def test_a_sine_has_its_period(n, period):
    assert _season.season(sine(n, period)) == period


@pytest.mark.parametrize("period", [4, 12, 24])
def test_a_pattern_with_noise_has_its_period(period):
    pattern = np.resize(noise(period, seed=3), (480, 1))
    assert _season.season(pattern + 0.1 * noise(480)) == period


@pytest.mark.parametrize("slope", [-0.5, 0.01, 3.0])
def test_a_trend_does_not_hide_the_season(slope):
    n = 480
    series = sine(n, 12) + slope * np.arange(n)[:, None] + 0.1 * noise(n)
    assert _season.season(series) == 12


@pytest.mark.parametrize("seed", range(10))
def test_white_noise_has_none(seed):
    assert _season.season(noise(500, seed=seed)) == 0


LINES = [slope * np.arange(float(n))[:, None] + 0.1 for n in (12, 30, 60, 100, 333) for slope in (1.0, -0.7, 1e-5, 3e7)]


@pytest.mark.parametrize("series", [np.zeros((100, 1)), np.full((100, 2), 7.0), *LINES])
def test_neither_a_constant_nor_a_line_has_one(series):
    season = _season.season(series)
    assert season == 0


@pytest.mark.parametrize("n", range(1, 12))
def test_a_short_series_gives_some_season_that_it_can_hold(n):
    assert 0 <= _season.season(noise(n)) <= n / 2.5


def test_channels_count_together():
    other = np.column_stack([sine(480, 12) + 0.2 * noise(480), 0.2 * noise(480, seed=1)])
    assert _season.season(other) == 12


def test_scale_and_offset_do_not_matter():
    series = sine(480, 12) + 0.1 * noise(480)
    for changed in (1e6 * series, 1e-6 * series, series + 1e3):
        assert _season.season(changed) == 12


def test_the_series_is_left_as_it_was():
    series = sine(100, 12)
    before = series.copy()
    _season.season(series)
    np.testing.assert_array_equal(series, before)


@pytest.mark.parametrize(
    ("n_rows", "n_channels", "expected"),
    [(1000, 1, 50), (1000, 3, 16), (80, 1, 10), (8, 1, 1), (2, 1, 1), (1000, 99, 1)],
)
def test_recent_lags_are_as_many_as_hold_fifty_values(n_rows, n_channels, expected):
    np.testing.assert_array_equal(_season.recent_lags(n_rows, n_channels), np.arange(expected))


def test_seasonal_lags_are_those_around_one_season_before_the_next_row():
    series = np.resize(noise(120, seed=3), (2000, 1)) + 0.1 * noise(2000)
    assert _season.season(series) == 120
    np.testing.assert_array_equal(_season.seasonal_lags(2000, 1, [120]), [*range(50), 119, 120, 121])


@pytest.mark.parametrize("series", [noise(500), sine(400, 12), np.zeros((40, 2))])
def test_without_a_season_beyond_them_the_recent_lags_are_all(series):
    found = _season.season(series)
    lags = _season.seasonal_lags(*series.shape, [found] if found else [])
    np.testing.assert_array_equal(lags, np.arange(len(_season.recent_lags(*series.shape))))


@pytest.mark.parametrize("n", [30, 36, 48, 60])
def test_two_and_a_half_seasons_are_enough(n):
    pattern = np.resize(noise(12, seed=3), (n, 1))
    for series in (pattern, pattern + 0.1 * noise(n), pattern + 0.05 * np.arange(n)[:, None]):
        assert _season.season(series) == 12


@pytest.mark.parametrize("n", [36, 60, 100])
def test_a_short_walk_has_none(n):
    found = [_season.season(noise(n, seed=seed).cumsum(axis=0)) for seed in range(40)]
    assert np.count_nonzero(found) <= 4
