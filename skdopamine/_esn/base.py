"""What the forecaster does below its public methods: checks, training, streams."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted, validate_data

from skdopamine._esn import intervals as _intervals
from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn import season as _season
from skdopamine._esn.bounds import Range, limits_of
from skdopamine._esn.calendar import Calendar, check_index
from skdopamine._esn.choice import FEWEST_ROWS, Court, Plan, Trial
from skdopamine._esn.forecast import Assignment
from skdopamine._esn.gains_problem import TRAINED
from skdopamine._esn.intervals import Judge, Record
from skdopamine._esn.model import Form, Model
from skdopamine._esn.readout import polished, weighed
from skdopamine._esn.reservoir import Gains, Normal, Weights, init_normal
from skdopamine._esn.robust import KINDS
from skdopamine._esn.root import Equations
from skdopamine._esn.simple import Simple
from skdopamine._esn.standard import Standard
from skdopamine._esn.stream import Stream
from skdopamine._esn.training import SCHEDULE, TUNING_ROWS, Training, judged
from skdopamine._estimator.base import draw_seed
from skdopamine._estimator.history import History
from skdopamine._estimator.validation import check_numbers, plain
from skdopamine._objectives.base import Objective
from skdopamine._objectives.registry import LossOptions, find_loss, losses
from skdopamine._objectives.scorers import FunctionLoss
from skdopamine._training.trainer import Ending, Result
from skdopamine._typing import Array

POLISHED = ("squared_error", "absolute_error", "huber")  # losses that squares may judge a readout by
TRAINABLE = ("gains", "recurrent", "readout")
MOST_WASHOUT = 100
MOST_HORIZON = 200
MOST_STEPS = 10**8  # of a forecast
FEWEST_DIFFERENCES = 4  # that a forecast of differences is learnt from
SEASONS_TO_CHOOSE = 6  # in fewer, loops held back cannot tell one simple forecast from another
FEW_ROWS = 400  # in fewer rows, closed loops are judged by cross-validation
N_FOLDS = 4  # of the cross-validation


class DopamineESN(Training):
    """An echo-state network behind the contract of scikit-learn."""

    _model: Model
    _stream: Stream

    @property
    def _history(self) -> History:
        return self._model.training

    # ---- fit ---------------------------------------------------------------------------------------------------------

    def _fit(self, inputs: Array, target: Array, form: Form, index: Any) -> tuple[list[Result], bool]:
        """Fit, and return the result of each stage of training, and whether `max_iter` cut one short."""
        trainable = self._trainable()
        model = self._started(inputs, target, form, self._plan(inputs, form))
        task = self._assignment(model, inputs, target)
        results: list[Result] = []
        cut_short = False
        if "gains" in trainable:
            court = self._court(model, inputs, target)
            model, results, cut_short = self._with_tuned_gains(model, task, court)
            task = self._assignment(model, inputs, target)
            whole = all(result.reason is not Ending.INTERRUPTED for result in results)
            if whole and court is not None and court.by == 0 and self.loss in POLISHED:
                latest = self._latest(task, TUNING_ROWS)
                model = judged(partial(polished, model, latest, seasonal=self.readout_lags != "auto"), results, model)
                task = task._replace(reader=model.reader(task.reader.inputs))
        head, state = task.learned(model.population, model.no_rows, model.zero_state, (0, task.split), model.seed)
        model = model.solved(head)
        ridge = model.readout
        for name in ("recurrent", "readout"):
            if name in trainable and all(result.reason is not Ending.INTERRUPTED for result in results):
                model, result = self._with_trained_weights(model, task, head, recurrent=name == "recurrent")
                results.append(result)
                cut_short |= result.reason is Ending.EXHAUSTED and self.max_iter < SCHEDULE
        interrupted = any(result.reason is Ending.INTERRUPTED for result in results)
        if interrupted and hasattr(self, "_model") and not any(result.epochs for result in results):
            raise KeyboardInterrupt  # ridge alone would replace a model that may have been trained
        is_ridge = model.readout is ridge
        if not is_ridge or self.state_noise:  # read again, without noise and by the present weights
            state = task.reader.state_after(model.population, model.zero_state, 0, task.split)
        ridge_normal = head if is_ridge else None
        self._set_fitted(*self._finished(model, task, ridge_normal, state, inputs, index))
        return results, cut_short

    def _started(self, inputs: Array, target: Array, form: Form, plan: Plan, weights: Weights | None = None) -> Model:
        """A model that has learnt nothing: scales and lags from these rows, and a reservoir, `weights` if given."""
        base = plan.base
        if base.lag and len(inputs) < base.lag + FEWEST_DIFFERENCES:
            raise ValueError(
                f"X has {len(inputs)} rows, too few for differences over {base.lag} rows, which difference=1 and the "
                f"season ask for: {base.lag + FEWEST_DIFFERENCES} are needed, or difference='auto', or season=None."
            )
        inputs, target = base.left(inputs), base.left_of_targets(inputs, target)
        flat = inputs.reshape(-1, inputs.shape[-1])
        with np.errstate(over="ignore", invalid="ignore"):
            read, goals = Standard.of(flat), Standard.of(target)
        for name, rows, standard in (("X", flat, read), ("y", target, goals)):
            if not standard.is_finite:
                raise ValueError(f"{name} must have a finite variance, got values up to {np.abs(rows).max()}.")
        if form.closed:  # what is fed back has the units of the inputs
            goals = goals.starting_as(read)
        lags = self._choose_lags(inputs, [season for season in plan.seasons if season != base.lag])
        weights = weights or _reservoir.drawn(
            int(self.n_units), form.n_channels, self.reservoir_connectivity, plan.seed
        )
        values = {name: np.array([float(getattr(self, name))]) for name in TRAINED}
        gains = Gains(**values, state_noise=np.array([float(self.state_noise)]))
        readout = np.zeros((int(self.n_units) + len(lags) * form.n_channels + 1, target.shape[1]))
        limits = limits_of(self.bounds, form.n_channels)
        return Model(weights, gains, readout, lags, read, goals, form, plan.seed, History(), plan.seasons, base, limits)

    def _begun(self, inputs: Array, target: Array, form: Form) -> tuple[Model, Stream]:
        """A model that has learnt nothing but what rows weigh, and a stream before its first rows."""
        model = self._started(inputs, target, form, self._plan(inputs, form))
        rows = model.scaled(inputs)
        if self.loss in KINDS:
            _, robust, readout = weighed(model, model.reader(rows), model.goals(inputs, target), 0, self.loss)
            model = model._replace(robust=robust, readout=readout)
        return model, Stream.before(model, rows)

    # ---- what to add to ----------------------------------------------------------------------------------------------

    def _plan(self, inputs: Array, form: Form) -> Plan:
        """Seasons and differences as the user asks for them, where there is nothing to choose from."""
        if callable(self.loss) and self.difference == 1:
            raise ValueError("difference must be 0 or 'auto' with a loss of your own, which counts rows, got 1.")
        seasons = _season.seasons(self.season, inputs[-TUNING_ROWS:] if form.is_series else None)
        lag = max(seasons, default=1) if self.difference == 1 and form.is_series and form.closed else 0
        return Plan(Simple(lag), seasons, draw_seed(self.random_state))

    def _court(self, model: Model, inputs: Array, target: Array) -> Court | None:
        """The best model with untuned gains and a simple forecast to add to, which tuned gains have to beat.

        None where nothing can be fed back.
        """
        form, lag = model.form, model.base.lag
        rows, goals = (values[max(0, len(inputs) - TUNING_ROWS) :] for values in (inputs, target))
        if not (form.is_series and form.closed and len(rows) >= FEWEST_ROWS):
            return None
        lags = [0, *model.seasons] if model.seasons else [0, 1]
        if self.difference != "auto" or callable(self.loss):  # a loss of one's own is one of rows
            lags = [lag]
        views = [(model, self._assignment(model, rows, goals))]
        for own in set(lags) - {lag}:
            with suppress(ValueError):  # rows are too few for differences
                plan = Plan(Simple(own), model.seasons, model.seed)
                view = self._started(inputs, target, form, plan, model.weights)
                if len(rows) >= max(FEWEST_ROWS, _season.FEWEST_SEASONS * own):
                    views.append((view, self._assignment(view, rows, goals)))
        views.sort(key=lambda view: view[0].base.lag)
        n_before = max(view.base.lag + task.washout for view, task in views)
        trial = Trial.of(rows, n_before, len(rows) if self.horizon == "auto" else int(self.horizon))
        return trial.held(views, can_tell=len(inputs) >= SEASONS_TO_CHOOSE * views[-1][0].base.lag)

    def _finished(
        self, model: Model, task: Assignment, head: Equations | None, state: Array, inputs: Array, index: Any
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
            calendar=Calendar().extended(index),
            levels=inputs[len(inputs) - model.base.lag :].copy(),
        )

    def _choose_lags(self, inputs: Array, seasons: Sequence[int]) -> npt.NDArray[np.intp]:
        n_lags = inputs.shape[1] if inputs.ndim == 3 else len(inputs)
        if self.readout_lags != "auto":
            return _season.given_lags(self.readout_lags, n_lags)
        if inputs.ndim == 3:
            return np.arange(min(n_lags, max(1, _season.N_RECENT // inputs.shape[2])))
        return _season.seasonal_lags(len(inputs), inputs.shape[1], seasons)

    def _trainable(self) -> tuple[str, ...]:
        names = (self.trainable,) if isinstance(self.trainable, str) else tuple(self.trainable)
        if not all(isinstance(name, str) and name in TRAINABLE for name in names):
            raise ValueError(f"trainable must be any of {TRAINABLE}, got {self.trainable!r}.")
        return names

    def _check_loss(self) -> None:
        names = tuple(entry.name for entry in losses("regression") if entry.closed_loop)
        entry = find_loss(self.loss, "regression")
        if isinstance(self.loss, str) and (entry is None or entry.name not in names):
            raise ValueError(f"loss must be one of {names} or a callable loss(y_true, y_pred), got {self.loss!r}.")

    def _objective(self, targets: Standard) -> Objective | FunctionLoss:
        entry = find_loss(self.loss, "regression")
        if entry is not None:
            return entry.make(LossOptions(quantile=float(self.quantile)))
        return FunctionLoss(self.loss, targets.restored)

    def _assignment(self, model: Model, inputs: Array, target: Array) -> Assignment:
        """What is to be learnt, in standardised units."""
        scaled = model.scaled(inputs)
        own = len(target) == len(inputs)  # else the targets are the inputs
        goal = model.goals(inputs, target) if own else scaled[1:]
        is_series, closed = model.form.is_series, model.form.closed and model.form.is_series
        n = len(goal)
        n_tail = min(max(1, int(n * self.validation_fraction)), _intervals.MOST_ROWS)
        split, washout, horizon = n - n_tail, 0, 1
        if is_series:
            longest = int(model.lags.max())
            washout = max(min(MOST_WASHOUT, n // 10), longest) if self.washout == "auto" else int(self.washout)
            if split - washout < 2:
                raise ValueError(
                    f"X has {len(inputs)} rows, too few for washout={self.washout!r} ({washout} rows) and "
                    f"validation_fraction={self.validation_fraction} ({n_tail} rows)."
                )
            if closed:
                horizon = max(1, min(MOST_HORIZON, n_tail // 3)) if self.horizon == "auto" else int(self.horizon)
                if horizon > n_tail:
                    raise ValueError(
                        f"X has {len(inputs)} rows, too few for horizon={self.horizon}: {n_tail} of them are held back."
                    )
        bounds, objective = model.bounds(Range.of(scaled)), self._objective(model.targets)
        if isinstance(objective, FunctionLoss) and np.isnan(objective.values(goal, goal)).any():
            raise ValueError(f"loss={self.loss!r} must be a number for predictions equal to the targets, got nan.")
        reader = model.reader(scaled)
        task = Assignment(reader, goal, closed, washout, split, horizon, bounds, objective, model.base)
        if self.loss not in KINDS:
            return task
        weights, robust, _ = weighed(model, reader, goal, washout, self.loss)
        return task._replace(weights=weights, robust=robust)

    def _judged(self, model: Model, task: Assignment, normal: Equations | None, state: Array, readout: Array) -> Record:
        """The errors that intervals are computed from.

        They are those of `readout` on the rows held back from it or, where a ridge readout has learnt from few rows, of
        readouts that learn from the rows before each of some pieces; of windows, from all but each piece.
        """
        judges, n_rows, population = [Judge(task.split, readout)], len(task.target), model.population
        if n_rows < FEW_ROWS and normal is not None:
            is_series = model.form.is_series
            edges = np.unique(np.linspace(task.washout, n_rows, 1 + N_FOLDS * (1 + is_series)).astype(int))
            after = task.reader.state_after(population, model.zero_state, 0, edges[0])
            folds, states = [], [after]
            for first, last in pairwise(edges):
                fold, after = task.learned(
                    population, init_normal(1, *model.readout.shape), after, (first, last), model.seed
                )
                folds.append(fold)
                states.append(after)
            judged = range(len(folds) // 2 if is_series else 0, len(folds))
            learnt = [folds[:k] if is_series else [*folds[:k], *folds[k + 1 :]] for k in judged]
            if all(learnt):
                solve = partial(Normal.solve, gains=model.gains, n_units=model.n_units, expected=model.expected)
                readouts = [solve(_reservoir.total(parts))[0] for parts in learnt]
                if np.isfinite(readouts).all():
                    judges = [Judge(int(edges[k]), own) for k, own in zip(judged, readouts, strict=True)]
                    state = states[judged[0]]
        # windows need not be the latest
        counts_from = max(task.split, judges[0].first) if model.form.is_series else judges[0].first
        return _intervals.record(task.reader, task.target, state, judges, counts_from, model.n_history)

    def _set_fitted(self, model: Model, stream: Stream) -> None:
        self._model, self._stream = model, stream
        self.readout_, self.lags_ = model.readout, model.lags
        self.n_channels_, self.n_outputs_ = model.form.n_channels, model.readout.shape[1]
        self.base_ = model.base.name()
        self.gains_ = {name: float(getattr(model.gains, name)[0]) for name in TRAINED}
        self.n_iter_ = max(1, model.training.n_epochs)  # the ridge solution is one
        self.__dict__.update(model.training.attributes(nothing=np.nan, learning_rate_init=np.nan))

    # ---- checks ------------------------------------------------------------------------------------------------------

    def _check_data(self, X: Any, y: Any, form: Form | None) -> tuple[Array, Array, Form]:
        """Inputs (n, channels), or windows (n, n_lags, channels), and targets (n or n - 1, targets).

        `form` is that of the rows of `fit`, None if these are the first.
        """
        is_series = bool(self.stateful) if form is None else form.is_series
        if is_series:
            check_index(getattr(X, "index", None))
        self._trainable()
        self._check_loss()
        if y is None and not is_series:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is None: without y, "
                "the rows of X are one series only with stateful=True."
            )
        alone, first = y is None, form is None
        options = {"dtype": np.float64, "order": "C", "reset": first, "ensure_min_samples": 2 if first else 1}
        if alone:
            X = validate_data(self, X, **options)
        else:
            check_numbers(y)
            X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, **options)
        if form is None:
            flat = X.shape[1] == 1 if alone else np.ndim(y) == 1
            form = Form(is_series, alone, alone, flat, X.shape[1] if is_series else int(self.n_channels))
        inputs = form.shaped(X)
        limits_of(self.bounds, form.n_channels)
        if not alone:
            y = np.asarray(y, dtype=np.float64)
        target = inputs[1:] if alone else y.reshape(len(y), -1)
        if not first:
            self._check_further(inputs, target, alone=alone)
        elif not alone:
            latest = inputs if is_series else inputs[:, -1]
            fits = target.shape[1] >= form.n_channels and len(target) > 1
            closed = fits and form.follows(latest, target)
            form = form._replace(closed=closed, feeds=closed or (fits and not is_series))
        return inputs, target, form

    def _check_further(self, inputs: Array, target: Array, *, alone: bool) -> None:
        """Whether these rows can follow those of `fit`; `alone`: without targets of their own."""
        form = self._model.form
        if alone and not (form.closed and self.n_outputs_ == form.n_channels):
            raise ValueError("y must be given, as in fit: the targets were not the next rows of X, got None.")
        if target.shape[1] != self.n_outputs_:
            raise ValueError(f"y must have {self.n_outputs_} columns, as in fit, got {target.shape[1]}.")
        if not alone and form.is_series and form.closed and not form.follows(inputs, target):
            raise ValueError("y must hold the rows after those of X, as in fit, got others.")

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
