from __future__ import annotations

import dataclasses
import gzip
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recspark.config import Config, IngestConfig
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.paths import RunPaths
from recspark.datasets.manifest import read_manifest
from recspark.errors import DataError
from recspark.files import parquet
from recspark.stages import ingest
from recspark.tables import parsed as r

TITLES = b"1,2003,One\n2,NULL,Two\n"
GOOD = b"1:\n10,3,2005-01-01\n11,4,2004-02-03\n2:\n10,5,2003-06-07\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "movie_titles.csv").write_bytes(TITLES)
    return raw


def config_for(folder: Path, ratings: str = "", **changes: object) -> Config:
    settings = {
        "format": "netflix",
        "ratings": ratings or str(folder),
        "movies": str(folder / "movie_titles.csv"),
        "max_reject_fraction": 1.0,
        **changes,
    }
    return Config(
        name="t",
        run_dir=str(folder.parent / "run"),
        ingest=IngestConfig(**settings),  # type: ignore[arg-type]
    )


def ratings_of(config: Config, spark: SparkSession) -> list[tuple[int, int, float, date]]:
    frame = parquet.read_dataset(spark, RunPaths(config.root).ratings, schemas.RATINGS)
    day = F.to_date(c.RATED_AT)
    rows = frame.select(c.USER_ID, c.MOVIE_ID, c.RATING, day).collect()
    return sorted(tuple(row) for row in rows)


def rejects_of(config: Config, spark: SparkSession) -> list[tuple[str, int, int, str, str]]:
    frame = parquet.read_dataset(spark, RunPaths(config.root).rejects, schemas.REJECTS)
    return sorted((Path(row[c.FILE]).name, *tuple(row)[1:]) for row in frame.collect())


EXPECTED = [
    (10, 1, 3.0, date(2005, 1, 1)),
    (10, 2, 5.0, date(2003, 6, 7)),
    (11, 1, 4.0, date(2004, 2, 3)),
]


@pytest.mark.parametrize("data", [GOOD, GOOD.replace(b"\n", b"\r\n"), GOOD.rstrip(b"\n")])
def test_line_ends_do_not_matter(folder: Path, spark: SparkSession, data: bytes) -> None:
    (folder / "combined_data_1.txt").write_bytes(data)
    config = config_for(folder)
    ingest.run(config, spark)
    assert ratings_of(config, spark) == EXPECTED
    assert rejects_of(config, spark) == []


def test_folder_of_movie_files_some_compressed(folder: Path, spark: SparkSession) -> None:
    (folder / "mv_0000001.txt").write_bytes(GOOD[: GOOD.index(b"2:")])
    (folder / "mv_0000002.txt.gz").write_bytes(gzip.compress(GOOD[GOOD.index(b"2:") :]))
    config = config_for(folder)
    ingest.run(config, spark)
    assert ratings_of(config, spark) == EXPECTED
    movies = parquet.read_dataset(spark, RunPaths(config.root).movies, schemas.MOVIES).collect()
    assert [tuple(row) for row in movies] == [(1, 2003, "One", None), (2, None, "Two", None)]


DAMAGED = (
    b"9,3,2005-01-01\n1:\n10,3,2005-01-01\n10,6,2005-01-01\n11,4,2005-13-45\nx,4,2005-01-01\n\n"
    b"2:\n10,5,2003-06-07\n11,5,20"
)


@pytest.mark.parametrize("split_bytes", [13, 40, 10_000])
def test_damaged_lines_are_kept_with_their_position(
    folder: Path, spark: SparkSession, split_bytes: int
) -> None:
    (folder / "combined_data_1.txt").write_bytes(DAMAGED)
    config = config_for(folder, split_bytes=split_bytes)
    ingest.run(config, spark)
    file = "combined_data_1.txt"
    assert ratings_of(config, spark) == [EXPECTED[0], EXPECTED[1]]
    assert rejects_of(config, spark) == [
        (file, 1, 0, "9,3,2005-01-01", r.NO_HEADER),
        (file, 4, 34, "10,6,2005-01-01", r.BAD_RATING),
        (file, 5, 50, "11,4,2005-13-45", r.BAD_DATE),
        (file, 6, 66, "x,4,2005-01-01", r.BAD_USER),
        (file, 10, 101, "11,5,20", r.BAD_DATE),
    ]
    manifest = read_manifest(RunPaths(config.root).ratings)
    assert manifest is not None
    counts = {name: number for name, number in manifest.counts.items() if number}
    reasons = {r.NO_HEADER: 1, r.BAD_RATING: 1, r.BAD_DATE: 2, r.BAD_USER: 1}
    lines = {"lines": 10, "ratings": 2, "rejects": 5, "headers": 2, "blanks": 1}
    assert counts == {**lines, "reasons": reasons}


@pytest.mark.parametrize("split_bytes", [20, 10_000])
def test_every_accepted_line_is_stored_in_the_order_of_the_source(
    folder: Path, spark: SparkSession, split_bytes: int
) -> None:
    (folder / "combined_data_1.txt").write_bytes(
        b"1:\n10,3,2005-01-01\n10,2,2004-12-31\n11,4,2004-02-03\n"
    )
    (folder / "combined_data_2.txt").write_bytes(
        b"2:\n10,5,2003-06-07\n1:\n10,1,2002-01-01\n11,4,2004-02-03\n"
    )
    config = config_for(folder, split_bytes=split_bytes)
    killed = Path(config.root, ".rejects.tmp", "_parts", "part-00000-000.parquet")
    killed.parent.mkdir(parents=True)
    killed.write_bytes(b"what a run left that was killed while it wrote rejects")
    ingest.run(config, spark)
    assert [path.name for path in Path(config.root).glob(".*")] == []
    files = sorted(Path(RunPaths(config.root).ratings).glob("*.parquet"))
    columns = [c.USER_ID, c.MOVIE_ID, c.RATING]
    stored = pa.concat_tables([pq.read_table(file, columns=columns) for file in files])
    assert list(zip(*stored.to_pydict().values(), strict=True)) == [
        (10, 1, 3.0),
        (10, 1, 2.0),
        (11, 1, 4.0),
        (10, 2, 5.0),
        (10, 1, 1.0),
        (11, 1, 4.0),
    ]
    assert rejects_of(config, spark) == []


def test_movielens(folder: Path, spark: SparkSession) -> None:
    (folder / "u.data").write_bytes(b"10\t1\t3\t1104537600\n11\t1\t4\t1075766400\n10\t2\t6\t1\n")
    config = config_for(folder, format="movielens_100k")
    ingest.run(config, spark)
    assert ratings_of(config, spark) == [EXPECTED[0], EXPECTED[2]]
    assert [row[4] for row in rejects_of(config, spark)] == [r.BAD_RATING]


def test_too_many_rejects_fail_but_are_kept(folder: Path, spark: SparkSession) -> None:
    (folder / "combined_data_1.txt").write_bytes(GOOD + b"1,1\n2,2\n3,3\n4,4\n")
    config = config_for(folder, max_reject_fraction=0.1)
    with pytest.raises(DataError, match=r"4 of 9 lines refused \(44\.4%\)") as caught:
        ingest.run(config, spark)
    assert "4 × wrong number of fields" in str(caught.value)
    assert "combined_data_1.txt:6: '1,1'" in str(caught.value)
    paths = RunPaths(config.root)
    assert parquet.read_dataset(spark, paths.rejects_of_failed_run, schemas.REJECTS).count() == 4
    assert read_manifest(paths.ratings) is None
    assert read_manifest(paths.rejects) is None
    assert not list(Path(config.root).glob(".*"))


def test_lower_limit_on_refused_lines_counts_for_an_earlier_run(
    folder: Path, spark: SparkSession
) -> None:
    (folder / "combined_data_1.txt").write_bytes(GOOD + b"bad\n")
    ingest.run(config_for(folder, max_reject_fraction=0.5), spark)
    ingest.run(config_for(folder, max_reject_fraction=0.4), spark)  # nothing runs again
    with pytest.raises(DataError, match="1 of 6 lines refused"):
        ingest.run(config_for(folder, max_reject_fraction=0.1), spark)


def test_failed_run_leaves_earlier_data_sets_as_they_were(
    folder: Path, spark: SparkSession
) -> None:
    file = folder / "combined_data_1.txt"
    file.write_bytes(GOOD + b"bad\n")
    config = config_for(folder, max_reject_fraction=0.2)
    ingest.run(config, spark)
    paths = RunPaths(config.root)
    before = [read_manifest(path) for path in (paths.ratings, paths.rejects, paths.movies)]
    file.write_bytes(GOOD + b"bad\n" * 5)
    with pytest.raises(DataError, match=r"5 of 10 lines refused"):
        ingest.run(config, spark)
    assert [read_manifest(x) for x in (paths.ratings, paths.rejects, paths.movies)] == before
    assert len(rejects_of(config, spark)) == 1
    file.write_bytes(GOOD)
    ingest.run(config, spark)  # what the failed run kept goes with the next success
    assert not Path(paths.rejects_of_failed_run).exists()


def test_probe_and_qualifying_are_data_sets(folder: Path, spark: SparkSession) -> None:
    (folder / "combined_data_1.txt").write_bytes(GOOD)
    (folder / "probe.txt").write_bytes(b"1:\n10\n")
    (folder / "qualifying.txt").write_bytes(b"2:\n11,2005-12-01\nbad\n")
    config = config_for(
        folder, probe=str(folder / "probe.txt"), qualifying=str(folder / "qualifying.txt")
    )
    ingest.run(config, spark)
    paths = RunPaths(config.root)
    probe = parquet.read_dataset(spark, paths.probe, schemas.PROBE).collect()
    assert [tuple(row) for row in probe] == [(0, 10, 1, None)]
    asked = parquet.read_dataset(spark, paths.qualifying, schemas.QUALIFYING).collect()
    assert [tuple(row) for row in asked] == [(0, 11, 2, date(2005, 12, 1))]
    assert [row[0] for row in rejects_of(config, spark)] == ["qualifying.txt"]


def test_second_run_is_skipped_until_a_file_changes(folder: Path, spark: SparkSession) -> None:
    file = folder / "combined_data_1.txt"
    file.write_bytes(GOOD)
    config = config_for(folder)

    def made() -> str:
        ingest.run(config, spark)
        manifest = read_manifest(RunPaths(config.root).ratings)
        assert manifest is not None
        return manifest.id

    first = made()
    assert made() == first
    file.write_bytes(GOOD + b"12,1,2005-01-01\n")
    assert made() != first
    assert len(ratings_of(config, spark)) == 4


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("combined_data_1.txt", b"", "found an empty file"),
        (
            "combined_data_1.txt",
            b"10\t1\t3\t881250949\n" * 9,
            "Set ingest.format to movielens_100k",
        ),
        ("combined_data_1.txt", b"PK\x03\x04zip", "found a zip archive"),
        ("combined_data_1.txt", b"PAR1", "found a Parquet file"),
        ("combined_data_1.txt", b"some prose\nand more\n", "expected lines like"),
        ("combined_data_1.txt.gz", b"no gzip at all", "expected lines like"),
        ("combined_data_1.txt.gz", gzip.compress(GOOD)[:-9], "damaged gzip data"),
        ("readme.txt", GOOD, "a directory without such files"),
    ],
)
def test_unusable_files_are_refused_by_name(
    folder: Path, spark: SparkSession, name: str, data: bytes, message: str
) -> None:
    (folder / name).write_bytes(data)
    with pytest.raises(DataError, match=message):
        ingest.run(config_for(folder), spark)


def test_missing_files_and_a_directory_instead_of_a_file(folder: Path, spark: SparkSession) -> None:
    with pytest.raises(DataError, match=r"ingest\.ratings .*none.*: found no file"):
        ingest.run(config_for(folder, ratings=str(folder / "none*.txt")), spark)
    (folder / "combined_data_1.txt").write_bytes(GOOD)
    config = config_for(folder)
    for movies, found in ((str(folder), "a directory"), (str(folder / "none"), "no file")):
        changed = dataclasses.replace(config.ingest, movies=movies)
        with pytest.raises(DataError, match=f"found {found}"):
            ingest.run(dataclasses.replace(config, ingest=changed), spark)
