"""What the forecaster does below its public methods: checks, training, streams."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_is_fitted

from skdopamine._esn import intervals as _intervals
from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn import season as _season
from skdopamine._esn.bounds import Range, limits_of
from skdopamine._esn.calendar import Calendar, extended
from skdopamine._esn.choice import FEWEST_ROWS, Court, Plan, Trial
from skdopamine._esn.covariates import Covariates
from skdopamine._esn.forecast import Assignment, learn, predicted
from skdopamine._esn.gains_problem import TRAINED
from skdopamine._esn.gaps import bridged, missing
from skdopamine._esn.intervals import Judge, Record
from skdopamine._esn.model import Form, Model
from skdopamine._esn.panel import Panel, is_panel
from skdopamine._esn.readout import polished, weighed
from skdopamine._esn.reservoir import Gains, Normal, Weights, init_normal
from skdopamine._esn.robust import KINDS
from skdopamine._esn.root import Equations
from skdopamine._esn.rows import Rows, begins, n_measured
from skdopamine._esn.simple import Simple
from skdopamine._esn.standard import Standard
from skdopamine._esn.stream import Stream, kept
from skdopamine._esn.training import POLISHED, SCHEDULE, TUNING_ROWS, Training, Watch, judged, was_ended
from skdopamine._estimator.callbacks import EpochCallbacks, with_callbacks
from skdopamine._estimator.history import History
from skdopamine._estimator.validation import plain
from skdopamine._objectives.base import Objective
from skdopamine._objectives.registry import LossOptions, find_loss, losses
from skdopamine._objectives.scorers import FunctionLoss
from skdopamine._training.trainer import Ending, Result
from skdopamine._typing import Array

MOST_WASHOUT = 100
MOST_HORIZON = 200
MOST_STEPS = 10**8  # of a forecast
FEWEST_DIFFERENCES = 4  # that a forecast of differences is learnt from
SEASONS_TO_CHOOSE = 6  # in fewer, loops held back cannot tell one simple forecast from another
FEWEST_PER_COVARIATE = 5  # rows that an effect of it is told from
FEW_ROWS = 400  # in fewer rows, closed loops are judged by cross-validation
N_FOLDS = 4  # of the cross-validation


class DopamineESN(Training):
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

    def _started(self, rows: Rows, plan: Plan, weights: Weights | None = None) -> Model:
        """A model that has learnt nothing: scales and lags from these rows, and a reservoir, `weights` if given."""
        base, form = plan.base, rows.form
        if base.lag and len(rows.inputs) < base.lag + FEWEST_DIFFERENCES:
            raise ValueError(
                f"X has {len(rows.inputs)} rows, too few for differences over {base.lag} rows, which difference=1 and "
                f"the season ask for: {base.lag + FEWEST_DIFFERENCES} are needed, or difference='auto', or season=None."
            )
        inputs, target = base.left(rows.inputs), base.left_of_targets(rows.inputs, rows.targets)
        flat = inputs.reshape(-1, inputs.shape[-1])
        with np.errstate(over="ignore", invalid="ignore"):
            raw = rows.inputs.reshape(-1, rows.inputs.shape[-1])
            read, goals = Standard.of_left(flat, raw), Standard.of(target)
        for name, columns, standard in (("X", flat, read), ("y", target, goals)):
            if not standard.is_finite:
                raise ValueError(f"{name} must have a finite variance, got values up to {np.nanmax(np.abs(columns))}.")
        if form.closed:  # what is fed back has the units of the inputs
            goals = goals.starting_as(read)
        others = [season for season in plan.seasons if season != base.lag]
        lags = self._choose_lags(inputs, others, form)
        weights = weights or _reservoir.drawn(
            int(self.n_units), form.n_channels, self.reservoir_connectivity, plan.seed
        )
        values = {name: np.array([float(getattr(self, name))]) for name in TRAINED}
        gains = Gains(**values, state_noise=np.array([float(self.state_noise)]))
        readout = np.zeros((0, target.shape[1] // form.n_series))
        low, high = limits_of(self.bounds, form.n_channels)
        limits = np.tile(low, form.n_series), np.tile(high, form.n_series)
        model = Model(
            weights, gains, readout, lags, read, goals, form, plan.seed, History(), plan.seasons, base, limits
        )
        if rows.exog is not None:
            known = Covariates.of(rows.exog, base, max(others, default=0), form.n_series, is_series=form.is_series)
            model = model._replace(covariates=known._replace(names=rows.names))
        return model.emptied()

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

    # ---- what to add to ----------------------------------------------------------------------------------------------

    def _plan(self, rows: Rows) -> Plan:
        """Seasons and differences as the user asks for them, where there is nothing to choose from."""
        if callable(self.loss) and self.difference == 1:
            raise ValueError("difference must be 0 or 'auto' with a loss of your own, which counts rows, got 1.")
        form = rows.form
        seasons = _season.seasons(self.season, self._seen_by_season(rows) if form.is_series else None)
        lag = max(seasons, default=1) if self.difference == 1 and form.is_series and form.closed else 0
        return Plan(Simple(lag), seasons, self._journal.seed(self.random_state))

    def _seen_by_season(self, rows: Rows) -> Array:
        """The latest rows that a season is sought in, without what covariates explain: holidays are no season."""
        latest = rows.last(TUNING_ROWS)
        if latest.exog is None:
            return latest.inputs
        n_series, left = rows.form.n_series, []
        for own, exog in zip(*(np.split(part, n_series, axis=1) for part in (latest.inputs, latest.exog)), strict=True):
            known = ~(np.isnan(own).any(axis=1) | np.isnan(exog).any(axis=1))
            if known.sum() < FEWEST_PER_COVARIATE * exog.shape[1]:
                left.append(own)
                continue
            centred = np.where(np.isnan(exog), 0.0, exog - exog[known].mean(axis=0))
            effect = np.linalg.lstsq(centred[known], own[known] - own[known].mean(axis=0), rcond=None)[0]
            left.append(own - centred @ effect)
        return np.concatenate(left, axis=1)

    def _court(self, model: Model, rows: Rows) -> Court | None:
        """The best model with untuned gains and a simple forecast to add to, which tuned gains have to beat.

        None where nothing can be fed back.
        """
        form, lag, n_all = model.form, model.base.lag, len(rows.inputs)
        latest = rows.last(TUNING_ROWS)
        n_rows = len(latest.inputs)
        if not (form.is_series and form.closed and n_rows >= FEWEST_ROWS):
            return None
        lags = [0, *model.seasons] if model.seasons else [0, 1]
        if self.difference != "auto" or callable(self.loss):  # a loss of one's own is one of rows
            lags = [lag]
        views = [(model, self._assignment(model, latest))]
        for own in set(lags) - {lag}:
            with suppress(ValueError):  # rows are too few for differences
                view = self._started(rows, Plan(Simple(own), model.seasons, model.seed), model.weights)
                if n_rows >= max(FEWEST_ROWS, _season.FEWEST_SEASONS * own):
                    views.append((view, self._assignment(view, latest)))
        views.sort(key=lambda view: view[0].base.lag)
        n_before = max(view.base.lag + task.washout for view, task in views)
        trial = Trial.of(latest.inputs, n_before, n_rows if self.horizon == "auto" else int(self.horizon))
        return trial.held(views, can_tell=n_all >= SEASONS_TO_CHOOSE * views[-1][0].base.lag)

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

    def _choose_lags(self, inputs: Array, seasons: Sequence[int], form: Form) -> npt.NDArray[np.intp]:
        n_lags = inputs.shape[1] if inputs.ndim == 3 else len(inputs)
        if self.readout_lags != "auto":
            return _season.given_lags(self.readout_lags, n_lags)
        if inputs.ndim == 3:
            return np.arange(min(n_lags, max(1, _season.N_RECENT // inputs.shape[2])))
        return _season.seasonal_lags(len(inputs), form.n_channels, seasons)

    def _check_training(self, X: Any) -> None:
        """Refuse parameters that do not go together, before anything is read."""
        self._check_loss()
        if set(self._trainable()) - {"gains"} and self.stateful and is_panel(X):
            raise ValueError(f"trainable must be 'gains' or () for many series, got {self.trainable!r}.")

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

    def _assignment(self, model: Model, rows: Rows) -> Assignment:
        """What is to be learnt, in standardised units."""
        inputs = rows.inputs
        scaled = model.scaled(inputs)
        goal = model.scaled(rows.given)[1:] if rows.target is None else model.goals(inputs, rows.target)
        is_series, closed = model.form.is_series, model.form.closed and model.form.is_series
        n = n_measured(goal)  # what nothing was measured of cannot judge
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
        known = goal[~np.isnan(goal).any(axis=1)]
        if isinstance(objective, FunctionLoss) and len(known) and np.isnan(objective.values(known, known)).any():
            raise ValueError(f"loss={self.loss!r} must be a number for predictions equal to the targets, got nan.")
        if model.form.n_series > 1:
            goal = _after_washout(goal, begins(scaled, model.form.n_series), washout)
        reader = model.reader(scaled, model.known_after(rows.exog), model.absent(rows.given))
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
        return _intervals.record(task.reader, task.target, state, judges, counts_from, model.n_history)

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


def _after_washout(goal: Array, first: Array, washout: int) -> Array:
    """Targets (n, series x channels) without the first ones of series that begin later, while their state settles."""
    goal = goal.copy()
    apart = goal.reshape(len(goal), len(first), -1)
    for k, row in enumerate(first):
        if row:
            apart[row : row + min(washout, (len(goal) - row) // 4), k] = np.nan
    return goal
