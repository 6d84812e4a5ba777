"""
Lorenz and Rössler in closed loop
=================================

How long does a forecast of a chaotic system stay with the truth, when the forecaster is fed its own predictions and
nothing was searched for by hand?
"""

import time

import matplotlib.pyplot as plt
import numpy as np

from skdopamine import DopamineESNForecaster
from skdopamine.datasets import make_lorenz, make_rossler

N_ROWS = 3000
N_UNITS = 300
LYAPUNOV_TIMES = 24

# %%
# In one Lyapunov time a small error grows by a factor of e. Its length in rows follows from the exponent of the system
# and the time between two rows.
systems = {"Lorenz": (make_lorenz, 0.9056 * 0.02), "Rössler": (make_rossler, 0.0714 * 0.1)}
fig, axes = plt.subplots(2, 1, figsize=(8, 4), layout="constrained", sharex=True)
for ax, (name, (make, rate)) in zip(axes, systems.items(), strict=True):
    n_steps = int(LYAPUNOV_TIMES / rate)
    series = make(N_ROWS + n_steps, random_state=0)
    past, truth = series[:N_ROWS], series[N_ROWS:]
    esn = DopamineESNForecaster(N_UNITS, stateful=True, random_state=0)
    begin = time.perf_counter()
    esn.fit(past)
    seconds = time.perf_counter() - begin
    path = esn.forecast(n_steps)

    # Valid as long as the error stays below 0.4 of the spread of the series, over all three channels.
    error = np.linalg.norm(path - truth, axis=1) / np.sqrt(past.var(axis=0).sum())
    lost = np.append(np.flatnonzero(error > 0.4), n_steps)[0]
    print(f"{name}: valid for {lost * rate:.1f} Lyapunov times, {lost} rows; fit in {seconds:.1f} s")

    times = rate * np.arange(1, n_steps + 1)
    ax.plot(times, truth[:, 0], color="0.5", label="truth")
    ax.plot(times, path[:, 0], color="C0", ls="--", label="forecast")
    ax.axvline(lost * rate, color="C3", lw=1, label="valid until")
    ax.set(title=name, ylabel="x")
axes[1].set_xlabel("time (Lyapunov times)")
fig.legend(*axes[0].get_legend_handles_labels(), frameon=False, loc="outside right upper")
plt.show()

# %%
# From this start the forecasts stay with the truth for about 20 Lyapunov times. That is nearly as long as the solver
# that made the Lorenz series is right itself. Other starts give other times; ``benchmarks/chaos.py`` has the means.
