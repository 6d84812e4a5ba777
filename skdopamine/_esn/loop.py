"""The closed loop: predictions are fed back as if they were the next rows."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from skdopamine._esn.products import with_products
from skdopamine._esn.reservoir import Population, drive_of, reservoir_step
from skdopamine._typing import Array


class Start(NamedTuple):
    """Where loops begin, one for each column."""

    state: Array  # (reservoirs x units, columns), after reading the history
    history: Array  # (columns, rows, channels): last rows read, at least as many as the longest lag plus one
    covariates: Array | None = None  # (columns, n_steps, k): what is known of each row that is predicted


class Loop(NamedTuple):
    """Reservoirs that read their own predictions.

    Members may differ in their readouts alone: then one reservoir serves all, each in columns of its own. The first
    `n_fed` targets are the channels of the next row. They are what is fed back, and what a path consists of.
    """

    population: Population
    readout: Array  # (members, features, targets)
    lags: npt.NDArray[np.intp]  # which of the past rows the readout sees, 0 being the last
    bounds: tuple[Array, Array]  # (series x n_fed,) each: predictions are held between them
    n_fed: int
    degree: int = 1  # of the products of the last row that the readout sees

    def run(self, start: Start, n_steps: int) -> Array:
        """Feed predictions back: the path (n_steps, members, columns, n_fed)."""
        members, reservoirs, units = len(self.readout), self.population.n_members, self.population.n_units
        shared, (columns, past, _) = members // reservoirs, start.history.shape
        state = np.tile(start.state, (1, shared))
        path = np.empty((past + n_steps, members, columns, self.n_fed))
        path[:past] = np.where(np.isnan(start.history), 0.0, start.history).transpose(1, 0, 2)[:, None]
        by_state = np.ascontiguousarray(self.readout[:, :units, : self.n_fed].transpose(0, 2, 1))
        by_past, constant = self.readout[:, units:-1, : self.n_fed], self.readout[:, -1:, : self.n_fed]
        low, high = (np.resize(bound, (columns, self.n_fed)) for bound in self.bounds)  # each series' own, by turns
        for t in range(past, past + n_steps):
            if t > past:
                read = path[t - 1].reshape(reservoirs, shared * columns, self.n_fed).transpose(0, 2, 1)
                state = reservoir_step(self.population, state, drive_of(self.population, read))
            value = path[t]
            apart = state.reshape(reservoirs, units, shared, columns).transpose(0, 2, 1, 3)
            value[...] = np.matmul(by_state, apart.reshape(members, units, columns)).transpose(0, 2, 1)
            rows = path[t - 1 - self.lags].transpose(1, 2, 0, 3).reshape(members, columns, -1)
            if start.covariates is not None:
                known = start.covariates[:, t - past]
                rows = np.concatenate([rows, np.broadcast_to(known, (members, *known.shape))], axis=-1)
            value += with_products(rows, path[t - 1], self.degree) @ by_past
            value += constant
            np.clip(value, low, high, out=value)
        return path[past:]
