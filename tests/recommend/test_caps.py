"""Lists under caps, against a full sort and a greedy choice in plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recspark.config import RecommendConfig
from recspark.errors import ConfigError
from recspark.recommend import caps as caps_module
from recspark.recommend.caps import Caps, find_rare, make_caps, rank_capped
from recspark.recommend.rank import Ranker
from recspark.scoring.block_scorers import ScorerFactory
from recspark.scoring.predictors import FactorModel

NUM_MOVIES, NUM_USERS = 230, 6
GENRES = ("Action", "Comedy", "Drama", "War")
Lists = dict[int, list[tuple[int, float]]]


def greedy_lists(scores: np.ndarray, hidden: np.ndarray, caps: Caps) -> Lists:
    """Return (movie, score) by user: every movie in the order of rank that breaks no cap."""
    found: Lists = {}
    for user, row in enumerate(scores):
        used: dict[int, int] = {}
        common = 0
        for movie in sorted(range(len(row)), key=lambda movie: (-row[movie], movie)):
            own = caps.genres[caps.genre_starts[movie] : caps.genre_starts[movie + 1]].tolist()
            is_capped = any(used.get(genre, 0) == caps.max_per_genre for genre in own)
            is_common = not caps.is_rare[movie]
            if hidden[user, movie] or is_capped or (is_common and common == caps.max_common):
                continue
            if len(found.setdefault(user, [])) == caps.length:
                break
            found[user].append((movie, float(row[movie])))
            common += is_common
            for genre in own:
                used[genre] = used.get(genre, 0) + 1
    return {user: one for user, one in found.items() if one}


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    length=st.sampled_from([1, 4, 9]),
    max_per_genre=st.sampled_from([None, 1, 2]),
    rare_share=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    more=st.sampled_from([0, 3, 128]),
    rare_are_last=st.booleans(),
)
def test_lists_are_those_of_a_greedy_choice_over_all_movies(
    seed: int,
    length: int,
    max_per_genre: int | None,
    rare_share: float,
    more: int,
    rare_are_last: bool,
) -> None:
    rng = np.random.default_rng(seed)
    num_ratings = rng.integers(1, 40, NUM_MOVIES)
    genres = [
        [name for name, draw in zip(GENRES, rng.random(4), strict=True) if draw < 0.3]
        for _ in range(NUM_MOVIES)
    ]
    config = RecommendConfig(top_n=length, max_per_genre=max_per_genre, rare_share=rare_share)
    candidates = np.arange(NUM_MOVIES, dtype=np.int32)
    caps = make_caps(config, candidates, num_ratings, genres if max_per_genre else None)
    if max_per_genre is None and rare_share == 0:
        assert caps is None
        return
    assert caps is not None
    scores = np.round(rng.normal(size=(NUM_USERS, NUM_MOVIES)), 1).astype(np.float32)
    if rare_are_last:
        scores -= 100 * find_rare(num_ratings).astype(np.float32)
    hidden = rng.random(scores.shape) < rng.choice([0.1, 0.9, 0.99])
    owners, movies = np.nonzero(hidden)
    model = FactorModel(np.eye(NUM_MOVIES, dtype=np.float32), lambda bucket: scores)
    scorers = ScorerFactory(model, candidates)
    ranker = Ranker(
        lambda users: scorers.for_users(0, users), NUM_USERS, NUM_MOVIES, owners, movies
    )
    chosen = np.array([1, 2, 4, 5])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(caps_module, "_MORE", more)
        patch.setattr(caps_module, "_ENTRIES", 2 * NUM_MOVIES)
        parts = list(rank_capped(ranker, ranker.open_scorer(chosen), chosen, caps))
    found: Lists = {}
    for part in parts:
        for place, rank, movie, score in zip(*(column.tolist() for column in part), strict=True):
            entries = found.setdefault(int(chosen[place]), [])
            entries.append((movie, score))
            assert rank == len(entries)
    expected = greedy_lists(scores, hidden, caps)
    assert found == {user: expected[user] for user in chosen.tolist() if user in expected}


def test_rare_movies_have_a_fifth_of_the_ratings() -> None:
    # 100 ratings: 1 + 1 + 2 + 6 = 10 of the least rated ones; 10 + 10 more would be 30.
    counts = np.array([40, 20, 10, 10, 10, 6, 2, 1, 1])
    assert np.flatnonzero(find_rare(counts)).tolist() == [5, 6, 7, 8]
    counts = np.array([1, 80, 19])
    assert np.flatnonzero(find_rare(counts)).tolist() == [0, 2]
    assert not find_rare(np.full(4, 7)).any()


def test_places_of_rare_movies_are_rounded_up() -> None:
    candidates, counts = np.arange(3, dtype=np.int32), np.array([80, 15, 5])
    for share, common in ((0.3, 7), (0.31, 6), (1.0, 0), (0.1, 9)):
        caps = make_caps(RecommendConfig(rare_share=share), candidates, counts, None)
        assert caps is not None
        assert caps.max_common == common


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"max_per_genre": 0}, r"recommend\.max_per_genre: found 0, expected ≥ 1"),
        ({"rare_share": 1.1}, r"recommend\.rare_share: found 1\.1"),
        ({"reasons": -1}, r"recommend\.reasons: found -1"),
        ({"min_year": 2000, "max_year": 1990}, r"recommend\.min_year: found 2000"),
        ({"allow_values": {"genres": ()}}, r"allow_values\.genres: found no values"),
    ],
)
def test_limits_that_make_no_sense_are_refused(section: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RecommendConfig(**section)
