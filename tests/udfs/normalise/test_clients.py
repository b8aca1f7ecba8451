from __future__ import annotations

import base64

import orjson
import pyarrow as pa
import pytest

from tests.udfs.raw_records import raw_records
from udfs.normalise import NormaliseSettings, normalise
from udfs.normalise.agents import agent_family
from udfs.normalise.clients import Proxies, Pseudonyms, pseudonymise, read_forwarded, read_subjects
from udfs.normalise.enrich import Context


def _token(subject: object) -> str:
    parts = [base64.urlsafe_b64encode(orjson.dumps(part)).decode().rstrip("=") for part in ({"alg": "HS256"}, {"sub": subject})]
    return ".".join([*parts, "c2lnbmF0dXJlc2lnbmF0dXJl"])


@pytest.mark.parametrize(
    ("text", "proxies", "client"),
    [
        ("203.0.113.9, 10.0.0.1", Proxies(), "203.0.113.9"),
        ("198.51.100.7, 203.0.113.9, 10.0.0.1", Proxies(hops=2), "203.0.113.9"),
        ("203.0.113.9", Proxies(hops=3), "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 10.0.0.1", Proxies(networks=("10.0.0.0/8",)), "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 10.0.0.1", Proxies(1, ("10.0.0.0/8", "203.0.113.0/24")), "6.6.6.6"),
        ("10.0.0.2, 10.0.0.1", Proxies(networks=("10.0.0.0/8",)), "10.0.0.2"),
        ("[2001:db8::1]:443, fd00::1", Proxies(networks=("fd00::/8",)), "2001:db8::1"),
        ("203.0.113.9:5123", Proxies(), "203.0.113.9"),
        ("unknown, 203.0.113.9", Proxies(), "203.0.113.9"),
        ("", Proxies(), "192.0.2.1"),
        (None, Proxies(), "192.0.2.1"),
    ],
)
def test_client_behind_proxies(text: str | None, proxies: Proxies, client: str) -> None:
    found = read_forwarded(pa.array([text], pa.string()), pa.array(["192.0.2.1"]), proxies)
    assert found.to_pylist() == [client]


def test_subject_of_a_token_is_the_user_and_the_token_itself_is_gone() -> None:
    token = _token("user-17")
    line = orjson.dumps({"method": "GET", "path": "/a", "status": 200, "token": f"Bearer {token}"})
    (event,) = normalise(raw_records([line])).events.to_pylist()
    assert event["user_id"] == "user-17"
    assert event["token_id"].startswith("h_")
    assert token.rpartition(".")[2] not in str(event)


def test_what_is_no_token_has_no_subject() -> None:
    texts = ["", "a.b.c", "eyJ.###.x", _token({"a": 1}), _token(""), None, "Basic abc"]
    assert read_subjects(pa.array(texts, pa.string())).to_pylist() == [None] * len(texts)
    assert read_subjects(pa.array([_token(42)])).to_pylist() == ["42"]


def test_pseudonyms_depend_on_the_key_and_keep_callers_apart() -> None:
    ids = pa.array(["bob", "eve", "bob", None, ""])
    one, other = (pseudonymise(ids, key).to_pylist() for key in (b"k1", b"k2"))
    assert one[0] == one[2] != one[1]
    assert one[0] != other[0]
    assert one[3:] == [None, ""]
    assert pseudonymise(pa.array(one), b"k1").to_pylist() == one
    assert "k1" not in repr(Pseudonyms(b"k1", ("user_id",)))


def test_configured_ids_become_pseudonyms_and_addresses_of_people_always_do() -> None:
    line = b'{"method":"GET","path":"/a","user_id":"jane@example.com","client_id":"app-7","client_address":"203.0.113.9"}'
    (event,) = normalise(raw_records([line])).events.to_pylist()
    assert (event["client_id"], event["client_address"]) == ("app-7", "203.0.113.9")
    assert event["user_id"].startswith("h_")
    settings = NormaliseSettings(context=Context(pseudonyms=Pseudonyms(b"k", ("client_id", "client_address"))))
    (hidden,) = normalise(raw_records([line]), settings).events.to_pylist()
    assert hidden["client_id"].startswith("h_")
    assert hidden["client_address"].startswith("h_")


_CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "family"),
    [
        (_CHROME, "chrome"),
        (f"{_CHROME} Edg/126.0", "edge"),
        (f"{_CHROME} OPR/110.0", "opera"),
        ("Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15", "safari"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0", "firefox"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "googlebot"),
        ("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2)", "ai_bot"),
        ("Mozilla/5.0 (compatible; AhrefsBot/7.0)", "other_bot"),
        ("curl/8.4.0", "curl"),
        ("python-requests/2.31.0", "python"),
        ("okhttp/4.12.0", "okhttp"),
        ("Go-http-client/2.0", "go"),
        ("Apache-HttpClient/4.5.14 (Java/17)", "java"),
        ("axios/1.7.2", "node"),
        ("PostmanRuntime/7.39.0", "api_tool"),
        ("kube-probe/1.29", "monitor"),
        ("ELB-HealthChecker/2.0", "monitor"),
        ("sqlmap/1.8", "scanner"),
        ("MyApp/3 CFNetwork/1490 Darwin/23.5.0", "apple_app"),
        ("our-own-thing/1", "other"),
        ("-", ""),
        ("", ""),
    ],
)
def test_user_agent_has_its_family(agent: str, family: str) -> None:
    assert agent_family(agent) == family


def test_detail_of_a_dead_letter_is_masked_and_its_original_on_demand() -> None:
    line = b'{"method":"GET","path":"/a","time":"2026-13-45 password=s3cr3tvalue99"}'
    (letter,) = normalise(raw_records([line])).dead_letters.to_pylist()
    assert "s3cr3tvalue99" not in letter["detail"]
    assert letter["original"] == line
    (masked,) = normalise(raw_records([line]), NormaliseSettings(context=Context(redact_dead_letters=True))).dead_letters.to_pylist()
    assert b"s3cr3tvalue99" not in masked["original"]
