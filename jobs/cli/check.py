"""`anomasec check`: says whether the SQL is right."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.config import Config

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "check"
HELP = "is my SQL right? says what is wrong and where, explains the plan"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments and examples."""
    parser.description = """\
Reads the knobs and the formats of your own (sql/flink/formats), with the sample lines in their comments; then parses and plans
every file of sql/flink without a cluster (some 10 s, most of it Java starting).
Every mistake is one line, FILE:LINE:COLUMN: what is wrong; how to mend it. Exit code 2 when there is one, 0 when all is right."""
    parser.epilog = """\
examples:
  anomasec check
  anomasec check --sql-dir my-sql
  anomasec check --formats --samples access.log    only the formats, and whether they read these lines (a second)
  anomasec check --explain | less        Flink's own plan
  $EDITOR sql/flink/score.sql && anomasec check && anomasec restart score"""
    parser.add_argument("--sql-dir", type=Path, metavar="DIR", help="folder that holds flink/score.sql (default: from the configuration)")
    parser.add_argument("--formats", action="store_true", help="check only the formats of your own: no Java is started")
    parser.add_argument(
        "--samples", type=Path, metavar="FILE", help="log lines that must be readable, by your formats or the built-in ones"
    )
    parser.add_argument("--explain", action="store_true", help="also print Flink's own text of the plan")
    parser.add_argument("--jars", type=Path, metavar="DIR", help="folder with the Kafka connector (default: build/jars)")


def run(args: argparse.Namespace) -> int:
    """Check; the plan goes to stdout, mistakes to stderr."""
    from jobs.check_formats import check_formats
    from jobs.config import load_config

    config = load_config(args.config, home=args.home)
    formats = check_formats(args.sql_dir or config.sql_dir, args.samples)
    for mistake in formats.mistakes:
        print(f"anomasec: {' '.join(str(mistake).split())}", file=sys.stderr)
    for note in formats.notes:
        print(f"anomasec: note: {note}", file=sys.stderr)
    names = ", ".join(definition.format.name for definition in formats.definitions)
    if not formats.mistakes and names:
        print(f"{len(formats.definitions)} formats of your own are right: {names}")
    code = 2 if formats.mistakes else 0
    return code if args.formats else max(code, _check_sql(args, config))


def _check_sql(args: argparse.Namespace, config: Config) -> int:
    from jobs.score.check import check_sql
    from jobs.score.sql import kafka_values

    result = check_sql(args.sql_dir or config.sql_dir, kafka_values(config), args.jars)
    for mistake in result.mistakes:
        print(f"anomasec: {' '.join(str(mistake).split())}", file=sys.stderr)
    for warning in result.warnings:
        print(f"anomasec: note: {warning}", file=sys.stderr)
    if result.explained and args.explain:
        print(result.explained)
    if result.mistakes:
        return 2
    print(f"{len(result.files)} files are right: {', '.join(path.name for path in result.files)}")
    if result.plan is not None:
        print("\n".join(result.plan.lines()))
    return 0
