"""Rules of budget.sql."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.budget.rules import Budget, BudgetRules, Silence, read_rules
from schemas.errors import SqlError

_SUNDAY_3_AM = datetime(2026, 3, 1, 3, tzinfo=UTC)


def _read(folder: Path, text: str) -> BudgetRules:
    path = folder / "budget.sql"
    path.write_text(text)
    return read_rules(path)


def test_the_shipped_file_has_no_rules_and_its_examples_are_rules(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "sql" / "flink" / "budget.sql"
    assert read_rules(shipped) == BudgetRules()
    examples = "\n".join(line.removeprefix("--") for line in shipped.read_text().splitlines() if line.startswith("--   INSERT"))
    rules = _read(tmp_path, examples)
    assert (len(rules.budgets), len(rules.silences), len(rules.overrides)) == (1, 3, 1)


def test_no_file_is_no_rules(tmp_path: Path) -> None:
    assert read_rules(tmp_path / "budget.sql") == BudgetRules()


def test_a_statement_may_span_lines_and_hold_several_rows_quotes_and_comments(tmp_path: Path) -> None:
    rules = _read(
        tmp_path,
        """-- teams
INSERT INTO budgets (service, pages_per_week)
VALUES ('pay%', 2), -- it's theirs
       ('o''neill', 0.5);
""",
    )
    assert rules.budgets == (Budget("pay%", 2), Budget("o'neill", 0.5))
    assert [rules.team(service) for service in ("payments", "o'neill", "cart")] == ["pay%", "o'neill", ""]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("INSERT INTO silence (entity) VALUES ('x');", "1: unknown table 'silence', did you mean silences?"),
        ("\n\nINSERT INTO silences (entty) VALUES ('x');", "3: silences has no column 'entty', did you mean entity?"),
        ("INSERT INTO silences (days) VALUES ('Sunday');", "'Sunday' is no day"),
        ("INSERT INTO silences (hours) VALUES ('8-9');", "'8-9' are no hours"),
        ("INSERT INTO silences (starts) VALUES ('soon');", "'soon' is no time"),
        ("INSERT INTO budgets (service, pages_per_week) VALUES ('x');", "1 values for 2 columns"),
        ("INSERT INTO budgets (service, pages_per_week) VALUES ('x', '2');", "pages_per_week must be a number"),
        ("INSERT INTO budgets (service, pages_per_week) VALUES ('x', -2);", "0 or more"),
        ("INSERT INTO budgets (service, pages_per_week) VALUES ('x', 2;", "VALUES wants rows"),
        ("UPDATE budgets;", "not a rule"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SqlError) as told:
        _read(tmp_path, text)
    assert words in told.value.what


@pytest.mark.parametrize(
    ("silence", "holds"),
    [
        (Silence(), True),
        (Silence(days="Sun"), True),
        (Silence(days="Sat, Mon"), False),
        (Silence(hours="02:00-04:00"), True),
        (Silence(hours="03:01-04:00"), False),
        (Silence(hours="22:00-06:00"), True),
        # three in the night belongs to Saturday's night
        (Silence(hours="22:00-06:00", days="Sat"), True),
        (Silence(hours="22:00-06:00", days="Sun"), False),
        (Silence(starts="2026-03-01T03:00", ends="2026-03-01T03:01"), True),
        (Silence(ends="2026-03-01T03:00"), False),
        (Silence(entity="cart%"), True),
        (Silence(entity="cart"), False),
        (Silence(metric="error%"), False),
        (Silence(environment="prod"), True),
    ],
)
def test_when_a_silence_holds(silence: Silence, holds: bool) -> None:
    assert silence.holds("prod", "cart GET /", "latency_ms_p95", _SUNDAY_3_AM) is holds


def test_the_highest_override_that_matches_holds(tmp_path: Path) -> None:
    text = "INSERT INTO overrides (entity, min_score) VALUES ('cart%', 80), ('%', 60);\n"
    rules = _read(tmp_path, text + "INSERT INTO overrides (width_s, min_score) VALUES (5, 90);")
    assert [rules.min_score("prod", "cart", "x", width) for width in (5, 60)] == [90, 80]
    assert rules.min_score("prod", "shop", "x", 60) == 60
