"""The two kinds of failure: a record that cannot be read, and a mistake the user can mend."""

from __future__ import annotations

__all__ = ["AnomasecError", "ConfigError", "InvalidRecord", "MissingPart", "SqlError", "StoreError"]


class AnomasecError(Exception):
    """A mistake told to the user in one line: what is wrong, and how to mend it."""

    exit_code = 2

    def __init__(self, what: str, mend: str = "") -> None:
        self.what = what
        self.mend = mend
        super().__init__(f"{what}; {mend}" if mend else what)


class ConfigError(AnomasecError):
    """An unknown key, a bad value or an address that does not answer."""


class SqlError(AnomasecError):
    """A SQL file that does not parse, plan or name a known knob."""


class MissingPart(AnomasecError):
    """Java, Maven, a jar, a port, a topic or disk space is not there."""


class StoreError(AnomasecError):
    """ClickHouse refused a statement or cannot be reached."""

    exit_code = 3


class InvalidRecord(ValueError):
    """A record that can never be read: it goes to the dead letters, with this reason."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else reason)
