"""Changes as the tools tell them: webhooks of GitHub, GitLab, Argo CD and LaunchDarkly, Kubernetes events, CloudEvents, plain JSON.

https://docs.github.com/webhooks/webhook-events-and-payloads (deployment, deployment_status, push),
https://docs.gitlab.com/user/project/integrations/webhook_events/ (deployment, pipeline, push, feature_flag),
https://argo-cd.readthedocs.io/en/stable/operator-manual/notifications/ (the application object, and flat templates),
https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/, https://cloudevents.io (with the types of cdevents.dev),
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html, https://launchdarkly.com/docs/integrations/webhooks.
Changes are few: they are read one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.formats.parsed import Parsed
from udfs.formats.values.times import TIMESTAMP, time_us

__all__ = ["CHANGE_SIGNATURES", "Change", "read_changes"]


@dataclass(frozen=True)
class Change:
    """One change as a tool tells it; None and '' = not told."""

    source: str
    kind: str
    time: Any
    service: Any = None
    environment: Any = None
    status: str = "succeeded"
    version: Any = None
    previous: Any = None
    author: Any = None
    title: Any = None
    url: Any = None


def read_changes(objects: list[dict[str, Any]], line: NDArray[Any]) -> tuple[list[Parsed], list[int]]:
    """Changes, and the places of objects that tell none. Cost: about 10 us a change."""
    found: list[Change] = []
    rows: list[int] = []
    left: list[int] = []
    for place, value in enumerate(objects):
        change = _read(value)
        if change is None:
            left.append(place)
        else:
            found.append(change)
            rows.append(place)
    return ([_parsed(found, line[rows])] if found else []), left


def _read(value: dict[str, Any]) -> Change | None:
    for keys, read in _SOURCES:
        if keys <= value.keys():
            change = read(value)
            if change is not None:
                return change
    return None


def _parsed(found: list[Change], line: NDArray[Any]) -> Parsed:
    parsed = Parsed(line)
    bad = np.zeros(len(found), bool)
    times: list[int | None] = []
    for row, change in enumerate(found):
        try:
            times.append(time_us(change.time))
        except (ValueError, OverflowError):
            times.append(None)
            bad[row] = True
    parsed.refuse(bad, "invalid_timestamp", [change.time for change in found])
    names = {"service_name": "service", "change_kind": "kind", "previous_version": "previous"}
    texts = ("environment", "service_name", "change_kind", "status", "version", "previous_version", "author", "title", "url", "source")
    parsed.change_columns = {"time": pa.array(times, pa.int64()).cast(TIMESTAMP)}
    for name in texts:
        values = [_text(getattr(change, names.get(name, name))) for change in found]
        parsed.change_columns[name] = pa.array(values, pa.string())
    return parsed


def _text(value: Any) -> str:
    if value is None or isinstance(value, (dict, list)):
        return ""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _in(value: Any, *path: str) -> Any:
    """What lies at the end of a path of keys; None where it breaks off."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _first(value: dict[str, Any], *keys: str) -> Any:
    return next((value[key] for key in keys if value.get(key) not in (None, "")), None)


def _who(value: Any) -> Any:
    """A person: the name of their account where there is one."""
    return _first(value, "login", "username", "name", "email") if isinstance(value, dict) else value


_STATUSES = {
    **dict.fromkeys(
        ("success", "succeeded", "completed", "complete", "finished", "done", "synced", "ok", "deployed", "passed"), "succeeded"
    ),
    **dict.fromkeys(("failure", "failed", "error", "canceled", "cancelled", "aborted", "degraded", "skipped"), "failed"),
    **dict.fromkeys(
        (
            "pending",
            "in_progress",
            "queued",
            "created",
            "running",
            "started",
            "waiting",
            "scheduled",
            "progressing",
            "waiting_for_resource",
        ),
        "started",
    ),
}


def _status(value: Any, otherwise: str = "succeeded") -> str:
    return _STATUSES.get(str(value).lower().replace("-", "_"), otherwise) if value is not None else otherwise


def _github_deployment(value: dict[str, Any]) -> Change | None:
    deployment, status = value.get("deployment"), value.get("deployment_status")
    if not isinstance(deployment, dict):
        return None
    known = status if isinstance(status, dict) else {}
    return Change(
        "github",
        "rollback" if "rollback" in str(deployment.get("task")).lower() else "deploy",
        _first(known, "updated_at", "created_at") or _first(deployment, "created_at"),
        service=_in(value, "repository", "name"),
        environment=known.get("environment") or deployment.get("environment"),
        status=_status(known.get("state"), "started"),
        version=_first(deployment, "ref") if str(deployment.get("ref", "")).startswith("v") else _first(deployment, "sha", "ref"),
        author=_who(deployment.get("creator")) or _who(value.get("sender")),
        title=known.get("description")
        or deployment.get("description")
        or f"{deployment.get('task') or 'deploy'} {deployment.get('ref') or ''}".strip(),
        url=_first(known, "environment_url", "log_url", "target_url") or _in(value, "repository", "html_url"),
    )


def _push(value: dict[str, Any]) -> Change | None:
    ref = value.get("ref")
    if not isinstance(ref, str) or not isinstance(value.get("repository") or value.get("project"), dict):
        return None
    is_gitlab = "object_kind" in value
    commits = value.get("commits")
    head = value.get("head_commit") or (commits[-1] if isinstance(commits, list) and commits else {})
    place = value.get("project") if is_gitlab else value.get("repository")
    return Change(
        "gitlab" if is_gitlab else "github",
        "code",
        _in(head, "timestamp") or _in(value, "repository", "pushed_at"),
        service=_in(place, "name"),
        version=value.get("after"),
        previous=value.get("before"),
        author=_first(value, "user_username", "user_name") or _who(value.get("pusher")) or _who(value.get("sender")),
        title=f"push to {ref.removeprefix('refs/heads/')}: {str(_in(head, 'message') or '').partition(chr(10))[0]}".removesuffix(": "),
        url=value.get("compare") or _in(head, "url") or _in(place, "web_url"),
    )


def _gitlab(value: dict[str, Any]) -> Change | None:
    kind, attributes = value.get("object_kind"), value.get("object_attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    if kind in ("push", "tag_push"):
        return _push(value)
    known: dict[str, Any] = {
        "source": "gitlab",
        "service": _in(value, "project", "name"),
        "author": _who(value.get("user")),
        "url": _first(value, "deployable_url") or _first(attributes, "url") or _in(value, "project", "web_url"),
    }
    if kind == "deployment":
        return Change(
            **known, kind="deploy", time=value.get("status_changed_at"), environment=value.get("environment"),
            status=_status(value.get("status"), "started"), version=_first(value, "ref") if str(value.get("ref")).startswith("v")
            else _first(value, "short_sha", "ref"), title=value.get("commit_title"),
        )  # fmt: skip
    if kind == "pipeline":
        return Change(
            **known, kind="deploy", time=_first(attributes, "finished_at", "created_at"), version=attributes.get("sha"),
            previous=attributes.get("before_sha"), status=_status(attributes.get("status"), "started"),
            environment=_pipeline_environment(value), title=f"pipeline of {attributes.get('ref')}",
        )  # fmt: skip
    if kind == "feature_flag":
        name, active = attributes.get("name"), attributes.get("active")
        return Change(**known, kind="feature_flag", time=None, version=active, title=f"{name} {'on' if active else 'off'}")
    if kind == "release":
        return Change(
            **known, kind="deploy", time=_first(value, "released_at", "created_at"), version=value.get("tag"), title=value.get("name")
        )
    return None


def _pipeline_environment(value: dict[str, Any]) -> Any:
    builds = value.get("builds")
    names = [_in(build, "environment", "name") for build in builds] if isinstance(builds, list) else []
    return next((name for name in names if name), None)


def _argocd(value: dict[str, Any]) -> Change | None:
    app = value.get("app") if isinstance(value.get("app"), dict) else value
    if _in(app, "metadata", "name") is None or not isinstance(app.get("status"), dict):  # type: ignore[union-attr]
        return None
    operation = _in(app, "status", "operationState")
    history = _in(app, "status", "history")
    earlier = history[-2] if isinstance(history, list) and len(history) > 1 else None
    return Change(
        "argocd",
        "deploy",
        _in(operation, "finishedAt") or _in(operation, "startedAt") or _in(app, "status", "reconciledAt"),
        service=_in(app, "metadata", "name"),
        environment=_in(app, "metadata", "labels", "environment")
        or _in(app, "metadata", "labels", "env")
        or _in(app, "spec", "destination", "namespace"),
        status=_status(_in(operation, "phase")),
        version=_in(operation, "syncResult", "revision") or _in(app, "status", "sync", "revision"),
        previous=_in(earlier, "revision"),
        author=_in(operation, "operation", "initiatedBy", "username"),
        title=_in(operation, "message") or f"sync {_in(app, 'status', 'sync', 'status') or ''}".strip(),
        url=_in(app, "spec", "source", "repoURL"),
    )


def _argocd_flat(value: dict[str, Any]) -> Change | None:
    name = _first(value, "app", "application", "appName")
    if not isinstance(name, str):
        return None
    return Change(
        "argocd",
        "deploy",
        _first(value, "finishedAt", "finished_at", "time", "timestamp", "startedAt"),
        service=name,
        environment=_first(value, "environment", "env", "namespace", "destination"),
        status=_status(_first(value, "phase", "sync_status", "syncStatus", "status", "state")),
        version=value.get("revision"),
        author=_first(value, "author", "initiatedBy", "user"),
        title=_first(value, "message", "title"),
        url=_first(value, "url", "app_url", "repoURL"),
    )


_KUBERNETES = {
    "ScalingReplicaSet": "scaling", "SuccessfulRescale": "scaling", "DeploymentRollback": "rollback", "DeploymentUpdated": "deploy",
    "Scaled": "scaling", "KEDAScaleTargetActivated": "scaling", "KEDAScaleTargetDeactivated": "scaling", "TriggeredScaleUp": "scaling",
    "ScaleDown": "scaling", "RolloutUpdated": "deploy", "RolloutCompleted": "deploy", "RolloutAborted": "rollback",
    "ReconciliationSucceeded": "deploy", "UpgradeSucceeded": "deploy", "RollbackSucceeded": "rollback",
}  # fmt: skip
"""Reasons of events that change something (Deployments, autoscalers, Argo Rollouts, Flux) -> kind. Others are log lines."""


def _kubernetes(value: dict[str, Any]) -> Change | None:
    if "object" in value and isinstance(value["object"], dict):  # as the watch API tells it
        value = value["object"]
    kind = _KUBERNETES.get(str(value.get("reason")))
    item = value.get("involvedObject") or value.get("regarding")
    if kind is None or not isinstance(item, dict):
        return None
    message = str(_first(value, "message", "note") or "")
    sizes = re.search(r"\bto (\d+)(?: from (\d+))?", message) or re.search(r"size: (\d+)()", message)
    return Change(
        "kubernetes",
        kind,
        _first(value, "eventTime", "lastTimestamp", "firstTimestamp", "deprecatedLastTimestamp")
        or _in(value, "metadata", "creationTimestamp"),
        service=_in(item, "labels", "app.kubernetes.io/name") or _in(item, "labels", "app") or item.get("name"),
        environment=item.get("namespace") or _in(value, "metadata", "namespace"),
        version=sizes.group(1) if sizes else None,
        previous=sizes.group(2) if sizes else None,
        author=_first(value, "reportingComponent", "reportingController") or _in(value, "source", "component"),
        title=message or value.get("reason"),
    )


_WORDS: tuple[tuple[str, str], ...] = (
    ("rollback", r"roll(?:ed)?[ _.-]?back"),
    ("feature_flag", r"(?:feature[ _.-]?)?flag|toggle"),
    ("scaling", r"auto[ _-]?scal|\bscal(?:e|ed|ing)\b|rescale|instance launch successful|instance terminate successful"),
    ("config", r"config|parameter store change|secret"),
    ("migration", r"migrat"),
    ("restart", r"restart|reboot"),
    ("deploy", r"deploy|release|rollout|service\.(?:upgraded|published)|task state change"),
)


def _kind_in(text: str) -> str | None:
    lower = text.lower()
    return next((kind for kind, pattern in _WORDS if re.search(pattern, lower)), None)


def _cloud_event(value: dict[str, Any]) -> Change | None:
    name = str(value.get("type"))
    kind = _kind_in(name)
    if kind is None:
        return None
    data = value.get("data") if isinstance(value.get("data"), dict) else {}
    content = _in(data, "subject", "content")  # CDEvents
    inner = {**(content if isinstance(content, dict) else {}), **data}  # type: ignore[dict-item]
    plain = _from_names("cloudevents", kind, {**inner, "time": _first(value, "time") or _first(inner, "time", "timestamp")})
    failed = re.search(r"fail|error", name.lower()) is not None
    return Change(
        **{
            **vars(plain),
            "service": plain.service
            or _in(data, "subject", "id")
            or value.get("subject")
            or str(value.get("source", "")).rpartition("/")[2],
            "status": "failed" if failed else "started" if re.search(r"start|queued", name.lower()) else plain.status,
            "environment": _in(content, "environment", "name") or _in(content, "environment", "id") or plain.environment,
            "version": plain.version or _in(content, "artifactId"),
            "title": plain.title or name,
        }
    )


def _eventbridge(value: dict[str, Any]) -> Change | None:
    name, detail = str(value.get("detail-type")), value.get("detail")
    kind = _kind_in(name)
    if kind is None or not isinstance(detail, dict):
        return None
    plain = _from_names("eventbridge", kind, {**detail, "time": value.get("time")})
    resources = value.get("resources")
    known = str(resources[0]).rpartition("/")[2] if isinstance(resources, list) and resources else None
    service = _first(detail, "application", "serviceName", "AutoScalingGroupName", "name") or plain.service or known
    status = (
        "failed" if "FAILED" in str(detail.get("eventName")) or "FAIL" in str(detail.get("state")).upper() else _status(detail.get("state"))
    )
    return Change(**{**vars(plain), "service": service, "status": status, "title": plain.title or name})


def _launchdarkly(value: dict[str, Any]) -> Change | None:
    accesses = value.get("accesses")
    resource = str(_in(accesses[0], "resource") if isinstance(accesses, list) and accesses else "")
    parts = dict(part.partition("/")[::2] for part in resource.split(":") if "/" in part)
    verb = value.get("titleVerb")
    return Change(
        "launchdarkly",
        "feature_flag",
        value.get("date"),
        service=parts.get("proj"),
        environment=parts.get("env") or None,
        version=_flag_state(verb),
        author=_who(value.get("member")),
        title=_first(value, "shortDescription") or f"{verb or 'changed'} {value.get('name') or parts.get('flag') or ''}".strip(),
        url=_in(value, "_links", "site", "href"),
    )


def _flag_state(verb: Any) -> str | None:
    text = str(verb)
    return "on" if "turned on" in text else "off" if "turned off" in text else None


_PLAIN = {
    **dict.fromkeys(("deploy", "deployment", "deployed", "release", "released", "rollout"), "deploy"),
    **dict.fromkeys(("rollback", "rolledback"), "rollback"),
    **dict.fromkeys(("featureflag", "flag", "toggle", "flagchange", "featureflagchange", "featuretoggle"), "feature_flag"),
    **dict.fromkeys(("config", "configchange", "configuration", "configurationchange", "configupdate"), "config"),
    **dict.fromkeys(("scaling", "scale", "scaled", "scaleup", "scaledown", "autoscale", "autoscaling", "scaleout", "scalein"), "scaling"),
    **dict.fromkeys(("restart", "restarted", "reboot"), "restart"),
    **dict.fromkeys(("migration", "migrate", "schemachange"), "migration"),
}


def _plain(value: dict[str, Any]) -> Change | None:
    if not _LOG_KEYS.isdisjoint(value):
        return None
    for key in _KIND_KEYS:
        word = value.get(key)
        if isinstance(word, str):
            kind = _PLAIN.get(re.sub("[ _.-]", "", word).lower())
            if kind is not None:
                return _from_names("json", kind, value)
    return None


def _from_names(source: str, kind: str, value: dict[str, Any]) -> Change:
    """A change by the names in common use."""
    flag = _first(value, "flag", "flag_key", "flagKey", "feature", "key")
    title = _first(value, "title", "description", "message", "summary", "text", "comment")
    return Change(
        source,
        kind,
        _first(value, "time", "timestamp", "@timestamp", "date", "ts", "occurred_at", "finished_at", "created_at"),
        service=_first(
            value, "service", "service_name", "serviceName", "service.name", "application", "app", "component", "repository", "project"
        ),
        environment=_first(value, "environment", "env", "stage", "deployment_environment", "deployment.environment.name"),
        status=_status(_first(value, "status", "state", "outcome", "result")),
        version=_first(
            value,
            "version",
            "new_version",
            "to_version",
            "to",
            "new_value",
            "value",
            "tag",
            "image",
            "revision",
            "sha",
            "commit",
            "replicas",
            "release",
        ),
        previous=_first(value, "previous_version", "old_version", "from_version", "from", "old_value", "previous", "previous_replicas"),
        author=_who(_first(value, "author", "user", "actor", "by", "deployed_by", "triggered_by", "username", "creator")),
        title=title if title is not None else flag,
        url=_first(value, "url", "link", "html_url", "web_url"),
    )


_LOG_KEYS = frozenset({"level", "severity", "log.level", "levelname", "loglevel"})  # a log line about a change is no change
_KIND_KEYS = ("change_kind", "kind", "change_type", "type", "event_type", "event", "action", "category")
_SOURCES: tuple[tuple[frozenset[str], Callable[[dict[str, Any]], Change | None]], ...] = (
    (frozenset({"deployment", "repository"}), _github_deployment),
    (frozenset({"object_kind"}), _gitlab),
    (frozenset({"ref", "before", "after", "repository"}), _push),
    (frozenset({"specversion", "type", "source"}), _cloud_event),
    (frozenset({"detail-type", "detail"}), _eventbridge),
    (frozenset({"involvedObject", "reason"}), _kubernetes),
    (frozenset({"regarding", "reason"}), _kubernetes),
    (frozenset({"type", "object"}), _kubernetes),
    (frozenset({"accesses", "date"}), _launchdarkly),
    (frozenset({"apiVersion", "metadata", "status"}), _argocd),
    (frozenset({"app", "revision"}), _argocd_flat),
    (frozenset({"application", "revision"}), _argocd_flat),
    (frozenset({"app"}), _argocd),
    *((frozenset({key}), _plain) for key in _KIND_KEYS),
)
CHANGE_SIGNATURES = tuple(keys for keys, _ in _SOURCES)
