"""DopamineESNForecaster: the scikit-learn contract, windows, forecasts and intervals."""

import warnings
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted

from skdopamine._esn import intervals as _intervals
from skdopamine._esn import record as _record
from skdopamine._esn.ahead import ForecastingESN
from skdopamine._esn.calendar import Calendar
from skdopamine._esn.panel import Panel
from skdopamine._esn.reading import windows_taken
from skdopamine._esn.rows import Following
from skdopamine._estimator import ending as _ending
from skdopamine._estimator import validation as _validation
from skdopamine._estimator.arrays import takes_arrays
from skdopamine._estimator.caller import users_level
from skdopamine._estimator.journal import journaled
from skdopamine._estimator.validation import count, integer, non_negative, number, one_of, positive, share
from skdopamine._typing import Array

__all__ = ["DopamineESNForecaster"]

MOST_UNITS = 2**15  # there is a matrix of units by units


class DopamineESNForecaster(RegressorMixin, ForecastingESN):
    """Echo-state network that tunes itself on its own forecasts, without backpropagation.

    A reservoir, a fixed random recurrent network, reads the series. A readout, a ridge regression on the reservoir's
    state and on the last rows themselves, predicts the next row [1]_. A forecast feeds predictions back as inputs: this
    is a closed loop. Whether a closed loop stays good depends on the gains of the network: spectral radius, leak rate,
    scalings and penalties. Training perturbs the gains, and keeps those with the smaller error of closed loops on the
    last quarter of the rows [2]_.

    Parameters
    ----------
    n_units : int, default=300
        Number of units in the reservoir, or in each where several are averaged (Notes).
    n_channels : int, default=1
        Number of values that were measured at one time. A row of X has ``n_lags * n_channels`` columns. With
        ``stateful=True`` it is ignored: every column is a channel.
    stateful : bool, default=False
        Whether the rows of X are consecutive times of a series, or of many. With False they are independent windows.
        With True, `predict` takes the rows that follow directly after the rows of `fit`. Cross-validation must then be
        without a gap, unless an index of pandas shows the gap.
    horizon : int or "auto", default="auto"
        Number of steps of the closed loop that training is judged by, with ``stateful=True``. "auto" is 200, or a third
        of the rows held back if that is less.
    spectral_radius : float, default=0.4
        Largest absolute eigenvalue of the recurrent weights. Tuning begins from this value and the other gains given
        here.
    leak_rate : float, default=0.99
        Share of a unit's state that is renewed in one step, in (0, 1].
    input_scaling : float, default=0.1
        Scale of the input weights. Inputs are standardised.
    bias_scaling : float, default=1.0
        Scale of the units' biases.
    ridge : float, default=1e-10
        Penalty of the readout's weights for units, per row.
    lag_ridge : float, default=1e-9
        Penalty of the readout's weights for past rows, per row.
    readout_lags : int, list of int or "auto", default="auto"
        Past rows that the readout sees beside the reservoir:

        * "auto": the last rows, as many as hold 50 values, and of a series at most an eighth of its rows. With
          ``stateful=True``, also three rows around one season before the next row, for each season.
        * An int: that many last rows.
        * A list: rows by how far back they lie, 0 being the last.
    season : "auto", int, list of int or None, default="auto"
        Number of rows in a season, with ``stateful=True``:

        * "auto": the clear peak of the autocorrelation, if there is one; two and a half seasons of rows are enough.
        * An int or a list: one season or several.
        * None: no season.
    difference : {"auto", 0, 1}, default="auto"
        Whether the network reads and predicts differences, with ``stateful=True``:

        * 0: it reads the rows themselves.
        * 1: it reads their differences to one season before or, without a season, to the row before.
        * "auto": closed loops on rows held back decide, if gains are trained and `loss` is no callable. Otherwise it
          reads rows.
    bounds : None or pair (low, high), default=None
        Limits for predictions of the next row, forecasts and intervals. Sales are never negative: ``bounds=(0, None)``.
        Each limit is a number, one number for each channel, or None. None leaves the limit to the data (Notes).
    reservoir_connectivity : float or "auto", default="auto"
        Share of the recurrent links that exist, in (0, 1]. "auto" is ten links per unit.
    state_noise : float, default=0.0
        Standard deviation of Gaussian noise on the units while the readout is learnt.
    washout : int or "auto", default="auto"
        Number of first rows that `fit` reads but does not learn from, with ``stateful=True``. "auto" is a tenth of the
        rows, at most 100, and at least the longest lag.
    trainable : str or tuple of str, default=("gains",)
        What training changes beside the ridge readout, in this order:

        * "gains": the gains, by the loss of closed loops.
        * "recurrent": all weights of the reservoir. They are judged by the squared error one step ahead of the ridge
          readout that is best for them, whatever `loss` is.
        * "readout": the readout, by `loss`.
        * (): nothing, a plain echo-state network.
    loss : str or callable, default="squared_error"
        Loss that training minimises:

        * "squared_error": squared error.
        * "absolute_error", "huber": errors count less than squared, so outliers do less harm. The ridge readout is
          robust, too (Notes).
        * "pinball": the loss of the quantile `quantile`.
        * A callable ``loss(y_true, y_pred)`` that returns one value per row, or one number. It is slower.

        With "pinball" and a callable, the ridge readout still minimises squares; trainable="readout" then trains it by
        the loss.
    quantile : float, default=0.5
        Quantile of loss="pinball", in (0, 1). `fit` warns if it is set with another loss.
    perturbation_scale : float or "auto", default="auto"
        Size of the noise that training adds. "auto" is

        * 0.5 for gains, and smaller from one update to the next. A unit is a factor of ``e ** 0.5`` to ``e ** 2``,
          depending on the gain.
        * 0.01 for the readout.

        "recurrent" needs no noise.
    n_perturbations : int or "auto", default="auto"
        Number of antithetic pairs in an update: the same noise, once added and once subtracted. "auto" is 5 for gains
        and 16 for the readout.
    learning_rate : {"dopamine", "constant", "invscaling"}, default="dopamine"
        How the learning rate changes:

        * "dopamine": the reward prediction error (RPE), by how much an update turned out better or worse than expected,
          raises and lowers the rate.
        * "constant": the rate stays at `learning_rate_init`.
        * "invscaling": the rate falls as ``learning_rate_init / update ** power_t``.
    learning_rate_init : float or "auto", default="auto"
        Learning rate at the start. "auto" is 1 for gains, a full step to the mean of the best, and 0.003 for weights.
    power_t : float, default=0.5
        Exponent of learning_rate="invscaling".
    momentum : float, default=0.9
        Decay of the running mean of the credit of weights, in [0, 1). The credit tells how far each weight should move.
    max_iter : int, default=200
        Maximum number of epochs, for weights. Gains have up to 16 updates, in proportion more for `max_iter` above 200,
        and at most `max_iter`.
    validation_fraction : float, default=0.25
        Share of the rows that training is judged on, in (0, 1): the last rows, and at most 4,000. The final readout
        learns from all rows.
    tol : float, default=1e-4
        Smallest improvement of the loss that counts.
    n_iter_no_change : int or np.inf, default=10
        Number of epochs without improvement by `tol` after which training stops; np.inf for never.
    random_state : int, RandomState instance or None, default=None
        Seed of the reservoir and the perturbations.
    verbose : bool or int, default=False
        Whether to print one line per epoch.

    Attributes
    ----------
    gains_ : dict of str to float
        The gains in use.
    base_ : str
        The simple forecast that the readout adds to, and that its penalties shrink it to: "mean", "last value",
        "drift", "seasonal naive", or "seasonal naive and last change".
    readout_ : ndarray of shape (n_features_out, n_outputs_)
        Weights of the readout, in standardised units: for units, for past rows (each lag's channels together), for
        products of channels, and for the constant. Products are of two and three channels of the last row, where these
        help. The weights of several reservoirs stand one below the other.
    n_reservoirs_ : int
        Number of reservoirs whose predictions are averaged: 1, or 5 where that pays. In forecasts each reservoir feeds
        its own path back, and the paths are averaged.
    lags_ : ndarray of int
        Past rows that the readout sees, 0 being the last.
    fitted_values_ : ndarray of shape (n_samples,) or (n_samples, n_outputs_), list or dict of them
        Predictions for each row of `fit` from the rows before, with ``stateful=True``; nan where nothing is before.
        With targets of your own, predictions of each target. `fit` has learnt from these rows: errors on later rows are
        larger.
    n_features_in_ : int
        Number of columns seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if X has string names.
    n_outputs_ : int
        Number of target columns.
    n_iter_ : int
        Number of epochs of the last `fit`, at least 1.
    loss_ : float
        Training loss of the last epoch. For gains it is the mean logarithm of the error (of a callable the loss
        itself). For weights it is the loss relative to the loss of the ridge readout.
    best_loss_ : float
        Lowest loss of an epoch, in the stage that was trained last.
    loss_curve_ : list of float
        Loss of each epoch.
    learning_rate_ : float
        Learning rate at the end.
    learning_rate_curve_ : list of float
        Learning rate at the end of each epoch.
    reward_prediction_error_curve_ : list of float
        Mean reward prediction error of each epoch: by how much the last update lowered the loss.
    n_evaluations_ : int
        Loss evaluations spent: windows times perturbed or unperturbed reservoirs.

    See Also
    --------
    DopamineMLPRegressor : A feed-forward network, for windows without an order in them.
    make_windows : Cuts a series into windows.

    Notes
    -----
    **Windows or series.** With ``stateful=False`` the reservoir reads every row from the zero state, so rows are
    independent. With ``stateful=True`` the state is carried from row to row. `predict` then reads X as the rows that
    follow those of `fit`, and changes nothing. Predictions can be fed back if y is None, or holds the next row of each
    row of X; see `forecast`.

    **Units and limits.** Inputs and targets are standardised inside, in a copy. Predictions that are fed back are held
    near the range of the training rows, so that the loop cannot run away. They may leave the range by .02 of its size,
    plus twice what later rows have left the range of the first quarter by. The most is half the range. `forecast` warns
    where the limit was needed. Where the network predicts differences, the range is the range of the differences.
    `bounds` are always limits of the rows: a forecast from differences is cut to them in the end.

    **Simple forecast.** The readout adds to a simple forecast, its base (`base_`), and its penalties shrink it to the
    base. On noisy series the choice of the base matters more than the network. For rows the base is their mean or the
    last row. For differences it is a drift, the season before, or the season before and the last change. Readouts of
    the rows before several splits forecast the rows after each split, with untuned gains. `fit` takes the base with the
    smallest root mean square error, whatever `loss` is. With fewer than six seasons such loops can hardly tell. `fit`
    then takes the season before and the last change, unless another base halves the error. Tuned gains must do better
    on the same loops by more than a standard error. Tuning itself reads rows or, with ``difference=1``, differences.

    **Series without noise.** The readout follows them as closely as rounding allows. This applies if the error one step
    ahead is below 1e-4 of the deviation. Closed loops over rows held back then choose how far to lower or raise both
    penalties (see `gains_`). They also choose whether the readout sees products of channels of the last row. Rows a
    season back make such loops unstable and are left out, unless `readout_lags` is given. Half of the loops choose. The
    other half has to agree by more than a standard error, and so do loops of the readout of all rows. The readout is
    then solved by the root of the normal equations.

    **Several reservoirs.** Tuned gains make reservoirs far from linear, and the forecasts then depend on the random
    draw. So if tuned gains are kept for one series with noise, `fit` draws four more reservoirs. It forecasts the mean
    of all five paths on two conditions. On the loops held back, the mean must beat the average path by more than a
    standard error and by 3 %. It must also not be worse than the first reservoir alone by 3 % or more
    (`n_reservoirs_`). Everything after `fit` then takes three to five times as long.

    **Outliers.** With ``loss="absolute_error"`` and "huber", rows weigh less the larger their errors are, by repeated
    least squares. With "absolute_error" the weight is one over the error. With "huber" this holds beyond 1.345
    deviations only. The deviation is estimated from the median of the errors. Rows of `partial_fit` are weighed by
    their errors before they are learnt from. Outliers are still read as inputs. A few values, at most one in fifty, may
    be so far from all others that they alone would set the units. This is so if the deviation of all values is more
    than thirty times the deviation of the others. `fit`, and a first `partial_fit`, read such values as the nearest of
    the others, and warn.

    **Missing rows.** A missing row of a series is not learnt from, and the forecaster reads its own forecast in place
    of the row. Before the first row it reads the mean. Rows that a regular index of pandas leaves out are missing, too,
    also between `fit` and the rows that follow, up to 10,000. Weekdays that never occur in three weeks or more are not
    missing. Targets of your own may be nan; if these are not the next rows, a missing row is read as the row before.

    **Many series.** They share the reservoir and the readout. States and units are separate: each series is
    standardised by itself. Gains, base and season are chosen on some of the series, 6,000 rows in all.

    **Covariates.** The readout also sees the covariates of the row that it predicts, of the row before, and of the row
    one season before. Covariates add to the forecast. Where they rather multiply, take logarithms of the series.

    **Memory.** Gains are tuned on the last 6,000 rows at most, and states are not stored. So the memory of a fit beyond
    the data does not depend on the length of the series.

    References
    ----------
    .. [1] Jaeger and Haas (2004). Harnessing nonlinearity. https://doi.org/10.1126/science.1091277
    .. [2] Nambusubramaniyan, Safavi, Guru and Knoblauch (2025). Dopamine-driven synaptic credit assignment in neural
       networks. https://arxiv.org/abs/2510.22178

    Examples
    --------
    >>> from skdopamine import DopamineESNForecaster
    >>> from skdopamine.datasets import make_mackey_glass
    >>> series = make_mackey_glass(1100, random_state=0)
    >>> esn = DopamineESNForecaster(n_units=100, stateful=True, random_state=0).fit(series[:1000])
    >>> ahead = esn.forecast(20)
    >>> bool(abs(ahead - series[1000:1020, 0]).max() < 0.05)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **_validation.COMMON_CONSTRAINTS,
        "n_units": [count(MOST_UNITS)],
        "n_channels": [count()],
        "stateful": ["boolean"],
        "horizon": [one_of("auto"), count()],
        "spectral_radius": [non_negative()],
        "leak_rate": [number(0, 1, closed="right")],
        "input_scaling": [non_negative()],
        "bias_scaling": [non_negative()],
        "ridge": [positive()],
        "lag_ridge": [positive()],
        "readout_lags": [one_of("auto"), count(), list, tuple],
        "season": [one_of("auto"), count(), list, tuple, None],
        "difference": [one_of("auto"), integer(0, 1)],
        "bounds": [tuple, list, None],
        "reservoir_connectivity": [one_of("auto"), number(0, 1, closed="right")],
        "state_noise": [non_negative()],
        "washout": [one_of("auto"), integer(0)],
        "trainable": [str, list, tuple],
        "loss": [str, callable],
        "quantile": [share()],
        "learning_rate_init": [one_of("auto"), positive()],
    }

    def __init__(
        self,
        n_units: int = 300,
        *,
        n_channels: int = 1,
        stateful: bool = False,
        horizon: int | str = "auto",
        spectral_radius: float = 0.4,
        leak_rate: float = 0.99,
        input_scaling: float = 0.1,
        bias_scaling: float = 1.0,
        ridge: float = 1e-10,
        lag_ridge: float = 1e-9,
        readout_lags: Any = "auto",
        season: Any = "auto",
        difference: int | str = "auto",
        bounds: Any = None,
        reservoir_connectivity: float | str = "auto",
        state_noise: float = 0.0,
        washout: int | str = "auto",
        trainable: Any = ("gains",),
        loss: Any = "squared_error",
        quantile: float = 0.5,
        perturbation_scale: float | str = "auto",
        n_perturbations: int | str = "auto",
        learning_rate: str = "dopamine",
        learning_rate_init: float | str = "auto",
        power_t: float = 0.5,
        momentum: float = 0.9,
        max_iter: int = 200,
        validation_fraction: float = 0.25,
        tol: float = 1e-4,
        n_iter_no_change: float = 10,
        random_state: Any = None,
        verbose: bool | int = False,
    ) -> None:
        self.n_units = n_units
        self.n_channels = n_channels
        self.stateful = stateful
        self.horizon = horizon
        self.spectral_radius = spectral_radius
        self.leak_rate = leak_rate
        self.input_scaling = input_scaling
        self.bias_scaling = bias_scaling
        self.ridge = ridge
        self.lag_ridge = lag_ridge
        self.readout_lags = readout_lags
        self.season = season
        self.difference = difference
        self.bounds = bounds
        self.reservoir_connectivity = reservoir_connectivity
        self.state_noise = state_noise
        self.washout = washout
        self.trainable = trainable
        self.loss = loss
        self.quantile = quantile
        self.perturbation_scale = perturbation_scale
        self.n_perturbations = n_perturbations
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.momentum = momentum
        self.max_iter = max_iter
        self.validation_fraction = validation_fraction
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state
        self.verbose = verbose

    # ---- fit ---------------------------------------------------------------------------------------------------------

    @takes_arrays
    @_validation.fit_context
    def fit(self, X: Any, y: Any = None, *, exog: Any = None) -> Self:
        """Fit the forecaster to a series, or to windows of one.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_channels) or (n_samples, n_lags * n_channels), Series, frame, list or dict
            With ``stateful=True``, the rows of one series in time order; a series of one channel may be
            one-dimensional. nan are gaps (Notes). With ``stateful=False``, one window per row, the oldest value first.

            Many series, for one model of all, may have any lengths. Pass

            * a list of arrays, Series or frames, or a dict of them. Nested lists of numbers are one array.
            * a pandas frame with an index of two levels: which series, and when.
            * a pandas or polars frame with columns "unique_id" and "ds".
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            Targets, for example the next row, or several next rows side by side. None is the next row of X, with
            ``stateful=True`` only.
        exog : array-like of shape (n_samples, n_covariates), list or dict, default=None
            Covariates that are known ahead, such as holidays and prices, for each row of X. For windows, covariates of
            each target. With ``stateful=True``, y has to be None.

            If X and exog have an index of pandas (times, periods, numbers), rows are matched by label. They may come in
            any order, and further rows do no harm. Otherwise they are matched by position, one row for each given row
            of X. Covariates may be missing where a whole row of X is missing; they then count as their mean. For many
            series pass a container like X, or one table for all. Shorter series take the last rows of a table that is
            matched by position.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or argument is not valid, or there are too few rows. The estimator is then as it was before.
        """
        with _ending.interruptible(self):
            with _validation.restored_on_error(self), journaled(self):
                self._check_training(X)
                rows = self._given(X, y, exog, first=True)
                results, cut_short = self._fit(rows, X, y)
            _ending.warn(
                results,
                max_iter=self.max_iter,
                learning_rate_init=self.learning_rate_init,
                cut_short=cut_short,
            )
        self._warn_of_gaps((Calendar(),) * len(rows.indexes), rows.indexes)
        self._warn(rows.told)
        if self.difference == 1 and not self._model.base.lag:
            message = _ending.without_effect("difference", 1, "stateful=True and y the next rows of X")
            self._warn(message)
        if self.season not in (None, "auto") and not self.stateful:
            message = _ending.without_effect("season", self.season, "stateful=True")
            self._warn(message)
        if self.bounds is not None and not self._model.form.feeds:
            message = _ending.without_effect("bounds", self.bounds, "targets that are the next rows")
            self._warn(message)
        if self.quantile != 0.5 and self.loss != "pinball":
            message = _ending.without_effect("quantile", self.quantile, "loss='pinball'")
            warnings.warn(message, UserWarning, stacklevel=users_level())
        return self

    # ---- prediction --------------------------------------------------------------------------------------------------

    @takes_arrays
    def predict(self, X: Any, *, exog: Any = None) -> Any:
        """Predict the targets of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_in_)
            Windows or, with ``stateful=True``, the rows directly after those of `fit` and `partial_fit`. For many
            series, pass the same series with equally many rows of each. Rows that a regular index leaves out in between
            are bridged.
        exog : array-like of shape (n_samples + 1, n_covariates), default=None
            Covariates of these rows and of the row after them, if `fit` had covariates. For windows, covariates of
            their targets.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs_)
            Predicted targets; for many series a list or dict of them.
        """
        check_is_fitted(self)
        following = self._following(X, exog, n_more=1)
        return self._given_back(following, self._predicted(following))

    def _predicted(self, following: Following) -> Array:
        """Predictions (n, series x targets) of the targets of rows."""
        model, stream = self._model, self._stream
        after = stream.after(following.rows)
        return model.restored(stream.predicted(model, model.scaled(after), following.exog), after)

    def _given_back(self, following: Following, *values: Array) -> Any:
        """Values (n, series x targets, ...) of the rows that were given, of many series in their container.

        Several values are a tuple for each series.
        """
        form, taken, found = self._model.form, following.taken, []
        for each in values:
            parts = [part[:, 0] if form.flat else part for part in np.split(each, form.n_series, axis=1)]
            found.append(taken.given_rows(parts))
        results: list[Any] = found[0] if len(values) == 1 else list(zip(*found, strict=True))
        return taken.frame.arrays_back(results) if isinstance(taken.frame, Panel) else results[0]

    def _following(self, X: Any, exog: Any, *, n_more: int, **options: Any) -> Following:
        """Rows that follow those of `fit`, and covariates of them and of so many rows more."""
        stream = self._stream
        if not self._model.form.is_series:
            rows = self._windows(X)
            taken = windows_taken(len(rows))
            return Following(rows, rows, taken, self._exog(exog, taken, 0, first=False))
        taken = self._taken(X, first=False, follows=True, **options)
        self._check_same_series(taken)
        self._warn_of_gaps(stream.calendars, taken.indexes)
        known = self._exog(exog, taken, n_more, first=False)
        rows = self._bridged(self._model, stream, taken.values, known, begun=True)
        return Following(rows, taken.values, taken, known)

    def _held(self, ends: Array) -> Array:
        """Ends (n, targets) of intervals, the next rows among them held within `bounds`."""
        return self._model.within(ends)

    @takes_arrays
    def score(self, X: Any, y: Any = None, sample_weight: Any = None, *, exog: Any = None) -> float:
        """Compute the coefficient of determination of the predictions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_in_)
            Rows, as for `predict`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs_), default=None
            True targets. None is the next row of X, with ``stateful=True`` only.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        exog : array-like of shape (n_samples, n_covariates), default=None
            Covariates of the rows or, for windows, of their targets, if `fit` had covariates.

        Returns
        -------
        score : float
            R2, at best 1: the mean over channels and series.
        """
        check_is_fitted(self)
        if y is None and self._model.form.is_series:
            following = self._following(X, exog, n_more=0, ensure_min_samples=3)
            weights = np.ones(len(following.rows)) if sample_weight is None else following.weights(sample_weight)
            return _mean_r2(
                following.given[1:], self._predicted(following)[:-1], weights[1:], self._model.form.n_series
            )
        if y is None:
            raise ValueError("y must be given with stateful=False, got None.")
        following = self._following(X, exog, n_more=1)
        return float(r2_score(y, self._given_back(following, self._predicted(following)), sample_weight=sample_weight))

    @takes_arrays
    def predict_interval(self, X: Any, coverage: Any = 0.9, *, exog: Any = None) -> Any:
        """Predict intervals that hold the targets with a given probability.

        An interval is as wide as the errors were on rows that the readout has not learnt from. These are the last rows
        of `fit` (`validation_fraction`), and the rows of `partial_fit` when they came. The width is the quantile of the
        absolute errors: the method is split-conformal [1]_.

        For one series with ``stateful=True``, the errors on the rows of X count as soon as they are read. The last 250
        errors are used. So the intervals follow a series that changes. While fewer errors are known, they are counted
        in units of the spread of the 24 rows before. The last rows of `fit` have also chosen the gains, and the errors
        do not show that.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_in_)
            Rows, as for `predict`.
        coverage : float or list of float, default=0.9
            Share of the targets that an interval is to hold, in (0, 1). A list gives several intervals.
        exog : array-like of shape (n_samples + 1, n_covariates), default=None
            Covariates, as for `predict`.

        Returns
        -------
        lower, upper : ndarray of shape (n_samples,) or (n_samples, n_outputs_)
            Ends of the intervals, with a last axis for several coverages. For many series a list or dict of such pairs.

        Raises
        ------
        ValueError
            If `coverage` or X is not valid, or too few errors are known for the coverage.

        References
        ----------
        .. [1] Lei, G'Sell, Rinaldo, Tibshirani and Wasserman (2018). Distribution-free predictive inference for
           regression. https://arxiv.org/abs/1604.04173
        """
        check_is_fitted(self)
        (coverages, several), model = _intervals.given_shares("coverage", coverage), self._model
        known, following = self._known(), self._following(X, exog, n_more=1)
        needed = _intervals.n_needed(max(coverages))
        error = _record.held_errors(known, model.population)
        if model.form.n_series > 1:
            error = _intervals.lent_errors(error, needed, model.form.n_channels)
        center = self._predicted(following)
        given, width = following.given, []
        goes_on = model.form.is_series and model.form.closed and center.shape == given.shape
        for one in coverages:
            _intervals.check_enough("coverage", coverage, one, _intervals.n_known(error))
            half = np.broadcast_to(_intervals.half_width(error, one), center.shape)
            if goes_on and model.form.n_series == 1:
                read = np.concatenate([self._stream.history, model.scaled(self._stream.after(following.rows))])
                seen = (given[1:] - center[:-1]) / model.inputs.unit
                absent = self._stream.absent_with(model, self._stream.after(given))
                half = _intervals.series_half_width(known, error, model.reader(read, absent=absent), seen, one)
            if goes_on:
                half = half * _intervals.growth(given, self._stream.ages, one, half, bounded=model.base.lag != 1)
            width.append(half * model.targets.unit)
        ends = [self._held(center + sign * half) for sign in (-1, 1) for half in width]
        lower, upper = (np.stack(side, axis=-1) for side in (ends[: len(width)], ends[len(width) :]))
        lower, upper = (lower, upper) if several else (lower[..., 0], upper[..., 0])
        return self._given_back(following, lower, upper)

    # ---- streams -----------------------------------------------------------------------------------------------------

    @takes_arrays
    @_validation.fit_context
    def partial_fit(self, X: Any, y: Any = None, *, exog: Any = None) -> Self:
        """Learn from further rows; the readout is then the ridge solution of all rows so far.

        The normal equations are accumulated and solved again, so the cost does not depend on the number of earlier
        rows. Gains, season, base and scales stay those of `fit`. Without a `fit`, they are the parameters and what the
        first rows show. Intervals learn from the new rows, too: from their errors before the readout has learnt from
        them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_in_)
            Windows or, with ``stateful=True``, the rows that follow those seen so far. Rows that a regular index of
            pandas leaves out in between are gaps.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs_), default=None
            Targets. None is the next row of X, with ``stateful=True`` only. The first row of X is then also the target
            of the last row seen before.
        exog : array-like of shape (n_samples, n_covariates), default=None
            Covariates, as for `fit`.

        Returns
        -------
        self : object
            The updated estimator.

        Raises
        ------
        ValueError
            If an argument is not valid, or the weights were trained otherwise than by ridge.
        """
        first = not hasattr(self, "_model")
        if not first and self._stream.normal is None:
            raise ValueError(
                "partial_fit would replace the weights that fit trained (trainable=...) by a ridge solution."
            )
        with _validation.restored_on_error(self), journaled(self, goes_on=False):
            self._check_training(X)
            rows = self._given(X, y, exog, first=first)
            if first:
                model, stream, rows = self._begun(rows)
            else:
                model, stream = self._model, self._stream
            calendars = stream.calendars
            stream = stream.learned(model, rows, waiting=y is None)
            assert stream.normal is not None
            self._set_fitted(model.solved(stream.normal), stream)
        self._warn_of_gaps(calendars, rows.indexes)
        self._warn(rows.told)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.required = not self.stateful
        tags.input_tags.allow_nan = bool(self.stateful)
        return tags


def _mean_r2(truth: Array, ahead: Array, weights: Array, n_series: int) -> float:
    """Mean over series of the R2 of predictions (n, series x channels) where the truth is known; nan if it never is."""
    scores = []
    for own, said in zip(*(np.split(part, n_series, axis=1) for part in (truth, ahead)), strict=True):
        known = ~np.isnan(own).any(axis=1)
        if known.sum() > 1:
            scores.append(r2_score(own[known], said[known], sample_weight=weights[known]))
    if not scores:
        message = "R2 is nan: no two rows of one series have a target whose channels are all known."
        warnings.warn(message, UndefinedMetricWarning, stacklevel=users_level())
        return np.nan
    return float(np.mean(scores))
