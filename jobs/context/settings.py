"""From knobs and SQL files to the settings of `udfs.normalise.enrich`."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from jobs.context.rows import read_rows
from jobs.knobs import Knobs
from schemas.errors import ConfigError, SqlError
from udfs.normalise.catalogue import Catalogue, CatalogueRow
from udfs.normalise.clients import ID_COLUMNS, Proxies, Pseudonyms
from udfs.normalise.enrich import Context
from udfs.normalise.personal import COUNTRIES
from udfs.normalise.redact import Redaction
from udfs.normalise.route_table import RouteRow, RouteTable

__all__ = ["CATALOGUE_FILE", "ROUTES_FILE", "context_mistakes", "read_catalogue", "read_context", "read_route_table"]

CATALOGUE_FILE, ROUTES_FILE = "catalogue.sql", "routes.sql"


def read_context(knobs: Knobs, sql_dir: Path | None = None) -> Context:
    """Settings of what events carry.

    Raises
    ------
    SqlError
        A knob or row that cannot be; says how to mend it.
    ConfigError
        Pseudonyms are asked for, but there is no key.
    """
    folder = Path(sql_dir) / "flink" if sql_dir else None
    return Context(
        redaction=Redaction(knobs.normalise_redact_personal, _known(knobs.normalise_national_ids, COUNTRIES, "national_ids")),
        proxies=_proxies(knobs),
        pseudonyms=_pseudonyms(knobs),
        catalogue=read_catalogue(folder) if folder else Catalogue(),
        routes=read_route_table(folder) if folder else RouteTable(),
        redact_dead_letters=knobs.normalise_redact_dead_letters,
    )


def read_catalogue(folder: Path) -> Catalogue:
    """The rows of `catalogue.sql` in a folder."""
    return Catalogue(read_rows(folder / CATALOGUE_FILE, "catalogue", CatalogueRow))


def read_route_table(folder: Path) -> RouteTable:
    """The rows of `routes.sql` in a folder."""
    return RouteTable(read_rows(folder / ROUTES_FILE, "routes", RouteRow))


def context_mistakes(folder: Path) -> list[SqlError]:
    """What is wrong with the two files in a folder."""
    found = []
    for read in (read_catalogue, read_route_table):
        try:
            read(folder)
        except SqlError as error:
            found.append(error)
    return found


def _known(words: tuple[str, ...], known: object, knob: str) -> tuple[str, ...]:
    names = list(known)  # type: ignore[call-overload]
    for word in words:
        if word not in names:
            raise SqlError(f"unknown '{word}' in 'anomasec.normalise.{knob}'", f"known: {', '.join(names)}, or -")
    return words


def _proxies(knobs: Knobs) -> Proxies:
    for network in knobs.normalise_trusted_proxies:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            raise SqlError(
                f"'{network}' in 'anomasec.normalise.trusted_proxies' is no network", "write e.g. '10.0.0.0/8, fd00::/8'"
            ) from None
    return Proxies(knobs.normalise_trusted_hops, knobs.normalise_trusted_proxies)


def _pseudonyms(knobs: Knobs) -> Pseudonyms:
    from jobs.config import load_config

    key = load_config().privacy.pseudonym_key
    columns = _known(knobs.normalise_pseudonyms, ID_COLUMNS, "pseudonyms")
    if columns and not key:
        raise ConfigError(
            "anomasec.normalise.pseudonyms wants a key",
            "set pseudonym_key in [privacy] of anomasec.toml, or ANOMASEC_PRIVACY_PSEUDONYM_KEY",
        )
    return Pseudonyms(key.encode(), columns)
