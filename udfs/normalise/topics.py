"""Lines of topics whose formats the user has named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.parsed import Parsed
from udfs.normalise.detect import read_lines
from udfs.normalise.settings import NormaliseSettings

__all__ = ["read_by_topic"]


def read_by_topic(lines: pa.Array, record: NDArray[Any], topics: pa.ChunkedArray, settings: NormaliseSettings) -> list[Parsed]:
    """Parse the lines of each topic as `settings.topic_formats` says; those of other topics as any format.

    Parameters
    ----------
    lines : large_binary[n]
    record : int64[n], the record of each line
    topics : string[records]

    Cost: nothing where no topic is named; else one pass over the topics, and one call of the parsers for each named topic.
    """
    if not settings.topic_formats:
        return read_lines(lines, settings, record)
    named = list(settings.topic_formats)
    place = pc.index_in(topics, pa.array(named, topics.type)).fill_null(-1).to_numpy()
    of_line: NDArray[Any] = place[record]
    results: list[Parsed] = []
    for topic in np.unique(of_line).tolist():
        rows = np.flatnonzero(of_line == topic)
        text = lines if len(rows) == len(of_line) else lines.take(pa.array(rows))
        only = settings.topic_formats[named[topic]] if topic >= 0 else ()
        found = read_lines(text, limited(settings, only), record[rows])
        for result in found:
            result.line = rows[result.line]
            if only:
                _refuse_others(result, only)
        results += found
    return results


def limited(settings: NormaliseSettings, only: tuple[str, ...]) -> NormaliseSettings:
    """Settings in which of the user's own formats only the named ones are tried."""
    if not only:
        return settings
    return replace(settings, formats=tuple(each for each in settings.formats if each.name in only))


def _refuse_others(result: Parsed, only: tuple[str, ...]) -> None:
    names = result.columns.get("format")
    if names is None or result.metric_columns is not None:
        return
    other = pc.invert(pc.is_in(names, pa.array(only, pa.string()))).fill_null(False)
    result.refuse(other.to_numpy(zero_copy_only=False), "other_format", names)
