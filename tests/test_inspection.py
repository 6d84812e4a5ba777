"""Displays: what they draw, from what, and what they say where they cannot."""

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdopamine import DopamineESNForecaster, DopamineMLPClassifier, DopamineMLPPolicy, DopamineMLPRegressor
from skdopamine._estimator import history as _history
from skdopamine.evaluation import backtest
from skdopamine.inspection import (
    BacktestDisplay,
    ForecastDisplay,
    PanelForecastDisplay,
    PerturbationScaleDisplay,
    TrainingDisplay,
)

plt = pytest.importorskip("matplotlib.pyplot")
SERIES = np.sin(0.3 * np.arange(600))[:, None] + 0.1 * np.random.default_rng(0).standard_normal((600, 2))


@pytest.fixture(autouse=True)
def _closed():
    plt.switch_backend("agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def classifier():
    return DopamineMLPClassifier(random_state=0, max_iter=300, early_stopping=False).fit(*load_iris(return_X_y=True))


@pytest.fixture(scope="module")
def forecaster():
    return DopamineESNForecaster(n_units=20, stateful=True, trainable=(), random_state=0).fit(SERIES[:500])


@pytest.fixture(scope="module")
def search():
    X, y = load_iris(return_X_y=True)
    mlp = DopamineMLPClassifier(max_iter=150, tol=0.1, early_stopping=False, random_state=0)
    pipe = make_pipeline(StandardScaler(), mlp)
    grid = {
        "dopaminemlpclassifier__perturbation_scale": [1.0, 0.01, "auto", 0.1],
        "dopaminemlpclassifier__hidden_layer_sizes": [(3,), (10,)],
    }
    return GridSearchCV(pipe, grid, cv=3, scoring=["accuracy", "f1_macro"], refit="accuracy").fit(X, y)


def test_training_shows_the_three_traces(classifier):
    display = TrainingDisplay.from_estimator(classifier)
    expected = (
        classifier.loss_curve_,
        classifier.learning_rate_curve_,
        classifier.reward_prediction_error_curve_,
    )
    for ax, line, values in zip(display.axes_, display.lines_[:3], expected, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), values)
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 1 + classifier.n_iter_))
        assert line in ax.lines
        assert ax.get_xlabel() == "Epoch"
    assert [ax.get_yscale() for ax in display.axes_] == ["linear", "log", "linear"]
    assert display.axes_[0].get_legend_handles_labels()[1] == ["DopamineMLPClassifier"]
    assert display.figure_ is display.axes_[2].figure


def test_a_second_fit_is_drawn_over_the_first(classifier):
    first = TrainingDisplay.from_estimator(classifier, name="one", color="red")
    second = TrainingDisplay.from_estimator(classifier, axes=first.axes_, name="two")
    assert second.figure_ is first.figure_
    assert len(plt.get_fignums()) == 1
    assert first.axes_[0].get_legend_handles_labels()[1] == ["one", "two"]
    assert all(line.get_color() == "red" for line in first.lines_)


def test_traces_of_a_forecaster_and_of_none(forecaster):
    tuned = DopamineESNForecaster(n_units=10, stateful=True, random_state=0).fit(SERIES[:300])
    display = TrainingDisplay.from_estimator(tuned, name="gains")
    assert len(display.lines_[0].get_ydata()) == tuned.n_iter_
    assert len(TrainingDisplay.from_estimator(forecaster).lines_[0].get_ydata()) == 0  # nothing was trained


def test_what_has_no_traces_is_refused(classifier):
    with pytest.raises(TypeError, match="must be an estimator"):
        TrainingDisplay.from_estimator("model")
    with pytest.raises(NotFittedError):
        TrainingDisplay.from_estimator(DopamineMLPClassifier())
    with pytest.raises(TypeError, match="traces of a fit by perturbation, got LinearRegression"):
        TrainingDisplay.from_estimator(LinearRegression().fit([[0.0], [1.0]], [0, 1]))
    with pytest.raises(ValueError, match="axes must be three, got 2"):
        TrainingDisplay.from_estimator(classifier, axes=plt.subplots(1, 2)[1])
    with pytest.raises(ValueError, match="axes must be three, got 1"):
        TrainingDisplay.from_estimator(classifier, axes=plt.subplots()[1])


@pytest.mark.parametrize("channel", [0, 1])
def test_a_forecast_stands_between_history_and_truth(forecaster, channel):
    display = ForecastDisplay.from_estimator(
        forecaster, SERIES[:500], 30, truth=SERIES[500:], coverage=0.8, channel=channel
    )
    history, truth, ahead = display.lines_
    np.testing.assert_array_equal(history.get_ydata(), SERIES[380:500, channel])
    assert history.get_xdata()[-1] == 0
    np.testing.assert_array_equal(truth.get_ydata(), SERIES[500:530, channel])
    np.testing.assert_array_equal(ahead.get_ydata(), forecaster.forecast(30)[:, channel])
    np.testing.assert_array_equal(ahead.get_xdata(), np.arange(1, 31))
    low, high = forecaster.forecast_interval(30, 0.8)
    np.testing.assert_array_equal(display.lower, low[:, channel])
    np.testing.assert_array_equal(display.upper, high[:, channel])
    corners = display.band_.get_paths()[0].vertices[:, 1]
    assert corners.min() == pytest.approx(low[:, channel].min())
    assert corners.max() == pytest.approx(high[:, channel].max())


def test_a_forecast_alone_on_given_axes(forecaster):
    ax = plt.subplots()[1]
    display = ForecastDisplay.from_estimator(forecaster, SERIES[:500], 30, coverage=None, ax=ax)
    assert display.ax_ is ax
    assert display.band_ is None
    assert ax.get_legend_handles_labels()[1] == ["History", "Forecast"]
    flat = ForecastDisplay(history=[1.0, 2.0], forecast=[3.0]).plot()
    assert len(flat.lines_) == 2


@pytest.mark.parametrize("freq", ["D", "ME"])
@pytest.mark.parametrize("kind", ["times", "times with a zone", "periods"])
def test_dates_of_a_series_of_pandas_are_shown(freq, kind):
    index = pd.date_range("2020-01-31", periods=83, freq=freq, tz="Asia/Tokyo" if "zone" in kind else None)
    naive = index.tz_localize(None)
    index = naive.to_period("M" if freq == "ME" else freq) if kind == "periods" else index
    shown = (index.to_timestamp() if kind == "periods" else naive).to_numpy()
    series = pd.Series(SERIES[:83, 0], index)
    model = DopamineESNForecaster(n_units=10, stateful=True, trainable=(), random_state=0).fit(series[:80])
    display = ForecastDisplay.from_estimator(model, series[:80], 3, truth=series[80:])
    np.testing.assert_array_equal(display.lines_[0].get_xdata(), shown[68:80])
    for line in display.lines_[1:]:
        np.testing.assert_array_equal(line.get_xdata(), shown[80:])
    assert display.ax_.get_xlabel() == ""


@pytest.mark.parametrize("frame", [False, True])
def test_several_coverages_are_a_fan(frame):
    rows = pd.DataFrame(SERIES, columns=["a", "b"]) if frame else SERIES
    model = DopamineESNForecaster(n_units=10, stateful=True, trainable=(), random_state=0).fit(rows[:500])
    display = ForecastDisplay.from_estimator(model, rows[:500], 5, coverage=[0.5, 0.9], channel=1)
    assert display.ax_.get_xlabel() == "Steps ahead"
    assert display.band_ is display.bands_[0]
    ends = DopamineESNForecaster(n_units=10, stateful=True, trainable=(), random_state=0).fit(SERIES[:500])
    for band, coverage in zip(display.bands_, [0.9, 0.5], strict=True):  # the widest first
        low, high = ends.forecast_interval(5, coverage)
        corners = band.get_paths()[0].vertices[:, 1]
        assert (corners.min(), corners.max()) == pytest.approx((low[:, 1].min(), high[:, 1].max()))
    assert display.ax_.get_legend_handles_labels()[1] == ["History", "Forecast", "Intervals"]


def test_a_history_that_does_not_join_the_forecast_is_named(forecaster):
    with pytest.warns(UserWarning, match="history must end with the last row that the estimator has read"):
        ForecastDisplay.from_estimator(forecaster, SERIES[:490], 3, truth=SERIES[490:])


def test_a_forecast_that_cannot_be_is_refused(forecaster, classifier):
    with pytest.raises(TypeError, match="must be a forecaster, got DopamineMLPClassifier"):
        ForecastDisplay.from_estimator(classifier, SERIES, 3)
    with pytest.raises(ValueError, match=r"history must have a channel 2, got an array of shape \(500, 2\)"):
        ForecastDisplay.from_estimator(forecaster, SERIES[:500], 3, channel=2, coverage=None)


# ---- many series ----

MANY = {f"s{k}": (1 + k) * (5 + SERIES[: 90 + 10 * k]) for k in range(8)}  # of two channels
MONTHS = pd.date_range("2010-01-01", periods=160, freq="MS", name="month")


def of_many(kind):
    """The same series in a container of this kind, and their names in it."""
    frames = {name: pd.DataFrame(rows, MONTHS[: len(rows)], columns=["a", "b"]) for name, rows in MANY.items()}
    indexed = pd.concat(frames, names=["series", "month"])
    long = indexed.reset_index().set_axis(["unique_id", "ds", "a", "b"], axis=1)
    given = {"list": list(MANY.values()), "dict": MANY, "frames": frames, "index": indexed, "long": long}[kind]
    return given, list(range(len(MANY))) if kind == "list" else list(MANY)


@pytest.mark.parametrize("kind", ["list", "dict", "frames", "index", "long"])
def test_many_series_are_small_multiples(kind):
    rows, names = of_many(kind)
    model = DopamineESNForecaster(n_units=10, stateful=True, trainable=(), random_state=0).fit(rows)
    display = PanelForecastDisplay.from_estimator(model, rows, 4, coverage=[0.5, 0.9], channel=1)
    assert [ax.get_title() for ax in display.axes_] == [str(name) for name in names[:6]]
    assert [ax.get_legend() for ax in display.axes_] == [None] * 6
    (legend,) = display.figure_.legends  # one for all
    assert [text.get_text() for text in legend.get_texts()] == ["History", "Forecast", "Intervals"]
    assert len(display.figure_.axes) == 6
    expected = DopamineESNForecaster(n_units=10, stateful=True, trainable=(), random_state=0).fit(MANY)
    low, high = expected.forecast_interval(4, 0.9)["s2"]
    shown = display.displays[names[2]]
    np.testing.assert_allclose(shown.lines_[-1].get_ydata(), expected.forecast(4)["s2"][:, 1])
    np.testing.assert_array_equal(shown.lines_[0].get_ydata(), MANY["s2"][-16:, 1])
    corners = shown.band_.get_paths()[0].vertices[:, 1]
    assert (corners.min(), corners.max()) == pytest.approx((low[:, 1].min(), high[:, 1].max()))
    times = shown.lines_[-1].get_xdata()
    dated = np.asarray(pd.date_range(MONTHS[109], periods=5, freq="MS")[1:])
    np.testing.assert_array_equal(times, [1, 2, 3, 4] if kind in ("list", "dict") else dated)


def test_series_are_chosen_and_what_came_is_shown():
    before = {name: rows[:-5] for name, rows in MANY.items()}
    model = DopamineESNForecaster(n_units=10, stateful=True, trainable=(), random_state=0).fit(before)
    came = {"s7": MANY["s7"][-5:]}
    axes = plt.subplots(2)[1]
    display = PanelForecastDisplay.from_estimator(model, before, 5, truth=came, series=["s7", "s0"], axes=axes)
    assert list(display.axes_) == list(axes)
    assert [ax.get_legend() is None for ax in axes] == [False, True]
    assert [len(own.lines_) for own in display.displays.values()] == [3, 2]
    np.testing.assert_array_equal(display.displays["s7"].lines_[1].get_ydata(), MANY["s7"][-5:, 0])
    own = PanelForecastDisplay.from_estimator(model, before, 5, series=["s0", "s1", "s2", "s3"])
    assert list(own.figure_.axes) == list(own.axes_)  # two rows, of which the second is not full
    one = ForecastDisplay.from_estimator(model, before, 5, series="s7")
    np.testing.assert_array_equal(one.lines_[-1].get_ydata(), model.forecast(5)["s7"][:, 0])


def test_series_that_are_not_there_are_refused(forecaster):
    model = DopamineESNForecaster(n_units=10, stateful=True, trainable=(), random_state=0).fit(MANY)
    names = r"\['s0', .*'s5', \.\.\.\]"
    with pytest.raises(ValueError, match=f"series must be one of {names}, got None"):
        ForecastDisplay.from_estimator(model, MANY, 3)
    with pytest.raises(ValueError, match=f"series must be one of {names}, got 'x'"):
        PanelForecastDisplay.from_estimator(model, MANY, 3, series=["s0", "x"])
    with pytest.raises(ValueError, match=r"history must hold the series that is shown, not \['s0'\] alone, got 's1'"):
        PanelForecastDisplay.from_estimator(model, {"s0": MANY["s0"]}, 3, series=["s1"])
    with pytest.raises(ValueError, match="series must name at least one series, got none"):
        PanelForecastDisplay.from_estimator(model, MANY, 3, series=[])
    with pytest.raises(ValueError, match="axes must be 2, got 1"):
        PanelForecastDisplay.from_estimator(model, MANY, 3, series=["s0", "s1"], axes=plt.subplots()[1])
    with pytest.raises(ValueError, match="must have been fitted to many series, got one"):
        PanelForecastDisplay.from_estimator(forecaster, SERIES[:500], 3)
    with pytest.raises(ValueError, match="series must be None, as the estimator was fitted to one series, got 's0'"):
        ForecastDisplay.from_estimator(forecaster, SERIES[:500], 3, series="s0")
    with pytest.warns(UserWarning, match="history must end with the last row") as told:
        PanelForecastDisplay.from_estimator(model, {"s0": MANY["s1"]}, 3, series=["s0"], coverage=None)
    assert told[0].filename == __file__


def test_covariates_and_gaps_are_forecast_with():
    rows, holidays = SERIES[:300, 0].copy(), (np.arange(310) % 9 == 0).astype(float)
    rows += 3 * holidays[:300]
    rows[-1] = np.nan  # the last row has not come
    model = DopamineESNForecaster(n_units=10, stateful=True, trainable=(), random_state=0)
    model.fit(rows, exog=holidays[:300])
    display = ForecastDisplay.from_estimator(model, rows, 10, exog=holidays[300:])
    np.testing.assert_array_equal(display.lines_[-1].get_ydata(), model.forecast(10, exog=holidays[300:]))
    corners = display.band_.get_paths()[0].vertices[:, 1]
    assert corners.max() == pytest.approx(model.forecast_interval(10, exog=holidays[300:])[1].max())


# ---- backtests ----


def test_a_backtest_shows_errors_and_coverage_by_step():
    model = DopamineESNForecaster(n_units=10, stateful=True, trainable=(), random_state=0)
    found = backtest(model, SERIES[:200], 5, 6, season=21, coverages=[0.5, 0.9])
    display = BacktestDisplay.from_backtest(found, name="ESN")
    for line, values in zip(display.lines_, [found.mase, found.naive_mase, *found.coverage.T], strict=True):
        np.testing.assert_array_equal(line.get_ydata(), values)
        np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3, 4, 5])
    errors, coverage = display.axes_
    assert errors.get_legend_handles_labels()[1] == ["ESN", "Seasonal naive"]
    assert coverage.get_legend_handles_labels()[1] == ["50 % asked for", "90 % asked for"]
    asked = [line.get_ydata()[0] for line in coverage.lines if line not in display.lines_]
    assert asked == [0.5, 0.9]
    assert [ax.get_ylabel() for ax in display.figure_.axes] == ["Error (MASE)", "Share in the interval"]


def test_a_backtest_without_intervals_shows_errors_alone():
    model = DopamineESNForecaster(n_units=10, stateful=True, trainable=(), random_state=0)
    found, ax = backtest(model, SERIES[:200], 5, 6, coverages=()), plt.subplots()[1]
    display = BacktestDisplay.from_backtest(found, axes=ax)
    assert list(display.axes_) == [ax]
    assert len(display.lines_) == 2
    with pytest.raises(ValueError, match="axes must be 1, got 2"):
        BacktestDisplay.from_backtest(found, axes=plt.subplots(2)[1])
    with pytest.raises(TypeError, match=r"result must be of skdopamine\.evaluation\.backtest, got dict"):
        BacktestDisplay.from_backtest(found.summary())


# ---- searches ----


@pytest.mark.parametrize("scorer", ["accuracy", "f1_macro"])
def test_a_search_shows_the_best_of_each_scale(search, scorer):
    display = PerturbationScaleDisplay.from_cv_results(search.cv_results_, scorer=scorer)
    np.testing.assert_array_equal(display.line_.get_xdata(), [0.01, 0.1, 1.0])
    results = search.cv_results_
    for scale, mean in zip(*display.line_.get_data(), strict=True):
        own = [
            results[f"mean_test_{scorer}"][i]
            for i, params in enumerate(results["params"])
            if params["dopaminemlpclassifier__perturbation_scale"] == scale
        ]
        assert mean == max(own)
    assert display.ax_.get_xscale() == "log"
    assert display.ax_.get_ylabel() == scorer


def test_a_search_over_something_else_is_refused(search):
    results = search.cv_results_
    for name in ("nothing", None):
        other = {key: value for key, value in results.items() if "perturbation" not in key or name}
        with pytest.raises(ValueError, match="param_name must be one of the parameters of the search"):
            PerturbationScaleDisplay.from_cv_results(other, param_name=name, scorer="accuracy")
    with pytest.raises(ValueError, match="scorer must be one of those of the search, got 'score'"):
        PerturbationScaleDisplay.from_cv_results(results)
    with pytest.raises(ValueError, match="must have been searched over positive numbers"):
        PerturbationScaleDisplay.from_cv_results(
            results, param_name="dopaminemlpclassifier__hidden_layer_sizes", scorer="accuracy"
        )


def test_scales_whose_fits_failed_are_gaps():
    results = {
        "param_perturbation_scale": [0.1, 0.1, 1.0],
        "mean_test_score": [np.nan, 0.5, np.nan],
        "std_test_score": [np.nan, 0.1, np.nan],
    }
    display = PerturbationScaleDisplay.from_cv_results(results)
    np.testing.assert_array_equal(display.line_.get_ydata(), [0.5, np.nan])


def test_a_search_without_a_score_is_refused():
    results = {"param_perturbation_scale": [0.1], "mean_test_score": [np.nan], "std_test_score": [np.nan]}
    with pytest.raises(ValueError, match="must have a score that is a number"):
        PerturbationScaleDisplay.from_cv_results(results)


def test_another_parameter_is_named_and_its_numbers_may_be_of_numpy():
    results = {
        "param_mlp__alpha": [np.float32(0.5), np.int64(2), 0.0],
        "mean_test_score": [0.1, 0.2, 0.3],
        "std_test_score": [0.0, 0.0, 0.0],
    }
    display = PerturbationScaleDisplay.from_cv_results(results, param_name="mlp__alpha")
    np.testing.assert_array_equal(display.line_.get_xdata(), [0.5, 2])
    assert display.ax_.get_xlabel() == "alpha"


def test_one_epoch_and_one_step_are_seen(forecaster):
    one = TrainingDisplay(loss=[1.0], learning_rate=[0.1], reward_prediction_error=[0.0]).plot(label="one")
    assert [line.get_marker() for line in one.lines_] == ["o"] * 3
    assert one.lines_[0].get_label() == "one"
    assert ForecastDisplay.from_estimator(forecaster, SERIES[:500], 1).lines_[-1].get_marker() == "o"


def test_matplotlib_is_asked_for_only_to_draw():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from skdopamine.inspection import TrainingDisplay\n"
        "display = TrainingDisplay(loss=[1.0], learning_rate=[1.0], reward_prediction_error=[0.0])\n"
        "try:\n    display.plot()\nexcept ImportError as error:\n    print(error)\n"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "Displays need matplotlib, which the extra skdopamine[plot] installs.\n"


def test_training_shows_the_loss_on_rows_that_are_not_learnt_from():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        X = np.random.default_rng(0).standard_normal((120, 3))
        model = DopamineMLPRegressor((5,), max_iter=30, random_state=0).fit(X, X[:, 0])
        whole = DopamineMLPRegressor((5,), max_iter=30, early_stopping=False, random_state=0).fit(X, X[:, 0])
    display = TrainingDisplay.from_estimator(model)
    assert len(display.lines_) == 4
    np.testing.assert_array_equal(display.lines_[-1].get_ydata(), model.validation_loss_curve_)
    assert display.lines_[-1].get_linestyle() == "--"
    assert len(TrainingDisplay.from_estimator(whole).lines_) == 3


def test_the_validation_loss_is_dashed_whatever_the_options_are_called():
    curve = [3.0, 2.0, 1.0]
    display = TrainingDisplay(loss=curve, learning_rate=curve, reward_prediction_error=curve, validation_loss=curve)
    display.plot(c="red", ls=":", lw=3, label="mine")
    *shown, validation = display.lines_
    assert [line.get_linestyle() for line in shown] == [":"] * 3
    assert (validation.get_linestyle(), validation.get_color(), validation.get_linewidth()) == ("--", "red", 3)
    assert validation.get_label() == "_validation"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_validation_loss_of_a_warm_start_is_at_its_end():
    X = np.random.default_rng(0).standard_normal((60, 3))
    model = DopamineMLPRegressor((5,), max_iter=4, early_stopping=True, warm_start=True, random_state=0)
    display = TrainingDisplay.from_estimator(model.fit(X, X[:, 0]).fit(X, X[:, 0]))
    np.testing.assert_array_equal(display.lines_[-1].get_ydata(), [np.nan] * 4 + model.validation_loss_curve_)


@pytest.mark.parametrize("make", [DopamineMLPClassifier, DopamineMLPPolicy])
def test_epochs_that_a_stream_has_forgotten_are_counted(make, monkeypatch):
    monkeypatch.setattr(_history.latest, "__defaults__", (10, 2))
    X, y = load_iris(return_X_y=True)
    model = make((2,), random_state=0)
    for _ in range(30):
        model.partial_fit(X, y, classes=[0, 1, 2])
    display = TrainingDisplay.from_estimator(model)
    assert len(model.loss_curve_) < model.n_iter_ == 30
    for line in display.lines_:
        np.testing.assert_array_equal(line.get_xdata(), np.arange(31 - len(model.loss_curve_), 31))
