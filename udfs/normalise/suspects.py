"""Which texts could hold a secret: a scan of their bytes, so cheap that every text of every line can have it.

The bytes of a whole column are looked at with a few array operations. A text is suspicious when it has a long word that starts like a
known key, a number of a card's or an id's form, a sign that e-mail addresses or encoded texts have, or (by one regular expression, for
texts with blanks, '=' or ':' alone) a name that speaks of a secret. Too much is let through here, never too little.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["find_suspects"]

_NEUTRAL, _WORD, _SIGN, _SEPARATOR = 0, 1, 2, 3


def _classes() -> bytes:
    table = bytearray(256)
    for byte in range(256):
        if chr(byte).isascii() and (chr(byte).isalnum() or byte == 95):
            table[byte] = _WORD
    for byte in b"@~%+":
        table[byte] = _SIGN
    for byte in b"=:> \"'\\\t\n":
        table[byte] = _SEPARATOR
    return bytes(table)


def _heads() -> NDArray[Any]:
    """bool[65536]: the first two bytes (little endian) of a word that may be a key."""
    heads = (
        "AK AS AB AC AR AI gh gi gl sk rk pk wh xo xa ya GO SG ke SK hf gs pp r8 np py ru dc oy do sh sq HR da li nt se AT NR sn dt hv sb"
        " PM ps fi pu CC bk AG LT EA ey pa y0"
    )
    table = np.zeros(65536, bool)
    for head in heads.split():
        table[ord(head[0]) + 256 * ord(head[1])] = True
    for first in b"MNO":  # Discord's tokens have no prefix
        table[first + 256 * np.arange(256)] = True
    return table


_CLASSES = _classes()
_HEADS = _heads()
_LONG_KEY, _SHORT_ID = 14, 9


def _number(head: str) -> int:
    return int.from_bytes(head.encode(), "little")


_HEADS_OF_3 = np.array([_number(head) for head in ("eyJ", "sk-", "xox", "SG.")])
_LONG_HEADS = "AIza ya29 GOCS glpa glrt gldt glso glim glag dckr figd HRKU hvs. hvb. pypi PMAK AGE-"
_HEADS_OF_4 = np.array([_number(head) for head in _LONG_HEADS.split()])
"""Keys that may hold a '-' early, so that their first word is short."""

_STEM = (
    r"(?:token|secret|passw|passphrase|passcode|pwd|key|credential|authori[sz]|jwt|cookie|cvv|cvc|assertion|verifier|signature|sess|csrf|xsrf"
    r"|sig|code|auth|pass|pin|sid|nonce|otp|pw|bearer|connection|ticket|hmac|hash|cred|mail|phone|mobile|msisdn|tel|ssn|social|iban|passport"
    r"|national|tax|birth|dob|card|number|name|street|address|bic|mnemonic|seed|signed|k)"
)
_SPACED = (
    r"\d{4} \d{4,6} \d{4}|\d{3} \d{3} \d{3}|\b[a-z]{2} \d\d \d\d|\b[a-z]{2}\d\d [0-9a-z]{4} |\d\d \d{3} \d{3} \d{3}"
    r"|[12] \d\d \d\d "
)
_NAMED = (
    rf"(?i){_STEM}(?:[\w.\]-]|%5[bd])*\\?[\"']?\s*[=:>]|--[a-z-]*(?:token|secret|pass|key|pwd|cred|auth|user)[a-z-]*[ =]| -u ?[^ ]+:"
    rf"|(?:bearer|basic|digest|negotiate) |://[^/ ]*@|hooks\.|webhook|:aa[0-9a-z_-]{{8}}|-----begin|{_SPACED}"
)


def find_suspects(texts: pa.Array, bare_digits: bool = False) -> NDArray[Any]:
    """bool[n]: texts to look at closely; nulls are none.

    Parameters
    ----------
    texts : string array
    bare_digits : whether ids without any separator or letter are looked for, too

    Cost: about 0.04 us per text of 20 bytes without blanks, 0.3 us with.
    """
    n = len(texts)
    found = np.zeros(n, bool)
    buffers = texts.buffers()
    if not n or buffers[2] is None:
        return found
    offsets: NDArray[Any] = np.frombuffer(buffers[1], np.int64 if pa.types.is_large_string(texts.type) else np.int32)[
        texts.offset : texts.offset + n + 1
    ]
    first, last = int(offsets[0]), int(offsets[-1])
    if first == last:
        return found
    data = buffers[2].slice(first, last - first).to_pybytes()
    ends = offsets[1:] - first
    classes = np.frombuffer(data.translate(_CLASSES), np.uint8)
    # Room behind the end, so that what follows a word can be looked at without asking where the data ends.
    raw = np.frombuffer(data + bytes(24), np.uint8)
    places = [np.flatnonzero(classes == _SIGN), *_words(classes, raw, offsets[:-1] - first, bare_digits), *_dashed(raw, len(data))]
    found[np.searchsorted(ends, np.concatenate(places), "right")] = True
    separated = np.zeros(n, bool)
    separated[np.searchsorted(ends, np.flatnonzero(classes == _SEPARATOR), "right")] = True
    separated &= ~found
    if separated.any():
        chosen = np.flatnonzero(separated)
        named = pc.match_substring_regex(texts if len(chosen) == n else texts.take(pa.array(chosen)), _NAMED)
        found[chosen] = named.fill_null(False).to_numpy(zero_copy_only=False)
    # A null may have bytes behind it.
    return found & texts.is_valid().to_numpy(zero_copy_only=False) if texts.null_count else found


def _words(classes: NDArray[Any], raw: NDArray[Any], begins: NDArray[Any], bare_digits: bool) -> list[NDArray[Any]]:
    """Places of words that may be keys, card numbers, IBANs or ids."""
    is_word = classes == _WORD
    goes_on = np.empty_like(is_word)
    goes_on[0] = False
    np.logical_and(is_word[1:], is_word[:-1], out=goes_on[1:])
    goes_on[begins[begins < len(classes)]] = False  # a text ends the word before it
    starts = np.flatnonzero(is_word & ~goes_on)
    # goes_on is true on all but the first byte of a word: its length is 1 + those.
    inside = np.cumsum(goes_on, dtype=np.int32)
    until = np.append(starts[1:], len(classes)) - 1
    lengths = inside[until] - inside[starts] + 1
    headed = starts[_HEADS[raw[starts] + 256 * raw[starts + 1].astype(np.int32)]]
    heads = sum(raw[headed + i].astype(np.int64) << (8 * i) for i in range(4))
    early = headed[np.isin(heads & 0xFFFFFF, _HEADS_OF_3) | np.isin(heads, _HEADS_OF_4)]
    starts, lengths = starts[lengths >= _SHORT_ID], lengths[lengths >= _SHORT_ID]
    if not len(starts):
        return [early]
    head, before = raw[starts].astype(np.int32), raw[starts - 1]
    second, third, fourth = raw[starts + 1], raw[starts + 2], raw[starts + 3]
    # Behind '-' or '.' a key's prefix may stand.
    key = (lengths >= _LONG_KEY) & (_HEADS[head + 256 * second.astype(np.int32)] | (before == 45) | (before == 46))
    digits = _digit(head) & _digit(raw[starts + 4]) & _digit(raw[starts + 7])
    card = (lengths >= 13) & digits & (head >= 50) & (head <= 54) & _digit(raw[starts + 8]) & _digit(raw[starts + 12])
    capitals = _upper(head) & _upper(second)
    iban = capitals & _digit(third) & _digit(fourth)
    code = capitals & (lengths == 16) & _digit(raw[starts + 6]) & _digit(raw[starts + 7])
    nine = (lengths == 9) & (digits | ((head >= 88) & (head <= 90))) & _upper(raw[starts + 8])
    suspicious = key | card | iban | code | nine
    # Behind '00' a phone number may follow.
    suspicious |= (lengths >= 12) & (head == 48) & (second == 48) & digits
    if bare_digits:
        suspicious |= (lengths >= 11) & digits
    return [early, starts[suspicious]]


def _dashed(raw: NDArray[Any], size: int) -> list[NDArray[Any]]:
    """Places of 123-45-6789, 1234-5678-9012-, 123-456-789 and 123.456.789-01."""
    dash = np.flatnonzero(raw[:size] == 45)
    places = []
    if len(dash):
        # "...-us12" ends a key of a mail service. Looking back beyond the first byte meets the zeros behind the last.
        places.append(dash[(raw[dash + 1] == 117) & (raw[dash + 2] == 115) & _digit(raw[dash + 3])])
        after = _digit(raw[dash + 1]) & _digit(raw[dash + 2]) & _digit(raw[dash - 1])
        dash = dash[after]
        if len(dash):
            ssn = (raw[dash + 3] == 45) & _digit(raw[dash + 4])
            card = (raw[dash + 5] == 45) & (raw[dash + 10] == 45)
            for place in (3, 4, 6, 7, 8, 9, 11, 12):
                card &= _digit(raw[dash + place])
            sin = (raw[dash + 4] == 45) & _digit(raw[dash + 5])
            cpf = (raw[dash - 4] == 46) & (raw[dash - 8] == 46)
            nie = _digit(raw[dash + 7]) & _upper(raw[dash + 8])
            places.append(dash[ssn | card | sin | cpf | nie])
    return places


def _digit(bytes_: NDArray[Any]) -> NDArray[Any]:
    return (bytes_ >= 48) & (bytes_ <= 57)


def _upper(bytes_: NDArray[Any]) -> NDArray[Any]:
    return (bytes_ >= 65) & (bytes_ <= 90)
