"""The demonstration's judgement: which anomaly counts as having found which fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from jobs.config import ClickHouseConfig, load_config
from jobs.demo import FAULT_SIGNS, HISTORY_S, LIVE_S, Demo, demo_faults, demo_settings, find_fault
from jobs.generate import Fault
from jobs.generate.faults import KINDS
from jobs.generate.topology import Topology
from jobs.sinks.clickhouse import ClickHouseSink
from schemas.event import DEAD_LETTER
from schemas.point import ANOMALY

START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
FAULT = Fault("latency_step", "payments", 60, 70, "POST /charges")
HIT: dict[str, Any] = {"entity": "payments POST /charges", "metric": "latency_ms_p95", "at_s": 60, "emitted_s": 67, "score": 90.0}

Found = Callable[[dict[str, Any]], Any]


@pytest.fixture
def found(fresh_database: ClickHouseConfig) -> Found:
    """Put one anomaly into an empty store and look for the fault."""

    def look(row: dict[str, Any]) -> Any:
        blank: dict[str, Any] = {f.name: "" for f in ANOMALY.fields if f.arrow == pa.string()}
        made = {
            **blank,
            "anomaly_id": f"{row['entity']} {row['metric']}",
            "time": START + timedelta(seconds=row["at_s"]),
            "emitted_at": START + timedelta(seconds=row["emitted_s"]),
            "environment": row.get("environment", "aws-prod"),
            "entity_kind": "route",
            "entity": row["entity"],
            "metric": row["metric"],
            "width_s": 5,
            "value": 200.0,
            "weight": 50.0,
            "score": row["score"],
            "is_anomaly": row.get("is_anomaly", True),
            "revision": 1,
            "reason": "too slow",
        }
        sink = ClickHouseSink(fresh_database)
        sink.insert(ANOMALY, pa.Table.from_pylist([made], schema=ANOMALY.arrow))
        sink.close()
        client = fresh_database.client()
        try:
            return find_fault(client, row.get("fault", FAULT), START.timestamp())
        finally:
            client.close()

    return look


def test_an_anomaly_of_the_service_in_time_and_kind_finds_the_fault(found: Found) -> None:
    finding = found(HIT)
    assert finding.found_after_s == pytest.approx(7.0)
    assert (finding.entity, finding.score, finding.reason) == ("payments POST /charges", 90.0, "too slow")


def test_the_service_as_a_whole_counts_too(found: Found) -> None:
    assert found({**HIT, "entity": "payments"}).found_after_s is not None


@pytest.mark.parametrize(
    "other",
    [
        {"entity": "checkout POST /checkout/{id}"},
        {"entity": "payments-archive"},
        {"metric": "request_rate"},
        {"at_s": 50},
        {"at_s": 90},
        {"at_s": 58, "emitted_s": 59},
        {"is_anomaly": False},
        {"fault": Fault("latency_step", "payments", 60, 70, environment="gcp-prod")},
    ],
)
def test_another_service_metric_time_or_environment_does_not(found: Found, other: dict[str, Any]) -> None:
    assert found({**HIT, **other}).found_after_s is None


def test_every_kind_of_fault_has_signs() -> None:
    assert set(FAULT_SIGNS) == set(KINDS)


def test_the_planted_faults_lie_in_the_live_part_one_after_the_other_and_reach_something() -> None:
    faults = demo_faults(HISTORY_S)
    times = [(fault.start_s, fault.end_s) for fault in faults]
    assert all(end <= start for (_, end), (start, _) in zip(times, times[1:], strict=False))
    assert times[0][0] > HISTORY_S
    assert times[-1][1] <= HISTORY_S + LIVE_S
    assert all(fault.reaches(Topology()).any() for fault in faults)


def test_the_world_starts_so_that_its_live_part_is_now() -> None:
    settings = demo_settings(1_800_000_000.0, 100.0)
    assert settings.start_ms == 1_799_999_900_000
    assert settings.duration_s == 100 + LIVE_S


def test_only_what_came_with_this_demonstration_is_counted(fresh_database: ClickHouseConfig) -> None:
    arrivals = [START - timedelta(seconds=30), START, START + timedelta(seconds=5)]
    rows = [{"topic": "raw", "partition": 0, "offset": n, "line_index": 0, "arrived_at": at} for n, at in enumerate(arrivals)]
    sink = ClickHouseSink(fresh_database)
    sink.insert(DEAD_LETTER, DEAD_LETTER.conform(pa.Table.from_pylist(rows)))
    sink.close()
    demo = Demo(replace(load_config(), clickhouse=fresh_database))
    demo.live_start = START.timestamp() + 0.9
    assert demo.count().dead_letters == 2
