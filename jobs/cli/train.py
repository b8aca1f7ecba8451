"""`anomasec train`: the isolation forest, from stored points."""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path

from schemas.errors import AnomasecError

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "train"
HELP = "train the isolation forest from what is stored"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments and examples."""
    parser.description = """\
Trains scikit-learn's IsolationForest on the stored points that have a baseline, and makes it the current model.

One forest serves all series: its features have no units. The model is written to HOME/models (forest-<version>.joblib and .json),
`current` names it. Workers load it when they start: restart the job `score` to use a new one. Without a model the forest's
score is null and the verdict rests on deviation_score alone."""
    parser.epilog = """\
examples:
  anomasec train                         points of the running store
  anomasec train --store out/            points of a replay
  anomasec train --since 2026-01-01      leave out what is older
  anomasec train && anomasec restart score"""
    parser.add_argument("--store", type=Path, metavar="DIR", help="store of a replay (default: the configured ClickHouse)")
    parser.add_argument("--models", type=Path, metavar="DIR", help="where models are kept (default: HOME/models)")
    parser.add_argument("--rows", type=int, default=1_000_000, help="most points to train on (default: 1000000)")
    parser.add_argument("--trees", type=int, default=100, help="trees of the forest; more = steadier, slower (default: 100)")
    parser.add_argument("--since", metavar="TIME", help="leave out points before this ISO 8601 time (UTC)")


def run(args: argparse.Namespace) -> int:
    """Train; prints what the model rests on."""
    from jobs.config import load_config
    from jobs.train import train

    config = load_config(args.config, home=args.home)
    folder = args.models or config.home / "models"
    since = _time(args.since)
    if args.store is not None:
        from jobs.stack.store.embedded import open_store

        if not args.store.is_dir():
            raise AnomasecError(f"no such store: {args.store}", "name the folder given to `anomasec replay --store`")
        with open_store(args.store, config.clickhouse.database) as client:
            card = train(client, folder, args.rows, args.trees, since)
    else:
        card = train(config.clickhouse.client(), folder, args.rows, args.trees, since)
    print(f"model     {folder / card.version}.joblib")
    print(f"rows      {card.rows:,}")
    print(f"range     {card.trained_from} .. {card.trained_to}")
    print(f"checksum  sha256:{card.checksum}")
    return 0


def _time(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        raise AnomasecError(f"--since '{text}' is no time", "write it like 2026-01-31 or 2026-01-31T12:00") from None
    return time if time.tzinfo else time.replace(tzinfo=dt.UTC)
