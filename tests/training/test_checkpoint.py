from __future__ import annotations

import json
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
import torch
from fsspec.implementations.local import LocalFileOpener

from recspark.arrays.user_buckets import Shard
from recspark.config import TrainConfig
from recspark.errors import ConfigError
from recspark.training.checkpoint import Checkpoints, Position, Snapshot
from recspark.training.group import Group, join_group
from tests.training.jobs import as_rank

SETTINGS = {"train.batch_size": 64, "user_index": "u"}


def shard(rank: int = 0, num_ranks: int = 1) -> Shard:
    return Shard(num_users=11, num_buckets=4, rank=rank, num_ranks=num_ranks)


def snapshot(value: float) -> Snapshot:
    rows = torch.arange(11.0)[:, None] + value
    return Snapshot({"rows": rows}, {"model.movies": torch.full((2, 2), value)})


def save(folder: Path, group: Group, epoch: int, value: float) -> Path:
    Checkpoints(str(folder), SETTINGS).save(
        Position(epoch=epoch, history=[{"epoch": 0}]), snapshot(value), shard(), group
    )
    return folder / f"{epoch:05d}-0000000"


def load(folder: Path, group: Group, belongs_to: dict[str, object] = SETTINGS) -> tuple | None:
    return Checkpoints(str(folder), belongs_to).load(shard(), group)


@pytest.fixture
def group() -> Group:
    with as_rank(), join_group(TrainConfig(device="cpu")) as alone:
        yield alone


def test_the_newest_is_found_and_two_are_kept(tmp_path: Path, group: Group) -> None:
    assert load(tmp_path, group) is None
    folders = [save(tmp_path, group, epoch, 10.0 * epoch) for epoch in (1, 2, 3)]
    assert [folder.exists() for folder in folders] == [False, True, True]
    position, found = load(tmp_path, group)
    assert position == Position(epoch=3, history=[{"epoch": 0}])
    assert torch.equal(found.users["rows"], snapshot(30.0).users["rows"])
    assert torch.equal(found.shared["model.movies"], torch.full((2, 2), 30.0))


def test_an_unfinished_one_is_ignored(tmp_path: Path, group: Group) -> None:
    save(tmp_path, group, 1, 10.0)
    (save(tmp_path, group, 2, 20.0) / "state.json").unlink()
    assert load(tmp_path, group)[0].epoch == 1


def save_until_killed(folder: Path, after_opened: int) -> None:
    """Save, but die halfway through the file opened after `after_opened` others."""
    opened = 0
    real = LocalFileOpener.write

    def write(file: LocalFileOpener, content: bytes) -> int:
        nonlocal opened
        opened += 1
        if opened <= after_opened:
            return int(real(file, content))
        real(file, content[: len(content) // 2])
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    LocalFileOpener.write = write
    with as_rank(), join_group(TrainConfig(device="cpu")) as alone:
        save(folder, alone, 2, 20.0)


def test_killed_during_any_write_the_previous_one_is_used(tmp_path: Path, group: Group) -> None:
    save(tmp_path, group, 1, 10.0)
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload([__name__])
    num_files = 0
    while True:
        writer = server.Process(target=save_until_killed, args=(tmp_path, num_files))
        writer.start()
        writer.join(60)
        if writer.exitcode == 0:
            break
        assert writer.exitcode == -signal.SIGKILL
        position, found = load(tmp_path, group)
        assert position.epoch == 1
        assert torch.equal(found.users["rows"], snapshot(10.0).users["rows"])
        num_files += 1
    assert num_files == 7  # 4 buckets, the shared tensors, the rank's list, the state
    assert load(tmp_path, group)[0].epoch == 2


@pytest.mark.parametrize("name", ["users/bucket-00002.safetensors", "shared.safetensors"])
def test_a_damaged_one_is_ignored(tmp_path: Path, group: Group, name: str) -> None:
    save(tmp_path, group, 1, 10.0)
    file = save(tmp_path, group, 2, 20.0) / name
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))
    assert load(tmp_path, group)[0].epoch == 1
    file.unlink()
    assert load(tmp_path, group)[0].epoch == 1


def test_other_settings_are_refused_by_name(tmp_path: Path, group: Group) -> None:
    save(tmp_path, group, 1, 10.0)
    other = {**SETTINGS, "train.batch_size": 32, "train.reg": 0.1}
    with pytest.raises(
        ConfigError,
        match=r"found train.batch_size=64, train.reg=None, expected train.batch_size=32, "
        r"train.reg=0.1",
    ):
        load(tmp_path, group, other)


def test_a_rank_of_two_reads_the_users_of_its_buckets(tmp_path: Path, group: Group) -> None:
    save(tmp_path, group, 1, 0.0)
    # With one rank: bucket 0 has rows 0-2, bucket 1 3-5, bucket 2 6-8, bucket 3 9-10.
    one = Checkpoints(str(tmp_path), SETTINGS).load(shard(1, 2), group)
    assert one[1].users["rows"][:, 0].tolist() == [3, 4, 5, 9, 10]


def test_nothing_is_pickled(tmp_path: Path, group: Group) -> None:
    folder = save(tmp_path, group, 1, 0.0)
    for file in folder.rglob("*"):
        if file.suffix == ".json":
            json.loads(file.read_text())
        elif file.is_file():
            assert file.suffix == ".safetensors"
