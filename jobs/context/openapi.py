"""Routes of an OpenAPI file (2.0, 3.0 and 3.1; JSON or YAML)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from schemas.errors import AnomasecError
from udfs.normalise.route_table import RouteRow

__all__ = ["read_openapi"]

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
_VARIABLE = re.compile(r"\{([^{}]+)\}")


def read_openapi(path: Path, service: str) -> list[RouteRow]:
    """One row per path and method, behind the base path of the (first) server.

    Raises
    ------
    AnomasecError
        No such file, not JSON or YAML, or no OpenAPI.
    """
    document = _load(path)
    paths = document.get("paths") if isinstance(document, dict) else None
    if not isinstance(paths, dict):
        raise AnomasecError(f"{path} has no paths", "name an OpenAPI file, e.g. openapi.yaml")
    base = _base(document)
    rows = []
    for template, operations in paths.items():
        if not isinstance(template, str) or not template.startswith("/") or not isinstance(operations, dict):
            continue
        route = (base + template).rstrip("/") or "/"
        rows += [RouteRow(route, service, method.upper()) for method in operations if str(method).lower() in _METHODS]
    if not rows:
        raise AnomasecError(f"{path} names no operation", "each path wants get, post, ...")
    return sorted(rows, key=lambda row: (row.route, row.method))


def _load(path: Path) -> Any:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise AnomasecError(f"cannot read {path}: {error.strerror}", "name an OpenAPI file") from None
    if text.lstrip().startswith(b"{"):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise AnomasecError(f"{path} is not JSON: {error}", "mend the file") from None
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise AnomasecError(f"{path} is not YAML: {' '.join(str(error).split())}", "mend the file") from None


def _base(document: dict[str, Any]) -> str:
    """Base path of the first server (3.x) or `basePath` (2.0), without a slash at its end."""
    servers = document.get("servers")
    if isinstance(servers, list) and servers and isinstance(servers[0], dict):
        url = str(servers[0].get("url", ""))
        defaults = servers[0].get("variables") or {}
        url = _VARIABLE.sub(lambda match: str((defaults.get(match[1]) or {}).get("default", "")), url)
        return urlsplit(url).path.rstrip("/")
    return str(document.get("basePath") or "").rstrip("/")
