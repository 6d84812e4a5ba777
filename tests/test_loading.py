"""What others made: pickles and skops files whose state was changed are refused, or predict what they did."""

import copy
import pickle
import warnings
from functools import cache

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError

from skdopamine import DopamineESNForecaster, DopamineMLPClassifier, DopamineMLPPolicy, DopamineMLPRegressor

IRIS, SPECIES = load_iris(return_X_y=True)
IRIS, SPECIES = IRIS[::3], SPECIES[::3]
LENGTH = IRIS[:, 0] + 100.0
LOGGED = np.random.default_rng(0).integers(0, 3, 50)
REWARD = (LOGGED == SPECIES) * 1.0
SERIES = np.sin(0.3 * np.arange(160))[:, None] + 0.1 * np.random.default_rng(0).standard_normal((160, 1))
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
