"""Networks under Dale's law by rules of the literature, to compare with: error diffusion, feedback alignment, gradient.

Error diffusion (Kaneko, 1999; with modulo routing of the classes: Yamada et al., 2026) is descent in a monotone
network: an excitatory and an inhibitory stream, weights signed by the types of both ends, and a hidden unit that hears
the error of one class, with the sign of its own type. As published, its inputs come in two copies, one of each sign.
The other rules have strict Dale wiring, in which a unit's sign is that of all that it feeds, and inputs are free.
"""

from itertools import pairwise
from typing import Any

import numpy as np
from scipy.special import expit, softmax

F = np.float32
PLAIN = "error diffusion, as published"
DIFFUSION = ("error diffusion", PLAIN)
RULES = ("exact gradient", "feedback alignment", "direct feedback alignment", *DIFFUSION)
FLOOR, WIDTH = 1e-4, 3.0  # of the published rule: its least weight, and the width of its sigmoid
MEAN, SQUARE = 0.9, 0.999  # decays of Adam's means


class SignedNet:
    """A classifier; `coefs` may only have the signs that its wiring asks for, at all times."""

    def __init__(self, hidden: tuple[int, ...], rule: str, *, epochs: int, batch: int = 200, seed: int = 0) -> None:
        self.hidden, self.rule, self.epochs, self.batch = hidden, rule, epochs, batch
        self.rng = np.random.default_rng(seed)
        self.rate = 3.0 if rule == PLAIN else 3e-3

    def _start(self, n_inputs: int, n_outputs: int) -> None:
        units = (n_inputs * (1 + (self.rule == PLAIN)), *self.hidden, n_outputs)
        self.types = [np.where(np.arange(n) % 2, F(-1), F(1)) for n in self.hidden]
        self.signs: list[np.ndarray | None] = [None]
        self.coefs, self.biases = [], [np.zeros(n, F) for n in units[1:]]
        for layer, (below, above) in enumerate(pairwise(units)):
            bound = np.sqrt(6 / (below + above))
            weight = self.rng.uniform(-bound, bound, (below, above))
            if layer:
                post = self.types[layer] if self.rule in DIFFUSION and layer < len(self.hidden) else np.ones(above, F)
                self.signs.append(self.types[layer - 1][:, None] * post)
                weight = np.abs(weight) * self.signs[layer]
            if self.rule == PLAIN:  # three times as strong where excitation meets excitation
                if layer == 0:
                    self.signs[0] = np.repeat([F(1), F(-1)], n_inputs)[:, None] * np.ones(above, F)
                sign, last = self.signs[layer], layer == len(self.hidden)
                strong = sign * (self.types[0] if layer == 0 else 1) > 0
                if layer == 0:
                    strong[n_inputs:] = False
                size = self.rng.uniform(0, 1, (below, above)) / np.sqrt(n_inputs if layer == 0 else below)
                weight = size * sign * (1.0 if last else np.where(strong, 1.5, 0.5))
            elif layer:  # as much inhibition as excitation
                excites, inhibits = (np.maximum(s * weight, 0).sum(axis=0) for s in (1, -1))
                weight = np.where(weight > 0, weight, weight * excites / np.maximum(inhibits, 1e-9))
            self.coefs.append(weight.astype(F))
        tops = [n_outputs] * len(self.hidden) if self.rule.startswith("direct") else units[2:]
        self.feedback = [
            self.rng.normal(0, top**-0.5, (top, own)).astype(F) for top, own in zip(tops, self.hidden, strict=False)
        ]
        self.means = [[np.zeros_like(a) for a in (*self.coefs, *self.biases)] for _ in range(2)]

    def _act(self, z: np.ndarray) -> np.ndarray:
        return expit(z / WIDTH) if self.rule == PLAIN else np.maximum(z, 0)

    def _slope(self, h: np.ndarray) -> np.ndarray:
        return h * (1 - h) / F(WIDTH) if self.rule == PLAIN else (h > 0).astype(F)

    def _pass(self, X: np.ndarray) -> list[np.ndarray]:
        """Inputs of all layers, then the outputs."""
        hs = [np.hstack([X, X]) if self.rule == PLAIN else X]
        for weight, bias in zip(self.coefs[:-1], self.biases[:-1], strict=True):
            hs.append(self._act(hs[-1] @ weight + bias))
        return [*hs, hs[-1] @ self.coefs[-1] + self.biases[-1]]

    def _credits(self, hs: list[np.ndarray], Y: np.ndarray) -> list[np.ndarray]:
        output = hs[-1]
        error = (self._act(output) if self.rule == PLAIN else softmax(output, axis=1)) - Y
        centred = error - error.mean(axis=0)
        top = centred * self._slope(self._act(output)) if self.rule == PLAIN else error
        credits, above, n_classes = [top], error, Y.shape[1]
        for layer in reversed(range(len(self.hidden))):
            slope = self._slope(hs[layer + 1])
            if self.rule in DIFFUSION:  # a pair of the streams hears one class
                heard = np.arange(self.hidden[layer]) // 2 % n_classes
                credits.insert(0, slope * self.types[layer] * centred[:, heard])
                continue
            back = self.coefs[layer + 1].T if self.rule == "exact gradient" else self.feedback[layer]
            above = slope * ((error if self.rule.startswith("direct") else above) @ back)
            credits.insert(0, above)
        return credits

    def _step(self, X: np.ndarray, Y: np.ndarray, rate: float, count: int) -> None:
        hs = self._pass(X)
        credits, n = self._credits(hs, Y), F(len(X))
        for layer, credit in enumerate(credits):
            weight, bias, mean = self.coefs[layer], self.biases[layer], hs[layer].mean(axis=0)
            gradient, of_bias = hs[layer].T @ credit / n, credit.mean(axis=0)
            if self.rule != PLAIN:  # settled: the mean input is the biases' business
                gradient -= mean[:, None] * of_bias
            moved = weight - F(rate) * self._scaled(layer, gradient, count)
            sign = self.signs[layer]
            if sign is not None:
                moved = np.where(moved * sign < 0, 0, moved)
                if self.rule == PLAIN:
                    moved = np.maximum(np.abs(moved), F(FLOOR)) * sign
            bias = bias - F(rate) * self._scaled(len(credits) + layer, of_bias, count)
            if self.rule != PLAIN:
                bias = bias - mean @ (moved - weight)
            self.coefs[layer], self.biases[layer] = moved.astype(F), bias

    def _scaled(self, number: int, gradient: np.ndarray, count: int) -> np.ndarray:
        """Adam's step of unit rate, or the gradient itself."""
        if self.rule == PLAIN:
            return gradient
        mean, square = (means[number] for means in self.means)
        mean += F(1 - MEAN) * (gradient - mean)
        square += F(1 - SQUARE) * (gradient * gradient - square)
        step: np.ndarray = mean / F(1 - MEAN**count) / (np.sqrt(square / F(1 - SQUARE**count)) + F(1e-8))
        return step

    def fit(self, X: Any, y: Any) -> "SignedNet":
        X = np.asarray(X, F)
        self.classes, y = np.unique(y, return_inverse=True)
        Y = np.eye(len(self.classes), dtype=F)[y]
        self._start(X.shape[1], Y.shape[1])
        batch, count = min(self.batch, len(X)), 0
        total = self.epochs * -(-len(X) // batch)
        for _ in range(self.epochs):
            order = self.rng.permutation(len(X))
            for start in range(0, len(X), batch):
                rows, count = order[start : start + batch], count + 1
                self._step(X[rows], Y[rows], self.rate * (1 - 0.97 * (count - 1) / total), count)
        return self

    def score(self, X: Any, y: Any) -> float:
        return float((self.classes[self._pass(np.asarray(X, F))[-1].argmax(axis=1)] == y).mean())
