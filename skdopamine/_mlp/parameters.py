"""What the parameters of a network may be, and mean to the trainer: learning rate, schedule, settings, credit rule."""

from math import ceil
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import is_regressor

from skdopamine._estimator.validation import (
    COMMON_CONSTRAINTS,
    count,
    has_methods,
    integer,
    non_negative,
    one_of,
    plain,
    positive,
)
from skdopamine._mlp import network as _network
from skdopamine._mlp.activations import ACTIVATIONS, layer_activations
from skdopamine._mlp.modes import MODES, Options, find_mode
from skdopamine._mlp.network import Network
from skdopamine._mlp.problem import Data, NetworkProblem
from skdopamine._objectives.base import Objective, SetObjective
from skdopamine._training.learning_rate import LearningRate, Promised, make_rule
from skdopamine._training.update import Settings

AUTO_BATCH = 200
METRIC_BATCH = 1000  # rows of a minibatch: of fewer, a metric is too noisy
SCHEDULE = 200  # epochs of the annealed schedule if an epoch is one batch
SHRINKING = 0.4  # the schedule shrinks with this power of the batches of an epoch
PLATEAU_ABOVE = 0.5  # of the first loss: a plateau above that is to be crossed, and is not convergence
MOST_LAYERS = 1000
REGRESSION_CEILING = 0.7  # of a mode's ceiling: residuals are noise to the end, and small sets are soon overfitted


CONSTRAINTS: dict[str, list[Any]] = {  # of the parameters that classifier and regressor have
    **COMMON_CONSTRAINTS,
    "hidden_layer_sizes": ["array-like", count()],
    "activation": [one_of(*ACTIVATIONS), callable, list, tuple],
    "perturbation": [one_of("auto", *MODES)],
    "learning_rate_init": [positive()],
    "alpha": [non_negative()],
    "batch_size": [one_of("auto"), count()],
    "shuffle": ["boolean"],
    "warm_start": ["boolean"],
    "early_stopping": ["boolean", one_of("auto")],
    "scoring": [str, callable, None],
    "init": [has_methods("fit", "predict"), None],
    "n_jobs": [count(), integer(high=-1), None],
}


def check_hidden_layer_sizes(value: Any) -> tuple[int, ...]:
    """Hidden layer sizes as a tuple of positive integers; an int means one layer."""
    value = plain(value)
    sizes = [value] if isinstance(value, Integral) else list(value)
    if not all(isinstance(size, int | np.integer) and type(size) is not bool and size > 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be a positive integer or a sequence of them, got {value!r}.")
    if len(sizes) > MOST_LAYERS:
        raise ValueError(f"hidden_layer_sizes must have at most {MOST_LAYERS} entries, got {len(sizes)}.")
    return tuple(int(size) for size in sizes)


def output_gain(estimator: Any, network: Network) -> float:
    """Gain of the initial weights of the output layer."""
    return layer_activations(estimator.activation, len(network.activations))[-1].gain


def make_problem(
    estimator: Any, network: Network, objective: Objective | SetObjective, data: Data, seed: int, *, whole: bool
) -> NetworkProblem:
    """The problem of the chosen credit rule; with `whole`, the data are all rows that there will be."""
    options = Options(
        auto_scales=[a.scale for a in layer_activations(estimator.activation, len(network.activations))],
        scale=None if estimator.perturbation_scale == "auto" else float(estimator.perturbation_scale),
        n_perturbations=None if estimator.n_perturbations == "auto" else int(estimator.n_perturbations),
        n_jobs=estimator.n_jobs,
        alpha=float(estimator.alpha),
        seed=seed,
        whole=whole and estimator.learning_rate == "dopamine" and len(data.target) <= nominal_batch(estimator),
    )
    return find_mode(estimator.perturbation).make(network, objective, data, options)


def make_learning_rate(estimator: Any, problem: NetworkProblem) -> LearningRate:
    """The chosen rule of the learning rate, for a problem."""
    if problem.promises:
        return Promised(float(estimator.learning_rate_init))
    ceiling = find_mode(estimator.perturbation).ceiling * (REGRESSION_CEILING if is_regressor(estimator) else 1.0)
    return make_rule(estimator.learning_rate, float(estimator.learning_rate_init), ceiling, float(estimator.power_t))


def nominal_batch(estimator: Any) -> int:
    """Rows of a minibatch, if there are as many."""
    return AUTO_BATCH if estimator.batch_size == "auto" else int(estimator.batch_size)


def full_schedule(estimator: Any, n_rows: int) -> int:
    """Number of epochs that the schedule needs, whatever `max_iter` allows."""
    max_iter = int(estimator.max_iter)
    if estimator.learning_rate != "dopamine":
        return max_iter + 1
    n_batches = ceil(n_rows / min(nominal_batch(estimator), n_rows))
    needed: float = SCHEDULE / n_batches**SHRINKING
    if len(check_hidden_layer_sizes(estimator.hidden_layer_sizes)) > 1:
        # but no fewer updates than in a schedule of one batch each epoch
        needed = max(find_mode(estimator.perturbation).deep_schedule * needed, SCHEDULE / n_batches)
    return ceil(needed * max(1, max_iter / SCHEDULE))


def make_settings(estimator: Any, problem: NetworkProblem, *, n_past: int, first_epoch: int) -> Settings:
    """Settings of the trainer; `n_past` epochs of the schedule have been run, and `first_epoch` in all."""
    n_rows, nominal, annealed = problem.n_rows(), nominal_batch(estimator), estimator.learning_rate == "dopamine"
    of_metric = isinstance(problem.objective, SetObjective) and estimator.batch_size == "auto"
    n_epochs = min(estimator.max_iter, full_schedule(estimator, n_rows)) - n_past
    scale: Any = 1.0
    if not problem.promises:
        scale = _network.step_scale(problem.network, output_gain(estimator, problem.network), problem.dtype)
    return Settings(
        n_epochs=n_epochs,
        schedule=n_epochs if annealed else 0,
        first_epoch=first_epoch,
        batch_size=min(METRIC_BATCH if of_metric else nominal, n_rows),
        nominal_batch=nominal,
        shuffle=estimator.shuffle,
        momentum=float(estimator.momentum),
        tol=float(estimator.tol),
        n_iter_no_change=estimator.n_iter_no_change * problem.n_updates_of_all,
        seed=problem.seed,
        plateau_above=PLATEAU_ABOVE if annealed else np.inf,
        step_scale=scale,
        normalised=not problem.promises,
        promises=problem.promises,
        signs=problem.network.signs,
    )
