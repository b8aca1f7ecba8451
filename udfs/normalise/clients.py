"""Who calls: the address behind trusted proxies, the token's subject, and pseudonyms for ids."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import orjson
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["ID_COLUMNS", "Proxies", "Pseudonyms", "pseudonymise", "read_forwarded", "read_subjects", "read_token_ids"]

ID_COLUMNS = ("user_id", "client_id", "token_id", "client_address")
"""Columns that can be made pseudonyms."""

_PSEUDONYM = re.compile(r"h_[0-9a-f]{24}")
_BEARER = re.compile(r"^(?:bearer|basic|token|apikey)\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Proxies:
    """Which entries of X-Forwarded-For are one's own proxies. Each proxy appends the address it was called from."""

    hops: int = 0
    """Proxies in front of the one that logs; 0 = unknown: the first entry is taken, as a caller may have written it."""
    networks: tuple[str, ...] = ()
    """CIDRs of proxies: the last entry outside of them is the caller, whatever stands before it."""

    def __post_init__(self) -> None:
        """Refuse what is no network."""
        for network in self.networks:
            ipaddress.ip_network(network, strict=False)


@dataclass(frozen=True)
class Pseudonyms:
    """Keyed hashes in place of ids: equal ids stay equal, nobody without the key can tell or try out whose they are."""

    key: bytes = b""
    columns: tuple[str, ...] = ()
    """Of `ID_COLUMNS`; () = none."""

    def __repr__(self) -> str:
        """Without the key."""
        return f"Pseudonyms(columns={self.columns})"


def read_forwarded(lists: pa.Array, peers: pa.Array | None, proxies: Proxies) -> pa.Array:
    """Client address out of each X-Forwarded-For list and the peer that sent it; null where neither says one.

    Cost: once per distinct list.
    """
    coded = lists.cast(pa.string()).dictionary_encode()
    found = [_client(text, proxies) for text in coded.dictionary.to_pylist()]
    first = pc.take(pa.array(found, pa.string()), coded.indices)
    return first if peers is None else pc.coalesce(first, peers)


@lru_cache(65_536)
def _client(text: str, proxies: Proxies) -> str | None:
    entries = [entry for entry in map(_bare, text.split(",")) if entry]
    if not entries:
        return None
    if proxies.networks:
        outside = [entry for entry in entries if not _is_within(entry, proxies.networks)]
        return outside[-1] if outside else entries[0]
    if proxies.hops:
        return entries[-proxies.hops] if proxies.hops <= len(entries) else entries[0]
    return entries[0]


def _bare(entry: str) -> str:
    entry = entry.strip().strip('"').removeprefix("for=").strip('"')
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry.replace("unknown", "")


@lru_cache(65_536)
def _is_within(address: str, networks: tuple[str, ...]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in _networks(networks) if network.version == parsed.version)


@lru_cache(64)
def _networks(networks: tuple[str, ...]) -> Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_network(network, strict=False) for network in networks]


def read_token_ids(tokens: pa.Array, key: bytes) -> pa.Array:
    """Keyed hash of each logged token or Authorization header, so that its uses can be told apart without holding it."""
    return _each(tokens, lambda text: _hash(_BEARER.sub("", text), key) if text and text != "-" else None)


def read_subjects(tokens: pa.Array) -> pa.Array:
    """Subject (`sub`) of each JSON Web Token, which is not verified: the gateway did that. Null for other tokens."""
    return _each(tokens, _subject)


def pseudonymise(ids: pa.Array, key: bytes) -> pa.Array:
    """Keyed hash of each id, 'h_' and 24 hex digits; null and '' stay, and so do pseudonyms."""
    return _each(ids, lambda text: text if not text or _PSEUDONYM.fullmatch(text) else _hash(text, key))


def _each(texts: pa.Array, change: Callable[[str], str | None]) -> pa.Array:
    """`change` of each text, asked once per distinct one."""
    coded = texts.cast(pa.string()).dictionary_encode()
    return pc.take(pa.array([change(text) for text in coded.dictionary.to_pylist()], pa.string()), coded.indices)


@lru_cache(65_536)
def _hash(text: str, key: bytes) -> str:
    return "h_" + hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:24]


@lru_cache(16_384)
def _subject(text: str) -> str | None:
    parts = _BEARER.sub("", text).split(".")
    if len(parts) != 3 or not parts[0].startswith("ey"):
        return None
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, orjson.JSONDecodeError):
        return None
    subject = claims.get("sub") if isinstance(claims, dict) else None
    return str(subject) if isinstance(subject, (str, int)) and subject != "" else None
