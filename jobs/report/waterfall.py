"""The events of one transaction as bars: who called whom, when, for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from jobs.report.axis import format_value, nice_ticks
from jobs.report.inside import Place, Step, look_inside

__all__ = ["Bar", "waterfall"]

_WIDTH, _ROW, _LEFT, _RIGHT = 960, 26, 330, 80


@dataclass(frozen=True)
class Bar:
    """One event."""

    span_id: str
    parent_span_id: str
    service: str
    name: str
    start_ms: float
    """After the transaction's start."""
    duration_ms: float
    status: int | None
    is_error: bool
    span_kind: str = ""
    host: str = ""
    server_address: str = ""
    environment: str = ""
    is_log: bool = False

    @property
    def step(self) -> Step:
        """What tells its place."""
        return Step(
            self.span_id, self.parent_span_id, self.span_kind, self.service, self.host, self.name, self.start_ms, self.duration_ms,
            self.is_error, self.server_address, self.is_log,
        )  # fmt: skip


def waterfall(bars: Sequence[Bar]) -> str:
    """Draw the events as a tree: children below their parents, in order of their starts, by the clock of the root's host.

    The critical path has a frame; what hangs where only times suggest it has a dashed one and a question mark.
    """
    places = look_inside([bar.step for bar in bars])
    starts = [bar.start_ms + place.shift_ms for bar, place in zip(bars, places, strict=True)]
    first = min(starts, default=0.0)
    starts = [start - first for start in starts]
    end = max((start + bar.duration_ms for start, bar in zip(starts, bars, strict=True)), default=1.0) or 1.0
    ticks = [tick for tick in nice_ticks(end, 5) if tick <= end]
    height = 24 + _ROW * len(bars) + 4
    services = {name: number for number, name in enumerate(dict.fromkeys(bar.service for bar in bars))}
    parts = [f'<svg class="chart waterfall" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="events of one transaction">']
    for tick in ticks:
        x = _x(tick, end)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="20" y2="{height - 4}"/>')
        parts.append(f'<text class="tick" x="{x}" y="14" text-anchor="middle">{escape(format_value(tick, "ms"))}</text>')
    several = len({bar.environment for bar in bars}) > 1
    for row, number in enumerate(_in_order(starts, places)):
        bar, place = bars[number], places[number]
        y = 24 + row * _ROW
        x, right = _x(starts[number], end), _x(starts[number] + bar.duration_ms, end)
        status = f" → {bar.status}" if bar.status else ""
        text = f"{'? ' * place.is_inferred}{bar.service}{f' ({bar.environment})' * several}  {bar.name}{status}"
        shown = text if len(text) + 2 * place.depth < 46 else text[: max(44 - 2 * place.depth, 4)] + "…"
        what = "\n".join([text, *_remarks(bar, place, starts[number], bars)])
        error = " error" if bar.is_error else ""
        framed = " inferred" if place.is_inferred else " critical" if place.is_critical else ""
        parts.append(
            f'<g><title>{escape(what)}</title><text class="name{error}" x="{8 + 16 * place.depth}" y="{y + 17}">{escape(shown)}</text>'
            f'<rect class="bar c{services[bar.service] % 8}{framed}" x="{x}" y="{y + 5}" rx="3"'
            f' width="{max(right - x, 2):.1f}" height="{_ROW - 10}"/>'
            f'<text class="tick{error}" x="{right + 6:.1f}" y="{y + 17}">{escape(format_value(bar.duration_ms, "ms"))}</text></g>'
        )
    return "".join(parts) + "</svg>"


def _remarks(bar: Bar, place: Place, start_ms: float, bars: Sequence[Bar]) -> list[str]:
    """What there is to say of an event, a line each."""
    duration = format_value(bar.duration_ms, "ms")
    said = [f"starts after {format_value(start_ms, 'ms')}, takes {duration}, of it {format_value(place.self_ms, 'ms')} of its own"]
    if place.is_critical:
        said.append("on the critical path")
    if place.is_inferred:
        said.append("its caller is inferred from times: no event names it")
    if place.retry_of >= 0:
        said.append(f"made again after the error of {format_value(bars[place.retry_of].start_ms, 'ms')}")
    if place.fan_out > 1:
        said.append(f"{place.fan_out} calls at the same time")
    if place.other_half >= 0:
        said.append(f"the other half of the call: {bars[place.other_half].service}")
    if abs(place.shift_ms) > 0:
        said.append(f"its host's clock is off: {place.shift_ms:+.1f} ms added (logged {bar.start_ms:.1f} ms after the start)")
    return said


def _x(time_ms: float, end_ms: float) -> float:
    return round(_LEFT + time_ms / end_ms * (_WIDTH - _LEFT - _RIGHT), 1)


def _in_order(starts: Sequence[float], places: Sequence[Place]) -> list[int]:
    """Numbers of the events: each followed by its children, in order of their starts."""
    children: dict[int, list[int]] = {}
    for number in sorted(range(len(starts)), key=lambda number: starts[number]):
        children.setdefault(places[number].parent, []).append(number)
    ordered: list[int] = []
    todo = children.get(-1, [])[::-1]
    while todo:
        ordered.append(todo.pop())
        todo += children.get(ordered[-1], [])[::-1]
    return ordered
