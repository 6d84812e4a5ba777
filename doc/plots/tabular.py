"""Difference of the scores, and ratio of the times, on each table."""

import matplotlib.pyplot as plt
from _results import OURS, RIVAL, read_table

rows = sorted(read_table("tabular"), key=lambda row: float(row["difference"]))
names = [row["set"] for row in rows]
differences = [float(row["difference"]) for row in rows]
ratios = [float(row["ratio"]) for row in rows]

fig, (left, right) = plt.subplots(1, 2, figsize=(8, 8.8), sharey=True, layout="constrained")
left.barh(names, differences, color=[OURS if d >= 0 else RIVAL for d in differences])
left.axvline(0, color="0.3", lw=0.8)
left.set(xlabel="score: ours - scikit-learn (points)")
right.barh(names, ratios, color=OURS)
right.axvline(1, color="0.3", lw=0.8)
right.set(xlabel="time: ours / scikit-learn")
for ax in (left, right):
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="0.9")
    ax.set_axisbelow(True)
