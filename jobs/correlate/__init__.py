"""Correlate: anomalies close in time and joined by calls become incidents."""

from jobs.correlate.stage import CorrelateOut, on_batch
from jobs.correlate.state import CorrelateState

__all__ = ["CorrelateOut", "CorrelateState", "on_batch"]
