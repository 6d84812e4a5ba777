"""
Ten million rows in flat memory
===============================

Does a network that learns from a stream take more memory, or more time for a row, the longer it learns? Here each chunk
of rows is made, learnt from by ``partial_fit``, and forgotten.
"""

import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from skdopamine import DopamineMLPClassifier

N_ROWS = 10_000_000
CHUNK = 10_000
N_FEATURES = 10

# %%
# Two classes with a curved border. A chunk could as well be a batch of a Parquet file, or a slice of a memory map.


def chunk(number):
    rng = np.random.default_rng(number)
    X = rng.standard_normal((CHUNK, N_FEATURES), dtype=np.float32)
    return X, (X[:, 0] * X[:, 1] + X[:, 2] > 0).astype(int)


def resident():
    """Megabytes that the system holds for this process; nan where it does not say."""
    path = Path("/proc/self/statm")
    return int(path.read_text().split()[1]) * 4096 / 2**20 if path.exists() else np.nan


# %%
# Accuracy is that of a chunk which is never learnt from. ``partial_fit`` shuffles the rows of each chunk itself.
model, n_chunks = DopamineMLPClassifier((32,), random_state=0), N_ROWS // CHUNK
X_test, y_test = chunk(n_chunks)
rows, memory, accuracy, seconds = [], [], [], []
for tenth in range(10):
    begin = time.process_time()
    for number in range(tenth * n_chunks // 10, (tenth + 1) * n_chunks // 10):
        model.partial_fit(*chunk(number), classes=[0, 1])
    seconds.append(time.process_time() - begin)
    rows.append((number + 1) * CHUNK)
    memory.append(resident())
    accuracy.append(model.score(X_test, y_test))
    print(f"{rows[-1]:>10,} rows: {memory[-1]:.0f} MB, accuracy {accuracy[-1]:.4f}", flush=True)

# %%
print(f"the rows together: {N_ROWS * N_FEATURES * 4 / 2**20:.0f} MB")
print(f"memory, last tenth minus the first: {memory[-1] - memory[0]:.1f} MB")
print(f"time, last tenth over the first: {seconds[-1] / seconds[0]:.2f}")

fig, axes = plt.subplots(2, 1, figsize=(8, 4), layout="constrained", sharex=True)
axes[0].plot(rows, np.array(memory), marker="o")
axes[0].set(ylabel="memory (MB)", ylim=(0, None))
axes[1].plot(rows, accuracy, marker="o", color="C1")
axes[1].set(xlabel="rows", ylabel="accuracy")
plt.show()

# %%
# The system holds the same memory from the first tenth on, half of what the rows would take. It belongs to Python and
# its libraries; the network with all that it takes to go on is less than half a megabyte.
