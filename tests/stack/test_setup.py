"""`make setup` tells what the machine lacks in one line, before it fetches anything."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("bash", "awk", "sed", "head", "df", "mkdir", "touch", "dirname")


def machine_with(folder: Path, **commands: str) -> dict[str, str]:
    """Environment in which only the basic tools and these shell scripts can be found."""
    folder.mkdir()
    for tool in set(TOOLS) - set(commands):
        (folder / tool).symlink_to(shutil.which(tool) or tool)
    for name, script in commands.items():
        path = folder / name.replace("python3_11", "python3.11")
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)
    return {"PATH": str(folder)}


def setup(tmp_path: Path, **commands: str) -> subprocess.CompletedProcess[str]:
    clone = tmp_path / "clone"
    clone.mkdir()
    shutil.copy(ROOT / "Makefile", clone)
    env = machine_with(tmp_path / "bin", **commands)
    return subprocess.run(
        [shutil.which("make") or "make", "build/.machine"], cwd=clone, env=env, capture_output=True, text=True, check=False
    )


JAVA_11 = "echo 'openjdk version \"11.0.2\"' >&2"
JAVA_17 = "echo 'openjdk version \"17.0.2\"' >&2"


@pytest.mark.parametrize(
    ("commands", "told"),
    [
        ({}, "there is no Python 3.11"),
        ({"python3_11": "exit 1"}, "there is no Python 3.11"),
        ({"python3_11": "exit 0"}, "there is no Java 17"),
        ({"python3_11": "exit 0", "java": JAVA_11}, "java is Java 11"),
        ({"python3_11": "exit 0", "java": JAVA_17}, "there is no Maven"),
        (
            {"python3_11": "exit 0", "java": JAVA_17, "mvn": ":", "df": "echo; echo d 9 9 77 9%"},
            "only 77 MB are free",
        ),
    ],
)
def test_what_is_missing_is_one_line_with_its_mend(tmp_path: Path, commands: dict[str, str], told: str) -> None:
    done = setup(tmp_path, **commands)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert done.returncode != 0
    assert len(lines) == 1
    assert lines[0].startswith("anomasec: ")
    assert told in lines[0]
    assert ";" in lines[0]


def test_a_machine_that_has_all_passes(tmp_path: Path) -> None:
    done = setup(tmp_path, python3_11="exit 0", java=JAVA_17, mvn=":")
    assert done.returncode == 0, done.stderr


def test_the_locks_name_no_host_and_pin_every_package_by_hash() -> None:
    for name in ("build.txt", "lock.txt"):
        text = (ROOT / "requirements" / name).read_text()
        assert "://" not in text
        pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert pins
        assert all("==" in pin and pin.endswith("\\") for pin in pins)


def test_ci_can_run_what_it_runs() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
