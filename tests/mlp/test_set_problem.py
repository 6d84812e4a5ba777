"""Objectives of a whole batch: how their credit comes down to the parameters, and what it costs."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, softmax

from skdopamine._mlp import network as _network
from skdopamine._mlp import output_credit as _output_credit
from skdopamine._mlp.activations import ACTIVATIONS
from skdopamine._mlp.network import Network
from skdopamine._mlp.node import NodeProblem
from skdopamine._mlp.problem import make_data
from skdopamine._mlp.weight import WeightProblem
from skdopamine._objectives.base import SetObjective
from skdopamine._objectives.metrics import find_metric
from skdopamine._objectives.scorers import FunctionObjective, MetricObjective
from skdopamine._objectives.tasks import View
from skdopamine._training.problem import Estimate

N, FEATURES = 60, 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, FEATURES))
SCORES = X @ RNG.normal(size=(FEATURES, 3)) + 0.5 * RNG.normal(size=(N, 3))
BINARY = (SCORES[:, :1] > 1).astype(float)
ONE_HOT = np.eye(3)[SCORES.argmax(axis=1)]
WEIGHT = RNG.uniform(0.3, 3.0, N)
MODES = [NodeProblem, WeightProblem]

VIEWS = {
    "binary": View("binary", np.arange(2), expit),
    "multiclass": View("multiclass", np.arange(3), partial(softmax, axis=-1)),
    "regression": View("regression", None, lambda output: output),
}
TARGETS = {"binary": BINARY, "multiclass": ONE_HOT, "regression": SCORES[:, :1]}
METRICS = [
    ("f1", "binary"),
    ("balanced_accuracy", "binary"),
    ("roc_auc", "binary"),
    ("f1_macro", "multiclass"),
    ("neg_median_absolute_error", "regression"),
]


def metric(name: str, task: str) -> MetricObjective:
    found = find_metric(name, task)
    assert found is not None
    return MetricObjective(found, VIEWS[task])


class Linear(SetObjective):
    """Sum of weight * output * target: its credit is known."""

    def value(self, output, target, weight):
        share = np.full(len(target), 1 / len(target)) if weight is None else weight / weight.sum()
        return np.einsum("...nk,nk,n->...", output, target, share)


def set_problem(
    mode: Any,
    objective: SetObjective,
    target: np.ndarray,
    hidden: tuple[int, ...] = (12,),
    *,
    rows: np.ndarray = X,
    weight: np.ndarray | None = None,
    dtype: Any = np.float64,
    **settings,
) -> tuple[Any, np.ndarray]:
    network = Network((FEATURES, *hidden, target.shape[1]), (ACTIVATIONS["tanh"],) * len(hidden))
    params = _network.init_params(network, 6.0, np.random.default_rng(1), dtype)
    if mode is NodeProblem:
        settings = {"hidden_scales": [0.01] * len(hidden), "scale": 0.5, "n_perturbations": 64, **settings}
    else:
        settings = {"scale": 0.1, "n_perturbations": 64, **settings}
    data = make_data(rows.astype(dtype), target.astype(dtype), weight)
    return mode(network, objective, data, alpha=0.0, seed=3, **settings), params


def estimate(subject: Any, params: np.ndarray, rows: Any = slice(None), update: int = 0) -> Estimate:
    return subject.credit(params, subject.init_memory(), subject.batch(rows), update)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("hidden", [(), (12,), (40, 6)], ids=["none", "one", "two"])
@pytest.mark.parametrize("mode", MODES)
def test_credit_has_slope_one_on_the_gradient_of_a_linear_objective(mode, hidden, weight):
    target = RNG.normal(size=(N, 2))
    subject, params = set_problem(mode, Linear(), target, hidden, weight=weight, scale=1e-4, n_perturbations=8)
    batch, moves = subject.batch(slice(None)), 1e-6 * np.eye(len(params))

    def value(moved):
        return subject.losses(moved, batch)[0]

    gradient = np.array([(value(params + move) - value(params - move)) / 2e-6 for move in moves])
    estimates = np.array([estimate(subject, params, update=update).credit for update in range(300)])
    slopes = estimates @ gradient / (gradient @ gradient)
    assert abs(slopes.mean() - 1) < 4 * slopes.std() / np.sqrt(300)
    rest = estimates.mean(axis=0) - gradient
    assert rest @ rest < 3 * estimates.var(axis=0).sum() / 300


@pytest.mark.parametrize(("name", "task"), METRICS)
def test_credit_is_that_of_each_output_alone_amid_the_noise_of_the_others(name, task):
    objective, target = metric(name, task), TARGETS[task][:20]
    subject, params = set_problem(NodeProblem, objective, target, (), rows=X[:20], n_perturbations=20_000, scale=1.0)
    output = _network.forward(subject.network, params, X[:20])
    noise, alone = np.random.default_rng(7), np.empty(output.shape)  # a second route, with other noise
    for row, column in np.ndindex(*output.shape):
        moved = output + noise.choice([-1.0, 1.0], size=(1000, *output.shape))
        values = []
        for side in (1.0, -1.0):
            moved[:, row, column] = output[row, column] + side
            values.append(objective.value(moved, target, None).mean())
        alone[row, column] = (values[0] - values[1]) / 2
    expected = np.concatenate([(X[:20].T @ alone).ravel(), alone.sum(axis=0)])
    credit = estimate(subject, params).credit
    assert credit @ expected / (expected @ expected) == pytest.approx(1, abs=0.1)
    assert np.corrcoef(credit, expected)[0, 1] > 0.98


@pytest.mark.parametrize(("name", "task"), METRICS)
@pytest.mark.parametrize("mode", MODES)
def test_following_the_credit_lowers_the_objective(mode, name, task):
    objective, target = metric(name, task), TARGETS[task]
    subject, params = set_problem(mode, objective, target, weight=None)
    batch = subject.batch(slice(None))
    start, values, running = subject.losses(params, batch)[0], [], np.zeros_like(params)
    for update in range(80):
        running = 0.9 * running + 0.1 * estimate(subject, params, update=update).credit
        params = params - 0.03 * running / (np.abs(running).mean() + 1e-12)
        values.append(subject.losses(params, batch)[0])
    assert np.mean(values[-10:]) < start - 0.1


class CountingSets(Linear):
    """Counts the sets of outputs that it is asked about."""

    n_sets = 0

    def value(self, output, target, weight):
        values = super().value(output, target, weight)
        self.n_sets += values.size
        return values


@pytest.mark.parametrize("hidden", [(), (12,), (40, 6)])
@pytest.mark.parametrize("mode", MODES)
def test_evaluations_are_counted(mode, hidden):
    counting = CountingSets()
    subject, params = set_problem(mode, counting, ONE_HOT, hidden, n_perturbations=7)
    assert estimate(subject, params, slice(0, 20)).n_evaluations == (1 + 2 * 7) * 20
    assert counting.n_sets == 1 + 2 * 7


@pytest.mark.parametrize(("size", "n_calls"), [(0, 50), (1, 50), (7, 8), (49, 2), (1000, 1)])
def test_chunks_of_pairs_give_the_same_bits(size, n_calls, monkeypatch):
    subject, params = set_problem(NodeProblem, metric("f1_macro", "multiclass"), ONE_HOT, n_perturbations=50)
    whole = estimate(subject, params)
    monkeypatch.setattr(_output_credit, "SET_BYTES", size * 8 * ONE_HOT.size)
    calls = []
    both_sides = _network.both_sides
    monkeypatch.setattr(_network, "both_sides", lambda *args: calls.append(0) or both_sides(*args))
    parted = estimate(subject, params)
    assert len(calls) == n_calls
    np.testing.assert_array_equal(parted.credit, whole.credit)
    np.testing.assert_array_equal(parted.memory[0], whole.memory[0])


@pytest.mark.parametrize(("name", "task"), METRICS[:4])
@pytest.mark.parametrize("mode", MODES)
def test_a_row_of_weight_two_is_two_rows(mode, name, task):
    counts, target = RNG.integers(1, 4, N), TARGETS[task]
    weighted = set_problem(mode, metric(name, task), target, weight=counts.astype(float))
    repeated = set_problem(mode, metric(name, task), target.repeat(counts, axis=0), rows=X.repeat(counts, axis=0))
    one, other = (estimate(*subject, update=3) for subject in (weighted, repeated))
    np.testing.assert_allclose(one.credit, other.credit, rtol=0, atol=1e-11)
    assert np.abs(one.credit).max() > 1e-3
    assert one.losses[0] == pytest.approx(other.losses[0], rel=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_the_order_of_the_rows_does_not_matter(mode):
    subject, params = set_problem(mode, metric("f1", "binary"), BINARY, weight=WEIGHT)
    order = np.random.default_rng(2).permutation(N)
    straight, permuted = (estimate(subject, params, rows, 3) for rows in (np.arange(N), order))
    np.testing.assert_allclose(permuted.credit, straight.credit, rtol=0, atol=1e-12)
    assert np.abs(straight.credit).max() > 1e-3


@pytest.mark.parametrize("mode", MODES)
def test_a_batch_of_one_class_says_nothing_where_the_metric_is_not_defined(mode):
    subject, params = set_problem(mode, metric("roc_auc", "binary"), BINARY)
    zeros, both = np.flatnonzero(BINARY[:, 0] == 0), slice(None)
    silent, heard = estimate(subject, params, zeros), estimate(subject, params, both)
    assert (silent.defined, heard.defined) == (False, True)
    np.testing.assert_array_equal(silent.credit, 0)
    np.testing.assert_array_equal(silent.losses, np.nan)
    lost = estimate(subject, params * np.nan, both)  # outputs that are not finite are bad ones
    assert lost.defined
    np.testing.assert_array_equal(lost.losses, np.inf)
    assert np.abs(heard.credit).max() > 1e-3
    assert np.isfinite(heard.credit).all()


@pytest.mark.parametrize("mode", MODES)
def test_the_objective_is_the_loss_of_every_row(mode):
    objective = metric("balanced_accuracy", "binary")
    subject, params = set_problem(mode, objective, BINARY, weight=WEIGHT)
    rows = slice(5, 45)
    expected = objective.value(_network.forward(subject.network, params, X[rows]), BINARY[rows], WEIGHT[rows])
    np.testing.assert_allclose(estimate(subject, params, rows).losses, np.full(40, expected), rtol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_noise_is_a_function_of_seed_and_update(mode):
    subject, params = set_problem(mode, metric("f1", "binary"), BINARY)
    credits = [estimate(subject, params, update=update).credit for update in (0, 1, 0)]
    np.testing.assert_array_equal(credits[2], credits[0])
    assert not np.array_equal(credits[1], credits[0])


@pytest.mark.parametrize("mode", MODES)
def test_float32_stays_float32(mode):
    single, double = (
        estimate(*set_problem(mode, metric("roc_auc", "binary"), BINARY, rows=X.astype(np.float32), dtype=dtype))
        for dtype in (np.float32, np.float64)
    )
    assert {array.dtype for array in (single.credit, *single.memory)} == {np.dtype(np.float32)}
    np.testing.assert_allclose(single.credit, double.credit, rtol=0, atol=0.1 * np.abs(double.credit).max())


def test_a_function_called_member_by_member_has_the_same_credit():
    whole = metric("neg_max_error", "regression")
    one_by_one = FunctionObjective(lambda y_true, y_pred: np.abs(y_true - y_pred).max(), VIEWS["regression"])
    fast, slow = (
        estimate(*set_problem(NodeProblem, objective, TARGETS["regression"])).credit
        for objective in (whole, one_by_one)
    )
    np.testing.assert_allclose(slow, fast, rtol=0, atol=1e-12)
    assert np.abs(fast).max() > 1e-3
