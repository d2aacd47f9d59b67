"""Training that is killed at random moments and resumed ends like uninterrupted training."""

from __future__ import annotations

import json
import multiprocessing
import random
import time
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
        job,
        settings=replace(job.settings, resume=True),
        folder=str(tmp_path / "killed"),
        checkpoints=str(tmp_path / "killed-checkpoints"),
    )
    draw = random.Random(number)
    context = multiprocessing.get_context("spawn")
    kills = 0
    while True:
        rank = context.Process(target=be_rank, args=(again, 0, 1, free_port()))
        rank.start()
        if kills < 3:
            _wait_for_a_new_checkpoint(Path(again.checkpoints), rank)
            rank.join(draw.uniform(0.0, 0.5))
        else:
            rank.join(300)
        if not rank.is_alive():
            break
        rank.kill()
        rank.join()
        kills += 1
    assert rank.exitcode == 0
    assert kills >= 1
    assert final_rmse(again.folder) == pytest.approx(final_rmse(undisturbed.folder), abs=1e-9)


def _wait_for_a_new_checkpoint(folder: Path, rank: multiprocessing.Process) -> None:
    before = {path.name for path in folder.glob("*")}
    while rank.is_alive() and {path.name for path in folder.glob("*")} <= before:
        time.sleep(0.01)


def final_rmse(folder: str) -> list[float]:
    lines = (Path(folder) / "history.jsonl").read_text().splitlines()
    return [json.loads(line)["valid_rmse"] for line in lines]
