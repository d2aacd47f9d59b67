"""Lists under caps: the best movies of which no genre has too many, with places for rare movies."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recspark.config import RecommendConfig
from recspark.recommend.rank import Mask, Ranked, Ranker
from recspark.recommend.top_n import USER_BLOCK
from recspark.scoring.predictors import BlockScorer, Ints

logger = logging.getLogger(__name__)

# Entries beyond the length of a list that are ranked first; where they do not do, all are.
_MORE = 128
# Entries that are ranked at a time where all of a user's are.
_ENTRIES = 4_000_000
# Of the ratings of train, those of the rare movies.
_RARE_RATINGS = 0.2


@dataclass(frozen=True)
class Caps:
    """Limits of each list.

    Attributes:
        length: Most movies.
        max_per_genre: Most movies of any one genre.
        max_common: Most movies that are not rare.
        genre_starts: int64 [candidates + 1], where the genres of each begin.
        genres: int32 [genres of all candidates], numbers from 0.
        is_rare: [candidates]
    """

    length: int
    max_per_genre: int
    max_common: int
    genre_starts: npt.NDArray[np.int64]
    genres: npt.NDArray[np.int32]
    is_rare: Mask


def make_caps(
    settings: RecommendConfig,
    candidates: npt.NDArray[np.int32],
    num_ratings: npt.NDArray[np.int64],
    genres: Sequence[Sequence[str]] | None,
) -> Caps | None:
    """Return the caps that are set; None if none is.

    Args:
        settings: The limits.
        candidates: Movies that may be listed, by index.
        num_ratings: [movies], ratings in train.
        genres: [movies], names; None if `max_per_genre` is not set.
    """
    if settings.max_per_genre is None and not settings.rare_share:
        return None
    if genres is not None and not any(genres):
        logger.warning("recommend: max_per_genre has no effect, as no movie has a genre")
    own = [genres[movie] if genres else () for movie in candidates.tolist()]
    numbers = {name: at for at, name in enumerate(sorted({one for names in own for one in names}))}
    places = math.ceil(settings.rare_share * settings.top_n - 1e-9)
    return Caps(
        length=settings.top_n,
        max_per_genre=settings.max_per_genre or settings.top_n,
        max_common=settings.top_n - places,
        genre_starts=np.cumsum([0, *map(len, own)]).astype(np.int64),
        genres=np.array([numbers[name] for names in own for name in names], np.int32),
        is_rare=find_rare(num_ratings)[candidates],
    )


def find_rare(num_ratings: npt.NDArray[np.int64]) -> Mask:
    """Return which movies are rare: those rated least that have a fifth of the ratings together.

    Movies with equally many ratings are all rare or all not.

    Args:
        num_ratings: [movies]
    """
    values, counts = np.unique(num_ratings, return_counts=True)
    up_to = np.cumsum(values * counts)
    is_rare = up_to <= _RARE_RATINGS * up_to[-1]
    rare: Mask = is_rare[np.searchsorted(values, num_ratings)]
    return rare


def rank_capped(ranker: Ranker, scorer: BlockScorer, users: Ints, caps: Caps) -> Iterator[Ranked]:
    """Yield the lists of users under caps: each movie in the order of rank that breaks no cap.

    A list is only shorter than `caps.length` if no further candidate fits. Users are named by their
    place among `users`.

    Args:
        ranker: Ranks candidates.
        scorer: Of the users.
        users: Places of users in the ranker, at most USER_BLOCK.
        caps: The caps.
    """
    has_places = caps.max_common < caps.length
    depth = caps.length + _MORE
    ranked = ranker.rank(scorer, users, depth, caps.is_rare if has_places else None)
    lists, is_cut = pick(ranked, caps, len(users), depth)
    is_kept = ~is_cut[lists[0]]
    owners, rank, movies, scores = lists
    yield owners[is_kept], rank[is_kept], movies[is_kept], scores[is_kept]
    left = np.flatnonzero(is_cut)
    step = max(1, min(USER_BLOCK, _ENTRIES // ranker.num_candidates))
    for start in range(0, len(left), step):
        some = left[start : start + step]
        of_some = ranker.open_scorer(users[some])
        ranked = ranker.rank(of_some, users[some], ranker.num_candidates)
        (owners, rank, movies, scores), _ = pick(ranked, caps, len(some), ranker.num_candidates + 1)
        yield some[owners], rank, movies, scores


def pick(ranked: Sequence[Ranked], caps: Caps, num_users: int, depth: int) -> tuple[Ranked, Mask]:
    """Return lists under caps, and [users], which of them more entries could make longer.

    Args:
        ranked: The best candidates of users, and perhaps those of the rare ones.
        caps: The caps.
        num_users: Number of users.
        depth: Most entries that were asked for.
    """
    from recspark.recommend import cap_loops

    full = [np.bincount(one[0], minlength=num_users) == depth for one in ranked]
    users, _, movies, scores = (np.concatenate(column) for column in zip(*ranked, strict=True))
    is_extra = np.arange(len(users)) >= len(ranked[0][0])
    order = np.lexsort((is_extra, movies, -scores, users))
    users, movies, scores = users[order], movies[order], scores[order]
    is_new = np.ones(len(users), bool)
    is_new[1:] = (users[1:] != users[:-1]) | (movies[1:] != movies[:-1])
    users, movies, scores = users[is_new], movies[is_new], scores[is_new]
    starts = np.searchsorted(users, np.arange(num_users + 1))
    known = np.where(full[0], starts[:-1] + depth, starts[1:])
    kept, is_cut = np.zeros(len(users), bool), np.zeros(num_users, bool)
    cap_loops.pick(
        starts,
        movies,
        known,
        full[0],
        full[-1],
        caps.genre_starts,
        caps.genres,
        int(caps.genres.max(initial=-1)) + 1,
        caps.is_rare,
        caps.length,
        caps.max_per_genre,
        caps.max_common,
        kept,
        is_cut,
    )
    users, movies, scores = users[kept], movies[kept], scores[kept]
    rank = np.arange(len(users)) - np.searchsorted(users, np.arange(num_users))[users] + 1
    return (users, rank, movies, scores), is_cut
