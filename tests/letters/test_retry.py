"""Retries: each letter exactly once, also when one is killed in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from jobs.config import ClickHouseConfig
from jobs.letters import Letter, Selection, StoreTransport, list_letters, mend, read_letters, retry
from jobs.sinks.clickhouse import ClickHouseSink
from schemas.errors import AnomasecError
from schemas.event import DEAD_LETTER, RAW
from udfs.normalise import NormaliseSettings, normalise

Query = Callable[[str], list[tuple[Any, ...]]]
_GOOD = b'203.0.113.9 - - [12/Mar/2026:10:11:12 +0000] "GET /a HTTP/1.1" 200 5'
_BAD_DATE = _GOOD.replace(b"12/Mar", b"32/Mar")


class Topic:
    """A topic of one partition, which can be cut off after some letters."""

    target = "raw"

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes]] = []
        self.fails_after: int | None = None

    def position(self) -> str:
        return str(len(self.records))

    def arrived(self, position: str) -> set[str]:
        return {name for name, _ in self.records[int(position or 0) :]}

    def send(self, letters: Sequence[Letter], lines: Sequence[bytes]) -> None:
        for letter, line in zip(letters, lines, strict=True):
            if self.fails_after == 0:
                raise ConnectionError("killed")
            if self.fails_after is not None:
                self.fails_after -= 1
            self.records.append((letter.name, line))


@pytest.fixture
def filled(fresh_database: ClickHouseConfig) -> tuple[Any, ClickHouseSink]:
    """A store with the dead letters of two records, one of two lines."""
    values = [_BAD_DATE + b"\n" + _GOOD + b"\n" + b"garbage \xff", b'{"half":', b"nonsense"]
    raw = pa.table([values, ["raw", "raw", "edge"], [0, 0, 3], [7, 8, 9], [1_000, 2_000, 3_000]], schema=RAW.arrow)
    sink = ClickHouseSink(fresh_database)
    sink.insert(DEAD_LETTER, normalise(raw, NormaliseSettings()).dead_letters)
    return fresh_database.client(), sink


def test_letters_are_listed_by_reason_and_topic(filled: tuple[Any, ClickHouseSink]) -> None:
    rows = list_letters(filled[0], Selection())
    assert {(row["reason"], row["topic"], row["letters"], row["open"]) for row in rows} == {
        ("invalid_timestamp", "raw", 1, 1),
        ("invalid_utf8", "raw", 1, 1),
        ("invalid_json", "raw", 1, 1),
        ("unknown_format", "edge", 1, 1),
    }


def test_letters_are_read_with_their_bytes(filled: tuple[Any, ClickHouseSink]) -> None:
    letters = read_letters(filled[0], Selection(topic="raw"))
    assert [(letter.name, letter.original) for letter in letters] == [
        ("raw/0/7/0", _BAD_DATE),
        ("raw/0/7/2", b"garbage \xff"),
        ("raw/0/8/0", b'{"half":'),
    ]
    assert [letter.name for letter in read_letters(filled[0], Selection(names=("raw/0/7/2", "edge/3/9/0")))] == ["raw/0/7/2", "edge/3/9/0"]
    assert [letter.name for letter in read_letters(filled[0], Selection(last_s=1.0))] == ["raw/0/8/0", "edge/3/9/0"]


def test_a_letter_is_sent_once_and_never_again(filled: tuple[Any, ClickHouseSink]) -> None:
    client, sink = filled
    topic = Topic()
    letters = read_letters(client, Selection())
    lines = [letter.original for letter in letters]
    assert retry(client, sink, topic, letters[:2], lines[:2], 5_000).sent == 2
    again = retry(client, sink, topic, letters, lines, 6_000)
    assert (again.sent, again.already_sent) == (2, 2)
    assert [name for name, _ in topic.records] == [letter.name for letter in letters]
    assert read_letters(client, Selection(), only_open=True) == []


@pytest.mark.parametrize("sent_before", [0, 1, 3, 4])
def test_a_retry_that_was_killed_is_finished_by_the_next(filled: tuple[Any, ClickHouseSink], sent_before: int) -> None:
    client, sink = filled
    topic = Topic()
    topic.records = [("raw/0/7/0", b"of an earlier life")] if sent_before == 3 else []
    letters = read_letters(client, Selection())
    topic.fails_after = sent_before
    if sent_before < 4:
        with pytest.raises(ConnectionError):
            retry(client, sink, topic, letters, [letter.original for letter in letters], 5_000)
    else:  # killed between the last send and its mark
        real = sink.insert
        sink.insert = lambda record, table: real(record, table) if "claimed" in table["state"].to_pylist() else 1 / 0  # type: ignore
        with pytest.raises(ZeroDivisionError):
            retry(client, sink, topic, letters, [letter.original for letter in letters], 5_000)
        sink.insert = real  # type: ignore[method-assign]
    topic.fails_after = None
    retry(client, sink, topic, letters, [letter.original for letter in letters], 6_000)
    sent = [name for name, line in topic.records if line != b"of an earlier life"]
    assert sorted(sent) == sorted(letter.name for letter in letters)


def test_in_a_store_a_mended_letter_becomes_one_event_in_its_place(filled: tuple[Any, ClickHouseSink], sql: Query) -> None:
    client, sink = filled
    (letter,) = read_letters(client, Selection(reason="invalid_timestamp"))
    (line,) = mend([letter.original], sed="s/32.Mar/12\\/Mar/")
    assert line == _GOOD
    transport = StoreTransport(sink, NormaliseSettings())
    for _ in range(2):
        retry(client, sink, transport, [letter], [line], 5_000)
        transport.send([letter], [line])  # as if the first had been cut short after writing
    assert sql("SELECT topic, partition, offset, line_index, url_path FROM events") == [("raw", 0, 7, 0, "/a")]
    assert sql("SELECT state, sent_to, is_mended FROM dead_letter_retries") == [("sent", "store", True)]


def test_letters_of_one_record_stay_apart_in_a_store(filled: tuple[Any, ClickHouseSink], sql: Query) -> None:
    client, sink = filled
    letters = read_letters(client, Selection(names=("raw/0/7/0", "raw/0/7/2")))
    StoreTransport(sink, NormaliseSettings()).send(letters, [_GOOD, _GOOD])
    assert sql("SELECT line_index FROM events ORDER BY line_index") == [(0,), (2,)]
    assert sql("SELECT uniqExact(transaction_id) FROM events") == [(2,)]


def test_a_mending_command_must_give_a_line_for_a_line() -> None:
    assert mend([b"a b", b"c\nd"], command="tr a-z A-Z") == [b"A B", b"c\nd"]
    with pytest.raises(AnomasecError, match="gave 1 lines for 2"):
        mend([b"a", b"b"], command="head -1")
    with pytest.raises(AnomasecError, match="failed: .*not found"):
        mend([b"a"], command="no-such-command-here")


def test_a_name_that_is_none_is_told(filled: tuple[Any, ClickHouseSink]) -> None:
    with pytest.raises(AnomasecError, match="'raw/7' names no dead letter"):
        read_letters(filled[0], Selection(names=("raw/7",)))
    assert replace(Selection(), reason="x").where()[1] == {"reason": "x"}
