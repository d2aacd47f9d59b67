"""Starting ranks beside the driver, and the GPUs that a node reports."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from recspark.cluster.ranks import start_ranks

ROOT = Path(__file__).resolve().parents[2]
NVIDIA_SMI = """#!/bin/sh
case "$*" in
    "--id=1,3 --query-gpu=index --format=csv,noheader") printf '1\\n3\\n' ;;
    "--query-gpu=index --format=csv,noheader") printf '0\\n1\\n2\\n3\\n' ;;
    *) exit 2 ;;
esac
"""


def test_ranks_get_an_environment_of_their_own(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_environment(folder: str) -> None:
        import json
        import os
        from pathlib import Path

        path = Path(folder) / f"{os.environ['RANK']}.json"
        path.write_text(json.dumps(dict(os.environ)))

    monkeypatch.setenv("MALLOC_TOP_PAD_", "4096")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = dict(os.environ)
    start_ranks(spark, 2, write_environment, str(tmp_path))
    assert dict(os.environ) == before
    for rank in range(2):
        seen = json.loads((tmp_path / f"{rank}.json").read_text())
        assert seen["WORLD_SIZE"] == "2"
        assert seen["MALLOC_TRIM_THRESHOLD_"] == "17179869184"
        assert seen["MALLOC_TOP_PAD_"] == "4096"  # what the user set stays
        assert seen["OMP_NUM_THREADS"] == "1"
        assert not Path(seen["PET_LOG_DIR"]).exists()


@pytest.mark.parametrize(("visible", "expected"), [("", "0123"), ("1,3", "13")])
def test_a_node_reports_the_gpus_that_are_visible(
    tmp_path: Path, visible: str, expected: str
) -> None:
    fake = tmp_path / "nvidia-smi"
    fake.write_text(NVIDIA_SMI)
    fake.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["scripts/gpus.sh"],
        capture_output=True,
        check=True,
        cwd=ROOT,
        env={"PATH": path, "CUDA_VISIBLE_DEVICES": visible},
    )
    assert json.loads(done.stdout) == {"name": "gpu", "addresses": list(expected)}
