"""`anomasec generate` on files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from jobs.cli.main import main


def test_lines_truth_and_transactions_are_written(tmp_path: Path) -> None:
    lines, truth, transactions = tmp_path / "world.jsonl.gz", tmp_path / "truth.json", tmp_path / "truth.parquet"
    start = "2026-01-31T12:00:00Z"
    command = ["generate", "--lines", "5000", "--start", start, "--faults", "default", "--out", str(lines)]
    assert main([*command, "--truth", str(truth), "--transactions", str(transactions)]) == 0
    told = json.loads(truth.read_text())
    assert gzip.decompress(lines.read_bytes()).count(b"\n") == told["lines_sent"] == 5000
    assert len(told["faults"]) == 7
    assert told["faults"][0]["start_ms"] > told["start_ms"] == 1_769_860_800_000
    assert pq.read_table(transactions).num_rows == told["transactions"]


def test_the_same_seed_gives_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert main(["generate", "--lines", "3000", "--seed", "9", "--start", "2026-01-01", "--out", str(tmp_path / name)]) == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_duration_alone_bounds_the_run(tmp_path: Path) -> None:
    truth = tmp_path / "truth.json"
    assert main(["generate", "--duration", "500ms", "--out", str(tmp_path / "out"), "--truth", str(truth)]) == 0
    told = json.loads(truth.read_text())
    assert 4_000 < told["lines_sent"] < 6_000
    assert told["end_ms"] - told["start_ms"] <= 500


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--duration", "soon"], "20min"),
        (["--lines", "0"], "number of 1"),
        (["--start", "yesterday"], "2026-01-31"),
        (["--kafka", "--out", "x"], "choose one"),
        (["--truth", "/nonexistent/t.json"], "create the folder"),
        (["--start", "2026-01-01", "--rate", "5"], "leave --rate out"),
    ],
)
def test_a_mistake_is_one_line_that_says_how_to_mend_it(arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", *arguments]) == 2
    error = capsys.readouterr().err
    assert hint in error
    assert error.count("\n") == 1


def test_a_broker_that_does_not_answer_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ANOMASEC_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    assert main(["--home", str(tmp_path), "generate", "--lines", "5", "--kafka"]) == 3
    assert "does not answer" in capsys.readouterr().err
