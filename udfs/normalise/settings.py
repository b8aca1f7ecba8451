"""What a user can set about reading lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from udfs.formats.user_format import UserFormat
from udfs.normalise.enrich import Context

__all__ = ["NormaliseSettings"]


@dataclass(frozen=True)
class NormaliseSettings:
    """Settings of normalise; picklable, so that it travels to the workers."""

    field_mapping: Mapping[str, str] = field(default_factory=dict)
    """Own key of a JSON line -> target (`udfs.formats.dialect.TARGETS`); goes before the built-in keys. 'a.b' reaches into objects."""
    formats: tuple[UserFormat, ...] = ()
    """Formats of the user's own (`sql/flink/formats/`); they go before the built-in ones."""
    topic_formats: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Topic -> the only formats its lines are read as; a line of another is a dead letter (other_format)."""
    joins_by: Mapping[str, str] = field(default_factory=dict)
    """Topic, environment, service or format -> the only identity (request_id or trace_id) that joins its events."""
    w3c_fields: str = ""
    """Names of the fields of W3C rows whose record has no `#Fields` line, as that line would give them; '' = known orders are tried."""
    is_one_stream: bool = False
    """Whether all records are lines of one file, in order: then a `#Fields` line holds for the records behind it, too."""
    redact: bool = True
    """Mask secrets in paths, queries, user agents, span names and bodies. Jobs leave it on."""
    context: Context = field(default_factory=Context)
    """What events carry beyond their line, and what is masked."""
    max_text_bytes: int = 65_536
    """Longest line that is not JSON, bytes; longer ones are dead letters (too_long)."""
    max_json_bytes: int = 67_108_864
    """Longest JSON line, bytes (one OTLP export can be megabytes)."""
    job_version: str = ""
    """Written into each dead letter."""
