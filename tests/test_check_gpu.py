from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "check_gpu.py"), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_is_skipped() -> None:
    done = run()
    assert done.returncode == 0
    assert done.stdout == "check_gpu: skipped, because torch sees no GPU here\n"


@pytest.mark.slow
def test_all_checks_run_on_the_cpu(tmp_path: Path) -> None:
    done = run("--device", "cpu", "--small", "--json", str(tmp_path / "figures.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    checks = json.loads((tmp_path / "figures.json").read_text())["checks"]
    assert len(checks) > 15
    assert all(check["passed"] for check in checks.values())
