"""Neural networks for scikit-learn, trained without backpropagation: perturb, watch the loss, reinforce."""

from skdopamine._mlp import DopamineMLPClassifier, DopamineMLPRegressor

__all__ = ["DopamineMLPClassifier", "DopamineMLPRegressor"]
__version__ = "0.1.0"
