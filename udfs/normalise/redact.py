"""Mask secrets and personal data before anything is stored or sent on.

What is masked: credentials by their form (`udfs.normalise.credentials`), values behind names that speak of one, payment card numbers;
and, unless switched off, personal data (`udfs.normalise.personal`). Dead letters keep the original bytes unless `redact_dead_letters` is
on: who may read them must be allowed to read raw logs.

A first scan, linear and cheap, finds the few texts that could hold something; only these are looked at closely.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from udfs.normalise.credentials import MASK, is_plain_value, is_secret_name, is_weak_name, looks_random, mask_credentials
from udfs.normalise.personal import BARE_DIGITS, is_personal_name, mask_cards, mask_personal
from udfs.normalise.suspects import find_suspects

__all__ = ["MASK", "Redaction", "redact_queries", "redact_texts"]


@dataclass(frozen=True)
class Redaction:
    """What is masked besides credentials and card numbers."""

    personal: bool = True
    """E-mail addresses, phone numbers, IBANs, national ids, and values behind names such as `email` and `dob`."""
    countries: tuple[str, ...] = ("us", "gb", "es", "it", "br")
    """Whose national ids (`udfs.normalise.personal.COUNTRIES`)."""


DEFAULT = Redaction()

_QUERY_NAME = re.compile(r"(?:^|[&;?]|%26|%3[Ff])((?:[\w.\[\]-]|%5[BbDd]){1,80})(?:=|%3[Dd])")
_QUERY_VALUE = re.compile(r"(?:[^&%]|%(?!26))+")
# Names are bounded and start where a word starts, so that no text can make the search slow.
_NAME = re.compile(r"(?<![\w.-])\\?[\"']?([\w.\[\]-]{1,64})\\?[\"']?\s{0,4}[=:]\s{0,4}")
_VALUE = re.compile(
    r"(\\\"|[\"'])?(?:(?<=\\\")(?:[^\"\\]|\\[^\"])+|(?<=\")(?:[^\"\\]|\\.)+|(?<=')[^']+"
    r"|(?:(?:bearer|basic|apikey|token|aws4-hmac-sha256)\s+)?[^\s,;&\"'}\])\\]+)",
    re.IGNORECASE | re.DOTALL,
)
_FLAG = re.compile(r"(?<!\S)(--([a-z][a-z-]{1,40})\s+)(?!-)(\S+)", re.IGNORECASE)
_ELEMENT = re.compile(r"<((?:[\w-]{1,40}:)?([\w-]{1,64}))>([^<]{1,256})</\1>")


def redact_texts(texts: pa.Array, what: Redaction = DEFAULT) -> pa.Array:
    """Texts (paths, user agents, bodies, names) with secrets masked; nulls stay.

    Cost: that of `find_suspects`, and about 10 us per suspicious text that was not seen lately.
    """
    return _redact(texts, what, is_query=False)


def redact_queries(queries: pa.Array, what: Redaction = DEFAULT) -> pa.Array:
    """Queries with the values of secret parameters masked: 'page=2&token=REDACTED'."""
    return _redact(queries, what, is_query=True)


def _redact(texts: pa.Array, what: Redaction, is_query: bool) -> pa.Array:
    if texts.null_count == len(texts):
        return texts
    suspects = find_suspects(texts, what.personal and not BARE_DIGITS.isdisjoint(what.countries))
    if texts.null_count:  # what lies under a null may look like anything
        suspects &= texts.is_valid().to_numpy(zero_copy_only=False)
    if not suspects.any():
        return texts
    # Names, and numbers with check digits, need more than a pattern: Python, for the suspicious texts alone.
    chosen = pa.array(suspects)
    few = texts.filter(chosen).to_pylist()
    masked = [(_mask_short if len(text) <= _SHORT else _mask)(text, what, is_query) for text in few]
    return pc.replace_with_mask(texts, chosen, pa.array(masked, texts.type))


def _mask(text: str, what: Redaction, is_query: bool) -> str:
    text = mask_credentials(text)
    text = _mask_parameters(text, what) if is_query else _mask_named(text, what)
    text = mask_cards(text)
    return mask_personal(text, what.countries) if what.personal else text


_SHORT = 256
_mask_short = lru_cache(16_384)(_mask)
"""User agents, names and hosts come again and again."""


def _mask_parameters(query: str, what: Redaction) -> str:
    parts: list[str] = []
    at = 0
    while match := _QUERY_NAME.search(query, at):
        parts.append(query[at : match.end()])
        at = match.end()
        name = match.group(1)
        certain = is_secret_name(name) or (what.personal and is_personal_name(name))
        # Values are measured only where they may be masked: they can be long.
        if not certain and not is_weak_name(name):
            continue
        value = _QUERY_VALUE.match(query, at)
        if value is not None and (certain or looks_random(name, value.group())):
            parts.append(MASK)
            at = value.end()
    return "".join([*parts, query[at:]])


def _mask_named(text: str, what: Redaction) -> str:
    parts: list[str] = []
    at = 0
    while match := _NAME.search(text, at):
        parts.append(text[at : match.end()])
        at = match.end()
        if not _is_masked_name(match.group(1), what):
            continue
        value = _VALUE.match(text, at)
        if value is None or is_plain_value(value.group()):
            continue
        parts += [value.group(1) or "", MASK]
        at = value.end()
    text = "".join([*parts, text[at:]])
    if "--" in text:
        text = _FLAG.sub(lambda match: match.group(1) + MASK if is_secret_name(match.group(2)) else match.group(), text)
    if "</" in text:
        text = _ELEMENT.sub(
            lambda match: f"<{match.group(1)}>{MASK}</{match.group(1)}>" if _is_masked_name(match.group(2), what) else match.group(), text
        )
    return text


def _is_masked_name(name: str, what: Redaction) -> bool:
    return is_secret_name(name) or (what.personal and is_personal_name(name))
