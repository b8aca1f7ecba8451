"""Ask the configured store, or one in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from schemas.errors import StoreError

__all__ = ["answer"]


def answer(query: str, config: Any, folder: Path | None) -> list[tuple[Any, ...]]:
    """Rows of a query.

    Raises
    ------
    StoreError
        The store cannot be reached, or has no such tables.
    """
    from clickhouse_connect.driver.exceptions import Error

    try:
        if folder is None:
            return [tuple(row) for row in config.clickhouse.client().query(query).result_rows]
        from jobs.stack.store.embedded import open_store

        with open_store(folder, config.clickhouse.database) as client:
            return [tuple(row) for row in client.query(query).result_rows]
    except Error as error:
        what = " ".join(str(error).split())[:300]
        raise StoreError(f"the store cannot answer: {what}", "`anomasec migrate` creates the tables") from error
