"""How closely a readout follows the rows: closed loops decide about penalties and products."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skdopamine import DopamineESNForecaster
from skdopamine._esn import base as _base
from skdopamine._esn.readout import FEWEST_ROWS, Candidate, Court, polished
from skdopamine._esn.reservoir import Normal
from skdopamine._esn.root import Root
from skdopamine._esn.rows import Rows
from skdopamine.datasets import make_lorenz

LORENZ = make_lorenz(1500, random_state=0)


def fitted(rows, **params):
    params = {"n_units": 60, "stateful": True, "max_iter": 2, "random_state": 0, "difference": 0, **params}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return DopamineESNForecaster(**params).fit(rows)


@pytest.fixture(scope="module")
def lorenz():
    return fitted(LORENZ[:1000])


def error_ahead(model, rows, n_steps):
    return float(np.abs(model.forecast(n_steps, rows[:-n_steps]) - rows[-n_steps:]).mean())


def test_a_series_without_noise_is_followed_more_closely(lorenz, monkeypatch):
    assert lorenz._model.exact
    assert isinstance(lorenz._stream.normal, Root)
    monkeypatch.setattr(_base, "polished", lambda model, task, **_: model)
    plain = fitted(LORENZ[:1000])
    assert not plain._model.exact
    assert lorenz.gains_["ridge"] < 1e-2 * plain.gains_["ridge"]
    assert lorenz.gains_["spectral_radius"] == plain.gains_["spectral_radius"]
    for n in (1200, 1350, 1500):
        assert error_ahead(lorenz, LORENZ[:n], 150) < 0.5 * error_ahead(plain, LORENZ[:n], 150)


def test_noise_is_left_as_it_is():
    rows = LORENZ[:700] + 0.3 * np.random.default_rng(0).normal(size=(700, 3))
    model = fitted(rows)
    assert (model._model.exact, model._model.degree) == (False, 1)
    assert isinstance(model._stream.normal, Normal)


@pytest.mark.parametrize(
    "params", [{"loss": "pinball"}, {"loss": lambda y, p: ((y - p) ** 2).mean()}, {"trainable": ()}]
)
def test_where_squares_do_not_judge_it_is_left_as_it_is(params):
    assert not fitted(LORENZ[:600], **params)._model.exact


def test_few_rows_are_left_as_they_are():
    rows = LORENZ[: FEWEST_ROWS + 1]
    assert not fitted(rows[:-1])._model.exact
    assert fitted(rows)._model.exact


def loops(held, own):
    return Candidate(None, 0.0, np.array(held, dtype=float), np.array(own, dtype=float))


def test_the_loops_that_choose_are_not_those_that_judge():
    usual = loops([1, 1, 1, 1], [1, 1, 1, 1])
    chosen = loops([-9, 1, -9, 1], [-9, 1, -9, 1])
    assert chosen.merit() == -9
    assert not chosen.is_better(usual, 4.0)
    assert loops([9, 0.5, 9, 0.4], [9, 0, 9, 0]).is_better(usual, 4.0)


@pytest.mark.parametrize(
    ("held", "own", "better"),
    [
        ([0, 0.5, 0, 0.5], [0, 0, 0, 0], True),
        ([0, -3, 0, 3.9], [0, 0, 0, 0], False),  # by chance
        ([0, -9, 0, -9], [0, 2, 0, 2], False),  # the final readout is not stable
        ([0, np.inf, 0, 0], [0, 0, 0, 0], False),
    ],
)
def test_what_is_better_by_more_than_chance(held, own, better):
    assert loops(held, own).is_better(loops([1, 1, 1, 1], [1, 1, 1, 1]), 4.0) is better


def test_merit_is_that_of_the_worse_of_both_readouts():
    assert loops([-9, 0, -9, 0], [5, 0, 5, 0]).merit() == 5


def test_all_rows_are_asked_only_of_what_the_rows_before_have_not_refused(lorenz, monkeypatch):
    asked = []

    def levels(_, models, root, *__):
        asked.append((root, len(models)))
        return np.array([[1.0, 1.0], [3.0, 3.0]])[: len(models)]

    monkeypatch.setattr(Court, "levels", levels)
    court = Court(None, 1, 1.0, None, None, (None, None))
    for below, n_left in ((4.0, 2), (2.0, 1), (0.5, 0), (np.inf, 2)):
        asked.clear()
        found = court.candidates(lorenz._model, ("before", "all"), np.array([0.0, 1.0]), below)
        assert len(found) == n_left
        assert asked == [("before", 2), ("all", n_left)][: 1 + (n_left > 0)]


def test_products_are_kept_where_they_help():
    """A map of products that no few units can follow."""
    rng, rows = np.random.default_rng(1), np.empty((900, 2))
    rows[0] = rng.uniform(-0.1, 0.1, 2)
    for t in range(1, 900):  # the map of Henon
        rows[t] = 1 - 1.4 * rows[t - 1, 0] ** 2 + rows[t - 1, 1], 0.3 * rows[t - 1, 0]
    model = fitted(rows, n_units=10, readout_lags=1, season=None)
    assert model._model.degree > 1
    n_products = {2: 3, 3: 7}[model._model.degree]
    assert model.readout_.shape == (10 + 2 + n_products + 1, 2)
    np.testing.assert_allclose(model.predict(rows)[:-1][300:], rows[1:][300:], atol=1e-5)
    continued = rows[-1]
    for row in model.forecast(8):
        continued = np.array([1 - 1.4 * continued[0] ** 2 + continued[1], 0.3 * continued[0]])
        np.testing.assert_allclose(row, continued, atol=1e-2)


def test_without_noise_no_row_a_season_back_is_seen(lorenz):
    rows = np.column_stack([np.sin(0.1 * np.arange(900)), np.sin(0.1 * np.arange(900) + 1) ** 3])
    model = fitted(rows)
    given = fitted(rows, readout_lags=[0, 1, 2, 62])
    assert model._model.seasons
    assert model._model.exact
    assert model.lags_.tolist() == list(range(25))
    assert model.readout_.shape[0] > 60 + 25 * 2
    assert given._model.exact
    assert given.lags_.tolist() == [0, 1, 2, 62]
    truth = np.column_stack([np.sin(0.1 * np.arange(900, 1000)), np.sin(0.1 * np.arange(900, 1000) + 1) ** 3])
    np.testing.assert_allclose(model.forecast(100), truth, atol=1e-3)
    np.testing.assert_allclose(model.forecast(100, rows), truth, atol=1e-3)


def test_a_season_that_rows_do_not_tell_is_seen_all_the_same():
    """A week of values that have nothing to do with each other."""
    week = np.random.default_rng(0).normal(size=100)
    model = fitted(np.resize(week, 900)[:, None], n_units=10)
    np.testing.assert_allclose(
        model.forecast(100)[:, 0] if model.forecast(1).ndim > 1 else model.forecast(100), week, atol=0.1
    )


def test_many_channels_have_no_products():
    rows = np.column_stack([np.roll(LORENZ[:700], 5 * k, axis=0) for k in range(5)])[100:]
    model = fitted(rows, readout_lags=2)
    assert model._model.degree == 1


def test_streams_go_on_as_they_began(lorenz):
    """Chunks are the whole of them, and what is seen after the last row is what it is inside."""
    parts, at_once = copy.deepcopy(lorenz), copy.deepcopy(lorenz)
    at_once.partial_fit(LORENZ[1000:1300])
    for first in range(1000, 1300, 75):
        parts.partial_fit(LORENZ[first : first + 75])
    assert isinstance(parts._stream.normal, Root)
    gram = at_once._stream.normal.gram
    np.testing.assert_allclose(parts._stream.normal.gram, gram, rtol=1e-8, atol=1e-8 * gram.max())
    np.testing.assert_allclose(parts.forecast(20), at_once.forecast(20), rtol=1e-4)
    np.testing.assert_allclose(parts.forecast(60), LORENZ[1300:1360], atol=0.1)
    low, high = parts.forecast_interval(60)
    assert ((low <= LORENZ[1300:1360]) & (LORENZ[1300:1360] <= high)).mean() > 0.7
    again = pickle.loads(pickle.dumps(parts))
    np.testing.assert_array_equal(again.forecast(20), parts.forecast(20))


def test_weights_may_be_trained_after_it():
    model = fitted(LORENZ[:600], trainable=("gains", "readout"), n_perturbations=2)
    assert model._model.exact
    assert np.isfinite(model.forecast(10)).all()


def test_a_model_of_another_kind_is_left_as_it_is(lorenz):
    rows = Rows(LORENZ[:1000], None, LORENZ[:1000], lorenz._model.form)
    task = lorenz._assignment(lorenz._model, rows)
    assert polished(lorenz._model, task._replace(closed=False)) is lorenz._model
