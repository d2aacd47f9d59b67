"""Popularity, the yardstick of lists, where the run has no lists of it: counted by evaluate itself.

So no list is shown without it, whichever jobs were run, and nothing must be fitted for it. It ranks
as the preset `popularity` does: by how many users like a movie, ties by index, without the movies
that the user rated.
"""

from __future__ import annotations

import numpy as np

from recspark.evaluation.list_figures import Ints, Lists


def rank_movies(likes: Ints, support: Ints) -> Ints:
    """Return the movies with a rating in train, most liked first.

    Args:
        likes: [movies], ratings that show that a user liked the movie.
        support: [movies], ratings in train.
    """
    order = np.argsort(-likes, kind="stable")
    return order[support[order] > 0]


def list_popular(
    order: Ints, num_movies: int, rows: Ints, seen: tuple[Ints, Ints], length: int
) -> Lists:
    """Return the list of each user: the first movies of the order that the user has not rated.

    Args:
        order: Movies, best first.
        num_movies: Movies in the index.
        rows: [users], whom to list for, ascending.
        seen: (row, movie) of what users have rated; rows may name others too.
        length: Most entries of a list.
    """
    place = np.full(num_movies, len(order))
    place[order] = np.arange(len(order))
    owner, position = np.searchsorted(rows, seen[0]), place[seen[1]]
    is_wanted = np.take(rows, owner, mode="clip") == seen[0] if len(rows) else seen[0] < 0
    owner, position = owner[is_wanted], position[is_wanted]
    found = [Lists(*(np.empty(0, np.int64) for _ in range(3)))]
    width = 4 * length
    while len(rows) and len(order):
        width = min(width, len(order))
        inside = position < width
        is_new = np.ones((len(rows), width), bool)
        is_new[owner[inside], position[inside]] = False
        rank = np.cumsum(is_new, axis=1, dtype=np.int32)
        is_done = (rank[:, -1] >= length) | (width == len(order))
        user, where = np.nonzero(is_new & (rank <= length) & is_done[:, None])
        found.append(Lists(rows[user], order[where], rank[user, where].astype(np.int64)))
        # The few who rated most of that part get a longer one.
        is_kept = ~is_done[owner]
        owner, position = (np.cumsum(~is_done) - 1)[owner[is_kept]], position[is_kept]
        rows, width = rows[~is_done], 4 * width
    names = ("rows", "movies", "ranks")
    return Lists.sort(*(np.concatenate([getattr(one, x) for one in found]) for x in names))
