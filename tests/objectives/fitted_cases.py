"""Small fitted estimators with their targets and outputs, for the tests of what is computed from these."""

import warnings
from functools import cache

import numpy as np

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor
from skdopamine._mlp import network as _network
from skdopamine._mlp.activations import ACTIVATIONS
from skdopamine._mlp.network import Network
from skdopamine._objectives.scorers import make_objective

N = 60
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 3))
SCORES = X @ np.linalg.qr(RNG.normal(size=(3, 3)))[0] + 0.3 * RNG.normal(size=(N, 3))
WEIGHT = RNG.uniform(0.5, 2.0, N)
TARGETS = {
    "binary": (SCORES[:, 0] > 0.5).astype(int),
    "reversed": 2 - (SCORES[:, 0] > 0.5),  # 1 and 2: to scikit-learn's scorers 1 is the positive class
    "strings": np.array(["no", "yes"])[(SCORES[:, 0] > 0.5).astype(int)],
    "multiclass": SCORES.argmax(axis=1),
    "named": np.array(["a", "b", "c"])[SCORES.argmax(axis=1)],
    "multilabel": (SCORES > 0.3).astype(int),
    "regression": np.exp(0.3 * SCORES[:, 0]),
    "several": np.exp(0.3 * SCORES[:, :2]),
}
LABELLED = [kind for kind in TARGETS if kind not in ("regression", "several")]


class FittedCase:
    """A fitted estimator, and its targets and outputs as training sees them."""

    def __init__(self, kind):
        cls = DopamineMLPClassifier if kind in LABELLED else DopamineMLPRegressor
        self.y = TARGETS[kind]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.model = cls((4,), max_iter=10, batch_size=10, random_state=0).fit(X, self.y)
        self.view = self.model._view(self.model._training.units)
        network = Network(self.model._training.layers, (ACTIVATIONS["relu"],))
        self.output = _network.forward(network, self.model._training.state.params, X)
        target = self.model._encode(self.y).astype(float)
        if self.view.task == "regression":
            target = self.model._training.units.scaled(target)
        self.target = target

    def objective(self, loss, *, weighted=False):
        return make_objective(loss, self.view, weighted=weighted, whole=True, output=self.output, target=self.target)


@cache
def fitted_case(kind):
    """The case of this kind of target, fitted once."""
    return FittedCase(kind)
