"""Test score against the scale of the perturbation."""

import re

import matplotlib.pyplot as plt
from _results import OURS, THIRD, read_table

rows = read_table("ablation_scale")
names = list(dict.fromkeys(row["set"] for row in rows))

fig, axes = plt.subplots(1, len(names), figsize=(8, 2.8), layout="constrained")
for ax, name in zip(axes, names, strict=True):
    for mode, color, marker in (("node", OURS, "o"), ("weight", THIRD, "s")):
        found = [
            (float(match[1]), float(row["test score"]))
            for row in rows
            if row["set"] == name and (match := re.fullmatch(rf"{mode}, scale ([\d.]+)", row["method"]))
        ]
        ax.plot(*zip(*found, strict=True), color=color, marker=marker, markersize=4, label=mode)
    ax.set(xscale="log", title=name, xlabel="perturbation_scale")
    ax.grid(color="0.9")
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("test score (points)")
axes[0].legend(frameon=False, loc="lower left")
