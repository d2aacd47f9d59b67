"""Ingest of archives, the larger MovieLens sets and tables, from the config to the data sets."""

from __future__ import annotations

import gzip
import io
import tarfile
import time
import zipfile
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from recspark.config import Config, IngestConfig, TableConfig
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.paths import RunPaths
from recspark.errors import DataError
from recspark.files import parquet
from recspark.stages import ingest
from recspark.tables import parsed as r

TITLES = b"1,2003,One\n2,NULL,Two\n"
FIRST = b"1:\n10,3,2005-01-01\n11,6,2004-02-03\n"
SECOND = b"2:\n10,5,2003-06-07\nbad\n"
COMBINED = {"combined_data_1.txt": FIRST, "combined_data_2.txt": SECOND}
SMALL = {"training_set/mv_0000001.txt": FIRST, "training_set/mv_0000002.txt": SECOND}
OTHERS = {"movie_titles.txt": TITLES, "probe.txt": b"1:\n10\n", "qualifying.txt": b"q\n"}
EXPECTED = [(10, 1, 3.0, date(2005, 1, 1)), (10, 2, 5.0, date(2003, 6, 7))]


def write_archive(path: Path, members: dict[str, bytes]) -> None:
    target = io.BytesIO()
    if path.name.endswith("zip"):
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped:
            for name, data in members.items():
                zipped.writestr(name, data)
    else:
        with tarfile.open(fileobj=target, mode="w") as tar:
            for name, data in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    data = target.getvalue()
    path.write_bytes(gzip.compress(data) if path.name.endswith("gz") else data)


def run(tmp_path: Path, spark: SparkSession, **settings: object) -> RunPaths:
    defaults: dict[str, object] = {"format": "netflix", "max_reject_fraction": 1.0}
    config = Config(
        name="t",
        run_dir=str(tmp_path / "run"),
        ingest=IngestConfig(**(defaults | settings)),  # type: ignore[arg-type]
    )
    ingest.run(config, spark)
    assert not [x.name for x in (tmp_path / "run").iterdir() if x.name.startswith(".")]
    return RunPaths(config.root)


def rows_of(spark: SparkSession, path: str, schema: schemas.Schema) -> list[tuple[object, ...]]:
    return sorted(tuple(row) for row in parquet.read_dataset(spark, path, schema).collect())


def ratings_of(spark: SparkSession, paths: RunPaths) -> list[tuple[object, ...]]:
    """Return (user, movie, rating, day)."""
    rows = rows_of(spark, paths.ratings, schemas.RATINGS)
    return [(*row[:3], row[3].date() if row[3] else None) for row in rows]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "members", "split_bytes"),
    [
        ("netflix.zip", COMBINED, 30),
        ("netflix.tar", SMALL, 30),
        ("netflix.zip", SMALL, 1000),
        ("netflix.tar.gz", SMALL, 1000),
        ("netflix.tgz", COMBINED, 1000),
    ],
)
def test_netflix_in_one_archive(
    tmp_path: Path, spark: SparkSession, name: str, members: dict[str, bytes], split_bytes: int
) -> None:
    archive = tmp_path / name
    write_archive(archive, members | OTHERS)
    paths = run(
        tmp_path,
        spark,
        ratings=str(archive),
        movies=f"{archive}!movie_titles.txt",
        probe=f"{archive}!probe.txt",
        qualifying=f"{archive}!qualifying.txt",
        split_bytes=split_bytes,
    )
    assert ratings_of(spark, paths) == EXPECTED
    first, second = members
    assert set(rows_of(spark, paths.rejects, schemas.REJECTS)) == {
        (f"{archive}!{first}", 3, 19, "11,6,2004-02-03", r.BAD_RATING),
        (f"{archive}!{second}", 3, 19, "bad", r.WRONG_FIELDS),
        (f"{archive}!qualifying.txt", 1, 0, "q", r.WRONG_FIELDS),
    }
    assert rows_of(spark, paths.movies, schemas.MOVIES) == [
        (1, 2003, "One", None),
        (2, None, "Two", None),
    ]
    assert rows_of(spark, paths.probe, schemas.PROBE) == [(0, 10, 1, None)]


def test_original_download_with_a_tar_inside(tmp_path: Path, spark: SparkSession) -> None:
    write_archive(tmp_path / "training_set.tar", SMALL)
    inner = (tmp_path / "training_set.tar").read_bytes()
    archive = tmp_path / "nf_prize_dataset.tar.gz"
    members = {"download/training_set.tar": inner, "download/movie_titles.txt": TITLES}
    write_archive(archive, members)
    paths = run(
        tmp_path, spark, ratings=str(archive), movies=f"{archive}!download/movie_titles.txt"
    )
    assert ratings_of(spark, paths) == EXPECTED
    assert [row[0] for row in rows_of(spark, paths.rejects, schemas.REJECTS)] == [
        f"{archive}!download/training_set.tar!{name}" for name in SMALL
    ]


def test_members_by_glob_and_errors_that_name_the_archive(
    tmp_path: Path, spark: SparkSession
) -> None:
    archive = tmp_path / "netflix.zip"
    write_archive(archive, COMBINED | OTHERS)
    movies = f"{archive}!movie_titles.txt"
    paths = run(tmp_path, spark, ratings=f"{archive}!combined*1.txt", movies=movies)
    assert ratings_of(spark, paths) == EXPECTED[:1]
    for ratings, titles, message in (
        (f"{archive}!nothing.txt", movies, r"netflix\.zip: found no such file in the archive"),
        (str(archive), str(archive), r"ingest\.movies .*!name-or-glob"),
        (str(archive), f"{archive}!*.txt", r"combined_data_1.txt:1: found the columns '1:'"),
    ):
        with pytest.raises(DataError, match=message):
            run(tmp_path, spark, ratings=ratings, movies=titles)
        assert not [x.name for x in (tmp_path / "run").iterdir() if x.name.startswith(".")]
    with pytest.raises(DataError, match=r"expected at most 50 bytes in total.*max_unpacked_bytes"):
        run(tmp_path, spark, ratings=str(archive), movies=movies, max_unpacked_bytes=50)


@pytest.mark.parametrize("packed", ["", "small.tar"])
def test_two_thousand_small_files_take_seconds(
    tmp_path: Path, spark: SparkSession, packed: str
) -> None:
    members = {f"mv_{n:07d}.txt": b"%d:\n5,3,2005-01-01\n" % n for n in range(1, 2001)}
    folder = tmp_path / "training_set"
    folder.mkdir()
    if packed:
        write_archive(folder / packed, members)
    else:
        for name, data in members.items():
            (folder / name).write_bytes(data)
    (tmp_path / "titles.csv").write_bytes(TITLES)
    tracker = spark.sparkContext.statusTracker()
    spark.sparkContext.setJobGroup("small", "small files")
    started = time.monotonic()
    paths = run(tmp_path, spark, ratings=str(folder / packed), movies=str(tmp_path / "titles.csv"))
    seconds = time.monotonic() - started
    jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup("small")]
    stages = [tracker.getStageInfo(stage) for job in jobs if job for stage in job.stageIds]
    assert max(stage.numTasks for stage in stages if stage) <= 3
    assert len(ratings_of(spark, paths)) == 2000
    assert seconds < 60  # a busy machine took 9


def test_movielens_1m(tmp_path: Path, spark: SparkSession) -> None:
    raw = tmp_path / "ml-1m"
    raw.mkdir()
    (raw / "ratings.dat").write_bytes(b"10::1::3::1104537600\n10::2::5::1054944000\n1::1::2.5::1\n")
    (raw / "movies.dat").write_bytes("1::Café (1995)::Drama|War\n".encode("latin-1"))
    paths = run(
        tmp_path, spark, format="movielens_1m", ratings=str(raw), movies=str(raw / "movies.dat")
    )
    assert ratings_of(spark, paths) == EXPECTED
    assert rows_of(spark, paths.movies, schemas.MOVIES) == [(1, 1995, "Café (1995)", "Drama|War")]
    assert [row[4] for row in rows_of(spark, paths.rejects, schemas.REJECTS)] == [r.BAD_RATING]


def test_movielens_10m_and_25m_as_downloaded(tmp_path: Path, spark: SparkSession) -> None:
    dat, csv = tmp_path / "ml-10m.zip", tmp_path / "ml-25m.zip"

    def text(separator: str, end: str) -> bytes:
        rows = [(10, 1, "3.5", 1104537600), (10, 2, "5", 1054944000), (11, 2, "0.5", 0)]
        return "".join(separator.join(map(str, row)) + end for row in rows).encode()

    write_archive(
        dat,
        {
            "ml-10M100K/ratings.dat": text("::", "\n"),
            "ml-10M100K/movies.dat": b"1::One: 1 (1995)::Drama\n",
        },
    )
    write_archive(
        csv,
        {
            "ml-25m/ratings.csv": b"userId,movieId,rating,timestamp\r\n" + text(",", "\r\n"),
            "ml-25m/movies.csv": b'movieId,title,genres\r\n1,"One, The (1995)",Drama\r\n',
            "ml-25m/links.csv": b"movieId,imdbId,tmdbId\r\n1,2,3\r\n",
        },
    )
    expected = [
        (10, 1, 3.5, date(2005, 1, 1)),
        (10, 2, 5.0, date(2003, 6, 7)),
        (11, 2, 0.5, date(1970, 1, 1)),
    ]
    for name, archive, movies, title in (
        ("movielens_10m", dat, "movies.dat", "One: 1 (1995)"),
        ("movielens_csv", csv, "movies.csv", "One, The (1995)"),
    ):
        paths = run(
            tmp_path, spark, format=name, ratings=str(archive), movies=f"{archive}!{movies}"
        )
        assert ratings_of(spark, paths) == expected
        assert rows_of(spark, paths.movies, schemas.MOVIES) == [(1, 1995, title, "Drama")]
        assert rows_of(spark, paths.rejects, schemas.REJECTS) == []


def test_table_without_times_and_titles(tmp_path: Path, spark: SparkSession) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        b'item,note,user,score\n7,"a, b",1,9.5\n8,"c\n9,x,3,4\nd",2,1\n'
        b"7,,1,10\n9,x,text,1\n7,,5,x\n"
    )
    mapping = TableConfig(user="user", movie="item", rating="score")
    paths = run(tmp_path, spark, format="table", ratings=str(path), table=mapping)
    # A user that is text makes all users text. The line inside the quoted field is no rating.
    assert ratings_of(spark, paths) == [
        ("1", 7, 9.5, None),
        ("1", 7, 10.0, None),
        ("2", 8, 1.0, None),
        ("text", 9, 1.0, None),
    ]
    assert rows_of(spark, paths.movies, schemas.MOVIES) == []
    assert rows_of(spark, paths.rejects, schemas.REJECTS) == [
        (str(path), 8, 75, "7,,5,x", r.BAD_NUMBER)
    ]


@pytest.mark.parametrize("split_bytes", [1, 10**6])
def test_parquet_table_with_a_missing_date(
    tmp_path: Path, spark: SparkSession, split_bytes: int
) -> None:
    rows = [(1, 7, 3.0, date(2005, 1, 1)), (2, 7, 4.0, date(2005, 1, 1)), (0, 7, 1.0, None)]
    rows += [(1, 7, 5.0, date(2004, 1, 1))]
    names = (c.USER_ID, c.MOVIE_ID, c.RATING, c.RATED_ON)
    kinds = ("bigint", "int", "double", "date")
    ddl = ", ".join(f"{name} {kind}" for name, kind in zip(names, kinds, strict=True))
    folder = str(tmp_path / "table")
    spark.createDataFrame(rows, ddl).coalesce(1).write.option("parquet.block.size", 1).parquet(
        folder
    )
    paths = run(
        tmp_path,
        spark,
        format="table",
        ratings=folder,
        table=TableConfig(time=c.RATED_ON),
        split_bytes=split_bytes,
    )
    assert ratings_of(spark, paths) == sorted(rows)
    assert rows_of(spark, paths.rejects, schemas.REJECTS) == []
