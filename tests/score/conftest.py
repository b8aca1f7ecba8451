from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SQL_DIR = Path(__file__).parents[2] / "sql"


@pytest.fixture(scope="session")
def _environment() -> Any:
    from jobs.score.local import local_environment

    return local_environment(parallelism=1)


@pytest.fixture
def t_env(_environment: Any) -> Iterator[Any]:
    """The one table environment of the session (a JVM starts in seconds), empty."""
    from jobs.score.check import drop_tables

    drop_tables(_environment)
    yield _environment
    drop_tables(_environment)
