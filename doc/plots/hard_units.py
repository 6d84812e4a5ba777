"""Test accuracy of hard units beside relu and scikit-learn."""

import matplotlib.pyplot as plt
import numpy as np
from _results import OURS, RIVAL, THIRD, read_table

rows = read_table("hard_units")
sets = list(dict.fromkeys(row["set"] for row in rows))
kinds = {"step": OURS, "sign": "#57b0d3", "relu": THIRD, "MLPClassifier": RIVAL}

fig, axes = plt.subplots(1, len(sets), figsize=(8, 2.9), layout="constrained")
for ax, name in zip(axes, sets, strict=True):
    layers = list(dict.fromkeys(row["layers"] for row in rows if row["set"] == name))
    places = np.arange(len(layers))
    for i, (kind, color) in enumerate(kinds.items()):
        own = [row for row in rows if row["set"] == name and row["units, or rival"] == kind]
        accuracies = [100 * float(row["test accuracy"]) for row in own]
        ax.plot(places + 0.12 * (i - 1.5), accuracies, "o", color=color, label=kind)
    ax.set(title=name, xticks=places, xticklabels=layers, xlim=(-0.5, len(layers) - 0.5))
    ax.margins(y=0.15)
    ax.grid(axis="y", color="0.9")
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("test accuracy (%)")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
