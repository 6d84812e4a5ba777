"""Gain from training on the metric, over a plain and over a tuned rival."""

import matplotlib.pyplot as plt
import numpy as np
from _results import OURS, THIRD, read_table

rows = read_table("metric")
metrics = ["F1", "balanced accuracy"]
sides = {
    "over MLPClassifier": ("ours, metric - MLP", OURS),
    "over its tuned threshold": ("- tuned threshold", THIRD),
}

fig, axes = plt.subplots(1, 2, figsize=(8, 3.6), sharex=True, sharey=True, layout="constrained")
for ax, metric in zip(axes, metrics, strict=True):
    chosen = [row for row in rows if row["metric"] == metric]
    places = np.arange(len(chosen))[::-1]
    for i, (label, (column, color)) in enumerate(sides.items()):
        means, errors = np.array([[float(part) for part in row[column].split("±")] for row in chosen]).T
        ax.barh(places + 0.2 - 0.4 * i, means, 0.38, xerr=errors, color=color, error_kw={"lw": 0.8}, label=label)
    ax.axvline(0, color="0.3", lw=0.8)
    ax.set(title=metric, xlabel="points", yticks=places, yticklabels=[row["set"] for row in chosen])
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
