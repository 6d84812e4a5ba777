"""
Fine-tuning MLPClassifier on a metric
=====================================

``init`` takes a fitted ``MLPClassifier`` and trains it further on a metric. What does that change where positives are
rare and balanced accuracy counts?
"""

import matplotlib.pyplot as plt
from sklearn.datasets import make_classification
from sklearn.metrics import RocCurveDisplay, balanced_accuracy_score, recall_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from skdopamine import DopamineMLPClassifier

N_ROWS = 4000
MAX_ITER = 200

# %%
# Both networks must see the same scaled features, so the scaler stands before them.
X, y = make_classification(
    N_ROWS, n_features=20, n_informative=8, n_clusters_per_class=3, weights=[0.95], flip_y=0.01, random_state=0
)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
scaler = StandardScaler().fit(X_train)
X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)

# %%
# A small ``learning_rate_init`` keeps the first steps near the start. ``to_sklearn`` gives an ``MLPClassifier`` back.
start = MLPClassifier(early_stopping=True, max_iter=MAX_ITER, random_state=0).fit(X_train, y_train)
tuned = DopamineMLPClassifier(
    loss="balanced_accuracy", init=start, learning_rate_init=1e-4, max_iter=MAX_ITER, random_state=0
)
tuned = tuned.fit(X_train, y_train).to_sklearn()

# %%
# The dots are the decisions of ``predict``: a point on each curve.
fig, ax = plt.subplots(figsize=(5, 3.8), layout="constrained")
for number, (name, model) in enumerate({"MLPClassifier": start, "fine-tuned": tuned}.items()):
    predicted = model.predict(X_test)
    found, wrong = recall_score(y_test, predicted), 1 - recall_score(y_test, predicted, pos_label=0)
    score = balanced_accuracy_score(y_test, predicted)
    print(f"{name}: balanced accuracy {score:.3f}, positives found {found:.3f}, false alarms {wrong:.3f}")
    style = {"color": f"C{number}", "linestyle": ["-", "--"][number]}
    RocCurveDisplay.from_estimator(model, X_test, y_test, ax=ax, name=name, curve_kwargs=style)
    ax.plot(wrong, found, "o", color=f"C{number}", markersize=8)
ax.set(xlabel="share of negatives taken for positive", ylabel="share of positives found")
ax.legend(frameon=False, loc="lower right")
plt.show()

# %%
# Balanced accuracy rises from 0.635 to 0.808. The two curves are all but the same: what fine-tuning has moved is the
# point on them where the network decides, and another threshold would do that, too.
