"""One side of the ratings, users or movies, as the row solver keeps it between half-sweeps.

Shape legend: R rows, N ratings of this rank, K factors, W columns of a table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

LANES = 16
"""float32 values added at a time: 64 bytes, a line of the cache and the widest vector."""
# Columns of a table after the factors.
BIAS, SLOPE, MEAN_TIME, WEIGHT = range(4)


@dataclass(frozen=True)
class RowTable:
    """All users of a rank, or all movies, with their ratings.

    Attributes:
        values: float32 [R, W]; a row is the factors, the bias, the slope over time, the mean time
            and the weight, padded with zeros to whole vectors. Without drift slope and mean time
            are 0. The weight multiplies the precision of the row's ratings.
        num_factors: K.
        has_drift: Whether rows have a slope.
        starts: int64 [R + 1], where the ratings of each row begin.
        others: int32 [N], the counterparts of each row's ratings, as rows of their table.
        ratings: float32 [N], in units of the model's output; or the weights of targets of 1.
        times: int32 [N], seconds; empty if nothing depends on them.
        counts: int64 [R], the ratings of each row over all ranks.
        names: int64 [R], what the row is called on every rank: `user_index` or `movie_index`.
        is_shared: Whether every rank has all rows, each with ratings of its own (movies).
        is_weighted: Whether ratings are weights; rows are then factors alone.
    """

    values: Floats
    num_factors: int
    has_drift: bool
    starts: Longs
    others: Ints
    ratings: Floats
    times: Ints
    counts: Longs
    names: Longs
    is_shared: bool
    is_weighted: bool = False

    @property
    def num_columns(self) -> int:
        """D, the columns that are solved for: factors, bias and, with drift, slope."""
        return self.num_factors + (0 if self.is_weighted else 1 + self.has_drift)

    @property
    def drift_times(self) -> Ints:
        """[N], the times; empty without drift."""
        return self.times if self.has_drift else self.times[:0]

    @property
    def rows(self) -> Floats:
        """[R, D], a view of what is solved for."""
        return self.values[:, : self.num_columns]

    @property
    def weights(self) -> Floats:
        """[R], a view of the weights."""
        return self.values[:, self.num_factors + WEIGHT]

    @property
    def mean_times(self) -> Floats:
        """[R], a view of the mean times in years."""
        return self.values[:, self.num_factors + MEAN_TIME]


def table_width(num_factors: int) -> int:
    """Return the columns of a table, W."""
    return -(-(num_factors + 4) // LANES) * LANES
