from __future__ import annotations

import pyarrow as pa

from schemas.event import RAW
from udfs.formats.user_expressions import Name
from udfs.formats.user_format import UserFormat
from udfs.normalise import NormaliseSettings, normalise

_OWN = UserFormat("own", (("body", Name("line")),), pattern="^.*HTTP.*$")
_OTHER = UserFormat("other", (("url_path", Name("path")),), pattern="^.*GET (?P<path>[^ ]*) HTTP.*$")
_LINE = b'203.0.113.9 - - [12/Mar/2026:10:11:12 +0000] "GET /a HTTP/1.1" 200 5'


def _raw(*topics: str) -> pa.Table:
    n = len(topics)
    return pa.table([[_LINE] * n, list(topics), [0] * n, list(range(n)), [0] * n], schema=RAW.arrow)


def test_a_named_topic_is_read_as_its_formats_and_others_as_any() -> None:
    settings = NormaliseSettings(formats=(_OWN, _OTHER), topic_formats={"edge": ("other",), "web": ("common",)})
    events = normalise(_raw("edge", "web", "edge", "any"), settings).events
    assert list(zip(events["topic"].to_pylist(), events["format"].to_pylist(), strict=True)) == [
        ("edge", "other"),
        ("web", "common"),
        ("edge", "other"),
        ("any", "own"),
    ]


def test_a_line_of_another_format_is_a_dead_letter_with_the_format_it_has() -> None:
    out = normalise(_raw("edge", "any"), NormaliseSettings(topic_formats={"edge": ("aws_alb", "haproxy")}))
    assert out.events["topic"].to_pylist() == ["any"]
    (letter,) = out.dead_letters.to_pylist()
    assert (letter["topic"], letter["reason"], letter["detail"]) == ("edge", "other_format", "'common'")
    assert letter["original"] == _LINE
