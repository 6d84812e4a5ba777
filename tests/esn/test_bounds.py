"""Between which values predictions are fed back: from the data, and as the user gives them."""

import warnings

import numpy as np
import pytest
from forecasters import SERIES, TWO, small, stream

from skdopamine import make_windows
from skdopamine._esn.bounds import LEAST, MOST, WORTH, Range, limits_of

INF = np.inf


def test_rows_that_stay_in_the_range_of_the_first_have_little_room():
    rows = np.tile([[0.0, -2.0], [4.0, 2.0]], (8, 1))
    span = Range.of(rows)
    np.testing.assert_array_equal(span.least, [0, -2])
    np.testing.assert_array_equal(span.most, [4, 2])
    np.testing.assert_allclose(span.share, LEAST)
    np.testing.assert_allclose(span.bounds(wide=False), [[-4 * LEAST, -2 - 4 * LEAST], [4 + 4 * LEAST, 2 + 4 * LEAST]])


def test_rows_that_leave_the_range_of_the_first_have_twice_that_room():
    rows = np.concatenate([np.tile([[0.0], [10.0]], (4, 1)), np.full((24, 1), 5.0)])
    rows[20] = 11.0
    assert Range.of(rows).share[0] == pytest.approx(LEAST + WORTH * 0.1)
    rows[20] = -1.0
    assert Range.of(rows).share[0] == pytest.approx(LEAST + WORTH * 0.1)
    rows[20] = 1000.0
    assert Range.of(rows).share[0] == MOST


@pytest.mark.parametrize("rows", [np.ones((9, 1)), np.array([[2.0]]), np.arange(40.0)[:, None]])
def test_what_is_not_known_to_stay_has_half_a_range(rows):
    span = Range.of(rows)
    assert span.share[0] == MOST
    np.testing.assert_array_equal(
        span.bounds(wide=False), [span.least - np.ptp(rows) / 2, span.most + np.ptp(rows) / 2]
    )
    np.testing.assert_array_equal(span.bounds(wide=True), span.bounds(wide=False))


def test_times_of_windows_count_as_rows():
    rows = np.random.default_rng(0).normal(size=(40, 2))
    for one, other in zip(Range.of(rows), Range.of(rows.reshape(8, 5, 2)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_range_grows_with_further_rows():
    span = Range.of(np.tile([[0.0], [10.0]], (8, 1)))
    same = span.extended(np.array([[3.0]]))
    np.testing.assert_array_equal(np.stack(same), np.stack(span))
    wider = span.extended(np.array([[12.0], [3.0]]))
    assert (wider.least[0], wider.most[0]) == (0, 12)
    assert wider.share[0] == pytest.approx(LEAST + WORTH * 0.2)


@pytest.mark.parametrize(
    ("bounds", "low", "high"),
    [
        (None, [-INF, -INF], [INF, INF]),
        ((0, None), [0, 0], [INF, INF]),
        ([None, 5], [-INF, -INF], [5, 5]),
        (([0, 1], np.array([2.0, 3.0])), [0, 1], [2, 3]),
        (([0], 9), [0, 0], [9, 9]),
    ],
)
def test_limits_of_the_user(bounds, low, high):
    np.testing.assert_array_equal(limits_of(bounds, 2), [low, high])


@pytest.mark.parametrize("bounds", [(1,), (1, 2, 3), (2, 1), (1, 1), (np.nan, 1), (0, INF), ("a", 1), ([0, 1, 2], 3)])
def test_bounds_that_are_none_are_named(bounds):
    model = stream(bounds=bounds)
    with pytest.raises(ValueError, match=r"bounds must .*got"):
        model.fit(TWO)
    assert not hasattr(model, "readout_")
    with pytest.raises(ValueError, match=r"bounds must .*got"):
        stream(bounds=bounds).partial_fit(TWO)


def walk(n, seed=0):
    return 5 + np.random.default_rng(seed).standard_normal((n, 1)).cumsum(axis=0)


@pytest.mark.parametrize("difference", [0, 1])
def test_forecasts_and_intervals_stay_between_the_bounds(difference):
    rows = np.abs(walk(300))
    low, high = rows.min(), np.quantile(rows, 0.6)
    model = stream(bounds=(low, high), difference=difference, ridge=0.1, lag_ridge=0.1)
    free = stream(difference=difference, ridge=0.1, lag_ridge=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        before = free.fit(rows).forecast_interval(50)
        assert before[0].min() < low
        assert before[1].max() > high
        for _ in range(2):
            model = model.fit(rows) if not hasattr(model, "readout_") else model.partial_fit(walk(60, 1))
            ends = *model.forecast_interval(50), model.forecast(50), *model.predict_interval(rows), model.predict(rows)
            for values in ends:
                assert values.min() >= low
                assert values.max() <= high


def test_one_channel_may_be_held_and_another_free():
    rows = TWO[:200]
    model = stream(bounds=([-0.2, -9.0], None)).fit(rows)
    free = stream().fit(rows)
    path, other = model.forecast(60), free.forecast(60)
    assert other[:, 0].min() < -0.2
    assert path[:, 0].min() == pytest.approx(-0.2)
    assert path[:, 1].min() < -0.5


def test_the_loop_reads_what_was_held():
    """Cut in the end alone, the path would come back late."""
    model, free = stream(bounds=(None, 0.5)).fit(SERIES), stream().fit(SERIES)
    assert np.abs(model.forecast(60) - np.minimum(free.forecast(60), 0.5)).max() > 1e-3


def test_at_bounds_of_the_user_there_is_no_warning_and_at_those_of_the_data_there_is():
    rows = np.sin(0.3 * np.arange(300))[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert stream(bounds=(0, 0.5)).fit(rows).forecast(40).max() == 0.5
    model = stream(readout_lags=[0], difference=0).fit(rows)
    model._model.readout[:] *= 3.0
    with pytest.warns(UserWarning, match=r"left the range of the training rows .*clipped in \d+ of 40"):
        model.forecast(40)


def test_windows_are_held_too_and_bounds_in_vain_are_named():
    X, y = make_windows(SERIES[:, 0], 8)
    model = small(trainable=(), washout="auto", bounds=(-0.3, 0.3)).fit(X, y)
    for values in (model.predict(X), model.forecast(30, X[:1]), *model.predict_interval(X)):
        assert np.abs(values).max() == pytest.approx(0.3)
    model = small(trainable=(), stateful=True, washout="auto", bounds=(-0.3, 0.3))
    with pytest.warns(UserWarning, match=r"bounds=.* has no effect without targets that are the next rows"):
        model.fit(SERIES, np.roll(SERIES[:, 0], 5))
    assert np.abs(model.predict(SERIES)).max() > 0.3


def test_a_bound_beyond_the_data_is_kept():
    model = stream(bounds=(5.0, None)).fit(SERIES)
    np.testing.assert_allclose(model.forecast(5), 5.0)
