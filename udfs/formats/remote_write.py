"""Prometheus remote write, version 1, as collectors put its requests on Kafka: protobuf in Snappy's block format.

https://prometheus.io/docs/specs/prw/remote_write_spec/: WriteRequest{1: TimeSeries{1: Label{1: name, 2: value},
2: Sample{1: value (double), 2: timestamp (int64, ms)}}}.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from udfs.formats.metric_objects import Series, metric_points, prometheus_series
from udfs.formats.parsed import Parsed
from udfs.formats.values.protobuf_fields import fields_of, varints

__all__ = ["Sample", "read_remote_write", "read_samples"]

_SERIES, _LABEL, _SAMPLE = 0x0A, 0x0A, 0x12
_NAME, _VALUE = 0x0A, 0x12
_DOUBLE, _TIME = 0x09, 0x10
_LONGEST = 64 << 20
_MOST_PACKED = 64  # Snappy packs 64 bytes into 3 at best: a higher claim is none of its own
_CODEC = pa.Codec("snappy")


class Sample(NamedTuple):
    """One value of one series."""

    labels: tuple[tuple[str, str], ...]
    value: float
    time_ms: int


def read_remote_write(record: bytes) -> list[Sample] | None:
    """The samples of a request; None where the bytes are none.

    Cost: about 10 us a series.
    """
    try:
        size = int(varints(np.frombuffer(record[:10] + bytes(10), np.uint8), np.zeros(1, np.int64))[0])
        if not 0 < size <= min(_LONGEST, len(record) * _MOST_PACKED):
            return None
        message = _CODEC.decompress(record, decompressed_size=size, asbytes=True)
    except (OSError, pa.ArrowInvalid):
        return None
    samples: list[Sample] = []
    for tag, start, end in fields_of(message, 0, len(message)) or [(0, 0, 0)]:
        if tag == _SERIES:
            found = _series(message, start, end)
            if found is None:
                return None
            samples += found
        elif tag != 0x1A:  # metadata
            return None
    return samples


def _series(message: bytes, start: int, end: int) -> list[Sample] | None:
    labels: list[tuple[str, str]] = []
    points: list[tuple[float, int]] = []
    for tag, begin, stop in fields_of(message, start, end) or [(0, 0, 0)]:
        inner = {kind: message[at:to] for kind, at, to in fields_of(message, begin, stop) or ()} if tag in (_LABEL, _SAMPLE) else {}
        if tag == _LABEL:
            labels.append((inner.get(_NAME, b"").decode(errors="replace"), inner.get(_VALUE, b"").decode(errors="replace")))
        elif tag == _SAMPLE:
            value = float(np.frombuffer(inner[_DOUBLE], "<f8")[0]) if _DOUBLE in inner else 0.0
            time = inner.get(_TIME, b"\0")
            points.append((value, int(varints(np.frombuffer(time + b"\0", np.uint8), np.zeros(1, np.int64))[0])))
        elif tag == 0:
            return None
    return [Sample(tuple(sorted(labels)), value, time_ms) for value, time_ms in points]


def read_samples(requests: list[list[Sample]], line: NDArray[Any]) -> list[Parsed]:
    """Metric points of requests; stale markers (NaN) say nothing. `position` counts the samples of a request."""
    lines: list[int] = []
    places: list[int] = []
    series: list[Series] = []
    values: list[float] = []
    times: list[int] = []
    for samples, index in zip(requests, line.tolist(), strict=True):
        for place, sample in enumerate(s for s in samples if np.isfinite(s.value)):
            name = dict(sample.labels).get("__name__", "")
            lines.append(index)
            places.append(place)
            series.append(prometheus_series(name, sample.labels))
            values.append(sample.value)
            times.append(sample.time_ms)
    if not lines:
        return []
    parsed = metric_points(np.array(lines, np.int64), series, values, times, ["prometheus"] * len(lines))
    parsed.position = np.array(places, np.int64)
    return [parsed]
