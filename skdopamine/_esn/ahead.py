"""What lies ahead of a series: forecasts, their intervals and quantiles, and paths that it may take."""

from typing import Any

import numpy as np

from skdopamine._esn import intervals as _intervals
from skdopamine._esn.outlook import OutlookESN
from skdopamine._estimator.arrays import takes_arrays
from skdopamine._estimator.journal import draw_seed
from skdopamine._estimator.validation import plain
from skdopamine._typing import Array

MOST_PATHS = 10**6
SHARE_OF_PATHS = 0.9  # paths need as many errors as an interval of this coverage


class ForecastingESN(OutlookESN):
    """What a forecaster offers beside predictions one step ahead."""

    @takes_arrays
    def forecast(self, n_steps: int, X: Any = None, *, exog: Any = None) -> Any:
        """Forecast the next rows, by feeding predictions back.

        Parameters
        ----------
        n_steps : int
            Number of rows to forecast.
        X : array-like, Series or frame of shape (n_samples, n_channels) or (1, n_features_in_), default=None
            Rows, or one window, to read first, from the zero state. None goes on after the last row of X that `fit` or
            `partial_fit` has read, even if its target was given. Give at least as many rows as the longest of `lags_`;
            missing earlier rows are taken to be the mean.

            Many series, as in `fit`, may be others than those of `fit`. After a fit of one series, all are counted in
            its units. After a fit of many, a series with a name (in a dict or a frame) that `fit` has seen keeps its
            units. Other series are counted in units of the rows given here.
        exog : array-like of shape (n_steps, n_covariates), default=None
            Covariates of the rows to come, if `fit` had covariates. With X, covariates of its rows and then of the rows
            to come. They are matched by label or by position, as in `fit`. If the index of X does not show how it goes
            on, the rows to come are those of the labels that follow. For many series pass a container like X, or one
            table.

        Returns
        -------
        path : ndarray of shape (n_steps,) or (n_steps, n_channels), Series or frame
            The forecast, in the container of the rows.

            * An array, one-dimensional if the targets of `fit` were.
            * For pandas or polars a Series or a frame, with the names of the channels. The index of pandas goes on; it
              counts the steps if it has no regular step.
            * For many series a container like theirs.

        Raises
        ------
        ValueError
            If `n_steps` or X is not valid, or the targets of `fit` were not the next rows.
        """
        self._check_steps(n_steps)
        origin = self._origin(int(n_steps), X, exog)
        return origin.given_back(origin.centre[..., None], None, lambda path: path[..., 0])

    @takes_arrays
    def forecast_interval(self, n_steps: int, coverage: Any = 0.9, X: Any = None, *, exog: Any = None) -> Any:
        """Forecast intervals, for each step by itself.

        An interval is as wide as the errors of closed loops were on rows that the readout has not learnt from. These
        are at most the last 4,000 rows. With fewer than 400 rows, the second half is cut into four pieces, and readouts
        of the rows before each piece forecast it. Errors are counted in units that follow the series:

        * without a season, or with `X`, the spread of the 24 rows before, as restless times are harder to forecast
          [1]_.
        * with a season and X=None, the errors at that time of the season, one step ahead and of loops, and the latest
          errors. A season of more than 24 rows may turn out to be one of a part of it, as a week is of a day.

        Errors above and below count separately if many loops have room side by side. If few have, errors of nearby
        steps are pooled, each in units of its step's errors. The intervals are then wider, as loops that overlap are
        worth less. `forecast_interval` warns if fewer than two loops have room. Beyond the longest loops, intervals
        widen with the root of the steps.

        Parameters
        ----------
        n_steps : int
            Number of rows to forecast.
        coverage : float or list of float, default=0.9
            Share of the rows that an interval is to hold, in (0, 1). A list gives several intervals.
        X : array-like, Series or frame of shape (n_samples, n_channels), default=None
            Rows to read first, as for `forecast`.
        exog : array-like of shape (n_steps, n_covariates), default=None
            Covariates, as for `forecast`.

        Returns
        -------
        lower, upper : ndarray of shape (n_steps,) or (n_steps, n_channels)
            Ends of the intervals, with a last axis for several coverages. For a series of pandas or polars, one frame
            instead, with columns such as "lower_90" and "upper_90". With several channels the columns are
            "name_lower_90" and so on.

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
        outlook = self._outlook(int(n_steps), X, exog, "coverage", coverage, coverages)
        tails = np.array([(1 + sign * share) / 2 for sign in (-1, 1) for share in coverages])
        kinds = [f"{side}_{100 * share:g}" for side in ("lower", "upper") for share in coverages]

        def ends(values: Array) -> tuple[Array, Array]:
            lower, upper = np.split(values, 2, axis=-1)
            return (lower, upper) if several else (lower[..., 0], upper[..., 0])

        return outlook.origin.given_back(outlook.quantiles(tails), kinds, ends)

    @takes_arrays
    def forecast_quantiles(
        self, n_steps: int, quantiles: Any = (0.1, 0.5, 0.9), X: Any = None, *, exog: Any = None
    ) -> Any:
        """Forecast quantiles, for each step by itself.

        They come from the same errors as the intervals of `forecast_interval`.

        Parameters
        ----------
        n_steps : int
            Number of rows to forecast.
        quantiles : float or list of float, default=(0.1, 0.5, 0.9)
            Share of the rows that is to lie below each quantile, in (0, 1).
        X : array-like, Series or frame of shape (n_samples, n_channels), default=None
            Rows to read first, as for `forecast`.
        exog : array-like of shape (n_steps, n_covariates), default=None
            Covariates, as for `forecast`.

        Returns
        -------
        values : ndarray of shape (n_steps, n_quantiles) or (n_steps, n_channels, n_quantiles)
            The quantiles, without the last axis if `quantiles` is a number. For a series of pandas or polars, a frame
            with columns such as "q0.1", with several channels "name_q0.1".

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
        coverages = [abs(2 * share - 1) for share in shares]
        outlook = self._outlook(int(n_steps), X, exog, "quantiles", quantiles, coverages)
        kinds, found = [f"q{share:g}" for share in shares], outlook.quantiles(np.array(shares))
        return outlook.origin.given_back(found, kinds, lambda values: values if several else values[..., 0])

    @takes_arrays
    def sample_paths(
        self, n_steps: int, n_paths: int = 100, X: Any = None, *, exog: Any = None, random_state: Any = None
    ) -> Any:
        """Draw paths that the series may take, for sums and other functions of several steps.

        Each path is the forecast plus the errors of one whole closed loop over rows held back, drawn at random. So
        paths show what steps do together, as for the sum of a week, which quantiles of each step cannot. If few loops
        have room side by side, errors get a random sign, and are stretched by Student's distribution.

        Parameters
        ----------
        n_steps : int
            Number of rows to forecast.
        n_paths : int, default=100
            Number of paths to draw.
        X : array-like, Series or frame of shape (n_samples, n_channels), default=None
            Rows to read first, as for `forecast`.
        exog : array-like of shape (n_steps, n_covariates), default=None
            Covariates, as for `forecast`.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws. None takes the seed of the estimator, so that each call draws the same paths.

        Returns
        -------
        paths : ndarray of shape (n_paths, n_steps) or (n_paths, n_steps, n_channels)
            The paths. For a series of pandas or polars, a frame with a row for each step and columns such as "path_0",
            with several channels "name_path_0".

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
        outlook = self._outlook(int(n_steps), X, exog, "n_paths", n_paths, [SHARE_OF_PATHS])
        paths = outlook.paths(int(n_paths), seed)
        kinds = [f"path_{i}" for i in range(int(n_paths))]
        return outlook.origin.given_back(paths, kinds, lambda values: np.moveaxis(values, -1, 0))
