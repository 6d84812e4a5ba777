"""The reservoir against its formulas written out, and the ridge readout against scikit-learn's."""

import numpy as np
import pytest
from reservoirs import CHANNELS, UNITS, VALUES, gains_of, normals, weights, written_out
from scipy import sparse
from sklearn.linear_model import Ridge

from skdopamine._esn import reservoir as _reservoir

# ---- weights ----


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("n_units", "connectivity"), [(2, 1.0), (12, 0.5), (31, 0.2), (32, 1.0), (60, 0.1), (150, 0.05)]
)
def test_new_weights_have_spectral_radius_one(n_units, connectivity, seed):
    w = weights(seed, n_units, connectivity)
    assert np.abs(np.linalg.eigvals(w.recurrent.matrix.toarray())).max() == pytest.approx(1, abs=1e-8)


def test_new_weights_are_uniform_and_of_the_connectivity_asked_for():
    w = weights(0, 300, 0.1)
    assert len(w.recurrent.data) == pytest.approx(0.1 * 300**2, rel=0.05)
    for values in (w.inputs, w.bias, w.recurrent.data / np.abs(w.recurrent.data).max()):
        assert np.abs(values).max() <= 1
        assert abs(values.mean()) < 0.1
        assert values.std() == pytest.approx(1 / np.sqrt(3), abs=0.05)


def test_new_weights_are_a_function_of_the_seed():
    one, same, other = weights(0), weights(0), weights(1)
    for a, b, c in zip(one[1:], same[1:], other[1:], strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)
    np.testing.assert_array_equal(one.recurrent.matrix.toarray(), same.recurrent.matrix.toarray())


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("n_units", "connectivity"), [(5, 1e-9), (40, 1e-9), (32, 0.01), (100, 0.002)])
def test_recurrent_weights_without_a_loop_are_refused(n_units, connectivity, seed):
    rng = np.random.default_rng(seed)  # as drawn inside
    links = rng.random((n_units, n_units)) < connectivity
    radius = np.abs(np.linalg.eigvals(np.where(links, rng.uniform(-1, 1, links.shape), 0.0))).max()
    if radius > 0:  # a loop by chance
        found = np.abs(np.linalg.eigvals(weights(seed, n_units, connectivity).recurrent.matrix.toarray())).max()
        assert found == pytest.approx(1, abs=1e-8)
    else:
        with pytest.raises(ValueError, match="reservoir_connectivity"):
            weights(seed, n_units, connectivity)


# ---- steps ----


@pytest.mark.parametrize("member", range(3))
def test_a_step_is_the_written_formula(member):
    w, u = weights(), normals(CHANNELS)
    population = _reservoir.populate(w, gains_of(member))
    state = np.tanh(normals(UNITS))
    drive = _reservoir.drive_of(population, u[None, :, None])
    after = _reservoir.reservoir_step(population, state[:, None], drive)
    np.testing.assert_allclose(after[:, 0], written_out(w, member, state, u), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("member", range(3))
def test_a_run_is_steps_one_after_the_other(member):
    w, inputs = weights(), normals(20, CHANNELS)
    population = _reservoir.populate(w, gains_of(member))
    ((first, states),) = _reservoir.run(population, inputs, _reservoir.init_state(population))
    assert first == 0
    state = np.zeros(UNITS)
    for row, u in zip(states, inputs, strict=True):
        state = written_out(w, member, state, u)
        np.testing.assert_allclose(row, state, rtol=1e-10, atol=1e-12)


def test_windows_are_read_from_the_zero_state_each_by_itself():
    windows = normals(5, 7, CHANNELS)
    population = _reservoir.populate([weights(0), weights(1)], gains_of(0, 1))
    together = _reservoir.read_windows(population, windows)
    for window, state in zip(windows, together.T, strict=True):
        ((_, states),) = _reservoir.run(population, window, _reservoir.init_state(population))
        np.testing.assert_allclose(state, states[-1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shared", [True, False], ids=["one reservoir", "three reservoirs"])
def test_a_member_of_a_population_is_as_it_is_alone(shared):
    members = [weights(0)] * 3 if shared else [weights(seed) for seed in range(3)]
    population = _reservoir.populate(members[0] if shared else members, gains_of(0, 1, 2))
    assert (population.n_members, population.n_units) == (3, UNITS)
    dense = population.recurrent.toarray()
    inputs = normals(30, CHANNELS)
    ((_, states),) = _reservoir.run(population, inputs, _reservoir.init_state(population))
    for m, member in enumerate(members):
        own = slice(m * UNITS, (m + 1) * UNITS)
        block = dense[own, own].copy()
        dense[own, own] = 0
        np.testing.assert_allclose(block, VALUES["spectral_radius"][m] * member.recurrent.matrix.toarray(), rtol=1e-14)
        alone = _reservoir.populate(member, gains_of(m))
        ((_, expected),) = _reservoir.run(alone, inputs, _reservoir.init_state(alone))
        np.testing.assert_allclose(states[:, own], expected, rtol=1e-12, atol=1e-14)
    assert not dense.any()


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("rows", [1, 3, 7, 50])
def test_chunks_change_no_more_than_rounding_of_a_run(monkeypatch, rows, noisy):
    population = _reservoir.populate([weights(0), weights(1)], gains_of(1, 2))
    inputs, state = normals(50, CHANNELS), np.tanh(normals(2 * UNITS, 1))

    def states():
        rng = np.random.default_rng(3) if noisy else None
        pieces = list(_reservoir.run(population, inputs, state, rng))
        starts = np.cumsum([0, *(len(piece) for _, piece in pieces)])
        assert [start for start, _ in pieces] == starts[:-1].tolist()
        return len(pieces), np.concatenate([piece for _, piece in pieces])

    n, whole = states()
    assert n == 1
    monkeypatch.setattr(_reservoir, "CHUNK_BYTES", 8 * 2 * UNITS * rows)
    n, parts = states()
    assert n == -(-50 // rows)
    np.testing.assert_allclose(parts, whole, rtol=1e-12, atol=1e-14)  # a product of few rows may sum in another order


def test_noise_has_the_standard_deviation_asked_for_and_none_is_none():
    inputs, population = np.zeros((4000, CHANNELS)), _reservoir.populate(weights(), gains_of(1))
    quiet = population._replace(recurrent=0 * population.recurrent, bias=0 * population.bias)
    quiet = quiet._replace(leak=np.ones_like(quiet.leak))
    ((_, states),) = _reservoir.run(quiet, inputs, np.zeros((UNITS, 1)), np.random.default_rng(0))
    assert np.arctanh(states).std() == pytest.approx(0.1, rel=0.02)
    ((_, states),) = _reservoir.run(quiet, inputs, np.zeros((UNITS, 1)), None)
    assert not states.any()


# ---- what the readout sees ----


def test_lagged_rows_are_those_before_and_zero_before_the_start():
    series, lags = normals(10, CHANNELS), np.array([0, 1, 4])
    for first, last in ((0, 10), (3, 7), (9, 10)):
        expected = [
            np.concatenate([series[t - lag] if t >= lag else np.zeros(CHANNELS) for lag in lags])
            for t in range(first, last)
        ]
        np.testing.assert_array_equal(
            _reservoir.lagged(series, lags, np.arange(first, last)).reshape(last - first, -1), expected
        )


def test_features_are_state_past_and_one():
    population = _reservoir.populate(weights(), gains_of(0, 1))
    states, past = normals(5, 2 * UNITS), normals(5, 4, seed=2)
    seen = _reservoir.features(population, states, past)
    for m in range(2):
        own = states[:, m * UNITS : (m + 1) * UNITS]
        np.testing.assert_array_equal(seen[m], np.column_stack([own, past, np.ones(5)]))


# ---- normal equations ----


def data(n: int, seed: int = 0, n_members: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    seen = rng.standard_normal((n_members, n, UNITS + 4 + 1))
    seen[..., -1] = 1.0
    return seen, rng.standard_normal((n, 3))


def normal_of(seen: np.ndarray, target: np.ndarray) -> _reservoir.Normal:
    return _reservoir.init_normal(len(seen), seen.shape[2], target.shape[1]).add(seen, target)


def least_squares(seen: np.ndarray, target: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """Minimise mean |F w - y|^2 + penalty |w|^2, by rows that are added."""
    rows = np.vstack([seen, np.diag(np.sqrt(penalty * len(seen)))])
    return np.linalg.lstsq(rows, np.vstack([target, np.zeros((len(penalty), target.shape[1]))]), rcond=None)[0]


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_the_readout_is_the_ridge_solution_with_a_penalty_of_at_least_what_the_noise_asks_for(noise):
    seen, target = data(40, n_members=1)
    target = noise * target + seen[0] @ normals(seen.shape[2], 3)
    for member in range(3):
        g = gains_of(member)
        penalty = np.r_[np.full(UNITS, g.ridge[0]), np.full(4, g.lag_ridge[0]), min(g.ridge[0], g.lag_ridge[0])]
        expected = least_squares(seen[0], target, penalty)
        error = ((seen[0] @ expected - target) ** 2).sum()
        if error > 1e-8 * (target**2).sum():
            expected = least_squares(
                seen[0], target, np.maximum(penalty, error / target.shape[1] / (_reservoir.PRIOR * 40**2))
            )
        readout = normal_of(seen, target).solve(g, UNITS)
        np.testing.assert_allclose(readout[0], expected, rtol=1e-7, atol=1e-9)


def test_the_readout_is_that_of_sklearns_ridge_with_alpha_per_row():
    seen, target = data(40)
    heavy = np.array([10.0, 30.0])  # more than the noise asks for
    g = gains_of(2, 2)._replace(ridge=heavy, lag_ridge=heavy)
    readout = normal_of(seen, target).solve(g, UNITS)
    for m in range(2):
        ridge = Ridge(alpha=40 * g.ridge[m], fit_intercept=False).fit(seen[m], target)
        np.testing.assert_allclose(readout[m], ridge.coef_.T, rtol=1e-9, atol=1e-12)


def test_without_noise_and_penalty_to_speak_of_the_readout_is_exact():
    seen, _ = data(60, n_members=1)
    truth = normals(seen.shape[2], 3)
    tiny = gains_of(0)._replace(ridge=np.full(1, 1e-14), lag_ridge=np.full(1, 1e-14))
    np.testing.assert_allclose(normal_of(seen, seen[0] @ truth).solve(tiny, UNITS)[0], truth, rtol=1e-9, atol=1e-10)


def test_a_member_without_a_solution_is_nan_and_leaves_the_others_alone():
    seen, target = data(40)
    broken = seen.copy()
    broken[0, 3, 2] = np.nan
    g = gains_of(0, 1)
    readout = normal_of(broken, target).solve(g, UNITS)
    assert np.isnan(readout[0]).all()
    np.testing.assert_array_equal(readout[1], normal_of(seen, target).solve(g, UNITS)[1])


def test_the_error_of_a_readout_is_its_sum_of_squares():
    seen, target = data(40)
    readout = normals(2, seen.shape[2], 3)
    expected = ((seen @ readout - target) ** 2).sum(axis=(1, 2))
    np.testing.assert_allclose(normal_of(seen, target).errors(readout), expected, rtol=1e-12)


def test_normal_equations_add_up_and_can_be_taken_apart():
    seen, target = data(40)
    whole = normal_of(seen, target)
    parts = [normal_of(seen[:, rows], target[rows]) for rows in (slice(0, 7), slice(7, 8), slice(8, 40))]
    for joined in (_reservoir.total(parts), parts[0].add(seen[:, 7:], target[7:])):
        for a, b in zip(joined, whole, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    left = whole.without(normal_of(seen[:, 7:8], target[7:8]))
    rest = np.delete(np.arange(40), 7)
    for a, b in zip(left, normal_of(seen[:, rest], target[rest]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    assert (whole.n_rows, left.n_rows) == (40, 39)


def test_a_total_leaves_its_parts_as_they_were():
    seen, target = data(10)
    part = normal_of(seen, target)
    before = part.gram.copy()
    _reservoir.total([part, part])
    np.testing.assert_array_equal(part.gram, before)


def test_indices_are_narrow_and_rows_are_compressed():
    population = _reservoir.populate(weights(), gains_of(0, 1))
    assert sparse.issparse(population.recurrent)
    assert population.recurrent.format == "csr"
    assert population.recurrent.indices.dtype == population.recurrent.indptr.dtype == np.int32
