"""The table of losses: every row is documented, grows with the unit as it says, and is what the estimators train on."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import absolute
from sklearn.metrics import get_scorer, get_scorer_names

from skdopamine import DopamineESNForecaster, DopamineMLPClassifier, DopamineMLPRegressor
from skdopamine._objectives import registry as _registry
from skdopamine._objectives.losses import _OfError
from skdopamine._objectives.registry import (
    CLASSIFICATION,
    TABLE,
    TASKS,
    Entry,
    LossOptions,
    check_loss,
    find_loss,
    losses,
    serves,
)

PAGE = (Path(__file__).parents[2] / "doc" / "parameters.md").read_text(encoding="utf-8")
RNG = np.random.default_rng(0)
N, OUTPUTS = 30, 3
OUTPUT = RNG.normal(size=(N, OUTPUTS))
TARGETS = {
    "binary": RNG.integers(0, 2, (N, OUTPUTS)) * 1.0,
    "multilabel": RNG.integers(0, 2, (N, OUTPUTS)) * 1.0,
    "multiclass": np.eye(OUTPUTS)[RNG.integers(0, OUTPUTS, N)],
    "regression": RNG.gamma(1.0, size=(N, OUTPUTS)),
}
each = pytest.mark.parametrize("entry", TABLE, ids=lambda entry: f"{entry.name}-{'-'.join(entry.tasks)}")
each_of_values = pytest.mark.parametrize("entry", losses("regression"), ids=lambda entry: entry.name)


short = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # fits of a few epochs


def estimators(entry):
    """The estimators that take this loss."""
    family = DopamineMLPRegressor if entry.tasks == ("regression",) else DopamineMLPClassifier
    return [family, DopamineESNForecaster] if entry.closed_loop else [family]


def text_of_loss(estimator):
    """What the docstring says of the parameter `loss`."""
    return re.search(r"^loss : .*?(?=^\w)", inspect.getdoc(estimator), re.MULTILINE | re.DOTALL)[0]


@each
def test_a_loss_is_documented_where_it_is_taken(entry):
    row = re.search(r"^\| `loss` \|.*$", PAGE, re.MULTILINE)[0]
    for text in [row, *map(text_of_loss, estimators(entry))]:
        assert f'"{entry.name}"' in text


@each
def test_a_loss_has_a_finite_value_for_each_row(entry):
    for task in entry.tasks:
        values = entry.make(LossOptions()).values(OUTPUT, TARGETS[task])
        assert values.shape == (N,)
        assert np.isfinite(values).all()
        assert (values >= 0).all() and values.max() > 0.1


@each
@pytest.mark.parametrize("k", [0.25, 1024.0])
def test_a_loss_grows_with_the_unit_as_it_says(entry, k):
    loss, scaled = (entry.make(LossOptions(unit * 0.5, 0.8)) for unit in (1, k))
    assert (loss.degree > 0) == (entry.tasks == ("regression",))
    if loss.degree > 0:
        target = TARGETS["regression"]
        output = OUTPUT + np.log(k) if entry.link == "exp" else k * OUTPUT
        expected = k**loss.degree * loss.values(OUTPUT, target)
        np.testing.assert_allclose(scaled.values(output, k * target), expected, rtol=1e-12)


@each
def test_the_link_and_the_tasks_are_known(entry):
    assert set(entry.tasks) <= set(TASKS)
    assert entry.link in ("identity", "exp")
    assert entry.tasks == ("regression",) or (entry.link, entry.level, entry.closed_loop) == ("identity", None, False)


@pytest.mark.parametrize("task", TASKS)
def test_each_name_stands_for_one_loss(task):
    names = [name for entry in losses(task) for name in (entry.name, *entry.scorers)]
    assert len(set(names)) == len(names)
    assert [find_loss(name, task) for name in names] == [e for e in losses(task) for _ in (e.name, *e.scorers)]
    assert {name for entry in losses(task) for name in entry.scorers} <= set(get_scorer_names())


@pytest.mark.parametrize("task", TASKS)
def test_the_first_loss_is_the_default(task):
    estimator = DopamineMLPRegressor if task == "regression" else DopamineMLPClassifier
    assert losses(task)[0].name == estimator().loss


@pytest.mark.parametrize("quantile", [0.2, 0.5, 0.9])
@each_of_values
def test_the_level_is_that_of_the_best_constant(entry, quantile):
    """Of y whose quantiles all are alike but for the sign, Huber's best constant is the median too."""
    options = LossOptions(quantile=quantile)
    y = np.linspace(-1, 1, 201)[:, None]
    start = y.mean() if entry.level is None else np.quantile(y, entry.level(options))
    if entry.link == "exp":
        y, start = 1 + y, np.log(1 + start)
    loss = entry.make(options)
    means = [loss.values(np.full_like(y, start + moved), y).mean() for moved in (-0.02, 0.0, 0.02)]
    assert np.argmin(means) == 1


@pytest.mark.parametrize("task", TASKS)
def test_names_are_checked(task):
    names = [entry.name for entry in losses(task)]
    for name in [*names, *get_scorer_names(), absolute, get_scorer("f1")]:
        check_loss(name, task)
        if not isinstance(name, str):
            assert find_loss(name, task) is None
    wrong = "hinge" if task == "regression" else "huber"
    for name in ("no_such_loss", wrong):
        with pytest.raises(ValueError, match=rf"loss must be one of .*{names[0]}.*got '{name}'"):
            check_loss(name, task)


@pytest.mark.parametrize(
    ("loss", "tasks"),
    [
        ("log_loss", {"binary", "multiclass", "multilabel"}),
        ("hinge", {"binary", "multiclass", "multilabel"}),
        ("f1", {"binary"}),
        ("f1_samples", {"multilabel"}),
        ("f1_macro", {"binary", "multiclass", "multilabel"}),
        ("balanced_accuracy", {"binary", "multiclass"}),
        ("roc_auc", {"binary", "multilabel"}),
        ("roc_auc_ovo", {"binary", "multiclass", "multilabel"}),
        ("rand_score", {"binary", "multiclass", "multilabel"}),  # unknown: scikit-learn has to say
        (absolute, {"binary", "multiclass", "multilabel"}),
    ],
)
def test_serves(loss, tasks):
    assert {task for task in CLASSIFICATION if serves(loss, task)} == tasks


def series(n=120):
    return np.sin(0.3 * np.arange(n)) + 0.1 * RNG.normal(size=n)


@short
@pytest.mark.filterwarnings("ignore:The forecast left the range")
@each_of_values
def test_the_forecaster_takes_the_losses_that_say_so_and_trains_on_them(entry):
    X = series()[:, None] + 5.0 * (RNG.random((120, 1)) < 0.1)  # errors beyond the knee of Huber's loss
    squares, model = (
        DopamineESNForecaster(5, stateful=True, trainable="readout", loss=loss, max_iter=2, random_state=0)
        for loss in ("squared_error", entry.name)
    )
    if entry.closed_loop:
        assert np.isfinite(model.fit(X).forecast(3)).all()
        assert (model.loss_curve_ == squares.fit(X).loss_curve_) == (entry.name == "squared_error")
    else:
        with pytest.raises(ValueError, match=rf"loss must be one of \('squared_error', .*\).* got '{entry.name}'"):
            model.fit(X)


# ---- a further loss ----


class Quartic(_OfError):
    """Fourth power of the error, summed over outputs."""

    degree = 4

    def element(self, error):
        return error**4


def test_a_loss_that_does_not_state_its_degree_is_not_built():
    class Unstated(_OfError):
        def element(self, error):
            return error**4

    with pytest.raises(TypeError, match="degree"):
        Unstated()


@pytest.fixture
def quartic(monkeypatch):
    entry = Entry("quartic", ("regression",), lambda options: Quartic(), closed_loop=True)
    monkeypatch.setattr(_registry, "TABLE", (*TABLE, entry))


@short
@pytest.mark.usefixtures("quartic")
def test_one_row_is_all_that_a_further_loss_needs():
    X = RNG.normal(size=(80, 3))
    y = X[:, 0] + 0.1 * RNG.normal(size=80)
    curves = [
        DopamineMLPRegressor((5,), loss="quartic", max_iter=5, tol=0, n_iter_no_change=10, random_state=0)
        .fit(X, unit * y)
        .loss_curve_
        for unit in (1.0, 1024.0)
    ]
    np.testing.assert_allclose(curves[1], np.array(curves[0]) * 1024.0**4, rtol=1e-12)


@short
@pytest.mark.usefixtures("quartic")
def test_the_forecaster_trains_on_a_further_loss():
    X, losses_of = series()[:, None], {}
    for loss in ("squared_error", "quartic"):
        model = DopamineESNForecaster(n_units=5, stateful=True, loss=loss, trainable="readout", max_iter=2)
        losses_of[loss] = [model.set_params(random_state=0).fit(unit * X).loss_curve_[0] for unit in (1.0, 1024.0)]
    for first, scaled in losses_of.values():  # counted in units of the series
        assert scaled == pytest.approx(first, rel=1e-9)
    assert losses_of["quartic"][0] != pytest.approx(losses_of["squared_error"][0], rel=1e-3)
