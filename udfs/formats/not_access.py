"""Lines of known servers that are no access lines: error logs that share a file or a topic with access logs.

https://nginx.org/en/docs/ngx_core_module.html#error_log, https://httpd.apache.org/docs/2.4/logs.html#errorlog,
https://docs.haproxy.org/3.0/configuration.html#8.2.6 (error log format).
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["is_not_access"]

_NGINX_ERROR = r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[[a-z]+\] \d+#\d+: "
_APACHE_ERROR = r"\[[A-Z][a-z]{2} [A-Z][a-z]{2} {1,2}\d{1,2} [0-9:.]+ \d{4}\] \["
_HAPROXY_ERROR = r"[^ ]+:\d+ \[\d{1,2}/[A-Z][a-z]{2}/\d{4}:[0-9:.]+\] [^ ]+: "
_DAEMON = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] [a-z]+ \[\w+\] "
_PATTERN = f"^(?:{_NGINX_ERROR}|{_APACHE_ERROR}|{_HAPROXY_ERROR}|{_DAEMON})"


def is_not_access(lines: pa.Array) -> pa.Array:
    """Whether each line is an error-log line of nginx, Apache, HAProxy or cPanel."""
    return pc.match_substring_regex(lines, _PATTERN)
