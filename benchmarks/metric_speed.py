"""Time of a metric of a whole population beside scikit-learn's, one model after the other.

64 members predict 2,000 rows. The population's metric is one call of the vectorised function; against it stand 64 calls
of scikit-learn's function, and 64 calls of its scorer with an estimator that only returns stored predictions, all on
the same predictions. Short rounds alternate; --seeds is their number.

    python benchmarks/metric_speed.py [--quick] [--seeds N]
"""

from collections.abc import Callable
from typing import Any

import _harness as harness
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import get_scorer

from skdopamine._objectives.metrics import _METRICS, find_metric

MEMBERS, ROWS, CLASSES, LABELS = 64, 2000, 4, 4
TARGET = 20.0
NAMES = {
    "binary": "accuracy balanced_accuracy f1 f1_macro precision recall jaccard matthews_corrcoef roc_auc "
    "average_precision neg_log_loss neg_brier_score",
    "multiclass": "accuracy balanced_accuracy f1_macro f1_micro f1_weighted jaccard_macro matthews_corrcoef "
    "roc_auc_ovr roc_auc_ovo average_precision neg_log_loss neg_brier_score",
    "multilabel": "accuracy f1_macro f1_samples jaccard_samples roc_auc average_precision",
    "regression": " ".join(name for task, name in _METRICS if task == "regression"),
}


class Stored(BaseEstimator):
    """Returns the predictions that it was given, whatever X."""

    def __init__(self, response: Any = None, classes: Any = None):
        self.response = response
        self.classes_ = classes

    def fit(self, X: Any, y: Any) -> "Stored":
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: Any) -> Any:
        return self.response


class StoredClassifier(ClassifierMixin, Stored):
    def predict_proba(self, X: Any) -> Any:
        return self.response


class StoredRegressor(RegressorMixin, Stored):
    pass


def data(task: str, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A target, and predictions (members, ...) for each response."""
    if task == "regression":
        target = rng.gamma(2.0, size=ROWS) + 0.1
        return target, {"value": np.abs(target + rng.normal(size=(MEMBERS, ROWS))) + 0.1}
    if task == "multilabel":
        target = rng.integers(0, 2, (ROWS, LABELS))
        target[np.arange(ROWS), rng.integers(0, LABELS, ROWS)] = 1  # a row without labels would only bring warnings
        score = 0.4 * target + 0.6 * rng.random((MEMBERS, ROWS, LABELS))
        return target, {"labels": (score > 0.5).astype(int), "score": score}
    n_classes = 2 if task == "binary" else CLASSES
    target = rng.integers(0, n_classes, ROWS)
    probability = rng.random((MEMBERS, ROWS, n_classes)) + np.eye(n_classes)[target]
    probability /= probability.sum(axis=-1, keepdims=True)
    labels = probability.argmax(axis=-1)
    return target, {"labels": labels, "probability": probability, "score": probability[..., 1].copy()}


def contenders(task: str, name: str) -> dict[str, Callable[[], Any]]:
    """The population's metric, scikit-learn's function, and its scorer, on the same predictions."""
    target, responses = data(task, np.random.default_rng(0))
    metric, scorer = find_metric(name, task), get_scorer(name)
    assert metric is not None
    predicted = responses[metric.response]
    handed = stored = predicted
    if task == "binary" and metric.response != "labels":  # scikit-learn's function takes the positive class alone
        handed, stored = responses["score"], responses["probability"]
    classes = np.arange(LABELS) if task == "multilabel" else np.unique(target)
    kind = StoredRegressor if task == "regression" else StoredClassifier
    estimators, X = [kind(one, classes) for one in stored], np.zeros((ROWS, 1))

    def functions() -> list[float]:
        return [scorer._sign * scorer._score_func(target, one, **scorer._kwargs) for one in handed]

    return {
        "population": lambda: metric.function(target, predicted, None),
        "function": functions,
        "scorer": lambda: [scorer(estimator, X, target) for estimator in estimators],
    }


def main() -> None:
    args = harness.parse(harness.parser(__doc__, seeds=7))
    rows, ratios = [], {"function": {}, "scorer": {}}
    for task, names in NAMES.items():
        for name in names.split():
            label = f"{task}, {name}"
            harness.progress(label)
            functions = contenders(task, name)
            for runs in harness.alternate(functions).values():  # warm-up, and a check
                np.testing.assert_allclose(runs[0].result, functions["population"](), rtol=1e-12, atol=1e-12)
            times = harness.alternate(functions, 3 if args.quick else args.seeds)
            seconds = {key: float(np.median([run.seconds for run in runs])) for key, runs in times.items()}
            for key, known in ratios.items():
                known[label] = seconds[key] / seconds["population"]
            rows.append(
                (
                    label,
                    *(f"{1e3 * value:.2f}" for value in seconds.values()),
                    *(f"{r[label]:.0f}" for r in ratios.values()),
                )
            )
    notes = []
    for key, known in ratios.items():
        worst = min(known, key=known.__getitem__)
        notes.append(harness.verdict(f"Least ratio, {MEMBERS} {key} calls ({worst})", known[worst], at_least=TARGET))
    notes.append(f"Milliseconds, medians of {3 if args.quick else args.seeds} rounds.")
    columns = ("metric", "population", "function", "scorer", "function / population", "scorer / population")
    title = f"Metrics of {MEMBERS} members on {ROWS} rows"
    harness.write_table("metric_speed", title, columns, rows, notes, save=args.save)


if __name__ == "__main__":
    main()
