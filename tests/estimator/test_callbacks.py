"""scikit-learn's callbacks: which of them are called, with what, and what a stop request does."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from skdopamine._estimator import callbacks as _callbacks
from skdopamine._estimator.callbacks import EpochCallbacks

SKLEARN_1_9 = parse_version(sklearn.__version__) >= parse_version("1.9")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Context:
    """Notes the calls of a task and of the tasks below it; the last epoch asks to stop."""

    def __init__(self, name, calls):
        self.name, self.calls = name, calls

    def subcontext(self, task_name):
        return Context(task_name, self.calls)

    def call_on_fit_task_begin(self, **known):
        self.calls.append((self.name, "begin", known))

    def call_on_fit_task_end(self, **known):
        self.calls.append((self.name, "end", known))
        return sum(call[:2] == ("epoch", "end") for call in self.calls) == 2


class Watched:
    """An estimator with callbacks."""

    def __init__(self):
        self.calls = []

    def _init_callback_context(self, max_subtasks):
        return Context(f"fit of {max_subtasks}", self.calls)


def run(callbacks):
    """Two epochs; whether a stop was asked for in each."""
    stops = []
    for epoch in range(2):
        callbacks.begin_epoch()
        stops.append(callbacks.end_epoch(lambda epoch=epoch: {"epoch": epoch}))
    callbacks.end()
    return stops


@pytest.mark.parametrize("weight", [None, np.ones(3)], ids=["no weights", "weights"])
def test_the_fit_and_each_epoch_begin_and_end_with_what_is_known(monkeypatch, weight):
    monkeypatch.setattr(_callbacks, "AVAILABLE", True)
    estimator = Watched()
    assert run(EpochCallbacks(estimator, 5, "X", "y", weight)) == [False, True]
    fit, epoch = "fit of 5", "epoch"
    assert [call[:2] for call in estimator.calls] == [
        (fit, "begin"),
        *[(epoch, "begin"), (epoch, "end")] * 2,
        (fit, "end"),
    ]
    for _, _, known in estimator.calls:
        assert (known["estimator"], known["X"], known["y"]) == (estimator, "X", "y")
        assert known["metadata"] == (None if weight is None else {"sample_weight": weight})
    shown = [known["reconstruction_attributes"]() for _, when, known in estimator.calls if when == "end"]
    assert shown == [{"epoch": 0}, {"epoch": 1}, {}]


def test_nothing_is_called_where_scikit_learn_has_no_callbacks(monkeypatch):
    monkeypatch.setattr(_callbacks, "AVAILABLE", False)
    estimator = Watched()
    assert run(EpochCallbacks(estimator, 5, "X", "y", None)) == [False, False]
    assert estimator.calls == []


def test_callbacks_are_those_of_scikit_learn_from_1_9_on(task):
    ours = _callbacks.CallbackSupportMixin.__module__.startswith("skdopamine")
    assert SKLEARN_1_9 == _callbacks.AVAILABLE == (not ours)
    assert hasattr(task.make(), "set_callbacks")


OLDER = """
import sys
import numpy as np
import sklearn.frozen, sklearn.metrics, sklearn.model_selection, sklearn.neural_network  # which need the callbacks
if "sklearn.callback" in sys.modules:  # from now on as before scikit-learn 1.9
    del sys.modules["sklearn.callback"].CallbackSupportMixin
from skdopamine import DopamineESNForecaster, DopamineMLPRegressor
from skdopamine.checkpoint import Checkpoint, EarlyStopping, load_checkpoint

X = np.linspace(-1, 1, 60)[:, None]
path = sys.argv[1]
model = DopamineMLPRegressor((4,), max_iter=50, early_stopping=False, random_state=0)
model.set_callbacks(Checkpoint(path, every=3), EarlyStopping(patience=2, min_delta=10)).fit(X, X[:, 0])
again = load_checkpoint(path).set_callbacks(EarlyStopping(patience=2, min_delta=10)).fit(X, X[:, 0])
assert model.n_iter_ == again.n_iter_ == 3
assert (model.coefs_[0] == again.coefs_[0]).all()
try:
    DopamineESNForecaster().set_callbacks(print)
except TypeError as error:
    assert "before scikit-learn 1.9, got (<built-in" in str(error), error
else:
    raise AssertionError
assert DopamineESNForecaster().set_callbacks()._skl_callbacks == []
"""


def test_before_scikit_learn_1_9_our_own_callbacks_are_called(tmp_path):
    command = [sys.executable, "-c", OLDER, str(tmp_path / "run")]
    root = Path(__file__).parents[2]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert ended.returncode == 0, ended.stderr


# ---- of an estimator ----


class StopAfter:
    """A callback that asks for a stop at the end of the n-th epoch and notes what it was shown."""

    def __init__(self, n):
        self.n = n
        self.events = []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        if context.parent is None:
            return False
        self.events.append((context.task_id, context.parent.max_subtasks, fitted_estimator.predict(X)))
        return context.task_id + 1 == self.n


@pytest.mark.skipif(not SKLEARN_1_9, reason="callbacks came with scikit-learn 1.9")
class TestCallbacks:
    def test_stop_request_ends_the_fit(self, task):
        callback = StopAfter(3)
        model = task.make().set_callbacks(callback).fit(task.X, task.y)
        assert model.n_iter_ == len(model.loss_curve_) == 3
        assert callback.events[0] == "setup"
        assert callback.events[-1] == "teardown"
        epochs = callback.events[1:-1]
        assert [event[:2] for event in epochs] == [(i, model.max_iter) for i in range(3)]
        # "as if fit had stopped at the end of this task"
        np.testing.assert_allclose(epochs[-1][2], model.predict(task.X), rtol=1e-7)

    def test_stop_request_inside_a_pipeline(self, task):
        pipe = make_pipeline(StandardScaler(), task.make().set_callbacks(StopAfter(2)))
        assert pipe.fit(task.X, task.y)[-1].n_iter_ == 2

    def test_teardown_after_a_failed_fit_and_no_trace_without_callbacks(self, task):
        callback = StopAfter(2)
        with pytest.raises(ValueError, match="alpha"):
            task.make(alpha=-1.0).set_callbacks(callback).fit(task.X, task.y)
        assert callback.events in ([], ["setup", "teardown"])
        model = task.make().set_callbacks(callback).set_callbacks().fit(task.X, task.y)
        assert model.n_iter_ > 2

    @pytest.mark.parametrize("perturbation", ["node", "weight"])
    def test_watching_changes_no_bit(self, task, assert_same_model, perturbation):
        model = task.make(perturbation=perturbation)
        watched = clone(model).set_callbacks(StopAfter(10**6))
        assert_same_model(watched.fit(task.X, task.y), model.fit(task.X, task.y))

    def test_scoring_monitor_logs_a_score_an_epoch(self, make_task):
        from sklearn.callback import ScoringMonitor

        make, X, y = make_task("regression")
        monitor = ScoringMonitor(scoring="r2")
        model = make().set_callbacks(monitor).fit(X, y)
        scores = [row["r2"] for row in monitor.get_logs().data if len(row["task_id_path"]) == 2]
        assert len(scores) == model.n_iter_
        assert scores[-1] == pytest.approx(model.score(X, y))
        assert scores[-1] > scores[0]

    def test_progress_bar(self, task, capsys):
        pytest.importorskip("rich")
        from sklearn.callback import ProgressBar

        model = task.make().set_callbacks(ProgressBar()).fit(task.X, task.y)
        assert type(model).__name__ in capsys.readouterr().out
