"""One, two and four ranks reach the same validation RMSE, within the engine's stated tolerance."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from recspark.config.load import load_model_configs
from scripts.training_job import make_job, write_planted
from tests.training.jobs import train_together

CONF = Path(__file__).parents[2] / "conf"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "tolerance"),
    [("biased_mf", 0.001), ("netflix_mf", 0.001), ("netflix_deep", 0.005), ("autorec", 0.005)],
)
def test_the_number_of_ranks_hardly_changes_the_rmse(
    tmp_path: Path, preset: str, tolerance: float
) -> None:
    argv = ["--config", str(CONF / "movielens-100k.yaml"), "--models", preset]
    settings = load_model_configs(argv, prog="test.py")[preset].train
    settings = replace(settings, device="cpu", epochs=8, timeout_seconds=60)
    job = make_job(tmp_path, write_planted(tmp_path), settings)
    best = {}
    for num_ranks in (1, 2, 4):
        done = train_together(job, tmp_path / f"ranks-{num_ranks}", num_ranks)
        lines = (Path(done.folder) / "history.jsonl").read_text().splitlines()
        best[num_ranks] = min(json.loads(line)["valid_rmse"] for line in lines)
    print(preset, best)
    assert best[1] < 1.0  # it has learned something: the ratings' standard deviation is 1.1
    for num_ranks in (2, 4):
        assert best[num_ranks] == pytest.approx(best[1], abs=tolerance)
