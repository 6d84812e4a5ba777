"""What the epochs of a model have shown, and the fitted attributes that hold it."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple, Self

from skdopamine._training.trainer import Epoch

STREAM, MORE = 10_000, 1_000  # values of a curve that a stream keeps at least, and how many more at most

Curve = tuple[tuple[float, ...], ...]  # pieces, none empty, each at least twice as long as the next


def appended(curve: Curve, values: Sequence[float]) -> Curve:
    """The curve with further values. Few are copied, as short pieces are joined before long ones."""
    if not values:
        return curve
    *pieces, last = *curve, tuple(values)
    while pieces and len(pieces[-1]) < 2 * len(last):
        last = pieces.pop() + last
    return (*pieces, last)


def latest(curve: Curve, fewest: int = STREAM, more: int = MORE) -> Curve:
    """The last values of a curve: all up to `fewest + more`, else `fewest`, so that few calls copy them."""
    excess = sum(map(len, curve)) - fewest
    if excess <= more:
        return curve
    while excess > 0:
        first, *rest = curve
        curve, excess = ((first[excess:],) if len(first) > excess else ()) + tuple(rest), excess - len(first)
    return curve


def unrolled(curve: Curve) -> list[float]:
    """All values of a curve."""
    return list(chain.from_iterable(curve))


class History(NamedTuple):
    """What the epochs of all runs have shown; losses and reward prediction errors are in the user's units.

    Of the epochs of a warm-up on the natural loss only the evaluations and rows are counted.
    """

    losses: Curve = ()
    rates: Curve = ()  # learning rates
    errors: Curve = ()  # reward prediction errors
    scores: tuple[float, ...] = ()  # of the last run alone: each run holds other rows back
    best_loss: float | None = None  # None: no epoch yet
    n_evaluations: int = 0
    n_rows: int = 0  # rows seen, each time counted
    n_forgotten: int = 0  # epochs that a stream has cut from the curves

    @property
    def n_epochs(self) -> int:
        """All epochs, those that the curves have forgotten too."""
        return self.n_forgotten + sum(map(len, self.losses))

    def extended(
        self,
        epochs: Sequence[Epoch],
        unit: float = 1.0,
        *,
        score_unit: float = 1.0,
        n_evaluations: int = 0,
        n_rows: int = 0,
        in_stream: bool = False,
    ) -> Self:
        """Append a run: the unit of its losses, its loss evaluations, and the rows of each of its epochs.

        With `in_stream` the curves forget all but their latest values.
        """
        losses = [epoch.loss * unit for epoch in epochs]
        known = losses if self.best_loss is None else [self.best_loss, *losses]
        rates = [epoch.learning_rate for epoch in epochs]
        errors = [epoch.reward_prediction_error * unit for epoch in epochs]
        curves = [appended(*pair) for pair in ((self.losses, losses), (self.rates, rates), (self.errors, errors))]
        n_epochs = self.n_epochs + len(epochs)
        if in_stream:
            curves = [latest(curve) for curve in curves]
        return self._replace(
            losses=curves[0],
            rates=curves[1],
            errors=curves[2],
            scores=tuple(epoch.score * score_unit for epoch in epochs if epoch.score is not None),
            best_loss=min(known, default=None),
            n_evaluations=self.n_evaluations + n_evaluations,
            n_rows=self.n_rows + n_rows * len(epochs),
            n_forgotten=n_epochs - sum(map(len, curves[0])),
        )

    def attributes(self, *, nothing: float, learning_rate_init: float) -> dict[str, Any]:
        """Fitted attributes of both families, but for the curves; `nothing` is the loss of a model without epochs."""
        return {
            "loss_": self.losses[-1][-1] if self.losses else nothing,
            "best_loss_": nothing if self.best_loss is None else self.best_loss,
            "learning_rate_": self.rates[-1][-1] if self.rates else learning_rate_init,
            "n_evaluations_": self.n_evaluations,
        }
