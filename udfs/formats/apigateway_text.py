r"""Amazon API Gateway access logs in the CSV and XML forms of its documentation (its CLF form is read as a common log).

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html ("Examples of CloudWatch log formats for API Gateway"):
CSV: ip,caller,user,requestTime,httpMethod,resourcePath,protocol,status,responseLength,requestId; XML: <request id="..">.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from udfs.formats.access_lines import start_access
from udfs.formats.cuts import logged, match_lines
from udfs.formats.parsed import Parsed
from udfs.formats.values.addresses import read_addresses
from udfs.formats.values.targets import Target, read_targets
from udfs.formats.values.times import read_clf_times

__all__ = ["looks_like", "parse"]

_TIME = r"\d{1,2}/[A-Za-z]{3}/\d{4}:[0-9: +-]+"
_HINT = rf"^(?:[0-9A-Fa-f.:]+,[^,]*,[^,]*,{_TIME},|<request id=\")"
_CSV = (
    rf"^(?P<client>[0-9A-Fa-f.:]+),[^,]*,(?P<user>[^,]*),(?P<time>{_TIME}),(?P<method>[^,]*),(?P<target>.*),(?P<protocol>[^,]*)"
    r",(?P<status>\d{3}|-),(?P<size>\d{1,18}|-),(?P<request_id>[^,]+)(?:,[^,]*)?$"
)
_XML = (
    rf"^<request id=\"(?P<request_id>[^\"]*)\"> ?<ip>(?P<client>[^<]*)</ip> ?<caller>[^<]*</caller> ?<user>(?P<user>[^<]*)</user>"
    rf" ?<requestTime>(?P<time>{_TIME})</requestTime> ?<httpMethod>(?P<method>[^<]*)</httpMethod> ?<resourcePath>(?P<target>[^<]*)"
    r"</resourcePath> ?<status>(?P<status>\d{3}|-)</status> ?<protocol>(?P<protocol>[^<]*)</protocol>"
    r" ?<responseLength>(?P<size>\d{1,18}|-)</responseLength> ?</request>$"
)


def looks_like(lines: pa.Array) -> pa.Array:
    """Whether a line starts with address, two values and a date between commas, or as the XML element."""
    return pc.match_substring_regex(lines, _HINT)


def parse(lines: pa.Array, index: NDArray[Any]) -> tuple[Parsed, NDArray[Any]]:
    """Access events of lines, and which lines (bool[n]) were of the format at all. Cost: 4 us a line."""
    is_xml = pc.starts_with(lines, "<").to_numpy(zero_copy_only=False)
    taken = np.zeros(len(lines), bool)
    found: list[dict[str, pa.Array]] = []
    order: list[NDArray[Any]] = []
    for rows, pattern in ((np.flatnonzero(is_xml), _XML), (np.flatnonzero(~is_xml), _CSV)):
        fields, matched = match_lines(lines.take(pa.array(rows)), pattern)
        taken[rows[matched]] = True
        order.append(rows[matched])
        found.append(fields)
    fields = {name: pa.concat_arrays([part[name] for part in found]) for name in found[0]}
    parts = read_targets(logged(fields["target"]))
    parsed = start_access(
        index[np.concatenate(order)],
        "aws_apigateway",
        target=Target(logged(fields["method"]), parts.path, parts.query, parts.host),
        status=fields["status"],
        size=fields["size"],
        time=(*read_clf_times(fields["time"]), fields["time"]),
    )
    columns = parsed.columns
    columns["client_address"] = read_addresses(logged(fields["client"]))
    columns["user_id"] = logged(fields["user"])
    columns["request_id"] = logged(fields["request_id"])
    return parsed, taken
