"""Events and transactions of one tick to partial windows, so that few rows cross the shuffle. Stateless."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from jobs.knobs import Knobs
from jobs.measure.histogram import buckets
from schemas.event import ERROR_CATEGORIES
from schemas.partial import PARTIAL
from udfs.hashing import hash_columns

__all__ = ["combine"]

_STRINGS = (
    "kind",
    "environment",
    "service_name",
    "http_request_method",
    "http_route",
    "error_category",
    "client_address",
    "client_id",
    "span_kind",
    "span_name",
    "parent_span_id",
)
_NUMBERS = ("timestamp", "duration_ms", "http_response_body_size", "is_duplicate")
_LOGGED = ["environment", "service_name", "log_template", "timestamp", "is_duplicate"]
_ENTITY = ["environment", "entity_kind", "entity", "window_start"]
_SIZES = ["request_count", *(f"error_count_{category}" for category in ERROR_CATEGORIES), "response_bytes"]


def combine(events: pa.Table, transactions: pa.Table, knobs: Knobs) -> pa.Table:
    """Partial windows of environments, services, routes, clients, calls and templates of log messages.

    Parameters
    ----------
    events : EVENT. A request is an access line, a span of kind server or consumer, or a root span; others are not counted,
        nor are duplicates.
    transactions : TRANSACTION. Only a transaction's first closing (revision 1) counts: a later revision is the same
        transaction again, and its changed duration is ignored. Their route is 'root_service root_route', without a method
        where the route has none.

    Returns
    -------
    PARTIAL, sorted by environment, entity_kind, entity, window_start.

    Cost: about 1 us per event.
    """
    requests = _requests(events)
    finest_us = knobs.measure_widths[0] * 1_000_000
    grouped = (
        requests.with_columns(window_start=pl.col("timestamp") // finest_us * finest_us)
        .group_by("environment", "service_name", "http_request_method", "label", "window_start", "error_category", "bucket")
        .agg(pl.len().alias("n"), pl.col("response_bytes").sum())
    )
    rows = pl.concat([_entity(grouped, "environment"), _entity(grouped, "service"), _entity(grouped, "route")])
    counts = rows.group_by(_ENTITY).agg(*_count_columns())
    durations = _histogram(rows.filter(pl.col("bucket").is_not_null()), "duration")
    parts = [counts.join(durations, on=_ENTITY, how="left")]
    client_us = knobs.measure_client_widths[0] * 1_000_000
    # What is not there need not be grouped: each step costs as much as some hundred events.
    if transactions.num_rows:
        closed = _histogram(_closed_transactions(transactions, finest_us), "transaction")
        parts = [parts[0].join(closed, on=_ENTITY, how="full", coalesce=True), _calls(transactions, client_us)]
    if (requests["client"] != "").any():
        parts.append(_clients(requests, client_us))
    is_log = pc.equal(events.column("kind"), "log")
    if pc.any(is_log).as_py():
        parts.append(_templates(events.select(_LOGGED).filter(is_log), client_us))
    return _finish(pl.concat(parts, how="diagonal"))


def _requests(events: pa.Table) -> pl.DataFrame:
    """The requests among the events: timestamp in epoch us, no nulls in strings, bucket null without a duration."""
    frame = pl.DataFrame(pl.from_arrow(events.select([*_STRINGS, *_NUMBERS])))
    kind, span_kind = pl.col("kind"), pl.col("span_kind")
    served = (kind == "access") | ((kind == "span") & (span_kind.is_in(["server", "consumer"]) | (pl.col("parent_span_id") == "")))
    frame = (
        frame.with_columns(pl.col(_STRINGS).fill_null(""), pl.col("is_duplicate").fill_null(False))
        .filter(served & ~pl.col("is_duplicate") & pl.col("timestamp").is_not_null())
        .with_columns(
            pl.col("timestamp").to_physical(),
            label=pl.when(pl.col("http_route") != "").then(pl.col("http_route")).otherwise(pl.col("span_name")),
            # a span name already says what is called: 'service METHOD /route' or 'service span_name'
            http_request_method=pl.when(pl.col("http_route") != "").then(pl.col("http_request_method")).otherwise(pl.lit("")),
            client=pl.when(pl.col("client_id") != "").then(pl.col("client_id")).otherwise(pl.col("client_address")),
            response_bytes=pl.col("http_response_body_size").fill_null(0),
        )
    )
    return frame.with_columns(_bucket_column(frame.get_column("duration_ms")))


def _bucket_column(durations: pl.Series) -> pl.Series:
    values = durations.to_numpy()
    known = np.isfinite(values)
    ids = buckets(np.where(known, values, 0.0))
    return pl.Series("bucket", pa.array(ids, mask=~known))


def _entity(grouped: pl.DataFrame, kind: str) -> pl.DataFrame:
    """`grouped` seen from one kind of entity; rows without such an entity are left out."""
    if kind == "environment":
        name = _environment_name()
        present = pl.lit(True)
    elif kind == "service":
        name = pl.col("service_name")
        present = name != ""
    else:
        # an empty part leaves no blank behind
        name = pl.concat_str("service_name", "http_request_method", "label", separator=" ").str.replace_all("  ", " ").str.strip_chars()
        present = pl.col("label") != ""
    return grouped.filter(present).select(
        "environment", pl.lit(kind).alias("entity_kind"), name.alias("entity"), "window_start", "error_category", "bucket", "n",
        "response_bytes",
    )  # fmt: skip


def _environment_name() -> pl.Expr:
    return pl.when(pl.col("environment") != "").then(pl.col("environment")).otherwise(pl.lit("default"))


def _count_columns() -> list[pl.Expr]:
    n, category = pl.col("n"), pl.col("error_category")
    errors = [n.filter(category == name).sum().cast(pl.Int64).alias(f"error_count_{name}") for name in ERROR_CATEGORIES]
    return [n.sum().cast(pl.Int64).alias("request_count"), *errors, pl.col("response_bytes").sum().alias("response_bytes")]


def _histogram(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """One row per entity and window, with the lists `<name>_buckets` and `<name>_counts`."""
    return (
        rows.group_by([*_ENTITY, "bucket"])
        .agg(pl.col("n").sum().cast(pl.Int32))
        .sort([*_ENTITY, "bucket"])
        .group_by(_ENTITY, maintain_order=True)
        .agg(pl.col("bucket").alias(f"{name}_buckets"), pl.col("n").alias(f"{name}_counts"))
    )


def _closed_transactions(transactions: pa.Table, finest_us: int) -> pl.DataFrame:
    """First closings, by the environment and by the route of their root; the window is that of their start."""
    wanted = ["environment", "root_service", "root_route", "revision", "started_at", "duration_ms"]
    frame = (
        pl.DataFrame(pl.from_arrow(transactions.select(wanted)))
        .with_columns(pl.col("environment", "root_service", "root_route").fill_null(""))
        .filter((pl.col("revision") == 1) & pl.col("started_at").is_not_null())
    )
    frame = frame.with_columns(
        _bucket_column(frame.get_column("duration_ms")),
        window_start=pl.col("started_at").to_physical() // finest_us * finest_us,
        n=pl.lit(1, pl.UInt32),
    ).filter(pl.col("bucket").is_not_null())
    route = pl.concat_str("root_service", "root_route", separator=" ").str.strip_chars()
    columns = ["environment", "entity_kind", "entity", "window_start", "bucket", "n"]
    return pl.concat(
        [
            frame.with_columns(entity_kind=pl.lit("environment"), entity=_environment_name()).select(columns),
            frame.filter(pl.col("root_route") != "").with_columns(entity_kind=pl.lit("route"), entity=route).select(columns),
        ]
    )


def _clients(requests: pl.DataFrame, finest_us: int) -> pl.DataFrame:
    """Clients have counts only: there are many of them."""
    return (
        requests.filter(pl.col("client") != "")
        .group_by(
            "environment",
            pl.lit("client").alias("entity_kind"),
            pl.col("client").alias("entity"),
            (pl.col("timestamp") // finest_us * finest_us).alias("window_start"),
            "error_category",
        )
        .agg(pl.len().alias("n"), pl.col("response_bytes").sum())
        .group_by(_ENTITY)
        .agg(*_count_columns())
    )


def _calls(transactions: pa.Table, finest_us: int) -> pl.DataFrame:
    """Edges of the service graph: transactions that used each, and how they ended."""
    frame = pl.DataFrame(pl.from_arrow(transactions.select(["environment", "revision", "started_at", "error_category", "calls"])))
    return (
        frame.filter((pl.col("revision") == 1) & pl.col("started_at").is_not_null())
        .explode("calls")
        .filter(pl.col("calls").is_not_null())
        .group_by(
            pl.col("environment").fill_null(""),
            pl.lit("call").alias("entity_kind"),
            pl.col("calls").alias("entity"),
            (pl.col("started_at").to_physical() // finest_us * finest_us).alias("window_start"),
            pl.col("error_category").fill_null(""),
        )
        .agg(pl.len().alias("n"), response_bytes=pl.lit(0, pl.Int64))
        .group_by(_ENTITY)
        .agg(*_count_columns())
    )


def _templates(logs: pa.Table, finest_us: int) -> pl.DataFrame:
    """Log records by template, as 'service template': counts only. The knob measure_max_series bounds how many are remembered."""
    frame = pl.DataFrame(pl.from_arrow(logs))
    return (
        frame.filter((pl.col("log_template").fill_null("") != "") & ~pl.col("is_duplicate").fill_null(value=False))
        .filter(pl.col("timestamp").is_not_null())
        .group_by(
            pl.col("environment").fill_null(""),
            pl.lit("template").alias("entity_kind"),
            pl.concat_str(pl.col("service_name").fill_null(""), "log_template", separator=" ").str.strip_chars().alias("entity"),
            (pl.col("timestamp").to_physical() // finest_us * finest_us).alias("window_start"),
            pl.lit("").alias("error_category"),
        )
        .agg(pl.len().alias("n"), response_bytes=pl.lit(0, pl.Int64))
        .group_by(_ENTITY)
        .agg(*_count_columns())
    )


def _finish(parts: pl.DataFrame) -> pa.Table:
    table = parts.with_columns(pl.col(_SIZES).fill_null(0)).sort(_ENTITY).to_arrow()
    names = [table.column(name).cast(pa.string()) for name in _ENTITY[:3]]
    table = table.append_column("entity_hash", pa.array(hash_columns(list(names))))
    starts = table.column("window_start").cast(pa.int64()).cast(pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC"))
    table = table.set_column(table.schema.get_field_index("window_start"), "window_start", starts)
    return PARTIAL.conform(table)
