"""Memory while a classifier learns from ten million rows, beside the size of the rows seen."""

import re

import matplotlib.pyplot as plt
import numpy as np
from _results import OURS, RESULTS, RIVAL, read_table

printed = (RESULTS / "endless.md").read_text(encoding="utf-8")
rows, memory = np.array(re.findall(r": ([\d,]+) rows: (\d+) MB", printed.replace(",", "")), dtype=float).T
together = float(re.findall(r"the rows together: (\d+) MB", printed)[0])
streams = read_table("endless")

fig, (left, right) = plt.subplots(1, 2, figsize=(8.4, 2.9), layout="constrained")
left.plot(rows / 1e6, memory, "o-", color=OURS, markersize=4, label="memory of the process")
left.plot([0, rows[-1] / 1e6], [0, together], color=RIVAL, label="rows seen so far")
left.set(xlabel="million rows", ylabel="MB", ylim=(0, None), title="ten million rows")
left.legend(frameon=False)
names = [row["estimator"].removeprefix("Dopamine") for row in streams][::-1]
grown = [float(row["MB, last tenth"]) - float(row["MB, second tenth"]) for row in streams][::-1]
right.barh(names, grown, color=OURS)
right.set(xlabel="MB more at the end than after a fifth", title=f"{streams[0]['calls']} calls of eight rows")
right.tick_params(axis="y", length=0)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
