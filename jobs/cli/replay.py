"""`anomasec replay`: all stages over files and folders, into a store on disk."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

NAME = "replay"
HELP = "run all stages over files and folders, into a store on disk"

__all__ = ["HELP", "NAME", "configure", "run"]

_VIEWS = ("events", "transactions", "points", "scores", "anomalies", "incidents", "dead_letters")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.epilog = """examples:
  anomasec replay access.log.gz --store /tmp/store
  anomasec replay exports/ --store /tmp/store && anomasec sql "SELECT count() FROM transactions" --store /tmp/store
Every supported format, plain or .gz, one record a line. Lines arrive at their own times in file order; a schedule*.csv[.gz]
(arrival_unix_nano,kind,line) in the folder gives other arrival times for the files <kind>* beside it."""
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="file or folder")
    parser.add_argument("--store", type=Path, required=True, metavar="DIR", help="folder of the embedded store; made if it is not there")
    parser.add_argument("--sql-dir", type=Path, metavar="DIR", help="folder of the SQL files, e.g. with other knobs")
    parser.add_argument("--no-score", action="store_true", help="stop after points: no scores, anomalies and incidents")


def run(args: argparse.Namespace) -> int:
    """Replay with a progress bar; the summary goes to stdout."""
    from dataclasses import replace as changed

    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

    from jobs.config import load_config
    from jobs.knobs import read_knobs
    from jobs.migrate import migrate
    from jobs.replay import replay
    from jobs.replay.files import find_sources
    from jobs.sinks.clickhouse import ClickHouseSink
    from jobs.stack.store.embedded import serve_store

    config = load_config(args.config, home=args.home)
    if args.sql_dir:
        config = changed(config, sql_dir=args.sql_dir.resolve())
    knobs = read_knobs(config.sql_dir / "flink" / "knobs.sql")
    sources = find_sources(args.paths)
    started = time.monotonic()
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn()
    with serve_store(args.store) as url, Progress(*columns, console=Console(file=sys.stderr)) as progress:
        clickhouse = changed(config.clickhouse, url=url, user="default", password="", verify=True, ca_file="")
        migrate(clickhouse.client(database="default"), clickhouse.database)
        bar = progress.add_task("reading", total=sum(source.total_bytes for source in sources))
        lines = 0

        def on_progress(phase: str, count: int, read_bytes: int) -> None:
            nonlocal lines
            if phase == "read":
                lines += count
                progress.update(bar, advance=read_bytes, description=f"{lines:,} lines")
            else:
                progress.update(bar, description=f"scoring {count:,} points")

        summary = replay(sources, config, knobs, ClickHouseSink(clickhouse).insert, on_progress, score=not args.no_score)
        counts = _counts(clickhouse.client())
    print(f"{summary.lines:,} lines in {time.monotonic() - started:.0f} s into {args.store}")
    for view, count in counts.items():
        print(f"  {view:<13}{count:>12,}")
    print(
        f'look at it: anomasec sql "SELECT * FROM incidents" --store {args.store}; anomasec report --store {args.store} --out report.html'
    )
    return 0


def _counts(client: Any) -> dict[str, int]:
    return {view: client.query(f"SELECT count() FROM {view}").result_rows[0][0] for view in _VIEWS}
