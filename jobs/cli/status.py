"""`anomasec status`: what runs, where, and the configuration in effect."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.stack.stack import PartState

__all__ = ["HELP", "NAME", "configure", "run", "table"]

NAME = "status"
HELP = "Show what is running, where, and how much memory it takes. Exit code 1 if something is down."
EPILOG = """\
examples:
  anomasec status
  anomasec status --config-only        every setting, where it came from, secrets masked
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = EPILOG
    parser.add_argument("--config-only", action="store_true", help="show the configuration in effect instead")


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    from jobs.config import load_config
    from jobs.stack.stack import Stack

    config = load_config(args.config, home=args.home)
    if args.config_only:
        print(_align([("key", "value", "from"), *config.describe()]))
        return 0
    states = Stack(config.home, config=config).status()
    print(table(states))
    return 0 if all(state.state in ("up", "yours") for state in states) else 1


def table(states: Sequence[PartState]) -> str:
    """Render the states as aligned text, without a newline at the end."""
    rows = [("process", "state", "address", "pid", "memory")]
    for state in states:
        memory = f"{state.memory_mb} MB" if state.pid else "-"
        rows.append((state.name, state.state, state.address, str(state.pid or "-"), memory))
    return _align(rows)


def _align(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
