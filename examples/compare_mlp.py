"""Train with and without a gradient: DopamineMLPClassifier beside scikit-learn's MLPClassifier.

Both run at their defaults behind a StandardScaler, on breast cancer (569 rows, 30 features, 2 classes) and digits (1797
rows, 64 features, 10 classes), over the same train / test splits. BLAS keeps to one thread, so that the seconds compare
the algorithms and not the machine.
"""

# sphinx_gallery_thumbnail_path = "_static/thumbnails/compare_mlp.svg"
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skdopamine import DopamineMLPClassifier

SEEDS = range(3)
TRACE_ROWS = 8


def compare(X: np.ndarray, y: np.ndarray) -> DopamineMLPClassifier:
    """Print accuracy and time of both estimators; return the perturbation-trained one of the last seed."""
    results: dict[Callable[..., ClassifierMixin], list[tuple[float, float, int]]] = {
        MLPClassifier: [],
        DopamineMLPClassifier: [],
    }
    for seed in SEEDS:
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)
        for estimator, runs in results.items():
            model = make_pipeline(StandardScaler(), estimator(random_state=seed))
            start = time.perf_counter()
            model.fit(X_train, y_train)
            seconds = time.perf_counter() - start
            runs.append((model.score(X_test, y_test), seconds, model[-1].n_iter_))

    print(f"{'':24}{'accuracy':>10}{'fit seconds':>13}{'epochs':>8}")
    for estimator, runs in results.items():
        accuracy, seconds, epochs = map(statistics.median, zip(*runs, strict=True))
        print(f"{estimator.__name__:24}{accuracy:10.4f}{seconds:13.2f}{epochs:8.0f}")
    return model[-1]


def print_trace(model: DopamineMLPClassifier) -> None:
    """Print loss, reward prediction error and learning rate at a few evenly spaced epochs."""
    print(f"\n{'epoch':>7}{'loss':>10}{'RPE':>12}{'learning rate':>15}")
    last = len(model.loss_curve_) - 1
    for epoch in np.unique(np.linspace(0, last, TRACE_ROWS).round().astype(int)):
        loss, rpe = model.loss_curve_[epoch], model.reward_prediction_error_curve_[epoch]
        print(f"{epoch + 1:7d}{loss:10.4f}{rpe:+12.2e}{model.learning_rate_curve_[epoch]:15.2e}")


def main() -> None:
    print(f"Medians of {len(SEEDS)} splits; the trace is that of the last one (RPE > 0: better than expected).")
    for title, load in {"Breast cancer": load_breast_cancer, "Digits": load_digits}.items():
        print(f"\n{title}\n")
        print_trace(compare(*load(return_X_y=True)))


if __name__ == "__main__":
    # Reaching max_iter is no news here: the table shows the epochs.
    warnings.simplefilter("ignore", ConvergenceWarning)
    with threadpool_limits(limits=1):
        main()
