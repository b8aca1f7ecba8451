"""Recall on made-up secrets, and false redaction on harmless texts; `pytest -s` prints both."""

from __future__ import annotations

import pyarrow as pa
import pytest

from tests.udfs.normalise.secret_corpus import Case, harmless, secrets
from udfs.normalise.redact import redact_queries, redact_texts

MAX_FALSE_SHARE = 0.01


def _masked(cases: list[Case]) -> list[str]:
    masked: list[str] = [""] * len(cases)
    for is_query, redact in ((False, redact_texts), (True, redact_queries)):
        rows = [i for i, case in enumerate(cases) if case.is_query == is_query]
        for i, text in zip(rows, redact(pa.array([cases[i].text for i in rows])).to_pylist(), strict=True):
            masked[i] = text
    return masked


def test_no_secret_of_the_corpus_survives(capsys: pytest.CaptureFixture[str]) -> None:
    cases = secrets()
    leaked = [(case, text) for case, text in zip(cases, _masked(cases), strict=True) if case.secret in text or "REDACTED" not in text]
    with capsys.disabled():
        print(f"\nsecrets masked: {len(cases) - len(leaked)} of {len(cases)}, {len({c.kind for c in cases})} kinds")
    assert len(cases) >= 150
    assert not leaked


def test_harmless_texts_stay(capsys: pytest.CaptureFixture[str]) -> None:
    cases = harmless()
    changed = [(case.text, text) for case, text in zip(cases, _masked(cases), strict=True) if text != case.text]
    with capsys.disabled():
        print(f"\nfalsely masked: {len(changed)} of {len(cases)}: {changed}")
    assert len(cases) >= 300
    assert len(changed) <= MAX_FALSE_SHARE * len(cases)


def test_what_stands_beside_a_secret_stays() -> None:
    (masked,) = redact_texts(pa.array(['{"user":"bob","password":"a b,c","n":1}'])).to_pylist()
    assert masked == '{"user":"bob","password":"REDACTED","n":1}'


def test_masking_twice_changes_nothing() -> None:
    texts = pa.array([case.text for case in secrets() if not case.is_query])
    once = redact_texts(texts)
    assert redact_texts(once).to_pylist() == once.to_pylist()


def test_a_secret_is_found_wherever_it_stands_in_a_column() -> None:
    rows = [case.text for case in secrets() if not case.is_query]
    masked = redact_texts(pa.array([part for text in rows for part in ("/a", text, "", None, "x9")])).to_pylist()
    assert masked[1::5] == redact_texts(pa.array(rows)).to_pylist()
    assert masked[0::5] == ["/a"] * len(rows)
