from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from recspark.training.checkpoint import Checkpoints
from recspark.training.job import TrainJob
from tests.training.jobs import make_job, train_alone, train_together

MLP = {
    "architecture": "embedding_mlp",
    "layers": ("dense 8", "batch_norm", "relu", "dense 6", "batch_norm", "relu"),
    # Adam would amplify rounding noise in the gradient of a bias that batch norm cancels.
    "optimizer": "sgd",
    "learning_rate": 0.05,
}
AUTOREC = {
    "architecture": "autorec",
    "target": "raw",
    "layers": ("dense 9", "relu", "batch_norm", "dense 5", "relu"),
    "batch_size": 12,
    "optimizer": "sgd",
    "learning_rate": 0.05,
}
DROPOUT = {**MLP, "layers": ("dropout 0.3", "dense 8", "relu", "dropout 0.2")}


def history(job: TrainJob) -> list[dict[str, Any]]:
    lines = (Path(job.folder) / "history.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def weights(job: TrainJob) -> dict[str, torch.Tensor]:
    files = sorted(Path(job.folder).rglob("*.safetensors"))
    return {f"{f.name}/{name}": tensor for f in files for name, tensor in load_file(f).items()}


def assert_same(one: TrainJob, two: TrainJob, tolerance: float) -> None:
    mine, others = weights(one), weights(two)
    assert mine.keys() == others.keys()
    for name, tensor in mine.items():
        torch.testing.assert_close(
            tensor.float(), others[name].float(), rtol=0, atol=tolerance, msg=name
        )


@pytest.mark.parametrize("settings", [{}, MLP, AUTOREC], ids=["mf", "mlp", "autorec"])
@pytest.mark.parametrize("num_ranks", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_several_ranks_learn_the_same_as_one(
    tmp_path: Path, settings: dict[str, Any], num_ranks: int
) -> None:
    job = make_job(tmp_path, **settings)
    alone = train_alone(job, tmp_path / "alone")
    together = train_together(job, tmp_path / "together", num_ranks)
    assert_same(alone, together, 2e-4)
    for mine, others in zip(history(alone), history(together), strict=True):
        assert others["train_loss"] == pytest.approx(mine["train_loss"], abs=1e-4)
        assert others["valid_rmse"] == pytest.approx(mine["valid_rmse"], abs=1e-4)


class Stop(Exception):
    pass


def interrupt(job: TrainJob, folder: Path, monkeypatch: pytest.MonkeyPatch, saves: int) -> None:
    """Train until `saves` checkpoints are written, then stop."""
    whole, calls = Checkpoints.save, []

    def save(self: Checkpoints, *arguments: Any) -> None:
        whole(self, *arguments)
        calls.append(1)
        if len(calls) == saves:
            raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", save)
        with pytest.raises(Stop):
            train_alone(job, folder)


@pytest.mark.parametrize("settings", [{}, DROPOUT, AUTOREC], ids=["mf", "dropout", "autorec"])
@pytest.mark.parametrize("saves", [1, 3])
def test_resumed_training_ends_like_uninterrupted_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], saves: int
) -> None:
    job = make_job(tmp_path, **{**settings, "checkpoint_steps": 2})
    undisturbed = train_alone(job, tmp_path / "undisturbed")
    interrupt(job, tmp_path / "resumed", monkeypatch, saves)
    again = replace(job, settings=replace(job.settings, resume=True))
    resumed = train_alone(again, tmp_path / "resumed")
    assert_same(undisturbed, resumed, 0.0)
    for mine, others in zip(history(undisturbed), history(resumed), strict=True):
        assert others["valid_rmse"] == mine["valid_rmse"]
        assert others["train_loss"] == pytest.approx(mine["train_loss"], rel=1e-12)


def test_a_stopped_run_is_extended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = make_job(tmp_path, epochs=6, patience=6, feed_memory_mib=64)
    undisturbed = train_alone(long, tmp_path / "undisturbed")
    short = replace(long, settings=replace(long.settings, epochs=3, patience=2, feed_memory_mib=9))
    interrupt(short, tmp_path / "extended", monkeypatch, 2)
    resumed = replace(long, settings=replace(long.settings, resume=True))
    extended = train_alone(resumed, tmp_path / "extended")
    assert len(history(extended)) == 6
    assert_same(undisturbed, extended, 0.0)


def test_another_number_of_ranks_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = make_job(tmp_path, **{**MLP, "checkpoint_steps": 2})
    undisturbed = train_alone(job, tmp_path / "undisturbed")
    interrupt(job, tmp_path / "resumed", monkeypatch, 3)
    again = replace(job, settings=replace(job.settings, resume=True))
    resumed = train_together(again, tmp_path / "resumed", 2)
    assert_same(undisturbed, resumed, 2e-4)


def test_a_new_start_removes_old_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(tmp_path, checkpoint_steps=2)
    interrupt(job, tmp_path / "one", monkeypatch, 1)
    assert list(Path(job.checkpoints).iterdir())
    other = replace(job, settings=replace(job.settings, batch_size=32))
    train_alone(other, tmp_path / "two")
    found = Checkpoints(job.checkpoints, {})._list_finished()
    assert all("train.batch_size" in Path(one, "state.json").read_text() for one in found)
    assert all(
        json.loads(Path(one, "state.json").read_text())["belongs_to"]["train.batch_size"] == 32
        for one in found
    )


def test_clipping_bounds_the_joint_norm_of_all_gradients(tmp_path: Path) -> None:
    # One step of plain gradient descent moves all parameters by rate times the clipped norm.
    settings = {"optimizer": "sgd", "momentum": 0.0, "epochs": 1, "batch_size": 10_000, "reg": 0.0}
    job = make_job(tmp_path, learning_rate=1.0, **settings)
    start = train_alone(
        replace(job, settings=replace(job.settings, learning_rate=1e-12)), tmp_path / "start"
    )
    moved = train_alone(
        replace(job, settings=replace(job.settings, clip_norm=0.01)), tmp_path / "moved"
    )
    before, after = weights(start), weights(moved)
    names = [name for name in before if not name.endswith("seen")]
    squares = sum(float((after[n].double() - before[n].double()).square().sum()) for n in names)
    assert np.sqrt(squares) == pytest.approx(0.01, rel=1e-3)
    together = train_together(
        replace(job, settings=replace(job.settings, clip_norm=0.01)), tmp_path / "together", 2
    )
    assert_same(moved, together, 1e-6)


@pytest.mark.parametrize("updates", ["rows", "table"])
def test_biases_may_have_no_l2(tmp_path: Path, updates: str) -> None:
    # If only the mean is wrong, only biases can correct it, and only L2 holds them back.
    job = make_job(tmp_path, reg=5.0, embedding_updates=updates, epochs=40, patience=40)
    held = train_alone(replace(job, facts=replace(job.facts, rating_mean=2.5)), tmp_path / "held")
    free = replace(
        job, facts=replace(job.facts, rating_mean=2.5), settings=replace(job.settings, bias_reg=0.0)
    )
    freed = train_alone(free, tmp_path / "freed")
    assert history(freed)[-1]["valid_rmse"] < history(held)[-1]["valid_rmse"] - 0.2


def test_training_stops_when_validation_stops_improving(tmp_path: Path) -> None:
    job = train_alone(
        make_job(tmp_path, epochs=50, patience=2, learning_rate=0.3, reg=0.0), tmp_path / "m"
    )
    rmse = [one["valid_rmse"] for one in history(job)]
    best = int(np.argmin(rmse))
    assert len(rmse) == best + 3 < 50


def test_history_shows_where_the_time_went(tmp_path: Path) -> None:
    [first, *_] = history(train_alone(make_job(tmp_path), tmp_path / "m"))
    parts = [
        first[f"seconds_{part}"]
        for part in ("feed", "forward_backward", "optimiser", "communication")
    ]
    assert all(part >= 0 for part in parts)
    assert 0 < sum(parts) <= first["seconds"] + 0.01
    assert first["peak_memory_mib"] > 50
