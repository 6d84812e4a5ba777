"""The table of credit rules: what `perturbation` chooses from."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from skdopamine._mlp import network as _network
from skdopamine._mlp.activations import COARSE
from skdopamine._mlp.network import Network
from skdopamine._mlp.node import NodeProblem
from skdopamine._mlp.problem import Data, NetworkProblem
from skdopamine._mlp.weight import WeightProblem
from skdopamine._objectives.base import Objective, SetObjective

AUTO = "node"
NODE_DRAWS, WEIGHT_MEMBERS = 1, 16
PARAMETERS_PER_MEMBER, MOST_MEMBERS = 40, 64  # of weight perturbation, where each batch has all rows
# of all weights, to one side: what the curvature adds to a slope is in proportion; less is lost in rounding
ONE_SIDED_SCALE: dict[Any, float] = {np.float64: 1e-4, np.float32: 1e-3}
MOST_ONE_SIDED = 1e-3
# sizes of the perturbation for objectives that stand still under small ones, as metrics do:
DECISION_SCALE, VALUE_SCALE = 1.0, 0.1  # of a classifier's and of a regressor's outputs
FLAT_WEIGHT_SCALE = 0.1  # of all weights


class Options(NamedTuple):
    """What the parameters of an estimator say about its credit rule; None is "auto"."""

    auto_scales: list[float]  # sizes that suit each hidden layer's activation, then that of the outputs
    scale: float | None
    n_perturbations: int | None
    n_jobs: int | None
    alpha: float
    seed: int
    whole: bool = False  # whether each batch has all rows, and the rate is moved by what steps gain on them


class Mode(NamedTuple):
    """A credit rule."""

    make: Callable[[Network, Objective | SetObjective, Data, Options], NetworkProblem]
    ceiling: float  # of the learning rate
    deep_schedule: float = 1.0  # share of the schedule's epochs that two and more hidden layers need


def _node(
    network: Network, objective: Objective | SetObjective, data: Data, options: Options, *, judged: bool = True
) -> NodeProblem:
    *hidden, scale = options.auto_scales
    n_draws = NODE_DRAWS
    if isinstance(objective, SetObjective):  # such an objective judges perturbations of the outputs
        scale = VALUE_SCALE if objective.of_values else DECISION_SCALE
        n_draws = objective.n_pairs
    elif options.scale is not None:
        hidden = [options.scale] * len(hidden)
    return NodeProblem(
        network,
        objective,
        data,
        hidden_scales=hidden,
        judged=judged,
        scale=options.scale or scale,
        n_perturbations=options.n_perturbations or n_draws,
        alpha=options.alpha,
        seed=options.seed,
    )


def _weight(network: Network, objective: Objective | SetObjective, data: Data, options: Options) -> WeightProblem:
    scale = max([*options.auto_scales, *([FLAT_WEIGHT_SCALE] if objective.flat else [])])
    own, least = options.scale, ONE_SIDED_SCALE[data.X.dtype.type]
    promises = options.whole and not objective.flat and max(options.auto_scales) < COARSE and network.signs is None
    promises = promises and (own is None or least <= own <= MOST_ONE_SIDED)
    scale = least if promises else scale
    members = WEIGHT_MEMBERS
    if promises:
        members = min(MOST_MEMBERS, max(1, round(_network.n_parameters(network) / PARAMETERS_PER_MEMBER)))
    return WeightProblem(
        network,
        objective,
        data,
        scale=options.scale or scale,
        n_perturbations=options.n_perturbations or members,
        promises=promises,
        n_jobs=options.n_jobs,
        alpha=options.alpha,
        seed=options.seed,
    )


MODES = {
    "node": Mode(_node, ceiling=0.01, deep_schedule=0.5),
    "feedback": Mode(partial(_node, judged=False), ceiling=0.01, deep_schedule=0.5),
    "weight": Mode(_weight, ceiling=0.02),
}


def find_mode(perturbation: str) -> Mode:
    """The credit rule of this name."""
    return MODES[AUTO if perturbation == "auto" else perturbation]
