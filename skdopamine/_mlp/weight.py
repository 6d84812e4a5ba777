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
    """Weight perturbation: a population of directions over all parameters, judged by the loss of the whole batch.

    Each direction is tried on both sides or, where the credit `promises` a gain, on one side of the unperturbed
    network, whose loss also tells what the last step has brought.
    """

    def __init__(self, *args: Any, n_jobs: int | None = None, promises: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.promises = promises
        if promises:
            self.n_updates_of_all = max(1, _network.n_parameters(self.network) // self.n_perturbations)
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

    def slopes(self, params: Array, directions: Array, batch: Batch, loss: float) -> Array:
        """Regret (L(+) - L) / scale of each member, against the loss of the unperturbed network."""
        (outputs,) = _network.forward_pairs(self.network, params, directions, self.scale, batch.X, one_sided=True)
        losses = (self.values(outputs, batch) * batch.share[:, 0]).sum(axis=-1)
        regret = (losses - loss) / self.scale
        return np.asarray(np.where(np.isfinite(regret), regret, 0.0), dtype=self.dtype)

    def credit(self, params: Array, memory: tuple[Array, ...], batch: Batch, update: int) -> Estimate:
        bits = _noise.member_directions(self.n_perturbations, len(params), _noise.mix(self.seed, update))
        output = _network.forward(self.network, params, batch.X)
        loss = float(self.values(output, batch) @ batch.share[:, 0]) if self.promises else 0.0

        def simulate(members: slice) -> tuple[slice, Array]:
            directions = _noise.unpack_directions(bits[members], len(params), params.dtype)
            if self.promises:
                return members, self.slopes(params, directions, batch, loss)
            return members, self.regrets(params, directions, batch)

        total, promised = np.zeros_like(params), 0.0
        chunks = self.chunks(len(batch.ids))
        if self.parallel.n_jobs == 1:
            simulated = map(simulate, chunks)
        else:
            simulated = self.parallel(map(delayed(_as_here(simulate)), chunks))
        for members, regret in simulated:
            directions = _noise.unpack_directions(bits[members], len(params), params.dtype)
            total = _credit.weight_credit(directions, regret, total)
            promised += float((regret.astype(np.float64) ** 2).sum())
        total /= self.n_perturbations
        promised = self._promised(promised / self.n_perturbations, total, params, batch)
        n_evaluations = (1 + (1 if self.promises else 2) * self.n_perturbations) * len(batch.ids)
        return self.estimate(total, output, params, batch, (), n_evaluations)._replace(promised=promised)

    def _promised(self, mean_square: float, credit: Array, params: Array, batch: Batch) -> float:
        """By how much a step of unit rate along the credit should lower the loss: ``mean_p r_p^2``, see `Promised`.

        A regret is the slope along its direction, so that ``g . dL = mean_p r_p (xi_p . dL)``. With the penalty, whose
        slope p is known, the step goes along ``g + p``, and ``(g + p) . (dL + p)`` is expected.
        """
        pull = params[: self.n_weights].astype(np.float64) * (self.alpha / batch.total)
        return mean_square + float(pull @ (2 * credit[: self.n_weights] + pull))


def _as_here(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with the settings of this thread, for threads that would begin with the defaults."""
    errors, config = np.geterr(), get_config()

    def call(*args: Any) -> Any:
        with np.errstate(**errors), config_context(**config):
            return function(*args)

    return call
