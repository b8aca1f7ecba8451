"""Knobs of the stages: declared here, set in `sql/flink/knobs.sql`."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field, fields
from pathlib import Path

from jobs.budget.rules import BudgetRules, read_rules
from schemas.errors import SqlError
from udfs.formats.dialect import TARGETS
from udfs.normalise.identity import IDENTITIES

__all__ = ["Knobs", "parse_duration_ms", "read_knobs"]

_UNITS_MS = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_SET = re.compile(r"^\s*SET\s+'anomasec\.([a-z_.]+)'\s*=\s*'([^']*)'\s*;", re.IGNORECASE)


def parse_duration_ms(text: str) -> int:
    """'5 s' -> 5000; units ms, s, min, h, d.

    Raises
    ------
    ValueError
        Not a number and a known unit.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|min|h|d)\s*", text)
    if not match:
        raise ValueError(f"'{text}' is no duration: write a number and ms, s, min, h or d, e.g. '5 s'")
    return int(float(match.group(1)) * _UNITS_MS[match.group(2)])


def _duration(default: str, doc: str) -> int:
    return field(default=parse_duration_ms(default), metadata={"kind": "duration", "doc": doc})


def _number(default: float, doc: str) -> float:
    return field(default=default, metadata={"kind": "number", "doc": doc})


def _integer(default: int, doc: str) -> int:
    return field(default=default, metadata={"kind": "integer", "doc": doc})


def _switch(default: bool, doc: str) -> bool:
    return field(default=default, metadata={"kind": "switch", "doc": doc})


def _words(default: str, doc: str) -> tuple[str, ...]:
    return field(default=_parse_words(default), metadata={"kind": "words", "doc": doc})


def _parse_words(text: str) -> tuple[str, ...]:
    return () if text.strip() == "-" else tuple(word.strip() for word in text.split(",") if word.strip())


def _parse_switch(text: str) -> bool:
    if text not in ("on", "off"):
        raise ValueError(f"'{text}' must be on or off")
    return text == "on"


def _widths(default: str, doc: str) -> tuple[int, ...]:
    return field(default=_parse_widths(default), metadata={"kind": "widths", "doc": doc})


def _parse_widths(text: str) -> tuple[int, ...]:
    widths = tuple(parse_duration_ms(part) // 1000 for part in text.split(",") if part.strip())
    if not widths or min(widths) < 1 or any(b % a for a, b in zip(widths, widths[1:], strict=False)):
        raise ValueError(f"'{text}' must list widths of 1 s and more, each a multiple of the one before")
    return widths


def _parse_mapping(text: str) -> tuple[tuple[str, str], ...]:
    if text.strip() == "-":
        return ()
    pairs = [part.strip().split("=") for part in text.split(",") if part.strip()]
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise ValueError(f"'{text}' must list key=field, separated by commas")
    mapping = tuple((key.strip(), target.strip()) for key, target in pairs)
    for _, target in mapping:
        if target not in TARGETS:
            near = difflib.get_close_matches(target, TARGETS, 1)
            raise ValueError(f"unknown field '{target}', {f'did you mean {near[0]}' if near else 'known: ' + ', '.join(TARGETS)}")
    return mapping


def _parse_joins_by(text: str) -> tuple[tuple[str, str], ...]:
    if text.strip() == "-":
        return ()
    pairs = [part.strip().rpartition("=") for part in text.split(",") if part.strip()]
    if any(not source.strip() or identity.strip() not in IDENTITIES for source, _, identity in pairs):
        raise ValueError(f"'{text}' must list source={' or source='.join(IDENTITIES)}, separated by commas")
    return tuple((source.strip(), identity.strip()) for source, _, identity in pairs)


def _parse_topic_formats(text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if text.strip() == "-":
        return ()
    pairs = [part.strip().rpartition("=") for part in text.split(",") if part.strip()]
    if any(not topic.strip() or not names.strip() for topic, _, names in pairs):
        raise ValueError(f"'{text}' must list topic=format or topic=format+format, separated by commas")
    return tuple((topic.strip(), tuple(name.strip() for name in names.split("+") if name.strip())) for topic, _, names in pairs)


@dataclass(frozen=True)
class Knobs:
    """All knobs. A field `assemble_idle_wait` is the knob `anomasec.assemble.idle_wait`; durations are ms, widths seconds."""

    pipeline_tick: int = _duration("1 s", "step of the broker clock at which stages work")
    normalise_field_mapping: tuple[tuple[str, str], ...] = field(
        default=(), metadata={"kind": "mapping", "doc": "own keys of JSON lines, which go before the built-in ones"}
    )
    normalise_topic_formats: tuple[tuple[str, tuple[str, ...]], ...] = field(
        default=(), metadata={"kind": "topic_formats", "doc": "the only formats a topic is read as, in place of finding out line by line"}
    )
    normalise_joins_by: tuple[tuple[str, str], ...] = field(
        default=(), metadata={"kind": "joins_by", "doc": "the only id that joins the events of a source; else request_id, then trace_id"}
    )
    normalise_max_invalid_ratio: float = _number(0.5, "share of unreadable lines that stops the job (the brake)")
    normalise_min_lines: int = _integer(10_000, "lines seen before the brake can act")
    normalise_redact_personal: bool = _switch(True, "whether e-mail addresses, phone numbers, IBANs and national ids are masked")
    normalise_national_ids: tuple[str, ...] = _words("us, gb, es, it, br", "countries whose national ids are masked")
    normalise_redact_dead_letters: bool = _switch(False, "whether secrets in the originals of dead letters are masked")
    normalise_trusted_hops: int = _integer(0, "own proxies in front of the one that logs")
    normalise_trusted_proxies: tuple[str, ...] = _words("-", "networks of own proxies, the last address outside of them is the caller")
    normalise_pseudonyms: tuple[str, ...] = _words("-", "ids replaced by keyed hashes")
    assemble_close_at: float = _number(0.98, "chance of being complete, learned from transactions alike, at which one is closed")
    assemble_complete_wait: int = _duration("1 s", "quiet time after which a whole tree is closed, until enough is learned")
    assemble_idle_wait: int = _duration("10 s", "quiet time after which any transaction is closed, until enough is learned")
    assemble_min_wait: int = _duration("1 s", "shortest quiet time that may be learned")
    assemble_max_wait: int = _duration("5 min", "longest time a transaction stays open")
    assemble_fixed_wait: int = _duration("0 s", "time after its first event at which every transaction is closed; 0 = learned")
    assemble_late_horizon: int = _duration("10 min", "time after closing in which late events amend it")
    assemble_max_rows: int = _integer(4_000_000, "events held per key partition; the oldest transactions go first")
    assemble_max_events: int = _integer(100_000, "events of one transaction; more close it as evicted")
    measure_widths: tuple[int, ...] = _widths("5 s, 1 min, 5 min, 1 h", "window widths of routes, services, environments")
    measure_client_widths: tuple[int, ...] = _widths("1 min, 5 min, 1 h", "window widths of clients")
    measure_wait: int = _duration("2 s", "time after a window's end before it is first emitted")
    measure_late_horizon: int = _duration("10 min", "time after a window's end in which late data amends it")
    measure_history: int = _integer(60, "points of a series its baseline looks back on")
    measure_max_series: int = _integer(200_000, "series per key partition; the longest unseen go first")
    measure_max_routes: int = _integer(1_000, "of one service and environment; further ones are counted together as its route other")
    correlate_gap: int = _duration("2 min", "quiet time that closes an incident")
    correlate_alone_score: float = _number(90, "score from which a single anomaly is an incident; weaker ones need a second")
    budget_pages_per_week: float = _number(5, "pages a week for the whole estate")
    budget_min_effect: float = _number(0.2, "least distance from it that counts towards a page")
    budget_repeat_after: int = _duration("1 h", "time in which the same service pages again only for something half as strong again")
    budget_rules: BudgetRules = field(
        default_factory=BudgetRules, metadata={"kind": "rules", "doc": "beside this one with budgets of teams, silences and overrides"}
    )


def read_knobs(path: Path) -> Knobs:
    """Read `SET 'anomasec...' = '...';` lines; knobs not named keep their defaults.

    Raises
    ------
    SqlError
        Unknown knob, bad value, or unreadable file; says file, line and how to mend it.
    """
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise SqlError(f"cannot read {path}: {error.strerror}", "name a folder with knobs.sql by --sql-dir") from None
    known = {f.name.replace("_", ".", 1): f for f in fields(Knobs)}
    values: dict[str, object] = {}
    for number, line in enumerate(lines, 1):
        match = _SET.match(line)
        if not match:
            if line.strip() and not line.lstrip().startswith("--"):
                raise SqlError(f"{path}:{number}: not a knob: {line.strip()[:80]}", "write SET 'anomasec.stage.knob' = 'value';")
            continue
        name, text = match.groups()
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean 'anomasec.{near[0]}'?" if near else f"known: {', '.join(known)}"
            raise SqlError(f"{path}:{number}: unknown knob 'anomasec.{name}'", hint)
        if known[name].metadata["kind"] == "rules":
            values[known[name].name] = read_rules(path.with_name(text))
            continue
        try:
            values[known[name].name] = _value(known[name].metadata["kind"], text)
        except ValueError as error:
            raise SqlError(f"{path}:{number}: bad value for 'anomasec.{name}': {error}", "see the unit in the knob's comment") from None
    return Knobs(**values)  # type: ignore[arg-type]


def _value(kind: str, text: str) -> object:
    if kind == "duration":
        return parse_duration_ms(text)
    if kind == "widths":
        return _parse_widths(text)
    if kind == "joins_by":
        return _parse_joins_by(text)
    if kind == "topic_formats":
        return _parse_topic_formats(text)
    if kind == "mapping":
        return _parse_mapping(text)
    if kind == "switch":
        return _parse_switch(text)
    if kind == "words":
        return _parse_words(text)
    return int(text) if kind == "integer" else float(text)
