"""Models that anchor our scores in `tabular.py --anchors`: one network with torch, trees, and linear models.

RealMLP-TD-S comes from pytabkit (extra `anchors`) and is left out where that is not installed. It keeps a fifth of the
training rows back to choose its epoch, as it does at its defaults. Linear models choose their penalty by
cross-validation on the training rows, within the time of their fit. All else is at the defaults.
"""

import logging
import warnings
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.utils.validation import check_random_state

HAS_REALMLP = find_spec("pytabkit") is not None
REALMLP, LINEAR = "RealMLP-TD-S", "linear"
TREES = {
    "classification": (HistGradientBoostingClassifier, RandomForestClassifier),
    "regression": (HistGradientBoostingRegressor, RandomForestRegressor),
}


def _realmlp(task: str, seed: int) -> Any:
    from pytabkit import RealMLP_TD_S_Classifier, RealMLP_TD_S_Regressor

    make = RealMLP_TD_S_Classifier if task == "classification" else RealMLP_TD_S_Regressor
    return make(device="cpu", n_threads=1, random_state=seed)


def _linear(task: str) -> Any:
    if task == "regression":
        return RidgeCV(np.logspace(-3, 5, 25))
    return LogisticRegressionCV(scoring="neg_log_loss", l1_ratios=(0,), use_legacy_attributes=False, max_iter=1000)


def make(task: str, seed: int) -> dict[str, Any]:
    """One new model for each anchor."""
    boosting, forest = TREES[task]
    network = {REALMLP: _realmlp(task, seed)} if HAS_REALMLP else {}
    return {
        **network,
        "HistGradientBoosting": boosting(random_state=seed),
        "random forest": forest(random_state=seed),
        LINEAR: _linear(task),
    }


def warm_up() -> None:
    """Fit each anchor once, so that no timed fit pays for what loads with the first."""
    if HAS_REALMLP:
        import torch

        torch.set_num_threads(1)
    random = check_random_state(0)
    X, y = random.normal(size=(100, 3)), random.normal(size=100)
    for task, target in (("classification", (y > 0).astype(int)), ("regression", y)):
        for model in make(task, 0).values():
            model.fit(X, target).predict(X)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)  # four lines for each fit; import sets its own level
    warnings.filterwarnings("ignore", module="pytorch_lightning")


def versions() -> str:
    """What the network with torch was."""
    return ", ".join(f"{name} {version(name)}" for name in ("pytabkit", "torch")) if HAS_REALMLP else "no pytabkit"
