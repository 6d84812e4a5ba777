"""How far probabilities are to be trusted after a metric: calibration error and Brier score on the test folds.

DopamineMLPClassifier trained on log-loss, on F1, on average precision and with hinge loss, each as it is and in a
CalibratedClassifierCV (isotonic, five folds), beside MLPClassifier. Two stratified folds, repeated.

    python benchmarks/calibration.py            # writes results/calibration.md
    python benchmarks/calibration.py --quick    # one repetition of one set, prints only
"""

from typing import Any

import _harness
import numpy as np
from metric import QUICK, folds, imbalanced
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import brier_score_loss
from sklearn.neural_network import MLPClassifier

from skdopamine import DopamineMLPClassifier

SETS = ("credit_data", "attrition", "wa_churn", "10 %", "2 %")
LOSSES = ("log_loss", "hinge", "f1", "average_precision")
N_BINS = 10
COLUMNS = ("set", "model", "calibration error", "Brier score", "mean probability", "share of positives")


def calibration_error(y: np.ndarray, probability: np.ndarray) -> float:
    """Mean distance between the mean probability and the share of positives, over bins of equal size."""
    bins = np.array_split(np.argsort(probability, kind="stable"), N_BINS)
    return float(sum(len(b) * abs(probability[b].mean() - y[b].mean()) for b in bins) / len(y))


def models(seed: int) -> dict[str, Any]:
    result: dict[str, Any] = {"MLPClassifier": MLPClassifier(random_state=seed)}
    for loss in LOSSES:
        result[f"ours, {loss}"] = DopamineMLPClassifier(loss=loss, random_state=seed)
    for loss in LOSSES[1:]:
        ours = DopamineMLPClassifier(loss=loss, random_state=seed)
        result[f"ours, {loss}, calibrated"] = CalibratedClassifierCV(ours, method="isotonic")
    return result


def measure(name: str, seeds: int) -> list[list[object]]:
    figures: dict[str, list[tuple[float, ...]]] = {}
    X, y = imbalanced(name)
    for seed in range(seeds):
        for X_train, y_train, X_test, y_test in folds(X, y, seed):
            for model, estimator in models(seed).items():
                probability = estimator.fit(X_train, y_train).predict_proba(X_test)[:, 1]
                brier = brier_score_loss(y_test, probability)
                values = (calibration_error(y_test, probability), brier, probability.mean(), y_test.mean())
                figures.setdefault(model, []).append(values)
        _harness.progress(f"{name}: repetition {seed + 1}/{seeds}")
    return [[name, model, *(f"{v:.3f}" for v in np.mean(values, axis=0))] for model, values in figures.items()]


def main() -> None:
    args = _harness.parse(_harness.parser(__doc__, seeds=2, sets=SETS))
    names = QUICK[:1] if args.quick else args.sets
    rows = [row for name in names for row in measure(name, args.seeds)]
    columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
    notes = []
    for model in dict.fromkeys(columns["model"]):
        errors = [float(e) for e, m in zip(columns["calibration error"], columns["model"], strict=True) if m == model]
        notes.append(f"{model}: mean calibration error {np.mean(errors):.3f}")
    title = f"Calibration of probabilities, 2 folds, repetitions: {args.seeds}"
    _harness.write_table("calibration", title, COLUMNS, rows, notes, save=args.save)


if __name__ == "__main__":
    main()
