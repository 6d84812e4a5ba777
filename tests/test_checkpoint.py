"""Fits that go on after a kill with the same bits; files that are broken, a disk that is full; stops of a fit."""

import copy
import errno
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from skdopamine import DopamineESNForecaster, DopamineMLPClassifier, DopamineMLPPolicy, DopamineMLPRegressor
from skdopamine import checkpoint as _checkpoint
from skdopamine._estimator import journal as _journal
from skdopamine._estimator.callbacks import AVAILABLE, Callback
from skdopamine._mlp import beforehand as _beforehand
from skdopamine.checkpoint import Checkpoint, EarlyStopping, load_checkpoint

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
Y = X[:, 0] + np.sin(X[:, 1])
SERIES = np.sin(np.arange(120) / 3)[:, None] + 0.1 * RNG.normal(size=(120, 1))
NET = {"hidden_layer_sizes": (4,), "max_iter": 8, "batch_size": 40, "random_state": 0}
LOOP = {"stateful": True, "n_units": 6, "horizon": 2, "washout": 4, "readout_lags": 2, "max_iter": 4, "random_state": 0}
LOOP["n_perturbations"] = 1
ALL = ("gains", "recurrent", "readout")


def net(kind, **params):
    return lambda: kind(**{**NET, **params})


def loop(**params):
    return lambda: DopamineESNForecaster(**{**LOOP, **params})


def own_loss(y, p):
    return float(np.abs(y - p).mean())


MODELS = {
    "classifier": (net(DopamineMLPClassifier), (X, Y > 0)),
    "one batch": (net(DopamineMLPClassifier, batch_size=120), (X, Y > 0)),
    "length by folds": (
        net(DopamineMLPClassifier, max_iter=150, batch_size=20),
        (X, Y + 0.7 * RNG.normal(size=120) > 0),
    ),
    "metric": (net(DopamineMLPClassifier, loss="f1"), (X, Y > 0)),
    "loss of one's own": (net(DopamineMLPRegressor, loss=own_loss), (X, Y)),
    "regressor": (net(DopamineMLPRegressor, early_stopping=False), (X, Y)),
    "early stopping": (net(DopamineMLPClassifier, early_stopping=True), (X, Y > 0)),
    "held-back score": (net(DopamineMLPRegressor, early_stopping=True, scoring="r2"), (X, Y)),
    "validation set": (net(DopamineMLPRegressor, early_stopping=True), (X, Y, {"X_val": X[:30], "y_val": Y[:30] + 1})),
    "weight perturbation": (net(DopamineMLPRegressor, batch_size=120, perturbation="weight"), (X, Y)),
    "convergence": (net(DopamineMLPRegressor, tol=0.05, n_iter_no_change=2, max_iter=60), (X, Y)),
    "sparse": (net(DopamineMLPClassifier), (sparse.csr_matrix(X), Y > 0, np.arange(120) % 3 + 1.0)),
    "policy": (net(DopamineMLPPolicy), (X, Y > 0, (Y > 0) * 1.0)),
    "policy of propensities": (net(DopamineMLPPolicy, objective="dr"), (X, Y > 0, (Y > 1) * 1.0, 0.5)),
    "gains": (loop(), (SERIES,)),
    "gains of two reservoirs": (loop(n_units=110), (SERIES,)),
    "readout": (loop(trainable="readout"), (SERIES,)),
    "all weights": (loop(trainable=ALL, max_iter=2), (SERIES,)),
}


def bits(value):
    """All that a model or value holds, to be compared; parameters are left out."""
    if hasattr(value, "get_params"):
        params = value.get_params(deep=False)
        own = {name: entry for name, entry in vars(value).items() if name not in (*params, "_skl_callbacks")}
        return type(value), bits(own)
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return {name: bits(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [bits(entry) for entry in value]
    return bits(vars(value)) if hasattr(value, "__dict__") and not callable(value) else repr(value)


def files(path):
    return sorted(Path(path).glob("epoch_*.ckpt"))


@pytest.mark.parametrize("name", MODELS)
def test_a_fit_goes_on_with_the_same_bits(name, tmp_path):
    make, data = MODELS[name]
    *data, more = data if isinstance(data[-1], dict) else (*data, {})
    whole = make().fit(*data, **more)
    watched = make().set_callbacks(Checkpoint(tmp_path, keep=1000)).fit(*data, **more)
    assert bits(watched) == bits(whole)
    written = files(tmp_path)
    n_warm = 2 if name in ("metric", "loss of one's own") else 0
    assert len(written) == len(whole.loss_curve_) + n_warm
    for i in np.unique(np.linspace(0, len(written) - 1, 5).astype(int)):
        later = load_checkpoint(written[i])
        assert len(later._pending.run.epochs) >= 1
        later.fit(*data, **more)
        assert bits(later) == bits(whole), written[i]


def test_the_length_that_folds_have_found_is_not_searched_again(tmp_path, monkeypatch):
    make, data = MODELS["length by folds"]
    whole = make().set_callbacks(Checkpoint(tmp_path, every=5)).fit(*data)
    assert 5 < whole.n_iter_ < 150
    monkeypatch.setattr(_beforehand, "find_length", None)
    assert bits(load_checkpoint(tmp_path).fit(*data)) == bits(whole)


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(3)])
def test_a_split_and_a_start_by_chance_are_known(tmp_path, random_state):
    model = DopamineMLPClassifier(**{**NET, "random_state": random_state}, early_stopping=True)
    whole = model.set_callbacks(Checkpoint(tmp_path, every=3)).fit(X, Y > 0)
    later = load_checkpoint(tmp_path).fit(X, Y > 0)
    assert bits(later) == bits(whole)
    if random_state is not None:
        assert later.random_state.randint(100) == random_state.randint(100)


def test_a_start_from_another_model_that_had_a_start_goes_on(tmp_path):
    first = DopamineMLPRegressor(**NET).fit(X, Y)
    second = DopamineMLPRegressor(**NET, init=first).fit(X, Y)
    whole = DopamineMLPRegressor(**NET, init=second).set_callbacks(Checkpoint(tmp_path, every=5)).fit(X, Y)
    later = load_checkpoint(tmp_path)
    assert bits(pickle.loads(pickle.dumps(later)).fit(X, Y)) == bits(later.fit(X, Y)) == bits(whole)


@pytest.mark.parametrize("kind", [DopamineMLPClassifier, DopamineMLPPolicy])
def test_a_warm_start_goes_on(kind, tmp_path):
    first = kind(**NET, warm_start=True).fit(X, Y > 0)
    again = pickle.loads(pickle.dumps(first)).set_callbacks(Checkpoint(tmp_path, every=3)).fit(X, Y > 0)
    later = load_checkpoint(tmp_path).fit(X, Y > 0)
    assert bits(later) == bits(again)
    assert len(later.loss_curve_) == 16
    assert bits(later.fit(X, Y > 0)) == bits(again.set_callbacks().fit(X, Y > 0))  # a warm start like any other


def test_what_is_loaded_predicts_by_the_best_weights_so_far(tmp_path):
    model = DopamineMLPRegressor(**NET, early_stopping=True)
    model.set_callbacks(Checkpoint(tmp_path, keep=10)).fit(X, Y)
    for number, file in enumerate(files(tmp_path), 1):
        loaded = load_checkpoint(file)
        assert loaded.n_iter_ == len(loaded.loss_curve_) == number
        best = loaded._published(loaded._pending.run.kept.params)
        assert bits(loaded.coefs_) == bits(best["coefs_"])
        assert loaded.score(X, Y) > -1
    forecaster, data = loop()(), (SERIES,)
    forecaster.set_callbacks(Checkpoint(tmp_path / "forecaster")).fit(*data)
    assert load_checkpoint(tmp_path / "forecaster").forecast(3).shape == (3,)


def test_before_its_objective_a_model_is_not_fitted(tmp_path):
    make, data = MODELS["metric"]
    make().set_callbacks(Checkpoint(tmp_path, keep=10)).fit(*data)
    early = load_checkpoint(files(tmp_path)[0])
    assert early.warm_start
    with pytest.raises(NotFittedError):
        early.predict(X)
    load_checkpoint(files(tmp_path)[2]).predict(X)


# ---- what a fit does not go on with ----


@pytest.fixture
def loaded(tmp_path):
    DopamineMLPRegressor(**NET).set_callbacks(Checkpoint(tmp_path, every=5)).fit(X, Y)
    return load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "data", [(X[1:], Y[1:]), (X, Y + 1), (X, Y, np.arange(120.0)), (X.astype(np.float32), Y), (X[::-1], Y[::-1])]
)
def test_other_rows_are_refused(loaded, data):
    before = bits(loaded)
    with pytest.raises(ValueError, match="X, y and what comes with them must be those of the fit"):
        loaded.fit(*data)
    assert bits(loaded) == before
    loaded.fit(X, Y)


@pytest.mark.parametrize("more", [{}, {"X_val": X[:30], "y_val": Y[1:31]}, {"X_val": X[:29], "y_val": Y[:29]}])
def test_another_validation_set_is_refused(tmp_path, more):
    model = DopamineMLPRegressor(**NET, early_stopping=True).set_callbacks(Checkpoint(tmp_path, every=5))
    whole = model.fit(X, Y, X_val=X[:30], y_val=Y[:30])
    with pytest.raises(ValueError, match="must be those of the fit"):
        load_checkpoint(tmp_path).fit(X, Y, **more)
    assert bits(load_checkpoint(tmp_path).fit(X, Y, X_val=X[:30], y_val=Y[:30])) == bits(whole)


def test_other_rows_of_a_series_are_refused(tmp_path):
    loop()().set_callbacks(Checkpoint(tmp_path)).fit(SERIES)
    with pytest.raises(ValueError, match="must be those of the fit"):
        load_checkpoint(tmp_path).fit(SERIES[1:])


def test_other_parameters_are_refused_but_for_those_that_change_no_bit(loaded):
    with pytest.raises(ValueError, match="max_iter must be as in the fit that this one continues, 8, got 80"):
        loaded.set_params(max_iter=80).fit(X, Y)
    loaded.set_params(max_iter=8, hidden_layer_sizes=(4,), n_jobs=1, verbose=True).fit(X, Y)
    assert loaded.n_jobs == 1
    assert loaded.verbose is True


def test_without_a_warm_start_and_as_a_clone_a_fit_begins_anew(loaded, capsys):
    assert clone(loaded).set_params(verbose=True).fit(X, Y).n_iter_ == 8
    assert capsys.readouterr().out.startswith("Iteration 1,")
    loaded.set_params(warm_start=False, verbose=True, max_iter=3).fit(X, Y)
    assert capsys.readouterr().out.startswith("Iteration 1,")
    assert loaded.n_iter_ == 3


def test_a_fit_that_goes_on_tells_the_epochs_that_are_left(loaded, capsys):
    loaded.set_params(verbose=True).fit(X, Y)
    assert [line.split(",")[0] for line in capsys.readouterr().out.splitlines()] == [
        "Iteration 6",
        "Iteration 7",
        "Iteration 8",
    ]


def test_a_stream_goes_on_from_the_weights_and_forgets_the_fit(loaded, tmp_path):
    before, written = len(loaded.loss_curve_), files(tmp_path)
    loaded.set_callbacks(Checkpoint(tmp_path)).partial_fit(X[:40], Y[:40])
    assert len(loaded.loss_curve_) == before + 1
    assert files(tmp_path) == written
    assert "_pending" not in vars(loaded)


def test_what_is_loaded_can_be_pickled_and_goes_on(loaded):
    again = pickle.loads(pickle.dumps(loaded))
    assert bits(again.fit(X, Y)) == bits(loaded.fit(X, Y))


def test_nothing_of_the_journal_stays(loaded):
    loaded.fit(X, Y)
    assert not {"_journal", "_pending"} & vars(loaded).keys()


class Copies(Callback):
    def __init__(self):
        self.seen = []

    def on_fit_task_end(self, estimator, context):
        self.seen += [copy.copy(estimator), pickle.loads(pickle.dumps(copy.copy(estimator).set_callbacks()))]
        return False


@pytest.mark.parametrize("name", ["regressor", "readout"])
def test_copies_in_the_middle_of_a_fit_have_no_journal(name):
    make, data = MODELS[name]
    copies = Copies()
    make().set_callbacks(copies).fit(*data)
    assert len(copies.seen) > 2
    assert all("_journal" not in vars(seen) for seen in copies.seen)


# ---- files ----


def test_the_newest_are_kept_and_sorted_by_epoch(tmp_path):
    DopamineMLPRegressor(**{**NET, "max_iter": 13}).set_callbacks(Checkpoint(tmp_path, every=2, keep=3)).fit(X, Y)
    assert [file.name for file in sorted(tmp_path.iterdir())] == [f"epoch_{n:010d}.ckpt" for n in (8, 10, 12)]


@pytest.mark.parametrize(("name", "n_good"), [("fsync", 4), ("replace", 2)])  # a directory is written, too
def test_a_full_disk_leaves_the_fit_and_older_checkpoints(tmp_path, monkeypatch, name, n_good):
    whole, n_calls, real = DopamineMLPRegressor(**NET).fit(X, Y), 0, getattr(os, name)

    def full(*args):
        nonlocal n_calls
        n_calls += 1
        if n_calls > n_good:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args)

    monkeypatch.setattr(_checkpoint.os, name, full)
    with pytest.warns(RuntimeWarning, match=r"No checkpoint of epoch \d was written.*No space left") as caught:
        fitted = DopamineMLPRegressor(**NET).set_callbacks(Checkpoint(tmp_path)).fit(X, Y)
    monkeypatch.undo()
    assert {warning.filename for warning in caught} == {__file__}
    assert bits(fitted) == bits(whole)
    assert len(files(tmp_path)) == len(list(tmp_path.iterdir())) == 2
    assert bits(load_checkpoint(tmp_path).fit(X, Y)) == bits(whole)


def broken(content, how):
    if how == "empty":
        return b""
    if how == "foreign":
        return b"\x89PNG and so on" * 50
    if how == "foreign pickle":
        return pickle.dumps({"a": 1})
    if how == "magic alone":
        return content[:24]
    if how == "header cut":
        return content[:60]
    if how == "truncated":
        return content[: len(content) // 2]
    if how == "longer":
        return content + b"x"
    if how == "flipped":
        return content[:-100] + bytes([content[-100] ^ 1]) + content[-99:]
    return content.replace(_checkpoint.__version__.encode(), b"9.9.9", 1)


BROKEN = {
    "empty": "is not a checkpoint of this version",
    "foreign": "is not a checkpoint of this version",
    "foreign pickle": "is not a checkpoint of this version",
    "magic alone": "is not whole: its header is broken",
    "header cut": "is not whole: its header is broken",
    "truncated": r"is not whole: it has \d+ of \d+ bytes",
    "longer": r"is not whole: it has \d+ of \d+ bytes",
    "flipped": "is damaged: its checksum is wrong",
    "version": "was written by skdopamine 9.9.9, this is",
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_file_is_named_and_an_older_checkpoint_is_used(tmp_path, how):
    whole = DopamineMLPRegressor(**NET).set_callbacks(Checkpoint(tmp_path, every=3)).fit(X, Y)
    older, newer = files(tmp_path)
    newer.write_bytes(broken(newer.read_bytes(), how))
    with pytest.raises(ValueError, match=BROKEN[how]) as caught:
        load_checkpoint(newer)
    assert str(newer) in str(caught.value)
    with pytest.warns(RuntimeWarning, match=BROKEN[how]) as told:
        later = load_checkpoint(tmp_path)
    assert str(older) in str(told[0].message)
    assert told[0].filename == __file__
    later.set_callbacks(Checkpoint(tmp_path, every=3)).fit(X, Y)
    assert bits(later) == bits(whole)
    load_checkpoint(tmp_path)  # the broken file has been written again
    older.write_bytes(b"x")
    newer.write_bytes(b"x")
    with pytest.raises(ValueError, match=r"No checkpoint in .* can be read"):
        load_checkpoint(tmp_path, default=whole)


def test_what_cannot_be_unpickled_is_named(tmp_path, monkeypatch):
    DopamineMLPRegressor(**NET, loss=own_loss).set_callbacks(Checkpoint(tmp_path)).fit(X, Y)
    monkeypatch.delattr(sys.modules[__name__], "own_loss")
    with pytest.raises(ValueError, match=r"cannot be read here: .*own_loss"):
        load_checkpoint(files(tmp_path)[0])


def test_no_checkpoint_yet(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint in"):
        load_checkpoint(tmp_path / "none")
    model = DopamineMLPRegressor()
    assert load_checkpoint(tmp_path, default=model) is model
    (tmp_path / "epoch_1.ckpt").write_text("not one of ours")
    assert load_checkpoint(str(tmp_path), default=model) is model


def test_a_directory_belongs_to_one_fit(tmp_path):
    model = DopamineMLPRegressor(**NET).set_callbacks(Checkpoint(tmp_path))
    model.fit(X, Y)
    with pytest.raises(ValueError, match=r"path=.* holds checkpoints of another fit"):
        model.fit(X, Y)
    load_checkpoint(tmp_path).set_callbacks(Checkpoint(tmp_path)).fit(X, Y)
    for file in files(tmp_path):
        file.write_bytes(b"foreign")
    model.fit(X, Y)


def test_a_foreign_file_does_not_count(tmp_path):
    (tmp_path / "epoch_0000000099.ckpt").write_bytes(b"foreign")
    whole = DopamineMLPRegressor(**NET).set_callbacks(Checkpoint(tmp_path, keep=1)).fit(X, Y)
    assert [file.name for file in files(tmp_path)] == [f"epoch_{n:010d}.ckpt" for n in (8, 99)]
    with pytest.warns(RuntimeWarning, match="is not a checkpoint"):
        assert bits(load_checkpoint(tmp_path).fit(X, Y)) == bits(whole)


def test_a_fit_may_be_killed_twice(tmp_path):
    whole = DopamineMLPRegressor(**NET).set_callbacks(Checkpoint(tmp_path / "a", keep=10)).fit(X, Y)
    again = load_checkpoint(files(tmp_path / "a")[1]).set_callbacks(Checkpoint(tmp_path / "b", keep=10)).fit(X, Y)
    assert [file.name for file in files(tmp_path / "b")] == [f"epoch_{n:010d}.ckpt" for n in range(3, 9)]
    assert bits(load_checkpoint(files(tmp_path / "b")[2]).fit(X, Y)) == bits(again) == bits(whole)
    mixed = load_checkpoint(files(tmp_path / "b")[2]).set_callbacks(Checkpoint(tmp_path / "a", keep=10))
    assert bits(mixed.fit(X, Y)) == bits(whole)  # it is one fit


def test_leftovers_of_a_kill_are_removed(tmp_path):
    DopamineMLPRegressor(**NET).set_callbacks(Checkpoint(tmp_path, keep=5)).fit(X, Y)
    (tmp_path / ".epoch_0000000003.ckpt.tmp").write_bytes(b"half")
    load_checkpoint(tmp_path).set_callbacks(Checkpoint(tmp_path)).fit(X, Y)  # to the end, which it had come to
    assert [file.name for file in sorted(tmp_path.iterdir())] == [f"epoch_{n:010d}.ckpt" for n in (7, 8)]


def test_a_model_that_cannot_be_pickled_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(_journal._trainer, "train", None)
    model = DopamineMLPRegressor(**NET, loss=lambda y, p: 0.0).set_callbacks(Checkpoint(tmp_path))
    with pytest.raises(ValueError, match=r"DopamineMLPRegressor, which cannot be pickled: .*lambda"):
        model.fit(X, Y)


@pytest.mark.parametrize(
    ("make", "kind", "match"),
    [
        (lambda: Checkpoint(3), TypeError, "path must be a str or a path, got 3"),
        (lambda: Checkpoint("a", every=0), ValueError, "every must be a positive integer, got 0"),
        (lambda: Checkpoint("a", every=True), ValueError, "every must be a positive integer, got True"),
        (lambda: Checkpoint("a", keep=1.5), ValueError, "keep must be a positive integer, got 1.5"),
        (lambda: EarlyStopping("accuracy"), ValueError, "monitor must be one of .* got 'accuracy'"),
        (lambda: EarlyStopping(patience=0), ValueError, "patience must be a positive integer, got 0"),
        (lambda: EarlyStopping(min_delta=-1), ValueError, "min_delta must be a finite number .* got -1"),
        (lambda: EarlyStopping(min_delta=np.nan), ValueError, "min_delta must be .* got nan"),
    ],
)
def test_bad_parameters(make, kind, match):
    with pytest.raises(kind, match=match):
        make()


# ---- early stopping ----


def last_improvement(curve, least):
    best, at = -np.inf, 0
    for number, value in enumerate(curve, 1):
        if value > best + least:
            best, at = value, number
    return at


@pytest.mark.parametrize(
    ("monitor", "params", "least"),
    [
        ("loss", {"early_stopping": False}, 1.0),
        ("validation_loss", {"early_stopping": True}, 1.0),
        ("validation_loss", {"early_stopping": True, "scoring": "r2"}, 1.0),
        ("validation_score", {"early_stopping": True}, 1.0),
        ("validation_score", {"early_stopping": True, "scoring": "r2"}, 0.01),
    ],
)
def test_a_fit_stops_once_its_curve_has_not_improved_for_long(monitor, params, least, tmp_path):
    params = {**NET, "max_iter": 200, "n_iter_no_change": np.inf, **params}
    stopping = EarlyStopping(monitor, patience=4, min_delta=least)
    y = 10 * Y  # losses are in other units than those of training
    whole = DopamineMLPRegressor(**params).set_callbacks(stopping, Checkpoint(tmp_path, every=1, keep=3)).fit(X, y)
    curves = {
        "loss": "loss_curve_",
        "validation_loss": "validation_loss_curve_",
        "validation_score": "validation_scores_",
    }
    curve = np.array(getattr(whole, curves[monitor]))
    assert 4 < whole.n_iter_ < 200
    assert len(curve) == last_improvement(curve if monitor == "validation_score" else -curve, least) + 4
    for file in files(tmp_path):  # the last was written when the stop was known
        assert bits(load_checkpoint(file).set_callbacks(stopping).fit(X, y)) == bits(whole)


def test_the_best_weights_are_kept_by_a_stop():
    params = {**NET, "max_iter": 200, "learning_rate_init": 0.1, "early_stopping": True}
    model = DopamineMLPRegressor(**params).set_callbacks(EarlyStopping("validation_loss", patience=3)).fit(X, Y)
    best = int(np.argmin(model.validation_loss_curve_)) + 1
    assert best == model.n_iter_ - 3
    stopped = DopamineMLPRegressor(**params).set_callbacks(Until(best)).fit(X, Y)
    np.testing.assert_array_equal(model.predict(X), stopped.predict(X))


class Until(Callback):
    def __init__(self, number):
        self.number, self.seen = number, 0

    def on_fit_task_end(self, estimator, context):
        self.seen += context.task_name == "epoch"
        return self.seen == self.number


def test_policies_and_forecasters_stop():
    policy = DopamineMLPPolicy(**{**NET, "max_iter": 100})
    assert policy.set_callbacks(EarlyStopping(patience=2, min_delta=0.1)).fit(X, Y > 0, Y).n_iter_ < 50
    forecaster = loop(trainable=ALL, max_iter=30)().set_callbacks(EarlyStopping(patience=2, min_delta=10.0))
    assert forecaster.fit(SERIES).n_iter_ == 3  # of the gains; no weights are trained after that


def test_a_curve_that_is_not_there_is_named():
    model = DopamineMLPRegressor(**NET, early_stopping=False).set_callbacks(EarlyStopping("validation_score"))
    with pytest.raises(ValueError, match="monitor='validation_score' needs rows that are held back"):
        model.fit(X, Y)
    assert not hasattr(model, "coefs_")


@pytest.mark.skipif(not AVAILABLE, reason="clones have had callbacks since scikit-learn 1.9")
def test_a_search_stops_each_of_its_fits():
    model = DopamineMLPRegressor(**NET, early_stopping=False)
    model.set_callbacks(EarlyStopping(patience=1, min_delta=100.0))
    search = GridSearchCV(model, {"alpha": [1e-4, 1e-3]}, cv=2, scoring=lambda model, X, y: model.n_iter_).fit(X, Y)
    assert list(search.cv_results_["mean_test_score"]) == [2, 2]
    assert search.best_estimator_.n_iter_ == 2


@pytest.mark.skipif(not AVAILABLE, reason="others have had callbacks since scikit-learn 1.9")
@pytest.mark.parametrize("callback", [Checkpoint("none"), EarlyStopping()])
def test_estimators_of_others_are_refused(callback):
    with pytest.raises(TypeError, match="must be set on an estimator of skdopamine itself, got StandardScaler"):
        StandardScaler().set_callbacks(callback).fit(X)


# ---- kills ----

KILLS = """
    import os, pickle, random, signal, sys, time, warnings
    from pathlib import Path

    from sklearn.exceptions import ConvergenceWarning

    import test_checkpoint as here
    from skdopamine.checkpoint import Checkpoint, load_checkpoint

    warnings.simplefilter("error")
    warnings.simplefilter("ignore", ConvergenceWarning)
    os.fsync = lambda descriptor: None  # slow, and a kill, unlike a power cut, loses nothing that was written
    here_to = Path(sys.argv[1])
    names = ["classifier", "metric", "held-back score", "policy", "gains", "readout"]
    chance, n_kills, n_ended, n_in_the_middle = random.Random(0), 0, 0, 0

    def lived(path, make, data):
        pid = os.fork()
        if pid == 0:
            try:
                model = load_checkpoint(path, default=make()).set_callbacks(Checkpoint(path)).fit(*data)
                (here_to / "end").write_bytes(pickle.dumps(here.bits(model)))
                os._exit(0)
            finally:
                os._exit(1)
        time.sleep(chance.uniform(0, longest))
        os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        assert status in (0, signal.SIGKILL), status
        return status == 0

    while n_kills < 60 or n_ended < len(names):
        make, data = here.MODELS[names[n_ended % len(names)]]
        begun = time.time()
        whole = here.bits(make().set_callbacks(Checkpoint(here_to / f"whole {n_ended}")).fit(*data))
        longest = 0.6 * (time.time() - begun) + 0.03
        path = here_to / str(n_ended)
        while not lived(path, make, data):
            n_kills += 1
            n_in_the_middle += bool(here.files(path))
        assert pickle.loads((here_to / "end").read_bytes()) == whole, names[n_ended % len(names)]
        assert len(list(path.iterdir())) == 2, list(path.iterdir())
        n_ended += 1
    print(n_kills, n_ended, n_in_the_middle)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes that it forks")
def test_fits_that_are_killed_at_any_moment_go_on(tmp_path):
    root = Path(__file__).parent
    paths = os.pathsep.join([str(root), str(root.parent), os.environ.get("PYTHONPATH", "")])
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLS), str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    n_kills, n_ended, n_in_the_middle = map(int, ended.stdout.split())
    assert n_kills >= 60
    assert n_ended >= 6
    assert n_in_the_middle >= 20  # there was a checkpoint to go on from
