"""Changes as tools tell them; the samples are cut from the tools' own documentation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.change import CHANGE_KINDS, CHANGE_STATUSES
from tests.udfs.raw_records import raw_records
from udfs.normalise import normalise
from udfs.normalise.lines import parse_lines
from udfs.normalise.settings import NormaliseSettings

_REPOSITORY = {"name": "Hello-World", "html_url": "https://github.com/Codertocat/Hello-World", "pushed_at": 1557933657}
_DEPLOYMENT = {
    "sha": "f95f852bd8fca8fcc58a9a2d6c842781e32a215e", "ref": "master", "task": "deploy", "environment": "production",
    "description": "Deploy it", "creator": {"login": "Codertocat"}, "created_at": "2019-05-15T15:20:53Z",
}  # fmt: skip
_STATUS = {"state": "success", "environment": "production", "created_at": "2019-05-15T15:25:00Z", "target_url": "https://ci/1"}
_EVENT = {
    "kind": "Event", "apiVersion": "v1", "metadata": {"name": "web.17", "namespace": "shop"}, "reason": "ScalingReplicaSet",
    "involvedObject": {"kind": "Deployment", "name": "web", "namespace": "shop"}, "type": "Normal",
    "message": "Scaled up replica set web-5d6 to 5 from 2", "lastTimestamp": "2026-04-12T13:20:00Z",
    "source": {"component": "deployment-controller"},
}  # fmt: skip
_ARGOCD = {
    "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "guestbook"},
    "spec": {"destination": {"namespace": "prod"}, "source": {"repoURL": "https://git/x"}},
    "status": {
        "sync": {"status": "Synced", "revision": "abc"}, "history": [{"revision": "old"}, {"revision": "abc"}],
        "operationState": {"phase": "Succeeded", "finishedAt": "2026-04-12T13:20:00Z", "message": "successfully synced",
                           "syncResult": {"revision": "abc"}},
    },
}  # fmt: skip
_CASES: list[tuple[dict[str, Any], tuple[Any, ...]]] = [
    ({"action": "created", "deployment": _DEPLOYMENT, "repository": _REPOSITORY},
     ("github", "deploy", "started", "Hello-World", "production", _DEPLOYMENT["sha"], "", "Codertocat", "2019-05-15T15:20:53")),
    ({"action": "created", "deployment": {**_DEPLOYMENT, "ref": "v1.2"}, "deployment_status": _STATUS, "repository": _REPOSITORY},
     ("github", "deploy", "succeeded", "Hello-World", "production", "v1.2", "", "Codertocat", "2019-05-15T15:25:00")),
    ({"ref": "refs/heads/main", "before": "aa", "after": "bb", "repository": _REPOSITORY, "pusher": {"name": "me"},
      "head_commit": {"timestamp": "2019-05-15T17:20:41+02:00", "message": "Fix\n\nit"}},
     ("github", "code", "succeeded", "Hello-World", "", "bb", "aa", "me", "2019-05-15T15:20:41")),
    ({"object_kind": "deployment", "status": "failed", "status_changed_at": "2021-04-28 21:50:00 +0200", "environment": "staging",
      "project": {"name": "site"}, "short_sha": "279484c0", "user": {"name": "A", "username": "admin"}, "ref": "main"},
     ("gitlab", "deploy", "failed", "site", "staging", "279484c0", "", "admin", "2021-04-28T19:50:00")),
    ({"object_kind": "pipeline", "object_attributes": {"sha": "bcbb", "before_sha": "aaaa", "status": "success",
      "finished_at": "2016-08-12 15:26:29 UTC"}, "project": {"name": "site"}, "user": {"username": "root"}},
     ("gitlab", "deploy", "succeeded", "site", "", "bcbb", "aaaa", "root", "2016-08-12T15:26:29")),
    (_ARGOCD, ("argocd", "deploy", "succeeded", "guestbook", "prod", "abc", "old", "", "2026-04-12T13:20:00")),
    ({"app": "guestbook", "revision": "abc", "sync_status": "Failed", "timestamp": "2026-04-12T13:20:00Z"},
     ("argocd", "deploy", "failed", "guestbook", "", "abc", "", "", "2026-04-12T13:20:00")),
    (_EVENT, ("kubernetes", "scaling", "succeeded", "web", "shop", "5", "2", "deployment-controller", "2026-04-12T13:20:00")),
    ({"type": "ADDED", "object": _EVENT},
     ("kubernetes", "scaling", "succeeded", "web", "shop", "5", "2", "deployment-controller", "2026-04-12T13:20:00")),
    ({"specversion": "1.0", "type": "dev.cdevents.service.deployed.0.1.1", "source": "/ci/run", "id": "1", "time": "2026-04-12T13:20:00Z",
      "data": {"subject": {"id": "cart", "content": {"environment": {"id": "prod"}, "artifactId": "pkg:oci/cart@1.2"}}}},
     ("cloudevents", "deploy", "succeeded", "cart", "prod", "pkg:oci/cart@1.2", "", "", "2026-04-12T13:20:00")),
    ({"version": "0", "detail-type": "CodeDeploy Deployment State-change Notification", "source": "aws.codedeploy",
      "time": "2016-06-30T22:06:31Z", "resources": ["x"], "detail": {"state": "FAILURE", "application": "myApplication"}},
     ("eventbridge", "deploy", "failed", "myApplication", "", "", "", "", "2016-06-30T22:06:31")),
    ({"_id": "1", "kind": "flag", "name": "New checkout", "date": 1776000000000, "titleVerb": "turned on the flag",
      "member": {"email": "x"},
      "accesses": [{"action": "updateOn", "resource": "proj/default:env/production:flag/checkout"}]},
     ("launchdarkly", "feature_flag", "succeeded", "default", "production", "on", "", "x", "2026-04-12T13:20:00")),
    ({"time": "2026-04-12T13:20:00Z", "kind": "deploy", "service": "cart", "environment": "prod", "version": "1.2", "author": "ann",
      "description": "more speed"}, ("json", "deploy", "succeeded", "cart", "prod", "1.2", "", "ann", "2026-04-12T13:20:00")),
    ({"timestamp": 1776000000, "type": "config-change", "app": "cart", "env": "prod", "from": 5, "to": 9, "user": {"name": "ann"}},
     ("json", "config", "succeeded", "cart", "prod", "9", "5", "ann", "2026-04-12T13:20:00")),
    ({"timestamp": 1776000000, "type": "scale_up", "service": "cart", "replicas": 9},
     ("json", "scaling", "succeeded", "cart", "", "9", "", "", "2026-04-12T13:20:00")),
]  # fmt: skip


def _changes(*values: dict[str, Any]) -> list[dict[str, Any]]:
    out = normalise(raw_records([json.dumps(value).encode() for value in values]))
    assert not out.dead_letters.num_rows, out.dead_letters.to_pylist()
    rows: list[dict[str, Any]] = out.changes.to_pylist()
    return rows


@pytest.mark.parametrize(("value", "wanted"), _CASES, ids=lambda case: case[0] + "-" + case[1] if isinstance(case, tuple) else "")
def test_a_change_is_read_from_what_the_tool_sends(value: dict[str, Any], wanted: tuple[Any, ...]) -> None:
    (change,) = _changes(value)
    names = ("source", "change_kind", "status", "service_name", "environment", "version", "previous_version", "author")
    assert (*(change[name] for name in names), change["time"].isoformat()[:19]) == wanted
    assert change["change_kind"] in CHANGE_KINDS
    assert change["status"] in CHANGE_STATUSES


def test_the_same_message_delivered_twice_is_one_change() -> None:
    value = _CASES[-1][0]
    first, second = _changes(value, value)
    assert first["change_id"] == second["change_id"]
    assert first["offset"] != second["offset"]
    assert _changes({**value, "replicas": 10})[0]["change_id"] != first["change_id"]


def test_a_change_without_a_time_happened_when_it_arrived() -> None:
    flag = {"object_kind": "feature_flag", "project": {"name": "site"}, "object_attributes": {"name": "fast", "active": True}}
    (change,) = _changes(flag)
    assert (change["time"], change["title"], change["version"]) == (change["arrived_at"], "fast on", "true")


def test_what_only_resembles_a_change_stays_an_event() -> None:
    lines: list[dict[str, Any]] = [
        {"time": "2026-04-12T13:20:00Z", "type": "deploy", "level": "info", "message": "deploying"},
        {"time": "2026-04-12T13:20:00Z", "kind": "access", "method": "GET", "path": "/deploy", "status": 200},
        {**_EVENT, "reason": "BackOff"},
        {"specversion": "1.0", "type": "com.example.order.created", "source": "/orders", "message": "an order"},
    ]
    out = normalise(raw_records([json.dumps(line).encode() for line in lines]))
    assert (out.events.num_rows, out.changes.num_rows) == (4, 0)


def test_a_change_with_an_impossible_time_is_a_dead_letter() -> None:
    out = normalise(raw_records([json.dumps({**_CASES[-1][0], "timestamp": "31 February"}).encode()]))
    assert out.dead_letters["reason"].to_pylist() == ["invalid_timestamp"]


def test_secrets_in_titles_are_masked_and_parse_shows_the_change() -> None:
    value = {**_CASES[-1][0], "title": "scale with token=ghp_abcdefghijklmnopqrstuvwxyz0123456789"}
    (answer,) = parse_lines([json.dumps(value).encode()], NormaliseSettings())
    (change,) = json.loads(answer)["changes"]
    assert "ghp_" not in change["title"]
    assert (change["change_kind"], change["source"]) == ("scaling", "json")


def test_malformed_changes_break_nothing() -> None:
    for value, _ in _CASES:
        for key in value:
            for wrong in (None, 3, "x", [], [1], {}, {"a": 1}):
                out = normalise(raw_records([json.dumps({**value, key: wrong}).encode()]))
                assert out.events.num_rows + out.changes.num_rows + out.dead_letters.num_rows == 1
