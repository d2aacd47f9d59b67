"""recommend with restrictions, titles and text formats on the fitted run."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from recspark.config import RecommendConfig
from recspark.contract import columns as c
from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import Manifest, read_manifest
from recspark.errors import ConfigError, DataError
from recspark.files import parquet
from recspark.stages import recommend
from tests.runs import movie_id, user_id, write_movies
from tests.stages.fitted import (
    NUM_MOVIES,
    NUM_USERS,
    TRAIN,
    UNSEEN_MOVIE,
    UNSEEN_USER,
    VALID,
    Fitted,
    dense_answers,
)

UNTITLED = 4
GENRES = ["Comedy|Drama", "Comedy", None, "War", "Drama|War"]
Row = dict[str, Any]


def genres_of(movie: int) -> list[str]:
    return (GENRES[movie % 5] or "").split("|") if GENRES[movie % 5] else []


@pytest.fixture
def titled(spark: SparkSession, copied: Fitted) -> Fitted:
    """The run with movies: years, titles, genres and an attribute, all missing for one movie."""
    rows = [
        (movie_id(m), 1980 + m, f'Title "{m}"', GENRES[m % 5], "en" if m % 3 else "fr")
        for m in range(NUM_MOVIES)
        if m != UNTITLED
    ]
    write_movies(spark, copied.config, rows, language="STRING")
    return copied


def run(spark: SparkSession, fitted: Fitted, **settings: object) -> tuple[list[Row], Manifest]:
    """Make lists with biased_mf and return their rows, as pyarrow reads them, and the manifest."""
    section = RecommendConfig(**settings)  # type: ignore[arg-type]
    config = dataclasses.replace(fitted.models["biased_mf"], recommend=section)
    recommend.run(config, "biased_mf", spark)
    path = RunPaths(config.root).recommendations("biased_mf")
    manifest = read_manifest(path)
    assert manifest is not None
    rows = [row for file in parquet.parquet_files(path) for row in pq.read_table(file).to_pylist()]
    return rows, manifest


def movies_by_user(rows: list[Row]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for row in rows:
        found.setdefault(row[c.USER_ID], []).append(row[c.MOVIE_ID])
    return found


def test_lists_hold_to_every_restriction(
    spark: SparkSession, titled: Fitted, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deny, users = tmp_path / "deny.txt", tmp_path / "users.txt"
    deny.write_text(f"{movie_id(13)}\n{movie_id(14)}\n-5\n")
    chosen = [user for user in range(NUM_USERS) if user not in (2, UNSEEN_USER)]
    users.write_text("".join(f"{user_id(user)}\n" for user in chosen))
    rows, manifest = run(
        spark,
        titled,
        top_n=5,
        users=str(users),
        deny_movies=str(deny),
        min_year=1985,
        allow_values={"language": ("EN",)},
        deny_values={c.GENRES: ("War",)},
        max_per_genre=2,
        include_seen=True,
    )
    table, expected = dense_answers(titled.config.root, "biased_mf", clips=False), {}
    for user in chosen:
        entries: list[int] = []
        for movie in np.argsort(-table[user], kind="stable").tolist():
            names = [name for one in [*entries, movie] for name in genres_of(one)]
            is_allowed = movie not in (13, 14, UNTITLED, UNSEEN_MOVIE) and movie >= 5 and movie % 3
            is_capped = max((names.count(name) for name in names), default=0) > 2
            if is_allowed and "War" not in names and not is_capped and len(entries) < 5:
                entries.append(movie)
        expected[user_id(user)] = [movie_id(movie) for movie in entries]
    assert movies_by_user(rows) == expected
    assert any(not np.isnan(TRAIN[user]).all() for user in chosen)
    short = sum(len(entries) < 5 for entries in expected.values())
    assert manifest.counts["short_lists"] == short
    assert "1 of 3 movies of" in caplog.text
    assert f"{short} of {len(chosen)} lists have fewer than 5 movies" in caplog.text or not short
    assert manifest.inputs.keys() == {"train", "valid", "model", "movies"}
    assert {Path(one["path"]).name for one in manifest.raw_files} == {"deny.txt", "users.txt"}


def test_seen_movies_are_listed_where_asked_for(spark: SparkSession, fitted: Fitted) -> None:
    rows, _ = run(spark, fitted, top_n=NUM_MOVIES, include_seen=True)
    seen = ~np.isnan(TRAIN)
    seen[tuple(zip(*((user, movie) for user, movie, _ in VALID), strict=True))] = True
    for entries in movies_by_user(rows).values():
        assert sorted(entries) == sorted(
            movie_id(m) for m in range(NUM_MOVIES) if m != UNSEEN_MOVIE
        )
    rows, _ = run(spark, fitted, top_n=NUM_MOVIES)
    listed = {(row[c.USER_ID], row[c.MOVIE_ID]) for row in rows}
    assert not listed & {(user_id(u), movie_id(m)) for u, m in np.argwhere(seen)}


def test_text_has_the_rows_of_parquet_and_goes_with_them(
    spark: SparkSession, titled: Fitted
) -> None:
    folder = Path(RunPaths(titled.config.root).exported_lists("biased_mf"))
    rows, manifest = run(spark, titled, top_n=3, titles=True, format="csv")
    assert list(manifest.columns) == [c.USER_ID, c.RANK, c.MOVIE_ID, c.SCORE, c.TITLE]
    title = {movie_id(m): f'Title "{m}"' if m != UNTITLED else None for m in range(NUM_MOVIES)}
    assert {row[c.MOVIE_ID]: row[c.TITLE] for row in rows}.items() <= title.items()
    with open(folder / "lists.csv", newline="") as file:
        found = list(csv.DictReader(file))
    assert len(found) == len(rows) == manifest.num_rows
    for text, row in zip(found, rows, strict=True):
        assert np.float32(text.pop(c.SCORE)) == np.float32(row.pop(c.SCORE))
        assert text == {name: str(value or "") for name, value in row.items()}
    exported = read_manifest(str(folder))
    assert exported is not None
    assert exported.counts == {"format": "csv", "rows": len(rows)}
    rows, _ = run(spark, titled, top_n=3, titles=True, format="jsonl")
    lines = [json.loads(line) for line in (folder / "lists.jsonl").read_text().splitlines()]
    assert [np.float32(one.pop(c.SCORE)) for one in lines] == [row.pop(c.SCORE) for row in rows]
    assert lines == rows
    assert not (folder / "lists.csv").exists()
    run(spark, titled, top_n=3)
    assert not folder.exists()


def test_lists_of_a_model_without_reasons_have_none_and_the_log_says_so(
    spark: SparkSession, titled: Fitted, caplog: pytest.LogCaptureFixture
) -> None:
    """recommend.reasons is for all models of a run."""
    caplog.set_level("INFO")
    rows, _ = run(spark, titled, reasons=2)
    assert rows
    assert all(c.REASONS not in row for row in rows)
    assert "scores of biased_mf are no sums over a history: lists without reasons" in caplog.text


def test_what_a_run_or_model_does_not_have_is_refused(
    spark: SparkSession, titled: Fitted, fitted: Fitted
) -> None:
    with pytest.raises(ConfigError, match=r"allow_values: found studio, which movies does not"):
        run(spark, titled, allow_values={"studio": ("A",)})
    with pytest.raises(DataError, match=r"movies.*jobs/ingest\.py"):
        run(spark, fitted, titles=True)
