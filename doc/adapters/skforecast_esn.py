"""DopamineESNForecaster, of windows, in a forecaster of skforecast."""

import numpy as np
from skforecast.recursive import ForecasterRecursive
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdopamine import DopamineESNForecaster


def skforecast_esn(n_lags, **params):
    esn = DopamineESNForecaster(**params)
    return ForecasterRecursive(make_pipeline(FunctionTransformer(np.fliplr), esn), lags=n_lags)
