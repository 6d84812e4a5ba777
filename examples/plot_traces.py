"""
Reading the traces of a fit
===========================

The reward prediction error is the loss that was expected minus the loss that came. It moves the learning rate: up
where an update was better than expected, down where it was worse. Does the start of the rate matter then?
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdopamine import DopamineMLPClassifier
from skdopamine.inspection import TrainingDisplay

N_ROWS = 1797
MAX_ITER = 200
EPOCH = 3
RATES = (1e-4, 0.1)

# %%
# Two fits that differ in ``learning_rate_init`` only, by a factor of 1000.
X, y = load_digits(return_X_y=True)
X, y = X[:N_ROWS], y[:N_ROWS]
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
models = {}
for rate in RATES:
    mlp = DopamineMLPClassifier(learning_rate_init=rate, max_iter=MAX_ITER, random_state=0)
    models[rate] = make_pipeline(StandardScaler(), mlp).fit(X_train, y_train)

# %%
# A display draws the traces of one fit; the second one goes on the axes of the first.
axes = None
for rate, model in models.items():
    display = TrainingDisplay.from_estimator(model[-1], axes=axes, name=f"start {rate:g}")
    axes = display.axes_
    curve = model[-1].learning_rate_curve_
    print(
        f"start {rate:g}: rate {curve[0]:.4f} after epoch 1, {curve[EPOCH - 1]:.4f} after epoch {EPOCH}, "
        f"test accuracy {model.score(X_test, y_test):.3f}"
    )
axes[0].set_yscale("log")
plt.show()

# %%
# The start hardly matters: 0.1 is cut to the ceiling of 0.01 at once, 1e-4 climbs to the same rate within three
# epochs, and the accuracies on the test rows are 0.980 and 0.981. The error is large and positive while the loss
# falls fast, then near zero, and the rate follows its schedule down.
