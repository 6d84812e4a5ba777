"""Rows held back and closed loops over them, by hand."""

import numpy as np
from reservoirs import one_reservoir

from skdopamine._esn import record as _record
from skdopamine._esn.loop import Loop
from skdopamine._esn.reader import SeriesReader
from skdopamine._esn.record import Judge, Record

RNG = np.random.default_rng(0)


ROWS = RNG.standard_normal((60, 2))


LAGS = np.array([0, 3])


WIDE = (np.full(2, -9.0), np.full(2, 9.0))


def readout(seed):
    return 0.1 * np.random.default_rng(seed).standard_normal((7 + 2 * 2 + 1, 2))


def series_record(firsts=(10, 30), counts_from=10):
    state = RNG.standard_normal((7, 1))
    known = Record(
        SeriesReader(ROWS[:-1], LAGS),
        ROWS[1:],
        state,
        tuple(Judge(f, readout(f)) for f in firsts),
        counts_from,
        None,
    )
    return known._replace(errors=_record.one_step_errors(known, one_reservoir(7)))


def closed_loop(reservoir):
    return Loop(reservoir, readout(0)[None], LAGS, WIDE, 2)


def loop_by_hand(reservoir, state, row, weights, n_steps):
    """One closed loop, step by step, and the state after each of the rows that it is begun from."""
    known, path = list(ROWS[: row + 1]), []
    recurrent = reservoir.recurrent.toarray()
    for _ in range(n_steps):
        seen = np.concatenate([state[:, 0], known[-1], known[-4], [1.0]])
        path.append(seen @ weights)
        known.append(path[-1])
        drive = recurrent @ state + reservoir.inputs[0] @ known[-1][:, None] + reservoir.bias
        state = state + reservoir.leak * (np.tanh(drive) - state)
    return np.array(path)


def states_by_hand(reservoir, known, last):
    state = known.state
    for row in range(known.judges[0].first, last + 1):
        drive = reservoir.recurrent.toarray() @ state + reservoir.inputs[0] @ ROWS[row][:, None] + reservoir.bias
        state = state + reservoir.leak * (np.tanh(drive) - state)
    return state
