"""Reading SQL as far as HTTP must know it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.stack.store.statement import read_statement, split_statements


@pytest.mark.parametrize(
    ("sql", "verb", "output_format"),
    [
        ("SELECT 1", "SELECT", None),
        ("select 1 format JSON", "SELECT", "JSON"),
        ("select 1 FORMAT CSV settings max_threads = 1;", "SELECT", "CSV"),
        ("-- FORMAT CSV\nwith 1 as x select x /* FORMAT CSV */", "WITH", None),
        ("SELECT format FROM events", "SELECT", None),
        ("SELECT 'FORMAT CSV', \"FORMAT\", `FORMAT CSV`", "SELECT", None),
        ("(SELECT 1) UNION ALL SELECT 2 FORMAT TSV", "SELECT", "TSV"),
        ("SELECT * FROM (SELECT 1 FORMAT CSV)", "SELECT", None),
        ("  -- nothing\n", "", None),
    ],
)
def test_verb_and_output_format_are_read_outside_quotes_and_comments(sql: str, verb: str, output_format: str | None) -> None:
    statement = read_statement(sql.encode())
    assert (statement.verb, statement.output_format) == (verb, output_format)


@pytest.mark.parametrize(
    ("sql", "input_format", "data"),
    [
        (b"INSERT INTO t FORMAT Native\n\x00\x01", "Native", b"\x00\x01"),
        (b"INSERT INTO t FORMAT CSV\r\n\n1", "CSV", b"\n1"),
        (b"insert into t (`values`, format) format JSONEachRow {}", "JSONEachRow", b"{}"),
        (b"INSERT INTO t VALUES (1), (2)", "Values", b" (1), (2)"),
        (b"INSERT INTO values VALUES (1)", "Values", b" (1)"),
        (b"INSERT INTO t SETTINGS async_insert = 0 FORMAT TSV\n1", "TSV", b"1"),
        (b"INSERT INTO t SELECT 1", None, None),
        (b"INSERT INTO t SELECT 'FORMAT CSV 1'", None, None),
    ],
)
def test_data_of_an_insert_begins_behind_its_format(sql: bytes, input_format: str | None, data: bytes | None) -> None:
    statement = read_statement(sql)
    assert statement.input_format == input_format
    assert (None if statement.data_at is None else sql[statement.data_at :]) == data


def test_input_function_reads_a_file_in_its_place() -> None:
    statement = read_statement(b"INSERT INTO t SELECT upper(a) FROM input('a String') FORMAT CSV\nx")
    assert statement.from_input
    assert statement.with_input_file("/f") == b"INSERT INTO t SELECT upper(a) FROM file('/f', 'CSV', 'a String') "


def test_statements_are_counted_and_a_last_semicolon_is_none() -> None:
    assert read_statement(b"SELECT 1;").count == 1
    assert read_statement(b"SELECT ';'; -- end\n").count == 1
    assert read_statement(b"SELECT 1; SELECT 2").count == 2


def test_engine_of_a_create_is_read() -> None:
    assert read_statement(b"CREATE TABLE t (a UInt8) ENGINE = Kafka('x')").engine == "Kafka"
    assert read_statement(b"CREATE TABLE t (engine String) ENGINE MergeTree ORDER BY engine").engine == "MergeTree"


@given(st.lists(st.sampled_from(["SELECT 1", "CREATE TABLE `;` (a UInt8 COMMENT 'it''s; so')", "/* ; */ SELECT ';' -- ;\n"]), max_size=5))
def test_split_statements_finds_each_statement(parts: list[str]) -> None:
    assert len(split_statements(";\n".join(parts))) == len(parts)


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read_as_a_statement(sql: bytes) -> None:
    statement = read_statement(b"INSERT INTO t FORMAT Native\n" + sql)
    assert statement.data_at == len(b"INSERT INTO t FORMAT Native\n")
    read_statement(sql)
