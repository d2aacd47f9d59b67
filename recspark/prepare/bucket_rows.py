"""The rows of one bucket, while its task splits and orders them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class BucketRows:
    """Ratings of some users, all of each: columns of equal length.

    Attributes:
        users: `user_index`, int32.
        movies: `movie_index`, int32.
        user_keys: `id_keys` of the raw user ids, uint64: draws depend on ids, not on indexes, so
            that another filter does not change them.
        movie_keys: The same of the movies.
        ratings: float32.
        times: Seconds since 1970-01-01 UTC or NO_TIME, int32.
    """

    users: npt.NDArray[np.int32]
    movies: npt.NDArray[np.int32]
    user_keys: npt.NDArray[np.uint64]
    movie_keys: npt.NDArray[np.uint64]
    ratings: npt.NDArray[np.float32]
    times: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.users)

    def take(self, chosen: npt.NDArray[Any]) -> BucketRows:
        """Return the rows that a mask or an array of positions chooses."""
        return replace(self, **{x.name: getattr(self, x.name)[chosen] for x in fields(self)})
