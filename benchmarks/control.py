"""Delayed reward: CartPole (200 steps) and Acrobot, learnt by episodes; ablations of the credit rule at depth 1 to 3.

DopamineMLPPolicy by `train_episodes`, its objective "policy", with `entropy=0.05` and `trace_decay=0.95`; the rules of
`_rules.py` at their fixed rate, all on the same dynamics. Solved: the mean of 20 episodes in a row is at least 195
(CartPole) or -100 (Acrobot), within 300 or 150 episodes and, of the ablations, a number of steps.

    python benchmarks/control.py            # writes results/control.md
    python benchmarks/control.py --quick    # one seed, few episodes, prints only
"""

import _harness as harness  # isort: skip  (sets the threads before numpy loads)

import time
from collections.abc import Callable

import _rules
import numpy as np
from _worlds import Acrobot, CartPole, Single

from skdopamine import DopamineMLPPolicy
from skdopamine.control import Episode, train_episodes

UNITS, WINDOW = 32, 20
PARAMS = {"objective": "policy", "entropy": 0.05}
TASKS = {"CartPole": (CartPole, 195.0, 300, (1, 2, 3)), "Acrobot": (Acrobot, -100.0, 150, (1,))}
MOST_STEPS = {"CartPole": 25_000, "Acrobot": 50_000}  # of each seed of an ablation


def solved_at(returns: np.ndarray, level: float) -> float:
    """Episodes until the mean of a window reaches the level; infinite if it never does."""
    if len(returns) < WINDOW:
        return np.inf
    means = np.convolve(returns, np.ones(WINDOW) / WINDOW, "valid")
    return float((means >= level).argmax() + WINDOW) if (means >= level).any() else np.inf


def enough_of(level: float) -> Callable[[list[float]], bool]:
    return lambda returns: len(returns) >= WINDOW and bool(np.mean(returns[-WINDOW:]) >= level)


class Enough:
    """Stops where the task is solved."""

    def __init__(self, level: float) -> None:
        self.level, self.returns = level, []

    def __call__(self, episode: Episode) -> bool:
        self.returns.append(episode.total)
        return bool(np.isfinite(solved_at(np.array(self.returns[-WINDOW:]), self.level)))


def of_policy(world: type, depth: int, level: float, n_episodes: int, n_seeds: int) -> list[np.ndarray]:
    runs = []
    for seed in range(n_seeds):
        policy = DopamineMLPPolicy((UNITS,) * depth, "leaky_relu", **PARAMS, random_state=seed)
        enough, traces = Enough(level), {"discount": 0.99, "trace_decay": 0.95}
        train_episodes(policy, Single(world), n_episodes, **traces, callbacks=enough, random_state=seed)
        runs.append(np.array(enough.returns))
    return runs


def main() -> None:
    args = harness.parse(harness.parser(__doc__, seeds=5))
    rows, notes = [], []
    for name, (world, level, n_episodes, depths) in TASKS.items():
        n_episodes = 30 if args.quick else n_episodes
        for depth in depths:
            at, level_of = {}, {}
            for rule in ("DopamineMLPPolicy", *_rules.RULES):
                begin = time.perf_counter()
                if rule == "DopamineMLPPolicy":
                    runs = of_policy(world, depth, level, n_episodes, args.seeds)
                else:
                    hidden = (UNITS,) * depth
                    sizes = {"n_episodes": n_episodes, "n_seeds": args.seeds, "most_steps": MOST_STEPS[name]}
                    runs = _rules.episodes(world, hidden, rule, enough=enough_of(level), **sizes)
                at[rule] = np.array([solved_at(run, level) for run in runs])
                level_of[rule] = float(np.mean([run[-WINDOW:].mean() for run in runs]))
                n_solved, seconds = int(np.isfinite(at[rule]).sum()), time.perf_counter() - begin
                median = f"{np.median(at[rule]):.0f}" if np.isfinite(np.median(at[rule])) else "-"
                cells = (f"{n_solved} of {args.seeds}", median, f"{level_of[rule]:.0f}", f"{seconds:.0f}")
                rows.append([name, str(depth), rule, *cells])
                harness.progress(" | ".join(rows[-1]))
            solved = float(np.isfinite(at["DopamineMLPPolicy"]).sum())
            label = f"{name}, depth {depth}"
            notes.append(harness.verdict(f"{label}, seeds solved", solved, at_least=float(args.seeds), form=".0f"))
            if name == "CartPole":
                with np.errstate(invalid="ignore"):
                    ratio = float(np.median(at["DopamineMLPPolicy"]) / np.median(at["exact"]))
                notes.append(harness.verdict(f"{label}, episodes relative to exact REINFORCE", ratio, at_most=1.2))
    notes.append("Episodes to the solution are medians over the seeds, - where fewer than half have solved it.")
    columns = ("task", "depth", "rule", "solved", "episodes", f"mean return of the last {WINDOW}", "seconds")
    title = "Delayed reward: CartPole and Acrobot by episodes, and credit rules by depth"
    harness.write_table("control", title, columns, rows, notes, save=args.save)


if __name__ == "__main__":
    main()
