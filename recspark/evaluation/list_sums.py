"""The sums over the lists of one bucket of users, from which the figures of lists are computed.

Lists are stored by raw id, in any files. A first task reads a file and divides it by bucket; a
second one has all lists of a bucket, with the ratings of the same users from test and train.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recspark.arrays.ids import from_arrow
from recspark.arrays.lookup import Lookup
from recspark.arrays.user_buckets import locate, users_of
from recspark.contract import columns as c
from recspark.datasets.train_buckets import read_bucket
from recspark.evaluation import slices
from recspark.evaluation.list_figures import METRICS, Doubles, Ints, Lists, measure_users
from recspark.evaluation.lists_leaderboard import YARDSTICK
from recspark.evaluation.variety import MovieVectors, sum_diversity
from recspark.evaluation.yardstick import list_popular
from recspark.files import parquet

COMPARED = ("ndcg", "recall")
"""Figures that have intervals and paired differences."""
_COMPARED = [METRICS.index(name) for name in COMPARED]

Keys = npt.NDArray[np.int32]
Entries = tuple[str, Ints, Ints, Ints]
"""Model, `user_index`, `movie_index`, rank; index -1 for an id that is not in the index."""


@dataclass(frozen=True, kw_only=True)
class ListFrame:
    """What all lists are measured against; broadcast to the tasks."""

    train: str
    valid: str
    test: str
    fold_in: str | None
    """What is known of users who are held out of train, if prepare made it."""
    num_users: int
    num_buckets: int
    users: Lookup
    movies: Lookup
    lengths: tuple[int, ...]
    """Numbers of ranks to measure at, ascending."""
    top_k: int
    """The one of `lengths` whose figures are shown."""
    relevant_rating: float | None
    """Lowest rating that makes a movie relevant; None if no rating does."""
    support: Ints
    """[movies], ratings in train."""
    vectors: MovieVectors
    seed: int
    popular: Ints | None
    """Movies, most liked first, to list as the yardstick; None if its lists are among the rest."""


@dataclass
class ListSums:
    """Sums over the lists of some users; `users` and `by_user` are of those who count."""

    listed: Ints
    """[movies], how many lists hold each, cut at `top_k`."""
    sums: Doubles
    """[lengths, METRICS] over the users who have both a list and a relevant movie."""
    num_unknown: int = 0
    """Entries with an id that is not in the index."""
    num_faults: int = 0
    """Entries that repeat a rank or a movie, or have no rank."""
    num_lists: int = 0
    num_without: int = 0
    """Users with a relevant movie and no list."""
    diversity: float = 0.0
    num_diverse: int = 0
    """Lists that have a diversity."""
    by_activity: dict[slices.Key, Doubles] = field(default_factory=dict)
    """Group to [3, METRICS]: users, sums and sums of squares at `top_k`."""
    users: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    """[users], their `user_index`."""
    by_user: Doubles = field(default_factory=lambda: np.empty((0, len(COMPARED))))
    """[users, COMPARED] at `top_k`."""

    def add(self, other: ListSums) -> None:
        """Add the sums of other users."""
        self.listed = self.listed + other.listed
        self.sums = self.sums + other.sums
        for name in ("num_unknown", "num_faults", "num_lists", "num_without"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.diversity += other.diversity
        self.num_diverse += other.num_diverse
        for key, sums in other.by_activity.items():
            slices.add_sums(self.by_activity, key, sums)
        self.users = np.concatenate([self.users, other.users])
        self.by_user = np.concatenate([self.by_user, other.by_user])


def no_sums(frame: ListFrame) -> ListSums:
    """Return the sums of nobody."""
    return ListSums(
        np.zeros(len(frame.support), np.int64), np.zeros((len(frame.lengths), len(METRICS)))
    )


def divide_file(model: str, file: str, frame: ListFrame) -> Iterator[tuple[int, Entries]]:
    """Yield the entries of a file of lists, cut at the longest length, by bucket."""
    blocks: list[tuple[Ints, Ints, Ints]] = []
    for batch in parquet.read_batches(file, [c.USER_ID, c.MOVIE_ID, c.RANK]):
        ranks = batch.column(c.RANK).to_numpy().astype(np.int64)
        kept = ranks <= frame.lengths[-1]
        users = frame.users.find(from_arrow(batch.column(c.USER_ID))[kept])
        movies = frame.movies.find(from_arrow(batch.column(c.MOVIE_ID))[kept])
        blocks.append((users.astype(np.int64), movies.astype(np.int64), ranks[kept]))
    if not blocks:
        return
    users, movies, ranks = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    buckets = locate(users, frame.num_buckets)[0]
    for bucket in np.unique(buckets).tolist():
        mine = buckets == bucket
        yield bucket, (model, users[mine], movies[mine], ranks[mine])


def sum_lists(
    bucket: int, found: Iterable[Entries], models: Iterable[str], frame: ListFrame
) -> dict[str, ListSums]:
    """Return the sums of one bucket for each model, and for the yardstick if it is counted here.

    Memory: the bucket's lists, and its ratings in train, 16 bytes each.

    Args:
        bucket: The bucket.
        found: All entries of its users' lists.
        models: Models that are measured.
        frame: What they are measured against.
    """
    parts: dict[str, list[Entries]] = {name: [] for name in models}
    for one in found:
        parts[one[0]].append(one)
    seen = _read_known(bucket, frame)
    size = len(users_of(bucket, frame.num_users, frame.num_buckets))
    activity = slices.support_key(np.bincount(seen[0], minlength=size))
    relevant = _find_relevant(bucket, frame)
    sums, lists = {}, {}
    for name, entries in parts.items():
        sums[name], lists[name] = _join(entries, frame)
    if frame.popular is not None:
        sums[YARDSTICK] = no_sums(frame)
        rows = np.unique(np.concatenate([one.rows for one in lists.values()]))
        more = _read(frame.valid, bucket, frame)
        rated = (np.concatenate([seen[0], more[0]]), np.concatenate([seen[1], more[1]]))
        count = len(frame.support)
        lists[YARDSTICK] = list_popular(frame.popular, count, rows, rated, frame.lengths[-1])
    for name, made in lists.items():
        _measure(sums[name], made, relevant, activity, bucket, frame)
    return sums


def _join(entries: list[Entries], frame: ListFrame) -> tuple[ListSums, Lists]:
    """Return the lists of one model, and sums with nothing but its faults."""
    sums = no_sums(frame)
    empty = (np.empty(0, np.int64),)
    users, movies, ranks = (
        np.concatenate([*empty, *(one[column] for one in entries)]) for column in (1, 2, 3)
    )
    known = (users >= 0) & (movies >= 0)
    sums.num_unknown = int(np.count_nonzero(~known))
    rows = _rows(users[known], frame)
    lists = Lists.sort(rows, movies[known], ranks[known])
    sums.num_faults = lists.count_faults()
    return sums, lists


def _measure(
    sums: ListSums, lists: Lists, relevant: Ints, activity: Keys, bucket: int, frame: ListFrame
) -> None:
    """Add what one model's lists are worth to its sums."""
    num_rows, num_movies = len(activity), len(frame.support)
    if sums.num_faults or not num_rows:
        return  # the driver refuses them
    num_relevant = np.bincount(relevant // num_movies, minlength=num_rows)
    has_list = np.bincount(lists.rows, minlength=num_rows) > 0
    counted = np.flatnonzero(has_list & (num_relevant > 0))
    sums.num_lists = int(has_list.sum())
    sums.num_without = int((~has_list & (num_relevant > 0)).sum())
    shown = lists.cut(frame.top_k)
    sums.listed = np.bincount(shown.movies, minlength=num_movies)
    users = np.asarray(users_of(bucket, frame.num_users, frame.num_buckets))
    chosen = shown.of(frame.vectors.choose(users, frame.seed))
    sums.diversity, sums.num_diverse = sum_diversity(chosen, frame.vectors, num_rows)
    hits = lists.find_hits(relevant, num_movies)
    for place, length in enumerate(frame.lengths):
        figures = measure_users(hits, num_relevant, length)[counted]
        sums.sums[place] = figures.sum(axis=0)
        if length != frame.top_k:
            continue
        sums.users = users[counted]
        sums.by_user = figures[:, _COMPARED]
        for key in np.unique(activity[counted]).tolist():
            mine = figures[activity[counted] == key]
            rows = np.full(len(METRICS), float(len(mine)))
            sums.by_activity[key] = np.stack([rows, mine.sum(axis=0), (mine**2).sum(axis=0)])


def _find_relevant(bucket: int, frame: ListFrame) -> Ints:
    """Return the relevant pairs of a bucket as row · movies + movie, ascending."""
    if frame.relevant_rating is None:
        return np.empty(0, np.int64)
    columns = [c.USER_INDEX, c.MOVIE_INDEX, c.RATING]
    users, movies, ratings = read_bucket(frame.test, bucket, columns)
    liked = ratings >= frame.relevant_rating
    rows = _rows(users[liked], frame)
    return np.sort(rows * len(frame.support) + movies[liked])


def _read(path: str, bucket: int, frame: ListFrame) -> tuple[Ints, Ints]:
    """Return (row, movie) of a bucket's ratings."""
    users, movies = read_bucket(path, bucket, [c.USER_INDEX, c.MOVIE_INDEX])
    return _rows(users, frame), movies.astype(np.int64)


def _read_known(bucket: int, frame: ListFrame) -> tuple[Ints, Ints]:
    """Return (row, movie) of what models know of a bucket's users: train, and fold_in of others."""
    paths = [frame.train, *([frame.fold_in] if frame.fold_in else [])]
    rows, movies = zip(*(_read(path, bucket, frame) for path in paths), strict=True)
    return np.concatenate(rows), np.concatenate(movies)


def _rows(users: npt.NDArray[np.integer], frame: ListFrame) -> Ints:
    """Return the place of each user in its bucket."""
    return locate(users, frame.num_buckets)[1].astype(np.int64)
