"""One thread of BLAS for as long as anybody in the process wants it."""

from threading import Lock
from typing import Any

from threadpoolctl import ThreadpoolController


class OneThread:
    """A limit for the whole process; threads that want it come and go in any order."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.n_wanted = 0
        self.controller: Any = None
        self.limit: Any = None

    def begin(self) -> None:
        """Limit BLAS, if nobody has."""
        with self.lock:
            if self.n_wanted == 0:
                self.controller = self.controller or ThreadpoolController()
                self.limit = self.controller.limit(limits=1, user_api="blas")
            self.n_wanted += 1

    def end(self) -> None:
        """Give it back its threads, if nobody else wants one."""
        with self.lock:
            self.n_wanted -= 1
            if self.n_wanted == 0:
                self.limit.restore_original_limits()

    def __enter__(self) -> None:
        self.begin()

    def __exit__(self, *_: object) -> None:
        self.end()


one_blas_thread = OneThread()
