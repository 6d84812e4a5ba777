"""DopamineMLPPolicy: what it learns from rewards of the actions that were taken."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import sklearn
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from skdopamine import DopamineMLPClassifier, DopamineMLPPolicy
from skdopamine._mlp import off_policy as _off_policy
from skdopamine._mlp.experience import UNLEARNT

SKLEARN_1_9 = parse_version(sklearn.__version__) >= parse_version("1.9")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # fits are short here

IRIS, SPECIES = load_iris(return_X_y=True)
X = StandardScaler().fit_transform(IRIS)
NAMES = np.array(["setosa", "versicolor", "virginica"])
RNG = np.random.default_rng(0)
N = 900
ROWS = RNG.integers(0, 150, N)
SKEWED = np.array([0.6, 0.3, 0.1])
LOGGED = RNG.choice(3, N, p=SKEWED)
LOG = {"X": X[ROWS], "y": LOGGED, "reward": (SPECIES[ROWS] == LOGGED) * 1.0, "propensity": SKEWED[LOGGED]}
OBJECTIVES = ["reward", "policy", "ips", "snips", "dr", "switch_dr"]


def policy(**params):
    return DopamineMLPPolicy(**{"hidden_layer_sizes": (16,), "random_state": 0, **params})


def act(model, n_rows=600, size=10, *, right=SPECIES, reward=lambda right: right * 1.0, actions=range(3), seed=0):
    """Let it act on rows at random, and learn; return its rewards."""
    rng, earned = np.random.default_rng(seed), []
    for _ in range(n_rows // size):
        rows = rng.integers(0, 150, size)
        if hasattr(model, "coefs_"):
            chosen, propensities = model.sample(X[rows])
        else:
            chosen, propensities = rng.choice(list(actions), size), 1 / len(actions)
        got = reward(chosen == right[rows])
        model.partial_fit(X[rows], chosen, reward=got, propensity=propensities, classes=list(actions))
        earned.extend(got)
    return np.array(earned)


# ---- what is learnt ----


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_log_teaches_the_right_action(objective):
    model = policy(objective=objective).fit(**LOG)
    assert (model.predict(X) == SPECIES).mean() > 0.9
    assert model.score(X, SPECIES) == pytest.approx((model.predict(X) == SPECIES).mean())
    assert model.out_activation_ == ("identity" if objective == "reward" else "softmax")


def test_the_users_own_estimate_is_maximised():
    seen = []

    def value(y, reward, propensity, proba):
        seen.append((set(y.tolist()), set(propensity.round(6).tolist()), proba.shape[1]))
        taken = (proba * (y[:, None] == NAMES)).sum(axis=1)
        return np.mean(taken * (reward - 5) / propensity)

    log = {**LOG, "y": NAMES[LOGGED], "reward": LOG["reward"] * 10}
    model = policy(objective=value, max_iter=60).fit(**log)
    assert (model.predict(X) == NAMES[SPECIES]).mean() > 0.85
    assert seen[0] == (set(NAMES.tolist()), {0.6, 0.3, 0.1}, 3)


@pytest.mark.parametrize("exploration", ["optimism", "inverse_gap", "softmax"])
def test_acting_it_learns_and_explores_less_and_less(exploration):
    earned = act(policy(exploration=exploration))
    assert earned[300:].mean() > 0.8
    assert earned[300:].mean() > earned[:100].mean()


def test_a_policy_learns_from_what_it_does_itself():
    model = policy(objective="policy", batch_size=20)
    earned = act(model, 3000, 20)
    assert earned[-1000:].mean() > 0.75
    assert model._experience.memory.n_rows == 3000  # for its critic; it replays none
    assert model.t_ == 3000


@pytest.mark.parametrize("objective", ["policy", "dr"])
def test_where_rewards_grow_what_was_learnt_of_small_ones_does_not_hold_steps_back(objective):
    model, rng = policy(objective=objective, entropy=0.0), np.random.default_rng(0)

    def learn(size, n_rows):
        rows, chosen = rng.integers(0, 150, n_rows), rng.integers(0, 3, n_rows)
        reward = size * ((chosen == SPECIES[rows]) + rng.standard_normal(n_rows))
        model.partial_fit(X[rows], chosen, reward=reward, propensity=1 / 3, classes=range(3))
        return model._experience.scale, model._training.state.credit_square.mean()

    seen = [learn(size, 100) for size in [1e-3] * 5 + [1.0] * 10]
    at = next(k for k in range(5, 15) if seen[k][0] > 100 * seen[4][0])
    assert seen[at][1] < 0.1 * seen[at - 1][1]  # in the new unit the old credit is next to nothing


def test_rewards_arrive_row_by_row():
    earned = act(policy(), 300, 1)
    assert earned[150:].mean() > 0.75


@pytest.mark.parametrize(("scale", "offset"), [(1e-6, 0.0), (1e6, -3e6), (1.0, 1e3), (-1.0, 0.0)])
def test_rewards_have_any_size_and_sign(scale, offset):
    right = LOG["reward"] if scale > 0 else 1 - LOG["reward"]
    model = policy().fit(**{**LOG, "reward": abs(scale) * right + offset})
    if scale > 0:
        assert (model.predict(X) == SPECIES).mean() > 0.9
    else:
        assert (model.predict(X) == SPECIES).mean() < 0.1
    rewards = model.predict_reward(X)
    assert abs(rewards[np.arange(150), SPECIES].mean() - (abs(scale) * (scale > 0) + offset)) < 0.2 * abs(scale)


def test_without_reward_y_is_right():
    model = policy().fit(X, NAMES[SPECIES])
    assert model.score(X, NAMES[SPECIES]) > 0.95
    assert model.classes_.tolist() == NAMES.tolist()
    stream = policy()
    for _ in range(10):
        stream.partial_fit(X, NAMES[SPECIES], classes=NAMES)
    assert stream.score(X, NAMES[SPECIES]) > 0.95
    assert stream.mean_reward_ == pytest.approx(1 / 3)


def test_the_rewards_of_actions_that_were_not_taken_do_not_matter():
    """Rows of other actions may say anything, where each action has a network's output of its own and no layer."""
    model = policy(hidden_layer_sizes=(), alpha=0.0)
    odd = LOGGED == 2
    changed = {**LOG, "reward": np.where(odd, 1 - LOG["reward"], LOG["reward"])}
    one, other = clone(model).fit(**LOG), clone(model).fit(**changed)
    np.testing.assert_allclose(one._experience.readout.inverse[:2], other._experience.readout.inverse[:2], rtol=1e-12)
    assert not np.allclose(one.predict_reward(X)[:, 2], other.predict_reward(X)[:, 2], atol=0.1)
    np.testing.assert_allclose(one._experience.readout.moment[:2], other._experience.readout.moment[:2], rtol=1e-12)


def test_a_constant_reward_teaches_nothing_and_breaks_nothing():
    model = policy().fit(X, LOGGED[:150], reward=np.full(150, 2.5))
    np.testing.assert_allclose(model.predict_reward(X), 2.5)
    stream = policy()
    act(stream, 100, reward=lambda right: np.zeros(len(right)))
    earned = act(stream, 500)
    assert earned[-200:].mean() > 0.8


# ---- actions without rewards, and rewards that change ----


def test_an_action_never_seen_is_tried_and_not_predicted():
    model = policy().partial_fit(X[:1], ["a"], reward=[-1.0], classes=["a", "b", "c"])
    assert set(model.predict(X)) == {"a"}
    assert set(model.sample(X)[0]) <= {"b", "c"}
    model.partial_fit(X[:1], ["b"], reward=[5.0])
    assert set(model.predict(X)) <= {"a", "b"}


def test_an_action_that_arrives_later_is_found():
    better = np.where(SPECIES == 0, 3, SPECIES)  # a fourth action, for the first species
    model = policy()
    rng = np.random.default_rng(0)
    for _ in range(20):
        rows, chosen = rng.integers(0, 150, 10), rng.integers(0, 3, 10)
        model.partial_fit(X[rows], chosen, reward=(chosen == better[rows]) * 1.0, classes=range(4))
    assert 3 not in model.predict(X)
    earned = act(model, 600, right=better, actions=range(4))
    assert earned[300:].mean() > 0.8
    assert 3 in model.predict(X)


def test_rewards_that_drift_are_followed_within_the_memory():
    moved = (SPECIES + 1) % 3
    earned = {}
    for size in (300, 10_000):
        model = policy(memory_size=size)
        assert act(model, 900)[-300:].mean() > 0.8
        earned[size] = act(model, 900, right=moved, seed=1)[-300:].mean()
    assert earned[300] > 0.8
    assert earned[300] > earned[10_000]


def test_replay_learns_more_from_each_row():
    def after(n, **params):
        return np.mean([act(policy(exploration="softmax", random_state=s, **params), n, seed=s).mean() for s in (0, 1)])

    assert policy(replay=0).partial_fit(X, SPECIES, classes=range(3)).partial_fit(X, SPECIES).t_ == 300
    assert policy(replay=2).partial_fit(X, SPECIES, classes=range(3)).partial_fit(X, SPECIES).t_ == 450
    assert after(400) > 0.5


def test_memory_is_bounded():
    model = policy(memory_size=50)
    act(model, 300)
    assert model._experience.memory.n_rows == 50
    assert (
        sum(len(piece.X.base if piece.X.base is not None else piece.X) for piece in model._experience.memory.pieces)
        <= 150
    )
    assert policy(memory_size=0).fit(**LOG)._experience.memory.n_rows == 0


# ---- phasic and tonic ----


def test_reward_prediction_errors_are_traced():
    model = policy()
    rng = np.random.default_rng(0)
    for k in range(30):
        rows = rng.integers(0, 150, 10)
        chosen = rng.integers(0, 3, 10) if k == 0 else model.sample(X[rows])[0]
        reward = (chosen == SPECIES[rows]) * 1.0
        expected = np.full(10, reward.mean()) if k == 0 else model.predict_reward(X[rows])[np.arange(10), chosen]
        model.partial_fit(X[rows], chosen, reward=reward, classes=range(3))
        np.testing.assert_allclose(model.reward_prediction_errors_, reward - expected, atol=1e-12)
        assert model.reward_prediction_error_curve_[-1] == pytest.approx((reward - expected).mean())
    assert len(model.reward_prediction_error_curve_) == 30
    assert np.abs(model.reward_prediction_errors_).mean() < 0.3
    assert 0.5 < model.mean_reward_ < 1


# ---- chances ----


@pytest.mark.parametrize("exploration", ["auto", "optimism", "inverse_gap", "softmax"])
@pytest.mark.parametrize("objective", ["reward", "policy", "dr"])
def test_propensities_are_the_chances_of_what_was_drawn(exploration, objective):
    model = policy(exploration=exploration, objective=objective, exploration_rate=5.0, max_iter=20).fit(**LOG)
    chances = model.predict_proba(X)
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    actions, propensities = model.sample(X)
    np.testing.assert_array_equal(propensities, chances[np.arange(150), actions])
    assert set(actions) <= {0, 1, 2}
    if exploration == "optimism" or (exploration, objective) == ("auto", "reward"):
        np.testing.assert_array_equal(propensities, 1.0)
    elif objective == "dr" and exploration != "inverse_gap":
        assert chances.min() > 0.05 / 3 - 1e-12


def test_each_sample_is_another_one_and_goes_on_after_a_pickle():
    model = policy(exploration="softmax", exploration_rate=100.0).fit(**LOG)
    first = model.sample(X)[0]
    kept = pickle.loads(pickle.dumps(model))
    second = model.sample(X)[0]
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(kept.sample(X)[0], second)
    np.testing.assert_array_equal(model.fit(**LOG).sample(X)[0], first)


# ---- the value of a policy ----


def test_the_score_is_the_value_of_what_is_predicted():
    model = policy().fit(**LOG)
    rng = np.random.default_rng(5)
    rows = rng.integers(0, 150, 3000)
    chosen = rng.choice(3, 3000, p=SKEWED)
    reward = (chosen == SPECIES[rows]) * 2.0 - 1
    true = 2 * (model.predict(X[rows]) == SPECIES[rows]).mean() - 1
    given = model.score(X[rows], chosen, reward=reward, propensity=SKEWED[chosen])
    counted = model.score(X[rows], chosen, reward=reward)
    assert given == pytest.approx(true, abs=0.05)
    assert counted == pytest.approx(given, abs=0.02)
    poor = copy.deepcopy(model)
    poor.coefs_ = [np.zeros_like(c) for c in poor.coefs_]
    poor._experience = poor._experience._replace(readout=poor._experience.readout.empty(3, 21))
    assert poor.score(X[rows], chosen, reward=reward, propensity=SKEWED[chosen]) < given - 0.5


def test_rows_of_weight_two_count_as_two_in_the_score():
    model = policy(max_iter=2).fit(**LOG)
    some = {name: part[:90] for name, part in LOG.items()}
    weight = np.arange(90) % 3
    twice = {name: np.repeat(part, weight, axis=0) for name, part in some.items()}
    assert model.score(**some, sample_weight=weight) == pytest.approx(model.score(**twice))
    assert model.score(**some, sample_weight=weight) != pytest.approx(model.score(**some))
    accuracy = model.score(X[:90], SPECIES[:90], sample_weight=weight)
    assert accuracy == pytest.approx(model.score(np.repeat(X[:90], weight, axis=0), np.repeat(SPECIES[:90], weight)))
    with pytest.raises(ValueError, match="sample_weight must not be negative"):
        model.score(**some, sample_weight=-weight)


def test_the_score_uses_what_the_model_expects():
    model = policy().fit(**LOG)
    reward, weight = np.full((4, 3), np.nan), np.ones(4)
    reward[np.arange(4), LOGGED[:4]] = LOG["reward"][:4]
    taken = model.predict(LOG["X"][:4])[:, None] == np.arange(3)
    expected = _off_policy.value(
        taken * 1.0, reward, weight / 0.5, model.predict_reward(LOG["X"][:4]), np.full(4, 0.25)
    )
    assert model.score(LOG["X"][:4], LOGGED[:4], reward=LOG["reward"][:4], propensity=0.5) == pytest.approx(expected)


# ---- the contract of scikit-learn ----


def test_rewards_and_propensities_are_routed():
    asked = dict(reward=True, propensity=True)
    with config_context(enable_metadata_routing=True):
        model = policy(max_iter=10).set_fit_request(**asked).set_score_request(**asked)
        params = {"reward": LOG["reward"], "propensity": LOG["propensity"]}
        pipeline = make_pipeline(StandardScaler(), model).fit(LOG["X"], LOGGED, **params)
        assert pipeline.score(LOG["X"], LOGGED, **params) > 0.5
        mixed = KFold(3, shuffle=True, random_state=0)  # rows of one species stand together
        # scikit-learn 1.7 hands nothing on to the score of a pipeline's last step
        searched, prefix = (pipeline, "dopaminemlppolicy__") if SKLEARN_1_9 else (model, "")
        search = GridSearchCV(searched, {f"{prefix}hidden_layer_sizes": [(), (16,)]}, cv=mixed)
        search.fit(LOG["X"], LOGGED, **params)
        assert search.best_score_ > 0.5
        result = cross_validate(searched, LOG["X"], LOGGED, params=params, cv=mixed)
        assert (result["test_score"] > 0.5).all()
        scores = cross_val_score(searched, LOG["X"], LOGGED, params=params, cv=mixed)
        np.testing.assert_array_equal(scores, result["test_score"])
        blind = policy(max_iter=10).set_fit_request(reward=False, propensity=False)
        wrong = cross_val_score(blind.set_score_request(reward=False, propensity=False), LOG["X"], LOGGED, cv=mixed)
        assert wrong.mean() < scores.mean()  # it learns what was done, and not what was good


def test_the_same_seed_gives_the_same_bits_and_another_others(assert_same_model):
    one, two, other = (policy(random_state=s) for s in (0, 0, 1))
    for model in (one, two, other):
        act(model, 100)
    assert_same_model(one, two)
    np.testing.assert_array_equal(one.predict_reward(X), two.predict_reward(X))
    assert not np.array_equal(one.coefs_[0], other.coefs_[0])
    kept = pickle.loads(pickle.dumps(one))
    for model in (one, kept):
        act(model, 50, seed=3)
    assert_same_model(one, kept)


def test_a_fit_goes_on_where_the_last_one_ended(assert_same_model):
    model = policy(max_iter=5, warm_start=True).fit(**LOG)
    before = copy.deepcopy(model.coefs_)
    model.fit(**LOG)
    assert not np.array_equal(before[0], model.coefs_[0])
    assert len(model.loss_curve_) == 10
    assert len(model.reward_prediction_error_curve_) == 2
    one, other = (policy(max_iter=5).fit(**LOG) for _ in range(2))
    other.fit(**LOG)
    assert_same_model(one, other)


def test_a_policy_starts_from_a_classifier():
    known = DopamineMLPClassifier((16,), random_state=0).fit(X, SPECIES)
    model = policy(objective="ips", init=known, max_iter=1, learning_rate_init=1e-6).fit(**LOG)
    assert (model.predict(X) == known.predict(X)).mean() > 0.95
    with pytest.raises(ValueError, match="output function"):
        policy(init=known).fit(**LOG)
    assert clone(model).init is known


def test_no_other_outputs_while_it_is_being_continued():
    model = policy(max_iter=2).fit(**LOG)
    with pytest.raises(ValueError, match=r"objective='dr' needs other outputs.*'identity'"):
        model.set_params(objective="dr").partial_fit(X[:2], [0, 1], reward=[1.0, 0.0])


def test_there_is_no_policy_in_scikit_learn():
    with pytest.raises(ValueError, match="to_sklearn"):
        policy(max_iter=2).fit(**LOG).to_sklearn()


def test_float32_stays_float32():
    model = policy(max_iter=3).fit(**{**LOG, "X": LOG["X"].astype(np.float32)})
    assert model.coefs_[0].dtype == np.float32
    model.partial_fit(X[:5].astype(np.float32), LOGGED[:5], reward=np.ones(5))
    assert model._experience.memory.pieces[0].X.dtype == np.float32


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_reward", "sample", "score"])
def test_nothing_is_known_before_a_fit(method):
    with pytest.raises(NotFittedError):
        getattr(policy(), method)(X, *([SPECIES] if method == "score" else []))
    with pytest.raises(AttributeError):
        policy().mean_reward_  # noqa: B018


class Watch:
    """Keeps what a callback sees of each epoch: the model's accuracy on the rows that it is shown."""

    def __init__(self):
        self.accuracies = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        assert metadata is None
        if context.parent is not None:
            self.accuracies.append((fitted_estimator.predict(X) == y).mean())


@pytest.mark.parametrize("objective", ["reward", "dr"])
def test_callbacks_see_labels_and_a_model_that_predicts(objective):
    pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")
    watch = Watch()
    policy(objective=objective, max_iter=20).set_callbacks(watch).fit(X, NAMES[SPECIES])
    assert len(watch.accuracies) == 20
    assert watch.accuracies[-1] > max(watch.accuracies[0], 0.7)


# ---- bad input ----

BAD = {
    "rewards nan": ({"reward": np.full(N, np.nan)}, "reward contains NaN"),
    "rewards infinite": ({"reward": np.full(N, np.inf)}, "reward contains infinity"),
    "rewards strings": ({"reward": ["1"] * N}, r"reward must be numbers, got \['1'\]"),
    "rewards short": ({"reward": np.ones(5)}, rf"reward must have one entry per row of X: shape \({N},\), got \(5,\)"),
    "rewards wide": ({"reward": np.ones((N, 2))}, r"reward must have one entry per row.*got \(900, 2\)"),
    "rewards one for all": ({"reward": 1.0}, rf"reward must have one entry per row of X: shape \({N},\), got 1\.0"),
    "rewards huge": (
        {"reward": np.full(N, 1.7e308)},
        r"reward must fit into the dtype of X.*got values up to 1\.7e\+308",
    ),
    "reward without end": ({"reward": [10**400] * N}, "reward must be finite"),
    "propensities zero": ({"propensity": np.zeros(N)}, r"propensity must be above 0 and at most 1, got 0\.0"),
    "propensities above one": ({"propensity": np.full(N, 1.5)}, r"propensity must be above 0 and at most 1, got 1\.5"),
    "propensity negative": ({"propensity": -0.1}, r"propensity must be above 0 and at most 1, got -0\.1"),
    "propensities nan": ({"propensity": np.full(N, np.nan)}, "propensity contains NaN"),
    "propensities short": ({"propensity": np.ones(5)}, r"propensity must have one entry per row.*got \(5,\)"),
    "propensities alone": ({"reward": None}, "propensity must come with reward, got reward=None"),
    "actions short": ({"y": LOGGED[:5]}, "inconsistent numbers of samples"),
    "actions wide": ({"y": np.eye(3)[LOGGED]}, "y should be a 1d array"),
    "actions continuous": ({"y": LOGGED + 0.5}, "Unknown label type"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_bad_input_is_named_and_nothing_is_lost(name, how):
    change, message = BAD[name]
    model = policy(max_iter=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for more in ({}, {"classes": [0, 1, 2]}) if how == "partial_fit" else ({},):
            if how == "partial_fit" and not more:
                continue
            with pytest.raises(ValueError, match=message):
                getattr(model, how)(**{**LOG, **change}, **more)
        assert not hasattr(model, "coefs_")
        assert not hasattr(model, "classes_")
    model.fit(**LOG)
    before, known = model.predict_reward(X), dict(vars(model))
    with pytest.raises(ValueError, match=message):
        getattr(model, how)(**{**LOG, **change})
    assert vars(model) == known
    np.testing.assert_array_equal(model.predict_reward(X), before)
    if name != "actions short":
        with pytest.raises(ValueError, match=message):
            model.score(**{**LOG, **change})


def test_actions_are_among_the_classes():
    with pytest.raises(ValueError, match="classes must be passed in the first call"):
        policy().partial_fit(X, SPECIES)
    with pytest.raises(ValueError, match=r"y has actions \[2\] that are not among classes=\[0, 1\]"):
        policy().partial_fit(X, SPECIES, classes=[0, 1])
    model = policy().partial_fit(X, SPECIES, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"classes must be those of the first call.*got \[0, 1\]"):
        model.partial_fit(X, SPECIES, classes=[0, 1])
    with pytest.raises(ValueError, match=r"y has actions \[7\]"):
        model.partial_fit(X[:1], [7])
    with pytest.raises(ValueError, match=r"y has actions \[7\]"):
        model.score(X[:1], [7])
    with pytest.raises(ValueError, match="classes must be labels"):
        policy().partial_fit(X, SPECIES, classes=3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("objective", value) for value in ("value", None, 3)),
        *(("exploration", value) for value in ("greedy", None)),
        *(("exploration_rate", value) for value in (0, -1.0, np.nan, "big")),
        *(("entropy", value) for value in (-0.1, np.nan)),
        *(("replay", value) for value in (-1, 1.5, 10**7)),
        *(("memory_size", value) for value in (-1, 0.5)),
    ],
)
def test_bad_parameters_are_named(name, value):
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        policy(**{name: value}).fit(**LOG)


@pytest.mark.parametrize("value", [None, "much", [1.0, 2.0], np.ones(3)])
@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_an_objective_that_is_no_number_is_told_by_name(how, value):
    model = policy(objective=lambda y, reward, propensity, proba: value)
    with pytest.raises(ValueError, match=r"objective=.*must return one number, got (None|'much'|\[1\.0, )"):
        getattr(model, how)(**LOG, **({"classes": [0, 1, 2]} if how == "partial_fit" else {}))
    assert not hasattr(model, "coefs_")


def test_an_error_of_the_users_own_objective_is_passed_on_and_nothing_is_lost():
    model = policy(max_iter=2).fit(**LOG)
    known = dict(vars(model))
    model.objective = lambda *_: 1 / 0
    with pytest.raises((ZeroDivisionError, ValueError)):
        model.partial_fit(**LOG)
    assert {**vars(model), "objective": known["objective"]} == known


def test_an_objective_that_is_never_defined_is_told_by_name():
    def nothing(y, reward, propensity, proba):
        return np.nan

    with pytest.raises(ValueError, match=r"objective=<function .*nothing.* must be defined on one minibatch"):
        policy(objective=nothing, max_iter=2).fit(**LOG)
    with pytest.warns(UserWarning, match=r"objective=<function .*nothing.* is not defined on this batch"):
        policy(objective=nothing).partial_fit(**LOG, classes=[0, 1, 2])


@pytest.mark.parametrize(("objective", "size"), [("reward", UNLEARNT), ("policy", 1.0), ("dr", 1.0)])
def test_hidden_units_that_have_learnt_little_are_small_where_the_readout_chooses(objective, size):
    rows = np.random.default_rng(0).standard_normal((40, 3))
    model = DopamineMLPPolicy((4,), objective=objective, random_state=0)
    model.partial_fit(rows, np.arange(40) % 2, reward=rows[:, 0], propensity=np.full(40, 0.5), classes=[0, 1])
    inputs, small = 1 + rows.shape[1], model._features(rows)
    full = model._features(rows, 1.0)
    np.testing.assert_allclose(small[:, :inputs], full[:, :inputs])
    hidden = np.maximum(rows @ model.coefs_[0] + model.intercepts_[0], 0)
    np.testing.assert_allclose(small[:, inputs:], size * hidden, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("size", [1e9, 1e14])
def test_rows_whose_features_rounding_would_hide_are_refused_in_words(size):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 3)) * [1.0, size, 1.0]
    policy = DopamineMLPPolicy((4,), max_iter=2, random_state=0)
    with warnings.catch_warnings(), pytest.raises(ValueError, match=r"X must be scaled .* reach \d"):
        warnings.simplefilter("ignore")
        policy.fit(X, rng.integers(0, 2, 300), reward=rng.random(300))
    assert not hasattr(policy, "coefs_")
