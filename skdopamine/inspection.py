"""Plots of training, forecasts, backtests and searches. They need matplotlib, which the extra ``plot`` installs."""

import warnings
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skdopamine._esn.panel import Panel, divided
from skdopamine._typing import Array

__all__ = [
    "BacktestDisplay",
    "ForecastDisplay",
    "PanelForecastDisplay",
    "PerturbationScaleDisplay",
    "TrainingDisplay",
]

N_HISTORY = 4  # times the length of a forecast are shown before it, at most
N_SHOWN = 6  # series of many, where none are named
N_COLUMNS = 3  # of small multiples


class TrainingDisplay:
    """Plot of loss, learning rate and reward prediction error over the epochs of a fit.

    The reward prediction error (RPE) is by how much the last update lowered the loss on the next rows.

    Parameters
    ----------
    loss : array-like of shape (n_epochs,)
        Training loss of each epoch.
    learning_rate : array-like of shape (n_epochs,)
        Learning rate at the end of each epoch.
    reward_prediction_error : array-like of shape (n_epochs,)
        Mean reward prediction error of each epoch, positive where the loss fell.
    validation_loss : array-like of shape (n_judged_epochs,), default=None
        Loss on rows that training does not learn from, those of the folds if there are folds. It is drawn dashed.
    estimator_name : str, default=None
        Name for the legend.
    first_epoch : int, default=1
        Number of the epoch that the curves begin with: above 1 where a long stream has cut what came before.

    Attributes
    ----------
    axes_ : ndarray of shape (3,)
        Axes of loss, learning rate and reward prediction error.
    figure_ : matplotlib Figure
        Figure that holds the axes.
    lines_ : list of matplotlib Line2D
        The three curves, and the curve of the validation loss if there is one.

    See Also
    --------
    TrainingDisplay.from_estimator : Plot a fitted estimator.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skdopamine import DopamineMLPClassifier
    >>> from skdopamine.inspection import TrainingDisplay
    >>> model = DopamineMLPClassifier(random_state=0, max_iter=300).fit(*load_iris(return_X_y=True))
    >>> display = TrainingDisplay.from_estimator(model)
    >>> [axes.get_ylabel() for axes in display.axes_]
    ['Loss', 'Learning rate', 'Reward prediction error']
    """

    def __init__(
        self,
        *,
        loss: Any,
        learning_rate: Any,
        reward_prediction_error: Any,
        validation_loss: Any = None,
        estimator_name: str | None = None,
        first_epoch: int = 1,
    ) -> None:
        self.loss = loss
        self.learning_rate = learning_rate
        self.reward_prediction_error = reward_prediction_error
        self.validation_loss = validation_loss
        self.estimator_name = estimator_name
        self.first_epoch = first_epoch

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, axes: Sequence[Any] | None = None, name: str | None = None, **kwargs: Any
    ) -> Self:
        """Plot the curves of a fitted estimator of this package.

        Parameters
        ----------
        estimator : estimator
            Fitted estimator. For a pipeline, pass the last step, ``pipeline[-1]``.
        axes : sequence of three matplotlib Axes, default=None
            Axes to draw on; None makes new axes.
        name : str, default=None
            Name for the legend; None is the name of the class.
        **kwargs : dict
            Passed on to matplotlib's ``plot``.

        Returns
        -------
        display : TrainingDisplay
            The plotted display.

        Raises
        ------
        TypeError
            If the estimator has no curves of training.
        """
        if not hasattr(type(estimator), "fit"):
            raise TypeError(f"estimator must be an estimator, got {estimator!r}.")
        check_is_fitted(estimator)
        if not hasattr(estimator, "reward_prediction_error_curve_"):
            raise TypeError(
                f"estimator must have the traces of a fit by perturbation, got {type(estimator).__name__}; for "
                "a pipeline, pass the last step."
            )
        validation = getattr(estimator, "validation_loss_curve_", None)
        if validation is not None and estimator.best_loss_ is None:  # rows held back are those of the last fit alone
            validation = [np.nan] * (len(estimator.loss_curve_) - len(validation)) + validation
        display = cls(
            loss=estimator.loss_curve_,
            learning_rate=estimator.learning_rate_curve_,
            reward_prediction_error=estimator.reward_prediction_error_curve_,
            validation_loss=validation,
            estimator_name=type(estimator).__name__ if name is None else name,
            first_epoch=1 + estimator._history.n_forgotten,
        )
        return display.plot(axes, **kwargs)

    def plot(self, axes: Sequence[Any] | None = None, *, name: str | None = None, **kwargs: Any) -> Self:
        """Plot the three curves.

        Parameters
        ----------
        axes : sequence of three matplotlib Axes, default=None
            Axes to draw on; None makes new axes.
        name : str, default=None
            Name for the legend; None is `estimator_name`.
        **kwargs : dict
            Passed on to matplotlib's ``plot``.

        Returns
        -------
        display : TrainingDisplay
            This display.
        """
        if axes is None:
            axes = _pyplot().subplots(1, 3, figsize=(8, 2.6), layout="constrained")[1]
        self.axes_ = np.ravel(np.asarray(axes, dtype=object))
        if len(self.axes_) != 3:
            raise ValueError(f"axes must be three, got {len(self.axes_)}.")
        self.figure_ = self.axes_[0].figure
        name = self.estimator_name if name is None else name
        curves = (("Loss", self.loss), ("Learning rate", self.learning_rate))
        self.lines_ = []
        for ax, (label, values) in zip(
            self.axes_, (*curves, ("Reward prediction error", self.reward_prediction_error)), strict=True
        ):
            # the errors of a policy are those of its calls, of which there may be fewer than epochs
            first = self.first_epoch if len(values) == len(self.loss) else 1
            epochs = first + np.arange(len(values))
            self.lines_ += ax.plot(epochs, values, **{"label": name, "marker": _marker(values), **kwargs})
            ax.set(xlabel="Epoch", ylabel=label)
        if self.validation_loss is not None:
            epochs, color = self.first_epoch + np.arange(len(self.validation_loss)), self.lines_[0].get_color()
            style = _normalised(kwargs) | {"label": "_validation", "linestyle": "--", "color": color}
            self.lines_ += self.axes_[0].plot(epochs, self.validation_loss, **style)
        if np.all(np.asarray(self.learning_rate) > 0):
            self.axes_[1].set_yscale("log")
        self.axes_[2].axhline(0, color="0.6", linewidth=0.8, zorder=0)
        if name is not None:
            self.axes_[0].legend(frameon=False, fontsize="small", handlelength=1, loc="upper right")
        return self


class ForecastDisplay:
    """Plot of a series and its forecast, with intervals and the rows that came.

    Parameters
    ----------
    history : array-like of shape (n_history,)
        Rows before the forecast, of one channel.
    forecast : array-like of shape (n_steps,)
        Forecast rows.
    lower, upper : array-like of shape (n_steps,) or (n_steps, n_coverages), default=None
        Ends of the interval, or of several intervals, which are drawn as a fan.
    truth : array-like of shape (n_rows,), default=None
        Rows that came.
    times : array-like of shape (n_history + n_steps,), default=None
        Times of the history and of the forecast. None counts the steps, 0 being the last row before the forecast.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        Figure that holds the axes.
    lines_ : list of matplotlib Line2D
        Lines of the history, of the truth if there is one, and of the forecast.
    band_ : matplotlib FillBetweenPolyCollection or None
        The interval, or the widest of several.
    bands_ : list of matplotlib FillBetweenPolyCollection
        All intervals, the widest first.

    See Also
    --------
    ForecastDisplay.from_estimator : Forecast with a fitted estimator and plot the forecast.
    PanelForecastDisplay : Plot many series, side by side.

    Examples
    --------
    >>> from skdopamine import DopamineESNForecaster
    >>> from skdopamine.datasets import make_mackey_glass
    >>> from skdopamine.inspection import ForecastDisplay
    >>> series = make_mackey_glass(1100, random_state=0)
    >>> esn = DopamineESNForecaster(n_units=100, stateful=True, random_state=0).fit(series[:1000])
    >>> display = ForecastDisplay.from_estimator(esn, series[:1000], 100, truth=series[1000:])
    >>> len(display.lines_)
    3
    """

    def __init__(
        self,
        *,
        history: Any,
        forecast: Any,
        lower: Any = None,
        upper: Any = None,
        truth: Any = None,
        times: Any = None,
    ) -> None:
        self.history = history
        self.forecast = forecast
        self.lower = lower
        self.upper = upper
        self.truth = truth
        self.times = times

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        history: Any,
        n_steps: int,
        *,
        truth: Any = None,
        coverage: Any = 0.9,
        channel: int = 0,
        series: Any = None,
        exog: Any = None,
        ax: Any = None,
    ) -> Self:
        """Forecast with a fitted `DopamineESNForecaster` and plot the forecast.

        Parameters
        ----------
        estimator : DopamineESNForecaster
            Forecaster that is fitted to a series, or to many.
        history : array-like, Series or frame of shape (n_history, n_channels) or (n_history,), list or dict
            Rows up to the last row of `fit` and `partial_fit`. The plot shows at most four times `n_steps` of them. The
            axis shows dates if `history` and the rows of `fit` were of pandas with dates. For many series pass a
            container as in `fit`.
        n_steps : int
            Number of rows to forecast.
        truth : array-like of shape (n_rows, n_channels) or (n_rows,), list or dict, default=None
            Rows that came, in a container like that of `history`.
        coverage : float, list of float or None, default=0.9
            Share of the rows that the interval is to hold. A list draws a fan of intervals; None draws no interval.
        channel : int, default=0
            Number of the channel to show.
        series : object, default=None
            Which of many series to show: its name or, in a list, its number. For one series it has to be None.
        exog : array-like of shape (n_steps, n_covariates), default=None
            Covariates of the rows to come, as for `forecast`.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new axes.

        Returns
        -------
        display : ForecastDisplay
            The plotted display.

        Raises
        ------
        TypeError
            If the estimator does not forecast.
        ValueError
            If there is no such channel or series.
        """
        looks = _Looks.of(estimator, history, n_steps, truth, coverage, exog)
        return cls(**looks.shown(series, channel)).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Plot the series and the forecast.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new axes.

        Returns
        -------
        display : ForecastDisplay
            This display.
        """
        if ax is None:
            ax = _pyplot().subplots(figsize=(8, 3), layout="constrained")[1]
        self.ax_, self.figure_ = ax, ax.figure
        n_before, n_steps = len(self.history), len(self.forecast)
        times = np.arange(1 - n_before, 1 + n_steps) if self.times is None else np.asarray(self.times)
        before, ahead = times[:n_before], times[n_before:]
        self.lines_ = ax.plot(before, self.history, color="0.5", label="History")
        if self.truth is not None:
            self.lines_ += ax.plot(ahead[: len(self.truth)], self.truth, color="0.5", ls="--", label="Truth")
        self.lines_ += ax.plot(ahead, self.forecast, color="C0", marker=_marker(ahead), label="Forecast")
        self.bands_: list[Any] = []
        if self.lower is not None and self.upper is not None:
            lower, upper = (np.reshape(end, (n_steps, -1)) for end in (self.lower, self.upper))
            for k in np.argsort(-(upper - lower).mean(axis=0)):  # narrow ones are drawn over wide ones
                label = "_interval" if self.bands_ else "Interval" if lower.shape[1] == 1 else "Intervals"
                band = ax.fill_between(ahead, lower[:, k], upper[:, k], color="C0", alpha=0.25, lw=0, label=label)
                self.bands_.append(band)
        self.band_ = self.bands_[0] if self.bands_ else None
        ax.set(xlabel="Steps ahead" if self.times is None else "", ylabel="Value")
        if self.times is not None:
            ax.tick_params(axis="x", rotation=30)
        ax.legend(frameon=False, loc="upper left")
        return self


class PanelForecastDisplay:
    """Plot of forecasts of many series as small multiples, each series on its own axes.

    Parameters
    ----------
    displays : dict of ForecastDisplay
        The display of each series, by the name of the series.

    Attributes
    ----------
    axes_ : ndarray of shape (n_series,)
        Axes of each series. The titles are the names of the series.
    figure_ : matplotlib Figure
        Figure that holds the axes.

    See Also
    --------
    PanelForecastDisplay.from_estimator : Forecast with a fitted estimator and plot the forecasts.
    ForecastDisplay : Plot one series.

    Examples
    --------
    >>> import numpy as np
    >>> from skdopamine import DopamineESNForecaster
    >>> from skdopamine.inspection import PanelForecastDisplay
    >>> waves = {f"shop {k}": np.sin(0.5 * np.arange(80 + 10 * k)) for k in range(4)}
    >>> esn = DopamineESNForecaster(n_units=20, stateful=True, trainable=(), random_state=0).fit(waves)
    >>> display = PanelForecastDisplay.from_estimator(esn, waves, 5, series=["shop 0", "shop 3"])
    >>> [ax.get_title() for ax in display.axes_]
    ['shop 0', 'shop 3']
    """

    def __init__(self, *, displays: Mapping[Any, ForecastDisplay]) -> None:
        self.displays = displays

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        history: Any,
        n_steps: int,
        *,
        truth: Any = None,
        coverage: Any = 0.9,
        channel: int = 0,
        series: Sequence[Any] | None = None,
        exog: Any = None,
        axes: Any = None,
    ) -> Self:
        """Forecast many series with a fitted `DopamineESNForecaster` and plot some of them.

        Parameters
        ----------
        estimator : DopamineESNForecaster
            Forecaster that is fitted to many series.
        history : list, dict or frame
            Rows up to the last row of `fit` and `partial_fit`, in a container as in `fit`.
        n_steps : int
            Number of rows to forecast.
        truth : list, dict or frame, default=None
            Rows that came, for each series that is shown.
        coverage : float, list of float or None, default=0.9
            Share of the rows that the interval is to hold. A list draws a fan of intervals; None draws no interval.
        channel : int, default=0
            Number of the channel to show.
        series : sequence of object, default=None
            Series to show: their names or, in a list, their numbers. None shows the first six.
        exog : array-like of shape (n_steps, n_covariates), list or dict, default=None
            Covariates of the rows to come, as for `forecast`.
        axes : sequence of matplotlib Axes, default=None
            One for each series that is shown; None makes new axes.

        Returns
        -------
        display : PanelForecastDisplay
            The plotted display.

        Raises
        ------
        TypeError
            If the estimator does not forecast.
        ValueError
            If the estimator was fitted to one series, or there is no such series or channel.
        """
        looks = _Looks.of(estimator, history, n_steps, truth, coverage, exog)
        if None in looks.forecast:
            raise ValueError("estimator must have been fitted to many series, got one: see ForecastDisplay.")
        names = list(looks.forecast)[:N_SHOWN] if series is None else list(series)
        if not names:
            raise ValueError("series must name at least one series, got none.")
        displays = {}
        for name in names:  # no comprehension: a warning points to the caller
            displays[name] = ForecastDisplay(**looks.shown(name, channel))
        return cls(displays=displays).plot(axes)

    def plot(self, axes: Any = None) -> Self:
        """Plot each series and its forecast.

        Parameters
        ----------
        axes : sequence of matplotlib Axes, default=None
            One for each series; None makes new axes.

        Returns
        -------
        display : PanelForecastDisplay
            This display.
        """
        self.axes_ = _axes(axes, len(self.displays), width=3.0, height=2.2)
        self.figure_ = self.axes_[0].figure
        for (name, display), ax in zip(self.displays.items(), self.axes_, strict=True):
            display.plot(ax)
            ax.set_title(str(name), fontsize="medium")
            if axes is None or ax is not self.axes_[0]:
                ax.get_legend().remove()
        if axes is None:
            widest = max(self.axes_, key=lambda ax: len(ax.get_legend_handles_labels()[1]))
            options = {"loc": "outside lower center", "ncols": 4, "frameon": False}
            self.figure_.legend(*widest.get_legend_handles_labels(), **options)
        return self


class BacktestDisplay:
    """Plot of the errors of a backtest by step, and of the share of rows that the intervals held.

    The errors stand beside those of the seasonal naive forecast, which repeats the last season.

    Parameters
    ----------
    mase, naive_mase : array-like of shape (n_steps,)
        Mean absolute scaled errors of the forecasts and of the seasonal naive forecasts.
    coverage : array-like of shape (n_steps, n_coverages), default=None
        Share of the rows that lay within the intervals; None for a backtest without intervals.
    coverages : sequence of float, default=()
        Share of the rows that each interval was to hold.
    name : str, default="Forecast"
        Name of the forecasts in the legend.

    Attributes
    ----------
    axes_ : ndarray of shape (1,) or (2,)
        Axes of the errors and, with intervals, of the coverage.
    figure_ : matplotlib Figure
        Figure that holds the axes.
    lines_ : list of matplotlib Line2D
        Errors of the forecasts and of the naive forecasts, and the coverage of each interval.

    See Also
    --------
    BacktestDisplay.from_backtest : Plot a backtest. skdopamine.evaluation.backtest : Makes a backtest.

    Examples
    --------
    >>> import numpy as np
    >>> from skdopamine import DopamineESNForecaster
    >>> from skdopamine.evaluation import backtest
    >>> from skdopamine.inspection import BacktestDisplay
    >>> waves = np.sin(2 * np.pi * np.arange(240) / 12) + 0.1 * np.random.default_rng(0).standard_normal(240)
    >>> esn = DopamineESNForecaster(n_units=20, stateful=True, trainable=(), random_state=0)
    >>> display = BacktestDisplay.from_backtest(backtest(esn, waves, n_steps=6, n_origins=10, season=12))
    >>> [ax.get_ylabel() for ax in display.axes_]
    ['Error (MASE)', 'Share in the interval']
    """

    def __init__(
        self,
        *,
        mase: Any,
        naive_mase: Any,
        coverage: Any = None,
        coverages: Sequence[float] = (),
        name: str = "Forecast",
    ) -> None:
        self.mase = mase
        self.naive_mase = naive_mase
        self.coverage = coverage
        self.coverages = coverages
        self.name = name

    @classmethod
    def from_backtest(cls, result: Any, *, name: str = "Forecast", axes: Any = None) -> Self:
        """Plot a result of `skdopamine.evaluation.backtest`.

        Parameters
        ----------
        result : Backtest
            Result to plot.
        name : str, default="Forecast"
            Name of the forecasts in the legend.
        axes : sequence of matplotlib Axes, default=None
            One for errors and, with intervals, one for the coverage; None makes new axes.

        Returns
        -------
        display : BacktestDisplay
            The plotted display.

        Raises
        ------
        TypeError
            If `result` is no backtest.
        """
        if not all(hasattr(result, attribute) for attribute in ("mase", "naive_mase", "coverages", "lower")):
            raise TypeError(f"result must be of skdopamine.evaluation.backtest, got {type(result).__name__}.")
        display = cls(
            mase=result.mase,
            naive_mase=result.naive_mase,
            coverage=None if result.lower is None else result.coverage,
            coverages=result.coverages,
            name=name,
        )
        return display.plot(axes)

    def plot(self, axes: Any = None) -> Self:
        """Plot errors and coverage over the steps.

        Parameters
        ----------
        axes : sequence of matplotlib Axes, default=None
            One for errors and, with intervals, one for the coverage; None makes new axes.

        Returns
        -------
        display : BacktestDisplay
            This display.
        """
        self.axes_ = _axes(axes, 1 if self.coverage is None else 2, width=4.0, height=3.0)
        self.figure_ = self.axes_[0].figure
        steps, ax = np.arange(1, 1 + len(self.mase)), self.axes_[0]
        marker = _marker(steps)
        self.lines_ = ax.plot(steps, self.mase, marker=marker, label=self.name)
        self.lines_ += ax.plot(steps, self.naive_mase, color="0.5", ls="--", marker=marker, label="Seasonal naive")
        ax.set(xlabel="Steps ahead", ylabel="Error (MASE)", ylim=(0, None))
        ax.legend(frameon=False)
        if self.coverage is not None:
            ax = self.axes_[1]
            for share, asked in zip(np.asarray(self.coverage).T, self.coverages, strict=True):
                (line,) = ax.plot(steps, share, marker=marker, label=f"{100 * asked:g} % asked for")
                ax.axhline(asked, color=line.get_color(), ls=":", lw=1)
                self.lines_.append(line)
            ax.set(xlabel="Steps ahead", ylabel="Share in the interval", ylim=(0, 1.05))
            ax.legend(frameon=False, loc="lower left")
        return self


class PerturbationScaleDisplay:
    """Plot of the scores of a search over `perturbation_scale`, the size of the noise that training adds.

    Parameters
    ----------
    scales : array-like of shape (n_scales,)
        The sizes, increasing.
    mean_scores, std_scores : array-like of shape (n_scales,)
        Mean score over the splits, and its standard deviation.
    score_name : str, default="Score"
        Label of the scores.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the plot.
    figure_ : matplotlib Figure
        Figure that holds the axes.
    line_ : matplotlib Line2D
        The mean scores.
    band_ : matplotlib FillBetweenPolyCollection
        One standard deviation around the mean scores.

    See Also
    --------
    PerturbationScaleDisplay.from_cv_results : Plot a search.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skdopamine import DopamineMLPClassifier
    >>> from skdopamine.inspection import PerturbationScaleDisplay
    >>> grid = {"perturbation_scale": [0.01, 0.1, 1.0]}
    >>> search = GridSearchCV(DopamineMLPClassifier(max_iter=300, random_state=0), grid, cv=3)
    >>> display = PerturbationScaleDisplay.from_cv_results(search.fit(*load_iris(return_X_y=True)).cv_results_)
    >>> display.ax_.get_xscale()
    'log'
    """

    def __init__(self, *, scales: Any, mean_scores: Any, std_scores: Any, score_name: str = "Score") -> None:
        self.scales = scales
        self.mean_scores = mean_scores
        self.std_scores = std_scores
        self.score_name = score_name

    @classmethod
    def from_cv_results(
        cls, cv_results: Mapping[str, Any], *, param_name: str | None = None, scorer: str = "score", ax: Any = None
    ) -> Self:
        """Plot the `cv_results_` of a search.

        If other parameters vary too, the plot shows the best score of each size.

        Parameters
        ----------
        cv_results : dict
            Attribute `cv_results_` of `GridSearchCV`, `RandomizedSearchCV` and similar searches.
        param_name : str, default=None
            Full name of the parameter. None takes the parameter whose name ends with ``perturbation_scale``.
        scorer : str, default="score"
            Which scorer to show, if the search used several.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new axes.

        Returns
        -------
        display : PerturbationScaleDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If no parameter or several match, the values are not numbers, or there is no such scorer.
        """
        searched = [name.removeprefix("param_") for name in cv_results if name.startswith("param_")]
        names = [name for name in searched if name.split("__")[-1] == "perturbation_scale"]
        if param_name is None and len(names) == 1:
            param_name = names[0]
        if param_name not in searched:
            raise ValueError(f"param_name must be one of the parameters of the search, {searched}, got {param_name!r}.")
        if f"mean_test_{scorer}" not in cv_results:
            raise ValueError(f"scorer must be one of those of the search, got {scorer!r}.")
        means, stds = (np.asarray(cv_results[f"{kind}_test_{scorer}"], dtype=float) for kind in ("mean", "std"))
        tried = np.ma.asarray(cv_results[f"param_{param_name}"]).tolist()
        values = np.array([float(v) if isinstance(v, Real) else np.nan for v in tried])
        values[values <= 0] = np.nan
        scales = np.unique(values[np.isfinite(values)])
        if not len(scales):
            raise ValueError(f"{param_name} must have been searched over positive numbers, got {tried}.")
        if not np.isfinite(means).any():
            raise ValueError(f"cv_results must have a score that is a number, got {means}.")
        known = np.where(np.isnan(means), -np.inf, means)  # nan: the fit failed
        best = [max(np.flatnonzero(values == scale), key=known.__getitem__) for scale in scales]
        display = cls(
            scales=scales,
            mean_scores=means[best],
            std_scores=stds[best],
            score_name="Score" if scorer == "score" else scorer,
        ).plot(ax)
        if not str(param_name).endswith("perturbation_scale"):
            display.ax_.set_xlabel(str(param_name).split("__")[-1])
        return display

    def plot(self, ax: Any = None) -> Self:
        """Plot the scores over the logarithm of the size.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new axes.

        Returns
        -------
        display : PerturbationScaleDisplay
            This display.
        """
        if ax is None:
            ax = _pyplot().subplots(figsize=(5, 3), layout="constrained")[1]
        self.ax_, self.figure_ = ax, ax.figure
        mean, std = np.asarray(self.mean_scores), np.asarray(self.std_scores)
        (self.line_,) = ax.plot(self.scales, mean, marker="o")
        self.band_ = ax.fill_between(self.scales, mean - std, mean + std, alpha=0.25, lw=0)
        ax.set(xscale="log", xlabel="Perturbation scale", ylabel=self.score_name)
        return self


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("Displays need matplotlib, which the extra skdopamine[plot] installs.") from error
    return plt


def _normalised(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Options of a line by their full names: "ls" is "linestyle"."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D

    return dict(normalize_kwargs(kwargs, Line2D))


def _marker(values: Any) -> str | None:
    """A point alone would not be seen as a line."""
    return "o" if len(values) == 1 else None


def _channel(rows: Any, channel: int, name: str) -> Array:
    values = np.asarray(rows, dtype=float)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or not 0 <= channel < values.shape[1]:
        raise ValueError(f"{name} must have a channel {channel}, got an array of shape {values.shape}.")
    return np.asarray(values[:, channel])


class _Looks(NamedTuple):
    """History, truth, forecast and intervals of each series by its name; a model of one series has the name None."""

    n_steps: int
    history: dict[Any, Any]
    truth: dict[Any, Any]
    forecast: dict[Any, Any]
    ends: dict[Any, Any]  # empty: none were asked for
    n_coverages: int
    last: dict[Any, Array]  # row that was read, (n_channels,)

    @classmethod
    def of(cls, estimator: Any, history: Any, n_steps: int, truth: Any, coverage: Any, exog: Any) -> Self:
        """By a fitted forecaster."""
        check_is_fitted(estimator)
        if not hasattr(estimator, "forecast"):
            raise TypeError(f"estimator must be a forecaster, got {type(estimator).__name__}.")
        frame = estimator._stream.frame
        names = frame.keys if isinstance(frame, Panel) else (None,)

        def of_each(given: Any) -> dict[Any, Any]:
            if not isinstance(frame, Panel):
                return {None: given}
            panel, parts = divided(given)
            return dict(zip(panel.keys, parts, strict=True))

        coverages = [] if coverage is None else [coverage] if np.ndim(coverage) == 0 else list(coverage)
        last = np.reshape(estimator._stream.last_row(estimator._model), (len(names), -1))
        return cls(
            n_steps,
            of_each(history),
            {} if truth is None else of_each(truth),
            of_each(estimator.forecast(n_steps, exog=exog)),
            of_each(estimator.forecast_interval(n_steps, coverages, exog=exog)) if coverages else {},
            len(coverages),
            dict(zip(names, last, strict=True)),
        )

    def shown(self, name: Any, channel: int) -> dict[str, Any]:
        """What a display shows of one channel of one series; warns of a history that the forecast does not follow."""
        for argument, given in (("series", self.forecast), ("history", self.history)):
            if name not in given:
                raise ValueError(f"{argument} must {_named(argument, given)}, got {name!r}.")
        history, ahead = self.history[name], self.forecast[name]
        before, last = _channel(history, channel, "history"), self.last[name][channel]
        if not np.isnan(before[-1]) and not np.isclose(before[-1], last, rtol=1e-6):  # nan: a gap, which was bridged
            warnings.warn(
                f"history must end with the last row that the estimator has read, {last:.6g}, for the forecast to "
                f"follow it, got {before[-1]:.6g}.",
                UserWarning,
                stacklevel=3,
            )
        before = before[-N_HISTORY * self.n_steps :]
        lower, upper = _ends(self.ends[name], self.n_steps, self.n_coverages, channel) if self.ends else (None, None)
        return {
            "history": before,
            "forecast": _channel(ahead, channel, "forecast"),
            "lower": lower,
            "upper": upper,
            "truth": _channel(self.truth[name], channel, "truth")[: self.n_steps] if name in self.truth else None,
            "times": _times(history, ahead, len(before)),
        }


def _ends(ends: Any, n_steps: int, n_coverages: int, channel: int) -> tuple[Array, Array]:
    """Ends (n_steps, n_coverages) of the intervals of one channel; of one interval, (n_steps,)."""
    if not isinstance(ends, tuple):  # a frame
        values = np.asarray(ends, dtype=float).reshape(n_steps, -1, 2, n_coverages)
        ends = (values[:, :, 0], values[:, :, 1])
    lower, upper = (np.reshape(end, (n_steps, -1, n_coverages))[:, channel] for end in ends)
    return (lower[:, 0], upper[:, 0]) if n_coverages == 1 else (lower, upper)


def _named(argument: str, given: dict[Any, Any]) -> str:
    """What an argument must be, for the name of a series to be among those given."""
    if None in given:
        return "be None, as the estimator was fitted to one series"
    first = ", ".join(repr(name) for name in list(given)[:N_SHOWN])
    names = f"[{first}{', ...' if len(given) > N_SHOWN else ''}]"
    return f"be one of {names}" if argument == "series" else f"hold the series that is shown, not {names} alone"


def _axes(axes: Any, n: int, *, width: float, height: float) -> Array:
    """As many axes, new ones if none are given, in rows of at most three."""
    if axes is not None:
        given = np.ravel(np.asarray(axes, dtype=object))
        if len(given) != n:
            raise ValueError(f"axes must be {n}, got {len(given)}.")
        return given
    n_columns = min(n, N_COLUMNS)
    n_rows = -(-n // n_columns)
    options = {"figsize": (width * n_columns, height * n_rows), "layout": "constrained", "squeeze": False}
    made = np.ravel(_pyplot().subplots(n_rows, n_columns, **options)[1])
    for ax in made[n:]:
        ax.remove()
    return np.asarray(made[:n])


def _times(history: Any, ahead: Any, n_history: int) -> Array | None:
    """Times of the last rows of the history and of those ahead, on the clock of their zone; None without any."""
    times = []
    for rows in (history, ahead):
        index: Any = getattr(rows, "index", None)
        index = index.to_timestamp() if hasattr(index, "to_timestamp") else index
        if not str(getattr(index, "dtype", "")).startswith("datetime64"):
            return None
        times.append(np.asarray(index.tz_localize(None), dtype="datetime64[ns]"))
    return np.concatenate([times[0][-n_history:], times[1]])
