"""Every mistake in the SQL folder, found without a cluster."""

from __future__ import annotations

import difflib
import importlib
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.budget.rules import read_rules
from jobs.context.settings import CATALOGUE_FILE, ROUTES_FILE, context_mistakes
from jobs.knobs import read_knobs
from jobs.score.local import connector_jars, local_environment
from jobs.score.mistakes import Mistake, read_mistake
from jobs.score.plan import PlanSummary, summarise_plan
from jobs.score.sql import build_scores, check_view
from jobs.score.statements import Statement, read_statements
from schemas.errors import SqlError
from udfs.registry import FUNCTIONS

__all__ = ["CheckResult", "check_sql", "drop_tables", "knob_mistakes"]

_MAX_MISTAKES = 20
_SCORING = ("functions.sql", "points.sql", "score.sql")
_PYTHON_FUNCTION = re.compile(r"\bAS\s+'([^']+)'\s+LANGUAGE\s+PYTHON", re.IGNORECASE)
_BOUNDED = "points_files.sql"


@dataclass
class CheckResult:
    """What a check found."""

    mistakes: list[SqlError] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    plan: PlanSummary | None = None
    """None where a mistake stands in the way."""
    explained: str = ""
    """Flink's own text of the plan."""
    warnings: list[str] = field(default_factory=list)


def check_sql(sql_dir: Path, values: dict[str, Any], jar_dir: Path | None = None) -> CheckResult:
    """Read, run and plan every file of `sql_dir/flink` on a local table environment.

    Parameters
    ----------
    sql_dir
        Folder that holds `flink/`.
    values
        Fills the names in braces, see `jobs.score.sql.kafka_values`.
    jar_dir
        Folder with the Kafka connector. Without it points are planned as read from files: everything but the connector's options
        is checked.

    Raises
    ------
    SqlError
        There is no such folder.

    Notes
    -----
    Cost: about 10 s, most of it the start of the JVM. Nothing is read from or written to a broker or store.
    """
    folder = Path(sql_dir) / "flink"
    if not (folder / "score.sql").is_file():
        raise SqlError(f"no score.sql in {folder}", "name the folder that holds flink/score.sql by --sql-dir")
    result = CheckResult(files=sorted(folder.glob("*.sql")))
    result.mistakes += knob_mistakes(folder / "knobs.sql")
    try:
        read_rules(folder / "budget.sql")
    except SqlError as error:
        result.mistakes.append(error)
    result.mistakes += context_mistakes(folder)
    with tempfile.TemporaryDirectory(prefix="anomasec-check-") as empty:
        filled = {**values, "path": empty}
        t_env = local_environment(jar_dir=jar_dir)
        others = [p for p in result.files if p.name not in (*_SCORING, _BOUNDED, "knobs.sql", "budget.sql", CATALOGUE_FILE, ROUTES_FILE)]
        for path in others:
            _run_file(t_env, path, filled, result)
            drop_tables(t_env)
        _run_file(t_env, folder / _BOUNDED, filled, result)
        if connector_jars(jar_dir):
            t_env.drop_temporary_table("points")
        else:
            result.warnings.append("no Kafka connector in build/jars: the options of points.sql are not checked (make setup fetches it)")
        for name in _SCORING:
            if name != "points.sql" or connector_jars(jar_dir):
                _run_file(t_env, folder / name, filled, result)
        if not any(str(folder) in m.what and "knobs.sql" not in m.what for m in result.mistakes):
            _plan(t_env, folder / "score.sql", filled, result)
    return result


def knob_mistakes(path: Path) -> list[SqlError]:
    """All mistakes of knobs.sql, not only the first."""
    found: list[SqlError] = []
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        return [SqlError(f"cannot read {path}: {error.strerror}", "name a folder with flink/knobs.sql by --sql-dir")]
    with tempfile.TemporaryDirectory(prefix="anomasec-check-") as folder:
        copy = Path(folder) / path.name
        while True:
            copy.write_text("\n".join(lines))
            try:
                read_knobs(copy)
            except SqlError as error:
                found.append(SqlError(error.what.replace(str(copy), str(path)), error.mend))
                line = re.match(re.escape(str(copy)) + r":(\d+)", error.what)
                if line is None:
                    return found
                lines[int(line[1]) - 1] = ""  # out of the way of the next
            else:
                return found


def _run_file(t_env: Any, path: Path, values: dict[str, Any], result: CheckResult) -> None:
    try:
        statements = read_statements(path, values)
    except SqlError as error:
        result.mistakes.append(error)
        return
    for statement in statements:
        found = [*_mistakes(t_env, statement), *_unloadable(statement)]
        result.mistakes += [m.error(statement) for m in sorted(found, key=lambda m: (m.line, m.column))]


def _unloadable(statement: Statement) -> list[Mistake]:
    """A Python function that is not there: Flink itself looks only when the function is called."""
    match = _PYTHON_FUNCTION.search(statement.text)
    if match is None:
        return []
    module_name, _, name = match[1].rpartition(".")
    line = statement.text.count("\n", 0, match.start(1)) + 1
    column = match.start(1) - statement.text.rfind("\n", 0, match.start(1))
    try:
        module = importlib.import_module(module_name)
        getattr(module, name)
    except (ImportError, ValueError) as error:
        return [Mistake(f"cannot load '{match[1]}': {error}", line, column, hint="write AS 'udfs.registry.<name>'")]
    except AttributeError:
        known = list(FUNCTIONS) if module_name == "udfs.registry" else dir(module)
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"{module_name} has: {', '.join(known[:10])}"
        return [Mistake(f"no function '{name}' in {module_name}", line, column, name, near[0] if near else "", hint)]
    return []


def _mistakes(t_env: Any, statement: Statement) -> list[Mistake]:
    """All mistakes of a statement. Flink tells the first; a misspelt name is mended in a copy to find the next."""
    found: list[Mistake] = []
    text = statement.text
    shifts: dict[int, list[tuple[int, int]]] = {}  # line -> (column in the copy, letters longer than the file's from there on)
    while len(found) < _MAX_MISTAKES:
        try:
            t_env.execute_sql(text)
            break
        except Exception as error:  # Flink's exceptions come as one class of py4j's, whatever went wrong
            mistake = read_mistake(error, statement, t_env)
            shift = sum(longer for column, longer in shifts.get(mistake.line, []) if column < mistake.column)
            found.append(Mistake(mistake.what, mistake.line, mistake.column - shift, mistake.unknown, mistake.near, mistake.hint))
            mended = _mend(text, mistake)
            if mended is None:
                break
            text = mended
            shifts.setdefault(mistake.line, []).append((mistake.column, len(mistake.near) - len(mistake.unknown)))
    return found


def _mend(text: str, mistake: Mistake) -> str | None:
    """The statement with the unknown name replaced by the one that was meant, or None."""
    lines = text.split("\n")
    if not mistake.near or mistake.line > len(lines):
        return None
    line = lines[mistake.line - 1]
    start = line.find(mistake.unknown, mistake.column - 1)
    if start < 0:
        return None
    lines[mistake.line - 1] = line[:start] + mistake.near + line[start + len(mistake.unknown) :]
    return "\n".join(lines)


def _plan(t_env: Any, path: Path, values: dict[str, Any], result: CheckResult) -> None:
    statements = read_statements(path, values)
    if not statements:
        result.mistakes.append(SqlError(f"{path}:1:1: the file makes nothing", "it must create the view scores"))
        return
    try:
        check_view(t_env, statements[-1])
        table = build_scores(t_env, statements[-1:], run=False)
    except SqlError as error:
        result.mistakes.append(error)
        return
    result.explained = table.explain()
    result.plan = summarise_plan(result.explained)
    if result.plan.repeated:
        result.mistakes.append(
            SqlError(
                f"{path}: evaluated more than once: {', '.join(result.plan.repeated)}",
                "name the result in one step, use the name in the next",
            )
        )
    if result.plan.stateful:
        result.warnings.append(f"score.sql keeps rows in memory ({', '.join(result.plan.stateful)}): set table.exec.state.ttl or avoid it")


def drop_tables(t_env: Any) -> None:
    """Forget all temporary tables, views and functions."""
    for view in t_env.list_temporary_views():
        t_env.drop_temporary_view(view)
    for table in t_env.list_temporary_tables():
        t_env.drop_temporary_table(table)
    for function in t_env.list_user_defined_functions():
        t_env.drop_temporary_function(function)
