"""How many times as fast as one thread two workers evaluate an update, by its seconds in one thread."""

import matplotlib.pyplot as plt
from _results import OURS, RIVAL, THIRD, read_table

rows = sorted(read_table("parallel"), key=lambda row: float(row["seconds in one thread"]))
seconds = [float(row["seconds in one thread"]) for row in rows]
fig, ax = plt.subplots(figsize=(6.6, 3.2), layout="constrained")
lines = {
    "2 threads": ("2 threads, times as fast", OURS, "o-"),
    "2 processes": ("2 processes", RIVAL, "s-"),
    "Dask, 2 workers": ("Dask, 2 workers", THIRD, "^-"),
}
for label, (column, color, style) in lines.items():
    ax.plot(seconds, [float(row[column]) for row in rows], style, color=color, markersize=4, label=label)
ax.axhline(1, color="0.7", linewidth=0.8)
ax.set(xscale="log", xlabel="seconds of an update in one thread", ylabel="times as fast", ylim=(0, None))
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)
