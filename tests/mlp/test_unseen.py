"""Weights that nobody has looked at are not published, and weights without a state are gone on from."""

import copy
import warnings

import numpy as np
import pytest
from conftest import finest_output
from sklearn.metrics import log_loss

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
PERTURBATIONS = pytest.mark.parametrize("perturbation", ["node", "weight"])


def true_loss(model, X, y):
    if hasattr(model, "predict_proba"):
        return log_loss(y, model.predict_proba(X), labels=[0, 1])
    return np.mean((y - model.predict(X)) ** 2) / 2


def wild(make, rate, **params):
    return make(learning_rate="constant", learning_rate_init=rate, **params)


def untrained(make, X, y):
    """The loss before the first update."""
    model = wild(make, 1e-12, max_iter=1).fit(X, y)
    return true_loss(model, X, y)


def streamed(model, X, y):
    return model.partial_fit(X, y, **({"classes": [0, 1]} if hasattr(model, "predict_proba") else {}))


# ---- the last update ----


@PERTURBATIONS
@pytest.mark.parametrize("rate", [0.5, 10.0, 1e100])
@pytest.mark.parametrize("batch_size", [100, 40])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_no_fit_ends_worse_than_it_began(task, rate, batch_size, perturbation, early_stopping):
    if early_stopping and rate < 1:
        pytest.skip("ten rows held back tell no such difference")
    params = {"batch_size": batch_size, "perturbation": perturbation, "early_stopping": early_stopping}
    for max_iter in (1, 3):
        model = wild(task.make, rate, max_iter=max_iter, **params).fit(task.X, task.y)
        assert np.isfinite(finest_output(model, task.X)).all()
        most = 1.5 if early_stopping else 1.01  # rows held back are others
        assert true_loss(model, task.X, task.y) <= most * untrained(task.make, task.X, task.y)


@PERTURBATIONS
@pytest.mark.parametrize("rate", [10.0, 1e100])
@pytest.mark.parametrize("batch_size", [100, 40])
def test_a_stream_undoes_a_jump_and_warns(task, rate, batch_size, perturbation):
    model = wild(task.make, rate, batch_size=batch_size, perturbation=perturbation)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            streamed(model, task.X, task.y)
    assert np.isfinite(finest_output(model, task.X)).all()
    assert true_loss(model, task.X, task.y) < 1.6 * untrained(task.make, task.X, task.y)
    assert all("The loss diverged after" in str(warning.message) for warning in caught)
    assert len(caught) == 3
    model.set_params(learning_rate_init=0.003)
    for _ in range(40):
        streamed(model, task.X, task.y)
    assert model.score(task.X, task.y) > 0.5  # and goes on


@pytest.mark.parametrize("activation", ["step", "sign"])
@pytest.mark.parametrize("max_iter", [1, 5])
def test_units_with_steps(task, activation, max_iter):
    model = wild(task.make, 10.0, activation=activation, max_iter=max_iter).fit(task.X, task.y)
    start = wild(task.make, 1e-12, activation=activation, max_iter=1).fit(task.X, task.y)
    assert true_loss(model, task.X, task.y) <= 1.01 * true_loss(start, task.X, task.y)


@pytest.mark.parametrize("batch_size", [40, 100])
def test_a_metric_is_not_worse_than_before_it(make_task, batch_size):
    make, X, y = make_task("binary")
    params = {"loss": "f1", "batch_size": batch_size, "max_iter": 3, "warm_start": True}
    model = make(**{**params, "max_iter": 40}).fit(X, y)
    known = model.score(X, y)
    model.set_params(**params, learning_rate="constant", learning_rate_init=10.0).fit(X, y)
    assert model.score(X, y) > known - 0.05


def test_a_warm_start_is_not_worse_than_before(task):
    model = task.make(max_iter=60, batch_size=40, warm_start=True).fit(task.X, task.y)
    known = true_loss(model, task.X, task.y)
    wild(lambda **params: model.set_params(**params), 0.5, max_iter=3).fit(task.X, task.y)
    assert true_loss(model, task.X, task.y) <= 1.01 * known


def test_a_fit_that_never_gets_better_says_so(make_task):
    make, X, y = make_task("binary")
    with pytest.warns(UserWarning, match=r"diverged after .* epochs with learning_rate_init=10.0: "):
        wild(make, 10.0, batch_size=40, max_iter=200).fit(X, y)


def test_the_last_look_is_counted(task):
    fit = task.make(max_iter=1, batch_size=100).fit(task.X, task.y)
    stream = streamed(task.make(batch_size=100), task.X, task.y)
    assert fit.n_evaluations_ == stream.n_evaluations_
    np.testing.assert_array_equal(fit.coefs_[0], stream.coefs_[0])


# ---- weights without a state ----


class Keeper:
    """Keeps what a callback sees of each epoch."""

    def __init__(self):
        self.models = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if context.parent is not None:
            self.models.append(fitted_estimator.set_callbacks())


def without_state(model):
    bare = copy.deepcopy(model)
    del bare._training
    return bare


@pytest.mark.parametrize("kind", ["binary", "multiclass", "strings", "multilabel", "regression", "multioutput"])
@pytest.mark.parametrize("loss", ["default", "other"])
def test_an_estimator_without_a_state_goes_on_from_its_weights(make_task, kind, loss):
    make, X, y = make_task(kind)
    y = 1000 + 50 * y if kind in ("regression", "multioutput") else y
    other = {"regression": "poisson", "multioutput": "absolute_error", "binary": "f1"}.get(kind, "hinge")
    params = {"loss": other} if loss == "other" else {}
    model = make(max_iter=60, **params).fit(X, y)
    known = model.score(X, y)
    bare = without_state(model).set_params(learning_rate_init=1e-4)
    np.testing.assert_array_equal(bare.predict(X), model.predict(X))
    for how in ("warm_start", "partial_fit"):
        again = copy.deepcopy(bare)
        if how == "warm_start":
            again.set_params(warm_start=True, max_iter=1).fit(X, y)
        else:
            again.partial_fit(X, y)
        assert again.score(X, y) > known - 0.05
        assert np.abs(again.coefs_[0] - model.coefs_[0]).max() < 0.01
        again.partial_fit(X, y)


def test_other_layers_than_those_of_the_weights_are_refused(task):
    bare = without_state(task.make().fit(task.X, task.y)).set_params(hidden_layer_sizes=(9,))
    with pytest.raises(ValueError, match="the model being continued must have the same layer sizes"):
        bare.partial_fit(task.X, task.y)


def test_what_a_callback_sees_can_be_trained_on(task):
    pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")
    keeper = Keeper()
    model = task.make(max_iter=40, warm_start=True).set_callbacks(keeper).fit(task.X, task.y)
    first, last = keeper.models[0].set_callbacks(), keeper.models[-1].set_callbacks()
    known = last.score(task.X, task.y)
    for checkpoint, n_epochs in ((first, 1), (last, model.n_iter_)):
        assert len(checkpoint.loss_curve_) == n_epochs
        before = [coef.copy() for coef in checkpoint.coefs_]
        checkpoint.partial_fit(task.X, task.y)
        assert np.abs(checkpoint.coefs_[0] - before[0]).max() < 0.1
        assert len(checkpoint.loss_curve_) == n_epochs + 1
    assert last.fit(task.X, task.y).score(task.X, task.y) > known - 0.03


@PERTURBATIONS
@pytest.mark.parametrize("rate", [10.0, 1e50])
def test_what_a_callback_sees_has_been_looked_at(task, rate, perturbation):
    pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")
    keeper = Keeper()
    wild(task.make, rate, max_iter=1, perturbation=perturbation).set_callbacks(keeper).fit(task.X, task.y)
    seen, start = true_loss(keeper.models[0], task.X, task.y), untrained(task.make, task.X, task.y)
    assert seen <= 1.01 * start


@pytest.mark.parametrize("hook", ["on_fit_task_begin", "on_fit_task_end", "setup", "teardown"])
@pytest.mark.parametrize("number", [1, 2, 4])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_fault_of_a_callback(task, hook, number, error):
    pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")
    calls = []

    def failing(self, estimator, context, *, fitted_estimator=None):
        calls.append(1)
        if len(calls) == number:
            raise error

    model = task.make(max_iter=30).fit(task.X, task.y)
    known, before = model.score(task.X, task.y), finest_output(model, task.X)
    broken = type("Broken", (Keeper,), {hook: failing})
    model.set_callbacks(broken()).set_params(max_iter=3)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(task.X, task.y)
    except error:
        np.testing.assert_array_equal(finest_output(model, task.X), before)
    else:
        assert len(calls) < number or error is KeyboardInterrupt
    model.set_callbacks().set_params(max_iter=30).fit(task.X, task.y)
    assert model.score(task.X, task.y) == pytest.approx(known)


def test_an_interruption_at_the_very_end_keeps_the_fit(task, assert_same_model):
    pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")

    def late(self, estimator, context):
        if context.parent is None:
            raise KeyboardInterrupt

    broken = type("Late", (Keeper,), {"on_fit_task_end": late})
    model = task.make(max_iter=5).set_callbacks(broken())
    with pytest.warns(UserWarning, match="interrupted after 5 epochs; the best model so far is kept"):
        model.fit(task.X, task.y)
    assert_same_model(model, task.make(max_iter=5).fit(task.X, task.y))


@pytest.mark.parametrize("cls", [DopamineMLPClassifier, DopamineMLPRegressor])
def test_a_model_built_by_hand_predicts(cls, make_task):
    make, X, y = make_task("binary" if cls is DopamineMLPClassifier else "regression")
    model = make().fit(X, y)
    built = make()
    for name in ("coefs_", "intercepts_", "n_layers_", "n_outputs_", "out_activation_", "classes_", "_label_binarizer"):
        if hasattr(model, name):
            setattr(built, name, getattr(model, name))
    np.testing.assert_array_equal(built.predict(X), model.predict(X))
    assert built.partial_fit(X, y).score(X, y) > model.score(X, y) - 0.1
