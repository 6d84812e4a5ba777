"""The closed loop against predictions that are fed back by hand."""

import numpy as np
import pytest
from reservoirs import CHANNELS, UNITS, gains_of, normals, weights, written_out

from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.loop import Loop, Start

FREE = (np.full(CHANNELS, -np.inf), np.full(CHANNELS, np.inf))


def loop_by_hand(w, member, readout, history, lags, n_steps, bounds):
    """Predict, hold, feed back; every window by itself."""
    path, state = list(history), np.zeros(UNITS)
    for u in history:
        state = written_out(w, member, state, u)
    for step in range(n_steps):
        if step:
            state = written_out(w, member, state, path[-1])
        seen = np.concatenate([state, *(path[-1 - lag] for lag in lags), [1.0]])
        path.append(np.clip(seen @ readout[:, :CHANNELS], *bounds))
    return np.array(path[len(history) :])


@pytest.mark.parametrize("n_targets", [CHANNELS, CHANNELS + 3], ids=["next row", "more targets"])
@pytest.mark.parametrize("lags", [[0], [0, 1, 2], [0, 5]])
@pytest.mark.parametrize("bounds", [FREE, (np.full(CHANNELS, -0.3), np.full(CHANNELS, 0.2))], ids=["free", "held"])
def test_the_closed_loop_feeds_its_predictions_back(lags, bounds, n_targets):
    members, lags = [weights(0), weights(1)], np.array(lags)
    population = _reservoir.populate(members, gains_of(0, 1))
    readout = 0.3 * normals(2, UNITS + len(lags) * CHANNELS + 1, n_targets)
    history = normals(3, 6, CHANNELS)
    state = _reservoir.read_windows(population, history)
    path = Loop(population, readout, lags, bounds, CHANNELS).run(Start(state, history), 9)
    assert path.shape == (9, 2, 3, CHANNELS)
    for m in range(2):
        for column in range(3):
            expected = loop_by_hand(members[m], m, readout[m], history[column], lags, 9, bounds)
            np.testing.assert_allclose(path[:, m, column], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n_reservoirs", [1, 2])
def test_a_reservoir_serves_several_readouts_as_each_by_itself(n_reservoirs):
    population = _reservoir.populate(weights(), gains_of(*range(n_reservoirs)))
    readout = 0.3 * normals(2 * n_reservoirs, UNITS + 2 * CHANNELS + 1, CHANNELS)
    start = Start(normals(n_reservoirs * UNITS, 3), normals(3, 4, CHANNELS))
    path = Loop(population, readout, np.array([0, 2]), FREE, CHANNELS).run(start, 9)
    for m, own in enumerate(readout):
        alone = _reservoir.populate(weights(), gains_of(m // 2))
        begin = start._replace(state=start.state.reshape(n_reservoirs, UNITS, 3)[m // 2])
        expected = Loop(alone, own[None], np.array([0, 2]), FREE, CHANNELS).run(begin, 9)
        np.testing.assert_allclose(path[:, m], expected[:, 0], rtol=1e-9, atol=1e-12)


def test_the_closed_loop_stays_within_its_bounds():
    population = _reservoir.populate(weights(), gains_of(0))
    readout = 100 * normals(1, UNITS + CHANNELS + 1, CHANNELS)
    low, high = np.array([-1.0, -2.0]), np.array([0.5, 3.0])
    start = Start(np.zeros((UNITS, 1)), np.zeros((1, 1, CHANNELS)))
    path = Loop(population, readout, np.array([0]), (low, high), CHANNELS).run(start, 50)[:, 0, 0]
    assert ((path >= low) & (path <= high)).all()
    assert ((path == low) | (path == high)).any(axis=0).all()


def test_the_closed_loop_leaves_its_arguments_as_they_were():
    population = _reservoir.populate(weights(), gains_of(0))
    state, history = normals(UNITS, 2), normals(2, 3, CHANNELS)
    readout = normals(1, UNITS + CHANNELS + 1, CHANNELS)
    before = [a.copy() for a in (state, history, readout)]
    Loop(population, readout, np.array([0]), FREE, CHANNELS).run(Start(state, history), 5)
    for a, b in zip((state, history, readout), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_longer_loop_begins_as_a_shorter_one():
    population = _reservoir.populate(weights(), gains_of(0))
    start = Start(normals(UNITS, 2), normals(2, 3, CHANNELS))
    loop = Loop(population, 0.3 * normals(1, UNITS + 2 * CHANNELS + 1, CHANNELS), np.array([0, 2]), FREE, CHANNELS)
    np.testing.assert_array_equal(loop.run(start, 9)[:4], loop.run(start, 4))
