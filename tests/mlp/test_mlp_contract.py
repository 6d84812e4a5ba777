"""The estimators inside scikit-learn: parameters, pickles, pipelines, searches, meta-estimators."""

import inspect
import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr
from sklearn.utils.fixes import parse_version

from skdopamine import DopamineESNForecaster, DopamineMLPClassifier, DopamineMLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SKLEARN_1_9 = parse_version(sklearn.__version__) >= parse_version("1.9")
CLASSES = pytest.mark.parametrize("cls", [DopamineMLPClassifier, DopamineMLPRegressor])
# the API 1: what scikit-learn's MLP has beside its solvers' own settings
SHARED_WITH_SKLEARN = {
    *("hidden_layer_sizes", "activation", "momentum", "alpha", "batch_size", "max_iter", "shuffle", "random_state"),
    *("tol", "verbose", "warm_start", "early_stopping", "validation_fraction", "n_iter_no_change", "power_t"),
}
OWN_DEFAULTS = {
    "early_stopping": "auto",
    "learning_rate": "dopamine",
    "perturbation": "auto",
    "perturbation_scale": "auto",
    "n_perturbations": "auto",
    "scoring": None,
    "init": None,
    "n_jobs": None,
}


def _defaults(cls):
    return {name: p.default for name, p in inspect.signature(cls).parameters.items()}


@pytest.mark.parametrize(
    ("ours", "theirs"), [(DopamineMLPClassifier, MLPClassifier), (DopamineMLPRegressor, MLPRegressor)]
)
def test_parameters_shared_with_sklearn_keep_their_defaults(ours, theirs):
    own, sklearns = _defaults(ours), _defaults(theirs)
    assert own.keys() >= SHARED_WITH_SKLEARN | OWN_DEFAULTS.keys() | {"learning_rate_init", "loss"}
    assert "solver" not in own
    expected = {name: sklearns[name] for name in own.keys() & sklearns.keys() - {"learning_rate_init"}} | OWN_DEFAULTS
    expected["loss"] = "log_loss" if ours is DopamineMLPClassifier else "squared_error"
    assert {name: own[name] for name in expected} == expected


@CLASSES
def test_two_parameters_are_positional_and_the_rest_keyword_only(cls):
    parameters = inspect.signature(cls).parameters.values()
    positional = [p.name for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY]
    assert positional == ["hidden_layer_sizes", "activation"]


@CLASSES
def test_params_round_trip(cls):
    changed = {"hidden_layer_sizes": (3, 4), "perturbation_scale": 0.25, "alpha": 0.5}
    model = cls().set_params(**changed)
    assert clone(model).get_params() == model.get_params() == cls(**changed).get_params() == _defaults(cls) | changed
    with pytest.raises(ValueError, match="perturbation_sacle"):
        model.set_params(perturbation_sacle=0.1)


def test_fit_changes_no_parameter_and_clone_drops_the_fit(task):
    model = task.make()
    before = model.get_params()
    model.fit(task.X, task.y)
    assert model.get_params() == before
    assert not hasattr(clone(model), "coefs_")


@pytest.mark.parametrize("perturbation", ["node", "weight"])
def test_pickle_in_mid_training_continues_bit_for_bit(task, noisy, assert_same_model, perturbation):
    batches = [slice(start, start + 20) for start in range(0, 100, 20)]
    model = task.make(**noisy, perturbation=perturbation)
    first_call = {"classes": [0, 1]} if hasattr(model, "predict_proba") else {}
    for i, batch in enumerate(batches[:3]):
        model.partial_fit(task.X[batch], task.y[batch], **(first_call if i == 0 else {}))
    at_half = [coef.copy() for coef in model.coefs_]
    copy = pickle.loads(pickle.dumps(model))
    for batch in batches[3:]:
        for one in (model, copy):
            one.partial_fit(task.X[batch], task.y[batch])
    assert_same_model(copy, model)
    assert copy.learning_rate_ == model.learning_rate_
    assert not np.array_equal(model.coefs_[0], at_half[0])  # there was something to continue


@pytest.mark.parametrize("cls", [DopamineMLPClassifier, DopamineMLPRegressor, DopamineESNForecaster])
def test_html_repr_shows_every_parameter_with_its_description(cls):
    model = cls(perturbation_scale=0.123)
    html = estimator_html_repr(model)
    rows = [name for name in model.get_params() if f"copyToClipboard('{name}'" in html]
    assert rows == list(model.get_params())
    assert "0.123" in html
    if SKLEARN_1_9:  # tooltips, read from the numpydoc section "Parameters"
        assert [name for name in rows if f"--doc-link-{name};" not in html] == []
        assert f'href="#{cls.__name__}' in html
        assert 'href="http' not in html  # scikit-learn's pages do not know ours


def test_sample_weight_is_routed_through_pipeline_and_search(task, assert_same_model):
    weight = np.random.default_rng(0).integers(0, 4, len(task.X)).astype(float)
    with sklearn.config_context(enable_metadata_routing=True):
        model = task.make().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        pipe = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model)
        name = pipe.steps[-1][0]
        metric = get_scorer("accuracy" if is_classifier(model) else "r2").set_score_request(sample_weight=True)
        grid = {f"{name}__perturbation_scale": [0.05]}
        search = GridSearchCV(pipe, grid, scoring=metric, cv=2, error_score="raise")
        routed = [fitted[-1] for fitted in (pipe.fit(task.X, task.y, sample_weight=weight),)]
        routed.append(search.fit(task.X, task.y, sample_weight=weight).best_estimator_[-1])
        X = StandardScaler().fit_transform(task.X)
        for got in routed:
            assert_same_model(got, clone(got).fit(X, task.y, sample_weight=weight))
            assert not np.array_equal(got.coefs_[0], clone(got).fit(X, task.y).coefs_[0])


def test_grid_search_in_a_pipeline_with_two_jobs(task):
    pipe = make_pipeline(StandardScaler(), task.make(max_iter=60, batch_size=10))
    name = pipe.steps[-1][0]
    grid = {f"{name}__perturbation_scale": ["auto", 0.05], f"{name}__hidden_layer_sizes": [(), (4,), (4, 4)]}
    search = GridSearchCV(pipe, grid, cv=2, n_jobs=2, error_score="raise").fit(task.X, task.y)
    assert search.cv_results_["params"] == [
        {f"{name}__hidden_layer_sizes": sizes, f"{name}__perturbation_scale": scale}
        for sizes in [(), (4,), (4, 4)]
        for scale in ["auto", 0.05]
    ]
    assert search.best_score_ > 0.7


def test_cross_validation_with_time_series_split(make_task):
    make, X, y = make_task("regression", n=200)
    scores = cross_val_score(make(max_iter=100), X, y, cv=TimeSeriesSplit(3), error_score="raise")
    assert scores.shape == (3,)
    assert scores[-1] > 0.7


def test_calibration_gives_probabilities(make_task):
    make, X, y = make_task("multiclass", n=150)
    model = CalibratedClassifierCV(make(max_iter=60), cv=3).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    assert model.score(X, y) > 0.75


def test_permutation_importance_finds_the_informative_column(task):
    X = np.column_stack([np.random.default_rng(1).standard_normal((len(task.X), 3)), np.sign(task.y - task.y.mean())])
    model = task.make(max_iter=60).fit(X, task.y)
    assert permutation_importance(model, X, task.y, n_repeats=3, random_state=0).importances_mean.argmax() == 3


def test_stacking(make_task):
    make, X, y = make_task("strings")
    stack = StackingClassifier([("ours", make(max_iter=60)), ("linear", LogisticRegression())], cv=2).fit(X, y)
    assert set(stack.predict(X)) == {"no", "yes"}
    assert stack.score(X, y) > 0.85
