"""Who is told of each epoch."""

import numpy as np
import pytest

from skdopamine._estimator.report import Reporter
from skdopamine._training.trainer import Epoch

EPOCHS = [Epoch(3.0, 0.5, 0.1), Epoch(1.0, 0.25, 0.2, 0.7)]
PARAMS = np.arange(3.0)


class Callbacks:
    """Notes what it is shown, and asks to stop at the second epoch."""

    def __init__(self):
        self.n_begun = 0
        self.shown = []

    def begin_epoch(self):
        self.n_begun += 1

    def end_epoch(self, fitted):
        self.shown.append(fitted())
        return len(self.shown) == 2


def report(reporter):
    answers = []
    for epoch in EPOCHS:
        reporter.begin_epoch()
        answers.append(reporter.end_epoch(epoch, lambda: PARAMS))
    return answers


def test_a_line_an_epoch(capsys):
    assert report(Reporter(verbose=True, n_past=5, unit=2.0)) == [False, False]
    assert capsys.readouterr().out.splitlines() == [
        "Iteration 6, loss = 6.00000000, learning rate = 1.00e-01",
        "Iteration 7, loss = 2.00000000, learning rate = 2.00e-01, validation score = 0.700000",
    ]


@pytest.mark.parametrize("verbose", [False, 0])
def test_silence(capsys, verbose):
    report(Reporter(verbose=verbose, n_past=0))
    assert capsys.readouterr().out == ""


def test_callbacks_see_the_model_of_each_epoch_and_may_stop():
    callbacks = Callbacks()
    reporter = Reporter(
        verbose=False,
        n_past=0,
        callbacks=callbacks,
        fitted=lambda epochs, params, held_losses: {"losses": [epoch.loss for epoch in epochs], "params": params},
    )
    assert report(reporter) == [False, True]
    assert callbacks.n_begun == 2
    assert callbacks.shown == [{"losses": [3.0], "params": PARAMS}, {"losses": [3.0, 1.0], "params": PARAMS}]


def test_curves_are_in_the_users_units():
    reporter = Reporter(verbose=False, n_past=0, unit=2.0, score_unit=3.0)
    report(reporter)
    assert reporter.curve("loss") == [6.0, 2.0]
    assert reporter.curve("validation_score") == [3 * 0.7]
    assert reporter.curve("validation_loss") == [-3 * 0.7]
    reporter.held_losses = [0.25]
    assert reporter.curve("validation_loss") == [0.25]


def test_a_report_goes_on():
    callbacks = Callbacks()
    reporter = Reporter(
        verbose=False, n_past=0, callbacks=callbacks, fitted=lambda epochs, params, held_losses: {"n": len(epochs)}
    )
    reporter.go_on([Epoch(5.0, 0.5, 0.1)], [])
    report(reporter)
    assert reporter.curve("loss") == [5.0, 3.0, 1.0]
    assert callbacks.shown == [{"n": 2}, {"n": 3}]
