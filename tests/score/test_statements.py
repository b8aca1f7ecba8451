from __future__ import annotations

import doctest
from pathlib import Path

import pytest

from jobs.score import statements as module
from jobs.score.statements import read_statements, split_statements
from schemas.errors import SqlError

_PATH = Path("x.sql")


def test_the_examples_of_the_documentation_are_right() -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_semicolons_in_strings_names_and_comments_do_not_cut() -> None:
    text = "SELECT ';', 'it''s;' -- a; b\n/* c; */ , `d;e`;\nSELECT 2;\n-- the end;\n"
    assert [s.sql.strip() for s in split_statements(text, _PATH)] == ["SELECT ';', 'it''s;' -- a; b\n/* c; */ , `d;e`", "SELECT 2"]


def test_every_word_of_a_statement_keeps_its_line_and_column() -> None:
    text = "-- x\n\nSELECT 1; SELEKT\n   wrong"
    for statement in split_statements(text, _PATH):
        for line, original in zip(statement.text.split("\n"), text.split("\n"), strict=False):
            for word in line.split():
                assert original.find(word) == line.find(word)


def test_a_file_of_comments_has_no_statements() -> None:
    assert list(split_statements("-- nothing;\n/* ; */\n ; ;\n", _PATH)) == []


@pytest.mark.parametrize(("text", "where"), [("SELECT 'a", "1:8"), ("SELECT 1;\n  /* b", "2:3"), ("SELECT `c FROM d", "1:8")])
def test_what_is_opened_and_never_closed_is_told_with_its_place(text: str, where: str) -> None:
    with pytest.raises(SqlError, match=f"x.sql:{where}: .* never closed"):
        list(split_statements(text, _PATH))


def test_names_in_braces_are_filled_and_unknown_ones_are_told(tmp_path: Path) -> None:
    path = tmp_path / "t.sql"
    path.write_text("SELECT '{{ topic }}'{% for k, v in properties.items() %},\n '{{ k }}'{% endfor %};\nSELECT '{{ topik }}';")
    values = {"topic": "points", "properties": {"a": 1, "b": 2}}
    with pytest.raises(SqlError, match=r"t.sql:3:12: unknown name in braces 'topik'; did you mean 'topic'\?"):
        read_statements(path, values)
    path.write_text(path.read_text().replace("topik", "topic"))
    assert [s.sql for s in read_statements(path, values)] == ["SELECT 'points',\n 'a',\n 'b'", "SELECT 'points'"]


def test_an_unreadable_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SqlError, match="cannot read"):
        read_statements(tmp_path / "none.sql")
    (tmp_path / "latin.sql").write_bytes(b"SELECT '\xe9'")
    with pytest.raises(SqlError, match="not UTF-8"):
        read_statements(tmp_path / "latin.sql")
