"""Rivals of `everyday.py`: naive, AutoETS, AutoARIMA, AutoTheta, FLAIR and trees on the last rows.

The three autos come from statsforecast, FLAIR from flaircast, both of the extra `everyday`; who is missing is left out.
All are at their defaults and are told the season, but exponential smoothing and ARIMA only up to 24 rows: beyond, the
former is not made for it and the latter takes minutes.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

Array = np.ndarray

COVERAGE = 0.9
FREQUENCIES = {0: "YS", 4: "QS", 7: "D", 12: "MS", 52: "W", 336: "30min"}
LONGEST = 24  # season that AutoETS and AutoARIMA are told
MOST_LAGS = 48
NAIVE, ETS, ARIMA, THETA, FLAIR = "seasonal naive", "AutoETS", "AutoARIMA", "AutoTheta", "FLAIR"
TREES, TREES_OF_CHANGES = "HistGB on lags", "HistGB on differences"


class Forecast(NamedTuple):
    """A path, and the ends of its intervals from who is asked for them."""

    path: Array
    low: Array | None = None
    high: Array | None = None


def naive(rows: Array, season: int, n_steps: int) -> Forecast:
    return Forecast(np.resize(rows[-max(1, season) :], n_steps))


def _auto(model: Any, rows: Array, n_steps: int, level: list[int] | None = None) -> Forecast:
    found = model.forecast(y=rows.copy(), h=n_steps, **({"level": level} if level else {}))
    ends = [np.asarray(found[f"{side}-{level[0]}"]) for side in ("lo", "hi")] if level else []
    return Forecast(np.asarray(found["mean"]), *ends)


def _told(season: int) -> int:
    return season if 0 < season <= LONGEST else 1


def ets(rows: Array, season: int, n_steps: int) -> Forecast:
    from statsforecast.models import AutoETS

    return _auto(AutoETS(season_length=_told(season)), rows, n_steps)


def arima(rows: Array, season: int, n_steps: int) -> Forecast:
    from statsforecast.models import AutoARIMA

    return _auto(AutoARIMA(season_length=_told(season)), rows, n_steps, [round(100 * COVERAGE)])


def theta(rows: Array, season: int, n_steps: int) -> Forecast:
    from statsforecast.models import AutoTheta

    return _auto(AutoTheta(season_length=max(1, season)), rows, n_steps)


def flair(rows: Array, season: int, n_steps: int) -> Forecast:
    from flaircast import flair_forecast

    samples = flair_forecast(rows.copy(), n_steps, FREQUENCIES[season], seed=0)
    return Forecast(np.asarray(np.median(samples, axis=0)))


def trees(rows: Array, season: int, n_steps: int, *, of_changes: bool = False) -> Forecast:
    """The next row, or its change, from the last rows and the row a season before it, fed back step by step."""
    n_lags = min(max(season, 12), MOST_LAGS, len(rows) // 3)
    lags = np.arange(n_lags)
    if season > n_lags and season < len(rows) // 2:
        lags = np.append(lags, season - 1)
    now = np.arange(lags[-1], len(rows) - 1)
    level = rows[now] if of_changes else np.zeros(len(now))
    model = HistGradientBoostingRegressor(random_state=0)
    model.fit(rows[now[:, None] - lags] - level[:, None], rows[now + 1] - level)
    known = np.append(rows, np.empty(n_steps))
    for t in range(len(rows), len(known)):
        base = known[t - 1] if of_changes else 0.0
        known[t] = base + model.predict(known[None, t - 1 - lags] - base)[0]
    return Forecast(known[len(rows) :])


def trees_of_changes(rows: Array, season: int, n_steps: int) -> Forecast:
    return trees(rows, season, n_steps, of_changes=True)


RIVALS: dict[str, tuple[str, Callable[[Array, int, int], Forecast]]] = {
    NAIVE: ("numpy", naive),
    ETS: ("statsforecast", ets),
    ARIMA: ("statsforecast", arima),
    THETA: ("statsforecast", theta),
    FLAIR: ("flaircast", flair),
    TREES: ("sklearn", trees),
    TREES_OF_CHANGES: ("sklearn", trees_of_changes),
}


def rivals() -> tuple[dict[str, Callable[[Array, int, int], Forecast]], set[str]]:
    """Return those that are installed, and the packages that are not."""
    missing = {package for package, _ in RIVALS.values() if find_spec(package) is None}
    return {side: forecast for side, (package, forecast) in RIVALS.items() if package not in missing}, missing
