from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.cli.doctor import report
from jobs.config import load_config
from jobs.doctor import ADVICE, NEEDS, Advice, advice_for, examine, read_sample
from schemas.errors import AnomasecError
from udfs.normalise import NormaliseSettings

_COMBINED = b'203.0.113.9 - - [12/Mar/2026:10:11:12 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl"'


def test_what_all_lines_have_is_met_and_what_some_lack_is_told_with_its_share() -> None:
    lines = [json.dumps({"method": "GET", "path": "/a", "status": 200, "request_id": text}).encode() for text in ("a", "b", "", "d")]
    (found,) = examine(lines, NormaliseSettings()).formats
    assert {need.name for need in found.met} == {"errors", "routes"}
    missing = {need.name: share for need, share in found.missing}
    assert missing == {"transactions": 0.75, "latency": 0.0, "clients": 0.0, "services": 0.0, "time": 0.0}


def test_formats_are_told_apart_and_unread_lines_are_counted_by_reason() -> None:
    diagnosis = examine([_COMBINED, _COMBINED, b'{"path":"/a"}', b"garbage", b"\xff"], NormaliseSettings())
    assert [(found.name, found.events) for found in diagnosis.formats] == [("combined", 2), ("json", 1)]
    assert diagnosis.refused == {"unknown_format": 1, "invalid_utf8": 1}
    assert diagnosis.examples["unknown_format"] == b"garbage"


def test_the_report_says_in_words_what_is_missing_and_what_to_write_where() -> None:
    text = "\n".join(report("access.log", examine([_COMBINED, b"garbage"], NormaliseSettings())))
    assert "access.log: 2 records read: 1 event, 1 line not readable" in text
    assert "request_id (0%) or trace_id (0%) in no line: each line is a transaction of its own" in text
    assert "request_id=$request_id" in text
    assert "not readable: unknown_format" in text


def test_a_sample_without_readable_lines_is_told_too() -> None:
    assert "not readable: unknown_format" in "\n".join(report("-", examine([b"garbage"], NormaliseSettings())))


@pytest.mark.parametrize("advice", [each for each in ADVICE if each.line], ids=lambda each: each.gateway)
def test_a_line_written_as_advised_has_what_was_missing(advice: Advice) -> None:
    (found,) = examine([advice.line.encode()], NormaliseSettings()).formats
    assert set(advice.needs) <= {need.name for need in found.met}


@pytest.mark.parametrize("need", NEEDS, ids=lambda need: need.name)
def test_there_is_advice_for_the_usual_gateways(need: object) -> None:
    name = need.name  # type: ignore[attr-defined]
    assert advice_for("json", name)
    assert name == "time" or advice_for("combined", name)


def test_a_sample_is_of_the_first_lines_of_a_file_or_of_each_file_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"a\nb\nc\n")
    (tmp_path / "b.log").write_bytes(b"d\ne\n")
    config = load_config(env={})
    assert read_sample(str(tmp_path / "a.log"), 2, config) == [b"a", b"b"]
    assert read_sample(str(tmp_path), 2, config) == [b"a", b"d"]
    with pytest.raises(AnomasecError, match="there is no file or folder"):
        read_sample(str(tmp_path / "none"), 2, config)
