"""The store on a disk without room: what it acknowledges is stored, also when chDB keeps silent about a failure."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.config import ClickHouseConfig
from jobs.migrate import migrate
from jobs.sinks.clickhouse import ClickHouseSink
from jobs.stack.store.embedded import serve_store
from schemas.errors import StoreError
from schemas.event import DEAD_LETTER


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", tmp_path], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("only root may mount a small file system")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=False)


def test_an_insert_that_does_not_fit_on_the_disk_is_refused_and_may_be_repeated_when_there_is_room(small_disk: Path) -> None:
    rows = pa.Table.from_pylist([{"topic": "raw", "partition": 0, "offset": n, "line_index": 0} for n in range(5_000)])
    with serve_store(small_disk / "store") as url:
        config = ClickHouseConfig(url=url)
        client = config.client(database="default")
        migrate(client, config.database)
        count = f"SELECT count() FROM {config.database}.dead_letters"
        sink = ClickHouseSink(config, max_elapsed_s=0.5)
        ballast = small_disk / "ballast"
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(1 << 16)):
                pass
        with pytest.raises(StoreError, match="disk"):
            sink.insert(DEAD_LETTER, DEAD_LETTER.conform(rows))
        ballast.unlink()
        assert client.query(count).result_rows == [(0,)]
        assert sink.insert(DEAD_LETTER, DEAD_LETTER.conform(rows)) == 5_000
        assert client.query(count).result_rows == [(5_000,)]
        sink.close()
        client.close()
