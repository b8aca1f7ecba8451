"""`anomasec compare`: another folder of SQL against the present one, on stored history."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import AnomasecError

if TYPE_CHECKING:
    from jobs.feedback.compare import Comparison

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "compare"
HELP = "what changed SQL would have said of the stored points: new, gone, moved"
_SHOWN = 10


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments and examples."""
    parser.description = """\
Scores the stored points twice, with the present SQL and with yours, correlates both, and tells the difference: anomalies that are new,
gone or moved (another score), incidents, pages. Nothing is written to the store, and no job is touched."""
    parser.epilog = """\
examples:
  cp -r sql my-sql && $EDITOR my-sql/flink/score.sql
  anomasec compare my-sql                        against the configured SQL, on all that is stored
  anomasec compare my-sql --since 2026-03-01
  anomasec compare my-sql --store ./my-store     on what `anomasec replay` stored"""
    parser.add_argument("sql_dir", type=Path, metavar="SQL_DIR", help="folder with your flink/score.sql, knobs.sql and budget.sql")
    parser.add_argument("--against", type=Path, metavar="DIR", help="folder it is compared with (default: the configured one)")
    parser.add_argument("--since", metavar="TIME", help="leave out points before this ISO 8601 time (UTC)")
    parser.add_argument("--store", type=Path, metavar="DIR", help="folder of an embedded store, in place of the configured ClickHouse")
    parser.add_argument("--models", type=Path, metavar="DIR", help="trained forest to use (default: HOME/models where there is one)")


def run(args: argparse.Namespace) -> int:
    """Compare; the difference goes to stdout."""
    from jobs.config import load_config
    from jobs.feedback.compare import compare
    from jobs.feedback.store import reachable

    config = load_config(args.config, home=args.home)
    for folder in filter(None, (args.sql_dir, args.against)):
        if not (folder / "flink" / "score.sql").is_file():
            raise AnomasecError(f"no flink/score.sql in {folder}", "copy the folder sql and edit the copy")
    models = args.models or config.home / "models"
    if not (models / "current").is_file():
        models = None
    with reachable(config.clickhouse, args.store) as clickhouse:
        client = clickhouse.client()
        found = compare(
            client, Path(args.against or config.sql_dir), args.sql_dir, _time(args.since), models,
            lambda text: print(f"{text} ...", file=sys.stderr, flush=True),
        )  # fmt: skip
    _print(found)
    return 0


def _print(found: Comparison) -> None:
    old, new = found.old, found.new
    print(f"{found.points:,} points")
    print(f"{'':10}{'before':>9}{'after':>9}")
    changed = f"new {len(found.appeared):,}, gone {len(found.gone):,}, moved {len(found.moved):,}"
    print(f"anomalies {len(old.anomalies):>9,}{len(new.anomalies):>9,}   {changed}")
    print(f"incidents {old.incidents:>9,}{new.incidents:>9,}")
    gone, appeared = len(old.pages.keys() - new.pages.keys()), len(new.pages.keys() - old.pages.keys())
    print(f"pages     {len(old.pages):>9,}{len(new.pages):>9,}   new {appeared:,}, gone {gone:,}")
    for metric, added, removed, moved in found.by_metric():
        print(f"  {metric}: new {added:,}, gone {removed:,}, moved {moved:,}")
    for name, rows in (("new", found.appeared), ("gone", found.gone)):
        for row in rows[:_SHOWN]:
            print(f"{name:5} {row['time']:%Y-%m-%d %H:%M:%S}  {row['score']:5.1f}  {row['entity']}  {row['reason']}")
        if len(rows) > _SHOWN:
            print(f"{name:5} and {len(rows) - _SHOWN:,} more")


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise AnomasecError(f"--since '{text}' is no time", "write it like 2026-01-31 or 2026-01-31T12:00") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
