"""Episodes with delayed reward: a policy acts in an environment, and later rewards reinforce earlier actions.

Environments have the interface of gymnasium: `reset` and `step`, and discrete actions. Several environments at once
have its vector interface. gymnasium itself is not imported.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TextIO

import numpy as np
from sklearn.utils import check_random_state

from skdopamine._typing import Array

__all__ = ["Episode", "History", "ProgressBar", "evaluate", "train_episodes"]

MOST_SEED = 2**31 - 1


class Episode(NamedTuple):
    """Result of one episode.

    Parameters
    ----------
    number : int
        Number of the episode, from 0 on.
    n_episodes : int
        Number of episodes that are planned.
    total : float
        Sum of the rewards, not discounted.
    length : int
        Number of steps.
    reward_prediction_error : float
        Mean reward prediction error of the steps: the return of each step, by eligibility traces, minus the return that
        the policy expected.

    Examples
    --------
    >>> from skdopamine.control import Episode
    >>> Episode(0, 10, total=2.5, length=4, reward_prediction_error=0.1).total
    2.5
    """

    number: int
    n_episodes: int
    total: float
    length: int
    reward_prediction_error: float


class History(NamedTuple):
    """Results of all episodes, in the order in which they ended.

    Parameters
    ----------
    returns : ndarray of shape (n_episodes,)
        Sum of the rewards of each episode.
    lengths : ndarray of shape (n_episodes,)
        Number of steps of each episode.
    reward_prediction_errors : ndarray of shape (n_episodes,)
        Mean reward prediction error of each episode.

    Examples
    --------
    >>> import numpy as np
    >>> from skdopamine.control import History
    >>> history = History(np.array([1.0, 3.0]), np.array([4, 4]), np.array([0.5, 0.1]))
    >>> float(history.returns.mean())
    2.0
    """

    returns: Array
    lengths: Array
    reward_prediction_errors: Array


class ProgressBar:
    """Callback of `train_episodes` that draws a progress bar with the mean return of the last episodes.

    Parameters
    ----------
    file : file or None, default=None
        Where to draw; None is the standard error stream.
    n_last : int, default=20
        Number of episodes in the mean return.

    Examples
    --------
    >>> import sys
    >>> from skdopamine.control import Episode, ProgressBar
    >>> stop = ProgressBar(sys.stdout)(Episode(0, 1, total=2.5, length=4, reward_prediction_error=0.1))
    [##############################] 1/1 episodes, mean return 2.5
    """

    def __init__(self, file: TextIO | None = None, n_last: int = 20) -> None:
        self.file = file
        self.n_last = n_last
        self._returns: list[float] = []

    def __call__(self, episode: Episode) -> bool:
        """Draw the line anew."""
        self._returns = [*self._returns[1 - self.n_last :], episode.total] if episode.number else [episode.total]
        over = episode.number + 1
        bar = ("#" * (30 * over // episode.n_episodes)).ljust(30, ".")
        mean = np.mean(self._returns[-self.n_last :])
        end = "\n" if over == episode.n_episodes else ""
        file = sys.stderr if self.file is None else self.file
        file.write(f"\r[{bar}] {over}/{episode.n_episodes} episodes, mean return {mean:.6g}{end}")
        file.flush()
        return False


class _Step(NamedTuple):
    """One step of an episode."""

    row: Array
    action: int  # its number
    reward: float
    chance: float


class _World:
    """One environment, or several at once, as several."""

    def __init__(self, env: Any, rng: np.random.RandomState) -> None:
        for name in ("reset", "step", "action_space"):
            if not hasattr(env, name):
                raise TypeError(f"env must have reset, step and action_space, got {env!r}, which has no {name}.")
        self.env, self.is_vector = env, hasattr(env, "num_envs")
        self.n = int(env.num_envs) if self.is_vector else 1
        space = getattr(env, "single_action_space", env.action_space) if self.is_vector else env.action_space
        if not hasattr(space, "n"):
            raise ValueError(f"env must have discrete actions, got action_space={space!r}.")
        self.actions = int(getattr(space, "start", 0)) + np.arange(int(space.n))
        mode = str(getattr(env, "metadata", {}).get("autoreset_mode", "next")).lower()
        if self.is_vector and "disabled" in mode:
            raise ValueError("env must reset its episodes itself, got autoreset_mode=DISABLED.")
        self.same_step = "same" in mode
        self.seed: int | None = int(rng.randint(MOST_SEED))
        self.over = np.zeros(self.n, dtype=bool)

    def reset(self) -> Array:
        """First observations (n, features)."""
        observed, _ = self.env.reset(seed=self.seed)
        self.seed, self.over = None, np.zeros(self.n, dtype=bool)  # later ones go on in the environment's numbers
        return self._rows(observed)

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, Array, Array]:
        """Next observations, those that ended the step, rewards, ends, cuts, and whether the step was a step."""
        chosen = self.actions[actions]
        observed, rewards, ended, cut, info = self.env.step(chosen if self.is_vector else chosen[0].item())
        rewards = np.atleast_1d(np.asarray(rewards, dtype=np.float64))
        ended, cut = np.atleast_1d(np.asarray(ended, dtype=bool)), np.atleast_1d(np.asarray(cut, dtype=bool))
        if not np.isfinite(rewards).all():
            raise ValueError(f"env must give finite rewards, got {rewards.tolist()}.")
        rows = self._rows(observed)
        last, counts = rows, ~self.over
        done = ended | cut
        if not self.is_vector and done[0]:
            rows = self.reset()
        elif self.is_vector and self.same_step:
            last = self._finals(rows, done, info)
        elif self.is_vector:  # the step after the last one of an episode begins the next, whatever the action
            self.over = done
        return rows, last, rewards, ended, cut, counts

    def _rows(self, observed: Any) -> Array:
        rows = np.asarray(observed, dtype=np.float64)
        return rows.reshape(self.n, -1)

    def _finals(self, rows: Array, done: Array, info: Any) -> Array:
        """Where episodes have ended, their last observations instead of the first ones of the next."""
        finals = info.get("final_obs", info.get("final_observation"))
        if finals is None or not done.any():
            return rows
        rows = rows.copy()
        for k in np.flatnonzero(done):
            rows[k] = np.asarray(finals[k], dtype=np.float64).ravel()
        return rows


def train_episodes(
    policy: Any,
    env: Any,
    n_episodes: int,
    *,
    discount: float = 1.0,
    trace_decay: float = 1.0,
    critic: Any = None,
    callbacks: Callable[[Episode], Any] | Sequence[Callable[[Episode], Any]] | None = None,
    random_state: Any = None,
) -> History:
    """Let a policy act in an environment, and learn from each episode when it is over.

    A step is credited with its return: the sum of the rewards from then on. A reward that comes k steps later weighs
    ``(discount * trace_decay) ** k``, the eligibility trace that the step has left. Beyond the trace, the return counts
    the value V that the policy itself or a critic, an estimator of returns, expects:
    ``G_t = r_t + discount * ((1 - trace_decay) * V(s_t+1) + trace_decay * G_t+1)``.

    The policy learns G as the reward of the action, by `partial_fit`. Its objective uses the reward prediction error,
    the return minus the expected return. In the first episode nothing is expected yet, so its trace does not decay.

    Parameters
    ----------
    policy : DopamineMLPPolicy
        Policy that acts, by `sample`, and is trained in place. It may be fitted already.

        * objective="policy" learns from each of its own episodes once, as actors do.
        * objective="reward" learns the return of each action, and replays past episodes. The returns of a poor policy
          are soon out of date, so choose a short `memory_size`.
    env : object
        Environment with gymnasium's `reset` and `step` and a discrete `action_space`, or a vector of environments.
        Scale the observations, as for any network.
    n_episodes : int
        Number of episodes to run, in all environments together.
    discount : float, default=1.0
        Worth of a reward that comes one step later, in [0, 1].
    trace_decay : float, default=1.0
        Share of the trace that is left after a step, in [0, 1]. 1 counts the rewards of the whole episode. 0 counts the
        reward of the step itself and the return that is expected after it. About .95 is often best with a discount
        below 1, most of all for long episodes.
    critic : regressor or None, default=None
        Estimator that learns to expect the return of an observation, such as :class:`~skdopamine.DopamineMLPRegressor`.
        It needs `partial_fit` and `predict`, and is trained in place. If a time limit cuts an episode, the critic tells
        the return that would have come. With None, the policy expects returns, by `predict_reward` and `predict_proba`;
        with discount=1 a cut then counts as the end.
    callbacks : callable, sequence of callables or None, default=None
        Called with each `Episode` when it is over, such as `ProgressBar`. A callback that returns a true value stops
        the training.
    random_state : int, RandomState instance or None, default=None
        Seed of the environment, and of the actions before the first episode is over.

    Returns
    -------
    history : History
        Results of the episodes.

    Raises
    ------
    ValueError
        If an argument is not valid. If the environment has no discrete actions, or gives rewards that are not finite.
    TypeError
        If the environment or the critic lacks a method.

    Examples
    --------
    In this corridor, the first step decides about the reward of the last step:

    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from skdopamine import DopamineMLPPolicy
    >>> from skdopamine.control import evaluate, train_episodes
    >>> class Corridor:
    ...     action_space = SimpleNamespace(n=2)
    ...     rng = np.random.default_rng(0)
    ...
    ...     def seen(self):
    ...         return np.array([self.cue * (self.time == 0), self.time / 4])
    ...
    ...     def reset(self, seed=None):
    ...         self.time, self.cue = 0, self.rng.choice([-1.0, 1.0])
    ...         return self.seen(), {}
    ...
    ...     def step(self, action):
    ...         self.right = action == (self.cue > 0) if self.time == 0 else self.right
    ...         self.time += 1
    ...         return self.seen(), float(self.right and self.time == 4), self.time == 4, False, {}
    >>> policy = DopamineMLPPolicy((16,), objective="policy", random_state=0)
    >>> history = train_episodes(policy, Corridor(), 200, random_state=0)
    >>> bool(evaluate(policy, Corridor(), 20).mean() > 0.9)
    True
    """
    _check_number("n_episodes", n_episodes, whole=True)
    _check_number("discount", discount)
    _check_number("trace_decay", trace_decay)
    for name in ("partial_fit", "predict") if critic is not None else ():
        if not hasattr(critic, name):
            raise TypeError(f"critic must have partial_fit and predict, got {critic!r}.")
    called = [callbacks] if callable(callbacks) else list(callbacks or [])
    rng = check_random_state(random_state)
    world = _World(env, rng)
    learner = _Learner(policy, critic, world.actions, float(discount), float(trace_decay))
    rows, episodes = world.reset(), list[Episode]()
    steps: list[list[_Step]] = [[] for _ in range(world.n)]
    while True:
        actions, chances = learner.act(rows, rng)
        after, last, rewards, ended, cut, counts = world.step(actions)
        for k in np.flatnonzero(counts):
            steps[k].append(_Step(rows[k], int(actions[k]), float(rewards[k]), float(chances[k])))
        for k in np.flatnonzero((ended | cut) & counts):
            error = learner.learn(steps[k], last[k], bool(ended[k]))
            total = sum(step.reward for step in steps[k])
            episodes.append(Episode(len(episodes), int(n_episodes), total, len(steps[k]), error))
            steps[k] = []
            stop = [call(episodes[-1]) for call in called]
            if any(stop) or len(episodes) == n_episodes:
                return _history(episodes)
        rows = after


class _Learner(NamedTuple):
    """A policy and what it learns an episode with."""

    policy: Any
    critic: Any
    actions: Array
    discount: float
    trace_decay: float

    def act(self, rows: Array, rng: np.random.RandomState) -> tuple[Array, Array]:
        """Numbers of actions, and their propensities."""
        if not hasattr(self.policy, "classes_"):
            return rng.randint(len(self.actions), size=len(rows)), np.full(len(rows), 1 / len(self.actions))
        chosen, chances = self.policy.sample(rows)
        return np.searchsorted(self.actions, chosen), chances

    def learn(self, steps: list[_Step], last: Array, ended: bool) -> float:
        """Learn from an episode; return the mean reward prediction error."""
        rows, actions, rewards, chances = (np.array(column) for column in zip(*steps, strict=True))
        expected, trace_decay = self.expected(np.vstack([rows, last])), self.trace_decay
        if expected is None:  # the first episode: it is taken to go on as it went, for as long again
            longer = np.sum(self.discount ** np.arange(len(rewards)))
            expected, trace_decay = np.full(len(rows) + 1, longer * rewards.mean()), 1.0
        if ended or (self.critic is None and self.discount == 1):  # undiscounted, what never ends has no worth
            expected[-1] = 0.0
        worth = self.worth(rewards, expected, trace_decay)
        chosen = self.actions[actions]
        self.policy.partial_fit(rows, chosen, reward=worth, propensity=chances, classes=self.actions)
        if self.critic is not None:
            self.critic.partial_fit(rows, worth)
        return float(self.policy.reward_prediction_errors_.mean())

    def expected(self, rows: Array) -> Array | None:
        """What (n + 1,) is expected to come after each observation; None if nothing is known yet."""
        if self.critic is not None:
            known = hasattr(self.critic, "n_features_in_")
            return np.array(self.critic.predict(rows), dtype=np.float64).ravel() if known else None
        if not hasattr(self.policy, "predict_reward"):
            return np.zeros(len(rows))
        if not hasattr(self.policy, "classes_"):
            return None
        return np.asarray((self.policy.predict_proba(rows) * self.policy.predict_reward(rows)).sum(axis=1), np.float64)

    def worth(self, rewards: Array, expected: Array, trace_decay: float) -> Array:
        """What (n,) came of each step, by eligibility traces."""
        worth, later = np.empty(len(rewards)), expected[-1]
        for t in reversed(range(len(rewards))):
            later = rewards[t] + self.discount * ((1 - trace_decay) * expected[t + 1] + trace_decay * later)
            worth[t] = later
        return worth


def evaluate(policy: Any, env: Any, n_episodes: int = 10, *, random_state: Any = None) -> Array:
    """Let a policy act without exploring or learning.

    Parameters
    ----------
    policy : estimator
        A fitted policy, or any classifier of observations.
    env : object
        Environment, as for `train_episodes`.
    n_episodes : int, default=10
        Number of episodes to run.
    random_state : int, RandomState instance or None, default=None
        Seed of the environment.

    Returns
    -------
    returns : ndarray of shape (n_episodes,)
        Sum of the rewards of each episode.

    Examples
    --------
    A game of one step, which is won by the label of the observation:

    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from skdopamine.control import evaluate
    >>> class Game:
    ...     action_space = SimpleNamespace(n=2)
    ...
    ...     def reset(self, seed=None):
    ...         return np.array([1.0]), {}
    ...
    ...     def step(self, action):
    ...         return np.array([0.0]), float(action == 1), True, False, {}
    >>> evaluate(DecisionTreeClassifier().fit([[0.0], [1.0]], [0, 1]), Game(), 3)
    array([1., 1., 1.])
    """
    _check_number("n_episodes", n_episodes, whole=True)
    world = _World(env, check_random_state(random_state))
    rows, totals, returns = world.reset(), np.zeros(world.n), list[float]()
    while len(returns) < n_episodes:
        rows, _, rewards, ended, cut, counts = world.step(np.searchsorted(world.actions, policy.predict(rows)))
        totals += rewards * counts
        for k in np.flatnonzero((ended | cut) & counts):
            returns.append(float(totals[k]))
            totals[k] = 0.0
    return np.array(returns[:n_episodes])


def _history(episodes: list[Episode]) -> History:
    columns = (
        np.array([getattr(e, name) for e in episodes]) for name in ("total", "length", "reward_prediction_error")
    )
    return History(*columns)


def _check_number(name: str, value: Any, *, whole: bool = False) -> None:
    kind, bounds = ("an integer of 1 or more", (1, np.inf)) if whole else ("a number from 0 to 1", (0, 1))
    right = isinstance(value, int | np.integer if whole else int | float | np.number) and not isinstance(value, bool)
    if not (right and bounds[0] <= value <= bounds[1]):
        raise ValueError(f"{name} must be {kind}, got {value!r}.")
