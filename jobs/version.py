"""The version of the product."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["installed_version"]


def installed_version() -> str:
    """Version of the installed distribution, `(from sources)` without one."""
    try:
        return version("anomasec")
    except PackageNotFoundError:
        return "(from sources)"
