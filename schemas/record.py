"""What a record declaration is made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

__all__ = ["Field", "Record", "boolean", "f64", "i32", "i64", "strings", "text", "time_ms", "time_us", "u16", "u64"]


@dataclass(frozen=True)
class Field:
    """One column: its name, its types in Arrow, ClickHouse and Flink, and what it means."""

    name: str
    arrow: pa.DataType
    clickhouse: str
    flink: str
    doc: str
    """One sentence: meaning, unit, and what null means. Shown by `anomasec sql --describe` and the dashboards."""
    nullable: bool = True


@dataclass(frozen=True)
class Record:
    """A record: named columns in a fixed order, and the columns that identify a row."""

    name: str
    doc: str
    fields: tuple[Field, ...]
    identity: tuple[str, ...] = ()
    """Columns that make a row the same row; a higher `revision` replaces a lower one."""
    order_by: tuple[str, ...] = ()
    """ClickHouse sorting key; starts with what queries filter on and contains the identity."""

    @cached_property
    def arrow(self) -> pa.Schema:
        """The Arrow schema, in declaration order."""
        return pa.schema([pa.field(f.name, f.arrow, f.nullable) for f in self.fields])

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in declaration order."""
        return tuple(f.name for f in self.fields)

    def clickhouse_columns(self) -> str:
        """The column list of CREATE TABLE."""
        return ",\n".join(f"    `{f.name}` {f.clickhouse} COMMENT {_quote(f.doc)}" for f in self.fields)

    def flink_columns(self) -> str:
        """The column list of a Flink table."""
        return ",\n".join(f"    `{f.name}` {f.flink}" for f in self.fields)

    def empty(self) -> pa.Table:
        """A table of no rows."""
        return self.arrow.empty_table()

    def conform(self, table: pa.Table) -> pa.Table:
        """Order, fill with null and cast to the declared schema; unknown columns are dropped.

        Cost: casts copy only the columns whose type differs.
        """
        if table.schema.equals(self.arrow):
            return table
        columns = []
        for field in self.arrow:
            index = table.schema.get_field_index(field.name)
            if index < 0:
                columns.append(pa.nulls(table.num_rows, field.type))
            else:
                column = table.column(index)
                columns.append(column if column.type.equals(field.type) else column.cast(field.type))
        return pa.table(columns, schema=self.arrow)


def _quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def text(name: str, doc: str, low_cardinality: bool = False) -> Field:
    """A string; absent is null in Arrow and '' in ClickHouse."""
    return Field(name, pa.string(), "LowCardinality(String)" if low_cardinality else "String", "STRING", doc)


def strings(name: str, doc: str) -> Field:
    """A list of strings."""
    return Field(name, pa.list_(pa.string()), "Array(String)", "ARRAY<STRING>", doc)


def boolean(name: str, doc: str) -> Field:
    """True or false, never null."""
    return Field(name, pa.bool_(), "Bool", "BOOLEAN", doc)


def f64(name: str, doc: str) -> Field:
    """A nullable double."""
    return Field(name, pa.float64(), "Nullable(Float64)", "DOUBLE", doc)


def i64(name: str, doc: str, nullable: bool = False) -> Field:
    """A 64-bit integer."""
    return Field(name, pa.int64(), "Nullable(Int64)" if nullable else "Int64", "BIGINT", doc)


def i32(name: str, doc: str) -> Field:
    """A 32-bit integer."""
    return Field(name, pa.int32(), "Int32", "INT", doc)


def u16(name: str, doc: str) -> Field:
    """A small count or code; nullable."""
    return Field(name, pa.uint16(), "Nullable(UInt16)", "INT", doc)


def u64(name: str, doc: str) -> Field:
    """A 64-bit hash."""
    return Field(name, pa.uint64(), "UInt64", "BIGINT", doc)


def time_us(name: str, doc: str) -> Field:
    """An instant, UTC, to the microsecond."""
    return Field(name, pa.timestamp("us", tz="UTC"), "DateTime64(6, 'UTC')", "TIMESTAMP_LTZ(6)", doc)


def time_ms(name: str, doc: str) -> Field:
    """An instant, UTC, to the millisecond."""
    return Field(name, pa.timestamp("ms", tz="UTC"), "DateTime64(3, 'UTC')", "TIMESTAMP_LTZ(3)", doc)
