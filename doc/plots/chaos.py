"""Closed-loop forecasts of chaotic systems, beside reservoirpy."""

import re

import matplotlib.pyplot as plt
from _results import OURS, RIVAL, read_table

rows = read_table("chaos")
systems = list(dict.fromkeys(row["system"] for row in rows))
labels = {"valid time": "valid for (Lyapunov times)", "NRMSE84": "error after 84 steps"}

fig, axes = plt.subplots(1, len(systems), figsize=(8.4, 2.8), sharey=True, layout="constrained")
for ax, system in zip(axes, systems, strict=True):
    own = [row for row in rows if row["system"] == system][::-1]
    # gains that differ from the rival's own are those found by hand; the table has them
    names = [re.sub(r"(reservoirpy \d+), .*", r"\1, by hand", row["model"]) for row in own]
    colors = [OURS if row["model"].startswith("ours") else RIVAL for row in own]
    means = [float(row["mean"]) for row in own]
    if own[0]["measure"] == "valid time":
        ax.barh(names, means, color=colors)
    else:
        ax.scatter(means, names, color=colors)  # a bar has no beginning on a logarithmic axis
        ax.set_xscale("log")
        ax.grid(axis="x", color="0.9")
    ax.set(title=system, xlabel=labels[own[0]["measure"]])
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
