"""A trained model for a person in a notebook: raw ids in, ratings out, no Spark."""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from recspark.contract import columns as c
from recspark.contract.catalog import MODELS, TRAIN, USER_INDEX
from recspark.contract.paths import MODEL_CARD, RunPaths
from recspark.datasets.manifest import require_manifest
from recspark.errors import DataError, describe
from recspark.files import parquet, storage
from recspark.files.storage import require_json
from recspark.models.rating_model import RatingModel
from recspark.models.saved import load_module
from recspark.saved.weights import load_users

Ids = Sequence[int] | npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class LoadedModel:
    """A model with its id maps; made by `load_model`.

    Attributes:
        folder: The model's folder.
        card: What it is.
        module: The network, ready to predict.
        users: Raw user id to user_index.
        movies: Raw movie id to movie_index.
    """

    folder: str
    card: dict[str, Any]
    module: RatingModel
    seen_movies: Tensor
    users: dict[int, int]
    movies: dict[int, int]
    rating_range: tuple[float, float]

    def predict(self, user_ids: Ids, movie_ids: Ids) -> npt.NDArray[np.float32]:
        """Return the predicted rating of each pair, clipped to the ratings of train.

        NaN where user or movie has no rating in train: jobs/score.py has a fallback for those.

        Args:
            user_ids: Raw user ids [N].
            movie_ids: Raw movie ids [N].
        """
        user_index = np.array([self.users.get(int(one), -1) for one in user_ids])
        movie_index = np.array([self.movies.get(int(one), -1) for one in movie_ids])
        if len(user_index) != len(movie_index):
            raise ValueError(f"{len(user_index)} user_ids and {len(movie_index)} movie_ids")
        predictions = np.full(len(user_index), np.nan, np.float32)
        known = np.flatnonzero((user_index >= 0) & (movie_index >= 0))
        buckets = user_index[known] % self.card["num_buckets"]
        for bucket in np.unique(buckets).tolist():
            pairs = known[buckets == bucket]
            rows, seen = self._open_users(bucket)
            users = torch.from_numpy(user_index[pairs] // self.card["num_buckets"])
            movies = torch.from_numpy(movie_index[pairs])
            with torch.no_grad():
                values = self.module(rows[users], movies).clamp(*self.rating_range)
            values[~(seen[users] & self.seen_movies[movies])] = torch.nan
            predictions[pairs] = values.numpy()
        return predictions

    def _open_users(self, bucket: int) -> tuple[Tensor, Tensor]:
        return _open_users(self.folder, self.card["attempt"], bucket)


def load_model(path: str) -> LoadedModel:
    """Return the trained model of a folder `<run>/models/<name>`.

    Args:
        path: The folder, local or remote.

    Raises:
        DataError: There is no such model, Spark fitted it, or its run has other id maps by now.
    """
    require_manifest(path, MODELS.made_by("train"))
    card = require_json(
        posixpath.join(path, MODEL_CARD),
        expected="the card of a saved model",
        remedy="Train the model again: jobs/train.py with --force.",
    )
    if "architecture" not in card:
        raise DataError(
            describe(
                path,
                found=f"a model that Spark fitted ({card.get('algorithm')})",
                expected="one that jobs/train.py trained",
                remedy="Use jobs/score.py for it.",
            )
        )
    paths = RunPaths(posixpath.dirname(posixpath.dirname(path.rstrip("/"))))
    maps = {"user_index": paths.user_index, "movie_index": paths.movie_index}
    for name, folder in maps.items():
        found = require_manifest(folder, USER_INDEX).id
        if found != card["index_ids"][name]:
            raise DataError(
                describe(
                    folder,
                    found=f"the id map {found}",
                    expected=f"{card['index_ids'][name]}, with which the model was trained",
                    remedy="Train the model again, or restore the run directory it came with.",
                )
            )
    counts = require_manifest(paths.train, TRAIN).counts
    module, seen_movies = load_module(path, card)
    return LoadedModel(
        folder=path,
        card=card,
        module=module,
        seen_movies=seen_movies,
        users=_read_index(paths.user_index),
        movies=_read_index(paths.movie_index),
        rating_range=(counts["rating_min"], counts["rating_max"]),
    )


def _read_index(folder: str) -> dict[int, int]:
    tables = []
    for file in parquet.parquet_files(folder):
        fs, stripped = storage.filesystem(file)
        with fs.open(stripped, "rb") as opened:
            tables.append(pq.read_table(opened, columns=[c.ID, c.INDEX]))
    table = pa.concat_tables(tables)
    return dict(zip(*(table.column(n).to_pylist() for n in (c.ID, c.INDEX)), strict=True))


@functools.lru_cache(maxsize=64)
def _open_users(folder: str, attempt: str, bucket: int) -> tuple[Tensor, Tensor]:
    return load_users(folder, bucket)
