"""Missing rows: they are not learnt from, and the forecaster reads its own forecasts in their place."""

import numpy as np
import pandas as pd
import pytest
from forecasters import SERIES, TWO, small, stream
from sklearn.utils import get_tags

from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.forecast import weighted
from skdopamine._esn.gaps import held, missing

NAN = float("nan")
MONTHS = np.arange(150)
SALES = 50 + 0.1 * MONTHS + 8 * np.sin(2 * np.pi * MONTHS / 12) + np.random.default_rng(0).standard_normal(150)
GAPS = [5, 30, 31, 32, 70, 71, 110, 133]


def with_gaps(series, rows=GAPS):
    holed = np.array(series, dtype=float)
    holed[rows] = NAN
    return holed


MODELS = {
    "rows": {},
    "differences": {"difference": 1, "season": 12},
    "changes": {"difference": 1, "season": None},
    "noise": {"state_noise": 0.01},
}


@pytest.fixture(params=MODELS)
def params(request):
    return MODELS[request.param]


# ---- what stands in place of what is missing ----


def test_the_value_before_stands_for_what_is_missing_until_there_is_a_model():
    rows = np.array([[NAN, 1.0], [2.0, NAN], [NAN, NAN], [4.0, 3.0], [NAN, 5.0]])
    absent = missing(rows, 1)
    np.testing.assert_array_equal(held(rows, absent), [[3, 1], [2, 1], [2, 1], [4, 3], [4, 5]])
    np.testing.assert_array_equal(held(rows, absent, np.array([7.0, 8.0]))[0], [7, 1])


def test_before_one_of_many_series_begins_nothing_is_missing():
    rows = np.array([[1.0, NAN], [NAN, NAN], [2.0, 3.0], [3.0, NAN]])
    np.testing.assert_array_equal(missing(rows, 2), [[False, False], [True, False], [False, False], [False, True]])


def test_what_is_not_known_is_not_learnt():
    rng = np.random.default_rng(0)
    seen, target = rng.standard_normal((1, 9, 4)), rng.standard_normal((9, 2))
    target[[2, 5], [0, 1]] = NAN
    kept = [0, 1, 3, 4, 6, 7, 8]
    found, expected = (
        _reservoir.init_normal(1, 4, 2).add(*rows)
        for rows in (weighted(seen, target, None), (seen[:, kept], target[kept]))
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


# ---- the forecaster's own forecasts ----


def test_rows_that_never_came_are_forecast(params):
    model = stream(**params).fit(SALES[:120])
    path = model.forecast(9)
    np.testing.assert_allclose(model.predict(np.full(8, NAN)), path[1:], rtol=1e-9)
    rows = np.concatenate([SALES[:120], [NAN] * 3])
    np.testing.assert_allclose(model.forecast(6, rows), model.forecast(9, SALES[:120])[3:], rtol=1e-9)


def test_rows_that_never_came_teach_nothing(params):
    model = stream(**params).fit(SALES[:120])
    path, readout = model.forecast(9), model.readout_
    model.partial_fit(np.full(3, NAN))
    np.testing.assert_allclose(model.readout_, readout, rtol=1e-6, atol=1e-9 * np.abs(readout).max())
    np.testing.assert_allclose(model.forecast(6), path[3:], rtol=1e-6)
    assert np.isfinite(model.forecast_interval(3)).all()


def test_a_gap_is_bridged_by_what_came_before_it(params):
    model = stream(**params).fit(SALES[:120])
    bridged = SALES[120:150].copy()
    for k in (4, 5, 17):  # each forecast from the rows before, the gaps before it bridged
        bridged[k] = stream(**params).fit(SALES[:120]).predict(bridged[:k])[-1]
    np.testing.assert_allclose(model.predict(with_gaps(SALES[120:], [4, 5, 17])), model.predict(bridged), rtol=1e-9)
    truth = with_gaps(SALES[120:], [4, 5, 17])
    known = np.flatnonzero(~np.isnan(truth[1:]))
    ahead = model.predict(truth)[:-1]
    expected = 1 - ((ahead - truth[1:])[known] ** 2).sum() / ((truth[1:][known] - truth[1:][known].mean()) ** 2).sum()
    assert model.score(truth) == pytest.approx(expected)


@pytest.mark.parametrize("trainable", [(), ("gains",)])
def test_a_series_with_gaps_is_forecast_nearly_as_well(trainable, params):
    options = {"n_units": 60, "max_iter": 16, "horizon": 12, "washout": "auto", "n_perturbations": 2, **params}
    whole, holed = (
        small(stateful=True, trainable=trainable, **options).fit(rows[:138]) for rows in (SALES, with_gaps(SALES))
    )
    error, expected = (np.abs(model.forecast(12) - SALES[138:]).mean() for model in (holed, whole))
    assert error < 1.5 * expected + 0.5
    low, high = holed.forecast_interval(12)
    assert ((low <= SALES[138:]) & (SALES[138:] <= high)).mean() > 0.6


def test_intervals_and_paths_do_not_take_bridges_for_truth():
    holed = with_gaps(SALES, np.arange(100, 150, 2))
    whole, half = stream(season=None).fit(SALES), stream(season=None).fit(holed)
    wide, narrow = (np.diff(model.forecast_interval(5), axis=0).mean() for model in (half, whole))
    assert wide > 0.7 * narrow
    paths = half.sample_paths(5, 200)
    assert np.isfinite(paths).all()
    assert np.isfinite(half.predict_interval(SALES[:4])).all()


def test_the_first_rows_are_taken_to_be_the_mean():
    model = stream().fit(with_gaps(SALES, [0, 1, 2]))
    filled = np.concatenate([[SALES[3:].mean()] * 3, SALES[3:]])
    np.testing.assert_allclose(model.forecast(4), stream().fit(filled).forecast(4), rtol=0.05)
    assert np.isfinite(model.forecast(4, with_gaps(SALES, [0, 1]))).all()


def test_channels_have_gaps_of_their_own():
    holed = TWO.copy()
    holed[40:44, 0] = holed[80:90, 1] = holed[120] = NAN
    path, whole = stream().fit(holed).forecast(10), stream().fit(TWO).forecast(10)
    assert np.abs(path - whole).max() < 0.5


def test_targets_of_ones_own_may_be_missing():
    target = with_gaps(2 * SERIES[:, 0])
    model = stream().fit(SERIES, target)
    whole = stream().fit(SERIES, 2 * SERIES[:, 0])
    np.testing.assert_allclose(model.predict(SERIES[:50]), whole.predict(SERIES[:50]), atol=0.2)
    holed = stream().fit(with_gaps(SERIES), target)  # rows are no targets here: the last one stays
    assert np.isfinite(holed.predict(with_gaps(SERIES)[:50])).all()


def test_next_rows_with_gaps_are_seen_to_be_next_rows():
    holed = with_gaps(SALES)
    alone, given = stream().fit(holed), stream().fit(holed[:-1, None], holed[1:])
    np.testing.assert_allclose(given.forecast(5), alone.forecast(6)[:5], rtol=0.5)


def test_rows_that_an_index_leaves_out_are_missing():
    index = pd.date_range("2010-01-31", periods=150, freq="ME")
    holed = pd.Series(with_gaps(SALES), index)
    left = holed.dropna()
    model, whole = stream().fit(left), stream().fit(holed)
    pd.testing.assert_series_equal(model.forecast(4), whole.forecast(4))
    np.testing.assert_array_equal(model.forecast(4), stream().fit(with_gaps(SALES)).forecast(4))
    pd.testing.assert_series_equal(model.forecast(3, left.iloc[:90]), whole.forecast(3, holed[: left.index[89]]))
    target = pd.Series(2 * SALES, index)[left.index]
    np.testing.assert_array_equal(
        stream().fit(left, target).readout_, stream().fit(holed, with_gaps(2 * SALES)).readout_
    )


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_all_missing_is_an_error(method):
    with pytest.raises(ValueError, match="X must have a value in each column, got nan alone in column 1"):
        getattr(stream(), method)(np.column_stack([SALES, np.full(150, NAN)]))
    with pytest.raises(ValueError, match="X must have a value in each column"):
        stream().fit(SALES).forecast(2, np.full(40, NAN))


@pytest.mark.parametrize("stateful", [False, True])
def test_the_tag_says_whether_gaps_are_allowed(stateful):
    assert get_tags(small(stateful=stateful)).input_tags.allow_nan == stateful


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize(("n_rows", "gap"), [(1200, 400), (300, 100)])
@pytest.mark.parametrize("options", [{}, {"difference": 1, "season": None}], ids=["rows", "changes"])
@pytest.mark.filterwarnings("ignore:An interval:UserWarning", "ignore:The forecast left:UserWarning")
def test_a_sensor_that_has_been_down_for_long_has_intervals(n_rows, gap, many, options):
    """Longer than the share of rows that are held back: the last rows that were measured are."""
    wave = np.sin(0.3 * np.arange(n_rows + 5)) + 0.1 * np.random.default_rng(0).standard_normal(n_rows + 5)
    down = with_gaps(wave[:n_rows], slice(-gap, None))
    model = stream(**options).fit([down, wave[:n_rows]] if many else down)

    def of(found):
        return found[0] if many else found

    low, high = of(model.forecast_interval(5))
    assert np.isfinite(low).all() and (high - low).min() > 0.1
    nothing = np.full(300, NAN)  # more than the errors that are looked at
    low, high = of(model.predict_interval([nothing, nothing] if many else nothing))
    assert np.isfinite(low).all() and (high - low).min() > 0.1
    assert np.isfinite(of(model.sample_paths(5, 20))).all()
    shown = stream(**options).fit(wave[: n_rows - gap])
    if not many:
        np.testing.assert_allclose(model._model.inputs.unit, shown._model.inputs.unit, rtol=0.05)


def test_one_channel_that_is_down_leaves_the_other_its_width():
    holed = TWO.copy()
    holed[-120:, 1] = NAN
    model = stream(season=None).fit(holed)
    (low, high), (one, other) = model.forecast_interval(5), stream(season=None).fit(TWO).forecast_interval(5)
    assert np.isfinite(low).all()
    np.testing.assert_allclose((high - low)[:, 0], (other - one)[:, 0], rtol=0.7)
