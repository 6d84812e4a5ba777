"""Weight perturbation whose rate is moved by the gain that its credit has promised."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor
from skdopamine._mlp import network as _network
from skdopamine._mlp.activations import ACTIVATIONS
from skdopamine._mlp.network import Network
from skdopamine._mlp.problem import make_data
from skdopamine._mlp.weight import WeightProblem
from skdopamine._objectives.base import LogisticLoss
from skdopamine._training import trainer as _trainer
from skdopamine._training import update as _update
from skdopamine._training.learning_rate import Constant, Dopamine, Promised

XOR = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
LABELS = np.array([0, 1, 1, 0])
MOONS, MOON = make_moons(60, noise=0.2, random_state=0)
NETWORK = Network((2, 5, 1), (ACTIVATIONS["tanh"],))
WEIGHT = np.random.default_rng(0).uniform(0.5, 2, 60)


def problem_of(seed: int = 0, *, alpha: float = 0.0, n_perturbations: int = 1, scale: float = 1e-6) -> WeightProblem:
    data = make_data(MOONS, MOON[:, None] * 1.0, WEIGHT)
    options = {"alpha": alpha, "scale": scale, "n_perturbations": n_perturbations, "seed": seed}
    return WeightProblem(NETWORK, LogisticLoss(), data, promises=True, **options)


PARAMS = _network.init_params(NETWORK, 6.0, np.random.default_rng(1), np.float64)


def loss_of(problem: WeightProblem, params: np.ndarray) -> float:
    batch = problem.batch(slice(None))
    return float(problem.losses(params, batch) @ batch.share[:, 0])


def gain_of(seed: int, **options) -> tuple[float, float]:
    """What a tiny step along the credit gains, per unit of rate, and what the credit had promised."""
    problem, rate = problem_of(seed, **options), 1e-6
    estimate = problem.credit(PARAMS, (), problem.batch(slice(None)), 0)
    return (loss_of(problem, PARAMS) - loss_of(problem, PARAMS - rate * estimate.credit)) / rate, estimate.promised


def test_a_step_along_one_direction_gains_what_is_promised():
    for seed in range(5):
        gain, promised = gain_of(seed)
        assert promised > 0
        assert gain == pytest.approx(promised, rel=1e-3)


@pytest.mark.parametrize(("alpha", "n_perturbations"), [(0.0, 4), (20.0, 1), (20.0, 4)])
def test_steps_of_populations_and_under_a_penalty_gain_it_on_average(alpha, n_perturbations):
    pairs = np.array([gain_of(seed, alpha=alpha, n_perturbations=n_perturbations) for seed in range(400)])
    difference = pairs[:, 0] - pairs[:, 1]
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(len(pairs))
    assert abs(difference.mean()) < 0.1 * pairs[:, 1].mean()


def test_directions_are_tried_on_one_side():
    problem = problem_of(n_perturbations=3, scale=1e-2)
    batch = problem.batch(slice(None))
    estimate = problem.credit(PARAMS, (), batch, 0)
    assert estimate.n_evaluations == (1 + 3) * 60
    np.testing.assert_array_equal(estimate.losses, problem.losses(PARAMS, batch))


def fitted(**params) -> DopamineMLPClassifier:
    return DopamineMLPClassifier((8,), "tanh", perturbation="weight", random_state=0).set_params(**params)


@pytest.mark.parametrize("learning_rate_init", [0.001, 0.003, 0.1, 3.0])
def test_xor_is_solved_from_any_start_of_the_rate(learning_rate_init):
    for seed in range(5):
        model = fitted(learning_rate_init=learning_rate_init, max_iter=600, random_state=seed).fit(XOR, LABELS)
        assert log_loss(LABELS, model.predict_proba(XOR)) < 0.05
        solved = np.flatnonzero(np.array(model.loss_curve_) < 0.05)[0]
        assert solved * 2 * len(XOR) < 4000  # twice as many for the slowest as the median; 8,200 before


@pytest.mark.parametrize(
    ("params", "rule"),
    [
        ({}, Promised),
        ({"loss": "hinge"}, Promised),
        ({"batch_size": 60}, Promised),
        ({"batch_size": 30}, Dopamine),  # minibatches
        ({"activation": "step"}, Dopamine),  # no small step changes the loss
        ({"loss": "f1"}, Dopamine),
        ({"learning_rate": "constant"}, Constant),
        ({"perturbation": "node"}, Dopamine),
        ({"perturbation_scale": 1e-3}, Promised),
        ({"perturbation_scale": 0.3}, Dopamine),  # so far off a slope says nothing
        ({"perturbation_scale": 1e-7}, Dopamine),  # rounding
        ({"dale": True}, Dopamine),  # signs cut steps off that were promised to gain
        ({"monotonic_cst": [1, 0]}, Dopamine),
    ],
    ids=str,
)
def test_promises_need_all_rows_in_a_batch_and_a_loss_with_a_slope(params, rule):
    model = fitted(max_iter=3, **params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(MOONS, MOON)
    assert type(model._training.rule) is rule


def test_many_rows_and_streams_keep_the_rate_of_minibatches():
    X, y = make_moons(201, random_state=0)
    model = fitted(max_iter=1)
    with pytest.warns(ConvergenceWarning):
        model.fit(X, y)
    assert type(model._training.rule) is Dopamine
    assert type(fitted().partial_fit(MOONS, MOON, [0, 1])._training.rule) is Dopamine


@pytest.mark.parametrize(("hidden", "members"), [((2,), 1), ((40,), 4), ((2000,), 64)])
def test_the_population_grows_with_the_network(hidden, members):
    model = fitted(hidden_layer_sizes=hidden, max_iter=1)
    with pytest.warns(ConvergenceWarning):
        model.fit(MOONS, MOON)
    assert model.n_evaluations_ == 60 * (1 + members + 1)  # the last update is looked at


def test_going_back_again_and_again_is_no_divergence(monkeypatch):
    undone, gone_back = [], _update.gone_back
    monkeypatch.setattr(_update, "gone_back", lambda *args: undone.append(args) or gone_back(*args))
    model = fitted(max_iter=1500, n_iter_no_change=np.inf)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(XOR, LABELS)
    assert model.n_iter_ == 1500
    assert len(undone) > _trainer.MAX_UNDONE
    assert model.best_loss_ < 0.01


def test_a_warm_start_on_other_rows_compares_no_loss_of_the_old_ones():
    model = fitted(warm_start=True, max_iter=31)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(MOONS, MOON)
        assert model._training.state.anchor.loss is not None  # the last update is still to be judged
        model.fit(MOONS[:30] * 3, 1 - MOON[:30])  # on which the loss is far higher
    before, after = model.loss_curve_[30:32]
    assert after > 2 * before
    assert abs(model.reward_prediction_error_curve_[31]) < 0.2 * (after - before)


def test_a_stream_goes_on_after_a_fit_and_a_fit_after_a_stream():
    model = fitted(max_iter=300).fit(MOONS, MOON)
    before = model.score(MOONS, MOON)
    for _ in range(20):
        model.partial_fit(MOONS, MOON)
    assert model.score(MOONS, MOON) > before - 0.05
    model.set_params(warm_start=True, max_iter=100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(MOONS, MOON)
    assert model.score(MOONS, MOON) > before - 0.05


def test_weights_of_two_equal_rows_repeated():
    rng = np.random.default_rng(0)
    X, y, counts = rng.normal(size=(40, 3)), rng.normal(size=40), rng.integers(1, 4, 40)
    options = {"perturbation": "weight", "random_state": 0, "max_iter": 50, "batch_size": 200}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        weighted = DopamineMLPRegressor((5,), "tanh", **options).fit(X, y, sample_weight=counts)
        repeated = DopamineMLPRegressor((5,), "tanh", **options).fit(X.repeat(counts, 0), y.repeat(counts))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-6, atol=1e-7)


def test_patience_counts_spells_in_which_all_directions_could_have_been_tried():
    model = fitted(n_iter_no_change=2, tol=1e6, max_iter=2000, learning_rate_init=1.0).fit(MOONS, MOON)
    n_parameters = sum(part.size for part in (*model.coefs_, *model.intercepts_))
    begun = np.flatnonzero(np.array(model.loss_curve_) < 0.5 * model.loss_curve_[0])[0]  # before, it is a plateau
    assert 2 * n_parameters < model.n_iter_ <= begun + 2 * n_parameters + 2


def test_the_rate_does_not_die_of_what_the_curvature_adds_to_slopes():
    X = np.random.default_rng(0).normal(size=(150, 6))
    y = np.sin(X[:, 0]) + X[:, 1] * X[:, 2]
    options = {"perturbation": "weight", "random_state": 0, "max_iter": 600, "n_iter_no_change": np.inf}
    model = DopamineMLPRegressor((50,), **options).fit(X, y)
    assert model.learning_rate_ > 1e-3
    assert model.score(X, y) > 0.9


def test_a_fit_of_single_precision_goes_on_to_learn_other_targets():
    X = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    y = np.sin(2 * X[:, 0])
    options = {"perturbation": "weight", "random_state": 0, "max_iter": 1500, "n_iter_no_change": np.inf}
    model = DopamineMLPRegressor((8,), "tanh", warm_start=True, **options).fit(X, y)
    assert model.fit(X, -y).score(X, -y) > 0.9


def test_what_adam_has_seen_is_counted_by_adam_alone():
    model = fitted(max_iter=200).fit(MOONS, MOON)
    assert model._training.state.steps == 0
    assert model.partial_fit(MOONS, MOON)._training.state.steps == 1
