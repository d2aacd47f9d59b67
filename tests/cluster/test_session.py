"""A session of its own process: what the JVM is started with."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recspark.cluster.session import _to_mib

ROOT = Path(__file__).resolve().parents[2]

START = """
import json, os, sys
import pyarrow as pa
from recspark.cluster.session import create_session
from recspark.config import SparkConfig

def worker(batches):
    for _ in batches:
        yield pa.RecordBatch.from_pydict({"pid": [os.getpid()]})

properties = {"spark.driver.memory": sys.argv[2], "spark.sql.shuffle.partitions": "3"}
spark = create_session(
    SparkConfig(master="local[1]", driver_memory="5g", properties=properties), "test"
)
spark.range(3).coalesce(1).write.parquet(sys.argv[1])
heap = spark._jvm.java.lang.Runtime.getRuntime().maxMemory()
beans = spark._jvm.java.lang.management.ManagementFactory.getGarbageCollectorMXBeans()
of_rdds = spark.sparkContext.range(1).map(lambda _: os.getpid()).collect()
[frame] = spark.range(1).mapInArrow(worker, "pid BIGINT").collect()
print(json.dumps({
    "heap": heap,
    "partitions": spark.conf.get("spark.sql.shuffle.partitions"),
    "collectors": sorted(bean.getName() for bean in beans),
    "is_one_worker": of_rdds == [frame.pid],
}))
spark.stop()
"""


def test_properties_win_and_names_of_files_survive_an_ascii_locale(tmp_path: Path) -> None:
    folder = tmp_path / "größe"
    found = start(folder, "700m")
    assert 600 << 20 < found["heap"] <= 700 << 20
    assert found["partitions"] == "3"
    assert [path.name for path in tmp_path.iterdir()] == ["größe"]
    assert list(folder.glob("*.parquet"))
    # One thread collects a small heap, and tasks of RDDs and of data frames share their worker.
    assert found["collectors"] == ["Copy", "MarkSweepCompact"]
    assert found["is_one_worker"]


@pytest.mark.slow
def test_a_larger_heap_keeps_the_collector_of_the_machine(tmp_path: Path) -> None:
    assert start(tmp_path / "rows", "1100m")["collectors"] != ["Copy", "MarkSweepCompact"]


@pytest.mark.slow
def test_a_collector_of_the_environment_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-XX:+UseParallelGC")
    assert start(tmp_path / "rows", "700m")["collectors"] == ["PS MarkSweep", "PS Scavenge"]


@pytest.mark.parametrize(
    ("size", "mib"), [("1g", 1024), ("700M", 700), ("512", 512), ("2048kb", 2), ("huge", math.inf)]
)
def test_sizes_as_spark_writes_them(size: str, mib: float) -> None:
    assert _to_mib(size) == mib


def start(folder: Path, heap: str) -> dict[str, Any]:
    """Return what a session of its own process found about itself."""
    done = subprocess.run(
        [sys.executable, "-c", START, str(folder), heap],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "LC_ALL": "C", "PYTHONPATH": str(ROOT)},
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
