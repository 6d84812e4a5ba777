"""Warnings of a training that has not ended as it should."""

import warnings

import pytest
from sklearn.exceptions import ConvergenceWarning

from skdopamine._estimator.ending import warn
from skdopamine._training.trainer import Ending

CUT_SHORT = "Maximum iterations (max_iter=9) reached and the training hasn't converged yet."
DIVERGED = "The loss diverged after 7 epochs with learning_rate_init='auto'; the best model so far is kept."
INTERRUPTED = "Training was interrupted after 7 epochs; the best model so far is kept."


def warned(endings, *, cut_short=False, trained=True, cause=""):
    """Category and message of the warnings, which point to this file."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn(
            endings,
            n_epochs=7,
            max_iter=9,
            learning_rate_init="auto",
            cut_short=cut_short,
            trained=trained,
            cause=cause,
            stacklevel=1,
        )
    assert all(warning.filename == __file__ for warning in caught)
    return [(warning.category, str(warning.message)) for warning in caught]


@pytest.mark.parametrize("ending", [Ending.EXHAUSTED, Ending.CONVERGED, Ending.STOPPED])
def test_a_good_end_is_silent(ending):
    assert warned([ending]) == []


def test_a_run_that_is_cut_short():
    assert warned([Ending.EXHAUSTED], cut_short=True) == [(ConvergenceWarning, CUT_SHORT)]
    assert warned([Ending.STOPPED], cut_short=True) == []


def test_the_gravest_ending_is_the_one_that_is_reported():
    endings = [Ending.EXHAUSTED, Ending.DIVERGED]
    assert warned(endings, cut_short=True) == [(ConvergenceWarning, DIVERGED)]
    assert warned([*endings, Ending.INTERRUPTED], cut_short=True) == [(UserWarning, INTERRUPTED)]


def test_an_interruption_before_the_first_epoch():
    told = "Training was interrupted after 7 epochs; the model as it was before is kept."
    assert warned([Ending.INTERRUPTED], trained=False) == [(UserWarning, told)]


def test_the_cause_of_a_divergence_is_named():
    told = DIVERGED.replace("='auto'", "='auto': the loss is no longer finite")
    assert warned([Ending.DIVERGED], cause="the loss is no longer finite") == [(ConvergenceWarning, told)]
