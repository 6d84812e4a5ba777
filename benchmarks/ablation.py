"""What each part of the method is worth: loss against evaluations and seconds, one part exchanged at a time.

Four tables: the learning rate (dopamine, constant, invscaling), the estimator (node with and without critic, weight),
the population, and the size of the perturbation (fixed, "auto", and steered by the reward prediction error, as
curiosity). The critic is switched off by setting `skdopamine._training.critic.RATE` to 0 for the run.

    python benchmarks/ablation.py [--quick] [--seeds N] [--sets digits breast_cancer friedman1]
"""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any, NamedTuple
from unittest import mock

import _data
import _harness as harness
import numpy as np
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from xor import Mark, watch

from skdopamine import DopamineMLPClassifier, DopamineMLPRegressor
from skdopamine._training import critic as _critic

SETS = ("digits", "breast_cancer", "friedman1")
DEFAULT = "default: node, dopamine"
CONSTANT_RATES = (0.0003, 0.001, 0.003, 0.01, 0.03)
INVSCALING_RATES = (0.003, 0.03, 0.3)
POPULATIONS = (1, 4, 16, 64)
SCALES = (0.001, 0.01, 0.1, 1.0, "auto")
STEERED_FROM = 0.01
STEERED_RANGE = (1e-4, 1.0)
PASSES = 60


class Split(NamedTuple):
    """Standardised training and test rows."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    estimator: type


class Run(NamedTuple):
    """One fit."""

    losses: np.ndarray  # lowest training loss so far, by epoch
    evaluations: np.ndarray  # spent so far, by epoch
    clock: np.ndarray  # seconds so far, by epoch
    loss: float  # of the fitted model, on the training rows
    score: float  # on the test rows
    scale: float | str  # of the perturbation, at the end

    def loss_at(self, budget: float, spent: np.ndarray) -> float:
        """Lowest loss within a budget; that of the first epoch if even it costs more, nan if that diverged."""
        if not len(self.losses):
            return float("nan")
        return float(self.losses[max(0, np.searchsorted(spent, budget, side="right") - 1)])


Method = Callable[[Split, int], Run]


def load(name: str, seed: int, quick: bool) -> Split:
    X, y, task = _data.load(name)
    X, X_test, y, y_test = train_test_split(X, y, test_size=1 / 3, random_state=seed)
    scaler = StandardScaler().fit(X)
    kept = 60 if quick else len(X)
    estimator = DopamineMLPClassifier if task == "classification" else DopamineMLPRegressor
    return Split(scaler.transform(X)[:kept], y[:kept], scaler.transform(X_test), y_test, estimator)


def summary(model: Any, split: Split, marks: list[Mark]) -> Run:
    spent, clock = np.array([(mark.evaluations, mark.seconds) for mark in marks]).T
    losses = np.minimum.accumulate(model.loss_curve_)
    if hasattr(model, "predict_proba"):
        loss = log_loss(split.y, model.predict_proba(split.X), labels=model.classes_)
    else:
        loss = float(np.mean((model.predict(split.X) - split.y) ** 2)) / 2
    score = model.score(split.X_test, split.y_test)
    return Run(losses, spent, clock, loss, score, model.perturbation_scale)


def fit(split: Split, seed: int, *, critic: bool = True, **params: Any) -> Run:
    """The shipped fit, watched after each epoch; all rows are trained on, and no folds before that are counted."""
    model = split.estimator(random_state=seed, early_stopping=False, **params)
    rate = _critic.RATE if critic else 0.0
    with mock.patch.object(_critic, "RATE", rate), watch() as marks:
        model.fit(split.X, split.y)
    return summary(model, split, marks)


def stream(split: Split, seed: int, *, steered: str, passes: int, scale: float, **params: Any) -> Run:
    """Passes of partial_fit, between which curiosity moves the scale: up where the mean RPE disappoints, else down."""
    rng = np.random.default_rng(seed)
    model = split.estimator(random_state=seed, perturbation_scale=scale, **params)
    known = {"classes": np.unique(split.y)} if split.estimator is DopamineMLPClassifier else {}
    with watch() as marks:
        for _ in range(passes):
            order = rng.permutation(len(split.X))
            model.partial_fit(split.X[order], split.y[order], **known)
            errors = [0.0, *model.reward_prediction_error_curve_]
            disappointed = errors[-1] < 0 or (steered == "falling" and errors[-1] < errors[-2])
            if steered != "no":
                scale = float(np.clip(scale * (1.25 if disappointed else 0.8), *STEERED_RANGE))
                model.set_params(perturbation_scale=scale)
    return summary(model, split, marks)


def rate_methods() -> dict[str, Method]:
    rated = [("constant", rate) for rate in CONSTANT_RATES] + [("invscaling", rate) for rate in INVSCALING_RATES]
    rated += [("dopamine", rate) for rate in CONSTANT_RATES]
    named = {f"{kind}, {rate:g}": partial(fit, learning_rate=kind, learning_rate_init=rate) for kind, rate in rated}
    return {DEFAULT: fit, **named}


def estimator_methods() -> dict[str, Method]:
    others = {rule: partial(fit, perturbation=rule) for rule in ("feedback", "weight")}
    return {DEFAULT: fit, "node, no critic": partial(fit, critic=False), **others}


def population_methods() -> dict[str, Method]:
    cases = product(("node", "weight"), POPULATIONS)
    return {DEFAULT: fit} | {f"{m}, {n} pairs": partial(fit, perturbation=m, n_perturbations=n) for m, n in cases}


def scale_methods(passes: int) -> dict[str, Method]:
    methods: dict[str, Method] = {DEFAULT: fit}
    for mode in ("node", "weight"):
        for scale in SCALES:
            methods[f"{mode}, scale {scale}"] = partial(fit, perturbation=mode, perturbation_scale=scale)
        streamed = partial(stream, perturbation=mode, passes=passes)
        for scale in (STEERED_FROM, 0.1):
            methods[f"{mode}, partial_fit, scale {scale}"] = partial(streamed, steered="no", scale=scale)
        for rule, told in (("negative", "RPE < 0"), ("falling", "RPE < 0 or falling")):
            steered = partial(streamed, steered=rule, scale=STEERED_FROM)
            methods[f"{mode}, partial_fit, raised when {told}"] = steered
    return methods


def compare(name: str, methods: dict[str, Method], n_seeds: int, quick: bool) -> list[tuple[Any, ...]]:
    """Rows of one data set: medians over the seeds."""
    runs: dict[str, list[Run]] = {method: [] for method in methods}
    for seed in range(n_seeds):
        split = load(name, seed, quick)
        functions = {method: partial(function, split, seed) for method, function in methods.items()}
        for method, timed in harness.alternate(functions, start=seed).items():
            runs[method].append(timed[0].result)
        harness.progress(f"{name}, seed {seed}")
    rows = []
    for method, several in runs.items():
        cells = []
        for run, default in zip(several, runs[DEFAULT], strict=True):
            same_evaluations = run.loss_at(default.evaluations[-1], run.evaluations)
            same_seconds = run.loss_at(default.clock[-1], run.clock)
            cost = (run.evaluations[-1] / 1e6, run.clock[-1])
            cells.append((run.loss, 100 * run.score, *cost, same_evaluations, same_seconds))
        loss, score, evaluations, seconds, at_evaluations, at_seconds = np.median(cells, axis=0)
        told = (f"{loss:.4f}", f"{score:.2f}", f"{evaluations:.2f}", f"{seconds:.2f}")
        scales = (
            several[0].scale if isinstance(several[0].scale, str) else f"{np.median([r.scale for r in several]):.3g}"
        )
        rows.append((name, method, *told, f"{at_evaluations:.4f}", f"{at_seconds:.4f}", scales))
    return rows


def main() -> None:
    args = harness.parse(harness.parser(__doc__, seeds=5, sets=SETS))
    passes = 3 if args.quick else PASSES
    tables = {
        "rate": rate_methods(),
        "estimator": estimator_methods(),
        "population": population_methods(),
        "scale": scale_methods(passes),
    }
    columns = ("set", "method", "train loss", "test score", "evaluations (M)", "seconds")
    columns += ("loss at default's evaluations", "loss at default's seconds", "scale at the end")
    notes = (
        f"Medians of {args.seeds} seeds; a third of the rows is the test set; score: accuracy or R2, in points.",
        "Evaluations: rows x perturbed or unperturbed networks. Loss at a budget: lowest epoch's loss within it.",
        f"partial_fit: {passes} passes over the shuffled rows, which do not anneal; steered scales start at "
        f"{STEERED_FROM}, move by 1.25 up or .8 down a pass, and stay within {STEERED_RANGE}.",
    )
    for topic, methods in tables.items():
        rows = []
        for name in args.sets:
            rows += compare(name, methods, args.seeds, args.quick)
        harness.write_table(f"ablation_{topic}", f"Ablation: {topic}", columns, rows, notes, save=args.save)


if __name__ == "__main__":
    main()
