"""Lists, train and test as files, written without Spark, and their figures by plain loops."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recspark.arrays.lookup import Lookup
from recspark.contract import columns as c
from recspark.evaluation.list_sums import ListFrame
from recspark.evaluation.variety import genre_vectors
from tests.evaluation.samples import write_buckets
from tests.runs import movie_id, user_id

NUM_USERS, NUM_MOVIES, NUM_BUCKETS = 30, 25, 4
SEED = 5
GENRES = ["Drama|Comedy", "Comedy", "Drama", None, "War|Drama|Comedy"] * 5
Ratings = dict[tuple[int, int], float]
ListsOf = dict[int, list[int]]


@dataclass
class Run:
    """A small run: ratings by (user, movie), and for each model the movies of each user's list."""

    train: Ratings
    test: Ratings
    lists: dict[str, ListsOf]
    valid: Ratings = field(default_factory=dict)
    relevant_rating: float | None = 4.0
    lengths: tuple[int, ...] = (1, 5, 12)
    top_k: int = 5
    genres: Sequence[str | None] = tuple(GENRES)

    @property
    def support(self) -> list[int]:
        return [sum(movie == one for _, one in self.train) for movie in range(NUM_MOVIES)]


def random_run(seed: int, num_models: int = 2) -> Run:
    """Return a run in which some users have no list, some no test rating, one neither."""
    rng = np.random.default_rng(seed)

    def rate(share: float) -> Ratings:
        return {
            (int(user), int(movie)): float(rng.integers(1, 6))
            for user, movie in np.argwhere(rng.random((NUM_USERS, NUM_MOVIES)) < share)
            if user not in (3, 28)
        }

    train, test = rate(0.2), rate(0.3)
    train = {pair: rating for pair, rating in train.items() if pair[0] % 3 or pair[1] % 2}
    train = {pair: rating for pair, rating in train.items() if pair[1] != NUM_MOVIES - 1}
    lists = {
        f"m{number}": {
            user: rng.permutation(NUM_MOVIES)[: rng.integers(1, 14)].tolist()
            for user in range(number, NUM_USERS - 4 + number)
        }
        for number in range(num_models)
    }
    return Run(train, test, lists, valid={(0, 3): 5.0, (7, 8): 4.0, (7, 9): 2.0})


def write_run(folder: Path, run: Run, popular: Sequence[int] | None = None) -> ListFrame:
    """Write the run's ratings by bucket; return what its lists are measured against."""
    for name, ratings in (("train", run.train), ("valid", run.valid), ("test", run.test)):
        columns = {
            c.USER_INDEX: pa.array([user for user, _ in ratings], pa.int32()),
            c.MOVIE_INDEX: pa.array([movie for _, movie in ratings], pa.int32()),
            c.RATING: pa.array(ratings.values(), pa.float32()),
        }
        write_buckets(folder / name, columns, NUM_BUCKETS)
    vectors = genre_vectors(run.genres)
    assert vectors is not None
    return ListFrame(
        train=str(folder / "train"),
        valid=str(folder / "valid"),
        test=str(folder / "test"),
        fold_in=None,
        num_users=NUM_USERS,
        num_buckets=NUM_BUCKETS,
        users=Lookup.of(np.array([user_id(user) for user in range(NUM_USERS)])),
        movies=Lookup.of(np.array([movie_id(movie) for movie in range(NUM_MOVIES)])),
        lengths=run.lengths,
        top_k=run.top_k,
        relevant_rating=run.relevant_rating,
        support=np.array(run.support),
        vectors=vectors,
        seed=SEED,
        popular=None if popular is None else np.array(popular),
    )


def write_lists(folder: Path, lists: ListsOf, num_files: int = 3) -> str:
    """Write lists by raw id, their rows in any order over any files; return the path."""
    rows = [
        (user_id(user), rank, movie_id(movie))
        for user, movies in lists.items()
        for rank, movie in enumerate(movies, start=1)
    ]
    order = np.random.default_rng(1).permutation(len(rows)).tolist()
    folder.mkdir(parents=True)
    for number in range(num_files):
        mine = [rows[place] for place in order[number::num_files]]
        names = (c.USER_ID, c.RANK, c.MOVIE_ID)
        table = {name: [row[at] for row in mine] for at, name in enumerate(names)}
        kinds = zip(names, (pa.int64(), pa.int32(), pa.int64()), strict=True)
        pq.write_table(pa.table(table, schema=pa.schema(list(kinds))), folder / f"{number}.parquet")
    return str(folder)


def of_user(movies: list[int], relevant: set[int], k: int) -> dict[str, float]:
    """Return a user's figures by their definitions."""
    hits = [movie in relevant for movie in movies[:k]]
    best = min(k, len(relevant))
    at = [sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits) if hit]
    return {
        "precision": sum(hits) / k,
        "recall": sum(hits) / len(relevant),
        "capped_recall": sum(hits) / best,
        "ndcg": sum(hit / math.log2(i + 2) for i, hit in enumerate(hits))
        / sum(1 / math.log2(i + 2) for i in range(best)),
        "map": sum(at) / best,
        "mrr": next((1 / (i + 1) for i, hit in enumerate(hits) if hit), 0.0),
        "hit_rate": float(any(hits)),
    }


def by_user(run: Run, lists: ListsOf, k: int) -> dict[int, dict[str, float]]:
    """Return the figures of each user who has a list and a relevant movie."""
    limit = math.inf if run.relevant_rating is None else run.relevant_rating
    found = {}
    for user, movies in lists.items():
        relevant = {movie for (one, movie), r in run.test.items() if one == user and r >= limit}
        if relevant:
            found[user] = of_user(movies, relevant, k)
    return found


def of_all_lists(run: Run, lists: ListsOf) -> dict[str, Any]:
    """Return what all lists concentrate on, cut at `top_k`, by the definitions."""
    support = run.support
    cut = [movies[: run.top_k] for movies in lists.values()]
    listed = [movie for movies in cut for movie in movies]
    counts = [listed.count(movie) for movie in range(NUM_MOVIES)]
    differences = sum(abs(a - b) for a in counts for b in counts)
    rated = [support[movie] for _, movie in run.train]
    alike = [
        [_cosine(run.genres[a], run.genres[b]) for a, b in itertools.combinations(movies, 2)]
        for movies in ([m for m in movies if run.genres[m]] for movies in cut)
    ]
    diverse = [1 - sum(one) / len(one) for one in alike if one]
    return {
        "catalogue_coverage": len(set(listed)) / NUM_MOVIES,
        "novelty": np.mean([-math.log2(max(support[m], 1) / NUM_USERS) for m in listed]),
        # The mean difference of two movies over twice the mean: Gini's own definition.
        "concentration": differences / (2 * NUM_MOVIES * sum(counts)),
        "popularity_lift": np.mean([support[m] for m in listed]) / np.mean(rated),
        "diversity": np.mean(diverse),
    }


def _cosine(one: str | None, other: str | None) -> float:
    first, second = set((one or "").split("|")), set((other or "").split("|"))
    return len(first & second) / math.sqrt(len(first) * len(second))


def popular_lists(run: Run, users: Sequence[int], length: int) -> ListsOf:
    """Return the lists of popularity by its definition."""
    known = {**run.train, **run.valid}
    limit = -math.inf if run.relevant_rating is None else run.relevant_rating
    likes = [
        sum(one == movie and rating >= limit for (_, one), rating in known.items())
        for movie in range(NUM_MOVIES)
    ]
    order = sorted(
        (movie for movie in range(NUM_MOVIES) if run.support[movie]),
        key=lambda movie: (-likes[movie], movie),
    )
    return {
        user: [movie for movie in order if (user, movie) not in known][:length] for user in users
    }


def with_model(run: Run, name: str, lists: ListsOf) -> Run:
    """Return the run with one more model."""
    return replace(run, lists={**run.lists, name: lists})
