"""`anomasec demo`: see it find planted faults, in two minutes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from jobs.config import Config
    from jobs.demo import Demo, Finding

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "demo"
HELP = "start everything, stream a world with planted faults, show what was found"

_EPILOG = """\
It starts the local stack (or uses one that runs), submits the job of all stages, sends eighty seconds of a made-up company's past
in a burst and one minute live with four faults, and compares what was found with what was planted. Then it writes an HTML report
and stops what it started; --keep leaves all running, so that you can look around:

  anomasec demo --keep
  anomasec sql "SELECT summary FROM incidents ORDER BY started_at DESC"
  anomasec generate --duration 2min --rate 1500 --kafka --faults "traffic_surge:search:60-90"
  anomasec down

Exit code 0: every planted fault was found; 1: one was missed.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--keep", action="store_true", help="leave the stack and the job running")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another world (default 1)")
    parser.add_argument("--out", type=Path, default=None, metavar="FILE", help="the HTML report (default demo.html in the stack's folder)")
    parser.add_argument("--port-base", type=_ports, metavar="N|auto", help="first of seven consecutive ports, or any free ones")


def run(args: argparse.Namespace) -> int:
    """Run the demonstration."""
    from rich.console import Console

    from jobs.demo import Demo, missed, running_stack

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        console.width = 160
    begin = time.monotonic()

    def told(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - begin:5.1f} s[/dim]  {line}")

    with running_stack(args.home, args.config, args.port_base, args.keep, told) as stack:
        config = stack.config()
        demo = Demo(config, args.seed)
        with demo.counting(), _display(console, demo):
            demo.stream()
            findings = demo.await_results()
        demo.count()
        report = (args.out or config.home / "demo.html").resolve()
        _write_report(config, demo, report)
        console.print(_table(findings))
        console.print(_totals(demo))
        _where(console, config, report, args.keep)
    told("done")
    return 1 if missed(findings) else 0


def _ports(text: str) -> int | str:
    if text == "auto":
        return text
    if text.isdigit() and 1024 <= int(text) <= 65_529:
        return int(text)
    raise argparse.ArgumentTypeError(f"'{text}' is neither a port of 1024 to 65529 nor auto")


@contextmanager
def _display(console: Console, demo: Demo) -> Iterator[None]:
    """A live panel on a terminal; elsewhere a line every ten seconds."""
    import threading

    from rich.live import Live

    if console.is_terminal:
        with Live(get_renderable=lambda: _panel(demo), console=console, refresh_per_second=2, transient=True):
            yield
        return
    stopped = threading.Event()

    def keep() -> None:
        while not stopped.wait(10):
            counts = demo.counts
            console.print(
                f"{demo.sent:,} lines sent; stored: {counts.events:,} events, {counts.transactions:,} transactions,"
                f" {counts.points:,} points, {counts.anomalies:,} anomalies, {counts.incidents:,} incidents"
            )

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _panel(demo: Demo) -> RenderableType:
    from rich.panel import Panel
    from rich.table import Table

    from jobs.demo import LIVE_S

    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", style="bold")
    grid.add_column()
    counts, elapsed = demo.counts, time.time() - demo.live_start if demo.live_start else -1.0
    rows: list[tuple[int, str]] = [
        (demo.sent, "lines sent"),
        (counts.events, "events stored"),
        (counts.transactions, "transactions assembled"),
        (counts.points, "points measured and scored"),
        (counts.anomalies, "anomalous points"),
        (counts.incidents, "incidents"),
    ]
    for number, what in rows:
        grid.add_row(f"{number:,}", what)
    grid.add_row("", f"[dim]{counts.latest or 'no incident yet'}[/dim]")
    if elapsed < 0:
        state = "sending the past"
    elif elapsed < LIVE_S:
        on = [fault for fault in demo.truth.faults if fault.active_at(elapsed + _history(demo))] if demo.truth else []
        state = f"live, {LIVE_S - elapsed:.0f} s to go" + "".join(f"  [red]{fault.kind} in {fault.entity}[/red]" for fault in on)
    else:
        state = "waiting for the last windows"
    return Panel(grid, title=state, title_align="left", width=110)


def _history(demo: Demo) -> float:
    return demo.live_start - demo.truth.start_ms / 1000 if demo.truth else 0.0


def _table(findings: Sequence[Finding]) -> RenderableType:
    from rich.table import Table

    table = Table(title="planted and found", title_justify="left", title_style="bold", expand=False)
    for name in ("planted", "at (UTC)", "found", "after", "seen in", "how"):
        table.add_column(name, overflow="fold")
    for finding in findings:
        fault, found = finding.fault, finding.found_after_s is not None
        table.add_row(
            f"{fault.kind.replace('_', ' ')}: {fault.entity}",
            time.strftime("%H:%M:%S", time.gmtime(finding.start_s)),
            "[green]yes[/green]" if found else "[red]no[/red]",
            f"{finding.found_after_s:.0f} s" if finding.found_after_s is not None else "",
            finding.entity,
            finding.reason or finding.metric,
        )
    return table


def _totals(demo: Demo) -> str:
    truth, counts = demo.truth, demo.counts
    if truth is None:
        return ""
    open_still = truth.transactions - counts.transactions
    waiting = f" ({open_still} still wait for late lines)" if open_still > 0 else ""
    return (
        f"sent {truth.lines_sent:,} lines: {truth.valid_lines:,} readable, {truth.malformed_lines:,} not; "
        f"stored {counts.events:,} events and {counts.dead_letters:,} dead letters; "
        f"{truth.transactions:,} requests became {counts.transactions:,} transactions{waiting}"
    )


def _write_report(config: Config, demo: Demo, path: Path) -> None:
    from jobs.report import write_report

    client: Any = config.clickhouse.client()
    try:
        start = demo.truth.start_ms / 1000 if demo.truth else None
        write_report(client, path, start=start, source="demonstration")
    finally:
        client.close()


def _where(console: Console, config: Config, report: Path, keep: bool) -> None:
    from jobs.config import data_folder

    console.print(f"report      {report.as_uri()}", soft_wrap=True)
    dashboards = data_folder("dashboards")
    if dashboards.is_dir():
        console.print(f"dashboards  {dashboards} (Grafana; `docker compose -f docker/grafana.yaml up`)", soft_wrap=True)
    if keep:
        console.print(f"Flink UI    {config.flink.rest_url}")
        console.print(f"store       {config.clickhouse.url} (database {config.clickhouse.database})")
        console.print("stop it all with `anomasec down`")
    else:
        console.print(
            "what was started is stopped now; `anomasec demo --keep` leaves it running, with the Flink UI and the store to look at"
        )
