"""Whatever goes in: a finite model with finite predictions of the right shape, or an error that has a cause."""

import re
import warnings

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
from hypothesis import HealthCheck, given, settings
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor

# 2 x 1,000 examples; the same ones on every run, so that a failure in CI is a failure here
THOROUGH = settings(
    max_examples=1000, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)

UNIT = st.floats(-1, 1, width=32)
EXPONENT = st.one_of(st.just(0), st.integers(-6, 6), st.sampled_from([-150, -100, -40, 40, 100, 150]))
MODEST = 6  # up to this decimal exponent nothing about the scale excuses an error


def log_uniform(low, high):
    return st.floats(low, high).map(lambda exponent: 10.0**exponent)


PARAMETERS = st.fixed_dictionaries(
    {
        "hidden_layer_sizes": st.one_of(st.integers(1, 5), st.lists(st.integers(1, 5), max_size=2).map(tuple)),
        "activation": st.sampled_from(["identity", "logistic", "tanh", "relu", "leaky_relu", "step", "sign"]),
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
    },
)


@st.composite
def inputs(draw):
    """Draw X, sample_weight, the rows that count, and whether a scale excuses an error."""
    n, d = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    X = draw(hnp.arrays(np.float64, (n, d), elements=UNIT))
    exponents = np.array(draw(st.lists(EXPONENT, min_size=d, max_size=d)))
    dtype = draw(st.sampled_from([np.float64, np.float64, np.float32, np.int64, bool]))
    if dtype in (np.float64, np.float32):
        with np.errstate(over="ignore"):  # 1e150 is not a float32: an infinity, which the estimator has to refuse
            X = (X * 10.0**exponents).astype(dtype)
    else:
        X, exponents = np.round(9 * X).astype(dtype), np.zeros(1)
    weight = draw(st.one_of(st.none(), hnp.arrays(np.float64, n, elements=st.sampled_from([0.0, 1.0, 2.0, 1e-3]))))
    counts = np.full(n, True) if weight is None else weight > 0
    container = draw(st.sampled_from([np.asarray, np.asarray, sparse.csr_array, sparse.csc_array]))
    return container(X), weight, counts, bool((exponents > MODEST).any())


def fit_quietly(model, X, y, weight):
    """Fit; the only warnings allowed are those about convergence and a batch larger than the data."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y, sample_weight=weight)
    unexpected = [str(w.message) for w in caught if not issubclass(w.category, ConvergenceWarning)]
    assert [message for message in unexpected if "batch_size" not in message] == []


def is_explained(error, params, counts, trainable):
    """Check that there is a cause other than scale, and that the message names it."""
    if not counts.any():
        return "weight" in str(error)
    if params.get("early_stopping") and re.search("validation|test_size|stratify", str(error)):
        return True
    return "class" in str(error) and (not trainable or params.get("early_stopping", False))


def assert_finite(model, arrays):
    for array in [*model.coefs_, *model.intercepts_, *arrays]:
        assert np.isfinite(array).all()
    assert np.isfinite(model.loss_)
    assert len(model.loss_curve_) == model.n_iter_ >= 1


@THOROUGH
@given(inputs=inputs(), params=PARAMETERS, data=st.data())
def test_classifier(inputs, params, data):
    X, weight, counts, extreme = inputs
    n = X.shape[0]
    labels = data.draw(st.sampled_from([[0, 1], [0, 1, 2], ["a", "b", "c", "d"], [-1.0, 1.0], [False, True], "sets"]))
    if labels == "sets":
        y = data.draw(hnp.arrays(np.int64, (n, 3), elements=st.integers(0, 1)))
        classes, trainable = [0, 1, 2], True
    else:
        y = np.array(data.draw(st.lists(st.sampled_from(labels), min_size=n, max_size=n)))
        classes = np.unique(y)
        trainable = len(np.unique(y[counts])) > 1
    model = DopamineMLPClassifier(**params)
    try:
        fit_quietly(model, X, y, weight)
    except (ValueError, TypeError) as error:
        assert extreme or is_explained(error, params, counts, trainable), error
        return
    assert len(np.unique(y)) > 1
    proba, prediction = model.predict_proba(X), model.predict(X)
    assert proba.shape == (n, len(classes))
    assert ((proba >= 0) & (proba <= 1)).all()
    if labels == "sets":
        assert set(np.unique(prediction)) <= {0, 1}
    else:
        np.testing.assert_array_equal(model.classes_, classes)
        np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
        assert set(prediction) <= set(classes)
    assert prediction.shape == y.shape
    assert_finite(model, [proba])


@THOROUGH
@given(inputs=inputs(), params=PARAMETERS, data=st.data())
def test_regressor(inputs, params, data):
    X, weight, counts, extreme = inputs
    n = X.shape[0]
    shape = data.draw(st.sampled_from([(n,), (n,), (n, 2)]))
    exponent = data.draw(EXPONENT)
    y = data.draw(hnp.arrays(np.float64, shape, elements=UNIT)) * 10.0**exponent
    model = DopamineMLPRegressor(**params)
    try:
        fit_quietly(model, X, y, weight)
    except (ValueError, TypeError) as error:
        assert extreme or exponent > MODEST or is_explained(error, params, counts, trainable=True), error
        return
    prediction = model.predict(X)
    assert prediction.shape == y.shape
    assert_finite(model, [prediction])
