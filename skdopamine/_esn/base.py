"""What the forecaster does below its public methods: checks, training, streams."""

from itertools import pairwise
from math import ceil
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from skdopamine._esn import intervals as _intervals
from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn import season as _season
from skdopamine._esn.forecast import FunctionLoss, SeriesReader, Task, WindowReader, learn, predicted, read_over
from skdopamine._esn.gains_problem import TRAINED, GainsProblem, decode, encode
from skdopamine._esn.intervals import SPREAD_ROWS, Judge, Record
from skdopamine._esn.reservoir import Gains, Normal, Population
from skdopamine._esn.reservoir_weights_problem import Tunable, WeightsProblem
from skdopamine._objectives.registry import LossOptions, find_loss, losses
from skdopamine._training import trainer as _trainer
from skdopamine._training.learning_rate import LearningRate, make_rule
from skdopamine._typing import Array

TRAINABLE = ("gains", "recurrent", "readout")
LINKS = 10  # recurrent links of a unit
MOST_WASHOUT = 100
MOST_HORIZON = 200
TUNING_ROWS = 6000  # the last ones, that gains are tuned on and a season is looked for in
TUNING_READS = 20_000  # rows x lags of windows for that
TUNING_WINDOWS = 400  # and no fewer windows
GAIN_UPDATES, GAIN_PAIRS, GAIN_WINDOWS, GAIN_SCALE = 16, 5, 30, 0.5
WEIGHT_PAIRS, WEIGHT_SCALE, WEIGHT_WINDOWS, WEIGHT_BATCH = 16, 0.01, 100, 10
WINDOW_BATCH = 200  # rows that are windows of their own
WEIGHT_RATE, WEIGHT_CEILING = 0.003, 0.02
SCHEDULE = 200  # max_iter at which these budgets hold
FEW_ROWS = 400  # closed loops in fewer than these are judged by cross-validation
N_FOLDS = 4  # of it
BOUND = 0.5  # ranges of the training rows by which a prediction that is fed back may leave them


class DopamineESN(BaseEstimator):
    """An echo-state network behind the contract of scikit-learn."""

    # scikit-learn shows what a parameter means only where there is a link to more; this one stays on the page
    _doc_link_module = "skdopamine"
    _doc_link_template = "#{estimator_name}"

    n_channels_: int
    n_outputs_: int
    _is_series: bool  # stateful when it was fitted
    _closed: bool  # whether the targets are the next rows
    _normal: Normal | None  # None: the readout is not a ridge solution
    _record: Record | None  # None: no rows yet but those that the readout has learnt from

    # ---- fit ---------------------------------------------------------------------------------------------------------

    def _fit(self, inputs: Array, target: Array) -> list[str]:
        trainable = self._trainable()
        self._unlearnt = len(target) < len(inputs)  # whether the last row still waits for its target
        self._begin(inputs, target)
        task = self._task(inputs, target)
        reasons = [self._tune_gains(task)] if "gains" in trainable else []
        population, zero = self._population(), self._zero_state()
        normal = _reservoir.init_normal(1, self.n_units + task.n_features, task.target.shape[1])
        head, state = learn(task, population, normal, zero, (0, task.split), self._seed)
        self.readout_ = self._solve(head)
        ridge, weights = self.readout_, self._weights
        for name in ("recurrent", "readout"):
            if name in trainable and "interrupted" not in reasons:
                reasons.append(self._train_weights(task, head, recurrent=name == "recurrent"))
        trained = self.readout_ is not ridge or self._weights is not weights
        if trained or self.state_noise:  # read again, without noise and by the present weights
            population = self._population()
            state = read_over(task.reader, population, zero, 0, task.split)
        held_out, clean = self.readout_, state
        if trained:
            self._normal = None
            self._state = read_over(task.reader, population, state, task.split, len(inputs))
        else:
            self._normal, state = learn(task, population, head, state, (task.split, len(task.target)), self._seed)
            self.readout_ = self._solve(self._normal)
            first, state = (task.split, clean) if self.state_noise else (len(task.target), state)
            self._state = read_over(task.reader, population, state, first, len(inputs))
        self._history = task.reader.inputs[-self._n_history() :].copy()
        self._record = self._judged(task, population, clean, held_out)
        if set(trainable) - {"gains"}:
            self._normal = None
        self._published()
        return reasons

    def _begin(self, inputs: Array, target: Array) -> None:
        """Scales, reservoir, lags and bounds, from these rows."""
        flat = inputs.reshape(-1, inputs.shape[-1])
        with np.errstate(over="ignore", invalid="ignore"):
            self._centre, self._unit = _moments(flat)
            own_centre, own_unit = _moments(target)
        if not all(np.isfinite(value).all() for value in (self._centre, self._unit, own_centre, own_unit)):
            raise ValueError(f"X and y must have a finite variance, got values up to {np.abs(flat).max()}.")
        self._target_centre, self._target_unit = own_centre, own_unit
        if self._closed:  # what is fed back is counted as what is read
            channels = self.n_channels_
            self._target_centre[:channels], self._target_unit[:channels] = self._centre, self._unit
        scaled = (flat - self._centre) / self._unit
        self._range = scaled.min(axis=0), scaled.max(axis=0)
        self.lags_ = self._choose_lags(inputs)
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        rng = np.random.Generator(np.random.PCG64(self._seed))
        links = min(1.0, LINKS / self.n_units) if self.reservoir_connectivity == "auto" else self.reservoir_connectivity
        self._weights = _reservoir.init_weights(int(self.n_units), self.n_channels_, float(links), rng)
        self._gains = self._start_gains()
        self.loss_curve_: list[float] = []
        self.learning_rate_curve_: list[float] = []
        self.reward_prediction_error_curve_: list[float] = []
        self.n_iter_ = self.n_evaluations_ = self._last_stage = 0

    @property
    def _bounds(self) -> tuple[Array, Array]:
        """Between which predictions that are fed back are held."""
        least, most = self._range
        return least - BOUND * (most - least), most + BOUND * (most - least)

    def _choose_lags(self, inputs: Array) -> npt.NDArray[np.intp]:
        n_lags = inputs.shape[1] if inputs.ndim == 3 else len(inputs)
        if self.readout_lags != "auto":
            if int(self.readout_lags) > n_lags:
                raise ValueError(f"readout_lags must be at most the {n_lags} rows there are, got {self.readout_lags}.")
            return np.arange(int(self.readout_lags))
        if inputs.ndim == 3:
            return np.arange(min(n_lags, max(1, _season.N_RECENT // self.n_channels_)))
        return _season.seasonal_lags((inputs[-TUNING_ROWS:] - self._centre) / self._unit)

    def _start_gains(self) -> Gains:
        values = {name: np.array([float(getattr(self, name))]) for name in TRAINED}
        return Gains(**values, state_noise=np.array([float(self.state_noise)]))

    def _trainable(self) -> tuple[str, ...]:
        names = (self.trainable,) if isinstance(self.trainable, str) else tuple(self.trainable)
        if not all(isinstance(name, str) and name in TRAINABLE for name in names):
            raise ValueError(f"trainable must be any of {TRAINABLE}, got {self.trainable!r}.")
        return names

    def _objective(self) -> Any:
        if isinstance(self.loss, str):
            entry = find_loss(self.loss, "regression")
            if entry is None or not entry.closed_loop:
                names = tuple(entry.name for entry in losses("regression") if entry.closed_loop)
                raise ValueError(f"loss must be one of {names} or a callable loss(y_true, y_pred), got {self.loss!r}.")
            return entry.make(LossOptions(quantile=float(self.quantile)))

        def restore(values: Array) -> Array:
            k = values.shape[1]  # a path has the channels alone
            return np.asarray(values * self._target_unit[:k] + self._target_centre[:k])

        return FunctionLoss(self.loss, restore)

    def _task(self, inputs: Array, target: Array) -> Task:
        """What is to be learnt, in standardised units."""
        scaled = (inputs - self._centre) / self._unit
        own = len(target) == len(inputs)  # else the targets are the inputs
        goal = (target - self._target_centre) / self._target_unit if own else scaled[1:]
        reader = SeriesReader(scaled, self.lags_) if self._is_series else WindowReader(scaled, self.lags_)
        n = len(goal)
        n_tail = min(max(1, int(n * self.validation_fraction)), _intervals.MOST_ROWS)
        split, washout, horizon = n - n_tail, 0, 1
        if self._is_series:
            longest = int(self.lags_.max())
            washout = max(min(MOST_WASHOUT, n // 10), longest) if self.washout == "auto" else int(self.washout)
            if split - washout < 2:
                raise ValueError(
                    f"X has {len(inputs)} rows, too few for washout={self.washout!r} ({washout} rows) and "
                    f"validation_fraction={self.validation_fraction} ({n_tail} rows)."
                )
            if self._closed:
                horizon = max(1, min(MOST_HORIZON, n_tail // 3)) if self.horizon == "auto" else int(self.horizon)
                if horizon > n_tail:
                    raise ValueError(
                        f"X has {len(inputs)} rows, too few for horizon={self.horizon}: {n_tail} of them are held back."
                    )
        closed = self._closed and self._is_series
        return Task(reader, goal, closed, washout, split, horizon, self._bounds, self._objective())

    # ---- training ----------------------------------------------------------------------------------------------------

    def _tune_gains(self, task: Task) -> str:
        """Find better gains; returns how it ended."""
        most = (
            max(TUNING_ROWS, 4 * task.washout, 8 * task.horizon)
            if self._is_series
            else max(TUNING_WINDOWS, TUNING_READS // task.reader.inputs.shape[1])
        )
        first = max(0, len(task.target) - most)
        if first:
            n_tail = min(len(task.target) - task.split, max(1, int(most * self.validation_fraction), 2 * task.horizon))
            reader = task.reader._replace(inputs=task.reader.inputs[first : len(task.target)])
            task = task._replace(reader=reader, target=task.target[first:], split=most - n_tail)
        n_pairs = GAIN_PAIRS if self.n_perturbations == "auto" else int(self.n_perturbations)
        scale = GAIN_SCALE if self.perturbation_scale == "auto" else float(self.perturbation_scale)
        problem = GainsProblem(
            self._weights, task, self._gains, n_windows=GAIN_WINDOWS, n_pairs=n_pairs, scale=scale, seed=self._seed
        )
        needed = ceil(GAIN_UPDATES * max(1, self.max_iter / SCHEDULE))
        rule, start = self._rule(1.0, 1.0), encode(self._gains)[0]
        settings = self._settings(problem, min(self.max_iter, needed))._replace(normalised=False, horizon=0)
        result = self._train(problem, rule, start, settings, None)
        elite = result.state.critics[0]
        if len(elite):
            self._gains = decode(elite[:1], float(self.state_noise))
        return "cut short" if result.reason == "exhausted" and self.max_iter < needed else result.reason

    def _train_weights(self, task: Task, normal: Normal, *, recurrent: bool) -> str:
        """Train the readout, or all weights, from the ridge solution on; returns how it ended."""
        # unit steps that move all predictions alike: the inverse root of the features' covariance
        covariance = normal.gram[0] / normal.n_rows
        covariance += np.diag(np.full(len(covariance), 1e-6 * np.trace(covariance) / len(covariance)))
        spread = np.linalg.inv(np.linalg.cholesky(covariance)).T
        start = Tunable(self._weights, self._gains, self.readout_, spread)
        problem = WeightsProblem(
            start,
            task,
            recurrent=recurrent,
            n_windows=WEIGHT_WINDOWS if self._is_series else task.split,
            n_pairs=WEIGHT_PAIRS if self.n_perturbations == "auto" else int(self.n_perturbations),
            scale=WEIGHT_SCALE if self.perturbation_scale == "auto" else float(self.perturbation_scale),
            seed=self._seed,
        )
        settings = self._settings(problem, self.max_iter)
        batch_size = WEIGHT_BATCH if self._is_series else WINDOW_BATCH
        settings = settings._replace(batch_size=min(batch_size, problem.n_rows()), shuffle=True)
        rule = self._rule(WEIGHT_RATE, WEIGHT_CEILING)
        result = self._train(problem, rule, problem.init_params(), settings, problem.score)
        with np.errstate(all="ignore"):
            better = problem.score(result.best_params) > problem.score(problem.init_params())
        if better:
            self._weights, self.readout_ = problem.model(result.best_params)
        return "cut short" if result.reason == "exhausted" and self.max_iter < SCHEDULE else result.reason

    def _rule(self, auto: float, ceiling: float) -> LearningRate:
        initial = auto if self.learning_rate_init == "auto" else float(self.learning_rate_init)
        return make_rule(self.learning_rate, initial, ceiling, float(self.power_t))

    def _settings(self, problem: Any, n_epochs: int) -> _trainer.Settings:
        return _trainer.Settings(
            n_epochs=n_epochs,
            horizon=n_epochs if self.learning_rate == "dopamine" else 0,
            first_epoch=0,
            batch_size=problem.n_rows(),
            nominal_batch=problem.n_rows(),
            shuffle=False,
            momentum=float(self.momentum),
            tol=float(self.tol),
            n_iter_no_change=self.n_iter_no_change,
            seed=self._seed,
        )

    def _train(
        self, problem: Any, rule: LearningRate, start: Array, settings: _trainer.Settings, score: Any
    ) -> _trainer.Result:
        state = _trainer.init_state(start, problem, rule)
        with np.errstate(all="ignore"):  # the trainer looks at every loss
            result = _trainer.train(problem, rule, state, settings, score=score, observer=_Reporter(self))
        self._last_stage = len(self.loss_curve_)
        self.loss_curve_ += [epoch.loss for epoch in result.epochs]
        self.learning_rate_curve_ += [epoch.learning_rate for epoch in result.epochs]
        self.reward_prediction_error_curve_ += [epoch.reward_prediction_error for epoch in result.epochs]
        self.n_iter_ += len(result.epochs)
        self.n_evaluations_ += result.state.n_evaluations
        return result

    def _solve(self, normal: Normal) -> Array:
        readout: Array = normal.solve(self._gains, self._weights.bias.size)[0]
        if np.isfinite(readout).all():
            return readout
        raise ValueError(
            f"ridge={self.ridge} and lag_ridge={self.lag_ridge} are too small for these {normal.n_rows} rows: the "
            "readout has no solution."
        )

    def _judged(self, task: Task, population: Population, state: Array, readout: Array) -> Record:
        """What intervals are told from: rows held back from `readout`, in a short series those of all folds."""
        judges, n_rows = [Judge(task.split, readout)], len(task.target)
        if n_rows < FEW_ROWS and self._normal is not None:
            edges = np.unique(np.linspace(task.washout, n_rows, 1 + N_FOLDS).astype(int))
            start = after = read_over(task.reader, population, self._zero_state(), 0, edges[0])
            folds = []
            for first, last in pairwise(edges):
                empty = _reservoir.init_normal(1, *self.readout_.shape)
                fold, after = learn(task, population, empty, after, (first, last), self._seed)
                folds.append(fold)
            everything = _reservoir.total(folds)
            readouts = [everything.without(fold).solve(self._gains, population.n_units)[0] for fold in folds]
            if np.isfinite(readouts).all():
                judges, state = [Judge(*pair) for pair in zip(edges, readouts, strict=False)], start
        held = task.split if self._is_series else judges[0].first  # windows need not be the latest
        history = self._n_history()
        return _intervals.record(task.reader, task.target, state, judges, held, history)

    def _n_history(self) -> int:
        """Last rows that closed loops begin from."""
        return max(1 + int(self.lags_.max()), SPREAD_ROWS) if self._is_series else 1

    def _published(self) -> None:
        self.n_iter_ = max(1, self.n_iter_)  # the ridge solution is one
        self.n_outputs_ = self.readout_.shape[1]
        self.gains_ = {name: float(getattr(self._gains, name)[0]) for name in TRAINED}
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.nan
        self.best_loss_ = min(self.loss_curve_[self._last_stage :], default=np.nan)
        self.learning_rate_ = self.learning_rate_curve_[-1] if self.learning_rate_curve_ else np.nan

    # ---- streams -----------------------------------------------------------------------------------------------------

    def _accumulate(self, normal: Normal, inputs: Array, target: Array, *, joined: bool) -> Normal:
        """Add rows to the normal equations; `joined`: the first of them is also the target of the last row before."""
        scaled = (inputs - self._centre) / self._unit
        goal = (target - self._target_centre) / self._target_unit
        population, n_known = self._population(), normal.n_rows
        flat = scaled.reshape(-1, self.n_channels_)
        self._range = np.minimum(self._range[0], flat.min(axis=0)), np.maximum(self._range[1], flat.max(axis=0))
        normal = normal._replace(gram=normal.gram.copy(), cross=normal.cross.copy())
        before = self._history if self._is_series else scaled[:0]
        kind = SeriesReader if self._is_series else WindowReader
        reader = kind(np.concatenate([before, scaled]), self.lags_)
        padded = np.concatenate([np.zeros((len(before), goal.shape[1])), goal])
        span = (len(before), len(padded))
        if n_known:
            self._record = self._watched(reader, padded, span, joined=joined)
        if joined:
            normal = normal.add(self._joint(population), scaled[:1])
        task = Task(reader, padded, False, 0, 0, 1, self._bounds, None)
        normal, state = learn(task, population, normal, self._state, span, self._seed)
        first, state = (span[0], self._state) if self.state_noise else (span[1], state)
        self._state = read_over(reader, population, state, first, len(reader.inputs))
        self._history = reader.inputs[-self._n_history() :].copy()
        return normal

    def _watched(self, reader: Any, target: Array, span: tuple[int, int], *, joined: bool) -> Record:
        """The record with rows from .. to, and if `joined` the one before: the readout has not learnt from them."""
        (first, last), population = span, self._population()
        ahead = predicted(reader, population, self.readout_, self._state, first, last)
        goals = target[first:last]
        known = self._record
        if known is None:
            before = reader._replace(inputs=reader.inputs[:first])
            judge, nothing = Judge(first, self.readout_), np.empty((0, target.shape[1]))
            known, joined = Record(before, target[:first], self._state, (judge,), first, nothing), False
        if joined:
            ahead = np.concatenate([self._joint(population)[0] @ self.readout_, ahead])
            goals = np.concatenate([reader.inputs[first : first + 1], goals])
        rows = reader.inputs[first - joined : last]
        return _intervals.extended(known, rows, goals, goals - ahead, self.readout_, population)

    def _joint(self, population: Population) -> Array:
        """What the readout sees after the last row that was read, (1, 1, features)."""
        past = self._history[::-1][self.lags_].reshape(1, -1)
        return _reservoir.features(population, self._state.T, past)

    # ---- the reservoir -----------------------------------------------------------------------------------------------

    def _population(self) -> Population:
        return _reservoir.populate(self._weights, self._gains)

    def _zero_state(self) -> Array:
        return np.zeros((self._weights.bias.size, 1))

    def _predicted(self, inputs: Array) -> Array:
        """Predictions (n, targets) of the rows that follow, all in standardised units."""
        reader: Any = WindowReader(inputs, self.lags_)
        if self._is_series:
            reader = SeriesReader(np.concatenate([self._history, inputs]), self.lags_)
        last = len(reader.inputs)
        return predicted(reader, self._population(), self.readout_, self._state, last - len(inputs), last)

    def _restored(self, values: Array) -> Array:
        """Predictions (..., targets) in the user's units, one target without its axis."""
        k = values.shape[-1]
        restored = values * self._target_unit[:k] + self._target_centre[:k]
        return np.asarray(restored[..., 0] if self._ravel else restored)

    # ---- checks ------------------------------------------------------------------------------------------------------

    def _check_data(self, X: Any, y: Any, *, reset: bool) -> tuple[Array, Array]:
        """Inputs (n, channels), or windows (n, n_lags, channels), and targets (n or n - 1, targets)."""
        if reset:
            self._is_series = bool(self.stateful)
        self._check_index(X)
        self._trainable()
        self._objective()
        alone = y is None and self._is_series
        options = {"dtype": np.float64, "order": "C", "reset": reset, "ensure_min_samples": 2 if reset else 1}
        if alone:
            X = validate_data(self, X, **options)
        else:
            X, y = validate_data(self, X, y, multi_output=True, y_numeric=True, **options)
        if reset:
            self.n_channels_ = X.shape[1] if self._is_series else int(self.n_channels)
        inputs = self._shaped(X)
        if alone:
            if reset and not np.ptp(X, axis=0).any():
                raise ValueError("X must vary: a constant series cannot be learnt from.")
            target, flat = inputs[1:], X.shape[1] == 1
        else:
            y = np.asarray(y, dtype=np.float64)
            target, flat = y.reshape(len(y), -1), y.ndim == 1
        if reset:
            self._ravel = flat
            latest = inputs if self._is_series else inputs[:, -1]
            fits = target.shape[1] >= self.n_channels_ and len(target) > 1
            self._closed = alone or (fits and self._follow(latest, target))
        else:
            self._check_further(inputs, target, alone=alone)
        return inputs, target

    def _check_further(self, inputs: Array, target: Array, *, alone: bool) -> None:
        """Whether these rows can follow those of `fit`; `alone`: without targets of their own."""
        if alone and not (self._closed and self.n_outputs_ == self.n_channels_):
            raise ValueError("y must be given, as in fit: the targets were not the next rows of X, got None.")
        if target.shape[1] != self.n_outputs_:
            raise ValueError(f"y must have {self.n_outputs_} columns, as in fit, got {target.shape[1]}.")
        if not alone and self._is_series and self._closed and not self._follow(inputs, target):
            raise ValueError("y must hold the rows after those of X, as in fit, got others.")

    def _follow(self, rows: Array, target: Array) -> bool:
        """Whether the first targets are the rows that follow, as far as these are known."""
        return bool(np.array_equal(rows[1:], target[: len(rows) - 1, : self.n_channels_]))

    def _shaped(self, X: Array) -> Array:
        """Rows as they are, or cut into their times."""
        if self._is_series:
            return X
        if X.shape[1] % self.n_channels_:
            raise ValueError(
                f"X must have a multiple of n_channels={self.n_channels_} columns with stateful=False, got "
                f"{X.shape[1]}."
            )
        return X.reshape(len(X), -1, self.n_channels_)

    def _check_index(self, X: Any) -> None:
        """Rows that come out of order in time are no series."""
        index = getattr(X, "index", None)
        if self._is_series and not getattr(index, "is_monotonic_increasing", True):
            raise ValueError("X must be in time order with stateful=True, got an index that is not increasing.")

    def _check_steps(self, n_steps: Any) -> None:
        check_is_fitted(self)
        if isinstance(n_steps, bool) or not isinstance(n_steps, Integral) or n_steps < 1:
            raise ValueError(f"n_steps must be a positive integer, got {n_steps!r}.")
        if not self._closed:
            raise ValueError(
                "The targets of fit were not the next rows of X, so predictions cannot be fed back: fit with y=None, "
                "or with y the rows that follow."
            )


class _Reporter:
    """Prints each epoch, if asked to."""

    def __init__(self, estimator: DopamineESN) -> None:
        self.estimator = estimator
        self.n_epochs = 0

    def begin_epoch(self) -> None:
        self.n_epochs += 1

    def end_epoch(self, epoch: _trainer.Epoch, params: Array) -> bool:
        if self.estimator.verbose:
            number = self.estimator.n_iter_ + self.n_epochs
            print(f"Iteration {number}, loss = {epoch.loss:.8f}, learning rate = {epoch.learning_rate:.2e}")
        return False


def _moments(values: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of the columns; 1 for a constant one."""
    deviation = values.std(axis=0)
    constant = deviation <= 1e-12 * np.abs(values).max(axis=0)
    return values.mean(axis=0), np.where(constant, 1.0, deviation)
