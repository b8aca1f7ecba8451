"""The measures of the KPI scorecard."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.scorecard.kpi import false_alarms
from tests.scorecard.rivals import RIVALS
from tests.scorecard.vus import period_of, vus_pr

PUBLISHED = [
    (1, 0, 0.617432822),
    (1, 7, 0.626015233),
    (2, 30, 0.585838704),
    (3, 60, 0.564312542),
    (4, 125, 0.696341384),
]
"""Seed, period, and what TSB_AD 1.5 gives (generate_curve, version "opt", 250 thresholds)."""


def _case(seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(seed)
    label = np.zeros(800, bool)
    for start in rng.integers(0, 760, 6):
        label[start : start + rng.integers(1, 40)] = True
    return label, np.round(rng.normal(size=800) + 1.5 * label, 1)


@pytest.mark.parametrize(("seed", "period", "published"), PUBLISHED)
def test_vus_pr_is_the_published_number(seed: int, period: int, published: float) -> None:
    label, score = _case(seed)
    assert vus_pr(label, score, period) == pytest.approx(published, abs=1e-6)


def test_a_perfect_score_is_worth_more_than_chance_and_less_than_all() -> None:
    label, _ = _case(1)
    assert vus_pr(label, label.astype(float) + np.linspace(0, 0.1, 800), 10) > 0.85
    assert vus_pr(label, np.random.default_rng(0).normal(size=800), 10) < 0.4


def test_the_period_is_that_of_the_curve_or_125() -> None:
    at = np.arange(5_000)
    assert period_of(np.sin(at / 60 * 2 * np.pi)) == 60
    assert period_of(np.ones(5_000)) == 125


def test_alarms_near_what_is_marked_or_near_each_other_are_not_counted_apart() -> None:
    label, alarm = np.zeros(1_000, bool), np.zeros(1_000, bool)
    label[100:110] = True
    alarm[[95, 118, 300, 305, 500]] = True
    assert false_alarms(alarm, label) == 2
    assert false_alarms(np.zeros(1_000, bool), label) == 0


@pytest.mark.parametrize("name", [name for name in RIVALS if name != "isolation forest"])
def test_a_rival_knows_nothing_of_what_comes_later(name: str) -> None:
    value = np.random.default_rng(3).normal(10, 1, 1_500)
    changed = value.copy()
    changed[1_200:] = 99.0
    score, other = RIVALS[name](value, 300), RIVALS[name](changed, 300)
    np.testing.assert_allclose(score[:1_200], other[:1_200], rtol=1e-9)
