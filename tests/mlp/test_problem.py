"""Credit of whole networks: exact where it can be, else its slope on a numerical gradient."""

from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy import sparse

from skdopamine._mlp import network as _network
from skdopamine._mlp import node as _node
from skdopamine._mlp import weight as _weight
from skdopamine._mlp.activations import ACTIVATIONS
from skdopamine._mlp.network import Network
from skdopamine._mlp.node import NodeProblem
from skdopamine._mlp.problem import make_data
from skdopamine._mlp.weight import WeightProblem
from skdopamine._objectives.base import LogisticLoss, Objective, SoftmaxLoss, SquaredError
from skdopamine._training.problem import Estimate

N, FEATURES, OUTPUTS = 12, 4, 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, FEATURES)) * (RNG.random((N, FEATURES)) < 0.8)
TARGETS = {
    SquaredError: RNG.normal(size=(N, OUTPUTS)),
    LogisticLoss: RNG.integers(0, 2, (N, OUTPUTS)).astype(float),
    SoftmaxLoss: np.eye(OUTPUTS)[RNG.integers(0, OUTPUTS, N)],
}
WEIGHT = RNG.uniform(0.3, 3.0, N)
FeedbackProblem = partial(NodeProblem, judged=False)
JUDGED = [NodeProblem, WeightProblem]
MODES = [*JUDGED, FeedbackProblem]
SMALL = 1e-5  # a perturbation whose square is nothing, and that crosses no kink
WIDE, DEEP = (40,), (20, 20)  # too many units for each to be judged alone


@pytest.fixture(autouse=True)
def ten_groups(monkeypatch):
    """What the numbers of this file are for, whatever is best for speed."""
    monkeypatch.setattr(_node, "MAX_GROUPS", 10)
    monkeypatch.setattr(_node, "GROUP_OUTPUTS", 10 * OUTPUTS)


class Subject(NamedTuple):
    problem: Any
    params: np.ndarray

    def estimate(self, rows: Any = slice(None), update: int = 0) -> Estimate:
        problem = self.problem
        return problem.credit(self.params, problem.init_memory(), problem.batch(rows), update)


def subject_of(
    mode=NodeProblem,
    hidden: tuple[int, ...] = WIDE,
    activation: str = "tanh",
    objective: type[Objective] = SoftmaxLoss,
    *,
    rows: Any = X,
    target: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    dtype: Any = np.float64,
    **settings,
) -> Subject:
    network = Network((FEATURES, *hidden, OUTPUTS), (ACTIVATIONS[activation],) * len(hidden))
    target = TARGETS[objective] if target is None else target
    settings = {"alpha": 0.0, "scale": SMALL, "n_perturbations": 1, "seed": 5, **settings}
    data = make_data(rows.astype(dtype), target.astype(dtype), weight)
    params = _network.init_params(network, 6.0, np.random.default_rng(1), dtype)
    return Subject(mode(network, objective(), data, **settings), params)


def gradient(subject: Subject, step: float = 1e-6) -> np.ndarray:
    """Of the mean loss, by finite differences in one parameter after the other."""
    problem, params = subject
    batch = problem.batch(slice(None))

    def loss(moved: np.ndarray) -> float:
        return float(problem.losses(moved, batch) @ batch.share[:, 0])

    moves = step * np.eye(len(params))
    return np.array([(loss(params + move) - loss(params - move)) / (2 * step) for move in moves])


def layers_of(network: Network) -> list[slice]:
    """Where each weight matrix and each bias lies in the parameters."""
    sizes = [below * above for below, above in pairwise(network.units)] + list(network.units[1:])
    stops = np.cumsum(sizes)
    return [slice(stop - size, stop) for size, stop in zip(sizes, stops, strict=True)]


def check_unbiased(subject: Subject, n_updates: int, *, learn: bool = False) -> None:
    """Estimates of many updates have slope one on the gradient, in every layer, and their mean has no other part."""
    problem, params = subject
    batch, memory, estimates = problem.batch(slice(None)), problem.init_memory(), []
    for update in range(n_updates):
        estimate = problem.credit(params, memory, batch, update)
        memory = estimate.memory if learn else memory
        estimates.append(estimate.credit)
    S, g = np.array(estimates), gradient(subject)
    assert not learn or np.abs(memory[0]).max() > 0.01
    for part in (slice(None), *layers_of(problem.network)):
        slopes = S[:, part] @ g[part] / (g[part] @ g[part])
        assert abs(slopes.mean() - 1) < 4 * slopes.std() / np.sqrt(n_updates) + 1e-6, part
    rest = S.mean(axis=0) - g
    assert rest @ rest < 3 * S.var(axis=0).sum() / n_updates


def assert_same_bits(one: Estimate, other: Estimate) -> None:
    np.testing.assert_array_equal(one.credit, other.credit)
    np.testing.assert_array_equal(one.losses, other.losses)
    for a, b in zip(one.memory, other.memory, strict=True):
        np.testing.assert_array_equal(a, b)


def assert_close(one: Estimate, other: Estimate) -> None:
    np.testing.assert_allclose(one.credit, other.credit, rtol=0, atol=1e-12)
    for a, b in zip(one.memory, other.memory, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


# ---- node perturbation and the gradient ----


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("objective", list(TARGETS))
def test_node_credit_without_hidden_layers_is_exact(objective, weight):
    subject = subject_of(hidden=(), objective=objective, weight=weight)
    np.testing.assert_allclose(subject.estimate().credit, gradient(subject), rtol=0, atol=1e-6)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("activation", ["tanh", "relu", "logistic", "leaky_relu", "identity"])
@pytest.mark.parametrize("objective", list(TARGETS))
def test_node_credit_is_exact_where_each_unit_is_judged_alone(objective, activation, weight):
    subject = subject_of(hidden=(7,), activation=activation, objective=objective, weight=weight)
    expected = gradient(subject)
    for update in (0, 1, 200):
        np.testing.assert_allclose(subject.estimate(update=update).credit, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("hidden", [WIDE, DEEP], ids=["wide", "deep"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("objective", list(TARGETS))
def test_node_credit_is_unbiased(objective, activation, hidden):
    check_unbiased(subject_of(hidden=hidden, activation=activation, objective=objective, weight=WEIGHT), 500)


def test_node_credit_of_equal_weights_is_unbiased():
    check_unbiased(subject_of(hidden=DEEP), 500)


@pytest.mark.parametrize("hidden", [WIDE, DEEP], ids=["wide", "deep"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_node_credit_stays_unbiased_while_the_critic_learns(activation, hidden):
    check_unbiased(subject_of(hidden=hidden, activation=activation), 500, learn=True)


@pytest.mark.parametrize("objective", list(TARGETS))
def test_groups_in_a_lower_layer_keep_the_credit_unbiased_and_lower_its_variance(objective, monkeypatch):
    spread = []
    for share in (1.0, 1e-3):
        monkeypatch.setattr(_node, "PASS_SHARE", share)
        subject = subject_of(hidden=DEEP, objective=objective)
        below = layers_of(subject.problem.network)[0]
        spread.append(np.var([subject.estimate(update=u).credit[below] for u in range(200)], axis=0).sum())
        check_unbiased(subject, 500)
    assert spread[1] < 0.3 * spread[0]


@pytest.mark.parametrize(
    ("units", "groups"),
    [((784, 256, 128, 10), [16, 16]), ((64, 100, 50, 10), [3, 16]), ((9, 100, 2), [16]), ((9, 2), [])],
)
def test_a_lower_layer_is_split_where_its_own_product_is_large(units, groups, monkeypatch):
    monkeypatch.undo()
    assert [_node.most_groups(units, layer) for layer in range(len(units) - 2)] == groups


def test_a_learned_critic_lowers_the_variance():
    subject = subject_of(hidden=DEEP)
    problem, params = subject
    batch, memory, g = problem.batch(slice(None)), problem.init_memory(), gradient(subject)
    errors = []
    for update in range(300):
        estimate = problem.credit(params, memory, batch, update)
        memory = estimate.memory
        errors.append(((estimate.credit - g) ** 2).sum())
    assert np.mean(errors[-50:]) < 0.5 * np.mean(errors[:5])


@pytest.mark.parametrize("mode", JUDGED)
def test_perturbations_are_averaged(mode):
    one, many = subject_of(mode, DEEP), subject_of(mode, DEEP, n_perturbations=16)
    g = gradient(one)
    errors = [
        np.mean([((subject.estimate(update=update).credit - g) ** 2).sum() for update in range(100)])
        for subject in (one, many)
    ]
    assert 1 / 40 < errors[1] / errors[0] < 1 / 10  # 1 / 16 for independent draws


def test_many_perturbations_are_unbiased():
    check_unbiased(subject_of(hidden=DEEP, n_perturbations=8), 100)


@pytest.mark.parametrize("hidden", [WIDE, DEEP, (12, 12, 12)], ids=["one", "two", "three"])
@pytest.mark.parametrize("objective", list(TARGETS))
def test_the_chain_of_critics_comes_to_expect_the_gradient(objective, hidden):
    subject = subject_of(FeedbackProblem, hidden, objective=objective, weight=WEIGHT)
    problem, params = subject
    batch, memory = problem.batch(slice(None)), problem.init_memory()
    for update in range(600):
        estimate = problem.credit(params, memory, batch, update)
        memory = estimate.memory
    g = gradient(subject)
    assert np.linalg.norm(estimate.credit - g) < 0.05 * np.linalg.norm(g)
    judged = (
        subject_of(hidden=hidden, objective=objective, weight=WEIGHT).problem.credit(params, memory, batch, 600).credit
    )
    assert np.linalg.norm(judged - g) < 0.1 * np.linalg.norm(g)  # nothing is left for the noise to tell


def test_without_a_judge_what_critics_have_not_learnt_is_no_credit():
    subject = subject_of(FeedbackProblem, DEEP)
    weights, biases = _network.unpack(subject.problem.network, subject.estimate().credit)
    assert all((layer == 0).all() for layer in (*weights[:-1], *biases[:-1]))
    assert (weights[-1] != 0).all()


# ---- weight perturbation and the gradient ----


@pytest.mark.parametrize("hidden", [(5,), (5, 4)], ids=["one", "two"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("objective", list(TARGETS))
def test_weight_credit_is_unbiased(objective, activation, hidden):
    check_unbiased(subject_of(WeightProblem, hidden, activation, objective, weight=WEIGHT, n_perturbations=4), 1000)


class LinearLoss(SquaredError):
    """Output times target: with no hidden layer, a loss that is linear in the parameters."""

    def values(self, output, target):
        return (output * target).sum(axis=-1)


TARGETS_OF_LINEAR = TARGETS[SquaredError]


def linear_case(scale: float, **settings) -> Subject:
    return subject_of(WeightProblem, (), objective=LinearLoss, target=TARGETS_OF_LINEAR, scale=scale, **settings)


@pytest.mark.parametrize("scale", [1e-2, 10.0])
def test_weight_credit_on_a_linear_loss_is_the_projection_on_its_direction(scale):
    subject = linear_case(scale, weight=WEIGHT)
    share = WEIGHT / WEIGHT.sum()
    g = np.concatenate([((X * share[:, None]).T @ TARGETS_OF_LINEAR).ravel(), share @ TARGETS_OF_LINEAR])
    for update in range(5):
        estimate = subject.estimate(update=update).credit  # (xi @ g) * xi with xi of signs, so |xi @ g| everywhere
        size = np.abs(estimate[0])
        np.testing.assert_allclose(np.abs(estimate), size, rtol=1e-10)
        assert (estimate / size) @ g == pytest.approx(size, rel=1e-10)


def test_weight_credit_on_a_linear_loss_does_not_depend_on_the_scale():
    small, large = (linear_case(scale, n_perturbations=7).estimate().credit for scale in (1e-2, 10.0))
    np.testing.assert_allclose(small, large, rtol=0, atol=1e-12)


# ---- penalty, weights, order ----


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_the_penalty_is_part_of_the_losses_and_of_their_credit(weight):
    subject = subject_of(hidden=(7,), alpha=3.0, weight=weight)
    np.testing.assert_allclose(subject.estimate().credit, gradient(subject), rtol=0, atol=1e-6)
    free = subject_of(hidden=(7,), weight=weight)
    n_weights = FEATURES * 7 + 7 * OUTPUTS
    expected = 3.0 / 2 * (free.params[:n_weights] ** 2).sum() / (N if weight is None else weight.sum())
    np.testing.assert_allclose(subject.estimate().losses - free.estimate().losses, expected, rtol=1e-12)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize("mode", MODES)
def test_the_penalty_pulls_the_weights_and_leaves_the_biases(mode, weight):
    free, held = (subject_of(mode, (7, 3), weight=weight, alpha=alpha) for alpha in (0.0, 0.6))
    n_weights = FEATURES * 7 + 7 * 3 + 3 * OUTPUTS
    rows = slice(0, 5)
    expected = 0.6 / (5 if weight is None else weight[rows].sum()) * free.params
    expected[n_weights:] = 0
    pull = held.estimate(rows).credit - free.estimate(rows).credit
    np.testing.assert_allclose(pull, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("objective", list(TARGETS))
@pytest.mark.parametrize("mode", MODES)
def test_a_row_of_weight_two_is_two_rows(mode, objective):
    counts = RNG.permutation([1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3])
    target = TARGETS[objective]
    settings = {"scale": 1e-2, "alpha": 0.1, "n_perturbations": 3}
    weighted = subject_of(mode, DEEP, objective=objective, weight=counts.astype(float), **settings)
    repeated = subject_of(
        mode, DEEP, objective=objective, rows=X.repeat(counts, axis=0), target=target.repeat(counts, axis=0), **settings
    )
    one, other = weighted.estimate(update=3), repeated.estimate(update=3)
    assert_close(one, other)
    assert one.losses @ counts == pytest.approx(other.losses.sum(), rel=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_the_order_of_the_rows_does_not_matter(mode):
    subject = subject_of(mode, DEEP, weight=WEIGHT, n_perturbations=3, scale=1e-2)
    order = np.random.default_rng(2).permutation(N)
    straight, permuted = subject.estimate(np.arange(N), 3), subject.estimate(order, 3)
    assert_close(straight, permuted)
    np.testing.assert_allclose(permuted.losses, straight.losses[order], rtol=0, atol=1e-12)


@pytest.mark.parametrize("matrix", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("mode", MODES)
def test_a_batch_is_what_its_rows_alone_would_be(mode, matrix):
    rows = np.array([7, 8, 9, 10])
    whole = subject_of(mode, DEEP, rows=matrix(X), weight=WEIGHT)
    alone = subject_of(mode, DEEP, rows=matrix(X[rows]), target=TARGETS[SoftmaxLoss][rows], weight=WEIGHT[rows])
    assert_same_bits(whole.estimate(rows), alone.estimate())
    assert_same_bits(whole.estimate(slice(7, 11)), alone.estimate())


@pytest.mark.parametrize("mode", MODES)
def test_sparse_rows_are_as_good_as_dense_ones(mode):
    dense, thin = (
        subject_of(mode, DEEP, rows=rows, n_perturbations=3, scale=1e-2) for rows in (X, sparse.csr_array(X))
    )
    one, other = dense.estimate(), thin.estimate()
    assert_close(one, other)
    np.testing.assert_allclose(one.losses, other.losses, rtol=0, atol=1e-12)


# ---- bits, books, types ----


@pytest.mark.parametrize("mode", JUDGED)
def test_noise_is_a_function_of_seed_and_update(mode):
    subject = subject_of(mode, DEEP, n_perturbations=2)
    updates = [0, 1, _node.TABLE_LIFE, 10 * _node.TABLE_LIFE]
    estimates = {update: subject.estimate(update=update) for update in updates}
    for update in (*reversed(updates), 0):
        assert_same_bits(subject.estimate(update=update), estimates[update])
        assert_same_bits(subject_of(mode, DEEP, n_perturbations=2).estimate(update=update), estimates[update])
    different = [*estimates.values(), subject_of(mode, DEEP, n_perturbations=2, seed=6).estimate()]
    assert len({estimate.credit.tobytes() for estimate in different}) == 5


def test_layers_have_noise_of_their_own():
    problem = subject_of(hidden=DEEP).problem
    ids = problem.data.ids
    draws = [problem.directions(layer, 0, draw, ids) for layer in (0, 1) for draw in (0, 1)]
    assert len({signs.tobytes() for signs in draws}) == 4


@pytest.mark.parametrize("rows", [X, sparse.csr_array(X)], ids=["dense", "sparse"])
@pytest.mark.parametrize(("members", "n_chunks"), [(0, 10), (1, 10), (3, 4), (10, 1), (1000, 1)])
def test_chunks_of_members_give_the_same_bits(members, n_chunks, rows, monkeypatch):
    subject = subject_of(WeightProblem, DEEP, rows=rows, n_perturbations=10)
    monkeypatch.setattr(_weight, "CHUNK_BYTES", 10**9)
    whole = subject.estimate()
    monkeypatch.setattr(_weight, "CHUNK_BYTES", 8 * members * len(subject.params))
    assert len(range(0, 10, subject.problem.n_at_once(N))) == n_chunks
    assert_same_bits(subject.estimate(), whole)


class CountingRows(SoftmaxLoss):
    """Counts the losses it is asked for."""

    n_evaluations = 0

    def values(self, output, target):
        losses = super().values(output, target)
        self.n_evaluations += losses.size
        return losses

    def difference(self, prediction, moved, target):
        losses = super().difference(prediction, moved, target)
        self.n_evaluations += 2 * losses.size
        return losses

    def credit(self, prediction, target, scale):
        credit = super().credit(prediction, target, scale)
        self.n_evaluations += 2 * credit.size
        return credit


@pytest.mark.parametrize(
    ("mode", "hidden", "draws", "members"),
    [
        (NodeProblem, (), 1, 1 + 2 * OUTPUTS),
        (NodeProblem, (7,), 1, 1 + 2 * OUTPUTS + 2 * 7),
        (NodeProblem, WIDE, 3, 1 + 2 * OUTPUTS + 3 * 2 * 10),  # ten groups of four units
        (NodeProblem, DEEP, 3, 1 + 2 * OUTPUTS + 3 * 2 * (10 + 1)),  # and one group below
        (FeedbackProblem, DEEP, 3, 1 + 2 * OUTPUTS),
        (WeightProblem, (), 3, 1 + 2 * 3),
        (WeightProblem, DEEP, 5, 1 + 2 * 5),
    ],
)
def test_evaluations_are_counted(mode, hidden, draws, members):
    subject = subject_of(mode, hidden, objective=CountingRows, target=TARGETS[SoftmaxLoss], n_perturbations=draws)
    assert subject.estimate().n_evaluations == members * N
    assert subject.problem.objective.n_evaluations == members * N


@pytest.mark.parametrize("mode", MODES)
def test_the_losses_of_an_estimate_are_those_of_its_parameters(mode):
    subject = subject_of(mode, DEEP, weight=WEIGHT, alpha=1.0)
    expected = subject.problem.losses(subject.params, subject.problem.batch(slice(None)))
    np.testing.assert_allclose(subject.estimate().losses, expected, rtol=1e-12)


@pytest.mark.parametrize("objective", list(TARGETS))
@pytest.mark.parametrize("mode", MODES)
def test_float32_stays_float32(mode, objective):
    settings = {"weight": WEIGHT.astype(np.float32), "scale": 1e-2, "alpha": 0.1}
    single = subject_of(mode, DEEP, objective=objective, dtype=np.float32, **settings).estimate()
    double = subject_of(mode, DEEP, objective=objective, rows=X.astype(np.float32), **settings).estimate()
    np.testing.assert_allclose(single.credit, double.credit, rtol=1e-2, atol=1e-3)
    assert {array.dtype for array in (single.credit, single.losses, *single.memory)} == {np.dtype(np.float32)}


@pytest.mark.parametrize("objective", list(TARGETS))
def test_no_step_of_an_objective_leaves_float32(objective):
    loss, target = objective(), TARGETS[objective].astype(np.float32)
    prediction = loss.predict(X[:, :OUTPUTS].astype(np.float32))
    moved = np.full((2, N, OUTPUTS), 0.01, dtype=np.float32)
    results = [
        prediction,
        loss.values(moved, target),
        loss.difference(prediction, moved, target),
        loss.credit(prediction, target, 0.01),
    ]
    assert [array.dtype for array in results] == [np.dtype(np.float32)] * 4


@pytest.mark.parametrize("mode", MODES)
def test_nothing_that_is_passed_in_is_changed(mode):
    subject = subject_of(mode, DEEP, weight=WEIGHT, alpha=0.1)
    problem, params = subject
    memory = subject.estimate().memory
    batch = problem.batch(np.arange(N))
    arrays = [params, *memory, batch.X, batch.target, batch.ids, batch.share]
    before = [array.copy() for array in arrays]
    problem.credit(params, memory, batch, 1)
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)
