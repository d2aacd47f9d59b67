"""Counts what is in the rows of lists, without Spark: one group of users after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recspark.arrays.ids import from_arrow, to_list
from recspark.arrays.lookup import Lookup
from recspark.contract import columns as c
from recspark.files import parquet
from recspark.gates.judged_lists import ListCounts

Ints = npt.NDArray[np.int64]

# Rows held at a time, about 60 bytes each.
GROUP_ROWS = 8_000_000
_NUM_SAMPLES = 3


@dataclass(frozen=True)
class StoredLists:
    """Lists on disk.

    Attributes:
        path: Their data set.
        num_rows: Its rows.
        length: Longest list that was asked for.
    """

    path: str
    num_rows: int
    length: int


@dataclass(frozen=True)
class Known:
    """The users and movies of a run.

    Attributes:
        users: Finds `user_index`.
        movies: Finds `movie_index`.
        has_title: [movies], whether the titles file has the movie; None if there are no titles.
    """

    users: Lookup
    movies: Lookup
    has_title: npt.NDArray[np.bool_] | None


@dataclass(frozen=True)
class _Rows:
    """Rows of a group of users; -1 stands for an id that is not in the index."""

    users: Ints
    movies: Ints
    ranks: Ints

    def of(self, chosen: npt.NDArray[np.bool_]) -> _Rows:
        return _Rows(self.users[chosen], self.movies[chosen], self.ranks[chosen])


def count_rows(lists: StoredLists, known: Known, before: StoredLists | None) -> ListCounts:
    """Return what is in lists, and how much they differ from those of an earlier run.

    A user's churn is 1 - |L ∩ L'| / max(|L|, |L'|), where L and L' are the user's two lists, both
    cut at the shorter of the two lengths. The ids of the earlier run are looked up in this run's
    index. Memory: 60 bytes for each of GROUP_ROWS rows; each further group reads the files again.

    Args:
        lists: The lists.
        known: The users and movies of their run.
        before: Those of the earlier run; None compares nothing.
    """
    num_rows = lists.num_rows + (before.num_rows if before else 0)
    num_groups = max(1, -(-num_rows // GROUP_ROWS))
    num_lists = num_unknown = num_repeats = num_vanished = num_shared = rows_read = 0
    changed = 0.0
    vanished = np.zeros(len(known.movies), bool)
    for group in range(num_groups):
        rows = _read(lists.path, group, num_groups, known)
        rows_read += len(rows.users)
        indexed = rows.of((rows.users >= 0) & (rows.movies >= 0))
        num_unknown += len(rows.users) - len(indexed.users)
        num_lists += int(np.count_nonzero(np.bincount(indexed.users)))
        num_repeats += _count_repeats(indexed, len(known.movies))
        if known.has_title is not None:
            untitled = indexed.movies[~known.has_title[indexed.movies]]
            num_vanished += len(untitled)
            vanished[untitled] = True
        if before is not None:
            length = min(lists.length, before.length)
            earlier = _read(before.path, group, num_groups, known)
            shared, share = _compare(rows, earlier, length, known)
            num_shared += shared
            changed += share
    some = known.movies.ordered()[np.flatnonzero(vanished)[:_NUM_SAMPLES]]
    return ListCounts(
        num_rows=rows_read,
        num_lists=num_lists,
        num_unknown=num_unknown,
        num_repeats=num_repeats,
        num_vanished=num_vanished,
        vanished=tuple(map(str, to_list(some))),
        num_shared=num_shared if before else None,
        churn=changed / num_shared if num_shared else None,
    )


def _read(path: str, group: int, num_groups: int, known: Known) -> _Rows:
    """Return the rows of every `num_groups`-th user."""
    found: list[tuple[npt.NDArray[np.integer[Any]], ...]] = [(np.empty(0, np.int64),) * 3]
    for batch in parquet.read_batches(path, [c.USER_ID, c.MOVIE_ID, c.RANK]):
        users = known.users.find(from_arrow(batch.column(c.USER_ID)))
        chosen = users % num_groups == group
        movies = from_arrow(batch.column(c.MOVIE_ID))[chosen]
        ranks = batch.column(c.RANK).to_numpy()
        found.append((users[chosen], known.movies.find(movies), ranks[chosen]))
    return _Rows(*(np.concatenate(parts).astype(np.int64) for parts in zip(*found, strict=True)))


def _count_repeats(rows: _Rows, num_movies: int) -> int:
    """Return how many rows repeat a movie of their list, plus how many repeat a rank."""
    highest = int(rows.ranks.max(initial=0)) + 1
    keys = (rows.users * num_movies + rows.movies, rows.users * highest + rows.ranks)
    return sum(len(one) - len(_sort_distinct(one)) for one in keys)


def _sort_distinct(keys: Ints) -> Ints:
    """Return the distinct keys, ascending; the keys themselves are sorted in place."""
    keys.sort()
    return keys[np.diff(keys, prepend=-1) != 0]


def _compare(mine: _Rows, theirs: _Rows, length: int, known: Known) -> tuple[int, float]:
    """Return the users who have a list in both, and the sum of their churn."""
    sizes, pairs = [], []
    for rows in (mine, theirs):
        shown = rows.of((rows.users >= 0) & (rows.ranks <= length))
        sizes.append(np.bincount(shown.users, minlength=len(known.users)))
        indexed = shown.of(shown.movies >= 0)
        pairs.append(_sort_distinct(indexed.users * len(known.movies) + indexed.movies))
    common = np.intersect1d(pairs[0], pairs[1], assume_unique=True) // max(len(known.movies), 1)
    same = np.bincount(common, minlength=len(known.users))
    both = (sizes[0] > 0) & (sizes[1] > 0)
    share = 1 - same[both] / np.maximum(*sizes)[both]
    return int(both.sum()), float(share.sum())
