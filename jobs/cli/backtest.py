"""`anomasec backtest`: CSV series through the scoring SQL."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from schemas.errors import AnomasecError

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "backtest"
HELP = "score a CSV of time,value rows as the stream would"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments and examples."""
    parser.description = """\
Scores series with the same functions and the same SQL (sql/flink/score.sql) as the running job. Each point is judged by the points
above it in the file only, so the result is what the stream would have said at the time.

in:   time,value[,entity,metric]    time = epoch s, ms, us, ns or ISO 8601; an empty value is a gap
out:  time,[entity,metric,]value,score,expected,lower,upper,is_anomaly,reason    the same rows in the same order

The score is empty while a series warms up. A folder of files *.csv goes into a folder, with one start of Flink (some 15 s)."""
    parser.epilog = """\
examples:
  anomasec backtest cpu.csv --out scored.csv
  anomasec backtest series/ --out scored/
  anomasec backtest cpu.csv --out try.csv --sql-dir my-sql     with your edited SQL
  anomasec backtest cpu.csv --out try.csv --models .anomasec/models    with the trained forest"""
    parser.add_argument("source", type=Path, metavar="IN", help="a CSV file, or a folder of them")
    parser.add_argument("--out", type=Path, required=True, metavar="OUT", help="file (or folder) to write")
    parser.add_argument("--sql-dir", type=Path, metavar="DIR", help="folder that holds flink/score.sql (default: from the configuration)")
    parser.add_argument("--models", type=Path, metavar="DIR", help="use the forest trained into this folder (default: no forest)")


def run(args: argparse.Namespace) -> int:
    """Score; the summary goes to stderr."""
    if not args.source.exists():
        raise AnomasecError(f"no such file or folder: {args.source}", "name a CSV file or a folder of them")
    if args.models is not None and not (args.models / "current").is_file():
        raise AnomasecError(f"no trained model in {args.models}", "run anomasec train")
    from jobs.backtest import backtest
    from jobs.config import load_config

    sql_dir = args.sql_dir or load_config(args.config, home=args.home).sql_dir
    summary = backtest(args.source, args.out, sql_dir, args.models, lambda text: print(f"{text} ...", file=sys.stderr, flush=True))
    print(
        f"{summary.rows:,} rows of {summary.series:,} series in {summary.files:,} files: {summary.anomalies:,} anomalies -> {args.out}",
        file=sys.stderr,
    )
    return 0
