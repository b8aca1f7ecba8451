"""The same stages, bounded, over files: no broker, no cluster, one process."""

from jobs.replay.runner import ReplaySummary, replay

__all__ = ["ReplaySummary", "replay"]
