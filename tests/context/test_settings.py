from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from jobs.context.rows import read_rows, write_rows
from jobs.context.settings import read_context
from jobs.knobs import Knobs
from schemas.errors import AnomasecError
from tests.udfs.raw_records import raw_records
from udfs.normalise import NormaliseSettings, normalise
from udfs.normalise.catalogue import Catalogue, CatalogueRow
from udfs.normalise.enrich import Context
from udfs.normalise.route_table import RouteRow, RouteTable

_CATALOGUE = """-- a comment with a ' in it
INSERT INTO catalogue (host, environment, region, cluster) VALUES ('web-%', 'prod', 'eu-west-1', 'eu-1');
INSERT INTO catalogue (path, service_name) VALUES ('/v1/payments%', 'payments'), ('%it''s%', 'odd');
INSERT INTO catalogue (service, team, criticality) VALUES ('pay%', 'money', 'high');
INSERT INTO catalogue (topic, environment) VALUES ('raw', 'staging');
"""


def _catalogue(tmp_path: Path, text: str) -> tuple[CatalogueRow, ...]:
    path = tmp_path / "catalogue.sql"
    path.write_text(text)
    return read_rows(path, "catalogue", CatalogueRow)


def test_catalogue_fills_what_the_log_does_not_say(tmp_path: Path) -> None:
    settings = NormaliseSettings(context=Context(catalogue=Catalogue(_catalogue(tmp_path, _CATALOGUE))))
    lines = [
        b'{"method":"GET","path":"/v1/payments/7","k8s_pod_name":"web-1"}',
        b'{"method":"GET","path":"/v1/payments/7","k8s_pod_name":"web-1","environment":"dev","service":"shop"}',
        b'{"method":"GET","path":"/other"}',
    ]
    events = normalise(raw_records(lines), settings).events.to_pylist()
    names = ("environment", "region", "cluster", "service_name", "team", "criticality")
    said = [tuple(event[name] or "" for name in names) for event in events]
    topic = events[2]["topic"]
    assert said[0] == ("prod", "eu-west-1", "eu-1", "payments", "money", "high")
    assert said[1] == ("dev", "eu-west-1", "eu-1", "shop", "", "")
    assert said[2] == ("staging" if topic == "raw" else "", "", "", "", "", "")


def test_catalogue_does_not_depend_on_the_events_beside_an_event(tmp_path: Path) -> None:
    catalogue = Catalogue(_catalogue(tmp_path, _CATALOGUE))
    paths, pods = ["/v1/payments/1", "/a", None, "/v1/payments/2"], ["web-1", None, "web-2", "db-1"]

    def fill(rows: range) -> list[tuple[object, ...]]:
        columns = {
            "url_path": pa.array([paths[i] for i in rows], pa.string()),
            "k8s_pod_name": pa.array([pods[i] for i in rows], pa.string()),
        }
        catalogue.fill(columns, len(rows))
        empty = [None] * len(rows)
        return list(zip(*(columns[n].to_pylist() if n in columns else empty for n in ("environment", "service_name", "team")), strict=True))

    assert fill(range(4)) == [fill(range(i, i + 1))[0] for i in range(4)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("INSERT INTO catalog (host, team) VALUES ('a', 'b');", "unknown table"),
        ("\nINSERT INTO catalogue (hots, team) VALUES ('a', 'b');", ":2: catalogue has no column 'hots', did you mean host?"),
        ("INSERT INTO catalogue (host, team) VALUES ('a');", "1 values for 2 columns"),
        ("INSERT INTO catalogue (host) VALUES ('a');", "says nothing"),
        ("INSERT INTO catalogue (host, team) VALUES ('a', 7);", "texts in single quotes"),
        ("DROP TABLE x;", "not a row"),
    ],
)
def test_a_mistake_in_the_catalogue_is_told_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(AnomasecError) as error:
        _catalogue(tmp_path, text)
    assert says in str(error.value)
    assert "catalogue.sql:" in str(error.value)


def test_rows_written_are_read_again(tmp_path: Path) -> None:
    rows = (RouteRow("/a/{id}", "it's", "GET"), RouteRow("/b", "", "", "learned"))
    path = tmp_path / "routes.sql"
    path.write_text(write_rows("routes", rows, ("service", "method", "route", "source")))
    assert read_rows(path, "routes", RouteRow) == rows


@pytest.mark.parametrize(
    ("path", "service", "route"),
    [
        ("/v1/shelves/fiction/books/dune", "shop", "/v1/shelves/{shelf}/books/{book}"),
        ("/v1/shelves/fiction/books/latest", "shop", "/v1/shelves/{shelf}/books/latest"),
        ("/v1/shelves/fiction/books/latest", "other", None),
        ("/health", "other", "/health"),
        ("/v1/shelves//books/dune", "shop", None),
        ("", "shop", None),
        (None, "shop", None),
    ],
)
def test_known_route_of_a_path(path: str | None, service: str, route: str | None) -> None:
    table = RouteTable(
        (RouteRow("/v1/shelves/{shelf}/books/{book}", "shop"), RouteRow("/v1/shelves/{shelf}/books/latest", "shop"), RouteRow("/health"))
    )
    assert table.find(pa.array([path], pa.string()), pa.array([service])).to_pylist() == [route]


def test_known_routes_name_the_route_of_events_and_logged_ones_go_before() -> None:
    settings = NormaliseSettings(context=Context(routes=RouteTable((RouteRow("/shelves/{shelf}"),))))
    lines = [
        b'{"method":"GET","path":"/shelves/fiction"}',
        b'{"method":"GET","path":"/shelves/fiction","route":"/s/*"}',
        b'{"method":"GET","path":"/x/7"}',
    ]
    assert normalise(raw_records(lines), settings).events["http_route"].to_pylist() == ["/shelves/{shelf}", "/s/*", "/x/{id}"]


@pytest.mark.parametrize(
    ("knobs", "says"),
    [
        (Knobs(normalise_national_ids=("xx",)), "unknown 'xx'"),
        (Knobs(normalise_trusted_proxies=("10.0.0.0/99",)), "is no network"),
        (Knobs(normalise_pseudonyms=("user",)), "unknown 'user'"),
        (Knobs(normalise_pseudonyms=("user_id",)), "wants a key"),
    ],
)
def test_knobs_that_cannot_be_are_refused(knobs: Knobs, says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AnomasecError) as error:
        read_context(knobs)
    assert says in str(error.value)


def test_key_of_pseudonyms_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANOMASEC_PRIVACY_PSEUDONYM_KEY", "k1")
    assert read_context(Knobs(normalise_pseudonyms=("user_id",))).pseudonyms.key == b"k1"
