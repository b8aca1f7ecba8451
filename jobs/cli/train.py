"""`anomasec train`: the isolation forest, from stored points."""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path

from schemas.errors import AnomasecError
from udfs.scorers.forest_model import ModelCard, current_version, list_models, promote

__all__ = ["HELP", "NAME", "configure", "run"]

NAME = "train"
HELP = "train the isolation forest from what is stored"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments and examples."""
    parser.description = """\
Trains scikit-learn's IsolationForest on the stored points that have a baseline. It becomes the current model if it does no worse than
that on the newest fifth of the points, some of them moved far off (planted_auc). Models that were trained before are kept.

One forest serves all series: its features have no units. The model is written to HOME/models (forest-<version>.joblib and .json),
`current` names it. Workers load it when they start: restart the job `score` to use a new one. Without a model the forest's
score is null and the verdict rests on deviation_score alone."""
    parser.epilog = """\
examples:
  anomasec train                         points of the running store
  anomasec train --store out/            points of a replay
  anomasec train --since 2026-01-01      leave out what is older
  anomasec train && anomasec restart score
  anomasec train --list                  models that are kept, * = the current one
  anomasec train --use forest-0123456789ab   roll back (or forward) to one by name"""
    parser.add_argument("--store", type=Path, metavar="DIR", help="store of a replay (default: the configured ClickHouse)")
    parser.add_argument("--models", type=Path, metavar="DIR", help="where models are kept (default: HOME/models)")
    parser.add_argument("--rows", type=int, default=1_000_000, help="most points to train on (default: 1000000)")
    parser.add_argument("--trees", type=int, default=100, help="trees of the forest; more = steadier, slower (default: 100)")
    parser.add_argument("--list", action="store_true", help="list the models that are kept, and train none")
    parser.add_argument("--use", metavar="VERSION", help="make a kept model the current one, and train none")
    parser.add_argument("--since", metavar="TIME", help="leave out points before this ISO 8601 time (UTC)")


def run(args: argparse.Namespace) -> int:
    """Train; prints what the model rests on."""
    from jobs.config import load_config
    from jobs.train import train

    config = load_config(args.config, home=args.home)
    folder = args.models or config.home / "models"
    if args.use:
        print(f"current   {promote(folder, args.use).version}")
    if args.list:
        _print_models(folder)
    if args.use or args.list:
        return 0
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
    print(f"replay    {_metrics(card)}")
    used = current_version(folder)
    print(f"current   {used}" + ("" if used == card.version else ", which did better on replay; to use the new one: --use " + card.version))
    return 0


def _print_models(folder: Path) -> None:
    used = current_version(folder)
    for card in list_models(folder):
        mark = "*" if card.version == used else " "
        print(f"{mark} {card.version}  {card.trained_from} .. {card.trained_to}  {card.rows:,} rows  {_metrics(card)}")


def _metrics(card: ModelCard) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in card.metrics.items()) or "not measured"


def _time(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        raise AnomasecError(f"--since '{text}' is no time", "write it like 2026-01-31 or 2026-01-31T12:00") from None
    return time if time.tzinfo else time.replace(tzinfo=dt.UTC)
