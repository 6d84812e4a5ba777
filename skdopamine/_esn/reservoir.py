"""Echo-state reservoirs: weights, one step, teacher-forced runs and ridge readouts.

A population of reservoirs is simulated as one: the state is (members x units, columns), each column one sequence, and
the recurrent matrices of the members lie on the diagonal of one sparse matrix, so that a step is one matrix product.

The readout sees ``[s_t, u_t, u_{t-1}, ..., 1]``: the state, past rows themselves, and a constant.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.linalg import LinAlgError
from scipy.linalg.lapack import dposv
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import ArpackError, eigs

from skdopamine._typing import Array

LINKS = 10  # recurrent links of a unit
CHUNK_BYTES = 2**23  # states that are held at once
N_LARGEST = 12  # eigenvalues to compute
LEAST_RELATIVE = 1e-8  # relative squared error below which rounding in the normal equations hides it
PRIOR = 0.01  # expected variance of the readout's weights
DENSE_UNITS = 200  # below this size, compute all eigenvalues directly


class Links(NamedTuple):
    """A sparse square matrix by rows, in the arrays of CSR; plain arrays are what skops trusts."""

    data: Array
    indices: npt.NDArray[np.int32]
    indptr: npt.NDArray[np.int32]

    @property
    def matrix(self) -> Any:
        """The matrix, CSR."""
        size = len(self.indptr) - 1
        return sparse.csr_array((self.data, self.indices, self.indptr), shape=(size, size))


class Weights(NamedTuple):
    """One reservoir, of spectral radius 1."""

    recurrent: Links  # (units, units)
    inputs: Array  # (units, channels)
    bias: Array  # (units,)


class Gains(NamedTuple):
    """What scales a reservoir; each (members,)."""

    spectral_radius: Array
    leak_rate: Array
    input_scaling: Array
    bias_scaling: Array
    ridge: Array
    lag_ridge: Array
    state_noise: Array


class Population(NamedTuple):
    """Reservoirs with their gains applied, ready to be simulated."""

    recurrent: Any  # (members x units, members x units), CSR, block-diagonal
    inputs: Array  # (members, units, channels)
    bias: Array  # (members x units, 1)
    leak: Array  # (members x units, 1)
    noise: Array  # (members, 1, 1): standard deviation, of training runs
    shared: tuple[Any, Array] | None  # (units, units), CSR, and its factors (members,), where members differ by gains

    @property
    def n_members(self) -> int:
        return len(self.inputs)

    @property
    def n_units(self) -> int:
        return int(self.inputs.shape[1])


def drawn(n_units: int, n_channels: int, connectivity: float | str, seed: int) -> Weights:
    """Draw a reservoir; "auto" connectivity is `LINKS` links a unit."""
    share = min(1.0, LINKS / n_units) if isinstance(connectivity, str) else float(connectivity)
    return init_weights(n_units, n_channels, share, np.random.Generator(np.random.PCG64(seed)))


def init_weights(n_units: int, n_channels: int, connectivity: float, rng: np.random.Generator) -> Weights:
    """Uniform weights in -1 .. 1, a share of the recurrent ones zero, scaled to a spectral radius of 1."""
    links = rng.random((n_units, n_units)) < connectivity
    dense = np.where(links, rng.uniform(-1, 1, links.shape), 0.0)
    inputs, bias = rng.uniform(-1, 1, (n_units, n_channels)), rng.uniform(-1, 1, n_units)
    radius = spectral_radius(dense)
    if radius < 1e-10:
        raise ValueError(
            f"reservoir_connectivity={connectivity} with n_units={n_units} gives recurrent weights of spectral radius "
            "zero, which cannot be scaled: more of either is needed."
        )
    scaled = sparse.csr_array(dense / radius)
    # narrow indices: they are read at every step
    return Weights(Links(scaled.data, scaled.indices.astype(np.int32), scaled.indptr.astype(np.int32)), inputs, bias)


def spectral_radius(matrix: Array) -> float:
    """Largest absolute eigenvalue."""
    links = sparse.csr_array(matrix)
    n_loops, _ = connected_components(links, directed=True, connection="strong")
    if n_loops == len(matrix) and not matrix.diagonal().any():
        return 0.0  # there is no cycle
    if len(matrix) >= DENSE_UNITS:
        try:
            # several, since the largest lie close together and one alone may be its neighbour
            found = eigs(links, k=N_LARGEST, v0=np.ones(len(matrix)), return_eigenvectors=False, tol=1e-10)
            return float(np.abs(found).max())
        except ArpackError:  # not converged, or nothing to iterate on
            pass
    return float(np.abs(np.linalg.eigvals(matrix)).max())


def populate(weights: Weights | Sequence[Weights], gains: Gains) -> Population:
    """Reservoirs of these weights, one for all members or one for each, with each member's gains."""
    n_members = len(gains.ridge)
    members = [weights] * n_members if isinstance(weights, Weights) else list(weights)
    blocks = [member.recurrent for member in members]
    offsets = np.cumsum([0, *(len(block.data) for block in blocks)])
    n_units = len(blocks[0].indptr) - 1
    data = np.concatenate([r * block.data for r, block in zip(gains.spectral_radius, blocks, strict=True)])
    indices = np.concatenate([block.indices + m * n_units for m, block in enumerate(blocks)])
    indptr = np.concatenate([[0], *(block.indptr[1:] + offset for block, offset in zip(blocks, offsets, strict=False))])
    return Population(
        Links(data, indices.astype(np.int32), indptr.astype(np.int32)).matrix,
        np.stack([i * member.inputs for i, member in zip(gains.input_scaling, members, strict=True)]),
        np.concatenate([b * member.bias for b, member in zip(gains.bias_scaling, members, strict=True)])[:, None],
        np.repeat(gains.leak_rate, n_units)[:, None],
        gains.state_noise[:, None, None],
        (weights.recurrent.matrix, gains.spectral_radius) if isinstance(weights, Weights) and n_members > 1 else None,
    )


def init_state(population: Population, n_columns: int = 1) -> Array:
    """Zero state (members x units, columns)."""
    return np.zeros((population.n_members * population.n_units, n_columns))


def reservoir_step(population: Population, state: Array, drive: Array) -> Array:
    """Advance once; drive (members x units, columns) holds inputs and bias and is overwritten."""
    drive += _recurrent_product(population, state).reshape(state.shape)
    np.tanh(drive, out=drive)
    # s <- (1 - a) s + a tanh(.)
    drive -= state
    drive *= population.leak
    drive += state
    return drive


def _recurrent_product(population: Population, state: Array) -> Array:
    if state.shape[1] > 1:
        return np.asarray(population.recurrent @ state)
    if population.shared is None:
        return np.asarray(population.recurrent @ state[:, 0])
    weights, radius = population.shared  # members as columns: half the time, which many columns lose to copying
    return np.asarray((weights @ np.ascontiguousarray(state.reshape(len(radius), -1).T)).T * radius[:, None])


def run(
    population: Population, inputs: Array, state: Array, noise: np.random.Generator | None = None
) -> Iterator[tuple[int, Array]]:
    """Read inputs (n, channels) and yield pieces of the states: row of the first, (rows, members x units)."""
    chunk = max(1, CHUNK_BYTES // (8 * len(state)))
    flat = population.inputs.reshape(len(state), -1)
    for start in range(0, len(inputs), chunk):
        rows = inputs[start : start + chunk]
        states = rows @ flat.T
        states += population.bias[:, 0]
        if noise is not None and population.noise.any():
            kicks = noise.standard_normal((len(rows), 1, population.n_units))
            states += (population.noise[:, :, 0] * kicks).reshape(len(rows), -1)
        for row in states:
            state = reservoir_step(population, state, row[:, None])
        yield start, states


def run_many(
    population: Population, inputs: Array, state: Array, noise: np.random.Generator | None = None
) -> Iterator[tuple[int, Array]]:
    """Read several series (n, series, channels) side by side, as `run` does one: states (rows x series, ...).

    A series begins with its first row that is not nan; its state is zero before.
    """
    n_series = inputs.shape[1]
    chunk = max(1, CHUNK_BYTES // (8 * state.size))
    begun = np.asarray(~np.isnan(inputs).any(axis=2))
    for start in range(0, len(inputs), chunk):
        rows = np.where(begun[start : start + chunk, :, None], inputs[start : start + chunk], 0.0)
        states = np.empty((len(rows), n_series, len(state)))
        for t, row in enumerate(rows):
            drive = drive_of(population, row.T[None])
            if noise is not None and population.noise.any():
                kicks = noise.standard_normal((1, population.n_units, n_series))
                drive += (population.noise * kicks).reshape(drive.shape)
            state = reservoir_step(population, state, drive)
            state *= begun[start + t]
            states[t] = state.T
        yield start, states.reshape(-1, len(state))


def read_windows(population: Population, windows: Array, noise: np.random.Generator | None = None) -> Array:
    """State (members x units, windows) after reading each of windows (n, rows, channels) from the zero state."""
    state = init_state(population, len(windows))
    for t in range(windows.shape[1]):
        drive = drive_of(population, windows[:, t].T[None])
        if noise is not None:
            kicks = noise.standard_normal((1, population.n_units, len(windows)))
            drive += (population.noise * kicks).reshape(drive.shape)
        state = reservoir_step(population, state, drive)
    return state


def drive_of(population: Population, inputs: Array) -> Array:
    """What inputs (members or 1, channels, columns) and bias add up to, (members x units, columns)."""
    drive = np.matmul(population.inputs, inputs).reshape(len(population.bias), -1)
    drive += population.bias
    return np.asarray(drive)


def lagged(series: Array, lags: npt.NDArray[np.intp], rows: npt.NDArray[np.intp]) -> Array:
    """What lies `lags` before each of the rows, (rows, lags, channels); zero before a series begins."""
    before = rows[:, None] - lags
    values = series[np.maximum(before, 0)]
    values[before < 0] = 0.0
    values[np.isnan(values)] = 0.0
    return np.asarray(values)


def features(population: Population, states: Array, past: Array) -> Array:
    """What the readout sees, (members, n, features), of states (n, members x units) and past rows (n, lags)."""
    n, members, units = len(states), population.n_members, population.n_units
    seen = np.empty((members, n, units + past.shape[1] + 1))
    seen[..., :units] = states.reshape(n, members, units).transpose(1, 0, 2)
    seen[..., units:-1] = past
    seen[..., -1] = 1.0
    return seen


def by_member(readout: Array, n_members: int) -> Array:
    """Readouts (members, features, targets) of what stands one below the other."""
    return readout.reshape(n_members, -1, readout.shape[1])


def said(seen: Array, readout: Array) -> Array:
    """Predictions (n, targets) from features (members, n, k), the mean of those of all members' readouts."""
    if len(seen) == 1:
        return np.asarray(seen[0] @ readout)
    return np.asarray(np.matmul(seen, by_member(readout, len(seen))).mean(axis=0))


def floor(error: float, n_rows: int) -> float:
    """Least penalty per row that noise asks for, of the sum of squared errors of a target."""
    return error / (PRIOR * max(n_rows, 1) ** 2)


def penalties(gains: Gains, n_units: int, n_features: int) -> Array:
    """Penalty per row (members, features): `ridge` for units, `lag_ridge` for past rows, the lesser for the last."""
    penalty = np.repeat(gains.lag_ridge[:, None], n_features, axis=1)
    penalty[:, :n_units], penalty[:, -1] = gains.ridge[:, None], np.minimum(gains.ridge, gains.lag_ridge)
    return penalty


class Normal(NamedTuple):
    """Normal equations of the readouts, accumulated over rows."""

    gram: Array  # (members, features, features)
    cross: Array  # (members, features, targets)
    power: float  # sum of the squared targets
    n_rows: int

    def add(self, seen: Array, target: Array) -> "Normal":
        """With further rows: features (members, n, features), target (n, targets). Works in place."""
        for gram, cross, rows in zip(self.gram, self.cross, seen, strict=True):
            gram += rows.T @ rows  # each a symmetric product, half the work of a batched one
            cross += rows.T @ target
        power = self.power + float(np.einsum("nk,nk->", target, target))
        return self._replace(power=power, n_rows=self.n_rows + len(target))

    def copied(self) -> "Normal":
        """A copy that rows may be added to."""
        return self._replace(gram=self.gram.copy(), cross=self.cross.copy())

    def shared_by(self, n_members: int) -> "Normal":
        """Broadcast from one member, or as many, to so many members; read-only."""
        gram, cross = (np.broadcast_to(field, (n_members, *field.shape[1:])) for field in (self.gram, self.cross))
        return self._replace(gram=gram, cross=cross)

    def without(self, part: "Normal") -> "Normal":
        """The rows that are not in `part`."""
        return Normal(
            self.gram - part.gram, self.cross - part.cross, self.power - part.power, self.n_rows - part.n_rows
        )

    def member(self, m: int) -> "Normal":
        """Those of one member."""
        return self._replace(gram=self.gram[m : m + 1], cross=self.cross[m : m + 1])

    def errors(self, readout: Array) -> Array:
        """Sum of squared errors (members,) of readouts on these rows: |y|^2 - 2 w.c + w.G w."""
        product = np.matmul(self.gram, readout) - 2 * self.cross
        return np.asarray(self.power + np.einsum("mfk,mfk->m", readout, product))

    def around(self, readout: Array) -> "Normal":
        """The normal equations of what a readout (features, targets) leaves over."""
        cross = self.cross - self.gram @ readout
        power = self.power - float(np.einsum("fk,fk->", readout, self.cross[0] + cross[0]))
        return self._replace(cross=cross, power=power)

    def solve(self, gains: Gains, n_units: int, expected: Array | None = None) -> Array:
        """Readouts (members, features, targets), the least ``mean |F w - y|^2 + penalty |w - expected|^2``; nan: none.

        The penalty is `ridge` for the units, `lag_ridge` for past rows, and the lesser for the constant. It is at least
        what the noise asks for: the error's variance per row, over that of the weights (Hoerl, Kennard and Baldwin,
        1975).
        """
        if expected is not None and expected.any():
            return expected + self.around(expected).solve(gains, n_units)
        readout = np.full(self.cross.shape, np.nan)
        for m, penalty in enumerate(penalties(gains, n_units, self.gram.shape[1])):
            try:
                readout[m] = self._ridge(m, penalty)
                error = float(self.member(m).errors(readout[m : m + 1])[0]) / self.cross.shape[2]
                least = floor(error, self.n_rows) if error > LEAST_RELATIVE * self.power else 0.0
                if least > penalty.min():
                    readout[m] = self._ridge(m, np.maximum(penalty, least))
            except (LinAlgError, ValueError):  # singular, or not finite
                readout[m] = np.nan
        return readout

    def _ridge(self, member: int, penalty: Array) -> Array:
        damped = self.gram[member].copy()
        damped.flat[:: len(damped) + 1] += penalty * self.n_rows
        # symmetric, so that its transpose, which LAPACK need not copy, is itself
        _, weights, failed = dposv(damped.T, self.cross[member], lower=True, overwrite_a=True)
        if failed:
            raise LinAlgError
        return np.asarray(weights)


def init_normal(n_members: int, n_features: int, n_targets: int) -> Normal:
    """No rows yet."""
    return Normal(np.zeros((n_members, n_features, n_features)), np.zeros((n_members, n_features, n_targets)), 0.0, 0)


def total(parts: Sequence[Normal]) -> Normal:
    """Normal equations of the rows of all parts."""
    return Normal(*(sum(field[1:], start=field[0]) for field in zip(*parts, strict=True)))
