"""Killed without warning at random moments, training ends where undisturbed training does."""

from __future__ import annotations

import json
import multiprocessing
import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.jobs import be_rank, free_port, make_job, train_alone


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20))
def test_killed_and_resumed_ends_at_the_same_rmse(tmp_path: Path, number: int) -> None:
    job = make_job(tmp_path, epochs=40, patience=40, batch_size=8, checkpoint_steps=3)
    undisturbed = train_alone(job, tmp_path / "undisturbed")
    again = replace(
        job, settings=replace(job.settings, resume=True), folder=str(tmp_path / "killed")
    )
    draw = random.Random(number)
    context = multiprocessing.get_context("spawn")
    kills = 0
    while True:
        rank = context.Process(target=be_rank, args=(again, 0, 1, free_port()))
        rank.start()
        rank.join(draw.uniform(4.0, 9.0) if kills < 3 else 300)
        if not rank.is_alive():
            break
        rank.kill()
        rank.join()
        kills += 1
    assert rank.exitcode == 0
    assert kills >= 1
    assert final_rmse(again.folder) == pytest.approx(final_rmse(undisturbed.folder), abs=1e-9)


def final_rmse(folder: str) -> list[float]:
    lines = (Path(folder) / "history.jsonl").read_text().splitlines()
    return [json.loads(line)["valid_rmse"] for line in lines]
