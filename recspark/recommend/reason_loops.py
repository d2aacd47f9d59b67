"""A compiled loop that keeps the greatest contributions of each entry.

Shape legend: E entries, N contributions, R reasons.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recspark.arrays.compiled import compiled

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


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
