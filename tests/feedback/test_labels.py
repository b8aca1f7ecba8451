"""Labels, and what follows from them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from jobs.budget.rules import read_rules
from jobs.cli.main import main
from jobs.config import ClickHouseConfig
from jobs.correlate.pages import drop_overridden
from jobs.feedback.proposals import apply, propose
from jobs.knobs import Knobs
from jobs.sinks.clickhouse import ClickHouseSink
from schemas.point import ANOMALY, SCORE

_NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def _row(n: int, score: float, label: str = "", entity: str = "shop GET /", width_s: int = 60, incident: str = "") -> dict[str, Any]:
    row = {"anomaly_id": f"{n:032x}", "environment": "prod", "entity_kind": "route", "entity": entity, "metric": "latency_ms_p95"}
    return {**row, "width_s": width_s, "score": score, "incident_id": incident, "label": label, "note": ""}


def test_what_was_called_bad_goes_and_with_it_what_scored_no_higher() -> None:
    history = [_row(n, 70.0 + n, incident="i1" if n < 5 else "i2") for n in range(20)]
    (proposal,) = propose([_row(4, 74.0, "bad"), _row(19, 89.0, "good")], history)
    assert (proposal.removes, proposal.misses, proposal.incidents, proposal.bad, proposal.kept_bad) == (5, 0, 1, 1, 0)
    assert proposal.override.min_score == 74.1
    assert proposal.words == "removes 5, misses 0; 1 incidents fewer: latency_ms_p95 of shop GET / in prod below score 74.1"


def test_what_was_called_good_is_never_removed() -> None:
    history = [_row(n, 70.0 + n) for n in range(20)]
    (proposal,) = propose([_row(2, 72.0, "bad"), _row(9, 79.0, "bad"), _row(5, 75.0, "good")], history)
    assert (proposal.removes, proposal.misses, proposal.bad, proposal.kept_bad) == (5, 0, 1, 1)
    assert propose([_row(9, 79.0, "bad"), _row(0, 70.0, "good")], history) == []
    assert propose([_row(9, 79.0, "good")], history) == []


def test_widths_are_told_apart_where_that_removes_more() -> None:
    history = [_row(n, 80.0 + n, width_s=5) for n in range(5)] + [_row(10 + n, 80.0 + n, width_s=60) for n in range(5)]
    labelled = [_row(4, 84.0, "bad", width_s=5), _row(10, 80.0, "good", width_s=60)]
    (proposal,) = propose(labelled, history)
    assert (proposal.override.width_s, proposal.removes, proposal.misses) == (5, 5, 0)


def test_an_applied_proposal_is_a_rule_that_drops_those_scores(tmp_path: Path) -> None:
    path = tmp_path / "budget.sql"
    path.write_text("-- mine\nINSERT INTO budgets (service, pages_per_week) VALUES ('pay%', 2);")
    entity = "o'neill GET /"
    (proposal,) = propose([_row(1, 74.0, "bad", entity)], [_row(1, 74.0, entity=entity)])
    rules = apply(proposal, path, date(2026, 3, 2))
    assert rules == read_rules(path)
    assert len(rules.budgets) == 1
    assert path.read_text().endswith("'2026-03-02: 1 labelled bad; removes 1, misses 0');\n")
    scores = [
        {**dict.fromkeys(SCORE.names), **_row(n, score, entity=entity), "is_anomaly": True, "reason": "why"}
        for n, score in enumerate((74.0, 75.0))
    ]
    kept = drop_overridden(pa.Table.from_pylist(scores, schema=SCORE.arrow), Knobs(budget_rules=rules))
    assert kept.select(["is_anomaly", "reason"]).to_pylist() == [{"is_anomaly": False, "reason": ""}, {"is_anomaly": True, "reason": "why"}]
    assert drop_overridden(kept, Knobs()) is kept


@pytest.fixture
def home(fresh_database: ClickHouseConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose store holds six anomalies of one series in two incidents."""
    monkeypatch.setenv("ANOMASEC_CLICKHOUSE_URL", fresh_database.url)
    monkeypatch.setenv("ANOMASEC_CLICKHOUSE_DATABASE", fresh_database.database)
    more = {"time": _NOON, "emitted_at": _NOON, "since": _NOON, "told_at": _NOON, "is_anomaly": True, "revision": 1}
    rows = [{**_row(n, 70.0 + n, incident=f"{'a' if n < 3 else 'b'}" * 32), **more, "anomaly_id": f"{n}" * 32} for n in range(6)]
    ClickHouseSink(fresh_database).insert(ANOMALY, ANOMALY.conform(pa.Table.from_pylist(rows)))
    (tmp_path / "sql" / "flink").mkdir(parents=True)
    return tmp_path


def test_labels_become_a_proposal_that_is_applied(home: Path, fresh_database: ClickHouseConfig, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--home", str(home), "proposals"]) == 0
    assert "no labels yet" in capsys.readouterr().err
    assert main(["--home", str(home), "label", "--incident", "aaaaaaaa", "bad", "--note", "cache refill"]) == 0
    assert "3 anomalies labelled bad" in capsys.readouterr().err
    assert main(["--home", str(home), "label", "5555555", "good", "--author", "me"]) == 0
    client = fresh_database.client()
    assert client.query("SELECT label, count() FROM labels GROUP BY label ORDER BY label").result_rows == [("bad", 3), ("good", 1)]
    # a change of mind replaces
    assert main(["--home", str(home), "label", "5555555", "bad"]) == 0
    assert main(["--home", str(home), "label", "5555555", "good"]) == 0
    assert client.query("SELECT label FROM labels WHERE startsWith(anomaly_id, '555')").result_rows == [("good",)]
    capsys.readouterr()
    assert main(["--home", str(home), "proposals"]) == 0
    assert capsys.readouterr().out == "1  removes 3, misses 0; 1 incidents fewer: latency_ms_p95 of shop GET / in prod below score 72.1\n"
    assert main(["--home", str(home), "proposals", "--apply", "1", "--sql-dir", str(home / "sql")]) == 0
    rules = read_rules(home / "sql" / "flink" / "budget.sql")
    assert [(o.entity, o.min_score) for o in rules.overrides] == [("shop GET /", 72.1)]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["label", "555", "bad"], "too short"),
        (["label", "ffffffff", "bad"], "no anomaly_id"),
        (["proposals", "--apply", "1"], "there is no proposal 1"),
        (["compare", "/nonexistent"], "no flink/score.sql"),
        (["label", "555555", "bad", "--store", "/nonexistent"], "no store folder"),
    ],
)
def test_a_mistake_is_told_in_one_line(home: Path, arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--home", str(home), *arguments]) in (2, 3)
    error = capsys.readouterr().err
    assert hint in error
    assert error.count("\n") == 1
