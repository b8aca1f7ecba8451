"""Reads mutated lines in batches and looks for what must not be."""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from schemas.event import ERROR_CATEGORIES, RAW
from tests.fuzz.mutate import mutated, seeds
from udfs.formats.values.times import LATEST_US
from udfs.normalise import NormaliseOut, NormaliseSettings, normalise

__all__ = ["Found", "fuzz", "mistakes_of"]

_BATCH = 2_000
_ALONE = 10
"""Lines of each batch that are read once more alone."""
_SLOWEST_S = 30.0
_KINDS = ("access", "span", "log")
_SOURCES = (b"resource", b"records", b"logEvents", b"scope", b"\n")


@dataclass
class Found:
    """What a run saw."""

    lines: int = 0
    events: int = 0
    metric_points: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    mistakes: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    peak_mib: float = 0.0


def fuzz(lines: int, seed: int, settings: NormaliseSettings, on_batch: Callable[[Found], object] = lambda found: None) -> Found:
    """Read mutated lines; mistakes are told with the line that made them."""
    found = Found()
    stream = mutated(seeds(), seed)
    while found.lines < lines and len(found.mistakes) < 20:
        batch = list(islice(stream, min(_BATCH, lines - found.lines)))
        started = time.perf_counter()
        found.mistakes += _read(batch, settings, found)
        elapsed = time.perf_counter() - started
        found.slowest_s = max(found.slowest_s, elapsed)
        if elapsed > _SLOWEST_S:
            found.mistakes.append(f"slow: {elapsed:.0f} s for a batch; slowest line: {_shown(_slowest(batch, settings))}")
        found.lines += len(batch)
        found.peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        on_batch(found)
    return found


def _read(batch: list[bytes], settings: NormaliseSettings, found: Found) -> list[str]:
    try:
        out = normalise(_raw(batch), settings)
    except Exception:  # whatever it is: that is what is looked for
        return _crash(batch, settings)
    found.events += out.events.num_rows
    found.metric_points += out.metric_points.num_rows
    found.reasons.update(out.dead_letters["reason"].to_pylist())
    told = mistakes_of(batch, out)
    step = max(len(batch) // _ALONE, 1)
    for place in range(0, len(batch), step):
        told += _other_than_alone(batch, place, out, settings)
    return told


def _raw(lines: Sequence[bytes]) -> pa.Table:
    n = len(lines)
    columns = [pa.array(lines, pa.binary()), pa.repeat(pa.scalar("fuzz"), n), pa.array(np.zeros(n, np.int32)), pa.array(np.arange(n))]
    return pa.table([*columns, pa.array(np.full(n, 1_776_000_000_000))], schema=RAW.arrow)


def _crash(batch: list[bytes], settings: NormaliseSettings) -> list[str]:
    """The exception and the line, or else the few lines, that raise it."""
    lines = batch
    while len(lines) > 1:
        half = len(lines) // 2
        part = next((part for part in (lines[:half], lines[half:]) if _raises(part, settings)), None)
        if part is None:
            break
        lines = part
    return [f"crash: {_raises(lines, settings)}: {len(lines)} line(s): {' '.join(map(_shown, lines[:3]))}"]


def _raises(lines: list[bytes], settings: NormaliseSettings) -> str:
    try:
        normalise(_raw(lines), settings)
    except Exception as error:  # see _read
        return f"{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''}"
    return ""


def _slowest(batch: list[bytes], settings: NormaliseSettings) -> bytes:
    times = []
    for line in sorted(batch, key=len, reverse=True)[:50]:
        started = time.perf_counter()
        normalise(_raw([line]), settings)
        times.append((time.perf_counter() - started, line))
    return max(times)[1]


def _shown(line: bytes) -> str:
    return repr(line[:2_000]) + (f"... ({len(line)} bytes)" if len(line) > 2_000 else "")


def mistakes_of(batch: Sequence[bytes], out: NormaliseOut) -> list[str]:
    """What is wrong with the outcome of a batch of records whose offsets are their places."""
    told: list[str] = []
    for name, table in out._asdict().items():
        try:
            table.validate(full=True)
        except pa.ArrowInvalid as error:
            told.append(f"{name}: not valid: {error}")
    events = out.events
    us = events["timestamp"].cast(pa.int64())
    checks = {
        "timestamp": pc.and_(pc.greater_equal(us, 0), pc.less(us, LATEST_US)),
        "kind": pc.is_in(events["kind"], pa.array(_KINDS)),
        "error_category": pc.is_in(events["error_category"], pa.array(["", *ERROR_CATEGORIES])),
        "status": pc.and_(
            pc.greater_equal(events["http_response_status_code"], 100), pc.less(events["http_response_status_code"], 600)
        ).fill_null(True),
        "duration": pc.and_(pc.greater_equal(events["duration_ms"], 0), pc.less(events["duration_ms"], np.inf)).fill_null(True),
        "size": pc.greater_equal(events["http_response_body_size"], 0).fill_null(True),
        "format": pc.not_equal(events["format"], ""),
    }
    for name, good in checks.items():
        bad = np.flatnonzero(~good.to_numpy())
        if len(bad):
            told.append(f"impossible {name}: {_shown(batch[events['offset'][int(bad[0])].as_py()])}")
    letters = out.dead_letters
    if pc.any(pc.equal(letters["reason"], "")).as_py():
        told.append("a dead letter without a reason")
    places = [table["offset"].to_numpy() for table in out]
    numbers = [table["line_index"].to_numpy() for table in out]
    keys = np.concatenate(places).astype(np.int64) * (1 << 32) + np.concatenate(numbers)
    if len(np.unique(keys)) < len(keys):
        told.append("two rows of one identity")
    present = np.zeros(len(batch), bool)
    present[np.concatenate(places)] = True
    told += [f"lost: {_shown(batch[place])}" for place in np.flatnonzero(~present).tolist() if not _may_be_nothing(batch[place])]
    return told


def _may_be_nothing(line: bytes) -> bool:
    """Blank records, W3C headers, and exports or envelopes of nothing give no row."""
    if not line or line.lstrip(b"\r\n\xef\xbb\xbf").startswith(b"#") or b"#" in line[:200]:
        return True
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return any(mark in line for mark in _SOURCES)
    return isinstance(value, (dict, list)) and any(mark in line for mark in _SOURCES)


def _other_than_alone(batch: list[bytes], place: int, out: NormaliseOut, settings: NormaliseSettings) -> list[str]:
    """How a record is read must not depend on its neighbours."""
    alone = normalise(_raw([batch[place]]), settings)
    for name, table in alone._asdict().items():
        among = getattr(out, name)
        among = among.filter(pc.equal(among["offset"], place)).to_pylist()
        other = table.to_pylist()
        for row in (*among, *other):
            for key in ("offset", "transaction_id", "transaction_hash"):  # rest on the place where nothing else identifies
                row.pop(key, None)
        if repr(among) != repr(other):
            return [f"{name} differ alone and among others: {_shown(batch[place])}"]
    return []
