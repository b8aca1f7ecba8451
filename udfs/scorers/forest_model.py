"""The stored isolation forest: training, files, and loading once per worker."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.errors import AnomasecError

__all__ = ["ForestModel", "ModelCard", "current_version", "fit_forest", "list_models", "load_current", "promote", "store_model"]

_POINTER = "current"


@dataclass(frozen=True)
class ModelCard:
    """What is written beside a model, as JSON."""

    version: str
    """`forest-` and the first digits of the checksum: the same points give the same version."""
    features: tuple[str, ...]
    """Columns of the feature matrix, in order."""
    trained_from: str
    """Time of the earliest point it was trained on, ISO 8601, UTC."""
    trained_to: str
    """Time of the latest."""
    rows: int
    """Points it was trained on."""
    checksum: str
    """SHA-256 of the model file."""
    sklearn_version: str
    """scikit-learn that wrote it: another may not read it."""
    metrics: dict[str, float] = field(default_factory=dict)
    """How it did on replay, e.g. `planted_auc`; empty for models of before this was measured."""


@dataclass(frozen=True)
class ForestModel:
    """A fitted forest and its card."""

    forest: Any
    card: ModelCard

    def score_samples(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """scikit-learn's score of each row, -1 (alone) to 0; shape (n,)."""
        return np.asarray(self.forest.score_samples(features), dtype=np.float64)


def fit_forest(features: npt.NDArray[np.float32], trees: int = 100, sample: int = 256, seed: int = 0) -> Any:
    """Fit scikit-learn's IsolationForest; the same rows in the same order give the same forest."""
    from sklearn.ensemble import IsolationForest

    return IsolationForest(n_estimators=trees, max_samples=min(sample, len(features)), random_state=seed, n_jobs=1).fit(features)


def store_model(folder: Path, forest: Any, facts: Mapping[str, Any], current: bool = True) -> ModelCard:
    """Write `<version>.joblib` and `<version>.json`, then point `current` at them.

    Parameters
    ----------
    folder
        Made when absent.
    facts
        `features`, `trained_from`, `trained_to`, `rows` and `metrics` of the card.
    current
        False keeps the model without using it.
    """
    import joblib
    import sklearn

    folder.mkdir(parents=True, exist_ok=True)
    staged = folder / "staged.joblib"
    joblib.dump(forest, staged, compress=3)
    checksum = hashlib.sha256(staged.read_bytes()).hexdigest()
    card = ModelCard(version=f"forest-{checksum[:12]}", checksum=checksum, sklearn_version=sklearn.__version__, **facts)
    staged.replace(folder / f"{card.version}.joblib")
    (folder / f"{card.version}.json").write_text(json.dumps(asdict(card), indent=2) + "\n")
    if current:
        promote(folder, card.version)
    return card


def promote(folder: Path, version: str) -> ModelCard:
    """Make a kept model the current one, be it newer or older.

    Raises
    ------
    AnomasecError
        There is no such model, or its files are damaged.
    """
    path = folder / f"{version}.joblib"
    if version not in {card.version for card in list_models(folder)} or not path.is_file():
        raise AnomasecError(f"no model {version} in {folder}", "see anomasec train --list")
    card = _load(path, path.stat().st_mtime_ns).card
    # A file that is renamed, not a link: it survives being copied into an image or onto another disk.
    pointer = folder / f"{_POINTER}.new"
    pointer.write_text(version + "\n")
    pointer.replace(folder / _POINTER)
    return card


def list_models(folder: Path) -> list[ModelCard]:
    """Cards of the models that are kept, by the end of their data and their version."""
    cards = [_card(path) for path in folder.glob("forest-*.json")]
    return sorted(cards, key=lambda card: (card.trained_to, card.version))


def current_version(folder: Path) -> str:
    """Name of the current model; '' when there is none."""
    pointer = folder / _POINTER
    return pointer.read_text().strip() if pointer.is_file() else ""


def _card(path: Path) -> ModelCard:
    facts = json.loads(path.read_text())
    return ModelCard(**{**facts, "features": tuple(facts["features"])})


def load_current(folder: str | Path) -> ForestModel | None:
    """The model that `current` names, or None when nothing was trained yet. Read once per process and model.

    Raises
    ------
    AnomasecError
        The files are damaged, or another scikit-learn or other features wrote them.
    """
    pointer = Path(folder) / _POINTER
    if not str(folder) or not pointer.is_file():
        return None
    path = Path(folder) / f"{pointer.read_text().strip()}.joblib"
    try:
        return _load(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        raise AnomasecError(f"{pointer} names a model that is not there: {path}", "run anomasec train") from None


@lru_cache(maxsize=4)
def _load(path: Path, _mtime_ns: int) -> ForestModel:
    import joblib
    import sklearn

    from udfs.scorers.forest import FEATURES

    card = _card(path.with_suffix(".json"))
    if card.features != FEATURES:
        raise AnomasecError(f"{path} was trained on other features: {', '.join(card.features)}", "run anomasec train")
    if card.sklearn_version != sklearn.__version__:
        raise AnomasecError(
            f"{path} was written by scikit-learn {card.sklearn_version}, this is {sklearn.__version__}", "run anomasec train"
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != card.checksum:
        raise AnomasecError(f"{path} does not have the checksum in its .json", "run anomasec train")
    forest = joblib.load(path)
    forest.n_jobs = 1  # a worker has one core, and threads in every worker would fight for it
    return ForestModel(forest, card)
