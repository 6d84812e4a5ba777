"""
A network of hard thresholds
============================

A step unit is 0 or 1: its derivative is zero wherever it exists, so that backpropagation has nothing to go by. Can
perturbation train such units as it trains ``"relu"``?
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdopamine import DopamineMLPClassifier

N_ROWS = 2000
MAX_ITER = 1000

# %%
# The two networks differ in the activation only. The loss of step units can stand still for a while and fall later. So
# no pause ends the training: ``n_iter_no_change=np.inf``.
X, y = make_moons(N_ROWS, noise=0.2, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
fig, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained", sharey=True)
for ax, activation in zip(axes, ("relu", "step"), strict=True):
    mlp = DopamineMLPClassifier(activation=activation, max_iter=MAX_ITER, n_iter_no_change=np.inf, random_state=0)
    model = make_pipeline(StandardScaler(), mlp).fit(X_train, y_train)
    accuracy = model.score(X_test, y_test)
    print(f"{activation}: test accuracy {accuracy:.3f} after {model[-1].n_iter_} epochs")
    DecisionBoundaryDisplay.from_estimator(
        model, X, ax=ax, response_method="predict_proba", cmap="RdBu", alpha=0.7, grid_resolution=300
    )
    ax.scatter(*X_test.T, c=y_test, cmap="RdBu", s=8, edgecolors="k", linewidths=0.3)
    ax.set(title=f"{activation}, accuracy {accuracy:.3f}", xlabel="$x_1$")
axes[0].set_ylabel("$x_2$")
plt.show()

# %%
# On the test rows the two are nearly alike. The decision surface of the step units is made of straight cuts.
