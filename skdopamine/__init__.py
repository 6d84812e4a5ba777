"""Neural networks for scikit-learn, trained without backpropagation: perturb, watch the loss, reinforce."""

from skdopamine._esn.forecaster import DopamineESNForecaster
from skdopamine._mlp.estimators import DopamineMLPClassifier, DopamineMLPRegressor
from skdopamine._mlp.policy import DopamineMLPPolicy
from skdopamine.windows import make_windows

__all__ = [
    "DopamineESNForecaster",
    "DopamineMLPClassifier",
    "DopamineMLPPolicy",
    "DopamineMLPRegressor",
    "make_windows",
]
__version__ = "0.2.0"
