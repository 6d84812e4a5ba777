"""Errors on measured series, beside the best of each kind of rival."""

import matplotlib.pyplot as plt
import numpy as np
from _results import OURS, RIVAL, read_table

rows = read_table("series")
names = list(dict.fromkeys(row["series"] for row in rows))
columns = {"NRMSE, one step": "one step ahead", "NRMSE, 24 steps": "24 steps ahead"}

fig, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True, layout="constrained")
places = np.arange(len(names))[::-1]
for ax, (column, title) in zip(axes, columns.items(), strict=True):
    for place, name in zip(places, names, strict=True):
        own = [row for row in rows if row["series"] == name]
        rivals = [float(row[column]) for row in own if row["model"] != "ours"]
        ax.plot(rivals, [place] * len(rivals), "o", color=RIVAL, label="rivals")
        ax.plot([float(row[column]) for row in own if row["model"] == "ours"], [place], "D", color=OURS, label="ours")
    ax.set(title=title, xscale="log", xlabel="NRMSE", yticks=places, yticklabels=names, ylim=(-0.5, len(names) - 0.5))
    ax.grid(axis="x", color="0.9")
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
handles, labels = axes[0].get_legend_handles_labels()
fig.legend(handles[:2][::-1], labels[:2][::-1], loc="outside lower center", ncols=2, frameon=False)
