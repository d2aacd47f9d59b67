"""score_pairs on the fitted run: every requested line is predicted once, in the same order."""

from __future__ import annotations

import dataclasses
import gzip
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from recspark.arrays.ratings import NO_TIME
from recspark.config import ScorePairsConfig
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.paths import RunPaths
from recspark.contract.schemas import IdTypes
from recspark.datasets.manifest import read_manifest
from recspark.datasets.step import Step
from recspark.errors import ConfigError, DataError
from recspark.files import parquet
from recspark.ingest import pair_files
from recspark.scoring import request
from recspark.scoring.predict import Scored
from recspark.stages import score_pairs
from tests.runs import movie_id, user_id
from tests.stages.fitted import NUM_USERS, UNSEEN_MOVIE, UNSEEN_USER, Fitted, expected

STRANGER = 2**40  # not in the index, and beyond 32 bits

# Known pairs, one of them three times, and every kind of unknown pair; not sorted by user.
REQUEST = [
    *((user, movie) for movie in (3, 17, 0) for user in range(NUM_USERS)),
    *[(2, 5), (UNSEEN_USER, 4), (2, 5), (6, UNSEEN_MOVIE), (-1, 4), (6, -1), (-1, -1), (2, 5)],
    (UNSEEN_USER, UNSEEN_MOVIE),
]


def raw(pair: tuple[int, int]) -> tuple[int, int]:
    user, movie = pair
    return user_id(user) if user >= 0 else STRANGER, movie_id(movie) if movie >= 0 else -5


def run(spark: SparkSession, run_: Fitted, name: str, source: str, **settings: object):
    section = ScorePairsConfig(**settings)  # type: ignore[arg-type]
    config = dataclasses.replace(run_.models[name], score_pairs=section, force=True)
    score_pairs.run(config, name, spark)
    path = RunPaths(config.root).scored_pairs(source, name)
    return parquet.read_dataset(spark, path, schemas.SCORED_PAIRS).orderBy(c.POSITION).collect()


def check(rows, run_: Fitted, name: str, pairs: list[tuple[int, int]]) -> None:
    assert [row[c.POSITION] for row in rows] == list(range(len(pairs)))
    for row, pair in zip(rows, pairs, strict=True):
        assert (row[c.USER_ID], row[c.MOVIE_ID]) == raw(pair)
        value, flag = expected(run_.config, name, *pair)
        assert row[c.PREDICTION] == pytest.approx(value, abs=1e-5)
        assert row[c.FALLBACK] == flag


@pytest.mark.parametrize("name", ["biased_mf", "als", "bias", "cosine_user", "blend"])
def test_a_csv_is_predicted_line_by_line(
    spark: SparkSession, fitted: Fitted, tmp_path: Path, name: str
) -> None:
    lines = ["movie;when;customer", *(f"{raw(p)[1]};2005-01-02;{raw(p)[0]}" for p in REQUEST)]
    (tmp_path / "my pairs.csv").write_text("\n".join(lines))
    columns = {"user_column": "customer", "movie_column": "movie"}
    rows = run(spark, fitted, name, "my_pairs", pairs=str(tmp_path / "my pairs.csv"), **columns)
    check(rows, fitted, name, REQUEST)


def test_files_of_all_formats_are_predicted_in_order(
    spark: SparkSession, fitted: Fitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair_files, "RANGE_BYTES", 100)  # several ranges per file
    monkeypatch.setattr(request.score_request, "__kwdefaults__", {"part_rows": 40})
    folder = tmp_path / "request"
    folder.mkdir()
    first, second, third = REQUEST[:30], REQUEST[30:50], REQUEST[50:]
    (folder / "a.csv").write_text("".join(f"{raw(p)[0]},{raw(p)[1]},x\n" for p in first))
    text = "user_id\tmovie_id\r\n\r\n" + "".join(f"{raw(p)[0]}\t {raw(p)[1]}\r\n" for p in second)
    (folder / "b.tsv.gz").write_bytes(gzip.compress(text.encode()))
    columns = {"movie_id": [str(raw(p)[1]) for p in third], "user_id": [raw(p)[0] for p in third]}
    pq.write_table(pa.table(columns), folder / "c.parquet", row_group_size=7)
    rows = run(spark, fitted, "biased_mf", "request", pairs=str(folder))
    check(rows, fitted, "biased_mf", REQUEST)
    parts = Path(RunPaths(fitted.config.root).scored_pairs("request", "biased_mf"))
    heights = [pq.ParquetFile(file).metadata.num_rows for file in sorted(parts.glob("*.parquet"))]
    assert heights == [40, len(REQUEST) - 40]


def test_qualifying_is_written_in_the_form_of_the_contest(
    spark: SparkSession, copied: Fitted
) -> None:
    paths = RunPaths(copied.config.root)
    pairs = [(0, 3), (5, 3), (5, 1), (-1, 1), (7, 3), (0, 29)]  # movie 3 has two headers
    rows = [(n, *raw(pair), date(2005, 6, 7)) for n, pair in enumerate(pairs)]
    write_qualifying(spark, copied, rows)
    run(spark, copied, "als", "qualifying")
    value = [expected(copied.config, "als", *pair)[0] for pair in pairs]
    lines = Path(paths.contest("als"), "prediction.txt").read_text().split("\n")
    wanted = [movie_id(3), *value[:2], movie_id(1), *value[2:4], movie_id(3), value[4]]
    wanted += [movie_id(29), value[5]]
    assert lines.pop() == ""
    assert len(lines) == len(wanted)
    for line, one in zip(lines, wanted, strict=True):
        if isinstance(one, int):
            assert line == f"{one}:"
        else:
            assert float(line) == pytest.approx(one, abs=1e-5)
            assert len(line.split(".")[1]) == 6


HOUR = 3600


@pytest.fixture
def by_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for a model that uses times: it predicts the hour of 1 January 1970, else 9."""

    def predict(scoring: object, users: Any, movies: Any, times: Any) -> Scored:
        hours = np.where(times == NO_TIME, 9, times // HOUR).astype(np.float32)
        nothing = pa.nulls(len(hours), pa.string())
        return Scored(pa.array(hours), pa.nulls(len(hours), pa.float32()), nothing)

    # Spark sends a function of a function by value, and so the stand-in with it.
    monkeypatch.setattr(request, "score_pairs", predict)


def test_times_reach_the_model_with_their_pairs(
    spark: SparkSession,
    fitted: Fitted,
    tmp_path: Path,
    by_hour: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Text, Parquet and a probe, each with times of another form, over several ranges."""
    monkeypatch.setattr(pair_files, "RANGE_BYTES", 100)
    caplog.set_level("INFO")
    hours = [None if n % 5 == 0 else n % 7 for n in range(len(REQUEST))]
    seconds = ["" if hour is None else str(hour * HOUR) for hour in hours]
    folder = tmp_path / "request"
    folder.mkdir()
    text = "".join(
        f"{s},{raw(p)[1]},{raw(p)[0]}\n" for p, s in zip(REQUEST[:30], seconds[:30], strict=True)
    )
    (folder / "a.csv").write_text("when,movie_id,user_id\n" + text)
    columns = {
        "when": pa.array([h and h * HOUR * 1000 for h in hours[30:50]], pa.timestamp("ms")),
        "movie_id": [raw(p)[1] for p in REQUEST[30:50]],
        "user_id": [raw(p)[0] for p in REQUEST[30:50]],
    }
    pq.write_table(pa.table(columns), folder / "b.parquet", row_group_size=7)
    rest = zip(REQUEST[50:], seconds[50:], strict=True)
    (folder / "c.txt").write_text("".join(f"{raw(p)[1]}:\n{raw(p)[0]},{s}\n" for p, s in rest))
    settings = {"time_column": "When", "time_format": "seconds"}
    rows = run(spark, fitted, "als", "request", pairs=str(folder), **settings)
    assert [(row[c.USER_ID], row[c.MOVIE_ID]) for row in rows] == [raw(pair) for pair in REQUEST]
    assert [row[c.PREDICTION] for row in rows] == [9 if hour is None else hour for hour in hours]
    missing = hours.count(None)
    assert f"{missing} of {len(hours)} pairs name no particular moment" in caplog.text


def test_qualifying_is_scored_at_its_dates(
    spark: SparkSession, copied: Fitted, by_hour: None
) -> None:
    pairs = [(0, 3), (5, 3), (5, 1)]
    days = [date(1970, 1, 1), date(1970, 1, 3), None]
    rows = [(n, *raw(pair), day) for n, (pair, day) in enumerate(zip(pairs, days, strict=True))]
    write_qualifying(spark, copied, rows)
    found = run(spark, copied, "als", "qualifying")
    assert [row[c.PREDICTION] for row in found] == [0, 48, 9]


def write_qualifying(spark: SparkSession, run_: Fitted, rows: list[tuple]) -> None:
    path = RunPaths(run_.config.root).qualifying
    with Step("ingest", {}, {}, [path]) as step:
        target = spark.createDataFrame(rows, schemas.QUALIFYING.ddl).coalesce(1)
        parquet.write_dataset(target, step.staging(path), schemas.QUALIFYING)
        step.publish(path, schemas.QUALIFYING)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "user_id,movie_id\n1,2\nanna,3\n\n4,\n5,6\n7\n8,9,10\n",
            r"3 rows without two ids \(.*x.csv:5: '4,'; .*:7: '7'; .*:8: '8,9,10'\)",
        ),
        ("1,2\n3,null\n", r"1 rows without two ids \(.*x.csv:2: '3,null'\)"),
        ("who,what\n1,2\n", r"x.csv:1: found 'who,what', expected the names of a user and a movie"),
    ],
)
def test_an_invalid_csv_is_refused_with_its_lines(
    spark: SparkSession, fitted: Fitted, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        run(spark, fitted, "bias", "x", pairs=str(tmp_path / "x.csv"))


def test_a_text_that_is_no_time_is_refused_with_its_line(
    spark: SparkSession, fitted: Fitted, tmp_path: Path
) -> None:
    (tmp_path / "x.csv").write_text("user_id,movie_id,at\n1,2,2005-06-07\n3,4,soon\n5,6,\n7,,\n")
    message = (
        r"found 2 rows without two ids, or with a time that is none \(.*x\.csv:3: '3,4,soon' "
        r"\(not a date of the form %Y-%m-%d\); .*:5: '7,,'\), .* score_pairs\.time_format"
    )
    with pytest.raises(DataError, match=message):
        run(spark, fitted, "bias", "x", pairs=str(tmp_path / "x.csv"), time_column="at")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"time_column": c.USER_ID}, "time_column: found 'user_id', expected another column"),
        ({"time_column": ""}, "time_column: found ''"),
        ({"time_format": "%Y-%d"}, "score_pairs.time_format: found %Y-%d"),
    ],
)
def test_settings_of_times_are_checked(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ScorePairsConfig(**settings)


@pytest.mark.parametrize("text", ["", "user_id,movie_id\n"], ids=["nothing", "names"])
def test_a_request_without_pairs_has_an_answer_without_rows(
    spark: SparkSession, fitted: Fitted, tmp_path: Path, text: str
) -> None:
    """A scheduled job then finds the data set that it expects, with its schema and manifest."""
    (tmp_path / "none.csv").write_text(text)
    assert run(spark, fitted, "biased_mf", "none", pairs=str(tmp_path / "none.csv")) == []
    path = RunPaths(fitted.config.root).scored_pairs("none", "biased_mf")
    [file] = Path(path).glob("*.parquet")
    stored = pq.read_schema(file)
    assert {name: str(stored.field(name).type) for name in stored.names} == {
        **{"position": "int64", "user_id": "int64", "movie_id": "int64"},
        **{"prediction": "float", "prediction_std": "float", "fallback": "string"},
    }
    manifest = read_manifest(path)
    assert manifest is not None
    assert manifest.num_rows == 0
    assert manifest.columns == schemas.SCORED_PAIRS.with_ids(IdTypes()).columns


def test_ids_of_another_form_are_unknown_and_answered_in_their_place(
    spark: SparkSession, fitted: Fitted, tmp_path: Path
) -> None:
    """A uint64 beyond 64 bits with a sign is one of them; the answer's ids are then text."""
    pairs = [(0, 3), (0, 29)]
    large = pa.array(np.array([raw(pairs[0])[0], 2**63 + 1, raw(pairs[1])[0]], np.uint64))
    movies = pa.array([raw(pairs[0])[1], raw(pairs[0])[1], raw(pairs[1])[1]])
    pq.write_table(pa.table({"movie_id": movies, "user_id": large}), tmp_path / "x.parquet")
    rows = run(spark, fitted, "bias", "x", pairs=str(tmp_path / "x.parquet"))
    assert [row[c.USER_ID] for row in rows] == [str(one) for one in large.to_pylist()]
    assert [row[c.MOVIE_ID] for row in rows] == movies.to_pylist()
    for row, pair in zip(rows, [pairs[0], (-1, 3), pairs[1]], strict=True):
        assert row[c.PREDICTION] == pytest.approx(expected(fitted.config, "bias", *pair)[0])


def test_a_missing_file_is_refused(spark: SparkSession, fitted: Fitted, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x\.csv: found no such file"):
        run(spark, fitted, "bias", "x", pairs=str(tmp_path / "x.csv"))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user_id": [1], "what": [2]}, r"x.parquet: found columns \['user_id', 'what'\]"),
        ({"user_id": [1, None], "movie_id": [2, 3]}, r"x.parquet:2: 'None,3'"),
        ({"user_id": [True], "movie_id": [2]}, "a column of bool for ids"),
    ],
)
def test_a_parquet_file_without_ids_is_refused(
    spark: SparkSession, fitted: Fitted, tmp_path: Path, columns: dict, message: str
) -> None:
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    with pytest.raises(Exception, match=message):
        run(spark, fitted, "bias", "x", pairs=str(tmp_path / "x.parquet"))


def test_without_qualifying_the_stage_to_run_is_named(spark: SparkSession, fitted: Fitted) -> None:
    with pytest.raises(DataError, match=r"qualifying: .*Run jobs/ingest\.py"):
        run(spark, fitted, "bias", "qualifying")


def test_a_movie_index_of_another_prepare_is_refused(
    spark: SparkSession, copied: Fitted, tmp_path: Path
) -> None:
    (tmp_path / "x.csv").write_text("1,2\n")
    file = Path(RunPaths(copied.config.root).movie_index, "_MANIFEST.json")
    file.write_text(file.read_text().replace('"id": "', '"id": "x'))
    with pytest.raises(DataError, match=r"movie_index: found an index of x"):
        run(spark, copied, "bias", "x", pairs=str(tmp_path / "x.csv"))


def test_a_damaged_bucket_of_a_trained_model_is_named(
    spark: SparkSession, copied: Fitted, tmp_path: Path
) -> None:
    (tmp_path / "x.csv").write_text(f"{user_id(2)},{movie_id(3)}\n")
    users = Path(
        RunPaths(copied.config.root).model("biased_mf"), "users", "bucket-00002.safetensors"
    )
    users.write_bytes(users.read_bytes()[:-9])
    with pytest.raises(Exception, match=r"bucket-00002\.safetensors of [0-9,]+ bytes instead"):
        run(spark, copied, "biased_mf", "x", pairs=str(tmp_path / "x.csv"))
    users.unlink()
    with pytest.raises(Exception, match=r"found no .*bucket-00002\.safetensors"):
        run(spark, copied, "biased_mf", "x", pairs=str(tmp_path / "x.csv"))
