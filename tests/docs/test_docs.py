"""The prose is held against the code: links, commands, options, folders, knobs and messages exist."""

from __future__ import annotations

import argparse
import importlib
import re
from dataclasses import fields
from pathlib import Path

import pytest

from jobs.cli.main import COMMANDS
from jobs.config import SECTIONS
from jobs.knobs import Knobs

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")) if path.name != "columns.md")
TEXT = {str(path.relative_to(ROOT)): path.read_text() for path in PAGES}
KNOWN = {name for group in COMMANDS.values() for name, _ in group}
SOURCE = re.sub(r'"\s*\n\s*f?"', "", "\n".join(p.read_text() for part in ("jobs", "udfs", "schemas") for p in (ROOT / part).rglob("*.py")))


def _commands(text: str) -> set[tuple[str, str]]:
    """(command, rest of the line) of every `anomasec ...` in code."""
    code = re.findall(r"`([^`\n]+)`", text) + [
        line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()
    ]
    found = [m for line in code for m in re.findall(r"(?<![\w./:-])anomasec +([a-z][a-z-]*)((?: +[^&|;`#]+)?)", line)]
    return {(name, rest.strip()) for name, rest in found}


@pytest.mark.parametrize("page", TEXT)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", TEXT[page]):
        if not target.startswith(("http://", "https://", "#")):
            assert ((ROOT / page).parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("page", TEXT)
def test_commands_exist_with_the_options_that_are_shown(page: str) -> None:
    for name, rest in _commands(TEXT[page]):
        assert name in KNOWN, f"anomasec {name}"
        parser = argparse.ArgumentParser()
        importlib.import_module(f"jobs.cli.{name.replace('-', '_')}").configure(parser)
        known = {option for action in parser._actions for option in action.option_strings}
        known |= {"--config", "--home", "--help"}
        assert set(re.findall(r"(?<!\S)--[a-z-]+", rest)) <= known, f"anomasec {name} {rest}"


def test_the_readme_names_every_command() -> None:
    assert {name for name, _ in _commands(TEXT["README.md"])} >= KNOWN


@pytest.mark.parametrize("page", TEXT)
def test_make_targets_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z0-9-]+)", TEXT[page], re.MULTILINE)) <= targets


def test_every_folder_of_the_repository_is_in_the_readmes_table_and_exists() -> None:
    table = TEXT["README.md"].split("## What each folder holds")[1].split("##")[0]
    named = set(re.findall(r"^\| \[(\w[\w-]*)/\]", table, re.MULTILINE))
    assert all((ROOT / name).is_dir() for name in named)
    assert named == {p.name for p in ROOT.iterdir() if p.is_dir() and p.name[0] != "." and list(p.rglob("*.*"))} - _BY_PRODUCTS


_BY_PRODUCTS = {"build", "dist", "anomasec.egg-info", "__pycache__"}


def test_the_configuration_example_is_one_that_our_reader_accepts(tmp_path: Path) -> None:
    from jobs.config import load_config

    example = re.findall(r"```toml\n(.*?)```", TEXT["README.md"], re.DOTALL)[0]
    (tmp_path / "ca.pem").write_text("")
    (tmp_path / "anomasec.toml").write_text(example)
    config = load_config(tmp_path / "anomasec.toml", {"ANOMASEC_KAFKA_SASL_PASSWORD": "x"})
    assert config.kafka.security_protocol == "SASL_SSL"
    assert config.flink.parallelism == 4


def test_the_rule_of_the_tuning_exercise_is_in_the_file() -> None:
    rule = re.findall(r"```sql\n(.*?)\n```", TEXT["README.md"], re.DOTALL)[0]
    lines = [" ".join(line.split()) for line in (ROOT / "sql" / "flink" / "score.sql").read_text().splitlines()]
    assert " ".join(rule.split()) in lines


@pytest.mark.parametrize("page", TEXT)
def test_files_that_are_named_exist(page: str) -> None:
    # Placeholders and files that come into being later are written with <> or without a folder.
    for path in re.findall(r"`((?:jobs|udfs|schemas|sql|docs|docker|dashboards|tests|flink-conf|requirements)/[\w./-]+)`", TEXT[page]):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", TEXT)
def test_knobs_and_settings_that_are_named_exist(page: str) -> None:
    knobs = {f.name.replace("_", ".", 1) for f in fields(Knobs)}
    settings = {f"{section}_{f.name}".upper() for section, cls in SECTIONS.items() for f in fields(cls)} | {"HOME", "SQL_DIR"}
    assert set(re.findall(r"`anomasec\.([a-z]+\.[a-z_]+)`", TEXT[page])) - {"toml"} <= knobs
    assert set(re.findall(r"\bANOMASEC_([A-Z_]+)=?", TEXT[page])) <= settings
    for section, key in re.findall(r"`\[(\w+)\] (\w+)`", TEXT[page]):
        assert f"{section}_{key}".upper() in settings


def test_messages_that_are_explained_are_messages_of_the_code() -> None:
    table = TEXT["docs/operations.md"].split("## What the messages mean")[1]
    messages = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert len(messages) > 15
    for message in messages:
        pattern = r"[^\n]*?".join(re.escape(part.strip()) for part in message.split("…"))
        assert re.search(pattern, SOURCE), message


def test_every_decision_is_listed_and_has_its_four_parts() -> None:
    index = TEXT["docs/adr/README.md"]
    for path in sorted((ROOT / "docs" / "adr").glob("0*.md")):
        assert f"({path.name})" in index
        text = path.read_text()
        for part in ("**Question.**", "**Decision.**", "**Why", "**Price.**"):
            assert part in text, f"{path.name}: {part}"
