"""`anomasec endpoints`: what is documented, what is not, what is no longer used."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from schemas.errors import AnomasecError, StoreError

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "endpoints"
HELP = "documented, shadow and zombie endpoints; import OpenAPI files, learn routes"

_EPILOG = """\
examples:
  anomasec endpoints                                       all: state, service, method, route, requests, last seen
  anomasec endpoints --state shadow --last 7d              used in the last week, but in no OpenAPI file
  anomasec endpoints --store ./my-store                    a folder that `anomasec replay` filled
  anomasec endpoints import openapi.yaml --service shop    write its routes to sql/flink/routes.sql
  anomasec endpoints learn                                 write templates for positions that take too many values
  anomasec check && anomasec restart pipeline              put routes.sql to use

shadow: used and answered, but in no file. zombie: in a file, but not used. What only ever gave 404 or 405 is left out.
"""
_COLUMNS = ("service", "method", "route", "source")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments and examples."""
    parser.description = "Compare the endpoints that were used with those of OpenAPI files."
    parser.epilog = _EPILOG
    parser.add_argument("action", nargs="?", default="list", choices=("list", "import", "learn"), help="default: list")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="OpenAPI files, for import")
    parser.add_argument("--service", default="", help="service the files belong to (default: any)")
    parser.add_argument("--state", choices=("documented", "shadow", "zombie"), help="list only these")
    parser.add_argument("--last", default="7d", metavar="TIME", help="what counts as used, back from the newest event (default 7d)")
    parser.add_argument("--max-values", type=int, default=100, metavar="N", help="learn: values of a position that make it a parameter")
    parser.add_argument("--sql-dir", type=Path, metavar="DIR", help="folder that holds flink/routes.sql (default: from the configuration)")
    parser.add_argument("--store", type=Path, metavar="DIR", help="folder of an embedded store, in place of the configured ClickHouse")


def run(args: argparse.Namespace) -> int:
    """Do what is asked; the list goes to stdout, tab-separated with a head."""
    from jobs.config import load_config
    from jobs.context.endpoints import compare, learn_templates
    from jobs.context.openapi import read_openapi
    from jobs.context.settings import ROUTES_FILE, read_route_table

    config = load_config(args.config, home=args.home)
    path = (args.sql_dir or config.sql_dir) / "flink" / ROUTES_FILE
    table = read_route_table(path.parent)
    if args.action == "import":
        if not args.files:
            raise AnomasecError("no file given", "write e.g. anomasec endpoints import openapi.yaml --service shop")
        rows = [row for file in args.files for row in read_openapi(file, args.service)]
        return _append(path, [row for row in rows if row not in table.rows], "documented")
    seen = _seen(args, config)
    if args.action == "learn":
        return _append(path, learn_templates([(one.service, one.route) for one in seen], args.max_values, table), "learned")
    sys.stdout.write("state\tservice\tmethod\troute\trequests\tlast_seen\n")
    for one in compare(seen, table):
        if args.state in (None, one.state):
            sys.stdout.write(f"{one.state}\t{one.service}\t{one.method}\t{one.route}\t{one.requests}\t{one.last_seen}\n")
    return 0


def _append(path: Path, rows: list[Any], what: str) -> int:
    from jobs.context.rows import write_rows

    if rows:
        with path.open("a") as file:
            file.write("\n" + write_rows("routes", rows, _COLUMNS))
    print(f"{len(rows)} {what} routes added to {path}; run `anomasec check`, restart the job pipeline", file=sys.stderr)
    return 0


def _seen(args: argparse.Namespace, config: Any) -> list[Any]:
    from jobs.context.endpoints import SEEN_QUERY, Seen
    from jobs.context.store import answer
    from jobs.knobs import parse_duration_ms

    try:
        seconds = parse_duration_ms(args.last) // 1000
    except ValueError as error:
        raise AnomasecError(str(error), "for example --last 7d") from None
    if args.store is not None and not (args.store / "data").is_dir():
        raise StoreError(f"{args.store} is no store folder", "name the folder that `anomasec replay --store` or `anomasec up` filled")
    return [Seen(*row) for row in answer(SEEN_QUERY.replace("{seconds}", str(seconds)), config, args.store)]
