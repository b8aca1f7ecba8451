"""What to write into a gateway's configuration so that its log has what is missing.

Each piece of advice comes with a line as the gateway would then write it; a test reads that line and looks for the field.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["ADVICE", "Advice", "advice_for"]


@dataclass(frozen=True)
class Advice:
    """How one gateway is made to log more."""

    formats: str
    """Regular expression of the format names it is for."""
    gateway: str
    needs: tuple[str, ...]
    """Names of the needs it meets."""
    configuration: str
    """What to write; '' = it cannot be changed, see `note`."""
    line: str = ""
    """A line as it is then written."""
    note: str = ""


_NGINX = """log_format anomasec '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
                    '"$http_referer" "$http_user_agent" rt=$request_time request_id=$request_id';
access_log /var/log/nginx/access.log anomasec;
proxy_set_header X-Request-ID $request_id;   # so that the services behind log the same id"""

_APACHE = r"""LogFormat "{\"timestamp\":\"%{%Y-%m-%dT%H:%M:%S%z}t\",\"client_address\":\"%a\",\"http_request_method\":\"%m\",\
\"url_path\":\"%U%q\",\"http_response_status_code\":%>s,\"http_response_body_size\":%B,\"duration_us\":%D,\
\"user_agent_original\":\"%{User-Agent}i\",\"server_address\":\"%v\",\"request_id\":\"%{UNIQUE_ID}e\"}" anomasec
CustomLog logs/access.log anomasec
RequestHeader set X-Request-ID %{UNIQUE_ID}e   # with mod_unique_id and mod_headers: the services behind log the same id"""
_APACHE_LINE = (
    '{"timestamp":"2026-03-12T10:11:12+0000","client_address":"203.0.113.9","http_request_method":"GET","url_path":"/a?b=c",'
    '"http_response_status_code":200,"http_response_body_size":5,"duration_us":12500,"user_agent_original":"curl/8.0",'
    '"server_address":"api.example.com","request_id":"Zc1x2n8AAQEAAB"}'
)

_HAPROXY = """unique-id-format %[uuid()]
unique-id-header X-Request-ID               # so that the services behind log the same id
http-request capture req.hdr(User-Agent) len 256
log-format '{"timestamp":%Ts%ms,"client_address":"%ci","http_request_method":"%HM","url_path":"%HPO","url_query":"%HQ",\\
"http_response_status_code":%ST,"http_response_body_size":%B,"duration_ms":%Ta,"user_agent_original":"%[capture.req.hdr(0),json(utf8s)]",\\
"service_name":"%b","request_id":"%ID"}'"""
_HAPROXY_LINE = (
    '{"timestamp":1773310272123,"client_address":"203.0.113.9","http_request_method":"GET","url_path":"/a","url_query":"?b=c",'
    '"http_response_status_code":200,"http_response_body_size":5,"duration_ms":12,"user_agent_original":"curl/8.0",'
    '"service_name":"orders","request_id":"7b3f1c9e-8f0d-4e5a-9d6c-2b1a0f9e8d7c"}'
)

_ENVOY = """access_log: typed_config: "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
  log_format: json_format:
    timestamp: "%START_TIME%"
    http_request_method: "%REQ(:METHOD)%"
    url_path: "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"
    http_response_status_code: "%RESPONSE_CODE%"
    http_response_body_size: "%BYTES_SENT%"
    duration_ms: "%DURATION%"
    client_address: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
    user_agent_original: "%REQ(USER-AGENT)%"
    server_address: "%REQ(:AUTHORITY)%"
    request_id: "%REQ(X-REQUEST-ID)%"
    trace_id: "%REQ(TRACEPARENT)%"
    service_name: "%UPSTREAM_CLUSTER%\""""
_ENVOY_LINE = (
    '{"timestamp":"2026-03-12T10:11:12.123Z","http_request_method":"GET","url_path":"/a?b=c","http_response_status_code":200,'
    '"http_response_body_size":5,"duration_ms":12,"client_address":"203.0.113.9","user_agent_original":"curl/8.0",'
    '"server_address":"api.example.com","request_id":"7b3f1c9e-8f0d-4e5a-9d6c-2b1a0f9e8d7c",'
    '"trace_id":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","service_name":"orders"}'
)

_JSON = """# keys of your logger, one object a line:
{"timestamp": "<ISO 8601>", "service_name": "<service>", "http_request_method": "..", "http_route": "/orders/{id}",
 "url_path": "..", "http_response_status_code": 200, "duration_ms": 12.5, "client_address": "..", "user_agent_original": "..",
 "request_id": "<X-Request-ID>", "trace_id": "<trace id, or the traceparent header>"}"""
_JSON_LINE = (
    '{"timestamp":"2026-03-12T10:11:12.123Z","service_name":"orders","http_request_method":"GET","http_route":"/orders/{id}",'
    '"url_path":"/orders/7","http_response_status_code":200,"duration_ms":12.5,"client_address":"203.0.113.9",'
    '"user_agent_original":"curl/8.0","request_id":"req-17","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}'
)

_TOMCAT = """<Valve className="org.apache.catalina.valves.AccessLogValve"
       pattern='%h %l %u %t "%r" %s %b "%{Referer}i" "%{User-Agent}i" request_id=%{X-Request-ID}i' />"""

_ALL = ("time", "transactions", "latency", "errors", "clients", "routes")

ADVICE = (
    Advice(
        "common|combined|nginx.*|vhost.*",
        "nginx",
        ("transactions", "latency", "clients"),
        _NGINX,
        '203.0.113.9 - - [12/Mar/2026:10:11:12 +0000] "GET /a?b=c HTTP/1.1" 200 5 "-" "curl/8.0" rt=0.012'
        " request_id=7b3f1c9e8f0d4e5a9d6c2b1a0f9e8d7c",
    ),
    Advice("common|combined|vhost.*|apache.*", "Apache", (*_ALL, "services"), _APACHE, _APACHE_LINE),
    Advice("haproxy.*", "HAProxy", (*_ALL, "services"), _HAPROXY, _HAPROXY_LINE),
    Advice("envoy.*|istio.*", "Envoy and Istio", (*_ALL, "services"), _ENVOY, _ENVOY_LINE),
    Advice("common|combined|tomcat.*|jetty.*", "Tomcat", ("transactions",), _TOMCAT),
    Advice(
        "traefik.*",
        "Traefik",
        ("transactions", "latency", "clients"),
        "accessLog: {format: json, fields: {headers: {names: {X-Request-Id: keep, Traceparent: keep, User-Agent: keep}}}}",
    ),
    Advice(
        "iis.*|w3c.*",
        "IIS",
        ("latency", "clients", "routes", "errors", "time"),
        "IIS Manager > Logging > Select Fields: date, time, c-ip, cs-method, cs-uri-stem, cs-uri-query, sc-status, sc-bytes, time-taken,\n"
        "cs(User-Agent), cs-host; and as a custom field the request header X-Request-ID",
    ),
    Advice(
        "aws_(alb|elb|nlb).*|aws_classic.*",
        "AWS load balancers",
        ("transactions", "services"),
        "",
        note="the fields cannot be changed; the balancer sends X-Amzn-Trace-Id on: let the service behind log it as trace_id",
    ),
    Advice(
        "aws_cloudfront.*|cloudfront.*",
        "CloudFront",
        ("transactions", "latency", "clients"),
        "",
        note="x-edge-request-id is the request id; real-time logs let you choose the fields (add time-taken, c-ip, cs-user-agent)",
    ),
    Advice(
        "aws_apigateway.*|aws_http.*",
        "Amazon API Gateway",
        (*_ALL,),
        'access log format: {"requestId":"$context.requestId","requestTimeEpoch":$context.requestTimeEpoch,\n'
        '"ip":"$context.identity.sourceIp","httpMethod":"$context.httpMethod","path":"$context.path",\n'
        '"resourcePath":"$context.resourcePath","status":"$context.status","responseLength":"$context.responseLength",\n'
        '"responseLatency":"$context.responseLatency","userAgent":"$context.identity.userAgent"}',
    ),
    Advice(
        "json|ecs.*|plain.*|logfmt|pino|winston|bunyan|structlog|logback",
        "your application's logger",
        (*_ALL, "services"),
        _JSON,
        _JSON_LINE,
    ),
    Advice(
        "otlp.*|zipkin.*|jaeger.*",
        "OpenTelemetry",
        ("services", "routes", "errors"),
        "OTEL_SERVICE_NAME=orders OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=prod   # in the environment of the service",
    ),
    Advice(
        ".*", "any gateway", ("services",), "", note="name the service of a topic, host or path in the catalogue, or let the log name it"
    ),
)
"""In the order in which they are told."""


def advice_for(format_name: str, need: str) -> list[Advice]:
    """What helps lines of a format to meet a need; gateways that write it by themselves first."""
    return [each for each in ADVICE if need in each.needs and re.fullmatch(each.formats, format_name)]
