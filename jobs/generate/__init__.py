"""The load and fault generator: a seeded world of services, its log lines, and the truth about them."""

from __future__ import annotations

from jobs.generate.faults import Fault, default_faults, parse_faults
from jobs.generate.truth import Truth
from jobs.generate.world import Chunk, World, WorldSettings

__all__ = ["Chunk", "Fault", "Truth", "World", "WorldSettings", "default_faults", "parse_faults"]
