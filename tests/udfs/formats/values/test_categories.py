from __future__ import annotations

import pyarrow as pa
import pytest

from schemas.event import ERROR_CATEGORIES
from udfs.formats.values.categories import categorise
from udfs.formats.values.reasons import category_of_flags, category_of_reason, category_of_termination

_STRING, _STATUS = pa.string(), pa.uint16()

_FLAGS = {
    "timeout": "UT SI DT UMSDR UpstreamRequestTimeout",
    "client_abort": "DC DR DownstreamConnectionTermination",
    "rate_limit": "RL RateLimited",
    "authorization": "UAEX",
    "dependency": "DF RLSE",
    "validation": "NR IH DPE NoRouteFound",
    "backend": "UH UF UO NC LH LR UR UC UF,URX FI UpstreamConnectionFailure",
    "": "- DI RFCF",
}
_TERMINATIONS = {
    "client_abort": "CD CC-- CR",
    "timeout": "sH-- sD sQ cR cD",
    "backend": "SC-- SD SH RC IH",
    "": "-- ---- PR-- LR",
    "rate_limit": "PT",
}
_REASONS = {
    "": "OK hit Miss RefreshHit response_sent_by_backend - none 200 0 success unknown response_from_cache via_upstream",
    "timeout": "INTEGRATION_TIMEOUT backend_timeout ETIMEDOUT OriginTimeout DEADLINE_EXCEEDED ERRORINFO_UPSTREAM_TIMED_OUT"
    " LambdaConnectionTimeout"
    " AuthTokenEpRequestTimeout RequestTimeoutException java.net.SocketTimeoutException client_timed_out",
    "rate_limit": "THROTTLED QUOTA_EXCEEDED RateLimitExceeded QuotaExceeded TooManyRequests rate_limit_exceeded SlowDown LambdaThrottling"
    " ThrottlingException RESOURCE_EXHAUSTED throttled_by_quota",
    "client_abort": "client_disconnected_before_any_response client_disconnected_after_partial_response"
    " ClientConnectionFailure ClientCommError"
    " ERRORINFO_CLIENT_CLOSED_REQUEST ClientDisconnected context_canceled AbortError RequestAborted EPIPE",
    "authentication": "MISSING_AUTHENTICATION_TOKEN EXPIRED_TOKEN INVALID_SIGNATURE INVALID_API_KEY UNAUTHORIZED"
    " TokenNotPresent TokenExpired"
    " TokenSignatureInvalid SubscriptionKeyNotFound SubscriptionKeyInvalid AuthInvalidCookie AuthInvalidIdToken invalid_grant invalid_token"
    " invalid_client token_expired UNAUTHENTICATED login_required TokenAudienceNotAllowed handled_by_identity_aware_proxy bad_credentials",
    "authorization": "ACCESS_DENIED AccessDenied WAF_FILTERED denied_by_security_policy CallerIpNotAllowed CallerIpBlocked forbidden"
    " PERMISSION_DENIED insufficient_scope ClientGeoBlocked csrf_failed",
    "validation": "BAD_REQUEST_BODY BAD_REQUEST_PARAMETERS REQUEST_TOO_LARGE UNSUPPORTED_MEDIA_TYPE RESOURCE_NOT_FOUND OperationNotFound"
    " ValidationFailed VALIDATION_ERROR INVALID_ARGUMENT ALREADY_EXISTS invalid_request MethodNotAllowed Severe ERRORINFO_INVALID_HOST"
    " UnprocessableEntity missing_field body_not_allowed",
    "dependency": "AUTHORIZER_FAILURE AUTHORIZER_CONFIGURATION_ERROR DNSNameNotResolved ENOTFOUND WAFConnectionTimeout WAFServiceError"
    " AuthTokenEpRequestFailed dependency_failed DatabaseError payment_provider_unavailable UnknownHostException"
    " OriginDnsError FAILED_DEPENDENCY",
    "backend": "INTEGRATION_FAILURE failed_to_connect_to_backend failed_to_pick_backend"
    " backend_connection_closed_before_data_sent_to_client"
    " LambdaUnhandled LambdaInvalidResponse OriginConnectError OriginCommError BackendConnectionFailure ECONNREFUSED internal_error"
    " UNAVAILABLE ERRORINFO_UPSTREAM_NO_LIVE NullPointerException API_CONFIGURATION_ERROR ServiceUnavailable",
}  # fmt: skip


def _pairs(table: dict[str, str]) -> list[tuple[str, str]]:
    return [(word, category) for category, words in table.items() for word in words.split()]


@pytest.mark.parametrize(("flags", "category"), _pairs(_FLAGS))
def test_envoy_flags_have_their_category(flags: str, category: str) -> None:
    assert category_of_flags(flags) == category


@pytest.mark.parametrize(("state", "category"), _pairs(_TERMINATIONS))
def test_haproxy_termination_states_have_their_category(state: str, category: str) -> None:
    assert category_of_termination(state) == category


def test_every_reason_has_its_category() -> None:
    wrong = {word: (category_of_reason(word), category) for word, category in _pairs(_REASONS) if category_of_reason(word) != category}
    assert not wrong
    assert set(_REASONS) == {"", *ERROR_CATEGORIES}


@pytest.mark.parametrize(
    ("status", "hints", "category"),
    [
        (503, {"response_flags": "UT"}, "timeout"),
        (503, {"response_flags": "-"}, "backend"),
        (200, {"response_flags": "DC"}, "client_abort"),
        (None, {"response_flags": "DC"}, "client_abort"),
        (403, {"response_flags": "UAEX"}, "authorization"),
        (401, {"response_flags": "UAEX"}, "authentication"),
        (404, {"response_flags": "NR"}, "validation"),
        (503, {"termination_state": "sH--"}, "timeout"),
        (200, {"termination_state": "CD--"}, "client_abort"),
        (429, {"termination_state": "PR--"}, "rate_limit"),
        (404, {"termination_state": "SD--"}, "validation"),
        (403, {"error_reason": "MISSING_AUTHENTICATION_TOKEN"}, "authentication"),
        (500, {"error_reason": "AUTHORIZER_FAILURE"}, "dependency"),
        (401, {"error_reason": "ACCESS_DENIED"}, "authentication"),
        (200, {"error_reason": "validation_error"}, ""),
        (200, {"error_reason": "client_disconnected_after_partial_response"}, "client_abort"),
        (502, {"upstream_status": "502, 504"}, "timeout"),
        (502, {"upstream_status": "-"}, "backend"),
        (404, {"upstream_status": "500"}, "validation"),
        (500, {"error_category": "timeout", "error_reason": "throttled"}, "timeout"),
        (500, {"error_category": "E17"}, "backend"),
        (500, {"error_reason": None}, "backend"),
    ],
)
def test_all_that_a_line_tells_gives_one_category(status: int | None, hints: dict[str, str | None], category: str) -> None:
    columns = {"http_response_status_code": pa.array([status], _STATUS), **{k: pa.array([v], _STRING) for k, v in hints.items()}}
    assert categorise(columns, 1).to_pylist() == [category]


def test_events_without_status_or_hint_have_no_category() -> None:
    assert categorise({}, 2).to_pylist() == ["", ""]
    assert categorise({}, 0).to_pylist() == []
