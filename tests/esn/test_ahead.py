"""Intervals, quantiles and paths of what lies ahead."""

import numpy as np
import pytest
from forecasters import SERIES, TWO, plain, stream
from sklearn.preprocessing import StandardScaler

from skdopamine import make_windows

NAN = float("nan")


@pytest.fixture(scope="module", params=["one channel", "two channels", "windows"])
def model(request):
    if request.param == "windows":
        return plain().fit(*make_windows(SERIES[:, 0], 8))
    return stream().fit(SERIES if request.param == "one channel" else TWO)


def test_several_coverages_are_those_of_one_each(model):
    low, high = model.forecast_interval(4, [0.5, 0.9])
    rows = SERIES[:9] if model.stateful else make_windows(SERIES[:, 0], 8)[0][:9]
    rows = TWO[:9] if model.n_channels_ == 2 else rows
    lower, upper = model.predict_interval(rows, [0.5, 0.9])
    for k, coverage in enumerate([0.5, 0.9]):
        one = model.forecast_interval(4, coverage)
        np.testing.assert_array_equal((low[..., k], high[..., k]), one)
        np.testing.assert_array_equal((lower[..., k], upper[..., k]), model.predict_interval(rows, coverage))
        shares = [(1 - coverage) / 2, (1 + coverage) / 2]
        np.testing.assert_allclose(np.moveaxis(model.forecast_quantiles(4, shares), -1, 0), one, rtol=1e-12)


def test_one_coverage_in_a_list_has_an_axis_of_its_own(model):
    assert model.forecast_interval(4, [0.9])[0].shape == (*model.forecast(4).shape, 1)
    assert model.forecast_quantiles(4, 0.9).shape == model.forecast(4).shape


def test_paths_are_drawn_by_their_seed(model):
    paths = model.sample_paths(4, 6)
    assert paths.shape == (6, *model.forecast(4).shape)
    np.testing.assert_array_equal(paths, model.sample_paths(4, 6))
    np.testing.assert_array_equal(model.sample_paths(4, 6, random_state=1), model.sample_paths(4, 6, random_state=1))
    assert (model.sample_paths(4, 6, random_state=1) != paths).any()
    assert len(np.unique(paths[:, 0])) > 3


def test_paths_lie_around_the_forecast():
    walk = np.random.default_rng(0).standard_normal((900, 1)).cumsum(axis=0)
    model = stream(readout_lags=2).fit(walk)
    paths = model.sample_paths(10, 20_000)
    np.testing.assert_allclose(
        np.quantile(paths, [0.1, 0.9], axis=0).T, model.forecast_quantiles(10, [0.1, 0.9]), atol=1.0
    )
    # steps of a walk go together: their sum varies more than the root of the sum of the variances
    assert paths.sum(axis=1).std() > 1.5 * np.sqrt(paths.var(axis=0).sum())


def test_an_interval_may_follow_rows_that_are_read_first():
    model = stream(season=None).fit(SERIES[:200])
    low, high = model.forecast_interval(5, 0.9, SERIES[:150])
    path = model.forecast(5, SERIES[:150])
    assert ((low < path) & (path < high)).all()
    np.testing.assert_allclose(model.forecast_interval(5, 0.9, SERIES[:200]), model.forecast_interval(5), rtol=1e-6)
    np.testing.assert_allclose(
        model.sample_paths(5, 4, SERIES[:150]) - path, model.sample_paths(5, 4) - model.forecast(5), atol=0.5
    )


@pytest.mark.parametrize("given", [[], [0.5, 1.0], [NAN], ["most"], [[0.5]], [True], None, 0, "0.5"])
def test_shares_lie_between_zero_and_one(model, given):
    with pytest.raises(ValueError, match=r"coverage must (be between 0 and 1|hold at least one number)"):
        model.forecast_interval(3, given)
    with pytest.raises(ValueError, match=r"quantiles must (be between 0 and 1|hold at least one number)"):
        model.forecast_quantiles(3, given)


def test_shares_beyond_the_rows_held_back_tell_how_many_are_needed(model):
    with pytest.raises(ValueError, match=r"coverage=\[0\.5, 0\.999\] needs at least 999 errors .* got"):
        model.forecast_interval(3, [0.5, 0.999])
    with pytest.raises(ValueError, match=r"quantiles=0\.001 needs at least 499 errors .* got"):
        model.forecast_quantiles(3, 0.001)


@pytest.mark.parametrize("n_paths", [0, -1, 1.5, True, None, 10**9])
def test_the_number_of_paths_is_a_positive_integer(model, n_paths):
    with pytest.raises(ValueError, match="n_paths must be an integer from 1 to 1000000, got"):
        model.sample_paths(3, n_paths)


# ---- transforms around the forecaster, as the user guide has them ----


def test_what_is_scaled_before_and_after_is_what_is_not():
    scaler = StandardScaler()
    outside, inside = stream().fit(scaler.fit_transform(1e3 * TWO + 7)), stream().fit(1e3 * TWO + 7)
    for ahead, expected in (
        (outside.forecast(5), inside.forecast(5)),
        *zip(outside.forecast_interval(5), inside.forecast_interval(5), strict=True),
        *zip(*(np.moveaxis(m.forecast_quantiles(5, [0.1, 0.7]), -1, 0) for m in (outside, inside)), strict=True),
        *zip(outside.sample_paths(5, 3), inside.sample_paths(5, 3), strict=True),
    ):
        np.testing.assert_allclose(scaler.inverse_transform(ahead), expected, rtol=1e-5)


def test_the_inverse_of_a_logarithm_keeps_what_intervals_hold():
    rng, months = np.random.default_rng(0), np.arange(330)
    rows = np.exp(0.01 * months + np.sin(2 * np.pi * months / 12) + 0.1 * rng.standard_normal(330))
    model = stream(season=12).fit(np.log(rows[:300]))
    low, high = np.exp(model.forecast_interval(30, 0.8))
    quantiles = np.exp(model.forecast_quantiles(30, [0.1, 0.9]))
    paths = np.exp(model.sample_paths(30, 2000))
    np.testing.assert_allclose(quantiles, np.column_stack([low, high]), rtol=1e-9)
    assert 0.6 < ((low <= rows[300:]) & (rows[300:] <= high)).mean() < 0.95
    assert abs(((low <= paths) & (paths <= high)).mean() - 0.8) < 0.1
    assert (paths > 0).all()
    assert paths.mean(axis=0).sum() > np.exp(model.forecast(30)).sum()  # the mean is above the middle
