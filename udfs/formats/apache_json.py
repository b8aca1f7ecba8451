"""Apache httpd with a LogFormat of JSON: keys are the usual names people give the format's letters.

https://httpd.apache.org/docs/2.4/mod/mod_log_config.html: %D is us, %{ms}T ms, %T s; %t stands in brackets; %q starts with '?'. The
template of many guides: {"time":..,"process":"%D","filename":"%f","remoteIP":"%a","host":"%V","request":"%U","query":"%q",..}.
"""

from __future__ import annotations

from udfs.formats.dialect import Dialect
from udfs.formats.plain_json import LOOSE, PLAIN_JSON

__all__ = ["APACHE_JSON", "GROK_JSON"]

APACHE_JSON = Dialect(
    "apache_json",
    (
        frozenset({"remoteIP", "process", "request"}),
        frozenset({"remoteIP", "request", "status"}),
        frozenset({"remote_host", "remote_logname"}),
        frozenset({"remoteHostname", "status"}),
        frozenset({"remoteLogname", "status"}),
        frozenset({"remote_logname", "status"}),
        frozenset({"duration_usec", "status"}),
        frozenset({"time_us", "status"}),
        frozenset({"request_duration_us", "status"}),
        frozenset({"request_first_line"}),
        frozenset({"firstLine", "status"}),
    ),
    {
        "process": "duration_us",
        "duration_usec": "duration_us",
        "duration_us": "duration_us",
        "duration_microseconds": "duration_us",
        "request_duration_us": "duration_us",
        "time_us": "duration_us",
        "microseconds": "duration_us",
        "firstLine": "request",
        "request_first_line": "request",
        "remoteIP": "client_address",
        "remoteHostname": "client_address",
        "client": "client_address",
        "finalStatus": "http_response_status_code",
        "bytesSent": "http_response_body_size",
        "responseBytes": "http_response_body_size",
        "response_size_bytes": "http_response_body_size",
        "remoteUser": "user_id",
        **PLAIN_JSON.keys,
    },
    is_access=True,
    loose=LOOSE - {"status", "bytes", "size", "duration", "method", "path", "uri", "url"},
)

GROK_JSON = Dialect(
    "grok_json",
    (frozenset({"clientip", "verb", "response"}),),
    {
        "@timestamp": "timestamp",
        "timestamp": "timestamp",
        "verb": "http_request_method",
        "request": "url_path",
        "response": "http_response_status_code",
        "bytes": "http_response_body_size",
        "clientip": "client_address",
        "agent": "user_agent_original",
        "auth": "user_id",
        "request_id": "request_id",
    },
    is_access=True,
)
"""What Logstash makes of an access line: https://github.com/logstash-plugins/logstash-patterns-core, COMBINEDAPACHELOG (legacy names)."""
