"""`python -m tests.bench.text_formats [FORMAT ..]`: CPU microseconds a line of each text format, in the parser and in the whole stage."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from schemas.event import RAW
from tests.bench.text_samples import FORMATS, sample_lines
from udfs.normalise import NormaliseSettings, normalise
from udfs.normalise.detect import read_lines

_LINES, _BATCH, _ROUNDS = 20_000, 8_000, 3


def main() -> None:
    """Print the table; the best of three rounds counts."""
    pa.set_cpu_count(1)
    print(f"{'format':<24}{'bytes':>6}{'parser':>8}{'stage':>8}   us CPU a line, {_LINES:,} lines in batches of {_BATCH:,}")
    for name in sys.argv[1:] or FORMATS:
        lines = sample_lines(name, _LINES)
        batches = [_raw(lines[start : start + _BATCH]) for start in range(0, _LINES, _BATCH)]
        texts = [batch["value"].combine_chunks().cast(pa.large_binary()) for batch in batches]
        parser = _best(lambda texts=texts: [read_lines(each, NormaliseSettings()) for each in texts])  # type: ignore[misc]
        stage = _best(lambda batches=batches: [normalise(batch) for batch in batches])  # type: ignore[misc]
        events = sum(normalise(batch).events.num_rows for batch in batches)
        note = "" if events == _LINES else f"   only {events:,} events"
        print(f"{name:<24}{sum(map(len, lines)) // _LINES:>6}{parser:>8.2f}{stage:>8.2f}{note}", flush=True)


def _raw(lines: list[bytes]) -> pa.Table:
    n = len(lines)
    columns = [pa.array(lines, pa.binary()), pa.repeat(pa.scalar("raw"), n), pa.array(np.zeros(n, np.int32)), pa.array(np.arange(n))]
    return pa.table([*columns, pa.array(np.full(n, 1_776_000_000_000))], schema=RAW.arrow)


def _best(run: Callable[[], object]) -> float:
    spent = []
    for _ in range(_ROUNDS):
        before = time.process_time()
        run()
        spent.append(time.process_time() - before)
    return min(spent) / _LINES * 1e6


if __name__ == "__main__":
    main()
