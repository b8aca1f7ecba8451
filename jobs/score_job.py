"""Job `score`: score in SQL and correlate; points topic to anomalies, incidents and ClickHouse."""

from __future__ import annotations

from jobs.entry import run_job

__all__: list[str] = []

if __name__ == "__main__":
    run_job("score")
