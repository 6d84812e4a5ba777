"""How a forecaster trains: gains on a small reservoir and on the whole one, then weights."""

from collections.abc import Callable
from functools import partial
from math import ceil
from typing import Any, TypeVar

import numpy as np

from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.choice import Court
from skdopamine._esn.forecast import Assignment, SeriesReader
from skdopamine._esn.gains_problem import GainsProblem, decode, encode
from skdopamine._esn.model import Model
from skdopamine._esn.reading import Reading
from skdopamine._esn.reservoir_weights_problem import ReservoirWeightsProblem, Tunable
from skdopamine._esn.root import Equations
from skdopamine._estimator.history import History
from skdopamine._estimator.report import Reporter
from skdopamine._training import trainer as _trainer
from skdopamine._training.learning_rate import LearningRate, make_rule
from skdopamine._training.trainer import Ending, Result
from skdopamine._typing import Array

TUNING_ROWS = 6000  # the last ones: gains are tuned on them, and a season is sought in them
TUNING_READS = 20_000  # of windows, rows x lags used for tuning
TUNING_WINDOWS = 400  # but no fewer windows than these
FEW_WINDOWS = 15  # closed loops that judge the small reservoir
FEW_UNITS, SHARE_OF_FEW = 100, 0.5  # gains are tuned on a small reservoir first, for this share of the updates
FEW_TUNING_ROWS = 2000  # the last ones, for the small reservoir
WORTH = 0.01  # gain of the log error below which tuning the whole reservoir ends
GAIN_UPDATES, GAIN_PAIRS, GAIN_WINDOWS, GAIN_SCALE = 16, 5, 30, 0.5
WEIGHT_PAIRS, WEIGHT_SCALE, WEIGHT_WINDOWS, WEIGHT_BATCH = 16, 0.01, 100, 10
WINDOW_BATCH = 200  # rows of a minibatch where each row is a window
WEIGHT_RATE, WEIGHT_CEILING = 0.003, 0.02
SCHEDULE = 200  # max_iter at which these budgets hold
Judgement = TypeVar("Judgement")


class Training(Reading):
    """The training of a forecaster."""

    def _with_tuned_gains(
        self, model: Model, task: Assignment, court: Court | None
    ) -> tuple[Model, list[Result], bool]:
        """The model with tuned gains, or that of the court, the results of tuning, and whether `max_iter` cut it short.

        A small reservoir is tuned first, and the whole one as the court sees fit; whatever has come of it is judged.
        """
        needed = ceil(GAIN_UPDATES * max(1, self.max_iter / SCHEDULE))
        n_updates, further = min(self.max_iter, needed), True
        results: list[Result] = []
        if model.n_units > FEW_UNITS:
            n_few = ceil(SHARE_OF_FEW * n_updates)
            n_updates -= n_few
            few = _reservoir.drawn(FEW_UNITS, model.form.n_channels, self.reservoir_connectivity, model.seed)
            latest = self._latest(task, FEW_TUNING_ROWS)
            found, result = self._tuned(model.with_weights(few), latest, n_few, n_windows=FEW_WINDOWS)
            results.append(result)
            model = model._replace(gains=found.gains, training=found.training)
            further = court is None or judged(partial(court.is_worth, model), results, False)
        if further and n_updates and all(result.reason is not Ending.INTERRUPTED for result in results):
            latest, n_before = self._latest(task, TUNING_ROWS), sum(len(result.epochs) for result in results)
            model, result = self._tuned(model, latest, n_updates, first=n_before)
            results.append(result)
        cut_short = results[-1].reason is Ending.EXHAUSTED and self.max_iter < needed
        # not judged, gains of many rows are worth more than those that are not tuned
        if court is not None and not judged(partial(court.is_beaten_by, model), results, court.by == 0):
            model = court.model._replace(training=model.training)
        return model, results, cut_short

    def _latest(self, task: Assignment, n_rows: int) -> Assignment:
        """The last rows that gains are tuned on, so many or as many as loops need; or the last windows."""
        if isinstance(task.reader, SeriesReader):
            most = max(n_rows // task.reader.n_series, 4 * task.washout, 8 * task.horizon)
        else:
            most = max(TUNING_WINDOWS, TUNING_READS // task.reader.inputs.shape[1])
        return task.latest(most, float(self.validation_fraction))

    def _tuned(
        self, model: Model, task: Assignment, n_updates: int, *, first: int = 0, n_windows: int = GAIN_WINDOWS
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
        result = self._train(problem, rule, start, settings, None, model.training.n_epochs)
        model = model._replace(training=_followed(model.training, result))
        elite = result.state.memory[0]
        return (model._replace(gains=decode(elite[:1], float(self.state_noise))) if len(elite) else model), result

    def _with_trained_weights(
        self, model: Model, task: Assignment, normal: Equations, *, recurrent: bool
    ) -> tuple[Model, Result]:
        """The model with a better readout, or better weights everywhere, if any; and the result of training."""
        # unit steps that move all predictions alike: the inverse root of the features' covariance
        covariance = normal.gram[0] / normal.n_rows
        covariance += np.diag(np.full(len(covariance), 1e-6 * np.trace(covariance) / len(covariance)))
        spread = np.linalg.inv(np.linalg.cholesky(covariance)).T
        start = Tunable(model.weights, model.gains, model.readout, spread)
        problem = ReservoirWeightsProblem(
            start,
            task,
            recurrent=recurrent,
            n_windows=WEIGHT_WINDOWS if model.form.is_series else task.split,
            n_pairs=WEIGHT_PAIRS if self.n_perturbations == "auto" else int(self.n_perturbations),
            scale=WEIGHT_SCALE if self.perturbation_scale == "auto" else float(self.perturbation_scale),
            seed=model.seed,
        )
        settings = self._settings(problem, self.max_iter, model.seed)
        batch_size = WEIGHT_BATCH if model.form.is_series else WINDOW_BATCH
        settings = settings._replace(batch_size=min(batch_size, problem.n_rows()), shuffle=True)
        rule = self._rule(WEIGHT_RATE, WEIGHT_CEILING)
        result = self._train(problem, rule, problem.init_params(), settings, problem.score, model.training.n_epochs)
        model = model._replace(training=_followed(model.training, result))
        with np.errstate(all="ignore"):
            better = problem.score(result.best_params) > problem.score(problem.init_params())
        if better:
            weights, readout = problem.model(result.best_params)
            model = model._replace(weights=weights, readout=readout)
        return model, result

    def _rule(self, auto: float, ceiling: float) -> LearningRate:
        initial = auto if self.learning_rate_init == "auto" else float(self.learning_rate_init)
        return make_rule(self.learning_rate, initial, ceiling, float(self.power_t))

    def _settings(self, problem: Any, n_epochs: int, seed: int) -> _trainer.Settings:
        return _trainer.Settings(
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
        self, problem: Any, rule: LearningRate, start: Array, settings: _trainer.Settings, score: Any, n_past: int
    ) -> Result:
        state = _trainer.init_state(start, problem, rule)
        reporter = Reporter(verbose=self.verbose, n_past=n_past)
        with np.errstate(all="ignore"):  # the trainer looks at every loss
            return _trainer.train(problem, rule, state, settings, score=score, observer=reporter)


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
