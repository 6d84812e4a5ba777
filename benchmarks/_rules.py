"""Ablations of learning from reward, for `reward.py` and `control.py`: the rules as published, and the exact gradient.

NumPy alone, no part of the package. All arrays have the seeds in front: weights (S, below, above), rows (S, n, below).
A rule maximises reward prediction error times log pi(a|x) or, where it learns rewards, their fit.

exact    backpropagation: REINFORCE (Williams, 1992), the limit
critic   node perturbation in groups with learnt feedback, top down: the credit of this package, at a fixed rate
nrl      noise-based reward-modulated learning as published (arXiv:2503.23972): one noisy pass beside the clean one
rmhl     reward-modulated Hebbian learning (Miconi, 2017): the action comes from the noisy pass itself
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

SLOPE = 0.1  # of the leaky relu, as in the paper
RULES = ("exact", "critic", "nrl", "rmhl")
Params = tuple[list[np.ndarray], list[np.ndarray]]


def act(z: np.ndarray) -> np.ndarray:
    return np.where(z > 0, z, SLOPE * z)


def log_softmax(z: np.ndarray) -> np.ndarray:
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def init(units: Sequence[int], n_seeds: int, rng: np.random.Generator) -> Params:
    weights = [rng.standard_normal((n_seeds, a, b)) * np.sqrt(2 / (a + b)) for a, b in pairwise(units)]
    weights[-1] *= 0.1  # a start without preferences
    return weights, [np.zeros((n_seeds, 1, b)) for b in units[1:]]


def forward(
    params: Params, x: np.ndarray, noise: list[np.ndarray] | None = None
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Inputs of each layer, the outputs last, and pre-activations."""
    hs, zs = [x], []
    for i, (weight, bias) in enumerate(zip(*params, strict=True)):
        z = hs[-1] @ weight + bias + (0.0 if noise is None else noise[i])
        zs.append(z)
        hs.append(act(z) if i < len(params[0]) - 1 else z)
    return hs, zs


def outputs_from(params: Params, layer: int, z: np.ndarray) -> np.ndarray:
    for weight, bias in list(zip(*params, strict=True))[layer + 1 :]:
        z = act(z) @ weight + bias
    return z


class Credit:
    """What each pre-activation is credited with, by one of the rules; `worth` is a function of the outputs."""

    def __init__(
        self, kind: str, units: Sequence[int], n_seeds: int, rng: np.random.Generator, groups: int = 8
    ) -> None:
        self.kind, self.rng, self.scale, self.groups = kind, rng, 0.05, groups
        self.feedback = [np.zeros((n_seeds, above, u)) for u, above in pairwise(units[1:])]

    def __call__(
        self, params: Params, hs: list, zs: list, worth: Callable[[np.ndarray], np.ndarray], top: np.ndarray
    ) -> list[np.ndarray]:
        if self.kind == "exact":
            credit = [top]
            for i in range(len(zs) - 1, 0, -1):
                credit.insert(0, credit[0] @ params[0][i].swapaxes(-1, -2) * np.where(zs[i - 1] > 0, 1.0, SLOPE))
            return credit
        if self.kind == "nrl":
            xi = [self.rng.standard_normal(z.shape) for z in zs]
            moved = forward(params, hs[0], [self.scale * n for n in xi])[1][-1]
            gain = (worth(moved) - worth(zs[-1])) / self.scale
            gain *= sum(z.shape[-1] for z in zs) / sum((n**2).sum(-1) for n in xi)
            return [gain[..., None] * n for n in xi]
        credit = [top]
        for i in reversed(range(len(zs) - 1)):
            top, own = self._layer(i, params, zs[i], worth, top)
            credit.insert(0, own)
        return credit

    def _layer(self, i, params, z, worth, above):  # type: ignore[no-untyped-def]
        """What the layer's credit is expected to be, and what its own noise says beyond that."""
        n_units, s = z.shape[-1], self.scale
        n_groups = min(self.groups, n_units)
        member = (np.arange(n_units) * n_groups // n_units == np.arange(n_groups)[:, None]).astype(float)
        xi = self.rng.choice([-1.0, 1.0], z.shape)
        both = np.array([s, -s])[:, None, None, None, None] * (
            member[:, None, None, :] * xi
        )  # (2, groups, S, n, units)
        up, down = worth(outputs_from(params, i, z + both))
        gain = np.moveaxis((up - down) / (2 * s), 0, -1)  # (S, n, groups)
        slope = (act(z + s) - act(z - s)) / (2 * s)
        guess = (above @ self.feedback[i]) * slope
        surprise = ((gain - (guess * xi) @ member.T) @ member) * xi
        noise = slope * xi
        bound = np.abs(noise.swapaxes(-1, -2) @ noise).sum(-1).max(-1)[:, None, None] + 1e-12
        missed = noise @ params[0][i + 1] - noise @ self.feedback[i].swapaxes(-1, -2)
        self.feedback[i] = self.feedback[i] + 1.5 / bound * (missed.swapaxes(-1, -2) @ noise)
        return guess, guess + surprise


class Adam:
    """Ascent; `rows` are the seeds that take the step."""

    def __init__(self, params: Params, rate: float) -> None:
        self.rate, self.t = rate, 0
        self.first = [np.zeros_like(w) for part in params for w in part]
        self.second = [np.zeros_like(w) for part in params for w in part]

    def step(self, params: Params, gradient: list[np.ndarray], rows: np.ndarray | None = None) -> None:
        on = np.ones((1, 1, 1)) if rows is None else rows.astype(float)[:, None, None]
        self.t = self.t + on
        flat = [(part, i) for part in params for i in range(len(part))]
        t = np.maximum(self.t, 1)
        for k, (part, i) in enumerate(flat):
            self.first[k] += on * 0.1 * (gradient[k] - self.first[k])
            self.second[k] += on * 0.001 * (gradient[k] ** 2 - self.second[k])
            step = self.first[k] / (1 - 0.9**t) / (np.sqrt(self.second[k] / (1 - 0.999**t)) + 1e-8)
            part[i] = part[i] + on * self.rate * step


def gradients(hs: list, credit: list) -> list[np.ndarray]:
    n = hs[0].shape[1]
    products = [h.swapaxes(-1, -2) @ c / n for h, c in zip(hs, credit, strict=False)]
    return products + [c.mean(1, keepdims=True) for c in credit]


def draw(p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return (
        (p.cumsum(-1) < rng.random(p.shape[:-1])[..., None] * p.sum(-1, keepdims=True)).sum(-1).clip(0, p.shape[-1] - 1)
    )


def policy_bandit(X, y, hidden, kind, *, passes, n_seeds, size=8, entropy=0.05):  # type: ignore[no-untyped-def]
    """Share of right actions (seeds, steps) of a softmax policy that learns from each small batch once."""
    rng, n_actions = np.random.default_rng(0), int(y.max()) + 1
    units = [X.shape[1], *hidden, n_actions]
    params, rmhl = init(units, n_seeds, rng), kind == "rmhl"
    credit, adam = Credit(kind, units, n_seeds, rng), Adam(params, 1e-3 if rmhl else 2e-3)
    mean, right = np.full((n_seeds, 1), 1 / n_actions), []
    for rows in batches(len(y), size, passes, n_seeds, rng):
        x = X[rows]
        noise = [rng.standard_normal((n_seeds, size, u)) for u in units[1:]] if rmhl else None
        hs, zs = forward(params, x, noise)
        p = np.exp(log_softmax(zs[-1]))
        action = draw(p, rng)
        reward, one = (action == y[rows]).astype(float), np.eye(n_actions)[action]
        right.append(reward.mean(1))
        rpe = reward - mean
        mean = mean + 0.05 * (reward.mean(1, keepdims=True) - mean)
        if rmhl:
            adam.step(params, gradients(hs, [rpe[..., None] * n for n in noise]))
            continue

        def worth(z, one=one, rpe=rpe):  # type: ignore[no-untyped-def]
            log_p = log_softmax(z)
            return (log_p * (one * rpe[..., None] - entropy * np.exp(log_p))).sum(-1)

        log_p = log_softmax(zs[-1])
        top = rpe[..., None] * (one - p) - entropy * p * (log_p - (p * log_p).sum(-1, keepdims=True))
        adam.step(params, gradients(hs, credit(params, hs, zs, worth, top)))
    return np.array(right).T


def reward_bandit(X, y, hidden, kind, *, passes, n_seeds, size=8, replay=4):  # type: ignore[no-untyped-def]
    """The same of a net that learns the reward of each action, with replayed batches and inverse-gap choice."""
    rng, n_actions = np.random.default_rng(0), int(y.max()) + 1
    units = [X.shape[1], *hidden, n_actions]
    params = init(units, n_seeds, rng)
    credit, adam = Credit(kind, units, n_seeds, rng, groups=16), Adam(params, 3e-3)
    right, log = [], []
    for rows in batches(len(y), size, passes, n_seeds, rng):
        x = X[rows]
        q = 1 / (1 + np.exp(-np.clip(forward(params, x)[1][-1], -30, 30)))
        gap = 3 * np.sqrt(1 + len(right) * size) * np.sqrt(n_actions) * (q.max(-1, keepdims=True) - q)
        p = 1 / (n_actions + gap)
        np.put_along_axis(p, q.argmax(-1)[..., None], 0, -1)
        np.put_along_axis(p, q.argmax(-1)[..., None], 1 - p.sum(-1, keepdims=True), -1)
        action = draw(p, rng)
        reward = (action == y[rows]).astype(float)
        right.append(reward.mean(1))
        log.append((x, action, reward))
        for k in [*rng.integers(0, len(log), replay), len(log) - 1]:
            x, action, reward = log[k]
            one = np.eye(n_actions)[action]
            hs, zs = forward(params, x)

            def worth(z, one=one, reward=reward):  # type: ignore[no-untyped-def]
                return (one * (reward[..., None] * z - np.logaddexp(0, z))).sum(-1)

            top = one * (reward[..., None] - 1 / (1 + np.exp(-np.clip(zs[-1], -30, 30))))
            adam.step(params, gradients(hs, credit(params, hs, zs, worth, top)))
    return np.array(right).T


def batches(n, size, passes, n_seeds, rng):  # type: ignore[no-untyped-def]
    """Row numbers (seeds, size), in orders of each seed's own."""
    for _ in range(passes):
        order = np.stack([rng.permutation(n) for _ in range(n_seeds)])
        for start in range(0, n - size + 1, size):
            yield order[:, start : start + size]


def episodes(environment, hidden, kind, *, n_episodes, n_seeds, most_steps, enough, rate=1e-2):  # type: ignore[no-untyped-def]
    """Returns (seeds, episodes): credit is summed over an episode, and its return minus the mean reinforces it."""
    rng = np.random.default_rng(0)
    units = [environment.n_features, *hidden, environment.n_actions]
    params, rmhl = init(units, n_seeds, rng), kind == "rmhl"
    credit, adam = Credit(kind, units, n_seeds, rng), Adam(params, rate)
    trace = [np.zeros_like(w) for part in params for w in part]
    state, total, steps = environment.start(n_seeds, rng), np.zeros(n_seeds), np.zeros(n_seeds, int)
    mean, history = np.full(n_seeds, np.nan), [[] for _ in range(n_seeds)]
    for _ in range(most_steps):
        if all(len(returns) >= n_episodes or enough(returns) for returns in history):
            break
        x = environment.seen(state)[:, None, :]
        noise = [0.5 * rng.standard_normal((n_seeds, 1, u)) for u in units[1:]] if rmhl else None
        hs, zs = forward(params, x, noise)
        p = np.exp(log_softmax(zs[-1]))
        action = draw(p, rng)
        one = np.eye(units[-1])[action]
        if rmhl:
            now = [n / 0.25 for n in noise]
        else:
            now = credit(params, hs, zs, lambda z, one=one: (one * log_softmax(z)).sum(-1), one - p)
        trace = [t + g for t, g in zip(trace, gradients(hs, now), strict=True)]
        state, reward, done = environment.moved(state, action[:, 0])
        total, steps = total + reward, steps + 1
        over = done | (steps >= environment.limit)
        if over.any():
            mean = np.where(np.isnan(mean), total, mean)
            rpe = (total - mean) / np.maximum(abs(total), 1)
            adam.step(params, [rpe[:, None, None] * t for t in trace], over)
            mean = np.where(over, mean + 0.1 * (total - mean), mean)
            for k in np.flatnonzero(over):
                history[k].append(total[k])
            keep = ~over
            trace = [t * keep[:, None, None] for t in trace]
            state = np.where(over[:, None], environment.start(n_seeds, rng), state)
            total, steps = total * keep, steps * keep
    return [np.array(returns[:n_episodes]) for returns in history]
