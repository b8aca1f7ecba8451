"""What a credential looks like: keys by their prefixes, tokens, headers, key blocks; and which names speak of one.

Prefixes are those the vendors document for secret scanning, e.g.
https://docs.github.com/code-security/secret-scanning/introduction/supported-secret-scanning-patterns and the rules of
https://github.com/gitleaks/gitleaks and https://docs.gitlab.com/security/tokens/#token-prefixes.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["MASK", "is_plain_value", "is_secret_name", "is_weak_name", "looks_random", "mask_credentials"]

MASK = "REDACTED"

_KEYS = (
    r"(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[0-9A-Z]{16}",  # AWS
    r"gh[pousr]_[0-9A-Za-z]{20,}|github_pat_[0-9A-Za-z_]{20,}",
    r"gl(?:pat|dt|rt|ptt|cbt|soat|ft|agent|imt|oas)-[0-9A-Za-z_.-]{16,}",
    r"(?:sk|rk|pk)_(?:live|test)_[0-9A-Za-z]{10,}|whsec_[0-9A-Za-z+/=]{16,}",  # Stripe
    r"xox[abeoprs]-[0-9A-Za-z-]{10,}|xapp-\d-[0-9A-Za-z-]{10,}",  # Slack
    r"AIza[0-9A-Za-z_-]{30,}|ya29\.[0-9A-Za-z_-]{20,}|GOCSPX-[0-9A-Za-z_-]{20,}",  # Google
    r"SG\.[0-9A-Za-z_-]{16,}\.[0-9A-Za-z_-]{16,}|key-[0-9a-f]{32}|[0-9a-f]{32}-us\d{1,2}|SK[0-9a-f]{32}",  # mail and SMS services
    r"sk-[0-9A-Za-z_-]{20,}|hf_[0-9A-Za-z]{30,}|gsk_[0-9A-Za-z]{30,}|xai-[0-9A-Za-z]{30,}|pplx-[0-9A-Za-z]{30,}|r8_[0-9A-Za-z]{30,}",
    r"npm_[0-9A-Za-z]{30,}|pypi-[0-9A-Za-z_-]{40,}|rubygems_[0-9a-f]{40,}|dckr_pat_[0-9A-Za-z_-]{20,}|oy2[0-9a-z]{43}",
    r"do[opr]_v1_[0-9a-f]{40,}|shp(?:at|ss|ca|pa)_[0-9a-fA-F]{30,}|sq0[a-z]{3}-[0-9A-Za-z_-]{20,}|HRKU-[0-9A-Za-z_-]{30,}",
    r"dapi[0-9a-f]{32}|lin_api_[0-9A-Za-z]{30,}|ntn_[0-9A-Za-z]{30,}|secret_[0-9A-Za-z]{40,}|AT(?:ATT|BB|CTT)[0-9A-Za-z_=-]{20,}",
    r"NR(?:AK|JS|II)-[0-9A-Za-z_-]{19,}|gl(?:sa|c)_[0-9A-Za-z_=+/-]{20,}|sntry[su]_[0-9A-Za-z_=+/-]{30,}",
    r"dt0[a-z]\d{2}\.[0-9A-Z]{20,}\.[0-9A-Z]{30,}",
    r"hv[sbr]\.[0-9A-Za-z_-]{20,}|[0-9A-Za-z]{14}\.atlasv1\.[0-9A-Za-z_=-]{40,}|sbp_[0-9a-f]{40,}",
    r"PMAK-[0-9a-f]{20,}-[0-9a-f]{30,}|pscale_(?:tkn|pw|oauth)_[0-9A-Za-z_.-]{30,}",
    r"figd_[0-9A-Za-z_-]{30,}|pul-[0-9a-f]{40}|CCIPAT_[0-9A-Za-z_]{30,}|bk[a-z]{2}_[0-9A-Za-z]{30,}",
    r"AGE-SECRET-KEY-1[0-9A-Z]{50,}|LTAI[0-9A-Za-z]{16,}|AKC[0-9A-Za-z]{40,}",
    r"EAA[0-9A-Za-z]{80,}|\d{8,10}:AA[0-9A-Za-z_-]{32,}",
    r"[MNO][0-9A-Za-z_-]{23,25}\.[0-9A-Za-z_-]{6}\.[0-9A-Za-z_-]{27,}",
    r"[0-9A-Za-z_~.-]{3}\dQ~[0-9A-Za-z_~.-]{31,34}",
    r"pat[0-9A-Za-z]{14}\.[0-9a-f]{64}|y0_[0-9A-Za-z_-]{30,}",
)  # fmt: skip
_KEY = re.compile("(?<![0-9A-Za-z])(?:" + "|".join(_KEYS) + ")")
_BLOCK = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----|$)",
    re.DOTALL,
)
_COOKIE = re.compile(r"\b((?:set-)?cookie2?\\?[\"']?\s{0,4}[:=]\s{0,4}\\?[\"']?)([^\"'\\\r\n]+)", re.IGNORECASE)
_USERINFO = re.compile(
    r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]{0,30}(?:://|%3A%2F%2F))[^/\s:@?#\"']{0,256}(?::|%3A)[^/\s@\"']{1,512}@", re.IGNORECASE
)
_HOOK = re.compile(
    r"(https?://hooks\.slack\.com/(?:services|workflows)/|https?://(?:\w{1,20}\.)?discord(?:app)?\.com/api/webhooks/"
    r"|https?://[\w.-]{1,100}\.webhook\.office\.com/webhookb2/)[\w/@-]+",
    re.IGNORECASE,
)
_DIGEST = re.compile(r"\b(digest\s{1,4})username=[^\r\n]+", re.IGNORECASE)
_SCHEME = re.compile(r"\b((bearer|basic|negotiate)(?:\s{1,4}|%20|\+))([A-Za-z0-9._~+/%=-]{8,})", re.IGNORECASE)
_CURL = re.compile(r"((?<!\S)-u ?|--user[ =])[^\s:]{1,256}:\S+")
_JWT = re.compile(
    r"(?<![\w-])(?:ey[JK][\w-]{6,}(?:\.|%2E)[\w-]{4,}(?:(?:\.|%2E)[\w-]*){0,3}|eyJ[\w-]{10,}(?:\.|%2E){2}[\w-]*(?:(?:\.|%2E)[\w-]+){0,2})",
    re.ASCII,
)


def mask_credentials(text: str) -> str:
    """Whatever has the form of a credential masked.

    Patterns are bounded, or start only where a word starts: the time is linear in the text, whatever it holds. Each is asked only where
    a part that it must have is there. Cost: 3 us for a text with nothing in it.
    """
    low = text.lower()
    if "-----begin" in low:
        text = _BLOCK.sub(MASK, text)
    if "cookie" in low:
        text = _COOKIE.sub(lambda match: match.group() if is_plain_value(match.group(2)) else match.group(1) + MASK, text)
    if "://" in text or "%3a%2f%2f" in low:
        if "@" in text:
            text = _USERINFO.sub(rf"\1{MASK}@", text)
        if "hooks." in low or "webhook" in low:
            text = _HOOK.sub(rf"\1{MASK}", text)
    if "digest" in low:
        text = _DIGEST.sub(rf"\1{MASK}", text)
    if "bearer" in low or "basic" in low or "negotiate" in low:
        text = _SCHEME.sub(_mask_scheme, text)
    if "-u" in text:
        text = _CURL.sub(rf"\1{MASK}", text)
    if "ey" in text:
        text = _JWT.sub(MASK, text)
    return _KEY.sub(MASK, text)


_words = str.split
_STEMS = re.compile(
    r"token|secret|passw|passphrase|passcode|pwd|credential|authori[sz]ation|jwt|cookie|cvv|cvc|assertion|signature|verifier"
    r"|(?:api|access|private|auth|subscription|signing|encryption|account|master|shared|client|storage|host|admin|function|license)_?key"
    r"|ocp_apim_subscription|csrf|xsrf|sessid|session_?id|session_?key|connection_?string|sastoken|bearer|hmac|totp|otp$|mnemonic|seed_?phrase"
)
_NO_SECRET_END = frozenset(
    _words(
        """
        type types count counts limit limits expires expiry expired expiration ttl length len size age status policy url uri
        endpoint enabled required name version alg algorithm method methods header headers field index validity lifetime
        seconds ms in at on changed updated created rotation rotated provider service used usage budget kind format source
        strength hint error errors scope scopes mode per tokens days hours minutes reset java py js ts go rb php kt scala cs
        rs store manager management rate issuer audience request requests response page action event
        """
    )
)
_NO_SECRET_START = frozenset(
    _words(
        """
        max min num n total count prompt completion input output cached reasoning page next continuation prev previous
        pagination cursor is has show hide forgot require requires use allow sync resume skip change update disable enable no
        invalid missing expired total
        """
    )
)
_CAMEL = re.compile(r"([a-z0-9])([A-Z])")
_BRACKET = re.compile("%5[BbDd]")
_PLAIN = frozenset(
    _words(
        """
        true false null none nil undefined empty ok yes no on off missing required invalid expired unknown valid must is was
        not are has have should cannot can too please changed refreshed failed failure error does for and or the a an in to
        from with of by at redacted rejected revoked accepted found absent present wrong mismatch updated created deleted
        disabled enabled bearer basic string optional malformed denied needs need will be been being validation verification
        rotation check checked service
        """
    )
)


def _mask_scheme(match: re.Match[str]) -> str:
    scheme, value = match.group(2).lower(), match.group(3)
    # Small letters alone are prose ("basic training", "bearer authentication") rather than a credential.
    prose = value.rstrip(".").isalpha() and value.rstrip(".").islower()
    if prose and ((scheme != "bearer" and len(value) < 20) or value.rstrip(".") in _SCHEME_PROSE):
        return match.group()
    return match.group(1) + MASK


_SCHEME_PROSE = frozenset(_words("authentication authorization credential credentials required challenge realm"))


@lru_cache(4096)
def is_secret_name(name: str) -> bool:
    """Whether the value behind a name is a secret: token, X-API-Key, clientSecret; not max_tokens, token_type, nextPageToken."""
    words = [word for word in re.split(r"[^a-z0-9]+", _CAMEL.sub(r"\1_\2", _BRACKET.sub("_", name)).lower()) if word]
    if not words or not _STEMS.search("_".join(words)):
        return False
    if len(words) == 1:
        return words[0] != "tokens"
    return words[-1] not in _NO_SECRET_END and words[0] not in _NO_SECRET_START


_WEAK = frozenset(
    _words(
        """
        key code auth session sess nonce sig pass pin sid hmac otp pw k hash ticket state_token creds cred signed
        """
    )
)
_ALWAYS = frozenset(
    _words(
        """
        pin sid sig hmac otp pass pw
        """
    )
)


def is_weak_name(name: str) -> bool:
    """Whether a query parameter's name is one that often, but not always, holds a secret: key, code, session."""
    return name.lower() in _WEAK


def looks_random(name: str, value: str) -> bool:
    """Whether what a weak name holds is a secret: code=EUR is none, code=4/0AX4XfWh is."""
    if name.lower() in _ALWAYS:
        return True
    return len(value) >= 20 or (len(value) >= 8 and any(c.isdigit() for c in value) and any(c.isalpha() or c == "%" for c in value))


def is_plain_value(value: str) -> bool:
    """Whether a value in a text is a word of prose or of code, and no secret: `token: expired`, `password: null`."""
    return value.strip("\"'\\.:,()[]{}<>").lower() in _PLAIN
