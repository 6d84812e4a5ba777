"""One table: every learning-rate rule times every perturbation mode times every toy problem times every property."""

import copy
import pickle
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest

from skdopamine._mlp import network as _network
from skdopamine._mlp.activations import ACTIVATIONS
from skdopamine._mlp.modes import MODES, Options
from skdopamine._mlp.network import Network
from skdopamine._mlp.problem import make_data
from skdopamine._objectives.base import LogisticLoss, Objective, SoftmaxLoss, SquaredError
from skdopamine._training import trainer as _trainer
from skdopamine._training import update as _update
from skdopamine._training.learning_rate import Constant, Dopamine, InvScaling, Promised

N_EPOCHS = 60
RULES = {"dopamine": Dopamine(0.01, ceiling=0.05), "constant": Constant(0.02), "invscaling": InvScaling(0.1, 0.4)}
PROMISED, WHOLE = "promised", "whole"  # the rule and the rows of weight perturbation, where a batch has all rows
PERTURBATIONS = {"node": 1, "weight": 24}  # of an update; other rules have as many as they choose


class Toy(NamedTuple):
    network: Network
    objective: Objective
    X: np.ndarray
    target: np.ndarray
    batch_size: int
    falls_to: float  # share of the first loss that is left at the end, at most


def linear() -> Toy:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    target = X @ np.array([[0.5], [-1.0], [0.3]]) + 0.2 + 0.05 * rng.normal(size=(60, 1))
    return Toy(Network((3, 1), ()), SquaredError(), X, target, 20, 0.01)


def xor() -> Toy:
    X = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    return Toy(
        Network((2, 20, 1), (ACTIVATIONS["tanh"],)), LogisticLoss(), X, (X.prod(axis=1) < 0)[:, None] * 1.0, 4, 0.3
    )


def blobs() -> Toy:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    X = np.array([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]])[labels] + 0.5 * rng.normal(size=(60, 2))
    return Toy(Network((2, 20, 3), (ACTIVATIONS["relu"],)), SoftmaxLoss(), X, np.eye(3)[labels], 20, 0.03)


TOYS = {"linear": linear(), "xor": xor(), "blobs": blobs()}
TABLE = [*product(RULES, MODES, TOYS), *product([PROMISED], [WHOLE], TOYS)]
RULES[PROMISED] = Promised(0.01)
each = pytest.mark.parametrize(("rule", "mode", "toy"), TABLE, ids=["-".join(row) for row in TABLE])


def make_problem(mode: str, toy: str, seed: int) -> Any:
    network, objective = TOYS[toy].network, TOYS[toy].objective
    data = make_data(TOYS[toy].X, TOYS[toy].target, None)
    scales = [1e-2] * (len(network.units) - 1)
    whole = mode == WHOLE
    name = "weight" if whole else mode
    options = Options(scales, None if whole else 1e-2, PERTURBATIONS.get(name), None, 1e-4, seed, whole)
    return MODES[name].make(network, objective, data, options)


def make_settings(rule: str, toy: str, seed: int) -> _update.Settings:
    return _update.Settings(
        n_epochs=N_EPOCHS,
        schedule=N_EPOCHS if rule == "dopamine" else 0,
        first_epoch=0,
        batch_size=len(TOYS[toy].X) if rule == PROMISED else TOYS[toy].batch_size,
        normalised=rule != PROMISED,
        promises=rule == PROMISED,
        nominal_batch=TOYS[toy].batch_size,
        shuffle=True,
        momentum=0.9,
        tol=0.0,
        n_iter_no_change=N_EPOCHS,
        seed=seed,
    )


def make_state(rule: str, mode: str, toy: str) -> _update.TrainState:
    params = _network.init_params(TOYS[toy].network, 6.0, np.random.default_rng(0), np.float64)
    return _update.init_state(params, make_problem(mode, toy, 0), RULES[rule])


def train_on_toy(rule: str, mode: str, toy: str, seed: int = 0, **settings) -> _trainer.Result:
    problem, state = make_problem(mode, toy, seed), make_state(rule, mode, toy)
    return _trainer.train(problem, RULES[rule], state, make_settings(rule, toy, seed)._replace(**settings))


trained = cache(train_on_toy)  # what several properties look at, and none changes


def loss(mode: str, toy: str, params: np.ndarray) -> float:
    problem = make_problem(mode, toy, 0)
    return float(problem.losses(params, problem.batch(slice(None))).mean())


@each
def test_the_loss_falls(rule, mode, toy):
    result = trained(rule, mode, toy)
    assert (result.reason, len(result.epochs)) == ("exhausted", N_EPOCHS)
    start = loss(mode, toy, make_state(rule, mode, toy).params)
    assert loss(mode, toy, result.best_params) < TOYS[toy].falls_to * start
    middle = np.median if rule == PROMISED else np.mean  # its rate rises until a step makes the loss jump
    assert middle([epoch.reward_prediction_error for epoch in result.epochs[:20]]) > 0


@each
def test_the_best_parameters_are_those_of_the_lowest_loss(rule, mode, toy):
    result = train_on_toy(rule, mode, toy, n_epochs=15)
    losses = [epoch.loss for epoch in result.epochs]
    if rule == PROMISED:  # a loss is that before the update, and the last one is looked at
        losses = [*losses, loss(mode, toy, result.state.params)]
        until = train_on_toy(rule, mode, toy, n_epochs=int(np.argmin(losses)))
    else:
        until = train_on_toy(rule, mode, toy, n_epochs=int(np.argmin(losses)) + 1)
    np.testing.assert_array_equal(result.best_params, until.state.params)
    assert loss(mode, toy, result.best_params) <= losses[0]


@each
def test_the_same_seed_gives_the_same_bits(rule, mode, toy):
    result, again = (train_on_toy(rule, mode, toy, n_epochs=10) for _ in range(2))
    np.testing.assert_array_equal(again.best_params, result.best_params)
    np.testing.assert_array_equal(again.state.params, result.state.params)
    assert again.epochs == result.epochs


@each
def test_another_seed_gives_other_bits(rule, mode, toy):
    short = {"n_epochs": 3} if rule == PROMISED else {"n_epochs": 1, "batch_size": 2}
    one, other = (train_on_toy(rule, mode, toy, seed, **short) for seed in (0, 1))
    assert not np.array_equal(one.state.params, other.state.params)


@each
def test_everything_is_finite(rule, mode, toy):
    result = trained(rule, mode, toy)
    state = result.state
    for array in (result.best_params, state.params, state.credit_mean, state.credit_square, *state.memory):
        assert np.isfinite(array).all()
    assert (state.credit_square >= 0).all()
    numbers = [number for epoch in result.epochs for number in epoch[:3]]
    assert np.isfinite(numbers).all()
    assert min(epoch.learning_rate for epoch in result.epochs) > 0


@each
def test_the_books_add_up(rule, mode, toy):
    state = trained(rule, mode, toy).state
    batch_size = make_settings(rule, toy, 0).batch_size
    n_batches = len(TOYS[toy].X) // batch_size
    assert state.update == N_EPOCHS * n_batches
    assert rule == PROMISED or state.update - 2 * state.undone <= state.steps <= state.update - state.undone
    per_update = state.n_evaluations / (state.update * batch_size)
    problem = make_problem(mode, toy, 0)
    batch = problem.batch(slice(0, batch_size))
    estimate = problem.credit(state.params, state.memory, batch, 0)
    members = estimate.n_evaluations / batch_size
    assert members < per_update < members + 1  # some updates are judged, which takes one more


@each
def test_the_state_passed_in_stays_as_it_is(rule, mode, toy):
    settings = make_settings(rule, toy, 0)._replace(n_epochs=3, schedule=0)
    state = _trainer.train(make_problem(mode, toy, 0), RULES[rule], make_state(rule, mode, toy), settings).state
    before = copy.deepcopy(state)
    later = _trainer.train(make_problem(mode, toy, 0), RULES[rule], state, settings).state
    assert not np.array_equal(later.params, state.params)
    for array, copied in zip(arrays(state), arrays(before), strict=True):
        np.testing.assert_array_equal(array, copied)
    assert (state.rate, state.update, state.steps) == (before.rate, before.update, before.steps)


@each
def test_a_pickled_state_goes_on_with_the_same_bits(rule, mode, toy):
    settings = make_settings(rule, toy, 0)._replace(n_epochs=4, schedule=0)
    whole = train_on_toy(rule, mode, toy, n_epochs=8, schedule=0)
    half = _trainer.train(make_problem(mode, toy, 0), RULES[rule], make_state(rule, mode, toy), settings)
    state = pickle.loads(pickle.dumps(half.state))
    rest = _trainer.train(make_problem(mode, toy, 0), RULES[rule], state, settings._replace(first_epoch=4))
    for array, expected in zip(arrays(rest.state), arrays(whole.state), strict=True):
        np.testing.assert_array_equal(array, expected)
    assert half.epochs + rest.epochs == whole.epochs


def arrays(state: _update.TrainState) -> list[np.ndarray]:
    """All arrays of a state, its anchor's included."""
    own = [state.params, state.credit_mean, state.credit_square, *state.memory]
    return own if state.anchor is None else [*own, state.anchor.params, *state.anchor.memory]


@pytest.mark.parametrize("mode", list(MODES))
def test_dopamine_mends_a_rate_that_is_far_too_small(mode):
    toy, left = "linear", {}
    start = make_state("dopamine", mode, toy)
    for rule in (Dopamine(1e-4, ceiling=0.05), Constant(1e-4)):
        state = start._replace(rate=rule.init())
        result = _trainer.train(make_problem(mode, toy, 0), rule, state, make_settings("dopamine", toy, 0))
        left[type(rule)] = loss(mode, toy, result.state.params) / loss(mode, toy, start.params)
    assert left[Dopamine] < TOYS[toy].falls_to < left[Constant]
