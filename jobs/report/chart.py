"""Charts as inline SVG: lines, bands, stacked areas, bars of a waterfall. Colours come from the page's style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

from jobs.report.axis import clock_label, format_value, nice_ticks, time_ticks

__all__ = ["Band", "Mark", "Series", "line_chart", "sparkline"]

_WIDTH, _HEIGHT = 640, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 10, 10, 26
_COLOURS = 8
_HEADROOM = 2.2
"""A band may stretch the axis this far beyond the highest value."""


@dataclass(frozen=True)
class Series:
    """Values over time, in order; None is a gap."""

    name: str
    times: Sequence[float]
    """Epoch seconds."""
    values: Sequence[float | None]
    colour: int = 0


@dataclass(frozen=True)
class Band:
    """What is normal, over time."""

    times: Sequence[float]
    lower: Sequence[float | None]
    upper: Sequence[float | None]
    expected: Sequence[float | None] = field(default_factory=list)


@dataclass(frozen=True)
class Mark:
    """A point to be noticed."""

    time: float
    value: float
    text: str
    """Shown when pointed at."""


@dataclass(frozen=True)
class _Scale:
    start: float
    end: float
    top: float

    def x(self, time: float) -> float:
        return round(_LEFT + (time - self.start) / max(self.end - self.start, 1e-9) * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        share = min(max(value / self.top, 0.0), 1.05)
        return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)


def line_chart(
    series: Sequence[Series],
    *,
    unit: str,
    start: float,
    end: float,
    step_s: float,
    band: Band | None = None,
    marks: Sequence[Mark] = (),
    spans: Sequence[tuple[float, float, str]] = (),
    rail: Sequence[tuple[float, float, str]] = (),
    stacked: bool = False,
    label: str = "",
) -> str:
    """Draw series over time.

    Parameters
    ----------
    unit : '%', 'ms', '/s', 'B' or ''
    start, end : epoch seconds of the left and right edge
    step_s : distance of neighbouring values; a wider one is drawn as a gap
    band : shaded behind the lines, with a dashed line of what was expected
    marks : anomalies
    spans : (from, to, text) shaded over the full height: the incident that the chart is about
    rail : (from, to, text) drawn along the top edge, merged where they overlap: incidents
    stacked : areas on top of each other; all series must have the same times
    """
    shown = _stack(series) if stacked else list(series)
    scale = _Scale(start, end, _top(shown, band))
    ticks = nice_ticks(scale.top)
    scale = _Scale(start, end, ticks[-1])
    parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(label, quote=True)}">']
    parts += _axes(scale, ticks, unit)
    parts += [_block(scale, one, "span", _TOP, _HEIGHT - _TOP - _BOTTOM) for one in spans]
    if band is not None:
        parts += _band(band, scale, step_s)
    if stacked:
        parts += _areas(series, shown, scale, step_s)
    else:
        parts += [_line(one.times, one.values, scale, step_s, f"line c{one.colour % _COLOURS}") for one in shown]
    parts += _hover(series, scale, unit, band, end - start)
    parts += [_block(scale, one, "rail", 1, 5) for one in _merged(rail)]
    radius = 4.5 if len(marks) <= 8 else 3.2
    for mark in marks:
        where = f'cx="{scale.x(mark.time)}" cy="{scale.y(mark.value)}"'
        parts.append(f'<circle class="mark" {where} r="{radius}"><title>{escape(mark.text)}</title></circle>')
    return "".join(parts) + "</svg>"


def sparkline(values: Sequence[float | None]) -> str:
    """Draw a small line without axes; the last value gets a dot."""
    known = [value for value in values if value is not None]
    top = max(known, default=0.0) or 1.0
    width, height = 120, 26
    points = [
        (i / max(len(values) - 1, 1) * (width - 6) + 3, height - 3 - v / top * (height - 6)) for i, v in enumerate(values) if v is not None
    ]
    if not points:
        return ""
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dot = f'<circle class="dot" cx="{points[-1][0]:.1f}" cy="{points[-1][1]:.1f}" r="2"/>'
    return f'<svg class="spark" viewBox="0 0 {width} {height}" aria-hidden="true"><path class="line c0" d="{path}"/>{dot}</svg>'


def _merged(spans: Sequence[tuple[float, float, str]]) -> list[tuple[float, float, str]]:
    merged: list[tuple[float, float, str]] = []
    for begin, finish, text in sorted(spans):
        if merged and begin <= merged[-1][1]:
            last = merged[-1]
            merged[-1] = (last[0], max(last[1], finish), f"{last[2]}\n{text}")
        else:
            merged.append((begin, finish, text))
    return merged


def _block(scale: _Scale, span: tuple[float, float, str], style: str, y: float, height: float) -> str:
    left, right = scale.x(max(span[0], scale.start)), scale.x(min(span[1], scale.end))
    box = f'x="{left}" y="{y}" width="{max(right - left, 3):.1f}" height="{height}"'
    return f'<rect class="{style}" {box}><title>{escape(span[2])}</title></rect>'


def _stack(series: Sequence[Series]) -> list[Series]:
    below = [0.0] * (len(series[0].times) if series else 0)
    stacked = []
    for one in series:
        below = [b + (v or 0.0) for b, v in zip(below, one.values, strict=True)]
        stacked.append(Series(one.name, one.times, below, one.colour))
    return stacked


def _top(series: Sequence[Series], band: Band | None) -> float:
    top = max((value for one in series for value in one.values if value is not None), default=0.0)
    if band is not None:
        highest = max((value for value in band.upper if value is not None), default=0.0)
        top = max(top, min(highest, top * _HEADROOM) if top > 0 else highest)
    return (top or 1.0) * 1.03


def _axes(scale: _Scale, ticks: Sequence[float], unit: str) -> list[str]:
    parts = []
    for value in ticks:
        y = scale.y(value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{escape(format_value(value, unit))}</text>')
    span = scale.end - scale.start
    for time in time_ticks(scale.start, scale.end):
        x = scale.x(time)
        anchor = "end" if x > _WIDTH - 30 else "middle"
        parts.append(f'<text class="tick" x="{x}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{clock_label(time, span)}</text>')
    return parts


def _runs(times: Sequence[float], values: Sequence[float | None], step_s: float) -> list[list[int]]:
    """Indexes of unbroken runs."""
    runs: list[list[int]] = []
    for i, value in enumerate(values):
        if value is None:
            continue
        if runs and runs[-1][-1] == i - 1 and times[i] - times[i - 1] <= 2.5 * step_s:
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs


def _line(times: Sequence[float], values: Sequence[float | None], scale: _Scale, step_s: float, style: str) -> str:
    path = ""
    for run in _runs(times, values, step_s):
        points = [f"{scale.x(times[i])} {scale.y(values[i] or 0.0)}" for i in run]
        path += "M" + "L".join(points if len(points) > 1 else points * 2)
    return f'<path class="{style}" d="{path}"/>' if path else ""


def _band(band: Band, scale: _Scale, step_s: float) -> list[str]:
    known = [None if low is None or high is None else high for low, high in zip(band.lower, band.upper, strict=True)]
    parts = []
    for run in _runs(band.times, known, step_s):
        upper = [f"{scale.x(band.times[i])} {scale.y(band.upper[i] or 0.0)}" for i in run]
        lower = [f"{scale.x(band.times[i])} {scale.y(band.lower[i] or 0.0)}" for i in reversed(run)]
        parts.append(f'<path class="band" d="M{"L".join(upper + lower)}Z"/>')
    if band.expected:
        parts.append(_line(band.times, band.expected, scale, step_s, "expected"))
    return parts


def _areas(series: Sequence[Series], stacked: Sequence[Series], scale: _Scale, step_s: float) -> list[str]:
    parts = []
    floor: Sequence[float | None] = [0.0] * (len(series[0].times) if series else 0)
    for one in stacked:
        for run in _runs(one.times, one.values, step_s):
            upper = [f"{scale.x(one.times[i])} {scale.y(one.values[i] or 0.0)}" for i in run]
            lower = [f"{scale.x(one.times[i])} {scale.y(floor[i] or 0.0)}" for i in reversed(run)]
            parts.append(f'<path class="area c{one.colour % _COLOURS}" d="M{"L".join(upper + lower)}Z"/>')
        floor = one.values
    return parts


def _hover(series: Sequence[Series], scale: _Scale, unit: str, band: Band | None, span_s: float) -> list[str]:
    """Invisible columns, one per time (at most 120), that tell the values there."""
    rows: dict[float, list[str]] = {}
    for one in series:
        for time, value in zip(one.times, one.values, strict=True):
            if value is not None:
                rows.setdefault(time, []).append(f"{one.name}: {format_value(value, unit)}")
    if band is not None:
        for time, low, high in zip(band.times, band.lower, band.upper, strict=True):
            if time in rows and low is not None and high is not None:
                rows[time].append(f"normal: {format_value(low, unit)} to {format_value(high, unit)}")
    times = sorted(rows)
    times = times[:: max(1, -(-len(times) // 120))]
    edges = [scale.x(time) for time in times]
    width = max(min((b - a for a, b in pairwise(edges)), default=8.0), 1.0)
    parts = []
    for time, x in zip(times, edges, strict=True):
        text = escape("\n".join([clock_label(time, min(span_s, 500)), *rows[time]]))
        box = f'x="{x - width / 2:.1f}" y="{_TOP}" width="{width:.1f}" height="{_HEIGHT - _TOP - _BOTTOM}"'
        parts.append(f'<rect class="hover" {box}><title>{text}</title></rect>')
    return parts
