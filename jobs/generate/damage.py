"""Lines that nobody can read: what a parser must refuse without stopping."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

__all__ = ["DAMAGES", "damage_lines"]

DAMAGES = ("truncated", "binary", "garbage", "bad_date", "bad_status", "negative_duration")


def damage_lines(good: pa.Array, rng: np.random.Generator) -> pa.Array:
    """One unreadable line for each good line; binary[n], without line ends.

    Row by row: malformed lines are few.
    """
    kinds = rng.integers(0, len(DAMAGES), len(good))
    return pa.array([_damage(line, DAMAGES[kind], rng) for line, kind in zip(good.to_pylist(), kinds, strict=True)], pa.binary())


def _damage(line: bytes, kind: str, rng: np.random.Generator) -> bytes:
    day = b"2026-02-31T10:00:00.000000Z"
    if kind == "truncated":
        return line[: int(rng.integers(20, max(len(line) // 2, 21)))] if line.startswith(b"{") else b'{"timestamp":"' + day[:10]
    if kind == "binary":
        return b"\x16\x03\x01\xff\xfe" + rng.bytes(24).replace(b"\n", b"\x00").replace(b"\r", b"\x00")
    if kind == "garbage":
        return b"upstream connect error or disconnect/reset before headers #" + str(rng.integers(1_000_000)).encode()
    fields = {"bad_date": (day, 200, b"1.5"), "bad_status": (b"2026-01-01T10:00:00.000000Z", 999, b"1.5")}
    when, status, duration = fields.get(kind, (b"2026-01-01T10:00:00.000000Z", 200, b"-4.2"))
    return (
        b'{"timestamp":"%b","request_id":"bad-%08x","service_name":"gateway","http_request_method":"GET","url_path":"/health",'
        b'"http_response_status_code":%d,"duration_ms":%b}' % (when, rng.integers(2**32), status, duration)
    )
