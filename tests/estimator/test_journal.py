"""What a fit has found out so far."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator

from skdopamine._estimator.journal import Journal, Snapshot, digest, journaled, same
from skdopamine._estimator.report import Reporter
from skdopamine._training import trainer as _trainer
from skdopamine._training.trainer import Epoch, Run

X = np.arange(6.0).reshape(3, 2)


class Model(BaseEstimator):
    def __init__(self, alpha=1.0, warm_start=False):
        self.alpha, self.warm_start = alpha, warm_start

    def _check_untouched(self, before):
        """Nothing was set by hand."""


def past(found):
    return Snapshot("name", Model(), digest((X,)), found, None, None, [])


def test_what_was_found_is_not_sought_again():
    journal = Journal(Model(), past([7, None]))
    assert [journal.known(lambda: 8), journal.known(lambda: 9), journal.known(lambda: 10)] == [7, None, 10]
    assert journal.found == [7, None, 10]
    assert journal.name == "name"


def test_seeds_are_drawn_once():
    source = np.random.RandomState(0)
    first = Journal(Model())
    seeds = [first.seed(source), first.seed(source)]
    assert seeds[0] != seeds[1]
    again = Journal(Model(), past(seeds))
    assert [again.seed(None), again.seed(None)] == seeds


@pytest.mark.parametrize(
    "other",
    [
        (X + 1,),
        (X.astype(np.float32),),
        (X.view(np.int64),),
        (X.T,),
        (X.reshape(2, 3),),
        (X, None),
        (X, X),
        (X[:2],),
        (sparse.csr_matrix(X),),
    ],
)
def test_other_arrays_have_another_digest(other):
    assert digest((X,)) != digest(other)


def test_equal_arrays_have_one_digest_however_they_lie():
    assert digest((X, None)) == digest((np.asfortranarray(X), None)) == digest((np.repeat(X, 2, axis=0)[::2], None))
    assert digest((sparse.csr_matrix(X),)) == digest((sparse.csr_matrix(X.copy()),))
    assert digest((X[:0],)) == digest((X[:0].copy(),))


def test_parameters_are_compared_by_value_and_kind():
    array = X[0]
    assert same(array, array)
    assert same("a", "a")
    assert not same(array, array.copy())
    assert not same(1, True)
    assert not same(1, 1.0)


def test_a_fit_begins_with_parameters_and_a_warm_start_with_all():
    model = Model()
    model.learnt_ = 3
    assert vars(Journal(model).before) == {"alpha": 1.0, "warm_start": False}
    model.warm_start = True
    assert vars(Journal(model).before) == {"alpha": 1.0, "warm_start": True, "learnt_": 3}


def test_a_run_takes_up_what_its_problem_and_its_report_have_known(monkeypatch):
    run = Run(None, None, None, [Epoch(3.0, 0.0, 0.1)])
    last = past([7])._replace(run=run, known=[("gains", "losses")], held_losses=[0.5])
    journal, problem, observer = Journal(Model(), last), SimpleNamespace(), Reporter(verbose=False, n_past=0)
    journal.known(lambda: None)
    seen = {}
    monkeypatch.setattr(_trainer, "train", lambda *args, **kwargs: seen.update(kwargs))
    journal.train(problem, None, lambda: None, None, observer=observer)
    assert problem.known == [("gains", "losses")]
    assert (observer.epochs, observer.held_losses) == (run.epochs, [0.5])
    assert seen["run"] == run
    seen["run"].epochs.append("next")
    assert len(run.epochs) == len(observer.epochs) == len(last.run.epochs) == 1  # another fit may go on from it
    journal.train(problem, None, lambda: None, None, observer=observer)
    assert seen["run"] is None


def test_no_state_is_kept_in_memory_after_an_epoch():
    journal, seen = Journal(Model()), []
    watcher = SimpleNamespace(end_any_epoch=lambda journal: seen.append(journal.n_epochs))
    journal.watchers = [watcher]
    journal.watch(Run(None, None, None, [Epoch(3.0, 0.0, 0.1)]))
    assert seen == [1]
    assert journal.run is None


def test_the_journal_is_there_for_the_time_of_a_fit():
    model = Model()
    with pytest.raises(ZeroDivisionError), journaled(model):
        assert isinstance(model._journal, Journal)
        raise ZeroDivisionError
    assert not hasattr(model, "_journal")


@pytest.mark.parametrize(
    ("warm_start", "goes_on", "known"), [(True, True, True), (False, True, False), (True, False, False)]
)
def test_a_fit_goes_on_with_a_warm_start_alone(warm_start, goes_on, known):
    model = Model(warm_start=warm_start)
    model.learnt_, model._pending = 3, past([])
    with journaled(model, goes_on=goes_on):
        assert (model._journal.past is not None) == known
        assert hasattr(model, "learnt_") != known  # as it was when the fit began
    assert not hasattr(model, "_pending")
    assert model.warm_start == warm_start
