"""Populations on threads, processes and a cluster: the bits of one thread, few bytes, and nothing left behind."""

import os
import pickle
import signal
import sys
import threading
import time
import types
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.base import clone

from skdopamine import DopamineESNForecaster, DopamineMLPClassifier, DopamineMLPRegressor
from skdopamine._esn import gains_problem as _gains
from skdopamine._estimator import cluster as _cluster
from skdopamine._estimator import crew as _crew
from skdopamine._estimator import processes as _processes
from skdopamine._estimator import workers as _workers
from skdopamine._estimator.cluster import ClusterWorkers
from skdopamine._estimator.crew import Crew
from skdopamine._estimator.processes import Processes
from skdopamine._estimator.workers import Task, Threads
from skdopamine._mlp import weight as _weight
from skdopamine._mlp.activations import ACTIVATIONS
from skdopamine._mlp.network import Network
from skdopamine._mlp.problem import make_data
from skdopamine._objectives.base import LogisticLoss
from skdopamine._training import trainer as _trainer
from skdopamine.checkpoint import Checkpoint, load_checkpoint

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("small_updates_are_shared"),
]

X = np.random.default_rng(0).standard_normal((300, 6))
Y = (X[:, 0] > X[:, 1]).astype(int)
WEIGHT = np.random.default_rng(1).uniform(0.5, 2, len(X))
KINDS = {"threads": Threads, "loky": Processes, "dask": ClusterWorkers}


def own_loss(y_true, y_pred):
    """Return a value for each row."""
    return -np.log(y_pred[np.arange(len(y_true)), y_true])


def own_number(y_true, y_pred):
    """Return one number for all rows."""
    return float(np.mean(np.abs(y_true - y_pred) ** 1.5))


def classifier(loss="log_loss", **params):
    params = {"max_iter": 3, "batch_size": 100, "n_perturbations": 40, "random_state": 0, **params}
    return DopamineMLPClassifier((8,), loss=loss, perturbation="weight", **params)


def regressor(loss="squared_error", **params):
    params = {"max_iter": 3, "batch_size": 100, "n_perturbations": 40, "random_state": 0, **params}
    return DopamineMLPRegressor((8,), loss=loss, perturbation="weight", **params)


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=False
    ) as local:
        yield local


@pytest.fixture(scope="module")
def client(cluster):
    import distributed

    with distributed.Client(cluster) as client:
        yield client


@pytest.fixture
def sent(monkeypatch):
    """How many updates each kind of workers has evaluated."""
    counts = dict.fromkeys(KINDS, 0)

    def counting(kind, numbers):
        def counted(self, problem, task):
            counts[kind] += 1
            return numbers(self, problem, task)

        return counted

    for kind, workers in KINDS.items():
        monkeypatch.setattr(workers, "numbers", counting(kind, workers.numbers))
    return counts


@contextmanager
def around(kind, request, n_jobs=2):
    """Let a fit have others of this kind."""
    if kind == "dask":
        request.getfixturevalue("client")
        context = parallel_config("dask")
    else:
        context = parallel_config({"threads": "threading"}.get(kind, kind), n_jobs=n_jobs)
    with context:
        yield


CASES = {
    "sum over rows": lambda: classifier().fit(X, Y),
    "metric": lambda: classifier("f1").fit(X, Y),
    "own, of rows": lambda: classifier(own_loss).fit(X, Y),
    "own, of a set": lambda: regressor(own_number).fit(X, X[:, 0]),
    "lambda": lambda: regressor(lambda a, b: np.abs(a - b), max_iter=1).fit(X, X[:, 0]),
    "rows in order": lambda: classifier(shuffle=False).fit(X, Y),
    "promises": lambda: classifier(batch_size=300).fit(X, Y),
    "of weights": lambda: DopamineMLPClassifier(
        (8,), perturbation="weight", n_perturbations=20, max_iter=2, batch_size=150, alpha=1.0, random_state=0
    ).fit(X.astype(np.float32), Y, sample_weight=WEIGHT),
    "early stopping": lambda: classifier("f1", early_stopping=True).fit(X, Y),
    "stream": lambda: classifier(max_iter=1).partial_fit(X, Y, [0, 1]).partial_fit(X[:150], Y[:150]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_the_bits_are_those_of_one_thread(case, kind, sent, request, assert_same_model):
    expected = CASES[case]()
    assert not any(sent.values())
    with around(kind, request):
        model = CASES[case]()
    assert sent[kind] > 0
    assert sum(sent.values()) == sent[kind]
    assert_same_model(model, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_one_job_asks_nobody(kind, sent, request):
    with around(kind, request):
        classifier(n_jobs=1).fit(X, Y)
    assert not any(sent.values())


def test_the_parameter_counts_before_the_context(sent, monkeypatch):
    asked = []
    monkeypatch.setattr(_crew, "Processes", lambda n: asked.append(n) or Threads(n))
    with parallel_config("loky"):
        classifier().fit(X, Y)
        assert asked == []
        classifier(n_jobs=3).fit(X, Y)
    with parallel_config("loky", n_jobs=2):
        classifier().fit(X, Y)
    assert asked == [3, 2]


@pytest.mark.parametrize("n", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(("members", "step"), [(16, 3), (16, 16), (1, 5), (4096, 7)])
def test_parts_are_whole_chunks_and_all_of_them(members, step, n):
    everybody = range(0, members, step)
    parts = _weight.divided(everybody, n)
    assert 1 <= len(parts) <= n
    assert [chunk for part in parts for chunk in _weight.chunks(part)] == list(_weight.chunks(everybody))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("blas", [1, 2])
def test_the_bits_do_not_depend_on_the_threads_of_blas(blas, request):
    from threadpoolctl import threadpool_info, threadpool_limits

    wide = np.random.default_rng(0).standard_normal((1000, 30)).astype(np.float32)
    labels = (wide[:, 0] > 0).astype(int)

    def fitted(**params):
        return DopamineMLPClassifier(
            (50,), perturbation="weight", max_iter=1, batch_size=500, n_perturbations=4, random_state=0, **params
        ).fit(wide, labels)

    seen = []

    def look(problem, common, part):
        seen.append({lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"})

    with threadpool_limits(blas, "blas"):
        before = threadpool_info()
        one, two = fitted(), fitted(n_jobs=2)
        assert threadpool_info() == before
        with Crew(1) as crew, Crew(1):
            crew.numbers(None, Task(lambda n: [0], lambda part: look(None, None, part), look, 0, 1.0))
        assert threadpool_info() == before
    for ours, theirs in zip(one.coefs_, two.coefs_, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert seen == [{1}]


def test_the_start_of_a_metric_does_not_depend_on_the_threads_of_blas():
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    wide = rng.standard_normal((1500, 100)).astype(np.float32)
    models = []
    for threads in (1, 2):
        with threadpool_limits(threads, "blas"):
            model = DopamineMLPClassifier(
                (100,), loss="f1", perturbation="weight", max_iter=1, n_perturbations=2, random_state=0
            )
            models.append(model.fit(wide, wide[:, 0] > 0.5))
    for ours, theirs in zip(models[0].intercepts_, models[1].intercepts_, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert models[0].loss_curve_ == models[1].loss_curve_


# ---- bytes ----


@pytest.mark.parametrize("kind", ["loky", "dask"])
@pytest.mark.parametrize(("members", "hidden"), [(16, 10), (4096, 10), (16, 2000)])
def test_bytes_of_an_update(members, hidden, kind, monkeypatch, request):
    n_parameters = (6 + 1) * hidden + hidden + 1
    travelled, packed, opened = [], _workers.packed, _workers.opened

    def parts_of(task):
        return min(2, len(task.split(2)))

    def counting(numbers):
        def counted(self, problem, task):
            payload = len(packed(task.common)) * parts_of(task) + sum(len(packed(part)) for part in task.split(2))
            travelled.append(payload)
            return numbers(self, problem, task)

        return counted

    def answers_counted(answers):
        travelled[-1] += sum(map(len, answers))
        return opened(answers)

    monkeypatch.setattr(KINDS[kind], "numbers", counting(KINDS[kind].numbers))
    for room in (_processes, _cluster):
        monkeypatch.setattr(room, "opened", answers_counted)
    with around(kind, request):
        DopamineMLPClassifier(
            (hidden,), perturbation="weight", n_perturbations=members, max_iter=1, batch_size=20, random_state=0
        ).fit(X[:40], Y[:40])
    assert len(travelled) == 2
    assert max(travelled) <= 4 * 8 * n_parameters + 100 * members


@pytest.mark.parametrize("members", [16, 4096])
def test_bytes_on_the_wire_of_the_cluster(members, client, monkeypatch):
    """All that client and scheduler send in an update; 8 kB of each task are Dask's own words."""
    from distributed.comm import tcp

    total, begun, write = [0], [], tcp.TCP.write

    async def counted_write(self, *args, **kwargs):
        n = await write(self, *args, **kwargs)
        total[0] += n
        return n

    monkeypatch.setattr(tcp.TCP, "write", counted_write)
    numbers = ClusterWorkers.numbers

    def counted(self, problem, task):
        begun.append(total[0])
        return numbers(self, problem, task)

    monkeypatch.setattr(ClusterWorkers, "numbers", counted)
    with parallel_config("dask"):
        DopamineMLPClassifier(
            (20,), perturbation="weight", n_perturbations=members, max_iter=4, batch_size=20, random_state=0
        ).fit(X[:40], Y[:40])
    per_update = np.diff(begun[1:])  # the first one brings the rows
    assert len(per_update) >= 6
    assert np.median(per_update) <= 4 * 8 * (7 * 20 + 21) + 100 * members + 2 * 8000


def test_rows_travel_once(client, monkeypatch):
    scattered, scatter = [], type(client).scatter

    def spy(self, data, **kwargs):
        scattered.append(kwargs)
        return scatter(self, data, **kwargs)

    monkeypatch.setattr(type(client), "scatter", spy)
    with parallel_config("dask"):
        classifier().fit(X, Y)
    assert scattered == [{"broadcast": True, "hash": False}]


def test_many_parameters_are_spread_by_the_cluster(client, monkeypatch, assert_same_model):
    expected, scattered, scatter = classifier().fit(X, Y), [], type(client).scatter

    def spy(self, data, **kwargs):
        scattered.append(data)
        return scatter(self, data, **kwargs)

    monkeypatch.setattr(type(client), "scatter", spy)
    monkeypatch.setattr(_cluster, "SCATTERED", 100)
    with parallel_config("dask"):
        model = classifier().fit(X, Y)
    assert_same_model(model, expected)
    assert len(scattered) == 1 + 9
    assert all(isinstance(data, bytes) for (data,) in scattered[1:])


def test_a_cluster_without_workers_is_not_waited_for_long(monkeypatch, assert_same_model):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(_cluster, "PATIENCE", 0.5)
    expected = classifier().fit(X, Y)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0") as empty,
        distributed.Client(empty) as client,
        parallel_config("dask", client=client),
        pytest.warns(UserWarning, match="goes on alone: the cluster has had no worker"),
    ):
        model = classifier().fit(X, Y)
    assert_same_model(model, expected)


def test_a_fit_inside_a_task_of_the_cluster_asks_no_other_worker(client):
    def asked():
        from skdopamine._estimator import crew

        with parallel_config("dask"):
            return [type(crew.wanted(n_jobs, threads=True)).__name__ for n_jobs in (None, 2)]

    assert client.submit(asked, pure=False).result() == ["NoneType", "Threads"]
    with parallel_config("dask"):
        assert isinstance(_crew.wanted(None, threads=True), ClusterWorkers)


@pytest.mark.parametrize("since", [1, 5])
def test_workers_that_are_paused_are_not_waited_for_long(since, monkeypatch, assert_same_model):
    """Dask pauses workers that lack memory, as they do when the rows are too many for them."""
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(_cluster, "PATIENCE", 0.5)
    monkeypatch.setattr(_cluster, "POLL", 0.2)
    expected, numbers, n = classifier().fit(X, Y), ClusterWorkers.numbers, [0]

    def pause(dask_worker):
        dask_worker.status = distributed.core.Status.paused

    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, memory_limit=0, dashboard_address=":0"
        ) as local,
        distributed.Client(local) as client,
        parallel_config("dask", client=client),
    ):

        def pausing(self, problem, task):
            n[0] += 1
            if n[0] == since:
                client.run(pause)
                while client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.running)):
                    time.sleep(0.02)
            return numbers(self, problem, task)

        monkeypatch.setattr(ClusterWorkers, "numbers", pausing)
        with pytest.warns(UserWarning, match="goes on alone: the cluster has had no worker that takes tasks"):
            model = classifier().fit(X, Y)
    assert n[0] == since
    assert_same_model(model, expected)


def test_tasks_have_the_options_of_the_context(cluster, client, monkeypatch):
    given, submit = [], type(client).submit

    def spy(self, *args, **kwargs):
        given.append(kwargs)
        return submit(self, *args, **kwargs)

    monkeypatch.setattr(type(client), "submit", spy)
    address = cluster.workers[0].worker_address
    with parallel_config("dask", workers=[address], priority=3):
        classifier(max_iter=1).fit(X, Y)
    assert given
    assert all((kwargs["workers"], kwargs["priority"]) == ([address], 3) for kwargs in given)


def test_no_more_processes_are_begun_than_there_are_parts(monkeypatch):
    begun, pool_of = [], _processes.pool_of
    monkeypatch.setattr(_weight, "CHUNK_BYTES", 2**30)  # one chunk
    monkeypatch.setattr(_processes, "pool_of", lambda n: begun.append(n) or pool_of(n))
    with parallel_config("loky", n_jobs=5):
        classifier(max_iter=1).fit(X, Y)
    assert set(begun) == {1}


def test_a_fork_has_processes_of_its_own(monkeypatch):
    monkeypatch.setattr(_processes, "_pools", {})
    ours = _processes.pool_of(2)
    assert _processes.pool_of(2) is ours
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert _processes.pool_of(2) is not ours


# ---- workers that die, clusters that close, Ctrl-C, errors ----


class AtCall:
    """A loss that does something once, at its k-th call in a process that works for another."""

    def __init__(self, k, flag, act="kill"):
        self.k, self.flag, self.act, self.calls, self.home = k, str(flag), act, 0, os.getpid()

    def __call__(self, y_true, y_pred):
        self.calls += 1
        if os.getpid() != self.home and self.calls >= self.k and not Path(self.flag).exists():
            Path(self.flag).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return float(np.mean(np.abs(y_true - y_pred) ** 1.5))


@pytest.mark.parametrize("kind", ["loky", "dask"])
@pytest.mark.filterwarnings("ignore:A worker")
def test_a_worker_that_is_killed_costs_nothing_but_time(kind, tmp_path, request, assert_same_model):
    expected = regressor(own_number).fit(X, X[:, 0])
    with around(kind, request):
        model = regressor(AtCall(60, tmp_path / "killed")).fit(X, X[:, 0])
    assert (tmp_path / "killed").exists()
    assert_same_model(model.set_params(loss=own_number), expected)


class Deadly:
    """A loss that no worker survives."""

    def __init__(self):
        self.home = os.getpid()

    def __call__(self, y_true, y_pred):
        if os.getpid() != self.home:
            os.kill(os.getpid(), signal.SIGKILL)
        return own_number(y_true, y_pred)


def test_where_no_process_survives_this_one_goes_on_and_says_so(assert_same_model, monkeypatch):
    monkeypatch.setattr(_processes, "N_TRIES", 1)
    expected = regressor(own_number).fit(X, X[:, 0])
    with (
        parallel_config("loky", n_jobs=2),
        pytest.warns(UserWarning, match="this process goes on alone: 1 times processes ended"),
    ):
        model = regressor(Deadly()).fit(X, X[:, 0])
    assert_same_model(model.set_params(loss=own_number), expected)


def test_a_cluster_that_is_closed_in_mid_fit_is_no_loss(assert_same_model):
    distributed = pytest.importorskip("distributed")
    expected = classifier(max_iter=6).fit(X, Y)
    with distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0") as local:
        client = distributed.Client(local)

        numbers, n = ClusterWorkers.numbers, [0]

        def closing(self, problem, task):
            n[0] += 1
            if n[0] == 5:
                client.close()
            return numbers(self, problem, task)

        with pytest.MonkeyPatch.context() as patch, parallel_config("dask", client=client):
            patch.setattr(ClusterWorkers, "numbers", closing)
            with pytest.warns(UserWarning, match="goes on alone: the cluster"):
                model = classifier(max_iter=6).fit(X, Y)
    assert n[0] == 5
    assert_same_model(model, expected)


class FailsLater:
    """A loss that fails at its k-th call."""

    def __init__(self, k):
        self.k, self.calls = k, 0

    def __call__(self, y_true, y_pred):
        self.calls += 1
        if self.calls >= self.k:
            raise ArithmeticError("not with these rows")
        return own_number(y_true, y_pred)


@pytest.fixture
def held_files(tmp_path, monkeypatch):
    """The files that processes hold, of this test alone; at least one is there while they work."""
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path))
    numbers = Processes.numbers

    def looked_at(self, problem, task):
        found = numbers(self, problem, task)
        assert list(tmp_path.glob("skdopamine-*/held"))
        return found

    monkeypatch.setattr(Processes, "numbers", looked_at)
    return lambda: list(tmp_path.iterdir())


def tasks_known(client):
    """What the scheduler knows of, once it has heard of what is released."""
    for _ in range(100):
        n = client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
        if not n:
            break
        time.sleep(0.05)
    return n


@pytest.mark.parametrize("kind", ["threads", "loky", "dask"])
def test_nothing_is_left_behind(kind, request, held_files):
    n_threads = threading.active_count()
    with around(kind, request):
        regressor(own_number).fit(X, X[:, 0])
        with pytest.raises(ArithmeticError, match="not with these rows"):
            regressor(FailsLater(40)).fit(X, X[:, 0])
    assert held_files() == []
    if kind == "dask":
        assert tasks_known(request.getfixturevalue("client")) == 0
    if kind == "threads":
        assert threading.active_count() <= n_threads


class Tracker:
    """What removes folders when this process has ended."""

    def __init__(self):
        self.seen, self.left = [], []

    def register(self, name, kind):
        assert kind == "folder"
        assert list(Path(name).iterdir()) == []  # a process that is killed while it writes leaves a file, too
        self.seen.append(name)
        self.left.append(name)

    def unregister(self, name, kind):
        self.left.remove(name)


@pytest.mark.parametrize("removed", [True, False])
def test_files_are_removed_when_the_process_is_killed(removed, tmp_path, monkeypatch):
    tracker = Tracker()
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path))
    monkeypatch.setattr(_processes, "_tracker", lambda: tracker)
    if not removed:  # as where a process still has the file in memory
        monkeypatch.setattr(_processes.TemporaryDirectory, "cleanup", lambda self: self._finalizer.detach())
    with parallel_config("loky", n_jobs=2):
        classifier(max_iter=1).fit(X, Y)
    assert len(tracker.seen) == 1
    assert tracker.left == ([] if removed else tracker.seen)


def test_a_folder_that_is_not_there_is_no_loss(tmp_path, monkeypatch, assert_same_model):
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path / "nowhere"))
    expected = classifier().fit(X, Y)
    with (
        parallel_config("loky", n_jobs=2),
        pytest.warns(UserWarning, match="goes on alone: what they need cannot be written, FileNotFoundError"),
    ):
        model = classifier().fit(X, Y)
    assert_same_model(model, expected)


@pytest.mark.parametrize("kind", ["loky", "dask"])
@pytest.mark.filterwarnings("ignore:Training was interrupted")
def test_ctrl_c_ends_the_fit_and_lets_the_workers_go(kind, request, monkeypatch, held_files):
    numbers, n = KINDS[kind].numbers, [0]

    def interrupted(self, problem, task):
        n[0] += 1
        if n[0] == 8:
            signal.raise_signal(signal.SIGINT)
        return numbers(self, problem, task)

    monkeypatch.setattr(KINDS[kind], "numbers", interrupted)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with around(kind, request):
            model = classifier(max_iter=50).fit(X, Y)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert model.n_iter_ == 2  # of three updates each
    assert held_files() == []


class Locked:
    """A loss that cannot be pickled."""

    def __init__(self):
        self.lock = threading.Lock()

    def __call__(self, y_true, y_pred):
        return own_number(y_true, y_pred)


@pytest.mark.parametrize("kind", ["loky", "dask"])
def test_what_cannot_be_sent_is_evaluated_here_and_said(kind, request, assert_same_model):
    expected = regressor(own_number).fit(X, X[:, 0])
    with around(kind, request), pytest.warns(UserWarning, match="this process goes on alone: .*pickle"):
        model = regressor(Locked()).fit(X, X[:, 0])
    assert_same_model(model.set_params(loss=own_number), expected)


@pytest.mark.parametrize("kind", ["loky", "dask"])
def test_a_loss_of_a_module_that_workers_do_not_have_is_evaluated_here_and_said(
    kind, request, monkeypatch, assert_same_model
):
    here_alone, given_up = types.ModuleType("here_alone"), []
    exec("def own(y_true, y_pred):\n    return float(abs(y_true - y_pred).mean() ** 1.5)", vars(here_alone))
    monkeypatch.setitem(sys.modules, "here_alone", here_alone)
    monkeypatch.setattr(_processes, "give_up", lambda *args: given_up.append(args))
    expected = regressor(here_alone.own).fit(X, X[:, 0])
    with around(kind, request), pytest.warns(UserWarning, match="this process goes on alone: .*No module named"):
        model = regressor(here_alone.own).fit(X, X[:, 0])
    assert given_up == []  # processes are well
    assert_same_model(model, expected)


# ---- what stays in the estimator ----


@pytest.mark.parametrize("kind", ["loky", "dask"])
def test_an_estimator_knows_nothing_of_its_workers(kind, request, assert_same_model):
    plain = classifier().fit(X, Y)
    with around(kind, request):
        model = classifier().fit(X, Y)
    assert len(pickle.dumps(model)) == len(pickle.dumps(plain))
    again = pickle.loads(pickle.dumps(model))
    assert_same_model(again, plain)
    assert_same_model(clone(model).fit(X, Y), plain)


def test_a_checkpoint_of_a_fit_on_workers_goes_on_in_one_thread(tmp_path, assert_same_model):
    expected = classifier(max_iter=6).fit(X, Y)
    path = tmp_path / "fit"
    with parallel_config("loky", n_jobs=2):
        model = classifier(max_iter=6).set_callbacks(Checkpoint(path, every=4)).fit(X, Y)
    assert_same_model(model, expected)
    again = load_checkpoint(path).set_callbacks()
    assert again.n_iter_ == 4
    assert_same_model(again.fit(X, Y), expected)


def weight_problem(data):
    network = Network((6, 8, 1), (ACTIVATIONS["tanh"],))
    return _weight.WeightProblem(
        network, LogisticLoss(), data, alpha=0.0, scale=0.01, n_perturbations=2, seed=0, n_jobs=3
    )


def test_a_crew_is_neither_sent_nor_shared():
    data = make_data(X, Y[:, None].astype(float), None)
    problem = weight_problem(data)
    other = problem.on(data)
    assert other.crew is not problem.crew
    assert other.crew.n_jobs == 3
    head, arrays = _workers.sendable(problem)
    assert not hasattr(pickle.loads(head, buffers=arrays), "crew")


def test_a_worker_keeps_the_latest_order_of_rows_as_long_as_the_rows(monkeypatch):
    problem, drawn, epoch_order = weight_problem(make_data(X, Y[:, None].astype(float), None)), [], _trainer.epoch_order
    monkeypatch.setattr(_trainer, "epoch_order", lambda *args: drawn.append(args) or epoch_order(*args))
    for epoch in (0, 1):
        for first in (0, 100, 200):
            update = _weight.Update(np.zeros(65), _trainer.Origin(first, first + 100, (7, epoch)), 1, 0.0)
            _weight.simulated_elsewhere(problem, update, range(0, 2, 1))
    assert drawn == [(300, 7, 0), (300, 7, 1)]
    assert list(problem.orders) == [(7, 1)]
    head, arrays = _workers.sendable(problem)
    assert pickle.loads(head, buffers=arrays).orders == problem.on(problem.data).orders == {}


@pytest.mark.parametrize("kept", [2**17, 0])
def test_directions_are_drawn_once_in_an_update_or_too_many_to_keep(kept, monkeypatch, assert_same_model):
    expected, draw, drawn = classifier().fit(X, Y), _weight._noise.member_directions, []
    monkeypatch.setattr(_weight, "KEPT_BYTES", kept)
    monkeypatch.setattr(
        _weight._noise, "member_directions", lambda n, *args, **kw: drawn.append(n) or draw(n, *args, **kw)
    )
    model = classifier().fit(X, Y)
    assert_same_model(model, expected)
    assert sum(drawn) == 9 * 40 * (1 if kept else 2)
    assert max(drawn) == 40 if kept else max(drawn) < 40


# ---- who is asked ----


class Counted(Threads):
    """Threads that tell when they are asked, and take their time."""

    def __init__(self, seconds=0.0, *, ready=True):
        super().__init__(2)
        self.seconds, self.is_ready, self.asked, self.closed = seconds, ready, 0, 0

    def ready(self, problem, task):
        return self.is_ready

    def numbers(self, problem, task):
        self.asked += 1
        time.sleep(self.seconds)
        return super().numbers(problem, task)

    def close(self):
        self.closed += 1
        super().close()


def updates(workers, seconds, n, monkeypatch, border=0.02, parts=(1, 2)):
    monkeypatch.setitem(_crew.BORDERS, "threads", border)
    monkeypatch.setattr(_crew, "wanted", lambda n_jobs, threads: workers)

    def here(part):
        time.sleep(seconds)
        return part

    task = Task(lambda n: list(parts), here, lambda *args: args[-1], 0, 1.0)
    with Crew() as crew:
        assert all(crew.numbers(None, task) == list(parts) for _ in range(n))
    return workers


def test_others_are_asked_after_updates_that_took_long(monkeypatch):
    assert updates(Counted(), 0.0, 8, monkeypatch).asked == 0
    assert updates(Counted(), 0.06, 8, monkeypatch).asked == 8 - _crew.N_TRIED
    assert updates(Counted(ready=False), 0.02, 8, monkeypatch).asked == 0
    assert updates(Counted(), 0.0, 8, monkeypatch, border=0.0).asked == 8


@pytest.mark.parametrize(("seconds", "n_threads"), [(0.0, 1), (0.05, 3)])
def test_threads_help_in_the_only_update_of_a_call_if_it_is_long(seconds, n_threads, monkeypatch):
    monkeypatch.setitem(_crew.BORDERS, "threads", 0.002)
    seen = []

    def here(part):
        seen.append(threading.get_ident())
        time.sleep(seconds)
        return part

    parts = list(range(9))
    with Crew(2) as crew:
        assert crew.numbers(None, Task(lambda n: parts, here, lambda *args: args[-1], None, 1.0)) == parts
    assert seen[0] == threading.get_ident()
    assert len(set(seen)) == n_threads
    assert len(crew.alone) == 1
    assert crew.alone[0] >= 9 * seconds


def test_nobody_is_asked_for_an_update_of_one_part(monkeypatch):
    assert updates(Counted(), 0.03, 5, monkeypatch, parts=(1,)).asked == 0


def test_others_who_are_slower_are_dismissed(monkeypatch):
    workers = updates(Counted(0.2), 0.02, 8, monkeypatch)
    assert (workers.asked, workers.closed) == (1 + _crew.N_TRIED, 1)
    assert updates(Counted(0.05), 0.003, 8, monkeypatch, border=0.0).asked == 8


@pytest.mark.parametrize("kind", ["loky", "dask"])
def test_the_gains_of_a_forecaster(kind, sent, monkeypatch, request):
    monkeypatch.setattr(_gains, "FEW_STATES", 1)
    monkeypatch.setattr(_gains, "GROUP_STATES", 100)
    series = np.sin(0.3 * np.arange(120))[:, None] + 0.1 * np.random.default_rng(0).standard_normal((120, 1))

    def fit():
        return DopamineESNForecaster(n_units=30, stateful=True, max_iter=3, random_state=0).fit(series)

    expected = fit()
    with around(kind, request):
        model = fit()
    assert sent[kind] > 0
    np.testing.assert_array_equal(model.forecast(20), expected.forecast(20))
    assert model.loss_curve_ == expected.loss_curve_
    assert model.n_evaluations_ == expected.n_evaluations_
    with parallel_config("threading", n_jobs=2):
        fit()
    assert sent["threads"] == 0
