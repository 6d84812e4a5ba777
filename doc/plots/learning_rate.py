"""Points lost against the best start of the learning rate, on each of six tables."""

import matplotlib.pyplot as plt
from _results import OURS, RIVAL, read_table

rows = read_table("learning_rate")
starts = [column for column in rows[0] if column not in ("set", "estimator", "spread")]

fig, axes = plt.subplots(1, 2, figsize=(8, 2.9), sharey=True, layout="constrained")
for ax, estimator, title, color in zip(
    axes, ("ours", "MLP"), ("ours", "MLPClassifier, MLPRegressor"), (OURS, RIVAL), strict=True
):
    for row in rows:
        if row["estimator"] == estimator:
            scores = [float(row[start]) for start in starts]
            lost = [score - max(scores) for score in scores]
            ax.plot([float(start) for start in starts], lost, color=color, marker="o", markersize=4, clip_on=True)
    ax.set(xscale="log", ylim=(-20, 1), title=title, xlabel="learning_rate_init")
    ax.grid(color="0.9")
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("score - that of the best start\n(points)")
