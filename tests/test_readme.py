"""What the README says of the code is true."""

from __future__ import annotations

import re
from pathlib import Path

from recspark.cluster.requirements import REQUIREMENTS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def test_package_table_is_that_of_the_island() -> None:
    for name, (versions, reason) in REQUIREMENTS.items():
        assert f"| {name} | `{versions}` | {reason} |" in README


def test_every_file_it_names_is_there() -> None:
    named = set(re.findall(r"\b(?:jobs|scripts|conf|recspark|tests)/[\w./-]*\w", README))
    assert len(named) > 15
    for name in sorted(named):
        assert (ROOT / name).exists(), name


def test_every_job_and_folder_is_named() -> None:
    for job in (ROOT / "jobs").glob("*.py"):
        assert f"jobs/{job.name}" in README, job.name
    for folder in (ROOT / "recspark").iterdir():
        if folder.is_dir() and folder.name != "__pycache__":
            assert f"{folder.name}/" in README, folder.name
