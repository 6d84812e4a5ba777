"""Small environments with gymnasium's interface, one at a time and several at once."""

from types import SimpleNamespace

import numpy as np


class Corridor:
    """A cue at the first step tells which action brings a reward at the last; in between nothing happens."""

    def __init__(self, length=4, limit=None, start=0):
        self.action_space = SimpleNamespace(n=2, start=start)
        self.length, self.limit, self.first = length, limit, start
        self.rng = np.random.default_rng(0)
        self.seeds = []

    def seen(self):
        return np.array([self.cue * (self.time == 0), self.time / self.length])

    def reset(self, seed=None):
        self.seeds.append(seed)
        self.rng = self.rng if seed is None else np.random.default_rng(seed)
        self.time, self.cue = 0, self.rng.choice([-1.0, 1.0])
        return self.seen(), {}

    def step(self, action):
        assert type(action) is int
        if self.time == 0:
            self.right = action - self.first == (self.cue > 0)
        self.time += 1
        ended = self.time == self.length
        return self.seen(), float(self.right and ended), ended, self.time == self.limit, {}


class Corridors:
    """Several at once, which reset themselves as gymnasium's do: in the step after the last, or in the last."""

    def __init__(self, n, mode="NEXT_STEP", **params):
        self.worlds = [Corridor(**params) for _ in range(n)]
        self.num_envs, self.single_action_space = n, self.worlds[0].action_space
        self.action_space = SimpleNamespace(nvec=[2] * n)
        self.metadata = {"autoreset_mode": f"AutoresetMode.{mode}"}
        self.same, self.over = mode == "SAME_STEP", np.zeros(n, dtype=bool)

    def reset(self, seed=None):
        return np.array([w.reset(seed if seed is None else seed + k)[0] for k, w in enumerate(self.worlds)]), {}

    def step(self, actions):
        results, finals = [], np.full(self.num_envs, None)
        for k, (world, action) in enumerate(zip(self.worlds, actions, strict=True)):
            if self.over[k]:
                result = (world.reset()[0], 0.0, False, False, {})
            else:
                result = world.step(int(action))
            if self.same and (result[2] or result[3]):
                finals[k] = result[0]
                result = (world.reset()[0], *result[1:])
            results.append(result)
        rows, rewards, ended, cut, _ = (np.array(column) for column in zip(*results, strict=True))
        self.over = (ended | cut) & (not self.same)
        return rows, rewards.astype(float), ended, cut, ({"final_obs": finals} if (ended | cut).any() else {})
