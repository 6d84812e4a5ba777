"""Fits in threads, their own and the user's: equal models, and a process as it was."""

import signal
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
from sklearn import config_context, get_config
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import f1_score, make_scorer

from skdopamine import DopamineESNForecaster, DopamineMLPClassifier, DopamineMLPRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("small_updates_are_shared"),
]

X = np.random.default_rng(0).standard_normal((60, 4))
VALUES = X[:, 0] - X[:, 1]
RARE = (VALUES > 2).astype(int)  # so few positives that a net at its start predicts none


def state_of_the_process():
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 (this is the generator that must not move)
    return {
        "filters": list(warnings.filters),
        "list of filters": id(warnings.filters),
        "errstate": np.geterr(),
        "random state": (name, keys.tobytes(), *rest),
        "configuration": get_config(),
    }


@pytest.fixture
def unchanged():
    """Check that the test leaves the process as it was."""
    before, n_threads = state_of_the_process(), threading.active_count()
    yield
    assert state_of_the_process() == before
    for thread in threading.enumerate()[n_threads:]:
        thread.join(10)
        assert not thread.is_alive()


def overflow(y_true, y_pred):
    """Return a value for each row, after numpy's warnings of all kinds."""
    np.exp(1e4 * np.ones(1)), np.zeros(1) / np.zeros(1), np.log(np.zeros(1))
    return np.abs(y_true - y_pred)


def undefined(y_true, y_pred):
    """Return one number, and warn as scikit-learn does where a metric is not defined."""
    warnings.warn("no positives", UndefinedMetricWarning, stacklevel=1)
    return float(np.mean(np.abs(y_true - y_pred) ** 1.5))


def regressor(loss, **params):
    params = {"max_iter": 2, "batch_size": 30, "n_perturbations": 12, "random_state": 0, **params}
    return DopamineMLPRegressor((8,), loss=loss, perturbation="weight", **params).fit(X, VALUES)


def classifier(loss, **params):
    params = {"max_iter": 2, "batch_size": 30, "n_perturbations": 12, "random_state": 0, **params}
    return DopamineMLPClassifier((8,), loss=loss, perturbation="weight", **params).fit(X, RARE)


# numpy 1 counts in one place for all threads whether errors are to be looked up at all
SHARES_ERRORS = np.lib.NumpyVersion(np.__version__) < "2.0.0"
FITS = {
    "squared error": lambda **params: regressor("squared_error", **params),
    "metric": lambda **params: classifier("f1", **params),
    "scorer": lambda **params: classifier(make_scorer(f1_score), **{"n_perturbations": 6, "max_iter": 1, **params}),
    "number": lambda **params: regressor(undefined, **params),
    "rows": lambda **params: regressor(overflow, **params),
    "early stopping": lambda **params: regressor(overflow, early_stopping=True, **params),
}


@pytest.mark.parametrize("name", FITS)
@pytest.mark.usefixtures("unchanged")
def test_threads_of_the_fit_change_neither_model_nor_process(name, assert_same_model):
    one, two = (FITS[name](n_jobs=n_jobs) for n_jobs in (1, 2))
    assert_same_model(one, two)


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.usefixtures("unchanged")
def test_four_fits_in_four_threads_are_those_one_after_the_other(n_jobs, assert_same_model):
    makes = [FITS[name] for name in ("squared error", "metric", "number", *([] if SHARES_ERRORS else ["rows"]))]
    expected = [make(random_state=seed) for seed, make in enumerate(makes)]
    with ThreadPoolExecutor(4) as threads:
        fits = [threads.submit(make, random_state=seed, n_jobs=n_jobs) for seed, make in enumerate(makes)]
    for fit, model in zip(fits, expected, strict=True):
        assert_same_model(fit.result(), model)


@pytest.mark.usefixtures("unchanged")
def test_forecasters_in_threads_are_those_one_after_the_other():
    def fit(seed):
        series = np.sin(0.3 * np.arange(120))[:, None]
        model = DopamineESNForecaster(n_units=8, stateful=True, max_iter=2, random_state=seed)
        return model.fit(series).forecast(5)

    with ThreadPoolExecutor(4) as threads:
        np.testing.assert_array_equal(list(threads.map(fit, range(4))), [fit(seed) for seed in range(4)])


class AtCall:
    """A loss that does something at its k-th call."""

    def __init__(self, k, act):
        self.k, self.act, self.calls = k, act, 0

    def __call__(self, y_true, y_pred):
        self.calls += 1
        if self.calls == self.k:
            self.act()
        return undefined(y_true, y_pred)


def fail():
    raise RuntimeError("at this call")


def interrupt():
    """Press Ctrl-C; the main thread feels it."""
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("k", [10, 31, 50])
@pytest.mark.usefixtures("unchanged")
def test_a_loss_that_fails_leaves_the_process_as_it_was(k, n_jobs):
    with pytest.raises(RuntimeError, match="at this call"):
        regressor(AtCall(k, fail), n_jobs=n_jobs)


@pytest.fixture
def feels_ctrl_c():
    """A process that was started in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("k", [20, 150, 163, 290])
@pytest.mark.filterwarnings("ignore:Training was interrupted")
@pytest.mark.usefixtures("unchanged", "feels_ctrl_c")
def test_an_interrupt_leaves_the_process_as_it_was(k, n_jobs):
    loss = AtCall(k, interrupt)
    with suppress(KeyboardInterrupt):  # early ones pass through
        regressor(loss, n_jobs=n_jobs, max_iter=50)
    assert k <= loss.calls < k + 50


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_loss_sees_the_settings_of_the_thread_that_fits(n_jobs):
    seen = []

    def loss(y_true, y_pred):
        seen.append((get_config()["working_memory"], *np.geterr().values()))
        return np.abs(y_true - y_pred)

    with config_context(working_memory=7):
        regressor(loss, n_jobs=n_jobs)
    assert set(seen) == {(7, *["ignore"] * 4)}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_warning_of_the_loss_is_shown_once_and_not_in_every_update(n_jobs):
    def loss(y_true, y_pred):
        warnings.warn("this loss is slow", UserWarning, stacklevel=1)
        return float(np.mean((y_true - y_pred) ** 4))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        regressor(loss, n_jobs=n_jobs)
    assert [str(w.message) for w in caught if w.category is UserWarning] == ["this loss is slow"]
