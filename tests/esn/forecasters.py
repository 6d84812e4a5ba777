"""A short series, and forecasters that learn it fast."""

from typing import Any

import numpy as np

from skdopamine import DopamineESNForecaster

RNG = np.random.default_rng(0)
SERIES = np.sin(0.3 * np.arange(300))[:, None] + 0.1 * RNG.standard_normal((300, 1))
TWO = np.column_stack([SERIES[:, 0], np.cos(0.3 * np.arange(300)) + 0.1 * RNG.standard_normal(300)])
STIFF = {"ridge": 0.1, "lag_ridge": 0.1, "readout_lags": 3, "washout": 10}  # so that rounding does not matter


def small(**params: Any) -> DopamineESNForecaster:
    """Two epochs of training on short windows, so that it is fast, and warns."""
    short = {"n_units": 20, "horizon": 10, "washout": 10, "n_perturbations": 4, "max_iter": 2, "random_state": 0}
    return DopamineESNForecaster(**{**short, **params})


def plain(**params: Any) -> DopamineESNForecaster:
    """No tuning, so that no warning either."""
    return small(**{"trainable": (), "washout": "auto", **params})


def stream(**params: Any) -> DopamineESNForecaster:
    """Likewise, for a series."""
    return plain(stateful=True, **params)
