"""The ledger: per team, how many pages were made, how many may be, and the evidence that pages."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jobs.budget.tail import BINS, PeakTail, bin_of, solve_threshold
from schemas.point import BUDGET

if TYPE_CHECKING:
    from jobs.knobs import Knobs

__all__ = ["Account", "BudgetState"]

WEEK_MS = 7 * 86_400_000
_LOOK_BACK_WEEKS = 4.0
"""Spending of these weeks is made good."""
_HORIZON_WEEKS = 1.0
"""Within this time."""
_LEAST, _MOST = 0.2, 3.0
"""The rate aimed at is never further from the budget than these factors."""
_LONGEST_GAP_MS = 300_000
"""More time than this between scores is no time of watching."""
_ROW_EVERY_MS = 300_000
_LEARNING_WEEKS = 1 / 7
_MOST_PAGES = 4_096
_FLOOR = 2.0
"""Least evidence that pages, however quiet the estate: one window in a hundred is that far out."""
_PRIOR_RANGE = (8.0, 14.0)
"""Of the evidence that pages in a new estate."""
_PRIOR_SERIES = 1.0
"""Evidence of several series is stronger than that of a point by this much."""
_PAYLOAD_VERSION = 1


@dataclass
class Account:
    """One budget: of the estate ('') or of one pattern of services."""

    pages_per_week: float
    tail: PeakTail = field(default_factory=PeakTail)
    points: float = 0.0
    """Scored points, fading like the tail."""
    watched_ms: int = 0
    """Time in which scores came; the account's own clock, on which pages are noted."""
    pages: list[tuple[int, int]] = field(default_factory=list)
    """(watched_ms, broker time) of each page of the look-back."""
    pages_total: int = 0
    threshold: float = math.inf

    def pages_within(self, ms: int) -> int:
        """Pages of the last so much watched time."""
        return sum(1 for watched, _ in self.pages if watched > self.watched_ms - ms)

    @property
    def target(self) -> float:
        """Pages per week to aim at now: what the look-back left over or overdrew is made good within the horizon."""
        age = min(self.watched_ms / WEEK_MS, _LOOK_BACK_WEEKS)
        spent = self.pages_within(int(_LOOK_BACK_WEEKS * WEEK_MS))
        wanted = (self.pages_per_week * (age + _HORIZON_WEEKS) - spent) / _HORIZON_WEEKS
        return min(max(wanted, _LEAST * self.pages_per_week), _MOST * self.pages_per_week)

    @property
    def prior(self) -> float:
        """Evidence that the budget would be spent at if surprise were exactly what it claims: more points, more chances, higher."""
        weeks = max(self.tail.weeks, 1e-4)
        per_week = max(self.points / weeks, 1.0) if self.points else 1e8
        return float(np.clip(math.log10(per_week / max(self.pages_per_week, 1e-3)) + _PRIOR_SERIES, *_PRIOR_RANGE))

    def solve(self, still_open: NDArray[Any]) -> None:
        """Set the threshold from what is known."""
        if self.pages_per_week <= 0:
            self.threshold = math.inf
            return
        self.threshold = solve_threshold(self.tail, still_open, self.pages_per_week, self.target, self.prior, _FLOOR)

    @property
    def state(self) -> str:
        """Learning, steady, spent or quiet."""
        if self.tail.weeks < _LEARNING_WEEKS:
            return "learning"
        if self.target <= 0.5 * self.pages_per_week:
            return "spent"
        return "quiet" if self.threshold <= _FLOOR else "steady"


class BudgetState:
    """Accounts of all teams. Bounded: a histogram and the pages of four weeks each."""

    def __init__(self, knobs: Knobs) -> None:
        self.rules = knobs.budget_rules
        self.accounts = {"": Account(knobs.budget_pages_per_week)}
        for budget in self.rules.budgets:
            self.accounts.setdefault(budget.service, Account(budget.pages_per_week))
        self.clock_ms = 0
        """Event time up to which scores came; what a replay or a backlog runs through in minutes counts as what it is."""
        self.told_ms = 0
        self._recent: dict[str, tuple[int, float]] = {}
        """Service -> (clock, evidence) of its last page."""
        self._dirty = False

    def watch(self, newest_ms: int, points: int) -> None:
        """Scores came: `points` of them, of windows that end up to `newest_ms`."""
        self._dirty = True
        passed = min(max(newest_ms - self.clock_ms, 0), _LONGEST_GAP_MS) if self.clock_ms else 0
        self.clock_ms = max(self.clock_ms, newest_ms)
        for account in self.accounts.values():
            fade = math.exp(-passed / WEEK_MS / PeakTail.LIFE_WEEKS)
            account.points = account.points * fade + points
            account.tail.pass_time(passed / WEEK_MS)
            account.watched_ms += passed

    def settle(self, still_open: Iterable[tuple[str, float]]) -> None:
        """Set all thresholds; `still_open` = (team, evidence) of the incidents that go on."""
        counts = {team: np.zeros(BINS) for team in self.accounts}
        for team, evidence in still_open:
            if evidence > 0:
                counts[team if team in counts else ""][bin_of(evidence)] += 1.0
        for team, account in self.accounts.items():
            account.solve(counts[team])

    def over(self, team: str, evidence: float) -> None:
        """An incident is over."""
        if evidence > 0:
            self._dirty = True
            self.account(team).tail.add(evidence)

    def may_repeat(self, service: str, least: float, after_ms: int) -> bool:
        """Whether a service may page: not paged for `after_ms`, or then for less than `least`."""
        at, evidence = self._recent.get(service, (0, 0.0))
        return at + after_ms <= self.clock_ms or evidence <= least

    def page(self, team: str, now_ms: int, service: str, evidence: float) -> None:
        """A page was made."""
        self._dirty = True
        self._recent = {name: page for name, page in self._recent.items() if page[0] + WEEK_MS > self.clock_ms}
        self._recent[service] = (self.clock_ms, evidence)
        account = self.account(team)
        account.pages.append((account.watched_ms, now_ms))
        account.pages_total += 1
        oldest = account.watched_ms - int(_LOOK_BACK_WEEKS * WEEK_MS)
        account.pages = [page for page in account.pages if page[0] > oldest][-_MOST_PAGES:]

    def account(self, team: str) -> Account:
        """Of a team; the estate's where it has none any more."""
        return self.accounts.get(team, self.accounts[""])

    def rows(self, now_ms: int, paged: bool) -> pa.Table:
        """BUDGET: one row per team every five minutes of scores, and whenever there was a page."""
        if not paged and now_ms - self.told_ms < _ROW_EVERY_MS:
            return BUDGET.empty()
        self.told_ms = now_ms
        self._dirty = True
        at = datetime.fromtimestamp(now_ms // 1000, UTC).replace(microsecond=now_ms % 1000 * 1000)
        rows = []
        for team, account in sorted(self.accounts.items()):
            weeks = max(account.tail.weeks, 1 / 10_080)
            rows.append(
                {
                    "team": team,
                    "time": at,
                    "pages_per_week": account.pages_per_week,
                    "pages_7d": account.pages_within(WEEK_MS),
                    "pages_total": account.pages_total,
                    "threshold": account.threshold if math.isfinite(account.threshold) else None,
                    "target_per_week": account.target,
                    "candidates_7d": float(account.tail.counts.sum()) / weeks,
                    "points_per_week": account.points / weeks,
                    "weeks": account.tail.weeks,
                    "state": account.state,
                }
            )
        return pa.Table.from_pylist(rows, schema=BUDGET.arrow)

    def to_bytes(self) -> bytes | None:
        """The segment, when it changed since the last call."""
        if not self._dirty:
            return None
        self._dirty = False
        accounts = {
            team: {
                "counts": {str(i): account.tail.counts[i] for i in np.flatnonzero(account.tail.counts)},
                "weeks": account.tail.weeks,
                "points": account.points,
                "watched_ms": account.watched_ms,
                "pages": account.pages,
                "pages_total": account.pages_total,
                "threshold": account.threshold if math.isfinite(account.threshold) else None,
            }
            for team, account in self.accounts.items()
        }
        payload = {
            "version": _PAYLOAD_VERSION,
            "clock_ms": self.clock_ms,
            "told_ms": self.told_ms,
            "accounts": accounts,
            "recent": self._recent,
        }
        return json.dumps(payload).encode()

    def restore(self, blob: bytes) -> None:
        """Read what `to_bytes` wrote; budgets are those of the knobs, what was learnt stays. A new team starts from the estate's time."""
        payload: Mapping[str, Any] = json.loads(blob)
        self.clock_ms, self.told_ms = payload["clock_ms"], payload["told_ms"]
        self._recent = {service: (at, evidence) for service, (at, evidence) in payload["recent"].items()}
        for team, held in payload["accounts"].items():
            account = self.accounts.get(team)
            if account is None:
                continue
            for i, count in held["counts"].items():
                account.tail.counts[int(i)] = count
            account.tail.weeks, account.points, account.watched_ms = held["weeks"], held["points"], held["watched_ms"]
            account.pages = [(watched, at) for watched, at in held["pages"]]
            account.pages_total = held["pages_total"]
            account.threshold = math.inf if held["threshold"] is None else held["threshold"]
        self._dirty = False
