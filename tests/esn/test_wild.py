"""One slip of the pen does not set the units of a series."""

import numpy as np
import pytest
from forecasters import SERIES, TWO, plain, stream

from skdopamine import make_windows
from skdopamine._esn.wild import tamed

RNG = np.random.default_rng(0)
ORDINARY = {
    "normal": RNG.normal(size=(200, 1)),
    "heavy tails": RNG.standard_t(2, size=(500, 1)),
    "walk": RNG.normal(size=(300, 1)).cumsum(axis=0),
    "growth": np.exp(np.arange(100) / 4)[:, None],
    "step": np.where(np.arange(100) < 99, 0.0, 1.0)[:, None],
    "pulses": np.where(np.arange(300) % 100 == 7, 50.0, 0.0)[:, None],
    "constant": np.ones((50, 1)),
    "floods": np.where(np.arange(400) == 77, 100.0, RNG.exponential(size=400))[:, None],
    "few": np.array([[1.0], [2.0], [1e9]]),
    "one": np.array([[1.0]]),
    "huge": 1e300 * RNG.normal(size=(50, 1)),
}


@pytest.mark.parametrize("kind", ORDINARY)
def test_ordinary_values_are_left_as_they_are(kind):
    values, n_wild = tamed(ORDINARY[kind])
    assert values is ORDINARY[kind]
    assert n_wild == 0


@pytest.mark.parametrize("typo", [1e9, -1e9, 1e300, 1e5])
@pytest.mark.parametrize("n", [30, 60, 300])
def test_a_typo_is_the_farthest_of_the_others(typo, n):
    rows = RNG.normal(size=(n, 2))
    wrong = rows.copy()
    wrong[n // 2, 1] = typo
    values, n_wild = tamed(wrong)
    assert n_wild == 1
    others = np.delete(rows[:, 1], n // 2)
    assert values[n // 2, 1] == (others.max() if typo > 0 else others.min())
    np.testing.assert_array_equal(np.delete(values, n // 2, axis=0), np.delete(rows, n // 2, axis=0))
    assert wrong[n // 2, 1] == typo


def test_several_are_found_and_too_many_are_none():
    rows = RNG.normal(size=(200, 1))
    rows[[5, 80, 120]] = [[1e6], [-1e7], [3e8]]
    values, n_wild = tamed(rows)
    assert n_wild == 3
    assert np.abs(values).max() < 5
    rows[::10] = 1e9
    assert tamed(rows)[1] == 0


def with_typo(rows, at=150, value=1e9):
    rows = rows.copy()
    rows[at] = value
    return rows


@pytest.mark.parametrize("at", [3, 150, 298, 299])
@pytest.mark.parametrize("difference", [0, 1])
def test_a_series_with_a_typo_is_forecast_as_without(at, difference):
    params = {"difference": difference, "ridge": 0.1, "lag_ridge": 0.1}
    clean = stream(**params).fit(SERIES)
    with pytest.warns(UserWarning, match="X has 1 value so far from all others"):
        model = stream(**params).fit(with_typo(SERIES, at))
    np.testing.assert_allclose(model._model.inputs.unit, clean._model.inputs.unit, rtol=0.1)
    path, other = model.forecast(30), clean.forecast(30)
    assert np.abs(path - other).max() < (0.3 if at < 290 else 1.5)
    assert np.abs(model.forecast_interval(30)[1]).max() < 5


def test_channels_targets_and_windows():
    rows = TWO.copy()
    rows[100, 1] = -1e9
    with pytest.warns(UserWarning, match="X has 1 value so far"):
        model = stream().fit(rows)
    assert model._model.inputs.unit.max() < 2
    with pytest.warns(UserWarning, match="y has 1 value so far"):
        model = stream().fit(SERIES, with_typo(np.roll(SERIES, 3)[:, 0]))
    assert model._model.targets.unit.max() < 2
    X, y = make_windows(with_typo(SERIES)[:, 0], 8)
    with pytest.warns(UserWarning, match="X has 8 values so far .*y has 1 value so far"):
        model = plain().fit(X, y)
    assert model._model.inputs.unit.max() < 2
    with pytest.warns(UserWarning, match="X has 1 value so far"):
        model = stream().partial_fit(with_typo(SERIES))
    assert model._model.inputs.unit.max() < 2
