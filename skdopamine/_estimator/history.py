"""What the epochs of a model have shown, and the fitted attributes that hold it."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

from skdopamine._training.trainer import Epoch


class History(NamedTuple):
    """What the epochs of all runs have shown; losses and reward prediction errors are in the user's units."""

    losses: list[float]
    rates: list[float]  # learning rates
    errors: list[float]  # reward prediction errors
    scores: list[float]  # of the last run alone: each run holds other rows back
    best_loss: float | None = None  # None: no epoch yet
    n_evaluations: int = 0
    n_rows: int = 0  # rows seen, each time counted

    @classmethod
    def empty(cls) -> Self:
        """Before the first epoch."""
        return cls([], [], [], [])

    def extended(
        self,
        epochs: Sequence[Epoch],
        unit: float = 1.0,
        *,
        score_unit: float = 1.0,
        n_evaluations: int = 0,
        n_rows: int = 0,
        in_place: bool = False,
    ) -> Self:
        """Append a run: the unit of its losses, its loss evaluations, and the rows of each of its epochs.

        With `in_place` the new history takes over the lists of this one, so that a stream does not copy its past.
        """
        past = self
        if not in_place:
            past = self._replace(losses=self.losses.copy(), rates=self.rates.copy(), errors=self.errors.copy())
        losses = [epoch.loss * unit for epoch in epochs]
        past.losses.extend(losses)
        past.rates.extend(epoch.learning_rate for epoch in epochs)
        past.errors.extend(epoch.reward_prediction_error * unit for epoch in epochs)
        known = losses if self.best_loss is None else [self.best_loss, *losses]
        return past._replace(
            scores=[epoch.score * score_unit for epoch in epochs if epoch.score is not None],
            best_loss=min(known, default=None),
            n_evaluations=self.n_evaluations + n_evaluations,
            n_rows=self.n_rows + n_rows * len(epochs),
        )

    def attributes(self, *, nothing: float, learning_rate_init: float) -> dict[str, Any]:
        """Fitted attributes of both families; `nothing` is the loss of a model without epochs."""
        return {
            "loss_curve_": self.losses,
            "learning_rate_curve_": self.rates,
            "reward_prediction_error_curve_": self.errors,
            "loss_": self.losses[-1] if self.losses else nothing,
            "best_loss_": nothing if self.best_loss is None else self.best_loss,
            "learning_rate_": self.rates[-1] if self.rates else learning_rate_init,
            "n_evaluations_": self.n_evaluations,
        }
