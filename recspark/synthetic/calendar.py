"""When users join, movies are released and ratings are given; the volume grows to the last day.

The day of a rating is uniform from the later of the user's joining and the movie's release on.
Users join at a growing rate, which gives yearly volumes similar to those of the Netflix Prize.
"""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import NDArray

FIRST_DAY = date(1999, 11, 11)
LAST_DAY = date(2005, 12, 31)
NUM_DAYS = (LAST_DAY - FIRST_DAY).days + 1

_GROWTH = 0.8  # users join at a rate that grows by exp(0.8) from the first day to the last
_FIRST_YEAR = 1896
_MEAN_AGE_YEARS = 12.0

Floats32 = NDArray[np.float32]


def sample_joined(users: np.random.Generator, num_users: int) -> Floats32:
    """Return when each user joins, from 0 (first day) to 1 (last day)."""
    uniform = users.random(num_users)
    return (np.log1p(uniform * np.expm1(_GROWTH)) / _GROWTH).astype(np.float32)


def sample_years(movies: np.random.Generator, num_movies: int) -> NDArray[np.int32]:
    """Return the year of release of each movie, most of them recent."""
    ages = movies.exponential(_MEAN_AGE_YEARS, num_movies).astype(np.int32)
    return np.maximum(LAST_DAY.year - ages, _FIRST_YEAR).astype(np.int32)


def opening_share(years: NDArray[np.int32]) -> Floats32:
    """Return 1 January of each year on the scale of `sample_joined`, 0 for earlier years."""
    starts = {year: (date(int(year), 1, 1) - FIRST_DAY).days for year in np.unique(years)}
    days = np.array([starts[year] for year in years], dtype=np.float32)
    return np.maximum(days / NUM_DAYS, 0).astype(np.float32)


def sample_times(
    rows: np.random.Generator, joined: Floats32, opened: Floats32 | np.float32
) -> Floats32:
    """Return the time of each rating, in [0, 1)."""
    earliest = np.maximum(joined, opened)
    times = earliest + (1 - earliest) * rows.random(len(joined), dtype=np.float32)
    return np.minimum(times, np.float32(1 - 2**-20))


def days_of(times: Floats32) -> NDArray[np.int32]:
    """Return the day number of each time, from 0 (first day)."""
    return (times * NUM_DAYS).astype(np.int32)
