"""The top of the command line: help, dispatch, mistakes, exit codes."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from types import ModuleType

import pytest

from jobs.cli import main as cli
from schemas.errors import AnomasecError, StoreError

ROOT = Path(cli.__file__).resolve().parents[2]
COMMANDS = [command for group in cli.COMMANDS.values() for command, _ in group]


@pytest.fixture
def status(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The command `status`, whose `run` a test may replace; the environment is put back after it."""
    for name in ("ANOMASEC_HOME", "ANOMASEC_CONFIG", "ANOMASEC_DEBUG"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return importlib.import_module("jobs.cli.status")


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {command} " in shown for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_keeps_the_convention(command: str) -> None:
    module_name = f"jobs.cli.{command.replace('-', '_')}"
    if importlib.util.find_spec(module_name) is None:
        pytest.skip("not there yet")
    module = importlib.import_module(module_name)
    assert command == module.NAME
    assert module.HELP
    assert "\n" not in module.HELP
    parser = ArgumentParser(prog=f"anomasec {command}")
    module.configure(parser)
    assert "anomasec" in (parser.epilog or ""), "help teaches by examples"


def test_an_unknown_command_gets_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["replya", "x"]) == 2
    assert capsys.readouterr().err == "anomasec: unknown command 'replya'; did you mean `anomasec replay`?\n"


@pytest.mark.parametrize(("error", "code"), [(AnomasecError("a", "b"), 2), (StoreError("a", "b"), 3)])
def test_a_mistake_is_one_line_on_stderr_without_a_traceback(
    error: AnomasecError, code: int, status: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: object) -> int:
        raise error

    monkeypatch.setattr(status, "run", fail)
    assert cli.main(["status"]) == code
    assert capsys.readouterr() == ("", "anomasec: a; b\n")


def test_ctrl_c_is_130(status: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(args: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(status, "run", interrupt)
    assert cli.main(["status"]) == 130


@pytest.mark.parametrize("words", [["--home", "h", "status"], ["status", "--home", "h"], ["--config=c.toml", "--home", "h", "status"]])
def test_global_options_may_stand_before_and_after_the_command(
    words: list[str], status: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "run", lambda args: 0 if args.home == Path("h") else 9)
    assert cli.main(words) == 0


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path) -> None:
    line = f"{sys.executable} -m jobs.cli.main status --config-only | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True)
    assert done.stderr == ""
    assert done.stdout.strip() in ("0", "141")


def test_help_and_mistakes_do_not_wait_for_heavy_imports() -> None:
    code = "import sys; from jobs.cli.main import main; main([]); main(['nope']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    heavy = {"pyflink", "chdb", "polars", "sklearn", "pandas", "pyarrow", "kafka", "clickhouse_connect", "rich"}
    assert not heavy.intersection(done.stdout.splitlines()[-1].split())
