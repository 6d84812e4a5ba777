"""What a fit of the forecaster sets out to do: what it starts from, adds to, and is judged by."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from skdopamine._esn import record as _record
from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn import season as _season
from skdopamine._esn.bounds import Range, limits_of
from skdopamine._esn.choice import FEWEST_ROWS, Court, Plan, Trial
from skdopamine._esn.covariates import Covariates
from skdopamine._esn.forecast import Assignment
from skdopamine._esn.gains_problem import TRAINED
from skdopamine._esn.model import Form, Model
from skdopamine._esn.panel import is_panel
from skdopamine._esn.readout import weighed
from skdopamine._esn.reservoir import Gains, Weights
from skdopamine._esn.robust import KINDS
from skdopamine._esn.rows import Rows, begins, n_measured
from skdopamine._esn.simple import Simple
from skdopamine._esn.standard import Standard
from skdopamine._esn.training import TUNING_ROWS, Training
from skdopamine._estimator.history import History
from skdopamine._objectives.base import Objective
from skdopamine._objectives.registry import LossOptions, find_loss, losses
from skdopamine._objectives.scorers import FunctionLoss
from skdopamine._typing import Array

MOST_WASHOUT = 100
MOST_HORIZON = 200
FEWEST_DIFFERENCES = 4  # that a forecast of differences is learnt from
SEASONS_TO_CHOOSE = 6  # in fewer, loops held back cannot tell one simple forecast from another
FEWEST_PER_COVARIATE = 5  # rows that an effect of it is told from


class Planning(Training):
    """What a fit sets out to do."""

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
        n_tail = min(max(1, int(n * self.validation_fraction)), _record.MOST_ROWS)
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


def _after_washout(goal: Array, first: Array, washout: int) -> Array:
    """Targets (n, series x channels) without the first ones of series that begin later, while their state settles."""
    goal = goal.copy()
    apart = goal.reshape(len(goal), len(first), -1)
    for k, row in enumerate(first):
        if row:
            apart[row : row + min(washout, (len(goal) - row) // 4), k] = np.nan
    return goal
