"""JSON lines of applications: the event schema's own names first, then names in common use.

Names: `schemas.event.EVENT`; Elastic Common Schema (https://www.elastic.co/guide/en/ecs/current/ecs-http.html); OpenTelemetry semantic
conventions (https://opentelemetry.io/docs/specs/semconv/http/http-spans/); Datadog's standard attributes
(https://docs.datadoghq.com/standard-attributes/); the default keys of logrus, slog, zerolog, structlog, python-json-logger, winston and
express-winston (`meta`), morgan, pino-http (`req`, `res`), lograge, monolog and gunicorn. A duration without a unit in its name is ms.
"""

from __future__ import annotations

from udfs.formats.dialect import TARGETS, Dialect

__all__ = ["PLAIN_JSON"]

_OWN = {name: name for name in TARGETS if name != "request"}

_NAMES: dict[str, tuple[str, ...]] = {
    "timestamp": (
        "@timestamp", "time", "ts", "datetime", "asctime", "event.start", "date", "start_time", "startTime", "started_at", "start",
        "time_iso8601", "time_local", "requestTime", "request_timestamp", "log_time", "logged_at", "eventTime", "timeMillis", "@t",
        "t",
    ),
    "end_time": ("endTime", "ended_at", "event.end", "end", "finished_at"),
    "http_request_method": (
        "method", "http_method", "httpMethod", "request_method", "requestMethod", "verb", "http.request.method", "http.method",
        "req.method", "request.method", "meta.req.method", "meta.method", "RequestMethod", "http.verb", "cs-method",
        "extra.http_method",
    ),
    "request": ("request", "request_line", "requestLine", "requested_url", "http_request"),
    "url_path": (
        "path", "uri", "url", "request_uri", "requestUri", "request_path", "requestPath", "url.path", "url.original", "url.full",
        "http.target", "http.url", "req.originalUrl", "req.url", "req.path", "request.path", "request.uri", "request.url",
        "meta.req.originalUrl", "meta.req.url", "meta.url", "RequestPath", "requested_uri", "request_url", "http.url_details.path",
        "http.path", "full_path", "originalUrl", "extra.url",
    ),
    "url_query": ("query", "query_string", "queryString", "url.query", "querystring", "request.query", "http.query", "raw_query"),
    "http_route": (
        "route", "http.route", "endpoint", "req.route.path", "req.routerPath", "routePath", "url_rule", "path_template",
        "pathTemplate", "RouteTemplate", "route.path",
    ),
    "http_response_status_code": (
        "status", "status_code", "statusCode", "http_status", "httpStatus", "response_code", "responseCode", "response_status",
        "responseStatus", "http.response.status_code", "http.status_code", "res.statusCode", "response.status",
        "response.status_code", "response.statusCode", "meta.res.statusCode", "meta.status", "http_status_code", "StatusCode",
        "http.response.status", "res.status", "code",
    ),
    "duration_ms": (
        "durationMs", "latency_ms", "latencyMs", "elapsed_ms", "elapsedMs", "response_time_ms", "responseTimeMs", "took_ms",
        "duration_in_ms", "duration_millis", "durationMillis", "elapsed_time_ms", "request_time_ms", "request_duration_ms",
        "time_ms", "processing_time_ms", "meta.responseTime", "ElapsedMilliseconds",
    ),
    "duration_s": (
        "duration_seconds", "latency_s", "latency_seconds", "elapsed_s", "elapsed_seconds", "duration_sec", "duration_in_s",
        "response_time_s", "request_duration_seconds", "process_time", "request_time",
    ),
    "duration_us": ("latency_us", "elapsed_us", "duration_micros", "response_time_us", "duration_usec", "latencyUs"),
    "duration_ns": ("latency_ns", "elapsed_ns", "event.duration", "duration_nanos", "durationNs", "duration_nanoseconds"),
    "duration_ms ": (
        "duration", "latency", "elapsed", "Elapsed", "response_time", "responseTime", "response-time", "elapsed_time",
        "elapsedTime", "request_duration", "took", "time_taken", "timeTaken", "processing_time", "exec_time",
    ),
    "http_response_body_size": (
        "bytes", "bytes_sent", "body_bytes_sent", "response_size", "responseSize", "response_length", "responseLength",
        "content_length", "contentLength", "content-length", "http.response.body.size", "http.response.body.bytes",
        "http.response.bytes", "res.contentLength", "res.headers.content-length", "response.size", "response_bytes", "resp_size",
        "bytes_out", "size",
    ),
    "client_address": (
        "client_ip", "clientIp", "clientIP", "client.address", "client.ip", "x_forwarded_for", "forwarded_for", "remote_addr",
        "remote_ip", "remoteIp", "remote_address", "remoteAddress", "source_ip", "sourceIp", "source.ip", "source.address",
        "network.client.ip", "req.ip", "req.remoteAddress", "request.ip", "request.remote_ip", "request.remote_addr", "meta.req.ip",
        "meta.ip", "http.client_ip", "remote", "remote_host", "client", "client_addr", "peer_addr", "ip_address", "ip", "extra.ip",
    ),
    "user_agent_original": (
        "user_agent", "userAgent", "user-agent", "user_agent.original", "http_user_agent", "http.user_agent", "http.useragent",
        "useragent", "req.headers.user-agent", "req.userAgent", "request.headers.user-agent", "meta.req.headers.user-agent",
        "http.request.user_agent", "ua",
    ),
    "server_address": (
        "server.address", "url.domain", "http.host", "http_host", "req.headers.host", "req.host", "req.hostname", "request.host",
        "request.headers.host", "meta.req.headers.host", "vhost", "server_name", "domain", "host",
    ),
    "request_id": (
        "requestId", "x_request_id", "x-request-id", "http.request.id", "http.request_id", "RequestId", "req.headers.x-request-id",
        "request.headers.x-request-id", "meta.req.headers.x-request-id", "mdc.requestId", "mdc.request_id", "mdc.X-Request-Id",
        "contextMap.requestId", "context.requestId", "context.request_id", "labels.request_id", "extra.request_id", "req_id",
        "reqId", "req.id", "request.id", "correlation_id", "correlationId", "x_correlation_id", "mdc.correlationId",
        "contextMap.correlationId", "awsRequestId", "function_request_id", "http_x_request_id", "http_x_correlation_id",
    ),
    "trace_id": (
        "traceId", "traceID", "trace.id", "TraceId", "@tr", "otelTraceID", "dd.trace_id", "mdc.traceId", "mdc.trace_id",
        "contextMap.traceId", "contextMap.trace_id", "context.trace_id", "labels.trace_id", "req.headers.traceparent",
        "request.headers.traceparent", "xray_trace_id", "logging.googleapis.com/trace", "x_b3_traceid", "X-B3-TraceId",
        "traceparent", "http_traceparent", "b3", "x-amzn-trace-id", "http_x_amzn_trace_id", "req.headers.x-amzn-trace-id",
        "x-cloud-trace-context", "http_x_cloud_trace_context", "uber-trace-id", "operation_Id", "req.headers.x-b3-traceid",
        "http_x_b3_traceid", "req.headers.b3", "trace",
    ),
    "span_id": (
        "spanId", "spanID", "span.id", "SpanId", "@sp", "otelSpanID", "dd.span_id", "mdc.spanId", "mdc.span_id",
        "contextMap.spanId", "contextMap.span_id", "context.span_id", "logging.googleapis.com/spanId", "X-B3-SpanId",
    ),
    "parent_span_id": ("parentSpanId", "parent_id", "parentId", "parent.id", "X-B3-ParentSpanId"),
    "span_name": ("spanName", "operation", "operationName", "operation_name"),
    "span_kind": ("spanKind", "span.kind"),
    "environment": (
        "env", "deployment_environment", "deployment.environment", "deployment.environment.name", "service.environment", "dd.env",
        "stage",
    ),
    "region": ("cloud.region", "aws_region"),
    "cluster": ("orchestrator.cluster.name", "k8s.cluster.name", "cluster_name"),
    "service_name": (
        "service", "service.name", "serviceName", "app", "application", "app_name", "appName", "application_name",
        "spring.application.name", "dd.service", "otelServiceName", "component", "kubernetes.labels.app",
        "kubernetes.labels.app_kubernetes_io/name", "kubernetes.container.name", "kubernetes.container_name",
    ),
    "client_id": ("clientId", "client.id", "app_id", "api_key_id", "apiKeyId"),
    "user_id": ("userId", "user.id", "user.name", "usr.id", "mdc.userId", "contextMap.userId", "user", "username", "remote_user"),
    "token_id": ("tokenId",),
    "token": ("authorization", "req.headers.authorization", "request.headers.authorization", "meta.req.headers.authorization"),
    "forwarded_for": ("req.headers.x-forwarded-for", "request.headers.x-forwarded-for", "meta.req.headers.x-forwarded-for"),
    "k8s_pod_name": (
        "pod", "pod_name", "podName", "k8s.pod.name", "kubernetes.pod_name", "kubernetes.pod.name", "hostname", "hostName",
        "host.name", "host.hostname", "HOSTNAME",
    ),
    "k8s_namespace_name": ("kubernetes.namespace", "kubernetes.namespace_name", "k8s.namespace.name", "namespace"),
    "cloud_account_id": ("cloud.account.id",),
    "severity_text": (
        "severity", "level_name", "levelname", "level", "log.level", "log_level", "loglevel", "logLevel", "@l", "lvl",
        "severityText",
    ),
    "body": (
        "message", "msg", "event.message", "fields.message", "formattedMessage", "short_message", "renderedMessage",
        "RenderedMessage", "log",
        "event", "text", "error.message", "err.message", "@m", "@mt", "MessageTemplate",
    ),
    "error_reason": ("error_code", "errorCode", "error.code", "error.type", "err.code"),
    "upstream_status": ("upstream_status", "upstreamStatus"),
}  # fmt: skip
"""Target -> names in common use, the first that holds something counts. (The key with a blank: more durations, after the exact ones.)"""

LOOSE = frozenset({
    "status", "code", "res.status", "response_status", "responseStatus", "http.response.status", "meta.status", "duration",
    "latency", "elapsed", "Elapsed", "response_time", "responseTime", "took", "request_time", "requestTime", "process_time",
    "processing_time", "elapsed_time", "elapsedTime", "time_taken", "timeTaken", "exec_time", "start", "end", "date", "start_time",
    "startTime", "started_at", "endTime", "ended_at", "finished_at", "size", "bytes", "response_size", "responseSize",
    "content_length", "contentLength", "path", "url", "uri", "method", "t", "query", "event.start", "event.end", "length",
})  # fmt: skip

PLAIN_JSON = Dialect(
    "json",
    (),
    {**_OWN, **{name: target.strip() for target, names in _NAMES.items() for name in names if name not in _OWN}},
    loose=LOOSE,
)
