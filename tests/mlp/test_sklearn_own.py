"""scikit-learn's own tests of its networks, run against ours.

The test module of the installed scikit-learn is executed once more, with our estimators under the names of theirs. Its
tests are then tests of this module. Those that cannot hold are in `DESELECTED`, each with the reason, and with the
error that it ends in, which is tested too: one that has come to hold has to leave the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from importlib.util import find_spec, module_from_spec
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import pytest
import sklearn

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor

NEWEST = (1, 9)  # the version whose tests the tables below are about; older ones may lack some

# Their parameters that choose or set an optimiser. There is one trainer here, so each solver stands for it.
OF_SOLVERS = {"solver", "nesterovs_momentum", "beta_1", "beta_2", "epsilon", "max_fun"}

# Parameters that a test gives in the terms of one solver, in terms of ours.
PARAMETERS: dict[str, dict[str, Any]] = {
    # these ask for the score on the training rows, which "auto" gives up for that on others
    "test_lbfgs_classification": {"early_stopping": False},
    # an iteration of L-BFGS does more than an epoch; its tol is of the gradient, ours of the loss
    "test_lbfgs_regression": {"max_iter": 4000, "tol": 1e-5, "early_stopping": False},
    # as above; and a rate of plain gradient descent, 0.2, is far too high for steps that are normalised, as Adam's are
    "test_multilabel_classification": {"max_iter": 600, "learning_rate": "constant", "learning_rate_init": 0.02},
    # a pass of `partial_fit` is an epoch of `fit` where the rate is constant, as it is by default in scikit-learn;
    # without momentum and with all rows in a batch, 0.01 would be too high for normalised steps
    "test_partial_fit_regression": {"learning_rate": "constant", "learning_rate_init": 0.002},
    # 200 passes over one row get to its target within 1e-4 at a constant rate, their default
    "test_mlp_loading_from_joblib_partial_fit": {"learning_rate": "constant"},
}


class Deselected(NamedTuple):
    """Why a test cannot hold, and a pattern of the error that it ends in."""

    reason: str
    error: str
    shorter: dict[str, Any] | None = None  # parameters with which it ends in that error sooner


DESELECTED = {
    "test_fit": Deselected(
        "sets private attributes and a curve, and asserts the numbers of backpropagation; curves cannot be set here",
        "'loss_curve_' .* no setter",
    ),
    "test_gradient": Deselected("calls the private gradient of backpropagation", "_loss_grad_lbfgs"),
    "test_lbfgs_classification_maxfun": Deselected("max_fun limits L-BFGS alone", "n_iter_|DID NOT WARN"),
    "test_lbfgs_regression_maxfun": Deselected("max_fun limits L-BFGS alone", "n_iter_|DID NOT WARN"),
    "test_learning_rate_warmstart": Deselected("reads the rate of a private optimiser", "_optimizer"),
    "test_partial_fit_errors": Deselected(
        "asserts that a solver has no partial_fit; without classes, both raise", "partial_fit"
    ),
    "test_nonfinite_params": Deselected(
        "asserts a message about a solver's weights; such X is refused here before any training", "too large"
    ),
    "test_adaptive_learning_rate": Deselected(
        "learning_rate='adaptive' does not exist: 'dopamine' adapts in another way", "'adaptive'"
    ),
    "test_n_iter_no_change": Deselected("reads a private count", "_no_improvement_count", {"early_stopping": False}),
    "test_n_iter_no_change_inf": Deselected("reads a private count, after max_iter epochs", "_no_improvement_count"),
    "test_early_stopping_stratified": Deselected(
        "asserts that a class of one row is refused; here it is trained on (but of four rows, one is too few)",
        "The validation set is too small",
    ),
    "test_mlp_regressor_dtypes_casting": Deselected(
        "float32 and float64 do not agree to 5e-4 of a prediction next to zero: the difference between two perturbed "
        "networks carries more rounding than a gradient",
        "Mismatched elements",
    ),
    "test_mlp_partial_fit_after_fit": Deselected(
        "asserts that partial_fit raises with early_stopping; here a stream may go on from such a fit, and holds "
        "nothing back",
        "DID NOT RAISE",
    ),
    "test_mlp_diverging_loss": Deselected(
        "asserts that nan is the last score; here an epoch that diverges leaves none", "== 'nan'"
    ),
}

_chosen: dict[str, Any] = {}  # of PARAMETERS, those of the test that runs


def _swapped(ours: type, name: str) -> Callable[..., Any]:
    """Our estimator under the name of theirs."""

    def make(*args: Any, **params: Any) -> Any:
        shared = {name: value for name, value in params.items() if name not in OF_SOLVERS}
        return ours(*args, **{**shared, **_chosen})

    make.__name__ = name  # what parametrised tests are called by
    return make


def _their_tests() -> dict[str, Callable[..., None]]:
    spec = find_spec("sklearn.neural_network.tests.test_mlp")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    ours = {"MLPClassifier": DopamineMLPClassifier, "MLPRegressor": DopamineMLPRegressor}
    with patch.multiple("sklearn.neural_network", **{name: _swapped(cls, name) for name, cls in ours.items()}):
        spec.loader.exec_module(module)
    return {name: value for name, value in vars(module).items() if name.startswith("test_")}


def _ours(name: str, test: Callable[..., None]) -> Callable[..., None]:
    """The test with our parameters, or, where it is deselected, a test that it fails as the table says."""

    @wraps(test)  # pytest finds its fixtures and parameters
    def run(**arguments: Any) -> None:
        chosen = DESELECTED[name].shorter if name in DESELECTED else PARAMETERS.get(name)
        with patch.dict(_chosen, chosen or {}):
            if name in DESELECTED:
                with pytest.raises((Exception, pytest.fail.Exception), match=DESELECTED[name].error):
                    test(**arguments)
            else:
                test(**arguments)

    return run


THEIRS = _their_tests()
for _name, _test in THEIRS.items():
    _prefix = "test_deselected_" if _name in DESELECTED else "test_"
    globals()[_prefix + _name.removeprefix("test_")] = _ours(_name, _test)

# Their suite lets warnings be, and sets no seed where a test has none.
pytestmark = pytest.mark.filterwarnings("default::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """Give a fit without random_state, which draws from the global generator, the same numbers in each run."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    yield
    np.random.set_state(state)  # noqa: NPY002


@pytest.fixture
def global_random_seed() -> int:
    """Stand in for a fixture of scikit-learn's own suite, with its default."""
    return 42


@pytest.mark.skipif(
    tuple(int(part) for part in sklearn.__version__.split(".")[:2]) < NEWEST, reason="older tests may lack some"
)
def test_tables_name_tests_that_there_are():
    assert (DESELECTED.keys() | PARAMETERS.keys()) - THEIRS.keys() == set()
    assert DESELECTED.keys() & PARAMETERS.keys() == set()


def test_most_of_their_tests_are_run():
    assert len(DESELECTED) <= 14
    assert len(THEIRS) - len(DESELECTED) >= 28
