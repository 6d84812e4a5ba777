"""Where a training stands, and how it goes on."""

import copy
import pickle
import warnings
from itertools import pairwise

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor
from skdopamine._estimator.history import History
from skdopamine._mlp import network as _network
from skdopamine._mlp.activations import ACTIVATIONS
from skdopamine._mlp.base import DopamineMLP
from skdopamine._mlp.network import Network
from skdopamine._mlp.node import NodeProblem
from skdopamine._mlp.problem import make_data
from skdopamine._mlp.training import Training
from skdopamine._mlp.units import Units
from skdopamine._mlp.weight import WeightProblem
from skdopamine._objectives.registry import LossOptions, find_loss
from skdopamine._training.learning_rate import Constant
from skdopamine._training.trainer import Ending, Epoch, Result
from skdopamine._training.update import Anchor, TrainState, init_state

PARAMS, BEST = np.arange(5.0), np.ones(5)
quietly = pytest.mark.filterwarnings("ignore:Maximum iterations")


class Problem:
    """A problem with critics of this shape."""

    def __init__(self, shape):
        self.shape = shape

    def init_memory(self):
        return (np.zeros(self.shape),)


@pytest.fixture
def training():
    rule = Constant(0.1)
    state = init_state(PARAMS, Problem((2, 3)), rule)
    state = state._replace(memory=(np.ones((2, 3)),), rate=state.rate._replace(update=7))
    return Training(state, rule, (1, 2, 1), Units(), 3, History(), 4)


def test_a_state_that_still_fits_is_kept(training):
    resumed = training.resumed(Problem((2, 3)), Constant(0.1))
    assert resumed.state.memory[0] is training.state.memory[0]
    assert resumed.state.rate == training.state.rate


def test_another_credit_rule_begins_with_its_own_critics_and_another_rate_with_its_own_start(training):
    resumed = training.resumed(Problem((4,)), Constant(0.2))
    np.testing.assert_array_equal(resumed.state.memory[0], np.zeros(4))
    assert resumed.rule == Constant(0.2)
    assert resumed.state.rate == Constant(0.2).init()
    assert resumed.state.params is PARAMS


@pytest.mark.parametrize("ending", Ending)
def test_the_best_parameters_are_gone_on_from(training, ending):
    history = History().extended([Epoch(1.0, 0.0, 0.1)] * 2)
    state = training.state._replace(steps=9, anchor=Anchor(PARAMS, (), 1))
    new = training.after(Result(state, BEST, [Epoch(1.0, 0.0, 0.1)] * 2, ending), Problem((2, 3)), history)
    assert new.state.params is BEST
    assert new.state.anchor is None  # it was an update of other parameters
    assert new.state.steps == (0 if ending is Ending.DIVERGED else 9)
    assert (new.history, new.n_epochs) == (history, 6)


def test_the_last_parameters_keep_their_anchor(training):
    state = training.state._replace(anchor=Anchor(BEST, (), 1))
    new = training.after(Result(state, PARAMS, [], Ending.CONVERGED), Problem((2, 3)), training.history)
    assert new.state is state


def test_hollow_training_holds_no_arrays_and_all_else(training):
    hollow = training.hollow()
    assert sum(array.size for array in (*hollow.state[:3], *hollow.state.memory)) == 0
    assert hollow._replace(state=training.state) == training


# ---- in the estimator ----


@quietly
def test_all_private_state_is_one_attribute(task):
    model = task.make(max_iter=2).fit(task.X, task.y)
    private = {name for name in vars(model) if name.startswith("_") and "callback" not in name}
    assert private - {"_label_binarizer"} == {"_training"}
    other = pickle.loads(pickle.dumps(model))
    assert not hasattr(clone(model), "_training")
    for stream in (model, other):
        stream.partial_fit(task.X, task.y)
    assert model.loss_curve_ == other.loss_curve_
    assert len(model.loss_curve_) == 3


CURVES = ("loss_curve_", "learning_rate_curve_", "reward_prediction_error_curve_")


def curves(model):
    return [getattr(model, name) for name in CURVES]


@quietly
def test_a_curve_that_somebody_holds_does_not_change(task):
    model = task.make(max_iter=2, warm_start=True).fit(task.X, task.y)
    held, other, before = curves(model), copy.copy(model), copy.deepcopy(curves(model))
    for _ in range(2):
        model.partial_fit(task.X, task.y)
    model.fit(task.X, task.y)
    assert held == curves(other) == before
    assert [len(curve) for curve in curves(model)] == [6] * 3
    assert all(longer[:2] == curve for longer, curve in zip(curves(model), before, strict=True))
    other.partial_fit(task.X, task.y)
    assert len(other.loss_curve_) == 3


@quietly
def test_an_error_at_the_end_of_partial_fit_leaves_the_curves_as_they_were(task, monkeypatch):
    model = task.make(max_iter=2).fit(task.X, task.y)
    before, attributes = copy.deepcopy(curves(model)), set(vars(model))

    def fail(*args):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(type(model), "_traces", fail)
        with pytest.raises(MemoryError):
            model.partial_fit(task.X, task.y)
    assert curves(model) == before
    assert set(vars(model)) == attributes
    model.partial_fit(task.X, task.y)
    assert [len(curve) for curve in curves(model)] == [3] * 3


@pytest.mark.parametrize("name", CURVES)
def test_there_is_no_curve_before_fit(task, name):
    assert not hasattr(task.make(), name)
    with pytest.raises(NotFittedError):
        getattr(task.make(), name)


def test_an_error_leaves_the_training_as_it_was(task):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = task.make(max_iter=2).fit(task.X, task.y)
    before = copy.copy(model._training)
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        model.set_params(hidden_layer_sizes=(9, 9)).partial_fit(task.X, task.y)
    assert all(one is other for one, other in zip(model._training, before, strict=True))


def test_warnings_point_to_the_call(task):
    with pytest.warns(ConvergenceWarning, match="max_iter=2") as caught:
        task.make(max_iter=2).fit(task.X, task.y)
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("cls", [DopamineMLPClassifier, DopamineMLPRegressor])
@pytest.mark.parametrize("name", sorted(DopamineMLP.__abstractmethods__))
def test_an_estimator_without_one_of_its_methods_is_not_built(cls, name):
    lacking = type("Lacking", (cls,), {name: getattr(DopamineMLP, name)})
    with pytest.raises(TypeError, match=name):
        lacking()


# ---- other units ----


@pytest.mark.parametrize("perturbation", [NodeProblem, WeightProblem])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "absolute_error", "poisson"])
def test_credit_in_other_units_is_the_same_credit(loss, perturbation):
    rng = np.random.default_rng(0)
    X, entry = rng.standard_normal((20, 3)), find_loss(loss, "regression")
    target, layers = np.exp(rng.standard_normal((20, 1))), (3, 4, 4, 1)
    network = Network(layers, (ACTIVATIONS["tanh"],) * 2)
    old = Units.of(target, None, link=entry.link)
    new = old._replace(scale=old.scale / 8, knee=old.knee * 8)
    if entry.link == "identity":
        new = new._replace(offset=old.offset + 3)

    def credit(units, params, memory):
        objective = entry.make(LossOptions(knee=units.knee))
        data = make_data(X, target, None, units)
        problem = perturbation(network, objective, data, alpha=0.0, scale=1e-6, n_perturbations=1, seed=1)
        return problem.credit(params, memory, problem.batch(slice(None)), 3)

    params, rule = rng.standard_normal(sum((a + 1) * b for a, b in pairwise(layers))), Constant(0.1)
    memory = (rng.standard_normal((4, 4)), rng.standard_normal((1, 4))) if perturbation is NodeProblem else ()
    before = credit(old, params, memory)
    state = TrainState(params, before.credit, before.credit**2, memory, rule.init())
    state = state._replace(anchor=Anchor(2 * params, memory, 5))
    degree = entry.make(LossOptions()).degree
    kept = Training(state, rule, layers, old, 3, History()).counted_in(new, np.array([True]), params, degree)
    after = credit(new, kept.state.params, kept.state.memory)
    scale = new.of_loss(degree) / old.of_loss(degree)
    np.testing.assert_allclose(after.losses * scale, before.losses, rtol=1e-9)
    if perturbation is NodeProblem and loss != "absolute_error":  # its kink is rounded off in units of the targets
        np.testing.assert_allclose(kept.state.credit_mean, after.credit, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(kept.state.credit_square, after.credit**2, rtol=1e-3, atol=1e-6)
    once, twice = (_network.unpack(network, p)[0] for p in (kept.state.params, kept.state.anchor.params))
    for weight, double in zip(once, twice, strict=True):
        np.testing.assert_allclose(double, 2 * weight, rtol=1e-12)
