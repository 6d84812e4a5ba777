"""What others made: pickles and skops files whose state was changed are refused, or predict what they did."""

import copy
import pickle
import pkgutil
import re
import runpy
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError

from skdopamine import DopamineESNForecaster, DopamineMLPClassifier, DopamineMLPPolicy, DopamineMLPRegressor
from skdopamine.checkpoint import Checkpoint, load_checkpoint
from skdopamine.datasets import make_lorenz

IRIS, SPECIES = load_iris(return_X_y=True)
IRIS, SPECIES = IRIS[::3], SPECIES[::3]
LENGTH = IRIS[:, 0] + 100.0
LOGGED = np.random.default_rng(0).integers(0, 3, 50)
REWARD = (LOGGED == SPECIES) * 1.0
SERIES = np.sin(0.3 * np.arange(160))[:, None] + 0.1 * np.random.default_rng(0).standard_normal((160, 1))
LORENZ = make_lorenz(1020, random_state=0)
SMALL = {"hidden_layer_sizes": (4, 3), "max_iter": 3, "early_stopping": False, "random_state": 0}
ESN = {"n_units": 6, "stateful": True, "trainable": (), "random_state": 0}


def policy(**params):
    return DopamineMLPPolicy(**{"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0, **params})


MODELS = {  # -> a fitted model, methods that predict, and further rows to learn from
    "classifier": lambda: (DopamineMLPClassifier(**SMALL).fit(IRIS, SPECIES), IRIS, (IRIS[:9], SPECIES[:9])),
    "monotone": lambda: (
        DopamineMLPRegressor(**SMALL, monotonic_cst=[1, 0, -1, 0], dale=True).fit(IRIS, LENGTH),
        IRIS,
        (IRIS[:9], LENGTH[:9]),
    ),
    "regressor": lambda: (
        DopamineMLPRegressor(**SMALL).partial_fit(IRIS, LENGTH),
        IRIS,
        (IRIS[:9], LENGTH[:9]),
    ),
    "policy": lambda: (
        policy().partial_fit(IRIS, LOGGED, REWARD, classes=range(3)),
        IRIS,
        (IRIS[:9], LOGGED[:9], REWARD[:9]),
    ),
    "policy that is a softmax": lambda: (
        policy(objective="dr").fit(IRIS, LOGGED, REWARD, 0.3),
        IRIS,
        (IRIS[:9], LOGGED[:9], REWARD[:9]),
    ),
    "forecaster": lambda: (DopamineESNForecaster(**ESN).fit(SERIES[:150]), SERIES[150:], (SERIES[150:],)),
    "robust forecaster": lambda: (
        DopamineESNForecaster(**ESN, loss="huber", difference=1).fit(SERIES[:150]).partial_fit(SERIES[150:155]),
        SERIES[155:],
        (SERIES[155:],),
    ),
    "covariates": lambda: (
        DopamineESNForecaster(**ESN).fit(SERIES[:150], exog=np.cos(SERIES[:150])),
        (SERIES[150:], np.cos(SERIES[150:])),
        (SERIES[150:], None, np.cos(SERIES[150:])),
    ),
    "exact": lambda: (
        DopamineESNForecaster(60, stateful=True, max_iter=2, difference=0, random_state=0).fit(LORENZ[:1000]),
        LORENZ[1000:1020],
        (LORENZ[1000:1020],),
    ),
    "windows": lambda: (DopamineESNForecaster(6, trainable=()).fit(IRIS, LENGTH), IRIS, (IRIS[:9], LENGTH[:9])),
}


@cache
def fitted(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MODELS[name]()


def predictions(model, X):
    """All that a model says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if isinstance(X, tuple):
            rows, exog = X
            return [model.predict(rows[:-1], exog=exog), model.forecast(3, exog=exog[:3])]
        found = [model.predict(X)]
        names = ("predict_proba", "predict_reward")
        found += [getattr(model, name)(X) for name in names if hasattr(model, name)]
        if getattr(model, "stateful", False):
            found += [model.forecast(5), *model.forecast_interval(5, 0.5), *model.predict_interval(X, 0.5)]
        elif isinstance(model, DopamineESNForecaster):
            found += [*model.predict_interval(X, 0.5)]
        elif hasattr(model, "to_sklearn") and not isinstance(model, DopamineMLPPolicy):
            found.append(model.to_sklearn().predict(X))
        return found


def learn(model, rows):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if isinstance(model, DopamineESNForecaster) and len(rows) == 3:
            return model.partial_fit(rows[0], exog=rows[2])
        return model.partial_fit(*rows)


def loaded(model, state):
    other = object.__new__(type(model))
    other.__setstate__(state)
    return other


def same(one, other):
    return all(
        np.array_equal(a, b) if np.asarray(a).dtype.kind in "OUi" else np.allclose(a, b, rtol=1e-9, atol=1e-12)
        for a, b in zip(one, other, strict=True)
    )


# ---- one value changed ----


def children(value):
    """Keys and values of what a value holds."""
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return list(zip(value._fields, value, strict=True))
    if isinstance(value, tuple | list):
        return list(enumerate(value))
    if type(value).__name__ == "LabelBinarizer":
        return list(vars(value).items())
    return []


def leaves(value, path=()):
    """Paths to all arrays, numbers, truths and strings."""
    if isinstance(value, np.ndarray | int | float | np.generic | str) or value is None:
        yield path, value
    for key, child in children(value):
        yield from leaves(child, (*path, key))


def put(value, path, new):
    """The value with another one at a path; what is not on the path is shared."""
    if not path:
        return new
    key, *rest = path
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return value._replace(**{key: put(getattr(value, key), rest, new)})
    if isinstance(value, tuple | list):
        return type(value)([*value[:key], put(value[key], rest, new), *value[key + 1 :]])
    if isinstance(value, dict):
        return {**value, key: put(value[key], rest, new)}
    other = copy.copy(value)
    setattr(other, key, put(getattr(value, key), rest, new))
    return other


def element(array, number):
    changed = array.copy()
    changed.flat[int(np.flatnonzero(array)[0]) if array.any() else 0] = number
    return changed


def tampered(value):
    """Kinds of change, and what the value is then."""
    if isinstance(value, np.ndarray):
        yield "dropped", None
        yield "list", value.tolist()
        yield "object", value.astype(object)
        yield "axis", value[None]
        if value.dtype.kind in "fiub":
            yield "complex", value.astype(complex)
            yield "strings", value.astype(str)
        if len(value):
            yield "shorter", value[:-1]
            yield "longer", np.concatenate([value, value[-1:]])
            yield "wider", np.repeat(value, 2, axis=-1)
        if value.size and value.dtype.kind == "f":
            yield "nan", element(value, np.nan)
            yield "infinite", element(value, np.inf)
            yield "sign", -value
        if value.size and value.dtype.kind == "i":
            yield "sign", -1 - value
            yield "huge", element(value, np.iinfo(value.dtype).max)
    elif isinstance(value, bool | np.bool_):
        yield "dropped", None
        yield "strings", "True"
    elif isinstance(value, str):
        yield "dropped", None
        yield "other", value + "?"
    elif isinstance(value, int | np.integer):
        yield "dropped", None
        yield "strings", str(value)
        yield "nan", np.nan
        yield "sign", -2 - value
    elif isinstance(value, float | np.floating):
        yield "dropped", None
        yield "strings", str(value)
        yield "nan", np.nan
        yield "sign", -1 - value


# what may have any sign, so that the opposite one is another model, and no fault:
ANY_SIGN = {
    *("coefs_", "intercepts_", "moment", "total", "mean_reward", "classes_", "counts"),
    *("readout", "centre", "inputs", "bias", "data", "state", "history", "levels", "least", "most", "cross", "target"),
    *("errors", "limits", "gram", "triangle", "power", "exog", "covariates", "X"),
}
# what says that errors have yet to be computed, by the readouts of the record:
COMPUTED = ("_stream.record.errors", "dropped")
PARAMETERS = {name for build in MODELS for name in fitted(build)[0].get_params()}


def changes(name):
    model, *_ = fitted(name)
    for path, value in leaves(model.__getstate__()):
        if path[0] not in PARAMETERS:
            for kind, new in tampered(value):
                yield path, kind, new


@pytest.mark.parametrize("name", MODELS)
def test_no_change_of_a_saved_state_is_wrong_in_silence(name):
    model, X, rows = fitted(name)
    state, known, refused, faults = model.__getstate__(), predictions(model, X), 0, []
    for path, kind, new in changes(name):
        where = (".".join(map(str, path)), kind)
        try:
            other = loaded(model, put(state, path, new))
            found = predictions(other, X)
            learn(other, rows)
        except ValueError:
            refused += 1
            continue
        except Exception as error:
            faults.append((*where, repr(error)))
            continue
        free = where == COMPUTED or (kind == "sign" and ANY_SIGN & set(map(str, path)))
        if not free and not same(found, known):
            faults.append((*where, "predicts something else"))
    assert faults == []
    assert refused > 100


@pytest.mark.parametrize("name", MODELS)
def test_no_attribute_can_be_dropped_in_silence(name):
    model, X, rows = fitted(name)
    state, known = model.__getstate__(), predictions(model, X)
    for attribute in state.keys() - PARAMETERS:
        with_less = {key: value for key, value in state.items() if key != attribute}
        try:
            other = loaded(model, with_less)
            assert same(predictions(other, X), known), attribute
            learn(other, rows)
        except (ValueError, NotFittedError):
            continue


@pytest.mark.parametrize("name", MODELS)
def test_a_state_as_it_is_is_taken(name):
    model, X, rows = fitted(name)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), copy.copy(model)):
        assert same(predictions(other, X), predictions(model, X))
        learn(other, rows)


# ---- which copy counts ----


def quiet(method, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return method(*args, **options)


def changed_by(model, how):
    """The model with other weights, set in one of the ways that users have."""
    model = copy.deepcopy(model)
    if how == "in place":
        model.coefs_[0][...] *= 0.5
        model.intercepts_[-1][...] += 0.25
    elif how == "entry":
        model.coefs_[0] = 0.5 * model.coefs_[0]
        model.intercepts_[-1] = model.intercepts_[-1] + 0.25
    else:
        model.coefs_ = [0.5 * model.coefs_[0], *model.coefs_[1:]]
        model.intercepts_ = [*model.intercepts_[:-1], model.intercepts_[-1] + 0.25]
    return model


@pytest.mark.parametrize("how", ["in place", "entry", "rebound"])
@pytest.mark.parametrize("kept", ["as it is", "pickled", "skops"])
@pytest.mark.parametrize("name", ["classifier", "regressor", "policy"])
def test_training_goes_on_from_the_weights_that_predict(name, how, kept):
    model, _, rows = fitted(name)
    other = changed_by(model, how)
    expected = [array.copy() for array in (*other.coefs_, *other.intercepts_)]
    if kept == "pickled":
        other = pickle.loads(pickle.dumps(other))
    elif kept == "skops":
        io = pytest.importorskip("skops.io")
        data = io.dumps(other)
        other = io.loads(data, trusted=io.get_untrusted_types(data=data))
    assert all(np.array_equal(a, b) for a, b in zip((*other.coefs_, *other.intercepts_), expected, strict=True))
    quiet(other.set_params(learning_rate_init=1e-12, learning_rate="constant").partial_fit, *rows)
    for now, before in zip((*other.coefs_, *other.intercepts_), expected, strict=True):
        np.testing.assert_allclose(now, before, atol=1e-6)
    assert np.abs(other.coefs_[0] - model.coefs_[0]).max() > 0.01


@pytest.mark.parametrize("name", ["classifier", "regressor"])
def test_weights_that_nobody_has_changed_keep_all_their_bits(name):
    model, _, rows = fitted(name)
    one, other = copy.deepcopy(model), copy.deepcopy(model)
    other.coefs_ = [coef.copy() for coef in other.coefs_]
    for each in (one, other):
        each._training = each._training.agreed(each.coefs_, each.intercepts_)
    assert np.array_equal(one._training.state.params, model._training.state.params)
    for each in (one, other):
        quiet(each.partial_fit, *rows)
    assert all(np.array_equal(a, b) for a, b in zip(one.coefs_, other.coefs_, strict=True))


def test_what_training_had_found_out_of_other_weights_is_forgotten():
    model, *_ = fitted("classifier")
    other = changed_by(model, "in place")
    training = other._training.agreed(other.coefs_, other.intercepts_)
    assert model._training.state.credit_mean.any()
    assert not training.state.credit_mean.any()
    assert training.state.anchor is None
    assert training.history == model._training.history


@pytest.mark.parametrize("name", ["classifier", "regressor", "policy"])
def test_weights_of_another_shape_or_without_a_number_are_refused_where_they_are_used(name):
    model, X, rows = fitted(name)
    faults = {
        "coefs_ must be of shapes": lambda coef: coef[:-1],
        "coefs_ must be of shapes .*, as": lambda coef: coef[:, :-1],
        r"coefs_\[0\] must be finite": lambda coef: np.full_like(coef, np.nan),
    }
    for told, broken in faults.items():
        other = copy.deepcopy(model)
        other.coefs_[0] = broken(other.coefs_[0])
        for use in {"predict", "predict_proba", "predict_reward"} & set(dir(other)):
            with pytest.raises(ValueError, match=told):
                getattr(other, use)(X)
        with pytest.raises(ValueError, match=told):
            quiet(other.partial_fit, *rows)
        with pytest.raises(ValueError, match=told):
            copy.deepcopy(other)
        if name != "policy":
            with pytest.raises(ValueError, match=told):
                other.to_sklearn()


FORMS = {  # that weights may be given, though a fit gives others
    "tuple": tuple,
    "whole numbers": lambda arrays: [np.round(array).astype(np.int8) for array in arrays],
    "half precision": lambda arrays: [array.astype(np.float16) for array in arrays],
    "single precision": lambda arrays: [array.astype(np.float32) for array in arrays],
    "columns first": lambda arrays: [np.asfortranarray(array) for array in arrays],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["classifier", "regressor", "policy"])
def test_weights_of_any_form_that_predicts_can_be_kept_and_trained(name, form):
    model, X, rows = fitted(name)
    other = copy.copy(model)
    other.coefs_, other.intercepts_ = FORMS[form](model.coefs_), FORMS[form](model.intercepts_)
    assert same(predictions(pickle.loads(pickle.dumps(other)), X), predictions(other, X))
    before = [np.asarray(coef, dtype=float) for coef in other.coefs_]
    learn(other.set_params(learning_rate_init=1e-12, learning_rate="constant"), rows)
    for now, then in zip(other.coefs_, before, strict=True):
        assert now.dtype == np.float64
        np.testing.assert_allclose(now, then, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["classifier", "regressor"])
def test_networks_whose_units_were_cut_can_be_kept_and_trained(name):
    model, X, rows = fitted(name)
    other = copy.deepcopy(model).set_params(hidden_layer_sizes=(3, 3), learning_rate_init=1e-12)
    other.coefs_[0], other.coefs_[1], other.intercepts_[0] = (
        model.coefs_[0][:, 1:],
        model.coefs_[1][1:],
        model.intercepts_[0][1:],
    )
    kept = pickle.loads(pickle.dumps(other))
    assert same(predictions(kept, X), predictions(other, X))
    learn(kept, rows)
    assert kept._training.layers[:3] == (4, 3, 3)
    np.testing.assert_allclose(kept.coefs_[0], other.coefs_[0], atol=1e-6)
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        learn(copy.copy(model).set_params(hidden_layer_sizes=(3, 3)), rows)
    with pytest.raises(ValueError, match="same layer sizes"):
        learn(other.set_params(hidden_layer_sizes=(4, 3)), rows)


def test_a_policy_whose_units_were_cut_is_refused():
    model, X, rows = fitted("policy")
    other = copy.copy(model).set_params(hidden_layer_sizes=(3,))
    other.coefs_ = [model.coefs_[0][:, 1:], model.coefs_[1][1:]]
    other.intercepts_ = [model.intercepts_[0][1:], model.intercepts_[1]]
    for use in (lambda: other.predict_reward(X), lambda: learn(other, rows)):
        with pytest.raises(ValueError, match="last hidden layer that the ridge regressions"):
            use()
    with pytest.raises(ValueError, match=r"_experience\.readout"):
        copy.deepcopy(other)


def test_weights_that_training_has_no_numbers_for_are_refused():
    model = quiet(DopamineMLPRegressor(**SMALL).fit, IRIS.astype(np.float32), LENGTH)
    model.coefs_[0] = model.coefs_[0].astype(float) * 1e200
    with pytest.raises(ValueError, match="numbers that float32 has"):
        model.partial_fit(IRIS.astype(np.float32), LENGTH)


def test_weights_of_an_output_that_was_constant_are_kept_when_it_begins_to_vary():
    model = quiet(DopamineMLPRegressor(**SMALL).partial_fit, IRIS, np.column_stack([LENGTH, np.full(50, 7.0)]))
    slow = {"learning_rate_init": 1e-12, "learning_rate": "constant"}
    other = copy.deepcopy(model).set_params(**slow)
    other.coefs_[-1][:, 1] += 0.5
    expected = other.predict(IRIS)[:, 1]
    targets = np.column_stack([LENGTH, expected])
    quiet(other.partial_fit, IRIS, targets)
    np.testing.assert_allclose(other.predict(IRIS)[:, 1], expected, rtol=1e-6)
    fresh = quiet(copy.deepcopy(model).set_params(**slow).partial_fit, IRIS, targets)
    assert fresh.coefs_[-1][:, 1].any()  # nobody has set these


def test_weights_of_a_policy_are_kept_when_rewards_begin_to_vary():
    model = quiet(policy().partial_fit, IRIS, LOGGED, np.ones(50), classes=range(3))
    model.set_params(learning_rate_init=1e-12, learning_rate="constant", replay=0)
    model.coefs_[-1] = model.coefs_[-1] + 0.5
    expected = model.coefs_[-1].copy()
    quiet(model.partial_fit, IRIS, LOGGED, REWARD)
    np.testing.assert_allclose(model.coefs_[-1], expected, rtol=1e-6)


def test_a_checkpoint_whose_weights_were_set_does_not_go_on_without_them(tmp_path):
    whole = quiet(DopamineMLPClassifier(**SMALL).set_callbacks(Checkpoint(tmp_path, every=2)).fit, IRIS, SPECIES)
    model = load_checkpoint(tmp_path)
    assert same(quiet(copy.deepcopy(model).fit, IRIS, SPECIES).coefs_, whole.coefs_)
    model.coefs_[0][...] *= 0.5
    with pytest.raises(ValueError, match="coefs_ and intercepts_ must be as in the fit that this one continues"):
        model.fit(IRIS, SPECIES)
    expected = model.coefs_[0].copy()
    start = DopamineMLPClassifier(**{**SMALL, "learning_rate_init": 1e-12, "learning_rate": "constant"}, init=model)
    np.testing.assert_allclose(quiet(start.fit, IRIS, SPECIES).coefs_[0], expected, atol=1e-6)


def test_a_checkpoint_of_a_warm_start_from_weights_that_were_set_goes_on(tmp_path):
    """Also where the fit was killed before it could publish any."""
    model = changed_by(fitted("classifier")[0], "rebound").set_params(warm_start=True)
    before = copy.deepcopy(model)
    whole = quiet(model.set_callbacks(Checkpoint(tmp_path, every=2)).fit, IRIS, SPECIES)
    halfway = load_checkpoint(tmp_path)
    assert same(quiet(copy.deepcopy(halfway).fit, IRIS, SPECIES).coefs_, whole.coefs_)
    vars(halfway).update({name: vars(halfway._pending.before)[name] for name in vars(before) if name != "warm_start"})
    assert same(quiet(halfway.fit, IRIS, SPECIES).coefs_, whole.coefs_)


def test_what_a_forecaster_shows_is_read_from_its_model():
    model, *_ = fitted("forecaster")
    shown = ("readout_", "lags_", "gains_", "n_reservoirs_", "n_channels_", "n_outputs_", "base_", "n_iter_", "loss_")
    assert not set(shown) & vars(model).keys()
    assert np.shares_memory(model.readout_, model._model.readout)
    with pytest.raises(ValueError, match="read-only"):
        model.readout_[...] = 0
    for name in shown:
        with pytest.raises(AttributeError):
            setattr(model, name, getattr(model, name))
        with pytest.raises((NotFittedError, AttributeError)):
            getattr(DopamineESNForecaster(), name)


def test_a_forecaster_of_an_older_pickle_forgets_the_copies():
    model, X, _ = fitted("forecaster")
    older = {**model.__getstate__(), "readout_": np.zeros((2, 2)), "n_iter_": 7, "gains_": {}}
    other = loaded(model, older)
    assert same(predictions(other, X), predictions(model, X))
    assert np.array_equal(other.readout_, model.readout_)
    assert vars(other).keys() == vars(model).keys()


@pytest.mark.parametrize(
    ("once", "now"),
    [
        ("intervals.Judge", "record.Judge"),
        ("intervals.Record", "record.Record"),
        ("forecast.SeriesReader", "reader.SeriesReader"),
        ("forecast.WindowReader", "reader.WindowReader"),
    ],
)
def test_older_pickles_find_what_has_moved(once, now):
    prefix = "skdopamine._esn."
    assert pkgutil.resolve_name(prefix + once.replace(".", ":")) is pkgutil.resolve_name(prefix + now.replace(".", ":"))


# ---- what fits of strange data leave ----


def walk():
    rng = np.random.default_rng(0)
    return np.cumsum(rng.standard_normal(40))


def one_huge_row():
    X, action = np.linspace(-1, 1, 10)[:, None], np.arange(10) % 2 + 1
    X[0], action[0] = 1e14, 0  # the only row of its action
    model = policy(hidden_layer_sizes=()).fit(X, action, np.arange(10.0))
    assert (np.diagonal(model._experience.readout.inverse, axis1=1, axis2=2) <= 0).any()
    return model


STRANGE = {
    "covariates and a last value": lambda: DopamineESNForecaster(
        5, stateful=True, max_iter=2, difference=0, random_state=0
    ).fit(walk(), exog=np.cos(np.arange(40))),
    "a huge row of a policy": one_huge_row,
    **{
        f"labels {of} in {dtype}": lambda of=of, dtype=dtype: (
            DopamineMLPClassifier(**SMALL).fit(IRIS, SPECIES.astype(dtype))
            if of == "of a classifier"
            else policy().fit(IRIS, SPECIES.astype(dtype), REWARD)
        )
        for of in ("of a classifier", "of a policy")
        for dtype in ("float16", "datetime64[D]", "timedelta64[s]", "bool", "U3")
    },
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_strange_data_leave_can_be_kept(name):
    model = quiet(STRANGE[name])
    other = pickle.loads(pickle.dumps(model))
    if isinstance(model, DopamineESNForecaster):
        assert model.base_ == "last value"
        exog = np.cos(np.arange(40, 43))
        np.testing.assert_array_equal(other.forecast(3, exog=exog), model.forecast(3, exog=exog))
    else:
        X = IRIS if model.n_features_in_ == 4 else np.ones((3, 1))
        np.testing.assert_array_equal(other.predict(X), model.predict(X))
        assert other.classes_.dtype == model.classes_.dtype


def test_critics_that_have_overflowed_can_be_kept_and_begin_anew():
    model, _, rows = fitted("classifier")
    training = model._training
    results = []
    for value in (np.nan, 0.0):
        memory = tuple(np.full_like(critic, value) for critic in training.state.memory)
        other = copy.copy(model)
        other._training = training._replace(state=training.state._replace(memory=memory, anchor=None))
        results.append(quiet(pickle.loads(pickle.dumps(other)).partial_fit, *rows))
    for own, known in zip(results[0].coefs_, results[1].coefs_, strict=True):
        np.testing.assert_array_equal(own, known)
    assert (results[0].coefs_[0] != model.coefs_[0]).any()


def test_a_copy_in_the_middle_of_a_fit_is_not_looked_at():
    """Attributes of the fit before stand beside those of this one."""
    model, *_ = fitted("classifier")
    other = copy.copy(model)
    other._journal, other.n_features_in_ = None, 7
    for kept in (pickle.loads(pickle.dumps(other)), copy.copy(other), copy.deepcopy(copy.copy(other))):
        assert kept.n_features_in_ == 7
        assert "_journal" not in vars(kept)
    again = quiet(kept.fit, IRIS, SPECIES)
    assert same(predictions(pickle.loads(pickle.dumps(again)), IRIS), predictions(model, IRIS))
    again.n_features_in_ = 7
    with pytest.raises(ValueError, match="n_features_in_"):
        copy.deepcopy(again)


def test_weights_whose_signs_were_broken_are_refused():
    model, *_ = fitted("monotone")
    other = copy.copy(model)
    other.coefs_ = [-model.coefs_[0], *model.coefs_[1:]]
    with pytest.raises(ValueError, match="signs that monotonic_cst and dale asked for"):
        copy.deepcopy(other)
    waiting = copy.copy(fitted("regressor")[0]).set_params(monotonic_cst=[1, 0, -1, 0])  # for the next fit
    assert copy.deepcopy(waiting).monotonic_cst == [1, 0, -1, 0]


# ---- files ----

BROKEN = {  # name -> model and a change of what is kept of it
    "weights of another shape": ("classifier", lambda state: put(state, ("coefs_", 0), state["coefs_"][0][:-1])),
    "weights that are no numbers": ("regressor", lambda state: put(state, ("coefs_", 0), np.full((4, 4), np.nan))),
    "classes of another order": ("classifier", lambda state: put(state, ("classes_",), state["classes_"][::-1])),
    "another number of features": ("policy", lambda state: put(state, ("n_features_in_",), 5)),
    "critics": ("classifier", lambda state: put(state, ("_training", "state", "memory"), (np.zeros((3, 3)),) * 2)),
    "negative counts": ("policy", lambda state: put(state, ("_experience", "counts"), -np.ones(3))),
    "a readout of another shape": ("forecaster", lambda state: put(state, ("_model", "readout"), np.zeros((2, 1)))),
    "a link beyond the last unit": (
        "forecaster",
        lambda state: put(
            state,
            ("_model", "weights", "recurrent", "indices"),
            state["_model"].weights.recurrent.indices + np.int32(6),
        ),
    ),
    "a unit below zero": ("windows", lambda state: put(state, ("_model", "inputs", "unit"), -np.ones(1))),
}


@pytest.mark.parametrize("name", BROKEN)
def test_files_are_refused_when_they_are_read(name):
    of, change = BROKEN[name]
    model, *_ = fitted(of)
    broken = object.__new__(type(model))
    vars(broken).update(change(model.__getstate__()))
    with pytest.raises(ValueError, match=r"must be .*, got .*\. The model was changed by hand, or its file is damaged"):
        pickle.loads(pickle.dumps(broken))
    io = pytest.importorskip("skops.io")
    data = io.dumps(broken)
    with pytest.raises(ValueError, match="must be"):
        io.loads(data, trusted=io.get_untrusted_types(data=data))


def test_no_change_of_a_checkpoint_is_wrong_in_silence(tmp_path):
    """What a fit goes on with is refused, or the fit ends; that it ends well is the matter of its rows."""
    fresh = DopamineMLPClassifier(**{**SMALL, "max_iter": 4})
    quiet(fresh.set_callbacks(Checkpoint(tmp_path, every=2)).fit, IRIS, SPECIES)
    model, refused = load_checkpoint(tmp_path), 0
    state = {**vars(model)}
    for path, value in leaves(state["_pending"].run, ("_pending", "run")):
        for kind, new in tampered(value):
            if path[-1] == "rows" and kind == "huge":  # how many rows there are is not in the file
                continue
            try:
                quiet(loaded(model, put(state, path, new)).fit, IRIS, SPECIES)
            except ValueError:
                refused += 1
    assert refused > 50


PAGE = (Path(__file__).parents[1] / "doc" / "user_guide" / "keeping.rst").read_text(encoding="utf-8")
KEPT = {
    **MODELS,
    "rates": lambda: (DopamineMLPClassifier(**SMALL, learning_rate="invscaling").fit(IRIS, SPECIES),),
    "constant": lambda: (DopamineMLPClassifier(**SMALL, learning_rate="constant").fit(IRIS, SPECIES),),
    "weight": lambda: (DopamineMLPRegressor(**SMALL, perturbation="weight").fit(IRIS, LENGTH),),
    "many": lambda: (DopamineESNForecaster(**ESN).fit({"a": SERIES, "b": SERIES[::-1]}),),
    "pandas": lambda: (DopamineESNForecaster(**ESN).fit(of_days()),),
}


def of_days():
    pandas = pytest.importorskip("pandas")
    return pandas.Series(SERIES[:, 0], pandas.date_range("2020-01-01", periods=len(SERIES), freq="D"))


def test_the_guide_names_all_types_that_skops_has_to_trust():
    io = pytest.importorskip("skops.io")
    told = re.findall(r"^   (skdopamine\.\S+)$", PAGE, re.MULTILINE)
    assert sorted(set(told)) == sorted(told)
    needed = set()
    for build in KEPT.values():
        model = quiet(build)[0]
        data = io.dumps(model)
        needed |= set(io.get_untrusted_types(data=data))
        assert type(io.loads(data, trusted=told)) is type(model)
    assert needed == set(told)


def test_the_loader_of_the_guide(tmp_path):
    io = pytest.importorskip("skops.io")
    load = runpy.run_path(str(Path(__file__).parents[1] / "doc" / "adapters" / "skops_files.py"))["load"]
    model, X, _ = fitted("regressor")
    io.dump(model, tmp_path / "model.skops")
    told = re.findall(r"^   (skdopamine\.\S+)$", PAGE, re.MULTILINE)
    assert same(predictions(load(tmp_path / "model.skops", told), X), predictions(model, X))
    with pytest.raises(ValueError, match="asks for"):
        load(tmp_path / "model.skops", told[:3])
