"""Ticks and labels of axes: round numbers, round times."""

from __future__ import annotations

import math
from datetime import UTC, datetime

__all__ = ["clock_label", "format_value", "nice_ticks", "time_ticks"]

_TIME_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000)


_NOTHING = 1e-9
"""Smaller values are drawn as 0."""


def nice_ticks(top: float, count: int = 4) -> list[float]:
    """Round numbers from 0 to at least `top`, about `count` steps.

    >>> nice_ticks(87.0)
    [0.0, 25.0, 50.0, 75.0, 100.0]
    """
    if not math.isfinite(top) or top < _NOTHING:
        return [0.0, 1.0]
    rough = top / count
    magnitude: float = 10.0 ** math.floor(math.log10(rough))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= rough * 0.999)
    return [round(i * step, 12) for i in range(math.ceil(top / step - 1e-9) + 1)]


def time_ticks(start_s: float, end_s: float, count: int = 6) -> list[float]:
    """Round times within the span, at most about `count`."""
    rough = max(end_s - start_s, 1e-9) / count
    step = next((s for s in _TIME_STEPS_S if s >= rough), _TIME_STEPS_S[-1])
    first = math.ceil(start_s / step) * step
    return [first + i * step for i in range(int((end_s - first) // step) + 1)]


def clock_label(epoch_s: float, span_s: float) -> str:
    """A time as short as the span allows: with seconds below ten minutes, with the day from a day on; UTC."""
    style = "%H:%M:%S" if span_s < 600 else "%H:%M" if span_s < 2 * 86_400 else "%d %b %H:%M" if span_s < 10 * 86_400 else "%d %b"
    return datetime.fromtimestamp(epoch_s, UTC).strftime(style)


def format_value(value: float | None, unit: str = "") -> str:
    """A number for people, in its unit: '%' (a ratio), 'ms', '/s', 'B' or ''.

    >>> format_value(0.0312, "%"), format_value(1532.0, "ms"), format_value(48213.0)
    ('3.1 %', '1.53 s', '48.2 k')
    """
    if value is None or not math.isfinite(value):
        return "–"
    if unit == "%":
        return f"{_round(value * 100)} %"
    if unit == "ms":
        return f"{_round(value / 1000)} s" if abs(value) >= 1000 else f"{_round(value)} ms"
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{_round(value / (1e3 if letter == 'k' else limit))} {letter}{unit}".strip()
    return f"{_round(value)}{' ' if unit else ''}{unit}"


def _round(value: float) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
