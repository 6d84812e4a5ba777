"""Activations of the user's own and by layer: what is refused, what they compute, how they train."""

import inspect
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils import estimator_html_repr

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor
from skdopamine._mlp import network as _network
from skdopamine._mlp.activations import ACTIVATIONS, PROBES, layer_activations, same_activations
from skdopamine._mlp.network import Network
from skdopamine._mlp.node import NodeProblem
from skdopamine._mlp.problem import make_data
from skdopamine._objectives.base import SquaredError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

PAGE = (Path(__file__).parents[2] / "doc" / "parameters.md").read_text(encoding="utf-8")
PERTURBATIONS = pytest.mark.parametrize("perturbation", ["node", "weight"])


def softsign(z):
    return z / (1 + np.abs(z))


def hard(z):
    return z > 0  # not a float


def in_place(z):
    z *= 2
    return z


def published_by_hand(model, X, functions):
    """Outputs of the published layers."""
    *hidden, (weight, bias) = zip(model.coefs_, model.intercepts_, strict=True)
    for function, (below, shift) in zip(functions, hidden, strict=True):
        X = function(X @ below + shift)
    return X @ weight + bias


BAD_FUNCTIONS = {
    "raises": (lambda z: z.no_such_attribute, "no_such_attribute"),
    "two dimensions only": (lambda z: z.reshape(z.shape[0], z.shape[1]), r"turns shape \(1, 1, 1, 1, 1\) into"),
    "not finite": (np.log, "nan|inf"),
    "not finite at zero": (lambda z: 1 / z, "inf at 0"),
    "overflow of float32": (lambda z: np.exp(z * z), "inf"),
    "in place": (in_place, "in place"),
    "one number": (np.mean, r"shape \(9, 7\) into \(\)"),
    "no array": (lambda z: "blue", r"shape \(9, 7\) into \(\)"),
    "complex": (lambda z: z + 0j, "complex"),
    "normalised over all": (lambda z: z / np.abs(z).max(), "beside others"),
    "normalised by row": (lambda z: z - z.mean(axis=-1, keepdims=True), "beside others"),
    "sorted": (lambda z: np.sort(z, axis=-1), "beside others"),
    "running": (lambda z: np.maximum.accumulate(z, axis=-1), "beside others"),
    "by column": (lambda z: z * np.arange(1, z.shape[-1] + 1), "beside others"),
    "random": (lambda z: z + np.random.default_rng().normal(size=z.shape), "beside others"),
}


@pytest.mark.parametrize("case", BAD_FUNCTIONS)
@pytest.mark.parametrize("place", ["all layers", "second layer"])
def test_bad_functions_are_refused_by_name_before_anything_is_computed(task, case, place):
    function, fault = BAD_FUNCTIONS[case]
    activation = function if place == "all layers" else ["relu", function]
    model = task.make(hidden_layer_sizes=(4, 4), activation=activation)
    with pytest.raises(ValueError, match=rf"(?s)^activation .*{re.escape(repr(function))}.*({fault})"):
        model.fit(task.X[:, :0], task.y)  # no columns: the next thing to complain of
    assert not hasattr(model, "n_features_in_")


@pytest.mark.parametrize(
    "activation", [[], ["relu"], ("relu", "relu", "relu"), ["relu", "soft"], ["relu", 3], [["relu"]] * 2]
)
def test_bad_lists(task, activation):
    got = activation if len(activation) != 2 else activation[-1]
    with pytest.raises(ValueError, match=rf"^activation .*got {re.escape(repr(got))}"):
        task.make(hidden_layer_sizes=(4, 4), activation=activation).fit(task.X, task.y)


@pytest.mark.parametrize("hidden", [(), (8,), (6, 5)])
@PERTURBATIONS
def test_one_name_for_all_layers_is_the_list_of_it(task, assert_same_model, hidden, perturbation):
    make = task.make
    whole = make(hidden_layer_sizes=hidden, activation="tanh", perturbation=perturbation).fit(task.X, task.y)
    parts = make(hidden_layer_sizes=hidden, activation=["tanh"] * len(hidden), perturbation=perturbation)
    assert_same_model(whole, parts.fit(task.X, task.y))


@pytest.mark.parametrize(("function", "name"), [(np.tanh, "tanh"), (hard, "step")])
@PERTURBATIONS
def test_a_callable_trains_as_the_name_it_stands_for(task, assert_same_model, function, name, perturbation):
    settings = {"hidden_layer_sizes": (6, 5), "perturbation": perturbation}
    own, named = (task.make(activation=a, **settings).fit(task.X, task.y) for a in (function, name))
    assert_same_model(own, named)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_prediction_is_that_of_the_layers_own_functions(make_task, dtype):
    make, X, y = make_task("multioutput", dtype=dtype)
    model = make(hidden_layer_sizes=(6, 5, 4), activation=("relu", softsign, "step")).fit(X, y)
    functions = [ACTIVATIONS["relu"].function, softsign, hard]
    np.testing.assert_allclose(
        model.predict(X), published_by_hand(model, X, functions), rtol=1e-5 if dtype == np.float32 else 1e-12
    )
    assert model.predict(X).dtype == dtype


def test_a_callable_of_another_dtype_leaves_that_of_x(make_task):
    make, X, y = make_task("regression", dtype=np.float32)
    model = make(activation=lambda z: np.tanh(z.astype(np.float64))).fit(X, y)
    assert {array.dtype for array in (*model.coefs_, *model.intercepts_, model.predict(X))} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("function", "scale"),
    [
        *[(np.tanh, 0.01), (np.sin, 0.01), (softsign, 0.01), (lambda z: np.exp(-z * z), 0.01)],
        *[(lambda z: np.clip(z, -0.5, 0.5), 0.01), (lambda z: np.full_like(z, 3.0), 0.01)],
        *[(np.sign, 0.5), (hard, 0.5), (np.round, 0.5), (lambda z: np.broadcast_to(z > 1, z.shape), 0.5)],
    ],
)
def test_automatic_scale_is_coarse_for_steps_only(function, scale):
    activation = layer_activations(function, 1)[0]
    assert activation.scale == scale
    response = activation.response(PROBES, 0.5)
    np.testing.assert_allclose(response, np.subtract(function(PROBES + 0.5), function(PROBES - 0.5), dtype=float))
    np.testing.assert_array_equal(activation.audible(response, np.empty_like(response)), response != 0)


def test_each_hidden_layer_is_perturbed_on_its_own_scale():
    X, target = np.random.default_rng(0).standard_normal((2, 50, 3))
    network = Network((3, 6, 5, 3), layer_activations(["step", "tanh"], 2)[:-1])
    params = _network.init_params(network, 6.0, np.random.default_rng(1), np.float64)

    def credit(**scales):
        settings = {"alpha": 0.0, "n_perturbations": 1, "seed": 0}
        problem = NodeProblem(network, SquaredError(), make_data(X, target, None), **settings, **scales)
        estimate = problem.credit(params, problem.init_memory(), problem.batch(slice(None)), 0)
        return _network.unpack(network, estimate.credit)[0]

    coarse, fine, mixed = credit(scale=0.5), credit(scale=0.01), credit(scale=0.01, hidden_scales=(0.5, 0.01))
    # of the squared error the outputs' credit is the same on every scale, so layers have theirs from their own alone
    np.testing.assert_array_equal(mixed[0], coarse[0])
    np.testing.assert_array_equal(mixed[1], fine[1])
    assert not np.array_equal(coarse[1], fine[1])


@pytest.mark.parametrize(
    ("perturbation", "same_as"), [("node", []), ("weight", [0.5])], ids=["by layer", "the largest for all"]
)
def test_automatic_scales_of_mixed_layers(task, perturbation, same_as):
    def coefs(scale):
        settings = {"activation": ["step", "tanh"], "perturbation": perturbation, "perturbation_scale": scale}
        return np.concatenate(
            [c.ravel() for c in task.make(hidden_layer_sizes=(6, 5), **settings).fit(*task[1:]).coefs_]
        )

    assert [scale for scale in (0.01, 0.5) if np.array_equal(coefs(scale), coefs("auto"))] == same_as


def test_initial_weights_have_the_gain_of_their_layer(task):
    model = task.make(
        hidden_layer_sizes=(200, 200),
        activation=["logistic", "relu"],
        learning_rate_init=1e-12,
        learning_rate="constant",
        max_iter=1,
    )
    model.fit(task.X, task.y)
    widths = [np.abs(coef).max() for coef in model.coefs_]
    np.testing.assert_allclose(widths, [np.sqrt(2 / 205), np.sqrt(6 / 400), np.sqrt(6 / 201)], rtol=0.02)


def test_hidden_units_of_a_step_net_are_hard(make_task):
    make, X, y = make_task("multiclass", n=200)
    model = make(hidden_layer_sizes=(40, 20), activation="step", max_iter=200).fit(X, y)
    assert model.score(X, y) > 0.85
    outputs = published_by_hand(model, X, [lambda z: np.where(z > 0, 1.0, 0.0)] * 2)
    np.testing.assert_array_equal(model.predict(X), outputs.argmax(axis=1))
    # nothing softer than on and off reaches the output: so many units, so many patterns of them
    assert len(np.unique(model.predict_proba(X), axis=0)) <= len(
        np.unique(X @ model.coefs_[0] + model.intercepts_[0] > 0, axis=0)
    )


@pytest.mark.parametrize("activation", [np.sin, hard, ["step", softsign], ["relu", "sign"]])
@PERTURBATIONS
def test_they_learn(make_task, activation, perturbation):
    make, X, y = make_task("binary", n=300)
    model = make(hidden_layer_sizes=(30, 20), activation=activation, max_iter=200, perturbation=perturbation)
    assert model.fit(X, y).score(X, y) > (0.9 if perturbation == "node" else 0.75)


@pytest.mark.parametrize("activation", [np.tanh, softsign, ["relu", softsign], ("step", "tanh")])
def test_parameters_survive_clone_repr_and_pickle(task, activation, assert_same_model):
    model = task.make(hidden_layer_sizes=(4, 4), activation=activation)
    assert clone(model).get_params() == model.get_params()
    assert clone(model).get_params()["activation"] == activation
    assert "activation=" in repr(model)
    assert "activation" in estimator_html_repr(model)
    model.fit(task.X, task.y)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(task.X), model.predict(task.X))
    assert_same_model(clone(copy).fit(task.X, task.y), model)


def test_grid_search_over_activations_with_two_jobs(task):
    grid = {"activation": ["relu", softsign, lambda z: z**2, ["relu"], (np.tanh,)]}
    search = GridSearchCV(task.make(), grid, cv=2, n_jobs=2, error_score="raise").fit(task.X, task.y)
    assert [p["activation"] for p in search.cv_results_["params"]] == grid["activation"]
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_documented(name):
    texts = [re.search(r"^\| `activation` \|.*$", PAGE, re.MULTILINE)[0]]
    for estimator in (DopamineMLPClassifier, DopamineMLPRegressor):
        doc = inspect.getdoc(estimator)
        texts.append(re.search(r"^activation : .*?(?=^\w)", doc, re.MULTILINE | re.DOTALL)[0])
    assert [f'"{name}"' in text for text in texts] == [True] * 3


def test_same_activations_are_those_with_the_same_values():
    assert same_activations("tanh", np.tanh, 2)
    assert same_activations(["tanh", "relu"], (np.tanh, lambda z: np.maximum(z, 0)), 2)
    assert same_activations("tanh", "relu", 0)
    assert not same_activations("relu", lambda z: np.clip(z, 0, 6), 1)
    assert not same_activations(["tanh", "relu"], ["relu", "tanh"], 2)
    for name in ACTIVATIONS:
        assert [other for other in ACTIVATIONS if same_activations(name, other, 1)] == [name]
