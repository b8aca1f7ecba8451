"""What personal data looks like: card numbers, IBANs, e-mail addresses, phone numbers, national ids; each by form and check digit.

Form alone would mask order numbers and times: whatever has a check digit must pass it. Sources: ISO/IEC 7812-1 (Luhn), ISO 13616 (IBAN,
mod 97), RFC 5322, ITU-T E.164, and for national ids the issuers' rules as collected by https://arthurdejong.org/python-stdnum/.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from udfs.normalise.credentials import MASK

__all__ = ["BARE_DIGITS", "COUNTRIES", "is_personal_name", "mask_cards", "mask_personal"]

CARD = r"(?:4\d{3}|5[1-5]\d\d|2[2-7]\d\d|3[47]\d\d|3[0568]\d\d|6\d{3})(?:[ +-]|%20)?\d{4,6}(?:[ +-]|%20)?\d{4,5}(?:(?:[ +-]|%20)?\d{1,4})?"
_CARD = re.compile(rf"(?<![\w.])(?<!\d-){CARD}(?![\w-])(?!\.\d)")
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)

_words = str.split
_IBAN = re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}\d{2}(?:(?: |%20|\+)?[0-9A-Z]{4}){2,7}(?:(?: |%20|\+)?[0-9A-Z]{1,3})?(?![0-9A-Za-z])")
# The local part is bounded, so that a long run of word characters costs no more than its length.
_EMAIL = re.compile(r"(?<![\w.%+-])((?:[\w.+'-]|%2[Bb]|%27){1,64})(@|%40)((?:[\w-]{1,63}\.){1,8})([A-Za-z]{2,24})(?![\w-])")
_FILES = frozenset(
    _words(
        """
        png jpg jpeg gif svg webp ico css js mjs ts map json html htm xml txt md pdf zip gz tgz tar woff ttf mp4 mp3 wasm py
        go
        """
    )
)
_PHONE = re.compile(r"(?<![\w+.=-])(?:\+|%2B|00(?=[1-9]\d{9}))([1-9](?:(?:[ ()./-]|%20){0,2}\d){7,14})(?![\w-])")
_PHONE_IN_QUERY = re.compile(r"(?<==)(?:\+|%2[Bb])([1-9](?:(?:[ ().-]|%20)?\d){7,14})(?=$|&)")


def mask_cards(text: str) -> str:
    """Payment card numbers masked, by issuer prefix and check digit: ids of the same length mostly fail it."""
    return _CARD.sub(lambda match: MASK if _is_card(match.group()) else match.group(), text)


def _is_card(text: str) -> bool:
    digits = _digits(text.replace("%20", ""))
    return 13 <= len(digits) <= 19 and len(set(digits)) > 1 and _luhn(digits)


def _digits(text: str) -> list[int]:
    return [int(d) for d in text if d.isdigit()]


def _luhn(digits: list[int]) -> bool:
    return (sum(digits[-1::-2]) + sum(_DOUBLED[d] for d in digits[-2::-2])) % 10 == 0


def mask_personal(text: str, countries: Iterable[str]) -> str:
    """E-mail addresses, phone numbers, IBANs, and the national ids of `countries` masked."""
    if "@" in text or "%40" in text:
        text = _EMAIL.sub(lambda match: match.group() if match.group(4).lower() in _FILES else MASK, text)
    text = _IBAN.sub(lambda match: MASK if _is_iban(match.group()) else match.group(), text)
    if "+" in text or "%2B" in text or "%2b" in text or "00" in text:
        text = _PHONE_IN_QUERY.sub(MASK, _PHONE.sub(MASK, text))
    for country in countries:
        pattern, valid = COUNTRIES[country]
        text = pattern.sub(_masker(valid), text)
    return text


def _masker(valid: Callable[[str], bool]) -> Callable[[re.Match[str]], str]:
    return lambda match: MASK if valid(match.group()) else match.group()


def _is_iban(text: str) -> bool:
    code = text.replace("%20", "").replace(" ", "").replace("+", "")
    if not 15 <= len(code) <= 34 or not code[:2].isalpha():
        return False
    return int("".join(str(int(c, 36)) for c in code[4:] + code[:4])) % 97 == 1


_NAMES = re.compile(
    r"^(?:user_?|customer_?|contact_?|billing_?|home_?|work_?|client_?|recipient_?)?"
    r"(?:e_?mail(?:_?address)?|phone(?:_?(?:number|no))?|mobile(?:_?(?:number|no))?|msisdn|tel|telephone|ssn|social_?security(?:_?number)?|iban|bic"
    r"|passport(?:_?(?:number|no))?|national_?id|tax_?id|birth_?(?:date|day)|date_?of_?birth|dob|card_?(?:number|no)|cc_?number|account_?number"
    r"|first_?name|last_?name|full_?name|surname|given_?name|family_?name|maiden_?name|street(?:_?address)?|postal_?address|home_?address)$"
)
_CASE = re.compile(r"([a-z0-9])([A-Z])")


def is_personal_name(name: str) -> bool:
    """Whether the value behind a name is personal: email, phoneNumber, date_of_birth."""
    return _NAMES.match(_CASE.sub(r"\1_\2", name).lower().replace("-", "_").replace(".", "_")) is not None


def _us(text: str) -> bool:
    area, group, serial = text.split("-")
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def _es(text: str) -> bool:
    body = text[:-1].replace("-", "").upper()
    number = body.replace("X", "0").replace("Y", "1").replace("Z", "2")
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == text[-1].upper()


def _it(text: str) -> bool:
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    total = 0
    for i, c in enumerate(text[:15]):
        place = int(c) if c.isdigit() else ord(c) - 65
        total += odd[place] if i % 2 == 0 else place
    return chr(65 + total % 26) == text[15]


def _fr(text: str) -> bool:
    digits = text.replace(" ", "")
    return 97 - int(digits[:13]) % 97 == int(digits[13:])


def _br(text: str) -> bool:
    d = _digits(text)
    first = sum((10 - i) * d[i] for i in range(9)) * 10 % 11 % 10
    second = sum((11 - i) * d[i] for i in range(10)) * 10 % 11 % 10
    return len(set(d)) > 1 and d[9:] == [first, second]


def _pl(text: str) -> bool:
    d = _digits(text)
    month = d[2] * 10 + d[3]
    return (10 - sum(w * x for w, x in zip((1, 3, 7, 9) * 3, d[:10], strict=False)) % 10) % 10 == d[10] and 1 <= month % 20 <= 12


def _de(text: str) -> bool:
    product = 10
    d = _digits(text)
    for x in d[:10]:
        total = (x + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == d[10] and len(set(d[:10])) in (8, 9)


COUNTRIES: dict[str, tuple[re.Pattern[str], Callable[[str], bool]]] = {
    "us": (re.compile(r"(?<![\w.-])\d{3}-\d{2}-\d{4}(?![\w-])"), _us),
    "gb": (re.compile(r"(?<![0-9A-Za-z])[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D](?![0-9A-Za-z])"), lambda _: True),
    "ca": (re.compile(r"(?<![\w.-])[1-79]\d{2}[ -]\d{3}[ -]\d{3}(?![\w-])"), lambda text: _luhn(_digits(text))),
    "es": (re.compile(r"(?<![0-9A-Za-z])(?:\d{8}|[XYZ]-?\d{7})-?[A-HJ-NP-TV-Z](?![0-9A-Za-z])"), _es),
    "it": (re.compile(r"(?<![0-9A-Za-z])[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z](?![0-9A-Za-z])"), _it),
    "fr": (re.compile(r"(?<![\w.-])[12] ?\d\d ?(?:0[1-9]|1[0-2]|[2-9]\d) ?\d\d ?\d{3} ?\d{3} ?\d\d(?![\w-])"), _fr),
    "de": (re.compile(r"(?<![\w.-])[1-9]\d ?\d{3} ?\d{3} ?\d{3}(?![\w-])"), _de),
    "br": (re.compile(r"(?<![\w.-])\d{3}\.\d{3}\.\d{3}-\d\d(?![\w-])"), _br),
    "pl": (re.compile(r"(?<![\w.-])\d{11}(?![\w-])"), _pl),
}
"""National ids that can be masked, by country: US social security, GB national insurance, CA SIN, ES DNI/NIE, IT codice fiscale, FR NIR,
DE Steuer-ID, BR CPF, PL PESEL. Only those with separators or letters are on by default: bare digits are often something else."""
BARE_DIGITS = frozenset({"de", "fr", "pl"})
"""Countries whose ids have neither letters nor separators."""
