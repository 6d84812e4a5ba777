"""What closed loops held back choose, on series whose simple forecast is known."""

import pickle
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from forecasters import small
from sklearn.exceptions import ConvergenceWarning

from skdopamine import DopamineESNForecaster, make_windows
from skdopamine._esn import base as _base
from skdopamine._esn import choice as _choice
from skdopamine._esn import intervals as _intervals
from skdopamine._esn.base import DopamineESN
from skdopamine._esn.choice import N_RESERVOIRS, N_SPLITS, SHRINKING, Court, Opinion, Trial
from skdopamine._esn.gains_problem import GainsProblem
from skdopamine._esn.reservoir import drawn
from skdopamine._esn.rows import Rows
from skdopamine._esn.training import GAIN_UPDATES
from skdopamine.datasets import make_lorenz


def fitted(series, exog=None, **params):
    long = {"horizon": "auto", "washout": "auto", "max_iter": 20, "n_iter_no_change": np.inf}
    return small(stateful=True, **{**long, **params}).fit(series, exog=exog)


def noise(n, seed=0):
    return np.random.default_rng(seed).standard_normal(n)


def growing_season(n, period=12):
    """A pattern on a random walk with a trend."""
    pattern = np.resize(5 * noise(period, 3), n)
    return (pattern + 0.3 * np.arange(n) + 0.3 * noise(n).cumsum())[:, None]


def forecast_error(model, series, n):
    return float(np.abs(model.forecast(len(series) - n) - series[n:, 0]).mean())


@pytest.mark.parametrize("n", [36, 60])
def test_a_growing_season_is_told_by_differences_to_the_season_before(n):
    series = growing_season(n + 12)
    model = fitted(series[:n])
    assert model.base_.startswith("seasonal naive")
    assert forecast_error(model, series, n) < np.abs(series[n : n + 12] - series[n - 12 : n]).mean()
    plain = fitted(series[:n], difference=0, season=None)
    assert plain.base_ in ("mean", "last value")


def test_a_few_seasons_shrink_to_the_season_before():
    model = fitted(growing_season(48))
    assert {model.gains_[name] for name in ("spectral_radius", "leak_rate")} == {model.spectral_radius, model.leak_rate}
    assert model.base_ == "seasonal naive and last change"
    assert model.gains_["ridge"] >= SHRINKING
    assert model.gains_["lag_ridge"] >= SHRINKING


def test_a_random_walk_is_told_by_its_last_value():
    walk = noise(300).cumsum()[:, None]
    model = fitted(walk)
    assert model.base_ in ("last value", "drift")
    assert abs(model.forecast(1)[0] - walk[-1, 0]) < 1.0


@pytest.mark.parametrize(("difference", "season", "base"), [(1, 12, "seasonal"), (1, None, "drift"), (0, 12, "mean")])
def test_difference_is_kept_where_it_is_given(difference, season, base):
    plain = small(stateful=True, trainable=(), difference=difference, season=season).fit(growing_season(120))
    assert plain.base_.startswith(base)


def test_without_tuning_nothing_is_chosen():
    model = small(stateful=True, trainable=(), washout="auto").fit(growing_season(240))
    assert model.base_ == "mean"
    assert model.gains_["ridge"] == model.ridge


@pytest.mark.parametrize("lag_rows", [1, 12], ids=["rows", "seasons"])
def test_chunks_of_differences_are_the_whole_of_them(lag_rows):
    series, season = growing_season(200), None if lag_rows == 1 else 12
    params = {"trainable": (), "difference": 1, "season": season, "ridge": 0.1, "lag_ridge": 0.1, "readout_lags": 3}
    whole = small(stateful=True, washout=10, **params).fit(series)
    parts = small(stateful=True, washout=10, **params).fit(series[:120])
    np.testing.assert_allclose(parts._model.base.lag, lag_rows)
    for first in range(120, 200, 20):
        parts.partial_fit(series[first : first + 20])
    at_once = small(stateful=True, washout=10, **params).fit(series[:120]).partial_fit(series[120:])
    for name in ("gram", "cross"):  # in the units of the first rows
        by_chunks, by_all = (getattr(model._stream.normal, name) for model in (parts, at_once))
        np.testing.assert_allclose(by_chunks, by_all, rtol=1e-9, atol=1e-9)
    assert parts._stream.normal.n_rows == whole._stream.normal.n_rows
    np.testing.assert_array_equal(parts._stream.levels, series[len(series) - lag_rows :])
    np.testing.assert_allclose(parts.forecast(12), at_once.forecast(12), rtol=1e-6)
    assert np.abs(parts.forecast(12) - whole.forecast(12)).max() < 0.05


@pytest.mark.parametrize("difference", [0, 1])
def test_a_forecast_from_rows_that_were_read_is_that_after_them(difference):
    series = growing_season(240)
    model = small(stateful=True, trainable=(), difference=difference, leak_rate=1.0, spectral_radius=0.1).fit(series)
    np.testing.assert_allclose(model.forecast(24, series), model.forecast(24), rtol=1e-6, atol=1e-6)
    later = growing_season(260)[240:]
    ahead = model.predict(later)
    assert ahead[0] == pytest.approx(model.partial_fit(later[:1]).forecast(1)[0], rel=0.05)


def test_one_step_of_a_loop_is_the_prediction():
    series = growing_season(240)
    ahead = small(stateful=True, trainable=(), difference=1).fit(series[:200]).predict(series[200:])
    for n in (201, 230):
        other = small(stateful=True, trainable=(), difference=1).fit(series[:200])
        rows = Rows(series[200:n], None, series[200:n], other._model.form)
        other._stream = other._stream.learned(other._model, rows, waiting=True)
        assert other.forecast(1)[0] == pytest.approx(ahead[n - 201], rel=1e-9)


def test_intervals_of_differences_grow_as_their_errors_add_up():
    walk = np.random.default_rng(0).standard_normal(4000).cumsum()[:, None]
    model = small(stateful=True, trainable=(), difference=1, season=None, ridge=1.0, lag_ridge=1.0).fit(walk)
    low, high = model.forecast_interval(100)
    width = high - low
    assert 4 < width[-1] / width[0] < 25  # ten, if errors were independent


def test_differences_need_rows():
    with pytest.raises(ValueError, match=r"X has 14 rows, too few for differences over 12 rows, .*: 16 are needed"):
        small(stateful=True, trainable=(), difference=1, season=12, washout=0).fit(growing_season(14))
    model = small(stateful=True, trainable=(), difference=1, season=12).fit(growing_season(120))
    with pytest.warns(
        UserWarning, match="X has 12 rows, fewer than the .* that the readout sees"
    ):  # the mean before them
        assert np.isfinite(model.forecast(3, growing_season(12))).all()


@pytest.mark.parametrize("season", [[12, 1], [1.5], ["a"], 1, [True]])
def test_a_season_that_is_none_is_named(season):
    with pytest.raises(ValueError, match="season"):
        small(stateful=True, season=season).fit(growing_season(120))


def test_every_season_given_is_seen():
    model = small(stateful=True, trainable=(), season=[30, 12], difference=0).fit(growing_season(240))
    assert {11, 12, 13, 29, 30, 31} <= set(model.lags_.tolist())
    assert small(stateful=True, trainable=(), season=None, difference=0).fit(growing_season(240)).lags_.max() < 30


def test_loops_begin_after_the_rows_that_are_learnt_from():
    for n, before in [(24, 2), (60, 13), (300, 30), (4100, 100)]:
        trial = Trial.of(noise(n)[:, None], before, max(1, n // 5))
        assert 1 <= len(trial.splits) <= N_SPLITS
        for split, origins in zip(trial.splits, trial.origins, strict=True):
            assert (origins >= split).all()
            assert origins.max() + trial.n_steps <= n
        assert trial.splits[0] > before
        assert trial.n_independent >= 1


def test_tuned_gains_are_kept_where_they_are_better_by_more_than_chance():
    trial = Trial.of(noise(60)[:, None], 5, 12)._replace(n_independent=4.0)
    levels = np.array([1.0, 1.4, 0.6, 1.0])
    assert trial.is_better(levels - 0.1, levels)
    assert not trial.is_better(levels + 0.1, levels)
    assert not trial.is_better(levels, levels)
    spread = np.array([0.5, -0.4, 0.4, -0.4])
    assert not trial.is_better(levels - spread, levels)
    assert not trial.is_better(np.full(4, np.inf), levels)


@pytest.mark.parametrize("stateful", [True, False])
def test_lags_may_be_given_one_by_one(stateful):
    series = growing_season(120)
    X, y = (series, None) if stateful else make_windows(series[:, 0], 14)
    model = small(stateful=stateful, trainable=(), readout_lags=[11, 0, 12, 0], difference=0).fit(X, y)
    assert model.lags_.tolist() == [0, 11, 12]
    by_number = small(stateful=stateful, trainable=(), readout_lags=3, difference=0).fit(X, y)
    one_by_one = small(stateful=stateful, trainable=(), readout_lags=(0, 1, 2), difference=0).fit(X, y)
    np.testing.assert_array_equal(by_number.readout_, one_by_one.readout_)


def test_without_the_last_row_no_base_needs_it():
    model = fitted(growing_season(240), readout_lags=[1, 11])
    assert "last" not in model.base_
    assert np.isfinite(model.forecast(12)).all()
    fitted(growing_season(48), readout_lags=[1, 11])


def two_sines(n):
    t = np.arange(n)
    return (np.sin(0.063 * t) + 0.5 * np.sin(0.1071 * t))[:, None]


def test_a_network_that_is_far_better_is_taken_in_a_few_seasons_too():
    series = two_sines(550)
    model = DopamineESNForecaster(50, stateful=True, random_state=0).fit(series[:450])
    assert len(model._model.seasons) == 1
    assert 6 * model._model.seasons[0] > 450
    assert np.abs(model.forecast(100) - series[450:, 0]).max() < 0.01


@pytest.mark.parametrize("params", [{"horizon": 40}, {"washout": 20}, {"washout": 0, "readout_lags": 25}])
@pytest.mark.parametrize(("n", "period"), [(200, 52), (36, 12)])
def test_what_a_view_has_too_few_rows_for_is_left_out(params, n, period):
    series = growing_season(n, period)
    try:
        fitted(series, **{**params, "difference": 0})
    except ValueError:
        with pytest.raises(ValueError, match="too few"):
            fitted(series, **params)
    else:
        assert np.isfinite(fitted(series, **params).forecast(5)).all()


def test_a_season_beyond_the_rows_changes_nothing():
    series = growing_season(120)
    one, other = fitted(series, season=10**6), fitted(series, season=None, difference=0)
    np.testing.assert_array_equal(one.forecast(5), other.forecast(5))


def test_a_long_season_beside_a_short_one_lets_loops_choose():
    t = np.arange(900)
    series = (np.sin(2 * np.pi * t / 7) + 0.1 * noise(900))[:, None]
    model = fitted(series, season=[7, 365])
    assert np.abs(model.forecast(14) - np.sin(2 * np.pi * np.arange(900, 914) / 7)).mean() < 0.15


def test_a_loss_of_ones_own_counts_rows():
    with pytest.raises(ValueError, match="difference must be 0 or 'auto' with a loss of your own"):
        fitted(growing_season(120), difference=1, loss=lambda y, p: (y - p) ** 2)
    seen = []

    def loss(y, p):
        seen.append(np.array(y))
        return (y - p) ** 2

    series = growing_season(120) + 100
    fitted(series, loss=loss)
    assert min(map(np.min, seen)) > 50


def test_a_stream_keeps_rows_of_its_own():
    series = growing_season(100)
    rows = series.copy()
    model = small(stateful=True, difference=1, season=12).partial_fit(rows)
    before = model.forecast(3)
    rows[:] = 0
    np.testing.assert_array_equal(model.forecast(3), before)
    assert small(stateful=True, trainable=()).fit(series)._stream.levels.base is None


@pytest.mark.parametrize("share", [0.45, 0.6, 0.7])
def test_one_step_ahead_as_many_errors_count_as_are_known(share):
    walk = noise(200).cumsum()[:, None]
    model = small(stateful=True, trainable=(), washout="auto", validation_fraction=share).fit(walk)
    low, high = model.predict_interval(walk[:1])
    assert 1 < (high - low)[0] < 8


def test_a_whole_reservoir_is_tuned_after_a_small_one_where_that_pays():
    lorenz = make_lorenz(700, random_state=0) + 0.3 * noise(2100).reshape(700, 3)
    params = {"stateful": True, "random_state": 0, "max_iter": 8, "n_iter_no_change": np.inf}
    found = []
    tuned = DopamineESN._tuned

    def spy(self, model, task, n_updates, watch, **others):
        found.append((model.n_units, len(task.target), n_updates))
        return tuned(self, model, task, n_updates, watch, **others)

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        patch.setattr(DopamineESN, "_tuned", spy)
        model = DopamineESNForecaster(120, **params).fit(lorenz)
        walk = DopamineESNForecaster(120, **params).fit(noise(300).cumsum()[:, None])
        DopamineESNForecaster(120, **params).fit(growing_season(48))
    assert found[:2] == [(100, 699, 4), (120, 699, 4)]
    assert found[2:] == [(100, 299, 4), (100, 47, 4)]  # in few rows only where the small one is better
    assert model.n_iter_ <= 8
    assert model.gains_["spectral_radius"] != model.spectral_radius
    assert walk.gains_["spectral_radius"] == walk.spectral_radius


def test_differences_that_cannot_be_are_named():
    d = noise(120)[:, None]
    for model, X, y in (
        (small(stateful=True, trainable=(), difference=1), d, noise(120, 1)),
        (small(trainable=(), difference=1), *make_windows(d[:, 0], 8)),
    ):
        with pytest.warns(UserWarning, match="difference=1 .*stateful=True and y the next rows"):
            model.fit(X, y)


@pytest.mark.parametrize("cut_short", ["one update", "interrupt"])
def test_gains_that_were_tuned_for_a_moment_are_judged_too(cut_short, monkeypatch):
    """They are found on few loops of a small reservoir, and noise has nothing to be tuned to."""
    params = {"stateful": True, "random_state": 0, "max_iter": 1 if cut_short == "one update" else 8}
    if cut_short == "interrupt":
        calls, losses = [], GainsProblem.member_losses

        def interrupted(self, members):
            calls.append(len(members))
            if len(calls) > 2:
                raise KeyboardInterrupt
            return losses(self, members)

        monkeypatch.setattr(GainsProblem, "member_losses", interrupted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of the end that was too early
        model = DopamineESNForecaster(120, **params).fit(noise(400)[:, None])
    assert model.n_iter_ <= 2
    assert model.gains_["spectral_radius"] == model.spectral_radius


@pytest.mark.parametrize(
    ("n_rows", "left", "gain", "may_be_exact", "worth"),
    [
        (1500, 1e-11, 1.0, True, False),
        (1500, 1e-11, 1.0, False, True),  # its readout will not be solved exactly
        (1500, 1e-11, -1.0, True, True),  # loops say that something else is wrong
        (1500, 1e-6, 1.0, True, True),
        (1500, 1e-6, -1.0, True, True),
        (1499, 1e-11, 1.0, True, True),
        (1499, 1e-6, -1.0, True, False),
    ],
)
def test_which_gains_are_tuned_further(n_rows, left, gain, may_be_exact, worth):
    levels, task = np.array([1.0, 2.0]), SimpleNamespace(target=np.zeros((n_rows, 1)))
    court = Court(Trial.of(noise(60)[:, None], 8, 5), task, 0.0, None, levels)
    assert court.is_worth(Opinion(levels - gain, left), may_be_exact=may_be_exact) is worth


def test_gains_that_need_no_more_are_not_tuned_on_the_whole_reservoir(monkeypatch):
    params = {"stateful": True, "random_state": 0, "n_iter_no_change": np.inf}
    lorenz, walk = make_lorenz(700, random_state=0), noise(300).cumsum()[:, None]
    monkeypatch.setattr(_choice, "MANY_ROWS", 700 - 1)
    short = DopamineESNForecaster(120, **params).fit(walk)
    assert short.gains_["spectral_radius"] == short.spectral_radius
    exact = DopamineESNForecaster(120, **params).fit(lorenz)
    assert exact.gains_["spectral_radius"] != exact.spectral_radius
    assert short.n_iter_ == exact.n_iter_ == GAIN_UPDATES // 2
    by_quantile = DopamineESNForecaster(120, loss="pinball", quantile=0.5, **params).fit(lorenz)
    assert by_quantile.n_iter_ > exact.n_iter_


@pytest.mark.parametrize("method", ["opinion", "polished"])
@pytest.mark.parametrize("n", [700, 60])
def test_a_judge_who_is_interrupted_leaves_what_is_known(method, n, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    params = {"stateful": True, "random_state": 0, "max_iter": 8, "n_iter_no_change": np.inf}
    rows = make_lorenz(n, random_state=0) if n == 700 else growing_season(n)
    if method == "polished":
        if n < 700:
            pytest.skip("it is not polished")
        monkeypatch.setattr(_base, "polished", interrupted)
    else:
        monkeypatch.setattr(Court, method, interrupted)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = DopamineESNForecaster(120, **params).fit(rows)
    assert any("interrupted after" in str(warning.message) for warning in caught)
    # few rows: what was judged; many: what was tuned
    assert (model.gains_["spectral_radius"] == model.spectral_radius) is (n < 700)
    assert not model._model.exact
    assert np.isfinite(model.forecast(5)).all()


def test_a_season_of_windows_is_named():
    model = small(trainable=(), season=12)
    with pytest.warns(UserWarning, match=r"season=12 .*stateful=True"):
        model.fit(*make_windows(growing_season(120)[:, 0], 14))


# ---- several reservoirs ----------------------------------------------------------------------------------------------


@pytest.fixture
def always_three(monkeypatch):
    """Three reservoirs, whatever loops say."""

    def averaged(self, model, connectivity):
        n_units, n_channels = model.n_units, model.form.n_channels
        return model.with_others(tuple(drawn(n_units, n_channels, connectivity, seed) for seed in (5, 6)))

    monkeypatch.setattr(Court, "averaged", averaged)
    monkeypatch.setattr(Court, "is_tuned", lambda self, model: True)


def alone(model, stream, k):
    """Model and stream of one of several reservoirs."""
    units, features = model.n_units, model.n_features

    def part(readout):
        return readout[k * features : (k + 1) * features]

    weights = (model.weights, *model.others)[k]
    one = model._replace(weights=weights, others=(), readout=part(model.readout))
    judges = tuple(judge._replace(readout=part(judge.readout)) for judge in stream.record.judges)
    own = slice(k * units, (k + 1) * units)
    record = stream.record._replace(judges=judges, state=stream.record.state[own])
    return one, stream._replace(state=stream.state[own], normal=stream.normal.member(k), record=record)


@pytest.mark.parametrize(
    ("gain", "spread", "first", "level", "pays"),
    [
        *((0.2, 0.1, 0.0, 1.0, True), (0.01, 0, 0, 1, False), (0.2, 2.0, 0, 1, False), (0.2, 0.1, 0, -5, False)),
        *((0.3, 0, -0.31, 1, True), (0.3, 0, -0.4, 1, False)),
    ],
)
def test_several_reservoirs_are_kept_where_their_mean_is_better_than_one_by_more_than_chance(
    gain, spread, first, level, pays, monkeypatch
):
    esn = fitted(rows_and_exog(1)[0])
    trial = Trial.of(noise(60)[:, None], 5, 12)._replace(n_independent=4.0)
    one = np.array([[0.0, 0.4, -0.4, 0.0]]) + level
    sway = spread * np.array([1.0, -1.0, 1.0, -1.0])
    levels = np.concatenate([one - gain + sway, one + first, one - first, one + 0.5, one - 0.5, one])

    def told(self, task, models, *, each=False):
        assert each
        assert models[0].n_reservoirs == N_RESERVOIRS
        return [Opinion(own, 0.0) for own in levels]

    monkeypatch.setattr(Trial, "opinions", told)
    court = Court(trial, None, 0.0, esn._model, levels)
    assert court.averaged(esn._model, "auto").n_reservoirs == (N_RESERVOIRS if pays else 1)


def test_each_of_several_reservoirs_is_judged_with_their_mean(always_three):
    esn = fitted(rows_and_exog(1)[0])
    model, rows = esn._model, esn._given(rows_and_exog(1)[0], None, None, first=True)
    task = esn._assignment(model, rows)
    trial = Trial.of(rows.inputs, 40, 20)
    mean, *each = (opinion.levels for opinion in trial.opinions(task, [model], each=True))
    np.testing.assert_array_equal(mean, trial.opinions(task, [model])[0].levels)
    for weights, levels in zip((model.weights, *model.others), each, strict=True):
        single = model._replace(weights=weights).with_others(())
        np.testing.assert_allclose(trial.opinions(task, [single])[0].levels, levels, rtol=1e-6)


def rows_and_exog(n_channels, seed=0):
    exog = noise(330, seed + 7)[:, None]
    series = np.sin(0.3 * np.arange(330))[:, None] * np.arange(1, n_channels + 1) + 0.2 * exog
    return series + 0.1 * np.random.default_rng(seed).standard_normal(series.shape), exog


@pytest.mark.parametrize(
    ("n_channels", "loss", "noisy"), [(1, "squared_error", 0), (2, "huber", 0), (1, "huber", 0.01)]
)
def test_what_several_reservoirs_say_is_the_mean_of_what_each_says(always_three, n_channels, loss, noisy):
    series, _ = rows_and_exog(n_channels)
    esn = fitted(series[:300], loss=loss, state_noise=noisy, lag_ridge=0.1, ridge=0.1)
    model, stream = esn._model, esn._stream
    assert esn.n_reservoirs_ == 3
    singles = [alone(model, stream, k) for k in range(3)]
    paths = [s.path(m, 20) for m, s in singles]
    assert np.ptp(paths, axis=0).max() > 1e-6  # each has its own
    np.testing.assert_allclose(stream.path(model, 20), np.mean(paths, axis=0), rtol=1e-9)
    further = model.scaled(series[300:])
    ahead = [s.predicted(m, further) for m, s in singles]
    np.testing.assert_allclose(stream.predicted(model, further), np.mean(ahead, axis=0), rtol=1e-9)
    loops = [_intervals.loops(s.record, m.loop(m.bounds(s.span)), 10).errors for m, s in singles]
    found = _intervals.loops(stream.record, model.loop(model.bounds(stream.span)), 10).errors
    np.testing.assert_allclose(found, np.mean(loops, axis=0), rtol=1e-7, atol=1e-9)
    esn.partial_fit(series[300:])
    if not noisy:  # each has learnt the same rows, by itself
        for k, (one, _) in enumerate(singles):
            solved = one.solved(esn._stream.normal.member(k))
            np.testing.assert_allclose(alone(esn._model, esn._stream, k)[0].readout, solved.readout, rtol=1e-9)


def test_a_judge_of_several_reservoirs_who_is_interrupted_leaves_one(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Court, "averaged", interrupted)
    monkeypatch.setattr(Court, "is_tuned", lambda self, model: True)
    with pytest.warns(UserWarning, match="interrupted after"):
        esn = fitted(rows_and_exog(1)[0])
    assert esn.n_reservoirs_ == 1
    assert np.isfinite(esn.forecast(5)).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("trainable", "many"), [(("gains", "readout"), False), (("gains",), True)])
def test_weights_that_are_trained_and_many_series_have_one_reservoir(always_three, trainable, many):
    series = rows_and_exog(1)[0][:300]
    esn = fitted([series, series[::-1]] if many else series, trainable=trainable)
    assert esn.n_reservoirs_ == 1


def test_several_reservoirs_go_through_every_door(always_three):
    series, exog = rows_and_exog(1)
    series[100:104] = series[280] = np.nan
    esn = fitted(series[:300], exog=exog[:300])
    assert esn.n_reservoirs_ == 3
    assert len(esn.readout_) == 3 * esn._model.n_features
    one = esn.forecast(1, exog=exog[300:301])
    ahead = esn.predict(series[300:329], exog=exog[300:330])
    assert esn.fitted_values_.shape == (300,)
    low, high = esn.forecast_interval(10, exog=exog[300:310])
    path = esn.forecast(10, exog=exog[300:310])
    assert ((low < path) & (path < high)).all()
    assert path[0] == pytest.approx(one[0], rel=1e-12)
    assert esn.forecast(10, series[200:320], exog=exog[200:330]).shape == (10,)
    esn.partial_fit(series[300:310], exog=exog[300:310])
    again = pickle.loads(pickle.dumps(esn))
    np.testing.assert_array_equal(again.forecast(3, exog=exog[310:313]), esn.forecast(3, exog=exog[310:313]))
    assert ahead.shape == (29,)
