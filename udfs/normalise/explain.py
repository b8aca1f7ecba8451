"""Why a line was read as it was: what `anomasec parse --explain` prints.

It looks at lines one by one and at answers, not at parsers: a field's source is where its value stands in the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from udfs.formats.json_lines import DIALECTS
from udfs.formats.user_format import UserFormat
from udfs.formats.values.times import time_us
from udfs.normalise.lines import parse_lines
from udfs.normalise.settings import NormaliseSettings

__all__ = ["explain_lines"]

_FACTORS = ((1.0, ""), (1e3, " * 1000"), (1e-3, " / 1000"), (1e-6, " / 1000000"))
_NUMBERS = frozenset({"duration_ms", "http_response_body_size", "http_response_status_code"})
_TIMES = frozenset({"timestamp", "time"})
_MADE = {"kind": "the format", "format": "the format", "error_category": "the status", "http_route": "the template of url_path"}
_TOKEN = re.compile(r"\[[^\]]*\]|\"(?:[^\"\\]|\\.)*\"|[^\s\"\[\]]+")
_WORDS = re.compile(r"\S+ \S+")
_DEPTH = 6
_OTLP = {"resourceSpans": "traces", "resourceLogs": "logs", "resourceMetrics": "metrics"}


def explain_lines(lines: list[bytes], settings: NormaliseSettings) -> list[bytes]:
    """One JSON object per line: the format, why it was chosen, and each field with its value and where that came from.

    Cost: some 100 us a line; for people, not for streams.
    """
    answers = parse_lines(lines, settings)
    return [orjson.dumps(_explained(line, orjson.loads(answer), settings)) for line, answer in zip(lines, answers, strict=True)]


def _explained(line: bytes, answer: dict[str, Any], settings: NormaliseSettings) -> dict[str, Any]:
    if "error" in answer:
        return {**answer, "why": _why_not(line, settings)}
    if "skipped" in answer:
        return {**answer, "why": "a header line: it says which fields the lines below have"}
    if "events" in answer or "metric_points" in answer:
        marks = ", ".join(name for key, name in _OTLP.items() if key.encode() in line[:4096])
        return {"why": f"an OTLP export ({marks})" if marks else "an envelope of several records", **answer}
    name = answer.get("format", "")
    own = next((each for each in settings.formats if each.name == name), None)
    value = _object(line)
    sources = dict(own.expressions) if own else {}
    text = line.decode("utf-8", "replace")
    fields = {
        field: {"value": found, "from": sources.get(field) or _source(field, found, text, value, name)} for field, found in answer.items()
    }
    return {"format": name, "why": _why(name, own, value), "fields": fields}


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def _why(name: str, own: UserFormat | None, value: dict[str, Any] | None) -> str:
    if own is not None and own.is_json:
        return f"a format of your own ({own.source}): the line has the keys {', '.join(own.keys)}"
    if own is not None:
        return f"a format of your own ({own.source}): the line matches its pattern"
    if value is None:
        return f"a text that matches the pattern of {name}"
    signature = _signature(name, value)
    if signature:
        return f"a JSON object with the keys {', '.join(sorted(signature))}, which mark {name}"
    return "a JSON object without the keys that mark another format: usual names are looked for"


def _signature(name: str, value: dict[str, Any]) -> frozenset[str]:
    keys = frozenset(value)
    for dialect in DIALECTS:
        if dialect.name == name:
            for signature in dialect.signature:
                if signature <= keys:
                    return frozenset(signature)
    return frozenset()


def _why_not(line: bytes, settings: NormaliseSettings) -> str:
    own = f"{len(settings.formats)} formats of your own and " if settings.formats else ""
    if line.lstrip().startswith(b"{"):
        return "it starts as a JSON object, so only JSON formats were tried"
    return f"{own}the built-in text formats were tried, and none took it"


def _source(field: str, found: Any, text: str, value: dict[str, Any] | None, name: str) -> str:
    """Where a value stands: a key of the object, columns of the text, or what it was made of."""
    if value is not None:
        leaves = list(_leaves(value))
        key = _key_of(field, found, leaves, name)
        if key:
            return key
    else:
        span = _span_of(field, found, text)
        if span:
            return span
    return _MADE.get(field, "computed from several parts")


def _leaves(value: Any, path: str = "$", depth: int = _DEPTH) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and depth:
        for key, inner in value.items():
            step = f".{key}" if re.fullmatch(r"[A-Za-z_@][\w@-]*", key) else f"['{key}']"
            yield from _leaves(inner, path + step, depth - 1)
    elif isinstance(value, list) and depth:
        for place, inner in enumerate(value[:50]):
            yield from _leaves(inner, f"{path}[{place}]", depth - 1)
    else:
        yield path, value


def _key_of(field: str, found: Any, leaves: list[tuple[str, Any]], name: str) -> str:
    """The leaf whose value is the field's; keys that the dialect maps to the field go first."""
    mapped = {key for dialect in DIALECTS if dialect.name == name for key, target in dialect.keys.items() if _target(target) == field}
    ordered = sorted(leaves, key=lambda leaf: _plain(leaf[0]) not in mapped)
    for is_match in (_is_equal, _is_converted, _is_within):
        for path, value in ordered:
            how = is_match(field, found, value)
            if how is not None:
                return path + how
    return ""


def _target(target: str) -> str:
    return "duration_ms" if target.startswith("duration_") else target


def _plain(path: str) -> str:
    return path[2:]


def _is_equal(field: str, found: Any, value: Any) -> str | None:
    if field in _NUMBERS or field in _TIMES:
        return None
    return "" if str(value) == str(found) and value is not None else None


def _is_converted(field: str, found: Any, value: Any) -> str | None:
    """A number in another unit, or a time in another writing."""
    if isinstance(value, bool) or value is None:
        return None
    if field in _NUMBERS:
        match = re.fullmatch(r"\s*([0-9.]+(?:[eE][+-]?\d+)?)\s*[a-zµ]*\s*", str(value))
        try:
            number = float(match.group(1)) if match else None
        except ValueError:
            return None
        factors = _FACTORS if field == "duration_ms" else _FACTORS[:1]
        return next((text for factor, text in factors if number is not None and abs(number * factor - found) <= 1e-6 * abs(found)), None)
    if field in _TIMES:
        try:
            moment = time_us(value)
        except (ValueError, OverflowError):
            return None
        return "" if moment is not None and abs(moment - (time_us(found) or 0)) < 1_000 else None
    return None


def _is_within(field: str, found: Any, value: Any) -> str | None:
    """A part of a text: the path of a request line, an address with its port."""
    if not isinstance(value, str) or not isinstance(found, str) or field in _TIMES or found == "/":
        return None
    return " (a part of it)" if found and found.lower() in value.lower() else None


def _span_of(field: str, found: Any, text: str) -> str:
    """Columns of the text, from 1, whose content is the field's value."""
    if field not in _NUMBERS and field not in _TIMES:
        if field in _MADE and field != "http_route":
            return ""
        at = text.lower().find(str(found).lower())
        return f"columns {at + 1}-{at + len(str(found))}" if at >= 0 else ""
    tokens = [match.span() for pattern in (_TOKEN, _WORDS) for match in pattern.finditer(text)]
    for start, end in tokens:
        how = _is_converted(field, found, text[start:end].strip('[]"(),;'))
        if how is None and "=" in text[start:end]:
            start += text[start:end].index("=") + 1
            how = _is_converted(field, found, text[start:end].strip('[]"(),;'))
        if how is not None:
            return f"columns {start + 1}-{end}{how}"
    return ""
