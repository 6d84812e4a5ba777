"""What a policy has lived through: the rewards of each action, the rows it still remembers, what it expects."""

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np

from skdopamine._estimator.history import Curve, appended, latest
from skdopamine._mlp.problem import Sample
from skdopamine._mlp.readout import Readout, n_features
from skdopamine._mlp.training import Recent
from skdopamine._mlp.units import Units
from skdopamine._typing import Array

TONIC_ROWS = 1000  # over which the mean reward forgets
CHUNK_ROWS = 4000  # that the readout learns from at once
REFRESH = 0.25  # the readout is made anew, on the hidden layer of now, when the rows since are this share of the memory
LEARNT, UNLEARNT = 2500, 0.5  # rows until hidden units count as much as inputs in the readout, and what they do before
CURIOSITY, BOUNDS = 0.1, (0.3, 3.0)  # how fast and how far disappointment moves the entropy bonus


class Memory(NamedTuple):
    """The latest rows, in pieces each at least twice as long as the next, so that adding a row copies few of them."""

    pieces: tuple[Sample, ...] = ()

    @property
    def n_rows(self) -> int:
        return sum(len(piece.y) for piece in self.pieces)

    def after(self, sample: Sample, most: int) -> Self:
        """With further rows, but no more than `most`."""
        if not most:
            return self
        *pieces, last = *self.pieces, joined([sample.at(slice(-most, None))])  # a copy: a user may fill X anew
        while pieces and len(pieces[-1].y) < 2 * len(last.y):
            last = joined([pieces.pop(), last])
        pieces.append(last)
        excess = sum(len(piece.y) for piece in pieces) - most
        while excess > 0:
            n_gone = min(excess, len(pieces[0].y))
            pieces[0] = pieces[0].at(slice(n_gone, None))
            pieces, excess = pieces if len(pieces[0].y) else pieces[1:], excess - n_gone
        return type(self)(tuple(pieces))

    def drawn(self, n: int, rng: np.random.Generator) -> Sample:
        """Some of the rows, in the order of time, each at most once."""
        chosen = np.sort(rng.choice(self.n_rows, min(n, self.n_rows), replace=False))
        ends = np.cumsum([len(piece.y) for piece in self.pieces])
        parts = np.split(chosen, np.searchsorted(chosen, ends[:-1]))
        starts = ends - [len(piece.y) for piece in self.pieces]
        return joined([piece.at(rows - start) for piece, rows, start in zip(self.pieces, parts, starts, strict=True)])


def joined(samples: list[Sample]) -> Sample:
    """The rows of all samples, one after the other."""
    return Sample(*(np.concatenate(parts) for parts in zip(*samples, strict=True)))


class Experience(NamedTuple):
    """What a policy has lived through. Replaced, never changed."""

    units: Units  # of the rewards, as one output
    recent: Recent
    counts: Array  # (actions,), known rewards of each
    readout: Readout
    mean_reward: float  # slow mean: the tonic level
    memory: Memory = Memory()
    errors: Array = np.empty(0)  # reward prediction error of each row of the last call: phasic
    curve: Curve = ()  # its mean in each call
    unread: tuple[Sample, ...] = ()  # rows that the readout has not learnt from yet
    n_since: int = 0  # rows since the readout was made anew
    hidden_size: float = UNLEARNT  # of hidden units beside inputs, in the readout of now
    curiosity: float = 1.0  # factor of the entropy bonus

    @classmethod
    def begun(cls, sample: Sample, n_hidden: int) -> Self:
        """Before anything is learnt from the first rows, but for what rewards are like."""
        rewards, n_actions = known_rewards(sample), sample.target.shape[1]
        readout = Readout.empty(n_actions, n_features(sample.X.shape[1], n_hidden))
        recent = Recent.of(rewards, None).latest(len(rewards))
        return cls(Units.of(rewards, None), recent, np.zeros(n_actions), readout, float(rewards.mean()))

    @property
    def scale(self) -> float:
        """Unit of the rewards' spread."""
        return float(self.units.scale[0])

    @property
    def n_known(self) -> int:
        """Number of rewards that are known."""
        return int(self.counts.sum())

    def followed(self, sample: Sample) -> Self:
        """With units that suit further rows."""
        rewards = known_rewards(sample)
        recent = Recent.of(rewards, None).after(self.recent)
        units, _ = self.units.following(*recent, level=None)
        return self._replace(units=units, recent=recent.latest(len(rewards)))

    def after(self, sample: Sample, expected: Array, most: int) -> Self:
        """After rows of which the taken action was expected to bring `expected` (n,)."""
        rewards, errors, mean = known_rewards(sample), taken_rewards(sample) - expected, self.mean_reward
        share = len(rewards) / (len(rewards) + min(self.n_known, TONIC_ROWS))
        disappointment = -np.tanh(float(errors.mean()) / self.scale)
        return self._replace(
            counts=self.counts + (~np.isnan(sample.target)).sum(axis=0),
            mean_reward=mean + share * (float(rewards.mean()) - mean),
            memory=self.memory.after(sample, most),
            unread=(*self.unread, sample),
            errors=errors,
            curve=latest(appended(self.curve, [float(errors.mean())])),
            curiosity=float(np.clip(self.curiosity * np.exp(CURIOSITY * disappointment), *BOUNDS)),
        )

    def read(self, features: Callable[[Array, float], Array]) -> Self:
        """With a readout that has learnt from all rows; from time to time it is made anew from those remembered.

        `features` is a function of the inputs and of the size of hidden units; it changes while the network learns.
        Units that have learnt little are small, so that the readout takes little notice of them.
        """
        n_new, n_memory = sum(len(sample.y) for sample in self.unread), self.memory.n_rows
        n_since, readout, samples = self.n_since + n_new, self.readout, self.unread
        size = self.hidden_size
        if n_since >= REFRESH * n_memory and n_memory >= n_new:
            n_since, readout, samples = 0, Readout.empty(*readout.moment.shape), self.memory.pieces
            size = float(np.clip(self.n_known / LEARNT, UNLEARNT, 1.0))
        for sample in samples:
            for start in range(0, len(sample.y), CHUNK_ROWS):
                some = sample.at(slice(start, start + CHUNK_ROWS))
                readout = readout.learned(features(some.X, size), some.target)
        return self._replace(readout=readout, unread=(), n_since=n_since, hidden_size=size)


def known_rewards(sample: Sample) -> Array:
    """All of them, as a column."""
    return np.asarray(sample.target[~np.isnan(sample.target)][:, None])


def taken_rewards(sample: Sample) -> Array:
    """Reward (n,) of the action of each row."""
    return np.asarray(sample.target[np.arange(len(sample.y)), sample.y])
