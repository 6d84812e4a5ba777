"""Credit of all weights of a recurrent network, by perturbation and by backpropagation through time.

A net is ``s' = (1 - a) s + a tanh(A x)`` with ``x = (s, u, 1)`` and the output ``(s', u, 1) O``. A rule sees a batch of
windows, and returns the credit of A and O. With `projected`, the readout O is solved by ridge on the judged rows of the
batch (variable projection; Golub and Pereyra, 1973), so that A alone is trained, by the log of the least loss that is
left. All but `backpropagated` read a window forwards and keep nothing of the past: with `projected` they read it
twice, once for the sums that the readout is solved from. Units are perturbed by signs so small that responses are
linear: the response of a unit to its own noise is what `responses` says.
"""

from typing import NamedTuple, Protocol

import numpy as np

from skdopamine._training.critic import Critic

PENALTY = 1e-9  # of the readout, per row
LEAST = 1e-14  # of a loss whose log is taken
SCALE = 0.01  # of perturbed weights, in units of their spread
SPREAD = 0.1  # what a unit step in decorrelated inputs does to the drive of a unit


class Net(NamedTuple):
    weights: np.ndarray  # A (units, features): recurrent, inputs, bias
    readout: np.ndarray  # O (features, outputs)
    leak: float  # a
    unit: np.ndarray  # of each weight
    whitener: np.ndarray | None = None  # R: R x is decorrelated


class Windows(NamedTuple):
    inputs: np.ndarray  # (steps, n, channels)
    targets: np.ndarray  # (steps, n, outputs)
    first: int  # step that is judged first

    def n_judged(self) -> int:
        return (len(self.inputs) - self.first) * self.inputs.shape[1]


class Credit(NamedTuple):
    weights: np.ndarray  # like A, or like A R^-1 where the net has a whitener
    readout: np.ndarray
    loss: float
    moment: np.ndarray  # mean of x x^T
    promised: float = 0.0


class Trace(Protocol):
    """What is carried forwards beside the state."""

    def advance(self, x: np.ndarray, response: np.ndarray) -> None:
        """A step with inputs x (n, features), units answering their own drive with `response` (n, units)."""

    def credit(self, signal: np.ndarray) -> np.ndarray:
        """Credit (units, features) for the credit (n, units) of the present states."""


def step(net: Net, state: np.ndarray, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, tanh(A x) and the next state."""
    x = features(state, inputs)
    active = np.tanh(x @ net.weights.T)
    return x, active, (1 - net.leak) * state + net.leak * active


def features(state: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    return np.concatenate([state, inputs, np.ones((len(inputs), 1))], axis=1)


def solved(gram: np.ndarray, cross: np.ndarray, n_rows: int) -> np.ndarray:
    return np.linalg.solve(gram / n_rows + PENALTY * np.eye(gram.shape[-1]), cross / n_rows)


def with_ridge(net: Net, windows: Windows) -> Net:
    """The net whose readout is solved on these windows, read forwards."""
    state, gram, cross = np.zeros((windows.inputs.shape[1], len(net.weights))), 0.0, 0.0
    for t, inputs in enumerate(windows.inputs):
        _, _, state = step(net, state, inputs)
        if t >= windows.first:
            seen = features(state, inputs)
            gram, cross = gram + seen.T @ seen, cross + seen.T @ windows.targets[t]
    return net._replace(readout=solved(gram, cross, windows.n_judged()))


def finished(
    net: Net, weights: np.ndarray, readout: np.ndarray, loss: float, moment: np.ndarray, *, projected: bool
) -> Credit:
    if projected:  # of the log of the least penalised loss
        loss += 0.5 * PENALTY * float((net.readout**2).sum())
        weights = weights / (loss + LEAST)
    if net.whitener is not None:
        weights = weights @ net.whitener.T
    return Credit(weights, readout, loss, moment)


def backpropagated(net: Net, windows: Windows, rng: np.random.Generator, *, projected: bool) -> Credit:
    """The derivative; inputs, activities and outputs of all steps are kept."""
    n, n_units, total = windows.inputs.shape[1], len(net.weights), windows.n_judged()
    state, xs, actives, seen = np.zeros((n, n_units)), [], [], []
    for t, inputs in enumerate(windows.inputs):
        x, active, state = step(net, state, inputs)
        xs.append(x)
        actives.append(active)
        if t >= windows.first:
            seen.append(features(state, inputs))
    targets = windows.targets[windows.first :].reshape(total, -1)
    joined = np.concatenate(seen)
    if projected:
        net = net._replace(readout=solved(joined.T @ joined, joined.T @ targets, total))
    errors = joined @ net.readout - targets
    loss = 0.5 * float((errors**2).sum()) / total
    errors /= total
    signal = (errors @ net.readout[:n_units].T).reshape(-1, n, n_units)
    carried, weights, moment = np.zeros((n, n_units)), np.zeros_like(net.weights), 0.0
    for t in range(len(xs))[::-1]:
        if t >= windows.first:
            carried = carried + signal[t - windows.first]
        drive = net.leak * carried * (1 - actives[t] ** 2)
        weights += drive.T @ xs[t]
        carried = (1 - net.leak) * carried + drive @ net.weights[:, :n_units]
    if net.whitener is not None:
        every = np.concatenate(xs)
        moment = every.T @ every / len(every)
    return finished(net, weights, joined.T @ errors, loss, np.asarray(moment), projected=projected)


class Present:
    """Nothing is carried: the present state is credited to the present inputs."""

    def __init__(self, net: Net, n: int, rng: np.random.Generator) -> None:
        pass

    def advance(self, x: np.ndarray, response: np.ndarray) -> None:
        self.x, self.response = x, response

    def credit(self, signal: np.ndarray) -> np.ndarray:
        return (signal * self.response).T @ self.x


class Eligibility:
    """What each weight has done to its own unit, through this unit alone (e-prop; Bellec et al., 2020)."""

    def __init__(self, net: Net, n: int, rng: np.random.Generator) -> None:
        self.own, self.kept = np.diag(net.weights), 1 - net.leak
        self.trace = np.zeros((n, *net.weights.shape))

    def advance(self, x: np.ndarray, response: np.ndarray) -> None:
        self.trace *= (self.kept + response * self.own)[:, :, None]
        self.trace += response[:, :, None] * x[:, None]

    def credit(self, signal: np.ndarray) -> np.ndarray:
        return np.einsum("bn,bnf->nf", signal, self.trace)


class Noise:
    """Node perturbation: noise on every unit at every step, credited by what it has done to the present state."""

    decay = 0.9

    def __init__(self, net: Net, n: int, rng: np.random.Generator) -> None:
        n_units = len(net.weights)
        self.rng, self.recurrent, self.kept = rng, net.weights[:, :n_units], 1 - net.leak
        self.moved, self.trace = np.zeros((n, n_units)), np.zeros((n, *net.weights.shape))

    def advance(self, x: np.ndarray, response: np.ndarray) -> None:
        noise = self.rng.choice([-1.0, 1.0], response.shape)
        self.moved = self.kept * self.moved + response * (self.moved @ self.recurrent.T + noise)
        self.trace *= self.decay
        self.trace += noise[:, :, None] * x[:, None]

    def credit(self, signal: np.ndarray) -> np.ndarray:
        regret = (signal * self.moved).sum(axis=1)
        return (regret @ self.trace.reshape(len(regret), -1)).reshape(self.trace.shape[1:])


class LongNoise(Noise):
    """The same with traces that last."""

    decay = 1.0


class UnitNoise:
    """Node perturbation, each unit's own noise followed for itself, one sign a step and window.

    What noise has done (windows, units, units) and what it is to be credited to, a trace of inputs (windows, features),
    are balanced so that their product has the least variance (KF-RTRL; Mujika, Meier and Steger, 2018). The present
    step is credited without noise.
    """

    def __init__(self, net: Net, n: int, rng: np.random.Generator) -> None:
        n_units = len(net.weights)
        self.rng, self.recurrent, self.kept = rng, net.weights[:, :n_units], 1 - net.leak
        self.moved, self.trace = np.zeros((n, n_units, n_units)), np.zeros((n, net.weights.shape[1]))
        self.x, self.response = np.zeros((n, net.weights.shape[1])), np.zeros((n, n_units))

    def advance(self, x: np.ndarray, response: np.ndarray) -> None:
        sizes = [np.sqrt((part.reshape(len(x), -1) ** 2).sum(axis=1)) + 1e-30 for part in self._parts()]
        old, fresh = np.sqrt(sizes[0] / sizes[1]), np.sqrt(sizes[2] / sizes[3])
        sign = self.rng.choice([-1.0, 1.0], len(x))
        self.trace = old[:, None] * self.trace + (sign * fresh)[:, None] * self.x
        self.moved /= old[:, None, None]
        units = np.arange(self.response.shape[1])
        self.moved[:, units, units] += self.response * (sign / fresh)[:, None]
        through = self.moved @ self.recurrent.T
        through *= response[:, None]
        self.moved *= self.kept
        self.moved += through
        self.x, self.response = x, response

    def _parts(self) -> tuple[np.ndarray, ...]:
        return self.moved, self.trace, self.response, self.x

    def credit(self, signal: np.ndarray) -> np.ndarray:
        regret = np.matmul(self.moved, signal[:, :, None])[:, :, 0]
        return (signal * self.response).T @ self.x + regret.T @ self.trace


def carried(
    net: Net,
    windows: Windows,
    rng: np.random.Generator,
    *,
    projected: bool,
    trace: type[Trace],
    critic: list[Critic] | None = None,
) -> Credit:
    """Credit by what is carried forwards; states are credited through the readout, or by what a critic has learnt."""
    net = with_ridge(net, windows) if projected else net
    n, n_units, total = windows.inputs.shape[1], len(net.weights), windows.n_judged()
    state, own, loss, moment = np.zeros((n, n_units)), trace(net, n, rng), 0.0, 0.0
    weights, readout, share = np.zeros_like(net.weights), np.zeros_like(net.readout), np.full((n, 1), 1 / n)
    for t, inputs in enumerate(windows.inputs):
        x, active, state = step(net, state, inputs)
        own.advance(x, net.leak * (1 - active**2))
        if net.whitener is not None:
            moment = moment + x.T @ x
        if t < windows.first:
            continue
        seen = features(state, inputs)
        error = seen @ net.readout - windows.targets[t]
        loss += 0.5 * float((error**2).sum()) / total
        error /= total
        signal = error @ net.readout[:n_units].T
        if critic is not None:
            noise = rng.choice([-1.0, 1.0], (n, n_units))
            critic[0] = critic[0].learned(noise, noise @ net.readout[:n_units], share)
            signal = critic[0].expected(error, np.ones_like(signal))
        weights += own.credit(signal)
        readout += seen.T @ error
    moment = np.asarray(moment) / (n * len(windows.inputs))
    return finished(net, weights, readout, loss, moment, projected=projected)


def member_losses(
    net: Net, weights: np.ndarray, readouts: np.ndarray | None, windows: Windows
) -> tuple[np.ndarray, np.ndarray]:
    """Loss of members (their weights first), the log of the least one where no readouts are given; mean of x x^T."""
    (n_members, n_units, n_features), n = weights.shape, windows.inputs.shape[1]
    recurrent, rest = (part.transpose(0, 2, 1).copy() for part in np.split(weights, [n_units], axis=2))
    state, losses, power, moment = np.zeros((n_members, n, n_units)), np.zeros(n_members), 0.0, 0.0
    gram, cross = np.zeros((n_members, n_features, n_features)), 0.0
    for t, inputs in enumerate(windows.inputs):
        given = np.concatenate([inputs, np.ones((n, 1))], axis=1)
        if net.whitener is not None:
            x = np.concatenate([state[-1], given], axis=1)
            moment = moment + x.T @ x
        state = (1 - net.leak) * state + net.leak * np.tanh(state @ recurrent + given @ rest)
        if t < windows.first:
            continue
        seen = np.concatenate([state, np.broadcast_to(given, (n_members, *given.shape))], axis=2)
        target = windows.targets[t]
        if readouts is not None:
            losses += 0.5 * ((seen @ readouts - target) ** 2).sum(axis=(1, 2))
        else:
            turned = seen.transpose(0, 2, 1)
            gram, cross, power = gram + turned @ seen, cross + turned @ target, power + (target**2).sum()
    total = windows.n_judged()
    if readouts is None:  # y^T y - y^T S O, the least penalised loss
        left = power - (solved(gram, cross, total) * cross).sum(axis=(1, 2))
        losses = total * np.log(np.maximum(0.5 * left / total, LEAST))
    return losses / total, np.asarray(moment) / (n * len(windows.inputs))


def moved_by(net: Net, directions: np.ndarray) -> np.ndarray:
    """What unit steps along directions do to the weights."""
    return directions * net.unit if net.whitener is None else SPREAD * directions @ net.whitener


def weight_perturbed(
    net: Net,
    windows: Windows,
    rng: np.random.Generator,
    *,
    projected: bool,
    n_pairs: int,
    expecting: type[Trace] | None = None,
) -> Credit:
    """Antithetic pairs of directions over all weights; `expecting` foretells regrets, so that the surprise is noise."""
    xi = rng.choice([-1.0, 1.0], (n_pairs, *net.weights.shape))
    of_readout = rng.choice([-1.0, 1.0], (n_pairs, *net.readout.shape))
    move = SCALE * moved_by(net, xi)
    members = np.concatenate([net.weights + move, net.weights - move, net.weights[None]])
    readouts = None
    if not projected:
        move = SCALE * of_readout
        readouts = np.concatenate([net.readout + move, net.readout - move, net.readout[None]])
    losses, moment = member_losses(net, members, readouts, windows)
    regret = (losses[:n_pairs] - losses[n_pairs:-1]) / (2 * SCALE * n_pairs)
    weights = 0.0
    if expecting is not None:
        weights = net.unit * carried(net, windows, rng, projected=projected, trace=expecting).weights
        regret = regret - np.tensordot(xi, weights, 2) / n_pairs
    weights = weights + np.tensordot(regret, xi, 1)
    weights = weights / SPREAD if net.whitener is not None else weights / net.unit
    return Credit(weights, np.tensordot(regret, of_readout, 1), float(losses[-1]), moment)


def one_sided(net: Net, windows: Windows, rng: np.random.Generator, *, n_directions: int) -> Credit:
    """Directions on one side, judged against the unperturbed loss, with the gain that a step of unit rate promises."""
    xi = rng.choice([-1.0, 1.0], (n_directions, *net.weights.shape))
    members = np.concatenate([net.weights + SCALE * moved_by(net, xi), net.weights[None]])
    losses, moment = member_losses(net, members, None, windows)
    regret = (losses[:-1] - losses[-1]) / SCALE
    return Credit(
        np.tensordot(regret, xi, 1) / n_directions, 0 * net.readout, float(losses[-1]), moment, np.mean(regret**2)
    )
