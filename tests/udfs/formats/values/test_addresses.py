from __future__ import annotations

import pyarrow as pa
import pytest

from udfs.formats.values.addresses import is_address, read_addresses
from udfs.formats.values.targets import read_request_lines, read_targets


@pytest.mark.parametrize(
    ("logged", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:1234", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("::ffff:203.0.113.9", "::ffff:203.0.113.9"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("1.2.3.4, 10.10.1.1", "1.2.3.4"),
        ("2001:db8::1, 10.0.0.1", "2001:db8::1"),
        ("[2001:db8::1]:80, 10.0.0.1:80", "2001:db8::1"),
        ("client.example.com", "client.example.com"),
        ("client.example.com:80", "client.example.com"),
        ("unix:", "unix:"),
        ("2601:6bbc:c529:9dad:6bbc:c529:9dad:6bbc:50599", "2601:6bbc:c529:9dad:6bbc:c529:9dad:6bbc"),
        (None, None),
    ],
)
def test_address_is_bare(logged: str | None, address: str | None) -> None:
    if logged == "unix:":
        address = "unix:"
    assert read_addresses(pa.array([logged], pa.string())).to_pylist() == [address]
    assert read_addresses(pa.array([logged, "1.1.1.1:1"], pa.string())).to_pylist()[0] == address


def test_last_group_is_a_port_where_there_always_is_one() -> None:
    logged = pa.array(["fd6d:6bbc:c529:6::face:ed83:f46:80", "[fe80::202]:443", "10.0.0.1:80"])
    assert read_addresses(logged, always_port=True).to_pylist() == ["fd6d:6bbc:c529:6::face:ed83:f46", "fe80::202", "10.0.0.1"]


def test_names_and_dashes_are_no_addresses() -> None:
    assert (
        is_address(pa.array(["1.2.3.4", "::1", "2001:db8::7", "-", "example.com", "example.com:80", "12:30"])).to_pylist()
        == [True, True, True] + [False] * 4
    )


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("GET / HTTP/1.1", ("GET", "/", None, None)),
        ("GET /a?b=c?d HTTP/2.0", ("GET", "/a", "b=c?d", None)),
        ("GET /a? HTTP/1.1", ("GET", "/a", None, None)),
        ("GET http://example.com:80 HTTP/1.1", ("GET", "/", None, "example.com:80")),
        ("GET https://bob:pw@example.com/a?b HTTP/1.1", ("GET", "/a", "b", "example.com")),
        ("GET http://example.com?x=1 HTTP/1.1", ("GET", "/", "x=1", "example.com")),
        ("OPTIONS * HTTP/1.1", ("OPTIONS", "*", None, None)),
        ("PROPFIND /dav HTTP/1.1", ("PROPFIND", "/dav", None, None)),
        ("CONNECT example.com:443 HTTP/1.1", ("CONNECT", None, None, "example.com:443")),
        ("GET /a b HTTP/1.1", ("GET", "/a b", None, None)),
        ("GET /?u=http://e.com/x HTTP/1.1", ("GET", "/", "u=http://e.com/x", None)),
        ("-", (None, None, None, None)),
        ("", (None, None, None, None)),
        ("GET /", (None, None, None, None)),
        (r"\x16\x03\x01\x02\x00", (None, None, None, None)),
        ("- http://example.com:80- -", (None, None, None, None)),
        (None, (None, None, None, None)),
    ],
)
def test_request_line_is_taken_apart(line: str | None, parts: tuple[str | None, ...]) -> None:
    target = read_request_lines(pa.array([line, "GET /z?q=1 HTTP/1.1"], pa.string()))
    assert tuple(part[0].as_py() for part in target) == parts


def test_plain_targets_come_back_as_they_are() -> None:
    paths = pa.array(["/a", "*", None, "/b%20c"], pa.string())
    assert read_targets(paths).path.to_pylist() == paths.to_pylist()
