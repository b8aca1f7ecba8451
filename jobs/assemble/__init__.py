"""Assemble: events to transactions."""

from jobs.assemble.core import AssembleOut, on_batch
from jobs.assemble.state import AssembleState

__all__ = ["AssembleOut", "AssembleState", "on_batch"]
