"""The held-out pairs that test is made of, and whether they match the ratings."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark.sql import SparkSession

from recspark.arrays.ids import Ids, to_list
from recspark.arrays.lookup import Lookup
from recspark.config import PrepareConfig
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.paths import RunPaths
from recspark.contract.schemas import IdTypes
from recspark.errors import DataError, describe
from recspark.files import parquet
from recspark.prepare.pairs import read_pairs
from recspark.prepare.split import pair_keys

logger = logging.getLogger(__name__)

_NUM_SAMPLES = 3


@dataclass
class HeldOutPairs:
    """Pairs of raw ids that are to be test.

    Attributes:
        source: The file, or the data set `probe`, for messages.
        users: Raw user ids.
        movies: Raw movie ids.
        keys: After `find`, `pair_keys` of the known pairs, ascending, distinct.
        num_pairs: After `find`, the distinct pairs.
    """

    source: str
    users: Ids
    movies: Ids
    keys: npt.NDArray[np.int64] = field(init=False)
    num_pairs: int = field(init=False)
    _unknown: list[str] = field(init=False)

    def find(self, users: Lookup, movies: Lookup) -> None:
        """Look up the pairs among the users and movies that the filters kept."""
        user, movie = users.find(self.users), movies.find(self.movies)
        is_known = (user >= 0) & (movie >= 0)
        self.keys = np.unique(pair_keys(user[is_known], movie[is_known]))
        unknown = np.flatnonzero(~is_known)
        repeated = int(is_known.sum()) - len(self.keys)
        self.num_pairs = len(user) - repeated
        self._unknown = [
            f"user {one!r}, movie {two!r}"
            for one, two in zip(
                to_list(self.users[unknown[:_NUM_SAMPLES]]),
                to_list(self.movies[unknown[:_NUM_SAMPLES]]),
                strict=True,
            )
        ]

    def check(self, num_matched: int, settings: PrepareConfig) -> int:
        """Return how many pairs match no rating, and tell it.

        Raises:
            DataError: They are more than `prepare.max_unmatched_pairs`.
        """
        unmatched = self.num_pairs - num_matched
        has_filter = (
            settings.user_fraction < 1
            or settings.min_ratings_per_user > 1
            or settings.min_ratings_per_movie > 1
        )
        # Where a filter is set, an unknown user or movie may be one that it took away.
        missing = len(self.keys) - num_matched if has_filter else unmatched
        if unmatched:
            logger.warning(
                "prepare: %s of %s held-out pairs in %s match no rating%s",
                *(f"{unmatched:,}", f"{self.num_pairs:,}", self.source),
                f", such as {'; '.join(self._unknown)}" if self._unknown else "",
            )
        if missing > settings.max_unmatched_pairs * max(self.num_pairs, 1):
            raise DataError(
                describe(
                    self.source,
                    found=f"{missing:,} of {self.num_pairs:,} pairs that match no rating"
                    + (f" ({'; '.join(self._unknown)})" if self._unknown else ""),
                    expected=f"at most {settings.max_unmatched_pairs:.1%}",
                    remedy="Check which column is the user and which the movie, and that the pairs "
                    "belong to these ratings; or raise prepare.max_unmatched_pairs.",
                )
            )
        return unmatched


def read_held_out_pairs(
    spark: SparkSession, paths: RunPaths, settings: PrepareConfig, types: IdTypes
) -> HeldOutPairs:
    """Return the pairs of `prepare.pairs`, or those of `probe`.

    Raises:
        DataError: The file is unusable.
    """
    if settings.pairs is not None:
        found = read_pairs(settings, types.are_text)
        return HeldOutPairs(settings.pairs, found.users, found.movies)
    source = paths.probe
    probe = parquet.read_dataset(spark, source, schemas.PROBE)
    frame: pd.DataFrame = probe.select(c.USER_ID, c.MOVIE_ID).distinct().toPandas()
    users, movies = (frame[name].to_numpy().astype(np.int64) for name in (c.USER_ID, c.MOVIE_ID))
    return HeldOutPairs(source, users, movies)
