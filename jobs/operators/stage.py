"""What a stateful stage offers, to the Flink operator and to the runner in one process alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import pyarrow as pa

__all__ = ["Output", "Stage", "StageState"]


@dataclass(frozen=True)
class Output:
    """Rows that leave a stage: what they are, and the key partition of the next stage."""

    target: str
    partition: int
    table: pa.Table


class StageState(Protocol):
    """State of one key partition; see docs/architecture.md."""

    def changes(self) -> dict[str, bytes | None]:
        """Segments to put (bytes) or delete (None) since the last call."""
        ...

    def next_deadline_ms(self) -> int | None:
        """When it wants to be called without data; None = only on data."""
        ...


State = TypeVar("State", bound=StageState)


class Stage(Protocol[State]):
    """A stage: pure logic plus what it writes; one object per worker, one state per key partition."""

    def load(self, segments: Mapping[str, bytes]) -> State:
        """State from its segments; {} = fresh."""
        ...

    def on_tick(self, state: State, inputs: Mapping[str, list[pa.Table]], now_ms: int) -> tuple[State, Iterable[Output]]:
        """All rows of one tick by target, `now_ms` = end of the tick."""
        ...
