"""Two million lines while every part is killed in turn, twice. Takes about six minutes: `make chaos`."""

from __future__ import annotations

import time

import pytest

from jobs.generate.world import WorldSettings
from jobs.stack.stack import Stack
from tests.e2e.conftest import stack  # noqa: F401
from tests.e2e.run import expected_counts, kill_under_load, new_run

pytestmark = pytest.mark.chaos

VICTIMS = ("python worker", "store", "taskmanager", "kafka", "jobmanager", "frozen store", "frozen kafka")


def test_two_million_lines_are_exact_although_every_part_is_killed_twice(stack: Stack) -> None:  # noqa: F811
    run = new_run(stack, "chaos")
    settings = WorldSettings(start_ms=int(time.time() * 1000), lines_per_s=8_000.0)
    truths, counts = kill_under_load(run, settings, 2_000_000, VICTIMS * 2, pause_s=6, settle_s=600)
    assert counts == expected_counts(truths)
