"""Tags of tracers other than OpenTelemetry, and their ids and times."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.formats.otlp_records import Ids
from udfs.formats.values.times import LATEST_US

__all__ = ["PlainAttributes", "microseconds", "padded_ids"]

_SAME = {"http.path": "url.path", "peer.ipv4": "client.address", "guid:x-request-id": "request_id", "x-request-id": "request_id"}
"""Names of OpenTracing and Zipkin -> those of OpenTelemetry."""
_HEX = re.compile("[0-9a-f]+")


class PlainAttributes:
    """Attributes that are dicts already."""

    def __init__(self, dicts: Sequence[dict[str, Any]]) -> None:
        self._dicts = dicts
        keys: set[str] = set().union(*set(map(tuple, dicts)))
        self._other = {_SAME[key]: key for key in keys if key in _SAME}
        self.present = frozenset(keys | set(self._other))

    def column(self, key: str) -> list[Any]:
        """Values of one key; None where a record has it not."""
        values = [d.get(key) for d in self._dicts]
        other = self._other.get(key)
        return values if other is None else [d.get(other) if v is None else v for v, d in zip(values, self._dicts, strict=True)]


def padded_ids(values: Sequence[Any], digits: int) -> Ids:
    """Hexadecimal ids, zeros on the left put back; base64 (protobuf's JSON) is decoded; null and all zeros are none."""
    texts = [_padded(value, digits) for value in values]
    bad = np.array([text is None for text in texts], bool)
    return Ids(pa.array(texts, pa.string()), bad if bad.any() else None)


def _padded(value: Any, digits: int) -> str | None:
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        return None
    lower = value.lower()
    if len(lower) <= digits and _HEX.fullmatch(lower):
        padded = lower.zfill(digits)
        return "" if padded.strip("0") == "" else padded
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
    return (raw.hex() if raw.strip(b"\0") else "") if len(raw) * 2 == digits else None


def microseconds(values: Sequence[Any]) -> NDArray[Any]:
    """int64[n] of numbers or digits; 0 where there is none, -1 where it is no time."""
    return np.fromiter(map(_microsecond, values), np.int64, len(values))


def _microsecond(value: Any) -> int:
    if value is None:
        return 0
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return -1
    return number if 0 <= number < LATEST_US else -1
