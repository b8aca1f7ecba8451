"""Lines of known servers that are no access lines: error and status logs that share a file or a topic with access logs.

https://nginx.org/en/docs/ngx_core_module.html#error_log, https://httpd.apache.org/docs/2.4/logs.html#errorlog,
https://docs.haproxy.org/3.0/configuration.html#8.2.6 (error log format) and #8.2.2 (TCP log format), Envoy's application log
(https://www.envoyproxy.io/docs/envoy/latest/operations/cli, `--log-format`), Tomcat's, cPanel's and nginx-proxy-manager's own logs,
oslo.log (https://docs.openstack.org/oslo.log/latest/configuration/), uvicorn's, Zoraxy's and Traefik's.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["is_not_access"]

_PATTERNS = (
    r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[[a-z]+\] \d+#\d+: ",  # nginx
    r"\[[A-Z][a-z]{2} [A-Z][a-z]{2} {1,2}\d{1,2} [0-9:.]+ \d{4}\] \[",  # Apache
    r"\[(?:\d{1,2}/[A-Z][a-z]{2}/|\d{4}-\d\d-)[^\]]+\] \[(?:\w*:)?[a-z]+\d?\] (?:\[pid|\[client)",  # Apache, other times
    r"[^ ]+:\d+ \[\d{1,2}/[A-Z][a-z]{2}/\d{4}:[0-9:.]+\] [^ ]+: ",  # HAProxy, errors
    r"[^ ]+:\d+ \[\d{1,2}/[A-Z][a-z]{2}/\d{4}:[0-9:.]+\] [^ ]+ [^ ]+/[^ ]+ -?\d+/-?\d+/\+?-?\d+ \+?\d+ [A-Za-z-]{2} ",  # HAProxy, TCP
    r"(?:Proxy [^ ]+ (?:started|stopped)|Server [^ ]+/[^ ]+ is (?:UP|DOWN)|Health check for |backend [^ ]+ has no server available)",
    r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] [a-z]+ \[\w+\] ",  # cPanel
    r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+\]\[\d+\]\[[a-z]+\]",  # Envoy
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z\t[a-z]+\tenvoy ",  # Istio's proxy
    r"\d{2}-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d\.\d+ [A-Z]+ \[",  # Tomcat
    r"\[\d{1,2}/\d{1,2}/\d{4}\] \[[0-9: APM]+\] \[",  # nginx-proxy-manager
    r"(?:[\w.-]+\.log\.\S+ )?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.,]\d+ \d+ [A-Z]{4,8} [\w.-]+ \[",  # oslo.log
    r"(?:\d{4}/\d\d/\d\d \d\d:\d\d:\d\d )?\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?\] \[[^\]]*\] \[system:",  # Zoraxy
    r"(?:INFO|WARNING|ERROR): +(?:Started|Waiting|Application|Uvicorn|Shutting|Finished|Stopping|Will watch|Invalid HTTP)",  # uvicorn
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \[[A-Z]+\] \[",  # LiteSpeed
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d) (?:DBG|INF|WRN|ERR|FTL) ",  # Traefik
)
_PATTERN = f"^(?:{'|'.join(_PATTERNS)})"


def is_not_access(lines: pa.Array) -> pa.Array:
    """Whether each line is an error- or status-log line of a known server. Cost: one scan; asked only of lines no format takes."""
    return pc.match_substring_regex(lines, _PATTERN)
