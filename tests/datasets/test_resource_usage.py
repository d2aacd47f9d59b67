"""Memory of a family of processes: shared pages count once."""

from __future__ import annotations

import mmap
import os
import sys
import time
from pathlib import Path

import pytest

from recspark.datasets import resource_usage
from recspark.datasets.resource_usage import Meter, measure_family, read_proportional

MIB = 2**20
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@linux
def test_pages_that_processes_share_count_once() -> None:
    """Two children use 200 MiB of their parent: resident sizes would add 400 MiB."""
    shared = mmap.mmap(-1, 200 * MIB)
    shared[:] = b"x" * len(shared)
    before, measure = measure_family()
    children = [_use(shared) for _ in range(2)]
    try:
        after, _ = measure_family()
    finally:
        for _, end in children:
            os.close(end)
        for child, _ in children:
            os.waitpid(child, 0)
    assert measure == "proportional"
    assert abs(after - before) < 100 * MIB


def _use(shared: mmap.mmap) -> tuple[int, int]:
    """Return the pid of a child that has read all pages, and what to close to end it."""
    ready, tell = os.pipe()
    wait, end = os.pipe()
    child = os.fork()
    if not child:
        os.close(end)
        sum(shared[:: mmap.PAGESIZE])
        os.write(tell, b"x")
        os.read(wait, 1)
        os._exit(0)
    os.read(ready, 1)
    for one in (ready, tell, wait):
        os.close(one)
    return child, end


@linux
def test_the_peak_is_seen_though_it_is_over() -> None:
    with Meter() as meter:
        before = meter.peak_memory_bytes
        large = b"x" * (300 * MIB)
        waited = time.monotonic()  # many processes are looked at less often
        while meter._peak - before < 250 * MIB and time.monotonic() - waited < 30:
            time.sleep(resource_usage.SAMPLE_SECONDS / 5)
        del large
        assert meter.peak_memory_bytes - before > 250 * MIB
        assert meter.memory_measure == "proportional"


def test_without_proportional_sizes_the_resident_ones_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource_usage, "read_proportional", lambda path: None)
    with Meter() as meter:
        assert meter.peak_memory_bytes > 10 * MIB
        assert meter.memory_measure == "resident"


def test_the_size_is_read_from_the_line_of_the_kernel(tmp_path: Path) -> None:
    file = tmp_path / "smaps_rollup"
    file.write_text("55d0-7ffe ---p 00000000 00:00 0 [rollup]\nRss: 900 kB\nPss:  321 kB\n")
    assert read_proportional(str(file)) == 321 * 1024
    file.write_text("Rss: 900 kB\nPss_Anon: 5 kB\n")
    assert read_proportional(str(file)) is None
    assert read_proportional(str(tmp_path / "none")) is None
