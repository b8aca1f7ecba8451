"""OpenTelemetry SDK -> Collector (HTTPS, API key) -> broker -> job -> ClickHouse: every trace is one transaction, exactly."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from jobs.stack.machine import free_ports
from jobs.stack.stack import Stack
from tests.e2e.otelcol import BINARY, certificate, https_door, running_collector
from tests.e2e.run import new_run, running_job

pytest.importorskip("opentelemetry.sdk", reason="opentelemetry-sdk is not installed")
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.collector,
    pytest.mark.skipif(not BINARY.exists(), reason="no collector: `make collector` builds it (needs Go)"),
]

KEY = "key-of-the-shop"
ENCODINGS = ("otlp_json", "otlp_proto")
REQUESTS = 300
HOPS = ("gateway", "orders", "payments")


class Shop:
    """Services that call each other, each with an SDK of its own, as in life; some answer with an error."""

    def __init__(self, environment: str, doors: dict[str, str], ca: Path) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._providers = {}
        for service, door in doors.items():
            provider = TracerProvider(resource=Resource({"service.name": service, "deployment.environment.name": environment}))
            session = requests.Session()
            session.trust_env = False  # a machine's REQUESTS_CA_BUNDLE would go before the certificate
            exporter = OTLPSpanExporter(f"{door}/v1/traces", certificate_file=str(ca), headers={"X-Api-Key": KEY}, session=session)
            provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=200))
            self._providers[service] = provider
        self.environment = environment
        self.truth: dict[str, tuple[str, int, int, str]] = {}
        """Trace ID -> (environment, events, status of the root, span ID of the root)."""

    def request(self, number: int) -> None:
        """Serve one request by two or all three services."""
        services = HOPS[: 2 + number % 2]
        status = 503 if number % 10 == 0 else 200
        root = self._hop(services, status, number, None).get_span_context()
        self.truth[f"{root.trace_id:032x}"] = (self.environment, len(services), status, f"{root.span_id:016x}")

    def _hop(self, services: tuple[str, ...], status: int, number: int, parent: Any) -> Any:
        from opentelemetry.trace import SpanKind, Status, StatusCode

        service, *behind = services
        attributes: dict[str, str | int] = {
            "http.request.method": "GET",
            "url.path": f"/{service}/{number}",
            "http.route": f"/{service}/{{id}}",
            "http.response.status_code": status,
        }
        tracer = self._providers[service].get_tracer("shop")
        with tracer.start_as_current_span(f"GET /{service}", context=parent, kind=SpanKind.SERVER, attributes=attributes) as span:
            if behind:
                self._hop(tuple(behind), status, number, None)
            if status >= 500:
                span.set_status(Status(StatusCode.ERROR))
        return span

    def close(self) -> None:
        """Send what is still held."""
        for provider in self._providers.values():
            assert provider.force_flush()
            provider.shutdown()


@contextmanager
def _doors(stack: Stack, topic: str, folder: Path) -> Iterator[tuple[dict[str, str], Path]]:
    """One collector per encoding: encoding -> URL, and the certificate to trust."""
    tls = certificate(folder)
    keys = {"INTAKE_KEY_SHOP": KEY, "INTAKE_KEY_PARTNER": "key-of-the-partner"}
    urls = {}
    with ExitStack() as running:
        for encoding, port in zip(ENCODINGS, free_ports(len(ENCODINGS)), strict=True):
            settings = https_door(encoding, stack.config().kafka.bootstrap_servers, topic, port, tls)
            running.enter_context(running_collector(settings, folder / encoding, port, keys))
            urls[encoding] = f"https://127.0.0.1:{port}"
        yield urls, tls[0]


def test_every_trace_of_the_sdk_is_exactly_one_transaction_in_both_encodings_and_across_them(stack: Stack, tmp_path: Path) -> None:
    run = new_run(stack, "collected")
    truth: dict[str, tuple[str, int, int, str]] = {}
    with _doors(stack, run.config.topics.raw, tmp_path) as (doors, ca), running_job(run, "pipeline"):
        json, proto = (doors[encoding] for encoding in ENCODINGS)
        shops = [
            Shop("by-json", dict.fromkeys(HOPS, json), ca),
            Shop("by-proto", dict.fromkeys(HOPS, proto), ca),
            Shop("by-both", {"gateway": json, "orders": proto, "payments": json}, ca),
        ]
        for shop in shops:
            for number in range(REQUESTS):
                shop.request(number)
            shop.close()
            truth |= shop.truth
        expected = sorted((trace, *rest) for trace, rest in truth.items())
        query = (
            "SELECT trace_id, environment, event_count, http_response_status_code, root_span_id FROM transactions"
            " WHERE environment LIKE 'by-%' ORDER BY trace_id"
        )
        deadline = time.monotonic() + 240  # 40 s alone, two minutes beside ten busy processes
        while run.query(query) != expected and time.monotonic() < deadline:
            time.sleep(1)
        assert len(truth) == 3 * REQUESTS
        assert run.query(query) == expected
        assert run.query("SELECT count(), countIf(is_duplicate) FROM events") == [(sum(row[2] for row in expected), 0)]
        assert run.query("SELECT count() FROM dead_letters") == [(0,)]


def test_without_its_api_key_a_caller_is_refused(stack: Stack, tmp_path: Path) -> None:
    run = new_run(stack, "refused")
    with _doors(stack, run.config.topics.raw, tmp_path) as (doors, ca):
        for door in doors.values():
            for headers in ({}, {"X-Api-Key": "guessed"}):
                answer = requests.post(f"{door}/v1/traces", json={"resourceSpans": []}, headers=headers, verify=str(ca), timeout=10)
                assert answer.status_code == 401
            answer = requests.post(f"{door}/v1/traces", json={"resourceSpans": []}, headers={"X-Api-Key": KEY}, verify=str(ca), timeout=10)
            assert answer.status_code == 200
