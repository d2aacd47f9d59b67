"""recommend on the fitted run, against a sort of the dense table of predictions."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recspark.config import RecommendConfig
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import read_manifest
from recspark.errors import ConfigError, DataError
from recspark.files import parquet
from recspark.recommend import own_lists
from recspark.recommend.lists import WrittenLists
from recspark.recommend.own_lists import ListJob
from recspark.scoring import load
from recspark.scoring.predictors import PairModel
from recspark.stages import recommend
from tests.runs import movie_id, user_id
from tests.stages.fitted import (
    NUM_USERS,
    TRAIN,
    UNSEEN_MOVIE,
    UNSEEN_USER,
    VALID,
    Fitted,
    dense_answers,
)

List = list[tuple[int, float]]


def run(spark: SparkSession, run_: Fitted, name: str, **settings: object) -> dict[int, List]:
    """Make lists with a model and return (movie, score) by user, ranks checked."""
    section = RecommendConfig(**settings)  # type: ignore[arg-type]
    config = dataclasses.replace(run_.models[name], recommend=section)
    recommend.run(config, name, spark)
    path = RunPaths(config.root).recommendations(name)
    frame = parquet.read_dataset(spark, path, schemas.RECOMMENDATIONS)
    found: dict[int, List] = {}
    for row in frame.orderBy(c.USER_ID, c.RANK).collect():
        entries = found.setdefault(row[c.USER_ID], [])
        entries.append((row[c.MOVIE_ID], row[c.SCORE]))
        assert row[c.RANK] == len(entries)
    return found


def sorted_lists(
    run_: Fitted, name: str, count: int, least: int = 1, off: np.ndarray | float = 0.0
) -> dict[int, List]:
    """Return the expected lists from the dense table, less what goes off each movie's scores."""
    table, seen = dense_answers(run_.config.root, name, clips=False) - off, ~np.isnan(TRAIN)
    seen[tuple(zip(*((user, movie) for user, movie, _ in VALID), strict=True))] = True
    support = (~np.isnan(TRAIN)).sum(axis=0)
    found = {}
    for user in range(NUM_USERS):
        row = [
            (-table[user, movie], movie)
            for movie in range(len(support))
            if support[movie] >= least and not seen[user, movie]
        ]
        if user != UNSEEN_USER:
            found[user_id(user)] = [(movie_id(m), -score) for score, m in sorted(row)[:count]]
    return found


def check(found: dict[int, List], wanted: dict[int, List]) -> None:
    assert found.keys() == wanted.keys()
    for user, entries in wanted.items():
        assert [movie for movie, _ in found[user]] == [movie for movie, _ in entries]
        scores = [score for _, score in entries]
        assert [score for _, score in found[user]] == pytest.approx(scores, abs=1e-5)


@pytest.mark.parametrize("name", ["biased_mf", "als", "bias", "cosine_user", "blend"])
def test_lists_are_the_highest_predictions_without_rated_movies(
    spark: SparkSession, fitted: Fitted, name: str
) -> None:
    found = run(spark, fitted, name, top_n=5)
    check(found, sorted_lists(fitted, name, 5))
    listed = {movie for entries in found.values() for movie, _ in entries}
    assert movie_id(UNSEEN_MOVIE) not in listed
    manifest = read_manifest(RunPaths(fitted.config.root).recommendations(name))
    assert manifest is not None
    assert (manifest.counts["users"], manifest.counts["lists"]) == (NUM_USERS, NUM_USERS - 1)


def test_a_list_is_no_longer_than_the_movies(spark: SparkSession, fitted: Fitted) -> None:
    found = run(spark, fitted, "als", top_n=100)
    check(found, sorted_lists(fitted, "als", 100))
    assert all(3 < len(entries) < 29 for entries in found.values())


def test_movies_with_few_ratings_are_left_out(spark: SparkSession, fitted: Fitted) -> None:
    support = (~np.isnan(TRAIN)).sum(axis=0)
    least = int(np.median(support))
    assert 5 < (support >= least).sum() < 25
    check(
        run(spark, fitted, "biased_mf", top_n=4, min_ratings=least),
        sorted_lists(fitted, "biased_mf", 4, least),
    )
    with pytest.raises(DataError, match=r"recommend\.min_ratings: found no movie with 99"):
        run(spark, fitted, "biased_mf", min_ratings=99)


def test_lists_for_some_users_only(spark: SparkSession, fitted: Fitted, tmp_path: Path) -> None:
    file = tmp_path / "users.txt"
    file.write_text(
        "".join(f"{raw}\n" for raw in (user_id(3), user_id(UNSEEN_USER), 5, user_id(8)))
    )
    found = run(spark, fitted, "biased_mf", top_n=3, users=str(file))
    wanted = sorted_lists(fitted, "biased_mf", 3)
    check(found, {user_id(user): wanted[user_id(user)] for user in (3, 8)})
    manifest = read_manifest(RunPaths(fitted.config.root).recommendations("biased_mf"))
    assert manifest is not None
    assert (manifest.counts["users"], manifest.counts["lists"]) == (4, 2)


def test_users_without_a_list_are_counted_by_reason(
    spark: SparkSession, fitted: Fitted, caplog: pytest.LogCaptureFixture
) -> None:
    # Only the most rated movies may be listed: some users have rated them all.
    least = int((~np.isnan(TRAIN)).sum(axis=0).max())
    wanted = sorted_lists(fitted, "biased_mf", 4, least)
    full = sum(not entries for entries in wanted.values())
    assert 0 < full < NUM_USERS - 1
    found = run(spark, fitted, "biased_mf", top_n=4, min_ratings=least)
    check(found, {user: entries for user, entries in wanted.items() if entries})
    assert f"1 of {NUM_USERS} users get no list: they have no rating in train" in caplog.text
    reason = "have rated every movie that may be listed"
    assert f"{full} of {NUM_USERS} users get no list: they {reason}" in caplog.text


def test_current_output_is_kept_and_another_length_runs_again(
    spark: SparkSession, copied: Fitted
) -> None:
    path = RunPaths(copied.config.root).recommendations("bias")
    run(spark, copied, "bias", top_n=2)
    before = read_manifest(path)
    run(spark, copied, "bias", top_n=2)
    assert read_manifest(path) == before
    assert {len(entries) for entries in run(spark, copied, "bias", top_n=3).values()} == {3}


def test_a_model_or_index_of_another_prepare_is_refused(
    spark: SparkSession, copied: Fitted
) -> None:
    root = Path(copied.config.root)
    for name, message in (("models/als", "from an earlier train"), ("user_index", "an index of x")):
        file = root / name / "_MANIFEST.json"
        manifest = json.loads(file.read_text())
        changed = {"inputs": {"train": "x"}} if "models" in name else {"id": "x"}
        file.write_text(json.dumps(manifest | changed))
        with pytest.raises(DataError, match=message):
            run(spark, copied, "als")
        file.write_text(json.dumps(manifest))


def test_caution_is_refused_for_a_model_that_states_no_deviation(
    spark: SparkSession, copied: Fitted
) -> None:
    path = Path(RunPaths(copied.config.root).recommendations("als"))
    before = path.exists()
    with pytest.raises(ConfigError, match=r"recommend\.caution: found 1, and als, a model"):
        run(spark, copied, "als", caution=1.0)
    assert path.exists() == before


class Uncertain:
    """A stand-in for a model that states deviations: als, with a tenth of each movie's index."""

    def __init__(self, model: PairModel) -> None:
        self.predict = model.predict

    def spread(self, bucket: int, rows: Any, movies: Any, times: Any = None) -> Any:
        return movies / 10, movies / 5

    def block_spread(self, bucket: int, rows: Any, movies: Any) -> Any:
        return np.tile(movies[:, None].astype(np.float32) / 10, len(rows))


def test_cautious_lists_rank_by_mean_less_deviation(
    spark: SparkSession, copied: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(job: ListJob, bucket: int, root: str) -> WrittenLists:
        opened = own_lists.open_model
        own_lists.open_model = lambda saved: Uncertain(opened(saved))  # in the task
        try:
            return own_lists.write_bucket(job, bucket, root)
        finally:
            own_lists.open_model = opened

    monkeypatch.setattr(recommend, "write_bucket", write)
    monkeypatch.setattr(recommend, "open_model", lambda saved: Uncertain(load.open_model(saved)))
    found = run(spark, copied, "als", top_n=5, caution=2.0)
    check(found, sorted_lists(copied, "als", 5, off=np.arange(len(TRAIN[0])) / 5))
    assert found != run(spark, copied, "als", top_n=5)
