"""`anomasec sql`: query the store, and say what its columns mean."""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from schemas.errors import AnomasecError, SqlError, StoreError

if TYPE_CHECKING:
    from jobs.config import ClickHouseConfig

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "sql"
HELP = "Query the store; --describe documents every column."
EPILOG = """\
examples:
  anomasec sql "SELECT service_name, count() FROM events GROUP BY service_name"
  anomasec sql "SELECT * FROM anomalies ORDER BY time DESC LIMIT 10" --format json
  anomasec sql "SELECT * FROM transactions LIMIT 3" --store ./my-store     a folder that `anomasec replay` filled
  echo "SELECT 1" | anomasec sql -                                         from stdin
  anomasec sql --describe                                                  the views
  anomasec sql --describe events                                           the columns of one, with their meaning

The database is the configured one (default anomasec). Without --format: a table on a terminal, tab-separated with a head otherwise.
Any other name of a ClickHouse format works, too, e.g. --format Parquet > rows.parquet.
"""

_FORMATS = {
    "pretty": "PrettyCompactNoEscapesMonoBlock",
    "csv": "CSVWithNames",
    "tsv": "TabSeparatedWithNames",
    "json": "JSON",
    "jsonl": "JSONEachRow",
    "markdown": "Markdown",
    "vertical": "Vertical",
}
_SERVER_ERROR = re.compile(r"Code: (\d+)\. (DB::\w*Exception: .*)", re.DOTALL)
_NOISE = re.compile(r"\s*(Expected one of: .*?\.(?= \([A-Z_]+\)))|\s*\(version [^()]*(\([^)]*\))?\)|\s*\(for url [^)]*\)", re.DOTALL)
_HINTS = {
    60: "`anomasec sql --describe` lists the views; `anomasec migrate` creates them",
    81: "run `anomasec migrate`, or set [clickhouse] database",
    47: "`anomasec sql --describe VIEW` lists the columns",
}
_PIECE_BYTES = 1 << 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = EPILOG
    parser.add_argument("query", nargs="?", metavar="SQL", help="one statement; - reads it from stdin")
    parser.add_argument("--store", type=Path, metavar="DIR", help="folder of an embedded store, in place of the configured ClickHouse")
    parser.add_argument("--format", metavar="FORMAT", help=f"{', '.join(_FORMATS)}, or a ClickHouse format")
    parser.add_argument("--describe", nargs="?", const="", metavar="VIEW", help="what the views, or the columns of one, mean")


def run(args: argparse.Namespace) -> int:
    """Print the answer as ClickHouse formats it."""
    chosen = args.format or ("pretty" if sys.stdout.isatty() else "tsv")
    if args.describe is not None:
        head, rows = _description(args.describe)
        sys.stdout.write(_render(head, rows, args.format or "pretty"))
        return 0
    query = sys.stdin.read() if args.query == "-" else args.query
    if not query or not query.strip():
        raise AnomasecError("no SQL given", 'write e.g. anomasec sql "SELECT count() FROM events", or see --describe')

    from jobs.config import load_config

    config = load_config(args.config, home=args.home).clickhouse
    with _reachable(config, args.store) as reachable:
        _print_answer(reachable, query, _FORMATS.get(chosen.lower(), chosen))
    return 0


@contextmanager
def _reachable(config: ClickHouseConfig, store: Path | None) -> Iterator[ClickHouseConfig]:
    """The configuration, pointed at the folder's server where a folder is given."""
    from dataclasses import replace

    if store is None:
        yield config
        return
    if not (store / "data").is_dir():
        raise StoreError(f"{store} is no store folder", "name the folder that `anomasec replay --store` or `anomasec up` filled")
    from jobs.stack.store.embedded import serve_store

    with serve_store(store) as url:
        yield replace(config, url=url, user="default", password="", verify=True, ca_file="")


def _print_answer(config: ClickHouseConfig, query: str, output_format: str) -> None:
    from clickhouse_connect.driver.exceptions import Error

    client = config.client(database=None)
    client.database = config.database
    try:
        # A header, not a clause: the statement may name a format itself, or have no result.
        stream = client.raw_stream(query, transport_settings={"X-ClickHouse-Format": output_format})
        while piece := stream.read(_PIECE_BYTES):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    except Error as error:
        raise _told(str(error)) from error
    finally:
        client.close()


def _told(text: str) -> AnomasecError:
    match = _SERVER_ERROR.search(text)
    if match is None:
        return StoreError(" ".join(text.split())[:300], "see that ClickHouse runs and is reachable")
    code = int(match.group(1))
    message = " ".join(_NOISE.sub("", match.group(2)).split())
    return SqlError(f"code {code}: {message.removeprefix('DB::Exception: ')[:500]}", _HINTS.get(code, "mend the statement"))


def _description(view: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    from jobs.migrate import INTERNAL_COLUMNS, VIEWS

    if not view:
        return ("view", "meaning"), [(name, record.doc) for name, record in VIEWS.items()]
    if view not in VIEWS:
        raise AnomasecError(f"no view '{view}'", f"there are {', '.join(VIEWS)}")
    return ("column", "type", "meaning"), [(f.name, f.clickhouse, f.doc) for f in VIEWS[view].fields if f.name not in INTERNAL_COLUMNS]


def _render(head: Sequence[str], rows: list[tuple[str, ...]], chosen: str) -> str:
    """A small table as text."""
    objects: list[dict[str, Any]] = [dict(zip(head, row, strict=True)) for row in rows]
    if chosen == "json":
        return json.dumps(objects, indent=2) + "\n"
    if chosen == "jsonl":
        return "".join(json.dumps(item) + "\n" for item in objects)
    if chosen in ("csv", "tsv"):
        out = io.StringIO()
        csv.writer(out, delimiter="," if chosen == "csv" else "\t", lineterminator="\n").writerows([head, *rows])
        return out.getvalue()
    if chosen == "markdown":
        lines = [head, ["---"] * len(head), *rows]
        return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head) - 1)]
    return "".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) + "\n" for row in [head, *rows]
    )
