"""The same requests as other products log them: OTLP/JSON spans, nginx combined, AWS load balancer lines."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from jobs.generate.columns import THREE_DIGITS, filled, hex_matrix, join, matrix_column, number, table, time_matrix
from jobs.generate.rows import STATUSES, Rows, path_parameter
from jobs.generate.topology import ENVIRONMENTS, Topology
from jobs.generate.traffic import CLIENTS, Requests, client_address

__all__ = ["render_alb", "render_nginx", "render_otlp"]


@dataclass(frozen=True)
class _Texts:
    otlp_resource: pa.Array
    otlp_name: pa.Array
    otlp_attributes: pa.Array
    otlp_end: pa.Array
    nginx_address: pa.Array
    nginx_asked: pa.Array
    nginx_answer: pa.Array
    alb_address: pa.Array
    alb_asked: pa.Array
    alb_target: pa.Array


def _attribute(key: str, kind: str, value: str) -> str:
    return f'{{"key":"{key}","value":{{"{kind}":"{value}"}}}}'


def _otlp_resource(service: str, environment: str) -> str:
    name, place = _attribute("service.name", "stringValue", service), _attribute("deployment.environment.name", "stringValue", environment)
    scope = '"scopeSpans":[{"scope":{"name":"world"},"spans":[{"traceId":"'
    return f'{{"resourceSpans":[{{"resource":{{"attributes":[{name},{place}]}},{scope}'


def _otlp_attributes(method: str, template: str, before: str) -> str:
    known = f"{_attribute('http.request.method', 'stringValue', method)},{_attribute('http.route', 'stringValue', template)}"
    return f'000","attributes":[{known},{{"key":"url.path","value":{{"stringValue":"{before}'


def _otlp_end(after: str, status: int) -> str:
    code = _attribute("http.response.status_code", "intValue", str(status))
    return f'{after}"}}}},{code}]' + (',"status":{"code":2}' if status >= 500 else "") + "}]}]}]}"


@functools.cache
def _texts(topology: Topology) -> _Texts:
    hops = topology.hops
    answers = [(hop, status) for hop in hops for status in STATUSES]
    addresses = [client_address(n) for n in range(CLIENTS)]
    host = "https://api.example.com:443"
    target = 'HTTP/1.1" "curl/8.4.0" - - arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/edge/73e2 "Root=1-'
    return _Texts(
        otlp_resource=table([_otlp_resource(hop.service, environment) for environment, _, _ in ENVIRONMENTS for hop in hops]),
        otlp_name=table([f'","name":"{hop.method} {hop.template}","kind":2,"startTimeUnixNano":"' for hop in hops]),
        otlp_attributes=table([_otlp_attributes(hop.method, hop.template, hop.before) for hop in hops]),
        otlp_end=table([_otlp_end(hop.after, status) for hop, status in answers]),
        nginx_address=table([f"{address} - - [" for address in addresses]),
        nginx_asked=table([f'] "{hop.method} {hop.before}' for hop in hops]),
        nginx_answer=table([f'{hop.after} HTTP/1.1" {status} 612 "-" "Mozilla/5.0 (X11; Linux x86_64)"' for hop, status in answers]),
        alb_address=table([f"Z app/edge/50dc6c495c0c9188 {address}:2817 10.0.0.1:80 0.000 " for address in addresses]),
        alb_asked=table([f' 0.000 {status} {status} 34 366 "{hop.method} {host}{hop.before}' for hop, status in answers]),
        alb_target=table([f"{hop.after} {target}" for hop in hops]),
    )


def render_otlp(rows: Rows, requests: Requests, topology: Topology) -> pa.Array:
    """One OTLP/JSON export per line, with one span."""
    texts, n = _texts(topology), len(rows)
    ids = matrix_column([hex_matrix(requests.ids[:, 1:])[rows.request], b'","spanId":"', hex_matrix(rows.span)], n)
    has_parent = rows.parent_span != 0
    parents = matrix_column([b'","parentSpanId":"', hex_matrix(rows.parent_span[has_parent])], int(has_parent.sum()))
    return join(
        texts.otlp_resource.take(pa.array(requests.environment[rows.request] * len(topology.hops) + rows.hop_id)),
        ids,
        filled(parents, has_parent, n),
        texts.otlp_name.take(pa.array(rows.hop_id)),
        number(rows.start_us),
        pa.scalar(b'000","endTimeUnixNano":"', pa.binary()),
        number(rows.start_us + rows.duration_us),
        texts.otlp_attributes.take(pa.array(rows.hop_id)),
        path_parameter(rows, requests, topology),
        texts.otlp_end.take(pa.array(rows.answer)),
    )


def render_nginx(rows: Rows, requests: Requests, topology: Topology) -> pa.Array:
    """Combined log format, to the second, without any ID."""
    texts = _texts(topology)
    end_s, index = np.unique((rows.start_us + rows.duration_us) // 1_000_000, return_inverse=True)
    times = table([second.item().strftime("%d/%b/%Y:%H:%M:%S +0000") for second in end_s.astype("datetime64[s]")])
    return join(
        texts.nginx_address.take(pa.array(requests.client[rows.request])),
        times.take(pa.array(index)),
        texts.nginx_asked.take(pa.array(rows.hop_id)),
        path_parameter(rows, requests, topology),
        texts.nginx_answer.take(pa.array(rows.answer)),
    )


def render_alb(rows: Rows, requests: Requests, topology: Topology) -> pa.Array:
    """An AWS load balancer's line; its trace ID is the request's."""
    texts, n = _texts(topology), len(rows)
    seconds, micros = np.divmod(rows.duration_us, 1_000_000)
    trace = hex_matrix(requests.ids[:, 1:])[rows.request]
    created, end = time_matrix(rows.start_us), b'Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-"'
    tail = matrix_column([trace[:, :8], b"-", trace[:, 8:], b'" "-" "-" 0 ', created, end], n)
    return join(
        matrix_column([b"http ", time_matrix(rows.start_us + rows.duration_us)], n),
        texts.alb_address.take(pa.array(requests.client[rows.request])),
        number(seconds),
        matrix_column([b".", THREE_DIGITS[micros // 1000], THREE_DIGITS[micros % 1000]], n),
        texts.alb_asked.take(pa.array(rows.answer)),
        path_parameter(rows, requests, topology),
        texts.alb_target.take(pa.array(rows.hop_id)),
        tail,
    )
