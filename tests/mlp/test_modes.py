"""The table of credit rules."""

import re
from pathlib import Path

import numpy as np
import pytest

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor
from skdopamine._estimator.validation import one_of
from skdopamine._mlp.modes import AUTO, MODES, Mode
from skdopamine._mlp.problem import NetworkProblem
from skdopamine._training.problem import Estimate

PAGE = (Path(__file__).parents[2] / "doc" / "parameters.md").read_text(encoding="utf-8")
ESTIMATORS = pytest.mark.parametrize("cls", [DopamineMLPClassifier, DopamineMLPRegressor])


@ESTIMATORS
def test_parameters_docstring_and_page_have_the_names_of_the_table(cls):
    (constraint,) = cls._parameter_constraints["perturbation"]
    assert constraint.options == {"auto", *MODES}
    documented = re.search(r"perturbation : \{(.*)\}, default", cls.__doc__).group(1)
    assert set(re.findall(r'"(\w+)"', documented)) == {"auto", *MODES}
    assert AUTO in MODES
    row = re.search(r"^\| `perturbation` \|.*$", PAGE, re.MULTILINE)[0]
    assert set(re.findall(r'`"(\w+)"`', row)) == {"auto", *MODES}


class PushDown(NetworkProblem):
    """Credit that lowers every parameter, whatever the loss."""

    def init_memory(self):
        return ()

    def credit(self, params, memory, batch, update):
        return Estimate(np.ones_like(params), self.losses(params, batch), (), len(batch.ids))


def push_down(network, objective, data, options):
    return PushDown(network, objective, data, alpha=0.0, scale=1.0, n_perturbations=1, seed=options.seed)


@pytest.mark.filterwarnings("ignore:Maximum iterations")
def test_a_rule_that_is_added_to_the_table_trains_as_itself(monkeypatch, task):
    model = task.make(perturbation="push_down", learning_rate_init=1e-3, max_iter=2)
    with pytest.raises(ValueError, match="perturbation"):
        model.fit(task.X, task.y)
    monkeypatch.setitem(MODES, "push_down", Mode(push_down, ceiling=1e-2))
    monkeypatch.setitem(type(model)._parameter_constraints, "perturbation", [one_of("auto", *MODES)])
    steps = []
    for n_epochs in (1, 2):
        model.partial_fit(task.X, task.y, **({"classes": np.unique(task.y)} if hasattr(model, "predict_proba") else {}))
        steps.append(np.concatenate([coef.ravel() for coef in model.coefs_[:1]]))
        assert len(model.loss_curve_) == n_epochs
    moved = steps[0] - steps[1]
    assert (moved > 0).all()
    np.testing.assert_allclose(moved, moved[0], rtol=1e-6)
