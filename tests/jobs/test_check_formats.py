from __future__ import annotations

from pathlib import Path

from jobs.check_formats import check_formats

_GOOD = """CREATE TABLE mine (url_path AS path) WITH ('pattern' = '^mine (?<path>.*)$');
-- sample: mine /a?b=c
-- gives: {"url_path": "/a", "url_query": "b=c"}
"""


def _folder(tmp_path: Path, **files: str) -> Path:
    folder = tmp_path / "flink" / "formats"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / f"{name}.sql").write_text(text)
    return tmp_path


def test_a_right_format_has_no_mistakes(tmp_path: Path) -> None:
    result = check_formats(_folder(tmp_path, mine=_GOOD))
    assert not result.mistakes
    assert [definition.format.name for definition in result.definitions] == ["mine"]


def test_a_sample_that_gives_other_fields_is_told_with_its_line(tmp_path: Path) -> None:
    result = check_formats(_folder(tmp_path, mine=_GOOD.replace('"b=c"', '"b"')))
    assert [str(mistake).split("formats/")[1] for mistake in result.mistakes] == [
        "mine.sql:3:1: the sample gives url_query = 'b=c', not 'b'; mend the expression or what it gives"
    ]


def test_a_sample_that_the_format_does_not_take_is_told(tmp_path: Path) -> None:
    common = '1.2.3.4 - - [07/Feb/2024:01:02:03 +0000] "GET /a HTTP/1.1" 200 5'
    (first, second) = check_formats(_folder(tmp_path, mine=f"{_GOOD}-- sample: yours\n-- sample: {common}\n")).mistakes
    assert "mine.sql:4:12: the sample is not read: unknown_format" in str(first)
    assert "mine.sql:5:12: the sample is not a line of this format; it is read as common" in str(second)


def test_all_files_with_mistakes_are_told_at_once(tmp_path: Path) -> None:
    result = check_formats(_folder(tmp_path, a="CREATE TABLE a (x AS y)", b="nonsense", c=_GOOD, d=_GOOD))
    assert [str(mistake).split("formats/")[1].split(":")[0] for mistake in result.mistakes] == ["a.sql", "b.sql", "d.sql"]


def test_lines_of_a_file_are_counted_by_format_and_unread_ones_are_told(tmp_path: Path) -> None:
    lines = tmp_path / "lines.log"
    lines.write_bytes(b"mine /a\nmine /b\nnobody's\n")
    result = check_formats(_folder(tmp_path, mine=_GOOD), lines)
    assert result.notes[-1].endswith("3 lines: mine 2, unread 1")
    assert [str(mistake) for mistake in result.mistakes] == [
        f'{lines}:3:1: not read: unknown_format: b"nobody\'s"; see `anomasec parse --explain`'.replace('b"', '"')
    ]
