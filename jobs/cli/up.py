"""`anomasec up`: start the local broker, store and Flink cluster."""

from __future__ import annotations

import argparse
import sys

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "up"
HELP = "Start the local broker, store and Flink cluster; create topics and tables. What runs already is left alone."
EPILOG = """\
examples:
  anomasec up                          everything, on the usual ports
  anomasec up --only kafka,store       without Flink
  anomasec up --port-base 19000        ports 19000 to 19006, when the usual ones are taken
  anomasec up --port-base auto         whatever is free (kept for the next start)

Data, logs and checkpoints are in one folder (--home, default .anomasec); `anomasec down` keeps them, deleting it starts afresh.
A part whose address you set yourself ([kafka] bootstrap_servers, [clickhouse] url, [flink] rest_url) is not started.
Ports one by one, and memory: [stack] in anomasec.toml.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = EPILOG
    parser.add_argument("--only", type=_parts, default=(), metavar="PARTS", help="of kafka,store,flink; with commas")
    parser.add_argument("--port-base", type=_ports, metavar="N|auto", help="first of seven consecutive ports, or any free ones")


def run(args: argparse.Namespace) -> int:
    """Start what is missing and show what runs."""
    from jobs.cli.status import table
    from jobs.config import load_config
    from jobs.stack.stack import Stack

    config = load_config(args.config, home=args.home)
    stack = Stack(config.home, ports=args.port_base, config=config)
    stack.up(args.only, report=lambda line: print(line, file=sys.stderr, flush=True))
    print(table(stack.status()))
    return 0


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _ports(text: str) -> int | str:
    if text == "auto":
        return text
    if text.isdigit() and 1024 <= int(text) <= 65_529:
        return int(text)
    raise argparse.ArgumentTypeError(f"'{text}' is neither a port of 1024 to 65529 nor auto")
