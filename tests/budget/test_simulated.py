"""The short version of `python -m tests.scorecard.budget`."""

from __future__ import annotations

from collections import defaultdict

import pytest

from tests.scorecard.budget import Achieved, Run, simulate, trials
from tests.scorecard.estate import Baseline, Estate

Ran = tuple[Estate, Baseline, list[Run], list[Achieved]]
_DAYS, _ROUTES = 1.0, 60


@pytest.fixture(scope="module")
def ran() -> Ran:
    return simulate(_DAYS, _ROUTES, [5], seed=3)


def test_pages_of_a_simulated_estate_keep_to_the_budget(ran: Ran) -> None:
    *_, achieved = ran
    # a day is a seventh of a week's five; a page more or less is chance
    assert achieved[0].pages <= 5
    assert achieved[0].incidents >= achieved[0].pages


def test_large_faults_page_soon_and_once(ran: Ran) -> None:
    estate, baseline, runs, _ = ran
    by_kind = defaultdict(list)
    for trial in trials(estate, baseline, runs[0], _DAYS, 1, hours=0.2):
        by_kind[trial.kind, trial.size].append(trial)
    for kind in ("latency spike", "latency step"):
        assert all(trial.delay_s is not None and trial.delay_s <= 130 for trial in by_kind[kind, 5])
        assert all(trial.seen_s is not None and trial.seen_s <= 15 for trial in by_kind[kind, 5])
    assert all(trial.pages for trial in by_kind["errors", 0.5])
    assert max(trial.pages for each in by_kind.values() for trial in each) <= 2
