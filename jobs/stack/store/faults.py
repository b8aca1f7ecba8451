"""ClickHouse's errors: the code and text of a message, and the HTTP status it is answered with."""

from __future__ import annotations

import re

__all__ = [
    "AUTHENTICATION_FAILED",
    "BAD_ARGUMENTS",
    "NOT_ENOUGH_SPACE",
    "NOT_IMPLEMENTED",
    "SUPPORT_IS_DISABLED",
    "SYNTAX_ERROR",
    "StoreFault",
    "code_of",
    "status_of",
]

BAD_ARGUMENTS = (36, "BAD_ARGUMENTS")
NOT_IMPLEMENTED = (48, "NOT_IMPLEMENTED")
NOT_ENOUGH_SPACE = (243, "NOT_ENOUGH_SPACE")
SYNTAX_ERROR = (62, "SYNTAX_ERROR")
SUPPORT_IS_DISABLED = (344, "SUPPORT_IS_DISABLED")
AUTHENTICATION_FAILED = (516, "AUTHENTICATION_FAILED")
_STD_EXCEPTION = (1001, "STD_EXCEPTION")

_CODE = re.compile(r"Code: (\d+)\. DB::[A-Za-z:]*Exception: ")
_VERSION_SUFFIX = re.compile(r"\s*\(version [^)]*\)\s*$")

_STATUS = {
    194: 401,
    **dict.fromkeys((192, 193, 497, 512, 516), 403),
    # Malformed SQL, values and types: the client's fault.
    **dict.fromkeys((6, 8, 15, 25, 26, 27, 36, 38, 41, 44, 53, 62, 67, 72, 117, 157, 168, 223, 224, 321, 376, 427, 441, 483), 400),
    # Unknown table, database, column, function, setting, format, ...
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 127, 336, 511), 404),
    **dict.fromkeys((159,), 408),
    411: 411,
    394: 500,
    29: 413,
    48: 501,
    76: 503,
    209: 503,
    439: 503,
}


class StoreFault(Exception):
    """A statement that failed, in ClickHouse's words."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message)

    @classmethod
    def of(cls, kind: tuple[int, str], text: str) -> StoreFault:
        """An error of the server's own, worded as ClickHouse words its errors."""
        code, name = kind
        return cls(code, f"Code: {code}. DB::Exception: {text} ({name})")

    @classmethod
    def wrap(cls, error: BaseException) -> StoreFault:
        """The ClickHouse error within whatever chDB raised."""
        text = str(error)
        match = _CODE.search(text)
        if match is None:
            return cls.of(_STD_EXCEPTION, text)
        return cls(int(match.group(1)), _VERSION_SUFFIX.sub("", text[match.start() :]))

    def body(self, version: str) -> bytes:
        """The answer's body: one line, as a ClickHouse server writes it."""
        return f"{self.message} (version {version} (official build))\n".encode("utf-8", "replace")


def code_of(text: str) -> int | None:
    """The first ClickHouse error code in a text."""
    match = _CODE.search(text)
    return int(match.group(1)) if match else None


def status_of(code: int) -> int:
    """The HTTP status a ClickHouse server answers an error code with."""
    return _STATUS.get(code, 500)
