"""DopamineMLPPolicy: its parameters, how it acts, and what it is judged by."""

from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import softmax
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_is_fitted, validate_data

from skdopamine._estimator import validation as _validation
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

    Of each row one sees what the chosen action has brought (a click, a sale, a cured patient), and never what the
    others would have: a contextual bandit. The reward prediction error, reward minus what was expected, is what
    dopamine is taken to signal. Noise-based reward-modulated learning [1]_ is node perturbation of that error times the
    log-probability of the action; the network here is trained by the node perturbation of
    :class:`DopamineMLPClassifier`, without backpropagation.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Units of each hidden layer; an int is one layer, () a linear model.
    activation : str, callable or list of them, default="relu"
        Function of the hidden units, as in :class:`DopamineMLPClassifier`.
    objective : {"reward", "policy", "ips", "snips", "dr", "switch_dr"} or callable, default="reward"
        What the network learns. "reward": the reward of each action, of which only that of the taken action is known.
        "policy": to make actions likelier that bring more than expected (reward prediction error times
        log-probability). All others maximise an estimate of what a softmax policy would bring [3]_, from the
        propensities of logged actions: by inverse propensity, the same self-normalised, doubly robust, or with the
        model alone where propensities are small. A callable ``objective(y, reward, propensity, proba)`` gets actions,
        rewards and propensities (n,) and the policy's probabilities (n, n_actions), in the order of `classes_`, and
        returns one number. See Notes.
    exploration : {"auto", "optimism", "inverse_gap", "softmax"}, default="auto"
        How `sample` chooses. "optimism": the action whose reward may be highest, by the upper bound of a ridge
        regression [2]_. "inverse_gap": the best action most often, the others the more rarely the worse they are
        expected to be. "softmax": with probabilities that grow exponentially with the expected reward and sharpen with
        the rows seen or, of a policy, its own. "auto" is "optimism" with objective="reward", else "softmax".
    exploration_rate : float, default=1.0
        How much is explored: factor of the width of the bound, of the gap, or of the temperature.
    entropy : float, default=0.2
        Bonus for the entropy of the policy, in units of the rewards' spread, with any objective but "reward". With
        "policy" the reward prediction error steers it between .3 and 3 times that: curiosity rises where rewards
        disappoint.
    replay : int, default=4
        Rows of the past that each new row of `partial_fit` is learnt with, at least a minibatch in each call; 0 for
        none. With "policy" there is none.
    memory_size : int, default=10000
        Rows that are remembered, the latest, for `replay` and for the ridge regressions, so that old rewards are
        forgotten; 0 for none, and then the ridge regressions forget nothing.
    perturbation : {"auto", "node", "feedback", "weight"}, default="auto"
        What is perturbed, as in :class:`DopamineMLPClassifier`.
    perturbation_scale : float or "auto", default="auto"
        Size of the perturbation, as in :class:`DopamineMLPClassifier`; "snips" and a callable are metrics there.
    n_perturbations : int or "auto", default="auto"
        Antithetic pairs of perturbations an update averages over; "auto" is 1, for "weight" as in
        :class:`DopamineMLPClassifier`; of "snips" it is 64, of a callable 16.
    learning_rate : {"dopamine", "constant", "invscaling"}, default="dopamine"
        Whether the reward prediction error moves the rate while a schedule anneals it, or it stays constant, or falls
        as ``learning_rate_init / update ** power_t``.
    learning_rate_init : float, default=0.003
        Start of the learning rate, in units of a layer whose weights start within 0.2. With "dopamine" anything from
        1e-4 on will do: the rate is held below a ceiling of 0.01 ("node") or 0.02 ("weight").
    power_t : float, default=0.5
        Exponent of "invscaling".
    momentum : float, default=0.9
        Decay of the running mean of the credit, in [0, 1).
    alpha : float, default=0.0001
        Strength of the L2 penalty, divided by the sum of the sample weights of the minibatch.
    batch_size : int or "auto", default="auto"
        Rows of a minibatch, at most all; "auto" is 200.
    max_iter : int, default=200
        Most epochs. With "dopamine" the rate is annealed over ``200 / b ** 0.4`` epochs of b minibatches, with two and
        more hidden layers over half of that, but no less than ``200 / b`` (not with "weight"), or over `max_iter` if
        that is fewer; a `max_iter` above 200 stretches the schedule in proportion.
    shuffle : bool, default=True
        Whether the rows are put in a new order in each epoch.
    random_state : int, RandomState instance or None, default=None
        Determines initial weights, perturbations, shuffling, the rows that are replayed and what `sample` draws. An int
        makes all of that reproducible to the bit.
    tol : float, default=1e-4
        Least improvement of the loss that counts.
    verbose : bool or int, default=False
        Whether to print one line an epoch.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights and the experience of the last fit; y must have no other actions.
    n_iter_no_change : int or np.inf, default=10
        Epochs without improvement by `tol` after which training stops; np.inf for never.
    init : DopamineMLPPolicy, DopamineMLPClassifier or MLPClassifier, default=None
        Fitted network whose weights `fit`, or the first `partial_fit`, starts from: a policy with the same kind of
        outputs or, with any objective but "reward", a classifier. Its layers, activation and classes must be the same.
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
        Slow mean of the rewards, over the latest thousand: the tonic level, which an action that is not known is
        expected to bring.
    reward_prediction_errors_ : ndarray of shape (n_samples,)
        Reward of each row of the last call minus what was expected before it was learnt from: the phasic response. By
        `fit` the mean was expected; later, the predicted reward of the action or, with "policy", of the policy.
    reward_prediction_error_curve_ : list of float
        Mean of these in each call of `fit` and `partial_fit`.
    coefs_ : list of ndarray of shape (units below, units above)
        Weights, one matrix per layer, in the dtype of X.
    intercepts_ : list of ndarray of shape (units above,)
        Biases.
    n_features_in_ : int
        Number of features seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X had string names.
    n_layers_ : int
        Number of layers, inputs and outputs included.
    n_outputs_ : int
        Number of actions.
    out_activation_ : str
        Function of the outputs: "identity" with objective="reward", else "softmax".
    n_iter_ : int
        Epochs run by the last `fit`; after `partial_fit` those of all calls and of the fits before them.
    t_ : int
        Training rows seen, each time counted, replayed ones too.
    loss_ : float
        Training loss of the last epoch.
    best_loss_ : float
        Lowest training loss.
    loss_curve_ : list of float
        Training loss of each epoch: half the squared error of the known rewards with objective="reward".
    learning_rate_ : float
        Rate at the end.
    learning_rate_curve_ : list of float
        Rate at the end of each epoch.
    n_evaluations_ : int
        Loss evaluations spent, rows times perturbed or unperturbed networks.

    See Also
    --------
    DopamineMLPClassifier : The same network, which is told the right class of each row.

    Notes
    -----
    A ridge regression per action, in closed form, predicts the reward from the inputs and the last hidden layer; it
    knows at once what the network takes thousands of rows to learn, and the network gives it the features that a linear
    model lacks. `predict_reward` is its prediction. From time to time it is made anew on the hidden layer of now, from
    the rows that are remembered. Scale the features first, as its penalty is one for all; only hidden units that have
    learnt from few rows are counted at half their size. More than 1,023 inputs and units are mixed into as many by a
    fixed random projection.

    Rewards may have any size and sign: they are counted in units of their spread, which follow a stream. An action
    without any known reward is expected to bring the mean reward. It is never predicted while another is known, and
    "optimism" tries it.

    "optimism" always takes the action with the highest bound, so its propensity is 1, and no other policy can be judged
    by what it has done; use "inverse_gap" or "softmax" where a log is to serve later.

    With a log, objective="reward" is the one to begin with; where rewards are noisy, "policy" and "dr" may do better,
    which `score` tells on rows held out (see the user guide). The objectives that maximise an estimate of the value are
    for logs whose propensities are known; in streams they learn slowly and may settle on few actions. "snips" and
    callables stand still where no reward is near, so a third of the epochs of `fit` goes to the estimate by inverse
    propensity first.

    For thousands of actions that are described by features of their own, and for continuous actions, this estimator is
    not made: it has an output for each action.

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
    Acting and learning, where an action is right or wrong and one never hears which would have been right:

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

    A log of random actions, and a policy learnt from it:

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

    @_validation.fit_context
    def fit(self, X: Any, y: Any, reward: Any = None, propensity: Any = None) -> Self:
        """Learn from a log of actions and their rewards.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, float32 or float64; scale them first.
        y : array-like of shape (n_samples,)
            Action taken in each row, labels of any kind.
        reward : array-like of shape (n_samples,), default=None
            What the action has brought: any finite numbers. None: y is the right action of each row; its reward is 1,
            that of all others 0.
        propensity : float or array-like of shape (n_samples,), default=None
            Chance that the action had of being taken, in (0, 1]; objective="reward" does without. None: how often it
            was taken, as in a log of actions that were chosen without a look at the rows.

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

    @_validation.fit_context
    def partial_fit(self, X: Any, y: Any, reward: Any = None, propensity: Any = None, classes: Any = None) -> Self:
        """Learn from further actions and their rewards, row by row or in batches.

        The network makes one pass over the rows and those of the past that are replayed, at the learning rate that
        earlier calls have arrived at. Then the ridge regressions learn from the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Action taken in each row, all among `classes`.
        reward : array-like of shape (n_samples,), default=None
            What the action has brought. None: y is the right action of each row.
        propensity : float or array-like of shape (n_samples,), default=None
            Chance that the action had of being taken, as `sample` returns it. None: how often it was taken so far.
        classes : array-like of shape (n_actions,), default=None
            All actions that will ever be taken, needed in the first call. They may be more than were taken so far.

        Returns
        -------
        self : object
            The updated estimator.

        Raises
        ------
        ValueError
            If an argument is not valid, `classes` is missing in the first call or differs later, or y has an action
            that `classes` lacks. The estimator is then as it was before.
        """
        if classes is None and not hasattr(self, "coefs_"):
            raise ValueError("classes must be passed in the first call to partial_fit, got None.")
        return self._partial_fit(X, y, (reward, propensity), classes)

    def predict(self, X: Any) -> Array:
        """Choose the best action of each row, without exploring.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            The action that is expected to bring most or, with any objective but "reward", that the policy takes most
            often; among those of which some reward is known.
        """
        X = self._rows(X)
        merit = self._rewards(X) if self.objective == "reward" else self._forward(X)
        return np.asarray(self.classes_[self._best(merit)])

    def predict_proba(self, X: Any) -> Array:
        """Compute the chance of each action when exploring, as `sample` does.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        p : ndarray of shape (n_samples, n_actions)
            In the order of `classes_`; rows sum to one.
        """
        return self._chances(self._rows(X))

    def predict_reward(self, X: Any) -> Array:
        """Predict the reward of each action.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        reward : ndarray of shape (n_samples, n_actions)
            In the order of `classes_`.
        """
        return self._rewards(self._rows(X))

    def sample(self, X: Any) -> tuple[Array, Array]:
        """Choose an action for each row, exploring.

        Each call goes on in the random numbers of the estimator, and changes nothing else.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        actions : ndarray of shape (n_samples,)
            An action for each row.
        propensities : ndarray of shape (n_samples,)
            Chance that it had, to be passed to `partial_fit` with its reward.
        """
        chances = self._chances(self._rows(X))
        rng = np.random.Generator(np.random.PCG64([self._training.seed, self._n_sampled]))
        self._n_sampled += 1
        action = _exploration.draw(chances, rng)
        return self.classes_[action], chances[np.arange(len(action)), action]

    def score(self, X: Any, y: Any, reward: Any = None, propensity: Any = None, sample_weight: Any = None) -> float:
        """Estimate what the actions of `predict` would bring, from actions that others have taken.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows that were not learnt from.
        y : array-like of shape (n_samples,)
            Action taken in each row.
        reward : array-like of shape (n_samples,), default=None
            What it has brought. None: y is the right action of each row.
        propensity : float or array-like of shape (n_samples,), default=None
            Chance that the action had of being taken. None: how often it was taken in these rows.
        sample_weight : array-like of shape (n_samples,), default=None
            What each row counts for.

        Returns
        -------
        score : float
            Mean reward of `predict`, doubly robust and self-normalised: what `predict_reward` expects, corrected by its
            errors where the actions agree, which weigh one over their propensity. Without `reward`, the accuracy.
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
        """Refuse, as scikit-learn has no policies."""
        raise ValueError("to_sklearn cannot build a DopamineMLPPolicy: scikit-learn has no estimator of this kind.")

    def _rows(self, X: Any) -> Array:
        check_is_fitted(self)
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
