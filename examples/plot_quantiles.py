"""
Quantiles of a noise that grows
===============================

``loss="pinball"`` trains a network on a quantile of the target. Do three of them follow a noise whose spread depends on
the input, and do they hold the share of the points that they should?
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdopamine import DopamineMLPRegressor

N_ROWS = 3000
MAX_ITER = 200
QUANTILES = (0.1, 0.5, 0.9)

# %%
# A wave whose noise is ten times as wide on the right as on the left.
rng = np.random.default_rng(0)
x = rng.uniform(0, 10, N_ROWS)
y = np.sin(x) + (0.05 + 0.045 * x) * rng.standard_normal(N_ROWS)
X_train, X_test, y_train, y_test = train_test_split(x[:, None], y, random_state=0)

fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
ax.scatter(X_test, y_test, s=4, color="0.7")
grid = np.linspace(0, 10, 300)[:, None]
for quantile in QUANTILES:
    mlp = DopamineMLPRegressor((50, 50), loss="pinball", quantile=quantile, max_iter=MAX_ITER, random_state=0)
    model = make_pipeline(StandardScaler(), mlp).fit(X_train, y_train)
    below = y_test < model.predict(X_test)
    left = X_test[:, 0] < 5
    print(
        f"quantile {quantile}: {below.mean():.3f} of the test points below, "
        f"{below[left].mean():.3f} on the left and {below[~left].mean():.3f} on the right"
    )
    ax.plot(grid, model.predict(grid), label=f"quantile {quantile}")
ax.set(xlabel="x", ylabel="y")
ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()

# %%
# The band widens with the noise. About the right share of the test points lies below each of the three curves. On the
# left half, where the noise is small, the band from 0.1 to 0.9 is somewhat too wide, on the right half somewhat too
# narrow.
