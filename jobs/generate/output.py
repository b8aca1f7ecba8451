"""Where lines go: a file, standard output or Kafka, at a chosen pace."""

from __future__ import annotations

import gzip
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import pyarrow as pa
import pyarrow.compute as pc

from jobs.generate.world import Chunk, World
from schemas.errors import AnomasecError

__all__ = ["FileOutput", "Output", "paced", "write_lines"]


class Output(Protocol):
    """Takes columns of messages."""

    def send(self, messages: pa.Array) -> None:
        """Take binary[n]."""

    def flush(self) -> None:
        """Return when all of it is safe."""


class FileOutput:
    """Messages to a file (gzip by its name) or standard output, each ended by a line end."""

    def __init__(self, path: Path | None) -> None:
        try:
            self._file = _open(path)
        except OSError as error:
            raise AnomasecError(f"cannot write {path}: {error.strerror}", "name another file by --out") from None
        self._path = path

    def send(self, messages: pa.Array) -> None:
        """Write them."""
        text = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(messages)], pa.int32()), messages), pa.scalar(b"\n", pa.binary()))
        self._file.write(text[0].as_buffer())
        self._file.write(b"\n")

    def flush(self) -> None:
        """Close the file."""
        self._file.flush()
        if self._path is not None:
            self._file.close()


def _open(path: Path | None) -> BinaryIO:
    if path is None:
        return sys.stdout.buffer
    return cast(BinaryIO, gzip.open(path, "wb", compresslevel=3)) if path.suffix == ".gz" else path.open("wb")


def paced(chunks: Iterator[Chunk], lines_per_s: float, begin_s: float | None = None) -> Iterator[Chunk]:
    """Hold each chunk back until its last line is due.

    Parameters
    ----------
    lines_per_s : 0 = as fast as possible; otherwise lines come when the world says that they arrive
    begin_s : `time.time()` of the world's start; default now
    """
    begin = time.time() if begin_s is None else begin_s
    for chunk in chunks:
        if lines_per_s > 0 and len(chunk):
            time.sleep(max(0.0, begin + chunk.arrival_ms[-1] / 1000 - time.time()))
        yield chunk


def write_lines(
    world: World,
    output: Output,
    total_lines: int | None,
    lines_per_s: float = 0,
    lines_per_message: int = 1,
    progress: Callable[[int], None] = lambda lines: None,
) -> None:
    """Stream the world into the output; its truth is complete afterwards.

    `progress` is called with the number of lines after each chunk.
    """
    chunk_lines = 20_000 if lines_per_s <= 0 else max(int(lines_per_s / 10), 1)
    chunk_lines = -(-chunk_lines // lines_per_message) * lines_per_message
    for chunk in paced(world.chunks(total_lines, chunk_lines), lines_per_s, world.settings.start_ms / 1000):
        output.send(chunk.messages(lines_per_message))
        progress(len(chunk))
    output.flush()
