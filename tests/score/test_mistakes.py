from __future__ import annotations

from jobs.score.mistakes import root_cause


def test_the_exception_of_a_worker_is_what_is_told() -> None:
    text = "\n".join(
        (
            "An error occurred while calling o1.hasNext.",
            ": java.lang.RuntimeException: Failed to fetch next result",
            "\tat org.apache.flink.Some.method(Some.java:1)",
            "Caused by: org.apache.flink.runtime.JobException: Recovery is suppressed",
            "Caused by: java.lang.RuntimeException: Error received from SDK harness for instruction 1: Traceback (most recent call last):",
            '  File "udfs/scorers/mine.py", line 3, in mine',
            "    raise ValueError",
            "ValueError: boom",
            "",
        )
    )
    assert root_cause(text) == "ValueError: boom"


def test_without_a_workers_exception_the_last_cause_is_told() -> None:
    text = ": java.lang.RuntimeException: a\nCaused by: java.io.IOException: b\nCaused by: java.net.ConnectException: refused\n\tat x"
    assert root_cause(text) == "refused"
    assert root_cause("only this") == "only this"
    assert root_cause("") == "?"
