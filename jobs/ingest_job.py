"""Job `ingest`: normalise, assemble and measure; raw topic to points topic and ClickHouse."""

from __future__ import annotations

from jobs.entry import run_job

__all__: list[str] = []

if __name__ == "__main__":
    run_job("ingest")
