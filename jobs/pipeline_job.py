"""Job `pipeline`: all stages in one job, for a laptop."""

from __future__ import annotations

from jobs.entry import run_job

__all__: list[str] = []

if __name__ == "__main__":
    run_job("pipeline")
