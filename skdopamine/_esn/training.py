"""How a forecaster trains: gains on a small reservoir and on the whole one, then weights."""

from collections.abc import Callable
from functools import partial
from math import ceil
from typing import Any, NamedTuple, TypeVar

import numpy as np

from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.choice import Court
from skdopamine._esn.forecast import Assignment
from skdopamine._esn.gains_problem import GainsProblem, decode, encode
from skdopamine._esn.model import Model
from skdopamine._esn.reader import SeriesReader
from skdopamine._esn.reading import Reading
from skdopamine._esn.readout import may_be_exact
from skdopamine._esn.readout_problem import ReadoutProblem, Tunable
from skdopamine._esn.recurrent_problem import Projected, RecurrentProblem
from skdopamine._esn.root import Equations
from skdopamine._estimator.callbacks import EpochCallbacks
from skdopamine._estimator.history import History
from skdopamine._estimator.report import Reporter
from skdopamine._training import trainer as _trainer
from skdopamine._training import update as _update
from skdopamine._training.learning_rate import LearningRate, make_rule
from skdopamine._training.trainer import Ending, Result
from skdopamine._typing import Array

TUNING_ROWS = 6000  # the last ones: gains are tuned on them, and a season is sought in them
TUNING_READS = 20_000  # of windows, rows x lags used for tuning
TUNING_WINDOWS = 400  # but no fewer windows than these
POLISHED = ("squared_error", "absolute_error", "huber")  # losses that squares may judge a readout by
TRAINABLE = ("gains", "recurrent", "readout")
FEW_WINDOWS = 15  # closed loops that judge the small reservoir
FEW_UNITS, SHARE_OF_FEW = 100, 0.5  # gains are tuned on a small reservoir first, for this share of the updates
FEW_TUNING_ROWS = 2000  # the last ones, for the small reservoir
WORTH = 0.01  # gain of the log error below which tuning the whole reservoir ends
GAIN_UPDATES, GAIN_PAIRS, GAIN_WINDOWS, GAIN_SCALE = 16, 5, 30, 0.5
WEIGHT_PAIRS, WEIGHT_SCALE, WEIGHT_WINDOWS, WEIGHT_BATCH = 16, 0.01, 100, 10
WINDOW_BATCH = 200  # rows of a minibatch where each row is a window
SOLVED_BATCH, SOLVED_WINDOWS = 20, 1000  # windows of a minibatch that a readout is solved on, and where each is a row
WEIGHT_RATE, WEIGHT_CEILING = 0.003, 0.02
SCHEDULE = 200  # max_iter at which these budgets hold
Judgement = TypeVar("Judgement")


class Watch(NamedTuple):
    """Who is told of each epoch, and the fitted attributes that a model would leave then."""

    callbacks: EpochCallbacks
    attributes: Callable[[Model, bool], dict[str, Any]]  # of a model with these gains, or with these weights as well


class Training(Reading):
    """The training of a forecaster."""

    def _n_epochs(self) -> int:
        """Most epochs of all stages."""
        names = self._trainable()
        n_weights = sum(name in names for name in ("recurrent", "readout"))
        return int(("gains" in names) * min(self.max_iter, self._needed()) + n_weights * self.max_iter)

    def _needed(self) -> int:
        """Updates that the gains need, whatever `max_iter` allows."""
        return ceil(GAIN_UPDATES * max(1.0, float(self.max_iter) / SCHEDULE))

    def _trainable(self) -> tuple[str, ...]:
        names = (self.trainable,) if isinstance(self.trainable, str) else tuple(self.trainable)
        if not all(isinstance(name, str) and name in TRAINABLE for name in names):
            raise ValueError(f"trainable must be any of {TRAINABLE}, got {self.trainable!r}.")
        return names

    def _with_tuned_gains(
        self, model: Model, task: Assignment, court: Court | None, watch: Watch
    ) -> tuple[Model, list[Result], bool]:
        """The model with tuned gains, or that of the court, the results of tuning, and whether `max_iter` cut it short.

        A small reservoir is tuned first, and the whole one as the court sees fit; whatever has come of it is judged.
        """
        needed = self._needed()
        n_updates, further, opinion = min(self.max_iter, needed), True, None
        results: list[Result] = []
        if model.n_units > FEW_UNITS:
            n_few = ceil(SHARE_OF_FEW * n_updates)
            n_updates -= n_few
            few = _reservoir.drawn(FEW_UNITS, model.form.n_channels, self.reservoir_connectivity, model.seed)
            latest = self._latest(task, FEW_TUNING_ROWS)
            found, result = self._tuned(model.with_weights(few), latest, n_few, watch, n_windows=FEW_WINDOWS)
            results.append(result)
            model = model._replace(gains=found.gains, training=found.training)
            if court is not None:
                opinion = judged(partial(court.opinion, model), results, None)
                further = opinion is not None and court.is_worth(
                    opinion, may_be_exact=self.loss in POLISHED and may_be_exact(task)
                )
        if further and n_updates and not any(was_ended(result) for result in results):
            latest, n_before = self._latest(task, TUNING_ROWS), sum(len(result.epochs) for result in results)
            model, result = self._tuned(model, latest, n_updates, watch, first=n_before)
            results.append(result)
            opinion = None
        cut_short = results[-1].reason is Ending.EXHAUSTED and self.max_iter < needed
        # not judged, gains of many rows are worth more than those that are not tuned
        if court is not None:
            opinion = opinion or judged(partial(court.opinion, model), results, None)
            if not (court.by == 0 if opinion is None else court.is_beaten_by(opinion)):
                model = court.model._replace(training=model.training)
        if self.verbose and court is not None:
            kept = "as they were" if model.gains == court.model.gains else "tuned"
            print(f"Loops held back chose: base {model.base.name()!r}, gains {kept}")
        return model, results, cut_short

    def _latest(self, task: Assignment, n_rows: int) -> Assignment:
        """The last rows that gains are tuned on, so many or as many as loops need; or the last windows."""
        if isinstance(task.reader, SeriesReader):
            most = max(n_rows // task.reader.n_series, 4 * task.washout, 8 * task.horizon)
        else:
            most = max(TUNING_WINDOWS, TUNING_READS // task.reader.inputs.shape[1])
        return task.latest(most, float(self.validation_fraction))

    def _tuned(
        self,
        model: Model,
        task: Assignment,
        n_updates: int,
        watch: Watch,
        *,
        first: int = 0,
        n_windows: int = GAIN_WINDOWS,
    ) -> tuple[Model, Result]:
        """The model with better gains, if any, and the result of tuning; `first` updates came before."""
        problem = GainsProblem(
            model.weights,
            task,
            model.gains,
            n_windows=n_windows,
            n_pairs=GAIN_PAIRS if self.n_perturbations == "auto" else int(self.n_perturbations),
            scale=GAIN_SCALE if self.perturbation_scale == "auto" else float(self.perturbation_scale),
            seed=model.seed,
            first=first,
        )
        settings = self._settings(problem, n_updates, model.seed)._replace(normalised=False, schedule=0)
        if first:
            settings = settings._replace(n_iter_no_change=1, tol=WORTH)
        rule, start = self._rule(1.0, 1.0), encode(model.gains)[0]

        def with_gains(params: Array) -> Model:
            return model._replace(gains=decode(params[None], float(self.state_noise)))

        reporter = self._reporter(f"Gains of {model.n_units} units, update", model, watch, with_gains, is_ridge=True)
        result = self._train(problem, rule, start, settings, None, reporter)
        elite = result.state.memory[0]
        found = with_gains(elite[0]) if len(elite) else model
        return found._replace(training=_followed(model.training, result)), result

    def _with_trained_reservoir(self, model: Model, task: Assignment, watch: Watch) -> tuple[Model, Result]:
        """The model with a better reservoir, if any, the readout to be learnt again; and the result of training."""
        start = Projected(model.weights, model.gains, model.no_rows, model.expected)
        problem = RecurrentProblem(start, task, n_windows=WEIGHT_WINDOWS if model.form.is_series else task.split)

        def with_weights(params: Array) -> Model:
            return model._replace(weights=problem.weights(params))

        batch_size = SOLVED_BATCH if model.form.is_series else SOLVED_WINDOWS
        return self._improved(problem, model, watch, with_weights, batch_size, "All weights, epoch", is_ridge=True)

    def _with_trained_readout(
        self, model: Model, task: Assignment, normal: Equations, watch: Watch
    ) -> tuple[Model, Result]:
        """The model with a better readout, if any; and the result of training."""
        # unit steps that move all predictions alike: the inverse root of the features' covariance
        covariance = normal.gram[0] / normal.n_rows
        covariance += np.diag(np.full(len(covariance), 1e-6 * np.trace(covariance) / len(covariance)))
        spread = np.linalg.inv(np.linalg.cholesky(covariance)).T
        start = Tunable(model.weights, model.gains, model.readout, spread)
        problem = ReadoutProblem(
            start,
            task,
            n_windows=WEIGHT_WINDOWS if model.form.is_series else task.split,
            n_pairs=WEIGHT_PAIRS if self.n_perturbations == "auto" else int(self.n_perturbations),
            scale=WEIGHT_SCALE if self.perturbation_scale == "auto" else float(self.perturbation_scale),
            seed=model.seed,
        )

        def with_readout(params: Array) -> Model:
            return model._replace(readout=problem.readout(params))

        batch_size = WEIGHT_BATCH if model.form.is_series else WINDOW_BATCH
        return self._improved(problem, model, watch, with_readout, batch_size, "Readout, epoch", is_ridge=False)

    def _improved(
        self,
        problem: ReadoutProblem | RecurrentProblem,
        model: Model,
        watch: Watch,
        as_model: Callable[[Array], Model],
        batch_size: int,
        label: str,
        *,
        is_ridge: bool,
    ) -> tuple[Model, Result]:
        """The model that training has made better on the rows held back, else as it was; and the result."""
        settings = self._settings(problem, self.max_iter, model.seed)
        settings = settings._replace(batch_size=min(batch_size, problem.n_rows()), shuffle=True)
        rule = self._rule(WEIGHT_RATE, WEIGHT_CEILING)
        reporter = self._reporter(label, model, watch, as_model, is_ridge=is_ridge)
        result = self._train(problem, rule, problem.init_params(), settings, problem.score, reporter)
        with np.errstate(all="ignore"):
            better = problem.score(result.best_params) > problem.score(problem.init_params())
        found = as_model(result.best_params) if better else model
        return found._replace(training=_followed(model.training, result)), result

    def _reporter(
        self, label: str, model: Model, watch: Watch, as_model: Callable[[Array], Model], *, is_ridge: bool
    ) -> Reporter:
        """Who reports the epochs of a stage, whose parameters make a model."""

        def fitted(epochs: list[_trainer.Epoch], params: Array, _: list[float]) -> dict[str, Any]:
            history = model.training._replace(best_loss=None).extended(epochs, n_evaluations=0)
            return watch.attributes(as_model(params)._replace(training=history), is_ridge)

        n_past = model.training.n_epochs
        return Reporter(verbose=self.verbose, n_past=n_past, callbacks=watch.callbacks, fitted=fitted, label=label)

    def _rule(self, auto: float, ceiling: float) -> LearningRate:
        initial = auto if self.learning_rate_init == "auto" else float(self.learning_rate_init)
        return make_rule(self.learning_rate, initial, ceiling, float(self.power_t))

    def _settings(self, problem: Any, n_epochs: int, seed: int) -> _update.Settings:
        return _update.Settings(
            n_epochs=n_epochs,
            schedule=n_epochs if self.learning_rate == "dopamine" else 0,
            first_epoch=0,
            batch_size=problem.n_rows(),
            nominal_batch=problem.n_rows(),
            shuffle=False,
            momentum=float(self.momentum),
            tol=float(self.tol),
            n_iter_no_change=self.n_iter_no_change,
            seed=seed,
        )

    def _train(
        self,
        problem: Any,
        rule: LearningRate,
        start: Array,
        settings: _update.Settings,
        score: Any,
        reporter: Reporter,
    ) -> Result:
        with np.errstate(all="ignore"):  # the trainer looks at every loss
            return self._journal.train(
                problem,
                rule,
                partial(_update.init_state, start, problem, rule),
                settings,
                score=score,
                observer=reporter,
            )


def was_ended(result: Result) -> bool:
    """Whether the user or a callback has ended a stage, so that none follows."""
    return result.reason in (Ending.INTERRUPTED, Ending.STOPPED)


def judged(judge: Callable[[], Judgement], results: list[Result], otherwise: Judgement) -> Judgement:
    """What a judge says, or `otherwise` where it is interrupted, which the last of the results then tells."""
    try:
        return judge()
    except KeyboardInterrupt:
        results[-1] = results[-1]._replace(reason=Ending.INTERRUPTED)
        return otherwise


def _followed(history: History, result: Result) -> History:
    """The history after a stage of training, which has a loss of its own."""
    return history._replace(best_loss=None).extended(result.epochs, n_evaluations=result.state.n_evaluations)
