"""Gateways, meshes, proxies and content networks: lines of real deployments in their variants."""

from __future__ import annotations

from typing import Any

import pytest

from tests.udfs.formats.answers import answer, wrong_fields

_GCP = {
    "httpRequest": {
        "latency": "0.005192s", "remoteIp": "79.117.34.252:60102", "requestMethod": "GET", "requestSize": "29",
        "requestUrl": "https://35.227.246.6/a?b=c", "responseSize": "780", "serverIp": "10.20.0.4", "status": 502,
         "userAgent": "curl/8.7.1",
    },
    "insertId": "h91", "jsonPayload": {"@type": "type.googleapis.com/x", "statusDetails": "backend_timeout"},
    "logName": "projects/p/logs/requests", "receiveTimestamp": "2025-11-20T13:35:28.360361140Z",
    "resource": {"labels": {"backend_service_name": "shop", "project_id": "p", "zone": "global"}, "type": "http_load_balancer"},
    "severity": "WARNING", "spanId": "e9004ce8eccc7c2d", "timestamp": "2025-11-20T13:35:27.558637123Z",
    "trace": "projects/p/traces/5334e0e7aee6ec1b1a8c34db601241ab",
}  # fmt: skip
_NGINX = {
    "time_iso8601": "2026-04-16T07:00:48+02:00", "remote_addr": "203.0.113.78", "request": "GET /a/7?x=1 HTTP/1.1", "status": 500,
    "body_bytes_sent": 48213, "request_time": 0.047, "host": "shop.example.net", "http_user_agent": "curl", "request_id": "r1",
}  # fmt: skip
_ENVOY = {
    "start_time": "2026-03-08T21:42:30.624Z", "method": "HEAD", "path": "/v1/a?b=c", "protocol": "HTTP/2", "response_code": 503,
    "response_flags": "UF,URX", "bytes_received": 0, "bytes_sent": 2, "duration": 47, "x_envoy_upstream_service_time": None,
    "x_forwarded_for": "203.0.113.29,10.0.0.1", "user_agent": "okhttp", "authority": "shop.example.net",
     "upstream_host": "10.42.116.50:8080",
    "downstream_remote_address": "10.0.0.1:26769", "request_id": "8f7df615-f874-4aea-a415-7cf4df2b7f87",
}  # fmt: skip
_KONG = {
    "response": {"size": "434", "headers": {"via": "1.1 kong"}, "status": 200},
    "request": {
        "method": "GET", "headers": {"Host": "api.example.com", "User-Agent": "curl", "X-Request-ID": "r7", "authorization": "Basic x"},
        "size": "75", "uri": "/get?a=b", "url": "http://api.example.com:8000/get", "querystring": {"a": "b"},
    },
    "latencies": {"proxy": 1430, "kong": 9, "request": 1921}, "client_ip": "127.0.0.1", "started_at": 1433209822425,
    "service": None, "route": {"id": "r"}, "consumer": {"username": "demo", "id": "35b03bfc"}, "upstream_status": "200",
}  # fmt: skip
_TRAEFIK = {
    "ClientAddr": "[2001:db8::8c]:58978", "ClientHost": "2001:db8::8c", "ClientUsername": "-", "DownstreamContentSize": 19,
    "DownstreamStatus": 499, "Duration": 1804250000, "RequestHost": "gw.example.org", "RequestMethod": "POST", "RequestPath": "/a?b",
    "RouterName": "r1@docker", "ServiceName": "users@docker", "StartUTC": "2026-03-25T03:03:15.574123456Z", "level": "info", "msg": "",
    "request_User-Agent": "curl", "time": "2026-03-25T03:03:15Z",
}  # fmt: skip
_CADDY = {
    "level": "info", "ts": 1646861401.5241024, "logger": "http.log.access", "msg": "handled request",
    "request": {
        "remote_ip": "127.0.0.1", "remote_port": "41342", "client_ip": "203.0.113.4", "proto": "HTTP/2.0", "method": "GET",
        "host": "localhost", "uri": "/?a=b", "headers": {"User-Agent": ["curl/7.82.0"], "X-Request-Id": ["r4"], "Accept": ["*/*"]},
        "tls": {"resumed": False},
    },
    "bytes_read": 0, "user_id": "", "duration": 0.000929675, "size": 10900, "status": 200, "resp_headers": {"Server": ["Caddy"]},
}  # fmt: skip
_CLOUD = {
    "ClientIP": "203.0.113.248", "ClientRequestHost": "shop.example.net", "ClientRequestMethod": "GET", "ClientRequestURI": "/a?b=c",
    "ClientRequestUserAgent": "curl", "EdgeStartTimestamp": 1772706576863000000, "EdgeEndTimestamp": 1772706576866500000,
    "EdgeResponseBytes": 48213, "EdgeResponseStatus": 522, "RayID": "864492fc7a688910",
}  # fmt: skip
_AKAMAI = {
    "version": 1, "cp": "123456", "reqId": "1239f220", "reqTimeSec": "1573840000.125", "bytes": "4995", "cliIP": "128.147.28.68",
    "statusCode": "206", "proto": "HTTPS", "reqHost": "test.example.net", "reqMethod": "GET", "reqPath": "/path1/file.ext",
     "reqPort": "443",
    "rspContentLen": "5000", "UA": "Mozilla%2F5.0", "queryStr": "cid=1", "reqEndTimeMSec": "3", "turnAroundTimeMSec": "11",
    "transferTimeMSec": "125", "errorCode": "-",
}  # fmt: skip
_FASTLY = {
    "timestamp": "2026-03-08T21:42:30+0000", "client_ip": "203.0.113.5", "geo_country": "france", "host": "www.example.com",
     "url": "/a?b=c",
    "request_method": "GET", "request_protocol": "HTTP/2", "request_referer": "", "request_user_agent": "curl", "response_state": "MISS",
    "response_status": 200, "response_reason": "OK", "response_body_size": 12, "fastly_server": "cache-cdg", "fastly_is_edge": True,
}  # fmt: skip
_TYK = {
    "method": "GET", "host": "gw", "path": "/get", "raw_path": "/get", "content_length": 0, "user_agent": "curl", "response_code": 200,
    "api_key": "00000000", "timestamp": "2026-03-08T21:42:30.624+01:00", "api_version": "Non Versioned", "api_name": "httpbin",
    "api_id": "a1", "org_id": "o1", "oauth_id": "", "request_time": 7, "ip_address": "203.0.113.6", "alias": "shop",
}  # fmt: skip
_HAPROXY = {
    "time": "12/Mar/2026:10:11:12.123", "client_ip": "203.0.113.9", "client_port": 1, "frontend_name": "fe", "backend_name": "be",
    "server_name": "s1", "Tq": 0, "Tw": 0, "Tc": 1, "Tr": 11, "Tt": 12, "status_code": "504", "bytes_read": "157",
    "termination_state": "sH--", "request": "GET /a?b HTTP/1.1",
}  # fmt: skip
_APACHE = {
    "time": "2026-03-12T10:11:12.123Z", "process": "4711", "filename": "/var/www/a", "remoteIP": "203.0.113.9", "host": "e.com",
    "request": "/a", "query": "?b=c", "method": "GET", "status": "200", "userAgent": "curl", "referer": "-",
}  # fmt: skip
_AUDIT = {
    "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": "a-1", "stage": "ResponseComplete",
    "requestURI": "/api/v1/pods?limit=5", "verb": "list", "user": {"username": "system:admin", "groups": []},
     "sourceIPs": ["203.0.113.9", "10.0.0.1"],
    "userAgent": "kubectl/v1.30", "responseStatus": {"metadata": {}, "code": 403, "reason": "Forbidden"},
    "requestReceivedTimestamp": "2026-03-12T10:11:12.100000Z", "stageTimestamp": "2026-03-12T10:11:12.350000Z",
}  # fmt: skip
_APIGEE = {
    "organization": "o", "environment": "prod", "apiProxy": "orders", "verb": "GET", "uri": "/orders/v1/7?x=1", "responseStatusCode": "200",
    "messageid": "rt-1", "clientIp": "203.0.113.9", "client.received.start.timestamp": 1773310272123,
     "client.sent.end.timestamp": 1773310272373,
}  # fmt: skip

_CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("google load balancer", _GCP,
     {"format": "gcp_lb", "timestamp": "2025-11-20T13:35:27.558637Z", "http_request_method": "GET", "url_path": "/a", "url_query": "b=c",
      "http_response_status_code": 502, "duration_ms": 5.192, "http_response_body_size": 780, "client_address": "79.117.34.252",
      "server_address": "35.227.246.6", "trace_id": "5334e0e7aee6ec1b1a8c34db601241ab", "span_id": "e9004ce8eccc7c2d",
      "error_category": "timeout", "severity_text": "WARNING", "service_name": "shop"}),
    ("google, caller gone", {**_GCP, "httpRequest": {**_GCP["httpRequest"], "status": 0},  # type: ignore[dict-item]
                             "jsonPayload": {"statusDetails": "client_disconnected_before_any_response"}},
     {"error_category": "client_abort", "http_response_status_code": None}),
    ("google cloud run", {"httpRequest": {"latency": "0.012s", "requestMethod": "POST", "requestUrl": "https://s.run.app/x", "status": 200},
                          "resource": {"type": "cloud_run_revision", "labels": {"service_name": "svc", "location": "europe-west1"}},
                          "timestamp": "2026-03-12T10:11:12Z", "logName": "l"},
     {"service_name": "svc", "duration_ms": 12.0, "url_path": "/x", "region": "europe-west1"}),
    ("google, an application's entry", {"jsonPayload": {"message": "boom", "requestId": "r1"}, "severity": "ERROR", "logName": "l",
                                        "timestamp": "2026-03-12T10:11:12Z", "resource": {"labels": {"container_name": "api"}}},
     {"format": "gcp_log", "kind": "log", "body": "boom", "request_id": "r1", "severity_text": "ERROR", "service_name": "api"}),
    ("google, a text entry", {"textPayload": "hello", "severity": "INFO", "logName": "l", "timestamp": "2026-03-12T10:11:12Z",
     "insertId": "i"},
     {"kind": "log", "body": "hello"}),
    ("nginx", _NGINX,
     {"format": "nginx_json", "timestamp": "2026-04-16T05:00:48.000000Z", "http_request_method": "GET", "url_path": "/a/7",
      "url_query": "x=1",
      "duration_ms": 47.0, "http_response_status_code": 500, "http_response_body_size": 48213, "client_address": "203.0.113.78",
      "server_address": "shop.example.net", "user_agent_original": "curl", "request_id": "r1"}),
    ("nginx, numbers as texts", {**_NGINX, "status": "500", "body_bytes_sent": "48213", "request_time": "0.047"},
     {"duration_ms": 47.0, "http_response_status_code": 500, "http_response_body_size": 48213}),
    ("nginx, epoch with fraction", {**_NGINX, "msec": "1776000000.123"}, {"timestamp": "2026-04-12T13:20:00.123000Z"}),
    ("nginx, forwarded", {**_NGINX, "http_x_forwarded_for": "198.51.100.7, 10.0.0.1"}, {"client_address": "198.51.100.7"}),
    ("nginx, not forwarded", {**_NGINX, "http_x_forwarded_for": "-"}, {"client_address": "203.0.113.78"}),
    ("nginx, TLS bytes", {**_NGINX, "request": "\u0016\u0003\u0001", "status": 400},
     {"kind": "access", "http_request_method": None, "url_path": None, "http_response_status_code": 400}),
    ("nginx, HTTP/0.9", {**_NGINX, "request": "GET /x", "status": "009"}, {"url_path": None, "http_response_status_code": None}),
    ("nginx, absolute URL", {**_NGINX, "request": "GET http://other.example.com HTTP/1.1"}, {"url_path": "/",
     "server_address": "shop.example.net"}),
    ("nginx, caller gone", {**_NGINX, "status": 499}, {"error_category": "client_abort"}),
    ("nginx, upstream list", {**_NGINX, "status": 502, "upstream_status": "504, 504 : 502", "upstream_response_time": "0.1, -"},
     {"http_response_status_code": 502, "duration_ms": 47.0}),
    ("nginx, unix socket", {**_NGINX, "remote_addr": "unix:"}, {"kind": "access", "http_response_status_code": 500}),
    ("ingress-nginx",
     {"time": "2026-04-16T07:00:48+00:00", "remote_addr": "203.0.113.1", "x_forwarded_for": "203.0.113.1", "request_id": "r1",
      "remote_user": "",
      "bytes_sent": 7, "request_time": 0.5, "status": 200, "vhost": "e.com", "request_proto": "HTTP/1.1", "path": "/a",
       "request_query": "b=c",
      "request_length": 9, "duration": 0.5, "method": "GET", "http_referrer": "", "http_user_agent": "curl"},
     {"format": "nginx_json", "server_address": "e.com", "url_path": "/a", "url_query": "b=c", "duration_ms": 500.0, "request_id": "r1"}),
    ("nginx, the template of many guides",
     {"@timestamp": "2026-04-16T07:00:48+00:00", "host": "10.0.0.5", "clientip": "203.0.113.1", "size": 7, "responsetime": 0.012,
      "upstreamtime": "0.012", "http_host": "e.com", "url": "/a", "domain": "e.com", "xff": "-", "referer": "-", "status": "200"},
     {"duration_ms": 12.0, "client_address": "203.0.113.1", "server_address": "e.com", "url_path": "/a"}),
    ("istio", _ENVOY,
     {"format": "envoy_json", "timestamp": "2026-03-08T21:42:30.624000Z", "http_request_method": "HEAD", "url_path": "/v1/a",
      "url_query": "b=c",
      "http_response_status_code": 503, "duration_ms": 47.0, "http_response_body_size": 2, "client_address": "203.0.113.29",
      "server_address": "shop.example.net", "request_id": "8f7df615-f874-4aea-a415-7cf4df2b7f87", "error_category": "backend"}),
    ("envoy, header names",
     {"start_time": "2026-03-08T21:42:30.624Z", ":method": "GET", "x-envoy-origin-path": "/a", "response_code": 200, "response_flags": "-",
      "duration": 3, "bytes_sent": 1, "x-forwarded-for": None, "user-agent": "curl", "x-request-id": "r1", ":authority": "e.com",
      "downstream_remote_address": "[2001:db8::1]:5"},
     {"http_request_method": "GET", "url_path": "/a", "server_address": "e.com", "request_id": "r1", "client_address": "2001:db8::1"}),
    ("envoy, operators as keys",
     {"%START_TIME%": "2026-03-08T21:42:30.624Z", "%REQ(:METHOD)%": "GET", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%": "/a",
      "%RESPONSE_CODE%": 200,
      "%RESPONSE_FLAGS%": "-", "%DURATION%": 3, "%BYTES_SENT%": 1, "%REQ(USER-AGENT)%": "curl", "%REQ(X-REQUEST-ID)%": "r1",
      "%REQ(:AUTHORITY)%": "e.com"},
     {"timestamp": "2026-03-08T21:42:30.624000Z", "http_request_method": "GET", "url_path": "/a", "http_response_status_code": 200,
      "duration_ms": 3.0, "request_id": "r1", "server_address": "e.com", "user_agent_original": "curl", "http_response_body_size": 1}),
    ("envoy, caller gone", {**_ENVOY, "response_code": 0, "response_flags": "DC"}, {"error_category": "client_abort",
     "http_response_status_code": None}),
    ("envoy, upstream timeout", {**_ENVOY, "response_code": 504, "response_flags": "UT"}, {"error_category": "timeout"}),
    ("envoy, rate limited", {**_ENVOY, "response_code": 429, "response_flags": "RL"}, {"error_category": "rate_limit"}),
    ("envoy, camel case",
     {"startTime": "2026-03-08T21:42:30Z", "method": "GET", "path": "/a", "responseCode": 200, "responseFlags": "-", "duration": 5,
      "requestId": "r1"},
     {"format": "envoy_json", "http_response_status_code": 200, "duration_ms": 5.0, "request_id": "r1"}),
    ("kong, documented object", _KONG,
     {"format": "kong", "timestamp": "2015-06-02T01:50:22.425000Z", "http_request_method": "GET", "url_path": "/get", "url_query": "a=b",
      "http_response_status_code": 200, "duration_ms": 1921.0, "http_response_body_size": 434, "client_address": "127.0.0.1",
      "user_agent_original": "curl", "server_address": "api.example.com", "request_id": "r7", "client_id": "demo", "service_name": None}),
    ("traefik", _TRAEFIK,
     {"format": "traefik_json", "timestamp": "2026-03-25T03:03:15.574123Z", "duration_ms": 1804.25, "client_address": "2001:db8::8c",
      "url_path": "/a", "url_query": "b", "http_response_status_code": 499, "error_category": "client_abort", "user_id": None,
      "server_address": "gw.example.org", "user_agent_original": "curl", "http_response_body_size": 19, "service_name": "users@docker"}),
    ("caddy", _CADDY,
     {"format": "caddy", "timestamp": "2022-03-09T21:30:01.524102Z", "duration_ms": 0.929675, "client_address": "203.0.113.4",
      "http_request_method": "GET", "url_path": "/", "url_query": "a=b", "user_agent_original": "curl/7.82.0", "request_id": "r4",
      "http_response_body_size": 10900, "server_address": "localhost", "user_id": None}),
    ("caddy 2.4: address with port", {**_CADDY, "request": {"remote_addr": "203.0.113.8:41342", "method": "GET", "uri": "/",
     "headers": {}}},
     {"client_address": "203.0.113.8"}),
    ("caddy, times as texts", {**_CADDY, "ts": "2022/03/09 21:30:01.524", "duration": "929.675us"},
     {"timestamp": "2022-03-09T21:30:01.524000Z", "duration_ms": 0.929675}),
    ("cloudflare, nanoseconds", _CLOUD,
     {"format": "cloudflare", "timestamp": "2026-03-05T10:29:36.863000Z", "duration_ms": 3.5, "error_category": "timeout", "url_path": "/a",
      "url_query": "b=c", "request_id": "864492fc7a688910", "http_response_body_size": 48213, "client_address": "203.0.113.248"}),
    ("cloudflare, seconds", {**_CLOUD, "EdgeStartTimestamp": 1772706576, "EdgeEndTimestamp": 1772706577},
     {"timestamp": "2026-03-05T10:29:36.000000Z", "duration_ms": 1000.0}),
    ("cloudflare, body bytes", {**_CLOUD, "EdgeResponseBodyBytes": 40000}, {"http_response_body_size": 40000}),
    ("akamai, documented record", _AKAMAI,
     {"format": "akamai", "timestamp": "2019-11-15T17:46:40.125000Z", "http_request_method": "GET", "url_path": "/path1/file.ext",
      "url_query": "cid=1", "http_response_status_code": 206, "http_response_body_size": 4995, "client_address": "128.147.28.68",
      "user_agent_original": "Mozilla%2F5.0", "server_address": "test.example.net", "request_id": "1239f220", "duration_ms": 139.0}),
    ("fastly", _FASTLY,
     {"format": "fastly", "timestamp": "2026-03-08T21:42:30.000000Z", "http_request_method": "GET", "url_path": "/a", "url_query": "b=c",
      "http_response_status_code": 200, "http_response_body_size": 12, "client_address": "203.0.113.5", "server_address": "www.example.com",
      "user_agent_original": "curl"}),
    ("fastly, microseconds",
     {"timestamp": 1773310272, "time_elapsed": 4711, "is_tls": True, "client_ip": "203.0.113.5", "request": "GET", "host": "e.com",
      "url": "/a",
      "status": "200", "resp_body_size": "12"},
     {"duration_ms": 4.711, "http_request_method": "GET", "http_response_status_code": 200, "http_response_body_size": 12}),
    ("tyk, analytics record", _TYK,
     {"format": "tyk", "timestamp": "2026-03-08T20:42:30.624000Z", "duration_ms": 7.0, "http_response_status_code": 200,
      "service_name": "httpbin",
      "client_address": "203.0.113.6", "client_id": "shop", "url_path": "/get"}),
    ("tyk, access log",
     {"prefix": "access-log", "api_id": "a1", "client_ip": "203.0.113.6", "host": "gw", "latency_total": 9, "latency_upstream": 8,
      "level": "info",
      "method": "GET", "msg": "", "path": "/get", "status": 200, "time": "2026-03-08T21:42:30Z", "user_agent": "curl"},
     {"format": "tyk", "kind": "access", "duration_ms": 9.0, "http_response_status_code": 200}),
    ("haproxy", _HAPROXY,
     {"format": "haproxy_json", "timestamp": "2026-03-12T10:11:12.123000Z", "duration_ms": 12.0, "http_response_status_code": 504,
      "http_response_body_size": 157, "client_address": "203.0.113.9", "error_category": "timeout", "url_path": "/a", "url_query": "b",
      "http_request_method": "GET"}),
    ("apache", _APACHE,
     {"format": "apache_json", "timestamp": "2026-03-12T10:11:12.123000Z", "duration_ms": 4.711, "client_address": "203.0.113.9",
      "url_path": "/a",
      "url_query": "b=c", "http_request_method": "GET", "http_response_status_code": 200, "server_address": "e.com",
       "user_agent_original": "curl"}),
    ("kubernetes audit", _AUDIT,
     {"format": "k8s_audit", "timestamp": "2026-03-12T10:11:12.100000Z", "duration_ms": 250.0, "http_request_method": "list",
      "url_path": "/api/v1/pods", "url_query": "limit=5", "http_response_status_code": 403, "client_address": "203.0.113.9",
      "user_id": "system:admin", "request_id": "a-1", "error_category": "authorization"}),
    ("apigee", _APIGEE,
     {"format": "apigee", "timestamp": "2026-03-12T10:11:12.123000Z", "duration_ms": 250.0, "http_request_method": "GET",
      "url_path": "/orders/v1/7", "url_query": "x=1", "http_response_status_code": 200, "request_id": "rt-1", "service_name": "orders",
      "environment": "prod", "client_address": "203.0.113.9"}),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), [pytest.param(line, expected, id=name) for name, line, expected in _CASES])
def test_line_gives_its_fields(line: dict[str, Any], expected: dict[str, Any]) -> None:
    assert not wrong_fields(line, expected)


_LINES = [_GCP, _NGINX, _ENVOY, _KONG, _TRAEFIK, _CADDY, _CLOUD, _AKAMAI, _FASTLY, _TYK, _HAPROXY, _APACHE, _AUDIT, _APIGEE]


@pytest.mark.parametrize("line", _LINES, ids=lambda line: answer(line)["format"])
@pytest.mark.parametrize("junk", [None, "", "-", {}, [], [None], {"a": {"b": 1}}, "x", -1, 10**30, 1e300, True], ids=repr)
def test_junk_under_any_key_gives_an_event_or_a_reason(line: dict[str, Any], junk: object) -> None:
    for key in line:
        found = answer({**line, key: junk})
        assert found.get("kind") or found["error"]["reason"], key


@pytest.mark.parametrize(
    ("line", "key", "value", "reason"),
    [
        (_NGINX, "status", "abc", "invalid_status"),
        (_NGINX, "request_time", "-0.5", "invalid_duration"),
        (_NGINX, "time_iso8601", "2026-02-31T00:00:00Z", "invalid_timestamp"),
        (_ENVOY, "response_code", 1000, "invalid_status"),
        (_ENVOY, "duration", -2, "invalid_duration"),
        (_TRAEFIK, "Duration", "soon", "invalid_duration"),
        (_CADDY, "ts", True, "invalid_timestamp"),
        (_CLOUD, "EdgeEndTimestamp", 1772706576000000000, "invalid_duration"),
        (_AKAMAI, "transferTimeMSec", "x", "invalid_duration"),
        (_FASTLY, "response_body_size", -7, "invalid_size"),
    ],
)
def test_impossible_value_is_refused_with_its_reason(line: dict[str, Any], key: str, value: object, reason: str) -> None:
    assert answer({**line, key: value})["error"]["reason"] == reason
