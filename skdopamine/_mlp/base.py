"""What classifier and regressor share of the scikit-learn contract."""

import copy
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import check_scoring
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from skdopamine._estimator import validation as _validation
from skdopamine._estimator.base import DopamineEstimator, draw_seed
from skdopamine._estimator.callbacks import CallbackSupportMixin, EpochCallbacks, with_callbacks
from skdopamine._estimator.caller import users_level
from skdopamine._estimator.ending import interruptible, raise_if_early, warn, without_effect
from skdopamine._estimator.history import History
from skdopamine._estimator.report import Reporter
from skdopamine._mlp import bridge as _bridge
from skdopamine._mlp import network as _network
from skdopamine._mlp.activations import check_activation, layer_activations
from skdopamine._mlp.following import followed
from skdopamine._mlp.held_back import hold_back
from skdopamine._mlp.network import Network
from skdopamine._mlp.parameters import (
    CONSTRAINTS,
    check_hidden_layer_sizes,
    full_schedule,
    make_learning_rate,
    make_problem,
    make_settings,
    output_gain,
)
from skdopamine._mlp.problem import Data, NetworkProblem, Sample, make_data, outputs
from skdopamine._mlp.training import Recent, Training
from skdopamine._mlp.units import Units
from skdopamine._objectives.base import Objective, SetObjective
from skdopamine._objectives.registry import LossOptions, check_loss, find_loss, losses
from skdopamine._objectives.scorers import make_objective
from skdopamine._objectives.tasks import View
from skdopamine._objectives.thresholds import best_shift
from skdopamine._training import trainer as _trainer
from skdopamine._training.trainer import Ending
from skdopamine._typing import Array

MOST_PARAMETERS = 2**31  # of a network: 16 GB in float64, several times
PREDICT_ROWS = 4000  # predicted at once
# for objectives that stand still under small perturbations, as metrics do:
WARM_SHARE = 1 / 3  # of the epochs, spent on the natural loss first
WARM_ROWS = 20_000  # rows that the decision threshold is chosen on


class DopamineMLP(CallbackSupportMixin, DopamineEstimator, ABC):
    """What classifier and regressor share: checks, training, publication."""

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS

    _training: Training

    @property
    def _history(self) -> History:
        return self._training.history

    def _check_classes(self, y: Any, classes: Any, *, fresh: bool, whole: bool) -> None:
        """Check the classes of y, and learn them with `fresh`; with `whole`, y has all rows."""

    @abstractmethod
    def _encode(self, y: Any, *, fresh: bool) -> Array:
        """Check y against the task and turn it into numeric targets (n, outputs)."""

    @abstractmethod
    def _task(self) -> str:
        """Kind of the target: "binary", "multiclass", "multilabel" or "regression"."""

    @abstractmethod
    def _out_activation(self, units: Units) -> str:
        """Name of the function of the outputs."""

    @abstractmethod
    def _publish(self, output: Array) -> Array:
        """Probabilities or values of outputs, all in the user's units."""

    @abstractmethod
    def _view(self, units: Units) -> View:
        """How the user sees the targets and outputs of training."""

    def _choose_units(self, target: Array, weight: Array | None) -> Units:
        """Units in which training counts the targets."""
        return Units()

    def _level(self) -> float | None:
        """Quantile of the targets that is the best constant; None where that is their mean."""
        return None

    def _loss_options(self, units: Units) -> LossOptions:
        """Options of the losses that have any."""
        return LossOptions()

    # ---- fit and partial_fit -----------------------------------------------------------------------------------------

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> Self:
        with interruptible(self):
            with _validation.restored_on_error(self):
                result, cut_short = self._run_fit(X, y, sample_weight)
            self._warn(result, cut_short)
            for remark in self._remarks():
                warnings.warn(remark, UserWarning, stacklevel=users_level())
        return self

    def _remarks(self) -> Iterator[str]:
        """What is to be said of the parameters after a fit."""
        if self.scoring is not None and not self.early_stopping:
            yield without_effect("scoring", self.scoring, "early_stopping=True")

    @with_callbacks
    def _run_fit(self, X: Any, y: Any, sample_weight: Any) -> tuple[_trainer.Result, bool]:
        """Return the result, and whether `max_iter` allows fewer epochs than the schedule needs."""
        fresh = not (self.warm_start and hasattr(self, "coefs_"))
        sample = self._check_data(X, y, sample_weight, None, fresh=fresh, whole=True)
        trained_on, held_back = self._split(sample)
        problem = self._prepare(trained_on, fresh=fresh)
        score, told_score = self._scorers(problem, held_back)
        n_warm, interrupted = self._warm_up(problem) if fresh and problem.objective.flat else (0, False)
        settings = self._settings(problem, n_past=n_warm)
        if interrupted:
            settings = settings._replace(n_epochs=0)
        # the user's X has feature names, but also the rows of weight zero
        shown = X if sample.weight is None else sample.X
        callbacks = EpochCallbacks(self, settings.n_epochs, shown, sample.y, sample.weight)
        result = self._train(problem, settings, score, callbacks, told_score=told_score)
        if result.reason is Ending.UNDEFINED:
            raise ValueError(
                f"loss={self.loss!r} must be defined on one minibatch of each epoch at least, got none in epoch "
                f"{len(result.epochs) + 1}: they may be too small, see batch_size, or lack a class."
            )
        if interrupted:
            result = result._replace(reason=Ending.INTERRUPTED)
        raise_if_early(result, n_warm)
        self.n_iter_ = len(result.epochs)
        try:
            callbacks.end()
        except KeyboardInterrupt:  # all is done but for this
            result = result._replace(reason=Ending.INTERRUPTED)
        return result, self.max_iter < full_schedule(self, problem.n_rows())

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, classes: Any) -> Self:
        fresh = not hasattr(self, "coefs_")
        with interruptible(self):
            with _validation.restored_on_error(self):
                sample = self._check_data(X, y, sample_weight, classes, fresh=fresh, whole=False)
                problem = self._prepare(sample, fresh=fresh, whole=False)
                settings = self._settings(problem)._replace(n_epochs=1, schedule=0, in_stream=True)
                result = self._train(problem, settings, None, None)
                raise_if_early(result)
                self.n_iter_ = self._history.n_epochs
            self._warn(result, False)
            if result.reason is Ending.UNDEFINED:
                message = f"loss={self.loss!r} is not defined on this batch, and nothing is learnt from it."
                warnings.warn(message, UserWarning, stacklevel=users_level())
            for remark in self._remarks() if fresh else ():
                warnings.warn(remark, UserWarning, stacklevel=users_level())
        return self

    def _check_data(self, X: Any, y: Any, sample_weight: Any, classes: Any, *, fresh: bool, whole: bool) -> Sample:
        """Checked rows; those of weight zero are gone."""
        check_activation(self.activation, len(check_hidden_layer_sizes(self.hidden_layer_sizes)))
        if isinstance(self, RegressorMixin):
            _validation.check_numbers(y)
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            order="C",  # rows are gathered
            y_numeric=isinstance(self, RegressorMixin),
            dtype=(np.float64, np.float32),
            reset=fresh,
        )
        X = X.tocsr() if sparse.issparse(X) else X
        y = column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
        weight = _validation.check_sample_weight(sample_weight, X.shape[0])
        check_loss(self.loss, "regression" if isinstance(self, RegressorMixin) else "multiclass")
        self._check_classes(y, classes, fresh=fresh, whole=whole)
        if weight is not None and not (weight > 0).all():
            kept = np.flatnonzero(weight)
            X, y, weight = X[kept], y[kept], weight[kept]
        target = self._encode(y, fresh=fresh)
        return Sample(X, y, target, self._class_weighted(target, weight))

    def _class_weighted(self, target: Array, weight: Array | None) -> Array | None:
        """Sample weights with those of the classes, if there are any."""
        return weight

    def _split(self, sample: Sample) -> tuple[Sample, Sample | None]:
        """Rows to train on and, for early stopping, rows held back."""
        if not self.early_stopping:
            return sample, None
        labels = sample.y if isinstance(self, ClassifierMixin) and sample.y.ndim == 1 else None
        seed = draw_seed(self.random_state)
        training, held_back = hold_back(labels, len(sample.target), float(self.validation_fraction), seed)
        return sample.at(training), sample.at(held_back)

    def _prepare(self, sample: Sample, *, fresh: bool, whole: bool = True) -> NetworkProblem:
        """The problem to train on; with `fresh`, also the initial state; with `whole`, the sample has all rows."""
        X, _, target, weight = sample
        hidden = check_hidden_layer_sizes(self.hidden_layer_sizes)
        activations = layer_activations(self.activation, len(hidden))[:-1]
        network = Network((X.shape[1], *hidden, target.shape[1]), activations)
        if _network.n_parameters(network) > MOST_PARAMETERS:
            raise ValueError(
                f"hidden_layer_sizes must make at most {MOST_PARAMETERS} weights and biases, got {hidden} for "
                f"layers of {network.units} units."
            )
        if np.abs(target).max() > np.finfo(X.dtype).max / 1e3:
            raise ValueError(f"y must fit into the dtype of X, {X.dtype}, got values up to {np.abs(target).max()}.")
        known = None if fresh else self._known_training()
        if known is None:
            units, seed = self._choose_units(target, weight), draw_seed(self.random_state)
            params = self._start(network, units, seed, X.dtype, self.init if fresh else self)
        else:
            if network.units != known.layers:
                raise ValueError(
                    f"hidden_layer_sizes={self.hidden_layer_sizes!r} or the targets ask for layers of {network.units} "
                    f"units, but the model being continued has {known.layers}."
                )
            self._training = self._follow(network, sample, whole=whole)
            units, seed, params = self._training.units, self._training.seed, self._training.state.params
        data = make_data(X.astype(params.dtype, copy=False), target, weight, units)
        objective, rule = self._objective(network, data, params, whole=whole), make_learning_rate(self)
        problem = make_problem(self, network, objective, data, seed)
        if known is None:
            problem.check_start(params)
            state = _trainer.init_state(params, problem, rule)
            recent = None if units.offset is None else Recent.of(target, weight).latest(len(target))
            self._training = Training(state, rule, network.units, units, seed, History(), recent=recent)
        else:
            self._training = self._training.resumed(problem, rule)
        return problem

    def _known_training(self) -> Training | None:
        """Where training stands; None where the weights alone are known, as in an estimator built by hand."""
        training: Training | None = getattr(self, "_training", None)
        return None if training is None or training.is_hollow else training

    def _start(self, network: Network, units: Units, seed: int, dtype: npt.DTypeLike, init: Any) -> Array:
        """Initial parameters, or those that predict what `init` does."""
        if init is None:
            rng = np.random.Generator(np.random.PCG64(seed))
            params = _network.init_params(network, output_gain(self, network), rng, dtype)
            if units.offset is not None:
                last_weight, last_bias = (part[-1] for part in _network.unpack(network, params))
                last_weight[:, ~units.varies] = last_bias[...] = 0.0
            return params
        weights, biases = _bridge.start_weights(init, self, DopamineMLP, network.units, self._out_activation(units))
        own = units.from_user(weights[-1].astype(np.float64), biases[-1].astype(np.float64))
        return _network.pack([*weights[:-1], own[0]], [*biases[:-1], own[1]]).astype(dtype)

    def _follow(self, network: Network, sample: Sample, *, whole: bool) -> Training:
        """The training in units that suit the targets of now."""
        training, entry = self._training, find_loss(self.loss, self._task())
        judge = losses(self._task())[0] if entry is None else entry
        return followed(
            training,
            network,
            sample,
            whole=whole,
            level=self._level(),
            degree=0 if entry is None else entry.make(LossOptions()).degree,
            judge=lambda units: judge.make(self._loss_options(units)),
            start=lambda units: self._start(network, units, training.seed, training.state.params.dtype, self.init),
        )

    def _objective(self, network: Network, data: Data, params: Array, *, whole: bool) -> Objective | SetObjective:
        """The loss, as the trainer uses it."""
        view = self._view(data.units)
        entry = find_loss(self.loss, view.task)
        if entry is not None:
            return entry.make(self._loss_options(data.units))
        with np.errstate(all="ignore"):
            output, target = outputs(network, params, data, slice(None)), data.targets(slice(None))
            weighted = data.weight is not None
            return make_objective(self.loss, view, weighted=weighted, whole=whole, output=output, target=target)

    def _warm_up(self, problem: NetworkProblem) -> tuple[int, bool]:
        """Train on the natural loss, unless there is `init`, and let the decisions suit the objective.

        Return the number of epochs, and whether they were interrupted.
        """
        training, task = self._training, self._task()
        network, data = problem.network, problem.data
        objective = losses(task)[0].make(self._loss_options(data.units))
        natural = make_problem(self, network, objective, data, problem.seed)
        settings = self._settings(natural)
        epochs = int(WARM_SHARE * settings.n_epochs) if self.init is None else 0
        settings = settings._replace(n_epochs=epochs, schedule=epochs if settings.schedule else 0)
        reporter = Reporter(verbose=self.verbose, n_past=training.n_epochs, unit=natural.loss_unit)
        with np.errstate(all="ignore"):
            result = _trainer.train(natural, training.rule, training.state, settings, observer=reporter)
            params = result.best_params.copy()
            if isinstance(problem.objective, SetObjective) and problem.objective.of_labels and task != "multiclass":
                rows = slice(None, None, -(-problem.n_rows() * network.units[-1] // WARM_ROWS))
                weight = None if data.weight is None else data.weight[rows]
                output = outputs(network, params, data, rows)
                bias = _network.unpack(network, params)[1][-1]
                bias -= best_shift(problem.objective, output, data.targets(rows), weight)
        n_epochs = len(result.epochs)
        self._training = training._replace(
            state=_trainer.init_state(params, problem, training.rule),
            history=training.history._replace(
                n_evaluations=result.state.n_evaluations, n_rows=problem.n_rows() * n_epochs
            ),
            n_epochs=n_epochs,
        )
        return n_epochs, result.reason is Ending.INTERRUPTED

    def _settings(self, problem: NetworkProblem, n_past: int = 0) -> _trainer.Settings:
        return make_settings(self, problem, n_past=n_past, first_epoch=self._training.n_epochs)

    def _train(
        self,
        problem: NetworkProblem,
        settings: _trainer.Settings,
        score: Callable[[Array], float] | None,
        callbacks: EpochCallbacks | None,
        *,
        told_score: Callable[[Array], float] | None = None,
    ) -> _trainer.Result:
        """Train, and publish the result."""
        history, unit = self._training.history, problem.loss_unit
        score_unit = unit if self.scoring is None else 1.0

        def fitted(epochs: list[_trainer.Epoch], params: Array) -> dict[str, Any]:
            now = history.extended(epochs, unit, score_unit=score_unit, n_rows=problem.n_rows())
            attributes = {**self._traces(now), **self._published(params), "n_iter_": len(epochs)}
            state = _trainer.init_state(params, problem, self._training.rule)
            n_epochs = self._training.n_epochs + len(epochs)
            attributes["_training"] = self._training._replace(state=state, history=now, n_epochs=n_epochs)
            del attributes["n_evaluations_"]  # known only at the end of the run
            return attributes

        reporter = Reporter(
            verbose=self.verbose, n_past=self._training.n_epochs, unit=unit, callbacks=callbacks, fitted=fitted
        )
        with np.errstate(all="ignore"):  # overflow is caught by the trainer, which looks at every loss
            result = _trainer.train(
                problem,
                self._training.rule,
                self._release_state(),
                settings,
                score=score,
                told_score=told_score,
                observer=reporter,
            )
        published = self._published(result.best_params)
        history = history.extended(
            result.epochs,
            unit,
            score_unit=score_unit,
            n_evaluations=result.state.n_evaluations,
            n_rows=problem.n_rows(),
        )
        self._training = self._training.after(result, problem, history)
        self.__dict__.update({**self._traces(history), **published})
        return result

    def _release_state(self) -> _trainer.TrainState:
        """Take the state out of the estimator, for the trainer to replace: it is as large as three models.

        Where the estimator was trained before, it stays in memory all the same, to be restored on an error.
        """
        state, self._training = self._training.state, self._training.hollow()
        return state

    def _traces(self, history: History) -> dict[str, Any]:
        """Fitted attributes that hold the history."""
        attributes = history.attributes(nothing=np.inf, learning_rate_init=float(self.learning_rate_init))
        if history.scores:
            attributes["best_loss_"] = None
        return attributes | {
            "validation_scores_": list(history.scores) or None,
            "best_validation_score_": max(history.scores, default=None),
            "t_": history.n_rows,
        }

    def _published(self, params: Array) -> dict[str, Any]:
        """Fitted attributes that hold the network, in units of the target."""
        layers, units = self._training.layers, self._training.units
        weights, biases = _network.unpack(Network(layers, ()), params.copy())
        weights[-1], biases[-1] = units.to_user(weights[-1], biases[-1])
        return {
            "coefs_": weights,
            "intercepts_": biases,
            "n_layers_": len(layers),
            "n_outputs_": layers[-1],
            "out_activation_": self._out_activation(units),
        }

    def _scorers(
        self, problem: NetworkProblem, sample: Sample | None
    ) -> tuple[Callable[[Array], float] | None, Callable[[Array], float] | None]:
        """Score of parameters on the rows held back: the metric of `scoring`, or minus the loss.

        The second is what is reported, where that is another: the loss in which outputs count as in the user's units.
        """
        scorer = None if self.scoring is None else check_scoring(self, scoring=self.scoring)
        if sample is None:
            return None, None
        X, y = sample.X.astype(problem.dtype, copy=False), sample.y
        held = problem.on(make_data(X, sample.target, sample.weight, problem.data.units))

        def score(params: Array) -> float:
            if scorer is None:
                batch = held.batch(slice(None))
                value: Any = -float(held.losses(params, batch) @ batch.share[:, 0])
            else:
                candidate = copy.copy(self)
                candidate.__dict__.update(self._published(params))
                candidate.__dict__.pop("feature_names_in_", None)  # X is an array by now
                value = _validation.plain(scorer(candidate, X, y))
            if not (isinstance(value, int | float) and isfinite(value)):
                if scorer is None:
                    raise ValueError(f"loss={self.loss!r} must be finite on the rows held back, got {-value}.")
                raise ValueError(f"scoring={self.scoring!r} must give finite numbers, got {value!r}.")
            return float(value)

        def told_score(params: Array) -> float:
            batch = held.batch(slice(None))
            told = held.told(_network.forward(held.network, params, batch.X), batch)
            return score(params) if told is None else -float(told @ batch.share[:, 0])

        return score, told_score if scorer is None else None

    def _warn(self, result: _trainer.Result, cut_short: bool) -> None:
        """Warn if the training has not ended as it should."""
        warn(
            [result],
            max_iter=self.max_iter,
            learning_rate_init=self.learning_rate_init,
            cut_short=cut_short,
            n_past=self._training.n_epochs - len(result.epochs),
        )

    def __sklearn_clone__(self) -> Self:
        # a clone of `init` would not be fitted, and there would be nothing to start from
        cloned: Self = super(DopamineMLP, _bridge.started_from(self, None)).__sklearn_clone__()
        cloned.init = self.init
        return cloned

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        shown = _bridge.started_from(self, _bridge.without_ancestors(self.init))
        return str(super(DopamineMLP, shown).__repr__(N_CHAR_MAX))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters; those of `init` are not among them, as it is where training starts, and no part.

        Parameters
        ----------
        deep : bool, default=True
            Ignored.

        Returns
        -------
        params : dict
            Names and values.
        """
        params: dict[str, Any] = super().get_params(deep=False)
        return params

    def __getstate__(self) -> dict[str, Any]:
        # in a chain of models, each started from the one before, only the last start is kept
        return {**super().__getstate__(), "init": _bridge.without_ancestors(self.init)}

    def to_sklearn(self) -> Any:
        """Build the fitted scikit-learn network that predicts the same.

        For exporters, explainers and whatever else knows scikit-learn's networks. Its parameters are those of this
        estimator where it has them, so that its `partial_fit` would go on by backpropagation.

        Returns
        -------
        model : MLPClassifier or MLPRegressor
            With copies of the weights.

        Raises
        ------
        ValueError
            If scikit-learn does not offer the activation or the function of the outputs.
        NotFittedError
            If there are no weights yet.
        """
        check_is_fitted(self)
        return _bridge.to_sklearn(self)

    # ---- prediction --------------------------------------------------------------------------------------------------

    def _forward(self, X: Any) -> Array:
        """Outputs (n, outputs) for checked X."""
        activations = layer_activations(self.activation, self.n_layers_ - 2)[:-1]
        coefs, intercepts = self.coefs_, self.intercepts_
        starts = range(0, X.shape[0], PREDICT_ROWS)  # in chunks, so that no whole layer is ever in memory
        chunks = (X[start : start + PREDICT_ROWS] for start in starts)
        return np.concatenate([_network.forward_layers(activations, coefs, intercepts, chunk) for chunk in chunks])

    def _outputs(self, X: Any) -> Array:
        """Predictions of the objective, (n, outputs)."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=(np.float64, np.float32), reset=False)
        return self._publish(self._forward(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
