"""JSON of values that came from JSON."""

from __future__ import annotations

import orjson

__all__ = ["json_bytes", "json_text"]


def json_bytes(value: object) -> bytes | None:
    """The value as JSON; None where it is nested deeper than can be written (254 levels; up to 1,024 are read)."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return None


def json_text(value: object) -> str | None:
    """As `json_bytes`, as text."""
    written = json_bytes(value)
    return None if written is None else written.decode()
