"""Weight perturbation of a network: a population of directions, judged by the loss of the whole batch."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn import config_context, get_config

from skdopamine._mlp import network as _network
from skdopamine._mlp.problem import Batch, NetworkProblem
from skdopamine._objectives.base import SetObjective
from skdopamine._training import credit as _credit
from skdopamine._training import noise as _noise
from skdopamine._training.problem import Estimate
from skdopamine._typing import Array

CHUNK_BYTES = 2**18  # one array of the members that are simulated at once fits a processor's cache


class WeightProblem(NetworkProblem):
    """Weight perturbation: a population of directions over all parameters, judged by the loss of the whole batch."""

    def __init__(self, *args: Any, n_jobs: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if n_jobs is not None:
            n_jobs = min(n_jobs, self.n_perturbations)  # a thread for each would be asked for, busy or not
        # threads, whatever the backend around: a process or another machine would be sent the rows in every update
        self.parallel = Parallel(n_jobs=n_jobs, prefer="threads", require="sharedmem", return_as="generator")

    def init_memory(self) -> tuple[Array, ...]:
        return ()

    def chunks(self, n_rows: int) -> Iterator[slice]:
        """Members that are simulated at once, so that memory does not grow with the population."""
        most = max(n_rows * max(self.network.units[1:]), _network.n_parameters(self.network))
        size = max(1, CHUNK_BYTES // (most * self.dtype.itemsize))
        for start in range(0, self.n_perturbations, size):
            yield slice(start, min(start + size, self.n_perturbations))

    def regrets(self, params: Array, directions: Array, batch: Batch) -> Array:
        """Antithetic regret (L(+) - L(-)) / (2 scale) of each member."""
        outputs = _network.forward_pairs(self.network, params, directions, self.scale, batch.X)
        if isinstance(self.objective, SetObjective):
            values = self.set_values(outputs, batch)
            regret = (values[0] - values[1]) / (2 * self.scale)
            return np.asarray(np.where(np.isfinite(regret), regret, 0.0), dtype=self.dtype)
        losses = self.objective.values(outputs, batch.target)  # (2, members, n)
        regret = ((losses[0] - losses[1]) * batch.share[:, 0]).sum(axis=-1) / (2 * self.scale)
        return np.asarray(regret, dtype=self.dtype)

    def credit(self, params: Array, memory: tuple[Array, ...], batch: Batch, update: int) -> Estimate:
        bits = _noise.member_directions(self.n_perturbations, len(params), _noise.mix(self.seed, update))

        def simulate(members: slice) -> tuple[slice, Array]:
            directions = _noise.unpack_directions(bits[members], len(params), params.dtype)
            return members, self.regrets(params, directions, batch)

        total = np.zeros_like(params)
        chunks = self.chunks(len(batch.ids))
        if self.parallel.n_jobs == 1:
            simulated = map(simulate, chunks)
        else:
            simulated = self.parallel(map(delayed(_as_here(simulate)), chunks))
        for members, regret in simulated:
            directions = _noise.unpack_directions(bits[members], len(params), params.dtype)
            total = _credit.weight_credit(directions, regret, total)
        total /= self.n_perturbations
        output = _network.forward(self.network, params, batch.X)
        n_evaluations = (1 + 2 * self.n_perturbations) * len(batch.ids)
        return self.estimate(total, output, params, batch, (), n_evaluations)


def _as_here(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with the settings of this thread, for threads that would begin with the defaults."""
    errors, config = np.geterr(), get_config()

    def call(*args: Any) -> Any:
        with np.errstate(**errors), config_context(**config):
            return function(*args)

    return call
