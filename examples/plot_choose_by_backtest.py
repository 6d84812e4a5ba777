"""
Choosing by a backtest
======================

A model is to forecast 30 days. Settings that are alike in the next day may differ in the next month. Which of them to
take, and how good will it be?
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.signal import lfilter
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import GridSearchCV

from skdopamine import DopamineESNForecaster
from skdopamine.evaluation import RollingOrigin, backtest, make_forecast_scorer
from skdopamine.inspection import BacktestDisplay

N_DAYS = 1400
N_UNITS = 60
N_ORIGINS = 12
AHEAD = 30

# %%
# The series is generated: a weekly rhythm, and a level that wanders for weeks but comes back.
rng = np.random.default_rng(0)
days = np.arange(N_DAYS)
level = lfilter([1], [1, -0.95], rng.standard_normal(N_DAYS))
series = 50 + 4 * np.sin(2 * np.pi * days / 7) + 2 * (days % 7 == 6) + level + 0.5 * rng.standard_normal(N_DAYS)
past = series[: 2 * N_DAYS // 3]


# %%
# Two scores in one search: the error of the next day, and that of whole forecasts. The splits are those of a backtest.
def next_day(estimator, X, y=None):
    return -mean_absolute_error(X[1:, 0], estimator.predict(X)[:-1])


lags = {"readout_lags": [3, 15]}
search = GridSearchCV(
    DopamineESNForecaster(N_UNITS, stateful=True, trainable=(), random_state=0),
    [{"difference": [0], **lags}, {"difference": [1], "season": [None, 7], **lags}],
    cv=RollingOrigin(AHEAD, N_ORIGINS, step=20),
    scoring={"day": next_day, "month": make_forecast_scorer()},
    refit="month",
).fit(past[:, None])
results = search.cv_results_
for day, month, params in zip(results["mean_test_day"], results["mean_test_month"], results["params"], strict=True):
    print(f"error of the next day {-day:.2f}, of 30 days {-month:.2f}: {params}")

# %%
# The winner has been chosen by these days, so they flatter it. A backtest on later days does not. Beside the winner it
# tests first differences, whose error of the next day is nearly the same.
models = {"winner": search.best_params_, "first differences": {"difference": 1, "season": None, "readout_lags": 15}}
steps = {"n_steps": AHEAD, "n_origins": 2 * N_ORIGINS, "step": 15, "season": 7, "coverages": [0.8, 0.95]}
found = {name: backtest(search.estimator.set_params(**params), series, **steps) for name, params in models.items()}
for name, result in found.items():
    print(f"{name}: MASE {result.mase[0]:.2f} of the first day, {result.mase.mean():.2f} of all")
best = found["winner"]
print(f"seasonal naive: MASE {best.naive_mase[0]:.2f} of the first day, {best.naive_mase.mean():.2f} of all")
print(f"in the interval of 80 %: {best.coverage[:, 0].mean():.0%}, of 95 %: {best.coverage[:, 1].mean():.0%}")

display = BacktestDisplay.from_backtest(best, name="winner")
display.axes_[0].plot(1 + np.arange(AHEAD), found["first differences"].mase, color="C3", label="first differences")
display.axes_[0].legend(frameon=False)
plt.show()

# %%
# With 15 lags, three settings are nearly alike in the next day: they are off by 1.04 to 1.07. In 30 days they are not.
# First differences forget that the level comes back. They are off by a quarter more in the search, and by a tenth more
# on later days. The intervals hold what they promise. If they did not at late steps, the right side would show it.
