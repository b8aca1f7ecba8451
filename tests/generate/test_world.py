"""The world: same seed, same bytes; the truth counts what is really in the lines."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.generate import Fault, World, WorldSettings
from jobs.generate.topology import Topology


def lines_of(world: World, total: int, chunk: int = 10_000) -> list[bytes]:
    return [line for part in world.chunks(total, chunk) for line in part.lines.to_pylist()]


def read(lines: list[bytes]) -> tuple[list[dict[str, Any]], int]:
    """Readable JSON events, and the number of other lines."""
    events, bad = [], 0
    for line in lines:
        try:
            event = orjson.loads(line)
        except orjson.JSONDecodeError:
            bad += 1
            continue
        sane = event["http_response_status_code"] < 600 and event["duration_ms"] >= 0 and "-02-31" not in event["timestamp"]
        events += [event] if sane else []
        bad += not sane
    return events, bad


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**40), total=st.integers(1, 20_000), chunk=st.integers(1, 9_000), mix=st.sampled_from([0.0, 0.3]))
def test_chunk_size_and_total_change_nothing_but_the_cut(seed: int, total: int, chunk: int, mix: float) -> None:
    options = WorldSettings(mix=mix, malformed=0.01)
    parts = list(World(seed, options).chunks(total, chunk))
    whole = list(World(seed, options).chunks(total, 50_000))
    assert [len(part) for part in parts[:-1]] == [chunk] * (len(parts) - 1)
    assert pa.concat_arrays([part.lines for part in parts]).equals(pa.concat_arrays([part.lines for part in whole]))
    assert sum(len(part) for part in parts) == total


def test_another_seed_is_another_world() -> None:
    assert lines_of(World(1), 500) != lines_of(World(2), 500)


def test_truth_equals_what_a_slow_reader_counts() -> None:
    world = World(5, WorldSettings(duplicates=0.02, malformed=0.01), keep_transactions=True)
    lines = lines_of(world, 40_000)
    events, bad = read(lines)
    truth = world.truth
    assert bad == truth.malformed_lines > 100
    assert len(events) == truth.valid_lines
    assert len(events) - len({event["span_id"] for event in events}) == truth.duplicate_lines > 100
    assert sum(map(len, lines)) == truth.bytes_sent
    spans = defaultdict(set)
    roots = {}
    for event in events:
        spans[event["request_id"]].add(event["span_id"])
        if "parent_span_id" not in event:
            roots[event["request_id"]] = event["span_id"]
    assert len(spans) == truth.transactions
    sizes = Counter(map(len, spans.values()))
    assert {int(n): count for n, count in truth.as_dict()["events_per_transaction"].items()} == sizes
    rows = pa.concat_tables(truth.parts).to_pylist()
    assert {row["request_id"]: row["event_count"] for row in rows} == {key: len(ids) for key, ids in spans.items()}
    assert {row["request_id"]: row["root_span_id"] for row in rows} == roots


def test_children_lie_inside_their_parents() -> None:
    events, _ = read(lines_of(World(8, WorldSettings(late=0, duplicates=0, malformed=0)), 20_000))
    by_span = {event["span_id"]: event for event in events}

    def window(event: dict[str, Any]) -> tuple[float, float]:
        seconds = float(event["timestamp"][17:26])
        return seconds, seconds + event["duration_ms"] / 1000

    checked = 0
    for event in events:
        parent = by_span.get(event.get("parent_span_id"))
        if parent and parent["timestamp"][:16] == event["timestamp"][:16]:
            (start, end), (parent_start, parent_end) = window(event), window(parent)
            assert parent_start <= start + 2e-6
            assert end <= parent_end + 2e-6
            checked += 1
    assert checked > 10_000


def test_services_of_the_truth_are_in_order_of_their_first_event() -> None:
    world = World(8, WorldSettings(duplicates=0, malformed=0), keep_transactions=True)
    events, _ = read(lines_of(world, 20_000))
    seen = defaultdict(list)
    for event in sorted(events, key=lambda event: event["timestamp"]):
        seen[event["request_id"]].append(event["service_name"])
    rows = pa.concat_tables(world.truth.parts).to_pylist()
    assert all(row["services"] == list(dict.fromkeys(seen[row["request_id"]])) for row in rows)


def test_late_lines_arrive_two_to_thirty_seconds_after_their_end() -> None:
    world = World(3, WorldSettings(lines_per_s=2_000, late=0.05, duplicates=0, malformed=0, start_ms=1_767_225_600_000))
    late = 0
    for chunk in world.chunks(20_000):
        for line, arrival in zip(chunk.lines.to_pylist(), chunk.arrival_ms, strict=True):
            event = orjson.loads(line)
            minutes, seconds = int(event["timestamp"][14:16]), float(event["timestamp"][17:26])
            held = arrival / 1000 - (60 * minutes + seconds + event["duration_ms"] / 1000)
            assert -0.002 < held < 31
            late += held > 2
    assert late == world.truth.late_lines > 500


def test_arrivals_are_in_order() -> None:
    last = 0
    for chunk in World(3, WorldSettings(late=0.1)).chunks(30_000, 1_000):
        assert chunk.arrival_ms[0] >= last
        assert (chunk.arrival_ms[1:] >= chunk.arrival_ms[:-1]).all()
        last = chunk.arrival_ms[-1]


def test_a_mixed_world_counts_its_formats() -> None:
    world = World(4, WorldSettings(mix=0.4, malformed=0))
    lines = lines_of(world, 20_000)
    marks = {b" app/edge/": "alb", b"resourceSpans": "otlp", b'{"timestamp': "json", b"HTTP/1.1": "nginx"}
    found = Counter(next(name for mark, name in marks.items() if mark in line) for line in lines)
    assert found == world.truth.format_lines
    assert len(found) == 4


@pytest.mark.parametrize("size", [1, 7, 100])
def test_messages_hold_all_lines_of_one_format_each(size: int) -> None:
    for chunk in World(4, WorldSettings(mix=0.4, malformed=0)).chunks(5_000, 2_500):
        messages = chunk.messages(size).to_pylist()
        assert Counter(line for message in messages for line in message.split(b"\n")) == Counter(chunk.lines.to_pylist())
        assert max(message.count(b"\n") + 1 for message in messages) == size
        kinds = [{line.startswith(b'{"time') for line in message.split(b"\n")} for message in messages]
        assert all(len(kind) == 1 for kind in kinds)


def slow_share(events: list[dict[str, Any]], service: str, ms: float) -> float:
    times = [event["duration_ms"] for event in events if event["service_name"] == service]
    return float(sum(time > ms for time in times) / len(times))


def test_a_latency_fault_shows_in_the_service_and_its_callers_while_it_lasts() -> None:
    fault = Fault("latency_step", "payments", 1.0, 2.0, "POST /charges", magnitude=6)
    events, _ = read(lines_of(World(6, WorldSettings(faults=(fault,), late=0)), 30_000))
    during = [event for event in events if event["timestamp"][17:19] == "01"]
    before = [event for event in events if event["timestamp"][17:19] == "00"]
    assert slow_share(during, "payments", 150) > 0.5 > slow_share(before, "payments", 150) + 0.4
    assert slow_share(during, "checkout", 150) > slow_share(before, "checkout", 150) + 0.3


@pytest.mark.parametrize(
    ("kind", "service", "statuses", "caller"),
    [("errors_backend", "inventory", {503}, 502), ("errors_timeout", "orders", {504}, 504), ("errors_authentication", "auth", {401}, 401)],
)
def test_an_error_fault_fails_the_service_and_climbs_to_the_gateway(kind: str, service: str, statuses: set[int], caller: int) -> None:
    events, _ = read(lines_of(World(6, WorldSettings(faults=(Fault(kind, service, 0, 9, magnitude=0.5),))), 20_000))
    own = [event["http_response_status_code"] in statuses for event in events if event["service_name"] == service]
    assert 0.4 < sum(own) / len(own) < 0.6
    gateway = [event["http_response_status_code"] == caller for event in events if event["service_name"] == "gateway"]
    assert sum(gateway) / len(gateway) > 0.1


@pytest.mark.parametrize(("kind", "factor"), [("traffic_drop", 0.1), ("traffic_surge", 4.0)])
def test_a_traffic_fault_changes_the_number_of_calls(kind: str, factor: float) -> None:
    options = WorldSettings(faults=(Fault(kind, "search", 2, 3),), late=0, duration_s=3)
    events, _ = read([line for chunk in World(6, options).chunks() for line in chunk.lines.to_pylist()])
    by_second = Counter(event["timestamp"][17:19] for event in events if event["service_name"] == "search")
    assert by_second["02"] / by_second["01"] == pytest.approx(factor, rel=0.15)


def test_a_route_of_the_topology_never_exceeds_eight_hops_and_children_follow_parents() -> None:
    topology = Topology()
    assert topology.count.max() == 8
    for route in topology.routes:
        assert [hop.parent for hop in route.hops][0] == -1
        assert all(0 <= hop.parent < index for index, hop in enumerate(route.hops) if index)


def test_the_daily_shape_has_its_mean_over_the_day() -> None:
    import numpy as np

    from jobs.generate.traffic import daily_factor

    factors = daily_factor(np.arange(0, 86_400.0))
    assert factors.mean() == pytest.approx(1)
    assert factors.argmax() // 3600 in (14, 15)
