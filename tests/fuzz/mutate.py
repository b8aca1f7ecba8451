"""Lines that nobody should write, made from lines that somebody did."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["mutated", "seeds"]

_ROOT = Path(__file__).parents[2]
_CORPUS = _ROOT.parent / "shared" / "tuning" / "formats" / "cases.jsonl"
_NUMBER = re.compile(rb"\d+(?:\.\d+)?")
_NUMBERS = (
    b"0", b"-1", b"-0", b"999", b"99999", b"1e308", b"1e999", b"-1e-999", b"NaN", b"Infinity",
    b"9223372036854775807", b"9223372036854775808",
    b"18446744073709551616", b"0.1e", b"00", b"+5", b"0x1f", b"1_000", b"1,5", b"-", b"", b"\xd9\xa3", b"9" * 400, b"0." + b"3" * 400,
)  # fmt: skip
_DATES = (
    b"31/Feb/2024:25:61:61 +9900", b"2024-02-30T00:00:00Z", b"0000-00-00 00:00:00", b"9999-12-31T23:59:59.999999999Z",
    b"1969-12-31T23:59:59Z", b"2024-13-01T00:00:00+25:00", b"12/Foo/2024:00:00:00 +0000", b"1e18", b"-1", b"2024-06-30T23:59:60Z",
)  # fmt: skip
_BYTES = (
    b"\x00", b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x1b[31m", b"\r", b"\n", b"\r\n", b"\t", b"\\", b'"',
    b'\\"',
    b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\xf0\x9f\x92\xa9",
    b"'", b"[", b"]", b"{", b"}", b"|", b"#", b" ", b"%", b"%zz", b"%00", b"://", b"@",
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 1e308, -1e308, 2**63, 2**64, 10**30, "", "-", " ", "NaN", "null", "\x00", "\ud800", "é" * 300,
    [], [[]], {},
    {"": {}}, [1, "a", None], {"a": {"b": {"c": {"d": {"e": 1}}}}}, "2024-02-30T00:00:00Z", "GET", "a b c", "1,2,3", ["10.0.0.1", 5],
    "-5ms",
)  # fmt: skip
_MIB = 1 << 20


def seeds() -> list[bytes]:
    """Lines of every format: the golden lines, the samples of the formats in SQL, and the tuning data where it is there."""
    found: list[bytes] = []
    for path in sorted((_ROOT / "tests" / "golden").rglob("*.jsonl")):
        for text in path.read_text().splitlines():
            line = json.loads(text).get("line")
            if isinstance(line, str):
                found.append(line.encode())
    for path in sorted((_ROOT / "sql" / "flink" / "formats").glob("*.sql")):
        found += [row.removeprefix("-- sample: ").encode() for row in path.read_text().splitlines() if row.startswith("-- sample: ")]
    if _CORPUS.exists():
        found += [case["line"].encode() for case in map(json.loads, _CORPUS.read_text().splitlines()) if "line" in case]
    return found


def mutated(lines: list[bytes], seed: int) -> Iterator[bytes]:
    """Mutations without end; the same for the same seed."""
    chance = random.Random(seed)
    while True:
        line = chance.choice(lines)
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            line = chance.choices(_MUTATIONS, _WEIGHTS)[0](line, lines, chance)
        yield line[: 2 * _MIB]


def _span(line: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(line) + 1)
    return start, min(len(line), start + int(chance.expovariate(1 / 8)))


def _truncate(line: bytes, lines: list[bytes], chance: random.Random) -> bytes:
    return line[: chance.randrange(len(line) + 1)]


def _behead(line: bytes, lines: list[bytes], chance: random.Random) -> bytes:
    return line[chance.randrange(len(line) + 1) :]


def _cut(line: bytes, lines: list[bytes], chance: random.Random) -> bytes:
    start, end = _span(line, chance)
    return line[:start] + line[end:]


def _double(line: bytes, lines: list[bytes], chance: random.Random) -> bytes:
    start, end = _span(line, chance)
    return line[:end] + line[start:end] * chance.choice((1, 2, 50)) + line[end:]


def _flip(line: bytes, lines: list[bytes], chance: random.Random) -> bytes:
    changed = bytearray(line)
    for _ in range(chance.choice((1, 2, 10)) if changed else 0):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _insert(line: bytes, lines: list[bytes], chance: random.Random) -> bytes:
    at = chance.randrange(len(line) + 1)
    return line[:at] + chance.choice(_BYTES) * chance.choice((1, 1, 3)) + line[at:]


def _splice(line: bytes, lines: list[bytes], chance: random.Random) -> bytes:
    other = chance.choice(lines)
    return line[: chance.randrange(len(line) + 1)] + other[chance.randrange(len(other) + 1) :]


def _renumber(line: bytes, lines: list[bytes], chance: random.Random) -> bytes:
    return _replaced(line, _NUMBER, _NUMBERS, chance)


def _redate(line: bytes, lines: list[bytes], chance: random.Random) -> bytes:
    return _replaced(line, re.compile(rb"\d{1,4}[-/][\w]{2,3}[-/][\dT:. +Z-]+|\d{10,19}"), _DATES, chance)


def _replaced(line: bytes, pattern: re.Pattern[bytes], by: tuple[bytes, ...], chance: random.Random) -> bytes:
    found = list(pattern.finditer(line))
    if not found:
        return line
    match = chance.choice(found)
    return line[: match.start()] + chance.choice(by) + line[match.end() :]


def _revalue(line: bytes, lines: list[bytes], chance: random.Random) -> bytes:
    """One value of a JSON object becomes one of another kind; or a key goes, or appears twice."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return _renumber(line, lines, chance)
    place: Any = value
    while isinstance(place, (dict, list)) and place:
        key = chance.choice(list(place)) if isinstance(place, dict) else chance.randrange(len(place))
        if not isinstance(place[key], (dict, list)) or chance.random() < 0.3:
            place[key] = chance.choice(_VALUES)
            break
        place = place[key]
    # Half of a surrogate pair is written as \ud800: valid JSON to some, to others not.
    return json.dumps(value, ensure_ascii=True).encode()


def _lengthen(line: bytes, lines: list[bytes], chance: random.Random) -> bytes:
    """A line of up to a MiB: one piece of it again and again."""
    start, end = _span(line, chance)
    piece = line[start:end] or b"a"
    return line[:start] + piece * (chance.choice((1_000, 70_000, _MIB)) // len(piece)) + line[end:]


def _nest(line: bytes, lines: list[bytes], chance: random.Random) -> bytes:
    depth = chance.choice((10, 200, 1_023, 1_025, 50_000))
    opening, closing = chance.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'{"records":[', b"]}"), (b'{"log":"{\\"log\\":', b'"}')))
    middle = line if chance.random() < 0.3 else b"1"
    return opening * depth + middle + closing * (depth if chance.random() < 0.7 else depth // 2)


def _noise(line: bytes, lines: list[bytes], chance: random.Random) -> bytes:
    return chance.randbytes(chance.choice((1, 20, 300)))


_Mutation = Callable[[bytes, list[bytes], random.Random], bytes]
_WEIGHTED: tuple[tuple[_Mutation, float], ...] = (
    (_truncate, 10), (_behead, 6), (_cut, 10), (_double, 6), (_flip, 10), (_insert, 12), (_splice, 8), (_renumber, 14), (_redate, 8),
    (_revalue, 14), (_lengthen, 0.02), (_nest, 0.05), (_noise, 2),
)  # fmt: skip
_MUTATIONS: tuple[_Mutation, ...] = tuple(mutation for mutation, _ in _WEIGHTED)
_WEIGHTS: tuple[float, ...] = tuple(weight for _, weight in _WEIGHTED)
