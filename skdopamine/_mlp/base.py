"""What classifier and regressor share of the scikit-learn contract."""

import copy
from abc import abstractmethod
from collections.abc import Callable
from math import ceil, isfinite
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
from skdopamine._estimator.ending import warn
from skdopamine._estimator.history import History
from skdopamine._estimator.report import Reporter
from skdopamine._mlp import bridge as _bridge
from skdopamine._mlp import network as _network
from skdopamine._mlp.activations import check_activation, layer_activations
from skdopamine._mlp.held_back import hold_back
from skdopamine._mlp.modes import MODES, Options, find_mode
from skdopamine._mlp.network import Network
from skdopamine._mlp.problem import Data, NetworkProblem, make_data, outputs, targets
from skdopamine._objectives.base import Objective, SetObjective
from skdopamine._objectives.registry import LossOptions, check_loss, find_loss, losses
from skdopamine._objectives.scorers import make_objective
from skdopamine._objectives.tasks import View
from skdopamine._objectives.thresholds import best_shift
from skdopamine._training import trainer as _trainer
from skdopamine._training.learning_rate import LearningRate, make_rule
from skdopamine._training.trainer import Ending
from skdopamine._typing import Array

AUTO_BATCH = 200
SCHEDULE = 200  # epochs of the annealed schedule if an epoch is one batch
SHRINKING = 0.4  # the schedule shrinks with this power of the batches of an epoch
LEARNT = 0.5  # a loss above this share of its start is a plateau to be crossed, not convergence
REGRESSION_CEILING = 0.7  # of a mode's ceiling: residuals are noise to the end, and small sets are soon overfitted
# for objectives that stand still under small perturbations, as metrics do:
METRIC_BATCH = 1000  # rows that tell what a metric is
WARM_SHARE = 1 / 3  # of the epochs, spent on the natural loss first
WARM_ROWS = 20_000  # rows that the decision threshold is chosen on


class DopamineMLP(CallbackSupportMixin, DopamineEstimator):
    """What classifier and regressor share: checks, training, publication."""

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **_validation.COMMON_CONSTRAINTS,
        "perturbation": [_validation.one_of("auto", *MODES)],
    }

    _network_units: tuple[int, ...]
    _state: _trainer.TrainState
    _history: History

    def _check_classes(self, y: Any, classes: Any, *, fresh: bool, whole: bool) -> None:
        """Check the classes of y, and learn them with fresh. `whole` tells whether these are all rows."""

    @abstractmethod
    def _encode(self, y: Any, *, fresh: bool) -> Array:
        """Check y against the task and turn it into numeric targets (n, outputs)."""

    @abstractmethod
    def _task(self) -> str:
        """Kind of the target: "binary", "multiclass", "multilabel" or "regression"."""

    @abstractmethod
    def _publish(self, output: Array) -> Array:
        """Probabilities or values of outputs, all in the user's units."""

    @abstractmethod
    def _view(self) -> View:
        """How the user sees the targets and outputs of training."""

    def _set_units(self, target: Array, weight: Array | None) -> None:
        """Choose the unit of the targets in training, and what is subtracted from them."""
        self._scale: float = 1.0
        self._offset: Array | None = None

    def _loss_options(self) -> LossOptions:
        """Options of the losses that have any."""
        return LossOptions()

    # ---- fit and partial_fit -----------------------------------------------------------------------------------------

    def _fit(self, X: Any, y: Any, sample_weight: Any) -> Self:
        with _validation.restored_on_error(self):
            result, cut_short = self._run_fit(X, y, sample_weight)
        self._warn(result, cut_short)
        return self

    @with_callbacks
    def _run_fit(self, X: Any, y: Any, sample_weight: Any) -> tuple[_trainer.Result, bool]:
        fresh = not (self.warm_start and hasattr(self, "_state"))
        given = X
        X, y, target, weight = self._check_data(X, y, sample_weight, None, fresh=fresh, whole=True)
        training, held_back = self._split(y, len(target))
        problem = self._prepare(X, target, weight, training, fresh=fresh)
        score = self._scorer(problem, X, y, target, weight, held_back)
        warm, interrupted = self._warm_up(problem) if fresh and problem.objective.flat else (0, False)
        settings, needed = self._settings(problem, warm)
        if interrupted:
            settings = settings._replace(n_epochs=0)
        shown = given if weight is None else X  # the first has feature names, but also the rows of weight zero
        callbacks = EpochCallbacks(self, settings.n_epochs, shown, y, weight)
        result = self._train(problem, settings, score, callbacks)
        if interrupted:
            result = result._replace(reason=Ending.INTERRUPTED)
        self.n_iter_ = len(result.epochs)
        callbacks.end()
        return result, settings.n_epochs + warm < needed

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, classes: Any) -> Self:
        fresh = not hasattr(self, "_state")
        with _validation.restored_on_error(self):
            X, y, target, weight = self._check_data(X, y, sample_weight, classes, fresh=fresh, whole=False)
            problem = self._prepare(X, target, weight, None, fresh=fresh, whole=False)
            settings = self._settings(problem)[0]._replace(n_epochs=1, horizon=0)
            result = self._train(problem, settings, None, None, in_place=True)
            self.n_iter_ = len(self._history.losses)
        self._warn(result, False)
        return self

    def _check_data(
        self, X: Any, y: Any, sample_weight: Any, classes: Any, *, fresh: bool, whole: bool
    ) -> tuple[Any, Any, Array, Array | None]:
        """Checked X and y, encoded targets, and weights; rows of weight zero are gone."""
        check_activation(self.activation, len(_validation.check_hidden_layer_sizes(self.hidden_layer_sizes)))
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
        return X, y, target, self._class_weighted(target, weight)

    def _class_weighted(self, target: Array, weight: Array | None) -> Array | None:
        """Sample weights with those of the classes, if there are any."""
        return weight

    def _split(self, y: Any, n_rows: int) -> tuple[Array | None, Array | None]:
        """Rows to train on, None for all, and, for early stopping, rows held back."""
        if not self.early_stopping:
            return None, None
        labels = y if isinstance(self, ClassifierMixin) and y.ndim == 1 else None
        return hold_back(labels, n_rows, float(self.validation_fraction), draw_seed(self.random_state))

    def _prepare(
        self, X: Any, target: Array, weight: Array | None, rows: Array | None, *, fresh: bool, whole: bool = True
    ) -> NetworkProblem:
        """The problem to train on; with fresh, also the initial state. `whole` tells whether these are all rows."""
        if rows is not None:
            X, target, weight = X[rows], target[rows], None if weight is None else weight[rows]
        hidden = _validation.check_hidden_layer_sizes(self.hidden_layer_sizes)
        activations = layer_activations(self.activation, len(hidden))[:-1]
        network = Network((X.shape[1], *hidden, target.shape[1]), activations)
        if np.abs(target).max() > np.finfo(X.dtype).max / 1e3:
            raise ValueError(f"y must fit into the dtype of X, {X.dtype}, got values up to {np.abs(target).max()}.")
        if fresh:
            self._set_units(target, weight)
            self._seed = draw_seed(self.random_state)
        elif network.units != self._network_units:
            raise ValueError(
                f"hidden_layer_sizes={self.hidden_layer_sizes!r} or the targets ask for layers of {network.units} "
                f"units, but the model to go on from has {self._network_units}."
            )
        X = X if fresh else X.astype(self._state.params.dtype, copy=False)
        data = make_data(X, target, weight, 0.0 if self._offset is None else self._offset, self._scale)
        start = self._initial_params if self.init is None else self._given_params
        params = start(network, X.dtype) if fresh else self._state.params
        problem = self._problem(network, data, self._objective(network, data, params, whole=whole))
        if fresh:
            self._check_finite_start(problem, params)
            self._network_units, self._n_epochs = network.units, 0
            self._state_rule = self._rule()
            self._state = _trainer.init_state(params, problem, self._state_rule)
            self._history = History.empty()
        else:
            self._go_on(problem)
        return problem

    def _go_on(self, problem: NetworkProblem) -> None:
        """Fit the kept state to parameters set since: another mode has other critics, another rate a new start."""
        state, critics, rule = self._state, problem.init_critics(), self._rule()
        if [c.shape for c in critics] != [c.shape for c in state.critics]:
            state = state._replace(critics=critics)
        if rule != self._state_rule:
            state = state._replace(rate=rule.init())
        self._state, self._state_rule = state, rule

    @staticmethod
    def _check_finite_start(problem: NetworkProblem, params: Array) -> None:
        """The loss must be finite before anything is trained."""
        for start in range(0, problem.n_rows(), AUTO_BATCH):
            with np.errstate(all="ignore"):
                batch = problem.batch(slice(start, start + AUTO_BATCH))
                if isinstance(problem.objective, SetObjective):  # it may be defined later
                    finite = bool(np.isfinite(_network.forward(problem.network, params, batch.X)).all())
                else:
                    finite = isfinite(float(problem.losses(params, batch).sum()))
            if not finite:
                raise ValueError(
                    "X or y contains values too large for the loss to be finite: scale them first, for example by "
                    "StandardScaler."
                )

    def _initial_params(self, network: Network, dtype: npt.DTypeLike) -> Array:
        gain = layer_activations(self.activation, len(network.activations))[-1].gain
        params = _network.init_params(network, gain, np.random.Generator(np.random.PCG64(self._seed)), dtype)
        if self._offset is not None:
            _network.unpack(network, params)[1][-1][...] = 0.0
        return params

    def _given_params(self, network: Network, dtype: npt.DTypeLike) -> Array:
        """Parameters that predict what `init` does: the inverse of what is done to them on publication."""
        weights, biases = _bridge.start_weights(self, DopamineMLP, network.units, self._out_activation)
        params = _network.pack(weights, biases).astype(np.float64)
        weights, biases = _network.unpack(network, params)
        self._from_units(weights[-1], biases[-1])
        return params.astype(dtype)

    def _objective(self, network: Network, data: Data, params: Array, *, whole: bool) -> Objective | SetObjective:
        """The loss, as the trainer uses it."""
        view, everything = self._view(), slice(None)
        entry = find_loss(self.loss, view.task)
        if entry is not None:
            return entry.make(self._loss_options())
        with np.errstate(all="ignore"):
            output, target = outputs(network, params, data, everything), targets(data, everything)
        weighted = data.weight is not None
        return make_objective(self.loss, view, weighted=weighted, whole=whole, output=output, target=target)

    def _problem(self, network: Network, data: Data, objective: Objective | SetObjective) -> NetworkProblem:
        options = Options(
            auto_scales=[a.scale for a in layer_activations(self.activation, len(network.activations))],
            scale=None if self.perturbation_scale == "auto" else float(self.perturbation_scale),
            n_perturbations=None if self.n_perturbations == "auto" else int(self.n_perturbations),
            n_jobs=self.n_jobs,
            alpha=float(self.alpha),
            seed=self._seed,
        )
        return find_mode(self.perturbation).make(network, objective, data, options)

    def _warm_up(self, problem: NetworkProblem) -> tuple[int, bool]:
        """Train on the natural loss, unless there is `init`, and let the decisions suit the objective.

        Return the number of epochs, and whether they were interrupted.
        """
        view = self._view()
        natural = self._problem(problem.network, problem.data, losses(view.task)[0].make(self._loss_options()))
        settings, _ = self._settings(natural)
        epochs = int(WARM_SHARE * settings.n_epochs) if self.init is None else 0
        settings = settings._replace(n_epochs=epochs, horizon=epochs if settings.horizon else 0)
        rule = self._rule()
        with np.errstate(all="ignore"):
            observer = Reporter(verbose=self.verbose, n_past=self._n_epochs, unit=self._loss_unit(natural))
            result = _trainer.train(natural, rule, self._state, settings, observer=observer)
            params = result.best_params.copy()
            if (
                isinstance(problem.objective, SetObjective)
                and problem.objective.of_labels
                and view.task != "multiclass"
            ):
                rows = slice(None, None, -(-problem.n_rows() * problem.network.units[-1] // WARM_ROWS))
                weight = None if problem.data.weight is None else problem.data.weight[rows]
                output, target = outputs(problem.network, params, problem.data, rows), targets(problem.data, rows)
                bias = _network.unpack(problem.network, params)[1][-1]
                bias -= best_shift(problem.objective, output, target, weight)
        self._state = _trainer.init_state(params, problem, rule)
        n_epochs = len(result.epochs)
        self._n_epochs += n_epochs
        self._history = self._history._replace(
            n_evaluations=result.state.n_evaluations, n_rows=problem.n_rows() * n_epochs
        )
        return n_epochs, result.reason is Ending.INTERRUPTED

    def _rule(self) -> LearningRate:
        share = REGRESSION_CEILING if isinstance(self, RegressorMixin) else 1.0
        ceiling = find_mode(self.perturbation).ceiling * share
        return make_rule(self.learning_rate, float(self.learning_rate_init), ceiling, float(self.power_t))

    def _settings(self, problem: NetworkProblem, n_past: int = 0) -> tuple[_trainer.Settings, int]:
        """Settings of the trainer, and the epochs that its schedule would like to have; `n_past` of them are over."""
        n_rows = problem.n_rows()
        nominal = AUTO_BATCH if self.batch_size == "auto" else int(self.batch_size)
        batch_size = min(nominal, n_rows)
        needed = self.max_iter + 1
        if self.learning_rate == "dopamine":
            needed = ceil(SCHEDULE / ceil(n_rows / batch_size) ** SHRINKING * max(1, self.max_iter / SCHEDULE))
        n_epochs = min(self.max_iter, needed) - n_past
        if isinstance(problem.objective, SetObjective) and self.batch_size == "auto":
            batch_size = min(METRIC_BATCH, n_rows)
        gain = layer_activations(self.activation, len(problem.network.activations))[-1].gain
        return _trainer.Settings(
            n_epochs=n_epochs,
            horizon=n_epochs if self.learning_rate == "dopamine" else 0,
            batch_size=batch_size,
            nominal_batch=nominal,
            shuffle=self.shuffle,
            momentum=float(self.momentum),
            tol=float(self.tol),
            n_iter_no_change=self.n_iter_no_change,
            seed=self._seed,
            step_scale=_network.step_scale(problem.network, gain, self._state.params.dtype),
            learnt=LEARNT if self.learning_rate == "dopamine" else np.inf,
            first_epoch=self._n_epochs,
        ), needed

    def _train(
        self,
        problem: NetworkProblem,
        settings: _trainer.Settings,
        score: Callable[[Array], float] | None,
        callbacks: EpochCallbacks | None,
        *,
        in_place: bool = False,
    ) -> _trainer.Result:
        """Train, and publish what has come of it."""
        rule, history, unit = self._rule(), self._history, self._loss_unit(problem)
        score_unit = unit if self.scoring is None else 1.0

        def fitted(epochs: list[_trainer.Epoch], params: Array) -> dict[str, Any]:
            now = history.extended(epochs, unit, score_unit=score_unit, n_rows=problem.n_rows())
            return {**self._told(now), **self._published(params), "n_iter_": len(epochs)}

        reporter = Reporter(verbose=self.verbose, n_past=self._n_epochs, unit=unit, callbacks=callbacks, fitted=fitted)
        with np.errstate(all="ignore"):  # overflow is caught by the trainer, which looks at every loss
            result = _trainer.train(
                problem,
                rule,
                self.__dict__.pop("_state"),  # not held on to while training: it is as large as three models
                settings,
                score=score,
                observer=reporter,
            )
        state = result.state
        if state.params is not result.best_params:
            state = state._replace(params=result.best_params, anchor=None)
        if result.reason is Ending.DIVERGED:
            state = _trainer.init_state(result.best_params, problem, rule)
        self._state = state
        self._n_epochs += len(result.epochs)
        published = self._published(result.best_params)
        self._history = history.extended(
            result.epochs,
            unit,
            score_unit=score_unit,
            n_evaluations=result.state.n_evaluations,
            n_rows=problem.n_rows(),
            in_place=in_place,
        )
        self.__dict__.update({**self._told(self._history), **published})
        return result

    def _loss_unit(self, problem: NetworkProblem) -> float:
        """What a loss of 1 in training is in units of the target."""
        with np.errstate(over="ignore", under="ignore"):
            return float(np.float64(self._scale) ** problem.objective.degree)

    def _told(self, history: History) -> dict[str, Any]:
        """Fitted attributes that hold the history."""
        told = history.attributes(nothing=np.inf, learning_rate_init=float(self.learning_rate_init))
        if history.scores:
            told["best_loss_"] = None
        return told | {
            "validation_scores_": history.scores or None,
            "best_validation_score_": max(history.scores, default=None),
            "t_": history.n_rows,
        }

    def _to_units(self, weight: Array, bias: Array) -> None:
        """Turn the output layer's parameters, in place, into those of the user's units."""

    def _from_units(self, weight: Array, bias: Array) -> None:
        """Undo `_to_units`."""

    def _published(self, params: Array) -> dict[str, Any]:
        """Fitted attributes that hold the network, in units of the target."""
        units = self._network_units
        weights, biases = _network.unpack(Network(units, ()), params.copy())
        self._to_units(weights[-1], biases[-1])
        return {
            "coefs_": weights,
            "intercepts_": biases,
            "n_layers_": len(units),
            "n_outputs_": units[-1],
            "out_activation_": self._out_activation,
        }

    def _scorer(
        self,
        problem: NetworkProblem,
        X: Any,
        y: Any,
        target: Array,
        weight: Array | None,
        rows: Array | None,
    ) -> Callable[[Array], float] | None:
        """Score of parameters on the rows held back: the metric of `scoring`, or minus the loss."""
        scorer = None if self.scoring is None else check_scoring(self, scoring=self.scoring)
        if rows is None:
            return None
        X, y = X[rows].astype(problem.dtype, copy=False), y[rows]
        held = copy.copy(problem)
        offset, unit = problem.data.offset, problem.data.unit
        held.data = make_data(X, target[rows], None if weight is None else weight[rows], offset, unit)
        held.alpha = 0.0

        def score(params: Array) -> float:
            if scorer is None:
                batch = held.batch(slice(None))
                value = -float(held.losses(params, batch) @ batch.share[:, 0])
            else:
                candidate = copy.copy(self)
                candidate.__dict__.update(self._published(params))
                candidate.__dict__.pop("feature_names_in_", None)  # X is an array by now
                value = float(scorer(candidate, X, y))
            if not isfinite(value):
                raise ValueError(f"scoring={self.scoring!r} must give finite numbers, got {value}.")
            return value

        return score

    def _warn(self, result: _trainer.Result, cut_short: bool) -> None:
        """Say so if the training has not ended as it should."""
        warn(
            [result.reason],
            n_epochs=len(result.epochs),
            max_iter=self.max_iter,
            learning_rate_init=self.learning_rate_init,
            cut_short=cut_short,
            trained=self._n_epochs > 0,
            stacklevel=5,
        )

    def __sklearn_clone__(self) -> Self:
        cloned: Self = super().__sklearn_clone__()
        cloned.init = self.init  # a clone of it would not be fitted, and there would be nothing to start from
        return cloned

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
            If the activation or the function of the outputs is not to be had in scikit-learn.
        NotFittedError
            If there are no weights yet.
        """
        check_is_fitted(self)
        return _bridge.to_sklearn(self)

    # ---- prediction --------------------------------------------------------------------------------------------------

    def _forward(self, X: Any) -> Array:
        """Outputs (n, outputs) for checked X."""
        activations = layer_activations(self.activation, self.n_layers_ - 2)[:-1]
        return _network.forward_layers(activations, self.coefs_, self.intercepts_, X)

    def _outputs(self, X: Any) -> Array:
        """Predictions of the objective, (n, outputs)."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=(np.float64, np.float32), reset=False)
        return self._publish(self._forward(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
