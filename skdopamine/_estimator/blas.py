"""One thread of BLAS while the members of a population are evaluated."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from threadpoolctl import ThreadpoolController


class _Limit:
    """A limit for the whole process, as long as anybody wants it; threads that want it may come and go."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.n_wanted = 0
        self.controller: Any = None
        self.limit: Any = None

    def begin(self) -> None:
        with self.lock:
            if self.n_wanted == 0:
                self.controller = self.controller or ThreadpoolController()
                self.limit = self.controller.limit(limits=1, user_api="blas")
            self.n_wanted += 1

    def end(self) -> None:
        with self.lock:
            self.n_wanted -= 1
            if self.n_wanted == 0:
                self.limit.restore_original_limits()


_limit = _Limit()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """One thread of BLAS, as the last bits of a product depend on their number.

    So a population has the same numbers wherever it is evaluated, and threads or workers do not multiply.
    """
    _limit.begin()
    try:
        yield
    finally:
        _limit.end()
