"""Grok patterns and named groups, as regular expressions of RE2.

The names are those of Logstash and its kin (https://www.elastic.co/docs/reference/logstash/plugins/plugins-filters-grok), the expressions
our own: RE2, which runs in time linear in the line, knows no look-around and no atomic groups.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["GROK", "GrokError", "expand_pattern", "group_names"]

_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"

GROK: Mapping[str, str] = {
    "USERNAME": r"[a-zA-Z0-9._-]+",
    "USER": r"%{USERNAME}",
    "EMAILADDRESS": r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]+@%{HOSTNAME}",
    "INT": r"[+-]?\d+",
    "POSINT": r"[1-9]\d*",
    "NONNEGINT": r"\d+",
    "BASE10NUM": r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)",
    "NUMBER": r"%{BASE10NUM}",
    "BASE16NUM": r"[+-]?(?:0x)?[0-9A-Fa-f]+",
    "BOOLEAN": r"(?i:true|false)",
    "WORD": r"\b\w+\b",
    "NOTSPACE": r"\S+",
    "SPACE": r"\s*",
    "DATA": r".*?",
    "GREEDYDATA": r".*",
    "QUOTEDSTRING": r"(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')",
    "QS": r"%{QUOTEDSTRING}",
    "UUID": r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}",
    "MAC": r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}",
    "IPV4": rf"{_OCTET}(?:\.{_OCTET}){{3}}",
    "IPV6": r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:%{IPV4})?(?:%[0-9A-Za-z]+)?",
    "IP": r"(?:%{IPV6}|%{IPV4})",
    "HOSTNAME": r"\b[0-9A-Za-z][0-9A-Za-z_-]{0,62}(?:\.[0-9A-Za-z][0-9A-Za-z_-]{0,62})*\.?",
    "IPORHOST": r"(?:%{IP}|%{HOSTNAME})",
    "HOSTPORT": r"%{IPORHOST}:%{POSINT}",
    "UNIXPATH": r"(?:/[^\s/?*]*)+",
    "PATH": r"%{UNIXPATH}",
    "URIPROTO": r"[A-Za-z][A-Za-z0-9+.-]*",
    "URIHOST": r"%{IPORHOST}(?::\d+)?",
    "URIPATH": r"/[^\s?#]*",
    "URIPARAM": r"\?[^\s#]*",
    "URIPATHPARAM": r"%{URIPATH}(?:%{URIPARAM})?",
    "URI": r"%{URIPROTO}://(?:[^\s/@]*@)?(?:%{URIHOST})?(?:%{URIPATHPARAM})?",
    "MONTH": r"\b(?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:tember)?|oct(?:ober)?|nov(?:ember)?"
    r"|dec(?:ember)?)\b",
    "MONTHNUM": r"(?:0?[1-9]|1[0-2])",
    "MONTHNUM2": r"(?:0[1-9]|1[0-2])",
    "MONTHDAY": r"(?:0[1-9]|[12]\d|3[01]|[1-9])",
    "DAY": r"(?i:mon(?:day)?|tue(?:sday)?|wed(?:nesday)?|thu(?:rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)",
    "YEAR": r"(?:\d\d){1,2}",
    "HOUR": r"(?:2[0-3]|[01]?\d)",
    "MINUTE": r"[0-5]\d",
    "SECOND": r"(?:[0-5]?\d|60)(?:[:.,]\d+)?",
    "TIME": r"%{HOUR}:%{MINUTE}(?::%{SECOND})?",
    "TZ": r"[A-Z]{3,4}",
    "ISO8601_TIMEZONE": r"(?:Z|[+-]%{HOUR}(?::?%{MINUTE})?)",
    "TIMESTAMP_ISO8601": r"%{YEAR}-%{MONTHNUM}-%{MONTHDAY}[T ]%{HOUR}:?%{MINUTE}(?::?%{SECOND})? ?%{ISO8601_TIMEZONE}?",
    "DATE_US": r"%{MONTHNUM}[/-]%{MONTHDAY}[/-]%{YEAR}",
    "DATE_EU": r"%{MONTHDAY}[./-]%{MONTHNUM}[./-]%{YEAR}",
    "DATE": r"(?:%{DATE_US}|%{DATE_EU})",
    "DATESTAMP": r"%{DATE}[- ]%{TIME}",
    "HTTPDATE": r"%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} %{INT}",
    "SYSLOGTIMESTAMP": r"%{MONTH} +%{MONTHDAY} %{TIME}",
    "PROG": r"[\x21-\x5a\x5c\x5e-\x7e]+",
    "SYSLOGPROG": r"%{PROG:program}(?:\[%{POSINT:pid}\])?",
    "SYSLOGHOST": r"%{IPORHOST}",
    "LOGLEVEL": r"(?i:trace|debug|notice|info(?:rmation)?|warn(?:ing)?|err(?:or)?|crit(?:ical)?|fatal|severe|alert|emerg(?:ency)?)",
    "HTTPMETHOD": r"[A-Za-z][A-Za-z0-9_-]{0,31}",
    "HTTPDUSER": r"(?:%{EMAILADDRESS}|%{USER})",
    "HTTPREQUEST": r"(?:%{HTTPMETHOD:verb} %{NOTSPACE:request}(?: HTTP/%{NUMBER:httpversion})?|%{DATA:rawrequest})",
    "COMMONAPACHELOG": r"%{IPORHOST:clientip} %{NOTSPACE:ident} %{NOTSPACE:auth} \[%{HTTPDATE:timestamp}\] \"%{HTTPREQUEST}\""
    r" (?:-|%{NUMBER:response}) (?:-|%{NUMBER:bytes})",
    "COMBINEDAPACHELOG": r"%{COMMONAPACHELOG} \"%{DATA:referrer}\" \"%{DATA:agent}\"",
    "HTTPD_COMMONLOG": r"%{COMMONAPACHELOG}",
    "HTTPD_COMBINEDLOG": r"%{COMBINEDAPACHELOG}",
}
"""Name -> expression, which may use other names."""

_USE = re.compile(r"%\{([A-Za-z0-9_]+)(?::([^:}]+))?(?::[a-z]+)?\}")
_GROUP = re.compile(r"\(\?P<([^>]*)>")
_MAX_LENGTH = 16_384
_MAX_DEPTH = 20


class GrokError(ValueError):
    """A pattern that cannot be used; says why and how to mend it."""

    def __init__(self, what: str, mend: str) -> None:
        self.what, self.mend = what, mend
        super().__init__(f"{what}; {mend}")


def expand_pattern(pattern: str, own: Mapping[str, str] | None = None) -> str:
    r"""A regular expression of RE2 whose every capturing group has a name.

    Parameters
    ----------
    pattern : grok (`%{IP:client} %{NUMBER:took}`), named groups (`(?<took>\d+)` or `(?P<took>\d+)`), or both
    own : further grok names

    Raises
    ------
    GrokError
        Unknown grok name, a group named twice, or no regular expression of RE2.

    Examples
    --------
    >>> expand_pattern("%{INT:took}ms")
    '(?P<took>[+-]?\\d+)ms'
    """
    expanded = _named(_expand(pattern, {**GROK, **(own or {})}, 0))
    if len(expanded) > _MAX_LENGTH:
        raise GrokError(f"the pattern has {len(expanded)} characters, at most {_MAX_LENGTH} are taken", "make it shorter")
    names = group_names(expanded)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise GrokError(f"group '{twice}' is there twice", "give each group a name of its own")
    try:
        pc.match_substring_regex(pa.array([""]), expanded)
    except pa.ArrowInvalid as error:
        raise GrokError(_why(str(error)), "see https://github.com/google/re2/wiki/Syntax") from None
    return expanded


def group_names(expression: str) -> list[str]:
    """Names of the groups of an expanded pattern, in their order."""
    return _GROUP.findall(expression)


def _why(message: str) -> str:
    text = message.removeprefix("Invalid regular expression: ")
    if "perl operator" in text:
        return f"no regular expression of RE2 (it has no look-around and no back-references): {text}"
    return f"no regular expression of RE2: {text}"


def _expand(pattern: str, known: Mapping[str, str], depth: int) -> str:
    if depth > _MAX_DEPTH:
        raise GrokError("a grok pattern contains itself", "break the circle")

    def replace(match: re.Match[str]) -> str:
        name, field = match.group(1), match.group(2)
        if name not in known:
            near = difflib.get_close_matches(name.upper(), known, 1)
            raise GrokError(f"unknown grok pattern '{name}'", f"did you mean '{near[0]}'?" if near else f"define it: 'grok.{name}' = '...'")
        inner = _expand(known[name], known, depth + 1)
        if field is None:
            return inner if len(inner) < 2 or depth == 0 and match.group(0) == pattern else f"(?:{inner})"
        return f"(?P<{_word(field)}>{inner})"

    return _USE.sub(replace, pattern)


def _word(field: str) -> str:
    """'[http][request]' -> http_request."""
    return re.sub(r"\W+", "_", field).strip("_")


def _named(pattern: str) -> str:
    """Groups without a name no longer capture; '(?<name>' becomes '(?P<name>'. Escapes and character classes are left alone."""
    out: list[str] = []
    at, in_class = 0, False
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            out.append(pattern[at : at + 2])
            at += 2
            continue
        if in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
            head = re.match(r"\[\^?\]?", pattern[at:])
            out.append(head.group() if head else char)
            at += len(out[-1])
            continue
        elif char == "(":
            if pattern[at + 1 : at + 2] != "?":
                char = "(?:"
            elif re.match(r"\(\?<[A-Za-z_]", pattern[at:]):
                char = "(?P<"
                at += 2
        out.append(char)
        at += 1
    return "".join(out)
