"""A compiled loop that picks lists from ranked movies under caps.

Shape legend: U users, E entries, C candidates, G genres of the candidates.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recspark.arrays.compiled import compiled

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@compiled
def pick(
    starts: Longs,
    movies: Longs,
    known: Longs,
    is_full: Mask,
    is_full_of_rare: Mask,
    genre_starts: Longs,
    genres: Ints,
    num_genres: int,
    is_rare: Mask,
    length: int,
    max_per_genre: int,
    max_common: int,
    kept: Mask,
    is_cut: Mask,
) -> None:
    """Mark the entries of each user's list: the best ones first, as long as no cap is broken.

    Args:
        starts: [U + 1], where each user's entries begin, best first.
        movies: [E], positions among the candidates.
        known: [U], the user's entries up to which no movie is missing; behind them only rare ones
            are known.
        is_full: [U], whether there are movies beyond the entries.
        is_full_of_rare: [U], whether there are rare ones beyond them.
        genre_starts: [C + 1], where each movie's genres begin.
        genres: [G], below `num_genres`.
        num_genres: Distinct genres.
        is_rare: [C].
        length: Most movies in a list.
        max_per_genre: Most movies of one genre in a list.
        max_common: Most movies in a list that are not rare.
        kept: [E], set where an entry is listed; False before.
        is_cut: [U], set to whether the list is short and a movie beyond the entries may fit.
    """
    used = np.zeros(num_genres, np.int64)
    for user in range(len(starts) - 1):
        used[:] = 0
        listed, common = 0, 0
        for entry in range(starts[user], starts[user + 1]):
            if listed == length or (entry >= known[user] and common < max_common):
                break
            movie = movies[entry]
            if not is_rare[movie] and common == max_common:
                continue
            fits = True
            for place in range(genre_starts[movie], genre_starts[movie + 1]):
                fits = fits and used[genres[place]] < max_per_genre
            if not fits:
                continue
            for place in range(genre_starts[movie], genre_starts[movie + 1]):
                used[genres[place]] += 1
            kept[entry] = True
            listed += 1
            common += not is_rare[movie]
        may_go_on = is_full[user] and (common < max_common or is_full_of_rare[user])
        is_cut[user] = listed < length and may_go_on
