"""AWS logs that are JSON by themselves: WAF and VPC Lattice.

https://docs.aws.amazon.com/waf/latest/developerguide/logging-fields.html (`timestamp` epoch ms, headers as a list of names and values;
there is no status but the one a rule sends) and https://docs.aws.amazon.com/vpc-lattice/latest/ug/monitoring-access-logs.html
("Access log contents": `duration` ms, `sourceIpPort`, `startTime`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from udfs.formats.dialect import Dialect
from udfs.formats.json_values import read_texts
from udfs.formats.parsed import Parsed

__all__ = ["AWS_VPC_LATTICE", "AWS_WAF"]

_HEADERS = {
    "user-agent": "user_agent_original",
    "host": "server_address",
    "x-request-id": "request_id",
    "x-forwarded-for": "forwarded_for",
    "authorization": "token",
    "traceparent": "trace_id",
    "x-amzn-trace-id": "trace_id",
}
_NULL = pa.scalar(None, pa.string())


def _finish_waf(parsed: Parsed, private: Mapping[str, Sequence[Any]]) -> None:
    """What the headers say, and why a request was stopped."""
    columns = parsed.columns
    lists = [value if isinstance(value, list) else [] for value in private.get("_headers", ())]
    headers = [header for header in chain.from_iterable(lists) if isinstance(header, dict)]
    rows = np.repeat(np.arange(len(lists)), [sum(isinstance(header, dict) for header in value) for value in lists])
    names = pc.utf8_lower(read_texts([header.get("name") for header in headers], keep_objects=False))
    values = read_texts([header.get("value") for header in headers], keep_objects=False)
    for name, target in _HEADERS.items():
        places = np.flatnonzero(pc.equal(names, name).fill_null(False).to_numpy(zero_copy_only=False))
        if len(places):
            column = np.full(len(parsed.line), -1, np.int64)
            column[rows[places[::-1]]] = places[::-1]  # of headers of one name the first counts
            found = values.take(pa.array(column, mask=column < 0))
            columns[target] = pc.coalesce(columns[target], found) if target in columns else found
    if "_action" in private:
        # There is often no status: what the rule did is all that is known.
        action = read_texts(private["_action"], keep_objects=False)
        stopped = pc.is_in(action, pa.array(["BLOCK", "CAPTCHA", "CHALLENGE"]))
        limited = pc.equal(read_texts(private.get("_rule", action.to_pylist())), "RATE_BASED").fill_null(False)
        columns["error_category"] = pc.if_else(stopped, pc.if_else(limited, "rate_limit", "authorization"), _NULL)


AWS_WAF = Dialect(
    "aws_waf",
    (frozenset({"webaclId"}), frozenset({"httpRequest", "terminatingRuleId"})),
    {
        "timestamp": "timestamp",
        "httpRequest.httpMethod": "http_request_method",
        "httpRequest.uri": "url_path",
        "httpRequest.args": "url_query",
        "responseCodeSent": "http_response_status_code",
        "httpRequest.clientIp": "client_address",
        "httpRequest.host": "server_address",
        "httpRequest.headers": "_headers",
        "httpRequest.requestId": "request_id",
        "action": "_action",
        "terminatingRuleType": "_rule",
    },
    is_access=True,
    finish=_finish_waf,
)


def _finish_lattice(parsed: Parsed, _: Mapping[str, Sequence[Any]]) -> None:
    """Lattice writes the word null, and 'Unknown' for nobody."""
    columns = parsed.columns
    for name in ("error_reason", "user_id"):
        if name in columns:
            columns[name] = pc.if_else(pc.is_in(columns[name], pa.array(["null", "Unknown"])), _NULL, columns[name])


AWS_VPC_LATTICE = Dialect(
    "aws_vpc_lattice",
    (
        frozenset({"serviceArn", "requestMethod"}),
        frozenset({"serviceNetworkArn", "requestMethod"}),
        frozenset({"sourceIpPort", "responseCode"}),
    ),
    {
        "startTime": "timestamp",
        "requestMethod": "http_request_method",
        "requestPath": "url_path",
        "responseCode": "http_response_status_code",
        "duration": "duration_ms",
        "bytesSent": "http_response_body_size",
        "sourceIpPort": "client_address",
        "userAgent": "user_agent_original",
        "hostHeader": "server_address",
        "requestId": "request_id",
        "resolvedUser": "user_id",
        "authDeniedReason": "error_reason",
        "failureReason": "error_reason",
    },
    is_access=True,
    finish=_finish_lattice,
)
