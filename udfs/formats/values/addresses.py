"""Addresses of callers: without port and brackets, the first of a list."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["is_address", "read_addresses"]

_IPV4 = r"\d{1,3}(?:\.\d{1,3}){3}"
_IPV6 = r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,8}(?:\.\d{1,3}\.\d{1,3}\.\d{1,3})?(?:%[\w.-]+)?"
_ODD = r"[,\[\" ]|^[^:]*:\d*$|^(?:[0-9A-Fa-f]+:){8}\d+$"


def is_address(texts: pa.Array) -> pa.Array:
    """Whether each text is an IP address (no port); null stays null."""
    return pc.match_substring_regex(texts, f"^(?:{_IPV4}|{_IPV6})$")


def read_addresses(texts: pa.Array, always_port: bool = False) -> pa.Array:
    """The first address of each text, without port, brackets and blanks.

    Parameters
    ----------
    texts : string array: '1.2.3.4', '1.2.3.4:80', '[::1]:80', '1.2.3.4, 10.0.0.1', 'unix:', a host name
    always_port : the source always writes a port, so that what follows the last ':' of an IPv6 address is one

    Cost: one scan; replacements only where a text needs one.
    """
    if always_port:
        texts = pc.replace_substring_regex(texts, r"^\[?([^\]]*)\]?:\d+$", r"\1")
    if not pc.any(pc.match_substring_regex(texts, _ODD)).as_py():
        return texts
    first = pc.replace_substring_regex(texts, r"^[\" ]*([^, \"]*).*$", r"\1")
    bare = pc.replace_substring_regex(first, r"^\[([^\]]*)\](?::\d*)?$", r"\1")
    bare = pc.replace_substring_regex(bare, r"^([^:]+):\d+$", r"\1")
    return pc.replace_substring_regex(bare, r"^((?:[0-9A-Fa-f]+:){7}[0-9A-Fa-f]+):\d+$", r"\1")
