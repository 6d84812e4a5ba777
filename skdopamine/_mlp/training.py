"""All that a network needs to be trained further, in one tuple that is replaced and never changed."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from skdopamine._estimator.history import History
from skdopamine._estimator.sound import refuse
from skdopamine._mlp import network as _network
from skdopamine._mlp.network import Network
from skdopamine._mlp.units import Units
from skdopamine._training.learning_rate import LearningRate
from skdopamine._training.problem import Problem
from skdopamine._training.trainer import Ending, Result
from skdopamine._training.update import TrainState, init_state
from skdopamine._typing import Array

RECENT = 500  # targets of a stream that its units are chosen on


class Recent(NamedTuple):
    """The latest targets."""

    target: Array  # (n, outputs), as the user counts
    weight: Array  # (n,)

    @classmethod
    def of(cls, target: Array, weight: Array | None) -> Self:
        """All of these targets."""
        return cls(target, np.ones(len(target)) if weight is None else weight)

    def after(self, past: Self) -> Self:
        """These targets after those of the past."""
        return type(self)(*(np.concatenate(pair) for pair in zip(past, self, strict=True)))

    def latest(self, n_new: int) -> Self:
        """RECENT of them at most, to remember: the last or, where more are new (`n_new`), some of the new ones."""
        n = max(n_new, RECENT)
        return type(self)(*(part[-n:][:: -(-n // RECENT)].copy() for part in self))


class Training(NamedTuple):
    """Where the training of a network stands."""

    state: TrainState
    rule: LearningRate  # the rate of the state is this rule's
    layers: tuple[int, ...]  # inputs, units of each hidden layer, outputs
    units: Units  # of the targets
    seed: int
    history: History
    n_epochs: int = 0  # all epochs that were run, including those of a warm-up, which the history leaves out
    recent: Recent | None = None  # of a regressor
    signs: Array | None = None  # (n_parameters,) that its parameters have, 0: any; None: all are free

    def published(self, params: Array) -> tuple[list[Array], list[Array]]:
        """Weights and biases that count in units of the target: copies, for users."""
        weights, biases = _network.unpack(Network(self.layers, ()), params.copy())
        weights[-1], biases[-1] = self.units.to_user(weights[-1], biases[-1])
        return weights, biases

    def agrees(self, coefs: Sequence[Array], intercepts: Sequence[Array]) -> bool:
        """Whether these weights are those that were published."""
        weights, biases = _network.unpack(Network(self.layers, ()), self.state.params)
        weights[-1], biases[-1] = self.units.to_user(weights[-1], biases[-1])
        return all(map(np.array_equal, (*weights, *biases), (*coefs, *intercepts)))

    def agreed(self, coefs: Sequence[Array], intercepts: Sequence[Array]) -> Self:
        """The same from these weights on, which somebody may have changed since they were published.

        They count; the parameters follow from them. Where they have not changed, the parameters keep bits that units
        of the target would round away. An output whose weights were set does not start afresh where its target, which
        has been constant so far, begins to vary.
        """
        if self.agrees(coefs, intercepts):
            return self
        weights, biases = self.published(self.state.params)
        varies = self.units.varies | (weights[-1] != coefs[-1]).any(axis=0)
        same = _network.pack(weights, biases) == _network.pack(coefs, intercepts)
        own = self.units.from_user(coefs[-1].astype(np.float64), intercepts[-1].astype(np.float64))
        params = _network.pack([*coefs[:-1], own[0]], [*intercepts[:-1], own[1]])
        with np.errstate(over="ignore"):
            params = np.where(same, self.state.params, params).astype(self.state.params.dtype)
        if not np.isfinite(params).all():
            refuse("coefs_ and intercepts_", f"numbers that {params.dtype} has, in which training goes on", "others")
        units = self.units if self.units.offset is None else self.units._replace(varies=varies)
        return self._replace(state=self.state._replace(params=params), units=units).anew()

    def resumed(self, problem: Problem, rule: LearningRate, signs: Array | None = None) -> Self:
        """Fit the state to parameters set since: another credit rule has other critics, another rate a new start.

        Critics that have overflowed begin anew, as no credit would reach the layers below them.
        """
        state, memory = self.state, problem.init_memory()
        same = [c.shape for c in memory] == [c.shape for c in state.memory]
        if not (same and all(np.isfinite(c).all() for c in state.memory)):
            state = state._replace(memory=memory)
        if rule != self.rule:
            state = state._replace(rate=rule.init())
        if signs is not None and state.anchor is not None and (state.anchor.params * signs < 0).any():
            state = state._replace(anchor=None)  # training must not go back to it
        return self._replace(state=state, rule=rule, signs=signs)

    @property
    def is_hollow(self) -> bool:
        """Whether the arrays of the state are with the trainer."""
        return self.state.params.size == 0

    def counted_in(self, units: Units, changed: Array, start: Array, degree: int) -> Self:
        """The same functions of the inputs where other units count the outputs that have `changed` (outputs,).

        An output that did not vary so far starts as in `start`, which are parameters. Credit, critics and the anchor
        are counted in the new units too; `degree` is the power of the units that the loss grows with.
        """
        network, old, state = Network(self.layers, ()), self.units, self.state
        moved = changed & old.varies
        ratio = np.where(moved, old.scale / units.scale, 1.0)
        begins = changed & units.varies & ~old.varies

        def params_of(params: Array) -> Array:
            params = params.copy()
            weights, biases = _network.unpack(network, params)
            weight, bias = units.from_user(*old.to_user(weights[-1].astype(np.float64), biases[-1].astype(np.float64)))
            weights[-1][:, moved], biases[-1][moved] = weight[:, moved], bias[moved]
            for parts, fresh in zip((weights, biases), _network.unpack(network, start), strict=True):
                parts[-1][..., begins] = fresh[-1][..., begins]
            return params

        def memory_of(memory: tuple[Array, ...]) -> tuple[Array, ...]:
            if units.link == "exp" or not memory:
                return memory
            *lower, top = memory  # the critic of the last hidden layer alone knows the outputs
            return (*lower, (top * ratio[:, None]).astype(top.dtype))

        of_loss = ratio**degree
        factor = np.full_like(state.params, of_loss.mean())
        for part in _network.unpack(network, factor):
            part[-1][...] = of_loss if units.link == "exp" else of_loss / ratio
        anchor = state.anchor
        if anchor is not None:
            anchor = anchor._replace(params=params_of(anchor.params), memory=memory_of(anchor.memory))
        state = state._replace(
            params=params_of(state.params),
            credit_mean=state.credit_mean * factor,
            credit_square=state.credit_square * factor * factor,
            memory=memory_of(state.memory),
            anchor=anchor,
            reference=None,
            last_error=0.0,
        )
        return self._replace(state=state, units=units)

    def weighed(self, factor: float) -> Self:
        """The same where all losses count `factor` times what they did."""
        mean, square = self.state.credit_mean * factor, self.state.credit_square * factor**2
        return self._replace(
            state=self.state._replace(credit_mean=mean, credit_square=square, reference=None, last_error=0.0)
        )

    def anew(self) -> Self:
        """Without what was found out on the way: running means, rate and anchor."""
        state, nothing = self.state, np.zeros_like(self.state.params)
        rate = self.rule.init()
        state = state._replace(credit_mean=nothing, credit_square=nothing, steps=0, rate=rate, anchor=None)
        return self._replace(state=state)

    def hollow(self) -> Self:
        """Without the arrays of the state."""
        nothing = np.empty(0)
        return self._replace(state=TrainState(nothing, nothing, nothing, (), self.rule.init()))

    def after(self, result: Result, problem: Problem, history: History) -> Self:
        """Go on from the best parameters of a run, and without its moments where it has diverged."""
        state = result.state
        if result.reason is Ending.DIVERGED:
            state = init_state(result.best_params, problem, self.rule)
        elif state.params is not result.best_params:
            state = state._replace(params=result.best_params, anchor=None)
        return self._replace(state=state, history=history, n_epochs=self.n_epochs + len(result.epochs))
