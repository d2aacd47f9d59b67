"""evaluate with top-N lists, on one small prepared run."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from recspark.config import (
    BaselineConfig,
    Config,
    EvaluateConfig,
    GateConfig,
    PrepareConfig,
    RecommendConfig,
    SignalConfig,
)
from recspark.contract import columns as c
from recspark.contract.catalog import MODELS, RECOMMENDATIONS
from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import require_manifest
from recspark.datasets.step import Step
from recspark.errors import ConfigError, DataError
from recspark.stages import baseline, evaluate, gate, recommend, score
from tests.runs import movie_id, user_id, write_prepared

TRAIN = [(0, 0, 4.0), (0, 1, 2.0), (1, 0, 5.0), (2, 2, 3.0), (3, 1, 1.0)]
TEST = [(0, 2, 5.0), (0, 3, 3.5), (1, 1, 4.0), (1, 2, 5.0), (2, 0, 2.0), (3, 0, 4.0)]
# User 1 likes both listed movies, user 0 the second one, user 2 none. User 3 has no list.
LISTS = [
    (user_id(user), rank, movie_id(movie))
    for user, rank, movie in [(0, 1, 3), (0, 2, 2), (1, 1, 1), (1, 2, 2), (2, 1, 0)]
]


@pytest.fixture
def config(spark: SparkSession, tmp_path: Path) -> Config:
    config = Config(
        name="t",
        run_dir=str(tmp_path),
        prepare=PrepareConfig(num_buckets=2),
        baseline=BaselineConfig(algorithm="bias"),
        evaluate=EvaluateConfig(top_k=2, resamples=20),
    )
    write_prepared(spark, config, train=TRAIN, test=TEST, num_users=4, num_movies=4)
    baseline.run(config, "bias", spark)
    score.run(config, "bias", spark)
    return config


def write_lists(spark: SparkSession, config: Config, model_id: str) -> None:
    path = RunPaths(config.root).recommendations("bias")
    step = Step("recommend", {}, {"model": model_id}, [path])
    kinds = f"{c.USER_ID} INT, {c.RANK} INT, {c.MOVIE_ID} INT, {c.SCORE} FLOAT"
    with step:
        frame = spark.createDataFrame([(*row, 4.0) for row in LISTS], kinds)
        frame.write.parquet(step.staging(path))
        step.publish(path, None)


def test_lists_are_measured_if_they_exist(spark: SparkSession, config: Config) -> None:
    paths = RunPaths(config.root)
    evaluate.run({"bias": config}, spark)
    assert json.loads(Path(paths.metrics("bias")).read_text())["top_n"] is None
    write_lists(spark, config, require_manifest(paths.model("bias"), MODELS).id)
    evaluate.run({"bias": config}, spark)
    found = json.loads(Path(paths.metrics("bias")).read_text())["top_n"]
    # By hand: user 0 hits at rank 2 of one relevant movie, user 1 at both ranks of two.
    expected = {
        "k": 2,
        "relevant_rating": 4.0,
        "num_lists": 3,
        "num_users": 2,
        "num_users_without_list": 1,
        "unmeasured": None,
        "precision": (1 / 2 + 1) / 2,
        "recall": 1.0,
        "capped_recall": 1.0,
        "ndcg": (1 / math.log2(3) + 1) / 2,
        "map": (1 / 2 + 1) / 2,
        "mrr": (1 / 2 + 1) / 2,
        "hit_rate": 1.0,
        "catalogue_coverage": 1.0,
        # Movies 3, 2, 1, 2, 0 have 0, 1, 2, 1, 2 of train's ratings; there are 4 users.
        "novelty": (2 + 2 + 1 + 2 + 1) / 5,
        # The mean difference of the counts 1, 1, 1, 2 is 6 / 16, half of it over the mean 5 / 4.
        "concentration": (6 / 16) / (2 * 5 / 4),
        # Train's ratings are of movies with 2, 2, 2, 2 and 1 of them.
        "popularity_lift": (6 / 5) / (9 / 5),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    assert found["diversity_by"] == "co-rating"  # no movie has genres


def test_popularity_stands_beside_lists_and_models_that_are_no_better_are_marked(
    spark: SparkSession,
    config: Config,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = RunPaths(config.root)
    write_lists(spark, config, require_manifest(paths.model("bias"), MODELS).id)
    evaluate.run({"bias": config}, spark)
    board = json.loads(Path(paths.lists_leaderboard).read_text())
    # Movie 0 has two likes in train, the others none. User 0 rated 0 and 1, users 1 and 2 one each:
    # popularity lists movie 2 for user 0 (liked), 1 and 2 for user 1 (both liked), 0 and 1 for 2.
    assert [(row["model"], row["ndcg"]) for row in board] == [
        ("popularity", 1.0),
        ("bias", pytest.approx((1 / math.log2(3) + 1) / 2)),
    ]
    assert board[0]["recommendations"] is None
    assert (
        board[1]["recommendations"]
        == require_manifest(paths.recommendations("bias"), RECOMMENDATIONS).id
    )
    assert not Path(paths.metrics("popularity")).exists()
    assert "lists of bias are not better than popularity, the same list for all" in caplog.text
    assert "lists of popularity are not" not in caplog.text
    printed = capsys.readouterr().out
    [line] = [line for line in printed.splitlines() if line.startswith("bias") and "!" in line]
    assert line.split()[1] == f"{board[1]['ndcg']:.4f}"
    assert "first 2 of the unrated movies; relevant ≥ 4 (2 users)" in printed
    assert "! not better than popularity beyond the interval" in printed


def test_models_that_rank_only_have_figures_of_lists_alone(
    spark: SparkSession, config: Config
) -> None:
    paths = RunPaths(config.root)
    ranker = dataclasses.replace(
        config,
        baseline=BaselineConfig(algorithm="popularity"),
        signal=SignalConfig(kind="likes"),
    )
    baseline.run(ranker, "popularity", spark)
    models = {"bias": config, "popularity": ranker}
    evaluate.run(models, spark)
    assert figures_of(config, "popularity")["top_n"] is None
    assert json.loads(Path(paths.lists_leaderboard).read_text()) == []
    for name, one in models.items():
        recommend.run(one, name, spark)
    evaluate.run(models, spark)
    found = figures_of(config, "popularity")
    assert list(found) == ["model", "protocol", "recommendations", "seconds", "top_n"]
    board = json.loads(Path(paths.lists_leaderboard).read_text())
    assert {row["model"] for row in board} == set(models)
    ratings = json.loads(Path(paths.leaderboard).read_text())
    assert [row["model"] for row in ratings] == ["bias"]
    # Counted by evaluate, popularity has the same figures as its own model.
    evaluate.run({"bias": config}, spark)
    [counted] = [
        row
        for row in json.loads(Path(paths.lists_leaderboard).read_text())
        if row["model"] == "popularity"
    ]
    [modelled] = [row for row in board if row["model"] == "popularity"]
    assert {**counted, "recommendations": modelled["recommendations"]} == modelled
    # Alone, without predictions of any model, the leaderboard of ratings stays.
    evaluate.run({"popularity": ranker}, spark)
    assert json.loads(Path(paths.leaderboard).read_text()) == ratings
    with pytest.raises(ConfigError, match=r"popularity, which ranks movies and predicts no rat"):
        gate.run(dataclasses.replace(ranker, gate=GateConfig(check="model", model="popularity")))


def test_lists_that_are_too_short_to_measure_are_told(
    spark: SparkSession, config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    long = dataclasses.replace(
        config,
        evaluate=EvaluateConfig(top_k=1, list_lengths=(3, 1, 2), resamples=20),
        recommend=RecommendConfig(top_n=2),
    )
    recommend.run(long, "bias", spark)
    evaluate.run({"bias": long}, spark)
    assert "lists of bias have 2 movies, so that ranks beyond count as misses at 3" in caplog.text
    found = figures_of(long)["top_n"]
    assert [one["k"] for one in found["by_length"]] == [1, 2, 3]
    assert found["by_length"][2]["recall"] == found["by_length"][1]["recall"]


def small_config(folder: Path) -> Config:
    return Config(
        name="t",
        run_dir=str(folder),
        prepare=PrepareConfig(num_buckets=2),
        baseline=BaselineConfig(algorithm="bias"),
        force=True,
    )


def figures_of(config: Config, model: str = "bias") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(RunPaths(config.root).metrics(model)).read_text())
    return found


def test_users_who_rated_everything_do_not_keep_rmse_from_being_written(
    spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = small_config(tmp_path)
    train = [(user, movie, 1.0 + (user + movie) % 5) for user in range(4) for movie in range(3)]
    test = [(user, 1, 3.0) for user in range(4)]
    write_prepared(spark, config, train=train, test=test, num_users=4, num_movies=3)
    baseline.run(config, "bias", spark)
    score.run(config, "bias", spark)
    recommend.run(config, "bias", spark)
    evaluate.run({"bias": config}, spark)
    assert "4 of 4 users get no list: they have rated every movie" in caplog.text
    assert "have no rating in train" not in caplog.text
    assert "evaluate: lists of bias are not measured: there are no lists" in caplog.text
    found = figures_of(config)
    assert found["num_rows"] == 4
    assert (found["top_n"]["num_lists"], found["top_n"]["ndcg"]) == (0, None)


def test_what_is_relevant_follows_from_the_scale_of_train(
    spark: SparkSession, tmp_path: Path
) -> None:
    config = small_config(tmp_path)
    train = [(user, movie, 10.0 * (user + 3 * movie)) for user in range(4) for movie in range(2)]
    train.append((4, 2, 30.0))
    test = [(user, 2, rating) for user, rating in enumerate((35.0, 36.0, 60.0, 41.0))]
    write_prepared(spark, config, train=train, test=test, num_users=5, num_movies=3)
    chosen = dataclasses.replace(config, evaluate=EvaluateConfig(relevant_rating=36))
    # Train has 0 to 60 in steps of 10: the upper two fifths begin at 36.
    for one, expected in ((config, (40.0, 2)), (chosen, (36.0, 3))):
        baseline.run(one, "bias", spark)
        score.run(one, "bias", spark)
        recommend.run(one, "bias", spark)
        evaluate.run({"bias": one}, spark)
        found = figures_of(one)["top_n"]
        assert (found["relevant_rating"], found["num_users"]) == expected


def test_lists_of_an_earlier_model_are_refused(spark: SparkSession, config: Config) -> None:
    write_lists(spark, config, "another")
    with pytest.raises(DataError, match=r"recommendations/bias: .*earlier.*jobs/recommend\.py"):
        evaluate.run({"bias": config}, spark)


def test_figures_do_not_depend_on_the_number_of_tasks(spark: SparkSession, config: Config) -> None:
    path = Path(RunPaths(config.root).metrics("bias"))
    evaluate.run({"bias": config}, spark)
    before = path.read_bytes()
    evaluate.run({"bias": config}, spark)
    assert path.read_bytes() == before
    evaluate.run({"bias": dataclasses.replace(config, seed=7)}, spark)
    first, second = json.loads(before), json.loads(path.read_text())
    assert first["rmse"] == second["rmse"]
    assert first["bootstrap"]["rmse"] != second["bootstrap"]["rmse"]


@pytest.mark.parametrize("settings", [{"resamples": 1}, {"top_k": 0}, {"list_lengths": (5, 0)}])
def test_invalid_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"evaluate.{next(iter(settings))}"):
        EvaluateConfig(**settings)
