"""A session of its own process: what the JVM is started with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

START = """
import json, sys
from recspark.cluster.session import create_session
from recspark.config import SparkConfig
properties = {"spark.driver.memory": "700m", "spark.sql.shuffle.partitions": "3"}
spark = create_session(
    SparkConfig(master="local[1]", driver_memory="1g", properties=properties), "test"
)
spark.range(3).coalesce(1).write.parquet(sys.argv[1])
heap = spark._jvm.java.lang.Runtime.getRuntime().maxMemory()
print(json.dumps([heap, spark.conf.get("spark.sql.shuffle.partitions")]))
spark.stop()
"""


def test_properties_win_and_names_of_files_survive_an_ascii_locale(tmp_path: Path) -> None:
    folder = tmp_path / "größe"
    done = subprocess.run(
        [sys.executable, "-c", START, str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "LC_ALL": "C", "PYTHONPATH": str(ROOT)},
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    heap, partitions = json.loads(done.stdout.splitlines()[-1])
    assert 600 << 20 < heap <= 700 << 20
    assert partitions == "3"
    assert [path.name for path in tmp_path.iterdir()] == ["größe"]
    assert list(folder.glob("*.parquet"))
