"""The report's page: asks the store, draws the charts, fills the template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs.report.axis import clock_label, format_value
from jobs.report.chart import Mark, Series, line_chart
from jobs.report.queries import Range, SeriesKey, Store
from jobs.report.waterfall import waterfall
from schemas.errors import AnomasecError

__all__ = ["render_report", "write_report"]

_MOST_INCIDENTS, _MOST_INCIDENT_CHARTS, _MOST_SERVICES, _MOST_ROUTES, _MOST_ANOMALIES = 12, 2, 8, 10, 15

_TITLES = {
    "request_rate": "Requests",
    "error_ratio": "Errors",
    "latency_ms_p50": "Latency p50",
    "latency_ms_p95": "Latency p95",
    "latency_ms_p99": "Latency p99",
    "response_bytes_rate": "Response bytes",
    "transaction_duration_ms_p50": "Transaction duration p50",
    "transaction_duration_ms_p95": "Transaction duration p95",
}


@dataclass(frozen=True)
class Figure:
    """A chart with what stands above it."""

    title: str
    note: str
    svg: str
    legend: Sequence[tuple[str, int]] = ()
    """(name, colour)."""
    anomalies: int = 0


def write_report(client: Any, path: Path, *, start: float | None = None, end: float | None = None, source: str = "") -> int:
    """Write the page about what lies between `start` and `end` (epoch seconds); returns its size in bytes.

    `client` is a clickhouse-connect client whose database holds the views.

    Raises
    ------
    AnomasecError
        There are no events in that time, or the file cannot be written.
    """
    page = render_report(Store(client), start=start, end=end, source=source).encode()
    try:
        path.write_bytes(page)
    except OSError as error:
        raise AnomasecError(f"cannot write {path}: {error.strerror}", "name another file by --out") from None
    return len(page)


def render_report(store: Store, *, start: float | None = None, end: float | None = None, source: str = "") -> str:
    """The page as text."""
    import jinja2

    over = store.time_range(start, end)
    if over is None:
        raise AnomasecError("there are no events to report on", "stream some with `anomasec demo` or `anomasec generate --kafka`")
    incidents = [_incident(store, over, row) for row in store.incidents(over, _MOST_INCIDENTS)]
    totals = store.totals(over)
    sample = store.sample_transaction(over, incidents)
    environment = jinja2.Environment(loader=jinja2.PackageLoader("jobs.report", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(number=format_value, moment=_moment, clock=lambda at: clock_label(at, 500))
    return environment.get_template("page.html.j2").render(
        source=source,
        over=over,
        written=datetime.now(UTC).timestamp(),
        tiles=_tiles(totals),
        totals=totals,
        overview=_overview(store, over, _rail(incidents)),
        services=_services(store, over, incidents),
        incidents=incidents,
        anomalies=store.anomalies(over, _MOST_ANOMALIES),
        budgets=store.budgets(over),
        detectors=store.detectors(over),
        slowest=store.routes(over, "p95", _MOST_ROUTES),
        failing=[row for row in store.routes(over, "errors", _MOST_ROUTES) if row["errors"]],
        dead_letters=store.dead_letters(over),
        health={
            "Transactions closed": store.counted(over, "closure_reason"),
            "Trees": _named(store.counted(over, "orphan_kind"), "whole"),
            "Events per transaction": store.counted(over, "event_count"),
            "Events by format": store.formats(over),
        },
        sample=sample,
        sample_svg=waterfall(store.bars(sample["transaction_id"], sample["start_s"])) if sample else "",
    )


def unit_of(metric: str) -> str:
    """Unit of a metric, as charts show it."""
    if "ratio" in metric:
        return "%"
    if metric.endswith("bytes_rate"):
        return "B/s"
    return "ms" if "_ms" in metric else "/s" if metric.endswith("rate") else ""


def _title(metric: str) -> str:
    return _TITLES.get(metric) or metric.replace("error_ratio_", "Errors: ").replace("_", " ")


def _moment(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%d %b %Y %H:%M:%S")


def _tiles(totals: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(value, name, remark)."""
    ratio = totals["errors"] / max(totals["events"], 1)
    return [
        (format_value(totals["events"]), "events", f"{format_value(ratio, '%')} with an error"),
        (format_value(totals["transactions"]), "transactions", f"{format_value(totals['failed'])} failed"),
        (format_value(totals["transaction_p95"], "ms"), "95 % of transactions within", f"events: {format_value(totals['p95'], 'ms')}"),
        (format_value(totals["incidents"]), "incidents", f"{format_value(totals['anomalies'])} anomalous points"),
        (format_value(totals["dead_letters"]), "unreadable lines", f"{format_value(totals['duplicates'])} repeats recognised"),
    ]


def _rail(incidents: Sequence[dict[str, Any]], environment: str = "", service: str = "") -> list[tuple[float, float, str]]:
    """When there were incidents (that touch the service of the environment, where given)."""
    found = [row for row in incidents if not service or (row["environment"] == environment and service in row["services"])]
    return [(row["start_s"], row["end_s"], f"{clock_label(row['start_s'], 500)}  {row['summary']}") for row in found]


def _overview(store: Store, over: Range, rail: Sequence[tuple[float, float, str]]) -> list[Figure]:
    traffic, errors, anomalies = store.traffic(over), store.errors(over), store.anomaly_counts(over)
    durations = store.environments(over, "transaction_duration_ms_p95", 6)
    drawn: dict[str, Any] = {"start": over.start, "end": over.end, "step_s": over.width_s, "rail": rail}
    per = f"per {over.width_s} s" if over.width_s < 60 else f"per {over.width_s // 60} min"
    return [
        Figure(
            "Traffic by service",
            "events per second, repeats left out",
            line_chart(traffic, unit="/s", stacked=True, label="traffic", **drawn),
            _legend(traffic),
        ),
        Figure(
            "Errors by category",
            "failed events per second",
            line_chart(errors, unit="/s", stacked=True, label="errors", **drawn),
            _legend(errors),
        ),
        Figure(
            "Transaction duration",
            "95 % are done within, by environment",
            line_chart(durations, unit="ms", label="transaction durations", **drawn),
            _legend(durations),
        ),
        Figure("Anomalous points", f"of all series, {per}", line_chart([anomalies], unit="", stacked=True, label="anomalies", **drawn)),
    ]


def _services(store: Store, over: Range, incidents: Sequence[dict[str, Any]]) -> list[Figure]:
    figures = []
    for environment, service in store.services(over, _MOST_SERVICES):
        slow = SeriesKey(environment, "service", service, "latency_ms_p95")
        fast = store.values(SeriesKey(environment, "service", service, "latency_ms_p50"), over, colour=2)
        figure = _banded(store, over, slow, rail=_rail(incidents, environment, service), more=[fast])
        figures.append(Figure(f"{service}", environment, figure.svg, (("p95", 0), ("p50", 2)), figure.anomalies))
    return figures


def _banded(store: Store, over: Range, key: SeriesKey, more: Sequence[Series] = (), **extra: Any) -> Figure:
    series, band, marks = store.band(key, over)
    start, end = over.start, over.end
    named: list[Mark] = [Mark(mark.time, mark.value, f"{clock_label(mark.time, 500)}  {mark.text}") for mark in marks]
    svg = line_chart(
        [series, *more],
        unit=unit_of(key.metric),
        start=start,
        end=end,
        step_s=over.width_s,
        band=band,
        marks=named,
        label=f"{key.metric} of {key.entity}",
        **extra,
    )
    return Figure(key.entity, f"{_title(key.metric)} · {key.environment}", svg, anomalies=len(marks))


def _incident(store: Store, over: Range, row: dict[str, Any]) -> dict[str, Any]:
    """The row with an anchor and its charts."""
    span = [(row["start_s"], row["end_s"], row["summary"])]
    keys = store.incident_series(row["incident_id"], over, _MOST_INCIDENT_CHARTS)
    return {**row, "anchor": f"incident-{row['incident_id'][:12]}", "figures": [_banded(store, over, key, spans=span) for key in keys]}


def _legend(series: Sequence[Series]) -> list[tuple[str, int]]:
    return [(one.name, one.colour) for one in series] if len(series) > 1 else []


def _named(rows: list[dict[str, Any]], blank: str) -> list[dict[str, Any]]:
    return [{**row, "name": row["name"] or blank} for row in rows]
