"""
Learning from clicks that another policy has earned
===================================================

A log holds rows, the action that was taken, how likely it was, and what it has brought. What would a better policy
bring, and can one tell without trying it out?
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit, softmax

from skdopamine import DopamineMLPPolicy

N_ROWS = 8000

# %%
# Visitors with five features see one of four offers. Which is best depends on whether the first two features have the
# same sign, which no linear model tells, and on the sign of the third. The old policy prefers the first offers.
rng = np.random.default_rng(0)
X = rng.normal(size=(2 * N_ROWS, 5))
best = 2 * (X[:, 0] * X[:, 1] > 0) + (X[:, 2] > 0)
click = expit(-2.5 + 2.5 * (best[:, None] == np.arange(4)) + 0.3 * X[:, 3:4])
chances = softmax(0.5 * rng.normal(size=(2 * N_ROWS, 4)) - 0.3 * np.arange(4), axis=1)
offer = (chances.cumsum(axis=1) < rng.random((2 * N_ROWS, 1))).sum(axis=1).clip(0, 3)
taken = np.arange(2 * N_ROWS), offer
clicked, propensity = (rng.random(2 * N_ROWS) < click[taken]) * 1.0, chances[taken]

# %%
# Half of the log is for training. On the other half ``score`` estimates what the offers of ``predict`` would bring,
# from the rows in which the old policy has made the same offer. Here the truth is known as well.
train, test = slice(0, N_ROWS), slice(N_ROWS, None)
log = {"reward": clicked[train], "propensity": propensity[train]}
names, estimates, truths = ["old policy"], [clicked[test].mean()], [(chances * click)[test].sum(axis=1).mean()]
for name, hidden, objective in (
    ("linear, reward", (), "reward"),
    ("network, reward", (64,), "reward"),
    ("network, dr", (64,), "dr"),
    ("network, policy", (64,), "policy"),
):
    policy = DopamineMLPPolicy(hidden, objective=objective, random_state=0).fit(X[train], offer[train], **log)
    names.append(name)
    estimates.append(policy.score(X[test], offer[test], reward=clicked[test], propensity=propensity[test]))
    truths.append(click[test][np.arange(N_ROWS), policy.predict(X[test])].mean())
names.append("best possible")
estimates.append(np.nan)
truths.append(click[test].max(axis=1).mean())
for name, estimate, truth in zip(names, estimates, truths, strict=True):
    print(f"{name:16} clicks estimated {estimate:.3f}, in truth {truth:.3f}")

fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
place = np.arange(len(names))
ax.barh(place, truths, color="0.8", label="truth")
ax.plot(estimates, place, "o", label="score")
ax.set_yticks(place, names)
ax.invert_yaxis()
ax.set(xlabel="clicks a row", ylabel="policy")
ax.legend(frameon=False, loc="lower right")
plt.show()

# %%
# The network finds what the linear model cannot, and the score tells it before any visitor has seen an offer. Clicks
# are so noisy that the objectives of the policy itself do better here than the one of the rewards.
