"""Measure: requests to points in windows, with the baseline each is to be judged by."""

from jobs.measure.combine import combine
from jobs.measure.stage import MeasureOut, on_batch
from jobs.measure.state import MeasureState

__all__ = ["MeasureOut", "MeasureState", "combine", "on_batch"]
