"""Silence told apart from lost telemetry: who stopped alone, and who stopped with all others."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Container
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.correlate.anomaly import anomaly_ids
from schemas.point import SCORE

__all__ = ["LOST", "SILENCE", "Quiet", "Watchers", "tell_silence"]

SILENCE, LOST = "silence", "telemetry_lost"
"""Metrics of the anomalies."""
_METRIC = "request_rate"
_KINDS = ("environment", "service", "route")
_LEAST_WINDOWS = 3
_LEAST_MISSING = 20.0
"""Requests that should have come: none of 20 comes by chance once in 10^8.7."""
_STEADY_US = 600_000_000
"""An environment that flowed for less is no stream that can be lost: a recording, a test, a first line."""
_PAUSE_US = 120_000_000
"""A longer pause begins a new flow."""
_KEPT_US = 3_600_000_000
_LN_10 = 2.302585092994046


@dataclass
class Quiet:
    """An entity without requests, of one width."""

    since_us: int
    windows: int = 0
    missing: float = 0.0
    last_us: int = 0


@dataclass
class Watchers:
    """What is known of flows; bounded by the entities that are quiet now."""

    quiet: dict[str, Quiet] = field(default_factory=dict)
    flows: dict[str, list[int]] = field(default_factory=dict)
    """Environment -> start and end of its last unbroken flow of requests."""
    others: dict[str, int] = field(default_factory=dict)
    """Environment -> newest point of another source: hosts, ready-made metrics."""

    def to_bytes(self) -> bytes:
        """A segment of state."""
        quiet = {name: vars(one) for name, one in sorted(self.quiet.items())}
        return json.dumps({"version": 1, "quiet": quiet, "flows": self.flows, "others": self.others}, sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, blob: bytes) -> Watchers:
        """Read what `to_bytes` wrote."""
        held = json.loads(blob)
        return cls({name: Quiet(**one) for name, one in held["quiet"].items()}, held["flows"], held["others"])


def tell_silence(watchers: Watchers, scores: pa.Table, widths_s: tuple[int, ...], known: Container[str] = ()) -> pa.Table:
    """The scores with their silences told.

    Parameters
    ----------
    watchers : is changed in place
    scores : SCORE of one tick
    widths_s : widths that are watched; the finest find it first, the next what has few requests
    known : ids of the anomalies that late requests may withdraw

    An entity whose requests stop while others of its environment go on gets anomalies of the metric `silence`, one per window. Where
    all of an environment stops together, so does what carries its lines: one anomaly of the metric `telemetry_lost` per window of
    the environment, unless hosts or ready-made metrics of it still come (then it is silent), or it flowed too short a time to be
    missed. What stopped so is no drop of `request_rate` besides.
    """
    _note_others(watchers, scores)
    metric = scores.column("metric")
    chosen = pc.and_(pc.equal(metric, _METRIC), pc.is_in(scores.column("width_s"), pa.array(widths_s, pa.int32())))
    chosen = pc.and_(chosen, pc.is_in(scores.column("entity_kind"), pa.array(_KINDS)))
    at = np.flatnonzero(pc.fill_null(chosen, False).to_numpy(zero_copy_only=False))
    if not len(at):
        return scores
    rates = scores.take(pa.array(at))
    values = rates.column("value").to_numpy()
    first = rates.column("revision").to_numpy() == 1
    windows: dict[tuple[int, int], list[int]] = defaultdict(list)
    starts, widths = rates.column("time").cast(pa.int64()).to_numpy(), rates.column("width_s").to_numpy()
    for i in np.flatnonzero(first):
        windows[int(widths[i]), int(starts[i])].append(int(i))
    told: list[dict[str, Any]] = []
    calm = np.ones(scores.num_rows, bool)
    for (width_s, start_us), rows in sorted(windows.items()):
        _window(watchers, rates, np.array(rows), values, width_s, start_us, told, calm, at)
    # late requests show that it was not silent
    late = rates.filter(pa.array(~first & (values > 0))).to_pylist()
    withdrawn = pa.Table.from_pylist([_row(row, metric, False, 0.0, "") for row in late for metric in (SILENCE, LOST)], schema=SCORE.arrow)
    told += [row for row, name in zip(withdrawn.to_pylist(), anomaly_ids(withdrawn).to_pylist(), strict=True) if name in known]
    watchers.quiet = {name: one for name, one in watchers.quiet.items() if one.last_us + _KEPT_US > int(starts.max())}
    if not calm.all():
        flag, reason = (scores.schema.get_field_index(name) for name in ("is_anomaly", "reason"))
        kept = pa.array(calm)
        scores = scores.set_column(flag, scores.schema.field(flag), pc.and_(pc.fill_null(scores.column(flag), False), kept))
        scores = scores.set_column(reason, scores.schema.field(reason), pc.if_else(kept, scores.column(reason), ""))
    return pa.concat_tables([scores, pa.Table.from_pylist(told, schema=SCORE.arrow)]) if told else scores


def _window(
    watchers: Watchers, rates: pa.Table, rows: Any, values: Any, width_s: int, start_us: int, told: list[dict[str, Any]], calm: Any, at: Any
) -> None:
    """One window of one width: whose requests are missing, and who goes on."""
    table = rates.select(("environment", "entity_kind", "entity")).take(pa.array(rows)).to_pydict()
    flowing = values[rows] > 0
    end_us = start_us + width_s * 1_000_000
    going: dict[str, set[str]] = defaultdict(set)
    for environment, kind, entity, flows in zip(*table.values(), flowing, strict=True):
        if flows:
            if kind != "environment":
                going[environment or ""].add(f"{kind} {entity}")
            watchers.quiet.pop(_name(environment, kind, entity, width_s), None)
    for environment in going:
        flow = watchers.flows.setdefault(environment, [start_us, end_us])
        if start_us > flow[1] + _PAUSE_US:
            flow[0] = start_us
        flow[1] = max(flow[1], end_us)
    zeros = rows[~flowing]
    for row, i in zip(rates.take(pa.array(zeros)).to_pylist(), zeros, strict=True):
        environment, kind = row["environment"] or "", row["entity_kind"]
        quiet = watchers.quiet.setdefault(_name(environment, kind, row["entity"], width_s), Quiet(start_us))
        alone = bool(going.get(environment))
        if not alone:
            calm[at[i]] = False  # all stopped: no drop of each
            if kind != "environment":
                continue
        quiet.windows += 1
        quiet.missing += (row["expected"] or 0.0) * width_s
        quiet.last_us = start_us
        if quiet.windows < _LEAST_WINDOWS or quiet.missing < _LEAST_MISSING:
            continue
        flow = watchers.flows.get(environment, [start_us, start_us])
        if not alone and flow[1] - flow[0] < _STEADY_US:
            continue
        lost = not alone and watchers.others.get(environment, 0) < start_us
        surprise = quiet.missing / _LN_10
        calm[at[i]] = False
        told.append(_row(row, LOST if lost else SILENCE, True, surprise, _words(row, quiet, end_us, len(going.get(environment, ())), lost)))


def _row(row: dict[str, Any], metric: str, is_anomaly: bool, surprise: float, reason: str) -> dict[str, Any]:
    """The SCORE row of a silence, from that of the request rate."""
    score = 100.0 * (1.0 - 10.0 ** (-surprise / 5.0))
    made = {"metric": metric, "is_anomaly": is_anomaly, "reason": reason, "score": score, "surprise": surprise, "threshold": None}
    return {**dict.fromkeys(SCORE.names), **{k: v for k, v in row.items() if not k.endswith(("_score", "_surprise"))}, **made}


def _words(row: dict[str, Any], quiet: Quiet, end_us: int, going: int, lost: bool) -> str:
    seconds = (end_us - quiet.since_us) / 1e6
    since = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=quiet.since_us)
    what = f"no requests for {seconds:.0f} s, since {since:%H:%M:%S}, where {quiet.missing:.0f} were expected"
    if lost:
        return f"{what}: all of {row['environment'] or 'the estate'} stopped together, its lines are likely lost"
    return f"{what}; {going} others of {row['environment'] or 'the estate'} go on" if going else f"{what}; its hosts and metrics go on"


def _note_others(watchers: Watchers, scores: pa.Table) -> None:
    kinds = scores.column("entity_kind")
    others = scores.filter(pc.is_in(kinds, pa.array(("host", "metric"))))
    if others.num_rows:
        newest = others.select(("environment", "time")).group_by("environment").aggregate([("time", "max")])
        for environment, time in zip(newest["environment"].to_pylist(), newest["time_max"].cast(pa.int64()).to_pylist(), strict=True):
            watchers.others[environment or ""] = max(watchers.others.get(environment or "", 0), time)


def _name(environment: str | None, kind: str, entity: str | None, width_s: int) -> str:
    return f"{width_s}/{environment or ''}/{kind}/{entity or ''}"
