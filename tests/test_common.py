"""scikit-learn's own checks, without an expected failure.

check_array_api_input skips itself unless SCIPY_ARRAY_API=1 is in the environment, as it is in CI.
"""

import os

import pytest
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdopamine import DopamineESNForecaster, DopamineMLPClassifier, DopamineMLPPolicy, DopamineMLPRegressor

CLASSES = [DopamineMLPClassifier, DopamineMLPRegressor]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# at their defaults, and smaller and for less with other ways to train
OTHERS = {"hidden_layer_sizes": (20,), "max_iter": 40}
WEIGHT = [cls(**OTHERS, perturbation="weight") for cls in CLASSES]
LOSSES = {DopamineMLPClassifier: "f1", DopamineMLPRegressor: "neg_mean_absolute_error"}
SIGNED = [cls(**OTHERS, dale=True) for cls in CLASSES]
METRICS = [cls(**OTHERS, loss=loss) for cls, loss in LOSSES.items()]
POLICIES = [
    DopamineMLPPolicy(),
    *(DopamineMLPPolicy(**OTHERS, objective=objective) for objective in ("policy", "dr", "snips")),
]
FORECASTERS = [DopamineESNForecaster(), DopamineESNForecaster(30, max_iter=8), DopamineESNForecaster(50, trainable=())]


@parametrize_with_checks([cls() for cls in CLASSES] + WEIGHT + METRICS + SIGNED + POLICIES + FORECASTERS)
def test_sklearn_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("cls", CLASSES)
def test_no_tag_excuses_the_estimator_from_a_check(cls):
    tags = get_tags(cls())
    assert not tags.non_deterministic
    assert not tags.no_validation
    assert tags.input_tags.sparse
    assert not tags.input_tags.allow_nan
    if cls is DopamineMLPClassifier:
        assert not tags.classifier_tags.poor_score
        assert tags.classifier_tags.multi_class
        assert tags.classifier_tags.multi_label
    else:
        assert not tags.regressor_tags.poor_score
        assert tags.target_tags.multi_output


@pytest.mark.parametrize("stateful", [False, True])
def test_no_tag_excuses_the_forecaster_from_a_check(stateful):
    tags = get_tags(DopamineESNForecaster(stateful=stateful))
    assert not tags.non_deterministic
    assert not tags.no_validation
    assert not tags.input_tags.sparse
    assert tags.input_tags.allow_nan == stateful
    assert not tags.regressor_tags.poor_score
    assert tags.target_tags.multi_output
    assert tags.target_tags.required == (not stateful)


@pytest.mark.parametrize(
    ("loss", "multi_class", "multi_label"),
    [("log_loss", True, True), ("f1", False, False), ("f1_macro", True, True), ("balanced_accuracy", True, False)],
)
def test_the_tags_of_a_classifier_are_those_of_its_loss(loss, multi_class, multi_label):
    tags = get_tags(DopamineMLPClassifier(loss=loss)).classifier_tags
    assert (tags.multi_class, tags.multi_label) == (multi_class, multi_label)


@pytest.mark.skipif("CI" not in os.environ, reason="only CI promises the array API checks")
def test_ci_runs_the_array_api_checks():
    assert os.environ.get("SCIPY_ARRAY_API") == "1"
