"""The workers of a Dask cluster, through the client of joblib's backend.

What they hold is spread once. A worker that dies is no loss: the scheduler gives its tasks to another one, and what is
held is spread again where all copies are gone.
"""

import time
from asyncio import CancelledError
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from skdopamine._estimator.workers import N_TRIES, Held, LostError, Task, Workers, held, opened, packed, sendable, told

PATIENCE = 10.0  # seconds that a cluster may be without a worker
POLL = 1.0  # seconds after which it is looked whether anybody is there
COUNTED = 5.0  # seconds after which workers are counted again
NOBODY = f"the cluster has had no worker that takes tasks for {PATIENCE:g} seconds"
SCATTERED = 2**20  # bytes of an update from which on the cluster spreads them itself


class ClusterWorkers(Workers):
    """The workers of a Dask cluster."""

    kind = "dask"

    def __init__(self, client: Any, most: int, options: dict[str, Any]) -> None:
        self.client = client
        self.most = most
        self.options = options  # of a task, as those of joblib's context
        self.held: Any = None  # a future
        self.n = 0
        self.counted = -COUNTED

    def numbers(self, problem: Any, task: Task) -> list[Any]:
        common = packed(task.common)
        for n_left in reversed(range(N_TRIES)):
            futures: list[Any] = []
            try:
                self._count()
                if self.held is None:
                    self.held = self._spread(held(problem, task))
                sent: Any = common
                if len(common) > SCATTERED:
                    (sent,) = self.client.scatter([common], hash=False)
                for part in task.split(self.n):
                    futures.append(
                        self.client.submit(answer, self.held, sent, packed(part), pure=False, **self.options)
                    )
                self._wait(futures)
                return opened(self.client.gather(futures))
            except LostError:
                raise
            except (Exception, CancelledError) as error:  # whatever has become of the cluster, not of what it was asked
                self.held, self.counted = None, -COUNTED
                if not n_left or not is_running(self.client):
                    raise LostError(f"the cluster did not answer, {told(error)}") from error
            finally:
                cancel(self.client, futures)
        raise AssertionError

    def _spread(self, thing: Held) -> Any:
        """A future of the thing, of which each worker has a copy."""
        sendable(thing)  # Dask would write its own story of one that is not
        return self.client.scatter([thing], broadcast=True, hash=False)[0]

    def _count(self) -> None:
        """How many parts are evaluated at once; workers may come and go."""
        if time.monotonic() - self.counted < COUNTED:
            return
        since = time.monotonic()
        while not (threads := n_threads(self.client)):
            if time.monotonic() - since > PATIENCE:
                raise LostError(NOBODY)
            time.sleep(POLL / 10)
        self.n = threads if self.most < 1 else min(threads, self.most)
        self.counted = time.monotonic()

    def _wait(self, futures: list[Any]) -> None:
        """Until all is done; an error where nobody is there who could do it."""
        from distributed import wait

        wait_for: Callable[..., Any] = wait
        empty_since = None
        while True:
            try:
                wait_for(futures, timeout=POLL)
                return
            except TimeoutError:
                if not is_running(self.client):
                    raise LostError("the cluster is closed") from None
                if n_threads(self.client):
                    empty_since = None
                    continue
                empty_since = time.monotonic() if empty_since is None else empty_since
                if time.monotonic() - empty_since > PATIENCE:
                    raise LostError(NOBODY) from None

    def close(self) -> None:
        future, self.held = self.held, None
        if future is not None:
            with suppress(Exception):
                future.release()


def answer(held: Held, common: bytes, part: bytes) -> bytes:
    """On a worker: the numbers of a part."""
    return held.answer(common, part)


def n_threads(client: Any) -> int:
    """Threads of the workers that take tasks, or are at one: those that lack memory are paused."""

    def count(dask_scheduler: Any) -> int:  # sent by value, as it belongs to no module
        workers = dask_scheduler.workers.values()
        return sum(worker.nthreads for worker in workers if worker.status.name == "running" or worker.executing)

    return int(client.run_on_scheduler(count))


def is_running(client: Any) -> bool:
    """Whether the client has its scheduler."""
    return bool(client.status == "running")


def cancel(client: Any, futures: list[Any]) -> None:
    """Forget tasks, done or not."""
    waiting = [future for future in futures if not future.done()]
    with suppress(Exception):
        if waiting and is_running(client):
            client.cancel(waiting)
    for future in futures:
        with suppress(Exception):
            future.release()


def inside_a_worker() -> bool:
    """Whether this is a task of a cluster already."""
    from distributed import get_worker

    try:
        get_worker()
    except ValueError:
        return False
    return True
