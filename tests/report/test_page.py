"""The report over a real store filled with a small made-up world."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from jobs.cli.main import main
from jobs.config import ClickHouseConfig
from jobs.migrate import VIEWS, migrate
from jobs.report import write_report
from jobs.report.page import unit_of
from jobs.sinks.clickhouse import ClickHouseSink
from schemas.errors import AnomasecError
from tests.dashboards.world import rows

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Outline(HTMLParser):
    """Collects ids, links and addresses, and checks that tags are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        self.ids |= {given["id"] or ""} if "id" in given else set()
        self.links += [given["href"] or ""] if "href" in given else []
        self.addresses += [value or "" for key, value in attributes if key in ("src", "srcset", "data", "action", "xlink:href")]

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def filled(store: ClickHouseConfig) -> Iterator[ClickHouseConfig]:
    """A database of its own with the small world in it."""
    config = replace(store, database="report")
    client = config.client(database=None)
    migrate(client, config.database)
    sink = ClickHouseSink(config)
    for name, table in rows().items():
        assert sink.insert(VIEWS[name], table) > 0
    sink.close()
    yield config
    client.command("DROP DATABASE report")
    client.close()


@pytest.fixture(scope="module")
def page(filled: ClickHouseConfig, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    client = filled.client()
    size = write_report(client, path, source="a test")
    client.close()
    assert size == path.stat().st_size
    return path.read_text()


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    return parser


def test_the_page_is_well_formed_and_loads_nothing(page: str) -> None:
    parsed = outline(page)
    assert parsed.open == []
    assert parsed.addresses == []
    assert not re.search(r"https?://|@import|url\(|<script", page)


def test_every_link_leads_to_a_place_on_the_page(page: str) -> None:
    parsed = outline(page)
    assert parsed.links
    assert all(link.startswith("#") and link[1:] in parsed.ids for link in parsed.links)


def test_it_shows_incident_anomaly_routes_waterfall_and_dead_letters(page: str) -> None:
    text = outline(page).text
    made = rows()
    assert made["incidents"].column("summary")[0].as_py() in text
    assert "GET /it's/{odd}" in text or "/it's/{odd}" in text
    assert made["dead_letters"].column("reason")[0].as_py() in text
    assert 'class="mark"' in page
    assert 'class="band"' in page
    assert "waterfall" in page


def test_it_shows_the_budget_what_paged_and_why(page: str) -> None:
    text = " ".join(outline(page).text.split())
    assert "evidence 31.0 of 12.0" in text
    assert "● page" in text
    assert "pay%" in text
    assert "anomasec label" in text


def test_a_time_without_events_is_told(filled: ClickHouseConfig, tmp_path: Path) -> None:
    client = filled.client()
    with pytest.raises(AnomasecError, match="no events"):
        write_report(client, tmp_path / "x.html", start=0, end=1)
    client.close()


def test_the_command_writes_the_part_asked_for(filled: ClickHouseConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOMASEC_CLICKHOUSE_URL", filled.url)
    monkeypatch.setenv("ANOMASEC_CLICKHOUSE_DATABASE", filled.database)
    out = tmp_path / "report.html"
    assert main(["--home", str(tmp_path), "report", "--last", "10min", "--out", str(out)]) == 0
    assert "02 Mar 2026" in out.read_text()


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--from", "noon"], "2026-01-31"),
        (["--last", "a while"], "30min"),
        (["--from", "2026-01-02", "--to", "2026-01-01"], "in that order"),
        (["--store", "/nonexistent"], "no store folder"),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--home", str(tmp_path), "report", *arguments]) in (2, 3)
    error = capsys.readouterr().err
    assert hint in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("metric", "unit"),
    [("request_rate", "/s"), ("error_ratio_backend", "%"), ("latency_ms_p95", "ms"), ("response_bytes_rate", "B/s"), ("queue_length", "")],
)
def test_units_follow_the_names_of_metrics(metric: str, unit: str) -> None:
    assert unit_of(metric) == unit
