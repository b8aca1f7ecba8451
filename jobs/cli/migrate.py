"""`anomasec migrate`: create or update the tables."""

from __future__ import annotations

import argparse

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "migrate"
HELP = "Create or update the tables and views of the configured ClickHouse."
EPILOG = """\
examples:
  anomasec migrate                       apply what is new in sql/clickhouse/; harmless when repeated
  anomasec migrate --dry-run             only say what would be applied
  anomasec migrate --keep-days 30        and delete rows older than 30 days from now on, in the background
  anomasec migrate --keep-days forever   stop deleting

`anomasec up` and `anomasec submit` do this by themselves for the local stack.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = EPILOG
    parser.add_argument("--dry-run", action="store_true", help="say what would be applied, change nothing")
    parser.add_argument("--keep-days", type=_days, metavar="DAYS|forever", help="age at which rows are deleted; unchanged when not given")


def run(args: argparse.Namespace) -> int:
    """Apply what is pending; names of migrations go to stdout."""
    from jobs.config import load_config
    from jobs.migrate import migrate, pending, read_migrations, set_retention

    config = load_config(args.config, home=args.home)
    database = config.clickhouse.database
    folder = config.sql_dir / "clickhouse"
    read_migrations(folder)  # a mistake in the folder is told before anything is connected
    client = config.clickhouse.client(database=None)
    try:
        names = pending(client, database, folder) if args.dry_run else migrate(client, database, folder)
        for name in names:
            print(f"would apply {name}" if args.dry_run else f"applied {name}")
        if not names:
            print(f"database {database} is up to date")
        if args.keep_days is not None and not args.dry_run:
            set_retention(client, database, args.keep_days or None)
            print(f"rows are kept {args.keep_days} days" if args.keep_days else "rows are kept for ever")
    finally:
        client.close()
    return 0


def _days(text: str) -> int:
    """Days as a number; 0 stands for ever."""
    if text == "forever":
        return 0
    if text.isdigit() and 1 <= int(text) <= 36_500:
        return int(text)
    raise argparse.ArgumentTypeError(f"'{text}' is neither a number of days nor forever")
