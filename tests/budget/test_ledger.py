"""The ledger and its threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.budget.evidence import evidence_of, surprise_of_score
from jobs.budget.ledger import WEEK_MS, BudgetState
from jobs.budget.rules import Budget, BudgetRules
from jobs.budget.tail import BINS, EDGES, PeakTail, bin_of, solve_threshold
from jobs.knobs import Knobs

_STEP = 300_000
_START = 1_700_000_000_000


def _state(**knobs: object) -> BudgetState:
    return BudgetState(Knobs(**knobs))  # type: ignore[arg-type]


def _run(state: BudgetState, weeks: float, per_week: float, seed: int = 1, shape: float = 3.0, scale: float = 5.0) -> list[int]:
    """Incidents of Pareto evidence, five minutes at a time; the weeks (whole numbers) in which pages were made."""
    rng = np.random.default_rng(seed)
    pages = []
    first = state.clock_ms or _START
    for step in range(int(weeks * WEEK_MS / _STEP)):
        now = first + step * _STEP
        state.watch(now, 1000)
        if step % 6 == 0:
            state.settle([])
        for n in range(rng.poisson(per_week * _STEP / WEEK_MS)):
            evidence = scale * (rng.pareto(shape) + 1)
            if evidence >= state.accounts[""].threshold:
                state.page("", now, f"{step} {n}", evidence)
                pages.append(int((now - first) // WEEK_MS))
            state.over("", evidence)
    return pages


@pytest.mark.parametrize(("budget", "scale"), [(1, 5.0), (5, 2.0), (5, 40.0), (20, 5.0)])
def test_the_budget_is_spent_and_not_overspent_however_strong_incidents_are(budget: int, scale: float) -> None:
    pages = _run(_state(budget_pages_per_week=budget), 4.3, 400, scale=scale)
    assert budget * 4.3 / 1.5 <= len(pages) <= budget * 4.3 * 1.5


def test_a_noisier_estate_raises_its_threshold_within_two_weeks() -> None:
    state = _state(budget_pages_per_week=5)
    _run(state, 4, 100)
    before = state.accounts[""].threshold
    spent = state.accounts[""].pages_total
    pages = _run(state, 4, 1000, seed=2)
    assert state.accounts[""].threshold > before
    assert pages.count(3) <= 8
    assert state.accounts[""].pages_total == spent + len(pages)


def test_many_series_start_with_a_higher_threshold_than_few() -> None:
    few, many = _state(), _state()
    for state, points in ((few, 10), (many, 10_000_000)):
        for step in range(50):
            state.watch(_START + step * 5_000, points)
        state.settle([])
    assert few.accounts[""].threshold < many.accounts[""].threshold
    assert few.accounts[""].state == many.accounts[""].state == "learning"


def test_a_threshold_of_a_new_estate_lies_where_surprise_says_that_the_budget_is_spent() -> None:
    """10^10 points a week at a budget of 1: one in 10^10 pages, and one more for the company that anomalies keep."""
    state = _state(budget_pages_per_week=1)
    for step in range(100):
        state.watch(_START + step * 6_048, 100_000)
    state.settle([])
    assert state.accounts[""].threshold == pytest.approx(11.0, abs=0.3)


def test_a_budget_of_nothing_never_pages_and_a_team_has_its_own() -> None:
    state = _state(budget_pages_per_week=0, budget_rules=BudgetRules(budgets=(Budget("pay%", 3),)))
    state.watch(_START, 10)
    state.settle([])
    assert state.accounts[""].threshold == float("inf")
    assert state.accounts["pay%"].threshold < 20
    rows = state.rows(_START, paged=True).to_pylist()
    assert [(row["team"], row["pages_per_week"], row["threshold"] is None) for row in rows] == [("", 0, True), ("pay%", 3, False)]


def test_time_without_scores_is_no_time_of_watching() -> None:
    state = _state()
    state.watch(_START, 1)
    state.watch(_START + WEEK_MS, 1)
    assert state.accounts[""].watched_ms == 300_000
    state.watch(_START, 1)
    assert state.accounts[""].watched_ms == 300_000


def test_the_same_service_pages_again_only_for_something_stronger() -> None:
    state = _state()
    state.watch(_START, 1)
    state.page("", _START, "prod cart", 20.0)
    assert not state.may_repeat("prod cart", 19.0, 3_600_000)
    assert state.may_repeat("prod cart", 20.0, 3_600_000)
    assert state.may_repeat("prod shop", 1.0, 3_600_000)
    for step in range(13):
        state.watch(_START + step * 300_000, 1)
    assert state.may_repeat("prod cart", 1.0, 3_600_000)


def test_what_was_learnt_survives_a_restart() -> None:
    state = _state()
    _run(state, 1, 400)
    blob = state.to_bytes()
    assert blob is not None
    assert state.to_bytes() is None
    other = _state()
    other.restore(blob)
    for one in (state, other):
        one.watch(one.clock_ms + 5_000, 7)
        one.settle([("", 9.0)])
    assert vars(other.accounts[""].tail)["weeks"] == state.accounts[""].tail.weeks
    assert other.to_bytes() == state.to_bytes()
    assert len(blob) < 20_000


@given(st.lists(st.floats(0.6, 4_000), max_size=60), st.floats(0.05, 4), st.floats(0.5, 50))
@settings(max_examples=60, deadline=None)
def test_a_smaller_target_never_has_a_lower_threshold(peaks: list[float], weeks: float, budget: float) -> None:
    tail = PeakTail(weeks=weeks)
    for peak in peaks:
        tail.add(peak)
    found = [solve_threshold(tail, np.zeros(BINS), budget, target, 8.0, 2.0) for target in (3 * budget, budget, budget / 5)]
    assert found == sorted(found)
    exceeding = tail.exceeding()
    assert (np.diff(exceeding) <= 1e-9).all()
    assert exceeding[0] == pytest.approx(len(peaks))


def test_bins_hold_what_they_say() -> None:
    assert [bin_of(evidence) for evidence in (0.0, 0.5, 1e9)] == [0, 0, BINS - 1]
    for evidence in (1.0, 7.7, 300.0):
        assert EDGES[bin_of(evidence)] <= evidence < EDGES[bin_of(evidence) + 1]


def test_evidence_grows_with_series_and_with_time_and_is_bounded() -> None:
    one = evidence_of([("a", 0, 10.0)])
    assert one == 10.0
    assert evidence_of([("a", t, 10.0) for t in range(10_000)]) == pytest.approx(16.0)
    assert evidence_of([(str(i), 0, 10.0) for i in range(1000)]) < 19
    assert evidence_of([]) == 0.0
    assert surprise_of_score(None) == 0.0
    assert surprise_of_score(100.0) > 39
