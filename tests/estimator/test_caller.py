"""Whose line a warning points to."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdopamine import DopamineESNForecaster
from skdopamine._estimator.caller import users_level

SERIES = pd.DataFrame({"a": np.sin(0.3 * np.arange(120))}, index=pd.date_range("2020-01-01", periods=120, freq="h"))
NEXT = np.sin(0.3 * np.arange(1, 121))


class Mine(DopamineESNForecaster):
    """A subclass of a user's."""

    def predict(self, X):
        return super().predict(X)


def forecaster(cls=DopamineESNForecaster, **params):
    return cls(10, **{"stateful": True, "trainable": (), "random_state": 0, **params})


def fitted(cls=DopamineESNForecaster):
    return forecaster(cls).fit(SERIES[:80])


LATER, HOLES = SERIES[90:], SERIES[::10].iloc[[0, 1, 3, 4, 7, 8]]
LATER = LATER.set_axis(
    LATER.index + (LATER.index[1] - LATER.index[0]) * 20_000
)  # further off than a gap that is bridged
BROKEN = pd.concat([SERIES[:80], SERIES[80:].set_axis(SERIES.index[80:] + pd.Timedelta(days=1_000))])
CALLS = {  # of everything public that warns
    "fit": lambda: forecaster(readout_lags=1, washout=0).fit(SERIES.iloc[np.arange(9) ** 2]),
    "fit that is cut short": lambda: forecaster(trainable="gains", max_iter=1).fit(SERIES),
    "partial_fit": lambda: fitted().partial_fit(LATER),
    "predict": lambda: fitted().predict(LATER),
    "score": lambda: fitted().score(LATER),
    "score with targets": lambda: fitted().score(LATER, NEXT[90:]),
    "predict_interval": lambda: fitted().predict_interval(LATER, 0.5),
    "forecast": lambda: fitted().forecast(2, HOLES),
    "a subclass": lambda: fitted(Mine).score(LATER, NEXT[90:]),
    "a pipeline": lambda: (
        make_pipeline(StandardScaler().set_output(transform="pandas"), forecaster()).fit(SERIES[:80]).score(LATER)
    ),
    "cross-validation": lambda: cross_val_score(forecaster(), BROKEN, NEXT, cv=TimeSeriesSplit(2)),
}


@pytest.mark.parametrize("call", CALLS)
def test_warnings_point_to_the_users_file(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CALLS[call]()
    assert caught
    assert {warning.filename for warning in caught} == {__file__}


def test_the_level_of_a_users_own_line_is_one():
    assert users_level() == 1
