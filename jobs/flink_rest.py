"""Flink's REST interface, as far as submit, stop and restart need it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import requests

from schemas.errors import AnomasecError, MissingPart

__all__ = ["FlinkRest", "JobStatus"]

_LIVE = ("RUNNING", "RESTARTING", "CREATED", "INITIALIZING", "FAILING", "CANCELLING", "RECONCILING")


@dataclass(frozen=True)
class JobStatus:
    """One job of the cluster."""

    job_id: str
    name: str
    state: str
    start_ms: int

    @property
    def is_live(self) -> bool:
        """Whether it still runs, or tries to."""
        return self.state in _LIVE


class FlinkRest:
    """A JobManager, by its REST address."""

    def __init__(self, url: str, timeout_s: float = 30) -> None:
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s

    def jobs(self) -> list[JobStatus]:
        """All jobs the cluster remembers, newest first."""
        found = [JobStatus(j["jid"], j["name"], j["state"], j["start-time"]) for j in self.get("/jobs/overview")["jobs"]]
        return sorted(found, key=lambda job: -job.start_ms)

    def find(self, name: str) -> JobStatus | None:
        """The newest live job of that name."""
        return next((job for job in self.jobs() if job.name == name and job.is_live), None)

    def status(self, job_id: str) -> str:
        """State of one job."""
        return str(self.get(f"/jobs/{job_id}")["state"])

    def user_parameters(self, job_id: str) -> dict[str, str]:
        """What the job was submitted with as global parameters."""
        return dict(self.get(f"/jobs/{job_id}/config").get("execution-config", {}).get("user-config", {}))

    def root_exception(self, job_id: str) -> str:
        """The last line of what made the job fail: the Python error where there is one; '' when nothing failed."""
        history = self.get(f"/jobs/{job_id}/exceptions").get("exceptionHistory", {}).get("entries", [])
        return root_cause(history[0]["stacktrace"]) if history else ""

    def running_tasks(self, job_id: str) -> tuple[int, int]:
        """(tasks that run, tasks in all) of a job."""
        counts = [v["tasks"] for v in self.get(f"/jobs/{job_id}")["vertices"]]
        return sum(c["RUNNING"] for c in counts), sum(sum(c.values()) for c in counts)

    def stop(self, job_id: str, savepoint_dir: str, wait_s: float = 300) -> str:
        """Stop with a savepoint; returns where it is.

        Raises
        ------
        AnomasecError
            The savepoint failed; the job goes on.
        """
        trigger = self._call("POST", f"/jobs/{job_id}/stop", {"targetDirectory": savepoint_dir, "drain": False})["request-id"]
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            answer = self.get(f"/jobs/{job_id}/savepoints/{trigger}")
            if answer["status"]["id"] == "COMPLETED":
                operation = answer["operation"]
                if "location" in operation:
                    return str(operation["location"])
                cause = root_cause(str(operation.get("failure-cause", {}).get("stack-trace", "")))
                raise AnomasecError(f"the savepoint failed: {cause}", "the job goes on; look at its checkpoints in the web UI")
            time.sleep(0.3)
        raise AnomasecError(f"no savepoint within {wait_s:.0f} s", "the job may be overloaded; try again, or look at the web UI")

    def cancel(self, job_id: str) -> None:
        """Stop without a savepoint."""
        self._call("PATCH", f"/jobs/{job_id}?mode=cancel", None)

    def get(self, path: str) -> Any:
        """JSON of one address."""
        return self._call("GET", path, None)

    def _call(self, method: str, path: str, body: Any) -> Any:
        try:
            answer = requests.request(method, self.url + path, json=body, timeout=self._timeout_s)
        except requests.RequestException as error:
            raise MissingPart(
                f"Flink does not answer at {self.url}: {type(error).__name__}", "start it with `anomasec up`, or set flink.rest_url"
            ) from None
        if answer.status_code >= 400:
            raise AnomasecError(f"Flink refused {method} {path}: {root_cause(answer.text)[:300]}")
        return answer.json() if answer.content else {}


def root_cause(trace: str) -> str:
    """The line of a Java or Python stack trace that says what went wrong."""
    lines = [line.strip() for line in trace.replace("\\n", "\n").splitlines() if line.strip()]
    causes = [line for line in lines if not line.startswith(("at ", "...", 'File "', "Traceback"))]
    python = [line for line in causes if line.split(":")[0].split(".")[-1].endswith(("Error", "Invalid")) and not _is_java(line)]
    if python:
        return python[-1]
    nested = [line.removeprefix("Caused by: ") for line in causes if line.startswith("Caused by:")]
    return nested[-1] if nested else (causes[0] if causes else trace[:200])


def _is_java(line: str) -> bool:
    return "org.apache" in line or "java." in line or line.startswith("py4j.")
