"""Reports of each epoch of a fit: to the console and to scikit-learn's callbacks."""

from collections.abc import Callable
from typing import Any

from skdopamine._estimator.callbacks import EpochCallbacks
from skdopamine._training.trainer import Epoch
from skdopamine._typing import Array


class Reporter:
    """Prints each epoch, if asked to, and passes it on to the callbacks.

    `n_past` epochs were run before, and `unit` is that of a loss. `callbacks` come with `fitted`, which gives the
    attributes that a fit would leave after these epochs with these parameters and losses on rows held back. It must not
    hold the reporter, as a cycle would keep the rows in memory. `held_loss` is the loss of parameters on rows held
    back, if that is to be recorded, and `score_unit` the unit of scores on them. `label` is what an epoch is called on
    the console.
    """

    def __init__(
        self,
        *,
        verbose: bool | int,
        n_past: int,
        unit: float = 1.0,
        callbacks: EpochCallbacks | None = None,
        fitted: Callable[[list[Epoch], Array, list[float]], dict[str, Any]] | None = None,
        held_loss: Callable[[Array], float] | None = None,
        score_unit: float = 1.0,
        label: str = "Iteration",
    ) -> None:
        self.verbose = verbose
        self.n_past = n_past
        self.unit = unit
        self.callbacks = callbacks
        self.fitted = fitted
        self.epochs: list[Epoch] = []
        self.held_loss = held_loss
        self.held_losses: list[float] = []
        self.score_unit = score_unit
        self.label = label

    def go_on(self, epochs: list[Epoch], held_losses: list[float]) -> None:
        """Take the epochs of a run that this one continues as reported."""
        self.epochs, self.held_losses = list(epochs), list(held_losses)

    def curve(self, name: str) -> list[float]:
        """The "loss", "validation_loss" or "validation_score" of each epoch; none where nothing is held back."""
        if name == "loss":
            return [epoch.loss * self.unit for epoch in self.epochs]
        scores = [epoch.score * self.score_unit for epoch in self.epochs if epoch.score is not None]
        return scores if name == "validation_score" else self.held_losses or [-score for score in scores]

    def begin_epoch(self) -> None:
        """Report the beginning of an epoch."""
        if self.callbacks is not None:
            self.callbacks.begin_epoch()

    def end_epoch(self, epoch: Epoch, params: Callable[[], Array]) -> bool:
        """Report the end of an epoch; true if a callback asks to stop."""
        self.epochs.append(epoch)
        if self.held_loss is not None:
            self.held_losses.append(self.held_loss(params()))
        if self.verbose:
            loss, rate = epoch.loss * self.unit, epoch.learning_rate
            score = "" if epoch.score is None else f", validation score = {epoch.score:.6f}"
            number = self.n_past + len(self.epochs)
            print(f"{self.label} {number}, loss = {loss:.8f}, learning rate = {rate:.2e}{score}")
        if self.callbacks is None or self.fitted is None:
            return False
        fitted = self.fitted
        return self.callbacks.end_epoch(lambda: fitted(self.epochs, params(), self.held_losses))
