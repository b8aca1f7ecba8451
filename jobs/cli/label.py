"""`anomasec label`: say of an anomaly whether it was one."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "label"
HELP = "say of an anomaly or incident: good (rightly found) or bad (a false alarm)"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments and examples."""
    parser.description = """\
Writes a label into the store (view `labels`). An anomaly or a whole incident, by its id or the first digits of it. A later label of the
same anomaly replaces the earlier one. `anomasec proposals` turns labels into changes of the SQL."""
    parser.epilog = """\
examples:
  anomasec label 3f2a9c1b77 bad --note "cache refill, every night"
  anomasec label 3f2a9c1b77 good
  anomasec label --incident 3f2a9c1b77 bad        all its anomalies"""
    parser.add_argument("id", metavar="ID", help="anomaly_id, or its first digits")
    parser.add_argument("label", choices=("good", "bad"), help="good = rightly found, bad = a false alarm")
    parser.add_argument("--incident", action="store_true", help="ID is an incident_id: label all its anomalies")
    parser.add_argument("--note", default="", metavar="TEXT", help="why")
    parser.add_argument("--author", default="", metavar="NAME", help="who says so (default: the user)")
    parser.add_argument("--store", type=Path, metavar="DIR", help="folder of an embedded store, in place of the configured ClickHouse")


def run(args: argparse.Namespace) -> int:
    """Write the label."""
    from datetime import UTC, datetime

    from jobs.config import load_config
    from jobs.feedback.labels import label
    from jobs.feedback.store import reachable
    from jobs.sinks.clickhouse import ClickHouseSink

    config = load_config(args.config, home=args.home)
    with reachable(config.clickhouse, args.store) as clickhouse:
        sink = ClickHouseSink(clickhouse)
        ids = label(
            clickhouse.client(), sink, args.id, args.label, args.note, args.author or getpass.getuser(), datetime.now(UTC), args.incident
        )
        sink.close()
    print(f"{len(ids)} {'anomaly' if len(ids) == 1 else 'anomalies'} labelled {args.label}", file=sys.stderr)
    return 0
