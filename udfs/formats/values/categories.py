"""Why a request failed: from its status, the gateway's flags and reasons, and the codes of bodies, by tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.event import ERROR_CATEGORIES
from udfs.formats.values.reasons import category_of_flags, category_of_reason, category_of_termination

__all__ = ["GRPC_CATEGORIES", "STATUS_CATEGORIES", "categorise", "category_of_status", "read_categories"]

STATUS_CATEGORIES = {
    401: "authentication", 402: "authorization", 403: "authorization", 407: "authentication", 408: "timeout", 419: "authentication",
    420: "rate_limit", 424: "dependency", 429: "rate_limit", 440: "authentication", 451: "authorization", 460: "client_abort",
    495: "authentication", 496: "authentication", 498: "authentication", 499: "client_abort", 504: "timeout", 509: "rate_limit",
    511: "authentication", 522: "timeout", 524: "timeout", 561: "authentication", 598: "timeout", 599: "timeout",
}  # fmt: skip
"""Status codes that do not follow the rule '4xx = validation, 5xx = backend'. 499 (nginx) and 460 (AWS ALB): the caller hung up; 495,
496 (nginx): its certificate; 522, 524 (Cloudflare): the origin was too slow; 561 (AWS ALB): the identity provider refused."""

GRPC_CATEGORIES = {
    1: "client_abort",
    2: "backend", 3: "validation", 4: "timeout", 5: "validation", 6: "validation", 7: "authorization", 8: "rate_limit", 9: "validation",
    10: "backend", 11: "validation", 12: "backend", 13: "backend", 14: "backend", 15: "backend", 16: "authentication",
}  # fmt: skip
"""gRPC status codes (https://grpc.io/docs/guides/status-codes/); 0 OK is no error."""


def category_of_status(status: int | None) -> str:
    """Category of one HTTP status; '' for no error."""
    if status is None or status < 400:
        return ""
    return STATUS_CATEGORIES.get(status, "validation" if status < 500 else "backend")


_NAMES = pa.array(["", *ERROR_CATEGORIES])
_CODES = np.array([("", *ERROR_CATEGORIES).index(category_of_status(status)) for status in range(600)], np.int8)


def read_categories(statuses: pa.Array) -> pa.Array:
    """Error category of each uint16 status; '' for null. Cost: one look-up a row."""
    codes = _CODES[statuses.fill_null(0).to_numpy(zero_copy_only=False)]
    return pc.take(_NAMES, pa.array(codes))


_CODE_OF = {name: code for code, name in enumerate(("", *ERROR_CATEGORIES))}
_ABORT, _AUTHENTICATION, _AUTHORIZATION = _CODE_OF["client_abort"], _CODE_OF["authentication"], _CODE_OF["authorization"]
_BACKEND, _RATE_LIMIT = _CODE_OF["backend"], _CODE_OF["rate_limit"]


def categorise(columns: Mapping[str, pa.Array], n: int) -> pa.Array:
    """Error category of each event, from all that its line tells.

    Parameters
    ----------
    columns : uses http_response_status_code and error_category, and the hints response_flags, termination_state, error_reason and
        upstream_status (`udfs.formats.dialect.HINT_TARGETS`); each may be missing
    n : events

    A category that was logged and is one of ours counts; else the gateway's flags; else, for a failed response, its reason or error
    code; else the status. A response that did not fail is an error only by flags, or where the caller hung up.

    Cost: one look-up a row, and a few regular expressions per distinct flag and reason.
    """
    statuses = columns.get("http_response_status_code")
    status = np.zeros(n, np.int64) if statuses is None else statuses.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    status = np.where((status < 0) | (status > 599), 0, status)
    codes = _CODES[status]
    if "upstream_status" in columns:
        behind = _of_texts(columns["upstream_status"], lambda text: category_of_status(_last_status(text)))
        codes = np.where((codes == _BACKEND) & (behind > 0), behind, codes)
    if "error_reason" in columns:
        reason = _of_texts(columns["error_reason"], category_of_reason)
        # 401 and 429 leave no doubt; a reason beside a good status is a warning, unless the caller was gone.
        doubtful = (codes != _RATE_LIMIT) & (codes != _AUTHENTICATION) & (codes != _ABORT)
        failed = (status == 0) | (status >= 400)
        codes = np.where((reason > 0) & doubtful & (failed | (reason == _ABORT)), reason, codes)
    for name, category in (("termination_state", category_of_termination), ("response_flags", category_of_flags)):
        if name in columns:
            flags = _of_texts(columns[name], category)
            flags = np.where((flags == _AUTHORIZATION) & (status == 401), _AUTHENTICATION, flags)
            # A server's own error that the gateway only passed on has no flag; a 4xx of the caller's is not the backend's fault.
            told = (flags > 0) & ~((flags == _BACKEND) & (status >= 400) & (status < 500))
            codes = np.where(told, flags, codes)
    given = columns.get("error_category")
    if given is not None:
        ours = pc.index_in(given, _NAMES).fill_null(0).to_numpy(zero_copy_only=False)
        codes = np.where(ours > 0, ours, codes)
    return pc.take(_NAMES, pa.array(codes))


def _of_texts(texts: pa.Array, category: Callable[[str], str]) -> NDArray[Any]:
    """Code of the category of each text, 0 for none; asked once per distinct text."""
    coded = texts.cast(pa.string()).dictionary_encode()
    codes = np.array([_CODE_OF[category(text)] for text in coded.dictionary.to_pylist()] or [0], np.int8)
    found = codes[coded.indices.fill_null(0).to_numpy(zero_copy_only=False)]
    return np.where(texts.is_valid().to_numpy(zero_copy_only=False), found, 0) if texts.null_count else found


def _last_status(text: str) -> int | None:
    """The last of '502, 504' or '502 : 200'."""
    words = text.replace(",", " ").replace(":", " ").split()
    last = words[-1] if words else ""
    return int(last) if last.isdigit() and len(last) == 3 else None
