from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from schemas.event import RAW
from udfs.normalise import NormaliseSettings, normalise

_TRACE, _SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def _events(*objects: dict[str, Any], topic: str = "raw", **settings: Any) -> list[dict[str, Any]]:
    lines = [json.dumps({"method": "GET", "path": "/a", **each}).encode() for each in objects]
    n = len(lines)
    raw = pa.table([lines, [topic] * n, [0] * n, list(range(n)), [0] * n], schema=RAW.arrow)
    events: list[dict[str, Any]] = normalise(raw, NormaliseSettings(**settings)).events.to_pylist()
    return events


def test_hops_that_log_other_headers_of_one_trace_join() -> None:
    texts = [f"00-{_TRACE}-{_SPAN}-01", f"{_TRACE}-{_SPAN}-1", f"{_TRACE}/17;o=1", f"|{_TRACE}.{_SPAN}.", f"{_TRACE}:{_SPAN}:0:1", _TRACE]
    events = _events(*({"trace_id": text} for text in texts))
    assert {event["trace_id"] for event in events} == {_TRACE}
    assert len({event["transaction_id"] for event in events}) == 1
    assert [event["parent_span_id"] for event in events] == [_SPAN, _SPAN, f"{17:016x}", _SPAN, _SPAN, ""]


def test_a_trace_header_logged_as_request_id_joins_by_its_trace() -> None:
    header, plain = _events({"request_id": f"00-{_TRACE}-{_SPAN}-01"}, {"trace_id": _TRACE})
    assert (header["request_id"], header["trace_id"]) == ("", _TRACE)
    assert header["transaction_id"] == plain["transaction_id"]


def test_a_logged_parent_goes_before_that_of_the_header() -> None:
    (event,) = _events({"trace_id": f"00-{_TRACE}-{_SPAN}-01", "parent_span_id": "1234567890abcdef"})
    assert event["parent_span_id"] == "1234567890abcdef"


def test_ids_of_other_writings_stay() -> None:
    (event,) = _events({"request_id": "7b3f1c9e-8f0d-4e5a-9d6c-2b1a0f9e8d7c", "trace_id": "my-own:id/7"})
    assert (event["request_id"], event["trace_id"]) == ("7b3f1c9e-8f0d-4e5a-9d6c-2b1a0f9e8d7c", "my-own:id/7")


@pytest.mark.parametrize("source", ["edge", "prod", "checkout", "json"])
def test_a_source_may_be_joined_by_one_id_only(source: str) -> None:
    hop = {"environment": "prod", "service_name": "checkout", "trace_id": _TRACE}
    first, second = _events({**hop, "request_id": "a"}, {**hop, "request_id": "b"}, topic="edge", joins_by={source: "trace_id"})
    assert first["transaction_id"] == second["transaction_id"]
    apart = _events({**hop, "request_id": "a"}, {**hop, "request_id": "b"}, topic="edge", joins_by={"another": "trace_id"})
    assert apart[0]["transaction_id"] != apart[1]["transaction_id"]
    assert apart[0]["request_id"] == "a"
