"""Nearest users by the cosine between rating vectors whose gaps hold the user's mean.

With D the deviations from the mean on rated cells (each row sums to 0) and M movies, the filled
vectors are never built: u·v = M·mean_u·mean_v + D_u·D_v and |u|² = M·mean_u² + |D_u|².
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from recspark.baselines.user_block import UserBlock

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]


def find_neighbors(
    target: UserBlock,
    others: Iterable[UserBlock],
    *,
    num_rated_movies: int,
    num_neighbors: int,
    block_users: int,
) -> tuple[Ints, Ints, npt.NDArray[np.float32]]:
    """Return `user_index`, `neighbor_index`, `similarity`: up to `num_neighbors` rows per user.

    Users are in the target's order, their neighbours from nearest to farthest. Ties go to the lower
    `user_index`. No user is their own neighbour.

    Args:
        target: The users who look for neighbours.
        others: All users in blocks, each user once, the target among them; in any order.
        num_rated_movies: Movies with a rating in train: the length M of a filled vector.
        num_neighbors: Most neighbours of a user.
        block_users: Target users handled at a time. Memory: `block_users` × (movies + users of
            the other block × 3) × 8 bytes.
    """
    shape = (len(target.user_index), num_neighbors)
    similarity, nearest = np.full(shape, -np.inf), np.full(shape, np.iinfo(np.int32).max, np.int32)
    for other in others:
        for start in range(0, shape[0], block_users):
            part = slice(start, start + block_users)
            found = _similarities(target, part, other, num_rated_movies)
            index = np.broadcast_to(other.user_index, found.shape)
            similarity[part], nearest[part] = _keep_nearest(
                np.hstack([similarity[part], found]),
                np.hstack([nearest[part], index]),
                num_neighbors,
            )
    real = np.isfinite(similarity)
    users = np.repeat(target.user_index, real.sum(axis=1))
    return users, nearest[real], similarity[real].astype(np.float32)


def _similarities(
    target: UserBlock, part: slice, other: UserBlock, num_rated_movies: int
) -> Floats:
    """Return cosines [target users of `part`, other users], −inf for a user with themselves."""
    dense = target.deviations[part].T.toarray(order="C")
    dots = (other.deviations @ dense).T + num_rated_movies * np.outer(
        target.means[part], other.means
    )
    lengths = np.outer(_lengths(target, num_rated_movies)[part], _lengths(other, num_rated_movies))
    found = np.divide(dots, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    found[target.user_index[part, None] == other.user_index] = -np.inf
    return found


def _lengths(block: UserBlock, num_rated_movies: int) -> Floats:
    """Return the length of each user's filled vector, [users]."""
    squares = block.deviations.multiply(block.deviations).sum(axis=1)
    return np.sqrt(num_rated_movies * block.means**2 + np.asarray(squares).ravel())


def _keep_nearest(similarity: Floats, index: Ints, count: int) -> tuple[Floats, Ints]:
    """Return the `count` most similar of each row, nearest first, ties by lower index.

    Args:
        similarity: [rows, candidates], at least `count` candidates.
        index: [rows, candidates]
        count: How many to keep of each row.
    """
    # np.argpartition alone would break ties at the border arbitrarily: take all that reach the
    # count-th value, then order only those.
    num_rows, num_candidates = similarity.shape
    border = np.partition(similarity, num_candidates - count, axis=1)[:, num_candidates - count]
    rows, candidates = np.nonzero(similarity >= border[:, None])
    values, indexes = similarity[rows, candidates], index[rows, candidates]
    order = np.lexsort((indexes, -values, rows))
    first = np.searchsorted(rows, np.arange(num_rows))
    kept = order[np.arange(len(rows)) - first[rows] < count]
    return values[kept].reshape(num_rows, count), indexes[kept].reshape(num_rows, count)
