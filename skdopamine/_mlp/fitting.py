"""What fits classifier and regressor: checks of the rows, the problem, its training, and what is published."""

import warnings
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils.validation import validate_data

from skdopamine._estimator import validation as _validation
from skdopamine._estimator.callbacks import EpochCallbacks, with_callbacks
from skdopamine._estimator.caller import users_level
from skdopamine._estimator.ending import interruptible, raise_if_early, warn, without_effect
from skdopamine._estimator.history import History
from skdopamine._estimator.journal import journaled
from skdopamine._estimator.report import Reporter
from skdopamine._mlp import bridge as _bridge
from skdopamine._mlp import network as _network
from skdopamine._mlp.activations import check_activation
from skdopamine._mlp.base import DopamineMLP
from skdopamine._mlp.beforehand import PreparedMLP
from skdopamine._mlp.folds import Found
from skdopamine._mlp.following import followed
from skdopamine._mlp.held_back import HeldRows, hold_back
from skdopamine._mlp.network import Network
from skdopamine._mlp.parameters import (
    check_hidden_layer_sizes,
    full_schedule,
    make_learning_rate,
    make_problem,
    output_gain,
)
from skdopamine._mlp.problem import Data, NetworkProblem, Sample, make_data, outputs
from skdopamine._mlp.signs import start
from skdopamine._mlp.sound import check_layers, check_weights, layers_of
from skdopamine._mlp.training import Recent, Training
from skdopamine._mlp.units import Units
from skdopamine._objectives.base import Objective, SetObjective
from skdopamine._objectives.registry import LossOptions, check_loss, find_loss, losses
from skdopamine._objectives.scorers import make_objective
from skdopamine._training import trainer as _trainer
from skdopamine._training import update as _update
from skdopamine._training.trainer import Ending
from skdopamine._typing import Array


class TrainedMLP(PreparedMLP):
    """A multi-layer perceptron with the ways of training it."""

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation: tuple[Any, Any, Any] = (None, None, None)) -> Self:
        with interruptible(self):
            with _validation.restored_on_error(self), journaled(self):
                result, cut_short = self._run_fit(X, y, sample_weight, validation)
            self._warn(result, cut_short)
            for remark in self._remarks():
                warnings.warn(remark, UserWarning, stacklevel=users_level())
        return self

    def _remarks(self) -> Iterator[str]:
        """What is to be said of the parameters after a fit."""
        chosen = self.early_stopping == "auto" and self.validation_scores_ is None
        if self.scoring is not None and (chosen or not self.early_stopping):
            yield without_effect("scoring", self.scoring, "early_stopping=True")

    @with_callbacks
    def _run_fit(
        self, X: Any, y: Any, sample_weight: Any, validation: tuple[Any, Any, Any]
    ) -> tuple[_trainer.Result, bool]:
        """Return the result, and whether `max_iter` allows fewer epochs than the schedule needs."""
        fresh = not (self.warm_start and hasattr(self, "coefs_"))
        sample = self._check_data(X, y, sample_weight, None, fresh=fresh, whole=True)
        own = self._check_validation(sample, *validation)
        self._journal.read(*sample.parts(), *(() if own is None else own.parts()))
        trained_on, held_back = self._split(sample, own)
        problem = self._prepare(trained_on, fresh=fresh)
        held = None if held_back is None else self._held(problem, held_back)
        n_warm, interrupted = self._warm_up(problem) if fresh and problem.objective.flat else (0, False)
        settings, found = self._settings(problem, n_past=n_warm), None
        if fresh and held_back is None and not interrupted:
            found, interrupted = self._find_length(problem, trained_on, settings)
        if found is not None:
            settings = settings._replace(n_epochs=found.n_epochs, schedule=found.n_epochs)
        if interrupted:
            settings = settings._replace(n_epochs=0)
        # the user's X has feature names, but also the rows of weight zero
        target, weight = self._as_given(sample)
        shown = X if weight is None else sample.X
        callbacks = EpochCallbacks(self, settings.n_epochs, shown, target, weight)
        result = self._train(problem, settings, held, callbacks, found=found)
        if result.reason is Ending.UNDEFINED:
            raise ValueError(
                f"{self._learnt()} must be defined on one minibatch of each epoch or more, got none in epoch "
                f"{len(result.epochs) + 1}: minibatches may be too small (see batch_size), or lack a class."
            )
        if interrupted:
            result = result._replace(reason=Ending.INTERRUPTED)
        raise_if_early(result, n_warm)
        self.n_iter_ = len(result.epochs)
        try:
            callbacks.end()
        except KeyboardInterrupt:  # all is done but for this
            result = result._replace(reason=Ending.INTERRUPTED)
        shortened = found is not None and found.n_epochs < self.max_iter
        return result, not shortened and self.max_iter < full_schedule(self, problem.n_rows())

    def _partial_fit(self, X: Any, y: Any, known: Any, classes: Any) -> Self:
        fresh = not hasattr(self, "coefs_")
        with interruptible(self):
            with _validation.restored_on_error(self), journaled(self, goes_on=False):
                sample = self._check_data(X, y, known, classes, fresh=fresh, whole=False)
                problem = self._prepare(sample, fresh=fresh, whole=False)
                settings = self._settings(problem)._replace(n_epochs=1, schedule=0, in_stream=True)
                result = self._train(problem, settings, None, None)
                raise_if_early(result)
                self.n_iter_ = self._history.n_epochs
            self._warn(result, False)
            if result.reason is Ending.UNDEFINED:
                message = f"{self._learnt()} is not defined on this batch, and nothing is learnt from it."
                warnings.warn(message, UserWarning, stacklevel=users_level())
            for remark in self._remarks() if fresh else ():
                warnings.warn(remark, UserWarning, stacklevel=users_level())
        return self

    def _check_data(self, X: Any, y: Any, sample_weight: Any, classes: Any, *, fresh: bool, whole: bool) -> Sample:
        """Checked rows; those of weight zero are gone."""
        check_activation(self.activation, len(check_hidden_layer_sizes(self.hidden_layer_sizes)))
        _validation.check_in_memory(X=X, y=y, sample_weight=sample_weight)
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
        target = self._encode(y)
        return Sample(X, y, target, self._class_weighted(target, weight))

    def _class_weighted(self, target: Array, weight: Array | None) -> Array | None:
        """Sample weights with those of the classes, if there are any."""
        return weight

    def _check_validation(self, sample: Sample, X: Any, y: Any, weight: Any) -> Sample | None:
        """Checked rows of the user's own validation set, if there is one; classes and features are known."""
        if X is None and y is None and weight is None:
            return None
        if X is None or y is None:
            missing, given = ("X_val", "y_val") if X is None else ("y_val", "X_val")
            given = given if y is not None or X is not None else "sample_weight_val"
            raise ValueError(f"{given} must come with {missing}, got {missing}=None.")
        if not self.early_stopping:
            raise ValueError("X_val must not be given with early_stopping=False: it would not be used.")
        with _validation.named(X="X_val", y="y_val", sample_weight="sample_weight_val"):
            candidate = _validation.with_names_of(self, X, "X_val")
            own: Sample = candidate._check_data(X, y, weight, None, fresh=False, whole=False)
        n_outputs, got = sample.target.shape[1], own.target.shape[1]
        if got != n_outputs:
            raise ValueError(f"y_val must have as many outputs as y, {n_outputs}, got {got}.")
        return own

    def _split(self, sample: Sample, own: Sample | None) -> tuple[Sample, Sample | None]:
        """Rows to train on and, for early stopping, rows held back: the user's own, or some of the sample."""
        if own is not None or self.early_stopping == "auto" or not self.early_stopping:
            return sample, own
        labels = sample.y if isinstance(self, ClassifierMixin) and sample.y.ndim == 1 else None
        seed = self._journal.seed(self.random_state)
        training, held_back = hold_back(labels, len(sample.target), float(self.validation_fraction), seed)
        return sample.picked(training), sample.at(held_back)

    def _prepare(self, sample: Sample, *, fresh: bool, whole: bool = True) -> NetworkProblem:
        """The problem to train on; with `fresh`, also the initial state; with `whole`, the sample has all rows."""
        if not fresh:
            self._check_continued()
        if not fresh and "_training" in vars(self):  # a network built by hand is looked at where it is started from
            check_layers(self)
            check_weights(self)
        X, _, target, weight = sample
        network = self._make_network(X.shape[1], target.shape[1])
        if np.abs(target).max() > np.finfo(X.dtype).max / 1e3:
            raise ValueError(f"y must fit into the dtype of X, {X.dtype}, got values up to {np.abs(target).max()}.")
        known = None if fresh else self._known_training()
        if known is None:
            units, seed = self._choose_units(target, weight), self._journal.seed(self.random_state)
            params = self._start(network, units, seed, X.dtype, self.init if fresh else self)
        else:
            if network.units != known.layers:
                raise ValueError(
                    f"hidden_layer_sizes={self.hidden_layer_sizes!r} or the targets ask for layers of {network.units} "
                    f"units, but the model being continued has {known.layers}."
                )
            self._training = known.agreed(self.coefs_, self.intercepts_)
            self._training = self._follow(network, sample, whole=whole)
            units, seed, params = self._training.units, self._training.seed, self._training.state.params
        self._check_signs(network, params)
        data = make_data(X.astype(params.dtype, copy=False), target, weight, units)
        problem = make_problem(
            self, network, self._objective(network, data, params, whole=whole), data, seed, whole=whole
        )
        rule = make_learning_rate(self, problem)
        if known is None:
            problem.check_start(params)
            state = _update.init_state(params, problem, rule)
            recent = self._recent(units, target, weight)
            self._training = Training(
                state, rule, network.units, units, seed, History(), recent=recent, signs=network.signs
            )
        else:
            self._training = self._training.resumed(problem, rule, network.signs)
        return problem

    def _recent(self, units: Units, target: Array, weight: Array | None) -> Recent | None:
        """The latest targets, which the units follow; None where there are no units."""
        return None if units.offset is None else Recent.of(target, weight).latest(len(target))

    def _known_training(self) -> Training | None:
        """Where training stands; None where the weights alone are known, as in one built by hand, or cut since."""
        training: Training | None = getattr(self, "_training", None)
        if training is None or training.is_hollow:
            return None
        return training if training.layers == layers_of(self) else None

    def _start(self, network: Network, units: Units, seed: int, dtype: npt.DTypeLike, init: Any) -> Array:
        """Initial parameters, or those that predict what `init` does."""
        if init is None:
            rng = np.random.Generator(np.random.PCG64(seed))
            params = start(network, _network.init_params(network, output_gain(self, network), rng, dtype))
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

    def _as_given(self, sample: Sample) -> tuple[Any, Array | None]:
        """Targets and weights as callbacks see them."""
        return sample.y, sample.weight

    def _train(
        self,
        problem: NetworkProblem,
        settings: _update.Settings,
        held: HeldRows | None,
        callbacks: EpochCallbacks | None,
        *,
        found: Found | None = None,
    ) -> _trainer.Result:
        """Train, and publish the result, with that of the folds, if any."""
        history, unit = self._training.history, problem.loss_unit
        score_unit = unit if self.scoring is None else 1.0
        seen: dict[str, Any] = {"score_unit": score_unit, "n_rows": problem.n_rows()}

        def fitted(epochs: list[_trainer.Epoch], params: Array, held_losses: list[float]) -> dict[str, Any]:
            now = history.extended(epochs, unit, **seen)
            attributes = {
                **self._traces(now, found, held_losses),
                **self._published(params),
                "n_iter_": len(epochs),
            }
            state = _update.init_state(params, problem, self._training.rule)
            n_epochs = self._training.n_epochs + len(epochs)
            attributes["_training"] = self._training._replace(state=state, history=now, n_epochs=n_epochs)
            del attributes["n_evaluations_"]  # known only at the end of the run
            return attributes

        reporter = Reporter(
            verbose=self.verbose,
            n_past=self._training.n_epochs,
            unit=unit,
            callbacks=callbacks,
            fitted=fitted,
            held_loss=None if held is None or held.metric is None else held.told_loss,
            score_unit=score_unit,
        )
        with np.errstate(all="ignore"):  # overflow is caught by the trainer, which looks at every loss
            result = self._journal.train(
                problem,
                self._training.rule,
                self._release_state,
                settings,
                score=None if held is None else held.score,
                told_score=None if held is None or held.metric is not None else held.told_score,
                observer=reporter,
            )
        published = self._published(result.best_params)
        history = history.extended(
            result.epochs, unit, n_evaluations=result.state.n_evaluations, in_stream=settings.in_stream, **seen
        )
        self._training = self._training.after(result, problem, history)
        self.__dict__.update({**self._traces(history, found, reporter.held_losses), **published})
        return result

    def _release_state(self) -> _update.TrainState:
        """Take the state out of the estimator, for the trainer to replace: it is as large as three models.

        Where the estimator was trained before, it stays in memory all the same, to be restored on an error.
        """
        state, self._training = self._training.state, self._training.hollow()
        return state

    def _traces(self, history: History, found: Found | None, held_losses: list[float]) -> dict[str, Any]:
        """Fitted attributes that hold the history, and what the rows held back or the folds have shown."""
        attributes = history.attributes(nothing=np.inf, learning_rate_init=float(self.learning_rate_init))
        if history.scores:
            attributes["best_loss_"] = None
        scores = list(history.scores if found is None else found.scores)
        losses = [-score for score in scores] if self.scoring is None else held_losses
        return attributes | {
            "validation_loss_curve_": list(losses if found is None else found.losses) or None,
            "validation_scores_": scores or None,
            "best_validation_score_": max(scores, default=None),
            "t_": history.n_rows,
        }

    def _warn(self, result: _trainer.Result, cut_short: bool) -> None:
        """Warn if the training has not ended as it should."""
        warn(
            [result],
            max_iter=self.max_iter,
            learning_rate_init=self.learning_rate_init,
            cut_short=cut_short,
            n_past=self._training.n_epochs - len(result.epochs),
        )
