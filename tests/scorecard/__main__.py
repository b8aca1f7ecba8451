"""How well reading and detection do on the tuning data beside the repository: `make scorecard`, or `python -m tests.scorecard formats`.

A scorecard is a module of this folder with `TITLE` and `rows() -> list[list[str]]`, the first row the head; [] when its data is not there.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["main", "scorecards"]


def scorecards() -> list[str]:
    """Names of the scorecards."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py") if "\nTITLE = " in path.read_text())


def main(argv: Sequence[str]) -> int:
    """Print the named scorecards, or all."""
    known = scorecards()
    unknown = [name for name in argv if name not in known]
    if unknown:
        print(f"no scorecard {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    for name in argv or known:
        module = importlib.import_module(f"tests.scorecard.{name}")
        rows = module.rows()
        print(f"\n{module.TITLE}")
        print("\n".join(table(rows)) if rows else "the tuning data is not beside this repository (../shared/tuning)")
    return 0


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of aligned columns; the first is text, the others are numbers."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  ".join(cell.rjust(width) if place else cell.ljust(width) for place, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
