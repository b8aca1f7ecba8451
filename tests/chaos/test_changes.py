"""What a running deployment lives through: a full disk, more partitions, another parallelism. Takes about four minutes: `make chaos`."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient, NewPartitions

from jobs.generate.truth import Truth
from jobs.generate.world import WorldSettings
from jobs.stack.stack import Stack
from jobs.submit import restart
from tests.e2e.conftest import stack  # noqa: F401
from tests.e2e.run import expected_counts, new_run, running_job

pytestmark = pytest.mark.chaos

_DISK_MB = 600


def _settings(lines_per_s: float = 20_000.0) -> WorldSettings:
    return WorldSettings(start_ms=int(time.time() * 1000), lines_per_s=lines_per_s, malformed=0.002)


def test_partitions_added_to_the_raw_topic_are_read_from_their_beginning(stack: Stack) -> None:  # noqa: F811
    run = new_run(stack, "repartitioned")
    with running_job(run, "pipeline"):
        truths = [run.send(_settings(), 100_000, seed=1)]
        admin = KafkaAdminClient(**run.config.kafka.client_options())
        admin.create_partitions({run.config.topics.raw: NewPartitions(total_count=7)})
        admin.close()
        truths.append(run.send(_settings(), 100_000, seed=2))
        assert run.wait_for_truth(truths) == expected_counts(truths)
    assert run.query("SELECT uniqExact(partition) FROM events") == [(7,)]


def test_a_stop_with_savepoint_and_a_start_at_another_parallelism_lose_and_double_nothing(stack: Stack) -> None:  # noqa: F811
    run = new_run(stack, "rescaled", parallelism=1)
    truths: list[Truth] = []
    with running_job(run, "pipeline"):
        settings = _settings(lines_per_s=3_000)
        sender = threading.Thread(target=lambda: truths.append(run.send(settings, 200_000, lines_per_s=3_000, seed=3)), daemon=True)
        sender.start()
        for parallelism in (4, 2):
            time.sleep(10)
            restart(run.config, "pipeline", settings={"parallelism.default": str(parallelism)})
        sender.join(300)
        assert run.wait_for_truth(truths) == expected_counts(truths)


def _fill(ballast: Path) -> None:
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(1 << 16)):
            pass


@pytest.fixture
def small_disk() -> Iterator[tuple[Stack, Path]]:
    """A stack whose store has a file system of its own, which is soon full."""
    home = Path(tempfile.mkdtemp(prefix="anomasec-disk-"))
    disk = home / "store"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK_MB}m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        shutil.rmtree(home)
        pytest.skip("only root may mount a small file system")
    small = Stack(home, ports="auto")
    try:
        small.up()
        yield small, disk
    finally:
        small.down()
        subprocess.run(["umount", disk], check=False)
        shutil.rmtree(home, ignore_errors=True)


def test_a_full_disk_of_the_store_loses_nothing_once_there_is_room_again(small_disk: tuple[Stack, Path]) -> None:
    own, disk = small_disk
    run = new_run(own, "full")
    truths: list[Truth] = []
    with running_job(run, "pipeline"):
        settings = _settings(lines_per_s=3_000)
        sender = threading.Thread(target=lambda: truths.append(run.send(settings, 150_000, lines_per_s=3_000, seed=4)), daemon=True)
        sender.start()
        time.sleep(15)
        ballast = disk / "ballast"
        _fill(ballast)
        time.sleep(25)
        before = run.query("SELECT count() FROM events")
        time.sleep(3)
        assert run.query("SELECT count() FROM events") == before, "the disk was not full"
        ballast.unlink()
        sender.join(300)
        assert run.wait_for_truth(truths) == expected_counts(truths)
