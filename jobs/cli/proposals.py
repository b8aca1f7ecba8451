"""`anomasec proposals`: from labels to changes of the SQL, replayed over the stored history."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from schemas.errors import AnomasecError

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "proposals"
HELP = "what your labels ask for: overrides, each replayed over the stored history"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments and examples."""
    parser.description = """\
For each series with bad labels: the score below which its anomalies would have to be left out, so that the bad ones go and no good one
does. Each proposal says what it would have done to the stored anomalies. --apply writes it as an override into sql/flink/budget.sql."""
    parser.epilog = """\
examples:
  anomasec proposals
  anomasec proposals --apply 1 && anomasec check && anomasec restart score"""
    parser.add_argument("--apply", type=int, metavar="N", help="write proposal N into budget.sql")
    parser.add_argument("--sql-dir", type=Path, metavar="DIR", help="folder that holds flink/budget.sql (default: from the configuration)")
    parser.add_argument("--store", type=Path, metavar="DIR", help="folder of an embedded store, in place of the configured ClickHouse")


def run(args: argparse.Namespace) -> int:
    """List them, or apply one."""
    from datetime import UTC, datetime

    from jobs.config import load_config
    from jobs.feedback.labels import read_labelled
    from jobs.feedback.proposals import apply, propose, read_history
    from jobs.feedback.store import reachable

    config = load_config(args.config, home=args.home)
    with reachable(config.clickhouse, args.store) as clickhouse:
        client = clickhouse.client()
        labelled = read_labelled(client)
        proposals = propose(labelled, read_history(client)) if labelled else []
    if args.apply is None:
        for number, proposal in enumerate(proposals, 1):
            print(f"{number}  {proposal.words}")
        if not proposals:
            print(
                "nothing to propose: " + ("no label calls for a change" if labelled else "no labels yet, see `anomasec label`"),
                file=sys.stderr,
            )
        return 0
    if not 1 <= args.apply <= len(proposals):
        raise AnomasecError(f"there is no proposal {args.apply}", f"there are {len(proposals)}, see `anomasec proposals`")
    path = Path(args.sql_dir or config.sql_dir) / "flink" / "budget.sql"
    chosen = proposals[args.apply - 1]
    apply(chosen, path, datetime.now(UTC).date())
    print(chosen.statement(datetime.now(UTC).date()))
    print(f"written to {path}; it holds from `anomasec restart score` on", file=sys.stderr)
    return 0
