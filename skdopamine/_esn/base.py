"""How a fit of the forecaster goes, from rows to a model and a stream."""

from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skdopamine._esn import record as _record
from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.bounds import Range
from skdopamine._esn.calendar import Calendar, extended
from skdopamine._esn.choice import Court, Plan
from skdopamine._esn.forecast import Assignment, learn
from skdopamine._esn.gaps import bridged, missing
from skdopamine._esn.model import Model
from skdopamine._esn.panel import Panel
from skdopamine._esn.planning import Planning
from skdopamine._esn.reader import predicted
from skdopamine._esn.readout import polished, weighed
from skdopamine._esn.record import Judge, Record
from skdopamine._esn.reservoir import Normal, init_normal
from skdopamine._esn.robust import KINDS
from skdopamine._esn.root import Equations
from skdopamine._esn.rows import Rows, n_measured
from skdopamine._esn.simple import Simple
from skdopamine._esn.stream import Stream, kept
from skdopamine._esn.training import POLISHED, SCHEDULE, TUNING_ROWS, Watch, judged, was_ended
from skdopamine._estimator.callbacks import EpochCallbacks, with_callbacks
from skdopamine._estimator.validation import plain
from skdopamine._training.trainer import Ending, Result
from skdopamine._typing import Array

MOST_STEPS = 10**8  # of a forecast
FEW_ROWS = 400  # in fewer rows, closed loops are judged by cross-validation
N_FOLDS = 4  # of the cross-validation


class DopamineESN(Planning):
    """An echo-state network behind the contract of scikit-learn."""

    # ---- fit ---------------------------------------------------------------------------------------------------------

    @with_callbacks
    def _fit(self, rows: Rows, X: Any, y: Any) -> tuple[list[Result], bool]:
        """Fit, and return the result of each stage of training, and whether `max_iter` cut one short.

        X and y are what callbacks are shown.
        """
        self._journal.read(rows.given, rows.target, rows.exog)
        callbacks = EpochCallbacks(self, self._n_epochs(), X, y, None)
        watch = Watch(callbacks, lambda model, is_ridge: self._attributes_of(model, rows, is_ridge=is_ridge))
        results, cut_short = self._run_fit(rows, watch)
        try:
            callbacks.end()
        except KeyboardInterrupt:  # all is done but for this
            results = [*results[:-1], results[-1]._replace(reason=Ending.INTERRUPTED)] if results else results
        return results, cut_short

    def _attributes_of(self, model: Model, rows: Rows, *, is_ridge: bool) -> dict[str, Any]:
        """The attributes that a model in training would leave; of a ridge readout it has none yet."""
        model = self._for_all(model, rows)
        task = self._assignment(model, rows)
        head, state = task.learned(model.population, model.no_rows, model.zero_state, (0, task.split), model.seed)
        model = model.solved(head) if is_ridge else model
        return self._fitted_attributes(*self._finished(model, task, head if is_ridge else None, state, rows))

    def _run_fit(self, rows: Rows, watch: Watch) -> tuple[list[Result], bool]:
        """The stages of a fit."""
        trainable = self._trainable()
        some = rows.some_series(max(1, TUNING_ROWS // len(rows.inputs))).measured()
        model = self._started(some, self._plan(some))
        task = self._assignment(model, some)
        results: list[Result] = []
        cut_short = False
        if "gains" in trainable:
            court = self._court(model, some)
            model, results, cut_short = self._with_tuned_gains(model, task, court, watch)
            if court is not None and not any(was_ended(result) for result in results):
                model = self._refined(model, some, court, results)
        model = self._for_all(model, rows)
        if rows.has_gaps:
            rows = self._bridged_by(model, rows)
        task = self._assignment(model, rows)
        head, state = task.learned(model.population, model.no_rows, model.zero_state, (0, task.split), model.seed)
        model = model.solved(head)
        if "recurrent" in trainable and not any(was_ended(result) for result in results):
            before = model.weights
            model, result = self._with_trained_reservoir(model, task, watch)
            results.append(result)
            cut_short |= result.reason is Ending.EXHAUSTED and self.max_iter < SCHEDULE
            if model.weights is not before:
                task, span = self._assignment(model, rows), (0, task.split)
                head, state = task.learned(model.population, model.no_rows, model.zero_state, span, model.seed)
                model = model.solved(head)
        ridge = model.readout
        if "readout" in trainable and not any(was_ended(result) for result in results):
            model, result = self._with_trained_readout(model, task, head, watch)
            results.append(result)
            cut_short |= result.reason is Ending.EXHAUSTED and self.max_iter < SCHEDULE
        interrupted = any(result.reason is Ending.INTERRUPTED for result in results)
        if interrupted and hasattr(self, "_model") and not any(result.epochs for result in results):
            raise KeyboardInterrupt  # ridge alone would replace a model that may have been trained
        is_ridge = model.readout is ridge
        if not is_ridge or self.state_noise:  # read again, without noise and by the present weights
            state = task.reader.state_after(model.population, model.zero_state, 0, task.split)
        model, stream = self._finished(model, task, head if is_ridge else None, state, rows)
        self._set_fitted(model, stream)
        if rows.form.is_series:
            self.fitted_values_ = _fitted_values(model, task, rows)
        return results, cut_short

    def _refined(self, model: Model, some: Rows, court: Court, results: list[Result]) -> Model:
        """After gains were tuned: how closely the readout follows the rows, and several reservoirs where they pay."""
        if court.by != 0 or self.loss not in POLISHED:
            return model
        latest = self._latest(self._assignment(model, some), TUNING_ROWS)
        model = judged(partial(polished, model, latest, seasonal=self.readout_lags != "auto"), results, model)
        alone = model.exact or model.form.n_series > 1 or set(self._trainable()) - {"gains"}
        if alone or not court.is_tuned(model):
            return model
        return judged(partial(court.averaged, model, self.reservoir_connectivity), results, model)

    def _for_all(self, model: Model, rows: Rows) -> Model:
        """The model of some of the series as that of all."""
        if model.form.n_series == rows.form.n_series:
            return model
        whole = self._started(rows, Plan(Simple(model.base.lag), model.seasons, model.seed), model.weights)
        whole = whole._replace(gains=model.gains, training=model.training, base=model.base, lags=model.lags)
        whole = whole._replace(others=model.others)
        return whole._replace(degree=model.degree, exact=model.exact).emptied()

    def _bridged_by(self, model: Model, rows: Rows) -> Rows:
        """The rows with forecasts in place of what is missing, by a readout of all rows."""
        if not rows.form.closed:
            return rows
        scaled, goal = model.scaled(rows.inputs), model.scaled(rows.given)[1:]
        reader = model.reader(scaled, model.known_after(rows.exog))
        span = (0, len(goal))
        learnt, _ = learn(reader, goal, model.population, model.no_rows, model.zero_state, span, seed=model.seed)
        if not learnt.n_rows:
            return rows
        model, absent = model.solved(learnt), missing(rows.given, rows.form.n_series, begun=rows.form.n_series == 1)
        return rows._replace(inputs=bridged(model, Stream.before(model, scaled), rows.inputs, absent, rows.exog))

    def _begun(self, rows: Rows) -> tuple[Model, Stream, Rows]:
        """A model that has learnt nothing but what rows weigh, a stream before its first rows, and these, bridged."""
        model = self._started(rows, self._plan(rows))
        if rows.has_gaps:
            rows = self._bridged_by(model, rows)
        scaled = model.scaled(rows.inputs)
        if self.loss in KINDS:
            goal = model.scaled(rows.given)[1:] if rows.target is None else model.goals(rows.inputs, rows.target)
            reader = model.reader(scaled, model.known_after(rows.exog))
            _, robust, readout = weighed(model, reader, goal, 0, self.loss)
            model = model._replace(robust=robust, readout=readout)
        return model, Stream.before(model, scaled), rows

    def _finished(
        self, model: Model, task: Assignment, head: Equations | None, state: Array, rows: Rows
    ) -> tuple[Model, Stream]:
        """The model with the readout of all rows, and where it stands; `head`: the rows before the split, for ridge."""
        n_rows, normal, judge = len(task.reader.inputs), None, model.readout
        population, first, last_state = model.population, task.split, state
        if head is not None:
            span = (task.split, len(task.target))
            normal, learnt_state = task.learned(population, head, state, span, model.seed)
            model = model.solved(normal)._replace(robust=task.robust)
            if not self.state_noise:  # else the state to go on from is that without noise
                first, last_state = len(task.target), learnt_state
        last_state = task.reader.state_after(population, last_state, first, n_rows)
        return model, Stream(
            state=last_state,
            history=task.reader.inputs[-model.n_history :].copy(),
            span=Range.of(task.reader.inputs),
            normal=normal,
            record=self._judged(model, task, normal, state, judge),
            waiting=len(task.target) < n_rows,
            absent=None if task.reader.absent is None else task.reader.absent[-model.n_history :].copy(),
            calendars=extended((Calendar(),) * len(rows.indexes), rows.indexes),
            levels=model.base.levels(rows.inputs),
            ages=model.base.ages(missing(rows.given, rows.form.n_series)) if rows.form.is_series else model.no_ages,
            frame=rows.frame,
            exog=None if rows.exog is None else kept(model, rows.exog),
        )

    def _judged(self, model: Model, task: Assignment, normal: Equations | None, state: Array, readout: Array) -> Record:
        """The errors that intervals are computed from.

        They are those of `readout` on the rows held back from it or, where a ridge readout has learnt from few rows, of
        readouts that learn from the rows before each of some pieces; of windows, from all but each piece.
        """
        judges, n_rows, population = [Judge(task.split, readout)], len(task.target), model.population
        if n_rows < FEW_ROWS and normal is not None:
            is_series = model.form.is_series
            edges = np.linspace(task.washout, n_measured(task.target), 1 + N_FOLDS * (1 + is_series)).astype(int)
            edges = np.unique([*edges[:-1], n_rows])
            after = task.reader.state_after(population, model.zero_state, 0, edges[0])
            folds, states = [], [after]
            for first, last in pairwise(edges):
                nothing = init_normal(model.n_reservoirs, model.n_features, model.readout.shape[1])
                fold, after = task.learned(population, nothing, after, (first, last), model.seed)
                folds.append(fold)
                states.append(after)
            judged = range(len(folds) // 2 if is_series else 0, len(folds))
            learnt = [folds[:k] if is_series else [*folds[:k], *folds[k + 1 :]] for k in judged]
            if all(learnt):
                solve = partial(Normal.solve, gains=model.shared_gains, n_units=model.n_units, expected=model.expected)
                readouts = [np.concatenate(solve(_reservoir.total(parts))) for parts in learnt]
                if np.isfinite(readouts).all():
                    judges = [Judge(int(edges[k]), own) for k, own in zip(judged, readouts, strict=True)]
                    state = states[judged[0]]
        # windows need not be the latest
        counts_from = max(task.split, judges[0].first) if model.form.is_series else judges[0].first
        return _record.record(task.reader, task.target, state, judges, counts_from, model.n_history)

    def _set_fitted(self, model: Model, stream: Stream) -> None:
        self.__dict__.update(self._fitted_attributes(model, stream))

    @staticmethod
    def _fitted_attributes(model: Model, stream: Stream) -> dict[str, Any]:
        return {"_model": model, "_stream": stream}

    # ---- checks ------------------------------------------------------------------------------------------------------

    def _check_steps(self, n_steps: Any) -> None:
        check_is_fitted(self)
        if isinstance(n_steps, bool) or not isinstance(n_steps, int | np.integer) or n_steps < 1:
            raise ValueError(f"n_steps must be a positive integer, got {plain(n_steps)!r}.")
        if n_steps > MOST_STEPS:
            raise ValueError(f"n_steps must be at most {MOST_STEPS}, got {n_steps}.")
        if not self._model.form.feeds:
            raise ValueError(
                "The targets of fit were not the next rows of X, so predictions cannot be fed back: fit with y=None, "
                "or with y the rows that follow."
                if self._model.form.is_series
                else f"y must have had at least n_channels={self.n_channels_} columns in fit, the next row of each "
                f"window, for predictions to be fed back, got {self.n_outputs_}."
            )


def _fitted_values(model: Model, task: Assignment, rows: Rows) -> Any:
    """What the readout of all rows says of each of these, of many series in their container; nan where it says nothing.

    Of targets of one's own it is said of each target.
    """
    n_rows = len(task.target)
    ahead = predicted(task.reader, model.population, model.readout, model.zero_state, 0, n_rows)
    values = model.restored(ahead, rows.inputs[: len(rows.inputs) - (rows.target is None)])
    before = np.full((len(rows.inputs) - len(values), values.shape[1]), np.nan)
    values = np.concatenate([before, values])
    assert rows.taken is not None
    pairs = zip(np.split(values, model.form.n_series, axis=1), rows.taken.lengths, strict=True)
    own = [part[len(part) - length :, 0] if model.form.flat else part[len(part) - length :] for part, length in pairs]
    parts = rows.taken.given_rows(own)
    return rows.frame.arrays_back(parts) if isinstance(rows.frame, Panel) else parts[0]
