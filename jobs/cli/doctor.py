"""`anomasec doctor`: what is recognised in a source, what is missing, what to change where it comes from."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.doctor import Advice, Diagnosis, FormatFound

__all__ = ["HELP", "NAME", "configure", "report", "run"]

NAME = "doctor"
HELP = "what is recognised in a file or topic, what is missing, what to change in the gateway"
_EPILOG = """\
examples:
  anomasec doctor /var/log/nginx/access.log
  kubectl logs deploy/gateway | anomasec doctor -
  anomasec doctor topic:raw                      the newest records of a topic
  anomasec doctor exports/ --lines 100000

Exit code 1 when fields are missing or lines cannot be read, 0 when all is there."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments and examples."""
    parser.epilog = _EPILOG
    parser.add_argument("source", metavar="SOURCE", help="file, folder, - for stdin, or topic:NAME")
    parser.add_argument("--lines", type=int, default=10_000, metavar="N", help="sample size (10000)")
    parser.add_argument("--sql-dir", type=Path, metavar="DIR", help="folder that holds flink/formats, the formats of your own")


def run(args: argparse.Namespace) -> int:
    """Read a sample and tell."""
    from jobs.config import load_config
    from jobs.doctor import examine, read_sample
    from jobs.knobs import read_knobs
    from jobs.stages import normalise_settings
    from schemas.errors import AnomasecError

    config = load_config(args.config, home=args.home)
    sql_dir = args.sql_dir or config.sql_dir
    knobs = config.sql_dir / "flink" / "knobs.sql"
    settings = normalise_settings(read_knobs(knobs), sql_dir)
    lines = read_sample(args.source, max(args.lines, 1), config)
    if not lines:
        raise AnomasecError(f"{args.source} has no lines", "name a source that has some")
    diagnosis = examine(lines, settings)
    sys.stdout.write("\n".join(report(args.source, diagnosis)) + "\n")
    return 1 if diagnosis.refused or any(found.missing for found in diagnosis.formats) else 0


def report(source: str, diagnosis: Diagnosis) -> list[str]:
    """Lines of plain words."""
    events = sum(found.events for found in diagnosis.formats)
    refused = sum(diagnosis.refused.values())
    lines = [f"{source}: {_many(diagnosis.lines, 'record')} read: {_many(events, 'event')}, {_many(refused, 'line')} not readable"]
    lines[0] += f", {_many(diagnosis.metric_points, 'metric point')}" if diagnosis.metric_points else ""
    for found in diagnosis.formats:
        lines.append(f"  {found.name:<24}{found.events:>10,}  {_percent(found.events / max(events + refused, 1))}")
    for reason, count in diagnosis.refused.items():
        example = diagnosis.examples[reason][:80].decode("utf-8", "backslashreplace")
        shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in example)
        lines.append(f"  not readable: {reason:<10}{count:>10,}  e.g. {shown}")
    for found in diagnosis.formats:
        lines += ["", *_of_format(found)]
    if diagnosis.refused:
        mend = "a format of your own may read them (docs/formats-of-your-own.md)"
        lines += ["", f"Lines that are not readable: `anomasec parse --explain` says why; {mend}."]
    return lines


def _of_format(found: FormatFound) -> list[str]:
    lines = [f"{found.name}: {_many(found.events, 'event')}"]
    if found.met:
        lines.append(f"  there is all for: {', '.join(need.name for need in found.met)}")
    told: dict[Advice, list[str]] = {}
    for need, share in found.missing:
        fields = (" or " if need.any_of else " and ").join(f"{name} ({_percent(found.shares[name])})" for name in need.fields)
        where = "in no line" if share == 0 else f"in {_percent(share)} of the lines"
        lines.append(f"  {need.name}: {fields} {where}: {need.without if share == 0 else 'for the rest, ' + need.without}")
        for advice in _advice(found.name, need.name):
            told.setdefault(advice, []).append(need.name)
    for advice, needs in told.items():
        lines.append(f"  for {', '.join(needs)}, {advice.gateway}:{' ' + advice.note if advice.note else ''}")
        lines += [f"      {text}" for text in advice.configuration.splitlines()]
    return lines


def _advice(format_name: str, need: str) -> list[Advice]:
    from jobs.doctor import advice_for

    return advice_for(format_name, need)


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share in (0, 1) or 0.005 <= share < 0.995 else f"{share:.2%}"
