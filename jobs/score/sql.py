"""The scoring SQL as one Flink table: files read, run in order, and packed for the way out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.score.mistakes import told
from jobs.score.statements import Statement, read_statements
from schemas.errors import SqlError
from schemas.point import SCORE
from udfs.registry import MODELS_PARAMETER
from udfs.scorers.pack import PACK_COLUMNS

if TYPE_CHECKING:
    from jobs.config import Config

__all__ = ["GROUP", "VIEW", "build_scores", "check_view", "kafka_values", "read_sql", "score_payloads", "set_models"]

VIEW = "scores"
"""The view that score.sql must create."""

GROUP = "anomasec-score"
"""Consumer group of the points topic."""

_TYPES = {"time_us": "BIGINT", "emitted_ms": "BIGINT"} | {f.name: f.flink for f in SCORE.fields if f.name not in ("time", "emitted_at")}


def read_sql(sql_dir: Path, values: Mapping[str, Any], bounded: bool = False) -> list[Statement]:
    """Statements that make the view `scores`, in the order they are to run.

    Parameters
    ----------
    sql_dir
        Folder that holds `flink/`.
    values
        Fills the names in braces: `path` when bounded, else those of `kafka_values`.
    bounded
        Points from files (points_files.sql) instead of the topic (points.sql).

    Raises
    ------
    SqlError
        See `read_statements`.
    """
    names = ("functions.sql", "points_files.sql" if bounded else "points.sql", "score.sql")
    return [statement for name in names for statement in read_statements(Path(sql_dir) / "flink" / name, values)]


def build_scores(t_env: Any, statements: list[Statement], run: bool = True) -> Any:
    """Run the statements and pack the view `scores`.

    Parameters
    ----------
    t_env
        StreamTableEnvironment.
    statements
        From `read_sql`; the last one makes the view.
    run
        False where the statements were run before.

    Returns
    -------
    pyflink.table.Table
        One column `payload BYTES`: SCORE tables (`schemas.framing`), thousands of rows each. Not yet running.

    Raises
    ------
    SqlError
        File, line, column and a hint.
    """
    for statement in statements if run else ():
        run_statement(t_env, statement)
    check_view(t_env, statements[-1])
    columns = ", ".join(f"`{name}`" for name in PACK_COLUMNS)
    packed = f"SELECT payload FROM (SELECT pack_scores({columns}) AS payload FROM {VIEW}) WHERE payload IS NOT NULL"
    try:
        table = t_env.sql_query(packed)
        table.explain()  # some mistakes are found only by the planner: better now than after the job was submitted
    except Exception as error:  # Flink's exceptions come as one class of py4j's, whatever went wrong
        raise told(error, statements[-1], t_env) from None
    return table


def run_statement(t_env: Any, statement: Statement) -> None:
    """Run one statement; what Flink says against it becomes a SqlError."""
    try:
        t_env.execute_sql(statement.text)
    except Exception as error:
        raise told(error, statement, t_env) from None


def check_view(t_env: Any, statement: Statement) -> None:
    """The view `scores` has the columns of SCORE, by name and type; order does not matter, more columns are ignored."""
    where = f"{statement.path}:{statement.line}:1"
    if VIEW not in t_env.list_temporary_views():
        raise SqlError(f"{where}: no view '{VIEW}' is made here", f"start with CREATE TEMPORARY VIEW {VIEW} AS")
    schema = t_env.from_path(VIEW).get_schema()
    have = {name: _type_name(schema.get_field_data_type(name)) for name in schema.get_field_names()}
    missing = [name for name in PACK_COLUMNS if name not in have]
    if missing:
        raise SqlError(f"{where}: the view '{VIEW}' lacks {', '.join(missing)}", "add it to the last SELECT")
    wrong = [f"{name} is {have[name]}, not {kind}" for name, kind in _TYPES.items() if have[name] != kind]
    if wrong:
        raise SqlError(f"{where}: {'; '.join(wrong)} in the view '{VIEW}'", "use CAST(... AS ...) in the last SELECT")


def _type_name(data_type: Any) -> str:
    name = type(data_type).__name__
    return {"VarCharType": "STRING", "CharType": "STRING", "IntType": "INT", "BigIntType": "BIGINT"}.get(
        name, name.removesuffix("Type").upper()
    )


def kafka_values(config: Config, startup_mode: str = "group-offsets", group: str = GROUP) -> dict[str, Any]:
    """Names in braces of points.sql and raw.sql."""
    return {
        "topic": config.topics.points,
        "group": group,
        "startup_mode": startup_mode,
        "properties": config.kafka.flink_properties(),
    }


def set_models(t_env: Any, folder: Path) -> None:
    """Tell the workers where trained models are; they are read when a worker starts."""
    key = "pipeline.global-job-parameters"
    settings = t_env.get_config()
    # Flink gives back as '{a: b, c: d}' what was set as 'a:b,c:d'
    known = [p.strip().replace(": ", ":", 1) for p in settings.get(key, "").strip("{}").split(",")]
    pairs = [p for p in known if p and not p.startswith(f"{MODELS_PARAMETER}:")]
    # quoted, because a path may hold the characters that separate keys and pairs
    settings.set(key, ",".join([*pairs, f"{MODELS_PARAMETER}:'{Path(folder).resolve()}'"]))


def score_payloads(
    t_env: Any,
    config: Config,
    sql_dir: Path | None = None,
    bounded_path: Path | None = None,
    startup_mode: str = "group-offsets",
) -> Any:
    """Points to scores: the stage `score` as a table of payloads, for `to_data_stream`.

    Parameters
    ----------
    t_env
        StreamTableEnvironment of the job.
    config
        Broker, topics and `home`, whose `models/` holds the trained forest.
    sql_dir
        Default `config.sql_dir`.
    bounded_path
        Folder of files written by `points_to_json_lines`; None = the points topic.
    startup_mode
        Where to begin in the topic without a savepoint.

    Returns
    -------
    pyflink.table.Table
        One column `payload BYTES`.

    Raises
    ------
    SqlError
        A mistake in the SQL, with file, line and column.
    """
    values = {"path": str(bounded_path)} if bounded_path is not None else kafka_values(config, startup_mode)
    set_models(t_env, config.home / "models")
    return build_scores(t_env, read_sql(sql_dir or config.sql_dir, values, bounded=bounded_path is not None))
