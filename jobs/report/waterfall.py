"""The events of one transaction as bars: who called whom, when, for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from jobs.report.axis import format_value, nice_ticks

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


def waterfall(bars: Sequence[Bar]) -> str:
    """Draw the events as a tree: children below their parents, in order of their starts."""
    end = max((bar.start_ms + bar.duration_ms for bar in bars), default=1.0) or 1.0
    ticks = [tick for tick in nice_ticks(end, 5) if tick <= end]
    height = 24 + _ROW * len(bars) + 4
    services = {name: number for number, name in enumerate(dict.fromkeys(bar.service for bar in bars))}
    parts = [f'<svg class="chart waterfall" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="events of one transaction">']
    for tick in ticks:
        x = _x(tick, end)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="20" y2="{height - 4}"/>')
        parts.append(f'<text class="tick" x="{x}" y="14" text-anchor="middle">{escape(format_value(tick, "ms"))}</text>')
    for row, (bar, depth) in enumerate(_tree(bars)):
        y = 24 + row * _ROW
        x, right = _x(bar.start_ms, end), _x(bar.start_ms + bar.duration_ms, end)
        status = f" → {bar.status}" if bar.status else ""
        text = f"{bar.service}  {bar.name}{status}"
        shown = text if len(text) + 2 * depth < 46 else text[: 44 - 2 * depth] + "…"
        what = f"{text}\nstarts after {format_value(bar.start_ms, 'ms')}, takes {format_value(bar.duration_ms, 'ms')}"
        error = " error" if bar.is_error else ""
        parts.append(
            f'<g><title>{escape(what)}</title><text class="name{error}" x="{8 + 16 * depth}" y="{y + 17}">{escape(shown)}</text>'
            f'<rect class="bar c{services[bar.service] % 8}" x="{x}" y="{y + 5}" rx="3"'
            f' width="{max(right - x, 2):.1f}" height="{_ROW - 10}"/>'
            f'<text class="tick{error}" x="{right + 6:.1f}" y="{y + 17}">{escape(format_value(bar.duration_ms, "ms"))}</text></g>'
        )
    return "".join(parts) + "</svg>"


def _x(time_ms: float, end_ms: float) -> float:
    return round(_LEFT + time_ms / end_ms * (_WIDTH - _LEFT - _RIGHT), 1)


def _tree(bars: Sequence[Bar]) -> list[tuple[Bar, int]]:
    """Bars with their depth; what has no known parent is a root, and a circle of parents is broken."""
    known = {bar.span_id for bar in bars if bar.span_id}
    children: dict[str, list[Bar]] = {}
    for bar in sorted(bars, key=lambda bar: bar.start_ms):
        parent = bar.parent_span_id if bar.parent_span_id in known and bar.parent_span_id != bar.span_id else ""
        children.setdefault(parent, []).append(bar)
    ordered: list[tuple[Bar, int]] = []
    seen: set[int] = set()

    def visit(bar: Bar, depth: int) -> None:
        if id(bar) in seen:
            return
        seen.add(id(bar))
        ordered.append((bar, depth))
        for child in children.get(bar.span_id, []) if bar.span_id else []:
            visit(child, depth + 1)

    for root in [*children.get("", []), *bars]:
        visit(root, 0)
    return ordered
