"""Checkpoints: where training stands, written whole or not at all, readable on any number of ranks.

    checkpoints/<model>/00003-0000120/          epoch 3, 120 steps of it done
        users/bucket-00005.safetensors          rows and optimiser memory of one bucket's users
        shared.safetensors                      the module and its optimiser
        part-00000.json                         one a rank: sizes and checksums of its files
        state.json                              written last: position, history, what it belongs to

Each rank writes the users of its own buckets, so another number of ranks finds each bucket in one
file. A folder without state.json is one whose writing was cut short; it is passed over.
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
from recspark.files import storage
from recspark.saved.weights import load_tensors, save_tensors, users_file
from recspark.training.group import Group

logger = logging.getLogger(__name__)

STATE = "state.json"
SHARED = "shared.safetensors"
# One could be damaged on disk without being noticed until it is needed.
KEPT = 2


@dataclass
class Position:
    """How far training is, and what it has found out so far: JSON values."""

    epoch: int = 0
    """Epoch in progress, from 0."""
    step: int = 0
    """Steps of it that are done."""
    optimiser_steps: int = 0
    """Steps since the start of training."""
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """Loss and squared error summed over the rows of those steps, all ranks."""
    best_epoch: int = -1
    valid_rmse: float | None = None
    """RMSE of the best epoch."""
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Snapshot:
    """The tensors of a checkpoint, as one rank sees them.

    Attributes:
        users: Name to [R, U]: rows, optimiser memory, rows of the best epoch.
        shared: Name to tensor: module, its optimiser, module of the best epoch.
    """

    users: Mapping[str, Tensor]
    shared: Mapping[str, Tensor]


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one model.

    Attributes:
        folder: Where they lie; all ranks see it.
        belongs_to: What a checkpoint must share with the run that continues it: settings, inputs,
            id maps.
    """

    folder: str
    belongs_to: Mapping[str, Any]

    def save(self, position: Position, snapshot: Snapshot, shard: Shard, group: Group) -> None:
        """Write a checkpoint; all ranks call it together, and all return once it is whole."""
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
        storage.write_json(_part(folder, group.rank), checks)
        group.barrier()
        if group.rank == 0:
            state = {
                "position": asdict(position),
                "belongs_to": self.belongs_to,
                "num_ranks": group.num_ranks,
            }
            storage.write_json(posixpath.join(folder, STATE), state)
            for old in self._whole()[KEPT:]:
                storage.remove(old)
        group.barrier()

    def load(self, shard: Shard, group: Group) -> tuple[Position, Snapshot] | None:
        """Return the newest whole and undamaged checkpoint, on every rank the same; None for none.

        Raises:
            ConfigError: It belongs to other settings, data or id maps; the message names them.
        """
        for folder in group.broadcast(self._whole() if group.rank == 0 else []):
            state = storage.read_json(posixpath.join(folder, STATE))
            self._check(folder, state["belongs_to"])
            try:
                snapshot = _read(folder, shard, state["num_ranks"])
            except DataError as error:
                logger.warning("rank %s: %s", group.rank, error)
                snapshot = None
            damaged = group.sum(torch.tensor([snapshot is None], dtype=torch.int64))
            if snapshot is not None and not damaged.item():
                logger.info("rank %s continues from %s", group.rank, folder)
                return Position(**state["position"]), snapshot
        return None

    def remove(self) -> None:
        """Delete all of them."""
        storage.remove(self.folder)

    def _whole(self) -> list[str]:
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
                    remedy="Resume with the settings and data it was made with, or start anew "
                    "with --train.resume false.",
                )
            )


def _read(folder: str, shard: Shard, num_writers: int) -> Snapshot:
    """Return a rank's part of a checkpoint; a DataError where a file is damaged or missing."""
    checks: dict[str, int] = {}
    for rank in range(num_writers):
        checks |= storage.read_json(_part(folder, rank))
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
                remedy="An older checkpoint is tried; look after the disk.",
            )
        )
    return load_tensors(content)


def _part(folder: str, rank: int) -> str:
    return posixpath.join(folder, f"part-{rank:05d}.json")
