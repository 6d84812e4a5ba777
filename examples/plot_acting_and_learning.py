"""
Acting and learning: what each way of exploring costs
=====================================================

Of each digit one hears only whether the action that was taken was right. How many mistakes does it take to learn, and
what happens when the rewards change?
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skdopamine import DopamineMLPPolicy

N_ROWS = 6000
SIZE = 20

# %%
# Rows come in batches of 20, in random order. From the middle on another action is right: all digits move up by one.
X, y = load_digits(return_X_y=True)
X = X / 16
rng = np.random.default_rng(0)
stream = np.array_split(rng.integers(0, len(y), N_ROWS), N_ROWS // SIZE)


def regret(exploration):
    """Mistakes so far, after each batch."""
    policy = DopamineMLPPolicy((64,), exploration=exploration, memory_size=2000, random_state=0)
    mistakes = []
    for k, rows in enumerate(stream):
        right = (y[rows] + (k >= len(stream) // 2)) % 10
        if k:
            actions, propensities = policy.sample(X[rows])
        else:
            actions, propensities = rng.integers(0, 10, len(rows)), 0.1
        reward = (actions == right) * 1.0
        policy.partial_fit(X[rows], actions, reward=reward, propensity=propensities, classes=np.arange(10))
        mistakes.append(len(rows) - reward.sum())
    return np.cumsum(mistakes), policy


# %%
# ``sample`` chooses, and tells the chance that each action had; ``partial_fit`` learns what it has brought.
rows_seen = SIZE * (1 + np.arange(len(stream)))
fig, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
for exploration in ("optimism", "inverse_gap", "softmax"):
    lost, policy = regret(exploration)
    half = len(lost) // 2
    print(
        f"{exploration:12} mistakes {lost[half - 1]:.0f} before the change and {lost[-1] - lost[half - 1]:.0f} after it"
    )
    axes[0].plot(rows_seen, lost, label=exploration)
    if exploration == "optimism":
        axes[1].plot(rows_seen, policy.reward_prediction_error_curve_, lw=0.5)
axes[0].axvline(rows_seen[half], color="0.6", lw=1)
axes[0].set(xlabel="rows", ylabel="mistakes so far")
axes[0].legend(frameon=False)
axes[1].set(xlabel="rows", ylabel="reward prediction error")
plt.show()

# %%
# Where the slope is flat, nothing is left to learn. At the change rewards are far worse than expected (right), until
# the rows of before are forgotten, which takes ``memory_size`` rows at most.
