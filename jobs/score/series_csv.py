"""CSV files of series, as people have them: read with every row kept, written back with the verdicts beside it."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from schemas.errors import AnomasecError

__all__ = ["SeriesFile", "read_series", "write_verdicts"]

_NAMES = {
    "time": ("time", "timestamp", "datetime", "date", "ts", "@timestamp"),
    "value": ("value", "values", "val", "v", "y"),
    "entity": ("entity", "series", "host", "service"),
    "metric": ("metric", "kpi", "metric_name"),
}
_MISSING = ("", "nan", "null", "none", "na", "n/a", "-")
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


@dataclass(frozen=True)
class SeriesFile:
    """The rows of one file, in its order."""

    path: Path
    text: pl.DataFrame
    """time, [entity, metric,] value as they stand in the file; the first and last always, the others where the file has them."""
    time_us: npt.NDArray[np.int64]
    """Epoch microseconds, (rows,)."""
    value: npt.NDArray[np.float64]
    """NaN where the file says nothing."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.text.height

    def column(self, name: str, default: str) -> pl.Series:
        """`entity` or `metric` of each row; `default` where the file does not say."""
        if name not in self.text.columns:
            return pl.repeat(default, self.rows, eager=True, dtype=pl.String).alias(name)
        return self.text[name].fill_null(default)

    def series(self) -> list[npt.NDArray[np.int64]]:
        """Row numbers of each series (entity, metric), in file order."""
        keys = [name for name in ("entity", "metric") if name in self.text.columns]
        if not keys or not self.rows:
            return [np.arange(self.rows)]
        code = self.text.select(pl.struct(keys).rank("dense")).to_series().to_numpy()
        order = np.argsort(code, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(code[order])) + 1)


def read_series(path: Path) -> SeriesFile:
    """Read a CSV with a time, a value, and maybe an entity and a metric, in any order and letter case.

    Times are epoch seconds, milliseconds, microseconds or nanoseconds (told apart by size), or ISO 8601 (UTC where no offset is
    given). Without a header the columns are time, value, entity, metric. Other columns are left out. Empty lines are no rows.

    Raises
    ------
    AnomasecError
        File and line of the first row that cannot be read, or what is wrong with the header.
    """
    frame = _read(path)
    columns = {key: frame[name] for key, name in _columns(path, frame).items()}
    time_us = _times(columns["time"])
    value, bad_value = _values(columns["value"])
    bad = np.isnan(time_us) | bad_value
    if bad.any():
        row = int(bad.argmax())
        what = "time" if np.isnan(time_us[row]) else "value"
        hint = "give epoch s or ms, or ISO 8601" if what == "time" else "give a number, or nothing where it is not known"
        raise AnomasecError(f"{path}:{_line_of(path, row, frame)}: not a {what}: '{columns[what][row] or ''}'", hint)
    order = [name for name in ("time", "entity", "metric", "value") if name in columns]
    return SeriesFile(path, pl.DataFrame([columns[name].alias(name) for name in order]), time_us.astype(np.int64), value)


def write_verdicts(file: SeriesFile, verdicts: pl.DataFrame, path: Path) -> None:
    """Write the file's own text with the verdicts beside it.

    Parameters
    ----------
    verdicts
        score, expected, lower, upper, is_anomaly, reason; as many rows as the file. Numbers are written with all their digits.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.concat([file.text, verdicts], how="horizontal").write_csv(path)


def _read(path: Path) -> pl.DataFrame:
    try:
        # without what precedes the first cell: the reader takes the number of columns from the first line, empty or not
        data = path.read_bytes().removeprefix(b"\xef\xbb\xbf").lstrip()
        frame = pl.read_csv(data, infer_schema=False, has_header=False, encoding="utf8", raise_if_empty=False)
    except FileNotFoundError:
        raise AnomasecError(f"no such file: {path}", "name a CSV file or a folder of them") from None
    except OSError as error:
        raise AnomasecError(f"cannot read {path}: {error.strerror or error}", "check the file's permissions") from None
    except pl.exceptions.PolarsError as error:
        raise _broken(path, error) from None
    # an empty line comes as a row of nulls, or of one empty cell
    frame = frame.filter(~pl.all_horizontal(pl.all().is_null() | (pl.all().str.strip_chars() == "")))
    if not frame.height:
        raise AnomasecError(f"{path} is empty", "the first line must be: time,value")
    head = [(cell or "").strip().lstrip("\ufeff").strip() for cell in frame.row(0)]
    if re.match(_NUMBER, head[0]) or not np.isnan(_times(pl.Series(head[:1]))[0]):
        names = ["time", "value", "entity", "metric", *(f"column_{i}" for i in range(5, len(head) + 1))]
        return frame.rename(dict(zip(frame.columns, names[: len(head)], strict=True)))
    if len(set(head)) < len(head):
        raise AnomasecError(f"{path}:1: a column name stands twice in the header: {', '.join(head)}", "rename one")
    return frame.slice(1).rename(dict(zip(frame.columns, head, strict=True)))


def _broken(path: Path, error: Exception) -> AnomasecError:
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            reader = csv.reader(lines, strict=True)
            width = len(next(reader))
            for cells in reader:
                if len(cells) > width:
                    return AnomasecError(f"{path}:{reader.line_num}: {len(cells)} cells, the header has {width}", "quote cells with commas")
    except UnicodeDecodeError:
        return AnomasecError(f"{path} is not UTF-8", "save it as UTF-8")
    except csv.Error as bad:
        return AnomasecError(f"{path}:{reader.line_num}: {bad}", "close the quote")
    return AnomasecError(f"{path} is no CSV file: {str(error).splitlines()[0]}", "the first line must be: time,value")


def _columns(path: Path, frame: pl.DataFrame) -> dict[str, str]:
    lowered = {name.lower(): name for name in frame.columns}
    found = {key: lowered[alias] for key, aliases in _NAMES.items() for alias in reversed(aliases) if alias in lowered}
    missing = [key for key in ("time", "value") if key not in found]
    if missing:
        have = ", ".join(name or "''" for name in frame.columns)
        raise AnomasecError(f"{path}:1: no column '{missing[0]}'; the header has: {have}", "name the columns time,value[,entity,metric]")
    return found


def _times(text: pl.Series) -> npt.NDArray[np.float64]:
    """Epoch us of each cell, as float64 (exact to 2**53, the year 2255); NaN where it is no time."""
    cells = text.str.strip_chars()
    numeric = cells.str.contains(_NUMBER).fill_null(False)
    number = cells.set(~numeric, None).cast(pl.Float64).to_numpy()
    size = np.abs(number)
    with np.errstate(invalid="ignore"):
        factor = np.select([size < 1e11, size < 1e14, size < 1e17], [1e6, 1e3, 1.0], 1e-3)
        micros = np.round(number * factor)
    rest = np.flatnonzero(~numeric.to_numpy())
    if len(rest):
        words = cells.filter(~numeric).str.replace_all("/", "-").to_pandas()
        parsed = pd.to_datetime(words, format="ISO8601", utc=True, errors="coerce")
        known = parsed.notna().to_numpy()
        micros[rest[known]] = parsed[known].astype("datetime64[us, UTC]").astype(np.int64)
    return np.asarray(micros, dtype=np.float64)


def _values(text: pl.Series) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Numbers (NaN = missing) and which cells are neither a number nor missing."""
    cells = text.str.strip_chars().fill_null("")
    number = cells.cast(pl.Float64, strict=False)
    bad = number.is_null() & ~cells.str.to_lowercase().is_in(_MISSING)
    values = number.fill_null(float("nan")).to_numpy()
    return np.where(np.isfinite(values), values, np.nan), bad.to_numpy()


def _line_of(path: Path, row: int, frame: pl.DataFrame) -> int:
    """Line of a data row: quoted cells may span lines, and empty lines are no rows."""
    with path.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.reader(lines)
        rows = -1 if _has_header(path, frame) else 0
        for cells in reader:
            if any(cell.strip() for cell in cells):
                if rows == row:
                    return reader.line_num
                rows += 1
    return row + 1


def _has_header(path: Path, frame: pl.DataFrame) -> bool:
    with path.open(newline="", encoding="utf-8-sig") as lines:
        first = next((cells for cells in csv.reader(lines) if any(cell.strip() for cell in cells)), [])
    return [cell.strip() for cell in first] == list(frame.columns)
