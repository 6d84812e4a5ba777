"""Gains of a reservoir as a problem of the trainer: coordinates, populations, and what members are judged by."""

import numpy as np
import pytest
from reservoirs import gains_of_one

from skdopamine._esn import gains_problem as _gains_problem
from skdopamine._esn import reservoir as _reservoir
from skdopamine._esn.forecast import Assignment
from skdopamine._esn.gains_problem import LEAST, MOST, PENALTIES, GainsProblem, decode, encode
from skdopamine._esn.reader import SeriesReader
from skdopamine._objectives.base import SquaredError
from skdopamine._objectives.scorers import FunctionLoss

GAINS = gains_of_one(radius=0.4, leak=0.9, inputs=0.3, bias=0.5)
WIDE = (np.array([-9.0]), np.array([9.0]))
NOISE = np.random.default_rng(0).standard_normal(400)
SERIES = {
    "smooth": np.sin(0.3 * np.arange(400))[:, None] + 0.3 * np.sin(0.05 * np.arange(400))[:, None],
    "noisy": (np.sin(0.3 * np.arange(400)) + 0.3 * NOISE)[:, None],
}


def gains_problem(series="noisy", objective=None, horizon=20):
    rows = SERIES[series]
    reader = SeriesReader(rows[:-1], np.arange(3))
    objective = objective or SquaredError()
    task = Assignment(reader, rows[1:], True, 20, 300, horizon, WIDE, objective)
    weights = _reservoir.init_weights(15, 1, 0.6, np.random.default_rng(0))
    return GainsProblem(weights, task, GAINS, n_windows=6, n_pairs=2, scale=0.5, seed=0)


def test_coordinates_of_gains_are_those_gains():
    members = np.random.default_rng(0).uniform(LEAST, MOST, (5, 6))
    np.testing.assert_allclose(encode(decode(members, 0.0)), members, rtol=1e-9)
    assert encode(GAINS._replace(leak_rate=np.array([1.0])))[0, 1] == _gains_problem.LEAK_LIMIT
    assert np.isfinite(encode(GAINS._replace(spectral_radius=np.zeros(1), ridge=np.zeros(1)))).all()


@pytest.mark.parametrize("series", SERIES)
@pytest.mark.parametrize("alike", [True, False])
def test_a_member_is_judged_in_company_as_it_is_alone(series, alike):
    own, start = gains_problem(series), encode(GAINS)[0]
    directions = np.random.default_rng(1).standard_normal((4, 6))
    members = start + directions * (PENALTIES if alike else 1)
    together = own.member_losses(members)
    assert together.shape == (4, 6)
    alone = np.concatenate([own.member_losses(member[None]) for member in members])
    np.testing.assert_allclose(together, alone, rtol=1e-6)  # nearly singular without noise
    assert len(np.unique(together.mean(axis=1))) == 4


def test_the_first_population_covers_the_range_and_the_second_the_penalties(monkeypatch):
    own, start, seen = gains_problem(), encode(GAINS)[0], []
    monkeypatch.setattr(own, "member_losses", lambda members: seen.append(members) or np.zeros((len(members), 6)))
    batch = own.batch(slice(None))
    for update in range(3):
        own.credit(start, own.init_memory(), batch, update)
    first, second, third = (members[1:] for members in seen)
    assert all((members[0] == start).all() for members in seen)
    assert ((first >= LEAST) & (first <= MOST)).all()
    assert (np.ptp(first, axis=0) > 0.8 * (MOST - LEAST)).all()
    assert (second[:, PENALTIES == 0] == start[PENALTIES == 0]).all()
    assert np.diff(second[:, PENALTIES == 1], axis=0) == pytest.approx(np.log(10))
    np.testing.assert_allclose(third.mean(axis=0), start)  # antithetic


def test_the_credit_leads_to_the_best_and_the_best_is_kept():
    own, start = gains_problem(), encode(GAINS._replace(ridge=np.array([1e3])))[0]
    batch = own.batch(slice(None))
    before = own.losses(start, batch).mean()
    estimate = own.credit(start, own.init_memory(), batch, 0)
    best, merit = estimate.memory
    np.testing.assert_allclose(start - estimate.credit, best[0])
    assert merit[0] == pytest.approx(own.member_losses(best).mean())
    assert merit[0] < before - 0.05
    assert estimate.n_evaluations == 17 * 6
    later = own.credit(start, estimate.memory, batch, 5)
    assert later.memory[1][0] <= merit[0]


def test_losses_of_known_gains_are_not_simulated_again(monkeypatch):
    own, start = gains_problem(), encode(GAINS)[0]
    own.credit(start, own.init_memory(), own.batch(slice(None)), 0)
    monkeypatch.setattr(own, "member_losses", None)
    assert own.losses(start, own.batch(slice(2, 4))).shape == (2,)


def test_members_that_fail_are_the_worst_and_a_loss_of_a_user_has_no_bound():
    failing = encode(GAINS)[0]
    failing[2] = np.nan
    assert (gains_problem().member_losses(failing[None]) == _gains_problem.WORST).all()

    def large(y_true, y_pred):
        return 1e3 + np.abs(y_true - y_pred)

    found = gains_problem(objective=FunctionLoss(large, lambda values: values)).member_losses(encode(GAINS)[:1])
    assert ((found > 1e3) & np.isfinite(found)).all()
