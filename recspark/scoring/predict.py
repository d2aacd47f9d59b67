"""Scores pairs in one pass: the model, its fallback, the flag, clipping to the rating scale."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recspark.arrays.user_buckets import locate
from recspark.scoring.fallback import FLAGS, NO_ANSWER, as_flags, fill
from recspark.scoring.load import SavedModel, open_effects, open_model
from recspark.scoring.predictors import Floats, Ints, UncertainModel


@dataclass(frozen=True)
class Scoring:
    """What scoring needs; small and picklable, sent to every task."""

    model: SavedModel
    fallback: SavedModel | None = None
    """The bias model of the same train; None for a model that ranks, whose scores are no ratings
    and have no scale."""
    lowest: float = -np.inf
    """Lower end of the rating scale."""
    highest: float = np.inf
    """Upper end of the rating scale."""

    @property
    def folders(self) -> list[str]:
        """The folders of the models, each once."""
        models = [self.model] if self.fallback is None else [self.model, self.fallback]
        return list(dict.fromkeys(folder for one in models for folder in one.folders))


@dataclass(frozen=True)
class Scored:
    """The columns that scoring adds to pairs, [pairs] each, in their order."""

    prediction: pa.FloatArray
    """A number for every pair, clipped to the rating scale; of a model that ranks its score, null
    where it has none."""
    std: pa.FloatArray
    """Standard deviation of the rating (rating units); null where the model states none."""
    fallback: pa.StringArray
    """What answered instead of the model; null where the model itself did."""

    @property
    def columns(self) -> tuple[pa.Array, ...]:
        """The columns in the order of `schemas.PREDICTIONS`."""
        return self.prediction, self.std, self.fallback


def score_pairs(
    scoring: Scoring,
    users: Ints,
    movies: Ints,
    times: Ints | None = None,
    *,
    answers: Floats | None = None,
) -> Scored:
    """Return the predictions of pairs, or the scores of a model that ranks.

    Predictions are clipped to the rating scale, here and nowhere else. Fastest if all pairs
    lie in one bucket.

    Args:
        scoring: The models.
        users: [pairs], `user_index`; -1 for a user that is not in the index.
        movies: [pairs], `movie_index`; -1 for a movie that is not in the index.
        times: [pairs], see `PairModel`.
        answers: [pairs], what the model said of these pairs earlier; it is then not asked again.
    """
    model = open_model(scoring.model)
    effects = None if scoring.fallback is None else open_effects(scoring.fallback)
    num_buckets = scoring.model.num_buckets
    prediction = np.full(len(users), np.nan, np.float32)
    std = np.full(len(users), np.nan, np.float32)
    flags, is_answered = np.zeros(len(users), np.int8), np.ones(len(users), bool)
    for bucket, at in _by_bucket(users, num_buckets):
        rows, which = np.where(users[at] < 0, -1, locate(users[at], num_buckets)[1]), movies[at]
        when = None if times is None else times[at]
        is_indexed = (rows >= 0) & (which >= 0)
        if answers is None:
            found = _of_indexed(is_indexed, model.predict, bucket, rows, which, when)
        else:
            found = answers[at].copy()
        if answers is None and isinstance(model, UncertainModel):
            stds = functools.partial(_rating_std, model)
            std[at] = _of_indexed(is_indexed, stds, bucket, rows, which, when)
        gaps = np.flatnonzero(np.isnan(found))
        if len(gaps):
            positions = np.arange(len(users))[at][gaps]
            if effects is None:
                flags[positions] = FLAGS.index(NO_ANSWER)
            else:
                found[gaps], flags[positions] = fill(effects, bucket, rows[gaps], which[gaps])
            is_answered[positions] = False
        prediction[at] = np.clip(found, scoring.lowest, scoring.highest)
    return Scored(
        pa.array(prediction, mask=np.isnan(prediction)),
        pa.array(std, mask=np.isnan(std)),
        as_flags(flags, is_answered),
    )


def _of_indexed(
    is_indexed: npt.NDArray[np.bool_],
    answer: Callable[[int, Ints, Ints, Ints | None], Floats],
    bucket: int,
    rows: Ints,
    movies: Ints,
    times: Ints | None,
) -> Floats:
    """Return the model's answers, NaN for pairs with an id that is not in the index."""
    if is_indexed.all():
        return answer(bucket, rows, movies, times)
    found = np.full(len(rows), np.nan)
    if is_indexed.any():
        when = None if times is None else times[is_indexed]
        found[is_indexed] = answer(bucket, rows[is_indexed], movies[is_indexed], when)
    return found


def _rating_std(
    model: UncertainModel, bucket: int, rows: Ints, movies: Ints, times: Ints | None
) -> Floats:
    return model.spread(bucket, rows, movies, times)[1]


def _by_bucket(
    users: Ints, num_buckets: int
) -> Iterator[tuple[int, slice | npt.NDArray[np.int64]]]:
    """Yield each bucket with the positions of its pairs; unknown users count to bucket 0."""
    if len(users) == 0:
        return
    buckets = np.where(users < 0, 0, locate(users, num_buckets)[0])
    if (buckets == buckets[0]).all():
        yield int(buckets[0]), slice(None)
        return
    order = np.argsort(buckets, kind="stable")
    numbers, starts = np.unique(buckets[order], return_index=True)
    yield from zip(numbers.tolist(), np.split(order, starts[1:]), strict=True)
