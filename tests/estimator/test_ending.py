"""Warnings of a training that has not ended as it should."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skdopamine._estimator.ending import warn
from skdopamine._training.trainer import Ending, Epoch, Result
from skdopamine._training.update import TrainState

CUT_SHORT = "Maximum iterations (max_iter=9) reached and the training hasn't converged yet."
DIVERGED = "The loss diverged after 7 epochs with learning_rate_init='auto'; the best model so far is kept."
INTERRUPTED = "Training was interrupted after 7 epochs; the best model so far is kept."


def after(ending, n_epochs=7, cause=""):
    """The result of a run that has ended so."""
    nothing = np.empty(0)
    state = TrainState(nothing, nothing, nothing, (), None)
    return Result(state, nothing, [Epoch(1.0, 0.0, 0.1)] * n_epochs, ending, cause)


def warned(*results, cut_short=False, n_past=0):
    """Category and message of the warnings, which point to this file."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn(results, max_iter=9, learning_rate_init="auto", cut_short=cut_short, n_past=n_past)
    assert all(warning.filename == __file__ for warning in caught)
    return [(warning.category, str(warning.message)) for warning in caught]


@pytest.mark.parametrize("ending", [Ending.EXHAUSTED, Ending.CONVERGED, Ending.STOPPED])
def test_a_good_end_is_silent(ending):
    assert warned(after(ending)) == []


def test_a_run_that_is_cut_short():
    assert warned(after(Ending.EXHAUSTED), cut_short=True) == [(ConvergenceWarning, CUT_SHORT)]
    assert warned(after(Ending.STOPPED), cut_short=True) == []


def test_the_gravest_ending_is_the_one_that_is_reported():
    results = [after(Ending.EXHAUSTED, 3), after(Ending.DIVERGED, 4)]
    assert warned(*results, cut_short=True) == [(ConvergenceWarning, DIVERGED)]
    assert warned(*results, after(Ending.INTERRUPTED, 0), cut_short=True) == [(UserWarning, INTERRUPTED)]


@pytest.mark.parametrize(
    ("ending", "category", "told"),
    [(Ending.INTERRUPTED, UserWarning, INTERRUPTED), (Ending.DIVERGED, ConvergenceWarning, DIVERGED)],
)
def test_before_the_first_epoch_there_is_no_best_model(ending, category, told):
    told = told.replace("7", "0")
    assert warned(after(ending, 0), n_past=3) == [(category, told)]
    told = told.replace("best model so far", "model as it was before training")
    assert warned(after(ending, 0)) == [(category, told)]


def test_the_cause_of_a_divergence_is_named():
    told = DIVERGED.replace("='auto'", "='auto': the loss is no longer finite")
    diverged = after(Ending.DIVERGED, cause="the loss is no longer finite")
    assert warned(diverged) == [(ConvergenceWarning, told)]
