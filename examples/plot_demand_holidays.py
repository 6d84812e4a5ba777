"""
Demand with holidays and prices
===============================

Holidays and prices are known ahead. What is it worth to tell the forecaster, and what does it make of a holiday to
come?
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skdopamine import DopamineESNForecaster
from skdopamine.inspection import ForecastDisplay

N_DAYS = 730
N_UNITS = 100
AHEAD = 28

# %%
# The series is generated: a weekly rhythm, a slow wave, holidays that halve the demand, and an offer now and then. It
# is the logarithm that these add to, so the logarithm is forecast.
rng = np.random.default_rng(1)
days = pd.date_range("2023-01-01", periods=N_DAYS, freq="D")
known = pd.DataFrame(
    {"holiday": rng.random(N_DAYS) < 0.05, "offer": np.repeat(rng.random(N_DAYS // 7 + 1) < 0.15, 7)[:N_DAYS]}, days
).astype(float)
weekly = np.array([0.0, 0.05, 0.0, 0.1, 0.25, 0.3, -0.2])[np.arange(N_DAYS) % 7]
slow = 0.2 * np.sin(2 * np.pi * np.arange(N_DAYS) / 365)
log_demand = 5 + weekly + slow - 0.7 * known.holiday + 0.4 * known.offer + 0.08 * rng.standard_normal(N_DAYS)
demand = np.exp(log_demand).rename("demand")
past, future = demand[:-AHEAD], demand[-AHEAD:]

# %%
# One forecaster knows what is to come, the other does not. Both give back dates.
settings = {"n_units": N_UNITS, "stateful": True, "trainable": (), "random_state": 0}
blind = DopamineESNForecaster(**settings).fit(np.log(past))
told = DopamineESNForecaster(**settings).fit(np.log(past), exog=known[:-AHEAD])
ahead = np.exp(told.forecast(AHEAD, exog=known[-AHEAD:]))
for name, path in (("without covariates", np.exp(blind.forecast(AHEAD))), ("with covariates", ahead)):
    print(f"{name}: mean absolute error {np.abs(path - future).mean():.1f}")
naive = np.abs(demand[-2 * AHEAD : -AHEAD].to_numpy() - future.to_numpy()).mean()
print(f"four weeks before: {naive:.1f}")

# %%
# What would another offer do? Ask for a forecast in which it is known, and compare.
plans = known[-AHEAD:].copy()
plans["offer"] = 1.0
with_offers = np.exp(told.forecast(AHEAD, exog=plans))
plans["offer"] = 0.0
effect = with_offers.mean() / np.exp(told.forecast(AHEAD, exog=plans)).mean()
print(f"offers on all days: demand times {effect:.2f}")

# %%
# Intervals are transformed as the forecast is: the exponential of their ends. Holidays are the deep notches.
ends = np.exp(told.forecast_interval(AHEAD, [0.5, 0.9], exog=known[-AHEAD:]))
times = past.index[-2 * AHEAD :].append(future.index)
ax = plt.subplots(figsize=(8, 3), layout="constrained")[1]
ForecastDisplay(
    history=past[-2 * AHEAD :],
    forecast=ahead,
    lower=ends[["lower_50", "lower_90"]],
    upper=ends[["upper_50", "upper_90"]],
    truth=future,
    times=times,
).plot(ax)
ax.set(xlabel="day", ylabel="demand")
ax.legend(loc="upper left", ncols=4, frameon=False)
inside = ((ends.lower_90 <= future) & (future <= ends.upper_90)).mean()
print(f"{inside:.0%} of the days in the interval of 90 %")
plt.show()

# %%
# Without covariates a forecast is off by 21, with them by 14: it sees the three holidays coming, the deep notches. The
# forecaster puts the worth of an offer at 1.52 times the demand, where exp(0.4) = 1.49 is true. Plans can be compared
# so, as long as past offers were made at random: it learns what went together, not what causes what.
