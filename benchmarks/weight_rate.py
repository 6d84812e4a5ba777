"""Weight perturbation with the rate of the paper: loss evaluations until a loss is reached, from any start of the rate.

Each problem is one batch, so that the rate follows what its steps gain of what the credit promised. Ours is the shipped
`fit` with perturbation="weight"; against it stands the same rule at constant rates (numpy, below): one direction an
update, judged against the unperturbed loss, ``theta -= rate * regret * direction``. The last two problems had no part
in any choice.

    python benchmarks/weight_rate.py [--quick] [--seeds N]      # writes results/weight_rate.md
"""

import warnings
from typing import Any, NamedTuple
from unittest import mock

import _harness as harness
import numpy as np
from sklearn.datasets import load_breast_cancer, load_iris, make_circles, make_moons
from sklearn.preprocessing import StandardScaler
from xor import X as XOR
from xor import Y as XOR_LABELS
from xor import median, shown

from skdopamine import DopamineMLPClassifier
from skdopamine._mlp import network as _network
from skdopamine._mlp.activations import ACTIVATIONS
from skdopamine._mlp.network import Network
from skdopamine._training import trainer as _trainer

STARTS = (0.001, 0.1, 3.0)
CONSTANT = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
CONSTANT_SEEDS = 20
EPOCHS, UPDATES = 4000, 6000
SCALE = 0.001
TITLE = "Weight perturbation: evaluations to solve"


class Case(NamedTuple):
    """A problem of two classes, the units of its hidden layer, and the loss that solves it."""

    X: np.ndarray
    y: np.ndarray
    hidden: int
    goal: float
    n_starts: int
    target: float | None  # evaluations at most, median


def cases() -> dict[str, Case]:
    bits = np.array([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)], float)
    cancer, malign = load_breast_cancer(return_X_y=True)
    flowers, kind = load_iris(return_X_y=True)
    return {
        "XOR, 2-8-1": Case(XOR, XOR_LABELS, 8, 0.05, 200, 1_100),
        "parity of 3 bits, 3-12-1": Case(bits, bits.sum(axis=1) % 2, 12, 0.05, 40, 5_000),
        "moons, 2-8-1": Case(*make_moons(100, noise=0.2, random_state=0), 8, 0.25, 40, 17_000),
        "breast cancer, 200 rows, 10-5-1": Case(
            StandardScaler().fit_transform(cancer)[:200, :10], malign[:200], 5, 0.1, 40, 130_000
        ),
        "circles, 2-10-1": Case(*make_circles(120, noise=0.1, factor=0.4, random_state=0), 10, 0.1, 40, None),
        "versicolor among irises, 4-6-1": Case(StandardScaler().fit_transform(flowers), kind == 1, 6, 0.1, 40, None),
    }


def ours(case: Case, seed: int, **params: Any) -> float:
    """Evaluations until the loss is below the goal; the fit is cut short there."""
    spent, run_epoch = [np.inf], _trainer.run_epoch

    def watched(*args: Any, **kwargs: Any) -> Any:
        result = run_epoch(*args, **kwargs)
        if result[1].loss < case.goal:
            spent[0] = result[0].n_evaluations
            raise KeyboardInterrupt
        return result

    model = DopamineMLPClassifier((case.hidden,), "tanh", perturbation="weight", max_iter=EPOCHS, random_state=seed)
    with mock.patch.object(_trainer, "run_epoch", watched), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cut short: the loss is where it has to be
        model.set_params(**params).fit(case.X, case.y)
    return spent[0]


def constant(case: Case, seed: int, rate: float) -> float:
    """The textbook rule, from initial parameters of the same law."""
    rng = np.random.default_rng(seed)
    network = Network((case.X.shape[1], case.hidden, 1), (ACTIVATIONS["tanh"],))
    params, sign = _network.init_params(network, ACTIVATIONS["tanh"].gain, rng, np.float64), 1 - 2 * (case.y > 0)

    def loss(params: np.ndarray) -> float:
        output = _network.forward(network, params, case.X)[:, 0]
        return float(np.logaddexp(0, sign * output).mean())

    for update in range(UPDATES):
        now = loss(params)
        if not np.isfinite(now):
            return np.inf
        if now < case.goal:
            return (2 * update + 1) * len(case.X)
        direction = 2.0 * rng.integers(0, 2, len(params)) - 1
        params = params - rate * (loss(params + SCALE * direction) - now) / SCALE * direction
    return np.inf


def cell(evaluations: list[float]) -> str:
    """Median, and how many were solved if not all."""
    solved = int(np.isfinite(evaluations).sum())
    return shown(median(evaluations)) + ("" if solved == len(evaluations) else f" ({solved} of {len(evaluations)})")


def main() -> None:
    args = harness.parse(harness.parser(__doc__, seeds=200))
    rows, notes = [], []
    for name, case in cases().items():
        n_starts = 2 if args.quick else min(args.seeds, case.n_starts)
        default = [ours(case, seed) for seed in range(n_starts)]
        started = [[ours(case, seed, learning_rate_init=start) for seed in range(n_starts)] for start in STARTS]
        n_constant = min(n_starts, CONSTANT_SEEDS)
        rivals = [[constant(case, seed, rate) for seed in range(n_constant)] for rate in CONSTANT]
        rows.append((name, n_starts, *map(cell, [default, *started, *rivals])))
        harness.progress(" | ".join(map(str, rows[-1])))
        if case.target is not None:
            label = f"{name}, evaluations at the defaults"
            notes.append(harness.verdict(label, median(default), at_most=case.target, form=",.0f"))
        every = [default, *started]
        solved = float(np.mean(np.isfinite(every)))
        notes.append(harness.verdict(f"{name}, share of all starts solved", solved, at_least=1.0, form=".3f"))
        medians = [median(evaluations) for evaluations in started]
        notes.append(harness.verdict(f"{name}, slowest over fastest start", max(medians) / min(medians), at_most=1.5))
        always = [median(rival) for rival in rivals if np.isfinite(rival).all()]
        if always:
            share = median(default) / min(always)
            notes.append(f"{name}: {share:.2f} of the evaluations of the fastest constant rate that always solves it")
    notes.append(
        "Evaluations: rows x networks until the training loss was first below the goal, median over the starts, those "
        f"unsolved counted as infinite. A constant rate has {UPDATES} updates on {CONSTANT_SEEDS} starts, ours "
        f"max_iter={EPOCHS}. All else is at the defaults."
    )
    columns = ("problem", "starts", "default", *(f"from {s:g}" for s in STARTS), *(f"constant {r:g}" for r in CONSTANT))
    harness.write_table("weight_rate", TITLE, columns, rows, notes, save=args.save)


if __name__ == "__main__":
    main()
