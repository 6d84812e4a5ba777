"""Who evaluates the members of a population: this thread, threads of this process, or workers elsewhere.

The numbers are the same to the last bit, whoever does it. Workers are given the problem once. An update then costs
them its parameters and seeds, and they give back one number per member.
"""

import warnings
from time import perf_counter
from typing import Any, Self

from joblib.parallel import LokyBackend, get_active_backend

from skdopamine._estimator.blas import one_blas_thread
from skdopamine._estimator.caller import users_level
from skdopamine._estimator.cluster import ClusterWorkers, inside_a_worker
from skdopamine._estimator.processes import Processes
from skdopamine._estimator.workers import LostError, Task, Threads, Workers

# Seconds of an update in this thread from which on others are asked, see benchmarks/parallel.py; 0: always
BORDERS = {"threads": 0.002, "loky": 0.02, "dask": 0.1}
CLEAR = 10.0  # times the border: so long a part that threads help at once, as a stream may have one update a call
N_TRIED = 2  # updates in this thread, and by others, the fastest of which tells who is quicker


class Crew:
    """The hands of one problem, from the beginning of a run to its end; outside of a run, this thread.

    During a run, BLAS has one thread, as the last bits of a product depend on their number. So threads do not multiply.

    `n_jobs` is that of the estimator: None leaves it to joblib's context. With `threads=False`, only workers elsewhere
    are asked.
    """

    def __init__(self, n_jobs: int | None = None, *, threads: bool = True) -> None:
        self.n_jobs = n_jobs
        self.threads = threads
        self.workers: Workers | None = None
        self.at_work = False
        self.alone: list[float] = []  # seconds per unit of work
        self.together: list[float] = []

    def __enter__(self) -> Self:
        self.workers = wanted(self.n_jobs, threads=self.threads)
        self.at_work, self.alone, self.together = False, [], []
        one_blas_thread.begin()
        return self

    def __exit__(self, *_: object) -> None:
        one_blas_thread.end()
        self.dismiss()

    def dismiss(self) -> None:
        """Let the workers go; the rest is done here."""
        workers, self.workers, self.at_work = self.workers, None, False
        if workers is not None:
            workers.close()

    def numbers(self, problem: Any, task: Task) -> list[Any]:
        """The numbers of all parts of a task, in order."""
        workers = self.workers
        # others than threads would not know which rows are meant
        if workers is None or (task.common is None and not isinstance(workers, Threads)):
            return alone(task)
        try:
            if self._begun(workers, problem, task):
                return self._together(workers, problem, task)
        except LostError as error:
            self.dismiss()
            found = alone(task)  # where it fails here, too, that is the error to be seen
            warnings.warn(
                f"The workers could not evaluate the population, and this process goes on alone: {error}.",
                UserWarning,
                stacklevel=users_level(),
            )
            return found
        if isinstance(workers, Threads):  # who need not be given the problem before
            found, seconds = workers.numbers_at_first(task, CLEAR * BORDERS[workers.kind])
        else:
            began = perf_counter()
            found, seconds = alone(task), perf_counter() - began
        self.alone = [*self.alone[-N_TRIED:], seconds / task.size]
        return found

    def _begun(self, workers: Workers, problem: Any, task: Task) -> bool:
        """Whether others work, who begin where updates take long enough, and after they have come."""
        if not self.at_work and BORDERS[workers.kind] > 0:
            pays = len(self.alone) >= N_TRIED and min(self.alone) * task.size > BORDERS[workers.kind]
            self.at_work = pays and len(task.split(2)) > 1 and workers.ready(problem, task)
            return self.at_work
        return True

    def _together(self, workers: Workers, problem: Any, task: Task) -> list[Any]:
        """The numbers from others, who are dismissed where this thread was quicker."""
        began = perf_counter()
        found = workers.numbers(problem, task)
        if BORDERS[workers.kind] > 0 and len(self.together) <= N_TRIED:
            self.together.append((perf_counter() - began) / task.size)
            # the first one has paid for what comes once
            if len(self.together) > N_TRIED and min(self.together[1:]) > min(self.alone):
                self.dismiss()
        return found


def alone(task: Task) -> list[Any]:
    """The numbers from this thread."""
    return [task.here(part) for part in task.split(1)]


def wanted(n_jobs: int | None, *, threads: bool) -> Workers | None:
    """Whom the parameter and joblib's context ask for; None for this thread.

    Inside a task of a search, whose workers are busy with other fits, nobody else is asked but threads.
    """
    if n_jobs == 1:
        return None
    backend, n_context = get_active_backend(prefer="threads")
    outermost = not backend.nesting_level
    if outermost and isinstance(backend, LokyBackend):
        n = backend.effective_n_jobs(jobs(n_jobs, n_context, backend))
        return Processes(n) if n > 1 else None
    if outermost and type(backend).__name__ == "DaskDistributedBackend" and not inside_a_worker():
        return ClusterWorkers(backend.client, jobs(n_jobs, n_context, backend), backend.submit_kwargs)
    if not threads:
        return None
    backend, n_context = get_active_backend(prefer="threads", require="sharedmem")
    n = backend.effective_n_jobs(jobs(n_jobs, n_context, backend))
    return Threads(n) if n > 1 else None


def jobs(n_jobs: int | None, n_context: int | None, backend: Any) -> int:
    """The number of jobs asked for: by the estimator, or else the context, or else the backend."""
    asked = n_context if n_jobs is None else n_jobs
    return int(getattr(backend, "default_n_jobs", 1) if asked is None else asked)
