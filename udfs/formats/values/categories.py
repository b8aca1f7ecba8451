"""Why a request failed: the one table from status codes to error categories."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.event import ERROR_CATEGORIES

__all__ = ["GRPC_CATEGORIES", "STATUS_CATEGORIES", "category_of_status", "read_categories"]

STATUS_CATEGORIES = {
    401: "authentication",
    403: "authorization",
    407: "authentication",
    408: "timeout",
    429: "rate_limit",
    460: "",
    499: "",
    504: "timeout",
    561: "authentication",
}
"""Status codes that do not follow the rule '4xx = validation, 5xx = backend'. 499 (nginx) and 460 (AWS ALB): the caller hung up,
nobody's error; 561 (AWS ALB): the identity provider refused."""

GRPC_CATEGORIES = {
    2: "backend", 3: "validation", 4: "timeout", 5: "validation", 6: "validation", 7: "authorization", 8: "rate_limit", 9: "validation",
    10: "backend", 11: "validation", 12: "backend", 13: "backend", 14: "backend", 15: "backend", 16: "authentication",
}  # fmt: skip
"""gRPC status codes (https://grpc.io/docs/guides/status-codes/); 0 OK and 1 CANCELLED are no errors."""


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
