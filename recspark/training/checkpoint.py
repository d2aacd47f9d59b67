"""Checkpoints of training: complete or ignored, and readable on any number of ranks.

    checkpoints/<model>/00003-0000120/          epoch 3, 120 steps of it done
        users/bucket-00005.safetensors          rows and optimiser state of one bucket's users
        shared.safetensors                      the module and its optimiser
        part-00000.json                         one per rank: the checksums of its files
        state.json                              written last: position, history, settings, inputs

Each rank writes the users of its own buckets, so a run with another number of ranks finds each
bucket in one file. A folder without state.json was not finished; it is ignored.
"""

from __future__ import annotations

import logging
import posixpath
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from recspark.arrays.user_buckets import Shard
from recspark.errors import ConfigError, DataError, describe
from recspark.files import json_files, storage
from recspark.saved.weights import load_tensors, save_tensors, users_file
from recspark.training.group import Group

logger = logging.getLogger(__name__)

STATE = "state.json"
SHARED = "shared.safetensors"
# Two, because damage on disk goes unnoticed until a checkpoint is read.
KEPT = 2


@dataclass
class Position:
    """How far training has come and its results so far, as JSON values."""

    epoch: int = 0
    """Current epoch, from 0."""
    step: int = 0
    """Steps done in this epoch."""
    optimiser_steps: int = 0
    """Steps since the start of training."""
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """Loss and squared error, summed over the rows of these steps on all ranks."""
    best_epoch: int = -1
    valid_rmse: float | None = None
    """RMSE of the best epoch."""
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Snapshot:
    """The tensors of a checkpoint, as one rank sees them.

    Attributes:
        users: Name to [R, U]: rows, optimiser state, rows of the best epoch.
        shared: Name to tensor: module, its optimiser, module of the best epoch.
    """

    users: Mapping[str, Tensor]
    shared: Mapping[str, Tensor]


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one model.

    Attributes:
        folder: Their folder, which all ranks see.
        belongs_to: What a checkpoint must have in common with the run that continues it: settings,
            inputs, id maps.
    """

    folder: str
    belongs_to: Mapping[str, Any]

    def save(self, position: Position, snapshot: Snapshot, shard: Shard, group: Group) -> None:
        """Write a checkpoint; all ranks call it together, and all return once it is complete."""
        folder = posixpath.join(self.folder, f"{position.epoch:05d}-{position.step:07d}")
        if group.rank == 0:
            storage.remove(folder)
        group.barrier()
        checks = {}
        for bucket, offset in shard.offsets.items():
            span = slice(offset, offset + shard.bucket_users(bucket))
            mine = {name: rows[span] for name, rows in snapshot.users.items()}
            checks[users_file("", bucket)] = save_tensors(users_file(folder, bucket), mine)
        if group.rank == 0:
            path = posixpath.join(folder, SHARED)
            checks[SHARED] = save_tensors(path, snapshot.shared)
        json_files.write_json(_part(folder, group.rank), checks)
        group.barrier()
        if group.rank == 0:
            state = {
                "position": asdict(position),
                "belongs_to": self.belongs_to,
                "num_ranks": group.num_ranks,
            }
            json_files.write_json(posixpath.join(folder, STATE), state)
            for old in self._list_finished()[KEPT:]:
                storage.remove(old)
        group.barrier()

    def load(self, shard: Shard, group: Group) -> tuple[Position, Snapshot] | None:
        """Return the newest complete, undamaged checkpoint, the same on every rank, or None.

        Raises:
            ConfigError: It was made with other settings, data or id maps; the message names them.
        """
        for folder in group.broadcast(self._list_finished() if group.rank == 0 else []):
            state = json_files.read_json(posixpath.join(folder, STATE))
            self._check(folder, state["belongs_to"])
            try:
                snapshot = _read(folder, shard, state["num_ranks"])
            except DataError as error:
                logger.warning("rank %s: %s", group.rank, error)
                snapshot = None
            group.barrier_without_timeout()  # ranks read unequal parts
            damaged = group.sum(torch.tensor([snapshot is None], dtype=torch.int64))
            if snapshot is not None and not damaged.item():
                logger.info("rank %s continues from %s", group.rank, folder)
                return Position(**state["position"]), snapshot
        return None

    def remove(self) -> None:
        """Delete all checkpoints of the model."""
        storage.remove(self.folder)

    def _list_finished(self) -> list[str]:
        """Return the folders of finished checkpoints, the newest first."""
        found = storage.list_folders(self.folder)
        return [one for one in reversed(found) if storage.exists(posixpath.join(one, STATE))]

    def _check(self, folder: str, made_for: Mapping[str, Any]) -> None:
        names = sorted({*made_for, *self.belongs_to})
        differ = [n for n in names if made_for.get(n) != self.belongs_to.get(n)]
        if differ:
            raise ConfigError(
                describe(
                    f"train.resume {folder}",
                    found=", ".join(f"{name}={made_for.get(name)}" for name in differ),
                    expected=", ".join(f"{name}={self.belongs_to.get(name)}" for name in differ),
                    remedy="Resume with the settings and data it was made with, or start again "
                    "with --train.resume false.",
                )
            )


def _read(folder: str, shard: Shard, num_writers: int) -> Snapshot:
    """Return a rank's part of a checkpoint; a DataError if a file is damaged or missing."""
    checks: dict[str, int] = {}
    for rank in range(num_writers):
        checks |= json_files.read_json(_part(folder, rank))
    pieces = []
    for bucket in shard.buckets:
        path = users_file(folder, bucket)
        pieces.append(_read_checked(path, checks[users_file("", bucket)]))
    names = pieces[0].keys()
    users = {name: torch.cat([piece[name] for piece in pieces]) for name in names}
    return Snapshot(users, _read_checked(posixpath.join(folder, SHARED), checks[SHARED]))


def _read_checked(path: str, checksum: int) -> dict[str, Tensor]:
    content = storage.read_bytes(path) if storage.exists(path) else b""
    if zlib.crc32(content) != checksum:
        raise DataError(
            describe(
                path,
                found=f"{len(content):,} bytes with another checksum",
                expected="the file as it was written",
                remedy="Training tries an older checkpoint. Check the disk.",
            )
        )
    return load_tensors(content)


def _part(folder: str, rank: int) -> str:
    return posixpath.join(folder, f"part-{rank:05d}.json")
