"""
A sensor with gaps
==================

Sensors fail. Values are missing, hours are missing from the index, and now and then a value is nonsense. Does one have
to repair the series first?
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.signal import lfilter

from skdopamine import DopamineESNForecaster
from skdopamine.inspection import ForecastDisplay

N_DAYS = 60
N_UNITS = 100
DAY = 24

# %%
# Hourly temperatures are generated: a daily wave and slow weather.
rng = np.random.default_rng(0)
hours = pd.date_range("2024-05-01", periods=N_DAYS * DAY, freq="h")
weather = lfilter([1], [1, -0.97], 0.3 * rng.standard_normal(len(hours)))
whole = pd.Series(15 + 6 * np.sin(2 * np.pi * (hours.hour - 9) / 24) + weather, hours, name="temperature")
past, future = whole[:-DAY], whole[-DAY:]

# %%
# Half a day in every ten is lost, a tenth of the other hours too, and two hours are missing from the index.
broken = past.copy()
for day in range(5, N_DAYS - 1, 10):
    broken.iloc[day * DAY + 8 : day * DAY + 20] = np.nan
broken[rng.random(len(broken)) < 0.1] = np.nan
broken = broken.drop(broken.index[[100, 101]])
print(f"{broken.isna().mean():.0%} of the values are missing")

# %%
# Nothing has to be repaired. What is missing is not learnt from, and the network reads its own forecast in its place.
settings = {"n_units": N_UNITS, "stateful": True, "trainable": (), "random_state": 0}
esn = DopamineESNForecaster(**settings).fit(broken)
ahead = esn.forecast(DAY)
complete = DopamineESNForecaster(**settings).fit(past).forecast(DAY)
lines = DopamineESNForecaster(**settings).fit(broken.resample("h").mean().interpolate()).forecast(DAY)
for name, path in (("no gaps", complete), ("gaps", ahead), ("gaps bridged by lines", lines)):
    print(f"{name}: mean absolute error of the next day {np.abs(path - future).mean():.2f} degrees")

# %%
# ``fitted_values_`` says what should have been measured, from the rows before. Beside a line from the last value to the
# next, it knows the daily wave.
fitted = pd.Series(esn.fitted_values_, broken.index)
lost = broken.isna().reindex(past.index, fill_value=False)
bridged = broken.reindex(past.index).interpolate()
for name, values in (("the forecaster", fitted), ("lines", bridged)):
    print(f"lost hours filled by {name}: error {np.abs(values - past)[lost].mean():.2f} degrees")

fig, axes = plt.subplots(2, 1, figsize=(8, 4), layout="constrained")
shown = slice(55 * DAY, 57 * DAY)
axes[0].plot(past[shown], color="0.7", lw=4, label="truth")
axes[0].plot(broken.reindex(past.index)[shown], color="k", marker=".", label="measured")
axes[0].plot(fitted.where(lost)[shown], color="C0", marker=".", label="filled")
axes[0].legend(frameon=False, ncols=3, loc="lower right")
ForecastDisplay.from_estimator(esn, broken, DAY, truth=future, ax=axes[1])
for ax in axes:
    ax.tick_params(axis="x", rotation=0)
    ax.set(xlabel="hour", ylabel="degrees")
plt.show()

# %%
# With a sixth of the values missing, the next day is forecast as well as without gaps. Lines between the values do
# harm: the network believes them, and learns days that never were. Of the lost hours, the forecaster is off by half a
# degree, lines by a degree and a half.
