from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from recspark.config import SimilarConfig
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.paths import RunPaths
from recspark.contract.schemas import IdTypes
from recspark.datasets.step import Step
from recspark.errors import ConfigError
from recspark.files import parquet
from recspark.stages import similar
from tests.runs import movie_id
from tests.stages.fitted import NUM_MOVIES, UNSEEN_MOVIE, Fitted, mf_tables

UNTITLED = 4


@pytest.fixture
def titled(spark: SparkSession, copied: Fitted) -> Fitted:
    """The run with titles of all movies but one. Two movies share a title."""
    paths = RunPaths(copied.config.root)
    rows = [
        (movie_id(movie), 1990, f"Title {min(movie, 20)}", None)
        for movie in range(NUM_MOVIES)
        if movie != UNTITLED
    ]
    with Step("ingest", {}, {}, [paths.movies]) as step:
        schema = schemas.MOVIES.with_ids(IdTypes())
        frame = spark.createDataFrame(rows, schema.ddl)
        parquet.write_dataset(frame, step.staging(paths.movies), schema)
        step.publish(paths.movies, schema)
    return copied


def test_lists_equal_numpy_and_have_titles(spark: SparkSession, titled: Fitted) -> None:
    section = SimilarConfig(top_n=6)
    config = dataclasses.replace(titled.models["biased_mf"], similar=section)
    similar.run(config, "biased_mf", spark)
    path = RunPaths(config.root).similar_movies("biased_mf")
    rows = parquet.read_dataset(spark, path, schemas.SIMILAR_MOVIES).collect()
    factors = mf_tables()[1][:, :-1].astype(
        float
    )  # the bias says how good a movie is, not what it resembles
    units = factors / np.linalg.norm(factors, axis=1, keepdims=True)
    cosine = units @ units.T
    wanted = {}
    for movie in range(NUM_MOVIES - 1):  # the last one has no rating in train
        others = sorted((-cosine[movie, m], m) for m in range(NUM_MOVIES - 1) if m != movie)
        wanted[movie_id(movie)] = [(movie_id(m), -negative) for negative, m in others[:6]]
    found: dict[int, list[tuple[int, float]]] = {}
    title = {movie_id(m): f"Title {min(m, 20)}" for m in range(NUM_MOVIES)}
    title[movie_id(UNTITLED)] = None  # type: ignore[assignment]
    for row in sorted(rows, key=lambda row: (row[c.MOVIE_ID], row[c.RANK])):
        entries = found.setdefault(row[c.MOVIE_ID], [])
        entries.append((row[c.SIMILAR_MOVIE_ID], row[c.SIMILARITY]))
        assert row[c.RANK] == len(entries)
        assert row[c.TITLE] == title[row[c.MOVIE_ID]]
        assert row[c.SIMILAR_TITLE] == title[row[c.SIMILAR_MOVIE_ID]]
    assert movie_id(UNSEEN_MOVIE) not in found
    assert found.keys() == wanted.keys()
    for movie, entries in wanted.items():
        assert [one for one, _ in found[movie]] == [one for one, _ in entries]
        cosines = [value for _, value in entries]
        assert [value for _, value in found[movie]] == pytest.approx(cosines, abs=1e-5)


def test_als_has_lists_and_bias_has_none(spark: SparkSession, titled: Fitted) -> None:
    similar.run(titled.models["als"], "als", spark)
    paths = RunPaths(titled.config.root)
    assert Path(paths.similar_movies("als"), "_MANIFEST.json").exists()
    # Its factors say which movies are alike; the effects beside them do not.
    saved = spark.read.parquet(f"{paths.model('als')}/spark_model/itemFactors")
    factors = {row["id"]: np.array(row["features"]) for row in saved.collect()}
    ids = {movie_id(movie): movie for movie in factors}
    for row in spark.read.parquet(paths.similar_movies("als")).collect():
        one, other = (factors[ids[row[name]]] for name in (c.MOVIE_ID, c.SIMILAR_MOVIE_ID))
        cosine = one @ other / (np.linalg.norm(one) * np.linalg.norm(other))
        assert row[c.SIMILARITY] == pytest.approx(cosine, abs=1e-5)
    with pytest.raises(ConfigError, match="a bias model, which has no embeddings"):
        similar.run(titled.models["bias"], "bias", spark)
