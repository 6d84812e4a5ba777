"""DopamineMLPPolicy: its parameters, how it acts, and what it is judged by."""

from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import softmax
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_is_fitted, validate_data

from skdopamine._estimator import validation as _validation
from skdopamine._estimator.arrays import takes_arrays
from skdopamine._estimator.history import unrolled
from skdopamine._mlp import exploration as _exploration
from skdopamine._mlp import off_policy as _off_policy
from skdopamine._mlp.acting import ActingMLP
from skdopamine._mlp.parameters import CONSTRAINTS
from skdopamine._typing import Array

__all__ = ["DopamineMLPPolicy"]

LEAST_MIXTURE = 0.05  # of uniform chances in what a policy does that learns from propensities: none may be tiny
MOST_REPLAYED = 10**6
OF_OTHERS = {"early_stopping", "scoring", "validation_fraction"}  # parameters of classifier and regressor


class DopamineMLPPolicy(ActingMLP):
    """Multi-layer perceptron that learns which action to take from the rewards of actions that were taken.

    This is a contextual bandit. Each row shows the reward of the chosen action (a click, a sale, a cured patient), and
    never the rewards of the other actions. Learning uses the reward prediction error (RPE), the reward minus the
    expected reward, which dopamine is taken to signal. Noise-based reward-modulated learning [1]_ multiplies this error
    by the log-probability of the action and trains by node perturbation, noise on the inputs of the units. The network
    here is trained by the node perturbation of :class:`DopamineMLPClassifier`, without backpropagation.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Number of units in each hidden layer. An int means one hidden layer; () means none, a linear model.
    activation : str, callable or list of them, default="relu"
        Activation function of the hidden units, as in :class:`DopamineMLPClassifier`.
    objective : {"reward", "policy", "ips", "snips", "dr", "switch_dr"} or callable, default="reward"
        What the network learns:

        * "reward": the reward of each action. Only the reward of the action that was taken is known.
        * "policy": to take actions more often that bring more than expected (reward prediction error times
          log-probability).
        * "ips", "snips", "dr", "switch_dr": a softmax policy that maximises an estimate of its reward from a log of
          actions [3]_. The estimate needs propensities, the probabilities with which the logged actions were taken.
          "ips" weighs rewards by inverse propensity, and "snips" does the same, self-normalised. "dr" is doubly robust:
          a model of the rewards, corrected by inverse propensity. "switch_dr" uses the model alone where propensities
          are small.
        * A callable ``objective(y, reward, propensity, proba)``: the same with your own estimate. The callable gets
          actions, rewards and propensities (n,) and the policy's probabilities (n, n_actions), in the order of
          `classes_`. It returns one number, to be maximised.
    exploration : {"auto", "optimism", "inverse_gap", "softmax"}, default="auto"
        How `sample` chooses actions:

        * "auto": "optimism" with objective="reward", else "softmax".
        * "optimism": the action whose reward may be highest, by the upper bound of a ridge regression [2]_.
        * "inverse_gap": the best action most often. Others are rarer, the worse their expected reward is.
        * "softmax": with probabilities that grow exponentially with the expected reward, and sharpen with the number of
          rows seen. With any objective but "reward", the policy gives the probabilities. Every objective but "policy"
          then spreads 5 % evenly over all actions.
    exploration_rate : float, default=1.0
        How much to explore. A larger rate widens the bound, shrinks the gap, or raises the temperature.
    entropy : float, default=0.2
        Bonus for the entropy of the policy, in units of the rewards' spread. It keeps the policy from settling too
        early, with every objective but "reward". With "policy" the reward prediction error moves the bonus between .3
        and 3 times `entropy`: curiosity rises where rewards disappoint.
    replay : int, default=4
        Number of past rows that each new row of `partial_fit` is learnt with, at least a minibatch in each call. 0
        means none; with "policy" there are none.
    memory_size : int, default=10000
        Number of latest rows to remember, for `replay` and for the ridge regressions, so that old rewards are
        forgotten. 0 means none, and the ridge regressions then forget nothing.
    perturbation : {"auto", "node", "feedback", "weight"}, default="auto"
        Where training adds noise, as in :class:`DopamineMLPClassifier`.
    perturbation_scale : float or "auto", default="auto"
        Size of the noise, as in :class:`DopamineMLPClassifier`, where "snips" and a callable count as metrics.
    n_perturbations : int or "auto", default="auto"
        Number of antithetic pairs that an update averages over: the same noise, once added and once subtracted. "auto"
        is

        * 1 in general.
        * 64 for "snips" and 16 for a callable.
        * the number of :class:`DopamineMLPClassifier` for perturbation="weight".
    learning_rate : {"dopamine", "constant", "invscaling"}, default="dopamine"
        How the learning rate changes:

        * "dopamine": the reward prediction error raises and lowers the rate, while a schedule anneals it.
        * "constant": the rate stays at `learning_rate_init`.
        * "invscaling": the rate falls as ``learning_rate_init / update ** power_t``.
    learning_rate_init : float, default=0.003
        Learning rate at the start. With "dopamine" any value from 1e-4 on works, because a ceiling holds the rate below
        0.01 ("node") or 0.02 ("weight"). Steps are scaled by the range of a layer's initial weights; the rate counts
        for a layer that starts within -0.2 and 0.2.
    power_t : float, default=0.5
        Exponent of learning_rate="invscaling".
    momentum : float, default=0.9
        Decay of the running mean of the credit, in [0, 1). A larger value averages over more updates. The credit tells
        how far each weight should move.
    alpha : float, default=0.0001
        Strength of the L2 penalty. The penalty is divided by the sum of the sample weights of the minibatch.
    batch_size : int or "auto", default="auto"
        Number of rows in a minibatch, at most all. "auto" is 200, or 1,000 with "snips" or a callable.
    max_iter : int, default=200
        Maximum number of epochs. With learning_rate="dopamine" it also sets the schedule, over which the rate is
        annealed. For b minibatches per epoch the schedule has ``200 / b ** 0.4`` epochs. With two and more hidden
        layers it has half of that, but at least ``200 / b`` (not with "weight"). A smaller `max_iter` cuts the schedule
        to `max_iter` epochs. A `max_iter` above 200 stretches the schedule in proportion.
    shuffle : bool, default=True
        Whether to shuffle the rows in each epoch.
    random_state : int, RandomState instance or None, default=None
        Seed of initial weights, perturbations, shuffling, the rows that are replayed and the draws of `sample`. An int
        makes all of that reproducible to the bit.
    tol : float, default=1e-4
        Smallest improvement of the loss that counts.
    verbose : bool or int, default=False
        Whether to print one line per epoch.
    warm_start : bool, default=False
        Whether `fit` continues from the weights and the experience of the last fit. y must then have no other actions.
    n_iter_no_change : int or np.inf, default=10
        Number of epochs without improvement by `tol` after which training stops; np.inf for never.
    init : DopamineMLPPolicy, DopamineMLPClassifier or MLPClassifier, default=None
        Fitted network whose weights `fit`, or the first `partial_fit`, starts from:

        * None: random weights.
        * A policy with the same kind of outputs.
        * A classifier, with any objective but "reward".

        Its layers, activation and classes must be the same.
    n_jobs : int or None, default=None
        How many evaluate the population of perturbation="weight", where updates are large enough to be shared; the
        result does not depend on it. They are threads or, in a `joblib.parallel_config` of "loky" or "dask" around the
        fit, processes or workers of a cluster. None is one, unless that context says otherwise. Inside a task of a
        search, they are threads. See the guide's page "Scaling".

    Attributes
    ----------
    classes_ : ndarray of shape (n_actions,)
        The actions.
    mean_reward_ : float
        Slow mean of the rewards, over the latest thousand: the tonic level. It is the expected reward of an action
        about which nothing is known.
    reward_prediction_errors_ : ndarray of shape (n_samples,)
        Reward prediction error of each row of the last call, before learning from the row: the phasic response. `fit`
        expects the mean reward. Later calls expect the predicted reward of the action or, with "policy", of the policy.
    reward_prediction_error_curve_ : list of float
        Mean of `reward_prediction_errors_` in each call of `fit` and `partial_fit`.
    coefs_ : list of ndarray of shape (units below, units above)
        Weights, one matrix per layer, in the dtype of X.
    intercepts_ : list of ndarray of shape (units above,)
        Biases, one vector per layer.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, if X has string names.
    n_layers_ : int
        Number of layers, inputs and outputs included.
    n_outputs_ : int
        Number of actions.
    out_activation_ : str
        Name of the output function: "identity" with objective="reward", else "softmax".
    n_iter_ : int
        Number of epochs of the last `fit`. After `partial_fit`, the number over all calls and the fits before them.
    t_ : int
        Number of training rows seen; a row counts each time, replayed rows too.
    loss_ : float
        Training loss of the last epoch.
    best_loss_ : float
        Lowest training loss.
    loss_curve_ : list of float
        Training loss of each epoch. With objective="reward" it is half the squared error of the known rewards.
        `partial_fit` keeps the latest 10,000 to 11,000 values of this and of the other curves.
    learning_rate_ : float
        Learning rate at the end.
    learning_rate_curve_ : list of float
        Learning rate at the end of each epoch.
    n_evaluations_ : int
        Loss evaluations spent: rows times perturbed or unperturbed networks.

    See Also
    --------
    DopamineMLPClassifier : The same network, for rows whose right class is known.

    Notes
    -----
    **Ridge regressions.** Rewards are predicted by a ridge regression per action, in closed form, on the inputs and the
    last hidden layer (`predict_reward`). The regression knows at once what the network takes thousands of rows to
    learn. The network adds features that a linear model lacks. From time to time the regressions are made anew on the
    present hidden layer, from the rows that are remembered. Scale the features first, as one penalty holds for all.
    Hidden units that have learnt from few rows count at half their size. If there are more than 1,023 inputs and units,
    a fixed random projection mixes them into 1,023 features.

    **Units of the rewards.** Rewards may have any size and sign. Training counts them in units of their spread, which
    follow a stream. An action without any known reward is expected to bring the mean reward. It is never predicted
    while the reward of another action is known, and "optimism" tries it.

    **Logs that serve later.** "optimism" always takes the action with the highest bound, so the propensity of this
    action is 1. No other policy can be judged by such a log. Use "inverse_gap" or "softmax" where a log is to serve
    later.

    **Learning from a log.** Begin with objective="reward". Where rewards are noisy, "policy" and "dr" may do better;
    `score` on rows held out tells (see the user guide). The objectives that maximise an estimate are for logs whose
    propensities are known. In streams they learn slowly and may settle on few actions. "snips" and callables stand
    still where no reward is near. So a third of the epochs of `fit` first goes to the estimate by inverse propensity.

    **When not to.** The network has one output per action. So this estimator is not for continuous actions, nor for
    thousands of actions that are described by features of their own.

    References
    ----------
    .. [1] Garcia Fernandez, Ahmad and van Gerven (2025). Noise-based reward-modulated learning.
       https://arxiv.org/abs/2503.23972
    .. [2] Li, Chu, Langford and Schapire (2010). A contextual-bandit approach to personalized news article
       recommendation. https://arxiv.org/abs/1003.0146
    .. [3] Dudik, Langford and Li (2011). Doubly robust policy evaluation and learning.
       https://arxiv.org/abs/1103.4601

    Examples
    --------
    Act and learn, where an action is right or wrong and the right action is never told:

    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from skdopamine import DopamineMLPPolicy
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X / 16
    >>> policy = DopamineMLPPolicy((64, 64), random_state=0)
    >>> earned = []
    >>> policy = policy.partial_fit(X[:1], [0], reward=[y[0] == 0], classes=np.arange(10))
    >>> for rows in np.array_split(np.arange(1, 1797), 100):
    ...     actions, propensities = policy.sample(X[rows])
    ...     reward = actions == y[rows]
    ...     policy = policy.partial_fit(X[rows], actions, reward=reward, propensity=propensities)
    ...     earned.extend(reward)
    >>> bool(np.mean(earned) > 0.7)
    True

    Learn a policy from a log of random actions:

    >>> rng = np.random.default_rng(0)
    >>> logged = rng.integers(0, 10, len(y))
    >>> policy = DopamineMLPPolicy((64, 64), random_state=0).fit(X, logged, reward=logged == y, propensity=0.1)
    >>> bool(np.mean(policy.predict(X) == y) > 0.8)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **{name: CONSTRAINTS[name] for name in CONSTRAINTS.keys() - OF_OTHERS},
        "objective": [_validation.one_of("reward", *_off_policy.WORTHS, "snips"), callable],
        "exploration": [_validation.one_of("auto", *_exploration.RULES)],
        "exploration_rate": [_validation.positive()],
        "entropy": [_validation.non_negative()],
        "replay": [_validation.integer(0, MOST_REPLAYED)],
        "memory_size": [_validation.integer(0, _validation.MOST_COUNT)],
    }

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        objective: Any = "reward",
        exploration: str = "auto",
        exploration_rate: float = 1.0,
        entropy: float = 0.2,
        replay: int = 4,
        memory_size: int = 10000,
        perturbation: str = "auto",
        perturbation_scale: float | str = "auto",
        n_perturbations: int | str = "auto",
        learning_rate: str = "dopamine",
        learning_rate_init: float = 0.003,
        power_t: float = 0.5,
        momentum: float = 0.9,
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        n_iter_no_change: float = 10,
        init: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.objective = objective
        self.exploration = exploration
        self.exploration_rate = exploration_rate
        self.entropy = entropy
        self.replay = replay
        self.memory_size = memory_size
        self.perturbation = perturbation
        self.perturbation_scale = perturbation_scale
        self.n_perturbations = n_perturbations
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.momentum = momentum
        self.alpha = alpha
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.n_iter_no_change = n_iter_no_change
        self.init = init
        self.n_jobs = n_jobs

    @takes_arrays
    @_validation.fit_context
    def fit(self, X: Any, y: Any, reward: Any = None, propensity: Any = None) -> Self:
        """Learn from a log of actions and their rewards.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, float32 or float64. Scale the features first.
        y : array-like of shape (n_samples,)
            Action taken in each row, labels of any kind.
        reward : array-like of shape (n_samples,), default=None
            Reward of the action in each row: any finite numbers. With None, y is the right action of each row: its
            reward is 1, and the reward of all other actions is 0.
        propensity : float or array-like of shape (n_samples,), default=None
            Probability with which the action was taken, in (0, 1]. objective="reward" does not use propensities. With
            None, the probability is how often the action was taken, as in a log of actions that were chosen regardless
            of the rows.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or argument is not valid. The estimator is then as it was before.
        """
        return self._fit(X, y, (reward, propensity))

    @takes_arrays
    @_validation.fit_context
    def partial_fit(self, X: Any, y: Any, reward: Any = None, propensity: Any = None, classes: Any = None) -> Self:
        """Learn from further actions and their rewards, row by row or in batches.

        The network makes one pass over the new rows and the replayed rows, at the learning rate that earlier calls have
        reached. Then the ridge regressions learn from the new rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Action taken in each row, all among `classes`.
        reward : array-like of shape (n_samples,), default=None
            Reward of the action in each row. With None, y is the right action of each row.
        propensity : float or array-like of shape (n_samples,), default=None
            Probability with which the action was taken, as `sample` returns it. With None, the probability is how often
            the action was taken so far.
        classes : array-like of shape (n_actions,), default=None
            All actions that can ever be taken, also those not taken so far. Needed in the first call.

        Returns
        -------
        self : object
            The updated estimator.

        Raises
        ------
        ValueError
            If an argument is not valid. If `classes` is missing in the first call or differs later. If y has an action
            that `classes` lacks. The estimator is then as it was before.
        """
        if classes is None and not hasattr(self, "coefs_"):
            raise ValueError("classes must be passed in the first call to partial_fit, got None.")
        return self._partial_fit(X, y, (reward, propensity), classes)

    @takes_arrays
    def predict(self, X: Any) -> Array:
        """Choose the best action of each row, without exploring.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            The action with the highest expected reward or, with any objective but "reward", the action that the policy
            takes most often. Only actions with a known reward are chosen.
        """
        X = self._rows(X)
        merit = self._rewards(X) if self.objective == "reward" else self._forward(X)
        return np.asarray(self.classes_[self._best(merit)])

    @takes_arrays
    def predict_proba(self, X: Any) -> Array:
        """Compute the chance of each action when exploring, as `sample` does.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        p : ndarray of shape (n_samples, n_actions)
            Chances, in the order of `classes_`. Rows sum to one.
        """
        return self._chances(self._rows(X))

    @takes_arrays
    def predict_reward(self, X: Any) -> Array:
        """Predict the reward of each action.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        reward : ndarray of shape (n_samples, n_actions)
            Expected rewards, in the order of `classes_`.
        """
        return self._rewards(self._rows(X))

    @takes_arrays
    def sample(self, X: Any) -> tuple[Array, Array]:
        """Choose an action for each row, exploring.

        Each call draws the next random numbers of the estimator, and changes nothing else.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        actions : ndarray of shape (n_samples,)
            An action for each row.
        propensities : ndarray of shape (n_samples,)
            Probability of each chosen action. Pass it to `partial_fit` together with the reward.
        """
        chances = self._chances(self._rows(X))
        rng = np.random.Generator(np.random.PCG64([self._training.seed, self._n_sampled]))
        self._n_sampled += 1
        action = _exploration.draw(chances, rng)
        return self.classes_[action], chances[np.arange(len(action)), action]

    @takes_arrays
    def score(self, X: Any, y: Any, reward: Any = None, propensity: Any = None, sample_weight: Any = None) -> float:
        """Estimate the mean reward of the actions of `predict`, from actions that others have taken.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows that were not learnt from.
        y : array-like of shape (n_samples,)
            Action taken in each row.
        reward : array-like of shape (n_samples,), default=None
            Reward of the action in each row. With None, y is the right action of each row.
        propensity : float or array-like of shape (n_samples,), default=None
            Probability with which the action was taken. With None, the probability is how often the action was taken in
            these rows.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            Mean reward of `predict`, doubly robust and self-normalised. It is the mean of `predict_reward`, corrected
            by the errors of `predict_reward` in rows where both actions agree. Such a row weighs one over its
            propensity. Without `reward`, the score is the accuracy.
        """
        check_is_fitted(self)
        sample = self._check_data(X, y, (reward, propensity), None, fresh=False, whole=True)
        expected = self._rewards(sample.X)
        chosen = self._best(expected if self.objective == "reward" else self._forward(sample.X))
        share = _validation.check_sample_weight(1.0 if sample_weight is None else sample_weight, len(sample.y))
        assert share is not None
        share /= share.sum()
        if reward is None:
            return float(accuracy_score(sample.y, chosen, sample_weight=share))
        assert sample.weight is not None
        taken = np.eye(expected.shape[1])[chosen]
        return _off_policy.value(taken, sample.target, sample.weight, expected, share)

    @property
    def mean_reward_(self) -> float:
        check_is_fitted(self)
        return self._experience.mean_reward

    @property
    def reward_prediction_errors_(self) -> Array:
        check_is_fitted(self)
        return self._experience.errors.copy()

    @property
    def reward_prediction_error_curve_(self) -> list[float]:
        check_is_fitted(self)
        return unrolled(self._experience.curve)

    def to_sklearn(self) -> Any:
        """Raise an error, as scikit-learn has no policies."""
        raise ValueError("to_sklearn cannot build a DopamineMLPPolicy: scikit-learn has no estimator of this kind.")

    def onnx_parser(self) -> Any:
        """Refuse, as ONNX would have the network and not the choice of actions."""
        raise ValueError("A DopamineMLPPolicy cannot be converted to ONNX: only classifiers and regressors can.")

    def _rows(self, X: Any) -> Array:
        check_is_fitted(self)
        _validation.check_in_memory(X=X)
        return np.asarray(validate_data(self, X, dtype=(np.float64, np.float32), reset=False))

    def _best(self, merit: Array) -> Array:
        """Number (n,) of the best action, among those of which some reward is known."""
        return np.asarray(np.where(self._experience.counts > 0, merit, -np.inf).argmax(axis=1))

    def _chances(self, X: Array) -> Array:
        """Chance (n, actions) of each action when exploring."""
        rate, rule, experience = float(self.exploration_rate), self.exploration, self._experience
        learns_rewards = self.objective == "reward"
        if rule == "auto":
            rule = "optimism" if learns_rewards else "softmax"
        if rule == "softmax" and not learns_rewards:
            chances = softmax(self._forward(X).astype(np.float64) / rate, axis=1)
            mixture = 0.0 if self.objective == "policy" else LEAST_MIXTURE
            return np.asarray((1 - mixture) * chances + mixture / chances.shape[1])
        features, centre = self._features(X), experience.mean_reward
        reward = (experience.readout.rewards(features, centre) - centre) / experience.scale
        width = experience.readout.widths(features) if rule == "optimism" else reward
        return _exploration.RULES[rule](reward, width, rate, experience.n_known)
