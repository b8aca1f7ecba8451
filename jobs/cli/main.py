"""The `anomasec` command: finds the subcommand's module, tells mistakes in one line."""

from __future__ import annotations

import argparse
import difflib
import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from jobs.version import installed_version
from schemas.errors import AnomasecError

__all__ = ["COMMANDS", "main"]

COMMANDS: dict[str, tuple[tuple[str, str], ...]] = {
    "Try it": (
        ("demo", "start everything, stream a world with planted faults, show what was found"),
        ("parse", "lines on stdin -> one JSON object per line"),
        ("replay", "run all stages over files and folders, into a store on disk"),
        ("backtest", "score a CSV of time,value rows as the stream would"),
        ("generate", "make log lines with planted faults, seeded"),
    ),
    "Run it": (
        ("up", "start the local broker, store and Flink cluster"),
        ("down", "stop what `up` started"),
        ("status", "what is running, where, and how much memory it takes"),
        ("topics", "list the topics, create what is missing"),
        ("migrate", "create or update the tables"),
        ("submit", "start the jobs on the cluster"),
        ("stop", "stop jobs with a savepoint"),
        ("restart", "stop with a savepoint, start again with your edited SQL"),
        ("jobs", "list the jobs on the cluster"),
    ),
    "Look": (
        ("sql", "query the store; --describe documents every column"),
        ("report", "one HTML page: traffic, errors, latency, anomalies, incidents"),
        ("endpoints", "documented, shadow and zombie endpoints; import OpenAPI files, learn routes"),
        ("catalogue", "what runs where and whose it is; --unknown: what nobody answers for"),
        ("dead-letters", "what could not be read: list, show, mend and send again"),
        ("doctor", "what is recognised in a file or topic, what is missing, what to change in the gateway"),
    ),
    "Tune": (
        ("check", "is my SQL right? says what is wrong and where, explains the plan"),
        ("train", "train the isolation forest from what is stored"),
        ("compare", "what changed SQL would have said of the stored points: new, gone, moved"),
        ("label", "say of an anomaly or incident: good (rightly found) or bad (a false alarm)"),
        ("proposals", "what your labels ask for: overrides, each replayed over the stored history"),
    ),
}
"""Groups of (command, one line). A command lives in `jobs/cli/<command>.py` and is imported only when it is called."""

EPILOG = """\
A first evening:
  anomasec demo                       see it find a planted fault
  anomasec up && anomasec submit      keep it running, then send logs to the topic `raw`
  anomasec sql "SELECT * FROM anomalies ORDER BY time DESC LIMIT 10"
  $EDITOR sql/flink/score.sql && anomasec check && anomasec restart score

Addresses and credentials come from anomasec.toml or ANOMASEC_* variables; `anomasec status --config-only` shows them.
`anomasec <command> --help` teaches each command with examples.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 ok, 1 other, 2 the user's mistake, 3 store or broker unreachable."""
    try:
        code = _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()  # here, where a closed pipe is expected, not at the interpreter's end
        return code
    except AnomasecError as error:
        if os.environ.get("ANOMASEC_DEBUG"):
            raise
        print(f"anomasec: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (`head`) has gone; keep the interpreter from complaining when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _run(argv: list[str]) -> int:
    parser = _top_parser()
    options, rest = _split(argv)
    arguments = parser.parse_args(options)
    if arguments.version:
        print(f"anomasec {installed_version()}")
        return 0
    if not rest:
        print(parser.format_help(), end="")
        return 0
    name, rest = rest[0], rest[1:]
    module = _load(name)
    sub = argparse.ArgumentParser(prog=f"anomasec {name}", formatter_class=argparse.RawDescriptionHelpFormatter, description=module.HELP)
    _add_globals(sub)
    module.configure(sub)
    sub.set_defaults(config=arguments.config, home=arguments.home)
    parsed = sub.parse_args(rest)
    # Through the environment too, so that job programs started by the command see the same configuration.
    if parsed.config is not None:
        os.environ["ANOMASEC_CONFIG"] = str(parsed.config)
    if parsed.home is not None:
        os.environ["ANOMASEC_HOME"] = str(parsed.home)
    return int(module.run(parsed) or 0)


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """Options before the command, and the command with all that follows."""
    index = 0
    while index < len(argv) and argv[index].startswith("-"):
        index += 2 if argv[index] in ("--config", "--home") else 1
    return argv[:index], argv[index:]


def _load(name: str) -> ModuleType:
    known = [command for group in COMMANDS.values() for command, _ in group]
    module_name = f"jobs.cli.{name.replace('-', '_')}"
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        raise AnomasecError(f"unknown command '{name}'", f"did you mean `anomasec {near[0]}`?" if near else "see `anomasec --help`")
    if importlib.util.find_spec(module_name) is None:
        raise AnomasecError(f"this version has no command '{name}'", "see `anomasec --help`")
    return importlib.import_module(module_name)


def _top_parser() -> argparse.ArgumentParser:
    width = max(len(command) for group in COMMANDS.values() for command, _ in group)
    lines = ["Watch your APIs: logs, spans and metrics in Kafka become transactions, points, anomalies and incidents.", ""]
    for group, commands in COMMANDS.items():
        lines += [f"{group}:", *(f"  {command:<{width}}  {text}" for command, text in commands), ""]
    parser = argparse.ArgumentParser(
        prog="anomasec",
        usage="anomasec [--config FILE] [--home DIR] <command> [options]",
        description="\n".join(lines).rstrip(),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_globals(parser)
    parser.add_argument("--version", action="store_true", help="show the version")
    return parser


def _add_globals(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration file (default: anomasec.toml, if there)")
    parser.add_argument("--home", type=Path, metavar="DIR", help="folder of the local stack (default: .anomasec)")


if __name__ == "__main__":
    sys.exit(main())
