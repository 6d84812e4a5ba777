"""How rows are read, and closed loops over them."""

import numpy as np
import pytest
from reservoirs import one_reservoir

from skdopamine._esn import reader as _reader
from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.loop import Loop
from skdopamine._esn.reader import SeriesReader, WindowReader

ROWS = np.random.default_rng(0).standard_normal((80, 2))
LAGS = np.array([0, 2])
WIDE = (np.full(2, -9.0), np.full(2, 9.0))
READOUT = 0.1 * np.random.default_rng(1).standard_normal((6 + 4 + 1, 2))


def closed_loop(own):
    return Loop(own, READOUT[None], LAGS, WIDE, 2)


def readers():
    windows = np.lib.stride_tricks.sliding_window_view(ROWS, 5, axis=0).transpose(0, 2, 1)
    return SeriesReader(ROWS, LAGS), WindowReader(np.ascontiguousarray(windows), LAGS)


@pytest.mark.parametrize("reader", readers(), ids=["series", "windows"])
def test_rows_are_read_alike_in_pieces_and_at_once(reader, monkeypatch):
    own, zero = one_reservoir(6), np.zeros((6, 1))
    whole = _reader.predicted(reader, own, READOUT, zero, 0, 70)
    monkeypatch.setattr(_reader, "ROW_CHUNK", 7)
    monkeypatch.setattr(_reservoir, "CHUNK_BYTES", 8 * 6 * 7)
    between = reader.state_after(own, zero, 0, 33)
    parts = [
        _reader.predicted(reader, own, READOUT, zero, 0, 33),
        _reader.predicted(reader, own, READOUT, between, 33, 70),
    ]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-13)


@pytest.mark.parametrize("reader", readers(), ids=["series", "windows"])
def test_the_first_step_of_a_closed_loop_is_the_prediction(reader):
    own, zero, origins = one_reservoir(6), np.zeros((6, 1)), np.array([5, 30, 31])
    paths = reader.paths(closed_loop(own), zero, 0, origins, 3)
    assert paths.shape == (3, 3, 2)
    ahead = _reader.predicted(reader, own, READOUT, zero, 0, 40)
    np.testing.assert_allclose(paths[:, 0], ahead[origins], atol=1e-13)
    narrow = np.full(2, -1e-3), np.full(2, 1e-3)
    held = reader.paths(closed_loop(own)._replace(bounds=narrow), zero, 0, origins, 3)
    assert np.abs(held).max() <= 1e-3


def test_recent_rows_end_with_the_row_and_are_zero_before_the_series():
    series, windows = readers()
    found = series.recent(np.array([1, 40]), 3)
    np.testing.assert_array_equal(found[1], ROWS[38:41])
    np.testing.assert_array_equal(found[0], np.concatenate([np.zeros((1, 2)), ROWS[:2]]))
    np.testing.assert_array_equal(windows.recent(np.array([40]), 3)[0], ROWS[42:45])
    np.testing.assert_array_equal(windows.recent(np.array([40]), 99)[0], ROWS[40:45])
