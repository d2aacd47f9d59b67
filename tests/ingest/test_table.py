from __future__ import annotations

import gzip
from datetime import date, datetime, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recspark.config import Config, IngestConfig, PrepareConfig, TableConfig
from recspark.contract import columns as c
from recspark.errors import ConfigError, DataError
from recspark.ingest import parsed as r
from recspark.ingest.table import table_format
from tests.ingest.reference import Rating, as_list
from tests.ingest.sources import sources_of

MAPPING = TableConfig(user="who", movie="what", rating="stars", time="when")
DAY = (date(2005, 1, 31) - date(1970, 1, 1)).days


def read(
    path: Path, settings: TableConfig, split_bytes: int = 10**6
) -> tuple[list[Rating], list[tuple[int, int, str, str]]]:
    """Return the ratings and (line from 1, offset, text, reason) of each refused line."""
    sources = sources_of(str(path))
    layout = table_format(settings, sources)
    ratings, rejects, line = [], [], 0
    for ranges in layout.plan(sources, split_bytes):
        for one in ranges:
            for offset, block in layout.read(one):
                parsed = layout.parse(block, None)
                slow = layout.parse_lines(block, None)
                assert (as_list(slow.rows), slow.rejects) == (as_list(parsed.rows), parsed.rejects)
                ratings += as_list(parsed.rows)
                rejects += [
                    (line + x.line + 1, offset + x.offset, x.text, x.reason) for x in parsed.rejects
                ]
                line += parsed.num_lines
    return ratings, rejects


@pytest.mark.parametrize(
    ("name", "separator", "setting"),
    [("a.csv", ",", None), ("a.tsv", "\t", None), ("a.csv", ";", ";"), ("a.txt", "|", "|")],
)
def test_columns_are_found_by_name(
    tmp_path: Path, name: str, separator: str, setting: str | None
) -> None:
    text = 'what,when,stars,who\n7,2005-01-31,3.5,1\n"8",2005-01-31,-1,2\n'
    path = tmp_path / name
    path.write_text("\ufeff" + text.replace(",", separator).replace("\n", "\r\n"))
    settings = TableConfig(user="who", movie="what", rating="stars", time="when", separator=setting)
    assert read(path, settings) == ([(1, 7, 3.5, DAY), (2, 8, -1.0, DAY)], [])


def test_gzip_and_seconds(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv.gz"
    path.write_bytes(gzip.compress(b"who\twhat\tstars\twhen\n1\t2\t3\t86400\n"))
    settings = TableConfig(
        user="who", movie="what", rating="stars", time="when", time_format="seconds"
    )
    assert read(path, settings) == ([(1, 2, 3.0, 1)], [])


def test_without_times_every_day_is_the_first(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"user_id,movie_id,rating\n1,2,3\n")
    assert read(path, TableConfig()) == ([(1, 2, 3.0, 0)], [])


def test_splits_that_need_times_are_refused_without() -> None:
    for split in ("time", "last"):
        with pytest.raises(ConfigError, match=rf"prepare\.split: found {split} with a table"):
            Config(ingest=IngestConfig(format="table"), prepare=PrepareConfig(split=split))  # type: ignore[arg-type]
    Config(ingest=IngestConfig(format="table"))
    Config(ingest=IngestConfig(format="table", table=MAPPING), prepare=PrepareConfig(split="last"))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("who,what,Stars,when", r"no columns stars among who, what, Stars, when.*mean Stars\?"),
        ("who,what,star,when", r"mean star\? Set ingest\.table\.rating"),
        ("who;what;stars;when", r"no columns who among who;what;stars;when"),
        ("who,what,stars,when,who", r"2 columns who .*expected one\. Rename one of them"),
    ],
)
def test_missing_column_names_the_nearest(tmp_path: Path, header: str, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(header + "\n1,2,3,4\n")
    with pytest.raises(DataError, match=message):
        read(path, MAPPING)


def test_files_with_other_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("who,what,stars,when\n1,2,3,2005-01-31\n")
    (tmp_path / "b.csv").write_text("what,who,stars,when\n1,2,3,2005-01-31\n")
    with pytest.raises(DataError, match=r"b\.csv: found what,who.*the columns of .*a\.csv"):
        read(tmp_path, MAPPING)


@pytest.mark.parametrize(
    "changes",
    [
        {"time": "user_id"},
        {"time_format": "epoch"},
        {"time_format": "%Y-%m"},
        {"time_format": "%Y-%m-%d %H"},
        {"separator": "::"},
        {"separator": '"'},
    ],
)
def test_settings_that_make_no_sense(changes: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"ingest\.table"):
        TableConfig(**changes)  # type: ignore[arg-type]


def write_parquet(path: Path, **columns: object) -> None:
    pq.write_table(pa.table(columns), path, row_group_size=2)


@pytest.mark.parametrize(
    "when",
    [
        pa.array([date(2005, 1, 31)] * 3),
        pa.array([datetime(2005, 1, 31, 23, 59, tzinfo=timezone.utc)] * 3),
        pa.array([datetime(2005, 1, 31, 1)] * 3, pa.timestamp("ms")),
        pa.array(["2005-01-31", "2005-01-31 10:00", "2005-01-31T01:00"]),
        pa.array(["2005-01-31"] * 3).dictionary_encode(),
    ],
)
@pytest.mark.parametrize("split_bytes", [1, 10**6])
def test_parquet(tmp_path: Path, when: pa.Array, split_bytes: int) -> None:
    write_parquet(
        tmp_path / "a.parquet",
        when=when,
        title=["a", "b", "c"],
        stars=pa.array([3, 2.5, 1], pa.float32()),
        what=pa.array([7, 8, 9], pa.uint16()),
        who=pa.array([1, 2, 3], pa.int64()),
    )
    expected = [(1, 7, 3.0, DAY), (2, 8, 2.5, DAY), (3, 9, 1.0, DAY)]
    assert read(tmp_path, MAPPING, split_bytes) == (expected, [])


def test_parquet_values_that_do_not_fit_are_refused_by_row(tmp_path: Path) -> None:
    when = [date(2005, 1, 31)] * 6
    when[5] = date(2059, 9, 19)
    write_parquet(
        tmp_path / "a.parquet",
        who=pa.array([1, None, 2**31, 4, 5, 6], pa.int64()),
        what=["7", "8", "9", "ten", "11", "12"],
        stars=pa.array([1.0, 1.0, 1.0, 1.0, float("nan"), 1.0]),
        when=pa.array(when),
    )
    ratings, rejects = read(tmp_path, MAPPING)
    assert ratings == [(1, 7, 1.0, DAY)]
    assert rejects == [
        (2, 1, ",8,1,2005-01-31", r.BAD_USER),
        (3, 2, "2147483648,9,1,2005-01-31", r.BAD_USER),
        (4, 3, "4,ten,1,2005-01-31", r.BAD_MOVIE),
        (5, 4, "5,11,nan,2005-01-31", r.BAD_NUMBER),
        (6, 5, "6,12,1,2059-09-19", r.BAD_DATE),
    ]


def test_parquet_ids_that_pandas_made_floats(tmp_path: Path) -> None:
    write_parquet(
        tmp_path / "a.parquet",
        **{c.USER_ID: [1.0, float("nan")], c.MOVIE_ID: [2, 3], c.RATING: [4, 5]},
    )
    ratings, rejects = read(tmp_path, TableConfig())
    assert (ratings, [x[3] for x in rejects]) == ([(1, 2, 4.0, 0)], [r.BAD_USER])


def test_parquet_milliseconds_and_missing_column(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", who=[1], what=[2], stars=[3], when=[86_400_000])
    settings = TableConfig(
        user="who", movie="what", rating="stars", time="when", time_format="milliseconds"
    )
    assert read(tmp_path, settings)[0] == [(1, 2, 3.0, 1)]
    with pytest.raises(DataError, match=r"no columns whom .*mean who\?"):
        read(tmp_path, TableConfig(user="whom", movie="what", rating="stars"))


def test_damaged_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"a\.parquet: found damaged Parquet file"):
        read(tmp_path, MAPPING)
