"""What the trainer asks of what it trains: rows, a credit estimate on a batch, and the losses of given parameters."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from skdopamine._typing import Array


class Estimate(NamedTuple):
    """Credit of all parameters on a batch."""

    credit: Array  # (n_parameters,): estimate of d(mean loss + penalty) / d(params)
    losses: Array  # (n,): baseline loss of each row, penalty included
    memory: tuple[Array, ...]  # what the credit rule carries along
    n_evaluations: int  # loss evaluations, rows x members
    defined: bool = True  # whether the batch has a loss at all; without one it counts for nothing
    told: Array | None = None  # (n,): losses to be reported, where these are others
    promised: float = 0.0  # by how much a step of unit rate should lower the loss, where the credit tells
    settled: Callable[[Array, Array], Array] | None = None  # where a step from .. to .. ends, if not at its end


class Rows(Protocol):
    """Rows of a batch, as the trainer sees them."""

    @property
    def share(self) -> Array:
        """Share (n, 1) of each row in the loss; sums to one."""

    @property
    def total(self) -> float:
        """Sum of the weights of the rows."""


class Problem(Protocol):
    """What the trainer needs."""

    def n_rows(self) -> int: ...

    def batch(self, rows: Any) -> Rows: ...

    def init_memory(self) -> tuple[Array, ...]: ...

    def credit(self, params: Array, memory: tuple[Array, ...], batch: Any, update: int) -> Estimate: ...

    def losses(self, params: Array, batch: Any) -> Array:
        """Loss (n,) of each row, nan for all of them where the batch has none."""
