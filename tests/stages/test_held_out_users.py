"""The protocol of held-out users, from ratings to figures, against dense NumPy."""

from __future__ import annotations

import dataclasses
import json
import math
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from recspark.config import (
    BaselineConfig,
    Config,
    EaseConfig,
    EvaluateConfig,
    PrepareConfig,
    RecommendConfig,
    SignalConfig,
)
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import read_manifest
from recspark.datasets.step import Step
from recspark.errors import ConfigError
from recspark.files import parquet
from recspark.stages import baseline, evaluate, prepare, recommend
from tests.baselines import dense, items
from tests.runs import write_movies
from tests.stages.ranked import EASE

RATED = dense.random_ratings(9, 90, 24, 0.5)
PARTS = ("train", "valid", "test", "fold_in")
LOWEST, MINIMUM = 3.0, 5
SCHEMA = schemas.RATINGS.with_ids(schemas.IdTypes())

Cells = dict[tuple[int, int], float]


def raw(user: int, movie: int) -> tuple[int, int]:
    return 500 + 7 * user, 90 - movie


@pytest.fixture(scope="module")
def config(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A prepared run."""
    root = str(tmp_path_factory.mktemp("held_out_users"))
    config = Config(
        name="t",
        run_dir=root,
        signal=SignalConfig(kind="events"),
        prepare=PrepareConfig(
            split="held_out_users",
            test_fraction=0.3,
            valid_fraction=0.2,
            min_rating=LOWEST,
            min_ratings_per_user=MINIMUM,
            num_buckets=4,
        ),
        baseline=BaselineConfig(ease=EaseConfig(**EASE)),
        recommend=RecommendConfig(top_n=12),
        evaluate=EvaluateConfig(
            top_k=12, list_lengths=(3, 5), relevant_rating=LOWEST, resamples=50
        ),
    )
    write_ratings(spark, root)
    prepare.run(config, spark)
    return config


def write_ratings(spark: SparkSession, root: str) -> None:
    paths = RunPaths(root)
    rows = [(*raw(u, m), float(r), datetime(2004, 1, 1)) for u, m, r in dense.cells(RATED)]
    step = Step("ingest", {}, {}, [paths.ratings])
    with step:
        frame = spark.createDataFrame(rows, SCHEMA.ddl)
        parquet.write_dataset(frame, step.staging(paths.ratings), SCHEMA)
        step.publish(paths.ratings, SCHEMA)


def read_part(config: Config, name: str) -> Cells:
    """Return the ratings of a part by raw ids."""
    paths = RunPaths(config.root)
    ids = [
        {row[c.INDEX]: row[c.ID] for row in pq.read_table(path).to_pylist()}
        for path in (paths.user_index, paths.movie_index)
    ]
    found = {}
    for row in pq.read_table(f"{config.root}/{name}").to_pylist():
        pair = ids[0][row[c.USER_INDEX]], ids[1][row[c.MOVIE_INDEX]]
        assert pair not in found
        found[pair] = row[c.RATING]
    return found


def test_every_rating_is_in_one_part_or_counted_as_filtered(config: Config) -> None:
    parts = {name: read_part(config, name) for name in PARTS}
    kept = np.where(RATED >= LOWEST, RATED, np.nan)
    kept[(~np.isnan(kept)).sum(axis=1) < MINIMUM] = np.nan
    assert 0 < np.isnan(kept).all(axis=1).sum() < 20
    expected = {raw(user, movie): rating for user, movie, rating in dense.cells(kept)}
    assert {pair: r for part in parts.values() for pair, r in part.items()} == expected
    assert sum(map(len, parts.values())) == len(expected)
    users = {name: {user for user, _ in part} for name, part in parts.items()}
    assert users["test"] == users["fold_in"]
    assert not users["train"] & users["valid"]
    assert not (users["train"] | users["valid"]) & users["test"]
    for user in users["test"]:
        num_test = sum(one == user for one, _ in parts["test"])
        num_all = num_test + sum(one == user for one, _ in parts["fold_in"])
        assert num_test == num_all // 5
    manifest = read_manifest(RunPaths(config.root).fold_in)
    assert manifest is not None
    counts = manifest.counts
    assert {name: counts[name] for name in PARTS} == {
        name: len(part) for name, part in parts.items()
    }
    num_rated = int((~np.isnan(RATED)).sum())
    assert (counts["ratings"], counts["filtered"]) == (num_rated, num_rated - len(expected))


def test_the_same_settings_make_the_same_parts_and_another_split_leaves_none_to_fold_in(
    config: Config, spark: SparkSession, tmp_path: Path
) -> None:
    write_ratings(spark, str(tmp_path))
    again = dataclasses.replace(config, run_dir=str(tmp_path))
    prepare.run(again, spark)
    for name in PARTS:
        assert read_part(again, name) == read_part(config, name)
    other = dataclasses.replace(again.prepare, split="users")
    again = dataclasses.replace(again, prepare=other)
    prepare.run(again, spark)
    fit_and_list(again, "ease", spark)
    listed = {
        row[c.USER_ID] for row in pq.read_table(f"{tmp_path}/recommendations/ease").to_pylist()
    }
    assert listed == {user for user, _ in read_part(again, "train")}


def fit_and_list(config: Config, name: str, spark: SparkSession, refit: bool = True) -> Config:
    own = dataclasses.replace(config.baseline, algorithm=name, refit=refit)  # type: ignore[arg-type]
    one = dataclasses.replace(config, baseline=own)
    baseline.run(one, name, spark)
    recommend.run(one, name, spark)
    return one


@pytest.mark.parametrize("refit", [False, True])
def test_lists_and_figures_are_those_of_dense_matrices(
    config: Config, spark: SparkSession, refit: bool
) -> None:
    models = {n: fit_and_list(config, n, spark, refit) for n in ("ease", "popularity", "bias")}
    del models["bias"]
    evaluate.run(models, spark)
    parts = {name: read_part(config, name) for name in PARTS}
    learned = {**parts["train"], **(parts["valid"] if refit else {})}
    movies = sorted({movie for part in parts.values() for _, movie in part})
    at = {movie: place for place, movie in enumerate(movies)}

    def matrix(part: Cells) -> tuple[list[int], np.ndarray]:
        users = sorted({user for user, _ in part})
        x = np.zeros((len(users), len(movies)))
        for user, movie in part:
            x[users.index(user), at[movie]] = 1
        return users, x

    x = matrix(learned)[1]
    in_train = matrix(parts["train"])[1].any(axis=0)
    users, known = matrix(parts["fold_in"])
    scores = {
        "ease": known @ items.ease(x, **EASE),
        "popularity": np.tile(x.sum(axis=0), (len(known), 1)),
    }
    stored = {}
    for name, table in scores.items():
        table[(known > 0) | ~in_train] = -np.inf
        rows = pq.read_table(f"{config.root}/recommendations/{name}").to_pylist()
        for user, row in zip(users, table, strict=True):
            mine = sorted(
                (r[c.RANK], r[c.SCORE], r[c.MOVIE_ID]) for r in rows if r[c.USER_ID] == user
            )
            best = np.sort(row)[::-1][:12]
            found = [score for _, score, _ in mine]
            assert found == pytest.approx(best[best > -np.inf].tolist(), rel=2e-3, abs=1e-5)
            stored[name, user] = [movie for *_, movie in mine]
            assert not {(user, movie) for movie in stored[name, user]} & parts["fold_in"].keys()
    for name in scores:
        figures = json.loads(Path(RunPaths(config.root).metrics(name)).read_text())
        assert "split held_out_users 0.3 folding in 0.8" in figures["protocol"]
        assert "ratings ≥ 3;" in figures["protocol"]
        liked = {user: {m for u, m in parts["test"] if u == user} for user in users}
        of_all = [of_user(stored[name, user], liked[user], 12) for user in users]
        assert figures["top_n"]["num_users"] == len(users)
        assert figures["top_n"]["ndcg"] == pytest.approx(
            np.mean([one[0] for one in of_all]), abs=1e-9
        )
        assert figures["top_n"]["recall"] == pytest.approx(
            np.mean([one[1] for one in of_all]), abs=1e-9
        )


def of_user(listed: list[int], liked: set[int], k: int) -> tuple[float, float]:
    """Return NDCG and recall by their definitions."""
    hits = [movie in liked for movie in listed[:k]]
    gained = sum(hit / math.log2(i + 2) for i, hit in enumerate(hits))
    best = sum(1 / math.log2(i + 2) for i in range(min(k, len(liked))))
    return gained / best, sum(hits) / len(liked)


def test_popularity_that_evaluate_counts_leaves_out_what_is_folded_in(
    config: Config, spark: SparkSession
) -> None:
    evaluate.run({"ease": fit_and_list(config, "ease", spark)}, spark)
    board = json.loads(Path(RunPaths(config.root).lists_leaderboard).read_text())
    [counted] = [row for row in board if row["model"] == "popularity"]
    fit = fit_and_list(config, "popularity", spark)
    evaluate.run({"popularity": fit}, spark)
    board = json.loads(Path(RunPaths(config.root).lists_leaderboard).read_text())
    assert counted["ndcg"] == pytest.approx(board[0]["ndcg"], abs=1e-12)


def test_a_model_that_knows_only_its_users_lists_nothing_for_others(
    config: Config, spark: SparkSession, caplog: pytest.LogCaptureFixture
) -> None:
    fit_and_list(config, "bias", spark)
    rows = pq.read_table(f"{config.root}/recommendations/bias").to_pylist()
    assert {row[c.USER_ID] for row in rows} == {user for user, _ in read_part(config, "train")}
    assert "bias knows nothing of the held-out users" in caplog.text


def test_lists_of_held_out_users_have_what_lists_of_others_have(
    config: Config, spark: SparkSession
) -> None:
    genres = {90 - movie: "AB"[movie % 2] for movie in range(RATED.shape[1])}
    write_movies(spark, config, [(m, 1990, f"Title {m}", genre) for m, genre in genres.items()])
    settings = RecommendConfig(top_n=6, max_per_genre=2, include_seen=True, reasons=2, titles=True)
    fit_and_list(dataclasses.replace(config, recommend=settings), "ease", spark)
    rows = pq.read_table(f"{config.root}/recommendations/ease").to_pylist()
    parts = {name: read_part(config, name) for name in PARTS}
    movies = sorted({movie for part in parts.values() for _, movie in part})
    learned = {**parts["train"], **parts["valid"]}
    x = np.array(
        [[(u, m) in learned for m in movies] for u in sorted({u for u, _ in learned})], float
    )
    table = items.ease(x, **EASE)
    num_seen = 0
    for user in {user for user, _ in parts["fold_in"]}:
        mine = sorted((r for r in rows if r[c.USER_ID] == user), key=lambda r: r[c.RANK])
        history = [at for at, movie in enumerate(movies) if (user, movie) in parts["fold_in"]]
        scores = table[history].sum(axis=0)
        expected = [
            movie
            for genre in "AB"
            for movie in sorted(
                (m for m in movies if genres[m] == genre), key=lambda m: -scores[movies.index(m)]
            )[:2]
        ]
        assert sorted(row[c.MOVIE_ID] for row in mine) == sorted(expected)
        num_seen += sum((user, movie) in parts["fold_in"] for movie in expected)
        for row in mine:
            assert row[c.TITLE] == f"Title {row[c.MOVIE_ID]}"
            added = {movies[at]: table[at, movies.index(row[c.MOVIE_ID])] for at in history}
            best = sorted((value for value in added.values() if value > 0), reverse=True)[:2]
            found = {one[c.MOVIE_ID]: one[c.CONTRIBUTION] for one in row[c.REASONS]}
            assert list(found.values()) == pytest.approx(best, abs=1e-4)
            assert all(value == pytest.approx(added[m], abs=1e-4) for m, value in found.items())
    assert num_seen > 0


def test_caution_is_refused_as_nobody_states_deviations_of_held_out_users(
    config: Config, spark: SparkSession
) -> None:
    cautious = dataclasses.replace(config, recommend=RecommendConfig(caution=0.5))
    message = r"recommend\.caution: found 0\.5, with prepare\.split held_out_users"
    with pytest.raises(ConfigError, match=message):
        fit_and_list(cautious, "ease", spark)
