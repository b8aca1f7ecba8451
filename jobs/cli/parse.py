"""`anomasec parse`: see what becomes of log lines."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from udfs.formats.user_format import UserFormat

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "parse"
HELP = "read log lines from stdin, print one JSON object per line"

_READ_BYTES = 1 << 20
_CHUNK_BYTES = 4 << 20

_EPILOG = """\
Output, one object for each input line, in the same order:
  {"timestamp": .., "http_request_method": .., ...}     the event; what the line does not say is left out
  {"error": {"reason": .., "detail": ..}}               the line cannot be read
  {"skipped": "header"}                                 a W3C header line
  {"events": [..], "metric_points": [..]}               an OTLP export with several records, or with metrics
With --explain:
  {"format": .., "why": .., "fields": {"duration_ms": {"value": 12.5, "from": "$.took * 1000"}, ..}}

Examples:
  tail -f access.log | anomasec parse
  head -3 access.log | anomasec parse --explain
  zcat access.log.gz | anomasec parse --redact > events.jsonl
  anomasec parse --map verb=http_request_method --map took=duration_s < app.jsonl
"""


class _WithoutPandas:
    """Hides pandas: pyarrow would import it only to ask whether values are of it, most of the time this command takes to start."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Refuse pandas, leave the rest to the finders behind."""
        if name == "pandas":
            raise ImportError(name)


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.description = "Read log lines of any supported format from stdin and print the normalised fields, one JSON object per line."
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--redact", action="store_true", help="mask secrets, as the jobs do (off here: you hold the line already)")
    parser.add_argument("--explain", action="store_true", help="say why the format was chosen, and which field came from where")
    parser.add_argument("--sql-dir", type=Path, metavar="DIR", help="folder that holds flink/formats, the formats of your own")
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="KEY=FIELD",
        help="an own key of JSON lines and the field it means, e.g. verb=http_request_method, took=duration_s; may be given often",
    )


def run(args: argparse.Namespace) -> int:
    """Parse stdin until it ends; each chunk that arrives is answered at once."""
    if "pyarrow" not in sys.modules:
        sys.meta_path.insert(0, _WithoutPandas())
    from udfs.normalise import NormaliseSettings
    from udfs.normalise.lines import carry_header, parse_lines, read_chunks

    settings = NormaliseSettings(field_mapping=_mapping(args.map), formats=_formats(args), redact=args.redact)
    answer = parse_lines
    if args.explain:
        from udfs.normalise.explain import explain_lines as answer
    descriptor = sys.stdin.fileno()
    output = sys.stdout.buffer
    try:
        for lines in read_chunks(lambda: _read_available(descriptor)):
            output.write(b"\n".join(answer(lines, settings)) + b"\n")
            output.flush()
            settings = carry_header(lines, settings)
    except BrokenPipeError:  # the reader has seen enough, e.g. `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _read_available(descriptor: int) -> bytes:
    """Wait for bytes, then take what is there without waiting on: large batches from files, quick answers to `tail -f`."""
    import select

    parts = [os.read(descriptor, _READ_BYTES)]
    size = len(parts[0])
    while parts[-1] and size < _CHUNK_BYTES and select.select([descriptor], [], [], 0)[0]:
        parts.append(os.read(descriptor, _READ_BYTES))
        size += len(parts[-1])
    return b"".join(parts)


def _formats(args: argparse.Namespace) -> tuple[UserFormat, ...]:
    """Formats of the user's own. The folder is looked at first: compiling them takes a tenth of a second that nobody waits for in vain."""
    sql_dir = args.sql_dir
    if sql_dir is None:
        from jobs.config import load_config

        sql_dir = load_config(args.config, home=args.home).sql_dir
    folder = sql_dir / "flink" / "formats"
    if not any(folder.glob("*.sql")):
        return ()
    from udfs.formats.user_sql import read_formats

    return read_formats(folder)


def _mapping(pairs: list[str]) -> dict[str, str]:
    """'key=field' arguments as a dict.

    Raises
    ------
    AnomasecError
        No '=' in it, or no such field.
    """
    import difflib

    from schemas.errors import AnomasecError
    from udfs.formats.dialect import TARGETS

    mapping = {}
    for pair in pairs:
        key, separator, target = pair.rpartition("=")
        if not separator or not key:
            raise AnomasecError(f"--map {pair}: no KEY=FIELD", "write e.g. --map verb=http_request_method")
        if target not in TARGETS:
            near = difflib.get_close_matches(target, TARGETS, 1)
            raise AnomasecError(
                f"--map {pair}: unknown field '{target}'", f"did you mean '{near[0]}'?" if near else f"known: {', '.join(TARGETS)}"
            )
        mapping[key] = target
    return mapping
