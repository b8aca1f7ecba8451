"""Layouts of the state before version 2: read once, when a job starts from an older savepoint; never written."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from jobs.assemble.rows import ROW
from jobs.assemble.slots import SLOT

__all__ = ["CLOCK", "PREFIX", "ROW_V1", "SLOT_V1", "row_of", "slot_of"]

Records = npt.NDArray[Any]

PREFIX = "v1/"
CLOCK = "v1/clock"
_NEW_IN_ROW = ("via",)
_NEW_IN_SLOT = (
    *("lead_us", "type", "shape", "services", "owner_key", "owner_high", "owner_low", "owner_us"),
    *("p_complete", "moves", "moved", "is_owned", "has_nodes"),
)
ROW_V1 = np.dtype(
    [("caller" if name == "side" else name, ROW[name].str) for name in ROW.names or () if name not in _NEW_IN_ROW], align=True
)
SLOT_V1 = np.dtype([(name, SLOT[name].str) for name in SLOT.names or () if name not in _NEW_IN_SLOT], align=True)


def row_of(old: Records) -> Records:
    """Rows of version 1: which spans were the serving half is not known of them."""
    rows = np.zeros(len(old), ROW)
    for name in ROW_V1.names or ():
        rows["side" if name == "caller" else name] = old[name]
    return rows


def slot_of(old: Records) -> Records:
    """Transactions of version 1: what they look like is learned with their next event."""
    slots = np.zeros(len(old), SLOT)
    for name in SLOT_V1.names or ():
        slots[name] = old[name]
    slots["lead_us"] = np.iinfo(np.int64).max
    slots["p_complete"] = np.nan
    slots["reason"] = np.where(slots["closed_ms"] >= 0, old["reason"], np.where(old["is_whole"] != 0, 0, 1))
    return slots
