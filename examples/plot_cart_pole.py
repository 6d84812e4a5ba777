"""
A pole on a cart: rewards that come late
========================================

Each step brings 1 until the pole falls. No step says what was right: the whole episode does, by the trace that each
action has left. How does that differ from the usual error of a prediction?
"""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np

from skdopamine import DopamineMLPPolicy
from skdopamine.control import evaluate, train_episodes

N_EPISODES = 120
LIMIT = 200


# %%
# Any environment with the interface of gymnasium will do, as ``gymnasium.make("CartPole-v1")``. This is the same pole.
class CartPole:
    action_space = SimpleNamespace(n=2)

    def seen(self):
        return self.state * [1, 0.5, 8, 0.5]  # of about the same size

    def reset(self, seed=None):
        self.rng = np.random.default_rng(seed) if seed is not None else self.rng
        self.state, self.time = self.rng.uniform(-0.05, 0.05, 4), 0
        return self.seen(), {}

    def step(self, action):
        x, v, angle, spin = self.state
        push = ((10 if action else -10) + 0.05 * spin**2 * np.sin(angle)) / 1.1
        turn = (9.8 * np.sin(angle) - np.cos(angle) * push) / (0.5 * (4 / 3 - 0.1 * np.cos(angle) ** 2 / 1.1))
        speed = v + 0.02 * (push - 0.05 * turn * np.cos(angle) / 1.1)
        self.state = np.array([x + 0.02 * v, speed, angle + 0.02 * spin, spin + 0.02 * turn])
        self.time += 1
        fallen = abs(self.state[0]) > 2.4 or abs(self.state[2]) > np.pi / 15
        return self.seen(), 1.0, fallen, self.time == LIMIT, {}


# %%
# ``objective="policy"`` makes those actions likelier that were followed by more than was expected.
policy = DopamineMLPPolicy((32,), "leaky_relu", objective="policy", entropy=0.05, random_state=0)
history = train_episodes(policy, CartPole(), N_EPISODES, discount=0.99, random_state=0)
greedy = evaluate(policy, CartPole(), 10, random_state=1)
print(f"steps: first ten episodes {history.returns[:10].mean():.0f}, last ten {history.returns[-10:].mean():.0f}")
print(f"without exploring {greedy.mean():.0f} of {LIMIT}")

fig, axes = plt.subplots(2, 1, figsize=(7, 4), layout="constrained", sharex=True)
axes[0].plot(history.returns)
axes[0].set_ylabel("steps")
axes[1].plot(history.reward_prediction_errors)
axes[1].axhline(0, color="0.6", lw=1)
axes[1].set(xlabel="episode", ylabel="reward prediction error")
plt.show()

# %%
# While the policy improves, episodes bring more than was expected; in the end they bring what is expected.
