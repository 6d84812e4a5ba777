"""How the estimators train: streams, warm starts, early stopping, interruption, reports, rates, perturbations."""

import re
import warnings

import numpy as np
import pytest
from conftest import finest_output
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

PERTURBATIONS = pytest.mark.parametrize("perturbation", ["node", "weight"])


class Script:
    """A scorer that says what it is told to and keeps what the model predicted at each call."""

    def __init__(self, scores):
        self.scores = scores
        self.outputs = []

    def __call__(self, estimator, X, y, **kwargs):
        self.X = X
        self.outputs.append(finest_output(estimator, X).copy())
        score = self.scores[min(len(self.outputs), len(self.scores)) - 1]
        if score is KeyboardInterrupt:
            raise KeyboardInterrupt
        return score


@PERTURBATIONS
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel", "strings", "regression", "multioutput"])
def test_stream_of_batches_is_learned(make_task, kind, early_stopping, perturbation):
    make, X, y = make_task(kind, n=400)
    model = make(early_stopping=early_stopping, perturbation=perturbation)
    known = {"strings": ["no", "yes"], "binary": [0, 1]}.get(kind, [0, 1, 2])
    first_call = {"classes": known} if hasattr(model, "predict_proba") else {}
    evaluations = []
    for step in range(60):
        rows = slice(step * 50 % 400, step * 50 % 400 + 50)
        model.partial_fit(X[rows], y[rows], **(first_call if step == 0 else {}))
        evaluations.append(model.n_evaluations_)
    assert model.score(X, y) > {"node": 0.7, "weight": 0.5}[perturbation]
    assert (np.diff(evaluations) > 0).all()


def test_stream_whose_first_batch_lacks_a_class(make_task):
    make, X, y = make_task("multiclass")
    model = make().partial_fit(X[y < 2], y[y < 2], classes=[0, 1, 2])
    assert model.predict_proba(X).shape == (len(X), 3)
    for _ in range(100):
        model.partial_fit(X, y)
    assert set(model.predict(X)) == {0, 1, 2}


def test_stream_accepts_weights(task, assert_same_model):
    weight = np.r_[np.zeros(40), np.ones(60)]
    first_call = {"classes": [0, 1]} if hasattr(task.make(), "predict_proba") else {}
    weighted = task.make().partial_fit(task.X, task.y, sample_weight=weight, **first_call)
    removed = task.make().partial_fit(task.X[40:], task.y[40:], **first_call)
    assert_same_model(weighted, removed, rtol=1e-7)


def test_warm_start_goes_on_and_a_cold_start_begins_again(task, assert_same_model):
    warm, cold = (task.make(max_iter=8, warm_start=on).fit(task.X, task.y) for on in (True, False))
    assert_same_model(warm, cold)
    seen, loss = warm.t_, warm.loss_
    warm.fit(task.X, task.y)
    assert warm.t_ > seen
    assert warm.loss_ < loss
    assert_same_model(cold.fit(task.X, task.y), task.make(max_iter=8).fit(task.X, task.y))
    assert cold.t_ == seen


def test_partial_fit_goes_on_after_fit(task):
    model = task.make().fit(task.X, task.y)
    seen, before = model.t_, [coef.copy() for coef in model.coefs_]
    model.partial_fit(task.X, task.y)
    assert model.t_ == seen + len(task.X)
    assert 0 < np.abs(model.coefs_[0] - before[0]).max() < 0.5  # a step from there, not a new start


@pytest.mark.parametrize("scoring", ["loss", "name", "callable"])
@PERTURBATIONS
def test_early_stopping(task, scoring, perturbation):
    name = "accuracy" if hasattr(task.make(), "predict_proba") else "r2"
    metric = {"loss": None, "name": name, "callable": get_scorer(name)}[scoring]
    model = task.make(early_stopping=True, scoring=metric, max_iter=100, n_iter_no_change=5, perturbation=perturbation)
    model.fit(task.X, task.y)
    scores = model.validation_scores_
    assert len(scores) == model.n_iter_ == len(model.loss_curve_)
    assert np.isfinite(scores).all()
    assert model.best_validation_score_ in ([max(scores), min(scores)] if scoring == "loss" else [max(scores)])
    assert model.t_ == model.n_iter_ * 90  # a tenth is held back
    assert model.score(task.X, task.y) > 0.5


def test_early_stopping_stops_after_epochs_without_improvement_and_restores_the_best(task):
    script = Script([0.1, 0.9, 0.2])
    model = task.make(early_stopping=True, scoring=script, max_iter=50, n_iter_no_change=4).fit(task.X, task.y)
    assert model.n_iter_ in (
        6,
        7,
    )  # epoch 2 was the best; scikit-learn's MLP stops one epoch after the fourth stale one
    assert model.validation_scores_[:3] == [0.1, 0.9, 0.2]
    assert model.best_validation_score_ == 0.9
    assert len(script.X) == 10
    np.testing.assert_allclose(finest_output(model, script.X), script.outputs[1], rtol=1e-7)
    assert np.abs(script.outputs[-1] - script.outputs[1]).max() > 1e-4


def test_early_stopping_stratifies_classes_but_not_label_sets(make_task):
    make, X, _ = make_task("binary")
    rare = (np.arange(len(X)) < 10).astype(int)
    seen = []
    make(early_stopping=True, scoring=lambda est, X, y: seen.append(np.mean(y)) or 0.0, max_iter=1).fit(X, rare)
    assert seen == [0.1]
    make, X, y = make_task("multilabel")
    y[0] = [1, 1, 1]  # make one label set a singleton: a stratified split would refuse it
    y[1:, 0] = 0
    model = make(early_stopping=True).fit(X, y)
    assert model.predict(X).shape == y.shape


def test_stops_when_the_loss_stops_improving(task):
    model = task.make(max_iter=200, tol=1e6, n_iter_no_change=3).fit(task.X, task.y)
    assert model.n_iter_ in (4, 5)


@PERTURBATIONS
@pytest.mark.parametrize("early_stopping", [False, True])
def test_an_infinite_n_iter_no_change_never_stops(task, early_stopping, perturbation):
    params = {"tol": 1e6, "max_iter": 20, "early_stopping": early_stopping, "perturbation": perturbation}
    params["batch_size"] = 30  # of all rows at once it counts longer spells, see test_weight.py
    assert task.make(**params, n_iter_no_change=10).fit(task.X, task.y).n_iter_ < 20
    model = task.make(**params, n_iter_no_change=np.inf)
    with pytest.warns(ConvergenceWarning, match="max_iter=20"):
        assert model.fit(task.X, task.y).n_iter_ == 20
    stream = task.make(**params, n_iter_no_change=np.inf)
    stream.partial_fit(task.X, task.y, **({"classes": [0, 1]} if hasattr(stream, "predict_proba") else {}))
    assert stream.n_iter_ == 1


def test_max_iter_warns(task):
    with pytest.warns(ConvergenceWarning, match=r"(?i)max.*\b3\b"):
        task.make(max_iter=3).fit(task.X, task.y)


@PERTURBATIONS
def test_interruption_warns_and_keeps_the_best_model(task, perturbation):
    script = Script([0.9, 0.1, KeyboardInterrupt])
    model = task.make(early_stopping=True, scoring=script, perturbation=perturbation)
    with pytest.warns(Warning, match="(?i)interrupt"):
        model.fit(task.X, task.y)
    assert len(script.outputs) == 3
    assert model.n_iter_ == len(model.validation_scores_) == 2
    np.testing.assert_allclose(finest_output(model, script.X), script.outputs[0], rtol=1e-7)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_verbose_prints_one_line_an_epoch(task, capsys, early_stopping):
    params = {"max_iter": 4, "early_stopping": early_stopping}
    task.make(**params).fit(task.X, task.y)
    assert capsys.readouterr().out == ""
    model = task.make(verbose=True, **params).fit(task.X, task.y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    for i, (line, loss) in enumerate(zip(lines, model.loss_curve_, strict=True)):
        numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", line)]
        assert numbers[0] == i + 1
        assert any(number == pytest.approx(loss, rel=0.01) for number in numbers[1:])


@PERTURBATIONS
def test_learning_rates(task, perturbation):
    params = {"perturbation": perturbation, "learning_rate_init": 0.02, "max_iter": 40, "tol": 0.0}
    fits = {
        name: task.make(learning_rate=name, **params).fit(task.X, task.y)
        for name in ("constant", "invscaling", "dopamine")
    }
    curves = {name: np.array(model.learning_rate_curve_) for name, model in fits.items()}
    np.testing.assert_allclose(curves["constant"], 0.02)
    assert (np.diff(curves["invscaling"]) < 0).all()
    assert np.ptp(curves["dopamine"]) > 0
    assert not np.array_equal(np.sign(np.diff(curves["dopamine"])), np.sign(np.diff(curves["invscaling"])))
    for model in fits.values():
        assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert fits["dopamine"].score(task.X, task.y) > 0.6


def test_power_t_sets_the_decay_of_invscaling(task):
    params = {"learning_rate": "invscaling", "learning_rate_init": 0.02}
    slow, fast = (task.make(power_t=power, **params).fit(task.X, task.y).learning_rate_ for power in (0.2, 0.8))
    assert fast < slow < 0.02


@pytest.mark.parametrize("start", [1e-4, 1e-2, 1.0])
def test_dopamine_rate_needs_no_tuned_start(make_task, start):
    make, X, y = make_task("multiclass", n=300)
    assert make(learning_rate_init=start, max_iter=200).fit(X, y).score(X, y) > 0.85


@PERTURBATIONS
def test_more_pairs_cost_more_evaluations(task, perturbation):
    few, many = (
        task.make(perturbation=perturbation, n_perturbations=n, max_iter=4, tol=0.0).fit(task.X, task.y).n_evaluations_
        for n in (1, 8)
    )
    assert many > 2 * few


@PERTURBATIONS
@pytest.mark.parametrize(
    ("name", "values"), [("perturbation_scale", (0.01, 0.5)), ("momentum", (0.0, 0.9)), ("batch_size", (10, 100))]
)
def test_setting_has_an_effect(task, perturbation, name, values):
    # of all rows at once, steps along perturbed weights have no momentum
    params = {"batch_size": 50, "perturbation": perturbation}
    low, high = (task.make(**{**params, name: value}).fit(task.X, task.y) for value in values)
    assert np.abs(finest_output(low, task.X) - finest_output(high, task.X)).max() > 1e-6


@PERTURBATIONS
def test_alpha_shrinks_the_weights(task, perturbation):
    free, shrunk = (
        sum(
            np.sum(c * c) for c in task.make(alpha=a, perturbation=perturbation, max_iter=60).fit(task.X, task.y).coefs_
        )
        for a in (0.0, 10.0)
    )
    assert shrunk < 0.8 * free


def test_auto_perturbation_is_node_for_a_loss_that_is_a_sum(task, assert_same_model):
    auto, node, weight = (task.make(perturbation=mode).fit(task.X, task.y) for mode in ("auto", "node", "weight"))
    assert_same_model(auto, node)
    assert not np.array_equal(auto.coefs_[0], weight.coefs_[0])


@PERTURBATIONS
@pytest.mark.parametrize("learning_rate", ["constant", "invscaling", "dopamine"])
def test_absurd_rate_gives_a_finite_model_and_no_numpy_warning(task, learning_rate, perturbation):
    model = task.make(
        learning_rate=learning_rate, learning_rate_init=1e6, activation="identity", perturbation=perturbation
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(task.X, task.y)
    assert [str(w.message) for w in caught if not issubclass(w.category, ConvergenceWarning)] == []
    assert all(np.isfinite(a).all() for a in [*model.coefs_, *model.intercepts_])
    assert np.isfinite(finest_output(model, task.X)).all()
    assert np.isfinite(model.loss_curve_).all()
