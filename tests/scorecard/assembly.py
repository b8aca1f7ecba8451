"""How complete transactions are when they are closed, against how long that took: learned waits beside fixed ones.

`python -m tests.scorecard.assembly [--day 2022-08-22] [--exports 6000] [--seed 1]` reads recorded traces with their schedule
(`../shared/tuning/rca/online-boutique`), as they were and disturbed (2 % of the exports late by up to two minutes, arrivals jittered by
up to 10 s, 1 % of the spans dropped, 2 % of the exports sent twice), and prints a table. Fixed waits are computed from the same
arrivals: `n s` after the first span, `2+60 s` = 2 s after the root, at most 60 s, `n s idle` after n s without a span.
"""

from __future__ import annotations

import argparse
import gzip
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from jobs.assemble import AssembleState, on_batch
from jobs.knobs import Knobs
from schemas.event import RAW
from udfs.normalise import normalise

__all__ = ["disturb", "fixed_waits", "learned_wait", "main", "recorded"]

FOLDER = Path(__file__).parents[3] / "shared/tuning/rca/online-boutique"
I64 = npt.NDArray[np.int64]


def recorded(day: str, exports: int) -> pa.Table:
    """EVENT: the spans of the day's first exports; `offset` numbers the exports."""
    with gzip.open(FOLDER / f"schedule-{day}.csv.gz", "rt") as schedule:
        planned = [line.split(",") for line in islice(schedule, 1, None)]
    arrival = {int(line): int(at) // 1_000_000 for at, kind, line in planned if kind == "traces"}
    with gzip.open(FOLDER / f"traces-{day}.jsonl.gz") as file:
        tables = [_normalised(part, first, arrival) for first, part in _chunks(file, exports)]
    return pa.concat_tables(tables).combine_chunks()


def _chunks(file: Any, exports: int) -> Iterator[tuple[int, list[bytes]]]:
    for first in range(0, exports, 500):
        part = list(islice(file, min(500, exports - first)))
        if part:
            yield first, part


def _normalised(lines: list[bytes], first: int, arrival: dict[int, int]) -> pa.Table:
    n = len(lines)
    at = [arrival[first + number + 1] for number in range(n)]
    columns = [lines, ["raw"] * n, [0] * n, range(first, first + n), at]
    return normalise(pa.table([pa.array(v, f.type) for v, f in zip(columns, RAW.arrow, strict=True)], schema=RAW.arrow)).events


def disturb(events: pa.Table, seed: int) -> pa.Table:
    """Late, jittered, dropped and repeated, as in the module's words; the same seed gives the same."""
    rng = np.random.default_rng(seed)
    events = events.filter(pa.array(rng.random(events.num_rows) >= 0.01))
    export = events.column("offset").to_numpy()
    count = int(export.max()) + 1
    delay = rng.integers(0, 10_000, count) + np.where(rng.random(count) < 0.02, rng.integers(0, 120_000, count), 0)
    twice = rng.random(count) < 0.02
    again = events.filter(pa.array(twice[export]))
    arrived = events.column("arrived_at").cast(pa.int64()).to_numpy()
    once = _moved(events, arrived + delay[export], export)
    export = again.column("offset").to_numpy()
    later = again.column("arrived_at").cast(pa.int64()).to_numpy() + delay[export] + rng.integers(0, 5_000, count)[export]
    return pa.concat_tables([once, _moved(again, later, export + count)]).combine_chunks()


def _moved(events: pa.Table, arrived_ms: I64, offset: I64) -> pa.Table:
    for name, values in (("arrived_at", pa.array(arrived_ms).cast(pa.timestamp("ms", "UTC"))), ("offset", pa.array(offset))):
        place = events.schema.get_field_index(name)
        events = events.set_column(place, events.schema.field(place), values)
    return events


class Truth:
    """What each trace is, from all of its spans."""

    def __init__(self, events: pa.Table) -> None:
        trace = events.column("trace_id").combine_chunks().dictionary_encode()
        self.names = trace.dictionary
        group = trace.indices.to_numpy().astype(np.int64)
        span = events.column("span_id").combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
        arrived = events.column("arrived_at").cast(pa.int64()).to_numpy()
        order = np.lexsort((arrived, span, group))
        first = order[np.concatenate([[True], (np.diff(group[order]) != 0) | (np.diff(span[order]) != 0)])]
        order = first[np.lexsort((arrived[first], group[first]))]
        self.group, self.arrived = group[order], arrived[order]
        self.is_root = pc.equal(events.column("parent_span_id"), "").to_numpy()[order]
        self.begin = np.flatnonzero(np.concatenate([[True], np.diff(self.group) != 0]))
        self.size = np.diff(np.append(self.begin, len(self.group)))
        self.last = self.arrived[np.append(self.begin[1:], len(self.group)) - 1]


def fixed_waits(truth: Truth) -> dict[str, tuple[float, float]]:
    """Rule -> share of the traces complete at their closing, median time they were held in s."""
    start = truth.arrived[truth.begin]
    out = {}
    for wait in (1_000, 10_000, 30_000):
        out[f"fixed {wait // 1000} s"] = (float(np.mean(truth.last <= start + wait)), wait / 1000)
    far = np.where(truth.is_root, truth.arrived, np.iinfo(np.int64).max)
    end = np.minimum(np.minimum.reduceat(far, truth.begin).astype(np.float64) + 2_000, start + 60_000)
    out["fixed 2+60 s"] = (float(np.mean(truth.last <= end)), float(np.median(end - start)) / 1000)
    gap = np.diff(truth.arrived, append=np.iinfo(np.int64).max)
    gap[np.append(truth.begin[1:], len(truth.group)) - 1] = np.iinfo(np.int64).max
    for wait in (10_000, 30_000):
        ends = np.flatnonzero(gap > wait)
        first = ends[np.searchsorted(ends, truth.begin)]
        held = truth.arrived[first] + wait - start
        out[f"idle {wait // 1000} s"] = (float(np.mean(truth.arrived[first] == truth.last)), float(np.median(held)) / 1000)
    return out


def learned_wait(events: pa.Table, truth: Truth, **knobs: Any) -> dict[str, float]:
    """The assembly as it is: share complete at the first closing, median time held, and what the final rows say."""
    state = AssembleState.load({}, Knobs(**knobs))
    arrived = events.column("arrived_at").cast(pa.int64()).to_numpy()
    tick = -(-arrived // 1000) * 1000
    order = np.argsort(tick, kind="stable")
    ends = np.searchsorted(tick[order], np.unique(tick), "right")
    rows, begin = [], 0
    for now_ms, end in zip(np.unique(tick).tolist(), ends.tolist(), strict=True):
        while (due := state.next_deadline_ms()) is not None and -(-due // 1000) * 1000 < now_ms:
            state, out = on_batch(state, events.slice(0, 0), -(-due // 1000) * 1000)
            rows.append(out.transactions)
        state, out = on_batch(state, events.take(pa.array(order[begin:end])), now_ms)
        state.changes()
        rows.append(out.transactions)
        begin = end
    state, out = on_batch(state, events.slice(0, 0), int(tick.max()) + 590_000)
    table = pa.concat_tables([*rows, out.transactions])
    names = {name: place for place, name in enumerate(truth.names.to_pylist())}
    place = np.array([names[name] for name in table.column("trace_id").to_pylist()])
    count, revision = table.column("event_count").to_numpy(), table.column("revision").to_numpy()
    first = revision == 1
    last = np.zeros(len(truth.size), np.int64)
    np.maximum.at(last, place, count)
    kinds = table.column("orphan_kind").to_numpy(zero_copy_only=False)
    final: dict[int, str] = {}
    for at in np.argsort(revision, kind="stable").tolist():  # transactions, after the run
        final[int(place[at])] = kinds[at]
    return {
        "complete": float(np.mean(count[first] == truth.size[place[first]])),
        "held_s": float(np.median(table.column("waited_ms").to_numpy()[first])) / 1000,
        "exact": float(np.mean(last == truth.size)),
        "rows": len({*table.column("transaction_id").to_pylist()}) / len(truth.size),
        "typed": float(np.mean([kind != "" for kind in final.values()])),
    }


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="tests.scorecard.assembly")
    parser.add_argument("--day", default="2022-08-22")
    parser.add_argument("--exports", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if not FOLDER.exists():
        sys.exit(f"there are no recorded traces in {FOLDER}")
    calm = recorded(arguments.day, arguments.exports)
    for name, events in (("as recorded", calm), ("disturbed", disturb(calm, arguments.seed))):
        truth = Truth(events)
        sys.stdout.write(f"\n{name}: {events.num_rows} spans, {len(truth.size)} traces\n")
        sys.stdout.write(f"{'rule':<22}{'complete at closing':>20}{'median held s':>15}{'exact in the end':>18}\n")
        for rule, (complete, held) in fixed_waits(truth).items():
            sys.stdout.write(f"{rule:<22}{complete:>20.1%}{held:>15.1f}{complete:>18.1%}\n")
        for close_at in (0.9, 0.98):
            row = learned_wait(events, truth, assemble_close_at=close_at)
            sys.stdout.write(f"{f'learned, {close_at}':<22}{row['complete']:>20.1%}{row['held_s']:>15.1f}{row['exact']:>18.1%}")
            sys.stdout.write(f"   rows per trace {row['rows']:.3f}, typed {row['typed']:.1%}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
