"""Interruptions at any call: what was known is kept, what is said is true, and training can go on."""

import copy
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import finest_output
from sklearn.exceptions import ConvergenceWarning, NotFittedError

import skdopamine
from skdopamine import DopamineESNForecaster, DopamineMLPClassifier, DopamineMLPPolicy, DopamineMLPRegressor
from skdopamine._training import trainer as _trainer

ROOT = str(Path(skdopamine.__file__).parent)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 3))
Y = X[:, 0] + np.sin(X[:, 1])
SERIES = np.sin(np.arange(90) / 3)[:, None] + 0.1 * RNG.normal(size=(90, 1))

NET = {"hidden_layer_sizes": (4,), "max_iter": 4, "batch_size": 30, "random_state": 0}
LOOP = {"stateful": True, "n_units": 4, "horizon": 2, "washout": 4, "readout_lags": 2, "max_iter": 2, "random_state": 0}
LOOP["n_perturbations"] = 1
MODELS = {
    "classifier": (lambda: DopamineMLPClassifier(**NET), (X, Y > 0)),
    "one batch": (lambda: DopamineMLPClassifier(**{**NET, "batch_size": 90}), (X, Y > 0)),
    "metric": (lambda: DopamineMLPClassifier(**{**NET, "max_iter": 6}, loss="f1"), (X, Y > 0)),
    "regressor": (lambda: DopamineMLPRegressor(**NET), (X, Y)),
    "early stopping": (lambda: DopamineMLPRegressor(**NET, early_stopping=True, scoring="r2"), (X, Y)),
    "policy": (lambda: DopamineMLPPolicy(**NET), (X, Y > 0, (Y > 0) * 1.0)),
    "policy of propensities": (lambda: DopamineMLPPolicy(**NET, objective="dr"), (X, Y > 0, (Y > 1) * 1.0)),
    "forecaster": (lambda: DopamineESNForecaster(**LOOP), (SERIES,)),
    "forecaster's weights": (lambda: DopamineESNForecaster(**LOOP, trainable="readout"), (SERIES,)),
}
quietly = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class At:
    """Interrupts the n-th call of a function of the package, and counts the calls."""

    def __init__(self, number=-1):
        self.number, self.count = number, 0

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self.trace)
        return self

    def __exit__(self, *_):
        sys.settrace(self.before)

    def trace(self, frame, event, arg):
        if frame.f_code.co_filename.startswith(ROOT):
            self.count += 1
            if self.count == self.number:
                raise KeyboardInterrupt


def predicted(model):
    return model.predict(SERIES) if isinstance(model, DopamineESNForecaster) else finest_output(model, X)


def train(model, data, how):
    if how == "partial_fit":
        more = {"classes": [False, True]} if hasattr(model, "predict_proba") else {}
        return model.partial_fit(*data, **more)
    return model.fit(*data)


def interrupted(model, data, how, number):
    """What was warned of, and whether the interruption went on."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with At(number):
                train(model, data, how)
        except KeyboardInterrupt:
            return [], True
    return [str(w.message) for w in caught if not issubclass(w.category, ConvergenceWarning)], False


def points(make, data, how, n):
    """Numbers of calls, the first ones and some at random."""
    with At() as counter:
        train(make(), data, how)
    return [2, 9, *np.random.default_rng(1).integers(1, counter.count, n - 2)]


FITTED = {}


def started(name):
    if name not in FITTED:
        make, data = MODELS[name]
        FITTED[name] = train(make(), data, "fit")
    return copy.deepcopy(FITTED[name])


@quietly
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("how", ["fit", "warm_start", "partial_fit"])
def test_a_fitted_model_predicts_as_before_or_better(name, how):
    _, data = MODELS[name]
    if name.startswith("forecaster") and (how == "warm_start" or (name != "forecaster" and how == "partial_fit")):
        pytest.skip("there is none")
    for number in points(lambda: started(name), data, how, 6):
        model = started(name)
        if how == "warm_start":
            model.set_params(warm_start=True)
        before, score = predicted(model), model.score(*data)
        told, _ = interrupted(model, data, how, number)
        after = predicted(model)
        same = np.array_equal(before, after)
        assert same or model.score(*data) > min(score, 0.0) - 0.3, number
        assert np.isfinite(after).all()
        if any("as it was before" in message for message in told):
            assert same, number
        train(model, data, how)
        assert np.isfinite(predicted(model)).all()
        assert len(model.loss_curve_) >= model.n_iter_ - 1


@quietly
@pytest.mark.parametrize("name", MODELS)
def test_a_first_fit_leaves_a_model_or_none(name):
    make, data = MODELS[name]
    for number in points(make, data, "fit", 6):
        model = make()
        told, went_on = interrupted(model, data, "fit", number)
        if went_on:
            with pytest.raises(NotFittedError):
                model.predict(data[0])
        else:
            assert np.isfinite(predicted(model)).all()
            assert told == [] or any("best model so far" in t or "0 epochs" in t for t in told)
        assert np.isfinite(predicted(train(model, data, "fit"))).all()


# ---- before the first epoch has ended ----


def stopped_at_once(*args, **kwargs):
    raise KeyboardInterrupt


@quietly
@pytest.mark.parametrize("name", [name for name in MODELS if "forecaster" not in name])
@pytest.mark.parametrize("where", ["credit", "begun_on_all"])
@pytest.mark.parametrize("how", ["fit", "warm_start", "partial_fit"])
def test_an_early_interruption_leaves_a_network_as_it_was(monkeypatch, name, where, how):
    make, data = MODELS[name]
    model, stream = started(name), make()
    model.set_params(warm_start=how == "warm_start")
    before, state = predicted(model), dict(vars(model))
    if where == "credit":
        monkeypatch.setattr(_trainer, "update_step", stopped_at_once)
    else:
        monkeypatch.setattr(_trainer, "run_epoch", stopped_at_once)
        monkeypatch.setattr(_trainer, "begun_on_all", stopped_at_once)
    with pytest.warns(UserWarning, match="interrupted before its first epoch.*as it was before is kept") as caught:
        train(model, data, how)
    assert [warning.filename for warning in caught] == [__file__]
    np.testing.assert_array_equal(predicted(model), before)
    assert vars(model).keys() == state.keys()
    assert all(vars(model)[key] is state[key] for key in state)
    with pytest.raises(KeyboardInterrupt):
        train(stream, data, how)
    assert not hasattr(stream, "coefs_")


@quietly
@pytest.mark.parametrize("trainable", ["gains", "readout", ("gains", "readout")])
def test_an_early_interruption_leaves_a_forecaster_as_it_was(monkeypatch, trainable):
    model = DopamineESNForecaster(**LOOP, trainable=trainable).fit(SERIES)
    path, curve = model.forecast(5), list(model.loss_curve_)
    monkeypatch.setattr(_trainer, "update_step", stopped_at_once)
    with pytest.warns(UserWarning, match="as it was before is kept") as caught:
        model.fit(2 * SERIES[:80])
    assert [warning.filename for warning in caught] == [__file__]
    np.testing.assert_array_equal(model.forecast(5), path)
    assert model.loss_curve_ == curve


@quietly
def test_a_stream_of_a_series_does_not_lose_rows_in_silence(monkeypatch):
    model = DopamineESNForecaster(**LOOP).fit(SERIES[:80])
    path = model.forecast(5)
    with monkeypatch.context() as patch:
        patch.setattr(DopamineESNForecaster, "_set_fitted", stopped_at_once)
        with pytest.raises(KeyboardInterrupt):
            model.partial_fit(SERIES[80:])
    np.testing.assert_array_equal(model.forecast(5), path)
    model.partial_fit(SERIES[80:])
