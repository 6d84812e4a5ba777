"""All that a network needs to be trained further, in one tuple that is replaced and never changed."""

from typing import NamedTuple, Self

import numpy as np

from skdopamine._estimator.history import History
from skdopamine._mlp.units import Units
from skdopamine._training.learning_rate import LearningRate
from skdopamine._training.problem import Problem
from skdopamine._training.trainer import Ending, Result, TrainState, init_state


class Training(NamedTuple):
    """Where the training of a network stands."""

    state: TrainState
    rule: LearningRate  # the rate of the state is this rule's
    layers: tuple[int, ...]  # inputs, units of each hidden layer, outputs
    units: Units  # of the targets
    seed: int
    history: History
    n_epochs: int = 0  # all epochs that were run, including those of a warm-up, which the history leaves out

    def resumed(self, problem: Problem, rule: LearningRate) -> Self:
        """Fit the state to parameters set since: another credit rule has other critics, another rate a new start."""
        state, memory = self.state, problem.init_memory()
        if [c.shape for c in memory] != [c.shape for c in state.memory]:
            state = state._replace(memory=memory)
        if rule != self.rule:
            state = state._replace(rate=rule.init())
        return self._replace(state=state, rule=rule)

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
