"""What evaluates the parts of a task: threads of this process here, processes and machines in rooms of their own."""

import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn import config_context, get_config

from skdopamine._estimator.blas import one_blas_thread

try:
    import cloudpickle
except ImportError:  # joblib brought its own before 1.6
    from joblib.externals import cloudpickle

N_TRIES = 4  # of an update, before workers are given up
PARTS_OF_THREAD = 4  # so that no thread is idle while another has its last part


class LostError(Exception):
    """Workers could not do what they were asked for."""


class Task(NamedTuple):
    """What one update asks of its members: the same function of the same numbers, here and elsewhere."""

    split: Callable[[int], Sequence[Any]]  # the members in so many parts, or fewer
    here: Callable[[Any], Any]  # the numbers of a part
    there: Callable[[Any, Any, Any], Any]  # the numbers of a part, from the problem held, the common, and the part
    common: Any  # what workers need to know of the update besides the part
    size: float  # of the work, by which the times of updates are compared


class Held(NamedTuple):
    """What a worker holds for the time of a run: a problem, and the settings of the thread that trains."""

    problem: Any
    there: Callable[[Any, Any, Any], Any]
    errors: Any
    config: dict[str, Any]

    def answer(self, common: bytes, part: bytes) -> bytes:
        """The numbers of a part, or what went wrong in words."""
        try:
            with np.errstate(**self.errors), config_context(**self.config), one_blas_thread:
                answer = True, self.there(self.problem, pickle.loads(common), pickle.loads(part))
        except Exception as error:
            answer = False, told(error)
        return packed(answer)


class Workers(ABC):
    """Those who evaluate the parts of a task."""

    kind: ClassVar[str]

    def ready(self, problem: Any, task: Task) -> bool:
        """Whether they can begin at once; where not, they come while others work."""
        return True

    @abstractmethod
    def numbers(self, problem: Any, task: Task) -> list[Any]:
        """The numbers of all parts, in order; the problem, always the same, is sent once."""

    @abstractmethod
    def close(self) -> None:
        """Let them go, and what they hold."""


class Threads(Workers):
    """Threads of this process, which are sent nothing."""

    kind = "threads"

    def __init__(self, n: int) -> None:
        self.n = n
        self.pool: ThreadPoolExecutor | None = None

    def numbers(self, problem: Any, task: Task) -> list[Any]:
        return self.together(task, task.split(PARTS_OF_THREAD * self.n))

    def numbers_at_first(self, task: Task, border: float) -> tuple[list[Any], float]:
        """The numbers, and the seconds that one thread takes, told by the first part.

        Threads have the other parts where these would take longer than the border.
        """
        first, *others = task.split(PARTS_OF_THREAD * self.n)
        began = perf_counter()
        found = [task.here(first)]
        seconds = perf_counter() - began
        if others and seconds * len(others) > border:
            return found + self.together(task, others), seconds * (1 + len(others))
        found += [task.here(part) for part in others]
        return found, perf_counter() - began

    def together(self, task: Task, parts: Sequence[Any]) -> list[Any]:
        """The numbers of some parts, in order."""
        self.pool = self.pool or ThreadPoolExecutor(self.n)
        errors, config = np.geterr(), get_config()

        def here(part: Any) -> Any:
            with np.errstate(**errors), config_context(**config):
                return task.here(part)

        futures = [self.pool.submit(here, part) for part in parts]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def close(self) -> None:
        if self.pool is not None:
            self.pool.shutdown(wait=True, cancel_futures=True)
            self.pool = None


def held(problem: Any, task: Task) -> Held:
    """What workers are given once."""
    return Held(problem, task.there, np.geterr(), get_config())


def sendable(thing: Any) -> tuple[bytes, list[pickle.PickleBuffer]]:
    """A thing as bytes, apart from its arrays; what belongs to no module, as a lambda, is part of it."""
    buffers: list[pickle.PickleBuffer] = []
    try:
        return cloudpickle.dumps(thing, protocol=5, buffer_callback=buffers.append), buffers
    except Exception as error:
        raise LostError(f"what they need cannot be pickled, {told(error)}") from error


def packed(thing: Any) -> bytes:
    """What travels, as bytes."""
    return pickle.dumps(thing, protocol=pickle.HIGHEST_PROTOCOL)


def opened(answers: Sequence[bytes]) -> list[Any]:
    """The numbers in the answers."""
    numbers = []
    for answer in answers:
        fine, value = pickle.loads(answer)
        if not fine:
            raise LostError(value)
        numbers.append(value)
    return numbers


def told(error: BaseException) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
