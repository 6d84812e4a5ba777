"""How good forecasts are: backtests, a cross-validator with rolling origins, and scorers of whole forecasts."""

import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.metrics import mean_absolute_error
from sklearn.utils import metadata_routing

from skdopamine import DopamineESNForecaster
from skdopamine._esn.calendar import kind_of
from skdopamine._esn.exog import Wanted
from skdopamine._esn.frames import MOST_BETWEEN, Frame, completed, continued, library_of
from skdopamine._esn.panel import is_panel
from skdopamine._typing import Array

__all__ = ["Backtest", "RollingOrigin", "backtest", "make_forecast_scorer"]


class RollingOrigin:
    """Cross-validator for forecasts: each split trains on the rows before an origin and tests on the rows after it.

    An origin is the row where a forecast begins. The training rows are all rows before the origin, or the last
    `max_train_size` of them. The test rows of the last split end with the last row of the series.

    Parameters
    ----------
    n_steps : int
        Number of rows in a forecast, which are the test rows of a split.
    n_origins : int, default=5
        Number of forecasts, and so of splits.
    step : int, default=None
        Number of rows from one origin to the next. None is `n_steps`, so that no row is forecast twice.
    max_train_size : int, default=None
        Maximum number of training rows. None takes all rows before the origin.

    See Also
    --------
    make_forecast_scorer : Scores the forecast of the test rows, instead of predictions one step ahead.
    backtest : Forecasts from such origins, and compares with the rows that came.

    Examples
    --------
    >>> import numpy as np
    >>> from skdopamine.evaluation import RollingOrigin
    >>> for train, test in RollingOrigin(n_steps=2, n_origins=3).split(np.zeros(10)):
    ...     print(len(train), test.tolist())
    4 [4, 5]
    6 [6, 7]
    8 [8, 9]

    Choose a parameter by the error of whole forecasts:

    >>> from sklearn.model_selection import GridSearchCV
    >>> from skdopamine import DopamineESNForecaster
    >>> from skdopamine.evaluation import make_forecast_scorer
    >>> time = np.arange(120)
    >>> sales = 10 + np.sin(2 * np.pi * time / 12)
    >>> search = GridSearchCV(
    ...     DopamineESNForecaster(n_units=20, stateful=True, trainable=(), random_state=0),
    ...     {"readout_lags": [1, 24]},
    ...     scoring=make_forecast_scorer(),
    ...     cv=RollingOrigin(n_steps=12, n_origins=3),
    ... )
    >>> search.fit(sales[:, None]).best_params_
    {'readout_lags': 24}
    """

    def __init__(
        self, n_steps: int, n_origins: int = 5, *, step: int | None = None, max_train_size: int | None = None
    ) -> None:
        self.n_steps = n_steps
        self.n_origins = n_origins
        self.step = step
        self.max_train_size = max_train_size

    def __repr__(self) -> str:
        options = "".join(f", {name}={value}" for name, value in vars(self).items() if value is not None)
        return f"{type(self).__name__}({options[2:]})"

    def origins(self, n_rows: int) -> npt.NDArray[np.intp]:
        """Compute the number of rows that each forecast knows.

        Parameters
        ----------
        n_rows : int
            Number of rows in the series.

        Returns
        -------
        origins : ndarray of shape (n_origins,)
            Numbers of rows, increasing.

        Raises
        ------
        ValueError
            If a parameter is not a positive integer, or there are too few rows.
        """
        _check_count("n_steps", self.n_steps)
        _check_count("n_origins", self.n_origins)
        for name in ("step", "max_train_size"):
            if getattr(self, name) is not None:
                _check_count(name, getattr(self, name))
        step = self.n_steps if self.step is None else self.step
        first = n_rows - self.n_steps - step * (self.n_origins - 1)
        if first < 1:
            raise ValueError(
                f"The series has {n_rows} rows, too few for n_origins={self.n_origins} forecasts of "
                f"n_steps={self.n_steps} rows, {step} rows apart, and a row before."
            )
        return np.arange(first, n_rows - self.n_steps + 1, step, dtype=np.intp)

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Any, Any]]:
        """Generate the training and test rows of each origin.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows in time order.
        y, groups : object, default=None
            Ignored.

        Yields
        ------
        train, test : ndarray of int
            Positions of the rows.
        """
        n_rows = len(X)
        for origin in self.origins(n_rows):
            first = 0 if self.max_train_size is None else max(0, origin - self.max_train_size)
            yield np.arange(first, origin), np.arange(origin, origin + self.n_steps)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits.

        Parameters
        ----------
        X, y, groups : object, default=None
            Ignored.

        Returns
        -------
        n_splits : int
            `n_origins`.
        """
        return self.n_origins


def make_forecast_scorer(
    score_func: Callable[..., float] = mean_absolute_error, *, greater_is_better: bool = False, **kwargs: Any
) -> Any:
    """Make a scorer that forecasts the rows after those of `fit`, for searches and cross-validation.

    Parameters
    ----------
    score_func : callable, default=mean_absolute_error
        Function ``score_func(y_true, y_pred, **kwargs)`` of the rows that came and their forecast.
    greater_is_better : bool, default=False
        Whether a greater value of `score_func` is better. With False, the scorer changes the sign.
    **kwargs : dict
        Further arguments of `score_func`.

    Returns
    -------
    scorer : callable
        Scorer ``scorer(estimator, X, y=None, exog=None)``, for `scoring`. With metadata routing it requests `exog`.

    Raises
    ------
    TypeError
        If `score_func` is not callable.

    See Also
    --------
    RollingOrigin : Makes the splits for this scorer.

    Examples
    --------
    >>> import numpy as np
    >>> from skdopamine import DopamineESNForecaster
    >>> from skdopamine.evaluation import make_forecast_scorer
    >>> series = np.sin(0.3 * np.arange(220))[:, None]
    >>> esn = DopamineESNForecaster(n_units=20, stateful=True, trainable=(), random_state=0).fit(series[:200])
    >>> bool(make_forecast_scorer()(esn, series[200:]) > -0.01)
    True
    """
    if not callable(score_func):
        raise TypeError(f"score_func must be callable, got {score_func!r}.")
    return _ForecastScorer(score_func, 1 if greater_is_better else -1, kwargs)


class _ForecastScorer:
    """A scorer that forecasts as many rows as it is given."""

    def __init__(self, score_func: Callable[..., float], sign: int, kwargs: dict[str, Any]) -> None:
        self.score_func, self.sign, self.kwargs = score_func, sign, kwargs

    def __call__(self, estimator: Any, X: Any, y: Any = None, **options: Any) -> float:
        options = {name: value for name, value in options.items() if value is not None}
        if not hasattr(estimator, "forecast"):
            raise TypeError(f"estimator must have a method forecast, got {type(estimator).__name__}.")
        frame = getattr(getattr(estimator, "_stream", None), "frame", None)
        X = continued(X, frame if isinstance(frame, Frame) else None)[0]
        path = _path_over(X, lambda n: estimator.forecast(n, **options))
        ahead = np.asarray(path, dtype=float).reshape(len(X), -1)
        truth = np.asarray(X, dtype=float).reshape(len(X), -1)
        known = ~np.isnan(truth).any(axis=1)
        if not known.any():
            raise ValueError("X must have a row that is known, got nan alone.")
        return float(self.sign * self.score_func(truth[known], ahead[known], **self.kwargs))

    def __repr__(self) -> str:
        name = getattr(self.score_func, "__name__", repr(self.score_func))
        return f"make_forecast_scorer({name}, greater_is_better={self.sign > 0})"

    def get_metadata_routing(self) -> Any:
        """What the scorer asks for."""
        request = metadata_routing.MetadataRequest(owner=self)
        request.score.add_request(param="exog", alias=True)
        return request


def _path_over(rows: Any, forecast: Callable[[int], Any]) -> Any:
    """The forecast of these rows; where both have labels, of these labels, as the first rows ahead may be missing."""
    path = forecast(len(rows))
    if not (library_of(rows) == library_of(path) == "pandas") or kind_of(rows.index) != kind_of(path.index):
        return path
    n = len(rows)
    while len(path) == n and path.index[-1] < rows.index[-1] and n < MOST_BETWEEN:
        n *= 2
        path = forecast(n)
    return path.loc[rows.index] if rows.index.isin(path.index).all() else path[: len(rows)]


@dataclass(frozen=True)
class Backtest:
    """Forecasts from several origins, beside the rows that came.

    An origin is the row where a forecast begins. :func:`backtest` makes a `Backtest`. Its attributes `mase`, `rmsse`
    and `pinball` are errors of each step, `coverage` is the share of rows within the intervals, and `summary` has the
    means.

    Parameters
    ----------
    origins : ndarray of shape (n_origins,)
        Number of rows that each forecast knew.
    forecast, truth, naive : ndarray of shape (n_origins, n_steps, n_channels)
        The forecast, the rows that came, and the seasonal naive forecast, which repeats the last season.
    lower, upper : ndarray of shape (n_origins, n_steps, n_channels, n_coverages) or None
        Ends of the intervals; None if the estimator has no intervals.
    coverages : tuple of float
        Share of the rows that each interval was to hold.
    scale, square_scale : ndarray of shape (n_channels,)
        Units of the errors: mean absolute and root mean square change over a season, in the rows before the first
        origin.
    season : int
        Number of rows in the season.

    See Also
    --------
    backtest : Makes a backtest.

    Examples
    --------
    >>> import numpy as np
    >>> from skdopamine import DopamineESNForecaster
    >>> from skdopamine.evaluation import backtest
    >>> waves = np.sin(2 * np.pi * np.arange(240) / 12) + 0.1 * np.random.default_rng(0).standard_normal(240)
    >>> esn = DopamineESNForecaster(n_units=20, stateful=True, trainable=(), random_state=0)
    >>> result = backtest(esn, waves, n_steps=6, n_origins=10, season=12, coverages=[0.8])
    >>> result.forecast.shape, result.lower.shape
    ((10, 6, 1), (10, 6, 1, 1))
    >>> result.coverage.shape
    (6, 1)
    >>> sorted(result.summary())
    ['coverage_80', 'mase', 'naive_mase', 'naive_rmsse', 'pinball', 'rmsse']
    """

    origins: npt.NDArray[np.intp]
    forecast: Array
    truth: Array
    naive: Array
    lower: Array | None
    upper: Array | None
    coverages: tuple[float, ...]
    scale: Array
    square_scale: Array
    season: int

    @property
    def mase(self) -> Array:
        """Mean absolute scaled error (n_steps,) of each step."""
        return self._mase(self.forecast)

    @property
    def naive_mase(self) -> Array:
        """Mean absolute scaled error (n_steps,) of the seasonal naive forecast."""
        return self._mase(self.naive)

    @property
    def rmsse(self) -> Array:
        """Root mean squared scaled error (n_steps,) of each step."""
        return self._rmsse(self.forecast)

    @property
    def naive_rmsse(self) -> Array:
        """Root mean squared scaled error (n_steps,) of the seasonal naive forecast."""
        return self._rmsse(self.naive)

    @property
    def coverage(self) -> Array:
        """Share (n_steps, n_coverages) of the rows that lay within the intervals."""
        lower, upper = self._ends()
        inside = (lower <= self.truth[..., None]) & (self.truth[..., None] <= upper)
        return _mean(np.where(np.isnan(self.truth[..., None]), np.nan, inside))

    @property
    def pinball(self) -> Array:
        """Mean scaled pinball loss (n_steps,) of the ends of the intervals, which are quantiles."""
        lower, upper = self._ends()
        losses = []
        for end, sign in ((lower, -1), (upper, 1)):
            share = (1 + sign * np.array(self.coverages)) / 2
            error = self.truth[..., None] - end
            losses.append(np.maximum(share * error, (share - 1) * error))
        loss = np.concatenate(losses, axis=-1).mean(axis=-1) / self.scale
        return _mean(loss)

    def summary(self) -> dict[str, float]:
        """Compute the means over all steps.

        Returns
        -------
        summary : dict of str to float
            "mase" and "rmsse", and "naive_mase" and "naive_rmsse" of the seasonal naive forecast. With intervals also
            "pinball" and the coverages, such as "coverage_80".
        """
        names = ["mase", "naive_mase", "rmsse", "naive_rmsse"]
        means = {name: float(np.nanmean(getattr(self, name))) for name in names}
        if self.lower is not None:
            means["pinball"] = float(np.nanmean(self.pinball))
            shares = np.nanmean(self.coverage, axis=0)
            means |= {f"coverage_{100 * c:g}": float(s) for c, s in zip(self.coverages, shares, strict=True)}
        return means

    def _mase(self, forecast: Array) -> Array:
        return _mean(np.abs(forecast - self.truth) / self.scale)

    def _rmsse(self, forecast: Array) -> Array:
        squares = ((forecast - self.truth) / self.square_scale) ** 2
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a step of which nothing is known has no error
            return np.asarray(np.nanmean(np.sqrt(np.nanmean(squares, axis=0)), axis=-1))

    def _ends(self) -> tuple[Array, Array]:
        if self.lower is None or self.upper is None:
            raise ValueError("The estimator gave no intervals: it has no forecast_interval, or coverages was empty.")
        return self.lower, self.upper


def backtest(
    estimator: Any,
    series: Any,
    n_steps: int,
    n_origins: int = 5,
    *,
    step: int | None = None,
    refit: bool = False,
    exog: Any = None,
    season: int = 1,
    coverages: Sequence[float] = (0.8, 0.9),
    n_jobs: int | None = None,
) -> Backtest:
    """Forecast from several past origins of a series, and compare with the rows that came.

    An origin is the row where a forecast begins. The yardstick is the seasonal naive forecast, which repeats the last
    season. Errors are scaled [1]_, and origins roll through the series [2]_.

    Parameters
    ----------
    estimator : object
        Forecaster with methods ``fit(series)`` and ``forecast(n_steps)``, and ``forecast_interval`` if it has
        intervals. The estimator is cloned. Without `refit`, its ``forecast`` has to take ``X``, the rows to go on from.
    series : array-like, Series or frame of shape (n_samples,) or (n_samples, n_channels)
        The series, in time order. Missing rows (nan, or left out by a regular index of pandas) count in no error.
    n_steps : int
        Number of rows in a forecast.
    n_origins : int, default=5
        Number of forecasts. The last forecast ends with the last row of the series.
    step : int, default=None
        Number of rows from one origin to the next; None is `n_steps`.
    refit : bool, default=False
        Whether to fit the estimator at each origin. With False, it is fitted at the first origin only, and reads the
        later rows without learning from them. `DopamineESNForecaster` then forecasts from all origins at once.
    exog : array-like of shape (n_samples, n_covariates), default=None
        Covariates of the rows of the series, for an estimator that takes them.
    season : int, default=1
        Number of rows in a season, for the naive forecast and for the units of errors. 1 repeats the last row.
    coverages : float or sequence of float, default=(0.8, 0.9)
        Share of the rows that intervals are to hold, in (0, 1). Empty for no intervals.
    n_jobs : int, default=None
        Processes in which the estimator is fitted, with `refit`; None is one, unless a joblib context says otherwise.

    Returns
    -------
    backtest : Backtest
        The forecasts and the rows that came; ``summary()`` has the mean errors.

    Raises
    ------
    ValueError
        If a count is not a positive integer, or the series is too short.
    TypeError
        If the estimator cannot forecast, or cannot forecast from given rows and `refit` is False.

    References
    ----------
    .. [1] Hyndman and Koehler (2006). Another look at measures of forecast accuracy.
       https://doi.org/10.1016/j.ijforecast.2006.03.001
    .. [2] Tashman (2000). Out-of-sample tests of forecasting accuracy. https://doi.org/10.1016/S0169-2070(00)00065-0

    Examples
    --------
    >>> import numpy as np
    >>> from skdopamine import DopamineESNForecaster
    >>> from skdopamine.evaluation import backtest
    >>> rng = np.random.default_rng(0)
    >>> sales = 10 + np.sin(2 * np.pi * np.arange(240) / 12) + 0.1 * rng.standard_normal(240)
    >>> esn = DopamineESNForecaster(n_units=20, stateful=True, trainable=(), random_state=0)
    >>> result = backtest(esn, sales, n_steps=12, n_origins=8, season=12)
    >>> result.mase.shape
    (12,)
    >>> bool(result.summary()["mase"] < result.summary()["naive_mase"])
    True
    """
    _check_count("season", season)
    if not hasattr(estimator, "forecast"):
        raise TypeError(f"estimator must have a method forecast, got {type(estimator).__name__}.")
    if not refit and "X" not in inspect.signature(estimator.forecast).parameters:
        raise TypeError(
            f"estimator must forecast from given rows, X, unless refit=True, got {type(estimator).__name__}."
        )
    if is_panel(series):
        raise ValueError(f"series must be one series, got {type(series).__name__} of many.")
    series, had = completed(series)
    values = np.asarray(series, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    origins = RollingOrigin(n_steps, n_origins, step=step).origins(len(values))
    if origins[0] <= season:
        raise ValueError(f"The first origin must lie after season={season} rows, got {origins[0]}.")
    exog = None if exog is None else _covariates(exog, series, values, had)
    shares = _shares(coverages) if hasattr(estimator, "forecast_interval") else ()
    scale, square_scale = _scales(values[: origins[0]], season)
    task = _Task(series, exog, n_steps, shares)
    if refit:
        ahead = Parallel(n_jobs=n_jobs)(delayed(task.fitted_and_ahead)(clone(estimator), int(o)) for o in origins)
    else:
        fitted = task.fitted(clone(estimator), int(origins[0]))
        ahead = task.all_ahead(fitted, [int(origin) for origin in origins])
    forecast = np.stack([path for path, _ in ahead])
    lower, upper = np.moveaxis(np.stack([ends for _, ends in ahead]), 1, 0) if shares else (None, None)
    rows = origins[:, None] + np.arange(n_steps)
    last = origins[:, None] - season + np.arange(n_steps) % season
    tiny = np.finfo(float).tiny
    return Backtest(
        origins,
        forecast,
        values[rows],
        values[last],
        lower,
        upper,
        shares,
        np.maximum(scale, tiny),
        np.maximum(square_scale, tiny),
        season,
    )


def _covariates(exog: Any, series: Any, values: Array, had: Array | None) -> Any:
    """Covariates of all rows of the series, by their labels where both have some."""
    wanted = Wanted.of(Frame.of(series), getattr(series, "index", None), values, had, 0)
    array = wanted.rows(exog, longest=-1)
    if len(array) != len(values):
        raise ValueError(f"exog must have the {len(values)} rows of the series, got {len(array)}.")
    if not (library_of(exog) == library_of(series) == "pandas"):
        return array if had is not None else exog
    import pandas as pd

    return pd.DataFrame(array, series.index, exog.columns if exog.ndim == 2 else [exog.name])


def _shares(coverages: Any) -> tuple[float, ...]:
    given = [coverages] if np.ndim(coverages) == 0 else list(coverages)
    if not all(isinstance(share, int | float | np.floating) and 0 < share < 1 for share in given):
        raise ValueError(f"coverages must be between 0 and 1, got {coverages!r}.")
    return tuple(float(share) for share in given)


def _scales(before: Array, season: int) -> tuple[Array, Array]:
    """Mean absolute and root mean square change over a season, in rows (n, channels)."""
    changes = before[season:] - before[:-season]
    if np.isnan(changes).all(axis=0).any():
        raise ValueError(f"series must have two rows season={season} apart before the first origin, got none.")
    return np.nanmean(np.abs(changes), axis=0), np.sqrt(np.nanmean(changes**2, axis=0))


def _mean(values: Array) -> Array:
    """Mean over origins and channels, (origins, n_steps, channels, ...), of what is known."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a step of which nothing is known has no error
        return np.asarray(np.nanmean(values, axis=(0, 2)))


class _Task:
    """What is forecast from each origin."""

    def __init__(self, series: Any, exog: Any, n_steps: int, coverages: tuple[float, ...]) -> None:
        self.series, self.exog, self.n_steps, self.coverages = series, exog, n_steps, coverages

    def fitted(self, estimator: Any, origin: int) -> Any:
        """The estimator, fitted to the rows before the origin."""
        options = {} if self.exog is None else {"exog": _rows(self.exog, 0, origin)}
        return estimator.fit(_rows(self.series, 0, origin), **options)

    def ahead(self, fitted: Any, origin: int, fitted_to: int) -> tuple[Array, Array]:
        """Forecast (n_steps, channels) from the origin, and the ends of intervals (2, n_steps, channels, coverages)."""
        options: dict[str, Any] = {} if fitted_to == origin else {"X": _rows(self.series, 0, origin)}
        if self.exog is not None:
            first = origin if fitted_to == origin else 0
            options["exog"] = _rows(self.exog, first, origin + self.n_steps)
        path = np.asarray(fitted.forecast(self.n_steps, **options), dtype=float).reshape(self.n_steps, -1)
        if not self.coverages:
            return path, np.empty((2, *path.shape, 0))
        return path, self.ends(fitted.forecast_interval(self.n_steps, list(self.coverages), **options), path)

    def all_ahead(self, fitted: Any, origins: list[int]) -> list[tuple[Array, Array]]:
        """The same from each origin, by an estimator that is fitted to the rows before the first."""
        if not isinstance(fitted, DopamineESNForecaster):
            return [self.ahead(fitted, origin, fitted_to=origins[0]) for origin in origins]
        options: dict[str, Any] = {"X": [_table(_rows(self.series, 0, origin)) for origin in origins]}
        if self.exog is not None:
            options["exog"] = [_table(_rows(self.exog, 0, origin + self.n_steps)) for origin in origins]
        found = fitted.forecast(self.n_steps, **options)
        paths = [np.asarray(path, dtype=float).reshape(self.n_steps, -1) for path in found]
        if not self.coverages:
            return [(path, np.empty((2, *path.shape, 0))) for path in paths]
        ends = fitted.forecast_interval(self.n_steps, list(self.coverages), **options)
        return [(path, self.ends(own, path)) for path, own in zip(paths, ends, strict=True)]

    def ends(self, ends: Any, path: Array) -> Array:
        """Ends (2, n_steps, channels, coverages) of intervals, given in a pair of arrays or in a frame."""
        if not isinstance(ends, tuple):
            ends = np.moveaxis(np.asarray(ends, dtype=float).reshape(*path.shape, 2, -1), 2, 0)
        return np.stack([np.reshape(end, (*path.shape, len(self.coverages))) for end in ends])

    def fitted_and_ahead(self, estimator: Any, origin: int) -> tuple[Array, Array]:
        """The same, by an estimator that is fitted to the rows before this origin."""
        return self.ahead(self.fitted(estimator, origin), origin, origin)


def _rows(values: Any, first: int, last: int) -> Any:
    """Some rows of an array, a list, a Series or a frame."""
    return values.iloc[first:last] if hasattr(values, "iloc") else values[first:last]


def _table(rows: Any) -> Any:
    """Rows that are a series in a list of series: a list of numbers is none."""
    return np.asarray(rows, dtype=np.float64) if isinstance(rows, list | tuple) else rows


def _check_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be a positive integer, got {value!r}.")
