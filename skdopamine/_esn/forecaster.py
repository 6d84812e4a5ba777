"""DopamineESNForecaster: the scikit-learn contract, windows, forecasts and intervals."""

import warnings
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted

from skdopamine._esn import intervals as _intervals
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

    A fixed random recurrent network, the reservoir, reads the series; a ridge readout of its state, and of the last
    rows themselves, predicts the next row [1]_. What decides whether predictions that are fed back stay good is the
    reservoir's gains: spectral radius, leak rate, scalings and penalties. They are perturbed, and the error of the
    closed loop on the last quarter of the rows decides which to keep [2]_.

    Parameters
    ----------
    n_units : int, default=300
        Units of the reservoir, or of each where several are averaged (Notes).
    n_channels : int, default=1
        Values that were measured at one time: a row of X has ``n_lags * n_channels`` columns. With ``stateful=True``
        it is ignored: every column is a channel.
    stateful : bool, default=False
        Whether the rows of X are consecutive times of a series, or of many, and not independent windows.
        Cross-validation must then be without a gap, unless an index of pandas tells of it: the predicted rows follow
        directly after the rows of `fit`.
    horizon : int or "auto", default="auto"
        Steps of the closed loop that training judges by, with ``stateful=True``; "auto" is 200, or a third of the rows
        held back if that is less.
    spectral_radius : float, default=0.4
        Largest absolute eigenvalue of the recurrent weights. This and the other gains are where tuning begins.
    leak_rate : float, default=0.99
        Share of a unit's state that is renewed in one step, in (0, 1].
    input_scaling : float, default=0.1
        Scale of the input weights; inputs are standardised.
    bias_scaling : float, default=1.0
        Scale of the units' biases.
    ridge : float, default=1e-10
        Penalty of the readout's weights for units, per row.
    lag_ridge : float, default=1e-9
        Penalty of the readout's weights for past rows, per row.
    readout_lags : int, list of int or "auto", default="auto"
        Past rows that the readout sees beside the reservoir: the last ones, as many as this, or those that lie so far
        back, 0 being the last; "auto" is as many as hold 50 values, of a series at most an eighth of its rows, and with
        ``stateful=True`` three rows one season before the next row for each season.
    season : "auto", int, list of int or None, default="auto"
        Rows of a season, or of several, with ``stateful=True``; "auto" is the clear peak of the autocorrelation, which
        two and a half seasons are enough for; None is no season.
    difference : {"auto", 0, 1}, default="auto"
        Whether, with ``stateful=True``, the network reads and predicts the rows (0), or their differences to one season
        before or, without a season, to the row before (1). "auto" lets closed loops held back decide, where gains are
        trained; rows otherwise.
    bounds : None or pair (low, high), default=None
        Values between which predictions of the next row, forecasts and intervals are held: each a number, one for each
        channel, or None for what the rows say (Notes). Sales are never negative: ``bounds=(0, None)``.
    reservoir_connectivity : float or "auto", default="auto"
        Share of the recurrent links that exist, in (0, 1]; "auto" is ten links a unit.
    state_noise : float, default=0.0
        Standard deviation of Gaussian noise on the units while the readout is learnt.
    washout : int or "auto", default="auto"
        First rows, with ``stateful=True``, that are read but not learnt from by `fit`; "auto" is a tenth of the rows,
        at most 100, and at least the longest lag.
    trainable : str or tuple of str, default=("gains",)
        What is trained besides the ridge readout: any of "gains", "recurrent" (all weights of the reservoir, by the
        squared error one step ahead of the ridge readout that is best for them, whatever the loss) and "readout" (by
        `loss`), in this order; () is a plain echo-state network.
    loss : str or callable, default="squared_error"
        What training minimises: "squared_error", "absolute_error", "huber", "pinball", or a callable
        ``loss(y_true, y_pred)`` that returns one value per row, or one number, and is slower. With "absolute_error" and
        "huber" the ridge readout is robust (Notes); with the others it minimises squares all the same, and "readout"
        trains it further.
    quantile : float, default=0.5
        Quantile of loss="pinball", in (0, 1); `fit` warns of another with another loss.
    perturbation_scale : float or "auto", default="auto"
        Size sigma of the perturbation. "auto" is 0.5 for gains, in units of half a power of e or more, shrinking from
        one update to the next, and 0.01 for the readout; "recurrent" needs none.
    n_perturbations : int or "auto", default="auto"
        Antithetic pairs of perturbations of an update; "auto" is 5 for gains and 16 for the readout.
    learning_rate : {"dopamine", "constant", "invscaling"}, default="dopamine"
        Whether the reward prediction error moves the rate, or it stays constant, or falls as
        ``learning_rate_init / update ** power_t``.
    learning_rate_init : float or "auto", default="auto"
        Start of the learning rate; "auto" is 1 for gains, a full step to the mean of the best, and 0.003 for weights.
    power_t : float, default=0.5
        Exponent of "invscaling".
    momentum : float, default=0.9
        Decay of the running mean of the credit of weights, in [0, 1).
    max_iter : int, default=200
        Most epochs, for weights. Gains have up to 16 updates, more in proportion from 200 on, and at most `max_iter`.
    validation_fraction : float, default=0.25
        Share of the rows, the last ones and 4,000 at most, that training is judged on, in (0, 1). The final readout
        learns from all.
    tol : float, default=1e-4
        Least improvement of the loss that counts.
    n_iter_no_change : int or np.inf, default=10
        Epochs without improvement by `tol` after which training stops; np.inf for never.
    random_state : int, RandomState instance or None, default=None
        Determines the reservoir and the perturbations.
    verbose : bool or int, default=False
        Whether to print one line an epoch.

    Attributes
    ----------
    gains_ : dict of str to float
        The gains in use.
    base_ : str
        The simple forecast that the readout adds to and that its penalties shrink it to: "mean", "last value", "drift",
        "seasonal naive", or "seasonal naive and last change".
    readout_ : ndarray of shape (n_features_out, n_outputs_)
        Weights for units, past rows (each lag's channels together), products of two and three channels of the last row
        where they help, and the constant, in standardised units. Those of several reservoirs stand one below the other.
    n_reservoirs_ : int
        Reservoirs whose predictions, and paths that each feeds back by itself, are averaged: 1, or 5 where that pays.
    lags_ : ndarray of int
        Which past rows the readout sees, 0 being the last.
    fitted_values_ : ndarray of shape (n_samples,) or (n_samples, n_outputs_), list or dict of them
        With ``stateful=True``, what the fitted model predicts for each row of `fit` from the rows before, nan where
        nothing is before; of targets of your own, for each target. `fit` has learnt from these rows: errors on later
        ones are larger.
    n_features_in_ : int
        Number of columns seen during `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where X had string names.
    n_outputs_ : int
        Number of target columns.
    n_iter_ : int
        Epochs run by the last `fit`, at least 1.
    loss_ : float
        Training loss of the last epoch: of gains the mean logarithm of the error, of weights the loss in units of that
        of the ridge readout.
    best_loss_ : float
        Lowest loss of an epoch, of what was trained last.
    loss_curve_ : list of float
        Loss of each epoch.
    learning_rate_ : float
        Rate at the end.
    learning_rate_curve_ : list of float
        Rate at the end of each epoch.
    reward_prediction_error_curve_ : list of float
        Mean reward prediction error of each epoch: by how much the last update lowered the loss.
    n_evaluations_ : int
        Loss evaluations spent, windows times perturbed or unperturbed reservoirs.

    See Also
    --------
    DopamineMLPRegressor : A feed-forward network, for windows without an order in them.
    make_windows : Cuts a series into windows.

    Notes
    -----
    With ``stateful=False`` every row is read from the zero state, so that rows are independent. With ``stateful=True``
    the state is carried from row to row; `predict` reads X as the rows that follow those of `fit`, and changes nothing.
    With y the rows after those of X, or None, predictions can be fed back: see `forecast`.

    Inputs and targets are standardised inside, in a copy. Predictions that are fed back are held near the range of the
    training rows, so that the loop cannot run away: they may leave it by .02 of its size and twice what later rows have
    left the range of the first quarter by, at most by half of it; `forecast` warns where that was needed. Where the
    network predicts differences, that range is of the differences. `bounds` are of the rows in any case: a forecast
    from differences is cut to them in the end.

    On noisy series the readout has to shrink, and to what matters more than the network: of rows, to their mean or the
    last one; of differences, to a drift, to the season before, or to that and the last change. Readouts of the rows
    before several splits forecast the rows after each, and the base with the least root mean square error is taken,
    whatever `loss` is, with gains as they are. In fewer than six seasons such loops can hardly tell, and the last base
    named is taken, unless another halves the error. Tuned gains, which are those of rows or, with ``difference=1``, of
    differences, have to do better on the same loops by more than a standard error.

    Series without noise are followed as closely as rounding allows: where the error one step ahead is below 1e-4 of the
    deviation, closed loops over rows held back choose how far to lower or raise both penalties, as `gains_` shows, and
    whether the readout also sees products of channels of the last row; rows a season back, which make such loops
    unstable, are left out unless `readout_lags` is given. Half of the loops choose, the others have to
    agree by more than a standard error, and loops of the readout of all rows, too. It is then solved by the root of
    the normal equations.

    Tuned gains make reservoirs far from linear, and their forecasts depend on what was drawn. So where such gains are
    kept for one series with noise, four more reservoirs are drawn, and the mean of all five paths is forecast if it
    does better on the loops held back than one path does on average, by more than a standard error and by 3 %, and no
    worse than the first (`n_reservoirs_`). What follows `fit` then takes three to five times as long.

    With ``loss="absolute_error"`` and "huber" rows weigh less the larger their errors are, by least squares again and
    again: one over the error or, beyond 1.345 deviations, that over it, a deviation being that of the median of the
    errors. Rows of `partial_fit` weigh by their errors before they are learnt from. Outliers are still read as inputs.

    A few values so far from all others that they alone would set the units (a deviation thirty times that of the rest,
    which one in fifty at most are left out of) are read by `fit`, and by a first `partial_fit`, as the nearest of the
    others, and warned of.

    A missing row of a series is not learnt from, and the forecaster reads its own forecast in place of the row; before
    the first row it reads the mean. Rows that a regular index of pandas leaves out are missing, also between `fit`
    and the rows that follow, 10,000 at most; weekdays that never occur in three weeks or more are not. Targets of your
    own may be nan too; where these are not the next rows, a missing row is read as the one before.

    Many series share the reservoir and the readout. States are apart, and so are units: each series is standardised by
    itself. Gains, base and season are chosen on some of them, 6,000 rows in all.

    The readout also sees covariates: those of the row that it predicts, of the row before, and of the row one season
    before. They add to the forecast; where they rather multiply, take logarithms of the series.

    Gains are tuned on the last 6,000 rows at most, and states are not stored, so that the memory of a fit beyond the
    data does not depend on the length of the series.

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
            With ``stateful=True`` the rows of one series in time order, of one channel without an axis for it if you
            like; otherwise one window a row, oldest value first. Many series, for one model of all, are a list of
            arrays, Series or frames, or a dict of such, of any lengths, or one frame: of pandas with an index of two
            levels, which series and when, or of pandas or polars with columns "unique_id" and "ds". Nested lists of
            numbers are one array. With ``stateful=True``, nan are gaps (Notes).
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            Targets, for example the next row, or several next rows side by side. None, with ``stateful=True`` only, is
            the next row of X.
        exog : array-like of shape (n_samples, n_covariates), list or dict, default=None
            Covariates that are known ahead, such as holidays and prices, of each row of X or, of windows, of each
            target. With ``stateful=True``, y has to be None. Where X and exog have an index of pandas (times, periods,
            numbers), rows go by label, whatever their order, and more of them do no harm; all else goes by position,
            one row for each of X as it was given. Where a whole row of X is missing, its covariates may be, too: they
            count as their mean. Of many series these are in such a container, or one table for all, of which shorter
            series have the last rows if it goes by position.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter, X or y is not valid, or there are too few rows. The estimator is then as it was before.
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
            Windows or, with ``stateful=True``, the rows directly after those of `fit` and `partial_fit`, of many series
            the same ones, with as many rows of each. Rows that a regular index leaves out between are bridged.
        exog : array-like of shape (n_samples + 1, n_covariates), default=None
            Covariates of these rows and of the row after them, where `fit` had any; of windows, of their targets.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs_)
            Predicted targets, of many series a list or dict of them.
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
        """Coefficient of determination of the predictions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_in_)
            Rows, as for `predict`.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs_), default=None
            True targets; None, with ``stateful=True`` only, is the next row of X.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        exog : array-like of shape (n_samples, n_covariates), default=None
            Covariates of the rows or, of windows, of their targets, where `fit` had any.

        Returns
        -------
        score : float
            R2, 1 at best, the mean over channels and series.
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

        Split-conformal: as wide as the quantile of the absolute errors on rows that the readout has not learnt from,
        the last rows of `fit` (`validation_fraction`) and those of `partial_fit` when they came [1]_. With
        ``stateful=True`` the errors on the rows of X read so far count too, the last 250 in all, so that the intervals
        follow a series that changes; while fewer are known, they are counted in units of the spread of the 24 rows
        before. Gains have been chosen on the last rows of `fit`, which these errors do not show.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_in_)
            Rows, as for `predict`.
        coverage : float or list of float, default=0.9
            Share of the targets that an interval is to hold, in (0, 1); several for several intervals.
        exog : array-like of shape (n_samples + 1, n_covariates), default=None
            Covariates, as for `predict`.

        Returns
        -------
        lower, upper : ndarray of shape (n_samples,) or (n_samples, n_outputs_)
            Ends of the intervals, with a last axis for several coverages; of many series a list or dict of such pairs.

        Raises
        ------
        ValueError
            If `coverage` or X is not valid, or too few errors are known for such a coverage.

        References
        ----------
        .. [1] Lei, G'Sell, Rinaldo, Tibshirani and Wasserman (2018). Distribution-free predictive inference for
           regression. https://arxiv.org/abs/1604.04173
        """
        check_is_fitted(self)
        (coverages, several), model = _intervals.given_shares("coverage", coverage), self._model
        known, following = self._known(), self._following(X, exog, n_more=1)
        needed = _intervals.n_needed(max(coverages))
        error = _intervals.held_errors(known, model.population)
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

        The normal equations are accumulated and solved again, so that the cost does not depend on how many rows came
        before. Gains, season, base and scales stay those of `fit` or, if there was none, the parameters and what the
        first rows show. Intervals also learn from the new rows: from the errors on them before the readout does.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features_in_)
            Windows or, with ``stateful=True``, the rows that follow those seen so far; those that a regular index of
            pandas leaves out between are gaps.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs_), default=None
            Targets; None, with ``stateful=True`` only, is the next row of X, and of the last row seen before.
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
