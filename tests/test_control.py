"""Episodes with delayed reward."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from worlds import Corridor, Corridors

from skdopamine import DopamineMLPPolicy, DopamineMLPRegressor
from skdopamine.control import Episode, ProgressBar, evaluate, train_episodes


def actor(**params):
    return DopamineMLPPolicy(**{"hidden_layer_sizes": (16,), "objective": "policy", "random_state": 0, **params})


class Spy:
    """A policy that acts at random and remembers what it is to learn."""

    def __init__(self):
        self.lessons = []
        self.rng = np.random.default_rng(0)

    def sample(self, X):
        return self.rng.integers(0, 2, len(X)) + self.classes_[0], np.full(len(X), 0.5)

    def partial_fit(self, X, y, reward, propensity, classes):
        self.classes_ = classes
        self.lessons.append((X, y, reward, propensity))
        self.reward_prediction_errors_ = reward - 0.5


# ---- learning ----


def test_the_first_step_learns_what_the_last_one_brings():
    policy = actor()
    history = train_episodes(policy, Corridor(), 200, random_state=0)
    assert history.returns[-50:].mean() > 0.8
    assert evaluate(policy, Corridor(), 30, random_state=1).mean() > 0.9
    assert history.lengths.tolist() == [4] * 200
    assert len(history.reward_prediction_errors) == 200


@pytest.mark.parametrize("mode", ["NEXT_STEP", "SAME_STEP"])
def test_several_environments_at_once(mode):
    policy = actor()
    history = train_episodes(policy, Corridors(5, mode), 250, random_state=0)
    assert history.returns[-50:].mean() > 0.8
    assert history.lengths.tolist() == [4] * 250
    assert evaluate(policy, Corridors(5, mode), 30).mean() > 0.9


def test_returns_of_actions_are_learnt_too():
    policy = actor(objective="reward", exploration="softmax", memory_size=1000)
    assert train_episodes(policy, Corridor(), 200, random_state=0).returns[-50:].mean() > 0.8


def test_a_critic_bridges_what_the_trace_does_not_reach():
    policy, critic = actor(), DopamineMLPRegressor((16,), random_state=0)
    history = train_episodes(policy, Corridor(2), 500, trace_decay=0.5, critic=critic, random_state=0)
    assert history.returns[-50:].mean() > 0.8
    assert critic.n_features_in_ == 2


def test_labels_of_actions_begin_where_the_environment_says():
    policy = actor()
    train_episodes(policy, Corridor(start=3), 20, random_state=0)
    assert policy.classes_.tolist() == [3, 4]
    assert evaluate(policy, Corridor(start=3), 3).shape == (3,)


# ---- what is passed on ----


def test_eligibility_traces_by_hand():
    spy = Spy()
    train_episodes(spy, Corridor(3), 30, discount=0.5, trace_decay=0.5, random_state=0)
    for _, _, reward, propensity in spy.lessons:
        assert reward.tolist() in ([1 / 16, 1 / 4, 1.0], [0.0, 0.0, 0.0])
        assert propensity.tolist() == [0.5] * 3
    assert {lesson[2][-1] for lesson in spy.lessons} == {0.0, 1.0}


def test_the_worth_of_a_step_with_a_critic_by_hand():
    class Known:
        n_features_in_ = 2
        learnt = ()

        def predict(self, X):
            return 10 * X[:, 1] + 1  # 1, 6 and, at the end, 11

        def partial_fit(self, X, y):
            self.learnt = (*self.learnt, y)

    for limit, last in ((None, 0.0), (2, 11.0)):  # an end is worth nothing; a cut what would have come
        world, critic, spy = Corridor(2 if limit is None else 9, limit), Known(), Spy()
        world.seen = lambda world=world: np.array([0.0, world.time / 2])
        train_episodes(spy, world, 20, discount=0.5, trace_decay=0.25, critic=critic, random_state=0)
        for (_, _, worth, _), learnt in zip(spy.lessons, critic.learnt, strict=True):
            won = worth[1] - 0.5 * last
            assert won in (0.0, 1.0)
            assert worth[0] == pytest.approx(0.5 * (0.75 * 6 + 0.25 * worth[1]))
            np.testing.assert_array_equal(learnt, worth)


class Foreseeing(Spy):
    """A spy that expects 2 of one action and 6 of the other, and takes them at 3 to 1."""

    def predict_reward(self, X):
        return np.tile([2.0, 6.0], (len(X), 1))

    def predict_proba(self, X):
        return np.tile([0.75, 0.25], (len(X), 1))


def test_without_a_critic_the_policy_tells_what_comes_after_a_cut_and_beyond_the_trace():
    for limit, last in ((None, 0.0), (2, 3.0)):  # 3 = .75 * 2 + .25 * 6; an end is worth nothing
        spy, world = Foreseeing(), Corridor(2 if limit is None else 9, limit)
        train_episodes(spy, world, 20, discount=0.5, trace_decay=0.25, random_state=0)
        for _, _, worth, _ in spy.lessons[1:]:
            assert worth[1] - 0.5 * last in (0.0, 1.0)
            assert worth[0] == pytest.approx(0.5 * (0.75 * 3 + 0.25 * worth[1]))


def test_undiscounted_a_cut_is_an_end_unless_a_critic_says_more():
    spy = Foreseeing()
    train_episodes(spy, Corridor(9, limit=3), 5, random_state=0)
    for _, _, worth, _ in spy.lessons:
        assert worth.tolist() == [0.0, 0.0, 0.0]


class Endless(Corridor):
    """The same reward for each step, until time is up."""

    def __init__(self, reward, limit):
        super().__init__(50, limit)
        self.reward = reward

    def step(self, action):
        return super().step(action)[0], self.reward, False, self.time == self.limit, {}


@pytest.mark.parametrize("critic", [None, DopamineMLPRegressor((4,), random_state=0)])
def test_a_first_episode_that_is_cut_would_have_gone_on_as_it_went(critic):
    spy = Foreseeing()
    train_episodes(spy, Endless(2.0, 3), 1, discount=0.5, trace_decay=0.1, critic=critic, random_state=0)
    after = 2 * (1 + 0.5 + 0.25)  # three more steps of 2
    np.testing.assert_allclose(spy.lessons[0][2], [3.5 + after / 8, 3 + after / 4, 2 + after / 2])


def test_steps_are_not_worth_less_the_nearer_the_cut():
    policy = actor(entropy=0.0)
    train_episodes(policy, Endless(-1.0, 40), 5, discount=0.9, random_state=0)
    rewards = policy.predict_reward(np.column_stack([np.zeros(40), np.arange(40) / 50]))
    np.testing.assert_allclose(rewards, -10.0, atol=0.3)


@pytest.mark.parametrize("mode", ["NEXT_STEP", "SAME_STEP"])
def test_no_step_is_lost_or_made_up_where_episodes_end(mode):
    spy = Spy()
    world = Corridors(3, mode, length=9, limit=3)
    history = train_episodes(spy, world, 12, random_state=0)
    assert history.lengths.tolist() == [3] * 12
    for rows, *_ in spy.lessons:
        np.testing.assert_allclose(rows[:, 1], [0, 1 / 9, 2 / 9])
        assert abs(rows[0, 0]) == 1


def test_the_seed_reaches_the_environment_once():
    one, two = Corridor(), Corridor()
    runs = [train_episodes(actor(), world, 20, random_state=3) for world in (one, two)]
    np.testing.assert_array_equal(runs[0].returns, runs[1].returns)
    assert one.seeds[0] == two.seeds[0] is not None
    assert set(one.seeds[1:]) == {None}
    other = train_episodes(actor(), Corridor(), 20, random_state=4)
    assert not np.array_equal(runs[0].returns, other.returns)


# ---- callbacks ----


def test_callbacks_see_each_episode_and_may_stop():
    seen = []
    history = train_episodes(Spy(), Corridor(), 9, callbacks=[seen.append, lambda e: e.number == 5], random_state=0)
    assert [episode.number for episode in seen] == list(range(6))
    assert [episode.total for episode in seen] == history.returns.tolist()
    assert {(episode.n_episodes, episode.length) for episode in seen} == {(9, 4)}
    assert seen[0].reward_prediction_error == pytest.approx(seen[0].total - 0.5)


def test_the_progress_bar_draws_one_line():
    file = io.StringIO()
    bar = ProgressBar(file, n_last=2)
    for number, total in enumerate([0.0, 3.0, 5.0]):
        assert not bar(Episode(number, 3, total, 4, 0.0))
    assert file.getvalue().splitlines()[-1] == f"[{'#' * 30}] 3/3 episodes, mean return 4"
    assert file.getvalue().endswith("\n")
    assert "1/3 episodes, mean return 0" in file.getvalue()


def test_the_progress_bar_is_drawn_on_stderr(capsys):
    train_episodes(Spy(), Corridor(), 3, callbacks=ProgressBar(), random_state=0)
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)


# ---- bad input ----


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("n_episodes", value) for value in (0, -1, 2.5, "many", True)),
        *((name, value) for name in ("discount", "trace_decay") for value in (-0.1, 1.1, np.nan, "all", None)),
    ],
)
def test_bad_numbers_are_named(name, value):
    arguments = {"n_episodes": 2, name: value}
    with pytest.raises(ValueError, match=f"{name} must be .*got {value!r}"):
        train_episodes(Spy(), Corridor(), **arguments)


def test_what_is_no_environment_or_critic_is_refused():
    with pytest.raises(TypeError, match=r"env must have reset, step and action_space.*has no reset"):
        train_episodes(Spy(), object(), 1)
    world = Corridor()
    world.action_space = SimpleNamespace(low=0.0)
    with pytest.raises(ValueError, match="env must have discrete actions"):
        train_episodes(Spy(), world, 1)
    with pytest.raises(TypeError, match="critic must have partial_fit and predict"):
        train_episodes(Spy(), Corridor(), 1, critic=3)
    with pytest.raises(ValueError, match="autoreset_mode=DISABLED"):
        train_episodes(Spy(), Corridors(2, "DISABLED"), 1)
    with pytest.raises(ValueError, match="n_episodes must be"):
        evaluate(Spy(), Corridor(), 0)


def test_rewards_that_are_not_finite_are_refused():
    world = Corridor()
    world.step = lambda action: (np.zeros(2), np.nan, False, False, {})
    with pytest.raises(ValueError, match="env must give finite rewards"):
        train_episodes(Spy(), world, 1)


# ---- gymnasium itself ----


def test_gymnasiums_environments_are_taken():
    gymnasium = pytest.importorskip("gymnasium")
    policy = actor()
    history = train_episodes(policy, gymnasium.make("CartPole-v1"), 40, discount=0.99, random_state=0)
    assert history.returns[-10:].mean() > 2 * history.returns[:10].mean()
    np.testing.assert_array_equal(history.returns, history.lengths)
    several = gymnasium.make_vec("CartPole-v1", num_envs=3, vectorization_mode="sync")
    more = train_episodes(policy, several, 12, discount=0.99, random_state=0)
    np.testing.assert_array_equal(more.returns, more.lengths)
    same = gymnasium.vector.AutoresetMode.SAME_STEP
    several = gymnasium.make_vec(
        "CartPole-v1", num_envs=3, vectorization_mode="sync", vector_kwargs={"autoreset_mode": same}
    )
    more = train_episodes(policy, several, 12, discount=0.99, random_state=0)
    np.testing.assert_array_equal(more.returns, more.lengths)
    assert (evaluate(policy, gymnasium.make("CartPole-v1"), 3) > 20).all()
