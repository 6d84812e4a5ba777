"""
Digits beside MLPClassifier
===========================

How accurate and how fast is training without a gradient on the digits of scikit-learn, beside ``MLPClassifier``, both
at their defaults?
"""

import time

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdopamine import DopamineMLPClassifier

N_ROWS = 1797
MAX_ITER = 200

# %%
# Both get the same rows, scaled in the same way.
X, y = load_digits(return_X_y=True)
X, y = X[:N_ROWS], y[:N_ROWS]
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)

fig, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
print(f"{'':24}{'accuracy':>9}{'seconds':>9}{'epochs':>8}")
for estimator in (MLPClassifier, DopamineMLPClassifier):
    model = make_pipeline(StandardScaler(), estimator(max_iter=MAX_ITER, random_state=0))
    begin = time.perf_counter()
    model.fit(X_train, y_train)
    seconds = time.perf_counter() - begin
    name, curve = estimator.__name__, model[-1].loss_curve_
    print(f"{name:24}{model.score(X_test, y_test):9.4f}{seconds:9.2f}{len(curve):8d}")
    ax.plot(range(1, len(curve) + 1), curve, label=name)  # of both, the log-loss on the training rows
ax.set(yscale="log", xlabel="epoch", ylabel="training log-loss")
ax.legend(frameon=False)
plt.show()

# %%
# On this split both are right in nearly 98 % of the test rows, within a few rows of each other.
# ``DopamineMLPClassifier`` stops after far fewer epochs, and sooner.
