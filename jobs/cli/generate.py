"""`anomasec generate`: the load and fault generator."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import AnomasecError

if TYPE_CHECKING:
    from jobs.generate.world import WorldSettings

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "generate"
HELP = "make log lines with planted faults, seeded"

_EPILOG = """\
a fault is KIND:SERVICE[ METHOD /route][@environment]:START-END[:xSTRENGTH], times from the start of the run:
  latency_step latency_spike errors_backend errors_timeout errors_authentication traffic_drop traffic_surge
services: gateway auth users orders checkout payments inventory search

examples:
  anomasec generate --lines 100000 --out world.jsonl.gz --truth truth.json
  anomasec generate --lines 200 | anomasec parse
  anomasec generate --lines 3000000 --duration 1h --faults default --out hour.jsonl.gz --truth truth.json
  anomasec generate --duration 2min --rate 3000 --kafka \\
      --faults "latency_step:payments POST /charges:70s-100s:x4,traffic_drop:search:90-110" --truth truth.json
  anomasec generate --lines 2000000 --lines-per-message 100 --kafka

The same seed and options give the same bytes (give --start for a fixed time). The truth file counts what was sent: lines,
malformed, repeated and late ones, transactions, faults.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = "Log lines of a made-up company of 8 services in 3 environments: every request leaves 1 to 8 lines."
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    size = parser.add_argument_group("how much, how fast")
    size.add_argument("--lines", type=int, metavar="N", help="lines in all, exactly (default 10000, unless --duration is given)")
    size.add_argument("--duration", metavar="TIME", help="span of event time, e.g. 90s, 20min, 1h")
    size.add_argument("--rate", type=float, default=0.0, metavar="N", help="lines per second, live; 0 = as fast as possible (default)")
    size.add_argument("--start", metavar="ISO", help="event time of the start (default: so that a paced run starts, another ends, now)")
    size.add_argument("--daily", action="store_true", help="traffic follows the hours of the day")
    what = parser.add_argument_group("what")
    what.add_argument("--seed", type=int, default=1, help="another seed is another world (default 1)")
    what.add_argument("--faults", default="none", metavar="LIST", help="none (default), default, or faults separated by commas: see below")
    what.add_argument("--late", type=_share, default=0.005, metavar="SHARE", help="lines held back 2 to 30 s (default 0.005)")
    what.add_argument("--duplicates", type=_share, default=0.005, metavar="SHARE", help="lines sent twice (default 0.005)")
    what.add_argument("--malformed", type=_share, default=0.001, metavar="SHARE", help="unreadable lines (default 0.001)")
    what.add_argument("--mix", type=_share, default=0.0, metavar="SHARE", help="requests logged as OTLP, nginx or ALB (default 0)")
    where = parser.add_argument_group("where to")
    where.add_argument("--out", type=Path, metavar="FILE", help="file, .gz compresses (default: standard output)")
    where.add_argument("--kafka", action="store_true", help="the configured broker, raw topic")
    where.add_argument("--lines-per-message", type=int, default=1, metavar="N", help="lines joined to one Kafka message (default 1)")
    where.add_argument("--truth", type=Path, metavar="FILE", help="write what was sent (JSON)")
    where.add_argument("--transactions", type=Path, metavar="FILE", help="write one row per transaction (parquet)")


def run(args: argparse.Namespace) -> int:
    """Generate."""
    from jobs.generate.output import FileOutput, write_lines
    from jobs.generate.world import World

    if args.kafka and args.out:
        raise AnomasecError("--kafka and --out are two places", "choose one")
    for path in (args.truth, args.transactions):
        if path and not path.absolute().parent.is_dir():
            raise AnomasecError(f"cannot write {path}: there is no such folder", "create the folder first")
    lines, settings = _settings(args)
    world = World(args.seed, settings, keep_transactions=args.transactions is not None)
    with _progress(lines or int(settings.lines_per_s * (settings.duration_s or 0)), args.kafka or args.out) as progress:
        if args.kafka:
            from jobs.config import load_config
            from jobs.generate.send import Sender

            config = load_config(args.config, home=args.home)
            with Sender(config.kafka.client_options(), config.topics.raw) as output:
                write_lines(world, output, lines, args.rate, args.lines_per_message, progress)
        else:
            write_lines(world, FileOutput(args.out), lines, args.rate, args.lines_per_message, progress)
    if args.truth:
        world.truth.write(args.truth)
    if args.transactions:
        world.truth.write_transactions(args.transactions)
    counts = world.truth
    kinds = f"{counts.malformed_lines:,} malformed, {counts.duplicate_lines:,} repeated, {counts.late_lines:,} late"
    print(f"{counts.lines_sent:,} lines ({kinds}), {counts.transactions:,} transactions, {len(counts.faults)} faults", file=sys.stderr)
    return 0


def _settings(args: argparse.Namespace) -> tuple[int | None, WorldSettings]:
    import time
    from datetime import UTC, datetime

    from jobs.generate.faults import parse_faults
    from jobs.generate.world import WorldSettings

    duration_s = _duration_s(args.duration) if args.duration else None
    lines = args.lines if args.lines is not None or duration_s is not None else 10_000
    if lines is not None and lines < 1 or args.lines_per_message < 1 or args.rate < 0:
        raise AnomasecError("--lines, --lines-per-message and --rate must not be negative or 0", "give a number of 1 and more")
    lines_per_s = args.rate or (lines / duration_s if lines and duration_s else 10_000.0)
    span_s = duration_s or lines / lines_per_s
    if args.start:
        try:
            start = datetime.fromisoformat(args.start)
        except ValueError:
            raise AnomasecError(f"'{args.start}' is no time", "write it as 2026-01-31T12:00:00Z") from None
        start_ms = int((start if start.tzinfo else start.replace(tzinfo=UTC)).timestamp() * 1000)
        if args.rate:
            raise AnomasecError("--start does not go with --rate", "a paced run starts now; leave --rate out for a fixed time")
    else:
        start_ms = int((time.time() - (0 if args.rate else span_s)) * 1000)
    return lines, WorldSettings(
        start_ms=start_ms,
        lines_per_s=lines_per_s,
        duration_s=duration_s if lines is None or args.rate else None,
        faults=parse_faults(args.faults, span_s),
        late=args.late,
        duplicates=args.duplicates,
        malformed=args.malformed,
        mix=args.mix,
        daily=args.daily,
    )


def _duration_s(text: str) -> float:
    from jobs.knobs import parse_duration_ms

    try:
        return parse_duration_ms(text) / 1000
    except ValueError as error:
        raise AnomasecError(str(error), "for example --duration 20min") from None


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 0.5:
        raise argparse.ArgumentTypeError(f"{text} is not a share from 0 to 0.5")
    return value


@contextmanager
def _progress(total: int, visible: object) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr; standard output stays for the lines."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    if not visible:
        yield lambda lines: None
        return
    speed = TextColumn("{task.fields[speed]}")
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("lines"), speed, TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("lines", total=total or None, speed="")

        def advance(lines: int) -> None:
            bar.update(task, advance=lines, speed=f"{bar.tasks[0].speed or 0:,.0f}/s")

        yield advance
