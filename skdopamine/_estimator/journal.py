"""What a fit has found out so far, in order, so that a fit that was killed can go on with the same bits.

Whatever lies between is computed again from the same rows: it is a function of them, of the parameters, and of this.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state

from skdopamine._estimator.callbacks import ATTRIBUTES, callbacks_of
from skdopamine._estimator.report import Reporter
from skdopamine._estimator.sound import check_array, check_that, check_typed, refuse
from skdopamine._estimator.validation import plain
from skdopamine._training import trainer as _trainer
from skdopamine._training import update as _update
from skdopamine._training.learning_rate import LearningRate
from skdopamine._training.problem import Problem
from skdopamine._training.trainer import Result, Run
from skdopamine._training.update import TrainState
from skdopamine._typing import Array

FREE = ("warm_start", "verbose", "n_jobs")  # parameters that change no bit
PENDING = "_pending"  # attribute of an estimator whose next fit goes on: a snapshot
UNFINISHED = "_unfinished"  # of one that was copied in the middle of a fit, and may hold parts of two
Value = TypeVar("Value")


class Snapshot(NamedTuple):
    """All that it takes to go on, on the same rows."""

    name: str  # of the fit
    before: Any  # the estimator when it began
    rows: str  # digest of them
    found: list[Any]  # before the present run, in order: seeds, runs that have ended, how long to train
    run: Run
    known: Any  # what the problem remembers of the last updates, if it does
    held_losses: list[float]  # of the epochs of the run


# what may be infinite or nan while a run goes on, and counts that begin at -1:
UNSETTLED = {
    *("TrainState.credit_mean", "TrainState.credit_square", "TrainState.reference", "TrainState.far"),
    *("TrainState.last_error", "Anchor.update", "Anchor.loss", "Anchor.promised", "RateState.gained"),
    *("RateState.expected", "Kept.merit", "Kept.record", "Run.limit", "Run.after", "Seen.level", "Seen.limit"),
    *("TrainState.memory", "Anchor.memory"),
    *("Seen.mean_level", "Epoch.loss", "Epoch.reward_prediction_error", "Epoch.score", "Snapshot.held_losses"),
}


def check_snapshot(past: Any) -> None:
    """Refuse what no fit has left on its way: it may come from a file."""
    check_typed(PENDING, past, Snapshot, UNSETTLED)
    state, start, kept, _, _, last, *_ = past.run
    if last is not None and not isinstance(last.rows, slice):
        check_array(f"{PENDING}.run.last.rows", last.rows, (None,), kinds="iu")
        check_that(f"{PENDING}.run.last.rows", last.rows, "numbers of rows", lambda rows: rows >= 0)
    arrays = {"credit_mean": state.credit_mean, "credit_square": state.credit_square, "start": start.params}
    for name, array in {**arrays, "kept": kept.params}.items():
        check_array(f"{PENDING}.run.{name}", array, state.params.shape, finite=name in ("start", "kept"))
    wanted, got = ([array.shape[1:] for array in memory] for memory in (state.memory, start.memory))
    if wanted != got:  # a memory may have grown since
        refuse(f"{PENDING}.run.start.memory", f"of rows of shapes {wanted}", got)


class Watcher(ABC):
    """A callback that is told of all epochs of a fit, also of those before the training proper."""

    @abstractmethod
    def begin_fit(self, journal: "Journal") -> None:
        """Before any work."""

    @abstractmethod
    def end_any_epoch(self, journal: "Journal") -> None:
        """After each epoch of each run, when it is known whether another follows."""


class Journal:
    """What a fit finds out; `past` is what it had found out before it was killed."""

    def __init__(self, estimator: Any, past: Snapshot | None = None, *, watched: bool = True) -> None:
        self.estimator = estimator
        self.past = past
        self.name = uuid4().hex if past is None else past.name
        self.before = begun(estimator)
        self.found: list[Any] = []
        callbacks = callbacks_of(estimator) if watched else []
        self.watchers = [callback for callback in callbacks if isinstance(callback, Watcher)]
        self.arrays: tuple[Any, ...] = ()
        self.rows: str | None = None
        self.observer: Reporter | None = None
        self.problem: Problem | None = None
        self.run: Run | None = None

    @property
    def n_epochs(self) -> int:
        """All epochs of all runs so far."""
        ended = sum(len(value.epochs) for value in self.found if isinstance(value, Result))
        return ended + (0 if self.run is None else len(self.run.epochs))

    def read(self, *arrays: Any) -> None:
        """The rows are known, as arrays; a fit goes on with the same ones alone."""
        self.arrays = arrays
        if self.past is not None and self.digest() != self.past.rows:
            raise ValueError(
                "X, y and what comes with them must be those of the fit that this one continues, got others. Fit a "
                "clone to begin anew."
            )

    def digest(self) -> str:
        """The rows in short."""
        if self.rows is None:
            self.rows = digest(self.arrays)
        return self.rows

    def known(self, find: Callable[[], Value]) -> Value:
        """What `find` gives, or has given before."""
        number = len(self.found)
        known = self.past is not None and number < len(self.past.found)
        value: Value = self.past.found[number] if self.past is not None and known else find()
        self.found.append(value)
        return value

    def seed(self, random_state: Any) -> int:
        """The next seed of a random state."""
        return self.known(lambda: draw_seed(random_state))

    def train(
        self,
        problem: Problem,
        rule: LearningRate,
        start: Callable[[], TrainState],
        settings: _update.Settings,
        *,
        observer: Reporter,
        score: Callable[[Array], float] | None = None,
        told_score: Callable[[Array], float] | None = None,
    ) -> Result:
        """Train, or go on with the run that was under way, or say how it has ended.

        `start` gives the state, so that nobody else has it in memory.
        """
        self.observer, self.problem = observer, problem
        run, past = None, self.past
        if past is not None and len(self.found) == len(past.found):
            run = past.run._replace(epochs=list(past.run.epochs))
            observer.go_on(run.epochs, past.held_losses)
            if past.known is not None:
                vars(problem)["known"] = list(past.known)

        def find() -> Result:
            watch = self.watch if self.watchers else None
            with getattr(problem, "crew", nullcontext()):  # who helps for the time of the run
                return _trainer.train(
                    problem,
                    rule,
                    start(),
                    settings,
                    score=score,
                    told_score=told_score,
                    observer=observer,
                    run=run,
                    watch=watch,
                )

        return self.known(find)

    def watch(self, run: Run) -> None:
        """After an epoch."""
        self.run = run
        for watcher in self.watchers:
            watcher.end_any_epoch(self)
        self.run = None

    def model(self) -> Any:
        """An estimator whose next fit goes on from here; it predicts by the best parameters so far, if it can."""
        run, observer = self.run, self.observer
        assert run is not None and observer is not None
        known = getattr(self.problem, "known", None)
        found, held_losses = list(self.found), list(observer.held_losses)
        past = Snapshot(self.name, self.before, self.digest(), found, run, known, held_losses)
        attributes = vars(self.before)
        if observer.fitted is not None:
            attributes = {**own(self.estimator), **observer.fitted(run.epochs, run.kept.params, observer.held_losses)}
        return made(type(self.estimator), {**attributes, PENDING: past})


@contextmanager
def journaled(estimator: Any, *, goes_on: bool = True) -> Iterator[None]:
    """Give the estimator a journal for the time of a fit; with `goes_on`, that of a fit that was killed, if any."""
    past: Snapshot | None = vars(estimator).pop(PENDING, None)
    if not (goes_on and getattr(estimator, "warm_start", True)):
        past = None
    if past is not None:
        check_same(estimator, past.before)
        estimator._check_untouched(past.before)
        free = {name: value for name, value in vars(estimator).items() if name in (*FREE, *ATTRIBUTES)}
        vars(estimator).clear()
        vars(estimator).update({**vars(past.before), **free})
    vars(estimator).pop(UNFINISHED, None)
    journal = Journal(estimator, past, watched=goes_on)
    estimator._journal = journal
    try:
        for watcher in journal.watchers:
            watcher.begin_fit(journal)
        yield
    finally:
        vars(estimator).pop("_journal", None)


def draw_seed(random_state: Any) -> int:
    """The next seed of a random state, as it is or as an int or None."""
    return int(check_random_state(random_state).randint(2**31 - 1))


def begun(estimator: Any) -> Any:
    """The estimator where a fit begins: its parameters and, with `warm_start`, all that it has learnt."""
    attributes, names = own(estimator), estimator.get_params(deep=False)
    if not getattr(estimator, "warm_start", False):
        attributes = {name: attributes[name] for name in names}
    return made(type(estimator), attributes)


def own(estimator: Any) -> dict[str, Any]:
    """Attributes of the estimator that neither callbacks nor the journal have left there."""
    return {name: value for name, value in vars(estimator).items() if name not in (*ATTRIBUTES, "_journal", PENDING)}


def made(kind: type, attributes: dict[str, Any]) -> Any:
    """An estimator with these attributes."""
    estimator: Any = object.__new__(kind)
    vars(estimator).update(attributes)
    return estimator


def check_same(estimator: Any, before: Any) -> None:
    """Refuse parameters that have changed since the fit began, but for those that change no bit."""
    for name in estimator.get_params(deep=False):
        now, then = getattr(estimator, name), getattr(before, name)
        if name not in FREE and not same(now, then):
            raise ValueError(
                f"{name} must be as in the fit that this one continues, {plain(then)!r}, got {plain(now)!r}. Fit a "
                "clone to begin anew."
            )


def same(one: Any, other: Any) -> bool:
    """Whether two values of a parameter are one or equal."""
    try:
        return one is other or (type(one) is type(other) and bool(one == other))
    except ValueError:  # arrays
        return False


def digest(arrays: tuple[Any, ...]) -> str:
    """Short for the contents of arrays, dense or sparse, some of which may be None."""
    total = hashlib.blake2b(digest_size=16)
    for array in arrays:
        parts = (array.data, array.indices, array.indptr) if sparse.issparse(array) else (array,)
        total.update(repr(getattr(array, "shape", None)).encode())
        for part in parts:
            if part is not None:
                total.update(str(part.dtype).encode())
                total.update(np.ascontiguousarray(part).data.cast("B") if part.size else b"")
    return total.hexdigest()
