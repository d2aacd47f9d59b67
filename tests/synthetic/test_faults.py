from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import recspark
from recspark.ingest import netflix
from recspark.synthetic.faults import KINDS, plant_faults

ROOT = Path(recspark.__file__).parent.parent


def test_damaged_lines_are_where_the_faults_say(tmp_path: Path) -> None:
    lines = [b"%d:" % (n // 50) if n % 50 == 0 else b"%d,3,2005-01-31" % n for n in range(50, 3000)]
    clean, damaged = tmp_path / "clean.txt", tmp_path / "damaged.txt"
    clean.write_bytes(b"\n".join(lines) + b"\n")
    faults = plant_faults(str(clean), str(damaged), every=20, seed=1)
    data = damaged.read_bytes()
    found = data.split(b"\n")
    assert {fault.kind for fault in faults} == set(KINDS)
    assert 90 < len(faults) < 210
    for fault in faults:
        assert found[fault.line - 1] == fault.text != fault.original == lines[fault.line - 1]
        assert data[fault.offset :].startswith(fault.text + b"\n")
        found[fault.line - 1] = fault.original
    assert found == [*lines, b""]
    assert plant_faults(str(clean), str(damaged), every=20, seed=1) == faults


@pytest.mark.parametrize("kind", KINDS)
def test_no_damaged_line_is_a_rating(kind: str) -> None:
    text = KINDS[kind](b"1488844", b"3", b"2005-09-06")
    assert len(netflix.parse_lines(text, 1).rejects) == 1


@pytest.mark.parametrize(
    ("num_ratings", "every"),
    [(60_000, 300), pytest.param(5_000_000, 100_000, marks=pytest.mark.slow)],
)
def test_every_line_is_where_it_belongs(tmp_path: Path, num_ratings: int, every: int) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "plant_faults.py"), "--work", str(tmp_path)]
    command += ["--num_ratings", str(num_ratings), "--every", str(every)]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every line is where it belongs" in done.stdout
    for kind in KINDS:
        assert kind in done.stdout
