"""Processes of this machine, those of loky.

What they hold goes into a file once, which all of them map into their memory, so that rows are there once. Processes
that die are replaced, and what they had in hand is done again.
"""

import mmap
import os
import pickle
import signal
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import numpy as np

from skdopamine._estimator.workers import N_TRIES, Held, LostError, Task, Workers, held, opened, packed, sendable, told

ALIGNED = 64  # bytes
IDLE = 60.0  # seconds after which a process that has nothing to do ends
SINGLE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"), "1")
HELD: dict[str, Held] = {}  # in a process that works for another: what it holds, by path

# by process and number of processes: of our own, so that no other user of loky's restarts them, and not those of the
# process that this one is a fork of
_pools: dict[tuple[int, int], Any] = {}
_lock = Lock()


class Processes(Workers):
    """Processes of this machine."""

    kind = "loky"

    def __init__(self, n: int) -> None:
        self.n = n
        self.folder: TemporaryDirectory[str] | None = None
        self.coming: list[Any] = []  # futures of processes that have not begun

    def ready(self, problem: Any, task: Task) -> bool:
        if self.folder is None:
            path = self._path(problem, task)
            with suppress(Exception):  # as with one that dies later
                self.coming = [pool_of(self.n).submit(hold, path) for _ in range(self.n)]
        return all(future.done() for future in self.coming)

    def _path(self, problem: Any, task: Task) -> str:
        """Where lies what processes hold; there are no more of them than parts."""
        if self.folder is None:
            self.folder = written(held(problem, task))
            self.n = len(task.split(self.n))
        return path_in(self.folder)

    def numbers(self, problem: Any, task: Task) -> list[Any]:
        path, common = self._path(problem, task), packed(task.common)
        parts = [packed(part) for part in task.split(self.n)]
        for n_left in reversed(range(N_TRIES)):
            pool, futures = pool_of(self.n), []
            try:
                for part in parts:
                    futures.append(pool.submit(answer, path, common, part))
                return opened([future.result() for future in futures])
            except LostError:
                raise
            except Exception as error:  # whatever has become of the processes, not of what they were asked
                give_up(self.n, pool)
                if not n_left:
                    raise LostError(f"{N_TRIES} times processes ended, {told(error)}") from error
            finally:
                for future in futures:
                    future.cancel()
        raise AssertionError

    def close(self) -> None:
        folder, self.folder, self.coming = self.folder, None, []
        if folder is None:
            return
        pool: Any = _pools.get((os.getpid(), self.n))
        with suppress(Exception):  # who is not reached forgets it with the next problem, or ends when idle
            for _ in range(2 * self.n if pool is not None else 0):
                pool.submit(forget, path_in(folder))
        remove(folder)


def answer(path: str, common: bytes, part: bytes) -> bytes:
    """In a process that works for another: the numbers of a part."""
    try:
        held_here = _hold(path)
    except Exception as error:  # as where the module of a loss is not to be found
        return packed((False, told(error)))
    return held_here.answer(common, part)


def hold(path: str) -> None:
    """In a process that works for another: be ready."""
    _hold(path)


def _hold(path: str) -> Held:
    if path not in HELD:
        HELD.clear()
        HELD[path] = read(path)
    return HELD[path]


def forget(path: str) -> None:
    """In a process that works for another: no longer hold this."""
    HELD.pop(path, None)


def pool_of(n: int) -> Any:
    """Processes that are running, or will."""
    key = os.getpid(), n
    with _lock:
        if key not in _pools:
            from joblib.externals import loky  # it asks for what not every platform has

            _pools[key] = loky.ProcessPoolExecutor(n, timeout=IDLE, env=SINGLE, initializer=_leave_interrupts)
        return _pools[key]


def give_up(n: int, pool: Any) -> None:
    """End processes of which one has died."""
    with _lock:
        if _pools.get((os.getpid(), n)) is pool:
            del _pools[os.getpid(), n]
    with suppress(Exception):
        pool.shutdown(wait=True, kill_workers=True)


def _leave_interrupts() -> None:
    """Ctrl-C is for the process that fits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def path_in(folder: "TemporaryDirectory[str]") -> str:
    """Where what is held lies."""
    return str(Path(folder.name) / "held")


def written(thing: Any) -> "TemporaryDirectory[str]":
    """A folder with the thing in a file: a table of lengths, the thing, and its arrays, each aligned."""
    head, buffers = sendable(thing)
    parts: list[Any] = [head, *(buffer.raw() for buffer in buffers)]
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    table = np.append(len(parts), lengths).astype(np.int64).tobytes()
    folder = None
    try:
        folder = TemporaryDirectory(
            prefix="skdopamine-", dir=os.environ.get("JOBLIB_TEMP_FOLDER"), ignore_cleanup_errors=True
        )
        _tracker().register(folder.name, "folder")
        with open(path_in(folder), "wb") as file:
            for part in (table, *parts):
                file.write(part)
                file.write(bytes(-len(part) % ALIGNED))
    except BaseException as error:
        if folder is not None:
            remove(folder)
        if isinstance(error, OSError):
            raise LostError(f"what they need cannot be written, {told(error)}") from error
        raise
    return folder


def remove(folder: "TemporaryDirectory[str]") -> None:
    """Remove a folder; what cannot be removed yet is, when this process has ended."""
    folder.cleanup()
    if not os.path.exists(folder.name):
        with suppress(Exception):
            _tracker().unregister(folder.name, "folder")


def _tracker() -> Any:
    """What outlives this process, be it killed, and then removes its folders."""
    from joblib.externals.loky.backend import resource_tracker

    return resource_tracker


def read(path: str) -> Any:
    """The thing in a file; its arrays are those of the file, until somebody changes them."""
    with open(path, "rb") as file:
        memory = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    n = int(np.frombuffer(memory, np.int64, 1)[0])
    lengths = np.frombuffer(memory, np.int64, n, offset=8)
    stop, parts = 8 * (n + 1), []
    for length in lengths:
        start = stop + -stop % ALIGNED
        stop = start + int(length)
        parts.append(memory[start:stop])
    return pickle.loads(parts[0], buffers=parts[1:])
