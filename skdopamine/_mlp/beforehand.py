"""What comes before the training of classifier and regressor: a warm-up, and folds that find out how long to train."""

import copy
from contextlib import nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.metrics import check_scoring

from skdopamine._estimator.blas import one_blas_thread
from skdopamine._estimator.report import Reporter
from skdopamine._mlp import network as _network
from skdopamine._mlp.base import DopamineMLP
from skdopamine._mlp.folds import FEWEST_EPOCHS, Found, Score, divide, find_length, inside, lacks_class
from skdopamine._mlp.held_back import HeldRows
from skdopamine._mlp.parameters import make_learning_rate, make_problem, make_settings
from skdopamine._mlp.problem import Data, NetworkProblem, Sample, outputs
from skdopamine._objectives.base import Objective, SetObjective
from skdopamine._objectives.registry import losses
from skdopamine._objectives.thresholds import best_shift
from skdopamine._training import update as _update
from skdopamine._training.trainer import Ending
from skdopamine._typing import Array

# for objectives that stand still under small perturbations, as metrics do:
WARM_SHARE = 1 / 3  # of the epochs, spent on the natural loss first
WARM_ROWS = 20_000  # rows that the decision threshold is chosen on


class PreparedMLP(DopamineMLP):
    """A multi-layer perceptron before its training."""

    def _natural(self, data: Data) -> Objective:
        """The loss that comes before one that stands still."""
        return losses(self._task())[0].make(self._loss_options(data.units))

    def _warm_up(self, problem: NetworkProblem) -> tuple[int, bool]:
        """Train on the natural loss, unless there is `init`, and let the decisions suit the objective.

        Return the number of epochs, and whether they were interrupted.
        """
        training, task = self._training, self._task()
        network, data = problem.network, problem.data
        natural = make_problem(self, network, self._natural(data), data, problem.seed, whole=True)
        settings, rule = self._settings(natural), make_learning_rate(self, natural)
        epochs = int(WARM_SHARE * settings.n_epochs) if self.init is None else 0
        settings = settings._replace(n_epochs=epochs, schedule=epochs if settings.schedule else 0)
        reporter = Reporter(verbose=self.verbose, n_past=training.n_epochs, unit=natural.loss_unit)
        with np.errstate(all="ignore"):
            result = self._journal.train(
                natural, rule, lambda: training.state._replace(rate=rule.init()), settings, observer=reporter
            )
            params = result.best_params.copy()
            if isinstance(problem.objective, SetObjective) and problem.objective.of_labels and task != "multiclass":
                rows = slice(None, None, -(-problem.n_rows() * network.units[-1] // WARM_ROWS))
                weight = None if data.weight is None else data.weight[rows]
                with one_blas_thread if self.perturbation == "weight" else nullcontext():  # as in the run
                    output = outputs(network, params, data, rows)
                bias = _network.unpack(network, params)[1][-1]
                bias -= best_shift(problem.objective, output, data.targets(rows), weight)
        n_epochs = len(result.epochs)
        self._training = training._replace(
            state=_update.init_state(params, problem, training.rule),
            history=training.history._replace(
                n_evaluations=result.state.n_evaluations, n_rows=problem.n_rows() * n_epochs
            ),
            n_epochs=n_epochs,
        )
        return n_epochs, result.reason is Ending.INTERRUPTED

    def _find_length(
        self, problem: NetworkProblem, sample: Sample, settings: _update.Settings
    ) -> tuple[Found | None, bool]:
        """With early_stopping="auto", how long to train by folds of the rows; and whether that was interrupted.

        None where the whole schedule is to be run: for many or very few rows, a short or a constant schedule, a start
        from `init`, which may have learnt from these rows, losses that stand still under small perturbations, and
        weight perturbation, which is too noisy for few rows to tell how far it has come.
        """
        training = self._training
        wanted = self.early_stopping == "auto" and self.init is None and self.perturbation != "weight"
        wanted = wanted and np.isfinite(self.n_iter_no_change) and not problem.objective.flat
        if not wanted or not settings.schedule or settings.n_epochs < FEWEST_EPOCHS:
            return None, False
        classes = self._view(problem.data.units).numbers(sample.target) if isinstance(self, ClassifierMixin) else None
        fold = divide(problem, classes, problem.seed)
        # a metric may not be defined on rows that lack a class
        if fold is None or (self.scoring is not None and lacks_class(classes, fold)):
            return None, False
        found, n_evaluations, interrupted = self._journal.known(
            lambda: find_length(
                problem,
                fold,
                training.state.params,
                training.rule,
                settings,
                right=self._view(problem.data.units).right if isinstance(self, ClassifierMixin) else None,
                score=None if self.scoring is None else self._fold_score(problem, sample, fold),
                verbose=self.verbose,
            )
        )
        history = training.history.extended([], n_evaluations=n_evaluations)
        self._training = training._replace(history=history)
        return found, interrupted

    def _fold_score(self, problem: NetworkProblem, sample: Sample, fold: npt.NDArray[np.intp]) -> Score:
        """The metric of `scoring`, on the rows of each fold."""
        held = [self._held(problem, sample.at(rows)) for rows in inside(fold)]
        totals = [rows.batch.total for rows in held]

        def score(params: Array) -> float:
            pairs = zip(held, params, strict=True)
            return float(np.average([rows.score(own) for rows, own in pairs], weights=totals))

        return score

    def _settings(self, problem: NetworkProblem, n_past: int = 0) -> _update.Settings:
        return make_settings(self, problem, n_past=n_past, first_epoch=self._training.n_epochs)

    def _held(self, problem: NetworkProblem, sample: Sample) -> HeldRows:
        """Rows that are not learnt from, judged by the metric of `scoring` or by the loss."""
        scorer = None if self.scoring is None else check_scoring(self, scoring=self.scoring)

        def metric(params: Array, X: Any, y: Any) -> Any:
            assert scorer is not None
            candidate = copy.copy(self)
            candidate.__dict__.update(self._published(params))
            candidate.__dict__.pop("feature_names_in_", None)  # X is an array by now
            return scorer(candidate, X, y)

        return HeldRows(problem, sample, None if scorer is None else metric, loss=self.loss, scoring=self.scoring)
