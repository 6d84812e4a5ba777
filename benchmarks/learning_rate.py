"""How much the score depends on the initial learning rate: ours beside MLPClassifier / MLPRegressor, five starts.

All else is at the defaults of both. The folds, the preprocessing and the scores (100 * accuracy or 100 * R2) are those
of tabular.py; a figure is the median over the seeds of the mean of 3 folds.

    python benchmarks/learning_rate.py            # writes results/learning_rate.md
    python benchmarks/learning_rate.py --quick    # one seed of one small set, prints only
"""

import _harness
import numpy as np
from _data import load
from sklearn.base import BaseEstimator
from tabular import N_FOLDS, SIDES, estimators, folds

SETS = ("digits", "clf_3000x20", "credit_data", "friedman1", "concrete", "hpc_data")
QUICK = ("concrete",)
STARTS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
TOLERATED = 1.0  # points below the best start


def fit_and_score(model: BaseEstimator, X_train, y_train, X_test, y_test) -> float:  # type: ignore[no-untyped-def]
    """Return the score in points, or nan for a model that has blown up."""
    try:
        return 100 * float(model.fit(X_train, y_train).score(X_test, y_test))
    except ValueError as error:
        if "finite" not in str(error) and "infinity" not in str(error):
            raise
        return float("nan")


def run_set(name: str, n_seeds: int) -> dict[str, np.ndarray]:
    """Return the median score at each start, by side."""
    X, y, task = load(name)
    scores = {side: np.empty((len(STARTS), n_seeds, N_FOLDS)) for side in SIDES[task]}
    for seed in range(n_seeds):
        for fold, arrays in enumerate(folds(X, y, task, seed)):
            for k, start in enumerate(STARTS):
                for side, model in estimators(task, random_state=seed, learning_rate_init=start).items():
                    scores[side][k, seed, fold] = fit_and_score(model, *arrays)
    return {side: np.median(value.mean(axis=2), axis=1) for side, value in scores.items()}


def spread(scores: np.ndarray) -> float:
    """Return best - worst; infinite if a start gave no finite model."""
    return float("inf") if np.isnan(scores).any() else float(scores.max() - scores.min())


def main() -> None:
    args = _harness.parse(_harness.parser(__doc__, seeds=5, sets=SETS))
    names = QUICK if args.quick and args.sets == list(SETS) else args.sets
    rows, spreads = [], {}
    for name in names:
        for side, scores in run_set(name, args.seeds).items():
            spreads[side, name] = spread(scores)
            cells = ["failed" if np.isnan(score) else f"{score:.2f}" for score in scores]
            rows.append([name, "ours" if side == "ours" else "MLP", *cells, f"{spreads[side, name]:.2f}"])
            _harness.progress(" | ".join(rows[-1]))
    notes = []
    ours = {name: value for (side, name), value in spreads.items() if side == "ours"}
    worst = max(ours, key=lambda name: ours[name])
    label = f"Ours, largest distance from its own best start ({worst})"
    notes.append(_harness.verdict(label, ours[worst], at_most=TOLERATED, unit=" points"))
    over = [name for name, value in ours.items() if value > TOLERATED]
    notes.append(f"Sets on which ours misses it: {', '.join(over) or 'none'}")
    notes.append(f"MLP, largest distance: {max(v for (s, _), v in spreads.items() if s == 'mlp'):.2f} points")
    title = f"Learning rate: score in points by learning_rate_init, {N_FOLDS} folds, seeds: {args.seeds}"
    columns = ("set", "estimator", *(f"{start:g}" for start in STARTS), "spread")
    _harness.write_table("learning_rate", title, columns, rows, notes, save=args.save)


if __name__ == "__main__":
    main()
