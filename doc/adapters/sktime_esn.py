"""DopamineESNForecaster as a forecaster of sktime."""

import numpy as np
import pandas as pd
from sklearn.base import clone
from sktime.forecasting.base import BaseForecaster


class SktimeESN(BaseForecaster):
    _tags = {
        "y_inner_mtype": "pd.Series",
        "requires-fh-in-fit": False,
        "capability:insample": False,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "capability:missing_values": True,
        "capability:categorical_in_X": False,
    }

    def __init__(self, esn):  # a DopamineESNForecaster with stateful=True
        self.esn = esn
        super().__init__()

    def _fit(self, y, X, fh):
        self.esn_ = clone(self.esn).fit(y, exog=X)
        return self

    def _predict(self, fh, X):
        steps = np.asarray(fh.to_relative(self.cutoff), dtype=int)
        return self.esn_.forecast(steps.max(), exog=X).iloc[steps - 1]

    def _predict_quantiles(self, fh, X, alpha):
        steps = np.asarray(fh.to_relative(self.cutoff), dtype=int)
        found = self.esn_.forecast_quantiles(steps.max(), list(alpha), exog=X).iloc[steps - 1]
        return found.set_axis(pd.MultiIndex.from_product([self._get_varnames(), alpha]), axis=1)
