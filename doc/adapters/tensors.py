"""Tensors in, tensors out; start Python with SCIPY_ARRAY_API=1."""

import sklearn
import torch

from skdopamine import DopamineMLPClassifier


def probabilities(X: torch.Tensor, y: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    with sklearn.config_context(array_api_dispatch=True):
        model = DopamineMLPClassifier(random_state=0).fit(X, y)
        return model.predict_proba(rows)  # on the device of the rows
