"""The store that a command works on: the configured one, or a folder's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from jobs.config import ClickHouseConfig
from schemas.errors import StoreError

__all__ = ["reachable"]


@contextmanager
def reachable(config: ClickHouseConfig, store: Path | None) -> Iterator[ClickHouseConfig]:
    """The configuration, pointed at the folder's server where a folder is given.

    Raises
    ------
    StoreError
        The folder is no store, or the store does not answer.
    """
    from clickhouse_connect.driver.exceptions import Error

    try:
        if store is None:
            yield config
            return
        if not (store / "data").is_dir():
            raise StoreError(f"{store} is no store folder", "name the folder that `anomasec replay --store` or `anomasec up` filled")
        from jobs.stack.store.embedded import serve_store

        with serve_store(store) as url:
            yield replace(config, url=url, user="default", password="", verify=True, ca_file="")
    except Error as error:
        raise StoreError(
            f"the store cannot answer: {' '.join(str(error).split())[:300]}", "`anomasec migrate` creates the tables"
        ) from error
