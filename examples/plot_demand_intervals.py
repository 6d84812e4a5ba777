"""
Electricity demand: cross-validation and intervals
==================================================

Half-hourly demand has a daily and a weekly season and a weather that nobody knows. How good is a forecast of the next
half hour over the weeks, and how wide is the interval of the next day?
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.signal import lfilter
from sklearn.linear_model import Ridge
from sklearn.model_selection import TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdopamine import DopamineESNForecaster, DopamineMLPRegressor, make_windows
from skdopamine.inspection import ForecastDisplay

N_DAYS = 65
N_UNITS = 150
MAX_ITER = 200
DAY = 48

# %%
# The series is generated: two seasons, an evening peak on working days, and autoregressive noise.
rng = np.random.default_rng(0)
hours = np.arange(N_DAYS * DAY) / 2
working = (hours // 24) % 7 < 5
shape = -np.cos(2 * np.pi * (hours - 3) / 24) + working * np.exp(-(((hours % 24) - 18.5) ** 2) / 6)
weather = lfilter([1], [1, -0.98], 40 * rng.standard_normal(len(hours)))
demand = 6000 + 800 * shape + 500 * working + weather + 30 * rng.standard_normal(len(hours))
past, today = demand[:-DAY], demand[-DAY:]

# %%
# As rows for any estimator: windows of a day, and the value after each. The folds keep the order of time.
X, y = make_windows(past, n_lags=DAY)
models = {
    "Ridge": make_pipeline(StandardScaler(), Ridge()),
    "DopamineMLPRegressor": make_pipeline(StandardScaler(), DopamineMLPRegressor(max_iter=MAX_ITER, random_state=0)),
    "DopamineESNForecaster": DopamineESNForecaster(N_UNITS, max_iter=MAX_ITER, random_state=0),
}
for name, model in models.items():
    errors = -cross_val_score(model, X, y, cv=TimeSeriesSplit(3), scoring="neg_mean_absolute_error")
    print(f"{name}: mean absolute error {errors.mean():.1f} MW, folds {', '.join(f'{e:.1f}' for e in errors)}")
persistence = np.abs(y - X[:, -1]).mean()
print(f"the value before: {persistence:.1f} MW")

# %%
# As a series: the forecaster looks for the season itself and goes on from the last row.
esn = DopamineESNForecaster(N_UNITS, stateful=True, max_iter=MAX_ITER, random_state=0).fit(past[:, None])
display = ForecastDisplay.from_estimator(esn, past[-3 * DAY :, None], DAY, truth=today[:, None], coverage=0.9)
display.ax_.set(xlabel="half hours ahead", ylabel="demand (MW)")
inside = (display.lower <= today) & (today <= display.upper)
error = np.abs(display.forecast - today).mean()
naive = np.abs(past[-7 * DAY : -6 * DAY] - today).mean()
print(f"next day: error {error:.0f} MW (same day a week before {naive:.0f} MW), {inside.mean():.0%} in the interval")
plt.show()

# %%
# One step ahead, the forecaster is off least, ridge regression a little more, and the multi-layer perceptron most. The
# forecast of the next day is off by half as much as the day one week before. Nearly all of the day lies in the interval
# of 90 %: one day of correlated noise is no test of a coverage.
