"""A small, made-up world of rows for the dashboards: two services, one fault, one hour."""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from schemas.event import DEAD_LETTER, EVENT
from schemas.point import ANOMALY, BUDGET, INCIDENT, POINT, SCORE
from schemas.record import Record
from schemas.transaction import TRANSACTION

__all__ = ["START", "TRANSACTION_ID", "rows"]

START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
_ROUTES = ("GET /orders/{id}", "POST /orders", "GET /it's/{odd}")
_WIDTHS = (5, 60, 300)
TRANSACTION_ID = hashlib.md5(b"0").hexdigest()
"""A transaction with a gateway span, a backend span, a log record and an access line."""


def rows() -> dict[str, pa.Table]:
    """View name -> rows; a few hundred each at most."""
    events, transactions = _requests()
    scores = _scores()
    made: list[tuple[Record, list[dict[str, Any]]]] = [
        (EVENT, events),
        (TRANSACTION, transactions),
        (POINT, _points()),
        (SCORE, scores),
        (ANOMALY, _anomalies(scores)),
        (INCIDENT, [_incident()]),
        (BUDGET, _budget()),
        (DEAD_LETTER, _dead_letters()),
    ]
    return {record.name: _table(record, content) for record, content in made}


def _table(record: Record, content: list[dict[str, Any]]) -> pa.Table:
    blank = {f.name: _BLANK.get(f.arrow.id) for f in record.fields if not f.clickhouse.startswith("Nullable")}
    return pa.Table.from_pylist([{**blank, **row} for row in content], schema=record.arrow)


_BLANK: dict[int, Any] = {
    pa.string().id: "", pa.bool_().id: False, pa.int32().id: 0, pa.int64().id: 0, pa.uint64().id: 0,
    pa.list_(pa.string()).id: [], pa.binary().id: b"", pa.timestamp("us").id: START,
}  # fmt: skip


def _requests() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    random.seed(7)
    events: list[dict[str, Any]] = []
    transactions = []
    for number in range(120):
        ident, at = hashlib.md5(str(number).encode()).hexdigest(), START + timedelta(seconds=30 * number)
        failed, tree = number % 10 == 0, number % 3 != 2
        error = ("backend" if number % 20 else "timeout") if failed else ""
        method, route = _ROUTES[number % 3].split(" ", 1)
        same = {
            "environment": "prod", "transaction_id": ident, "request_id": f"r-{number}", "topic": "raw", "arrived_at": at,
            "http_request_method": method, "http_route": route, "url_path": route, "client_id": "app-1",
        }  # fmt: skip
        status = 503 if failed else 200
        span = {"kind": "span", "span_kind": "server", "format": "otlp_json", "http_response_status_code": status, "error_category": error}
        hops = [
            {**same, **span, "service_name": "gateway", "span_id": "a", "span_name": f"{method} {route}", "timestamp": at,
             "duration_ms": 40 + random.random() * 20},
            {**same, **span, "service_name": "orders", "span_id": "b", "parent_span_id": "a" if tree else "gone",
             "timestamp": at + timedelta(milliseconds=5), "duration_ms": 20.0},
            {**same, "kind": "access", "format": "nginx_combined", "service_name": "orders", "http_response_status_code": status,
             "error_category": error, "timestamp": at + timedelta(milliseconds=6), "duration_ms": 18.0, "is_late": number % 40 == 0},
            {**same, "kind": "log", "format": "otlp_json", "service_name": "orders", "severity_text": "ERROR", "body": "no stock",
             "timestamp": at + timedelta(milliseconds=7)},
            {**same, **span, "service_name": "orders", "span_id": "b", "timestamp": at, "is_duplicate": True},
        ]  # fmt: skip
        events += [{**hop, "offset": number, "line_index": line} for line, hop in enumerate(hops)]
        transactions.append({
            "transaction_id": ident, "environment": "prod", "request_id": f"r-{number}", "root_span_id": "a", "root_service": "gateway",
            "root_route": route, "services": ["gateway", "orders"], "calls": ["gateway>orders"], "started_at": at,
            "ended_at": at + timedelta(milliseconds=50), "duration_ms": 50.0, "http_response_status_code": status,
            "error_category": error, "is_error": failed, "event_count": 4, "span_count": 2, "error_count": 2 * failed,
            "revision": 2 if number % 40 == 0 else 1, "late_count": int(number % 40 == 0), "duplicate_count": 1,
            "closure_reason": "complete" if tree else "timed_out", "orphan_kind": "" if tree else "missing_parent",
            "first_arrived_at": at, "closed_at": at + timedelta(seconds=1),
        })  # fmt: skip
    return events, transactions


def _series() -> list[tuple[str, str]]:
    routes = [("route", f"{service} {route}") for service in ("gateway", "orders") for route in _ROUTES]
    return [("service", "gateway"), ("service", "orders"), ("environment", "prod"), ("client", "app-1"), *routes]


_METRICS = {
    "request_rate": 2.0, "error_ratio": 0.05, "error_ratio_backend": 0.03, "error_ratio_timeout": 0.02,
    "latency_ms_p50": 20.0, "latency_ms_p95": 45.0, "latency_ms_p99": 80.0, "response_bytes_rate": 4e4,
}  # fmt: skip


def _points() -> list[dict[str, Any]]:
    return [
        {
            "time": START + timedelta(seconds=width * step), "environment": "prod", "entity_kind": kind, "entity": entity,
            "metric": metric, "width_s": width, "value": value * (1 + 0.1 * (step % 3)), "weight": 120.0, "history_count": step,
            "revision": 2 if step == 3 else 1, "source": "window", "emitted_at": START + timedelta(seconds=width * (step + 1) + 2),
        }
        for kind, entity in _series() for metric, value in _METRICS.items() for width in _WIDTHS for step in range(5)
        if step == 0 or metric != "error_ratio_timeout"  # categories have points only while they occur
    ] + [
        {
            "time": START + timedelta(seconds=60 * step), "environment": "staging", "entity_kind": "service", "entity": entity,
            "metric": "request_rate", "width_s": 60, "value": 1.0, "weight": 60.0, "revision": 1, "source": "window",
            "emitted_at": START + timedelta(seconds=60 * (step + 1) + 2),
        }
        for entity in ("gateway", "orders") for step in range(5)
    ]  # fmt: skip


def _scores() -> list[dict[str, Any]]:
    warm = {"expected": 2.0, "lower": 1.5, "upper": 2.5, "deviation_score": 12.0}
    return [
        {
            "time": START + timedelta(seconds=60 * step), "environment": "prod", "entity_kind": "service", "entity": entity,
            "metric": metric, "width_s": 60, "value": 9.0 if step == 40 else 2.0, "weight": 120.0, "revision": 1,
            **({} if step < 10 else warm), "score": None if step < 10 else 97.0 if step == 40 else 12.0, "is_anomaly": step == 40,
            "reason": "4.5 times the expected value" if step == 40 else "", "emitted_at": START + timedelta(seconds=60 * step + 62),
        }
        for entity in ("gateway", "orders") for metric in ("request_rate", "latency_ms_p95") for step in range(50)
    ] + [
        {
            "time": START, "environment": "staging", "entity_kind": "service", "entity": "orders", "metric": "request_rate",
            "width_s": 60, "value": 500.0, "weight": 60.0, "revision": 1, "emitted_at": START,
        }
    ]  # fmt: skip


def _anomalies(scores: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**s, "anomaly_id": f"{n:032x}", "incident_id": "f" * 32} for n, s in enumerate(s for s in scores if s.get("is_anomaly"))]


def _incident() -> dict[str, Any]:
    at = START + timedelta(minutes=40)
    return {
        "incident_id": "f" * 32, "revision": 2, "environment": "prod", "started_at": at, "ended_at": at + timedelta(minutes=1),
        "status": "open", "first_entity_kind": "service", "first_entity": "orders", "strongest_entity_kind": "service",
        "strongest_entity": "orders", "strongest_metric": "request_rate", "max_score": 97.0, "anomaly_count": 4,
        "services": ["gateway", "orders"], "summary": "orders: request_rate is 4.5 times the expected value",
        "evidence": 31.0, "page_threshold": 12.0, "is_page": True, "paged_at": at,
    }  # fmt: skip


def _budget() -> list[dict[str, Any]]:
    numbers = {"pages_per_week": 5.0, "pages_total": 1, "target_per_week": 4.2, "candidates_7d": 40.0, "points_per_week": 1e6, "weeks": 0.3}
    return [
        {**numbers, "team": team, "time": START + timedelta(minutes=10 * n), "pages_7d": int(n > 3), "threshold": 12.0, "state": "steady"}
        for n in range(6)
        for team in ("", "pay%")
    ]


def _dead_letters() -> list[dict[str, Any]]:
    return [
        {
            "arrived_at": START + timedelta(seconds=60 * n), "topic": "raw", "offset": n, "stage": "normalise",
            "reason": ("invalid_json", "unknown_format")[n % 2], "detail": "unexpected end", "original": b'{"a": \xff',
            "job_version": "0.1.0",
        }
        for n in range(20)
    ]  # fmt: skip
