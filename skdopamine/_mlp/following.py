"""How the units of a regressor follow its targets, from one batch of a stream or warm start to the next."""

from collections.abc import Callable

import numpy as np

from skdopamine._mlp import network as _network
from skdopamine._mlp.network import Network
from skdopamine._mlp.problem import Sample
from skdopamine._mlp.training import Recent, Training
from skdopamine._mlp.units import Units
from skdopamine._objectives.base import Objective
from skdopamine._training.update import typical
from skdopamine._typing import Array

JUDGED_ROWS = 1000
FAR_BETTER = 0.5  # of the loss


def followed(
    training: Training,
    network: Network,
    sample: Sample,
    *,
    whole: bool,
    level: float | None,
    degree: int,
    judge: Callable[[Units], Objective],
    start: Callable[[Units], Array],
) -> Training:
    """The training in units that suit the targets to come, of which `sample` has the first, or all where `whole`.

    `level` is that of `Units.of`, `degree` the power of the units that the loss grows with. `judge` gives a loss of
    outputs in some units, `start` parameters to start from.

    The network stays the function that it is. An output that `judge` finds far better where it is only read in the new
    unit is read so, and the training begins anew: its unit was that of rows unlike these, and nothing worth keeping was
    learnt in it.
    """
    if training.recent is None:
        return training
    now = Recent.of(sample.target, sample.weight)
    recent = now if whole else now.after(training.recent)
    old, (units, changed) = training.units, training.units.following(*recent, level=level)
    training = training._replace(recent=recent.latest(len(now.weight)))
    if not changed.any():
        return training
    fresh, few = start(units), sample.at(slice(None, None, -(-len(now.weight) // JUDGED_ROWS)))

    def losses(moved: Array) -> Array:
        params = training.counted_in(units, moved, fresh, degree).state.params
        output = _network.forward(network, params, few.X.astype(params.dtype, copy=False))
        return judge(units).by_output(output, units.scaled(few.target))

    share = Recent.of(few.target, few.weight).weight
    share = share / share.sum()
    with np.errstate(all="ignore"):
        kept = np.array([typical(column, share) for column in losses(changed).T])
        read = np.array([typical(column, share) for column in losses(changed & ~old.varies).T])
    worthless = old.varies & (read < FAR_BETTER * kept)
    training = training.counted_in(units, changed & ~worthless, fresh, degree)
    return training.anew() if (changed & (worthless | ~old.varies)).any() else training
