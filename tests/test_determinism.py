"""Same seed and same data: the same bits, however the work is cut."""

import ast
import hashlib
import subprocess
import sys

import numpy as np
import pytest
from conftest import finest_output
from scipy import sparse
from threadpoolctl import threadpool_limits

from skdopamine import DopamineESNForecaster

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

PERTURBATIONS = pytest.mark.parametrize("perturbation", ["node", "weight"])

FIT_AND_HASH = """
import hashlib, warnings
import numpy as np
import skdopamine
warnings.simplefilter("ignore")
rng = np.random.default_rng(3)
X = rng.standard_normal((60, 4))
digests = {}
for name, y in [("DopamineMLPClassifier", X[:, 0] > 0), ("DopamineMLPRegressor", X[:, 0])]:
    for perturbation in ("node", "weight"):
        model = getattr(skdopamine, name)((6, 6), max_iter=5, random_state=0, perturbation=perturbation).fit(X, y)
        bits = b"".join(a.tobytes() for a in [*model.coefs_, *model.intercepts_])
        digests[name, perturbation] = hashlib.sha256(bits).hexdigest()
"""


@PERTURBATIONS
def test_same_seed_same_bits_and_another_seed_another_model(task, noisy, assert_same_model, perturbation):
    first, second, other = (
        task.make(**noisy, perturbation=perturbation, random_state=seed).fit(task.X, task.y) for seed in (0, 0, 1)
    )
    assert_same_model(first, second)
    assert first.loss_curve_ == second.loss_curve_
    assert not np.array_equal(first.coefs_[0], other.coefs_[0])


def test_same_bits_in_another_process():
    here: dict[str, dict[tuple[str, str], str]] = {}
    exec(FIT_AND_HASH, here)
    there = subprocess.run(
        [sys.executable, "-c", FIT_AND_HASH + "print(digests)"], capture_output=True, text=True, check=True, timeout=120
    )
    assert ast.literal_eval(there.stdout) == here["digests"]
    assert {len(digest) for digest in here["digests"].values()} == {hashlib.sha256().digest_size * 2}
    assert len(set(here["digests"].values())) == 4


@pytest.mark.parametrize("n_pairs", [5, "auto"])
def test_number_of_jobs_changes_no_bit(task, assert_same_model, n_pairs):
    one, two = (
        task.make(perturbation="weight", n_jobs=n_jobs, n_perturbations=n_pairs, max_iter=3).fit(task.X, task.y)
        for n_jobs in (1, 2)
    )
    assert_same_model(one, two)


@PERTURBATIONS
def test_equal_numbers_of_blas_threads_give_the_same_bits_and_others_the_same_digits(
    make_task, assert_same_model, perturbation
):
    make, X, y = make_task("regression", n=200)
    X = np.hstack([X, np.random.default_rng(0).standard_normal((200, 95))])  # so large that BLAS uses its threads

    def fit(blas, n_jobs=None):
        model = make(hidden_layer_sizes=(120,), max_iter=1, perturbation=perturbation, n_perturbations=2, n_jobs=n_jobs)
        with threadpool_limits(blas, "blas"):
            return model.fit(X, y)

    one, two = fit(1), fit(2)
    for n_jobs in (None, 2):
        assert_same_model(fit(2, n_jobs), two)
    assert_same_model(two, one, rtol=1e-6)
    with threadpool_limits(2, "blas"):
        predicted = one.predict(X)
    np.testing.assert_allclose(predicted, one.predict(X), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["multiclass", "regression"])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_predictions_of_many_rows_are_those_of_their_parts(make_task, kind, form):
    make, X, y = make_task(kind)
    model = make(max_iter=2).fit(X, y)
    many = form(np.random.default_rng(1).standard_normal((100_100, 5)))
    whole = finest_output(model, many)
    assert len(whole) == 100_100
    for size in (30_000, 99_999):
        parts = [finest_output(model, many[start : start + size]) for start in range(0, 100_100, size)]
        np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-12, atol=1e-14)


def test_forecasts_of_many_windows_are_those_of_their_parts():
    windows = np.random.default_rng(0).standard_normal((100_100, 4)).cumsum(axis=1)
    model = DopamineESNForecaster(n_units=5, max_iter=1, random_state=0).fit(windows[:200], windows[:200, -1])
    parts = [model.predict(windows[start : start + 30_000]) for start in range(0, 100_100, 30_000)]
    np.testing.assert_allclose(np.concatenate(parts), model.predict(windows), rtol=1e-9, atol=1e-12)


def test_random_state_instance_is_accepted_and_the_global_state_left_alone(task, assert_same_model):
    before = np.random.get_state()[1].copy()  # noqa: NPY002 (this is the generator that must not move)
    first, second = (task.make(random_state=np.random.RandomState(5)).fit(task.X, task.y) for _ in range(2))
    assert_same_model(first, second)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@PERTURBATIONS
@pytest.mark.parametrize("shuffle", [True, False])
def test_row_order_does_not_matter_in_one_full_batch(task, noisy, assert_same_model, perturbation, shuffle):
    order = np.random.default_rng(0).permutation(len(task.X))
    params = noisy | {"perturbation": perturbation, "shuffle": shuffle, "batch_size": len(task.X), "max_iter": 10}
    ordered = task.make(**params).fit(task.X, task.y)
    shuffled = task.make(**params).fit(task.X[order], task.y[order])
    assert_same_model(shuffled, ordered, rtol=1e-7)


@PERTURBATIONS
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_partial_fit_over_the_batches_of_an_epoch_is_that_epoch(
    make_task, noisy, assert_same_model, kind, perturbation
):
    make, X, y = make_task(kind, n=200)
    if kind == "regression":  # unit and start of the outputs come from the first call's targets: let all calls agree
        y = np.tile(np.random.default_rng(0).integers(-4, 5, 50), 4).astype(float)
    params = noisy | {"perturbation": perturbation, "batch_size": 50, "shuffle": False}
    epoch = make(**params, max_iter=1).fit(X, y)
    stream = make(**params)
    first_call = {} if kind == "regression" else {"classes": np.unique(y)}
    for start in range(0, len(X), 50):
        stream.partial_fit(X[start : start + 50], y[start : start + 50], **(first_call if start == 0 else {}))
    assert_same_model(stream, epoch)
    assert stream.t_ == epoch.t_ == len(X)
