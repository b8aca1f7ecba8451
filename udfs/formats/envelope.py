"""Objects in an envelope: `{"records": [..]}`, as Azure Event Hubs and Kinesis deliver batches.

https://learn.microsoft.com/azure/azure-monitor/platform/resource-logs-schema ("records").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from udfs.formats.json_lines import read_objects
from udfs.formats.parsed import Parsed
from udfs.formats.values.json_bytes import json_bytes

__all__ = ["is_envelope", "read_envelopes"]


def is_envelope(value: dict[str, Any]) -> bool:
    """Whether an object holds nothing but a list of objects named records."""
    if len(value) != 1:
        return False
    records = value.get("records")
    return isinstance(records, list) and bool(records) and set(map(type, records)) == {dict}


def read_envelopes(envelopes: Sequence[dict[str, Any]], line: NDArray[Any], field_mapping: Mapping[str, str]) -> list[Parsed]:
    """Events of the records within; `position` is the place of the record. One that cannot be read is refused alone."""
    records = [record for envelope in envelopes for record in envelope["records"]]
    counts = np.array([len(envelope["records"]) for envelope in envelopes])
    lines = np.repeat(line, counts)
    places = np.arange(len(records)) - np.repeat(np.cumsum(counts) - counts, counts)
    results = read_objects(records, np.arange(len(records)), field_mapping)
    for result in results:
        for row, refusal in result.refused.items():
            result.refused[row] = refusal._replace(original=json_bytes(records[int(result.line[row])]))
        result.position = places[result.line]
        result.line = lines[result.line]
    return results
