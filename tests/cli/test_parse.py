from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_COMMAND = [sys.executable, "-c", "import sys; from jobs.cli.main import main; sys.exit(main())", "parse"]
_LINE = b'203.0.113.9 - - [12/Mar/2026:10:11:12 +0000] "GET /a?token=abc HTTP/1.1" 200 5 "-" "curl"\n'


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(_ROOT)}


def _run(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*_COMMAND, *arguments], input=stdin, capture_output=True, env=_environment(), timeout=60, check=False)


def test_lines_become_objects_in_their_order() -> None:
    done = _run(stdin=b"garbage\n\n" + _LINE + b"\xff")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert [answer.get("error", {}).get("reason") for answer in answers] == ["unknown_format", "empty", None, "invalid_utf8"]
    assert answers[2]["url_query"] == "token=abc"
    assert done.stderr == b""


def test_redact_masks_and_map_names_own_keys() -> None:
    done = _run("--redact", "--map", "verb=http_request_method", stdin=_LINE + b'{"verb":"PUT"}\n')
    first, second = [json.loads(line) for line in done.stdout.splitlines()]
    assert first["url_query"] == "token=REDACTED"
    assert second["http_request_method"] == "PUT"


@pytest.mark.parametrize(("mapping", "hint"), [("verb=http_method_x", b"unknown field"), ("verb", b"no KEY=FIELD")])
def test_bad_mapping_is_told_in_one_line(mapping: str, hint: bytes) -> None:
    done = _run("--map", mapping)
    assert done.returncode == 2
    assert hint in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_lines_are_answered_as_they_come() -> None:
    with subprocess.Popen(_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(_LINE + b"half")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["url_path"] == "/a"
        process.stdin.write(b" a line\n")
        process.stdin.close()
        assert "half a line" in json.loads(process.stdout.readline())["error"]["detail"]
        assert process.wait(30) == 0
