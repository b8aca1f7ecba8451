"""The spine on real parts: exact counts, also over killed processes; the same rows from the same topic; restarts from savepoints."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from jobs.flink_rest import FlinkRest
from jobs.generate.faults import parse_faults
from jobs.generate.world import WorldSettings
from jobs.stack.stack import Stack
from jobs.submit import restart, stop, submit
from schemas.errors import AnomasecError
from tests.e2e.run import Run, expected_counts, kill_under_load, new_run, running_job

pytestmark = pytest.mark.e2e


def _settings(**changes: object) -> WorldSettings:
    return replace(WorldSettings(start_ms=int(time.time() * 1000), lines_per_s=20_000, malformed=0.002), **changes)  # type: ignore[arg-type]


def test_events_transactions_and_dead_letters_are_exactly_what_was_sent_and_a_second_reading_gives_the_same_rows(stack: Stack) -> None:
    first = new_run(stack, "first")
    truths = [
        first.send(_settings(mix=0.3), 60_000, lines_per_message=1, seed=1),
        first.send(_settings(), 60_000, lines_per_message=100, seed=2),
    ]
    with running_job(first, "pipeline"):
        assert first.wait_for_truth(truths) == expected_counts(truths)
        (last_arrival,) = first.query("SELECT max(arrived_at) + INTERVAL 15 SECOND FROM events")[0]
        _wait_for_scores(first, last_arrival)
    second = new_run(stack, "second", raw=first.config.topics.raw)
    with running_job(second, "pipeline"):
        assert second.wait_for_truth(truths) == expected_counts(truths)
        _wait_for_scores(second, last_arrival)
    for view in ("transactions", "events"):
        assert second.query(f"SELECT * FROM {view} ORDER BY ALL") == first.query(f"SELECT * FROM {view} ORDER BY ALL"), view
    for view in ("points", "scores"):
        # windows of silence go on as long as a job runs: compare those up to one moment
        rows = f"SELECT * FROM {view} WHERE emitted_at <= '{last_arrival:%Y-%m-%d %H:%M:%S}' ORDER BY ALL"
        assert second.query(rows) == first.query(rows), view
        assert first.query(rows), view


def test_nothing_is_lost_or_doubled_when_processes_are_killed_under_load(stack: Stack) -> None:
    run = new_run(stack, "killed")
    settings = _settings(lines_per_s=3_000.0)
    truths, counts = kill_under_load(run, settings, 200_000, ("python worker", "store", "taskmanager", "kafka"), pause_s=10)
    assert counts == expected_counts(truths)


def test_score_alone_restarts_from_its_savepoint_with_edited_sql_and_nothing_is_scored_twice_or_skipped(
    stack: Stack, tmp_path: Path
) -> None:
    run = new_run(stack, "tuned", parallelism=1)
    sql_dir = tmp_path / "sql"
    shutil.copytree(run.config.sql_dir, sql_dir)
    run.config = replace(run.config, sql_dir=sql_dir)
    faults = parse_faults("latency_step:payments:0s-30s:x5", 60)
    with running_job(run, "ingest", "score"):
        truths = [run.send(_settings(faults=tuple(faults)), 40_000, seed=4)]
        assert run.wait_for_truth(truths) == expected_counts(truths)
        _wait(lambda: run.query("SELECT count() FROM scores")[0][0] > 0, 60)
        score = sql_dir / "flink" / "score.sql"
        score.write_text(score.read_text() + "\n-- edited\n")
        job_id, savepoint = restart(run.config, "score")
        assert FlinkRest(run.config.flink.rest_url).status(job_id) == "RUNNING"
        truths.append(run.send(_settings(), 40_000, seed=6))
        assert run.wait_for_truth(truths) == expected_counts(truths)
        time.sleep(15)
        missing = run.query(
            "SELECT count() FROM points AS p LEFT ANTI JOIN scores AS s USING (environment, entity_kind, entity, metric, width_s, time)"
            " WHERE p.emitted_at < now() - 12"
        )
        assert missing == [(0,)]
        # a savepoint of the other execution mode would restore without its Python state, and say nothing
        stopped = stop(run.config, "score")
        assert stopped.execution_mode == "process"
        record = next(path for path in (run.config.home / "savepoint-records").iterdir() if stopped.path in path.read_text())
        record.write_text(record.read_text().replace('"process"', '"thread"'))
        with pytest.raises(AnomasecError, match="execution mode 'thread'"):
            submit(run.config, "score", from_savepoint=stopped.path)
        with pytest.raises(AnomasecError, match="there is no savepoint"):
            submit(run.config, "score", from_savepoint=savepoint + "-gone")


def _wait_for_scores(run: Run, moment: datetime) -> None:
    """Until the broker clock has passed the moment, and every point emitted up to it is scored."""
    upto = f"emitted_at <= '{moment:%Y-%m-%d %H:%M:%S}'"

    def is_scored() -> bool:
        ((passed,),) = run.query(f"SELECT count() FROM points WHERE NOT {upto}")
        ((points, scores),) = run.query(f"SELECT (SELECT count() FROM points WHERE {upto}), (SELECT count() FROM scores WHERE {upto})")
        return bool(passed) and points == scores

    _wait(is_scored, 120)


def _wait(condition: object, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.5)
