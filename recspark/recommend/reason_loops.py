"""Compiled loops that add the contributions of models, and keep the greatest of each entry.

Shape legend: E entries, N movies of their histories, P contributions of one model, R reasons.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recspark.arrays.compiled import compiled

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@compiled
def add_part(
    starts: Longs,
    movies: Ints,
    added: Floats,
    part_starts: Longs,
    part_movies: Ints,
    values: Floats,
    scales: Doubles,
) -> None:
    """Add value · scale of one model to the movie of the history that it belongs to.

    Args:
        starts: [E + 1], where the history of each entry begins.
        movies: [N], ascending in each history.
        added: [N], what the movies add so far.
        part_starts: [E + 1], where the contributions to each entry begin.
        part_movies: [P], ascending for each entry, of its history.
        values: [P].
        scales: [E].
    """
    for entry in range(len(starts) - 1):
        place, end = starts[entry], starts[entry + 1]
        for at in range(part_starts[entry], part_starts[entry + 1]):
            while place < end and movies[place] < part_movies[at]:
                place += 1
            if place < end and movies[place] == part_movies[at]:
                added[place] += np.float32(values[at] * scales[entry])


@compiled
def keep_greatest(starts: Longs, movies: Ints, values: Floats, best: Ints, kept: Floats) -> None:
    """Keep what adds most to the score of each entry, the greatest first.

    Args:
        starts: [E + 1], where the contributions of each entry begin.
        movies: [N]; of equal contributions, the first is kept.
        values: [N].
        best: [E, R], filled with movies; -1 before, and where no further value is above 0.
        kept: [E, R], filled with their values; 0 before.
    """
    count = best.shape[1]
    for entry in range(len(starts) - 1):
        for place in range(starts[entry], starts[entry + 1]):
            value = values[place]
            at = count
            while at > 0 and value > kept[entry, at - 1]:
                at -= 1
            if at == count:
                continue
            for later in range(count - 1, at, -1):
                best[entry, later] = best[entry, later - 1]
                kept[entry, later] = kept[entry, later - 1]
            best[entry, at] = movies[place]
            kept[entry, at] = value
