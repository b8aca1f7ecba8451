"""`anomasec report`: one HTML page about what the store holds."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from schemas.errors import AnomasecError, StoreError

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "report"
HELP = "one HTML page: traffic, errors, latency, anomalies, incidents"

_EPILOG = """\
examples:
  anomasec report                               the configured ClickHouse -> report.html
  anomasec report --last 30min --out now.html
  anomasec report --store ./my-store            a folder that `anomasec replay` filled
  anomasec report --from 2026-03-01T10:00 --to 2026-03-01T12:00

The page is one file without outside parts: mail it, open it in a browser, print it. Times are UTC.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = "Write one self-contained HTML page: traffic, errors, latency with what is normal, anomalies, incidents, health."
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--store", type=Path, metavar="DIR", help="folder of an embedded store, in place of the configured ClickHouse")
    parser.add_argument("--out", type=Path, default=Path("report.html"), metavar="FILE", help="where to write it (default report.html)")
    parser.add_argument("--from", dest="start", metavar="ISO", help="first time shown (default: the first event)")
    parser.add_argument("--to", dest="end", metavar="ISO", help="time up to which is shown (default: the last event)")
    parser.add_argument("--last", metavar="TIME", help="only the last so much, e.g. 30min, 6h")


def run(args: argparse.Namespace) -> int:
    """Write the page."""
    from jobs.config import load_config

    config = load_config(args.config, home=args.home)
    start, end = _times(args)
    if args.store is None:
        size = _write(config.clickhouse.client(), args.out, start, end, args.last)
    else:
        if not (args.store / "data").is_dir():
            raise StoreError(f"{args.store} is no store folder", "name the folder that `anomasec replay --store` or `anomasec up` filled")
        from jobs.stack.store.embedded import open_store

        with open_store(args.store, config.clickhouse.database) as client:
            size = _write(client, args.out, start, end, args.last)
    print(f"{args.out} written ({size / 1e6:.1f} MB)", file=sys.stderr)
    return 0


def _write(client: Any, out: Path, start: float | None, end: float | None, last: str | None) -> int:
    from clickhouse_connect.driver.exceptions import Error

    from jobs.report.page import write_report

    try:
        if last:
            newest = client.query("SELECT toUnixTimestamp64Micro(max(timestamp)) / 1e6 FROM events").result_rows[0][0]
            start = max(start or 0.0, newest - _seconds(last))
        return write_report(client, out, start=start, end=end)
    except Error as error:
        what = " ".join(str(error).split())[:300]
        raise StoreError(f"the store cannot answer: {what}", "`anomasec migrate` creates the tables") from error


def _times(args: argparse.Namespace) -> tuple[float | None, float | None]:
    if args.last:
        _seconds(args.last)
    start, end = (_epoch(text) if text else None for text in (args.start, args.end))
    if start is not None and end is not None and end <= start:
        raise AnomasecError("--to is not after --from", "give them in that order")
    return start, end


def _epoch(text: str) -> float:
    from datetime import UTC, datetime

    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise AnomasecError(f"'{text}' is no time", "write it as 2026-01-31T12:00:00Z") from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _seconds(text: str) -> float:
    from jobs.knobs import parse_duration_ms

    try:
        return parse_duration_ms(text) / 1000
    except ValueError as error:
        raise AnomasecError(str(error), "for example --last 30min") from None
