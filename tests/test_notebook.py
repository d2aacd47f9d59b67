"""The Python API on one small run, made by `recspark.run` in the tests' session."""

from __future__ import annotations

import doctest
import json
import os
import shutil
import subprocess
import sys
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import recspark
import recspark.notebook.model
import recspark.notebook.run
import recspark.scoring.predict
from recspark.arrays.ids import TextIds, to_list
from recspark.arrays.ratings import NO_TIME
from recspark.contract.paths import RunPaths
from recspark.errors import ConfigError, DataError
from recspark.notebook.pipeline import read_settings
from recspark.notebook.raw_ids import pair_ids
from recspark.notebook.times import read_times
from recspark.scoring.load import open_model

ROOT = Path(recspark.__file__).parents[1]
MODELS = ["als", "bias", "biased_mf", "blend", "cosine_user"]
CONFIG = """
models: [bias, als, cosine_user, biased_mf]
blend: {members: [bias, als, cosine_user, biased_mf]}
recommend: {models: [als], top_n: 3}
similar: {models: [als], top_n: 4}
ingest: {format: movielens_100k, ratings: raw/u.data, movies: raw/u.item}
prepare: {split: random, test_fraction: 0.2, valid_fraction: 0.1, num_buckets: 2}
train: {epochs: 9, embedding_size: 4, batch_size: 256}
baseline: {als: {embedding_size: 4, epochs: 2}}
evaluate: {resamples: 20}
"""
UNTITLED = 29


def write_raw(folder: Path) -> None:
    """Write 60 users with about 20 ratings each and 20 with one; some users are in test only."""
    generator = np.random.default_rng(5)
    users, movies = np.nonzero(generator.random((60, 40)) < 0.5)
    users = np.concatenate([users, np.arange(60, 80)])
    movies = np.concatenate([movies, np.arange(20) * 2])
    effects = generator.normal(0, 0.7, 80)[users] + generator.normal(0, 0.7, 40)[movies]
    ratings = np.clip(np.rint(3.4 + effects), 1, 5).astype(int)
    order = generator.permutation(len(users))
    lines = [f"{users[i] + 1}\t{movies[i] + 1}\t{ratings[i]}\t{880000000 + i}\n" for i in order]
    titles = [f"{movie}|Film {movie} (1990)|01-Jan-1990||\n" for movie in range(1, 41)]
    del titles[UNTITLED - 1]
    folder.mkdir()
    (folder / "u.data").write_text("".join(lines))
    (folder / "u.item").write_text("".join(titles))


@pytest.fixture(scope="module")
def home(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's working folder: raw data, a config and the run made from them."""
    folder = tmp_path_factory.mktemp("home")
    write_raw(folder / "raw")
    (folder / "conf").mkdir()
    (folder / "conf" / "movielens-100k.yaml").write_text(CONFIG)
    name = "spark.sql.session.timeZone"
    zone = spark.conf.get(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        spark.conf.set(name, "Asia/Tokyo")  # the user's own session
        made = recspark.run("conf/movielens-100k.yaml", train={"epochs": 2})
        assert spark.conf.get(name) == "Asia/Tokyo"
        spark.conf.set(name, str(zone))
    assert made.path == str(folder / "runs" / "movielens-100k")
    assert spark.range(3).count() == 3  # the session is left running
    return folder


@pytest.fixture(scope="module")
def run(home: Path) -> recspark.Run:
    return recspark.Run(home / "runs" / "movielens-100k")


@pytest.fixture
def copied(run: recspark.Run, tmp_path: Path) -> Path:
    """A copy of the run, to break."""
    shutil.copytree(run.path, tmp_path / "run")
    return tmp_path / "run"


def stored(run: recspark.Run, model: str) -> pd.DataFrame:
    """Return the predictions of the jobs with raw ids, read without recspark."""
    paths = RunPaths(run.path)
    frame = pq.read_table(paths.predictions(model)).to_pandas()
    for side in ("user", "movie"):
        index = pq.read_table(f"{run.path}/{side}_index").to_pandas().set_index("index")["id"]
        frame[f"{side}_id"] = index.loc[frame[f"{side}_index"]].to_numpy()
    return frame


def raw_ratings(home: Path) -> dict[tuple[int, int], tuple[float, int]]:
    """Return rating and seconds since 1970 of each user and movie."""
    rows = (line.split("\t") for line in (home / "raw" / "u.data").read_text().splitlines())
    return {
        (int(user), int(movie)): (float(rating), int(time)) for user, movie, rating, time in rows
    }


@pytest.mark.parametrize("name", MODELS)
def test_every_model_predicts_as_the_jobs_did(run: recspark.Run, name: str) -> None:
    jobs = stored(run, name)
    found = run.model(name).predict(jobs["user_id"], jobs["movie_id"], with_fallback=True)
    assert list(found.columns) == ["user_id", "movie_id", "prediction", "fallback"]
    # A blend's weights are large where members resemble each other, and members are float32.
    atol = 5e-5 if name == "blend" else 1e-6
    np.testing.assert_allclose(found["prediction"], jobs["prediction"], rtol=0, atol=atol)
    expected = [None if pd.isna(flag) else flag for flag in jobs["fallback"]]
    assert [None if pd.isna(flag) else flag for flag in found["fallback"]] == expected
    if name == "biased_mf":
        assert set(expected) == {None, "movie_effect"}  # both kinds were compared
    plain = run.model(name).predict(jobs["user_id"].tolist(), jobs["movie_id"].to_numpy())
    assert plain.dtype == np.float32
    np.testing.assert_array_equal(plain, found["prediction"].to_numpy(np.float32))
    plain[0] = 0  # the caller owns the array


@pytest.mark.parametrize("name", MODELS)
def test_unknown_ids_get_the_fallback_of_the_jobs(run: recspark.Run, name: str) -> None:
    asked = run.model(name).predict([999, 999, 1, -30], [1, 999, 999, 10**12], with_fallback=True)
    expected = ["movie_effect", "global_mean", "user_effect", "global_mean"]
    assert asked["fallback"].tolist() == expected
    bias = run.model("bias").predict([999, 999, 1, -30], [1, 999, 999, 10**12])
    np.testing.assert_array_equal(asked["prediction"].to_numpy(np.float32), bias)


def test_a_single_id_is_paired_with_all_others(run: recspark.Run) -> None:
    model = run.model("als")
    assert model.predict(1, range(1, 41)).tolist() == model.predict([1] * 40, range(1, 41)).tolist()
    assert model.predict([1, 2], 7).tolist() == model.predict([1, 2], [7, 7]).tolist()
    assert model.predict("1", np.int64(7)).shape == (1,)
    assert model.predict([], []).shape == (0,)


class ByHour:
    """A stand-in for a model that uses times: it predicts the hour of 1 January 1970, else 2.5."""

    def predict(self, bucket: int, rows: Any, movies: Any, times: Any = None) -> Any:
        return np.full(len(rows), 2.5) if times is None else np.where(times < 0, 2.5, times / 3600)


def test_times_reach_the_model_with_their_pairs(
    run: recspark.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recspark.scoring.predict, "open_model", lambda saved: ByHour())
    model = run.model("als")
    times = [datetime(1970, 1, 1, hour) for hour in (4, 3, 1, 2)]
    assert model.predict([1, 2, 3, 4], 7, times).tolist() == [4, 3, 1, 2]
    assert model.predict([1, 2], 7, 3 * 3600).tolist() == [3, 3]
    assert model.predict([1, 2], 7, times=[None, 9 * 3600]).tolist() == [2.5, 5]
    assert model.predict([1, 2], 7).tolist() == [2.5, 2.5]
    table = model.predict(1, [7, 8], times[:2], with_fallback=True)
    assert table["prediction"].tolist() == [4, 3]
    opened = recspark.scoring.load.open_model
    monkeypatch.setattr(recspark.scoring.predict, "open_model", opened.__wrapped__)
    monkeypatch.setattr(recspark.scoring.load, "open_model", lambda saved: ByHour())
    card = json.loads(Path(run.path, "models", "blend", "model.json").read_text())
    total = sum(member["weight"] for member in card["members"])
    expected = np.clip([card["intercept"] + total * hour for hour in (4, 3)], 1, 5)
    np.testing.assert_allclose(run.model("blend").predict([1, 2], 7, times[:2]), expected, 1e-6)


AUGUST = 115_084_800  # 1973-08-25, in seconds
EAST = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    "times",
    [
        [datetime(1973, 8, 25), None],
        (datetime(1973, 8, 25, 2, tzinfo=EAST), float("nan")),
        [date(1973, 8, 25), pd.NaT],
        [pd.Timestamp("1973-08-25T02:00", tz="Etc/GMT-2"), pd.NA],
        [np.datetime64("1973-08-25"), np.datetime64("NaT")],
        [np.int64(AUGUST), None],
        [AUGUST + 0.7, None],
        np.array([AUGUST, np.nan]),
        np.array(["1973-08-25T00", "NaT"], "datetime64[h]"),
        np.array(["1973-08-25", "NaT"], "datetime64[D]"),
        np.array([datetime(1973, 8, 25), None]),
        pd.Series(["1973-08-25", None]).astype("datetime64[ns]"),
        pd.Series(["1973-08-25", None]).astype("datetime64[ns]").dt.tz_localize("UTC"),
        pd.DatetimeIndex(["1973-08-25T02:00", None]).tz_localize("Etc/GMT-2"),
        pd.Series([AUGUST, None], dtype="Int64"),
        pd.Series([date(1973, 8, 25), None]),
        pa.array([AUGUST, None]),
        pa.chunked_array([[date(1973, 8, 25)], [None]], pa.date32()),
    ],
)
def test_times_of_every_form_are_seconds(times: Any) -> None:
    assert read_times(times, 2).tolist() == [AUGUST, NO_TIME]


@pytest.mark.parametrize(
    "time", [AUGUST, np.int32(AUGUST), np.array(AUGUST), np.datetime64("1973-08-25")]
)
def test_a_single_time_is_that_of_all_pairs(time: Any) -> None:
    assert read_times(time, 3).tolist() == [AUGUST] * 3
    assert read_times([None], 1).tolist() == [NO_TIME]
    assert read_times([], 0).tolist() == []


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["2005-01-01"] * 2, r"times\[0\]: found '2005-01-01', expected a datetime, .* Convert it"),
        ("soon", r"times\[0\]: found 'soon'"),
        ([1, True], r"times\[1\]: found True"),
        (np.array([True, False]), r"times\[0\]: found True"),
        (pd.Series(["a", "b"]), r"times\[0\]: found 'a'"),
        ([1, AUGUST * 1000], r"times\[1\]: found 115084800000"),
        (np.array([1, AUGUST * 1000]), r"times\[1\]: found 115084800000, .* of 1902 to 2038"),
        ([datetime(2050, 1, 1), None], r"times\[0\]"),
        ([1, 2, 3], "times: found 3 times, expected 2, one for each pair"),
    ],
)
def test_what_is_no_time_is_refused(times: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_times(times, 2)


def test_predicting_leaves_the_threads_of_torch_alone(run: recspark.Run) -> None:
    before = torch.get_num_threads()
    open_model.cache_clear()
    try:
        torch.set_num_threads(2)
        run.model("biased_mf").predict(1, [1, 2])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    "ids",
    [
        [1, 2, 3],
        (1, 2, 3),
        range(1, 4),
        np.array([1, 2, 3], np.int8),
        np.array([1, 2, 3], np.uint64),
        np.array([1.0, 2.0, 3.0]),
        np.array([1, 2, 3], object),
        ["1", " 2", np.int32(3)],
        pd.Series([1, 2, 3], index=[7, 8, 9]),
        pd.Series([1, 2, 3], dtype="Int64"),
        pd.Series(["1", "2", "3"]),
        pd.Series([1, 2, 3], dtype="category"),
        pd.Index([1, 2, 3]),
        pa.array([1, 2, 3]),
        pa.chunked_array([[1, 2], [3]]),
        torch.tensor([1, 2, 3]),
    ],
    ids=lambda ids: type(ids).__name__,
)
def test_ids_of_many_forms(ids: Any) -> None:
    users, movies = pair_ids(ids, ids, are_text=(False, False))
    assert not isinstance(users, TextIds)
    assert users.dtype == np.int64
    assert to_list(users) == to_list(movies) == [1, 2, 3]


@pytest.mark.parametrize("value", [0, -5, 2**63 - 1, -(2**63)])
def test_whole_numbers_of_64_bits(value: int) -> None:
    for given in (value, [value], np.int64(value), np.array([value]), str(value), f" {value}.0"):
        assert to_list(pair_ids(given, 1, are_text=(False, False))[0]) == [value]


@pytest.mark.parametrize(
    "ids",
    [
        ["a", " b", "007"],
        np.array(["a", "b ", "007"]),
        np.array(["a", "b", "007"], object),
        pd.Series(["a", "b", "007"], index=[7, 8, 9]),
        pd.Series(["a", "b", "007"], dtype="category"),
        pa.array(["a", "b", "007"]),
    ],
    ids=lambda ids: type(ids).__name__,
)
def test_text_ids_of_many_forms(ids: Any) -> None:
    users, movies = pair_ids(ids, 7, are_text=(True, False))
    assert to_list(users) == ["a", "b", "007"]
    assert to_list(movies) == [7, 7, 7]


@pytest.mark.parametrize(("value", "found"), [(7, "7"), (None, "None"), ("", "''"), (2.5, "2.5")])
def test_ids_of_the_wrong_kind_are_refused_by_kind(value: Any, found: str) -> None:
    with pytest.raises(
        DataError, match=rf"users\[1\]: found {found}, expected an id, which is text in this run"
    ):
        pair_ids(["a", value], ["b", "c"], are_text=(True, True))


def test_a_refused_value_is_shown_in_short_and_without_control_characters() -> None:
    with pytest.raises(DataError, match="a whole number of 64 bits") as raised:
        pair_ids("\x1b[31m\n" + 10_000 * "x", 1, are_text=(False, False))
    assert len(str(raised.value)) < 300
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("ids", "where", "found"),
    [
        ([1, 2.5], r"users\[1\]", "2.5"),
        (np.array([1.0, 2.5]), r"users\[1\]", "2.5"),
        ([1, True], r"users\[1\]", "True"),
        (np.array([True, False]), r"users\[0\]", "True"),
        ([1, None], r"users\[1\]", "None"),
        (np.array([1.0, np.nan]), r"users\[1\]", "nan"),
        ([1, float("inf")], r"users\[1\]", "inf"),
        (pd.Series([1, None]), r"users\[1\]", "nan"),
        (pd.Series([1, None], dtype="Int64"), r"users\[1\]", "(nan|<NA>)"),
        (["1", "u2"], r"users\[1\]", "'u2'"),
        (["1", ""], r"users\[1\]", "''"),
        ([1, [2]], r"users\[1\]", r"\[2\]"),
        ([1, 2**63], r"users\[1\]", "9223372036854775808"),
        (np.array([1, 2**63], np.uint64), r"users\[1\]", "9223372036854775808"),
        ([1, 2.0**60], r"users\[1\]", "1.15"),
        (np.array(["2020-01-01", "2020-01-02"], "M8[ns]"), r"users\[0\]", "2020-01-01"),
        (None, "users", "None"),
        (b"1", "users", "b'1'"),
        (object(), "users", "<object"),
        (np.datetime64("2020-01-01", "ns"), "users", "2020-01-01"),
        (np.ones((2, 2)), "users", "2 dimensions"),
        (pd.DataFrame({"user_id": [1, 2]}), "users", "2 dimensions"),
        ([1, 2, 3], "predict", "3 users and 2 movies"),
        ([1], "predict", "1 users and 2 movies"),
    ],
)
def test_values_that_are_not_ids_are_refused_by_place_and_value(
    ids: Any, where: str, found: str
) -> None:
    with pytest.raises(DataError, match=rf"^{where}: found .*{found}.*, expected"):
        pair_ids(ids, [1, 2], are_text=(False, False))
    if where.startswith("users"):
        with pytest.raises(DataError, match=where.replace("users", "movies")):
            pair_ids([1, 2], ids, are_text=(False, False))


def test_predictions_have_raw_ids(home: Path, run: recspark.Run, spark: SparkSession) -> None:
    ratings = raw_ratings(home)
    found = run.predictions("als")
    assert list(found.columns) == [
        *("user_id", "movie_id", "rating", "rated_at"),
        *("prediction", "prediction_std", "fallback"),
    ]
    assert len(found) == len(pq.read_table(f"{run.path}/test"))
    for row in found.itertuples():
        rating, seconds = ratings[row.user_id, row.movie_id]
        assert (row.rating, row.rated_at) == (rating, pd.Timestamp(seconds, unit="s"))
    in_spark = run.predictions("als", spark=spark)
    assert in_spark.columns == list(found.columns)
    assert in_spark.schema["rated_at"].dataType.simpleString() == "timestamp"
    timed = in_spark.withColumn("rated_at", F.unix_timestamp("rated_at")).drop(
        "fallback", "prediction_std"
    )
    seconds = found["rated_at"].astype("datetime64[s]").astype("int64")
    assert found["prediction_std"].isna().all()  # als states none
    expected = found.assign(rated_at=seconds).drop(columns=["fallback", "prediction_std"])
    assert sorted(map(tuple, timed.collect())) == sorted(
        expected.itertuples(index=False, name=None)
    )


def test_predictions_without_a_time_have_none(copied: Path, spark: SparkSession) -> None:
    for file in (copied / "predictions" / "als").rglob("*.parquet"):
        table = pq.read_table(file, partitioning=None)
        at = table.schema.get_field_index("rated_at")
        nothing = pa.nulls(table.num_rows, pa.int32())
        pq.write_table(table.set_column(at, table.schema.field(at), nothing), file)
    found = recspark.Run(copied).predictions("als")
    assert found["rated_at"].isna().all()
    assert found["rated_at"].dtype.kind == "M"
    in_spark = recspark.Run(copied).predictions("als", spark=spark)
    assert {row["rated_at"] for row in in_spark.collect()} == {None}


def test_recommendations_carry_titles(run: recspark.Run, spark: SparkSession) -> None:
    found = run.recommendations("als")
    assert list(found.columns) == ["user_id", "rank", "movie_id", "title", "score"]
    assert found[["user_id", "rank"]].apply(tuple, axis=1).is_monotonic_increasing
    assert set(found["rank"]) == {1, 2, 3}
    stored = pq.read_table(f"{run.path}/recommendations/als").to_pandas()
    assert sorted(zip(stored["user_id"], stored["movie_id"], strict=True)) == sorted(
        zip(found["user_id"], found["movie_id"], strict=True)
    )
    for row in found.itertuples():
        assert pd.isna(row.title) if row.movie_id == UNTITLED else row.title.startswith("Film ")
    assert found["title"].isna().any()
    in_spark = run.recommendations("als", spark=spark)
    assert in_spark.columns == list(found.columns)
    titles = {row["movie_id"]: row["title"] for row in in_spark.collect()}
    assert titles[UNTITLED] is None
    assert in_spark.count() == len(found)


def test_similar_movies_of_one_and_of_all(run: recspark.Run, spark: SparkSession) -> None:
    one = run.similar("als", movie_id=7, n=2)
    assert one["rank"].tolist() == [1, 2]
    assert set(one["movie_id"]) == {7}
    assert set(one["title"]) == {"Film 7 (1990)"}
    assert one["similarity"].is_monotonic_decreasing
    assert len(run.similar("als")) == 4 * 40
    in_spark = run.similar("als", 7, 2, spark=spark)
    assert {row["similar_movie_id"] for row in in_spark.collect()} == set(one["similar_movie_id"])
    with pytest.raises(DataError, match="found no list for movie 999, expected one of the 40 "):
        run.similar("als", 999)
    with pytest.raises(DataError, match="movie_id: found '7b', expected an id"):
        run.similar("als", "7b")  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"Run jobs/similar.py .* --similar.models biased_mf first"):
        run.similar("biased_mf")


def test_leaderboard_and_metrics_are_those_of_the_files(run: recspark.Run) -> None:
    board = run.leaderboard()
    rows = json.loads((Path(run.path) / "leaderboard.json").read_text())
    assert board["model"].tolist() == [row["model"] for row in rows]
    assert set(board["model"]) == set(MODELS)
    for row, shown in zip(rows, board.to_dict("records"), strict=True):
        for name in ("rmse", "mae", "coverage", "num_fallbacks", "seconds", "num_rows"):
            assert shown[name] == row[name]
        assert [shown["rmse_low"], shown["rmse_high"]] == row["rmse_interval"]
        assert run.metrics(row["model"])["rmse"] == row["rmse"]
    assert np.isnan(board["vs_best"][0])
    assert board["vs_best"][1] == rows[1]["versus"]["best"]["difference"]
    predictions = run.predictions("als")
    rmse = np.sqrt(((predictions["rating"] - predictions["prediction"]) ** 2).mean())
    assert run.metrics("als")["rmse"] == pytest.approx(rmse, abs=1e-6)


def test_the_leaderboard_of_lists_has_popularity_beside_them(run: recspark.Run) -> None:
    board = run.lists_leaderboard()
    rows = json.loads((Path(run.path) / "lists.json").read_text())
    assert sorted(board["model"]) == ["als", "popularity"]
    for row, shown in zip(rows, board.to_dict("records"), strict=True):
        for name in ("model", "k", "ndcg", "recall", "concentration", "num_users", "protocol"):
            assert shown[name] == row[name]
        assert [shown["ndcg_low"], shown["ndcg_high"]] == row["intervals"]["ndcg"]
    [als] = board[board["model"] == "als"].to_dict("records")
    [stored] = [row["versus"]["popularity"]["ndcg"] for row in rows if row["model"] == "als"]
    assert als["vs_popularity"] == stored["difference"]
    assert als["is_above_popularity"] == (stored["low"] > 0)
    assert np.isnan(board["vs_popularity"][board["model"] == "popularity"].item())


def test_a_run_describes_itself(run: recspark.Run) -> None:
    assert run.models == MODELS
    assert Path(run.report).read_text().startswith("<!")
    num_ratings = pq.read_table(f"{run.path}/test").num_rows
    assert f"Run('{run.path}')" in repr(run)
    assert f"test {num_ratings:,}" in repr(run)
    assert repr(run).endswith("models: als, bias, biased_mf, blend, cosine_user")


def test_paths_are_resolved_when_a_run_is_opened(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    runs = [recspark.Run("runs/movielens-100k/"), recspark.Run(Path("runs/movielens-100k"))]
    models = [
        recspark.load_model("runs/movielens-100k/models/als/"),
        recspark.load_model(Path("runs/movielens-100k/models/als")),
        runs[0].model("als"),
    ]
    monkeypatch.chdir(tmp_path)
    assert models[0] == models[1] == models[2]
    assert len(runs[0].leaderboard()) == len(runs[1].leaderboard()) == 5
    assert len({float(model.predict(1, 7)[0]) for model in models}) == 1


def test_a_run_on_another_file_system(run: recspark.Run) -> None:
    target = "/notebook"
    fsspec.filesystem("memory").put(run.path, target, recursive=True)
    remote = recspark.Run("memory://notebook/")
    assert remote.models == MODELS
    pairs = [1, 2, 3, 999], [1, 2, 3, 4]
    for name in MODELS:
        there = recspark.load_model(f"memory://notebook/models/{name}").predict(*pairs)
        np.testing.assert_array_equal(there, run.model(name).predict(*pairs))
    pd.testing.assert_frame_equal(remote.predictions("als"), run.predictions("als"))


def test_paths_that_are_not_runs_or_models_are_refused(run: recspark.Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"^{tmp_path}: found no finished ratings .*, expected"):
        recspark.Run(tmp_path)
    with pytest.raises(DataError, match=r"model 'biasedmf': found .* Did you mean biased_mf\?"):
        run.model("biasedmf")
    with pytest.raises(DataError, match="expected one of als, bias"):
        run.predictions("nothing like it")
    for path in (run.path, f"{run.path}/predictions/als"):
        with pytest.raises(DataError, match="expected the folder of a model"):
            recspark.load_model(path)
    with pytest.raises(DataError, match=r"Run jobs/recommend.py .*--recommend.models bias first"):
        run.recommendations("bias")


def change_manifest(folder: Path, **inputs: str) -> None:
    file = folder / "_MANIFEST.json"
    manifest = json.loads(file.read_text())
    manifest["inputs"] |= inputs
    file.write_text(json.dumps(manifest))


def test_outputs_made_from_other_data_are_refused(copied: Path) -> None:
    run = recspark.Run(copied)
    card = json.loads((copied / "models" / "blend" / "model.json").read_text())
    member = card["members"][0]["model"]
    change_manifest(copied / "models" / "blend", **{f"models/{member}": "earlier"})
    with pytest.raises(
        DataError, match=rf"found a data set made from an earlier models/{member} .*Run jobs/blend"
    ):
        run.model("blend")
    change_manifest(copied / "predictions" / "als", test="earlier")
    with pytest.raises(DataError, match="found a data set made from an earlier test"):
        run.predictions("als")
    change_manifest(copied / "recommendations" / "als", model="earlier")
    with pytest.raises(DataError, match="found a data set made from an earlier model"):
        run.recommendations("als")
    change_manifest(copied / "models" / "als", train="earlier")
    with pytest.raises(DataError, match="found a data set made from an earlier train"):
        run.model("als")


def test_a_model_fitted_again_is_read_again(copied: Path) -> None:
    model = recspark.Run(copied).model("als")
    before = model.predict(1, 7)
    folder = copied / "models" / "als"
    factors = np.load(folder / "movies.npy")
    np.save(folder / "movies.npy", factors * 0.5)
    manifest = json.loads((folder / "_MANIFEST.json").read_text())
    (folder / "_MANIFEST.json").write_text(json.dumps({**manifest, "id": "another"}))
    np.testing.assert_allclose(model.predict(1, 7), np.clip(before / 2, 1, 5), rtol=1e-6)


def test_settings_from_a_dict_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    overrides: dict[str, Any] = {
        "run_dir": tmp_path / "run",
        "models": ("bias", "als"),
        "train": {"epochs": np.int64(3)},
        "train.batch_size": 64,
        "spark.properties": {"spark.task.maxFailures": "2"},
    }
    of_file = read_settings(tmp_path / "tiny.yaml", overrides)
    assert of_file[0].name == "tiny"
    assert of_file[0].models == ("bias", "als")
    assert (of_file[0].train.epochs, of_file[0].train.batch_size) == (3, 64)
    assert of_file[0].spark.properties == {"spark.task.maxFailures": "2"}
    assert of_file[1]["als"].baseline.als.epochs == 2
    settings = {
        **{"name": "tiny", "models": ["bias"], "train.embedding_size": 4},
        **{"blend": {"members": ["bias", "als", "cosine_user", "biased_mf"]}},
        **{"recommend": {"models": ["als"], "top_n": 3}, "similar.models": ["als"]},
        **{"similar": {"top_n": 4}, "evaluate.resamples": 20},
        "ingest": {"format": "movielens_100k", "ratings": "raw/u.data", "movies": "raw/u.item"},
        "prepare": {
            "split": "random",
            **{"test_fraction": 0.2, "valid_fraction": 0.1, "num_buckets": 2},
        },
        "baseline": {"als": {"embedding_size": 4, "epochs": 2}},
    }
    assert read_settings(settings, overrides) == of_file
    assert read_settings({"models": ["bias"]}, {"run_dir": "some/where"})[0].name == "where"


@pytest.mark.parametrize(
    ("config", "overrides", "message"),
    [
        ({"name": "x", "train": {"epohcs": 3}}, {}, r"Did you mean train.epochs\?"),
        ({"name": "x"}, {"train.epochs": "three"}, "epochs"),
        ({"name": "x"}, {"train": {"epochs": 3}, "train.epochs": 4}, "train.epochs given twice"),
        ({"name": "x"}, {"seed.x": 1, "seed": 3}, "seed given twice"),
        ({"name": "x"}, {"seed": object()}, "a value that YAML cannot write"),
        ({"name": "x", "models": ["biasd"]}, {}, "bias"),
        ({"train": {"epochs": 3}}, {}, "found neither name nor run_dir"),
        (3, {}, "found a config of type int"),
        ("no/such.yaml", {}, "no/such.yaml"),
    ],
)
def test_mistakes_in_settings_are_config_errors(
    config: Any, overrides: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        recspark.run(config, **overrides)


def python(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_recspark_loads_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys, recspark; print(*sys.modules, sep='\\n')"
    loaded = {name.partition(".")[0] for name in python(code, tmp_path).splitlines()}
    assert "recspark" in loaded
    assert not loaded & {"pyspark", "torch", "pandas", "numpy", "pyarrow", "fsspec", "yaml"}


def test_a_run_is_read_without_spark(home: Path, run: recspark.Run) -> None:
    code = """
import sys
sys.modules["pyspark"] = None
import recspark
run = recspark.Run("runs/movielens-100k")
for name in run.models:
    print(name, *run.model(name).predict([1, 2, 999], [1, 2, 3]))
    run.predictions(name), run.metrics(name)
run.leaderboard(), run.recommendations("als"), run.similar("als", 7), repr(run), run.report
"""
    for line in python(code, home).splitlines():
        name, *values = line.split()
        found = run.model(name).predict([1, 2, 999], [1, 2, 3])
        np.testing.assert_allclose(found, np.array(values, float), rtol=0, atol=1e-6)


def test_a_new_session_is_stopped_again(home: Path, tmp_path: Path) -> None:
    settings = {"run_dir": str(tmp_path / "run"), "until": "ingest", "spark.master": "local[1]"}
    code = f"""
import recspark
run = recspark.run("conf/movielens-100k.yaml", **{settings!r})
from pyspark import SparkContext
print(SparkContext._active_spark_context, run, sep="\\n")
"""
    stopped, shown = python(code, home).splitlines()[-2:]
    assert stopped == "None"
    assert shown.endswith("ratings (no split); models: none")


@pytest.mark.parametrize(
    "module", [recspark, recspark.notebook.model, recspark.notebook.run], ids=lambda m: m.__name__
)
def test_examples_of_the_docstrings(
    home: Path, run: recspark.Run, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert result.attempted >= 3
    assert result.failed == 0
