"""A trained model on disk: safetensors and JSON, which run no code when they are read.

    models/<name>/model.json                         what the model is (its card)
                  movies.safetensors                 the module's tensors, and the movies seen
                  users/bucket-00003.safetensors     user rows of one bucket, and the users seen
                  first_fit/bucket-00003.safetensors of a refitted model: what the first fit, on
                                                     train alone, predicted for train and valid
                  history.jsonl                      one line per epoch

Row `user_index // num_buckets` of a bucket's file belongs to that user. A user or movie is "seen"
if it has a rating in train. All other rows still hold their random initial values.
"""

from __future__ import annotations

import json
import posixpath
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from safetensors import safe_open
from safetensors.torch import load, save
from torch import Tensor

from recspark.arrays.user_buckets import Shard
from recspark.contract.paths import HISTORY
from recspark.errors import DataError, describe
from recspark.files import storage

MOVIES = "movies.safetensors"
ROWS = "rows"
SEEN = "seen"
_TRAIN, _VALID = "train", "valid"


def save_users(folder: str, shard: Shard, rows: Tensor, seen: Tensor) -> None:
    """Write a rank's users, one file per bucket.

    Args:
        folder: The model's folder.
        shard: The rank's buckets.
        rows: [R, U], the rank's part of the user table.
        seen: bool [R].
    """
    for bucket, offset in shard.offsets.items():
        span = slice(offset, offset + shard.bucket_users(bucket))
        save_tensors(users_file(folder, bucket), {ROWS: rows[span], SEEN: seen[span]})


def save_first_fit(folder: str, bucket: int, train: Tensor, valid: Tensor) -> None:
    """Write predictions of a bucket's ratings, float32 [N] in stored order; NaN: none."""
    save_tensors(_first_fit_file(folder, bucket), {_TRAIN: train, _VALID: valid})


def load_first_fit(folder: str, bucket: int) -> tuple[Tensor, Tensor] | None:
    """Return (train, valid) as `save_first_fit` wrote them; None if the model was not refitted."""
    path = _first_fit_file(folder, bucket)
    if not storage.exists(path):
        return None
    found = load_file(path)
    return found[_TRAIN], found[_VALID]


def _first_fit_file(folder: str, bucket: int) -> str:
    return posixpath.join(folder, "first_fit", f"bucket-{bucket:05d}.safetensors")


def save_movies(folder: str, state: Mapping[str, Tensor], seen: Tensor) -> None:
    """Write the module's tensors and the movies with a rating in train, bool [M]."""
    save_tensors(posixpath.join(folder, MOVIES), {**state, SEEN: seen})


def save_history(folder: str, history: Sequence[Mapping[str, Any]]) -> None:
    """Write one JSON line per epoch."""
    text = "".join(json.dumps(record) + "\n" for record in history)
    storage.write_bytes(posixpath.join(folder, HISTORY), text.encode())


def load_users(folder: str, bucket: int) -> tuple[Tensor, Tensor]:
    """Return (rows [users of the bucket, U], seen bool [users]), mapped if the file is local."""
    tensors = load_file(users_file(folder, bucket))
    return tensors[ROWS], tensors[SEEN]


def users_file(folder: str, bucket: int) -> str:
    """Return the path of a bucket's users."""
    return posixpath.join(folder, "users", f"bucket-{bucket:05d}.safetensors")


def save_tensors(path: str, tensors: Mapping[str, Tensor]) -> int:
    """Write tensors as safetensors and return the CRC-32 of the file."""
    # contiguous() also copies a slice out of its larger storage.
    content = save({name: tensor.cpu().contiguous() for name, tensor in tensors.items()})
    storage.write_bytes(path, content)
    return zlib.crc32(content)


def load_tensors(content: bytes) -> dict[str, Tensor]:
    """Return the tensors in the content of a safetensors file."""
    return dict(load(content))


def load_file(path: str) -> dict[str, Tensor]:
    """Return the tensors of a file, mapped if it is local; a DataError if there is none."""
    return open_mapped(path, "pt", "weights of a trained model")


def open_mapped(path: str, framework: Literal["pt", "np"], expected: str) -> dict[str, Any]:
    """Return the tensors (pt) or arrays (np) of a file, mapped if it is local.

    Raises:
        DataError: There is no such file; `expected` says what should be in it.
    """
    if not storage.exists(path):
        raise DataError(
            describe(
                path,
                found="no such file",
                expected=expected,
                remedy="Train the model again: jobs/train.py with --force.",
            )
        )
    # The tensors stay mapped after the file is closed and its local copy is removed.
    with storage.local_copy(path) as local, safe_open(local, framework=framework) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
