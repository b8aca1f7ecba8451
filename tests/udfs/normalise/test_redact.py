from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.normalise.redact import redact_queries, redact_texts

_JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVPmB92K27uhb"
_SECRETS = (
    f"/reset/{_JWT}/x",
    "Authorization: Bearer s3cr3tvalue99",
    "curl bearer%20s3cr3tvalue99",
    "login failed password=s3cr3tvalue99 for bob",
    '{"user":"bob","password":"s3cr3tvalue99"}',
    '{\\"apiKey\\":\\"s3cr3tvalue99\\"}',
    "client_secret: 's3cr3tvalue99'",
    "Set-Cookie: s3cr3tvalue99",
    "using AKIAIOSFODNN7EXAMPLE now",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "sk_" + "live_0123456789abcdef",
    "xoxb-" + "123456789012-abcdefghij",
    "postgres://bob:s3cr3tvalue99@db:5432/x",
    "paid with 4111 1111 1111 1111 today",
    "/cards/5555555555554444/limits",
    "amex 378282246310005",
)
_PARTS = ("s3cr3tvalue99", _JWT[-10:], "IOSFODNN7", "0123456789abc", "123456789012-", "1111 1111", "5555444", "2246310005")


@pytest.mark.parametrize("text", _SECRETS)
def test_secret_in_a_text_is_masked(text: str) -> None:
    (masked,) = redact_texts(pa.array([text])).to_pylist()
    assert "REDACTED" in masked
    assert not [part for part in _PARTS if part in masked]


_SECRET_PARAMETERS = [
    "token",
    "access_token",
    "refresh_token",
    "id_token",
    "csrfToken",
    "api_key",
    "apikey",
    "api-key",
    "X-API-Key",
    "key",
    "password",
    "passwd",
    "pwd",
    "secret",
    "client_secret",
    "signature",
    "sig",
    "X-Amz-Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "code",
    "auth",
    "session",
    "sessionid",
    "jwt",
    "user[password]",
    "PASSWORD",
]


@pytest.mark.parametrize("name", _SECRET_PARAMETERS)
def test_value_of_a_secret_parameter_is_masked(name: str) -> None:
    (masked,) = redact_queries(pa.array([f"page=2&{name}=s3cr%2Fet;99&sort=-x"])).to_pylist()
    assert masked == f"page=2&{name}=REDACTED&sort=-x"


@pytest.mark.parametrize(
    "query",
    [
        "page=2&limit=50",
        "zipcode=12345",
        "monkey=banana",
        "q=caf%C3%A9+au+lait",
        "id=1776000000123456",
        "redirect=https%3A%2F%2Fe.com%2F",
        "x",
    ],
)
def test_harmless_query_stays(query: str) -> None:
    assert redact_queries(pa.array([query])).to_pylist() == [query]


@pytest.mark.parametrize(
    "text", ["/oauth2/token", "Mozilla/5.0 (X11; Linux)", "/v1/users/4111111111111112", "token refreshed", "2026-03-12T10:11:12Z"]
)
def test_harmless_text_stays(text: str) -> None:
    assert redact_texts(pa.array([text])).to_pylist() == [text]


def test_parameter_of_a_url_within_a_query_is_masked() -> None:
    (masked,) = redact_queries(pa.array(["next=https%3A%2F%2Fe.com%3Ftoken%3Dabc%26z%3D1"])).to_pylist()
    assert masked == "next=https%3A%2F%2Fe.com%3Ftoken%3DREDACTED%26z%3D1"


@given(st.lists(st.one_of(st.none(), st.text(max_size=30), st.sampled_from(_SECRETS)), max_size=6))
def test_masking_again_or_alone_changes_nothing(texts: list[str | None]) -> None:
    array = pa.array(texts, pa.string())
    once = redact_texts(array)
    assert once.to_pylist() == [redact_texts(array.slice(i, 1)).to_pylist()[0] for i in range(len(array))]
    assert once.is_valid().to_pylist() == [text is not None for text in texts]


@given(st.text(st.characters(blacklist_characters="&", blacklist_categories=["Cs"]), min_size=1, max_size=20))
def test_no_value_of_a_token_survives(value: str) -> None:
    (masked,) = redact_queries(pa.array([f"a=1&token={value}&b=2"])).to_pylist()
    assert masked.startswith("a=1&token=")
    assert value not in masked.removeprefix("a=1&token=").removesuffix("&b=2") or value in "REDACTED" or "%26" in value
