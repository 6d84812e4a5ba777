"""Whatever goes in: a finite model with finite predictions of the right shape, or an error that has a cause."""

import re
import warnings

import hypothesis.strategies as st
import numpy as np
import pytest
from conftest import REPEATABLE, log_uniform
from hypothesis import given, settings
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor
from skdopamine._mlp.activations import ACTIVATIONS

THOROUGH = settings(REPEATABLE, max_examples=500)
pytestmark = pytest.mark.usefixtures("few_thresholds")

NUMBERS = {  # generator, shape -> values of about unit size; drawing them one by one would take longer than the fits
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "grid": lambda rng, shape: rng.integers(-1, 2, shape).astype(float),  # ties, equal rows, equal columns
    "constant": lambda rng, shape: np.full(shape, rng.choice([-1.0, 0.0, 1.0])),
}
EXPONENT = st.one_of(st.just(0), st.integers(-6, 6), st.sampled_from([-150, -100, -40, 40, 100, 150]))
LABELS = [[0, 1], [0, 1, 2], ["a", "b", "c", "d"], [-1.0, 1.0], [False, True], "sets"]
MODEST = 6  # up to this decimal exponent nothing about the scale excuses an error


PARAMETERS = st.fixed_dictionaries(
    {
        "hidden_layer_sizes": st.one_of(st.integers(1, 5), st.lists(st.integers(1, 5), max_size=2).map(tuple)),
        "activation": st.sampled_from(list(ACTIVATIONS)),
        "perturbation": st.sampled_from(["auto", "node", "weight"]),
        "max_iter": st.integers(1, 3),
        "random_state": st.integers(0, 2**31 - 1),
    },
    optional={
        "perturbation_scale": log_uniform(-8, 2),
        "n_perturbations": st.integers(1, 4),
        "learning_rate": st.sampled_from(["dopamine", "constant", "invscaling"]),
        "learning_rate_init": log_uniform(-6, 3),
        "power_t": st.floats(0, 2),
        "momentum": st.sampled_from([0.0, 0.5, 0.99]),
        "alpha": st.one_of(st.just(0.0), log_uniform(-6, 3)),
        "batch_size": st.integers(1, 12),
        "shuffle": st.booleans(),
        "tol": st.sampled_from([0.0, 1e-4, 1.0]),
        "early_stopping": st.booleans(),
        "validation_fraction": st.floats(0.1, 0.9),
        "scoring": st.none(),
        "warm_start": st.booleans(),
        "dale": st.booleans(),
    },
)


LABEL_LOSSES = ["log_loss", "log_loss", "hinge", "zero_one", "f1_macro"]
VALUE_LOSSES = ["squared_error", "squared_error", "absolute_error", "huber", "pinball", "neg_median_absolute_error"]


@st.composite
def inputs(draw):
    """Draw X, sample_weight, the rows that count, whether a scale excuses an error, and a generator for y."""
    n, d = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = NUMBERS[draw(st.sampled_from(sorted(NUMBERS)))](rng, (n, d))
    exponents = np.array(draw(st.lists(EXPONENT, min_size=d, max_size=d)))
    dtype = draw(st.sampled_from([np.float64, np.float64, np.float32, np.int64, bool]))
    if dtype in (np.float64, np.float32):
        with np.errstate(over="ignore"):  # 1e150 is not a float32: an infinity, which the estimator has to refuse
            X = (X * 10.0**exponents).astype(dtype)
    else:
        X, exponents = np.round(9 * X).astype(dtype), np.zeros(1)
    weight = rng.choice([0.0, 1.0, 2.0, 1e-3], n) if draw(st.booleans()) else None
    counts = np.full(n, True) if weight is None else weight > 0
    container = draw(st.sampled_from([np.asarray, np.asarray, sparse.csr_array, sparse.csc_array]))
    return container(X), weight, counts, bool((exponents > MODEST).any()), rng


def fit_quietly(model, X, y, weight):
    """Fit; only warnings about convergence and a batch larger than the data are allowed. True if it diverged."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y, sample_weight=weight)
    unexpected = [str(w.message) for w in caught if not issubclass(w.category, ConvergenceWarning)]
    assert [message for message in unexpected if "batch_size" not in message] == []
    return any("diverge" in str(w.message) for w in caught)


def is_explained(error, params, counts, trainable):
    """Check that there is a cause other than scale, and that the message names it."""
    if not counts.any():
        return "weight" in str(error)
    if params.get("early_stopping") and re.search("validation|test_size|stratify", str(error)):
        return True
    return "class" in str(error) and (not trainable or params.get("early_stopping", False))


def assert_finite(model, diverged, arrays):
    for array in [*model.coefs_, *model.intercepts_, *arrays]:
        assert np.isfinite(array).all()
    assert model.n_iter_ == len(model.loss_curve_)
    assert model.n_iter_ >= 1 or diverged


@pytest.mark.slow
@THOROUGH
@given(inputs=inputs(), params=PARAMETERS, labels=st.sampled_from(LABELS), loss=st.sampled_from(LABEL_LOSSES))
def test_classifier(inputs, params, labels, loss):
    X, weight, counts, extreme, rng = inputs
    n = X.shape[0]
    if labels == "sets":
        y = rng.integers(0, 2, (n, 3))
        trainable = True
    else:
        y = rng.choice(labels, n)
        trainable = len(np.unique(y[counts])) > 1
    model = DopamineMLPClassifier(**params, loss=loss)
    try:
        diverged = fit_quietly(model, X, y, weight)
    except (ValueError, TypeError) as error:
        assert extreme or is_explained(error, params, counts, trainable), error
        return
    proba, prediction = model.predict_proba(X), model.predict(X)
    assert proba.shape == (n, 3 if labels == "sets" else len(model.classes_))
    assert ((proba >= 0) & (proba <= 1)).all()
    if labels == "sets":
        assert set(np.unique(prediction)) <= {0, 1}
    else:
        assert set(model.classes_) == set(y)  # a class whose rows all weigh zero is one of them
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
        assert set(prediction) <= set(model.classes_)
    assert prediction.shape == y.shape
    assert_finite(model, diverged, [proba, model.loss_curve_])


@pytest.mark.slow
@THOROUGH
@given(
    inputs=inputs(),
    params=PARAMETERS,
    outputs=st.sampled_from([(), (), (2,)]),
    exponent=EXPONENT,
    loss=st.sampled_from(VALUE_LOSSES),
)
def test_regressor(inputs, params, outputs, exponent, loss):
    X, weight, counts, extreme, rng = inputs
    n = X.shape[0]
    y = NUMBERS[rng.choice(sorted(NUMBERS))](rng, (n, *outputs)) * 10.0**exponent
    model = DopamineMLPRegressor(**params, loss=loss)
    try:
        diverged = fit_quietly(model, X, y, weight)
    except (ValueError, TypeError) as error:
        assert extreme or exponent > MODEST or is_explained(error, params, counts, trainable=True), error
        return
    prediction = model.predict(X)
    assert prediction.shape == y.shape
    losses = model.loss_curve_ if exponent <= MODEST else []  # in units of y, squared: 1e150 has no finite square
    assert_finite(model, diverged, [prediction, losses])
