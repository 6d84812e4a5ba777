"""How a network that acts is trained: checks of the rewards, what is learnt from them, and what is remembered."""

from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from skdopamine._estimator.sound import check_typed, refuse
from skdopamine._estimator.validation import check_in_memory, check_labels, check_vector, plain
from skdopamine._mlp import network as _network
from skdopamine._mlp import off_policy as _off_policy
from skdopamine._mlp.activations import check_activation, layer_activations
from skdopamine._mlp.experience import Experience, joined
from skdopamine._mlp.fitting import TrainedMLP
from skdopamine._mlp.network import Network
from skdopamine._mlp.parameters import check_hidden_layer_sizes, nominal_batch
from skdopamine._mlp.problem import Data, NetworkProblem, Sample
from skdopamine._mlp.readout import Readout, features_of, n_features
from skdopamine._mlp.sound import check_classes, check_experience, check_layers, check_weights
from skdopamine._mlp.training import Recent, Training
from skdopamine._mlp.units import PER_OUTPUT, Units
from skdopamine._objectives.actions import ExpectedWorth, LogChance, PolicyValue, TakenReward, TakenWorth
from skdopamine._objectives.base import Objective, SetObjective
from skdopamine._objectives.tasks import View
from skdopamine._training.trainer import Result
from skdopamine._typing import Array

SET_PAIRS, CALLED_PAIRS = 64, 16  # perturbations of a batch whose value is known as a whole


class ActingMLP(ClassifierMixin, TrainedMLP):
    """A network with an output for each action, and what it takes to learn from rewards."""

    # what classifier and regressor have as parameters, and a policy does not
    early_stopping = False
    scoring = None
    _learns = "objective"
    _functions = ("identity", "softmax")

    classes_: Array
    _experience: Experience
    _n_sampled: int  # calls of `sample` since the last fit

    # ---- the rows ----------------------------------------------------------------------------------------------------

    def _check_data(self, X: Any, y: Any, feedback: Any, classes: Any, *, fresh: bool, whole: bool) -> Sample:
        """Checked rows: the number of each action, the known rewards (n, actions), and one over the propensity."""
        check_activation(self.activation, len(check_hidden_layer_sizes(self.hidden_layer_sizes)))
        check_in_memory(X=X, y=y, reward=feedback[0], propensity=feedback[1])
        X, y = validate_data(self, X, y, order="C", dtype=(np.float64, np.float32), reset=fresh)
        self._check_classes(y, classes, fresh=fresh, whole=whole)
        action, n_actions = np.searchsorted(self.classes_, y), len(self.classes_)
        reward, propensity = check_feedback(*feedback, n_rows=len(y), dtype=X.dtype)
        if reward is None:
            return Sample(X, action, self._encode(y), np.ones(len(y)))
        target = np.full((len(y), n_actions), np.nan)
        target[np.arange(len(y)), action] = reward
        if propensity is not None:
            return Sample(X, action, target, 1 / propensity)
        counts = np.bincount(action, minlength=n_actions) + (0 if fresh or whole else self._experience.counts)
        return Sample(X, action, target, counts.sum() / counts[action])

    def _as_given(self, sample: Sample) -> tuple[Any, Array | None]:
        return self.classes_[sample.y], None

    def _check_classes(self, y: Any, classes: Any, *, fresh: bool, whole: bool) -> None:
        check_classification_targets(y)
        if fresh:
            self.classes_ = np.unique(y if classes is None else check_labels(classes))
        elif classes is not None and not np.array_equal(np.unique(check_labels(classes)), self.classes_):
            raise ValueError(
                f"classes must be those of the first call to partial_fit, {plain(self.classes_)}, got {plain(classes)}."
            )
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y has actions {plain(unknown)} that are not among classes={plain(self.classes_)}.")

    def _check_continued(self) -> None:
        if self._out_activation(Units()) != self.out_activation_:
            raise ValueError(
                f"objective={self.objective!r} needs other outputs than the model being continued, which has "
                f"{self.out_activation_!r}."
            )

    def _prepare(self, sample: Sample, *, fresh: bool, whole: bool = True) -> NetworkProblem:
        hidden = check_hidden_layer_sizes(self.hidden_layer_sizes)
        if not fresh:
            self._check_continued()
        if fresh:
            self._n_sampled = 0
            experience = Experience.begun(sample, hidden[-1] if hidden else 0)
            tonic, lesson = np.full(len(sample.y), experience.mean_reward), sample
            expected = self._first_guess(experience, sample)
        else:
            tonic = self._expected(sample.X)[np.arange(len(sample.y)), sample.y]
            experience = self._experience.followed(sample)
            if self._in_spreads() and experience.scale != self._experience.scale:
                self._training = self._training.weighed(self._experience.scale / experience.scale)
            lesson = sample if whole else self._with_past(sample)
            expected = np.empty(0) if self.objective == "reward" else self._expected(lesson.X)
            if self.objective == "policy" and not whole:  # on rows that it has chosen itself, each counts alike
                lesson = lesson._replace(weight=np.ones(len(lesson.y)))
        self._experience = experience.after(sample, tonic, int(self.memory_size))
        return super()._prepare(self._lesson(lesson, expected), fresh=fresh, whole=whole)

    def _with_past(self, sample: Sample) -> Sample:
        """New rows of a stream, and some of the past; a policy that learns from what it does itself has none."""
        memory = self._experience.memory
        if self.objective == "policy" or not (self.replay and memory.n_rows):
            return sample
        n_new = len(sample.y)
        rng = np.random.Generator(np.random.PCG64([self._training.seed, self._experience.n_known]))
        return joined([sample, memory.drawn(max(int(self.replay) * n_new, nominal_batch(self) - n_new), rng)])

    def _expected(self, X: Array) -> Array:
        """What (n, actions) each action is expected to bring; with "policy", what the policy does."""
        rewards = self._rewards(X)
        if self.objective != "policy":
            return rewards
        chances = softmax(self._forward(X), axis=1)
        return np.repeat((chances * rewards).sum(axis=1, keepdims=True), rewards.shape[1], axis=1)

    def _first_guess(self, experience: Experience, sample: Sample) -> Array:
        """Rewards (n, actions) that a ridge regression on the inputs expects; what a fresh model needs of a critic."""
        if self.objective not in ("dr", "switch_dr", "policy"):
            return np.full(sample.target.shape, experience.mean_reward)
        features = features_of(sample.X, None, 0)
        readout = Readout.empty(sample.target.shape[1], features.shape[1]).learned(features, sample.target)
        rewards = readout.rewards(features, experience.mean_reward)
        if self.objective == "policy":
            rewards[...] = rewards.mean(axis=1, keepdims=True)
        return rewards

    def _lesson(self, sample: Sample, expected: Array) -> Sample:
        """What the objective has to know of each action, and what each row weighs."""
        if self.objective == "reward":
            return sample._replace(weight=None)
        if not self._is_sum(sample):
            return sample
        experience = self._experience
        centre, reward = experience.mean_reward, sample.target
        assert sample.weight is not None
        worth = _off_policy.WORTHS.get(self.objective, _off_policy.ips)
        full = worth(reward - centre, sample.weight, expected - centre) / experience.scale
        return sample._replace(target=full, weight=None)

    def _in_spreads(self) -> bool:
        """Whether the loss is what actions are worth, in units of the rewards' spread."""
        return not callable(self.objective) and self.objective in _off_policy.WORTHS

    def _is_sum(self, sample: Sample) -> bool:
        """Whether the value of a policy is a sum over rows."""
        return not callable(self.objective) and (self.objective != "snips" or not np.isnan(sample.target).any())

    def _objective(self, network: Network, data: Data, params: Array, *, whole: bool) -> Objective | SetObjective:
        if self.objective == "reward":
            return TakenReward()
        if self.objective == "policy":
            return LogChance(float(self.entropy) * self._experience.curiosity)
        if callable(self.objective):
            return PolicyValue(self._called, CALLED_PAIRS)
        return ExpectedWorth(float(self.entropy)) if data.weight is None else PolicyValue(_off_policy.snips, SET_PAIRS)

    def _natural(self, data: Data) -> Objective:
        return TakenWorth(self._experience.mean_reward, self._experience.scale, float(self.entropy))

    def _called(self, chances: Array, reward: Array, weight: Array) -> float:
        """The user's own estimate of the value of a policy with these chances."""
        action = np.where(np.isnan(reward), -np.inf, reward).argmax(axis=1)
        taken = reward[np.arange(len(action)), action]
        value = self.objective(self.classes_[action], taken, 1 / weight, chances)
        number = np.asarray(value)
        if number.shape != () or number.dtype.kind not in "fiub":
            raise ValueError(f"objective={self.objective!r} must return one number, got {plain(value)!r}.")
        return float(number)

    # ---- units and the network ---------------------------------------------------------------------------------------

    def _choose_units(self, target: Array, weight: Array | None) -> Units:
        return self._units(target.shape[1]) if self.objective == "reward" else Units()

    def _units(self, n_actions: int) -> Units:
        """The units of the rewards, for each output."""
        units = self._experience.units
        scale, offset, knee, varies = (np.repeat(getattr(units, name), n_actions) for name in PER_OUTPUT)
        return units._replace(scale=scale, offset=offset, knee=knee, varies=varies)

    def _recent(self, units: Units, target: Array, weight: Array | None) -> Recent | None:
        return None  # experience has them

    def _follow(self, network: Network, sample: Sample, *, whole: bool) -> Training:
        training = self._training
        if self.objective != "reward":
            return training
        old, units = training.units, self._units(network.units[-1])
        units = units._replace(varies=units.varies | old.varies)  # weights may have been set before rewards varied
        changed = (old.scale != units.scale) | (old.offset != units.offset) | (old.varies != units.varies)
        if not changed.any():
            return training
        start = self._start(network, units, training.seed, training.state.params.dtype, self.init)
        begins = (units.varies & ~old.varies).any()
        training = training.counted_in(units, changed, start, TakenReward.degree)
        return training.anew() if begins else training

    def _train(self, *args: Any, **kwargs: Any) -> Result:
        result = super()._train(*args, **kwargs)
        self._experience = self._experience.read(self._features)
        return result

    def _features(self, X: Array, size: float | None = None) -> Array:
        """What the readouts see: the inputs, and the last hidden layer of now in the `size` that it has for them.

        Where they do not choose, but say what is expected, it counts in full: rewards come from its own choices.
        """
        check_layers(self)
        n_hidden, known = self.n_layers_ - 2, self._experience.readout.moment.shape[1]
        if n_features(len(self.coefs_[0]), len(self.intercepts_[-2]) if n_hidden else 0) != known:
            refuse("coefs_", "of the last hidden layer that the ridge regressions of the rewards know", "another layer")
        if not n_hidden:
            return features_of(X, None, self._training.seed)
        activations = layer_activations(self.activation, n_hidden)[:-1]
        z = _network.forward_layers(activations[:-1], self.coefs_[:-1], self.intercepts_[:-1], X)
        if not np.isfinite(z).all():
            check_weights(self)
        size = self._experience.hidden_size if size is None else size
        size = size if self.objective == "reward" else 1.0
        return features_of(X, activations[-1].function(z), self._training.seed, size)

    def _rewards(self, X: Array) -> Array:
        """Rewards (n, actions) that are expected of checked rows."""
        experience = self._experience
        if experience.unread:  # in the middle of a fit
            return self._forward(X) if self.objective == "reward" else np.full((len(X), self.n_outputs_), np.nan)
        return experience.readout.rewards(self._features(X), experience.mean_reward)

    def _check_labels(self) -> None:
        missing = [name for name in ("_training", "_experience", "_n_sampled") if name not in vars(self)]
        if missing:
            refuse(" and ".join(missing), "there in a fitted policy", "nothing")
        check_classes(vars(self).get("classes_"), self.n_outputs_)
        check_typed("_n_sampled", self._n_sampled, int)
        if (self.out_activation_ == "softmax") != (self._training.units.offset is None):
            refuse("_training.units.offset", f"such as outputs with {self.out_activation_!r} have", "others")
        hidden = len(self.intercepts_[-2]) if self.n_layers_ > 2 else 0
        check_experience(self._experience, len(self.coefs_[0]), hidden, self.n_outputs_)

    def _task(self) -> str:
        return "multiclass"

    def _encode(self, y: Any) -> Array:
        return np.asarray(np.eye(len(self.classes_))[np.searchsorted(self.classes_, y)])

    def _publish(self, output: Array) -> Array:
        return output if self.objective == "reward" else np.asarray(softmax(output, axis=-1))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False  # the ridge regressions are dense, as are the rows that are remembered
        return tags

    def _view(self, units: Units) -> View:
        return View(self._task(), self.classes_, self._publish)

    def _out_activation(self, units: Units) -> str:
        return "identity" if self.objective == "reward" else "softmax"


def check_feedback(reward: Any, propensity: Any, *, n_rows: int, dtype: Any) -> tuple[Array | None, Array | None]:
    """Rewards (n,) and propensities (n,) as arrays of numbers."""
    if reward is None:
        if propensity is not None:
            raise ValueError("propensity must come with reward, got reward=None.")
        return None, None
    rewards, most = check_vector(reward, "reward", n_rows), np.finfo(dtype).max / 1e3
    if np.abs(rewards).max() > most:
        raise ValueError(f"reward must fit into the dtype of X, {dtype}, got values up to {np.abs(rewards).max()}.")
    if propensity is None:
        return rewards, None
    chances = check_vector(
        np.full(n_rows, propensity) if np.ndim(propensity) == 0 else propensity, "propensity", n_rows
    )
    if not ((chances > 0) & (chances <= 1)).all():
        strange = chances[(chances <= 0) | (chances > 1)][0]
        raise ValueError(f"propensity must be above 0 and at most 1, got {strange}.")
    return rewards, chances
