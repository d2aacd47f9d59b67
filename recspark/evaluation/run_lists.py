"""Opens the lists of a run with what they are measured against."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
from pyspark.sql import SparkSession

from recspark.arrays.ids import from_arrow
from recspark.arrays.lookup import Lookup
from recspark.config import Config
from recspark.contract import columns as c
from recspark.contract.catalog import MODELS, VALID
from recspark.contract.paths import RunPaths
from recspark.datasets.id_maps import read_index_ids
from recspark.datasets.lineage import require_current
from recspark.datasets.manifest import Manifest, read_manifest, require_manifest
from recspark.datasets.movie_sums import count_movie_ratings
from recspark.datasets.prepared import PreparedFacts, find_fold_in
from recspark.datasets.train_buckets import locate_train
from recspark.evaluation.list_sums import ListFrame
from recspark.evaluation.lists_leaderboard import YARDSTICK
from recspark.evaluation.top_n import Figures, measure_lists
from recspark.evaluation.variety import MovieVectors, co_rating_vectors, genre_vectors
from recspark.evaluation.yardstick import rank_movies
from recspark.files import parquet

logger = logging.getLogger(__name__)


def find_lists(paths: RunPaths, models: Iterable[str]) -> dict[str, Manifest]:
    """Return the manifests of the lists of those models that have any.

    Raises:
        DataError: Lists were made with an earlier version of their model.
    """
    found = {}
    for name in models:
        path = paths.recommendations(name)
        manifest = read_manifest(path)
        if manifest is not None:
            require_current(path, manifest, model=require_manifest(paths.model(name), MODELS))
            found[name] = manifest
    return found


def measure_run(
    config: Config,
    lists: Mapping[str, Manifest],
    train: Manifest,
    support: npt.NDArray[np.int64],
    spark: SparkSession,
) -> dict[str, Figures]:
    """Return the figures of the lists, and of the yardstick if it is not among them, best first.

    Args:
        config: The run's config.
        lists: Model to the manifest of its lists; at least one.
        train: Manifest of train.
        support: [movies], ratings in train.
        spark: The session whose tasks measure.
    """
    paths, facts, settings = RunPaths(config.root), PreparedFacts.of(train), config.evaluate
    relevant = facts.find_relevant(settings.relevant_rating)
    movies = Lookup.of(read_index_ids(paths.movie_index, train))
    buckets = range(facts.num_buckets)
    popular = None
    if YARDSTICK not in lists:
        valid = locate_train(paths.valid, require_manifest(paths.valid, VALID))
        known = [locate_train(paths.train, train), valid]
        popular = rank_movies(count_movie_ratings(spark, known, relevant), support)
    vectors = _read_genres(paths, movies) or co_rating_vectors(
        spark,
        paths.train,
        buckets,
        num_ratings=train.num_rows,
        num_users=facts.num_users,
        num_movies=facts.num_movies,
        seed=config.seed,
    )
    frame = ListFrame(
        train=paths.train,
        valid=paths.valid,
        test=paths.test,
        fold_in=find_fold_in(paths.fold_in, train),
        num_users=facts.num_users,
        num_buckets=facts.num_buckets,
        users=Lookup.of(read_index_ids(paths.user_index, train)),
        movies=movies,
        lengths=settings.all_lengths,
        top_k=settings.top_k,
        relevant_rating=relevant,
        support=support,
        vectors=vectors,
        seed=config.seed,
        popular=popular,
    )
    _warn_of_short_lists(lists, settings.all_lengths[-1])
    return measure_lists(
        spark,
        {name: paths.recommendations(name) for name in lists},
        frame,
        num_resamples=settings.resamples,
    )


def _warn_of_short_lists(lists: Mapping[str, Manifest], longest: int) -> None:
    for name, manifest in lists.items():
        length = manifest.settings.get("top_n", longest)
        if length < longest:
            logger.warning(
                "evaluate: lists of %s have %s movies, so that ranks beyond count as misses at %s: "
                "set recommend.top_n to %s",
                *(name, length, longest, longest),
            )


def _read_genres(paths: RunPaths, movies: Lookup) -> MovieVectors | None:
    """Return the genre vectors of the indexed movies, None if none has a genre."""
    genres: list[str | None] = [None] * len(movies)
    if read_manifest(paths.movies) is None:
        return None
    for batch in parquet.read_batches(paths.movies, [c.MOVIE_ID, c.GENRES]):
        places = movies.find(from_arrow(batch.column(c.MOVIE_ID))).tolist()
        for place, text in zip(places, batch.column(c.GENRES).to_pylist(), strict=True):
            if place >= 0:
                genres[place] = text
    return genre_vectors(genres)
