"""Scikit-learn's common metrics, for every member of a population at once.

Predictions carry leading member axes; the target and the sample weights, which all members share, do not. One call
returns the metric of each member, equal to scikit-learn's function up to rounding, and greater is better, as in the
scorer of the same name. Where scikit-learn raises for a member, that member gets nan; where it warns of a value that is
not defined, the value it puts there comes without the warning.

Weights are not negative and not all zero; class indices count from 0, and 1 is the positive class of two.
Not here: metrics of clusterings, top-k accuracy, likelihood ratios.
"""

from collections.abc import Callable
from functools import partial
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.special import xlogy

from skdopamine._typing import Array

Function = Callable[[Array, Array, Array | None], Array]  # target, predicted, weight -> (...,)
Loss = Callable[[Array, Array], Array]  # target, predicted -> loss of each row
Fraction = Callable[[Array, Array, Array], tuple[Array, Array]]  # hits, chosen, true -> numerator, denominator


class Metric(NamedTuple):
    """One metric, and what it takes."""

    response: str  # "labels" or "score": (..., n), multilabel (..., n, L); "probability": (..., n, K); "value"
    function: Function  # predictions as the response, "value" as the target
    weighted: bool = True  # whether the function takes weights other than None
    of_positives: bool = False  # whether one of two classes is the positive one: it says nothing where there are none


def find_metric(name: str, task: str) -> Metric | None:
    """The metric of the scorer `name`, or None; task is "binary", "multiclass", "multilabel" or "regression"."""
    return _METRICS.get((task, name))


def d2_pinball_metric(alpha: float) -> Metric:
    """Scikit-learn's `d2_pinball_score` for this alpha.

    Up to version 1.8, scikit-learn without weights interpolates the target's quantile, which differs unless alpha is
    one half.
    """
    return Metric("value", partial(_over_outputs, partial(_d2_pinball, alpha=alpha), 1))


def _mean(values: Array, weight: Array | None) -> Array:
    """Mean over the last axis."""
    return np.asarray(values.mean(axis=-1) if weight is None else values @ weight / weight.sum())


def _divide(numerator: Array, denominator: Array) -> Array:
    """The quotient, 0 where the denominator is 0."""
    shape = np.broadcast_shapes(np.shape(numerator), np.shape(denominator))
    return np.divide(numerator, denominator, out=np.zeros(shape), where=np.not_equal(denominator, 0))


# Labels


def _counts(target: Array, predicted: Array, weight: Array | None) -> tuple[Array, Array, Array]:
    """Weight of hits (..., K), of predictions (..., K) and of targets (K,) in each class."""
    *members, n = predicted.shape
    n_classes = max(2, int(target.max()) + 1, int(predicted.max()) + 1)
    # one bin per member, predicted class, and miss or hit
    bins = 2 * predicted.reshape(-1, n).astype(np.intp)
    bins += predicted.reshape(-1, n) == target
    bins += 2 * n_classes * np.arange(len(bins))[:, None]
    repeated = None if weight is None else np.broadcast_to(weight, bins.shape).ravel()
    counts = np.bincount(bins.ravel(), repeated, 2 * n_classes * len(bins)).reshape(*members, n_classes, 2)
    return counts[..., 1], counts.sum(axis=-1), np.bincount(target, weight, n_classes)


def _label_counts(target: Array, predicted: Array, weight: Array | None) -> tuple[Array, Array, Array]:
    """As `_counts`, of each label: (..., L), (..., L) and (L,)."""
    weight = np.ones(len(target)) if weight is None else weight
    chosen = predicted.astype(np.float64)
    hits = np.einsum("...nl,nl->...l", chosen, target * weight[:, None])
    return hits, weight @ chosen, weight @ target  # (n,) @ (..., n, L)


def _class_mean(fraction: Fraction, average: str, target: Array, predicted: Array, weight: Array | None) -> Array:
    """Fraction of the hits, averaged over classes or labels."""
    multilabel = target.ndim == 2
    hits, chosen, true = (_label_counts if multilabel else _counts)(target, predicted, weight)
    if average == "binary":
        return _divide(*fraction(hits[..., 1], chosen[..., 1], true[1]))
    if average == "micro":
        return _divide(*fraction(hits.sum(axis=-1), chosen.sum(axis=-1), true.sum()))
    scores = _divide(*fraction(hits, chosen, true))
    if average == "weighted" and true.any():
        return _mean(scores, true)
    if multilabel:
        return _mean(scores, None)
    if weight is not None:  # a class all of whose weights are 0 counts in the macro mean
        _, chosen, true = _counts(target, predicted, None)
    present = chosen + true > 0
    return np.asarray((scores * present).sum(axis=-1) / present.sum(axis=-1))


def _sample_mean(fraction: Fraction, target: Array, predicted: Array, weight: Array | None) -> Array:
    """Fraction of the hits in each sample, averaged over samples."""
    chosen = predicted.astype(np.float64)
    hits = np.einsum("...nl,nl->...n", chosen, target)
    return _mean(_divide(*fraction(hits, chosen @ np.ones(target.shape[1]), target.sum(axis=1))), weight)


def _accuracy(target: Array, predicted: Array, weight: Array | None) -> Array:
    hit = predicted == target
    return _mean(hit.all(axis=-1) if target.ndim == 2 else hit, weight)


def _balanced_accuracy(target: Array, predicted: Array, weight: Array | None) -> Array:
    hits, _, true = _counts(target, predicted, weight)
    return _mean(hits[..., true > 0] / true[true > 0], None)


def _matthews(target: Array, predicted: Array, weight: Array | None) -> Array:
    hits, chosen, true = (counts.astype(np.float64) for counts in _counts(target, predicted, weight))
    # each total from its own counts, so that a single class leaves exactly 0
    total, n = chosen.sum(axis=-1), true.sum()
    spread = (total**2 - (chosen**2).sum(axis=-1)) * (n**2 - (true**2).sum())
    return _divide(hits.sum(axis=-1) * n - chosen @ true, np.sqrt(spread))


# Ranking: binary targets (n,) and scores (..., n)


def _curve(target: Array, score: Array, weight: Array | None) -> tuple[Array, Array]:
    """Weight of positives and of all rows down to each rank, highest score first, shape (..., n).

    Inside a tie both stay where they were and move at its last row, so that the ends of ties are the curve's points.
    """
    falling = -score
    order = np.argsort(falling, axis=-1)
    if weight is None:  # integers add up faster
        positive = np.cumsum(target.astype(np.intp).take(order), axis=-1)
        above = np.broadcast_to(np.arange(1, len(target) + 1), order.shape)
    else:
        positive = np.cumsum((target * weight).take(order), axis=-1)
        above = np.cumsum(weight.take(order), axis=-1)
    falling = np.take_along_axis(falling, order, axis=-1)
    tied = falling[..., 1:] == falling[..., :-1]
    if tied.any():
        above = above.copy()
        for values in (positive, above):
            values[..., :-1][tied] = 0
            np.maximum.accumulate(values, axis=-1, out=values)
    return positive, above


def _roc_auc(target: Array, score: Array, weight: Array | None) -> Array:
    """Area under the curve of positives over negatives, nan where there are none of either."""
    positive, above = _curve(target, score, weight)
    negative = above - positive
    # the first point adds nothing: one row is a positive or a negative
    area = np.einsum("...n,...n->...", np.diff(negative), positive[..., 1:] + positive[..., :-1])
    with np.errstate(invalid="ignore"):
        return _where_finite(score, area / (2 * positive[..., -1] * negative[..., -1]))


def _average_precision(target: Array, score: Array, weight: Array | None) -> Array:
    """Mean over the positives of the precision down to their score, 0 without positives."""
    positive, above = _curve(target, score, weight)
    precision = _divide(positive, above)
    gained = np.diff(positive, axis=-1, prepend=0)
    return _where_finite(score, _divide(np.einsum("...n,...n->...", gained, precision), positive[..., -1]))


def _where_finite(predicted: Array, result: Array) -> Array:
    """The result, nan for members with a prediction that is not finite."""
    return np.where(np.isfinite(predicted).all(axis=-1), result, np.nan)


def _label_mean(function: Function, average: str, target: Array, score: Array, weight: Array | None) -> Array:
    """A binary metric of each label, averaged over labels: target (n, L), score (..., n, L)."""
    scores = np.stack([function(target[:, k], score[..., k], weight) for k in range(target.shape[1])], axis=-1)
    if average == "macro":
        return _mean(scores, None)
    true = target.sum(axis=0) if weight is None else weight @ target
    return _divide(np.where(true > 0, scores, 0) @ true, true.sum())


def _one_vs_rest(function: Function, average: str, target: Array, score: Array, weight: Array | None) -> Array:
    """A binary metric of each class against all others, averaged over classes."""
    if not _all_present(target, score):
        return np.full(score.shape[:-2], np.nan)
    return _label_mean(function, average, np.eye(score.shape[-1])[target], score, weight)


def _one_vs_one(average: str, target: Array, score: Array, weight: Array | None) -> Array:
    """ROC AUC of each class against each other one, averaged over pairs; scikit-learn takes no weights here."""
    del weight
    if not _all_present(target, score):
        return np.full(score.shape[:-2], np.nan)
    scores, shares = [], []
    for pair in combinations(range(score.shape[-1]), 2):
        rows = np.flatnonzero(np.isin(target, pair))
        both = [_roc_auc(target[rows] == k, score[..., rows, k], None) for k in pair]
        scores.append((both[0] + both[1]) / 2)
        shares.append(len(rows))
    return _mean(np.stack(scores, axis=-1), np.array(shares) if average == "weighted" else None)


def _all_present(target: Array, probability: Array) -> bool:
    """Whether the target has every class that has a probability; if not, scikit-learn raises."""
    return bool(len(np.unique(target)) == probability.shape[-1])


# Probabilities


def _log_loss(target: Array, probability: Array, weight: Array | None) -> Array:
    if not _all_present(target, probability):
        return np.full(probability.shape[:-2], np.nan)
    if probability.shape[-1] == 2:  # of two classes, a scorer uses the positive one only
        positive = probability[..., 1]
        chosen = np.where(target == 1, positive, 1 - positive)
    else:
        chosen = probability[..., np.arange(len(target)), target]
    eps = np.finfo(probability.dtype).eps
    return _mean(np.log(np.clip(chosen, eps, 1 - eps), dtype=np.float64), weight)


def _brier(target: Array, probability: Array, weight: Array | None) -> Array:
    if probability.shape[-1] == 2:
        return -_mean((probability[..., 1] - target.astype(np.float64)) ** 2, weight)
    if not _all_present(target, probability):
        return np.full(probability.shape[:-2], np.nan)
    error = probability - np.eye(probability.shape[-1])[target]
    return -_mean(np.einsum("...nk,...nk->...n", error, error), weight)


# Regression: each function takes target (k, n) and predictions (..., k, n), and returns (..., k)


def _over_outputs(function: Function, sign: int, target: Array, predicted: Array, weight: Array | None) -> Array:
    """Mean over the outputs of a metric of each, nan for members with a prediction that is not finite."""
    if target.ndim == 1:
        target, predicted = target[:, None], predicted[..., None]
    target, predicted = target.T.astype(np.float64, copy=False), np.swapaxes(predicted, -1, -2)
    with np.errstate(all="ignore"):
        return sign * _mean(_where_finite(predicted, function(target, predicted, weight)), None)


def _single(function: Function, target: Array, predicted: Array, weight: Array | None) -> Array:
    """A metric that scikit-learn has for one output only."""
    return function(target, predicted, weight) if len(target) == 1 else np.full(predicted.shape[:-1], np.nan)


def _mean_loss(loss: Loss, target: Array, predicted: Array, weight: Array | None) -> Array:
    return _mean(loss(target, predicted), weight)


def _root_mean_loss(loss: Loss, target: Array, predicted: Array, weight: Array | None) -> Array:
    return np.asarray(np.sqrt(_mean(loss(target, predicted), weight)))


def _above(values: Array, bound: float) -> Array:
    """The values, nan where they do not exceed the bound and scikit-learn raises."""
    return np.where(values > bound, values, np.nan)


def _absolute(target: Array, predicted: Array) -> Array:
    return np.asarray(np.abs(predicted - target))


def _absolute_share(target: Array, predicted: Array) -> Array:
    return np.asarray(np.abs(predicted - target) / np.maximum(np.abs(target), np.finfo(np.float64).eps))


def _squared(target: Array, predicted: Array) -> Array:
    return np.asarray((predicted - target) ** 2)


def _squared_log(target: Array, predicted: Array) -> Array:
    return _squared(np.log1p(_above(target, -1)), np.log1p(_above(predicted, -1)))


def _poisson(target: Array, predicted: Array) -> Array:
    loss = xlogy(target, target / _above(predicted, 0))
    loss -= target
    loss += predicted
    loss *= 2
    return np.asarray(loss)


def _gamma(target: Array, predicted: Array) -> Array:
    ratio = _above(target, 0) / _above(predicted, 0)
    return np.asarray(2 * (ratio - np.log(ratio) - 1))


def _max_error(target: Array, predicted: Array, weight: Array | None) -> Array:
    del weight  # nor does scikit-learn take any
    return np.asarray(_absolute(target, predicted).max(axis=-1))


def _median_absolute(target: Array, predicted: Array, weight: Array | None) -> Array:
    del weight  # scikit-learn's weighted median is not the same in all its versions
    error = _absolute(target, predicted)
    half = error.shape[-1] // 2
    error.partition(half, axis=-1)
    above = error[..., half]
    return above if error.shape[-1] % 2 else (above + error[..., :half].max(axis=-1)) / 2


def _explained(error: Array, spread: Array) -> Array:
    """Share of the target's spread that the error leaves out; without any spread, whether there is no error."""
    return np.where(spread == 0, error == 0, 1 - error / spread)


def _spread(values: Array, weight: Array | None) -> Array:
    # np.average rounds as scikit-learn does, so that a constant has a spread of 0 in both or in neither
    return _mean(_squared(np.average(values, axis=-1, weights=weight)[..., None], values), weight)


def _r2(target: Array, predicted: Array, weight: Array | None) -> Array:
    spread = _spread(target, weight) if target.shape[-1] > 1 else np.full(len(target), np.nan)
    return _explained(_mean(_squared(target, predicted), weight), spread)


def _explained_variance(target: Array, predicted: Array, weight: Array | None) -> Array:
    return _explained(_spread(target - predicted, weight), _spread(target, weight))


def _pinball(target: Array, predicted: Array, weight: Array | None, *, alpha: float) -> Array:
    error = target - predicted
    return _mean(np.maximum(alpha * error, (alpha - 1) * error), weight)


def _d2_pinball(target: Array, predicted: Array, weight: Array | None, *, alpha: float) -> Array:
    weights = np.ones(target.shape[-1]) if weight is None else weight
    order = np.argsort(target, axis=-1)
    below = np.cumsum(weights[order], axis=-1)  # (k, n)
    # every quantile between two values has the same loss, so the lower one will do
    rank = np.argmax(below >= alpha * below[:, -1:], axis=-1)
    quantile = np.take_along_axis(target, np.take_along_axis(order, rank[:, None], axis=-1), axis=-1)
    spread = _pinball(target, quantile, weight, alpha=alpha) if target.shape[-1] > 1 else np.full(len(target), np.nan)
    return _explained(_pinball(target, predicted, weight, alpha=alpha), spread)


# The table of all metrics

_FRACTIONS: dict[str, Fraction] = {
    "precision": lambda hits, chosen, true: (hits, chosen),
    "recall": lambda hits, chosen, true: (hits, true),
    "f1": lambda hits, chosen, true: (2 * hits, chosen + true),
    "jaccard": lambda hits, chosen, true: (hits, chosen + true - hits),
}
_LOSSES: dict[str, Function] = {
    "mean_absolute_error": partial(_mean_loss, _absolute),
    "mean_absolute_percentage_error": partial(_mean_loss, _absolute_share),
    "mean_squared_error": partial(_mean_loss, _squared),
    "root_mean_squared_error": partial(_root_mean_loss, _squared),
    "mean_squared_log_error": partial(_mean_loss, _squared_log),
    "root_mean_squared_log_error": partial(_root_mean_loss, _squared_log),
    "mean_poisson_deviance": partial(_single, partial(_mean_loss, _poisson)),
    "mean_gamma_deviance": partial(_single, partial(_mean_loss, _gamma)),
}


def _label_metrics() -> dict[tuple[str, str], Metric]:
    """Metrics of predicted labels."""
    accuracy, balanced = Metric("labels", _accuracy), Metric("labels", _balanced_accuracy)
    metrics = {(task, "accuracy"): accuracy for task in ("binary", "multiclass", "multilabel")}
    for task in ("binary", "multiclass"):
        metrics[task, "balanced_accuracy"] = balanced
        metrics[task, "matthews_corrcoef"] = Metric("labels", _matthews)
    for name, fraction in _FRACTIONS.items():
        metrics["binary", name] = Metric("labels", partial(_class_mean, fraction, "binary"), of_positives=True)
        metrics["multilabel", f"{name}_samples"] = Metric("labels", partial(_sample_mean, fraction))
        for average in ("micro", "macro", "weighted"):
            metric = Metric("labels", partial(_class_mean, fraction, average))
            metrics |= {(task, f"{name}_{average}"): metric for task in ("binary", "multiclass", "multilabel")}
    return metrics


def _ranking_metrics() -> dict[tuple[str, str], Metric]:
    """Metrics of the order of scores."""
    metrics = {
        ("binary", "average_precision"): Metric("score", _average_precision, of_positives=True),
        ("multiclass", "average_precision"): Metric("probability", partial(_one_vs_rest, _average_precision, "macro")),
        ("multilabel", "average_precision"): Metric("score", partial(_label_mean, _average_precision, "macro")),
    }
    for suffix in ("", "_ovr", "_ovo", "_ovr_weighted", "_ovo_weighted"):
        average = "weighted" if suffix.endswith("weighted") else "macro"
        metrics["binary", f"roc_auc{suffix}"] = Metric("score", _roc_auc)
        metrics["multilabel", f"roc_auc{suffix}"] = Metric("score", partial(_label_mean, _roc_auc, average))
        if suffix.startswith("_ovr"):
            metric = Metric("probability", partial(_one_vs_rest, _roc_auc, average))
            metrics["multiclass", f"roc_auc{suffix}"] = metric
        elif suffix:
            metrics["multiclass", f"roc_auc{suffix}"] = Metric("probability", partial(_one_vs_one, average), False)
    return metrics


def _regression_metrics() -> dict[tuple[str, str], Metric]:
    """Metrics of predicted values."""
    metrics = {f"neg_{name}": Metric("value", partial(_over_outputs, loss, -1)) for name, loss in _LOSSES.items()}
    metrics |= {
        "neg_median_absolute_error": Metric("value", partial(_over_outputs, _median_absolute, -1), False),
        "neg_max_error": Metric("value", partial(_over_outputs, partial(_single, _max_error), -1), False),
        "r2": Metric("value", partial(_over_outputs, _r2, 1)),
        "explained_variance": Metric("value", partial(_over_outputs, _explained_variance, 1)),
        "d2_absolute_error_score": d2_pinball_metric(0.5),
    }
    return {("regression", name): metric for name, metric in metrics.items()}


_METRICS = {
    **_label_metrics(),
    **_ranking_metrics(),
    **{
        (task, name): Metric("probability", function)
        for task in ("binary", "multiclass")
        for name, function in (("neg_log_loss", _log_loss), ("neg_brier_score", _brier))
    },
    **_regression_metrics(),
}
