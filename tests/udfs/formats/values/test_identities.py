from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.formats.values.identities import read_identities

_TRACE, _SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
_CASES = [
    # W3C, also of a later version, in capitals, and what the standard forbids
    (f"00-{_TRACE}-{_SPAN}-01", _TRACE, _SPAN, None),
    (f"cc-{_TRACE}-{_SPAN}-01-what-the-future-brings", _TRACE, _SPAN, None),
    (f"00-{_TRACE.upper()}-{_SPAN.upper()}-00", _TRACE, _SPAN, None),
    (f"00-{'0' * 32}-{_SPAN}-01", None, _SPAN, f"00-{'0' * 32}-{_SPAN}-01"),
    (f"ff-{_TRACE}-{_SPAN}-01", None, None, f"ff-{_TRACE}-{_SPAN}-01"),
    # B3: one header, 64 or 128 bits, the decision alone; several headers
    (f"{_TRACE}-{_SPAN}-1-05e3ac9a4f6e3b90", _TRACE, _SPAN, None),
    (f"a3ce929d0e0e4736-{_SPAN}", "0000000000000000a3ce929d0e0e4736", _SPAN, None),
    ("0", None, None, None),
    (_TRACE, _TRACE, None, None),
    # AWS
    ("Root=1-5759e988-bd862e3fe1be46a994272793", "5759e988bd862e3fe1be46a994272793", None, None),
    (
        "Self=1-67891234-12456789abcdef012345678a;Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
        "5759e988bd862e3fe1be46a994272793",
        "53995c3f42cd8ad8",
        None,
    ),
    ("Self=1-67891234-12456789abcdef012345678a", "6789123412456789abcdef012345678a", None, None),
    # Google
    (f"{_TRACE}/67667974448284343;o=1", _TRACE, f"{67667974448284343:016x}", None),
    (f"projects/my-project/traces/{_TRACE}", _TRACE, None, None),
    # Azure
    (f"|{_TRACE}.{_SPAN}.", _TRACE, _SPAN, None),
    (f"|{_TRACE}.{_SPAN}_1.", _TRACE, _SPAN, None),
    # Jaeger, its leading zeros left out, its colons encoded
    ("a3ce929d0e0e4736:f067aa0ba902b7:0:1", "0000000000000000a3ce929d0e0e4736", _SPAN, None),
    (f"{_TRACE}%3A{_SPAN}%3A0%3A1", _TRACE, _SPAN, None),
    # ids of requests
    ("7b3f1c9e-8f0d-4e5a-9d6c-2b1a0f9e8d7c", None, None, "7b3f1c9e-8f0d-4e5a-9d6c-2b1a0f9e8d7c"),
    ("req-17", None, None, "req-17"),
    ("-", None, None, None),
    ("", None, None, None),
    (None, None, None, None),
]


@pytest.mark.parametrize(("text", "trace", "span", "request_id"), _CASES)
def test_the_ids_within_a_header(text: str | None, trace: str | None, span: str | None, request_id: str | None) -> None:
    found = read_identities(pa.array([text], pa.string()))
    assert [column.to_pylist() for column in found] == [[trace], [span], [request_id]]


def test_a_column_reads_as_its_texts_alone() -> None:
    texts = [case[0] for case in _CASES]
    found = read_identities(pa.array(texts, pa.string()))
    assert found.trace_id.to_pylist() == [case[1] for case in _CASES]
    assert found.span_id.to_pylist() == [case[2] for case in _CASES]
    assert found.request_id.to_pylist() == [case[3] for case in _CASES]


@given(st.lists(st.text(max_size=80)))
def test_any_text_gives_ids_of_the_standard_form_or_none(texts: list[str]) -> None:
    found = read_identities(pa.array(texts, pa.string()))
    assert all(trace is None or (len(trace) == 32 and int(trace, 16)) for trace in found.trace_id.to_pylist())
    assert all(span is None or (len(span) == 16 and int(span, 16)) for span in found.span_id.to_pylist())
