"""Losses for outliers and for quantiles, beside scikit-learn's regressors for the same.

Outliers: to 10 % of the training targets, 10 standard deviations are added or subtracted; the test targets are clean,
and the error is the mean absolute one. Quantiles: targets as they are; the error is the pinball loss. Errors are in
standard deviations of the target. MLPRegressor trains on standardised targets (for quantiles, once: it has but its
conditional mean to offer), ours on the targets as they are; QuantileRegressor has alpha=0, HuberRegressor 1,000
iterations; all else is at the defaults. Each seed has its own 3 folds, outliers and random_state.

    python benchmarks/robust_loss.py            # writes results/robust_loss.md and results/robust_loss_quantiles.md
    python benchmarks/robust_loss.py --quick    # one seed of concrete, prints only
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import _harness
import numpy as np
from _data import load
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import HuberRegressor, QuantileRegressor
from sklearn.metrics import mean_pinball_loss
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler
from tabular import folds

from skdopamine import DopamineMLPRegressor

SETS = ("concrete", "friedman1", "abalone", "ames")
QUANTILES = (0.1, 0.5, 0.9)
OUTLIERS = 0.1  # share of the training targets
SIZE = 10.0  # of an outlier, in standard deviations of the target
NEAR = 1.05  # times the best error
MEAN = "MLPRegressor"  # learns the conditional mean
OURS = "ours"  # the names of our estimators begin with this


class Line(NamedTuple):
    """One set, at one quantile or with outliers (None): medians over the seeds."""

    name: str
    quantile: float | None
    error: dict[str, float]
    seconds: dict[str, float]  # of one fit
    below: float  # share of the test targets below the prediction of the last of ours

    def cells(self) -> list[object]:
        first = [self.name] if self.quantile is None else [self.name, self.quantile]
        errors = [f"{error:.4f}" for error in self.error.values()]
        below = [] if self.quantile is None else [f"{self.below:.3f}"]
        return [*first, *errors, *below, *(f"{seconds:.2f}" for seconds in self.seconds.values())]

    def ours(self) -> float:
        """Least error of ours over the least of all the others."""
        mine = [error for side, error in self.error.items() if side.startswith(OURS)]
        return min(mine) / min(error for side, error in self.error.items() if not side.startswith(OURS))


def estimators(quantile: float | None, seed: int) -> dict[str, BaseEstimator]:
    """Make one estimator per side, for outliers (None) or for a quantile; the last is of ours."""
    mean = {MEAN: TransformedTargetRegressor(MLPRegressor(random_state=seed), transformer=StandardScaler())}
    if quantile is None:
        losses = ("squared_error", "absolute_error", "huber")
        ours = {f"{OURS}, {loss}": DopamineMLPRegressor(loss=loss, random_state=seed) for loss in losses}
        return {**mean, "HuberRegressor": HuberRegressor(max_iter=1000), **ours}
    return {
        **mean,
        "QuantileRegressor": QuantileRegressor(quantile=quantile, alpha=0.0),
        "HistGradientBoosting": HistGradientBoostingRegressor(loss="quantile", quantile=quantile, random_state=seed),
        f"{OURS}, pinball": DopamineMLPRegressor(loss="pinball", quantile=quantile, random_state=seed),
    }


def with_outliers(y: np.ndarray, seed: int) -> np.ndarray:
    """Targets, of unit standard deviation, of which some are moved far up or down."""
    rng = np.random.default_rng(seed)
    moved = rng.choice(len(y), round(OUTLIERS * len(y)), replace=False)
    result = y.copy()
    result[moved] += SIZE * rng.choice([-1.0, 1.0], len(moved))
    return result


def run(name: str, quantiles: Sequence[float | None], n_seeds: int) -> list[Line]:
    """One line per quantile; (None,) is for outliers."""
    X, y, task = load(name)
    figures: list[list[list[np.ndarray]]] = [[] for _ in quantiles]  # (quantiles, seeds, folds), see `looks`
    for seed in range(n_seeds):
        for of_quantile in figures:
            of_quantile.append([])
        for fold, (X_train, y_train, X_test, y_test) in enumerate(folds(X, y, task, seed)):
            times: dict[str, list[_harness.Timed]] = {}
            for of_quantile, quantile in zip(figures, quantiles, strict=True):
                target = with_outliers(y_train, seed) if quantile is None else y_train
                fits: dict[str, Callable[[], Any]] = {
                    side: (lambda m=m, X=X_train, y=target: m.fit(X, y))
                    for side, m in estimators(quantile, seed).items()
                    if side != MEAN or side not in times  # whatever the quantile, it is the same
                }
                times |= _harness.alternate(fits, start=seed + fold)
                of_quantile[-1].append(
                    np.array([looks(timed, X_test, y_test, quantile) for (timed,) in times.values()])
                )
    lines = []
    for of_quantile, quantile in zip(figures, quantiles, strict=True):
        error, seconds, below = np.median(np.mean(of_quantile, axis=1), axis=0).T
        of_side = (dict(zip(times, values, strict=True)) for values in (error, seconds))
        lines.append(Line(name, quantile, *of_side, below[-1]))
    return lines


def looks(timed: _harness.Timed, X: np.ndarray, y: np.ndarray, quantile: float | None) -> tuple[float, float, float]:
    """Error, seconds of the fit, and share of the targets below the prediction."""
    predicted = timed.result.predict(X)
    return loss(y, predicted, quantile), timed.seconds, float((y < predicted).mean())


def loss(truth: np.ndarray, predicted: np.ndarray, quantile: float | None) -> float:
    """Mean absolute error, or mean pinball loss of a quantile."""
    if quantile is None:
        return float(np.abs(truth - predicted).mean())
    return float(mean_pinball_loss(truth, predicted, alpha=quantile))


def summary(lines: list[Line]) -> list[str]:
    """Tell where ours is best, or nearly so, and what each estimator's error is beside the best rival's."""

    def label(line: Line) -> str:
        return line.name if line.quantile is None else f"{line.name} {line.quantile}"

    best = [label(line) for line in lines if line.ours() <= 1]
    near = [label(line) for line in lines if 1 < line.ours() <= NEAR]
    far = [f"{label(line)} ({100 * (line.ours() - 1):+.0f} %)" for line in lines if not line.ours() <= NEAR]
    sides = list(lines[0].error)
    rivals = [side for side in sides if not side.startswith(OURS)]
    ratios = {
        side: _harness.geometric_mean([line.error[side] / min(line.error[rival] for rival in rivals) for line in lines])
        for side in sides
    }
    return [
        f"The best of ours has the least error on {len(best)} of {len(lines)}: {', '.join(best) or 'none'}",
        f"Within {100 * (NEAR - 1):.0f} % of the best rival: {', '.join(near) or 'none'}",
        f"Behind by more: {', '.join(far) or 'none'}",
        "Geometric mean of the error beside the best rival's: "
        + ", ".join(f"{side} {ratio:.2f}" for side, ratio in ratios.items()),
        "Errors are in standard deviations of the target, seconds those of one fit.",
    ]


def columns(line: Line) -> list[str]:
    first = ["set"] if line.quantile is None else ["set", "quantile"]
    below = [] if line.quantile is None else ["share below ours"]
    return [*first, *line.error, *below, *(f"{side} (s)" for side in line.seconds)]


def main() -> None:
    args = _harness.parse(_harness.parser(__doc__, seeds=3, sets=SETS))
    names = SETS[:1] if args.quick and args.sets == list(SETS) else args.sets
    tables = {
        "robust_loss": (f"Outliers in {100 * OUTLIERS:.0f} % of the training targets: mean absolute error", (None,)),
        "robust_loss_quantiles": ("Quantiles: pinball loss", QUANTILES),
    }
    for table, (title, quantiles) in tables.items():
        lines: list[Line] = []
        for name in names:
            lines += run(name, quantiles, args.seeds)
            for line in lines[-len(quantiles) :]:
                _harness.progress(" | ".join(map(str, line.cells())))
        title = f"{title} on the test rows, medians over the seeds, seeds: {args.seeds}"
        rows = [line.cells() for line in lines]
        _harness.write_table(table, title, columns(lines[0]), rows, summary(lines), save=args.save)


if __name__ == "__main__":
    main()
