"""Windows against a loop that cuts them one by one."""

import numpy as np
import pandas as pd
import pytest

from skdopamine import make_windows


def one_by_one(series, n_lags, horizon):
    n = len(series) - n_lags - horizon + 1
    X = np.array([np.ravel(series[i : i + n_lags]) for i in range(n)])
    y = np.array([np.ravel(series[i + n_lags : i + n_lags + horizon]) for i in range(n)])
    return X, y[:, 0] if y.shape[1] == 1 else y


SHAPES = [(20,), (20, 1), (20, 3)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("n_lags", "horizon"), [(1, 1), (4, 1), (1, 5), (3, 2), (19, 1), (1, 19), (10, 10)])
def test_windows_are_what_a_loop_would_cut(shape, n_lags, horizon):
    series = np.random.default_rng(0).standard_normal(shape)
    X, y = make_windows(series, n_lags, horizon)
    expected_X, expected_y = one_by_one(series, n_lags, horizon)
    np.testing.assert_array_equal(X, expected_X, strict=True)
    np.testing.assert_array_equal(y, expected_y, strict=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_windows_are_views_that_cannot_be_written_to(shape):
    series = np.random.default_rng(0).standard_normal(shape)
    for part in make_windows(series, 4, 2):
        assert np.shares_memory(part, series)
        assert not part.flags.writeable


@pytest.mark.parametrize(
    "change",
    [
        lambda a: np.asfortranarray(a),
        lambda a: np.repeat(a, 2, axis=0)[::2],
        lambda a: a[::-1].copy()[::-1],
        lambda a: a.tolist(),
        lambda a: pd.DataFrame(a),
    ],
)
def test_the_layout_of_the_series_does_not_matter(change):
    series = np.random.default_rng(0).standard_normal((20, 3))
    for got, expected in zip(make_windows(change(series), 4, 2), make_windows(series, 4, 2), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool])
def test_the_dtype_of_the_series_is_kept(dtype):
    X, y = make_windows(np.arange(9).astype(dtype), 2)
    assert X.dtype == y.dtype == dtype


def test_numpy_integers_are_counts():
    X, y = make_windows(np.arange(9), np.int64(2), np.int32(3))
    assert X.shape == (5, 2)
    assert y.shape == (5, 3)


@pytest.mark.parametrize("name", ["n_lags", "horizon"])
@pytest.mark.parametrize("value", [0, -1, 1.0, 2.5, "two", None, True])
def test_a_count_that_is_no_positive_integer_is_named(name, value):
    with pytest.raises(ValueError, match=rf"{name}.*{value!r}"):
        make_windows(np.arange(9.0), **{"n_lags": 2, name: value})


@pytest.mark.parametrize("shape", [(), (3, 3, 3), (9, 0), (0,), (4,), (4, 2)])
def test_a_series_that_gives_no_window_is_refused_with_its_shape(shape):
    with pytest.raises(ValueError, match="series") as caught:
        make_windows(np.zeros(shape), 3, 2)
    assert str(shape) in str(caught.value)


def test_the_shortest_series_gives_one_window():
    X, y = make_windows(np.arange(5.0), 3, 2)
    np.testing.assert_array_equal(X, [[0, 1, 2]])
    np.testing.assert_array_equal(y, [[3, 4]])
