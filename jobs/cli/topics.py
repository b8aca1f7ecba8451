"""`anomasec topics`: list the topics, create what is missing."""

from __future__ import annotations

import argparse
import sys

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "topics"
HELP = "List the topics the pipeline needs as the broker has them; create what is missing."
EPILOG = """\
examples:
  anomasec topics                      exit code 1 if one is missing
  anomasec topics --create             on your own broker; `anomasec up` does it on the local one

They are declared in docker/kafka/topics.txt; [topics] in anomasec.toml renames them.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = EPILOG
    parser.add_argument("--create", action="store_true", help="create the missing ones")


def run(args: argparse.Namespace) -> int:
    """Print name, partitions and timestamp type of each topic."""
    from jobs.config import load_config
    from jobs.stack.topics import create_topics, topic_states

    config = load_config(args.config, home=args.home)
    if args.create:
        for name in create_topics(config):
            print(f"created {name}", file=sys.stderr)
    states = topic_states(config)
    for state in states:
        print(f"{state.name}\t{state.partitions or 'missing'}\t{state.timestamp_type or '-'}")
    return 0 if all(state.partitions for state in states) else 1
