"""MovieLens-100K, fetched as scripts/run.sh does it; without a network its tests are skipped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="package")
def ratings(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """User, movie, rating and seconds of each rating; the first 20,000 are the test of u1."""
    folder = tmp_path_factory.mktemp("movielens")
    fetch = [sys.executable, str(ROOT / "scripts" / "fetch_movielens.py"), "--output", str(folder)]
    if subprocess.run(fetch, check=False, capture_output=True).returncode:
        pytest.skip("MovieLens-100K could not be fetched")
    return np.loadtxt(folder / "u.data", dtype=np.int64)
