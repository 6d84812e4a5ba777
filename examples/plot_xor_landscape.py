"""
What regret means: the loss landscape of XOR
============================================

Weight perturbation moves all weights by a small random vector, forwards and backwards, and compares the two losses.
Their difference over the distance is the regret of that direction. (Where a minibatch holds all rows, one side is
compared with the middle.) This example draws the loss along two directions, around a start and around the solution.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.metrics import log_loss

from skdopamine import DopamineMLPClassifier
from skdopamine.datasets import make_xor

N_ROWS = 200
MAX_ITER = 1500
SCALE = 0.1

# %%
# One call of ``partial_fit`` with all rows makes one update, so that this network stands next to its start. The other
# one goes all the way from the same start.
X, y = make_xor(N_ROWS, noise=0.15, random_state=0)
params = {"hidden_layer_sizes": (8,), "activation": "tanh", "perturbation": "weight", "perturbation_scale": SCALE}
params |= {"max_iter": MAX_ITER, "random_state": 0}
start = DopamineMLPClassifier(**params).partial_fit(X, y, classes=[0, 1])
solution = DopamineMLPClassifier(**params).fit(X, y)
print(f"accuracy after one update: {start.score(X, y):.2f}, at the end: {solution.score(X, y):.2f}")


# %%
# The same random directions serve both networks: a standard normal number for each weight.
def loss_at(model, directions, distance):
    """Log-loss with all weights moved by distance * directions."""
    moved = [p + distance * d for p, d in zip([*model.coefs_, *model.intercepts_], directions, strict=True)]
    hidden = np.tanh(X @ moved[0] + moved[2])
    output = (hidden @ moved[1] + moved[3]).ravel()
    return log_loss(y, 1 / (1 + np.exp(-output)))


rng = np.random.default_rng(3)
shapes = [p.shape for p in [*start.coefs_, *start.intercepts_]]
directions = [[rng.standard_normal(shape) for shape in shapes] for _ in range(2)]

# %%
# The dots are the two losses that are compared, one perturbation scale to either side. The slope of the dotted line
# between them is the regret.
fig, axes = plt.subplots(1, 3, figsize=(8, 2.8), layout="constrained")
DecisionBoundaryDisplay.from_estimator(solution, X, ax=axes[0], response_method="predict_proba", cmap="RdBu", alpha=0.7)
axes[0].scatter(*X.T, c=y, cmap="RdBu", s=8, edgecolors="w", linewidths=0.3)
axes[0].set(title="Solution", xlabel="$x_1$", ylabel="$x_2$")
distances, ends = np.linspace(-3, 3, 61), (-1, 1)
for ax, (name, model) in zip(axes[1:], {"Near the start": start, "Around the solution": solution}.items(), strict=True):
    for number, direction in enumerate(directions, start=1):
        (line,) = ax.plot(
            distances, [loss_at(model, direction, d * SCALE) for d in distances], label=f"direction {number}"
        )
        losses = [loss_at(model, direction, d * SCALE) for d in ends]
        ax.plot(ends, losses, "o:", color=line.get_color())
        print(f"{name}, direction {number}: regret {(losses[1] - losses[0]) / (2 * SCALE):+.3f}")
    ax.set(title=name, xlabel="distance / scale", ylabel="log-loss")
axes[2].legend(frameon=False, loc="upper center")
plt.show()

# %%
# Near the start the two directions have regrets of opposite sign, +0.04 and -0.10: two losses tell which way is
# better. Around the solution the dots are nearly level, the regrets are near zero, and so are the updates that follow
# from them.
