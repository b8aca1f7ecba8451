"""One self-contained HTML page about what the store holds."""

from __future__ import annotations

from jobs.report.page import write_report

__all__ = ["write_report"]
