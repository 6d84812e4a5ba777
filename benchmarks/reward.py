"""Learning from reward alone: DopamineMLPPolicy as a contextual bandit and from logs, beside LinUCB and ablations.

Classification sets become bandits: an action earns 1 if it is the class of the row, and nothing is known of the others.
Exploration is counted. LinUCB is MABWiser's where it is installed, else the same in NumPy, at the best of three widths
on each set. Ablations compare the credit rules at fixed rates, without the closed-form readout.

    python benchmarks/reward.py            # writes results/reward.md
    python benchmarks/reward.py --rivals   # beside Vowpal Wabbit and contextualbandits; writes results/reward_rivals.md
    python benchmarks/reward.py --quick    # one seed, fewer passes, prints only
"""

import _harness as harness  # isort: skip  (sets the threads before numpy loads)

import time

import _data
import _rules
import numpy as np
from sklearn.datasets import load_digits, make_classification
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skdopamine import DopamineMLPClassifier, DopamineMLPPolicy

HIDDEN, SIZE, PASSES = (64, 64), 8, 5
WIDTHS = (0.1, 0.3, 1.0)  # of LinUCB; the best is taken
N_LOGGED = 20_000
SKEW = 1.0  # spread of the logits of the skewed log
DEPTHS = (1, 2, 3)


def load(name: str) -> tuple[np.ndarray, np.ndarray]:
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        return X / 16, y
    if name == "generated":
        X, y = make_classification(3000, 20, n_informative=12, n_classes=6, class_sep=1.5, random_state=0)
        return StandardScaler().fit_transform(X), y
    X, y, _ = _data.load(name)
    return np.asarray(_data.preprocessor(X).fit_transform(X), dtype=float), y


class NumpyLinUCB:
    """LinUCB (Li et al., 2010) in NumPy, with MABWiser's calls."""

    def __init__(self, n_actions: int, n_features: int, alpha: float) -> None:
        self.alpha = alpha
        self.gram = np.tile(np.eye(n_features), (n_actions, 1, 1))
        self.moment = np.zeros((n_actions, n_features))

    def predict(self, X: np.ndarray) -> np.ndarray:
        inverse = np.linalg.inv(self.gram)
        mean = np.einsum("nd,kde,ke->nk", X, inverse, self.moment, optimize=True)
        width = np.sqrt(np.einsum("nd,kde,ne->nk", X, inverse, X, optimize=True))
        return np.asarray((mean + self.alpha * width).argmax(axis=1))

    def partial_fit(self, actions: np.ndarray, reward: np.ndarray, X: np.ndarray) -> None:
        for action, value, x in zip(actions, reward, X, strict=True):
            self.gram[action] += np.outer(x, x)
            self.moment[action] += value * x


def lin_ucb(n_actions: int, n_features: int, alpha: float, seed: int) -> object:
    try:
        from mabwiser.mab import MAB, LearningPolicy
    except ImportError:
        return NumpyLinUCB(n_actions, n_features, alpha)
    rule = LearningPolicy.LinUCB(alpha=alpha, l2_lambda=1.0)
    bandit = MAB(arms=list(range(n_actions)), learning_policy=rule, seed=seed)
    bandit.fit([0], [0.0], np.zeros((1, n_features)))  # a row of zeros tells it nothing but the number of features
    return bandit


class Lin:
    """LinUCB as an agent."""

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha

    def begin(self, X: np.ndarray, n_actions: int, seed: int) -> None:
        self.bandit = lin_ucb(n_actions, X.shape[1], self.alpha, seed)

    def act(self, X: np.ndarray) -> tuple[np.ndarray, None]:
        return np.atleast_1d(self.bandit.predict(X)), None

    def learn(self, X: np.ndarray, actions: np.ndarray, reward: np.ndarray, propensity: None) -> None:
        self.bandit.partial_fit(actions, reward, X)


class Policy:
    """DopamineMLPPolicy as an agent."""

    def __init__(self, **params: object) -> None:
        self.params = params

    def begin(self, X: np.ndarray, n_actions: int, seed: int) -> None:
        self.policy = DopamineMLPPolicy(HIDDEN, random_state=seed, **self.params)
        self.n_actions, self.rng = n_actions, np.random.default_rng(seed)

    def act(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not hasattr(self.policy, "coefs_"):
            return self.rng.integers(0, self.n_actions, len(X)), np.full(len(X), 1 / self.n_actions)
        return self.policy.sample(X)

    def learn(self, X: np.ndarray, actions: np.ndarray, reward: np.ndarray, propensity: np.ndarray) -> None:
        self.policy.partial_fit(X, actions, reward=reward, propensity=propensity, classes=np.arange(self.n_actions))


class VowpalWabbit:
    """Vowpal Wabbit's contextual bandit as an agent: linear scores, and its reductions that explore."""

    def __init__(self, rule: str) -> None:
        self.rule = rule

    def begin(self, X: np.ndarray, n_actions: int, seed: int) -> None:
        import vowpalwabbit

        self.rng = np.random.default_rng(seed)
        self.model = vowpalwabbit.Workspace(f"--cb_explore {n_actions} {self.rule} --random_seed {seed} --quiet")

    def act(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        p = np.array([self.model.predict(example(x)) for x in X])
        actions = _rules.draw(p, self.rng)
        return actions, p[np.arange(len(X)), actions]

    def learn(self, X: np.ndarray, actions: np.ndarray, reward: np.ndarray, propensity: np.ndarray) -> None:
        for x, action, value, p in zip(X, actions, reward, propensity, strict=True):
            self.model.learn(f"{action + 1}:{-value}:{p} {example(x)}")


def example(x: np.ndarray) -> str:
    """A row in Vowpal Wabbit's text format."""
    return "| " + " ".join(f"{k}:{x[k]:.5g}" for k in np.flatnonzero(x))


class ContextualBandits:
    """LinUCB of contextualbandits as an agent."""

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha

    def begin(self, X: np.ndarray, n_actions: int, seed: int) -> None:
        from contextualbandits.online import LinUCB

        self.policy = LinUCB(nchoices=n_actions, alpha=self.alpha, random_state=seed + 1)  # it refuses 0
        self.n_actions, self.rng, self.is_new = n_actions, np.random.default_rng(seed), True

    def act(self, X: np.ndarray) -> tuple[np.ndarray, None]:
        if self.is_new:
            return self.rng.integers(0, self.n_actions, len(X)), None
        return np.asarray(self.policy.predict(X)).astype(int), None

    def learn(self, X: np.ndarray, actions: np.ndarray, reward: np.ndarray, propensity: None) -> None:
        self.policy.partial_fit(X, actions, reward)
        self.is_new = False


WABBITS = {
    "squarecb": "--squarecb --gamma_scale 1000",
    "squarecb, pairs of features": "--squarecb --interactions ::",
    "cover": "--cover 5",
    "softmax": "--softmax --lambda 30",
}
RIVALS = {
    "policy": lambda: Policy(),
    **{f"contextualbandits LinUCB {alpha}": lambda alpha=alpha: ContextualBandits(alpha) for alpha in WIDTHS},
    **{f"Vowpal Wabbit {name}": lambda rule=rule: VowpalWabbit(rule) for name, rule in WABBITS.items()},
}
AGENTS = {
    "policy": lambda: Policy(),
    "inverse gap": lambda: Policy(exploration="inverse_gap"),
    "softmax": lambda: Policy(exploration="softmax"),
    "RPE x log-probability": lambda: Policy(objective="policy"),
    **{f"LinUCB {alpha}": lambda alpha=alpha: Lin(alpha) for alpha in WIDTHS},
}
VARIANTS = ("inverse gap", "softmax", "RPE x log-probability")


def run(agent: Lin | Policy, X: np.ndarray, y: np.ndarray, passes: int, seed: int) -> list[float]:
    """Share of right actions in each pass."""
    rng, shares = np.random.default_rng(seed), []
    agent.begin(X, int(y.max()) + 1, seed)
    for _ in range(passes):
        order, right = rng.permutation(len(y)), []
        for rows in np.array_split(order, -(-len(y) // SIZE)):
            actions, propensity = agent.act(X[rows])
            reward = (actions == y[rows]) * 1.0
            agent.learn(X[rows], actions, reward, propensity)
            right.extend(reward)
        shares.append(float(np.mean(right)))
    return shares


def bandits(names: list[str], n_seeds: int, passes: int) -> tuple[list[list[str]], list[str]]:
    rows, notes = [], []
    for name in names:
        X, y = load(name)
        shares = {}
        for agent, make in AGENTS.items():
            if agent in VARIANTS and name not in ("digits", "generated"):
                continue
            begin = time.perf_counter()
            shares[agent] = np.mean([run(make(), X, y, passes, seed) for seed in range(n_seeds)], axis=0)
            seconds = (time.perf_counter() - begin) / n_seeds
            cells = (f"{shares[agent][0]:.3f}", f"{shares[agent][-1]:.3f}", f"{seconds:.1f}")
            rows.append([name, agent, *cells])
            harness.progress(" | ".join(rows[-1]))
        first, last = (max(shares[f"LinUCB {alpha}"][k] for alpha in WIDTHS) for k in (0, -1))
        policy = shares["policy"]
        if name == "digits":
            notes += [
                harness.verdict("digits, first pass", policy[0], at_least=0.83, form=".3f"),
                harness.verdict(f"digits, pass {passes}", policy[-1], at_least=0.98, form=".3f"),
            ]
        notes.append(harness.verdict(f"{name}, first pass over LinUCB", policy[0] - first, at_least=0.0, form="+.3f"))
        if last < 0.95:
            gain = policy[-1] - last
            notes.append(harness.verdict(f"{name}, pass {passes} over LinUCB", gain, at_least=0.03, form="+.3f"))
    return rows, notes


def rivals(names: list[str], n_seeds: int, passes: int) -> tuple[list[list[str]], list[str]]:
    rows, notes = [], []
    for name in names:
        (X, y), first = load(name), {}
        for agent, make in RIVALS.items():
            begin = time.perf_counter()
            shares = np.mean([run(make(), X, y, passes, seed) for seed in range(n_seeds)], axis=0)
            seconds, first[agent] = (time.perf_counter() - begin) / n_seeds, shares[0]
            rows.append([name, agent, *(f"{share:.3f}" for share in (shares[0], shares[-1])), f"{seconds:.1f}"])
            harness.progress(" | ".join(rows[-1]))
        ahead = first.pop("policy") - max(first.values())
        notes.append(
            harness.verdict(f"{name}, first pass over the best of the others", ahead, at_least=0.0, form="+.3f")
        )
    notes.append("Batches of 8 rows; rates and widths of the others are the best of a few on digits.")
    return rows, notes


def ablations(n_seeds: int, passes: int) -> tuple[list[list[str]], list[str]]:
    X, y = load_digits(return_X_y=True)
    X, steps, rows, notes = X / 8 - 0.5, len(y) // SIZE, [], []

    def of_passes(right: np.ndarray) -> tuple[float, float]:
        return float(right[:, :steps].mean()), float(right[:, -steps:].mean())

    for depth in DEPTHS:
        mean = {}
        for kind in _rules.RULES:
            right = _rules.policy_bandit(X, y, (64,) * depth, kind, passes=passes, n_seeds=n_seeds)
            mean[kind] = right.mean()
            rows.append([f"RPE x log-probability, depth {depth}", kind, *(f"{s:.3f}" for s in of_passes(right)), ""])
            harness.progress(" | ".join(rows[-1]))
        for other in ("rmhl", "nrl"):
            label = f"depth {depth}, mean of {passes} passes, groups + critic over {other}"
            notes.append(harness.verdict(label, mean["critic"] - mean[other], at_least=0.0, form="+.3f"))
    until, mean = {}, {}
    for kind in ("exact", "critic"):
        right = _rules.reward_bandit(X, y, HIDDEN, kind, passes=passes, n_seeds=n_seeds)
        smooth = np.apply_along_axis(lambda r: np.convolve(r, np.ones(50) / 50, "valid"), 1, right).mean(axis=0)
        until[kind], mean[kind] = int((smooth >= 0.8).argmax()) * SIZE, right.mean()
        cells = (f"{s:.3f}" for s in of_passes(right))
        rows.append(["reward of each action, replay 4, no readout", kind, *cells, f"{until[kind]} rows to .8"])
        harness.progress(" | ".join(rows[-1]))
    notes += [
        harness.verdict("rows to .8 relative to the exact gradient", until["critic"] / until["exact"], at_most=1.15),
        harness.verdict(
            f"mean of {passes} passes below exact", mean["exact"] - mean["critic"], at_most=0.02, form=".3f"
        ),
    ]
    return rows, notes


def make_log(X: np.ndarray, y: np.ndarray, skewed: bool, seed: int) -> dict[str, np.ndarray]:
    """Rows at random, with actions of a uniform policy or of a linear one that knows nothing of the task."""
    rng = np.random.default_rng(seed)
    rows, n_actions = rng.integers(0, len(y), N_LOGGED), int(y.max()) + 1
    logits = X[rows] @ rng.standard_normal((X.shape[1], n_actions))
    logits = SKEW * (logits - logits.mean(axis=0)) / logits.std() if skewed else np.zeros_like(logits)
    p = np.exp(_rules.log_softmax(logits))
    actions = _rules.draw(p, rng)
    reward = (actions == y[rows]) * 1.0
    return {"X": X[rows], "y": actions, "reward": reward, "propensity": p[np.arange(N_LOGGED), actions]}


def logs(n_seeds: int) -> tuple[list[list[str]], list[str]]:
    X, y = load("digits")
    rows, notes, accuracy = [], [], {}
    for kind in ("full labels", "uniform", "skewed"):
        for objective in ("reward", "policy", "ips", "snips", "dr", "switch_dr") if kind != "full labels" else ("",):
            right, begin = [], time.perf_counter()
            for seed in range(n_seeds):
                A, B, a, b = train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)
                if kind == "full labels":
                    model = DopamineMLPClassifier(HIDDEN, random_state=seed).fit(A, a)
                else:
                    log = make_log(A, a, kind == "skewed", seed)
                    model = DopamineMLPPolicy(HIDDEN, objective=objective, random_state=seed).fit(**log)
                right.append((model.predict(B) == b).mean())
            accuracy[kind, objective] = float(np.mean(right))
            seconds = (time.perf_counter() - begin) / n_seeds
            rows.append([f"log, {kind}", objective, "", f"{accuracy[kind, objective]:.3f}", f"{seconds:.1f}"])
            harness.progress(" | ".join(rows[-1]))
    for kind, most in (("uniform", 0.02), ("skewed", 0.04)):
        behind = accuracy["full labels", ""] - accuracy[kind, "reward"]
        notes.append(harness.verdict(f"{kind} log, behind the classifier", behind, at_most=most, form="+.3f"))
    return rows, notes


def speed(n_batches: int) -> str:
    X, y = load("digits")
    policy, rng, seconds = DopamineMLPPolicy((64,), random_state=0), np.random.default_rng(0), 0.0
    for k in range(n_batches):
        rows = rng.integers(0, len(y), 100)
        actions = policy.sample(X[rows])[0] if k else rng.integers(0, 10, 100)
        begin = time.process_time()
        policy.partial_fit(X[rows], actions, reward=actions == y[rows], classes=np.arange(10))
        seconds += time.process_time() - begin
    return harness.verdict(
        "rows a second of CPU, batches of 100, 64 units", 100 * n_batches / seconds, at_least=1e4, form=",.0f"
    )


def main() -> None:
    parser = harness.parser(__doc__, seeds=5)
    parser.add_argument("--rivals", action="store_true", help="beside Vowpal Wabbit and contextualbandits, no more")
    args = harness.parse(parser)
    passes = 2 if args.quick else PASSES
    if args.rivals:
        rows, notes = rivals(["digits"] if args.quick else ["digits", "generated"], args.seeds, passes)
        columns = ("set", "agent", "first pass", f"pass {passes}", "seconds")
        title = "Bandits: DopamineMLPPolicy beside Vowpal Wabbit and contextualbandits"
        harness.write_table("reward_rivals", title, columns, rows, notes, save=args.save)
        return
    names = ["digits"] if args.quick else ["digits", "generated", "leaf_id_flavia", "hpc_data"]
    rows, notes = bandits(names, args.seeds, passes)
    for more, told in (ablations(args.seeds, 2 if args.quick else 20), logs(min(args.seeds, 2))):
        rows += more
        notes += told
    notes.append(speed(20 if args.quick else 200))
    notes.append(
        "Bandits: batches of 8 rows; of ablations, 20 passes; logs: 20,000 rows, two seeds, held-out accuracy."
    )
    columns = (
        "set or task",
        "agent or rule",
        "first pass",
        f"last pass ({passes}) or held out",
        "seconds, or rows to .8",
    )
    title = "Learning from reward alone: bandits, credit rules and logs"
    harness.write_table("reward", title, columns, rows, notes, save=args.save)


if __name__ == "__main__":
    main()
