"""Whether the formats of the user's own are right: each file, and the sample lines in its comments."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from schemas.errors import SqlError
from udfs.formats.user_sql import Definition, read_definition
from udfs.normalise import NormaliseSettings
from udfs.normalise.lines import parse_lines

__all__ = ["FormatsResult", "check_formats", "formats_folder"]

_MOST_TOLD = 10


@dataclass
class FormatsResult:
    """What a check of formats found."""

    mistakes: list[SqlError] = field(default_factory=list)
    definitions: list[Definition] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def formats_folder(sql_dir: Path) -> Path:
    """Where the definitions lie."""
    return Path(sql_dir) / "flink" / "formats"


def check_formats(sql_dir: Path, samples: Path | None = None) -> FormatsResult:
    """Compile every definition and read its sample lines with it.

    Parameters
    ----------
    sql_dir
        Folder that holds `flink/formats/`.
    samples
        File of further lines; each must be read by some format, built in or not.
    """
    result = FormatsResult()
    names: dict[str, Path] = {}
    for path in sorted(formats_folder(sql_dir).glob("*.sql")):
        try:
            definition = read_definition(path)
        except SqlError as error:
            result.mistakes.append(error)
            continue
        name = definition.format.name
        if name in names:
            result.mistakes.append(SqlError(f"{path}:1:1: format '{name}' is also in {names[name].name}", "give it a name of its own"))
            continue
        names[name] = path
        result.definitions.append(definition)
        result.mistakes += _sample_mistakes(definition)
        if not definition.samples:
            result.notes.append(f'{path.name} has no sample: add a comment `-- sample: <a line>` and `-- gives: {{"field": value}}`')
    if samples is not None and not result.mistakes:
        _check_file(samples, result)
    return result


def _sample_mistakes(definition: Definition) -> list[SqlError]:
    """Samples that the format does not take, or that give other fields than they say."""
    if not definition.samples:
        return []
    settings = NormaliseSettings(formats=(definition.format,), redact=False)
    answers = [orjson.loads(answer) for answer in parse_lines([sample.line.encode() for sample in definition.samples], settings)]
    found = []
    for sample, answer in zip(definition.samples, answers, strict=True):
        if problem := _problem(definition.format.name, answer):
            found.append(SqlError(f"{definition.path}:{sample.line_number}:12: {problem}", "mend the pattern or the sample"))
            continue
        for name, wanted in (sample.gives or {}).items():
            got = answer.get(name)
            if not _is_same(wanted, got):
                at = f"{definition.path}:{sample.gives_number}:1"
                found.append(SqlError(f"{at}: the sample gives {name} = {got!r}, not {wanted!r}", "mend the expression or what it gives"))
    return found


def _problem(name: str, answer: dict[str, Any]) -> str:
    if "error" in answer:
        return f"the sample is not read: {answer['error']['reason']}: {answer['error']['detail'][:100]}"
    if answer.get("format") != name:
        return f"the sample is not a line of this format; it is read as {answer.get('format', 'nothing')}"
    return ""


def _is_same(wanted: Any, got: Any) -> bool:
    if wanted in (None, ""):
        return got in (None, "")
    return bool(got == wanted)


def _check_file(samples: Path, result: FormatsResult) -> None:
    try:
        lines = samples.read_bytes().rstrip(b"\n").split(b"\n")
    except OSError as error:
        result.mistakes.append(SqlError(f"cannot read {samples}: {error.strerror}", "name a file of log lines"))
        return
    settings = NormaliseSettings(formats=tuple(d.format for d in result.definitions), redact=False)
    answers = [orjson.loads(answer) for answer in parse_lines(lines, settings)]
    counts = Counter(answer.get("format", "unread" if "error" in answer else "skipped") for answer in answers)
    result.notes.append(f"{samples}: {len(lines)} lines: {', '.join(f'{name} {count}' for name, count in counts.most_common())}")
    unread = [(number, answer["error"]) for number, answer in enumerate(answers, 1) if "error" in answer]
    for number, refusal in unread[:_MOST_TOLD]:
        mend = "see `anomasec parse --explain`"
        result.mistakes.append(SqlError(f"{samples}:{number}:1: not read: {refusal['reason']}: {refusal['detail'][:100]}", mend))
    if len(unread) > _MOST_TOLD:
        result.notes.append(f"{len(unread) - _MOST_TOLD} further lines of {samples} are not read")
