from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from recspark.cluster.memory import free_memory_bytes


@pytest.mark.parametrize(
    ("limit", "used", "expected"), [("5000", "2000", 3000), ("5000", "6000", 0)]
)
def test_the_limit_of_the_container_counts(
    tmp_path: Path, limit: str, used: str, expected: int
) -> None:
    (tmp_path / "memory.max").write_text(limit + "\n")
    (tmp_path / "memory.current").write_text(used + "\n")
    assert free_memory_bytes(tmp_path) == expected


def test_without_a_limit_the_memory_of_the_machine_counts(tmp_path: Path) -> None:
    half, total = psutil.virtual_memory().available / 2, psutil.virtual_memory().total
    assert half < free_memory_bytes(tmp_path) <= total
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1\n")
    assert half < free_memory_bytes(tmp_path) <= total
