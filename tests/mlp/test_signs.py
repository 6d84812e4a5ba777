"""Signs of weights: which a network must have, that training keeps them, and what that is good for."""

import copy
import pickle
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from conftest import REPEATABLE
from hypothesis import given, settings
from scipy import sparse
from scipy.special import erf, expit
from sklearn.neural_network import MLPClassifier

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor
from skdopamine._mlp import folds as _folds
from skdopamine._mlp import network as _network
from skdopamine._mlp.activations import ACTIVATIONS, layer_activations
from skdopamine._mlp.folds import FoldsProblem
from skdopamine._mlp.network import Network
from skdopamine._mlp.node import NodeProblem
from skdopamine._mlp.problem import make_data
from skdopamine._mlp.signs import check_signs, make_signs, mean_input, settled, start, thin_out
from skdopamine._objectives.base import SquaredError
from skdopamine._training import trainer as _trainer
from skdopamine._training import update as _update

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((120, 4))
Y = X[:, 0] - X[:, 1] + np.sin(3 * X[:, 2]) + RNG.standard_normal(120)
LABELS = (Y > 0).astype(int)
CST = [1, -1, 0, 1]  # the last feature says nothing of the target
CLASSES = {"classifier": (DopamineMLPClassifier, LABELS), "regressor": (DopamineMLPRegressor, Y)}
KINDS = pytest.mark.parametrize("kind", CLASSES)
SIGNED = pytest.mark.parametrize(
    "signed", [{"dale": True}, {"monotonic_cst": CST}, {"dale": True, "monotonic_cst": CST}]
)
WAYS: dict[str, dict[str, Any]] = {
    "node": {},
    "feedback": {"perturbation": "feedback"},
    "weight": {"perturbation": "weight", "n_perturbations": 2},
    "deep": {"hidden_layer_sizes": (9, 6, 5)},
    "step": {"activation": "step", "hidden_layer_sizes": (9, 6)},
    "folds": {"early_stopping": "auto", "max_iter": 25},
    "early stopping": {"early_stopping": True, "scoring": None},
    "constant rate": {"learning_rate": "constant", "learning_rate_init": 0.3},
}


def fresh(kind: str, signed: dict[str, Any], **params: Any) -> Any:
    cls, _ = CLASSES[kind]
    usual = {"hidden_layer_sizes": (9,), "max_iter": 6, "batch_size": 40, "early_stopping": False, "random_state": 0}
    return cls(**{**usual, **signed, **params})


def signs_of(model: Any, signed: dict[str, Any]) -> np.ndarray:
    """Signs that the parameters of a fitted model must have."""
    units = (*(len(coef) for coef in model.coefs_), model.coefs_[-1].shape[1])
    cst = signed.get("monotonic_cst")
    signs = make_signs(units, None if cst is None else np.asarray(cst), dale=signed.get("dale", False))
    assert signs is not None
    return signs


def wrong(model: Any, signed: dict[str, Any]) -> int:
    params = _network.pack(model.coefs_, model.intercepts_)
    return int((params * signs_of(model, signed) < 0).sum())


# ---- which signs -----------------------------------------------------------------------------------------------------

LAYERS = st.lists(st.integers(1, 5), min_size=0, max_size=4)
CONSTRAINTS = st.lists(st.integers(-1, 1), min_size=1, max_size=4).filter(any)


def layers_of(units: tuple[int, ...], cst: Any, *, dale: bool) -> list[np.ndarray]:
    signs = make_signs(units, None if cst is None else np.array(cst), dale=dale)
    assert signs is not None
    weights, biases = _network.unpack(Network(units, ()), signs)
    assert not any(bias.any() for bias in biases)
    return [weight.astype(int) for weight in weights]


@given(LAYERS, CONSTRAINTS, st.integers(1, 3), st.booleans())
def test_every_path_from_a_feature_has_the_sign_of_its_constraint(hidden, cst, n_outputs, dale):
    weights = layers_of((len(cst), *hidden, n_outputs), cst, dale=dale)
    paths = np.linalg.multi_dot([*weights, np.eye(n_outputs, dtype=int)])  # sum of the signs of all paths
    np.testing.assert_array_equal(paths, np.array(cst)[:, None] * np.full(n_outputs, np.prod(hidden, dtype=int)))
    assert all(weight.all() for weight in weights[1:])


@given(LAYERS.filter(bool), st.one_of(st.none(), CONSTRAINTS))
def test_under_dales_law_all_that_a_unit_feeds_has_its_sign(hidden, cst):
    weights = layers_of((4 if cst is None else len(cst), *hidden, 2), cst, dale=True)
    for weight in weights[1:]:
        assert (np.abs(weight.sum(axis=1)) == weight.shape[1]).all()
    if cst is None:
        assert not weights[0].any()
        for weight in weights[1:]:  # half of them, or one more, excite
            assert weight[:, 0].sum() == len(weight) % 2


def test_signs_by_hand():
    first, second, third = layers_of((3, 2, 2, 1), [1, 0, -1], dale=False)
    np.testing.assert_array_equal(first, [[1, -1], [0, 0], [-1, 1]])
    np.testing.assert_array_equal(second, [[1, -1], [-1, 1]])
    np.testing.assert_array_equal(third, [[1], [-1]])
    first, second, third = layers_of((3, 2, 2, 1), [1, 0, -1], dale=True)
    np.testing.assert_array_equal(second, [[1, 1], [-1, -1]])
    np.testing.assert_array_equal(third, [[1], [1]])


@pytest.mark.parametrize(
    ("units", "cst", "dale"), [((2, 3, 1), None, False), ((2, 3, 1), [0, 0], False), ((2, 1), None, True)]
)
def test_where_nothing_is_asked_for_all_weights_are_free(units, cst, dale):
    assert make_signs(units, None if cst is None else np.array(cst), dale=dale) is None


@given(LAYERS, st.one_of(st.none(), CONSTRAINTS), st.booleans())
def test_a_start_has_the_signs_and_as_much_inhibition_as_excitation(hidden, cst, dale):
    units = (4 if cst is None else len(cst), *hidden, 2)
    network = Network(units, (ACTIVATIONS["relu"],) * len(hidden))
    network = network._replace(signs=make_signs(units, None if cst is None else np.array(cst), dale=dale))
    usual = _network.init_params(network, 6.0, np.random.default_rng(3), np.float32)
    params = start(network, usual)
    assert params.dtype == np.float32
    if network.signs is None:
        assert params is usual
        return
    np.testing.assert_array_equal(params[network.signs == 0], usual[network.signs == 0])
    assert (params * network.signs >= 0).all()
    pairs = zip(*(_network.unpack(network, array)[0] for array in (params, network.signs)), strict=True)
    for weight, sign in list(pairs)[1:]:
        mixed = (sign > 0).any(axis=0) & (sign < 0).any(axis=0)
        np.testing.assert_allclose(weight[:, mixed].sum(axis=0), 0, atol=1e-5)


# ---- a step ----------------------------------------------------------------------------------------------------------


def problem_of(hidden=(7, 5), rows: Any = X, weight: Any = None, **kwargs: Any) -> tuple[NodeProblem, np.ndarray]:
    units = (4, *hidden, 2)
    network = Network(units, (ACTIVATIONS["tanh"],) * len(hidden), make_signs(units, None, dale=True))
    data = make_data(rows, np.stack([Y, Y**2], axis=1), weight)
    options = {"alpha": 0.0, "scale": 1e-4, "n_perturbations": 1, "seed": 5, **kwargs}
    params = start(network, _network.init_params(network, 6.0, np.random.default_rng(1), np.float64))
    return NodeProblem(network, SquaredError(), data, **options), params


def estimate_of(problem: NodeProblem, params: np.ndarray) -> Any:
    return problem.credit(params, problem.init_memory(), problem.batch(slice(None)), 0)


WEIGHT = np.random.default_rng(2).uniform(0.5, 2, 120)


@pytest.mark.parametrize("sparse_rows", [False, True])
@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("hidden", [(7,), (7, 5)])
def test_inputs_count_from_their_mean(hidden, weight, sparse_rows):
    rows = sparse.csr_array(X + 1) if sparse_rows else X + 1
    problem, params = problem_of(hidden, rows, weight)
    free = NodeProblem(
        problem.network._replace(signs=None),
        SquaredError(),
        problem.data,
        alpha=0,
        scale=1e-4,
        n_perturbations=1,
        seed=5,
    )
    signed, usual = estimate_of(problem, params), estimate_of(free, params)
    assert usual.settled is None
    share = problem.batch(slice(None)).share
    inputs = _network.trace(problem.network, params, rows).inputs
    parts = zip(
        *_network.unpack(problem.network, signed.credit),
        *_network.unpack(problem.network, usual.credit),
        inputs,
        strict=True,
    )
    for weight_credit, bias_credit, free_weight, free_bias, below in parts:
        np.testing.assert_allclose(bias_credit, free_bias)
        mean = np.asarray(below.T @ share)[:, 0]
        np.testing.assert_allclose(weight_credit, free_weight - mean[:, None] * free_bias, atol=1e-12)


@pytest.mark.parametrize("hidden", [(7,), (7, 5)])
def test_a_step_of_the_weights_leaves_mean_preactivations_where_they_are(hidden):
    problem, params = problem_of(hidden, X + 1, WEIGHT)
    batch, (_, biases) = problem.batch(slice(None)), _network.unpack(problem.network, params)
    after = params + 0.1 * RNG.standard_normal(len(params))
    ended = estimate_of(problem, params).settled(params, after)
    inputs = _network.trace(problem.network, params, batch.X).inputs
    weights, moved = _network.unpack(problem.network, after)
    final_weights, final_biases = _network.unpack(problem.network, ended)
    old = _network.unpack(problem.network, params)[0]
    for k, below in enumerate(inputs):
        np.testing.assert_array_equal(final_weights[k], weights[k])
        mean_before = (batch.share * (below @ old[k] + biases[k])).sum(axis=0)
        mean_after = (batch.share * (below @ final_weights[k] + final_biases[k])).sum(axis=0)
        np.testing.assert_allclose(mean_after - mean_before, moved[k] - biases[k], atol=1e-12)  # what the biases learnt


def test_what_is_given_to_settle_stays_as_it_was():
    network = Network((2, 1), ())
    before, after = np.zeros(3), np.ones(3)
    ended = settled(network, [np.array([2.0, 3.0])], before, after)
    np.testing.assert_array_equal(ended, [1, 1, 1 - 5])
    np.testing.assert_array_equal(after, np.ones(3))


def test_means_of_sparse_rows_are_those_of_dense_ones():
    share = np.full((120, 1), 1 / 120)
    np.testing.assert_allclose(mean_input(sparse.csr_matrix(X), share), X.mean(axis=0), atol=1e-15)


@pytest.mark.parametrize("stack_bytes", [0, 2**30])
def test_networks_of_folds_settle_each_by_its_own_rows(monkeypatch, stack_bytes):
    monkeypatch.setattr(_folds, "STACK_BYTES", stack_bytes)
    problem, params = problem_of((7,), X + 1)
    fold = np.arange(120) % 3
    folds = FoldsProblem(problem, fold)
    own = np.stack([params, 2 * params, 3 * params])
    after = own + 0.1 * RNG.standard_normal(own.shape)
    batch = folds.batch(slice(None))
    ended = (
        folds.credit(own.ravel(), folds.init_memory(), batch, 0).settled(own.ravel(), after.ravel()).reshape(own.shape)
    )
    for k in range(3):
        rows = problem.batch(np.flatnonzero(fold != k))
        alone = problem.credit(own[k], problem.init_memory(), rows, 0)
        np.testing.assert_allclose(ended[k], alone.settled(own[k], after[k]), atol=1e-12)


# ---- training --------------------------------------------------------------------------------------------------------


@pytest.fixture
def watched(monkeypatch):
    """All parameters that the trainer holds after each update, with the signs that it was told."""
    seen = []

    step = _update.update_step

    def watch(problem, rule, state, batch, options, progress):
        ended = step(problem, rule, state, batch, options, progress)
        held = [ended[0].params, *([] if ended[0].anchor is None else [ended[0].anchor.params])]
        seen.append((options.signs, held, ended[0].undone - state.undone))
        return ended

    monkeypatch.setattr(_trainer, "update_step", watch)
    return seen


@KINDS
@SIGNED
@pytest.mark.parametrize("way", WAYS)
def test_signs_hold_after_every_update(watched, kind, signed, way):
    model = fresh(kind, signed, **WAYS[way])
    model.fit(X, CLASSES[kind][1])
    assert len(watched) >= model.n_iter_
    asked = signs_of(model, signed)
    for signs, held, _ in watched:
        np.testing.assert_array_equal(signs.reshape(-1, len(asked)), np.tile(asked, (len(signs) // len(asked), 1)))
        assert not any((params * signs < 0).any() for params in held)
    assert wrong(model, signed) == 0
    assert way == "constant rate" or model.loss_curve_[-1] < model.loss_curve_[0]


def test_updates_that_are_undone_go_back_to_the_right_signs(watched):
    model = fresh(
        "regressor", {"dale": True}, learning_rate="constant", learning_rate_init=1e90, hidden_layer_sizes=(9, 5)
    ).fit(X, Y)
    assert sum(undone for *_, undone in watched) > 0
    assert not any((params * signs < 0).any() for signs, held, _ in watched for params in held)
    assert wrong(model, {"dale": True}) == 0


@KINDS
@SIGNED
def test_signs_hold_in_streams_warm_starts_and_pickles(kind, signed):
    y, first = CLASSES[kind][1], {"classes": [0, 1]} if kind == "classifier" else {}
    model = fresh(kind, signed, hidden_layer_sizes=(9, 5))
    for k in range(0, 120, 40):
        model.partial_fit(X[k : k + 40], y[k : k + 40], **(first if k == 0 else {}))
        assert wrong(model, signed) == 0
    model = pickle.loads(pickle.dumps(model))
    other = copy.deepcopy(model)
    for going_on in (model, other):
        going_on.partial_fit(X, 100 * y if kind == "regressor" else y)  # in another unit
        assert wrong(going_on, signed) == 0
    np.testing.assert_array_equal(model.coefs_[0], other.coefs_[0])
    model.set_params(warm_start=True).fit(X, y)
    assert wrong(model, signed) == 0


@SIGNED
@pytest.mark.parametrize("loss", ["balanced_accuracy", "zero_one", "hinge"])
def test_signs_hold_with_metrics_and_other_losses(signed, loss):
    model = fresh("classifier", signed, loss=loss, max_iter=9).fit(X, LABELS)
    assert wrong(model, signed) == 0


@SIGNED
@pytest.mark.parametrize("loss", ["neg_median_absolute_error", "poisson", "pinball", "absolute_error"])
def test_signs_hold_with_other_losses_of_the_regressor(signed, loss):
    model = fresh("regressor", signed, loss=loss, max_iter=9).fit(X, np.abs(Y))
    assert wrong(model, signed) == 0


@SIGNED
@pytest.mark.parametrize("convert", [lambda X: X.astype(np.float32), sparse.csr_matrix])
def test_signs_hold_in_float32_and_with_sparse_rows(signed, convert):
    model = fresh("classifier", signed).fit(convert(X), LABELS)
    assert wrong(model, signed) == 0
    assert model.coefs_[0].dtype == convert(X).dtype


def test_sparse_rows_train_as_dense_ones(assert_same_model):
    rows = X * (X > 0)
    dense, other = (fresh("classifier", {"dale": True}).fit(x, LABELS) for x in (rows, sparse.csr_matrix(rows)))
    assert_same_model(dense, other, rtol=1e-7)


def test_several_classes_and_labels_are_trained_under_dales_law():
    for y in (np.digitize(Y, [-1, 1]), np.stack([LABELS, Y > 1], axis=1).astype(int)):
        model = fresh("classifier", {"dale": True}).fit(X, y)
        assert wrong(model, {"dale": True}) == 0


def test_deep_networks_under_dales_law_do_not_fall_silent():
    rng = np.random.default_rng(4)
    rows = rng.standard_normal((600, 4))
    model = DopamineMLPClassifier((40,) * 5, dale=True, early_stopping=False, random_state=0, max_iter=60)
    y = (rows[:, 0] * rows[:, 1] > 0).astype(int)
    assert model.fit(rows[:400], y[:400]).score(rows[400:], y[400:]) > 0.85


# ---- monotone --------------------------------------------------------------------------------------------------------


def broken_curves(model: Any, output: Any, cst: list[int], rng: np.random.Generator, n_grids: int) -> int:
    """Of random grids of one feature, the others held, how many break its constraint; near and very far."""
    n_points, n_features = 15, len(cst)
    features = rng.choice(np.flatnonzero(cst), n_grids)
    size = 10.0 ** rng.uniform(-3, 6, (n_grids, 1))
    grids = np.repeat(
        rng.standard_normal((n_grids, 1, n_features)) * rng.choice([1, 1e3], (n_grids, 1, 1)), n_points, axis=1
    )
    grids[np.arange(n_grids), :, features] = np.sort(size * rng.standard_normal((n_grids, n_points)), axis=1)
    curves = output(model, grids.reshape(-1, n_features)).reshape(n_grids, n_points, -1)
    rises = np.diff(curves, axis=1) * np.asarray(cst)[features][:, None, None]
    rounding = 1e-13 * np.abs(curves).max(axis=(1, 2)) + 1e-15
    return int((rises.min(axis=(1, 2)) < -rounding).sum())


def log_odds(model: Any, X: np.ndarray) -> np.ndarray:
    """Of a classifier: unlike probabilities, they are never 0 or 1."""
    activations = layer_activations(model.activation, model.n_layers_ - 2)[:-1]
    output = _network.forward_layers(activations, model.coefs_, model.intercepts_, X)
    np.testing.assert_allclose(expit(output)[:, 0], model.predict_proba(X)[:, 1])
    return output


OUTPUTS = {"classifier": log_odds, "regressor": lambda model, X: model.predict(X)}
MONOTONE = [
    *({"activation": name} for name in ACTIVATIONS),
    {"activation": lambda z: z * (z > 0) + np.clip(z, -1, 0)},
    *({"hidden_layer_sizes": hidden} for hidden in ((), (1,), (9, 6), (5, 4, 3, 3))),
    {"hidden_layer_sizes": (8, 6), "activation": ["step", "tanh"]},
    {"hidden_layer_sizes": (8, 6), "activation": "step"},
    {"perturbation": "weight", "n_perturbations": 4},
    {"perturbation": "feedback", "hidden_layer_sizes": (9, 6)},
    {"hidden_layer_sizes": (9, 6), "dale": True},
    {"learning_rate": "constant", "learning_rate_init": 1.0},
]


@KINDS
@pytest.mark.parametrize("case", range(len(MONOTONE)))
def test_no_curve_breaks_its_constraint(kind, case):
    """20 kinds of networks times 2 estimators times 300 grids: more than 10^4."""
    params = {"hidden_layer_sizes": (20,), "max_iter": 20, **MONOTONE[case]}
    model = fresh(kind, {"monotonic_cst": CST}, **params)
    model.fit(X, CLASSES[kind][1])
    assert broken_curves(model, OUTPUTS[kind], CST, np.random.default_rng(case), 300) == 0


def test_a_free_network_breaks_them_and_the_test_sees_it():
    for kind, (cls, y) in CLASSES.items():
        model = cls((20,), max_iter=20, early_stopping=False, batch_size=40, random_state=0).fit(X, y)
        assert broken_curves(model, OUTPUTS[kind], CST, np.random.default_rng(0), 300) > 10


def test_at_least_ten_thousand_grids_are_tried():
    assert len(MONOTONE) * len(CLASSES) * 300 >= 10_000 - 300


@settings(REPEATABLE, max_examples=30)
@given(
    st.lists(st.integers(-1, 1), min_size=4, max_size=4).filter(any),
    st.lists(st.integers(1, 6), max_size=3).map(tuple),
    st.sampled_from(list(ACTIVATIONS)),
    st.integers(0, 2**31 - 1),
    st.booleans(),
)
def test_networks_of_any_shape_are_monotone_from_the_first_update_on(cst, hidden, activation, seed, dale):
    model = DopamineMLPRegressor(hidden, activation, monotonic_cst=cst, dale=dale, random_state=seed)
    for k in range(0, 120, 40):
        model.partial_fit(X[k : k + 40], 1e3 * Y[k : k + 40])
        assert broken_curves(model, OUTPUTS["regressor"], cst, np.random.default_rng(seed), 40) == 0


def test_each_output_of_a_regressor_is_monotone():
    model = fresh("regressor", {"monotonic_cst": CST}, max_iter=20).fit(X, np.stack([Y, -Y, 1e4 * X[:, 2]], axis=1))
    assert broken_curves(model, OUTPUTS["regressor"], CST, np.random.default_rng(0), 300) == 0


def test_the_constrained_features_are_learnt_from():
    y = 2 * X[:, 0] - X[:, 1] + np.sin(3 * X[:, 2])
    suited, against = (
        DopamineMLPRegressor((20,), monotonic_cst=cst, early_stopping=False, random_state=0).fit(X, y).score(X, y)
        for cst in (CST, [-1, 1, 0, 0])
    )
    assert suited > 0.9
    assert against < 0.6


def test_constraints_by_name_are_those_by_number(assert_same_model):
    frame = pd.DataFrame(X, columns=list("abcd"))
    named = fresh("classifier", {"monotonic_cst": {"b": -1, "a": 1, "d": 1}}).fit(frame, LABELS)
    assert_same_model(named, fresh("classifier", {"monotonic_cst": CST}).fit(X, LABELS))


@KINDS
def test_constraints_that_are_none_change_nothing(kind, assert_same_model):
    y = CLASSES[kind][1]
    assert_same_model(fresh(kind, {"monotonic_cst": [0] * 4}).fit(X, y), fresh(kind, {}).fit(X, y))
    linear = {"hidden_layer_sizes": ()}
    assert_same_model(fresh(kind, {"dale": True}, **linear).fit(X, y), fresh(kind, {}, **linear).fit(X, y))


@KINDS
@SIGNED
def test_scikit_learn_predicts_the_same(kind, signed):
    model = fresh(kind, signed).fit(X, CLASSES[kind][1])
    np.testing.assert_allclose(model.to_sklearn().predict(X), model.predict(X))


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cst", "message"),
    [
        ([1, 0], r"monotonic_cst has shape \(2,\) but the input data X has 4 features"),
        ([2, 0, 0, 0], r"monotonic_cst must be -1, 0 or 1 for each feature, got \[2, 0, 0, 0\]"),
        ([None, 0, 0, 0], r"monotonic_cst must be -1, 0 or 1"),
        ({"a": 1}, "monotonic_cst must .* was not fitted on data with feature names"),
    ],
)
@KINDS
def test_constraints_that_do_not_fit_are_refused(kind, cst, message):
    with pytest.raises(ValueError, match=message):
        fresh(kind, {"monotonic_cst": cst}).fit(X, CLASSES[kind][1])


def test_names_that_are_no_features_are_refused():
    with pytest.raises(ValueError, match=r"monotonic_cst contains 1 unexpected feature names: \['z'\]"):
        fresh("regressor", {"monotonic_cst": {"z": 1}}).fit(pd.DataFrame(X, columns=list("abcd")), Y)


@pytest.mark.parametrize("y", [np.digitize(Y, [-1, 1]), np.stack([LABELS, LABELS], axis=1)])
def test_several_classes_or_labels_are_refused(y):
    with pytest.raises(ValueError, match=r"monotonic_cst is for two classes: .* not supported for multi"):
        fresh("classifier", {"monotonic_cst": CST}).fit(X, y)
    fresh("classifier", {"monotonic_cst": [0] * 4}).fit(X, y)


def gelu(z):
    return z * (1 + erf(z / np.sqrt(2))) / 2


@pytest.mark.parametrize("activation", [gelu, np.cos, lambda z: -z, lambda z: -np.tanh(z)])
def test_activations_that_fall_are_refused_with_constraints_alone(activation):
    with pytest.raises(ValueError, match=r"activation must not fall where monotonic_cst is given, got .* which is"):
        fresh("regressor", {"monotonic_cst": CST}, activation=activation).fit(X, Y)
    with pytest.raises(ValueError, match="activation must not fall"):
        fresh("regressor", {"monotonic_cst": CST}, hidden_layer_sizes=(3, 3), activation=["relu", activation]).fit(X, Y)
    fresh("regressor", {"dale": True}, activation=activation, max_iter=2).fit(X, Y)


def test_activations_that_fall_by_rounding_alone_are_taken():
    rounded = fresh(
        "regressor", {"monotonic_cst": CST}, activation=lambda z: np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0)
    ).fit(X, Y)
    assert rounded.score(X, Y) > 0


@pytest.mark.parametrize(("signed", "name"), [({"dale": True}, "dale"), ({"monotonic_cst": CST}, "monotonic_cst")])
def test_weights_of_a_wrong_sign_are_no_start(signed, name):
    theirs = MLPClassifier((9,), random_state=0, max_iter=20).fit(X, LABELS)
    free = fresh("classifier", {}).fit(X, LABELS)
    message = rf"^{name} excludes the weights to start from: those of init, .*got -?\d.* in coefs_\[\d\]\[\d, \d\]"
    for model in (theirs, free):
        with pytest.raises(ValueError, match=message):
            fresh("classifier", signed, init=model).fit(X, LABELS)
    with pytest.raises(ValueError, match=message):
        free.set_params(warm_start=True, **signed).fit(X, LABELS)
    with pytest.raises(ValueError, match=message):
        free.partial_fit(X, LABELS)


@SIGNED
def test_weights_of_the_right_signs_are_a_start(signed):
    model = fresh("classifier", signed).fit(X, LABELS)
    tuned = fresh("classifier", signed, init=model.to_sklearn(), max_iter=3).fit(X, LABELS)
    assert wrong(tuned, signed) == 0
    model.set_params(warm_start=True, dale=False, monotonic_cst=None).fit(X, LABELS)  # from now on they are free


def test_the_first_wrong_weight_is_named():
    network = Network((1, 2, 1), (), make_signs((1, 2, 1), None, dale=True))
    params = _network.pack([np.array([[1.0, -1.0]]), np.array([[2.0], [0.25]])], [np.zeros(2), np.zeros(1)])
    with pytest.raises(ValueError, match=r"^dale excludes .* got 0.25 in coefs_\[1\]\[1, 0\]"):
        check_signs(network, params, "dale")
    params[3] = -0.25
    check_signs(network, params, "dale")


def test_no_update_goes_back_to_signs_of_an_earlier_fit():
    model = fresh("regressor", {"dale": True}).fit(X, Y)
    training = model._training
    bad = _update.Anchor(-training.state.params, training.state.memory, training.state.update - 1)
    training = training._replace(state=training.state._replace(anchor=bad))
    problem, _ = problem_of((9,))
    signs = signs_of(model, {"dale": True})
    assert training.resumed(problem, training.rule, signs).state.anchor is None
    assert training.resumed(problem, training.rule).state.anchor is bad


@pytest.mark.parametrize("cst", [[1] * 8, [1, -1, 0, 0, 0, 0, 0, 0]])
@pytest.mark.parametrize("hidden", [(30,), (200,), (100, 100), (50, 50, 50)])
def test_outputs_of_a_monotone_start_are_hardly_wider_than_those_of_a_free_one(hidden, cst):
    """All paths of a feature add up: without a smaller start, outputs would be 3 to 120 times as wide."""
    units = (8, *hidden, 1)
    free = Network(units, (ACTIVATIONS["relu"],) * len(hidden))
    network = free._replace(signs=make_signs(units, np.array(cst), dale=False))
    rows = np.random.default_rng(1).standard_normal((500, 8))
    spreads = []
    for seed in range(5):
        params = _network.init_params(free, 6.0, np.random.default_rng(seed), np.float64)
        outputs = [_network.forward(net, start(net, params), rows).std() for net in (free, network)]
        spreads.append(outputs[1] / outputs[0])
    assert 0.3 < np.mean(spreads) < 2.5


def test_thinned_weights_have_the_same_mean_square_and_signs():
    weight = np.random.default_rng(0).uniform(-0.3, 0.3, (300, 300))
    before = weight.copy()
    thin_out(weight, 0.125)
    assert np.mean(weight != 0) == pytest.approx(0.125, rel=0.05)
    assert (weight * before >= 0).all()
    assert (weight**2).mean() == pytest.approx((before**2).mean(), rel=0.05)
    thin_out(before, 1.0)
    np.testing.assert_array_equal(before, np.random.default_rng(0).uniform(-0.3, 0.3, (300, 300)))


def test_weights_between_large_hidden_layers_start_sparse_and_others_dense():
    units = (5, 64, 40, 3)
    network = Network(units, (ACTIVATIONS["relu"],) * 2, make_signs(units, None, dale=True))
    params = start(network, _network.init_params(network, 6.0, np.random.default_rng(1), np.float64))
    shares = [float(np.mean(weight != 0)) for weight in _network.unpack(network, params)[0]]
    np.testing.assert_allclose(shares, [1, 1 / 8, 1], atol=0.03)


@pytest.mark.parametrize("params", [{"dale": True}, {"monotonic_cst": CST}], ids=["dale", "monotone"])
@pytest.mark.parametrize("perturbation", ["node", "feedback"])
def test_a_stream_row_by_row_learns_weights_too(params, perturbation):
    """Rows that are all alike do not differ from their mean, from which inputs else count."""
    rows = np.random.default_rng(1).standard_normal((300, 4))
    labels = (rows[:, 0] - rows[:, 1] > 0).astype(int)
    model = DopamineMLPClassifier((10,), perturbation=perturbation, random_state=0, **params)
    for row, label in zip(rows, labels, strict=True):
        model.partial_fit(row[None], [label], classes=[0, 1])
    assert model.score(rows, labels) > 0.85


def test_one_row_of_weight_two_is_two_equal_rows():
    model, twice = (DopamineMLPClassifier((5,), random_state=0, dale=True) for _ in range(2))
    model.partial_fit(X[:1], LABELS[:1], classes=[0, 1], sample_weight=[2.0])
    twice.partial_fit(X[[0, 0]], LABELS[[0, 0]], classes=[0, 1])
    np.testing.assert_allclose(model.coefs_[0], twice.coefs_[0], rtol=1e-9, atol=1e-12)
