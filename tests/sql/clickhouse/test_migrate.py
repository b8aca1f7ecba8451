"""Migrations: once, in order, checked, repeatable."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.config import ClickHouseConfig
from jobs.migrate import migrate, pending, read_migrations, set_retention
from schemas.errors import StoreError


@pytest.fixture
def client(store: ClickHouseConfig) -> Iterator[Any]:
    opened = store.client(database=None)
    yield opened
    opened.command("DROP DATABASE IF EXISTS trial")
    opened.close()


def _folder(path: Path, *files: str) -> Path:
    path.mkdir(exist_ok=True)
    for number, text in enumerate(files, 1):
        (path / f"{number:04}_step.sql").write_text(text)
    return path


def test_all_are_applied_once_and_then_none(client: Any) -> None:
    names = [migration.name for migration in read_migrations()]
    assert pending(client, "trial") == names
    assert migrate(client, "trial") == names
    assert pending(client, "trial") == []
    assert migrate(client, "trial") == []
    rows = client.query("SELECT version, name FROM trial.schema_migrations FINAL ORDER BY version").result_rows
    assert rows == list(enumerate(names, 1))


def test_a_migration_cut_short_is_finished_by_the_next_run(client: Any) -> None:
    migrate(client, "trial")
    client.command("DROP VIEW trial.events")
    client.command("DELETE FROM trial.schema_migrations WHERE version = 2")
    assert migrate(client, "trial") == ["0002_views"]
    assert client.command("SELECT count() FROM trial.events") == 0


def test_the_clients_database_stays_what_it_was(client: Any) -> None:
    client.database = "system"
    migrate(client, "trial")
    assert client.database == "system"


def test_a_new_file_is_applied_behind_the_old_ones(client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.migrate.RECORDS", ())
    folder = _folder(tmp_path / "m", "CREATE TABLE IF NOT EXISTS a (x UInt8) ENGINE = MergeTree ORDER BY x;")
    assert migrate(client, "trial", folder) == ["0001_step"]
    (folder / "0002_more.sql").write_text("-- two; statements\nALTER TABLE a ADD COLUMN y String DEFAULT ';';\nINSERT INTO a (x) SELECT 1;")
    assert migrate(client, "trial", folder) == ["0002_more"]
    assert client.query("SELECT x, y FROM trial.a").result_rows == [(1, ";")]


def test_a_file_changed_after_it_was_applied_is_refused(client: Any, tmp_path: Path) -> None:
    migrate(client, "trial", _folder(tmp_path / "m", "SELECT 1"))
    with pytest.raises(StoreError, match=r"0001_step.sql was changed after it was applied.*new one"):
        migrate(client, "trial", _folder(tmp_path / "m", "SELECT 2"))


def test_a_database_of_a_newer_product_is_refused(client: Any, tmp_path: Path) -> None:
    migrate(client, "trial", _folder(tmp_path / "m", "SELECT 1", "SELECT 2"))
    (tmp_path / "m" / "0002_step.sql").unlink()
    with pytest.raises(StoreError, match="newer version"):
        migrate(client, "trial", tmp_path / "m")


def test_broken_sql_is_one_line_and_not_recorded(client: Any, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot migrate: .*UNKNOWN_TABLE") as caught:
        migrate(client, "trial", _folder(tmp_path / "m", "SELECT 1", "SELECT * FROM nowhere"))
    assert "\n" not in str(caught.value)
    assert pending(client, "trial", tmp_path / "m") == ["0002_step"]


@pytest.mark.parametrize("name", ["0001_a.sql 0003_b.sql", "0002_a.sql", "first.sql", ""])
def test_a_folder_that_is_not_numbered_is_refused(tmp_path: Path, name: str) -> None:
    for part in name.split():
        (tmp_path / part).write_text("SELECT 1")
    with pytest.raises(StoreError):
        read_migrations(tmp_path)


@pytest.mark.parametrize("name", ["", "a b", "x;DROP", "1a"])
def test_a_database_name_is_letters_digits_and_underscores(client: Any, name: str) -> None:
    with pytest.raises(StoreError, match="is no database name"):
        migrate(client, name)


def test_retention_deletes_what_is_old_and_can_be_taken_back(client: Any) -> None:
    migrate(client, "trial")
    set_retention(client, "trial", 30)
    client.command("INSERT INTO trial.dead_letters_data (offset, arrived_at) VALUES (1, now() - INTERVAL 40 DAY), (2, now())")
    client.command("OPTIMIZE TABLE trial.dead_letters_data FINAL")
    assert client.query("SELECT offset FROM trial.dead_letters").result_rows == [(2,)]
    set_retention(client, "trial", None)
    for table in ("events_data", "incidents_data"):
        assert " TTL " not in client.command(f"SELECT create_table_query FROM system.tables WHERE database = 'trial' AND name = '{table}'")
    set_retention(client, "trial", None)
