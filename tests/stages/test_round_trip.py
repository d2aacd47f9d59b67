"""The ids that go into a run come out of its lists, scored pairs, similar movies and the API."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

import recspark
from recspark.config.load import load_config
from recspark.stages import score_pairs

NUM_USERS, NUM_MOVIES = 10, 8

_LETTERS = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"))
_TEXTS = st.text(_LETTERS, min_size=1, max_size=30).filter(lambda text: text == text.strip())
# What programs write for a missing value is no id.
_NOTHING = {"null", "NULL", "None", "none", "nan", "NaN", "<NA>", "\\N"}
_STRANGE = ["=1+1", "<b>&amp;'\"", "007", "12.0", "a,b;c d", "é", "e\u0301", "../x"]


def _many(one: st.SearchStrategy[Any], count: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(one, min_size=count, max_size=count, unique=True)


def _texts(count: int) -> st.SearchStrategy[list[str]]:
    some = _many(_TEXTS.filter(lambda text: text not in {*_NOTHING, *_STRANGE}), count - 8)
    return some.map(lambda found: [*_STRANGE, *found])


IDS = {
    "text": _texts,
    "uuid": lambda count: _many(st.uuids().map(str), count),
    "negative": lambda count: _many(st.integers(-(10**6), -1), count),
    "64-bit": lambda count: _many(st.integers(2**53, 2**63 - 1), count - 2).map(
        lambda found: [2**63 - 1, -(2**63), *found]
    ),
    "from 0": lambda count: st.just(list(range(count))),
}


@pytest.mark.parametrize(
    ("users", "movies"),
    [
        ("text", "64-bit"),
        pytest.param("uuid", "negative", marks=pytest.mark.slow),
        pytest.param("from 0", "text", marks=pytest.mark.slow),
    ],
)
@settings(
    max_examples=2, phases=[Phase.generate], suppress_health_check=list(HealthCheck), database=None
)
@given(data=st.data())
def test_ids_come_out_as_they_went_in(
    spark: SparkSession, users: str, movies: str, data: st.DataObject
) -> None:
    user_ids = data.draw(IDS[users](NUM_USERS + 1), "users")
    movie_ids = data.draw(IDS[movies](NUM_MOVIES + 1), "movies")
    with tempfile.TemporaryDirectory() as folder:
        _check(spark, Path(folder), user_ids, movie_ids)


def _check(spark: SparkSession, folder: Path, users: list[Any], movies: list[Any]) -> None:
    """Run on all users and movies but the last ones, which stay unknown."""
    known_users, known_movies = users[:-1], movies[:-1]
    with (folder / "ratings.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["user_id", "movie_id", "rating"])
        for i, user in enumerate(known_users):
            for j, movie in enumerate(known_movies):
                if (i + j) % 4:
                    rows.writerow([user, movie, 1 + (i * j) % 5])
    # Every pair, also with a user and a movie that are new.
    pairs = [(user, movie) for movie in movies for user in users]
    with (folder / "pairs.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("user_id", "movie_id"), *pairs])
    config = {
        "run_dir": str(folder / "run"),
        "models": ["bias", "als"],
        "ingest": {"format": "table", "ratings": str(folder / "ratings.csv")},
        "prepare": {"test_fraction": 0, "valid_fraction": 0, "num_buckets": 2},
        "baseline": {"als": {"embedding_size": 2, "epochs": 1}},
        "recommend": {"models": ["als"], "top_n": 3},
        "similar": {"models": ["als"], "top_n": 2},
        "until": "evaluate",
    }
    run = recspark.run(config)

    lists = pq.read_table(f"{run.path}/recommendations/als").to_pylist()
    assert {row["user_id"] for row in lists} == set(known_users)
    assert {row["movie_id"] for row in lists} <= set(known_movies)
    assert [type(row["user_id"]) for row in lists] == [type(users[0])] * len(lists)
    places = {user: i for i, user in enumerate(known_users)}
    for row in lists:  # none that was rated
        assert (places[row["user_id"]] + known_movies.index(row["movie_id"])) % 4 == 0

    similar = pq.read_table(f"{run.path}/similar_movies/als").to_pylist()
    assert {row["movie_id"] for row in similar} == set(known_movies)
    assert {row["similar_movie_id"] for row in similar} <= set(known_movies)

    words = [f"--run_dir={run.path}", "--name=t", f"--score_pairs.pairs={folder}/pairs.csv"]
    score_pairs.run(load_config(words, prog="score_pairs"), "als", spark)
    scored = pq.read_table(f"{run.path}/scored_pairs/pairs/als").to_pylist()
    assert [(row["user_id"], row["movie_id"]) for row in scored] == pairs
    for row in scored:
        is_known = row["user_id"] in known_users and row["movie_id"] in known_movies
        assert (row["fallback"] is None) == is_known

    model = run.model("als")
    answers = model.predict(*zip(*pairs, strict=True), with_fallback=True)
    assert answers["user_id"].tolist() == [user for user, _ in pairs]
    assert answers["movie_id"].tolist() == [movie for _, movie in pairs]
    assert answers["prediction"].tolist() == [row["prediction"] for row in scored]
    for movie in known_movies:
        found = run.similar("als", movie_id=movie)
        assert found["movie_id"].tolist() == [movie] * 2
    table = run.recommendations("als")
    assert set(table["user_id"]) == set(known_users)
