"""The forecaster on bad input: an error that names the parameter; on extreme input: finite forecasts or an error."""

import re
import warnings

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from conftest import REPEATABLE, log_uniform, with_value
from forecasters import small
from hypothesis import given, settings
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from skdopamine import DopamineESNForecaster, make_windows
from skdopamine._esn.readout_problem import ReadoutProblem
from skdopamine._esn.recurrent_problem import RecurrentProblem

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SERIES = np.sin(0.3 * np.arange(200))[:, None] + 0.1 * np.random.default_rng(0).standard_normal((200, 1))
WINDOWS, NEXT = make_windows(SERIES[:, 0], 8)
NAN, INF = np.nan, np.inf

BAD_PARAMETERS = {
    "n_units": [0, -1, 2.5, "many", None],
    "n_channels": [0, -1, 1.5, "two"],
    "stateful": ["yes", 2, None],
    "horizon": [0, -1, 1.5, "long", None],
    "spectral_radius": [-0.1, NAN, "big", None],
    "leak_rate": [0, 0.0, -0.5, 1.1, NAN, "slow"],
    "input_scaling": [-1, NAN, "big"],
    "bias_scaling": [-1, NAN, "big"],
    "ridge": [0, 0.0, -1e-6, NAN, "auto"],
    "lag_ridge": [0, 0.0, -1e-6, NAN, "auto"],
    "readout_lags": [0, -1, 1.5, "all", None, [], [-1], [0, 1.5], (True,), ["last"], [0, 10**6]],
    "season": [0, -1, 1, 1.5, "monthly", [1.5], (12, 1), ["year"]],
    "bounds": [0, "all", (1,), (2, 1), (None, "high"), (0, INF), ([0, 1, 2], None)],
    "difference": [-1, 2, 0.5, "season", None],
    "reservoir_connectivity": [0, 0.0, -0.1, 1.1, NAN, "dense"],
    "state_noise": [-0.1, NAN, "loud"],
    "washout": [-1, 1.5, "long", None],
    "trainable": ["weights", ("gains", "inputs"), ["readout", 3], 3, None, "auto"],
    "loss": ["no_such_loss", "poisson", "log_loss", 3, None],
    "quantile": [0, 0.0, 1, 1.0, -0.5, NAN, "median"],
    "perturbation_scale": [0, 0.0, -1, "big", NAN, INF],
    "n_perturbations": [0, -1, 1.5, "many"],
    "learning_rate": ["adaptive", 0.1, None],
    "learning_rate_init": [0, 0.0, -0.1, NAN, "fast"],
    "power_t": [-0.5, NAN, "half"],
    "momentum": [1, 1.0, 1.5, -0.1, NAN],
    "max_iter": [0, -1, 1.5, "many"],
    "validation_fraction": [0, 0.0, 1, 1.0, 2, NAN],
    "tol": [-1, NAN, "tight"],
    "n_iter_no_change": [0, -1, 1.5],
    "random_state": ["seed", -1, 1.5],
    "verbose": ["loud", -1],
}


def tiny(**params):
    """With what is chosen by the number of rows left to choose."""
    return small(**{"n_units": 10, "horizon": "auto", "washout": "auto", **params})


@pytest.fixture(scope="module")
def series_model():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return tiny(stateful=True).fit(SERIES)


@pytest.fixture(scope="module")
def window_model():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return tiny().fit(WINDOWS, NEXT)


def test_every_parameter_has_bad_values():
    assert set(BAD_PARAMETERS) == set(DopamineESNForecaster().get_params())


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(("name", "value"), [(name, v) for name, values in BAD_PARAMETERS.items() for v in values])
def test_a_bad_parameter_is_named_with_its_value(name, value, method):
    model = tiny(**{name: value})
    expected = "random_state|-1" if name == "random_state" else rf"(?s)\b{name}\b.*{re.escape(repr(value))}"
    with pytest.raises((ValueError, TypeError), match=expected):
        getattr(model, method)(WINDOWS, NEXT)
    with pytest.raises(NotFittedError):
        model.predict(WINDOWS)


@pytest.mark.parametrize("name", ["spectral_radius", "input_scaling", "bias_scaling", "ridge", "lag_ridge"])
def test_an_infinite_gain_is_refused_or_gives_finite_forecasts(name):
    try:
        forecast = tiny(stateful=True, trainable=(), **{name: INF}).fit(SERIES).forecast(3)
    except ValueError as error:
        assert name in str(error)
    else:
        assert np.isfinite(forecast).all()


# ---- values, shapes, types ----


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(("value", "word"), [(NAN, "NaN"), (INF, "infinity"), (-INF, "infinity")])
def test_missing_and_infinite_values(value, word, method):
    if value == value:  # a series may have gaps
        with pytest.raises(ValueError, match=f"X contains {word}"):
            getattr(tiny(stateful=True), method)(with_value(SERIES, value))
    with pytest.raises(ValueError, match=f"X contains {word}"):
        getattr(tiny(), method)(with_value(WINDOWS, value), NEXT)
    with pytest.raises(ValueError, match=f"y contains {word}"):
        getattr(tiny(), method)(WINDOWS, with_value(NEXT, value))


@pytest.mark.parametrize("value", [NAN, INF])
def test_missing_values_at_prediction(series_model, window_model, value):
    of_series = (
        lambda: series_model.predict(with_value(SERIES, value)),
        lambda: series_model.forecast(3, with_value(SERIES, value)),
        lambda: series_model.predict_interval(with_value(SERIES, value)),
        lambda: series_model.score(with_value(SERIES, value)),
    )
    of_windows = (
        lambda: window_model.predict(with_value(WINDOWS, value)),
        lambda: window_model.forecast(3, with_value(WINDOWS[:1], value)),
    )
    for call in of_windows if value != value else (*of_series, *of_windows):  # a series may have gaps
        with pytest.raises(ValueError, match=r"(?i)X contains|y_true|Input"):
            call()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X[:, :, None], y), "Found array with dim 3"),
        (lambda X, y: (X[:-1], y), "inconsistent numbers of samples"),
        (lambda X, y: (X[:0], y[:0]), r"0 sample\(s\)"),
        (lambda X, y: (X[:1], y[:1]), r"1 sample\(s\)|minimum of 2"),
        (lambda X, y: (X[:, :0], y), r"0 feature\(s\)"),
        (lambda X, y: (np.full(X.shape, "blue"), y), "X must be numbers, got .blue"),
        (lambda X, y: (X + 1j, y), "(?i)complex"),
        (lambda X, y: (sparse.csr_array(X), y), "(?i)sparse"),
        (lambda X, y: (X, np.stack([[y, y]] * 2).T), r"(?i)dim 3|\by\b.*shape|3d"),
    ],
)
@pytest.mark.parametrize("stateful", [False, True])
def test_wrong_shapes_and_types(stateful, change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        tiny(stateful=stateful).fit(*change(WINDOWS, NEXT))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_windows_need_targets(method):
    with pytest.raises(ValueError, match=r"requires y|y cannot be None"):
        getattr(tiny(), method)(WINDOWS)


def test_windows_at_prediction_have_the_width_of_those_of_fit(window_model):
    for call in (
        window_model.predict,
        window_model.predict_interval,
        lambda X: window_model.forecast(2, X[:1]),
        lambda X: window_model.partial_fit(X, NEXT),
    ):
        with pytest.raises(ValueError, match=r"X has 5 features, but .* is expecting 8 features"):
            call(WINDOWS[:, :5])


def test_a_series_at_prediction_has_the_channels_of_that_of_fit(series_model):
    with pytest.raises(ValueError, match=r"X has 2 features, but .* is expecting 1 features"):
        series_model.predict(np.ones((5, 2)))


@pytest.mark.parametrize("n_channels", [3, 5, 16])
def test_columns_of_windows_are_a_multiple_of_the_channels(n_channels):
    with pytest.raises(ValueError, match=rf"n_channels={n_channels}.*got 8"):
        tiny(n_channels=n_channels).fit(WINDOWS, NEXT)


def test_targets_of_later_calls_have_the_columns_of_those_of_fit(window_model):
    with pytest.raises(ValueError, match="y must have 1 columns"):
        window_model.partial_fit(WINDOWS, np.column_stack([NEXT, NEXT]))


# ---- lengths ----


@pytest.mark.parametrize(("n", "washout"), [(3, "auto"), (40, 30), (40, 100), (200, 200)])
def test_a_series_too_short_for_its_washout_is_refused(n, washout):
    with pytest.raises(ValueError, match=r"too few.*washout"):
        tiny(stateful=True, washout=washout).fit(SERIES[:n])


def test_a_series_too_short_for_the_horizon_is_refused():
    with pytest.raises(ValueError, match="horizon=60"):
        tiny(stateful=True, horizon=60).fit(SERIES)
    tiny(stateful=True, horizon=40).fit(SERIES)


def test_a_horizon_longer_than_what_tuning_looks_at_is_refused_or_works():
    series = np.resize(SERIES, (8000, 1))  # 2,000 rows are held back, but of the 6,000 that are tuned on 1,500
    model = tiny(stateful=True, horizon=1800, readout_lags=2, max_iter=1)
    try:
        model.fit(series)
    except ValueError as error:
        assert "horizon" in str(error)


def test_a_tiny_share_held_back_is_enough_to_tune_on():
    X, y = make_windows(np.resize(SERIES[:, 0], 1200), 100)
    model = tiny(validation_fraction=0.001).fit(X, y)
    assert np.isfinite(model.loss_curve_).all()
    assert model.best_loss_ < 0


def test_two_rows_are_the_least():
    with pytest.raises(ValueError, match=r"minimum of 2|1 sample"):
        tiny(stateful=True).fit(SERIES[:1])


@pytest.mark.parametrize("stateful", [False, True])
def test_more_readout_lags_than_rows_are_refused(stateful):
    X, n = (SERIES, 200) if stateful else (WINDOWS, 8)
    with pytest.raises(ValueError, match=rf"readout_lags must be at most the {n} .*got {n + 1}"):
        tiny(stateful=stateful, readout_lags=n + 1).fit(X, SERIES[: len(X), 0])
    if not stateful:
        tiny(readout_lags=n).fit(X, NEXT)


@pytest.mark.parametrize("value", [0.0, 5.0, -1e6])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("stateful", [False, True])
def test_a_constant_series_is_forecast_as_it_is(method, value, stateful):
    series = np.full((100, 1), value)
    given = (series,) if stateful else make_windows(series[:, 0], 5)
    model = getattr(tiny(stateful=stateful), method)(*given)
    np.testing.assert_allclose(model.forecast(4), value, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.predict(given[0]), value, rtol=1e-9, atol=1e-12)


def test_a_stream_may_begin_with_a_constant():
    model = tiny(stateful=True).partial_fit(np.full((50, 1), 3.0))
    for first in range(0, 200, 50):
        model.partial_fit(SERIES[first : first + 50])
    steady = tiny(stateful=True).partial_fit(SERIES)
    assert model.score(SERIES) > steady.score(SERIES) - 0.05


@pytest.mark.filterwarnings("error")
def test_a_constant_channel_beside_others_is_forecast_as_it_is_without_a_warning():
    X = np.column_stack([SERIES, np.full(200, 5.0)])
    path = tiny(stateful=True).fit(X).forecast(10)
    np.testing.assert_allclose(path[:, 1], 5.0)
    assert np.isfinite(path).all()


def test_constant_windows_and_targets_are_learnt():
    model = tiny().fit(np.full((50, 4), 3.0), np.full(50, 7.0))
    np.testing.assert_allclose(model.predict(np.full((2, 4), 3.0)), 7.0, rtol=1e-6)


# ---- time ----


@pytest.mark.parametrize("change", [lambda t: t[::-1], lambda t: t[[1, 0, *range(2, 200)]]])
def test_rows_out_of_time_order_are_refused(series_model, change):
    times = change(pd.date_range("2020-01-01", periods=200, freq="D"))
    frame = pd.DataFrame(SERIES, index=times)
    for call in (
        tiny(stateful=True).fit,
        tiny(stateful=True).partial_fit,
        series_model.predict,
        series_model.predict_interval,
        series_model.partial_fit,
        lambda X: series_model.forecast(2, X),
    ):
        with pytest.raises(ValueError, match="time order"):
            call(frame)
    order = np.arange(len(WINDOWS))[::-1]
    tiny().fit(pd.DataFrame(WINDOWS[order], index=order), NEXT[order])  # windows have no order


# ---- calls ----


@pytest.mark.parametrize("n_steps", [0, -1, 1.0, 2.5, True, None, "ten"])
def test_steps_are_a_positive_integer(series_model, window_model, n_steps):
    for model in (series_model, window_model):
        for method in (model.forecast, model.forecast_interval):
            with pytest.raises(ValueError, match=rf"n_steps must be a positive integer, got {n_steps!r}"):
                method(n_steps)


@pytest.mark.parametrize("stateful", [False, True])
def test_nothing_but_fitting_works_before_fit(stateful):
    model = tiny(stateful=stateful)
    for call in (
        lambda: model.predict(SERIES),
        lambda: model.predict_interval(SERIES),
        lambda: model.score(SERIES, SERIES[:, 0]),
        lambda: model.forecast(3),
        lambda: model.forecast(0),
        lambda: model.forecast_interval(3),
    ):
        with pytest.raises(NotFittedError):
            call()


def test_a_loop_that_cannot_be_closed_is_told():
    for model in (
        tiny(stateful=True).fit(SERIES, SERIES[::-1, 0]),
        tiny(stateful=True).fit(SERIES[:-3], SERIES[3:]),
        tiny(n_channels=2).fit(*make_windows(SERIES.reshape(-1, 2), 4)[0:1], NEXT[:96]),
    ):
        for method in (model.forecast, model.forecast_interval):
            with pytest.raises(ValueError, match=r"were not the next rows|at least n_channels=2 columns in fit.*got 1"):
                method(3)


@pytest.mark.parametrize("kind", ["dropped", "shuffled", "stacked", "float32"])
def test_windows_whose_targets_have_the_channels_may_be_forecast_from(kind):
    order = np.random.default_rng(0).permutation(len(WINDOWS))
    X, y = {
        "dropped": (WINDOWS[::2], NEXT[::2]),
        "shuffled": (WINDOWS[order], NEXT[order]),
        "stacked": (np.vstack([WINDOWS, WINDOWS]), np.concatenate([NEXT, NEXT])),
        "float32": (WINDOWS.astype("f4"), NEXT),
    }[kind]
    model, ordered = tiny().fit(X, y), tiny().fit(WINDOWS, NEXT)
    np.testing.assert_allclose(model.forecast(5, WINDOWS[-1:]), ordered.forecast(5, WINDOWS[-1:]), atol=0.3)
    assert model.forecast(1, WINDOWS[-1:])[0] == pytest.approx(model.predict(WINDOWS[-1:])[0])
    if kind != "float32":
        with pytest.raises(ValueError, match="windows in the order of time"):
            model.forecast_interval(3)


def test_a_series_without_targets_names_the_parameter_that_reads_it():
    with pytest.raises(ValueError, match=r"requires y to be passed, but the target y is None.*stateful=True"):
        tiny().fit(SERIES)


def test_fewer_rows_than_the_readout_sees_are_named():
    model = tiny(stateful=True, readout_lags=5, difference=0).fit(SERIES)
    with pytest.warns(UserWarning, match="X has 3 rows, fewer than the 5"):
        model.forecast(2, SERIES[:3])


@pytest.mark.parametrize("n_rows", [0, 2, 5])
def test_a_forecast_from_windows_starts_from_one(window_model, n_rows):
    with pytest.raises(ValueError, match=r"one window|0 sample\(s\)"):
        window_model.forecast(3, WINDOWS[:n_rows])


@pytest.mark.parametrize("coverage", [0, 0.0, 1, 1.0, -0.5, 1.5, NAN, "most", None, True])
def test_coverage_is_between_zero_and_one(series_model, coverage):
    for call in (
        lambda: series_model.predict_interval(SERIES, coverage),
        lambda: series_model.forecast_interval(3, coverage),
    ):
        with pytest.raises(ValueError, match="coverage must be between 0 and 1"):
            call()


def test_coverage_beyond_the_rows_held_back_tells_how_many_are_needed(series_model):
    with pytest.raises(ValueError, match=r"coverage=0\.99 needs at least 99 errors .* got 49"):
        series_model.predict_interval(SERIES, 0.99)


def test_an_interval_beyond_the_rows_held_back_warns_and_widens(series_model):
    with pytest.warns(
        UserWarning, match="An interval 300 steps ahead rests on .* rows held back, in which fewer than 2"
    ):
        low, high = series_model.forecast_interval(300)
    assert np.isfinite([low, high]).all()
    assert (high - low)[-50:].mean() > (high - low)[100:150].mean()


def test_intervals_need_rows_held_back():
    model = tiny(stateful=True).partial_fit(SERIES)
    for call in (lambda: model.predict_interval(SERIES), lambda: model.forecast_interval(3)):
        with pytest.raises(ValueError, match="none after one partial_fit"):
            call()


@pytest.mark.parametrize("trainable", ["readout", ("recurrent", "readout"), ("gains", "readout")])
def test_partial_fit_does_not_undo_trained_weights(trainable):
    short = {"horizon": 10, "washout": 10, "max_iter": 4}
    model = tiny(stateful=True, trainable=trainable, loss="pinball", quantile=0.9, **short).fit(SERIES)
    with pytest.raises(ValueError, match="trainable"):
        model.partial_fit(SERIES)


@pytest.mark.parametrize("trainable", ["readout", ("recurrent", "readout")])
def test_partial_fit_goes_on_where_trained_weights_were_no_better_than_ridge(trainable, monkeypatch):
    monkeypatch.setattr(RecurrentProblem, "score", lambda self, params: 0.0)
    monkeypatch.setattr(ReadoutProblem, "score", lambda self, params: 0.0)
    model = small(stateful=True, trainable=trainable).fit(SERIES[:150])
    ridge = small(stateful=True, trainable=()).fit(SERIES[:150])
    for one in (model, ridge):
        one.partial_fit(SERIES[150:])
    np.testing.assert_array_equal(model.readout_, ridge.readout_)
    np.testing.assert_array_equal(model.forecast(5), ridge.forecast(5))


@pytest.mark.parametrize(("scales", "told"), [((1e300, 1.0), "X"), ((1.0, 1e300), "y"), ((1e300, 1e299), "X")])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_values_whose_variance_is_not_finite_are_named(scales, told, method):
    X, y = (scale * array for scale, array in zip(scales, (WINDOWS, NEXT), strict=True))
    most = re.escape(str(np.abs(X if told == "X" else y).max()))
    with pytest.raises(ValueError, match=rf"^{told} must have a finite variance, got values up to {most}\.$"):
        getattr(small(), method)(X, y)


def test_partial_fit_without_targets_needs_targets_that_were_the_next_rows():
    model = tiny(stateful=True).fit(SERIES, 2 * SERIES)
    with pytest.raises(ValueError, match=r"\by\b"):
        model.partial_fit(SERIES)


@pytest.mark.parametrize("shape", [(2,), (3, 5), (1, 1)])
def test_a_loss_of_a_wrong_shape_is_told(shape):
    with pytest.raises(ValueError, match=r"loss=.* must return one number or one for each of .* rows, got an array"):
        tiny(stateful=True, loss=lambda y_true, y_pred: np.zeros(shape)).fit(SERIES)


def test_an_error_in_a_loss_is_passed_on():
    def loss(y_true, y_pred):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tiny(stateful=True, loss=loss).fit(SERIES)


def test_a_loss_that_is_always_infinite_leaves_a_finite_model():
    for trainable in ("gains", "readout"):
        model = tiny(stateful=True, trainable=trainable, loss=lambda y_true, y_pred: INF, n_perturbations=1)
        assert np.isfinite(model.fit(SERIES).forecast(3)).all()


FAILING_FITS = {
    "X contains": lambda model: model.fit(with_value(SERIES, INF)),
    "X must have a value": lambda model: model.fit(np.full(SERIES.shape, NAN)),
    "max_iter": lambda model: model.set_params(max_iter=0).fit(SERIES),
    "trainable": lambda model: model.set_params(trainable="all").fit(SERIES),
    "washout": lambda model: model.set_params(washout=190).fit(np.column_stack([SERIES, SERIES])),
    "horizon": lambda model: model.set_params(horizon=190).fit(np.column_stack([SERIES, SERIES])),
    "reservoir_connectivity": lambda model: model.set_params(reservoir_connectivity=1e-9).fit(SERIES),
    "readout_lags": lambda model: model.set_params(readout_lags=300).fit(SERIES),
    "finite variance": lambda model: model.fit(SERIES * 1e300),
    "divi": lambda model: model.set_params(loss=lambda y_true, y_pred: 1 // 0).fit(SERIES),
    "y must have": lambda model: model.partial_fit(SERIES, np.column_stack([SERIES, SERIES])),
    "y contains": lambda model: model.partial_fit(SERIES, with_value(SERIES, INF)),
}


@pytest.mark.parametrize("message", FAILING_FITS)
def test_a_failed_fit_leaves_the_forecaster_as_it_was(message):
    model = tiny(stateful=True).fit(SERIES)
    before, forecast, prediction = set(vars(model)), model.forecast(5), model.predict(SERIES[:9])
    with pytest.raises((ValueError, ZeroDivisionError), match=message):
        FAILING_FITS[message](model)
    assert set(vars(model)) == before
    np.testing.assert_array_equal(model.forecast(5), forecast)
    np.testing.assert_array_equal(model.predict(SERIES[:9]), prediction)
    fresh = tiny(stateful=True)
    if not message.startswith("y "):
        with pytest.raises((ValueError, ZeroDivisionError), match=message):
            FAILING_FITS[message](fresh)
        assert set(vars(fresh)) == set(fresh.get_params())


# ---- extremes ----


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e-6, 1e6, 1e150, 1e300])
@pytest.mark.parametrize("stateful", [False, True])
def test_extreme_scales_give_finite_forecasts_or_a_clear_error(stateful, scale):
    model = tiny(stateful=stateful)
    try:
        model.fit(SERIES * scale) if stateful else model.fit(WINDOWS * scale, NEXT * scale)
    except ValueError as error:
        assert scale > 1e100
        assert "finite variance" in str(error)
    else:
        assert np.isfinite(model.predict(SERIES * scale if stateful else WINDOWS * scale)).all()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            assert np.isfinite(model.forecast(5)).all()


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e3, 1e6])
def test_modest_scales_and_offsets_change_no_forecast_beyond_rounding(series_model, scale):
    for offset in (0.0, 10.0 * scale):
        model = tiny(stateful=True).fit(SERIES * scale + offset)
        np.testing.assert_allclose((model.forecast(5) - offset) / scale, series_model.forecast(5), atol=1e-3)


@pytest.mark.parametrize("factor", [1e3, 1e150])
def test_predictions_of_rows_far_outside_are_finite(series_model, window_model, factor):
    assert np.isfinite(series_model.predict(SERIES * factor)).all()
    assert np.isfinite(window_model.predict(WINDOWS * factor)).all()


@pytest.mark.parametrize("params", [{"ridge": 1e-300, "lag_ridge": 1e-300}, {"ridge": 1e-14, "lag_ridge": 1e-14}])
def test_too_small_a_penalty_works_or_is_named(params):
    for X in (np.repeat(SERIES, 3, axis=1), np.sin(0.1 * np.arange(200))[:, None]):
        try:
            forecast = tiny(stateful=True, trainable=(), **params).fit(X).forecast(3)
        except ValueError as error:
            assert "ridge" in str(error)
        else:
            assert np.isfinite(forecast).all()


# ---- whatever goes in ----

NUMBERS = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "walk": lambda rng, shape: rng.standard_normal(shape).cumsum(axis=0),
    "sine": lambda rng, shape: np.sin(rng.uniform(0.1, 3) * np.arange(shape[0]))[:, None] + np.zeros(shape),
    "grid": lambda rng, shape: rng.integers(-1, 2, shape).astype(float),
    "constant": lambda rng, shape: np.full(shape, rng.choice([-1.0, 0.0, 1.0])),
    "step": lambda rng, shape: (np.arange(shape[0]) > shape[0] // 2)[:, None] + np.zeros(shape),
}
EXPONENT = st.one_of(st.just(0), st.integers(-6, 6), st.sampled_from([-300, -150, -40, 40, 150, 300]))


PARAMETERS = st.fixed_dictionaries(
    {"n_units": st.integers(5, 20), "max_iter": st.integers(1, 2), "random_state": st.integers(0, 2**31 - 1)},
    optional={
        "horizon": st.integers(1, 30),
        "spectral_radius": st.one_of(st.just(0.0), log_uniform(-6, 2)),
        "leak_rate": st.one_of(st.just(1.0), log_uniform(-6, 0)),
        "input_scaling": st.one_of(st.just(0.0), log_uniform(-6, 3)),
        "bias_scaling": st.one_of(st.just(0.0), log_uniform(-6, 3)),
        "ridge": log_uniform(-14, 3),
        "lag_ridge": log_uniform(-14, 3),
        "readout_lags": st.integers(1, 12),
        "reservoir_connectivity": log_uniform(-2, 0),
        "state_noise": log_uniform(-3, 1),
        "washout": st.integers(0, 50),
        "trainable": st.lists(st.sampled_from(["gains", "recurrent", "readout"]), max_size=3),
        "loss": st.sampled_from(["squared_error", "absolute_error", "huber", "pinball"]),
        "quantile": st.floats(0.01, 0.99),
        "perturbation_scale": log_uniform(-8, 2),
        "n_perturbations": st.integers(1, 3),
        "learning_rate": st.sampled_from(["dopamine", "constant", "invscaling"]),
        "learning_rate_init": log_uniform(-6, 3),
        "momentum": st.sampled_from([0.0, 0.5, 0.99]),
        "validation_fraction": st.floats(0.01, 0.95),
    },
)
CAUSES = "washout|horizon|readout_lags|reservoir_connectivity|ridge|finite variance|sample"


@pytest.mark.slow
@settings(REPEATABLE, max_examples=150)
@given(
    params=PARAMETERS,
    n=st.integers(1, 150),
    channels=st.integers(1, 3),
    kind=st.sampled_from(sorted(NUMBERS)),
    exponent=EXPONENT,
    mode=st.sampled_from(["series", "series with targets", "windows"]),
    n_lags=st.integers(1, 10),
    seed=st.integers(0, 2**32 - 1),
)
def test_whatever_goes_in(params, n, channels, kind, exponent, mode, n_lags, seed):
    series = NUMBERS[kind](np.random.default_rng(seed), (n, channels)) * 10.0**exponent
    model = DopamineESNForecaster(**params, stateful=mode != "windows", n_channels=channels)
    if mode == "series":
        X, y = series, None
    elif mode == "series with targets":
        X, y = series, np.roll(series, 3, axis=0)
    else:
        try:
            X, y = make_windows(series, n_lags)
        except ValueError:
            return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model.fit(X, y)
        except ValueError as error:
            assert re.search(CAUSES, str(error)), error
            return
        finally:
            unexpected = [str(w.message) for w in caught if not issubclass(w.category, ConvergenceWarning)]
            in_vain = re.compile("quantile=.* has no effect without loss='pinball'")
            assert [message for message in unexpected if not in_vain.match(message)] == []
    assert np.isfinite(model.readout_).all()
    assert max(1, len(model.loss_curve_)) == model.n_iter_
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prediction = model.predict(X)
        assert np.isfinite(prediction).all()
        assert len(prediction) == len(X)
        if mode != "series with targets" and model._model.form.closed:
            warnings.filterwarnings("ignore", "The forecast left", UserWarning)
            path = model.forecast(7)
            assert np.isfinite(path).all()
            assert path.shape == ((7,) if model._model.form.flat else (7, channels))


def test_windows_are_scored_with_their_targets(window_model):
    with pytest.raises(ValueError, match="y must be given with stateful=False, got None"):
        window_model.score(WINDOWS)


def test_a_loss_that_returns_nothing_is_told():
    with pytest.raises(ValueError, match=r"loss=.* must return one number or one for each of .* rows, got None"):
        tiny(stateful=True, loss=lambda y_true, y_pred: None).fit(SERIES)


@pytest.mark.parametrize("trainable", [("gains",), ("readout",)])
@pytest.mark.parametrize(
    "loss", [lambda y_true, y_pred: np.nan, lambda y_true, y_pred: np.where(np.arange(len(y_true)) == 7, np.nan, 1.0)]
)
def test_a_loss_that_is_nan_is_told(trainable, loss):
    model = tiny(stateful=True).fit(SERIES)
    before = model.readout_
    with pytest.raises(ValueError, match=r"loss=.* must be a number for predictions equal to the targets, got nan"):
        model.set_params(loss=loss, trainable=trainable).fit(SERIES)
    assert np.shares_memory(model.readout_, before)  # nothing was replaced


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("trainable", ["gains", "readout"])
def test_an_exception_at_any_call_of_a_loss_passes_through(trainable):
    calls, at, fault = [], [0], ValueError("out of order")

    def loss(y_true, y_pred):
        calls.append(0)
        if len(calls) == at[0]:
            raise fault
        return np.mean((y_true - y_pred) ** 2)

    params = {"loss": loss, "trainable": trainable, "n_perturbations": 1, "max_iter": 1}
    tiny(stateful=True, **params).fit(SERIES[:100])
    n_calls = len(calls)
    model = tiny(stateful=True).fit(SERIES[:100])
    before = model.readout_
    for at[0] in (1, 2, n_calls // 2, n_calls):
        calls.clear()
        with pytest.raises(ValueError, match=r"^out of order$") as caught:
            model.set_params(**params).fit(SERIES[:100])
        assert caught.value is fault
        assert np.shares_memory(model.readout_, before)  # nothing was replaced


def test_a_quantile_without_a_use_is_told():
    with pytest.warns(UserWarning, match=r"quantile=0.9 has no effect without loss='pinball'") as record:
        tiny(stateful=True, quantile=0.9).fit(SERIES)
    assert record[0].filename == __file__
