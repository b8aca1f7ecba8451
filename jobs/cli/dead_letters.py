"""`anomasec dead-letters`: what could not be read: list, show, mend and send again."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobs.config import Config
    from jobs.letters import Selection

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "dead-letters"
HELP = "what could not be read: list, show, mend and send again"
_EPILOG = """\
examples:
  anomasec dead-letters list                                            counts by reason and topic
  anomasec dead-letters show --reason invalid_timestamp --limit 5       with reason, detail and the original bytes
  anomasec dead-letters show --raw | anomasec parse --explain           why, line by line
  anomasec dead-letters retry --reason unknown_format                   after you added a format of your own
  anomasec dead-letters retry --reason invalid_timestamp --sed 's/ CEST/ +0200/'
  anomasec dead-letters retry --all --through './mend.py' --dry-run     what would become of them
  anomasec dead-letters list --store ./my-store                         in a folder that `anomasec replay` filled

retry sends each letter once, ever: a second retry leaves it alone, also when the first was killed. What still cannot be read is not sent.
With --store, letters become events in their own place; transactions and points stay as the replay made them.
Dead letters are shown unmasked: nothing else can be mended."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments and examples."""
    parser.epilog = _EPILOG
    parser.add_argument("action", choices=("list", "show", "retry"))
    parser.add_argument("names", nargs="*", metavar="LETTER", help="topic/partition/offset/line, as `show` prints it")
    parser.add_argument("--reason", default="", help="only of this reason")
    parser.add_argument("--topic", default="", help="only from this topic (or file)")
    parser.add_argument("--last", metavar="TIME", help="only what arrived within this time before the newest, e.g. 30min")
    parser.add_argument("--limit", type=int, metavar="N", help="at most so many (show: 20)")
    parser.add_argument("--store", type=Path, metavar="DIR", help="folder of an embedded store, in place of the configured ClickHouse")
    parser.add_argument("--raw", action="store_true", help="show: nothing but the original bytes, a line each")
    parser.add_argument("--all", action="store_true", help="retry: all that are not sent yet")
    parser.add_argument("--through", default="", metavar="CMD", help="retry: a command that reads lines and prints each mended")
    parser.add_argument("--sed", default="", metavar="EXPR", help="retry: an expression of `sed -E`, in place of a command")
    parser.add_argument("--dry-run", action="store_true", help="retry: say what would be sent, send nothing")


def run(args: argparse.Namespace) -> int:
    """Do what was asked; data to stdout, all else to stderr."""
    from dataclasses import replace as changed

    from clickhouse_connect.driver.exceptions import Error

    from jobs.config import load_config
    from schemas.errors import StoreError

    selection = _selection(args)
    config = load_config(args.config, home=args.home)
    with _reachable(config, args.store) as clickhouse:
        config = changed(config, clickhouse=clickhouse)
        client = clickhouse.client()
        try:
            if args.action == "list":
                return _list(client, selection)
            return _show(client, selection, args.raw) if args.action == "show" else _retry(client, selection, config, args)
        except Error as error:
            what = " ".join(str(error).split())[:300]
            raise StoreError(f"the store cannot answer: {what}", "`anomasec migrate` creates the tables") from error
        finally:
            client.close()


def _selection(args: argparse.Namespace) -> Selection:
    from jobs.knobs import parse_duration_ms
    from jobs.letters import Selection
    from schemas.errors import AnomasecError

    if args.action == "retry" and not (args.all or args.names or args.reason or args.topic or args.last):
        raise AnomasecError("retry what?", "give --reason, --topic, --last, names of letters, or --all")
    if args.sed and args.through:
        raise AnomasecError("--sed and --through go not together", "keep one of them")
    try:
        last_s = parse_duration_ms(args.last) / 1000 if args.last else None
    except ValueError as error:
        raise AnomasecError(str(error), "for example --last 30min") from None
    limit = args.limit if args.limit is not None else 20 if args.action == "show" and not args.raw else None
    return Selection(args.reason, args.topic, tuple(args.names), last_s, limit)


@contextmanager
def _reachable(config: Config, store: Path | None) -> Iterator[Any]:
    """The configured ClickHouse, or a folder's."""
    from dataclasses import replace

    from jobs.migrate import migrate
    from jobs.stack.store.embedded import serve_store
    from schemas.errors import StoreError

    if store is None:
        yield config.clickhouse
        return
    if not (store / "data").is_dir():
        raise StoreError(f"{store} is no store folder", "name the folder that `anomasec replay --store` or `anomasec up` filled")
    with serve_store(store) as url:
        clickhouse = replace(config.clickhouse, url=url, user="default", password="", verify=True, ca_file="")
        migrate(clickhouse.client(database="default"), clickhouse.database)  # an older store has no table of retries
        yield clickhouse


def _list(client: Any, selection: Selection) -> int:
    from jobs.letters import list_letters

    rows = list_letters(client, selection)
    if not rows:
        print("no dead letters")
        return 0
    head = ("reason", "topic", "letters", "open", "first", "last", "example")
    cells = [head, *((*(_cell(row[name]) for name in head[:-1]), " ".join(row["example"].split())[:60]) for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(head) - 1)]
    for line in cells:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]))
    return 0


def _cell(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}" if hasattr(value, "strftime") else str(value)


def _show(client: Any, selection: Selection, raw: bool) -> int:
    from jobs.letters import read_letters

    output = sys.stdout.buffer
    for letter in read_letters(client, selection):
        if raw:
            output.write(letter.original + b"\n")
            continue
        state = f"  [{letter.state}]" if letter.state else ""
        output.write(f"{letter.name}  {letter.arrived_at:%Y-%m-%d %H:%M:%S}  {letter.reason}: {letter.detail}{state}\n".encode())
        output.write(b"    " + _printable(letter.original).encode() + b"\n")
    output.flush()
    return 0


def _printable(original: bytes) -> str:
    """The bytes as text, with escapes for what a terminal would not show or would obey."""
    text = original.decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() or char == "\t" else char.encode("unicode_escape").decode() for char in text)


def _retry(client: Any, selection: Selection, config: Config, args: argparse.Namespace) -> int:
    import time

    from jobs.knobs import read_knobs
    from jobs.letters import KafkaTransport, StoreTransport, Transport, mend, read_letters, retry
    from jobs.letters.transport import raw_of
    from jobs.sinks.clickhouse import ClickHouseSink
    from jobs.stages import normalise_settings
    from udfs.normalise import normalise

    settings = normalise_settings(read_knobs(config.sql_dir / "flink" / "knobs.sql"), config.sql_dir)
    letters = read_letters(client, selection, only_open=True)
    lines = mend([letter.original for letter in letters], args.through, args.sed)
    dead = normalise(raw_of(letters, lines), settings).dead_letters
    refused = set(dead["offset"].to_pylist())
    good = [place for place in range(len(letters)) if place not in refused]
    still = len(letters) - len(good)
    if still:
        reasons = ", ".join(f"{item['values']} {item['counts']}" for item in dead["reason"].value_counts().to_pylist())
        print(f"anomasec: {still} of {len(letters)} still cannot be read and are not sent: {reasons}", file=sys.stderr)
    if args.dry_run:
        print(f"{len(good)} letters would be sent")
        return 0
    sink = ClickHouseSink(config.clickhouse)
    transport: Transport = StoreTransport(sink, settings) if args.store else KafkaTransport(config)
    chosen, sent_lines = [letters[place] for place in good], [lines[place] for place in good]
    summary = retry(client, sink, transport, chosen, sent_lines, int(time.time() * 1000))
    already = f", {summary.already_sent} had been sent before" if summary.already_sent else ""
    print(f"{summary.sent} letters sent to {transport.target}{already}")
    return 0
