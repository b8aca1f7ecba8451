"""W3C extended logs: which header a row is read by."""

from __future__ import annotations

from tests.udfs.formats.text_lines import read_each
from udfs.formats.cloudfront import STANDARD
from udfs.formats.w3c import field_names
from udfs.normalise.lines import carry_header
from udfs.normalise.settings import NormaliseSettings

_SHORT = "#Fields: date time c-ip cs-method cs-uri-stem sc-status time-taken"
_SWAPPED = "#Fields: time date cs-uri-stem cs-method c-ip time-taken sc-status"


def test_a_row_is_read_by_the_last_header_before_it() -> None:
    lines = [
        "#Software: Microsoft Internet Information Services 10.0",
        _SHORT,
        "2026-03-12 10:11:12 203.0.113.9 GET /a 200 15",
        _SWAPPED,
        "10:11:13 2026-03-12 /b POST 203.0.113.8 16 404",
    ]
    answers = read_each(lines, [0] * len(lines))
    assert [answers[0], answers[1], answers[3]] == [{}, {}, {}]
    assert (answers[2]["url_path"], answers[2]["duration_ms"], answers[2]["client_address"]) == ("/a", 15.0, "203.0.113.9")
    assert (answers[4]["url_path"], answers[4]["duration_ms"], answers[4]["http_response_status_code"]) == ("/b", 16.0, 404)
    assert answers[4]["timestamp"] == "2026-03-12T10:11:13+00:00"


def test_a_header_holds_within_its_record_only() -> None:
    lines = [_SHORT, "2026-03-12 10:11:12 203.0.113.9 GET /a 200 15", "2026-03-12 10:11:12 203.0.113.9 GET /a 200 15"]
    answers = read_each(lines, [0, 0, 1])
    assert answers[1]["url_path"] == "/a"
    assert answers[2] == {"refused": "unknown_format"}


def test_a_header_within_an_envelope_holds_within_its_record_only() -> None:
    wrap = "2026-03-12T10:11:12.5Z stdout F "
    lines = [
        wrap + line for line in (_SHORT, "2026-03-12 10:11:12 203.0.113.9 GET /a 200 15", "2026-03-12 10:11:12 203.0.113.9 GET /a 200 15")
    ]
    answers = read_each(lines, [0, 0, 1])
    assert (answers[0], answers[1]["url_path"], answers[2]["kind"]) == ({}, "/a", "log")


def test_a_row_that_does_not_fit_the_last_header_is_read_by_one_before() -> None:
    lines = [_SHORT, _SWAPPED, "2026-03-12 10:11:12 203.0.113.9 GET /a 200 15"]
    assert read_each(lines, [0, 0, 0])[2]["url_path"] == "/a"


def test_fields_of_the_settings_stand_for_a_header() -> None:
    line = "2026-03-12 10:11:12 203.0.113.9 GET /a 200 15"
    (answer,) = read_each([line], settings=NormaliseSettings(w3c_fields=_SHORT))
    assert answer["url_path"] == "/a"
    (answer,) = read_each([line], settings=NormaliseSettings(w3c_fields="date time c-ip cs-method cs-uri-stem sc-status time-taken"))
    assert answer["url_path"] == "/a"


def test_the_last_header_is_carried_on_to_the_next_chunk() -> None:
    settings = carry_header([b"x", _SHORT.encode(), b"y"], NormaliseSettings())
    assert settings.w3c_fields == _SHORT
    assert carry_header([b"x"], settings) is settings


def test_quoted_values_and_seconds_are_read() -> None:
    lines = [
        "#Fields: date time c-ip cs-method cs-uri sc-status time-taken cs(User-Agent) cs(X-Request-ID)",
        '2026-03-12 10:11:12 203.0.113.9 GET /a?b=c 200 0.015 "Mozilla ""5.0"" (X)" "abc-1"',
        "2026-03-12 10:11:12 203.0.113.9 GET /a 200 0.5 - -",
    ]
    answers = read_each(lines, [0] * 3)
    assert answers[1]["user_agent_original"] == 'Mozilla "5.0" (X)'
    assert (answers[1]["url_query"], answers[1]["duration_ms"], answers[1]["request_id"]) == ("b=c", 15.0, "abc-1")
    assert answers[2]["duration_ms"] == 500.0
    assert "user_agent_original" not in answers[2]


def test_tabs_and_blanks_may_mix_under_one_header() -> None:
    header = "#Fields: date time c-ip cs-method cs-uri-stem sc-status x-edge-request-id time-taken"
    row = "2026-03-12 10:11:12 203.0.113.9 GET /a 200 id 1.5"
    answers = read_each([header, row, row.replace(" ", "\t")], [0] * 3)
    assert answers[1] == answers[2]
    assert answers[1]["duration_ms"] == 1500.0


def test_forwarded_addresses_go_before_the_peer() -> None:
    header = "#Fields: date time c-ip cs-method cs-uri-stem sc-status X-Forwarded-For"
    rows = [f"2026-03-12 10:11:12 10.0.0.1 GET /a 200 {forwarded}" for forwarded in ("203.0.113.9,+10.0.0.2", "-", "unknown")]
    assert [answer["client_address"] for answer in read_each([header, *rows], [0] * 4)[1:]] == ["203.0.113.9", "10.0.0.1", "10.0.0.1"]


def test_impossible_values_under_a_header_are_refused() -> None:
    rows = [
        "2026-02-31 10:11:12 203.0.113.9 GET /a 200 15",
        "2026-03-12 10:11:12 203.0.113.9 GET /a 999 15",
        "2026-03-12 10:11:12 203.0.113.9 GET /a 200 -15",
    ]
    reasons = [answer["refused"] for answer in read_each([_SHORT, *rows], [0] * 4)[1:]]
    assert reasons == ["invalid_timestamp", "invalid_status", "invalid_duration"]


def test_field_names_are_read_without_regard_to_case() -> None:
    assert field_names("#Fields:  Date time CS(User-Agent) ") == ("date", "time", "cs(user-agent)")
    assert field_names("#Date: 2026-03-12") == ()
    assert len(STANDARD) == 33
