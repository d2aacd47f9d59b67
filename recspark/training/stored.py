"""Stored ratings as columns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recspark.contract import columns as c

Columns = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float32]]
"""(user_index, movie_index, ratings) of some rows; later steps put user_rows for user_index."""

STORED_COLUMNS = (c.USER_INDEX, c.MOVIE_INDEX, c.RATING)
"""The columns of a data set that training reads, in the order of `Columns`."""
