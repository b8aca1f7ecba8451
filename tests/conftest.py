"""What tests of several parts share: the Hypothesis profile and one embedded store."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from jobs.config import ClickHouseConfig
from jobs.migrate import migrate
from jobs.stack.store.embedded import serve_store
from tests import profiles as profiles

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseConfig]:
    """One embedded store for the whole session, database `anomasec` migrated: for tests that only read or add."""
    with serve_store(tmp_path_factory.mktemp("store")) as url:
        config = ClickHouseConfig(url=url)
        client = config.client(database=None)
        migrate(client, config.database)
        client.close()
        yield config


@pytest.fixture
def fresh_database(store: ClickHouseConfig) -> Iterator[ClickHouseConfig]:
    """A migrated database of the test's own in the shared store."""
    config = replace(store, database=f"test_{next(_NUMBERS)}")
    client = config.client(database=None)
    migrate(client, config.database)
    yield config
    client.command(f"DROP DATABASE {config.database}")
    client.close()


@pytest.fixture
def sql(fresh_database: ClickHouseConfig) -> Iterator[Callable[[str], list[tuple[object, ...]]]]:
    """Rows of a query in the test's own database."""
    client = fresh_database.client()
    yield lambda query: list(client.query(query).result_rows)
    client.close()
