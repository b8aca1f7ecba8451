"""Laws of JSON lines: what a line gives does not depend on the lines around it, nor on how its keys are written."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tests.udfs.formats import test_app_json, test_aws_json, test_azure_json, test_gateway_json
from tests.udfs.formats.answers import answer
from udfs.formats.dialect import fold_key
from udfs.formats.dialects import DIALECTS
from udfs.normalise import NormaliseSettings
from udfs.normalise.lines import parse_lines

_MODULES = (test_app_json, test_aws_json, test_azure_json, test_gateway_json)
_LINES: list[dict[str, Any]] = [line for module in _MODULES for _, line, _ in module._CASES]
_TEXTS = [json.dumps(line).encode() for line in _LINES]
_SETTINGS = NormaliseSettings(redact=False)


@pytest.fixture(scope="module")
def alone() -> list[bytes]:
    """The answer to each line, asked alone."""
    return [parse_lines([text], _SETTINGS)[0] for text in _TEXTS]


@pytest.mark.parametrize("seed", range(3))
def test_lines_of_all_dialects_in_one_batch_read_as_alone(seed: int, alone: list[bytes]) -> None:
    order = random.Random(seed).choices(range(len(_TEXTS)), k=1000)
    assert parse_lines([_TEXTS[place] for place in order], _SETTINGS) == [alone[place] for place in order]


def test_a_bad_value_touches_no_other_line_of_its_batch(alone: list[bytes]) -> None:
    junk: list[Any] = [None, "", "x", -1, {}, [], 10**30, True]
    generator = random.Random(7)
    broken = [{**line, generator.choice(list(line)): generator.choice(junk)} for line in _LINES]
    texts = [json.dumps(line).encode() for line in broken]
    mixed = [text for pair in zip(_TEXTS, texts, strict=True) for text in pair]
    answers = parse_lines(mixed, _SETTINGS)
    assert answers[::2] == alone
    assert answers[1::2] == [parse_lines([text], _SETTINGS)[0] for text in texts]


def test_order_of_keys_changes_nothing(alone: list[bytes]) -> None:
    reversed_lines = [json.dumps(dict(reversed(line.items()))).encode() for line in _LINES]
    assert parse_lines(reversed_lines, _SETTINGS) == alone


def _dotted(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat.update(_dotted(inner, f"{prefix}{key}.") if isinstance(inner, dict) and inner else {prefix + key: inner})
    return flat


def test_nested_and_dotted_ecs_read_alike() -> None:
    line = _LINES[0]
    assert answer(_dotted(line)) == answer(line)


def test_every_key_of_every_dialect_is_found_under_its_own_name() -> None:
    for dialect in DIALECTS:
        for path in dialect.keys:
            assert dialect.index.exact[path][1] == dialect.keys[path]
        assert "" not in dialect.index.folded


@pytest.mark.parametrize(
    ("key", "folded"),
    [("x-request-id", "xrequestid"), ("%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", "xenvoyoriginalpath"), ("REQ(:METHOD)", "method"), ("ÄÖ", "")],
)
def test_keys_fold_to_letters_and_digits(key: str, folded: str) -> None:
    assert fold_key(key) == folded
