"""What lies ahead of a series: forecasts, their intervals and quantiles, and paths that it may take."""

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import validate_data

from skdopamine._esn import intervals as _intervals
from skdopamine._esn.base import DopamineESN
from skdopamine._esn.calendar import Calendar
from skdopamine._esn.frames import Frame, as_rows
from skdopamine._esn.intervals import Loops, Record
from skdopamine._estimator.base import draw_seed
from skdopamine._estimator.caller import users_level
from skdopamine._estimator.validation import plain
from skdopamine._typing import Array

FEWEST_LOOPS = 2  # side by side, that an interval of a forecast may rest on without a warning
MOST_PATHS = 10**6
SHARE_OF_PATHS = 0.9  # paths need as many errors as an interval of this coverage


class Outlook(NamedTuple):
    """A forecast, and how far off such forecasts are."""

    centre: Array  # (n_steps, channels)
    unit: Array  # (n_steps or 1, channels), of errors
    loops: Loops  # errors in that unit
    frame: Frame


class ForecastingESN(DopamineESN):
    """What a forecaster offers beside predictions one step ahead."""

    def forecast(self, n_steps: int, X: Any = None) -> Any:
        """Forecast rows by feeding predictions back.

        Parameters
        ----------
        n_steps : int
            Rows to forecast.
        X : array-like, Series or frame of shape (n_samples, n_channels) or (1, n_features_in_), default=None
            Rows, or one window, to read first, from the zero state; None goes on after the last row of X that was
            learnt from, even where its target was given. Give at least as many as the longest of `lags_`; missing
            earlier rows are taken to be the mean.

        Returns
        -------
        path : ndarray of shape (n_steps,) or (n_steps, n_channels), Series or frame
            The rows that follow. An array is one-dimensional where the targets of `fit` were. Of a series of pandas or
            polars it is a Series or a frame, as the rows were, with the names of the channels; the index of pandas goes
            on, or counts the steps where it has no regular step.

        Raises
        ------
        ValueError
            If `n_steps` or X is not valid, or the targets of `fit` were not the next rows.
        """
        self._check_steps(n_steps)
        centre, frame = self._centre(int(n_steps), X)
        return frame.path(centre if frame.library != "numpy" else self._model.shaped_as_targets(centre))

    def forecast_interval(self, n_steps: int, coverage: Any = 0.9, X: Any = None) -> Any:
        """Forecast intervals, each step's by itself.

        As `predict_interval`, from the errors of closed loops in rows that the readout has not learnt from, the last
        4,000 at most; in fewer than 400 rows, by readouts of the rows before each of four pieces of the second half.
        They are counted in units of the spread of the 24 rows before, as restless times are harder to forecast [1]_ or,
        with a season and X=None, in units of the errors one step ahead at that time of the season and lately. Where
        many loops have room side by side, errors above and below are told apart. Where few have, intervals are wider,
        as loops that overlap are worth less, and `forecast_interval` warns below two. Beyond the longest loops
        intervals widen with the root of the steps.

        Parameters
        ----------
        n_steps : int
            Rows to forecast.
        coverage : float or list of float, default=0.9
            Share of the rows that an interval is to hold, in (0, 1); several for several intervals.
        X : array-like, Series or frame of shape (n_samples, n_channels), default=None
            Rows to read first, as for `forecast`.

        Returns
        -------
        lower, upper : ndarray of shape (n_steps,) or (n_steps, n_channels)
            Ends of the intervals, with a last axis for several coverages. Of a series of pandas or polars this is one
            frame instead, with columns such as "lower_90" and "upper_90", of several channels "name_lower_90".

        Raises
        ------
        ValueError
            If an argument is not valid, or too few errors are known.

        References
        ----------
        .. [1] Lei, G'Sell, Rinaldo, Tibshirani and Wasserman (2018). Distribution-free predictive inference for
           regression, 5.2. https://arxiv.org/abs/1604.04173
        """
        self._check_steps(n_steps)
        coverages, several = _intervals.given_shares("coverage", coverage)
        outlook = self._outlook(int(n_steps), X, "coverage", coverage, coverages)
        tails = np.array([(1 + sign * share) / 2 for sign in (-1, 1) for share in coverages])
        ends = self._quantiles(outlook, tails)
        if outlook.frame.library != "numpy":
            kinds = [f"{side}_{100 * share:g}" for side in ("lower", "upper") for share in coverages]
            return outlook.frame.table(ends, kinds)
        lower, upper = np.split(ends, 2, axis=-1)
        return self._without_axes(lower, several), self._without_axes(upper, several)

    def forecast_quantiles(self, n_steps: int, quantiles: Any = (0.1, 0.5, 0.9), X: Any = None) -> Any:
        """Forecast quantiles of each step by itself, from the errors that `forecast_interval` is made of.

        Parameters
        ----------
        n_steps : int
            Rows to forecast.
        quantiles : float or list of float, default=(0.1, 0.5, 0.9)
            Share of the rows that are to lie below, in (0, 1).
        X : array-like, Series or frame of shape (n_samples, n_channels), default=None
            Rows to read first, as for `forecast`.

        Returns
        -------
        values : ndarray of shape (n_steps, n_quantiles) or (n_steps, n_channels, n_quantiles)
            The quantiles, without the last axis if `quantiles` is a number. Of a series of pandas or polars this is a
            frame with columns such as "q0.1", of several channels "name_q0.1".

        Raises
        ------
        ValueError
            If an argument is not valid, or too few errors are known.

        Examples
        --------
        >>> from skdopamine import DopamineESNForecaster
        >>> from skdopamine.datasets import make_mackey_glass
        >>> series = make_mackey_glass(600, random_state=0)[:, 0]
        >>> esn = DopamineESNForecaster(n_units=50, stateful=True, trainable=(), random_state=0).fit(series)
        >>> esn.forecast_quantiles(20, [0.05, 0.5, 0.95]).shape
        (20, 3)
        """
        self._check_steps(n_steps)
        shares, several = _intervals.given_shares("quantiles", quantiles)
        outlook = self._outlook(int(n_steps), X, "quantiles", quantiles, [abs(2 * share - 1) for share in shares])
        values = self._quantiles(outlook, np.array(shares))
        if outlook.frame.library != "numpy":
            return outlook.frame.table(values, [f"q{share:g}" for share in shares])
        return self._without_axes(values, several)

    def sample_paths(self, n_steps: int, n_paths: int = 100, X: Any = None, *, random_state: Any = None) -> Any:
        """Paths that the series may take: the forecast, and the errors of a whole closed loop for each.

        Unlike quantiles, paths show what steps do together, as for the sum of a week. Each path adds the errors of one
        loop over rows held back, drawn at random. Where few loops have room side by side, errors may have either sign,
        and are stretched as those of Student's distribution.

        Parameters
        ----------
        n_steps : int
            Rows to forecast.
        n_paths : int, default=100
            Paths to draw.
        X : array-like, Series or frame of shape (n_samples, n_channels), default=None
            Rows to read first, as for `forecast`.
        random_state : int, RandomState instance or None, default=None
            Determines which errors are drawn; None takes the seed of the estimator, so that paths are the same in each
            call.

        Returns
        -------
        paths : ndarray of shape (n_paths, n_steps) or (n_paths, n_steps, n_channels)
            The paths. Of a series of pandas or polars this is a frame with a row for each step and columns such as
            "path_0", of several channels "name_path_0".

        Raises
        ------
        ValueError
            If an argument is not valid, or no errors are known.

        Examples
        --------
        >>> from skdopamine import DopamineESNForecaster
        >>> from skdopamine.datasets import make_mackey_glass
        >>> series = make_mackey_glass(600, random_state=0)[:, 0]
        >>> esn = DopamineESNForecaster(n_units=50, stateful=True, trainable=(), random_state=0).fit(series)
        >>> esn.sample_paths(20, n_paths=200).sum(axis=1).shape
        (200,)
        """
        self._check_steps(n_steps)
        if isinstance(n_paths, bool) or not isinstance(n_paths, int | np.integer) or not 0 < n_paths <= MOST_PATHS:
            raise ValueError(f"n_paths must be an integer from 1 to {MOST_PATHS}, got {plain(n_paths)!r}.")
        seed = self._model.seed if random_state is None else draw_seed(random_state)
        outlook = self._outlook(int(n_steps), X, "n_paths", n_paths, [SHARE_OF_PATHS])
        errors = outlook.loops.paths(int(n_steps), int(n_paths), np.random.Generator(np.random.PCG64(seed)))
        paths = np.clip(outlook.centre + errors * outlook.unit, *self._model.limits)
        if outlook.frame.library != "numpy":
            return outlook.frame.table(paths.transpose(1, 2, 0), [f"path_{i}" for i in range(len(paths))])
        return self._model.shaped_as_targets(paths)

    # ---- below -------------------------------------------------------------------------------------------------------

    def _without_axes(self, values: Array, several: bool) -> Array:
        """Values (n_steps, channels, k) without the axes that a user does not expect."""
        values = values[:, 0] if self._model.form.flat else values
        return values if several else values[..., 0]

    def _quantiles(self, outlook: Outlook, shares: Array) -> Array:
        """Quantiles (n_steps, channels, k) of a forecast."""
        errors = outlook.loops.quantiles(shares, len(outlook.centre))
        low, high = self._model.limits
        values = outlook.centre[..., None] + errors * outlook.unit[..., None]
        return np.asarray(np.clip(values, low[..., None], high[..., None]))

    def _centre(self, n_steps: int, X: Any) -> tuple[Array, Frame]:
        """The forecast (n_steps, channels), and what it is to be given back in; warns where it had to be held."""
        path, levels, frame = self._path(n_steps, X)
        self._warn_if_clipped(path)
        return self._model.restored_path(path, levels), frame

    def _outlook(self, n_steps: int, X: Any, name: str, given: Any, coverages: Sequence[float]) -> Outlook:
        """The forecast, and errors for intervals of these coverages, which the argument `name` asks for."""
        if not self._model.form.closed:
            raise ValueError("Intervals of forecasts need windows in the order of time, each one row after the last.")
        known, model, stream = self._known(), self._model, self._stream
        coverage, season = max(coverages), max(model.seasons, default=0)
        # where rows to read first stand in the season is not known
        seasonal = _intervals.Seasonal.of(known, model.population, season) if season and X is None else None
        needed, loop = _intervals.n_needed(coverage), model.loop(model.bounds(stream.span))
        loops = _intervals.loops(known, loop, n_steps, needed, model.base, seasonal)
        _intervals.check_enough(name, given, coverage, len(loops.errors))
        if loops.n_independent(n_steps) < FEWEST_LOOPS:
            warnings.warn(
                f"An interval {n_steps} steps ahead rests on {loops.n_rows} rows held back, in which fewer than "
                f"{FEWEST_LOOPS} such forecasts have room side by side: it may be too narrow or too wide.",
                UserWarning,
                stacklevel=users_level(),
            )
        if seasonal is not None:
            unit = seasonal.at(np.array([len(known.target) - (not stream.waiting)]), n_steps)[0]
        else:
            last = stream.history if X is None else model.scaled(self._read(X))
            unit = _intervals.spreads(model.reader(last), 1)
        centre, frame = self._centre(n_steps, X)
        return Outlook(centre, unit * model.inputs.unit, loops, frame)

    def _warn_if_clipped(self, path: Array) -> None:
        low, high = self._model.bounds(self._stream.span)
        has_room = low < high
        if not self._model.base.lag:  # what the user gives is meant to hold
            least, most = self._model.limits
            low, high = np.where(np.isfinite(least), -np.inf, low), np.where(np.isfinite(most), np.inf, high)
        held = int((((path <= low) | (path >= high)) & has_room).any(axis=1).sum())
        if held:
            changes = "' changes" if self._model.base.lag else ""
            warnings.warn(
                f"The forecast left the range of the training rows{changes} by more than twice what later ones of them "
                f"have left that of earlier ones by, and was clipped in {held} of {len(path)} steps.",
                UserWarning,
                stacklevel=users_level(),
            )

    def _path(self, n_steps: int, X: Any) -> tuple[Array, Array, Frame]:
        """Closed loop (n_steps, channels) in training units, and the rows before it that differences are taken to."""
        if X is None:
            return self._stream.path(self._model, n_steps), self._stream.levels, self._stream.frame
        rows, form, lag = self._read(X), self._model.form, self._model.base.lag
        n_lags = 1 + int(self._model.lags.max()) + lag
        if not form.is_series and len(rows) != 1:
            raise ValueError(f"X must be one window, got {len(rows)} rows.")
        if len(rows) <= lag:
            raise ValueError(f"X must have more than the {lag} rows that differences are taken over, got {len(rows)}.")
        if form.is_series and len(rows) < n_lags:
            warnings.warn(
                f"X has {len(rows)} rows, fewer than the {n_lags} that the readout sees (lags_): the missing ones are "
                "taken to be the mean.",
                UserWarning,
                stacklevel=users_level(),
            )
        self._warn_of_gaps(Calendar(), getattr(X, "index", None))
        levels = rows[len(rows) - lag :]
        frame = Frame.of(X) if form.is_series else Frame()
        return self._stream.path_after(self._model, self._model.scaled(rows), n_steps), levels, frame

    def _read(self, X: Any, **options: Any) -> Array:
        """Checked rows, or windows."""
        if self._model.form.is_series:
            X = as_rows(X)
        return self._model.form.shaped(validate_data(self, X, dtype=np.float64, reset=False, **options))

    def _warn(self, message: str | None) -> None:
        if message is not None:
            warnings.warn(message, UserWarning, stacklevel=users_level())

    def _warn_of_gaps(self, calendar: Calendar, index: Any) -> None:
        fault = calendar.fault(index) if self._model.form.is_series else None
        if fault is not None:
            warnings.warn(
                f"X is read as rows that follow each other, and those of fit, without a gap, but {fault}.",
                UserWarning,
                stacklevel=users_level(),
            )

    def _known(self) -> Record:
        if self._stream.record is None:
            raise ValueError("Intervals need rows that were not learnt from: there are none after one partial_fit.")
        return self._stream.record
