"""`anomasec catalogue`: what runs where and whose it is; what nobody answers for yet."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from schemas.errors import StoreError

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "catalogue"
HELP = "services and hosts that were seen, with environment, region, cluster, team; --unknown for those without a team"

_EPILOG = """\
examples:
  anomasec catalogue                     every service and host that was seen, with what the catalogue says about it
  anomasec catalogue --unknown           those without environment, service or team, most requests first
  anomasec catalogue --unknown --sql     the same as rows for sql/flink/catalogue.sql, to be filled in
  anomasec catalogue --store ./my-store  a folder that `anomasec replay` filled
"""
_QUERY = """
SELECT environment, region, cluster, service_name, k8s_pod_name, server_address, team, criticality, count() AS events
FROM events
WHERE NOT is_duplicate {condition}
GROUP BY environment, region, cluster, service_name, k8s_pod_name, server_address, team, criticality
ORDER BY events DESC, service_name, k8s_pod_name, server_address
LIMIT 1000
"""
_HEAD = ("environment", "region", "cluster", "service_name", "k8s_pod_name", "server_address", "team", "criticality", "events")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments and examples."""
    parser.description = "List what was seen, as events carry it. The catalogue itself is sql/flink/catalogue.sql."
    parser.epilog = _EPILOG
    parser.add_argument("--unknown", action="store_true", help="only what has no environment, service or team")
    parser.add_argument("--sql", action="store_true", help="print rows for catalogue.sql")
    parser.add_argument("--store", type=Path, metavar="DIR", help="folder of an embedded store, in place of the configured ClickHouse")


def run(args: argparse.Namespace) -> int:
    """Print the list, tab-separated with a head."""
    from jobs.config import load_config
    from jobs.context.store import answer

    config = load_config(args.config, home=args.home)
    if args.store is not None and not (args.store / "data").is_dir():
        raise StoreError(f"{args.store} is no store folder", "name the folder that `anomasec replay --store` or `anomasec up` filled")
    condition = "AND (environment = '' OR service_name = '' OR team = '')" if args.unknown else ""
    rows = answer(_QUERY.replace("{condition}", condition), config, args.store)
    if args.sql:
        sys.stdout.write(_as_sql(rows))
        return 0
    sys.stdout.write("\t".join(_HEAD) + "\n")
    for row in rows:
        sys.stdout.write("\t".join(map(str, row)) + "\n")
    return 0


def _as_sql(rows: list[tuple[object, ...]]) -> str:
    """Rows to be filled in: by service where there is one, else by host."""
    services = dict.fromkeys(str(row[3]) for row in rows if row[3])
    hosts = dict.fromkeys(str(row[4] or row[5]) for row in rows if not row[3] and (row[4] or row[5]))
    quoted = {name: name.replace("'", "''") for name in (*services, *hosts)}
    lines = [f"INSERT INTO catalogue (service, team, criticality) VALUES ('{quoted[name]}', 'TEAM', 'high');" for name in services]
    lines += [
        f"INSERT INTO catalogue (host, environment, service_name) VALUES ('{quoted[name]}', 'ENVIRONMENT', 'SERVICE');" for name in hosts
    ]
    return "".join(line + "\n" for line in lines)
