"""CartPole and Acrobot, as in gymnasium (Barto, Sutton and Anderson, 1983; Sutton, 1996), with scaled observations."""

from types import SimpleNamespace

import numpy as np


class CartPole:
    """A pole on a cart: 1 for each step until it falls."""

    n_features, n_actions, limit = 4, 2, 200

    @staticmethod
    def start(n: int, rng: np.random.Generator) -> np.ndarray:
        return rng.uniform(-0.05, 0.05, (n, 4))

    @staticmethod
    def seen(state: np.ndarray) -> np.ndarray:
        return state * [1, 0.5, 8, 0.5]

    @staticmethod
    def moved(state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        x, v, angle, spin = state.T
        push = (np.where(action == 1, 10.0, -10.0) + 0.05 * spin**2 * np.sin(angle)) / 1.1
        turn = (9.8 * np.sin(angle) - np.cos(angle) * push) / (0.5 * (4 / 3 - 0.1 * np.cos(angle) ** 2 / 1.1))
        speed = v + 0.02 * (push - 0.05 * turn * np.cos(angle) / 1.1)
        state = np.stack([x + 0.02 * v, speed, angle + 0.02 * spin, spin + 0.02 * turn], 1)
        return state, np.ones(len(state)), (abs(state[:, 0]) > 2.4) | (abs(state[:, 2]) > 12 * np.pi / 180)


class Acrobot:
    """Two links, driven at the joint: -1 for each step until the tip is high."""

    n_features, n_actions, limit = 6, 3, 500

    @staticmethod
    def start(n: int, rng: np.random.Generator) -> np.ndarray:
        return rng.uniform(-0.1, 0.1, (n, 4))

    @staticmethod
    def seen(state: np.ndarray) -> np.ndarray:
        a, b, c, d = state.T
        return np.stack([np.cos(a), np.sin(a), np.cos(b), np.sin(b), c / 4, d / 9], 1)

    @staticmethod
    def _slope(state: np.ndarray, torque: np.ndarray) -> np.ndarray:
        t1, t2, d1, d2 = state.T
        m1, m2 = 3.5 + np.cos(t2), 1.25 + 0.5 * np.cos(t2)  # masses and lengths 1, centres .5, inertias 1
        phi2 = 0.5 * 9.8 * np.cos(t1 + t2 - np.pi / 2)
        phi1 = -0.5 * d2**2 * np.sin(t2) - d2 * d1 * np.sin(t2) + 1.5 * 9.8 * np.cos(t1 - np.pi / 2) + phi2
        a2 = (torque + m2 / m1 * phi1 - 0.5 * d1**2 * np.sin(t2) - phi2) / (1.25 - m2**2 / m1)
        return np.stack([d1, d2, -(m2 * a2 + phi1) / m1, a2], 1)

    @classmethod
    def moved(cls, state: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        torque = action - 1.0
        k1 = cls._slope(state, torque)
        k2 = cls._slope(state + 0.1 * k1, torque)
        k3 = cls._slope(state + 0.1 * k2, torque)
        state = state + 0.2 / 6 * (k1 + 2 * k2 + 2 * k3 + cls._slope(state + 0.2 * k3, torque))
        state[:, :2] = (state[:, :2] + np.pi) % (2 * np.pi) - np.pi
        state[:, 2:] = np.clip(state[:, 2:], [-4 * np.pi, -9 * np.pi], [4 * np.pi, 9 * np.pi])
        done = -np.cos(state[:, 0]) - np.cos(state[:, 0] + state[:, 1]) > 1
        return state, np.where(done, 0.0, -1.0), done


class Single:
    """One of them behind gymnasium's interface."""

    def __init__(self, world: type) -> None:
        self.world = world
        self.action_space = SimpleNamespace(n=world.n_actions)
        self.rng = np.random.default_rng(0)

    def reset(self, seed: int | None = None) -> tuple[np.ndarray, dict]:
        self.rng = self.rng if seed is None else np.random.default_rng(seed)
        self.state, self.steps = self.world.start(1, self.rng), 0
        return self.world.seen(self.state)[0], {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.state, reward, done = self.world.moved(self.state, np.array([action]))
        self.steps += 1
        return self.world.seen(self.state)[0], float(reward[0]), bool(done[0]), self.steps >= self.world.limit, {}
