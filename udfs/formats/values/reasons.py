"""What gateways' flags and error codes say about why a request failed: tables from words to error categories.

Sources: Envoy %RESPONSE_FLAGS% (https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage), HAProxy's
session state at disconnection (https://docs.haproxy.org/3.0/configuration.html#8.5), the error reason codes of AWS load balancers
(https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html), gateway response types of API
Gateway, Google's statusDetails (https://cloud.google.com/load-balancing/docs/https/https-logging-monitoring), error reasons of Azure API
Management (https://learn.microsoft.com/azure/api-management/api-management-error-handling-policies), of Application Gateway and Front
Door, and CloudFront's detailed result types.

`backend` is what stands behind the gateway, whether it answered with an error or could not be reached. `dependency` is what a request
needs besides: name resolution, an authorizer, a firewall or rate-limit service, a database or whatever a code calls a dependency.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["category_of_flags", "category_of_reason", "category_of_termination"]

_ENVOY = {
    "RL": "rate_limit",
    "UAEX": "authorization",
    "UT": "timeout", "SI": "timeout", "DT": "timeout", "UMSDR": "timeout",
    "DC": "client_abort", "DR": "client_abort",
    "DF": "dependency", "RLSE": "dependency", "NFCF": "dependency",
    "NR": "validation", "IH": "validation", "DPE": "validation",
    "UH": "backend", "UF": "backend", "UO": "backend", "NC": "backend", "LH": "backend", "LR": "backend", "UR": "backend", "UC": "backend",
    "URX": "backend", "UPE": "backend", "FI": "backend", "OM": "backend", "DO": "backend",
}  # fmt: skip
"""Flag -> category, the more telling flags first: of several the first in this order counts. Others (DI, RFCF, ...) are no errors."""
_ENVOY_LONG = {
    "ratelimited": "RL", "unauthorizedexternalservice": "UAEX", "upstreamrequesttimeout": "UT", "streamidletimeout": "SI",
    "durationtimeout": "DT", "upstreammaxstreamdurationreached": "UMSDR", "downstreamconnectiontermination": "DC",
    "downstreamremotereset": "DR", "dnsresolutionfailed": "DF", "ratelimitserviceerror": "RLSE", "nofilterconfigfound": "NFCF",
    "noroutefound": "NR", "invalidenvoyrequestheaders": "IH", "downstreamprotocolerror": "DPE", "nohealthyupstream": "UH",
    "upstreamconnectionfailure": "UF", "upstreamoverflow": "UO", "noclusterfound": "NC", "failedlocalhealthcheck": "LH", "localreset": "LR",
    "upstreamremotereset": "UR", "upstreamconnectiontermination": "UC", "upstreamretrylimitexceeded": "URX", "upstreamprotocolerror": "UPE",
    "faultinjected": "FI", "overloadmanagerterminated": "OM", "dropoverload": "DO",
}  # fmt: skip


@lru_cache(4096)
def category_of_flags(text: str) -> str:
    """Category of Envoy's response flags, short or long ('UF,URX', 'UpstreamRequestTimeout'); '' for none."""
    flags = {flag.strip() for flag in text.split(",")}
    flags |= {_ENVOY_LONG.get(flag.lower(), "") for flag in flags}
    return next((category for flag, category in _ENVOY.items() if flag in flags), "")


_TERMINATION = {
    "C": "client_abort",
    "c": "timeout",
    "s": "timeout",
    "S": "backend",
    "R": "backend",
    "I": "backend",
    "D": "backend",
    "K": "backend",
}


@lru_cache(1024)
def category_of_termination(text: str) -> str:
    """Category of HAProxy's termination state ('sH--', 'CD'); '' where the status says it (P: the proxy itself refused)."""
    if text[:2] == "PT":
        return "rate_limit"
    return _TERMINATION.get(text[:1], "")


_NO_ERROR = re.compile(
    r"(?:ok|success|hit|miss|refresh_?hit|redirect\w*|response_sent_by_backend|response_from_cache\w*|direct_response|via_upstream|completed"
    r"|normal|none|null|nil|no_error|http_status|\d{0,3}|response_validated|internal_redirect\w*|byte_range_caching|websocket_closed|unknown)"
)
_RULES = tuple(
    (re.compile(pattern), category)
    for pattern, category in (
        (
            r"waf_(?:connection|response|service|unhandled)|authorizer_|auth_(?:token|userinfo)_ep_request_failed|idp_|identity_provider",
            "dependency",
        ),
        (r"\bdns_?|_dns|name_not_resolved|unknown_host|enotfound|eai_again|nxdomain|name_resolution|resolve_host", "dependency"),
        (
            r"dependency|third_party|downstream_service|external_(?:service|api)|upstream_service|partner_|provider_(?:error|unavailable|down)"
            r"|database|redis|postgres|mysql|mongo|kafka|sql_?exception|jdbc|\bdb_",
            "dependency",
        ),
        (
            r"client_?(?:disconnect|closed|abort|connection|comm|reset|gone|cancel|hang)|abort(?:ed)?_by_client|downstream_(?:connection_|remote_)"
            r"|request_(?:aborted|cancell?ed)|(?:^|_)cancell?ed|context_cancel|broken_pipe|epipe|reset_by_client|econnaborted|abort_error",
            "client_abort",
        ),
        (r"time_?d?_?out|deadline|etimedout|too_slow", "timeout"),
        (
            r"rate_?limit|throttl|too_many_(?:requests|connections)|quota|limit_exceeded|slow_down|request_limit|capacity_exceeded"
            r"|resource_exhausted|calls_exceeded|max_connections",
            "rate_limit",
        ),
        (r"^lambda_|^integration_|invalid_response|configuration_error|^api_configuration", "backend"),
        (
            r"unauthenticated|not_authenticated|missing_authentication|authentication|^unauthori[sz]ed$|^auth_|login_|subscription_key|invalid_api_key"
            r"|(?:invalid|expired|missing|bad|revoked|malformed|wrong|no|unknown|incorrect)_(?:\w+_)?(?:token|key|credentials?|signature|password|session"
            r"|cookie|grant|client|jwt|login|secret|nonce)(?:_|$)|(?:token|signature|session|credentials?|jwt|cookie|password|api_key)_\w*(?:invalid|expired"
            r"|not_present|missing|revoked|not_found|mismatch|match|not_allowed|reuse|incorrect|rejected)|^jwt|identity_aware_proxy|handled_by_identity",
            "authentication",
        ),
        (r"method_not_allowed|media_type|body_not_allowed", "validation"),
        (
            r"forbidden|access_denied|permission|not_authori[sz]ed|unauthori[sz]ed|insufficient_(?:scope|priv|perm|right)|denied|blocked|\bwaf|_waf|csrf"
            r"|not_allowed|security_policy|rbac|scope|filtered|consent|account_(?:locked|disabled|suspended)",
            "authorization",
        ),
        (
            r"valid|bad_(?:request|user|input)|malformed|missing|not_found|conflict|unprocessable|schema|pars(?:e|ing)|unsupported|too_(?:large|long|big)"
            r"|constraint|required|duplicate|already_exists|out_of_range|precondition|not_acceptable|no_route|desync|severe|ambiguous|mismatch|not_unique"
            r"|invalid|illegal|uri|no_such|payload|wrong_|stale|gone|unknown_(?:field|param)",
            "validation",
        ),
        (
            r"internal|unhandled|exception|unavailable|backend|upstream|origin|server_error|refused|crash|fail|error|econn|no_live|no_healthy|reset"
            r"|fatal|panic|null_pointer|deadlock|out_of_memory|overload|fault",
            "backend",
        ),
    )
)
"""In this order: the first that fits counts."""
_CAMEL = re.compile(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])")


@lru_cache(16_384)
def category_of_reason(text: str) -> str:
    """Category of a gateway's reason or a body's error code ('INTEGRATION_TIMEOUT', 'invalid_grant'); '' where it tells none."""
    spaced = _CAMEL.sub(lambda match: f"{match[1] or match[3]}_{match[2] or match[4]}", text[:200])
    words = re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_").removeprefix("errorinfo_")
    if _NO_ERROR.fullmatch(words):
        return ""
    return next((category for rule, category in _RULES if rule.search(words)), "")
