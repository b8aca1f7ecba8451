"""What the report asks the store: one function per question, SQL on the views only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jobs.report.chart import Band, Mark, Series
from jobs.report.waterfall import Bar
from schemas.event import ERROR_CATEGORIES

__all__ = ["Range", "SeriesKey", "Store"]

_SECONDS = "toUnixTimestamp64Micro({}) / 1e6"
_SAMPLES = 200
"""About so many values along a chart."""


@dataclass(frozen=True)
class Range:
    """The time the report is about."""

    start: float
    """Epoch seconds."""
    end: float
    width_s: int
    """Width of the windows shown."""

    @property
    def parameters(self) -> dict[str, Any]:
        """Query parameters `start`, `end` and `width`."""
        return {"start": self.start, "end": self.end, "width": self.width_s}


@dataclass(frozen=True)
class SeriesKey:
    """A series of points."""

    environment: str
    entity_kind: str
    entity: str
    metric: str

    @property
    def parameters(self) -> dict[str, Any]:
        """Query parameters of the same names."""
        return {"environment": self.environment, "entity_kind": self.entity_kind, "entity": self.entity, "metric": self.metric}


_KEY = "environment = {environment:String} AND entity_kind = {entity_kind:String} AND entity = {entity:String} AND metric = {metric:String}"
_BUCKET = "intDiv(toUnixTimestamp({}), {{width:UInt32}}) * {{width:UInt32}}"


def _within(column: str) -> str:
    start, end = (f"fromUnixTimestamp64Micro(toInt64({{{name}:Float64}} * 1e6))" for name in ("start", "end"))
    return f"{column} >= {start} AND {column} < {end}"


_ARRIVED = f"(arrived_at) FROM events WHERE {_within('timestamp')}"
_ARRIVED_WITHIN = (
    f"arrived_at >= (SELECT min{_ARRIVED}) - toIntervalSecond(2) AND arrived_at <= (SELECT max{_ARRIVED}) + toIntervalSecond(2)"
)


class Store:
    """The views, asked through a clickhouse-connect client whose database holds them."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def rows(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        """Rows of a query."""
        return list(self._client.query(sql, parameters=parameters).named_results())

    def time_range(self, start: float | None, end: float | None) -> Range | None:
        """From the first to the last event, cut to what was asked for; None where there are no events."""
        first, last = _SECONDS.format("min(timestamp)"), _SECONDS.format("max(timestamp)")
        found = self.rows(
            f"SELECT count() AS n, {first} AS first, {last} AS last FROM events WHERE {_within('timestamp')}", **_span(start, end)
        )[0]
        if not found["n"]:
            return None
        begin, finish = float(found["first"]), float(found["last"]) + 1e-3
        widths = [row["width_s"] for row in self.rows("SELECT DISTINCT width_s FROM points WHERE width_s > 0 ORDER BY width_s")] or [60]
        width = next((w for w in widths if (finish - begin) / w <= _SAMPLES * 1.5), widths[-1])
        return Range(begin // width * width, (finish // width + 1) * width, int(width))

    def totals(self, over: Range) -> dict[str, Any]:
        """Numbers of the page's head."""
        within = _within("timestamp")
        events = self.rows(
            f"""SELECT count() AS events, countIf(is_duplicate) AS duplicates, countIf(is_late) AS late,
                       countIf(error_category != '') AS errors, countIf(duration_ms IS NOT NULL) AS timed,
                       ifNull(quantileIf(0.95)(duration_ms, duration_ms IS NOT NULL), 0) AS p95
                FROM events WHERE {within}""",
            **over.parameters,
        )[0]
        transactions = self.rows(
            f"""SELECT count() AS transactions, countIf(is_error) AS failed, countIf(late_count > 0) AS amended,
                       countIf(orphan_kind != '') AS orphaned, ifNull(quantile(0.95)(duration_ms), 0) AS transaction_p95
                FROM transactions WHERE {_within("started_at")}""",
            **over.parameters,
        )[0]
        counts = {
            "anomalies": f"SELECT count() AS n FROM anomalies WHERE {_within('time')}",
            "incidents": f"SELECT count() AS n FROM incidents WHERE {_within('started_at')}",
            "dead_letters": f"SELECT count() AS n FROM dead_letters WHERE {_ARRIVED_WITHIN}",
        }
        return {**events, **transactions, **{name: self.rows(sql, **over.parameters)[0]["n"] for name, sql in counts.items()}}

    def traffic(self, over: Range) -> list[Series]:
        """Events per second by service, busiest first, repeats left out."""
        return self._grouped(over, "service_name", "NOT is_duplicate", divide=over.width_s)

    def errors(self, over: Range) -> list[Series]:
        """Failed events per second by category."""
        found = {
            one.name: one for one in self._grouped(over, "error_category", "error_category != '' AND NOT is_duplicate", divide=over.width_s)
        }
        return [
            Series(one.name.replace("_", " "), one.times, one.values, i)
            for i, name in enumerate(ERROR_CATEGORIES)
            if (one := found.get(name))
        ]

    def _grouped(self, over: Range, column: str, condition: str, divide: float, most: int = 8) -> list[Series]:
        rows = self.rows(
            f"""SELECT toString({column}) AS name, {_BUCKET.format("timestamp")} AS time, count() AS n
                FROM events WHERE {condition} AND {_within("timestamp")} GROUP BY name, time ORDER BY name, time""",
            **over.parameters,
        )
        counts: dict[str, dict[int, int]] = {}
        for row in rows:
            counts.setdefault(row["name"] or "(none)", {})[int(row["time"])] = row["n"]
        names = sorted(counts, key=lambda name: -sum(counts[name].values()))
        for name in names[most - 1 :] if len(names) > most else ():
            rest = counts.setdefault("others", {})
            for time, n in counts.pop(name).items():
                rest[time] = rest.get(time, 0) + n
        times = [float(time) for time in range(int(over.start), int(over.end), over.width_s)]
        return [
            Series(name, times, [by_time.get(int(t), 0) / divide for t in times], i) for i, (name, by_time) in enumerate(_by_size(counts))
        ]

    def band(self, key: SeriesKey, over: Range) -> tuple[Series, Band, list[Mark]]:
        """Values, what is normal, and the anomalies of one series at the range's width."""
        rows = self.rows(
            f"""SELECT {_SECONDS.format("time")} AS at, value, expected, lower, upper, is_anomaly, score, reason
                FROM scores WHERE {_KEY} AND width_s = {{width:Int32}} AND {_within("time")} ORDER BY time""",
            **key.parameters,
            **over.parameters,
        )
        times = [float(row["at"]) for row in rows]
        series = Series(key.metric, times, [row["value"] for row in rows])
        band = Band(times, *([row[name] for row in rows] for name in ("lower", "upper", "expected")))
        marks = [Mark(row["at"], row["value"], f"score {row['score']:.0f}: {row['reason']}") for row in rows if row["is_anomaly"]]
        return series, band, marks

    def values(self, key: SeriesKey, over: Range, colour: int = 0) -> Series:
        """Values of one series at the range's width."""
        rows = self.rows(
            f"""SELECT {_SECONDS.format("time")} AS at, value FROM points
                WHERE {_KEY} AND width_s = {{width:Int32}} AND {_within("time")} ORDER BY time""",
            **key.parameters,
            **over.parameters,
        )
        return Series(key.metric, [float(row["at"]) for row in rows], [row["value"] for row in rows], colour)

    def environments(self, over: Range, metric: str, most: int) -> list[Series]:
        """A metric of each environment, busiest first."""
        rows = self.rows(
            f"""SELECT environment, sum(weight) AS n FROM points
                WHERE entity_kind = 'environment' AND metric = {{metric:String}} AND width_s = {{width:Int32}} AND {_within("time")}
                GROUP BY environment ORDER BY n DESC LIMIT {{most:UInt32}}""",
            metric=metric,
            most=most,
            **over.parameters,
        )
        names = [(row["environment"], SeriesKey(row["environment"], "environment", row["environment"], metric)) for row in rows]
        found = [(name, self.values(key, over)) for name, key in names]
        return [Series(name or "(none)", one.times, one.values, colour) for colour, (name, one) in enumerate(found)]

    def services(self, over: Range, most: int) -> list[tuple[str, str]]:
        """(environment, service): those with anomalies of latency first, then the busiest."""
        rows = self.rows(
            f"""SELECT environment, entity, countIf(is_anomaly) AS anomalies, sum(weight) AS requests
                FROM scores WHERE entity_kind = 'service' AND metric = 'latency_ms_p95' AND width_s = {{width:Int32}} AND {_within("time")}
                GROUP BY environment, entity ORDER BY anomalies > 0 DESC, requests DESC LIMIT {{most:UInt32}}""",
            most=most,
            **over.parameters,
        )
        return [(row["environment"], row["entity"]) for row in rows]

    def incidents(self, over: Range, most: int) -> list[dict[str, Any]]:
        """Incidents, strongest first."""
        return self.rows(
            f"""SELECT *, {_SECONDS.format("started_at")} AS start_s, {_SECONDS.format("ended_at")} AS end_s
                FROM incidents WHERE {_within("started_at")} ORDER BY is_page DESC, evidence DESC, max_score DESC LIMIT {{most:UInt32}}""",
            most=most,
            **over.parameters,
        )

    def budgets(self, over: Range) -> list[dict[str, Any]]:
        """Each budget as it stood at the end of the range, the estate's first."""
        return self.rows(
            """SELECT if(team = '', 'the estate', team) AS name, state, pages_per_week, pages_7d, pages_total, threshold, target_per_week,
                      candidates_7d, points_per_week, weeks
               FROM budget WHERE toUnixTimestamp64Milli(time) / 1e3 < {end:Float64} + 3600
               ORDER BY team, time DESC LIMIT 1 BY team""",
            end=over.end,
        )

    def detectors(self, over: Range) -> list[dict[str, Any]]:
        """Series by metric: judged, still learning, without points at the end."""
        return self.rows(
            f"""SELECT metric, count() AS series, countIf(scored > 0) AS judged, countIf(scored = 0) AS learning,
                       countIf(toUnixTimestamp(newest) + 12 * width_s + 60 < {{end:Float64}}) AS gone,
                       sum(found) AS anomalies
                FROM (SELECT metric, width_s, count(score) AS scored, max(time) AS newest, countIf(is_anomaly) AS found
                      FROM scores WHERE {_within("time")} GROUP BY environment, entity_kind, entity, metric, width_s)
                GROUP BY metric ORDER BY anomalies DESC, series DESC LIMIT 30""",
            **over.parameters,
        )

    def incident_series(self, incident_id: str, over: Range, most: int) -> list[SeriesKey]:
        """The series of an incident that show it best, one per entity, of the range's width."""
        rows = self.rows(
            """SELECT environment, entity_kind, entity, metric, max(score) AS strongest, count() AS n FROM anomalies
               WHERE incident_id = {incident:String} AND width_s = {width:Int32} AND entity_kind != 'client'
               GROUP BY environment, entity_kind, entity, metric ORDER BY n DESC, strongest DESC
               LIMIT 1 BY environment, entity LIMIT {most:UInt32}""",
            incident=incident_id,
            most=most,
            width=over.width_s,
        )
        return [SeriesKey(row["environment"], row["entity_kind"], row["entity"], row["metric"]) for row in rows]

    def anomalies(self, over: Range, most: int) -> list[dict[str, Any]]:
        """Anomalies, strongest first."""
        return self.rows(
            f"""SELECT {_SECONDS.format("time")} AS at, environment, entity_kind, entity, metric, width_s, score, reason, incident_id,
                       anomaly_id, {_SECONDS.format("since")} AS since_s, fires_from, dimension, dimension_value, dimension_share,
                       deviation_score, forest_score
                FROM anomalies WHERE {_within("time")} ORDER BY score DESC, time LIMIT {{most:UInt32}}""",
            most=most,
            **over.parameters,
        )

    def anomaly_counts(self, over: Range) -> Series:
        """Anomalies per window of the range's width."""
        rows = self.rows(
            f"""SELECT {_BUCKET.format("time")} AS at, count() AS n
                FROM anomalies WHERE {_within("time")} GROUP BY at ORDER BY at""",
            **over.parameters,
        )
        counts = {int(row["at"]): row["n"] for row in rows}
        times = [float(time) for time in range(int(over.start), int(over.end), over.width_s)]
        return Series("anomalies", times, [float(counts.get(int(time), 0)) for time in times], 4)

    def routes(self, over: Range, order: str, most: int) -> list[dict[str, Any]]:
        """Routes with requests, errors and latencies; `order` is p95 or errors."""
        by = {"p95": "p95 DESC", "errors": "errors DESC, requests DESC"}[order]
        return self.rows(
            f"""SELECT environment, service_name AS service, http_request_method AS method, http_route AS route, count() AS requests,
                       countIf(error_category != '') AS errors, errors / requests AS error_ratio,
                       quantile(0.5)(duration_ms) AS p50, quantile(0.95)(duration_ms) AS p95, max(duration_ms) AS longest
                FROM events WHERE NOT is_duplicate AND duration_ms IS NOT NULL AND {_within("timestamp")}
                GROUP BY environment, service, method, route HAVING requests >= 20 ORDER BY {by} LIMIT {{most:UInt32}}""",
            most=most,
            **over.parameters,
        )

    def dead_letters(self, over: Range) -> list[dict[str, Any]]:
        """Unreadable lines that arrived among the range's events, by reason, each with an example."""
        return self.rows(
            f"""SELECT reason, count() AS n, any(detail) AS detail, any(substring(toValidUTF8(original), 1, 90)) AS example
                FROM dead_letters WHERE {_ARRIVED_WITHIN} GROUP BY reason ORDER BY n DESC LIMIT 20""",
            **over.parameters,
        )

    def counted(self, over: Range, column: str) -> list[dict[str, Any]]:
        """Transactions by closure_reason, orphan_kind or event_count."""
        return self.rows(
            f"""SELECT toString({column}) AS name, count() AS n FROM transactions WHERE {_within("started_at")}
                GROUP BY {column} ORDER BY {column} LIMIT 30""",
            **over.parameters,
        )

    def formats(self, over: Range) -> list[dict[str, Any]]:
        """Events by format and kind."""
        return self.rows(
            f"""SELECT concat(format, ' ', kind) AS name, count() AS n FROM events WHERE {_within("timestamp")}
                GROUP BY format, kind ORDER BY n DESC LIMIT 30""",
            **over.parameters,
        )

    def sample_transaction(self, over: Range, incidents: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
        """A transaction worth looking at: failed or slow within the strongest incident, else the longest with several events."""
        spans = [(max(i["start_s"] - 1, over.start), min(i["end_s"] + 1, over.end)) for i in incidents[:1]] + [(over.start, over.end)]
        for start, end in spans:
            found = self.rows(
                f"""SELECT *, {_SECONDS.format("started_at")} AS start_s FROM transactions
                    WHERE event_count BETWEEN 3 AND 40 AND {_within("started_at")}
                    ORDER BY event_count >= 5 DESC, is_error DESC, duration_ms DESC LIMIT 1""",
                start=start,
                end=end,
            )
            if found:
                return found[0]
        return None

    def bars(self, transaction_id: str, start_s: float) -> list[Bar]:
        """The events of a transaction, in order of their starts."""
        rows = self.rows(
            f"""SELECT span_id, parent_span_id, service_name, http_request_method, http_route, span_name,
                       ifNull(duration_ms, 0) AS duration, {_SECONDS.format("timestamp")} AS at,
                       http_response_status_code AS status, error_category, span_kind, k8s_pod_name, server_address, environment, kind,
                       substring(body, 1, 80) AS message
                FROM events WHERE transaction_id = {{id:String}} AND NOT is_duplicate ORDER BY timestamp LIMIT 60""",
            id=transaction_id,
        )
        return [
            Bar(
                span_id=row["span_id"],
                parent_span_id=row["parent_span_id"],
                service=row["service_name"],
                name=f"{row['http_request_method']} {row['http_route']}".strip() or row["span_name"] or row["message"],
                start_ms=(row["at"] - start_s) * 1000,
                duration_ms=row["duration"],
                status=row["status"],
                is_error=bool(row["error_category"]),
                span_kind=row["span_kind"],
                host=row["k8s_pod_name"],
                server_address=row["server_address"],
                environment=row["environment"],
                is_log=row["kind"] == "log",
            )
            for row in rows
        ]


def _span(start: float | None, end: float | None) -> dict[str, float]:
    return {"start": 0.0 if start is None else start, "end": 4_102_444_800.0 if end is None else end}


def _by_size(counts: dict[str, dict[int, int]]) -> list[tuple[str, dict[int, int]]]:
    return sorted(counts.items(), key=lambda item: (item[0] == "others", -sum(item[1].values())))
