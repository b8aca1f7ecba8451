"""`anomasec sql` and `anomasec migrate` as typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.cli.main import main
from jobs.config import ClickHouseConfig
from jobs.migrate import read_migrations
from jobs.stack.store.embedded import serve_store


@pytest.fixture
def configured(store: ClickHouseConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("ANOMASEC_CLICKHOUSE_URL", store.url)
    monkeypatch.setenv("ANOMASEC_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("chosen", "printed"),
    [
        ("csv", '"a","b"\n1,"x"\n'),
        ("tsv", "a\tb\n1\tx\n"),
        ("jsonl", '{"a":1,"b":"x"}\n'),
        ("markdown", "| a | b |\n|-:|:-|\n| 1 | x |\n"),
        ("XML", None),
    ],
)
def test_rows_are_printed_in_the_chosen_format(configured: Path, capfd: pytest.CaptureFixture[str], chosen: str, printed: str) -> None:
    assert main(["sql", "SELECT 1 AS a, 'x' AS b", "--format", chosen]) == 0
    out = capfd.readouterr().out
    assert out == printed if printed else "<?xml" in out


def test_views_are_in_the_default_database(configured: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["sql", "SELECT count() AS n FROM service_calls", "--format", "jsonl"]) == 0
    assert capfd.readouterr().out == '{"n":0}\n'


def test_statements_without_a_result_print_nothing(configured: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["sql", "CREATE TABLE IF NOT EXISTS default.nothing (a UInt8) ENGINE = Memory"]) == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("SELEC 1", "code 62: Syntax error"),
        ("SELECT * FROM nowhere", "(UNKNOWN_TABLE); `anomasec sql --describe` lists the views"),
        ("SELECT nothing FROM events", "(UNKNOWN_IDENTIFIER); `anomasec sql --describe VIEW` lists the columns"),
        ("  ", "no SQL given"),
    ],
)
def test_a_mistake_is_one_line_with_clickhouses_code(configured: Path, capfd: pytest.CaptureFixture[str], query: str, told: str) -> None:
    assert main(["sql", query]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("anomasec: ")
    assert told in err
    assert err.count("\n") == 1


def test_an_unreachable_store_is_exit_code_3(configured: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOMASEC_CLICKHOUSE_URL", "http://127.0.0.1:9")
    assert main(["sql", "SELECT 1"]) == 3
    assert capfd.readouterr().err.count("\n") == 1


def test_a_store_folder_is_opened_closed_or_shared(
    configured: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = configured / "mine"
    assert main(["sql", "SELECT 1", "--store", str(folder)]) == 3
    assert "is no store folder" in capfd.readouterr().err
    monkeypatch.setenv("ANOMASEC_CLICKHOUSE_DATABASE", "default")
    with serve_store(folder):
        assert main(["sql", "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a", "--store", str(folder)]) == 0
        assert main(["sql", "INSERT INTO t VALUES (7)", "--store", str(folder)]) == 0
    assert main(["sql", "SELECT a FROM t FORMAT CSV", "--store", str(folder)]) == 0
    assert capfd.readouterr().out == "7\n"


def test_describe_documents_every_column_of_a_view(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sql", "--describe", "events", "--format", "json"]) == 0
    columns = json.loads(capsys.readouterr().out)
    assert columns[0] == {"column": "timestamp", "type": "DateTime64(6, 'UTC')", "meaning": columns[0]["meaning"]}
    assert all(column["meaning"] for column in columns)
    assert "transaction_hash" not in [column["column"] for column in columns]


@pytest.mark.parametrize("chosen", ["pretty", "csv", "tsv", "markdown", "jsonl"])
def test_describe_lists_the_views(capsys: pytest.CaptureFixture[str], chosen: str) -> None:
    assert main(["sql", "--describe", "--format", chosen]) == 0
    assert "dead_letters" in capsys.readouterr().out


def test_describe_of_an_unknown_view_names_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sql", "--describe", "nope"]) == 2
    assert "there are events, transactions" in capsys.readouterr().err


def test_migrate_says_what_it_does(configured: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOMASEC_CLICKHOUSE_DATABASE", "by_command")
    files = [migration.name for migration in read_migrations()]
    assert main(["migrate", "--dry-run"]) == 0
    assert capfd.readouterr().out.splitlines() == [f"would apply {file}" for file in files]
    assert main(["migrate", "--keep-days", "30"]) == 0
    assert capfd.readouterr().out.splitlines() == [*(f"applied {file}" for file in files), "rows are kept 30 days"]
    assert main(["migrate"]) == 0
    assert capfd.readouterr().out == "database by_command is up to date\n"
    assert main(["sql", "DROP DATABASE by_command"]) == 0
